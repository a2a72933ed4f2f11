"""Arithmetic of sizes that blocking needs."""


cdef inline Py_ssize_t ceil_div(Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """How many blocks of a size cover n, the last one perhaps smaller."""
    return (n + size - 1) // size


cdef inline Py_ssize_t round_up(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    """n rounded up to a multiple of unit."""
    return ceil_div(n, unit) * unit


cdef inline Py_ssize_t even_size(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """The size of nearly equal blocks that cover n and are no longer than `most`, or than 1."""
    cdef Py_ssize_t count = ceil_div(n, max(most, <Py_ssize_t>1))
    return ceil_div(n, count) if count else 1


cdef inline Py_ssize_t gcd(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a


cdef inline Py_ssize_t modulo(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """a mod b in 0 … b - 1, also for a negative a."""
    a %= b
    return a + b if a < 0 else a
