"""Small planes side by side: blocks of channels as pixels of channels, and back.

Rows of few outputs leave vectors of pixels idle, as do outputs three and more apart. So the planes
of some channels are turned into scratch memory, as an image whose channels come last; what is
computed there, with channels in the lanes, is turned back on its way out. Columns run as in planes,
and sums keep their order.
"""
from libc.string cimport memset

from fastconv._algorithms.depthwise.blocks cimport Job
from fastconv._algorithms.depthwise.layout cimport (
    Layout, channels_in_blocks, extents_read, packed_channels, plane_of,
)
from fastconv._core.output cimport Output, store_tile
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_epilogue

cdef enum:
    MAX_WIDTH = 32  # channels of a block: two vectors


cdef inline Py_ssize_t width_of(const Layout *layout, Py_ssize_t channel) noexcept nogil:
    """Channels of the block that begins with this one."""
    return min(layout.channels_per_block, channels_in_blocks(layout) - channel)


cdef inline void start_interleaved(const Job *job, Py_ssize_t number, char *scratch,
                                   const fc_epilogue *bare, const real_t *typed,
                                   Job *inner) noexcept nogil:
    """Turn the planes of a block of channels, and describe what is computed of them.

    typed: any pointer to elements, which only tells their type.
    """
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t channel = number % layout.channel_blocks * layout.channels_per_block
    cdef Py_ssize_t lanes = layout.channels_per_block
    cdef real_t *planes = <real_t *>(scratch + job.schedule.interleaved[0])
    cdef real_t *made = <real_t *>(scratch + job.schedule.interleaved[1])
    cdef const real_t *x = (<const real_t *>job.source.data) + (
        number // layout.channel_blocks * job.source.stride[0] + channel * job.source.stride[1])
    turn_planes(layout, &job.source, x, width_of(layout, channel), planes)
    inner[0] = job[0]
    # places and channels count from the image's first
    inner.source.data = <char *>(planes - channel)
    set_pixels(extents_read(layout), lanes, &inner.source)
    inner.output.data = <char *>(made - channel)
    inner.output.bias = inner.output.residual = NULL
    inner.output.epilogue = bare
    inner.output.image, inner.output.channel = 0, 1
    inner.output.axis[2] = inner.output.pixel = lanes
    inner.output.axis[1] = lanes * layout.size[2]
    inner.output.axis[0] = lanes * layout.size[2] * layout.size[1]
    if layout.has_gaps:
        memset(made, 0, plane_of(layout.size) * lanes * sizeof(real_t))


cdef inline void set_pixels(const Py_ssize_t *extent, Py_ssize_t lanes,
                            Strided5 *source) noexcept nogil:
    """The strides of one image of so many channels, which come last."""
    source.stride[0], source.stride[1] = 0, 1
    source.stride[4] = lanes
    source.stride[3] = lanes * extent[2]
    source.stride[2] = lanes * extent[2] * extent[1]


cdef inline void turn_planes(const Layout *layout, const Strided5 *source, const real_t *x,
                             Py_ssize_t width, real_t *to) noexcept nogil:
    """Planes that lie anywhere: all at once where they are runs of elements, or row by row."""
    cdef const Py_ssize_t *extent = extents_read(layout)
    cdef const Py_ssize_t *stride = &source.stride[1]
    cdef Py_ssize_t lanes = layout.channels_per_block, row = extent[2], i0, i1
    if ((stride[3] == 1 or row == 1) and (stride[2] == row or extent[1] == 1)
            and (stride[1] == row * extent[1] or extent[0] == 1)):
        layout.kernels.transpose(width, plane_of(extent), x, stride[0], to, lanes)
        return
    for i0 in range(extent[0]):
        for i1 in range(extent[1]):
            if stride[3] == 1 or row == 1:
                layout.kernels.transpose(width, row, x + i0 * stride[1] + i1 * stride[2],
                                         stride[0], to, lanes)
            else:
                layout.kernels.copy(row, width, x + i0 * stride[1] + i1 * stride[2], stride[3],
                                    stride[0], to, lanes)
            to += row * lanes


cdef inline void take_filter(const Job *job, Py_ssize_t filter_, const real_t *typed,
                             Job *inner) noexcept nogil:
    """Compute with this filter of every group: in several, there is one output phase."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t channels = packed_channels(layout) // layout.out_channels
    inner.packed = job.packed + (
        filter_ * channels * layout.phase[0].taps * sizeof(typed[0]))


cdef inline void finish_interleaved(const Job *job, Py_ssize_t number, Py_ssize_t filter_,
                                    char *scratch, const real_t *typed) noexcept nogil:
    """Results to their planes, through bias, residual and activation; `typed` as above.

    filter_: of every group, whose results lie as far apart as a group has filters.
    """
    cdef const Layout *layout = job.layout
    cdef Output output = job.output
    cdef Py_ssize_t channel = number % layout.channel_blocks * layout.channels_per_block, i
    cdef Py_ssize_t width = width_of(layout, channel), filters = layout.out_channels
    cdef Py_ssize_t place = (number // layout.channel_blocks * output.image
                             + (channel * filters + filter_) * output.channel)
    cdef real_t bias[MAX_WIDTH]
    if filters > 1:
        output.channel *= filters
        if output.bias != NULL:
            for i in range(width):
                bias[i] = (<const real_t *>output.bias)[(channel + i) * filters + filter_]
            output.bias = <const char *>bias
            channel = 0
    store_tile(&output, <real_t *>(scratch + job.schedule.interleaved[1]),
               layout.channels_per_block, False,
               <real_t *>(scratch + job.schedule.interleaved[2]), plane_of(layout.size), width,
               channel, place)
