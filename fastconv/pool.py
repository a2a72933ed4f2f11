"""The public poolings: a docstring, then describe and run."""
from __future__ import annotations

from fastconv._call import pool_backward_mean, pool_backward_where, pool_forward
from fastconv._desc import describe_pool, spatial_rank

__all__ = [
    "avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward", "min_pool2d",
    "pool_output_shape",
]


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the maximum of each window.

    Padding never wins: a window's maximum is that of its real elements. A window with a NaN
    gives NaN.

    Parameters
    ----------
    x : array_like
        Images ``(N, C, H, W)``, or ``(N, H, W, C)`` with ``data_format="channels_last"``; the
        batch axis may be left out.
    kernel_size : int or sequence of int
        Extent of the window, one for both axes or one for each.
    stride : int or sequence of int, optional
        Step between windows; by default the kernel size.
    padding : int, sequence or str, default 0
        As for `conv2d`; less than the window's extent.
    dilation : int or sequence of int, default 1
        Step between the elements of a window.
    ceil_mode : bool, default False
        Round the result's size up: a last window may hang over the end, if it starts before it.
    return_indices : bool, default False
        Also return where each maximum was found.
    data_format : {"channels_first", "channels_last"}
        Where `x` and the result have their channels.
    num_threads : int, optional
        Most threads; by default `get_num_threads`.
    out : ndarray, optional
        Receives the result and is returned. It may overlap `x`.

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`.
    indices : ndarray of int64
        Only if `return_indices`: for each maximum its flat position in the unpadded plane
        ``(H, W)`` of its image and channel; of equal elements, the first in row-major order.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the dtype is not supported.
    ValueError
        If sizes do not fit together, or a window would lie wholly in the padding.
    MemoryError
        If the result cannot be allocated.

    See Also
    --------
    max_pool2d_backward : The gradient.
    min_pool2d, avg_pool2d

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.arange(16.0).reshape(1, 4, 4)
    >>> fastconv.max_pool2d(image, 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    >>> fastconv.max_pool2d(image, 2, return_indices=True)[1]
    array([[[ 5,  7],
            [13, 15]]])
    """
    return pool_forward("max_pool2d", 2, "max", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, data_format, num_threads, out)


def min_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               return_indices=False, data_format="channels_first", num_threads=None, out=None):
    """Take the minimum of each window.

    Parameters
    ----------
    x : array_like
        Images, as for `max_pool2d`.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, data_format
        As for `max_pool2d`.
    num_threads, out
        As for `max_pool2d`.

    Returns
    -------
    ndarray
        The minima, with the dtype of `x`.
    indices : ndarray of int64
        Only if `return_indices`: where they were found, as for `max_pool2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d` does.

    See Also
    --------
    max_pool2d
    max_pool2d_backward : Serves as the gradient of this one too.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.min_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 0.,  2.],
            [ 8., 10.]]])
    """
    return pool_forward("min_pool2d", 2, "min", x, kernel_size, stride, padding, dilation,
                        ceil_mode, return_indices, True, None, data_format, num_threads, out)


def avg_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
               count_include_pad=True, divisor_override=None, data_format="channels_first",
               num_threads=None, out=None):
    """Take the average of each window.

    Parameters
    ----------
    x : array_like
        Images, as for `max_pool2d`.
    kernel_size, stride, padding, dilation, ceil_mode
        As for `max_pool2d`.
    count_include_pad : bool, default True
        Divide by all positions of the window that lie within the padded image, else by the real
        ones only. What `ceil_mode` lets hang over never counts.
    divisor_override : number, optional
        Divide by this instead; it must not be 0.
    data_format, num_threads, out
        As for `max_pool2d`.

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d` does.

    See Also
    --------
    avg_pool2d_backward : The gradient.
    max_pool2d

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    return pool_forward("avg_pool2d", 2, "mean", x, kernel_size, stride, padding, dilation,
                        ceil_mode, False, count_include_pad, divisor_override, data_format,
                        num_threads, out)


def max_pool2d_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                        num_threads=None, out=None):
    """Gradient of `max_pool2d` and `min_pool2d` with respect to their input.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the result, with its shape.
    indices : array_like of int
        What the forward call returned with ``return_indices=True``.
    input_shape : sequence of int
        Shape of the forward call's `x`.
    data_format : {"channels_first", "channels_last"}
        As in the forward call.
    num_threads, out
        As for `max_pool2d`.

    Returns
    -------
    ndarray
        Zero but where a maximum was found; where windows share one, their gradients add up.

    Raises
    ------
    TypeError
        If `indices` are not integers.
    ValueError
        If shapes do not fit together, or an index lies outside the plane.

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


def avg_pool2d_backward(grad_output, input_shape, kernel_size, stride=None, padding=0,
                        dilation=1, *, ceil_mode=False, count_include_pad=True,
                        divisor_override=None, data_format="channels_first", num_threads=None,
                        out=None):
    """Gradient of `avg_pool2d` with respect to its input.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the result, with its shape.
    input_shape : sequence of int
        Shape of the forward call's `x`.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override
        As in the forward call.
    data_format, num_threads, out
        As for `max_pool2d`.

    Returns
    -------
    ndarray
        The gradient, of shape `input_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `max_pool2d` does; ValueError also if `grad_output` is not what an input of
        `input_shape` gives.

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


def pool_output_shape(x_shape, kernel_size, stride=None, padding=0, dilation=1, *,
                      ceil_mode=False, data_format="channels_first"):
    """Shape of a pooling's result, by arithmetic alone.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input.
    kernel_size : int or sequence of int
        Extent of the window. Its entries tell the number of spatial axes; with a single number
        `x_shape` has a batch axis, or is one image ``(C, H, W)``.
    stride, padding, dilation, ceil_mode, data_format
        As for `max_pool2d`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d` does.

    See Also
    --------
    conv_output_shape : The same for convolutions.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.pool_output_shape((1, 64, 112, 112), 3, stride=2, padding=1)
    (1, 64, 56, 56)
    """
    shape = tuple(x_shape)
    rank = spatial_rank(kernel_size, len(shape))
    return describe_pool("pool_output_shape", rank, shape, kernel_size, stride, padding,
                         dilation, ceil_mode, data_format).output_shape()
