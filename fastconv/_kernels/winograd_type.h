/* One element type's kernels of Winograd's algorithm. Included once per type, after
 * lanes_type.h. */
/* ---- transforms of one line ----
 *
 * F(m, r) computes m outputs of a kernel of length r with n = m + r - 1 multiplications. It
 * evaluates the product of two polynomials at n points (Toom and Cook), transposed:
 * y = A' [(G g) . (B' d)]. With M(x) the product of (x - a_j) over the finite points, row j of B'
 * holds the coefficients of M(x) / (x - a_j), the row of the point at infinity those of M; row j
 * of G holds the powers of a_j, divided by M'(a_j); column j of A' holds the powers of a_j.
 *
 * The points are 0, pairs a and -a, and infinity where n is even. So M(x) = x p(x^2) with p(x^2)
 * the product of (x^2 - a^2) over the pairs; the rows of 0 and infinity hold p, and with q(x^2)
 * the product over the other pairs, the rows of a pair are x^2 q(x^2) +- a x q(x^2): both come from
 * one sum over even and one over odd elements. B' depends on n alone, G on n and r, A' on n and m.
 *
 * The pairs are those with the smallest errors that a search in steps of about a tenth found
 * (normal data, float32): of n = 6, {2/3, 3/2} has half the error of {1, 2}. With even n they are
 * reciprocal, so that coefficients of p read the same from both ends but for the sign; a pair
 * at 1 comes first. The highest coefficients of p and q are 1. All this saves multiplications, in
 * transforms which otherwise do more of them than additions.
 */
typedef struct {
    REAL all[3];               /* B': p without its last coefficient, 1 */
    REAL even[3][2], odd[3][3]; /* q likewise, and a q */
    REAL weight_zero, weight[3][FC_WINOGRAD_KERNEL]; /* G */
    REAL power[3][FC_WINOGRAD_OUTPUTS]; /* A' */
} NAME(points);

static NAME(points) NAME(at)[FC_WINOGRAD_SIZES];

static void NAME(find_points)(void)
{
    static const double pairs[FC_WINOGRAD_SIZES][3] = {
        {1}, {0.75, 2}, {2 / 3.0, 1.5}, {0.5, 1.2, 2.5}, {1, 0.5, 2},
    };
    for (int i = 0; i < FC_WINOGRAD_SIZES; i++) {
        NAME(points) *p = &NAME(at)[i];
        const int count = (i + 3) / 2; /* pairs of n = i + 4 points */
        double all[4] = {1};
        for (int j = 0; j < count; j++)
            for (int k = j + 1; k >= 0; k--)
                all[k] = (k ? all[k - 1] : 0) - pairs[i][j] * pairs[i][j] * all[k];
        for (int k = 0; k < count; k++) p->all[k] = (REAL)all[k];
        p->weight_zero = (REAL)(1 / all[0]);
        for (int j = 0; j < count; j++) {
            const double a = pairs[i][j];
            double q[3] = {1}, value = 0;
            int degree = 0;
            for (int other = 0; other < count; other++)
                if (other != j) {
                    degree++;
                    for (int k = degree; k >= 0; k--)
                        q[k] = (k ? q[k - 1] : 0) - pairs[i][other] * pairs[i][other] * q[k];
                }
            for (int k = 0; k < count; k++) {
                value += q[k] * pow(a, 2 * k);
                if (k < count - 1) p->even[j][k] = (REAL)q[k];
                p->odd[j][k] = (REAL)(a * q[k]);
            }
            for (int k = 0; k < FC_WINOGRAD_KERNEL; k++) /* M'(a) = 2 a^2 q(a^2) */
                p->weight[j][k] = (REAL)(pow(a, k) / (2 * a * a * value));
            for (int k = 0; k < FC_WINOGRAD_OUTPUTS; k++) p->power[j][k] = (REAL)pow(a, k);
        }
    }
}

