/* One element type's products of spectra. Included once per type, after lanes_type.h. */

/* ---- spectra: frequencies in the lanes, sums over channels ----
 *
 * Complex numbers lie as pairs (re, im). x w = re(x) w + i im(x) w: both products are kept in
 * sums of their own, and the pairs of the second are swapped once, at the end of a sum. An
 * iteration over channels should be two vfmadd for each tile and filter, a load for each filter,
 * and two loads that duplicate for each tile.
 */
FC_INLINE void NAME(spectra_vector)(ptrdiff_t count, ptrdiff_t channels, const REAL *x,
                                    ptrdiff_t x_tile, ptrdiff_t x_channel, const REAL *w,
                                    ptrdiff_t w_filter, ptrdiff_t w_channel, REAL *y,
                                    ptrdiff_t y_tile, ptrdiff_t y_filter, const int more,
                                    const int tiles, const int filters, const int whole)
{
    const ivec lane = NAME(iota)();
    const ivec minus = (lane & 1) - 1; /* all bits where a real part lies */
    for (ptrdiff_t first = 0; first < channels || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = channels - first < FC_SUM_BLOCK ? channels : first + FC_SUM_BLOCK;
        vec re[2][FC_SPECTRA], im[2][FC_SPECTRA];
        FC_UNROLL for (int t = 0; t < tiles; t++)
            FC_UNROLL for (int k = 0; k < filters; k++) re[t][k] = im[t][k] = (vec){0};
        for (ptrdiff_t c = first; c < end; c++) {
            vec wv[FC_SPECTRA];
            FC_UNROLL for (int k = 0; k < filters; k++) {
                const REAL *p = w + c * w_channel + k * w_filter;
                wv[k] = whole ? NAME(load)(p) : NAME(load_first)(p, count);
            }
            FC_UNROLL for (int t = 0; t < tiles; t++) {
                const REAL *p = x + c * x_channel + t * x_tile;
                const vec v = whole ? NAME(load)(p) : NAME(load_first)(p, count);
                const vec real = NAME(shuffle)(v, v, lane & ~1);
                const vec imag = NAME(shuffle)(v, v, lane | 1);
                FC_UNROLL for (int k = 0; k < filters; k++) {
                    re[t][k] += real * wv[k];
                    im[t][k] += imag * wv[k];
                }
            }
        }
        FC_UNROLL for (int t = 0; t < tiles; t++)
            FC_UNROLL for (int k = 0; k < filters; k++) {
                REAL *p = y + t * y_tile + k * y_filter;
                const vec turned = NAME(shuffle)(im[t][k], im[t][k], lane ^ 1);
                vec sum = re[t][k] + NAME(select)(minus, -turned, turned);
                if (first || more) sum += whole ? NAME(load)(p) : NAME(load_first)(p, count);
                if (whole) NAME(save)(p, sum);
                else NAME(save_first)(p, sum, count);
            }
    }
}

FC_INLINE void NAME(spectra)(ptrdiff_t n, ptrdiff_t channels, const REAL *x, ptrdiff_t x_tile,
                             ptrdiff_t x_channel, const REAL *w, ptrdiff_t w_filter,
                             ptrdiff_t w_channel, REAL *y, ptrdiff_t y_tile, ptrdiff_t y_filter,
                             const int more, const int tiles, const int filters)
{
    ptrdiff_t f = 0;
    for (; f + LANES <= 2 * n; f += LANES)
        NAME(spectra_vector)(LANES, channels, x + f, x_tile, x_channel, w + f, w_filter,
                             w_channel, y + f, y_tile, y_filter, more, tiles, filters, 1);
    if (f < 2 * n)
        NAME(spectra_vector)(2 * n - f, channels, x + f, x_tile, x_channel, w + f, w_filter,
                             w_channel, y + f, y_tile, y_filter, more, tiles, filters, 0);
}

#define SPECTRA(tiles, word, filters)                                                          \
    static void FC_PASTE(NAME(spectra), tiles##x##word)(                                       \
        ptrdiff_t n, ptrdiff_t channels, const void *x, ptrdiff_t x_tile, ptrdiff_t x_channel, \
        const void *w, ptrdiff_t w_filter, ptrdiff_t w_channel, void *y, ptrdiff_t y_tile,     \
        ptrdiff_t y_filter, int more)                                                          \
    {                                                                                          \
        if (more)                                                                              \
            NAME(spectra)(n, channels, x, x_tile, x_channel, w, w_filter, w_channel, y,        \
                          y_tile, y_filter, 1, tiles, filters);                                \
        else                                                                                   \
            NAME(spectra)(n, channels, x, x_tile, x_channel, w, w_filter, w_channel, y,        \
                          y_tile, y_filter, 0, tiles, filters);                                \
    }
SPECTRA(1, one, 1)
SPECTRA(2, one, 1)
SPECTRA(1, many, FC_SPECTRA)
SPECTRA(2, many, FC_SPECTRA)
#undef SPECTRA

static void NAME(fill_spectra)(fc_kernels *k)
{
    k->spectra_filters = FC_SPECTRA;
    k->spectra[0][0] = FC_PASTE(NAME(spectra), 1xone);
    k->spectra[1][0] = FC_PASTE(NAME(spectra), 2xone);
    k->spectra[0][1] = FC_PASTE(NAME(spectra), 1xmany);
    k->spectra[1][1] = FC_PASTE(NAME(spectra), 2xmany);
}
