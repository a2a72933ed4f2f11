"""Dask arrays: convolutions and poolings of arrays in chunks, which may be larger than memory.

The functions of `fastconv` under the same names, for Dask arrays in and out. They are lazy; every
block is computed on one thread, since the scheduler has the cores. Filters of images are in
`ndimage`, and those of signals in `signal`, as in SciPy. It needs Dask:
``pip install "fastconv[dask]"``.
"""
import math
from functools import partial

import numpy as np

import fastconv
from fastconv._call.quantized import Quantized
from fastconv._core.precision import precision_in_force
from fastconv._desc.arguments import as_array, compute_dtype
from fastconv._desc.conv import describe_conv, settled
from fastconv._desc.geometry import geometry
from fastconv._desc.quantized import as_small_integers
from fastconv._desc.separable import describe_separable
from fastconv._desc.transposed import describe_transposed
from fastconv._ranks import RANKS, numbered
from fastconv._select import choose, of_any_cut
from fastconv.dask import ndimage, signal
from fastconv.dask._blocks import (
    as_dask,
    by_blocks,
    computed,
    described,
    repeated,
    shared,
    upsampled,
    windows,
)
from fastconv.dask._files import from_memmap
from fastconv.runtime import precision_for

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "avg_pool", "avg_pool1d", "avg_pool2d", "avg_pool3d", "conv", "conv1d", "conv2d", "conv3d",
    "conv_transpose", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "from_memmap",
    "global_avg_pool", "global_max_pool", "lp_pool", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool", "max_pool1d", "max_pool2d", "max_pool3d", "min_pool", "min_pool1d",
    "min_pool2d", "min_pool3d", "ndimage", "separable_conv", "separable_conv1d",
    "separable_conv2d", "separable_conv3d", "signal",
]  # fmt: skip

# numpy.pad's names for padding that is elements, and how many elements beyond its own length it
# repeats: its length and so many more, or one in all.
PADS = {"reflect": ("reflect", 1), "symmetric": ("symmetric", 0), "replicate": ("edge", None),
        "edge": ("edge", None), "circular": ("wrap", None), "wrap": ("wrap", None),
        "zeros": ("constant", None), "constant": ("constant", None)}


# ---- axes and padding ----

def spatial_axes(name, x, rank, data_format):
    """Numbers of the spatial axes, and that of the channels."""
    if x.ndim not in (rank + 1, rank + 2):
        raise ValueError(f"{name}: x has {x.ndim} axes (shape {x.shape}), but needs {rank + 2}, or "
                         f"{rank + 1} without the batch axis")
    last = data_format == "channels_last"
    first = x.ndim - rank - last
    return tuple(range(first, first + rank)), x.ndim - 1 if last else first - 1


def check_whole(name, x, axis):
    """Refuse channels that are cut into chunks: every output needs all of them."""
    if len(x.chunks[axis]) > 1:
        raise ValueError(
            f"{name}: axis {axis} of x holds the channels, and is cut into {x.chunks[axis]}, "
            f"but every result needs all of them: x.rechunk({{{axis}: -1}})"
        )


def refuse(name, options, *names):
    """Refuse arguments that mean nothing where results are not computed at once."""
    for argument in names:
        if options.pop(argument, None) not in (None, False):
            raise ValueError(f"{name}: {argument} is not served for Dask arrays")


def repeats_of(mode, padding):
    """Elements at both ends that padding repeats."""
    _, more = PADS[mode]
    return tuple(0 if not p or mode in ("zeros", "constant") else 1 if more is None else p + more
                 for p in padding)  # fmt: skip


def wrapped(x, axes, padding):
    """x with circular padding as elements, where its ends lie in different chunks."""
    padding = list(padding)
    for i, axis in enumerate(axes):
        if any(padding[i]) and len(x.chunks[axis]) > 1:
            if max(padding[i]) > x.shape[axis]:
                x = x.rechunk({axis: -1})
            else:
                x = repeated(x, axis, *padding[i])
                padding[i] = 0, 0
    return x, padding


def padded(block, axes, pads, mode, value):
    """A block with the padding that lies beside it."""
    if not any(map(any, pads)):
        return block
    widths = [(0, 0)] * block.ndim
    for axis, pad in zip(axes, pads, strict=True):
        widths[axis] = pad
    name = PADS[mode][0]
    return np.pad(block, widths, name, **({"constant_values": value} if name == "constant" else {}))


# ---- convolutions ----

