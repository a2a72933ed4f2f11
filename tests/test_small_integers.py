"""Functions: integers of 8 and 16 bits are multiplied as what they are, and exact all the same.

Layers are drawn by `integer_cases`, and NumPy's int64 answers for each. A result alone does not
tell which way it was computed, so that is looked at as well.
"""

import itertools
from pathlib import Path

import integer_cases
import numpy as np
import pytest
from integer_cases import SMALL, counted_wide_sums
from test_isa import each_level

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import WRITEABLE, empty_view

BLOCK = 250
HOLD = 2**31 - 1   # sums of words
FLOATS = 2**24     # sums in float32


def blocks(default, all_of_them):
    """First numbers of blocks of layers; those beyond `default` are for the longer runs."""
    return [pytest.param(first, marks=[pytest.mark.slow] * (first >= default))
            for first in range(0, all_of_them, BLOCK)]  # fmt: skip


@pytest.mark.parametrize("block", blocks(1_500, 20_000))
def test_random_layers(block):
    found = [what for seed in range(block, block + BLOCK)
             for what in integer_cases.conv_findings(seed)]  # fmt: skip
    assert not found, f"{len(found)} findings\n" + "\n".join(found[:9])


@each_level
def test_random_layers_at_every_level(level, run_python):
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import integer_cases
        found = []
        for seed in range(100_000, 100_100):
            found += integer_cases.conv_findings(seed) + integer_cases.qconv_findings(seed)
        assert not found, found[:5]
    """
    run_python(code, Path(__file__).parent, FASTCONV_MAX_ISA=level)


PAIRS = list(itertools.product(SMALL, SMALL))


def ids(pair):
    return "x".join(dtype.__name__ for dtype in pair)


def limits(dtype):
    return np.array([np.iinfo(dtype).min, np.iinfo(dtype).max])


@pytest.mark.parametrize("dtypes", PAIRS, ids=ids)
def test_ends_of_the_range_by_each_other(dtypes):
    """-128 by -128, 255 by 255, 65535 by -32768, in every place of an element."""
    ends, weights = map(limits, dtypes)
    for channels, (a, b) in itertools.product((1, 2, 3, 4, 5, 8), itertools.product(ends, weights)):
        x = np.full((1, channels, 3, 20), a, dtypes[0])
        weight = np.full((5, channels, 2, 3), b, dtypes[1])
        expected = int(a) * int(b) * channels * 6
        assert (fastconv.conv2d(x, weight) == expected).all()
        for place in range(channels):  # one word alone
            one = np.zeros_like(weight)
            one[:, place, 1, 2] = b
            assert (fastconv.conv2d(x, one) == int(a) * int(b)).all()


# ---- which way ----

def most_words(dtypes):
    """The largest product of two numbers that are words."""
    ends = [np.abs(limits(dtype).clip(-(2**15), 2**15 - 1)).max() for dtype in dtypes]
    return int(ends[0]) * int(ends[1])


def goes_wide(call, *arguments, **options):
    with counted_wide_sums() as wide:
        result = call(*arguments, **options)
    return result, bool(wide.called)


@pytest.mark.parametrize("dtypes", PAIRS, ids=ids)
def test_the_last_sum_that_32_bits_hold(dtypes):
    """2^31 - 1 itself, either sign, goes the fast way; the next does not, and is exact."""
    most = most_words(dtypes)
    channels = HOLD // most
    ends = [limits(dtype).clip(-(2**15), 2**15 - 1) for dtype in dtypes]
    a, b = (int(end[np.abs(end).argmax()]) for end in ends)
    x = np.full((2, channels, 3), a, dtypes[0])
    weight = np.full((2, channels, 1), b, dtypes[1])
    total = a * b * channels
    sign = 1 if total > 0 else -1
    bias = sign * np.array([HOLD - abs(total), 0])
    for most, expected in ((HOLD, False), (HOLD + 1, True)):
        y, wide = goes_wide(fastconv.conv1d, x, weight, bias)
        assert (y == (total + bias)[:, None]).all()
        assert abs(y).max() == most
        assert wide is expected
        bias[0] += sign


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("seed", range(12))
def test_small_filters_whose_sums_fit_16_bits(dtype, seed):
    """Planes of any width, stored in any dtype; and the last sum that fits, and the next."""
    rng = np.random.default_rng(seed)
    most = 128 if dtype == np.uint8 else 255  # of magnitudes of weights
    channels, per_channel = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    height, width = rng.integers(1, 40), int(rng.choice([1, 9, 31, 33, 64, 100, 129, 300]))
    kernel = int(rng.integers(1, min(7, height + 4))), int(rng.integers(1, min(7, width + 4)))
    x = integer_cases.numbers(rng, dtype, (2, channels, height, width))
    weight = np.zeros((channels * per_channel, 1, *kernel), np.int8)
    for one in weight:  # shared out among the taps, with either sign
        one.ravel()[:] = rng.multinomial(min(most, 120), np.ones(one.size) / one.size)
        one *= rng.choice([-1, 1], one.shape).astype(np.int8)
    bias = rng.integers(-127, 127, len(weight)) if seed % 2 else None
    options = {"padding": [(int(a), int(b)) for a, b in rng.integers(2, 6, (2, 2))],
               "groups": channels, "flip": bool(seed % 3 == 0)}  # fmt: skip
    if seed % 4 == 0:
        options["dilation"] = (2, 1) if kernel[1] > 1 else (1, 2)
    y = reference.conv(x, weight, bias, **options)
    assert abs(y).max() < 2**15
    np.testing.assert_array_equal(fastconv.conv(x, weight, bias, **options, num_threads=2), y)
    for out_dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32):
        info = np.iinfo(out_dtype)
        got = fastconv.conv(x, weight, bias, **options, out_dtype=out_dtype, casting="saturate")
        np.testing.assert_array_equal(got, y.clip(info.min, info.max).astype(out_dtype))
    ends = np.full((1, 1, 3, 50), np.iinfo(dtype).min or 255, dtype)
    weights = np.full((2, 1, 1, 1), 128 if dtype == np.uint8 else 255, np.int16)
    for addend in (126, 127, 128, 129):  # 255 * 128 + 127 = 2^15 - 1, and 128 * 255
        pair = fastconv.conv2d(ends, weights, np.array([addend, -addend]))
        assert (pair[0, :, 0, 0] == int(ends[0, 0, 0, 0]) * weights[0, 0, 0, 0]
                + np.array([addend, -addend])).all()


@pytest.mark.parametrize("most", [255, 2**12, 2**13 - 1, 2**14, 2**15 - 1, 2**15])
def test_gradients_of_weights_whose_sums_pass_32_bits(most):
    """Lanes are added to 64 bits before they pass; where few products fit, doubles take over."""
    x = np.full((3, 2, 70, 90), most, np.uint16)
    grad = np.full((3, 5, 68, 88), -min(most, 2**15 - 1), np.int16)
    got = fastconv.conv2d_backward_weight(grad, x, (5, 2, 3, 3), method="direct")
    assert got.dtype == np.int64
    assert (got == 3 * 68 * 88 * int(x[0, 0, 0, 0]) * int(grad[0, 0, 0, 0])).all()


def test_explain_says_how_gradients_of_weights_are_summed():
    def says(dtype, **options):
        return fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, dtype=dtype,
                                which="backward_weight", **options).head  # fmt: skip

    assert "int8 is multiplied as words, with sums of 64 bits." in says("int8")
    assert "with sums of 64 bits, unless numbers are so large" in says("int16")
    assert "converted to float64" in says("int32")
    assert "converted to float64" in says("int8", method="im2col")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_gradients_of_weights_in_strips(dtype):
    """Images beyond what is laid out at once: by rows, and some at a time."""
    rng = np.random.default_rng(0)
    for shape, weight_shape, options in (
        ((1, 2, 900, 700), (3, 2, 4, 3), {"stride": (3, 1), "padding": (2, 1)}),
        ((9, 4, 200, 300), (6, 2, 2, 2), {"groups": 2, "dilation": 2}),
        ((1, 1, 30, 200, 210), (2, 1, 3, 1, 2), {"padding": 1, "stride": (2, 1, 2)}),
    ):
        x = rng.integers(0, 200, shape).astype(dtype)
        shape = fastconv.conv_output_shape(shape, weight_shape, **options)
        grad = rng.integers(-99, 99, shape).astype(np.int8)
        got = fastconv.conv_backward_weight(grad, x, weight_shape, **options, method="direct")
        wide = fastconv.conv_backward_weight(grad.astype(np.int64), x.astype(np.int64),
                                             weight_shape, **options)  # fmt: skip
        np.testing.assert_array_equal(got, wide)


def test_words_of_16_bits_that_are_none():
    """uint16 above 32767 is no word: float32 where sums stay below 2^24, else wider sums."""
    weight = np.ones((3, 2, 1), np.int16)
    for high, expected in ((2**15 - 1, False), (2**15, False), (2**16 - 1, False)):
        x = np.full((1, 2, 9), high, np.uint16)
        y, wide = goes_wide(fastconv.conv1d, x, weight)
        assert (y == 2 * high).all()
        assert wide is expected
    weight[0, 0] = 2**8 - 1  # 65535 * 256 + 256 = 2^24
    for bias, expected in ((256, False), (257, True)):
        y, wide = goes_wide(fastconv.conv1d, x, weight, np.array([bias, 0, 0]))
        assert y[0, 0, 0] == (2**16 - 1) * 2**8 + bias
        assert wide is expected


def test_what_x_holds_decides_where_its_dtype_does_not():
    rng = np.random.default_rng(0)
    weight = rng.integers(-(2**15), 2**15, (4, 64, 3, 3)).astype(np.int16)
    for bits, expected in ((3, False), (15, True)):
        x = rng.integers(0, 2**bits, (2, 64, 8, 8)).astype(np.uint16)
        y, wide = goes_wide(fastconv.conv2d, x, weight, padding=1)
        assert wide is expected
        np.testing.assert_array_equal(y, reference.conv(x, weight, padding=1))


LAYERS = {  # geometry that networks and filters have: shapes of x and weight, options
    "3x3": ((2, 16, 9, 11), (8, 16, 3, 3), {"padding": 1}),
    "1x1": ((2, 32, 7, 7), (16, 32, 1, 1), {}),
    "stride": ((2, 16, 15, 15), (8, 16, 3, 3), {"stride": 2, "padding": 1}),
    "dilation": ((1, 8, 15, 15), (8, 8, 3, 3), {"dilation": 2}),
    "groups": ((2, 24, 9, 9), (24, 6, 3, 3), {"groups": 4, "padding": 1}),
    "odd groups": ((1, 9, 9, 9), (6, 3, 3, 3), {"groups": 3}),
    "depthwise": ((2, 16, 14, 14), (16, 1, 3, 3), {"groups": 16, "padding": 1}),
    "image": ((1, 1, 40, 50), (1, 1, 5, 5), {"padding": 2, "padding_mode": "reflect"}),
    "sobel": ((3, 1, 30, 31), (2, 1, 3, 3), {"padding": 1, "padding_mode": "replicate"}),
    "first layer": ((1, 3, 32, 32), (16, 3, 7, 7), {"stride": 2, "padding": 3}),
    "signal": ((1, 1, 500), (1, 1, 9), {"padding": "same"}),
    "channels of a signal": ((2, 8, 100), (8, 8, 5), {"padding": "full"}),
    "volume": ((1, 4, 6, 8, 8), (4, 4, 3, 3, 3), {"padding": 1}),
    "one image": ((16, 9, 9), (8, 16, 3, 3), {"flip": True}),
}


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtypes", PAIRS[:8], ids=ids)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_go_the_fast_way_in_every_pass(name, dtypes, data_format):
    rng = np.random.default_rng(0)
    x_shape, weight_shape, options = LAYERS[name]
    options = {**options, "data_format": data_format}
    if data_format == "channels_last":
        x_shape = np.moveaxis(np.empty(x_shape), 1 - len(weight_shape), -1).shape
    x = integer_cases.numbers(rng, dtypes[0], x_shape)
    weight = rng.integers(-9, 9, weight_shape).clip(*limits(dtypes[1])).astype(dtypes[1])
    with counted_wide_sums() as wide:
        y = fastconv.conv(x, weight, **options)
        plan = fastconv.plan_conv(x.shape, weight, **options, dtype=x.dtype)
        np.testing.assert_array_equal(plan(x), y)
        grad = integer_cases.numbers(rng, dtypes[0], y.shape)
        back = fastconv.conv_backward_data(grad, weight, x.shape, **options)
    folds = "padding_mode" in options
    assert wide.call_count == (folds and back.size > 0 and weight.shape[0] == 1)
    np.testing.assert_array_equal(y, reference.conv(x, weight, **options))
    np.testing.assert_array_equal(back, reference.conv_backward_data(grad, weight, x.shape,
                                                                     **options))  # fmt: skip


def test_a_method_that_is_asked_for_is_taken():
    x, weight = np.ones((1, 4, 8, 8), np.uint8), np.ones((2, 4, 3, 3), np.int8)
    for method in ("direct", "im2col", "sliding"):
        y, wide = goes_wide(fastconv.conv2d, x, weight, method=method)
        assert (y == 36).all()
        assert wide is (method != "direct")


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("length", [1_000, 3_000, 10_000, 70_000, 300_000, 3_000_000])
@pytest.mark.parametrize("dtype", SMALL)
def test_rows_of_any_length(dtype, length, rows):
    """Signals, and strips of pictures: longer than any cache, or than a thread's memory."""
    rng = np.random.default_rng(length + rows)
    taps, stride = int(rng.integers(1, 32)), int(rng.integers(1, 4))
    shape = (length,) if rows == 1 else (rows, length // rows)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, (1, 1, *shape), dtype, endpoint=True)
    w = rng.integers(-9, 10, (1, 1, *(min(rows, 3),) * (len(shape) - 1), taps)).astype(np.int8)
    exact = sum(
        np.correlate(x[0, 0].reshape(rows, -1)[line].astype(np.int64), kernel)
        for line, kernel in enumerate(w[0, 0].reshape(-1, taps).astype(np.int64))
    )[::stride]
    y = fastconv.conv(x, w, stride=stride)
    np.testing.assert_array_equal(y[0, 0].reshape(-1, y.shape[-1])[0], exact)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", SMALL)
def test_taps_that_lie_far_apart_take_no_memory(dtype, data_format):
    """A million elements of padding lie between them, and twelve digits of them in all."""
    rng = np.random.default_rng(0)
    x, weight = integer_cases.numbers(rng, dtype, (1, 8, 5, 6)), rng.integers(-9, 9, (8, 1, 3, 5))
    weight = weight.astype(np.int8)
    far = 10**6
    expected = x * weight[:, :, 1, 2].astype(np.int64).reshape(8, 1, 1)
    x = np.moveaxis(x, 1, -1) if data_format == "channels_last" else x
    y = fastconv.conv2d(x, weight, padding=(far, 2 * far), dilation=far, groups=8,
                        data_format=data_format)
    y = np.moveaxis(y, -1, 1) if data_format == "channels_last" else y
    np.testing.assert_array_equal(y, expected)


# ---- arrays ----

@pytest.mark.parametrize("view", WRITEABLE)
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64, np.uint8])
def test_out(view, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (3, 8, 9, 10)).astype(np.uint8)
    weight = rng.integers(0, 2, (5, 8, 1, 1)).astype(np.int8)
    out = empty_view((3, 5, 9, 10), dtype, view)
    assert fastconv.conv2d(x, weight, out=out) is out
    np.testing.assert_array_equal(out, reference.conv(x, weight))


