"""The public convolutions: a docstring, then describe, select and run."""
from __future__ import annotations

import math
import time

import numpy as np

from fastconv import _call, _select
from fastconv._algorithms import im2col as _im2col
from fastconv._desc import (
    as_array,
    channels_first,
    check_shape,
    columns_shape,
    compute_dtype,
    describe_columns,
    describe_conv,
    operand,
)
from fastconv.runtime import get_num_threads

__all__ = [
    "col2im", "conv2d", "conv2d_backward_bias", "conv2d_backward_data",
    "conv2d_backward_weight", "conv_cost", "conv_output_shape", "explain", "im2col",
]


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
           padding_mode="zeros", data_format="channels_first", flip=False, activation=None,
           residual=None, precision=None, method="auto", max_workspace=None, num_threads=None,
           out=None):
    """Convolve images with a bank of filters.

    ``y[n, k, i, j] = act(sum of x[n, c, i*s + a*d - p, j*s + b*d - p] * weight[k, c, a, b]
    over c, a, b, + bias[k] + residual[n, k, i, j])``. As everywhere in deep learning this is
    cross-correlation; ``flip=True`` gives the mathematical convolution.

    Parameters
    ----------
    x : array_like
        Images ``(N, C, H, W)``, or ``(N, H, W, C)`` with ``data_format="channels_last"``; the
        batch axis may be left out.
    weight : array_like
        Filters ``(K, C / groups, kernel height, kernel width)``, in either data format.
    bias : array_like, optional
        One number for each filter, ``(K,)``.
    stride, dilation : int or sequence of int, default 1
        One for both axes, or one for each. A dilation of 1 is none.
    padding : int, sequence or str, default 0
        One number, one for each axis, one ``(before, after)`` pair for each axis, or
        ``"valid"`` (none), ``"same"`` (the result has ``ceil(length / stride)`` elements, an odd
        one is added after), ``"same_lower"`` (added before) or ``"full"``.
    groups : int, default 1
        Filters are divided into groups, each of which sees its part of the channels.
    padding_mode : str, default "zeros"
        What the padding holds: ``"zeros"``, ``"reflect"``, ``"symmetric"``, ``"replicate"`` or
        ``"circular"`` (`numpy.pad`'s names ``"constant"``, ``"edge"``, ``"wrap"`` work too).
    data_format : {"channels_first", "channels_last"}
        Where `x` and the result have their channels.
    flip : bool, default False
        Flip the kernels: the convolution of mathematics and of `scipy.signal`.
    activation : str or tuple, optional
        ``"relu"``, ``"relu6"``, ``"leaky_relu"`` (slope 0.01), ``"sigmoid"``, ``"tanh"``,
        ``"silu"`` or ``("clip", lo, hi)``, applied last.
    residual : array_like, optional
        Added before the activation; it has the result's shape.
    precision : {"highest", "high", "medium"}, optional
        What the algorithm may round; by default ``"high"`` for float32, ``"highest"`` for
        float64.
    method : str, default "auto"
        An algorithm's name; `explain` lists them.
    max_workspace : int, optional
        Most bytes of scratch memory.
    num_threads : int, optional
        Most threads; by default `get_num_threads`.
    out : ndarray, optional
        Receives the result and is returned. It may overlap an input.

    Returns
    -------
    ndarray
        ``(N, K, OH, OW)`` or ``(N, OH, OW, K)``, with the dtype that NumPy's promotion gives
        `x`, `weight` and `bias`. ``OH = floor((H + padding - dilation * (kernel - 1) - 1) /
        stride) + 1``.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the dtype is not supported.
    ValueError
        If sizes do not fit together, or a named method cannot serve.
    MemoryError
        If the result or scratch memory cannot be allocated.

    See Also
    --------
    plan_conv : Pack the weights once, for many calls.
    conv2d_backward_data, conv2d_backward_weight, conv2d_backward_bias : The gradients.
    explain : Which algorithm is chosen, and why.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> image = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> sobel = np.array([[[[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]]])
    >>> fastconv.conv2d(image, sobel)
    array([[[[-8., -8.],
             [-8., -8.]]]])
    """
    return _call.forward("conv2d", 2, x, weight, bias, stride, padding, dilation, groups,
                         padding_mode, data_format, flip, activation, residual, precision,
                         method, max_workspace, num_threads, out)


