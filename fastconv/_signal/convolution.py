"""Convolutions and correlations of arrays with any number of axes."""
import operator
import time

import numpy as np

from fastconv._signal import choice, sums
from fastconv._signal.arguments import (
    FLOATS,
    HANDED_ON,
    INTEGERS,
    all_finite,
    is_mode,
    is_small,
    plain,
    region,
    reversed_view,
    scipy_signal,
    swapped,
)

METHODS = ("auto", "direct", "fft")


def convolve(in1, in2, mode, method, how, turned=False):
    """`scipy.signal.convolve`; of `in2` turned round it is `scipy.signal.correlate`."""
    a, b = plain(in1), plain(in2)
    if a is None or b is None or not _fit(a, b, mode) or (
            type(method) is not str or method not in METHODS):
        return HANDED_ON
    swap = swapped(mode, a.shape, b.shape, range(a.ndim))
    if swap is None:
        return HANDED_ON
    if turned:
        b = reversed_view(b)
    if swap:
        a, b = b, a
    return _by_method(a, b, mode, method, how)


def correlate(in1, in2, mode, method, how):
    """`scipy.signal.correlate`."""
    return convolve(in1, in2, mode, method, how, turned=True)


def _by_method(a, b, mode, method, how):
    if method == "auto":
        if _has_no_largest(a, b):
            return HANDED_ON
        method = "fft" if _takes_transforms(a, b, mode) else "direct"
    regions = [region(mode, n, k) for n, k in zip(a.shape, b.shape)]
    if method == "direct":
        return sums.convolved(a, b, regions, how)
    dtype = np.result_type(a, b)
    if dtype.char not in FLOATS + INTEGERS:
        return HANDED_ON
    result = _by_transforms(a, b, range(a.ndim), regions, how)
    if result is HANDED_ON or not np.isfinite(result.flat[0]):  # which SciPy warns about
        return HANDED_ON
    if dtype.kind in "iu":
        result = np.rint(result, out=result)
    return result.astype(dtype, copy=False)


def _by_transforms(a, b, axes, regions, how):
    if not (all_finite(a) and all_finite(b)):  # which SciPy's spread all over the result
        return HANDED_ON
    from fastconv._signal import fourier  # which loads SciPy's transforms

    return fourier.convolved(a, b, list(axes), regions, how)


def _fit(a, b, mode):
    return a.ndim == b.ndim > 0 and a.size > 0 and b.size > 0 and is_mode(mode)


def _has_no_largest(a, b):
    """Whether SciPy will not find the largest element, because only one has integers alone."""
    return (a.dtype.kind in "iu") != (b.dtype.kind in "iu") and not (
        all_finite(a) and all_finite(b))


def _takes_transforms(a, b, mode):
    """Whether both SciPy, for the sake of precision, and our own estimates choose transforms."""
    return choice.prefers_transforms(a, b, mode) and (
        scipy_signal().choose_conv_method(a, b, mode=mode) == "fft")


def choose_conv_method(in1, in2, mode, measure, how):
    """`scipy.signal.choose_conv_method`."""
    a, b = plain(in1), plain(in2)
    if a is None or b is None or not _fit(a, b, mode) or type(measure) is not bool or (
            swapped(mode, a.shape, b.shape, range(a.ndim)) is None):
        return HANDED_ON
    if not measure:
        if _has_no_largest(a, b):
            return HANDED_ON
        return "fft" if _takes_transforms(a, b, mode) else "direct"
    times = {}
    for method in ("fft", "direct"):
        if convolve(a, b, mode, method, how) is HANDED_ON:
            return HANDED_ON
        times[method] = _seconds(lambda: convolve(a, b, mode, method, how))  # noqa: B023
    return min(times, key=times.get), times


def _seconds(run):
    """The least time of a few runs."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        if best > 0.1:
            break
    return best


def fftconvolve(in1, in2, mode, axes, how):
    """`scipy.signal.fftconvolve`, and `scipy.signal.oaconvolve`."""
    a, b = plain(in1), plain(in2)
    if a is None or b is None or not _fit(a, b, mode) or is_small("fftconvolve", a.size + b.size):
        return HANDED_ON
    axes = _axes(axes, a.ndim)
    if axes is None:
        return HANDED_ON
    axes = [i for i in axes if a.shape[i] != 1 and b.shape[i] != 1]
    others = [i for i in range(a.ndim) if i not in axes]
    if not axes or any(a.shape[i] != b.shape[i] and 1 not in (a.shape[i], b.shape[i])
                       for i in others):
        return HANDED_ON
    swap = swapped(mode, a.shape, b.shape, axes)
    if swap is None:
        return HANDED_ON
    if swap:
        a, b = b, a
    if mode == "same" and any(a.shape[i] < b.shape[i] for i in others):
        return HANDED_ON  # cut to the shape of the first
    return _by_transforms(a, b, axes, [region(mode, a.shape[i], b.shape[i]) for i in axes], how)


def _axes(axes, ndim):
    """A sorted list of axes, or None."""
    if axes is None:
        return list(range(ndim))
    try:
        axes = [operator.index(i) for i in (axes if isinstance(axes, (list, tuple)) else [axes])]
    except TypeError:
        return None
    found = sorted({i % ndim for i in axes if -ndim <= i < ndim})
    return found if found and len(found) == len(axes) else None
