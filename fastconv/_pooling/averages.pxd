from fastconv._desc.pool cimport pool_axis
from fastconv._pooling.schedule cimport BlockRef, Job, Pooling

# What the windows of a row of outputs are divided by.
cdef struct Divisors:
    double *values  # one for each window; where `single`, one for all
    bint single
    double others   # what the windows count on the other axes; 0: not set yet

# Sums of some rows of a block, `row_step` elements of `size` bytes apart.
cdef struct SumRows:
    const char *values
    Py_ssize_t size, rows, row_step


cdef bint all_count_alike(const pool_axis *axis, bint padding) noexcept
cdef void set_divisors(const Pooling *p, const pool_axis *axis, const Py_ssize_t *first,
                       Py_ssize_t n, Divisors *divisors) noexcept nogil
cdef void finish_sums(const Job *job, const BlockRef *b, Py_ssize_t o0, const SumRows *sums,
                      char *y, double *divisors) noexcept nogil
