/* One element type's pooling kernels. Included once per type with these set:
 *   TYPE   the element;  TAG  its name in function names
 *   INDEX  the integer that accompanies an element in searches for positions, or nothing
 *   FLOATING  where there are NaN, and sums in the type itself */
#ifdef FLOATING
#define IS_NAN(a) ((a) != (a))
#else
#define IS_NAN(a) 0
#endif
#define NAME(base) FC_PASTE(TAG, base)
#define NAMES(op, base) FC_PASTE3(TAG, op, base)

/* b replaces a where it is greater, or NaN; a search also asks that a is not NaN already, so
 * that the first of equal elements, or the first NaN, is kept. Integers never are. */
FC_INLINE int NAME(above)(TYPE a, TYPE b) { return (b > a) | IS_NAN(b); }
FC_INLINE int NAME(below)(TYPE a, TYPE b) { return (b < a) | IS_NAN(b); }
FC_INLINE int NAMES(max, second)(TYPE a, TYPE b) { return NAME(above)(a, b); }
FC_INLINE int NAMES(min, second)(TYPE a, TYPE b) { return NAME(below)(a, b); }
/* Written so that the first selection becomes an instruction of its own. */
FC_INLINE TYPE NAME(max)(TYPE a, TYPE b)
{
    const TYPE m = b > a ? b : a;
    return IS_NAN(b) ? b : m;
}
FC_INLINE TYPE NAME(min)(TYPE a, TYPE b)
{
    const TYPE m = b < a ? b : a;
    return IS_NAN(b) ? b : m;
}

/* Elements of a cache line, accumulated side by side: four vectors of the narrowest level. */
#define LINE ((ptrdiff_t)(64 / sizeof(TYPE)))

/* ---- maximum and minimum ---- */

