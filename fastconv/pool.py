"""The public poolings: a docstring, then describe and run.

Every family has a name for each rank and one that takes the rank from its arguments. What their
docstrings share is written once, in `_pool_docs`.
"""
from __future__ import annotations

from fastconv._call import (
    pool_adaptive,
    pool_backward_adaptive,
    pool_backward_mean,
    pool_backward_norm,
    pool_backward_where,
    pool_forward,
    pool_global,
    pool_unpool,
)
from fastconv._desc import as_shape, describe_pool, pool_rank
from fastconv._pool_docs import described

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool1d", "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward", "adaptive_avg_pool_backward", "adaptive_max_pool",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool", "avg_pool1d",
    "avg_pool1d_backward", "avg_pool2d", "avg_pool2d_backward", "avg_pool3d",
    "avg_pool3d_backward", "avg_pool_backward", "global_avg_pool", "global_max_pool", "lp_pool",
    "lp_pool1d", "lp_pool1d_backward", "lp_pool2d", "lp_pool2d_backward", "lp_pool3d",
    "lp_pool3d_backward", "lp_pool_backward", "max_pool", "max_pool1d", "max_pool1d_backward",
    "max_pool2d", "max_pool2d_backward", "max_pool3d", "max_pool3d_backward", "max_pool_backward",
    "max_unpool", "max_unpool1d", "max_unpool2d", "max_unpool3d", "min_pool", "min_pool1d",
    "min_pool2d", "min_pool3d", "pool_output_shape",
]


