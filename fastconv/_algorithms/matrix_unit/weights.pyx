"""Weights, packed in the order in which tiles of them are loaded (see `packed_at`).

Of each chunk of channels and block of output channels that is [step][part][two tiles][element][channel],
where zeros fill up the last steps of a run and the last tiles.
"""
cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._algorithms.matrix_unit.types cimport (
    TILE_BYTES, WIDTH, Layout, chunk_channels, packed_at, packed_bytes, runs_of, steps_of_run,
)
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport FC_BF16, FC_BF16X3, FC_MATRIX

cdef enum:
    MIN_PARALLEL = 1 << 16  # weights that are worth threads

cdef float LEAST_WEIGHT = 9.3132257e-10  # 2^-30, of a filter's largest: see matrix.h
cdef float MOST_WEIGHT = 1.1258999e15     # 2^50

# What tasks that pack weights read.
cdef struct Packing:
    const Layout *layout
    const float *weight         # (output channels, channels of a group, taps)
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
    memset(turned, 0, packing.scratch_size)
    layout.kernels.transpose(n, taps, packing.weight + (
        group * layout.out_channels + k * WIDTH) * taps, taps, turned, WIDTH)
    if layout.kind == FC_BF16X3 or layout.kind == FC_BF16:
        if not is_trusted(turned, taps):
            packing.refused[0] = 1
    for chunk in range(layout.chunks):
        pack_chunk(layout, turned, taps, chunk_channels(layout, chunk), chunk * layout.chunk,
                   packing.packed + packed_at(layout, group, chunk, k))


cdef bint is_trusted(const float *turned, Py_ssize_t taps) noexcept nogil:
    """Whether each filter's largest weight is in range, or zero."""
    cdef float[WIDTH] largest
    cdef Py_ssize_t t, k
    cdef float magnitude
    cdef bint trusted = True
    memset(largest, 0, sizeof(largest))
    for t in range(taps):
        for k in range(WIDTH):
            magnitude = turned[t * WIDTH + k]
            magnitude = -magnitude if magnitude < 0 else magnitude
            trusted = trusted and magnitude <= MOST_WEIGHT  # and a number
            largest[k] = magnitude if magnitude > largest[k] else largest[k]
    for k in range(WIDTH):
        trusted = trusted and (largest[k] == 0 or largest[k] >= LEAST_WEIGHT)
    return trusted


cdef void pack_chunk(const Layout *layout, const float *turned, Py_ssize_t taps,
                            Py_ssize_t channels, Py_ssize_t first, char *out) noexcept nogil:
    """Runs of a chunk: the channels of a tap, or of a row of taps one after the other."""
    cdef Py_ssize_t runs = runs_of(layout), row = layout.spatial_taps // runs, run, number
    cdef Py_ssize_t steps = steps_of_run(layout, channels), n = channels * row, c, t
    cdef Py_ssize_t size = steps * layout.parts * 2 * TILE_BYTES
    cdef Py_ssize_t pair = layout.step_channels // FC_MATRIX
    cdef const float *first_row
    cdef const float *zeros = turned + taps * WIDTH
    cdef const float *second_row
    memset(out, 0, runs * size)
    for run in range(runs):
        number = 0
        while number < n:
            t, c = run * row + number // channels, first + number % channels
            first_row = turned + (c * layout.spatial_taps + t) * WIDTH
            second_row = zeros
            if pair == 2 and number + 1 < n:
                t, c = run * row + (number + 1) // channels, first + (number + 1) % channels
                second_row = turned + (c * layout.spatial_taps + t) * WIDTH
            put_element(layout, first_row, second_row, number // pair, out + run * size)
            number += pair


cdef void put_element(const Layout *layout, const float *first, const float *second,
                             Py_ssize_t element, char *out) noexcept nogil:
    """An element of both tiles, in its step and row."""
    cdef Py_ssize_t tile, row = FC_MATRIX * sizeof(float), low = 2 * TILE_BYTES
    out += element // FC_MATRIX * layout.parts * 2 * TILE_BYTES + element % FC_MATRIX * row
    for tile in range(2):
        if layout.parts == 2:
            layout.matrix.split_pairs(FC_MATRIX, first, second, out, out + low)
        elif layout.step_channels == 2 * FC_MATRIX:
            layout.matrix.split_pairs(FC_MATRIX, first, second, out, NULL)
        else:
            memcpy(out, first, row)
        first, second, out = first + FC_MATRIX, second + FC_MATRIX, out + TILE_BYTES
