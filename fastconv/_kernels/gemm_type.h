/* One element type's products of matrices whose rows lie one after the other: Winograd's, at one
 * frequency. Included once per type, after lanes_type.h. */

/* ---- gemm: the sums over channels at one frequency, channels of the output in the lanes ----
 *
 * With 14 tiles and two vectors on AVX-512, an iteration should be 28 vfmadd, 14 broadcasts from
 * memory, 2 loads of weights and 2 prefetches; on AVX2, with 6 tiles, 12, 6, 2 and 2. The weights
 * pass by once: without the prefetches those beyond the second-level cache halve the speed.
 */
FC_INLINE void NAME(gemm)(ptrdiff_t taps, ptrdiff_t block, const REAL *x, ptrdiff_t step,
                          const REAL *restrict w, REAL *restrict out, const int tiles,
                          const int vectors)
{
    enum { prefetch = 8192 / sizeof(REAL) };
    const REAL *x1 = x + (tiles > FC_HALF ? FC_HALF * step : 0);
    for (ptrdiff_t first = 0; first < taps || first == 0; first += block) {
        const ptrdiff_t end = taps - first < block ? taps : first + block;
        vec acc[FC_FULL][2];
        FC_UNROLL for (int p = 0; p < tiles; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[p][v] = (vec){0};
        for (ptrdiff_t t = first; t < end; t++) {
            vec wv[2];
            FC_UNROLL for (int v = 0; v < vectors; v++) {
                wv[v] = NAME(load)(w + v * LANES);
                __builtin_prefetch(w + prefetch + v * LANES);
            }
            FC_UNROLL for (int p = 0; p < tiles; p++) {
                const REAL scalar = (p < FC_HALF ? x + p * step : x1 + (p - FC_HALF) * step)[t];
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[p][v] += wv[v] * scalar;
            }
            w += vectors * LANES;
        }
        REAL *o = out;
        FC_UNROLL for (int p = 0; p < tiles; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) {
                if (first) acc[p][v] += NAME(load)(o);
                NAME(save)(o, acc[p][v]);
            }
    }
}

#define GEMM(tiles, vectors)                                                                   \
    static void FC_TILE(NAME(gemm), tiles, vectors)(                                           \
        ptrdiff_t taps, ptrdiff_t block, const void *x, ptrdiff_t step, const void *w,         \
        void *out)                                                                             \
    {                                                                                          \
        NAME(gemm)(taps, block, x, step, w, out, tiles, vectors);                              \
    }
#if FC_FULL == 14
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif
#define BOTH(tiles) GEMM(tiles, 1) GEMM(tiles, 2)
EACH_TILE(BOTH)
#undef BOTH
#undef GEMM

/* ---- grouped_gemm: products of groups that share vectors ----
 *
 * Groups of `per` channels lie side by side in a vector. Channel c of every group, spread over the
 * lanes of its group, meets channel c of every group's weights. An iteration should be a load of
 * weights, and a permutation and a vfmadd for each tile.
 */
FC_INLINE void NAME(grouped_gemm_tiles)(ptrdiff_t phases, const REAL *x, ptrdiff_t step,
                                        const REAL *w, REAL *out, const int per, const int tiles)
{
    vec acc[6];
    FC_UNROLL for (int p = 0; p < tiles; p++) acc[p] = (vec){0};
    for (ptrdiff_t phase = 0; phase < phases; phase++, x += LANES) {
        vec v[6];
        FC_UNROLL for (int p = 0; p < tiles; p++) v[p] = NAME(load)(x + p * step);
        FC_UNROLL for (int c = 0; c < per; c++, w += LANES) {
            const ivec lane = NAME(iota)() / per * per + c;
            const vec weight = NAME(load)(w);
            FC_UNROLL for (int p = 0; p < tiles; p++)
                acc[p] += NAME(shuffle)(v[p], v[p], lane) * weight;
        }
    }
    FC_UNROLL for (int p = 0; p < tiles; p++) NAME(save)(out + p * LANES, acc[p]);
}

FC_INLINE void NAME(grouped_gemm)(ptrdiff_t tiles, ptrdiff_t phases, const REAL *x, ptrdiff_t step,
                                  const REAL *w, REAL *out, const int per)
{
    enum { most = FC_REGISTERS == 32 ? 6 : 4 };
    ptrdiff_t p = 0;
    for (; tiles >= most && p < tiles; p += most) {
        if (p + most > tiles) p = tiles - most; /* some once more */
        NAME(grouped_gemm_tiles)(phases, x + p * step, step, w, out + p * LANES, per, most);
    }
    for (; p < tiles; p++)
        NAME(grouped_gemm_tiles)(phases, x + p * step, step, w, out + p * LANES, per, 1);
}

#define GROUPED_GEMM(groups)                                                                   \
    static void FC_PASTE(NAME(grouped_gemm), groups)(                                          \
        ptrdiff_t tiles, ptrdiff_t phases, const void *x, ptrdiff_t step, const void *w,       \
        void *out)                                                                             \
    {                                                                                          \
        NAME(grouped_gemm)(tiles, phases, x, step, w, out, LANES / groups);                    \
    }
GROUPED_GEMM(2)
#if FC_VECTOR_BYTES * 8 >= 4 * BITS
GROUPED_GEMM(4)
#endif
#undef GROUPED_GEMM

static void NAME(fill_gemm)(fc_kernels *k)
{
#define BOTH(tiles)                                                                            \
    k->gemm[tiles - 1][0] = FC_TILE(NAME(gemm), tiles, 1);                                     \
    k->gemm[tiles - 1][1] = FC_TILE(NAME(gemm), tiles, 2);
    EACH_TILE(BOTH)
#undef BOTH
    k->grouped_gemm[0] = FC_PASTE(NAME(grouped_gemm), 2);
#if FC_VECTOR_BYTES * 8 >= 4 * BITS
    k->grouped_gemm[1] = FC_PASTE(NAME(grouped_gemm), 4);
#endif
}
#undef EACH_TILE