/* sum_k p_k d[2 k] */
FC_INLINE vec NAME(all)(const vec *d, const NAME(points) *p, const int n)
{
    if (n == 4) return d[2] - d[0];
    if (n == 6) return (d[0] + d[4]) + d[2] * p->all[1];
    if (n == 8) return (d[6] - d[0]) + (d[2] - d[4]) * p->all[1];
    const int pairs = (n - 1) / 2;
    vec sum = d[2 * pairs];
    FC_UNROLL for (int k = 0; k < pairs; k++) sum += d[2 * k] * p->all[k];
    return sum;
}

/* v[2 j + 1] and v[2 j + 2]; of the last j, v[0] and v[n - 1]. */
FC_INLINE void NAME(input_two)(const vec *d, vec *v, const int n, const int j)
{
    const NAME(points) *p = &NAME(at)[n - 4];
    const int pairs = (n - 1) / 2;
    if (j == pairs) {
        v[0] = NAME(all)(d, p, n);
        if (n % 2 == 0) v[1] = NAME(all)(d + 1, p, n);
        return;
    }
    vec even = d[2 * pairs], odd;
    if (n == 4) {
        odd = d[1];
    } else if (n == 8 && j == 0) { /* at 1, beside a reciprocal pair */
        even = (d[2] + d[6]) + d[4] * p->even[0][1];
        odd = (d[1] + d[5]) + d[3] * p->even[0][1];
    } else {
        odd = d[1] * p->odd[j][0];
        FC_UNROLL for (int k = 0; k < pairs - 1; k++) even += d[2 * k + 2] * p->even[j][k];
        FC_UNROLL for (int k = 1; k < pairs; k++) odd += d[2 * k + 1] * p->odd[j][k];
    }
    v[0] = even + odd;
    v[1] = even - odd;
}

FC_INLINE void NAME(input)(const vec *d, vec *v, const int n, const int unused)
{
    (void)unused;
    vec two[2];
    FC_UNROLL for (int j = 0; j <= (n - 1) / 2; j++) {
        const int last = j == (n - 1) / 2;
        NAME(input_two)(d, two, n, j);
        v[last ? 0 : 2 * j + 1] = two[0];
        if (!last || n % 2 == 0) v[last ? n - 1 : 2 * j + 2] = two[1];
    }
}

FC_INLINE void NAME(weight)(const vec *g, vec *u, const int r, const int n)
{
    const NAME(points) *p = &NAME(at)[n - 4];
    const int pairs = (n - 1) / 2;
    u[0] = g[0] * p->weight_zero;
    FC_UNROLL for (int j = 0; j < pairs; j++) {
        vec even = g[0] * p->weight[j][0], odd = g[1] * p->weight[j][1];
        FC_UNROLL for (int k = 2; k < r; k++) {
            if (k % 2) odd += g[k] * p->weight[j][k];
            else even += g[k] * p->weight[j][k];
        }
        u[2 * j + 1] = even + odd;
        u[2 * j + 2] = even - odd;
    }
    if (n % 2 == 0) u[n - 1] = g[r - 1];
}

FC_INLINE void NAME(output)(const vec *m, vec *y, const int n, const int count)
{
    const NAME(points) *p = &NAME(at)[n - 4];
    const int pairs = (n - 1) / 2;
    vec even[3], odd[3];
    y[0] = m[0];
    FC_UNROLL for (int j = 0; j < pairs; j++) {
        even[j] = m[2 * j + 1] + m[2 * j + 2];
        odd[j] = m[2 * j + 1] - m[2 * j + 2];
        y[0] += even[j];
    }
    FC_UNROLL for (int k = 1; k < count; k++) {
        y[k] = (k % 2 ? odd : even)[0];
        if (n != 4 && n != 8) y[k] *= p->power[0][k]; /* there it is 1 */
        FC_UNROLL for (int j = 1; j < pairs; j++)
            y[k] += (k % 2 ? odd : even)[j] * p->power[j][k];
    }
    if (n % 2 == 0) y[count - 1] += m[n - 1];
}

/* ---- transforms of tiles: squares, or one line ----
 *
 * Each is a pass down the columns, if there are rows, and one along them; `from` values a line
 * become `to`, at n points. The inner loops should be loads, additions and multiply-adds, and
 * stores; the tile between the passes lies in the first-level cache.
 */
