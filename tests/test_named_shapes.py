"""Networks: every layer of the named ones, on smaller images where the whole would take long."""

import math

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.served import serves
from fastconv.testing.shapes import (
    CONV_SHAPES,
    DIRECT_LAYERS,
    NETWORKS,
    PERFORMANCE_LAYERS,
    PERFORMANCE_POOLS,
    POOL_SHAPES,
    SIGNALS,
    SINGLE_CHANNEL,
    VOLUMES,
)

FLOPS = 4_000_000


def all_passes(shape, dtype, batch, data_format, flops=FLOPS):
    small = shape.reduced(flops)
    x, weight, bias = small.arrays(batch, dtype, data_format=data_format)
    kwargs = {**small.kwargs(), "data_format": data_format}
    exact = reference.conv(x, weight, bias, **kwargs)
    magnitude = reference.sum_abs(x, weight, bias, **kwargs)
    grad = np.random.default_rng(1).standard_normal(exact.shape).astype(dtype)
    data = reference.conv_backward_data(grad, weight, x.shape, **kwargs)
    of_data = reference.conv_backward_data(np.abs(grad), np.abs(weight), x.shape, **kwargs)
    gradient = reference.conv_backward_weight(grad, x, weight.shape, **kwargs)
    of_weight = reference.conv_backward_weight(np.abs(grad), np.abs(x), weight.shape, **kwargs)
    ran = 0
    for algorithm in ALGORITHMS:
        how = {**kwargs, "method": algorithm.name, "precision": algorithm.tier}
        for name, function, args, wanted, size in [
            ("forward", fastconv.conv, (x, weight, bias), exact, magnitude),
            ("backward_data", fastconv.conv_backward_data, (grad, weight, x.shape), data,
             of_data),
            ("backward_weight", fastconv.conv_backward_weight, (grad, x, weight.shape),
             gradient, of_weight),
        ]:  # fmt: skip
            if not serves(algorithm.name, name, x.shape, weight.shape, **kwargs, dtype=dtype,
                          precision=algorithm.tier):  # fmt: skip
                continue
            got = function(*args, **how)
            ran += 1
            context = f"{small}: {name}, {algorithm.name}"
            assert_within_contract(got, wanted, size, tier=algorithm.tier, context=context)
    assert ran >= 3


@pytest.mark.parametrize("name", CONV_SHAPES)
def test_conv_float32(name):
    all_passes(CONV_SHAPES[name], np.float32, 1, "channels_first")


@pytest.mark.parametrize("name", PERFORMANCE_LAYERS)
def test_conv_float64_channels_last_batch_of_two(name):
    all_passes(CONV_SHAPES[name], np.float64, 2, "channels_last", FLOPS / 4)


def torch_conv(torch, shape):
    return getattr(torch.nn.functional, f"conv{len(shape.spatial)}d")


@pytest.mark.parametrize("name", [*PERFORMANCE_LAYERS, *SIGNALS, *VOLUMES])
def test_conv_against_torch_in_full(name, torch):
    """The whole layer, automatic choice, against PyTorch in float64."""
    shape = CONV_SHAPES[name]
    if shape.flops() > 1e9:
        shape = shape.reduced(1e9)
    x, weight, bias = shape.arrays()
    y = fastconv.conv(x, weight, bias, **shape.kwargs())
    wide = [torch.from_numpy(a.astype(np.float64)) for a in (x, weight, bias)]
    exact = torch_conv(torch, shape)(*wide, **shape.kwargs()).numpy()
    assert_within_contract(y, exact, None, tier="high", context=shape)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("name", CONV_SHAPES)
def test_conv_in_full(name, batch, torch):
    shape = CONV_SHAPES[name]
    x, weight, bias = shape.arrays(batch)
    expected = torch_conv(torch, shape)(*map(torch.from_numpy, (x, weight, bias)),
                                          **shape.kwargs()).numpy()  # fmt: skip
    rows = [row for row in fastconv.explain(x.shape, weight.shape, **shape.kwargs())
            if row["reason"] is None]  # fmt: skip
    least = min(row["estimated_seconds"] for row in rows)
    # What is expected to be far too slow is not waited for.
    for method in (row["method"] for row in rows if row["estimated_seconds"] < 20 * least):
        y = fastconv.conv(x, weight, bias, **shape.kwargs(), method=method)
        # Both round, and PyTorch may use Winograd's algorithm.
        assert np.abs(y - expected).max() <= 2e-5 * np.abs(expected).max(), (shape, method)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("name", POOL_SHAPES)
