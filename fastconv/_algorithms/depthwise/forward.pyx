"""The forward pass and the gradient of the data: sums over taps for one block after the other.

Both are the same computation. This has the blocks of windows, where either pixels or channels are
in the lanes; those that read rows or planes in place are in modules of their own.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport cython
cimport numpy as cnp

from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.blocks cimport (
    BlockRef, Job, find_block, finish_plane, first_place, take_channels,
)
from fastconv._algorithms.depthwise.interleaved cimport (
    finish_interleaved, start_interleaved, take_filter,
)
from fastconv._algorithms.depthwise.layout cimport PLANES, PLANES_BACKWARD, ROWS, OutputPhase
from fastconv._algorithms.depthwise.make_layout cimport KeptLayout
from fastconv._algorithms.depthwise.planes cimport run_backward_planes, run_planes
from fastconv._algorithms.depthwise.rows cimport run_rows
from fastconv._algorithms.depthwise.schedule cimport plan_correlation
from fastconv._algorithms.depthwise.weights cimport pack_weights
from fastconv._algorithms.depthwise.windows cimport find_rects, gather_window
from fastconv._core.finite cimport all_finite
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.output cimport is_bare, make_output, output_at, store_rows
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport acquire
from fastconv._core.serial cimport SerialKernel
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport FC_IDENTITY, fc_epilogue, fc_kernels, fc_prefetch

from fastconv._algorithms.depthwise.nonfinite import add_nonfinite, without_nonfinite

cnp.import_array()


@cython.final
@cython.no_gc
cdef class Depthwise(SerialKernel):
    """One pass of one layer, with packed weights; made once, run for any batch."""

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef const Layout *layout = self.layout
        cdef Job job
        cdef Scratch scratch
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.layout = layout
        job.schedule = plan_correlation(layout, cnp.PyArray_DIM(source, 0), threads)
        job.source = strided_images(source, layout.g.channels_last)
        job.output = make_output(layout.kernels, layout.epilogue, out, bias, residual,
                                 layout.g.channels_last)
        job.packed = self.packed.data
        scratch = acquire(job.schedule.scratch_bytes * threads)
        job.scratch = scratch.data
        if layout.has_gaps:
            memset(job.output.data, 0, cnp.PyArray_NBYTES(out))
        parallel_for(run_task, &job, job.schedule.tasks, threads, job.schedule.work)
        if self.nonfinite is not None:
            add_nonfinite(self.kept.desc, self.nonfinite, source, out)

    cdef bint begin(self, const Strided5 *source, const Strided5 *out, Py_ssize_t batch,
                    bias) except -1:
        """As `SerialKernel.begin`."""
        cdef const Layout *layout = self.layout
        cdef Job *job = <Job *>self.kept_job
        if layout.has_gaps or self.nonfinite is not None:
            return False
        if job == NULL:
            job = <Job *>malloc(sizeof(Job))
            if job == NULL:
                raise MemoryError("fastconv: cannot allocate the job of a pass")
            self.kept_job = job
        job.layout, job.packed = layout, self.packed.data
        job.schedule = plan_correlation(layout, batch, 1)
        job.source = source[0]
        job.output = output_at(layout.kernels, layout.epilogue, out, layout.g.itemsize, bias)
        self.serial.run, self.serial.job = run_serially, job
        self.serial.scratch_bytes = job.schedule.scratch_bytes
        return True

    def __dealloc__(self):
        free(self.kept_job)


cdef Depthwise pack(KeptLayout kept, cnp.ndarray weight, int threads):
    """The pass with these weights. Not a constructor: that takes arguments as a tuple."""
    cdef Depthwise self = Depthwise.__new__(Depthwise)
    self.kept = kept
    self.layout = &kept.layout
    if self.layout.backward and not all_finite(weight, threads):
        self.nonfinite = weight.copy()
        weight = without_nonfinite(weight)
    self.packed = acquire(max(self.layout.packed_size, 1) * self.layout.g.itemsize)
    pack_weights(self.layout, weight, self.packed.data)
    return self


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_bytes
    if job.layout.g.itemsize == 4:
        run_blocks(job, task, scratch, <float *>(scratch + job.schedule.window))
    else:
        run_blocks(job, task, scratch, <double *>(scratch + job.schedule.window))


cdef void run_serially(const void *kept, const char *source, char *out, const char *residual,
                       char *scratch) noexcept nogil:
    """All tasks of a call of these arrays."""
    cdef Job job = (<const Job *>kept)[0]
    cdef Py_ssize_t task
    job.source.data, job.output.data = <char *>source, out
    job.output.residual, job.scratch = residual, scratch
    for task in range(job.schedule.tasks):
        run_task(&job, task, 0)


cdef void run_blocks(const Job *job, Py_ssize_t task, char *scratch,
                     real_t *window) noexcept nogil:
    """One task: a run of blocks."""
    if job.layout.method == PLANES:
        run_planes(job, task, window)
    elif job.layout.method == PLANES_BACKWARD:
        run_backward_planes(job, task, window)
    elif job.layout.method == ROWS:
        run_rows(job, task, window, scratch)
    elif job.layout.interleaves:
        run_interleaved(job, task, scratch, window)
    else:
        run_windows(job, task, window, <real_t *>(scratch + job.schedule.tile))


# ---- blocks of windows ----

cdef void run_windows(const Job *job, Py_ssize_t task, real_t *window,
                      real_t *tile) noexcept nogil:
    """A run of blocks from windows."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t number = task * job.schedule.blocks_per_task, i
    cdef Py_ssize_t n = min(job.schedule.blocks_per_task, job.schedule.blocks - number)
    cdef BlockRef blocks[2]       # of two that follow each other, where i % 2 says
    cdef BlockRef *block
    cdef BlockRef *following
    cdef fc_prefetch prefetch
    find_window_block(job, number, NULL, &blocks[0])
    gather_window(layout, &job.source, &blocks[0], NULL, window)
    for i in range(n):
        block, following = &blocks[i % 2], &blocks[(i + 1) % 2]
        prefetch.from_ = NULL
        if i + 1 < n:
            find_window_block(job, number + i + 1, block, following)
            if layout.blocks > 1:  # smaller planes come fast enough by themselves
                prefetch_block(job, following, &prefetch, window)
        if layout.channels_in_lanes:
            compute_pixel_block(job, block, window, &prefetch)
        else:
            compute_block(job, block, window, tile, &prefetch)
        if i + 1 < n:
            gather_window(layout, &job.source, following, block, window)


