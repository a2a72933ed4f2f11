"""SciPy's image filters under SciPy's names, with SciPy's bits: ``from fastconv import ndimage``.

Signatures, checks, types and results are those of ``scipy.ndimage``; two keywords are new:
`num_threads`, and `precision`, which says that other roundings will do. What is not filtered here,
other functions and other types of elements too, SciPy's module answers.
"""
import functools
import inspect
import itertools
import math
import operator

import numpy as np

from fastconv._core.precision import as_tier
from fastconv._core.threads import as_thread_count
from fastconv._filters import chain, points
from fastconv._filters.arguments import (
    NotServed,
    Refused,
    axes_of,
    axis_of,
    each,
    edge_of,
    gaussian,
    image,
    number,
    output_for,
    parts_of,
)
from fastconv._filters.descriptions import described
from fastconv.conv import conv

# What is served here, and what SciPy's own function answers all the same. Every function hands on
# calls whose arguments it does not understand, so that errors are SciPy's.
SERVED = {}


def _scipy():
    from scipy import ndimage  # not before it is needed: it takes longer than all of fastconv

    return ndimage


def __getattr__(name):
    if name.startswith("__") and name != "__all__":  # of Python's protocols, as __path__
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_scipy(), name)


def __dir__():
    return sorted({*SERVED, *dir(_scipy())})


def _serve(handed_on=""):
    """Make a function of SciPy's name from one that understands its arguments.

    That one returns what is to be done with a number of threads, or raises, having written
    nothing; then SciPy's own function answers. `handed_on` says for which sound arguments.
    """

    def decorate(understand):
        name = understand.__name__

        @functools.wraps(understand)
        def function(*args, num_threads=None, precision=None, **kwargs):
            if num_threads is not None:
                as_thread_count(f"{name}: num_threads", num_threads)
            if precision is not None:
                as_tier(f"{name}: precision", precision)
            try:
                task = understand(*args, **kwargs)
            except MemoryError:
                raise
            except Refused as error:
                raise ValueError(*error.args) from None
            except Exception:
                task = None
            if task is None:
                return getattr(_scipy(), name)(*args, **kwargs)
            return task(num_threads, precision)

        signature = inspect.signature(understand)
        more = [inspect.Parameter(new, inspect.Parameter.KEYWORD_ONLY, default=None)
                for new in ("num_threads", "precision")]
        old = list(signature.parameters.values())
        at = len(old) - any(p.kind is p.VAR_KEYWORD for p in old)
        function.__signature__ = signature.replace(parameters=[*old[:at], *more, *old[at:]])
        function.__doc__ = described(name, understand.__doc__, function.__signature__)
        SERVED[name] = handed_on
        return function

    return decorate


# ---- along lines ----

def _chain(name, x, y, cval, filters):
    """A task: filters along axes, one after the other; `filters` makes them for a constant."""
    parts = [(part, filters(outside)) for part, outside in parts_of(x, cval)]

    def task(num_threads, _precision):
        for (part, lines), result in zip(parts, _parts(y)):
            if lines:
                chain.run(name, part, result, [lines], False, num_threads)
            else:
                result[...] = part
        return y

    return task


def _parts(y):
    return [y.real, y.imag] if y.dtype.kind == "c" else [y]


def _correlation(weights, axis, origin, mode, outside):
    return chain.correlation(weights, axis, operator.index(origin), edge_of(mode), outside)


def _as_weights(weights):
    """Weights in double, real or complex."""
    weights = np.asarray(weights)
    return np.asarray(weights, np.complex128 if weights.dtype.kind == "c" else np.float64)


