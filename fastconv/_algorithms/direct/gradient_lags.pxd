from fastconv._algorithms.direct.types cimport GradientSchedule, Layout

cdef GradientSchedule plan_lags(const Layout *layout, Py_ssize_t batch) noexcept
cdef void run_lags(void *context, Py_ssize_t task, int thread) noexcept nogil