cdef void find_window_block(const Job *job, Py_ssize_t number, const BlockRef *previous,
                            BlockRef *block) noexcept nogil:
    """Which block this is; previous: the one before it, or NULL."""
    cdef const Layout *layout = job.layout
    if (previous != NULL and previous.channel_block + 1 < layout.channel_blocks
            and (layout.channels_in_lanes or layout.blocks == 1)):
        block[0] = previous[0]  # the same outputs of the next channels
        take_channels(layout, previous.channel_block + 1, block)
    else:
        find_block(layout, number, block)
        find_rects(&job.source, block)


cdef void prefetch_block(const Job *job, const BlockRef *block, fc_prefetch *prefetch,
                         const real_t *window) noexcept nogil:
    """What to prefetch for a block that comes later."""
    cdef const Layout *layout = job.layout
    cdef const Axis *axis = block.phase.axis
    cdef const Py_ssize_t *stride = &job.source.stride[1]
    cdef const real_t *x = (<const real_t *>job.source.data) + block.image * job.source.stride[0]
    cdef int a
    for a in range(AXES):
        x += max(0, block.first[a] * axis[a].step + axis[a].base[0]) * stride[1 + a]
    if not layout.channels_in_lanes:
        x += block.channel_block * layout.in_channels * stride[0]
        prefetch.row, prefetch.rows = stride[2], axis[1].step
        prefetch.pixel = prefetch.width = axis[2].step
    elif layout.joined_pixels > 1:
        prefetch.row, prefetch.rows = stride[2], axis[1].step
        prefetch.pixel = prefetch.width = layout.joined_pixels * stride[3] * axis[2].step
    else:
        x += block.channel_block * layout.channels_per_block * stride[0]
        prefetch.row, prefetch.rows = stride[3], axis[2].step
        prefetch.pixel = stride[2] * axis[1].step
        prefetch.width = block.width
    prefetch.from_ = x


