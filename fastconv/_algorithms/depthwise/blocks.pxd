from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase
from fastconv._algorithms.depthwise.schedule cimport Schedule
from fastconv._core.output cimport Output
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
        block.width = min(layout.channels_per_block,
                          layout.channels - channel_block * layout.channels_per_block)


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

cdef void find_block(const Layout *layout, Py_ssize_t number, BlockRef *block) noexcept nogil
cdef void place_block(const OutputPhase *phase, const Py_ssize_t *index,
                      BlockRef *block) noexcept nogil
cdef void finish_plane(const Job *job, const BlockRef *block, const Py_ssize_t *step,
                       Py_ssize_t place, Py_ssize_t channel, const real_t *tile) noexcept nogil
