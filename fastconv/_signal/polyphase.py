"""Upsampling, filtering and downsampling in one: only what is kept is computed.

Output n is the sum of ``h[p + j*up] * x[i - j]`` over j, with ``i, p = divmod(n*down, up)``: each
output belongs to a *phase* p of the filter. The phases come back after ``up / gcd(up, down)``
outputs, and meanwhile i has grown by ``down / gcd(up, down)``. So a *period* of outputs, one or
more rounds of the phases, is the product of a matrix of filters with a window of the line; windows
lie a constant stride apart, and are the channels of a convolution with kernels of one tap. They are
a view: nothing is copied, and results come in their order.
"""
import math

import numpy as np

from fastconv._signal.arguments import FLOATS, HANDED_ON, all_finite, axis_of, is_small, plain
from fastconv.conv import conv1d

MODES = ("constant", "symmetric", "reflect", "edge", "wrap", "smooth", "line", "antisymmetric",
         "antireflect")
NEED_TWO = ("reflect", "smooth", "antireflect")  # elements, to go on from

# Filters that a kernel has in its registers at once, by the size of an element in bytes; and how
# many are computed in one call at most. Their windows lie side by side, and together are no more
# than twice as long as one.
TOGETHER, MOST = {4: 16, 8: 8}, 32
PIECE = 1 << 18     # elements of a line that all filters go over before the next: 2 MiB at most
BESIDE = 8          # lines side by side from which on they fill vectors
WORTH_A_CALL = 1 << 16  # products from which on a call of its own costs little


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
    up, down = _rate(up), _rate(down)
    if axis is None or up is None or down is None:
        return HANDED_ON
    length = x.shape[axis]
    total = ((length - 1) * up + h.size - 1) // down + 1
    if count is None:
        count = total
        if is_small("upfirdn", x.size // length * total * -(-h.size // up)):
            return HANDED_ON
    dtype = np.result_type(h, x, np.float32)
    if dtype.char not in FLOATS or not all_finite(h):
        return HANDED_ON
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
    if not all_finite(x if x.size < result.size else result):
        return HANDED_ON  # SciPy's sums see fewer zeros
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
    """(lines before, elements of a line, lines beside), of which windows can be views."""
    if not x.flags.aligned:
        x = x.copy()
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1:]))


# ---- periods ----

def _outputs(h, x, before, up, down, first, count, how):
    """Outputs of lines that have so many elements before the first; beyond both ends are zeros."""
    lines, _, beside = x.shape
    if beside > 1 and (beside < BESIDE or (
            lines > 1 and count * beside * -(-h.size // up) < WORTH_A_CALL)):
        x = np.ascontiguousarray(x.transpose(0, 2, 1)).reshape(lines * beside, -1, 1)
        result = _outputs(h, x, before, up, down, first, count, how)
        return result.reshape(lines, beside, count).transpose(0, 2, 1)
    common = math.gcd(up, down)
    phases, stride = up // common, down // common
    rounds = _rounds(h, up, phases, stride)
    period, stride = phases * rounds, stride * rounds
    periods = -(-count // period)
    out = np.empty((lines, periods, period, beside), np.result_type(h, x))
    most = max(1, min(MOST, -(-h.size // down)))
    parts = [(q, *_filters(h, up, down, first + q, min(most, period - q)))
             for q in range(0, min(period, count), most)]
    piece = max(1, PIECE // stride) if len(parts) > 1 else periods
    for t in range(0, periods, piece):
        for q, filters, start in parts:
            _windowed(x, filters, before + start + t * stride, stride,
                      out[:, t:t + piece, q:q + most], how)
    return out.reshape(lines, periods * period, beside)[:, :count]


def _rounds(h, up, phases, stride):
    """How often the phases come in a period: what costs the fewest products for an output."""
    taps, together = -(-h.size // up), TOGETHER[h.real.itemsize]

    def products(rounds):
        period = phases * rounds
        window = taps + (period - 1) * stride // phases
        return -(-period // together) * together * window / period

    return min(range(1, max(1, MOST // phases) + 1), key=products)


def _filters(h, up, down, first, count):
    """The filters (count, taps) of outputs from `first` on, over windows that begin together.

    The second result says where these begin in the line, for the first period.
    """
    taps = -(-h.size // up)
    padded = np.zeros(taps * up + 1, h.dtype)  # of which the last stands for all beyond the taps
    padded[:h.size] = h
    i, p = divmod((first + np.arange(count, dtype=np.int64)) * down, up)
    start = int(i[0]) - (taps - 1)
    j = i[:, None] - (start + np.arange(taps + int(i[-1] - i[0])))
    within = (j >= 0) & (j < taps)
    return padded[np.where(within, p[:, None] + j * up, taps * up)], start


def _windowed(x, filters, start, stride, out, how):
    """out (lines, periods, filters, beside) = filters times windows, beyond the ends zeros."""
    taps, length, periods = filters.shape[1], x.shape[1], out.shape[1]
    inner = max(0, min(periods, -(start // stride)))
    outer = max(inner, min(periods, (length - taps - start) // stride + 1))
    if x.size < WORTH_A_CALL:  # one copy with zeros costs less than two calls
        inner = outer = 0
    for begin, end in ((0, inner), (inner, outer), (outer, periods)):
        if begin < end:
            at = start + begin * stride
            part = _with_zeros(x, at, at + (end - begin - 1) * stride + taps)
            _products(part, filters, stride, out[:, begin:end], how)


def _with_zeros(x, begin, end):
    """A part of lines, and zeros beyond their ends."""
    length = x.shape[1]
    if begin >= 0 and end <= length:
        return x[:, begin:end]
    part = np.zeros((x.shape[0], end - begin, x.shape[2]), x.dtype)
    inside = slice(max(0, begin), max(0, min(end, length)))
    values = x[:, inside]
    part[:, inside.start - begin:inside.start - begin + values.shape[1]] = values
    return part


def _products(x, filters, stride, out, how):
    """The same where all windows lie within the lines."""
    lines, _, beside = x.shape
    taps = filters.shape[1]
    weight = filters[:, :, None]
    options = {"precision": how.sums, "num_threads": how.num_threads}
    windows = np.lib.stride_tricks.as_strided(
        x, (lines, out.shape[1], taps, beside),
        (x.strides[0], stride * x.strides[1], x.strides[1], x.strides[2]), writeable=False)
    if beside == 1:
        conv1d(windows[..., 0], weight, data_format="channels_last", out=out[..., 0], **options)
    else:
        for line, result in zip(windows, out):
            conv1d(line, weight, out=result, **options)


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
