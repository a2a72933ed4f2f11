/* Products of small integers, summed in 32 bits. Included once a file, after `ivec`, `load`, `save` and
 * `dot`, which adds the products within two elements of 32 bits. */

/* With two halves and two vectors on AVX2, an iteration should be 12 vpmaddwd, 12 vpaddd,
 * 6 vpbroadcastd from memory and 2 loads of weights. */
FC_INLINE void igemm(ptrdiff_t taps, const ptrdiff_t *restrict offset, const int32_t *x0,
                     const int32_t *x1, ptrdiff_t step, const int32_t *restrict w,
                     int32_t *restrict out, const int more, const int halves, const int vectors)
{
    const ptrdiff_t second = x1 - x0;
    ivec acc[2][FC_HALF][2];
    FC_UNROLL for (int h = 0; h < halves; h++)
        FC_UNROLL for (int p = 0; p < FC_HALF; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[h][p][v] = (ivec){0};
    for (ptrdiff_t t = 0; t < taps; t++) {
        ivec wv[2];
        FC_UNROLL for (int v = 0; v < vectors; v++) wv[v] = load(w + v * LANES);
        FC_UNROLL for (int h = 0; h < halves; h++) {
            const int32_t *x = x0 + offset[t] + (h ? second : 0);
            FC_UNROLL for (int p = 0; p < FC_HALF; p++) {
                const ivec element = x[p * step] + (ivec){0};
                FC_UNROLL for (int v = 0; v < vectors; v++)
                    acc[h][p][v] = dot(acc[h][p][v], element, wv[v]);
            }
        }
        w += vectors * LANES;
    }
    FC_UNROLL for (int h = 0; h < halves; h++)
        FC_UNROLL for (int p = 0; p < FC_HALF; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++, out += LANES) {
                if (more) acc[h][p][v] += load(out);
                save(out, acc[h][p][v]);
            }
}

#define IGEMM(halves, pixels, vectors)                                                         \
    static void FC_TILE(igemm, pixels, vectors)(                                               \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x0, const void *x1,               \
        ptrdiff_t step, const void *w, void *out, int more)                                    \
    {                                                                                          \
        igemm(taps, offset, x0, x1, step, w, out, more, halves, vectors);                      \
    }
IGEMM(1, FC_HALF, 1)
IGEMM(1, FC_HALF, 2)
IGEMM(2, FC_FULL, 1)
IGEMM(2, FC_FULL, 2)

/* Sums always wait in `out`: `store` finishes them.
 *
 * Four channels by three vectors, a weight and a product need one register more than there are 16,
 * so the last vector of x is read again for each channel. With them on AVX2, an iteration should be
 * 12 vpmaddwd, of which 4 have an operand in memory, 12 vpaddd, 4 vpbroadcastd and 2 loads. */
FC_INLINE void igemm_pixels(ptrdiff_t taps, const ptrdiff_t *restrict offset,
                            const int32_t *restrict x, const int32_t *restrict w,
                            int32_t *restrict out, const int more, const int channels,
                            const int vectors)
{
    ivec acc[8][8];
    FC_UNROLL for (int k = 0; k < channels; k++)
        FC_UNROLL for (int v = 0; v < vectors; v++)
            acc[k][v] = more ? load(out + (k * vectors + v) * LANES) : (ivec){0};
    for (ptrdiff_t t = 0; t < taps; t++) {
        const int32_t *p = x + offset[t];
        ivec xv[8];
        FC_UNROLL for (int v = 0; v < vectors; v++) xv[v] = load(p + v * LANES);
        FC_UNROLL for (int k = 0; k < channels; k++) {
            const ivec weight = w[k] + (ivec){0};
            if (FC_REGISTERS == 16 && channels * vectors > 11) {
                const int32_t *again = p + (vectors - 1) * LANES;
                __asm__ volatile("" : "+r"(again));
                xv[vectors - 1] = load(again);
            }
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] = dot(acc[k][v], xv[v], weight);
        }
        w += channels;
    }
    FC_UNROLL for (int k = 0; k < channels; k++)
        FC_UNROLL for (int v = 0; v < vectors; v++, out += LANES) save(out, acc[k][v]);
}

#define IGEMM_PIXELS(channels, vectors)                                                        \
    static void FC_TILE(igemm_pixels, channels, vectors)(                                      \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x, const void *w, void *out,      \
        const fc_output *output, int more)                                                     \
    {                                                                                          \
        (void)output;                                                                          \
        igemm_pixels(taps, offset, x, w, out, more, channels, vectors);                        \
    }
IGEMM_PIXELS(1, 1)
IGEMM_PIXELS(1, 2)
IGEMM_PIXELS(1, 4)
IGEMM_PIXELS(1, 8)
IGEMM_PIXELS(4, 1)
IGEMM_PIXELS(4, 2)
IGEMM_PIXELS(4, 3)
#if FC_IGEMM_PIXELS_CHANNELS > 4
IGEMM_PIXELS(4, 4)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 1)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 2)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 3)
#endif

static void fill_products(fc_kernels *k)
{
    k->igemm[0][0] = FC_TILE(igemm, FC_HALF, 1);
    k->igemm[0][1] = FC_TILE(igemm, FC_HALF, 2);
    k->igemm[1][0] = FC_TILE(igemm, FC_FULL, 1);
    k->igemm[1][1] = FC_TILE(igemm, FC_FULL, 2);
    k->igemm_pixels[0][0] = FC_TILE(igemm_pixels, 1, 1);
    k->igemm_pixels[0][1] = FC_TILE(igemm_pixels, 1, 2);
    k->igemm_pixels[0][2] = FC_TILE(igemm_pixels, 1, 4);
    k->igemm_pixels[0][3] = FC_TILE(igemm_pixels, 1, 8);
    k->igemm_pixels[1][0] = FC_TILE(igemm_pixels, 4, 1);
    k->igemm_pixels[1][1] = FC_TILE(igemm_pixels, 4, 2);
    k->igemm_pixels[1][2] = FC_TILE(igemm_pixels, 4, 3);
#if FC_IGEMM_PIXELS_CHANNELS > 4
    k->igemm_pixels[1][3] = FC_TILE(igemm_pixels, 4, 4);
#endif
    k->igemm_pixels[2][0] = FC_TILE(igemm_pixels, FC_IGEMM_PIXELS_CHANNELS, 1);
    k->igemm_pixels[2][1] = FC_TILE(igemm_pixels, FC_IGEMM_PIXELS_CHANNELS, 2);
    k->igemm_pixels[2][2] = FC_TILE(igemm_pixels, FC_IGEMM_PIXELS_CHANNELS, 3);
}
