cimport numpy as cnp

from fastconv._algorithms.winograd.layout cimport PassLayout
from fastconv._algorithms.winograd.types cimport Layout
from fastconv._core.scratch cimport Scratch


cdef class PreparedPass:
    cdef PassLayout kept
    cdef cnp.ndarray weight  # until they are transformed
    cdef Scratch packed

    cdef int pack(self, int threads) except -1

cdef Py_ssize_t workspace_bytes(const Layout *layout, int threads) noexcept
