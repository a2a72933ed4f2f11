/* Small integers on their way in and out: elements of two words, and sums that become results.
 * Loops over rows that the compiler vectorises itself. */
#include <math.h>

#include "table.h"
#include "vector.h"

/* ---- in: words less a zero point ---- */

#define WORDS(tag, TYPE)                                                                       \
    static void FC_PASTE(tag, words)(ptrdiff_t n, const void *src_, int zero_point, void *dst_) \
    {                                                                                          \
        const TYPE *restrict src = src_;                                                       \
        int16_t *restrict dst = dst_;                                                          \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (int16_t)(src[i] - zero_point);             \
    }                                                                                          \
    static void FC_PASTE(tag, pairs)(ptrdiff_t n, const void *low_, const void *high_,         \
                                     int zero_point, void *dst_)                               \
    {                                                                                          \
        const TYPE *restrict low = low_, *restrict high = high_;                               \
        uint32_t *restrict dst = dst_;                                                         \
        for (ptrdiff_t i = 0; i < n; i++)                                                      \
            dst[i] = (uint16_t)(low[i] - zero_point)                                           \
                   | (uint32_t)(uint16_t)(high[i] - zero_point) << 16;                         \
    }                                                                                          \
    static void FC_PASTE(tag, singles)(ptrdiff_t n, const void *src_, ptrdiff_t src_step,      \
                                       int zero_point, void *dst_, ptrdiff_t dst_step)         \
    {                                                                                          \
        const TYPE *restrict src = src_;                                                       \
        uint32_t *restrict dst = dst_;                                                         \
        if (src_step == 1 && dst_step == 1)                                                    \
            for (ptrdiff_t i = 0; i < n; i++) dst[i] = (uint16_t)(src[i] - zero_point);        \
        else                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++)                                                  \
                dst[i * dst_step] = (uint16_t)(src[i * src_step] - zero_point);                \
    }

#define FLOATS(tag, TYPE)                                                                      \
    static void FC_PASTE(tag, floats)(ptrdiff_t n, const void *src_, int zero_point, void *dst_) \
    {                                                                                          \
        const TYPE *restrict src = src_;                                                       \
        float *restrict dst = dst_;                                                            \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (float)(src[i] - zero_point);               \
    }
FLOATS(u8, uint8_t)
FLOATS(i8, int8_t)
FLOATS(u16, uint16_t)
FLOATS(i16, int16_t)

WORDS(u8, uint8_t)
WORDS(i8, int8_t)
WORDS(u16, uint16_t)
WORDS(i16, int16_t)

/* ---- out ---- */

#if defined(__AVX512F__)
/* Sixteen sums scaled and rounded; and the first of them stored as what they fit. */
FC_INLINE __m512i sixteen(__m512i v, __m512d scale0, __m512d scale1, __m512d lo, __m512d hi,
                          __m512i zero_point)
{
    const __m512d a = _mm512_cvtepi32_pd(_mm512_castsi512_si256(v)) * scale0;
    const __m512d b = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(v, 1)) * scale1;
    const __m256i low = _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(a, lo), hi));
    const __m256i high = _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(b, lo), hi));
    return _mm512_add_epi32(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), zero_point);
}
/* A store in part of bytes or words is slow where it is not needed. */
#define PUT(tag, TYPE, bits, SIZE, store)                                                      \
    FC_INLINE void put_##tag(TYPE *y, __mmask16 m, __m512i v)                                  \
    {                                                                                          \
        if (m == (__mmask16)-1)                                                                \
            store((SIZE *)y, _mm512_cvtepi32_epi##bits(v));                                    \
        else                                                                                   \
            _mm512_mask_cvtepi32_storeu_epi##bits(y, m, v);                                    \
    }
PUT(u8, uint8_t, 8, __m128i, _mm_storeu_si128)
PUT(i8, int8_t, 8, __m128i, _mm_storeu_si128)
PUT(u16, uint16_t, 16, __m256i, _mm256_storeu_si256)
PUT(i16, int16_t, 16, __m256i, _mm256_storeu_si256)
FC_INLINE void put_i32(int32_t *y, __mmask16 m, __m512i v) { _mm512_mask_storeu_epi32(y, m, v); }
FC_INLINE void put_i64(int64_t *y, __mmask16 m, __m512i v)
{
    _mm512_mask_storeu_epi64(y, (__mmask8)m, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(v)));
    _mm512_mask_storeu_epi64(y + 8, (__mmask8)(m >> 8),
                             _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(v, 1)));
}