@described(1)
def max_pool1d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each window of a signal.

    Padding never wins: a window's maximum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool1d_backward : The gradient.
    max_unpool1d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 5, 2, 4]])
    >>> fastconv.max_pool1d(x, 2)
    array([[5., 4.]])
    """
    return pool_forward("max_pool1d", 1, "max", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(2)
def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each window of an image.

    Padding never wins: a window's maximum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool2d_backward : The gradient.
    max_unpool2d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> fastconv.max_pool2d(x, 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    >>> fastconv.max_pool2d(x, 2, return_indices=True)[1]
    array([[[ 5,  7],
            [13, 15]]])
    """
    return pool_forward("max_pool2d", 2, "max", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(3)
def max_pool3d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each window of a volume.

    Padding never wins: a window's maximum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool3d_backward : The gradient.
    max_unpool3d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
    >>> fastconv.max_pool3d(x, 2)
    array([[[[13., 15.]]]])
    """
    return pool_forward("max_pool3d", 3, "max", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(None)
def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
             return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each window of signals, images or volumes.

    Padding never wins: a window's maximum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool_backward : The gradient.
    max_unpool : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.max_pool(x, 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return pool_forward("max_pool", None, "max", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(1)
def min_pool1d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the minimum of each window of a signal.

    Padding never wins: a window's minimum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The minima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool1d_backward : The gradient.
    max_unpool1d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 5, 2, 4]])
    >>> fastconv.min_pool1d(x, 2)
    array([[1., 2.]])
    """
    return pool_forward("min_pool1d", 1, "min", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(2)
def min_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the minimum of each window of an image.

    Padding never wins: a window's minimum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The minima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool2d_backward : The gradient.
    max_unpool2d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> fastconv.min_pool2d(x, 2)
    array([[[ 0.,  2.],
            [ 8., 10.]]])
    """
    return pool_forward("min_pool2d", 2, "min", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(3)
def min_pool3d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the minimum of each window of a volume.

    Padding never wins: a window's minimum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The minima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool3d_backward : The gradient.
    max_unpool3d : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
    >>> fastconv.min_pool3d(x, 2)
    array([[[[0., 2.]]]])
    """
    return pool_forward("min_pool3d", 3, "min", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(None)
def min_pool(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
             return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the minimum of each window of signals, images or volumes.

    Padding never wins: a window's minimum is that of its real elements. A window with a NaN gives
    NaN. Every real dtype is exact.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The minima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool_backward : The gradient.
    max_unpool : Puts elements back to where they were found.

    %(source)s

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.min_pool(x, 2)
    array([[[[ 0.,  2.],
             [ 8., 10.]]]])
    """
    return pool_forward("min_pool", None, "min", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, None, data_format, num_threads, out)


@described(1)
def avg_pool1d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               count_include_pad=True, divisor_override=None, data_format="channels_first",
               num_threads=None, out=None):
    r"""Take the average of each window of a signal.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    avg_pool1d_backward : The gradient.
    adaptive_avg_pool1d : For a result of given size.

    Notes
    -----
    float16 is summed in float32, integers in float64: their sums are exact below 2\ :sup:`53`. Long
    sums are added in pairs, in float64 for float32.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 5, 2, 4]])
    >>> fastconv.avg_pool1d(x, 2)
    array([[3., 3.]])
    """
    return pool_forward("avg_pool1d", 1, "mean", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, count_include_pad, divisor_override, None, data_format,
                        num_threads, out)


@described(2)
def avg_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               count_include_pad=True, divisor_override=None, data_format="channels_first",
               num_threads=None, out=None):
    r"""Take the average of each window of an image.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    avg_pool2d_backward : The gradient.
    adaptive_avg_pool2d : For a result of given size.

    Notes
    -----
    float16 is summed in float32, integers in float64: their sums are exact below 2\ :sup:`53`. Long
    sums are added in pairs, in float64 for float32.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> fastconv.avg_pool2d(x, 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    return pool_forward("avg_pool2d", 2, "mean", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, count_include_pad, divisor_override, None, data_format,
                        num_threads, out)


@described(3)
def avg_pool3d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               count_include_pad=True, divisor_override=None, data_format="channels_first",
               num_threads=None, out=None):
    r"""Take the average of each window of a volume.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    avg_pool3d_backward : The gradient.
    adaptive_avg_pool3d : For a result of given size.

    Notes
    -----
    float16 is summed in float32, integers in float64: their sums are exact below 2\ :sup:`53`. Long
    sums are added in pairs, in float64 for float32.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
    >>> fastconv.avg_pool3d(x, 2)
    array([[[[6.5, 8.5]]]])
    """
    return pool_forward("avg_pool3d", 3, "mean", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, count_include_pad, divisor_override, None, data_format,
                        num_threads, out)


@described(None)
def avg_pool(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
             count_include_pad=True, divisor_override=None, data_format="channels_first",
             num_threads=None, out=None):
    r"""Take the average of each window of signals, images or volumes.

    Parameters
    ----------
    %(x)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    avg_pool_backward : The gradient.
    adaptive_avg_pool : For a result of given size.

    Notes
    -----
    float16 is summed in float32, integers in float64: their sums are exact below 2\ :sup:`53`. Long
    sums are added in pairs, in float64 for float32.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fastconv.avg_pool(x, 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return pool_forward("avg_pool", None, "mean", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, count_include_pad, divisor_override, None, data_format,
                        num_threads, out)


@described(1)
def lp_pool1d(x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
              data_format="channels_first", num_threads=None, out=None):
    """Take the p-norm of each window of a signal.

    That is the p-th root of the sum of p-th powers of magnitudes. It neither overflows nor
    underflows where the norm itself does not.

    Parameters
    ----------
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The norms, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    lp_pool1d_backward : The gradient.
    avg_pool1d : Averages.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[3.0, 4, 0, 2]])
    >>> fastconv.lp_pool1d(x, 2, 2)
    array([[5., 2.]])
    """
    return pool_forward("lp_pool1d", 1, "norm", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, True, None, norm_type, data_format, num_threads, out)


@described(2)
def lp_pool2d(x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
              data_format="channels_first", num_threads=None, out=None):
    """Take the p-norm of each window of an image.

    That is the p-th root of the sum of p-th powers of magnitudes. It neither overflows nor
    underflows where the norm itself does not.

    Parameters
    ----------
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The norms, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    lp_pool2d_backward : The gradient.
    avg_pool2d : Averages.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[3.0, 4], [0, 0]]])
    >>> fastconv.lp_pool2d(x, 2, 2)
    array([[[5.]]])
    """
    return pool_forward("lp_pool2d", 2, "norm", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, True, None, norm_type, data_format, num_threads, out)


@described(3)
def lp_pool3d(x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
              data_format="channels_first", num_threads=None, out=None):
    """Take the p-norm of each window of a volume.

    That is the p-th root of the sum of p-th powers of magnitudes. It neither overflows nor
    underflows where the norm itself does not.

    Parameters
    ----------
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The norms, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    lp_pool3d_backward : The gradient.
    avg_pool3d : Averages.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[3.0, 4], [0, 0]]]])
    >>> fastconv.lp_pool3d(x, 2, (1, 2, 2))
    array([[[[5.]]]])
    """
    return pool_forward("lp_pool3d", 3, "norm", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, True, None, norm_type, data_format, num_threads, out)


@described(None)
def lp_pool(x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
            data_format="channels_first", num_threads=None, out=None):
    """Take the p-norm of each window of signals, images or volumes.

    That is the p-th root of the sum of p-th powers of magnitudes. It neither overflows nor
    underflows where the norm itself does not.

    Parameters
    ----------
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The norms, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    lp_pool_backward : The gradient.
    avg_pool : Averages.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[3.0, 4], [0, 0]]]])
    >>> fastconv.lp_pool(x, 2, 2)
    array([[[[5.]]]])
    """
    return pool_forward("lp_pool", None, "norm", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, True, None, norm_type, data_format, num_threads, out)


@described(1, "output_size")
def adaptive_avg_pool1d(x, output_size, *, data_format="channels_first", num_threads=None,
                        out=None):
    """Take the average of windows that share the input out evenly, of a signal.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    adaptive_avg_pool1d_backward : The gradient.
    global_avg_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 2, 3, 4, 5]])
    >>> fastconv.adaptive_avg_pool1d(x, 2)
    array([[2., 4.]])
    """
    return pool_adaptive("adaptive_avg_pool1d", 1, "mean", x, output_size, False, data_format,
                         num_threads, out)


@described(2, "output_size")
def adaptive_avg_pool2d(x, output_size, *, data_format="channels_first", num_threads=None,
                        out=None):
    """Take the average of windows that share the input out evenly, of an image.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    adaptive_avg_pool2d_backward : The gradient.
    global_avg_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> fastconv.adaptive_avg_pool2d(x, (1, 2))
    array([[[3.5, 4.5]]])
    """
    return pool_adaptive("adaptive_avg_pool2d", 2, "mean", x, output_size, False, data_format,
                         num_threads, out)


@described(3, "output_size")
def adaptive_avg_pool3d(x, output_size, *, data_format="channels_first", num_threads=None,
                        out=None):
    """Take the average of windows that share the input out evenly, of a volume.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    adaptive_avg_pool3d_backward : The gradient.
    global_avg_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> fastconv.adaptive_avg_pool3d(x, 1)
    array([[[[3.5]]]])
    """
    return pool_adaptive("adaptive_avg_pool3d", 3, "mean", x, output_size, False, data_format,
                         num_threads, out)


@described(None, "output_size")
def adaptive_avg_pool(x, output_size, *, data_format="channels_first", num_threads=None, out=None):
    """Take the average of windows that share the input out evenly, of signals, images or volumes.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool.

    %(raises)s

    See Also
    --------
    adaptive_avg_pool_backward : The gradient.
    global_avg_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> fastconv.adaptive_avg_pool(x, (1, 2))
    array([[[3.5, 4.5]]])
    """
    return pool_adaptive("adaptive_avg_pool", None, "mean", x, output_size, False, data_format,
                         num_threads, out)


@described(1, "output_size")
def adaptive_max_pool1d(x, output_size, *, return_indices=False, data_format="channels_first",
                        num_threads=None, out=None):
    """Take the maximum of windows that share the input out evenly, of a signal.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool1d_backward : The gradient.
    global_max_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 2, 3, 4, 5]])
    >>> fastconv.adaptive_max_pool1d(x, 2)
    array([[3., 5.]])
    """
    return pool_adaptive("adaptive_max_pool1d", 1, "max", x, output_size, return_indices,
                         data_format, num_threads, out)


@described(2, "output_size")
def adaptive_max_pool2d(x, output_size, *, return_indices=False, data_format="channels_first",
                        num_threads=None, out=None):
    """Take the maximum of windows that share the input out evenly, of an image.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool2d_backward : The gradient.
    global_max_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> fastconv.adaptive_max_pool2d(x, (1, 2))
    array([[[7., 8.]]])
    """
    return pool_adaptive("adaptive_max_pool2d", 2, "max", x, output_size, return_indices,
                         data_format, num_threads, out)


@described(3, "output_size")
def adaptive_max_pool3d(x, output_size, *, return_indices=False, data_format="channels_first",
                        num_threads=None, out=None):
    """Take the maximum of windows that share the input out evenly, of a volume.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool3d_backward : The gradient.
    global_max_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> fastconv.adaptive_max_pool3d(x, 1)
    array([[[[7.]]]])
    """
    return pool_adaptive("adaptive_max_pool3d", 3, "max", x, output_size, return_indices,
                         data_format, num_threads, out)


@described(None, "output_size")
def adaptive_max_pool(x, output_size, *, return_indices=False, data_format="channels_first",
                      num_threads=None, out=None):
    """Take the maximum of windows that share the input out evenly, of signals, images or volumes.

    Along an axis of length L, window i of n is the elements from ``floor(i L / n)`` up to, and not
    including, ``ceil((i + 1) L / n)``. Windows may overlap by an element, and there may be more of
    them than elements.

    Parameters
    ----------
    %(x)s
    %(output_size)s
    %(return_indices)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    %(indices)s

    %(raises)s

    See Also
    --------
    max_pool_backward : The gradient.
    global_max_pool : One window for each plane.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> fastconv.adaptive_max_pool(x, (1, 2))
    array([[[7., 8.]]])
    """
    return pool_adaptive("adaptive_max_pool", None, "max", x, output_size, return_indices,
                         data_format, num_threads, out)


@described(2)
def global_avg_pool(x, *, rank=None, data_format="channels_first", num_threads=None, out=None):
    """Take the average of each plane: of everything that an image has in one channel.

    Parameters
    ----------
    %(planes)s
    %(call)s

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool. The
        spatial axes stay, with length 1.

    %(raises)s

    See Also
    --------
    adaptive_avg_pool : For a result of any size.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(32.0).reshape(1, 2, 4, 4)
    >>> fastconv.global_avg_pool(x).shape
    (1, 2, 1, 1)
    >>> fastconv.global_avg_pool(x).ravel()
    array([ 7.5, 23.5])
    """
    return pool_global("global_avg_pool", "mean", x, rank, data_format, num_threads, out)


@described(2)
def global_max_pool(x, *, rank=None, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each plane: of everything that an image has in one channel.

    Parameters
    ----------
    %(planes)s
    %(call)s

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`. The spatial axes stay, with length 1.

    %(raises)s

    See Also
    --------
    adaptive_max_pool : For a result of any size.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(32.0).reshape(1, 2, 4, 4)
    >>> fastconv.global_max_pool(x).shape
    (1, 2, 1, 1)
    >>> fastconv.global_max_pool(x).ravel()
    array([15., 31.])
    """
    return pool_global("global_max_pool", "max", x, rank, data_format, num_threads, out)


