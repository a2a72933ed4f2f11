"""Filters of single channels over bytes, four taps of a row at a time, with sums of 32 bits.

An element of the kernels holds four bytes that meet neighbouring taps of a row. A block of rows of
one channel is copied with its padding, and spread to elements, one for each output and four taps;
then a tap is a shift, and all outputs of the block are one line, with gaps at the ends of rows. A
kernel of 3x3 taps has three elements.

Bytes with a sign have their sign bits changed, which adds 128; that and the zero point, which are
in every product, are taken back with the bias. Sums are exact modulo 2^32: who calls knows that
they fit.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memset

from fastconv._algorithms.depthwise.words cimport sum_line, taps_meet
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.machine cimport peak
from fastconv._core.padding cimport PAD_ZEROS, source_index
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport byte_functions, byte_kernels, fc_bytes, have_bytes
from fastconv._kernels.dispatch cimport fc_epilogue, fc_kernels

cnp.import_array()

cdef enum:
    QUAD = 4           # bytes of an element
    VECTORS = 8        # of sums in flight
    REGISTER = 64      # bytes that a spread reads at once, of which all may lie past the last row
    FIRST_CACHE = 32 << 10   # bytes of the first-level cache, of the smallest that are met
    SIGN = 128         # what changing the sign bit of a byte adds

cdef double RATE = 0.7          # of the peak, with elements for numbers
cdef double ELEMENT = 0.15e-9   # seconds an element: of making them, and of results

# What the tasks of one call read.
cdef struct Job:
    const ByteLayout *layout
    const fc_bytes *bytes
    const fc_kernels *kernels
    const Py_ssize_t *offset
    const Py_ssize_t *class_used
    const int32_t *weights
    const fc_epilogue *epilogue
    const int32_t *bias
    int flip, zero
    Py_ssize_t out_itemsize
    const uint8_t *source
    char *out
    char *scratch
    Py_ssize_t tasks[4]          # images, channels, planes and blocks of rows of outputs


cdef bint serves_byte_planes(ConvDesc desc) except -1:
    """Whether there are kernels of bytes, a group has one channel, and elements can be spread.

    What four outputs read of a row lies in 16 bytes; and elements further on in a row of taps are
    those of other outputs.
    """
    cdef const conv_geometry *g = &desc.g
    return (g.channels == g.groups
            and (not g.channels_last or (g.channels == 1 and g.filters == 1))
            and g.stride[2] + g.dilation[2] <= 5 and taps_meet(g, 1)
            and (g.kernel[2] <= QUAD or QUAD * g.dilation[2] % g.stride[2] == 0)
            and have_bytes())


cdef double byte_planes_seconds(ConvDesc desc):
    """What the cost model takes one image for."""
    cdef const conv_geometry *g = &desc.g
    cdef double taps = <double>g.kernel[0] * g.kernel[1] * ceil_div(g.kernel[2], QUAD)
    cdef double outputs = <double>g.filters * g.output[0] * g.output[1] * g.output[2]
    cdef double inputs = <double>g.channels * g.input[1] * g.output[2] * g.output[0] * g.kernel[0]
    return 2 * taps * outputs / (RATE * peak(4)) + ELEMENT * (inputs + outputs)


# ---- layout ----

cdef void set_layout(ByteLayout *layout, const conv_geometry *g, Py_ssize_t lanes) noexcept:
    """As many rows of outputs at once as a cache holds, the first-level one if these are enough."""
    cdef Py_ssize_t stride = g.stride[2], classes = g.stride[1], row_bytes
    cdef Py_ssize_t spare = VECTORS * lanes   # elements past the last, which a kernel may touch
    layout.g = g
    layout.quads = ceil_div(g.kernel[2], QUAD)
    layout.taps = g.kernel[0] * g.kernel[1] * layout.quads
    layout.width = round_up((g.output[2] - 1) * stride + (g.kernel[2] - 1) * g.dilation[2] + 1,
                            stride)
    layout.pitch = layout.width // stride
    layout.reach = g.dilation[1] * (g.kernel[1] - 1)
    row_bytes = g.kernel[0] * classes * (4 * layout.pitch + layout.width) + 4 * layout.pitch
    layout.block = FIRST_CACHE // row_bytes - ceil_div(layout.reach, classes)
    if layout.block < max(1, 4 * ceil_div(layout.reach, classes)):  # too much would be made again
        layout.block = max(1, CACHE // 8 // row_bytes - ceil_div(layout.reach, classes))
    layout.block = max(even_size(max(g.output[1], 1), layout.block), 1)
    layout.lines = layout.block + ceil_div(layout.reach, classes)
    layout.elements = layout.lines * layout.pitch + layout.quads * QUAD * g.dilation[2] + spare
    layout.padded = round_up(layout.lines * layout.width + QUAD * layout.quads * g.dilation[2]
                             + REGISTER * stride, 64)
    layout.scratch = round_up(
        4 * (g.kernel[0] * classes * layout.elements + layout.block * layout.pitch + spare)
        + layout.padded, 64) + 64


cdef class BytePlanes:
    """The forward pass of one layer: its weights as elements, and what becomes of the sums."""

    cdef int make_tables(self, cnp.ndarray weight) except -1:
        """Where each tap lies in the elements, and its four weights."""
        cdef ByteLayout *layout = &self.layout
        cdef const conv_geometry *g = layout.g
        cdef Py_ssize_t d, i, q, t = 0, row, step = QUAD * g.dilation[2] // g.stride[2]
        cdef cnp.ndarray padded
        self.tables = acquire((layout.taps + g.stride[1]) * sizeof(Py_ssize_t)
                              + max(g.filters, 1) * layout.taps * sizeof(int32_t))
        self.offset = <Py_ssize_t *>self.tables.data
        self.class_used = self.offset + layout.taps
        self.weights = <int32_t *>(self.class_used + g.stride[1])
        memset(self.class_used, 0, g.stride[1] * sizeof(Py_ssize_t))
        for d in range(g.kernel[0]):
            for i in range(g.kernel[1]):
                row = i * g.dilation[1]
                self.class_used[row % g.stride[1]] = True
                for q in range(layout.quads):
                    self.offset[t] = ((d * g.stride[1] + row % g.stride[1]) * layout.elements
                                      + row // g.stride[1] * layout.pitch + q * step)
                    t += 1
        padded = np.zeros((g.filters, g.kernel[0], g.kernel[1], QUAD * layout.quads), np.int8)
        kernel = weight.reshape(g.filters, g.kernel[0], g.kernel[1], g.kernel[2])
        padded[..., :g.kernel[2]] = kernel[:, ::-1, ::-1, ::-1] if g.flip else kernel
        padded = padded.view(np.int32)
        for t in range(g.filters * layout.taps):
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
        job.flip, job.zero = self.flip, self.zero
        job.out_itemsize = cnp.PyArray_ITEMSIZE(out)
        job.source, job.out = <const uint8_t *>cnp.PyArray_BYTES(images), cnp.PyArray_BYTES(out)
        job.tasks[0], job.tasks[1] = cnp.PyArray_DIM(images, 0), g.channels
        job.tasks[2], job.tasks[3] = g.output[0], ceil_div(g.output[1], self.layout.block)
        scratch = acquire(threads * self.layout.scratch)
        job.scratch = scratch.data
        parallel_for(run_task, &job, job.tasks[0] * job.tasks[1] * job.tasks[2] * job.tasks[3],
                     threads, self.desc.work(job.tasks[0], False))


cdef BytePlanes byte_planes(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                            Requantization way_out):
    """The kernel of a forward pass that `serves_byte_planes`, of bytes of either sign by int8."""
    cdef BytePlanes self = BytePlanes.__new__(BytePlanes)
    self.desc, self.flip = desc, SIGN if signed_source else 0
    self.zero = zero_point + self.flip
    self.way_out = way_out.less_zeros(self.zero, weight)
    set_layout(&self.layout, &desc.g, byte_kernels().lanes)
    byte_functions().set_spread(desc.g.stride[2], desc.g.dilation[2], &self.layout.spread)
    self.make_tables(weight)
    return self


# ---- a block of outputs ----

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of outputs of one channel, by all of its filters."""
    cdef const Job *job = <const Job *>context
    cdef const ByteLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef int32_t *elements = <int32_t *>(job.scratch + thread * layout.scratch)
    cdef int32_t *sums = elements + g.kernel[0] * g.stride[1] * layout.elements
    cdef uint8_t *padded = <uint8_t *>(sums + layout.block * layout.pitch
                                       + VECTORS * job.kernels.lanes)
    cdef Py_ssize_t index[4]
    cdef Py_ssize_t first, rows, filters = g.filters // g.groups, k, place
    unravel(task, job.tasks, 4, index)
    first = index[3] * layout.block
    rows = min(layout.block, g.output[1] - first)
    make_elements(job, index[0] * g.channels + index[1], index[2], first, rows, padded, elements)
    for k in range(index[1] * filters, (index[1] + 1) * filters):
        sum_line(job.kernels, layout.taps, job.offset, (rows - 1) * layout.pitch + g.output[2],
                 elements, job.weights + k * layout.taps, sums)
        place = (((index[0] * g.filters + k) * g.output[0] + index[2]) * g.output[1]
                 + first) * g.output[2]
        job.kernels.store(rows, g.output[2], sums, layout.pitch, job.out + place * job.out_itemsize,
                          g.output[2], job.bias + k, 0, 0, NULL, 0, job.epilogue)


