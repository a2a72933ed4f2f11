"""Blocks: which outputs a task computes, and the runs of pixels that they are cut into."""
from fastconv._algorithms.direct.long_sums cimport LONG_SUM
from fastconv._algorithms.direct.phases cimport taps_inside
from fastconv._algorithms.direct.schedule cimport Schedule
from fastconv._algorithms.direct.types cimport Layout, Phase, PixelRun, block_outputs
from fastconv._algorithms.direct.weights cimport Weights
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.output cimport Output, fuses_into_kernel
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.strided cimport Strided5
from fastconv._core.window_types cimport WindowAxis
from fastconv._kernels.dispatch cimport FC_SUM_BLOCK

# What the tasks of one call read.
cdef struct Job:
    const Layout *layout
    const Phase *phase
    const Schedule *schedule     # of this phase
    Py_ssize_t batch
    Strided5 source
    Output output
    const char *packed           # weights; or NULL:
    const Weights *weights       # they are packed on the way
    const Py_ssize_t *in_place   # each channel's offset, where the source is read where it is
    char *scratch

# The block of outputs of one task, and how it is cut.
cdef struct BlockRef:
    Py_ssize_t first[AXES]       # its outputs on each axis
    Py_ssize_t count[AXES]
    Py_ssize_t image, images
    Py_ssize_t first_group, end_group
    Py_ssize_t first_channels, end_channels  # blocks of output channels of each group
    bint flat                    # runs are cut from one line of all rows,
    Py_ssize_t pitch             # one every so many pixels; else from each row
    Py_ssize_t line              # pixels of such a line
    bint fuses                   # sums go from `igemm_pixels` straight to the result
    const Py_ssize_t *offset     # of the taps; in the window, or in the source:
    Py_ssize_t image_step, pixel_step
    PixelRun *runs
    Py_ssize_t n_runs
    Py_ssize_t runs_per_pass     # that all output channels meet before the next ones
    char *scratch


cdef enum:
    FLAT_PRODUCTS = 12  # of every output: what its way out costs, row by row


cdef inline bint find_block(const Job *job, Py_ssize_t task, char *scratch,
                            BlockRef *block) noexcept nogil:
    """The block that is the task's, and how it is cut; whether there is any output in it."""
    cdef const Layout *layout = job.layout
    cdef const Schedule *schedule = job.schedule
    cdef Py_ssize_t extent[2]
    cdef Py_ssize_t part[2]
    extent[0], extent[1] = schedule.output_parts, schedule.channel_parts
    task = unravel(task, extent, 2, part)
    task = block_outputs(task, job.phase.axis, job.phase.blocks, block.first, block.count)
    if schedule.output_parts > 1 and not take_part(schedule, part[0], block):
        return False
    block.first_group = task % schedule.group_blocks * schedule.groups
    block.end_group = min(layout.groups, block.first_group + schedule.groups)
    block.image = task // schedule.group_blocks * schedule.images
    block.images = min(schedule.images, job.batch - block.image)
    block.first_channels = layout.channel_blocks * part[1] // schedule.channel_parts
    block.end_channels = layout.channel_blocks * (part[1] + 1) // schedule.channel_parts
    block.scratch = scratch
    block.runs = <PixelRun *>(scratch + schedule.runs_at)
    set_line(job, block)
    set_steps(job, block)
    return True


cdef inline bint take_part(const Schedule *schedule, Py_ssize_t part,
                           BlockRef *block) noexcept nogil:
    """Leave one part of the block's outputs; whether there are any."""
    cdef int a = schedule.part_axis
    cdef Py_ssize_t units = block.count[a] // schedule.part_unit
    cdef Py_ssize_t low = units * part // schedule.output_parts * schedule.part_unit
    if part + 1 < schedule.output_parts:
        block.count[a] = units * (part + 1) // schedule.output_parts * schedule.part_unit
    block.count[a] -= low
    block.first[a] += low
    return block.count[a] > 0


cdef inline void set_line(const Job *job, BlockRef *block) noexcept nogil:
    """Whether runs are cut from rows, or from all rows in one line.

    The latter where rows lie one after the other in the window and the lanes that this fills are
    worth it; gaps between rows are left out at the end.
    """
    cdef const Layout *layout = job.layout
    cdef const Phase *phase = job.phase
    cdef const WindowAxis *axis = phase.axis
    cdef const Output *output = &job.output
    cdef Py_ssize_t rows = block.count[1], columns = block.count[2], lanes = layout.kernels.lanes
    cdef Py_ssize_t line
    if layout.joined:
        set_joined_line(job, block)
        return
    block.pitch = phase.window.position[1]
    line = (rows - 1) * block.pitch + columns
    block.flat = (layout.by_pixels and rows > 1 and not phase.trims
                  and axis[1].segment == axis[2].segment == 0
                  and axis[1].window_step == 1 and axis[2].window_step == 1
                  and phase.out_step[2] == 1
                  and phase.taps * (rows * round_up(columns, lanes) - round_up(line, lanes)) >= (
                      FLAT_PRODUCTS * rows * columns))
    block.line = line if block.flat else columns
    block.fuses = (layout.by_pixels and not block.flat and sums_once(phase)
                   and output.pixel == 1 and output.channel != 1 and fuses_into_kernel(output))


