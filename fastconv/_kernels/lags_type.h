/* One element type's cross-correlations of few planes at some lags, which are the gradients of
 * weights that see few channels. Included by tiles_type.h, whose helpers it uses.
 *
 * Pixels are in the lanes: every plane's vector meets every lag's, so that a load serves several
 * multiply-adds. Three planes and nine lags take 27 + 3 + 1 of 32 registers, four lags 12 + 3 + 1
 * of 16. The products of a step take longer than its loads, although most are not aligned and
 * count twice.
 */

/* out[i] is the sum of the lanes of vectors[i], or `more` by that, for i < n. */
static __attribute__((noinline)) void NAME(fold)(ptrdiff_t n, const REAL *vectors, REAL *out,
                                                int more)
{
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const ptrdiff_t count = n - i < LANES ? n - i : LANES;
        vec v[LANES];
        FC_UNROLL for (int j = 0; j < LANES; j++)
            v[j] = NAME(load)(vectors + (i + (j < count ? j : 0)) * LANES);
        FC_UNROLL for (int h = LANES / 2; h > 0; h /= 2)
            FC_UNROLL for (int j = 0; j < h; j++) {
                /* halves of 2h lanes: those of v[j] first, those of v[j + h] behind */
                const ivec lane = NAME(iota)();
                const ivec low = lane + (lane & h) / h * (LANES - h);
                const vec a = v[j], b = v[j + h];
                v[j] = NAME(shuffle)(a, b, low) + NAME(shuffle)(a, b, low + h);
            }
        if (more) v[0] += NAME(load_first)(out + i, count);
        NAME(save_first)(out + i, v[0], count);
    }
}

/* One vector of pixels, or the first n of it. */
FC_INLINE void NAME(lags_step)(vec acc[FC_PLANES][FC_LAGS], const REAL *const at[FC_LAGS],
                               ptrdiff_t i, const REAL *g, ptrdiff_t g_plane, ptrdiff_t n,
                               const int planes, const int lags, const int full)
{
    vec gv[FC_PLANES];
    FC_UNROLL for (int f = 0; f < planes; f++) {
        const REAL *p = g + f * g_plane;
        gv[f] = NAME(held)(full ? NAME(load)(p) : NAME(load_first)(p, n));
    }
    FC_UNROLL for (int t = 0; t < lags; t++) {
        const REAL *p = at[t] + i;
        const vec xv = NAME(held)(full ? NAME(load)(p) : NAME(load_first)(p, n));
        FC_UNROLL for (int f = 0; f < planes; f++)
            acc[f][t] = NAME(held)(acc[f][t] + gv[f] * xv);
    }
}

/* An iteration should be planes * lags vfmadd of registers, and planes + lags loads. */
FC_INLINE void NAME(lags)(ptrdiff_t rows, ptrdiff_t n, const ptrdiff_t *offset, const REAL *x,
                          ptrdiff_t x_row, const REAL *g, ptrdiff_t g_plane, ptrdiff_t g_row,
                          const REAL *ahead, REAL *out, int more, const int planes,
                          const int lags)
{
    REAL part[FC_PLANES * FC_LAGS * LANES], sums[2 * FC_PLANES * FC_LAGS * LANES];
    const ptrdiff_t size = planes * lags * LANES, whole = n / LANES * LANES;
#ifdef FC_PARTS
    const ptrdiff_t steps = (n + LANES - 1) / LANES, last = whole;
#else /* the end of a row in single lanes */
    const ptrdiff_t steps = n / LANES + n % LANES, last = n;
#endif
    ptrdiff_t products = 0, blocks = 0, i = 0;
    vec acc[FC_PLANES][FC_LAGS];
    const REAL *at[FC_LAGS];
    FC_UNROLL for (int t = 0; t < lags; t++) {
        at[t] = x + offset[t];
        __asm__("" : "+r"(at[t])); /* not put together anew from x in each iteration */
    }
    FC_UNROLL for (int f = 0; f < planes; f++)
        FC_UNROLL for (int t = 0; t < lags; t++) acc[f][t] = (vec){0};
    for (ptrdiff_t r = 0; r < rows; r++) {
        if (products && products + steps > FC_SUM_BLOCK) {
            FC_UNROLL for (int f = 0; f < planes; f++)
                FC_UNROLL for (int t = 0; t < lags; t++) {
                    NAME(save)(part + (f * lags + t) * LANES, acc[f][t]);
                    acc[f][t] = (vec){0};
                }
            NAME(carry)(size, part, sums, blocks++);
            products = 0;
        }
        products += steps;
        if (ahead) {
            for (ptrdiff_t j = 0; j < n; j += 64 / (BITS / 8)) __builtin_prefetch(ahead + j, 0, 2);
            ahead += g_row;
        }
        for (const ptrdiff_t end = i + whole; i < end; i += LANES, g += LANES) {
            __asm__("" : "+r"(i)); /* one index for all, not a pointer for each */
            NAME(lags_step)(acc, at, i, g, g_plane, LANES, planes, lags, 1);
        }
#ifdef FC_PARTS
        if (whole < n) NAME(lags_step)(acc, at, i, g, g_plane, n - whole, planes, lags, 0);
#else
        for (const ptrdiff_t end = i + n - whole; i < end; i++, g++)
            NAME(lags_step)(acc, at, i, g, g_plane, 1, planes, lags, 0);
#endif
        i += x_row - last;
        g += g_row - last;
    }
    if (blocks) NAME(gathered)(size, sums, blocks);
    FC_UNROLL for (int f = 0; f < planes; f++)
        FC_UNROLL for (int t = 0; t < lags; t++) {
            const ptrdiff_t at_sum = (f * lags + t) * LANES;
            if (blocks) acc[f][t] += NAME(load)(sums + at_sum);
            NAME(save)(part + at_sum, acc[f][t]);
        }
    NAME(fold)(planes * lags, part, out, more);
}

#define LAGS_OF(f, t)                                                                          \
    static void FC_PASTE(NAME(lags), f##x##t)(                                                 \
        ptrdiff_t rows, ptrdiff_t n, const ptrdiff_t *offset, const void *x, ptrdiff_t x_row,  \
        const void *g, ptrdiff_t g_plane, ptrdiff_t g_row, const void *ahead, void *out,       \
        int more)                                                                              \
    {                                                                                          \
        NAME(lags)(rows, n, offset, x, x_row, g, g_plane, g_row, ahead, out, more, f, t);      \
    }
#if FC_LAGS == 9
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3) OF(f, 4) OF(f, 5) OF(f, 6) OF(f, 7) OF(f, 8) OF(f, 9)
#elif FC_LAGS == 4
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3) OF(f, 4)
#else
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3)
#endif
ALL(LAGS_OF, 1)
ALL(LAGS_OF, 2)
ALL(LAGS_OF, 3)

static void NAME(fill_lags)(fc_kernels *k)
{
    k->most_lags = FC_LAGS;
#define FILL(f, t) k->lags[f - 1][t - 1] = FC_PASTE(NAME(lags), f##x##t);
    ALL(FILL, 1)
    ALL(FILL, 2)
    ALL(FILL, 3)
#undef FILL
}
#undef ALL
#undef LAGS_OF
