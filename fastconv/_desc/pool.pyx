"""Describe a pooling: its windows."""
cimport cython
cimport numpy as cnp
from libc.string cimport memset

from fastconv._core.integers cimport gcd
from fastconv._core.padding cimport AXES
from fastconv._desc.arguments cimport (
    add_overflows, as_channels_last, as_flag, as_padding, as_shape, as_size, as_sizes, check_count,
    entries, image_shape, is_image, mul_overflows, padded_length, scaled, window_extent,
)
from fastconv._desc.geometry cimport Geometry

from fastconv._core.messages import shown
from fastconv._desc import hints
from fastconv._desc.arguments import counts_of
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry as new_geometry

cdef Py_ssize_t LONGEST_SPAN = 2**59 - 1   # 2^63 / 16: room for sums of windows, and for bytes


@cython.final
cdef class PoolDesc:
    """One pooling: sizes and layout, for forward and backward alike."""

    cdef double work(self) noexcept:
        """Operations of a call, by an upper bound: one axis is reduced after the other."""
        cdef double elements = self.batch * <double>self.g.channels, total
        cdef pool_axis *a
        cdef int axis
        for axis in range(AXES):
            elements *= self.g.axis[axis].length
        total = elements
        for axis in range(AXES):
            a = &self.g.axis[axis]
            elements *= <double>a.outputs / max(a.length, 1)
            total += elements * min(<double>a.kernel, 16.0 * a.stride)
        return 2 * total

    cdef PoolDesc of_images(self, Py_ssize_t batch):
        """The same of another number of images."""
        cdef PoolDesc desc = PoolDesc.__new__(PoolDesc)
        desc.function, desc.x = self.function, self.x
        desc.batched = self.batched
        desc.batch = batch
        desc.g = self.g
        return desc

    cdef PoolDesc of_rows(self, int axis, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t *low,
                          Py_ssize_t *high):
        """Some windows of one image along a regular axis: they read elements from low to high."""
        cdef PoolDesc desc = self.of_images(1)
        cdef pool_axis *a = &desc.g.axis[axis]
        cdef Py_ssize_t start = first * a.stride - a.before
        cdef Py_ssize_t stop = start + (rows - 1) * a.stride + (a.kernel - 1) * a.dilation + 1
        desc.batched = True
        low[0], high[0] = max(start, 0), min(stop, a.length)
        a.before = low[0] - start
        if high[0] < a.length:
            a.after = 0
        a.length, a.outputs = high[0] - low[0], rows
        return desc

    cpdef tuple input_shape(self):
        cdef Py_ssize_t size[AXES]
        cdef int axis
        for axis in range(AXES):
            size[axis] = self.g.axis[axis].length
        return image_shape(self.batch, self.batched, self.g.channels, size, <int>self.g.rank,
                           self.g.channels_last)

    cpdef tuple output_shape(self):
        cdef Py_ssize_t size[AXES]
        cdef int axis
        if self.result_shape is None:
            for axis in range(AXES):
                size[axis] = self.g.axis[axis].outputs
            self.result_shape = image_shape(self.batch, self.batched, self.g.channels, size,
                                            <int>self.g.rank, self.g.channels_last)
        return self.result_shape

    cdef bint has_input_shape(self, cnp.ndarray array) noexcept:
        cdef Py_ssize_t size[AXES]
        cdef int axis
        for axis in range(AXES):
            size[axis] = self.g.axis[axis].length
        return is_image(array, self.batch, self.batched, self.g.channels, size, <int>self.g.rank,
                        self.g.channels_last)


# ---- the windows of a description ----

cdef span window(const pool_axis *axis, Py_ssize_t o) noexcept nogil:
    """The elements that window o reads."""
    if axis.kind == REGULAR:
        return regular_window(axis, o)
    if axis.kind == ADAPTIVE:
        return adaptive_window(axis, o)
    return adjoint_window(axis, o)