#define TRANSFORM(name, line, from, to, other, square, track)                                  \
    static void NAME(name)(ptrdiff_t vectors, const void *src_, ptrdiff_t row, ptrdiff_t col,  \
                           void *dst_, ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest)    \
    {                                                                                          \
        enum { in_rows = square ? from : 1, out_rows = square ? to : 1 };                      \
        const REAL *src = src_;                                                                \
        REAL *dst = dst_;                                                                      \
        for (ptrdiff_t v = 0; v < vectors; v++, src += LANES, dst += LANES) {                  \
            vec t[out_rows][from] __attribute__((aligned(FC_VECTOR_BYTES)));                   \
            vec in[from], out[to];                                                             \
            for (int j = 0; j < from; j++) {                                                   \
                FC_UNROLL for (int i = 0; i < in_rows; i++)                                    \
                    in[i] = *(const vec *)(src + i * row + j * col);                           \
                if (square) NAME(line)(in, out, from, other);                                  \
                else out[0] = in[0];                                                           \
                FC_UNROLL for (int i = 0; i < out_rows; i++) t[i][j] = out[i];                 \
            }                                                                                  \
            ivec most = {0};                                                                   \
            for (int i = 0; i < out_rows; i++) {                                               \
                NAME(line)(t[i], out, from, other);                                            \
                FC_UNROLL for (int j = 0; j < to; j++) {                                       \
                    *(vec *)(dst + i * dst_row + j * dst_col) = out[j];                        \
                    if (track) {                                                               \
                        const ivec size = (ivec)out[j] & (INT)((uint64_t)-1 >> (65 - BITS));   \
                        const ivec more = size > most;                                         \
                        most = (size & more) | (most & ~more);                                 \
                    }                                                                          \
                }                                                                              \
            }                                                                                  \
            if (track) {                                                                       \
                const ivec before = *(const ivec *)largest;                                    \
                const ivec more = most > before;                                               \
                *(ivec *)largest = (most & more) | (before & ~more);                           \
            }                                                                                  \
        }                                                                                      \
        (void)largest;                                                                         \
    }

/* p + by, of which the compiler knows nothing more: it would keep the addresses of all elements
 * of a tile, and elements loaded before, on the stack. */
FC_INLINE REAL *NAME(walk)(const REAL *p, ptrdiff_t by)
{
    p += by;
    __asm__ volatile("" : "+r"(p));
    return (REAL *)p;
}

