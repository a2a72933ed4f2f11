cimport numpy as cnp

from fastconv._algorithms.direct.layout cimport PassLayout
from fastconv._algorithms.direct.types cimport Layout
from fastconv._algorithms.direct.weights cimport Weights
from fastconv._core.scratch cimport Scratch
from fastconv._core.serial cimport SerialKernel
from fastconv._core.strided cimport Strided5
from fastconv._kernels.dispatch cimport fc_epilogue


cdef class Correlation(SerialKernel):
    cdef PassLayout owner
    cdef const Layout *layout
    cdef const fc_epilogue *epilogue
    cdef cnp.ndarray weight  # what `weights` points into, until they are packed
    cdef Weights weights
    cdef Scratch packed      # or None
    cdef void *kept_job      # of `serial`, or NULL

    cdef int pack(self, int threads) except -1
    cdef bint packs_on_the_way(self, Py_ssize_t batch) noexcept
    cdef bint reads_in_place(self, const Strided5 *source, Py_ssize_t batch) noexcept
