"""Filters along one axis: FIR filters, resampling, smoothing."""
import math
import operator
from functools import lru_cache

import numpy as np

from fastconv._signal import sums
from fastconv._signal.arguments import (
    FLOATS,
    HANDED_ON,
    INTEGERS,
    all_finite,
    axis_of,
    plain,
    scipy_signal,
)
from fastconv._signal.polyphase import upfirdn
from fastconv.ndimage import convolve1d

# What savgol_filter takes for what is beyond the ends.
BEYOND = ("interp", "constant", "mirror", "nearest", "wrap")


def lfilter(b, a, x, axis, zi, how):
    """`scipy.signal.lfilter` for a denominator of one coefficient."""
    arrays = [plain(value) for value in ((b, a, x) if zi is None else (b, a, x, zi))]
    if any(array is None for array in arrays):
        return HANDED_ON
    dtype = np.result_type(*arrays)
    b, a, x = np.atleast_1d(arrays[0]), np.atleast_1d(arrays[1]), arrays[2]
    axis = axis_of(axis, x.ndim) if x.ndim and x.size else None
    if axis is None or dtype.char not in FLOATS or b.ndim != 1 or b.size == 0 or a.shape != (1,):
        return HANDED_ON
    real = np.float32 if dtype.char in "fF" else np.float64
    with np.errstate(all="ignore"):
        b = np.true_divide(*(c.astype(dtype if "c" in (a.dtype.kind, b.dtype.kind) else real)
                             for c in (b, a)))
    if not all_finite(b):
        return HANDED_ON
    x = x.astype(dtype if x.dtype.kind == "c" else real, copy=False)
    taps, length = b.size, x.shape[axis]
    along = [1] * x.ndim
    along[axis] = taps
    padding = [(0, 0)] * x.ndim
    padding[axis] = (taps - 1, 0 if zi is None else taps - 1)
    if zi is not None:
        zi = arrays[3]
        if zi.shape != (*x.shape[:axis], taps - 1, *x.shape[axis + 1:]):
            return HANDED_ON
    if not how.asked:
        x, b = sums.in_double(x, b)
    full = sums.correlated(x, b.reshape(along), padding, how, flip=True)
    if full is HANDED_ON or (dtype.kind == "c" and not all_finite(full)):
        return HANDED_ON
    full = full.astype(dtype, copy=False)
    if zi is None:
        return full
    before = (slice(None),) * axis
    full[(*before, slice(taps - 1))] += zi
    return full[(*before, slice(length))], full[(*before, slice(length, None))]


def resample_poly(x, up, down, axis, window, padtype, cval, how):
    """`scipy.signal.resample_poly`."""
    x = plain(x)
    axis = axis_of(axis, x.ndim) if x is not None and x.size else None
    if axis is None or not _is_rate(up) or not _is_rate(down) or type(padtype) is not str or (
            cval is not None and padtype != "constant"):
        return HANDED_ON
    common = math.gcd(int(up), int(down))
    up, down = int(up) // common, int(down) // common
    if up == down == 1:
        return HANDED_ON
    h = _lowpass(x, up, down, window)
    if h is None:
        return HANDED_ON
    half = (h.size - 1) // 2
    h *= up
    zeros = down - half % down
    first = (half + zeros) // down
    count = -(-x.shape[axis] * up // down)
    needed = (count + first - 1) * down + 1 - (x.shape[axis] - 1) * up
    h = np.concatenate([np.zeros(zeros, h.dtype), h,
                        np.zeros(max(0, needed - h.size - zeros), h.dtype)])
    mode, background = "constant", None
    if padtype in _BACKGROUNDS:
        background = _BACKGROUNDS[padtype](x, axis=axis, keepdims=True)
        x = x - background
    else:
        mode = padtype
    result = upfirdn(h, x, up, down, axis, mode, 0 if cval is None else cval, how, first, count)
    if background is not None and result is not HANDED_ON:
        result += background
    return result


_BACKGROUNDS = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}


def _is_rate(rate):
    return isinstance(rate, (int, float, np.integer, np.floating)) and (
        1 <= rate < 2**31 and rate == int(rate))


