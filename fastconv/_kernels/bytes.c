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

FC_INLINE void flipped(ptrdiff_t n, const uint8_t *src, const uint8_t change, uint8_t *dst)
{
    typedef uint8_t vector __attribute__((vector_size(BYTES), aligned(1), may_alias));
    ptrdiff_t i = 0;
    for (; i + BYTES <= n; i += BYTES)
        *(vector *)(dst + i) = *(const vector *)(src + i) ^ change;
#if defined(__AVX512BW__)
    const __mmask64 rest = ((__mmask64)1 << (n - i)) - 1;
    _mm512_mask_storeu_epi8(dst + i, rest, _mm512_xor_si512(
        _mm512_maskz_loadu_epi8(rest, src + i), _mm512_set1_epi8((char)change)));
#else
    for (; i < n; i++) dst[i] = src[i] ^ change;
#endif
}

static void bytes(ptrdiff_t n, const void *src, int flip, void *dst)
{
    flipped(n, src, (uint8_t)flip, dst);
}

static void byte_rows(ptrdiff_t rows, ptrdiff_t n, const void *src_, ptrdiff_t src_row, int flip,
                      void *dst_, ptrdiff_t dst_row)
{
    const uint8_t *src = src_;
    uint8_t *dst = dst_;
    for (ptrdiff_t r = 0; r < rows; r++, src += src_row, dst += dst_row)
        flipped(n, src, (uint8_t)flip, dst);
}

static void set_spread(ptrdiff_t stride, ptrdiff_t dilation, fc_spread *spread)
{
    spread->stride = (int32_t)stride;
    spread->dilation = (int32_t)dilation;
    for (int i = 0; i < 16; i++) spread->lane[i] = (int32_t)(i / 4 * stride + i % 4);
    for (int i = 0; i < 64; i++)
        spread->byte[i] = (uint8_t)(i / 4 % 4 * stride + i % 4 * dilation);
}

static void spread(ptrdiff_t n, const void *src_, const fc_spread *how, void *dst_)
{
    const uint8_t *src = src_;
    int32_t *dst = dst_;
    const ptrdiff_t step = 16 * how->stride;
#if defined(__AVX512BW__)
    const __m512i lane = _mm512_loadu_si512(how->lane), byte = _mm512_loadu_si512(how->byte);
    for (ptrdiff_t i = 0; i < n; i += 16, src += step)
        _mm512_storeu_si512(dst + i, _mm512_shuffle_epi8(
            _mm512_permutexvar_epi32(lane, _mm512_loadu_si512(src)), byte));
#else
    for (ptrdiff_t i = 0; i < n; i += 16, src += step)
        for (int j = 0; j < 64; j++)
            ((uint8_t *)(dst + i))[j] = src[4 * how->lane[j / 16 * 4] + how->byte[j]];
#endif
}

/* With four pixels, an iteration should be 4 vpdpbusd, 4 loads of elements and 1 of weights. */
FC_INLINE void dw_pixels(ptrdiff_t taps, const ptrdiff_t *restrict offset, const int32_t *x,
                         ptrdiff_t step, const int32_t *w, int32_t *restrict sums, const int pixels)
{
    ivec acc[4];
    FC_UNROLL for (int p = 0; p < pixels; p++) acc[p] = (ivec){0};
    for (ptrdiff_t t = 0; t < taps; t++) {
        const ivec wv = load(w + t * step);
        FC_UNROLL for (int p = 0; p < pixels; p++)
            acc[p] = dot(acc[p], load(x + offset[t] + p * step), wv);
    }
    FC_UNROLL for (int p = 0; p < pixels; p++) save(sums + p * step, acc[p]);
}

static void dwconv(ptrdiff_t pixels, ptrdiff_t taps, const ptrdiff_t *offset, const void *x_,
                   ptrdiff_t step, const void *w, void *sums_)
{
    const int32_t *x = x_;
    int32_t *sums = sums_;
    ptrdiff_t p = 0;
    for (; p + 4 <= pixels; p += 4) dw_pixels(taps, offset, x + p * step, step, w, sums + p * step, 4);
    for (; p < pixels; p++) dw_pixels(taps, offset, x + p * step, step, w, sums + p * step, 1);
}

void fc_fill_words(fc_kernels *); /* of integers.c, compiled for VNNI */

static fc_bytes offered = {fc_fill_words, fill_products, quads, bytes, byte_rows, set_spread, spread,
                           dwconv};

#define FC_OFFER_LEVEL avx512_vnni
#define FC_OFFER_NAME "fastconv.bytes"
#include "offer.h"
