"""Sliding window: the definition of convolution as plain loops.

It needs no memory at all and serves everything, so it is what remains when `max_workspace`
forbids the rest; and it is the algorithm to read first. Each output adds up, channel by channel,
the products of the kernel with the window below it. Sums are in float64 and cut into blocks, so
that rounding errors do not pile up.

Arrays are memoryviews of five axes, (images, channels, three of space), whatever their rank and
format: NumPy moves the axes, and turns the kernel around where it is flipped.

Source: the textbook definition; Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning" (2016).
"""
import numpy as np

cimport numpy as cnp
from cython.parallel cimport prange

from fastconv._core.blocks cimport unravel
from fastconv._core.output cimport Output, make_output, store_rows
from fastconv._core.padding cimport AXES, source_index
from fastconv._core.threads cimport Slices, next_slice, slices
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport kernels_for

from fastconv._algorithms.record import (
    BACKWARD_DATA, BACKWARD_WEIGHT, FORWARD, PASSES, Algorithm, Cost,
)

cnp.import_array()

# The cost model (docs/algorithms/choice.rst), in seconds.
cdef double PER_CALL = 8e-6
cdef dict PER_PRODUCT = {FORWARD: 10e-9, BACKWARD_DATA: 15e-9, BACKWARD_WEIGHT: 5e-9}
cdef double SLOWNESS = 50.0  # of an operation, against those that `slices` counts in

cdef enum:
    BLOCK = 64         # terms of a block of a sum
    ROW = 64 * BLOCK   # and of a row of blocks


# A sum cut into blocks, and those into rows.
cdef struct Sum:
    double block, row, total
    Py_ssize_t terms


cdef inline Sum zero() noexcept nogil:
    cdef Sum s
    s.block = s.row = s.total = 0
    s.terms = 0
    return s


cdef inline void add(Sum *s, double term) noexcept nogil:
    s.block += term
    s.terms += 1
    if s.terms % BLOCK == 0:
        s.row += s.block
        s.block = 0
        if s.terms % ROW == 0:
            s.total += s.row
            s.row = 0


cdef inline double result(const Sum *s) noexcept nogil:
    return s.total + (s.row + s.block)


cdef inline Py_ssize_t read_at(const conv_geometry *g, int a, Py_ssize_t output,
                               Py_ssize_t tap) noexcept nogil:
    """The input position that a tap of axis a meets at an output; -1 for constant padding."""
    return source_index(output * g.stride[a] + tap * g.dilation[a] - g.before[a], g.input[a],
                        g.padding_mode)


cdef inline Py_ssize_t reached_by(const conv_geometry *g, int a, Py_ssize_t input,
                                  Py_ssize_t tap) noexcept nogil:
    """The output at which a tap of axis a meets an input position; -1 where none does."""
    cdef Py_ssize_t place = input + g.before[a] - tap * g.dilation[a]
    if place < 0 or place % g.stride[a] or place // g.stride[a] >= g.output[a]:
        return -1
    return place // g.stride[a]


# ---- forward ----

cdef int forward(const conv_geometry *g, const real_t[:, :, :, :, :] x,
                 const real_t[:, :, :, :, :] weight, const Output *output, double work,
                 int threads) except -1:
    cdef Py_ssize_t row
    cdef Slices s = slices(x.shape[0] * g.filters * g.output[0] * g.output[1], work, threads)
    while next_slice(&s):
        for row in prange(s.start, s.stop, nogil=True, num_threads=s.threads):
            forward_row(g, x, weight, output, row)
    return 0


cdef void forward_row(const conv_geometry *g, const real_t[:, :, :, :, :] x,
                      const real_t[:, :, :, :, :] weight, const Output *output,
                      Py_ssize_t row) noexcept nogil:
    """A row of outputs of one image and filter."""
    cdef Py_ssize_t[3] at  # filter, and two axes of the output
    cdef Py_ssize_t[3] extent
    cdef Py_ssize_t n, o
    cdef real_t value
    extent[0], extent[1], extent[2] = g.filters, g.output[0], g.output[1]
    n = unravel(row, extent, 3, at)
    for o in range(g.output[2]):
        value = <real_t>window_sum(g, x, weight, n, at[0], at[1], at[2], o)
        store_rows(output, 1, 1, &value, 1,
                   n * output.image + at[0] * output.channel + at[1] * output.axis[0]
                   + at[2] * output.axis[1] + o * output.axis[2], 1, at[0], True)


cdef inline double window_sum(const conv_geometry *g, const real_t[:, :, :, :, :] x,
                              const real_t[:, :, :, :, :] weight, Py_ssize_t n, Py_ssize_t k,
                              Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t o2) noexcept nogil:
    """Image n under the kernel of filter k. Padding takes part: zero times infinity is a NaN."""
    cdef Py_ssize_t channels = g.channels // g.groups, c, t0, t1, t2, i0, i1, i2
    cdef Py_ssize_t first = k // (g.filters // g.groups) * channels
    cdef Sum total = zero()
    cdef double element
    for c in range(channels):
        for t0 in range(g.kernel[0]):
            i0 = read_at(g, 0, o0, t0)
            for t1 in range(g.kernel[1]):
                i1 = read_at(g, 1, o1, t1)
                for t2 in range(g.kernel[2]):
                    i2 = read_at(g, 2, o2, t2)
                    element = g.padding_value
                    if i0 >= 0 and i1 >= 0 and i2 >= 0:
                        element = x[n, first + c, i0, i1, i2]
                    add(&total, element * weight[k, c, t0, t1, t2])
    return result(&total)


# ---- the gradient of the data ----

cdef int backward_data(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                       const real_t[:, :, :, :, :] weight, real_t[:, :, :, :, :] out, double work,
                       int threads) except -1:
    cdef Py_ssize_t row
    cdef Slices s = slices(out.shape[0] * g.channels * g.input[0] * g.input[1], work, threads)
    while next_slice(&s):
        for row in prange(s.start, s.stop, nogil=True, num_threads=s.threads):
            backward_row(g, grad, weight, out, row)
    return 0


cdef void backward_row(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                       const real_t[:, :, :, :, :] weight, real_t[:, :, :, :, :] out,
                       Py_ssize_t row) noexcept nogil:
    """The gradient of a row of one image and input channel."""
    cdef Py_ssize_t[3] at  # channel, and two axes of the input
    cdef Py_ssize_t[3] extent
    cdef Py_ssize_t n, i
    extent[0], extent[1], extent[2] = g.channels, g.input[0], g.input[1]
    n = unravel(row, extent, 3, at)
    for i in range(g.input[2]):
        out[n, at[0], at[1], at[2], i] = <real_t>reader_sum(
            g, grad, weight, n, at[0], at[1], at[2], i)


