/* The kernels of filters: sums of rows of doubles in the one order that SciPy adds them up in, a
 * product and an addition rounded one after the other (this file is compiled with contraction off),
 * and conversions of rows.
 *
 * Where all sums are integers that float holds, float has the same bits in twice as many lanes.
 *
 * A panel is positions by columns, the columns lying side by side; so a filter along the positions
 * is one along a flat row whose taps are `step` = columns apart, and a single line has step 1.
 */
#include <math.h>
#include <string.h>

#include "table.h"
#include "vector.h"

/* Eight chains of additions hide their latency. */
enum { BLOCK = 8, TAIL = 2 };

#define BYTES FC_VECTOR_BYTES
#define REAL float
#define BITS 32
#define NAME(base) FC_NAME(32, base)
#include "filters_type.h"
#undef REAL
#undef BITS
#undef NAME
#undef STORE

#define REAL double
#define BITS 64
#define NAME(base) FC_NAME(64, base)
#include "filters_type.h"

FC_INLINE uint64_t as_u64(double v)
{
    const double half = 9223372036854775808.0; /* 2^63 */
    return v >= half ? (uint64_t)(int64_t)(v - half) ^ (uint64_t)1 << 63 : (uint64_t)(int64_t)v;
}

STORE(u32, uint32_t, (uint32_t)(int64_t)v)
STORE(i32, int32_t, (int32_t)v)
STORE(u64, uint64_t, as_u64(v))
STORE(i64, int64_t, (int64_t)v)
STORE(u64_of_point, uint64_t, v > -1.0 ? as_u64(v) : -as_u64(-v))

/* Sums and squares in the elements' own type; integers wrap. */
#define COMBINE(tag, type, wide) \
    static void add_##tag(ptrdiff_t n, const void *src_, void *dst_) \
    { \
        const type *src = src_; \
        type *dst = dst_; \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (type)((wide)dst[i] + (wide)src[i]); \
    } \
    static void square_##tag(ptrdiff_t n, void *dst_) \
    { \
        type *dst = dst_; \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (type)((wide)dst[i] * (wide)dst[i]); \
    }

COMBINE(u8, uint8_t, uint32_t)
COMBINE(u16, uint16_t, uint32_t)
COMBINE(u32, uint32_t, uint32_t)
COMBINE(u64, uint64_t, uint64_t)
COMBINE(f32, float, float)
COMBINE(f64, double, double)

/* Square roots as NumPy takes them, in the float that it converts to; of bytes that one has 11
 * bits, which rounds no root up to an integer. Signed integers, whose sums may have wrapped, are
 * NumPy's. */
#define ROOT(tag, type, root) \
    static void root_##tag(ptrdiff_t n, void *dst_) \
    { \
        type *dst = dst_; \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (type)root(dst[i]); \
    }

FC_INLINE int32_t rooted_small(uint16_t v) { return (int32_t)sqrtf((float)v); }
FC_INLINE int64_t rooted_large(uint32_t v) { return (int64_t)sqrt((double)v); }

ROOT(u8, uint8_t, rooted_small)
ROOT(u16, uint16_t, rooted_small)
ROOT(u32, uint32_t, rooted_large)
ROOT(f32, float, sqrtf)
ROOT(f64, double, sqrt)

/* row[i] = the extreme of row[i] and row[i + shift], in place: NaN pass on, and of zeros that
 * differ in sign the later one stays, as SciPy's lines have it (poolings keep the earlier one). */
#define SHIFTED(op, tag, type, beats) \
    static void op##_##tag(ptrdiff_t n, ptrdiff_t shift, void *row_) \
    { \
        type *row = row_; \
        FC_IN_PLACE \
        for (ptrdiff_t i = 0; i < n; i++) { \
            const type a = row[i], b = row[i + shift], m = a beats b ? a : b; \
            row[i] = a != a ? a : m; \
        } \
    }

SHIFTED(max, f32, float, >)
SHIFTED(min, f32, float, <)
SHIFTED(max, f64, double, >)
SHIFTED(min, f64, double, <)

