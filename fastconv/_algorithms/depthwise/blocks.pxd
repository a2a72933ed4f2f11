"""Blocks of outputs: which one is meant by a number, and where its results go."""
from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase, channels_in_blocks
from fastconv._algorithms.depthwise.schedule cimport Schedule
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport round_up
from fastconv._core.output cimport Output, store_channel
from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t

cdef enum:
    MAX_RECTS = 4  # of a window that are remembered

# A part of a plane that is copied into the window as it is.
cdef struct CopyRect:
    Py_ssize_t source, window, rows, pixels

# A block of outputs, and the channels that share its window.
cdef struct BlockRef:
    const OutputPhase *phase
    Py_ssize_t image
    Py_ssize_t channel_block   # a group, or some channels where these are in the lanes
    Py_ssize_t width           # elements of a pixel: how many such channels, else one
    Py_ssize_t number          # among the blocks of all output phases
    Py_ssize_t strip           # the same for blocks of a phase that lie one below the other
    Py_ssize_t first[3]        # outputs
    Py_ssize_t count[3]
    CopyRect rect[MAX_RECTS]
    int rects                  # -1: not known, or too many

# What the tasks of a call read, of the forward pass or of the gradient of the data.
cdef struct Job:
    const Layout *layout
    Schedule schedule
    Strided5 source
    Output output
    const char *packed
    char *scratch


cdef inline void take_channels(const Layout *layout, Py_ssize_t channel_block,
                               BlockRef *block) noexcept nogil:
    """The same block of other channels."""
    block.channel_block = channel_block
    block.width = 1
    if layout.channels_in_lanes:
        block.width = min(layout.channels_per_block, channels_in_blocks(layout)
                          - channel_block * layout.channels_per_block)


cdef inline Py_ssize_t first_place(const Job *job, const BlockRef *block,
                                   Py_ssize_t *step) noexcept nogil:
    """The place of a block's first output of channel 0 in the result, and its steps from there."""
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t place = block.image * job.output.image
    cdef int a
    for a in range(AXES):
        step[a] = axis[a].out_step * job.output.axis[a]
        place += (axis[a].first + block.first[a] * axis[a].out_step) * job.output.axis[a]
    return place


cdef inline void find_block(const Layout *layout, Py_ssize_t number,
                            BlockRef *block) noexcept nogil:
    """Which block of all images this is.

    Pixels in the lanes: planes one after the other. Channels: blocks, in each of them the
    channels, because these share lines of memory. Blocks lie one below the other.
    """
    cdef const OutputPhase *phase = layout.phase
    cdef Py_ssize_t extent[AXES]
    cdef Py_ssize_t index[AXES]
    cdef Py_ssize_t rows
    cdef int inner = layout.channels_in_lanes
    extent[inner], extent[1 - inner] = layout.channel_blocks, layout.blocks
    block.image = unravel(number, extent, 2, index)
    block.number = number = index[1 - inner]
    take_channels(layout, index[inner], block)
    while number >= phase.blocks:
        number -= phase.blocks
        phase += 1
    extent[0], extent[1] = phase.axis[0].blocks, phase.axis[2].blocks
    extent[2] = phase.axis[1].blocks
    unravel(number, extent, AXES, index)
    rows = index[2]
    index[2] = index[1]
    index[1] = rows
    place_block(phase, index, block)
    block.strip += (phase - layout.phase) << 30


cdef inline void place_block(const OutputPhase *phase, const Py_ssize_t *index,
                             BlockRef *block) noexcept nogil:
    """The block at an index of the grid of blocks of a phase."""
    cdef const Axis *axis = phase.axis
    cdef int a
    block.phase = phase
    block.strip = index[2]
    block.rects = -1
    for a in range(AXES):
        block.first[a] = index[a] * axis[a].block
        block.count[a] = min(axis[a].block, axis[a].count - block.first[a])


cdef inline void finish_plane(const Job *job, const BlockRef *block, const Py_ssize_t *step,
                              Py_ssize_t place, Py_ssize_t channel,
                              const real_t *tile) noexcept nogil:
    """Bias, residual and activation, while the sums of a plane lie in the cache.

    Outputs that are no neighbours come from a tile: gradients, which need nothing else.
    """
    cdef Py_ssize_t rows = block.count[1], n = block.count[2]
    cdef real_t *y = (<real_t *>job.output.data) + place
    if step[2] != 1:
        job.layout.kernels.scatter(
            rows, n, tile, round_up(block.phase.axis[2].block, job.layout.kernels.lanes), y,
            step[1], step[2])
    elif step[1] == n:
        store_channel(&job.output, 1, rows * n, y, 0, place, 0, channel)
    else:
        store_channel(&job.output, rows, n, y, step[1], place, step[1], channel)
