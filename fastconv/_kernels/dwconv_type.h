/* One element type's depthwise kernels: few channels meet in a sum, so what counts is how often
 * a loaded vector of input is used, and how little happens between two planes. Included by
 * igemm_type.h, whose helpers it uses.
 *
 * A kernel is cut into columns: taps that lie at the distance of two output rows. While the
 * input rows below four output rows pass, each is loaded once for all taps of the column.
 *
 * With taps = 3 and four vectors on AVX-512, a column of `dwconv_window` should be 48 vfmadd, 24
 * loads of x, and 3 broadcasts before them; on AVX2, with two vectors, 24, 12 and 3.
 */

/* Long sums: blocks of FC_SUM_BLOCK products are added up in sums[0], as many blocks in a row;
 * the rows are added up in sums[1]. */
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
static __attribute__((noinline)) void NAME(gathered)(ptrdiff_t size, REAL *sums,
                                                    ptrdiff_t blocks)
{
    if (blocks < FC_SUM_BLOCK) return;
    for (ptrdiff_t i = 0; i < size; i += LANES) {
        vec s = NAME(load)(sums + size + i);
        if (blocks % FC_SUM_BLOCK) s += NAME(load)(sums + i);
        NAME(save)(sums + i, s);
    }
}

/* A column of few taps, whose weights are loaded first. */
FC_INLINE void NAME(short_column)(vec acc[7][8], const REAL *restrict x, ptrdiff_t x_tap,
                                  const REAL *restrict w, const int taps, const int rows,
                                  const int vectors, const int wide)
{
    const int distinct = wide ? vectors : 1;
    vec wv[5][2];
    FC_UNROLL for (int i = 0; i < taps; i++)
        FC_UNROLL for (int v = 0; v < distinct; v++)
            wv[i][v] = wide ? NAME(load)(w + (i * vectors + v) * LANES) : NAME(spread)(w[i]);
    FC_UNROLL for (int q = 0; q < rows + taps - 1; q++) {
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            const vec xv = NAME(load)(x + q * x_tap + v * LANES);
            FC_UNROLL for (int r = 0; r < rows; r++)
                if (q - r >= 0 && q - r < taps) acc[r][v] += xv * wv[q - r][wide ? v : 0];
        }
    }
}

/* One row of input for the outputs low ... high - 1: output r meets w[-r]. */
FC_INLINE void NAME(column_row)(vec acc[7][8], const REAL *restrict x, const REAL *restrict w,
                                const int low, const int high, const int vectors, const int wide)
{
    vec xv[8];
    FC_UNROLL for (int v = 0; v < vectors; v++) xv[v] = NAME(load)(x + v * LANES);
    FC_UNROLL for (int r = low; r < high; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++)
            acc[r][v] += wide ? xv[v] * NAME(load)(w + (v - r * vectors) * LANES) : xv[v] * w[-r];
}

/* A column of more: the rows at both ends serve fewer outputs. */
FC_INLINE void NAME(long_column)(vec acc[7][8], const REAL *restrict x, ptrdiff_t x_tap,
                                 const REAL *restrict w, ptrdiff_t taps, const int rows,
                                 const int vectors, const int wide)
{
    const ptrdiff_t step = wide ? vectors * LANES : 1;
    FC_UNROLL for (int q = 0; q < rows - 1; q++, x += x_tap, w += step)
        NAME(column_row)(acc, x, w, 0, q + 1, vectors, wide);
    for (ptrdiff_t q = rows - 1; q < taps; q++, x += x_tap, w += step)
        NAME(column_row)(acc, x, w, 0, rows, vectors, wide);
    FC_UNROLL for (int q = 0; q < rows - 1; q++, x += x_tap, w += step)
        NAME(column_row)(acc, x, w, q + 1, rows, vectors, wide);
}

/* A block of outputs. `wide`: each tap has weights of its own for every lane. Of the last vector
 * and those before it, n lanes are stored. */
