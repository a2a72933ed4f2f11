"""The reference: what fastconv computes, written for reading rather than for speed.

Plain NumPy loops over the kernel's taps, for one, two or three spatial axes, sharing no code with
the library: sizes are computed again here, padding is `numpy.pad` itself, and gradients are the
adjoints of those same loops. Every later claim of correctness rests on this file, so it is kept
short enough to be checked by eye, and is itself checked against SciPy, PyTorch and naive loops in
the test suite.

Sums of float16 and float32 data are accumulated in float64; sums of float64 data in
`numpy.longdouble`, then rounded once to float64; integers and bool stay exact in int64. Results are
therefore float64, complex128 or int64, whatever the library would return.

Shapes and arguments are those of the public functions. The number of spatial axes comes from the
weight, or, for pooling and `im2col`, is ``x.ndim - 2`` unless `rank` says otherwise (an `x` without
the batch axis).
"""

from __future__ import annotations

import itertools
import math

import numpy as np

__all__ = [
    "PAD_MODES",
    "activate",
    "adaptive_avg_pool",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "avg_pool",
    "avg_pool_backward",
    "col2im",
    "conv",
    "conv_backward_bias",
    "conv_backward_data",
    "conv_backward_weight",
    "conv_output_shape",
    "conv_transpose",
    "conv_transpose_output_shape",
    "im2col",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
    "max_unpool",
    "min_pool",
    "pad_index",
    "padding_pairs",
    "pool_output_shape",
    "separable_conv",
    "sum_abs",
]

# Names of padding modes -> the names numpy.pad knows them by.
PAD_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "circular": "wrap",
    "constant": "constant",
    "edge": "edge",
    "wrap": "wrap",
}

# ------------------------------------------------------------------------------------- sizes


def _per_axis(value, rank):
    """One Python int per spatial axis from an int or a sequence of 1 or `rank` ints."""
    values = [int(v) for v in np.atleast_1d(value)]
    if len(values) == 1:
        values *= rank
    if len(values) != rank:
        raise ValueError(f"{value!r} does not give one integer for each of {rank} axes")
    return tuple(values)


def padding_pairs(padding, lengths, kernel, stride, dilation):
    """`padding` in any of its forms, as one ``(before, after)`` pair per spatial axis.

    Parameters
    ----------
    padding : int, sequence of int, sequence of pairs, or str
        ``"valid"``, ``"same"``, ``"same_lower"`` and ``"full"`` are the named forms.
    lengths, kernel, stride, dilation : tuple of int
        One entry per spatial axis.

    Returns
    -------
    list of tuple of int
        The pairs.
    """
    rank = len(lengths)
    if not isinstance(padding, str):
        if np.ndim(padding) == 2:
            return [(int(lo), int(hi)) for lo, hi in padding]
        return [(p, p) for p in _per_axis(padding, rank)]
    pairs = []
    for length, k, s, d in zip(lengths, kernel, stride, dilation, strict=True):
        span = d * (k - 1) + 1
        if padding == "valid":
            pairs.append((0, 0))
        elif padding == "full":
            pairs.append((span - 1, span - 1))
        elif padding in ("same", "same_lower"):
            total = max(0, (math.ceil(length / s) - 1) * s + span - length)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if padding == "same" else (large, small))
        else:
            raise ValueError(f"unknown padding {padding!r}")
    return pairs


def _output_lengths(lengths, kernel, stride, dilation, pairs, ceil_mode=False):
    out = []
    for length, k, s, d, (lo, hi) in zip(lengths, kernel, stride, dilation, pairs, strict=True):
        room = length + lo + hi - (d * (k - 1) + 1)
        if room < 0:
            raise ValueError(f"kernel {k} with dilation {d} exceeds length {length} + {lo} + {hi}")
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= length + lo:
            count -= 1  # a window that starts in the padding behind the data is dropped
        out.append(count)
    return tuple(out)


def conv_output_shape(
    x_shape,
    weight_shape,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    data_format="channels_first",
):
    """Shape of the convolution of `x_shape` with `weight_shape`, in plain Python integers.

    Parameters
    ----------
    x_shape, weight_shape : tuple of int
        Shapes as `conv` takes them.
    stride, padding, dilation, groups, data_format
        As for `conv`.

    Returns
    -------
    tuple of int
        The shape, without a batch axis where `x_shape` has none.
    """
    kernel = tuple(int(k) for k in weight_shape[2:])
    rank = len(kernel)
    head = tuple(int(n) for n in x_shape[: len(x_shape) - rank - 1])
    tail = tuple(int(n) for n in x_shape[len(head) :])
    last = data_format == "channels_last"
    channels, lengths = (tail[-1], tail[:-1]) if last else (tail[0], tail[1:])
    if channels != int(weight_shape[1]) * int(groups) or int(weight_shape[0]) % int(groups):
        raise ValueError(f"weight {weight_shape} and groups={groups} do not fit x {x_shape}")
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)
    filters = (int(weight_shape[0]),)
    return head + (out + filters if last else filters + out)


