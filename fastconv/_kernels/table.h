/* The contract between the drivers and the micro-kernels: one table of function
 * pointers for each element type, filled once per instruction set.
 *
 * All strides and offsets count elements, never bytes. Pointers are void because
 * one table type serves every element type; a driver that is fused over real_t
 * picks `f32` or `f64` and passes pointers of that type.
 */
#ifndef FASTCONV_TABLE_H
#define FASTCONV_TABLE_H
#include <stddef.h>
#include <stdint.h>

#include "matrix.h"

/* Sums are cut into blocks of this many products, so that the rounding error of a
 * long sum grows with the block and with the number of blocks, not their product. */
enum { FC_SUM_BLOCK = 64 };

/* Filters that `conv_backward_weight` takes at once. */
enum { FC_BACKWARD_FILTERS = 3 };

/* The element types of poolings, filters and integers. */
typedef enum {
    FC_U8, FC_I8, FC_U16, FC_I16, FC_U32, FC_I32, FC_U64, FC_I64, FC_F32, FC_F64, FC_TYPES
} fc_type;

typedef enum {
    FC_IDENTITY, FC_CLIP, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_SILU, FC_REQUANTIZE
} fc_activation;

/* y = act(sum + bias + residual). FC_CLIP (also ReLU and ReLU6) bounds to [lo, hi];
 * FC_LEAKY_RELU multiplies negative values by lo.
 *
 * FC_REQUANTIZE is that of sums of integers, whose results have any integer `type`: y = clip(sum +
 * bias), or with `scale` y = zero_point + round(clip((sum + bias) * scale)), halves to even. Bounds
 * are within what the type holds, less the zero point. There is a number of `scale` for each channel;
 * which is told by its place in `bias`, of which there always is one. `near_scale`, if it is not NULL,
 * holds the same rounded to float32, with results of 8 bits. */
typedef struct {
    fc_activation activation;
    double lo, hi;
    const double *scale;
    const float *near_scale;
    const int32_t *bias;
    int zero_point;
    fc_type type;
} fc_epilogue;

/* Where a block of sums (channels, pixels) leaves for: `channels` rows, y_row apart, of `pixels`
 * elements, with the bias of each row and the residual that lies like y (either may be NULL), and
 * no activation or FC_CLIP. */
typedef struct {
    void *y;
    const void *bias, *residual;
    ptrdiff_t y_row, channels, pixels;
    const fc_epilogue *epilogue;
} fc_output;

/* Taps of a kernel that lie equally far apart, the first at `offset`. For `dwconv_rows` they lie in
 * one column of rows, `shift` elements from where an output's own begins; a pair are those
 * taps and their right neighbours. */
typedef struct {
    ptrdiff_t offset, taps, shift, pair;
} fc_column;

/* Outputs of a plane and the rows of input that they read: output p of a row meets the elements
 * `p * step` on, where step is 1 or 2. A row's pointer is to its element `origin`; before element
 * 0 and from `length` on there are zeros, which are not read. `row_step` is the distance, in the
 * table of rows, of the rows that neighbouring outputs and neighbouring taps read; `low` and
 * `high` are the least and the largest shift. */
typedef struct {
    ptrdiff_t rows, n, columns;
    const fc_column *column;
    ptrdiff_t step, row_step, origin, length, low, high;
} fc_rows;

/* Outputs of some planes, whose rows are runs of elements: output p of row r meets the rows
 * r * step - top on, and the elements p * step - left on, of an input of `height` rows of `length`.
 * Outside there are zeros, fewer than a kernel reaches; they are not read. */
typedef struct {
    ptrdiff_t planes, rows, n, height, length, top, left, x_plane, x_row, y_plane, y_row;
} fc_plane;

/* What to prefetch while output p of row r is computed: `width` elements at from + i * row +
 * p * pixel, for the `rows` rows i from r * rows on. Nothing if `from` is NULL. */
typedef struct {
    const void *from;
    ptrdiff_t row, rows, pixel, width;
} fc_prefetch;

/* Winograd's algorithm: sizes n = 4 ... 8, the longest kernel, most outputs of a tile. */
enum { FC_WINOGRAD_SIZES = 5, FC_WINOGRAD_KERNEL = 5, FC_WINOGRAD_OUTPUTS = 6 };
typedef void (*fc_winograd)(ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col,
                            void *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest);