#define EXTREME(op)                                                                            \
    /* out[i] = op over t < taps of row[t * tap + i]; three taps a pass, because the compiler  \
     * does not vectorise more selections in a row */                                          \
    static void NAMES(op, taps)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap,                    \
                                const TYPE *restrict row, TYPE *restrict out)                  \
    {                                                                                          \
        const TYPE *restrict b = row + tap, *restrict c = row + 2 * tap;                       \
        if (taps == 1)                                                                         \
            for (ptrdiff_t i = 0; i < n; i++) out[i] = row[i];                                 \
        else if (taps == 2)                                                                    \
            for (ptrdiff_t i = 0; i < n; i++) out[i] = NAME(op)(row[i], b[i]);                 \
        else                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++)                                                  \
                out[i] = NAME(op)(NAME(op)(row[i], b[i]), c[i]);                               \
        for (taps -= 3, row += 3 * tap; taps > 0; taps -= 2, row += 2 * tap) {                 \
            b = taps > 1 ? row + tap : row;                                                    \
            for (ptrdiff_t i = 0; i < n; i++)                                                  \
                out[i] = NAME(op)(NAME(op)(out[i], row[i]), b[i]);                             \
        }                                                                                      \
    }                                                                                          \
    /* One window of a row; neighbouring elements a line at a time. */                         \
    static TYPE NAMES(op, window)(ptrdiff_t taps, ptrdiff_t tap, const TYPE *restrict row)     \
    {                                                                                          \
        TYPE value = row[0];                                                                   \
        ptrdiff_t t = 1;                                                                       \
        if (tap == 1 && taps >= 2 * LINE) {                                                    \
            TYPE line[LINE];                                                                   \
            for (ptrdiff_t i = 0; i < LINE; i++) line[i] = row[i];                             \
            for (t = LINE; t + LINE <= taps; t += LINE)                                        \
                for (ptrdiff_t i = 0; i < LINE; i++) line[i] = NAME(op)(line[i], row[t + i]);  \
            for (ptrdiff_t half = LINE / 2; half; half /= 2)                                   \
                for (ptrdiff_t i = 0; i < half; i++)                                           \
                    line[i] = NAME(op)(line[i], line[i + half]);                               \
            value = line[0];                                                                   \
        }                                                                                      \
        for (; t < taps; t++) {                                                                \
            const TYPE pair[2] = {value, row[t * tap]};                                        \
            value = pair[NAMES(op, second)(pair[0], pair[1])];                                 \
        }                                                                                      \
        return value;                                                                          \
    }                                                                                          \
    FC_INLINE void NAMES(op, row)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride,   \
                                  const ptrdiff_t tap, const TYPE *restrict row,               \
                                  TYPE *restrict out)                                          \
    {                                                                                          \
        for (ptrdiff_t i = 0; i < n; i++) {                                                    \
            TYPE value = row[i * stride];                                                      \
            for (ptrdiff_t t = 1; t < taps; t++)                                               \
                value = NAME(op)(value, row[i * stride + t * tap]);                            \
            out[i] = value;                                                                    \
        }                                                                                      \
    }                                                                                          \
    static void NAMES(op, pool)(const fc_windows *w, const void *row_, void *out_)             \
    {                                                                                          \
        const TYPE *row = row_;                                                                \
        TYPE *out = out_;                                                                      \
        const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;            \
        for (ptrdiff_t r = 0; r < w->rows; r++, row += w->row_step, out += w->out_row) {       \
            if (w->inner > 1) {                                                                \
                if (stride == w->inner && w->out_step == w->inner)                             \
                    NAMES(op, taps)(n * w->inner, taps, tap, row, out);                        \
                else                                                                           \
                    for (ptrdiff_t o = 0; o < n; o++)                                          \
                        NAMES(op, taps)(w->inner, taps, tap, row + o * stride,                 \
                                        out + o * w->out_step);                                \
            } else if (w->out_step != 1 || n == 1 || (stride > 1 && taps > 4))                 \
                for (ptrdiff_t o = 0; o < n; o++)                                              \
                    out[o * w->out_step] = NAMES(op, window)(taps, tap, row + o * stride);     \
            else if (stride == 1)                                                              \
                NAMES(op, taps)(n, taps, tap, row, out);                                       \
            else if (tap == 1 && stride == 2 && taps == 2)                                     \
                NAMES(op, row)(n, 2, 2, 1, row, out);                                          \
            else if (tap == 1 && stride == 2 && taps == 3)                                     \
                NAMES(op, row)(n, 3, 2, 1, row, out);                                          \
            else if (tap == 1 && stride == 3 && taps == 3)                                     \
                NAMES(op, row)(n, 3, 3, 1, row, out);                                          \
            else                                                                               \
                NAMES(op, row)(n, taps, stride, tap, row, out);                                \
        }                                                                                      \
    }                                                                                          \
    static void NAMES(op, shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_)                    \
    {                                                                                          \
        TYPE *row = row_;                                                                      \
        FC_AHEAD                                                                               \
        for (ptrdiff_t i = 0; i < n; i++) row[i] = NAME(op)(row[i], row[i + shift]);           \
    }
EXTREME(max)
EXTREME(min)
#undef EXTREME

/* ---- sums, in TYPE or in double ---- */

