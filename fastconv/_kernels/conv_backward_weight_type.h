/* One element type's gradients of weights that see few channels. Included once per type, after
 * sums_type.h and reduce_type.h.
 *
 * Pixels are in the lanes: every filter's vector of the gradient meets every tap's of the input, so
 * that a load serves several multiply-adds. Three filters and nine taps take 27 + 3 + 1 of 32
 * registers, four taps 12 + 3 + 1 of 16. The products of a step take longer than its loads,
 * although most are not aligned and count twice.
 */

/* out[i] is the sum of the lanes of vectors[i], or `more` by that, for i < n. */
static __attribute__((noinline)) void NAME(sum_lanes)(ptrdiff_t n, const REAL *vectors, REAL *out,
                                                     int more)
{
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const ptrdiff_t count = n - i < LANES ? n - i : LANES;
        vec v[LANES];
        FC_UNROLL for (int j = 0; j < LANES; j++)
            v[j] = NAME(load)(vectors + (i + (j < count ? j : 0)) * LANES);
        NAME(reduce)(v, FC_SUM);
        if (more) v[0] += NAME(load_first)(out + i, count);
        NAME(save_first)(out + i, v[0], count);
    }
}

/* One vector of pixels, or the first n of it. */
FC_INLINE void NAME(gradient_step)(vec acc[FC_BACKWARD_FILTERS][FC_BACKWARD_TAPS],
                                   const REAL *const at[FC_BACKWARD_TAPS], ptrdiff_t i,
                                   const REAL *g, ptrdiff_t g_filter, ptrdiff_t n,
                                   const int filters, const int taps, const int full)
{
    vec gv[FC_BACKWARD_FILTERS];
    FC_UNROLL for (int f = 0; f < filters; f++) {
        const REAL *p = g + f * g_filter;
        gv[f] = NAME(held)(full ? NAME(load)(p) : NAME(load_first)(p, n));
    }
    FC_UNROLL for (int t = 0; t < taps; t++) {
        const REAL *p = at[t] + i;
        const vec xv = NAME(held)(full ? NAME(load)(p) : NAME(load_first)(p, n));
        FC_UNROLL for (int f = 0; f < filters; f++)
            acc[f][t] = NAME(held)(acc[f][t] + gv[f] * xv);
    }
}

/* An iteration should be filters * taps vfmadd of registers, and filters + taps loads. */
FC_INLINE void NAME(conv_backward_weight)(ptrdiff_t rows, ptrdiff_t n, const ptrdiff_t *offset,
                                          const REAL *x, ptrdiff_t x_row, const REAL *g,
                                          ptrdiff_t g_filter, ptrdiff_t g_row, const REAL *prefetch,
                                          REAL *out, int more, const int filters, const int taps)
{
    REAL part[FC_BACKWARD_FILTERS * FC_BACKWARD_TAPS * LANES];
    REAL sums[2 * FC_BACKWARD_FILTERS * FC_BACKWARD_TAPS * LANES];
    const ptrdiff_t whole = n / LANES * LANES;
#ifdef FC_PARTIAL_LOADS
    const ptrdiff_t steps = (n + LANES - 1) / LANES, last = whole;
#else /* the end of a row in single lanes */
    const ptrdiff_t steps = n / LANES + n % LANES, last = n;
#endif
    ptrdiff_t products = 0, blocks = 0, i = 0;
    vec acc[FC_BACKWARD_FILTERS][FC_BACKWARD_TAPS];
    const REAL *at[FC_BACKWARD_TAPS];
    FC_UNROLL for (int t = 0; t < taps; t++) {
        at[t] = x + offset[t];
        __asm__("" : "+r"(at[t])); /* not put together anew from x in each iteration */
    }
    FC_UNROLL for (int f = 0; f < filters; f++)
        FC_UNROLL for (int t = 0; t < taps; t++) acc[f][t] = (vec){0};
    for (ptrdiff_t r = 0; r < rows; r++) {
        if (products && products + steps > FC_SUM_BLOCK) {
            NAME(spill)(acc[0], filters, taps, FC_BACKWARD_TAPS, part, sums, &blocks);
            products = 0;
        }
        products += steps;
        if (prefetch) {
            for (ptrdiff_t j = 0; j < n; j += 64 / (BITS / 8))
                __builtin_prefetch(prefetch + j, 0, 2);
            prefetch += g_row;
        }
        for (const ptrdiff_t end = i + whole; i < end; i += LANES, g += LANES) {
            __asm__("" : "+r"(i)); /* one index for all, not a pointer for each */
            NAME(gradient_step)(acc, at, i, g, g_filter, LANES, filters, taps, 1);
        }
#ifdef FC_PARTIAL_LOADS
        if (whole < n) NAME(gradient_step)(acc, at, i, g, g_filter, n - whole, filters, taps, 0);
#else
        for (const ptrdiff_t end = i + n - whole; i < end; i++, g++)
            NAME(gradient_step)(acc, at, i, g, g_filter, 1, filters, taps, 0);
#endif
        i += x_row - last;
        g += g_row - last;
    }
    NAME(add_spilled)(acc[0], filters, taps, FC_BACKWARD_TAPS, sums, blocks);
    FC_UNROLL for (int f = 0; f < filters; f++)
        FC_UNROLL for (int t = 0; t < taps; t++)
            NAME(save)(part + (f * taps + t) * LANES, acc[f][t]);
    NAME(sum_lanes)(filters * taps, part, out, more);
}

#define KERNEL(f, t)                                                                           \
    static void FC_PASTE(NAME(conv_backward_weight), f##x##t)(                                 \
        ptrdiff_t rows, ptrdiff_t n, const ptrdiff_t *offset, const void *x, ptrdiff_t x_row,  \
        const void *g, ptrdiff_t g_filter, ptrdiff_t g_row, const void *prefetch, void *out,   \
        int more)                                                                              \
    {                                                                                          \
        NAME(conv_backward_weight)(rows, n, offset, x, x_row, g, g_filter, g_row, prefetch,    \
                                   out, more, f, t);                                           \
    }
#if FC_BACKWARD_TAPS == 9
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3) OF(f, 4) OF(f, 5) OF(f, 6) OF(f, 7) OF(f, 8) OF(f, 9)
#elif FC_BACKWARD_TAPS == 4
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3) OF(f, 4)
#else
#define ALL(OF, f) OF(f, 1) OF(f, 2) OF(f, 3)
#endif
ALL(KERNEL, 1)
ALL(KERNEL, 2)
ALL(KERNEL, 3)

static void NAME(fill_conv_backward_weight)(fc_kernels *k)
{
    k->conv_backward_weight_taps = FC_BACKWARD_TAPS;
#define FILL(f, t)                                                                             \
    k->conv_backward_weight[f - 1][t - 1] = FC_PASTE(NAME(conv_backward_weight), f##x##t);
    ALL(FILL, 1)
    ALL(FILL, 2)
    ALL(FILL, 3)
#undef FILL
}
#undef ALL
#undef KERNEL
