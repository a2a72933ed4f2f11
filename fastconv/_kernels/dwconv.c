/* The depthwise kernels that serve any kernel and stride, instantiated for each element type.
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
#include "sums_type.h"
#include "dwconv_window_type.h"
#include "dwconv_rows_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "sums_type.h"
#include "dwconv_window_type.h"
#include "dwconv_rows_type.h"

void fc_fill_dwconv(fc_table *table)
{
    f32_fill_dwconv_window(&table->f32);
    f64_fill_dwconv_window(&table->f64);
    f32_fill_dwconv_rows(&table->f32);
    f64_fill_dwconv_rows(&table->f64);
}
