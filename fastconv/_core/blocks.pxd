"""Blocks: which part of the work a task is, and where it finds its scratch memory."""
from fastconv._core.integers cimport round_up

cdef enum:
    CACHE_LINE = 64  # bytes


cdef inline Py_ssize_t unravel(Py_ssize_t number, const Py_ssize_t *extent, int n,
                               Py_ssize_t *index) noexcept nogil:
    """Coordinates of block `number` in a grid of n axes, the last of which varies fastest.

    Returns what is left: the number of the grid, where several follow each other.
    """
    cdef int a
    for a in range(n - 1, -1, -1):
        index[a] = number % extent[a]
        number //= extent[a]
    return number


# Scratch memory of one thread, as it is laid out: every reservation begins on a line of the cache.
cdef struct Arena:
    Py_ssize_t size  # bytes so far


cdef inline Py_ssize_t reserve(Arena *arena, Py_ssize_t bytes) noexcept nogil:
    """Add room for so many bytes; returns where it begins."""
    cdef Py_ssize_t at = arena.size
    arena.size = round_up(at + bytes, CACHE_LINE)
    return at
