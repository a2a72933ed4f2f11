"""Filters of signals for Dask arrays: `fastconv.signal` under the same names, block by block.

Results are as exact as those of the whole array; their last bits may differ, since the functions
choose among methods by an array's size. What feeds back on itself, IIR filters, runs from one end
to the other and is refused.
"""
import inspect
from functools import partial

import numpy as np

from fastconv import signal as filters
from fastconv.dask._blocks import (
    Axis,
    Span,
    as_dask,
    by_blocks,
    computed,
    described,
    repeated,
    resampled,
    trimmed,
)

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "decimate", "fftconvolve",
           "lfilter", "oaconvolve", "resample_poly", "savgol_filter", "sepfir2d",
           "upfirdn"]  # fmt: skip


def one_axis(name, axis, ndim):
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is none of the {ndim} axes of x")
    return axis % ndim


# ---- convolutions ----

def block_sums(block, *, pads, name, other, options):
    return getattr(filters, name)(block, other, mode="full", num_threads=1, **options)


def part_of_full(number, length, extent, mode, centre, inside=0):
    """The results of a mode, as a part of the full ones, of which there are length + extent - 1.

    centre: the first one of "same"; inside: elements at both ends that only stand beside the array.
    """
    first = {"full": 0, "same": centre, "valid": extent - 1}[mode] + inside
    real = length - 2 * inside
    outputs = {"full": real + extent - 1, "same": real, "valid": real - extent + 1}[mode]

    def first_of(place):
        return max(0, place - first)

    def span(begin, end, start, stop):
        # Result f of the full ones reads elements f - extent + 1 up to f.
        low, high = max(0, begin + first - extent + 1), min(length, end + first)
        return Span(low, high, 0, 0, begin + first - low, end - begin)

    return Axis(number, (extent - 1, 0), first_of, outputs, span)


def convolved(name, in1, in2, mode, axes, options, boundary=None):
    """A convolution of in1, whose blocks are convolved with all of in2."""
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', not {mode!r}")
    x, other = as_dask(name, "in1", in1), computed(in2)
    if x.ndim != other.ndim:
        raise ValueError(f"{name}: in1 has {x.ndim} axes, and in2 {other.ndim}")
    axes = range(x.ndim) if axes is None else np.atleast_1d(axes).tolist()
    axes = [one_axis(name, axis, x.ndim) for axis in axes]
    if mode == "valid" and any(x.shape[axis] < other.shape[axis] for axis in axes):
        raise ValueError(f"{name}: in2 is larger than in1, of which the chunks are")
    places = []
    for axis in axes:
        extent, inside = other.shape[axis], 0
        if boundary == "wrap" and len(x.chunks[axis]) > 1:
            if extent - 1 > x.shape[axis]:
                x = x.rechunk({axis: -1})
            else:
                inside = extent - 1
                x = repeated(x, axis, inside, inside)
        centre = extent // 2 if name == "correlate2d" else (extent - 1) // 2
        places.append(part_of_full(axis, x.shape[axis], extent, mode, centre, inside))
    one = (1,) * x.ndim
    sample = getattr(filters, name)(np.ones(one, x.dtype), np.ones(one, other.dtype), **options)
    call = partial(block_sums, name=name, other=other, options=options)
    return by_blocks(name, x, places, call, {}, sample.dtype)


def whole_method(in1, in2, mode, method):
    """What "auto" means for the whole; of integers every block may take its own, being exact."""
    if method != "auto" or in1.dtype.kind not in "fc":
        return method
    like = np.broadcast_to(np.zeros((), in1.dtype), in1.shape)   # of no memory
    return filters.choose_conv_method(like, in2, mode)


def convolve(in1, in2, mode="full", method="auto", *, precision=None):
    """`fastconv.signal.convolve` of a Dask array with a NumPy array."""
    in1, in2 = as_dask("convolve", "in1", in1), computed(in2)
    method = whole_method(in1, in2, mode, method)
    return convolved("convolve", in1, in2, mode, None, {"method": method, "precision": precision})


