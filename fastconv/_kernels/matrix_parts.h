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

static void split_pairs(const void *first_, const void *second_, void *high_, void *low_,
                        void *largest_)
{
    const fc_float *restrict first = first_, *restrict second = second_;
    fc_bits *restrict high = high_, *restrict low = low_, *restrict largest = largest_;
    for (int i = 0; i < FC_MATRIX; i++) {
        const uint32_t x = bits_of(first[i]), y = bits_of(second[i]);
        const uint32_t a = x & 0x7fffffffu, b = y & 0x7fffffffu, most = a > b ? a : b;
        largest[i] = largest[i] > most ? largest[i] : most;
        high[i] = nearest(x) >> 16 | nearest(y);
    }
    if (!low) return;
    for (int i = 0; i < FC_MATRIX; i++)
        low[i] = nearest(bits_of(first[i] - float_of(nearest(bits_of(first[i]))))) >> 16
               | nearest(bits_of(second[i] - float_of(nearest(bits_of(second[i])))));
}
