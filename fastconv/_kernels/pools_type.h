/* One element type's pooling kernels. Included once per type with these set:
 *   TYPE   the element;  TAG  its name in function names
 *   INDEX  the integer that accompanies an element in searches for positions, or nothing
 *   FLOATING  where there are NaN, and sums in the type itself */
#ifdef FLOATING
#define IS_NAN(a) ((a) != (a))
#else
#define IS_NAN(a) 0
#endif
#define NAME(base) FC_PASTE(TAG, base)
#define NAMES(op, base) FC_PASTE3(TAG, op, base)

/* Whether b replaces a, where neither is NaN: integers never are. */
FC_INLINE int NAMES(max, beats)(TYPE b, TYPE a) { return b > a; }
FC_INLINE int NAMES(min, beats)(TYPE b, TYPE a) { return b < a; }

/* Elements of a cache line, accumulated side by side: four vectors of the narrowest level. */
#define LINE ((ptrdiff_t)(64 / sizeof(TYPE)))

#define OP max
#include "pools_extreme_type.h"
#define OP min
#include "pools_extreme_type.h"

#ifdef FLOATING
#define INTO sum
#define SUM_TYPE TYPE
#include "pools_sum_type.h"

static void NAME(sum_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_)
{
    TYPE *row = row_;
    FC_IN_PLACE
    for (ptrdiff_t i = 0; i < n; i++) row[i] += row[i + shift];
}
#endif
#define INTO wide
#define SUM_TYPE double
#include "pools_sum_type.h"

#ifdef INDEX
#define OP max
#include "pools_search_type.h"
#define OP min
#include "pools_search_type.h"

static void NAME(places)(ptrdiff_t n, ptrdiff_t first, const void *where_, int64_t *out)
{
    const INDEX *restrict where = where_;
    for (ptrdiff_t i = 0; i < n; i++) out[i] = first + (int64_t)where[i];
}

static void NAME(number)(ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t step,
                         void *where_)
{
    INDEX *where = where_;
    for (ptrdiff_t o = 0; o < n; o++)
        for (ptrdiff_t i = 0; i < inner; i++) where[o * inner + i] = (INDEX)(first + o * step);
}
#endif

/* ---- conversion ---- */

static void NAME(to_float)(ptrdiff_t n, const void *src_, void *dst_)
{
    const TYPE *restrict src = src_;
    float *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] = (float)src[i];
}

static void NAME(to_double)(ptrdiff_t n, const void *src_, void *dst_)
{
    const TYPE *restrict src = src_;
    double *restrict dst = dst_;
    for (ptrdiff_t i = 0; i < n; i++) dst[i] = (double)src[i];
}

static void NAME(fill_pools)(fc_pools *k)
{
    k->size = sizeof(TYPE);
    k->max = NAME(max_pool);
    k->min = NAME(min_pool);
    k->wide_sum = NAME(wide_pool);
    k->max_shifted = NAME(max_shifted);
    k->min_shifted = NAME(min_shifted);
#ifdef FLOATING
    k->sum = NAME(sum_pool);
    k->sum_shifted = NAME(sum_shifted);
#endif
#ifdef INDEX
    k->index_size = sizeof(INDEX);
    k->max_search = NAME(max_search);
    k->min_search = NAME(min_search);
    k->max_search_shifted = NAME(max_search_shifted);
    k->min_search_shifted = NAME(min_search_shifted);
    k->places = NAME(places);
    k->number = NAME(number);
#endif
    k->to_float = NAME(to_float);
    k->to_double = NAME(to_double);
}

#undef LINE
#undef NAMES
#undef NAME
#undef TYPE
#undef TAG
#undef INDEX
#undef FLOATING
#undef IS_NAN
