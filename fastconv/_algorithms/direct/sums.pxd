"""Sums: the kernels pass over the runs of a block, one block of output channels after the other.

`igemm` has strips of tiles, of two runs each, which share every chunk of weights; `igemm_pixels`
sums one run after the other. Where a run's pixels exceed the first-level cache, all channels meet
some of its taps before the next ones. Then sums go to their places in the result.
"""
from fastconv._algorithms.direct.blocks cimport BlockRef, Job
from fastconv._algorithms.direct.long_sums cimport LONG_SUM, carry
from fastconv._algorithms.direct.types cimport (
    CHUNK_TAPS, Layout, Phase, PixelRun, RUN_BLOCKS, RUN_TAPS, STRIP_TILES, tap_at,
)
from fastconv._algorithms.direct.weights cimport pack_taps
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.output cimport Output, store_tile
from fastconv._core.scratch cimport CACHE, fc_fetch
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport FC_SUM_BLOCK, fc_kernels, fc_output


cdef enum:
    MIN_SUMS = 7  # that a kernel needs to hide most of the latency of its multiply-adds
    MIN_PASSES = 6  # over weights, from which on the next ones are fetched

# A block of output channels of a group.
cdef struct ChannelRef:
    Py_ssize_t group, block, count
    Py_ssize_t first   # of all groups' channels
    Py_ssize_t place   # of the first in the result


cdef inline ChannelRef channels_of(const Job *job, Py_ssize_t group,
                                   Py_ssize_t number) noexcept nogil:
    """The channels of one block of a group."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t start = number * layout.width
    cdef ChannelRef channels
    channels.group, channels.block = group, number
    channels.count = min(layout.width, layout.out_channels - start)
    channels.first = group * layout.out_channels + start
    channels.place = channels.first * job.output.channel
    return channels


cdef inline const real_t *packed_weights(const Job *job, const ChannelRef *channels,
                                         const real_t *typed) noexcept nogil:
    """Those of a block of channels; `typed`: any pointer, which tells the elements' type."""
    cdef const Layout *layout = job.layout
    return (<const real_t *>job.packed) + (job.phase.packed + job.phase.taps * (
        channels.group * layout.padded_channels + channels.block * layout.width))


cdef inline void accumulate_channels(const Job *job, const BlockRef *block, Py_ssize_t group,
                                     Py_ssize_t channel_block, Py_ssize_t first, Py_ssize_t stop,
                                     const real_t *window) noexcept nogil:
    """One block of output channels of a group, for runs first … stop - 1: sum and store."""
    cdef const Layout *layout = job.layout
    cdef ChannelRef channels = channels_of(job, group, channel_block)
    cdef const real_t *weights = NULL
    if job.weights == NULL:
        weights = packed_weights(job, &channels, window)
    if not layout.by_pixels:
        sum_tiles(job, block, &channels, first, stop, window, weights)
    elif block.fuses:
        stream_pixels(job, block, &channels, first, stop, window, weights)
    else:
        sum_pixels(job, block, &channels, first, stop, window, weights)


# ---- pixels in the lanes ----

cdef inline Py_ssize_t pixel_vectors(const Layout *layout, Py_ssize_t pixels,
                                     int *kernel) noexcept nogil:
    """Vectors that a run fills, and the kernel for them; a single channel's have powers of two."""
    cdef Py_ssize_t vectors = 1
    while vectors * layout.kernels.lanes < pixels:  # a few steps cost less than a division
        vectors += 1
    kernel[0] = <int>vectors - 1
    if layout.pixels_kernel == 0:
        kernel[0] = 0
        while vectors > 1 << kernel[0]:
            kernel[0] += 1
        vectors = 1 << kernel[0]
    return vectors


cdef inline Py_ssize_t weights_ahead(const Job *job, const ChannelRef *channels, Py_ssize_t tap,
                                     Py_ssize_t most, Py_ssize_t passes) noexcept nogil:
    """Taps whose weights are fetched while so many tiles or runs pass over those before `tap`.

    At most `most`: of the rest, or of the next channels. Few passes would be held up by it, and
    runs that leave out taps may not need them.
    """
    if passes < MIN_PASSES or job.phase.trims:
        return 0
    if tap < job.phase.taps:
        return min(most, job.phase.taps - tap)
    return min(most, job.phase.taps) if channels.block + 1 < job.layout.channel_blocks else 0


cdef inline void accumulate_runs(const Job *job, const BlockRef *block, Py_ssize_t group,
                                 Py_ssize_t first, Py_ssize_t stop,
                                 const real_t *window) noexcept nogil:
    """All output channels of a group, one run after the other: sum and store.

    The pixels of some taps meet a block of channels after the other while they lie in the
    first-level cache.
    """
    cdef const Layout *layout = job.layout
    cdef real_t *sums = <real_t *>(block.scratch + job.schedule.sums_at)
    cdef Py_ssize_t room = layout.width * layout.run_pixels, low, high, i, part, channels
    # as many whose weights stay in the second-level cache from run to run
    cdef Py_ssize_t most = max(1, min(<Py_ssize_t>RUN_BLOCKS, CACHE // 2 // (
        layout.width * job.phase.taps * <Py_ssize_t>sizeof(real_t))))
    low = block.first_channels
    while low < block.end_channels:
        high = min(block.end_channels, low + most)
        for i in range(first, stop):
            for part in range(ceil_div(job.phase.taps, RUN_TAPS)):
                for channels in range(low, high):
                    accumulate_run(job, block, group, channels, &block.runs[i], part * RUN_TAPS,
                                   window, sums + (channels - low) * room)
        low = high


cdef inline void accumulate_run(const Job *job, const BlockRef *block, Py_ssize_t group,
                                Py_ssize_t number, const PixelRun *run, Py_ssize_t tap,
                                const real_t *window, real_t *sums) noexcept nogil:
    """RUN_TAPS taps of a run, for one block of channels; after the last, its sums are stored."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t taps = min(<Py_ssize_t>RUN_TAPS, job.phase.taps - tap), row
    cdef bint last = tap + taps == job.phase.taps
    cdef ChannelRef channels = channels_of(job, group, number)
    cdef fc_output out
    cdef int kernel
    row = pixel_vectors(layout, run.pixels, &kernel) * layout.kernels.lanes
    if last and block.fuses:
        out = output_of(job, &channels, run, window)
    layout.kernels.igemm_pixels[layout.pixels_kernel][kernel](
        taps, block.offset + tap, window + run.window,
        packed_weights(job, &channels, window) + tap * layout.width, sums,
        &out if last and block.fuses else NULL, tap > 0)
    if last and not block.fuses:
        store_run(job, block, &channels, run, sums, row)


cdef inline fc_output output_of(const Job *job, const ChannelRef *channels, const PixelRun *run,
                                const real_t *typed) noexcept nogil:
    """Where the sums of a run go from the registers; `typed` as above."""
    cdef const Output *output = &job.output
    cdef Py_ssize_t place = channels.place + run.place
    cdef fc_output out
    out.epilogue = output.epilogue
    out.y_row = output.channel
    out.channels, out.pixels = channels.count, run.pixels
    out.y = (<real_t *>output.data) + place
    out.bias = out.residual = NULL
    if output.bias != NULL:
        out.bias = (<const real_t *>output.bias) + channels.first
    if output.residual != NULL:
        out.residual = (<const real_t *>output.residual) + place
    return out


cdef inline void stream_pixels(const Job *job, const BlockRef *block, const ChannelRef *channels,
                               Py_ssize_t first, Py_ssize_t stop, const real_t *window,
                               const real_t *weights) noexcept nogil:
    """`igemm_pixels` whose sums go from the registers to the result."""
    cdef const Layout *layout = job.layout
    cdef const PixelRun *run
    cdef fc_output out
    cdef Py_ssize_t i, share = ceil_div(
        weights_ahead(job, channels, job.phase.taps, job.phase.taps, stop - first)
        * job.layout.width, max(stop - first, 1))
    cdef const real_t *ahead = weights + job.phase.taps * layout.width
    cdef int kernel
    for i in range(first, stop):
        run = &block.runs[i]
        out = output_of(job, channels, run, window)
        pixel_vectors(layout, run.pixels, &kernel)
        fc_fetch(ahead + (i - first) * share, share * sizeof(real_t))
        layout.kernels.igemm_pixels[layout.pixels_kernel][kernel](
            run.high - run.low, block.offset + run.low, window + run.window,
            weights + run.low * layout.width, block.scratch + job.schedule.tile_at, &out, False)


cdef inline Py_ssize_t piece_of(const Phase *phase, Py_ssize_t most) noexcept nogil:
    """Taps for one call of a kernel, counted among all: kernels cut sums from their first on."""
    return most if phase.cut == NULL else FC_SUM_BLOCK


cdef inline void sum_pixels(const Job *job, const BlockRef *block, const ChannelRef *channels,
                            Py_ssize_t first, Py_ssize_t stop, const real_t *window,
                            const real_t *weights) noexcept nogil:
    """`igemm_pixels` whose sums wait in a tile."""
    cdef const Layout *layout = job.layout
    cdef const PixelRun *run
    cdef real_t *tile = <real_t *>(block.scratch + job.schedule.tile_at)
    cdef real_t *totals = <real_t *>(block.scratch + job.schedule.total_at)
    cdef Py_ssize_t taps = job.phase.all_taps, i, tap, low, high, row
    cdef Py_ssize_t piece = piece_of(job.phase, LONG_SUM)
    cdef Py_ssize_t share = ceil_div(
        weights_ahead(job, channels, job.phase.taps, job.phase.taps, stop - first)
        * job.layout.width, max(stop - first, 1))
    cdef const real_t *ahead = weights + job.phase.taps * layout.width
    cdef int kernel
    for i in range(first, stop):
        run = &block.runs[i]
        fc_fetch(ahead + (i - first) * share, share * sizeof(real_t))
        row = pixel_vectors(layout, run.pixels, &kernel) * layout.kernels.lanes
        tap = 0
        while tap < taps or tap == 0:
            low, high = max(tap_at(job.phase, tap), run.low), tap_at(job.phase, tap + piece)
            layout.kernels.igemm_pixels[layout.pixels_kernel][kernel](
                max(min(high, run.high) - low, 0), block.offset + low, window + run.window,
                weights + low * layout.width, tile, NULL, tap % LONG_SUM > 0)
            tap += piece
            if tap % LONG_SUM == 0 or tap >= taps:
                carry(layout.kernels, (tap - 1) // LONG_SUM * LONG_SUM, taps, layout.width * row,
                      tile, totals)
        store_run(job, block, channels, run, tile, row)


cdef inline void store_run(const Job *job, const BlockRef *block, const ChannelRef *channels,
                           const PixelRun *run, real_t *tile, Py_ssize_t tile_row) noexcept nogil:
    """Store a run's sums, (channels, pixels); those of one line of all rows, row by row."""
    cdef const Output *output = &job.output
    cdef real_t *transposed = <real_t *>(block.scratch + job.schedule.transposed_at)
    cdef Py_ssize_t o = run.start, end = run.start + run.pixels, row, column, size
    cdef Py_ssize_t place = channels.place + run.place
    if not block.flat:
        store_tile(output, tile, tile_row, True, transposed, run.pixels, channels.count,
                   channels.first, place)
        return
    while o < end:
        row = o // block.pitch
        column = o - row * block.pitch
        if column >= block.count[2]:
            o = (row + 1) * block.pitch
            continue
        size = min(end - o, block.count[2] - column)
        store_tile(output, tile + (o - run.start), tile_row, True, transposed, size,
                   channels.count, channels.first,
                   place + row * job.phase.out_step[1] * output.axis[1] + column * output.pixel)
        o += size


# ---- output channels in the lanes ----

cdef inline void sum_tiles(const Job *job, const BlockRef *block, const ChannelRef *channels,
                           Py_ssize_t first, Py_ssize_t stop, const real_t *window,
                           const real_t *weights) noexcept nogil:
    """`igemm`, a strip of tiles after the other."""
    cdef Py_ssize_t strip, low, high
    cdef real_t *room
    if job.weights != NULL and job.layout.last_first:
        room = <real_t *>(block.scratch + job.schedule.weights_at)
        pack_taps(job.weights, job.phase, channels.group, channels.block, 0, job.phase.taps, room)
        weights = room
    for strip in range(ceil_div(stop - first, 2 * STRIP_TILES)):
        low = first + strip * 2 * STRIP_TILES
        high = min(stop, low + 2 * STRIP_TILES)
        sum_strip(job, block, channels, low, high, window, weights)
        store_strip(job, block, channels, low, high,
                    <real_t *>(block.scratch + job.schedule.tile_at))


cdef inline void sum_strip(const Job *job, const BlockRef *block, const ChannelRef *channels,
                           Py_ssize_t first, Py_ssize_t stop, const real_t *window,
                           const real_t *weights) noexcept nogil:
    """Runs first … stop - 1 share each chunk of weights while it lies in the first-level cache.

    Their sums so far wait in the tiles.
    """
    cdef const fc_kernels *kernels = job.layout.kernels
    cdef const Phase *phase = job.phase
    cdef real_t *tiles = <real_t *>(block.scratch + job.schedule.tile_at)
    cdef real_t *totals = <real_t *>(block.scratch + job.schedule.total_at)
    cdef real_t *room = <real_t *>(block.scratch + job.schedule.weights_at)
    cdef bint packs = job.weights != NULL and not job.layout.last_first
    cdef Py_ssize_t width = kernels.lanes * (2 if channels.count > kernels.lanes else 1)
    cdef Py_ssize_t sums = ceil_div(stop - first, 2) * 2 * kernels.half * width
    cdef Py_ssize_t chunk, tap, end, low, high, more
    for chunk in range(ceil_div(max(phase.all_taps, 1), CHUNK_TAPS)):
        tap = chunk * CHUNK_TAPS
        end = tap + CHUNK_TAPS
        low, high = tap_at(phase, tap), tap_at(phase, end)
        if packs:
            pack_taps(job.weights, phase, channels.group, channels.block, low, high - low, room)
            sum_chunk(job, block, first, stop, tap, 0, width, window, room, tiles)
        else:
            more = weights_ahead(job, channels, high, CHUNK_TAPS, ceil_div(stop - first, 2))
            sum_chunk(job, block, first, stop, tap, more, width, window, weights + low * width,
                      tiles)
        if end % LONG_SUM == 0 or end >= phase.all_taps:
            carry(kernels, tap // LONG_SUM * LONG_SUM, phase.all_taps, sums, tiles, totals)


cdef inline void sum_chunk(const Job *job, const BlockRef *block, Py_ssize_t first, Py_ssize_t stop,
                           Py_ssize_t tap, Py_ssize_t more, Py_ssize_t width,
                           const real_t *window, const real_t *weights,
                           real_t *tiles) noexcept nogil:
    """All tiles of a strip, over the chunk of `width` channels' weights from `tap` of all taps on.

    Those of `more` taps behind it are fetched meanwhile, a share with every tile: all at once would
    hold them up.
    """
    cdef const fc_kernels *kernels = job.layout.kernels
    cdef Py_ssize_t half = kernels.half * width, i
    cdef bint apart = job.phase.trims and kernels.half * (width // kernels.lanes) >= MIN_SUMS
    cdef int runs
    cdef Py_ssize_t share = ceil_div(more * width, ceil_div(stop - first, 2))
    cdef const real_t *ahead = weights + width * (
        tap_at(job.phase, tap + CHUNK_TAPS) - tap_at(job.phase, tap))
    for i in range(first, stop, 2):
        runs = 2 if i + 1 < stop else 1
        fc_fetch(ahead, share * sizeof(real_t))
        ahead += share
        if apart and runs == 2:  # each half leaves out taps of its own
            runs = 1
            sum_tile(job, block, &block.runs[i + 1], 1, tap, width, window, weights, tiles + half)
        sum_tile(job, block, &block.runs[i], runs, tap, width, window, weights, tiles)
        tiles += 2 * half


cdef inline void sum_tile(const Job *job, const BlockRef *block, const PixelRun *run, int runs,
                          Py_ssize_t tap, Py_ssize_t width, const real_t *window,
                          const real_t *weights, real_t *tile) noexcept nogil:
    """The sums of one or two runs over a chunk of taps, as far as they meet it."""
    cdef const fc_kernels *kernels = job.layout.kernels
    cdef Py_ssize_t piece = piece_of(job.phase, CHUNK_TAPS), end = tap + CHUNK_TAPS, low, high
    cdef Py_ssize_t chunk = tap_at(job.phase, tap)
    while tap < end:
        low = max(tap_at(job.phase, tap), min(run[0].low, run[runs - 1].low))
        high = min(tap_at(job.phase, tap + piece), max(run[0].high, run[runs - 1].high))
        if high > low or tap % LONG_SUM == 0:  # the first taps also clear the sums
            kernels.igemm[runs - 1][width // kernels.lanes - 1](
                max(high - low, 0), block.offset + low, window + run[0].window,
                window + run[runs - 1].window, block.pixel_step, weights + (low - chunk) * width,
                tile, tap % LONG_SUM > 0)
        tap += piece


cdef inline void store_strip(const Job *job, const BlockRef *block, const ChannelRef *channels,
                             Py_ssize_t first, Py_ssize_t stop, real_t *tiles) noexcept nogil:
    """Store a strip's sums; full halves of tiles that are neighbours in the result leave as one."""
    cdef const fc_kernels *kernels = job.layout.kernels
    cdef const Output *output = &job.output
    cdef const PixelRun *runs = block.runs
    cdef real_t *transposed = <real_t *>(block.scratch + job.schedule.transposed_at)
    cdef Py_ssize_t half = kernels.half, i = first, last, n
    cdef Py_ssize_t width = kernels.lanes * (2 if channels.count > kernels.lanes else 1)
    while i < stop:
        last = i
        while last + 1 < stop and runs[last].pixels == half and (
                (last + 2 - i) * half <= 4 * kernels.lanes
                and runs[last + 1].place - runs[last].place == half * output.pixel):
            last += 1
        n = last - i
        store_halves(output, tiles, width, transposed, n * half + runs[last].pixels,
                     channels.count, channels.first, channels.place + runs[i].place)
        tiles += (n + 1) * half * width
        i = last + 1


cdef inline void store_halves(const Output *output, real_t *tile, Py_ssize_t width,
                              real_t *transposed, Py_ssize_t pixels, Py_ssize_t channels,
                              Py_ssize_t channel, Py_ssize_t place) noexcept nogil:
    """`store_tile` of (pixels, channels), transposed in whole blocks: there is memory past them."""
    cdef Py_ssize_t row = round_up(pixels, output.kernels.lanes)
    if output.channel == 1:
        store_tile(output, tile, width, False, transposed, pixels, channels, channel, place)
    else:
        output.kernels.transpose(row, width, tile, width, transposed, row)
        store_tile(output, transposed, row, True, transposed, pixels, channels, channel, place)
