/* The kernels for whole planes, instantiated for each element type, and on AVX-512 for vectors of
 * half the size, which maps of 7x7 fill better.
 *
 * Compiled with the vectorisers off, like tiles.c: the vectors are written out.
 */
#include "table.h"
#include "vector.h"

#ifdef FC_PARTS
/* The largest kernel; how many bytes of a block of rows, and of a plane and the gradients that it
 * meets, are prefetched at most: they must not drive out of a cache what is in use. */
#define FC_MAP_KERNEL 5
#define FC_MAP_AHEAD 16384
#define FC_MAP_PLANE 262144

/* Into all caches, or all but the nearest. Two lines at a time: counting costs as much. */
FC_INLINE void fc_prefetch(const char *p, ptrdiff_t bytes)
{
    for (ptrdiff_t at = 0; at < bytes; at += 128) {
        __builtin_prefetch(p + at);
        __builtin_prefetch(p + at + 64);
    }
}
FC_INLINE void fc_prefetch_far(const char *p, ptrdiff_t bytes)
{
    for (ptrdiff_t at = 0; at < bytes; at += 128) {
        __builtin_prefetch(p + at, 0, 2);
        __builtin_prefetch(p + at + 64, 0, 2);
    }
}

#if defined(__AVX512F__)
/* Vectors of a tile, weights that registers are left for, and whether the last tile of a row
 * overlaps the one before rather than be stored in part. */
#define FC_MAP_VECTORS 1
#define FC_MAP_WEIGHTS 9
#define FC_MAP_OVERLAP 0

#define BYTES 32
#define FC_MAP_SMALL(n, function, arguments)
#define REAL float
#define BITS 32
#define NAME(base) FC_PASTE(base, half_32)
#include "lanes_type.h"
#include "maps_type.h"
#undef REAL
#undef BITS
#undef NAME

#define REAL double
#define BITS 64
#define NAME(base) FC_PASTE(base, half_64)
#include "lanes_type.h"
#include "maps_type.h"
#undef REAL
#undef BITS
#undef NAME
#undef BYTES
#undef FC_MAP_VECTORS
#undef FC_MAP_SMALL

#define FC_MAP_VECTORS 2

#define FC_MAP_SMALL(n, function, arguments)                                                   \
    if ((n) <= LANES / 2) {                                                                    \
        FC_PASTE(function, FC_PASTE(half, BITS)) arguments;                                    \
        return;                                                                                \
    }
#else
#define FC_MAP_VECTORS 1
#define FC_MAP_WEIGHTS 0
#define FC_MAP_OVERLAP 1
#define FC_MAP_SMALL(n, function, arguments)
#endif

#define BYTES FC_VECTOR_BYTES
#define REAL float
#define BITS 32
#define NAME(base) FC_PASTE(base, 32)
#include "lanes_type.h"
#include "maps_type.h"
#undef REAL
#undef BITS
#undef NAME

#define REAL double
#define BITS 64
#define NAME(base) FC_PASTE(base, 64)
#include "lanes_type.h"
#include "maps_type.h"
#endif

void fc_fill_maps(fc_table *table)
{
#ifdef FC_PARTS
#define FILL(bits)                                                                             \
    table->f##bits.map_spread = FC_PASTE(map_spread, bits);                                    \
    table->f##bits.map[0][0] = FC_PASTE(map31, bits);                                          \
    table->f##bits.map[0][1] = FC_PASTE(map32, bits);                                          \
    table->f##bits.map[1][0] = FC_PASTE(map51, bits);                                          \
    table->f##bits.map[1][1] = FC_PASTE(map52, bits);                                          \
    table->f##bits.map_weight[0][0] = FC_PASTE(map_weight31, bits);                            \
    table->f##bits.map_weight[0][1] = FC_PASTE(map_weight32, bits);                            \
    table->f##bits.map_weight[1][0] = FC_PASTE(map_weight51, bits);                            \
    table->f##bits.map_weight[1][1] = FC_PASTE(map_weight52, bits);
    FILL(32)
    FILL(64)
#else
    (void)table;
#endif
}
