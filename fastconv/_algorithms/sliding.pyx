"""Sliding window: the definition of convolution as plain loops.

It needs no memory at all and serves everything, so it is what remains when `max_workspace`
forbids the rest; and it is the algorithm to read first. Each output adds up, channel by channel,
the products of the kernel with the window below it. Sums are in float64 and cut into blocks, so
that rounding errors do not pile up.

Source: the textbook definition; Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning" (2016).
"""
from libc.string cimport memset

cimport numpy as cnp

from fastconv._core.cost cimport peak
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._core.padding cimport source_index
from fastconv._desc cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_epilogue, fc_kernels, kernels_for

from fastconv._algorithms.record import BACKWARD_DATA, PASSES, Algorithm, Cost

cnp.import_array()

# Strides of an (image, channel, axis, axis, axis) array, in elements.
cdef struct Array:
    char *data
    Py_ssize_t stride[5]


# A sum cut into blocks of 64 terms, and those into rows of 64 blocks.
cdef struct Sum:
    double block, row, total
    Py_ssize_t terms


cdef inline Sum nothing() noexcept nogil:
    cdef Sum s
    s.block = s.row = s.total = 0
    s.terms = 0
    return s


cdef inline void add(Sum *s, double term) noexcept nogil:
    s.block += term
    s.terms += 1
    if s.terms % 64 == 0:
        s.row += s.block
        s.block = 0
        if s.terms % 4096 == 0:
            s.total += s.row
            s.row = 0


cdef inline double result(const Sum *s) noexcept nogil:
    return s.total + (s.row + s.block)


cdef struct Loops:
    const conv_geometry *g
    const fc_epilogue *epilogue
    const fc_kernels *k
    Array x, weight, y       # y: the output, or its gradient
    char *bias
    char *residual
    char *out                # contiguous
    Py_ssize_t batch
    bint per_sample


cdef void view(cnp.ndarray array, const conv_geometry *g, bint channels_last, Array *out) noexcept:
    cdef Py_ssize_t *strides = <Py_ssize_t *>cnp.PyArray_STRIDES(array)
    cdef int i, rank = <int>g.rank, first = 1 if channels_last else 2
    out.data = cnp.PyArray_BYTES(array)
    out.stride[0] = strides[0] // g.itemsize
    out.stride[1] = strides[rank + 1 if channels_last else 1] // g.itemsize
    out.stride[2] = out.stride[3] = out.stride[4] = 0
    for i in range(rank):
        out.stride[5 - rank + i] = strides[first + i] // g.itemsize


cdef Py_ssize_t in_layout(const conv_geometry *g, const Py_ssize_t *axes, Py_ssize_t channels,
                          Py_ssize_t n, Py_ssize_t c, Py_ssize_t i0, Py_ssize_t i1,
                          Py_ssize_t i2) noexcept nogil:
    """Place of an element in a contiguous array of the description's data format."""
    if g.channels_last:
        return (((n * axes[0] + i0) * axes[1] + i1) * axes[2] + i2) * channels + c
    return (((n * channels + c) * axes[0] + i0) * axes[1] + i1) * axes[2] + i2


cdef Py_ssize_t tap(const conv_geometry *g, const Py_ssize_t *stride, Py_ssize_t j0,
                    Py_ssize_t j1, Py_ssize_t j2) noexcept nogil:
    """Place of a kernel position in the weight."""
    if g.flip:
        j0, j1, j2 = g.kernel[0] - 1 - j0, g.kernel[1] - 1 - j1, g.kernel[2] - 1 - j2
    return j0 * stride[2] + j1 * stride[3] + j2 * stride[4]


