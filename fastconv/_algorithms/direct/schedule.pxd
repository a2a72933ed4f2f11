"""Schedules: how one call's outputs are cut into tasks for its batch and threads."""
from fastconv._algorithms.direct.cost cimport part_seconds
from fastconv._algorithms.direct.long_sums cimport waits
from fastconv._algorithms.direct.types cimport (
    Layout, Phase, PixelRun, RUN_BLOCKS, STRIP_TILES, block_runs, blocked_axis, phase_blocks,
    phase_work, weights_at_once,
)
from fastconv._core.blocks cimport Arena, CACHE_LINE, reserve
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.scratch cimport CACHE
from fastconv._core.window cimport index_bytes
from fastconv._core.window_types cimport WindowAxis

# What one call does with a layout.
cdef struct Call:
    Py_ssize_t batch
    int threads
    bint packs       # weights, on the way; else they are packed
    bint in_place    # the source is read where it is, without a window

# How one call's outputs of one phase are cut into tasks.
cdef struct Schedule:
    Py_ssize_t images, image_blocks    # images that share a task; such blocks of the batch
    Py_ssize_t groups, group_blocks
    Py_ssize_t channel_parts           # that each block's output channels are cut into,
    Py_ssize_t output_parts            # and its outputs: these
    int part_axis                      # along an axis,
    Py_ssize_t part_unit               # in such units
    Py_ssize_t tasks
    # Places in a thread's scratch memory; the windows are at its beginning.
    Py_ssize_t tile_at, total_at, transposed_at, index_at, runs_at, weights_at, sums_at
    Py_ssize_t scratch_size


cdef enum:
    MAX_IMAGES = 16          # that share a task
    TASKS_PER_THREAD = 4     # more make the last ones end no more evenly
    SMALL_TASK = 10_000_000  # operations, up to which groups share a task


cdef inline Schedule plan_phase(const Layout *layout, const Phase *phase,
                                const Call *call) noexcept:
    """Cut a phase into tasks, and lay out their scratch memory."""
    cdef Schedule schedule
    cdef double group_work
    schedule.images = shared_images(layout, phase, call)
    schedule.image_blocks = ceil_div(call.batch, schedule.images)
    # Several small groups share a task too, for which the window is laid out once.
    group_work = phase_work(layout, phase) / layout.groups * schedule.images
    schedule.groups = max(1, min(layout.groups // (TASKS_PER_THREAD * call.threads),
                                 <Py_ssize_t>(SMALL_TASK / max(group_work, 1.0))))
    schedule.group_blocks = ceil_div(layout.groups, schedule.groups)
    schedule.tasks = (schedule.image_blocks * schedule.group_blocks * phase.blocks[0]
                      * phase.blocks[1] * phase.blocks[2])
    balance(layout, phase, call, &schedule)
    schedule.tasks *= schedule.channel_parts * schedule.output_parts
    reserve_scratch(layout, phase, call.packs, &schedule)
    return schedule


cdef inline Py_ssize_t shared_images(const Layout *layout, const Phase *phase,
                                     const Call *call) noexcept:
    """Several small images share a task, so that the weights stream once for all."""
    cdef Py_ssize_t images = 1
    if phase.blocks[0] * phase.blocks[1] * phase.blocks[2] == 1:
        images = max(1, min(call.batch, windows_in_cache(layout, phase)))
        images = even_size(call.batch, min(images, MAX_IMAGES))
        while images > 1 and ceil_div(call.batch, images) < call.threads:
            images = (images + 1) // 2
    return images


cdef inline Py_ssize_t windows_in_cache(const Layout *layout, const Phase *phase) noexcept:
    return CACHE // 2 // max(phase.window.size * layout.g.itemsize, 1)