@described(1)
def max_unpool1d(x, indices, kernel_size, stride=None, padding=0, *, output_size=None,
                 data_format="channels_first", num_threads=None, out=None):
    """Put the elements of a maximum pooling back to where they were found, of a signal.

    Parameters
    ----------
    %(x)s
    indices : array_like of int
        Flat positions in the plane of the result, in the shape of `x`, as returned by
        `max_pool1d` with ``return_indices=True``.
    %(kernel_size)s
    %(unpooled)s
    %(call)s

    Returns
    -------
    ndarray
        The elements in their places, and zeros, with the dtype of `x`. Where indices are equal, the
        last element in row-major order stays.

    %(raises)s

    See Also
    --------
    max_pool1d : Gives the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 5, 2, 4]])
    >>> y, indices = fastconv.max_pool1d(x, 2, return_indices=True)
    >>> fastconv.max_unpool1d(y, indices, 2)
    array([[0., 5., 0., 4.]])
    """
    return pool_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size,
                       data_format, num_threads, out)


@described(2)
def max_unpool2d(x, indices, kernel_size, stride=None, padding=0, *, output_size=None,
                 data_format="channels_first", num_threads=None, out=None):
    """Put the elements of a maximum pooling back to where they were found, of an image.

    Parameters
    ----------
    %(x)s
    indices : array_like of int
        Flat positions in the plane of the result, in the shape of `x`, as returned by
        `max_pool2d` with ``return_indices=True``.
    %(kernel_size)s
    %(unpooled)s
    %(call)s

    Returns
    -------
    ndarray
        The elements in their places, and zeros, with the dtype of `x`. Where indices are equal, the
        last element in row-major order stays.

    %(raises)s

    See Also
    --------
    max_pool2d : Gives the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[1.0, 5], [2, 3]]])
    >>> y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    >>> fastconv.max_unpool2d(y, indices, 2)
    array([[[0., 5.],
            [0., 0.]]])
    """
    return pool_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size,
                       data_format, num_threads, out)


