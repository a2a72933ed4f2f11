"""How one pass of one description is blocked: the chunk of channels and the block of outputs.

The chunk depends on the kernel and the channels alone, and orders the sums; no sum depends on the
block.
"""
from libc.stdlib cimport free, malloc

from fastconv._algorithms.matrix_unit.types cimport (
    FLOAT_BYTES, STEP_BYTES, WIDTH, Layout, runs_of, steps_of_run,
)
from fastconv._algorithms.record import BACKWARD_DATA
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.scratch cimport CACHE
from fastconv._core.window cimport block_axis
from fastconv._core.window_types cimport WindowAxis
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.bytes cimport byte_kernels
from fastconv._kernels.dispatch cimport FC_BF16, FC_BF16X3, FC_MATRIX, kernels, kernels_for

cdef enum:
    CHUNK_STEPS = 20        # of a window: tiles of sums are loaded and stored once for so many
    MOST_PLACES = 512       # of sums of a block, which stay in the cache with their window,
    LONG_ROW = 256          # and outputs of a row that are cut off a long one
    MOST_TRIED = 4          # blocks, of which the best is taken
    FOLDED_CHANNELS = 64    # at most; the more there are, the less is gained


cdef class PassLayout:
    """A layout, which is kept with its description."""

    def __cinit__(self, ConvDesc desc, bint backward, int kind):
        cdef Layout *layout = &self.layout
        cdef Py_ssize_t *place
        cdef int a
        self.desc = desc
        layout.g = &desc.g
        layout.matrix = &kernels().matrix
        layout.kind, layout.backward = kind, backward
        layout.products = 3 if kind == FC_BF16X3 else 1
        layout.parts = 2 if kind == FC_BF16X3 else 1
        if kind == FC_BF16X3 or kind == FC_BF16:
            layout.kernels, layout.itemsize = kernels_for(FLOAT_BYTES), 2
        else:
            layout.kernels, layout.itemsize = byte_kernels(), FLOAT_BYTES
        set_channels(layout)
        self.table = <Py_ssize_t *>malloc(
            2 * (desc.g.kernel[0] + desc.g.kernel[1] + desc.g.kernel[2]) * sizeof(Py_ssize_t))
        if self.table == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        place = self.table
        for a in range(AXES):
            set_axis(layout, a, place)
            place += 2 * desc.g.kernel[a]
        set_chunk(layout)
        set_blocks(layout)

    def __dealloc__(self):
        free(self.table)


cdef PassLayout pass_layout(ConvDesc desc, object which, int kind):
    """The layout of forward or backward_data; kept with the description."""
    cdef tuple key = ("matrix_unit", which, kind)
    cdef PassLayout layout = desc.kept.get(key)
    if layout is None:
        layout = desc.kept[key] = PassLayout(desc, which == BACKWARD_DATA, kind)
    return layout


cdef void set_channels(Layout *layout) noexcept:
    layout.groups = layout.g.groups
    layout.in_channels = (layout.g.filters if layout.backward else layout.g.channels
                          ) // layout.groups
    layout.out_channels = (layout.g.channels if layout.backward else layout.g.filters
                           ) // layout.groups
    layout.channel_blocks = ceil_div(layout.out_channels, WIDTH)
    layout.step_channels = STEP_BYTES // layout.itemsize
    layout.spatial_taps = layout.g.kernel[0] * layout.g.kernel[1] * layout.g.kernel[2]


cdef void set_axis(Layout *layout, int a, Py_ssize_t *place) noexcept:
    cdef WindowAxis *axis = &layout.axis[a]
    cdef Py_ssize_t before = layout.g.before[a], i
    if layout.backward:  # a gradient meets the kernel reversed, from the other end
        before = layout.g.dilation[a] * (layout.g.kernel[a] - 1) - before
    layout.out_size[a] = layout.g.input[a] if layout.backward else layout.g.output[a]
    axis.length = layout.g.output[a] if layout.backward else layout.g.input[a]
    axis.mode = PAD_ZEROS if layout.backward else layout.g.padding_mode
    axis.value = layout.g.padding_value
    axis.step = layout.g.stride[a]
    axis.taps = layout.g.kernel[a]
    axis.count = layout.out_size[a]
    axis.tap = place
    axis.at = place + axis.taps
    for i in range(axis.taps):
        axis.tap[i] = i * layout.g.dilation[a] - before


