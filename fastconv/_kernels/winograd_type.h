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

FC_INLINE void NAME(input)(const vec *d, vec *v, const int n)
{
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

/* A line of the input, of the weights (`other`: r) or of the sums (m). */
FC_INLINE void NAME(line)(const vec *in, vec *out, const fc_transform kind, const int n,
                          const int other)
{
    if (kind == FC_INPUT) NAME(input)(in, out, n);
    else if (kind == FC_WEIGHT) NAME(weight)(in, out, other, n);
    else NAME(output)(in, out, n, other);
}

/* The larger integer in each lane. */
FC_INLINE ivec NAME(larger_bits)(ivec a, ivec b)
{
    return (ivec)NAME(select)(a > b, (vec)a, (vec)b);
}

/* The bits of each lane's magnitude. */
FC_INLINE ivec NAME(magnitude)(vec v) { return (ivec)v & (INT)((uint64_t)-1 >> (65 - BITS)); }

/* ---- transforms of tiles: squares, or one line ----
 *
 * Each is a pass down the columns, if there are rows, and one along them; `from` values a line
 * become `to`, at n points. The inner loops should be loads, additions and multiply-adds, and
 * stores; the tile between the passes lies in the first-level cache.
 */
FC_INLINE void NAME(transform)(ptrdiff_t vectors, const REAL *src, ptrdiff_t row, ptrdiff_t col,
                               REAL *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, ivec *largest,
                               const fc_transform kind, const int n, const int other,
                               const int square)
{
    const int from = kind == FC_WEIGHT ? other : n, to = kind == FC_OUTPUT ? other : n;
    const int in_rows = square ? from : 1, out_rows = square ? to : 1;
    for (ptrdiff_t v = 0; v < vectors; v++, src += LANES, dst += LANES) {
        vec t[8 * 8] __attribute__((aligned(FC_VECTOR_BYTES))), in[8], out[8];
        for (int j = 0; j < from; j++) {
            FC_UNROLL for (int i = 0; i < in_rows; i++) in[i] = NAME(load)(src + i * row + j * col);
            if (square) NAME(line)(in, out, kind, n, other);
            else out[0] = in[0];
            FC_UNROLL for (int i = 0; i < out_rows; i++) t[i * from + j] = out[i];
        }
        ivec most = {0};
        for (int i = 0; i < out_rows; i++) {
            NAME(line)(t + i * from, out, kind, n, other);
            FC_UNROLL for (int j = 0; j < to; j++) {
                NAME(save)(dst + i * dst_row + j * dst_col, out[j]);
                if (kind == FC_OUTPUT) most = NAME(larger_bits)(NAME(magnitude)(out[j]), most);
            }
        }
        if (kind == FC_OUTPUT) *largest = NAME(larger_bits)(most, *largest);
    }
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
    FC_UNROLL for (int i = 0; i < n; i++, src = NAME(walk)(src, row)) in[i] = NAME(load)(src);
    NAME(input_two)(in, two, n, part);
    *first = two[0];
    *second = two[1];
}

FC_INLINE void NAME(input_row)(const vec *t, REAL *dst, ptrdiff_t dst_col, const int n)
{
    vec out[8];
    NAME(input)(t, out, n);
    FC_UNROLL for (int j = 0; j < n; j++, dst = NAME(walk)(dst, dst_col)) NAME(save)(dst, out[j]);
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
    FC_UNROLL for (int k = 0; k < n; k++, src = NAME(walk)(src, col)) in[k] = NAME(load)(src);
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
            NAME(save)(to, sum[i][c]);
            most = NAME(larger_bits)(NAME(magnitude)(sum[i][c]), most);
        }
    }
    *largest = most;
}

FC_INLINE void NAME(small_output)(ptrdiff_t vectors, const REAL *src, ptrdiff_t row, ptrdiff_t col,
                                  REAL *dst, ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest,
                                  const int n, const int m)
{
    /* columns whose sums leave room for two rows */
    enum { most = FC_REGISTERS == 32 ? 18 : 8 };
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

#define KERNEL(name, call)                                                                     \
    static void NAME(winograd_##name)(                                                         \
        ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col, void *dst,           \
        ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest)                                   \
    {                                                                                          \
        (void)largest;                                                                         \
        call;                                                                                  \
    }
#define TRANSFORM(name, kind, n, other, square)                                                \
    KERNEL(name, NAME(transform)(vectors, src, row, col, dst, dst_row, dst_col, largest, kind, \
                                 n, other, square))
#define INPUT(n)                                                                               \
    TRANSFORM(input_##n##_line, FC_INPUT, n, 0, 0)                                             \
    TRANSFORM(input_##n##_square, FC_INPUT, n, 0, 1)                                           \
    KERNEL(input_##n##_small,                                                                  \
           NAME(small_input)(vectors, src, row, col, dst, dst_row, dst_col, n))
#define SIZE(n, m, r)                                                                          \
    TRANSFORM(weight_##n##_##r##_line, FC_WEIGHT, n, r, 0)                                     \
    TRANSFORM(weight_##n##_##r##_square, FC_WEIGHT, n, r, 1)                                   \
    TRANSFORM(output_##n##_##m##_line, FC_OUTPUT, n, m, 0)                                     \
    TRANSFORM(output_##n##_##m##_square, FC_OUTPUT, n, m, 1)                                   \
    KERNEL(output_##n##_##m##_small,                                                           \
           NAME(small_output)(vectors, src, row, col, dst, dst_row, dst_col, largest, n, m))
#define SIZES                                                                                  \
    SIZE(4, 3, 2) SIZE(4, 2, 3)                                                                \
    SIZE(5, 4, 2) SIZE(5, 3, 3) SIZE(5, 2, 4)                                                  \
    SIZE(6, 5, 2) SIZE(6, 4, 3) SIZE(6, 3, 4) SIZE(6, 2, 5)                                    \
    SIZE(7, 6, 2) SIZE(7, 5, 3) SIZE(7, 4, 4) SIZE(7, 3, 5)                                    \
    SIZE(8, 6, 3) SIZE(8, 5, 4) SIZE(8, 4, 5)
INPUT(4) INPUT(5) INPUT(6) INPUT(7) INPUT(8)
SIZES
#undef KERNEL
#undef TRANSFORM
#undef EACH
#undef INPUT
#undef SIZE

static void NAME(fill_winograd)(fc_kernels *k)
{
    enum { small = FC_REGISTERS == 32 ? 6 : 5 };
    NAME(find_points)();
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
    INPUT(4) INPUT(5) INPUT(6) INPUT(7) INPUT(8)
    SIZES
#undef INPUT
#undef SIZE
}
#undef SIZES
