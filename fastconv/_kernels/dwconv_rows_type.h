/* One element type's depthwise kernels whose rows of input lie anywhere. Included once per type,
 * after sums_type.h.
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
FC_INLINE NAME(line_ends) NAME(find_ends)(const fc_rows *shape, const fc_column *column,
                                          ptrdiff_t p, ptrdiff_t vectors)
{
    NAME(line_ends) ends;
    ends.at = p * shape->step + column->shift;
    for (ptrdiff_t h = 0; h < shape->step; h++) {
        const ptrdiff_t at = shape->origin + ends.at + h * LANES;
        ends.first[h] = NAME(within)(at, shape->length);
        ends.last[h] = NAME(within)(at + (vectors - 1) * shape->step * LANES, shape->length);
    }
    return ends;
}

/* A block of outputs from p on. edge: the first and the last vector of a row may be partly
 * outside, as `known` says, unless it is NULL. Of the last vector and those before it,
 * n lanes are stored. */
FC_INLINE void NAME(line_block)(const fc_rows *shape, const REAL *const *x, ptrdiff_t p,
                                const NAME(line_ends) *known, const REAL *w, const REAL *bias,
                                const fc_epilogue *clip, REAL *y, ptrdiff_t y_row, ptrdiff_t n,
                                const int rows, const int vectors, const int step, const int edge)
{
    REAL part[16 * LANES], sums[2 * 16 * LANES];
    ptrdiff_t products = 0, blocks = 0;
    vec acc[7][4];
    FC_UNROLL for (int r = 0; r < rows; r++)
        FC_UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = (vec){0};
    for (ptrdiff_t c = 0; c < shape->columns; c++) {
        const fc_column column = shape->column[c];
        const ptrdiff_t all = column.pair ? 2 * column.taps : column.taps;
        /* not copied: what was stored in pieces is slow to load as a whole */
        NAME(line_ends) own;
        const NAME(line_ends) *ends = &own;
        if (edge && known) ends = &known[c];
        else if (edge) own = NAME(find_ends)(shape, &column, p, vectors);
        else own.at = p * step + column.shift;
        if (products + all > FC_SUM_BLOCK) {
            NAME(spill)(acc[0], rows, vectors, 4, part, sums, &blocks);
            products = 0;
        }
        products += all;
        if (step == 2 && column.pair)
            NAME(line_column)(acc, x + column.offset, shape->row_step, ends, w, column.taps, rows,
                              vectors, step, 1, edge);
        else
            NAME(line_column)(acc, x + column.offset, shape->row_step, ends, w, column.taps, rows,
                              vectors, step, 0, edge);
        w += all;
    }
    NAME(add_spilled)(acc[0], rows, vectors, 4, sums, blocks);
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

typedef void NAME(line_function)(const fc_rows *shape, const REAL *const *x, ptrdiff_t p,
                                 const NAME(line_ends) *known, const REAL *w,
                                 const REAL *bias, const fc_epilogue *clip, REAL *y,
                                 ptrdiff_t y_row, ptrdiff_t n);

#define ROWS(name, rows, vectors, step, edge)                                                  \
    static void FC_PASTE(NAME(dwconv_rows), name)(                                             \
        const fc_rows *shape, const REAL *const *x, ptrdiff_t p, const NAME(line_ends) *known, \
        const REAL *w, const REAL *bias, const fc_epilogue *clip, REAL *y,                     \
        ptrdiff_t y_row, ptrdiff_t n)                                                          \
    {                                                                                          \
        NAME(line_block)(shape, x, p, known, w, bias, clip, y, y_row, n, rows, vectors, step,  \
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
FC_INLINE void NAME(prefetch_rows)(const fc_rows *shape, const REAL *const *rows, ptrdiff_t r,
                                   ptrdiff_t height, ptrdiff_t p, ptrdiff_t n)
{
    for (ptrdiff_t c = 0; c < shape->columns; c++) {
        const fc_column *column = &shape->column[c];
        if (column->shift != shape->low) continue;
        const ptrdiff_t first = r + 2 * height + column->taps - 1;
        const ptrdiff_t all = shape->rows + column->taps - 1;
        for (ptrdiff_t i = first; i < first + height && i < all; i++) {
            const REAL *row = rows[column->offset + i * shape->row_step] + p * shape->step;
            for (ptrdiff_t at = 0; at < n * shape->step; at += 64 / (ptrdiff_t)sizeof(REAL))
                __builtin_prefetch(row + at);
        }
    }
}

static void NAME(dwconv_rows)(const fc_rows *shape, const void *const *rows_, const void *w,
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
    const ptrdiff_t step = shape->step, n = shape->n;
    const int by_seven = shape->rows >= 7 && (shape->rows + 6) / 7 * 7 <= (shape->rows + 3) / 4 * 4;
    ptrdiff_t height = shape->rows < 4 ? 1 : 4, vectors = (n + LANES - 1) / LANES;
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
    const fc_column *column = shape->column;
    NAME(line_ends) known[FC_KNOWN];
    for (ptrdiff_t r = 0; r < shape->rows; r += height) {
        const int first = r == 0;
        if (r > shape->rows - height) r = shape->rows - height;
        REAL *y = (REAL *)y_ + r * y_row;
        NAME(line_ends) *ends = known;
        for (ptrdiff_t p = 0, now; p < n; p += now * LANES) {
            now = (n - p + LANES - 1) / LANES;
            if (now > vectors) now = vectors;
            const ptrdiff_t low = shape->origin + p * step + shape->low;
            const ptrdiff_t high = shape->origin + (p + now * LANES) * step + shape->high;
            const int edge = low < 0 || high > shape->length;
            /* more than the outer vectors reach out: one at a time */
            if (low < -step * LANES || high - step * LANES > shape->length) now = 1;
            const ptrdiff_t width = n - p < now * LANES ? n - p : now * LANES;
            NAME(line_function) *const block =
                step == 2 ? two[row][now - 1] : height == 1 ? single[edge][now - 1]
                : height == 4 ? four[edge][now - 1] : seven[edge][now - 1];
            const int fits = ends + shape->columns <= known + FC_KNOWN;
            if (fits && first)
                for (ptrdiff_t c = 0; c < shape->columns; c++)
                    ends[c] = NAME(find_ends)(shape, &column[c], p, now);
            if (step == 2) NAME(prefetch_rows)(shape, rows, r, height, p, width);
            block(shape, rows + r * shape->row_step, p, fits ? ends : NULL, w, bias,
                  clip, y, y_row, width);
            if (fits) ends += shape->columns;
        }
    }
}
#endif

static void NAME(fill_dwconv_rows)(fc_kernels *k)
{
#ifdef FC_PARTIAL_LOADS
    k->dwconv_rows = NAME(dwconv_rows);
#else
    (void)k;
#endif
}