/* Sixteen of n, or those of them that a mask has. */
#define SIXTEEN(tag, m)                                                                        \
    {                                                                                          \
        const __m512i v = _mm512_add_epi32(                                                    \
            _mm512_maskz_loadu_epi32(m, sum + i),                                              \
            each ? _mm512_maskz_loadu_epi32(m, bias + i) : _mm512_set1_epi32(b));              \
        __m512i result;                                                                        \
        if (scaled)                                                                            \
            result = sixteen(                                                                  \
                v, each ? _mm512_maskz_loadu_pd((__mmask8)m, scale + i) : _mm512_set1_pd(s),   \
                each ? _mm512_maskz_loadu_pd((__mmask8)(m >> 8), scale + i + 8)                \
                     : _mm512_set1_pd(s),                                                      \
                _mm512_set1_pd(lo), _mm512_set1_pd(hi), _mm512_set1_epi32(zero_point));        \
        else                                                                                   \
            result = _mm512_min_epi32(_mm512_max_epi32(v, _mm512_set1_epi32(low)),             \
                                      _mm512_set1_epi32(high));                                \
        FC_PASTE(put, tag)(y + i, m, result);                                                  \
    }

/* All of n, the last sixteen in part. Rows of a tile are too short for the compiler's vectors. */
#define VECTORS(tag)                                                                           \
    ptrdiff_t i = 0;                                                                           \
    for (; i + 16 <= n; i += 16) SIXTEEN(tag, (__mmask16)-1)                                   \
    if (i < n) {                                                                               \
        const __mmask16 some = (__mmask16)((1u << (n - i)) - 1);                               \
        SIXTEEN(tag, some)                                                                     \
        i = n;                                                                                 \
    }
#elif defined(__AVX2__)
/* Eight sums scaled and rounded, as 32 bits. */
FC_INLINE __m256i eight(__m256i v, __m256d scale0, __m256d scale1, __m256d lo, __m256d hi,
                        __m256i zero_point)
{
    const __m256d a = _mm256_cvtepi32_pd(_mm256_castsi256_si128(v)) * scale0;
    const __m256d b = _mm256_cvtepi32_pd(_mm256_extracti128_si256(v, 1)) * scale1;
    const __m128i low = _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(a, lo), hi));
    const __m128i high = _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(b, lo), hi));
    return _mm256_add_epi32(_mm256_set_m128i(high, low), zero_point);
}

/* And stored as what they fit. */
FC_INLINE void put_u8(uint8_t *y, __m256i v)
{
    const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((__m128i *)y, _mm_packus_epi16(w, w));
}
FC_INLINE void put_i8(int8_t *y, __m256i v)
{
    const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((__m128i *)y, _mm_packs_epi16(w, w));
}
FC_INLINE void put_u16(uint16_t *y, __m256i v)
{
    _mm_storeu_si128((__m128i *)y, _mm_packus_epi32(_mm256_castsi256_si128(v),
                                                    _mm256_extracti128_si256(v, 1)));
}
FC_INLINE void put_i16(int16_t *y, __m256i v)
{
    _mm_storeu_si128((__m128i *)y, _mm_packs_epi32(_mm256_castsi256_si128(v),
                                                   _mm256_extracti128_si256(v, 1)));
}
FC_INLINE void put_i32(int32_t *y, __m256i v) { _mm256_storeu_si256((__m256i *)y, v); }
FC_INLINE void put_i64(int64_t *y, __m256i v)
{
    _mm256_storeu_si256((__m256i *)y, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)));
    _mm256_storeu_si256((__m256i *)y + 1, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1)));
}

