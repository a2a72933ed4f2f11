/* The kernels for whole planes, instantiated for each element type, and on AVX-512 for vectors of
 * half the size, which maps of 7x7 fill better.
 *
 * Compiled with the vectorisers off, like gemm.c: the vectors are written out.
 */
#include "table.h"
#include "vector.h"

#ifdef FC_PARTIAL_LOADS
/* The largest kernel; how many bytes of a block of rows, and of a plane and the gradients that it
 * meets, are prefetched at most: they must not drive out of a cache what is in use. */
#define FC_PLANE_KERNEL 5
#define FC_PLANE_ROWS_BYTES 16384
#define FC_PLANE_BYTES 262144

/* Into all caches, or all but the nearest. Two lines at a time: counting costs as much. */
FC_INLINE void fc_fetch_near(const char *p, ptrdiff_t bytes)
{
    for (ptrdiff_t at = 0; at < bytes; at += 128) {
        __builtin_prefetch(p + at);
        __builtin_prefetch(p + at + 64);
    }
}
FC_INLINE void fc_fetch_far(const char *p, ptrdiff_t bytes)
{
    for (ptrdiff_t at = 0; at < bytes; at += 128) {
        __builtin_prefetch(p + at, 0, 2);
        __builtin_prefetch(p + at + 64, 0, 2);
    }
}

#if defined(FC_AVX512)
/* Vectors of a tile, weights that registers are left for, and whether the last tile of a row
 * overlaps the one before rather than be stored in part. */
#define FC_PLANE_VECTORS 1
#define FC_PLANE_WEIGHTS 9
#define FC_PLANE_OVERLAP 0

#define BYTES 32
#define FC_PLANE_SMALL(n, function, arguments)
#define REAL float
#define BITS 32
#define NAME(base) FC_NAME(BITS, FC_PASTE(half, base))
#include "lanes_type.h"
#include "dwconv_plane_type.h"
#undef REAL
#undef BITS
#undef NAME

#define REAL double
#define BITS 64
#define NAME(base) FC_NAME(BITS, FC_PASTE(half, base))
#include "lanes_type.h"
#include "dwconv_plane_type.h"
#undef REAL
#undef BITS
#undef NAME
#undef BYTES
#undef FC_PLANE_VECTORS
#undef FC_PLANE_SMALL

#define FC_PLANE_VECTORS 2

#define FC_PLANE_SMALL(n, function, arguments)                                                   \
    if ((n) <= LANES / 2) {                                                                    \
        FC_NAME(BITS, FC_PASTE(half, function)) arguments;                                     \
        return;                                                                                \
    }
#else
#define FC_PLANE_VECTORS 1
#define FC_PLANE_WEIGHTS 0
#define FC_PLANE_OVERLAP 1
#define FC_PLANE_SMALL(n, function, arguments)
#endif

#define BYTES FC_VECTOR_BYTES
#define REAL float
#define BITS 32
#define NAME(base) FC_NAME(BITS, base)
#include "lanes_type.h"
#include "dwconv_plane_type.h"
#undef REAL
#undef BITS
#undef NAME

#define REAL double
#define BITS 64
#define NAME(base) FC_NAME(BITS, base)
#include "lanes_type.h"
#include "dwconv_plane_type.h"
#endif

void fc_fill_dwconv_plane(fc_table *table)
{
#ifdef FC_PARTIAL_LOADS
#define FILL(bits)                                                                             \
    table->f##bits.plane_weights = FC_PLANE_WEIGHTS;                                           \
    table->f##bits.dwconv_plane_backward_data = FC_NAME(bits, dwconv_plane_backward_data);     \
    table->f##bits.dwconv_plane[0][0] = FC_NAME(bits, dwconv_plane_3x3s1);                     \
    table->f##bits.dwconv_plane[0][1] = FC_NAME(bits, dwconv_plane_3x3s2);                     \
    table->f##bits.dwconv_plane[1][0] = FC_NAME(bits, dwconv_plane_5x5s1);                     \
    table->f##bits.dwconv_plane[1][1] = FC_NAME(bits, dwconv_plane_5x5s2);                     \
    table->f##bits.dwconv_plane_backward_weight[0][0] =                                        \
        FC_NAME(bits, dwconv_plane_backward_weight_3x3s1);                                     \
    table->f##bits.dwconv_plane_backward_weight[0][1] =                                        \
        FC_NAME(bits, dwconv_plane_backward_weight_3x3s2);                                     \
    table->f##bits.dwconv_plane_backward_weight[1][0] =                                        \
        FC_NAME(bits, dwconv_plane_backward_weight_5x5s1);                                     \
    table->f##bits.dwconv_plane_backward_weight[1][1] =                                        \
        FC_NAME(bits, dwconv_plane_backward_weight_5x5s2);
    FILL(32)
    FILL(64)
#else
    (void)table;
#endif
}