def test_out_over_an_input():
    rng = np.random.default_rng(0)
    memory = rng.integers(-100, 100, (2, 8, 9, 10))
    x = memory.view(np.int8)[..., :10]
    weight = rng.integers(-9, 9, (8, 8, 3, 3)).astype(np.int8)
    expected = reference.conv(x, weight, padding=1)
    fastconv.conv2d(x, weight, padding=1, out=memory)
    np.testing.assert_array_equal(memory, expected)


@pytest.mark.parametrize("dtype", SMALL)
def test_bool_is_a_small_integer(dtype):
    rng = np.random.default_rng(0)
    x, weight = rng.random((2, 6, 9, 9)) < 0.5, rng.integers(0, 100, (4, 6, 3, 3)).astype(dtype)
    for a, b in ((x, weight), (x.astype(dtype), weight > 50), (x, weight > 50)):
        y, wide = goes_wide(fastconv.conv2d, a, b)
        np.testing.assert_array_equal(y, reference.conv(a, b))
        assert not wide


def test_each_image_is_the_same_alone_and_on_any_number_of_threads():
    """Also where one of the batch takes wider sums."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-(2**15), 2**15, (4, 16, 3, 3)).astype(np.int16)
    x = rng.integers(0, 2, (4, 16, 12, 12)).astype(np.uint16)
    x[2] *= 2**16 - 1
    together = fastconv.conv2d(x, weight, padding=1)
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(
            fastconv.conv2d(x, weight, padding=1, num_threads=threads), together)
    for image, expected in zip(x, together, strict=True):
        np.testing.assert_array_equal(fastconv.conv2d(image, weight, padding=1), expected)


def test_activation_and_residual():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 8, 9, 9)).astype(np.uint8)
    weight = rng.integers(-128, 128, (4, 8, 3, 3)).astype(np.int8)
    residual = rng.integers(-9, 9, (2, 4, 7, 7)).astype(np.int16)
    y = reference.conv(x, weight)
    for options, expected in (
        ({"activation": "relu"}, y.clip(0)),
        ({"activation": ("clip", -50, 99)}, y.clip(-50, 99)),
        ({"residual": residual}, y + residual),
        ({"residual": residual, "activation": "relu6"}, (y + residual).clip(0, 6)),
    ):
        np.testing.assert_array_equal(fastconv.conv2d(x, weight, **options), expected)