/* Squares of 4 x 4 and more do not fit into registers. Of the input, two rows at a time stay there
 * between the passes; of the sums, some columns are added up there. Parts are written out, and not
 * loops, because GCC makes registers of arrays before it unrolls nests of loops. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

FC_INLINE void NAME(input_column)(const REAL *src, ptrdiff_t row, vec *first, vec *second,
                                  const int n, const int part)
{
    vec in[8], two[2];
    FC_UNROLL for (int i = 0; i < n; i++, src = NAME(walk)(src, row)) in[i] = *(const vec *)src;
    NAME(input_two)(in, two, n, part);
    *first = two[0];
    *second = two[1];
}

FC_INLINE void NAME(input_row)(const vec *t, REAL *dst, ptrdiff_t dst_col, const int n)
{
    vec out[8];
    NAME(input)(t, out, n, 0);
    FC_UNROLL for (int j = 0; j < n; j++, dst = NAME(walk)(dst, dst_col)) *(vec *)dst = out[j];
}

FC_INLINE void NAME(input_rows)(const REAL *src, ptrdiff_t row, ptrdiff_t col, REAL *dst,
                                ptrdiff_t dst_row, ptrdiff_t dst_col, const int n, const int part)
{
    const int last = part == (n - 1) / 2;
    vec first[8], second[8];
#define COLUMN(j)                                                                              \
    if (j < n) NAME(input_column)(NAME(walk)(src, j * col), row, first + j, second + j, n, part);
    EACH(COLUMN)
#undef COLUMN
    dst = NAME(walk)(dst, (last ? 0 : 2 * part + 1) * dst_row);
    NAME(input_row)(first, dst, dst_col, n);
    if (last && n % 2) return;
    NAME(input_row)(second, NAME(walk)(dst, (last ? n - 1 : 1) * dst_row), dst_col, n);
}

FC_INLINE void NAME(small_input)(ptrdiff_t vectors, const REAL *src, ptrdiff_t row, ptrdiff_t col,
                                 REAL *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, const int n)
{
    for (ptrdiff_t v = 0; v < vectors; v++, src += LANES, dst += LANES) {
#define PART(part)                                                                             \
    if (part <= (n - 1) / 2) NAME(input_rows)(src, row, col, dst, dst_row, dst_col, n, part);
        EACH(PART)
#undef PART
    }
}

FC_INLINE void NAME(output_row)(const REAL *src, ptrdiff_t col, vec *out, const int n, const int m)
{
    vec in[8];
    FC_UNROLL for (int k = 0; k < n; k++, src = NAME(walk)(src, col)) in[k] = *(const vec *)src;
    NAME(output)(in, out, n, m);
}

FC_INLINE void NAME(output_two)(const REAL *src, ptrdiff_t row, ptrdiff_t col, vec sum[6][6],
                                const int n, const int m, const int first, const int end,
                                const int j)
{
    const NAME(points) *p = &NAME(at)[n - 4];
    vec one[6], two[6];
    if (j == 0) {
        NAME(output_row)(NAME(walk)(src, 0), col, one, n, m);
        FC_UNROLL for (int c = first; c < end; c++) sum[0][c] = one[c];
    }
    if (j == (n - 1) / 2) {
        if (n % 2) return;
        NAME(output_row)(NAME(walk)(src, (n - 1) * row), col, one, n, m);
        FC_UNROLL for (int c = first; c < end; c++) sum[m - 1][c] += one[c];
        return;
    }
    NAME(output_row)(NAME(walk)(src, (2 * j + 1) * row), col, one, n, m);
    NAME(output_row)(NAME(walk)(src, (2 * j + 2) * row), col, two, n, m);
    FC_UNROLL for (int c = first; c < end; c++) {
        const vec even = one[c] + two[c], odd = one[c] - two[c];
        sum[0][c] += even;
        FC_UNROLL for (int k = 1; k < m; k++) {
            const vec term = k % 2 ? odd : even;
            if (j > 0) sum[k][c] += term * p->power[j][k];
            else if (n == 4 || n == 8) sum[k][c] = term; /* at 1 */
            else sum[k][c] = term * p->power[0][k];
        }
    }
}

FC_INLINE void NAME(output_columns)(const REAL *src, ptrdiff_t row, ptrdiff_t col, REAL *dst,
                                    ptrdiff_t dst_row, ptrdiff_t dst_col, ivec *largest,
                                    const int n, const int m, const int first, const int end)
{
    vec sum[6][6];
    ivec most = *largest;
#define TWO(j) if (j <= (n - 1) / 2) NAME(output_two)(src, row, col, sum, n, m, first, end, j);
    EACH(TWO)
#undef TWO
    FC_UNROLL for (int i = 0; i < m; i++) {
        REAL *to = NAME(walk)(dst, i * dst_row + first * dst_col);
        FC_UNROLL for (int c = first; c < end; c++, to = NAME(walk)(to, dst_col)) {
            *(vec *)to = sum[i][c];
            const ivec size = (ivec)sum[i][c] & (INT)((uint64_t)-1 >> (65 - BITS));
            const ivec more = size > most;
            most = (size & more) | (most & ~more);
        }
    }
    *largest = most;
}

FC_INLINE void NAME(small_output)(ptrdiff_t vectors, const REAL *src, ptrdiff_t row, ptrdiff_t col,
                                  REAL *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest,
                                  const int n, const int m)
{
    /* columns whose sums leave room for two rows */
    enum { most = FC_HALF == 7 ? 18 : 8 };
    const int cuts = m <= most / m ? 1 : m <= most / m * 2 ? 2 : 3;
    const int width = (m + cuts - 1) / cuts;
    for (ptrdiff_t v = 0; v < vectors; v++, src += LANES, dst += LANES) {
#define COLUMNS(i)                                                                             \
    if (i < cuts)                                                                              \
        NAME(output_columns)(src, row, col, dst, dst_row, dst_col, largest, n, m, i * width,   \
                             i + 1 < cuts ? (i + 1) * width : m);
        EACH(COLUMNS)
#undef COLUMNS
    }
}

