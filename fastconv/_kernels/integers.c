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

/* Puts products of words in the place of those of floats. */
void fc_fill_words(fc_kernels *kernels) { fill_products(kernels); }

/* After those of f32, whose shapes and copies are taken over. */
void fc_fill_integers(fc_table *table)
{
    table->i16_pairs = table->f32;
    fill_products(&table->i16_pairs);
}
