"""The gradient of the weights: grad_weight[t] = sum over outputs o of grad_output[o] * x[o, t].

Windows of x are those of the forward pass. A vector of grad_output is read once for up to nine
taps (`dwconv_backward_weight`), or whole planes are read in place, where the forward pass does so
(`dwconv_plane_backward_weight`). A task adds up the sums of some blocks by themselves, and then
those, so that no sum is long.
"""
from libc.string cimport memset

cimport numpy as cnp

from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.blocks cimport BlockRef, place_block, take_channels
from fastconv._algorithms.depthwise.cost cimport by_planes
from fastconv._algorithms.depthwise.layout cimport PLANES, Layout, OutputPhase
from fastconv._algorithms.depthwise.make_layout cimport KeptLayout, get_layout
from fastconv._algorithms.depthwise.planes cimport locate_plane
from fastconv._algorithms.depthwise.schedule cimport (
    MAX_PRODUCT_TAPS, GradientSchedule, plan_gradient,
)
from fastconv._algorithms.depthwise.windows cimport gather_window
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.partial_sums cimport PartialSums
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels, fc_plane

cnp.import_array()

cdef enum:
    BLOCKS_IN_SUM = 64  # whose sums are added up one after the other

# What the tasks of a call read.
cdef struct Job:
    const Layout *layout
    GradientSchedule schedule
    Strided5 x, grad
    char *out              # (parts of the batch, parts of the blocks, out_size)
    Py_ssize_t out_size
    char *scratch

# What one task has of them: channels, images and blocks.
cdef struct Task:
    const Job *job
    char *scratch
    Py_ssize_t first_channel_block, channel_blocks
    Py_ssize_t first_image, last_image
    Py_ssize_t first_block, last_block
    Py_ssize_t sums        # elements
    Py_ssize_t place       # of the result


cdef KeptLayout gradient_layout(ConvDesc desc):
    """That of the forward pass, if it has windows, or whole planes of as many filters."""
    cdef KeptLayout kept = get_layout(desc, False)
    if by_planes(&kept.layout) and not kept.layout.copies_rows:
        return kept
    return get_layout(desc, False, windows_only=True)


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef KeptLayout kept
    cdef const Layout *layout
    cdef Job job
    cdef Py_ssize_t batch
    cdef PartialSums sums
    cdef Scratch scratch
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or (
            cnp.PyArray_SIZE(x) == 0 and desc.g.padding_mode == PAD_ZEROS):
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    kept = gradient_layout(desc)
    layout = &kept.layout
    batch = cnp.PyArray_DIM(x, 0)
    job.layout = layout
    job.schedule = plan_gradient(layout, batch, per_sample, threads)
    job.x = strided_images(x, desc.g.channels_last)
    job.grad = strided_images(grad, desc.g.channels_last)
    job.out_size = layout.phase[0].taps * layout.channels
    if per_sample:
        sums = PartialSums(out, batch, job.schedule.block_parts)
    else:
        sums = PartialSums(out, 1, job.schedule.batch_parts * job.schedule.block_parts)
    job.out = sums.data
    scratch = acquire(job.schedule.scratch_bytes * threads)
    job.scratch = scratch.data
    parallel_for(run_task, &job, job.schedule.tasks, threads, desc.flops(batch))
    sums.add_up()


