/* float32 in parts of bfloat16, rounded to the nearest. Loops that the compiler vectorises. */
#include <stdint.h>

#include "matrix.h"
#include "vector.h"

typedef float fc_float __attribute__((may_alias));
typedef uint32_t fc_bits __attribute__((may_alias));

FC_INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

FC_INLINE float float_of(uint32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearest bfloat16, halves to even, as the float32 that it stands for. */
FC_INLINE uint32_t nearest(uint32_t bits)
{
    return (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
}

FC_INLINE uint32_t beyond(uint32_t bits)
{
    const uint32_t magnitude = bits & 0x7fffffffu;
    return magnitude - FC_MATRIX_LEAST > FC_MATRIX_MOST - FC_MATRIX_LEAST ? magnitude : 0;
}

/* A pair's parts, of channels that are neighbours in the sum, as an element. */
FC_INLINE fc_bits high_pair(float first, float second)
{
    return nearest(bits_of(first)) >> 16 | nearest(bits_of(second));
}

FC_INLINE fc_bits low_pair(float first, float second)
{
    return high_pair(first - float_of(nearest(bits_of(first))),
                     second - float_of(nearest(bits_of(second))));
}

#if defined(__AVX512BF16__)
/* The same by the instruction that rounds two vectors, for the first n of 32 numbers; the mask of those
 * whose parts would not do. */
FC_INLINE __mmask32 split_some(ptrdiff_t n, const float *x, uint16_t *high, uint16_t *low)
{
    const __m512i least = _mm512_set1_epi32((int)FC_MATRIX_LEAST);
    const __m512i room = _mm512_set1_epi32((int)(FC_MATRIX_MOST - FC_MATRIX_LEAST));
    const __m512i digits = _mm512_set1_epi32(0x7fffffff);
    const __mmask32 all = n < 32 ? (__mmask32)((1u << n) - 1) : ~(__mmask32)0;
    __m512 v[2], rest[2];
    __mmask16 bad[2];
    FC_UNROLL for (int i = 0; i < 2; i++) {
        v[i] = _mm512_maskz_loadu_ps((__mmask16)(all >> 16 * i), x + 16 * i);
        const __m512i magnitude = _mm512_and_si512((__m512i)v[i], digits);
        bad[i] = _mm512_mask_cmpgt_epu32_mask(_mm512_test_epi32_mask(magnitude, magnitude),
                                              _mm512_sub_epi32(magnitude, least), room);
    }
    const __m512i near = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]);
    _mm512_mask_storeu_epi16(high, all, near);
    if (low) {
        FC_UNROLL for (int i = 0; i < 2; i++) {
            const __m256i half = i ? _mm512_extracti64x4_epi64(near, 1)
                                   : _mm512_castsi512_si256(near);
            rest[i] = v[i] - (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
        }
        _mm512_mask_storeu_epi16(low, all, (__m512i)_mm512_cvtne2ps_pbh(rest[1], rest[0]));
    }
    return (__mmask32)bad[0] | (__mmask32)bad[1] << 16;
}
#endif

static int split(ptrdiff_t n, const void *x_, void *high_, void *low_)
{
    const fc_float *restrict x = x_;
    uint16_t *restrict high = high_, *restrict low = low_;
    uint32_t bad = 0;
#if defined(__AVX512BF16__)
    for (; n >= 32; n -= 32, x += 32, high += 32, low += low ? 32 : 0)
        bad |= split_some(32, x, high, low);
    return (n > 0 ? split_some(n, x, high, low) | bad : bad) != 0;
#endif
    if (!low) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const uint32_t bits = bits_of(x[i]);
            bad |= beyond(bits);
            high[i] = (uint16_t)(nearest(bits) >> 16);
        }
        return bad != 0;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of(x[i]), near = nearest(bits);
        bad |= beyond(bits);
        high[i] = (uint16_t)(near >> 16);
        low[i] = (uint16_t)(nearest(bits_of(x[i] - float_of(near))) >> 16);
    }
    return bad != 0;
}

#if defined(__AVX512BF16__)
/* The parts of some positions of two channels. `most` collects the largest magnitude of each lane,
 * `least` the smallest less one, of which that of zero is the largest of all. */
