"""Correlations: the forward pass and the gradient of the input, run for any batch."""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._algorithms.direct.blocks cimport BlockRef, Job, cut_into_runs, find_block
from fastconv._algorithms.direct.cost cimport passes_over_weights
from fastconv._algorithms.direct.layout cimport PassLayout, is_one_line, lines_fit
from fastconv._algorithms.direct.schedule cimport Call, Schedule, plan_phase, sums_wait
from fastconv._algorithms.direct.sums cimport accumulate_channels, accumulate_runs
from fastconv._algorithms.direct.types cimport CHUNK_TAPS, Layout, Phase, phase_work
from fastconv._algorithms.direct.weights cimport pack_all, packs_together, weights_from
from fastconv._core.integers cimport ceil_div
from fastconv._core.output cimport make_output, output_at
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.serial cimport SerialKernel
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport is_long, parallel_for
from fastconv._core.types cimport real_t
from fastconv._core.window cimport gather_window, locate_window
from fastconv._core.window_types cimport WindowIndex

cnp.import_array()

cdef double MAX_PACKINGS = 2  # of each weight in one call, on the way
# Planes that a tile may read a few pixels each of where they come from beyond the second-level
# cache: no prefetcher follows so many, nor does the first level hold so many pages. 1,400 random
# 1x1 layers, Xeon with 2 MiB: windows take 0.7 of the time in the mean above, 0.45 at best.
cdef Py_ssize_t MAX_FAR_PLANES = 48


# What `serial` has; behind it the offsets of channels, where they are read in place.
cdef struct SerialJob:
    Job job
    Schedule schedule


