cimport numpy as cnp

from fastconv._algorithms.depthwise.layout cimport Layout

cdef void pack_weights(const Layout *layout, cnp.ndarray weight, char *packed) noexcept