FC_INLINE void NAME(block)(ptrdiff_t columns, const fc_column *restrict column, const REAL *x,
                           ptrdiff_t x_tap, const REAL *w, REAL *y, ptrdiff_t y_row, ptrdiff_t n,
                           const int rows, const int vectors, const int wide)
{
    REAL part[16 * LANES], sums[2 * 16 * LANES];
    const ptrdiff_t size = rows * vectors * LANES;
    ptrdiff_t products = 0, blocks = 0;
    vec acc[7][8];
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (vec){0};
    for (ptrdiff_t c = 0; c < columns; c++) {
        const ptrdiff_t taps = column[c].taps;
        const REAL *start = x + column[c].offset;
        if (products + taps > FC_SUM_BLOCK) {
            FC_UNROLL for (int r = 0; r < rows; r++)
                FC_UNROLL for (int v = 0; v < vectors; v++) {
                    NAME(save)(part + (r * vectors + v) * LANES, acc[r][v]);
                    acc[r][v] = (vec){0};
                }
            NAME(carry)(size, part, sums, blocks++);
            products = 0;
        }
        products += taps;
        if (rows == 1 || taps > 5)
            NAME(long_column)(acc, start, x_tap, w, taps, rows, vectors, wide);
#define SHORT(n)                                                                               \
        else if (taps == n)                                                                    \
            NAME(short_column)(acc, start, x_tap, w, n, rows, vectors, wide);
        SHORT(3)
        SHORT(5)
        SHORT(1)
        SHORT(2)
        SHORT(4)
#undef SHORT
        w += wide ? taps * vectors * LANES : taps;
    }
    if (blocks) {
        NAME(gathered)(size, sums, blocks);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] += NAME(load)(sums + (r * vectors + v) * LANES);
    }
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            REAL *out = y + r * y_row + v * LANES;
            if (n - v * LANES >= LANES) NAME(save)(out, acc[r][v]);
            else if (n > v * LANES) NAME(save_first)(out, acc[r][v], n - v * LANES);
        }
}

typedef void NAME(block_function)(ptrdiff_t columns, const fc_column *column, const REAL *x,
                                  ptrdiff_t x_tap, const REAL *w, REAL *y, ptrdiff_t y_row,
                                  ptrdiff_t n);

#define BLOCK(kind, rows, vectors, wide)                                                       \
    static void FC_TILE(NAME(kind), rows, vectors)(                                            \
        ptrdiff_t columns, const fc_column *column, const REAL *x, ptrdiff_t x_tap,            \
        const REAL *w, REAL *y, ptrdiff_t y_row, ptrdiff_t n)                                  \
    {                                                                                          \
        NAME(block)(columns, column, x, x_tap, w, y, y_row, n, rows, vectors, wide);           \
    }
BLOCK(dwconv_window, 1, 1, 0)
BLOCK(dwconv_window, 1, 2, 0)
BLOCK(dwconv_window, 1, 4, 0)
BLOCK(dwconv_window, 1, 8, 0)
BLOCK(dwconv_window, 4, 1, 0)
BLOCK(dwconv_window, 4, 2, 0)
BLOCK(dwconv_window, 7, 1, 0)
#if FC_DWCONV_VECTORS == 4
BLOCK(dwconv_window, 7, 2, 0)
BLOCK(dwconv_window, 4, 3, 0)
BLOCK(dwconv_window, 4, 4, 0)
#endif
BLOCK(dwconv_pixels, 1, 1, 1)
BLOCK(dwconv_pixels, 1, 2, 1)
BLOCK(dwconv_pixels, 4, 1, 1)
BLOCK(dwconv_pixels, 4, 2, 1)
#undef BLOCK

/* Ask for what a later call will copy, a little with every block, so that memory and arithmetic
 * work at the same time. Prefetching never faults. */
FC_INLINE void NAME(prefetch)(const fc_prefetch *prefetch, ptrdiff_t r, ptrdiff_t rows, ptrdiff_t p,
                              ptrdiff_t n)
{
    if (!prefetch->from) return;
    for (ptrdiff_t i = r * prefetch->rows; i < (r + rows) * prefetch->rows; i++) {
        const char *line = (const char *)((const REAL *)prefetch->from + i * prefetch->row
                                          + p * prefetch->pixel);
        const ptrdiff_t bytes = n * prefetch->width * (ptrdiff_t)sizeof(REAL);
        for (ptrdiff_t at = 0; at < bytes; at += 64) __builtin_prefetch(line + at);
    }
}

/* Several rows at a time where taps and rows are equally far apart; the last may overlap those
 * before, and are then computed again. */
static void NAME(dwconv_window)(ptrdiff_t rows, ptrdiff_t n, ptrdiff_t columns,
                                const fc_column *column, const void *x_, ptrdiff_t x_row,
                                ptrdiff_t x_tap, const void *w, void *y_, ptrdiff_t y_row,
                                const fc_prefetch *prefetch)
{
    static NAME(block_function) *const single[8] = {
        FC_TILE(NAME(dwconv_window), 1, 1), FC_TILE(NAME(dwconv_window), 1, 2),
        FC_TILE(NAME(dwconv_window), 1, 4), FC_TILE(NAME(dwconv_window), 1, 4),
        FC_TILE(NAME(dwconv_window), 1, 8), FC_TILE(NAME(dwconv_window), 1, 8),
        FC_TILE(NAME(dwconv_window), 1, 8), FC_TILE(NAME(dwconv_window), 1, 8),
    };
    static NAME(block_function) *const four[FC_DWCONV_VECTORS] = {
        FC_TILE(NAME(dwconv_window), 4, 1), FC_TILE(NAME(dwconv_window), 4, 2),
#if FC_DWCONV_VECTORS == 4
        FC_TILE(NAME(dwconv_window), 4, 3), FC_TILE(NAME(dwconv_window), 4, 4),
#endif
    };
    static NAME(block_function) *const seven[FC_DWCONV_VECTORS / 2] = {
        FC_TILE(NAME(dwconv_window), 7, 1),
#if FC_DWCONV_VECTORS == 4
        FC_TILE(NAME(dwconv_window), 7, 2),
#endif
    };
    const int together = rows >= 4 && x_row == x_tap;
    const ptrdiff_t most = together ? FC_DWCONV_VECTORS : 8;
    ptrdiff_t height = together ? 4 : 1, vectors = (n + LANES - 1) / LANES;
    if (vectors > most) {
        const ptrdiff_t parts = (vectors + most - 1) / most;
        vectors = (vectors + parts - 1) / parts;
    }
    NAME(block_function) *block = together ? four[vectors - 1] : single[vectors - 1];
    if (together && vectors <= FC_DWCONV_VECTORS / 2 && rows >= 7
        && (rows + 6) / 7 * 7 <= (rows + 3) / 4 * 4) {
        height = 7;
        block = seven[vectors - 1];
    }
    for (ptrdiff_t r = 0; r < rows; r += height) {
        if (r > rows - height) r = rows - height;
        const REAL *x = (const REAL *)x_ + r * x_row;
        REAL *y = (REAL *)y_ + r * y_row;
        for (ptrdiff_t p = 0; p < n; p += vectors * LANES) {
            const ptrdiff_t width = n - p < vectors * LANES ? n - p : vectors * LANES;
            NAME(prefetch)(prefetch, r, height, p, width);
            block(columns, column, x + p, x_tap, w, y + p, y_row, width);
        }
    }
}

static void NAME(dwconv_pixels)(ptrdiff_t rows, ptrdiff_t pixels, ptrdiff_t n, ptrdiff_t packed,
                                ptrdiff_t columns, const fc_column *column, ptrdiff_t taps,
                                const void *x, ptrdiff_t x_row, ptrdiff_t x_pixel, ptrdiff_t x_tap,
                                const void *w_, void *y, ptrdiff_t y_row, ptrdiff_t y_pixel,
                                const fc_prefetch *prefetch)
{
    const int by_four = rows >= 4 && x_row == x_tap;
    const ptrdiff_t height = by_four ? 4 : 1;
    for (ptrdiff_t c = 0; c < n; c += 2 * LANES) {
        const ptrdiff_t width = n - c < 2 * LANES ? n - c : 2 * LANES;
        const int two = packed - c > LANES;
        const REAL *w = (const REAL *)w_ + taps * c;
        NAME(block_function) *const block =
            by_four && two ? FC_TILE(NAME(dwconv_pixels), 4, 2)
            : by_four      ? FC_TILE(NAME(dwconv_pixels), 4, 1)
            : two          ? FC_TILE(NAME(dwconv_pixels), 1, 2)
                           : FC_TILE(NAME(dwconv_pixels), 1, 1);
        for (ptrdiff_t p = 0; p < pixels; p++)
            for (ptrdiff_t r = 0; r < rows; r += height) {
                if (r > rows - height) r = rows - height;
                block(columns, column, (const REAL *)x + r * x_row + p * x_pixel + c, x_tap, w,
                      (REAL *)y + r * y_row + p * y_pixel + c, y_row, width);
                if (c == 0) NAME(prefetch)(prefetch, r, height, p, 1);
            }
    }
}

/* ---- dwconv_rows: rows of input that lie anywhere ----
 *
 * As `dwconv_window`, but each row has a pointer of its own: into the array itself, or to zeros.
 * The vectors at both ends of a row are loaded in part, so that nothing is copied.
 */
#ifdef FC_PARTIAL_LOADS
/* Ends that are found once for all rows. */
#define FC_KNOWN 64

/* What lies where in a row of input, for one column. */
typedef struct {
    ptrdiff_t at;
    NAME(lanes) first[2], last[2];
} NAME(line_ends);

/* Vector i of `count` of a row. */
FC_INLINE vec NAME(line_load)(const REAL *row, const NAME(line_ends) *ends, const int i,
                              const int count, const int step, const int edge)
{
    if (edge && i < step) return NAME(load_lanes)(row + i * LANES, ends->first[i]);
    if (edge && i >= count - step)
        return NAME(load_lanes)(row + i * LANES, ends->last[i - count + step]);
    return NAME(load)(row + i * LANES);
}

/* What the outputs of vector v meet: of one tap, or of a pair. */
FC_INLINE void NAME(line_meet)(vec x[2], const REAL *row, const NAME(line_ends) *ends, const int v,
                               const int vectors, const int step, const int pair, const int edge)
{
    if (step == 1) {
        x[0] = NAME(line_load)(row, ends, v, vectors, 1, edge);
        return;
    }
    const ivec evens = NAME(iota)() * 2;
    const vec a = NAME(line_load)(row, ends, 2 * v, 2 * vectors, 2, edge);
    const vec b = NAME(line_load)(row, ends, 2 * v + 1, 2 * vectors, 2, edge);
    x[0] = NAME(shuffle)(a, b, evens);
    if (pair) x[1] = NAME(shuffle)(a, b, evens + 1);
}

/* A column of few taps, whose weights are loaded first. */
FC_INLINE void NAME(short_lines)(vec acc[7][4], const REAL *const *line, ptrdiff_t row_step,
                                 const NAME(line_ends) *ends, const REAL *w, const int taps,
                                 const int rows, const int vectors, const int step, const int pair,
                                 const int edge)
{
    vec wv[5][2];
    FC_UNROLL for (int i = 0; i < taps; i++)
        FC_UNROLL for (int h = 0; h <= pair; h++) wv[i][h] = NAME(spread)(w[i * (1 + pair) + h]);
    FC_UNROLL for (int q = 0; q < rows + taps - 1; q++) {
        const REAL *row = line[q * row_step] + ends->at;
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            vec x[2];
            NAME(line_meet)(x, row, ends, v, vectors, step, pair, edge);
            FC_UNROLL for (int r = 0; r < rows; r++)
                FC_UNROLL for (int h = 0; h <= pair; h++)
                    if (q - r >= 0 && q - r < taps) acc[r][v] += x[h] * wv[q - r][h];
        }
    }
}

/* One row of input for the outputs low ... high - 1: output r meets w[-r]. */
FC_INLINE void NAME(line_row)(vec acc[7][4], const REAL *row, const NAME(line_ends) *ends,
                              const REAL *w, const int low, const int high, const int vectors,
                              const int step, const int pair, const int edge)
{
    vec x[4][2];
    FC_UNROLL for (int v = 0; v < vectors; v++)
        NAME(line_meet)(x[v], row + ends->at, ends, v, vectors, step, pair, edge);
    FC_UNROLL for (int r = low; r < high; r++)
        FC_UNROLL for (int h = 0; h <= pair; h++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] += x[v][h] * w[h - r * (1 + pair)];
}

/* A column of more: the rows at both ends serve fewer outputs. */
FC_INLINE void NAME(long_lines)(vec acc[7][4], const REAL *const *line, ptrdiff_t row_step,
                                const NAME(line_ends) *ends, const REAL *w, ptrdiff_t taps,
                                const int rows, const int vectors, const int step, const int pair,
                                const int edge)
{
    FC_UNROLL for (int q = 0; q < rows - 1; q++, line += row_step, w += 1 + pair)
        NAME(line_row)(acc, *line, ends, w, 0, q + 1, vectors, step, pair, edge);
    for (ptrdiff_t q = rows - 1; q < taps; q++, line += row_step, w += 1 + pair)
        NAME(line_row)(acc, *line, ends, w, 0, rows, vectors, step, pair, edge);
    FC_UNROLL for (int q = 0; q < rows - 1; q++, line += row_step, w += 1 + pair)
        NAME(line_row)(acc, *line, ends, w, q + 1, rows, vectors, step, pair, edge);
}

FC_INLINE void NAME(line_column)(vec acc[7][4], const REAL *const *line, ptrdiff_t row_step,
                                 const NAME(line_ends) *ends, const REAL *w, ptrdiff_t taps,
                                 const int rows, const int vectors, const int step, const int pair,
                                 const int edge)
{
    /* a long column has at least as many taps as rows that meet only some of its outputs */
    const int longest = pair && rows <= 4 ? 3 : 5;
    if (rows == 1 || taps > longest)
        NAME(long_lines)(acc, line, row_step, ends, w, taps, rows, vectors, step, pair, edge);
#define SHORT(n)                                                                               \
    else if (taps == n)                                                                        \
        NAME(short_lines)(acc, line, row_step, ends, w, n, rows, vectors, step, pair, edge);
    SHORT(3)
    SHORT(1)
    SHORT(2)
    else if (longest == 3) __builtin_unreachable();
    SHORT(5)
    SHORT(4)
#undef SHORT
}

/* Where the vectors of a column end, for a block of outputs from p on. */
FC_INLINE NAME(line_ends) NAME(find_ends)(const fc_rows *of, const fc_column *column,
                                          ptrdiff_t p, ptrdiff_t vectors)
{
    NAME(line_ends) ends;
    ends.at = p * of->step + column->shift;
    for (ptrdiff_t h = 0; h < of->step; h++) {
        const ptrdiff_t at = of->origin + ends.at + h * LANES;
        ends.first[h] = NAME(within)(at, of->length);
        ends.last[h] = NAME(within)(at + (vectors - 1) * of->step * LANES, of->length);
    }
    return ends;
}

/* A block of outputs from p on. edge: the first and the last vector of a row may be partly
 * outside, as `known` says, unless it is NULL. Of the last vector and those before it,
 * n lanes are stored. */
FC_INLINE void NAME(line_block)(const fc_rows *of, const REAL *const *x, ptrdiff_t p,
                                const NAME(line_ends) *known, const REAL *w, const REAL *bias,
                                const fc_epilogue *clip, REAL *y, ptrdiff_t y_row, ptrdiff_t n,
                                const int rows, const int vectors, const int step, const int edge)
{
    REAL part[16 * LANES], sums[2 * 16 * LANES];
    const ptrdiff_t size = rows * vectors * LANES;
    ptrdiff_t products = 0, blocks = 0;
    vec acc[7][4];
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (vec){0};
    for (ptrdiff_t c = 0; c < of->columns; c++) {
        const fc_column column = of->column[c];
        const ptrdiff_t all = column.pair ? 2 * column.taps : column.taps;
        /* not copied: what was stored in pieces is slow to load as a whole */
        NAME(line_ends) own;
        const NAME(line_ends) *ends = &own;
        if (edge && known) ends = &known[c];
        else if (edge) own = NAME(find_ends)(of, &column, p, vectors);
        else own.at = p * step + column.shift;
        if (products + all > FC_SUM_BLOCK) {
            FC_UNROLL for (int r = 0; r < rows; r++)
                FC_UNROLL for (int v = 0; v < vectors; v++) {
                    NAME(save)(part + (r * vectors + v) * LANES, acc[r][v]);
                    acc[r][v] = (vec){0};
                }
            NAME(carry)(size, part, sums, blocks++);
            products = 0;
        }
        products += all;
        if (step == 2 && column.pair)
            NAME(line_column)(acc, x + column.offset, of->row_step, ends, w, column.taps, rows,
                              vectors, step, 1, edge);
        else
            NAME(line_column)(acc, x + column.offset, of->row_step, ends, w, column.taps, rows,
                              vectors, step, 0, edge);
        w += all;
    }
    if (blocks) {
        NAME(gathered)(size, sums, blocks);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] += NAME(load)(sums + (r * vectors + v) * LANES);
    }
    if (bias) {
        const vec b = NAME(spread)(*bias);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] += b;
    }
    if (clip) {
        const vec lo = NAME(spread)((REAL)clip->lo), hi = NAME(spread)((REAL)clip->hi);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] = NAME(activate)(acc[r][v], FC_CLIP, lo, hi);
    }
    y += p;
    if (n >= vectors * LANES) {
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                NAME(save)(y + r * y_row + v * LANES, acc[r][v]);
        return;
    }
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            REAL *out = y + r * y_row + v * LANES;
            if (n - v * LANES >= LANES) NAME(save)(out, acc[r][v]);
            else if (n > v * LANES) NAME(save_first)(out, acc[r][v], n - v * LANES);
        }
}

typedef void NAME(line_function)(const fc_rows *of, const REAL *const *x, ptrdiff_t p,
                                 const NAME(line_ends) *known, const REAL *w,
                                 const REAL *bias, const fc_epilogue *clip, REAL *y,
                                 ptrdiff_t y_row, ptrdiff_t n);

#define ROWS(name, rows, vectors, step, edge)                                                  \
    static void FC_PASTE(NAME(dwconv_rows), name)(                                             \
        const fc_rows *of, const REAL *const *x, ptrdiff_t p, const NAME(line_ends) *known,    \
        const REAL *w, const REAL *bias, const fc_epilogue *clip, REAL *y,                     \
        ptrdiff_t y_row, ptrdiff_t n)                                                          \
    {                                                                                          \
        NAME(line_block)(of, x, p, known, w, bias, clip, y, y_row, n, rows, vectors, step,     \
                         edge);                                                                \
    }
