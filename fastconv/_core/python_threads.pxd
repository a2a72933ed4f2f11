cdef int python_parallel_for(object function, Py_ssize_t tasks, int threads) except -1
