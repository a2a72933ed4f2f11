"""Describe a convolution: its sizes, layout and arithmetic."""
import cmath

import numpy as np

cimport cython
from libc.string cimport memset

from fastconv._core.padding cimport (
    AXES, PAD_CIRCULAR, PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_SYMMETRIC, PAD_ZEROS,
)
from fastconv._desc.activation cimport as_epilogue
from fastconv._desc.arguments cimport (
    as_channels_last, as_flag, as_padding, as_shape, as_size, as_sizes, axes_of,
    check_count, image_shape, padded_length, window_extent,
)
from fastconv._desc.geometry cimport Geometry

from fastconv._core.messages import shown
from fastconv._desc import hints

NUMBERS = (int, float, complex, np.number, np.bool_)
PADDING_MODES = {
    "zeros": PAD_ZEROS, "constant": PAD_ZEROS, "reflect": PAD_REFLECT,
    "symmetric": PAD_SYMMETRIC, "replicate": PAD_REPLICATE, "edge": PAD_REPLICATE,
    "circular": PAD_CIRCULAR, "wrap": PAD_CIRCULAR,
}

cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef object ZERO = 0
cdef enum:
    MAX_STRIDE = 1 << 30  # of one output, that algorithms may multiply by what a kernel spans


@cython.final
cdef class ConvDesc:
    """One convolution: sizes, layout and arithmetic, for forward and backward alike.

    Everything but `batch` describes one image, so that whatever is chosen from a description
    (algorithm, blocking of sums) is the same for every batch size.
    """

    @property
    def dtype(self):
        """dtype of the arithmetic."""
        return float32 if self.g.itemsize == 4 else float64

    @property
    def itemsize(self):
        """Bytes of an element of the arithmetic."""
        return self.g.itemsize

    @property
    def exact(self):
        """Whether the arithmetic stands for integers, and must not round."""
        return bool(self.g.exact)

    @property
    def filters(self):
        """Output channels, all groups together."""
        return self.g.filters

    @property
    def geometry(self):
        """Sizes and numbers by their names in `conv_geometry`, for algorithms in Python."""
        return self.g

    cpdef tuple input_shape(self, Py_ssize_t batch):
        return image_shape(batch, self.batched, self.g.channels, self.g.input,
                           <int>self.g.rank, self.g.channels_last)

    cpdef tuple output_shape(self, Py_ssize_t batch):
        if self.result_shape is None or batch != self.batch:
            shape = image_shape(batch, self.batched, self.g.filters, self.g.output,
                                <int>self.g.rank, self.g.channels_last)
            if batch != self.batch:
                return shape
            self.result_shape = shape
        return self.result_shape

    cpdef tuple weight_shape(self):
        return (self.g.filters, self.g.channels // self.g.groups) + axes_of(
            self.g.kernel, <int>self.g.rank)

    cdef double multiply_adds(self) noexcept:
        """Multiply-adds of one image, in floating point: it may pass 2^63."""
        cdef double count = (<double>self.g.filters) * (self.g.channels // self.g.groups)
        cdef int i
        for i in range(AXES):
            count *= (<double>self.g.output[i]) * self.g.kernel[i]
        return count

    cdef double multiply_adds_backward(self) noexcept:
        """Those of one image's backward_data: each input element meets a phase of the kernel."""
        cdef double count = (<double>self.g.filters) * (self.g.channels // self.g.groups)
        cdef int i
        for i in range(AXES):
            count *= (<double>self.g.input[i]) * self.g.kernel[i] / (
                min(self.g.stride[i], self.g.kernel[i]))
        return count

    cdef double work(self, Py_ssize_t batch, bint backward) noexcept:
        """What a pass costs, in floating-point operations: not less than reading and writing."""
        cdef double count = self.multiply_adds()
        cdef double inputs = <double>self.g.channels, outputs = <double>self.g.filters
        cdef int i
        for i in range(AXES):
            inputs *= self.g.input[i]
            outputs *= self.g.output[i]
        if backward:
            count = max(count, self.multiply_adds_backward())
        return 2 * batch * max(count, 12 * (inputs + outputs))

    cdef ConvDesc with_padding_value(self, double value):
        """The same convolution whose padding holds another constant: this description keeps it."""
        cdef ConvDesc other = self.kept.get(("padding_value", value))
        if other is None:
            other = self.kept["padding_value", value] = copied(self)
            other.g.padding_value = value
        return other

    cdef ConvDesc in_float32(self):
        """The same convolution in that dtype: this description keeps it."""
        cdef ConvDesc other = self.kept.get(("float32",))
        if other is None:
            other = self.kept["float32",] = copied(self)
            other.g.itemsize = 4
        return other

    cdef ConvDesc of_rows(self, int axis, Py_ssize_t length, Py_ssize_t before, Py_ssize_t after,
                          Py_ssize_t outputs):
        """The same convolution of a part of one image along that axis: kept like the others."""
        cdef tuple key = ("rows", axis, length, before, after, outputs)
        cdef ConvDesc other = self.kept.get(key)
        if other is None:
            other = copied(self)
            other.batched, other.batch = True, 1
            other.g.input[axis], other.g.output[axis] = length, outputs
            other.g.before[axis], other.g.after[axis] = before, after
            if outputs == 1:
                other.g.stride[axis] = 1  # between no two windows
            self.kept[key] = other
        return other

    cpdef ConvDesc of_taps(self, list met):
        """The same outputs by fewer taps: the first one and their number, of each of three axes.

        The taps that are left out meet padding alone.
        """
        cdef ConvDesc other = copied(self)
        cdef conv_geometry *g = &other.g
        cdef Py_ssize_t first, count
        cdef int a
        for a in range(AXES):
            first, count = met[a]
            g.before[a] -= first * g.dilation[a]
            g.after[a] -= (g.kernel[a] - first - count) * g.dilation[a]
            g.kernel[a] = count
            if count == 1:
                g.dilation[a] = 1  # between no two elements
        return other

    cdef ConvDesc for_many(self):
        """The same for many runs with the same weights: this description keeps it."""
        cdef ConvDesc other = self.kept.get(("many",))
        if other is None:
            other = copied(self)
            other.planned = True
            self.kept["many",] = other
        return other

    def flops(self, Py_ssize_t batch=1):
        """Floating-point operations of the direct sum, two for a multiply-add."""
        return 2.0 * batch * self.multiply_adds()


cdef ConvDesc copied(ConvDesc desc):
    """The same description, from which nothing has been derived yet."""
    cdef ConvDesc other = ConvDesc.__new__(ConvDesc)
    other.function, other.batched, other.batch = desc.function, desc.batched, desc.batch
    other.kept, other.automatic, other.planned = {}, {}, desc.planned
    other.g, other.epilogue = desc.g, desc.epilogue
    return other


def describe_conv(Geometry geometry, x_shape, weight_shape, Py_ssize_t itemsize, activation=None,
                  bint exact=False):
    """Describe a convolution of arrays of these shapes.

    A shape may be an argument of the caller's, so it is validated like the rest.
    """
    cdef str function = geometry.function
    cdef tuple xs = as_shape(function, geometry.x, x_shape)
    cdef tuple ws = as_shape(function, geometry.weight, weight_shape)
    cdef ConvDesc desc = begin_conv(geometry, xs, ws, "filters, channels / groups", itemsize,
                                    exact)
    desc.g.flip = as_flag(function, "flip", geometry.flip)
    try:
        desc.g.padding_mode = PADDING_MODES[geometry.padding_mode]
    except (KeyError, TypeError):
        raise ValueError(
            f"{function}: padding_mode={shown(geometry.padding_mode)} is not one of "
            f"{', '.join(map(repr, PADDING_MODES))}"
            f"{hints.of_a_name(geometry.padding_mode, PADDING_MODES, hints.PADDING_MODES)}"
        ) from None
    if geometry.padding_value is not ZERO:  # `settled` has made it one where it is
        desc.g.padding_mode = PAD_CONSTANT
        desc.g.padding_value = geometry.padding_value.real
    as_epilogue(function, activation, &desc.epilogue)
    set_channels(desc, geometry, xs, ws)
    set_windows(desc, geometry, xs, ws)
    check_count(function, geometry.x, xs)
    check_count(function, geometry.weight, ws)
    check_count(function, "the result", desc.output_shape(desc.batch))
    return desc


cpdef Geometry settled(Geometry geometry, dtype):
    """The geometry with padding_value as a plain number that an `x` of this dtype can hold.

    Without a dtype any number will do. A zero is the integer 0, whatever it was.
    """
    if geometry.padding_value is ZERO:
        return geometry
    value = as_padding_value(geometry.function, geometry.padding_value, dtype)
    mode = geometry.padding_mode
    if value is not ZERO and not (isinstance(mode, str) and mode == "constant"):
        raise ValueError(
            f"{geometry.function}: padding_value={shown(geometry.padding_value)} needs "
            f"padding_mode='constant', not {shown(mode)}"
        )
    return geometry.padded_with(geometry.padding, mode, value)


cdef object as_padding_value(str function, value, dtype):
    """A number that arrays of this dtype can hold, as one of Python's, and 0 for every zero.

    Integers hold what equals one of theirs, floating-point numbers what they can round. Without
    a dtype any finite number will do.
    """
    if not isinstance(value, NUMBERS) or isinstance(value, np.timedelta64):
        raise TypeError(f"{function}: padding_value must be a number, not {shown(value)}")
    if dtype is None:
        dtype = np.dtype(np.complex128)
    if dtype.kind != "c" and isinstance(value, (complex, np.complexfloating)):
        raise TypeError(
            f"{function}: padding_value={shown(value)} is complex, but x has dtype {dtype}")
    try:
        with np.errstate(all="ignore"):
            held = np.array(value).astype(dtype).item()
            fits = held == value if dtype.kind in "iub" else cmath.isfinite(held)
    except OverflowError:  # an integer beyond all floats
        fits = False
    if not fits:
        raise ValueError(
            f"{function}: padding_value={shown(value)} is not a finite number that x of dtype "
            f"{dtype} can hold"
        )
    return held if held else 0


cpdef Geometry with_zeros(Geometry geometry):
    """The geometry for what does not depend on the padding's value, which is still checked."""
    geometry = settled(geometry, None)
    if geometry.padding_value is ZERO:
        return geometry
    return geometry.padded_with(geometry.padding, geometry.padding_mode, ZERO)


cdef ConvDesc begin_conv(Geometry geometry, tuple xs, tuple ws, str channels,
                         Py_ssize_t itemsize, bint exact):
    """A description with its rank, layout and batch; `channels` names a weight's first axes."""
    cdef ConvDesc desc = ConvDesc.__new__(ConvDesc)
    cdef conv_geometry *g = &desc.g
    cdef str function = geometry.function
    cdef int axis, n = len(ws) - 2 if geometry.rank is None else geometry.rank
    memset(g, 0, sizeof(conv_geometry))
    desc.function = function
    desc.kept = {}
    desc.automatic = {}
    if len(ws) != n + 2 or not 1 <= n <= AXES:
        axes = "3 to 5" if geometry.rank is None else f"{n + 2}"
        raise ValueError(
            f"{function}: {geometry.weight} has {len(ws)} axes (shape {ws}), but needs {axes} axes "
            f"({channels}, *kernel){hints.of_weight_axes(geometry.weight, len(ws), geometry.rank)}"
        )
    if len(xs) != n + 2 and len(xs) != n + 1:
        raise ValueError(
            f"{function}: {geometry.x} has {len(xs)} axes (shape {xs}), but a weight of shape "
            f"{ws} needs "
            f"{n + 2}, or {n + 1} without the batch axis"
            + hints.of_image_axes(geometry.x, len(xs), n, geometry.data_format == "channels_last")
        )
    desc.batched = len(xs) == n + 2
    desc.batch = xs[0] if desc.batched else 1
    g.rank = n
    g.itemsize = itemsize
    g.exact = exact
    g.channels_last = as_channels_last(function, geometry.data_format)
    for axis in range(AXES):
        g.input[axis] = g.kernel[axis] = g.output[axis] = 1
    return desc


cdef int set_channels(ConvDesc desc, Geometry geometry, tuple xs, tuple ws) except -1:
    """Channels, filters and groups, which must go into each other."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t per_group = ws[1]
    g.channels = xs[channel_axis(desc, xs)]
    g.filters = ws[0]
    g.groups = as_size(desc.function, "groups", geometry.groups, 1)
    if g.channels % g.groups:
        raise ValueError(
            f"{desc.function}: groups={g.groups} does not divide the {g.channels} channels of "
            f"{geometry.x}{hints.of_groups(geometry.x, xs, g.groups, g.channels_last)}"
        )
    if g.filters % g.groups:
        raise ValueError(
            f"{desc.function}: groups={g.groups} does not divide the {g.filters} filters of "
            f"{geometry.weight}{hints.of_one_filter(geometry.weight, ws, g.groups)}"
        )
    if per_group != g.channels // g.groups:
        raise ValueError(
            f"{desc.function}: {geometry.weight} has {per_group} input channels per group, but "
            f"{geometry.x} has {g.channels} channels and groups={g.groups} "
            f"({g.channels}/{g.groups} = {g.channels // g.groups})"
            + hints.of_channels(geometry.x, xs, geometry.weight, ws, g.groups, g.channels,
                                g.channels_last)
        )
    return 0


cdef Py_ssize_t channel_axis(ConvDesc desc, tuple xs) noexcept:
    """Which axis of x holds the channels."""
    return len(xs) - 1 if desc.g.channels_last else len(xs) - desc.g.rank - 1


cdef int set_windows(ConvDesc desc, Geometry geometry, tuple xs, tuple ws) except -1:
    """What lies along each axis: lengths, kernel, stride, dilation, padding and outputs."""
    cdef conv_geometry *g = &desc.g
    cdef int axis, n = <int>g.rank
    cdef Py_ssize_t first = len(xs) - n - g.channels_last
    as_sizes(desc.function, "stride", geometry.stride, n, 1, g.stride)
    as_sizes(desc.function, "dilation", geometry.dilation, n, 1, g.dilation)
    for axis in range(AXES):
        g.asked_stride[axis] = g.stride[axis] if g.stride[axis] <= MAX_STRIDE else 1
    for axis in range(AXES - n, AXES):
        g.input[axis] = xs[first + axis - AXES + n]
        set_kernel(desc, geometry, axis, ws)
        if g.kernel[axis] == 1:
            g.dilation[axis] = 1  # between no two elements
        conv_extent(desc, axis)
    as_padding(desc.function, geometry.padding, n, g.input, g.kernel, g.stride, g.dilation,
               g.before, g.after)
    for axis in range(AXES - n, AXES):
        set_outputs(desc, geometry, axis)
        if g.output[axis] > 1:  # it is a stride between outputs, however long
            g.asked_stride[axis] = g.stride[axis]
    return 0


cdef int set_kernel(ConvDesc desc, Geometry geometry, int axis, tuple ws) except -1:
    """The kernel's length along one axis."""
    desc.g.kernel[axis] = ws[2 + axis - AXES + desc.g.rank]
    if desc.g.kernel[axis] < 1:
        raise ValueError(
            f"{desc.function}: {geometry.weight} of shape {ws} has a kernel axis of length 0")
    return 0


cdef Py_ssize_t conv_extent(ConvDesc desc, int axis) except -1:
    """Elements that the kernel spans along one axis."""
    return window_extent(desc.function, "a kernel length", desc.g.kernel[axis],
                         desc.g.dilation[axis])


cdef int set_outputs(ConvDesc desc, Geometry geometry, int axis) except -1:
    """How many windows fit along one axis."""
    cdef conv_geometry *g = &desc.g
    cdef str function = desc.function
    cdef Py_ssize_t extent = conv_extent(desc, axis)
    cdef Py_ssize_t total = padded_length(function, g.input[axis], g.before[axis], g.after[axis])
    if total < extent:
        raise ValueError(
            f"{function}: the kernel spans {extent} elements (length {g.kernel[axis]}, "
            f"dilation {g.dilation[axis]}), but axis {axis - AXES - g.channels_last} of "
            f"{geometry.x} has {total} with its padding ({g.input[axis]} + {g.before[axis]} + "
            f"{g.after[axis]})"
        )
    if g.input[axis] == 0 and g.padding_mode != PAD_ZEROS and g.padding_mode != PAD_CONSTANT:
        raise ValueError(
            f"{function}: axis {axis - AXES - g.channels_last} of {geometry.x} has length 0, which "
            f"padding_mode={shown(geometry.padding_mode)} cannot extend"
        )
    g.output[axis] = (total - extent) // g.stride[axis] + 1
    if g.output[axis] == 1:
        g.stride[axis] = 1  # between no two windows
    return 0
