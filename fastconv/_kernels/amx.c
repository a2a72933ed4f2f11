/* Products by AMX, as an extension module: tiles of 16 pixels by 16 channels stay in four of the eight
 * tile registers, the others hold what is multiplied. A product of tiles takes 16 cycles however many
 * of its rows are used; loads of tiles go on meanwhile.
 *
 * The processor keeps tiles from a thread that has not asked for them, see dispatch.pyx. */
#include <immintrin.h>
#include <string.h>

#include "matrix.h"
#include "matrix_parts.h"

enum { TILE = FC_MATRIX * FC_MATRIX * 4 }; /* bytes */

/* Eight tiles of 16 rows of 64 bytes. */
static void begin(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = FC_MATRIX;
    }
    __asm__ volatile("" ::: "memory"); /* GCC 12 knows of eight bytes that are read */
    _tile_loadconfig(&config);
}

static void end(void) { _tile_release(); }

/* Part i of eight of what the next step takes: the loads of tiles alone leave it in the second-level
 * cache for too long, above all where another thread shares the core. */
FC_INLINE void fetch(const char *w, const int lines)
{
    FC_UNROLL for (int i = 0; i < lines; i++) __builtin_prefetch(w + i * 64, 0, 3);
}
#define FETCH(i) fetch(w + parts * 2 * TILE * (8 + (i)) / 8, parts * 2 * TILE / 64 / 8);

/* Sums of tile i of pixels and tile h of channels are in register 2 i + h; pixels in 4 and 5,
 * weights in 6 and 7. A macro, since registers are numbers. With bf16x3 and all tiles an iteration should
 * be 8 loads and 12 products. */
#define STEP(DOT, pixels, weights)                                                             \
    FETCH(0)                                                                                   \
    _tile_loadd(4, (pixels), row);                                                             \
    _tile_loadd(6, (weights), 64);                                                             \
    DOT(0, 4, 6);                                                                              \
    FETCH(1)                                                                                   \
    if (halves > 1) {                                                                          \
        _tile_loadd(7, (weights) + TILE, 64);                                                  \
        DOT(1, 4, 7);                                                                          \
    }                                                                                          \
    FETCH(2)                                                                                   \
    if (tiles > 1) {                                                                           \
        _tile_loadd(5, (pixels) + second, row);                                                \
        DOT(2, 5, 6);                                                                          \
        if (halves > 1) DOT(3, 5, 7);                                                          \
    }

/* The same pixels with other weights, and the same weights with other pixels. */
#define OTHER_WEIGHTS(DOT, weights)                                                            \
    _tile_loadd(6, (weights), 64);                                                             \
    DOT(0, 4, 6);                                                                              \
    if (tiles > 1) DOT(2, 5, 6);                                                               \
    if (halves > 1) {                                                                          \
        _tile_loadd(7, (weights) + TILE, 64);                                                  \
        DOT(1, 4, 7);                                                                          \
        if (tiles > 1) DOT(3, 5, 7);                                                           \
    }
#define OTHER_PIXELS(DOT, pixels)                                                              \
    _tile_loadd(4, (pixels), row);                                                             \
    DOT(0, 4, 6);                                                                              \
    if (halves > 1) DOT(1, 4, 7);                                                              \
    if (tiles > 1) {                                                                           \
        _tile_loadd(5, (pixels) + second, row);                                                \
        DOT(2, 5, 6);                                                                          \
        if (halves > 1) DOT(3, 5, 7);                                                          \
    }