typedef struct {
    int lanes;      /* elements of a vector */
    int half;       /* output pixels of half a tile of `igemm` */
    int igemm_pixels_channels;

    /* out[p][k] = sum_t x[offset[t] + p * step] * w[t][k], with p over one or two
     * half tiles starting at x0 and x1, and k over one or two vectors.
     * Index: [halves - 1][vectors - 1]. `w` is packed (taps, vectors * lanes); `out`
     * receives (halves * half, vectors * lanes), or is added to if `more`. */
    void (*igemm[2][2])(ptrdiff_t taps, const ptrdiff_t *offset, const void *x0, const void *x1,
                        ptrdiff_t step, const void *w, void *out, int more);

    /* out[k][p] = sum_t w[t][k] * x[offset[t] + p], with k over 1, 4 or
     * `igemm_pixels_channels` channels and p over some vectors: 1, 2, 4 or 8 for a single channel,
     * else 1, 2, 3, or 4 where `igemm_pixels` has that.
     * Index: [which channels][which vectors].
     * `w` is packed (taps, channels); `out` has room for (channels, vectors * lanes), and
     * receives the sums unless there is an `output` for them. If `more`, sums of taps before
     * these wait there, and are added. */
    void (*igemm_pixels[3][4])(ptrdiff_t taps, const ptrdiff_t *offset, const void *x,
                               const void *w, void *out, const fc_output *output, int more);

    /* y[r][c] = act(acc[r][c] + bias + residual[r][c]) for an (nr, nc) block that is
     * contiguous along c. bias may be NULL; it advances by bias_r per row and bias_c
     * per column, one of which is 0 and the other 1. residual may be NULL. */
    void (*store)(ptrdiff_t nr, ptrdiff_t nc, const void *acc, ptrdiff_t acc_r,
                  void *y, ptrdiff_t y_r, const void *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                  const void *residual, ptrdiff_t res_r, const fc_epilogue *epilogue);

    /* y[t][k][f] = sum_c x[t][c][f] * w[k][c][f] over complex numbers that lie as pairs, for n
     * frequencies, one or two tiles t, and one or `cgemm_filters` filters k; added to what y
     * holds if `more`. Index: [tiles - 1][many filters]. */
    int cgemm_filters;
    void (*cgemm[2][2])(ptrdiff_t n, ptrdiff_t channels, const void *x, ptrdiff_t x_tile,
                        ptrdiff_t x_channel, const void *w, ptrdiff_t w_filter,
                        ptrdiff_t w_channel, void *y, ptrdiff_t y_tile, ptrdiff_t y_filter,
                        int more);

    /* dst[c][r] = src[r][c] for r < nr, c < nc. */
    void (*transpose)(ptrdiff_t nr, ptrdiff_t nc, const void *src, ptrdiff_t src_r,
                      void *dst, ptrdiff_t dst_r);

    /* y[r][p] = sum_c sum_{i < taps[c]} x[offset[c] + i * x_tap + r * x_row + p] * w[c][i] for
     * r < rows, p < n. `w` is packed in the order of the sum; a column has at most FC_SUM_BLOCK
     * taps. Fastest where x_tap == x_row. Reads up to 8 vectors past a row's end. */
    void (*dwconv_window)(ptrdiff_t rows, ptrdiff_t n, ptrdiff_t columns, const fc_column *column,
                          const void *x, ptrdiff_t x_row, ptrdiff_t x_tap, const void *w, void *y,
                          ptrdiff_t y_row, const fc_prefetch *prefetch);

    /* The same of rows that lie anywhere, and finished with bias[0], unless that is NULL, and
     * bounds, unless `clip` is NULL. y[r][p] = clip(bias + sum_c sum_{i < taps[c], h <= pair[c]}
     * rows[offset[c] + (i + r) * row_step][p * step + shift[c] + h] * w[c][i][h]). NULL where
     * vectors cannot be loaded in part. */
    void (*dwconv_rows)(const fc_rows *shape, const void *const *rows, const void *w,
                        const void *bias, const fc_epilogue *clip, void *y, ptrdiff_t y_row);

    /* y[c][r][p] = clip(bias[c] + sum_{j, i} x[c][r * step - top + i][p * step - left + j] *
     * w[c][j][i]), finished as by `dwconv_rows`. Index: kernel of 3x3, 5x5; step - 1. NULL
     * where `dwconv_rows` is. Sums go through `step` columns of a kernel at once, row by row, or
     * through all columns where there are no more than `plane_weights` weights. */
    void (*dwconv_plane[2][2])(const fc_plane *shape, const void *x, const void *w,
                               const void *bias, const fc_epilogue *clip, void *y);
    int plane_weights;

    /* The gradient of w, of which there is one sum for each plane and tap, where g lies like y:
     * out[c][j][i] = sum_{r, p} x[c][r * step - top + i][p * step - left + j] * g[c][r][p]. */
    void (*dwconv_plane_backward_weight[2][2])(const fc_plane *shape, const void *x, const void *g,
                                               void *out);

    /* The gradient of x of `dwconv_plane` with a stride of two and a kernel of 3x3, y, from its
     * outputs' gradient g: y[c][r][p] = sum_{j, i} g[c][(r + top - i) / 2][(p + left - j) / 2]
     * * w[c][j][i] where both divide evenly. `height` and `length` are g's. */
    void (*dwconv_plane_backward_data)(const fc_plane *shape, const void *g, const void *w,
                                       void *y);

    /* The same as `dwconv_window` for pixels of n channels that have weights of their own,
     * y[r][q][k] = sum x[offset[c] + i * x_tap + r * x_row + q * x_pixel + k] * w[c][i][k]. `taps`
     * is the number of all. `w` is packed [block of two vectors][tap][channels of the block] for
     * `packed` >= n channels, the last block filled up to one vector or two. Reads up to 2 vectors
     * past a pixel. */
    void (*dwconv_pixels)(ptrdiff_t rows, ptrdiff_t pixels, ptrdiff_t n, ptrdiff_t packed,
                          ptrdiff_t columns, const fc_column *column, ptrdiff_t taps,
                          const void *x, ptrdiff_t x_row, ptrdiff_t x_pixel, ptrdiff_t x_tap,
                          const void *w, void *y, ptrdiff_t y_row, ptrdiff_t y_pixel,
                          const fc_prefetch *prefetch);

    /* out[t][lane] = sum_{r, s} g[r * g_row + s * g_step + lane]
     * * x[offset[t] + r * x_row + s * x_step + lane] for 1 to 9 taps t (index: taps - 1), lane <
     * `full`, or < `last` where s is the last step; lanes beyond are not read. */
    void (*dwconv_backward_weight[9])(ptrdiff_t rows, ptrdiff_t steps, ptrdiff_t full,
                                      ptrdiff_t last, const ptrdiff_t *offset, const void *x,
                                      ptrdiff_t x_row, ptrdiff_t x_step, const void *g,
                                      ptrdiff_t g_row, ptrdiff_t g_step, void *out);

    /* out[f][t] = sum_{r, p} g[f * g_filter + r * g_row + p] * x[offset[t] + r * x_row + p] for 1
     * to 3 filters f, 1 to `conv_backward_weight_taps` taps t, of one channel each, r < rows and
     * p < n, where n is at most FC_SUM_BLOCK vectors; or added to what `out` holds if `more`. Rows
     * at `prefetch`, g_row apart, are prefetched meanwhile, unless it is NULL; they need not be
     * memory. Index: [filters - 1][taps - 1]. */
    int conv_backward_weight_taps;
    void (*conv_backward_weight[FC_BACKWARD_FILTERS][9])(
        ptrdiff_t rows, ptrdiff_t n, const ptrdiff_t *offset, const void *x, ptrdiff_t x_row,
        const void *g, ptrdiff_t g_filter, ptrdiff_t g_row, const void *prefetch, void *out,
        int more);

    /* sums[f * sums_f + t] += sum_i g[f * g_f + i] * x[offset[t] + i] of words of 16 bits, for f <
     * filters, t < taps, i < n, which is a number of whole vectors; the sum of each lane, two words wide, is
     * to fit 32 bits. Of `i16_pairs` alone. */
    void (*word_sums)(ptrdiff_t n, ptrdiff_t filters, const int16_t *g, ptrdiff_t g_f,
                      ptrdiff_t taps, const ptrdiff_t *offset, const int16_t *x, int64_t *sums,
                      ptrdiff_t sums_f);

    /* dst[r][c] = src[r * src_r + c * src_c] for r < nr, c < nc. */
    void (*copy)(ptrdiff_t nr, ptrdiff_t nc, const void *src, ptrdiff_t src_r, ptrdiff_t src_c,
                 void *dst, ptrdiff_t dst_r);

    /* dst[r * dst_r + c * dst_c] = src[r * src_r + c] for r < nr, c < nc. */
    void (*scatter)(ptrdiff_t nr, ptrdiff_t nc, const void *src, ptrdiff_t src_r, void *dst,
                    ptrdiff_t dst_r, ptrdiff_t dst_c);

    /* dst[i] = src[i * step], dst[i] += src[i], dst[i] += |src[i]| */
    void (*gather)(ptrdiff_t n, const void *src, ptrdiff_t step, void *dst);
    void (*add)(ptrdiff_t n, const void *src, void *dst);
    void (*add_magnitudes)(ptrdiff_t n, const void *src, void *dst);

    /* The largest magnitude of n elements and of `least`; infinity is larger than every number, and
     * a NaN larger than that. Whether none of n elements is infinite or a NaN. */
    double (*largest)(ptrdiff_t n, const void *x, double least);
    int (*all_finite)(ptrdiff_t n, const void *x);

    /* Winograd's F(m, r) with n = m + r - 1 points: transforms of a tile of the input, of the
     * weights and of the sums, for `vectors` vectors that lie one after the other, each lane
     * another channel. Value (i, j) of the tile is read at src[i * row + j * col] and written to
     * dst[i * dst_row + j * dst_col]. `output` raises the vector of integers at `largest` to the
     * bits of the magnitudes that it writes (a NaN's are the largest). Index: n - 4, r - 2 or
     * m - 2, and whether the tile is a square, else one line of it. */
    fc_winograd winograd_input[FC_WINOGRAD_SIZES][2];
    fc_winograd winograd_weight[FC_WINOGRAD_SIZES][FC_WINOGRAD_KERNEL - 1][2];
    fc_winograd winograd_output[FC_WINOGRAD_SIZES][FC_WINOGRAD_OUTPUTS - 1][2];

    /* out[p][k] = sum_t x[t + p * step] * w[t][k] for 1 to 2 * half rows p and one or two vectors
     * of k, sums cut into blocks of `block` products. Index: [rows - 1][vectors - 1]. `w` is
     * packed (taps, vectors * lanes), `out` receives (rows, vectors * lanes). */
    void (*gemm[14][2])(ptrdiff_t taps, ptrdiff_t block, const void *x, ptrdiff_t step,
                        const void *w, void *out);

    /* The same for 2 or 4 groups whose channels, read and written, fill one vector together:
     * out[p][k] = sum_{h, c} x[p * step + h * lanes + k / per * per + c] * w[h * per + c][k] for
     * h < phases, c < per = lanes / groups, p < tiles. Index: groups / 2 - 1; NULL if there are
     * fewer lanes. */
    void (*grouped_gemm[2])(ptrdiff_t tiles, ptrdiff_t phases, const void *x, ptrdiff_t step,
                            const void *w, void *out);

    /* dst[p / row * dst_row + p % row * dst_p + c] = src[c * src_c + p] for c < lanes, p < n, with
     * n >= lanes: rows that lie one after the other in `lanes` planes, to pixels. */
    void (*planes_to_pixels)(ptrdiff_t n, ptrdiff_t row, const void *src, ptrdiff_t src_c,
                             void *dst, ptrdiff_t dst_row, ptrdiff_t dst_p);
    /* dst[c * dst_c + p] = act(src[p * src_p + c] + bias[c] + residual[c * dst_c + p]) for
     * c < channels, p < n, with n >= lanes, and no activation or FC_CLIP. bias and residual may be
     * NULL. Channels of `src` are filled up to whole vectors. */
    void (*pixels_to_planes)(ptrdiff_t n, ptrdiff_t channels, const void *src, ptrdiff_t src_p,
                             void *dst, ptrdiff_t dst_c, const void *bias, const void *residual,
                             const fc_epilogue *epilogue);

    /* Floating-point operations done by `rounds` rounds of independent multiply-adds. */
    double (*peak)(ptrdiff_t rounds);
    /* a[i] = b[i] + s * c[i]: the triad that measures memory bandwidth. */
    void (*triad)(ptrdiff_t n, double s, const void *b, const void *c, void *a);
} fc_kernels;

