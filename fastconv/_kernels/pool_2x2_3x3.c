/* The poolings of small square windows and of small planes, instantiated for float and double.
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

void fc_fill_pool_2x2_3x3(fc_table *table)
{
    f32_fill_pool_2x2_3x3(&table->pools[FC_F32]);
    f64_fill_pool_2x2_3x3(&table->pools[FC_F64]);
    f32_fill_global_pool(&table->pools[FC_F32]);
    f64_fill_global_pool(&table->pools[FC_F64]);
}
