"""How one pass of one description is blocked: the transforms, and the block of spans of a task.

Both depend on one image's geometry alone, and no sum depends on the block.
"""
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from fastconv._algorithms.record import BACKWARD_DATA
from fastconv._algorithms.winograd.cost cimport image_cycles, input_share, rows_are_contiguous
from fastconv._algorithms.winograd.types cimport (
    MAX_BLOCK_BYTES, BlockShape, Layout, odd_vectors, tiles_of,
)
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.scratch cimport CACHE
from fastconv._core.window cimport block_axis, set_strides
from fastconv._core.window_types cimport WindowAxis
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL, kernels_for

TILES = 2, 3, 4, 5, 6  # the m to choose from, with n from 4 to 8

cdef enum:
    MAX_CUTS = 64               # of a row of spans into blocks, that are tried
    STORE_BYTES = 24 << 10      # of outputs that are stored at a time
    MAX_FLOAT32_PRODUCTS = 512  # that squares of n = 8 keep their promise for,
# and elements of their sections for each tap, of r = 3 and more. All as measured: the largest error
# of 2,000 random layers with less was 0.97e-5, of those with more 1.5e-5.
cdef double[2] MAX_FILLED = [1.2, 1.35]

# A block, and the estimated time of an image by it.
cdef struct Candidate:
    BlockShape block
    double cycles


cdef class PassLayout:
    """A layout, which is kept with its description; all but the block, which two methods set."""

    def __cinit__(self, ConvDesc desc, bint backward, Py_ssize_t m, bint grouped):
        cdef Layout *layout = &self.layout
        cdef Py_ssize_t length[AXES]
        cdef Py_ssize_t *place
        cdef int a
        self.desc = desc
        layout.g = &desc.g
        layout.kernels = kernels_for(desc.g.itemsize)
        layout.backward = backward
        set_channels(layout, grouped)
        set_transforms(layout, m, length)
        set_packing(layout)
        self.table = <Py_ssize_t *>malloc(
            2 * (length[0] + length[1] + length[2]) * sizeof(Py_ssize_t))
        if self.table == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        place = self.table
        for a in range(AXES):
            set_axis(layout, a, length[a], place)
            place += 2 * length[a]
        layout.window.axis = layout.axis
        layout.window.channels_last = True

    def __dealloc__(self):
        free(self.table)

    cdef int set_block(self, Py_ssize_t rows, Py_ssize_t columns) except -1:
        """Take this block of spans."""
        cdef Layout *layout = &self.layout
        layout.block.rows, layout.block.columns = rows, columns
        block_axis(&layout.axis[0], 1, False)
        block_axis(&layout.axis[1], rows, False)
        block_axis(&layout.axis[2], columns, False)
        layout.blocks[0] = layout.axis[0].count
        layout.blocks[1] = ceil_div(layout.axis[1].count, rows)
        layout.blocks[2] = ceil_div(layout.axis[2].count, columns)
        return 0

    cdef int set_chunk(self, Py_ssize_t channels) except -1:
        """Let windows of the block hold so many channels."""
        cdef Layout *layout = &self.layout
        layout.chunk = layout.window.channels = channels
        set_strides(&layout.window, 0, layout.kernels.lanes)
        layout.phases_adjoin = (
            layout.transformed[2] and layout.kernel_phases[2] > 1
            and channels == layout.in_channels and layout.window.position[2] == channels)
        return 0


cdef PassLayout pass_layout(ConvDesc desc, object which):
    """The layout with the size of tile that takes least time; kept with the description.

    Without the transform of the weights, so that a plan and a call give the same bits.
    """
    cdef PassLayout best = None, candidate
    cdef Layout *layout
    key = "winograd", which, TILES
    best = desc.kept.get(key)
    if best is None:
        r = kernel_length(&desc.g)
        sizes = [m for m in TILES if 4 <= m + r - 1 <= 8]
        if not sizes:  # the nearest that there is
            sizes = [min(max(TILES[0], 5 - r), 9 - r)]
        for m in sizes:
            candidate = blocked_layout(desc, which == BACKWARD_DATA, m)
            layout = &candidate.layout
            if best is not None and not keeps_promise(layout):
                continue
            if best is None or image_cycles(layout, &layout.block) < image_cycles(
                    &best.layout, &best.layout.block):
                best = candidate
        desc.kept[key] = best
    return best


cdef bint keeps_promise(const Layout *layout) noexcept:
    """Whether errors stay below 1e-5 of the largest result, for numbers of mixed signs.

    Squares of n = 8 lose the most digits. They lose more where sections are filled up with zeros,
    as those of rectangles and of uneven strides are: each section brings its rounding errors,
    whatever it adds to the results.
    """
    cdef const conv_geometry *g = layout.g
    cdef double taps = g.kernel[1] * g.kernel[2]
    cdef double filled = layout.parts[1] * layout.parts[2] * layout.r * layout.r
    if layout.n < 8 or not layout.square or g.itemsize == 8:
        return True
    return (layout.taps <= MAX_FLOAT32_PRODUCTS
            and filled <= MAX_FILLED[layout.r > 3] * taps)


# ---- lengths ----

cdef Py_ssize_t phase_length(const conv_geometry *g) noexcept:
    """The longest phase of the kernel along the last two axes."""
    return max(ceil_div(g.kernel[1], g.stride[1]), ceil_div(g.kernel[2], g.stride[2]))


cdef Py_ssize_t kernel_length(const conv_geometry *g) noexcept:
    """r: the length of its sections, as few as there can be."""
    return section_length(phase_length(g))


cpdef Py_ssize_t section_length(Py_ssize_t length) noexcept:
    """Taps of a section of a kernel, or of its phases, of this length."""
    return even_size(length, FC_WINOGRAD_KERNEL)


# ---- transforms ----

cdef void set_channels(Layout *layout, bint grouped) noexcept:
    """Groups of few channels share vectors, if `grouped`: their weights are blocks along the
    diagonal of a matrix that is zero elsewhere. That multiplies the products, but not the
    transforms.
    """
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t lanes = layout.kernels.lanes
    layout.grouped = 1
    while (grouped and g.groups % (2 * layout.grouped) == 0
           and 2 * layout.grouped * max(g.channels, g.filters) <= lanes * g.groups):
        layout.grouped *= 2
    layout.groups = g.groups // layout.grouped
    layout.in_channels = (g.filters if layout.backward else g.channels) // layout.groups
    layout.out_channels = (g.channels if layout.backward else g.filters) // layout.groups
    layout.padded_channels = round_up(layout.out_channels, lanes)
    layout.channel_blocks = ceil_div(layout.out_channels, 2 * lanes)
    layout.full_vectors = (2 <= layout.grouped <= 4 and layout.in_channels == lanes
                           and layout.out_channels == lanes)


cdef void set_transforms(Layout *layout, Py_ssize_t m, Py_ssize_t *length) noexcept:
    """Which axes are transformed, and the parts of the kernel; `length` of what a span reads."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t sections
    cdef int a
    layout.m = m
    layout.r = kernel_length(g)
    layout.n = m + layout.r - 1
    layout.frequencies = 1
    for a in range(AXES):
        layout.transformed[a] = a > 0 and ceil_div(g.kernel[a], g.stride[a]) > 1
        layout.output_phases[a] = layout.span[a] = layout.spacing[a] = 1
        layout.parts[a] = layout.kernel_phases[a] = length[a] = g.kernel[a]
        if layout.transformed[a]:
            layout.frequencies *= layout.n
            layout.kernel_phases[a] = g.stride[a]
            layout.output_phases[a] = g.dilation[a]
            layout.spacing[a] = max(g.stride[a], g.dilation[a])
            layout.span[a] = m * layout.output_phases[a]
            sections = ceil_div(ceil_div(g.kernel[a], g.stride[a]), layout.r)
            layout.parts[a] = sections * layout.kernel_phases[a]
            length[a] = ((layout.n - 1 + (sections - 1) * layout.r) * layout.spacing[a]
                         + max(layout.kernel_phases[a], layout.output_phases[a]))
    layout.square = layout.transformed[1] and layout.transformed[2]


cdef void set_packing(Layout *layout) noexcept:
    """How long the sums are, and how V is laid out for them."""
    cdef Py_ssize_t lanes = layout.kernels.lanes
    layout.taps = layout.in_channels * layout.parts[0] * layout.parts[1] * layout.parts[2]
    layout.packed_taps = layout.taps // layout.grouped if layout.full_vectors else layout.taps
    # An odd number of vectors: neighbouring tiles stay off the same sets of the cache. What
    # the last vector of channels has too much goes beyond the taps.
    layout.v_tile = odd_vectors(layout.taps + lanes - 1, lanes)


cdef void set_axis(Layout *layout, int a, Py_ssize_t length, Py_ssize_t *place) noexcept:
    """An axis whose outputs are spans, with its table of taps at `place`."""
    cdef const conv_geometry *g = layout.g
    cdef WindowAxis *axis = &layout.axis[a]
    cdef Py_ssize_t before = g.before[a], i
    if layout.backward:  # a gradient meets the kernel reversed, from the other end
        before = g.dilation[a] * (g.kernel[a] - 1) - before
    layout.out_size[a] = g.input[a] if layout.backward else g.output[a]
    axis.length = g.output[a] if layout.backward else g.input[a]
    axis.mode = PAD_ZEROS if layout.backward else g.padding_mode
    axis.value = g.padding_value
    axis.step = layout.m * layout.spacing[a] if layout.transformed[a] else g.stride[a]
    axis.taps = length
    axis.count = ceil_div(layout.out_size[a], layout.span[a])
    axis.tap = place
    axis.at = place + length
    for i in range(length):
        axis.tap[i] = i * (1 if layout.transformed[a] else g.dilation[a]) - before


# ---- blocks ----

cdef PassLayout blocked_layout(ConvDesc desc, bint backward, Py_ssize_t m):
    """The layout of forward or backward_data by this size of tile."""
    cdef PassLayout kept = PassLayout(desc, backward, m, True)
    cdef Layout *layout = &kept.layout
    layout.block = fastest_block(layout)
    layout.input_share = input_share(layout, &layout.block)
    kept.set_block(layout.block.rows, layout.block.columns)
    choose_chunk(kept)
    # Where all of a row is there, outputs of some rows leave as one long row.
    layout.contiguous_rows = rows_are_contiguous(layout, &layout.block)
    layout.rows_per_store = 1
    if layout.contiguous_rows:
        layout.rows_per_store = min(layout.block.rows, max(1, STORE_BYTES // (
            2 * layout.kernels.lanes * desc.g.itemsize * max(
                layout.span[1] * layout.out_size[2], 1))))
    return kept


cdef BlockShape fastest_block(const Layout *layout) noexcept:
    """The block of spans of a task: the one that takes least time.

    Either V and the M of one block of output channels stay in the second-level cache, and V is read
    again for each; or, where the transformed weights do not fit beside them and would stream by
    for every block, blocks are large, and V, or V and M of all channels, pass through the next
    cache.
    """
    cdef Candidate best
    best.block.rows = best.block.columns = best.block.channel_blocks = 1
    best.cycles = INFINITY
    try_blocks(layout, 1, CACHE * 5 // 8, &best)
    if (layout.g.itemsize * layout.frequencies * layout.packed_taps * layout.padded_channels
            * layout.groups >= CACHE // 2):
        try_blocks(layout, 1, MAX_BLOCK_BYTES, &best)
        try_blocks(layout, layout.channel_blocks, MAX_BLOCK_BYTES, &best)
    return best.block


cdef void try_blocks(const Layout *layout, Py_ssize_t channel_blocks, Py_ssize_t budget,
                     Candidate *best) noexcept:
    """Blocks whose V, and M of so many blocks of channels, take up to `budget` bytes."""
    cdef Py_ssize_t columns = max(layout.axis[2].count, 1), cut, i
    cdef Py_ssize_t tile = layout.v_tile + 2 * layout.kernels.lanes * channel_blocks
    cdef Py_ssize_t most = budget // (
        layout.g.itemsize * layout.frequencies * tiles_of(layout, 1) * tile)
    cdef double[3] share = [1, 1.34, 2]  # the most rows, three quarters, or half of them
    cdef BlockShape block
    block.channel_blocks = channel_blocks
    for cut in range(1, 1 + min(columns, <Py_ssize_t>MAX_CUTS)):
        block.columns = ceil_div(columns, cut)
        if block.columns > most and block.columns > 1:
            continue
        for i in range(3):
            block.rows = even_size(max(layout.axis[1].count, 1), max(
                1, <Py_ssize_t>(most // block.columns / share[i])))
            try_block(layout, &block, best)


cdef void try_block(const Layout *layout, const BlockShape *block, Candidate *best) noexcept:
    cdef double cycles = image_cycles(layout, block)
    cdef Py_ssize_t tasks = max(layout.axis[0].count, 1) * ceil_div(
        max(layout.axis[1].count, 1), block.rows) * ceil_div(
        max(layout.axis[2].count, 1), block.columns)
    if tasks % 2 and tasks > 1:  # one thread of two will wait at the end
        cycles *= 1 + 0.25 / tasks
    if cycles < best.cycles:
        best.block = block[0]
        best.cycles = cycles


cdef int choose_chunk(PassLayout kept) except -1:
    """Channels pass in whole vectors, as many at a time as leave the window in the cache; one
    vector where they lie apart, so that each one's rows are read like one stream; and all at once
    where they do not fill vectors (see `transform_tile`).
    """
    cdef Layout *layout = &kept.layout
    cdef Py_ssize_t lanes = layout.kernels.lanes, chunk = layout.in_channels
    kept.set_chunk(chunk)
    while not (chunk <= lanes or layout.in_channels % lanes or (
            layout.g.channels_last
            and layout.window.size * layout.g.itemsize <= CACHE // 8)):
        chunk = round_up(even_size(chunk, chunk // 2), lanes)
        kept.set_chunk(chunk)
    return 0
