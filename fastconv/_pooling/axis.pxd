"""One axis of a pooling: what it amounts to, and which elements neighbouring windows read."""
from fastconv._desc.pool cimport ADAPTIVE, REGULAR, pool_axis, span, window

cdef enum:
    MAX_JOINED = 1_000_000_000_000_000  # elements of an axis: sums of lengths cannot overflow

# Windows out_start … out_stop - 1 of an axis read elements in_start … in_stop - 1.
cdef struct AxisRange:
    Py_ssize_t out_start, out_stop, in_start, in_stop


cdef inline bint is_trivial(const pool_axis *axis) noexcept nogil:
    """Whether there is no such axis, as good as."""
    return axis.length == 1 and axis.outputs == 1 and axis.kernel == 1


cdef inline bint is_identity(const pool_axis *axis) noexcept nogil:
    """Whether each window is one element, and each element one window."""
    return (axis.kind == REGULAR and axis.kernel == 1 and axis.stride == 1 and axis.before == 0
            and axis.outputs == axis.length)


cdef inline bint is_one_window(const pool_axis *axis) noexcept nogil:
    """Whether the only window is the axis, without padding."""
    return (axis.outputs == 1 and axis.kernel == axis.length and axis.before == 0
            and axis.after == 0 and axis.dilation == 1)


cdef inline bint are_one_axis(const pool_axis *rows, const pool_axis *columns) noexcept nogil:
    """Whether windows take entire rows, and some that follow each other: so many elements."""
    return (is_one_window(columns) and rows.kind == REGULAR and rows.dilation == 1
            and not is_trivial(rows)
            and (<double>rows.kernel + rows.stride + rows.length) * columns.length <= MAX_JOINED)


cdef inline void join(pool_axis *rows, Py_ssize_t length) noexcept nogil:
    """Make rows of so many elements one axis, of which windows take entire rows."""
    rows.kernel *= length
    rows.stride *= length
    rows.before *= length
    rows.after *= length
    rows.length *= length


cdef inline AxisRange read_range(const pool_axis *axis, Py_ssize_t out_start,
                                 Py_ssize_t out_stop) noexcept nogil:
    """What windows out_start … out_stop - 1 read."""
    cdef AxisRange found
    cdef Py_ssize_t reach = (axis.kernel - 1) * axis.dilation
    cdef span last
    found.out_start, found.out_stop = out_start, out_stop
    if axis.kind == REGULAR:
        found.in_start = max(0, out_start * axis.stride - axis.before)
        found.in_stop = min(axis.length, (out_stop - 1) * axis.stride - axis.before + reach + 1)
    elif axis.kind == ADAPTIVE:
        last = window(axis, out_stop - 1)
        found.in_start = window(axis, out_start).first
        found.in_stop = last.first + last.taps
    else:
        found.in_start = max(0, (out_start + axis.before - reach + axis.stride - 1) // axis.stride)
        found.in_stop = min(axis.length, (out_stop - 1 + axis.before) // axis.stride + 1)
    found.in_stop = max(found.in_start, found.in_stop)
    return found


cdef inline Py_ssize_t outputs(const AxisRange *r) noexcept nogil:
    return r.out_stop - r.out_start


cdef inline Py_ssize_t inputs(const AxisRange *r) noexcept nogil:
    return r.in_stop - r.in_start
