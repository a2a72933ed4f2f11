/* One element type's kernels for whole planes and square kernels of a known size. Included once
 * for each type and size of vectors, after lanes_type.h.
 *
 * Pixels are in the lanes. A tile is `rows` output rows by one or two vectors; each row of input
 * that it meets is loaded once for every column of the kernel, and serves all outputs and taps
 * that meet in it. Outputs two apart take the lanes of two loads apart, for a pair of columns.
 * Vectors at the ends of rows are loaded in part, so nothing is copied, and rows of padding are
 * loads from zeros. One call computes many planes: those of small maps take 50 cycles each.
 */
/* As a value in a register: the compiler would rather load it again for each of its uses. */
FC_INLINE vec NAME(load_held)(const REAL *p) { return NAME(held)(NAME(load)(p)); }

/* Elements 0, 2, ... and 1, 3, ... of two vectors. On AVX2 by shuffles within 16 bytes, and
 * `in_order` puts the sums into order at the end. */
#if defined(FC_AVX512)
FC_INLINE vec NAME(pick)(vec a, vec b, ivec index)
{
    return (vec)MM(permutex2var)((MM_TYPE)a, (MM_INT)index, (MM_TYPE)b);
}
FC_INLINE vec NAME(evens)(vec a, vec b) { return NAME(pick)(a, b, NAME(iota)() * 2); }
FC_INLINE vec NAME(odds)(vec a, vec b) { return NAME(pick)(a, b, NAME(iota)() * 2 + 1); }
FC_INLINE vec NAME(in_order)(vec v) { return v; }
/* The last lane of a, then all of b but the last. */
FC_INLINE vec NAME(behind)(vec a, vec b) { return NAME(pick)(a, b, NAME(iota)() + LANES - 1); }
#else
#if BITS == 32
FC_INLINE vec NAME(evens)(vec a, vec b) { return (vec)MM(shuffle)((MM_TYPE)a, (MM_TYPE)b, 0x88); }
FC_INLINE vec NAME(odds)(vec a, vec b) { return (vec)MM(shuffle)((MM_TYPE)a, (MM_TYPE)b, 0xdd); }
#else
FC_INLINE vec NAME(evens)(vec a, vec b) { return (vec)MM(unpacklo)((MM_TYPE)a, (MM_TYPE)b); }
FC_INLINE vec NAME(odds)(vec a, vec b) { return (vec)MM(unpackhi)((MM_TYPE)a, (MM_TYPE)b); }
#endif
FC_INLINE vec NAME(in_order)(vec v) { return (vec)_mm256_permute4x64_pd((__m256d)v, 0xd8); }
#endif

/* What a row of padding is read from. */
static const REAL NAME(nothing)[4 * LANES + FC_PLANE_KERNEL];

/* The lanes of each load that lie inside a row: [column][vector], and those of the outputs. before:
 * the first column is not. */
typedef struct {
    NAME(lanes) reads[FC_PLANE_KERNEL][4], outputs;
    int before;
} NAME(ends);

/* Vector i of a row of input from column j on. */
FC_INLINE vec NAME(plane_load)(const REAL *line, const NAME(ends) *ends, const int j, const int i,
                               const int edge)
{
    const REAL *p = line + j + i * LANES;
    return edge ? NAME(load_lanes)(p, ends->reads[j][i]) : NAME(load_held)(p);
}

/* What the outputs of each vector meet in a row of input: columns `first` ... end - 1. */
FC_INLINE void NAME(plane_meet)(vec x[FC_PLANE_KERNEL][2], const REAL *line, const NAME(ends) *ends,
                                const int first, const int end, const int vectors, const int step,
                                const int edge)
{
    /* Of an odd number of columns the first is what the second of the first pair was before. */
    int j = first;
#if defined(FC_AVX512)
    if (step == 2 && end - first == 3) j = first + 1;
#endif
    FC_UNROLL for (int k = 0; k < FC_PLANE_KERNEL; k++, j += step) {
        if (j >= end) continue;
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            x[j][v] = NAME(plane_load)(line, ends, j, v * step, edge);
            if (step == 1) continue;
            const vec a = x[j][v], b = NAME(plane_load)(line, ends, j, v * step + 1, edge);
            x[j][v] = NAME(evens)(a, b);
            if (j + 1 < end) x[j + 1][v] = NAME(odds)(a, b);
        }
    }
