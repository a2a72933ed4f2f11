"""Special values: NaN, infinities, zeros, denormals, huge numbers, by every tier and method."""

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.checks import function_of
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.served import methods, serves

METHODS = methods("forward")
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


def forward(method, x_shape, weight_shape, **options):
    """Whether a method serves a forward pass: what each test over the methods asks."""
    return serves(method, "forward", x_shape, weight_shape, **options)


def serves_problem(method, geometry, **options):
    """Whether a method serves the shapes of `problem`."""
    shape = (2, 17, 23, 10) if geometry.get("data_format") == "channels_last" else (2, 10, 17, 23)
    weight_shape = (35, 10 // geometry.get("groups", 1), 3, 3)
    return forward(method, shape, weight_shape, **geometry, **options)


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
@pytest.mark.served(by=lambda method, dtype, tier, geometry: serves_problem(
    method, geometry, dtype=dtype, precision=tier
))
def test_in_x(method, dtype, tier, geometry, specials):
    x, weight = problem(dtype, geometry)
    check(sprinkle(x, SPECIALS[specials]), weight, tier, method, geometry)


@pytest.mark.parametrize("specials", SPECIALS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("tier", ["highest", "high"])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.served(by=lambda method, tier, geometry: serves_problem(
    method, geometry, precision=tier
))
def test_in_weight(method, tier, geometry, specials):
    """Where an infinite weight meets the padding's zero the result is NaN, as with np.pad."""
    x, weight = problem(np.float32, geometry)
    check(x, sprinkle(weight, SPECIALS[specials]), tier, method, geometry)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.served(by=lambda method: forward(
    method, (1, 3, 20, 40), (18, 3, 3, 3), padding=1
))
def test_one_special_reaches_its_windows_only(method, value):
    x = np.ones((1, 3, 20, 40), np.float32)
    x[0, 1, 9, 21] = value
    y = fastconv.conv2d(x, np.ones((18, 3, 3, 3), np.float32), padding=1, method=method)
    touched = np.zeros((20, 40), bool)
    touched[8:11, 20:23] = True
    np.testing.assert_array_equal(~np.isfinite(y[0]), np.broadcast_to(touched, (18, 20, 40)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: (
    forward(method, (1, 2, 5, 19), (17, 2, 2, 2))
    and forward(method, (1, 2, 2, 2), (17, 2, 2, 2))
))
def test_zero_times_infinity_is_nan(method):
    x = np.full((1, 2, 5, 19), np.inf, np.float32)
    weight = np.zeros((17, 2, 2, 2), np.float32)
    assert np.isnan(fastconv.conv2d(x, weight, method=method)).all()
    assert np.isnan(fastconv.conv2d(weight[:1] * 0 + 0, np.inf + weight, method=method)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, dtype: forward(
    method, (1, 2, 5, 19), (17, 2, 3, 3), padding=1, dtype=dtype
))
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


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "filters", "length", "k", "dilation"), [
    (40, 24, 120, 128, 1), (64, 20, 300, 3, 150), (128, 4, 300, 9, 60)])  # fmt: skip
def test_much_padding_meets_infinite_weights(channels, filters, length, k, dilation, dtype, value):
    """Where most taps of an output lie in the padding, they are left out for finite weights."""
    padding = dilation * (k - 1) // 2
    x = numbers((1, channels, length), dtype)
    weight = numbers((filters, channels, k), dtype, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    options = {"dilation": dilation, "method": "direct"}
    x[0, 1, 20] = -value  # an infinite x, and a NaN, reach no further than they did
    padded[0, 1, 20 + padding] = -value
    for finite in (True, False):
        if not finite:
            weight[3, 1, 1] = value
        y = fastconv.conv1d(x, weight, padding=padding, **options)
        expected = fastconv.conv1d(padded, weight, **options)
        for test in (np.isnan, np.isposinf, np.isneginf):
            np.testing.assert_array_equal(test(y), test(expected))
        usual = np.isfinite(expected)
        assert usual.any()
        assert not usual.all()
        np.testing.assert_allclose(y[usual], expected[usual], rtol=0,
                                   atol=64 * np.finfo(dtype).eps * np.abs(expected[usual]).max())
        x[0, 1, 20] = padded[0, 1, 20 + padding] = 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, dtype: forward(
    method, (1, 4, 3, 20), (9, 4, 1, 1), dtype=dtype, precision="highest"
))
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
@pytest.mark.served(by=lambda method: forward(
    method, (2, 10, 13, 21), (19, 10, 3, 3), padding=1, precision="highest"
))
def test_huge_but_finite(method):
    """1e38 in x and 1e-38 in the weights: the products are of order one."""
    x = numbers((2, 10, 13, 21), np.float32) * np.float32(1e37)
    weight = numbers((19, 10, 3, 3), np.float32, 1) * np.float32(1e-37)
    for tier in ("highest", "high"):
        check(x, weight, tier, method, {"padding": 1})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(
    method, (1, 5, 9, 21), (18, 5, 3, 3), precision="highest"
))
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


