"""The three passes of im2col, as products of matrices."""
import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from fastconv._algorithms.im2col.columns cimport (
    Columns, add_columns, columns_of, gather_columns,
)
from fastconv._core.blas cimport Room, gemm, load, room_for
from fastconv._core.blocks cimport CACHE_LINE, Arena, reserve, unravel
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.output cimport Output, make_output, store_rows
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.partial_sums cimport PartialSums
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.strided cimport Strided5, contiguous_images
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport ConvDesc, conv_geometry

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT

cnp.import_array()

cdef enum:
    TILE_UNIT = 64        # pixels
    MAX_TILE = 512
    TILE_BYTES = 1 << 20  # of the columns of a tile and of their product
    # Rounding errors: `gemm` adds up sums of 64 products in a row; a row of more than so many
    # products is one block of a further such level.
    LONG_SUM = 1 << 13
    MAX_PARTS = 8         # tasks that a gradient is cut into, for threads

cdef double WORTH_CUTTING = 1e7  # operations of a gradient of the data


cdef Schedule make_schedule(ConvDesc desc, which, Py_ssize_t batch, bint per_sample) except *:
    """Tiles of pixels whose columns stay in the cache; of the gradient, parts of the batch."""
    cdef Schedule schedule
    cdef Columns columns = columns_of(desc, None)
    cdef Py_ssize_t itemsize = desc.g.itemsize, filters = desc.g.filters // desc.g.groups, parts
    cdef Py_ssize_t product, rows = columns.rows
    cdef Arena arena
    schedule.channels, schedule.channel_parts = columns.channels, 1
    if which == BACKWARD_DATA and desc.flops() >= WORTH_CUTTING:
        schedule.channels = even_size(columns.channels, ceil_div(
            columns.channels * desc.g.groups, <Py_ssize_t>MAX_PARTS))
        schedule.channel_parts = ceil_div(columns.channels, max(schedule.channels, 1))
        rows = schedule.channels * columns.taps
    schedule.tile = TILE_BYTES // (max(rows + filters, 1) * itemsize)
    schedule.tile = min(max(schedule.tile // TILE_UNIT, 1) * TILE_UNIT, <Py_ssize_t>MAX_TILE)
    schedule.tile = min(schedule.tile, max(columns.pixels, 1))
    schedule.tiles = ceil_div(columns.pixels, schedule.tile)
    # The batch is cut in a way that depends on the problem alone.
    parts = max(1, MAX_PARTS // desc.g.groups)
    parts = batch if per_sample else min(batch, parts)
    schedule.images = ceil_div(batch, max(parts, 1))
    schedule.parts = ceil_div(batch, max(schedule.images, 1))
    arena.size = 0
    schedule.columns_at = reserve(&arena, rows * schedule.tile * itemsize)
    # a line more, since kernels may load a vector where a row ends
    if which == BACKWARD_WEIGHT:
        schedule.product_at = reserve(&arena, filters * columns.rows * itemsize + CACHE_LINE)
    else:
        product = filters * schedule.tile * itemsize
        schedule.product_at = reserve(
            &arena, (2 if columns.rows > LONG_SUM else 1) * product + CACHE_LINE)
        schedule.further_at = schedule.product_at + product
    schedule.scratch_bytes = arena.size
    return schedule


cdef struct Job:
    const conv_geometry *g
    Columns columns          # of the input, or of its gradient
    Schedule schedule
    Py_ssize_t filters       # of a group
    Strided5 grad            # grad_output, contiguous
    Output output            # of the forward pass
    char *weight             # or its gradient, contiguous
    char *scratch


cdef inline Py_ssize_t image_at(const Job *job, Py_ssize_t n, Py_ssize_t group) noexcept nogil:
    """Where the input, or its gradient, has the first channel of an image's group."""
    return (n * job.columns.image.stride[0]
            + group * job.columns.channels * job.columns.image.stride[1])


cdef inline Py_ssize_t grad_at(const Job *job, Py_ssize_t n, Py_ssize_t group,
                               Py_ssize_t pixel) noexcept nogil:
    """Where grad_output has the first filter of an image's group, at one pixel."""
    return (n * job.grad.stride[0] + group * job.filters * job.grad.stride[1]
            + pixel * job.grad.stride[4])


cdef inline Py_ssize_t grad_row(const Job *job) noexcept nogil:
    """From a row of grad_output to the next: of pixels where channels come last, else filters."""
    return job.grad.stride[4] if job.g.channels_last else job.grad.stride[1]


# ---- forward ----

cdef void forward_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_bytes
    if job.g.itemsize == 4:
        forward_tile(job, task, scratch, <float *>(scratch + job.schedule.columns_at))
    else:
        forward_tile(job, task, scratch, <double *>(scratch + job.schedule.columns_at))


cdef void forward_tile(const Job *job, Py_ssize_t task, char *scratch,
                       real_t *cols) noexcept nogil:
    """All filters of one group for one tile of pixels of one image."""
    cdef const Columns *columns = &job.columns
    cdef const Output *output = &job.output
    cdef Py_ssize_t tile = job.schedule.tile, n, pixel, count, channel, place
    cdef Py_ssize_t[2] at    # group, tile
    cdef Py_ssize_t[2] extent
    cdef real_t *sums = <real_t *>(scratch + job.schedule.product_at)
    extent[0], extent[1] = job.g.groups, job.schedule.tiles
    n = unravel(task, extent, 2, at)
    pixel = at[1] * tile
    count = min(tile, columns.pixels - pixel)
    gather_columns(columns, (<const real_t *>columns.image.data) + image_at(job, n, at[0]), 0,
                   columns.rows, pixel, count, tile, cols)
    multiply(job, (<const real_t *>job.weight) + at[0] * job.filters * columns.rows, count, cols,
             sums, <real_t *>(scratch + job.schedule.further_at))
    channel = at[0] * job.filters
    place = n * output.image + channel * output.channel + pixel * output.pixel
    if job.g.channels_last:
        store_rows(output, count, job.filters, sums, job.filters, place, output.pixel, channel,
                   False)
    else:
        store_rows(output, job.filters, count, sums, tile, place, output.channel, channel, True)


cdef void multiply(const Job *job, const real_t *weight, Py_ssize_t count, const real_t *cols,
                   real_t *sums, real_t *further) noexcept nogil:
    """Weights times columns, in blocks of LONG_SUM rows; pixels are rows if channels are last."""
    cdef Py_ssize_t rows = job.columns.rows, tile = job.schedule.tile, block, row, part
    cdef real_t *target
    for block in range(max(ceil_div(rows, LONG_SUM), 1)):
        row = block * LONG_SUM
        part = min(<Py_ssize_t>LONG_SUM, rows - row)
        target = further if block else sums
        if job.g.channels_last:
            gemm(True, True, count, job.filters, part, cols + row * tile, tile, weight + row,
                 max(rows, 1), False, target, job.filters)
        else:
            gemm(False, False, job.filters, count, part, weight + row, max(rows, 1),
                 cols + row * tile, tile, False, target, tile)
        if block:
            job.columns.kernels.add(job.filters * tile, further, sums)


# ---- the gradient of the data ----

cdef void backward_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef char *cols = (job.scratch + thread * job.schedule.scratch_bytes
                       + job.schedule.columns_at)
    if job.g.itemsize == 4:
        backward_image(job, task, <float *>cols)
    else:
        backward_image(job, task, <double *>cols)


cdef void backward_image(const Job *job, Py_ssize_t task, real_t *cols) noexcept nogil:
    """The input gradient of some channels of one image: columns = weight' grad, then col2im."""
    cdef const Columns *columns = &job.columns
    cdef Py_ssize_t[2] at    # group, part of the channels
    cdef Py_ssize_t[2] extent
    cdef Py_ssize_t tile = job.schedule.tile, t, n, pixel, count, taps, row, rows
    cdef const real_t *weight
    extent[0], extent[1] = job.g.groups, job.schedule.channel_parts
    n = unravel(task, extent, 2, at)
    taps = columns.taps
    row = at[1] * job.schedule.channels * taps
    rows = min(job.schedule.channels * taps, columns.rows - row)
    weight = (<const real_t *>job.weight) + at[0] * job.filters * columns.rows + row
    for t in range(job.schedule.tiles):
        pixel = t * tile
        count = min(tile, columns.pixels - pixel)
        gemm(True, job.g.channels_last, rows, count, job.filters, weight, max(columns.rows, 1),
             (<const real_t *>job.grad.data) + grad_at(job, n, at[0], pixel), grad_row(job), False,
             cols, tile)
        add_columns(columns, cols, row, rows, pixel, count, tile,
                    (<real_t *>columns.image.data) + image_at(job, n, at[0]))


# ---- the gradient of the weights ----

cdef void weight_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_bytes
    if job.g.itemsize == 4:
        weight_part(job, task, <float *>(scratch + job.schedule.columns_at),
                    <float *>(scratch + job.schedule.product_at))
    else:
        weight_part(job, task, <double *>(scratch + job.schedule.columns_at),
                    <double *>(scratch + job.schedule.product_at))


cdef void weight_part(const Job *job, Py_ssize_t task, real_t *cols,
                      real_t *sums) noexcept nogil:
    """The weight gradient of one group over a part of the batch: grad columns'."""
    cdef const Columns *columns = &job.columns
    cdef Py_ssize_t group = task % job.g.groups, part = task // job.g.groups
    cdef Py_ssize_t images = job.schedule.images, tile = job.schedule.tile
    cdef Py_ssize_t size = job.filters * columns.rows, in_row = 0, n, t, pixel, count
    cdef real_t *out = (<real_t *>job.weight) + task * size
    cdef real_t *target = out  # of the first row; then `sums`, which are added to that
    if columns.batch == 0 or job.schedule.tiles == 0:
        memset(out, 0, size * sizeof(real_t))
    for n in range(part * images, min(columns.batch, (part + 1) * images)):
        for t in range(job.schedule.tiles):
            pixel = t * tile
            count = min(tile, columns.pixels - pixel)
            gather_columns(columns, (<const real_t *>columns.image.data) + image_at(job, n, group),
                           0, columns.rows, pixel, count, tile, cols)
            gemm(job.g.channels_last, True, job.filters, columns.rows, count,
                 (<const real_t *>job.grad.data) + grad_at(job, n, group, pixel), grad_row(job),
                 cols, tile, in_row > 0, target, max(columns.rows, 1))
            in_row += count
            if in_row >= LONG_SUM:
                if target != out:
                    columns.kernels.add(size, sums, out)
                target, in_row = sums, 0
    if in_row and target != out:
        columns.kernels.add(size, sums, out)


# ---- the calls ----

cdef Job make_job(ConvDesc desc, images, Schedule schedule) except *:
    cdef Job job
    job.g = &desc.g
    job.columns = columns_of(desc, images)
    job.schedule = schedule
    job.filters = desc.g.filters // desc.g.groups
    return job


cdef object flipped(ConvDesc desc, weight):
    """Weights in the order of the columns' rows."""
    if desc.g.flip:
        return weight[(..., *(slice(None, None, -1),) * <int>desc.g.rank)]
    return weight


cdef class Im2col:
    """One pass of one layer, its weights as a matrix (filters, channels * kernel)."""

    cdef ConvDesc desc
    cdef object which
    cdef bint backward
    cdef cnp.ndarray weight

    def __init__(self, ConvDesc desc, which, weight):
        load()
        self.desc = desc
        self.which = which
        self.backward = which == BACKWARD_DATA
        self.weight = np.ascontiguousarray(flipped(desc, weight))

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Job job
        cdef Scratch scratch
        cdef Room room
        cdef ConvDesc desc = self.desc
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0)
        if cnp.PyArray_SIZE(out) == 0:
            return
        job = make_job(desc, out if self.backward else source,
                       make_schedule(desc, self.which, batch, False))
        job.weight = cnp.PyArray_BYTES(self.weight)
        scratch = acquire(job.schedule.scratch_bytes * threads)
        job.scratch = scratch.data
        if self.backward:
            source = np.ascontiguousarray(source)
            job.grad = contiguous_images(source, desc.g.channels_last)
            memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
            room = room_for(threads)
            parallel_for(backward_task, &job,
                         batch * desc.g.groups * job.schedule.channel_parts, room.threads,
                         desc.flops(batch))
            return
        job.output = make_output(job.columns.kernels, &desc.epilogue, out, bias, residual,
                                 desc.g.channels_last)
        room = room_for(threads)
        parallel_for(forward_task, &job, batch * desc.g.groups * job.schedule.tiles,
                     room.threads, desc.flops(batch))


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Job job
    cdef Scratch scratch
    cdef Room room
    cdef PartialSums sums
    cdef cnp.ndarray result = out
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or (
            cnp.PyArray_SIZE(x) == 0 and desc.g.padding_mode == PAD_ZEROS):
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    load()
    job = make_job(desc, x, make_schedule(desc, BACKWARD_WEIGHT, cnp.PyArray_DIM(x, 0),
                                          per_sample))
    grad = np.ascontiguousarray(grad)
    job.grad = contiguous_images(grad, desc.g.channels_last)
    if desc.g.flip:
        result = np.empty_like(out)
    sums = PartialSums(result, 1, 1 if per_sample else job.schedule.parts)
    job.weight = sums.data
    scratch = acquire(job.schedule.scratch_bytes * threads)
    job.scratch = scratch.data
    room = room_for(threads)
    parallel_for(weight_task, &job, job.schedule.parts * desc.g.groups, room.threads,
                 desc.flops(job.columns.batch))
    room = None
    sums.add_up()
    if result is not out:
        out[...] = flipped(desc, result)
