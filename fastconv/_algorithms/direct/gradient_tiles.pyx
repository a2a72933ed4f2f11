"""The gradient of weights by `igemm`: filters in the lanes.

The kernel sums over pixels, in the place of taps, with gradients in the place of packed weights.
Its "pixels" are what lies at equal steps in the window: channels, or where those are few the taps
along the last axis. So its sums are rows of a channel and tap each.
"""
from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from fastconv._algorithms.direct.gradient_job cimport GradientJob, GradientTask, find_sums
from fastconv._algorithms.direct.long_sums cimport (
    LongSums, expect_products, finish_sums, long_sums,
)
from fastconv._algorithms.direct.phases cimport end_inside, first_inside
from fastconv._algorithms.direct.types cimport GradientSchedule, Layout, block_outputs
from fastconv._core.blocks cimport Arena, reserve
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.types cimport real_t
from fastconv._core.window cimport (
    block_axis, gather_window, index_bytes, locate_window, set_strides,
)
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

cdef double LONGEST_TASK = 1e10      # a fifth of a second at most, so that Ctrl-C is heard
cdef Py_ssize_t MAX_PIXELS = 1024    # that gradients are transposed for at once
cdef Py_ssize_t TASKS_FOR_THREADS = 8  # that sums are cut into where there are few
cdef double WORTH_CUTTING = 1e7      # operations; of fewer, what tasks do twice takes too long
cdef Py_ssize_t PART_PIXELS = 256    # whose products are worth another part of all sums

# Rows of sums that a kernel computes at once: what lies `step` apart in the window.
cdef struct SumRun:
    Py_ssize_t window, step, rows
    Py_ssize_t place, place_step  # the first one's, among (channels, taps), and to the next
    Py_ssize_t row_tap            # tap along the rows' axis

# Where a thread works, and what its task has found out once.
cdef struct TileScratch:
    char *memory
    Window window         # with the task's channels
    SumRun *runs
    Py_ssize_t n_runs
    Py_ssize_t *offset    # of each pixel

# A block of outputs.
cdef struct TileBlock:
    Py_ssize_t first[AXES]
    Py_ssize_t count[AXES]
    Py_ssize_t image, pixels


# ---- the plan ----

cdef GradientSchedule plan_tiles(const Layout *layout, Py_ssize_t batch) noexcept:
    """Block the sums, and the outputs."""
    cdef const conv_geometry *g = layout.g
    cdef GradientSchedule schedule
    cdef WindowAxis *axis = layout.phases[0].axis
    cdef int a
    schedule.layout = layout
    schedule.axis = axis
    schedule.by_lags = False
    schedule.filters = g.filters // g.groups
    schedule.channels = g.channels // g.groups
    schedule.filter_blocks = ceil_div(schedule.filters, 2 * layout.kernels.lanes)
    schedule.along_taps = (schedule.channels < layout.kernels.half
                           and g.kernel[2] > schedule.channels)
    schedule.lags = schedule.lag_tiles = 0
    schedule.window.axis = axis
    schedule.window.channels_last = g.channels_last
    schedule.pixels = batch * axis[0].count * axis[1].count * axis[2].count
    block_sums(layout, batch, &schedule)
    block_windows(layout, &schedule)
    schedule.block_pixels = axis[1].block * axis[2].block
    schedule.all_blocks = batch
    for a in range(AXES):
        schedule.out_blocks[a] = ceil_div(axis[a].count, axis[a].block)
        schedule.all_blocks *= schedule.out_blocks[a]
    schedule.rows = sum_rows(layout, &schedule)
    reserve_scratch(layout, &schedule)
    return schedule


cdef Py_ssize_t tasks_for_threads(const GradientSchedule *schedule) noexcept:
    """Tasks that are wanted: one where threads would not pay."""
    cdef const conv_geometry *g = schedule.layout.g
    cdef double work = 2.0 * g.filters * schedule.channels * schedule.pixels
    work *= (<double>g.kernel[0]) * g.kernel[1] * g.kernel[2]
    return TASKS_FOR_THREADS if work >= WORTH_CUTTING else 1