def correlate(in1, in2, mode="full", method="auto", *, precision=None):
    """`fastconv.signal.correlate` of a Dask array with a NumPy array."""
    in1, in2 = as_dask("correlate", "in1", in1), computed(in2)
    method = whole_method(in1, in2, mode, method)
    return convolved("correlate", in1, in2, mode, None, {"method": method, "precision": precision})


def fftconvolve(in1, in2, mode="full", axes=None, *, precision=None):
    """`fastconv.signal.fftconvolve` of a Dask array with a NumPy array."""
    return convolved("fftconvolve", in1, in2, mode, axes, {"axes": axes, "precision": precision})


def oaconvolve(in1, in2, mode="full", axes=None, *, precision=None):
    """`fastconv.signal.oaconvolve` of a Dask array with a NumPy array."""
    return convolved("oaconvolve", in1, in2, mode, axes, {"axes": axes, "precision": precision})


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, precision=None):
    """`fastconv.signal.convolve2d` of a Dask array with a NumPy array."""
    return convolved("convolve2d", in1, in2, mode, None,
                     {"boundary": boundary, "fillvalue": fillvalue, "precision": precision},
                     boundary)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, precision=None):
    """`fastconv.signal.correlate2d` of a Dask array with a NumPy array."""
    return convolved("correlate2d", in1, in2, mode, None,
                     {"boundary": boundary, "fillvalue": fillvalue, "precision": precision},
                     boundary)


# ---- filters along an axis ----

def block_filter(block, *, pads, name, before, options):
    """before: the arguments that stand before the signal."""
    return getattr(filters, name)(*before, block, num_threads=1, **options)


def lfilter(b, a, x, axis=-1, zi=None, *, precision=None):
    """`fastconv.signal.lfilter` of a Dask array, for FIR filters: a is one number."""
    b, a, x = computed(b), np.atleast_1d(computed(a)), as_dask("lfilter", "x", x)
    if a.size != 1 or zi is not None:
        raise ValueError("lfilter: an IIR filter, and one with a state zi, runs from one end of "
                         "the signal to the other, so that chunks cannot be filtered by themselves")
    axis = one_axis("lfilter", axis, x.ndim)
    reach = len(b) - 1

    def span(first, last, start, stop):
        low = max(0, start - reach)
        return Span(low, stop, 0, 0, start - low, stop - start)

    length = x.shape[axis]
    place = Axis(axis, (reach, 0), lambda place: place, length, span)
    options = {"axis": axis, "precision": precision}
    call = partial(block_filter, name="lfilter", before=(b, a), options=options)
    sample = filters.lfilter(b, a, np.zeros((1,) * x.ndim, x.dtype), axis=axis)
    return by_blocks("lfilter", x, [place] if reach else [], call, {}, sample.dtype)


def savgol_filter(x, window_length, polyorder, deriv=0, delta=1.0, axis=-1, mode="interp",
                  cval=0.0, *, precision=None):
    """`fastconv.signal.savgol_filter` of a Dask array."""
    x = as_dask("savgol_filter", "x", x)
    axis = one_axis("savgol_filter", axis, x.ndim)
    options = {"window_length": window_length, "polyorder": polyorder, "deriv": deriv,
               "delta": delta, "axis": axis, "mode": mode, "cval": cval, "precision": precision}
    reach, crop = window_length // 2, [slice(None)] * x.ndim
    if mode == "interp" and window_length > x.shape[axis]:
        raise ValueError("savgol_filter: with mode='interp' the window must not be longer than x")
    if mode == "wrap" and len(x.chunks[axis]) > 1:
        crop[axis] = slice(reach, reach + x.shape[axis])
        x = repeated(x, axis, reach, reach)
    shape = [1] * x.ndim
    shape[axis] = window_length
    sample = filters.savgol_filter(np.zeros(shape, x.dtype), **options)
    place = trimmed(axis, x.shape[axis], reach, window_length)
    call = partial(block_filter, name="savgol_filter", before=(), options=options)
    return by_blocks("savgol_filter", x, [place], call, {}, sample.dtype)[tuple(crop)]


def block_separable(block, *, pads, taps, precision):
    return filters.sepfir2d(block, *taps, num_threads=1, precision=precision)


