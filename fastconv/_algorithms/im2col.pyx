"""im2col: convolution as matrix products, a tile of pixels at a time, by SciPy's BLAS.

The columns of a tile of output pixels, one row for each (channel, kernel position), are gathered
into scratch memory that does not grow with the image; the product with the weights is a GEMM
(`_core.blas`). The gradients are the two other products of the same matrices: backward_data
multiplies by the transposed weights and adds columns back to their places (col2im),
backward_weight multiplies grad_output by the transposed columns.

Sources: Chellapilla, Puri and Simard, "High performance convolutional neural networks for
document processing" (2006); Cho and Brand, "MEC: memory-efficient convolution" (ICML 2017).
"""
import threading

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from fastconv._core.blas cimport gemm, load
from fastconv._core.cost cimport peak
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.types cimport real_t
from fastconv._core.padding cimport source_index
from fastconv._desc cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_epilogue, fc_kernels, kernels_for

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

# The cost model (docs/algorithms/choice.rst): the part of the peak that products reach, and
# seconds for a call, for a tile and group, for a block of a product, and for an element of the
# columns, gathered or added up, of the result, of the weights.
cdef double GEMM = 0.40, STARTED = 6e-6, PER_TILE = 1.5e-6, PER_PRODUCT = 0.1e-6
cdef double GATHERED = 0.15e-9, ADDED = 0.3e-9, STORED = 0.3e-9, PACKED = 0.3e-9

# OpenBLAS has a fixed number of buffers, one for each thread inside a call, and crashes when
# they run out; so only so many calls of ours compute at once.
_callers = threading.BoundedSemaphore(32)

cdef enum:
    TILE_UNIT = 64
    TILE_MOST = 512
    TILE_BYTES = 1 << 20
    # Rounding errors: `gemm` adds up sums of 128 products in a row; a row of more than LONG
    # products is one block of a further such level.
    LONG = 1 << 13


cdef struct Job:
    const conv_geometry *g
    const fc_epilogue *epilogue
    const fc_kernels *k
    Py_ssize_t groups, filters, channels   # of a group
    Py_ssize_t taps, rows                  # kernel positions; rows of the columns
    Py_ssize_t pixels, tile, tiles         # of one image; of a tile; tiles
    Py_ssize_t batch, images               # all; of one part (backward_weight)
    char *x                                # the input, or its gradient
    char *y                                # the output, or its gradient (contiguous)
    char *weight                           # contiguous
    char *bias
    char *residual
    char *scratch
    Py_ssize_t scratch_size, product_at
    Py_ssize_t x_stride[5]                 # image, channel, three axes


