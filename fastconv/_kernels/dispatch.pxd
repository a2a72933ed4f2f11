from libc.stdint cimport int64_t


cdef extern from "table.h" nogil:
    ctypedef enum fc_activation:
        FC_IDENTITY, FC_CLIP, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_SILU

    ctypedef struct fc_epilogue:
        fc_activation activation
        double lo, hi

    ctypedef struct fc_kernels:
        int lanes, half, row_channels
        void (*tile[2][2])(Py_ssize_t taps, const Py_ssize_t *offset, const void *x0,
                           const void *x1, Py_ssize_t step, const void *w,
                           void *out, int more) noexcept nogil
        void (*rows[3][4])(Py_ssize_t taps, const Py_ssize_t *offset, const void *x,
                           const void *w, void *out) noexcept nogil
        void (*store)(Py_ssize_t nr, Py_ssize_t nc, const void *acc, Py_ssize_t acc_r,
                      void *y, Py_ssize_t y_r, const void *bias, Py_ssize_t bias_r,
                      Py_ssize_t bias_c, const void *residual, Py_ssize_t res_r,
                      const fc_epilogue *epilogue) noexcept nogil
        void (*transpose)(Py_ssize_t nr, Py_ssize_t nc, const void *src, Py_ssize_t src_r,
                          void *dst, Py_ssize_t dst_r) noexcept nogil
        void (*gather)(Py_ssize_t n, const void *src, Py_ssize_t step, void *dst) noexcept nogil
        void (*add)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        void (*winograd_input[3][2])(Py_ssize_t vectors, const void *src, Py_ssize_t row,
                                   Py_ssize_t col, void *dst, Py_ssize_t dst_row,
                                   Py_ssize_t dst_col, void *largest) noexcept nogil
        void (*winograd_weight[3][2])(Py_ssize_t vectors, const void *src, Py_ssize_t row,
                                   Py_ssize_t col, void *dst, Py_ssize_t dst_row,
                                   Py_ssize_t dst_col, void *largest) noexcept nogil
        void (*winograd_output[3][2])(Py_ssize_t vectors, const void *src, Py_ssize_t row,
                                   Py_ssize_t col, void *dst, Py_ssize_t dst_row,
                                   Py_ssize_t dst_col, void *largest) noexcept nogil
        void (*max_fold)(Py_ssize_t n, const void *row, void *acc) noexcept nogil
        void (*min_fold)(Py_ssize_t n, const void *row, void *acc) noexcept nogil
        void (*max_slide)(Py_ssize_t n, Py_ssize_t k, Py_ssize_t stride, Py_ssize_t dilation,
                          const void *row, void *out) noexcept nogil
        void (*min_slide)(Py_ssize_t n, Py_ssize_t k, Py_ssize_t stride, Py_ssize_t dilation,
                          const void *row, void *out) noexcept nogil
        void (*sum_slide)(Py_ssize_t n, Py_ssize_t k, Py_ssize_t stride, Py_ssize_t dilation,
                          const void *row, void *out) noexcept nogil
        void (*divide)(Py_ssize_t n, const void *acc, const void *divisor,
                       Py_ssize_t divisor_step, void *y) noexcept nogil
        double (*peak)(Py_ssize_t rounds) noexcept nogil
        void (*triad)(Py_ssize_t n, double s, const void *b, const void *c, void *a) noexcept nogil

    ctypedef struct fc_table:
        const char *name
        int vector_bytes
        fc_kernels f32, f64


cdef fc_table *kernels() except NULL