def conv_block(block, residual=None, *, pads, name, axes, arguments, options):
    """A convolution of one block."""
    mode = options["padding_mode"]
    if mode not in ("zeros", "constant"):
        block, pads = padded(block, axes, pads, mode, 0), 0
    return getattr(fastconv, name)(block, *arguments, padding=pads, residual=residual,
                                   num_threads=1, **options)


def method_for(name, desc, which, method, precision, max_workspace):
    """The method of every block, and its precision, from those that the whole would have.

    Methods whose results depend on the cut give way to others where the strictest precision is
    asked for; else each block has what is fastest for it.
    """
    chosen = choose(desc, which, method, precision, max_workspace)
    if desc.exact:
        return method, "highest" if method == "auto" else precision
    if precision is None and precision_in_force() is not None:
        precision = precision_for(name, None, desc.itemsize)
    if method != "auto" or chosen.tier != "highest":
        return method, precision
    return of_any_cut(desc, which, chosen, max_workspace), precision


def _conv(rank):
    name = numbered("conv{d}", rank)

    def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
             padding_mode="zeros", padding_value=0, data_format="channels_first", flip=False,
             activation=None, residual=None, precision=None, method="auto", max_workspace=None,
             **options):
        x, arrays, result, arithmetic = operands(name, options, x, weight=weight, bias=bias)
        asked = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                         groups=groups, padding_mode=padding_mode, padding_value=padding_value,
                         data_format=data_format, flip=flip)
        desc = describe_conv(settled(asked, x.dtype), x.shape, arrays[0].shape,
                             arithmetic.itemsize, activation if result.kind == "f" else None,
                             result.kind == "i")
        options |= {"groups": groups, "flip": flip, "activation": activation,
                    "padding_mode": padding_mode, "padding_value": padding_value,
                    "data_format": data_format}
        return convolved(name, x, arrays, residual, desc, desc, result,
                         (method, precision, max_workspace), options)

    return named(conv, name)


def operands(name, options, x, **given):
    """x, the other arrays as they are computed with, and the dtypes of result and arithmetic."""
    refuse(name, options, "out", "num_threads")
    x = as_dask(name, "x", x)
    arrays = [None if array is None else as_array(name, what, computed(array), True)
              for what, array in given.items()]
    like = as_array(name, "x", np.empty(0, x.dtype), True)
    result, arithmetic = compute_dtype(name, (like, *arrays), True)
    return x, arrays, result, arithmetic


def convolved(name, x, arrays, residual, desc, last, result, choice, options):
    """The lazy result of a convolution, whose windows `desc` describes, and its result `last`."""
    mode = options["padding_mode"]
    g, axes, padding, lengths = laid_out(name, desc, x, options["data_format"])
    method, precision = method_for(name, desc, "forward", *choice)
    if PADS[mode][0] == "wrap":
        x, padding = wrapped(x, axes, padding)
    options |= {"stride": g["stride"], "dilation": g["dilation"], "method": method,
                "precision": precision, "max_workspace": choice[2]}
    call = partial(conv_block, name=name, axes=axes, arguments=arrays, options=options)
    places = [windows(axis, x.shape[axis], d * (k - 1) + 1, s, p, n, repeats=repeats_of(mode, p))
              for axis, d, k, s, p, n in zip(axes, g["dilation"], g["kernel"], g["stride"],
                                             padding, lengths, strict=True)]
    channel = axes[-1] + 1 if options["data_format"] == "channels_last" else axes[0] - 1
    if residual is not None:
        residual = as_dask(name, "residual", residual)
        if residual.shape != last.output_shape(last.batch):
            raise ValueError(f"{name}: residual has shape {residual.shape}, but the result has "
                             f"{last.output_shape(last.batch)}")
    return by_blocks(name, x, places, call, {channel: (last.filters,)},
                     dtype_of(result, options), () if residual is None else (residual,))


def laid_out(name, desc, x, data_format):
    """What a description says along the spatial axes: sizes, axes, padding, results."""
    rank = desc.geometry["rank"]
    axes, channel = spatial_axes(name, x, rank, data_format)
    check_whole(name, x, channel)
    g = {key: tuple(value[3 - rank:]) for key, value in desc.geometry.items()
         if isinstance(value, list)}
    g["stride"] = g["asked_stride"]
    return g, axes, list(zip(g["before"], g["after"], strict=True)), g["output"]


def dtype_of(result, options):
    """The result's dtype; `out_dtype` says it where it is given."""
    return np.dtype(options.get("out_dtype") or result)


def named(function, name):
    """The function, as that of `fastconv` of this name for Dask arrays."""
    return described(function, f"fastconv.{name}", note=(
        " There is no `out` and no `num_threads`; weights\n"
        "    that are Dask arrays are computed at once."))


