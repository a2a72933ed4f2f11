"""Weights, packed in the order in which tiles of them are loaded (see `packed_at`).

Of each chunk of channels and block of output channels that is [step][part][two
tiles][element][channel], or [channel][element] for planes, where zeros fill up the last steps of a
run and the last tiles.
"""
cimport numpy as cnp
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from fastconv._algorithms.matrix_unit.types cimport (
    TILE_BYTES, WIDTH, Layout, chunk_channels, packed_at, runs_of, steps_of_run,
)
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport FC_MATRIX

cdef enum:
    MIN_PARALLEL = 1 << 16     # weights that are worth threads
    # Bits of 2^-30 and 2^50, between which a filter's largest weight is: see matrix.h.
    LEAST_WEIGHT = 0x30800000
    MOST_WEIGHT = 0x58800000

# What tasks that pack weights read.
cdef struct Packing:
    const Layout *layout
    const float *weight         # (filters, channels of a group, taps)
    char *packed
    char *scratch               # a block's weights, [channel][tap][output channel], for each thread
    Py_ssize_t scratch_size
    char *refused               # set where a filter's largest weight is out of range


cdef bint pack_weights(const Layout *layout, cnp.ndarray weight, Scratch packed,
                       int threads) except -1:
    """Pack contiguous weights, by what the pass writes and reads; whether all can be trusted."""
    cdef Packing packing
    cdef char refused = 0
    cdef Scratch scratch
    packing.layout = layout
    packing.weight = <const float *>cnp.PyArray_DATA(weight)
    packing.packed, packing.refused = packed.data, &refused
    packing.scratch_size = (layout.in_channels * layout.spatial_taps + 1) * WIDTH * sizeof(float)
    threads = threads if cnp.PyArray_SIZE(weight) > MIN_PARALLEL else 1
    scratch = acquire(packing.scratch_size * threads)
    packing.scratch = scratch.data
    parallel_for(pack_task, &packing, layout.groups * layout.channel_blocks, threads, 0.0)
    return not refused


cdef void pack_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """A block of output channels of a group."""
    cdef const Packing *packing = <const Packing *>context
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t group = task // layout.channel_blocks, k = task % layout.channel_blocks
    cdef Py_ssize_t taps = layout.in_channels * layout.spatial_taps, chunk
    cdef Py_ssize_t n = min(<Py_ssize_t>WIDTH, layout.out_channels - k * WIDTH)
    cdef float *turned = <float *>(packing.scratch + thread * packing.scratch_size)
    cdef uint32_t[WIDTH] largest
    memset(largest, 0, sizeof(largest))
    memset(turned + taps * WIDTH, 0, WIDTH * sizeof(float))  # of elements that have no second
    if n < WIDTH:
        memset(turned, 0, taps * WIDTH * sizeof(float))
    turn_weights(packing, group, k * WIDTH, n, turned)
    for chunk in range(layout.chunks):
        pack_chunk(layout, turned, chunk_channels(layout, chunk), chunk * layout.chunk,
                   packing.packed + packed_at(layout, group, chunk, k), largest)
    for k in range(WIDTH):
        if largest[k] != 0 and not LEAST_WEIGHT <= largest[k] <= MOST_WEIGHT:
            packing.refused[0] = 1


cdef inline void turn_weights(const Packing *packing, Py_ssize_t group, Py_ssize_t first,
                              Py_ssize_t n, float *turned) noexcept nogil:
    """[channel][tap][output channel] of n output channels from `first` on."""
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t taps = layout.spatial_taps, size = layout.in_channels * taps
    cdef const float *weight = packing.weight + group * layout.out_channels * size
    if not layout.backward:
        layout.kernels.transpose(n, size, weight + first * size, size, turned, WIDTH)
        return
    for _ in range(layout.in_channels):  # filters, whose channels are the output's
        if taps == 1:
            memcpy(turned, weight + first, n * sizeof(float))
        else:
            layout.kernels.transpose(n, taps, weight + first * taps, taps, turned, WIDTH)
        weight += layout.out_channels * taps
        turned += taps * WIDTH


cdef void pack_chunk(const Layout *layout, const float *turned, Py_ssize_t channels,
                     Py_ssize_t first, char *out, uint32_t *largest) noexcept nogil:
    """Runs of a chunk: the channels of a tap, or of a row of taps one after the other."""
    cdef Py_ssize_t runs = runs_of(layout), row = layout.spatial_taps // runs, run, n = 0
    cdef Py_ssize_t size = steps_of_run(layout, channels) * layout.parts * 2 * TILE_BYTES
    cdef Py_ssize_t channel = layout.spatial_taps * WIDTH, tap, parts = layout.parts
    cdef bint pairs = layout.step_channels == 2 * FC_MATRIX
    cdef bint reversed = layout.g.flip != layout.backward
    cdef const float *one
    cdef const float *waiting
    cdef const float *zeros = turned + layout.in_channels * channel
    turned += first * channel
    for run in range(runs):
        memset(out, 0, size)
        n, waiting = 0, NULL
        for tap in range(run * row, (run + 1) * row):
            one = turned + (layout.spatial_taps - 1 - tap if reversed else tap) * WIDTH
            for _ in range(channels):
                if pairs and waiting == NULL:
                    waiting = one
                else:
                    put_element(layout, waiting if pairs else one, one, element_at(n, parts, out),
                                largest)
                    waiting = NULL
                    n += 1
                one += channel
        if waiting != NULL:
            put_element(layout, waiting, zeros, element_at(n, parts, out), largest)
        if layout.planes:
            turn_tiles(layout, size // TILE_BYTES, <float *>out)
        out += size


cdef inline void turn_tiles(const Layout *layout, Py_ssize_t tiles, float *tile) noexcept nogil:
    """Rows of elements of a channel in place of rows of channels."""
    cdef float[FC_MATRIX * FC_MATRIX] turned
    for _ in range(tiles):
        layout.kernels.transpose(FC_MATRIX, FC_MATRIX, tile, FC_MATRIX, turned, FC_MATRIX)
        memcpy(tile, turned, TILE_BYTES)
        tile += FC_MATRIX * FC_MATRIX


cdef inline char *element_at(Py_ssize_t n, Py_ssize_t parts, char *out) noexcept nogil:
    """Where element n of a run goes: to a row of its step's first tile."""
    return (out + n // FC_MATRIX * parts * 2 * TILE_BYTES
            + n % FC_MATRIX * FC_MATRIX * sizeof(float))


cdef inline void put_element(const Layout *layout, const float *first, const float *second,
                             char *out, uint32_t *largest) noexcept nogil:
    """An element of both tiles, its parts in their own; bytes are in one already."""
    cdef Py_ssize_t low = 2 * TILE_BYTES
    for _ in range(2):
        if layout.step_channels == 2 * FC_MATRIX:
            layout.matrix.split_pairs(first, second, out, out + low if layout.parts == 2 else NULL,
                                      largest)
        else:
            memcpy(out, first, FC_MATRIX * sizeof(float))
        first, second, largest = first + FC_MATRIX, second + FC_MATRIX, largest + FC_MATRIX
        out += TILE_BYTES
