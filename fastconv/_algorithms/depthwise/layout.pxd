"""How one pass of one description is computed, and in which blocks: what tasks read of it."""
from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._core.integers cimport round_up
from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_column, fc_epilogue, fc_kernels

# How outputs are computed.
cdef enum method_t:
    WINDOWS            # from a copy of what a block of them reads
    ROWS               # from rows in place, by way of a table of pointers
    PLANES             # whole planes in place, by `dwconv_plane`
    PLANES_BACKWARD    # and by `dwconv_plane_backward_data`

# The outputs that meet the same taps. There is one such phase forward, and backward one for each
# residue of the stride that has taps.
cdef struct OutputPhase:
    Axis axis[AXES]
    Py_ssize_t taps
    Py_ssize_t columns
    fc_column *column
    Py_ssize_t *order        # of the taps in the sum: flat places in (in_channels, *kernel)
    Py_ssize_t *offset       # of each in the window
    Py_ssize_t channel       # from input channel to input channel in the window
    Py_ssize_t pitch         # of a row
    Py_ssize_t size, slack   # elements of the window, and readable ones past it
    Py_ssize_t low, high     # of rows in place: the least and the largest shift of a column
    Py_ssize_t blocks
    Py_ssize_t packed        # where its weights start

# How one pass of one description is blocked.
cdef struct Layout:
    const conv_geometry *g
    const fc_epilogue *epilogue   # of the forward pass; gradients have none
    const fc_kernels *kernels
    bint backward
    method_t method
    bint copies_rows         # that could be read in place, because they crowd there
    bint channels_in_lanes   # else pixels
    bint in_rows             # rows could be read in place,
    bint in_planes           # and whole planes
    Py_ssize_t together      # columns of the kernel that sums go through at once, row by row, then
    bint interleaves         # small planes are put side by side first, so that channels are
    int column_axis          # along which columns run
    Py_ssize_t groups, in_channels, out_channels   # channels per group, read and written
    Py_ssize_t channels      # of the result
    Py_ssize_t channels_per_block, channel_blocks  # of the result, which share a window
    Py_ssize_t joined_pixels  # neighbouring pixels taken as one of more channels
    Py_ssize_t size[AXES]    # of the result
    bint has_gaps            # some outputs meet no tap
    Py_ssize_t phases
    OutputPhase *phase
    Py_ssize_t blocks        # of all phases
    Py_ssize_t plane_rows    # of a block of PLANES_BACKWARD
    Py_ssize_t window, tile  # elements of the largest window, and of a plane to be scattered
    Py_ssize_t table         # rows of the largest table
    char *zeros              # a row of zeros, of which output 0 reads those at `margin` on
    Py_ssize_t margin
    Py_ssize_t packed_size


cdef inline bint is_flat(const conv_geometry *g) noexcept nogil:
    """Whether images are planes: a volume of one plane has the sums of volumes."""
    return g.rank < AXES


cdef inline bint maps_channels(const Layout *layout) noexcept nogil:
    """Whether every channel is convolved by itself to one channel of the result."""
    return layout.in_channels == 1 and layout.out_channels == 1


cdef inline bint lanes_map(const Layout *layout) noexcept nogil:
    """Whether every lane of results has a lane of its own among what is read.

    Side by side, the filters of a group are computed one after the other.
    """
    return maps_channels(layout) or layout.interleaves


cdef inline Py_ssize_t channels_in_blocks(const Layout *layout) noexcept nogil:
    """Channels that are cut into blocks: side by side, those that are read."""
    return layout.groups if layout.interleaves else layout.channels


cdef inline Py_ssize_t packed_channels(const Layout *layout) noexcept nogil:
    """Packed weights of a tap, in whole vectors where channels are in the lanes."""
    if layout.interleaves:
        return layout.out_channels * round_up(layout.groups, layout.kernels.lanes)
    if layout.channels_in_lanes:
        return round_up(layout.channels * layout.joined_pixels, layout.kernels.lanes)
    return layout.channels


cdef inline Py_ssize_t plane_of(const Py_ssize_t *extent) noexcept nogil:
    """Elements of a plane, or of the volume that a channel is."""
    return extent[0] * extent[1] * extent[2]


cdef inline const Py_ssize_t *extents_read(const Layout *layout) noexcept nogil:
    if layout.backward:
        return layout.g.output
    return layout.g.input