#if defined(FC_AVX512)
    if (step == 2 && end - first == 3) {
        if (edge && ends->before) line = NAME(nothing);
        x[first][0] = NAME(behind)(NAME(spread)(*line), x[2][0]);
        if (vectors == 2) x[first][1] = NAME(behind)(x[2][0], x[2][1]);
    }
#endif
}

/* A run of tiles side by side, the first with its first output at y. x: of input row `row`, what
 * its first tap would read, if it were there. whole: all rows are there. edge: `ends` are needed,
 * and there is one tile; of its last vector `last` lanes are stored. */
FC_INLINE void NAME(plane_tile)(const fc_plane *shape, const REAL *x, ptrdiff_t row, const REAL *w,
                                const NAME(ends) *ends, const REAL *bias, const fc_epilogue *clip,
                                REAL *y, ptrdiff_t last, ptrdiff_t tiles, const int rows,
                                const int vectors, const int size, const int step, const int whole,
                                const int edge)
{
    /* Columns that share a pass over the rows: as many as there are registers for weights. */
    const int unit = FC_PLANE_WEIGHTS >= size * size ? size : step;
    const int height = (rows - 1) * step + size;
    const ptrdiff_t x_row = shape->x_row;
next:;
    const REAL *line[6 * 2 + FC_PLANE_KERNEL];
    vec acc[7][2];
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (vec){0};
    FC_UNROLL for (int first = 0; first < size; first += unit) {
        const int end = first + unit < size ? first + unit : size;
        vec wv[FC_PLANE_KERNEL][FC_PLANE_KERNEL];
        FC_UNROLL for (int j = first; j < end; j++)
            FC_UNROLL for (int i = 0; i < size; i++) wv[j][i] = NAME(spread)(w[j * size + i]);
        FC_UNROLL for (int q = 0; q < height; q++) {
            vec xv[FC_PLANE_KERNEL][2];
            if (whole) {
                line[q] = q ? line[q - 1] + x_row : x;
                __asm__("" : "+r"(line[q])); /* for each column anew, not kept in memory */
            } else if (first == 0) {
                line[q] = x + q * x_row;
                if ((size_t)(row + q) >= (size_t)shape->height) line[q] = NAME(nothing);
                __asm__ volatile("" : "+r"(line[q])); /* a value; the compiler would branch */
            }
            NAME(plane_meet)(xv, line[q], ends, first, end, vectors, step, edge);
            FC_UNROLL for (int j = first; j < end; j++)
                FC_UNROLL for (int v = 0; v < vectors; v++)
                    FC_UNROLL for (int r = 0; r < rows; r++)
                        if (q >= r * step && q < r * step + size)
                            acc[r][v] += xv[j][v] * wv[j][q - r * step];
        }
    }
    if (step == 2)
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = NAME(in_order)(acc[r][v]);
    if (bias) {
        const vec b = NAME(spread)(*bias);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] += b;
    }
    if (clip) {
        const vec lo = NAME(spread)((REAL)clip->lo), hi = NAME(spread)((REAL)clip->hi);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = NAME(clip)(acc[r][v], lo, hi);
    }
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            REAL *out = y + r * shape->y_row + v * LANES;
            if (edge && v == vectors - 1) NAME(save_first)(out, acc[r][v], last);
            else NAME(save)(out, acc[r][v]);
        }
    if (edge || --tiles == 0) return;
    x += vectors * step * LANES;
    y += vectors * LANES;
    goto next;
}

typedef void NAME(plane_function)(const fc_plane *shape, const REAL *x, ptrdiff_t row,
                                  const REAL *w, const NAME(ends) *ends, const REAL *bias,
                                  const fc_epilogue *clip, REAL *y, ptrdiff_t last,
                                  ptrdiff_t tiles);

