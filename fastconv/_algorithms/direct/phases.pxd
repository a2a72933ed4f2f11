from fastconv._algorithms.direct.types cimport Layout
from fastconv._core.integers cimport ceil_div
from fastconv._core.window_types cimport WindowAxis
from fastconv._desc.conv cimport ConvDesc

cdef double TRIM_THRESHOLD  # of the products, left by skipping those with padding

cdef int make_phases(Layout *layout, ConvDesc desc, bint strict, bint skip) except -1
cdef void find_trims(Layout *layout) noexcept
cdef double inside_rows(const Layout *layout) noexcept


cdef inline Py_ssize_t first_inside(const WindowAxis *axis, Py_ssize_t tap, Py_ssize_t first,
                                    Py_ssize_t count) noexcept nogil:
    """How many of `count` outputs from `first` on are before those for which a tap reads inside."""
    return outputs_below(axis, -axis.tap[tap], first, count)


cdef inline Py_ssize_t end_inside(const WindowAxis *axis, Py_ssize_t tap, Py_ssize_t first,
                                  Py_ssize_t count) noexcept nogil:
    """The same, with those for which it does."""
    return outputs_below(axis, axis.length - axis.tap[tap], first, count)


cdef inline Py_ssize_t outputs_below(const WindowAxis *axis, Py_ssize_t limit, Py_ssize_t first,
                                     Py_ssize_t count) noexcept nogil:
    """How many of `count` outputs o from `first` on have o * step < limit."""
    limit = ceil_div(limit, axis.step) if limit > 0 else 0
    return max(0, min(count, limit - first))


cdef inline void taps_inside(const WindowAxis *axis, Py_ssize_t first, Py_ssize_t count,
                             Py_ssize_t *low, Py_ssize_t *high) noexcept nogil:
    """The range of taps that read inside for some of `count` outputs from `first` on."""
    cdef Py_ssize_t tap
    low[0], high[0] = axis.taps, 0
    for tap in range(axis.taps):
        if first_inside(axis, tap, first, count) < end_inside(axis, tap, first, count):
            low[0] = min(low[0], tap)
            high[0] = tap + 1
    low[0] = min(low[0], high[0])
