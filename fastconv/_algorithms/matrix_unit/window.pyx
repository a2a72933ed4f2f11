"""The window of a block of outputs, gathered and split into parts."""
from libc.string cimport memset

from fastconv._algorithms.matrix_unit.types cimport (
    FLOAT_BYTES, STEP_BYTES, Layout, chunk_channels, plane_bytes,
)
from fastconv._core.integers cimport round_up
from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5
from fastconv._core.window cimport gather_window
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex
from fastconv._kernels.dispatch cimport FC_MATRIX


cdef bint bring_window(const Job *job, const BlockRef *block, const WindowIndex *index,
                       Py_ssize_t chunk, char *scratch) noexcept nogil:
    """The window of a chunk of channels, in parts; whether they do for its numbers."""
    cdef const Layout *layout = job.layout
    cdef const Strided5 *input = &job.input
    cdef Window window = layout.window
    cdef float *gathered = <float *>scratch
    cdef Py_ssize_t first = block.group * layout.in_channels + chunk * layout.chunk
    window.channels = chunk_channels(layout, chunk)
    if layout.itemsize == 2 and are_pixels(layout, input):
        if layout.planes:
            return split_channels(job, window.channels, pixels_of(job, block, first),
                                  input.stride[1], block.count[1] * block.count[2], 0, scratch)
        return split_pixels(job, block, &window, first, scratch)
    if layout.itemsize == 2:
        fill_gaps(&window, index, block, gathered)
    gather_window(&window, index, (<const float *>input.data) + block.image * input.stride[0]
                  + first * input.stride[1], &input.stride[1], layout.kernels, True, gathered)
    if layout.itemsize == 2 and layout.planes:
        return split_planes(job, &window, index, gathered, scratch)
    if layout.itemsize == 2:
        return split_window(job, index, gathered, scratch)
    return True


cdef inline bint are_pixels(const Layout *layout, const Strided5 *input) noexcept nogil:
    """Whether a window is some pixels of the source that follow each other, each one an output."""
    cdef const WindowAxis *axis
    cdef int a
    for a in range(AXES):
        axis = &layout.axis[a]
        if axis.taps > 1 or axis.step > 1 or axis.tap[0] != 0 or axis.length != layout.out_size[a]:
            return False
    return (layout.axis[2].block == layout.out_size[2] == layout.pitch
            and input.stride[3] == layout.out_size[2] * input.stride[4]
            and (input.stride[4] == 1 or not layout.planes))


cdef inline const float *pixels_of(const Job *job, const BlockRef *block,
                                   Py_ssize_t channel) noexcept nogil:
    """Of a block whose window they are."""
    cdef const Strided5 *input = &job.input
    return (<const float *>input.data) + (
        block.image * input.stride[0] + channel * input.stride[1]
        + block.first[0] * input.stride[2] + block.first[1] * input.stride[3])


cdef bint split_pixels(const Job *job, const BlockRef *block, const Window *window,
                       Py_ssize_t first, char *scratch) noexcept nogil:
    """The parts of these pixels' numbers, of channels from `first` on; whether they do.

    A tile's at a time, so that what is turned stays in the nearest cache.
    """
    cdef const Layout *layout = job.layout
    cdef const Strided5 *input = &job.input
    cdef Py_ssize_t pixels = block.count[1] * block.count[2], pixel = window.position[2]
    cdef Py_ssize_t channel = input.stride[1], step = input.stride[4], p, i
    cdef Py_ssize_t full = round_up(window.channels, layout.step_channels)
    cdef Py_ssize_t rest = (full - window.channels) * layout.itemsize
    cdef const float *x = pixels_of(job, block, first)
    cdef const float *row
    cdef float *turned = <float *>scratch
    cdef char *high = scratch + job.schedule.split_at
    cdef char *low
    cdef bint bad = False
    for p in range(pixels):
        i = p % FC_MATRIX
        row = x + p * step
        if channel > 1:
            if i == 0:
                layout.kernels.transpose(window.channels, min(<Py_ssize_t>FC_MATRIX, pixels - p),
                                         row, channel, turned, pixel)
            row = turned + i * pixel
        low = high + job.schedule.low if layout.parts == 2 else NULL
        bad |= layout.matrix.split(window.channels, row, high, low) != 0
        if rest > 0:
            memset(high + window.channels * layout.itemsize, 0, rest)
            if low != NULL:
                memset(low + window.channels * layout.itemsize, 0, rest)
        high += pixel * layout.itemsize
    return not bad


