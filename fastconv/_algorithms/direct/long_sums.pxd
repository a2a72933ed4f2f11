from fastconv._algorithms.direct.types cimport CHUNK_TAPS
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels

cdef enum:
    LONG_SUM = 32 * CHUNK_TAPS  # products, of one block of the last level

# Sums to which blocks of products are added one after the other.
cdef struct LongSums:
    Py_ssize_t n       # sums
    Py_ssize_t limit   # products of a row, at most; what is longer goes to totals
    Py_ssize_t in_row
    bint fresh         # the next block begins a row
    bint has_totals


cdef void carry(const fc_kernels *kernels, Py_ssize_t tap, Py_ssize_t taps, Py_ssize_t n,
                real_t *sums, real_t *totals) noexcept nogil
cdef LongSums long_sums(Py_ssize_t n, Py_ssize_t limit) noexcept nogil
cdef void expect_products(LongSums *state, const fc_kernels *kernels, Py_ssize_t products,
                          real_t *sums, real_t *totals) noexcept nogil
cdef void finish_sums(const LongSums *state, const fc_kernels *kernels, real_t *sums,
                      const real_t *totals) noexcept nogil
