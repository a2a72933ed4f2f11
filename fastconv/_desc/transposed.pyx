"""Describe a transposed convolution, by the convolution that it is the adjoint of."""
from fastconv._core.padding cimport AXES
from fastconv._desc.arguments cimport (
    add_overflows, as_padding, as_shape, as_size, as_sizes, check_count, mul_overflows,
    padded_length,
)
from fastconv._desc.conv cimport (
    ConvDesc, begin_conv, channel_axis, conv_extent, conv_geometry, set_kernel,
)
from fastconv._desc.geometry cimport Geometry

from fastconv._core.messages import shown
from fastconv._desc import hints


cdef class TransposedDesc:
    """One transposed convolution: the convolution that it is the adjoint of, and the result."""


def describe_transposed(Geometry geometry, x_shape, weight_shape, Py_ssize_t itemsize,
                        bint exact=False):
    """Describe a transposed convolution of arrays of these shapes.

    The convolution described has the same weights and reads an array of the result's shape.
    """
    cdef TransposedDesc transposed = TransposedDesc.__new__(TransposedDesc)
    cdef str function = geometry.function
    cdef tuple xs = as_shape(function, geometry.x, x_shape)
    cdef tuple ws = as_shape(function, geometry.weight, weight_shape)
    cdef ConvDesc desc = begin_conv(
        geometry, xs, ws, "channels of x, channels of the result / groups", itemsize, exact)
    cdef Py_ssize_t extra[AXES]   # output_padding
    cdef Py_ssize_t wanted[AXES]  # output_size; 0: not given
    cdef int axis
    set_channels(desc, geometry, xs, ws)
    as_sizes(function, "stride", geometry.stride, <int>desc.g.rank, 1, desc.g.stride)
    desc.g.asked_stride = desc.g.stride
    as_sizes(function, "dilation", geometry.dilation, <int>desc.g.rank, 1, desc.g.dilation)
    as_extra(desc, geometry, extra, wanted)
    for axis in range(AXES - <int>desc.g.rank, AXES):
        set_outputs(desc, geometry, axis, xs, ws, extra[axis])
    set_inputs(desc, geometry, extra, wanted)
    transposed.shape = desc.input_shape(desc.batch)
    check_count(function, geometry.x, xs)
    check_count(function, geometry.weight, ws)
    check_count(function, "the result", transposed.shape)
    for axis in range(AXES - <int>desc.g.rank, AXES):
        cut_to_reach(desc, axis)
    transposed.desc = desc
    transposed.reached = desc.input_shape(desc.batch)
    return transposed


cdef int set_channels(ConvDesc desc, Geometry geometry, tuple xs, tuple ws) except -1:
    """Channels of the result, those of x, which are the convolution's filters, and groups."""
    cdef conv_geometry *g = &desc.g
    g.filters = xs[channel_axis(desc, xs)]
    g.groups = as_size(desc.function, "groups", geometry.groups, 1)
    if g.filters % g.groups:
        raise ValueError(
            f"{desc.function}: groups={g.groups} does not divide the {g.filters} channels of "
            f"{geometry.x}"
        )
    if ws[0] != g.filters:
        raise ValueError(
            f"{desc.function}: {geometry.weight} of shape {ws} is for {ws[0]} channels, but "
            f"{geometry.x} has {g.filters}"
            f"{hints.of_transposed(geometry.weight, ws, g.groups, g.filters)}"
        )
    if mul_overflows(ws[1], g.groups, &g.channels):
        raise ValueError(
            f"{desc.function}: {geometry.weight} of shape {ws} with groups={g.groups} gives more "
            f"than 2^63 channels"
        )
    return 0


cdef int as_extra(ConvDesc desc, Geometry geometry, Py_ssize_t *extra,
                  Py_ssize_t *wanted) except -1:
    """output_padding and output_size, of which one chooses the length of the result."""
    cdef int axis, n = <int>desc.g.rank
    as_sizes(desc.function, "output_padding", geometry.output_padding, n, 0, extra)
    if geometry.output_size is None:
        for axis in range(AXES):
            wanted[axis] = 0
        return 0
    as_sizes(desc.function, "output_size", geometry.output_size, n, 1, wanted)
    for axis in range(AXES - n, AXES):
        if extra[axis]:
            raise ValueError(
                f"{desc.function}: output_size={shown(geometry.output_size)} chooses "
                f"output_padding, so output_padding={shown(geometry.output_padding)} cannot be "
                f"given as well"
            )
    return 0


