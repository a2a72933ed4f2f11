/* One element type's maximum, or minimum, of windows. Included by pools_type.h once for
 * each, with OP set to `max` or `min`. */

/* Written so that the first selection becomes an instruction of its own. */
FC_INLINE TYPE NAME(OP)(TYPE a, TYPE b)
{
    const TYPE m = NAMES(OP, beats)(b, a) ? b : a;
    return IS_NAN(b) ? b : m;
}

/* By whole blocks, whose extremes stay in registers; the last overlaps with the one before. */
FC_INLINE void NAMES(OP, blocks)(const ptrdiff_t block, ptrdiff_t n, ptrdiff_t taps,
                                 ptrdiff_t tap, const TYPE *restrict row, TYPE *restrict out)
{
    TYPE best[MOST_OF_BLOCK];
    for (ptrdiff_t from = 0; from < n; from += block) {
        const ptrdiff_t at = from + block <= n ? from : n - block;
        const TYPE *restrict a = row + at, *restrict b = a + tap, *restrict c = b + tap;
        TYPE *restrict to = out + at;
        if (taps == 2) {
            for (ptrdiff_t i = 0; i < block; i++) to[i] = NAME(OP)(a[i], b[i]);
            continue;
        }
        if (taps == 3) {
            for (ptrdiff_t i = 0; i < block; i++) to[i] = NAME(OP)(NAME(OP)(a[i], b[i]), c[i]);
            continue;
        }
        for (ptrdiff_t i = 0; i < block; i++) best[i] = a[i];
        for (ptrdiff_t t = 1; t < taps; t++)
            for (ptrdiff_t i = 0; i < block; i++) best[i] = NAME(OP)(best[i], a[t * tap + i]);
        for (ptrdiff_t i = 0; i < block; i++) to[i] = best[i];
    }
}

#ifdef WORD
/* Windows of two or three neighbours, two apart: of a word twice as long, both halves. */
FC_INLINE void NAMES(OP, halves)(ptrdiff_t n, const int taps, const TYPE *restrict row,
                                 TYPE *restrict out)
{
    const NAME(word) *restrict words = (const NAME(word) *)row;
    const ptrdiff_t whole = n - (taps == 3); /* the last window's third element may be the last */
    for (ptrdiff_t i = 0; i < whole; i++) {
        const TYPE pair = NAME(OP)(FIRST_HALF(words[i]), SECOND_HALF(words[i]));
        out[i] = taps == 3 ? NAME(OP)(pair, FIRST_HALF(words[i + 1])) : pair;
    }
    for (ptrdiff_t i = whole; i < n; i++)
        out[i] = NAME(OP)(NAME(OP)(row[2 * i], row[2 * i + 1]), row[2 * i + 2]);
}
#endif

/* out[i] = op over t < taps of row[t * tap + i]; three taps a pass, because the compiler
 * does not vectorise more selections in a row */
static void NAMES(OP, taps)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap,
                            const TYPE *restrict row, TYPE *restrict out)
{
#ifdef FLOATING
    const int serves = taps == 2 || taps == 3; /* more would not stay in registers */
#else
    const int serves = 1;
#endif
    if (serves && n >= 64) {
        NAMES(OP, blocks)(64, n, taps, tap, row, out);
        return;
    }
    if (serves && n >= 32) {
        NAMES(OP, blocks)(32, n, taps, tap, row, out);
        return;
    }
    if (serves && n >= 16) {
        NAMES(OP, blocks)(16, n, taps, tap, row, out);
        return;
    }
    const TYPE *restrict b = row + tap, *restrict c = row + 2 * tap;
    if (taps == 1)
        for (ptrdiff_t i = 0; i < n; i++) out[i] = row[i];
    else if (taps == 2)
        for (ptrdiff_t i = 0; i < n; i++) out[i] = NAME(OP)(row[i], b[i]);
    else
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = NAME(OP)(NAME(OP)(row[i], b[i]), c[i]);
    for (taps -= 3, row += 3 * tap; taps > 0; taps -= 2, row += 2 * tap) {
        b = taps > 1 ? row + tap : row;
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = NAME(OP)(NAME(OP)(out[i], row[i]), b[i]);
    }
}

/* Some neighbouring elements side by side, and the last of them again. */
FC_INLINE TYPE NAMES(OP, side_by_side)(const ptrdiff_t width, ptrdiff_t taps,
                                       const TYPE *restrict row)
{
    TYPE line[MOST_SIDE_BY_SIDE];
    for (ptrdiff_t i = 0; i < width; i++) line[i] = row[i];
    for (ptrdiff_t t = width; t < taps; t += width) {
        const TYPE *restrict next = row + (t + width <= taps ? t : taps - width);
        for (ptrdiff_t i = 0; i < width; i++) line[i] = NAME(OP)(line[i], next[i]);
    }
    for (ptrdiff_t half = width / 2; half; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++) line[i] = NAME(OP)(line[i], line[i + half]);
    return line[0];
}