cdef span regular_window(const pool_axis *axis, Py_ssize_t o) noexcept nogil:
    cdef span found
    cdef Py_ssize_t start = o * axis.stride - axis.before
    cdef Py_ssize_t tap = 0 if start >= 0 else (-start + axis.dilation - 1) // axis.dilation
    cdef Py_ssize_t end = 0 if start >= axis.length else min(
        axis.kernel, (axis.length - 1 - start) // axis.dilation + 1)
    found.first = start + tap * axis.dilation
    found.taps = end - tap
    found.step = axis.dilation
    if found.taps <= 0:  # which a pooling refuses, but its adjoint may have
        found.first = found.taps = 0
    return found


cdef span adaptive_window(const pool_axis *axis, Py_ssize_t o) noexcept nogil:
    cdef span found
    cdef Py_ssize_t end = scaled(o + 1, axis.length, axis.outputs)
    end += scaled(end, axis.outputs, axis.length) < o + 1  # rounded down: up instead
    found.first = scaled(o, axis.length, axis.outputs)
    found.taps = end - found.first
    found.step = 1
    return found


cdef span adjoint_window(const pool_axis *axis, Py_ssize_t o) noexcept nogil:
    """Tap t of the windows that hold element o of the input: those with
    q * stride = o + before - t * dilation. The largest such t gives the first."""
    cdef span found
    cdef Py_ssize_t start = o + axis.before
    cdef Py_ssize_t tap = min(axis.kernel - 1, start // axis.dilation)
    cdef Py_ssize_t common = gcd(axis.stride, axis.dilation), rest
    if axis.dilation == 1:
        rest = (start - tap) % axis.stride
        tap -= axis.stride - rest if rest else 0
    while tap >= 0 and (start - tap * axis.dilation) % axis.stride:
        tap -= 1
    found.first = 0 if tap < 0 else (start - tap * axis.dilation) // axis.stride
    found.step = axis.dilation // common
    if tap < 0 or found.first >= axis.length:
        found.first = found.taps = 0
    else:
        found.taps = min(tap // (axis.stride // common),
                         (axis.length - 1 - found.first) // found.step) + 1
    return found


cdef Py_ssize_t counted(const pool_axis *axis, Py_ssize_t o, bint padding) noexcept nogil:
    """Positions of window o that its average divides by, along this axis: those inside the
    padded input, or elements only."""
    if padding and axis.kind == REGULAR:
        return min(axis.kernel, (axis.length + axis.after - 1 - o * axis.stride + axis.before)
                   // axis.dilation + 1)
    return window(axis, o).taps


cdef pool_axis adjoint(const pool_axis *axis) noexcept nogil:
    """The axis that leads back: window i of it holds the windows of `axis` that hold i."""
    cdef pool_axis back = axis[0]
    back.length, back.outputs = axis.outputs, axis.length
    if axis.kind == REGULAR and axis.stride == 1:
        back.before = (axis.kernel - 1) * axis.dilation - axis.before
        back.after = (axis.kernel - 1) * axis.dilation - axis.after
    elif axis.kind == REGULAR:
        back.kind = ADJOINT
    return back


# ---- describing ----

cpdef int pool_rank(Geometry geometry, str name, size, Py_ssize_t axes) except -1:
    """Spatial axes of an array with `axes` axes: the geometry's, or else as an argument says.

    That is `size`, by this name, with one entry for each. A single number says nothing, so then
    the array must: with two, four and five axes it is (C, L), (N, C, H, W) and (N, C, D, H, W).
    """
    cdef str function = geometry.function
    if geometry.rank is not None:
        return geometry.rank
    items = None if size is None else entries(function, name, size, "an integer or a sequence")
    if items is not None and (len(items) > 1 or (len(items) == 1 and 2 <= axes <= 3)):
        if len(items) > AXES:
            raise ValueError(
                f"{function}: {name}={shown(size)} has {len(items)} entries, but there are at most "
                f"{AXES} spatial axes"
            )
        return len(items)
    if axes == 3:
        raise ValueError(
            f"{function}: with three axes, {geometry.x} may be a batch (N, C, L) or one image "
            f"(C, H, W); call the function for that rank" + (
                "" if name == "rank" else f", or give {name} an entry for each spatial axis")
        )
    if not 2 <= axes <= AXES + 2:
        raise ValueError(
            f"{function}: {geometry.x} has {axes} axes, but needs 2 to {AXES + 2}")
    return max(axes - 2, 1)


cdef PoolDesc begin_pool(Geometry geometry, int rank, tuple xs):
    """A description that holds an input of this shape, and axes that do nothing."""
    cdef PoolDesc desc = PoolDesc.__new__(PoolDesc)
    cdef pool_geometry *g = &desc.g
    cdef pool_axis *a
    cdef int axis
    memset(g, 0, sizeof(pool_geometry))
    desc.function, desc.x = geometry.function, geometry.x
    if len(xs) != rank + 2 and len(xs) != rank + 1:
        raise ValueError(
            f"{desc.function}: {desc.x} has {len(xs)} axes (shape {xs}), but needs {rank + 2}, "
            f"or {rank + 1} without the batch axis"
            + hints.of_image_axes(desc.x, len(xs), rank, geometry.data_format == "channels_last")
        )
    desc.batched = len(xs) == rank + 2
    desc.batch = xs[0] if desc.batched else 1
    g.rank = rank
    g.channels_last = as_channels_last(desc.function, geometry.data_format)
    g.channels = xs[len(xs) - 1 if g.channels_last else len(xs) - rank - 1]
    for axis in range(AXES):
        a = &g.axis[axis]
        a.length = a.outputs = a.kernel = a.stride = a.dilation = 1
    for axis in range(AXES - rank, AXES):
        g.axis[axis].length = xs[len(xs) - rank - g.channels_last + axis - AXES + rank]
    check_count(desc.function, desc.x, xs)
    return desc


def describe_pool(Geometry geometry, x_shape):
    """Describe a pooling of an array of shape `x_shape`."""
    cdef tuple xs = as_shape(geometry.function, geometry.x, x_shape)
    cdef int axis, rank = pool_rank(geometry, "kernel_size", geometry.kernel_size, len(xs))
    cdef PoolDesc desc = begin_pool(geometry, rank, xs)
    set_windows(desc, geometry)
    for axis in range(AXES - rank, AXES):
        set_outputs(desc, axis, as_flag(desc.function, "ceil_mode", geometry.ceil_mode))
    check_count(desc.function, "the result", desc.output_shape())
    return desc


def describe_around(Geometry geometry, x_shape, Py_ssize_t itemsize):
    """Describe what a pooling's padding_mode makes of x: a convolution by a kernel of one.

    Its result is as long as the padded x, whose windows are those of a pooling without padding.
    """
    cdef tuple xs = as_shape(geometry.function, geometry.x, x_shape)
    cdef int axis, rank = pool_rank(geometry, "kernel_size", geometry.kernel_size, len(xs))
    cdef PoolDesc desc = begin_pool(geometry, rank, xs)
    set_windows(desc, geometry)
    around = new_geometry(
        desc.function, rank, padding_mode=geometry.padding_mode,
        padding_value=geometry.padding_value, data_format=geometry.data_format, x=desc.x,
        padding=tuple([(desc.g.axis[axis].before, desc.g.axis[axis].after)
                       for axis in range(AXES - rank, AXES)]))
    return describe_conv(around, xs, (1, desc.g.channels) + (1,) * rank, itemsize)


cdef int set_windows(PoolDesc desc, Geometry geometry) except -1:
    """Kernel, stride, dilation and padding of each axis."""
    cdef pool_axis *a
    cdef int axis, rank = <int>desc.g.rank
    cdef Py_ssize_t length[AXES]
    cdef Py_ssize_t kernel[AXES]
    cdef Py_ssize_t stride[AXES]
    cdef Py_ssize_t dilation[AXES]
    cdef Py_ssize_t before[AXES]
    cdef Py_ssize_t after[AXES]
    as_sizes(desc.function, "kernel_size", geometry.kernel_size, rank, 1, kernel)
    as_strides(desc.function, geometry.stride, rank, kernel, stride)
    as_sizes(desc.function, "dilation", geometry.dilation, rank, 1, dilation)
    for axis in range(AXES):
        length[axis] = desc.g.axis[axis].length
        if kernel[axis] == 1:
            dilation[axis] = 1  # between no two elements
        window_extent(desc.function, "kernel_size", kernel[axis], dilation[axis])
    as_padding(desc.function, geometry.padding, rank, length, kernel, stride, dilation, before,
               after)
    for axis in range(AXES - rank, AXES):
        a = &desc.g.axis[axis]
        a.kernel, a.stride, a.dilation = kernel[axis], stride[axis], dilation[axis]
        a.before, a.after = before[axis], after[axis]
    return 0


cdef int as_strides(str function, stride, int rank, const Py_ssize_t *kernel,
                    Py_ssize_t *out) except -1:
    """The stride of a pooling, which is its kernel size unless given."""
    cdef int axis
    if stride is None or (type(stride) is tuple and len(stride) == 0):
        for axis in range(AXES):
            out[axis] = kernel[axis]
        return 0
    return as_sizes(function, "stride", stride, rank, 1, out)


cdef int set_outputs(PoolDesc desc, int axis, ceil_mode) except -1:
    """How many windows fit along one axis."""
    cdef pool_axis *a = &desc.g.axis[axis]
    cdef str function = desc.function
    cdef Py_ssize_t extent = window_extent(function, "kernel_size", a.kernel, a.dilation)
    cdef Py_ssize_t total, rest
    if a.before >= extent or a.after >= extent:
        raise ValueError(
            f"{function}: padding ({a.before}, {a.after}) must be less than the window's "
            f"extent {extent} (kernel_size {a.kernel}, dilation {a.dilation})"
        )
    total = padded_length(function, a.length, a.before, a.after)
    if total < extent or a.length == 0:
        raise ValueError(
            f"{function}: the window spans {extent} elements (kernel_size {a.kernel}, "
            f"dilation {a.dilation}), but axis {axis - AXES - desc.g.channels_last} of {desc.x} "
            f"has {total} with its padding ({a.length} + {a.before} + {a.after})"
        )
    rest = total - extent
    a.outputs = rest // a.stride + 1
    if ceil_mode and rest % a.stride:
        # the overhanging window counts if it starts inside the input or the padding before
        if a.outputs <= (a.length + a.before - 1) // a.stride:
            a.outputs += 1
    if a.outputs == 1:  # how far it is to the next does not matter, and might overflow
        a.stride = min(a.stride, total)
    check_span(desc, axis, extent)
    check_overlap(desc, axis)
    return 0


cdef int check_span(PoolDesc desc, int axis, Py_ssize_t extent) except -1:
    """Refuse windows that span so much, with what hangs over, that drivers could overflow."""
    cdef pool_axis *a = &desc.g.axis[axis]
    cdef Py_ssize_t reach
    if mul_overflows(a.outputs - 1, a.stride, &reach) or (
            add_overflows(reach, extent, &reach) or reach >= LONGEST_SPAN):
        raise ValueError(
            f"{desc.function}: the windows of axis {axis - AXES - desc.g.channels_last} "
            f"(kernel_size {a.kernel}, stride {a.stride}, dilation {a.dilation}, padding "
            f"({a.before}, {a.after})) span too many elements"
        )
    return 0


cdef int check_overlap(PoolDesc desc, int axis) except -1:
    """Refuse a window that lies in the padding alone.

    A window that starts in the padding has a tap in every `dilation` positions, so it reaches
    the input unless that is shorter; and where windows start repeats itself modulo the dilation.
    """
    cdef pool_axis *a = &desc.g.axis[axis]
    cdef Py_ssize_t i, start
    if a.length >= a.dilation:
        return 0
    for i in range(min(a.outputs, a.dilation // gcd(a.stride % a.dilation, a.dilation))):
        start = i * a.stride - a.before
        if start >= 0:
            break
        if (start % a.dilation + a.dilation) % a.dilation >= a.length:
            raise ValueError(
                f"{desc.function}: window {i} of axis {axis - AXES - desc.g.channels_last} lies "
                f"wholly in the padding ({a.before}, {a.after})"
            )
    return 0


def describe_adaptive(Geometry geometry, x_shape):
    """Describe a pooling whose windows share an input of shape `x_shape` out evenly.

    An entry of output_size that is None keeps the length of its axis.
    """
    cdef tuple xs = as_shape(geometry.function, geometry.x, x_shape)
    cdef int axis, rank = pool_rank(geometry, "output_size", geometry.output_size, len(xs))
    cdef PoolDesc desc = begin_pool(geometry, rank, xs)
    cdef tuple wanted = output_sizes(geometry, rank)
    cdef pool_axis *a
    for axis in range(AXES - rank, AXES):
        a = &desc.g.axis[axis]
        item = wanted[axis - AXES + rank]
        if a.length == 0:
            raise ValueError(
                f"{desc.function}: axis {axis - AXES - desc.g.channels_last} of {desc.x} has "
                f"length 0, so a window would be empty"
            )
        a.outputs = a.length if item is None else as_size(desc.function, "output_size", item, 1)
        if a.length % a.outputs == 0:
            a.kernel = a.stride = a.length // a.outputs
        else:
            a.kind = ADAPTIVE
            a.kernel = a.length // a.outputs + 2  # the most that a window holds
    check_count(desc.function, "the result", desc.output_shape())
    return desc


cdef tuple output_sizes(Geometry geometry, int rank):
    """output_size with an entry for each axis."""
    cdef str function = geometry.function
    size = geometry.output_size
    items = None if size is None else entries(
        function, "output_size", size, f"an integer or {rank} integers")
    if items is None:
        items = (size,)
    if len(items) == 1:
        items = tuple(items) * rank
    if len(items) != rank:
        raise ValueError(
            f"{function}: output_size={shown(size)} has {len(items)} entries, but needs "
            f"{counts_of(rank)}"
        )
    return items
