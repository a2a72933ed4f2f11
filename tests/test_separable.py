"""Functions: separable convolutions, against loops and against the two calls, bit for bit.

`test_random_cases` holds them to the reference.
"""

import itertools

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference

MODES = ("zeros", "reflect", "symmetric", "replicate", "circular", "constant")
DTYPES = {"f4": 30, "f8": 15, "f2": 10, "c8": 5, "c16": 5, "i1": 10, "u1": 8, "i4": 6, "i8": 6,
          "?": 5}  # fmt: skip

# Transforms have other bits in pieces: these tests are for sums.
strictly = pytest.mark.usefixtures("highest")


@pytest.fixture
def highest():
    with fastconv.precision("highest"):
        yield


def numbers(rng, dtype, shape):
    dtype = np.dtype(dtype)
    match dtype.kind:
        case "c":
            return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
        case "f":
            return rng.standard_normal(shape).astype(dtype)
        case "b":
            return rng.random(shape) < 0.5
    return rng.integers(0 if dtype.kind == "u" else -100, 100, shape).astype(dtype)


def layer(dtype="f4", n=2, channels=5, m=2, filters=7, lengths=(9, 10), kernel=(3, 3), last=False,
          seed=0):  # fmt: skip
    """x, both weights and the bias."""
    rng = np.random.default_rng(seed)
    shape = (n, *lengths, channels) if last else (n, channels, *lengths)
    ones = (1,) * len(kernel)
    return [numbers(rng, dtype, s) for s in (shape, (channels * m, 1, *kernel),
                                             (filters, channels * m, *ones), (filters,))]


def of_any_cut(x, weight, data_format):
    """The fastest method whose sums do not depend on the cut: images in pieces take it."""
    real = np.zeros(0, np.result_type(x, weight)).real.dtype
    rows = fastconv.explain(x.shape, weight.shape, data_format=data_format, dtype=real)
    keep = {algorithm.name for algorithm in ALGORITHMS if algorithm.any_cut}
    return next(row["method"] for row in rows if row["reason"] is None and row["method"] in keep)


def two_calls(x, depthwise, pointwise, bias=None, *, activation=None, residual=None, cut=False,
              data_format="channels_first", method="auto", **windows):  # fmt: skip
    """The same by two convolutions; cut: as an image in pieces is computed."""
    last = data_format == "channels_last"
    groups = x.shape[-1 if last else 1 - depthwise.ndim]
    between = fastconv.conv(x, depthwise, groups=groups, data_format=data_format, method=method,
                            **windows)  # fmt: skip
    method = of_any_cut(between, pointwise, data_format) if cut else "auto"
    return fastconv.conv(between, pointwise, bias, activation=activation, residual=residual,
                         data_format=data_format, method=method)  # fmt: skip


def random_call(seed):
    """Arrays and arguments; a quarter of them so large that images are cut."""
    rng = np.random.default_rng(seed)
    rank, large = int(rng.integers(1, 4)), rng.random() < 0.25
    n, channels, m, filters = (int(v) for v in rng.integers(1, (4, 9, 4, 9)))
    lengths = rng.integers(1, 12, rank)
    if large:
        channels = int(rng.integers(8, 40))
        lengths = rng.integers(*{1: (2000, 9000), 2: (40, 90), 3: (10, 24)}[rank], rank)
    kernel, stride, dilation = (rng.integers(1, high, rank) for high in (6, 4, 4))
    padding = rng.integers(0, 4, (rank, 2))
    lengths = np.maximum(lengths, dilation * (kernel - 1) + 1 - padding.sum(1)).clip(1)
    mode = MODES[rng.integers(len(MODES))]
    dtype = np.dtype(str(rng.choice(list(DTYPES), p=np.array(list(DTYPES.values())) / 100)))
    last = bool(rng.integers(2))
    arrays = layer(dtype, n, channels, m, filters, tuple(map(int, lengths)),
                   tuple(map(int, kernel)), last, seed)  # fmt: skip
    if rng.random() < 0.2:
        arrays[0] = np.asfortranarray(arrays[0])
    if rng.random() < 0.25:
        arrays[0] = arrays[0][0]
    if rng.random() < 0.5:
        arrays[3] = None
    activations = {"f": (None, "relu", "silu", ("clip", -1, 2)), "c": (None,)}
    choices = activations.get(dtype.kind, (None, "relu"))
    return rank, arrays, {
        "stride": tuple(stride.tolist()), "dilation": tuple(dilation.tolist()),
        "padding": tuple(map(tuple, padding.tolist())), "padding_mode": mode,
        "padding_value": 1 if mode == "constant" else 0, "flip": bool(rng.integers(2)),
        "data_format": "channels_last" if last else "channels_first",
        "activation": choices[rng.integers(len(choices))],
    }, rng  # fmt: skip


