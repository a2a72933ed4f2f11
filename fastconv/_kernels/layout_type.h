/* One element type's kernels that move blocks from one layout to another. Included once per type,
 * after lanes_type.h. */

/* ---- transpose ----
 *
 * Blocks of LANES x LANES by shuffles.
 */
FC_INLINE void NAME(transpose_block)(ptrdiff_t rows, ptrdiff_t cols, const REAL *src,
                                     ptrdiff_t src_r, REAL *dst, ptrdiff_t dst_r, const int full)
{
    vec v[LANES];
    FC_UNROLL for (int i = 0; i < LANES; i++)
        v[i] = full ? NAME(load)(src + i * src_r)
             : i < rows ? NAME(load_first)(src + i * src_r, cols) : (vec){0};
    NAME(turn)(v);
    FC_UNROLL for (int i = 0; i < LANES; i++)
        if (full) NAME(save)(dst + i * dst_r, v[i]);
        else if (i < cols) NAME(save_first)(dst + i * dst_r, v[i], rows);
}

/* A function of its own: masks leave no registers for the rest. */
static __attribute__((noinline)) void NAME(transpose_edge)(
    ptrdiff_t rows, ptrdiff_t cols, const REAL *src, ptrdiff_t src_r, REAL *dst, ptrdiff_t dst_r)
{
    NAME(transpose_block)(rows, cols, src, src_r, dst, dst_r, 0);
}

static void NAME(transpose)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r,
                            void *dst_, ptrdiff_t dst_r)
{
    for (ptrdiff_t c = 0; c < nc; c += LANES)
        for (ptrdiff_t r = 0; r < nr; r += LANES) {
            const REAL *src = (const REAL *)src_ + r * src_r + c;
            REAL *dst = (REAL *)dst_ + c * dst_r + r;
            const ptrdiff_t rows = nr - r < LANES ? nr - r : LANES;
            const ptrdiff_t cols = nc - c < LANES ? nc - c : LANES;
            if (rows == LANES && cols == LANES)
                NAME(transpose_block)(rows, cols, src, src_r, dst, dst_r, 1);
            else
                NAME(transpose_edge)(rows, cols, src, src_r, dst, dst_r);
        }
}

/* ---- copy: a block of rows, whose elements may lie some way apart ---- */

/* Elements 0, step, 2 step, ... of that many vectors that lie side by side, step 2, 3 or 4. */
FC_INLINE vec NAME(elements_apart)(const vec v[4], const int step)
{
    const ivec lane = NAME(iota)(), place = lane * step;
    const vec low = NAME(shuffle)(v[0], v[1], place & (2 * LANES - 1));
    if (step == 2) return low;
    if (step == 3) { /* where the first two vectors end, the third goes on */
        const ivec inside = place < (INT)(2 * LANES);
        return NAME(shuffle)(low, v[2], (lane & inside) | ((place - LANES) & ~inside));
    }
    const vec high = NAME(shuffle)(v[2], v[3], place & (2 * LANES - 1));
    return NAME(shuffle)(low, high, lane + (lane & (LANES / 2)));
}

/* `copy` of elements 2, 3 or 4 apart: vectors of the source, taken apart in registers. */
FC_INLINE void NAME(copy_apart)(ptrdiff_t nr, ptrdiff_t nc, const REAL *src, ptrdiff_t src_r,
                                REAL *dst, ptrdiff_t dst_r, const int step)
{
    const ptrdiff_t whole = (nc - 1) / LANES * LANES;
    for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r) {
        vec v[4] = {{0}};
        for (ptrdiff_t c = 0; c < whole; c += LANES) {
            FC_UNROLL for (int k = 0; k < step; k++)
                v[k] = NAME(load)(src + step * c + k * LANES);
            NAME(save)(dst + c, NAME(elements_apart)(v, step));
        }
#ifdef FC_PARTIAL_LOADS
        ptrdiff_t left = step * (nc - whole - 1) + 1; /* elements up to the last */
        FC_UNROLL for (int k = 0; k < step; k++, left -= LANES) {
            if (left > 0)
                v[k] = NAME(load_first)(src + step * whole + k * LANES,
                                        left < LANES ? left : LANES);
        }
        NAME(save_first)(dst + whole, NAME(elements_apart)(v, step), nc - whole);
#else
        for (ptrdiff_t c = whole; c < nc; c++) dst[c] = src[c * step];
#endif
    }
}

static void NAME(copy)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r,
                       ptrdiff_t src_c, void *dst_, ptrdiff_t dst_r)
{
    const REAL *src = src_;
    REAL *dst = dst_;
    if (nc <= 0) return;
    /* the last 1 ... LANES elements of a row are loaded and stored in part */
    const ptrdiff_t whole = (nc - 1) / LANES * LANES, n = nc - whole;
    if (src_c == 1 && whole) { /* the last vector overlaps the one before */
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r) {
            for (ptrdiff_t c = 0; c < whole; c += LANES) NAME(save)(dst + c, NAME(load)(src + c));
            NAME(save)(dst + nc - LANES, NAME(load)(src + nc - LANES));
        }
    } else if (src_c == 1) {
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r)
            NAME(save_first)(dst, NAME(load_first)(src, n), n);
    } else if (src_c == 2) {
        NAME(copy_apart)(nr, nc, src, src_r, dst, dst_r, 2);
    } else if (src_c == 3) {
        NAME(copy_apart)(nr, nc, src, src_r, dst, dst_r, 3);
    } else if (src_c == 4) {
        NAME(copy_apart)(nr, nc, src, src_r, dst, dst_r, 4);
    } else {
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r)
            for (ptrdiff_t c = 0; c < nc; c++) dst[c] = src[c * src_c];
    }
}

