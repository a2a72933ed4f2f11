/* The kernels of poolings: loops over rows that the compiler vectorises itself, for every real
 * element type. */
#include <math.h>

#include "table.h"
#include "vector.h"

/* Sums of up to this many terms are added up one after the other, longer ones in pairs. */
enum { FC_SEQUENTIAL_TERMS = 16 };

/* Elements whose extremes, or sums, integers have in registers at a time: 64, or 32 or 16 of short
 * rows. */
enum { MOST_OF_BLOCK = 64 };

/* Elements of a window that are compared side by side; longer ones have a line of the cache, which
 * is so many bytes. */
enum { SIDE_BY_SIDE = 8, MOST_SIDE_BY_SIDE = 64 };

/* Elements, at most, of windows that are compared window by window, with vectors taken apart. */
enum { MOST_APART = 16 };

#define TYPE uint8_t
#define TAG u8
#define ID FC_U8
#define WORD uint16_t
#define TWICE uint16_t
#define TWICE_ID FC_U16
#define FOUR_TIMES uint32_t
#define FOUR_TIMES_ID FC_U32
#include "pools_type.h"

#define TYPE int8_t
#define TAG i8
#define ID FC_I8
#define WORD uint16_t
#define TWICE int16_t
#define TWICE_ID FC_I16
#define FOUR_TIMES int32_t
#define FOUR_TIMES_ID FC_I32
#include "pools_type.h"

#define TYPE uint16_t
#define TAG u16
#define ID FC_U16
#define WORD uint32_t
#define SUMS
#define TWICE uint32_t
#define TWICE_ID FC_U32
#include "pools_type.h"

#define TYPE int16_t
#define TAG i16
#define ID FC_I16
#define WORD uint32_t
#define SUMS
#define TWICE int32_t
#define TWICE_ID FC_I32
#include "pools_type.h"

#define TYPE uint32_t
#define TAG u32
#define ID FC_U32
#define WORD uint64_t
#define SUMS
#include "pools_type.h"

#define TYPE int32_t
#define TAG i32
#define ID FC_I32
#define WORD uint64_t
#define SUMS
#include "pools_type.h"

#define TYPE uint64_t
#define TAG u64
#define ID FC_U64
#define INDEX int64_t
#include "pools_type.h"

#define TYPE int64_t
#define TAG i64
#define ID FC_I64
#define INDEX int64_t
#include "pools_type.h"

#define TYPE float
#define TAG f32
#define ID FC_F32
#define INDEX int32_t
#define FLOATING
#define SUMS
#include "pools_type.h"

#define TYPE double
#define TAG f64
#define ID FC_F64
#define INDEX int64_t
#define FLOATING
#define SUMS
#define DOUBLE
#include "pools_type.h"

/* ---- from sums to averages ---- */

/* sum / divisor, of a sum that is an integer: the same bits by five operations that are fused and
 * pipelined, where a division is neither. `r` is 1 / divisor: that estimate of the quotient is
 * mended twice, each time by what it leaves of the sum, which is exact (Markstein: the second of
 * them is rounded as the quotient is). */
#if defined(__FMA__) || defined(__aarch64__)
#define QUOTIENT(name, REAL, fused)                                                            \
    FC_INLINE REAL name(REAL sum, REAL divisor, REAL r)                                        \
    {                                                                                          \
        REAL q = sum * r;                                                                      \
        q = fused(fused(-q, divisor, sum), r, q);                                              \
        return fused(fused(-q, divisor, sum), r, q);                                           \
    }
#else
#define QUOTIENT(name, REAL, fused)                                                            \
    FC_INLINE REAL name(REAL sum, REAL divisor, REAL r)                                        \
    {                                                                                          \
        (void)r;                                                                               \
        return sum / divisor;                                                                  \
    }
#endif
QUOTIENT(quotient_of_floats, float, fmaf)
QUOTIENT(quotient, double, fma)

/* The nearest integer, of two the even one: the last digit of so large a sum is 1, so that its last
 * bits are that integer's. */
FC_INLINE int32_t nearest_of_float(float q)
{
    const union { float sum; int32_t bits; } of = {q + 0x1.8p23f};
    return of.bits;
}

FC_INLINE int64_t nearest(double q)
{
    const union { double sum; int64_t bits; } of = {q + 0x1.8p52};
    return of.bits;
}

/* Divisors whose reciprocals are as good as numbers of their size. */
FC_INLINE int is_ordinary(double divisor, int *is_power)
{
    int exponent;
    *is_power = fabs(frexp(divisor, &exponent)) == 0.5;
    return exponent > -60 && exponent < 60;
}

/* y = sum / divisor in the type REAL, one divisor for all or one for each group of `inner` elements;
 * STORE is what becomes of a quotient, EXACT the division by one divisor d. Dividing by a power of
 * two is multiplying by its reciprocal, exactly. */
#define DIVIDE(name, SUM_TYPE, REAL, TYPE, STORE, EXACT)                                       \
    static void name(ptrdiff_t n, ptrdiff_t inner, const void *sum_, const double *divisor,    \
                     int single, void *y_)                                                     \
    {                                                                                          \
        const SUM_TYPE *sum = sum_;                                                            \
        TYPE *y = y_;                                                                          \
        if (single) {                                                                          \
            n *= inner;                                                                        \
            int is_power;                                                                      \
            const int ordinary = is_ordinary(divisor[0], &is_power);                           \
            const REAL d = (REAL)divisor[0], r = 1 / d;                                        \
            if (ordinary && is_power)                                                          \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = (TYPE)STORE((REAL)sum[i] * r);        \
            else if (ordinary)                                                                 \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = (TYPE)STORE(EXACT((REAL)sum[i]));     \
            else                                                                               \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = (TYPE)STORE((REAL)sum[i] / d);        \
        } else if (inner == 1)                                                                 \
            for (ptrdiff_t i = 0; i < n; i++)                                                  \
                y[i] = (TYPE)STORE((REAL)sum[i] / (REAL)divisor[i]);                           \
        else                                                                                   \
            for (ptrdiff_t o = 0; o < n; o++) {                                                \
                const REAL d = (REAL)divisor[o];                                               \
                for (ptrdiff_t i = o * inner; i < (o + 1) * inner; i++)                        \
                    y[i] = (TYPE)STORE((REAL)sum[i] / d);                                      \
            }                                                                                  \
    }