cdef int set_outputs(ConvDesc desc, Geometry geometry, int axis, tuple xs, tuple ws,
                     Py_ssize_t extra) except -1:
    """Along one axis: x, which is the convolution's output, and the kernel."""
    cdef conv_geometry *g = &desc.g
    cdef str function = desc.function
    cdef Py_ssize_t from_end = axis - AXES - g.channels_last, most
    g.output[axis] = xs[len(xs) + from_end]
    set_kernel(desc, geometry, axis, ws)
    if g.output[axis] < 1:
        raise ValueError(
            f"{function}: axis {from_end} of {geometry.x} has length 0 (shape {xs})")
    most = max(g.stride[axis], g.dilation[axis])
    if extra >= most:
        raise ValueError(
            f"{function}: output_padding={shown(geometry.output_padding)} must be less than "
            f"stride or dilation, whichever is larger; on axis {from_end} they are "
            f"{g.stride[axis]} and "
            f"{g.dilation[axis]}"
        )
    conv_extent(desc, axis)
    return 0


cdef int set_inputs(ConvDesc desc, Geometry geometry, const Py_ssize_t *extra,
                    const Py_ssize_t *wanted) except -1:
    """The length of the result, which the convolution reads, and what is cut off it."""
    cdef conv_geometry *g = &desc.g
    cdef int axis, n = <int>g.rank
    padding = geometry.padding
    same = isinstance(padding, str) and padding in ("same", "same_lower")
    as_padding(desc.function, "valid" if same else padding, n, g.output, g.kernel, g.stride,
               g.dilation, g.before, g.after)
    for axis in range(AXES - n, AXES):
        reach = reach_of(desc, axis)
        if same:
            set_same_input(desc, geometry, axis, reach + extra[axis], wanted[axis])
        else:
            set_input(desc, geometry, axis, reach, extra[axis], wanted[axis])
        if g.kernel[axis] == 1:
            g.dilation[axis] = 1  # between no two elements
    return 0


cdef Py_ssize_t reach_of(ConvDesc desc, int axis) except -1:
    """The elements between the first and the last that a product is added to, they included."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t extent = conv_extent(desc, axis), reach, total
    if mul_overflows(g.output[axis] - 1, g.stride[axis], &reach) or (
            add_overflows(reach, extent, &reach)
            or add_overflows(reach, max(g.stride[axis], g.dilation[axis]), &total)):
        raise ValueError(
            f"{desc.function}: axis {axis - AXES - g.channels_last} of the result (length "
            f"{g.output[axis]}, stride "
            f"{g.stride[axis]}, kernel spanning {extent}) passes 2^63 elements"
        )
    return reach


cdef int set_same_input(ConvDesc desc, Geometry geometry, int axis, Py_ssize_t reach,
                        Py_ssize_t wanted) except -1:
    """A result of length * stride elements, or what is wanted; the rest is cut off both ends."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t total
    cdef Py_ssize_t length = g.output[axis] * g.stride[axis]  # `reach_of` has checked it
    if wanted:
        if not length - g.stride[axis] < wanted <= length:
            raise ValueError(
                f"{desc.function}: output_size={shown(geometry.output_size)} does not go with "
                f"padding={shown(geometry.padding)}: axis {axis - AXES - g.channels_last} can have "
                f"{length - g.stride[axis] + 1} to {length} elements"
            )
        length = wanted
    total = max(0, reach - length)
    g.before[axis] = total // 2 if geometry.padding == "same" else total - total // 2
    g.after[axis] = total - g.before[axis]
    g.input[axis] = length
    return 0


cdef int set_input(ConvDesc desc, Geometry geometry, int axis, Py_ssize_t reach,
                   Py_ssize_t extra, Py_ssize_t wanted) except -1:
    """A result of what the products reach, without the padding, with output_padding."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t length, most = max(g.stride[axis], g.dilation[axis])
    padded_length(desc.function, 0, g.before[axis], g.after[axis])
    length = reach - g.before[axis] - g.after[axis]
    if wanted:
        if not length <= wanted < length + most:
            raise ValueError(
                f"{desc.function}: output_size={shown(geometry.output_size)} is out of reach: axis "
                f"{axis - AXES - g.channels_last} can have {max(length, 1)} to "
                f"{length + most - 1} elements"
            )
        length = wanted
    else:
        length += extra
    if length < 1:
        raise ValueError(
            f"{desc.function}: axis {axis - AXES - g.channels_last} of the result would have "
            f"{length} elements: "
            f"{reach} ({g.output[axis]} inputs at stride {g.stride[axis]}, kernel spanning "
            f"{conv_extent(desc, axis)}) - padding ({g.before[axis]}, {g.after[axis]}) + "
            f"output_padding {extra}"
        )
    g.input[axis] = length
    return 0


cdef int cut_to_reach(ConvDesc desc, int axis) except -1:
    """Leave out what the convolution does not read.

    An output_padding of a stride or more (where the dilation is larger) takes back padding after,
    and beyond that appends what no input reaches.
    """
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t most, unread = (
        g.input[axis] + g.before[axis] + g.after[axis] - conv_extent(desc, axis)
        - (g.output[axis] - 1) * g.stride[axis])
    if unread >= g.stride[axis]:
        most = min(unread, g.after[axis])
        g.after[axis] -= most
        unread -= most
        g.input[axis] = max(0, g.input[axis] - unread // g.stride[axis] * g.stride[axis])
    return 0
