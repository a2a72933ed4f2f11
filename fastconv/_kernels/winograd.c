/* The kernels of Winograd's algorithm, instantiated for each element type.
 *
 * Compiled with the vectorisers off, like tiles.c: the vectors are written out.
 */
#include <math.h>

#include "table.h"
#include "vector.h"

#define REAL float
#define BITS 32
#define LANES (FC_VECTOR_BYTES / 4)
#include "winograd_type.h"
#undef REAL
#undef BITS
#undef LANES

#define REAL double
#define BITS 64
#define LANES (FC_VECTOR_BYTES / 8)
#include "winograd_type.h"

void fc_fill_winograd(fc_table *table)
{
    fill_winograd_32(&table->f32);
    fill_winograd_64(&table->f64);
}
