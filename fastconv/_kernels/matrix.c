/* Products of float32 in parts of bfloat16, without a matrix unit: a level's own; or, as an extension
 * module, by AVX512-BF16.
 *
 * A step's products of the first and of the second number of elements are two sums, which then join
 * those of the steps before: the order of AMX. AVX512-BF16 adds product by product, and keeps to it no
 * further than that. */
#include "matrix.h"
#include "matrix_parts.h"
#include "table.h"

#if defined(__AVX512BF16__)
#define LANES 16
typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
#else
#define LANES (FC_VECTOR_BYTES / 4)
typedef float vec __attribute__((vector_size(FC_VECTOR_BYTES), aligned(4), may_alias));
typedef uint32_t uvec __attribute__((vector_size(FC_VECTOR_BYTES), aligned(4), may_alias));
#endif

/* Pixels and vectors of channels at a time. With BF16 sixteen sums hide the time that a product takes;
 * without, those of first and second numbers fill twice as many registers. */
#if defined(__AVX512BF16__)
enum { GROUP = 8, COLUMNS = 2 };
#else
enum { GROUP = 4, COLUMNS = 1 };
#endif

/* With BF16 each product is rounded where it is added; so some steps have a sum of their own, which
 * then joins those before. Without, a step has. */
#if defined(__AVX512BF16__)
enum { APART = 1, SUM_STEPS = 4 };
#else
enum { APART = 0, SUM_STEPS = 1 << 30 };
#endif
enum { VECTORS = FC_MATRIX / LANES }; /* of a tile's channels */
enum { TILE = FC_MATRIX * FC_MATRIX * 4 }; /* bytes of packed weights */

#if !defined(__AVX512BF16__)
/* even and odd + the products of both numbers of an element x and of elements w */
FC_INLINE void dot(vec *even, vec *odd, uint32_t x, uvec w)
{
    *even += float_of(x << 16) * (vec)(w << 16);
    *odd += float_of(x & 0xffff0000u) * (vec)(w & 0xffff0000u);
}
#endif

/* One step of some rows of x and vectors of w, each `next` behind, whose elements are `element` apart.
 * Of planes what is called x here are weights. */
FC_INLINE void step(vec acc[GROUP][COLUMNS], const char *x, ptrdiff_t row, const char *w,
                    ptrdiff_t element, ptrdiff_t next, const int columns)
{
#if defined(__AVX512BF16__)
    for (int e = 0; e < FC_MATRIX; e++) {
        __m512bh wv[COLUMNS];
        FC_UNROLL for (int v = 0; v < columns; v++)
            wv[v] = (__m512bh)_mm512_loadu_si512(w + v * next + e * element);
        FC_UNROLL for (int p = 0; p < GROUP; p++) {
            const __m512bh xv = (__m512bh)_mm512_set1_epi32(((const int *)(x + p * row))[e]);
            FC_UNROLL for (int v = 0; v < columns; v++)
                acc[p][v] = (vec)_mm512_dpbf16_ps((__m512)acc[p][v], xv, wv[v]);
        }
    }
#else
    vec even[GROUP], odd[GROUP];
    (void)columns;
    (void)next;
    FC_UNROLL for (int p = 0; p < GROUP; p++) even[p] = odd[p] = (vec){0};
    for (int e = 0; e < FC_MATRIX; e++) {
        const uvec wv = *(const uvec *)(w + e * element);
        FC_UNROLL for (int p = 0; p < GROUP; p++)
            dot(&even[p], &odd[p], ((const fc_bits *)(x + p * row))[e], wv);
    }
    FC_UNROLL for (int p = 0; p < GROUP; p++) acc[p][0] += even[p] + odd[p];
#endif
}

/* Where a group of rows and its vectors are in the first step, with high and low parts. */
typedef struct {
    const char *x, *w;
    ptrdiff_t row, x_low, element, next, w_low;
} operands;

