"""Schedules: how the work of one call is cut for its batch and its threads."""
from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.layout cimport (
    Layout, OutputPhase, PLANES, ROWS, extents_read, plane_of,
)
from fastconv._core.blocks cimport Arena, reserve
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.output cimport transposed_size

cdef enum:
    MAX_PRODUCT_TAPS = 9  # that share a pass over grad_output, in dwconv_backward_weight

# How one call of the forward pass, or of the gradient of the data, is cut into tasks. A thread's
# scratch memory holds a window, a plane of outputs to be scattered, and a table of rows.
cdef struct Schedule:
    Py_ssize_t blocks            # of all images and channels
    Py_ssize_t blocks_per_task, tasks
    double work                  # operations
    Py_ssize_t window, tile, rows   # bytes from the beginning of a thread's scratch memory
    Py_ssize_t interleaved[3]       # and planes side by side: read, made, and to be turned back
    Py_ssize_t scratch_bytes     # of a thread

# The same of the gradient of the weights. A task has the sums of some blocks of channels, over
# part of the batch and part of an image's blocks. Scratch memory holds a window, a copy of
# grad_output, sums of some blocks, sums of those, and what a kernel adds to them.
cdef struct GradientSchedule:
    Py_ssize_t batch, images_per_part, batch_parts
    Py_ssize_t block_parts                 # of the blocks of an image
    Py_ssize_t channel_blocks_per_task, channel_tasks, tasks
    Py_ssize_t sum_vectors                 # vectors of sums for each tap
    Py_ssize_t window, grad, sums, totals, products   # bytes, as above
    Py_ssize_t scratch_bytes


cdef enum:
    TASK_WORK = 4_000_000    # operations of a task, so that threads finish together
    TASKS_PER_THREAD = 4     # at least, where there are so many blocks
    MIN_TAPS = 8             # fewer take as long: memory's time is worth so many
    MAX_SUM_PARTS = 8        # that the gradient of few channels is cut into
    MAX_PLANES = 64          # of a task of the gradient


cdef inline Schedule plan_correlation(const Layout *layout, Py_ssize_t batch, int threads) noexcept:
    """A task is a run of blocks: while one is computed, the next is prefetched."""
    cdef Schedule schedule
    cdef Arena arena
    schedule.work = image_work(layout) * batch
    schedule.blocks = batch * layout.channel_blocks * (1 if layout.interleaves else layout.blocks)
    schedule.blocks_per_task = max(1, min(
        schedule.blocks // (TASKS_PER_THREAD * threads),
        <Py_ssize_t>(TASK_WORK * schedule.blocks / max(schedule.work, 1.0))))
    schedule.tasks = ceil_div(schedule.blocks, schedule.blocks_per_task)
    arena.size = 0
    schedule.window = reserve(&arena, layout.window * layout.g.itemsize)
    schedule.tile = reserve(&arena, layout.tile * layout.g.itemsize)
    schedule.rows = reserve(&arena, layout.table * sizeof(void *) if layout.method == ROWS else 0)
    if layout.interleaves:
        reserve_interleaved(layout, &arena, schedule.interleaved)
    schedule.scratch_bytes = arena.size
    return schedule


cdef inline void reserve_interleaved(const Layout *layout, Arena *arena,
                                     Py_ssize_t *at) noexcept:
    """Room for what a block of channels reads and makes, side by side, and to turn that back."""
    cdef Py_ssize_t size = layout.g.itemsize, made = plane_of(layout.size)
    at[0] = reserve(arena, plane_of(extents_read(layout)) * layout.channels_per_block * size)
    at[1] = reserve(arena, made * layout.channels_per_block * size)
    at[2] = reserve(arena, transposed_size(layout.kernels, layout.channels_per_block, made) * size)


cdef inline double image_work(const Layout *layout) noexcept:
    """Floating-point operations of one image, or what its memory traffic is worth."""
    cdef const OutputPhase *phase
    cdef double work = 0
    cdef Py_ssize_t p
    for p in range(layout.phases):
        phase = &layout.phase[p]
        work += 2.0 * max(phase.taps, <Py_ssize_t>MIN_TAPS) * layout.channels * (
            (<double>phase.axis[0].count) * phase.axis[1].count * phase.axis[2].count)
    return work


cdef inline GradientSchedule plan_gradient(const Layout *layout, Py_ssize_t batch, bint per_sample,
                                           int threads) noexcept:
    """Few channels: cut the blocks and the batch as well, in parts that are added up in order.

    How they are cut depends on the problem alone, so that the result does too.
    """
    cdef GradientSchedule schedule
    cdef Py_ssize_t channel_blocks = layout.channel_blocks, parts = batch
    schedule.batch = batch
    schedule.block_parts = max(1, min(layout.phase[0].blocks, MAX_SUM_PARTS // channel_blocks))
    if not per_sample:
        parts = min(parts, max(1, MAX_SUM_PARTS // (channel_blocks * schedule.block_parts)))
    schedule.images_per_part = even_size(batch, ceil_div(batch, parts)) if batch else 1
    schedule.batch_parts = ceil_div(batch, schedule.images_per_part)
    schedule.channel_blocks_per_task = 1
    if layout.method == PLANES:
        schedule.channel_blocks_per_task = max(1, min(
            channel_blocks // (TASKS_PER_THREAD * threads), <Py_ssize_t>MAX_PLANES))
    schedule.channel_tasks = ceil_div(channel_blocks, schedule.channel_blocks_per_task)
    schedule.tasks = schedule.batch_parts * schedule.block_parts * schedule.channel_tasks
    reserve_gradient(layout, &schedule)
    return schedule


cdef inline void reserve_gradient(const Layout *layout, GradientSchedule *schedule) noexcept:
    """The scratch memory of a thread."""
    cdef const OutputPhase *phase = &layout.phase[0]
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t lanes = layout.kernels.lanes, itemsize = layout.g.itemsize, row, sums
    cdef Arena arena
    row = axis[2].block * lanes if layout.channels_in_lanes else round_up(axis[2].block, lanes)
    schedule.sum_vectors = layout.channels_per_block
    if layout.channels_in_lanes:
        schedule.sum_vectors = ceil_div(layout.channels_per_block, lanes)
    arena.size = 0
    schedule.window = reserve(&arena, (phase.size + phase.slack) * itemsize)
    schedule.grad = reserve(&arena, axis[1].block * row * itemsize)
    if layout.method == PLANES:
        sums = schedule.channel_blocks_per_task * phase.taps * itemsize
        schedule.sums = reserve(&arena, sums)
        schedule.totals = reserve(&arena, sums)
        schedule.products = reserve(&arena, sums)
    else:
        sums = phase.taps * schedule.sum_vectors * lanes * itemsize
        schedule.sums = reserve(&arena, sums)
        schedule.totals = reserve(&arena, sums)
        schedule.products = reserve(&arena, MAX_PRODUCT_TAPS * lanes * itemsize)
    schedule.scratch_bytes = arena.size


cdef inline Py_ssize_t partial_sums_bytes(const Layout *layout) noexcept:
    """What the parts of sums take at most, beside the scratch memory of threads."""
    if layout.channel_blocks >= MAX_SUM_PARTS:
        return 0
    return MAX_SUM_PARTS * layout.phase[0].taps * layout.channels * layout.g.itemsize
