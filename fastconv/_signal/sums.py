"""Direct convolutions of any number of axes, with NumPy's dtypes."""
import numpy as np

from fastconv._signal.arguments import EXACT, FLOATS, HANDED_ON, INTEGERS, all_finite
from fastconv.conv import conv1d, conv2d, conv3d

_CONV = {1: conv1d, 2: conv2d, 3: conv3d}

# Integers up to here are exact in sums of this arithmetic, in whatever order.
EXACT_FLOAT32 = 1 << 24
EXACT_FLOAT64 = 1 << 53


def convolved(a, b, regions, how, padding_mode="zeros"):
    """A part of the full convolution of `a` and `b`, which have the same number of axes.

    regions: for each axis the first element that is wanted, and how many. The dtype is that of
    NumPy's promotion; sums of integers wrap around in it. What is beyond the edges of `a` is told
    by padding_mode.
    """
    dtype = np.result_type(a, b)
    if dtype.char not in FLOATS + INTEGERS or not all_finite(b):
        return HANDED_ON  # where b is not finite, SciPy multiplies it by zeros, and NumPy does not
    if b.size > a.size and padding_mode == "zeros":
        a, b = b, a
        if not all_finite(b):
            return HANDED_ON
    padding = [(taps - 1 - first, first + count - length)
               for (first, count), length, taps in zip(regions, a.shape, b.shape)]
    if dtype.kind in "iu":
        return _integers(a, b, dtype, padding, how, padding_mode)
    if a.ndim == 1 and not how.asked:
        a, b = in_double(a, b)
    elif a.dtype.kind in "iu":
        a = a.astype(dtype)  # as SciPy does, so that int64 is rounded once
    elif b.dtype.kind in "iu":
        b = b.astype(dtype)
    result = correlated(a, b, padding, how, True, padding_mode)
    # products of complex infinities are what the C compiler makes of them
    if result is not HANDED_ON and dtype.kind == "c" and not all_finite(result):
        return HANDED_ON
    return result if result is HANDED_ON else result.astype(dtype, copy=False)


def in_double(*arrays):
    """The same in double precision, in which NumPy adds up products of float32 along one axis."""
    return [x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)
            for x in arrays]


def correlated(x, weight, padding, how, flip=False, padding_mode="zeros"):
    """`x` and `weight` as one image and one filter; padding may be negative: elements left out.

    Of more than three axes, those along which the filter has one tap are images of a batch.
    """
    if any(before < 0 or after < 0 for before, after in padding):
        x = x[tuple(slice(max(-before, 0), length - max(-after, 0))
                    for (before, after), length in zip(padding, x.shape))]
        padding = [(max(before, 0), max(after, 0)) for before, after in padding]
    rank = x.ndim
    if rank > 3:
        return _of_many_axes(x, weight, padding, how, flip, padding_mode)
    return _CONV[rank](
        x[None, None], weight[None, None], padding=tuple(padding), padding_mode=padding_mode,
        flip=flip, precision=how.sums, num_threads=how.num_threads)[0, 0]


def _of_many_axes(x, weight, padding, how, flip, padding_mode):
    """More than three axes, of which the filter has taps along three at most."""
    long = [i for i in range(x.ndim) if weight.shape[i] > 1 or padding[i] != (0, 0)] or [0]
    short = [i for i in range(x.ndim) if i not in long]
    if len(long) > 3:
        return HANDED_ON
    stack = x.transpose(short + long)
    lead = stack.shape[:len(short)]
    stack = stack.reshape(-1, 1, *stack.shape[len(short):])
    result = _CONV[len(long)](
        stack, weight.transpose(short + long).reshape(1, 1, *(weight.shape[i] for i in long)),
        padding=tuple(padding[i] for i in long), padding_mode=padding_mode, flip=flip,
        precision=how.sums, num_threads=how.num_threads)
    result = result.reshape(lead + result.shape[2:])
    return np.ascontiguousarray(result.transpose(np.argsort(short + long)))


def _integers(a, b, dtype, padding, how, padding_mode):
    """Exact sums, taken modulo the dtype's range."""
    bound = _most(a.dtype) * _most(b.dtype) * b.size
    if bound > EXACT_FLOAT32:
        bound = _largest(a) * _largest(b) * b.size
    if bound <= EXACT_FLOAT64:
        real = np.float32 if bound <= EXACT_FLOAT32 else np.float64
        a, b = a.astype(real), b.astype(real)
    try:
        result = correlated(a, b, padding, how._replace(precision=EXACT), True, padding_mode)
    except OverflowError:  # sums of int64 wrap around
        return HANDED_ON
    if result is HANDED_ON:
        return result
    if bound > np.iinfo(dtype).max:
        result = result.astype(np.int64, copy=False)
    return result.astype(dtype, copy=False)


def _most(dtype):
    """The largest magnitude of an integer dtype."""
    return -int(np.iinfo(dtype).min) or int(np.iinfo(dtype).max)


def _largest(array):
    """The largest magnitude of an array of integers."""
    return max(int(array.max()), -int(array.min()))