@described(3)
def max_unpool3d(x, indices, kernel_size, stride=None, padding=0, *, output_size=None,
                 data_format="channels_first", num_threads=None, out=None):
    """Put the elements of a maximum pooling back to where they were found, of a volume.

    Parameters
    ----------
    %(x)s
    indices : array_like of int
        Flat positions in the plane of the result, in the shape of `x`, as returned by
        `max_pool3d` with ``return_indices=True``.
    %(kernel_size)s
    %(unpooled)s
    %(call)s

    Returns
    -------
    ndarray
        The elements in their places, and zeros, with the dtype of `x`. Where indices are equal, the
        last element in row-major order stays.

    %(raises)s

    See Also
    --------
    max_pool3d : Gives the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, 5], [2, 3]], [[0, 1], [1, 0]]]])
    >>> y, indices = fastconv.max_pool3d(x, 2, return_indices=True)
    >>> fastconv.max_unpool3d(y, indices, 2)
    array([[[[0., 5.],
             [0., 0.]],
    <BLANKLINE>
            [[0., 0.],
             [0., 0.]]]])
    """
    return pool_unpool("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size,
                       data_format, num_threads, out)


@described(None)
def max_unpool(x, indices, kernel_size, stride=None, padding=0, *, output_size=None,
               data_format="channels_first", num_threads=None, out=None):
    """Put the elements of a maximum pooling back to where they were found.

    Parameters
    ----------
    %(x)s
    indices : array_like of int
        Flat positions in the plane of the result, in the shape of `x`, as returned by
        `max_pool` with ``return_indices=True``.
    %(kernel_size)s
    %(unpooled)s
    %(call)s

    Returns
    -------
    ndarray
        The elements in their places, and zeros, with the dtype of `x`. Where indices are equal, the
        last element in row-major order stays.

    %(raises)s

    See Also
    --------
    max_pool : Gives the indices.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, 5], [2, 3]]]])
    >>> y, indices = fastconv.max_pool(x, 2, return_indices=True)
    >>> fastconv.max_unpool(y, indices, 2)
    array([[[[0., 5.],
             [0., 0.]]]])
    """
    return pool_unpool("max_unpool", None, x, indices, kernel_size, stride, padding, output_size,
                       data_format, num_threads, out)


