"""Windows: the part of a source that a block of outputs reads, copied to where it stays cached.

Each input phase lies by itself in the window, so that steps within it are one. Zeros of the padding
are written around it once, and stay from one plane to the next; other padding modes fill the border
each time, from the source or with their constant. Windows hold one input channel after the other;
or, where channels are in the lanes, for each pixel those that the channels of the result read.
"""
from libc.string cimport memset

from fastconv._algorithms.depthwise.axes cimport Axis, inside, source_position
from fastconv._algorithms.depthwise.blocks cimport BlockRef, CopyRect, MAX_RECTS
from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase, lanes_map
from fastconv._core.padding cimport PAD_CONSTANT, PAD_ZEROS, fill
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels


# How one window is filled.
cdef struct Gather:
    const Layout *layout
    const BlockRef *block
    const Py_ssize_t *stride        # of the source: channel and three axes
    Py_ssize_t row_step, pixel_step  # in the source, between neighbours in the window
    Py_ssize_t in_channel           # of its group
    bint new_strip                  # zeros beside the rows are not there yet
    bint new_block                  # nor are those above and below


cdef inline void find_rects(const Strided5 *source, BlockRef *block) noexcept nogil:
    """What is copied for every plane of a block, where the padding is zeros."""
    cdef const Axis *axis = block.phase.axis
    cdef const Py_ssize_t *stride = &source.stride[1]
    cdef Py_ssize_t used = block.count[0] + axis[0].extra, p0, p1, p2, u0, i0
    block.rects = -1
    if axis[0].mode != PAD_ZEROS or (axis[0].input_phases * used * axis[1].input_phases
                                     * axis[2].input_phases > MAX_RECTS):
        return
    block.rects = 0
    for p0 in range(axis[0].input_phases):
        for u0 in range(used):
            i0 = source_position(&axis[0], p0, block.first[0] + u0)
            if i0 < 0:
                continue
            for p1 in range(axis[1].input_phases):
                for p2 in range(axis[2].input_phases):
                    add_rect(block, stride, i0 * stride[1], p1, p2,
                             p0 * axis[0].phase_size + u0 * axis[0].position)


cdef inline void add_rect(BlockRef *block, const Py_ssize_t *stride, Py_ssize_t plane,
                          Py_ssize_t p1, Py_ssize_t p2, Py_ssize_t window) noexcept nogil:
    """The part of one plane that lies inside, of an input phase of each of the other axes."""
    cdef const Axis *axis = block.phase.axis
    cdef CopyRect *rect = &block.rect[block.rects]
    cdef Py_ssize_t low1, high1, low2, high2
    inside(&axis[1], p1, block.first[1], block.count[1] + axis[1].extra, &low1, &high1)
    inside(&axis[2], p2, block.first[2], block.count[2] + axis[2].extra, &low2, &high2)
    block.rects += 1
    rect.rows, rect.pixels = high1 - low1, high2 - low2
    rect.source = (plane
                   + ((block.first[1] + low1) * axis[1].step + axis[1].base[p1]) * stride[2]
                   + ((block.first[2] + low2) * axis[2].step + axis[2].base[p2]) * stride[3])
    rect.window = (window + p1 * axis[1].phase_size + low1 * block.phase.pitch
                   + p2 * axis[2].phase_size + low2 * axis[2].position)


cdef inline void gather_window(const Layout *layout, const Strided5 *source, const BlockRef *block,
                               const BlockRef *previous, real_t *window) noexcept nogil:
    """Fill the window of a block; previous: the block that was in it, or NULL."""
    cdef const OutputPhase *phase = block.phase
    cdef const real_t *x = (<const real_t *>source.data) + block.image * source.stride[0]
    cdef Py_ssize_t c
    cdef Gather gather
    gather.layout = layout
    gather.block = block
    gather.stride = &source.stride[1]
    gather.row_step = phase.axis[1].step * source.stride[3]
    gather.pixel_step = phase.axis[2].step * source.stride[4]
    gather.new_strip = previous == NULL or previous.strip != block.strip
    gather.new_block = gather.new_strip or previous.number != block.number
    if not layout.channels_in_lanes:
        x += block.channel_block * layout.in_channels * source.stride[1]
    elif lanes_map(layout):
        x += block.channel_block * layout.channels_per_block * source.stride[1]
    for c in range(layout.in_channels):
        gather.in_channel = c
        if block.rects >= 0 and not gather.new_block:
            gather_rects(&gather, x, window)
        else:
            gather_planes(&gather, x, window)
        window += phase.channel
        if not layout.channels_in_lanes:
            x += source.stride[1]
    if gather.new_strip:
        memset(window, 0, phase.slack * sizeof(real_t))


