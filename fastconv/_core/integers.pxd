"""Arithmetic of sizes that blocking needs."""


cdef inline Py_ssize_t up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    """n rounded up to a multiple of unit."""
    return (n + unit - 1) // unit * unit


cdef inline Py_ssize_t parts(Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """How many parts of a size n has, the last one perhaps smaller."""
    return (n + size - 1) // size


cdef inline Py_ssize_t even(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """The size of nearly equal parts of n that are no longer than `most`."""
    cdef Py_ssize_t count = parts(n, most)
    return parts(n, count) if count else 1


cdef inline Py_ssize_t gcd(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a


cdef inline Py_ssize_t modulo(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """a mod b in 0 … b - 1, also for a negative a."""
    a %= b
    return a + b if a < 0 else a
