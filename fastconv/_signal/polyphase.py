"""Upsampling, filtering and downsampling in one: only what is kept is computed.

Output n is the sum of ``h[p + j*up] * x[i - j]`` over j, with ``i, p = divmod(n*down, up)``: each
output belongs to a *phase* p of the filter. The phases come back after ``up / gcd(up, down)``
outputs, and meanwhile i has grown by ``down / gcd(up, down)``, so that each is a convolution with
that stride. They are computed one by one, or together as a bank of filters.
"""
import math

import numpy as np

from fastconv._signal.arguments import FLOATS, HANDED_ON, all_finite, axis_of, plain
from fastconv.conv import conv1d, conv2d

MODES = ("constant", "symmetric", "reflect", "edge", "wrap", "smooth", "line", "antisymmetric",
         "antireflect")
NEED_TWO = ("reflect", "smooth", "antireflect")  # elements, to go on from

# Strides up to here are computed phase by phase: those that are left out cost less than the zeros
# of a bank.
SMALL_STRIDE = 2
# Filters of a bank: at least as many as fill a vector, and few enough that their windows, which lie
# side by side, are about as long as one filter.
FEWEST, MOST = 8, 32


def upfirdn(h, x, up, down, axis, mode, cval, how, first=0, count=None):
    """`scipy.signal.upfirdn`; or `count` of its outputs, from the `first` on."""
    h, x = plain(h), plain(x)
    if h is None or x is None or h.ndim != 1 or h.size == 0:
        return HANDED_ON
    axis = axis_of(axis, x.ndim)
    if axis is not None and type(mode) is str:
        _check_length(x.shape[axis], mode.lower())
    if x.size == 0:
        return HANDED_ON
    dtype = np.result_type(h, x, np.float32)
    up, down = _rate(up), _rate(down)
    if axis is None or up is None or down is None or dtype.char not in FLOATS or (
            not all_finite(h)):
        return HANDED_ON
    length = x.shape[axis]
    total = ((length - 1) * up + h.size - 1) // down + 1
    if count is None:
        count = total - first
    mode = _mode(mode, cval, length, dtype)
    if mode is None or first + count > total:
        return HANDED_ON
    real = np.float32 if dtype.char in "fF" else np.float64
    h = h.astype(dtype if h.dtype.kind == "c" else real, copy=False)
    x = x.astype(dtype if x.dtype.kind == "c" else real, copy=False)
    lines = _as_lines(x, axis)
    before = 0
    if mode != "zeros":
        before = -(-h.size // up) - 1
        lines = _extended(lines, before, mode, cval)
    result = _outputs(h, lines, before, up, down, first, count, how)
    # SciPy's sums see fewer zeros
    if not all_finite(result):
        return HANDED_ON
    return result.reshape((*x.shape[:axis], count, *x.shape[axis + 1:]))


def _rate(rate):
    """A factor as SciPy reads it, or None."""
    if not isinstance(rate, (int, float, np.integer, np.floating)) or not 1 <= rate < 2**31:
        return None
    return int(rate)


def _mode(mode, cval, length, dtype):
    """One of `MODES`, or "zeros", or None."""
    if type(mode) is not str or mode.lower() not in MODES:
        return None
    mode = mode.lower()
    if mode == "constant":
        if not isinstance(cval, (int, float)) and not (
                isinstance(cval, complex) and dtype.kind == "c"):
            return None
        return "zeros" if cval == 0 else mode if np.isfinite(cval) else None
    return None if mode == "line" and length < 2 else mode


def _check_length(length, mode):
    """Refuse what SciPy divides by zero for, which ends the process, or reads past the end."""
    if length < (2 if mode in NEED_TWO else 1) and mode in MODES[1:]:
        raise ValueError(f"signal.upfirdn: mode={mode!r} needs more than {length} elements")


def _as_lines(x, axis):
    """(lines before, elements of a line, lines beside)."""
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1:]))


# ---- the phases ----