FC_INLINE void split_vectors(__mmask16 some, const float *first, const float *second, char *high,
                             char *low, __m512i *most, __m512i *least)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9,
                                           24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
                                           16, 0);
    const __m512i digits = _mm512_set1_epi32(0x7fffffff), ones = _mm512_set1_epi32(-1);
    __m512 v[2];
    v[0] = _mm512_maskz_loadu_ps(some, first);
    v[1] = second ? _mm512_maskz_loadu_ps(some, second) : _mm512_setzero_ps();
    FC_UNROLL for (int i = 0; i < 2; i++) {
        const __m512i magnitude = _mm512_and_si512((__m512i)v[i], digits);
        *most = _mm512_max_epu32(*most, magnitude);
        *least = _mm512_min_epu32(*least, _mm512_add_epi32(magnitude, ones));
    }
    const __m512i near = _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]));
    _mm512_mask_storeu_epi32(high, some, near);
    if (!low) return;
    v[0] -= (__m512)_mm512_slli_epi32(near, 16);
    v[1] -= (__m512)_mm512_andnot_si512(_mm512_set1_epi32(0xffff), near);
    _mm512_mask_storeu_epi32(
        low, some, _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0])));
}
#endif

static int split_planes(ptrdiff_t channels, ptrdiff_t n, const void *x_, ptrdiff_t x_row,
                        void *high_, void *low_, ptrdiff_t row)
{
#if defined(__AVX512BF16__)
    __m512i most = _mm512_setzero_si512(), least = _mm512_set1_epi32(-1);
#else
    uint32_t bad = 0;
#endif
    for (ptrdiff_t c = 0; c < channels; c += 2) {
        const fc_float *first = (const fc_float *)x_ + c * x_row;
        const fc_float *second = c + 1 < channels ? first + x_row : NULL;
        char *to = (char *)high_ + c / 2 * row, *rest = low_ ? (char *)low_ + c / 2 * row : NULL;
#if defined(__AVX512BF16__)
        ptrdiff_t i = 0;
        for (; i + 16 <= n; i += 16) {
            split_vectors(0xffff, first + i, second ? second + i : NULL, to + 4 * i,
                          rest ? rest + 4 * i : NULL, &most, &least);
            __builtin_prefetch(first + 2 * x_row + i, 0, 3); /* planes are pages apart */
            __builtin_prefetch(first + 3 * x_row + i, 0, 3);
        }
        if (i < n)
            split_vectors((__mmask16)((1u << (n - i)) - 1), first + i, second ? second + i : NULL,
                          to + 4 * i, rest ? rest + 4 * i : NULL, &most, &least);
#else
        fc_bits *restrict high = (fc_bits *)to, *restrict low = (fc_bits *)rest;
        for (ptrdiff_t i = 0; i < n; i++) {
            const float a = first[i], b = second ? second[i] : 0.0f;
            bad |= beyond(bits_of(a)) | beyond(bits_of(b));
            high[i] = high_pair(a, b);
            if (low) low[i] = low_pair(a, b);
        }
#endif
    }
#if defined(__AVX512BF16__)
    return _mm512_reduce_max_epu32(most) > FC_MATRIX_MOST
        || _mm512_reduce_min_epu32(least) < FC_MATRIX_LEAST - 1;
#else
    return bad != 0;
#endif
}

static void split_pairs(const void *first_, const void *second_, void *high_, void *low_,
                        void *largest_)
{
    const fc_float *restrict first = first_, *restrict second = second_;
    fc_bits *restrict high = high_, *restrict low = low_, *restrict largest = largest_;
    for (int i = 0; i < FC_MATRIX; i++) {
        const uint32_t a = bits_of(first[i]) & 0x7fffffffu, b = bits_of(second[i]) & 0x7fffffffu;
        const uint32_t most = a > b ? a : b;
        largest[i] = largest[i] > most ? largest[i] : most;
        high[i] = high_pair(first[i], second[i]);
    }
    if (!low) return;
    for (int i = 0; i < FC_MATRIX; i++) low[i] = low_pair(first[i], second[i]);
}
