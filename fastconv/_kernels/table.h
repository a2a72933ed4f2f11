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

/* Sums are cut into blocks of this many products, so that the rounding error of a
 * long sum grows with the block and with the number of blocks, not their product. */
enum { FC_SUM_BLOCK = 64 };

typedef enum {
    FC_IDENTITY, FC_CLIP, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_SILU
} fc_activation;

/* y = act(sum + bias + residual). FC_CLIP (also ReLU and ReLU6) bounds to [lo, hi];
 * FC_LEAKY_RELU multiplies negative values by lo. */
typedef struct {
    fc_activation activation;
    double lo, hi;
} fc_epilogue;

typedef struct {
    int lanes;      /* elements of a vector */
    int half;       /* output pixels of half a tile of `tile` */
    int row_channels;

    /* out[p][k] = sum_t x[offset[t] + p * step] * w[t][k], with p over one or two
     * half tiles starting at x0 and x1, and k over one or two vectors.
     * Index: [halves - 1][vectors - 1]. `w` is packed (taps, vectors * lanes); `out`
     * receives (halves * half, vectors * lanes), or is added to if `more`. */
    void (*tile[2][2])(ptrdiff_t taps, const ptrdiff_t *offset, const void *x0, const void *x1,
                       ptrdiff_t step, const void *w, void *out, int more);

    /* out[k][p] = sum_t w[t][k] * x[offset[t] + p], with k over 1, 4 or `row_channels`
     * channels and p over some vectors: 1, 2, 4 or 8 for a single channel, else 1, 2 or 3.
     * Index: [which channels][which vectors].
     * `w` is packed (taps, channels); `out` receives (channels, vectors * lanes). */
    void (*rows[3][4])(ptrdiff_t taps, const ptrdiff_t *offset, const void *x,
                       const void *w, void *out);

    /* y[r][c] = act(acc[r][c] + bias + residual[r][c]) for an (nr, nc) block that is
     * contiguous along c. bias may be NULL; it advances by bias_r per row and bias_c
     * per column, one of which is 0 and the other 1. residual may be NULL. */
    void (*store)(ptrdiff_t nr, ptrdiff_t nc, const void *acc, ptrdiff_t acc_r,
                  void *y, ptrdiff_t y_r, const void *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                  const void *residual, ptrdiff_t res_r, const fc_epilogue *epilogue);

    /* dst[c][r] = src[r][c] for r < nr, c < nc. */
    void (*transpose)(ptrdiff_t nr, ptrdiff_t nc, const void *src, ptrdiff_t src_r,
                      void *dst, ptrdiff_t dst_r);

    /* dst[i] = src[i * step], dst[i] += src[i] */
    void (*gather)(ptrdiff_t n, const void *src, ptrdiff_t step, void *dst);
    void (*add)(ptrdiff_t n, const void *src, void *dst);

    /* Winograd's F(m, 3), m = 2, 4, 6: transforms of a tile of the input, of the weights and of
     * the sums, for `vectors` vectors that lie one after the other, each lane another channel.
     * Value (i, j) of the tile is read at src[i * row + j * col] and written to
     * dst[i * dst_row + j * dst_col]. Index: [m / 2 - 1][a square, else one line of it].
     * `output` raises the vector of integers at `largest` to the bits of the magnitudes that
     * it writes (a NaN's are the largest). */
    void (*winograd_input[3][2])(ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col,
                                 void *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest);
    void (*winograd_weight[3][2])(ptrdiff_t vectors, const void *src, ptrdiff_t row,
                                  ptrdiff_t col, void *dst, ptrdiff_t dst_row,
                                  ptrdiff_t dst_col, void *largest);
    void (*winograd_output[3][2])(ptrdiff_t vectors, const void *src, ptrdiff_t row,
                                  ptrdiff_t col, void *dst, ptrdiff_t dst_row,
                                  ptrdiff_t dst_col, void *largest);

    /* Pooling. `fold` combines two rows elementwise, acc = op(acc, row); `slide` reduces
     * each window of one row, out[i] = op over j < k of row[i * stride + j * dilation].
     * max and min keep the earlier of equal values and propagate NaN. */
    void (*max_fold)(ptrdiff_t n, const void *row, void *acc);
    void (*min_fold)(ptrdiff_t n, const void *row, void *acc);
    void (*max_slide)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation,
                      const void *row, void *out);
    void (*min_slide)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation,
                      const void *row, void *out);
    void (*sum_slide)(ptrdiff_t n, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t dilation,
                      const void *row, void *out);
    /* y[i] = acc[i] / divisor[i * divisor_step] */
    void (*divide)(ptrdiff_t n, const void *acc, const void *divisor, ptrdiff_t divisor_step,
                   void *y);

    /* Floating-point operations done by `rounds` rounds of independent multiply-adds. */
    double (*peak)(ptrdiff_t rounds);
    /* a[i] = b[i] + s * c[i]: the triad that measures memory bandwidth. */
    void (*triad)(ptrdiff_t n, double s, const void *b, const void *c, void *a);
} fc_kernels;

typedef struct {
    const char *name;
    int vector_bytes;
    fc_kernels f32, f64;
} fc_table;

#endif