cdef bint split_channels(const Job *job, Py_ssize_t channels, const float *x, Py_ssize_t channel,
                         Py_ssize_t n, Py_ssize_t position, char *scratch) noexcept nogil:
    """Parts of n positions of planes, which the window has from a position on."""
    cdef const Layout *layout = job.layout
    cdef Py_ssize_t plane = plane_bytes(layout), full = round_up(channels, layout.step_channels)
    cdef Py_ssize_t rest = (full - channels) // 2 * plane
    cdef char *high = scratch + job.schedule.split_at + position * FLOAT_BYTES
    cdef char *low = high + job.schedule.low if layout.parts == 2 else NULL
    cdef bint bad = layout.matrix.split_planes(channels, n, x, channel, high, low, plane) != 0
    if rest > 0:
        high += full * plane // 2 - rest
        memset(high, 0, rest - position * FLOAT_BYTES)
        if low != NULL:
            memset(high + job.schedule.low, 0, rest - position * FLOAT_BYTES)
    return not bad


cdef bint split_planes(const Job *job, const Window *window, const WindowIndex *index,
                       const float *gathered, char *scratch) noexcept nogil:
    """Parts of the window's planes, those of axis 0 one after the other."""
    cdef Py_ssize_t i, at
    cdef bint trusted = True
    for i in range(index.planes):
        at = i * window.position[0]
        trusted = split_channels(job, window.channels, gathered + at, window.channel,
                                 index.rows * window.position[1], at, scratch) and trusted
    return trusted


cdef inline void fill_gaps(const Window *window, const WindowIndex *index, const BlockRef *block,
                           float *gathered) noexcept nogil:
    """Zeros where numbers of the window's rows are not gathered: they are to be numbers.

    That is what fills up lines of a pixel; and strides, and the last block of a row.
    """
    cdef const WindowAxis *axis = window.axis
    cdef Py_ssize_t pixel = window.position[2], used = index.rows * window.position[1], i, c, p
    cdef bint columns = (block.count[2] < axis[2].block
                         or window.position[1] > axis[2].window * pixel)
    if not columns and (not window.channels_last or pixel == window.channels):
        return
    for i in range(index.planes):
        if columns:
            for c in range(1 if window.channels_last else window.channels):
                memset(gathered + i * window.position[0] + c * window.channel, 0,
                       used * sizeof(float))
        else:
            for p in range(used // pixel):
                memset(gathered + i * window.position[0] + p * pixel + window.channels, 0,
                       (pixel - window.channels) * sizeof(float))


cdef bint split_window(const Job *job, const WindowIndex *index, const float *gathered,
                       char *scratch) noexcept nogil:
    """Numbers as parts, with zeros behind the last of each plane: steps reach beyond a run."""
    cdef const Layout *layout = job.layout
    cdef const Window *window = &layout.window
    cdef char *high = scratch + job.schedule.split_at
    cdef char *low = high + job.schedule.low if layout.parts == 2 else NULL
    cdef Py_ssize_t n = index.rows * window.position[1], i, at
    cdef bint bad = False
    for i in range(index.planes):
        at = i * window.position[0]
        bad |= layout.matrix.split(n, gathered + at, high + at * layout.itemsize,
                                   low + at * layout.itemsize if low != NULL else NULL) != 0
        memset(high + (at + n) * layout.itemsize, 0, STEP_BYTES)
        if low != NULL:
            memset(low + (at + n) * layout.itemsize, 0, STEP_BYTES)
    return not bad
