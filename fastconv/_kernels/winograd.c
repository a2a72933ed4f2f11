/* The kernels of Winograd's algorithm, instantiated for each element type.
 *
 * Compiled with the vectorisers off, like tiles.c: the vectors are written out.
 */
#include <math.h>

#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_PASTE(base, BITS)

#define REAL float
#define BITS 32
#include "lanes_type.h"
#include "winograd_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "winograd_type.h"

void fc_fill_winograd(fc_table *table)
{
    fill_winograd_32(&table->f32);
    fill_winograd_64(&table->f64);
}
