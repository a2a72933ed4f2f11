"""A block of outputs with the positions where their maxima or minima were found.

An index is carried beside each element, and axes are taken from the last to the first, so that the
first of equal elements in row-major order wins. Indices count from where the block's input begins.
A block is some rows of some planes, or one row of each of several, which follow each other.
"""
from libc.string cimport memcpy, memset

from fastconv._core.integers cimport round_up
from fastconv._pooling.axis cimport inputs, is_trivial, outputs
from fastconv._pooling.blocks cimport convert
from fastconv._pooling.reduce_axis cimport AxisPass, reduce_axis
from fastconv._pooling.schedule cimport (
    BlockRef, Buffer, INDEX_ALIGNMENT, Job, Pooling, Schedule, input_at, output_at,
)


cdef inline void search_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Search what a block reads along axes 2, 1 and 0."""
    cdef const Pooling *p = job.pooling
    cdef Buffer found = search_axis_2(job, b, scratch)
    if not is_trivial(&p.axis[1]):
        found = search_axis_1(job, b, found, scratch)
    if not is_trivial(&p.axis[0]):
        found = search_axis_0(job, b, found, scratch)
    store_block(job, b, found)


cdef inline Buffer search_axis_2(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Each row that the block reads, in place or from a copy."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t rows = b.outers if b.outers > 1 else inputs(&b.ranges[1])
    cdef Py_ssize_t planes = inputs(&b.ranges[0]), out_row = outputs(&b.ranges[2]) * p.inner, i0
    cdef Buffer found = pairs_at(job, scratch + job.schedule.area_at[1], planes * rows * out_row)
    cdef Buffer into = found
    for i0 in range(planes):
        if job.schedule.copies:
            search_copied_rows(job, b, i0, rows, scratch, into)
        else:
            search_rows(job, b, i0, rows, into)
        into = advanced(job, into, rows * out_row)
    return found


cdef inline void search_rows(const Job *job, const BlockRef *b, Py_ssize_t i0, Py_ssize_t rows,
                             Buffer into) noexcept nogil:
    """Rows of a plane, in place."""
    cdef const Pooling *p = job.pooling
    cdef AxisPass axis_pass = pass_along(job, b, 2)
    cdef Buffer from_
    from_.values = <char *>job.x + row_at(job, b, i0, 0)
    from_.indices = NULL
    axis_pass.inner = axis_pass.out_step = axis_pass.pitch = p.inner
    axis_pass.rows, axis_pass.row_step = rows, p.axis[2].length * p.inner
    axis_pass.out_row = outputs(&b.ranges[2]) * p.inner
    axis_pass.where_first = index_of(p, b, i0, 0)
    axis_pass.where_row = index_of(p, b, 0, 1)
    reduce_axis(&axis_pass, from_, into)


cdef inline void search_copied_rows(const Job *job, const BlockRef *b, Py_ssize_t i0,
                                    Py_ssize_t rows, char *scratch, Buffer into) noexcept nogil:
    """Rows of a plane, copied with their indices one after the other."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t n = inputs(&b.ranges[2]), row = n * p.inner, i1
    cdef AxisPass axis_pass = pass_along(job, b, 2)
    cdef Buffer copied = pairs_at(job, scratch + job.schedule.area_at[0], row)
    axis_pass.doubles = job.schedule.doubles[2]
    axis_pass.inner = axis_pass.out_step = axis_pass.pitch = p.inner
    axis_pass.length = row
    for i1 in range(rows):
        convert(job.schedule, row, job.x + row_at(job, b, i0, i1), copied.values)
        job.schedule.accumulator.number(n, p.inner, index_of(p, b, i0, i1), 1, copied.indices)
        reduce_axis(&axis_pass, copied, into)
        into = advanced(job, into, outputs(&b.ranges[2]) * p.inner)


