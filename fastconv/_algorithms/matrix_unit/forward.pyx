"""The forward pass, and backward_data, which is the same with reversed kernels."""
from libc.string cimport memmove

import numpy as np

cimport numpy as cnp

from fastconv._algorithms.matrix_unit.cost cimport task_seconds
from fastconv._algorithms.matrix_unit.layout cimport PassLayout
from fastconv._algorithms.matrix_unit.types cimport (
    STEP_BYTES, WIDTH, Layout, block_tiles, chunk_channels, chunk_steps, packed_at, packed_bytes,
    plane_bytes, steps_of_run,
)
from fastconv._algorithms.matrix_unit.weights cimport pack_weights
from fastconv._algorithms.matrix_unit.window cimport BlockRef, Job, Schedule, bring_window
from fastconv._core.blocks cimport Arena, reserve, unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.output cimport Output, make_output, store_rows, store_tile, transposed_size
from fastconv._core.scratch cimport acquire
from fastconv._core.strided cimport strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._core.window cimport index_bytes, locate_window
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex
from fastconv._kernels.dispatch cimport FC_MATRIX, fc_matrix_product

cnp.import_array()

cdef enum:
    TASKS_PER_THREAD = 8  # more end no more evenly
    GROUP_TILES = 4       # at most: whose sums of a block of channels, 8 KB, stay in the cache
    GROUP_STEPS = 24      # of the sums of its tiles, whose pixels, 24 KB, do as well
    GROUP_PLACES = 128    # of planes: shorter rows of results are stored slowly


cdef class PreparedPass:
    """A pass of one layer with its weights, for any batch."""

    def __cinit__(self, PassLayout kept, cnp.ndarray weight):
        self.kept = kept
        self.weight = np.ascontiguousarray(weight)
        self.epilogue = &kept.desc.epilogue

    cdef bint pack(self, int threads) except -1:
        """Whether the weights can be trusted."""
        cdef Scratch packed = acquire(max(packed_bytes(&self.kept.layout), 1))
        cdef bint trusted = pack_weights(&self.kept.layout, self.weight, packed, threads)
        self.packed, self.weight = packed, None
        return trusted

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """Convolve a batch; returns the images that hold values it cannot be trusted with."""
        cdef Job job
        cdef const Layout *layout = &self.kept.layout
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0)
        cdef cnp.ndarray refused
        cdef Scratch scratch
        if cnp.PyArray_SIZE(out) == 0:
            return None
        if self.weight is not None and not self.pack(threads):
            return list(range(batch))
        job.layout = layout
        job.schedule = plan_tasks(layout, batch, threads)
        job.input = strided_images(source, layout.g.channels_last)
        job.output = make_output(layout.kernels, self.epilogue, out, bias, residual,
                                 layout.g.channels_last)
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
    """Bytes of scratch memory of a call, packed weights included."""
    cdef Schedule schedule = plan_tasks(layout, 1, 1)
    return schedule.scratch_size * threads + packed_bytes(layout)


