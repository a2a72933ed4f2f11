"""Weights: packed in the order in which kernels read them.

The order is [phase][group][block of output channels][tap][channel]. Taps run over input channels,
then kernel positions, for every layout of x; but where runs of pixels leave out taps, those along
the last axis come first.
"""
cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._algorithms.direct.types cimport Layout, Phase
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.scratch cimport fc_fetch
from fastconv._core.strided cimport Strided5, strided_weights
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

# Where weights come from and go to.
cdef struct Weights:
    const Layout *layout
    Strided5 source                       # (filters, channels of a group, kernel)
    Py_ssize_t group, out_channel, in_channel  # strides, by what the pass writes and reads
    char *packed


cdef enum:
    MIN_PARALLEL = 1 << 16  # elements that are worth threads
    TURNED = 1 << 12        # elements of a channel's taps that are turned at once, on the stack


cdef inline Weights weights_from(const Layout *layout, cnp.ndarray array) noexcept:
    """The weights of a pass, not packed yet."""
    cdef Weights weights
    cdef const Py_ssize_t *stride = weights.source.stride
    weights.layout = layout
    weights.source = strided_weights(array)
    weights.group = layout.g.filters // layout.groups * stride[0]
    weights.out_channel = stride[1] if layout.backward else stride[0]
    weights.in_channel = stride[0] if layout.backward else stride[1]
    weights.packed = NULL
    return weights


cdef inline int pack_all(Weights *weights, int threads) except -1:
    """Pack all weights to `weights.packed`."""
    cdef const Layout *layout = weights.layout
    cdef bint together = packs_together(weights)
    parallel_for(pack_together if together else pack_task, weights,
                 (1 if together else layout.n_phases) * layout.groups * layout.channel_blocks,
                 threads if layout.packed_size > MIN_PARALLEL else 1, 0.0)
    return 0


cdef inline bint packs_together(const Weights *weights) noexcept nogil:
    """Whether all phases are packed at once: each alone would pick single taps from all lines.

    Ranges of outputs share taps, and would have them packed several times.
    """
    cdef const Layout *layout = weights.layout
    cdef const Py_ssize_t *kernel = layout.g.kernel
    return (layout.n_phases > 1 and weights.out_channel != 1 and taps_adjoin(weights)
            and layout.packed_size <= layout.groups * layout.padded_channels * layout.in_channels
            * kernel[0] * kernel[1] * kernel[2])