#define AS_IT_IS(q) (q)
#define DIVIDED(sum) ((sum) / d)
#define MENDED(sum) quotient(sum, d, r)
#define MENDED_FLOAT(sum) quotient_of_floats(sum, d, r)

DIVIDE(f32_divide, float, float, float, AS_IT_IS, DIVIDED)
DIVIDE(f32_f64_divide, float, double, double, AS_IT_IS, DIVIDED)
DIVIDE(f64_divide, double, double, double, AS_IT_IS, DIVIDED)
DIVIDE(f64_f32_divide, double, double, float, AS_IT_IS, DIVIDED)

/* Of integers. Sums of 16 bits are divided as floats where that gives the same bits: the quotient is
 * a float, or so far from a half that floats tell. */
#define DIVIDE_INTO(tag, SUM_TYPE, small, SMALL)                                               \
    DIVIDE(tag##_f32_divide, SUM_TYPE, float, float, AS_IT_IS, MENDED_FLOAT)                   \
    DIVIDE(tag##_f64_divide, SUM_TYPE, double, double, AS_IT_IS, MENDED)                       \
    DIVIDE(tag##_##small##_divide, SUM_TYPE, float, SMALL, nearest_of_float, MENDED_FLOAT)
DIVIDE_INTO(u16, uint16_t, u8, uint8_t)
DIVIDE_INTO(i16, int16_t, i8, int8_t)
#undef DIVIDE_INTO
#define DIVIDE_INTO(tag, SUM_TYPE, small, SMALL, middle, MIDDLE)                               \
    DIVIDE(tag##_f32_divide, SUM_TYPE, double, float, AS_IT_IS, MENDED)                        \
    DIVIDE(tag##_f64_divide, SUM_TYPE, double, double, AS_IT_IS, MENDED)                       \
    DIVIDE(tag##_##small##_divide, SUM_TYPE, double, SMALL, nearest, MENDED)                   \
    DIVIDE(tag##_##middle##_divide, SUM_TYPE, double, MIDDLE, nearest, MENDED)
DIVIDE_INTO(u32, uint32_t, u8, uint8_t, u16, uint16_t)
DIVIDE_INTO(i32, int32_t, i8, int8_t, i16, int16_t)
#undef DIVIDE_INTO
#define DIVIDE_INTO(small, SMALL)                                                              \
    DIVIDE(f64_##small##_divide, double, double, SMALL, nearest, DIVIDED)
DIVIDE_INTO(u8, uint8_t)
DIVIDE_INTO(i8, int8_t)
DIVIDE_INTO(u16, uint16_t)
DIVIDE_INTO(i16, int16_t)

static void fill_divide(fc_table *table)
{
    table->divide[FC_F32][FC_F32] = f32_divide;
    table->divide[FC_F32][FC_F64] = f32_f64_divide;
    table->divide[FC_F64][FC_F32] = f64_f32_divide;
    table->divide[FC_F64][FC_F64] = f64_divide;
    table->divide[FC_F64][FC_U8] = f64_u8_divide;
    table->divide[FC_F64][FC_I8] = f64_i8_divide;
    table->divide[FC_F64][FC_U16] = f64_u16_divide;
    table->divide[FC_F64][FC_I16] = f64_i16_divide;
    table->divide[FC_U16][FC_F32] = u16_f32_divide;
    table->divide[FC_U16][FC_F64] = u16_f64_divide;
    table->divide[FC_U16][FC_U8] = u16_u8_divide;
    table->divide[FC_I16][FC_F32] = i16_f32_divide;
    table->divide[FC_I16][FC_F64] = i16_f64_divide;
    table->divide[FC_I16][FC_I8] = i16_i8_divide;
    table->divide[FC_U32][FC_F32] = u32_f32_divide;
    table->divide[FC_U32][FC_F64] = u32_f64_divide;
    table->divide[FC_U32][FC_U8] = u32_u8_divide;
    table->divide[FC_U32][FC_U16] = u32_u16_divide;
    table->divide[FC_I32][FC_F32] = i32_f32_divide;
    table->divide[FC_I32][FC_F64] = i32_f64_divide;
    table->divide[FC_I32][FC_I8] = i32_i8_divide;
    table->divide[FC_I32][FC_I16] = i32_i16_divide;
}

void fc_fill_pools(fc_table *table)
{
    u8_fill_pools(&table->pools[FC_U8]);
    i8_fill_pools(&table->pools[FC_I8]);
    u16_fill_pools(&table->pools[FC_U16]);
    i16_fill_pools(&table->pools[FC_I16]);
    u32_fill_pools(&table->pools[FC_U32]);
    i32_fill_pools(&table->pools[FC_I32]);
    u64_fill_pools(&table->pools[FC_U64]);
    i64_fill_pools(&table->pools[FC_I64]);
    f32_fill_pools(&table->pools[FC_F32]);
    f64_fill_pools(&table->pools[FC_F64]);
    fill_divide(table);
}
