"""Random layers of small integers, each made again from its number: NumPy's int64 answers for them.

``python integer_cases.py NUMBER...`` prints layers and what is wrong with their results.
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import VIEWS, WRITEABLE, as_view, empty_view

SMALL = (np.uint8, np.int8, np.uint16, np.int16)
RESULTS = (*SMALL, np.int32)
LAYOUTS = [view for view in VIEWS if view != "broadcast"]  # which has other numbers
PADDING_MODES = ("zeros", "zeros", "zeros", "reflect", "symmetric", "replicate", "circular")
INT32 = np.iinfo(np.int32)


@dataclass
class Layer:
    """A convolution of small integers: arrays, and arguments by name."""

    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None
    options: dict

    def __str__(self):
        arrays = {name: None if a is None else f"{a.dtype}{a.shape}" for name, a in (
            ("x", self.x), ("weight", self.weight), ("bias", self.bias))}  # fmt: skip
        return f"{arrays} {self.options}"


def numbers(rng, dtype, shape):
    """Of the whole range, at its ends, all alike, or small."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(low, high, shape, dtype, endpoint=True)
    if kind == 1:
        return rng.choice(np.array([low, high], dtype), shape)
    if kind == 2:
        return np.full(shape, rng.choice([low, high]), dtype)
    return rng.integers(max(low, -9), 9, shape).astype(dtype)


def draw(rng):
    """A layer that can be computed."""
    rank = int(rng.choice([1, 2, 2, 2, 3]))
    groups = int(rng.choice([1, 1, 1, 2, 3, 8]))
    channels = int(rng.choice([1, 1, 2, 3, 4, 5, 7, 8, 16, 33]))
    filters = int(rng.choice([1, 1, 2, 3, 4, 8, 17, 40]))
    if groups * channels * filters > 3000:
        groups = 1
    if rng.random() < 0.2:  # filters of single channels, also more than a vector or a task takes
        groups, channels = int(rng.choice([1, 5, 8, 16, 40, 150])), 1
        filters = int(rng.choice([1, 1, 1, 2, 3]))
    kernel = rng.integers(1, [12, 6, 4][rank - 1], rank)
    stride = rng.integers(1, 4, rank) if rng.random() < 0.4 else np.ones(rank, int)
    dilation = rng.integers(1, 4, rank) if rng.random() < 0.3 else np.ones(rank, int)
    padding = rng.integers(0, 4, (rank, 2)) if rng.random() < 0.6 else np.zeros((rank, 2), int)
    lengths = rng.integers(1, [90, 22, 10][rank - 1], rank)
    lengths = np.maximum(lengths, np.maximum(dilation * (kernel - 1) + 1 - padding.sum(1), 1))
    last = bool(rng.random() < 0.4)
    batch = [int(rng.integers(0, 4))] if rng.random() < 0.9 else []
    shape = [*lengths, groups * channels] if last else [groups * channels, *lengths]
    x_dtype, weight_dtype = rng.choice(SMALL, 2)
    if rng.random() < 0.5:
        x_dtype, weight_dtype = rng.choice(SMALL[:2]), np.int8
    bits = int(rng.integers(1, 33))
    bias = rng.integers(-(2**bits), 2**bits, groups * filters).clip(INT32.min, INT32.max)
    return Layer(
        numbers(rng, x_dtype, [*batch, *shape]),
        numbers(rng, weight_dtype, [groups * filters, channels, *kernel]),
        bias.astype(rng.choice([np.int32, np.int64])) if rng.random() < 0.5 else None,
        {"stride": stride.tolist(), "padding": padding.tolist(), "dilation": dilation.tolist(),
         "groups": groups, "data_format": "channels_last" if last else "channels_first"},
    )  # fmt: skip


def viewed(rng, array):
    """The same numbers, perhaps lying in memory in some other way."""
    return array if rng.random() < 0.6 else as_view(array, str(rng.choice(LAYOUTS)))