#define TILE(size, step, name, rows, vectors, whole, edge)                                     \
    static void FC_PASTE(NAME(dwconv_plane_##size##x##size##s##step), name)(                   \
        const fc_plane *shape, const REAL *x, ptrdiff_t row, const REAL *w,                    \
        const NAME(ends) *ends, const REAL *bias, const fc_epilogue *clip, REAL *y,            \
        ptrdiff_t last, ptrdiff_t tiles)                                                       \
    {                                                                                          \
        NAME(plane_tile)(shape, x, row, w, ends, bias, clip, y, last, tiles, rows, vectors, size, \
                       step, whole, edge);                                                     \
    }

/* What is the same for all rows and planes of a run of tiles. */
typedef struct {
    ptrdiff_t p, last, tiles;
    const NAME(ends) *ends;
    NAME(plane_function) *const *function;
    int edge;
} NAME(strip);

/* tile: [one row, four, seven][vectors - 1][any, whole, edge] */
FC_INLINE void NAME(dwconv_plane)(const fc_plane *shape, const REAL *x, const REAL *w,
                                  const REAL *bias, const fc_epilogue *clip, REAL *y,
                                  const int size, const int step,
                                  NAME(plane_function) *const tile[3][FC_PLANE_VECTORS][3])
{
    enum { MOST = 32 };
    NAME(strip) strip[MOST];
    NAME(ends) ends[3]; /* padding reaches the first tile and the last two */
    const ptrdiff_t rows = shape->rows;
    const int by_seven = rows >= 7 && (rows + 6) / 7 * 7 <= (rows + 3) / 4 * 4;
    const ptrdiff_t height = rows < 4 ? 1 : by_seven ? 7 : 4;
    for (ptrdiff_t p = 0; p < shape->n;) {
        int strips = 0, known = 0;
        for (; p < shape->n && strips < MOST; strips++) {
            NAME(strip) *s = &strip[strips];
            ptrdiff_t vectors = (shape->n - p + LANES - 1) / LANES;
            if (vectors > FC_PLANE_VECTORS) vectors = FC_PLANE_VECTORS;
            if (FC_PLANE_OVERLAP && p + vectors * LANES > shape->n && shape->n >= LANES) {
                while (vectors * LANES > shape->n) vectors--;
                p = shape->n - vectors * LANES;
            }
            const ptrdiff_t low = p * step - shape->left, end = p + vectors * LANES;
            const int edge = low < 0 || end > shape->n
                             || end * step - shape->left + size - 1 > shape->length;
            NAME(plane_function) *const *function = tile[height == 1 ? 0 : height == 4 ? 1 : 2]
                                                      [vectors - 1];
            if (!edge && strips && !s[-1].edge && s[-1].function == function
                && s[-1].p + s[-1].tiles * vectors * LANES == p) { /* one more of a run */
                s[-1].tiles++;
                strips--;
                p = end;
                continue;
            }
            s->p = p;
            p = end;
            s->last = shape->n < end ? shape->n - (end - LANES) : LANES;
            s->tiles = 1;
            s->ends = &ends[known];
            s->function = function;
            s->edge = edge;
            if (!edge) continue;
            ends[known].before = low < 0;
            for (int j = 0; j < size; j++)
                for (ptrdiff_t v = 0; v < vectors * step; v++)
                    ends[known].reads[j][v] = NAME(within)(low + j + v * LANES, shape->length);
            known++;
        }
        /* What the block below reads, or else the next plane, is fetched meanwhile: tiles narrower
         * than rows are no stream that the processor would foresee. Of long rows they are. */
        const ptrdiff_t block = height * step * shape->x_row * (ptrdiff_t)sizeof(REAL);
        const int fetches = shape->x_row == shape->length && block <= FC_PLANE_ROWS_BYTES;
        const ptrdiff_t share = fetches ? block / strips : 0;
        for (ptrdiff_t c = 0; c < shape->planes; c++)
            for (ptrdiff_t r = 0; r < rows; r += height) {
                if (r > rows - height) r = rows - height;
                const ptrdiff_t row = r * step - shape->top;
                const REAL *from = x + c * shape->x_plane + row * shape->x_row - shape->left;
                const int whole = row >= 0 && row + (height - 1) * step + size <= shape->height;
                REAL *to = y + c * shape->y_plane + r * shape->y_row;
                const ptrdiff_t below = row + height * step;
                const ptrdiff_t to_next = below < shape->height ? below * shape->x_row
                                                                : shape->x_plane;
                const char *ahead = (const char *)(x + c * shape->x_plane + to_next);
                for (const NAME(strip) *s = strip; s < strip + strips; s++, ahead += share) {
                    fc_fetch_near(ahead, share);
                    s->function[s->edge ? 2 : whole](shape, from + s->p * step, row,
                                                     w + c * size * size, s->ends,
                                                     bias ? bias + c : NULL, clip, to + s->p,
                                                     s->last, s->tiles);
                }
            }
    }
}

/* ---- the gradient of the weights ----
 *
 * Sums of one tap each stay in registers while a plane passes: a row of input is loaded once for
 * each column, and meets the gradients of all outputs of a tile that read it.
 */
FC_INLINE REAL NAME(sum_lanes)(vec v)
{
    REAL part[LANES];
#if defined(FC_AVX512)
    FC_UNROLL for (int half = LANES / 2; half; half /= 2)
        v += NAME(pick)(v, v, NAME(iota)() + half);
    NAME(save)(part, v);
#else
    NAME(save)(part, v);
    FC_UNROLL for (int half = LANES / 2; half; half /= 2)
        FC_UNROLL for (int i = 0; i < half; i++) part[i] += part[i + half];
#endif
    return part[0];
}

/* Columns `first` ... end - 1 of some rows of outputs: sum[i][j] += x[r * step + i][j] * g[r]. */
FC_INLINE void NAME(weight_tile)(vec sum[FC_PLANE_KERNEL][FC_PLANE_KERNEL], const fc_plane *shape,
                                 const REAL *x, ptrdiff_t row, const REAL *g,
                                 const NAME(ends) *ends, const int rows, const int first,
                                 const int end, const int size, const int step, const int edge)
{
    vec gv[7];
    FC_UNROLL for (int r = 0; r < rows; r++) {
        const REAL *p = g + r * shape->y_row;
        gv[r] = edge ? NAME(load_lanes)(p, ends->outputs) : NAME(load_held)(p);
        if (step == 2) gv[r] = NAME(in_order)(gv[r]); /* which is its own inverse */
    }
    FC_UNROLL for (int q = 0; q < (rows - 1) * step + size; q++) {
        vec xv[FC_PLANE_KERNEL][2];
        const REAL *line = x + q * shape->x_row;
        if ((size_t)(row + q) >= (size_t)shape->height) line = NAME(nothing);
        __asm__ volatile("" : "+r"(line)); /* a value; the compiler would branch */
        NAME(plane_meet)(xv, line, ends, first, end, 1, step, edge);
#if defined(FC_AVX512)
        /* its last lane may be an output's that is not there */
        if (edge && step == 2 && end - first == 3)
            xv[first][0] = (vec)MM(maskz_mov)((MM_MASK)ends->outputs, (MM_TYPE)xv[first][0]);
#endif
        FC_UNROLL for (int j = first; j < end; j++)
            FC_UNROLL for (int r = 0; r < rows; r++)
                if (q >= r * step && q < r * step + size)
                    sum[q - r * step][j] += xv[j][0] * gv[r];
    }
}

/* Columns `first` ... end - 1 for a whole plane. */
FC_INLINE void NAME(weight_plane)(const fc_plane *shape, const REAL *x, const REAL *g, REAL *out,
                                  const NAME(ends) *ends, const int first, const int end,
                                  const int size, const int step)
{
    const int rows = FC_PLANE_WEIGHTS ? 7 : 4;
    const ptrdiff_t strips = (shape->n + LANES - 1) / LANES;
    vec sum[FC_PLANE_KERNEL][FC_PLANE_KERNEL];
    REAL sums[FC_PLANE_KERNEL][FC_PLANE_KERNEL][LANES];
    ptrdiff_t products = 0, blocks = 0;
    /* Each tile of the first columns fetches its share of the next plane. */
    const ptrdiff_t tiles = strips * (shape->rows / rows + shape->rows % rows);
    const ptrdiff_t x_bytes = shape->height * shape->length * (ptrdiff_t)sizeof(REAL);
    const ptrdiff_t g_bytes = shape->rows * shape->n * (ptrdiff_t)sizeof(REAL);
    const int runs = first == 0 && shape->x_row == shape->length && shape->y_row == shape->n;
    const int fetches = runs && x_bytes + g_bytes <= FC_PLANE_BYTES;
    const ptrdiff_t x_share = fetches ? x_bytes / tiles + 1 : 0;
    const ptrdiff_t g_share = fetches ? g_bytes / tiles + 1 : 0;
    const char *x_ahead = (const char *)(x + shape->x_plane);
    const char *g_ahead = (const char *)(g + shape->y_plane);
    FC_UNROLL for (int i = 0; i < size; i++)
        FC_UNROLL for (int j = first; j < end; j++) sum[i][j] = (vec){0};
    for (ptrdiff_t s = 0; s < strips; s++) {
        const int edge = s == 0 || s >= strips - 2;
        const NAME(ends) *own = &ends[s == 0 ? 0 : s == strips - 1 ? 2 : 1];
        for (ptrdiff_t r = 0, now; r < shape->rows; r += now) {
            now = shape->rows - r < rows ? 1 : rows;
            if (products + now > FC_SUM_BLOCK) {
                FC_UNROLL for (int i = 0; i < size; i++)
                    FC_UNROLL for (int j = first; j < end; j++) {
                        if (blocks) sum[i][j] += NAME(load)(sums[i][j]);
                        NAME(save)(sums[i][j], sum[i][j]);
                        sum[i][j] = (vec){0};
                    }
                products = 0;
                blocks++;
            }
            products += now;
            fc_fetch_far(x_ahead, x_share);
            fc_fetch_far(g_ahead, g_share);
            x_ahead += x_share;
            g_ahead += g_share;
            const ptrdiff_t row = r * step - shape->top;
            const REAL *from = x + row * shape->x_row + s * LANES * step - shape->left;
            const REAL *grad = g + r * shape->y_row + s * LANES;
#define CASE(rows, edge)                                                                       \
    NAME(weight_tile)(sum, shape, from, row, grad, own, rows, first, end, size, step, edge)
            if (edge && now == 1) CASE(1, 1);
            else if (edge) CASE(rows, 1);
            else if (now == 1) CASE(1, 0);
            else CASE(rows, 0);
#undef CASE
        }
    }
    FC_UNROLL for (int j = first; j < end; j++)
        FC_UNROLL for (int i = 0; i < size; i++) {
            if (blocks) sum[i][j] += NAME(load)(sums[i][j]);
            out[j * size + i] = NAME(sum_lanes)(sum[i][j]);
        }
}

FC_INLINE void NAME(dwconv_plane_backward_weight)(const fc_plane *shape, const REAL *x,
                                                  const REAL *g, REAL *out, const int size,
                                                  const int step)
{
#if defined(FC_AVX512)
    const int unit = size == 3 ? 3 : step;
#else
    const int unit = size == 3 && step == 1 ? 3 : step;
#endif
    const ptrdiff_t strips = (shape->n + LANES - 1) / LANES;
    NAME(ends) ends[3]; /* padding reaches the first vector and the last two */
    for (int kind = 0; kind < 3; kind++) {
        ptrdiff_t p = (kind == 0 ? 0 : strips + kind - 3) * LANES;
        if (p < 0) p = 0;
        const ptrdiff_t low = p * step - shape->left;
        ends[kind].before = low < 0;
        ends[kind].outputs = NAME(within)(p, shape->n);
        for (int j = 0; j < size; j++)
            for (int i = 0; i < step; i++) {
                /* nor what outputs would read that are not there */
                ptrdiff_t length = low + j + (shape->n - p) * step;
                if (length > shape->length) length = shape->length;
                ends[kind].reads[j][i] = NAME(within)(low + j + i * LANES, length);
            }
    }
    for (ptrdiff_t c = 0; c < shape->planes; c++)
        FC_UNROLL for (int first = 0; first < size; first += unit)
            NAME(weight_plane)(shape, x + c * shape->x_plane, g + c * shape->y_plane,
                               out + c * size * size, ends, first,
                               first + unit < size ? first + unit : size, size, step);
}

/* ---- the gradient of the data of 3x3 with a stride of two ----
 *
 * Pairs of rows 2a - top and the next, and in them pairs of elements 2b - left and the next: these
 * meet rows a, and a - 1, and elements b, and b - 1. The sums of a row's first and second elements
 * of pairs are vectors of their own, which interleave on the way out.
 */
/* n lanes from `first` on. */
FC_INLINE void NAME(save_some)(REAL *p, vec v, ptrdiff_t first, ptrdiff_t n)
{
#if defined(FC_AVX512)
    MM(mask_storeu)(p, (MM_MASK)(((1u << n) - 1) << first), (MM_TYPE)v);
#else
    if (first) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i moved = _mm256_add_epi32(lane, _mm256_set1_epi32((int)first * BITS / 32));
        v = (vec)_mm256_permutevar8x32_epi32((MM_INT)v, moved);
    }
    NAME(save_first)(p + first, v, n);
#endif
}