/* Windows along one axis of an array (rows, positions, inner): window o of row r takes, for
 * t < taps and i < inner, row[r * row_step + o * stride + t * tap + i], into
 * out[r * out_row + o * out_step + i]. A search numbers elements that have no indices yet:
 * where_first + r * where_row + o * where_step + t * where_tap. */
typedef struct {
    ptrdiff_t rows, row_step, out_row;
    ptrdiff_t n, stride, out_step, inner, taps, tap;
    ptrdiff_t where_first, where_row, where_step, where_tap;
    int more; /* sums of single taps are added to what `out` holds */
} fc_windows;

/* max and min propagate NaN. A search also finds where: the first of equal elements, in the
 * order of taps, or the first NaN. Indices lie beside the elements, with the same strides;
 * NULL where there are none yet. Only u64, i64, f32 and f64 have searches, only f32 and f64
 * have sums in their own type. */
typedef void (*fc_pool)(const fc_windows *, const void *row, void *out);
typedef void (*fc_search)(const fc_windows *, const void *row, const void *where, void *out,
                          void *place);
/* row[i] = op(row[i], row[i + shift]) for i < n, in place; shift > 0 */
typedef void (*fc_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row);
typedef void (*fc_search_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row, void *where);

/* Square windows of a plane (height, width) with padding `top` and `left` of it: outputs row ...
 * row + rows - 1 of columns col ... col + cols - 1, in rows of out_width. Sums of floats are multiplied
 * by `factor`, or divided by `divisor` where that is 0; those of integers by the elements of a window,
 * with halves to even, into their own type. */