def sepfir2d(input, hrow, hcol, /, *, precision=None):
    """`fastconv.signal.sepfir2d` of a Dask array."""
    x, taps = as_dask("sepfir2d", "input", input), (computed(hrow), computed(hcol))
    if x.ndim != 2:
        raise ValueError(f"sepfir2d: input has {x.ndim} axes, but needs 2")
    places = [trimmed(axis, x.shape[axis], len(h) // 2) for axis, h in ((0, taps[1]), (1, taps[0]))]
    sample = filters.sepfir2d(np.ones((max(3, len(taps[1])), max(3, len(taps[0]))), x.dtype), *taps)
    call = partial(block_separable, taps=taps, precision=precision)
    return by_blocks("sepfir2d", x, places, call, {}, sample.dtype)


# ---- other rates ----

def changed_rate(name, x, axis, up, down, reach, outputs, before, options):
    """A filter whose results are ``up / down`` as close as elements, and read `reach` around."""
    place = resampled(axis, x.shape[axis], up, down, reach, outputs)
    call = partial(block_filter, name=name, before=before, options=options)
    shape = [1] * x.ndim
    shape[axis] = 2 * down
    sample = getattr(filters, name)(*before, np.zeros(shape, x.dtype), **options)
    return by_blocks(name, x, [place], call, {}, sample.dtype)


def upfirdn(h, x, up=1, down=1, axis=-1, mode="constant", cval=0, *, precision=None):
    """`fastconv.signal.upfirdn` of a Dask array; the signal goes on as zeros."""
    x, h = as_dask("upfirdn", "x", x), computed(h)
    axis = one_axis("upfirdn", axis, x.ndim)
    if mode != "constant" or cval != 0:
        raise ValueError("upfirdn: Dask arrays go on as zeros: mode='constant', cval=0")
    outputs = ((x.shape[axis] - 1) * up + len(h) - 1) // down + 1
    options = {"up": up, "down": down, "axis": axis, "precision": precision}
    return changed_rate("upfirdn", x, axis, up, down, -(-len(h) // up), outputs, (h,), options)


def resample_poly(x, up, down, axis=0, window=("kaiser", 5.0), padtype="constant", cval=None, *,
                  precision=None):
    """`fastconv.signal.resample_poly` of a Dask array; the signal goes on as zeros."""
    x = as_dask("resample_poly", "x", x)
    axis = one_axis("resample_poly", axis, x.ndim)
    if padtype != "constant" or cval not in (None, 0):
        raise ValueError("resample_poly: Dask arrays go on as zeros: padtype='constant', cval=None")
    divisor = np.gcd(up, down).item()
    up, down = up // divisor, down // divisor
    taps = 20 * max(up, down) + 1 if isinstance(window, str | tuple) else len(window)
    options = {"up": up, "down": down, "axis": axis, "window": window, "precision": precision}
    outputs = -(-x.shape[axis] * up // down)
    reach = -(-taps // up) + down
    return changed_rate("resample_poly", x, axis, up, down, reach, outputs, (), options)


def decimate(x, q, n=None, ftype="iir", axis=-1, zero_phase=True, *, precision=None):
    """`fastconv.signal.decimate` of a Dask array, with ``ftype="fir"``."""
    x = as_dask("decimate", "x", x)
    if ftype != "fir":
        raise ValueError("decimate: an IIR filter runs from one end of the signal to the other, so "
                         "that chunks cannot be filtered by themselves; take ftype='fir'")
    axis = one_axis("decimate", axis, x.ndim)
    taps = (20 * q if n is None else n) + 1
    outputs = -(-x.shape[axis] // q)
    options = {"q": q, "n": n, "ftype": "fir", "axis": axis, "zero_phase": zero_phase,
               "precision": precision}
    return changed_rate("decimate", x, axis, 1, q, taps, outputs, (), options)


for _name in __all__:
    _first = inspect.signature(globals()[_name]).parameters
    described(globals()[_name], f"fastconv.signal.{_name}",
              next(array for array in ("in1", "input", "x") if array in _first))
