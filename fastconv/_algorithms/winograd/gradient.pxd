from fastconv._algorithms.winograd.types cimport GradientLayout

cdef Py_ssize_t gradient_workspace_bytes(const GradientLayout *gradient, int threads) noexcept
