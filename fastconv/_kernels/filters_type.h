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

/* Windows of `size` positions. The first one's sums are made here, unless `begun`: then `sums` are
 * those of the window that begins at x, and the first wanted is the next one. */
FC_INLINE void NAME(mean_block)(const int vectors, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t size,
                                const REAL *x, int begun, REAL *sums, REAL *y)
{
    vec sum[BLOCK];
    const vec divisor = NAME(spread)((REAL)size);
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
            NAME(save)(y + p * columns + v * LANES, sum[v] / divisor);
        }
    FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(sums + v * LANES, sum[v]);
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
        NAME(mean_block)(BLOCK, n, columns, size, x + c, begun, sums + c, y + c);
    for (; c + LANES <= columns; c += LANES)
        NAME(mean_block)(1, n, columns, size, x + c, begun, sums + c, y + c);
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
