cdef Py_ssize_t CACHE  # bytes of the second-level cache

cdef enum:
    LAST_LEVEL_CACHE_BYTES = 16 << 20  # as a guess: what is larger comes from memory

cdef extern from *:
    """
    static inline void fc_fetch(const void *start, Py_ssize_t bytes)
    {
    #ifdef __GNUC__
        const char *from = start;
        for (Py_ssize_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 2);
    #endif
    }
    """
    # Brings lines to the second-level cache; the range need not be memory.
    void fc_fetch(const void *start, Py_ssize_t bytes) nogil

# One allocation.
cdef struct Block:
    char *data
    size_t size


cdef class Scratch:
    cdef Block *block
    cdef char *data
    cdef size_t size


cdef Scratch acquire(size_t size)
