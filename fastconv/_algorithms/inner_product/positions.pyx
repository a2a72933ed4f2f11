"""Kernels that have few positions: products of columns and weights, the latter read in place.

What the kernel meets at each position of each image is a row of a matrix, in the order of the
weights. So nothing is packed, which takes longer than so few products; and sums of rows are rows
of the gradient of the weights, where sums by tiles of pixels would have to be turned.
"""
import numpy as np

cimport cython
cimport numpy as cnp

from fastconv._algorithms.inner_product.products cimport Job, combine, multiply_rows, new_job
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES, PAD_CONSTANT, source_index
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.types cimport real_t

from fastconv._algorithms.finish import finish

cnp.import_array()

cdef enum:
    TERMS = 96  # positions, about, whose columns are kept at once


cdef Py_ssize_t positions(const conv_geometry *g) noexcept nogil:
    """Elements of a plane of the result."""
    return g.output[0] * g.output[1] * g.output[2]


cdef Py_ssize_t images_at_once(const conv_geometry *g) noexcept:
    """Images whose columns are kept at once."""
    return max(<Py_ssize_t>1, TERMS // positions(g))


cdef Py_ssize_t columns_size(const conv_geometry *g) noexcept nogil:
    """Elements of the columns of one position."""
    return g.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]


# ---- the passes with weights ----

@cython.final
cdef class FewPositions:
    """One pass of one layer, with its weights as a matrix."""

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Py_ssize_t step = images_at_once(&self.desc.g), part
        if cnp.PyArray_SIZE(out) == 0:
            return
        for part in range(ceil_div(cnp.PyArray_DIM(out, 0), step)):
            images = slice(part * step, (part + 1) * step)
            if self.backward:
                self.backward_data(source[images], out[images], threads)
            else:
                self.forward(source[images], out[images], threads)
        if not self.backward:
            finish(self.desc, out, bias, residual)

    cdef Job job(self):
        cdef const conv_geometry *g = &self.desc.g
        cdef Job job = new_job(g.itemsize, g.groups)
        job.values = columns_size(g) // g.groups
        return job

    cdef int forward(self, cnp.ndarray x, cnp.ndarray out, int threads) except -1:
        """Sums of some images."""
        cdef const conv_geometry *g = &self.desc.g
        cdef Job job = self.job()
        cdef cnp.ndarray columns = gather(self.desc, x), rows
        job.terms, job.rows = cnp.PyArray_DIM(columns, 0), g.filters // g.groups
        job.x, job.x_group, job.x_row = (
            cnp.PyArray_BYTES(columns), job.values, g.groups * job.values)
        job.factor, job.factor_row = cnp.PyArray_BYTES(self.weight), job.values
        job.factor_group = job.rows * job.values
        job.out_group, job.out_row = job.rows, g.filters
        if g.channels_last:  # pixels are rows
            job.out = cnp.PyArray_BYTES(out)
            return multiply_rows(&job, threads)
        rows = np.empty((job.terms, g.filters), out.dtype)
        job.out = cnp.PyArray_BYTES(rows)
        multiply_rows(&job, threads)
        planes = np.moveaxis(out, 1, -1)
        planes[...] = (<object>rows).reshape(planes.shape)
        return 0

    cdef int backward_data(self, cnp.ndarray grad, cnp.ndarray out, int threads) except -1:
        """Columns of some images, added up at their places."""
        cdef const conv_geometry *g = &self.desc.g
        cdef Job job = self.job()
        cdef cnp.ndarray grads = rows_of(grad, g.channels_last), columns
        job.rows, job.terms = cnp.PyArray_DIM(grads, 0), g.filters // g.groups
        columns = np.empty((job.rows, columns_size(g)), out.dtype)
        job.x_group, job.x_row = job.terms * job.values, job.values
        job.factor_group = job.terms
        job.out, job.out_group, job.out_row = (
            cnp.PyArray_BYTES(columns), job.values, columns_size(g))
        combine(&job, self.weight, grads, 1, g.filters, threads)
        out[...] = 0
        scatter(self.desc, columns, out)
        return 0


# ---- the gradient of the weights ----

