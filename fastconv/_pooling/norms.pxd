"""Powers and roots of norms, in double."""
from libc.math cimport INFINITY, cbrt, fabs, floor, fma, frexp, ldexp, pow, sqrt

from fastconv._pooling.schedule cimport BlockRef, Job


cdef inline double power(double p, double x) noexcept nogil:
    """|x| to the power of p."""
    x = fabs(x)
    if p == 1:
        return x
    if p == 2:
        return x * x
    if p == 3:
        return x * x * x
    return pow(x, p)


cdef inline double root(double p, double s) noexcept nogil:
    """The p-th root of a sum of powers."""
    cdef double quotient
    cdef int exponent
    if p == 1:
        return s
    if p == 2:
        return sqrt(s)
    if p == 3:
        return cbrt(s)
    if not 0 < s < INFINITY:
        return s
    # s = f 2^e = (f 2^r) (2^q)^p: the error of 1/p counts as often as the logarithm is large.
    s = frexp(s, &exponent)
    quotient = floor(exponent / p)
    return ldexp(pow(s * pow(2, fma(-quotient, p, exponent)), 1 / p), <int>quotient)


cdef inline void set_real(char *x, Py_ssize_t size, Py_ssize_t i, double value) noexcept nogil:
    """Element i of an array of float, or of double where `size` is 8."""
    if size == 4:
        (<float *>x)[i] = <float>value
    else:
        (<double *>x)[i] = value


cdef bint powers_overflow(const Job *job, const BlockRef *b) noexcept nogil
cdef void scaled_norm_block(const Job *job, const BlockRef *b) noexcept nogil
