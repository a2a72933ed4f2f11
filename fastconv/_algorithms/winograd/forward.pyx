"""The forward pass, and backward_data, which is the same with reversed kernels."""
from libc.string cimport memset

import numpy as np

cimport numpy as cnp

from fastconv._algorithms.winograd.cost cimport packs_on_demand
from fastconv._algorithms.winograd.layout cimport PassLayout
from fastconv._algorithms.winograd.tiles cimport is_trusted, transform_window
from fastconv._algorithms.winograd.types cimport (
    MAX_BLOCK_BYTES, Layout, block_channels, block_count, block_width, odd_vectors, packed_at,
    packed_block_size, sum_block, tiles_of,
)
from fastconv._algorithms.winograd.weights cimport (
    Packing, pack_block, pack_weights, plan_packing,
)
from fastconv._core.blocks cimport Arena, reserve, unravel
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.output cimport Output, make_output, store_tile, transposed_size
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._core.window cimport index_bytes, locate_window
from fastconv._core.window_types cimport WindowIndex
from fastconv._kernels.dispatch cimport fc_kernels

cnp.import_array()

cdef enum:
    MIN_TASKS = 8  # for each thread: fewer are split further

# How the work of one call is cut. Sums do not depend on it.
cdef struct Schedule:
    Py_ssize_t batch
    Py_ssize_t images             # that share a task,
    Py_ssize_t image_blocks       # and how many such
    Py_ssize_t row_parts          # of a block's rows of spans,
    Py_ssize_t channel_parts      # and of its output channels: a task each
    Py_ssize_t tasks
    bint packs_weights            # tasks transform the weights that they need
    Py_ssize_t v_step, m_step     # elements from frequency to frequency
    # Places in a thread's scratch memory; the window is at its beginning.
    Py_ssize_t v_at, m_at, rows_at, transposed_at, index_at, largest_at, weights_at, packing_at
    Py_ssize_t scratch_size

# What the tasks of one call read.
cdef struct Job:
    const Layout *layout
    Schedule schedule
    Strided5 input
    Output output
    const char *packed            # weights, or
    Packing packing               # what they are made from
    char *scratch
    char *refused                 # a byte for every image

# The tiles and output channels of a task.
cdef struct BlockRef:
    Py_ssize_t group
    Py_ssize_t image, images      # the first, and how many
    Py_ssize_t first[3]           # spans of each image
    Py_ssize_t count[3]
    Py_ssize_t tiles              # of all images
    Py_ssize_t first_k, end_k     # blocks of output channels

# Outputs of a task for one block of output channels.
cdef struct OutputBlock:
    Py_ssize_t width, vectors, n  # lanes, vectors of them, and channels in them
    Py_ssize_t channel            # the first of them
    Py_ssize_t place              # of the first output in its image
    Py_ssize_t pixels             # of a row
    Py_ssize_t row                # elements from row to row of scratch