ROWS(1x1v, 1, 1, 1, 0)
ROWS(1x2v, 1, 2, 1, 0)
ROWS(4x1v, 4, 1, 1, 0)
ROWS(4x2v, 4, 2, 1, 0)
ROWS(7x1v, 7, 1, 1, 0)
ROWS(1x1v_edge, 1, 1, 1, 1)
ROWS(1x2v_edge, 1, 2, 1, 1)
ROWS(4x1v_edge, 4, 1, 1, 1)
ROWS(4x2v_edge, 4, 2, 1, 1)
ROWS(7x1v_edge, 7, 1, 1, 1)
ROWS(1x1v_s2, 1, 1, 2, 1)
ROWS(4x1v_s2, 4, 1, 2, 1)
#if FC_DWCONV_VECTORS == 4
ROWS(4x3v, 4, 3, 1, 0)
ROWS(4x4v, 4, 4, 1, 0)
ROWS(7x2v, 7, 2, 1, 0)
ROWS(4x3v_edge, 4, 3, 1, 1)
ROWS(4x4v_edge, 4, 4, 1, 1)
ROWS(7x2v_edge, 7, 2, 1, 1)
ROWS(4x2v_s2, 4, 2, 2, 1)
ROWS(7x1v_s2, 7, 1, 2, 1)
#endif
#undef ROWS

/* Ask for the rows that the block after next is the first to read. With a stride there are more
 * of them than the processor foresees. */
FC_INLINE void NAME(prefetch_rows)(const fc_rows *of, const REAL *const *rows, ptrdiff_t r,
                                   ptrdiff_t height, ptrdiff_t p, ptrdiff_t n)
{
    for (ptrdiff_t c = 0; c < of->columns; c++) {
        const fc_column *column = &of->column[c];
        if (column->shift != of->low) continue;
        const ptrdiff_t first = r + 2 * height + column->taps - 1;
        const ptrdiff_t all = of->rows + column->taps - 1;
        for (ptrdiff_t i = first; i < first + height && i < all; i++) {
            const REAL *row = rows[column->offset + i * of->row_step] + p * of->step;
            for (ptrdiff_t at = 0; at < n * of->step; at += 64 / (ptrdiff_t)sizeof(REAL))
                __builtin_prefetch(row + at);
        }
    }
}

static void NAME(dwconv_rows)(const fc_rows *of, const void *const *rows_, const void *w,
                              const void *bias, const fc_epilogue *clip, void *y_, ptrdiff_t y_row)
{
#define ROWS(name) FC_PASTE(NAME(dwconv_rows), name)
    /* [edge][vectors - 1] */
    static NAME(line_function) *const single[2][2] = {
        {ROWS(1x1v), ROWS(1x2v)}, {ROWS(1x1v_edge), ROWS(1x2v_edge)},
    };
#if FC_DWCONV_VECTORS == 4
    static NAME(line_function) *const four[2][4] = {
        {ROWS(4x1v), ROWS(4x2v), ROWS(4x3v), ROWS(4x4v)},
        {ROWS(4x1v_edge), ROWS(4x2v_edge), ROWS(4x3v_edge), ROWS(4x4v_edge)},
    };
    static NAME(line_function) *const seven[2][2] = {
        {ROWS(7x1v), ROWS(7x2v)}, {ROWS(7x1v_edge), ROWS(7x2v_edge)},
    };
    static NAME(line_function) *const two[3][2] = {
        {ROWS(1x1v_s2), NULL}, {ROWS(4x1v_s2), ROWS(4x2v_s2)}, {ROWS(7x1v_s2), NULL},
    };
#else
    static NAME(line_function) *const four[2][2] = {
        {ROWS(4x1v), ROWS(4x2v)}, {ROWS(4x1v_edge), ROWS(4x2v_edge)},
    };
    static NAME(line_function) *const seven[2][1] = {{ROWS(7x1v)}, {ROWS(7x1v_edge)}};
    static NAME(line_function) *const two[3][1] = {{ROWS(1x1v_s2)}, {ROWS(4x1v_s2)}, {NULL}};
#endif
#undef ROWS
    const REAL *const *rows = (const REAL *const *)rows_;
    const ptrdiff_t step = of->step, n = of->n;
    const int by_seven = of->rows >= 7 && (of->rows + 6) / 7 * 7 <= (of->rows + 3) / 4 * 4;
    ptrdiff_t height = of->rows < 4 ? 1 : 4, vectors = (n + LANES - 1) / LANES;
    const ptrdiff_t half = FC_DWCONV_VECTORS / 2;
    const ptrdiff_t most = step == 2 ? (height == 1 ? 1 : half)
                           : height == 1 ? 2 : by_seven ? half : FC_DWCONV_VECTORS;
    if (vectors > most) {
        const ptrdiff_t parts = (vectors + most - 1) / most;
        vectors = (vectors + parts - 1) / parts;
    }
    if (by_seven && (step == 1 ? vectors <= FC_DWCONV_VECTORS / 2
                               : vectors == 1 && FC_DWCONV_VECTORS == 4))
        height = 7;
    const ptrdiff_t row = height == 1 ? 0 : height == 4 ? 1 : 2;
    const fc_column *column = of->column;
    NAME(line_ends) known[FC_KNOWN];
    for (ptrdiff_t r = 0; r < of->rows; r += height) {
        const int first = r == 0;
        if (r > of->rows - height) r = of->rows - height;
        REAL *y = (REAL *)y_ + r * y_row;
        NAME(line_ends) *ends = known;
        for (ptrdiff_t p = 0, now; p < n; p += now * LANES) {
            now = (n - p + LANES - 1) / LANES;
            if (now > vectors) now = vectors;
            const ptrdiff_t low = of->origin + p * step + of->low;
            const ptrdiff_t high = of->origin + (p + now * LANES) * step + of->high;
            const int edge = low < 0 || high > of->length;
            /* more than the outer vectors reach out: one at a time */
            if (low < -step * LANES || high - step * LANES > of->length) now = 1;
            const ptrdiff_t width = n - p < now * LANES ? n - p : now * LANES;
            NAME(line_function) *const block =
                step == 2 ? two[row][now - 1] : height == 1 ? single[edge][now - 1]
                : height == 4 ? four[edge][now - 1] : seven[edge][now - 1];
            const int fits = ends + of->columns <= known + FC_KNOWN;
            if (fits && first)
                for (ptrdiff_t c = 0; c < of->columns; c++)
                    ends[c] = NAME(find_ends)(of, &column[c], p, now);
            if (step == 2) NAME(prefetch_rows)(of, rows, r, height, p, width);
            block(of, rows + r * of->row_step, p, fits ? ends : NULL, w, bias,
                  clip, y, y_row, width);
            if (fits) ends += of->columns;
        }
    }
}
#endif

