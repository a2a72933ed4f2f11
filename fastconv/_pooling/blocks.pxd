"""A block of outputs, one axis after the other.

Each time the work is elementwise over all that lies inside of the axis, so that vectors are full
whatever the stride. The first reduction reads the input in place, unless that is to be converted
or doubled, and the last writes the result, unless sums are to be divided. What lies between is in
scratch memory.
"""
from libc.string cimport memcpy, memset

from fastconv._pooling.averages cimport Divisors, SumRows, finish_sums, set_divisors
from fastconv._pooling.axis cimport inputs, is_trivial, outputs
from fastconv._pooling.norms cimport power
from fastconv._pooling.reduce_axis cimport AxisPass, reduce_axis
from fastconv._pooling.schedule cimport (
    AxisKernels, BlockRef, Buffer, Job, MEAN, MEAN_GRADIENT, NORM, Pooling, Schedule, input_at,
    output_at,
)

cdef inline void convert(const Schedule *s, Py_ssize_t n, const char *x, char *to) noexcept nogil:
    """Copy elements of the input as intermediate results."""
    if s.input == s.accumulator:
        memcpy(to, x, n * s.input.size)
    else:
        s.input.convert[<int>s.accumulator_type](n, x, to)


# A block on its way: elements, the kernels that read them, and how far apart, in elements,
# neighbours are on axis 0, on axis 1, and along `outer`.
cdef struct Partial:
    char *values
    const AxisKernels *kernels
    Py_ssize_t pitch0, pitch1, outer_pitch


cdef inline void separable_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Reduce what a block reads along axes 0, 1 and 2."""
    cdef const Pooling *p = job.pooling
    cdef Partial block = input_of(job, b, scratch)
    if not is_trivial(&p.axis[0]):
        reduce_axis_0(job, b, scratch, &block)
    if not is_trivial(&p.axis[1]):
        reduce_axis_1(job, b, scratch, &block)
    reduce_axis_2(job, b, scratch, &block)


cdef inline Partial input_of(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """What a block reads: the input itself, or a copy."""
    cdef const Pooling *p = job.pooling
    cdef Partial block
    if job.schedule.copies:
        block.values = scratch + job.schedule.area_at[0]
        block.kernels = &job.schedule.later
        block.pitch1 = inputs(&b.ranges[2]) * p.inner
        block.pitch0 = inputs(&b.ranges[1]) * block.pitch1
        block.outer_pitch = inputs(&b.ranges[0]) * block.pitch0
        copy_input(job, b, block.values, <double *>(scratch + job.schedule.divisors_at))
    else:
        block.values = <char *>job.x + job.schedule.input.size * input_at(
            p, b.first_outer, b.ranges[0].in_start, b.ranges[1].in_start, b.ranges[2].in_start)
        block.kernels = &job.schedule.first
        block.pitch1 = p.axis[2].length * p.inner
        block.pitch0 = p.axis[1].length * block.pitch1
        block.outer_pitch = p.axis[0].length * block.pitch0
    return block


cdef inline void copy_input(const Job *job, const BlockRef *b, char *to,
                            double *values) noexcept nogil:
    """Copy what a block reads, as it is, as powers, or as gradients over their divisors."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef Py_ssize_t n = inputs(&b.ranges[2]), row = n * p.inner, o, i0, i1, i
    cdef Py_ssize_t[3] first
    cdef Divisors divisors
    if row == 0:
        return
    divisors.values, divisors.others = values, 0
    for o in range(b.first_outer, b.first_outer + b.outers):
        for i0 in range(b.ranges[0].in_start, b.ranges[0].in_stop):
            for i1 in range(b.ranges[1].in_start, b.ranges[1].in_stop):
                first[0], first[1], first[2] = i0, i1, b.ranges[2].in_start
                convert(s, row, job.x + input_at(p, o, i0, i1, first[2]) * s.input.size, to)
                if p.op == NORM:
                    for i in range(row):
                        (<double *>to)[i] = power(p.power, (<double *>to)[i])
                elif p.op == MEAN_GRADIENT:
                    set_divisors(p, p.forward, first, n, &divisors)
                    s.divide_input(n, p.inner, to, values, divisors.single, to)
                to += row * s.accumulator.size