@described(1)
def max_pool1d_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                        num_threads=None, out=None):
    """Gradient of `max_pool1d`, `min_pool1d` and `adaptive_max_pool1d`.

    Parameters
    ----------
    %(grad_output)s
    indices : array_like of int
        What the forward call returned with ``return_indices=True``.
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`: zero but where an element was found; where windows share one, their
        gradients add up. It has the dtype of `grad_output`; float64 for integers and bool.

    %(raises_backward)s

    See Also
    --------
    max_pool1d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 5, 2, 3]])
    >>> y, indices = fastconv.max_pool1d(x, 2, return_indices=True)
    >>> fastconv.max_pool1d_backward(np.ones_like(y), indices, x.shape)
    array([[0., 1., 0., 1.]])
    """
    return pool_backward_where("max_pool1d_backward", 1, grad_output, indices, input_shape,
                               data_format, num_threads, out)


@described(2)
def max_pool2d_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                        num_threads=None, out=None):
    """Gradient of `max_pool2d`, `min_pool2d` and `adaptive_max_pool2d`.

    Parameters
    ----------
    %(grad_output)s
    indices : array_like of int
        What the forward call returned with ``return_indices=True``.
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`: zero but where an element was found; where windows share one, their
        gradients add up. It has the dtype of `grad_output`; float64 for integers and bool.

    %(raises_backward)s

    See Also
    --------
    max_pool2d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[1.0, 5], [2, 3]]])
    >>> y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    >>> fastconv.max_pool2d_backward(np.ones_like(y), indices, x.shape)
    array([[[0., 1.],
            [0., 0.]]])
    """
    return pool_backward_where("max_pool2d_backward", 2, grad_output, indices, input_shape,
                               data_format, num_threads, out)


