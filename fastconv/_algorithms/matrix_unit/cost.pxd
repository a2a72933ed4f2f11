from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._core.machine cimport CostTerms

cdef double task_seconds(const Layout *layout, Py_ssize_t rows, Py_ssize_t channel_parts) noexcept
cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept
