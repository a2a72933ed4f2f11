/* The kernels that move blocks, and finish results on the way, instantiated for each element type.
 *
 * Compiled with the vectorisers off, like gemm.c: the vectors are written out.
 */
#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_NAME(BITS, base)

#define REAL float
#define BITS 32
#include "lanes_type.h"
#include "store_type.h"
#include "layout_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "store_type.h"
#include "layout_type.h"

void fc_fill_layout(fc_table *table)
{
    f32_fill_store(&table->f32);
    f64_fill_store(&table->f64);
    f32_fill_layout(&table->f32);
    f64_fill_layout(&table->f64);
}
