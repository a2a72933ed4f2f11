"""The gradient of weights by `conv_backward_weight`: pixels in the lanes.

Neither gradients nor sums are transposed: for few channels, and rows that fill vectors. The
gradients of FC_BACKWARD_FILTERS filters on a strip of rows, and a channel of the window, stay in
the first-level cache while all taps meet them; taps of all channels are *lags* of the pixels.
"""
from fastconv._algorithms.direct.gradient_job cimport GradientJob, GradientTask, find_sums
from fastconv._algorithms.direct.long_sums cimport LongSums, expect_products, finish_sums, long_sums
from fastconv._algorithms.direct.types cimport GradientSchedule, Layout, block_outputs
from fastconv._core.blocks cimport Arena, reserve
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.types cimport real_t
from fastconv._core.window cimport (
    block_axis, gather_window, index_bytes, locate_window, set_strides,
)
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport FC_BACKWARD_FILTERS, FC_SUM_BLOCK, fc_kernels


cdef enum:
    STRIP_VECTORS = 2 * FC_SUM_BLOCK  # of a strip of gradients
    EVEN_STRIPS = 8  # so many strips make equal parts for threads
    FEW_CHANNELS = 8  # whose windows share a strip at least

# The outputs of one block, and what meets there.
cdef struct LagBlock:
    Py_ssize_t first[AXES]
    Py_ssize_t count[AXES]
    Py_ssize_t image


cdef inline GradientSchedule plan_lags(const Layout *layout, Py_ssize_t batch) noexcept:
    """Block the sums: strips of rows, and chunks of channels whose windows of a strip fit."""
    cdef const conv_geometry *g = layout.g
    cdef GradientSchedule schedule
    cdef WindowAxis *axis = layout.phases[0].axis
    cdef int a
    schedule.layout = layout
    schedule.axis = axis
    schedule.by_lags = True
    schedule.along_taps = False
    schedule.filters = g.filters // g.groups
    schedule.channels = g.channels // g.groups
    schedule.filter_blocks = ceil_div(schedule.filters, FC_BACKWARD_FILTERS)
    schedule.blocks_per_range, schedule.ranges = schedule.filter_blocks, 1
    schedule.window.axis = axis
    schedule.window.channels_last = False
    block_strips(layout, &schedule)
    schedule.rows = schedule.window.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]
    schedule.lags = even_size(schedule.rows, layout.kernels.conv_backward_weight_taps)
    schedule.lag_tiles = ceil_div(schedule.rows, schedule.lags)
    schedule.block_pixels = axis[1].block * axis[2].block
    schedule.pixels = batch * axis[0].count * axis[1].count * axis[2].count
    schedule.all_blocks = batch
    for a in range(AXES):
        schedule.out_blocks[a] = ceil_div(axis[a].count, axis[a].block)
        schedule.all_blocks *= schedule.out_blocks[a]
    reserve_scratch(layout, &schedule)
    return schedule