/* One window of a row; of equal elements, which zeros of either sign are, the first. */
FC_INLINE TYPE NAMES(OP, window)(ptrdiff_t taps, ptrdiff_t tap, const TYPE *restrict row)
{
    TYPE value = row[0];
    for (ptrdiff_t t = 1; t < taps; t++) value = NAME(OP)(value, row[t * tap]);
    return value;
}

static TYPE NAMES(OP, long_window)(ptrdiff_t taps, const TYPE *restrict row)
{
    const TYPE value = taps >= LINE ? NAMES(OP, side_by_side)(LINE, taps, row)
                                    : NAMES(OP, side_by_side)(SIDE_BY_SIDE, taps, row);
    for (ptrdiff_t t = 0; value == 0; t++)
        if (row[t] == 0) return row[t];
    return value;
}

FC_INLINE void NAMES(OP, row)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride,
                              const ptrdiff_t tap, const TYPE *restrict row,
                              TYPE *restrict out)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        TYPE value = row[i * stride];
        for (ptrdiff_t t = 1; t < taps; t++)
            value = NAME(OP)(value, row[i * stride + t * tap]);
        out[i] = value;
    }
}

/* Windows `stride` elements from one to the next: a constant, so that vectors are taken apart. */
FC_INLINE void NAMES(OP, apart)(ptrdiff_t n, ptrdiff_t taps, const ptrdiff_t stride,
                                ptrdiff_t tap, const TYPE *restrict row, TYPE *restrict out)
{
    TYPE line[MOST_OF_BLOCK];
    for (ptrdiff_t from = 0; from < n; from += MOST_OF_BLOCK) {
        const ptrdiff_t m = n - from < MOST_OF_BLOCK ? n - from : MOST_OF_BLOCK;
        for (ptrdiff_t i = 0; i < m; i++) line[i] = row[i * stride];
        for (ptrdiff_t t = 1; t < taps; t++)
            for (ptrdiff_t i = 0; i < m; i++) line[i] = NAME(OP)(line[i], row[i * stride + t * tap]);
        for (ptrdiff_t i = 0; i < m; i++) out[i] = line[i];
        row += MOST_OF_BLOCK * stride;
        out += MOST_OF_BLOCK;
    }
}

static void NAMES(OP, pool)(const fc_windows *w, const void *row_, void *out_)
{
    const TYPE *row = row_;
    TYPE *out = out_;
    const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;
    for (ptrdiff_t r = 0; r < w->rows; r++, row += w->row_step, out += w->out_row) {
        if (w->inner > 1) {
            if (stride == w->inner && w->out_step == w->inner)
                NAMES(OP, taps)(n * w->inner, taps, tap, row, out);
            else
                for (ptrdiff_t o = 0; o < n; o++)
                    NAMES(OP, taps)(w->inner, taps, tap, row + o * stride,
                                    out + o * w->out_step);
        } else if (w->out_step == 1 && taps == 1 && stride == 2)
            NAMES(OP, row)(n, 1, 2, 1, row, out);
        else if (w->out_step == 1 && taps == 1 && stride == 3)
            NAMES(OP, row)(n, 1, 3, 1, row, out);
        else if (w->out_step == 1 && n > 4 && stride == 2 && 3 < taps && taps <= MOST_APART)
            NAMES(OP, apart)(n, taps, 2, tap, row, out);
        else if (w->out_step == 1 && n > 4 && stride == 3 && taps != 3 && taps <= MOST_APART)
            NAMES(OP, apart)(n, taps, 3, tap, row, out);
        else if (w->out_step == 1 && n > 4 && stride == 4 && taps <= MOST_APART)
            NAMES(OP, apart)(n, taps, 4, tap, row, out);
        else if (tap == 1 && taps >= SIDE_BY_SIDE && (stride > 1 || n == 1))
            for (ptrdiff_t o = 0; o < n; o++)
                out[o * w->out_step] = NAMES(OP, long_window)(taps, row + o * stride);
        else if (w->out_step != 1 || n == 1 || (stride > 1 && taps > 4))
            for (ptrdiff_t o = 0; o < n; o++)
                out[o * w->out_step] = NAMES(OP, window)(taps, tap, row + o * stride);
        else if (stride == 1)
            NAMES(OP, taps)(n, taps, tap, row, out);
#ifdef WORD
        else if (tap == 1 && stride == 2 && taps == 2)
            NAMES(OP, halves)(n, 2, row, out);
        else if (tap == 1 && stride == 2 && taps == 3)
            NAMES(OP, halves)(n, 3, row, out);
#endif
        else if (tap == 1 && stride == 2 && taps == 2)
            NAMES(OP, row)(n, 2, 2, 1, row, out);
        else if (tap == 1 && stride == 2 && taps == 3)
            NAMES(OP, row)(n, 3, 2, 1, row, out);
        else if (tap == 1 && stride == 3 && taps == 3)
            NAMES(OP, row)(n, 3, 3, 1, row, out);
        else
            NAMES(OP, row)(n, taps, stride, tap, row, out);
    }
}

static void NAMES(OP, shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_)
{
    TYPE *row = row_;
    FC_IN_PLACE
    for (ptrdiff_t i = 0; i < n; i++) row[i] = NAME(OP)(row[i], row[i + shift]);
}
#undef OP
