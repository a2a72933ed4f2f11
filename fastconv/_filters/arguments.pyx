"""What SciPy's filters are called with, in the form that the drivers take.

Whatever is not understood raises an error here, before anything is written; the caller then hands
the call on to SciPy, which either serves it or raises its own error.
"""
import functools
import numbers
import operator

cimport numpy as cnp

from fastconv._filters.panel cimport is_complex, is_served

import numpy as np

from fastconv._filters.chain import EDGES

cnp.import_array()


LONGEST_KEPT = 1000  # pixels: Gaussians of a larger radius take longer to use than to make


class NotServed(Exception):
    """SciPy's own function has to answer."""


class Refused(ValueError):
    """What ends the process in SciPy."""


def image(value):
    """An array of a real or complex type that filters know."""
    cdef cnp.ndarray x = value if type(value) is np.ndarray else np.asarray(value)
    if cnp.PyArray_NDIM(x) == 0 or cnp.PyArray_SIZE(x) == 0 or not is_served(x):
        raise NotServed
    return x


def output_for(output, cnp.ndarray x, bint complex_=False):
    """The array that results are written to: of x's type, of a named one, or the caller's; complex
    if x is, or if said so.
    """
    cdef cnp.ndarray y
    complex_ = complex_ or is_complex(x)
    if output is None and complex_ and not is_complex(x):
        y = np.empty((<object>x).shape, np.promote_types((<object>x).dtype, np.complex64))
    elif output is None:
        return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x), 0)
    if isinstance(output, np.ndarray):
        y = np.asarray(output)
        if (<object>y).shape != (<object>x).shape or not cnp.PyArray_ISWRITEABLE(y):
            raise NotServed
    else:
        if not isinstance(output, (str, type, np.dtype)):
            raise NotServed
        dtype = np.dtype(output)
        if isinstance(output, str) and not issubclass(dtype.type, np.number):
            raise NotServed
        y = np.empty((<object>x).shape, dtype)
    if not is_served(y) or is_complex(y) != complex_:
        raise NotServed
    return y


def each(value, n):
    """One value for each of n axes."""
    if isinstance(value, (str, int, float)) or value is None or not np.iterable(value):
        return [value] * n
    if iter(value) is value:  # read here, it would be empty where the call is handed on
        raise NotServed
    values = list(value)
    if len(values) != n:
        raise NotServed
    return values


def axis_of(axis, ndim):
    """An axis as a number from 0 on."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise NotServed
    return axis % ndim


def axes_of(axes, ndim):
    """Axes as numbers from 0 on, all by default."""
    if axes is None:
        return tuple(range(ndim))
    if np.isscalar(axes) and axes < 0:  # some of SciPy's functions count it from the end
        raise NotServed
    axes = tuple(axis_of(axis, ndim) for axis in ((axes,) if np.isscalar(axes) else axes))
    if len(set(axes)) != len(axes):
        raise NotServed
    return axes


def edge_of(mode):
    """A mode's name, which SciPy knows."""
    if not isinstance(mode, str) or mode not in EDGES:
        raise NotServed
    return str(mode)  # which one of NumPy's strings is not


def number(value):
    """A real number, which no text is."""
    if isinstance(value, (str, bytes)):
        raise NotServed
    return float(value)


def parts_of(cnp.ndarray x, cval):
    """What is filtered on its own: the image, or its real and imaginary parts, and `cval` of it."""
    if not is_complex(x):
        return [(x, number(cval))]
    return [(x.real, number(np.real(cval))), (x.imag, number(np.imag(cval)))]


def gaussian(sigma, order, truncate, radius):
    """Weights of a Gaussian, or of its derivative, as a correlation has them."""
    far = int(truncate * float(sigma) + 0.5)  # which SciPy wants to be a number in any case
    if radius is None:
        radius = far
    if not isinstance(radius, numbers.Integral) or radius < 0 or order < 0:
        raise NotServed
    if type(sigma) in (int, float) and type(order) is int and radius <= LONGEST_KEPT:
        return _cached_gaussian(sigma, order, int(radius))
    return _gaussian(sigma, order, radius)


def _gaussian(sigma, order, radius):
    # rounded as SciPy rounds it, step by step: a product of a polynomial and a Gaussian
    variance = sigma * sigma
    x = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 / variance * x**2)
    bell = bell / bell.sum()
    if order:
        powers = np.arange(order + 1)
        polynomial = np.zeros(order + 1)
        polynomial[0] = 1
        derive = np.diag(powers[1:], 1) + np.diag(np.ones(order) / -variance, -1)
        for _ in range(order):
            polynomial = derive.dot(polynomial)
        bell = (x[:, None] ** powers).dot(polynomial) * bell
    return np.ascontiguousarray(bell[::-1], np.float64)


_cached_gaussian = functools.lru_cache(maxsize=64)(_gaussian)