conv, conv1d, conv2d, conv3d = map(_conv, RANKS)


def _separable_conv(rank):
    name = numbered("separable_conv{d}", rank)

    def separable_conv(x, depthwise_weight, pointwise_weight, bias=None, stride=1, padding=0,
                       dilation=1, *, padding_mode="zeros", padding_value=0,
                       data_format="channels_first", flip=False, activation=None, residual=None,
                       precision=None, method="auto", max_workspace=None, **options):
        x, arrays, result, arithmetic = operands(
            name, options, x, depthwise_weight=depthwise_weight,
            pointwise_weight=pointwise_weight, bias=bias)
        asked = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                         padding_mode=padding_mode, padding_value=padding_value,
                         data_format=data_format, flip=flip, weight="depthwise_weight")
        desc = describe_separable(settled(asked, x.dtype), x.shape, arrays[0].shape,
                                  arrays[1].shape, arithmetic.itemsize,
                                  activation if result.kind == "f" else None, result.kind == "i")
        options |= {"flip": flip, "activation": activation, "padding_mode": padding_mode,
                    "padding_value": padding_value, "data_format": data_format}
        return convolved(name, x, arrays, residual, desc.depthwise, desc.pointwise, result,
                         (method, precision, max_workspace), options)

    return named(separable_conv, name)


separable_conv, separable_conv1d, separable_conv2d, separable_conv3d = map(_separable_conv, RANKS)


def quantized_block(block, *, pads, name, arguments, options):
    """A quantised convolution of one block."""
    return getattr(fastconv, name)(block, *arguments, padding=tuple(pads), num_threads=1, **options)


def _qconv(rank):
    name = numbered("qconv{d}", rank)

    def qconv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
              x_zero_point=0, weight_zero_point=0, scale=None, y_zero_point=0, out_dtype=None,
              activation=None, data_format="channels_first", **options):
        refuse(name, options, "out", "num_threads")
        x = as_dask(name, "x", x)
        dtype = as_small_integers(name, "x", np.empty(0, x.dtype)).dtype.newbyteorder("=")
        arrays = weight, bias = computed(weight), computed(bias)
        asked = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                         groups=groups, data_format=data_format)
        options |= {"x_zero_point": x_zero_point, "weight_zero_point": weight_zero_point,
                    "scale": scale, "y_zero_point": y_zero_point, "activation": activation}
        # What refuses its arguments does so here, once.
        layer = Quantized(asked, x.shape, dtype, weight, bias, out_dtype=out_dtype, planned=True,
                          **options)
        g, axes, padding, lengths = laid_out(name, layer.description, x, data_format)
        options |= {"stride": g["stride"], "dilation": g["dilation"], "groups": groups,
                    "data_format": data_format, "out_dtype": layer.result}
        call = partial(quantized_block, name=name, arguments=arrays, options=options)
        places = [windows(axis, x.shape[axis], d * (k - 1) + 1, s, p, n)
                  for axis, d, k, s, p, n in zip(axes, g["dilation"], g["kernel"], g["stride"],
                                                 padding, lengths, strict=True)]
        channel = axes[-1] + 1 if data_format == "channels_last" else axes[0] - 1
        return by_blocks(name, x, places, call, {channel: (layer.description.filters,)},
                         layer.result)

    return named(qconv, name)


qconv, qconv1d, qconv2d, qconv3d = map(_qconv, RANKS)


def transposed_block(block, *, pads, name, arguments, options):
    """A transposed convolution of one block: what reaches past its own results is cut off."""
    return getattr(fastconv, name)(
        block, *arguments, padding=tuple((before, max(after, 0)) for before, after in pads),
        output_padding=tuple(max(-after, 0) for _, after in pads), num_threads=1, **options)


