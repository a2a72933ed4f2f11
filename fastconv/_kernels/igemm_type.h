/* One element type's products through a table of offsets. Included once per type, after
 * lanes_type.h. */
/* ---- igemm: output channels in the lanes, input scalars broadcast from memory ----
 *
 * With two halves and two vectors on AVX-512, an iteration should be 28 vfmadd, 14
 * vbroadcastss from memory, 2 loads of weights, one of the offset, and the address
 * arithmetic of `step`; on AVX2 12 vfmadd, 6 broadcasts, 2 loads.
 */
FC_INLINE void NAME(igemm)(ptrdiff_t taps, const ptrdiff_t *restrict offset, const REAL *x0,
                           const REAL *x1, ptrdiff_t step, const REAL *restrict w,
                           REAL *restrict out, const int more, const int halves, const int vectors)
{
    const ptrdiff_t second = x1 - x0;
    for (ptrdiff_t first = 0; first < taps || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = taps - first < FC_SUM_BLOCK ? taps : first + FC_SUM_BLOCK;
        vec acc[2][FC_HALF][2];
        FC_UNROLL for (int h = 0; h < halves; h++)
            FC_UNROLL for (int p = 0; p < FC_HALF; p++)
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[h][p][v] = (vec){0};
        for (ptrdiff_t t = first; t < end; t++) {
            vec wv[2];
            FC_UNROLL for (int v = 0; v < vectors; v++) wv[v] = NAME(load)(w + v * LANES);
            FC_UNROLL for (int h = 0; h < halves; h++) {
                const REAL *x = x0 + offset[t] + (h ? second : 0);
                FC_UNROLL for (int p = 0; p < FC_HALF; p++) {
                    const REAL scalar = x[p * step];
                    FC_UNROLL for (int v = 0; v < vectors; v++) acc[h][p][v] += wv[v] * scalar;
                }
            }
            w += vectors * LANES;
        }
        REAL *o = out;
        FC_UNROLL for (int h = 0; h < halves; h++)
            FC_UNROLL for (int p = 0; p < FC_HALF; p++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) {
                    if (first || more) acc[h][p][v] += NAME(load)(o);
                    NAME(save)(o, acc[h][p][v]);
                }
    }
}

#define IGEMM(halves, pixels, vectors)                                                         \
    static void FC_TILE(NAME(igemm), pixels, vectors)(                                         \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x0, const void *x1,               \
        ptrdiff_t step, const void *w, void *out, int more)                                    \
    {                                                                                          \
        NAME(igemm)(taps, offset, x0, x1, step, w, out, more, halves, vectors);                \
    }
IGEMM(1, FC_HALF, 1)
IGEMM(1, FC_HALF, 2)
IGEMM(2, FC_FULL, 1)
IGEMM(2, FC_FULL, 2)
#undef IGEMM

/* ---- igemm_pixels: output pixels in the lanes, weights broadcast ----
 *
 * With eight channels and three vectors on AVX-512 an iteration should be 24 vfmadd, 3 loads
 * of x and 8 broadcasts; on AVX2, with four channels, 12 vfmadd, 3 loads and 4 broadcasts.
 */
FC_INLINE void NAME(igemm_pixels)(ptrdiff_t taps, const ptrdiff_t *restrict offset,
                                  const REAL *restrict x, const REAL *restrict w,
                                  REAL *restrict out, const fc_output *output, const int channels,
                                  const int vectors)
{
    for (ptrdiff_t first = 0; first < taps || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = taps - first < FC_SUM_BLOCK ? taps : first + FC_SUM_BLOCK;
        vec acc[8][8];
        FC_UNROLL for (int k = 0; k < channels; k++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] = (vec){0};
        if (output && end == taps) { /* a result that is larger than the cache arrives meanwhile */
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++)
                    __builtin_prefetch((REAL *)output->y + k * output->y_row + v * LANES, 1);
        }
        for (ptrdiff_t t = first; t < end; t++) {
            const REAL *p = x + offset[t];
            vec xv[8];
            FC_UNROLL for (int v = 0; v < vectors; v++) xv[v] = NAME(load)(p + v * LANES);
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += xv[v] * w[k];
            w += channels;
        }
        REAL *o = out;
        if (first) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES)
                    acc[k][v] += NAME(load)(o);
            o = out;
        }
        if (!output || end < taps) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) NAME(save)(o, acc[k][v]);
            continue;
        }
        REAL *y = output->y;
        const REAL *bias = output->bias, *residual = output->residual;
        const vec lo = (REAL)output->epilogue->lo + (vec){0};
        const vec hi = (REAL)output->epilogue->hi + (vec){0};
        const int clip = output->epilogue->activation == FC_CLIP;
        if (output->channels >= channels && output->pixels >= vectors * LANES && !residual) {
            /* the usual case, without branches: they would take longer than the stores */
            const ptrdiff_t row = output->y_row;
            if (bias) {
                FC_UNROLL for (int k = 0; k < channels; k++)
                    FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += bias[k];
            }
            if (clip) {
                FC_UNROLL for (int k = 0; k < channels; k++)
                    FC_UNROLL for (int v = 0; v < vectors; v++)
                        acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
            }
            FC_UNROLL for (int k = 0; k < channels; k++) {
                FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(y + v * LANES, acc[k][v]);
                y += row;
            }
            continue;
        }
        FC_UNROLL for (int k = 0; k < channels; k++) {
            if (k >= output->channels) continue;
            if (bias) {
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += bias[k];
            }
            FC_UNROLL for (int v = 0; v < vectors; v++) {
                const ptrdiff_t at = k * output->y_row + v * LANES, n = output->pixels - v * LANES;
                if (n >= LANES) {
                    if (residual) acc[k][v] += NAME(load)(residual + at);
                    if (clip) acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
                    NAME(save)(y + at, acc[k][v]);
                } else if (n > 0) {
                    if (residual) acc[k][v] += NAME(load_first)(residual + at, n);
                    if (clip) acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
                    NAME(save_first)(y + at, acc[k][v], n);
                }
            }
        }
    }
}