def _by_parts(x, y, weights, cval, correlate):
    """A task: complex weights, whose parts meet those of the image, in SciPy's order.

    ``correlate(part, weights, result, outside, num_threads, precision)`` does one of them.
    """
    if np.may_share_memory(x, y):
        raise NotServed
    if x.dtype.kind != "c":
        if np.iscomplexobj(cval):
            raise NotServed
        steps = [(x, weights.real, y.real, None), (x, weights.imag, y.imag, None)]
    else:
        steps = [(x.real, weights.real, y.real, None),
                 (x.imag, weights.imag, y.real, np.subtract),
                 (x.real, weights.imag, y.imag, None), (x.imag, weights.real, y.imag, np.add)]
    real, imaginary = number(np.real(cval)), number(np.imag(cval))

    def task(num_threads, precision):
        for part, kernel, result, combine in steps:
            outside = real if combine is None else imaginary
            to = np.empty_like(part, part.dtype.newbyteorder("=")) if combine else result
            correlate(part, kernel, to, outside, num_threads, precision)
            if combine:
                combine(result, to, result)
        return y

    return task


def _correlate1d(name, input, weights, axis, output, mode, cval, origin):
    x = image(input)
    axis = axis_of(axis, x.ndim)
    y = output_for(output, x, weights.dtype.kind == "c")
    if weights.dtype.kind == "c":
        _correlation(weights.real, axis, origin, mode, 0.0)  # may raise

        def correlate(part, kernel, result, outside, num_threads, _precision):
            line = _correlation(kernel, axis, origin, mode, outside)
            chain.run(name, part, result, [[line]], False, num_threads)

        return _by_parts(x, y, weights, cval, correlate)
    return _chain(name, x, y, cval, lambda outside: [
        _correlation(weights, axis, origin, mode, outside)])


@_serve()
def correlate1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    """Correlate along an axis.

    >>> from fastconv import ndimage
    >>> ndimage.correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    weights = _as_weights(weights)
    return _correlate1d("correlate1d", input, weights.conj(), axis, output, mode, cval, origin)


@_serve()
def convolve1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    """Convolve along an axis.

    >>> from fastconv import ndimage
    >>> ndimage.convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    weights = _as_weights(weights)[::-1]
    origin = -operator.index(origin) - (weights.shape[0] % 2 == 0)
    return _correlate1d("convolve1d", input, weights, axis, output, mode, cval, origin)


@_serve()
def gaussian_filter1d(input, sigma, axis=-1, order=0, output=None, mode="reflect", cval=0.0,
                      truncate=4.0, *, radius=None):
    """Filter along an axis with a Gaussian, or with a derivative of it.

    >>> from fastconv import ndimage
    >>> ndimage.gaussian_filter1d([1.0, 2.0, 3.0, 4.0, 5.0], 1).round(3)
    array([1.427, 2.068, 3.   , 3.932, 4.573])
    """
    return _correlate1d("gaussian_filter1d", input, gaussian(sigma, order, truncate, radius), axis,
                        output, mode, cval, 0)


def _gaussians(ndim, sigma, order, mode, truncate, radius, axes):
    """Weights, axis and mode of a Gaussian filter along each of some axes."""
    axes = axes_of(axes, ndim)
    n = len(axes)
    wanted = zip(axes, each(sigma, n), each(order, n), each(mode, n), each(radius, n))
    return [(gaussian(sigma, order, truncate, radius), axis, mode)
            for axis, sigma, order, mode, radius in wanted if sigma > 1e-15]


def _correlations(along, outside):
    return [_correlation(weights, axis, 0, mode, outside) for weights, axis, mode in along]


@_serve()
def gaussian_filter(input, sigma, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *,
                    radius=None, axes=None):
    """Filter along each axis with a Gaussian, or with derivatives of it.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.gaussian_filter(np.arange(0, 18, 2).reshape(3, 3), sigma=1)
    array([[ 2,  4,  5],
           [ 6,  8,  9],
           [ 9, 11, 12]])
    """
    x = image(input)
    along = _gaussians(x.ndim, sigma, order, mode, truncate, radius, axes)
    return _chain("gaussian_filter", x, output_for(output, x), cval,
                  lambda outside: _correlations(along, outside))


