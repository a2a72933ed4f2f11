/* One element type's sums of windows. Included by pools_type.h once for each type of sum, with
 * SUM_TYPE set to it, INTO to the word for it in names, and WHOLE if it is one of integers, whose
 * sums do not depend on their order. */

/* By whole blocks, whose sums stay in registers; the last overlaps with the one before. */
FC_INLINE void NAMES(INTO, blocks)(const ptrdiff_t block, ptrdiff_t n, ptrdiff_t taps,
                                   ptrdiff_t tap, const TYPE *restrict row,
                                   SUM_TYPE *restrict out)
{
    typedef SUM_TYPE sum;
    sum total[MOST_OF_BLOCK];
    for (ptrdiff_t from = 0; from < n; from += block) {
        const ptrdiff_t at = from + block <= n ? from : n - block;
        const TYPE *restrict a = row + at, *restrict b = a + tap, *restrict c = b + tap;
        SUM_TYPE *restrict to = out + at;
        if (taps == 2) {
            for (ptrdiff_t i = 0; i < block; i++) to[i] = (sum)((sum)a[i] + (sum)b[i]);
            continue;
        }
        if (taps == 3) {
            for (ptrdiff_t i = 0; i < block; i++)
                to[i] = (sum)((sum)a[i] + (sum)b[i] + (sum)c[i]);
            continue;
        }
        for (ptrdiff_t i = 0; i < block; i++) total[i] = (sum)a[i];
        for (ptrdiff_t t = 1; t < taps; t++)
            for (ptrdiff_t i = 0; i < block; i++) total[i] += (sum)a[t * tap + i];
        for (ptrdiff_t i = 0; i < block; i++) to[i] = total[i];
    }
}

#if defined(WHOLE) && defined(WORD)
/* Windows of two or three neighbours, two apart: of a word twice as long, both halves. */
FC_INLINE void NAMES(INTO, halves)(ptrdiff_t n, const int taps, const TYPE *restrict row,
                                   SUM_TYPE *restrict out)
{
    typedef SUM_TYPE sum;
    const NAME(word) *restrict words = (const NAME(word) *)row;
    const ptrdiff_t whole = n - (taps == 3); /* the last window's third element may be the last */
    for (ptrdiff_t i = 0; i < whole; i++) {
        const sum pair = (sum)((sum)FIRST_HALF(words[i]) + (sum)SECOND_HALF(words[i]));
        out[i] = taps == 3 ? (sum)(pair + (sum)FIRST_HALF(words[i + 1])) : pair;
    }
    for (ptrdiff_t i = whole; i < n; i++)
        out[i] = (sum)((sum)row[2 * i] + (sum)row[2 * i + 1] + (sum)row[2 * i + 2]);
}
#endif

/* out[i] (+)= sum over t < taps of row[t * tap + i], for few taps: added one after the other, so that
 * elements of padding, which are zeros, make no difference. */
static void NAMES(INTO, sequential)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, int more,
                                    const TYPE *restrict row, SUM_TYPE *restrict out)
{
    typedef SUM_TYPE sum;
    const TYPE *restrict b = row + tap, *restrict c = row + 2 * tap;
    if (!more) {
        if (taps == 1)
            for (ptrdiff_t i = 0; i < n; i++) out[i] = (sum)row[i];
        else if (taps == 2)
            for (ptrdiff_t i = 0; i < n; i++) out[i] = (sum)row[i] + (sum)b[i];
        else
            for (ptrdiff_t i = 0; i < n; i++)
                out[i] = (sum)row[i] + (sum)b[i] + (sum)c[i];
        taps -= 3;
        row += 3 * tap;
    }
    for (; taps > 1; taps -= 2, row += 2 * tap) {
        b = row + tap;
        for (ptrdiff_t i = 0; i < n; i++) out[i] = out[i] + (sum)row[i] + (sum)b[i];
    }
    if (taps == 1)
        for (ptrdiff_t i = 0; i < n; i++) out[i] += (sum)row[i];
}

/* Many taps in blocks, whose sums are added in pairs: a binary counter of partial sums. */
static void NAMES(INTO, pairwise)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap,
                                  const TYPE *restrict row, SUM_TYPE *restrict out)
{
    enum { COLUMNS = 64, LEVELS = 60 };
    SUM_TYPE partial[LEVELS][COLUMNS];
    for (ptrdiff_t from = 0; from < n; from += COLUMNS) {
        const ptrdiff_t m = n - from < COLUMNS ? n - from : COLUMNS;
        int level = 0;
        ptrdiff_t blocks = 0;
        for (ptrdiff_t t = 0; t < taps; t += FC_SEQUENTIAL_TERMS) {
            const ptrdiff_t terms = taps - t < FC_SEQUENTIAL_TERMS ? taps - t : FC_SEQUENTIAL_TERMS;
            NAMES(INTO, sequential)(m, terms, tap, 0, row + from + t * tap, partial[level++]);
            for (ptrdiff_t k = ++blocks; !(k & 1); k >>= 1, level--)
                for (ptrdiff_t i = 0; i < m; i++)
                    partial[level - 2][i] += partial[level - 1][i];
        }
        for (; level > 1; level--)
            for (ptrdiff_t i = 0; i < m; i++) partial[level - 2][i] += partial[level - 1][i];
        for (ptrdiff_t i = 0; i < m; i++) out[from + i] = partial[0][i];
    }
}