# ---- elements ----

cdef void make_elements(const Job *job, Py_ssize_t channel, Py_ssize_t plane, Py_ssize_t first,
                        Py_ssize_t rows, uint8_t *padded, int32_t *elements) noexcept nogil:
    """The elements that some rows of outputs read: of the kernel's planes, and classes of rows."""
    cdef const ByteLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t size = g.input[1] * g.input[2], d, c, at, lines
    cdef const uint8_t *source
    for d in range(g.kernel[0]):
        at = source_index(plane * g.stride[0] + d * g.dilation[0] - g.before[0], g.input[0],
                          g.padding_mode)
        source = NULL
        if at >= 0:
            source = job.source + (channel * g.input[0] + at) * size
        for c in range(g.stride[1]):
            if job.class_used[c]:
                lines = rows + max(layout.reach - c, 0) // g.stride[1]
                pad_rows(job, source, first * g.stride[1] + c - g.before[1], lines, padded)
                # some bytes after the last row may be read, by weights of zero
                memset(padded + lines * layout.width, 0, QUAD * layout.quads * g.dilation[2])
                job.bytes.spread(
                    lines * layout.pitch + QUAD * layout.quads * g.dilation[2] // g.stride[2],
                    padded, &layout.spread, elements + (d * g.stride[1] + c) * layout.elements)


