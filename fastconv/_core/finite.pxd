cimport numpy as cnp

cdef bint all_finite(cnp.ndarray array, int threads) except -1