#define IGEMM_PIXELS(channels, vectors)                                                        \
    static void FC_TILE(NAME(igemm_pixels), channels, vectors)(                                \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x, const void *w, void *out,      \
        const fc_output *output)                                                               \
    {                                                                                          \
        NAME(igemm_pixels)(taps, offset, x, w, out, output, channels, vectors);                \
    }
IGEMM_PIXELS(1, 1)
IGEMM_PIXELS(1, 2)
IGEMM_PIXELS(1, 4)
IGEMM_PIXELS(1, 8)
IGEMM_PIXELS(4, 1)
IGEMM_PIXELS(4, 2)
IGEMM_PIXELS(4, 3)
#if FC_IGEMM_PIXELS_CHANNELS > 4   /* as many registers */
IGEMM_PIXELS(4, 4)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 1)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 2)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 3)
#endif
#undef IGEMM_PIXELS

/* ---- store: bias, residual and activation on the way out ---- */

/* exp(-y) and expm1(-y) for y >= 0, correct to a few units in the last place down to the
 * smallest denormal; NaN passes through.
 *
 * -y = n ln 2 + r with |r| <= ln(2)/2; the Taylor series gives q = expm1(r), and
 * exp = 2^n q + 2^n, expm1 = 2^n q + (2^n - 1). 2^n is applied as two factors, since it may
 * itself be too small for a normal number. Written here because no C library offers vectors of
 * exponentials portably. */
FC_INLINE void NAME(exp_minus)(vec y, vec *exp, vec *expm1)
{
#if BITS == 32
    enum { terms = 8, mantissa = 23, bias = 127 };
    const REAL limit = 110, magic = 0x1.8p23f, ln2_high = 0x1.62e4p-1f,
               ln2_low = 0x1.7f7d1cp-20f;
#else
    enum { terms = 14, mantissa = 52, bias = 1023 };
    const REAL limit = 760, magic = 0x1.8p52, ln2_high = 0x1.62e42fefa3800p-1,
               ln2_low = 0x1.ef35793c76730p-45;
#endif
    const vec x = -NAME(select)(y > limit, limit + (vec){0}, y);
    const vec shifted = x * (REAL)1.4426950408889634 + magic;
    const vec n = shifted - magic;
    const ivec whole = (ivec)shifted - (ivec)(magic + (vec){0});
    const vec r = (x - n * ln2_high) - n * ln2_low;
    REAL inverse = 1; /* 1 / k!, folded by the compiler */
    FC_UNROLL for (int k = 2; k <= terms; k++) inverse /= k;
    vec q = inverse + (vec){0};
    FC_UNROLL for (int k = terms; k > 1; k--) {
        inverse *= k;
        q = q * r + inverse;
    }
    q *= r;
    const ivec half = whole >> 1;
    const vec first = (vec)((half + bias) << mantissa);
    const vec second = (vec)((whole - half + bias) << mantissa);
    *exp = (q + 1) * first * second;
    *expm1 = q * first * second + (first * second - 1);
}

FC_INLINE vec NAME(sigmoid)(vec v)
{
    vec t, unused;
    const vec magnitude = NAME(select)(v < 0, -v, v);
    NAME(exp_minus)(magnitude, &t, &unused);
    return NAME(select)(v < 0, t, 1 + (vec){0}) / (1 + t);
}

