/* Products of small integers, summed in 32 bits.
 *
 * An element is 32 bits wide and holds two words of 16 bits, of neighbouring input channels; a
 * multiplication of two elements is the sum of both products (`vpmaddwd`, which cannot saturate).
 * So these kernels (products_type.h) have the shapes and the arguments of `igemm_type.h`, and the drivers of floats
 * serve them: what only moves elements is that of float32. Sums wrap around, and are exact
 * wherever the result fits.
 *
 * Compiled with the vectorisers off, like gemm.c.
 */
#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define LANES (BYTES / 4)

typedef int32_t ivec __attribute__((vector_size(BYTES), aligned(4), may_alias));

FC_INLINE ivec load(const int32_t *p) { return *(const ivec *)p; }
FC_INLINE void save(int32_t *p, ivec v) { *(ivec *)p = v; }

/* acc + the products of both words of a and b. */
FC_INLINE ivec dot(ivec acc, ivec a, ivec b)
{
#if defined(__AVX512VNNI__)
    return (ivec)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
    return acc + (ivec)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && BYTES == 32
    return acc + (ivec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__) && BYTES == 16
    return acc + (ivec)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return acc + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

#include "products_type.h"

/* ---- the gradient of weights ---- */

/* Filters by taps, with as many sums: 24 + 4 + 1 of 32 registers, or 8 + 2 + 1 + 1 of 16. */
#if FC_REGISTERS == 32
enum { FILTERS = 4, TAPS = 6 };
#else
enum { FILTERS = 2, TAPS = 4 };
#endif

FC_INLINE int64_t sum_of_lanes(ivec v)
{
#if defined(__AVX512F__)
    const __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256((__m512i)v));
    const __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64((__m512i)v, 1));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
#else
    int64_t sum = 0;
    FC_UNROLL for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
#endif
}

/* The first of `filters` and of `taps`; what is too much of a block meets the last again. With VNNI an
 * iteration should be 24 vpdpwssd and 10 loads. */
FC_INLINE void word_block(ptrdiff_t n, ptrdiff_t filters, const int16_t *g, ptrdiff_t g_f,
                          ptrdiff_t taps, const ptrdiff_t *offset, const int16_t *x,
                          int64_t *sums, ptrdiff_t sums_f, const int block)
{
    const int16_t *gs[FILTERS], *xs[TAPS];
    ivec acc[FILTERS][TAPS];
    FC_UNROLL for (int f = 0; f < block; f++) {
        gs[f] = g + (f < filters ? f : filters - 1) * g_f;
        FC_UNROLL for (int t = 0; t < TAPS; t++) acc[f][t] = (ivec){0};
    }
    FC_UNROLL for (int t = 0; t < TAPS; t++) xs[t] = x + offset[t < taps ? t : taps - 1];
    for (ptrdiff_t i = 0; i < n; i += 2 * LANES) {
        ivec gv[FILTERS];
        FC_UNROLL for (int f = 0; f < block; f++) gv[f] = load((const int32_t *)(gs[f] + i));
        FC_UNROLL for (int t = 0; t < TAPS; t++) {
            const ivec xv = load((const int32_t *)(xs[t] + i));
            FC_UNROLL for (int f = 0; f < block; f++) acc[f][t] = dot(acc[f][t], gv[f], xv);
        }
    }
    FC_UNROLL for (int f = 0; f < block; f++)
        FC_UNROLL for (int t = 0; t < TAPS; t++)
            if (f < filters && t < taps) sums[f * sums_f + t] += sum_of_lanes(acc[f][t]);
}

static void word_sums(ptrdiff_t n, ptrdiff_t filters, const int16_t *g, ptrdiff_t g_f,
                      ptrdiff_t taps, const ptrdiff_t *offset, const int16_t *x, int64_t *sums,
                      ptrdiff_t sums_f)
{
    for (ptrdiff_t f = 0; f < filters; f += FILTERS)
        for (ptrdiff_t t = 0; t < taps; t += TAPS) {
            int64_t *to = sums + f * sums_f + t;
            if (filters == 1)
                word_block(n, 1, g, g_f, taps - t, offset + t, x, to, sums_f, 1);
            else
                word_block(n, filters - f, g + f * g_f, g_f, taps - t, offset + t, x, to, sums_f,
                           FILTERS);
        }
}

/* Puts products of words in the place of those of floats. */
void fc_fill_words(fc_kernels *kernels)
{
    fill_products(kernels);
    kernels->word_sums = word_sums;
}

/* After those of f32, whose shapes and copies are taken over. */
void fc_fill_integers(fc_table *table)
{
    table->i16_pairs = table->f32;
    fc_fill_words(&table->i16_pairs);
}