@described(3)
def max_pool3d_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                        num_threads=None, out=None):
    """Gradient of `max_pool3d`, `min_pool3d` and `adaptive_max_pool3d`.

    Parameters
    ----------
    %(grad_output)s
    indices : array_like of int
        What the forward call returned with ``return_indices=True``.
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`: zero but where an element was found; where windows share one, their
        gradients add up. It has the dtype of `grad_output`; float64 for integers and bool.

    %(raises_backward)s

    See Also
    --------
    max_pool3d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, 5], [2, 3]]]])
    >>> y, indices = fastconv.max_pool3d(x, (1, 2, 2), return_indices=True)
    >>> fastconv.max_pool3d_backward(np.ones_like(y), indices, x.shape)
    array([[[[0., 1.],
             [0., 0.]]]])
    """
    return pool_backward_where("max_pool3d_backward", 3, grad_output, indices, input_shape,
                               data_format, num_threads, out)


@described(None)
def max_pool_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                      num_threads=None, out=None):
    """Gradient of `max_pool`, `min_pool` and `adaptive_max_pool`.

    Parameters
    ----------
    %(grad_output)s
    indices : array_like of int
        What the forward call returned with ``return_indices=True``.
    %(input_shape_alone)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`: zero but where an element was found; where windows share one, their
        gradients add up. It has the dtype of `grad_output`; float64 for integers and bool.

    %(raises_backward)s

    See Also
    --------
    max_pool : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[1.0, 5], [2, 3]]]])
    >>> y, indices = fastconv.max_pool(x, 2, return_indices=True)
    >>> fastconv.max_pool_backward(np.ones_like(y), indices, x.shape)
    array([[[[0., 1.],
             [0., 0.]]]])
    """
    return pool_backward_where("max_pool_backward", None, grad_output, indices, input_shape,
                               data_format, num_threads, out)


@described(1)
def avg_pool1d_backward(grad_output, input_shape, kernel_size, stride=None, padding=0, dilation=1,
                        *, ceil_mode=False, count_include_pad=True, divisor_override=None,
                        data_format="channels_first", num_threads=None, out=None):
    """Gradient of `avg_pool1d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    avg_pool1d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool1d_backward(np.ones((1, 1)), (1, 2), 2)
    array([[0.5, 0.5]])
    """
    return pool_backward_mean("avg_pool1d_backward", 1, grad_output, input_shape, kernel_size,
                              stride, padding, dilation, ceil_mode, count_include_pad,
                              divisor_override, data_format, num_threads, out)


@described(2)
def avg_pool2d_backward(grad_output, input_shape, kernel_size, stride=None, padding=0, dilation=1,
                        *, ceil_mode=False, count_include_pad=True, divisor_override=None,
                        data_format="channels_first", num_threads=None, out=None):
    """Gradient of `avg_pool2d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    avg_pool2d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2), 2)
    array([[[0.25, 0.25],
            [0.25, 0.25]]])
    """
    return pool_backward_mean("avg_pool2d_backward", 2, grad_output, input_shape, kernel_size,
                              stride, padding, dilation, ceil_mode, count_include_pad,
                              divisor_override, data_format, num_threads, out)


