"""The cost model: what a pass is estimated to take, term by term.

Three choices rest on it: between algorithms, between sizes of tiles, and between blocks of spans.
The last two leave out what depends neither on tiles nor on blocks, and the transform of the
weights, so that a plan and a call give the same bits.

The constants were fitted by hand to layers measured on one thread of a Xeon of the Sapphire Rapids
kind at 2.3 GHz; docs/algorithms/choice.rst tells which.
"""
from fastconv._algorithms.winograd.types cimport (
    MAX_BLOCK_BYTES, BlockShape, GradientLayout, Layout, block_count, packed_block_size, sum_block,
    tiles_of,
)
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport BANDWIDTH, CLOCK, CostTerms
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE, LAST_LEVEL_CACHE_BYTES
from fastconv._core.window_types cimport WindowAxis

cdef enum:
    FEW_CHANNELS = 4                # read or written, in a gradient of weights, which then
cdef double FEW_CHANNELS_TIME = 2.5  # takes so many times as long: lanes stay empty

# Seconds,
cdef double CALL = 6e-6
cdef double PACKED_WEIGHT = 0.17e-9         # of a transformed weight that stays in some cache,
cdef double PACKED_WEIGHT_BEYOND = 0.85e-9  # and of one that does not;
cdef double FAR_WEIGHT = 0.045e-9           # a byte of those that come from memory
# Products: two multiply-adds of vectors a cycle,
cdef double PRODUCTS_RATE = 0.92            # at this part of that peak
cdef double ODD_VECTOR = 0.3                # vectors' worth of broadcasts beside a single vector
cdef double MIN_TILES = 4                   # in flight: fewer wait for their own sums
cdef double GROUPED_PRODUCTS = 2            # a permutation for each product of grouped channels
cdef double GEMM_CALL = 20                  # cycles of a call,
cdef double GEMM_TILE = 2.2                 # and of each of its tiles
cdef double GRADIENT_CALL = 4               # a call of `igemm`, for each vector of its sums
# Traffic between caches.
cdef double STREAM = 12.0                   # bytes a cycle from the third-level cache,
cdef double STREAM_OVERHEAD = 0.05          # of which this part delays the products in any case
cdef double GROUPED_STREAM = 0.6            # short sums: one group's stream runs on into the next
cdef double FITS = 0.8                      # part of the second-level cache that holds a block,
cdef double M_FITS = 0.4                    # and its M, which is written and read again
# Cycles a vector: of transforms, for each of the n^2 (or n) values of a tile
cdef double INPUT_SMALL = 2.0               # of n <= 6, which passes through memory less often
cdef double INPUT_LARGE = 2.8
cdef double OUTPUT_SMALL = 0.9
cdef double OUTPUT_LARGE = 1.1
cdef double LINE_VALUE = 6                  # where one axis is transformed
cdef double GRADIENT_VALUE = 2.0            # of input and grad_output,
cdef double GRADIENT_LINE_VALUE = 5         # where one axis is transformed
cdef double GRADIENT_SUM = 4                # of sums, added and transformed back
# and of pixels.
cdef double WINDOW_PIXEL = 3
cdef double STORED_PIXEL = 6
cdef double ROW = 25.0                      # cycles to begin a row of a channel, on another page
cdef double IMAGE_TRAFFIC = 1.25            # time of an image from memory, to that of its bytes

cdef enum:
    PAGE_BYTES = 4096
    IMAGE_CACHE_BYTES = 12 << 20       # of input and output, that need not come from memory


# ---- forward and backward_data ----

cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept:
    """One image on one thread, with the transform of the weights unless they are planned."""
    cdef CostTerms terms
    cdef BlockCycles cycles = block_cycles(layout, &layout.block)
    cdef double count = layout.groups * block_counts(layout, &layout.block)
    terms.arithmetic = count * cycles.products / CLOCK
    terms.gather = count * cycles.gather / CLOCK
    terms.transform = (count * (cycles.input + cycles.output) / CLOCK
                       + waiting_seconds(layout, terms.arithmetic))
    terms.traffic = count * (cycles.traffic + cycles.store) / CLOCK + image_seconds(layout)
    terms.start = CALL
    if not planned:
        terms.transform += packing_seconds(layout)
    return terms


cdef double waiting_seconds(const Layout *layout, double arithmetic) noexcept:
    """What transformed weights that come from memory take longer than their products."""
    cdef double bytes = (<double>layout.g.itemsize) * layout.groups * layout.frequencies * (
        layout.packed_taps) * layout.padded_channels
    if bytes <= LAST_LEVEL_CACHE_BYTES:
        return 0
    return max(0.0, bytes * FAR_WEIGHT - arithmetic)


cdef double image_cycles(const Layout *layout, const BlockShape *block) noexcept:
    """One image on one thread, in cycles: what tiles and blocks decide."""
    cdef BlockCycles cycles = block_cycles(layout, block)
    return layout.groups * block_counts(layout, block) * cycles_of(&cycles)


cdef double input_share(const Layout *layout, const BlockShape *block) noexcept:
    """The part of a block's time that goes before its products."""
    cdef BlockCycles cycles = block_cycles(layout, block)
    return (cycles.input + cycles.gather) / cycles_of(&cycles)


cdef double block_counts(const Layout *layout, const BlockShape *block) noexcept:
    return (<double>max(layout.axis[0].count, 1)) * ceil_div(
        max(layout.axis[1].count, 1), block.rows) * ceil_div(
        max(layout.axis[2].count, 1), block.columns)


cdef double cycles_of(const BlockCycles *cycles) noexcept:
    return (cycles.products + cycles.traffic + cycles.gather + cycles.input + cycles.output
            + cycles.store)


cdef BlockCycles block_cycles(const Layout *layout, const BlockShape *block) noexcept:
    cdef BlockCycles cycles
    cycles.products = products_cycles(layout, block)
    cycles.traffic = traffic_cycles(layout, block, cycles.products)
    cycles.gather = gather_cycles(layout, block)
    cycles.input = input_cycles(layout, block)
    cycles.output = output_cycles(layout, block)
    cycles.store = store_cycles(layout, block)
    return cycles


cdef double products_cycles(const Layout *layout, const BlockShape *block) noexcept:
    """Products, and what each call takes beside them."""
    cdef double vectors = layout.padded_channels // layout.kernels.lanes
    cdef double tiles = tiles_of(layout, block.rows * block.columns), cycles
    cdef double calls = ceil_div(<Py_ssize_t>tiles, 2 * layout.kernels.half)
    if layout.padded_channels // layout.kernels.lanes % 2:
        vectors += ODD_VECTOR
    cycles = layout.frequencies * layout.packed_taps * vectors / 2 * max(
        tiles, MIN_TILES * calls) / PRODUCTS_RATE
    if layout.full_vectors:
        cycles *= GROUPED_PRODUCTS
    return cycles + layout.frequencies * layout.channel_blocks * ceil_div(
        layout.taps, sum_block(layout, 0)) * (GEMM_CALL * calls + GEMM_TILE * tiles)


cdef double traffic_cycles(const Layout *layout, const BlockShape *block,
                           double products) noexcept:
    """What a block that exceeds the second-level cache waits for.

    Products go no faster than the weights stream, and V where it is read again for each of the
    passes over it; V and M go to the next cache and come back.
    """
    cdef double values = (<double>layout.g.itemsize) * layout.frequencies
    cdef double tiles = tiles_of(layout, block.rows * block.columns)
    cdef double weights = values * layout.packed_taps * layout.padded_channels
    cdef double v = values * tiles * layout.v_tile
    cdef double m = values * tiles * 2 * layout.kernels.lanes * block.channel_blocks
    cdef double passes = (<double>layout.channel_blocks) / block.channel_blocks
    cdef double stream = weights, cycles
    if weights * layout.groups + v + m <= FITS * CACHE:
        return 0
    if v + m > FITS * CACHE:
        stream += v * passes
    if layout.groups > 1:
        stream *= GROUPED_STREAM
    cycles = max(0.0, stream / STREAM - products) + STREAM_OVERHEAD * stream / STREAM
    if v + m > FITS * CACHE:
        cycles += v / STREAM / 2
    if m > M_FITS * CACHE:
        cycles += m * passes / STREAM
    return cycles


cdef double input_vectors(const Layout *layout) noexcept:
    """Vectors of a tile that are transformed, those that are not filled included."""
    cdef Py_ssize_t lanes = layout.kernels.lanes, channels = layout.in_channels
    if channels >= lanes:
        return (<double>layout.taps) / lanes
    return ceil_div(channels * layout.kernel_phases[2], lanes) * (
        (<double>layout.taps) / (layout.in_channels * layout.kernel_phases[2]))


cdef double input_cycles(const Layout *layout, const BlockShape *block) noexcept:
    cdef double n = layout.n
    cdef double vectors = tiles_of(layout, block.rows * block.columns) * input_vectors(layout)
    if not layout.square:
        return vectors * LINE_VALUE * n
    return vectors * (INPUT_SMALL if n <= 6 else INPUT_LARGE) * n * n


cdef double output_cycles(const Layout *layout, const BlockShape *block) noexcept:
    cdef double n = layout.n, m = layout.m
    cdef double vectors = tiles_of(layout, block.rows * block.columns) * (
        layout.padded_channels // layout.kernels.lanes)
    if not layout.square:
        return vectors * LINE_VALUE * (n + m)
    return vectors * (OUTPUT_SMALL if n <= 6 else OUTPUT_LARGE) * (n * n + 1.5 * n * m + 2 * m * m)


cdef double gather_cycles(const Layout *layout, const BlockShape *block) noexcept:
    """Pixels of the window by vectors of channels, and the rows that they come from."""
    cdef const WindowAxis *axis = &layout.axis[0]
    cdef double rows = axis[1].taps + (block.rows - 1.0) * axis[1].step
    cdef double columns = axis[2].taps + (block.columns - 1.0) * axis[2].step
    cdef double cycles = rows * columns * axis[0].taps * ceil_div(
        layout.in_channels, layout.kernels.lanes) * WINDOW_PIXEL
    return cycles + ROW * axis[0].taps * separate_rows(
        layout, block, rows, axis[2].length) * layout.in_channels


cdef double store_cycles(const Layout *layout, const BlockShape *block) noexcept:
    """Pixels of the outputs by vectors of channels, and the rows that they go to."""
    cdef double rows = (<double>block.rows) * layout.span[1]
    cdef double cycles = rows * block.columns * layout.span[2] * (
        layout.padded_channels // layout.kernels.lanes) * STORED_PIXEL
    return cycles + ROW * separate_rows(
        layout, block, rows, layout.out_size[2]) * layout.padded_channels


cdef double separate_rows(const Layout *layout, const BlockShape *block, double rows,
                          Py_ssize_t length) noexcept:
    """Rows of a channel that have to be found; those that lie one after the other are one long
    row, and pages are found.
    """
    if not rows_are_contiguous(layout, block):
        return rows
    return ceil_div(<Py_ssize_t>rows * length * layout.g.itemsize, PAGE_BYTES)


cdef bint rows_are_contiguous(const Layout *layout, const BlockShape *block) noexcept:
    """Whether rows of outputs lie one after the other, and may have a tile's end beyond."""
    return (block.columns >= layout.axis[2].count and layout.output_phases[1] == 1
            and (block.columns > 1 or layout.span[2] == layout.out_size[2])
            and not layout.g.channels_last)


cdef bint packs_on_demand(const Layout *layout) noexcept:
    """Whether the weights of a block of output channels can be transformed where they are
    needed: one block of spans is all that needs them.
    """
    return (block_count(layout) == 1
            and layout.g.itemsize * packed_block_size(layout) <= MAX_BLOCK_BYTES)


cdef double packing_seconds(const Layout *layout) noexcept:
    """The transform of the weights."""
    cdef double packed = (<double>layout.groups) * layout.frequencies * (
        layout.packed_taps * layout.padded_channels)
    if packed * layout.g.itemsize <= LAST_LEVEL_CACHE_BYTES or packs_on_demand(layout):
        return packed * PACKED_WEIGHT
    return packed * PACKED_WEIGHT_BEYOND


cdef double image_seconds(const Layout *layout) noexcept:
    """For an image that comes from memory, and goes there."""
    cdef double read = (<double>layout.groups) * layout.in_channels
    cdef double written = (<double>layout.groups) * layout.out_channels, moved
    cdef int a
    for a in range(AXES):
        read *= layout.axis[a].length
        written *= layout.out_size[a]
    moved = layout.g.itemsize * (read + written)
    return IMAGE_TRAFFIC * moved / BANDWIDTH if moved > IMAGE_CACHE_BYTES else 0


# ---- the gradient of the weights ----

cdef CostTerms gradient_cost(const GradientLayout *gradient) noexcept:
    """One image on one thread."""
    cdef const Layout *layout = gradient.layout
    cdef double lanes = layout.kernels.lanes, n = layout.n, tiles = gradient.tiles
    cdef double blocks = gradient.blocks, unit = layout.groups / CLOCK
    cdef double sums = (<double>layout.frequencies) * gradient.padded_taps * layout.padded_channels
    cdef double vectors = (max(layout.taps / lanes, <double>layout.parts[1])
                           + layout.padded_channels / lanes)
    cdef CostTerms terms
    terms.arithmetic = unit * blocks * sums * (tiles / (2 * lanes) / PRODUCTS_RATE
                                               + GRADIENT_CALL / lanes)
    terms.gather = unit * blocks * ROW * (
        layout.axis[0].window * layout.axis[1].window * layout.in_channels
        + gradient.grad_axis[1].window * layout.out_channels)
    terms.transform = unit * (
        blocks * tiles * vectors * (GRADIENT_VALUE * n * n if layout.square
                                    else GRADIENT_LINE_VALUE * n)
        + sums / lanes * GRADIENT_SUM)
    # sums are read and written for every block; V and the transformed gradient go half the way
    terms.traffic = unit * layout.g.itemsize / STREAM * (
        sums * (2 * blocks + 1)
        + blocks * layout.frequencies * tiles * (layout.v_tile + layout.padded_channels) / 2)
    terms.traffic += image_seconds(layout)
    if min(layout.in_channels, layout.out_channels) < FEW_CHANNELS:
        terms.arithmetic *= FEW_CHANNELS_TIME
        terms.transform *= FEW_CHANNELS_TIME
    terms.start = CALL
    return terms
