/* The kernels that are simple loops over rows, which the compiler vectorises itself. */
#include <math.h>
#include <string.h>

#include "table.h"
#include "vector.h"

#define REAL float
#define UINT uint32_t
#define FABS fabsf
#define BITS 32
#include "rows_type.h"
#undef REAL
#undef UINT
#undef FABS
#undef BITS

#define REAL double
#define UINT uint64_t
#define FABS fabs
#define BITS 64
#include "rows_type.h"

void fc_fill_rows(fc_table *table)
{
    f32_fill_rows(&table->f32);
    f64_fill_rows(&table->f64);
}
