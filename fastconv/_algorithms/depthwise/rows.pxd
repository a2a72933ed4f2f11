"""Rows in place: a table says where each row that a block of outputs reads is.

Rows of the padding are one row of zeros, and `dwconv_rows` loads the ends of rows in part, so
nothing is copied. Only rows that are no runs of elements, or crowd in the cache, are, to a window,
and are then read in the same way: results do not depend on strides, nor on the row's length.
"""
from fastconv._algorithms.depthwise.axes cimport Axis, inside
from fastconv._algorithms.depthwise.blocks cimport (
    BlockRef, Job, find_block, finish_plane, first_place, take_channels,
)
from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.output cimport FC_CLIP, fuses_into_kernel
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_epilogue, fc_rows


cdef inline void run_rows(const Job *job, Py_ssize_t task, real_t *window,
                          char *scratch) noexcept nogil:
    """A run of blocks."""
    cdef const Layout *layout = job.layout
    cdef const real_t **rows = <const real_t **>(scratch + job.schedule.rows)
    cdef const real_t *zeros = (<const real_t *>layout.zeros) + layout.margin
    cdef Py_ssize_t number, i, planes = layout.in_channels * job.source.stride[1]
    cdef Py_ssize_t first = task * job.schedule.blocks_per_task
    cdef bint known = False
    cdef BlockRef block
    for number in range(first, min(job.schedule.blocks, first + job.schedule.blocks_per_task)):
        if known and block.channel_block + 1 < layout.channel_blocks:
            # small planes: the same rows of the next one
            take_channels(layout, block.channel_block + 1, &block)
            for i in range(layout.table):
                if rows[i] != zeros:
                    rows[i] += planes
        else:
            find_block(layout, number, &block)
            make_row_table(job, &block, rows, window)
            known = (layout.blocks == 1 and job.source.stride[4] == 1
                     and not layout.copies_rows)
        compute_block(job, &block, rows, <real_t *>(scratch + job.schedule.tile))


cdef inline void make_row_table(const Job *job, const BlockRef *block, const real_t **rows,
                                real_t *window) noexcept nogil:
    """The table of a block's rows: in place, zeros, or copied to the window if they must be."""
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef const Axis *axis = phase.axis
    cdef const Py_ssize_t *stride = &job.source.stride[1]
    cdef const real_t *x = (<const real_t *>job.source.data) + (
        block.image * job.source.stride[0] + block.channel_block * layout.in_channels * stride[0])
    cdef const real_t *plane
    cdef Py_ssize_t c, p0, u0, i0, p1, row
    for c in range(layout.in_channels):
        for p0 in range(axis[0].input_phases):
            for u0 in range(block.count[0] + axis[0].extra):
                i0 = (block.first[0] + u0) * axis[0].step + axis[0].base[p0]
                plane = NULL
                if 0 <= i0 < axis[0].length:
                    plane = x + c * stride[0] + i0 * stride[1]
                for p1 in range(axis[1].input_phases):
                    row = (c * phase.channel + p0 * axis[0].phase_size + u0 * axis[0].position
                           + p1 * axis[1].phase_size)
                    list_rows(job, block, plane, p1, rows + row, window + row * phase.pitch)


cdef inline void list_rows(const Job *job, const BlockRef *block, const real_t *plane,
                           Py_ssize_t p1, const real_t **rows, real_t *window) noexcept nogil:
    """Those of an input phase of one plane, which is NULL where it is all padding."""
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef const Axis *axis = phase.axis
    cdef const Py_ssize_t *stride = &job.source.stride[1]
    cdef const real_t *zeros = (<const real_t *>layout.zeros) + layout.margin
    cdef const real_t *row
    # Output 0 of the block reads from `origin` on; elements left … left + n - 1 are read at all.
    cdef Py_ssize_t origin = block.first[2] * axis[2].step
    cdef Py_ssize_t left = max(0, origin + phase.low), n, u1, low, high
    cdef Py_ssize_t used = block.count[1] + axis[1].extra, step = axis[1].step * stride[2]
    n = min(axis[2].length, origin + (block.count[2] - 1) * axis[2].step + phase.high + 1) - left
    inside(&axis[1], p1, block.first[1], used, &low, &high)
    if plane == NULL or n <= 0:
        low = high = 0
    for u1 in range(low):
        rows[u1] = zeros
    for u1 in range(high, used):
        rows[u1] = zeros
    if high == low:
        return
    row = plane + ((block.first[1] + low) * axis[1].step + axis[1].base[p1]) * stride[2]
    if (stride[3] == 1 or axis[2].length == 1) and not layout.copies_rows:
        row += origin * stride[3]
        for u1 in range(low, high):
            rows[u1] = row
            row += step
    else:
        layout.kernels.copy(high - low, n, row + left * stride[3], step, stride[3],
                            window + low * phase.pitch, phase.pitch)
        for u1 in range(low, high):
            rows[u1] = window + u1 * phase.pitch + origin - left


cdef inline void compute_block(const Job *job, const BlockRef *block, const real_t **rows,
                               real_t *tile) noexcept nogil:
    """One block of outputs from its rows."""
    cdef const Layout *layout = job.layout
    cdef const OutputPhase *phase = block.phase
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t step[3]
    cdef Py_ssize_t first = first_place(job, block, step), place, channel, o
    cdef const real_t *packed = (<const real_t *>job.packed) + phase.packed
    cdef bint fused = job.output.residual == NULL and fuses_into_kernel(&job.output)
    cdef bint scattered = step[2] != 1
    cdef Py_ssize_t y_row = round_up(axis[2].block, layout.kernels.lanes) if scattered else step[1]
    for channel in range(block.channel_block * layout.out_channels,
                         (block.channel_block + 1) * layout.out_channels):
        for o in range(block.count[0]):
            place = first + o * step[0] + channel * job.output.channel
            compute_plane(job, block, rows + o * axis[0].position, packed + phase.taps * channel,
                          channel, fused,
                          tile if scattered else (<real_t *>job.output.data) + place, y_row)
            if scattered or not fused:
                finish_plane(job, block, step, place, channel, <const real_t *>tile)


cdef inline void compute_plane(const Job *job, const BlockRef *block, const real_t **rows,
                               const real_t *w, Py_ssize_t channel, bint fused, real_t *y,
                               Py_ssize_t y_row) noexcept nogil:
    """A plane of outputs, with bias and bounds if these are fused."""
    cdef const OutputPhase *phase = block.phase
    cdef const real_t *bias = NULL
    cdef const fc_epilogue *clip = NULL
    cdef Py_ssize_t start, step = phase.axis[1].spacing
    cdef fc_rows shape
    if fused and job.output.bias != NULL:
        bias = (<const real_t *>job.output.bias) + channel
    if fused and job.output.epilogue.activation == FC_CLIP:
        clip = job.output.epilogue
    shape.n, shape.columns, shape.column = block.count[2], phase.columns, phase.column
    shape.step, shape.row_step = phase.axis[2].step, step
    shape.origin, shape.length = block.first[2] * shape.step, phase.axis[2].length
    shape.low, shape.high = phase.low, phase.high
    # rows as far apart as the taps are share their columns' input
    for start in range(min(step, block.count[1])):
        shape.rows = ceil_div(block.count[1] - start, step)
        job.layout.kernels.dwconv_rows(&shape, <const void **>(rows + start), w, bias, clip,
                                       y + start * y_row, y_row * step)