cdef inline void pack_together(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Weights *weights = <const Weights *>context
    if weights.layout.g.itemsize == 4:
        pack_phases(weights, task, <float *>weights.packed)
    else:
        pack_phases(weights, task, <double *>weights.packed)


cdef inline void pack_phases(const Weights *weights, Py_ssize_t task,
                             real_t *packed) noexcept nogil:
    """One block of output channels of one group, for all phases.

    An input channel's taps are turned, in the order of memory; then each phase takes its own.
    """
    cdef const Layout *layout = weights.layout
    cdef const Py_ssize_t *kernel = layout.g.kernel
    cdef Py_ssize_t group = task // layout.channel_blocks, block = task % layout.channel_blocks
    cdef Py_ssize_t start = block * layout.width
    cdef Py_ssize_t width = min(layout.width, layout.padded_channels - start)
    cdef Py_ssize_t n = min(width, layout.out_channels - start), taps, most, part
    cdef Py_ssize_t first, count, c, p
    cdef const real_t *source = (<const real_t *>weights.source.data) + (
        group * weights.group + start * weights.out_channel)
    cdef real_t[TURNED] turned
    taps = kernel[0] * kernel[1] * kernel[2]
    most = TURNED // width
    memset(turned, 0, sizeof(turned))
    for c in range(layout.in_channels):
        for part in range(ceil_div(taps, most)):
            first = part * most
            count = min(most, taps - first)
            layout.kernels.transpose(n, count, source + c * weights.in_channel + first,
                                     weights.out_channel, turned, width)
            for p in range(layout.n_phases):
                take_taps(weights, &layout.phases[p], c, first, count, turned, width,
                          packed + layout.phases[p].packed + layout.phases[p].taps * (
                              group * layout.padded_channels + start))


cdef inline void take_taps(const Weights *weights, const Phase *phase, Py_ssize_t channel,
                           Py_ssize_t first, Py_ssize_t count, const real_t *turned,
                           Py_ssize_t width, real_t *out) noexcept nogil:
    """Those of a channel's taps first … first + count - 1 that are the phase's, to their places."""
    cdef Py_ssize_t t0, t1, t2, line, tap, step = 1, lines = phase.axis[2].taps
    if weights.layout.last_first:
        step, lines = phase.taps // phase.axis[2].taps, 1
    for t0 in range(phase.axis[0].taps):
        for t1 in range(phase.axis[1].taps):
            line = (channel * phase.axis[0].taps + t0) * phase.axis[1].taps + t1
            for t2 in range(phase.axis[2].taps):
                tap = tap_place(weights, phase, 0, t0, t1, t2) - first
                if 0 <= tap < count:
                    memcpy(out + (line * lines + t2 * step) * width, turned + tap * width,
                           width * sizeof(real_t))


cdef inline void pack_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Weights *weights = <const Weights *>context
    if weights.layout.g.itemsize == 4:
        pack_block(weights, task, <float *>weights.packed)
    else:
        pack_block(weights, task, <double *>weights.packed)


cdef inline void pack_block(const Weights *weights, Py_ssize_t task, real_t *packed) noexcept nogil:
    """Pack one block of output channels of one group and phase."""
    cdef const Layout *layout = weights.layout
    cdef const Phase *phase
    cdef Py_ssize_t extent[2]
    cdef Py_ssize_t index[2]
    cdef Py_ssize_t first
    extent[0], extent[1] = layout.groups, layout.channel_blocks
    phase = &layout.phases[unravel(task, extent, 2, index)]
    first = index[0] * layout.padded_channels + index[1] * layout.width
    pack_taps(weights, phase, index[0], index[1], 0, phase.taps,
              packed + phase.packed + phase.taps * first)


cdef inline void pack_taps(const Weights *weights, const Phase *phase, Py_ssize_t group,
                           Py_ssize_t block, Py_ssize_t first, Py_ssize_t taps,
                           real_t *out) noexcept nogil:
    """Pack some taps of one block of output channels; all, where the last axis comes first."""
    cdef const Layout *layout = weights.layout
    cdef const fc_kernels *kernels = layout.kernels
    cdef Py_ssize_t start = block * layout.width
    cdef Py_ssize_t width = min(layout.width, layout.padded_channels - start)
    cdef Py_ssize_t n = min(width, layout.out_channels - start), stop = first + taps, o
    cdef const real_t *source = (<const real_t *>weights.source.data) + (
        group * weights.group + start * weights.out_channel)
    if n < width:
        memset(out, 0, taps * width * sizeof(real_t))
    if layout.last_first:
        pack_last_first(weights, phase, source, n, width, out)
    elif lie_in_rows(weights):
        pack_rows(taps, source + first * weights.in_channel, weights.in_channel, n, out, width)
    elif all_in_order(weights, phase):
        kernels.transpose(n, taps, source + first, weights.out_channel, out, width)
        for o in range(n):  # the next chunk comes while this one is at work
            fc_fetch(source + stop + o * weights.out_channel, taps * sizeof(real_t))
    elif phase.spatial_taps > 1 and weights.out_channel != 1 and in_order(weights, phase):
        pack_channels(weights, phase, source, n, width, first, stop, out)
    else:
        pack_runs(weights, phase, source, n, width, first, stop, out)


cdef inline bint in_order(const Weights *weights, const Phase *phase) noexcept nogil:
    """Whether an input channel's taps lie side by side, forwards or backwards."""
    cdef const Layout *layout = weights.layout
    cdef const Py_ssize_t *kernel = layout.g.kernel
    return (phase.spatial_taps == kernel[0] * kernel[1] * kernel[2] and taps_adjoin(weights)
            and layout.period[0] == 1 and layout.period[1] == 1 and layout.period[2] == 1)


cdef inline bint taps_adjoin(const Weights *weights) noexcept nogil:
    """Whether all taps of an input channel lie side by side in memory."""
    cdef const Py_ssize_t *kernel = weights.layout.g.kernel
    cdef const Py_ssize_t *stride = weights.source.stride
    return ((stride[4] == 1 or kernel[2] == 1)
            and (stride[3] == kernel[2] or kernel[1] == 1)
            and (stride[2] == kernel[1] * kernel[2] or kernel[0] == 1))


cdef inline bint all_in_order(const Weights *weights, const Phase *phase) noexcept nogil:
    """Whether the taps of all input channels lie side by side, forwards."""
    return ((weights.in_channel == phase.spatial_taps or weights.layout.in_channels == 1)
            and (phase.spatial_taps == 1 or not weights.layout.g.flip)
            and in_order(weights, phase))


cdef inline bint lie_in_rows(const Weights *weights) noexcept nogil:
    """Whether output channels lie side by side: gradients of the input of 1x1 layers."""
    cdef const Py_ssize_t *kernel = weights.layout.g.kernel
    return weights.out_channel == 1 and kernel[0] == kernel[1] == kernel[2] == 1


cdef inline void pack_rows(Py_ssize_t taps, const real_t *source, Py_ssize_t row, Py_ssize_t n,
                           real_t *out, Py_ssize_t width) noexcept nogil:
    """A row of n weights for each tap; whole blocks by copies of a size that compilers know."""
    if n == 4:
        copy_rows(taps, source, row, 4, out, width)
    elif n == 8:
        copy_rows(taps, source, row, 8, out, width)
    elif n == 16:
        copy_rows(taps, source, row, 16, out, width)
    elif n == 32:
        copy_rows(taps, source, row, 32, out, width)
    else:
        copy_rows(taps, source, row, n, out, width)


cdef inline void copy_rows(Py_ssize_t rows, const real_t *source, Py_ssize_t row, Py_ssize_t n,
                           real_t *out, Py_ssize_t out_row) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(rows):
        memcpy(out + i * out_row, source + i * row, n * sizeof(real_t))


cdef inline void pack_channels(const Weights *weights, const Phase *phase, const real_t *source,
                               Py_ssize_t n, Py_ssize_t width, Py_ssize_t first, Py_ssize_t stop,
                               real_t *out) noexcept nogil:
    """Taps first … stop - 1, channel by channel, where a channel's taps are `in_order`."""
    cdef const Layout *layout = weights.layout
    cdef const fc_kernels *kernels = layout.kernels
    cdef Py_ssize_t spatial = phase.spatial_taps, row = weights.out_channel, t = first, c, tap
    cdef Py_ssize_t count, full_vectors
    cdef const real_t *channel
    while t < stop:
        c = t // spatial
        tap = t - c * spatial
        count = min(spatial - tap, stop - t)
        full_vectors = round_up(count, kernels.lanes)
        channel = source + c * weights.in_channel
        if row == spatial:  # one run for all, far from the next channel's
            fc_fetch(channel + 2 * weights.in_channel, n * spatial * sizeof(real_t))
        if layout.g.flip:
            kernels.transpose(n, count, channel + spatial - tap - count, row,
                              out + (count - 1) * width, -width)
        elif (n == width and c + 1 < layout.in_channels and 0 < row
              and weights.in_channel >= kernels.lanes and t + full_vectors <= stop):
            # whole blocks are faster; what is too much of them the next channel overwrites
            kernels.transpose(n, full_vectors, channel + tap, row, out, width)
        else:
            kernels.transpose(n, count, channel + tap, row, out, width)
        t += count
        out += count * width


cdef inline void pack_runs(const Weights *weights, const Phase *phase, const real_t *source,
                           Py_ssize_t n, Py_ssize_t width, Py_ssize_t first, Py_ssize_t stop,
                           real_t *out) noexcept nogil:
    """Taps first … stop - 1, as many at a time as lie side by side."""
    cdef const fc_kernels *kernels = weights.layout.kernels
    cdef Py_ssize_t run = adjoining_taps(weights, phase), row = weights.out_channel, t = first
    cdef Py_ssize_t extent[3]
    cdef Py_ssize_t index[3]
    cdef Py_ssize_t c, begin, count
    cdef const real_t *tap
    cdef int a
    for a in range(3):
        extent[a] = phase.axis[a].taps
    while t < stop:
        begin = t // run * run
        count = min(begin + run, stop) - t
        c = unravel(begin, extent, 3, index)
        tap = source + tap_place(weights, phase, c, index[0], index[1], index[2])
        if run == 1:
            kernels.gather(n, tap, row, out)
        elif weights.layout.g.flip:
            kernels.transpose(n, count, tap - (t - begin) - (count - 1), row,
                              out + (count - 1) * width, -width)
        else:
            kernels.transpose(n, count, tap + (t - begin), row, out, width)
        t += count
        out += count * width


cdef inline Py_ssize_t adjoining_taps(const Weights *weights, const Phase *phase) noexcept nogil:
    """How many taps of a phase lie side by side in memory, forwards or backwards."""
    cdef const Layout *layout = weights.layout
    cdef Py_ssize_t run = 1, place = 1
    cdef int a
    if weights.out_channel == 1:  # filters do, so that a tap is a run of its own
        return 1
    for a in range(2, -1, -1):
        if phase.axis[a].taps > 1 and weights.source.stride[2 + a] * layout.period[a] != place:
            break
        run *= phase.axis[a].taps
        if phase.axis[a].taps != layout.g.kernel[a]:
            break
        place *= layout.g.kernel[a]
    return run


cdef inline void pack_last_first(const Weights *weights, const Phase *phase, const real_t *source,
                                 Py_ssize_t n, Py_ssize_t width, real_t *out) noexcept nogil:
    """All taps, those along the last axis first."""
    cdef const Layout *layout = weights.layout
    cdef const fc_kernels *kernels = layout.kernels
    cdef bint flip = layout.g.flip
    cdef Py_ssize_t taps = phase.axis[2].taps, lines = phase.taps // taps, i, t, row
    cdef Py_ssize_t step = weights.source.stride[4] * layout.period[2]
    cdef Py_ssize_t extent[2]
    cdef Py_ssize_t index[2]
    cdef const real_t *line
    extent[0], extent[1] = phase.axis[0].taps, phase.axis[1].taps
    row = weights.out_channel
    for i in range(lines):
        t = unravel(i, extent, 2, index)
        line = source + tap_place(weights, phase, t, index[0], index[1], 0)
        if step == 1 and taps >= kernels.lanes // 2:
            if flip:
                kernels.transpose(n, taps, line - (taps - 1), row,
                                  out + (i + (taps - 1) * lines) * width, -lines * width)
            else:
                kernels.transpose(n, taps, line, row, out + i * width, lines * width)
            continue
        for t in range(taps):
            kernels.gather(n, line + (-t if flip else t) * step, row,
                           out + (i + t * lines) * width)


cdef inline Py_ssize_t tap_place(const Weights *weights, const Phase *phase, Py_ssize_t channel,
                                 Py_ssize_t t0, Py_ssize_t t1, Py_ssize_t t2) noexcept nogil:
    """Where the weight of an input channel lies that a tap of the phase meets."""
    cdef const conv_geometry *g = weights.layout.g
    cdef const Py_ssize_t *stride = weights.source.stride
    cdef const Py_ssize_t *period = weights.layout.period
    t0 = phase.first_tap[0] + t0 * period[0]
    t1 = phase.first_tap[1] + t1 * period[1]
    t2 = phase.first_tap[2] + t2 * period[2]
    if g.flip:
        t0, t1, t2 = g.kernel[0] - 1 - t0, g.kernel[1] - 1 - t1, g.kernel[2] - 1 - t2
    return channel * weights.in_channel + t0 * stride[2] + t1 * stride[3] + t2 * stride[4]