cdef class Correlation(SerialKernel):
    """A source correlated with packed weights; made once for a layer, run for any batch."""

    def __cinit__(self, PassLayout owner, cnp.ndarray weight):
        self.owner = owner
        self.layout = &owner.layout
        self.epilogue = owner.layout.epilogue
        self.weight = weight
        self.weights = weights_from(self.layout, weight)

    cdef int pack(self, int threads) except -1:
        self.packed = acquire(max(self.layout.packed_size, 1) * self.layout.g.itemsize)
        self.weights.packed = self.packed.data
        pack_all(&self.weights, threads)
        self.weight = None
        return 0

    cdef bint packs_on_the_way(self, Py_ssize_t batch) noexcept:
        """Whether few strips of tiles meet the weights.

        Then each packs them for itself, into the first-level cache: that is less work than to
        write them to memory and read them again.
        """
        cdef bint fit = self.layout.packed_size * self.layout.g.itemsize <= CACHE
        if packs_together(&self.weights):
            return False
        return passes_over_weights(self.layout, batch) <= (1 if fit else MAX_PACKINGS)

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """Correlate a batch.

        source, residual and out have the description's shapes with a batch axis; bias may be
        None, and residual; out and residual are C-contiguous.
        """
        cdef const Layout *layout = self.layout
        cdef bint last = layout.g.channels_last
        cdef Job job
        cdef Call call
        cdef Schedule *schedules
        if cnp.PyArray_SIZE(out) == 0:
            return
        if layout.collapsed and not is_one_line(source, last):
            source = np.ascontiguousarray(source)
        job.layout = layout
        job.batch = call.batch = cnp.PyArray_DIM(source, 0)
        job.source = strided_images(source, last, layout.collapsed)
        job.output = make_output(layout.kernels, self.epilogue, out, bias, residual, last)
        # All memory before any work: a call that fails leaves `out` as it was.
        job.weights, job.packed = NULL, NULL
        call.threads = threads
        call.packs = self.packed is None and self.packs_on_the_way(call.batch)
        call.in_place = self.reads_in_place(&job.source, call.batch)
        if call.packs:
            job.weights = &self.weights
        else:
            if self.packed is None:
                self.pack(threads)
            job.packed = self.packed.data
        schedules = <Schedule *>malloc(max(layout.n_phases, 1) * sizeof(Schedule))
        if schedules == NULL:
            raise MemoryError("fastconv: cannot allocate the schedule of a call")
        try:
            run_phases(&job, &call, schedules, out)
        finally:
            free(schedules)

    cdef bint begin(self, const Strided5 *source, const Strided5 *out, Py_ssize_t batch,
                    bias) except -1:
        """As `SerialKernel.begin`. The rows of both are to be one line where kernels are 1x1."""
        cdef const Layout *layout = self.layout
        cdef SerialJob *kept = <SerialJob *>self.kept_job
        cdef Job *job
        cdef Call call
        if layout.n_phases != 1 or layout.has_gaps or not follows(layout, out):
            return False
        if kept == NULL:
            kept = <SerialJob *>malloc(
                sizeof(SerialJob) + layout.in_channels * sizeof(Py_ssize_t))
            if kept == NULL:
                raise MemoryError("fastconv: cannot allocate the job of a pass")
            self.kept_job = kept
        if self.packed is None:
            self.pack(1)
        job = &kept.job
        job.layout, job.phase, job.schedule = layout, &layout.phases[0], &kept.schedule
        job.batch, job.source = batch, source[0]
        if layout.collapsed:
            job.source.stride[2] = job.source.stride[3] = 0
        job.output = output_at(layout.kernels, self.epilogue, out, layout.g.itemsize, bias)
        job.output.pixel = job.output.axis[2] * job.phase.out_step[2]
        job.weights, job.packed, job.in_place = NULL, self.packed.data, NULL
        call.batch, call.threads, call.packs = batch, 1, False
        call.in_place = self.reads_in_place(&job.source, batch)
        kept.schedule = plan_phase(layout, job.phase, &call)
        if call.in_place:
            job.in_place = channel_offsets(job, <Py_ssize_t *>(kept + 1))
        self.serial.run, self.serial.job = run_serially, job
        self.serial.scratch_bytes = kept.schedule.scratch_size
        return True

    def __dealloc__(self):
        free(self.kept_job)

    cdef bint reads_in_place(self, const Strided5 *source, Py_ssize_t batch) noexcept:
        """Whether the kernels read the source where it is, without a window.

        They do where kernels are 1x1 and neighbours lie side by side, but not where the lines
        that a tile comes back to would compete for a few sets of a cache, nor where many planes
        come from beyond the cache.
        """
        cdef const Layout *layout = self.layout
        cdef const Phase *phase = &layout.phases[0]
        cdef Py_ssize_t itemsize = layout.g.itemsize, last_block
        cdef Py_ssize_t channel = source.stride[1], pixel = source.stride[4]
        if not layout.collapsed or layout.n_phases != 1 or phase.taps == 0:
            return False
        last_block = phase.axis[2].count - (phase.blocks[2] - 1) * phase.axis[2].block
        if last_block < layout.run_pixels:
            return False
        if layout.by_pixels:  # lines come from the second-level cache
            if phase.taps > MAX_FAR_PLANES and (
                    batch * layout.groups * phase.taps * layout.in_size[2] * itemsize > CACHE):
                return False
            return pixel == 1 and lines_fit(channel * itemsize, phase.taps, 1024, 16)
        if phase.window.channels_last:
            return channel == 1 and lines_fit(pixel * itemsize, 2 * layout.run_pixels, 64, 12)
        return pixel == 1 and lines_fit(channel * itemsize, min(CHUNK_TAPS, phase.taps), 64, 12)


cdef bint follows(const Layout *layout, const Strided5 *out) noexcept:
    """Whether outputs of joined axes follow each other in the result."""
    cdef int a
    for a in range(2, 2 - layout.joined, -1):
        if layout.out_size[a - 1] > 1 and (
                out.stride[1 + a] != layout.out_size[a] * out.stride[2 + a]):
            return False
    return True


