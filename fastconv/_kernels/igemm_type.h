/* One element type's products through a table of offsets. Included once per type, after
 * lanes_type.h. */
/* Weights that no pass before has fetched are asked for by AVX-512's kernels themselves, 900 to
 * 1,500 cycles before they serve: few passes cannot fetch for each other. AVX2's tiles would ask
 * for 10 bytes a cycle that way, which is more than comes from memory. */
#undef FC_FETCHES
#define FC_FETCHES (FC_FULL == 14)

/* ---- igemm: output channels in the lanes, input scalars broadcast from memory ----
 *
 * With two halves and two vectors on AVX-512, an iteration should be 28 vfmadd, 14
 * vbroadcastss from memory, 2 loads of weights, 2 prefetches, one load of the offset, and the
 * address arithmetic of `step`; on AVX2 12 vfmadd, 6 broadcasts, 2 loads.
 */
FC_INLINE void NAME(igemm)(ptrdiff_t taps, const ptrdiff_t *restrict offset, const REAL *x0,
                           const REAL *x1, ptrdiff_t step, const REAL *restrict w,
                           REAL *restrict out, const int more, const int halves, const int vectors)
{
    enum { prefetch = 4096 / sizeof(REAL) };
    const ptrdiff_t second = x1 - x0;
    for (ptrdiff_t first = 0; first < taps || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = taps - first < FC_SUM_BLOCK ? taps : first + FC_SUM_BLOCK;
        vec acc[2][FC_HALF][2];
        FC_UNROLL for (int h = 0; h < halves; h++)
            FC_UNROLL for (int p = 0; p < FC_HALF; p++)
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[h][p][v] = (vec){0};
        for (ptrdiff_t t = first; t < end; t++) {
            vec wv[2];
            FC_UNROLL for (int v = 0; v < vectors; v++) {
                wv[v] = NAME(load)(w + v * LANES);
                if (FC_FETCHES) __builtin_prefetch(w + prefetch + v * LANES);
            }
            FC_UNROLL for (int h = 0; h < halves; h++) {
                const REAL *x = x0 + offset[t] + (h ? second : 0);
                FC_UNROLL for (int p = 0; p < FC_HALF; p++) {
                    const REAL scalar = x[p * step];
                    FC_UNROLL for (int v = 0; v < vectors; v++) acc[h][p][v] += wv[v] * scalar;
                }
            }
            w += vectors * LANES;
        }
        REAL *o = out;
        FC_UNROLL for (int h = 0; h < halves; h++)
            FC_UNROLL for (int p = 0; p < FC_HALF; p++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) {
                    if (first || more) acc[h][p][v] += NAME(load)(o);
                    NAME(save)(o, acc[h][p][v]);
                }
    }
}

#define IGEMM(halves, pixels, vectors)                                                         \
    static void FC_TILE(NAME(igemm), pixels, vectors)(                                         \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x0, const void *x1,               \
        ptrdiff_t step, const void *w, void *out, int more)                                    \
    {                                                                                          \
        NAME(igemm)(taps, offset, x0, x1, step, w, out, more, halves, vectors);                \
    }
IGEMM(1, FC_HALF, 1)
IGEMM(1, FC_HALF, 2)
IGEMM(2, FC_FULL, 1)
IGEMM(2, FC_FULL, 2)
#undef IGEMM

/* ---- igemm_pixels: output pixels in the lanes, weights broadcast ----
 *
 * With eight channels and three vectors on AVX-512 an iteration should be 24 vfmadd, 3 loads
 * of x, 8 broadcasts and a prefetch; on AVX2, with four channels, 12 vfmadd, 3 loads and 4
 * broadcasts.
 */

/* Sums with bias, residual and bounds, straight to where they belong. */
FC_INLINE void NAME(write_pixels)(vec acc[8][8], const fc_output *output, const int channels,
                                  const int vectors)
{
    REAL *y = output->y;
    const REAL *bias = output->bias, *residual = output->residual;
    const vec lo = (REAL)output->epilogue->lo + (vec){0};
    const vec hi = (REAL)output->epilogue->hi + (vec){0};
    const int clip = output->epilogue->activation == FC_CLIP;
    if (output->channels >= channels && output->pixels >= vectors * LANES && !residual) {
        /* the usual case, without branches: they would take longer than the stores */
        const ptrdiff_t row = output->y_row;
        if (bias) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += bias[k];
        }
        if (clip) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++)
                    acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
        }
        FC_UNROLL for (int k = 0; k < channels; k++) {
            FC_UNROLL for (int v = 0; v < vectors; v++) NAME(save)(y + v * LANES, acc[k][v]);
            y += row;
        }
        return;
    }
    FC_UNROLL for (int k = 0; k < channels; k++) {
        if (k >= output->channels) continue;
        if (bias) {
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += bias[k];
        }
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            const ptrdiff_t at = k * output->y_row + v * LANES, n = output->pixels - v * LANES;
            if (n >= LANES) {
                if (residual) acc[k][v] += NAME(load)(residual + at);
                if (clip) acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
                NAME(save)(y + at, acc[k][v]);
            } else if (n > 0) {
                if (residual) acc[k][v] += NAME(load_first)(residual + at, n);
                if (clip) acc[k][v] = NAME(clip)(acc[k][v], lo, hi);
                NAME(save_first)(y + at, acc[k][v], n);
            }
        }
    }
}

