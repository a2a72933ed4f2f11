"""Filters of single channels over integers of 8 and 16 bits, as words with sums of 32 bits.

An element of the kernels holds two words: of neighbouring rows, or columns, of a channel. Each row
of input becomes a line of elements, in which a tap is a shift; so a kernel of 3x3 taps has 2x3
elements, and 31x31 have 16x31. A stride along the rows sorts lines into classes, one along the
columns cuts a line into phases; then neighbouring outputs read neighbouring elements.

Padding of every mode is filled in on the way, and no padded copy of an image is made. Sums are
exact modulo 2^32: who calls knows that they fit.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.machine cimport peak
from fastconv._core.padding cimport AXES, source_index
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization, type_of
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport (
    FC_I8, FC_I16, FC_U8, FC_U16, fc_epilogue, fc_table, kernels,
)

cnp.import_array()

cdef enum:
    VECTORS = 8        # of sums in flight
    SPARE = 64         # elements that a kernel may be longer than the image
    ELEMENT_BYTES = 4
    MOST_BYTES = 8 << 20  # of the elements that a row of outputs needs: what a thread may take

cdef double RATE = 0.5          # of the peak, with elements for numbers
cdef double ELEMENT = 0.3e-9    # seconds an element: of making lines, and of results

ctypedef fused small_t:
    int8_t
    uint8_t
    int16_t
    uint16_t

# What the tasks of one call read.
cdef struct Job:
    const WordLayout *layout
    const fc_table *table
    const Py_ssize_t *offset
    const Py_ssize_t *class_used
    const int32_t *weights
    const fc_epilogue *epilogue
    const int32_t *bias
    int type, zero_point
    Py_ssize_t itemsize, out_itemsize
    const char *source
    char *out
    char *scratch
    Py_ssize_t tasks[4]          # images, channels, planes and blocks of rows of outputs


cdef bint serves(ConvDesc desc):
    """Whether each group has one channel, and its rows lie side by side in memory."""
    cdef const conv_geometry *g = &desc.g
    return g.channels == g.groups and taps_meet(g, 1) and (
        not g.channels_last or (g.channels == 1 and g.filters == 1))


cdef bint taps_meet(const conv_geometry *g, Py_ssize_t channels) noexcept:
    """Whether what a row of outputs of so many channels needs is little enough to be made at once.

    A kernel is hardly longer than the image, since elements between its taps are made too, and rows
    are not too long, since they are not cut.
    """
    cdef double lines = <double>g.kernel[0] * (g.dilation[1] * (g.kernel[1] - 1) + g.stride[1])
    cdef int axis
    for axis in range(1, AXES):
        if g.dilation[axis] * (g.kernel[axis] - 1) > g.input[axis] + SPARE:
            return False
    return ELEMENT_BYTES * lines * g.output[2] * g.stride[2] * channels <= MOST_BYTES


cdef double word_rows_seconds(ConvDesc desc):
    """What the cost model takes one image for."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t elements = g.kernel[0] * min(ceil_div(g.kernel[1], 2) * g.kernel[2],
                                                 g.kernel[1] * ceil_div(g.kernel[2], 2))
    cdef double outputs = <double>g.filters * g.output[0] * g.output[1] * g.output[2]
    cdef double inputs = <double>g.channels * g.input[1] * g.input[2] * g.output[0] * g.kernel[0]
    return 2 * elements * outputs / (RATE * peak(4)) + ELEMENT * (inputs + outputs)


# ---- layout ----