/* y[i] = the extreme of rows[t][i] over t < taps, of equals the first; NaN pass on. */
#define POINTS(op, tag, type, beats) \
    static void op##_points_##tag(ptrdiff_t n, ptrdiff_t taps, const void *const *rows, void *y_) \
    { \
        for (ptrdiff_t from = 0; from < n; from += POINTS_BLOCK) { \
            const ptrdiff_t m = n - from < POINTS_BLOCK ? n - from : POINTS_BLOCK; \
            type *restrict y = (type *)y_ + from; \
            memcpy(y, (const type *)rows[0] + from, m * sizeof *y); \
            for (ptrdiff_t t = 1; t < taps; t++) { \
                const type *restrict row = (const type *)rows[t] + from; \
                for (ptrdiff_t i = 0; i < m; i++) { \
                    const type v = row[i], best = v beats y[i] ? v : y[i]; \
                    y[i] = v != v ? v : best; \
                } \
            } \
        } \
    }

/* The same of sums with a structure's values, in the order and the types of SciPy's loop: the first
 * sum is a double, others are of the elements' own type, in which integers wrap. */
#define RAISED(op, tag, type, wide, beats) \
    static void op##_raised_##tag(ptrdiff_t n, ptrdiff_t taps, const void *const *rows, \
                                  const double *first, const void *others_, double *y_) \
    { \
        const type *others = others_; \
        for (ptrdiff_t from = 0; from < n; from += POINTS_BLOCK) { \
            const ptrdiff_t m = n - from < POINTS_BLOCK ? n - from : POINTS_BLOCK; \
            double *restrict y = y_ + from; \
            const type *restrict row = (const type *)rows[0] + from; \
            for (ptrdiff_t i = 0; i < m; i++) y[i] = (double)row[i] + *first; \
            for (ptrdiff_t t = 1; t < taps; t++) { \
                const wide more = (wide)others[t]; \
                row = (const type *)rows[t] + from; \
                for (ptrdiff_t i = 0; i < m; i++) { \
                    const double v = (double)(type)((wide)row[i] + more); \
                    const double best = v beats y[i] ? v : y[i]; \
                    y[i] = v != v ? v : best; \
                } \
            } \
        } \
    }

enum { POINTS_BLOCK = 256 }; /* elements that stay in the first-level cache, at most 2 KiB */

#define EXTREMES(tag, type, wide) \
    POINTS(max, tag, type, >) \
    POINTS(min, tag, type, <) \
    RAISED(max, tag, type, wide, >) \
    RAISED(min, tag, type, wide, <)

EXTREMES(u8, uint8_t, uint32_t)
EXTREMES(i8, int8_t, uint32_t)
EXTREMES(u16, uint16_t, uint32_t)
EXTREMES(i16, int16_t, uint32_t)
EXTREMES(u32, uint32_t, uint32_t)
EXTREMES(i32, int32_t, uint32_t)
EXTREMES(u64, uint64_t, uint64_t)
EXTREMES(i64, int64_t, uint64_t)
EXTREMES(f32, float, float)
EXTREMES(f64, double, double)

#define ALL(name) \
    {name##_u8, name##_i8, name##_u16, name##_i16, name##_u32, name##_i32, name##_u64, \
     name##_i64, name##_f32, name##_f64}

void fc_fill_filters(fc_table *table)
{
    fc_filters *f = &table->filters;
    *f = (fc_filters){
        .f32 = {.pairs = {f32_even_pairs, f32_odd_pairs}, .sums = f32_sums,
                .running_mean = f32_running_mean,
                .store = {[FC_U8] = f32_store_u8, [FC_I8] = f32_store_i8, [FC_U16] = f32_store_u16,
                          [FC_I16] = f32_store_i16, [FC_F32] = f32_store_f32,
                          [FC_F64] = f32_store_f64}},
        .f64 = {.pairs = {f64_even_pairs, f64_odd_pairs}, .sums = f64_sums,
                .running_mean = f64_running_mean, .store = ALL(f64_store)},
        .store_u64_of_point = f64_store_u64_of_point,
        .add = {add_u8, add_u8, add_u16, add_u16, add_u32, add_u32, add_u64, add_u64, add_f32,
                add_f64},
        .square = {square_u8, square_u8, square_u16, square_u16, square_u32, square_u32,
                   square_u64, square_u64, square_f32, square_f64},
        .root = {[FC_U8] = root_u8, [FC_U16] = root_u16, [FC_U32] = root_u32, [FC_F32] = root_f32,
                 [FC_F64] = root_f64},
        .points = {ALL(max_points), ALL(min_points)},
        .raised = {ALL(max_raised), ALL(min_raised)},
        .max_shifted = {max_f32, max_f64}, .min_shifted = {min_f32, min_f64},
    };
}
