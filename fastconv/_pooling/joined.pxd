"""Windows apart along the last axis, no longer than their stride: rows that are joined.

Rows are reduced to fewer rows first, by whole vectors of each. What that leaves is laid out so that
each row, with its padding, is as long as all its windows, and the next follows: for the last axis,
all rows of some planes are one long row, and no window is at its edge.
"""
from fastconv._core.blocks cimport Arena
from fastconv._desc.pool cimport REGULAR, pool_axis
from fastconv._pooling.axis cimport is_trivial
from fastconv._pooling.schedule cimport (
    BLOCK_ELEMENTS, JOINED_ROWS, MEAN, NORM, ONE_AFTER_THE_OTHER, PADDED_PLANES,
    Pooling, SEPARABLE, Schedule, count_blocks, reserve_area, set_tasks,
)

cdef enum:
    SHORTEST_ROW = 20    # elements that are worth a call for each row
    LONGEST_STRIDE = 4   # of windows for which kernels take vectors apart


cdef inline Py_ssize_t joined_pitch(const pool_axis *columns) noexcept nogil:
    """Elements of all windows of a row."""
    return columns.stride * columns.outputs


cdef inline bint joins_rows(const Pooling *p, const Schedule *s) noexcept:
    """Whether rows had better be joined. The order of sums is that of other methods."""
    cdef const pool_axis *rows = &p.axis[1]
    cdef const pool_axis *columns = &p.axis[2]
    cdef bint padded = columns.before > 0 or (
        columns.length < (columns.outputs - 1) * columns.stride + columns.kernel)
    if (s.method != SEPARABLE and s.method != PADDED_PLANES) or s.copies or p.inner != 1:
        return False
    if p.op == NORM or not is_trivial(&p.axis[0]):
        return False
    if rows.kind != REGULAR or columns.kind != REGULAR or columns.stride == 1:
        return False
    if padded and p.op == MEAN and columns.kernel > ONE_AFTER_THE_OTHER:
        return False  # padding would take part in sums
    return ((columns.kernel - 1) * columns.dilation < columns.stride
            and joined_pitch(columns) <= BLOCK_ELEMENTS
            and columns.length >= SHORTEST_ROW
            and (rows.kernel > 1 or (is_trivial(rows) and not padded
                                     and joined_pitch(columns) == columns.length))
            and columns.stride <= LONGEST_STRIDE
            and (p.op != MEAN or p.divisor != 0))  # each row would be divided by itself


cdef inline void set_joined(const Pooling *p, double work, Schedule *s) noexcept:
    """Blocks of whole planes, or of some rows of one."""
    cdef Py_ssize_t pitch = joined_pitch(&p.axis[2]), results
    cdef Arena arena
    s.method = JOINED_ROWS
    s.block[0] = max(1, min(p.outer, BLOCK_ELEMENTS // (pitch * p.axis[1].outputs)))
    s.block[1] = 1
    s.block[2] = max(1, min(p.axis[1].outputs, BLOCK_ELEMENTS // pitch))
    s.block[3] = p.axis[2].outputs
    count_blocks(p, s)
    set_tasks(s, work)
    results = s.block[0] * s.block[2] * p.axis[2].outputs
    arena.size = 0
    # rows that are joined, and sums
    s.area_at[0] = reserve_area(&arena, results * p.axis[2].stride)
    s.area_at[1] = reserve_area(&arena, results)
    s.scratch_size = arena.size
