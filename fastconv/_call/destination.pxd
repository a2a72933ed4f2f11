cimport cython
cimport numpy as cnp


@cython.final
cdef class Destination:
    cdef str function
    cdef object out       # what the caller gave
    cdef object dtype     # of what is returned
    cdef object how       # it comes of what is computed, as `conversion` says
    cdef tuple shape
    cdef cnp.ndarray array
    cdef bint in_place

    cdef finish(self)


cdef object SAME_KIND

cdef Destination destination(str function, out, out_dtype, casting, tuple shape, result,
                             arithmetic, tuple inputs, double work, bint has_batch)
cdef cnp.ndarray empty(tuple shape, dtype, bint has_batch)
cdef cnp.ndarray add_batch(cnp.ndarray array, bint has_batch)
cdef cnp.ndarray batched(cnp.ndarray array, dtype, bint has_batch)
cdef cnp.ndarray contiguous(array, dtype, bint has_batch)
cdef bint has_shape(cnp.ndarray array, tuple shape) noexcept