def _outputs(h, x, before, up, down, first, count, how):
    """Outputs of lines that have so many elements before the first; beyond both ends are zeros."""
    common = math.gcd(up, down)
    phases, stride = up // common, down // common
    out = np.empty((x.shape[0], count, x.shape[2]), np.result_type(h, x))
    if stride <= SMALL_STRIDE or phases == 1:
        for q in range(min(phases, count)):
            i, p = divmod((first + q) * down, up)
            taps = h[p::up] if p < h.size else h[:1] * 0
            part = out[:, q::phases]
            part[...] = _bank(taps[::-1, None], x, before + i - (taps.size - 1), stride,
                              part.shape[1], how)
        return out
    repeats = max(1, FEWEST // phases)
    period = phases * repeats
    periods = -(-count // period)
    full = out if periods * period == count else np.empty(
        (x.shape[0], periods * period, x.shape[2]), out.dtype)
    for q in range(0, period, MOST):
        filters, start = _filters(h, up, down, first + q, min(MOST, period - q))
        full.reshape(x.shape[0], periods, period, x.shape[2])[:, :, q:q + MOST] = _bank(
            filters, x, before + start, stride * repeats, periods, how).reshape(
                x.shape[0], periods, -1, x.shape[2])
    if full is not out:
        out[...] = full[:, :count]
    return out


def _filters(h, up, down, first, count):
    """The filters (taps, count) of outputs from `first` on, over windows that begin together.

    The second result says where these begin in the line, for the first period.
    """
    taps = -(-h.size // up)
    padded = np.zeros(taps * up + 1, h.dtype)  # of which the last stands for all beyond the taps
    padded[:h.size] = h
    i, p = divmod((first + np.arange(count, dtype=np.int64)) * down, up)
    start = int(i[0]) - (taps - 1)
    j = i[:, None] - (start + np.arange(taps + int(i[-1] - i[0])))
    within = (j >= 0) & (j < taps)
    return padded[np.where(within, p[:, None] + j * up, taps * up)].T, start


def _bank(filters, x, start, stride, count, how):
    """Correlate lines with filters (taps, K): (lines, count, K * lines beside).

    Windows begin at `start`, `start + stride`, …; beyond the ends are zeros.
    """
    taps, many = filters.shape
    stop = start + (count - 1) * stride + taps
    length = x.shape[1]
    x = x[:, max(0, min(start, length)):max(0, min(stop, length))]
    pad = (max(0, -start) if stop > 0 else stop - start, max(0, stop - max(length, start)))
    options = {"precision": how.sums, "num_threads": how.num_threads}
    if x.shape[1] == 0:
        return np.zeros((x.shape[0], count, many * x.shape[2]), np.result_type(filters, x))
    if x.shape[2] > 1:
        y = conv2d(x[:, None], filters.T[:, None, :, None], stride=(stride, 1),
                   padding=(pad, (0, 0)), **options)
        return y.transpose(0, 2, 1, 3).reshape(x.shape[0], count, -1)
    return conv1d(x, filters.T[:, None, :], stride=stride, padding=(pad,),
                  data_format="channels_last", **options) if many > 1 else conv1d(
        x.reshape(x.shape[0], 1, -1), filters.T[:, None, :], stride=stride, padding=(pad,),
        **options).reshape(x.shape[0], count, 1)


# ---- beyond the ends ----

def _extended(x, more, mode, cval):
    """Lines with so many elements more on both sides."""
    length = x.shape[1]
    left = _beyond(x, np.arange(-more, 0), mode, cval)
    right = _beyond(x, np.arange(length, length + more), mode, cval)
    return np.concatenate([left, x, right], axis=1).astype(np.result_type(x, left), copy=False)


def _beyond(x, at, mode, cval):
    """Elements at these places of lines that go on beyond their ends."""
    n = x.shape[1]
    if mode == "constant":
        dtype = x.dtype if not isinstance(cval, complex) else np.result_type(x, np.complex64)
        return np.full((x.shape[0], at.size, x.shape[2]), cval, dtype)
    if mode == "edge":
        return x[:, np.clip(at, 0, n - 1)]
    if mode == "wrap":
        return x[:, at % n]
    if mode in ("symmetric", "antisymmetric"):
        back = at % (2 * n)
        values = x[:, np.minimum(back, 2 * n - 1 - back)]
        if mode == "antisymmetric":
            values[:, back >= n] *= -1
        return values
    first, last = x[:, :1], x[:, -1:]
    column = at.astype(x.real.dtype)[:, None]
    if mode == "smooth":
        return np.where(column < 0, first + column * (x[:, 1:2] - first),
                        last + (column - (n - 1)) * (last - x[:, -2:-1]))
    if mode == "line":
        slope = (last - first) / x.real.dtype.type(n - 1)
        return np.where(column < 0, first + column * slope, last + (column - (n - 1)) * slope)
    back = at % (2 * (n - 1))
    values = x[:, np.minimum(back, 2 * (n - 1) - back)]
    if mode == "antireflect":
        values = np.where((back >= n)[:, None], last + (last - values), values)
        turns = (at // (2 * (n - 1))).astype(x.real.dtype)[:, None]
        values = values + turns * (2 * (last - first))
    return values