cdef int set_up(ConvDesc desc, Job *job) except -1:
    cdef conv_geometry *g = &desc.g
    job.g = g
    job.epilogue = &desc.epilogue
    job.k = kernels_for(g.itemsize)
    job.groups = g.groups
    job.filters = g.filters // g.groups
    job.channels = g.channels // g.groups
    job.taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    job.rows = job.taps * job.channels
    job.pixels = g.output[0] * g.output[1] * g.output[2]
    job.tile = TILE_BYTES // (max(job.rows + job.filters, 1) * g.itemsize)
    job.tile = min(max(job.tile // TILE_UNIT, 1) * TILE_UNIT, TILE_MOST)
    job.tile = min(job.tile, max(job.pixels, 1))
    job.tiles = (job.pixels + job.tile - 1) // job.tile
    job.product_at = (job.rows * job.tile * g.itemsize + 63) // 64 * 64
    job.scratch_size = job.product_at + (
        (2 if job.rows > LONG else 1) * job.filters * job.tile * g.itemsize + 127) // 64 * 64
    job.bias = job.residual = NULL
    return 0


cdef int set_x(Job *job, cnp.ndarray x) except -1:
    cdef Py_ssize_t *strides = <Py_ssize_t *>cnp.PyArray_STRIDES(x)
    cdef int i, rank = <int>job.g.rank, first = 1 if job.g.channels_last else 2
    job.x = cnp.PyArray_BYTES(x)
    job.x_stride[0] = strides[0] // job.g.itemsize
    job.x_stride[1] = strides[rank + 1 if job.g.channels_last else 1] // job.g.itemsize
    job.x_stride[2] = job.x_stride[3] = job.x_stride[4] = 0
    for i in range(rank):
        job.x_stride[5 - rank + i] = strides[first + i] // job.g.itemsize
    job.batch = cnp.PyArray_DIM(x, 0)
    return 0


cdef void columns(const Job *job, const real_t *x, Py_ssize_t row, Py_ssize_t n_rows,
                  Py_ssize_t pixel, Py_ssize_t n_pixels, real_t *out,
                  Py_ssize_t pitch) noexcept nogil:
    """out[r][p] = what kernel position and channel `row + r` sees at output `pixel + p`.

    x points to the first channel of one image's group.
    """
    cdef const conv_geometry *g = job.g
    cdef Py_ssize_t r, c, tap, j0, j1, j2, p, run, o0, o1, o2, i0, i1, i2, q, low, high
    cdef Py_ssize_t step = g.stride[2] * job.x_stride[4]
    cdef const real_t *line
    for r in range(n_rows):
        c = (row + r) // job.taps
        tap = (row + r) % job.taps
        j2 = tap % g.kernel[2]
        j1 = tap // g.kernel[2] % g.kernel[1]
        j0 = tap // (g.kernel[2] * g.kernel[1])
        p = 0
        while p < n_pixels:
            # a run of outputs within one row of the image
            o2 = (pixel + p) % g.output[2]
            o1 = (pixel + p) // g.output[2] % g.output[1]
            o0 = (pixel + p) // (g.output[2] * g.output[1])
            run = min(n_pixels - p, g.output[2] - o2)
            i0 = source_index(o0 * g.stride[0] + j0 * g.dilation[0] - g.before[0],
                              g.input[0], g.padding_mode)
            i1 = source_index(o1 * g.stride[1] + j1 * g.dilation[1] - g.before[1],
                              g.input[1], g.padding_mode)
            if i0 < 0 or i1 < 0:
                memset(out + p, 0, run * sizeof(real_t))
                p += run
                continue
            line = x + c * job.x_stride[1] + i0 * job.x_stride[2] + i1 * job.x_stride[3]
            i2 = o2 * g.stride[2] + j2 * g.dilation[2] - g.before[2]
            low = 0 if i2 >= 0 else min(run, (-i2 + g.stride[2] - 1) // g.stride[2])
            high = low
            if i2 + low * g.stride[2] < g.input[2]:
                high = min(run, (g.input[2] - 1 - i2) // g.stride[2] + 1)
            for q in range(low):
                i1 = source_index(i2 + q * g.stride[2], g.input[2], g.padding_mode)
                out[p + q] = 0 if i1 < 0 else line[i1 * job.x_stride[4]]
            if high > low:
                job.k.gather(high - low, line + (i2 + low * g.stride[2]) * job.x_stride[4],
                             step, out + p + low)
            for q in range(high, run):
                i1 = source_index(i2 + q * g.stride[2], g.input[2], g.padding_mode)
                out[p + q] = 0 if i1 < 0 else line[i1 * job.x_stride[4]]
            p += run
        out += pitch


cdef void add_columns(const Job *job, const real_t *cols, Py_ssize_t row, Py_ssize_t n_rows,
                      Py_ssize_t pixel, Py_ssize_t n_pixels, Py_ssize_t pitch,
                      real_t *x) noexcept nogil:
    """The adjoint of `columns` for zero padding: add each entry to where it was read."""
    cdef const conv_geometry *g = job.g
    cdef Py_ssize_t r, c, tap, j0, j1, j2, p, run, o0, o1, o2, i0, i1, i2, q, low, high
    cdef real_t *line
    for r in range(n_rows):
        c = (row + r) // job.taps
        tap = (row + r) % job.taps
        j2 = tap % g.kernel[2]
        j1 = tap // g.kernel[2] % g.kernel[1]
        j0 = tap // (g.kernel[2] * g.kernel[1])
        p = 0
        while p < n_pixels:
            o2 = (pixel + p) % g.output[2]
            o1 = (pixel + p) // g.output[2] % g.output[1]
            o0 = (pixel + p) // (g.output[2] * g.output[1])
            run = min(n_pixels - p, g.output[2] - o2)
            i0 = o0 * g.stride[0] + j0 * g.dilation[0] - g.before[0]
            i1 = o1 * g.stride[1] + j1 * g.dilation[1] - g.before[1]
            if 0 <= i0 < g.input[0] and 0 <= i1 < g.input[1]:
                line = x + c * job.x_stride[1] + i0 * job.x_stride[2] + i1 * job.x_stride[3]
                i2 = o2 * g.stride[2] + j2 * g.dilation[2] - g.before[2]
                low = 0 if i2 >= 0 else min(run, (-i2 + g.stride[2] - 1) // g.stride[2])
                high = low
                if i2 + low * g.stride[2] < g.input[2]:
                    high = min(run, (g.input[2] - 1 - i2) // g.stride[2] + 1)
                if g.stride[2] * job.x_stride[4] == 1 and high > low:
                    job.k.add(high - low, cols + p + low, line + i2 + low)
                else:
                    for q in range(low, high):
                        line[(i2 + q * g.stride[2]) * job.x_stride[4]] += cols[p + q]
            p += run
        cols += pitch


cdef void forward_tile(Job *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """All filters of one group for one tile of pixels of one image."""
    cdef Py_ssize_t pixel = task % job.tiles * job.tile
    cdef Py_ssize_t group = task // job.tiles % job.groups
    cdef Py_ssize_t n = task // (job.tiles * job.groups)
    cdef Py_ssize_t count = min(job.tile, job.pixels - pixel), all_filters = job.g.filters
    cdef real_t *cols = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef real_t *product = <real_t *>(job.scratch + thread * job.scratch_size + job.product_at)
    cdef const real_t *weight = (<real_t *>job.weight) + group * job.filters * job.rows
    cdef real_t *further = product + job.filters * job.tile
    cdef real_t *target
    cdef const real_t *bias = NULL
    cdef Py_ssize_t place, row, rows
    if job.bias != NULL:
        bias = (<real_t *>job.bias) + group * job.filters
    columns(job, (<const real_t *>job.x) + (
        n * job.x_stride[0] + group * job.channels * job.x_stride[1]),
        0, job.rows, pixel, count, cols, job.tile)
    for row from 0 <= row < max(job.rows, 1) by LONG:
        rows = min(LONG, job.rows - row)
        target = further if row else product
        if job.g.channels_last:
            gemm(True, True, count, job.filters, rows, cols + row * job.tile, job.tile,
                 weight + row, max(job.rows, 1), False, target, job.filters)
        else:
            gemm(False, False, job.filters, count, rows, weight + row, max(job.rows, 1),
                 cols + row * job.tile, job.tile, False, target, job.tile)
        if row:
            job.k.add(job.filters * job.tile, further, product)
    if job.g.channels_last:
        place = (n * job.pixels + pixel) * all_filters + group * job.filters
        job.k.store(count, job.filters, product, job.filters, (<real_t *>job.y) + place,
                    all_filters, bias, 0, 1,
                    NULL if job.residual == NULL else (<real_t *>job.residual) + place,
                    all_filters, job.epilogue)
    else:
        place = (n * all_filters + group * job.filters) * job.pixels + pixel
        job.k.store(job.filters, count, product, job.tile, (<real_t *>job.y) + place,
                    job.pixels, bias, 1, 0,
                    NULL if job.residual == NULL else (<real_t *>job.residual) + place,
                    job.pixels, job.epilogue)


cdef const real_t *gradient_of(const Job *job, Py_ssize_t n, Py_ssize_t group, Py_ssize_t pixel,
                               real_t *kind) noexcept nogil:
    """Where grad_output has one image's, group's and pixel's first filter."""
    if job.g.channels_last:
        return (<const real_t *>job.y) + (
            (n * job.pixels + pixel) * job.g.filters + group * job.filters)
    return (<const real_t *>job.y) + (
        (n * job.g.filters + group * job.filters) * job.pixels + pixel)


cdef void backward_image(Job *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """The input gradient of one image and group: columns = weight' grad, then col2im."""
    cdef Py_ssize_t group = task % job.groups, n = task // job.groups, pixel, count
    cdef real_t *cols = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef const real_t *weight = (<real_t *>job.weight) + group * job.filters * job.rows
    cdef const real_t *grad
    cdef bint last = job.g.channels_last
    for pixel from 0 <= pixel < job.pixels by job.tile:
        count = min(job.tile, job.pixels - pixel)
        grad = gradient_of(job, n, group, pixel, kind)
        gemm(True, last, job.rows, count, job.filters, weight, max(job.rows, 1), grad,
             job.g.filters if last else job.pixels, False, cols, job.tile)
        add_columns(job, cols, 0, job.rows, pixel, count, job.tile, (<real_t *>job.x) + (
            n * job.x_stride[0] + group * job.channels * job.x_stride[1]))


cdef void weight_part(Job *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """The weight gradient of one group over a part of the batch: grad columns'."""
    cdef Py_ssize_t group = task % job.groups, part = task // job.groups, pixel, count, n
    cdef real_t *cols = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef real_t *out = (<real_t *>job.weight) + (
        (part * job.groups + group) * job.filters * job.rows)
    cdef real_t *sums = <real_t *>(job.scratch + thread * job.scratch_size + job.product_at)
    cdef Py_ssize_t size = job.filters * job.rows, in_row = 0
    cdef bint last = job.g.channels_last
    memset(out, 0, size * sizeof(real_t))
    for n in range(part * job.images, min(job.batch, (part + 1) * job.images)):
        for pixel from 0 <= pixel < job.pixels by job.tile:
            count = min(job.tile, job.pixels - pixel)
            columns(job, (<const real_t *>job.x) + (
                n * job.x_stride[0] + group * job.channels * job.x_stride[1]),
                0, job.rows, pixel, count, cols, job.tile)
            gemm(last, True, job.filters, job.rows, count,
                 gradient_of(job, n, group, pixel, kind),
                 job.g.filters if last else job.pixels, cols, job.tile,
                 in_row > 0, sums, max(job.rows, 1))
            in_row += count
            if in_row >= LONG:
                job.k.add(size, sums, out)
                in_row = 0
    if in_row:
        job.k.add(size, sums, out)


cdef void forward_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    forward_tile(<Job *>context, task, thread, <float *>NULL)


cdef void forward_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    forward_tile(<Job *>context, task, thread, <double *>NULL)


cdef void backward_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    backward_image(<Job *>context, task, thread, <float *>NULL)


cdef void backward_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    backward_image(<Job *>context, task, thread, <double *>NULL)


cdef void weight_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    weight_part(<Job *>context, task, thread, <float *>NULL)


cdef void weight_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    weight_part(<Job *>context, task, thread, <double *>NULL)


cdef class Im2col:
    """One pass of one layer, its weights as a matrix (filters, channels * kernel)."""

    cdef ConvDesc desc
    cdef bint backward
    cdef cnp.ndarray weight

    def __cinit__(self, ConvDesc desc, bint backward, cnp.ndarray weight):
        load()
        self.desc = desc
        self.backward = backward
        if desc.g.flip:
            weight = weight[(slice(None),) * 2 + (slice(None, None, -1),) * <int>desc.g.rank]
        self.weight = np.ascontiguousarray(weight)

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Job job
        cdef Scratch scratch
        cdef double work
        cdef bint wide = self.desc.g.itemsize == 8
        if cnp.PyArray_SIZE(out) == 0:
            return
        set_up(self.desc, &job)
        job.weight = cnp.PyArray_BYTES(self.weight)
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        work = self.desc.flops(cnp.PyArray_DIM(source, 0))
        if self.backward:
            source = np.ascontiguousarray(source)
            memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
            set_x(&job, out)
            job.y = cnp.PyArray_BYTES(source)
            with _callers:
                parallel_for(backward_f64 if wide else backward_f32, &job,
                             job.batch * job.groups, threads, work)
            return
        set_x(&job, source)
        job.y = cnp.PyArray_BYTES(out)
        if bias is not None:
            job.bias = cnp.PyArray_BYTES(bias)
        if residual is not None:
            job.residual = cnp.PyArray_BYTES(residual)
        with _callers:
            parallel_for(forward_f64 if wide else forward_f32, &job,
                         job.batch * job.groups * job.tiles, threads, work)


cdef Py_ssize_t weight_scratch(const Job *job) noexcept:
    """Scratch memory of a thread of backward_weight: columns, and a group's sums."""
    return job.product_at + (job.filters * job.rows * job.g.itemsize + 127) // 64 * 64


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Job job
    cdef Scratch scratch
    cdef Py_ssize_t parts
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or cnp.PyArray_SIZE(x) == 0:
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    load()
    set_up(desc, &job)
    set_x(&job, x)
    grad = np.ascontiguousarray(grad)
    job.y = cnp.PyArray_BYTES(grad)
    # The batch is cut in a way that depends on the problem alone, and the parts are added in
    # order: the result is the same for any number of threads.
    parts = job.batch if per_sample else min(job.batch, max(1, 8 // job.groups))
    job.images = (job.batch + parts - 1) // parts
    parts = (job.batch + job.images - 1) // job.images
    shape = (<object>out).shape
    target = out
    if desc.g.flip or not per_sample:
        target = np.empty(shape if per_sample else (parts,) + shape, (<object>out).dtype)
    job.weight = cnp.PyArray_BYTES(target)
    job.scratch_size = weight_scratch(&job)
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    with _callers:
        parallel_for(weight_f64 if desc.g.itemsize == 8 else weight_f32, &job,
                     parts * job.groups, threads, desc.flops(job.batch))
    if target is not out:
        if desc.g.flip:
            target = target[(...,) + (slice(None, None, -1),) * <int>desc.g.rank]
        if per_sample:
            out[...] = target
        else:
            np.add.reduce(target, axis=0, out=out)


# ---- the columns themselves ----

cdef void columns_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    columns_plane(<Job *>context, task, <float *>NULL)


cdef void columns_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    columns_plane(<Job *>context, task, <double *>NULL)


cdef void columns_plane(Job *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    cdef Py_ssize_t c = task % job.channels, n = task // job.channels
    columns(job, (<const real_t *>job.x) + n * job.x_stride[0], c * job.taps, job.taps, 0,
            job.pixels, (<real_t *>job.y) + task * job.taps * job.pixels, job.pixels)


cdef void image_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    image_plane(<Job *>context, task, <float *>NULL)


cdef void image_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    image_plane(<Job *>context, task, <double *>NULL)


cdef void image_plane(Job *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    cdef Py_ssize_t c = task % job.channels, n = task // job.channels
    add_columns(job, (<const real_t *>job.y) + task * job.taps * job.pixels, c * job.taps,
                job.taps, 0, job.pixels, job.pixels,
                (<real_t *>job.x) + n * job.x_stride[0])


def gather_columns(ConvDesc desc, cnp.ndarray x, cnp.ndarray out, num_threads):
    """out (batch, channels * kernel, pixels) from x; out is C-contiguous."""
    cdef Job job
    cdef double work = 8.0 * cnp.PyArray_SIZE(out)
    if cnp.PyArray_SIZE(out):
        set_up(desc, &job)
        set_x(&job, x)
        job.y = cnp.PyArray_BYTES(out)
        parallel_for(columns_f32 if desc.g.itemsize == 4 else columns_f64, &job,
                     job.batch * job.channels, threads_for(desc.function, num_threads, work), work)


def scatter_columns(ConvDesc desc, cnp.ndarray cols, cnp.ndarray out, num_threads):
    """Add columns up in `out`, an image batch of zeros; cols is C-contiguous."""
    cdef Job job
    cdef double work = 8.0 * cnp.PyArray_SIZE(cols)
    if cnp.PyArray_SIZE(cols):
        set_up(desc, &job)
        set_x(&job, out)
        job.y = cnp.PyArray_BYTES(cols)
        parallel_for(image_f32 if desc.g.itemsize == 4 else image_f64, &job,
                     job.batch * job.channels, threads_for(desc.function, num_threads, work), work)


# ---- the record ----

def supports(ConvDesc desc, which):
    """BLAS counts in 32 bits what we do not cut: leading dimensions."""
    cdef Job job
    set_up(desc, &job)
    if max(job.rows, job.pixels, desc.g.filters) >= 1 << 31:
        return "needs a matrix with rows longer than 2^31 - 1, which BLAS cannot address"
    return None


def workspace(ConvDesc desc, which, int threads):
    cdef Job job
    set_up(desc, &job)
    if which == BACKWARD_WEIGHT:
        # and the parts of the batch that are added up at the end
        return weight_scratch(&job) * threads + (
            max(1, 8 // job.groups) * job.groups * job.filters * job.rows * desc.g.itemsize)
    return job.scratch_size * threads


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef Job job
    cdef double seconds, columns, matrix
    set_up(desc, &job)
    columns = (<double>job.groups) * job.pixels * job.rows
    matrix = (<double>job.groups) * job.filters * job.rows
    # every block of a product is a call of BLAS
    seconds = (STARTED + 2 * columns * job.filters / (GEMM * peak(desc.g.itemsize))
               + columns * (ADDED if which == BACKWARD_DATA else GATHERED)
               + (<double>job.groups) * job.tiles * (
                   PER_TILE + ((job.filters - 1) // 32 + 1.0) * ((job.tile - 1) // 64 + 1)
                   * ((job.rows - 1) // 128 + 1) * PER_PRODUCT)
               + (<double>job.g.filters) * job.pixels * STORED + matrix * PACKED)
    return Cost(arithmetic=seconds)


def prepare(ConvDesc desc, which, weight, int threads=1):
    return Im2col(desc, which == BACKWARD_DATA, weight)


ALGORITHM = Algorithm(
    name="im2col", passes=PASSES, tier="highest", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
)
