cimport cython

from fastconv._core.types cimport real_t


@cython.final
cdef class Room:
    cdef readonly int threads  # that may multiply
    cdef bint entered

cdef int load() except -1
cdef Room room_for(int threads)

cdef void gemm(bint trans_a, bint trans_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
               const real_t *a, Py_ssize_t lda, const real_t *b, Py_ssize_t ldb,
               bint accumulate, real_t *c, Py_ssize_t ldc) noexcept nogil
