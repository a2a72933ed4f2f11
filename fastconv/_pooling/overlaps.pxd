"""Where windows of an average overlap, and whether its way back is by `spread`."""
from fastconv._core.padding cimport AXES
from fastconv._desc.pool cimport REGULAR, PoolDesc, pool_axis

cdef enum:
    SHORT_ROW = 32           # elements side by side that are hardly worth a call
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
    cdef int order[AXES]
    cdef int overlaps = overlapping(desc, order), i
    cdef double elements = 1, sums = 1, added = 0, most = 0, inner
    cdef const pool_axis *a
    for i in range(AXES):
        elements *= desc.g.axis[i].length
        sums *= desc.g.axis[i].outputs
    if sums == 0:
        return False
    if overlaps and desc.g.axis[AXES - 1].length < SHORT_ROW // 2 and elements <= SMALL_PLANE and (
            desc.g.channels >= MANY_PLANES and not desc.g.channels_last):
        return False  # they are put side by side instead
    for i in range(overlaps):
        a = &desc.g.axis[order[i]]
        inner = neighbours(desc, order, i)
        if inner == 1 and a.kind == REGULAR and a.stride == 1:
            return False
        added += sums * min(reach(a), <double>a.length) * (
            ONE_BY_ONE if inner == 1 else max(1.0, <double>SHORT_ROW / inner)) * (
            BY_VECTORS if a.kind == REGULAR and a.stride == 1 else 1)
        sums *= growth(a)
        most = max(most, sums)
    return added <= MOST_ADDITIONS * elements and (
        most * (desc.g.channels if desc.g.channels_last else 1) <= MAX_SUMS)


cdef inline int overlapping(PoolDesc desc, int *order) noexcept:
    """The axes along which windows overlap, from the one that grows least on; how many."""
    cdef int n = 0, i, j
    for i in range(AXES):
        if is_apart(&desc.g.axis[i]):
            continue
        j = n
        while j > 0 and growth(&desc.g.axis[i]) < growth(&desc.g.axis[order[j - 1]]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
        n += 1
    return n


cdef inline double neighbours(PoolDesc desc, const int *order, int n) noexcept:
    """Sums side by side, where the n-th axis of this order is added up along."""
    cdef double inner = desc.g.channels if desc.g.channels_last else 1
    cdef int i, j
    for i in range(order[n] + 1, AXES):
        inner *= desc.g.axis[i].outputs
        for j in range(n):
            if order[j] == i:
                inner *= growth(&desc.g.axis[i])
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