@described(3)
def avg_pool3d_backward(grad_output, input_shape, kernel_size, stride=None, padding=0, dilation=1,
                        *, ceil_mode=False, count_include_pad=True, divisor_override=None,
                        data_format="channels_first", num_threads=None, out=None):
    """Gradient of `avg_pool3d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    avg_pool3d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2), (1, 2, 2))
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    return pool_backward_mean("avg_pool3d_backward", 3, grad_output, input_shape, kernel_size,
                              stride, padding, dilation, ceil_mode, count_include_pad,
                              divisor_override, data_format, num_threads, out)


@described(None)
def avg_pool_backward(grad_output, input_shape, kernel_size, stride=None, padding=0, dilation=1, *,
                      ceil_mode=False, count_include_pad=True, divisor_override=None,
                      data_format="channels_first", num_threads=None, out=None):
    """Gradient of `avg_pool` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(window)s
    %(divisor)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    avg_pool : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool_backward(np.ones((1, 1, 1)), (1, 2, 2), (2, 2))
    array([[[0.25, 0.25],
            [0.25, 0.25]]])
    """
    return pool_backward_mean("avg_pool_backward", None, grad_output, input_shape, kernel_size,
                              stride, padding, dilation, ceil_mode, count_include_pad,
                              divisor_override, data_format, num_threads, out)


@described(1)
def lp_pool1d_backward(grad_output, x, norm_type, kernel_size, stride=None, padding=0, dilation=1,
                       *, ceil_mode=False, data_format="channels_first", num_threads=None,
                       out=None):
    """Gradient of `lp_pool1d` with respect to its input.

    Of a norm y, that of an element x is ``sign(x) (abs(x) / y)**(p - 1)``, and 0 where x or y is 0.
    With p = inf it is the sign of the first largest element.

    Parameters
    ----------
    %(grad_output)s
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, with the dtype that `grad_output` and `x` have together; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    lp_pool1d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[3.0, 4]])
    >>> fastconv.lp_pool1d_backward(np.ones((1, 1)), x, 2, 2)
    array([[0.6, 0.8]])
    """
    return pool_backward_norm("lp_pool1d_backward", 1, grad_output, x, norm_type, kernel_size,
                              stride, padding, dilation, ceil_mode, data_format, num_threads, out)


@described(2)
def lp_pool2d_backward(grad_output, x, norm_type, kernel_size, stride=None, padding=0, dilation=1,
                       *, ceil_mode=False, data_format="channels_first", num_threads=None,
                       out=None):
    """Gradient of `lp_pool2d` with respect to its input.

    Of a norm y, that of an element x is ``sign(x) (abs(x) / y)**(p - 1)``, and 0 where x or y is 0.
    With p = inf it is the sign of the first largest element.

    Parameters
    ----------
    %(grad_output)s
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, with the dtype that `grad_output` and `x` have together; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    lp_pool2d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[3.0, 4], [0, 0]]])
    >>> fastconv.lp_pool2d_backward(np.ones((1, 1, 1)), x, 2, 2)
    array([[[0.6, 0.8],
            [0. , 0. ]]])
    """
    return pool_backward_norm("lp_pool2d_backward", 2, grad_output, x, norm_type, kernel_size,
                              stride, padding, dilation, ceil_mode, data_format, num_threads, out)


@described(3)
def lp_pool3d_backward(grad_output, x, norm_type, kernel_size, stride=None, padding=0, dilation=1,
                       *, ceil_mode=False, data_format="channels_first", num_threads=None,
                       out=None):
    """Gradient of `lp_pool3d` with respect to its input.

    Of a norm y, that of an element x is ``sign(x) (abs(x) / y)**(p - 1)``, and 0 where x or y is 0.
    With p = inf it is the sign of the first largest element.

    Parameters
    ----------
    %(grad_output)s
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, with the dtype that `grad_output` and `x` have together; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    lp_pool3d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[[3.0, 4], [0, 0]]]])
    >>> fastconv.lp_pool3d_backward(np.ones((1, 1, 1, 1)), x, 2, (1, 2, 2))
    array([[[[0.6, 0.8],
             [0. , 0. ]]]])
    """
    return pool_backward_norm("lp_pool3d_backward", 3, grad_output, x, norm_type, kernel_size,
                              stride, padding, dilation, ceil_mode, data_format, num_threads, out)


@described(None)
def lp_pool_backward(grad_output, x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *,
                     ceil_mode=False, data_format="channels_first", num_threads=None, out=None):
    """Gradient of `lp_pool` with respect to its input.

    Of a norm y, that of an element x is ``sign(x) (abs(x) / y)**(p - 1)``, and 0 where x or y is 0.
    With p = inf it is the sign of the first largest element.

    Parameters
    ----------
    %(grad_output)s
    %(x)s
    %(norm_type)s
    %(window)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, with the dtype that `grad_output` and `x` have together; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    lp_pool : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[[3.0, 4], [0, 0]]])
    >>> fastconv.lp_pool_backward(np.ones((1, 1, 1)), x, 2, (2, 2))
    array([[[0.6, 0.8],
            [0. , 0. ]]])
    """
    return pool_backward_norm("lp_pool_backward", None, grad_output, x, norm_type, kernel_size,
                              stride, padding, dilation, ceil_mode, data_format, num_threads, out)


@described(1)
def adaptive_avg_pool1d_backward(grad_output, input_shape, *, data_format="channels_first",
                                 num_threads=None, out=None):
    """Gradient of `adaptive_avg_pool1d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    adaptive_avg_pool1d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool1d_backward(np.ones((1, 1)), (1, 2))
    array([[0.5, 0.5]])
    """
    return pool_backward_adaptive("adaptive_avg_pool1d_backward", 1, grad_output, input_shape,
                                  data_format, num_threads, out)


@described(2)
def adaptive_avg_pool2d_backward(grad_output, input_shape, *, data_format="channels_first",
                                 num_threads=None, out=None):
    """Gradient of `adaptive_avg_pool2d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    adaptive_avg_pool2d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2))
    array([[[0.25, 0.25],
            [0.25, 0.25]]])
    """
    return pool_backward_adaptive("adaptive_avg_pool2d_backward", 2, grad_output, input_shape,
                                  data_format, num_threads, out)


@described(3)
def adaptive_avg_pool3d_backward(grad_output, input_shape, *, data_format="channels_first",
                                 num_threads=None, out=None):
    """Gradient of `adaptive_avg_pool3d` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    adaptive_avg_pool3d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2))
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    return pool_backward_adaptive("adaptive_avg_pool3d_backward", 3, grad_output, input_shape,
                                  data_format, num_threads, out)


