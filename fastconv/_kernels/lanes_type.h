/* Vectors of one element type and size, and what all kernels do with them. Included before the
 * kernels, once for each type and size, with REAL, BITS, BYTES and NAME set; what it defines for
 * the one before, it takes back.
 */
#undef vec
#undef ivec
#undef INT
#undef LANES
#define vec NAME(vec)
#define ivec NAME(ivec)
#define INT FC_INT(BITS)
#define LANES (BYTES / (BITS / 8))

typedef REAL vec __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef INT ivec __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

/* Intrinsics of this size and type. */
#undef MM
#undef MM_TYPE
#undef MM_MASK
#undef MM_INT
#if BYTES == 64 && BITS == 32
#define MM(name) _mm512_##name##_ps
#define MM_TYPE __m512
#define MM_MASK __mmask16
#define MM_INT __m512i
#elif BYTES == 64
#define MM(name) _mm512_##name##_pd
#define MM_TYPE __m512d
#define MM_MASK __mmask8
#define MM_INT __m512i
#elif BYTES == 32 && BITS == 32
#define MM(name) _mm256_##name##_ps
#define MM_TYPE __m256
#define MM_MASK __mmask8
#define MM_INT __m256i
#elif BYTES == 32
#define MM(name) _mm256_##name##_pd
#define MM_TYPE __m256d
#define MM_MASK __mmask8
#define MM_INT __m256i
#elif defined(__SSE2__) && BITS == 32
#define MM(name) _mm_##name##_ps
#define MM_TYPE __m128
#elif defined(__SSE2__)
#define MM(name) _mm_##name##_pd
#define MM_TYPE __m128d
#endif

FC_INLINE vec NAME(load)(const REAL *p) { return *(const vec *)p; }
FC_INLINE void NAME(save)(REAL *p, vec v) { *(vec *)p = v; }

/* (vec){0} is subtracted, not added: -0 stays what it is, and the compiler sees a broadcast. */
FC_INLINE vec NAME(spread)(REAL s) { return s - (vec){0}; }

/* In a register, from here on: the compiler would rather load a factor again for each of its uses,
 * begin with the loads of many, and let a sum take their registers, which leads to spills. */
FC_INLINE vec NAME(held)(vec v)
{
#if defined(FC_EMULATE_AVX512)
    __asm__ volatile("" : "+m"(v)); /* which fits no register */
#elif defined(FC_AVX512)
    __asm__ volatile("" : "+v"(v));
#elif defined(__SSE2__)
    __asm__ volatile("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__ volatile("" : "+w"(v));
#endif
    return v;
}

FC_INLINE ivec NAME(iota)(void)
{
    ivec v;
    FC_UNROLL for (int i = 0; i < LANES; i++) v[i] = i;
    return v;
}

#ifdef FC_PARTIAL_LOADS
#if defined(FC_AVX512)
typedef unsigned NAME(lanes);
#else
typedef ivec NAME(lanes);
#endif

/* The lanes i whose element at + i is one of 0 ... length - 1. */
FC_INLINE NAME(lanes) NAME(within)(ptrdiff_t at, ptrdiff_t length)
{
    ptrdiff_t low = at < 0 ? -at : 0, high = length > at ? length - at : 0;
    if (low > LANES) low = LANES;
    if (high > LANES) high = LANES;
#if defined(FC_AVX512)
    return ((1u << high) - 1) & (~0u << low);
#else
    const ivec lane = NAME(iota)();
    return (lane >= (INT)low) & (lane < (INT)high);
#endif
}

/* Memory of other lanes is not touched. */
FC_INLINE vec NAME(load_lanes)(const REAL *p, NAME(lanes) lanes)
{
#if defined(FC_AVX512)
    return (vec)MM(maskz_loadu)((MM_MASK)lanes, p);
#else
    return (vec)MM(maskload)(p, (MM_INT)lanes);
#endif
}
#endif

/* The first n lanes (0 < n <= LANES): never touches memory past them. */
FC_INLINE vec NAME(load_first)(const REAL *p, ptrdiff_t n)
{
#if defined(FC_AVX512)
    return (vec)MM(maskz_loadu)((MM_MASK)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return (vec)MM(maskload)(p, (MM_INT)(NAME(iota)() < (INT)n));
#else
    if (n == LANES) return NAME(load)(p);
    vec v = {0};
    for (ptrdiff_t i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

/* AVX2's stores in part are slow on some processors. */
FC_INLINE void NAME(save_first)(REAL *p, vec v, ptrdiff_t n)
{
#if defined(FC_AVX512)
    MM(mask_storeu)(p, (MM_MASK)((1u << n) - 1), (MM_TYPE)v);
#elif defined(__AVX2__) && BITS == 32
    __m128 part = _mm256_castps256_ps128((__m256)v);
    if (n & 8) _mm256_storeu_ps(p, (__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, part);
#elif defined(__AVX2__)
    __m128d part = _mm256_castpd256_pd128((__m256d)v);
    if (n & 4) _mm256_storeu_pd(p, (__m256d)v);
    if (n & 2) {
        _mm_storeu_pd(p, part);
        part = _mm256_extractf128_pd((__m256d)v, 1);
        p += 2;
    }
    if (n & 1) _mm_store_sd(p, part);
#else
    if (n == LANES) { NAME(save)(p, v); return; }
    for (ptrdiff_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

FC_INLINE vec NAME(select)(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* The larger and the smaller, or b where either is NaN. */
FC_INLINE vec NAME(larger)(vec a, vec b)
{
#ifdef MM
    return (vec)MM(max)((MM_TYPE)a, (MM_TYPE)b);
#else
    return NAME(select)(a > b, a, b);
#endif
}
FC_INLINE vec NAME(smaller)(vec a, vec b)
{
#ifdef MM
    return (vec)MM(min)((MM_TYPE)a, (MM_TYPE)b);
#else
    return NAME(select)(a < b, a, b);
#endif
}

/* NaN passes through. */
FC_INLINE vec NAME(clip)(vec v, vec lo, vec hi)
{
    return NAME(smaller)(hi, NAME(larger)(lo, v));
}

/* Lanes of a (0 ... LANES - 1) and b (from LANES on). Clang has no shuffle by a vector of
 * indices, but makes one of the loop, whose indices are constants after unrolling. */
FC_INLINE vec NAME(shuffle)(vec a, vec b, ivec index)
{
#ifdef __clang__
    vec v;
    FC_UNROLL for (int i = 0; i < LANES; i++)
        v[i] = index[i] < LANES ? a[index[i]] : b[index[i] - LANES];
    return v;
#else
    return __builtin_shuffle(a, b, index);
#endif
}

/* Of each 2h lanes of a and of b their first halves, or their second ones. */
FC_INLINE vec NAME(halves)(vec a, vec b, const int h, const int second)
{
    const ivec lane = NAME(iota)();
    return NAME(shuffle)(a, b, lane + (lane & h) / h * (LANES - h) + second * h);
}

/* LANES vectors as a matrix, transposed in registers. */
FC_INLINE void NAME(turn)(vec *v)
{
    FC_UNROLL for (int h = LANES / 2; h > 0; h /= 2)
        FC_UNROLL for (int i = 0; i < LANES; i++)
            if (!(i & h)) {
                const vec a = v[i], b = v[i + h];
                v[i] = NAME(halves)(a, b, h, 0);
                v[i + h] = NAME(halves)(a, b, h, 1);
            }
}
