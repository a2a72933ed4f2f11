/* One type of small integers' poolings of small square windows, as pool_2x2_3x3_type.h has those of
 * floats: into the same type. Included once per type, with TAG, REAL, BITS and SIGNED set, where the
 * processor has AVX-512.
 *
 * Elements are widened to twice their bits: a lane is an output at either stride, since two neighbours
 * are the halves of a wide element; and sums fit. */
#define OUTPUTS (512 / (2 * BITS)) /* of a vector */
#define NUMBERS (512 / BITS)       /* that one is made of, or two */
#define MY(name) FC_PASTE(TAG, name)
#undef WIDE
#undef SMALL
#undef WIDENED
#undef NARROWED
#undef SOME
#undef SOME_OF_HALF
#if BITS == 8
#define WIDE(name) _mm512_##name##_epi16
#define SMALL(size, name) _mm##size##_##name##_epi8
#define WIDENED(v) (SIGNED ? _mm512_cvtepi8_epi16(v) : _mm512_cvtepu8_epi16(v))
#define NARROWED(v) _mm512_cvtepi16_epi8(v)
#define SOME __mmask64
#define SOME_OF_HALF __mmask32
#else
#define WIDE(name) _mm512_##name##_epi32
#define SMALL(size, name) _mm##size##_##name##_epi16
#define WIDENED(v) (SIGNED ? _mm512_cvtepi16_epi32(v) : _mm512_cvtepu16_epi32(v))
#define NARROWED(v) _mm512_cvtepi32_epi16(v)
#define SOME __mmask32
#define SOME_OF_HALF __mmask16
#endif

FC_INLINE SOME MY(first)(ptrdiff_t n) { return n < NUMBERS ? ((SOME)1 << n) - 1 : ~(SOME)0; }

FC_INLINE void MY(save)(REAL *y, SOME some, __m512i v)
{
    __m256i small = NARROWED(v);
    __asm__ volatile("" : "+v"(small)); /* narrowing into memory in part takes some times as long */
    SMALL(256, mask_storeu)(y, (SOME_OF_HALF)some, small);
}

FC_INLINE __m512i MY(even)(__m512i pair)
{
    return SIGNED ? WIDE(srai)(WIDE(slli)(pair, BITS), BITS) : WIDE(srli)(WIDE(slli)(pair, BITS), BITS);
}
FC_INLINE __m512i MY(odd)(__m512i pair)
{
    return SIGNED ? WIDE(srai)(pair, BITS) : WIDE(srli)(pair, BITS);
}
FC_INLINE __m512i MY(combine)(__m512i a, __m512i b, const fc_reduction op)
{
    return op == FC_MAX ? WIDE(max)(a, b) : op == FC_MIN ? WIDE(min)(a, b) : WIDE(add)(a, b);
}

/* The sum of a window, of 4 or 9, divided by their number, halves to even. */
FC_INLINE __m512i MY(mean)(__m512i sum, const int count)
{
#if BITS == 8
    if (count == 4) {
        const __m512i odd = WIDE(srli)(WIDE(slli)(sum, 13), 15); /* whether the quotient is */
        const __m512i n = WIDE(add)(WIDE(add)(sum, odd), WIDE(set1)(1));
        return SIGNED ? WIDE(srai)(n, 2) : WIDE(srli)(n, 2);
    }
    /* There are no halves. Sums of bytes with a sign are made positive; the quotient of a number below
     * 2^16 / count is exact. */
    const __m512i n = WIDE(add)(sum, WIDE(set1)((short)(count / 2 + (SIGNED ? 128 * count : 0))));
    const __m512i q = _mm512_mulhi_epu16(n, WIDE(set1)((short)((65536 + count - 1) / count)));
    return SIGNED ? WIDE(sub)(q, WIDE(set1)(128)) : q;
#else
    /* Exact in float32, but for the factor 1/9: which errs by less than a quotient's distance from a
     * half, 1/18, at 2^16. */
    return _mm512_cvtps_epi32(_mm512_cvtepi32_ps(sum) * (1.0f / (float)count));
#endif
}

FC_INLINE REAL MY(neutral)(const fc_reduction op)
{
    const int most = SIGNED ? (1 << (BITS - 1)) - 1 : (1 << BITS) - 1;
    return (REAL)(op == FC_SUM ? 0 : op == FC_MIN ? most : SIGNED ? -most - 1 : 0);
}

/* What a strip finds in a row of input: the reduction of each window's elements there. */
FC_INLINE __m512i MY(windows_row)(const REAL *x, const SOME *some, const fc_reduction op,
                                  const int kernel, const int stride)
{
    const __m512i none = BITS == 8 ? _mm512_set1_epi8((char)MY(neutral)(op))
                                   : _mm512_set1_epi16((short)MY(neutral)(op));
    const __m256i half = _mm512_castsi512_si256(none);
    __m512i v[3];
    if (stride == 1) {
        FC_UNROLL for (int t = 0; t < kernel; t++)
            v[t] = WIDENED(SMALL(256, mask_loadu)(half, (SOME_OF_HALF)some[t], x + t));
    } else {
        const __m512i pairs = SMALL(512, mask_loadu)(none, some[0], x);
        v[0] = MY(even)(pairs), v[1] = MY(odd)(pairs);
        if (kernel == 3) v[2] = MY(even)(SMALL(512, mask_loadu)(none, some[2], x + 2));
    }
    return kernel == 3 ? MY(combine)(MY(combine)(v[0], v[1], op), v[2], op)
                       : MY(combine)(v[0], v[1], op);
}

FC_INLINE void MY(windows_strip)(const fc_pool_windows *shape, const REAL *x, REAL *y,
                                 ptrdiff_t col, ptrdiff_t n, const fc_reduction op,
                                 const int kernel, const int stride)
{
    const int kept = kernel - stride; /* rows that the next row of windows meets again */
    const ptrdiff_t at = col * stride - shape->left;
    const __m512i neutral = WIDE(set1)(MY(neutral)(op));
    const ptrdiff_t height = shape->height, width = shape->width, out_width = shape->out_width;
    const SOME results = MY(first)(n);
    SOME some[3];
    __m512i h[3];
    FC_UNROLL for (int t = 0; t < 3; t++) {
        const ptrdiff_t left = -(at + t), right = width - (at + t);
        some[t] = MY(first)(right > 0 ? right : 0) & ~MY(first)(left > 0 ? left : 0);
    }
    ptrdiff_t r = shape->row * stride - shape->top;
    const REAL *row = x + (r * width + at);
    y += shape->row * out_width + col;
#define ROW(i)                                                                                 \
    ((size_t)(r + (i)) < (size_t)height                                                        \
         ? MY(windows_row)(row + (i) * width, some, op, kernel, stride) : neutral)
    FC_UNROLL for (int i = 0; i < kept; i++) h[i] = ROW(i);
    for (ptrdiff_t left = shape->rows; left > 0; left--) {
        FC_UNROLL for (int i = kept; i < kernel; i++) h[i] = ROW(i);
        __m512i v = MY(combine)(h[0], h[1], op);
        if (kernel == 3) v = MY(combine)(v, h[2], op);
        if (op == FC_SUM) v = MY(mean)(v, kernel * kernel);
        MY(save)(y, results, v);
        FC_UNROLL for (int i = 0; i < kept; i++) h[i] = h[i + stride];
        r += stride, row += stride * width, y += out_width;
    }
#undef ROW
}

/* Strips of outputs; the last may be narrower. */
FC_INLINE int MY(pool_windows)(const fc_pool_windows *shape, const REAL *x, REAL *y,
                               const fc_reduction op, const int kernel, const int stride)
{
    const ptrdiff_t end = shape->col + shape->cols;
    for (ptrdiff_t col = shape->col; col < end; col += OUTPUTS)
        MY(windows_strip)(shape, x, y, col, end - col < OUTPUTS ? end - col : OUTPUTS, op, kernel,
                          stride);
    return 0;
}

#define POOL(op, word, kernel, stride)                                                         \
    static int MY(word##_pool_##kernel##x##kernel##s##stride)(const fc_pool_windows *shape,    \
                                                              const void *x, void *y)          \
    {                                                                                          \
        return MY(pool_windows)(shape, x, y, op, kernel, stride);                              \
    }
#define POOLS(op, word) POOL(op, word, 2, 1) POOL(op, word, 2, 2) POOL(op, word, 3, 1)         \
    POOL(op, word, 3, 2)
POOLS(FC_MAX, max)
POOLS(FC_MIN, min)
POOLS(FC_SUM, mean)
#undef POOL
#undef POOLS

static void MY(fill_pool_2x2_3x3)(fc_pools *k)
{
#define POOLS(op, word)                                                                        \
    k->pool_2x2_3x3[op][0][0] = MY(word##_pool_2x2s1);                                         \
    k->pool_2x2_3x3[op][0][1] = MY(word##_pool_2x2s2);                                         \
    k->pool_2x2_3x3[op][1][0] = MY(word##_pool_3x3s1);                                         \
    k->pool_2x2_3x3[op][1][1] = MY(word##_pool_3x3s2);
    POOLS(FC_MAX, max)
    POOLS(FC_MIN, min)
    POOLS(FC_SUM, mean)
#undef POOLS
}
#undef MY
#undef OUTPUTS
#undef NUMBERS
#undef TAG
#undef REAL
#undef BITS
#undef SIGNED
