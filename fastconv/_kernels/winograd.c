/* The transforms of Winograd's algorithm, instantiated for each element type.
 *
 * Compiled with the vectorisers off, like gemm.c: the vectors are written out.
 */
#include <math.h>

#include "table.h"
#include "vector.h"

/* What a transform is of. */
typedef enum { FC_INPUT, FC_WEIGHT, FC_OUTPUT } fc_transform;

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_NAME(BITS, base)

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
    f32_fill_winograd(&table->f32);
    f64_fill_winograd(&table->f64);
}
