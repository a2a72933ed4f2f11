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

#if defined(__AVX512BW__)
enum { STRIP = 4 }; /* vectors of sums, each of 32 words */

FC_INLINE __mmask32 within(ptrdiff_t at, ptrdiff_t width)
{
    const ptrdiff_t low = at < 0 ? -at : 0, high = width - at;
    const __mmask32 below = high <= 0 ? 0 : high < 32 ? (1u << high) - 1 : ~(__mmask32)0;
    return low > 31 ? 0 : below & ~(__mmask32)0 << low;
}

FC_INLINE __m512i words_of(__m256i bytes, const int has_sign)
{
    return has_sign ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes);
}

/* A vector of results, or some of them, as what they are to be. */
FC_INLINE void put_words(const fc_byte_plane *p, __m512i v, __mmask32 m, void *y, ptrdiff_t at)
{
    const __m256i half[2] = {_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1)};
    __m256i small;
    switch (p->type) {
    case FC_U8:
    case FC_I8:
        small = _mm512_cvtepi16_epi8(v);
        __asm__ volatile("" : "+v"(small)); /* narrowing into memory in part is slow */
        _mm256_mask_storeu_epi8((uint8_t *)y + at, m, small);
        break;
    case FC_U16:
    case FC_I16: _mm512_mask_storeu_epi16((int16_t *)y + at, m, v); break;
    case FC_I32:
        FC_UNROLL for (int i = 0; i < 2; i++)
            _mm512_mask_storeu_epi32((int32_t *)y + at + 16 * i, (__mmask16)(m >> 16 * i),
                                     _mm512_cvtepi16_epi32(half[i]));
        break;
    default:
        FC_UNROLL for (int i = 0; i < 4; i++)
            _mm512_mask_storeu_epi64((int64_t *)y + at + 8 * i, (__mmask8)(m >> 8 * i),
                                     _mm512_cvtepi16_epi64(
                                         i % 2 ? _mm256_extracti128_si256(half[i / 2], 1)
                                               : _mm256_castsi256_si128(half[i / 2])));
    }
}

/* Columns col ... of all rows. With four vectors a tap should be 4 vpmovzxbw of memory, 4 vpmullw, 4 vpaddw
 * and 1 load of its weight. */
FC_INLINE void plane_strip(const fc_byte_plane *p, const uint8_t *x, const int16_t *w, void *y,
                           ptrdiff_t col, const int vectors, const int edge, const int has_sign)
{
    const ptrdiff_t at = col - p->left;
    const __m512i bias = _mm512_set1_epi16((short)p->bias);
    const __m512i low = _mm512_set1_epi16((short)p->low), high = _mm512_set1_epi16((short)p->high);
    __mmask32 some[FC_PLANE_COLUMNS][STRIP], out[STRIP];
    FC_UNROLL for (int v = 0; v < vectors; v++) {
        out[v] = within(0, p->out_width - col - 32 * v);
        if (edge)
            for (ptrdiff_t j = 0; j < p->kernel[1]; j++)
                some[j][v] = within(at + j * p->dilation[1] + 32 * v, p->width) & out[v];
    }
    for (ptrdiff_t r = p->first; r < p->first + p->rows; r++) {
        __m512i sum[STRIP];
        FC_UNROLL for (int v = 0; v < vectors; v++) sum[v] = bias;
        for (ptrdiff_t i = 0; i < p->kernel[0]; i++) {
            const ptrdiff_t row = r - p->top + i * p->dilation[0];
            if ((size_t)row >= (size_t)p->height) continue;
            const uint8_t *from = x + (row * p->width + at);
            const int16_t *weight = w + i * p->kernel[1] * 32;
            for (ptrdiff_t j = 0; j < p->kernel[1]; j++, from += p->dilation[1], weight += 32) {
                const __m512i factor = _mm512_loadu_si512(weight);
                FC_UNROLL for (int v = 0; v < vectors; v++) {
                    const __m256i bytes = edge
                        ? _mm256_maskz_loadu_epi8(some[j][v], from + 32 * v)
                        : _mm256_loadu_si256((const __m256i *)(from + 32 * v));
                    sum[v] = _mm512_add_epi16(
                        sum[v], _mm512_mullo_epi16(words_of(bytes, has_sign), factor));
                }
            }
        }
        FC_UNROLL for (int v = 0; v < vectors; v++)
            put_words(p, _mm512_min_epi16(_mm512_max_epi16(sum[v], low), high), out[v], y,
                      r * p->out_width + col + 32 * v);
    }
}

FC_INLINE void plane_of(const fc_byte_plane *p, const uint8_t *x, const int16_t *w, void *y,
                        const int has_sign)
{
    const ptrdiff_t reach = (p->kernel[1] - 1) * p->dilation[1];
    for (ptrdiff_t col = 0; col < p->out_width;) {
        const ptrdiff_t left = p->out_width - col, at = col - p->left;
        if (left >= 32 * STRIP && at >= 0 && at + reach + 32 * STRIP <= p->width)
            plane_strip(p, x, w, y, col, STRIP, 0, has_sign), col += 32 * STRIP;
        else if (left > 64)
            plane_strip(p, x, w, y, col, STRIP, 1, has_sign), col += 32 * STRIP;
        else if (left > 32)
            plane_strip(p, x, w, y, col, 2, 1, has_sign), col += 64;
        else
            plane_strip(p, x, w, y, col, 1, 1, has_sign), col += 32;
    }
}

static void plane(const fc_byte_plane *p, const void *x, const int16_t *w, void *y)
{
    if (p->has_sign) plane_of(p, x, w, y, 1);
    else plane_of(p, x, w, y, 0);
}
#else
static void plane(const fc_byte_plane *p, const void *x_, const int16_t *w, void *y)
{
    const uint8_t *x = x_;
    for (ptrdiff_t r = p->first; r < p->first + p->rows; r++)
        for (ptrdiff_t c = 0; c < p->out_width; c++) {
            int32_t sum = p->bias;
            for (ptrdiff_t i = 0; i < p->kernel[0]; i++)
                for (ptrdiff_t j = 0; j < p->kernel[1]; j++) {
                    const ptrdiff_t row = r - p->top + i * p->dilation[0];
                    const ptrdiff_t column = c - p->left + j * p->dilation[1];
                    if ((size_t)row >= (size_t)p->height || (size_t)column >= (size_t)p->width)
                        continue;
                    const uint8_t byte = x[row * p->width + column];
                    sum += (p->has_sign ? (int8_t)byte : byte) * w[(i * p->kernel[1] + j) * 32];
                }
            sum = sum < p->low ? p->low : sum > p->high ? p->high : sum;
            const ptrdiff_t at = r * p->out_width + c;
            switch (p->type) {
            case FC_U8:
            case FC_I8: ((uint8_t *)y)[at] = (uint8_t)sum; break;
            case FC_U16:
            case FC_I16: ((uint16_t *)y)[at] = (uint16_t)sum; break;
            case FC_I32: ((int32_t *)y)[at] = sum; break;
            default: ((int64_t *)y)[at] = sum;
            }
        }
}
#endif

void fc_fill_words(fc_kernels *); /* of integers.c, compiled for VNNI */

static fc_bytes offered = {fc_fill_words, fill_products, quads, bytes, byte_rows, set_spread, spread,
                           dwconv, plane};

#define FC_OFFER_LEVEL avx512_vnni
#define FC_OFFER_NAME "fastconv.bytes"
#include "offer.h"
