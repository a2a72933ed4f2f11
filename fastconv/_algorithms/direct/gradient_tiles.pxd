from fastconv._algorithms.direct.types cimport GradientSchedule, Layout

cdef double LONGEST_TASK  # operations
cdef Py_ssize_t TASKS_FOR_THREADS

cdef Py_ssize_t parts_for_threads(const GradientSchedule *schedule, Py_ssize_t tasks) noexcept
cdef GradientSchedule plan_tiles(const Layout *layout, Py_ssize_t batch) noexcept
cdef void run_tiles(void *context, Py_ssize_t task, int thread) noexcept nogil
