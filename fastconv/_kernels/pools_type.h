/* One element type's pooling kernels. Included once per type with these set:
 *   TYPE   the element;  TAG  its name in function names;  ID  its fc_type
 *   INDEX  the integer that accompanies an element in searches for positions, or nothing
 *   FLOATING  where there are NaN
 *   WORD   an unsigned integer of twice as many bits, of integers up to 32, or nothing
 *   SUMS   where the type is one of sums;  DOUBLE  where it is that of the widest
 *   TWICE, FOUR_TIMES  integers of so many times as many bits, for sums, or nothing; TWICE_ID … */
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

#ifdef WORD
/* At any element; its halves are two of them. */
typedef WORD NAME(word) __attribute__((aligned(sizeof(TYPE)), may_alias));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_HALF(word) ((TYPE)(word))
#define SECOND_HALF(word) ((TYPE)((word) >> 8 * sizeof(TYPE)))
#else
#define FIRST_HALF(word) ((TYPE)((word) >> 8 * sizeof(TYPE)))
#define SECOND_HALF(word) ((TYPE)(word))
#endif
#endif

/* Elements of a cache line, accumulated side by side: four vectors of the narrowest level. */
#define LINE ((ptrdiff_t)(64 / sizeof(TYPE)))

#define OP max
#include "pools_extreme_type.h"
#define OP min
#include "pools_extreme_type.h"

/* ---- sums ---- */

#define INTO wide
#define SUM_TYPE double
#include "pools_sum_type.h"

#ifdef TWICE
#define INTO twice
#define WHOLE
#define SUM_TYPE TWICE
#include "pools_sum_type.h"
#endif
#ifdef FOUR_TIMES
#define INTO four_times
#define WHOLE
#define SUM_TYPE FOUR_TIMES
#include "pools_sum_type.h"
#endif

#if defined(SUMS) && !defined(DOUBLE)
#define INTO own
#define SUM_TYPE TYPE
#ifndef FLOATING
#define WHOLE
#endif
#include "pools_sum_type.h"
#endif

#ifdef SUMS
static void NAME(sum_shifted)(ptrdiff_t n, ptrdiff_t shift, void *row_)
{
    TYPE *row = row_;
    FC_IN_PLACE
    for (ptrdiff_t i = 0; i < n; i++) row[i] += row[i + shift];
}
#endif

/* ---- searches ---- */

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

#define CONVERT(name, TO)                                                                      \
    static void NAME(name)(ptrdiff_t n, const void *src_, void *dst_)                           \
    {                                                                                          \
        const TYPE *restrict src = src_;                                                       \
        TO *restrict dst = dst_;                                                               \
        for (ptrdiff_t i = 0; i < n; i++) dst[i] = (TO)src[i];                                 \
    }
CONVERT(to_float, float)
CONVERT(to_double, double)
#ifdef TWICE
CONVERT(to_twice, TWICE)
#endif
#ifdef FOUR_TIMES
CONVERT(to_four_times, FOUR_TIMES)
#endif
#undef CONVERT

static void NAME(fill_pools)(fc_pools *k)
{
    k->size = sizeof(TYPE);
    k->max = NAME(max_pool);
    k->min = NAME(min_pool);
    k->sum[FC_F64] = NAME(wide_pool);
    k->convert[FC_F32] = NAME(to_float);
    k->convert[FC_F64] = NAME(to_double);
#ifdef TWICE
    k->sum[TWICE_ID] = NAME(twice_pool);
    k->convert[TWICE_ID] = NAME(to_twice);
#endif
#ifdef FOUR_TIMES
    k->sum[FOUR_TIMES_ID] = NAME(four_times_pool);
    k->convert[FOUR_TIMES_ID] = NAME(to_four_times);
#endif
    k->max_shifted = NAME(max_shifted);
    k->min_shifted = NAME(min_shifted);
#if defined(SUMS) && !defined(DOUBLE)
    k->sum[ID] = NAME(own_pool);
#endif
#ifdef SUMS
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
}

#undef LINE
#undef WORD
#undef FIRST_HALF
#undef SECOND_HALF
#undef NAMES
#undef NAME
#undef TYPE
#undef TAG
#undef ID
#undef INDEX
#undef FLOATING
#undef SUMS
#undef DOUBLE
#undef TWICE
#undef TWICE_ID
#undef FOUR_TIMES
#undef FOUR_TIMES_ID
#undef IS_NAN