FC_INLINE void NAME(igemm_pixels)(ptrdiff_t taps, const ptrdiff_t *restrict offset,
                                  const REAL *restrict x, const REAL *restrict w,
                                  REAL *restrict out, const fc_output *output, const int more,
                                  const int channels, const int vectors)
{
    enum { prefetch = 2048 / sizeof(REAL) };
    for (ptrdiff_t first = 0; first < taps || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = taps - first < FC_SUM_BLOCK ? taps : first + FC_SUM_BLOCK;
        vec acc[8][8];
        FC_UNROLL for (int k = 0; k < channels; k++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] = (vec){0};
        if (output && end == taps) { /* a result that is larger than the cache arrives meanwhile */
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++)
                    __builtin_prefetch((REAL *)output->y + k * output->y_row + v * LANES, 1);
        }
        for (ptrdiff_t t = first; t < end; t++) {
            const REAL *p = x + offset[t];
            vec xv[8];
            FC_UNROLL for (int v = 0; v < vectors; v++) xv[v] = NAME(load)(p + v * LANES);
            if (FC_FETCHES) __builtin_prefetch(w + prefetch);
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[k][v] += xv[v] * w[k];
            w += channels;
        }
        REAL *o = out;
        if (first || more) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES)
                    acc[k][v] += NAME(load)(o);
            o = out;
        }
        if (!output || end < taps) {
            FC_UNROLL for (int k = 0; k < channels; k++)
                FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) NAME(save)(o, acc[k][v]);
            continue;
        }
        NAME(write_pixels)(acc, output, channels, vectors);
    }
}

#define IGEMM_PIXELS(channels, vectors)                                                        \
    static void FC_TILE(NAME(igemm_pixels), channels, vectors)(                                \
        ptrdiff_t taps, const ptrdiff_t *offset, const void *x, const void *w, void *out,      \
        const fc_output *output, int more)                                                     \
    {                                                                                          \
        NAME(igemm_pixels)(taps, offset, x, w, out, output, more, channels, vectors);          \
    }
IGEMM_PIXELS(1, 1)
IGEMM_PIXELS(1, 2)
IGEMM_PIXELS(1, 4)
IGEMM_PIXELS(1, 8)
IGEMM_PIXELS(4, 1)
IGEMM_PIXELS(4, 2)
IGEMM_PIXELS(4, 3)
#if FC_IGEMM_PIXELS_CHANNELS > 4   /* as many registers */
IGEMM_PIXELS(4, 4)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 1)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 2)
IGEMM_PIXELS(FC_IGEMM_PIXELS_CHANNELS, 3)
#endif
#undef IGEMM_PIXELS

static void NAME(fill_igemm)(fc_kernels *k)
{
    k->lanes = LANES;
    k->half = FC_HALF;
    k->igemm[0][0] = FC_TILE(NAME(igemm), FC_HALF, 1);
    k->igemm[0][1] = FC_TILE(NAME(igemm), FC_HALF, 2);
    k->igemm[1][0] = FC_TILE(NAME(igemm), FC_FULL, 1);
    k->igemm[1][1] = FC_TILE(NAME(igemm), FC_FULL, 2);
    k->igemm_pixels_channels = FC_IGEMM_PIXELS_CHANNELS;
    k->igemm_pixels[0][0] = FC_TILE(NAME(igemm_pixels), 1, 1);
    k->igemm_pixels[0][1] = FC_TILE(NAME(igemm_pixels), 1, 2);
    k->igemm_pixels[0][2] = FC_TILE(NAME(igemm_pixels), 1, 4);
    k->igemm_pixels[0][3] = FC_TILE(NAME(igemm_pixels), 1, 8);
    k->igemm_pixels[1][0] = FC_TILE(NAME(igemm_pixels), 4, 1);
    k->igemm_pixels[1][1] = FC_TILE(NAME(igemm_pixels), 4, 2);
    k->igemm_pixels[1][2] = FC_TILE(NAME(igemm_pixels), 4, 3);
#if FC_IGEMM_PIXELS_CHANNELS > 4
    k->igemm_pixels[1][3] = FC_TILE(NAME(igemm_pixels), 4, 4);
#endif
    k->igemm_pixels[2][0] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 1);
    k->igemm_pixels[2][1] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 2);
    k->igemm_pixels[2][2] = FC_TILE(NAME(igemm_pixels), FC_IGEMM_PIXELS_CHANNELS, 3);
}
