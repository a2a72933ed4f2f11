/* One element type's depthwise kernels: few channels meet in a sum, so what counts is how often
 * a loaded vector of input is used, and how little happens between two planes. Included once
 * per type, after sums_type.h.
 *
 * A kernel is cut into columns: taps that lie at the distance of two output rows. While the
 * input rows below four output rows pass, each is loaded once for all taps of the column.
 *
 * With taps = 3 and four vectors on AVX-512, a column of `dwconv_window` should be 48 vfmadd, 24
 * loads of x, and 3 broadcasts before them; on AVX2, with two vectors, 24, 12 and 3.
 */

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

/* A column for outputs that do not share input: x_row apart, each with rows of its own. */
FC_INLINE void NAME(apart_column)(vec acc[7][8], const REAL *restrict x, ptrdiff_t x_row,
                                  ptrdiff_t x_tap, const REAL *restrict w, ptrdiff_t taps,
                                  const int rows, const int vectors, const int wide)
{
    for (ptrdiff_t q = 0; q < taps; q++, x += x_tap, w += wide ? vectors * LANES : 1) {
        vec wv[2];
        FC_UNROLL for (int v = 0; v < (wide ? vectors : 1); v++)
            wv[v] = wide ? NAME(load)(w + v * LANES) : NAME(spread)(w[0]);
        FC_UNROLL for (int r = 0; r < rows; r++)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] += NAME(load)(x + r * x_row + v * LANES) * wv[wide ? v : 0];
    }
}

/* A block of outputs. `wide`: each tap has weights of its own for every lane. `apart`: outputs are
 * x_row apart, else x_tap. Of the last vector and those before it, n lanes are stored. */