def _conv_transpose(rank):
    name = numbered("conv_transpose{d}", rank)

    def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
                       dilation=1, *, output_size=None, data_format="channels_first",
                       precision=None, method="auto", max_workspace=None, **options):
        refuse(name, options, "out", "num_threads")
        x = as_dask(name, "x", x)
        weight = as_array(name, "weight", computed(weight), True)
        bias = None if bias is None else as_array(name, "bias", computed(bias), True)
        n = weight.ndim - 2
        axes, channel = spatial_axes(name, x, n, data_format)
        check_whole(name, x, channel)
        like = as_array(name, "x", np.empty(0, x.dtype), True)
        result, arithmetic = compute_dtype(name, (like, weight, bias), True)
        asked = geometry(name, rank, stride=stride, padding=padding,
                         output_padding=output_padding, groups=groups, dilation=dilation,
                         output_size=output_size, data_format=data_format)
        layer = describe_transposed(asked, x.shape, weight.shape, arithmetic.itemsize,
                                    result.kind == "i")
        g = {key: tuple(value[3 - n:]) for key, value in layer.desc.geometry.items()
             if isinstance(value, list)}
        method, precision = method_for(name, layer.desc, "backward_data", method, precision,
                                       max_workspace)
        options |= {"stride": g["asked_stride"], "dilation": g["dilation"], "groups": groups,
                    "data_format": data_format, "precision": precision, "method": method,
                    "max_workspace": max_workspace}
        call = partial(transposed_block, name=name, arguments=(weight, bias), options=options)
        places = [upsampled(axis, x.shape[axis], d * (k - 1) + 1, s, before, layer.shape[axis])
                  for axis, d, k, s, before in zip(axes, g["dilation"], g["kernel"],
                                                   g["asked_stride"], g["before"], strict=True)]
        return by_blocks(name, x, places, call, {channel: (layer.shape[channel],)},
                         dtype_of(result, options))

    return named(conv_transpose, name)


conv_transpose, conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose, RANKS)


# ---- poolings ----

def pool_block(block, *, pads, name, axes, arguments, options):
    """A pooling of one block."""
    mode, options = options["padding_mode"], dict(options)
    if mode is not None:
        # Padding that is elements: as if the array had it.
        block = padded(block, axes, pads, mode, options["padding_value"])
        pads = 0
        options |= {"padding_mode": None, "padding_value": 0}
    return getattr(fastconv, name)(block, *arguments, padding=pads, num_threads=1, **options)


def pool_rank(x, kernel_size):
    """The number of spatial axes, where sizes have been found to fit."""
    entries = () if isinstance(kernel_size, int) else tuple(kernel_size)
    return len(entries) if len(entries) > 1 else {2: 1, 4: 2, 5: 3}[x.ndim]


def _pool(kind, rank):
    name = numbered(kind + "_pool{d}", rank)

    def pool(x, *arguments, stride=None, padding=0, dilation=1, ceil_mode=False, padding_mode=None,
             padding_value=0, data_format="channels_first", **options):
        refuse(name, options, "out", "num_threads", "return_indices")
        x = as_dask(name, "x", x)
        norm, kernel, stride, padding, dilation = pool_arguments(
            name, kind, arguments, options, stride, padding, dilation)
        shape = fastconv.pool_output_shape(
            x.shape, kernel if rank is None else each(kernel, rank), stride, padding, dilation,
            ceil_mode=ceil_mode, padding_mode=padding_mode, data_format=data_format)
        n = rank or pool_rank(x, kernel)
        axes, _ = spatial_axes(name, x, n, data_format)
        kernel = each(kernel, n)
        asked = geometry(name, n, stride=kernel if stride is None or stride == () else stride,
                         padding=padding, dilation=dilation, padding_mode=padding_mode or "zeros")
        g = describe_conv(asked, (1, *(x.shape[axis] for axis in axes)), (1, 1, *kernel),
                          1).geometry
        stride, dilation, pads = (g["asked_stride"][3 - n:], g["dilation"][3 - n:],
                                  list(zip(g["before"], g["after"], strict=True))[3 - n:])
        if padding_mode in ("circular", "wrap"):
            x, pads = wrapped(x, axes, pads)
        options |= {"stride": tuple(stride), "dilation": tuple(dilation), "ceil_mode": ceil_mode,
                    "padding_mode": padding_mode, "padding_value": padding_value,
                    "data_format": data_format}
        full = numbered(kind + "_pool{d}", n)
        call = partial(pool_block, name=full, axes=axes, arguments=(*norm, kernel), options=options)
        # Two windows have other bits than one that is all of its axis.
        places = [windows(axis, x.shape[axis], d * (k - 1) + 1, s, p, shape[axis], results=2,
                          repeats=(0, 0) if padding_mode is None else repeats_of(padding_mode, p))
                  for axis, d, k, s, p in zip(axes, dilation, kernel, stride, pads, strict=True)]
        sample = np.zeros((1, 1, *kernel), x.dtype)
        return by_blocks(name, x, places, call, {},
                         getattr(fastconv, full)(sample, *norm, kernel).dtype)

    return named(pool, name)