/* ---- scatter: a block of rows to places some way apart ---- */
static void NAME(scatter)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r, void *dst_,
                          ptrdiff_t dst_r, ptrdiff_t dst_c)
{
    for (ptrdiff_t r = 0; r < nr; r++) {
        const REAL *src = (const REAL *)src_ + r * src_r;
        REAL *dst = (REAL *)dst_ + r * dst_r;
        ptrdiff_t c = 0;
#if defined(FC_AVX512)
        const ivec twice = NAME(iota)() / 2;
        if (dst_c == 2) /* every other lane of a vector */
            for (; c < nc; c += LANES / 2) {
                const ptrdiff_t n = nc - c < LANES / 2 ? nc - c : LANES / 2;
                vec v = NAME(load_first)(src + c, n);
                v = NAME(shuffle)(v, v, twice);
                const unsigned lanes = 0x5555u & ((1u << (2 * n - 1)) - 1);
                MM(mask_storeu)(dst + 2 * c, (MM_MASK)lanes, (MM_TYPE)v);
            }
#endif
        for (; c < nc; c++) dst[c * dst_c] = src[c];
    }
}

/* ---- planes to pixels, and back ----
 *
 * Blocks of LANES pixels by LANES channels, turned in registers: LANES loads, LANES log2(LANES)
 * shuffles, LANES stores. Pixels go on from one row to the next; where they do not fill the last
 * block, it begins earlier, so that nothing needs masks.
 */
static void NAME(planes_to_pixels)(ptrdiff_t n, ptrdiff_t row, const void *src_, ptrdiff_t src_c,
                                   void *dst_, ptrdiff_t dst_row, ptrdiff_t dst_p)
{
    const REAL *src = src_;
    REAL *to = dst_;
    ptrdiff_t left = row; /* pixels of this row */
    for (ptrdiff_t p = 0; p < n; p += LANES) {
        if (p + LANES > n) {
            p = n - LANES;
            to = (REAL *)dst_ + p / row * dst_row + p % row * dst_p;
            left = row - p % row;
        }
        vec v[LANES];
        FC_UNROLL for (int i = 0; i < LANES; i++) v[i] = NAME(load)(src + i * src_c + p);
        NAME(turn)(v);
        if (left >= LANES) {
            FC_UNROLL for (int i = 0; i < LANES; i++) NAME(save)(to + i * dst_p, v[i]);
            to += LANES * dst_p;
            left -= LANES;
        } else {
            FC_UNROLL for (int i = 0; i < LANES; i++) {
                if (left == 0) {
                    to += dst_row - row * dst_p;
                    left = row;
                }
                NAME(save)(to, v[i]);
                to += dst_p;
                left--;
            }
        }
    }
}

static void NAME(pixels_to_planes)(ptrdiff_t n, ptrdiff_t channels, const void *src_,
                                   ptrdiff_t src_p, void *dst_, ptrdiff_t dst_c, const void *bias_,
                                   const void *residual_, const fc_epilogue *epilogue)
{
    const vec lo = (REAL)epilogue->lo + (vec){0}, hi = (REAL)epilogue->hi + (vec){0};
    const int clip = epilogue->activation == FC_CLIP;
    for (ptrdiff_t c = 0; c < channels; c += LANES) {
        const REAL *src = (const REAL *)src_ + c, *bias = bias_, *residual = residual_;
        REAL *dst = (REAL *)dst_ + c * dst_c;
        if (bias) bias += c;
        if (residual) residual += c * dst_c;
        for (ptrdiff_t p = 0; p < n; p += LANES) {
            if (p + LANES > n) p = n - LANES;
            vec v[LANES];
            FC_UNROLL for (int i = 0; i < LANES; i++) v[i] = NAME(load)(src + (p + i) * src_p);
            NAME(turn)(v);
            FC_UNROLL for (int i = 0; i < LANES; i++) {
                if (c + i >= channels) break;
                if (bias) v[i] += bias[i];
                if (residual) v[i] += NAME(load)(residual + i * dst_c + p);
                if (clip) v[i] = NAME(clip)(v[i], lo, hi);
                NAME(save)(dst + i * dst_c + p, v[i]);
            }
        }
    }
}

static void NAME(fill_layout)(fc_kernels *k)
{
    k->transpose = NAME(transpose);
    k->copy = NAME(copy);
    k->scatter = NAME(scatter);
    k->planes_to_pixels = NAME(planes_to_pixels);
    k->pixels_to_planes = NAME(pixels_to_planes);
}
