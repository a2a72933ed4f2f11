"""Windows whose rows are short: what all channels have at the same places is listed first, and each
channel is copied by the list, element by element.
"""
from libc.limits cimport INT_MAX
from libc.string cimport memset

from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport PAD_CONSTANT
from fastconv._core.places cimport MAX_PLACES, Places, add_place, copy_places, within_reach
from fastconv._core.types cimport real_t
from fastconv._core.window_types cimport CopyRun, Window, WindowIndex, window_place

cdef enum:
    # What a copy costs beside an element of a list of places, 0.3 to 0.4 ns on a Zen 4:
    ROW_COST = 6       # a row of up to a vector,
    CALL_COST = 25     # the call for rows that lie equally far apart,
    PLACE_COST = 8     # and the list, for each of its places
    FEW_TURNED = 8     # pixels whose channels are turned together: fewer leave vectors idle


cdef inline bint gather_by_places(const Window *window, const WindowIndex *index,
                                  const real_t *x, const Py_ssize_t *stride, bint zeros,
                                  real_t *out) noexcept nogil:
    """`gather_window` by a list, to channels that come first. Returns whether that is quicker."""
    cdef Places places
    cdef Py_ssize_t planes = planes_listed(window, index, stride), i
    if planes and zeros:
        memset(out, 0, window.channels * window.channel * sizeof(real_t))
    for i in range(ceil_div(index.planes, planes) if planes else 0):
        find_places(window, index, stride, i * planes, min((i + 1) * planes, index.planes), &places)
        copy_places(&places, window.channels, x, stride[0], out, window.channel)
    return planes > 0


cdef inline Py_ssize_t planes_listed(const Window *window, const WindowIndex *index,
                                     const Py_ssize_t *stride) noexcept nogil:
    """Planes whose places a list holds, if that is quicker than to copy row by row; else none."""
    cdef Py_ssize_t planes = 0, rows = 0, runs = 0, row = 0, i
    cdef bint pays
    cdef Py_ssize_t length[3]
    for i in range(index.runs):
        if index.run[i].source >= 0:
            runs += 1
            row += index.run[i].length
    if (window.channels == 1 or row > MAX_PLACES or window.channel > INT_MAX
            or window.axis.mode == PAD_CONSTANT):
        return 0
    for i in range(index.planes):
        planes += index.plane[i] >= 0
    for i in range(index.rows):
        rows += index.row[i] >= 0
    for i in range(3):
        length[i] = window.axis[i].length
    if not within_reach(length, &stride[1]):
        return 0
    if stride[0] == 1:
        pays = row < FEW_TURNED * runs
    else:
        pays = planes * rows * row * (PLACE_COST + window.channels) < (
            window.channels * planes * runs * (CALL_COST + ROW_COST * rows))
    if not pays:
        return 0
    return MAX_PLACES // max(rows * row, <Py_ssize_t>1)


cdef inline void find_places(const Window *window, const WindowIndex *index,
                             const Py_ssize_t *stride, Py_ssize_t first, Py_ssize_t end,
                             Places *places) noexcept nogil:
    """Where the elements of some planes of a channel lie, in the order of the window."""
    cdef Py_ssize_t p, r, i, j, source, target
    cdef const CopyRun *run
    places.count = 0
    for p in range(first, end):
        for r in range(index.rows):
            if min(index.plane[p], index.row[r]) < 0:
                continue
            source = index.plane[p] * stride[1] + index.row[r] * stride[2]
            target = window_place(window, 0, p) + window_place(window, 1, r)
            for i in range(index.runs):
                run = &index.run[i]
                for j in range(run.length if run.source >= 0 else 0):
                    add_place(places, source + (run.source + j * run.step) * stride[3],
                              target + run.start + j)
