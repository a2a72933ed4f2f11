"""Whether an array holds numbers alone: no infinity, no NaN."""
import numpy as np

cimport numpy as cnp

from fastconv._core.integers cimport ceil_div
from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

cnp.import_array()

cdef enum:
    PIECE = 1 << 17  # elements that a task looks at

cdef struct Search:
    const fc_kernels *kernels
    const char *data
    Py_ssize_t size, itemsize
    bint failed


cdef bint all_finite(cnp.ndarray array, int threads) except -1:
    """Whether no element of a float32 or float64 array is infinite or a NaN."""
    cdef Search search
    if not cnp.PyArray_ISONESEGMENT(array):
        return np.isfinite(array).all()
    search.itemsize = cnp.PyArray_ITEMSIZE(array)
    search.kernels = kernels_for(search.itemsize)
    search.data = cnp.PyArray_BYTES(array)
    search.size = cnp.PyArray_SIZE(array)
    search.failed = False
    parallel_for(search_piece, &search, ceil_div(search.size, PIECE), threads, 0.0)
    return not search.failed


def finite(array, int threads=1):
    """`all_finite` for Python."""
    return all_finite(array, threads)


cdef void search_piece(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Search *search = <Search *>context
    cdef Py_ssize_t start = task * PIECE, n = min(<Py_ssize_t>PIECE, search.size - start)
    if not search.kernels.all_finite(n, search.data + start * search.itemsize):
        search.failed = True
