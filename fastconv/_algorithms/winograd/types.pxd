"""Types: what the modules of this folder share, above all `Layout`."""
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.window_types cimport Window, WindowAxis
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

cdef enum:
    MAX_BLOCK_BYTES = 12 << 20  # of V and M, where they need not stay in the second-level cache
    # Sums are cut into blocks of so many products to keep rounding errors small, shorter where
    # the transforms enlarge them most: see `sum_block`.
    SUM_BLOCK = 64
    SHORT_SUM_BLOCK = 16

# Spans of a task, along the last two axes, and blocks of output channels that share a pass over V.
cdef struct BlockShape:
    Py_ssize_t rows, columns, channel_blocks

# How one pass of one description is blocked.
cdef struct Layout:
    const conv_geometry *g
    const fc_kernels *kernels
    bint backward
    # Channels.
    Py_ssize_t grouped              # groups that share vectors, and make one of these:
    Py_ssize_t groups, in_channels, out_channels  # channels of a group, read and written
    Py_ssize_t padded_channels      # out_channels, filled up to lanes
    Py_ssize_t channel_blocks       # of 2 * lanes of them
    bint full_vectors               # groups that share vectors fill them
    # The transforms.
    Py_ssize_t n, m, r, frequencies
    bint square                     # both of the last two axes are transformed
    bint transformed[AXES]
    Py_ssize_t parts[AXES]          # of the kernel along each axis,
    Py_ssize_t kernel_phases[AXES]  # and of these those of one section
    Py_ssize_t output_phases[AXES]  # tiles of a span
    Py_ssize_t span[AXES]           # and its outputs
    Py_ssize_t spacing[AXES]        # window positions from one input of a tile to the next
    Py_ssize_t taps                 # length of the sums: [part][channel]
    Py_ssize_t packed_taps          # those whose weights are kept: without zeros if full_vectors
    Py_ssize_t v_tile               # of V, from tile to tile
    # Blocks.
    Py_ssize_t out_size[AXES]
    WindowAxis axis[AXES]           # whose outputs are spans
    BlockShape block
    Py_ssize_t blocks[AXES]         # along each axis
    Window window                   # of one block, for `chunk` channels
    Py_ssize_t chunk
    bint phases_adjoin              # phases of the last axis are like channels
    bint contiguous_rows            # rows of outputs lie one after the other
    Py_ssize_t rows_per_store       # rows of spans that are stored together
    double input_share              # of a task's time, for the transform of its input

# How the gradient of the weights is blocked.
cdef struct GradientLayout:
    const Layout *layout
    WindowAxis grad_axis[AXES]  # whose outputs are spans, of grad_output
    Window grad_window          # of one block of spans and of filters
    Py_ssize_t padded_taps      # filled up to half tiles of the product
    Py_ssize_t chunks           # of channels
    Py_ssize_t blocks           # of an image
    Py_ssize_t tiles            # of a block, at most


cdef inline Py_ssize_t odd_vectors(Py_ssize_t stride, Py_ssize_t lanes) noexcept nogil:
    """A stride from frequency to frequency that is an odd number of vectors.

    A transform writes or reads all frequencies at a time, which would compete for a few sets of
    the caches.
    """
    return (ceil_div(stride, lanes) | 1) * lanes


cdef inline Py_ssize_t block_count(const Layout *layout) noexcept nogil:
    """Blocks of spans of an image."""
    return layout.blocks[0] * layout.blocks[1] * layout.blocks[2]


cdef inline Py_ssize_t tiles_of(const Layout *layout, Py_ssize_t spans) noexcept nogil:
    return spans * layout.output_phases[1] * layout.output_phases[2]


cdef inline Py_ssize_t block_width(const Layout *layout, Py_ssize_t k) noexcept nogil:
    """Lanes of block k of output channels."""
    cdef Py_ssize_t width = 2 * layout.kernels.lanes
    return min(width, layout.padded_channels - k * width)


cdef inline Py_ssize_t block_channels(const Layout *layout, Py_ssize_t k) noexcept nogil:
    """And output channels in them."""
    return min(block_width(layout, k), layout.out_channels - k * 2 * layout.kernels.lanes)


cdef inline Py_ssize_t part_start(const Layout *layout, int a, Py_ssize_t part,
                                  Py_ssize_t spacing) noexcept nogil:
    """Where a part of the kernel begins along an axis with its taps so far apart."""
    return (part % layout.kernel_phases[a]
            + part // layout.kernel_phases[a] * layout.r * spacing)


cdef inline Py_ssize_t sum_block(const Layout *layout, Py_ssize_t f) noexcept nogil:
    """Products that are added up before their sum joins the others.

    At n = 8 the transforms enlarge errors most, but for those at the points 1 and -1, which are
    numbers 1 and 2 along each axis. A block of the square root of all products is best.
    """
    if layout.n != 8 or 1 <= f % 8 <= 2 or layout.square and 1 <= f // 8 <= 2:
        return SUM_BLOCK
    return SHORT_SUM_BLOCK if layout.taps <= 8 * SHORT_SUM_BLOCK else 2 * SHORT_SUM_BLOCK


cdef inline Py_ssize_t packed_block_size(const Layout *layout) noexcept nogil:
    """Elements of the transformed weights of one block of output channels."""
    cdef Py_ssize_t lanes = layout.kernels.lanes
    return layout.frequencies * odd_vectors(layout.packed_taps * 2 * lanes, lanes)


cdef inline Py_ssize_t packed_at(const Layout *layout, Py_ssize_t group, Py_ssize_t k,
                                 Py_ssize_t f) noexcept nogil:
    """Where the transformed weights of a block of output channels at one frequency lie: in the
    order that the products read them.

    That is [block][frequency][tap][channel] of each group, or [frequency][block][tap][channel].
    """
    cdef Py_ssize_t lanes = layout.kernels.lanes
    if layout.block.channel_blocks == 1:
        return ((group * layout.channel_blocks + k) * packed_block_size(layout)
                + f * odd_vectors(layout.packed_taps * block_width(layout, k), lanes))
    return ((layout.frequencies * group + f)
            * odd_vectors(layout.packed_taps * layout.padded_channels, lanes)
            + layout.packed_taps * k * 2 * lanes)