FC_INLINE vec NAME(tanh)(vec v)
{
    vec unused, m;
    const vec magnitude = NAME(select)(v < 0, -v, v);
    NAME(exp_minus)(magnitude + magnitude, &unused, &m);
    const vec t = -m / (2 + m);
    return NAME(select)(v < 0, -t, t);
}

FC_INLINE vec NAME(activate)(vec v, const fc_activation activation, vec lo, vec hi)
{
    switch (activation) {
    case FC_CLIP: return NAME(clip)(v, lo, hi);
    case FC_LEAKY_RELU: return NAME(select)(v < 0, v * lo, v);
    case FC_SIGMOID: return NAME(sigmoid)(v);
    case FC_TANH: return NAME(tanh)(v);
    case FC_SILU: return v * NAME(sigmoid)(v);
    default: return v;
    }
}

FC_INLINE void NAME(store)(ptrdiff_t nr, ptrdiff_t nc, const REAL *acc, ptrdiff_t acc_r, REAL *y,
                           ptrdiff_t y_r, const REAL *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                           const REAL *residual, ptrdiff_t res_r, const fc_epilogue *epilogue,
                           const fc_activation activation)
{
    const vec lo = (REAL)epilogue->lo + (vec){0}, hi = (REAL)epilogue->hi + (vec){0};
    for (ptrdiff_t r = 0; r < nr; r++, acc += acc_r, y += y_r) {
        const vec addend = (bias && !bias_c ? bias[r * bias_r] : 0) + (vec){0};
        ptrdiff_t c = 0;
        for (; c + LANES <= nc; c += LANES) {
            vec v = NAME(load)(acc + c);
            if (bias) v += bias_c ? NAME(load)(bias + c) : addend;
            if (residual) v += NAME(load)(residual + r * res_r + c);
            NAME(save)(y + c, NAME(activate)(v, activation, lo, hi));
        }
        if (c < nc) {
            const ptrdiff_t n = nc - c;
            vec v = NAME(load_first)(acc + c, n);
            if (bias) v += bias_c ? NAME(load_first)(bias + c, n) : addend;
            if (residual) v += NAME(load_first)(residual + r * res_r + c, n);
            NAME(save_first)(y + c, NAME(activate)(v, activation, lo, hi), n);
        }
    }
}

static void NAME(store_any)(ptrdiff_t nr, ptrdiff_t nc, const void *acc, ptrdiff_t acc_r, void *y,
                            ptrdiff_t y_r, const void *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                            const void *residual, ptrdiff_t res_r, const fc_epilogue *epilogue)
{
#define CASE(activation)                                                                       \
    case activation:                                                                           \
        NAME(store)(nr, nc, acc, acc_r, y, y_r, bias, bias_r, bias_c, residual, res_r,         \
                    epilogue, activation);                                                     \
        break;
    switch (epilogue->activation) {
    CASE(FC_IDENTITY)
    CASE(FC_CLIP)
    CASE(FC_LEAKY_RELU)
    CASE(FC_SIGMOID)
    CASE(FC_TANH)
    CASE(FC_SILU)
    }
#undef CASE
}

FC_INLINE void NAME(transpose_block)(ptrdiff_t rows, ptrdiff_t cols, const REAL *src,
                                     ptrdiff_t src_r, REAL *dst, ptrdiff_t dst_r, const int full)
{
    vec v[LANES];
    FC_UNROLL for (int i = 0; i < LANES; i++)
        v[i] = full ? NAME(load)(src + i * src_r)
             : i < rows ? NAME(load_first)(src + i * src_r, cols) : (vec){0};
    FC_UNROLL for (int h = LANES / 2; h > 0; h /= 2)
        FC_UNROLL for (int i = 0; i < LANES; i++)
            if (!(i & h)) {
                /* swap the off-diagonal h x h quarters of each 2h x 2h block */
                const ivec lane = NAME(iota)();
                const ivec low = lane + (lane & h) / h * (LANES - h);
                const vec a = v[i], b = v[i + h];
                v[i] = NAME(shuffle)(a, b, low);
                v[i + h] = NAME(shuffle)(a, b, low + h);
            }
    FC_UNROLL for (int i = 0; i < LANES; i++)
        if (full) NAME(save)(dst + i * dst_r, v[i]);
        else if (i < cols) NAME(save_first)(dst + i * dst_r, v[i], rows);
}

/* A function of its own: masks leave no registers for the rest. */
static __attribute__((noinline)) void NAME(transpose_edge)(
    ptrdiff_t rows, ptrdiff_t cols, const REAL *src, ptrdiff_t src_r, REAL *dst, ptrdiff_t dst_r)
{
    NAME(transpose_block)(rows, cols, src, src_r, dst, dst_r, 0);
}

