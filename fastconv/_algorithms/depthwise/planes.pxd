"""Whole planes in place: many of them in one call of a kernel, where its taps are a usual square.

`dwconv_plane` knows squares of three and five that move by one or two, and loads the ends of rows
in part, so that it needs neither a table of rows nor a copy. `dwconv_plane_backward_data` computes
all four output phases of the gradient of a 3x3 kernel that moves by two.
"""
from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.blocks cimport BlockRef, Job, find_block
from fastconv._algorithms.depthwise.layout cimport Layout
from fastconv._core.blocks cimport unravel
from fastconv._core.output cimport FC_CLIP, Output, fuses_into_kernel, store_channel
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_epilogue, fc_plane


cdef inline void run_planes(const Job *job, Py_ssize_t task, real_t *window) noexcept nogil:
    """A run of blocks by `dwconv_plane`: of many planes, where these are not cut."""
    cdef const Layout *layout = job.layout
    cdef const Py_ssize_t *stride = &job.source.stride[1]
    cdef Py_ssize_t number = task * job.schedule.blocks_per_task
    cdef Py_ssize_t end = min(job.schedule.blocks, number + job.schedule.blocks_per_task)
    cdef bint copies = layout.copies_rows or (
        stride[3] != 1 and layout.phase[0].axis[2].length > 1)
    cdef bint single = (copies or not is_fused(&job.output) or layout.blocks > 1
                        or layout.out_channels > 1)
    cdef const real_t *x
    cdef Py_ssize_t depth
    cdef bint inside
    cdef BlockRef block
    cdef fc_plane plane
    while number < end:
        find_block(layout, number, &block)
        plane.planes = 1 if single else min(end - number, layout.groups - block.channel_block)
        plane.y_row, plane.y_plane = job.output.axis[1], job.output.channel
        depth = block.first[0] * layout.phase[0].axis[0].step + layout.phase[0].axis[0].base[0]
        inside = 0 <= depth < layout.phase[0].axis[0].length
        x = (<const real_t *>job.source.data) + (
            block.image * job.source.stride[0] + block.channel_block * stride[0]
            + (depth * stride[1] if inside else 0))
        x = locate_plane(layout, &block, stride, x, window, &plane)
        if not inside:
            plane.height = 0  # all of it is padding
        compute_planes(job, &block, &plane, x)
        number += plane.planes


cdef inline bint is_fused(const Output *output) noexcept nogil:
    """Whether the kernel finishes the sums."""
    return output.residual == NULL and fuses_into_kernel(output)


cdef inline void compute_planes(const Job *job, const BlockRef *block, const fc_plane *plane,
                                const real_t *x) noexcept nogil:
    """The outputs of planes from x on, of each filter of a group."""
    cdef const Layout *layout = job.layout
    cdef const Output *output = &job.output
    cdef bint fused = is_fused(output)
    cdef Py_ssize_t place, channel = block.channel_block * layout.out_channels, _
    cdef const real_t *bias = NULL
    cdef const fc_epilogue *clip = NULL
    if fused and output.epilogue.activation == FC_CLIP:
        clip = output.epilogue
    place = (block.image * output.image + channel * output.channel
             + block.first[0] * output.axis[0] + block.first[1] * output.axis[1] + block.first[2])
    for _ in range(layout.out_channels):
        if fused and output.bias != NULL:
            bias = (<const real_t *>output.bias) + channel
        layout.kernels.dwconv_plane[layout.g.kernel[2] // 2 - 1][block.phase.axis[2].step - 1](
            plane, x, (<const real_t *>job.packed) + block.phase.taps * channel, bias, clip,
            (<real_t *>output.data) + place)
        if not fused:
            finish_rows(output, plane, place, channel, <real_t *>output.data)
        channel += 1
        place += output.channel


cdef inline void finish_rows(const Output *output, const fc_plane *plane, Py_ssize_t place,
                             Py_ssize_t channel, real_t *y) noexcept nogil:
    """What the kernel does not know: residual and activation, while the sums lie in the cache."""
    if plane.n == plane.y_row:
        store_channel(output, 1, plane.rows * plane.n, y + place, 0, place, 0, channel)
    else:
        store_channel(output, plane.rows, plane.n, y + place, plane.y_row, place, plane.y_row,
                      channel)