FC_INLINE void NAMES(INTO, taps)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t tap, int more,
                                 const TYPE *restrict row, SUM_TYPE *restrict out)
{
#ifdef WHOLE
    const int serves = !more;
#else
    const int serves = !more && (taps == 2 || taps == 3); /* more would not stay in registers */
#endif
    if (serves && n >= 64)
        NAMES(INTO, blocks)(64, n, taps, tap, row, out);
    else if (serves && n >= 32)
        NAMES(INTO, blocks)(32, n, taps, tap, row, out);
    else if (serves && n >= 16)
        NAMES(INTO, blocks)(16, n, taps, tap, row, out);
    else if (taps > FC_SEQUENTIAL_TERMS)
        NAMES(INTO, pairwise)(n, taps, tap, row, out);
    else
        NAMES(INTO, sequential)(n, taps, tap, more, row, out);
}

/* One window of a row; long ones in halves, neighbouring elements side by side. */
static SUM_TYPE NAMES(INTO, window)(ptrdiff_t taps, ptrdiff_t tap, const TYPE *restrict row)
{
    enum { LANES = 16, BLOCK = 16 * LANES };
    typedef SUM_TYPE sum;
    sum value = 0;
    ptrdiff_t t = 0;
    if (taps > BLOCK) {
        const ptrdiff_t half = (taps / 2 + LANES - 1) / LANES * LANES;
        return NAMES(INTO, window)(half, tap, row)
               + NAMES(INTO, window)(taps - half, tap, row + half * tap);
    }
    if (tap == 1 && taps >= LANES) {
        sum line[LANES];
        FC_UNROLL for (ptrdiff_t i = 0; i < LANES; i++) line[i] = (sum)row[i];
        for (t = LANES; t + LANES <= taps; t += LANES)
            FC_UNROLL for (ptrdiff_t i = 0; i < LANES; i++) line[i] += (sum)row[t + i];
        sum eight[8], four[4];
        for (ptrdiff_t i = 0; i < 8; i++) eight[i] = line[i] + line[i + 8];
        for (ptrdiff_t i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
        value = (four[0] + four[2]) + (four[1] + four[3]);
    } else if (taps > FC_SEQUENTIAL_TERMS) {
        const ptrdiff_t half = taps / 2;
        return NAMES(INTO, window)(half, tap, row)
               + NAMES(INTO, window)(taps - half, tap, row + half * tap);
    }
    sum rest = 0;
    for (; t < taps; t++) rest += (sum)row[t * tap];
    return value + rest;
}

FC_INLINE void NAMES(INTO, row)(ptrdiff_t n, const ptrdiff_t taps, const ptrdiff_t stride,
                                const ptrdiff_t tap, int more, const TYPE *restrict row,
                                SUM_TYPE *restrict out)
{
    if (more)
        for (ptrdiff_t i = 0; i < n; i++) out[i] += (SUM_TYPE)row[i * stride];
    else
        for (ptrdiff_t i = 0; i < n; i++) {
            SUM_TYPE value = (SUM_TYPE)row[i * stride];
            for (ptrdiff_t t = 1; t < taps; t++)
                value += (SUM_TYPE)row[i * stride + t * tap];
            out[i] = value;
        }
}

#ifndef WHOLE
/* Windows of neighbours that are no longer than their stride, all of it constants, so that each
 * vector is read once; whether they are such. */
FC_INLINE int NAMES(INTO, tight_row)(ptrdiff_t n, ptrdiff_t taps, ptrdiff_t stride,
                                     const TYPE *restrict row, SUM_TYPE *restrict out)
{
    if (taps > stride || stride > 4) return 0;
    switch (4 * stride + taps) {
    case 4 * 2 + 1: NAMES(INTO, row)(n, 1, 2, 1, 0, row, out); return 1;
    case 4 * 2 + 2: NAMES(INTO, row)(n, 2, 2, 1, 0, row, out); return 1;
    case 4 * 3 + 1: NAMES(INTO, row)(n, 1, 3, 1, 0, row, out); return 1;
    case 4 * 3 + 2: NAMES(INTO, row)(n, 2, 3, 1, 0, row, out); return 1;
    case 4 * 3 + 3: NAMES(INTO, row)(n, 3, 3, 1, 0, row, out); return 1;
    case 4 * 4 + 1: NAMES(INTO, row)(n, 1, 4, 1, 0, row, out); return 1;
    case 4 * 4 + 2: NAMES(INTO, row)(n, 2, 4, 1, 0, row, out); return 1;
    case 4 * 4 + 3: NAMES(INTO, row)(n, 3, 4, 1, 0, row, out); return 1;
    case 4 * 4 + 4: NAMES(INTO, row)(n, 4, 4, 1, 0, row, out); return 1;
    }
    return 0;
}
#endif

/* Windows of several taps, `stride` elements from one to the next: a constant, so that vectors are
 * taken apart. The terms of each sum are added in their order, as those of one window are. */
FC_INLINE void NAMES(INTO, apart)(ptrdiff_t n, ptrdiff_t taps, const ptrdiff_t stride,
                                  ptrdiff_t tap, int more, const TYPE *restrict row,
                                  SUM_TYPE *restrict out)
{
    enum { COLUMNS = 64 };
    SUM_TYPE line[COLUMNS];
    for (ptrdiff_t from = 0; from < n; from += COLUMNS, row += COLUMNS * stride, out += COLUMNS) {
        const ptrdiff_t m = n - from < COLUMNS ? n - from : COLUMNS;
        for (ptrdiff_t i = 0; i < m; i++) line[i] = (SUM_TYPE)row[i * stride];
        for (ptrdiff_t t = 1; t < taps; t++)
            for (ptrdiff_t i = 0; i < m; i++) line[i] += (SUM_TYPE)row[i * stride + t * tap];
        if (more)
            for (ptrdiff_t i = 0; i < m; i++) out[i] += line[i];
        else
            for (ptrdiff_t i = 0; i < m; i++) out[i] = line[i];
    }
}

static void NAMES(INTO, pool)(const fc_windows *w, const void *row_, void *out_)
{
    const TYPE *row = row_;
    SUM_TYPE *out = out_;
    const ptrdiff_t n = w->n, taps = w->taps, tap = w->tap, stride = w->stride;
    for (ptrdiff_t r = 0; r < w->rows; r++, row += w->row_step, out += w->out_row) {
        if (w->inner > 1) {
            if (stride == w->inner && w->out_step == w->inner)
                NAMES(INTO, taps)(n * w->inner, taps, tap, w->more, row, out);
            else
                for (ptrdiff_t o = 0; o < n; o++)
                    NAMES(INTO, taps)(w->inner, taps, tap, w->more, row + o * stride,
                                      out + o * w->out_step);
        } else if (stride == 1 && taps == 1 && !w->more) {
            const ptrdiff_t step = w->out_step;
            for (ptrdiff_t o = 0; o < n; o++) out[o * step] = (SUM_TYPE)row[o];
        } else if (stride == 1 && w->out_step > 1 && n > 4 && !w->more) {
            SUM_TYPE line[256];
            for (ptrdiff_t from = 0; from < n; from += 256) {
                const ptrdiff_t m = n - from < 256 ? n - from : 256;
                NAMES(INTO, taps)(m, taps, tap, 0, row + from, line);
                for (ptrdiff_t o = 0; o < m; o++) out[(from + o) * w->out_step] = line[o];
            }
#ifndef WHOLE
        } else if (w->out_step == 1 && tap == 1 && stride > 1 && n > 4 && !w->more
                   && NAMES(INTO, tight_row)(n, taps, stride, row, out)) {
            continue;
#endif
        } else if (w->out_step == 1 && n > 4 && taps > (stride == 2 ? 3 : 1)
                   && taps <= FC_SEQUENTIAL_TERMS && 2 <= stride && stride <= 4) {
            if (stride == 2)
                NAMES(INTO, apart)(n, taps, 2, tap, w->more, row, out);
            else if (stride == 3)
                NAMES(INTO, apart)(n, taps, 3, tap, w->more, row, out);
            else
                NAMES(INTO, apart)(n, taps, 4, tap, w->more, row, out);
        } else if (w->out_step != 1 || n == 1 || (stride > 1 && taps > 4))
            for (ptrdiff_t o = 0; o < n; o++) {
                const SUM_TYPE value = NAMES(INTO, window)(taps, tap, row + o * stride);
                out[o * w->out_step] = w->more ? out[o * w->out_step] + value : value;
            }
        else if (stride == 1)
            NAMES(INTO, taps)(n, taps, tap, w->more, row, out);
#if defined(WHOLE) && defined(WORD)
        else if (tap == 1 && stride == 2 && taps == 2 && !w->more)
            NAMES(INTO, halves)(n, 2, row, out);
        else if (tap == 1 && stride == 2 && taps == 3 && !w->more)
            NAMES(INTO, halves)(n, 3, row, out);
#endif
        else if (tap == 1 && stride == 2 && taps == 2)
            NAMES(INTO, row)(n, 2, 2, 1, w->more, row, out);
        else if (tap == 1 && stride == 2 && taps == 3)
            NAMES(INTO, row)(n, 3, 2, 1, w->more, row, out);
        else
            NAMES(INTO, row)(n, taps, stride, tap, w->more, row, out);
    }
}
#undef INTO
#undef SUM_TYPE
#undef WHOLE
