from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._core.machine cimport CostTerms

cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept
