/* Requantization into bytes by float32, four vectors of sums at a time. Included once per type, whose
 * TAG, TYPE and SATURATE, words to bytes, are defined; and TAG_lines for what float32 does not tell.
 *
 * Sum, scale and product are each rounded to 2^-24 of it, and results are at most 255 from the zero
 * point, so that they are no further off than 255 * 3 * 2^-24, a little less than 2^-14. So they round as in
 * float64, unless one is as near as that to a half; DOUBT leaves as much room again. What is further away
 * saturates in both. Scales below 1 keep products within 32 bits. */
#define DOUBT (0.5f - 0x1p-13f)

#ifndef FASTCONV_REQUANTIZE_BYTES_H
#define FASTCONV_REQUANTIZE_BYTES_H
#include <string.h>

#if defined(__AVX512F__)
#define QUICK
typedef __m512i ints;
typedef __m512 floats;
enum { QUICK_LANES = 16 };

FC_INLINE __mmask16 first_of(ptrdiff_t n)
{
    return (__mmask16)(n >= 16 ? 0xffff : n > 0 ? (1u << n) - 1 : 0);
}
FC_INLINE ints load_sums(const int32_t *p, ptrdiff_t n)
{
    return _mm512_maskz_loadu_epi32(first_of(n), p);
}
FC_INLINE floats load_scales(const float *p, ptrdiff_t n)
{
    return _mm512_maskz_loadu_ps(first_of(n), p);
}
#define ALL(kind, value) _mm512_set1_##kind(value)
#define LANEWISE_(op, a, b) _mm512_##op(a, b)

/* Rounded, halves to even; `worst` is the largest distance from whole numbers so far. */
FC_INLINE ints rounded(ints sums, floats scale, floats *worst)
{
    enum { NEAREST = 8, LARGER_MAGNITUDE = 11 };
    const floats p = _mm512_cvtepi32_ps(sums) * scale;
    *worst = _mm512_range_ps(*worst, _mm512_reduce_ps(p, NEAREST), LARGER_MAGNITUDE);
    return _mm512_cvtps_epi32(p);
}
FC_INLINE int doubtful(floats worst)
{
    return _mm512_cmp_ps_mask(worst, _mm512_set1_ps(DOUBT), _CMP_GT_OQ) != 0;
}
/* The four words of a vector's lanes of 128 bits to their places. */
FC_INLINE ints in_order(ints bytes)
{
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
}
/* Row j of those that share a vector, or what it has of its n bytes. */
FC_INLINE void put_row(void *y, ints bytes, const int j, const int rows, const ptrdiff_t n)
{
    if (rows == 1)
        _mm512_mask_storeu_epi8(y, n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0, bytes);
    else if (rows == 2)
        _mm256_storeu_si256(y, j ? _mm512_extracti64x4_epi64(bytes, 1)
                                 : _mm512_castsi512_si256(bytes));
    else
        _mm_mask_storeu_epi8(y, first_of(n),
                             j == 0   ? _mm512_castsi512_si128(bytes)
                             : j == 1 ? _mm512_extracti32x4_epi32(bytes, 1)
                             : j == 2 ? _mm512_extracti32x4_epi32(bytes, 2)
                                      : _mm512_extracti32x4_epi32(bytes, 3));
}
#elif defined(__AVX2__)
#define QUICK
typedef __m256i ints;
typedef __m256 floats;
enum { QUICK_LANES = 8 };

FC_INLINE ints first_of(ptrdiff_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n < 8 ? n : 8)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FC_INLINE ints load_sums(const int32_t *p, ptrdiff_t n)
{
    return n >= 8 ? _mm256_loadu_si256((const __m256i *)p)
                  : _mm256_maskload_epi32(p, first_of(n));
}
FC_INLINE floats load_scales(const float *p, ptrdiff_t n)
{
    return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_of(n));
}
#define ALL(kind, value) _mm256_set1_##kind(value)
#define LANEWISE_(op, a, b) _mm256_##op(a, b)