cdef int sum_positions(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                       bint per_sample, int threads) except -1:
    """Sum grad_output times columns into `out`, which is C-contiguous."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t step = 1 if per_sample else images_at_once(g), part
    cdef Py_ssize_t values = columns_size(g) // g.groups
    cdef Job job = new_job(g.itemsize, g.groups)
    job.rows, job.values = g.filters // g.groups, values
    job.factor_group, job.out_group, job.out_row = job.rows, job.rows * values, values
    for part in range(ceil_div(cnp.PyArray_DIM(x, 0), step)):
        images = slice(part * step, (part + 1) * step)
        columns = gather(desc, x[images])
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


# ---- columns ----

cdef cnp.ndarray gather(ConvDesc desc, cnp.ndarray x):
    """(images * positions, channels * taps): what the kernel meets, in the order of the weights."""
    cdef cnp.ndarray columns = np.empty(
        (cnp.PyArray_DIM(x, 0) * positions(&desc.g), columns_size(&desc.g)), x.dtype)
    move_columns(&desc.g, x, columns, False)
    return columns


cdef void scatter(ConvDesc desc, cnp.ndarray columns, cnp.ndarray x) noexcept:
    """Add them to what the kernel meets."""
    move_columns(&desc.g, x, columns, True)


cdef void move_columns(const conv_geometry *g, cnp.ndarray x, cnp.ndarray columns,
                       bint back) noexcept:
    """From images to columns, or back."""
    cdef Strided5 images = strided_images(x, g.channels_last)
    cdef Py_ssize_t n, size = positions(g) * columns_size(g)
    with nogil:
        for n in range(cnp.PyArray_DIM(x, 0)):
            if g.itemsize == 4:
                move_image(g, &images, (<float *>images.data) + n * images.stride[0],
                           (<float *>cnp.PyArray_DATA(columns)) + n * size, back)
            else:
                move_image(g, &images, (<double *>images.data) + n * images.stride[0],
                           (<double *>cnp.PyArray_DATA(columns)) + n * size, back)


cdef void move_image(const conv_geometry *g, const Strided5 *images, real_t *x, real_t *row,
                     bint back) noexcept nogil:
    """Those of one image."""
    cdef Py_ssize_t o[AXES]
    for o[0] in range(g.output[0]):
        for o[1] in range(g.output[1]):
            for o[2] in range(g.output[2]):
                move_position(g, images, x, o, row, back)
                row += columns_size(g)


cdef inline void move_position(const conv_geometry *g, const Strided5 *images, real_t *x,
                               const Py_ssize_t *o, real_t *row, bint back) noexcept nogil:
    """What the kernel meets at one output."""
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2], tap, t0, t1, t2
    cdef Py_ssize_t i[AXES]
    cdef real_t outside = <real_t>g.padding_value if g.padding_mode == PAD_CONSTANT else 0
    tap = taps - 1 if g.flip else 0
    for t0 in range(g.kernel[0]):
        i[0] = met(g, 0, o[0], t0)
        for t1 in range(g.kernel[1]):
            i[1] = met(g, 1, o[1], t1)
            for t2 in range(g.kernel[2]):
                i[2] = met(g, 2, o[2], t2)
                if not back:
                    gather_tap(g.channels, images, x, i, outside, taps, row + tap)
                elif i[0] >= 0 and i[1] >= 0 and i[2] >= 0:
                    add_tap(g.channels, images, row + tap, taps, i, x)
                tap += -1 if g.flip else 1


cdef inline Py_ssize_t met(const conv_geometry *g, int a, Py_ssize_t o,
                           Py_ssize_t t) noexcept nogil:
    """The element of an axis that a tap meets at an output, or -1."""
    return source_index(o * g.stride[a] + t * g.dilation[a] - g.before[a], g.input[a],
                        g.padding_mode)


cdef inline void gather_tap(Py_ssize_t channels, const Strided5 *images, const real_t *x,
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


cdef inline void add_tap(Py_ssize_t channels, const Strided5 *images, const real_t *column,
                         Py_ssize_t taps, const Py_ssize_t *i, real_t *x) noexcept nogil:
    """What one tap adds to each channel."""
    cdef Py_ssize_t c, step = images.stride[1]
    x += i[0] * images.stride[2] + i[1] * images.stride[3] + i[2] * images.stride[4]
    for c in range(channels):
        x[c * step] += column[c * taps]