cdef inline void reduce_axis_0(const Job *job, const BlockRef *b, char *scratch,
                               Partial *block) noexcept nogil:
    """Planes to fewer planes: all rows at once where they follow each other, or one by one."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t rows = inputs(&b.ranges[1]), row = inputs(&b.ranges[2]) * p.inner
    cdef AxisPass axis_pass = pass_along(job, b, 0, block)
    cdef Buffer from_, into
    from_.values, into.values = block.values, scratch + job.schedule.area_at[1]
    from_.indices = into.indices = NULL
    axis_pass.rows = 1
    axis_pass.out_step = rows * row
    axis_pass.pitch = block.pitch0
    axis_pass.length = block.outer_pitch
    if block.pitch1 == row:
        axis_pass.inner = rows * row
        reduce_axis(&axis_pass, from_, into)
    else:
        axis_pass.inner = row
        for _ in range(rows):
            reduce_axis(&axis_pass, from_, into)
            from_.values += block.pitch1 * block.kernels.size
            into.values += row * block.kernels.out_size
    block.values = scratch + job.schedule.area_at[1]
    block.kernels = &job.schedule.later
    block.pitch0, block.pitch1 = rows * row, row


cdef inline void reduce_axis_1(const Job *job, const BlockRef *b, char *scratch,
                               Partial *block) noexcept nogil:
    """Rows of each plane to fewer rows."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t out_rows = outputs(&b.ranges[1]), row = inputs(&b.ranges[2]) * p.inner
    cdef AxisPass axis_pass = pass_along(job, b, 1, block)
    cdef Buffer from_, into
    from_.values, into.values = block.values, scratch + job.schedule.area_at[2]
    from_.indices = into.indices = NULL
    axis_pass.rows = 1
    axis_pass.inner = axis_pass.out_step = row
    axis_pass.pitch = block.pitch1
    axis_pass.length = inputs(&b.ranges[1]) * row
    for _ in range(outputs(&b.ranges[0])):
        reduce_axis(&axis_pass, from_, into)
        from_.values += block.pitch0 * block.kernels.size
        into.values += out_rows * row * block.kernels.out_size
    block.values = scratch + job.schedule.area_at[2]
    block.kernels = &job.schedule.later
    block.pitch0, block.pitch1 = out_rows * row, row


cdef inline void reduce_axis_2(const Job *job, const BlockRef *b, char *scratch,
                               const Partial *block) noexcept nogil:
    """Columns of the rows of each plane, or of the one row of each of several, to results."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef bint divides = p.op == MEAN or p.op == NORM or (p.op == MEAN_GRADIENT and s.narrows)
    cdef AxisPass axis_pass = pass_along(job, b, 2, block)
    cdef Py_ssize_t o
    cdef Buffer from_, into
    cdef SumRows sums
    cdef char *y
    # Sums that are not of the result's type go to an area that is free.
    cdef char *area = scratch + s.area_at[
        2 if block.values == scratch + s.area_at[0] else 0]
    from_.values = block.values
    from_.indices = into.indices = NULL
    axis_pass.rows, axis_pass.row_step = outputs(&b.ranges[1]), block.pitch1
    if b.outers > 1:
        axis_pass.rows, axis_pass.row_step = b.outers, block.outer_pitch
    axis_pass.inner = axis_pass.out_step = axis_pass.pitch = p.inner
    axis_pass.out_row = p.axis[2].outputs * p.inner
    if divides and s.narrows:
        axis_pass.out_row = outputs(&b.ranges[2]) * p.inner
    axis_pass.length = axis_pass.rows * axis_pass.row_step
    sums.size, sums.rows = block.kernels.out_size, axis_pass.rows
    sums.row_step = axis_pass.out_row
    for o in range(b.ranges[0].out_start, b.ranges[0].out_stop):
        y = job.y + p.out_size * output_at(p, b.first_outer, o, b.ranges[1].out_start,
                                           b.ranges[2].out_start)
        into.values = area if divides and s.narrows else y
        reduce_axis(&axis_pass, from_, into)
        if divides:
            sums.values = into.values
            finish_sums(job, b, o, &sums, y, <double *>(scratch + s.divisors_at))
        from_.values += block.pitch0 * block.kernels.size


cdef inline AxisPass pass_along(const Job *job, const BlockRef *b, int axis,
                                const Partial *block) noexcept nogil:
    """The reduction of a block along one axis, but for how its elements lie."""
    cdef AxisPass axis_pass
    memset(&axis_pass, 0, sizeof(AxisPass))
    axis_pass.kernels = block.kernels
    axis_pass.axis = &job.pooling.axis[axis]
    axis_pass.axis_range = &b.ranges[axis]
    axis_pass.doubles = job.schedule.doubles[axis]
    return axis_pass