def conv2d_backward_data(grad_output, weight, input_shape, stride=1, padding=0, dilation=1,
                         groups=1, *, padding_mode="zeros", data_format="channels_first",
                         flip=False, precision=None, method="auto", max_workspace=None,
                         num_threads=None, out=None):
    """Gradient of `conv2d` with respect to its input.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the result, with its shape.
    weight : array_like
        The weights of the forward call.
    input_shape : sequence of int
        Shape of the forward call's `x`.
    stride, padding, dilation, groups, padding_mode, data_format, flip
        As in the forward call.
    precision, method, max_workspace, num_threads, out
        As for `conv2d`.

    Returns
    -------
    ndarray
        The gradient, of shape `input_shape`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d` does; ValueError also if `grad_output` is not what an input of
        `input_shape` gives.

    See Also
    --------
    conv2d : The forward pass.
    conv2d_backward_weight : The gradient with respect to the weights.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> grad = np.ones((1, 1, 2, 2))
    >>> fastconv.conv2d_backward_data(grad, np.ones((1, 1, 2, 2)), (1, 1, 3, 3))
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    return _call.backward_data("conv2d_backward_data", 2, grad_output, weight, input_shape,
                               stride, padding, dilation, groups, padding_mode, data_format,
                               flip, precision, method, max_workspace, num_threads, out)


def conv2d_backward_weight(grad_output, x, weight_shape, stride=1, padding=0, dilation=1,
                           groups=1, *, per_sample=False, padding_mode="zeros",
                           data_format="channels_first", flip=False, precision=None,
                           method="auto", max_workspace=None, num_threads=None, out=None):
    """Gradient of `conv2d` with respect to its weights.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the result, with its shape.
    x : array_like
        The input of the forward call.
    weight_shape : sequence of int
        Shape of the forward call's weights.
    stride, padding, dilation, groups, padding_mode, data_format, flip
        As in the forward call.
    per_sample : bool, default False
        Keep one gradient for each image instead of adding them up.
    precision, method, max_workspace, num_threads, out
        As for `conv2d`.

    Returns
    -------
    ndarray
        The gradient, of shape `weight_shape`, or ``(N, *weight_shape)`` if `per_sample`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d` does; ValueError also if `grad_output` is not what `x` gives with weights of
        `weight_shape`.

    See Also
    --------
    conv2d : The forward pass.
    conv2d_backward_data : The gradient with respect to the input.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> fastconv.conv2d_backward_weight(np.ones((1, 1, 2, 2)), x, (1, 1, 2, 2))
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    return _call.backward_weight("conv2d_backward_weight", 2, grad_output, x, weight_shape,
                                 stride, padding, dilation, groups, padding_mode, data_format,
                                 flip, per_sample, precision, method, max_workspace,
                                 num_threads, out)


def conv2d_backward_bias(grad_output, *, data_format="channels_first"):
    """Gradient of `conv2d` with respect to its bias.

    Parameters
    ----------
    grad_output : array_like
        Gradient of the result, with or without the batch axis.
    data_format : {"channels_first", "channels_last"}
        As in the forward call.

    Returns
    -------
    ndarray
        The sum over images and positions, ``(K,)``.

    Raises
    ------
    TypeError
        If `grad_output` is not an array of real numbers.
    ValueError
        If it does not have three or four axes.

    See Also
    --------
    conv2d : The forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.conv2d_backward_bias(np.ones((2, 3, 4, 4)))
    array([32., 32., 32.])
    """
    function = "conv2d_backward_bias"
    grad_output = as_array(function, "grad_output", grad_output)
    result, _ = compute_dtype(function, (grad_output,))
    planes = channels_first(function, 2, "grad_output", grad_output, data_format)
    # contiguous, because NumPy adds up in pairs along such an axis only
    planes = np.ascontiguousarray(planes).reshape(planes.shape[0], -1)
    return planes.sum(axis=1, dtype=np.float64).astype(result)


def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros",
           data_format="channels_first", num_threads=None):
    """Arrange what each position of a sliding window sees as the columns of a matrix.

    Convolution then is one matrix product: ``weight.reshape(K, -1) @ im2col(x, …)``.

    Parameters
    ----------
    x : array_like
        Images, as for `conv2d`.
    kernel_size : int or sequence of int
        Extent of the window on each axis; a single number is taken for both.
    stride, padding, dilation, padding_mode, data_format
        As for `conv2d`.
    num_threads : int, optional
        Most threads.

    Returns
    -------
    ndarray
        ``(N, C * kernel elements, positions)``, without ``N`` where `x` has no batch axis. Rows
        run over channels, then kernel positions.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d` does.

    See Also
    --------
    col2im : The adjoint.

    References
    ----------
    K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for
    document processing", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.im2col(np.arange(9.0).reshape(1, 3, 3), 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    function = "im2col"
    x = as_array(function, "x", x)
    result, arithmetic = compute_dtype(function, (x,))
    desc = describe_columns(function, x.shape, kernel_size, stride, padding, dilation,
                             padding_mode, data_format, arithmetic.itemsize)
    images = operand(x, arithmetic)
    images = images if desc.batched else images[np.newaxis]
    cols = np.empty((desc.batch, *columns_shape(desc)), arithmetic)
    _im2col.gather_columns(desc, images, cols, num_threads)
    cols = cols.astype(result, copy=False)
    return cols if desc.batched else cols[0]


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1, *,
           data_format="channels_first", num_threads=None):
    """Add columns up in the image they came from: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array_like
        ``(N, C * kernel elements, positions)``, as `im2col` returns it.
    input_shape : sequence of int
        Shape of the image array; without a batch axis `cols` has none either.
    kernel_size, stride, padding, dilation, data_format
        As for `im2col`.
    num_threads : int, optional
        Most threads.

    Returns
    -------
    ndarray
        Images of shape `input_shape`; elements that several columns hold are added up.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv2d` does.

    See Also
    --------
    im2col : The columns.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> cols = fastconv.im2col(np.ones((1, 3, 3)), 2)
    >>> fastconv.col2im(cols, (1, 3, 3), 2)
    array([[[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]])
    """
    function = "col2im"
    cols = as_array(function, "cols", cols)
    result, arithmetic = compute_dtype(function, (cols,))
    desc = describe_columns(function, input_shape, kernel_size, stride, padding, dilation,
                             "zeros", data_format, arithmetic.itemsize)
    shape = columns_shape(desc)
    check_shape(function, "cols", cols, (desc.batch, *shape) if desc.batched else shape,
                f"an input of shape {desc.input_shape(desc.batch)} has columns of shape")
    shape = desc.input_shape(desc.batch)
    images = np.zeros(shape if desc.batched else (1, *shape), arithmetic)
    cols = np.ascontiguousarray(operand(cols, arithmetic))
    _im2col.scatter_columns(desc, cols if desc.batched else cols[np.newaxis], images,
                            num_threads)
    images = images.astype(result, copy=False)
    return images if desc.batched else images[0]


