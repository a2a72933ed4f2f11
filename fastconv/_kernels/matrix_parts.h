/* float32 in parts of bfloat16, rounded to the nearest. Loops that the compiler vectorises. */
#include <stdint.h>

#include "matrix.h"
#include "vector.h"

typedef float fc_float __attribute__((may_alias));
typedef uint32_t fc_bits __attribute__((may_alias));

FC_INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

FC_INLINE float float_of(uint32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearest bfloat16, halves to even, as the float32 that it stands for. */
FC_INLINE uint32_t nearest(uint32_t bits)
{
    return (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
}

FC_INLINE uint32_t beyond(uint32_t bits)
{
    const uint32_t magnitude = bits & 0x7fffffffu;
    return magnitude - FC_MATRIX_LEAST > FC_MATRIX_MOST - FC_MATRIX_LEAST ? magnitude : 0;
}

static int split(ptrdiff_t n, const void *x_, void *high_, void *low_)
{
    const fc_float *restrict x = x_;
    uint16_t *restrict high = high_, *restrict low = low_;
    uint32_t bad = 0;
    if (!low) {
        for (ptrdiff_t i = 0; i < n; i++) {
            const uint32_t bits = bits_of(x[i]);
            bad |= beyond(bits);
            high[i] = (uint16_t)(nearest(bits) >> 16);
        }
        return bad != 0;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint32_t bits = bits_of(x[i]), near = nearest(bits);
        bad |= beyond(bits);
        high[i] = (uint16_t)(near >> 16);
        low[i] = (uint16_t)(nearest(bits_of(x[i] - float_of(near))) >> 16);
    }
    return bad != 0;
}

static void split_pairs(const void *first_, const void *second_, void *high_, void *low_,
                        void *largest_)
{
    const fc_float *restrict first = first_, *restrict second = second_;
    fc_bits *restrict high = high_, *restrict low = low_, *restrict largest = largest_;
    for (int i = 0; i < FC_MATRIX; i++) {
        const uint32_t x = bits_of(first[i]), y = bits_of(second[i]);
        const uint32_t a = x & 0x7fffffffu, b = y & 0x7fffffffu, most = a > b ? a : b;
        largest[i] = largest[i] > most ? largest[i] : most;
        high[i] = nearest(x) >> 16 | nearest(y);
    }
    if (!low) return;
    for (int i = 0; i < FC_MATRIX; i++)
        low[i] = nearest(bits_of(first[i] - float_of(nearest(bits_of(first[i]))))) >> 16
               | nearest(bits_of(second[i] - float_of(nearest(bits_of(second[i])))));
}
