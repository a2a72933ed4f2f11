"""Describe a depthwise-separable convolution, by the two convolutions that it is made of."""
from fastconv._desc.arguments cimport as_shape
from fastconv._desc.conv cimport ConvDesc, begin_conv, channel_axis
from fastconv._desc.geometry cimport Geometry

from fastconv._desc import hints
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry as make_geometry

DEPTHWISE, POINTWISE = "depthwise_weight", "pointwise_weight"


cdef class SeparableDesc:
    """One depthwise-separable convolution: its steps."""


def describe_separable(Geometry geometry, x_shape, depthwise_shape, pointwise_shape,
                       Py_ssize_t itemsize, activation=None, bint exact=False):
    """Describe a separable convolution of arrays of these shapes.

    `geometry` is that of the depthwise step. A step without channels has no groups either.
    """
    cdef SeparableDesc separable = SeparableDesc.__new__(SeparableDesc)
    cdef str function = geometry.function
    cdef tuple xs = as_shape(function, "x", x_shape)
    cdef tuple ds = as_shape(function, DEPTHWISE, depthwise_shape)
    cdef tuple ps = as_shape(function, POINTWISE, pointwise_shape)
    cdef ConvDesc begun = begin_conv(geometry, xs, ds, "channels * m, 1", itemsize, exact)
    cdef Py_ssize_t channels = xs[channel_axis(begun, xs)]
    check_depthwise(function, xs, ds, channels, begun.g.channels_last)
    check_pointwise(function, ds, ps)
    geometry = geometry.padded_with(geometry.padding, geometry.padding_mode,
                                    geometry.padding_value)
    geometry.groups = max(channels, 1)
    if channels == 0:
        ds = (0, 0) + ds[2:]
    separable.depthwise = describe_conv(geometry, xs, ds, itemsize, None, exact)
    separable.pointwise = describe_conv(
        make_geometry(function, len(ds) - 2, data_format=geometry.data_format,
                      x="the depthwise result", weight=POINTWISE),
        separable.depthwise.output_shape(begun.batch), ps, itemsize, activation, exact)
    return separable


cdef int check_depthwise(str function, tuple xs, tuple ds, Py_ssize_t channels,
                         bint last) except -1:
    """Every channel has the same number of filters, which read it alone."""
    if ds[1] != 1:
        raise ValueError(
            f"{function}: {DEPTHWISE} of shape {ds} has filters of {ds[1]} channels, but each "
            f"reads one: its shape is (channels * m, 1, *kernel)"
            f"{hints.of_depthwise(DEPTHWISE, ds, channels)}"
        )
    if ds[0] % channels if channels else ds[0]:
        raise ValueError(
            f"{function}: {DEPTHWISE} of shape {ds} has {ds[0]} filters, but x has {channels} "
            f"channels (shape {xs}), each of which needs as many: m * {channels}"
            f"{hints.of_depthwise_channels(xs, ds, last)}"
        )
    if channels and ds[0] == 0:
        raise ValueError(
            f"{function}: {DEPTHWISE} of shape {ds} has no filters, but x has {channels} "
            f"channels, each of which needs at least one"
        )
    return 0


cdef int check_pointwise(str function, tuple ds, tuple ps) except -1:
    """It combines what the depthwise step makes, at one place."""
    cdef tuple ones = (1,) * (len(ds) - 2)
    if len(ps) == len(ds) and ps[1] == ds[0] and ps[2:] == ones:
        return 0
    wanted = ", ".join(map(str, ("filters", ds[0], *ones)))
    raise ValueError(
        f"{function}: {POINTWISE} has shape {ps}, but must be ({wanted}): a number for each of "
        f"the {ds[0]} channels that {DEPTHWISE} of shape {ds} gives"
        f"{hints.of_pointwise(POINTWISE, ps, ds)}"
    )
