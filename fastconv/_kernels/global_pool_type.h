/* One element type's poolings of planes that are one window each. Included once per type,
 * after reduce_type.h.
 *
 * A vector of sums, or extremes, for each plane; then those of LANES planes become one vector of
 * results.
 */
#ifdef FC_PARTIAL_LOADS
/* The sum of sixteen vectors. They are read one after the other, where the compiler would read them
 * in pairs from all over a page: then processors see a stream, and memory delivers twice as much. */
FC_INLINE vec NAME(sum_16)(const REAL *x)
{
    vec s[8];
    FC_UNROLL for (int i = 0; i < 8; i++) {
        s[i] = NAME(load)(x + i * LANES);
        __asm__ volatile("" ::: "memory");
    }
    FC_UNROLL for (int i = 0; i < 8; i++) {
        s[i] += NAME(load)(x + (8 + i) * LANES);
        __asm__ volatile("" ::: "memory");
    }
    FC_UNROLL for (int i = 0; i < 4; i++) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* The sum of n elements, whole vectors, in pairs of pairs: as many additions in a row as the count
 * has bits, about, so that rounding errors stay small. Sums of chunks wait for their like, as the
 * bits of a binary counter do. */
static __attribute__((noinline)) vec NAME(sum_in_pairs)(const REAL *x, ptrdiff_t n)
{
    enum { part = 16 * LANES, chunk = 4 * part };
    vec waiting[8 * sizeof(ptrdiff_t)], v;
    ptrdiff_t chunks = 0;
    int level = 0;
    for (; n >= chunk; n -= chunk, x += chunk, chunks++) {
        v = (NAME(sum_16)(x) + NAME(sum_16)(x + part))
            + (NAME(sum_16)(x + 2 * part) + NAME(sum_16)(x + 3 * part));
        level = 0;
        for (ptrdiff_t c = chunks; c & 1; c >>= 1) v += waiting[level++];
        waiting[level] = v;
    }
    v = (vec){0};
    vec other = (vec){0};
    for (; n >= part; n -= part, x += part) v += NAME(sum_16)(x);
    for (; n >= 2 * LANES; n -= 2 * LANES, x += 2 * LANES) {
        v += NAME(load)(x);
        other += NAME(load)(x + LANES);
    }
    if (n) v += NAME(load)(x);
    v += other;
    level = 0;
    for (ptrdiff_t c = chunks; c; c >>= 1, level++)
        if (c & 1) v += waiting[level];
    return v;
}

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
            if (op == FC_SUM && most > 10 * LANES) v += NAME(sum_in_pairs)(x, most);
            else
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
