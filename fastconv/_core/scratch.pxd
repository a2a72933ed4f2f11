cdef Py_ssize_t CACHE  # bytes of the second-level cache

cdef class Block:
    cdef char *data
    cdef size_t size


cdef class Scratch:
    cdef Block block
    cdef char *data
    cdef size_t size


cdef Scratch acquire(size_t size)