#define PRODUCT(name, DOT, parts_, planes, tiles_, halves_)                                    \
    static void name##_##tiles_##x##halves_(                                                   \
        ptrdiff_t steps, const ptrdiff_t *offset, const char *x, const ptrdiff_t *tile,        \
        ptrdiff_t row, ptrdiff_t low, const void *w_, void *out, ptrdiff_t out_row, int more)  \
    {                                                                                          \
        enum { parts = parts_, tiles = tiles_, halves = halves_ };                             \
        const ptrdiff_t next_tile = planes ? 64 : FC_MATRIX * out_row;                         \
        const ptrdiff_t next_half = planes ? FC_MATRIX * out_row : 64;                         \
        const ptrdiff_t second = tiles > 1 ? tile[1] - tile[0] : 0;                            \
        const char *w = w_;                                                                    \
        char *to = out;                                                                        \
        (void)second;                                                                          \
        (void)low;                                                                             \
        (void)next_tile;                                                                       \
        (void)next_half;                                                                       \
        x += tile[0];                                                                          \
        if (more) {                                                                            \
            _tile_loadd(0, to, out_row);                                                       \
            if (halves > 1) _tile_loadd(1, to + next_half, out_row);                           \
            if (tiles > 1) _tile_loadd(2, to + next_tile, out_row);                            \
            if (tiles * halves > 2) _tile_loadd(3, to + next_tile + next_half, out_row);       \
        } else {                                                                               \
            _tile_zero(0);                                                                     \
            if (halves > 1) _tile_zero(1);                                                     \
            if (tiles > 1) _tile_zero(2);                                                      \
            if (tiles * halves > 2) _tile_zero(3);                                             \
        }                                                                                      \
        for (ptrdiff_t t = 0; t < steps; t++) {                                                \
            const char *high = x + offset[t];                                                  \
            if (parts == 2) {                                                                  \
                STEP(DOT, high + low, w)                                                       \
                FETCH(3)                                                                       \
                OTHER_PIXELS(DOT, high)                                                        \
                FETCH(4)                                                                       \
                FETCH(5)                                                                       \
                OTHER_WEIGHTS(DOT, w + 2 * TILE)                                               \
                FETCH(6)                                                                       \
                FETCH(7)                                                                       \
            } else {                                                                           \
                STEP(DOT, high, w)                                                             \
                FETCH(3)                                                                       \
                FETCH(4)                                                                       \
                FETCH(5)                                                                       \
                FETCH(6)                                                                       \
                FETCH(7)                                                                       \
            }                                                                                  \
            w += parts * 2 * TILE;                                                             \
        }                                                                                      \
        _tile_stored(0, to, out_row);                                                          \
        if (halves > 1) _tile_stored(1, to + next_half, out_row);                              \
        if (tiles > 1) _tile_stored(2, to + next_tile, out_row);                               \
        if (tiles * halves > 2) _tile_stored(3, to + next_tile + next_half, out_row);          \
    }
#define PRODUCTS(name, DOT, parts, planes)                                                     \
    PRODUCT(name, DOT, parts, planes, 1, 1)                                                    \
    PRODUCT(name, DOT, parts, planes, 1, 2)                                                    \
    PRODUCT(name, DOT, parts, planes, 2, 1)                                                    \
    PRODUCT(name, DOT, parts, planes, 2, 2)
PRODUCTS(bf16x3, _tile_dpbf16ps, 2, 0)
PRODUCTS(bf16, _tile_dpbf16ps, 1, 0)
PRODUCTS(bytes, _tile_dpbusd, 1, 0)
PRODUCTS(signed_bytes, _tile_dpbssd, 1, 0)

/* Of planes weights are the first operand. */
#define BF16(sum, pixels, weights) _tile_dpbf16ps(sum, weights, pixels)
#define BYTES(sum, pixels, weights) _tile_dpbsud(sum, weights, pixels)
#define SIGNED_BYTES(sum, pixels, weights) _tile_dpbssd(sum, weights, pixels)
PRODUCTS(bf16x3_planes, BF16, 2, 1)
PRODUCTS(bf16_planes, BF16, 1, 1)
PRODUCTS(bytes_planes, BYTES, 1, 1)
PRODUCTS(signed_bytes_planes, SIGNED_BYTES, 1, 1)

#define ALL(name) {{name##_1x1, name##_1x2}, {name##_2x1, name##_2x2}}
static fc_matrix offered = {
    512, begin, end, {ALL(bf16x3), ALL(bf16), ALL(bytes), ALL(signed_bytes)},
    {ALL(bf16x3_planes), ALL(bf16_planes), ALL(bytes_planes), ALL(signed_bytes_planes)},
    split, split_planes, split_pairs,
};

#define FC_OFFER_LEVEL avx512_amx
#define FC_OFFER_NAME "fastconv.matrix"
#include "offer.h"