def pool_arguments(name, kind, arguments, options, stride, padding, dilation):
    """What may be given by position, as the functions of `fastconv` take it."""
    names = ["kernel_size", "stride", "padding", "dilation"]
    if kind == "lp":
        names.insert(0, "norm_type")
    if len(arguments) > len(names):
        raise TypeError(f"{name}: takes {len(names) + 1} arguments by position, not "
                        f"{len(arguments) + 1}")
    given = {"stride": stride, "padding": padding, "dilation": dilation}
    given |= dict(zip(names, arguments, strict=False))
    for key in ("norm_type", "kernel_size"):
        if key in options:
            given[key] = options.pop(key)
        elif key in names and key not in given:
            raise TypeError(f"{name}: {key} is missing")
    norm = (given["norm_type"],) if kind == "lp" else ()
    return norm, *(given[key] for key in names[-4:])


def each(kernel, rank):
    """The window's extent along each axis."""
    if isinstance(kernel, int):
        return (kernel,) * rank
    kernel = tuple(kernel)
    return kernel * rank if len(kernel) == 1 else kernel


max_pool, max_pool1d, max_pool2d, max_pool3d = (_pool("max", rank) for rank in RANKS)
min_pool, min_pool1d, min_pool2d, min_pool3d = (_pool("min", rank) for rank in RANKS)
avg_pool, avg_pool1d, avg_pool2d, avg_pool3d = (_pool("avg", rank) for rank in RANKS)
lp_pool, lp_pool1d, lp_pool2d, lp_pool3d = (_pool("lp", rank) for rank in RANKS)


def adaptive_block(block, *, pads, name, axes, shares, options):
    """An adaptive pooling of one block, to its part of the result."""
    size = tuple(block.shape[axis] * each // of
                 for axis, (each, of) in zip(axes, shares, strict=True))
    return getattr(fastconv, name)(block, size, num_threads=1, **options)


def _adaptive(kind, rank):
    name = numbered("adaptive_" + kind + "_pool{d}", rank)

    def pool(x, output_size, *, data_format="channels_first", **options):
        refuse(name, options, "out", "num_threads", "return_indices")
        x = as_dask(name, "x", x)
        n = rank or pool_rank(x, output_size)
        axes, _ = spatial_axes(name, x, n, data_format)
        sizes = [x.shape[axis] if size is None else size
                 for axis, size in zip(axes, each(output_size, n), strict=True)]
        full = numbered("adaptive_" + kind + "_pool{d}", n)
        sample = getattr(fastconv, full)(np.zeros((1, *[1] * n), x.dtype), tuple(sizes))
        places = [shared(axis, x.shape[axis], size) for axis, size in zip(axes, sizes, strict=True)]
        shares = [(size, x.shape[axis]) for axis, size in zip(axes, sizes, strict=True)]
        call = partial(adaptive_block, name=full, axes=axes, shares=shares,
                       options={"data_format": data_format})
        return by_blocks(name, x, places, call, {}, sample.dtype)

    return named(pool, name)


adaptive_avg_pool, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _adaptive("avg", rank) for rank in RANKS)
adaptive_max_pool, adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (
    _adaptive("max", rank) for rank in RANKS)


def global_block(block, *, pads, name, options):
    return getattr(fastconv, name)(block, num_threads=1, **options)


def _global(kind):
    name = f"global_{kind}_pool"

    def pool(x, *, rank=None, data_format="channels_first", **options):
        refuse(name, options, "out", "num_threads")
        x = as_dask(name, "x", x)
        options = {"rank": rank or x.ndim - 2, "data_format": data_format}
        function = getattr(fastconv, name)
        dtype = function(np.zeros((1,) * x.ndim, x.dtype), **options).dtype
        axes, _ = spatial_axes(name, x, options["rank"], data_format)
        if kind == "max" or all(len(x.chunks[axis]) == 1 for axis in axes):
            parts = by_blocks(name, x, (), partial(global_block, name=name, options=options),
                              {axis: (1,) * len(x.chunks[axis]) for axis in axes}, dtype)
            if all(size == 1 for size in (parts.shape[axis] for axis in axes)):
                return parts
            gathered = parts.rechunk(dict.fromkeys(axes, -1))
            return by_blocks(name, gathered, (), partial(global_block, name=name, options=options),
                             dict.fromkeys(axes, (1,)), dtype)
        wide = np.float64 if dtype.kind == "f" else dtype
        total = x.sum(axis=axes, dtype=wide, keepdims=True)
        return (total / math.prod(x.shape[axis] for axis in axes)).astype(dtype)

    return named(pool, name)


global_avg_pool, global_max_pool = _global("avg"), _global("max")