FC_INLINE void NAME(interleave)(vec out[2], vec a, vec b)
{
#if defined(FC_AVX512)
    const ivec lane = NAME(iota)(), low = lane / 2 + (lane & 1) * LANES;
    out[0] = NAME(pick)(a, b, low);
    out[1] = NAME(pick)(a, b, low + LANES / 2);
#else
    const MM_TYPE low = MM(unpacklo)((MM_TYPE)a, (MM_TYPE)b);
    const MM_TYPE high = MM(unpackhi)((MM_TYPE)a, (MM_TYPE)b);
    out[0] = (vec)_mm256_permute2f128_si256((MM_INT)low, (MM_INT)high, 0x20);
    out[1] = (vec)_mm256_permute2f128_si256((MM_INT)low, (MM_INT)high, 0x31);
#endif
}

typedef struct {
    NAME(lanes) reads[2];
    ptrdiff_t first[2], n[2]; /* lanes of outputs */
} NAME(spread_ends);

/* One pair of rows by a vector of pairs. The first or the second row may not be there. */
FC_INLINE void NAME(spread_tile)(const REAL *g, const REAL *before, const vec w[3][3], REAL *y,
                                 ptrdiff_t y_row, const int first, const int second,
                                 const NAME(spread_ends) *ends, const int edge)
{
    vec here[2], above[2], out[2];
    FC_UNROLL for (int h = 0; h < 2; h++) {
        here[h] = edge ? NAME(load_lanes)(g - h, ends->reads[h]) : NAME(load_held)(g - h);
        above[h] = edge ? NAME(load_lanes)(before - h, ends->reads[h])
                        : NAME(load_held)(before - h);
    }
    if (first) {
        NAME(interleave)(out, here[0] * w[0][0] + here[1] * w[2][0] + above[0] * w[0][2]
                         + above[1] * w[2][2], here[0] * w[1][0] + above[0] * w[1][2]);
        FC_UNROLL for (int i = 0; i < 2; i++)
            if (edge) NAME(save_some)(y + i * LANES, out[i], ends->first[i], ends->n[i]);
            else NAME(save)(y + i * LANES, out[i]);
    }
    if (second) {
        NAME(interleave)(out, here[0] * w[0][1] + here[1] * w[2][1], here[0] * w[1][1]);
        FC_UNROLL for (int i = 0; i < 2; i++)
            if (edge) NAME(save_some)(y + y_row + i * LANES, out[i], ends->first[i],
                                      ends->n[i]);
            else NAME(save)(y + y_row + i * LANES, out[i]);
    }
}