cdef void forward_row(Loops *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    """A row of outputs of one image and filter."""
    cdef const conv_geometry *g = job.g
    cdef Py_ssize_t o1 = task % g.output[1], o0 = task // g.output[1] % g.output[0]
    cdef Py_ssize_t plane = task // (g.output[1] * g.output[0])
    cdef Py_ssize_t n = plane // g.filters, filter = plane % g.filters
    cdef Py_ssize_t channels = g.channels // g.groups
    cdef Py_ssize_t group = filter // (g.filters // g.groups)
    cdef Py_ssize_t c, o2, j0, j1, j2, i0, i1, i2, place
    cdef const real_t *x
    cdef const real_t *w
    cdef Sum total
    cdef double element
    cdef real_t value
    for o2 in range(g.output[2]):
        total = nothing()
        for c in range(channels):
            x = (<const real_t *>job.x.data) + (
                n * job.x.stride[0] + (group * channels + c) * job.x.stride[1])
            w = (<const real_t *>job.weight.data) + (
                filter * job.weight.stride[0] + c * job.weight.stride[1])
            for j0 in range(g.kernel[0]):
                i0 = source_index(o0 * g.stride[0] + j0 * g.dilation[0] - g.before[0],
                                  g.input[0], g.padding_mode)
                for j1 in range(g.kernel[1]):
                    i1 = source_index(
                        o1 * g.stride[1] + j1 * g.dilation[1] - g.before[1],
                        g.input[1], g.padding_mode)
                    for j2 in range(g.kernel[2]):
                        i2 = source_index(
                            o2 * g.stride[2] + j2 * g.dilation[2] - g.before[2],
                            g.input[2], g.padding_mode)
                        # Padding zeros take part: zero times infinity is not a number.
                        element = 0
                        if i0 >= 0 and i1 >= 0 and i2 >= 0:
                            element = x[i0 * job.x.stride[2] + i1 * job.x.stride[3]
                                        + i2 * job.x.stride[4]]
                        add(&total, element * w[tap(g, job.weight.stride, j0, j1, j2)])
        value = <real_t>result(&total)
        place = in_layout(g, g.output, g.filters, n, filter, o0, o1, o2)
        job.k.store(1, 1, &value, 1, (<real_t *>job.out) + place, 1,
                    NULL if job.bias == NULL else (<real_t *>job.bias) + filter, 1, 0,
                    NULL if job.residual == NULL else (<real_t *>job.residual) + place,
                    1, job.epilogue)


cdef void backward_row(Loops *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    """The gradient of a row of one image and input channel: who read it gives to it."""
    cdef const conv_geometry *g = job.g
    cdef Py_ssize_t i1 = task % g.input[1], i0 = task // g.input[1] % g.input[0]
    cdef Py_ssize_t plane = task // (g.input[1] * g.input[0])
    cdef Py_ssize_t n = plane // g.channels, channel = plane % g.channels
    cdef Py_ssize_t filters = g.filters // g.groups
    cdef Py_ssize_t group = channel // (g.channels // g.groups)
    cdef Py_ssize_t f, j0, j1, j2, i2, r0, r1, r2
    cdef const real_t *grad
    cdef const real_t *w
    cdef Sum total
    for i2 in range(g.input[2]):
        total = nothing()
        for f in range(filters):
            grad = (<const real_t *>job.y.data) + (
                n * job.y.stride[0] + (group * filters + f) * job.y.stride[1])
            w = (<const real_t *>job.weight.data) + (
                (group * filters + f) * job.weight.stride[0]
                + channel % (g.channels // g.groups) * job.weight.stride[1])
            for j0 in range(g.kernel[0]):
                r0 = i0 + g.before[0] - j0 * g.dilation[0]
                if r0 < 0 or r0 % g.stride[0] or r0 // g.stride[0] >= g.output[0]:
                    continue
                for j1 in range(g.kernel[1]):
                    r1 = i1 + g.before[1] - j1 * g.dilation[1]
                    if r1 < 0 or r1 % g.stride[1] or r1 // g.stride[1] >= g.output[1]:
                        continue
                    for j2 in range(g.kernel[2]):
                        r2 = i2 + g.before[2] - j2 * g.dilation[2]
                        if r2 < 0 or r2 % g.stride[2] or (
                                r2 // g.stride[2] >= g.output[2]):
                            continue
                        add(&total, <double>grad[r0 // g.stride[0] * job.y.stride[2]
                                                 + r1 // g.stride[1] * job.y.stride[3]
                                                 + r2 // g.stride[2] * job.y.stride[4]
                                                 ] * (
                            w[tap(g, job.weight.stride, j0, j1, j2)]))
        (<real_t *>job.out)[in_layout(g, g.input, g.channels, n, channel, i0, i1, i2)] = (
            <real_t>result(&total))


cdef void weight_element(Loops *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    """The gradient of one weight (of one image if per_sample)."""
    cdef const conv_geometry *g = job.g
    cdef Py_ssize_t channels = g.channels // g.groups
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t j2 = task % g.kernel[2], j1 = task // g.kernel[2] % g.kernel[1]
    cdef Py_ssize_t j0 = task // (g.kernel[2] * g.kernel[1]) % g.kernel[0]
    cdef Py_ssize_t pair = task // taps
    cdef Py_ssize_t c = pair % channels, filter = pair // channels % g.filters
    cdef Py_ssize_t sample = pair // (channels * g.filters)
    cdef Py_ssize_t group = filter // (g.filters // g.groups)
    cdef Py_ssize_t n, o0, o1, o2, i0, i1, i2
    cdef Py_ssize_t stride[5]
    cdef const real_t *x
    cdef const real_t *grad
    cdef Sum total
    cdef double element
    stride[4] = 1
    stride[3] = g.kernel[2]
    stride[2] = g.kernel[1] * g.kernel[2]
    total = nothing()
    for n in range(sample if job.per_sample else 0,
                   sample + 1 if job.per_sample else job.batch):
        x = (<const real_t *>job.x.data) + (
            n * job.x.stride[0] + (group * channels + c) * job.x.stride[1])
        grad = (<const real_t *>job.y.data) + (
            n * job.y.stride[0] + filter * job.y.stride[1])
        for o0 in range(g.output[0]):
            i0 = source_index(o0 * g.stride[0] + j0 * g.dilation[0] - g.before[0],
                              g.input[0], g.padding_mode)
            for o1 in range(g.output[1]):
                i1 = source_index(
                    o1 * g.stride[1] + j1 * g.dilation[1] - g.before[1],
                    g.input[1], g.padding_mode)
                for o2 in range(g.output[2]):
                    i2 = source_index(
                        o2 * g.stride[2] + j2 * g.dilation[2] - g.before[2],
                        g.input[2], g.padding_mode)
                    element = 0
                    if i0 >= 0 and i1 >= 0 and i2 >= 0:
                        element = x[i0 * job.x.stride[2] + i1 * job.x.stride[3]
                                    + i2 * job.x.stride[4]]
                    add(&total, element * grad[o0 * job.y.stride[2]
                                               + o1 * job.y.stride[3]
                                               + o2 * job.y.stride[4]])
    (<real_t *>job.out)[pair * taps
                        + tap(g, stride, j0, j1, j2)] = <real_t>result(&total)


cdef void forward_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    forward_row(<Loops *>context, task, <float *>NULL)


cdef void forward_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    forward_row(<Loops *>context, task, <double *>NULL)


cdef void backward_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    backward_row(<Loops *>context, task, <float *>NULL)


cdef void backward_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    backward_row(<Loops *>context, task, <double *>NULL)


cdef void weight_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    weight_element(<Loops *>context, task, <float *>NULL)


cdef void weight_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    weight_element(<Loops *>context, task, <double *>NULL)


# The cost model (docs/algorithms/choice.rst): seconds for a call, and for each product.
cdef double STARTED = 4e-6, PER_PRODUCT = 5e-9

cdef double SLOWNESS = 50.0  # against what parallel_for takes for a flop's time


cdef class Sliding:
    """One pass of one layer; the weights stay as they are."""

    cdef ConvDesc desc
    cdef bint backward
    cdef cnp.ndarray weight

    def __cinit__(self, ConvDesc desc, bint backward, cnp.ndarray weight):
        self.desc = desc
        self.backward = backward
        self.weight = weight

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Loops job
        cdef conv_geometry *g = &self.desc.g
        cdef double work = SLOWNESS * self.desc.flops(cnp.PyArray_DIM(source, 0))
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.g = g
        job.epilogue = &self.desc.epilogue
        job.k = kernels_for(g.itemsize)
        job.batch = cnp.PyArray_DIM(source, 0)
        job.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        job.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.out = cnp.PyArray_BYTES(out)
        view(self.weight, g, False, &job.weight)
        if self.backward:
            view(source, g, g.channels_last, &job.y)
            parallel_for(backward_f32 if g.itemsize == 4 else backward_f64, &job,
                         job.batch * g.channels * g.input[0] * g.input[1], threads, work)
        else:
            view(source, g, g.channels_last, &job.x)
            parallel_for(forward_f32 if g.itemsize == 4 else forward_f64, &job,
                         job.batch * g.filters * g.output[0] * g.output[1], threads, work)


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Loops job
    cdef conv_geometry *g = &desc.g
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0:
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    job.g = g
    job.batch = cnp.PyArray_DIM(x, 0)
    job.per_sample = per_sample
    job.out = cnp.PyArray_BYTES(out)
    view(x, g, g.channels_last, &job.x)
    view(grad, g, g.channels_last, &job.y)
    parallel_for(weight_f32 if g.itemsize == 4 else weight_f64, &job,
                 cnp.PyArray_SIZE(out),
                 threads, SLOWNESS * desc.flops(job.batch))


# ---- the record ----

def supports(ConvDesc desc, which):
    """It serves everything."""
    return None


def workspace(ConvDesc desc, which, int threads):
    return 0


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef double seconds = STARTED + PER_PRODUCT * desc.flops() / 2
    return Cost(arithmetic=seconds)


def prepare(ConvDesc desc, which, weight, int threads=1):
    return Sliding(desc, which == BACKWARD_DATA, weight)


ALGORITHM = Algorithm(
    name="sliding", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
)