cdef class PreparedPass:
    """A pass of one layer with its weights, for any batch."""

    def __cinit__(self, PassLayout kept, weight):
        self.kept = kept
        self.weight = np.ascontiguousarray(weight)

    cdef int pack(self, int threads) except -1:
        self.packed = pack_weights(&self.kept.layout, self.weight, threads)
        self.weight = None
        return 0

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """Convolve a batch; returns the images that hold values it cannot be trusted with."""
        cdef Job job
        cdef const Layout *layout = &self.kept.layout
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0)
        cdef cnp.ndarray refused
        cdef Scratch scratch
        if cnp.PyArray_SIZE(out) == 0:
            return None
        job.layout = layout
        job.schedule = plan_correlation(layout, batch, threads, self.weight is not None)
        job.input = strided_images(source, layout.g.channels_last)
        job.output = make_output(layout.kernels, &self.kept.desc.epilogue, out, bias, residual,
                                 layout.g.channels_last)
        if job.schedule.packs_weights:
            job.packing = plan_packing(layout)
            job.packing.weight = cnp.PyArray_BYTES(self.weight)
            job.packed = NULL
        else:
            if self.weight is not None:
                self.pack(threads)
            job.packed = self.packed.data
        refused = np.zeros(batch, np.int8)
        job.refused = cnp.PyArray_BYTES(refused)
        scratch = acquire(job.schedule.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(run_task, &job, job.schedule.tasks, threads, self.kept.desc.flops(batch))
        if not refused.any():
            return None
        return refused.nonzero()[0].tolist()


# ---- the schedule ----

cdef Py_ssize_t workspace_bytes(const Layout *layout, int threads) noexcept:
    """Bytes of scratch memory of a call, transformed weights included."""
    # images may share a task's scratch
    cdef Schedule schedule = plan_correlation(layout, 1 << 20, threads, False)
    return (schedule.scratch_size * threads
            + packed_at(layout, layout.groups, 0, 0) * layout.g.itemsize)


cdef Schedule plan_correlation(const Layout *layout, Py_ssize_t batch, int threads,
                               bint unpacked) noexcept:
    """unpacked: weights are not transformed yet. Those that serve one task are then transformed as
    they are needed, so that they stay in a cache.
    """
    cdef Schedule schedule
    cdef bint on_demand = (unpacked and packs_on_demand(layout)
                           and threads <= layout.groups * layout.channel_blocks)
    schedule.batch = batch
    schedule.images = images_of_task(layout, batch, threads, on_demand)
    schedule.image_blocks = ceil_div(batch, schedule.images)
    schedule.tasks = schedule.image_blocks * layout.groups * block_count(layout)
    schedule.packs_weights = on_demand and schedule.image_blocks == 1
    cut_blocks(layout, &schedule, threads)
    schedule.tasks *= schedule.row_parts * schedule.channel_parts
    reserve_scratch(layout, &schedule)
    return schedule


cdef Py_ssize_t images_of_task(const Layout *layout, Py_ssize_t batch, int threads,
                               bint on_demand) noexcept:
    """Several small images share a task, so that the weights stream once for all; few weights
    stay in the cache, if the rest does not drive them out.
    """
    cdef Py_ssize_t itemsize = layout.g.itemsize, budget = CACHE * 5 // 8, size, images
    if block_count(layout) != 1:
        return 1
    if itemsize * packed_block_size(layout) > CACHE // 4:
        budget = MAX_BLOCK_BYTES
    size = itemsize * layout.frequencies * tiles_of(
        layout, layout.block.rows * layout.block.columns) * (
        layout.v_tile + 2 * layout.kernels.lanes * layout.block.channel_blocks)
    images = max(1, min(batch, budget // size))
    # Threads share out images, or channels where each set of weights that is transformed as it is
    # needed serves one thread alone.
    if threads > 1 and not on_demand:
        images = min(images, max(1, ceil_div(batch, threads)))
    return even_size(batch, images)


cdef void cut_blocks(const Layout *layout, Schedule *schedule, int threads) noexcept:
    """Rows and output channels are split where tasks are too few to keep threads busy to the end.

    Parts of the channels transform their input again, since what one core makes is far from
    another; parts of the rows read all weights again, and transform those that are not.
    """
    cdef Py_ssize_t most = MIN_TASKS * threads, rows = layout.block.rows, row_part, part, parts
    cdef double time, least = 0
    schedule.row_parts = schedule.channel_parts = 1
    if threads == 1 or not 0 < schedule.tasks < most:
        return
    for row_part in range(1, 1 + (1 if schedule.packs_weights else min(
            rows, most // schedule.tasks))):
        parts = min(layout.channel_blocks, <Py_ssize_t>(2 * threads))
        for part in range(1, max(1, min(parts, most // (schedule.tasks * row_part))) + 1):
            time = ceil_div(schedule.tasks * row_part * part, threads) * part_time(
                layout, schedule.images, ceil_div(rows, row_part),
                ceil_div(layout.channel_blocks, part))
            if least == 0 or time < 0.98 * least:
                least = time
                schedule.row_parts, schedule.channel_parts = row_part, part


cdef double part_time(const Layout *layout, Py_ssize_t images, Py_ssize_t rows,
                      Py_ssize_t channel_blocks) noexcept:
    """Of a part of a block, the whole block's time being 1."""
    cdef double share = channel_blocks / <double>layout.channel_blocks
    cdef double all_tiles = images * tiles_of(layout, layout.block.rows * layout.block.columns)
    cdef double tiles = images * tiles_of(layout, rows * layout.block.columns)
    cdef double few = 2 * layout.kernels.half  # fewer take as long: weights have to be read
    return (layout.input_share * rows / layout.block.rows
            + (1 - layout.input_share) * share * max(tiles, few) / max(all_tiles, few))


cdef void reserve_scratch(const Layout *layout, Schedule *schedule) noexcept:
    """Scratch memory of a thread: window, V, M, rows of outputs, and so on."""
    cdef Arena arena
    cdef const fc_kernels *kernels = layout.kernels
    cdef Py_ssize_t itemsize = layout.g.itemsize, width = 2 * kernels.lanes
    cdef Py_ssize_t row = layout.block.columns * layout.span[2]
    cdef Py_ssize_t rows = layout.rows_per_store * layout.span[1]
    cdef Py_ssize_t tiles = schedule.images * tiles_of(
        layout, layout.block.rows * layout.block.columns)
    schedule.v_step = odd_vectors(tiles * layout.v_tile, kernels.lanes)
    schedule.m_step = odd_vectors(tiles * width, kernels.lanes)
    arena.size = 0
    reserve(&arena, (layout.window.size + layout.window.slack) * itemsize)
    schedule.v_at = reserve(&arena, layout.frequencies * schedule.v_step * itemsize)
    schedule.m_at = reserve(&arena, layout.block.channel_blocks * layout.frequencies
                            * schedule.m_step * itemsize)
    schedule.rows_at = reserve(&arena, rows * row * width * itemsize)
    schedule.transposed_at = reserve(&arena, transposed_size(
        kernels, width, row * (rows if layout.contiguous_rows else 1)) * itemsize)
    schedule.index_at = reserve(&arena, index_bytes(&layout.window))
    schedule.largest_at = reserve(&arena, schedule.images * kernels.lanes * itemsize)
    schedule.weights_at = schedule.packing_at = arena.size
    if schedule.packs_weights:  # of a block, whose stream is prefetched beyond its end
        schedule.weights_at = reserve(&arena, packed_block_size(layout) * itemsize)
        schedule.packing_at = reserve(&arena, plan_packing(layout).scratch_size)
    schedule.scratch_size = arena.size


# ---- a task ----

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    cdef BlockRef block = unravel_task(job, task)
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    if job.layout.g.itemsize == 4:
        run_block(job, &block, <float *>scratch)
    else:
        run_block(job, &block, <double *>scratch)


cdef inline BlockRef unravel_task(const Job *job, Py_ssize_t task) noexcept nogil:
    cdef const Layout *layout = job.layout
    cdef const Schedule *schedule = &job.schedule
    cdef Py_ssize_t parts = schedule.channel_parts, rows, low
    cdef Py_ssize_t[2] extent
    cdef Py_ssize_t[2] part
    cdef BlockRef block
    extent[0], extent[1] = schedule.row_parts, parts
    task = unravel(unravel(task, extent, 2, part), layout.blocks, 3, block.first)
    block.first_k = layout.channel_blocks * part[1] // parts
    block.end_k = layout.channel_blocks * (part[1] + 1) // parts
    block.group = task % layout.groups
    block.image = task // layout.groups * schedule.images
    block.images = min(schedule.images, schedule.batch - block.image)
    block.first[1] *= layout.block.rows
    block.first[2] *= layout.block.columns
    block.count[0] = 1
    block.count[1] = min(layout.block.rows, layout.axis[1].count - block.first[1])
    block.count[2] = min(layout.block.columns, layout.axis[2].count - block.first[2])
    rows = block.count[1]
    low = rows * part[0] // schedule.row_parts
    block.count[1] = rows * (part[0] + 1) // schedule.row_parts - low
    block.first[1] += low
    block.tiles = block.images * tiles_of(layout, block.count[1] * block.count[2])
    return block


cdef void run_block(const Job *job, const BlockRef *block, real_t *scratch) noexcept nogil:
    """One block of spans of one image, or of several small ones."""
    cdef const Layout *layout = job.layout
    cdef const Schedule *schedule = &job.schedule
    cdef real_t *weights = <real_t *>(<char *>scratch + schedule.weights_at)
    cdef real_t *largest = <real_t *>(<char *>scratch + schedule.largest_at)
    cdef Py_ssize_t lanes = layout.kernels.lanes, k = block.first_k, end, i
    cdef Py_ssize_t step = 1 if schedule.packs_weights else layout.block.channel_blocks
    if block.count[1] == 0:  # the last block may have fewer rows than parts
        return
    memset(largest, 0, block.images * lanes * sizeof(real_t))
    transform_input(job, block, scratch)
    while k < block.end_k:
        end = min(block.end_k, k + step)
        if schedule.packs_weights:
            pack_block(&job.packing, block.group, k, <char *>scratch + schedule.packing_at,
                       weights)
        multiply(job, block, k, end, scratch)
        for i in range(k, end):
            store_outputs(job, block, i, k, scratch)
        k = end
    for i in range(block.images):
        if not is_trusted(largest + i * lanes, lanes):
            job.refused[block.image + i] = 1


cdef void transform_input(const Job *job, const BlockRef *block, real_t *scratch) noexcept nogil:
    """V of all channels and images."""
    cdef const Layout *layout = job.layout
    cdef real_t *v = <real_t *>(<char *>scratch + job.schedule.v_at)
    cdef Py_ssize_t image_size = block.tiles // block.images * layout.v_tile, i, c
    cdef WindowIndex index
    locate_window(&layout.window, block.first, block.count,
                  <char *>scratch + job.schedule.index_at, &index)
    for i in range(block.images):
        for c in range(ceil_div(layout.in_channels, layout.chunk)):
            transform_window(layout, &index, block.count, &job.input, block.image + i,
                             block.group, c * layout.chunk, scratch, v + i * image_size,
                             job.schedule.v_step)


cdef void multiply(const Job *job, const BlockRef *block, Py_ssize_t first_k, Py_ssize_t end_k,
                   real_t *scratch) noexcept nogil:
    """M of some blocks of output channels: at each frequency, their weights pass over all tiles."""
    cdef const Layout *layout = job.layout
    cdef const Schedule *schedule = &job.schedule
    cdef Py_ssize_t lanes = layout.kernels.lanes, f, k, width
    cdef const real_t *packed = <const real_t *>job.packed
    cdef const real_t *weights
    cdef const real_t *v
    cdef real_t *m
    for f in range(layout.frequencies):
        v = <real_t *>(<char *>scratch + schedule.v_at) + f * schedule.v_step
        for k in range(first_k, end_k):
            width = block_width(layout, k)
            m = <real_t *>(<char *>scratch + schedule.m_at) + (
                (k - first_k) * layout.frequencies + f) * schedule.m_step
            if schedule.packs_weights:
                weights = <real_t *>(<char *>scratch + schedule.weights_at)
                weights += f * odd_vectors(layout.packed_taps * width, lanes)
            else:
                weights = packed + packed_at(layout, block.group, k, f)
            if layout.full_vectors:
                layout.kernels.grouped_gemm[layout.grouped // 2 - 1](
                    block.tiles, layout.taps // lanes, v, layout.v_tile, weights, m)
            else:
                multiply_tiles(layout, block.tiles, v, weights, sum_block(layout, f), width, m)


cdef inline void multiply_tiles(const Layout *layout, Py_ssize_t tiles, const real_t *v,
                                const real_t *weights, Py_ssize_t block, Py_ssize_t width,
                                real_t *m) noexcept nogil:
    """Tiles at one frequency with one block of weights, in calls of nearly equal size."""
    cdef Py_ssize_t calls = ceil_div(tiles, 2 * layout.kernels.half), n
    while calls > 0:
        n = tiles // calls
        layout.kernels.gemm[n - 1][width // layout.kernels.lanes - 1](
            layout.taps, block, v, layout.v_tile, weights, m)
        v += n * layout.v_tile
        m += n * width
        tiles -= n
        calls -= 1


cdef void store_outputs(const Job *job, const BlockRef *block, Py_ssize_t k, Py_ssize_t first_k,
                        real_t *scratch) noexcept nogil:
    """Transform M of one block of output channels back, a row of spans at a time, and store it.

    first_k: the block of output channels that M begins with.
    """
    cdef const Layout *layout = job.layout
    cdef const Schedule *schedule = &job.schedule
    cdef real_t *rows = <real_t *>(<char *>scratch + schedule.rows_at)
    cdef real_t *largest = <real_t *>(<char *>scratch + schedule.largest_at)
    cdef real_t *m = <real_t *>(<char *>scratch + schedule.m_at) + (
        (k - first_k) * layout.frequencies * schedule.m_step)
    cdef OutputBlock part = output_block(job, block, k)
    cdef Py_ssize_t m_row = part.width * tiles_of(layout, block.count[2])
    cdef Py_ssize_t i, row, at
    for i in range(block.images):
        for row in range(block.count[1]):
            at = row % layout.rows_per_store
            inverse_row(layout, block, &part, m, schedule.m_step,
                        rows + at * layout.span[1] * part.row,
                        largest + i * layout.kernels.lanes)
            m += m_row
            if at + 1 == layout.rows_per_store or row + 1 == block.count[1]:
                store_rows_of_spans(job, block, &part, i, row - at, at + 1, scratch)


cdef inline OutputBlock output_block(const Job *job, const BlockRef *block,
                                     Py_ssize_t k) noexcept nogil:
    cdef const Layout *layout = job.layout
    cdef const Output *output = &job.output
    cdef OutputBlock part
    cdef Py_ssize_t first = block.first[2] * layout.span[2]
    cdef Py_ssize_t pixels = block.count[2] * layout.span[2]
    part.width = block_width(layout, k)
    part.vectors = part.width // layout.kernels.lanes
    part.n = block_channels(layout, k)
    part.channel = block.group * layout.out_channels + k * 2 * layout.kernels.lanes
    part.place = (part.channel * output.channel + block.first[0] * output.axis[0]
                  + first * output.axis[2])
    part.pixels = min(pixels, layout.out_size[2] - first)
    part.row = (part.pixels if layout.contiguous_rows else pixels) * part.width
    return part


cdef inline void inverse_row(const Layout *layout, const BlockRef *block, const OutputBlock *part,
                             const real_t *m, Py_ssize_t m_step, real_t *rows,
                             real_t *largest) noexcept nogil:
    """Outputs of a row of spans, [row][pixel][channel], and the largest magnitudes among them."""
    cdef Py_ssize_t column, q2
    cdef Py_ssize_t row_step = layout.output_phases[1] * part.row
    cdef Py_ssize_t col_step = layout.output_phases[2] * part.width
    cdef const real_t *tile
    if not layout.transformed[2]:  # one line, along the middle axis
        col_step = row_step
    for _ in range(layout.output_phases[1]):
        # from the right: what a row of tiles has too much is written over
        for column in range(block.count[2] - 1, -1, -1):
            tile = m + column * layout.output_phases[2] * part.width
            for q2 in range(layout.output_phases[2]):
                layout.kernels.winograd_output[layout.n - 4][layout.m - 2][layout.square](
                    part.vectors, tile + q2 * part.width, layout.n * m_step, m_step,
                    rows + (column * layout.span[2] + q2) * part.width, row_step, col_step,
                    largest)
        m += block.count[2] * layout.output_phases[2] * part.width
        rows += part.row


cdef void store_rows_of_spans(const Job *job, const BlockRef *block, const OutputBlock *part,
                              Py_ssize_t image, Py_ssize_t first, Py_ssize_t count,
                              real_t *scratch) noexcept nogil:
    """Rows of spans first … first + count - 1 of one of the task's images."""
    cdef const Layout *layout = job.layout
    cdef const Output *output = &job.output
    cdef real_t *rows = <real_t *>(<char *>scratch + job.schedule.rows_at)
    cdef real_t *transposed = <real_t *>(<char *>scratch + job.schedule.transposed_at)
    cdef Py_ssize_t row = (block.first[1] + first) * layout.span[1], i
    cdef Py_ssize_t n = min(count * layout.span[1], layout.out_size[1] - row)
    cdef Py_ssize_t place = (part.place + (block.image + image) * output.image
                             + row * output.axis[1])
    if layout.contiguous_rows:
        store_tile(output, rows, part.width, False, transposed, n * part.pixels, part.n,
                   part.channel, place)
        return
    for i in range(n):
        store_tile(output, rows + i * part.row, part.width, False, transposed, part.pixels,
                   part.n, part.channel, place + i * output.axis[1])
