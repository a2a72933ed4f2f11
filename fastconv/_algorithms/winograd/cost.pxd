from fastconv._algorithms.winograd.types cimport BlockShape, GradientLayout, Layout
from fastconv._core.machine cimport CostTerms

# What one block of spans of one group takes, in cycles.
cdef struct BlockCycles:
    double products
    double traffic     # of what leaves the second-level cache between the steps
    double gather      # of the window
    double input       # transform,
    double output      # and transform back
    double store

cdef BlockCycles block_cycles(const Layout *layout, const BlockShape *block) noexcept
cdef double image_cycles(const Layout *layout, const BlockShape *block) noexcept
cdef double input_share(const Layout *layout, const BlockShape *block) noexcept
cdef bint rows_are_contiguous(const Layout *layout, const BlockShape *block) noexcept
cdef bint packs_on_demand(const Layout *layout) noexcept
cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept
cdef CostTerms gradient_cost(const GradientLayout *gradient) noexcept
