"""Functions: quantised layers, against their definition in float64.

Random layers are drawn by `integer_cases`.
"""

import pickle
from concurrent.futures import ThreadPoolExecutor

import integer_cases
import numpy as np
import pytest
from integer_cases import SMALL, counted_wide_sums, requantized
from test_small_integers import BLOCK, blocks

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import WRITEABLE, empty_view


@pytest.mark.parametrize("block", blocks(1_500, 20_000))
def test_random_layers(block):
    found = [what for seed in range(block, block + BLOCK)
             for what in integer_cases.qconv_findings(seed)]  # fmt: skip
    assert not found, f"{len(found)} findings\n" + "\n".join(found[:9])


# ---- what a result is ----

@pytest.mark.parametrize("channels", [1, 2, 3, 16])
@pytest.mark.parametrize("out_dtype", SMALL)
def test_halves_go_to_even_and_the_rest_saturates(out_dtype, channels):
    """Scales of powers of two make every half exactly."""
    x = np.zeros((1, channels, 1, 2048), np.int16)
    x[0, channels - 1] = np.arange(-1024, 1024)
    weight = np.ones((2, channels, 1, 1), np.int8)
    info = np.iinfo(out_dtype)
    for zero_point in (info.min, 0, 3, info.max):
        for scale in (0.5, 0.25, 0.75, 1.5, 64.0, 2.0**-10):
            y = fastconv.qconv2d(x, weight, scale=scale, y_zero_point=zero_point,
                                 out_dtype=out_dtype)  # fmt: skip
            values = np.arange(-1024, 1024) * scale
            expected = (np.rint(values) + zero_point).clip(info.min, info.max)
            assert y.dtype == out_dtype
            np.testing.assert_array_equal(y[0, 0, 0], expected)
            np.testing.assert_array_equal(y[0, 1, 0], expected)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("out_dtype", SMALL)
def test_results_a_little_off_a_half(out_dtype, data_format):
    """Float32, by which results of 8 bits are found, cannot tell on which side of it they lie."""
    rng = np.random.default_rng(0)
    count = 5_000
    bias = rng.integers(1, 2 ** rng.integers(1, 31, count)) * rng.choice([-1, 1], count)
    info = np.iinfo(out_dtype)
    off = rng.choice([0, 1e-15, 1e-12, 1e-9, 1e-7, 2e-7, 1e-6], count) * rng.choice([-1, 1], count)
    scale = (rng.integers(0, info.max, count) + 0.5) / abs(bias) * (1 + off)
    weight = np.zeros((count, 1, 1), np.int8)
    for length in (1, 33):
        shape = (1, length) if data_format == "channels_first" else (length, 1)
        y = fastconv.qconv1d(np.zeros(shape, np.uint8), weight, bias, scale=scale,
                             out_dtype=out_dtype, data_format=data_format)
        expected = np.rint(bias * scale).clip(info.min, info.max)
        if data_format == "channels_first":
            y = y.T
        np.testing.assert_array_equal(y, np.broadcast_to(expected, (length, count)))


@pytest.mark.parametrize("scale", [1e-310, 1e-40, 1e-31, 1e-29, 1e27, 1e29, 1e100, 1e290])
def test_scales_that_float32_does_not_hold(scale):
    bias = np.array([0, 1, -1, 2**31 - 1, -(2**31)] * 8)
    y = fastconv.qconv1d(np.zeros((1, 20), np.uint8), np.zeros((40, 1, 1), np.int8), bias,
                         scale=scale, out_dtype=np.int8)
    np.testing.assert_array_equal(
        y, np.broadcast_to(np.rint(bias * scale).clip(-128, 127)[:, None], (40, 20)))


@pytest.mark.parametrize("bad", [2**31, -(2**31) - 1])
def test_a_bias_of_more_than_32_bits_is_refused(bad):
    with pytest.raises(ValueError, match=f"bias holds {abs(bad)}, which 32 bits do not"):
        fastconv.qconv1d(np.zeros((1, 1, 9), np.uint8), np.zeros((2, 1, 1), np.int8),
                         np.array([7, bad]), scale=1.0)


@pytest.mark.parametrize("w_dtype", SMALL)
@pytest.mark.parametrize("x_dtype", SMALL)
def test_zero_points_at_the_ends_of_their_ranges(x_dtype, w_dtype):
    """Padding stands for zero, whatever number that is."""
    rng = np.random.default_rng(0)
    x = integer_cases.numbers(rng, x_dtype, (2, 3, 7, 8))
    weight = integer_cases.numbers(rng, w_dtype, (4, 3, 3, 3))
    for x_zero in (np.iinfo(x_dtype).min, np.iinfo(x_dtype).max):
        for w_zero in (np.iinfo(w_dtype).min, np.iinfo(w_dtype).max, [1, 2, 3, 4]):
            y = fastconv.qconv2d(x, weight, padding=2, x_zero_point=x_zero,
                                 weight_zero_point=w_zero, out_dtype=np.int64)  # fmt: skip
            points = np.broadcast_to(w_zero, 4).reshape(4, 1, 1, 1)
            np.testing.assert_array_equal(y, reference.conv(
                x.astype(np.int64) - x_zero, weight.astype(np.int64) - points, padding=2))


def test_layers_of_networks_take_no_wide_sums():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 32, 14, 14)).astype(np.uint8)
    with counted_wide_sums() as wide:
        for shape, options in (
            ((16, 32, 3, 3), {"padding": 1}), ((16, 32, 1, 1), {}),
            ((32, 1, 3, 3), {"groups": 32, "padding": 1, "stride": 2}),
            ((32, 4, 3, 3), {"groups": 8}),
        ):  # fmt: skip
            weight = rng.integers(-128, 128, shape).astype(np.int8)
            bias = rng.integers(-9999, 9999, len(weight))
            scale = rng.random(len(weight)) / 1e4
            y = fastconv.qconv2d(x, weight, bias, **options, x_zero_point=100, scale=scale,
                                 y_zero_point=128, activation="relu")  # fmt: skip
            sums = reference.conv(x.astype(int) - 100, weight, bias, **options)
            np.testing.assert_array_equal(
                y, requantized(sums, scale[:, None, None], 128, np.uint8, "relu"))
    assert not wide.called


def test_sums_that_int32_does_not_hold():
    x = np.full((1, 2, 1), 2**15 - 1, np.int16)
    weight = np.full((1, 2, 1), 2**15 - 1, np.int16)
    most = 2 * (2**15 - 1) ** 2  # 2^31 - 2^17 + 2
    room = 2**31 - 1 - most
    assert fastconv.qconv1d(x, weight, [room])[0, 0, 0] == 2**31 - 1
    with pytest.raises(OverflowError, match=r"qconv1d: a sum does not fit int32, .*out_dtype"):
        fastconv.qconv1d(x, weight, [room + 1])
    assert fastconv.qconv1d(x, weight, [room + 1], out_dtype="int64")[0, 0, 0] == 2**31
    # bounded by the activation, it fits
    assert fastconv.qconv1d(x, weight, [room + 1], activation=("clip", 0, 9))[0, 0, 0] == 9
    y = fastconv.qconv1d(x, weight, [room + 1], scale=2.0**-24, out_dtype="int16")
    assert y[0, 0, 0] == 128


def test_the_default_dtypes():
    x, weight = np.ones((1, 2, 4), np.uint16), np.ones((3, 2, 1), np.int8)
    assert fastconv.qconv1d(x, weight).dtype == np.int32
    assert fastconv.qconv1d(x, weight, scale=1.0).dtype == np.uint16
    assert fastconv.qconv1d(x, weight, scale=1.0, y_zero_point=np.int8(-3)).dtype == np.int8
    assert fastconv.qconv1d(x, weight, scale=1.0, y_zero_point=-3,
                            out_dtype="i1").dtype == np.int8  # fmt: skip


# ---- arrays ----

@pytest.mark.parametrize("batch", [(), (0,), (1,), (5,)])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_batches(batch, data_format):
    """Each image is the same alone, and on any number of threads."""
    rng = np.random.default_rng(0)
    image = (8, 9, 10) if data_format == "channels_first" else (9, 10, 8)
    x = rng.integers(0, 256, (*batch, *image)).astype(np.uint8)
    weight = rng.integers(-128, 128, (6, 8, 3, 3)).astype(np.int8)
    options = {"x_zero_point": 7, "scale": 0.01, "data_format": data_format}
    y = fastconv.qconv2d(x, weight, **options)
    plan = fastconv.plan_qconv(image, weight, **options)
    np.testing.assert_array_equal(plan(x), y)
    for threads in (1, 2, 3):
        again = fastconv.qconv2d(x, weight, **options, num_threads=threads)
        np.testing.assert_array_equal(again, y)
    for one, expected in zip(x.reshape(-1, *image), y.reshape(-1, *y.shape[-3:]), strict=True):
        np.testing.assert_array_equal(fastconv.qconv2d(one, weight, **options), expected)
        np.testing.assert_array_equal(plan(one), expected)


@pytest.mark.parametrize("view", WRITEABLE)
@pytest.mark.parametrize("scale", [None, 0.01])
def test_out(view, scale):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 8, 9, 10)).astype(np.uint8)
    weight = rng.integers(-128, 128, (8, 8, 3, 3)).astype(np.int8)
    expected = fastconv.qconv2d(x, weight, padding=1, scale=scale)
    plan = fastconv.plan_qconv(x.shape, weight, padding=1, scale=scale)
    for call in (lambda out: fastconv.qconv2d(x, weight, padding=1, scale=scale, out=out),
                 lambda out: plan(x, out=out)):  # fmt: skip
        out = empty_view(expected.shape, expected.dtype, view)
        assert call(out) is out
        np.testing.assert_array_equal(out, expected)


def test_out_over_an_input():
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (8, 8, 3, 3)).astype(np.int8)
    for batch in (1, 4):
        x = rng.integers(0, 256, (batch, 8, 9, 10)).astype(np.uint8)
        expected = fastconv.qconv2d(x, weight, padding=1, scale=0.01)
        assert fastconv.qconv2d(x, weight, padding=1, scale=0.01, out=x) is x
        np.testing.assert_array_equal(x, expected)


def test_a_failed_call_leaves_out_as_it_was():
    x = np.full((3, 2, 1), 2**15 - 1, np.int16)
    x[:2] = 0
    out = np.full((3, 1, 1), 77, np.int32)
    with pytest.raises(OverflowError):
        fastconv.qconv1d(x, np.full((1, 2, 1), 2**15 - 1, np.int16), [2**20], out=out)
    assert (out == 77).all()


def test_inputs_stay_as_they_are():
    x, weight = np.full((1, 3, 5), 9, np.uint8), np.full((2, 3, 2), 3, np.uint8)
    x.flags.writeable = weight.flags.writeable = False
    y = fastconv.qconv1d(x, weight, x_zero_point=1, weight_zero_point=[1, 2])
    assert y.tolist() == [[[96] * 4, [48] * 4]]


# ---- plans ----

def a_plan(**more):
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (8, 16, 3, 3)).astype(np.int8)
    options = {"padding": 1, "x_zero_point": 120, "scale": rng.random(8) / 1000 + 1e-4,
               "y_zero_point": 9, "activation": ("clip", -5, 99), **more}  # fmt: skip
    bias = rng.integers(-999, 999, 8)
    x = rng.integers(0, 256, (4, 16, 12, 12)).astype(np.uint8)
    return fastconv.plan_qconv(x.shape, weight, bias, **options), x, weight, bias, options


def test_a_plan_keeps_its_own_copies():
    plan, x, weight, bias, options = a_plan()
    expected = fastconv.qconv2d(x, weight, bias, **options)
    weight[...], bias[...], options["scale"][...] = 0, 0, 1
    np.testing.assert_array_equal(plan(x), expected)
    assert plan.output_shape == expected.shape
    assert "uint8" in repr(plan)
    assert str(plan.output_shape) in repr(plan)


def test_a_plan_can_be_pickled():
    plan, x, *_ = a_plan()
    again = pickle.loads(pickle.dumps(plan))
    np.testing.assert_array_equal(again(x), plan(x))
    assert again.output_shape == plan.output_shape


def test_a_plan_serves_many_threads_at_once():
    plan, x, weight, bias, options = a_plan(num_threads=1)
    expected = plan(x)
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(lambda _: plan(x), range(200)):
            np.testing.assert_array_equal(y, expected)
        for y in pool.map(lambda _: fastconv.qconv2d(x, weight, bias, **options), range(50)):
            np.testing.assert_array_equal(y, expected)


def test_a_plan_takes_what_it_was_made_for():
    plan, x, *_ = a_plan()
    np.testing.assert_array_equal(plan(x.astype(">u1")), plan(x))
    with pytest.raises(TypeError, match=r"plan_qconv: x has dtype int8, .* dtype='int8'"):
        plan(x.astype(np.int8))
    with pytest.raises(ValueError, match=r"plan_qconv: x has shape \(4, 16, 12, 11\)"):
        plan(x[..., 1:])
    with pytest.raises(TypeError, match="plan_qconv: x has dtype float64"):
        plan(x.astype(float))


# ---- bad inputs ----

GOOD = {"x": np.ones((1, 2, 5), np.uint8), "weight": np.ones((3, 2, 2), np.int8)}
BAD = [
    ({"x": np.ones((1, 2, 5))}, TypeError, "x has dtype float64, but quantised layers take"),
    ({"x": np.ones((1, 2, 5), int)}, TypeError, "x has dtype int64"),
    ({"x": np.ones((1, 2, 5), bool)}, TypeError, "x has dtype bool"),
    ({"weight": np.ones((3, 2, 2), np.float32)}, TypeError, "weight has dtype float32"),
    ({"x": np.ones((1, 3, 5), np.uint8)}, ValueError, "weight has 2 input channels per group"),
    ({"x_zero_point": 256}, ValueError, "x_zero_point=256 is not within 0 to 255"),
    ({"x_zero_point": -1}, ValueError, "x_zero_point=-1 is not within 0 to 255"),
    ({"x_zero_point": 1.0}, TypeError, "x_zero_point=1.0 must be of integers"),
    ({"x_zero_point": [1, 2]}, ValueError, "x_zero_point has shape .* but is one number"),
    ({"x_zero_point": None}, TypeError, "x_zero_point"),
    ({"weight_zero_point": 128}, ValueError, "weight_zero_point=128 is not within -128 to 127"),
    ({"weight_zero_point": [1, 2]}, ValueError, r"weight_zero_point has shape \(2,\), .* \(3,\)"),
    ({"weight_zero_point": [1, 2, 128]}, ValueError, "is not within -128 to 127"),
    ({"weight_zero_point": True}, TypeError, "weight_zero_point=True must be of integers"),
    ({"scale": 0.0}, ValueError, "scale=0.0 must be finite and positive"),
    ({"scale": -1.0}, ValueError, "scale=-1.0 must be finite and positive"),
    ({"scale": np.nan}, ValueError, "scale=nan must be finite and positive"),
    ({"scale": [1.0, np.inf, 1.0]}, ValueError, "must be finite and positive"),
    ({"scale": [1.0, 2.0]}, ValueError, r"scale has shape \(2,\), .* \(3,\)"),
    ({"scale": "fast"}, TypeError, "scale"),
    ({"y_zero_point": 3}, ValueError, "y_zero_point=3 needs a scale"),
    ({"y_zero_point": 300, "scale": 1.0}, ValueError, "y_zero_point=300 is not within 0 to 255"),
    ({"y_zero_point": -1, "scale": 1.0, "out_dtype": "uint8"}, ValueError, "y_zero_point=-1"),
    ({"out_dtype": "uint8"}, TypeError, "out_dtype='uint8' is not one of int32, int64"),
    ({"out_dtype": "int64", "scale": 1.0}, TypeError, "out_dtype='int64' is not one of uint8"),
    ({"out_dtype": "float32", "scale": 1.0}, TypeError, "out_dtype='float32' is not one of"),
    ({"out_dtype": "no"}, TypeError, "out_dtype"),
    ({"bias": [1, 2]}, ValueError, r"bias has shape \(2,\), but weight has 3 filters"),
    ({"bias": [1.0, 2.0, 3.0]}, TypeError, "bias=.* must be of integers"),
    ({"bias": [0, 0, 2**31]}, ValueError, "bias holds .* which 32 bits do not"),
    ({"activation": "sigmoid", "scale": 1.0}, ValueError, "activation='sigmoid' is not None"),
    ({"activation": "relu6", "scale": 1.0}, ValueError, "activation='relu6' is in real numbers"),
    ({"activation": "sigmoid"}, TypeError, "activation='sigmoid' does not give integers"),
    ({"activation": ("clip", 0.5, 2)}, TypeError, "does not give integers"),
    ({"padding": "twice"}, ValueError, "padding"),
    ({"out": np.empty((1, 3, 3), np.int32)}, ValueError, r"out has shape \(1, 3, 3\)"),
    ({"out": [0]}, TypeError, "out must be an ndarray"),
    ({"num_threads": 0}, ValueError, "num_threads"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD, ids=[str(list(b[0])) for b in BAD])
def test_bad_inputs(bad, error, message):
    with pytest.raises(error, match=f"qconv1d: .*{message}|qconv1d: {message}"):
        fastconv.qconv1d(**{**GOOD, **bad})


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [b for b in BAD if not {"x", "out", "num_threads"} & set(b[0])],
)
def test_bad_inputs_of_plans(bad, error, message):
    arguments = {**GOOD, **bad}
    with pytest.raises(error, match=message):
        fastconv.plan_qconv(arguments.pop("x").shape, **arguments)


def test_bad_dtype_of_a_plan():
    for bad in ("float32", "int32", "nothing", None):
        with pytest.raises(TypeError, match="plan_qconv: dtype="):
            fastconv.plan_qconv((1, 2, 5), GOOD["weight"], dtype=bad)
