cimport cython
cimport numpy as cnp


@cython.final
cdef class Destination:
    cdef str function
    cdef object out       # what the caller gave
    cdef object dtype     # of what is returned
    cdef object how       # it comes of what is computed, as `conversion` says
    cdef object computed  # dtype
    cdef tuple shape
    cdef cnp.ndarray array
    cdef bint in_place
    cdef bint piecewise         # `array` has the result's dtype, and is filled piece by piece
    cdef Py_ssize_t converted   # elements that are, on their way in or out

    cdef cnp.ndarray room(self, cnp.ndarray place)
    cdef int put(self, cnp.ndarray room, cnp.ndarray place) except -1
    cdef finish(self)


cdef object SAME_KIND

cdef Destination destination(str function, out, out_dtype, casting, tuple shape, result,
                             computed, tuple inputs, double work, bint has_batch,
                             Py_ssize_t converted=*)
cdef Py_ssize_t size_of(tuple shape) noexcept
cdef cnp.ndarray empty(tuple shape, dtype, bint has_batch)
cdef cnp.ndarray add_batch(cnp.ndarray array, bint has_batch)
cdef cnp.ndarray batched(cnp.ndarray array, dtype, bint has_batch)
cdef bint is_contiguous(cnp.ndarray array, dtype) noexcept
cdef cnp.ndarray contiguous(array, dtype, bint has_batch)
cdef bint has_shape(cnp.ndarray array, tuple shape) noexcept
