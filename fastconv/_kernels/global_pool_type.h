/* One element type's poolings of small planes that are one window each. Included once per type,
 * after reduce_type.h.
 *
 * A vector of sums, or extremes, for each plane; then those of LANES planes become one vector of
 * results.
 */
#ifdef FC_PARTIAL_LOADS
FC_INLINE void NAME(global_pool)(ptrdiff_t planes, ptrdiff_t length, double divisor, double factor,
                                 const void *x_, void *y_, const fc_reduction op)
{
    const vec neutral = NAME(neutral)(op);
    const ptrdiff_t most = (length - 1) / LANES * LANES; /* and at least one element more */
    const NAME(lanes) rest = NAME(within)(0, length - most);
    const REAL *x = x_;
    REAL *y = y_;
    vec kept[LANES], part[LANES];
    FC_UNROLL for (int p = 0; p < LANES; p++) kept[p] = neutral;
    for (; planes > 0; planes -= LANES, y += LANES) {
        const ptrdiff_t n = planes < LANES ? planes : LANES;
        for (ptrdiff_t p = 0; p < n; p++, x += length) { /* kept in memory: it is no bottleneck */
            vec v = NAME(load_some)(x + most, rest, neutral, 1);
            for (ptrdiff_t t = 0; t < most; t += LANES)
                v = NAME(combine_all)(v, NAME(load)(x + t), op);
            kept[p] = v;
        }
        FC_UNROLL for (int p = 0; p < LANES; p++) part[p] = kept[p];
        NAME(reduce)(part, op);
        if (op == FC_SUM)
            part[0] = factor ? part[0] * (REAL)factor : part[0] / (REAL)divisor;
        if (n == LANES) NAME(save)(y, part[0]);
        else NAME(save_first)(y, part[0], n);
    }
}

#define GLOBAL_POOL(op, word)                                                                  \
    static void NAME(word##_global_pool)(ptrdiff_t planes, ptrdiff_t length, double divisor,   \
                                            double factor, const void *x, void *y)             \
    {                                                                                          \
        NAME(global_pool)(planes, length, divisor, factor, x, y, op);                          \
    }
GLOBAL_POOL(FC_MAX, max)
GLOBAL_POOL(FC_MIN, min)
GLOBAL_POOL(FC_SUM, sum)
#undef GLOBAL_POOL
#endif

static void NAME(fill_global_pool)(fc_pools *k)
{
#ifdef FC_PARTIAL_LOADS
    k->global_pool[FC_MAX] = NAME(max_global_pool);
    k->global_pool[FC_MIN] = NAME(min_global_pool);
    k->global_pool[FC_SUM] = NAME(sum_global_pool);
#else
    (void)k;
#endif
}