cdef void set_chunk(Layout *layout) noexcept:
    """Few channels are summed along with the taps of a row, where that takes fewer steps."""
    cdef Py_ssize_t apart, steps
    layout.folded = False
    layout.chunk, layout.chunks = layout.in_channels, 1
    apart = runs_of(layout) * steps_of_run(layout, layout.in_channels)
    if layout.in_channels <= FOLDED_CHANNELS and layout.g.dilation[2] == 1:
        layout.folded = True
        layout.folded = runs_of(layout) * steps_of_run(layout, layout.in_channels) < apart
    if not layout.folded:
        steps = max(1, CHUNK_STEPS // layout.spatial_taps)
        layout.chunk = layout.step_channels * even_size(
            steps_of_run(layout, layout.in_channels), steps)
        layout.chunks = ceil_div(layout.in_channels, layout.chunk)
    # Planes stay planes where tiles read whole lines of them: other taps would read parts of two.
    layout.planes = layout.spatial_taps == 1 == layout.g.stride[2] and not layout.g.channels_last
    layout.place_bytes = FLOAT_BYTES if layout.planes else layout.itemsize


cdef void set_blocks(Layout *layout) noexcept:
    """Some rows of outputs, or a part of one, with a window that stays in the cache.

    Even blocks of as many rows as there is room for, or some fewer if tiles are fuller then.
    """
    cdef Py_ssize_t height = max(layout.out_size[1], 1), best = 1, least = 0, count, tiles
    cdef Py_ssize_t columns = even_size(max(layout.out_size[2], 1), LONG_ROW), tried = 0
    count = ceil_div(height * columns, MOST_PLACES)
    while columns >= layout.out_size[2] and count <= height and tried < MOST_TRIED:
        set_window(layout, ceil_div(height, count), columns)
        if fits(layout):
            tiles = layout.tiles * ceil_div(height, layout.axis[1].block)
            if tried == 0 or tiles < least:
                least, best = tiles, layout.axis[1].block
            tried += 1
        count += 1 if tried or count < MOST_TRIED else count // 4
    set_window(layout, best, columns)
    layout.blocks[0] = layout.out_size[0]
    layout.blocks[1] = ceil_div(layout.out_size[1], best)
    layout.blocks[2] = ceil_div(layout.out_size[2], columns)


cdef bint fits(const Layout *layout) noexcept:
    return (layout.tiles * FC_MATRIX <= MOST_PLACES
            and layout.window.size * (FLOAT_BYTES + layout.itemsize * layout.parts) <= CACHE // 2)


cdef void set_window(Layout *layout, Py_ssize_t rows, Py_ssize_t columns) noexcept:
    """The window of a block of so many outputs, and its tiles: those that are fewer."""
    cdef WindowAxis *axis = &layout.axis[0]
    cdef Py_ssize_t pixel, along, flat_tiles, lines
    cdef int a
    block_axis(&axis[0], 1, False)
    block_axis(&axis[1], rows, rows > 1)  # one row of the window on, from row to row of outputs
    block_axis(&axis[2], columns, False)
    if layout.folded and axis[2].segment:  # its taps are to be neighbours
        axis[2].segment, axis[2].per_tap = 0, False
        axis[2].window = axis[2].taps + (columns - 1) * axis[2].step
        axis[2].window_step = axis[2].step if columns > 1 else 1
        for pixel in range(axis[2].taps):
            axis[2].at[pixel] = pixel
    pixel = 1 if layout.planes else layout.chunk
    if not (layout.folded or layout.planes):
        lines = layout.chunk // layout.step_channels
        pixel = (lines if lines < 4 else lines | 1) * layout.step_channels
    along = round_up(axis[2].window, axis[2].window_step)
    layout.window.axis = layout.axis
    layout.window.channels, layout.window.channels_last = layout.chunk, not layout.planes
    layout.window.channel = 1
    layout.window.joined = 0
    layout.window.position[2] = pixel
    layout.window.position[1] = pixel * along
    layout.window.position[0] = layout.window.position[1] * axis[1].window
    layout.window.size = layout.window.position[0] * axis[0].window
    if layout.planes:  # an odd number of lines apart, so that tiles fit the nearest cache
        lines = ceil_div(layout.window.size, FC_MATRIX) | 1
        layout.window.channel = lines * FC_MATRIX
        layout.window.size = layout.window.channel * layout.step_channels * (
            steps_of_run(layout, layout.chunk))
    for a in range(AXES):
        axis[a].segment_step = axis[a].segment * layout.window.position[a]
    layout.window.slack = (FC_MATRIX * axis[2].window_step + 1) * pixel + layout.step_channels
    layout.row_tiles = ceil_div(columns, FC_MATRIX)
    layout.pitch = along // axis[2].window_step
    flat_tiles = ceil_div((rows - 1) * layout.pitch + columns, FC_MATRIX)
    layout.tiles = min(flat_tiles, rows * layout.row_tiles)
    layout.flat = flat_tiles == layout.tiles and axis[1].window_step == 1
    if not layout.flat:
        layout.tiles = rows * layout.row_tiles
        layout.pitch = layout.row_tiles * FC_MATRIX