/* As many of n as eights hold; returns how many. Rows of a tile are too short for the compiler's
 * vectors of bytes. */
#define VECTORS(tag)                                                                           \
    ptrdiff_t i = 0;                                                                           \
    if (scaled) {                                                                              \
        const __m256d low_ = _mm256_set1_pd(lo), high_ = _mm256_set1_pd(hi);                   \
        const __m256i zero = _mm256_set1_epi32(zero_point);                                    \
        for (; i + 8 <= n; i += 8) {                                                           \
            const __m256i add = each ? _mm256_loadu_si256((const __m256i *)(bias + i))         \
                                     : _mm256_set1_epi32(b)     ;                               \
            const __m256i v = _mm256_add_epi32(                                                \
                _mm256_loadu_si256((const __m256i *)(sum + i)), add);                          \
            const __m256i result = eight(                                                      \
                v, each ? _mm256_loadu_pd(scale + i) : _mm256_set1_pd(s),                      \
                each ? _mm256_loadu_pd(scale + i + 4) : _mm256_set1_pd(s), low_, high_, zero); \
            FC_PASTE(put, tag)(y + i, result);                                                 \
        }                                                                                      \
    }
#else
#define VECTORS(tag) ptrdiff_t i = 0;
#endif

/* Rows of sums with bias, bounds and, with `scaled`, requantization: y = zero_point + round(clip((sum
 * + bias) * scale)), halves to even. Bias and scale are the same for all, or, with `each`, for a
 * column. */
#define LINES(tag, TYPE)                                                                       \
    FC_INLINE void FC_PASTE(tag, lines)(ptrdiff_t rows, ptrdiff_t n, const int32_t *sum,       \
                                        ptrdiff_t sum_r, TYPE *y, ptrdiff_t y_r,               \
                                        const int32_t *bias, ptrdiff_t at,                     \
                                        const fc_epilogue *e, const int scaled, const int each) \
    {                                                                                          \
        const int32_t b = bias[at], low = (int32_t)e->lo, high = (int32_t)e->hi;               \
        const double lo = e->lo, hi = e->hi;                                                   \
        const double *scale = scaled ? e->scale + (bias - e->bias) + at : 0;                   \
        const double s = scaled ? *scale : 1;                                                  \
        const int zero_point = scaled ? e->zero_point : 0;                                     \
        bias += at;                                                                            \
        for (ptrdiff_t r = 0; r < rows; r++, sum += sum_r, y += y_r) {                         \
            VECTORS(tag)                                                                       \
            for (; i < n; i++) {                                                               \
                int32_t v = (int32_t)((uint32_t)sum[i] + (uint32_t)(each ? bias[i] : b));      \
                if (scaled) {                                                                  \
                    double d = v * (each ? scale[i] : s);                                      \
                    d = d < lo ? lo : d;                                                       \
                    d = d > hi ? hi : d;                                                       \
                    v = (int32_t)rint(d) + zero_point;                                         \
                } else {                                                                       \
                    v = v < low ? low : v;                                                     \
                    v = v > high ? high : v;                                                   \
                }                                                                              \
                y[i] = (TYPE)v;                                                                \
            }                                                                                  \
        }                                                                                      \
    }                                                                                          \
    static void FC_PASTE(tag, rows)(ptrdiff_t nr, ptrdiff_t nc, const int32_t *sum,            \
                                    ptrdiff_t sum_r, TYPE *y, ptrdiff_t y_r,                   \
                                    const int32_t *bias, ptrdiff_t at, int each,               \
                                    const fc_epilogue *e)                                      \
    {                                                                                          \
        if (each) {                                                                            \
            if (!e->scale) FC_PASTE(tag, lines)(nr, nc, sum, sum_r, y, y_r, bias, at, e, 0, 1); \
            else FC_PASTE(tag, lines)(nr, nc, sum, sum_r, y, y_r, bias, at, e, 1, 1);          \
        } else {                                                                               \
            if (!e->scale) FC_PASTE(tag, lines)(nr, nc, sum, sum_r, y, y_r, bias, at, e, 0, 0); \
            else FC_PASTE(tag, lines)(nr, nc, sum, sum_r, y, y_r, bias, at, e, 1, 0);          \
        }                                                                                      \
    }