FC_INLINE void NAME(block)(ptrdiff_t columns, const fc_column *restrict column, const REAL *x,
                           ptrdiff_t x_row, ptrdiff_t x_tap, const REAL *w, REAL *y,
                           ptrdiff_t y_row, ptrdiff_t n, const int rows, const int vectors,
                           const int wide, const int apart)
{
    REAL part[16 * LANES], sums[2 * 16 * LANES];
    ptrdiff_t products = 0, blocks = 0;
    vec acc[7][8];
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (vec){0};
    for (ptrdiff_t c = 0; c < columns; c++) {
        const ptrdiff_t taps = column[c].taps;
        const REAL *start = x + column[c].offset;
        if (products + taps > FC_SUM_BLOCK) {
            NAME(spill)(acc[0], rows, vectors, 8, part, sums, &blocks);
            products = 0;
        }
        products += taps;
        if (apart)
            NAME(apart_column)(acc, start, x_row, x_tap, w, taps, rows, vectors, wide);
        else if (rows == 1 || taps > 5)
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
    NAME(add_spilled)(acc[0], rows, vectors, 8, sums, blocks);
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
        NAME(block)(columns, column, x, x_tap, x_tap, w, y, y_row, n, rows, vectors, wide, 0); \
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

/* Four outputs, pixels side by side or rows: sums enough that none waits for the one before. */
#define FOUR_APART(kind, vectors, wide)                                                        \
    static void FC_PASTE(NAME(kind), vectors)(                                                 \
        ptrdiff_t columns, const fc_column *column, const REAL *x, ptrdiff_t x_row,            \
        ptrdiff_t x_tap, const REAL *w, REAL *y, ptrdiff_t y_row, ptrdiff_t n)                 \
    {                                                                                          \
        NAME(block)(columns, column, x, x_row, x_tap, w, y, y_row, n, 4, vectors, wide, 1);    \
    }
FOUR_APART(dwconv_pixels_apart, 1, 1)
FOUR_APART(dwconv_pixels_apart, 2, 1)
FOUR_APART(dwconv_rows_apart, 1, 0)
FOUR_APART(dwconv_rows_apart, 2, 0)
#undef FOUR_APART

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

/* Several rows at a time where taps and rows are equally far apart, or, of up to two vectors, four
 * that share nothing; the last may overlap those
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
    if (!together && rows >= 4 && n <= 2 * LANES) {
        for (ptrdiff_t r = 0; r < rows; r += 4) {
            if (r > rows - 4) r = rows - 4;
            const REAL *x = (const REAL *)x_ + r * x_row;
            REAL *y = (REAL *)y_ + r * y_row;
            NAME(prefetch)(prefetch, r, 4, 0, n);
            if (n > LANES)
                FC_PASTE(NAME(dwconv_rows_apart), 2)(columns, column, x, x_row, x_tap, w, y,
                                                     y_row, n);
            else
                FC_PASTE(NAME(dwconv_rows_apart), 1)(columns, column, x, x_row, x_tap, w, y,
                                                     y_row, n);
        }
        return;
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
            by_four ? (two ? FC_TILE(NAME(dwconv_pixels), 4, 2)
                           : FC_TILE(NAME(dwconv_pixels), 4, 1))
                    : (two ? FC_TILE(NAME(dwconv_pixels), 1, 2)
                           : FC_TILE(NAME(dwconv_pixels), 1, 1));
        ptrdiff_t p = 0;
        if (!by_four && pixels >= 4)
            for (; p < pixels; p += 4) {
                if (p > pixels - 4) p = pixels - 4; /* some are computed again */
                for (ptrdiff_t r = 0; r < rows; r++) {
                    const REAL *from = (const REAL *)x + r * x_row + p * x_pixel + c;
                    REAL *to = (REAL *)y + r * y_row + p * y_pixel + c;
                    if (two)
                        FC_PASTE(NAME(dwconv_pixels_apart), 2)(columns, column, from, x_pixel,
                                                               x_tap, w, to, y_pixel, width);
                    else
                        FC_PASTE(NAME(dwconv_pixels_apart), 1)(columns, column, from, x_pixel,
                                                               x_tap, w, to, y_pixel, width);
                    for (int i = 0; c == 0 && i < 4; i++) NAME(prefetch)(prefetch, r, 1, p + i, 1);
                }
            }
        for (; p < pixels; p++)
            for (ptrdiff_t r = 0; r < rows; r += height) {
                if (r > rows - height) r = rows - height;
                block(columns, column, (const REAL *)x + r * x_row + p * x_pixel + c, x_tap, w,
                      (REAL *)y + r * y_row + p * y_pixel + c, y_row, width);
                if (c == 0) NAME(prefetch)(prefetch, r, height, p, 1);
            }
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
                NAME(spill)(acc, 1, taps, taps, part, sums, &blocks);
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
    NAME(add_spilled)(acc, 1, taps, taps, sums, blocks);
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

static void NAME(fill_dwconv_window)(fc_kernels *k)
{
    k->dwconv_window = NAME(dwconv_window);
    k->dwconv_pixels = NAME(dwconv_pixels);
    k->dwconv_backward_weight[0] = FC_PASTE(NAME(dwconv_backward_weight), 1p);
    k->dwconv_backward_weight[1] = FC_PASTE(NAME(dwconv_backward_weight), 2p);
    k->dwconv_backward_weight[2] = FC_PASTE(NAME(dwconv_backward_weight), 3p);
    k->dwconv_backward_weight[3] = FC_PASTE(NAME(dwconv_backward_weight), 4p);
    k->dwconv_backward_weight[4] = FC_PASTE(NAME(dwconv_backward_weight), 5p);
    k->dwconv_backward_weight[5] = FC_PASTE(NAME(dwconv_backward_weight), 6p);
    k->dwconv_backward_weight[6] = FC_PASTE(NAME(dwconv_backward_weight), 7p);
    k->dwconv_backward_weight[7] = FC_PASTE(NAME(dwconv_backward_weight), 8p);
    k->dwconv_backward_weight[8] = FC_PASTE(NAME(dwconv_backward_weight), 9p);
}
