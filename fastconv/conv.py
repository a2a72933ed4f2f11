"""The public convolutions: a docstring, then describe, select and run."""
import math
import time

import numpy as np

from fastconv._call import conv as call
from fastconv._call.columns import columns, images
from fastconv._call.explanation import TOLD, ConvCost
from fastconv._call.plan import Prepared
from fastconv._core.messages import shown
from fastconv._core.threads import as_thread_count
from fastconv._desc.arguments import as_array, as_dtype, as_flag, as_workspace, compute_dtype
from fastconv._desc.conv import describe_conv, settled, with_zeros
from fastconv._desc.conversion import conversion
from fastconv._desc.geometry import geometry
from fastconv._desc.transposed import describe_transposed
from fastconv._ranks import RANKS, documented, numbered
from fastconv.runtime import get_num_threads

__all__ = [
    "col2im", "conv", "conv1d", "conv1d_backward_bias", "conv1d_backward_data",
    "conv1d_backward_weight", "conv2d", "conv2d_backward_bias", "conv2d_backward_data",
    "conv2d_backward_weight", "conv3d", "conv3d_backward_bias", "conv3d_backward_data",
    "conv3d_backward_weight", "conv_backward_bias", "conv_backward_data", "conv_backward_weight",
    "conv_cost", "conv_output_shape", "conv_transpose", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "conv_transpose_output_shape", "explain", "im2col",
]