/* ---- scatter: a block of rows to places some way apart ---- */
static void NAME(scatter)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r, void *dst_,
                          ptrdiff_t dst_r, ptrdiff_t dst_c)
{
    for (ptrdiff_t r = 0; r < nr; r++) {
        const REAL *src = (const REAL *)src_ + r * src_r;
        REAL *dst = (REAL *)dst_ + r * dst_r;
        ptrdiff_t c = 0;
#if defined(__AVX512F__)
        const ivec twice = NAME(iota)() / 2;
        if (dst_c == 2) /* every other lane of a vector */
            for (; c < nc; c += LANES / 2) {
                const ptrdiff_t n = nc - c < LANES / 2 ? nc - c : LANES / 2;
                vec v = NAME(load_first)(src + c, n);
                v = NAME(shuffle)(v, v, twice);
                const unsigned lanes = 0x5555u & ((1u << (2 * n - 1)) - 1);
#if BITS == 32
                _mm512_mask_storeu_ps(dst + 2 * c, (__mmask16)lanes, (__m512)v);
#else
                _mm512_mask_storeu_pd(dst + 2 * c, (__mmask8)lanes, (__m512d)v);
#endif
            }
#endif
        for (; c < nc; c++) dst[c * dst_c] = src[c];
    }
}

/* ---- dwconv_backward_weight: the gradient of the weights, one sum for each lane and tap ----
 *
 * An iteration should be `taps` vfmadd that read x from memory, and a load of g.
 */
