"""The reduction of some rows along one axis: all taps of each window, or by doubling.

Doubling is for windows that are long and overlap: in place, each element becomes the result of 2,
4, 8, … elements from itself on, and a window is put together from such pieces: for a maximum from
two that may overlap, for a sum from those that the binary digits of its length name. That takes
log2(k) steps whatever the data, without a subtraction, so that no rounding error, NaN or infinity
leaks from one window into another, and sums are added in pairs.
"""
from libc.string cimport memset

from fastconv._desc.pool cimport ADJOINT, REGULAR, pool_axis, span, window
from fastconv._kernels.dispatch cimport fc_windows
from fastconv._pooling.axis cimport AxisRange, outputs
from fastconv._pooling.schedule cimport AxisKernels, Buffer

# One axis of a block. What it reads begins with element axis_range.in_start.
cdef struct AxisPass:
    const AxisKernels *kernels
    const pool_axis *axis
    const AxisRange *axis_range
    bint doubles
    Py_ssize_t inner        # elements side by side, each with windows of its own
    Py_ssize_t pitch        # elements between neighbours on the axis,
    Py_ssize_t out_step     # and between neighbouring results
    Py_ssize_t rows         # that are reduced at once,
    Py_ssize_t row_step     # elements apart,
    Py_ssize_t out_row      # and their results
    Py_ssize_t length       # elements in all, which doubling overwrites
    Py_ssize_t where_first  # index of the first element, where it has none beside it,
    Py_ssize_t where_row    # and from each row to the next


# Windows that a kernel takes at once: `count` of them, each `apart` outputs and `step` elements
# from the one before. `window` is the first.
cdef struct WindowRun:
    Py_ssize_t first, count, apart, step
    span window

# The windows of a range that lie inside the input entirely; where there are none, both are its end.
cdef struct Interior:
    Py_ssize_t start, stop