def conv_transpose_output_shape(
    x_shape,
    weight_shape,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    output_size=None,
    data_format="channels_first",
):
    """Shape of the transposed convolution of `x_shape`, in plain Python integers.

    Parameters
    ----------
    x_shape, weight_shape : tuple of int
        Shapes as `conv_transpose` takes them.
    stride, padding, output_padding, groups, dilation, output_size, data_format
        As for `conv_transpose`.

    Returns
    -------
    tuple of int
        The shape, without a batch axis where `x_shape` has none.
    """
    rank = len(weight_shape) - 2
    head = tuple(int(n) for n in x_shape[: len(x_shape) - rank - 1])
    tail = tuple(int(n) for n in x_shape[len(head) :])
    last = data_format == "channels_last"
    channels, lengths = (tail[-1], tail[:-1]) if last else (tail[0], tail[1:])
    if channels != int(weight_shape[0]) or channels % int(groups):
        raise ValueError(f"weight {weight_shape} and groups={groups} do not fit x {x_shape}")
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    kernel = tuple(int(k) for k in weight_shape[2:])
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    least = [
        (length - 1) * s - lo - hi + d * (k - 1) + 1
        for length, k, s, d, (lo, hi) in zip(lengths, kernel, stride, dilation, pairs, strict=True)
    ]
    if output_size is None:
        extra = _per_axis(output_padding, rank)
    else:
        extra = [a - b for a, b in zip(_per_axis(output_size, rank), least, strict=True)]
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if not 0 <= e < max(s, d):
            raise ValueError(f"output padding {e} with stride {s} and dilation {d}")
    out = tuple(a + b for a, b in zip(least, extra, strict=True))
    if min(out) < 1:
        raise ValueError(f"the padding leaves a result of lengths {out}")
    filters = (int(weight_shape[1]) * int(groups),)
    return head + (out + filters if last else filters + out)


def pool_output_shape(
    x_shape,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    data_format="channels_first",
    rank=None,
):
    """Shape of a pooling of `x_shape`, in plain Python integers.

    Parameters
    ----------
    x_shape : tuple of int
        Shape of the pooled array.
    kernel_size, stride, padding, dilation, ceil_mode, data_format, rank
        As for `max_pool`.

    Returns
    -------
    tuple of int
        The shape.
    """
    x_shape = tuple(int(n) for n in x_shape)
    rank = len(x_shape) - 2 if rank is None else rank
    first = len(x_shape) - rank - (data_format == "channels_last")
    lengths = x_shape[first : first + rank]
    out = _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode)[-1]
    return x_shape[:first] + out + x_shape[first + rank :]


# ------------------------------------------------------------------- layout, dtype, padding


def _first(a, rank, data_format):
    """`a` with a batch axis and channels first."""
    a = np.asarray(a)
    if a.ndim == rank + 1:
        a = a[np.newaxis]
    if a.ndim != rank + 2:
        raise ValueError(f"{a.ndim} axes where {rank + 1} or {rank + 2} were expected")
    return np.moveaxis(a, -1, 1) if data_format == "channels_last" else a


def _back(a, like_ndim, rank, data_format):
    """Undo `_first`."""
    a = np.moveaxis(a, 1, -1) if data_format == "channels_last" else a
    return a[0] if like_ndim == rank + 1 else a


def _accumulator(*arrays):
    """The dtype in which sums over `arrays` are taken, and the one in which they are returned."""
    dtype = np.result_type(*arrays)
    if dtype.kind in "biu":
        return np.dtype(np.int64), np.dtype(np.int64)
    if dtype.kind == "c":
        wide = np.clongdouble if dtype.itemsize > 8 else np.complex128
        return np.dtype(wide), np.dtype(np.complex128)
    wide = np.longdouble if dtype.itemsize > 4 else np.float64
    return np.dtype(wide), np.dtype(np.float64)


def _pad(x, pairs, padding_mode, padding_value=0):
    mode = PAD_MODES[padding_mode]
    held = {"constant_values": padding_value} if mode == "constant" else {}
    # Axis by axis: numpy.pad does the same inside, but objects to an empty axis it need not touch.
    for axis, pair in enumerate(pairs, start=2):
        if any(pair):
            widths = [(0, 0)] * x.ndim
            widths[axis] = pair
            x = np.pad(x, widths, mode=mode, **held)
    return x


def pad_index(length, pair, padding_mode):
    """Where each element of a padded axis comes from: `numpy.pad` applied to the positions.

    Parameters
    ----------
    length : int
        Length of the axis before padding.
    pair : tuple of int
        Padding before and after.
    padding_mode : str
        Any mode but ``"zeros"``.

    Returns
    -------
    ndarray of int64
        ``length + sum(pair)`` positions in ``range(length)``.
    """
    return np.pad(np.arange(length), pair, mode=PAD_MODES[padding_mode])


def _unpad(grad, lengths, pairs, padding_mode):
    """The adjoint of `_pad`: every padded element's gradient goes where its value came from."""
    for axis, (length, pair) in enumerate(zip(lengths, pairs, strict=True), start=2):
        if not any(pair):
            continue
        grad = np.moveaxis(grad, axis, 0)
        if PAD_MODES[padding_mode] == "constant":
            grad = grad[pair[0] : pair[0] + length]
        else:
            folded = np.zeros((length, *grad.shape[1:]), grad.dtype)
            np.add.at(folded, pad_index(length, pair, padding_mode), grad)
            grad = folded
        grad = np.moveaxis(grad, 0, axis)
    return grad


def _windows(padded, kernel, stride, dilation, out):
    """Each tap of the kernel with the view of `padded` that it multiplies, in row-major order."""
    for tap in np.ndindex(*kernel):
        starts = [t * d for t, d in zip(tap, dilation, strict=True)]
        slices = (
            slice(start, start + (o - 1) * s + 1, s)
            for start, s, o in zip(starts, stride, out, strict=True)
        )
        yield tap, padded[(slice(None), slice(None), *slices)]


# ------------------------------------------------------------------------------- convolution