FC_INLINE void NAME(dwconv_backward_weight)(ptrdiff_t rows, ptrdiff_t steps, ptrdiff_t full,
                                            ptrdiff_t last, const ptrdiff_t *restrict offset,
                                            const REAL *x, ptrdiff_t x_row, ptrdiff_t x_step,
                                            const REAL *g, ptrdiff_t g_row, ptrdiff_t g_step,
                                            REAL *out, const int taps)
{
    REAL part[12 * LANES], sums[2 * 12 * LANES];
    const ptrdiff_t size = taps * LANES;
    ptrdiff_t products = 0, blocks = 0;
    vec acc[12];
    const REAL *at[12];
    FC_UNROLL for (int t = 0; t < taps; t++) acc[t] = (vec){0};
    for (ptrdiff_t r = 0; r < rows; r++) {
        const REAL *grad = g + r * g_row;
        FC_UNROLL for (int t = 0; t < taps; t++) at[t] = x + offset[t] + r * x_row;
        ptrdiff_t s = 0;
        while (s < steps) {
            if (products == FC_SUM_BLOCK) {
                FC_UNROLL for (int t = 0; t < taps; t++) {
                    NAME(save)(part + t * LANES, acc[t]);
                    acc[t] = (vec){0};
                }
                NAME(carry)(size, part, sums, blocks++);
                products = 0;
            }
            /* as many whole vectors as the block takes; lanes past the end are not even read */
            ptrdiff_t end = s + (FC_SUM_BLOCK - products);
            const ptrdiff_t whole = full < LANES ? 0 : last < LANES ? steps - 1 : steps;
            if (end > whole) end = whole;
            if (s < end) {
                products += end - s;
                for (; s < end; s++) {
                    const vec gv = NAME(load)(grad + s * g_step);
                    FC_UNROLL for (int t = 0; t < taps; t++)
                        acc[t] += gv * NAME(load)(at[t] + s * x_step);
                }
                continue;
            }
            const ptrdiff_t n = s < steps - 1 ? full : last;
            const vec gv = NAME(load_first)(grad + s * g_step, n);
            FC_UNROLL for (int t = 0; t < taps; t++)
                acc[t] += gv * NAME(load_first)(at[t] + s * x_step, n);
            products++;
            s++;
        }
    }
    if (blocks) {
        NAME(gathered)(size, sums, blocks);
        FC_UNROLL for (int t = 0; t < taps; t++) acc[t] += NAME(load)(sums + t * LANES);
    }
    FC_UNROLL for (int t = 0; t < taps; t++) NAME(save)(out + t * LANES, acc[t]);
}

#define GRADIENT(taps)                                                                         \
    static void FC_PASTE(NAME(dwconv_backward_weight), taps##p)(                               \
        ptrdiff_t rows, ptrdiff_t steps, ptrdiff_t full, ptrdiff_t last,                       \
        const ptrdiff_t *offset, const void *x, ptrdiff_t x_row, ptrdiff_t x_step,             \
        const void *g, ptrdiff_t g_row, ptrdiff_t g_step, void *out)                           \
    {                                                                                          \
        NAME(dwconv_backward_weight)(rows, steps, full, last, offset, x, x_row, x_step, g,     \
                                     g_row, g_step, out, taps);                                \
    }
GRADIENT(1)
GRADIENT(2)
GRADIENT(3)
GRADIENT(4)
GRADIENT(5)
GRADIENT(6)
GRADIENT(7)
GRADIENT(8)
GRADIENT(9)
#undef GRADIENT

/* ---- copy: a block of rows, whose elements may lie some way apart ---- */
static void NAME(copy)(ptrdiff_t nr, ptrdiff_t nc, const void *src_, ptrdiff_t src_r,
                       ptrdiff_t src_c, void *dst_, ptrdiff_t dst_r)
{
    const REAL *src = src_;
    REAL *dst = dst_;
    const ivec evens = NAME(iota)() * 2;
    if (nc <= 0) return;
    /* the last 1 ... LANES elements of a row are loaded and stored in part */
    const ptrdiff_t whole = (nc - 1) / LANES * LANES, n = nc - whole;
    if (src_c == 1 && whole) { /* the last vector overlaps the one before */
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r) {
            for (ptrdiff_t c = 0; c < whole; c += LANES) NAME(save)(dst + c, NAME(load)(src + c));
            NAME(save)(dst + nc - LANES, NAME(load)(src + nc - LANES));
        }
        return;
    }
    if (src_c == 1) {
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r)
            NAME(save_first)(dst, NAME(load_first)(src, n), n);
        return;
    }
#ifdef FC_PARTIAL_LOADS
    if (src_c == 2) {
        const ptrdiff_t low = 2 * n - 1 < LANES ? 2 * n - 1 : LANES, high = 2 * n - 1 - low;
        for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r) {
            for (ptrdiff_t c = 0; c < whole; c += LANES)
                NAME(save)(dst + c, NAME(shuffle)(NAME(load)(src + 2 * c),
                                                  NAME(load)(src + 2 * c + LANES), evens));
            const REAL *last = src + 2 * whole;
            vec a = NAME(load_first)(last, low), b = a;
            if (high) b = NAME(load_first)(last + LANES, high);
            NAME(save_first)(dst + whole, NAME(shuffle)(a, b, evens), n);
        }
        return;
    }
#endif
    for (ptrdiff_t r = 0; r < nr; r++, src += src_r, dst += dst_r)
        for (ptrdiff_t c = 0; c < nc; c++) dst[c] = src[c * src_c];
}
