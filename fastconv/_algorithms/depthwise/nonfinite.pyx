"""Infinite weights and NaN in the gradient of the data.

Zeros around grad_output do not matter to a sum, unless they meet such a weight. So these wait until
the sums are done, and are then added to the gradients of who met them.
"""
import numpy as np

from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry


def without_nonfinite(weight):
    """The weights with next to nothing in the place of what is not finite.

    It is of the right sign, so that an infinite gradient stays what it is.
    """
    tiny = np.copysign(np.finfo(weight.dtype).tiny, weight)
    return np.where(np.isfinite(weight), weight, tiny).astype(weight.dtype)


def add_nonfinite(ConvDesc desc, weight, grad, out):
    """Add the products of grad_output with weights that are not finite."""
    cdef Py_ssize_t out_channels = desc.g.channels // desc.g.groups
    cdef Py_ssize_t in_channels = desc.g.filters // desc.g.groups, c, o
    cdef int rank = <int>desc.g.rank
    grad = np.moveaxis(grad, -1, 1) if desc.g.channels_last else grad
    out = np.moveaxis(out, -1, 1) if desc.g.channels_last else out
    if desc.g.flip:
        weight = np.flip(weight, tuple(range(2, rank + 2)))
    with np.errstate(all="ignore"):
        for tap in np.ndindex(*desc.weight_shape()[2:]):
            reads, writes = ranges_of_tap(desc, tap)
            nonfinite = ~np.isfinite(weight[(...,) + tap])  # (filters, channels of a group)
            for c in range(in_channels):
                for o in range(out_channels):
                    groups = np.flatnonzero(nonfinite[c::in_channels, o])
                    if groups.size:
                        w = weight[(c + groups * in_channels, o) + tap]
                        out[(slice(None), groups * out_channels + o) + writes] += (
                            w.reshape((-1,) + (1,) * rank)
                            * grad[(slice(None), groups * in_channels + c) + reads])


cdef tuple ranges_of_tap(ConvDesc desc, tuple tap):
    """What a tap reads of grad_output, and where that is added to the gradient: slices of axes."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t low, high, first, at, i
    cdef int a
    reads, writes = (), ()
    for i in range(g.rank):
        a = <int>(AXES - g.rank + i)
        # outputs whose tap lies inside the input
        low = <Py_ssize_t>tap[i] * g.dilation[a] - g.before[a]
        high = min(g.output[a], (g.input[a] - 1 - low) // g.stride[a] + 1)
        if g.input[a] - 1 < low:
            high = 0
        first = (-low + g.stride[a] - 1) // g.stride[a] if low < 0 else 0
        high = max(high, first)
        reads += (slice(first, high),)
        at = low + first * g.stride[a]
        writes += (slice(at, at + (high - first) * g.stride[a], g.stride[a]),)
    return reads, writes
