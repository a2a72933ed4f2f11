"""Filters of single channels over bytes where channels come last, with sums of 32 bits.

An element of the kernels holds four bytes of one channel that meet neighbouring taps of a row, and
a vector holds the elements of neighbouring channels. Rows of input become lines of elements, for
each place that an output has in a row; then a tap is a shift.

Signs, zero points and sums are as in `byte_planes`.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memset

from fastconv._algorithms.depthwise.words cimport taps_meet
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.machine cimport peak
from fastconv._core.padding cimport source_index
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport byte_functions, byte_kernels, fc_bytes, have_bytes
from fastconv._kernels.dispatch cimport fc_epilogue, fc_kernels

cnp.import_array()

cdef enum:
    QUAD = 4             # bytes of an element
    MOST_CHANNELS = 128  # of a task, whose lines then stay in the cache
    LEAST_CHANNELS = 8   # fewer leave most of a vector empty
    SIGN = 128           # what changing the sign bit of a byte adds

cdef double RATE = 0.5          # of the peak, with elements for numbers
cdef double ELEMENT = 0.25e-9   # seconds an element: of making them, and of results

# What the tasks of one call read.
cdef struct Job:
    const PixelLayout *layout
    const fc_bytes *bytes
    const fc_kernels *kernels
    const Py_ssize_t *offset
    const Py_ssize_t *class_used
    const int32_t *weights
    const fc_epilogue *epilogue
    const int32_t *bias
    int flip, zero_point
    Py_ssize_t out_itemsize
    const uint8_t *source
    char *out
    char *scratch
    Py_ssize_t tasks[4]          # images, planes, blocks of rows of outputs, and of channels


cdef bint serves_byte_pixels(ConvDesc desc) except -1:
    """Whether there are kernels of bytes, and a channel has one filter.

    Elements further on in a row of taps have to be those of other outputs.
    """
    cdef const conv_geometry *g = &desc.g
    return (g.channels == g.groups == g.filters and g.channels_last
            and g.channels >= LEAST_CHANNELS
            and taps_meet(g, min(g.channels, <Py_ssize_t>MOST_CHANNELS))
            and (g.kernel[2] <= QUAD or QUAD * g.dilation[2] % g.stride[2] == 0)
            and have_bytes())


cdef double byte_pixels_seconds(ConvDesc desc):
    """What the cost model takes one image for."""
    cdef const conv_geometry *g = &desc.g
    cdef double taps = <double>g.kernel[0] * g.kernel[1] * ceil_div(g.kernel[2], QUAD)
    cdef double outputs = <double>g.filters * g.output[0] * g.output[1] * g.output[2]
    cdef double inputs = <double>g.channels * g.input[1] * g.output[2] * g.output[0] * g.kernel[0]
    return 2 * taps * outputs / (RATE * peak(4)) + ELEMENT * (inputs + outputs)


# ---- layout ----

cdef void set_layout(PixelLayout *layout, const conv_geometry *g, Py_ssize_t lanes) noexcept:
    """As many rows of outputs at once as leave most of a cache free."""
    cdef Py_ssize_t classes = g.stride[1], row_bytes
    layout.g = g
    layout.quads = ceil_div(g.kernel[2], QUAD)
    layout.taps = g.kernel[0] * g.kernel[1] * layout.quads
    layout.channels = min(g.channels, round_up(even_size(g.channels, MOST_CHANNELS), lanes))
    layout.lanes = round_up(layout.channels, lanes)
    layout.places = g.output[2] + (layout.quads - 1) * QUAD * g.dilation[2] // g.stride[2]
    layout.line = layout.places * layout.lanes
    layout.reach = g.dilation[1] * (g.kernel[1] - 1)
    row_bytes = 4 * (g.kernel[0] * classes * layout.line + g.output[2] * layout.lanes)
    layout.block = max(1, CACHE // 4 // row_bytes - ceil_div(layout.reach, classes))
    layout.block = max(even_size(max(g.output[1], 1), layout.block), 1)
    layout.lines = layout.block + ceil_div(layout.reach, classes)
    layout.size = g.kernel[0] * classes * layout.lines * layout.line
    layout.scratch = round_up(
        4 * (layout.size + layout.block * g.output[2] * layout.lanes) + layout.channels, 64) + 64


cdef class BytePixels:
    """The forward pass of one layer: its weights as elements, and what becomes of the sums."""

    cdef int make_tables(self, cnp.ndarray weight) except -1:
        """Where each tap lies in the lines, and the four weights of each channel."""
        cdef PixelLayout *layout = &self.layout
        cdef const conv_geometry *g = layout.g
        cdef Py_ssize_t d, i, q, t = 0, row, step = QUAD * g.dilation[2] // g.stride[2]
        cdef Py_ssize_t blocks = ceil_div(g.channels, layout.channels)
        cdef cnp.ndarray padded
        self.tables = acquire((layout.taps + g.stride[1]) * sizeof(Py_ssize_t)
                              + blocks * layout.taps * layout.lanes * sizeof(int32_t))
        self.offset = <Py_ssize_t *>self.tables.data
        self.class_used = self.offset + layout.taps
        self.weights = <int32_t *>(self.class_used + g.stride[1])
        memset(self.class_used, 0, g.stride[1] * sizeof(Py_ssize_t))
        for d in range(g.kernel[0]):
            for i in range(g.kernel[1]):
                row = i * g.dilation[1]
                self.class_used[row % g.stride[1]] = True
                for q in range(layout.quads):
                    self.offset[t] = (
                        ((d * g.stride[1] + row % g.stride[1]) * layout.lines + row // g.stride[1])
                        * layout.line + q * step * layout.lanes)
                    t += 1
        padded = np.zeros((blocks * layout.channels, *(<object>weight).shape[2:-1],
                           QUAD * layout.quads), np.int8)
        if g.flip:
            weight = np.flip(weight, tuple(range(2, weight.ndim)))
        padded[:g.channels, ..., :g.kernel[2]] = weight[:, 0]
        # (channels, taps) to (blocks, taps, lanes)
        padded = padded.view(np.int32).reshape(blocks, layout.channels, layout.taps)
        lanes = np.zeros((blocks, layout.taps, layout.lanes), np.int32)
        lanes[..., :layout.channels] = padded.transpose(0, 2, 1)
        padded = lanes
        for t in range(blocks * layout.taps * layout.lanes):
            self.weights[t] = (<int32_t *>cnp.PyArray_DATA(padded))[t]
        return 0

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's; the bias is known already."""
        cdef const conv_geometry *g = self.layout.g
        cdef Job job
        cdef Scratch scratch
        cdef cnp.ndarray images = np.ascontiguousarray(source)
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.layout = &self.layout
        job.bytes, job.kernels = byte_functions(), byte_kernels()
        job.offset, job.class_used, job.weights = self.offset, self.class_used, self.weights
        job.epilogue = &self.way_out.epilogue
        job.bias = <const int32_t *>cnp.PyArray_BYTES(self.way_out.bias)
        job.flip, job.zero_point = self.flip, self.zero_point
        job.out_itemsize = cnp.PyArray_ITEMSIZE(out)
        job.source, job.out = <const uint8_t *>cnp.PyArray_BYTES(images), cnp.PyArray_BYTES(out)
        job.tasks[0], job.tasks[1] = cnp.PyArray_DIM(images, 0), g.output[0]
        job.tasks[2] = ceil_div(g.output[1], self.layout.block)
        job.tasks[3] = ceil_div(g.channels, self.layout.channels)
        scratch = acquire(threads * self.layout.scratch)
        job.scratch = scratch.data
        parallel_for(run_task, &job, job.tasks[0] * job.tasks[1] * job.tasks[2] * job.tasks[3],
                     threads, self.desc.work(job.tasks[0], False))