cdef inline bint sums_once(const Phase *phase) noexcept nogil:
    """Whether one call of a kernel has all of a sum."""
    return phase.taps <= LONG_SUM and phase.cut == NULL


cdef inline void set_joined_line(const Job *job, BlockRef *block) noexcept nogil:
    """Runs are cut from the outputs of the joined axes, which follow each other in the result."""
    cdef int a
    block.flat = False
    block.line = 1
    for a in range(2 - job.layout.joined, AXES):
        block.line *= block.count[a]
    block.fuses = (job.layout.by_pixels and sums_once(job.phase) and job.output.pixel == 1
                   and job.output.channel != 1 and fuses_into_kernel(&job.output))


cdef inline void set_steps(const Job *job, BlockRef *block) noexcept nogil:
    """The ways between taps, images and pixels that are read."""
    cdef const Phase *phase = job.phase
    if job.in_place != NULL:
        block.offset = job.in_place
        block.image_step = job.source.stride[0]
        block.pixel_step = job.source.stride[4]
    else:
        block.offset = phase.offset
        block.image_step = phase.window.size
        block.pixel_step = phase.axis[2].window_step * phase.window.position[2]


cdef inline void cut_into_runs(const Job *job, BlockRef *block) noexcept nogil:
    """Cut all lines of the block into runs of pixels."""
    cdef const Phase *phase = job.phase
    cdef const WindowAxis *axis = phase.axis
    cdef const Output *output = &job.output
    cdef PixelRun line
    cdef Py_ssize_t image, o0, o1, corner = 0
    cdef int a, joined = job.layout.joined
    for a in range(3):
        corner += (phase.first[a] + block.first[a] * phase.out_step[a]) * output.axis[a]
    block.n_runs = 0
    for image in range(block.images):
        for o0 in range(1 if joined == 2 else block.count[0]):
            for o1 in range(1 if block.flat or joined else block.count[1]):
                line.window = (image * block.image_step
                               + o0 * axis[0].window_step * phase.window.position[0]
                               + o1 * axis[1].window_step * phase.window.position[1])
                line.place = ((block.image + image) * output.image + corner
                              + o0 * phase.out_step[0] * output.axis[0]
                              + o1 * phase.out_step[1] * output.axis[1])
                cut_line(job, &line, block)
    block.runs_per_pass = runs_per_pass(job, block)


cdef inline void cut_line(const Job *job, const PixelRun *line, BlockRef *block) noexcept nogil:
    """Cut one line; those of `igemm_pixels` have nearly as many vectors: a single one is slow."""
    cdef const Layout *layout = job.layout
    cdef const Phase *phase = job.phase
    cdef PixelRun *run
    cdef Py_ssize_t n = ceil_div(block.line, layout.run_pixels), o = 0, size, i
    cdef Py_ssize_t vectors = ceil_div(block.line, layout.kernels.lanes)
    for i in range(n):
        size = layout.run_pixels
        if layout.by_pixels and layout.pixels_kernel:
            size = (vectors // n + (i < vectors % n)) * layout.kernels.lanes
        if job.in_place != NULL and o + size > block.line:
            # nothing is read beyond the source: some outputs are computed twice
            o = block.line - size
        run = &block.runs[block.n_runs]
        run.window = line.window + o * block.pixel_step
        run.place = line.place if block.flat else line.place + o * job.output.pixel
        run.start = o if block.flat else 0
        run.pixels = min(size, block.line - o)
        run.low, run.high = 0, phase.taps
        if phase.trims:
            trim_run(phase, block.first[2] + o, run)
        block.n_runs += 1
        o += size


cdef inline void trim_run(const Phase *phase, Py_ssize_t first, PixelRun *run) noexcept nogil:
    """Leave out taps that read outside; sums are cut where they would be, for the same bits."""
    cdef Py_ssize_t low, high, line = phase.taps // phase.axis[2].taps
    taps_inside(&phase.axis[2], first, run.pixels, &low, &high)
    run.low = low * line
    if phase.cut == NULL:
        run.low = run.low // FC_SUM_BLOCK * FC_SUM_BLOCK
    run.high = high * line


cdef inline Py_ssize_t runs_per_pass(const Job *job, const BlockRef *block) noexcept nogil:
    """How many runs all blocks of output channels meet before the next ones.

    The weights of a block of channels stay in the cache while all runs pass. Where those of all
    channels do, and channels lie side by side in the result, runs pass bit by bit, so that the
    result is in the cache while it is put together.
    """
    cdef const Layout *layout = job.layout
    cdef const Phase *phase = job.phase
    cdef Py_ssize_t itemsize = layout.g.itemsize
    if layout.g.channels_last and (
            phase.taps * layout.padded_channels + block.images * phase.window.size
            <= CACHE * 3 // 4 // itemsize):
        return 2 * max(1, CACHE // 16 // (
            2 * layout.run_pixels * job.output.axis[2] * itemsize))
    return max(block.n_runs, 1)
