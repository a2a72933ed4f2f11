"""From sums to averages and norms: what windows count, and the last step of a block.

A window's average divides by what it counts along each axis, multiplied. Where that is the same for
all windows, one divisor serves them; otherwise a row has one for each.
"""
from fastconv._desc.pool cimport counted, pool_axis
from fastconv._pooling.axis cimport is_trivial, outputs
from fastconv._pooling.norms cimport root, set_real
from fastconv._pooling.schedule cimport BlockRef, Job, MEAN_GRADIENT, NORM, Pooling

# What the windows of a row of outputs are divided by.
cdef struct Divisors:
    double *values  # one for each window; where `single`, one for all
    bint single
    double others   # what the windows count on the other axes; 0: not set yet

# Sums of some rows of a block, `row_step` elements of `size` bytes apart.
cdef struct SumRows:
    const char *values
    Py_ssize_t size, rows, row_step


cdef inline bint all_count_alike(const pool_axis *axis, bint padding) noexcept:
    """Whether all windows of the axis count the same."""
    cdef Py_ssize_t o, first = counted(axis, 0, padding)
    for o in range(1, axis.outputs):
        if counted(axis, o, padding) != first:
            return False
    return True


cdef inline void set_divisors(const Pooling *p, const pool_axis *axis, const Py_ssize_t *first,
                              Py_ssize_t n, Divisors *divisors) noexcept nogil:
    """The divisors of n windows of three axes, which are neighbours on the last from `first` on."""
    cdef double others = 1
    cdef Py_ssize_t i
    if p.divisor == 0:
        others = counted(&axis[0], first[0], p.count_padding) * <double>counted(
            &axis[1], first[1], p.count_padding)
    if others == divisors.others:
        return
    divisors.others = others
    divisors.single = True
    if p.divisor != 0 or n == 0:
        divisors.values[0] = p.divisor
        return
    for i in range(n):
        divisors.values[i] = others * counted(&axis[2], first[2] + i, p.count_padding)
        if divisors.values[i] != divisors.values[0]:
            divisors.single = False


cdef inline void finish_sums(const Job *job, const BlockRef *b, Py_ssize_t o0, const SumRows *sums,
                             char *y, double *divisors) noexcept nogil:
    """Rows of results, from the sums of a block at output o0 of axis 0."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t n = outputs(&b.ranges[2]), y_row = p.axis[2].outputs * p.inner, r, i
    if p.op == NORM:
        for r in range(sums.rows):
            for i in range(n * p.inner):
                set_real(y + r * y_row * p.out_size, p.out_size, i,
                         root(p.power, (<const double *>sums.values)[r * sums.row_step + i]))
    elif p.op == MEAN_GRADIENT:
        divisors[0] = 1  # only to narrow
        for r in range(sums.rows):
            job.schedule.divide(n, p.inner, sums.values + r * sums.row_step * sums.size, divisors,
                                True, y + r * y_row * p.out_size)
    else:
        finish_averages(job, b, o0, sums, y, divisors)


cdef inline void finish_averages(const Job *job, const BlockRef *b, Py_ssize_t o0,
                                 const SumRows *sums, char *y, double *values) noexcept nogil:
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t n = outputs(&b.ranges[2]), y_row = p.axis[2].outputs * p.inner, r
    # rows of one divisor, or one row of each of several planes
    cdef bint rows_alike = p.divisor != 0 or (is_trivial(&p.axis[0]) and is_trivial(&p.axis[1]))
    cdef Py_ssize_t[3] first = [o0, b.ranges[1].out_start, b.ranges[2].out_start]
    cdef Divisors divisors
    divisors.values, divisors.others = values, 0
    for r in range(sums.rows):
        if r == 0 or not rows_alike:
            set_divisors(p, p.axis, first, n, &divisors)
            first[1] += 1
        if (rows_alike and divisors.single and sums.row_step == y_row
                and n * p.inner == y_row):
            job.schedule.divide(n * sums.rows, p.inner, sums.values, values, True, y)
            return
        job.schedule.divide(n, p.inner, sums.values + r * sums.row_step * sums.size, values,
                            divisors.single, y + r * y_row * p.out_size)