cdef BytePixels byte_pixels(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                            Requantization way_out):
    """The kernel of a pass that `serves_byte_pixels`, of bytes of either sign by int8."""
    cdef BytePixels self = BytePixels.__new__(BytePixels)
    self.desc, self.zero_point = desc, zero_point
    self.flip = SIGN if signed_source else 0
    self.way_out = way_out.less_zeros(zero_point + self.flip, weight)
    set_layout(&self.layout, &desc.g, byte_kernels().lanes)
    self.make_tables(weight)
    return self


# ---- a block of outputs ----

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of outputs of some channels."""
    cdef const Job *job = <const Job *>context
    cdef const PixelLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef int32_t *lines = <int32_t *>(job.scratch + thread * layout.scratch)
    cdef int32_t *sums = lines + layout.size
    cdef uint8_t *nothing = <uint8_t *>(sums + layout.block * g.output[2] * layout.lanes)
    cdef Py_ssize_t index[4]
    cdef Py_ssize_t first, rows, channel, channels, place
    unravel(task, job.tasks, 4, index)
    first, channel = index[2] * layout.block, index[3] * layout.channels
    rows = min(layout.block, g.output[1] - first)
    channels = min(layout.channels, g.channels - channel)
    memset(nothing, job.zero_point, channels)
    make_lines(job, index[0], index[1], first, rows, channel, channels, nothing, lines)
    sum_rows(job, rows, lines, job.weights + index[3] * layout.taps * layout.lanes, sums)
    place = ((index[0] * g.output[0] + index[1]) * g.output[1] + first) * g.output[2]
    job.kernels.store(rows * g.output[2], channels, sums, layout.lanes,
                      job.out + (place * g.channels + channel) * job.out_itemsize, g.channels,
                      job.bias + channel, 0, 1, NULL, 0, job.epilogue)


cdef inline void sum_rows(const Job *job, Py_ssize_t rows, const int32_t *lines,
                          const int32_t *weights, int32_t *sums) noexcept nogil:
    """The sums of all channels of a task, a vector of channels at a time."""
    cdef const PixelLayout *layout = job.layout
    cdef Py_ssize_t outputs = layout.g.output[2], o, c
    for o in range(rows):
        c = 0
        while c < layout.lanes:
            job.bytes.dwconv(outputs, layout.taps, job.offset, lines + o * layout.line + c,
                             layout.lanes, weights + c, sums + o * outputs * layout.lanes + c)
            c += job.kernels.lanes


# ---- lines of elements ----

cdef void make_lines(const Job *job, Py_ssize_t image, Py_ssize_t plane, Py_ssize_t first,
                     Py_ssize_t rows, Py_ssize_t channel, Py_ssize_t channels,
                     const uint8_t *nothing, int32_t *lines) noexcept nogil:
    """The lines that some rows of outputs read, of every plane of the kernel and class of rows."""
    cdef const PixelLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t size = g.input[1] * g.input[2], d, c, r, at, row
    cdef const uint8_t *source
    for d in range(g.kernel[0]):
        at = source_index(plane * g.stride[0] + d * g.dilation[0] - g.before[0], g.input[0],
                          g.padding_mode)
        source = NULL
        if at >= 0:
            source = job.source + (image * g.input[0] + at) * size * g.channels + channel
        for c in range(g.stride[1]):
            if not job.class_used[c]:
                continue
            for r in range(rows + max(layout.reach - c, 0) // g.stride[1]):
                row = -1
                if source != NULL:
                    row = source_index((first + r) * g.stride[1] + c - g.before[1], g.input[1],
                                       g.padding_mode)
                make_line(job, NULL if row < 0 else source + row * g.input[2] * g.channels,
                          channels, nothing,
                          lines + ((d * g.stride[1] + c) * layout.lines + r) * layout.line)


cdef inline void make_line(const Job *job, const uint8_t *row, Py_ssize_t channels,
                           const uint8_t *nothing, int32_t *line) noexcept nogil:
    """Elements of one row, which may lie outside, for every place."""
    cdef const conv_geometry *g = job.layout.g
    cdef const uint8_t *byte[QUAD]
    cdef Py_ssize_t place, k, at
    for place in range(job.layout.places):
        for k in range(QUAD):
            at = -1
            if row != NULL:
                at = source_index(place * g.stride[2] + k * g.dilation[2] - g.before[2],
                                  g.input[2], g.padding_mode)
            byte[k] = nothing if at < 0 else row + at * g.channels
        job.bytes.quads(channels, byte[0], byte[1], byte[2], byte[3], job.flip, line)
        line += job.layout.lanes