/* All steps of a group of rows and of `columns` vectors. */
FC_INLINE void sum_group(ptrdiff_t steps, const ptrdiff_t *offset, const operands *of, float *out,
                         ptrdiff_t out_row, int more, const int parts, const int columns,
                         const int planes)
{
    for (ptrdiff_t first = 0; first < steps || first == 0; first += SUM_STEPS, more = 1) {
        const ptrdiff_t end = steps - first < SUM_STEPS ? steps : first + SUM_STEPS;
        vec acc[GROUP][COLUMNS];
        FC_UNROLL for (int p = 0; p < GROUP; p++)
            FC_UNROLL for (int v = 0; v < columns; v++)
                acc[p][v] = more && !APART ? *(const vec *)(out + p * out_row + v * FC_MATRIX)
                                           : (vec){0};
        for (ptrdiff_t t = first; t < end; t++) {
            const char *x = of->x + (planes ? t * parts * 2 * TILE : offset[t]);
            const char *w = of->w + (planes ? offset[t] : t * parts * 2 * TILE);
            if (parts == 2) /* the low parts of pixels come first */
                step(acc, planes ? x : x + of->x_low, of->row, planes ? w + of->w_low : w,
                     of->element, of->next, columns);
            step(acc, x, of->row, w, of->element, of->next, columns);
            if (parts == 2)
                step(acc, planes ? x + of->x_low : x, of->row, planes ? w : w + of->w_low,
                     of->element, of->next, columns);
        }
        FC_UNROLL for (int p = 0; p < GROUP; p++)
            FC_UNROLL for (int v = 0; v < columns; v++) {
                vec *sum = (vec *)(out + p * out_row + v * FC_MATRIX);
                if (more && APART) acc[p][v] += *sum;
                *sum = acc[p][v];
            }
    }
}

FC_INLINE void product(ptrdiff_t steps, const ptrdiff_t *offset, const char *x,
                       const ptrdiff_t *tile, ptrdiff_t row, ptrdiff_t low, const char *w,
                       float *out, ptrdiff_t out_row, int more, const int parts, const int planes,
                       const int tiles, const int halves)
{
    const int rows = planes ? halves : tiles, vectors = VECTORS * (planes ? tiles : halves);
    const int columns = vectors / VECTORS < COLUMNS ? vectors / VECTORS : COLUMNS;
    out_row /= sizeof *out;
    for (int i = 0; i < rows; i++)
        for (int p = 0; p < FC_MATRIX; p += GROUP)
            for (int v = 0; v < vectors; v += columns) {
                const ptrdiff_t at = v % VECTORS * LANES * 4;
                operands of = {x + tile[i] + p * row, w + v / VECTORS * TILE + at, row, low,
                               FC_MATRIX * 4, TILE, 2 * TILE};
                if (planes)
                    of = (operands){w + i * TILE + p * FC_MATRIX * 4, x + tile[v / VECTORS] + at,
                                    FC_MATRIX * 4, 2 * TILE, row,
                                    tiles > 1 ? tile[1] - tile[0] : 0, low};
                sum_group(steps, offset, &of, out + (i * FC_MATRIX + p) * out_row + v * LANES,
                          out_row, more, parts, columns, planes);
            }
}

#define PRODUCT(name, parts, planes, tiles, halves)                                            \
    static void name##_##tiles##x##halves(                                                     \
        ptrdiff_t steps, const ptrdiff_t *offset, const char *x, const ptrdiff_t *tile,        \
        ptrdiff_t row, ptrdiff_t low, const void *w, void *out, ptrdiff_t out_row, int more)   \
    {                                                                                          \
        product(steps, offset, x, tile, row, low, w, out, out_row, more, parts, planes, tiles, \
                halves);                                                                       \
    }
#define PRODUCTS(name, parts, planes)                                                          \
    PRODUCT(name, parts, planes, 1, 1)                                                         \
    PRODUCT(name, parts, planes, 1, 2)                                                         \
    PRODUCT(name, parts, planes, 2, 1)                                                         \
    PRODUCT(name, parts, planes, 2, 2)
PRODUCTS(bf16x3, 2, 0)
PRODUCTS(bf16, 1, 0)
PRODUCTS(bf16x3_planes, 2, 1)
PRODUCTS(bf16_planes, 1, 1)

static void nothing(void) {}

#define ALL(name) {{name##_1x1, name##_1x2}, {name##_2x1, name##_2x2}}

#if defined(__AVX512BF16__)
static fc_matrix offered = {
    32, nothing, nothing, {ALL(bf16x3), ALL(bf16)},
    {ALL(bf16x3_planes), ALL(bf16_planes)}, split, split_planes, split_pairs,
};

#define FC_OFFER_LEVEL avx512_bf16
#define FC_OFFER_NAME "fastconv.matrix"
#include "offer.h"
#else
void fc_fill_matrix(fc_table *table)
{
    /* two vectors are multiplied a cycle; to take elements apart takes as long again */
    const fc_matrix kernels = {
        FC_VECTOR_BYTES / 4, nothing, nothing, {ALL(bf16x3), ALL(bf16)},
        {ALL(bf16x3_planes), ALL(bf16_planes)}, split, split_planes, split_pairs,
    };
    table->matrix = kernels;
}
#endif
