cdef double BANDWIDTH

cdef double CLOCK

cdef double peak(Py_ssize_t itemsize) except -1