#define SUM(into, SUM_TYPE)                                                                    \
    /* out[i] (+)= sum over t < taps of row[t * tap + i], for few taps */                      \
    static void NAMES(into, few)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, int more,         \
                                 const TYPE *restrict row, SUM_TYPE *restrict out)             \
    {                                                                                          \
        typedef SUM_TYPE sum;                                                                  \
        const TYPE *restrict b = row + tap, *restrict c = row + 2 * tap;                       \
        if (!more) {                                                                           \
            if (taps == 1)                                                                     \
                for (ptrdiff_t i = 0; i < n; i++) out[i] = (sum)row[i];                        \
            else if (taps == 2)                                                                \
                for (ptrdiff_t i = 0; i < n; i++) out[i] = (sum)row[i] + (sum)b[i];            \
            else                                                                               \
                for (ptrdiff_t i = 0; i < n; i++)                                              \
                    out[i] = (sum)row[i] + (sum)b[i] + (sum)c[i];                              \
            taps -= 3;                                                                         \
            row += 3 * tap;                                                                    \
        }                                                                                      \
        for (; taps > 1; taps -= 2, row += 2 * tap) {                                          \
            b = row + tap;                                                                     \
            for (ptrdiff_t i = 0; i < n; i++) out[i] += (sum)row[i] + (sum)b[i];               \
        }                                                                                      \
        if (taps == 1)                                                                         \
            for (ptrdiff_t i = 0; i < n; i++) out[i] += (sum)row[i];                           \
    }                                                                                          \
    /* Many taps in blocks, whose sums are added in pairs: a binary counter of partial sums. */\
    static void NAMES(into, many)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap,                  \
                                  const TYPE *restrict row, SUM_TYPE *restrict out)            \
    {                                                                                          \
        enum { COLUMNS = 64, LEVELS = 60 };                                                    \
        SUM_TYPE partial[LEVELS][COLUMNS];                                                     \
        for (ptrdiff_t from = 0; from < n; from += COLUMNS) {                                  \
            const ptrdiff_t m = n - from < COLUMNS ? n - from : COLUMNS;                       \
            int level = 0;                                                                     \
            ptrdiff_t blocks = 0;                                                              \
            for (ptrdiff_t t = 0; t < taps; t += FC_FEW) {                                     \
                NAMES(into, few)(m, taps - t < FC_FEW ? taps - t : FC_FEW, tap, 0,             \
                                 row + from + t * tap, partial[level++]);                      \
                for (ptrdiff_t k = ++blocks; !(k & 1); k >>= 1, level--)                       \
                    for (ptrdiff_t i = 0; i < m; i++)                                          \
                        partial[level - 2][i] += partial[level - 1][i];                        \
            }                                                                                  \
            for (; level > 1; level--)                                                         \
                for (ptrdiff_t i = 0; i < m; i++) partial[level - 2][i] += partial[level - 1][i]; \
            for (ptrdiff_t i = 0; i < m; i++) out[from + i] = partial[0][i];                   \
        }                                                                                      \
    }                                                                                          \
    FC_INLINE void NAMES(into, taps)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, int more,     \
                                     const TYPE *restrict row, SUM_TYPE *restrict out)         \
    {                                                                                          \
        if (taps > FC_FEW)                                                                     \
            NAMES(into, many)(n, taps, tap, row, out);                                         \
        else                                                                                   \
            NAMES(into, few)(n, taps, tap, more, row, out);                                    \
    }                                                                                          \
    /* One window of a row; long ones in halves, neighbouring elements side by side. */        \
    static SUM_TYPE NAMES(into, window)(ptrdiff_t taps, ptrdiff_t tap, const TYPE *restrict row) \
    {                                                                                          \
        enum { LANES = 16, BLOCK = 16 * LANES };                                               \
        typedef SUM_TYPE sum;                                                                  \
        sum value = 0;                                                                         \
        ptrdiff_t t = 0;                                                                       \
        if (taps > BLOCK) {                                                                    \
            const ptrdiff_t half = (taps / 2 + LANES - 1) / LANES * LANES;                     \
            return NAMES(into, window)(half, tap, row)                                         \
                   + NAMES(into, window)(taps - half, tap, row + half * tap);                  \
        }                                                                                      \
        if (tap == 1 && taps >= LANES) {                                                       \
            sum line[LANES];                                                                   \
            for (ptrdiff_t i = 0; i < LANES; i++) line[i] = (sum)row[i];                       \
            for (t = LANES; t + LANES <= taps; t += LANES)                                     \
                for (ptrdiff_t i = 0; i < LANES; i++) line[i] += (sum)row[t + i];              \
            sum eight[8], four[4];                                                             \
            for (ptrdiff_t i = 0; i < 8; i++) eight[i] = line[i] + line[i + 8];                \
            for (ptrdiff_t i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];               \
            value = (four[0] + four[2]) + (four[1] + four[3]);                                 \
        } else if (taps > FC_FEW) {                                                            \
            const ptrdiff_t half = taps / 2;                                                   \
            return NAMES(into, window)(half, tap, row)                                         \
                   + NAMES(into, window)(taps - half, tap, row + half * tap);                  \
        }                                                                                      \
        sum rest = 0;                                                                          \
        for (; t < taps; t++) rest += (sum)row[t * tap];                                       \
        return value + rest;                                                                   \
    }                                                                                          \
    FC_INLINE void NAMES(into, row)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride, \
                                    const ptrdiff_t tap, int more, const TYPE *restrict row,   \
                                    SUM_TYPE *restrict out)                                    \
    {                                                                                          \
        if (more)                                                                              \
            for (ptrdiff_t i = 0; i < n; i++) out[i] += (SUM_TYPE)row[i * stride];             \
        else                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++) {                                                \
                SUM_TYPE value = (SUM_TYPE)row[i * stride];                                    \
                for (ptrdiff_t t = 1; t < taps; t++)                                           \
                    value += (SUM_TYPE)row[i * stride + t * tap];                              \
                out[i] = value;                                                                \
            }                                                                                  \
    }                                                                                          \
    static void NAMES(into, pool)(const fc_windows *w, const void *row_, void *out_)           \
    {                                                                                          \
        const TYPE *row = row_;                                                                \
        SUM_TYPE *out = out_;                                                                  \
        const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;            \
        for (ptrdiff_t r = 0; r < w->rows; r++, row += w->row_step, out += w->out_row) {       \
            if (w->inner > 1) {                                                                \
                if (stride == w->inner && w->out_step == w->inner)                             \
                    NAMES(into, taps)(n * w->inner, taps, tap, w->more, row, out);             \
                else                                                                           \
                    for (ptrdiff_t o = 0; o < n; o++)                                          \
                        NAMES(into, taps)(w->inner, taps, tap, w->more, row + o * stride,      \
                                          out + o * w->out_step);                              \
            } else if (stride == 1 && w->out_step > 1 && n > 4 && !w->more) {                  \
                SUM_TYPE line[256];                                                            \
                for (ptrdiff_t from = 0; from < n; from += 256) {                              \
                    const ptrdiff_t m = n - from < 256 ? n - from : 256;                       \
                    NAMES(into, taps)(m, taps, tap, 0, row + from, line);                      \
                    for (ptrdiff_t o = 0; o < m; o++) out[(from + o) * w->out_step] = line[o]; \
                }                                                                              \
            } else if (w->out_step != 1 || n == 1 || (stride > 1 && taps > 4))                 \
                for (ptrdiff_t o = 0; o < n; o++) {                                            \
                    const SUM_TYPE value = NAMES(into, window)(taps, tap, row + o * stride);   \
                    out[o * w->out_step] = w->more ? out[o * w->out_step] + value : value;     \
                }                                                                              \
            else if (stride == 1)                                                              \
                NAMES(into, taps)(n, taps, tap, w->more, row, out);                            \
            else if (tap == 1 && stride == 2 && taps == 2)                                     \
                NAMES(into, row)(n, 2, 2, 1, w->more, row, out);                               \
            else if (tap == 1 && stride == 2 && taps == 3)                                     \
                NAMES(into, row)(n, 3, 2, 1, w->more, row, out);                               \
            else                                                                               \
                NAMES(into, row)(n, taps, stride, tap, w->more, row, out);                     \
        }                                                                                      \
    }