def _derivative(name, weights, input, axis, output, mode, cval):
    """A difference along one axis, and a smoothing along the others."""
    x = image(input)
    axis = axis_of(axis, x.ndim)
    modes = each(mode, x.ndim)
    along = [(_DIFFERENCE, axis, modes[axis])]
    along += [(weights, other, modes[other]) for other in range(x.ndim) if other != axis]
    return _chain(name, x, output_for(output, x), cval,
                  lambda outside: _correlations(along, outside))


_DIFFERENCE = np.array([-1.0, 0.0, 1.0])
_PREWITT = np.array([1.0, 1.0, 1.0])
_SOBEL = np.array([1.0, 2.0, 1.0])
_SECOND_DIFFERENCE = np.array([1.0, -2.0, 1.0])


@_serve()
def prewitt(input, axis=-1, output=None, mode="reflect", cval=0.0):
    """Differentiate along an axis by Prewitt's filter.

    >>> from fastconv import ndimage
    >>> ndimage.prewitt([[0, 1, 4], [0, 1, 4], [0, 1, 4]])
    array([[ 3, 12,  9],
           [ 3, 12,  9],
           [ 3, 12,  9]])
    """
    return _derivative("prewitt", _PREWITT, input, axis, output, mode, cval)


@_serve()
def sobel(input, axis=-1, output=None, mode="reflect", cval=0.0):
    """Differentiate along an axis by Sobel's filter.

    >>> from fastconv import ndimage
    >>> ndimage.sobel([[0, 1, 4], [0, 1, 4], [0, 1, 4]])
    array([[ 4, 16, 12],
           [ 4, 16, 12],
           [ 4, 16, 12]])
    """
    return _derivative("sobel", _SOBEL, input, axis, output, mode, cval)


