"""Types: what the modules of this folder share, above all `Layout`."""
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.window_types cimport Window, WindowAxis
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport FC_MATRIX, fc_kernels, fc_matrix

cdef enum:
    WIDTH = 2 * FC_MATRIX                       # output channels of a block: two tiles
    TILE_BYTES = FC_MATRIX * FC_MATRIX * 4      # of packed weights
    STEP_BYTES = FC_MATRIX * 4                  # of a pixel, that a step of the sum takes
    FLOAT_BYTES = 4                             # and of an element

# How one pass of one description is blocked.
cdef struct Layout:
    const conv_geometry *g
    const fc_kernels *kernels
    const fc_matrix *matrix
    int kind, parts, products       # of products of parts
    Py_ssize_t itemsize             # of a part of a number, in the window
    bint backward
    Py_ssize_t groups, in_channels, out_channels  # channels of a group, read and written
    Py_ssize_t channel_blocks       # of WIDTH of them
    # The sum.
    Py_ssize_t spatial_taps
    bint folded                     # a tap along the last axis and its channels are one run
    Py_ssize_t step_channels        # numbers of a step
    bint planes                     # windows have a plane for each element of a step
    Py_ssize_t place_bytes          # in the window, from a position to the next
    Py_ssize_t chunk, chunks        # of channels, whose window is gathered at once
    # Blocks of outputs.
    Py_ssize_t out_size[AXES]
    WindowAxis axis[AXES]
    Py_ssize_t blocks[AXES]         # along each axis
    Window window                   # of one block and chunk
    bint flat                       # rows of outputs follow each other in tiles
    Py_ssize_t pitch                # places of sums from row to row of outputs,
    Py_ssize_t row_tiles            # or tiles of a row
    Py_ssize_t tiles                # of a block, at most


cdef inline Py_ssize_t steps_of_run(const Layout *layout, Py_ssize_t channels) noexcept nogil:
    """Steps of the sum along a tap of so many channels, or along a row of taps if `folded`."""
    cdef Py_ssize_t run = channels * layout.g.kernel[2] if layout.folded else channels
    return (run + layout.step_channels - 1) // layout.step_channels


cdef inline Py_ssize_t block_tiles(const Layout *layout, Py_ssize_t rows) noexcept nogil:
    """Tiles of so many rows of outputs of a block."""
    if not layout.flat:
        return rows * layout.row_tiles
    return ceil_div((rows - 1) * layout.pitch + layout.axis[2].block, FC_MATRIX)


cdef inline Py_ssize_t runs_of(const Layout *layout) noexcept nogil:
    """Taps, or rows of taps."""
    return layout.spatial_taps // layout.g.kernel[2] if layout.folded else layout.spatial_taps


cdef inline Py_ssize_t chunk_channels(const Layout *layout, Py_ssize_t chunk) noexcept nogil:
    return min(layout.chunk, layout.in_channels - chunk * layout.chunk)


cdef inline Py_ssize_t chunk_steps(const Layout *layout, Py_ssize_t chunk) noexcept nogil:
    return runs_of(layout) * steps_of_run(layout, chunk_channels(layout, chunk))


cdef inline Py_ssize_t all_steps(const Layout *layout) noexcept nogil:
    """Of all chunks; those before the last are equally long."""
    return ((layout.chunks - 1) * chunk_steps(layout, 0)
            + chunk_steps(layout, layout.chunks - 1))


cdef inline Py_ssize_t packed_at(const Layout *layout, Py_ssize_t group, Py_ssize_t chunk,
                                 Py_ssize_t k) noexcept nogil:
    """Where the weights of a chunk and a block of output channels begin: [group][chunk][block]."""
    cdef Py_ssize_t step = layout.parts * 2 * TILE_BYTES
    return step * (group * layout.channel_blocks * all_steps(layout)
                   + chunk * chunk_steps(layout, 0) * layout.channel_blocks
                   + k * chunk_steps(layout, chunk))


cdef inline Py_ssize_t plane_bytes(const Layout *layout) noexcept nogil:
    """From an element of a position to the next: each pair of channels has one, in parts."""
    return layout.window.channel * FLOAT_BYTES


cdef inline Py_ssize_t packed_bytes(const Layout *layout) noexcept nogil:
    return packed_at(layout, layout.groups, 0, 0)
