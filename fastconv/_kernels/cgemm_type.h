/* One element type's products of complex numbers. Included once per type, after lanes_type.h. */

/* ---- cgemm: frequencies in the lanes, sums over channels ----
 *
 * Complex numbers lie as pairs (re, im). x w = re(x) w + i im(x) w: both products are kept in
 * sums of their own, and the pairs of the second are swapped once, at the end of a sum. An
 * iteration over channels should be two vfmadd for each tile and filter, a load for each filter,
 * and two loads that duplicate for each tile.
 */
FC_INLINE void NAME(cgemm_vector)(ptrdiff_t count, ptrdiff_t channels, const REAL *x,
                                  ptrdiff_t x_tile, ptrdiff_t x_channel, const REAL *w,
                                  ptrdiff_t w_filter, ptrdiff_t w_channel, REAL *y,
                                  ptrdiff_t y_tile, ptrdiff_t y_filter, const int more,
                                  const int tiles, const int filters, const int whole)
{
    const ivec lane = NAME(iota)();
    const ivec minus = (lane & 1) - 1; /* all bits where a real part lies */
    for (ptrdiff_t first = 0; first < channels || first == 0; first += FC_SUM_BLOCK) {
        const ptrdiff_t end = channels - first < FC_SUM_BLOCK ? channels : first + FC_SUM_BLOCK;
        vec re[2][FC_CGEMM_FILTERS], im[2][FC_CGEMM_FILTERS];
        FC_UNROLL for (int t = 0; t < tiles; t++)
            FC_UNROLL for (int k = 0; k < filters; k++) re[t][k] = im[t][k] = (vec){0};
        for (ptrdiff_t c = first; c < end; c++) {
            vec wv[FC_CGEMM_FILTERS];
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

FC_INLINE void NAME(cgemm)(ptrdiff_t n, ptrdiff_t channels, const REAL *x, ptrdiff_t x_tile,
                           ptrdiff_t x_channel, const REAL *w, ptrdiff_t w_filter,
                           ptrdiff_t w_channel, REAL *y, ptrdiff_t y_tile, ptrdiff_t y_filter,
                           const int more, const int tiles, const int filters)
{
    ptrdiff_t f = 0;
    for (; f + LANES <= 2 * n; f += LANES)
        NAME(cgemm_vector)(LANES, channels, x + f, x_tile, x_channel, w + f, w_filter,
                             w_channel, y + f, y_tile, y_filter, more, tiles, filters, 1);
    if (f < 2 * n)
        NAME(cgemm_vector)(2 * n - f, channels, x + f, x_tile, x_channel, w + f, w_filter,
                             w_channel, y + f, y_tile, y_filter, more, tiles, filters, 0);
}

#define CGEMM(tiles, filters)                                                                  \
    static void FC_PASTE(NAME(cgemm), FC_BY(tiles, filters))(                                  \
        ptrdiff_t n, ptrdiff_t channels, const void *x, ptrdiff_t x_tile, ptrdiff_t x_channel, \
        const void *w, ptrdiff_t w_filter, ptrdiff_t w_channel, void *y, ptrdiff_t y_tile,     \
        ptrdiff_t y_filter, int more)                                                          \
    {                                                                                          \
        if (more)                                                                              \
            NAME(cgemm)(n, channels, x, x_tile, x_channel, w, w_filter, w_channel, y,          \
                          y_tile, y_filter, 1, tiles, filters);                                \
        else                                                                                   \
            NAME(cgemm)(n, channels, x, x_tile, x_channel, w, w_filter, w_channel, y,          \
                          y_tile, y_filter, 0, tiles, filters);                                \
    }
CGEMM(1, 1)
CGEMM(2, 1)
CGEMM(1, FC_CGEMM_FILTERS)
CGEMM(2, FC_CGEMM_FILTERS)
#undef CGEMM

static void NAME(fill_cgemm)(fc_kernels *k)
{
    k->cgemm_filters = FC_CGEMM_FILTERS;
    k->cgemm[0][0] = FC_PASTE(NAME(cgemm), FC_BY(1, 1));
    k->cgemm[1][0] = FC_PASTE(NAME(cgemm), FC_BY(2, 1));
    k->cgemm[0][1] = FC_PASTE(NAME(cgemm), FC_BY(1, FC_CGEMM_FILTERS));
    k->cgemm[1][1] = FC_PASTE(NAME(cgemm), FC_BY(2, FC_CGEMM_FILTERS));
}