LINES(u8, uint8_t)
LINES(i8, int8_t)
LINES(u16, uint16_t)
LINES(i16, int16_t)
LINES(i32, int32_t)
LINES(i64, int64_t)

#define TAG u8
#define TYPE uint8_t
#define SATURATE packus_epi16
#define SIGN epu8
#include "requantize_bytes.h"
#define TAG i8
#define TYPE int8_t
#define SATURATE packs_epi16
#define SIGN epi8
#include "requantize_bytes.h"

#define STORE(tag, TYPE, rows)                                                                 \
    static void FC_PASTE(tag, store)(ptrdiff_t nr, ptrdiff_t nc, const int32_t *sum,           \
                                     ptrdiff_t sum_r, void *y_, ptrdiff_t y_r,                 \
                                     const int32_t *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,  \
                                     const fc_epilogue *e)                                     \
    {                                                                                          \
        TYPE *y = y_;                                                                          \
        if (bias_r == 0)                                                                       \
            FC_PASTE(tag, rows)(nr, nc, sum, sum_r, y, y_r, bias, 0, bias_c != 0, e);          \
        else                                                                                   \
            for (ptrdiff_t r = 0; r < nr; r++)                                                 \
                FC_PASTE(tag, rows)(1, nc, sum + r * sum_r, sum_r, y + r * y_r, y_r, bias,     \
                                    r * bias_r, bias_c != 0, e);                               \
    }
STORE(u8, uint8_t, bytes)
STORE(i8, int8_t, bytes)
STORE(u16, uint16_t, rows)
STORE(i16, int16_t, rows)
STORE(i32, int32_t, rows)
STORE(i64, int64_t, rows)

static void store(ptrdiff_t nr, ptrdiff_t nc, const void *sum, ptrdiff_t sum_r, void *y,
                  ptrdiff_t y_r, const void *bias, ptrdiff_t bias_r, ptrdiff_t bias_c,
                  const void *residual, ptrdiff_t res_r, const fc_epilogue *epilogue)
{
    (void)residual, (void)res_r;
#define CASE(type, tag)                                                                        \
    case type: tag##_store(nr, nc, sum, sum_r, y, y_r, bias, bias_r, bias_c, epilogue); break;
    switch (epilogue->type) {
    CASE(FC_U8, u8)
    CASE(FC_I8, i8)
    CASE(FC_U16, u16)
    CASE(FC_I16, i16)
    CASE(FC_I32, i32)
    CASE(FC_I64, i64)
    default: break;
    }
}

typedef float any_float __attribute__((may_alias));

static void whole(ptrdiff_t n, void *x)
{
    const any_float *src = x;
    int32_t *dst = x;
    FC_IN_PLACE for (ptrdiff_t i = 0; i < n; i++) dst[i] = (int32_t)src[i];
}

static void add(ptrdiff_t n, const void *src_, void *dst_)
{
    const uint32_t *restrict src = src_;
    uint32_t *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] += src[i];
}

/* After `fc_fill_integers`. */
void fc_fill_requantize(fc_table *table)
{
#define FILL(type, tag)                                                                        \
    table->integers.words[type] = FC_PASTE(tag, words);                                        \
    table->integers.pairs[type] = FC_PASTE(tag, pairs);                                        \
    table->integers.singles[type] = FC_PASTE(tag, singles);                                    \
    table->integers.floats[type] = FC_PASTE(tag, floats);
    FILL(FC_U8, u8)
    FILL(FC_I8, i8)
    FILL(FC_U16, u16)
    FILL(FC_I16, i16)
    table->integers.whole = whole;
    table->i16_pairs.store = store;
    table->i16_pairs.add = add;
}