FC_INLINE ints rounded(ints sums, floats scale, floats *worst)
{
    const floats p = _mm256_cvtepi32_ps(sums) * scale;
    const ints whole = _mm256_cvtps_epi32(p);
    const floats rest = p - _mm256_cvtepi32_ps(whole);
    *worst = _mm256_max_ps(*worst, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), rest));
    return whole;
}
FC_INLINE int doubtful(floats worst)
{
    return _mm256_movemask_ps(_mm256_cmp_ps(worst, _mm256_set1_ps(DOUBT), _CMP_GT_OQ)) != 0;
}
FC_INLINE ints in_order(ints bytes)
{
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
FC_INLINE void put_row(void *y, ints bytes, const int j, const int rows, const ptrdiff_t n)
{
    if (n >= 32 / rows && rows == 1) {
        _mm256_storeu_si256(y, bytes);
    } else if (n >= 32 / rows && rows == 2) {
        _mm_storeu_si128(y, j ? _mm256_extracti128_si256(bytes, 1)
                              : _mm256_castsi256_si128(bytes));
    } else {
        uint8_t all[32];
        _mm256_storeu_si256((__m256i *)all, bytes);
        memcpy(y, all + j * (32 / rows), (size_t)n);
    }
}
#endif
#define LANEWISE(op, a, b) LANEWISE_(op, a, b)
#endif

#ifdef QUICK
/* What float32 does not tell. */
static __attribute__((noinline)) void FC_PASTE(TAG, exact)(
    ptrdiff_t rows, ptrdiff_t n, const int32_t *sum, ptrdiff_t sum_r, TYPE *y, ptrdiff_t y_r,
    const int32_t *bias, ptrdiff_t at, const fc_epilogue *e, int each)
{
    if (each)
        FC_PASTE(TAG, lines)(rows, n, sum, sum_r, y, y_r, bias, at, e, 1, 1);
    else
        FC_PASTE(TAG, lines)(rows, n, sum, sum_r, y, y_r, bias, at, e, 1, 0);
}

/* `lines` with scales, of columns that `width` vectors hold, so that four of them are 4 / width rows;
 * the last rows may be computed twice. n is the number of columns, all of the vectors' if `whole`. */
FC_INLINE void FC_PASTE(TAG, block)(ptrdiff_t rows, ptrdiff_t n, const int32_t *sum,
                                    ptrdiff_t sum_r, TYPE *y, ptrdiff_t y_r,
                                    const int32_t *bias, ptrdiff_t at, const fc_epilogue *e,
                                    const int each, const int width, const int whole)
{
    const int shared = 4 / width;
    const float *near = e->near_scale + (bias - e->bias) + at;
    const ints zero = ALL(epi16, (short)e->zero_point);
    const ints lo = ALL(epi8, (char)((int)rint(e->lo) + e->zero_point));
    const ints hi = ALL(epi8, (char)((int)rint(e->hi) + e->zero_point));
    ints add[4];
    floats scale[4];
    if (whole) n = width * QUICK_LANES;
    FC_UNROLL for (int j = 0; j < width; j++) {
        const ptrdiff_t c = j * QUICK_LANES;
        add[j] = each ? load_sums(bias + at + c, n - c) : ALL(epi32, bias[at]);
        scale[j] = each ? load_scales(near + c, n - c) : ALL(ps, *near);
    }
    for (ptrdiff_t r = 0; r < rows; r += shared) {
        floats worst = ALL(ps, 0.0f);
        ints v[4];
        FC_UNROLL for (int j = 0; j < 4; j++) {
            const ptrdiff_t row = r + j / width < rows ? r + j / width : rows - 1;
            const ptrdiff_t c = j % width * QUICK_LANES;
            v[j] = rounded(LANEWISE(add_epi32, load_sums(sum + row * sum_r + c, n - c),
                                    add[j % width]),
                           scale[j % width], &worst);
        }
        if (__builtin_expect(doubtful(worst), 0)) {
            FC_PASTE(TAG, exact)(rows - r < shared ? rows - r : shared, n, sum + r * sum_r, sum_r,
                                 y + r * y_r, y_r, bias, at, e, each);
            continue;
        }
        const ints low = LANEWISE(adds_epi16, LANEWISE(packs_epi32, v[0], v[1]), zero);
        const ints high = LANEWISE(adds_epi16, LANEWISE(packs_epi32, v[2], v[3]), zero);
        const ints bytes = LANEWISE(FC_PASTE(min, SIGN), hi, LANEWISE(FC_PASTE(max, SIGN), lo,
                                    in_order(LANEWISE(SATURATE, low, high))));
        FC_UNROLL for (int j = 0; j < shared; j++) {
            const ptrdiff_t row = r + j < rows ? r + j : rows - 1;
            put_row(y + row * y_r, bytes, j, shared, n);
        }
    }
}
#endif

/* `rows` by float32 where that is allowed. */
static void FC_PASTE(TAG, bytes)(ptrdiff_t nr, ptrdiff_t nc, const int32_t *sum, ptrdiff_t sum_r,
                                 TYPE *y, ptrdiff_t y_r, const int32_t *bias, ptrdiff_t at,
                                 int each, const fc_epilogue *e)
{
#ifdef QUICK
    enum { L = QUICK_LANES };
#define BLOCK(n, each, width, whole)                                                           \
    FC_PASTE(TAG, block)(nr, n, sum + c, sum_r, y + c, y_r, bias, each ? at + c : at, e, each, \
                         width, whole)
#define COLUMNS(each)                                                                          \
    for (; nc - c >= 4 * L; c += 4 * L) BLOCK(4 * L, each, 4, 1);                              \
    if (nc - c == 2 * L) BLOCK(2 * L, each, 2, 1);                                             \
    else if (nc - c > L) BLOCK(nc - c, each, 4, 0);                                            \
    else if (nc - c > 0) BLOCK(nc - c, each, 1, 0);
    if (e->near_scale) {
        ptrdiff_t c = 0;
        if (each) {
            COLUMNS(1)
        } else {
            COLUMNS(0)
        }
        return;
    }
#undef COLUMNS
#undef BLOCK
#endif
    FC_PASTE(TAG, rows)(nr, nc, sum, sum_r, y, y_r, bias, at, each, e);
}
#undef TAG
#undef TYPE
#undef SATURATE
#undef SIGN