typedef struct {
    ptrdiff_t height, width, top, left, row, rows, col, cols, out_width;
    double divisor, factor;
    int far; /* whether planes come from memory */
} fc_pool_windows;

typedef enum { FC_MAX, FC_MIN, FC_SUM } fc_reduction;

/* From and to the first element of a plane. True where a maximum or minimum met a NaN, which may
 * have got lost. */
typedef int (*fc_pool_2x2_3x3)(const fc_pool_windows *, const void *x, void *y);

/* y[p] = the reduction of x[p * length + i] over i < length, for p < planes; of sums as above. NaN
 * propagate. A sum has length / lanes additions one after the other. */
typedef void (*fc_global_pool)(ptrdiff_t planes, ptrdiff_t length, double divisor, double factor,
                              const void *x, void *y);

typedef struct {
    int size, index_size; /* bytes */
    fc_pool max, min;
    /* Index: the type of sums. NULL but for f64, for the type itself unless it has 1 or 8 bytes, and
     * for integers of two and four times as many bits, to 32. */
    fc_pool sum[FC_TYPES];
    fc_search max_search, min_search;
    fc_shifted max_shifted, min_shifted, sum_shifted;
    fc_search_shifted max_search_shifted, min_search_shifted;
    /* out[i] = first + where[i] */
    void (*places)(ptrdiff_t n, ptrdiff_t first, const void *where, int64_t *out);
    /* where[o * inner + i] = first + o * step for o < n */
    void (*number)(ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t step, void *where);
    /* Index: the type of dst. NULL but for f32 and those of sums. */
    void (*convert[FC_TYPES])(ptrdiff_t n, const void *src, void *dst);
    /* Index: operation, kernel - 2, stride - 1. NULL where vectors cannot be loaded in part, and
     * for integers of more than 16 bits. */
    fc_pool_2x2_3x3 pool_2x2_3x3[3][2][2];
    /* Index: operation. NULL where `pool_2x2_3x3` is. */
    fc_global_pool global_pool[3];
} fc_pools;