#ifdef FLOATING
SUM(sum, TYPE)
static void NAME(sum_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_)
{
    TYPE *row = row_;
    FC_AHEAD
    for (ptrdiff_t i = 0; i < n; i++) row[i] += row[i + shift];
}
#endif
SUM(wide, double)
#undef SUM

/* ---- positions ---- */

#ifdef INDEX
#define SEARCH(op, beats)                                                                      \
    FC_INLINE int NAMES(op, replaces)(TYPE a, TYPE b)                                          \
    {                                                                                          \
        return beats((b), (a)) | (IS_NAN(b) & !IS_NAN(a));                                        \
    }                                                                                          \
    /* Taps of neighbouring windows, `stride` apart, in passes of one comparison each, because \
     * the compiler does not vectorise more. Where elements have no indices yet, that of tap t \
     * in window i is first + i * step + t * apart. */                                         \
    FC_INLINE void NAMES(op, find)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride,  \
                                   ptrdiff_t tap, const TYPE *restrict row,                    \
                                   const INDEX *restrict where, INDEX first, INDEX step,       \
                                   INDEX apart, TYPE *restrict out, INDEX *restrict place)     \
    {                                                                                          \
        const TYPE *restrict next = row + tap;                                                 \
        if (taps == 1)                                                                         \
            for (ptrdiff_t i = 0; i < n; i++) {                                                \
                out[i] = row[i * stride];                                                      \
                place[i] = where ? where[i * stride] : first + (INDEX)i * step;                \
            }                                                                                  \
        else if (where)                                                                        \
            for (ptrdiff_t i = 0; i < n; i++) {                                                \
                const int better = NAMES(op, replaces)(row[i * stride], next[i * stride]);     \
                out[i] = better ? next[i * stride] : row[i * stride];                          \
                place[i] = better ? where[i * stride + tap] : where[i * stride];               \
            }                                                                                  \
        else                                                                                   \
            for (ptrdiff_t i = 0; i < n; i++) {                                                \
                const int better = NAMES(op, replaces)(row[i * stride], next[i * stride]);     \
                out[i] = better ? next[i * stride] : row[i * stride];                          \
                place[i] = first + (INDEX)i * step + (better ? apart : 0);                     \
            }                                                                                  \
        for (ptrdiff_t t = 2; t < taps; t++) {                                                 \
            next += tap;                                                                       \
            if (where)                                                                         \
                for (ptrdiff_t i = 0; i < n; i++) {                                            \
                    const int better = NAMES(op, replaces)(out[i], next[i * stride]);          \
                    const INDEX at = where[i * stride + t * tap];                              \
                    out[i] = better ? next[i * stride] : out[i];                               \
                    place[i] = better ? at : place[i];                                         \
                }                                                                              \
            else                                                                               \
                for (ptrdiff_t i = 0; i < n; i++) {                                            \
                    const int better = NAMES(op, replaces)(out[i], next[i * stride]);          \
                    const INDEX at = first + (INDEX)i * step + (INDEX)t * apart;               \
                    out[i] = better ? next[i * stride] : out[i];                               \
                    place[i] = better ? at : place[i];                                         \
                }                                                                              \
        }                                                                                      \
    }                                                                                          \
    static void NAMES(op, find_1)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, const TYPE *row, \
                                  const INDEX *where, INDEX first, INDEX step, INDEX apart,    \
                                  TYPE *out, INDEX *place)                                     \
    {                                                                                          \
        NAMES(op, find)(n, taps, 1, tap, row, where, first, step, apart, out, place);          \
    }                                                                                          \
    static void NAMES(op, search)(const fc_windows *w, const void *row_, const void *where_,   \
                                  void *out_, void *place_)                                    \
    {                                                                                          \
        const TYPE *row = row_;                                                                \
        const INDEX *where = where_;                                                           \
        TYPE *out = out_;                                                                      \
        INDEX *place = place_;                                                                 \
        const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;            \
        const INDEX step = (INDEX)w->where_step, apart = (INDEX)w->where_tap;                  \
        for (ptrdiff_t r = 0; r < w->rows; r++) {                                              \
            const INDEX first = (INDEX)(w->where_first + r * w->where_row);                    \
            const TYPE *x = row + r * w->row_step;                                             \
            const INDEX *own = where ? where + r * w->row_step : NULL;                         \
            TYPE *y = out + r * w->out_row;                                                    \
            INDEX *at = place + r * w->out_row;                                                \
            const int line = w->inner == 1 && w->out_step == 1;                                \
            if (line && stride == 1)                                                           \
                NAMES(op, find_1)(n, taps, tap, x, own, first, step, apart, y, at);            \
            else if (line && stride == 2)                                                      \
                NAMES(op, find)(n, taps, 2, tap, x, own, first, step, apart, y, at);           \
            else if (line)                                                                     \
                NAMES(op, find)(n, taps, stride, tap, x, own, first, step, apart, y, at);      \
            else if (own && stride == w->inner && w->out_step == w->inner)                     \
                NAMES(op, find_1)(n * w->inner, taps, tap, x, own, 0, 0, 0, y, at);            \
            else                                                                               \
                for (ptrdiff_t o = 0; o < n; o++)                                              \
                    NAMES(op, find_1)(w->inner, taps, tap, x + o * stride,                     \
                                      own ? own + o * stride : NULL,                           \
                                      first + (INDEX)o * step, 0, apart, y + o * w->out_step,  \
                                      at + o * w->out_step);                                   \
        }                                                                                      \
    }                                                                                          \
    static void NAMES(op, search_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_, void *where_) \
    {                                                                                          \
        TYPE *row = row_;                                                                      \
        INDEX *where = where_;                                                                 \
        FC_AHEAD                                                                               \
        for (ptrdiff_t i = 0; i < n; i++) {                                                    \
            const int better = NAMES(op, replaces)(row[i], row[i + shift]);                    \
            row[i] = better ? row[i + shift] : row[i];                                         \
            where[i] = better ? where[i + shift] : where[i];                                   \
        }                                                                                      \
    }
