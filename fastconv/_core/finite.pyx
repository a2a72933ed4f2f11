"""Whether an array holds numbers alone: no infinity, no NaN."""
import numpy as np

cimport numpy as cnp

from fastconv._core.integers cimport ceil_div
from fastconv._core.threads cimport parallel_for

cnp.import_array()

cdef extern from *:
    """
    #include <stdint.h>
    static int fc_finite_32(const void *x, Py_ssize_t n)
    {
        const uint32_t *bits = x, exponent = 0x7f800000u;
        int found = 0;
        for (Py_ssize_t i = 0; i < n; i++) found |= (bits[i] & exponent) == exponent;
        return !found;
    }
    static int fc_finite_64(const void *x, Py_ssize_t n)
    {
        const uint64_t *bits = x, exponent = (uint64_t)0x7ff << 52;
        int found = 0;
        for (Py_ssize_t i = 0; i < n; i++) found |= (bits[i] & exponent) == exponent;
        return !found;
    }
    """
    bint fc_finite_32(const void *x, Py_ssize_t n) nogil
    bint fc_finite_64(const void *x, Py_ssize_t n) nogil

cdef enum:
    PIECE = 1 << 17  # elements that a task looks at

cdef struct Search:
    const char *data
    Py_ssize_t size, itemsize
    bint failed


cdef bint all_finite(cnp.ndarray array, int threads) except -1:
    """Whether no element of a float32 or float64 array is infinite or a NaN."""
    cdef Search search
    if not cnp.PyArray_ISONESEGMENT(array):
        return np.isfinite(array).all()
    search.itemsize = cnp.PyArray_ITEMSIZE(array)
    search.data = cnp.PyArray_BYTES(array)
    search.size = cnp.PyArray_SIZE(array)
    search.failed = False
    parallel_for(search_piece, &search, ceil_div(search.size, PIECE), threads, 0.0)
    return not search.failed


cdef void search_piece(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Search *search = <Search *>context
    cdef Py_ssize_t start = task * PIECE, n = min(<Py_ssize_t>PIECE, search.size - start)
    cdef const char *data = search.data + start * search.itemsize
    if not (fc_finite_32(data, n) if search.itemsize == 4 else fc_finite_64(data, n)):
        search.failed = True
