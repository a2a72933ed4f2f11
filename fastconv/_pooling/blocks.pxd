from libc.string cimport memcpy

from fastconv._pooling.schedule cimport BlockRef, Job, Schedule


cdef inline void convert(const Schedule *s, Py_ssize_t n, const char *x, char *to) noexcept nogil:
    """Copy elements of the input as intermediate results."""
    if s.input == s.accumulator:
        memcpy(to, x, n * s.input.size)
    elif s.accumulator.size == 4:
        s.input.to_float(n, x, to)
    else:
        s.input.to_double(n, x, to)


cdef void separable_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil
