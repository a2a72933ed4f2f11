cdef double BANDWIDTH

cdef double peak(Py_ssize_t itemsize) except -1
