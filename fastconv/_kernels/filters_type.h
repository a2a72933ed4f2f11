/* Sums of rows of one type of element: of double, or of float where all of them are integers that
 * float holds. Included by filters.c once for each, with REAL, BITS, BYTES and NAME set. */
#include "lanes_type.h"

/* pairs of the block at x; `sign` is a constant after inlining */
FC_INLINE void NAME(pairs_block)(const int vectors, const int sign, ptrdiff_t step,
                                 ptrdiff_t radius, const REAL *x, const double *w, REAL *y)
{
    vec sum[BLOCK];
    const REAL *centre = x + radius * step, *before = x, *after = x + 2 * radius * step;
    const vec middle = NAME(spread)((REAL)w[radius]);
    FC_UNROLL for (int v = 0; v < vectors; v++)
        sum[v] = NAME(load)(centre + v * LANES) * middle;
    for (ptrdiff_t j = 0; j < radius; j++, before += step, after -= step) {
        const vec weight = NAME(spread)((REAL)w[j]);
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            const vec a = NAME(load)(before + v * LANES), b = NAME(load)(after + v * LANES);
            sum[v] += (sign > 0 ? a + b : a - b) * weight;
        }
    }
    FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(y + v * LANES, sum[v]);
}

FC_INLINE void NAME(pairs_row)(const int sign, ptrdiff_t n, ptrdiff_t step, ptrdiff_t radius,
                               const REAL *x, const double *w, REAL *y)
{
    ptrdiff_t i = 0;
    for (; i + BLOCK * LANES <= n; i += BLOCK * LANES)
        NAME(pairs_block)(BLOCK, sign, step, radius, x + i, w, y + i);
    for (; i < n; i += TAIL * LANES)
        NAME(pairs_block)(TAIL, sign, step, radius, x + i, w, y + i);
}

static void NAME(even_pairs)(ptrdiff_t n, ptrdiff_t step, ptrdiff_t radius, const void *x,
                             const double *w, void *y)
{
    NAME(pairs_row)(1, n, step, radius, x, w, y);
}

static void NAME(odd_pairs)(ptrdiff_t n, ptrdiff_t step, ptrdiff_t radius, const void *x,
                            const double *w, void *y)
{
    NAME(pairs_row)(-1, n, step, radius, x, w, y);
}

FC_INLINE void NAME(sums_block)(const int vectors, ptrdiff_t i, ptrdiff_t taps,
                                const void *const *rows, const double *w, int from_zero, REAL *y)
{
    vec sum[BLOCK];
    const REAL *row = (const REAL *)rows[0] + i;
    vec weight = NAME(spread)((REAL)w[0]);
    FC_UNROLL for (int v = 0; v < vectors; v++) {
        sum[v] = NAME(load)(row + v * LANES) * weight;
        if (from_zero) sum[v] += (REAL)0; /* -0 becomes 0 */
    }
    for (ptrdiff_t t = 1; t < taps; t++) {
        row = (const REAL *)rows[t] + i;
        weight = NAME(spread)((REAL)w[t]);
        FC_UNROLL for (int v = 0; v < vectors; v++)
            sum[v] += NAME(load)(row + v * LANES) * weight;
    }
    FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(y + i + v * LANES, sum[v]);
}

static void NAME(sums)(ptrdiff_t n, ptrdiff_t taps, const void *const *rows, const double *w,
                       int from_zero, void *y)
{
    ptrdiff_t i = 0;
    for (; i + BLOCK * LANES <= n; i += BLOCK * LANES)
        NAME(sums_block)(BLOCK, i, taps, rows, w, from_zero, y);
    for (; i < n; i += TAIL * LANES) NAME(sums_block)(TAIL, i, taps, rows, w, from_zero, y);
}

/* sum / size: the same bits by five operations that are fused and pipelined, where a division is
 * neither. The estimate by a reciprocal is mended twice, each time by what it leaves of the sum, which
 * is exact (Markstein: the second of them is rounded as the quotient is, unless that is subnormal). */
#undef MENDS
#if defined(__FMA__) && !defined(FC_EMULATE_AVX512)
#define MENDS 1
FC_INLINE vec NAME(mended)(vec sum, vec size, vec reciprocal)
{
    vec q = sum * reciprocal;
    FC_UNROLL for (int i = 0; i < 2; i++) {
        const MM_TYPE left = MM(fnmadd)((MM_TYPE)q, (MM_TYPE)size, (MM_TYPE)sum);
        q = (vec)MM(fmadd)(left, (MM_TYPE)reciprocal, (MM_TYPE)q);
    }
    return q;
}

/* Lanes where that is no quotient, for sure: those of a sum that is infinite or NaN, and subnormal
 * ones. Only doubles have such: sums of floats are small integers. */
FC_INLINE int NAME(doubtful)(vec q)
{
#if BITS == 32
    (void)q;
    return 0;
#elif BYTES == 64
    return _mm512_fpclass_pd_mask((__m512d)q, 0xB9); /* NaN, infinite, denormal */
#else
    const __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), (__m256d)q);
    const __m256d small = _mm256_cmp_pd(size, _mm256_set1_pd(0x1p-1022), _CMP_NGE_UQ);
    const __m256d none = _mm256_cmp_pd(size, _mm256_setzero_pd(), _CMP_EQ_OQ);
    return _mm256_movemask_pd(_mm256_andnot_pd(none, small));
