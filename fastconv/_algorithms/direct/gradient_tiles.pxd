from fastconv._algorithms.direct.types cimport GradientSchedule, Layout

cdef double LONGEST_TASK  # operations

cdef GradientSchedule plan_tiles(const Layout *layout, Py_ssize_t batch) noexcept
cdef void run_tiles(void *context, Py_ssize_t task, int thread) noexcept nogil