#define FC_GREATER(b, a) (b > a)
#define FC_LESS(b, a) (b < a)
SEARCH(max, FC_GREATER)
SEARCH(min, FC_LESS)
#undef FC_GREATER
#undef FC_LESS
#undef SEARCH

static void NAME(places)(ptrdiff_t n, ptrdiff_t first, const void *where_, int64_t *out)
{
    const INDEX *restrict where = where_;
    for (ptrdiff_t i = 0; i < n; i++) out[i] = first + (int64_t)where[i];
}

static void NAME(number)(ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t step,
                         void *where_)
{
    INDEX *where = where_;
    for (ptrdiff_t o = 0; o < n; o++)
        for (ptrdiff_t i = 0; i < inner; i++) where[o * inner + i] = (INDEX)(first + o * step);
}
#endif

/* ---- conversion ---- */

static void NAME(to_float)(ptrdiff_t n, const void *src_, void *dst_)
{
    const TYPE *restrict src = src_;
    float *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] = (float)src[i];
}

static void NAME(to_double)(ptrdiff_t n, const void *src_, void *dst_)
{
    const TYPE *restrict src = src_;
    double *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] = (double)src[i];
}

static void NAME(fill_pools)(fc_pools *k)
{
    k->size = sizeof(TYPE);
    k->max = NAME(max_pool);
    k->min = NAME(min_pool);
    k->wide_sum = NAME(wide_pool);
    k->max_shifted = NAME(max_shifted);
    k->min_shifted = NAME(min_shifted);
#ifdef FLOATING
    k->sum = NAME(sum_pool);
    k->sum_shifted = NAME(sum_shifted);
#endif
#ifdef INDEX
    k->index_size = sizeof(INDEX);
    k->max_search = NAME(max_search);
    k->min_search = NAME(min_search);
    k->max_search_shifted = NAME(max_search_shifted);
    k->min_search_shifted = NAME(min_search_shifted);
    k->places = NAME(places);
    k->number = NAME(number);
#endif
    k->to_float = NAME(to_float);
    k->to_double = NAME(to_double);
}

#undef LINE
#undef NAMES
#undef NAME
#undef TYPE
#undef TAG
#undef INDEX
#undef FLOATING
#undef IS_NAN
