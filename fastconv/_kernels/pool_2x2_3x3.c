/* The poolings of small square windows and of small planes, instantiated for float and double, the former
 * for small integers, too.
 *
 * Compiled with the vectorisers off, like gemm.c: the vectors are written out.
 */
#include <math.h>

#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_NAME(BITS, base)

#define REAL float
#define BITS 32
#include "lanes_type.h"
#include "reduce_type.h"
#include "pool_2x2_3x3_type.h"
#include "global_pool_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "reduce_type.h"
#include "pool_2x2_3x3_type.h"
#include "global_pool_type.h"

#undef REAL
#undef BITS

#ifdef __AVX512BW__
#define TAG u8
#define REAL uint8_t
#define BITS 8
#define SIGNED 0
#include "pool_2x2_3x3_integers_type.h"
#define TAG i8
#define REAL int8_t
#define BITS 8
#define SIGNED 1
#include "pool_2x2_3x3_integers_type.h"
#define TAG u16
#define REAL uint16_t
#define BITS 16
#define SIGNED 0
#include "pool_2x2_3x3_integers_type.h"
#define TAG i16
#define REAL int16_t
#define BITS 16
#define SIGNED 1
#include "pool_2x2_3x3_integers_type.h"
#endif

void fc_fill_pool_2x2_3x3(fc_table *table)
{
    f32_fill_pool_2x2_3x3(&table->pools[FC_F32]);
    f64_fill_pool_2x2_3x3(&table->pools[FC_F64]);
    f32_fill_global_pool(&table->pools[FC_F32]);
    f64_fill_global_pool(&table->pools[FC_F64]);
#ifdef __AVX512BW__
    u8_fill_pool_2x2_3x3(&table->pools[FC_U8]);
    i8_fill_pool_2x2_3x3(&table->pools[FC_I8]);
    u16_fill_pool_2x2_3x3(&table->pools[FC_U16]);
    i16_fill_pool_2x2_3x3(&table->pools[FC_I16]);
#endif
}