cdef inline double reader_sum(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                              const real_t[:, :, :, :, :] weight, Py_ssize_t n, Py_ssize_t c,
                              Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t i2) noexcept nogil:
    """What those outputs give that read channel c of image n at one position."""
    cdef Py_ssize_t filters = g.filters // g.groups, channels = g.channels // g.groups
    cdef Py_ssize_t k, t0, t1, t2, o0, o1, o2
    cdef Sum total = zero()
    for k in range(c // channels * filters, (c // channels + 1) * filters):
        for t0 in range(g.kernel[0]):
            o0 = reached_by(g, 0, i0, t0)
            if o0 < 0:
                continue
            for t1 in range(g.kernel[1]):
                o1 = reached_by(g, 1, i1, t1)
                if o1 < 0:
                    continue
                for t2 in range(g.kernel[2]):
                    o2 = reached_by(g, 2, i2, t2)
                    if o2 >= 0:
                        add(&total, <double>grad[n, k, o0, o1, o2]
                            * weight[k, c % channels, t0, t1, t2])
    return result(&total)


# ---- the gradient of the weights ----

cdef int backward_weight(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                         const real_t[:, :, :, :, :] x, real_t[:, :, :, :, :, :] out, double work,
                         int threads) except -1:
    cdef Py_ssize_t element
    cdef Slices s = slices(out.shape[0] * g.filters * (g.channels // g.groups) * g.kernel[0]
                           * g.kernel[1] * g.kernel[2], work, threads)
    while next_slice(&s):
        for element in prange(s.start, s.stop, nogil=True, num_threads=s.threads):
            weight_element(g, grad, x, out, element)
    return 0


cdef void weight_element(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                         const real_t[:, :, :, :, :] x, real_t[:, :, :, :, :, :] out,
                         Py_ssize_t element) noexcept nogil:
    """The gradient of one weight: of all images, or of one where each has its own."""
    cdef Py_ssize_t[5] at  # filter, channel, and three axes of the kernel
    cdef Py_ssize_t[5] extent
    cdef Py_ssize_t channels = g.channels // g.groups, sample, first, images = x.shape[0]
    extent[0], extent[1] = g.filters, channels
    extent[2], extent[3], extent[4] = g.kernel[0], g.kernel[1], g.kernel[2]
    sample = unravel(element, extent, 5, at)
    first = 0
    if out.shape[0] > 1 or images == 1:
        first, images = sample, 1
    out[sample, at[0], at[1], at[2], at[3], at[4]] = <real_t>image_sum(
        g, grad, x, first, images, at)


cdef inline double image_sum(const conv_geometry *g, const real_t[:, :, :, :, :] grad,
                             const real_t[:, :, :, :, :] x, Py_ssize_t first, Py_ssize_t images,
                             const Py_ssize_t *at) noexcept nogil:
    """The sum over the pixels of some images of grad_output times what the weight met there."""
    cdef Py_ssize_t channel = at[0] // (g.filters // g.groups) * (g.channels // g.groups) + at[1]
    cdef Py_ssize_t n, o0, o1, o2, i0, i1, i2
    cdef Sum total = zero()
    cdef double element
    for n in range(first, first + images):
        for o0 in range(g.output[0]):
            i0 = read_at(g, 0, o0, at[2])
            for o1 in range(g.output[1]):
                i1 = read_at(g, 1, o1, at[3])
                for o2 in range(g.output[2]):
                    i2 = read_at(g, 2, o2, at[4])
                    element = g.padding_value
                    if i0 >= 0 and i1 >= 0 and i2 >= 0:
                        element = x[n, channel, i0, i1, i2]
                    add(&total, element * grad[n, at[0], o0, o1, o2])
    return result(&total)


# ---- arrays of five axes ----

def five_axes(array, channels_last=False):
    """A view (images, channels, three axes) of images, or of weights."""
    if channels_last:
        array = np.moveaxis(array, -1, 1)
    missing = (np.newaxis,) * (AXES + 2 - array.ndim)
    return array[(slice(None), slice(None), *missing)]


def five_axed_weights(ConvDesc desc, weight):
    """Weights, or their gradients, in the order in which a correlation meets them."""
    if desc.g.flip:
        weight = weight[(..., *(slice(None, None, -1),) * <int>desc.g.rank)]
    return weight


cdef class Sliding:
    """One pass of one layer; the weights stay as they are."""

    cdef ConvDesc desc
    cdef bint backward
    cdef object weight

    def __cinit__(self, ConvDesc desc, bint backward, weight):
        self.desc = desc
        self.backward = backward
        self.weight = five_axes(five_axed_weights(desc, weight))

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef const conv_geometry *g = &self.desc.g
        cdef bint last = g.channels_last
        cdef double work = SLOWNESS * self.desc.flops(cnp.PyArray_DIM(source, 0))
        cdef Output output
        if cnp.PyArray_SIZE(out) == 0:
            return
        images = five_axes(source, last)
        if self.backward:
            result = five_axes(out, last)
            if g.itemsize == 4:
                backward_data[float](g, images, self.weight, result, work, threads)
            else:
                backward_data[double](g, images, self.weight, result, work, threads)
            return
        output = make_output(kernels_for(g.itemsize), &self.desc.epilogue, out, bias, residual,
                             last)
        if g.itemsize == 4:
            forward[float](g, images, self.weight, &output, work, threads)
        else:
            forward[double](g, images, self.weight, &output, work, threads)


def weight_gradient(ConvDesc desc, grad, x, out, bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef const conv_geometry *g = &desc.g
    cdef double work = SLOWNESS * desc.flops(len(x))
    if out.size == 0:
        return
    if grad.size == 0:
        out[...] = 0
        return
    x, grad = five_axes(x, g.channels_last), five_axes(grad, g.channels_last)
    result = out if out.ndim == g.rank + 3 else out[np.newaxis]
    result = five_axed_weights(desc, result)
    missing = (np.newaxis,) * <int>(AXES - g.rank)
    result = result[(slice(None), slice(None), slice(None), *missing)]
    if g.itemsize == 4:
        backward_weight[float](g, grad, x, result, work, threads)
    else:
        backward_weight[double](g, grad, x, result, work, threads)


# ---- the record ----

def supports(ConvDesc desc, which):
    """It serves everything."""
    return None


def workspace(ConvDesc desc, which, int threads):
    return 0


def cost(ConvDesc desc, which):
    return Cost(arithmetic=PER_PRODUCT[which] * desc.flops() / 2, start=PER_CALL)


def prepare(ConvDesc desc, which, weight, int threads=1):
    return Sliding(desc, which == BACKWARD_DATA, weight)


ALGORITHM = Algorithm(
    name="sliding", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient, any_cut=True,
)
