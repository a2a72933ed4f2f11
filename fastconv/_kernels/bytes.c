/* Products of bytes, summed in 32 bits, as an extension module: for AVX-512 with VNNI, or emulated.
 *
 * An element holds four bytes, of neighbouring input channels: those of the input without a sign,
 * those of the weights with one (`vpdpbusd`, which cannot saturate). All else is as in integers.c.
 */
#include "bytes.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define LANES (BYTES / 4)

typedef int32_t ivec __attribute__((vector_size(BYTES), aligned(4), may_alias));

FC_INLINE ivec load(const int32_t *p) { return *(const ivec *)p; }
FC_INLINE void save(int32_t *p, ivec v) { *(ivec *)p = v; }

/* acc + the products of the bytes of x and of w */
FC_INLINE ivec dot(ivec acc, ivec x, ivec w)
{
#if defined(__AVX512VNNI__)
    return (ivec)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)x, (__m512i)w);
#else
    typedef uint32_t uvec __attribute__((vector_size(BYTES), aligned(4), may_alias));
    FC_UNROLL for (int i = 0; i < 4; i++)
        acc += (ivec)((uvec)x << (24 - 8 * i) >> 24) * (w << (24 - 8 * i) >> 24);
    return acc;
#endif
}

#include "products_type.h"

typedef uint8_t some_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef uint32_t wide __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

static void quads(ptrdiff_t n, const void *a_, const void *b_, const void *c_, const void *d_,
                  int flip, void *dst_)
{
    const uint8_t *a = a_, *b = b_, *c = c_, *d = d_;
    uint32_t *dst = dst_;
    const uint32_t change = 0x01010101u * (uint32_t)flip;
    ptrdiff_t i = 0;
#if defined(__AVX512F__)
#define WIDE(p) (wide)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p + i)))
#else
#define WIDE(p) __builtin_convertvector(*(const some_bytes *)(p + i), wide)
#endif
    for (; i + LANES <= n; i += LANES)
        *(wide *)(dst + i) = (WIDE(a) | WIDE(b) << 8 | WIDE(c) << 16 | WIDE(d) << 24) ^ change;
    for (; i < n; i++)
        dst[i] = (a[i] | (uint32_t)b[i] << 8 | (uint32_t)c[i] << 16 | (uint32_t)d[i] << 24)
               ^ change;
}

static void bytes(ptrdiff_t n, const void *src_, int flip, void *dst_)
{
    typedef uint8_t vector __attribute__((vector_size(BYTES), aligned(1), may_alias));
    const uint8_t *src = src_;
    uint8_t *dst = dst_;
    const uint8_t change = (uint8_t)flip;
    ptrdiff_t i = 0;
    for (; i + BYTES <= n; i += BYTES)
        *(vector *)(dst + i) = *(const vector *)(src + i) ^ change;
    for (; i < n; i++) dst[i] = src[i] ^ change;
}

void fc_fill_words(fc_kernels *); /* of integers.c, compiled for VNNI */

static fc_bytes offered = {fc_fill_words, fill_products, quads, bytes};

#define FC_OFFER_LEVEL avx512_vnni
#define FC_OFFER_NAME "fastconv.bytes"
#include "offer.h"