def activate(y, activation):
    """`activation` applied to `y`.

    Parameters
    ----------
    y : ndarray
        The values before the activation.
    activation : None, str or tuple
        As for the public functions.

    Returns
    -------
    ndarray
        The values after it.
    """
    if activation is None:
        return y
    if isinstance(activation, tuple):
        name, low, high = activation
        if name != "clip":
            raise ValueError(f"unknown activation {activation!r}")
        return np.minimum(np.maximum(y, low), high)
    with np.errstate(over="ignore", invalid="ignore"):
        match activation:
            case "relu":
                return np.maximum(y, 0)
            case "relu6":
                return np.minimum(np.maximum(y, 0), 6)
            case "leaky_relu":
                return np.where(y < 0, 0.01 * y, y)
            case "sigmoid":
                return 1 / (1 + np.exp(-y))
            case "tanh":
                return np.tanh(y)
            case "silu":
                return y / (1 + np.exp(-y))
    raise ValueError(f"unknown activation {activation!r}")


def _flip(weight, flip):
    return np.flip(weight, axis=tuple(range(2, weight.ndim))) if flip else weight


def conv(
    x,
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    padding_mode="zeros",
    padding_value=0,
    data_format="channels_first",
    flip=False,
    activation=None,
    residual=None,
):
    """Convolution (cross-correlation, as in every deep-learning library).

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing.
    weight : array_like, shape (K, C // groups, \\*kernel)
        The kernels.
    bias : array_like, shape (K,), optional
        Added to every output position.
    stride, padding, dilation, groups, padding_mode, padding_value
        As for `fastconv.conv2d`.
    data_format, flip, activation, residual
        As for `fastconv.conv2d`.

    Returns
    -------
    ndarray of float64, complex128 or int64
        The result, from sums in a wider type than the inputs'.
    """
    x, weight = np.asarray(x), np.asarray(weight)
    terms = [a for a in (x, weight, bias, residual) if a is not None]
    wide, final = _accumulator(*map(np.asarray, terms))
    rank = weight.ndim - 2
    x4 = _first(x, rank, data_format)
    lengths, kernel = x4.shape[2:], weight.shape[2:]
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)

    batch, filters = len(x4), len(weight)
    padded = _pad(x4.astype(wide), pairs, padding_mode, x.dtype.type(padding_value))
    split = _flip(weight, flip).astype(wide)
    split = split.reshape(groups, filters // groups, weight.shape[1], *kernel)
    y = np.zeros((batch, groups, filters // groups, math.prod(out)), wide)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap, window in _windows(padded, kernel, stride, dilation, out):
            columns = window.reshape(batch, groups, weight.shape[1], math.prod(out))
            y += split[(..., *tap)] @ columns
    y = y.reshape(batch, filters, *out)
    if bias is not None:
        y += np.asarray(bias).astype(wide).reshape(-1, *(1,) * rank)
    if residual is not None:
        y += _first(residual, rank, data_format)
    return _back(activate(y, activation), x.ndim, rank, data_format).astype(final)


def separable_conv(
    x, depthwise_weight, pointwise_weight, bias=None, stride=1, padding=0, dilation=1, *,
    data_format="channels_first", activation=None, residual=None, **padding_and_flip,
):
    """A depthwise convolution, then a pointwise one.

    Parameters
    ----------
    x, depthwise_weight, pointwise_weight, bias
        As for `fastconv.separable_conv`.
    stride, padding, dilation, **padding_and_flip
        Of the depthwise step.
    data_format, activation, residual
        As for `conv`.

    Returns
    -------
    ndarray of float64, complex128 or int64
        The result; what is between the steps is rounded to such a type as well.
    """
    rank = np.ndim(depthwise_weight) - 2
    channels = np.shape(x)[-1 if data_format == "channels_last" else -1 - rank]
    between = conv(x, depthwise_weight, None, stride, padding, dilation, channels,
                   data_format=data_format, **padding_and_flip)  # fmt: skip
    return conv(between, pointwise_weight, bias, data_format=data_format, activation=activation,
                residual=residual)  # fmt: skip


def sum_abs(x, weight, bias=None, *args, residual=None, activation=None, **kwargs):
    """The sum of ``|x| |w|`` behind each output element, with ``|bias|`` and ``|residual|``.

    The precision contract bounds each element's error by a multiple of it. Arguments are those of
    `conv`; `activation` is ignored, since the sum is what goes into it.

    Parameters
    ----------
    x, weight, bias
        As for `conv`.
    *args, **kwargs
        The geometry, as for `conv`.
    residual : array_like, optional
        As for `conv`.
    activation : object, optional
        Ignored.

    Returns
    -------
    ndarray of float64 or int64
        Of the shape of the convolution.
    """
    del activation
    x, weight, bias, residual = map(_magnitude, (x, weight, bias, residual))
    kwargs["padding_value"] = abs(kwargs.get("padding_value", 0))
    return conv(x, weight, bias, *args, residual=residual, **kwargs)


def _magnitude(a):
    if a is None:
        return None
    a = np.asarray(a)
    return np.abs(a.astype(np.int64) if a.dtype.kind in "bi" else a)  # abs(int8(-128)) is -128


def conv_backward_data(
    grad_output,
    weight,
    input_shape,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    padding_mode="zeros",
    padding_value=0,
    data_format="channels_first",
    flip=False,
):
    """Gradient of a convolution with respect to its input: the adjoint of `conv` in `x`.

    Parameters
    ----------
    grad_output : array_like, shape (N, K, \\*output)
        Gradient with respect to the output.
    weight : array_like, shape (K, C // groups, \\*kernel)
        The kernels of the forward pass.
    input_shape : tuple of int
        Shape of the forward pass's `x`.
    stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip
        As for `conv`.

    Returns
    -------
    ndarray of float64, complex128 or int64
        Of shape `input_shape`.
    """
    grad_output, weight = np.asarray(grad_output), np.asarray(weight)
    wide, final = _accumulator(grad_output, weight)
    rank = weight.ndim - 2
    grad = _first(grad_output, rank, data_format).astype(wide)
    shape = _first(np.broadcast_to(np.int8(0), input_shape), rank, data_format).shape
    lengths, kernel = shape[2:], weight.shape[2:]
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)

    batch, filters = len(grad), len(weight)
    if grad.shape != (batch, filters, *out) or batch != shape[0]:
        raise ValueError(f"grad_output {grad_output.shape} does not come from {input_shape}")
    columns = grad.reshape(batch, groups, filters // groups, math.prod(out))
    split = _flip(weight, flip).astype(wide)
    split = split.reshape(groups, filters // groups, weight.shape[1], *kernel)
    lengths_padded = [n + sum(pair) for n, pair in zip(lengths, pairs, strict=True)]
    padded = np.zeros((batch, shape[1], *lengths_padded), wide)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap, window in _windows(padded, kernel, stride, dilation, out):
            transposed = np.swapaxes(split[(..., *tap)], 1, 2)
            window += (transposed @ columns).reshape(window.shape)
    grad_x = _unpad(padded, lengths, pairs, padding_mode)
    return _back(grad_x, len(input_shape), rank, data_format).astype(final)


def conv_backward_weight(
    grad_output,
    x,
    weight_shape,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    per_sample=False,
    padding_mode="zeros",
    padding_value=0,
    data_format="channels_first",
    flip=False,
):
    """Gradient of a convolution with respect to its weight: the adjoint of `conv` in `weight`.

    Parameters
    ----------
    grad_output : array_like, shape (N, K, \\*output)
        Gradient with respect to the output.
    x : array_like, shape (N, C, \\*spatial)
        The input of the forward pass.
    weight_shape : tuple of int
        Shape of the forward pass's `weight`.
    stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip
        As for `conv`.
    per_sample : bool
        Keep one gradient per image instead of their sum.

    Returns
    -------
    ndarray of float64, complex128 or int64
        Of shape `weight_shape`, or ``(N, *weight_shape)`` with `per_sample`.
    """
    grad_output, x = np.asarray(grad_output), np.asarray(x)
    wide, final = _accumulator(grad_output, x)
    rank = len(weight_shape) - 2
    x4 = _first(x, rank, data_format)
    grad = _first(grad_output, rank, data_format).astype(wide)
    lengths, kernel = x4.shape[2:], tuple(weight_shape[2:])
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)

    batch, filters, depth = len(x4), weight_shape[0], weight_shape[1]
    if grad.shape != (batch, filters, *out):
        raise ValueError(f"grad_output {grad_output.shape} does not come from {x.shape}")
    rows = grad.reshape(batch, groups, filters // groups, math.prod(out))
    padded = _pad(x4.astype(wide), pairs, padding_mode, x.dtype.type(padding_value))
    result = np.zeros((batch, groups, filters // groups, depth, *kernel), wide)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap, window in _windows(padded, kernel, stride, dilation, out):
            columns = window.reshape(batch, groups, depth, math.prod(out))
            result[(..., *tap)] = rows @ np.swapaxes(columns, 2, 3)
    result = _flip(result.reshape(batch * filters, depth, *kernel), flip)
    result = result.reshape(batch, filters, depth, *kernel)
    if per_sample and x.ndim == rank + 2:
        return result.astype(final)
    return result.sum(axis=0).astype(final)


def conv_backward_bias(grad_output, *, data_format="channels_first", rank=None):
    """Gradient of a convolution with respect to its bias.

    Parameters
    ----------
    grad_output : array_like, shape (N, K, \\*output)
        Gradient with respect to the output.
    data_format : str
        As for `conv`.
    rank : int, optional
        Number of spatial axes; ``grad_output.ndim - 2`` by default.

    Returns
    -------
    ndarray of float64, complex128 or int64
        Of shape ``(K,)``.
    """
    grad_output = np.asarray(grad_output)
    wide, final = _accumulator(grad_output)
    rank = grad_output.ndim - 2 if rank is None else rank
    grad = _first(grad_output, rank, data_format).astype(wide)
    return grad.sum(axis=(0, *range(2, grad.ndim))).astype(final)


def conv_transpose(
    x,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    output_size=None,
    data_format="channels_first",
):
    """Transposed convolution: every input element adds its multiple of the kernel to the output.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing.
    weight : array_like, shape (C, K // groups, \\*kernel)
        The kernels.
    bias : array_like, shape (K,), optional
        Added to every output position.
    stride, padding, output_padding, groups, dilation, output_size, data_format
        As for `fastconv.conv_transpose2d`.

    Returns
    -------
    ndarray of float64, complex128 or int64
        The result, from sums in a wider type than the inputs'.
    """
    x, weight = np.asarray(x), np.asarray(weight)
    terms = [np.asarray(a) for a in (x, weight, bias) if a is not None]
    wide, final = _accumulator(*terms)
    rank, per_group = weight.ndim - 2, weight.shape[1]
    x4 = _first(x, rank, data_format).astype(wide)
    batch, channels, *lengths = x4.shape
    kernel = weight.shape[2:]
    shape = conv_transpose_output_shape(
        x4.shape, weight.shape, stride, padding, output_padding, groups, dilation,
        output_size=output_size,
    )  # fmt: skip
    stride, dilation = _per_axis(stride, rank), _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    # The whole of what the kernels reach, from which the padding is cut off afterwards, and to
    # which the output padding adds at the end.
    whole = [
        max((length - 1) * s + d * (k - 1) + 1, lo + o)
        for length, k, s, d, (lo, _), o in zip(
            lengths, kernel, stride, dilation, pairs, shape[2:], strict=True
        )
    ]
    columns = x4.reshape(batch, groups, channels // groups, math.prod(lengths))
    split = weight.astype(wide).reshape(groups, channels // groups, per_group, *kernel)
    y = np.zeros((batch, groups * per_group, *whole), wide)
    with np.errstate(invalid="ignore", over="ignore"):
        for tap in np.ndindex(*kernel):
            part = np.swapaxes(split[(..., *tap)], 1, 2) @ columns
            where = tuple(
                slice(t * d, t * d + (length - 1) * s + 1, s)
                for t, d, s, length in zip(tap, dilation, stride, lengths, strict=True)
            )
            y[(..., *where)] += part.reshape(batch, groups * per_group, *lengths)
    cut = tuple(slice(lo, lo + o) for (lo, _), o in zip(pairs, shape[2:], strict=True))
    y = y[(..., *cut)]
    if bias is not None:
        y = y + np.asarray(bias).astype(wide).reshape(-1, *(1,) * rank)
    return _back(y, x.ndim, rank, data_format).astype(final)


# ----------------------------------------------------------------------------------- pooling


def _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode):
    """Everything of a pooling as tuples: kernel, stride, dilation, padding pairs, output."""
    rank = len(lengths)
    kernel = _per_axis(kernel_size, rank)
    empty = stride is None or np.size(stride) == 0
    stride = kernel if empty else _per_axis(stride, rank)
    dilation = _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    for pair, k, d in zip(pairs, kernel, dilation, strict=True):
        if max(pair) > d * (k - 1):
            raise ValueError(f"padding {pair} is not less than the window's extent")
    out = _output_lengths(lengths, kernel, stride, dilation, pairs, ceil_mode)
    return kernel, stride, dilation, pairs, out


def _positions(length, k, s, d, lo, out):
    """The position in the unpadded axis of every (tap, window), possibly outside of it."""
    return np.arange(k)[:, None] * d + np.arange(out)[None, :] * s - lo


def _taps(lengths, kernel, stride, dilation, pairs, out):
    """For each tap in row-major order: flat positions in the plane, and which are real."""
    axes = [
        _positions(length, k, s, d, lo, o)
        for length, k, s, d, (lo, _), o in zip(
            lengths, kernel, stride, dilation, pairs, out, strict=True
        )
    ]
    for tap in itertools.product(*map(range, kernel)):
        flat, real = np.zeros(out, np.int64), np.ones(out, bool)
        for axis, (where, length, t) in enumerate(zip(axes, lengths, tap, strict=True)):
            shape = [1] * len(out)
            shape[axis] = out[axis]
            position = where[t].reshape(shape)
            flat = flat * length + position
            real = real & (position >= 0) & (position < length)
        yield np.where(real, flat, 0), real


def max_pool(
    x,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    return_indices=False,
    data_format="channels_first",
    rank=None,
):
    """Maximum over windows, ignoring padding.

    A NaN in a window makes the result NaN, and its index that of the window's first NaN; among
    equals the first in row-major order wins.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing where `rank` is given.
    kernel_size, stride, padding, dilation, ceil_mode, return_indices, data_format
        As for `fastconv.max_pool2d`.
    rank : int, optional
        Number of spatial axes; ``x.ndim - 2`` by default.

    Returns
    -------
    values : ndarray
        The maxima, of the dtype of `x`.
    indices : ndarray of int64
        Flat positions in the unpadded plane; only with `return_indices`.
    """
    return _extreme_pool(np.greater, x, kernel_size, stride, padding, dilation, ceil_mode,
                         return_indices, data_format, rank)  # fmt: skip


def min_pool(
    x,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    return_indices=False,
    data_format="channels_first",
    rank=None,
):
    """Minimum over windows; otherwise as `max_pool`.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, data_format, rank
        As for `max_pool`.

    Returns
    -------
    ndarray or tuple of ndarray
        As for `max_pool`.
    """
    return _extreme_pool(np.less, x, kernel_size, stride, padding, dilation, ceil_mode,
                         return_indices, data_format, rank)  # fmt: skip


def _extreme_pool(better, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices,
                  data_format, rank):  # fmt: skip
    x = np.asarray(x)
    rank = x.ndim - 2 if rank is None else rank
    x4 = _first(x, rank, data_format)
    lengths = x4.shape[2:]
    geometry = _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode)
    out = geometry[-1]
    planes = x4.reshape(*x4.shape[:2], math.prod(lengths))
    best = np.zeros((*x4.shape[:2], *out), x.dtype.newbyteorder("="))
    index = np.full(best.shape, -1, np.int64)
    for flat, real in _taps(lengths, *geometry):
        candidate = planes[:, :, flat]
        # The first real element always enters; a NaN enters unless a NaN is there; nothing
        # replaces a NaN (comparisons with it are false).
        nan = (candidate != candidate) & (best == best)
        take = real & ((index < 0) | better(candidate, best) | nan)
        best = np.where(take, candidate, best)
        index = np.where(take, flat, index)
    if (index < 0).any():
        raise ValueError("a window holds no element of x")
    best = _back(best, x.ndim, rank, data_format)
    index = _back(index, x.ndim, rank, data_format)
    return (best, index) if return_indices else best


def max_pool_backward(
    grad_output, indices, input_shape, *, data_format="channels_first", rank=None
):
    """Gradient of a maximum (or minimum) pooling: each element goes to its index, adding up.

    Parameters
    ----------
    grad_output : array_like, shape (N, C, \\*output)
        Gradient with respect to the output.
    indices : array_like of int
        As returned by `max_pool`.
    input_shape : tuple of int
        Shape of the pooled array.
    data_format : str
        As for `max_pool`.
    rank : int, optional
        Number of spatial axes; ``grad_output.ndim - 2`` by default.

    Returns
    -------
    ndarray of float64, complex128 or int64
        Of shape `input_shape`.
    """
    grad_output, indices = np.asarray(grad_output), np.asarray(indices)
    wide, final = _accumulator(grad_output)
    rank = grad_output.ndim - 2 if rank is None else rank
    grad = _first(grad_output, rank, data_format).astype(wide)
    where = _first(indices, rank, data_format)
    shape = _first(np.broadcast_to(np.int8(0), input_shape), rank, data_format).shape
    grad_x = np.zeros((*shape[:2], math.prod(shape[2:])), wide)
    n, c = np.ogrid[: shape[0], : shape[1]]
    tail = (1,) * rank
    np.add.at(grad_x, (n.reshape(*n.shape, *tail), c.reshape(*c.shape, *tail), where), grad)
    return _back(grad_x.reshape(shape), grad_output.ndim, rank, data_format).astype(final)


def _divisors(lengths, geometry, count_include_pad, divisor_override):
    """The divisor of every window, and for each tap its flat positions and which are real."""
    kernel, stride, dilation, pairs, out = geometry
    taps = list(_taps(lengths, *geometry))
    if not np.logical_or.reduce([real for _, real in taps]).all():
        raise ValueError("a window holds no element of x")
    if divisor_override is not None:
        return np.full(out, divisor_override), taps
    if not count_include_pad:
        return sum(real.astype(np.int64) for _, real in taps), taps
    # With padding counted, the extent is the padded axis: the same count on a longer axis.
    divisor = np.ones(out, np.int64)
    for axis, (length, k, s, d, (lo, hi), o) in enumerate(
        zip(lengths, kernel, stride, dilation, pairs, out, strict=True)
    ):
        where = _positions(length, k, s, d, lo, o)
        inside = ((where >= -lo) & (where < length + hi)).sum(axis=0)
        shape = [1] * len(out)
        shape[axis] = o
        divisor = divisor * inside.reshape(shape)
    return divisor, taps


def avg_pool(
    x,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    data_format="channels_first",
    rank=None,
    final=None,
):
    """Average over windows.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing where `rank` is given.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, \
data_format
        As for `fastconv.avg_pool2d`.
    rank : int, optional
        Number of spatial axes; ``x.ndim - 2`` by default.
    final : dtype, optional
        What to round the result to; float64 by default.

    Returns
    -------
    ndarray of float64
        The averages.
    """
    x = np.asarray(x)
    wide, _ = _accumulator(x)
    rank = x.ndim - 2 if rank is None else rank
    x4 = _first(x, rank, data_format)
    lengths = x4.shape[2:]
    geometry = _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode)
    divisor, taps = _divisors(lengths, geometry, count_include_pad, divisor_override)
    planes = x4.reshape(*x4.shape[:2], math.prod(lengths)).astype(wide)
    total = np.zeros((*x4.shape[:2], *geometry[-1]), wide)
    for flat, real in taps:
        total += np.where(real, planes[:, :, flat], 0)
    mean = total / divisor
    return _back(mean, x.ndim, rank, data_format).astype(np.float64 if final is None else final)


def avg_pool_backward(
    grad_output,
    input_shape,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    data_format="channels_first",
    rank=None,
):
    """Gradient of an average pooling: the adjoint of `avg_pool`.

    Parameters
    ----------
    grad_output : array_like, shape (N, C, \\*output)
        Gradient with respect to the output.
    input_shape : tuple of int
        Shape of the pooled array.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override, \
data_format, rank
        As for `avg_pool`.

    Returns
    -------
    ndarray of float64 or complex128
        Of shape `input_shape`.
    """
    grad_output = np.asarray(grad_output)
    wide, final = _accumulator(grad_output, np.float16)
    rank = grad_output.ndim - 2 if rank is None else rank
    grad = _first(grad_output, rank, data_format).astype(wide)
    shape = _first(np.broadcast_to(np.int8(0), input_shape), rank, data_format).shape
    lengths = shape[2:]
    geometry = _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode)
    divisor, taps = _divisors(lengths, geometry, count_include_pad, divisor_override)
    share = (grad / divisor).reshape(*shape[:2], math.prod(geometry[-1]))
    grad_x = np.zeros((*shape[:2], math.prod(lengths)), wide)
    for flat, real in taps:
        keep = real.ravel()
        # Within one tap every window reads another element, so plain indexing cannot collide.
        grad_x[:, :, flat.ravel()[keep]] += share[:, :, keep]
    return _back(grad_x.reshape(shape), grad_output.ndim, rank, data_format).astype(final)


def lp_pool(
    x,
    norm_type,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    data_format="channels_first",
    rank=None,
):
    """The p-norm of each window, ``(sum |x|**p) ** (1/p)``.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing where `rank` is given.
    norm_type : float
        p.
    kernel_size, stride, padding, dilation, ceil_mode, data_format
        As for `fastconv.lp_pool2d`.
    rank : int, optional
        Number of spatial axes; ``x.ndim - 2`` by default.

    Returns
    -------
    ndarray of float64
        The norms.
    """
    x = np.asarray(x)
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    powers = np.abs(x.astype(wide)) ** wide(norm_type)
    total = avg_pool(
        powers, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode, divisor_override=1,
        data_format=data_format, rank=rank, final=wide,
    )  # fmt: skip
    return (total ** (1 / wide(norm_type))).astype(np.float64)


def lp_pool_backward(
    grad_output,
    x,
    norm_type,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    *,
    ceil_mode=False,
    data_format="channels_first",
    rank=None,
):
    """Gradient of `lp_pool`: ``g * sign(x) * (|x| / y) ** (p - 1)``, and 0 where y is 0.

    Parameters
    ----------
    grad_output : array_like, shape (N, C, \\*output)
        Gradient with respect to the output.
    x : array_like, shape (N, C, \\*spatial)
        What was pooled.
    norm_type, kernel_size, stride, padding, dilation, ceil_mode, data_format, rank
        As for `lp_pool`.

    Returns
    -------
    ndarray of float64
        Of the shape of `x`.
    """
    grad_output, x = np.asarray(grad_output), np.asarray(x)
    rank = x.ndim - 2 if rank is None else rank
    window = {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation,
        "ceil_mode": ceil_mode, "data_format": data_format, "rank": rank,
    }  # fmt: skip
    y = lp_pool(x, norm_type, **window).astype(np.longdouble)
    x4 = _first(x, rank, data_format).astype(np.longdouble)
    grad = _first(grad_output, rank, data_format).astype(np.longdouble)
    y4 = _first(y, rank, data_format)
    lengths = x4.shape[2:]
    geometry = _pool_geometry(lengths, kernel_size, stride, padding, dilation, ceil_mode)
    planes = x4.reshape(*x4.shape[:2], math.prod(lengths))
    grad_x = np.zeros_like(planes)
    scale = np.where(y4 == 0, 1, y4)
    for flat, real in _taps(lengths, *geometry):
        value = planes[:, :, flat]
        share = grad * np.sign(value) * (np.abs(value) / scale) ** (norm_type - 1)
        share = np.where(y4 == 0, 0, share)
        grad_x[:, :, flat[real]] += share[:, :, real]
    return _back(grad_x.reshape(x4.shape), x.ndim, rank, data_format).astype(np.float64)


def _adaptive_windows(lengths, output_size):
    """Every output position with the slices of its window."""
    out = _per_axis(output_size, len(lengths))
    if min(out) < 1 or min(lengths) < 1:
        raise ValueError(f"an adaptive pooling of lengths {lengths} to {out}")
    for place in np.ndindex(*out):
        yield (
            place,
            tuple(
                slice(i * length // o, -(-(i + 1) * length // o))
                for i, length, o in zip(place, lengths, out, strict=True)
            ),
        )


def adaptive_avg_pool(x, output_size, *, data_format="channels_first", rank=None):
    """Average over windows from ``floor(i L / out)`` to ``ceil((i + 1) L / out)``.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing where `rank` is given.
    output_size : int or sequence of int
        Lengths of the result.
    data_format : str
        As for `max_pool`.
    rank : int, optional
        Number of spatial axes; ``x.ndim - 2`` by default.

    Returns
    -------
    ndarray of float64
        The averages.
    """
    x = np.asarray(x)
    wide, _ = _accumulator(x)
    rank = x.ndim - 2 if rank is None else rank
    x4 = _first(x, rank, data_format).astype(wide)
    axes = tuple(range(2, rank + 2))
    y = np.zeros((*x4.shape[:2], *_per_axis(output_size, rank)), np.float64)
    for place, window in _adaptive_windows(x4.shape[2:], output_size):
        part = x4[(..., *window)]
        y[(..., *place)] = part.sum(axis=axes) / math.prod(part.shape[2:])
    return _back(y, x.ndim, rank, data_format)


def adaptive_avg_pool_backward(
    grad_output, input_shape, *, data_format="channels_first", rank=None
):
    """Gradient of `adaptive_avg_pool`: its adjoint.

    Parameters
    ----------
    grad_output : array_like, shape (N, C, \\*output)
        Gradient with respect to the output.
    input_shape : tuple of int
        Shape of what was pooled.
    data_format, rank
        As for `adaptive_avg_pool`.

    Returns
    -------
    ndarray of float64
        Of shape `input_shape`.
    """
    grad_output = np.asarray(grad_output)
    wide, _ = _accumulator(grad_output, np.float16)
    rank = grad_output.ndim - 2 if rank is None else rank
    grad = _first(grad_output, rank, data_format).astype(wide)
    shape = _first(np.broadcast_to(np.int8(0), input_shape), rank, data_format).shape
    grad_x = np.zeros(shape, wide)
    for place, window in _adaptive_windows(shape[2:], grad.shape[2:]):
        part = grad_x[(..., *window)]
        part += (grad[(..., *place)] / math.prod(part.shape[2:]))[(..., *(None,) * rank)]
    return _back(grad_x, grad_output.ndim, rank, data_format).astype(np.float64)


def adaptive_max_pool(
    x, output_size, *, return_indices=False, data_format="channels_first", rank=None
):
    """Maximum over the windows of `adaptive_avg_pool`; NaN and ties as for `max_pool`.

    Parameters
    ----------
    x, output_size, data_format, rank
        As for `adaptive_avg_pool`.
    return_indices : bool
        Return the positions too.

    Returns
    -------
    values : ndarray
        The maxima, of the dtype of `x`.
    indices : ndarray of int64
        Flat positions in the plane; only with `return_indices`.
    """
    x = np.asarray(x)
    rank = x.ndim - 2 if rank is None else rank
    x4 = _first(x, rank, data_format)
    lengths = x4.shape[2:]
    position = np.arange(math.prod(lengths)).reshape(lengths)
    best = np.zeros((*x4.shape[:2], *_per_axis(output_size, rank)), x.dtype.newbyteorder("="))
    index = np.zeros(best.shape, np.int64)
    for place, window in _adaptive_windows(lengths, output_size):
        part = x4[(..., *window)].reshape(*x4.shape[:2], -1)
        # numpy.argmax takes the first of equals, and the first NaN before any number.
        first = part.argmax(axis=2)
        best[(..., *place)] = np.take_along_axis(part, first[..., None], 2)[..., 0]
        index[(..., *place)] = position[window].ravel()[first]
    best = _back(best, x.ndim, rank, data_format)
    index = _back(index, x.ndim, rank, data_format)
    return (best, index) if return_indices else best


def max_unpool(
    x,
    indices,
    kernel_size,
    stride=None,
    padding=0,
    *,
    output_size=None,
    data_format="channels_first",
    rank=None,
):
    """Put every element where its index says, among zeros.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The maxima; the batch axis may be missing where `rank` is given.
    indices : array_like of int
        Flat positions in the planes of the result, as `max_pool` returns them.
    kernel_size, stride, padding
        Those of the maximum pooling; they give the result's lengths where `output_size` does not.
    output_size : sequence of int, optional
        Lengths of the result.
    data_format, rank
        As for `max_pool`.

    Returns
    -------
    ndarray
        Of the dtype of `x`.
    """
    x, indices = np.asarray(x), np.asarray(indices)
    rank = x.ndim - 2 if rank is None else rank
    x4, where = _first(x, rank, data_format), _first(indices, rank, data_format)
    kernel = _per_axis(kernel_size, rank)
    stride = kernel if stride is None or np.size(stride) == 0 else _per_axis(stride, rank)
    if output_size is None:
        pairs = padding_pairs(padding, x4.shape[2:], kernel, stride, (1,) * rank)
        out = tuple(
            (length - 1) * s - sum(pair) + k
            for length, k, s, pair in zip(x4.shape[2:], kernel, stride, pairs, strict=True)
        )
    else:
        out = _per_axis(output_size, rank)
    y = np.zeros((*x4.shape[:2], math.prod(out)), x.dtype.newbyteorder("="))
    flat = (*x4.shape[:2], -1)
    np.put_along_axis(y, where.reshape(flat), x4.reshape(flat), axis=2)
    return _back(y.reshape(*x4.shape[:2], *out), x.ndim, rank, data_format)


# ----------------------------------------------------------------------------------- columns


def im2col(
    x,
    kernel_size,
    stride=1,
    padding=0,
    dilation=1,
    *,
    padding_mode="zeros",
    padding_value=0,
    data_format="channels_first",
    rank=None,
):
    """Unfold the windows of `x` into the columns of a matrix.

    Parameters
    ----------
    x : array_like, shape (N, C, \\*spatial)
        The input; the batch axis may be missing where `rank` is given.
    kernel_size, stride, padding, dilation, padding_mode, padding_value, data_format
        As for `conv`.
    rank : int, optional
        Number of spatial axes; ``x.ndim - 2`` by default.

    Returns
    -------
    ndarray, shape (N, C * prod(kernel), prod(output))
        Of the dtype of `x`; channel slowest, then the kernel's taps in row-major order.
    """
    x = np.asarray(x)
    rank = x.ndim - 2 if rank is None else rank
    x4 = _first(x, rank, data_format)
    lengths = x4.shape[2:]
    kernel, stride = _per_axis(kernel_size, rank), _per_axis(stride, rank)
    dilation = _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)
    padded = _pad(x4.astype(x.dtype.newbyteorder("=")), pairs, padding_mode, padding_value)
    cols = np.zeros((*x4.shape[:2], *kernel, *out), padded.dtype)
    for tap, window in _windows(padded, kernel, stride, dilation, out):
        cols[(slice(None), slice(None), *tap)] = window
    cols = cols.reshape(len(x4), x4.shape[1] * math.prod(kernel), math.prod(out))
    return cols[0] if x.ndim == rank + 1 else cols


def col2im(
    cols,
    input_shape,
    kernel_size,
    stride=1,
    padding=0,
    dilation=1,
    *,
    padding_mode="zeros",
    data_format="channels_first",
    rank=None,
):
    """Fold columns back, adding where windows overlap: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array_like, shape (N, C * prod(kernel), prod(output))
        As returned by `im2col`.
    input_shape : tuple of int
        Shape of the array to fold into.
    kernel_size, stride, padding, dilation, padding_mode, data_format
        As for `im2col`.
    rank : int, optional
        Number of spatial axes; ``len(input_shape) - 2`` by default.

    Returns
    -------
    ndarray of float64, complex128 or int64
        Of shape `input_shape`.
    """
    cols = np.asarray(cols)
    wide, final = _accumulator(cols)
    rank = len(input_shape) - 2 if rank is None else rank
    shape = _first(np.broadcast_to(np.int8(0), input_shape), rank, data_format).shape
    lengths = shape[2:]
    kernel, stride = _per_axis(kernel_size, rank), _per_axis(stride, rank)
    dilation = _per_axis(dilation, rank)
    pairs = padding_pairs(padding, lengths, kernel, stride, dilation)
    out = _output_lengths(lengths, kernel, stride, dilation, pairs)
    cols = cols.astype(wide).reshape(*shape[:2], *kernel, *out)
    lengths_padded = [n + sum(pair) for n, pair in zip(lengths, pairs, strict=True)]
    padded = np.zeros((*shape[:2], *lengths_padded), wide)
    for tap, window in _windows(padded, kernel, stride, dilation, out):
        window += cols[(slice(None), slice(None), *tap)]
    grad_x = _unpad(padded, lengths, pairs, padding_mode)
    return _back(grad_x, len(input_shape), rank, data_format).astype(final)