def wrong(what, got, expected):
    """What is wrong with a result, as a list of a line or none."""
    if got.dtype != expected.dtype:
        return [f"{what}: dtype {got.dtype}, not {expected.dtype}"]
    if got.shape != expected.shape:
        return [f"{what}: shape {got.shape}, not {expected.shape}"]
    count = np.count_nonzero(got != expected)
    return [f"{what}: {count} of {got.size} elements differ"] if count else []


# ---- convolutions --------------------------------------------------------------------------------

def conv_findings(seed):
    """What is wrong with the results of a layer: forward, plan, gradients and transposed."""
    rng = np.random.default_rng((1, seed))
    layer = draw(rng)
    x, weight, bias = layer.x, layer.weight, layer.bias
    options = dict(layer.options, flip=bool(rng.random() < 0.2))
    if 0 not in x.shape:
        options["padding_mode"] = str(rng.choice(PADDING_MODES))
    threads = {"num_threads": int(rng.integers(1, 4))}
    arrays = viewed(rng, x), viewed(rng, weight), bias
    y = reference.conv(x, weight, bias, **options)
    found = wrong("conv", fastconv.conv(*arrays, **options, **threads), y)
    plan = fastconv.plan_conv(x.shape, *arrays[1:], **options, **threads, dtype=x.dtype)
    found += wrong("plan", plan(arrays[0]), y)
    found += into_out(rng, lambda out: fastconv.conv(*arrays, **options, **threads, out=out), y)
    found += narrow(rng, lambda **more: fastconv.conv(*arrays, **options, **threads, **more), y)
    grad = numbers(rng, x.dtype, y.shape)
    found += wrong(
        "backward_data",
        fastconv.conv_backward_data(viewed(rng, grad), arrays[1], x.shape, **options, **threads),
        reference.conv_backward_data(grad, weight, x.shape, **options),
    )
    other = numbers(rng, rng.choice(SMALL), y.shape)
    per_sample = bool(len(y.shape) == weight.ndim and rng.random() < 0.2)
    found += wrong(
        "backward_weight",
        fastconv.conv_backward_weight(
            viewed(rng, other), arrays[0], weight.shape, **options, **threads,
            per_sample=per_sample, method=str(rng.choice(["auto", "direct"]))),
        reference.conv_backward_weight(other, x, weight.shape, **options, per_sample=per_sample),
    )  # fmt: skip
    del options["flip"]
    options.pop("padding_mode", None)
    return [f"{line}: layer {seed}: {layer}"
            for line in found + transposed(rng, grad, weight, options)]  # fmt: skip


def into_out(rng, call, expected):
    """The same written into an array that lies anyhow."""
    out = empty_view(expected.shape, expected.dtype, str(rng.choice(WRITEABLE)))
    result = call(out)
    return wrong("out", result, expected) if result is out else ["what is returned is not out"]


def narrow(rng, call, expected):
    """The same as integers of fewer bits: saturated, or an error where they do not fit."""
    dtype = rng.choice(RESULTS)
    info = np.iinfo(dtype)
    clipped = expected.clip(info.min, info.max)
    found = wrong("saturated", call(out_dtype=dtype, casting="saturate"), clipped.astype(dtype))
    try:
        result = call(out_dtype=dtype)
    except OverflowError:
        return found + ["refused, but fits"] * bool((clipped == expected).all())
    return found + wrong("narrow", result, expected.astype(dtype))


def transposed(rng, x, weight, options):
    """What is wrong with the transposed convolution, where there is one."""
    filters = weight.shape[1] * options["groups"]
    bias = numbers(rng, np.int16, filters) if rng.random() < 0.5 else None
    try:
        expected = reference.conv_transpose(x, weight, bias, **options)
    except ValueError:  # of a result without a length
        return []
    return wrong("transposed", fastconv.conv_transpose(x, weight, bias, **options), expected)


# ---- quantised layers ----------------------------------------------------------------------------

def requantized(sums, scale, zero_point, dtype, activation):
    """What a quantised layer makes of exact sums; the scale broadcasts to them."""
    values = sums * scale
    if activation == "relu":
        values = np.maximum(values, 0)
    elif activation is not None:
        values = values.clip(*activation[1:])
    info = np.iinfo(dtype)
    return (np.rint(values) + zero_point).clip(info.min, info.max).astype(dtype)


