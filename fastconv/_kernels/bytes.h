/* What an extension module of byte kernels offers: a capsule "fastconv.bytes" holds an fc_bytes. */
#ifndef FASTCONV_BYTES_H
#define FASTCONV_BYTES_H
#include "table.h"

typedef struct {
    /* Put products of words, by VNNI, or of bytes in the place of other products. */
    void (*fill_words)(fc_kernels *kernels);
    void (*fill)(fc_kernels *kernels);
    /* dst[i] = the bytes a[i], b[i], c[i], d[i], with the bits of `flip` changed in each */
    void (*quads)(ptrdiff_t n, const void *a, const void *b, const void *c, const void *d,
                  int flip, void *dst);
    /* dst[i] = the bytes of src */
    void (*bytes)(ptrdiff_t n, const void *src, int flip, void *dst);
} fc_bytes;

#endif
