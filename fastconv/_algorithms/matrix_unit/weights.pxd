cimport numpy as cnp

from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._core.scratch cimport Scratch

cdef bint pack_weights(const Layout *layout, cnp.ndarray weight, Scratch packed,
                       int threads) except -1
