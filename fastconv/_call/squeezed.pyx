"""Squeeze: axes of one element come before all others.

A column of pixels, a volume of one slice, a spectrum that somebody keeps as (n, 1): drivers cut
rows into vectors, and such rows have one element. With these axes first, as if the rank had fewer,
the rows are what they would be of a signal. Nothing is copied: axes of views change places.

An output must keep its bits: an image that has no such axis may be cut into columns that have one.
So descriptions tell whether the last axis is another now, and some stay as they are.
"""
cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry, copied

from fastconv._algorithms.record import Algorithm

cnp.import_array()


cdef inline bint is_single(const conv_geometry *g, int a) noexcept:
    """Whether an axis has one element, which one tap meets for one output."""
    return (g.input[a] == g.kernel[a] == g.output[a] == 1 and g.before[a] == g.after[a] == 0)


cdef inline bint is_squeezed(const conv_geometry *g) noexcept:
    """Whether such axes come first already."""
    cdef int a = AXES - <int>g.rank
    while a < AXES and is_single(g, a):
        a += 1
    while a < AXES and not is_single(g, a):
        a += 1
    return a == AXES


cdef bint has_order(const conv_geometry *g) noexcept:
    """Whether axes have an order in which they are summed: of several with taps, or of the taps
    themselves, where a stride goes over a dilated kernel.
    """
    cdef int a, kernels = 0
    for a in range(AXES):
        kernels += g.kernel[a] > 1
        if g.asked_stride[a] > 1 and g.dilation[a] > 1:
            return True
    return kernels > 1


cdef ConvDesc moved(ConvDesc desc, const int *order):
    """The same convolution with its axes in that order."""
    cdef ConvDesc other = copied(desc)
    cdef const conv_geometry *g = &desc.g
    cdef int i, a
    for i in range(AXES):
        a = order[i]
        other.g.input[i], other.g.output[i], other.g.kernel[i] = (
            g.input[a], g.output[a], g.kernel[a])
        other.g.stride[i], other.g.asked_stride[i] = g.stride[a], g.asked_stride[a]
        other.g.dilation[i] = g.dilation[a]
        other.g.before[i], other.g.after[i] = g.before[a], g.after[a]
    other.g.turned = order[AXES - 1] != AXES - 1
    return other


cdef class Squeezed:
    """A description with such axes first, and the axes of views that fit it."""

    cdef ConvDesc desc
    cdef tuple images, weights

    def __init__(self, ConvDesc desc):
        cdef int order[AXES]
        cdef int a, n = AXES - <int>desc.g.rank, first = n
        for a in range(AXES):
            order[a] = a
        for single in (True, False):
            for a in range(first, AXES):
                if is_single(&desc.g, a) == single:
                    order[n] = a
                    n += 1
        self.desc = moved(desc, order)
        spatial = tuple([order[a] - first for a in range(first, AXES)])
        self.weights = (0, 1) + tuple([2 + a for a in spatial])
        self.images = self.weights
        if desc.g.channels_last:
            self.images = (0, *[1 + a for a in spatial], 1 + <int>desc.g.rank)


cdef Squeezed squeezed_of(ConvDesc desc):
    """The description keeps it."""
    cdef Squeezed squeezed = desc.kept.get(("squeezed",))
    if squeezed is None:
        squeezed = desc.kept["squeezed",] = Squeezed(desc)
    squeezed.desc.planned = desc.planned
    return squeezed


cpdef ConvDesc seen_by(algorithm: Algorithm, ConvDesc desc):
    """The description that an algorithm is asked about."""
    if is_squeezed(&desc.g) or algorithm.sums_by_axis and has_order(&desc.g):
        return desc
    return squeezed_of(desc).desc


cdef class SqueezedKernel:
    """A prepared pass of the description with such axes first."""

    cdef object kernel
    cdef tuple axes

    def run(self, source, bias, residual, out, threads):
        """As `Algorithm.prepare` says."""
        if residual is not None:
            residual = residual.transpose(self.axes)
        return self.kernel.run(source.transpose(self.axes), bias, residual,
                               out.transpose(self.axes), threads)


def squeezed(algorithm: Algorithm) -> Algorithm:
    """The algorithm, which sees axes of one element before all others."""
    make, add_up = algorithm.prepare, algorithm.weight_gradient

    def supports(ConvDesc desc, which):
        return algorithm.supports(seen_by(algorithm, desc), which)

    def workspace(ConvDesc desc, which, threads):
        return algorithm.workspace(seen_by(algorithm, desc), which, threads)

    def cost(ConvDesc desc, which):
        return algorithm.cost(seen_by(algorithm, desc), which)

    def prepare(ConvDesc desc, which, weight, threads=1):
        cdef Squeezed job
        cdef SqueezedKernel self
        if is_squeezed(&desc.g) or seen_by(algorithm, desc) is desc:
            return make(desc, which, weight, threads)
        job = squeezed_of(desc)
        kernel = make(job.desc, which, weight.transpose(job.weights), threads)
        if kernel is None:
            return None
        self = SqueezedKernel.__new__(SqueezedKernel)
        self.kernel, self.axes = kernel, job.images
        return self

    def weight_gradient(ConvDesc desc, grad, x, out, per_sample, threads):
        cdef Squeezed job
        if is_squeezed(&desc.g) or seen_by(algorithm, desc) is desc:
            return add_up(desc, grad, x, out, per_sample, threads)
        job = squeezed_of(desc)
        axes = job.weights
        if out.ndim > len(axes):  # one for each image
            axes = (0, *[1 + a for a in axes])
        return add_up(job.desc, grad.transpose(job.images), x.transpose(job.images),
                      out.transpose(axes), per_sample, threads)

    return algorithm._replace(supports=supports, workspace=workspace, cost=cost, prepare=prepare,
                              weight_gradient=add_up and weight_gradient)
