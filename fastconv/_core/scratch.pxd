cdef class Block:
    cdef char *data
    cdef size_t size


cdef class Scratch:
    cdef Block block
    cdef char *data
    cdef size_t size


cdef Scratch acquire(size_t size)
