/* The kernels whose registers are blocked by hand, instantiated for each element type.
 *
 * Compiled with the vectorisers off: GCC's SLP pass would gather the input scalars
 * through the stack and halve the speed (see README.md, "Reading the disassembly").
 */
#include <math.h>

#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_PASTE(base, BITS)

#define REAL float
#define BITS 32
#include "lanes_type.h"
#include "tiles_type.h"
#include "squares_type.h"
#include "spectra_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "tiles_type.h"
#include "squares_type.h"
#include "spectra_type.h"

void fc_fill_tiles(fc_table *table)
{
    table->vector_bytes = FC_VECTOR_BYTES;
    fill_tiles_32(&table->f32);
    fill_tiles_64(&table->f64);
    fill_spectra_32(&table->f32);
    fill_spectra_64(&table->f64);
    fill_squares_32(&table->pools[FC_F32]);
    fill_squares_64(&table->pools[FC_F64]);
}
