"""Packed weights: in the order in which kernels read them.

That is [output phase][channel][tap]; or, where channels are in the lanes, [output phase][block of
two vectors of channels][tap][channel], each channel as often as pixels are joined.
"""
cimport numpy as cnp
from libc.string cimport memset

from fastconv._algorithms.depthwise.layout cimport (
    Layout, OutputPhase, channels_in_blocks, lanes_map, packed_channels,
)
from fastconv._core.strided cimport Strided5, strided_weights
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport conv_geometry


cdef inline void pack_weights(const Layout *layout, cnp.ndarray weight, char *packed) noexcept:
    """Pack weights (filters, channels of a group, *kernel) with any strides."""
    cdef Strided5 from_ = strided_weights(weight)
    if layout.g.itemsize == 4:
        pack(layout, &from_, <float *>packed)
    else:
        pack(layout, &from_, <double *>packed)


cdef inline void pack(const Layout *layout, const Strided5 *weight, real_t *packed) noexcept nogil:
    cdef Py_ssize_t p
    if layout.channels_in_lanes:
        if channels_in_blocks(layout) * layout.joined_pixels % layout.kernels.lanes:
            memset(packed, 0, layout.packed_size * sizeof(real_t))
        for p in range(layout.phases):
            pack_lanes(layout, &layout.phase[p], weight, packed + layout.phase[p].packed)
    else:
        for p in range(layout.phases):
            pack_channels(layout, &layout.phase[p], weight, packed + layout.phase[p].packed)


cdef inline Py_ssize_t tap_place(const Layout *layout, const Strided5 *weight, Py_ssize_t tap,
                                 Py_ssize_t *in_channel) noexcept nogil:
    """Where a tap lies in a filter, and the input channel that it belongs to."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t t2 = tap % g.kernel[2], t1 = tap // g.kernel[2], t0
    t0 = t1 // g.kernel[1]
    t1 %= g.kernel[1]
    in_channel[0] = t0 // g.kernel[0]
    t0 %= g.kernel[0]
    if g.flip:
        t0, t1, t2 = g.kernel[0] - 1 - t0, g.kernel[1] - 1 - t1, g.kernel[2] - 1 - t2
    return t0 * weight.stride[2] + t1 * weight.stride[3] + t2 * weight.stride[4]


cdef inline Py_ssize_t channel_place(const Layout *layout, const Strided5 *weight, Py_ssize_t group,
                                     Py_ssize_t in_channel, Py_ssize_t out_channel) noexcept nogil:
    """Where the taps lie that lead from one channel of a group to one of the result."""
    cdef Py_ssize_t filter_ = group * layout.out_channels + out_channel, channel = in_channel
    if layout.backward:
        filter_, channel = group * layout.in_channels + in_channel, out_channel
    return filter_ * weight.stride[0] + channel * weight.stride[1]


cdef inline void pack_channels(const Layout *layout, const OutputPhase *phase,
                               const Strided5 *weight, real_t *packed) noexcept nogil:
    """The taps of one channel of the result after the other."""
    cdef const real_t *w = <const real_t *>weight.data
    cdef Py_ssize_t place[64]  # of few taps, which are worth finding once for all channels
    cdef Py_ssize_t t, group, o, c = 0, tap
    if layout.in_channels == 1 and phase.taps <= 64:
        for t in range(phase.taps):
            place[t] = tap_place(layout, weight, phase.order[t], &c)
        for group in range(layout.groups):
            for o in range(layout.out_channels):
                tap = channel_place(layout, weight, group, 0, o)
                for t in range(phase.taps):
                    packed[t] = w[tap + place[t]]
                packed += phase.taps
        return
    for t in range(phase.taps):
        tap = tap_place(layout, weight, phase.order[t], &c)
        for group in range(layout.groups):
            for o in range(layout.out_channels):
                packed[(group * layout.out_channels + o) * phase.taps + t] = w[
                    tap + channel_place(layout, weight, group, c, o)]


cdef inline void pack_lanes(const Layout *layout, const OutputPhase *phase, const Strided5 *weight,
                            real_t *packed) noexcept nogil:
    """Vectors of channels, repeated for each of the pixels that are joined."""
    cdef const real_t *w = <const real_t *>weight.data
    cdef Py_ssize_t width = 2 * layout.kernels.lanes, padded = packed_channels(layout)
    cdef Py_ssize_t t, group, o, c = 0, tap, i, channel, block
    if lanes_map(layout) and layout.joined_pixels == 1:
        for o in range(layout.out_channels):
            pack_lane_by_lane(layout, phase, weight, w + o * weight.stride[0],
                              packed + o * (padded // layout.out_channels) * phase.taps)
        return
    for t in range(phase.taps):
        tap = tap_place(layout, weight, phase.order[t], &c)
        channel = 0
        for group in range(layout.groups):
            for o in range(layout.out_channels):
                for i in range(layout.joined_pixels):
                    block = (channel + i * layout.channels) // width * width
                    packed[block * phase.taps + channel + i * layout.channels - block
                           + t * min(width, padded - block)] = w[
                        tap + channel_place(layout, weight, group, c, o)]
                channel += 1


cdef inline void pack_lane_by_lane(const Layout *layout, const OutputPhase *phase,
                                   const Strided5 *weight, const real_t *w,
                                   real_t *packed) noexcept nogil:
    """The same where lanes map, of one filter of every group."""
    cdef Py_ssize_t width = 2 * layout.kernels.lanes, filters = layout.out_channels
    cdef Py_ssize_t padded = packed_channels(layout) // filters, step = filters * weight.stride[0]
    cdef Py_ssize_t t, c = 0, tap, i, block, n
    for t in range(phase.taps):
        tap = tap_place(layout, weight, phase.order[t], &c)
        block = 0
        while block < layout.groups:
            n = min(width, padded - block)
            for i in range(min(width, layout.groups - block)):
                packed[block * phase.taps + t * n + i] = w[tap + i * step]
            tap += width * step
            block += width
