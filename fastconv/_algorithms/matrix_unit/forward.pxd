cimport numpy as cnp

from fastconv._algorithms.matrix_unit.layout cimport PassLayout
from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._core.scratch cimport Scratch
from fastconv._kernels.dispatch cimport fc_epilogue


cdef class PreparedPass:
    cdef PassLayout kept
    cdef cnp.ndarray weight        # until it is packed
    cdef Scratch packed
    cdef const fc_epilogue *epilogue

    cdef bint pack(self, int threads) except -1

cdef Py_ssize_t workspace_bytes(const Layout *layout, int threads) noexcept
