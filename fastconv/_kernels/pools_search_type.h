/* One element type's search for the place of a window's maximum, or minimum. Included by
 * pools_type.h once for each, with OP set to `max` or `min`. */

/* The first of equal elements, or the first NaN, is kept. */
FC_INLINE int NAMES(OP, replaces)(TYPE a, TYPE b)
{
    return NAMES(OP, beats)(b, a) | (IS_NAN(b) & !IS_NAN(a));
}

/* Taps of neighbouring windows, `stride` apart, in passes of one comparison each, because
 * the compiler does not vectorise more. Where elements have no indices yet, that of tap t
 * in window i is first + i * step + t * apart. */
FC_INLINE void NAMES(OP, find)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride,
                               ptrdiff_t tap, const TYPE *restrict row,
                               const INDEX *restrict where, INDEX first, INDEX step,
                               INDEX apart, TYPE *restrict out, INDEX *restrict place)
{
    const TYPE *restrict next = row + tap;
    if (taps == 1)
        for (ptrdiff_t i = 0; i < n; i++) {
            out[i] = row[i * stride];
            place[i] = where ? where[i * stride] : first + (INDEX)i * step;
        }
    else if (where)
        for (ptrdiff_t i = 0; i < n; i++) {
            const int better = NAMES(OP, replaces)(row[i * stride], next[i * stride]);
            out[i] = better ? next[i * stride] : row[i * stride];
            place[i] = better ? where[i * stride + tap] : where[i * stride];
        }
    else
        for (ptrdiff_t i = 0; i < n; i++) {
            const int better = NAMES(OP, replaces)(row[i * stride], next[i * stride]);
            out[i] = better ? next[i * stride] : row[i * stride];
            place[i] = first + (INDEX)i * step + (better ? apart : 0);
        }
    for (ptrdiff_t t = 2; t < taps; t++) {
        next += tap;
        if (where)
            for (ptrdiff_t i = 0; i < n; i++) {
                const int better = NAMES(OP, replaces)(out[i], next[i * stride]);
                const INDEX at = where[i * stride + t * tap];
                out[i] = better ? next[i * stride] : out[i];
                place[i] = better ? at : place[i];
            }
        else
            for (ptrdiff_t i = 0; i < n; i++) {
                const int better = NAMES(OP, replaces)(out[i], next[i * stride]);
                const INDEX at = first + (INDEX)i * step + (INDEX)t * apart;
                out[i] = better ? next[i * stride] : out[i];
                place[i] = better ? at : place[i];
            }
    }
}

static void NAMES(OP, find_1)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, const TYPE *row,
                              const INDEX *where, INDEX first, INDEX step, INDEX apart,
                              TYPE *out, INDEX *place)
{
    if (where) /* told apart here, and not in the loops */
        NAMES(OP, find)(n, taps, 1, tap, row, where, 0, 0, 0, out, place);
    else if (step == 0) /* channels of one window */
        NAMES(OP, find)(n, taps, 1, tap, row, NULL, first, 0, apart, out, place);
    else
        NAMES(OP, find)(n, taps, 1, tap, row, NULL, first, step, apart, out, place);
}

static void NAMES(OP, search)(const fc_windows *w, const void *row_, const void *where_,
                              void *out_, void *place_)
{
    const TYPE *row = row_;
    const INDEX *where = where_;
    TYPE *out = out_;
    INDEX *place = place_;
    const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;
    const INDEX step = (INDEX)w->where_step, apart = (INDEX)w->where_tap;
    for (ptrdiff_t r = 0; r < w->rows; r++) {
        const INDEX first = (INDEX)(w->where_first + r * w->where_row);
        const TYPE *x = row + r * w->row_step;
        const INDEX *own = where ? where + r * w->row_step : NULL;
        TYPE *y = out + r * w->out_row;
        INDEX *at = place + r * w->out_row;
        const int line = w->inner == 1 && w->out_step == 1;
        if (line && stride == 1)
            NAMES(OP, find_1)(n, taps, tap, x, own, first, step, apart, y, at);
        else if (line && stride == 2)
            NAMES(OP, find)(n, taps, 2, tap, x, own, first, step, apart, y, at);
        else if (line)
            NAMES(OP, find)(n, taps, stride, tap, x, own, first, step, apart, y, at);
        else if (own && stride == w->inner && w->out_step == w->inner)
            NAMES(OP, find_1)(n * w->inner, taps, tap, x, own, 0, 0, 0, y, at);
        else
            for (ptrdiff_t o = 0; o < n; o++)
                NAMES(OP, find_1)(w->inner, taps, tap, x + o * stride,
                                  own ? own + o * stride : NULL,
                                  first + (INDEX)o * step, 0, apart, y + o * w->out_step,
                                  at + o * w->out_step);
    }
}

static void NAMES(OP, search_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_, void *where_)
{
    TYPE *row = row_;
    INDEX *where = where_;
    FC_IN_PLACE
    for (ptrdiff_t i = 0; i < n; i++) {
        const int better = NAMES(OP, replaces)(row[i], row[i + shift]);
        row[i] = better ? row[i + shift] : row[i];
        where[i] = better ? where[i + shift] : where[i];
    }
}
#undef OP