static void NAME(dwconv_plane_backward_data)(const fc_plane *shape, const void *g_, const void *w_,
                                             void *y_)
{
    const ptrdiff_t low = shape->left / 2, end = (shape->n - 1 + shape->left) / 2 + 1;
    const ptrdiff_t tiles = (end - low + LANES - 1) / LANES;
    FC_PLANE_SMALL(end - low, dwconv_plane_backward_data, (shape, g_, w_, y_))
    /* the last tile overlaps the one before */
    const ptrdiff_t final = tiles > 1 ? end - LANES : low;
    NAME(spread_ends) ends[3]; /* of the first tile, the last but one and the last */
    for (int kind = 0; kind < 3; kind++) {
        ptrdiff_t b = low + (kind == 0 ? 0 : tiles + kind - 3) * LANES;
        if (kind == 2) b = final;
        if (b < low) b = low;
        for (int h = 0; h < 2; h++) {
            const ptrdiff_t p = 2 * b - shape->left + h * LANES;
            const ptrdiff_t first = p < 0 ? -p : 0;
            const ptrdiff_t stop = shape->n - p < LANES ? shape->n - p : LANES;
            ends[kind].reads[h] = NAME(within)(b - h, shape->length);
            ends[kind].first[h] = first;
            ends[kind].n[h] = stop > first ? stop - first : 0;
        }
    }
    for (ptrdiff_t c = 0; c < shape->planes; c++) {
        const REAL *g = (const REAL *)g_ + c * shape->x_plane;
        REAL *y = (REAL *)y_ + c * shape->y_plane;
        vec w[3][3];
        FC_UNROLL for (int j = 0; j < 3; j++)
            FC_UNROLL for (int i = 0; i < 3; i++)
                w[j][i] = NAME(spread)(((const REAL *)w_)[c * 9 + j * 3 + i]);
        for (ptrdiff_t a = shape->top / 2; 2 * a - shape->top < shape->rows; a++) {
            const ptrdiff_t r = 2 * a - shape->top;
            const int first = r >= 0, second = r + 1 < shape->rows;
            for (ptrdiff_t t = 0; t < tiles; t++) {
                const ptrdiff_t b = t == tiles - 1 ? final : low + t * LANES;
                const REAL *here = a < shape->height ? g + a * shape->x_row + b : NAME(nothing) + 1;
                const REAL *before = a - 1 >= 0 && a - 1 < shape->height
                                     ? g + (a - 1) * shape->x_row + b : NAME(nothing) + 1;
                REAL *to = y + r * shape->y_row + 2 * b - shape->left;
                if (tiles > 1) { /* two rows in turn are no stream: fetch those two pairs on */
                    FC_UNROLL for (int i = 0; i < 4; i++)
                        __builtin_prefetch(to + (4 + i / 2) * shape->y_row + i % 2 * LANES, 1);
                    __builtin_prefetch(here + 2 * shape->x_row);
                }
                if (t == 0 || t >= tiles - 2)
                    NAME(spread_tile)(here, before, w, to, shape->y_row, first, second,
                                      &ends[t == 0 ? 0 : t == tiles - 1 ? 2 : 1], 1);
                else
                    NAME(spread_tile)(here, before, w, to, shape->y_row, first, second, ends, 0);
            }
        }
    }
}

