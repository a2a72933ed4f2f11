/* What depends on the instruction set: the vector's size and the tile's shape. */
#ifndef FASTCONV_VECTOR_H
#define FASTCONV_VECTOR_H
#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

/* `rows` of FC_ROW_CHANNELS channels by three vectors leaves room for three vectors of input
 * and one broadcast weight: 24 + 4 of 32 registers, or 12 + 4 of 16.
 * A full tile of 2 * FC_HALF pixels by two vectors leaves room for two vectors of
 * weights and one broadcast scalar: 28 + 3 of 32 registers, or 12 + 3 of 16.
 * Four rows of FC_COLUMN_VECTORS leave room for three weights and as many vectors of input:
 * 16 + 3 + 4 of 32 registers, or 8 + 3 + 2 of 16.
 * Two tiles of spectra by FC_SPECTRA filters take 16 + 6 of 32 registers, or 8 + 4 of 16.
 * Three planes by FC_LAGS lags take 27 + 3 + 1 of 32 registers, or 12 + 3 + 1 of 16 (9 + 3 + 2
 * where a product and a sum are two instructions). */
#if defined(__AVX512F__)
#define FC_VECTOR_BYTES 64
#define FC_HALF 7
#define FC_ROW_CHANNELS 8
#define FC_COLUMN_VECTORS 4
#define FC_SPECTRA 4
#define FC_LAGS 9
#elif defined(__AVX2__)
#define FC_VECTOR_BYTES 32
#define FC_HALF 3
#define FC_ROW_CHANNELS 4
#define FC_COLUMN_VECTORS 2
#define FC_SPECTRA 2
#define FC_LAGS 4
#elif defined(__aarch64__)
#define FC_VECTOR_BYTES 16
#define FC_HALF 7
#define FC_ROW_CHANNELS 8
#define FC_COLUMN_VECTORS 4
#define FC_SPECTRA 4
#define FC_LAGS 9
#else
#define FC_VECTOR_BYTES 16
#define FC_HALF 3
#define FC_ROW_CHANNELS 4
#define FC_COLUMN_VECTORS 2
#define FC_SPECTRA 2
#define FC_LAGS 3
#endif

/* Whether vectors can be loaded in part, for about what whole ones cost. */
#if defined(__AVX512F__) || defined(__AVX2__)
#define FC_PARTS
#endif

#define FC_INLINE static inline __attribute__((always_inline))
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

#endif