def _lowpass(x, up, down, window):
    """The filter, a copy; or None."""
    if isinstance(window, (list, np.ndarray)):
        h = plain(window)
        return None if h is None or h.ndim != 1 or h.size == 0 else h.copy()
    if not isinstance(window, (str, tuple)):
        return None
    rate = max(up, down)
    try:
        h = _firwin(20 * rate + 1, rate, window)
    except TypeError:  # a window that cannot be kept
        h = scipy_signal().firwin(20 * rate + 1, 1 / rate, window=window)
    return h.astype(x.dtype if x.dtype.kind in "fc" else np.float64)


@lru_cache(maxsize=64)
def _firwin(taps, rate, window):
    return scipy_signal().firwin(taps, 1 / rate, window=window)


def decimate(x, q, n, ftype, axis, zero_phase, how):
    """`scipy.signal.decimate` with a FIR filter."""
    x = plain(x)
    axis = axis_of(axis, x.ndim) if x is not None and x.size else None
    try:
        q, n = operator.index(q), None if n is None else operator.index(n)
    except TypeError:
        return HANDED_ON
    if axis is None or q < 1 or (n is not None and n < 0):
        return HANDED_ON
    h = _decimator(x, q, n, ftype)
    if h is None:
        return HANDED_ON
    if zero_phase:
        return resample_poly(x, 1, q, axis, h, "constant", None, how)
    count = -(-x.shape[axis] // q)
    return upfirdn(h, x, 1, q, axis, "constant", 0, how, 0, count)


def _decimator(x, q, n, ftype):
    """The filter, or None where it is not FIR."""
    if type(ftype) is str:
        if ftype != "fir":
            return None
        taps = (20 * q if n is None else n) + 1
        return _firwin(taps, q, "hamming").astype(x.dtype if x.dtype.kind in "fc" else np.float64)
    if not isinstance(ftype, scipy_signal().dlti) or ftype.to_zpk().poles.size:
        return None
    system = ftype.to_tf()
    return np.asarray(system.num / system.den)


def savgol_filter(x, window_length, polyorder, deriv, delta, axis, mode, cval, how):
    """`scipy.signal.savgol_filter`."""
    x = plain(x, "fd" + INTEGERS)
    axis = axis_of(axis, x.ndim) if x is not None and x.size else None
    if axis is None or type(mode) is not str or mode not in BEYOND or not (
            type(window_length) is type(polyorder) is type(deriv) is int) or (
            type(delta) not in (int, float) or window_length < 1):
        return HANDED_ON
    if mode == "interp" and window_length > x.shape[axis]:
        return HANDED_ON
    if x.dtype not in (np.float32, np.float64):  # in the machine's byte order
        x = x.astype(np.float64)
    polynomials = (window_length, polyorder, deriv, float(delta))
    ends = None
    if mode == "interp":
        ends = _ends(x, axis, *polynomials)
        if ends is None:
            return HANDED_ON
        mode = "constant"
    y = convolve1d(x, _coefficients(*polynomials), axis=axis, mode=mode, cval=cval,
                   **how._asdict())
    if ends is not None:
        along = np.moveaxis(y, axis, 0)
        half = window_length // 2
        along[:half], along[along.shape[0] - half:] = ends
    return y


LONGEST_FIT = 101  # of windows whose fits are kept: their size grows with the square, time the cube


def _ends(x, axis, window_length, polyorder, deriv, delta):
    """The first and last elements: of polynomials fitted to the first and last window."""
    lines = np.moveaxis(x, axis, 0)
    windows = lines[:window_length], lines[-window_length:]
    if not all(map(all_finite, windows)):
        return None
    if window_length > LONGEST_FIT:
        half = window_length // 2
        first, last = (scipy_signal().savgol_filter(window, window_length, polyorder, deriv, delta,
                                                    axis=0) for window in windows)
        return [first[:half], last[window_length - half:]]
    fits = _fits(window_length, polyorder, deriv, delta)
    return [np.tensordot(fit, window, 1) for fit, window in zip(fits, windows)]


@lru_cache(maxsize=64)
def _coefficients(window_length, polyorder, deriv, delta):
    return scipy_signal().savgol_coeffs(window_length, polyorder, deriv=deriv, delta=delta)


@lru_cache(maxsize=64)
def _fits(window_length, polyorder, deriv, delta):
    """What makes ends of a window: fits are linear, so that SciPy's of unit vectors tell all."""
    half = window_length // 2
    fits = scipy_signal().savgol_filter(np.eye(window_length), window_length, polyorder, deriv,
                                        delta, axis=0)
    return fits[:half].copy(), fits[window_length - half:].copy()
