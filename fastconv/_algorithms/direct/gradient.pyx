"""The gradient of the weights: how its sums are cut, and its call.

grad_weight[filter, channel, tap] = sum over pixels of grad_output[filter, pixel] * x[channel,
pixel * stride + tap]. Two kernels serve, by `gradient_tiles` and `gradient_lags`; the one is taken
that is estimated to take less time for one image, whatever the batch.
"""
from libc.math cimport sqrt
from libc.string cimport memset

import numpy as np

cimport numpy as cnp

from fastconv._algorithms.direct.cost cimport lags_cost, tiles_cost
from fastconv._algorithms.direct.gradient_job cimport GradientJob
from fastconv._algorithms.direct.gradient_lags cimport plan_lags, run_lags
from fastconv._algorithms.direct.gradient_tiles cimport (
    LONGEST_TASK, TASKS_FOR_THREADS, parts_for_threads, plan_tiles, run_tiles,
)
from fastconv._algorithms.direct.layout cimport PassLayout, is_one_line, lines_fit
from fastconv._algorithms.direct.long_sums cimport LONG_SUM
from fastconv._algorithms.direct.phases cimport TRIM_THRESHOLD, inside_rows
from fastconv._algorithms.direct.types cimport GradientSchedule, Layout
from fastconv._core.finite cimport all_finite
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.machine cimport CostTerms, total
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.partial_sums cimport PartialSums
from fastconv._core.scratch cimport LAST_LEVEL_CACHE_BYTES, Scratch, acquire
from fastconv._core.strided cimport strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cnp.import_array()


cdef PassLayout gradient_layout(ConvDesc desc):
    """A layout for one call alone: plans block its axes anew."""
    return PassLayout(desc, False, False, False, True)


cdef GradientSchedule plan_sums(const Layout *layout, Py_ssize_t batch) noexcept:
    """Block the sums for the faster kernel; the layout's axes are as it wants them."""
    cdef GradientSchedule tiles = plan_tiles(layout, 1), lags
    cdef CostTerms tile_terms = tiles_cost(&tiles), lag_terms
    if not layout.g.channels_last and not layout.collapsed:
        lags = plan_lags(layout, batch)
        lag_terms = lags_cost(&lags)
        if total(&lag_terms) < total(&tile_terms):
            return lags
    return plan_tiles(layout, batch)


cdef CostTerms gradient_cost(ConvDesc desc):
    """One image on one thread."""
    cdef PassLayout owner = gradient_layout(desc)
    cdef GradientSchedule schedule = plan_sums(&owner.layout, 1)
    return lags_cost(&schedule) if schedule.by_lags else tiles_cost(&schedule)


cdef Py_ssize_t gradient_workspace(ConvDesc desc, int threads) except -1:
    """Bytes of scratch memory of a call, parts of sums included."""
    cdef PassLayout owner = gradient_layout(desc)
    cdef GradientSchedule schedule = plan_sums(&owner.layout, 1)
    cdef Py_ssize_t parts = reduction_parts(&schedule, desc.flops()), size = 0
    if parts > 1:
        size = parts * weight_elements(&schedule) * desc.g.itemsize
    return schedule.scratch_size * threads + size


cdef Py_ssize_t weight_elements(const GradientSchedule *schedule) noexcept:
    cdef const conv_geometry *g = schedule.layout.g
    return g.filters * schedule.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]


cdef Py_ssize_t reduction_parts(const GradientSchedule *schedule, double work) noexcept:
    """Parts that the sums are cut into for threads, and so that tasks are not too long.

    That depends on the problem alone, so the result is the same for any number of threads.
    """
    cdef Py_ssize_t tasks = max(1, schedule.layout.groups * schedule.ranges * schedule.chunks)
    cdef Py_ssize_t parts = parts_for_threads(schedule, tasks)
    if schedule.by_lags:
        parts = max(parts, <Py_ssize_t>(work / tasks / LONGEST_TASK))
    return min(schedule.all_blocks, max(1, parts))


