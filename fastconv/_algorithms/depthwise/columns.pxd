"""Columns: the order of the taps in a sum, and the tables by which kernels find what they read.

A column is a run of taps as far apart as two outputs are, so that a row of the window that has been
loaded serves all outputs and taps that meet in it.
"""
from fastconv._algorithms.depthwise.axes cimport Axis, window_place
from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport FC_SUM_BLOCK, fc_column


cdef inline Py_ssize_t flat_tap(const conv_geometry *g, Py_ssize_t c, Py_ssize_t t0, Py_ssize_t t1,
                                Py_ssize_t t2) noexcept:
    """The place of a tap in (in_channels, *kernel)."""
    return ((c * g.kernel[0] + t0) * g.kernel[1] + t1) * g.kernel[2] + t2


cdef inline void make_window_columns(const Layout *layout, OutputPhase *phase) noexcept:
    """The columns of a window run along one axis, for each tap of the others."""
    cdef Py_ssize_t c, t, i, n = 0
    if layout.in_planes or layout.in_rows and not layout.backward:
        make_columns_as_in_place(layout, phase)
        return
    for c in range(layout.in_channels):
        for t in range(phase.axis[0].taps):
            for i in range(phase.axis[3 - layout.column_axis].taps):
                n = add_window_columns(layout, phase, c, t, i, n)


cdef inline void make_columns_as_in_place(const Layout *layout, OutputPhase *phase) noexcept:
    """The same in the order of rows or planes in place.

    Taps of a row go by what they read. Where some go together, or those of a plane's column lie in
    two phases, each is a column by itself.
    """
    cdef const Axis *axis = phase.axis
    cdef bint apart = layout.in_planes and axis[1].input_phases > 1
    cdef Py_ssize_t t, i, j, h, row, width, n = 0
    for t in range(axis[0].taps):
        i = 0
        while i < axis[2].taps:
            width = min(layout.together, axis[2].taps - i)
            if width == 1 and not apart:
                n = add_window_columns(layout, phase, 0, t, by_reads(layout, &axis[2], i), n)
            else:
                for j in range(axis[1].taps):
                    row = by_reads(layout, &axis[1], j) if layout.in_planes else j
                    for h in range(width):
                        n = add_window_tap(layout, phase, t, row,
                                           by_reads(layout, &axis[2], i + h), n)
            i += width


cdef inline Py_ssize_t by_reads(const Layout *layout, const Axis *axis, Py_ssize_t n) noexcept:
    """The n-th tap by what it reads, where all taps are in one output phase."""
    cdef Py_ssize_t i = 0, place = axis.taps - 1 - n if layout.backward else n
    while axis.kernel[i] != place:
        i += 1
    return i


cdef inline Py_ssize_t add_window_tap(const Layout *layout, OutputPhase *phase, Py_ssize_t t,
                                      Py_ssize_t j, Py_ssize_t i, Py_ssize_t n) noexcept:
    """A column of one tap; returns how many taps there are then."""
    cdef const Axis *axis = phase.axis
    cdef fc_column *column = &phase.column[phase.columns]
    phase.offset[n] = column.offset = (window_place(&axis[0], t) + window_place(&axis[1], j)
                                       + window_place(&axis[2], i))
    phase.order[n] = flat_tap(layout.g, 0, axis[0].kernel[t], axis[1].kernel[j], axis[2].kernel[i])
    column.taps = 1
    phase.columns += 1
    return n + 1


cdef inline Py_ssize_t add_window_columns(const Layout *layout, OutputPhase *phase, Py_ssize_t c,
                                          Py_ssize_t t, Py_ssize_t i, Py_ssize_t n) noexcept:
    """Those of one tap of each other axis, after n taps; returns how many taps there are then."""
    cdef const Axis *axis = phase.axis
    cdef const Axis *along = &axis[layout.column_axis]
    cdef const Axis *other = &axis[3 - layout.column_axis]
    cdef Py_ssize_t j, t1, t2
    cdef fc_column *column = NULL
    for j in range(along.taps):
        phase.offset[n] = (c * phase.channel + window_place(&axis[0], t)
                           + window_place(other, i) + window_place(along, j))
        t1, t2 = other.kernel[i], along.kernel[j]
        if layout.column_axis == 1:
            t1, t2 = t2, t1
        phase.order[n] = flat_tap(layout.g, c, axis[0].kernel[t], t1, t2)
        if (column == NULL or column.taps == FC_SUM_BLOCK
                or along.input_phase[j] != along.input_phase[j - 1]):
            column = &phase.column[phase.columns]
            phase.columns += 1
            column.offset = phase.offset[n]
            column.taps = 0
        column.taps += 1
        n += 1
    return n


cdef inline void make_row_columns(const Layout *layout, OutputPhase *phase) noexcept:
    """The columns of rows in place; where outputs move by two, neighbours share their loads."""
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t c, t, i, n = 0
    cdef bint pair
    for c in range(layout.in_channels):
        for t in range(axis[0].taps):
            i = 0
            while i < axis[2].taps:
                pair = (axis[2].step == 2 and i + 1 < axis[2].taps
                        and axis[2].base[i + 1] == axis[2].base[i] + 1)
                n = add_row_columns(layout, phase, c, t, i, pair, n)
                i += 1 + pair


cdef inline Py_ssize_t add_row_columns(const Layout *layout, OutputPhase *phase, Py_ssize_t c,
                                       Py_ssize_t t, Py_ssize_t i, bint pair,
                                       Py_ssize_t n) noexcept:
    """Those of tap i of a row, or of taps i and i + 1, after n taps; returns as above."""
    cdef const Axis *axis = phase.axis
    cdef Py_ssize_t j, h
    cdef fc_column *column = NULL
    for j in range(axis[1].taps):
        if (column == NULL or column.taps == FC_SUM_BLOCK // (1 + pair)
                or axis[1].input_phase[j] != axis[1].input_phase[j - 1]):
            column = &phase.column[phase.columns]
            phase.columns += 1
            column.offset = (c * phase.channel + window_place(&axis[0], t)
                             + window_place(&axis[1], j))
            column.shift = axis[2].base[i]
            column.pair = pair
            column.taps = 0
        column.taps += 1
        for h in range(1 + pair):
            phase.order[n] = flat_tap(layout.g, c, axis[0].kernel[t], axis[1].kernel[j],
                                      axis[2].kernel[i + h])
            n += 1
    return n


cdef inline void list_plane_taps(const Layout *layout, OutputPhase *phase) noexcept:
    """The order for `dwconv_plane`: one column of the kernel after the other."""
    cdef Py_ssize_t size = layout.g.kernel[2], last = size * size - 1, t1, t2
    for t2 in range(size):
        for t1 in range(size):
            phase.order[t2 * size + t1] = (
                last - t1 * size - t2 if layout.backward else t1 * size + t2)


cdef inline void list_backward_plane_taps(OutputPhase *phase) noexcept:
    """The same for `dwconv_plane_backward_data`, of a kernel of three by three."""
    cdef Py_ssize_t t
    for t in range(9):
        phase.order[t] = t % 3 * 3 + t // 3
