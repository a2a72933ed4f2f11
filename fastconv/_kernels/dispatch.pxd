from libc.stdint cimport int16_t, int32_t, int64_t


cdef enum:
    TYPES = 10  # FC_TYPES: Cython 3.2 takes no constant of C for a length

cdef extern from "table.h" nogil:
    ctypedef enum fc_activation:
        FC_IDENTITY, FC_CLIP, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_SILU, FC_REQUANTIZE

    ctypedef enum fc_type:
        FC_U8, FC_I8, FC_U16, FC_I16, FC_U32, FC_I32, FC_U64, FC_I64, FC_F32, FC_F64, FC_TYPES

    ctypedef struct fc_epilogue:
        fc_activation activation
        double lo, hi
        const double *scale
        const float *near_scale
        const int32_t *bias
        int zero_point
        fc_type type

    ctypedef struct fc_output:
        void *y
        const void *bias
        const void *residual
        Py_ssize_t y_row, channels, pixels
        const fc_epilogue *epilogue

    ctypedef struct fc_column:
        Py_ssize_t offset, taps, shift, pair

    ctypedef struct fc_rows:
        Py_ssize_t rows, n, columns
        const fc_column *column
        Py_ssize_t step, row_step, origin, length, low, high

    ctypedef struct fc_plane:
        Py_ssize_t planes, rows, n, height, length, top, left, x_plane, x_row, y_plane, y_row

    ctypedef struct fc_prefetch:
        const void *from_ "from"
        Py_ssize_t row, rows, pixel, width

    enum:
        FC_SUM_BLOCK, FC_BACKWARD_FILTERS
        FC_WINOGRAD_SIZES, FC_WINOGRAD_KERNEL, FC_WINOGRAD_OUTPUTS

    ctypedef void (*fc_winograd)(Py_ssize_t vectors, const void *src, Py_ssize_t row,
                                 Py_ssize_t col, void *dst, Py_ssize_t dst_row,
                                 Py_ssize_t dst_col, void *largest) noexcept nogil

    ctypedef struct fc_kernels:
        int lanes, half, igemm_pixels_channels
        void (*igemm[2][2])(Py_ssize_t taps, const Py_ssize_t *offset, const void *x0,
                            const void *x1, Py_ssize_t step, const void *w, void *out,
                            int more) noexcept nogil
        void (*igemm_pixels[3][4])(Py_ssize_t taps, const Py_ssize_t *offset, const void *x,
                                   const void *w, void *out, const fc_output *output,
                                   int more) noexcept nogil
        void (*store)(Py_ssize_t nr, Py_ssize_t nc, const void *acc, Py_ssize_t acc_r, void *y,
                      Py_ssize_t y_r, const void *bias, Py_ssize_t bias_r, Py_ssize_t bias_c,
                      const void *residual, Py_ssize_t res_r,
                      const fc_epilogue *epilogue) noexcept nogil
        int cgemm_filters
        void (*cgemm[2][2])(Py_ssize_t n, Py_ssize_t channels, const void *x, Py_ssize_t x_tile,
                            Py_ssize_t x_channel, const void *w, Py_ssize_t w_filter,
                            Py_ssize_t w_channel, void *y, Py_ssize_t y_tile, Py_ssize_t y_filter,
                            int more) noexcept nogil
        void (*transpose)(Py_ssize_t nr, Py_ssize_t nc, const void *src, Py_ssize_t src_r,
                          void *dst, Py_ssize_t dst_r) noexcept nogil
        void (*dwconv_window)(Py_ssize_t rows, Py_ssize_t n, Py_ssize_t columns,
                              const fc_column *column, const void *x, Py_ssize_t x_row,
                              Py_ssize_t x_tap, const void *w, void *y, Py_ssize_t y_row,
                              const fc_prefetch *prefetch) noexcept nogil
        void (*dwconv_rows)(const fc_rows *shape, const void *const *rows, const void *w,
                            const void *bias, const fc_epilogue *clip, void *y,
                            Py_ssize_t y_row) noexcept nogil
        void (*dwconv_plane[2][2])(const fc_plane *shape, const void *x, const void *w,
                                   const void *bias, const fc_epilogue *clip,
                                   void *y) noexcept nogil
        int plane_weights
        void (*dwconv_plane_backward_weight[2][2])(
            const fc_plane *shape, const void *x, const void *g, void *out) noexcept nogil
        void (*dwconv_plane_backward_data)(const fc_plane *shape, const void *g, const void *w,
                                           void *y) noexcept nogil
        void (*dwconv_pixels)(Py_ssize_t rows, Py_ssize_t pixels, Py_ssize_t n, Py_ssize_t packed,
                              Py_ssize_t columns, const fc_column *column, Py_ssize_t taps,
                              const void *x, Py_ssize_t x_row, Py_ssize_t x_pixel,
                              Py_ssize_t x_tap, const void *w, void *y, Py_ssize_t y_row,
                              Py_ssize_t y_pixel, const fc_prefetch *prefetch) noexcept nogil
        void (*dwconv_backward_weight[9])(Py_ssize_t rows, Py_ssize_t steps, Py_ssize_t full,
                                          Py_ssize_t last, const Py_ssize_t *offset, const void *x,
                                          Py_ssize_t x_row, Py_ssize_t x_step, const void *g,
                                          Py_ssize_t g_row, Py_ssize_t g_step,
                                          void *out) noexcept nogil
        int conv_backward_weight_taps
        void (*conv_backward_weight[FC_BACKWARD_FILTERS][9])(
            Py_ssize_t rows, Py_ssize_t n, const Py_ssize_t *offset, const void *x,
            Py_ssize_t x_row, const void *g, Py_ssize_t g_filter, Py_ssize_t g_row,
            const void *prefetch, void *out, int more) noexcept nogil
        void (*word_sums)(Py_ssize_t n, Py_ssize_t filters, const int16_t *g, Py_ssize_t g_f,
                          Py_ssize_t taps, const Py_ssize_t *offset, const int16_t *x,
                          int64_t *sums, Py_ssize_t sums_f) noexcept nogil
        void (*copy)(Py_ssize_t nr, Py_ssize_t nc, const void *src, Py_ssize_t src_r,
                     Py_ssize_t src_c, void *dst, Py_ssize_t dst_r) noexcept nogil
        void (*scatter)(Py_ssize_t nr, Py_ssize_t nc, const void *src, Py_ssize_t src_r, void *dst,
                        Py_ssize_t dst_r, Py_ssize_t dst_c) noexcept nogil
        void (*gather)(Py_ssize_t n, const void *src, Py_ssize_t step, void *dst) noexcept nogil
        void (*add)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        void (*add_magnitudes)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        double (*largest)(Py_ssize_t n, const void *x, double least) noexcept nogil
        bint (*all_finite)(Py_ssize_t n, const void *x) noexcept nogil
        fc_winograd winograd_input[FC_WINOGRAD_SIZES][2]
        fc_winograd winograd_weight[FC_WINOGRAD_SIZES][FC_WINOGRAD_KERNEL - 1][2]
        fc_winograd winograd_output[FC_WINOGRAD_SIZES][FC_WINOGRAD_OUTPUTS - 1][2]
        void (*gemm[14][2])(Py_ssize_t taps, Py_ssize_t block, const void *x, Py_ssize_t step,
                            const void *w, void *out) noexcept nogil
        void (*grouped_gemm[2])(Py_ssize_t tiles, Py_ssize_t phases, const void *x,
                                Py_ssize_t step, const void *w, void *out) noexcept nogil
        void (*planes_to_pixels)(Py_ssize_t n, Py_ssize_t row, const void *src, Py_ssize_t src_c,
                                 void *dst, Py_ssize_t dst_row, Py_ssize_t dst_p) noexcept nogil
        void (*pixels_to_planes)(Py_ssize_t n, Py_ssize_t channels, const void *src,
                                 Py_ssize_t src_p, void *dst, Py_ssize_t dst_c, const void *bias,
                                 const void *residual, const fc_epilogue *epilogue) noexcept nogil
        double (*peak)(Py_ssize_t rounds) noexcept nogil
        void (*triad)(Py_ssize_t n, double s, const void *b, const void *c, void *a) noexcept nogil

    ctypedef struct fc_windows:
        Py_ssize_t rows, row_step, out_row
        Py_ssize_t n, stride, out_step, inner, taps, tap
        Py_ssize_t where_first, where_row, where_step, where_tap
        int more

    ctypedef void (*fc_pool)(const fc_windows *w, const void *row, void *out) noexcept nogil
    ctypedef void (*fc_search)(const fc_windows *w, const void *row, const void *where, void *out,
                               void *place) noexcept nogil
    ctypedef void (*fc_shifted)(Py_ssize_t n, Py_ssize_t shift, void *row) noexcept nogil
    ctypedef void (*fc_search_shifted)(Py_ssize_t n, Py_ssize_t shift, void *row,
                                       void *where) noexcept nogil

    ctypedef struct fc_pool_windows:
        Py_ssize_t height, width, top, left, row, rows, col, cols, out_width
        double divisor, factor
        int far

    ctypedef int (*fc_pool_2x2_3x3)(const fc_pool_windows *shape, const void *x,
                                    void *y) noexcept nogil
    ctypedef void (*fc_global_pool)(Py_ssize_t planes, Py_ssize_t length, double divisor,
                                    double factor, const void *x, void *y) noexcept nogil

    ctypedef struct fc_pools:
        int size, index_size
        fc_pool max, min
        fc_pool sum[TYPES]
        fc_search max_search, min_search
        fc_shifted max_shifted, min_shifted, sum_shifted
        fc_search_shifted max_search_shifted, min_search_shifted
        void (*places)(Py_ssize_t n, Py_ssize_t first, const void *where,
                       int64_t *out) noexcept nogil
        void (*number)(Py_ssize_t n, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t step,
                       void *where) noexcept nogil
        void (*convert[TYPES])(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        fc_pool_2x2_3x3 pool_2x2_3x3[3][2][2]
        fc_global_pool global_pool[3]

    ctypedef struct fc_sums:
        void (*pairs[2])(Py_ssize_t n, Py_ssize_t step, Py_ssize_t radius, const void *x,
                         const double *w, void *y) noexcept nogil
        void (*sums)(Py_ssize_t n, Py_ssize_t taps, const void *const *rows, const double *w,
                     int from_zero, void *y) noexcept nogil
        void (*running_mean)(Py_ssize_t n, Py_ssize_t columns, Py_ssize_t size, const void *x,
                             int begun, void *sum, void *y) noexcept nogil
        void (*store[TYPES])(Py_ssize_t n, const void *src, void *dst) noexcept nogil

    ctypedef struct fc_filters:
        fc_sums f32, f64
        void (*store_u64_of_point)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        void (*add[TYPES])(Py_ssize_t n, const void *src, void *dst) noexcept nogil
        void (*square[TYPES])(Py_ssize_t n, void *dst) noexcept nogil
        void (*root[TYPES])(Py_ssize_t n, void *dst) noexcept nogil
        fc_shifted max_shifted[2]
        fc_shifted min_shifted[2]
        void (*points[2][TYPES])(Py_ssize_t n, Py_ssize_t taps, const void *const *rows,
                                 void *y) noexcept nogil
        void (*raised[2][TYPES])(Py_ssize_t n, Py_ssize_t taps, const void *const *rows,
                                 const double *first, const void *others,
                                 double *y) noexcept nogil

    ctypedef struct fc_integers:
        void (*words[TYPES])(Py_ssize_t n, const void *src, int zero_point,
                             void *dst) noexcept nogil
        void (*pairs[TYPES])(Py_ssize_t n, const void *low, const void *high, int zero_point,
                             void *dst) noexcept nogil
        void (*singles[TYPES])(Py_ssize_t n, const void *src, Py_ssize_t src_step,
                               int zero_point, void *dst, Py_ssize_t dst_step) noexcept nogil
        void (*floats[TYPES])(Py_ssize_t n, const void *src, int zero_point,
                              void *dst) noexcept nogil
        void (*whole)(Py_ssize_t n, void *x) noexcept nogil

    enum:
        FC_MATRIX

    ctypedef enum fc_matrix_kind:
        FC_BF16X3, FC_BF16, FC_BYTES, FC_SIGNED_BYTES, FC_MATRIX_KINDS

    ctypedef void (*fc_matrix_product)(Py_ssize_t steps, const Py_ssize_t *offset, const char *x,
                                       const Py_ssize_t *tile, Py_ssize_t row, Py_ssize_t low,
                                       const void *w, void *out, Py_ssize_t out_row,
                                       int more) noexcept nogil

    ctypedef struct fc_matrix:
        double products
        void (*begin)() noexcept nogil
        void (*end)() noexcept nogil
        fc_matrix_product product[4][2][2]
        fc_matrix_product planes[4][2][2]
        int (*split)(Py_ssize_t n, const void *x, void *high, void *low) noexcept nogil
        int (*split_planes)(Py_ssize_t channels, Py_ssize_t n, const void *x, Py_ssize_t x_row,
                            void *high, void *low, Py_ssize_t row) noexcept nogil
        void (*split_pairs)(const void *first, const void *second, void *high, void *low,
                            void *largest) noexcept nogil

    ctypedef struct fc_table:
        const char *name
        int vector_bytes
        fc_kernels f32, f64, i16_pairs
        fc_integers integers
        fc_pools pools[TYPES]
        void (*divide[TYPES][TYPES])(Py_ssize_t n, Py_ssize_t inner, const void *sum,
                                     const double *divisor, int single, void *y) noexcept nogil
        fc_filters filters
        fc_matrix matrix


cdef fc_table *kernels() except NULL


cdef inline const fc_kernels *kernels_for(Py_ssize_t itemsize) except NULL:
    """The kernels of elements of so many bytes, float32 or float64."""
    return &kernels().f32 if itemsize == 4 else &kernels().f64


cdef inline const fc_kernels *kernels_for_pairs() except NULL:
    """The kernels of elements of two words."""
    return &kernels().i16_pairs
