/* One element type's measure of the processor. Included once per type, after lanes_type.h. */

/* Enough independent chains to hide a latency of four to six cycles on two units, few enough to
 * stay in 16 registers beside the factor and the term. */
static double NAME(peak)(ptrdiff_t rounds)
{
    enum { chains = 12 };
    vec a[chains];
    volatile REAL factor = (REAL)0.999, term = (REAL)0.001; /* unknown: no chain is folded */
    const vec scale = factor + (vec){0}, step = term + (vec){0};
    FC_UNROLL for (int i = 0; i < chains; i++) a[i] = (REAL)i + (vec){0};
    for (ptrdiff_t k = 0; k < rounds; k++)
        FC_UNROLL for (int i = 0; i < chains; i++) a[i] = a[i] * scale + step;
    FC_UNROLL for (int i = 1; i < chains; i++) a[0] += a[i];
    volatile REAL sink = a[0][0];
    (void)sink;
    return 2.0 * LANES * chains * (double)rounds;
}

static void NAME(fill_peak)(fc_kernels *k) { k->peak = NAME(peak); }