# ---- planes side by side ----

cdef void run_interleaved(const Job *job, Py_ssize_t task, char *scratch,
                          real_t *window) noexcept nogil:
    """A run of blocks of channels, whose planes are pixels of channels on the way."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t first = task * job.schedule.blocks_per_task, number, i, filter_
    cdef BlockRef blocks[2]    # this one, and the one that was in the window before
    cdef BlockRef *block = &blocks[0]
    cdef BlockRef *previous = NULL
    cdef fc_prefetch prefetch
    cdef fc_epilogue bare
    cdef Job inner
    prefetch.from_ = NULL
    bare.activation = FC_IDENTITY
    for number in range(first, min(job.schedule.blocks, first + job.schedule.blocks_per_task)):
        start_interleaved(job, number, scratch, &bare, <const real_t *>window, &inner)
        for filter_ in range(layout.out_channels):
            take_filter(job, filter_, <const real_t *>window, &inner)
            for i in range(layout.blocks):
                if filter_ == 0 or layout.blocks > 1:  # else it is in the window
                    find_block(layout, i * layout.channel_blocks + number % layout.channel_blocks,
                               block)
                    find_rects(&inner.source, block)
                    gather_window(layout, &inner.source, block, previous, window)
                    previous, block = block, &blocks[block == &blocks[0]]
                compute_pixel_block(&inner, previous, <const real_t *>window, &prefetch)
            finish_interleaved(job, number, filter_, scratch, <const real_t *>window)


# ---- pixels in the lanes ----

cdef void compute_block(const Job *job, const BlockRef *block, const real_t *window,
                        real_t *tile, fc_prefetch *prefetch) noexcept nogil:
    """One block of outputs from its window."""
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t step[3]
    cdef Py_ssize_t first = first_place(job, block, step), place, channel, o
    cdef const real_t *packed = (<const real_t *>job.packed) + phase.packed
    cdef bint bare = is_bare(&job.output), scattered = step[2] != 1
    cdef Py_ssize_t y_row = round_up(axis[2].block, layout.kernels.lanes) if scattered else step[1]
    for channel in range(block.channel_block * layout.out_channels,
                         (block.channel_block + 1) * layout.out_channels):
        for o in range(block.count[0]):
            place = first + o * step[0] + channel * job.output.channel
            compute_plane(layout, block, window + o * axis[0].position,
                          packed + phase.taps * channel,
                          tile if scattered else (<real_t *>job.output.data) + place, y_row,
                          prefetch)
            prefetch.from_ = NULL
            if scattered or not bare:
                finish_plane(job, block, step, place, channel, <const real_t *>tile)


cdef void compute_plane(const Layout *layout, const BlockRef *block, const real_t *window,
                        const real_t *w, real_t *y, Py_ssize_t y_row,
                        fc_prefetch *prefetch) noexcept nogil:
    """A plane of outputs with pixels in the lanes."""
    cdef const fc_kernels *kernels = layout.kernels
    cdef const OutputPhase *phase = block.phase
    cdef Py_ssize_t start, step = phase.axis[1].spacing, row = phase.pitch
    if layout.column_axis == 2:
        kernels.dwconv_window(block.count[1], block.count[2], phase.columns, phase.column, window,
                              row, phase.axis[2].spacing, w, y, y_row, prefetch)
        return
    # rows as far apart as the taps are share their columns' input
    for start in range(min(step, block.count[1])):
        kernels.dwconv_window(ceil_div(block.count[1] - start, step), block.count[2],
                              phase.columns, phase.column, window + start * row, row * step,
                              row * step, w, y + start * y_row, y_row * step, prefetch)
        prefetch.from_ = NULL


# ---- channels in the lanes ----

cdef void compute_pixel_block(const Job *job, const BlockRef *block, const real_t *window,
                              fc_prefetch *prefetch) noexcept nogil:
    """One block of outputs from its window."""
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef Py_ssize_t step[3]
    cdef Py_ssize_t channel = block.channel_block * layout.channels_per_block
    cdef Py_ssize_t place = first_place(job, block, step) + channel, _, r
    cdef const real_t *w = (<const real_t *>job.packed) + phase.packed + phase.taps * channel
    cdef real_t *y
    for _ in range(block.count[0]):
        y = (<real_t *>job.output.data) + place
        if layout.joined_pixels > 1:
            compute_joined_pixels(layout, block, window, w, step, y, prefetch)
        else:
            compute_pixels(layout, block, window, w, step, y, prefetch)
        prefetch.from_ = NULL
        if not is_bare(&job.output):
            for r in range(block.count[1]):
                store_rows(&job.output, block.count[2], block.width,
                           <const real_t *>y + r * step[1], step[2], place + r * step[1], step[2],
                           channel, False)
        window += phase.axis[0].position
        place += step[0]


cdef void compute_pixels(const Layout *layout, const BlockRef *block, const real_t *window,
                         const real_t *w, const Py_ssize_t *y_step, real_t *y,
                         fc_prefetch *prefetch) noexcept nogil:
    """A plane of outputs, pixel by pixel along the columns."""
    cdef const OutputPhase *phase = block.phase
    cdef int along = layout.column_axis, across = 3 - along
    cdef Py_ssize_t step = phase.axis[along].spacing, start
    cdef Py_ssize_t[3] x_step = [0, phase.pitch, phase.axis[2].position]
    # pixels as far apart as the taps are share their columns' input
    for start in range(min(step, block.count[along])):
        layout.kernels.dwconv_pixels(
            ceil_div(block.count[along] - start, step), block.count[across], block.width,
            block.width, phase.columns, phase.column, phase.taps, window + start * x_step[along],
            x_step[along] * step, x_step[across], x_step[along] * step, w,
            y + start * y_step[along], y_step[along] * step, y_step[across], prefetch)
        prefetch.from_ = NULL


cdef void compute_joined_pixels(const Layout *layout, const BlockRef *block,
                                const real_t *window, const real_t *w, const Py_ssize_t *y_step,
                                real_t *y, fc_prefetch *prefetch) noexcept nogil:
    """A plane of outputs, of which neighbouring pixels are one; the last may have fewer."""
    cdef const fc_kernels *kernels = layout.kernels
    cdef const OutputPhase *phase = block.phase
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t pixel = axis[2].position, size = layout.joined_pixels * pixel
    cdef Py_ssize_t full = block.count[2] // layout.joined_pixels
    cdef Py_ssize_t rest = (block.count[2] - full * layout.joined_pixels) * pixel
    cdef Py_ssize_t row = phase.pitch, step = 1, tap = pixel * axis[2].spacing, start, rows
    if layout.column_axis == 1:
        # rows as far apart as the taps are share their columns' input
        step = axis[1].spacing
        tap = row * step
    for start in range(min(step, block.count[1])):
        rows = ceil_div(block.count[1] - start, step)
        if full:
            kernels.dwconv_pixels(
                rows, full, size, size, phase.columns, phase.column, phase.taps,
                window + start * row, row * step, size, tap, w, y + start * y_step[1],
                y_step[1] * step, size, prefetch)
            prefetch.from_ = NULL
        if rest:
            kernels.dwconv_pixels(
                rows, 1, rest, size, phase.columns, phase.column, phase.taps,
                window + start * row + full * size, row * step, size, tap, w,
                y + start * y_step[1] + full * size, y_step[1] * step, size, prefetch)
            prefetch.from_ = NULL