#define ALL(size, step, name, rows, vectors)                                                   \
    TILE(size, step, name, rows, vectors, 0, 0)                                                \
    TILE(size, step, name##_whole, rows, vectors, 1, 0)                                        \
    TILE(size, step, name##_edge, rows, vectors, 0, 1)
#define TILES(size, step, vectors)                                                             \
    ALL(size, step, 1x##vectors##v, 1, vectors)                                                \
    ALL(size, step, 4x##vectors##v, 4, vectors)                                                \
    ALL(size, step, 7x##vectors##v, 7, vectors)
#define PLANE_NAME(size, step, name)                                                           \
    FC_PASTE(NAME(dwconv_plane_##size##x##size##s##step), name)
#define TILE_OF(size, step, name)                                                              \
    {PLANE_NAME(size, step, name), PLANE_NAME(size, step, name##_whole),                       \
     PLANE_NAME(size, step, name##_edge)}
#if FC_PLANE_VECTORS == 2
#define PLANE_TILES(size, step) TILES(size, step, 1) TILES(size, step, 2)
#define ROW(size, step, rows)                                                                  \
    {TILE_OF(size, step, rows##x1v), TILE_OF(size, step, rows##x2v)}
#else
#define PLANE_TILES(size, step) TILES(size, step, 1)
#define ROW(size, step, rows) {TILE_OF(size, step, rows##x1v)}
#endif
#define PLANE(size, step)                                                                      \
    PLANE_TILES(size, step)                                                                    \
    static void NAME(dwconv_plane_##size##x##size##s##step)(                                   \
        const fc_plane *shape, const void *x, const void *w, const void *bias,                 \
        const fc_epilogue *clip, void *y)                                                      \
    {                                                                                          \
        static NAME(plane_function) *const tile[3][FC_PLANE_VECTORS][3] = {                    \
            ROW(size, step, 1), ROW(size, step, 4), ROW(size, step, 7),                        \
        };                                                                                     \
        FC_PLANE_SMALL(shape->n, dwconv_plane_##size##x##size##s##step,                        \
                       (shape, x, w, bias, clip, y))                                           \
        NAME(dwconv_plane)(shape, x, w, bias, clip, y, size, step, tile);                      \
    }                                                                                          \
    static void NAME(dwconv_plane_backward_weight_##size##x##size##s##step)(                   \
        const fc_plane *shape, const void *x, const void *g, void *out)                        \
    {                                                                                          \
        FC_PLANE_SMALL(shape->n, dwconv_plane_backward_weight_##size##x##size##s##step,        \
                       (shape, x, g, out))                                                     \
        NAME(dwconv_plane_backward_weight)(shape, x, g, out, size, step);                      \
    }
PLANE(3, 1)
PLANE(3, 2)
PLANE(5, 1)
PLANE(5, 2)
#undef PLANE
#undef ROW
#undef PLANE_TILES
#undef TILE_OF
#undef PLANE_NAME
#undef TILES
#undef ALL
#undef TILE
