/* The kernels of poolings: loops over rows that the compiler vectorises itself, for every real
 * element type. */
#include <math.h>

#include "table.h"
#include "vector.h"

/* Sums of up to this many terms are added up one after the other, longer ones in pairs. */
enum { FC_SEQUENTIAL_TERMS = 16 };

#define TYPE uint8_t
#define TAG u8
#include "pools_type.h"

#define TYPE int8_t
#define TAG i8
#include "pools_type.h"

#define TYPE uint16_t
#define TAG u16
#include "pools_type.h"

#define TYPE int16_t
#define TAG i16
#include "pools_type.h"

#define TYPE uint32_t
#define TAG u32
#include "pools_type.h"

#define TYPE int32_t
#define TAG i32
#include "pools_type.h"

#define TYPE uint64_t
#define TAG u64
#define INDEX int64_t
#include "pools_type.h"

#define TYPE int64_t
#define TAG i64
#define INDEX int64_t
#include "pools_type.h"

#define TYPE float
#define TAG f32
#define INDEX int32_t
#define FLOATING
#include "pools_type.h"

#define TYPE double
#define TAG f64
#define INDEX int64_t
#define FLOATING
#include "pools_type.h"

/* y = sum / divisor, one divisor for all or one for each group of `inner` elements. Dividing
 * by a power of two is multiplying by its reciprocal, exactly. */
#define DIVIDE(name, SUM_TYPE, TYPE)                                                           \
    static void name(ptrdiff_t n, ptrdiff_t inner, const void *sum_, const double *divisor,    \
                     int single, void *y_)                                                     \
    {                                                                                          \
        const SUM_TYPE *sum = sum_;                                                            \
        TYPE *y = y_;                                                                          \
        if (single) {                                                                          \
            n *= inner;                                                                        \
            int exponent;                                                                      \
            const SUM_TYPE d = (SUM_TYPE)divisor[0];                                           \
            const double significand = frexp(divisor[0], &exponent);                           \
            if (fabs(significand) == 0.5 && exponent > -100 && exponent < 100) {               \
                const SUM_TYPE r = 1 / d;                                                      \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = (TYPE)(sum[i] * r);                   \
            } else                                                                             \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = (TYPE)(sum[i] / d);                   \
        } else if (inner == 1)                                                                 \
            for (ptrdiff_t i = 0; i < n; i++)                                                  \
                y[i] = (TYPE)(sum[i] / (SUM_TYPE)divisor[i]);                                  \
        else                                                                                   \
            for (ptrdiff_t o = 0; o < n; o++) {                                                \
                const SUM_TYPE d = (SUM_TYPE)divisor[o];                                       \
                for (ptrdiff_t i = o * inner; i < (o + 1) * inner; i++)                        \
                    y[i] = (TYPE)(sum[i] / d);                                                 \
            }                                                                                  \
    }
DIVIDE(f32_divide, float, float)
DIVIDE(f64_divide, double, double)
DIVIDE(f64_f32_divide, double, float)

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
    table->divide[0] = f32_divide;
    table->divide[1] = f64_divide;
    table->divide[2] = f64_f32_divide;
}
