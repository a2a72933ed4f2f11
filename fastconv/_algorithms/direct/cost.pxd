from fastconv._algorithms.direct.types cimport GradientSchedule, Layout, Phase
from fastconv._core.machine cimport CostTerms

# A kernel that may serve a layout: `igemm_pixels[number]` or `igemm`.
cdef struct Kernel:
    bint by_pixels
    int number
    Py_ssize_t width  # output channels of a block of weights
    int joined        # as in `Layout`
    double cycles     # of an output

cdef Kernel fastest_kernel(const Layout *layout) noexcept
cdef int run_vectors(const Layout *layout, int kernel) noexcept
cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept
cdef double part_seconds(const Layout *layout, const Phase *phase, double work, double weights,
                         double window) noexcept
cdef double passes_over_weights(const Layout *layout, Py_ssize_t batch) noexcept
cdef CostTerms tiles_cost(const GradientSchedule *schedule) noexcept
cdef CostTerms lags_cost(const GradientSchedule *schedule) noexcept
