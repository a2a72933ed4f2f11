"""Where windows of an average overlap, and whether its way back is by `spread`."""
from fastconv._core.padding cimport AXES
from fastconv._desc.pool cimport REGULAR, PoolDesc, pool_axis
from fastconv._pooling.axis cimport are_one_axis, is_trivial, join

cdef enum:
    SHORT_ROW = 32           # elements side by side that are hardly worth a call
    MAX_SHARED = 8           # elements of a row that windows take all of: not worth a copy each
    SMALL_PLANE = 4096       # elements; and planes that `interleaved` puts side by side
    MANY_PLANES = 8
    MAX_SUMS = 1 << 20       # of a plane, along the axes whose windows overlap
    # For each element. More are better done in vectors along the last axis, or by doubling.
    MOST_ADDITIONS = 3
    ONE_BY_ONE = 6           # times as long: an addition along the last axis,
    BY_VECTORS = 2           # or, as others have it, one of windows that move by one


cdef inline bint spreads(PoolDesc desc) noexcept:
    """Whether few additions are left for each element. One image decides: sums round otherwise
    here, and must not depend on the batch.
    """
    cdef pool_axis axis[AXES]
    cdef int order[AXES]
    cdef int overlaps, i
    cdef double elements = 1, sums = 1, added = 0, most = 0, inner
    cdef const pool_axis *a
    axes_to_spread(desc, axis)
    overlaps = overlapping(axis, order)
    for i in range(AXES):
        elements *= axis[i].length
        sums *= axis[i].outputs
    if sums == 0:
        return False
    if overlaps and axis[AXES - 1].length < SHORT_ROW // 2 and elements <= SMALL_PLANE and (
            desc.g.channels >= MANY_PLANES and not desc.g.channels_last):
        return False  # they are put side by side instead
    for i in range(overlaps):
        a = &axis[order[i]]
        inner = neighbours(axis, desc.g.channels if desc.g.channels_last else 1, order, i)
        if inner == 1 and a.kind == REGULAR and a.stride == 1:
            return False
        added += sums * min(reach(a), <double>a.length) * (
            ONE_BY_ONE if inner == 1 else max(1.0, <double>SHORT_ROW / inner)) * (
            BY_VECTORS if a.kind == REGULAR and a.stride == 1 else 1)
        sums *= growth(a)
        most = max(most, sums)
    return added <= MOST_ADDITIONS * elements and (
        most * (desc.g.channels if desc.g.channels_last else 1) <= MAX_SUMS)


cdef inline void axes_to_spread(PoolDesc desc, pool_axis *axis) noexcept:
    """The axes; the last is none of one element, nor a short one of which a window takes all, if
    it may join the one before."""
    cdef int i
    for i in range(AXES):
        axis[i] = desc.g.axis[i]
    for _ in range(AXES - 1):
        if not is_trivial(&axis[2]):
            # sums where windows overlap are of one number for a row, and long rows are copied
            if (axis[2].length > MAX_SHARED or not is_apart(&axis[1])
                    or not are_one_axis(&axis[1], &axis[2])):
                return
            join(&axis[1], axis[2].length)
            axis[2].length = axis[2].outputs = axis[2].kernel = axis[2].stride = 1
        axis[0], axis[1], axis[2] = axis[2], axis[0], axis[1]


cdef inline int overlapping(const pool_axis *axis, int *order) noexcept:
    """The axes along which windows overlap, from the one that grows least on; how many."""
    cdef int n = 0, i, j
    for i in range(AXES):
        if is_apart(&axis[i]):
            continue
        j = n
        while j > 0 and growth(&axis[i]) < growth(&axis[order[j - 1]]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
        n += 1
    return n


cdef inline double neighbours(const pool_axis *axis, double inner, const int *order,
                              int n) noexcept:
    """Sums side by side, where the n-th axis of this order is added up along, of elements with so
    many channels."""
    cdef int i, j
    for i in range(order[n] + 1, AXES):
        inner *= axis[i].outputs
        for j in range(n):
            if order[j] == i:
                inner *= growth(&axis[i])
    return inner


cdef inline double growth(const pool_axis *a) noexcept:
    return (<double>a.length) / max(a.outputs, <Py_ssize_t>1)


cdef inline double reach(const pool_axis *a) noexcept:
    """Elements of a window, at most."""
    return a.kernel if a.kind == REGULAR else growth(a) + 2


cdef inline bint is_apart(const pool_axis *a) noexcept:
    """Whether no element is in two windows along the axis."""
    if a.kind != REGULAR:
        return a.outputs > 0 and a.length % a.outputs == 0
    if a.dilation > 1 and a.kernel > 1:
        return False
    return a.outputs == 1 or a.stride >= a.kernel