@strictly
@pytest.mark.parametrize("block", [
    pytest.param(first, marks=[pytest.mark.slow] * (first >= 200)) for first in range(0, 3000, 100)
])  # fmt: skip
def test_bits_of_the_two_calls(block):
    for seed in range(block, block + 100):
        rank, arrays, options, rng = random_call(seed)
        wide = [a if a is None or a.dtype != np.float16 else a.astype("f4") for a in arrays]
        expected = two_calls(*wide, **options)
        given = options
        if rng.random() < 0.4:
            residual = numbers(rng, arrays[0].dtype, expected.shape)
            options = options | {"residual": residual}
            given = options | {"residual": residual.astype(expected.dtype)}
            expected = two_calls(*wide, **given)
        if arrays[0].dtype == np.float16:
            with np.errstate(over="ignore"):
                expected = expected.astype("f2")  # rounded once
        name = f"separable_conv{rng.choice(('', f'{rank}d'))}"
        got = getattr(fastconv, name)(*arrays, **options, num_threads=int(rng.integers(1, 3)))
        assert got.dtype == expected.dtype, seed
        if got.dtype.kind in "fc" and not np.array_equal(got, expected):  # of an image in pieces?
            expected = two_calls(*wide, cut=True, **given).astype(got.dtype)
        np.testing.assert_array_equal(got, expected, err_msg=str(seed))


