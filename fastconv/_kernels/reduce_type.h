/* One element type's reductions of vectors. Included once per type, after lanes_type.h. */

/* A NaN in a stays, one in b does not. */
FC_INLINE vec NAME(combine)(vec a, vec b, const fc_reduction op)
{
    if (op == FC_SUM) return a + b;
    return op == FC_MAX ? NAME(larger)(b, a) : NAME(smaller)(b, a);
}

/* Any NaN stays. */
FC_INLINE vec NAME(combine_all)(vec a, vec b, const fc_reduction op)
{
    const vec v = NAME(combine)(a, b, op);
    return op == FC_SUM ? v : NAME(select)((ivec)(b != b), b, v);
}

/* What changes no reduction. */
FC_INLINE vec NAME(neutral)(const fc_reduction op)
{
    return NAME(spread)(op == FC_SUM ? 0 : op == FC_MAX ? -(REAL)INFINITY : (REAL)INFINITY);
}

#ifdef FC_PARTIAL_LOADS
/* Other lanes hold what no reduction notices; their memory is not touched. */
FC_INLINE vec NAME(load_some)(const REAL *p, NAME(lanes) lanes, vec neutral, const int edge)
{
    if (!edge) return NAME(load)(p);
#if defined(FC_AVX512)
    return (vec)MM(mask_loadu)((MM_TYPE)neutral, (MM_MASK)lanes, p);
#else
    return NAME(select)(lanes, NAME(load_lanes)(p, lanes), neutral);
#endif
}
#endif

/* Lane i of v[0] becomes the reduction of v[i]'s lanes: of LANES / 2 pairs of vectors one half of
 * each is left, and so on. */
FC_INLINE void NAME(reduce)(vec *v, const fc_reduction op)
{
    FC_UNROLL for (int h = LANES / 2; h > 0; h /= 2)
        FC_UNROLL for (int i = 0; i < LANES; i++)
            if (i < h) {
                const vec a = v[i], b = v[i + h];
                v[i] = NAME(combine_all)(NAME(halves)(a, b, h, 0), NAME(halves)(a, b, h, 1), op);
            }
}