cdef void run_task(void *context, Py_ssize_t number, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    cdef Task task
    find_task(job, number, job.scratch + thread * job.schedule.scratch_bytes, &task)
    if job.layout.g.itemsize == 4:
        add_blocks(&task, <float *>(task.scratch + job.schedule.sums))
    else:
        add_blocks(&task, <double *>(task.scratch + job.schedule.sums))


cdef void find_task(const Job *job, Py_ssize_t number, char *scratch, Task *task) noexcept nogil:
    """Which channels, images and blocks this task has."""
    cdef const Layout *layout = job.layout
    cdef const GradientSchedule *schedule = &job.schedule
    cdef Py_ssize_t blocks = layout.phase[0].blocks, batch_part
    cdef Py_ssize_t extent[2]
    cdef Py_ssize_t index[2]   # part of the blocks, and of the channels
    extent[0], extent[1] = schedule.block_parts, schedule.channel_tasks
    batch_part = unravel(number, extent, 2, index)
    task.job = job
    task.scratch = scratch
    task.first_channel_block = index[1] * schedule.channel_blocks_per_task
    task.channel_blocks = min(schedule.channel_blocks_per_task,
                              layout.channel_blocks - task.first_channel_block)
    task.first_image = batch_part * schedule.images_per_part
    task.last_image = min(schedule.batch, task.first_image + schedule.images_per_part)
    task.first_block = blocks * index[0] // schedule.block_parts
    task.last_block = blocks * (index[0] + 1) // schedule.block_parts
    task.place = (batch_part * schedule.block_parts + index[0]) * job.out_size
    if layout.method == PLANES:
        task.sums = task.channel_blocks * layout.phase[0].taps
    else:
        task.sums = layout.phase[0].taps * schedule.sum_vectors * layout.kernels.lanes


cdef void add_blocks(const Task *task, real_t *sums) noexcept nogil:
    """One task: its sums over blocks and images, then out to their places in grad_weight."""
    cdef const Job *job = task.job
    cdef const fc_kernels *kernels = job.layout.kernels
    cdef real_t *window = <real_t *>(task.scratch + job.schedule.window)
    cdef real_t *totals = <real_t *>(task.scratch + job.schedule.totals)
    cdef Py_ssize_t image, number, in_sum = 0
    cdef BlockRef blocks[2]   # this one and that which the window holds, or the other way round
    cdef BlockRef *block = &blocks[0]
    cdef BlockRef *previous = NULL
    memset(sums, 0, task.sums * sizeof(real_t))
    memset(totals, 0, task.sums * sizeof(real_t))
    for image in range(task.first_image, task.last_image):
        for number in range(task.first_block, task.last_block):
            find_block(task, image, number, block)
            if job.layout.method == PLANES:
                add_planes(task, block, window, sums)
            else:
                gather_window(job.layout, &job.x, block, previous, window)
                add_window(task, block, window, sums)
            previous = block
            block = &blocks[1] if block == &blocks[0] else &blocks[0]
            in_sum += 1
            if in_sum == BLOCKS_IN_SUM:
                kernels.add(task.sums, sums, totals)
                memset(sums, 0, task.sums * sizeof(real_t))
                in_sum = 0
    kernels.add(task.sums, totals, sums)
    if job.layout.method == PLANES:
        store_planes(task, sums)
    else:
        store_vectors(task, sums)


cdef void find_block(const Task *task, Py_ssize_t image, Py_ssize_t number,
                     BlockRef *block) noexcept nogil:
    """Blocks of windows lie one beside the other, those of planes one below the other."""
    cdef const Layout *layout = task.job.layout
    cdef const OutputPhase *phase = &layout.phase[0]
    cdef Py_ssize_t extent[AXES]
    cdef Py_ssize_t index[AXES]
    cdef int a
    for a in range(AXES):
        extent[a] = phase.axis[a].blocks
    if layout.method == PLANES:
        index[0], index[1], index[2] = 0, number % extent[1], number // extent[1]
    else:
        unravel(number, extent, AXES, index)
    place_block(phase, index, block)
    take_channels(layout, task.first_channel_block, block)
    block.image = image
    block.number = number


cdef inline Py_ssize_t place_in_grad(const Job *job, const BlockRef *block, Py_ssize_t channel,
                                     Py_ssize_t plane) noexcept nogil:
    """Where a plane of one channel of a block lies in grad_output."""
    cdef const Py_ssize_t *stride = job.grad.stride
    return (block.image * stride[0] + channel * stride[1] + (block.first[0] + plane) * stride[2]
            + block.first[1] * stride[3] + block.first[2] * stride[4])


# ---- whole planes ----

cdef void add_planes(const Task *task, const BlockRef *block, real_t *window,
                     real_t *sums) noexcept nogil:
    """Add what a block of outputs gives, by `dwconv_plane_backward_weight`."""
    cdef const Job *job = task.job
    cdef const Layout *layout = job.layout
    cdef const Axis *axis = layout.phase[0].axis
    cdef const Py_ssize_t *stride = &job.x.stride[1]
    cdef real_t *copied = <real_t *>(task.scratch + job.schedule.grad)
    cdef real_t *products = <real_t *>(task.scratch + job.schedule.products)
    cdef bint copy_grad = job.grad.stride[4] != 1 and axis[2].count > 1
    cdef bint single = copy_grad or (stride[3] != 1 and axis[2].length > 1)
    cdef Py_ssize_t pitch = round_up(axis[2].block, layout.kernels.lanes), number, channel
    cdef const real_t *x
    cdef const real_t *grad
    cdef fc_plane plane
    plane.planes = 1 if single else task.channel_blocks
    for number in range(task.channel_blocks // plane.planes):
        channel = task.first_channel_block + number
        x = (<const real_t *>job.x.data) + block.image * job.x.stride[0] + channel * stride[0]
        x = locate_plane(layout, block, stride, x, window, &plane)
        grad = (<const real_t *>job.grad.data) + place_in_grad(job, block, channel, 0)
        plane.y_plane, plane.y_row = job.grad.stride[1], job.grad.stride[3]
        if copy_grad:
            layout.kernels.copy(plane.rows, plane.n, grad, job.grad.stride[3], job.grad.stride[4],
                                copied, pitch)
            grad, plane.y_row = copied, pitch
        layout.kernels.dwconv_plane_backward_weight[layout.g.kernel[2] // 2 - 1][axis[2].step - 1](
            &plane, x, grad, products + number * layout.phase[0].taps)
    layout.kernels.add(task.sums, products, sums)


cdef void store_planes(const Task *task, const real_t *sums) noexcept nogil:
    cdef Py_ssize_t taps = task.job.layout.phase[0].taps, c, t
    cdef real_t *out = (<real_t *>task.job.out) + task.place + task.first_channel_block * taps
    for c in range(task.channel_blocks):
        for t in range(taps):
            out[c * taps + place_in_filter(task.job.layout, t)] = sums[c * taps + t]


cdef inline Py_ssize_t place_in_filter(const Layout *layout, Py_ssize_t t) noexcept nogil:
    """Where a tap lies in (in_channels, *kernel) of grad_weight."""
    cdef Py_ssize_t taps = layout.phase[0].taps // layout.in_channels
    cdef Py_ssize_t c = layout.phase[0].order[t] // taps, tap = layout.phase[0].order[t] % taps
    return c * taps + (taps - 1 - tap if layout.g.flip else tap)


# ---- windows ----

cdef void add_window(const Task *task, const BlockRef *block, const real_t *window,
                     real_t *sums) noexcept nogil:
    """Add what a block of outputs gives, of each channel, or of each vector of channels."""
    cdef const Job *job = task.job
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef Py_ssize_t lanes = layout.kernels.lanes, step = lanes if layout.channels_in_lanes else 1
    cdef Py_ssize_t first = block.channel_block * layout.channels_per_block, v, channel, width, o
    cdef const real_t *grad = <const real_t *>job.grad.data
    cdef const real_t *x
    for v in range(job.schedule.sum_vectors):
        channel = first + v * step
        if channel >= layout.channels:
            break
        x, width = window, 1
        if layout.channels_in_lanes:
            x, width = window + v * lanes, min(lanes, block.width - v * lanes)
        for o in range(block.count[0]):
            add_products(task, block, x + o * phase.axis[0].position,
                         grad + place_in_grad(job, block, channel, o), width,
                         sums + v * phase.taps * lanes)


cdef void add_products(const Task *task, const BlockRef *block, const real_t *window,
                       const real_t *grad, Py_ssize_t width, real_t *sums) noexcept nogil:
    """Add to `sums`, (taps, lanes), what one plane of a block gives to one vector of filters."""
    cdef const Job *job = task.job
    cdef const Layout *layout = job.layout
    cdef const fc_kernels *kernels = layout.kernels
    cdef const OutputPhase *phase = block.phase
    cdef const Py_ssize_t *stride = &job.grad.stride[1]
    cdef real_t *copied = <real_t *>(task.scratch + job.schedule.grad)
    cdef real_t *products = <real_t *>(task.scratch + job.schedule.products)
    cdef Py_ssize_t lanes = kernels.lanes, rows = block.count[1], n = block.count[2]
    cdef Py_ssize_t row = stride[2], step, steps, full, last, x_step, most, taps, r, i, t
    if layout.channels_in_lanes:
        steps, full, last = n, width, width
        x_step, step = phase.axis[2].position, stride[3]
        if stride[0] != 1 and width > 1:
            for r in range(rows):
                kernels.copy(n, width, grad + r * row, step, stride[0], copied + r * n * lanes,
                             lanes)
            grad, row, step = copied, n * lanes, lanes
    else:
        steps = ceil_div(n, lanes)
        full, last = lanes, n - (steps - 1) * lanes
        x_step = step = lanes
        if stride[3] != 1 and n > 1:
            kernels.copy(rows, n, grad, row, stride[3], copied, steps * lanes)
            grad, row = copied, steps * lanes
    most = even_size(phase.taps, MAX_PRODUCT_TAPS)
    for i in range(ceil_div(phase.taps, most)):
        t = i * most
        taps = min(most, phase.taps - t)
        kernels.dwconv_backward_weight[taps - 1](rows, steps, full, last, phase.offset + t, window,
                                                 phase.pitch, x_step, grad, row, step, products)
        kernels.add(taps * lanes, products, sums + t * lanes)


cdef void store_vectors(const Task *task, const real_t *sums) noexcept nogil:
    """The sums of a block of channels: the lanes are channels, or are to be added up."""
    cdef const Layout *layout = task.job.layout
    cdef Py_ssize_t taps = layout.phase[0].taps, lanes = layout.kernels.lanes, v, t, lane
    cdef Py_ssize_t first = task.first_channel_block * layout.channels_per_block
    cdef real_t *out = (<real_t *>task.job.out) + task.place
    cdef real_t value
    cdef BlockRef block
    take_channels(layout, task.first_channel_block, &block)
    for v in range(task.job.schedule.sum_vectors):
        for t in range(taps):
            if layout.channels_in_lanes:
                for lane in range(min(lanes, block.width - v * lanes)):
                    out[(first + v * lanes + lane) * taps + place_in_filter(layout, t)] = (
                        sums[(v * taps + t) * lanes + lane])
            else:
                value = 0
                for lane in range(lanes):
                    value += sums[(v * taps + t) * lanes + lane]
                out[(first + v) * taps + place_in_filter(layout, t)] = value