cdef Schedule plan_tasks(const Layout *layout, Py_ssize_t batch, int threads) noexcept:
    """Blocks of outputs; where there are few, their rows and output channels are split.

    Parts of the channels gather the window again, parts of the rows some of it, and read all
    weights. Taken is the cut that is estimated to end first.
    """
    cdef Schedule schedule
    cdef Py_ssize_t blocks = (batch * layout.groups * layout.blocks[0] * layout.blocks[1]
                              * layout.blocks[2])
    cdef Py_ssize_t most = TASKS_PER_THREAD * threads, rows, channels
    cdef double seconds, least = 0
    schedule.row_parts = schedule.channel_parts = 1
    if threads > 1 and 0 < blocks < most:
        for rows in range(1, min(layout.axis[1].block, most // blocks) + 1):
            for channels in range(1, min(layout.channel_blocks, most // (blocks * rows)) + 1):
                seconds = ceil_div(blocks * rows * channels, threads) * task_seconds(
                    layout, ceil_div(layout.axis[1].block, rows), channels)
                if least == 0 or seconds < least:
                    least = seconds
                    schedule.row_parts, schedule.channel_parts = rows, channels
    schedule.tasks = blocks * schedule.row_parts * schedule.channel_parts
    reserve_scratch(layout, &schedule)
    return schedule


cdef void reserve_scratch(const Layout *layout, Schedule *schedule) noexcept:
    cdef Arena arena
    cdef Py_ssize_t window = layout.window.size + layout.window.slack
    cdef Py_ssize_t places
    schedule.group = group_of(layout)
    schedule.kept = layout.tiles * FC_MATRIX if layout.chunks > 1 else 0
    places = schedule.group * FC_MATRIX
    arena.size = 0
    reserve(&arena, window * sizeof(float))
    schedule.split_at, schedule.low = 0, 0
    if layout.itemsize == 2:
        schedule.split_at = reserve(&arena, window * layout.itemsize)
        schedule.low = reserve(&arena, window * layout.itemsize) - schedule.split_at
    schedule.sums_at = reserve(&arena, max(
        layout.channel_blocks * schedule.kept, places) * WIDTH * sizeof(float))
    schedule.transposed_at = reserve(
        &arena, transposed_size(layout.kernels, WIDTH, places) * sizeof(float))
    schedule.index_at = reserve(&arena, index_bytes(&layout.window))
    schedule.offsets_at = reserve(&arena, chunk_steps(layout, 0) * sizeof(Py_ssize_t))
    schedule.scratch_size = arena.size


cdef Py_ssize_t group_of(const Layout *layout) noexcept:
    """Some pairs of tiles, in whole rows of tiles where there are such; planes want long rows."""
    cdef Py_ssize_t tiles = 2 * max(
        1, min(GROUP_TILES, GROUP_STEPS // max(chunk_steps(layout, 0), 1)) // 2), rows
    if layout.planes and layout.flat:
        return min(GROUP_PLACES // FC_MATRIX, layout.tiles)
    if not layout.g.channels_last:
        return layout.tiles
    if layout.flat:
        return min(tiles, layout.tiles)
    rows = max(1, tiles // layout.row_tiles)
    return layout.row_tiles * (rows + rows * layout.row_tiles % 2)


# ---- a task ----

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    cdef const Layout *layout = job.layout
    cdef BlockRef block = unravel_task(job, task)
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    cdef WindowIndex index
    cdef Py_ssize_t chunk
    cdef bint trusted = True
    if block.count[1] == 0:  # the last block may have fewer rows than parts
        return
    locate_window(&layout.window, block.first, block.count, scratch + job.schedule.index_at,
                  &index)
    layout.matrix.begin()
    for chunk in range(layout.chunks):
        trusted = bring_window(job, &block, &index, chunk, scratch) and trusted
        multiply(job, &block, chunk, scratch)
    layout.matrix.end()
    if not trusted:
        job.refused[block.image] = 1


cdef inline BlockRef unravel_task(const Job *job, Py_ssize_t task) noexcept nogil:
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t parts = job.schedule.channel_parts, rows, low
    cdef Py_ssize_t[2] extent
    cdef Py_ssize_t[2] part
    cdef BlockRef block
    cdef int a
    extent[0], extent[1] = job.schedule.row_parts, parts
    task = unravel(unravel(task, extent, 2, part), layout.blocks, 3, block.first)
    block.first_k = layout.channel_blocks * part[1] // parts
    block.end_k = layout.channel_blocks * (part[1] + 1) // parts
    block.group = task % layout.groups
    block.image = task // layout.groups
    for a in range(3):
        block.first[a] *= layout.axis[a].block
        block.count[a] = min(layout.axis[a].block, layout.out_size[a] - block.first[a])
    rows = block.count[1]
    low = rows * part[0] // job.schedule.row_parts
    block.count[1] = rows * (part[0] + 1) // job.schedule.row_parts - low
    block.first[1] += low
    block.tiles = block_tiles(layout, block.count[1])
    return block


cdef void multiply(const Job *job, const BlockRef *block, Py_ssize_t chunk,
                   char *scratch) noexcept nogil:
    """Add a chunk's products to the sums, and store those that are complete.

    Two tiles of places at a time stay in the nearest cache while all weights pass, and a group's
    sums until they are stored.
    """
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t group = job.schedule.group, i, first, n, k
    cdef float *sums
    find_offsets(layout, chunk, <Py_ssize_t *>(scratch + job.schedule.offsets_at))
    for i in range(ceil_div(block.tiles, group)):
        first = i * group
        n = min(group, block.tiles - first)
        for k in range(block.first_k, block.end_k):
            sums = sums_of(job, k, first, scratch)
            multiply_group(job, block, chunk, k, first, n, scratch, sums)
            if chunk == layout.chunks - 1:
                store_group(job, block, k, first, n, scratch, sums)


cdef inline void multiply_group(const Job *job, const BlockRef *block, Py_ssize_t chunk,
                                Py_ssize_t k, Py_ssize_t first, Py_ssize_t tiles, char *scratch,
                                float *sums) noexcept nogil:
    """Some tiles of places with the weights of a block of output channels."""
    cdef const Layout *layout = job.layout
    cdef const WindowAxis *axis = &layout.axis[0]
    cdef const Window *window = &layout.window
    cdef const Py_ssize_t *offset = <const Py_ssize_t *>(scratch + job.schedule.offsets_at)
    cdef Py_ssize_t steps = chunk_steps(layout, chunk), i
    cdef Py_ssize_t pixel = axis[2].window_step * window.position[2] * layout.place_bytes
    cdef Py_ssize_t row = axis[1].window_step * window.position[1] * layout.place_bytes
    cdef Py_ssize_t halves = 1 + (layout.out_channels - k * WIDTH > FC_MATRIX)
    cdef Py_ssize_t step = 1 if layout.planes else WIDTH
    cdef Py_ssize_t sums_row = places_of(job) if layout.planes else WIDTH
    cdef Py_ssize_t operand_row = plane_bytes(layout) if layout.planes else pixel
    cdef fc_matrix_product product
    cdef const char *weights = job.packed + packed_at(layout, block.group, chunk, k)
    cdef Py_ssize_t tile[2]
    for i in range(first, first + tiles, 2):
        tile[0], tile[1] = tile_at(layout, i, pixel, row), tile_at(layout, i + 1, pixel, row)
        if layout.planes:
            product = layout.matrix.planes[layout.kind][i + 1 < first + tiles][halves - 1]
        else:
            product = layout.matrix.product[layout.kind][i + 1 < first + tiles][halves - 1]
        product(steps, offset, scratch + job.schedule.split_at, tile, operand_row,
                job.schedule.low, weights, sums + (i - first) * FC_MATRIX * step,
                sums_row * sizeof(float), chunk > 0)


cdef inline Py_ssize_t tile_at(const Layout *layout, Py_ssize_t i, Py_ssize_t pixel,
                               Py_ssize_t row) noexcept nogil:
    """Bytes from the window's begin to the first position of tile i."""
    if layout.flat:
        return i * FC_MATRIX * pixel
    return i // layout.row_tiles * row + i % layout.row_tiles * FC_MATRIX * pixel


cdef inline float *sums_of(const Job *job, Py_ssize_t k, Py_ssize_t first,
                           char *scratch) noexcept nogil:
    """Those of a block of output channels from a tile on, [place][channel], or turned of planes."""
    cdef float *sums = <float *>(scratch + job.schedule.sums_at)
    if job.schedule.kept:
        sums += k * job.schedule.kept * WIDTH + first * FC_MATRIX * (
            1 if job.layout.planes else WIDTH)
    return sums


cdef inline Py_ssize_t places_of(const Job *job) noexcept nogil:
    """Of which there are sums, from a channel of planes to the next."""
    return job.schedule.kept if job.schedule.kept else job.schedule.group * FC_MATRIX


cdef void find_offsets(const Layout *layout, Py_ssize_t chunk,
                       Py_ssize_t *offset) noexcept nogil:
    """Bytes from a position to what each step of a chunk's sum reads."""
    cdef const WindowAxis *axis = &layout.axis[0]
    cdef const Window *window = &layout.window
    cdef Py_ssize_t taps = 1 if layout.folded else axis[2].taps, t0, t1, t2, i, at
    cdef Py_ssize_t step = FC_MATRIX * plane_bytes(layout) if layout.planes else STEP_BYTES
    cdef Py_ssize_t steps = steps_of_run(layout, chunk_channels(layout, chunk))
    for t0 in range(axis[0].taps):
        for t1 in range(axis[1].taps):
            for t2 in range(taps):
                at = (axis[0].at[t0] * window.position[0] + axis[1].at[t1] * window.position[1]
                      + axis[2].at[t2] * window.position[2])
                for i in range(steps):
                    offset[0] = at * layout.place_bytes + i * step
                    offset += 1


cdef void store_group(const Job *job, const BlockRef *block, Py_ssize_t k, Py_ssize_t first,
                      Py_ssize_t tiles, char *scratch, float *sums) noexcept nogil:
    """Sums of some tiles and a block of output channels, row by row, or whole rows as one."""
    cdef const Layout *layout = job.layout
    cdef const Output *output = &job.output
    cdef Py_ssize_t step = 1 if layout.planes else WIDTH
    cdef Py_ssize_t channel = block.group * layout.out_channels + k * WIDTH, r, low, high
    cdef Py_ssize_t channels = min(<Py_ssize_t>WIDTH, layout.out_channels - k * WIDTH)
    cdef Py_ssize_t columns = block.count[2], pitch = layout.pitch
    cdef Py_ssize_t begin = first * FC_MATRIX
    cdef Py_ssize_t end = min(begin + tiles * FC_MATRIX, block.count[1] * pitch)
    cdef Py_ssize_t place = (
        block.image * output.image + channel * output.channel + block.first[0] * output.axis[0]
        + block.first[1] * output.axis[1] + block.first[2] * output.axis[2])
    if columns == layout.out_size[2] and (
            pitch == columns or not (layout.planes or layout.g.channels_last)):
        place += begin // pitch * output.axis[1] + begin % pitch * output.pixel
        if pitch > columns:
            end = begin + without_gaps(sums, end - begin, columns, pitch)
        store_places(job, sums, end - begin, channels, channel, place, scratch)
        return
    for r in range(begin // pitch, ceil_div(end, pitch)):
        low, high = max(begin - r * pitch, <Py_ssize_t>0), min(end - r * pitch, columns)
        if low < high:
            store_places(job, sums + (r * pitch + low - begin) * step, high - low, channels,
                         channel, place + r * output.axis[1] + low * output.pixel, scratch)


cdef inline void store_places(const Job *job, float *sums, Py_ssize_t n, Py_ssize_t channels,
                              Py_ssize_t channel, Py_ssize_t place, char *scratch) noexcept nogil:
    """Neighbouring outputs of some channels."""
    cdef float *transposed = <float *>(scratch + job.schedule.transposed_at)
    if job.layout.planes:
        store_rows(&job.output, channels, n, sums, places_of(job), place, job.output.channel,
                   channel, True)
    else:
        store_tile(&job.output, sums, WIDTH, False, transposed, n, channels, channel, place)


cdef Py_ssize_t without_gaps(float *sums, Py_ssize_t places, Py_ssize_t columns,
                             Py_ssize_t pitch) noexcept nogil:
    """Rows of sums moved together; returns the places that they take."""
    cdef Py_ssize_t rows = ceil_div(places, pitch), i
    for i in range(1, rows):
        memmove(sums + i * columns * WIDTH, sums + i * pitch * WIDTH,
                columns * WIDTH * sizeof(float))
    return rows * columns
