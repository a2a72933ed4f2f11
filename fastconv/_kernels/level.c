/* One instruction set's kernels as an extension module, built once per level with FC_LEVEL set: its
 * `offered` is a capsule of the fc_table. dispatch.pyx imports exactly one. */
#include "table.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

void fc_fill_gemm(fc_table *);
void fc_fill_dwconv(fc_table *);
void fc_fill_dwconv_plane(fc_table *);
void fc_fill_winograd(fc_table *);
void fc_fill_layout(fc_table *);
void fc_fill_rows(fc_table *);
void fc_fill_pool_2x2_3x3(fc_table *);
void fc_fill_pools(fc_table *);
void fc_fill_filters(fc_table *);
void fc_fill_integers(fc_table *);
void fc_fill_matrix(fc_table *);
void fc_fill_requantize(fc_table *);

static fc_table offered;

static void fill(void)
{
    offered.name = STRING(FC_LEVEL);
    fc_fill_gemm(&offered);
    fc_fill_dwconv(&offered);
    fc_fill_dwconv_plane(&offered);
    fc_fill_winograd(&offered);
    fc_fill_layout(&offered);
    fc_fill_rows(&offered);
    fc_fill_pool_2x2_3x3(&offered);
    fc_fill_pools(&offered);
    fc_fill_filters(&offered);
    fc_fill_integers(&offered);
    fc_fill_requantize(&offered);
    fc_fill_matrix(&offered);
}

#define FC_OFFER_LEVEL FC_LEVEL
#define FC_OFFER_NAME "fastconv.kernels"
#define FC_OFFER_FILL fill()
#include "offer.h"
