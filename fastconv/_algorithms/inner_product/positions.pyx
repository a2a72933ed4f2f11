"""The gradient of the weights of a kernel that has few positions: grad' columns.

What the kernel meets at each position of each image is a row of a matrix, in the order of the
weights. So sums of rows are rows of the gradient, and are written where they belong; sums by tiles
of pixels would have to be turned, which takes longer than so few products.
"""
import numpy as np

cimport numpy as cnp

from fastconv._algorithms.inner_product.products cimport Job, combine, new_job
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES, PAD_CONSTANT, source_index
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.types cimport real_t

cnp.import_array()

cdef enum:
    TERMS = 96  # positions, about, whose columns are kept at once


cdef Py_ssize_t positions(const conv_geometry *g) noexcept:
    """Elements of a plane of the result."""
    return g.output[0] * g.output[1] * g.output[2]


cdef Py_ssize_t images_at_once(const conv_geometry *g) noexcept:
    """Images whose columns are kept at once."""
    return max(<Py_ssize_t>1, TERMS // positions(g))


cdef int sum_positions(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                       bint per_sample, int threads) except -1:
    """Sum grad_output times columns into `out`, which is C-contiguous."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t step = 1 if per_sample else images_at_once(g), part, values
    cdef Job job = new_job(g.itemsize, g.groups)
    values = g.channels // g.groups * g.kernel[0] * g.kernel[1] * g.kernel[2]
    job.rows, job.values = g.filters // g.groups, values
    job.factor_group, job.out_group, job.out_row = job.rows, job.rows * values, values
    for part in range(ceil_div(cnp.PyArray_DIM(x, 0), step)):
        images = slice(part * step, (part + 1) * step)
        columns = columns_of_positions(desc, x[images])
        target = out[part] if per_sample else out
        job.terms = cnp.PyArray_DIM(columns, 0)
        job.x_group, job.x_row = values, g.groups * values
        job.out = cnp.PyArray_BYTES(target)
        job.more = part > 0 and not per_sample
        combine(&job, columns, rows_of(grad[images], g.channels_last), g.filters, 1, threads)
    return 0


cdef cnp.ndarray rows_of(images, bint channels_last):
    """(images * positions, channels), C-contiguous."""
    if not channels_last:
        images = np.moveaxis(images, 1, -1)
    return np.ascontiguousarray(images).reshape(-1, images.shape[images.ndim - 1])


cdef cnp.ndarray columns_of_positions(ConvDesc desc, cnp.ndarray x):
    """(images * positions, channels * taps): what the kernel meets, in the order of the weights."""
    cdef const conv_geometry *g = &desc.g
    cdef Strided5 images = strided_images(x, g.channels_last)
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0), n
    cdef cnp.ndarray columns = np.empty(
        (batch * positions(g), g.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]), x.dtype)
    cdef char *row = cnp.PyArray_BYTES(columns)
    cdef Py_ssize_t size = cnp.PyArray_NBYTES(columns) // max(batch, 1)
    for n in range(batch):
        if g.itemsize == 4:
            write_columns(g, &images, (<const float *>images.data) + n * images.stride[0],
                          <float *>(row + n * size))
        else:
            write_columns(g, &images, (<const double *>images.data) + n * images.stride[0],
                          <double *>(row + n * size))
    return columns


cdef void write_columns(const conv_geometry *g, const Strided5 *images, const real_t *x,
                        real_t *row) noexcept nogil:
    """Those of one image."""
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2], tap, o0, o1, o2, t0, t1, t2
    cdef Py_ssize_t i[AXES]
    cdef real_t outside = <real_t>g.padding_value if g.padding_mode == PAD_CONSTANT else 0
    for o0 in range(g.output[0]):
        for o1 in range(g.output[1]):
            for o2 in range(g.output[2]):
                tap = taps - 1 if g.flip else 0
                for t0 in range(g.kernel[0]):
                    i[0] = met(g, 0, o0, t0)
                    for t1 in range(g.kernel[1]):
                        i[1] = met(g, 1, o1, t1)
                        for t2 in range(g.kernel[2]):
                            i[2] = met(g, 2, o2, t2)
                            write_tap(g.channels, images, x, i, outside, taps, row + tap)
                            tap += -1 if g.flip else 1
                row += g.channels * taps


cdef inline Py_ssize_t met(const conv_geometry *g, int a, Py_ssize_t o,
                           Py_ssize_t t) noexcept nogil:
    """The element of an axis that a tap meets at an output, or -1."""
    return source_index(o * g.stride[a] + t * g.dilation[a] - g.before[a], g.input[a],
                        g.padding_mode)


cdef inline void write_tap(Py_ssize_t channels, const Strided5 *images, const real_t *x,
                           const Py_ssize_t *i, real_t outside, Py_ssize_t taps,
                           real_t *to) noexcept nogil:
    """What one tap meets in each channel."""
    cdef Py_ssize_t c, step = images.stride[1]
    if i[0] < 0 or i[1] < 0 or i[2] < 0:
        for c in range(channels):
            to[c * taps] = outside
        return
    x += i[0] * images.stride[2] + i[1] * images.stride[3] + i[2] * images.stride[4]
    for c in range(channels):
        to[c * taps] = x[c * step]