static void NAME(transpose)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r,
                            void *dst_, ptrdiff_t dst_r)
{
    for (ptrdiff_t c = 0; c < nc; c += LANES)
        for (ptrdiff_t r = 0; r < nr; r += LANES) {
            const REAL *src = (const REAL *)src_ + r * src_r + c;
            REAL *dst = (REAL *)dst_ + c * dst_r + r;
            const ptrdiff_t rows = nr - r < LANES ? nr - r : LANES;
            const ptrdiff_t cols = nc - c < LANES ? nc - c : LANES;
            if (rows == LANES && cols == LANES)
                NAME(transpose_block)(rows, cols, src, src_r, dst, dst_r, 1);
            else
                NAME(transpose_edge)(rows, cols, src, src_r, dst, dst_r);
        }
}

/* Enough independent chains to hide a latency of four to six cycles on two units, few enough to
 * stay in 16 registers beside the factor and the term. */
static double NAME(peak)(ptrdiff_t rounds)
{
    enum { chains = 12 };
    vec a[chains];
    volatile REAL factor = (REAL)0.999, term = (REAL)0.001; /* unknown: no chain is folded */
    const vec scale = factor + (vec){0}, step = term + (vec){0};
    FC_UNROLL for (int i = 0; i < chains; i++) a[i] = (REAL)i + (vec){0};
    for (ptrdiff_t k = 0; k < rounds; k++)
        FC_UNROLL for (int i = 0; i < chains; i++) a[i] = a[i] * scale + step;
    FC_UNROLL for (int i = 1; i < chains; i++) a[0] += a[i];
    volatile REAL sink = a[0][0];
    (void)sink;
    return 2.0 * LANES * chains * (double)rounds;
}

#include "dwconv_type.h"
#include "conv_backward_weight_type.h"

static void NAME(fill_igemm)(fc_kernels *k)
{
    k->lanes = LANES;
    k->half = FC_HALF;
    k->igemm[0][0] = FC_TILE(NAME(igemm), FC_HALF, 1);
    k->igemm[0][1] = FC_TILE(NAME(igemm), FC_HALF, 2);
    k->igemm[1][0] = FC_TILE(NAME(igemm), FC_FULL, 1);
    k->igemm[1][1] = FC_TILE(NAME(igemm), FC_FULL, 2);
    k->igemm_pixels_channels = FC_IGEMM_PIXELS_CHANNELS;
    k->igemm_pixels[0][0] = FC_TILE(NAME(igemm_pixels), 1, 1);
    k->igemm_pixels[0][1] = FC_TILE(NAME(igemm_pixels), 1, 2);
    k->igemm_pixels[0][2] = FC_TILE(NAME(igemm_pixels), 1, 4);
    k->igemm_pixels[0][3] = FC_TILE(NAME(igemm_pixels), 1, 8);
    k->igemm_pixels[1][0] = FC_TILE(NAME(igemm_pixels), 4, 1);
    k->igemm_pixels[1][1] = FC_TILE(NAME(igemm_pixels), 4, 2);
    k->igemm_pixels[1][2] = FC_TILE(NAME(igemm_pixels), 4, 3);
#if FC_IGEMM_PIXELS_CHANNELS > 4
    k->igemm_pixels[1][3] = FC_TILE(NAME(igemm_pixels), 4, 4);
#endif
    k->igemm_pixels[2][0] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 1);
    k->igemm_pixels[2][1] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 2);
    k->igemm_pixels[2][2] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 3);
    k->store = NAME(store_any);
    k->transpose = NAME(transpose);
    k->peak = NAME(peak);
    k->dwconv_window = NAME(dwconv_window);
#ifdef FC_PARTIAL_LOADS
    k->dwconv_rows = NAME(dwconv_rows);
#endif
    k->dwconv_pixels = NAME(dwconv_pixels);
    k->dwconv_backward_weight[0] = FC_PASTE(NAME(dwconv_backward_weight), 1p);
    k->dwconv_backward_weight[1] = FC_PASTE(NAME(dwconv_backward_weight), 2p);
    k->dwconv_backward_weight[2] = FC_PASTE(NAME(dwconv_backward_weight), 3p);
    k->dwconv_backward_weight[3] = FC_PASTE(NAME(dwconv_backward_weight), 4p);
    k->dwconv_backward_weight[4] = FC_PASTE(NAME(dwconv_backward_weight), 5p);
    k->dwconv_backward_weight[5] = FC_PASTE(NAME(dwconv_backward_weight), 6p);
    k->dwconv_backward_weight[6] = FC_PASTE(NAME(dwconv_backward_weight), 7p);
    k->dwconv_backward_weight[7] = FC_PASTE(NAME(dwconv_backward_weight), 8p);
    k->dwconv_backward_weight[8] = FC_PASTE(NAME(dwconv_backward_weight), 9p);
    NAME(fill_conv_backward_weight)(k);
    k->copy = NAME(copy);
    k->scatter = NAME(scatter);
}