cdef void pad_rows(const Job *job, const uint8_t *source, Py_ssize_t row, Py_ssize_t count,
                   uint8_t *padded) noexcept nogil:
    """Every stride-th row of a plane from `row` on, with the padding of its columns."""
    cdef const conv_geometry *g = job.layout.g
    cdef Py_ssize_t width = job.layout.width, stride = g.stride[1], first, last, i, at
    # columns and rows that lie in the source
    cdef Py_ssize_t begin = min(max(g.before[2], 0), width)
    cdef Py_ssize_t end = max(begin, min(g.input[2] + g.before[2], width))
    first = min(count, max(0, ceil_div(-row, stride)))
    last = max(first, min(count, ceil_div(g.input[1] - row, stride)))
    if g.padding_mode == PAD_ZEROS:
        memset(padded, job.zero, count * width)
    if source == NULL:
        return
    if end > begin:
        job.bytes.byte_rows(last - first, end - begin,
                            source + (row + first * stride) * g.input[2] + begin - g.before[2],
                            stride * g.input[2], job.flip, padded + first * width + begin, width)
    if g.padding_mode == PAD_ZEROS:
        return
    for i in range(count):
        at = source_index(row + i * stride, g.input[1], g.padding_mode) * g.input[2]
        if end > begin and not first <= i < last:
            job.bytes.bytes(end - begin, source + at + begin - g.before[2], job.flip,
                            padded + i * width + begin)
        pad_ends(job, source + at, begin, end, padded + i * width)


cdef inline void pad_ends(const Job *job, const uint8_t *row, Py_ssize_t begin, Py_ssize_t end,
                          uint8_t *padded) noexcept nogil:
    """What a padding mode repeats on both sides of a row."""
    cdef const conv_geometry *g = job.layout.g
    cdef Py_ssize_t i
    for i in range(begin):
        padded[i] = row[source_index(i - g.before[2], g.input[2], g.padding_mode)] ^ job.flip
    for i in range(end, job.layout.width):
        padded[i] = row[source_index(i - g.before[2], g.input[2], g.padding_mode)] ^ job.flip