cdef inline void reduce_axis(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil:
    """Reduce what `from_` holds to the windows p.axis_range of the axis."""
    if p.inner == 0:
        return
    if p.axis.kind == ADJOINT:
        reduce_phases(p, from_, into)
    elif p.doubles:
        reduce_by_doubling(p, from_, into)
    else:
        reduce_directly(p, from_, into)


cdef inline void reduce_directly(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil:
    """All taps of each window."""
    cdef Interior interior = find_interior(p.axis, p.axis_range)
    cdef Py_ssize_t o = p.axis_range.out_start
    cdef bint joined = interior.start < interior.stop and rows_join(p)
    cdef WindowRun run
    if joined:
        reduce_joined_rows(p, interior, from_, into)
    while o < p.axis_range.out_stop:
        run = next_run(p.axis, p.axis_range, interior, o)
        if not (joined and o == interior.start):
            reduce_run(p, &run, from_, into)
        o += run.count


cdef inline bint rows_join(const AxisPass *p) noexcept nogil:
    """Whether rows follow each other at the windows' pace, so that they are as good as one."""
    return (p.rows > 1 and p.inner == 1 and p.out_step == 1 and p.kernels.search == NULL
            and p.out_row == outputs(p.axis_range)
            and p.row_step == p.axis.stride * p.out_row)


cdef inline void reduce_joined_rows(const AxisPass *p, Interior interior, Buffer from_,
                                    Buffer into) noexcept nogil:
    """All rows as one. What that makes of the windows at their ends is to be made again."""
    cdef WindowRun run = interior_run(p.axis, interior)
    cdef fc_windows w = kernel_windows(p, &run)
    w.rows = 1
    w.n = (p.rows - 1) * p.out_row + run.count
    call_kernel(p, &w, &run, from_, into)


cdef inline void reduce_phases(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil:
    """The windows of an adjoint axis: those that are a stride apart are neighbours in what they
    read, so that each phase of the stride has runs of equal length that move by one."""
    cdef Py_ssize_t stride = p.axis.stride, phase, o
    cdef WindowRun run
    for phase in range(min(stride, outputs(p.axis_range))):
        o = p.axis_range.out_start + phase
        while o < p.axis_range.out_stop:
            run = next_phase_run(p.axis, p.axis_range, o)
            reduce_run(p, &run, from_, into)
            o += run.count * stride


cdef inline void reduce_by_doubling(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil:
    """Each window from pieces of a power of two, which grow in place."""
    cdef Interior interior = find_interior(p.axis, p.axis_range)
    cdef Py_ssize_t piece = 1, o, shift
    cdef WindowRun run
    while True:
        o = p.axis_range.out_start
        while o < p.axis_range.out_stop:
            run = next_run(p.axis, p.axis_range, interior, o)
            reduce_pieces(p, &run, piece, from_, into)
            o += run.count
        if 2 * piece > p.axis.kernel:
            return
        shift = piece * p.axis.dilation * p.pitch
        if p.length > shift:
            if p.kernels.search == NULL:
                p.kernels.shifted(p.length - shift, shift, from_.values)
            else:
                p.kernels.search_shifted(p.length - shift, shift, from_.values, from_.indices)
        piece *= 2


cdef inline void reduce_pieces(const AxisPass *p, const WindowRun *run, Py_ssize_t piece,
                               Buffer from_, Buffer into) noexcept nogil:
    """What a run of windows takes of pieces of this length, if anything."""
    cdef Py_ssize_t taps = run.window.taps, before = taps & (piece - 1)
    cdef WindowRun moved = run[0]
    cdef fc_windows w = kernel_windows(p, run)
    if taps == 0:
        zero_windows(p, &w, run, into)
    elif p.kernels.sums:
        if taps & piece:
            # behind the pieces of smaller digits, and added to them
            moved.window.first += before * run.window.step
            w.taps, w.more = 1, before != 0
            call_kernel(p, &w, &moved, from_, into)
    elif piece <= taps < 2 * piece:
        w.taps = 1 if taps == piece else 2
        w.tap *= taps - piece
        call_kernel(p, &w, run, from_, into)


# ---- runs of windows ------------------------------------------------------------------------

cdef inline Interior find_interior(const pool_axis *axis,
                                   const AxisRange *axis_range) noexcept nogil:
    cdef Interior found
    cdef Py_ssize_t last = axis.length + axis.before - (axis.kernel - 1) * axis.dilation - 1
    found.start = found.stop = axis_range.out_stop
    if axis.kind == REGULAR and last >= 0:
        found.start = max(axis_range.out_start, (axis.before + axis.stride - 1) // axis.stride)
        found.stop = min(axis_range.out_stop, last // axis.stride + 1)
        if found.start >= found.stop:
            found.start = found.stop = axis_range.out_stop
    return found


cdef inline WindowRun interior_run(const pool_axis *axis, Interior interior) noexcept nogil:
    cdef WindowRun run
    run.first, run.count = interior.start, interior.stop - interior.start
    run.apart, run.step = 1, axis.stride
    run.window.first = interior.start * axis.stride - axis.before
    run.window.taps, run.window.step = axis.kernel, axis.dilation
    return run


cdef inline WindowRun next_run(const pool_axis *axis, const AxisRange *axis_range,
                               Interior interior, Py_ssize_t o) noexcept nogil:
    """The run that begins with window o: the interior, or windows of the same elements."""
    cdef Py_ssize_t stop = interior.start if o < interior.start else axis_range.out_stop
    cdef WindowRun run
    cdef span other
    if o == interior.start:
        return interior_run(axis, interior)
    run.first, run.count, run.apart, run.step = o, 1, 1, 0
    run.window = window(axis, o)
    while o + run.count < stop:
        other = window(axis, o + run.count)
        if other.first != run.window.first or other.taps != run.window.taps:
            break
        run.count += 1
    return run


cdef inline WindowRun next_phase_run(const pool_axis *axis, const AxisRange *axis_range,
                                     Py_ssize_t o) noexcept nogil:
    """The run that begins with window o, of windows a stride apart."""
    cdef WindowRun run
    cdef span other
    run.first, run.count, run.apart, run.step = o, 1, axis.stride, 1
    run.window = window(axis, o)
    while o + run.count * axis.stride < axis_range.out_stop:
        other = window(axis, o + run.count * axis.stride)
        if other.taps != run.window.taps or (
                other.taps and other.first != run.window.first + run.count):
            break
        run.count += 1
    return run


# ---- one run --------------------------------------------------------------------------------

cdef inline void reduce_run(const AxisPass *p, const WindowRun *run, Buffer from_,
                            Buffer into) noexcept nogil:
    """All taps of the windows of a run."""
    cdef fc_windows w = kernel_windows(p, run)
    if run.window.taps == 0:
        zero_windows(p, &w, run, into)
    else:
        call_kernel(p, &w, run, from_, into)


cdef inline fc_windows kernel_windows(const AxisPass *p, const WindowRun *run) noexcept nogil:
    """A run of windows, in all rows, as kernels are told of it."""
    cdef fc_windows w
    w.rows, w.row_step, w.out_row, w.inner = p.rows, p.row_step, p.out_row, p.inner
    w.n, w.taps, w.more = run.count, run.window.taps, 0
    w.stride, w.tap = run.step * p.pitch, run.window.step * p.pitch
    w.out_step = run.apart * p.out_step
    w.where_row = p.where_row
    w.where_first = p.where_first + run.window.first - p.axis_range.in_start
    w.where_step, w.where_tap = run.step, run.window.step
    return w


cdef inline void call_kernel(const AxisPass *p, const fc_windows *w, const WindowRun *run,
                             Buffer from_, Buffer into) noexcept nogil:
    cdef const AxisKernels *k = p.kernels
    cdef Py_ssize_t start = (run.window.first - p.axis_range.in_start) * p.pitch
    cdef Py_ssize_t at = (run.first - p.axis_range.out_start) * p.out_step
    if k.search == NULL:
        k.pool(w, from_.values + start * k.size, into.values + at * k.out_size)
    else:
        k.search(w, from_.values + start * k.size,
                 NULL if from_.indices == NULL else from_.indices + start * k.index_size,
                 into.values + at * k.out_size, into.indices + at * k.index_size)


cdef inline void zero_windows(const AxisPass *p, const fc_windows *w, const WindowRun *run,
                              Buffer into) noexcept nogil:
    """Empty windows, whose sum is zero."""
    cdef Py_ssize_t at = (run.first - p.axis_range.out_start) * p.out_step, r, o
    for r in range(w.rows):
        for o in range(w.n):
            memset(into.values + (at + r * w.out_row + o * w.out_step) * p.kernels.out_size, 0,
                   w.inner * p.kernels.out_size)