cdef inline void balance(const Layout *layout, const Phase *phase, const Call *call,
                         Schedule *schedule) noexcept:
    """Where there are few tasks, cut each into parts of its outputs and of its channels.

    Parts of the outputs all read the weights again, parts of the channels the window. Taken is the
    cut that is estimated to end first.
    """
    cdef int lines = blocked_axis(layout, phase)
    cdef Py_ssize_t limit = TASKS_PER_THREAD * call.threads, tasks = schedule.tasks
    cdef Py_ssize_t units, outputs, channels, most
    cdef double seconds, least = 0
    schedule.channel_parts = schedule.output_parts = 1
    schedule.part_axis = lines if phase.axis[lines].block > 1 or layout.joined else 2
    schedule.part_unit = 1
    if schedule.part_axis == 2:
        schedule.part_unit = layout.run_pixels if layout.by_pixels else 2 * layout.run_pixels
    if call.threads == 1 or tasks == 0:
        return
    units = max(phase.axis[schedule.part_axis].block // schedule.part_unit, 1)
    most = 1 if call.packs else units
    for outputs in range(1, most + 1):
        if outputs > 1 and tasks * outputs > limit:
            break
        for channels in range(1, layout.channel_blocks + 1):
            if channels > 1 and tasks * outputs * channels > limit:
                break
            seconds = ceil_div(tasks * outputs * channels, call.threads) * parts_seconds(
                layout, phase, schedule, call.in_place, units, outputs, channels)
            if least == 0 or seconds < least:
                least = seconds
                schedule.output_parts, schedule.channel_parts = outputs, channels


cdef inline double parts_seconds(const Layout *layout, const Phase *phase, const Schedule *schedule,
                                 bint in_place, Py_ssize_t units, Py_ssize_t outputs,
                                 Py_ssize_t channels) noexcept:
    """A task, if blocks of so many units are cut into parts of their outputs and channels."""
    cdef const WindowAxis *rows = &phase.axis[blocked_axis(layout, phase)]
    cdef Py_ssize_t part = ceil_div(units, outputs)
    cdef double weights = ceil_div(layout.channel_blocks, channels) / (
        <double>layout.channel_blocks)
    cdef double window = <double>part / units
    cdef double work = (phase_work(layout, phase) / layout.groups * schedule.groups
                        * schedule.images / phase_blocks(phase))
    if in_place:
        window = 0
    elif schedule.part_axis != 2:
        window = (rows.window - (units - part) * <double>rows.window_step) / rows.window
    return part_seconds(layout, phase, part * weights / units * work, weights,
                        window * phase.window.size * schedule.images)


cdef inline bint sums_wait(const Layout *layout, const Phase *phase) noexcept nogil:
    """Whether all channels of a run meet some of its taps before the next ones."""
    return layout.by_pixels and waits(phase, layout.pixels_kernel, layout.channel_blocks)


cdef inline void reserve_scratch(const Layout *layout, const Phase *phase, bint packs,
                                 Schedule *schedule) noexcept:
    """Scratch memory of a thread: windows, tiles of sums, one that is transposed, tables."""
    cdef Py_ssize_t itemsize = layout.g.itemsize, lanes = layout.kernels.lanes
    cdef Py_ssize_t half = layout.kernels.half, many = layout.kernels.igemm_pixels_channels
    cdef Py_ssize_t transposed = max(round_up(2 * half, lanes) * 2, 8 * round_up(many, lanes))
    cdef Py_ssize_t tile = max(STRIP_TILES * 2 * half * 2, 3 * 8)
    cdef Arena arena
    arena.size = 0
    reserve(&arena, (phase.window.size * schedule.images + phase.window.slack) * itemsize)
    schedule.tile_at = reserve(&arena, tile * lanes * itemsize)
    schedule.total_at = reserve(&arena, tile * lanes * itemsize)
    schedule.transposed_at = reserve(&arena, transposed * lanes * itemsize)
    schedule.index_at = reserve(&arena, index_bytes(&phase.window))
    schedule.runs_at = reserve(
        &arena, block_runs(layout, phase) * schedule.images * sizeof(PixelRun))
    schedule.weights_at = reserve(&arena,
                                  weights_at_once(layout, phase) * itemsize if packs else 0)
    schedule.sums_at = reserve(
        &arena, min(layout.channel_blocks, RUN_BLOCKS) * layout.width * layout.run_pixels * itemsize
        if sums_wait(layout, phase) else 0)
    schedule.scratch_size = arena.size + CACHE_LINE  # that no thread shares


cdef inline Py_ssize_t correlation_workspace(const Layout *layout, int threads) noexcept:
    """Bytes of scratch memory of a call of any batch size, packed weights included."""
    cdef Schedule schedule
    cdef Py_ssize_t p, most = 0
    for p in range(layout.n_phases):
        schedule.images = 1
        if layout.phases[p].window.size:
            schedule.images = max(1, min(MAX_IMAGES, windows_in_cache(
                layout, &layout.phases[p])))
        reserve_scratch(layout, &layout.phases[p], False, &schedule)
        most = max(most, schedule.scratch_size)
    return most * threads + layout.packed_size * layout.g.itemsize