def conv_output_shape(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *,
                      data_format="channels_first"):
    """Shape of a convolution's result, by arithmetic alone.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input, with or without the batch axis.
    weight_shape : sequence of int
        ``(filters, channels / groups, *kernel)``; it fixes the number of axes, 1 to 3.
    stride, padding, dilation, groups, data_format
        As for `conv2d`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `conv2d` does.

    See Also
    --------
    pool_output_shape : The same for pooling.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.conv_output_shape((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    """
    desc = describe_conv("conv_output_shape", None, x_shape, weight_shape, 4, stride, padding,
                         dilation, groups, "zeros", data_format)
    return desc.output_shape(desc.batch)


def conv_cost(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *, bias=False,
              dtype="float32", data_format="channels_first"):
    """What a convolution costs: parameters, multiply-adds, bytes.

    Parameters
    ----------
    x_shape, weight_shape : sequence of int
        Shapes, as for `conv_output_shape`.
    stride, padding, dilation, groups, data_format
        As for `conv2d`.
    bias : bool, default False
        Count a bias.
    dtype : dtype, default "float32"
        Of all arrays; it gives the bytes.

    Returns
    -------
    dict
        ``output_shape``; ``parameters`` (count); ``multiply_adds`` of the direct sum, padding
        included; ``flops``, twice that; ``bytes_read`` (input, weights, bias, once each) and
        ``bytes_written``; ``arithmetic_intensity`` in flops per byte.

    Raises
    ------
    TypeError, ValueError
        As `conv2d` does.

    See Also
    --------
    explain : The algorithms, and their scratch memory.

    Examples
    --------
    >>> import fastconv
    >>> cost = fastconv.conv_cost((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> cost["parameters"], cost["multiply_adds"]
    (36864, 115605504)
    """
    itemsize = np.dtype(dtype).itemsize
    desc = describe_conv("conv_cost", None, x_shape, weight_shape, itemsize, stride, padding,
                         dilation, groups, "zeros", data_format)
    shape = desc.output_shape(desc.batch)
    weights = math.prod(desc.weight_shape())
    parameters = weights + (desc.filters if bias else 0)
    outputs = math.prod(shape)
    multiply_adds = outputs * (weights // desc.filters if desc.filters else 0)
    read = (math.prod(desc.input_shape(desc.batch)) + parameters) * itemsize
    written = outputs * itemsize
    return {
        "output_shape": shape,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "flops": 2 * multiply_adds,
        "bytes_read": read,
        "bytes_written": written,
        "arithmetic_intensity": 2 * multiply_adds / (read + written) if read + written else 0.0,
    }


def explain(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *,
            padding_mode="zeros", data_format="channels_first", flip=False, dtype="float32",
            precision=None, method="auto", max_workspace=None, num_threads=None,
            which="forward", measure=False):
    """Say which algorithm a convolution takes, and why.

    Parameters
    ----------
    x_shape, weight_shape : sequence of int
        Shapes, as for `conv_output_shape`.
    stride, padding, dilation, groups, padding_mode, data_format, flip
        As for `conv2d`.
    dtype : dtype, default "float32"
        Of the arithmetic: float32 or float64.
    precision, method, max_workspace, num_threads
        As for `conv2d`.
    which : {"forward", "backward_data", "backward_weight"}
        The pass.
    measure : bool, default False
        Run each algorithm that can serve on random arrays, and time it.

    Returns
    -------
    Explanation
        A list with one dict for each algorithm: ``method``, ``verdict`` (``"chosen"``,
        ``"can serve"`` or ``"refused"``), ``reason`` of a refusal, ``flops``,
        ``workspace_bytes``, ``tier``, ``estimated_efficiency`` (of the peak of multiply-adds)
        and ``estimated_seconds`` on one thread, by which ``"auto"`` chooses, and ``seconds``
        (None unless measured). It prints as a table.

    Raises
    ------
    TypeError, ValueError
        As `conv2d` does.

    See Also
    --------
    conv_cost : What the convolution costs, whatever the algorithm.

    Examples
    --------
    >>> import fastconv
    >>> rows = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> [(row["method"], row["verdict"]) for row in rows]
    [('direct', 'chosen'), ('im2col', 'can serve'), ('fft', 'can serve'), ('sliding', 'can serve')]
    >>> rows = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, max_workspace=0)
    >>> [(row["method"], row["verdict"]) for row in rows]
    [('direct', 'refused'), ('im2col', 'refused'), ('fft', 'refused'), ('sliding', 'chosen')]
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"explain: dtype must be float32 or float64, not {dtype}")
    if which not in _select.PASSES:
        raise ValueError(
            f"explain: which={which!r} is not one of {', '.join(map(repr, _select.PASSES))}")
    desc = describe_conv("explain", None, x_shape, weight_shape, dtype.itemsize, stride, padding,
                         dilation, groups, padding_mode, data_format, flip)
    threads = get_num_threads() if num_threads is None else num_threads

    def seconds(algorithm):
        rng = np.random.default_rng(0)
        x = rng.standard_normal(desc.input_shape(desc.batch)).astype(dtype)
        weight = rng.standard_normal(desc.weight_shape()).astype(dtype)
        y = rng.standard_normal(desc.output_shape(desc.batch)).astype(dtype)
        geometry = (stride, padding, dilation, groups, padding_mode, data_format, flip)
        rest = (precision, algorithm.name, max_workspace, num_threads, None)
        calls = {
            "forward": lambda: _call.forward(
                "explain", None, x, weight, None, *geometry, None, None, *rest),
            "backward_data": lambda: _call.backward_data(
                "explain", None, y, weight, x.shape, *geometry, *rest),
            "backward_weight": lambda: _call.backward_weight(
                "explain", None, y, x, weight.shape, *geometry, False, *rest),
        }
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            calls[which]()
            best = min(best, time.perf_counter() - start)
        return best

    return _select.explanation(desc, which, precision, max_workspace, method, threads,
                               seconds if measure else None)
