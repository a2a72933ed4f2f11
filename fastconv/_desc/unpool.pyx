"""Describe what only has a pooling's result: its way back by indices, and unpooling."""
from fastconv._core.padding cimport AXES
from fastconv._desc.arguments cimport (
    add_overflows, as_channels_last, as_padding, as_shape, as_sizes, check_count, mul_overflows,
)
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.pool cimport (
    LONGEST_SPAN, PoolDesc, as_strides, begin_pool, pool_axis, pool_rank,
)

from fastconv._core.messages import shown


def describe_planes(str function, int rank, x_shape, tuple grad_shape, data_format):
    """The input shape of a pooling of which only the result's shape is known, validated."""
    cdef tuple xs = as_shape(function, "input_shape", x_shape)
    cdef bint last = as_channels_last(function, data_format)
    cdef Py_ssize_t n = len(xs)
    if n != rank + 2 and n != rank + 1:
        raise ValueError(
            f"{function}: input_shape {xs} has {n} axes, but needs {rank + 2}, or {rank + 1} "
            f"without the batch axis"
        )
    same = [0] if n == rank + 2 else []
    same.append(n - 1 if last else n - rank - 1)
    if len(grad_shape) != n or any([grad_shape[i] != xs[i] for i in same]):
        raise ValueError(
            f"{function}: grad_output of shape {grad_shape} does not come from an input of shape "
            f"{xs}: batch and channels must be equal"
        )
    check_count(function, "the result", xs)
    return xs


def describe_unpool(Geometry geometry, x_shape):
    """The shape that an array of shape `x_shape` is unpooled to."""
    cdef tuple xs = as_shape(geometry.function, geometry.x, x_shape)
    cdef int axis, rank = pool_rank(geometry, "kernel_size", geometry.kernel_size, len(xs))
    cdef PoolDesc desc = begin_pool(geometry, rank, xs)
    cdef tuple wanted
    set_windows(desc, geometry)
    wanted = wanted_sizes(desc, geometry)
    for axis in range(AXES - rank, AXES):
        set_outputs(desc, geometry, axis,
                    None if wanted is None else wanted[axis - AXES + rank])
    check_count(desc.function, "the result", desc.output_shape())
    return desc.output_shape()


cdef int set_windows(PoolDesc desc, Geometry geometry) except -1:
    """Kernel, stride and padding of each axis."""
    cdef pool_axis *a
    cdef int axis, rank = <int>desc.g.rank
    cdef Py_ssize_t kernel[AXES]
    cdef Py_ssize_t stride[AXES]
    cdef Py_ssize_t one[AXES]
    cdef Py_ssize_t before[AXES]
    cdef Py_ssize_t after[AXES]
    as_sizes(desc.function, "kernel_size", geometry.kernel_size, rank, 1, kernel)
    as_strides(desc.function, geometry.stride, rank, kernel, stride)
    if isinstance(geometry.padding, str):
        raise ValueError(
            f"{desc.function}: padding must be numbers here, because {shown(geometry.padding)} "
            f"depends on the size of the result"
        )
    as_sizes(desc.function, "dilation", 1, rank, 1, one)
    as_padding(desc.function, geometry.padding, rank, one, kernel, stride, one, before, after)
    for axis in range(AXES - rank, AXES):
        a = &desc.g.axis[axis]
        a.kernel, a.stride = kernel[axis], stride[axis]
        a.before, a.after = before[axis], after[axis]
    return 0


cdef tuple wanted_sizes(PoolDesc desc, Geometry geometry):
    """The spatial part of output_size, which may have all axes; None where it is not given."""
    cdef Py_ssize_t rank = desc.g.rank, n
    cdef tuple shape
    if geometry.output_size is None:
        return None
    shape = as_shape(desc.function, "output_size", geometry.output_size)
    n = len(shape)
    if n == rank:
        return shape
    if n != len(desc.input_shape()):
        raise ValueError(
            f"{desc.function}: output_size={shown(geometry.output_size)} has {n} entries, but "
            f"needs "
            f"{rank}, or one for each axis of x"
        )
    return shape[n - rank - 1:n - 1] if desc.g.channels_last else shape[n - rank:]


cdef int set_outputs(PoolDesc desc, Geometry geometry, int axis, wanted) except -1:
    """The length of one axis of the result."""
    cdef pool_axis *a = &desc.g.axis[axis]
    cdef str function = desc.function
    cdef Py_ssize_t least, most, size = a.length
    if size == 0:
        raise ValueError(f"{function}: axis {axis - AXES - desc.g.channels_last} of x has length 0")
    if a.before >= a.kernel or a.after >= a.kernel:
        raise ValueError(
            f"{function}: padding ({a.before}, {a.after}) must be less than the window's length "
            f"{a.kernel}"
        )
    if mul_overflows(size - 1, a.stride, &size) or (
            add_overflows(size, a.kernel, &size) or size >= LONGEST_SPAN):
        raise ValueError(
            f"{function}: the windows of axis {axis - AXES - desc.g.channels_last} (kernel_size "
            f"{a.kernel}, stride {a.stride}) span too many elements"
        )
    size -= a.before + a.after
    if wanted is not None:
        least, most = size - a.stride, size + a.stride
        if not least < wanted < most:
            raise ValueError(
                f"{function}: output_size={shown(geometry.output_size)} cannot be what was pooled: "
                f"axis {axis - AXES - desc.g.channels_last} must be greater than {max(least, 0)} "
                f"and less "
                f"than {most}"
            )
        size = wanted
    if size < 1:
        raise ValueError(
            f"{function}: axis {axis - AXES - desc.g.channels_last} of the result would have "
            f"length {size}")
    a.outputs = size
    return 0
