"""One algorithm: products of bfloat16, by matrix units or not: blocks, parts, refusals, bytes."""

import numpy as np
import pytest

import fastconv
from fastconv._algorithms.matrix_unit import record
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry
from fastconv.testing import reference

# By the number of products of bfloat16 for one of float32.
METHODS = {3: ("bf16x3", "high"), 1: ("bf16", "medium")}
# Shapes of x and weight, and arguments: rows that fill tiles or do not, run on from row to row or
# end; few channels, chunks of many; long rows in parts; strides, dilations, groups; all ranks.
LAYERS = {
    "rows run on": ((2, 64, 9, 7), (40, 64, 3, 3), {"padding": 1}),
    "rows of tiles": ((1, 32, 5, 64), (32, 32, 3, 3), {"padding": 1}),
    "many channels": ((1, 200, 6, 6), (60, 200, 3, 3), {"padding": 1}),
    "few channels": ((2, 17, 21, 23), (35, 17, 7, 7), {"stride": 2, "padding": 3}),
    "few channels, no padding": ((1, 18, 16, 17), (16, 18, 4, 4), {}),
    "pixels": ((3, 300, 9, 8), (33, 300, 1, 1), {}),
    "many pixels": ((2, 135, 30, 41), (70, 135, 1, 1), {}),
    "pixels of volumes": ((1, 129, 3, 6, 7), (40, 129, 1, 1, 1), {}),
    "pixels and padding": ((1, 160, 9, 11), (20, 160, 1, 1), {"padding": (1, 2)}),
    "pixels of groups": ((2, 288, 8, 9), (60, 144, 1, 1), {"groups": 2}),
    "pixels, strided rows": ((1, 130, 21, 20), (20, 130, 1, 1), {"stride": (2, 1)}),
    "pixels apart": ((1, 130, 21, 20), (20, 130, 1, 1), {"stride": 2}),
    "strides": ((1, 40, 20, 19), (34, 40, 3, 2), {"stride": (3, 2), "padding": ((1, 0), (0, 2))}),
    "dilation": ((1, 48, 13, 12), (16, 48, 3, 3), {"dilation": 4, "padding": 4}),
    "few channels, dilation": ((1, 20, 30, 31), (16, 20, 3, 3), {"dilation": (1, 3)}),
    "groups": ((2, 64, 8, 8), (80, 16, 3, 3), {"groups": 4, "padding": 1}),
    "reflected": ((1, 32, 10, 10), (24, 32, 5, 5), {"padding": 2, "padding_mode": "reflect"}),
    "flipped": ((1, 32, 10, 10), (24, 32, 3, 3), {"flip": True, "padding": "same"}),
    "a long signal": ((1, 20, 1500), (24, 20, 9), {"padding": 4}),
    "a long image": ((1, 16, 4, 700), (16, 16, 3, 3), {"padding": 1}),
    "volumes": ((1, 24, 6, 7, 8), (20, 24, 3, 3, 3), {"padding": 1}),
}


# Of these the gradient of the input is taken, whose sums are over filters.
GRADIENTS = {
    **{name: LAYERS[name] for name in ("rows run on", "groups", "dilation", "volumes", "flipped")},
    "pixels": ((2, 70, 9, 8), (300, 70, 1, 1), {}),
    "pixels of groups": ((1, 180, 7, 9), (288, 90, 1, 1), {"groups": 2}),
    "wide groups": ((1, 80, 9, 10), (72, 40, 3, 3), {"groups": 2}),
    "flipped groups": ((1, 120, 8, 12), (100, 60, 2, 3), {"groups": 2, "flip": True}),
}


