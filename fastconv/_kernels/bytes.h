/* What an extension module of byte kernels offers: a capsule "fastconv.bytes" holds an fc_bytes. */
#ifndef FASTCONV_BYTES_H
#define FASTCONV_BYTES_H
#include "table.h"

/* Which bytes of a row make an element: four, `dilation` apart, for outputs `stride` apart. Those of
 * four outputs lie in 16 bytes: stride + dilation <= 5. */
typedef struct {
    int32_t stride, dilation;
    int32_t lane[16];    /* the words of 32 bits that hold them, 16 bytes for four outputs */
    uint8_t byte[64];    /* and where in these 16 bytes each lies */
} fc_spread;

/* A plane (height, width) with zeros around, `top` above and `left` of it, whose window has kernel[0] by
 * kernel[1] elements, dilation[0] and dilation[1] apart: rows first ... first + rows - 1 of results of
 * a type, bounded, of elements with a sign or without. */
enum { FC_PLANE_COLUMNS = 32 }; /* of a kernel, at most */
typedef struct {
    ptrdiff_t height, width, top, left, first, rows, out_width, kernel[2], dilation[2];
    int32_t bias, low, high, has_sign;
    fc_type type;
} fc_byte_plane;

typedef struct {
    /* Put products of words, by VNNI, or of bytes in the place of other products. */
    void (*fill_words)(fc_kernels *kernels);
    void (*fill)(fc_kernels *kernels);
    /* dst[i] = the bytes a[i], b[i], c[i], d[i], with the bits of `flip` changed in each */
    void (*quads)(ptrdiff_t n, const void *a, const void *b, const void *c, const void *d,
                  int flip, void *dst);
    /* dst[i] = the bytes of src; and the same for rows */
    void (*bytes)(ptrdiff_t n, const void *src, int flip, void *dst);
    void (*byte_rows)(ptrdiff_t rows, ptrdiff_t n, const void *src, ptrdiff_t src_row, int flip,
                      void *dst, ptrdiff_t dst_row);
    void (*set_spread)(ptrdiff_t stride, ptrdiff_t dilation, fc_spread *spread);
    /* dst[i] = the bytes src[i * stride + (0, 1, 2, 3) * dilation], for n and what fills a vector; reads
     * up to 64 bytes from the first of each vector on */
    void (*spread)(ptrdiff_t n, const void *src, const fc_spread *spread, void *dst);
    /* Sums of a vector of channels for some pixels: of each tap's elements by the channels' weights.
     * Pixels, taps' weights and sums are `step` apart. */
    void (*dwconv)(ptrdiff_t pixels, ptrdiff_t taps, const ptrdiff_t *offset, const void *x,
                   ptrdiff_t step, const void *w, void *sums);
    /* y[r][c] = clip(bias + sum_{i, j} x[r - top + i * dilation][c - left + j * dilation] * w[i][j]), from
     * the first elements of the planes, where no sum passes 16 bits; each weight stands in the 32 words of
     * a vector. */
    void (*plane)(const fc_byte_plane *plane, const void *x, const int16_t *w, void *y);
} fc_bytes;

#endif