def centred_sums(layer, x_zero_point, weight_zero_point):
    """The sums of a layer of numbers less their zero points, in int64."""
    points = np.asarray(weight_zero_point)
    weight = layer.weight.astype(np.int64) - points.reshape(-1, *(1,) * (layer.weight.ndim - 1))
    return reference.conv(layer.x.astype(np.int64) - x_zero_point, weight, layer.bias,
                          **layer.options)  # fmt: skip


def per_filter(array, layer):
    """A view of one number, or one for each filter, that broadcasts to the result."""
    array = np.asarray(array)
    if array.ndim == 0 or layer.options["data_format"] == "channels_last":
        return array
    return array.reshape(-1, *(1,) * (layer.weight.ndim - 2))


def zero_point(rng, dtype, count=None):
    """Anywhere in the dtype's range, often at an end; or one for each filter."""
    info = np.iinfo(dtype)
    if rng.random() < 0.3:
        return int(rng.choice([info.min, info.max]))
    points = rng.integers(info.min, info.max, count, endpoint=True)
    return points if count is not None else int(points)


def draw_scale(rng, sums, filters):
    """One of a size that uses the results' range: any, a power of two, or one for each filter."""
    most = max(np.abs(sums).max(initial=1), 1)
    kind = rng.integers(3)
    if kind == 0:
        return float(rng.random() * 300 / most + 1e-9)
    if kind == 1:  # halves in plenty
        return 2.0 ** -int(rng.integers(1, 10))
    return (rng.random(filters) + 0.01) * 300 / most


def qconv_findings(seed):
    """What is wrong with the results of a quantised layer, with a plan and without."""
    rng = np.random.default_rng((2, seed))
    layer = draw(rng)
    x, weight, bias = layer.x, layer.weight, layer.bias
    filters = len(weight)
    points = {
        "x_zero_point": zero_point(rng, x.dtype) if rng.random() < 0.6 else 0,
        "weight_zero_point": zero_point(rng, weight.dtype, filters if rng.random() < 0.5 else None)
        if rng.random() < 0.5 else 0,
    }  # fmt: skip
    sums = centred_sums(layer, **points)
    activation = [None, "relu", ("clip", -20.5, 99.25)][rng.integers(3)]
    options = {**layer.options, **points, "num_threads": int(rng.integers(1, 4))}
    arrays = viewed(rng, x), viewed(rng, weight), bias
    found = of_sums(lambda **more: fastconv.qconv(*arrays, **options, **more), sums)
    scale, dtype = draw_scale(rng, sums, filters), rng.choice(RESULTS)
    options.update(scale=scale, y_zero_point=zero_point(rng, dtype), out_dtype=dtype,
                   activation=activation)  # fmt: skip
    y = requantized(sums, per_filter(scale, layer), options["y_zero_point"], dtype, activation)
    found += wrong("qconv", fastconv.qconv(*arrays, **options), y)
    found += into_out(rng, lambda out: fastconv.qconv(*arrays, **options, out=out), y)
    plan = fastconv.plan_qconv(x.shape, *arrays[1:], **options, dtype=x.dtype)
    found += wrong("plan", plan(arrays[0]), y)
    return [f"{line}: layer {seed}: {layer} {options}" for line in found]


def of_sums(call, sums):
    """What is wrong with results without a scale."""
    found = wrong("int64", call(out_dtype=np.int64), sums)
    fits = sums.size == 0 or (sums.min() >= INT32.min and sums.max() <= INT32.max)
    try:
        result = call()
    except OverflowError:
        return found + ["refused, but fits int32"] * bool(fits)
    return found + wrong("int32", result, sums.astype(np.int32))


# ---- ways ----------------------------------------------------------------------------------------

@contextmanager
def counted_wide_sums():
    """Yields a mock that is called for every convolution that no fast way takes."""
    import fastconv._call.kernels as kernels

    with mock.patch.object(kernels, "multiply_integers", wraps=kernels.multiply_integers) as wide:
        yield wide


def main(seeds):
    for seed in map(int, seeds):
        print(seed, *conv_findings(seed), *qconv_findings(seed), sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