/* Sums of rows of doubles, or of floats where those are exact, in SciPy's one order. `pairs` and
 * `sums` may touch up to two vectors past the n of x, rows and y. */
typedef struct {
    /* y[i] = x[i + r * step] * w[r] + sum_{j < r} (x[i + j * step] + x[i + (2r - j) * step]) * w[j]
     * for i < n and r = radius, or with the difference of the two. Index: odd. */
    void (*pairs[2])(ptrdiff_t n, ptrdiff_t step, ptrdiff_t radius, const void *x,
                     const double *w, void *y);
    /* y[i] = sum_{t < taps} rows[t][i] * w[t], added to zero if `from_zero` */
    void (*sums)(ptrdiff_t n, ptrdiff_t taps, const void *const *rows, const double *w,
                 int from_zero, void *y);
    /* y[p][c] = sum_{t < size} x[p + t][c] / size, each sum made from the one before, for n
     * positions p and some columns. `sum` is that of the last position; if `begun`, it comes as the
     * one before the first, whose window begins at x. */
    void (*running_mean)(ptrdiff_t n, ptrdiff_t columns, ptrdiff_t size, const void *x,
                         int begun, void *sum, void *y);
    /* converted; of floats only to small integers and floats */
    void (*store[FC_TYPES])(ptrdiff_t n, const void *src, void *dst);
} fc_sums;