def test_pool(name, data_format):
    shape = POOL_SHAPES[name]
    x = shape.array(data_format=data_format)
    # A part of the channels is as good as all of them; 37 are two vectors and a tail.
    x = np.ascontiguousarray(x[:, :37] if data_format == "channels_first" else x[..., :37])
    args = {**shape.kwargs(), "data_format": data_format}
    if shape.kind == "max":
        values, indices = fastconv.max_pool(x, **args, return_indices=True)
        exact = reference.max_pool(x, **args, return_indices=True)
        assert_exact(values, exact[0], shape)
        assert_exact(indices, exact[1], shape)
        assert_exact(fastconv.max_pool(x, **args), exact[0], shape)
    else:
        y = fastconv.avg_pool(x, **args)
        magnitude = reference.avg_pool(np.abs(x), **args)
        assert_within_contract(y, reference.avg_pool(x, **args), magnitude, context=shape)


# ------------------------------------------------------------------ the catalogue itself


def test_groups_name_shapes():
    for name in (*PERFORMANCE_LAYERS, *DIRECT_LAYERS, *SINGLE_CHANNEL, *SIGNALS, *VOLUMES):
        assert name in CONV_SHAPES
    for name in PERFORMANCE_POOLS:
        assert name in POOL_SHAPES
    assert len(set(PERFORMANCE_LAYERS)) == len(PERFORMANCE_LAYERS)


def test_names_are_the_records():
    for name, shape in (CONV_SHAPES | POOL_SHAPES).items():
        assert shape.name == name
        assert name.split(".")[0] in NETWORKS


def test_layers_follow_each_other():
    """Each network's output fits the input of the next layer: VGG-16 from end to end."""
    channels, length = 3, 224
    for layer in NETWORKS["vgg16"]():
        assert layer.channels == channels
        assert layer.spatial == (length, length)
        channels, length = layer.output_shape()[1:3]
    assert (channels, length) == (512, 7)
    channels, length = 32, 112
    for layer in list(NETWORKS["mobilenet_v1"]())[1:-1]:
        assert layer.channels == channels
        if "_x" in layer.name and layer.name.endswith(".dw"):
            assert layer.spatial == (length, length)
        channels, length = layer.output_shape()[1:3]
    assert (channels, length) == (1024, 7)
    channels, lengths = 1, (16000,)
    for layer in list(NETWORKS["wav2vec2"]())[:-1]:
        assert (layer.channels, layer.spatial) == (channels, lengths)
        channels, *lengths = layer.output_shape()[1:]
        lengths = tuple(lengths)
    assert (channels, lengths) == (512, (49,))  # the paper: 49 frames a second
    channels, lengths = 3, (16, 112, 112)
    for layer in NETWORKS["c3d"]():
        assert (layer.channels, layer.spatial) == (channels, lengths)
        channels, *lengths = layer.output_shape()[1:]
        lengths = tuple(lengths)
    assert (channels, lengths) == (512, (1, 4, 4))  # 8192 values, as fc6 takes


def test_arrays_are_reproducible_and_of_order_one():
    shape = CONV_SHAPES["resnet50.conv4_x.3x3"]
    one, other = shape.arrays(2), shape.arrays(2)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[0].shape == shape.input_shape(2) == (2, 256, 14, 14)
    assert one[1].shape == shape.weight_shape
    y = fastconv.conv(*one[:2], **shape.kwargs())
    assert abs(float(y.mean())) < 0.05
    assert 0.8 < float(y.std()) < 1.1
    assert not np.array_equal(shape.arrays(2, seed=1)[0], one[0])
    assert shape.arrays(1, np.float64)[1].dtype == np.float64


def test_reduced_layers_keep_their_kind():
    for shape in CONV_SHAPES.values():
        small = shape.reduced(FLOPS)
        assert small.kwargs() == shape.kwargs()
        assert small.kernel == shape.kernel
        assert small.flops() <= max(shape.flops(), FLOPS)
        assert all(a <= b for a, b in zip(small.spatial, shape.spatial, strict=True))
        assert math.prod(small.output_shape()) > 0
        if shape.groups > 1:
            assert (small.channels, small.filters) == (shape.channels, shape.filters)
