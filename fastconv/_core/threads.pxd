ctypedef void (*task_function)(void *context, Py_ssize_t task, int thread) noexcept nogil

cdef double PIECE  # operations between two looks for Ctrl-C

cdef int threads_for(str function, object num_threads, double work) except -1
cdef bint is_long(double work) noexcept
cdef int parallel_for(task_function run, void *context, Py_ssize_t tasks, int threads,
                      double work) except -1
cdef int share(object function, Py_ssize_t tasks, int threads) except -1
