from fastconv._kernels.dispatch cimport fc_kernels


cdef extern from "bytes.h" nogil:
    ctypedef struct fc_bytes:
        void (*fill_words)(fc_kernels *kernels) noexcept nogil
        void (*fill)(fc_kernels *kernels) noexcept nogil
        void (*quads)(Py_ssize_t n, const void *a, const void *b, const void *c, const void *d,
                      int flip, void *dst) noexcept nogil
        void (*bytes)(Py_ssize_t n, const void *src, int flip, void *dst) noexcept nogil


cdef bint have_bytes() except -1
cdef const fc_bytes *byte_functions() noexcept
cdef const fc_kernels *byte_kernels() noexcept
