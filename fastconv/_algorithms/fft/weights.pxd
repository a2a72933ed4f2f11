from fastconv._algorithms.fft.lattice cimport Layout

cimport numpy as cnp

cdef int fill_weights(Layout layout, cnp.ndarray weight, Py_ssize_t first,
                      cnp.ndarray tile) except -1
cdef int scatter_weights(Layout layout, cnp.ndarray sums, Py_ssize_t first,
                         cnp.ndarray out) except -1
