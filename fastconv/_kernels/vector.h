/* What depends on the instruction set: the vector's size and the tile's shape. */
#ifndef FASTCONV_VECTOR_H
#define FASTCONV_VECTOR_H
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* The level avx512, with or without such a processor. */
#if defined(__AVX512F__)
#define FC_AVX512
#elif defined(FC_EMULATE_AVX512)
#define FC_AVX512
#include "emulated_avx512.h"
#endif

/* `igemm_pixels` of FC_IGEMM_PIXELS_CHANNELS channels by three vectors leaves room for three
 * vectors of input and one broadcast weight: 24 + 4 of 32 registers, or 12 + 4 of 16.
 * A full tile of FC_FULL pixels by two vectors leaves room for two vectors of
 * weights and one broadcast scalar: 28 + 3 of 32 registers, or 12 + 3 of 16.
 * Four rows of FC_DWCONV_VECTORS leave room for three weights and as many vectors of input:
 * 16 + 3 + 4 of 32 registers, or 8 + 3 + 2 of 16.
 * Two tiles of `cgemm` by FC_CGEMM_FILTERS filters take 16 + 6 of 32 registers, or 8 + 4 of 16.
 * FC_BACKWARD_FILTERS filters by FC_BACKWARD_TAPS taps take 27 + 3 + 1 of 32 registers, or
 * 12 + 3 + 1 of 16 (9 + 3 + 2 where a product and a sum are two instructions). */
#if defined(FC_AVX512)
#define FC_VECTOR_BYTES 64
#define FC_REGISTERS 32
#define FC_HALF 7
#define FC_FULL 14
#define FC_IGEMM_PIXELS_CHANNELS 8
#define FC_DWCONV_VECTORS 4
#define FC_CGEMM_FILTERS 4
#define FC_BACKWARD_TAPS 9
#elif defined(__AVX2__)
#define FC_VECTOR_BYTES 32
#define FC_REGISTERS 16
#define FC_HALF 3
#define FC_FULL 6
#define FC_IGEMM_PIXELS_CHANNELS 4
#define FC_DWCONV_VECTORS 2
#define FC_CGEMM_FILTERS 2
#define FC_BACKWARD_TAPS 4
#elif defined(__aarch64__)
#define FC_VECTOR_BYTES 16
#define FC_REGISTERS 32
#define FC_HALF 7
#define FC_FULL 14
#define FC_IGEMM_PIXELS_CHANNELS 8
#define FC_DWCONV_VECTORS 4
#define FC_CGEMM_FILTERS 4
#define FC_BACKWARD_TAPS 9
#else
#define FC_VECTOR_BYTES 16
#define FC_REGISTERS 16
#define FC_HALF 3
#define FC_FULL 6
#define FC_IGEMM_PIXELS_CHANNELS 4
#define FC_DWCONV_VECTORS 2
#define FC_CGEMM_FILTERS 2
#define FC_BACKWARD_TAPS 3
#endif

/* Whether vectors can be loaded in part, for about what whole ones cost. */
#if defined(FC_AVX512) || defined(__AVX2__)
#define FC_PARTIAL_LOADS
#endif

#define FC_INLINE static inline __attribute__((always_inline))
/* f32_name of name, and name_4x2v of a kernel whose tile is 4 by two vectors. */
#define FC_NAME_(bits, base) f##bits##_##base
#define FC_NAME(bits, base) FC_NAME_(bits, base)
#define FC_TILE_(base, rows, vectors) base##_##rows##x##vectors##v
#define FC_TILE(base, rows, vectors) FC_TILE_(base, rows, vectors)
#define FC_BY_(a, b) a##x##b
#define FC_BY(a, b) FC_BY_(a, b)
#define FC_PASTE_(a, b) a##_##b
#define FC_PASTE(a, b) FC_PASTE_(a, b)
#define FC_PASTE3_(a, b, c) a##_##b##_##c
#define FC_PASTE3(a, b, c) FC_PASTE3_(a, b, c)
#define FC_INT_(bits) int##bits##_t
#define FC_INT(bits) FC_INT_(bits)
#ifdef __clang__
#define FC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FC_UNROLL _Pragma("GCC unroll 16")
#endif

/* The loop reads ahead of what it writes, in place: vectors see what scalars would. */
#ifdef __clang__
#define FC_IN_PLACE _Pragma("clang loop vectorize(assume_safety)")
#else
#define FC_IN_PLACE _Pragma("GCC ivdep")
#endif

#endif
