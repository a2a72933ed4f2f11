/* One element type's poolings of small square windows. Included once per type, after reduce_type.h.
 *
 * Outputs of a row lie in the lanes; a strip of them goes down the rows, so that for an extreme each
 * row of input is reduced along the row once, and combined with those above it in registers. Nothing is
 * copied: the ends of rows are loaded in part, and rows of padding are left out. Only where
 * FC_PARTIAL_LOADS says that this is cheap. */

#ifdef FC_PARTIAL_LOADS
#define FC_POOL_ROWS_BYTES 16384 /* bytes of input */

/* NaN are not kept on the way, but noticed: a pair of vectors in one comparison. */
#if defined(FC_AVX512)
typedef unsigned NAME(unordered);
#else
typedef vec NAME(unordered);
#endif

FC_INLINE NAME(unordered) NAME(any_nan)(vec a, vec b)
{
#if defined(FC_AVX512) && BITS == 32
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
#elif defined(FC_AVX512)
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q);
#else
    return (vec)MM(cmp)((MM_TYPE)a, (MM_TYPE)b, _CMP_UNORD_Q);
#endif
}

FC_INLINE void NAME(notice)(NAME(unordered) *seen, NAME(unordered) more)
{
#if defined(FC_AVX512)
    *seen |= more;
#else
    *seen = (vec)((ivec)*seen | (ivec)more);
#endif
}

FC_INLINE int NAME(noticed)(NAME(unordered) seen)
{
#if defined(FC_AVX512)
    return seen != 0;
#else
    return MM(movemask)((MM_TYPE)seen) != 0;
#endif
}

/* What a strip finds in a row of input: the extreme of each window's elements there. `some`
 * tells the lanes of each load that lie in the row, `next` whether the element does that the last
 * window shares with the strip to the right. */
FC_INLINE vec NAME(windows_row)(const REAL *x, const NAME(lanes) *some, int next, vec neutral,
                                NAME(unordered) *seen, const fc_reduction op, const int kernel,
                                const int stride, const int edge)
{
    vec v[3];
    if (stride == 1) {
        FC_UNROLL for (int t = 0; t < kernel; t++)
            v[t] = NAME(load_some)(x + t, some[t], neutral, edge);
        if (op != FC_SUM) NAME(notice)(seen, NAME(any_nan)(v[0], v[kernel - 1]));
    } else {
        const vec a = NAME(load_some)(x, some[0], neutral, edge);
        vec b = NAME(load_some)(x + LANES, some[1], neutral, edge);
        b = NAME(held)(b); /* used three times: loaded once */
        if (op != FC_SUM) NAME(notice)(seen, NAME(any_nan)(a, b));
        const ivec lane = NAME(iota)();
        v[0] = NAME(shuffle)(a, b, 2 * lane);
        v[1] = NAME(shuffle)(a, b, 2 * lane + 1);
        if (kernel == 3) {
            const REAL last = !edge || next ? x[2 * LANES] : neutral[0];
            v[2] = NAME(shuffle)(v[0], last - (vec){0}, lane + 1);
        }
    }
    /* The last first: a NaN in `last` stays, for windows_strip to notice. */
    return kernel == 3 ? NAME(combine)(NAME(combine)(v[2], v[0], op), v[1], op)
                       : NAME(combine)(v[0], v[1], op);
}

/* Windows that share no rows go row by row where planes come from memory: that is a stream, which
 * processors see coming, and twice as fast. */
FC_INLINE int NAME(streams)(const fc_pool_windows *shape, const int kernel, const int stride)
{
    return kernel == stride && shape->far;
}

/* Sums go down the columns first, and then along the row, as those of all other windows do. So rows
 * stay as they were loaded: two vectors, and the element that the last window shares with the strip
 * to the right. */
typedef struct {
    vec a, b;
    REAL last;
} NAME(loaded);

FC_INLINE NAME(loaded) NAME(load_row)(const REAL *x, const NAME(lanes) *some, int next,
                                      const int kernel, const int stride, const int edge)
{
    const vec zeros = (vec){0};
    NAME(loaded) row;
    row.a = NAME(load_some)(x, some[0], zeros, edge);
    row.b = NAME(load_some)(x + LANES, some[1], zeros, edge || stride == 1);
    row.last = stride == 2 && kernel == 3 && (!edge || next) ? x[2 * LANES] : 0;
    return row;
}

FC_INLINE vec NAME(window_sums)(const NAME(loaded) *row, const int kernel, const int stride)
{
    const ivec lane = NAME(iota)();
    vec a = row[0].a + row[1].a, b = row[0].b + row[1].b, v[3];
    REAL last = row[0].last + row[1].last;
    if (kernel == 3) a += row[2].a, b += row[2].b, last += row[2].last;
    if (stride == 1) {
        v[0] = a;
        v[1] = NAME(shuffle)(a, b, lane + 1);
        if (kernel == 3) v[2] = NAME(shuffle)(a, b, lane + 2);
    } else {
        v[0] = NAME(shuffle)(a, b, 2 * lane);
        v[1] = NAME(shuffle)(a, b, 2 * lane + 1);
        if (kernel == 3) v[2] = NAME(shuffle)(v[0], last - (vec){0}, lane + 1);
    }
    return kernel == 3 ? v[0] + v[1] + v[2] : v[0] + v[1];
}

FC_INLINE void NAME(windows_strip)(const fc_pool_windows *shape, const REAL *x, REAL *y,
                                   ptrdiff_t col, ptrdiff_t n, ptrdiff_t first, ptrdiff_t rows,
                                   NAME(unordered) *seen, const fc_reduction op, const int kernel,
                                   const int stride, const int edge)
{
    const int kept = kernel - stride; /* rows that the next row of windows meets again */
    const ptrdiff_t at = col * stride - shape->left;
    const vec neutral = NAME(neutral)(op);
    const REAL divisor = (REAL)shape->divisor, factor = (REAL)shape->factor;
    const int next = at + 2 * LANES < shape->width, streams = NAME(streams)(shape, kernel, stride);
    NAME(lanes) some[3];
    vec h[3];
    const NAME(loaded) nothing = {{0}, {0}, 0};
    NAME(loaded) loaded[3];
    FC_UNROLL for (int t = 0; t < 3; t++)
        some[t] = NAME(within)(at + (stride == 1 ? t : t * LANES), shape->width);
    if (op == FC_SUM && stride == 1) { /* of the next vector, what the last windows reach into */
        const ptrdiff_t end = at + LANES + kernel - 1;
        some[1] = NAME(within)(at + LANES, end < shape->width ? end : shape->width);
    }
    /* Copies: the compiler must not think that storing results changes them. */
    const ptrdiff_t height = shape->height, width = shape->width, out_width = shape->out_width;
    const ptrdiff_t below = (rows * stride + kept) * width;
    ptrdiff_t r = first * stride - shape->top;
    const REAL *row = x + (r * width + at);
    y += first * out_width + col;
#define ROW(i)                                                                                 \
    ((size_t)(r + (i)) < (size_t)height                                                        \
         ? NAME(windows_row)(row + (i) * width, some, next, neutral, seen, op, kernel, stride,  \
                            edge)                                                              \
         : neutral)
#define LOAD(i)                                                                                \
    ((size_t)(r + (i)) < (size_t)height                                                        \
         ? NAME(load_row)(row + (i) * width, some, next, kernel, stride, edge)                 \
         : nothing)
    FC_UNROLL for (int i = 0; i < kept; i++) {
        if (op == FC_SUM) {
            loaded[i] = LOAD(i);
            continue;
        }
        h[i] = ROW(i);
        NAME(notice)(seen, NAME(any_nan)(h[i], h[i]));
    }
    for (ptrdiff_t left = rows; left > 0; left--) {
        FC_UNROLL for (int i = kept; i < kernel; i++) {
            if (op == FC_SUM) loaded[i] = LOAD(i);
            else h[i] = ROW(i);
        }
        if (!streams) { /* what the block below reads: strips narrower than rows are no stream */
            FC_UNROLL for (int i = 0; i < stride; i++)
                FC_UNROLL for (int t = 0; t < stride; t++)
                    __builtin_prefetch(row + below + i * width + t * LANES);
        }
        if (op != FC_SUM && kernel == 3 && stride == 2)
            NAME(notice)(seen, NAME(any_nan)(h[1], h[2]));
        vec v;
        if (op == FC_SUM) {
            v = NAME(window_sums)(loaded, kernel, stride);
            v = factor ? v * factor : v / divisor;
        } else {
            v = NAME(combine)(h[0], h[1], op);
            if (kernel == 3) v = NAME(combine)(v, h[2], op);
        }
        if (n == LANES) NAME(save)(y, v);
        else NAME(save_first)(y, v, n);
        FC_UNROLL for (int i = 0; i < kept; i++) {
            if (op == FC_SUM) loaded[i] = loaded[i + stride];
            else h[i] = h[i + stride];
        }
        r += stride, row += stride * width, y += out_width;
    }
#undef ROW
#undef LOAD
}

