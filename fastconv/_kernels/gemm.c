/* The kernels that are products of matrices, instantiated for each element type.
 *
 * Compiled with the vectorisers off: GCC's SLP pass would gather the input scalars
 * through the stack and halve the speed (see README.md, "Reading the disassembly").
 */
#include <math.h>

#include "table.h"
#include "vector.h"

#define BYTES FC_VECTOR_BYTES
#define NAME(base) FC_NAME(BITS, base)

#define REAL float
#define BITS 32
#include "lanes_type.h"
#include "igemm_type.h"
#include "gemm_type.h"
#include "cgemm_type.h"
#include "reduce_type.h"
#include "sums_type.h"
#include "conv_backward_weight_type.h"
#include "peak_type.h"
#undef REAL
#undef BITS

#define REAL double
#define BITS 64
#include "lanes_type.h"
#include "igemm_type.h"
#include "gemm_type.h"
#include "cgemm_type.h"
#include "reduce_type.h"
#include "sums_type.h"
#include "conv_backward_weight_type.h"
#include "peak_type.h"

void fc_fill_gemm(fc_table *table)
{
    table->vector_bytes = FC_VECTOR_BYTES;
    f32_fill_igemm(&table->f32);
    f64_fill_igemm(&table->f64);
    f32_fill_gemm(&table->f32);
    f64_fill_gemm(&table->f64);
    f32_fill_cgemm(&table->f32);
    f64_fill_cgemm(&table->f64);
    f32_fill_conv_backward_weight(&table->f32);
    f64_fill_conv_backward_weight(&table->f64);
    f32_fill_peak(&table->f32);
    f64_fill_peak(&table->f64);
}
