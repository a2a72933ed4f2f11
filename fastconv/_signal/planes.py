"""Images: convolutions of two axes with a boundary, and separable ones."""
import numpy as np

from fastconv._signal import sums
from fastconv._signal.arguments import (
    FLOATS,
    HANDED_ON,
    all_finite,
    is_mode,
    is_small,
    plain,
    region,
    reversed_view,
    swapped,
)

# SciPy's names of boundaries, and ours.
BOUNDARIES = {"fill": "zeros", "pad": "zeros", "wrap": "circular", "circular": "circular",
              "symm": "symmetric", "symmetric": "symmetric"}


def convolve2d(in1, in2, mode, boundary, fillvalue, how):
    """`scipy.signal.convolve2d`."""
    a, b, _swap = _operands("convolve2d", in1, in2, mode, boundary)
    if a is None:
        return HANDED_ON
    regions = [region(mode, n, k) for n, k in zip(a.shape, b.shape)]
    return _bounded(a, b, regions, boundary, fillvalue, how)


def correlate2d(in1, in2, mode, boundary, fillvalue, how):
    """`scipy.signal.correlate2d`."""
    a, b, swap = _operands("correlate2d", in1, in2, mode, boundary)
    if a is None:
        return HANDED_ON
    regions = [region(mode, n, k) for n, k in zip(a.shape, b.shape)]
    if mode == "same":  # the other of two middles from that of `correlate`
        regions = [(k // 2, n) for n, k in zip(a.shape, b.shape)]
    result = _bounded(a, reversed_view(b), regions, boundary, fillvalue, how)
    return result[::-1, ::-1] if swap and result is not HANDED_ON else result


def _operands(function, in1, in2, mode, boundary):
    """Two images, the larger first if the mode wants that, and whether they changed places."""
    a, b = plain(in1), plain(in2)
    if a is None or b is None or not a.ndim == b.ndim == 2 or not is_mode(mode) or (
            type(boundary) is not str or boundary not in BOUNDARIES):
        return None, None, None
    swap = swapped(mode, a.shape, b.shape, (0, 1))
    if swap is None:
        return None, None, None
    if swap:
        a, b = b, a
    if a.size == 0 and b.size and BOUNDARIES[boundary] != "zeros":
        # SciPy divides by zero, which ends the process
        raise ValueError(f"signal.{function}: boundary={boundary!r} of an image without pixels")
    if is_small(function, a.size * b.size):
        return None, None, None
    return (a, b, swap) if a.size and b.size else (None, None, None)


def _bounded(a, b, regions, boundary, fillvalue, how):
    """A part of the full convolution of an image that goes on beyond its edges."""
    padding_mode = BOUNDARIES[boundary]
    if padding_mode == "zeros" and not (type(fillvalue) is int and fillvalue == 0):
        fillvalue = _as_number(fillvalue, np.result_type(a, b))
        if fillvalue is None:
            return HANDED_ON
        if fillvalue != 0:
            return _filled(a, b, regions, fillvalue, how)
    elif all(part == region("valid", n, k) for part, n, k in zip(regions, a.shape, b.shape)):
        padding_mode = "zeros"  # there is none
    return sums.convolved(a, b, regions, how, padding_mode)


def _filled(a, b, regions, fillvalue, how):
    """The same with a number beyond the edges."""
    pads = [(k - 1 - first, first + count - n)
            for (first, count), n, k in zip(regions, a.shape, b.shape)]
    a = np.pad(a.astype(np.result_type(a, b), copy=False), pads, constant_values=fillvalue)
    return sums.convolved(a, b, [(k - 1, count) for k, (_, count) in zip(b.shape, regions)], how)


def _as_number(fillvalue, dtype):
    """What an image of that dtype is filled with, or None."""
    if type(fillvalue) is int:
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= fillvalue <= np.iinfo(dtype).max:
            return None
    elif not (type(fillvalue) is float and dtype.kind in "fc") and not (
            type(fillvalue) is complex and dtype.kind == "c"):
        return None
    try:
        return fillvalue if np.isfinite(dtype.type(fillvalue)) else None
    except OverflowError:
        return None


def sepfir2d(image, hrow, hcol, how):
    """`scipy.signal.sepfir2d`."""
    image, rows, columns = plain(image), plain(hrow), plain(hcol)
    if image is None or rows is None or columns is None or image.ndim != 2 or image.size == 0:
        return HANDED_ON
    if is_small("sepfir2d", image.size * (rows.size + columns.size)):
        return HANDED_ON
    dtype = np.result_type(image, np.float32)
    if dtype.char not in FLOATS or any(
            type(given) is not np.ndarray or h.ndim != 1 or h.size % 2 == 0
            or not np.can_cast(h.dtype, dtype, "safe") or not all_finite(h)
            for given, h in ((hrow, rows), (hcol, columns))):
        return HANDED_ON
    result = image.astype(dtype, copy=False)
    for h in (rows.astype(dtype)[None, :], columns.astype(dtype)[:, None]):
        half = h.size // 2
        padding = [(half, half) if k > 1 else (0, 0) for k in h.shape]
        result = sums.correlated(result, h, padding, how, flip=True, padding_mode="symmetric")
    return result if dtype.kind == "f" or all_finite(result) else HANDED_ON