cdef inline void gather_rects(const Gather *gather, const real_t *x, real_t *window) noexcept nogil:
    """Only what differs from plane to plane."""
    cdef const BlockRef *block = gather.block
    cdef int i
    for i in range(block.rects):
        copy_pixels(gather, x + block.rect[i].source, block.rect[i].rows, block.rect[i].pixels,
                    window + block.rect[i].window)


cdef inline void gather_planes(const Gather *gather, const real_t *x,
                               real_t *window) noexcept nogil:
    """The window of one input channel, or of one for each channel in the lanes."""
    cdef const BlockRef *block = gather.block
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t p0, p1, p2, u0, i0
    cdef const real_t *plane
    cdef real_t *out
    for p0 in range(axis[0].input_phases):
        for u0 in range(block.count[0] + axis[0].extra):
            i0 = source_position(&axis[0], p0, block.first[0] + u0)
            out = window + p0 * axis[0].phase_size + u0 * axis[0].position
            if i0 < 0 and axis[0].mode == PAD_ZEROS:
                if gather.new_block:
                    memset(out, 0, axis[0].position * sizeof(real_t))
                continue
            plane = x + i0 * gather.stride[1] if i0 >= 0 else NULL
            for p1 in range(axis[1].input_phases):
                for p2 in range(axis[2].input_phases):
                    gather_rows(gather, plane, p1, p2,
                                out + p1 * axis[1].phase_size + p2 * axis[2].phase_size)


cdef inline void gather_rows(const Gather *gather, const real_t *plane, Py_ssize_t p1,
                             Py_ssize_t p2, real_t *out) noexcept nogil:
    """The rows of an input phase of a plane: what lies inside the source, then what is around.

    plane: NULL where all of it is padding, by a constant.
    """
    cdef const BlockRef *block = gather.block
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t pixel = axis[2].position, pitch = block.phase.pitch
    cdef Py_ssize_t rows = block.count[1] + axis[1].extra, pixels = block.count[2] + axis[2].extra
    cdef Py_ssize_t low1, high1, low2, high2, i1, i2
    cdef bint zeros = axis[0].mode == PAD_ZEROS
    inside(&axis[1], p1, block.first[1], rows, &low1, &high1)
    inside(&axis[2], p2, block.first[2], pixels, &low2, &high2)
    if plane == NULL:
        high1 = low1
    if high1 > low1:
        i1 = (block.first[1] + low1) * axis[1].step + axis[1].base[p1]
        i2 = (block.first[2] + low2) * axis[2].step + axis[2].base[p2]
        copy_pixels(gather, plane + i1 * gather.stride[2] + i2 * gather.stride[3], high1 - low1,
                    high2 - low2, out + low1 * pitch + low2 * pixel)
    if gather.new_block and zeros:
        memset(out, 0, low1 * pitch * sizeof(real_t))
        memset(out + high1 * pitch, 0, (rows - high1) * pitch * sizeof(real_t))
    if gather.new_strip:
        clear_sides(axis[1].block + axis[1].extra, pitch, low2 * pixel if zeros else 0,
                    (high2 if zeros else pixels) * pixel, out)
    if not (zeros or (low1 == 0 and low2 == 0 and high1 == rows and high2 == pixels)):
        if axis[0].mode == PAD_CONSTANT:
            fill_border(gather, low1, high1, low2, high2, out)
        else:
            gather_border(gather, plane, p1, p2, low1, high1, low2, high2, out)


cdef inline void clear_sides(Py_ssize_t rows, Py_ssize_t pitch, Py_ssize_t low, Py_ssize_t high,
                             real_t *out) noexcept nogil:
    """Zeros before and after the elements low … high - 1 of every row."""
    cdef Py_ssize_t _
    for _ in range(rows):
        memset(out, 0, low * sizeof(real_t))
        memset(out + high, 0, (pitch - high) * sizeof(real_t))
        out += pitch


