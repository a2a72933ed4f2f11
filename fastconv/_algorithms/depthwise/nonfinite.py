"""Infinite weights and NaN in the gradient of the data.

Zeros around grad_output do not matter to a sum, unless they meet such a weight. So these wait until
the sums are done, and are then added to the gradients of who met them.
"""
import numpy as np


def without_nonfinite(weight):
    """The weights with next to nothing in the place of what is not finite.

    It is of the right sign, so that an infinite gradient stays what it is.
    """
    tiny = np.copysign(np.finfo(weight.dtype).tiny, weight)
    return np.where(np.isfinite(weight), weight, tiny).astype(weight.dtype)


def add_nonfinite(desc, weight, grad, out):
    """Add the products of grad_output with weights that are not finite."""
    g = desc.geometry
    in_channels, out_channels = g["filters"] // g["groups"], g["channels"] // g["groups"]
    last = g["channels_last"]
    grad = np.moveaxis(grad, -1, 1) if last else grad
    out = np.moveaxis(out, -1, 1) if last else out
    if g["flip"]:
        weight = np.flip(weight, tuple(range(2, weight.ndim)))
    with np.errstate(all="ignore"):
        for tap in np.ndindex(*weight.shape[2:]):
            reads, writes = ranges_of_tap(g, tap)
            nonfinite = ~np.isfinite(weight[(..., *tap)])  # (filters, channels of a group)
            for c in range(in_channels):
                for o in range(out_channels):
                    groups = np.flatnonzero(nonfinite[c::in_channels, o])
                    if groups.size:
                        w = weight[(c + groups * in_channels, o, *tap)]
                        out[(slice(None), groups * out_channels + o, *writes)] += (
                            w.reshape(-1, *(1 for _ in tap))
                            * grad[(slice(None), groups * in_channels + c, *reads)])


def ranges_of_tap(g, tap):
    """What a tap reads of grad_output, and where that is added to the gradient: slices of axes."""
    reads, writes = (), ()
    for t, length, outputs, stride, dilation, before in zip(
            tap, *(g[name][-len(tap):]
                   for name in ("input", "output", "stride", "dilation", "before")), strict=True):
        # outputs whose tap lies inside the input
        low = t * dilation - before
        first = max(-(low // stride), 0)
        end = max(min(outputs, (length - 1 - low) // stride + 1), first)
        reads += (slice(first, end),)
        at = low + first * stride
        writes += (slice(at, at + (end - first) * stride, stride),)
    return reads, writes
