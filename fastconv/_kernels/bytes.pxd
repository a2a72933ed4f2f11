from libc.stdint cimport int16_t, int32_t

from fastconv._kernels.dispatch cimport fc_kernels, fc_type


cdef extern from "bytes.h" nogil:
    ctypedef struct fc_spread:
        pass

    enum:
        FC_PLANE_COLUMNS

    ctypedef struct fc_byte_plane:
        Py_ssize_t height, width, top, left, first, rows, out_width
        Py_ssize_t kernel[2]
        Py_ssize_t dilation[2]
        int32_t bias, low, high, has_sign
        fc_type type

    ctypedef struct fc_bytes:
        void (*fill_words)(fc_kernels *kernels) noexcept nogil
        void (*fill)(fc_kernels *kernels) noexcept nogil
        void (*quads)(Py_ssize_t n, const void *a, const void *b, const void *c, const void *d,
                      int flip, void *dst) noexcept nogil
        void (*bytes)(Py_ssize_t n, const void *src, int flip, void *dst) noexcept nogil
        void (*byte_rows)(Py_ssize_t rows, Py_ssize_t n, const void *src, Py_ssize_t src_row,
                          int flip, void *dst, Py_ssize_t dst_row) noexcept nogil
        void (*set_spread)(Py_ssize_t stride, Py_ssize_t dilation,
                           fc_spread *spread) noexcept nogil
        void (*spread)(Py_ssize_t n, const void *src, const fc_spread *spread,
                       void *dst) noexcept nogil
        void (*dwconv)(Py_ssize_t pixels, Py_ssize_t taps, const Py_ssize_t *offset, const void *x,
                       Py_ssize_t step, const void *w, void *sums) noexcept nogil
        void (*plane)(const fc_byte_plane *plane, const void *x, const int16_t *w,
                      void *y) noexcept nogil


cdef bint have_bytes() except -1
cdef const fc_bytes *byte_functions() noexcept
cdef const fc_kernels *byte_kernels() noexcept
