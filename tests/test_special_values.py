"""NaN, infinities, zeros of both signs, denormals and huge numbers, at every tier and method."""

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.contract import assert_exact, assert_within_contract

METHODS = [a.name for a in ALGORITHMS if "forward" in a.passes]
DTYPES = [np.float32, np.float64]
GEOMETRIES = [
    {"padding": 1},
    {"padding": 2, "stride": 2, "data_format": "channels_last"},
    {"padding": ((2, 0), (1, 3)), "dilation": 2, "padding_mode": "reflect"},
    {"padding": 1, "groups": 5},
]
# What the exact sums make of the specials: IEEE 754 leaves no choice.
SPECIALS = {
    "nan": [np.nan],
    "inf": [np.inf],
    "both infinities": [np.inf, -np.inf],
    "all": [np.nan, np.inf, -np.inf, 0.0, -0.0],
}


def numbers(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def sprinkle(array, values, seed=3, density=0.002):
    rng = np.random.default_rng(seed)
    count = max(len(values), int(density * array.size))
    where = rng.choice(array.size, count, replace=False)
    array.ravel()[where] = rng.choice(values, count)
    return array


def problem(dtype, geometry):
    shape = (2, 10, 17, 23)
    if geometry.get("data_format") == "channels_last":
        shape = (2, 17, 23, 10)
    return numbers(shape, dtype), numbers((35, 10 // geometry.get("groups", 1), 3, 3), dtype, 1)


def check(x, weight, tier, method, geometry):
    """The mask of the reference, and the contract where it is finite."""
    with np.errstate(all="raise"):
        y = fastconv.conv2d(x, weight, precision=tier, method=method, **geometry)
    exact = reference.conv(x, weight, **geometry)
    tame = np.nan_to_num(x, nan=0, posinf=0, neginf=0)
    tame_weight = np.nan_to_num(weight, nan=0, posinf=0, neginf=0)
    magnitude = reference.sum_abs(tame, tame_weight, **geometry)
    assert_within_contract(y, exact, magnitude, tier=tier, context=geometry)


@pytest.mark.parametrize("specials", SPECIALS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("tier", ["highest", "high", "medium"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_in_x(method, dtype, tier, geometry, specials):
    x, weight = problem(dtype, geometry)
    check(sprinkle(x, SPECIALS[specials]), weight, tier, method, geometry)


@pytest.mark.parametrize("specials", SPECIALS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("tier", ["highest", "high"])
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_in_weight(method, tier, geometry, specials):
    """Where an infinite weight meets the padding's zero the result is NaN, as with np.pad."""
    x, weight = problem(np.float32, geometry)
    check(x, sprinkle(weight, SPECIALS[specials]), tier, method, geometry)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_special_reaches_its_windows_only(method, value):
    x = np.ones((1, 3, 20, 40), np.float32)
    x[0, 1, 9, 21] = value
    y = fastconv.conv2d(x, np.ones((18, 3, 3, 3), np.float32), padding=1, method=method)
    touched = np.zeros((20, 40), bool)
    touched[8:11, 20:23] = True
    np.testing.assert_array_equal(~np.isfinite(y[0]), np.broadcast_to(touched, (18, 20, 40)))


@pytest.mark.parametrize("method", METHODS)
def test_zero_times_infinity_is_nan(method):
    x = np.full((1, 2, 5, 19), np.inf, np.float32)
    weight = np.zeros((17, 2, 2, 2), np.float32)
    assert np.isnan(fastconv.conv2d(x, weight, method=method)).all()
    assert np.isnan(fastconv.conv2d(weight[:1] * 0 + 0, np.inf + weight, method=method)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_padding_zeros_meet_infinite_weights(method, dtype):
    """np.pad puts zeros, and 0 * inf is NaN: the border must agree with the explicit padding."""
    x = np.ones((1, 2, 5, 19), dtype)
    weight = np.ones((17, 2, 3, 3), dtype)
    weight[:, :, 0, 0] = np.inf
    y = fastconv.conv2d(x, weight, padding=1, method=method)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = fastconv.conv2d(padded, weight, method=method)
    np.testing.assert_array_equal(y, expected)
    assert np.isnan(y[:, :, 0]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_overflow_becomes_infinity(method, dtype):
    huge = np.finfo(dtype).max
    x, weight = np.full((1, 4, 3, 20), huge, dtype), np.ones((9, 4, 1, 1), dtype)
    with np.errstate(all="raise"):
        y = fastconv.conv2d(x, weight, method=method, precision="highest")
    assert np.isposinf(y).all()
    weight[::2] = 0.125
    y = fastconv.conv2d(x, weight, method=method, precision="highest")
    np.testing.assert_array_equal(y[:, ::2], np.full_like(y[:, ::2], huge / 2))
    assert np.isposinf(y[:, 1::2]).all()


@pytest.mark.parametrize("method", METHODS)
def test_huge_but_finite(method):
    """1e38 in x and 1e-38 in the weights: the products are of order one."""
    x = numbers((2, 10, 13, 21), np.float32) * np.float32(1e37)
    weight = numbers((19, 10, 3, 3), np.float32, 1) * np.float32(1e-37)
    for tier in ("highest", "high"):
        check(x, weight, tier, method, {"padding": 1})


@pytest.mark.parametrize("method", METHODS)
def test_denormals_are_not_flushed(method):
    tiny = np.finfo(np.float32).smallest_subnormal
    x = np.rint(3 * numbers((1, 5, 9, 21), np.float32)) * tiny
    weight = np.rint(3 * numbers((18, 5, 3, 3), np.float32, 1))
    y = fastconv.conv2d(x, weight, method=method, precision="highest")
    assert_exact(y, reference.conv(x, weight))
    assert (y != 0).any()


def test_the_processor_still_keeps_denormals():
    """Neither importing nor calling may switch the process to flush-to-zero."""
    tiny = np.finfo(np.float64).smallest_subnormal
    fastconv.conv2d(np.ones((1, 8, 40, 40), np.float32), np.ones((8, 8, 3, 3), np.float32))
    assert np.float64(tiny) * 1.0 == tiny
    assert np.array([tiny]) + 0 > 0
    assert np.float32(2.0**-149) / np.float32(1) != 0


@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu",
                                        ("clip", -1, 2)], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_of_specials(dtype, activation):
    """NaN stays NaN, whatever minimum and maximum the processor has."""
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5, 1e30, -1e30, 1e-40], dtype)
    for width in (1, 10, 37):
        x = np.resize(values, (1, 1, 1, width)).astype(dtype)
        for filters in (1, 33):
            weight = np.ones((filters, 1, 1, 1), dtype)
            y = fastconv.conv2d(x, weight, activation=activation)
            expected = reference.activate(x.astype(np.longdouble), activation).astype(float)
            if activation == "silu":
                # -inf * sigmoid(-inf): the limit is 0, the product NaN; both are defensible.
                keep = ~np.isneginf(x)
                np.testing.assert_allclose(
                    y[:, 0][keep[:, 0]], expected[keep], rtol=8 * np.finfo(dtype).eps, atol=1e-44
                )
                continue
            np.testing.assert_allclose(
                y, np.broadcast_to(expected, y.shape), rtol=8 * np.finfo(dtype).eps, atol=1e-44
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_gradients(dtype):
    grad = sprinkle(numbers((2, 18, 9, 21), dtype), SPECIALS["all"])
    x, weight = numbers((2, 7, 9, 21), dtype, 1), numbers((18, 7, 3, 3), dtype, 2)
    tame = np.nan_to_num(np.abs(grad), nan=0, posinf=0)
    for algorithm in ALGORITHMS:
        method = {"method": algorithm.name, "precision": "highest"}
        if algorithm.tier != "highest":
            continue
        got = fastconv.conv2d_backward_data(grad, weight, x.shape, padding=1, **method)
        exact = reference.conv_backward_data(grad, weight, x.shape, padding=1)
        magnitude = reference.conv_backward_data(tame, np.abs(weight), x.shape, padding=1)
        assert_within_contract(got, exact, magnitude, context=algorithm.name)
        got = fastconv.conv2d_backward_weight(grad, x, weight.shape, padding=1, **method)
        exact = reference.conv_backward_weight(grad, x, weight.shape, padding=1)
        magnitude = reference.conv_backward_weight(tame, np.abs(x), weight.shape, padding=1)
        assert_within_contract(got, exact, magnitude, context=algorithm.name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_special_in_x_reaches_its_taps_of_the_weight_gradient(dtype):
    x, grad = np.ones((1, 4, 9, 21), dtype), np.ones((1, 18, 7, 19), dtype)
    x[0, 2, 0, 0] = np.nan  # read by the kernel's first tap only
    for algorithm in ALGORITHMS:
        got = fastconv.conv2d_backward_weight(grad, x, (18, 4, 3, 3), method=algorithm.name)
        expected = np.zeros(got.shape, bool)
        expected[:, 2, 0, 0] = True
        np.testing.assert_array_equal(np.isnan(got), expected)


def test_infinite_weights_in_the_gradient_of_the_data():
    """Only outputs that read an element give to it: beyond the border there is nothing."""
    grad, weight = np.ones((1, 18, 7, 19), np.float32), np.ones((18, 4, 3, 3), np.float32)
    weight[:, 1, 2, 2] = np.inf
    for stride in (1, 2):
        shape = (1, 4, 9, 21) if stride == 1 else (1, 4, 16, 40)
        exact = reference.conv_backward_data(grad, weight, shape, stride)
        assert np.isfinite(exact[:, 1, 0]).all()
        for algorithm in ALGORITHMS:
            got = fastconv.conv2d_backward_data(grad, weight, shape, stride, method=algorithm.name)
            assert_exact(got, exact, (algorithm.name, stride))