# ---------------------------------------------------------------- in any position, on any axes

# One image (or filter) for every position and value, so that one call sees all of them.
EVERY = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40]
PLACES = [
    {"padding": 1},
    {"padding": 0, "bias": True},
    {"padding": "full", "data_format": "channels_last"},
    {"padding": 2, "stride": 2, "dilation": 2},
    {"padding": 4, "padding_mode": "circular", "groups": 2},
    {"padding": 1, "groups": 4},
]


def everywhere(shape, values=EVERY, dtype=np.float32, seed=0):
    """For every position two copies of the same numbers: with a NaN, and another value there.

    Of a large array, a hundred positions that fall on all places of a tile.
    """
    whole = numbers(shape, dtype, seed)
    position = np.arange(0, whole.size, whole.size // 100 | 1)
    copies = np.repeat(whole[None], 2 * len(position), axis=0)
    flat, even = copies.reshape(len(copies), -1), np.arange(0, len(copies), 2)
    flat[even, position] = np.nan
    flat[even + 1, position] = np.resize(values[1:], len(position))
    return copies


def lengths_of(rank):
    """Room for a tile and for what is left of the next one."""
    return {1: (13,), 2: (6, 7), 3: (3, 3, 4)}[rank]


def same_mask(got, expected, context):
    for name, test in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
        wrong = np.argwhere(test(got) != test(expected))
        assert not len(wrong), f"{name} misplaced at {wrong[0].tolist()}: {context}"


def judge(got, strict, exact, magnitude, tier, context):
    """The mask of "highest", which is that of the exact sums; each image is within its tier."""
    same_mask(got, strict, context)
    with np.errstate(over="ignore"):
        rounded = exact.astype(strict.dtype)
    exact = np.where(np.isinf(rounded), rounded, exact)  # an infinity beyond its numbers
    same_mask(strict, exact, context)
    assert_within_contract(got, exact, magnitude, tier=tier, few=True, each=True, context=context)


def split(place, channels):
    """Keyword arguments of every pass, the bias, and the channels of a weight."""
    kwargs = {k: v for k, v in place.items() if k != "bias"}
    bias = np.full(4, 0.5, np.float32) if place.get("bias") else None
    return kwargs, bias, channels // kwargs.get("groups", 1)


def layout(shape, kwargs):
    if kwargs.get("data_format") == "channels_last":
        return (*shape[1:], shape[0])
    return shape


def serves_place(method, which, rank, place, precision):
    """Whether a method serves one pass of such a problem."""
    kwargs, _, depth = split(place, 4)
    shape, weight_shape = layout((4, *lengths_of(rank)), kwargs), (4, depth, *(3,) * rank)
    return serves(method, which, (1, *shape), weight_shape, **kwargs, precision=precision)


RIGHT = {}


def right_answer(rank, name, x, weight, bias, kwargs):
    """What every method is compared with, computed once: strict, exact, sum of magnitudes."""
    if (rank, name) not in RIGHT:
        strict = function_of("conv", rank)(
            x, weight, bias, **kwargs, method="direct", precision="highest"
        )
        tame = (np.nan_to_num(np.abs(a), nan=0, posinf=0) for a in (x, weight))
        magnitude = reference.sum_abs(*tame, bias, **kwargs)
        RIGHT[rank, name] = strict, reference.conv(x, weight, bias, **kwargs), magnitude
    return RIGHT[rank, name]


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.served(by=lambda method, rank, place: serves_place(
    method, "forward", rank, place, "high"
))
def test_any_position_of_x(method, rank, place):
    kwargs, bias, depth = split(place, 4)
    conv = function_of("conv", rank)
    x = everywhere(layout((4, *lengths_of(rank)), kwargs))
    weight = numbers((4, depth, *(3,) * rank), np.float32, 1)
    strict, exact, magnitude = right_answer(rank, str(place), x, weight, bias, kwargs)
    for tier in ("high", "medium"):
        with np.errstate(all="raise"):
            y = conv(x, weight, bias, **kwargs, method=method, precision=tier)
        judge(y, strict, exact, magnitude, tier, (method, tier, place))


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.served(by=lambda method, rank, place: serves_place(
    method, "forward", rank, place, "high"
))
def test_any_position_of_the_weight(method, rank, place):
    kwargs, _, depth = split(place, 4)
    conv = function_of("conv", rank)
    x = numbers(layout((4, *lengths_of(rank)), kwargs), np.float32)
    weight = everywhere((depth, *(3,) * rank), seed=1)
    groups = kwargs.get("groups", 1)
    weight = weight[: len(weight) // groups * groups]
    strict, exact, magnitude = right_answer(rank, f"weight {place}", x, weight, None, kwargs)
    y = conv(x, weight, **kwargs, method=method, precision="high")
    # One filter's results have one scale.
    channels = -1 if kwargs.get("data_format") == "channels_last" else 0
    arrays = (np.moveaxis(a, channels, 0) for a in (y, strict, exact, magnitude))
    judge(*arrays, "high", (method, place))


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
@pytest.mark.served(by=lambda algorithm, rank, place: any(
    serves_place(algorithm.name, which, rank, place, algorithm.tier)
    for which in ("backward_data", "backward_weight")
))
def test_any_position_in_gradients(algorithm, rank, place):
    kwargs, _, depth = split(place, 4)
    options = {"method": algorithm.name, "precision": algorithm.tier}
    direct = {"method": "direct", "precision": "highest"}
    weight = numbers((4, depth, *(3,) * rank), np.float32, 1)
    shape = layout((4, *lengths_of(rank)), kwargs)
    sizes = {k: v for k, v in kwargs.items() if k != "padding_mode"}
    out = reference.conv_output_shape((1, *shape), weight.shape, **sizes)[1:]
    spots = everywhere(out, EVERY[:4])
    tame = np.nan_to_num(np.abs(spots), nan=0, posinf=0)

    def attempt(name, args, sizes, **more):
        function, right = function_of(name, rank), getattr(reference, name)
        got = function(*args, **kwargs, **more, **options)
        strict = function(*args, **kwargs, **more, **direct)
        exact = right(*args, **kwargs, **more)
        judge(got, strict, exact, right(*sizes, **kwargs, **more), algorithm.tier,
              (name, algorithm.name, place))  # fmt: skip

    if serves_place(algorithm.name, "backward_data", rank, place, algorithm.tier):
        whole = (len(spots), *shape)
        attempt("conv_backward_data", (spots, weight, whole), (tame, np.abs(weight), whole))
    if serves_place(algorithm.name, "backward_weight", rank, place, algorithm.tier):
        # small beside 1e38: in what order a sum overflows on its way is nobody's promise
        x = numbers((len(spots), *shape), np.float32, 2) / 32
        args = (spots, x, weight.shape)
        attempt("conv_backward_weight", args, (tame, np.abs(x), weight.shape), per_sample=True)
        x = everywhere(shape, EVERY[:4])
        grad = numbers((len(x), *out), np.float32, 3) / 32
        sizes = (np.abs(grad), np.nan_to_num(np.abs(x), nan=0, posinf=0), weight.shape)
        attempt("conv_backward_weight", (grad, x, weight.shape), sizes, per_sample=True)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
@pytest.mark.served(by=lambda algorithm, rank: serves(
    algorithm.name, "backward_weight", (3, 4, *lengths_of(rank)), (5, 4, *(3,) * rank),
    precision=algorithm.tier,
))
def test_a_gradient_summed_over_images(algorithm, rank):
    """One special in one image is in the sum, at its taps and nowhere else."""
    shape = (3, 4, *lengths_of(rank))
    weight_shape = (5, 4, *(3,) * rank)
    x, backward = np.ones(shape, np.float32), function_of("conv_backward_weight", rank)
    grad = np.ones(reference.conv_output_shape(shape, weight_shape), np.float32)
    for value in (np.nan, np.inf, 1e38):
        x[(1, 2, *(0,) * rank)] = value  # read by the kernel's first tap only
        options = {"method": algorithm.name, "precision": algorithm.tier}
        got = backward(grad, x, weight_shape, **options)
        exact = reference.conv_backward_weight(grad, x, weight_shape)
        same_mask(got, exact.astype(np.float32), (algorithm.name, value))
        assert_within_contract(got, exact, np.abs(exact), tier=algorithm.tier)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_any_position_of_a_transposed_convolution(stride, rank):
    transpose = function_of("conv_transpose", rank)
    x = everywhere((4, *(n // 2 + 1 for n in lengths_of(rank))), EVERY[:4])
    weight = numbers((4, 3, *(3,) * rank), np.float32, 1)
    kwargs = {"stride": stride, "padding": 1}
    exact = reference.conv_transpose(x, weight, **kwargs)
    tame = np.nan_to_num(np.abs(x), nan=0, posinf=0)
    magnitude = reference.conv_transpose(tame, np.abs(weight), **kwargs)
    strict = transpose(x, weight, **kwargs, method="direct", precision="highest")
    for method in methods("backward_data"):
        adjoint = kwargs | {"precision": "high"}
        if serves(method, "backward_data", exact.shape, weight.shape, **adjoint):
            y = transpose(x, weight, **kwargs, method=method, precision="high")
            judge(y, strict, exact, magnitude, "high", (method, kwargs))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, rank, dtype: forward(
    method, (2, 2, *(n + 9 for n in lengths_of(rank))), (3, 2, *(1,) * (rank - 1), 2),
    dtype=dtype, precision="high",
))
def test_huge_numbers_that_cancel(method, rank, dtype):
    """Sums of a few that never overflow, while a transform of a whole tile would."""
    huge = np.finfo(dtype).max / 3
    x = np.full((2, 2, *(n + 9 for n in lengths_of(rank))), huge, dtype)
    x[..., ::2] *= -1
    x[1] = 0.5  # an image beside it
    weight = np.ones((3, 2, *(1,) * (rank - 1), 2), dtype)
    weight[:, 1] = -1
    for tier in ("high", "medium"):
        with np.errstate(all="raise"):
            y = function_of("conv", rank)(x, weight, method=method, precision=tier)
        assert np.isfinite(y).all()
        promise = 1e-5 if dtype == np.float32 else 1e-13
        assert (np.abs(y[0]) <= promise * huge).all()
        assert (np.abs(y[1]) <= promise).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, rank, dtype: forward(
    method, (5, 4, *(n + 4 for n in lengths_of(rank))), (6, 4, *(3,) * rank), padding=1,
    dtype=dtype, precision="high",
))
def test_a_special_value_leaves_other_images_alone(method, rank, dtype):
    """Bitwise: whatever is recomputed is recomputed for that image only."""
    x = numbers((5, 4, *(n + 4 for n in lengths_of(rank))), dtype)
    weight = numbers((6, 4, *(3,) * rank), dtype, 1)
    conv = function_of("conv", rank)
    options = {"method": method, "precision": "high", "padding": 1}
    before = conv(x, weight, **options)
    x[3].flat[7] = np.inf
    after = conv(x, weight, **options)
    for n in (0, 1, 2, 4):
        np.testing.assert_array_equal(after[n], before[n])
    assert not np.isfinite(after[3]).all()


# ----------------------------------------------------------------------------------- poolings

WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 1, "dilation": 2, "padding": 2, "data_format": "channels_last"},
]
LONG = {"kernel_size": 21, "stride": 1, "padding": 10}


@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@pytest.mark.parametrize(
    ("rank", "window"),
    [(rank, window) for rank in (1, 2, 3) for window in WINDOWS] + [(1, LONG)],
    ids=str,
)
def test_any_position_of_a_pooled_array(rank, window, dtype):
    """A special value is in the windows that hold it; a huge one takes nothing from others."""
    values = EVERY if dtype != np.float16 else [np.nan, np.inf, -np.inf, 6e4, -6e4, 1e-7]
    lengths = (45,) if window is LONG else {1: (19,), 2: (5, 8), 3: (4, 4, 5)}[rank]
    x = everywhere(layout((2, *lengths), window), values, dtype)
    with np.errstate(all="raise"):
        results = {name: function_of(name, rank)(x, **window) for name in ("max_pool", "min_pool")}
        mean = function_of("avg_pool", rank)(x, **window)
    for name, got in results.items():
        exact, where = getattr(reference, name)(x, **window, return_indices=True)
        assert_exact(got, exact, (name, window))
        _, indices = function_of(name, rank)(x, **window, return_indices=True)
        assert_exact(indices, where, (name, window))
    exact = reference.avg_pool(x, **window)
    tame = np.nan_to_num(np.abs(x), nan=0, posinf=0)
    assert_within_contract(mean, exact, reference.avg_pool(tame, **window), context=window)
    # Whose powers would overflow: there is nothing to compare them with.
    with np.errstate(invalid="ignore"):
        small = np.where(tame > np.sqrt(np.finfo(dtype).max) / 9, np.inf, x).astype(dtype)
    for p in (1, 2):
        got = function_of("lp_pool", rank)(small, p, **window)
        exact = reference.lp_pool(small, p, **window)
        tame = np.nan_to_num(np.abs(small), nan=0, posinf=0)
        assert_within_contract(got, exact, reference.lp_pool(tame, p, **window), context=window)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_any_position_of_an_adaptively_pooled_array(rank):
    shape = {1: (2, 17), 2: (2, 5, 7), 3: (1, 4, 3, 5)}[rank]
    x = everywhere(shape)
    tame = np.nan_to_num(np.abs(x), nan=0, posinf=0)
    for size in (1, 2, 3, 7):
        exact = reference.adaptive_max_pool(x, size, return_indices=True)
        got = function_of("adaptive_max_pool", rank)(x, size, return_indices=True)
        assert_exact(got[0], exact[0], size)
        assert_exact(got[1], exact[1], size)
        got = function_of("adaptive_avg_pool", rank)(x, size)
        magnitude = reference.adaptive_avg_pool(tame, size)
        assert_within_contract(got, reference.adaptive_avg_pool(x, size), magnitude, context=size)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_any_position_of_a_pooling_gradient(rank):
    shape = {1: (2, 17), 2: (2, 5, 7), 3: (1, 4, 3, 5)}[rank]
    window = {"kernel_size": 3, "stride": 2, "padding": 1}
    out = reference.pool_output_shape((1, *shape), **window)[1:]
    grad = everywhere(out)
    whole = (len(grad), *shape)
    tame = np.nan_to_num(np.abs(grad), nan=0, posinf=0)
    got = function_of("avg_pool_backward", rank)(grad, whole, **window)
    exact = reference.avg_pool_backward(grad, whole, **window)
    magnitude = reference.avg_pool_backward(tame, whole, **window)
    assert_within_contract(got, exact, magnitude)
    x = numbers(whole, np.float32, 5)
    _, indices = reference.max_pool(x, **window, return_indices=True)
    got = function_of("max_pool_backward", rank)(grad, indices, whole)
    exact = reference.max_pool_backward(grad, indices, whole)
    magnitude = reference.max_pool_backward(tame, indices, whole)
    assert_within_contract(got, exact, magnitude)
    grad = everywhere(tuple(1 if i == 0 else 2 for i in range(rank + 1)))
    whole = (len(grad), 1, *shape[1:])
    tame = np.nan_to_num(np.abs(grad), nan=0, posinf=0)
    got = function_of("adaptive_avg_pool_backward", rank)(grad, whole)
    exact = reference.adaptive_avg_pool_backward(grad, whole)
    assert_within_contract(got, exact, reference.adaptive_avg_pool_backward(tame, whole))


def test_infinite_weights_in_the_gradient_of_the_data():
    """Only outputs that read an element give to it: beyond the border there is nothing."""
    grad, weight = np.ones((1, 18, 7, 19), np.float32), np.ones((18, 4, 3, 3), np.float32)
    weight[:, 1, 2, 2] = np.inf
    for stride in (1, 2):
        shape = (1, 4, 9, 21) if stride == 1 else (1, 4, 16, 40)
        exact = reference.conv_backward_data(grad, weight, shape, stride)
        assert np.isfinite(exact[:, 1, 0]).all()
        for method in methods("backward_data"):
            if serves(method, "backward_data", shape, weight.shape, stride=stride):
                got = fastconv.conv2d_backward_data(grad, weight, shape, stride, method=method)
                assert_exact(got, exact, (method, stride))
