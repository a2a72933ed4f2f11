/* The intrinsics that the kernels take from AVX-512, written out for processors with AVX2.
 *
 * The build option emulate_avx512 compiles the level avx512 with this: its vectors, tiles, tables and
 * masks, on a machine that has not its instructions. That is for tests of the sources of that level,
 * not for speed, and says nothing of what a compiler makes of them for such a processor.
 */
#ifndef FASTCONV_EMULATED_AVX512_H
#define FASTCONV_EMULATED_AVX512_H

#define LANE_LOOP for (int i = 0; i < (int)(sizeof v / sizeof *p); i++)

#define EMULATE(suffix, TYPE, INT_TYPE, REAL, INT)                                               \
    typedef INT ints_##suffix __attribute__((vector_size(sizeof(TYPE)), may_alias));             \
    static inline TYPE mask_loadu_##suffix(TYPE v, unsigned mask, const REAL *p)                 \
    {                                                                                            \
        LANE_LOOP if (mask >> i & 1) v[i] = p[i];                                                \
        return v;                                                                                \
    }                                                                                            \
    static inline TYPE maskz_loadu_##suffix(unsigned mask, const REAL *p)                        \
    {                                                                                            \
        return mask_loadu_##suffix((TYPE){0}, mask, p);                                          \
    }                                                                                            \
    static inline void mask_storeu_##suffix(REAL *p, unsigned mask, TYPE v)                      \
    {                                                                                            \
        LANE_LOOP if (mask >> i & 1) p[i] = v[i];                                                \
    }                                                                                            \
    static inline TYPE maskz_mov_##suffix(unsigned mask, TYPE v)                                 \
    {                                                                                            \
        const REAL *p = (const REAL *)&v;                                                        \
        LANE_LOOP if (!(mask >> i & 1)) v[i] = 0;                                                \
        (void)p;                                                                                 \
        return v;                                                                                \
    }                                                                                            \
    static inline TYPE permutex2var_##suffix(TYPE a, INT_TYPE index, TYPE b)                     \
    {                                                                                            \
        return (TYPE)__builtin_shuffle(a, b, (ints_##suffix)index);                              \
    }                                                                                            \
    static inline unsigned unordered_##suffix(TYPE v, TYPE b)                                    \
    {                                                                                            \
        const REAL *p = (const REAL *)&v;                                                        \
        unsigned mask = 0;                                                                       \
        LANE_LOOP mask |= (unsigned)(p[i] != p[i] || b[i] != b[i]) << i;                         \
        return mask;                                                                             \
    }                                                                                            \
    static inline TYPE max_##suffix(TYPE v, TYPE b)                                              \
    {                                                                                            \
        const REAL *p = (const REAL *)&b;                                                        \
        LANE_LOOP v[i] = v[i] > p[i] ? v[i] : p[i];                                              \
        return v;                                                                                \
    }                                                                                            \
    static inline TYPE min_##suffix(TYPE v, TYPE b)                                              \
    {                                                                                            \
        const REAL *p = (const REAL *)&b;                                                        \
        LANE_LOOP v[i] = v[i] < p[i] ? v[i] : p[i];                                              \
        return v;                                                                                \
    }
EMULATE(512_ps, __m512, __m512i, float, int)
EMULATE(512_pd, __m512d, __m512i, double, long long)
EMULATE(256_ps, __m256, __m256i, float, int)
EMULATE(256_pd, __m256d, __m256i, double, long long)
#undef EMULATE
#undef LANE_LOOP

#define _mm512_mask_loadu_ps mask_loadu_512_ps
#define _mm512_mask_loadu_pd mask_loadu_512_pd
#define _mm256_mask_loadu_ps mask_loadu_256_ps
#define _mm256_mask_loadu_pd mask_loadu_256_pd
#define _mm512_maskz_loadu_ps maskz_loadu_512_ps
#define _mm512_maskz_loadu_pd maskz_loadu_512_pd
#define _mm256_maskz_loadu_ps maskz_loadu_256_ps
#define _mm256_maskz_loadu_pd maskz_loadu_256_pd
#define _mm512_mask_storeu_ps mask_storeu_512_ps
#define _mm512_mask_storeu_pd mask_storeu_512_pd
#define _mm256_mask_storeu_ps mask_storeu_256_ps
#define _mm256_mask_storeu_pd mask_storeu_256_pd
#define _mm512_maskz_mov_ps maskz_mov_512_ps
#define _mm512_maskz_mov_pd maskz_mov_512_pd
#define _mm256_maskz_mov_ps maskz_mov_256_ps
#define _mm256_maskz_mov_pd maskz_mov_256_pd
#define _mm512_permutex2var_ps permutex2var_512_ps
#define _mm512_permutex2var_pd permutex2var_512_pd
#define _mm256_permutex2var_ps permutex2var_256_ps
#define _mm256_permutex2var_pd permutex2var_256_pd
#define _mm512_max_ps max_512_ps
#define _mm512_max_pd max_512_pd
#define _mm512_min_ps min_512_ps
#define _mm512_min_pd min_512_pd
#undef _mm512_cmp_ps_mask
#undef _mm512_cmp_pd_mask
#define _mm512_cmp_ps_mask(a, b, unordered) unordered_512_ps(a, b)
#define _mm512_cmp_pd_mask(a, b, unordered) unordered_512_pd(a, b)

#endif
