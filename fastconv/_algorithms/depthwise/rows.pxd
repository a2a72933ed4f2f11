from fastconv._algorithms.depthwise.blocks cimport Job
from fastconv._core.types cimport real_t

cdef void run_rows(const Job *job, Py_ssize_t task, real_t *window,
                   char *scratch) noexcept nogil