cdef void cut_sums(GradientSchedule *schedule, Py_ssize_t parts, double work,
                   int threads) noexcept:
    """Cut the sums into parts, each of as many blocks of outputs, and all of it into tasks."""
    cdef double ranges
    schedule.blocks_per_part = even_size(schedule.all_blocks,
                                         ceil_div(schedule.all_blocks, parts))
    schedule.parts = ceil_div(schedule.all_blocks, schedule.blocks_per_part)
    # as many sums are added up in a row as there are such rows
    schedule.row_limit = max(<Py_ssize_t>LONG_SUM, <Py_ssize_t>(8 * sqrt(
        <double>schedule.blocks_per_part * schedule.block_pixels)))
    schedule.tasks = (schedule.layout.groups * schedule.ranges * schedule.chunks
                      * schedule.parts)
    if not schedule.by_lags:
        return
    # ranges of filters change no sum, so there are as many as threads want
    schedule.row_limit *= schedule.layout.kernels.lanes
    ranges = max(work / schedule.tasks / LONGEST_TASK, 1.0)
    if threads > 1:
        ranges = max(ranges, <double>(TASKS_FOR_THREADS // schedule.tasks))
    schedule.blocks_per_range = even_size(
        schedule.filter_blocks, max(1, <Py_ssize_t>(schedule.filter_blocks / ranges)))
    schedule.ranges = ceil_div(schedule.filter_blocks, schedule.blocks_per_range)
    schedule.tasks = (schedule.layout.groups * schedule.chunks * schedule.ranges
                      * schedule.parts)


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """Sum grad_output times x into `out`, which has the weight's shape.

    `out` is C-contiguous, with a batch axis in front if per_sample.
    """
    cdef PassLayout owner
    cdef GradientSchedule schedule
    cdef GradientJob job
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0)
    cdef double work = desc.flops(batch)
    cdef PartialSums partial
    cdef Scratch scratch
    cdef cnp.ndarray skips
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or (
            cnp.PyArray_SIZE(x) == 0 and desc.g.padding_mode == PAD_ZEROS):
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    owner = gradient_layout(desc)
    schedule = plan_sums(&owner.layout, batch)
    cut_sums(&schedule, batch if per_sample else reduction_parts(&schedule, work), work, threads)
    if owner.layout.collapsed:
        x = one_line(x, desc.g.channels_last)
        grad = one_line(grad, desc.g.channels_last)
    set_job(&job, &schedule, grad, x)
    # A zero outside of x does not matter, unless the gradient that it meets is infinite.
    job.skips = NULL
    if (not schedule.by_lags and desc.g.padding_mode == PAD_ZEROS
            and inside_rows(&owner.layout) <= TRIM_THRESHOLD):
        skips = np.array([all_finite(image, threads) for image in grad], np.uint8)
        job.skips = cnp.PyArray_BYTES(skips)
    partial = PartialSums(out, 1, 1 if per_sample else schedule.parts)
    job.out = partial.data
    scratch = acquire(schedule.scratch_size * threads)
    job.scratch = scratch.data
    parallel_for(run_lags if schedule.by_lags else run_tiles, &job, schedule.tasks, threads, work)
    partial.add_up()


cdef cnp.ndarray one_line(cnp.ndarray array, bint channels_last):
    """The array, or a copy of it whose spatial axes step through memory like one."""
    return array if is_one_line(array, channels_last) else np.ascontiguousarray(array)


cdef void set_job(GradientJob *job, const GradientSchedule *schedule, cnp.ndarray grad,
                  cnp.ndarray x) noexcept:
    """What depends on the arrays."""
    cdef const Layout *layout = schedule.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t last_chunk
    job.schedule = schedule
    job.g = g
    job.kernels = layout.kernels
    job.image_blocks = schedule.all_blocks // cnp.PyArray_DIM(x, 0)
    job.x = strided_images(x, g.channels_last, layout.collapsed)
    job.grad = strided_images(grad, g.channels_last, layout.collapsed)
    job.part_size = weight_elements(schedule)
    last_chunk = schedule.channels - (schedule.chunks - 1) * schedule.window.channels
    job.in_place = (not schedule.by_lags and layout.collapsed and not schedule.along_taps
                    and last_chunk >= layout.kernels.half
                    and lines_fit(job.x.stride[1] * g.itemsize, 2 * layout.kernels.half, 64, 12))
    job.prefetches = cnp.PyArray_SIZE(grad) * g.itemsize > LAST_LEVEL_CACHE_BYTES
