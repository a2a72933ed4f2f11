"""Arguments of quantised layers: zero points, scales, the result's dtype, bounds."""
import numpy as np

from fastconv._core.messages import shown
from fastconv._desc.activation import clip_bounds, integer_bounds
from fastconv._desc.arguments import as_array, as_dtype

SMALL = tuple(map(np.dtype, (np.uint8, np.int8, np.uint16, np.int16)))
INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


def as_small_integers(function, name, value):
    """An array of integers of 8 or 16 bits."""
    array = as_array(function, name, value)
    if array.dtype.newbyteorder("=") not in SMALL:
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, but quantised layers take "
                        f"uint8, int8, uint16 and int16")
    return array


def as_small_dtype(function, name, value):
    """The dtype of such arrays."""
    dtype = as_dtype(function, name, value).newbyteorder("=")
    if dtype not in SMALL:
        raise TypeError(f"{function}: {name}={shown(value)} is not one of "
                        f"{', '.join(map(str, SMALL))}")
    return dtype


def as_integers(function, name, value):
    """An array of integers."""
    array = as_array(function, name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{function}: {name}={shown(value)} must be of integers, "
                        f"not {array.dtype}")
    return array


def as_zero_point(function, name, value, dtype, count=None):
    """A zero point, which its array's dtype can hold; or one for each of `count` filters."""
    points = _one_or_each(function, name, as_integers(function, name, value), count)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if points.size and (points.min() < low or points.max() > high):
        raise ValueError(f"{function}: {name}={shown(value)} is not within {low} to {high}, which "
                         f"{dtype} holds")
    return points.astype(np.int64) if count is not None else int(points)


def as_scale(function, value, count):
    """One positive number for each filter, or None."""
    if value is None:
        return None
    array = as_array(function, "scale", value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{function}: scale={shown(value)} must be of numbers, not {array.dtype}")
    scale = _one_or_each(function, "scale", array, count).astype(np.float64)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError(f"{function}: scale={shown(value)} must be finite and positive")
    return np.array(np.broadcast_to(scale, count), order="C")


def as_bias(function, value, count):
    """One integer of 32 bits for each filter; zeros for None."""
    if value is None:
        return np.zeros(count, np.int32)
    bias = as_integers(function, "bias", value)
    if bias.shape != (count,):
        raise ValueError(f"{function}: bias has shape {bias.shape}, but weight has {count} "
                         f"filters, so it must be ({count},)")
    if bias.size and (bias.min() < -(1 << 31) or bias.max() >= 1 << 31):
        raise ValueError(f"{function}: bias holds {shown(int(np.abs(bias.astype(float)).max()))}, "
                         f"which 32 bits do not")
    return bias.astype(np.int32)


def result_dtype(function, out_dtype, x_dtype, y_zero_point, scaled):
    """The result's dtype: that of y_zero_point where it has one, or x's; sums are int32."""
    if out_dtype is None:
        if not scaled:
            return INT32
        given = getattr(y_zero_point, "dtype", None)
        return given if given in SMALL else x_dtype.newbyteorder("=")
    dtype = as_dtype(function, "out_dtype", out_dtype).newbyteorder("=")
    allowed = (*SMALL, INT32) if scaled else (INT32, INT64)
    if dtype not in allowed:
        raise TypeError(f"{function}: out_dtype={shown(out_dtype)} is not one of "
                        f"{', '.join(map(str, allowed))}, which {_with(scaled)} scale gives")
    return dtype


def as_y_zero_point(function, value, dtype, scaled):
    """The result's zero point."""
    if not scaled and not (isinstance(value, int) and value == 0):
        raise ValueError(f"{function}: y_zero_point={shown(value)} needs a scale; without it the "
                         f"result is the sums")
    return as_zero_point(function, "y_zero_point", value, dtype)


def quantized_bounds(function, activation, dtype, zero_point, scaled):
    """The bounds of a result before its zero point is added: the activation's and the dtype's."""
    info = np.iinfo(dtype)
    low, high = int(info.min) - zero_point, int(info.max) - zero_point
    if not scaled:
        low, high = -(1 << 63), (1 << 63) - 1  # which is an error to pass, not a bound
        given = integer_bounds(function, INT64, activation) or (low, high)
    elif activation == "relu6":
        raise ValueError(f"{function}: activation='relu6' is in real numbers, which only the "
                         f"scale of y tells: use ('clip', 0, 6 / y_scale)")
    else:
        given = clip_bounds(function, activation)
    return tuple(min(max(bound, low), high) for bound in given)


def _one_or_each(function, name, array, count):
    """A scalar, or one of each filter if these are counted."""
    if array.size == 1 and array.ndim <= 1 and (count is None or array.ndim == 0 or count == 1):
        return array.reshape(()) if count is None else array
    if count is None:
        raise ValueError(f"{function}: {name} has shape {array.shape}, but is one number")
    if array.shape == (count,):
        return array
    if array.ndim == 1 and array.size == 1:
        return array.reshape(())
    raise ValueError(f"{function}: {name} has shape {array.shape}, but is one number or, for as "
                     f"many filters as weight has, ({count},)")


def _with(scaled):
    return "a" if scaled else "no"
