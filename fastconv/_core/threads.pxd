ctypedef void (*task_function)(void *context, Py_ssize_t task, int thread) noexcept nogil

cdef double SIGNAL_WORK  # operations between two looks for Ctrl-C

# Tasks start … stop - 1, of a loop over all of them.
cdef struct Slices:
    Py_ssize_t tasks, size, start, stop
    int threads

cdef object plain_threads(str function, num_threads)
cdef int threads_for(str function, object num_threads, double work) except -1
cdef bint is_long(double work) noexcept
cdef bint has_forked() noexcept
cdef int parallel_for(task_function run, void *context, Py_ssize_t tasks, int threads,
                      double work) except -1
cdef Slices slices(Py_ssize_t tasks, double work, int threads) noexcept
cdef bint next_slice(Slices *s) except -1