def test_by_loops():
    """Worked out element by element, with all that the depthwise step takes."""
    x, depthwise, pointwise, bias = layer("f8", 2, 3, 2, 4, (7, 8), (2, 3))
    got = fastconv.separable_conv2d(x, depthwise, pointwise, bias, (2, 1), ((1, 0), (2, 1)),
                                    (1, 2), activation="relu")  # fmt: skip
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (2, 1)))
    expected = np.zeros((2, 4, 4, 7))
    for n, k, i, j in np.ndindex(expected.shape):
        total = bias[k]
        for c, a, b in itertools.product(range(6), range(2), range(3)):
            total += (pointwise[k, c, 0, 0] * depthwise[c, 0, a, b]
                      * padded[n, c // 2, 2 * i + a, j + 2 * b])  # fmt: skip
        expected[n, k, i, j] = max(total, 0)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


# ---- what must change nothing ----

@strictly
@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("lengths", "kernel", "stride"), [
    ((66, 61), (3, 3), 1), ((93, 109), (5, 5), 2), ((4_000,), (9,), 1),
    ((17, 15, 16), (3, 3, 3), 1),
])  # fmt: skip
def test_every_cut_layout_and_thread(lengths, kernel, stride, last, mode):
    x, depthwise, pointwise, bias = layer("f4", 2, 64, 1, 5, lengths, kernel, last)
    options = {"data_format": "channels_last" if last else "channels_first", "stride": stride,
               "padding": tuple(k // 2 for k in kernel), "padding_mode": mode,
               "activation": "relu6"}  # fmt: skip
    function = getattr(fastconv, f"separable_conv{len(kernel)}d")
    residual = np.ones_like(function(x, depthwise, pointwise, **options))
    options["residual"] = residual
    expected = two_calls(x, depthwise, pointwise, bias, **options)
    strided = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)[..., 1::2]
    strided[...] = x
    swapped = x.astype(x.dtype.newbyteorder())
    for given, threads in ((x, 1), (x, 2), (x, 5), (strided, 1), (np.asfortranarray(x), 2),
                           (swapped, 1)):  # fmt: skip
        got = function(given, depthwise, pointwise, bias, **options, num_threads=threads)
        np.testing.assert_array_equal(got, expected)
    one = options | {"residual": residual[1]}
    np.testing.assert_array_equal(function(x[1], depthwise, pointwise, bias, **one), expected[1])
    # With little scratch memory there are more cuts, and another second step.
    between = fastconv.conv(x, depthwise, groups=64, method="depthwise", **{
        name: value for name, value in options.items() if name not in ("activation", "residual")})
    slow = fastconv.conv(between, pointwise, bias, method="sliding", activation="relu6",
                         residual=residual, data_format=options["data_format"])  # fmt: skip
    got = function(x, depthwise, pointwise, bias, **options, method="depthwise",
                   max_workspace=100_000)  # fmt: skip
    np.testing.assert_array_equal(got, slow)


def test_small_images_share_pieces():
    x, *others = layer("f4", 23, 32, 1, 40, (7, 7))
    expected = two_calls(x, *others, padding=1)
    for threads in (1, 2, 3):
        got = fastconv.separable_conv2d(x, *others, padding=1, num_threads=threads)
        np.testing.assert_array_equal(got, expected)
    assert fastconv.separable_conv2d(x[:5], *others, padding=1).tobytes() == expected[:5].tobytes()


def test_many_filters_of_each_channel():
    x, *others = layer("f4", 1, 6, 9, 5, (64, 64))
    np.testing.assert_array_equal(fastconv.separable_conv2d(x, *others), two_calls(x, *others))


@pytest.mark.parametrize("name", ["direct", "depthwise", "sliding", "im2col", "fft", "winograd"])
def test_named_methods(name):
    x, *others = layer("f4", 2, 30, 1, 6, (80, 81))
    got = fastconv.separable_conv2d(x, *others, padding=1, method=name, precision="high")
    one = fastconv.separable_conv2d(x[1], *others, padding=1, method=name, precision="high",
                                    num_threads=1)  # fmt: skip
    np.testing.assert_array_equal(one, got[1])  # transforms too
    expected = two_calls(x, *others, padding=1, method=name)
    if name in ("direct", "depthwise", "sliding"):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


# ---- dtypes ----

def test_integers_are_exact_at_the_ends_of_their_ranges():
    x = np.full((1, 3, 6, 6), 255, np.uint8)
    depthwise = np.full((3, 1, 3, 3), -128, np.int8)
    pointwise = np.full((2, 3, 1, 1), 2**40, np.int64)
    got = fastconv.separable_conv2d(x, depthwise, pointwise)
    assert got.dtype == np.int64
    assert (got == -255 * 128 * 9 * 3 * 2**40).all()
    wide = fastconv.separable_conv2d(x, depthwise, np.ones((2, 3, 1, 1), np.int8), padding=1,
                                     activation="relu", out_dtype=np.int32)  # fmt: skip
    assert wide.dtype == np.int32
    assert not wide.any()


@pytest.mark.parametrize(("x", "depthwise", "pointwise"), [
    (2**62, 2, 0), (2**40, 2**10, 2**20), (-(2**63), 1, 1), (2**31, 2**31, 1),
])  # fmt: skip
def test_sums_that_int64_does_not_hold(x, depthwise, pointwise):
    """In the first step or in the second; `out` is left alone."""
    arrays = [np.full(shape, value, np.int64) for shape, value in (
        ((1, 2, 4, 4), x), ((2, 1, 2, 2), depthwise), ((1, 2, 1, 1), pointwise))]
    out = np.full((1, 1, 3, 3), 7)
    with pytest.raises(OverflowError, match=r"^separable_conv2d: "):
        fastconv.separable_conv2d(*arrays, out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("real", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_real_numbers_among_complex_ones(dtype, real):
    arrays = layer(dtype)
    for i in real:
        arrays[i] = arrays[i].real.copy()
    got = fastconv.separable_conv2d(*arrays, padding=1, stride=2)
    expected = reference.separable_conv(*arrays, padding=1, stride=2)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=1e-4 if dtype == "c8" else 1e-12, atol=1e-5)


@pytest.mark.parametrize("dtypes", list(itertools.product(("f4", "f8", "i2", "f2"), repeat=3)),
                         ids="-".join)  # fmt: skip
def test_promotion(dtypes):
    arrays = [a.astype(t) for a, t in zip(layer("f4")[:3], dtypes, strict=True)]
    got = fastconv.separable_conv2d(*arrays)
    integers = set(dtypes) == {"i2"}
    assert got.dtype == (np.int64 if integers else np.result_type(*arrays))
    expected = reference.separable_conv(*arrays)
    tolerance = {"f2": 2e-3, "f4": 1e-5, "f8": 1e-12, "i8": 0}[got.dtype.str[1:]]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=50 * tolerance)


def test_float16_is_not_rounded_between_the_steps():
    """The first step passes what float16 holds, and the second comes back."""
    x, depthwise = np.full((1, 1, 4), 300, np.float16), np.full((1, 1, 3), 300, np.float16)
    pointwise = np.full((1, 1, 1), 2.0**-10, np.float16)
    got = fastconv.separable_conv1d(x, depthwise, pointwise)
    np.testing.assert_array_equal(got, np.full((1, 1, 2), 270000 / 1024, np.float16))


def test_out_dtype():
    arrays = layer("f4")
    got = fastconv.separable_conv2d(*arrays, out_dtype=np.int16, casting="round")
    expected = np.rint(fastconv.separable_conv2d(*arrays))
    assert got.dtype == np.int16
    np.testing.assert_array_equal(got, expected)
    out = np.empty(got.shape)
    assert fastconv.separable_conv2d(*arrays, out=out) is out
    np.testing.assert_array_equal(out, fastconv.separable_conv2d(*arrays).astype("f8"))
    with pytest.raises(TypeError, match=r"^separable_conv2d: "):
        fastconv.separable_conv2d(*arrays, out_dtype=np.int16)


# ---- places ----

@pytest.mark.parametrize("lengths", [(9, 10), (90, 91)])
def test_out_and_overlap(lengths):
    x, depthwise, pointwise, _ = layer("f4", 2, 24, 1, 24, lengths)
    expected = fastconv.separable_conv2d(x, depthwise, pointwise, padding=1, residual=x)
    for out in (np.empty_like(expected), np.empty((*expected.shape, 2), "f4")[..., 0],
                np.empty(expected.shape, ">f4"), np.empty(expected.shape[::-1], "f4").T):
        got = fastconv.separable_conv2d(x, depthwise, pointwise, padding=1, residual=x, out=out)
        assert got is out
        np.testing.assert_array_equal(out, expected)
    given = x.copy()
    fastconv.separable_conv2d(given, depthwise, pointwise, padding=1, residual=given, out=given)
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_keep_their_places(value):
    x, depthwise, pointwise, bias = layer("f4", 1, 40, 1, 4, (70, 71))
    for array in (x, depthwise, pointwise, bias):
        spoiled = array.copy()
        spoiled.flat[array.size // 2] = value
        given = [spoiled if a is array else a for a in (x, depthwise, pointwise, bias)]
        with np.errstate(invalid="ignore"):
            got = fastconv.separable_conv2d(*given, padding=1)
            expected = two_calls(*given, padding=1)
        np.testing.assert_array_equal(got, expected)
        assert not np.isfinite(got).all()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_zero_sizes(rank):
    function, lengths, ones = getattr(fastconv, f"separable_conv{rank}d"), (4,) * rank, (1,) * rank
    kernel = np.ones((6, 1, *(2,) * rank))
    across, bias = np.ones((5, 6, *ones)), np.arange(5.0)
    assert function(np.ones((0, 3, *lengths)), kernel, across).shape == (0, 5, *(3,) * rank)
    got = function(np.ones((2, 0, *lengths)), kernel[:0], across[:, :0], bias)
    assert got.shape == (2, 5, *(3,) * rank)
    np.testing.assert_array_equal(np.moveaxis(got, 1, -1), np.broadcast_to(
        bias, (2, *(3,) * rank, 5)))
    assert function(np.ones((2, 3, *lengths)), kernel, across[:0]).shape == (2, 0, *(3,) * rank)
    for dtype in (np.int64, np.complex64):
        got = function(np.ones((2, 0, *lengths), dtype), kernel[:0].astype(dtype),
                       across[:, :0].astype(dtype), bias.astype(dtype))  # fmt: skip
        assert got.dtype == dtype
        assert (np.moveaxis(got, 1, -1) == bias).all()


# ---- errors ----

X, D, P = np.ones((2, 4, 8, 9)), np.ones((8, 1, 3, 3)), np.ones((5, 8, 1, 1))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"depthwise_weight": np.ones((8, 2, 3, 3))},
     r"depthwise_weight of shape \(8, 2, 3, 3\) has filters of 2 channels, but each reads one"),
    ({"depthwise_weight": np.ones((6, 1, 3, 3))},
     r"depthwise_weight of shape \(6, 1, 3, 3\) has 6 filters, but x has 4 channels"),
    ({"depthwise_weight": np.ones((9, 1, 3, 3))}, "if the channels of x come last"),
    ({"depthwise_weight": np.ones((0, 1, 3, 3))}, "has no filters"),
    ({"depthwise_weight": np.ones((3, 3, 4, 2))},
     r"needs depthwise_weight.transpose\(2, 3, 0, 1\).reshape\(8, 1, 3, 3\)"),
    ({"depthwise_weight": np.ones((8, 3, 3))}, "depthwise_weight has 3 axes"),
    ({"pointwise_weight": np.ones((5, 8))}, r"write pointwise_weight\[:, :, None, None\]"),
    ({"pointwise_weight": np.ones((5, 4, 1, 1))},
     r"pointwise_weight has shape \(5, 4, 1, 1\), but must be \(filters, 8, 1, 1\)"),
    ({"pointwise_weight": np.ones((5, 8, 1, 3))}, r"must be \(filters, 8, 1, 1\)"),
    ({"pointwise_weight": np.ones((1, 1, 8, 5))},
     r"needs pointwise_weight.transpose\(3, 2, 0, 1\)"),
    ({"bias": np.ones(4)}, r"bias has shape \(4,\), but pointwise_weight has 5 filters"),
    ({"residual": np.ones((2, 5, 6, 6))}, "residual has shape"),
    ({"x": np.ones((8, 9))}, "x has 2 axes"),
    ({"dilation": 9}, "the kernel spans 19 elements"),
    ({"stride": 0}, "stride"),
    ({"padding_mode": "wide"}, "padding_mode='wide'"),
    ({"activation": "gelu"}, "activation='gelu'"),
    ({"method": "winograd"}, "method='winograd'"),
    ({"method": "best"}, "method='best' is not one of"),
    ({"precision": "best"}, "precision='best'"),
    ({"max_workspace": -1}, "max_workspace"),
    ({"num_threads": 0}, "num_threads"),
    ({"out": np.ones((2, 5, 6, 6))}, "out has shape"),
    ({"data_format": "NHWC"}, "not 'NHWC'"),
])  # fmt: skip
def test_errors(arguments, message):
    given = {"x": X, "depthwise_weight": D, "pointwise_weight": P} | arguments
    with pytest.raises(ValueError, match=f"^separable_conv2d: .*{message}"):
        fastconv.separable_conv2d(**given)


@pytest.mark.parametrize("arguments", [
    {"x": "image"}, {"pointwise_weight": P.astype(object)}, {"depthwise_weight": D.astype("g")},
    {"bias": ["a"]}, {"groups": 4}, {"padding_value": 1j, "padding_mode": "constant"}, {"out": []},
    {"residual": X.astype("M8[s]")}, {"stride": 1.5},
])  # fmt: skip
def test_wrong_kinds(arguments):
    given = {"x": X, "depthwise_weight": D, "pointwise_weight": P} | arguments
    with pytest.raises(TypeError, match=r"^(separable_conv2d: |.*unexpected keyword)"):
        fastconv.separable_conv2d(**given)


def test_arguments_stay_as_they_are():
    arrays = layer("f4")
    copies = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    fastconv.separable_conv2d(*arrays)
    for a, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(a, copy)