#define SMALL_INPUT(n)                                                                         \
    static void NAME(winograd_input_##n##_small)(                                              \
        ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col, void *dst,           \
        ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest)                                   \
    {                                                                                          \
        (void)largest;                                                                         \
        NAME(small_input)(vectors, src, row, col, dst, dst_row, dst_col, n);                   \
    }
#define SMALL_OUTPUT(n, m)                                                                     \
    static void NAME(winograd_output_##n##_##m##_small)(                                       \
        ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col, void *dst,           \
        ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest)                                   \
    {                                                                                          \
        NAME(small_output)(vectors, src, row, col, dst, dst_row, dst_col, largest, n, m);      \
    }
#define INPUT(n)                                                                               \
    TRANSFORM(winograd_input_##n##_line, input, n, n, 0, 0, 0)                                 \
    TRANSFORM(winograd_input_##n##_square, input, n, n, 0, 1, 0)                               \
    SMALL_INPUT(n)
#define SIZE(n, m, r)                                                                          \
    TRANSFORM(winograd_weight_##n##_##r##_line, weight, r, n, n, 0, 0)                         \
    TRANSFORM(winograd_weight_##n##_##r##_square, weight, r, n, n, 1, 0)                       \
    TRANSFORM(winograd_output_##n##_##m##_line, output, n, m, m, 0, 1)                         \
    TRANSFORM(winograd_output_##n##_##m##_square, output, n, m, m, 1, 1)                       \
    SMALL_OUTPUT(n, m)
#define SIZES                                                                                  \
    SIZE(4, 3, 2) SIZE(4, 2, 3)                                                                \
    SIZE(5, 4, 2) SIZE(5, 3, 3) SIZE(5, 2, 4)                                                  \
    SIZE(6, 5, 2) SIZE(6, 4, 3) SIZE(6, 3, 4) SIZE(6, 2, 5)                                    \
    SIZE(7, 6, 2) SIZE(7, 5, 3) SIZE(7, 4, 4) SIZE(7, 3, 5)                                    \
    SIZE(8, 6, 3) SIZE(8, 5, 4) SIZE(8, 4, 5)
INPUT(4) INPUT(5) INPUT(6) INPUT(7) INPUT(8)
SIZES
#undef TRANSFORM
#undef SMALL_INPUT
#undef SMALL_OUTPUT
#undef EACH
#undef INPUT
#undef SIZE

/* ---- gemm: the sums over channels at one frequency, channels of the output in the lanes ----
 *
 * With 14 tiles and two vectors on AVX-512, an iteration should be 28 vfmadd, 14 broadcasts from
 * memory, 2 loads of weights and 2 prefetches; on AVX2, with 6 tiles, 12, 6, 2 and 2. The weights
 * pass by once: without the prefetches those beyond the second-level cache halve the speed.
 */
FC_INLINE void NAME(gemm)(ptrdiff_t taps, ptrdiff_t block, const REAL *x, ptrdiff_t step,
                          const REAL *restrict w, REAL *restrict out, const int tiles,
                          const int vectors)
{
    enum { prefetch = 8192 / sizeof(REAL) };
    const REAL *x1 = x + (tiles > FC_HALF ? FC_HALF * step : 0);
    for (ptrdiff_t first = 0; first < taps || first == 0; first += block) {
        const ptrdiff_t end = taps - first < block ? taps : first + block;
        vec acc[2 * FC_HALF][2];
        FC_UNROLL for (int p = 0; p < tiles; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++) acc[p][v] = (vec){0};
        for (ptrdiff_t t = first; t < end; t++) {
            vec wv[2];
            FC_UNROLL for (int v = 0; v < vectors; v++) {
                wv[v] = *(const vec *)(w + v * LANES);
                __builtin_prefetch(w + prefetch + v * LANES);
            }
            FC_UNROLL for (int p = 0; p < tiles; p++) {
                const REAL scalar = (p < FC_HALF ? x + p * step : x1 + (p - FC_HALF) * step)[t];
                FC_UNROLL for (int v = 0; v < vectors; v++) acc[p][v] += wv[v] * scalar;
            }
            w += vectors * LANES;
        }
        REAL *o = out;
        FC_UNROLL for (int p = 0; p < tiles; p++)
            FC_UNROLL for (int v = 0; v < vectors; v++, o += LANES) {
                if (first) acc[p][v] += *(const vec *)o;
                *(vec *)o = acc[p][v];
            }
    }
}

#define GEMM(tiles, vectors)                                                                   \
    static void FC_TILE(NAME(gemm), tiles, vectors)(                                           \
        ptrdiff_t taps, ptrdiff_t block, const void *x, ptrdiff_t step, const void *w,         \
        void *out)                                                                             \
    {                                                                                          \
        NAME(gemm)(taps, block, x, step, w, out, tiles, vectors);                              \
    }
#if FC_HALF == 7
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif
#define BOTH(tiles) GEMM(tiles, 1) GEMM(tiles, 2)
EACH_TILE(BOTH)
#undef BOTH
#undef GEMM

/* ---- planes to pixels, and back ----
 *
 * Blocks of LANES pixels by LANES channels, turned in registers: LANES loads, LANES log2(LANES)
 * shuffles, LANES stores. Pixels go on from one row to the next; where they do not fill the last
 * block, it begins earlier, so that nothing needs masks.
 */
FC_INLINE void NAME(turn)(vec *v)
{
    ivec lane;
    FC_UNROLL for (int i = 0; i < LANES; i++) lane[i] = i;
    FC_UNROLL for (int h = LANES / 2; h > 0; h /= 2)
        FC_UNROLL for (int i = 0; i < LANES; i++)
            if (!(i & h)) {
                const ivec low = lane + (lane & h) / h * (LANES - h);
                const vec a = v[i], b = v[i + h];
                v[i] = NAME(shuffle)(a, b, low);
                v[i + h] = NAME(shuffle)(a, b, low + h);
            }
}

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
        FC_UNROLL for (int i = 0; i < LANES; i++) v[i] = *(const vec *)(src + i * src_c + p);
        NAME(turn)(v);
        if (left >= LANES) {
            FC_UNROLL for (int i = 0; i < LANES; i++) *(vec *)(to + i * dst_p) = v[i];
            to += LANES * dst_p;
            left -= LANES;
        } else {
            FC_UNROLL for (int i = 0; i < LANES; i++) {
                if (left == 0) {
                    to += dst_row - row * dst_p;
                    left = row;
                }
                *(vec *)to = v[i];
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
            FC_UNROLL for (int i = 0; i < LANES; i++) v[i] = *(const vec *)(src + (p + i) * src_p);
            NAME(turn)(v);
            FC_UNROLL for (int i = 0; i < LANES; i++) {
                if (c + i >= channels) break;
                if (bias) v[i] += bias[i];
                if (residual) v[i] += *(const vec *)(residual + i * dst_c + p);
                if (clip) { /* a NaN passes */
                    const ivec less = v[i] < lo;
                    v[i] = (vec)((less & (ivec)lo) | (~less & (ivec)v[i]));
                    const ivec more = v[i] > hi;
                    v[i] = (vec)((more & (ivec)hi) | (~more & (ivec)v[i]));
                }
                *(vec *)(dst + i * dst_c + p) = v[i];
            }
        }
    }
}

/* ---- grouped_gemm: products of groups that share vectors ----
 *
 * Groups of `per` channels lie side by side in a vector. Channel c of every group, spread over the
 * lanes of its group, meets channel c of every group's weights. An iteration should be a load of
 * weights, and a permutation and a vfmadd for each tile.
 */
FC_INLINE void NAME(grouped_gemm_tiles)(ptrdiff_t phases, const REAL *x, ptrdiff_t step,
                                        const REAL *w, REAL *out, const int per, const int tiles)
{
    vec acc[6];
    FC_UNROLL for (int p = 0; p < tiles; p++) acc[p] = (vec){0};
    for (ptrdiff_t phase = 0; phase < phases; phase++, x += LANES) {
        vec v[6];
        FC_UNROLL for (int p = 0; p < tiles; p++) v[p] = *(const vec *)(x + p * step);
        FC_UNROLL for (int c = 0; c < per; c++, w += LANES) {
            ivec lane;
            FC_UNROLL for (int i = 0; i < LANES; i++) lane[i] = i / per * per + c;
            const vec weight = *(const vec *)w;
            FC_UNROLL for (int p = 0; p < tiles; p++)
                acc[p] += NAME(shuffle)(v[p], v[p], lane) * weight;
        }
    }
    FC_UNROLL for (int p = 0; p < tiles; p++) *(vec *)(out + p * LANES) = acc[p];
}

FC_INLINE void NAME(grouped_gemm)(ptrdiff_t tiles, ptrdiff_t phases, const REAL *x, ptrdiff_t step,
                                  const REAL *w, REAL *out, const int per)
{
    enum { most = FC_HALF == 7 ? 6 : 4 };
    ptrdiff_t p = 0;
    for (; tiles >= most && p < tiles; p += most) {
        if (p + most > tiles) p = tiles - most; /* some once more */
        NAME(grouped_gemm_tiles)(phases, x + p * step, step, w, out + p * LANES, per, most);
    }
    for (; p < tiles; p++)
        NAME(grouped_gemm_tiles)(phases, x + p * step, step, w, out + p * LANES, per, 1);
}

#define GROUPED_GEMM(groups)                                                                   \
    static void FC_PASTE(NAME(grouped_gemm), groups)(                                          \
        ptrdiff_t tiles, ptrdiff_t phases, const void *x, ptrdiff_t step, const void *w,       \
        void *out)                                                                             \
    {                                                                                          \
        NAME(grouped_gemm)(tiles, phases, x, step, w, out, LANES / groups);                    \
    }
GROUPED_GEMM(2)
#if FC_VECTOR_BYTES * 8 >= 4 * BITS
GROUPED_GEMM(4)
#endif
#undef GROUPED_GEMM

static void NAME(fill_winograd)(fc_kernels *k)
{
    enum { small = FC_HALF == 7 ? 6 : 5 }; /* with 32 registers, or 16 */
    NAME(find_points)();
    k->grouped_gemm[0] = FC_PASTE(NAME(grouped_gemm), 2);
#if FC_VECTOR_BYTES * 8 >= 4 * BITS
    k->grouped_gemm[1] = FC_PASTE(NAME(grouped_gemm), 4);
#endif
    k->planes_to_pixels = NAME(planes_to_pixels);
    k->pixels_to_planes = NAME(pixels_to_planes);
#define INPUT(n)                                                                               \
    k->winograd_input[n - 4][0] = NAME(winograd_input_##n##_line);                             \
    k->winograd_input[n - 4][1] =                                                              \
        n <= small ? NAME(winograd_input_##n##_small) : NAME(winograd_input_##n##_square);
#define SIZE(n, m, r)                                                                          \
    k->winograd_weight[n - 4][r - 2][0] = NAME(winograd_weight_##n##_##r##_line);              \
    k->winograd_weight[n - 4][r - 2][1] = NAME(winograd_weight_##n##_##r##_square);            \
    k->winograd_output[n - 4][m - 2][0] = NAME(winograd_output_##n##_##m##_line);              \
    k->winograd_output[n - 4][m - 2][1] =                                                      \
        n <= small ? NAME(winograd_output_##n##_##m##_small)                                   \
                   : NAME(winograd_output_##n##_##m##_square);
#define BOTH(tiles)                                                                            \
    k->gemm[tiles - 1][0] = FC_TILE(NAME(gemm), tiles, 1);                                     \
    k->gemm[tiles - 1][1] = FC_TILE(NAME(gemm), tiles, 2);
    INPUT(4) INPUT(5) INPUT(6) INPUT(7) INPUT(8)
    SIZES
    EACH_TILE(BOTH)
#undef INPUT
#undef SIZE
#undef BOTH
}

#undef EACH_TILE
#undef SIZES
