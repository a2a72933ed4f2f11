"""Describe im2col and col2im: a convolution with one filter, and what it reads as columns."""
from fastconv._core.padding cimport AXES
from fastconv._desc.arguments cimport (
    as_channels_last, as_shape, as_sizes, axes_of, check_count, entries,
)
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry

from fastconv._core.messages import shown
from fastconv._desc.conv import describe_conv


def describe_columns(Geometry geometry, x_shape, Py_ssize_t itemsize):
    """Describe im2col and col2im: a convolution with one filter over these windows."""
    cdef str function = geometry.function
    cdef tuple xs = as_shape(function, geometry.x, x_shape)
    cdef Py_ssize_t kernel[AXES]
    size = entries(function, "kernel_size", geometry.kernel_size, "an integer or a sequence")
    if size is None:
        size = geometry.kernel_size
    cdef int rank = spatial_rank(size, len(xs))
    if not 1 <= rank <= AXES or not rank + 1 <= len(xs) <= rank + 2:
        raise ValueError(
            f"{function}: {geometry.x} of shape {xs} does not go with kernel_size={shown(size)}; "
            f"it needs a channel axis, {rank} spatial axes and perhaps a batch axis"
        )
    as_sizes(function, "kernel_size", size, rank, 1, kernel)
    last = as_channels_last(function, geometry.data_format)
    channels = xs[len(xs) - 1 if last else len(xs) - rank - 1]
    return describe_conv(geometry, xs, (1, channels) + axes_of(kernel, rank), itemsize)


cdef Py_ssize_t spatial_rank(kernel_size, Py_ssize_t axes) except -1:
    """Spatial axes of an array with `axes` axes that a window of kernel_size slides over.

    A sequence says it: it has an entry for each. An integer, and a sequence of one that goes
    with no array of signals, stands for an image with or without a batch axis where there are
    three or four axes, and else for what is left after a channel axis, and a batch axis.
    """
    if type(kernel_size) is tuple:
        if len(kernel_size) > 1 or (len(kernel_size) == 1 and axes == 3):
            return len(kernel_size)
    return 2 if axes == 3 else min(max(axes - 2, 1), AXES)


def columns_shape(ConvDesc desc):
    """(rows, positions) of the columns of one image."""
    cdef tuple kernel = axes_of(desc.g.kernel, <int>desc.g.rank)
    cdef tuple output = axes_of(desc.g.output, <int>desc.g.rank)
    cdef tuple shape = (check_count(desc.function, "a column", (desc.g.channels,) + kernel),
                        check_count(desc.function, "a row of columns", output))
    check_count(desc.function, "the columns", (desc.batch,) + shape)
    return shape