/* The last strip overlaps with the one before, where a row is as long as a vector. */
FC_INLINE int NAME(pool_windows)(const fc_pool_windows *shape, const REAL *x, REAL *y,
                                 const fc_reduction op, const int kernel, const int stride)
{
    const ptrdiff_t end = shape->col + shape->cols;
    /* Blocks of rows that stay in the nearest cache, with the next of them. */
    const ptrdiff_t fits = NAME(streams)(shape, kernel, stride) ? 1 : FC_POOL_ROWS_BYTES / (
        stride * shape->width * (ptrdiff_t)sizeof(REAL));
    const ptrdiff_t last = shape->row + shape->rows, block = fits > 0 ? fits : 1;
    NAME(unordered) seen = {0};
    for (ptrdiff_t row = shape->row; row < last; row += block) {
        const ptrdiff_t rows = last - row < block ? last - row : block;
        for (ptrdiff_t next = shape->col; next < end; next += LANES) {
            const ptrdiff_t n = shape->cols < LANES ? shape->cols : LANES;
            const ptrdiff_t col = end - next < n ? end - n : next, at = col * stride - shape->left;
            if (at >= 0 && at + stride * (LANES - 1) + kernel <= shape->width)
                NAME(windows_strip)(shape, x, y, col, n, row, rows, &seen, op, kernel, stride, 0);
            else
                NAME(windows_strip)(shape, x, y, col, n, row, rows, &seen, op, kernel, stride, 1);
        }
    }
    return NAME(noticed)(seen);
}

#define POOL(op, word, kernel, stride)                                                         \
    static int NAME(word##_pool_##kernel##x##kernel##s##stride)(const fc_pool_windows *shape,  \
                                                                const void *x, void *y)        \
    {                                                                                          \
        return NAME(pool_windows)(shape, x, y, op, kernel, stride);                            \
    }
#define POOLS(op, word) POOL(op, word, 2, 1) POOL(op, word, 2, 2) POOL(op, word, 3, 1)         \
    POOL(op, word, 3, 2)
POOLS(FC_MAX, max)
POOLS(FC_MIN, min)
POOLS(FC_SUM, sum)
#undef POOL
#undef POOLS

#endif

static void NAME(fill_pool_2x2_3x3)(fc_pools *k)
{
#ifdef FC_PARTIAL_LOADS
#define POOLS(op, word)                                                                        \
    k->pool_2x2_3x3[op][0][0] = NAME(word##_pool_2x2s1);                                       \
    k->pool_2x2_3x3[op][0][1] = NAME(word##_pool_2x2s2);                                       \
    k->pool_2x2_3x3[op][1][0] = NAME(word##_pool_3x3s1);                                       \
    k->pool_2x2_3x3[op][1][1] = NAME(word##_pool_3x3s2);
    POOLS(FC_MAX, max)
    POOLS(FC_MIN, min)
    POOLS(FC_SUM, sum)
#undef POOLS
#else
    (void)k;
#endif
}