cdef void set_layout(WordLayout *layout, const conv_geometry *g, Py_ssize_t lanes) noexcept:
    """How elements are made, and as many rows of outputs at once as leave half a cache free."""
    cdef Py_ssize_t rows = ceil_div(g.kernel[1], 2) * g.kernel[2]
    cdef Py_ssize_t columns = g.kernel[1] * ceil_div(g.kernel[2], 2)
    cdef Py_ssize_t across, row_bytes
    layout.g = g
    layout.columns = columns < rows or g.kernel[1] == 1 and g.kernel[2] > 1
    layout.row = 0 if layout.columns else g.dilation[1]
    layout.column = g.dilation[2] if layout.columns else 0
    layout.taps = g.kernel[0] * (columns if layout.columns else rows)
    across = (g.kernel[2] - 1) // 2 * 2 if layout.columns else g.kernel[2] - 1
    layout.phases = g.stride[2]
    layout.length = g.output[2] + across * g.dilation[2] // g.stride[2]
    layout.reach = g.dilation[1] * (g.kernel[1] - 1 if layout.columns
                                    else (g.kernel[1] - 1) // 2 * 2)
    layout.pitch = layout.phases * layout.length
    layout.flat = layout.phases == 1 and layout.length <= round_up(g.output[2], 2 * lanes)
    if not layout.flat:
        layout.pitch = round_up(g.output[2], VECTORS * lanes)
    row_bytes = 4 * (g.kernel[0] * g.stride[1] * layout.phases * layout.length + layout.pitch)
    layout.block = max(1, CACHE // 4 // row_bytes - ceil_div(layout.reach, g.stride[1]))
    layout.block = max(even_size(max(g.output[1], 1), layout.block), 1)
    layout.lines = layout.block + ceil_div(layout.reach, g.stride[1])
    layout.size = g.kernel[0] * g.stride[1] * layout.lines * layout.phases * layout.length
    layout.scratch = round_up(
        4 * (layout.size + layout.block * layout.pitch + 2 * VECTORS * lanes)
        + 2 * g.input[2], 64) + 64


cdef inline Py_ssize_t line_at(const WordLayout *layout, Py_ssize_t plane,
                               Py_ssize_t row) noexcept nogil:
    """Where the line of a row begins, counted from the first that a block reads."""
    cdef Py_ssize_t stride = layout.g.stride[1]
    return (((plane * stride + row % stride) * layout.lines + row // stride)
            * layout.phases * layout.length)


cdef class WordRows:
    """The forward pass of one layer: its weights as elements, and what becomes of the sums."""

    cdef int make_tables(self, cnp.ndarray weight) except -1:
        """Where each tap lies in the lines, and its two weights."""
        cdef WordLayout *layout = &self.layout
        cdef const conv_geometry *g = layout.g
        cdef Py_ssize_t d, i, j, t = 0, row, column, down, along, k
        cdef cnp.int32_t[:, :, :, ::1] taps = padded_taps(weight, g)
        self.tables = acquire((layout.taps + g.stride[1]) * sizeof(Py_ssize_t)
                              + max(g.filters, 1) * layout.taps * sizeof(int32_t))
        self.offset = <Py_ssize_t *>self.tables.data
        self.class_used = self.offset + layout.taps
        self.weights = <int32_t *>(self.class_used + g.stride[1])
        for i in range(g.stride[1]):
            self.class_used[i] = False
        down, along = (1, 2) if layout.columns else (2, 1)
        for d in range(g.kernel[0]):
            for i in range(0, g.kernel[1], down):
                row = i * g.dilation[1]
                self.class_used[row % g.stride[1]] = True
                for j in range(0, g.kernel[2], along):
                    column = j * g.dilation[2]
                    self.offset[t] = (line_at(layout, d, row)
                                      + column % g.stride[2] * layout.length
                                      + column // g.stride[2])
                    for k in range(g.filters):
                        self.weights[k * layout.taps + t] = element(
                            taps[k, d, i, j],
                            taps[k, d, i, j + 1] if layout.columns else taps[k, d, i + 1, j])
                    t += 1
        return 0

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's; the bias is known already."""
        cdef const conv_geometry *g = self.layout.g
        cdef Job job
        cdef Scratch scratch
        cdef double work
        cdef cnp.ndarray images = np.ascontiguousarray(source)
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.layout = &self.layout
        job.table = kernels()
        job.offset, job.class_used, job.weights = self.offset, self.class_used, self.weights
        job.epilogue = &self.way_out.epilogue
        job.bias = <const int32_t *>cnp.PyArray_BYTES(self.way_out.bias)
        job.type, job.zero_point = type_of(images), self.zero_point
        job.itemsize, job.out_itemsize = cnp.PyArray_ITEMSIZE(images), cnp.PyArray_ITEMSIZE(out)
        job.source, job.out = cnp.PyArray_BYTES(images), cnp.PyArray_BYTES(out)
        job.tasks[0], job.tasks[1] = cnp.PyArray_DIM(images, 0), g.channels
        job.tasks[2], job.tasks[3] = g.output[0], ceil_div(g.output[1], self.layout.block)
        scratch = acquire(threads * self.layout.scratch)
        job.scratch = scratch.data
        work = self.desc.work(job.tasks[0], False)
        parallel_for(run_task, &job, job.tasks[0] * job.tasks[1] * job.tasks[2] * job.tasks[3],
                     threads, work)


cdef padded_taps(cnp.ndarray weight, const conv_geometry *g):
    """The kernels (filters, three axes) in int32, with a zero after the last row and column."""
    taps = np.zeros((g.filters, g.kernel[0], g.kernel[1] + 1, g.kernel[2] + 1), np.int32)
    kernel = weight.reshape(g.filters, g.kernel[0], g.kernel[1], g.kernel[2])
    taps[:, :, :-1, :-1] = kernel[:, ::-1, ::-1, ::-1] if g.flip else kernel
    return taps


cdef inline int32_t element(int32_t low, int32_t high) noexcept nogil:
    return <int32_t>((<uint32_t>low & 0xffff) | (<uint32_t>high << 16))


cdef WordRows word_rows(ConvDesc desc, cnp.ndarray weight, int zero_point, Requantization way_out):
    """The kernel of a forward pass that `serves`; weights have no zero points any more."""
    cdef WordRows self = WordRows.__new__(WordRows)
    self.desc, self.zero_point, self.way_out = desc, zero_point, way_out
    set_layout(&self.layout, &desc.g, kernels().f32.lanes)
    self.make_tables(weight)
    return self


# ---- a block of outputs ----

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of outputs of one channel, by all of its filters."""
    cdef const Job *job = <const Job *>context
    cdef const WordLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef int32_t *lines = <int32_t *>(job.scratch + thread * layout.scratch)
    cdef int32_t *sums = lines + layout.size + VECTORS * job.table.f32.lanes
    cdef char *nothing = <char *>(sums + layout.block * layout.pitch
                                  + VECTORS * job.table.f32.lanes)
    cdef Py_ssize_t index[4]
    cdef Py_ssize_t first, rows, filters = g.filters // g.groups, k, channel, place
    unravel(task, job.tasks, 4, index)
    first = index[3] * layout.block
    rows = min(layout.block, g.output[1] - first)
    channel = index[0] * g.channels + index[1]
    if job.itemsize == 1:
        memset(nothing, job.zero_point, g.input[2])
    else:
        for k in range(g.input[2]):
            (<int16_t *>nothing)[k] = <int16_t>job.zero_point
    make_lines(job, channel, index[2], first, rows, nothing, lines)
    for k in range(index[1] * filters, (index[1] + 1) * filters):
        sum_rows(job, rows, lines, job.weights + k * layout.taps, sums)
        place = (((index[0] * g.filters + k) * g.output[0] + index[2]) * g.output[1]
                 + first) * g.output[2]
        job.table.i16_pairs.store(rows, g.output[2], sums, layout.pitch,
                                  job.out + place * job.out_itemsize, g.output[2], job.bias + k,
                                  0, 0, NULL, 0, job.epilogue)


cdef void sum_rows(const Job *job, Py_ssize_t rows, const int32_t *lines, const int32_t *weights,
                   int32_t *sums) noexcept nogil:
    """The sums of one filter: rows one by one, or all as one line."""
    cdef const WordLayout *layout = job.layout
    cdef Py_ssize_t row = layout.phases * layout.length, o
    if layout.flat:
        sum_line(&job.table.i16_pairs, layout.taps, job.offset,
                 (rows - 1) * layout.pitch + layout.g.output[2], lines, weights, sums)
        return
    for o in range(rows):
        sum_line(&job.table.i16_pairs, layout.taps, job.offset, layout.g.output[2],
                 lines + o * row, weights, sums + o * layout.pitch)


# ---- lines of elements ----

cdef void make_lines(const Job *job, Py_ssize_t channel, Py_ssize_t plane, Py_ssize_t first,
                     Py_ssize_t rows, const char *nothing, int32_t *lines) noexcept nogil:
    """The lines that some rows of outputs read, of every plane of the kernel."""
    cdef const WordLayout *layout = job.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t size = g.input[1] * g.input[2] * job.itemsize, d, at, r
    cdef Py_ssize_t count = (rows - 1) * g.stride[1] + layout.reach + 1
    cdef const char *source
    for d in range(g.kernel[0]):
        at = source_index(plane * g.stride[0] + d * g.dilation[0] - g.before[0], g.input[0],
                          g.padding_mode)
        source = NULL
        if at >= 0:
            source = job.source + (channel * g.input[0] + at) * size
        for r in range(count):
            if job.class_used[r % g.stride[1]]:
                make_line(job, source, first * g.stride[1] + r - g.before[1], nothing,
                          lines + line_at(layout, d, r))


cdef inline void make_line(const Job *job, const char *source, Py_ssize_t row,
                           const char *nothing, int32_t *line) noexcept nogil:
    """The line of one row of a plane, which may lie outside."""
    cdef const conv_geometry *g = job.layout.g
    cdef const char *low = source_row(job, source, row, nothing)
    cdef const char *high = source_row(job, source, row + job.layout.row, nothing)
    cdef Py_ssize_t column = job.layout.column, begin, end, inside
    if g.stride[2] > 1:
        fill_phases(job, low, high, line)
        return
    # positions whose both words lie in the source
    begin = min(max(g.before[2], 0), job.layout.length)
    end = max(begin, min(g.input[2] - column + g.before[2], job.layout.length))
    fill_edge(job, low, high, 0, begin, 1, line)
    inside = begin - g.before[2]
    if end > begin:
        job.table.integers.pairs[job.type](
            end - begin, low + inside * job.itemsize, high + (inside + column) * job.itemsize,
            job.zero_point, line + begin)
    fill_edge(job, low, high, end, job.layout.length, 1, line + end)


cdef inline const char *source_row(const Job *job, const char *source, Py_ssize_t row,
                                   const char *nothing) noexcept nogil:
    """A row of a plane, or zero points."""
    cdef const conv_geometry *g = job.layout.g
    cdef Py_ssize_t at
    if source == NULL:
        return nothing
    at = source_index(row, g.input[1], g.padding_mode)
    return nothing if at < 0 else source + at * g.input[2] * job.itemsize


cdef inline void fill_phases(const Job *job, const char *low, const char *high,
                             int32_t *line) noexcept nogil:
    """Every phase of a line, whose positions are a stride apart."""
    cdef Py_ssize_t stride = job.layout.g.stride[2], phase
    for phase in range(stride):
        fill_edge(job, low, high, phase, phase + job.layout.length * stride, stride,
                  line + phase * job.layout.length)


cdef void fill_edge(const Job *job, const char *low, const char *high, Py_ssize_t begin,
                    Py_ssize_t end, Py_ssize_t step, int32_t *out) noexcept nogil:
    """Positions begin, begin + step, … before `end`, one by one."""
    if job.type == FC_U8:
        fill_small(job, <const uint8_t *>low, <const uint8_t *>high, begin, end, step, out)
    elif job.type == FC_I8:
        fill_small(job, <const int8_t *>low, <const int8_t *>high, begin, end, step, out)
    elif job.type == FC_U16:
        fill_small(job, <const uint16_t *>low, <const uint16_t *>high, begin, end, step, out)
    elif job.type == FC_I16:
        fill_small(job, <const int16_t *>low, <const int16_t *>high, begin, end, step, out)


cdef inline void fill_small(const Job *job, const small_t *low, const small_t *high,
                            Py_ssize_t begin, Py_ssize_t end, Py_ssize_t step,
                            int32_t *out) noexcept nogil:
    cdef const conv_geometry *g = job.layout.g
    cdef Py_ssize_t i = begin - g.before[2], stop = end - g.before[2], n = 0
    cdef Py_ssize_t column = job.layout.column
    while i < stop:
        if 0 <= i and i + column < g.input[2]:
            out[n] = element(low[i] - job.zero_point, high[i + column] - job.zero_point)
        else:
            out[n] = element(
                word(low, source_index(i, g.input[2], g.padding_mode), job.zero_point),
                word(high, source_index(i + column, g.input[2], g.padding_mode), job.zero_point))
        n += 1
        i += step


cdef inline int32_t word(const small_t *row, Py_ssize_t at, int zero_point) noexcept nogil:
    return 0 if at < 0 else row[at] - zero_point
