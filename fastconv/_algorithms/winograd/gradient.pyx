"""The gradient of the weights: sums over all tiles of a batch, at each frequency.

Blocks of spans follow each other. Where there are enough blocks of filters, each thread has a range
of them, and takes them through all steps by itself, from the input on; else threads share each
step of a block. Sums are added up in the same order either way.
"""
from libc.string cimport memcpy, memset

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._algorithms.winograd.gradient_layout cimport PassGradientLayout, gradient_layout
from fastconv._algorithms.winograd.tiles cimport is_trusted, transform_window
from fastconv._algorithms.winograd.types cimport (
    GradientLayout, Layout, block_channels, block_width, odd_vectors, part_start, tiles_of,
)
from fastconv._core.blocks cimport Arena, reserve, unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport SIGNAL_WORK, is_long, parallel_for
from fastconv._core.types cimport real_t
from fastconv._core.window cimport gather_window, index_bytes, locate_window
from fastconv._core.window_types cimport Window, WindowIndex
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL

cnp.import_array()

# How the work of one call is cut, and where things lie in scratch memory: first the transformed
# gradient, [frequency][block of filters][tile][filter].
cdef struct Schedule:
    bint by_ranges              # each thread has a range of filters to itself
    Py_ssize_t ranges           # such ranges, each with a V of its own; or one V for all
    Py_ssize_t sums_at          # [frequency][block of filters][tap][filter]
    Py_ssize_t offset_at        # of each tile in V
    Py_ssize_t threads_at, thread_size  # scratch of each thread, which begins with a window
    Py_ssize_t index_at         # within that
    Py_ssize_t v_at, v_size     # V of each range, [frequency][tile][tap]
    Py_ssize_t size

# What the tasks of one call read.
cdef struct Job:
    const Layout *layout
    const GradientLayout *gradient
    Schedule schedule
    Strided5 x, grad
    char *out
    bint per_sample
    char *scratch
    char *refused               # a byte for each task of the last step, for each image

# Blocks first … end - 1 of the batch, which the next tasks take, of one group.
cdef struct Step:
    const Job *job
    Py_ssize_t group, first, end