@_serve()
def uniform_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    """The mean of windows along an axis.

    >>> from fastconv import ndimage
    >>> ndimage.uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    x = image(input)
    axis, size = axis_of(axis, x.ndim), operator.index(size)
    origin, mode = operator.index(origin), edge_of(mode)
    return _chain("uniform_filter1d", x, output_for(output, x), cval,
                  lambda outside: [chain.uniform(axis, size, origin, mode, outside)])


def _windows(ndim, size, origin, mode, axes):
    """Axis, size, origin and mode of a window along each of some axes."""
    axes = axes_of(axes, ndim)
    n = len(axes)
    wanted = zip(axes, each(size, n), each(origin, n), each(mode, n))
    return [(axis, int(size), operator.index(origin), edge_of(mode))
            for axis, size, origin, mode in wanted if size > 1]


@_serve()
def uniform_filter(input, size=3, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    """The mean of windows.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.uniform_filter(np.arange(0, 18, 2).reshape(3, 3))
    array([[ 2,  4,  5],
           [ 6,  8,  9],
           [10, 12, 13]])
    """
    x = image(input)
    windows = _windows(x.ndim, size, origin, mode, axes)
    return _chain("uniform_filter", x, output_for(output, x), cval,
                  lambda outside: [chain.uniform(*window, outside) for window in windows])


# ---- several filters, added up ----

def _terms(name, x, y, along, cval, squares):
    """A task: the sum of some chains of filters, or the root of the sum of their squares."""
    if y.dtype.kind == "b" or (squares and y.dtype.kind == "c"):
        raise NotServed
    parts = [(part, [_correlations(one, outside) for one in along])
             for part, outside in parts_of(x, cval)]
    if not all(lines for _, terms in parts for lines in terms or [None]):
        raise NotServed  # nothing is filtered

    def task(num_threads, _precision):
        for (part, terms), result in zip(parts, _parts(y)):
            if not chain.run(name, part, result, terms, squares, num_threads):
                _add_up(name, part, result, terms, squares, num_threads)
        return y

    return task


def _add_up(name, x, y, terms, squares, num_threads):
    """The terms one after the other, where they cannot go over the image together."""
    if np.may_share_memory(x, y):
        x = x.copy()
    for i, lines in enumerate(terms):
        term = y if i == 0 else np.empty(y.shape, y.dtype)
        chain.run(name, x, term, [lines], False, num_threads)
        if squares:
            np.multiply(term, term, term)
        if i > 0:
            y += term
    if squares:
        np.sqrt(y, y, casting="unsafe")


@_serve("boolean results")
def laplace(input, output=None, mode="reflect", cval=0.0, *, axes=None):
    """The sum of second differences along the axes.

    >>> from fastconv import ndimage
    >>> ndimage.laplace([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    array([[ 0,  1,  0],
           [ 1, -4,  1],
           [ 0,  1,  0]])
    """
    x = image(input)
    axes = axes_of(axes, x.ndim)
    along = [[(_SECOND_DIFFERENCE, axis, mode)] for axis, mode in zip(axes, each(mode, len(axes)))]
    return _terms("laplace", x, output_for(output, x), along, cval, False)


def _derived_gaussians(ndim, order, sigma, mode, axes, truncate=4.0, radius=None):
    """For each axis, Gaussians along all, of which the axis has the derivative."""
    return [_gaussians(ndim, sigma, [order * (other == axis) for other in range(ndim)], mode,
                       truncate, radius, None)
            for axis, mode in zip(axes, each(mode, len(axes)))]


@_serve("boolean results")
def gaussian_laplace(input, sigma, output=None, mode="reflect", cval=0.0, *, axes=None, **kwargs):
    """The sum of a Gaussian's second derivatives.

    >>> from fastconv import ndimage
    >>> ndimage.gaussian_laplace([[0.0, 0, 0], [0, 9, 0], [0, 0, 0]], sigma=1).round(3)
    array([[ 0.874, -0.272,  0.874],
           [-0.272, -2.408, -0.272],
           [ 0.874, -0.272,  0.874]])
    """
    x = image(input)
    axes = axes_of(axes, x.ndim)
    sigma = each(sigma, len(axes))
    if len(axes) < x.ndim:
        given = dict(zip(axes, sigma))
        sigma = [given.get(axis, 0) for axis in range(x.ndim)]
    along = _derived_gaussians(x.ndim, 2, sigma, mode, axes, **kwargs)
    return _terms("gaussian_laplace", x, output_for(output, x), along, cval, False)


@_serve("complex or boolean results")
def gaussian_gradient_magnitude(input, sigma, output=None, mode="reflect", cval=0.0, *, axes=None,
                                **kwargs):
    """The length of the gradient, by a Gaussian's derivatives.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.gaussian_gradient_magnitude(np.eye(3), sigma=1).round(3)
    array([[0.153, 0.202, 0.132],
           [0.202, 0.   , 0.202],
           [0.132, 0.202, 0.153]])
    """
    x = image(input)
    along = _derived_gaussians(x.ndim, 1, sigma, mode, axes_of(axes, x.ndim), **kwargs)
    return _terms("gaussian_gradient_magnitude", x, output_for(output, x), along, cval, True)


@_serve("all: it calls the caller's function")
def generic_laplace(input, derivative2, output=None, mode="reflect", cval=0.0, extra_arguments=(),
                    extra_keywords=None, *, axes=None):
    """The sum of a caller's second derivatives.

    >>> from fastconv import ndimage
    >>> def second(input, axis, output, mode, cval):
    ...     return ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    >>> ndimage.generic_laplace([[0, 0, 0], [0, 1, 0], [0, 0, 0]], second)
    array([[ 0,  1,  0],
           [ 1, -4,  1],
           [ 0,  1,  0]])
    """
    raise NotServed


@_serve("all: it calls the caller's function")
def generic_gradient_magnitude(input, derivative, output=None, mode="reflect", cval=0.0,
                               extra_arguments=(), extra_keywords=None, *, axes=None):
    """The length of the gradient, by a caller's derivatives.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.generic_gradient_magnitude(np.eye(3), ndimage.sobel).round(3)
    array([[2.828, 3.162, 1.414],
           [3.162, 0.   , 3.162],
           [1.414, 3.162, 2.828]])
    """
    raise NotServed


# ---- kernels and footprints ----

def _correlate(name, input, weights, output, mode, cval, origin, axes, turned):
    x = image(input)
    weights = _as_weights(weights)
    axes = axes_of(axes, x.ndim)
    origins = [operator.index(one) for one in each(origin, len(axes))]
    weights, origins = _over_all_axes(x.ndim, axes, weights, origins)
    if turned:
        weights = np.flip(weights)
        origins = [-one - (size % 2 == 0) for one, size in zip(origins, weights.shape)]
    _check_origins(weights.shape, origins)
    mode = edge_of(mode)
    y = output_for(output, x, weights.dtype.kind == "c")

    def correlate(part, kernel, result, outside, num_threads, precision):
        if not _convolved(part, result, kernel, origins, mode, outside, num_threads, precision):
            points.correlation_of_points(name, part, result, kernel, origins, mode, outside,
                                         num_threads)

    if weights.dtype.kind == "c":
        return _by_parts(x, y, weights if turned else weights.conj(), cval, correlate)
    parts = parts_of(x, cval)

    def task(num_threads, precision):
        for (part, outside), result in zip(parts, _parts(y)):
            correlate(part, weights, result, outside, num_threads, precision)
        return y

    return task


_WORTH_A_CALL = 4e5  # products that take SciPy's order as long as a call of `conv` takes to set up
_PADDING_MODES = {"reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect",
                  "nearest": "replicate", "wrap": "circular", "grid-wrap": "circular",
                  "constant": "zeros", "grid-constant": "zeros"}


# Taps from which on products of integers, of so many bytes, are faster than those of floats
# (1024x1024, AVX2 and VNNI).
_WORTH_INTEGERS = {1: 64, 2: 196}


def _convolved(x, y, weights, origins, mode, outside, num_threads, precision):
    """Correlate by `fastconv.conv`; False where that cannot be, or would round otherwise."""
    exact = _integers(x, y, weights)
    if exact is None and (precision is None or x.dtype.char not in "fd" or x.dtype != y.dtype):
        return False
    first = next((axis for axis, size in enumerate(weights.shape) if size > 1), x.ndim)
    kernel, image = weights.shape[first:], x.shape[first:]
    before = [size // 2 + origin for size, origin in zip(kernel, origins[first:])]
    padding = [(low, size - 1 - low) for low, size in zip(before, kernel)]
    if (x.size * weights.size < _WORTH_A_CALL or not 1 <= len(kernel) <= 3
            or not y.flags.c_contiguous or not y.dtype.isnative or any(origins[:first])
            or any(max(pair) >= n for pair, n in zip(padding, image))
            or (_PADDING_MODES[mode] == "zeros" and outside != 0)):
        return False
    x, y, mode = x.reshape(-1, 1, *image), y.reshape(-1, 1, *image), _PADDING_MODES[mode]
    if exact is not None:
        return _convolved_in_strips(x, exact.reshape(1, 1, *kernel), y, padding, mode, num_threads)
    with np.errstate(over="ignore"):
        weights = weights.reshape(1, 1, *kernel).astype(x.dtype)
    if not np.isfinite(weights).all():
        return False
    conv(x, weights, padding=padding, padding_mode=mode, precision=precision,
         num_threads=num_threads, out=y)
    return True


_STRIP = 1 << 20  # elements of a result that are computed at once, so that little memory is needed


def _convolved_in_strips(x, weights, y, padding, mode, num_threads):
    """The same of integers, whose sums do not depend on the cut; False where none is possible."""
    (before, after), length = padding[0], x.shape[2]
    row = math.prod(x.shape[3:])
    images = max(1, _STRIP // (length * row))
    # what is repeated around a strip at an end lies in that strip
    strips = max(1, length // max(_STRIP // row, before + after + 1))
    cut = strips > 1 or images < len(x)
    # a strip has neither the other end of the image, nor what another one has written over
    if cut and (np.may_share_memory(x, y) or (strips > 1 and mode == "circular")):
        return False
    ends = [length * i // strips for i in range(strips + 1)]
    for n in range(0, len(x), images):
        for start, stop in itertools.pairwise(ends):
            low, high = max(start - before, 0), min(stop + after, length)
            outside = before - (start - low), after - (high - stop)
            conv(x[n:n + images, :, low:high], weights, padding=[outside, *padding[1:]],
                 padding_mode=mode, num_threads=num_threads, casting="wrap",
                 out=y[n:n + images, :, start:stop])
    return True


def _integers(x, y, weights):
    """The weights as small integers, if that is what they and the image are, and sums fit 32 bits.

    Then sums have no order, and are converted as those in double are.
    """
    if (x.dtype.kind not in "iu" or weights.size < _WORTH_INTEGERS.get(x.dtype.itemsize, np.inf)
            or y.dtype.char not in "bBhHiIlLqQfd"):
        return None
    limits, sizes = np.iinfo(x.dtype), np.abs(weights)
    largest = sizes.max()
    # NaN is less than nothing
    if not (largest < 2**15 and sizes.sum() * max(limits.max, -limits.min) < 2**31):
        return None
    exact = weights.astype(np.int16 if largest > 127 else np.int8)
    return exact if (exact == weights).all() else None


def _over_all_axes(ndim, axes, kernel, origins):
    """A kernel and its origins with an axis for each of the image's."""
    if kernel.ndim != len(axes):
        raise NotServed
    if len(axes) < ndim:
        kernel = np.expand_dims(kernel, tuple(axis for axis in range(ndim) if axis not in axes))
        given = dict(zip(axes, origins))
        origins = [given.get(axis, 0) for axis in range(ndim)]
    return kernel, origins


def _check_origins(sizes, origins):
    if not all(0 <= size // 2 + origin < size for size, origin in zip(sizes, origins)):
        raise NotServed


@_serve()
def correlate(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    """Correlate with a kernel.

    >>> from fastconv import ndimage
    >>> ndimage.correlate([[1, 2], [3, 4]], [[0, 1], [1, 0]])
    array([[2, 3],
           [4, 5]])
    """
    return _correlate("correlate", input, weights, output, mode, cval, origin, axes, False)


@_serve()
def convolve(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    """Convolve with a kernel.

    >>> from fastconv import ndimage
    >>> ndimage.convolve([[1, 2], [3, 4]], [[0, 1], [1, 0]])
    array([[5, 6],
           [7, 8]])
    """
    return _correlate("convolve", input, weights, output, mode, cval, origin, axes, True)


def _extreme1d(name, largest, input, size, axis, output, mode, cval, origin):
    x = _real_image(input)
    window = (axis_of(axis, x.ndim), operator.index(size), operator.index(origin), edge_of(mode))
    return _chain(name, x, output_for(output, x), cval,
                  lambda outside: [chain.extreme(largest, *window, outside)])


def _real_image(input):
    x = image(input)
    if x.dtype.kind == "c":
        raise NotServed
    return x


@_serve()
def maximum_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    """The largest of windows along an axis.

    >>> from fastconv import ndimage
    >>> ndimage.maximum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([8, 8, 8, 4, 9, 9, 9, 9])
    """
    return _extreme1d("maximum_filter1d", True, input, size, axis, output, mode, cval, origin)


@_serve()
def minimum_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    """The smallest of windows along an axis.

    >>> from fastconv import ndimage
    >>> ndimage.minimum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([2, 0, 0, 0, 1, 1, 0, 0])
    """
    return _extreme1d("minimum_filter1d", False, input, size, axis, output, mode, cval, origin)


def _extreme(name, largest, input, size, footprint, structure, output, mode, cval, origin, axes):
    if size is not None and footprint is not None:
        raise NotServed  # SciPy warns
    x = _real_image(input)
    axes = axes_of(axes, x.ndim)
    if structure is not None:
        structure = np.asarray(structure, np.float64)
        footprint = np.ones(structure.shape, bool) if footprint is None else footprint
    if footprint is not None:
        footprint = np.asarray(footprint, bool)
        if structure is None and footprint.size and footprint.all():
            size, footprint = footprint.shape, None
    y = output_for(output, x)
    if footprint is not None:
        return _extreme_of_points(name, largest, x, y, footprint, structure, mode, cval, origin,
                                  axes)
    if size is None:
        raise NotServed
    windows = _windows(x.ndim, size, origin, mode, axes)
    return _chain(name, x, y, cval, lambda outside: [
        chain.extreme(largest, *window, outside) for window in windows])


def _extreme_of_points(name, largest, x, y, footprint, structure, mode, cval, origin, axes):
    origins = [operator.index(one) for one in each(origin, len(axes))]
    if structure is not None:
        if structure.shape != footprint.shape:
            raise NotServed
        structure, _ = _over_all_axes(x.ndim, axes, structure, origins)
    elif not footprint.any():
        raise NotServed
    footprint, origins = _over_all_axes(x.ndim, axes, footprint, origins)
    _check_origins(footprint.shape, origins)
    mode, outside = edge_of(mode), number(cval)
    if not footprint.any():  # and a structure
        raise Refused(f"ndimage.{name}: footprint has no true elements")

    def task(num_threads, _precision):
        points.extreme_of_points(name, x, y, footprint, structure, origins, mode, outside, largest,
                                 num_threads)
        return y

    return task


@_serve()
def maximum_filter(input, size=None, footprint=None, output=None, mode="reflect", cval=0.0,
                   origin=0, *, axes=None):
    """The largest of windows, or of a footprint.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.maximum_filter(np.eye(4, dtype=int), size=2)
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 1],
           [0, 0, 1, 1]])
    """
    return _extreme("maximum_filter", True, input, size, footprint, None, output, mode, cval,
                    origin, axes)


@_serve()
def minimum_filter(input, size=None, footprint=None, output=None, mode="reflect", cval=0.0,
                   origin=0, *, axes=None):
    """The smallest of windows, or of a footprint.

    >>> import numpy as np
    >>> from fastconv import ndimage
    >>> ndimage.minimum_filter(np.arange(9).reshape(3, 3), size=3)
    array([[0, 0, 1],
           [0, 0, 1],
           [3, 3, 4]])
    """
    return _extreme("minimum_filter", False, input, size, footprint, None, output, mode, cval,
                    origin, axes)


# ---- grey morphology ----

@_serve()
def grey_erosion(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                 cval=0.0, origin=0, *, axes=None):
    """The smallest of windows, of a footprint, or of a structure.

    >>> from fastconv import ndimage
    >>> ndimage.grey_erosion([3, 1, 4, 1, 5, 9, 2], size=3)
    array([1, 1, 1, 1, 1, 2, 2])
    """
    return _extreme("grey_erosion", False, input, size, footprint, structure, output, mode, cval,
                    origin, axes)


@_serve()
def grey_dilation(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                  cval=0.0, origin=0, *, axes=None):
    """The largest of windows, of a footprint, or of a structure, which are turned round.

    >>> from fastconv import ndimage
    >>> ndimage.grey_dilation([3, 1, 4, 1, 5, 9, 2], structure=[0, 1, 0])
    array([ 4,  4,  5,  5,  9, 10,  9])
    """
    x = _real_image(input)
    n = len(axes_of(axes, x.ndim))
    if structure is not None:
        structure = np.flip(np.asarray(structure))
    if footprint is not None:
        footprint = np.flip(np.asarray(footprint))
    kernel = structure if footprint is None else footprint
    sizes = each(size, n) if kernel is None else kernel.shape
    origin = [-one - (side % 2 == 0) for one, side in zip(each(origin, n), sizes, strict=True)]
    return _extreme("grey_dilation", True, x, size, footprint, structure, output, mode, cval,
                    origin, axes)


def _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes):
    """A task of `steps`, given the image, SciPy's `output`, an erosion and a dilation."""
    x = _real_image(input)
    if size is not None and footprint is not None:
        raise NotServed  # SciPy warns
    kernel = {"size": size, "footprint": footprint, "structure": structure, "mode": mode,
              "cval": cval, "origin": origin, "axes": axes}
    for function in (grey_dilation, grey_erosion):  # errors come before anything is written
        function.__wrapped__(x, output=output, **kernel)

    def task(num_threads, _precision):
        return steps(x, output, functools.partial(grey_erosion, num_threads=num_threads, **kernel),
                     functools.partial(grey_dilation, num_threads=num_threads, **kernel))

    return task


@_serve()
def grey_opening(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                 cval=0.0, origin=0, *, axes=None):
    """The dilation of the erosion.

    >>> from fastconv import ndimage
    >>> ndimage.grey_opening([3, 1, 4, 4, 5, 9, 2], size=2)
    array([3, 1, 4, 4, 5, 5, 2])
    """
    def steps(x, output, erode, dilate):
        return dilate(erode(x), output=output)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)


@_serve()
def grey_closing(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                 cval=0.0, origin=0, *, axes=None):
    """The erosion of the dilation.

    >>> from fastconv import ndimage
    >>> ndimage.grey_closing([3, 1, 4, 4, 5, 9, 2], size=2)
    array([3, 3, 4, 4, 5, 9, 2])
    """
    def steps(x, output, erode, dilate):
        return erode(dilate(x), output=output)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)


@_serve()
def morphological_gradient(input, size=None, footprint=None, structure=None, output=None,
                           mode="reflect", cval=0.0, origin=0, *, axes=None):
    """The dilation less the erosion.

    >>> from fastconv import ndimage
    >>> ndimage.morphological_gradient([3, 1, 4, 1, 5, 9, 2], size=3)
    array([2, 3, 3, 4, 8, 7, 7])
    """
    def steps(x, output, erode, dilate):
        largest = dilate(x)
        if isinstance(output, np.ndarray):
            return np.subtract(largest, erode(x, output=output), output)
        return largest - erode(x)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)


@_serve()
def morphological_laplace(input, size=None, footprint=None, structure=None, output=None,
                          mode="reflect", cval=0.0, origin=0, *, axes=None):
    """The dilation and the erosion, less twice the image.

    >>> from fastconv import ndimage
    >>> ndimage.morphological_laplace([3, 1, 4, 1, 5, 9, 2], size=3)
    array([-2,  3, -3,  4,  0, -7,  7])
    """
    def steps(x, output, erode, dilate):
        result = dilate(x)
        smallest = erode(x, output=output if isinstance(output, np.ndarray) else None)
        np.add(result, smallest, smallest)
        np.subtract(smallest, x, smallest)
        return np.subtract(smallest, x, smallest)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)


@_serve()
def white_tophat(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                 cval=0.0, origin=0, *, axes=None):
    """The image less its opening.

    >>> from fastconv import ndimage
    >>> ndimage.white_tophat([1, 1, 7, 1, 1, 1], size=3)
    array([0, 0, 6, 0, 0, 0])
    """
    def steps(x, output, erode, dilate):
        opened = dilate(erode(x), output=output)
        both = x.dtype.kind == opened.dtype.kind == "b"
        return (np.bitwise_xor if both else np.subtract)(x, opened, out=opened)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)


@_serve()
def black_tophat(input, size=None, footprint=None, structure=None, output=None, mode="reflect",
                 cval=0.0, origin=0, *, axes=None):
    """The closing less the image.

    >>> from fastconv import ndimage
    >>> ndimage.black_tophat([5, 5, 1, 5, 5, 5], size=3)
    array([0, 0, 4, 0, 0, 0])
    """
    def steps(x, output, erode, dilate):
        closed = erode(dilate(x), output=output)
        both = x.dtype.kind == closed.dtype.kind == "b"
        return (np.bitwise_xor if both else np.subtract)(closed, x, out=closed)

    return _composed(steps, input, size, footprint, structure, output, mode, cval, origin, axes)