cdef Py_ssize_t parts_for_threads(const GradientSchedule *schedule, Py_ssize_t tasks) noexcept:
    """Parts that sums are cut into, where there are so many tasks without: of enough pixels."""
    cdef Py_ssize_t parts = tasks_for_threads(schedule) // max(tasks, 1)
    return max(1, min(parts, schedule.pixels // PART_PIXELS))


cdef void block_sums(const Layout *layout, Py_ssize_t batch, GradientSchedule *schedule) noexcept:
    """Ranges of filters and chunks of channels, whose sums stay in the cache.

    Each range gathers the window again, each chunk transposes the gradients again; the former takes
    longer.
    """
    cdef const conv_geometry *g = layout.g
    cdef const WindowAxis *axis = schedule.axis
    cdef Py_ssize_t half = layout.kernels.half, width = 2 * layout.kernels.lanes
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t fit = max(CACHE // 4 // g.itemsize // taps, 1), blocks, most, wanted
    cdef double work = (2.0 * width * taps * max(batch, 1) * axis[2].count * axis[1].count
                        * axis[0].count + 1)
    blocks = max(1, min(schedule.filter_blocks, <Py_ssize_t>sqrt(2.0 * fit) // width))
    most = max(2 * half, fit // (blocks * width))
    if most > schedule.channels:
        blocks = max(1, min(schedule.filter_blocks, fit // max(schedule.channels, 1) // width))
    # and whose tasks are not too long
    blocks = max(1, min(blocks, <Py_ssize_t>(
        LONGEST_TASK / work / min(most, max(schedule.channels, 1)))))
    most = max(2 * half, min(most, <Py_ssize_t>(LONGEST_TASK / work)))
    # and that are enough for threads: of what there is more of, since the other is read again
    wanted = ceil_div(tasks_for_threads(schedule),
                      layout.groups * parts_for_threads(schedule, layout.groups))
    if wanted > 1 and schedule.filters > schedule.channels:
        blocks = min(blocks, ceil_div(schedule.filter_blocks, wanted))
    elif wanted > 1:
        most = max(2 * half, min(most, ceil_div(schedule.channels * ceil_div(
            schedule.filter_blocks, blocks), wanted)))
    # whole runs of channels, but for the last chunk
    if most < 16 * half:
        most = most // half * half
    most = round_up(even_size(schedule.channels, most), half)
    schedule.window.channels = min(schedule.channels, most)
    schedule.chunks = ceil_div(schedule.channels, most)
    schedule.blocks_per_range = even_size(schedule.filter_blocks, blocks)
    schedule.ranges = ceil_div(schedule.filter_blocks, schedule.blocks_per_range)


cdef void block_windows(const Layout *layout, GradientSchedule *schedule) noexcept:
    """A block of outputs whose window, and whose gradients, stay in the cache too."""
    cdef WindowAxis *axis = schedule.axis
    cdef Py_ssize_t budget = CACHE // 4 // layout.g.itemsize
    cdef Py_ssize_t columns = max(axis[2].count, 1), rows = 1
    block_axis(&axis[0], 1, False)
    while True:
        block_window(layout, schedule, 1, columns)
        if columns == 1 or (schedule.window.size <= budget and columns <= MAX_PIXELS):
            break
        columns = (columns + 1) // 2
    while rows < axis[1].count:
        block_window(layout, schedule, min(2 * rows, axis[1].count), columns)
        if schedule.window.size > budget or 2 * rows * columns > MAX_PIXELS:
            break
        rows = min(2 * rows, axis[1].count)
    block_window(layout, schedule, max(even_size(axis[1].count, rows), 1), columns)


cdef void block_window(const Layout *layout, GradientSchedule *schedule, Py_ssize_t rows,
                       Py_ssize_t columns) noexcept:
    """The window of a block of so many outputs."""
    cdef WindowAxis *axis = schedule.axis
    cdef Window *window = &schedule.window
    cdef Py_ssize_t half = layout.kernels.half
    block_axis(&axis[1], rows, False)
    block_axis(&axis[2], columns, False)
    set_strides(window, half, layout.kernels.lanes)
    # the kernel may read `half` channels, or taps, past the last
    window.slack += 2 * half * window.channel
    if schedule.along_taps:
        window.slack += half * window.position[2] * (axis[2].at[1] - axis[2].at[0])


cdef Py_ssize_t sum_rows(const Layout *layout, const GradientSchedule *schedule) noexcept:
    """Rows of sums of a block of filters, those that fill up the kernel's tiles included."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t half = layout.kernels.half, channels = schedule.window.channels
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    if schedule.along_taps:
        return round_up(channels * taps // g.kernel[2] * ceil_div(g.kernel[2], half), 2) * half
    return round_up(taps * ceil_div(channels, half), 2) * half


cdef void reserve_scratch(const Layout *layout, GradientSchedule *schedule) noexcept:
    """Scratch memory of a thread: window, gradients, sums, totals, sums in order, tables."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t filters = 2 * layout.kernels.lanes * g.itemsize  # bytes of a block of them
    cdef Arena arena
    arena.size = 0
    reserve(&arena, (schedule.window.size + schedule.window.slack) * g.itemsize)
    schedule.grad_at = reserve(&arena, schedule.block_pixels * filters)
    schedule.sum_at = reserve(&arena, schedule.blocks_per_range * schedule.rows * filters)
    schedule.total_at = reserve(&arena, schedule.blocks_per_range * schedule.rows * filters)
    schedule.order_at = reserve(&arena, schedule.window.channels * taps * filters)
    schedule.offset_at = reserve(&arena, schedule.block_pixels * sizeof(Py_ssize_t))
    schedule.index_at = reserve(&arena, index_bytes(&schedule.window))
    schedule.runs_at = reserve(
        &arena, schedule.rows // layout.kernels.half * sizeof(SumRun))
    schedule.scratch_size = arena.size


# ---- a task ----

cdef void run_tiles(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const GradientJob *job = <const GradientJob *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    if job.g.itemsize == 4:
        sum_tiles(job, find_sums(job.schedule, task), <float *>scratch)
    else:
        sum_tiles(job, find_sums(job.schedule, task), <double *>scratch)


cdef void sum_tiles(const GradientJob *job, GradientTask task, real_t *window) noexcept nogil:
    """One task: sums over its blocks of outputs, then out to their places in grad_weight."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const fc_kernels *kernels = job.kernels
    cdef TileScratch scratch
    cdef TileBlock block
    cdef LongSums state = long_sums(
        (task.end_block - task.first_block) * schedule.rows * 2 * kernels.lanes,
        schedule.row_limit)
    cdef real_t *sums
    cdef real_t *totals
    cdef const real_t *source
    cdef Py_ssize_t outputs, filters
    set_scratch(job, &task, <char *>window, &scratch)
    sums = <real_t *>(scratch.memory + schedule.sum_at)
    totals = <real_t *>(scratch.memory + schedule.total_at)
    for outputs in range(task.first_outputs, task.end_outputs):
        block.image = block_outputs(outputs, schedule.axis, schedule.out_blocks, block.first,
                                    block.count)
        block.pixels = block.count[0] * block.count[1] * block.count[2]
        expect_products(&state, kernels, block.pixels, sums, totals)
        source = gather_block(job, &task, &block, &scratch, window)
        set_offsets(job, &block, scratch.offset)
        for filters in range(task.first_block, task.end_block):
            add_products(job, &task, &block, &scratch, filters, state.fresh, source)
        state.fresh = False
    finish_sums(&state, kernels, sums, totals)
    for filters in range(task.first_block, task.end_block):
        store_sums(job, &task, &scratch, filters, sums)
        sums += schedule.rows * 2 * kernels.lanes


cdef void set_scratch(const GradientJob *job, const GradientTask *task, char *memory,
                      TileScratch *scratch) noexcept nogil:
    """What holds for all blocks of a task: the window's channels, and the rows of sums.

    Rows are runs of channels at one tap; for the last `rest` channels, where that leaves fewer rows
    empty, runs of taps of one channel.
    """
    cdef Py_ssize_t half = job.kernels.half, channels = task.channels
    cdef Py_ssize_t columns = job.g.kernel[2], rest = channels, c
    scratch.memory = memory
    scratch.window = job.schedule.window
    scratch.window.channels = channels
    scratch.offset = <Py_ssize_t *>(memory + job.schedule.offset_at)
    scratch.runs = <SumRun *>(memory + job.schedule.runs_at)
    scratch.n_runs = 0
    if not job.schedule.along_taps:
        rest = 0
    if channels > half and columns > 1 and channels % half * ceil_div(columns, half) < columns:
        rest = channels % half
    if rest < channels:
        add_runs(job, scratch, -1, channels - rest)
    for c in range(channels - rest, channels):
        add_runs(job, scratch, c, columns)


cdef void add_runs(const GradientJob *job, TileScratch *scratch, Py_ssize_t channel,
                   Py_ssize_t rows) noexcept nogil:
    """Runs of `rows` taps along the last axis of one channel; or of channels, if that is -1."""
    cdef const conv_geometry *g = job.g
    cdef const WindowAxis *axis = job.schedule.axis
    cdef const Window *window = &job.schedule.window
    cdef bint along = channel >= 0
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2], t0, t1, t2, tap
    cdef Py_ssize_t channel_step = job.x.stride[1] if job.in_place else window.channel
    cdef SumRun run
    run.step, run.place_step = channel_step, taps
    if along:
        run.step, run.place_step = 0, -1 if g.flip else 1
        if rows > 1:
            run.step = (axis[2].at[1] - axis[2].at[0]) * window.position[2]
    for t0 in range(g.kernel[0]):
        for t1 in range(g.kernel[1]):
            for t2 in range(1 if along else g.kernel[2]):
                tap = (t0 * g.kernel[1] + t1) * g.kernel[2] + t2
                run.place = taps - 1 - tap if g.flip else tap
                run.window = (axis[0].at[t0] * window.position[0]
                              + axis[1].at[t1] * window.position[1]
                              + axis[2].at[t2] * window.position[2])
                run.row_tap = t1
                if along:
                    run.window += channel * channel_step
                    run.place += channel * taps
                cut_rows(scratch, &run, rows, job.kernels.half)


cdef inline void cut_rows(TileScratch *scratch, const SumRun *all_rows, Py_ssize_t rows,
                          Py_ssize_t half) noexcept nogil:
    """Cut rows of sums into runs for half a tile."""
    cdef SumRun *run
    cdef Py_ssize_t i, first
    for i in range(ceil_div(rows, half)):
        # the last run reads no further than the others: some sums twice
        first = max(0, min(i * half, rows - half))
        run = &scratch.runs[scratch.n_runs]
        run[0] = all_rows[0]
        run.window += first * run.step
        run.place += first * run.place_step
        run.rows = min(half, rows - first)
        scratch.n_runs += 1


cdef const real_t *gather_block(const GradientJob *job, const GradientTask *task,
                                const TileBlock *block, const TileScratch *scratch,
                                real_t *window) noexcept nogil:
    """The window of a block of outputs; or x, where it is read in place."""
    cdef const Py_ssize_t *stride = job.x.stride
    cdef WindowIndex index
    cdef const real_t *x = (<const real_t *>job.x.data) + (block.image * stride[0] + (
        task.group * job.schedule.channels + task.first_channel) * stride[1])
    if job.in_place:
        return x + block.first[2] * stride[4]
    locate_window(&scratch.window, block.first, block.count,
                  scratch.memory + job.schedule.index_at, &index)
    gather_window(&scratch.window, &index, x, &stride[1], job.kernels, True, window)
    return window


cdef void set_offsets(const GradientJob *job, const TileBlock *block,
                      Py_ssize_t *offset) noexcept nogil:
    """Where each pixel of a block lies in the window, or in x."""
    cdef const WindowAxis *axis = job.schedule.axis
    cdef const Window *window = &job.schedule.window
    cdef Py_ssize_t plane = axis[0].window_step * window.position[0]
    cdef Py_ssize_t row = axis[1].window_step * window.position[1]
    cdef Py_ssize_t pixel = axis[2].window_step * window.position[2], o0, o1, o2
    if job.in_place:
        pixel = job.x.stride[4]
    for o0 in range(block.count[0]):
        for o1 in range(block.count[1]):
            for o2 in range(block.count[2]):
                offset[o2] = o0 * plane + o1 * row + o2 * pixel
            offset += block.count[2]


cdef void add_products(const GradientJob *job, const GradientTask *task, const TileBlock *block,
                       const TileScratch *scratch, Py_ssize_t filter_block, bint fresh,
                       const real_t *source) noexcept nogil:
    """Add a block's products with the gradients of one block of filters to all rows of sums."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const fc_kernels *kernels = job.kernels
    cdef const SumRun *runs = scratch.runs
    cdef real_t *grads = <real_t *>(scratch.memory + schedule.grad_at)
    cdef real_t *sums = <real_t *>(scratch.memory + schedule.sum_at)
    cdef Py_ssize_t first = filter_block * 2 * kernels.lanes
    cdef Py_ssize_t filters = min(2 * kernels.lanes, schedule.filters - first)
    cdef int vectors = 2 if filters > kernels.lanes else 1, n
    cdef Py_ssize_t width = vectors * kernels.lanes, i = 0, low, high
    cdef bint skips = job.skips != NULL and job.skips[block.image]
    sums += (filter_block - task.first_block) * schedule.rows * 2 * kernels.lanes
    transpose_gradients(job, block, task.group * schedule.filters + first, filters, width, grads)
    while i < scratch.n_runs:
        n = 2 if i + 1 < scratch.n_runs and runs[i + 1].step == runs[i].step else 1
        low, high = 0, block.pixels
        if skips:
            n = 1 if runs[i + n - 1].row_tap != runs[i].row_tap else n
            find_pixels(schedule, block, runs[i].row_tap, &low, &high)
        kernels.igemm[n - 1][vectors - 1](
            max(high - low, 0), scratch.offset + low, source + runs[i].window,
            source + runs[i + n - 1].window, runs[i].step, grads + low * width,
            sums + i * kernels.half * width, not fresh)
        i += n


cdef inline void find_pixels(const GradientSchedule *schedule, const TileBlock *block,
                             Py_ssize_t row_tap, Py_ssize_t *low,
                             Py_ssize_t *high) noexcept nogil:
    """The pixels of a block for which a tap along the rows' axis reads inside of x."""
    cdef const WindowAxis *rows = &schedule.axis[1]
    low[0] = block.count[2] * first_inside(rows, row_tap, block.first[1], block.count[1])
    high[0] = block.count[2] * end_inside(rows, row_tap, block.first[1], block.count[1])


cdef void transpose_gradients(const GradientJob *job, const TileBlock *block,
                              Py_ssize_t first_filter, Py_ssize_t filters, Py_ssize_t width,
                              real_t *out) noexcept nogil:
    """The gradients of a block of outputs as (pixels, filters), the layout of packed weights."""
    cdef const fc_kernels *kernels = job.kernels
    cdef const Py_ssize_t *stride = job.grad.stride
    cdef Py_ssize_t columns = block.count[2], rows = block.count[1], o0, o1, o2
    cdef const real_t *row
    cdef const real_t *grad = (<const real_t *>job.grad.data) + (
        block.image * stride[0] + first_filter * stride[1] + block.first[0] * stride[2]
        + block.first[1] * stride[3] + block.first[2] * stride[4])
    if filters < width:
        memset(out, 0, block.pixels * width * sizeof(real_t))
    if stride[4] == 1 and stride[3] == columns:  # rows follow each other
        columns *= rows
        rows = 1
    for o0 in range(block.count[0]):
        for o1 in range(rows):
            row = grad + o0 * stride[2] + o1 * stride[3]
            if stride[4] == 1:
                kernels.transpose(filters, columns, row, stride[1], out, width)
            else:
                for o2 in range(columns):
                    kernels.gather(filters, row + o2 * stride[4], stride[1], out + o2 * width)
            out += columns * width


cdef void store_sums(const GradientJob *job, const GradientTask *task,
                     const TileScratch *scratch, Py_ssize_t filter_block,
                     const real_t *sums) noexcept nogil:
    """From (runs, filters) to (channels, taps, filters) to (filters, channels, taps)."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const fc_kernels *kernels = job.kernels
    cdef const SumRun *run
    cdef real_t *order = <real_t *>(scratch.memory + schedule.order_at)
    cdef Py_ssize_t taps = job.g.kernel[0] * job.g.kernel[1] * job.g.kernel[2], i, row
    cdef Py_ssize_t first = filter_block * 2 * kernels.lanes
    cdef Py_ssize_t filters = min(2 * kernels.lanes, schedule.filters - first)
    cdef Py_ssize_t width = kernels.lanes * (2 if filters > kernels.lanes else 1)
    cdef real_t *out = (<real_t *>job.out) + (
        task.part * job.part_size
        + (task.group * schedule.filters + first) * schedule.channels * taps
        + task.first_channel * taps)
    for i in range(scratch.n_runs):
        run = &scratch.runs[i]
        for row in range(run.rows):
            memcpy(order + (run.place + row * run.place_step) * width,
                   sums + (i * kernels.half + row) * width, width * sizeof(real_t))
    kernels.transpose(task.channels * taps, filters, order, width, out, schedule.channels * taps)
