/* One element type's Winograd transforms. Included once per type with REAL, BITS and LANES set. */
#define NAME(base) FC_PASTE(base, BITS)
#define vec NAME(vec)
#define ivec NAME(ivec)
#define INT FC_INT(BITS)

typedef REAL vec __attribute__((vector_size(FC_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef INT ivec __attribute__((vector_size(FC_VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

/* ---- transforms of one line ----
 *
 * F(m, 3) evaluates the product of two polynomials at m + 1 points and at infinity (Toom and
 * Cook), transposed: y = A' [(G g) . (B' d)]. Row j of B' holds the coefficients of
 * M(x) / (x - a_j) with M(x) = (x - a_0) ... (x - a_m), the last row those of M; row j of G
 * holds 1, a_j, a_j^2, divided by M'(a_j); column j of A' holds the powers of a_j.
 */

/* points 0, 1, -1 */
FC_INLINE void NAME(input_2)(const vec *d, vec *v)
{
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
}

FC_INLINE void NAME(weight_2)(const vec *g, vec *u)
{
    const vec even = (g[0] + g[2]) * (REAL)0.5, odd = g[1] * (REAL)0.5;
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
}

FC_INLINE void NAME(output_2)(const vec *m, vec *y)
{
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
}

/* points 0, 1, -1, 1/2, -2: smaller errors than 0, 1, -1, 2, -2 (Barabasz et al. 2018) */
FC_INLINE void NAME(input_4)(const vec *d, vec *v)
{
    const vec p = d[4] - d[2], q = d[3] - d[1];
    v[0] = (d[0] - d[2]) + (q * (REAL)1.5 + p);
    v[1] = d[3] * (REAL)1.5 + (d[2] * (REAL)0.5 + (q + d[4]));
    v[2] = (p + d[1]) + (d[3] * (REAL)0.5 - d[2] * (REAL)1.5);
    v[3] = q * 2 + p;
    v[4] = p - q * (REAL)0.5;
    v[5] = (d[5] - d[3]) + (p * (REAL)1.5 - q);
}

FC_INLINE void NAME(weight_4)(const vec *g, vec *u)
{
    const vec even = g[0] + g[2];
    u[0] = g[0];
    u[1] = (even + g[1]) * (REAL)(1 / 3.0);
    u[2] = (g[1] - even) * (REAL)(1 / 3.0);
    u[3] = (g[0] + g[1] * (REAL)0.5 + g[2] * (REAL)0.25) * (REAL)(-16 / 15.0);
    u[4] = (g[0] - g[1] * 2 + g[2] * 4) * (REAL)(1 / 15.0);
    u[5] = g[2];
}

FC_INLINE void NAME(output_4)(const vec *m, vec *y)
{
    const vec even = m[1] + m[2], odd = m[1] - m[2];
    y[0] = (m[0] + even) + (m[3] + m[4]);
    y[1] = odd + (m[3] * (REAL)0.5 - m[4] * 2);
    y[2] = even + (m[3] * (REAL)0.25 + m[4] * 4);
    y[3] = (odd + m[5]) + (m[3] * (REAL)0.125 - m[4] * 8);
}

/* points 0, 1, -1, 2, -2, 1/2, -1/2 */
FC_INLINE void NAME(input_6)(const vec *d, vec *v)
{
    vec even, odd;
    v[0] = (d[0] - d[6]) + (d[4] - d[2]) * (REAL)5.25;
    even = (d[2] + d[6]) - d[4] * (REAL)4.25;
    odd = (d[1] + d[5]) - d[3] * (REAL)4.25;
    v[1] = even + odd;
    v[2] = even - odd;
    even = d[6] + (d[2] * (REAL)0.25 - d[4] * (REAL)1.25);
    odd = d[5] * 2 + (d[1] * (REAL)0.5 - d[3] * (REAL)2.5);
    v[3] = even + odd;
    v[4] = even - odd;
    even = d[6] + (d[2] * 4 - d[4] * 5);
    odd = d[5] * (REAL)0.5 + (d[1] * 2 - d[3] * (REAL)2.5);
    v[5] = even + odd;
    v[6] = even - odd;
    v[7] = (d[7] - d[1]) + (d[3] - d[5]) * (REAL)5.25;
}

FC_INLINE void NAME(weight_6)(const vec *g, vec *u)
{
    vec even, odd;
    u[0] = g[0];
    even = (g[0] + g[2]) * (REAL)(-2 / 9.0);
    odd = g[1] * (REAL)(-2 / 9.0);
    u[1] = even + odd;
    u[2] = even - odd;
    even = (g[0] + g[2] * 4) * (REAL)(1 / 90.0);
    odd = g[1] * (REAL)(1 / 45.0);
    u[3] = even + odd;
    u[4] = even - odd;
    even = (g[0] * 4 + g[2]) * (REAL)(8 / 45.0);
    odd = g[1] * (REAL)(16 / 45.0);
    u[5] = even + odd;
    u[6] = even - odd;
    u[7] = g[2];
}

FC_INLINE void NAME(output_6)(const vec *m, vec *y)
{
    const vec even1 = m[1] + m[2], odd1 = m[1] - m[2];
    const vec even2 = m[3] + m[4], odd2 = m[3] - m[4];
    const vec even3 = m[5] + m[6], odd3 = m[5] - m[6];
    y[0] = (m[0] + even1) + (even2 + even3);
    y[1] = odd1 + (odd2 * 2 + odd3 * (REAL)0.5);
    y[2] = even1 + (even2 * 4 + even3 * (REAL)0.25);
    y[3] = odd1 + (odd2 * 8 + odd3 * (REAL)0.125);
    y[4] = even1 + (even2 * 16 + even3 * (REAL)0.0625);
    y[5] = (odd1 + m[7]) + (odd2 * 32 + odd3 * (REAL)0.03125);
}

/* ---- transforms of tiles: n lines of n, or one line where rows are 1 ----
 *
 * Each is a pass down the columns, if there are rows, and one along them. `from` values a line
 * become `to`. The inner loops should be loads, additions and multiply-adds, and stores; the
 * tile between the passes lies in the first-level cache.
 */
#define TRANSFORM(line, from, to)                                                              \
    FC_INLINE void FC_PASTE(NAME(line), tile)(                                                 \
        ptrdiff_t vectors, const REAL *src, ptrdiff_t row, ptrdiff_t col, REAL *dst,           \
        ptrdiff_t dst_row, ptrdiff_t dst_col, REAL *largest, const int in_rows,                \
        const int out_rows)                                                                    \
    {                                                                                          \
        for (ptrdiff_t v = 0; v < vectors; v++, src += LANES, dst += LANES) {                  \
            vec t[to][from], in[from], out[to];                                                \
            for (int j = 0; j < from; j++) {                                                   \
                FC_UNROLL for (int i = 0; i < in_rows; i++)                                     \
                    in[i] = *(const vec *)(src + i * row + j * col);                           \
                if (in_rows > 1) NAME(line)(in, out);                                          \
                else out[0] = in[0];                                                           \
                FC_UNROLL for (int i = 0; i < out_rows; i++) t[i][j] = out[i];                 \
            }                                                                                  \
            ivec most = {0};                                                                   \
            for (int i = 0; i < out_rows; i++) {                                               \
                NAME(line)(t[i], out);                                                         \
                FC_UNROLL for (int j = 0; j < to; j++) {                                       \
                    *(vec *)(dst + i * dst_row + j * dst_col) = out[j];                        \
                    if (largest) {                                                             \
                        const ivec size = (ivec)out[j] & (INT)((uint64_t)-1 >> (65 - BITS));   \
                        const ivec more = size > most;                                         \
                        most = (size & more) | (most & ~more);                                 \
                    }                                                                          \
                }                                                                              \
            }                                                                                  \
            if (largest) {                                                                     \
                const ivec before = *(const ivec *)largest;                                    \
                const ivec more = most > before;                                               \
                *(ivec *)largest = (most & more) | (before & ~more);                           \
            }                                                                                  \
        }                                                                                      \
    }
TRANSFORM(input_2, 4, 4)
TRANSFORM(input_4, 6, 6)
TRANSFORM(input_6, 8, 8)
TRANSFORM(weight_2, 3, 4)
TRANSFORM(weight_4, 3, 6)
TRANSFORM(weight_6, 3, 8)
TRANSFORM(output_2, 4, 2)
TRANSFORM(output_4, 6, 4)
TRANSFORM(output_6, 8, 6)
#undef TRANSFORM

#define TILE(line, what, largest, in_rows, out_rows)                                           \
    static void FC_PASTE(NAME(line), what)(                                                    \
        ptrdiff_t vectors, const void *src, ptrdiff_t row, ptrdiff_t col, void *dst,           \
        ptrdiff_t dst_row, ptrdiff_t dst_col, void *largest_)                                  \
    {                                                                                          \
        (void)largest_;                                                                        \
        FC_PASTE(NAME(line), tile)(vectors, src, row, col, dst, dst_row, dst_col, largest,     \
                                   in_rows, out_rows);                                         \
    }
TILE(input_2, line, NULL, 1, 1)
TILE(input_2, square, NULL, 4, 4)
TILE(weight_2, line, NULL, 1, 1)
TILE(weight_2, square, NULL, 3, 4)
TILE(output_2, line, largest_, 1, 1)
TILE(output_2, square, largest_, 4, 2)
TILE(input_4, line, NULL, 1, 1)
TILE(input_4, square, NULL, 6, 6)
TILE(weight_4, line, NULL, 1, 1)
TILE(weight_4, square, NULL, 3, 6)
TILE(output_4, line, largest_, 1, 1)
TILE(output_4, square, largest_, 6, 4)
TILE(input_6, line, NULL, 1, 1)
TILE(input_6, square, NULL, 8, 8)
TILE(weight_6, line, NULL, 1, 1)
TILE(weight_6, square, NULL, 3, 8)
TILE(output_6, line, largest_, 1, 1)
TILE(output_6, square, largest_, 8, 6)
#undef TILE

static void NAME(fill_winograd)(fc_kernels *k)
{
#define FILL(i, m)                                                                             \
    k->winograd_input[i][0] = FC_PASTE(NAME(input_##m), line);                                 \
    k->winograd_input[i][1] = FC_PASTE(NAME(input_##m), square);                               \
    k->winograd_weight[i][0] = FC_PASTE(NAME(weight_##m), line);                               \
    k->winograd_weight[i][1] = FC_PASTE(NAME(weight_##m), square);                             \
    k->winograd_output[i][0] = FC_PASTE(NAME(output_##m), line);                               \
    k->winograd_output[i][1] = FC_PASTE(NAME(output_##m), square);
    FILL(0, 2)
    FILL(1, 4)
    FILL(2, 6)
#undef FILL
}

#undef NAME
#undef vec
#undef ivec
#undef INT