cdef inline const real_t *locate_plane(const Layout *layout, const BlockRef *block,
                                       const Py_ssize_t *stride, const real_t *x, real_t *window,
                                       fc_plane *plane) noexcept nogil:
    """Where kernels read planes from x on: in place, or, of one plane, from a copy in the window.

    stride: of the channel and the three axes.
    """
    cdef const Axis *axis = block.phase.axis
    cdef Py_ssize_t step = axis[2].step, size = layout.g.kernel[2], low, high, left, right
    plane.rows, plane.n = block.count[1], block.count[2]
    plane.height, plane.length = axis[1].length, axis[2].length
    plane.top = -axis[1].base[0] - block.first[1] * step
    plane.left = -axis[2].base[0] - block.first[2] * step
    plane.x_plane, plane.x_row = stride[0], stride[2]
    if (stride[3] == 1 or axis[2].length == 1) and not layout.copies_rows:
        return x
    # rows are no runs of elements, or crowd
    low, left = max(0, -plane.top), max(0, -plane.left)
    high = max(low, min(plane.height, (plane.rows - 1) * step - plane.top + size))
    right = max(left, min(plane.length, (plane.n - 1) * step - plane.left + size))
    if high > low and right > left:
        layout.kernels.copy(high - low, right - left, x + low * stride[2] + left * stride[3],
                            stride[2], stride[3], window, block.phase.pitch)
    plane.height, plane.length = high - low, right - left
    plane.top += low
    plane.left += left
    plane.x_row = block.phase.pitch
    return window


cdef inline void run_backward_planes(const Job *job, Py_ssize_t task,
                                     real_t *window) noexcept nogil:
    """A run of blocks by `dwconv_plane_backward_data`: rows of planes, or many planes."""
    cdef const Layout *layout = job.layout
    cdef const Py_ssize_t *stride = &job.source.stride[1]
    cdef Py_ssize_t number = task * job.schedule.blocks_per_task
    cdef Py_ssize_t end = min(job.schedule.blocks, number + job.schedule.blocks_per_task)
    cdef Py_ssize_t first, channel, o, image
    cdef Py_ssize_t extent[2]
    cdef Py_ssize_t index[2]   # group, and block of rows
    cdef bint copies = layout.copies_rows or (stride[3] != 1 and layout.g.output[2] > 1)
    cdef bint single = copies or layout.blocks > 1 or layout.out_channels > 1
    cdef const real_t *x
    cdef fc_plane plane
    extent[0], extent[1] = layout.groups, layout.blocks
    while number < end:
        image = unravel(number, extent, 2, index)
        first = index[1] * layout.plane_rows
        plane.planes = 1 if single else min(end - number, layout.groups - index[0])
        plane.y_row, plane.y_plane = job.output.axis[1], job.output.channel
        x = (<const real_t *>job.source.data) + (
            image * job.source.stride[0] + index[0] * stride[0])
        x = locate_backward_plane(layout, first, stride, x, window, &plane)
        for o in range(layout.out_channels):
            channel = index[0] * layout.out_channels + o
            layout.kernels.dwconv_plane_backward_data(
                &plane, x, (<const real_t *>job.packed) + 9 * channel,
                (<real_t *>job.output.data) + (image * job.output.image
                                               + channel * job.output.channel
                                               + first * job.output.axis[1]))
        number += plane.planes


cdef inline const real_t *locate_backward_plane(const Layout *layout, Py_ssize_t first,
                                                const Py_ssize_t *stride, const real_t *x,
                                                real_t *window, fc_plane *plane) noexcept nogil:
    """As `locate_plane`, for the rows of the gradient from `first` on, which grad_output gives."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t low, high
    plane.rows, plane.n = min(layout.plane_rows, g.input[1] - first), g.input[2]
    plane.height, plane.length = g.output[1], g.output[2]
    plane.top, plane.left = g.before[1] + first, g.before[2]
    plane.x_plane, plane.x_row = stride[0], stride[2]
    if (stride[3] == 1 or g.output[2] == 1) and not layout.copies_rows:
        return x
    low = min(max(0, plane.top // 2 - 1), plane.height)
    high = max(low, min(plane.height, (plane.rows - 1 + plane.top) // 2 + 1))
    layout.kernels.copy(high - low, plane.length, x + low * stride[2], stride[2], stride[3],
                        window, layout.phase[0].pitch)
    plane.height = high - low
    plane.top -= 2 * low
    plane.x_row = layout.phase[0].pitch
    return window