cdef inline void fill_border(const Gather *gather, Py_ssize_t low1, Py_ssize_t high1,
                             Py_ssize_t low2, Py_ssize_t high2, real_t *out) noexcept nogil:
    """The constant outside of rows low1 … and pixels low2 …."""
    cdef const BlockRef *block = gather.block
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t rows = block.count[1] + axis[1].extra, pixels = block.count[2] + axis[2].extra
    cdef Py_ssize_t pixel = axis[2].position, u1
    cdef real_t value = <real_t>axis[0].value
    for u1 in range(rows):
        if low1 <= u1 < high1:
            fill(out, low2 * pixel, value)
            fill(out + high2 * pixel, (pixels - high2) * pixel, value)
        else:
            fill(out, pixels * pixel, value)
        out += block.phase.pitch


cdef inline void gather_border(const Gather *gather, const real_t *plane, Py_ssize_t p1,
                               Py_ssize_t p2, Py_ssize_t low1, Py_ssize_t high1, Py_ssize_t low2,
                               Py_ssize_t high2, real_t *out) noexcept nogil:
    """What other padding modes have outside of rows low1 … and pixels low2 …, taken inside."""
    cdef const BlockRef *block = gather.block
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t rows = block.count[1] + axis[1].extra, pixels = block.count[2] + axis[2].extra
    cdef Py_ssize_t pixel = axis[2].position, u1, u2
    cdef Py_ssize_t i2 = (block.first[2] + low2) * axis[2].step + axis[2].base[p2]
    cdef const real_t *row
    for u1 in range(rows):
        row = plane + gather.stride[2] * source_position(&axis[1], p1, block.first[1] + u1)
        if not low1 <= u1 < high1:
            copy_pixels(gather, row + i2 * gather.stride[3], 1, high2 - low2, out + low2 * pixel)
        u2 = 0
        while u2 < pixels:
            if u2 == low2 and high2 > low2:
                u2 = high2
                continue
            copy_pixels(gather, row + gather.stride[3] * source_position(
                            &axis[2], p2, block.first[2] + u2),
                        1, 1, out + u2 * pixel)
            u2 += 1
        out += block.phase.pitch


cdef inline void copy_pixels(const Gather *gather, const real_t *x, Py_ssize_t rows,
                             Py_ssize_t pixels, real_t *out) noexcept nogil:
    """Rows of pixels into the window, all inside the source."""
    cdef const Layout *layout = gather.layout
    cdef const fc_kernels *kernels = layout.kernels
    cdef Py_ssize_t pixel = gather.block.phase.axis[2].position, pitch = gather.block.phase.pitch
    cdef Py_ssize_t width = gather.block.width, channel = gather.stride[0], r
    if pixels <= 0:
        return
    if not layout.channels_in_lanes:
        kernels.copy(rows, pixels, x, gather.row_step, gather.pixel_step, out, pitch)
    elif not lanes_map(layout):
        copy_group_channels(gather, x, rows, pixels, out)
    elif channel == 1 and gather.pixel_step == pixel:
        kernels.copy(rows, (pixels - 1) * pixel + width, x, gather.row_step, 1, out, pitch)
    else:
        for r in range(rows):
            kernels.copy(pixels, width, x + r * gather.row_step, gather.pixel_step, channel,
                         out + r * pitch, pixel)


cdef inline void copy_group_channels(const Gather *gather, const real_t *x, Py_ssize_t rows,
                                     Py_ssize_t pixels, real_t *out) noexcept nogil:
    """For every channel of the result its own source, of the group that it belongs to."""
    cdef const Layout *layout = gather.layout
    cdef const BlockRef *block = gather.block
    cdef Py_ssize_t pixel = block.phase.axis[2].position, pitch = block.phase.pitch, r, i, c
    cdef Py_ssize_t first = block.channel_block * layout.channels_per_block
    cdef const real_t *from_
    for r in range(rows):
        for i in range(pixels):
            from_ = x + r * gather.row_step + i * gather.pixel_step
            for c in range(block.width):
                out[r * pitch + i * pixel + c] = from_[
                    ((first + c) // layout.out_channels * layout.in_channels + gather.in_channel)
                    * gather.stride[0]]