/* Filters of lines and of points, as SciPy's `ndimage` has them. */
typedef struct {
    fc_sums f32, f64;
    void (*store_u64_of_point)(ptrdiff_t n, const void *src, void *dst);
    void (*add[FC_TYPES])(ptrdiff_t n, const void *src, void *dst);
    void (*square[FC_TYPES])(ptrdiff_t n, void *dst); /* in place */
    void (*root[FC_TYPES])(ptrdiff_t n, void *dst); /* in place; NULL for some types */
    fc_shifted max_shifted[2], min_shifted[2]; /* f32, f64 */
    /* y[i] = the largest, or smallest (index: 1), of rows[t][i] over t < taps. `raised` adds `first`
     * to the first of them and others[t], elements of the rows' type, to the others. */
    void (*points[2][FC_TYPES])(ptrdiff_t n, ptrdiff_t taps, const void *const *rows, void *y);
    void (*raised[2][FC_TYPES])(ptrdiff_t n, ptrdiff_t taps, const void *const *rows,
                                const double *first, const void *others, double *y);
} fc_filters;

/* Elements of two words, an input less its zero point. Of u8, i8, u16 and i16. */
typedef struct {
    /* dst[i] = src[i] - zero_point, as words */
    void (*words[FC_TYPES])(ptrdiff_t n, const void *src, int zero_point, void *dst);
    /* dst[i] = low[i] - zero_point and high[i] - zero_point */
    void (*pairs[FC_TYPES])(ptrdiff_t n, const void *low, const void *high, int zero_point,
                            void *dst);
    /* dst[i * dst_step] = src[i * src_step] - zero_point and 0 */
    void (*singles[FC_TYPES])(ptrdiff_t n, const void *src, ptrdiff_t src_step, int zero_point,
                              void *dst, ptrdiff_t dst_step);
    /* dst[i] = src[i] - zero_point, as floats */
    void (*floats[FC_TYPES])(ptrdiff_t n, const void *src, int zero_point, void *dst);
    /* x[i], floats that are integers of 32 bits, as such, in place */
    void (*whole)(ptrdiff_t n, void *x);
} fc_integers;

typedef struct {
    const char *name;
    int vector_bytes;
    fc_kernels f32, f64;
    /* Elements are two words of 16 bits, sums have 32 bits; FC_REQUANTIZE alone. */
    fc_kernels i16_pairs;
    fc_integers integers;
    fc_pools pools[FC_TYPES];
    /* y[o][i] = sum[o][i] / divisor[single ? 0 : o] for o < n, i < inner, to the nearest integer, of
     * two the even one, where y has integers. Index: the types of sum and y. NULL but for f32, for
     * f64 to f32, f64 and integers of up to 16 bits, and for integers of 16 and 32 bits to f32,
     * f64, and those of fewer bits. Divisors of sums of 16 bits to f32 are floats. */
    void (*divide[FC_TYPES][FC_TYPES])(ptrdiff_t n, ptrdiff_t inner, const void *sum,
                                       const double *divisor, int single, void *y);
    fc_filters filters;
    fc_matrix matrix;
} fc_table;

#endif
