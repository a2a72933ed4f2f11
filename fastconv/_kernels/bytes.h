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
} fc_bytes;

#endif