cdef inline Buffer search_axis_1(const Job *job, const BlockRef *b, Buffer now,
                                 char *scratch) noexcept nogil:
    """Rows of each plane to fewer rows."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t row = outputs(&b.ranges[2]) * p.inner, planes = inputs(&b.ranges[0])
    cdef Py_ssize_t rows = inputs(&b.ranges[1]), out_rows = outputs(&b.ranges[1])
    cdef AxisPass axis_pass = pass_along(job, b, 1)
    cdef Buffer found = pairs_at(job, scratch + job.schedule.area_at[2], planes * out_rows * row)
    cdef Buffer into = found
    axis_pass.doubles = job.schedule.doubles[1]
    axis_pass.inner = axis_pass.out_step = axis_pass.pitch = row
    axis_pass.length = rows * row
    for _ in range(planes):
        reduce_axis(&axis_pass, now, into)
        now = advanced(job, now, rows * row)
        into = advanced(job, into, out_rows * row)
    return found


cdef inline Buffer search_axis_0(const Job *job, const BlockRef *b, Buffer now,
                                 char *scratch) noexcept nogil:
    """Planes to fewer planes."""
    cdef Py_ssize_t plane = (
        outputs(&b.ranges[1]) * outputs(&b.ranges[2]) * job.pooling.inner)
    cdef AxisPass axis_pass = pass_along(job, b, 0)
    cdef Buffer found = pairs_at(job, scratch + job.schedule.area_at[0],
                                 outputs(&b.ranges[0]) * plane)
    axis_pass.doubles = job.schedule.doubles[0]
    axis_pass.inner = axis_pass.out_step = axis_pass.pitch = plane
    axis_pass.length = inputs(&b.ranges[0]) * plane
    reduce_axis(&axis_pass, now, found)
    return found


cdef inline void store_block(const Job *job, const BlockRef *b, Buffer found) noexcept nogil:
    """Positions in the plane, and the elements found there."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef Py_ssize_t rows = b.outers if b.outers > 1 else outputs(&b.ranges[1])
    cdef Py_ssize_t row = outputs(&b.ranges[2]) * p.inner, o0, o1, at
    cdef Py_ssize_t first = ((b.ranges[0].in_start * p.axis[1].length + b.ranges[1].in_start)
                             * p.axis[2].length + b.ranges[2].in_start)
    for o0 in range(outputs(&b.ranges[0])):
        for o1 in range(rows):
            at = output_at(p, b.first_outer, b.ranges[0].out_start + o0,
                           b.ranges[1].out_start + o1, b.ranges[2].out_start)
            s.accumulator.places(row, first, found.indices, job.positions + at)
            if s.input == s.accumulator:
                memcpy(job.y + at * p.out_size, found.values, row * p.out_size)
            else:
                store_found(job, b.first_outer + (o1 if b.outers > 1 else 0), at, row)
            found = advanced(job, found, row)


cdef inline void store_found(const Job *job, Py_ssize_t outer, Py_ssize_t at,
                             Py_ssize_t n) noexcept nogil:
    """n results from where they were found: an element as it is, not converted there and back."""
    cdef const Pooling *p = job.pooling
    cdef const char *x = job.x + input_at(p, outer, 0, 0, 0) * p.out_size
    cdef Py_ssize_t i
    for i in range(n):
        memcpy(job.y + (at + i) * p.out_size,
               x + (job.positions[at + i] * p.inner + i % p.inner) * p.out_size, p.out_size)


# ---- rows and their indices -----------------------------------------------------------------

cdef inline AxisPass pass_along(const Job *job, const BlockRef *b, int axis) noexcept nogil:
    """The search of one row along one axis, but for how its elements lie."""
    cdef AxisPass axis_pass
    memset(&axis_pass, 0, sizeof(AxisPass))
    axis_pass.kernels = &job.schedule.first
    axis_pass.axis = &job.pooling.axis[axis]
    axis_pass.axis_range = &b.ranges[axis]
    axis_pass.rows = 1
    return axis_pass


cdef inline Py_ssize_t row_at(const Job *job, const BlockRef *b, Py_ssize_t i0,
                              Py_ssize_t i1) noexcept nogil:
    """Where row i1 of plane i0 of a block's input begins, in bytes."""
    return job.schedule.input.size * input_at(
        job.pooling, b.first_outer, b.ranges[0].in_start + i0, b.ranges[1].in_start + i1,
        b.ranges[2].in_start)


cdef inline Py_ssize_t index_of(const Pooling *p, const BlockRef *b, Py_ssize_t i0,
                                Py_ssize_t i1) noexcept nogil:
    """The index of the first element of row i1 of plane i0 of a block's input."""
    if b.outers > 1:  # every row is a plane of its own
        return 0
    return (i0 * p.axis[1].length + i1) * p.axis[2].length


cdef inline Buffer pairs_at(const Job *job, char *area, Py_ssize_t n) noexcept nogil:
    """Room for n elements, and behind them for their indices."""
    cdef Buffer pairs
    pairs.values = area
    pairs.indices = area + round_up(n * job.schedule.accumulator.size, INDEX_ALIGNMENT)
    return pairs


cdef inline Buffer advanced(const Job *job, Buffer pairs, Py_ssize_t n) noexcept nogil:
    """What lies n elements further on."""
    pairs.values += n * job.schedule.accumulator.size
    pairs.indices += n * job.schedule.accumulator.index_size
    return pairs