cdef inline void block_strips(const Layout *layout, GradientSchedule *schedule) noexcept:
    """Strips of rows, in numbers that part evenly, and as many channels as the cache holds of one.

    A window takes a quarter of the cache. Short strips of all channels would call a kernel for a
    few vectors each; but few channels at a time read the gradients again and again.
    """
    cdef WindowAxis *axis = schedule.axis
    cdef Py_ssize_t lanes = layout.kernels.lanes, all_rows = max(axis[1].count, 1), rows, strips
    cdef Py_ssize_t budget = CACHE // 4 // layout.g.itemsize, few
    schedule.window.channels = few = min(schedule.channels, <Py_ssize_t>FEW_CHANNELS)
    block_axis(&axis[0], 1, False)
    block_axis(&axis[2], even_size(max(axis[2].count, 1), FC_SUM_BLOCK * lanes), True)
    rows = max(1, min(axis[1].count, STRIP_VECTORS // ceil_div(axis[2].block, lanes)))
    while True:
        block_axis(&axis[1], rows, False)
        set_strides(&schedule.window, 0, lanes, True)
        if rows == 1 or schedule.window.size <= budget:
            break
        rows = (rows + 1) // 2
    strips = ceil_div(all_rows, rows)
    while strips & (strips - 1) if strips <= EVEN_STRIPS else strips % EVEN_STRIPS:
        strips += 1
    block_axis(&axis[1], ceil_div(all_rows, strips), False)
    set_strides(&schedule.window, 0, lanes, True)
    if schedule.channels > few:
        few = max(few, min(schedule.channels, few * budget // max(schedule.window.size, 1)))
        schedule.window.channels = even_size(schedule.channels, few)
        set_strides(&schedule.window, 0, lanes, True)
    schedule.chunks = ceil_div(max(schedule.channels, 1), max(schedule.window.channels, 1))


cdef inline Py_ssize_t range_sums(const GradientSchedule *schedule) noexcept nogil:
    """Sums of a range of filters, (blocks, tiles, filters * lags)."""
    return (schedule.blocks_per_range * schedule.lag_tiles * schedule.lags
            * FC_BACKWARD_FILTERS)


cdef inline void reserve_scratch(const Layout *layout, GradientSchedule *schedule) noexcept:
    """Scratch memory of a thread: window, gradients, sums, totals, tables."""
    cdef Py_ssize_t itemsize = layout.g.itemsize
    cdef Arena arena
    arena.size = 0
    reserve(&arena, (schedule.window.size + schedule.window.slack) * itemsize)
    schedule.grad_at = reserve(&arena, FC_BACKWARD_FILTERS * schedule.block_pixels * itemsize)
    schedule.sum_at = reserve(&arena, range_sums(schedule) * itemsize)
    schedule.total_at = reserve(&arena, range_sums(schedule) * itemsize)
    schedule.offset_at = reserve(&arena, schedule.rows * sizeof(Py_ssize_t))
    schedule.index_at = reserve(&arena, index_bytes(&schedule.window))
    schedule.scratch_size = arena.size


cdef inline void run_lags(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const GradientJob *job = <const GradientJob *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    if job.g.itemsize == 4:
        sum_lags(job, find_sums(job.schedule, task), <float *>scratch)
    else:
        sum_lags(job, find_sums(job.schedule, task), <double *>scratch)


cdef inline void sum_lags(const GradientJob *job, GradientTask task, real_t *window) noexcept nogil:
    """One task: sums over its blocks of outputs, then out to their places in grad_weight."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const fc_kernels *kernels = job.kernels
    cdef char *scratch = <char *>window
    cdef real_t *sums = <real_t *>(scratch + schedule.sum_at)
    cdef real_t *totals = <real_t *>(scratch + schedule.total_at)
    cdef Py_ssize_t *offset = <Py_ssize_t *>(scratch + schedule.offset_at)
    cdef const Py_ssize_t *stride = job.x.stride
    cdef LongSums state = long_sums(range_sums(schedule), schedule.row_limit)
    cdef WindowIndex index
    cdef LagBlock block
    cdef Window part = schedule.window
    cdef Py_ssize_t outputs, filters, in_image, located = -1
    part.channels = task.channels
    set_offsets(job, &task, offset)
    for outputs in range(task.first_outputs, task.end_outputs):
        block.image = block_outputs(outputs, schedule.axis, schedule.out_blocks, block.first,
                                    block.count)
        in_image = outputs - block.image * job.image_blocks
        if located != in_image:
            locate_window(&schedule.window, block.first, block.count,
                          scratch + schedule.index_at, &index)
        # zeros outside stay where the last image's were
        gather_window(&part, &index, (<const real_t *>job.x.data) + (
            block.image * stride[0] + (task.group * schedule.channels + task.first_channel)
            * stride[1]), &stride[1], kernels, located != in_image, window)
        located = in_image
        expect_products(&state, kernels, block.count[1] * block.count[2], sums, totals)
        for filters in range(task.first_block, task.end_block):
            add_products(job, &task, &block, filters, state.fresh, window)
        state.fresh = False
    finish_sums(&state, kernels, sums, totals)
    store_sums(job, &task, sums)


cdef inline Py_ssize_t task_rows(const GradientJob *job, const GradientTask *task) noexcept nogil:
    """Sums of a filter."""
    return task.channels * job.g.kernel[0] * job.g.kernel[1] * job.g.kernel[2]


cdef inline void set_offsets(const GradientJob *job, const GradientTask *task,
                             Py_ssize_t *offset) noexcept nogil:
    """Where the window holds each tap of each of the task's channels."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const WindowAxis *axis = schedule.axis
    cdef const Py_ssize_t *position = schedule.window.position
    cdef Py_ssize_t channel, t0, t1, t2, row = 0
    for channel in range(task.channels):
        for t0 in range(job.g.kernel[0]):
            for t1 in range(job.g.kernel[1]):
                for t2 in range(job.g.kernel[2]):
                    offset[row] = (
                        channel * schedule.window.channel + axis[0].at[t0] * position[0]
                        + axis[1].at[t1] * position[1] + axis[2].at[t2] * position[2])
                    row += 1


cdef inline void add_products(const GradientJob *job, const GradientTask *task,
                              const LagBlock *block, Py_ssize_t filters, bint fresh,
                              const real_t *window) noexcept nogil:
    """Add one block's products of all taps by the gradients of one block of filters."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef const fc_kernels *kernels = job.kernels
    cdef char *scratch = <char *>window
    cdef real_t *copied = <real_t *>(scratch + schedule.grad_at)
    cdef real_t *sums = <real_t *>(scratch + schedule.sum_at)
    cdef const Py_ssize_t *offset = <const Py_ssize_t *>(scratch + schedule.offset_at)
    cdef const Py_ssize_t *stride = job.grad.stride
    cdef Py_ssize_t first_filter = filters * FC_BACKWARD_FILTERS, rows = block.count[1]
    cdef Py_ssize_t columns = block.count[2], plane = stride[1], row = stride[3]
    cdef Py_ssize_t x_row = schedule.axis[1].window_step * schedule.window.position[1]
    cdef Py_ssize_t tile_sums = FC_BACKWARD_FILTERS * schedule.lags
    cdef Py_ssize_t planes = min(<Py_ssize_t>FC_BACKWARD_FILTERS, schedule.filters - first_filter)
    cdef Py_ssize_t f, tile, lags, all_rows = task_rows(job, task)
    cdef const real_t *prefetch
    cdef const real_t *grad = (<const real_t *>job.grad.data) + (
        block.image * stride[0] + (task.group * schedule.filters + first_filter) * stride[1]
        + block.first[0] * stride[2] + block.first[1] * stride[3] + block.first[2] * stride[4])
    sums += (filters - task.first_block) * schedule.lag_tiles * tile_sums
    if stride[4] != 1 and columns > 1:
        for f in range(planes):
            kernels.copy(rows, columns, grad + f * plane, row, stride[4],
                         copied + f * rows * columns, columns)
        grad, row, plane = copied, columns, rows * columns
    for tile in range(ceil_div(all_rows, schedule.lags)):
        lags = min(schedule.lags, all_rows - tile * schedule.lags)
        prefetch = NULL
        if job.prefetches and filters + 1 < task.end_block and tile < FC_BACKWARD_FILTERS:
            prefetch = grad + (FC_BACKWARD_FILTERS + tile) * plane
        kernels.conv_backward_weight[planes - 1][lags - 1](
            rows, columns, offset + tile * schedule.lags, window, x_row, grad, plane, row,
            prefetch, sums + tile * tile_sums, not fresh)


cdef inline void store_sums(const GradientJob *job, const GradientTask *task,
                            const real_t *sums) noexcept nogil:
    """From (blocks of filters, tiles of lags, filters * lags) to (filters, channels, taps)."""
    cdef const GradientSchedule *schedule = job.schedule
    cdef Py_ssize_t filters, planes, tile, first, lags, f, i, row
    cdef Py_ssize_t all_rows = task_rows(job, task), taps = all_rows // task.channels
    cdef Py_ssize_t filter_row = schedule.channels * taps
    cdef real_t *out = (<real_t *>job.out) + (
        task.part * job.part_size + task.group * schedule.filters * filter_row
        + task.first_channel * taps)
    for filters in range(task.first_block, task.end_block):
        planes = min(<Py_ssize_t>FC_BACKWARD_FILTERS,
                     schedule.filters - filters * FC_BACKWARD_FILTERS)
        for tile in range(schedule.lag_tiles):
            first = tile * schedule.lags
            lags = max(0, min(schedule.lags, all_rows - first))
            for f in range(planes):
                for i in range(lags):
                    row = first + i
                    if job.g.flip:
                        row += taps - 1 - 2 * (row % taps)
                    out[(filters * FC_BACKWARD_FILTERS + f) * filter_row + row] = (
                        sums[f * lags + i])
            sums += FC_BACKWARD_FILTERS * schedule.lags