#endif
}
#else
#define MENDS 0
FC_INLINE vec NAME(mended)(vec sum, vec size, vec reciprocal)
{
    (void)reciprocal;
    return sum / size;
}

FC_INLINE int NAME(doubtful)(vec q)
{
    (void)q;
    return 0;
}
#endif

/* Windows of `size` positions. The first one's sums are made here, unless `begun`: then `sums` are
 * those of the window that begins at x, and the first wanted is the next one. Without divisions if
 * `mends`: then it may have to be done again with them, and nothing but y has been written. */
FC_INLINE int NAME(mean_block)(const int vectors, const int mends, ptrdiff_t n, ptrdiff_t columns,
                               ptrdiff_t size, const REAL *x, int begun, REAL *sums, REAL *y)
{
    vec sum[BLOCK];
    const vec divisor = NAME(spread)((REAL)size), reciprocal = 1 / divisor;
    int again = 0;
    const REAL *leaves = x, *enters = x + size * columns;
    ptrdiff_t p = 0;
    if (begun)
        FC_UNROLL for (int v = 0; v < vectors; v++) sum[v] = NAME(load)(sums + v * LANES);
    else {
        FC_UNROLL for (int v = 0; v < vectors; v++) sum[v] = (vec){0};
        for (ptrdiff_t t = 0; t < size; t++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                sum[v] += NAME(load)(x + t * columns + v * LANES);
        FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(y + v * LANES, sum[v] / divisor);
        p = 1;
    }
    for (; p < n; p++, leaves += columns, enters += columns)
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            sum[v] += NAME(load)(enters + v * LANES) - NAME(load)(leaves + v * LANES);
            vec mean;
            if (mends) {
                mean = NAME(mended)(sum[v], divisor, reciprocal);
                again |= NAME(doubtful)(mean);
            } else mean = sum[v] / divisor;
            NAME(save)(y + p * columns + v * LANES, mean);
        }
    if (again) return 1;
    FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(sums + v * LANES, sum[v]);
    return 0;
}

FC_INLINE void NAME(mean_vectors)(const int vectors, ptrdiff_t n, ptrdiff_t columns,
                                  ptrdiff_t size, const REAL *x, int begun, REAL *sums, REAL *y)
{
    if (!MENDS || NAME(mean_block)(vectors, 1, n, columns, size, x, begun, sums, y))
        NAME(mean_block)(vectors, 0, n, columns, size, x, begun, sums, y);
}

/* The same of one column. */
FC_INLINE void NAME(mean_column)(ptrdiff_t n, ptrdiff_t columns, ptrdiff_t size, const REAL *x,
                                 int begun, REAL *sums, REAL *y)
{
    const REAL *leaves = x, *enters = x + size * columns, divisor = (REAL)size;
    REAL sum = begun ? *sums : 0;
    if (!begun) {
        for (ptrdiff_t t = 0; t < size; t++) sum += x[t * columns];
        *y = sum / divisor;
    }
    for (ptrdiff_t p = !begun; p < n; p++, leaves += columns, enters += columns) {
        sum += *enters - *leaves;
        y[p * columns] = sum / divisor;
    }
    *sums = sum;
}

static void NAME(running_mean)(ptrdiff_t n, ptrdiff_t columns, ptrdiff_t size, const void *x_,
                               int begun, void *sums_, void *y_)
{
    const REAL *x = x_;
    REAL *sums = sums_, *y = y_;
    ptrdiff_t c = 0;
    for (; c + BLOCK * LANES <= columns; c += BLOCK * LANES)
        NAME(mean_vectors)(BLOCK, n, columns, size, x + c, begun, sums + c, y + c);
    for (; c + LANES <= columns; c += LANES)
        NAME(mean_vectors)(1, n, columns, size, x + c, begun, sums + c, y + c);
    for (; c < columns; c++)
        NAME(mean_column)(n, columns, size, x + c, begun, sums + c, y + c);
}

/* Conversions are those of a processor with SSE2, whatever C leaves undefined: by way of a signed
 * integer, of 32 bits for the small types, which what does not fit makes its least value. */
#define STORE(tag, type, conversion) \
    static void NAME(store_##tag)(ptrdiff_t n, const void *src_, void *dst_) \
    { \
        const REAL *src = src_; \
        type *dst = dst_; \
        for (ptrdiff_t i = 0; i < n; i++) { \
            const REAL v = src[i]; \
            dst[i] = conversion; \
        } \
    }

STORE(u8, uint8_t, (uint8_t)(int32_t)v)
STORE(i8, int8_t, (int8_t)(int32_t)v)
STORE(u16, uint16_t, (uint16_t)(int32_t)v)
STORE(i16, int16_t, (int16_t)(int32_t)v)
STORE(f32, float, (float)v)
STORE(f64, double, v)
