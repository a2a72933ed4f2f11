"""Norms of windows that hold numbers so large or small that their powers leave the range of double.

Each window is scaled by its largest element, so that nothing overflows on the way. That takes the
whole window for each output; so a block goes this way only if one of its elements asks for it.
"""
from libc.math cimport INFINITY, cbrt, fabs, floor, fma, frexp, ldexp, log2, pow, sqrt

from fastconv._desc.pool cimport span, window
from fastconv._kernels.dispatch cimport FC_F32, FC_F64
from fastconv._pooling.schedule cimport BlockRef, Job, Pooling, input_at, output_at

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


cdef enum:
    # Up to these powers, any element of the type stays in the range of double.
    MAX_POWER_OF_FLOAT = 6
    MAX_POWER_OF_INTEGERS = 15
    # Powers of two that a sum of powers may reach, and that its terms may go down to.
    MAX_EXPONENT = 1020
    MIN_EXPONENT = -960


cdef inline bint powers_overflow(const Job *job, const BlockRef *b) noexcept nogil:
    """Whether a power of a finite element of the block could overflow, or lose digits below."""
    cdef const Pooling *p = job.pooling
    cdef double least = INFINITY, largest = 0, x
    cdef double taps = <double>p.axis[0].kernel * p.axis[1].kernel * p.axis[2].kernel
    cdef Py_ssize_t o, i0, i1, i, start, stop
    if p.power == 1 or (p.type != FC_F64 and p.power <= (
            MAX_POWER_OF_FLOAT if p.type == FC_F32 else MAX_POWER_OF_INTEGERS)):
        return False
    for o in range(b.first_outer, b.first_outer + b.outers):
        for i0 in range(b.ranges[0].in_start, b.ranges[0].in_stop):
            for i1 in range(b.ranges[1].in_start, b.ranges[1].in_stop):
                start = input_at(p, o, i0, i1, b.ranges[2].in_start)
                stop = input_at(p, o, i0, i1, b.ranges[2].in_stop)
                for i in range(start, stop):
                    x = fabs(element(job, i))
                    if 0 < x < least:
                        least = x
                    if largest < x < INFINITY:
                        largest = x
    return largest > 0 and (p.power * log2(largest) + log2(taps) > MAX_EXPONENT
                            or p.power * log2(least) < MIN_EXPONENT)


cdef inline double element(const Job *job, Py_ssize_t i) noexcept nogil:
    cdef double value
    job.schedule.input.convert[<int>FC_F64](1, job.x + i * job.schedule.input.size, &value)
    return value


cdef inline void scaled_norm_block(const Job *job, const BlockRef *b) noexcept nogil:
    """The norms of a block, window by window."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t o, o0, o1, o2, c
    for o in range(b.first_outer, b.first_outer + b.outers):
        for o0 in range(b.ranges[0].out_start, b.ranges[0].out_stop):
            for o1 in range(b.ranges[1].out_start, b.ranges[1].out_stop):
                for o2 in range(b.ranges[2].out_start, b.ranges[2].out_stop):
                    for c in range(p.inner):
                        set_real(job.y, p.out_size, output_at(p, o, o0, o1, o2) + c,
                                 scaled_norm(job, o, o0, o1, o2, c))


cdef inline double scaled_norm(const Job *job, Py_ssize_t o, Py_ssize_t o0, Py_ssize_t o1,
                               Py_ssize_t o2, Py_ssize_t c) noexcept nogil:
    """The norm of a window, scaled by its largest element; or its NaN, infinity or zero."""
    cdef const Pooling *p = job.pooling
    cdef span s0 = window(&p.axis[0], o0), s1 = window(&p.axis[1], o1)
    cdef span s2 = window(&p.axis[2], o2)
    cdef Py_ssize_t t0, t1, t2, start
    cdef double largest = 0, total = 0, x
    cdef bint adds
    for adds in range(2):
        for t0 in range(s0.taps):
            for t1 in range(s1.taps):
                start = input_at(p, o, s0.first + t0 * s0.step, s1.first + t1 * s1.step,
                                 s2.first) + c
                for t2 in range(s2.taps):
                    x = fabs(element(job, start + t2 * s2.step * p.inner))
                    if adds:
                        total += power(p.power, x / largest)
                    elif x > largest or x != x:
                        largest = x
                        if x != x:
                            return x
        if largest == 0 or largest == INFINITY:
            return largest
    return largest * root(p.power, total)