# One block of spans of one image.
cdef struct BlockRef:
    Py_ssize_t image
    Py_ssize_t first[3]         # spans
    Py_ssize_t count[3]
    Py_ssize_t tiles
    bint more                   # add to the sums of the blocks before


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says; returns the images that hold values it cannot be
    trusted with.
    """
    cdef PassGradientLayout kept
    cdef Job job
    cdef Scratch scratch
    cdef cnp.ndarray refused
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0), group, i
    cdef Py_ssize_t *offset
    if cnp.PyArray_SIZE(out) == 0:
        return None
    if cnp.PyArray_SIZE(grad) == 0 or (
            cnp.PyArray_SIZE(x) == 0 and desc.g.padding_mode == PAD_ZEROS):
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return None
    kept = gradient_layout(desc)
    job.gradient = &kept.layout
    job.layout = kept.layout.layout
    job.schedule = plan_gradient(job.gradient, threads)
    job.x = strided_images(x, desc.g.channels_last)
    job.grad = strided_images(grad, desc.g.channels_last)
    job.out = cnp.PyArray_BYTES(out)
    job.per_sample = per_sample
    refused = np.zeros((batch, max(finish_tasks(job.gradient), 1)), np.int8)
    job.refused = cnp.PyArray_BYTES(refused)
    scratch = acquire(job.schedule.size)
    job.scratch = scratch.data
    offset = <Py_ssize_t *>(scratch.data + job.schedule.offset_at)
    for i in range(job.gradient.tiles):
        offset[i] = i * job.layout.v_tile
    for group in range(job.layout.groups):
        run_group(&job, group, batch, threads, desc.flops(batch))
    if not refused.any():
        return None
    return refused.any(axis=1).nonzero()[0].tolist()


cdef int run_group(const Job *job, Py_ssize_t group, Py_ssize_t batch, int threads,
                   double work) except -1:
    """One group's gradient; `work` is that of all, and Ctrl-C is heard between steps."""
    cdef const Layout *layout = job.layout
    cdef Step step
    cdef Py_ssize_t blocks = job.gradient.blocks, count = batch * blocks, most = 1
    if job.schedule.by_ranges:
        most = count
        if is_long(work):
            most = max(1, <Py_ssize_t>(count * layout.groups * (SIGNAL_WORK / work)))
    step.job = job
    step.group = group
    step.end = 0
    while step.end < count:
        step.first = step.end
        step.end = min(count, step.first + most)
        if job.per_sample:  # sums of one image at a time
            step.end = min(step.end, (step.first // blocks + 1) * blocks)
        if job.schedule.by_ranges:
            parallel_for(sum_range_task, &step, job.schedule.ranges, threads, 0.0)
        else:
            parallel_for(transform_task, &step, job.gradient.chunks + layout.channel_blocks,
                         threads, 0.0)
            parallel_for(multiply_task, &step, layout.frequencies * layout.channel_blocks,
                         threads, 0.0)
        if step.end == count or job.per_sample and step.end % blocks == 0:
            parallel_for(finish_task, &step, finish_tasks(job.gradient), threads, 0.0)
        if is_long(work):
            PyErr_CheckSignals()
    return 0


# ---- the schedule ----

cdef inline Py_ssize_t finish_tasks(const GradientLayout *gradient) noexcept nogil:
    return gradient.layout.channel_blocks * gradient.chunks


cdef Py_ssize_t gradient_workspace_bytes(const GradientLayout *gradient, int threads) noexcept:
    return plan_gradient(gradient, threads).size


cdef Schedule plan_gradient(const GradientLayout *gradient, int threads) noexcept:
    """Threads have ranges of filters, since what one core makes is far from another; where there
    are more threads than blocks of filters, they share every step.
    """
    cdef const Layout *layout = gradient.layout
    cdef const conv_geometry *g = layout.g
    cdef Schedule schedule
    cdef Arena arena
    cdef Py_ssize_t lanes = layout.kernels.lanes, kernels
    schedule.by_ranges = threads <= layout.channel_blocks
    schedule.ranges = threads if schedule.by_ranges else 1
    # A thread's: a window of the input, or of grad_output, or kernels on their way out
    kernels = 2 * lanes * (layout.chunk * g.kernel[0] * g.kernel[1] * g.kernel[2]
                           + FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL)
    arena.size = 0
    reserve(&arena, g.itemsize * max(kernels, max(
        layout.window.size + layout.window.slack,
        gradient.grad_window.size + gradient.grad_window.slack)))
    schedule.index_at = reserve(&arena, max(index_bytes(&layout.window),
                                            index_bytes(&gradient.grad_window)))
    schedule.thread_size = arena.size
    # what they share
    arena.size = 0
    reserve(&arena, g.itemsize * layout.frequencies * odd_vectors(
        gradient.tiles * layout.padded_channels, lanes))
    schedule.sums_at = reserve(&arena, g.itemsize * sums_at(gradient, layout.frequencies, 0))
    schedule.offset_at = reserve(&arena, gradient.tiles * sizeof(Py_ssize_t))
    schedule.threads_at = reserve(&arena, threads * schedule.thread_size)
    # products read half a tile beyond the last one's taps
    schedule.v_at = reserve(&arena, g.itemsize * layout.frequencies * odd_vectors(
        gradient.tiles * layout.v_tile, lanes) + 64 * lanes)
    schedule.v_size = arena.size - schedule.v_at
    schedule.size = arena.size + (schedule.ranges - 1) * schedule.v_size
    return schedule


cdef inline Py_ssize_t sums_at(const GradientLayout *gradient, Py_ssize_t f,
                               Py_ssize_t k) noexcept nogil:
    """Where the sums of one frequency and block of filters lie; a tile may write beyond."""
    cdef const Layout *layout = gradient.layout
    cdef Py_ssize_t lanes = layout.kernels.lanes
    return k * 2 * lanes * gradient.padded_taps + f * odd_vectors(
        gradient.padded_taps * layout.padded_channels + 4 * layout.kernels.half * lanes, lanes)


# ---- tasks ----

cdef inline BlockRef unravel_block(const Job *job, Py_ssize_t number) noexcept nogil:
    """Block number so and so of the batch."""
    cdef const Layout *layout = job.layout
    cdef BlockRef block
    cdef int a
    block.image = unravel(number, layout.blocks, 3, block.first)
    block.tiles = tiles_of(layout, 1)
    for a in range(3):
        block.first[a] *= layout.axis[a].block
        block.count[a] = min(layout.axis[a].block, layout.axis[a].count - block.first[a])
        block.tiles *= block.count[a]
    block.more = (number % job.gradient.blocks if job.per_sample else number) > 0
    return block


cdef inline char *scratch_for(const Job *job, int thread) noexcept nogil:
    return job.scratch + job.schedule.threads_at + thread * job.schedule.thread_size


cdef void sum_range_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Step *step = <const Step *>context
    cdef const Job *job = step.job
    cdef char *scratch = scratch_for(job, thread)
    cdef char *v = job.scratch + job.schedule.v_at + task * job.schedule.v_size
    if job.layout.g.itemsize == 4:
        sum_range(step, task, <float *>scratch, <float *>v)
    else:
        sum_range(step, task, <double *>scratch, <double *>v)


cdef void sum_range(const Step *step, Py_ssize_t task, real_t *scratch,
                    real_t *v) noexcept nogil:
    """The sums of one range of filters over the blocks of a step."""
    cdef const Job *job = step.job
    cdef Py_ssize_t filters = job.layout.channel_blocks, number, i, f
    cdef Py_ssize_t first = filters * task // job.schedule.ranges
    cdef Py_ssize_t end = filters * (task + 1) // job.schedule.ranges
    cdef BlockRef block
    for number in range(step.first, step.end):
        block = unravel_block(job, number)
        for i in range(job.gradient.chunks):
            transform_channels(job, &block, step.group, i, scratch, v)
        for i in range(first, end):
            transform_filters(job, &block, step.group, i, scratch)
        for f in range(job.layout.frequencies):
            for i in range(first, end):
                multiply(job, &block, f, i, v)


cdef void transform_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Step *step = <const Step *>context
    cdef char *scratch = scratch_for(step.job, thread)
    if step.job.layout.g.itemsize == 4:
        transform(step, task, <float *>scratch)
    else:
        transform(step, task, <double *>scratch)


cdef void transform(const Step *step, Py_ssize_t task, real_t *scratch) noexcept nogil:
    """A chunk of channels of this block's input, or a block of filters of its gradient."""
    cdef const Job *job = step.job
    cdef BlockRef block = unravel_block(job, step.first)
    cdef real_t *v = <real_t *>(job.scratch + job.schedule.v_at)
    if task < job.gradient.chunks:
        transform_channels(job, &block, step.group, task, scratch, v)
    else:
        transform_filters(job, &block, step.group, task - job.gradient.chunks, scratch)


cdef void transform_channels(const Job *job, const BlockRef *block, Py_ssize_t group,
                             Py_ssize_t chunk, real_t *scratch, real_t *v) noexcept nogil:
    """V of a chunk of channels."""
    cdef const Layout *layout = job.layout
    cdef WindowIndex index
    locate_window(&layout.window, block.first, block.count,
                  <char *>scratch + job.schedule.index_at, &index)
    transform_window(layout, &index, block.count, &job.x, block.image, group,
                     chunk * layout.chunk, scratch, v,
                     odd_vectors(block.tiles * layout.v_tile, layout.kernels.lanes))


cdef void transform_filters(const Job *job, const BlockRef *block, Py_ssize_t group, Py_ssize_t k,
                            real_t *scratch) noexcept nogil:
    """The tiles of a block of filters of grad_output, which are kernels here."""
    cdef const Layout *layout = job.layout
    cdef Window part = job.gradient.grad_window
    cdef WindowIndex index
    cdef Py_ssize_t lanes = layout.kernels.lanes, start = k * 2 * lanes
    cdef Py_ssize_t width = block_width(layout, k)
    # with room for the tiles of a whole block: ranges of filters are not at the same block
    cdef real_t *to = (<real_t *>job.scratch) + start * job.gradient.tiles
    part.channels = block_channels(layout, k)
    if part.channels < width:
        memset(scratch, 0, (part.size + part.slack) * sizeof(real_t))
    locate_window(&part, block.first, block.count, <char *>scratch + job.schedule.index_at, &index)
    gather_window(&part, &index, (<const real_t *>job.grad.data) + block.image * job.grad.stride[0]
                  + (group * layout.out_channels + start) * job.grad.stride[1],
                  &job.grad.stride[1], layout.kernels, True, scratch)
    transform_grad_tiles(layout, &part, block.count, width, scratch, to,
                         odd_vectors(job.gradient.tiles * layout.padded_channels, lanes))


cdef void transform_grad_tiles(const Layout *layout, const Window *window,
                               const Py_ssize_t *count, Py_ssize_t width, const real_t *grad,
                               real_t *out, Py_ssize_t step) noexcept nogil:
    """The tiles of a window of grad_output; `step` from frequency to frequency."""
    cdef Py_ssize_t row_step = layout.output_phases[1] * window.position[1]
    cdef Py_ssize_t col_step = layout.output_phases[2] * window.position[2]
    cdef Py_ssize_t vectors = width // layout.kernels.lanes, row, q1, column, q2
    cdef const real_t *line
    cdef const real_t *tile
    if not layout.transformed[2]:  # one line, along the middle axis
        col_step = row_step
    for row in range(count[1]):
        for q1 in range(layout.output_phases[1]):
            line = grad + (row * window.axis[1].window_step + q1) * window.position[1]
            for column in range(count[2]):
                tile = line + column * window.axis[2].window_step * window.position[2]
                for q2 in range(layout.output_phases[2]):
                    layout.kernels.winograd_weight[layout.n - 4][layout.m - 2][layout.square](
                        vectors, tile + q2 * window.position[2], row_step, col_step, out,
                        layout.n * step, step, NULL)
                    out += width


cdef void multiply_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Step *step = <const Step *>context
    cdef const Job *job = step.job
    cdef BlockRef block = unravel_block(job, step.first)
    cdef Py_ssize_t f = task // job.layout.channel_blocks, k = task % job.layout.channel_blocks
    cdef char *v = job.scratch + job.schedule.v_at
    if job.layout.g.itemsize == 4:
        multiply(job, &block, f, k, <float *>v)
    else:
        multiply(job, &block, f, k, <double *>v)


cdef void multiply(const Job *job, const BlockRef *block, Py_ssize_t f, Py_ssize_t k,
                   const real_t *v) noexcept nogil:
    """All channels with one block of filters, at one frequency."""
    cdef const Layout *layout = job.layout
    cdef const Py_ssize_t *offset = <const Py_ssize_t *>(job.scratch + job.schedule.offset_at)
    cdef Py_ssize_t lanes = layout.kernels.lanes, half = layout.kernels.half
    cdef Py_ssize_t taps = job.gradient.padded_taps, width = block_width(layout, k), t, halves
    cdef const real_t *grad = (<const real_t *>job.scratch) + (
        f * odd_vectors(job.gradient.tiles * layout.padded_channels, lanes)
        + job.gradient.tiles * k * 2 * lanes)
    cdef real_t *sums = (<real_t *>(job.scratch + job.schedule.sums_at)) + sums_at(
        job.gradient, f, k)
    v += f * odd_vectors(block.tiles * layout.v_tile, lanes)
    for t in range(ceil_div(taps, 2 * half)):
        halves = 2 if t * 2 * half + half < taps else 1
        layout.kernels.igemm[halves - 1][width // lanes - 1](
            block.tiles, offset, v, v + (halves - 1) * half, 1, grad, sums, block.more)
        v += 2 * half
        sums += 2 * half * width


# ---- the way out ----

cdef void finish_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Step *step = <const Step *>context
    cdef char *scratch = scratch_for(step.job, thread)
    if step.job.layout.g.itemsize == 4:
        finish(step, task, <float *>scratch)
    else:
        finish(step, task, <double *>scratch)


cdef void finish(const Step *step, Py_ssize_t task, real_t *kernels) noexcept nogil:
    """Transform the sums of a block of filters and chunk of channels to their kernels."""
    cdef const Job *job = step.job
    cdef const Layout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t kernel = g.kernel[0] * g.kernel[1] * g.kernel[2], c
    cdef Py_ssize_t k = task // job.gradient.chunks, width = block_width(layout, k)
    cdef Py_ssize_t first = task % job.gradient.chunks * layout.chunk
    cdef Py_ssize_t channels = min(layout.chunk, layout.in_channels - first)
    cdef Py_ssize_t image = (step.end - 1) // job.gradient.blocks, filter
    cdef const real_t *sums = (<const real_t *>(job.scratch + job.schedule.sums_at)) + sums_at(
        job.gradient, 0, k)
    cdef real_t[16] largest
    memset(largest, 0, sizeof(largest))
    for c in range(channels):
        inverse_kernel(layout, sums + (first + c) * width, sums_at(job.gradient, 1, 0), width,
                       kernels + channels * kernel * width, kernels + c * kernel * width, largest)
    filter = step.group * layout.out_channels + k * 2 * layout.kernels.lanes
    if job.per_sample:
        filter += image * g.filters
    layout.kernels.transpose(
        channels * kernel, block_channels(layout, k), kernels, width,
        (<real_t *>job.out) + (filter * layout.in_channels + first) * kernel,
        layout.in_channels * kernel)
    if not is_trusted(largest, layout.kernels.lanes):
        job.refused[image * finish_tasks(job.gradient) + task] = 1


cdef inline void inverse_kernel(const Layout *layout, const real_t *sums, Py_ssize_t step,
                                Py_ssize_t width, real_t *part, real_t *kernel,
                                real_t *largest) noexcept nogil:
    """One channel's kernels, [place][filter], from their parts; `step` from frequency to
    frequency, `part` for one of them.
    """
    cdef Py_ssize_t r2 = layout.r if layout.transformed[2] else 1, p0, p1, p2
    cdef Py_ssize_t vectors = width // layout.kernels.lanes
    for p0 in range(layout.parts[0]):
        for p1 in range(layout.parts[1]):
            for p2 in range(layout.parts[2]):
                layout.kernels.winograd_output[layout.n - 4][layout.r - 2][layout.square](
                    vectors, sums, layout.n * step, step, part, r2 * width, width, largest)
                copy_part(layout, p0, p1, p2, width, part, kernel)
                sums += layout.in_channels * width


cdef inline void copy_part(const Layout *layout, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t p2,
                           Py_ssize_t width, const real_t *part, real_t *kernel) noexcept nogil:
    """The taps of a part to their places, but for those beyond the kernel's end."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t r1 = layout.r if layout.transformed[1] else 1
    cdef Py_ssize_t r2 = layout.r if layout.transformed[2] else 1
    cdef Py_ssize_t i1, i2, j1, j2, place
    for i1 in range(r1):
        j1 = part_start(layout, 1, p1, g.stride[1]) + i1 * g.stride[1]
        for i2 in range(r2):
            j2 = part_start(layout, 2, p2, g.stride[2]) + i2 * g.stride[2]
            if j1 < g.kernel[1] and j2 < g.kernel[2]:
                place = (p0 * g.kernel[1] + j1) * g.kernel[2] + j2
                if g.flip:
                    place = g.kernel[0] * g.kernel[1] * g.kernel[2] - 1 - place
                memcpy(kernel + place * width, part + (i1 * r2 + i2) * width,
                       width * sizeof(real_t))
