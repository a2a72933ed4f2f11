cimport numpy as cnp


cdef class PartialSums:
    cdef readonly cnp.ndarray array  # (parts, *shape), or the result itself where there is one part
    cdef cnp.ndarray result
    cdef char *data

    cdef int add_up(self) except -1