cdef int run_phases(Job *job, const Call *call, Schedule *schedules, cnp.ndarray out) except -1:
    """Plan all phases, then run them."""
    cdef const Layout *layout = job.layout
    cdef const Phase *phase
    cdef Py_ssize_t p, most = 0
    cdef double work = 0
    cdef Scratch scratch
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        schedules[p] = plan_phase(layout, phase, call)
        most = max(most, schedules[p].scratch_size)
        work += phase_work(layout, phase) * call.batch
    scratch = acquire(most * call.threads + (
        layout.in_channels * sizeof(Py_ssize_t) if call.in_place else 0))
    job.scratch = scratch.data
    job.in_place = NULL
    if call.in_place:
        job.in_place = channel_offsets(job, <Py_ssize_t *>(scratch.data + most * call.threads))
    if layout.has_gaps:
        memset(job.output.data, 0, cnp.PyArray_NBYTES(out))
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        job.phase = phase
        job.schedule = &schedules[p]
        job.output.pixel = job.output.axis[2] * phase.out_step[2]
        parallel_for(run_task, job, schedules[p].tasks, call.threads,
                     phase_work(layout, phase) * call.batch)
        if is_long(work):
            PyErr_CheckSignals()
    return 0


cdef const Py_ssize_t *channel_offsets(const Job *job, Py_ssize_t *offset) noexcept:
    """The table of taps of a source that is read where it is."""
    cdef Py_ssize_t c
    for c in range(job.layout.in_channels):
        offset[c] = c * job.source.stride[1]
    return offset


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    if job.layout.g.itemsize == 4:
        run_block(job, task, <float *>scratch)
    else:
        run_block(job, task, <double *>scratch)


cdef void run_serially(const void *kept, const char *source, char *out, const char *residual,
                       char *scratch) noexcept nogil:
    """All tasks of a call of these arrays."""
    cdef Job job = (<const Job *>kept)[0]
    cdef Py_ssize_t task
    job.source.data, job.output.data = <char *>source, out
    job.output.residual, job.scratch = residual, scratch
    for task in range(job.schedule.tasks):
        run_task(&job, task, 0)


cdef void run_block(const Job *job, Py_ssize_t task, real_t *scratch) noexcept nogil:
    """One block of outputs: each group's window, then all blocks of output channels over it."""
    cdef BlockRef block
    cdef WindowIndex index
    cdef const real_t *window
    cdef Py_ssize_t group, first, stop, i, channels
    cdef bint by_run = sums_wait(job.layout, job.phase)
    if not find_block(job, task, <char *>scratch, &block):
        return
    cut_into_runs(job, &block)
    if job.in_place == NULL:
        locate_windows(job, &block, scratch, &index)
    for group in range(block.first_group, block.end_group):
        window = gather_windows(job, &block, &index, group, scratch)
        for i in range(ceil_div(block.n_runs, block.runs_per_pass)):
            first = i * block.runs_per_pass
            stop = min(block.n_runs, first + block.runs_per_pass)
            if by_run:
                accumulate_runs(job, &block, group, first, stop, window)
                continue
            for channels in range(block.first_channels, block.end_channels):
                accumulate_channels(job, &block, group, channels, first, stop, window)


cdef void locate_windows(const Job *job, const BlockRef *block, real_t *scratch,
                         WindowIndex *index) noexcept nogil:
    """Find what the windows read; beyond them are zeros, which kernels may read."""
    cdef const Phase *phase = job.phase
    locate_window(&phase.window, block.first, block.count,
                  block.scratch + job.schedule.index_at, index)
    memset(scratch + block.images * phase.window.size, 0, phase.window.slack * sizeof(real_t))


cdef const real_t *gather_windows(const Job *job, const BlockRef *block,
                                  const WindowIndex *index, Py_ssize_t group,
                                  real_t *scratch) noexcept nogil:
    """The windows of a group, one for each image; or the source, where it is read in place."""
    cdef const Phase *phase = job.phase
    cdef const Py_ssize_t *stride = job.source.stride
    cdef const real_t *source = (<const real_t *>job.source.data) + (
        block.image * stride[0] + group * job.layout.in_channels * stride[1])
    cdef Py_ssize_t i
    if job.in_place != NULL:
        return source + block.first[2] * stride[4]
    for i in range(block.images):
        # groups have the same zeros
        gather_window(&phase.window, index, source + i * stride[0], &stride[1],
                      job.layout.kernels, group == block.first_group,
                      scratch + i * phase.window.size)
    return scratch