@described(None)
def adaptive_avg_pool_backward(grad_output, input_shape, *, data_format="channels_first",
                               num_threads=None, out=None):
    """Gradient of `adaptive_avg_pool` with respect to its input.

    Parameters
    ----------
    %(grad_output)s
    %(input_shape_alone)s
    %(call)s

    Returns
    -------
    ndarray
        The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64 for
        integers and bool.

    %(raises_backward)s

    See Also
    --------
    adaptive_avg_pool : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.adaptive_avg_pool_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2))
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    return pool_backward_adaptive("adaptive_avg_pool_backward", None, grad_output, input_shape,
                                  data_format, num_threads, out)


def pool_output_shape(x_shape, kernel_size, stride=None, padding=0, dilation=1, *,
                      ceil_mode=False, data_format="channels_first"):
    """Shape of a pooling's result, by arithmetic alone.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input.
    kernel_size : int or sequence of int
        Extent of the window. Its entries tell the number of spatial axes, and then the batch axis
        may be left out; with a single number they follow from `x_shape` as for `max_pool`.
    stride, padding, dilation, ceil_mode, data_format
        As for `max_pool`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `max_pool` does.

    See Also
    --------
    conv_output_shape : The same for convolutions.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.pool_output_shape((1, 64, 112, 112), 3, stride=2, padding=1)
    (1, 64, 56, 56)
    """
    shape = as_shape("pool_output_shape", "x_shape", x_shape)
    rank = pool_rank("pool_output_shape", "kernel_size", kernel_size, len(shape))
    return describe_pool("pool_output_shape", rank, shape, kernel_size, stride, padding,
                         dilation, ceil_mode, data_format).output_shape()