def _conv(rank):
    name = numbered("conv{d}", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.conv(np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0, -1]]]))
            array([[[-2., -2., -2.]]])
            >>> fastconv.conv(np.ones((1, 2, 6, 6, 6)), np.ones((4, 2, 3, 3, 3))).shape
            (1, 4, 4, 4, 4)""",
        1: """
            >>> signal = np.array([[0.0, 1, 2, 1, 0]])
            >>> difference = np.array([[[1.0, 0, -1]]])
            >>> fastconv.conv1d(signal, difference, padding="same")
            array([[-1., -2.,  0.,  2.,  1.]])""",
        2: """
            >>> image = np.arange(16.0).reshape(1, 1, 4, 4)
            >>> sobel = np.array([[[[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]]])
            >>> fastconv.conv2d(image, sobel)
            array([[[[-8., -8.],
                     [-8., -8.]]]])""",
        3: """
            >>> volume = np.arange(27.0).reshape(1, 3, 3, 3)
            >>> mean = np.full((1, 1, 2, 2, 2), 1 / 8)
            >>> fastconv.conv3d(volume, mean)
            array([[[[ 6.5,  7.5],
                     [ 9.5, 10.5]],
            <BLANKLINE>
                    [[15.5, 16.5],
                     [18.5, 19.5]]]])""",
    })
    def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
             padding_mode="zeros", padding_value=0, data_format="channels_first", flip=False,
             activation=None, residual=None, precision=None, method="auto", max_workspace=None,
             num_threads=None, out_dtype=None, casting="same_kind", out=None):
        """Convolve $arrays with a bank of filters.

        ``y[n, k, $o] = act(sum of x[n, c, $at] * weight[k, c, $tap] over
        c, $tap, + bias[k] + residual[n, k, $o])``. As everywhere in deep learning this is
        cross-correlation; ``flip=True`` gives the mathematical convolution.

        Parameters
        ----------
        x : array_like
            $which, channels last with ``data_format="channels_last"``; the batch axis may be
            left out. Floating-point or complex numbers, or integers, which are exact.
        weight : array_like
            Filters ``(K, C / groups, $kernel)``, in either data format$rank.
        bias : array_like, optional
            One number for each filter, ``(K,)``.
        stride, dilation : int or sequence of int, default 1
            One number $all, or $each. A dilation of 1 is none.
        padding : int, sequence or str, default 0
            One number, one for each axis, one ``(before, after)`` pair for each axis, or
            ``"valid"`` (none), ``"same"`` (the result has ``ceil(length / stride)`` elements, an
            odd one is added after), ``"same_lower"`` (added before) or ``"full"``.
        groups : int, default 1
            Filters are divided into groups, each of which sees its part of the channels.
        padding_mode : str, default "zeros"
            What the padding holds: ``"zeros"``, ``"constant"``, ``"reflect"``, ``"symmetric"``,
            ``"replicate"`` or ``"circular"`` (`numpy.pad`'s names ``"edge"`` and ``"wrap"`` work
            too).
        padding_value : number, default 0
            What it holds with ``padding_mode="constant"``: any finite number of the dtype of `x`.
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
        $out

        Returns
        -------
        ndarray
            ``(N, K, $out_axes)`` or ``(N, $out_axes, K)``, with the dtype that NumPy's promotion
            gives `x`, `weight` and `bias`, or int64 if all are integers or bool. The length of an
            axis is ``floor((length + padding - dilation * (kernel - 1) - 1) / stride) + 1``.

        Raises
        ------
        TypeError
            If an argument is of the wrong kind, or the dtype is not supported.
        ValueError
            If sizes do not fit together, or a named method cannot serve.
        OverflowError
            If an exact result of integers might not fit int64, or a value not `out_dtype`.
        MemoryError
            If the result or scratch memory cannot be allocated.

        See Also
        --------
        plan_conv : Pack the weights once, for many calls.
        conv${d}_backward_data, conv${d}_backward_weight, conv${d}_backward_bias : The gradients.
        conv_transpose$d : The adjoint, as an operator of its own.
        separable_conv$d : A depthwise and a pointwise convolution in one.
        explain : Which algorithm is chosen, and why.

        References
        ----------
        V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", 2016.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                           groups=groups, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format, flip=flip)
        return call.forward(windows, x, weight, bias, activation=activation, residual=residual,
                              precision=precision, method=method, max_workspace=max_workspace,
                              num_threads=num_threads, out=out, out_dtype=out_dtype,
                              casting=casting)

    return conv


conv, conv1d, conv2d, conv3d = map(_conv, RANKS)


def _conv_backward_data(rank):
    name = numbered("conv{d}_backward_data", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.conv_backward_data(np.ones((1, 1, 2)), np.ones((1, 1, 2)), (1, 1, 3))
            array([[[1., 2., 1.]]])""",
        1: """
            >>> grad = np.ones((1, 1, 2))
            >>> fastconv.conv1d_backward_data(grad, np.ones((1, 1, 2)), (1, 1, 3))
            array([[[1., 2., 1.]]])""",
        2: """
            >>> grad = np.ones((1, 1, 2, 2))
            >>> fastconv.conv2d_backward_data(grad, np.ones((1, 1, 2, 2)), (1, 1, 3, 3))
            array([[[[1., 2., 1.],
                     [2., 4., 2.],
                     [1., 2., 1.]]]])""",
        3: """
            >>> grad = np.ones((1, 1, 1, 2, 2))
            >>> fastconv.conv3d_backward_data(grad, np.ones((1, 1, 1, 2, 2)), (1, 1, 1, 3, 3))
            array([[[[[1., 2., 1.],
                      [2., 4., 2.],
                      [1., 2., 1.]]]]])""",
    })
    def conv_backward_data(grad_output, weight, input_shape, stride=1, padding=0, dilation=1,
                           groups=1, *, padding_mode="zeros", padding_value=0,
                           data_format="channels_first", flip=False, precision=None,
                           method="auto", max_workspace=None, num_threads=None, out_dtype=None,
                           casting="same_kind", out=None):
        """Gradient of `conv$d` with respect to its input.

        Parameters
        ----------
        $grad_output
        weight : array_like
            The weights of the forward call$rank.
        $input_shape
        stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip
            As in the forward call; the gradient does not depend on `padding_value`.
        precision, method, max_workspace, num_threads, out_dtype, casting, out
            As for `conv$d`.

        Returns
        -------
        ndarray
            The gradient, of shape `input_shape`.

        Raises
        ------
        TypeError, ValueError, OverflowError, MemoryError
            As `conv$d` does; ValueError also if `grad_output` is not what an input of
            `input_shape` gives.

        See Also
        --------
        conv$d : The forward pass.
        conv${d}_backward_weight : The gradient with respect to the weights.
        conv_transpose$d : The same sums, without the input's shape.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                           groups=groups, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format, flip=flip,
                           x="input_shape")
        return call.backward_data(windows, grad_output, weight, input_shape,
                                    precision=precision, method=method,
                                    max_workspace=max_workspace, num_threads=num_threads, out=out,
                                    out_dtype=out_dtype, casting=casting)

    return conv_backward_data


(conv_backward_data, conv1d_backward_data, conv2d_backward_data,
 conv3d_backward_data) = map(_conv_backward_data, RANKS)


def _conv_backward_weight(rank):
    name = numbered("conv{d}_backward_weight", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.arange(4.0).reshape(1, 1, 4)
            >>> fastconv.conv_backward_weight(np.ones((1, 1, 3)), x, (1, 1, 2))
            array([[[3., 6.]]])""",
        1: """
            >>> x = np.arange(4.0).reshape(1, 1, 4)
            >>> fastconv.conv1d_backward_weight(np.ones((1, 1, 3)), x, (1, 1, 2))
            array([[[3., 6.]]])""",
        2: """
            >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
            >>> fastconv.conv2d_backward_weight(np.ones((1, 1, 2, 2)), x, (1, 1, 2, 2))
            array([[[[ 8., 12.],
                     [20., 24.]]]])""",
        3: """
            >>> x = np.arange(9.0).reshape(1, 1, 1, 3, 3)
            >>> fastconv.conv3d_backward_weight(np.ones((1, 1, 1, 2, 2)), x, (1, 1, 1, 2, 2))
            array([[[[[ 8., 12.],
                      [20., 24.]]]]])""",
    })
    def conv_backward_weight(grad_output, x, weight_shape, stride=1, padding=0, dilation=1,
                             groups=1, *, per_sample=False, padding_mode="zeros",
                             padding_value=0, data_format="channels_first", flip=False,
                             precision=None, method="auto", max_workspace=None, num_threads=None,
                             out_dtype=None, casting="same_kind", out=None):
        """Gradient of `conv$d` with respect to its weights.

        Parameters
        ----------
        $grad_output
        x : array_like
            The input of the forward call.
        weight_shape : sequence of int
            Shape of the forward call's weights$rank.
        stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip
            As in the forward call.
        per_sample : bool, default False
            Keep one gradient for each $array of the batch instead of adding them up.
        precision, method, max_workspace, num_threads, out_dtype, casting, out
            As for `conv$d`.

        Returns
        -------
        ndarray
            The gradient, of shape `weight_shape`, or ``(N, *weight_shape)`` if `per_sample`.

        Raises
        ------
        TypeError, ValueError, OverflowError, MemoryError
            As `conv$d` does; ValueError also if `grad_output` is not what `x` gives with weights
            of `weight_shape`.

        See Also
        --------
        conv$d : The forward pass.
        conv${d}_backward_data : The gradient with respect to the input.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                           groups=groups, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format, flip=flip,
                           weight="weight_shape")
        return call.backward_weight(windows, grad_output, x, weight_shape,
                                      per_sample=per_sample, precision=precision, method=method,
                                      max_workspace=max_workspace, num_threads=num_threads,
                                      out=out, out_dtype=out_dtype, casting=casting)

    return conv_backward_weight


(conv_backward_weight, conv1d_backward_weight, conv2d_backward_weight,
 conv3d_backward_weight) = map(_conv_backward_weight, RANKS)


def _conv_backward_bias(rank):
    name = numbered("conv{d}_backward_bias", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.conv_backward_bias(np.ones((2, 3, 4)))
            array([8., 8., 8.])""",
        1: """
            >>> fastconv.conv1d_backward_bias(np.ones((2, 3, 4)))
            array([8., 8., 8.])""",
        2: """
            >>> fastconv.conv2d_backward_bias(np.ones((2, 3, 4, 4)))
            array([32., 32., 32.])""",
        3: """
            >>> fastconv.conv3d_backward_bias(np.ones((2, 3, 4, 4, 4)))
            array([128., 128., 128.])""",
    })
    def conv_backward_bias(grad_output, *, data_format="channels_first"):
        """Gradient of `conv$d` with respect to its bias.

        It is that of `conv_transpose$d` as well.

        Parameters
        ----------
        grad_output : array_like
            Gradient of the result, $batch.
        data_format : {"channels_first", "channels_last"}
            As in the forward call.

        Returns
        -------
        ndarray
            The sum over the batch and all positions, ``(K,)``, with the dtype of `grad_output`,
            or int64 if that is of integers or bool.

        Raises
        ------
        TypeError
            If `grad_output` is not an array of numbers.
        ValueError
            If it does not have the axes of a result.
        OverflowError
            If an exact sum of integers might not fit int64.

        See Also
        --------
        conv$d : The forward pass.

        $examples
        """
        return call.backward_bias(name, rank, grad_output, data_format)

    return conv_backward_bias


(conv_backward_bias, conv1d_backward_bias, conv2d_backward_bias,
 conv3d_backward_bias) = map(_conv_backward_bias, RANKS)


def _conv_transpose(rank):
    name = numbered("conv_transpose{d}", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.conv_transpose(np.ones((1, 1, 3)), np.ones((1, 1, 3)), stride=2)
            array([[[1., 1., 2., 1., 2., 1., 1.]]])""",
        1: """
            >>> signal = np.array([[1.0, 2, 3]])
            >>> fastconv.conv_transpose1d(signal, np.array([[[1.0, 1]]]), stride=2)
            array([[1., 1., 2., 2., 3., 3.]])

            The gradients are a convolution and the gradient of one, with the roles of `x` and the
            result exchanged:

            >>> weight = np.array([[[1.0, 1]]])
            >>> grad = np.arange(6.0).reshape(1, 6)
            >>> fastconv.conv1d(grad, weight, stride=2)                    # of the input
            array([[1., 5., 9.]])
            >>> fastconv.conv1d_backward_weight(signal, grad, weight.shape, stride=2)
            array([[[16., 22.]]])
            >>> fastconv.conv1d_backward_bias(grad)
            array([15.])""",
        2: """
            >>> image = np.array([[[1.0, 2], [3, 4]]])
            >>> fastconv.conv_transpose2d(image, np.ones((1, 1, 2, 2)), stride=2)
            array([[[1., 1., 2., 2.],
                    [1., 1., 2., 2.],
                    [3., 3., 4., 4.],
                    [3., 3., 4., 4.]]])

            The gradients are a convolution and the gradient of one, with the roles of `x` and the
            result exchanged:

            >>> weight = np.ones((1, 1, 2, 2))
            >>> grad = np.arange(16.0).reshape(1, 4, 4)
            >>> fastconv.conv2d(grad, weight, stride=2)                    # of the input
            array([[[10., 18.],
                    [42., 50.]]])
            >>> fastconv.conv2d_backward_weight(image, grad, weight.shape, stride=2)
            array([[[[ 68.,  78.],
                     [108., 118.]]]])
            >>> fastconv.conv2d_backward_bias(grad)
            array([120.])""",
        3: """
            >>> x = np.ones((1, 8, 4, 4, 4), np.float32)
            >>> weight = np.ones((8, 2, 3, 3, 3), np.float32)
            >>> fastconv.conv_transpose3d(x, weight, stride=2, padding="same").shape
            (1, 2, 8, 8, 8)""",
    })
    def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
                       dilation=1, *, output_size=None, data_format="channels_first",
                       precision=None, method="auto", max_workspace=None, num_threads=None,
                       out_dtype=None, casting="same_kind", out=None):
        """Transposed convolution of $arrays, the exact adjoint of `conv$d` with the same weights.

        Every element of `x` is multiplied by the kernels, and the products are added up in the
        result, ``stride`` positions apart. It is the operator that networks upsample with, also
        called fractionally strided convolution or, wrongly, deconvolution.

        Parameters
        ----------
        x : array_like
            $which, channels last with ``data_format="channels_last"``; the batch axis may be
            left out.
        weight : array_like
            Filters ``(C, K / groups, $kernel)`` for C channels of `x` and K of the result, in
            either data format$rank.
        bias : array_like, optional
            One number for each channel of the result, ``(K,)``.
        stride : int or sequence of int, default 1
            Distance in the result of what neighbours in `x` give: one number $all, or $each.
        padding : int, sequence or str, default 0
            What the convolution pads, and so what is cut off here: one number, one for each axis,
            one ``(before, after)`` pair for each axis, or ``"valid"`` (none), ``"full"``
            (``dilation * (kernel - 1)`` on both sides), ``"same"`` (the result has ``length *
            stride`` elements, an odd one is cut off after) or ``"same_lower"`` (cut off before).
        output_padding : int or sequence of int, default 0
            Elements that the result has more at its end; less than stride or dilation, whichever
            is larger. A strided convolution gives inputs of several lengths the same result; this
            says which of them is wanted.
        groups : int, default 1
            Channels are divided into groups, each of which gives its part of the result's.
        dilation : int or sequence of int, default 1
            Distance of the kernel's elements. A dilation of 1 is none.
        output_size : int or sequence of int, optional
            Spatial shape of the result; it chooses `output_padding`.
        data_format : {"channels_first", "channels_last"}
            Where `x` and the result have their channels.
        precision, method, max_workspace, num_threads
            As for `conv$d`; `method` names an algorithm that has the pass ``backward_data``.
        $out

        Returns
        -------
        ndarray
            ``(N, K, $out_axes)`` or ``(N, $out_axes, K)``, with the dtype that NumPy's promotion
            gives `x`, `weight` and `bias`, or int64 if all are integers or bool. The length of an
            axis is ``(length - 1) * stride - padding before and after + dilation * (kernel - 1) +
            1 + output_padding``.

        Raises
        ------
        TypeError
            If an argument is of the wrong kind, or the dtype is not supported.
        ValueError
            If sizes do not fit together, the result would have an axis without elements, or a
            named method cannot serve.
        OverflowError
            If an exact result of integers might not fit int64, or a value not `out_dtype`.
        MemoryError
            If the result or scratch memory cannot be allocated.

        See Also
        --------
        conv_transpose_output_shape : The shape of the result.
        conv${d}_backward_data : The same sums, with the shape of the result as an argument.
        conv$d : The convolution.

        References
        ----------
        M. D. Zeiler, D. Krishnan, G. W. Taylor and R. Fergus, "Deconvolutional networks", CVPR
        2010. V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
        2016.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding,
                           output_padding=output_padding, groups=groups, dilation=dilation,
                           output_size=output_size, data_format=data_format)
        return call.transposed(windows, x, weight, bias, precision=precision, method=method,
                                 max_workspace=max_workspace, num_threads=num_threads, out=out,
                                 out_dtype=out_dtype, casting=casting)

    return conv_transpose


conv_transpose, conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose, RANKS)


def im2col(x, kernel_size, stride=1, padding=0, dilation=1, *, padding_mode="zeros",
           padding_value=0, data_format="channels_first", num_threads=None):
    """Arrange what each position of a sliding window sees as the columns of a matrix.

    Convolution then is one matrix product: ``weight.reshape(K, -1) @ im2col(x, …)``.

    Parameters
    ----------
    x : array_like
        Signals, images or volumes, as for `conv`.
    kernel_size : int or sequence of int
        Extent of the window on each spatial axis. A sequence tells how many of these there are;
        a single number stands for both axes of images ``(N, C, H, W)`` or ``(C, H, W)``, for the
        three of volumes ``(N, C, D, H, W)`` and for the one of a signal ``(C, L)``. So signals
        ``(N, C, L)`` take ``(k,)``, and a volume ``(C, D, H, W)`` takes ``(k, k, k)``.
    stride, padding, dilation, padding_mode, padding_value, data_format
        As for `conv`.
    num_threads : int, optional
        Most threads.

    Returns
    -------
    ndarray
        ``(N, C * kernel elements, positions)``, without ``N`` where `x` has no batch axis, with
        the dtype of `x`. Rows run over channels, then kernel positions.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `conv` does.

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
    >>> fastconv.im2col(np.arange(5).reshape(1, 1, 5), (3,))
    array([[[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]]])
    """
    windows = geometry("im2col", None, kernel_size=kernel_size, stride=stride, padding=padding,
                       dilation=dilation, padding_mode=padding_mode,
                       padding_value=padding_value, data_format=data_format)
    return columns(windows, x, num_threads)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1, *,
           data_format="channels_first", num_threads=None):
    """Add columns up in the image they came from: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array_like
        ``(N, C * kernel elements, positions)``, as `im2col` returns it.
    input_shape : sequence of int
        Shape of the array that the columns are of; without a batch axis `cols` has none either.
    kernel_size, stride, padding, dilation, data_format
        As for `im2col`.
    num_threads : int, optional
        Most threads.

    Returns
    -------
    ndarray
        An array of shape `input_shape`, with the dtype of `cols` (int64 for integers); elements
        that several columns hold are added up.

    Raises
    ------
    TypeError, ValueError, OverflowError, MemoryError
        As `conv` does.

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
    windows = geometry("col2im", None, kernel_size=kernel_size, stride=stride, padding=padding,
                       dilation=dilation, data_format=data_format, x="input_shape")
    return images(windows, cols, input_shape, num_threads)


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
        As for `conv`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `conv` does.

    See Also
    --------
    pool_output_shape : The same for pooling.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.conv_output_shape((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    """
    windows = geometry("conv_output_shape", None, stride=stride, padding=padding,
                       dilation=dilation, groups=groups, data_format=data_format,
                       x="x_shape", weight="weight_shape")
    desc = describe_conv(windows, x_shape, weight_shape, 4)
    return desc.output_shape(desc.batch)


def conv_transpose_output_shape(x_shape, weight_shape, stride=1, padding=0, output_padding=0,
                                groups=1, dilation=1, *, output_size=None,
                                data_format="channels_first"):
    """Shape of a transposed convolution's result, by arithmetic alone.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input, with or without the batch axis.
    weight_shape : sequence of int
        ``(channels of x, channels of the result / groups, *kernel)``; it fixes the number of
        axes, 1 to 3.
    stride, padding, output_padding, groups, dilation, output_size, data_format
        As for `conv_transpose`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `conv_transpose` does.

    See Also
    --------
    conv_output_shape : The same for convolution.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.conv_transpose_output_shape((1, 64, 28, 28), (64, 32, 4, 4), stride=2, padding=1)
    (1, 32, 56, 56)
    >>> fastconv.conv_transpose_output_shape((1, 1, 4), (1, 1, 3), stride=2, padding=1,
    ...                                      output_size=8)
    (1, 1, 8)
    """
    windows = geometry("conv_transpose_output_shape", None, stride=stride, padding=padding,
                       output_padding=output_padding, groups=groups, dilation=dilation,
                       output_size=output_size, data_format=data_format,
                       x="x_shape", weight="weight_shape")
    return describe_transposed(windows, x_shape, weight_shape, 4).shape


def conv_cost(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *, bias=False,
              dtype="float32", data_format="channels_first"):
    """What a convolution costs: parameters, multiply-adds, bytes.

    Parameters
    ----------
    x_shape, weight_shape : sequence of int
        Shapes, as for `conv_output_shape`.
    stride, padding, dilation, groups, data_format
        As for `conv`.
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
        As `conv` does.

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
    itemsize = as_dtype("conv_cost", "dtype", dtype).itemsize
    windows = geometry("conv_cost", None, stride=stride, padding=padding, dilation=dilation,
                       groups=groups, data_format=data_format, x="x_shape", weight="weight_shape")
    desc = describe_conv(windows, x_shape, weight_shape, itemsize)
    shape = desc.output_shape(desc.batch)
    weights = math.prod(desc.weight_shape())
    parameters = weights + (desc.filters if as_flag("conv_cost", "bias", bias) else 0)
    outputs = math.prod(shape)
    multiply_adds = outputs * (weights // desc.filters if desc.filters else 0)
    read = (math.prod(desc.input_shape(desc.batch)) + parameters) * itemsize
    written = outputs * itemsize
    return ConvCost({
        "output_shape": shape,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "flops": 2 * multiply_adds,
        "bytes_read": read,
        "bytes_written": written,
        "arithmetic_intensity": 2 * multiply_adds / (read + written) if read + written else 0.0,
    })


def explain(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *,
            padding_mode="zeros", padding_value=0, data_format="channels_first", flip=False,
            dtype="float32", precision=None, method="auto", max_workspace=None, num_threads=None,
            out_dtype=None, casting="same_kind", which="forward", planned=False, measure=False):
    """Say which algorithm a convolution takes, and why.

    Parameters
    ----------
    x_shape, weight_shape : sequence of int
        Shapes, as for `conv_output_shape`.
    stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip
        As for `conv`.
    dtype : dtype, default "float32"
        Of the arrays. Complex numbers and integers are computed by real convolutions, which is
        what the rows are about; the head tells what integers of 8 and 16 bits are spared.
    precision, method, max_workspace, num_threads, out_dtype, casting
        As for `conv`. What the result is converted to changes no choice.
    which : {"forward", "backward_data", "backward_weight"}
        The pass.
    planned : bool, default False
        Whether weights are prepared once, by `plan_conv`, and so cost a call nothing.
    measure : bool, default False
        Run each algorithm that can serve on random arrays, and time it.

    Returns
    -------
    Explanation
        A list with one dict for each algorithm: ``method``, ``verdict`` (``"chosen"``,
        ``"can serve"`` or ``"refused"``), ``reason`` of a refusal, ``flops``,
        ``workspace_bytes``, ``tier``, ``estimated_efficiency`` (of the peak of multiply-adds)
        and ``estimated_seconds`` on one thread, by which ``"auto"`` chooses, ``cost`` (the terms
        of that estimate for one image: arithmetic, gather, transform, traffic, start; None of
        what cannot serve), and ``seconds`` (None unless measured). It prints as a table.

    Raises
    ------
    TypeError, ValueError
        As `conv` does.

    See Also
    --------
    conv_cost : What the convolution costs, whatever the algorithm.

    Examples
    --------
    >>> import fastconv
    >>> rows = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, precision="highest")
    >>> [row["method"] for row in rows if row["verdict"] == "chosen"]
    ['direct']
    >>> rows = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, max_workspace=0)
    >>> [row["method"] for row in rows if row["verdict"] == "chosen"]
    ['sliding']
    """
    like = as_array("explain", "dtype", np.empty(0, as_dtype("explain", "dtype", dtype)), True)
    dtype, arithmetic = compute_dtype("explain", (like,), True)
    conversion("explain", dtype, None, out_dtype, casting)
    from fastconv import _select  # the algorithms, which are loaded when they are needed

    if not isinstance(which, str) or which not in _select.PASSES:
        raise ValueError(
            f"explain: which={shown(which)} is not one of {', '.join(map(repr, _select.PASSES))}")
    options = {"stride": stride, "dilation": dilation, "groups": groups, "data_format": data_format,
               "flip": flip, "x": "x_shape", "weight": "weight_shape"}
    windows = settled(geometry("explain", None, padding=padding, padding_mode=padding_mode,
                               padding_value=padding_value, **options), like.dtype)
    if which == "backward_data":
        windows = with_zeros(windows)
    desc = describe_conv(windows, x_shape, weight_shape, arithmetic.itemsize,
                         exact=dtype.kind == "i")
    computed = desc
    if which == "backward_data" and desc.geometry["padding_mode"]:
        # the gradient of the padded input, whose padding is then folded
        computed = describe_conv(geometry("explain", None, **options), call.padded_shape(desc),
                                 desc.weight_shape(), arithmetic.itemsize, exact=desc.exact)
    desc.planned = planned = as_flag("explain", "planned", planned)
    measure = as_flag("explain", "measure", measure)
    threads = get_num_threads() if num_threads is None else as_thread_count(
        "explain: num_threads", num_threads)

    def seconds(method):
        TOLD.get()(method)
        rng = np.random.default_rng(0)

        def numbers(shape):
            return (100 * rng.standard_normal(shape)).astype(dtype)

        x = numbers(desc.input_shape(desc.batch))
        weight = numbers(desc.weight_shape())
        y = numbers(desc.output_shape(desc.batch))
        options = {"precision": precision, "method": method,
                   "max_workspace": max_workspace, "num_threads": num_threads,
                   "out_dtype": out_dtype, "casting": casting}
        calls = {
            "forward": lambda: call.forward(
                windows, x, weight, None, activation=None, residual=None, out=None, **options),
            "backward_data": lambda: call.backward_data(
                windows, y, weight, x.shape, out=None, **options),
            "backward_weight": lambda: call.backward_weight(
                windows, y, x, weight.shape, per_sample=False, out=None, **options),
        }
        run = calls[which]
        if planned and which == "forward":
            prepared = Prepared(windows, x.shape, weight, None, dtype=dtype, activation=None,
                                **options)

            def run():
                prepared.run(x)
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - start)
        return best

    found = _select.explanation(desc, computed, which, precision, max_workspace, method, threads,
                                seconds if measure else None)
    if desc.exact:
        from fastconv._call.integers import integers_in_words
        chosen = _select.choose(computed, which, method, precision,
                                as_workspace("explain", max_workspace))
        found.head += "\n" + integers_in_words(computed, which, chosen, like.dtype,
                                               method == "auto")
    return found
