/* One element type's long sums, cut into blocks. Included once per type, after lanes_type.h.
 *
 * Sums over many products are blocks of FC_SUM_BLOCK products; these are added up in rows of as
 * many blocks, in sums[0], and the rows in sums[1], so that rounding errors stay small. `sums` has
 * room for both.
 */

static __attribute__((noinline)) void NAME(carry)(ptrdiff_t size, const REAL *part, REAL *sums,
                                                  ptrdiff_t blocks)
{
    for (ptrdiff_t i = 0; i < size; i += LANES) {
        vec s = NAME(load)(part + i);
        if (blocks % FC_SUM_BLOCK) s += NAME(load)(sums + i);
        NAME(save)(sums + i, s);
        if ((blocks + 1) % FC_SUM_BLOCK) continue;
        if (blocks >= FC_SUM_BLOCK) s += NAME(load)(sums + size + i);
        NAME(save)(sums + size + i, s);
    }
}

/* What `carry` has gathered, all of it, in sums[0]. */
static __attribute__((noinline)) void NAME(gathered)(ptrdiff_t size, REAL *sums, ptrdiff_t blocks)
{
    if (blocks < FC_SUM_BLOCK) return;
    for (ptrdiff_t i = 0; i < size; i += LANES) {
        vec s = NAME(load)(sums + size + i);
        if (blocks % FC_SUM_BLOCK) s += NAME(load)(sums + i);
        NAME(save)(sums + i, s);
    }
}

/* Ends a block: the sums in `acc`, rows by vectors of `width` vectors a row, are carried, and begin
 * anew. `part` is room for them. */
FC_INLINE void NAME(spill)(vec *acc, const int rows, const int vectors, const int width, REAL *part,
                           REAL *sums, ptrdiff_t *blocks)
{
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            NAME(save)(part + (r * vectors + v) * LANES, acc[r * width + v]);
            acc[r * width + v] = (vec){0};
        }
    NAME(carry)(rows * vectors * LANES, part, sums, (*blocks)++);
}

/* Adds the blocks before to the last one, in `acc`. */
FC_INLINE void NAME(add_spilled)(vec *acc, const int rows, const int vectors, const int width,
                                 REAL *sums, ptrdiff_t blocks)
{
    if (!blocks) return;
    NAME(gathered)(rows * vectors * LANES, sums, blocks);
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++)
            acc[r * width + v] += NAME(load)(sums + (r * vectors + v) * LANES);
}