def nearest(array):
    """Rounded to bfloat16, halves to even."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def draw(name, seed=0, layers=LAYERS):
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, arguments = layers[name]
    x = rng.standard_normal(x_shape).astype("f4")
    return x, rng.standard_normal(weight_shape).astype("f4"), arguments


def by_parts(products, x, weight, arguments):
    """What a method stands for, in float64, and the sum of the magnitudes."""
    def conv(a, b):
        return reference.conv(a.astype("f8"), b.astype("f8"), **arguments)

    high, low = nearest(x), nearest(x - nearest(x))
    weight_high, weight_low = nearest(weight), nearest(weight - nearest(weight))
    exact = conv(high, weight_high)
    if products == 3:
        exact += conv(low, weight_high) + conv(high, weight_low)
    return exact, conv(np.abs(x), np.abs(weight))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("products", METHODS)
def test_is_the_sum_of_products_of_parts(products, name):
    x, weight, arguments = draw(name)
    exact, magnitude = by_parts(products, x, weight, arguments)
    method, precision = METHODS[products]
    how = {"method": method, "precision": precision, **arguments}
    y = fastconv.conv(x, weight, **how)
    assert (np.abs(y - exact) <= 2e-6 * magnitude).all()
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    other = fastconv.conv(last, weight, data_format="channels_last", **how)
    np.testing.assert_array_equal(np.moveaxis(other, -1, 1), y)
    plan = fastconv.plan_conv(x.shape, weight, **how)
    np.testing.assert_array_equal(plan(x), y)
    np.testing.assert_array_equal(plan(x[:1]), y[:1])


def test_layers_are_blocked_in_every_way():
    seen = set()
    for x_shape, weight_shape, arguments in LAYERS.values():
        rank = len(x_shape) - 2
        desc = describe_conv(geometry("conv", rank, **arguments), x_shape, weight_shape, 4)
        how = record.blocking(desc, "forward")
        seen |= {("flat", how["flat"]), ("folded", how["folded"]), ("chunks", how["chunks"] > 1),
                 ("columns", how["blocks"][2] > 1), ("rows", how["block"][1] > 1),
                 ("planes", how["planes"])}
    assert len(seen) == 12


@pytest.mark.parametrize("name", [name for name in LAYERS if "pixels" in name])
def test_pixels_wherever_they_lie(name):
    """Planes that are views, biases, residuals and activations, on any number of threads."""
    x, weight, arguments = draw(name)
    rng = np.random.default_rng(3)
    bias = rng.standard_normal(len(weight)).astype("f4")
    how = {"method": "bf16x3", "bias": bias, "activation": "silu", **arguments}
    shape = fastconv.conv(x, weight, **how).shape
    residual = rng.standard_normal(shape).astype("f4")
    last = [np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, residual)]
    expected = np.moveaxis(fastconv.conv(
        last[0], weight, residual=last[1], data_format="channels_last", **how), -1, 1)
    wide = np.full((x.shape[0], x.shape[1] + 2, *(2 * n for n in x.shape[2:])), np.nan, "f4")
    view = wide[(slice(None), slice(1, -1)) + (slice(None, None, 2),) * (x.ndim - 2)]
    view[...] = x
    for source in (x, view, np.asfortranarray(x)):
        for threads in (1, 2, 5):
            np.testing.assert_array_equal(
                fastconv.conv(source, weight, residual=residual, num_threads=threads, **how),
                expected)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_of_the_data(name):
    x, weight, arguments = draw(name, layers=GRADIENTS)
    arguments = arguments | {"padding": min(1, weight.shape[-1] - 1)}
    shape = fastconv.conv(x, weight, **arguments).shape
    grad = np.random.default_rng(1).standard_normal(shape).astype("f4")
    found = fastconv.conv_backward_data(grad, weight, x.shape, method="bf16x3", **arguments)
    exact = fastconv.conv_backward_data(grad.astype("f8"), weight.astype("f8"), x.shape,
                                        precision="highest", **arguments)
    assert np.abs(found - exact).max() <= 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20, 3.4e38, 1e-30, 1e-42])
def test_images_out_of_range_are_summed_directly(value):
    """And those beside them are not, whatever was left in scratch memory."""
    x, weight, arguments = draw("rows run on")
    usual = fastconv.conv(x, weight, method="bf16x3", **arguments)
    x[1, 3, 4, 5] = value
    y = fastconv.conv(x, weight, method="bf16x3", **arguments)
    np.testing.assert_array_equal(y[0], usual[0])
    np.testing.assert_array_equal(y[1:], fastconv.conv(x[1:], weight, method="direct", **arguments))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e20, 1e-42])
@pytest.mark.parametrize("planned", [False, True])
def test_so_are_filters(value, planned):
    """By their largest weight."""
    x, weight, arguments = draw("rows run on")
    weight[7] = value
    direct = fastconv.conv(x, weight, method="direct", **arguments)
    if planned:
        y = fastconv.plan_conv(x.shape, weight, method="bf16x3", **arguments)(x)
    else:
        y = fastconv.conv(x, weight, method="bf16x3", **arguments)
    np.testing.assert_array_equal(y, direct)
    weight[7] = 0
    weight[7, 0, 0, 0] = 1
    weight[7, 1, 0, 0] = 1e-42  # of no weight beside the other
    y = fastconv.conv(x, weight, method="bf16x3", **arguments)
    assert (y != fastconv.conv(x, weight, method="direct", **arguments)).any()


def test_what_is_left_in_scratch_memory_changes_nothing():
    """Steps of the sum and rows of tiles reach beyond what was gathered."""
    spoiled = np.full((1, 64, 40, 40), np.nan, "f4")
    for name in LAYERS:
        x, weight, arguments = draw(name)
        fastconv.conv2d(spoiled, np.ones((64, 64, 3, 3), "f4"), method="bf16x3", num_threads=1)
        first = fastconv.conv(x, weight, method="bf16x3", num_threads=1, **arguments)
        fastconv.conv2d(spoiled, np.ones((64, 64, 3, 3), "f4"), method="bf16x3", num_threads=1)
        second = fastconv.conv(x, weight, method="bf16x3", num_threads=2, **arguments)
        np.testing.assert_array_equal(first, second)
        direct = fastconv.conv(x, weight, method="direct", **arguments)
        assert (first != direct).any()  # it was not refused


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "words"),
    [((1, 21, 40, 40), (64, 21, 3, 2), "needs sums of 128 products"),
     ((1, 20, 3, 40), (64, 20, 9, 1), "needs sums of 128 products"),
     ((1, 15, 40, 40), (64, 15, 5, 5), "needs 16 channels in a group"),
     ((1, 128, 4, 4), (127, 128, 1, 1), "needs 2048 results")],
)  # fmt: skip
def test_few_products_or_results_are_refused(x_shape, weight_shape, words):
    padding = [k // 2 for k in weight_shape[2:]]
    rows = fastconv.explain(x_shape, weight_shape, padding=padding)
    assert words in next(row["reason"] for row in rows if row["method"] == "bf16x3")
    with pytest.raises(ValueError, match=words):
        fastconv.conv2d(np.ones(x_shape, "f4"), np.ones(weight_shape, "f4"), padding=padding,
                        method="bf16x3")


@pytest.mark.parametrize("dtype", ["u1", "i1"])
@pytest.mark.parametrize("name", LAYERS)
def test_bytes_are_exact(dtype, name):
    """By tiles where the processor has them; the extremes of both dtypes are among them."""
    rng = np.random.default_rng(0)
    x_shape, weight_shape, arguments = LAYERS[name]
    ends = np.iinfo(dtype)
    x = rng.choice([ends.min, ends.max, 0, 1, 77], x_shape).astype(dtype)
    weight = rng.choice([-128, 127, 0, -1, 5], weight_shape).astype("i1")
    y = fastconv.conv(x, weight, **arguments)
    assert y.dtype == np.int64
    exact = reference.conv(x.astype("f8"), weight.astype("f8"), **arguments)
    np.testing.assert_array_equal(y, exact)
    if "padding_mode" in arguments or "flip" in arguments:
        return
    zero = int(ends.max) - 3
    y = fastconv.qconv(x, weight, x_zero_point=zero, **arguments)
    exact = reference.conv(x.astype("f8") - zero, weight.astype("f8"), **arguments)
    np.testing.assert_array_equal(y, exact)
