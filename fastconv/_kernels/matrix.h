/* Products of matrices whose numbers are bytes, or float32 in parts of bfloat16: what a matrix unit
 * multiplies. One table of functions: of a level in plain C, or of an extension module of its own, whose
 * capsule "fastconv.matrix" holds it. */
#ifndef FASTCONV_MATRIX_H
#define FASTCONV_MATRIX_H
#include <stddef.h>

/* An element has 32 bits: two bfloat16, or four bytes, of neighbours in the sum. A step of the sum
 * takes FC_MATRIX of them, a tile has so many pixels, and so many channels. */
enum { FC_MATRIX = 16 };

/* What is multiplied: float32 in two parts, high and low, by three products; the high parts alone;
 * bytes, of pixels without a sign or with one and of weights with one. */
typedef enum { FC_BF16X3, FC_BF16, FC_BYTES, FC_SIGNED_BYTES, FC_MATRIX_KINDS } fc_matrix_kind;

/* out[p][k] = sum over steps t and elements e of x[t][p][e] . w[t][e][k], for one or two tiles of
 * pixels and one or two of channels; or added to what `out` holds if `more`. Tile i of pixels is at
 * x + tile[i] + offset[t] + p * row, and the low parts `low` behind; all in bytes. `w` is packed
 * [step][part][two tiles][element][channel]; `out` has rows of channels, `out_row` apart.
 *
 * Of planes everything is turned: x[t][e][p] is at x + tile[i] + offset[t] + e * row, `w` is
 * [step][part][two tiles][channel][element], `out` has rows of pixels. The sums are the same. */
typedef void (*fc_matrix_product)(ptrdiff_t steps, const ptrdiff_t *offset, const char *x,
                                  const ptrdiff_t *tile, ptrdiff_t row, ptrdiff_t low,
                                  const void *w, void *out, ptrdiff_t out_row, int more);

typedef struct {
    /* What a cycle multiplies and adds up, of bfloat16; of bytes twice that. */
    double products;

    /* Before and after products, by the thread that computes them. */
    void (*begin)(void);
    void (*end)(void);

    /* Index: [kind][tiles of pixels - 1][tiles of channels - 1]. */
    fc_matrix_product product[FC_MATRIX_KINDS][2][2], planes[FC_MATRIX_KINDS][2][2];

    /* The parts of n numbers; returns whether there are some whose parts would not do: magnitudes
     * beyond FC_MATRIX_LEAST ... FC_MATRIX_MOST, but for zeros. `low` may be NULL. */
    int (*split)(ptrdiff_t n, const void *x, void *high, void *low);

    /* The same of n numbers of each channel, `x_row` numbers apart, as elements of two channels; those
     * of the next two are `row` bytes on. */
    int (*split_planes)(ptrdiff_t channels, ptrdiff_t n, const void *x, ptrdiff_t x_row, void *high,
                        void *low, ptrdiff_t row);

    /* The same of FC_MATRIX pairs, a number of each row, as elements, unchecked; `largest` are the bits of
     * the largest magnitude that each lane has met. */
    void (*split_pairs)(const void *first, const void *second, void *high, void *low,
                        void *largest);
} fc_matrix;

/* Matrix units take what is smaller than the least normal number, 2^-126, for zero. With numbers of an
 * image within 2^-60 ... 2^50, and filters whose largest weight is within 2^-30 ... 2^50, that is 2^-36 of
 * the largest product at most, and sums of 2^27 products do not overflow. As the bits of float32. */
#define FC_MATRIX_LEAST 0x21800000u
#define FC_MATRIX_MOST 0x58800000u

#endif
