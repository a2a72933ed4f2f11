"""Kernels that have few positions: products of columns and weights, the latter read in place.

What the kernel meets at each position of each image is a row of a matrix, in the order of the
weights. So nothing is packed, which takes longer than so few products; and sums of rows are rows
of the gradient of the weights, where sums by tiles of pixels would have to be turned.
"""
import numpy as np

cimport cython
cimport numpy as cnp

from fastconv._algorithms.inner_product.products cimport Job, combine, multiply_rows, new_job
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES, PAD_CONSTANT, fill, source_index
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport parallel_for
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
        cdef cnp.ndarray columns = gather(self.desc, x, threads), rows
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
        scatter(self.desc, columns, out, threads)
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
        columns = gather(desc, x[images], threads)
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

# A tap inside the image: its place among the weights, and what it meets from the first element on.
cdef struct Met:
    Py_ssize_t tap, element

# Images and their columns (position, channel, tap).
cdef struct Moves:
    const conv_geometry *g
    Strided5 images
    char *columns
    bint back              # from columns to images
    Py_ssize_t taps, blocks   # of channels
    Met *met               # of each thread: room for all taps


cdef Py_ssize_t met_bytes(const conv_geometry *g) noexcept nogil:
    """What a thread notes of a position."""
    return g.kernel[0] * g.kernel[1] * g.kernel[2] * <Py_ssize_t>sizeof(Met)


cdef cnp.ndarray gather(ConvDesc desc, cnp.ndarray x, int threads):
    """(images * positions, channels * taps): what the kernel meets, in the order of the weights."""
    cdef cnp.ndarray columns = np.empty(
        (cnp.PyArray_DIM(x, 0) * positions(&desc.g), columns_size(&desc.g)), x.dtype)
    move_columns(&desc.g, x, columns, False, threads)
    return columns


cdef int scatter(ConvDesc desc, cnp.ndarray columns, cnp.ndarray x, int threads) except -1:
    """Sums of what the kernel meets, in x."""
    return move_columns(&desc.g, x, columns, True, threads)


cdef int move_columns(const conv_geometry *g, cnp.ndarray x, cnp.ndarray columns, bint back,
                      int threads) except -1:
    """From images to columns, or back."""
    cdef Moves m
    cdef Py_ssize_t tasks
    cdef Scratch memory
    m.g, m.back, m.columns = g, back, cnp.PyArray_BYTES(columns)
    m.images = strided_images(x, g.channels_last)
    m.taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    m.blocks = ceil_div(g.channels, CHANNELS)
    tasks = cnp.PyArray_DIM(x, 0) * m.blocks
    threads = <int>max(min(<Py_ssize_t>threads, tasks), <Py_ssize_t>1)
    memory = acquire(threads * met_bytes(g))  # before anything is written
    m.met = <Met *>memory.data
    if back:
        x[...] = 0
    parallel_for(move_task, &m, tasks, threads, 8.0 * cnp.PyArray_SIZE(columns))
    return 0


cdef void move_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Moves *m = <const Moves *>context
    cdef Met *met = m.met + thread * m.taps
    if m.g.itemsize == 4:
        move_channels(m, task // m.blocks, task % m.blocks * CHANNELS, <float *>m.columns, met)
    else:
        move_channels(m, task // m.blocks, task % m.blocks * CHANNELS, <double *>m.columns, met)


cdef void move_channels(const Moves *m, Py_ssize_t image, Py_ssize_t first, real_t *columns,
                        Met *met) noexcept nogil:
    """Some channels of an image: one by one, or in each tap all, where they lie together."""
    cdef const conv_geometry *g = m.g
    cdef Py_ssize_t channels = min(<Py_ssize_t>CHANNELS, g.channels - first), p, n, c
    cdef Py_ssize_t together = channels if g.channels_last else 1
    cdef real_t outside = <real_t>g.padding_value if g.padding_mode == PAD_CONSTANT else 0
    cdef real_t *x = (<real_t *>m.images.data) + (
        image * m.images.stride[0] + first * m.images.stride[1])
    cdef real_t *row = columns + image * positions(g) * columns_size(g) + first * m.taps
    for p in range(positions(g)):
        n = taps_met(m, p, met)
        if n < m.taps and not m.back:
            fill(row, channels * m.taps, outside)
        c = 0
        while c < channels:
            if m.back:
                add_taps(m, met, n, together, row + c * m.taps, x + c * m.images.stride[1])
            else:
                gather_taps(m, met, n, together, x + c * m.images.stride[1], row + c * m.taps)
            c += together
        row += columns_size(g)


cdef Py_ssize_t taps_met(const Moves *m, Py_ssize_t position, Met *met) noexcept nogil:
    """The taps that meet something at one output; how many."""
    cdef const conv_geometry *g = m.g
    cdef Py_ssize_t o[AXES]
    cdef Py_ssize_t i[AXES]
    cdef Py_ssize_t t0, t1, t2, n = 0, tap = m.taps - 1 if g.flip else 0
    cdef Py_ssize_t step = -1 if g.flip else 1
    cdef const Py_ssize_t *stride = &m.images.stride[2]
    unravel(position, g.output, AXES, o)
    for t0 in range(g.kernel[0]):
        i[0] = met_at(g, 0, o[0], t0)
        for t1 in range(g.kernel[1]):
            i[1] = met_at(g, 1, o[1], t1)
            for t2 in range(g.kernel[2]):
                i[2] = met_at(g, 2, o[2], t2)
                if i[0] >= 0 and i[1] >= 0 and i[2] >= 0:
                    met[n].tap = tap
                    met[n].element = i[0] * stride[0] + i[1] * stride[1] + i[2] * stride[2]
                    n += 1
                tap += step
    return n


cdef inline Py_ssize_t met_at(const conv_geometry *g, int a, Py_ssize_t o,
                              Py_ssize_t t) noexcept nogil:
    """The element of an axis that a tap meets at an output, or -1."""
    return source_index(o * g.stride[a] + t * g.dilation[a] - g.before[a], g.input[a],
                        g.padding_mode)


cdef inline void gather_taps(const Moves *m, const Met *met, Py_ssize_t n, Py_ssize_t channels,
                             const real_t *x, real_t *row) noexcept nogil:
    cdef Py_ssize_t i, c
    if channels == 1:
        for i in range(n):
            row[met[i].tap] = x[met[i].element]
        return
    for i in range(n):
        for c in range(channels):
            row[met[i].tap + c * m.taps] = x[met[i].element + c * m.images.stride[1]]


cdef inline void add_taps(const Moves *m, const Met *met, Py_ssize_t n, Py_ssize_t channels,
                          const real_t *row, real_t *x) noexcept nogil:
    cdef Py_ssize_t i, c
    for i in range(n):
        for c in range(channels):
            x[met[i].element + c * m.images.stride[1]] += row[met[i].tap + c * m.taps]
