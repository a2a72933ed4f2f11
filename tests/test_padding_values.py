"""Functions: padding with a constant that is not zero, which equals padding first with NumPy."""

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.served import methods, passes_served

METHODS = ["auto", *methods()]
DTYPES = ["bool", "uint8", "int32", "uint64", "float16", "float32", "float64", "complex64",
          "complex128"]  # fmt: skip
# x, weight and the rest of the arguments
LAYERS = {
    "signal": ((2, 3, 40), (4, 3, 5), {"padding": [(9, 4)], "stride": 2}),
    "depthwise signal": ((2, 6, 70), (6, 1, 4), {"padding": 6, "groups": 6, "dilation": 3}),
    "image": ((2, 3, 12, 9), (5, 3, 3, 3), {"padding": ((0, 2), (7, 1))}),
    "many channels": ((1, 24, 14, 13), (18, 24, 3, 3), {"padding": 1}),
    "kernel of one": ((2, 9, 7, 6), (8, 9, 1, 1), {"padding": (2, 1), "stride": (1, 2)}),
    "depthwise": ((2, 8, 15, 11), (8, 1, 3, 3), {"padding": "same", "groups": 8}),
    "multiplied channels": ((1, 4, 9, 9), (12, 1, 3, 2), {"padding": 2, "groups": 4, "stride": 2}),
    "groups": ((2, 6, 8, 9), (4, 3, 2, 4), {"padding": "full", "groups": 2, "flip": True}),
    "dilated": ((1, 2, 20, 30), (3, 2, 3, 5), {"padding": (5, 11), "dilation": (2, 4)}),
    "large kernel": ((1, 2, 30, 50), (2, 2, 9, 13), {"padding": "same"}),
    "volume": ((1, 2, 6, 7, 5), (3, 2, 3, 2, 3), {"padding": (1, 3, 2), "stride": (1, 2, 1)}),
    "flat padding": ((1, 2, 3, 8, 8), (2, 2, 3, 3, 3), {"padding": ((4, 4), (1, 1), (1, 1))}),
    "depthwise volume": ((1, 3, 5, 6, 7), (3, 1, 3, 3, 3), {"padding": 2, "groups": 3}),
    "outside alone": ((1, 2, 0, 3), (2, 2, 2, 2), {"padding": (3, 1)}),
}


def numbers(shape, dtype, seed=0):
    """Whole numbers from -3 to 3, 0 to 3 or False and True: sums of a few of them are exact."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    values = rng.integers(0 if dtype.kind in "bu" else -3, 1 if dtype.kind == "b" else 3, shape,
                          endpoint=True)  # fmt: skip
    if dtype.kind == "c":
        values = values + 1j * rng.integers(-3, 3, shape, endpoint=True)
    return values.astype(dtype)


def constant(dtype):
    return {"b": True, "u": 2, "c": 3 - 2j}.get(np.dtype(dtype).kind, -3)


def layer(name, data_format, dtype):
    x_shape, w_shape, options = LAYERS[name]
    x, weight = numbers(x_shape, dtype), numbers(w_shape, dtype, 1)
    if data_format == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    return x, weight, {**options, "data_format": data_format, "padding_mode": "constant",
                       "padding_value": constant(dtype)}  # fmt: skip


def check(found, expected, tier="highest"):
    if tier == "highest":
        np.testing.assert_array_equal(found, expected)
    else:
        assert np.abs(found - expected).max(initial=0) <= 1e-5 * np.abs(expected).max(initial=0)


def served(name, method):
    x_shape, w_shape, options = LAYERS[name]
    return passes_served(method, x_shape, w_shape, **options, padding_mode="constant",
                         padding_value=5)  # fmt: skip


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", list(LAYERS))
@pytest.mark.served(by=lambda name, method: served(name, method))
def test_every_method_and_pass(name, method, data_format):
    x, weight, options = layer(name, data_format, "float32")
    passes = passes_served(method, x.shape, weight.shape, **options)
    tier = "highest" if method == "auto" else next(
        row["tier"] for row in fastconv.explain(x.shape, weight.shape, **options)
        if row["method"] == method)  # fmt: skip
    precision = "highest" if tier == "highest" else "high"
    how = {"method": method, "precision": precision}
    expected = reference.conv(x, weight, **options)
    if "forward" in passes:
        for threads in (1, 3):
            found = fastconv.conv(x, weight, **options, **how, num_threads=threads)
            check(found, expected, tier)
        again = fastconv.conv(x[:1], weight, **options, **how)
        np.testing.assert_array_equal(again, found[:1])
    grad = numbers(expected.shape, "float32", 2)
    if "backward_weight" in passes:
        for per_sample in (False, True):
            args = (grad, x, weight.shape)
            check(fastconv.conv_backward_weight(*args, per_sample=per_sample, **options, **how),
                  reference.conv_backward_weight(*args, per_sample=per_sample, **options), tier)
    if "backward_data" in passes:
        args = (grad, weight, x.shape)
        found = fastconv.conv_backward_data(*args, **options, **how)
        check(found, reference.conv_backward_data(*args, **options), tier)
        zeros = {**options, "padding_mode": "zeros", "padding_value": 0}
        np.testing.assert_array_equal(found, fastconv.conv_backward_data(*args, **zeros, **how))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(LAYERS))
def test_every_dtype(name, dtype):
    x, weight, options = layer(name, "channels_first", dtype)
    expected = reference.conv(x, weight, **options)
    exact = {**options, "precision": "highest"}
    found = fastconv.conv(x, weight, **exact)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == (np.int64 if x.dtype.kind in "iub" else x.dtype)
    plan = fastconv.plan_conv(x.shape, weight, **exact)
    np.testing.assert_array_equal(plan(x), expected)
    if len(x):
        np.testing.assert_array_equal(plan(x[0]), expected[0])
    grad = numbers(expected.shape, dtype, 2)
    args = (grad, x, weight.shape)
    np.testing.assert_array_equal(fastconv.conv_backward_weight(*args, **exact),
                                  reference.conv_backward_weight(*args, **options))
    args = (grad, weight, x.shape)
    np.testing.assert_array_equal(fastconv.conv_backward_data(*args, **exact),
                                  reference.conv_backward_data(*args, **options))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["direct", "sliding"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.served(by=lambda rank, method: method in methods())
def test_bits_of_a_padded_copy(rank, method, dtype):
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((2, 3, *(50, 9, 7)[:rank])).astype(dtype)
    weight = rng.standard_normal((4, 3, *(5, 3, 2)[:rank])).astype(dtype)
    value = float(np.dtype(dtype).type(0.1))
    padded = np.pad(x, ((0, 0), (0, 0), *((3, 2),) * rank), constant_values=value)
    options = {"method": method, "precision": "highest"}
    np.testing.assert_array_equal(
        fastconv.conv(x, weight, padding=[(3, 2)] * rank, padding_mode="constant",
                      padding_value=0.1, **options),
        fastconv.conv(padded, weight, **options))  # fmt: skip


@pytest.mark.parametrize(("dtype", "weights"), [
    ("uint8", "float32"), ("bool", "float64"), ("int16", "complex64"), ("float16", "float32"),
    ("float32", "complex128"), ("complex64", "float32"), ("int8", "uint64"),
])  # fmt: skip
def test_dtypes_that_meet(dtype, weights):
    x, weight = numbers((2, 2, 9, 7), dtype), numbers((3, 2, 3, 3), weights, 1)
    options = {"padding": 2, "padding_mode": "constant", "padding_value": constant(dtype)}
    np.testing.assert_array_equal(
        fastconv.conv(x, weight, **options), reference.conv(x, weight, **options))
    plan = fastconv.plan_conv(x.shape, weight, dtype=dtype, **options)
    np.testing.assert_array_equal(plan(x), reference.conv(x, weight, **options))


@pytest.mark.parametrize("padding_value", [2**62 // 9, -(2**62) // 9, 2**55 + 1])
def test_integers_of_many_bits(padding_value):
    x, weight = numbers((1, 1, 4, 4), "int64"), numbers((1, 1, 3, 3), "int64", 1) % 2
    found = fastconv.conv(x, weight, padding=2, padding_mode="constant",
                          padding_value=padding_value)  # fmt: skip
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=padding_value)
    np.testing.assert_array_equal(found, fastconv.conv(padded, weight))
    with pytest.raises(OverflowError):
        fastconv.conv(x, np.full_like(weight, 40), padding=2, padding_mode="constant",
                      padding_value=padding_value)  # fmt: skip


def test_what_the_dtype_rounds():
    x = np.zeros((1, 1, 1), "float16")
    one = np.ones((1, 1, 1), "float32")
    options = {"padding": 1, "padding_mode": "constant", "padding_value": 0.1}
    half = fastconv.conv(x, one, **options)
    single = fastconv.conv(x.astype("float32"), one, **options)
    assert half[0, 0, 0] == np.float32(np.float16(0.1))
    assert single[0, 0, 0] == np.float32(0.1)


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, False, 0j, np.float32(0), np.int8(0)])
@pytest.mark.parametrize("mode", ["zeros", "constant", "reflect"])
def test_zero_is_zeros(mode, zero):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 12, 13)).astype("complex64" if zero == 0j else "float32")
    weight = rng.standard_normal((9, 8, 3, 3)).astype("float32")
    np.testing.assert_array_equal(
        fastconv.conv2d(x, weight, padding=1, padding_mode=mode, padding_value=zero),
        fastconv.conv2d(x, weight, padding=1, padding_mode=mode))


def test_bias_residual_activation_and_out():
    x, weight, options = layer("many channels", "channels_first", "float32")
    bias, y = numbers(18, "float32", 3), reference.conv(x, weight, **options)
    residual = numbers(y.shape, "float32", 4)
    out = np.empty(y.shape, "float32")
    extra = {"bias": bias, "residual": residual, "activation": "relu"}
    assert fastconv.conv(x, weight, **options, **extra, precision="highest", out=out) is out
    np.testing.assert_array_equal(out, reference.conv(x, weight, **options, **extra))


@pytest.mark.parametrize("dtype", [*DTYPES, ">f4", "int64"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_im2col(data_format, dtype):
    x = numbers((2, 3, 5, 4) if data_format == "channels_first" else (2, 5, 4, 3), dtype)
    options = {"padding": ((0, 3), (2, 1)), "stride": (1, 2), "padding_mode": "constant",
               "padding_value": constant(dtype), "data_format": data_format}  # fmt: skip
    found = fastconv.im2col(x, (2, 3), **options)
    np.testing.assert_array_equal(found, reference.im2col(x, (2, 3), **options))
    assert found.dtype == x.dtype.newbyteorder("=")


def test_explain_says_who_serves():
    options = {"padding": 1, "padding_mode": "constant", "padding_value": 2.5}
    rows = {row["method"]: row["reason"]
            for row in fastconv.explain((1, 16, 20, 20), (16, 16, 3, 3), **options)}
    assert rows["direct"] is rows["im2col"] is rows["sliding"] is rows["winograd"] is None
    assert rows["swapped"] is not None
    data = fastconv.explain((1, 16, 20, 20), (16, 16, 3, 3), **options, which="backward_data")
    assert [row["reason"] for row in data] == [row["reason"] for row in fastconv.explain(
        (1, 16, 20, 20), (16, 16, 3, 3), padding=1, which="backward_data")]  # fmt: skip


@pytest.mark.parametrize(("dtype", "padding_value", "error", "said"), [
    ("float32", np.nan, ValueError, "nan is not a finite number that x of dtype float32"),
    ("float32", np.inf, ValueError, "inf is not a finite number"),
    ("float32", 1e39, ValueError, "not a finite number that x of dtype float32 can hold"),
    ("float16", 70000, ValueError, "not a finite number that x of dtype float16 can hold"),
    ("float64", 10**400, ValueError, "not a finite number"),
    ("uint8", -1, ValueError, "-1 is not a finite number that x of dtype uint8 can hold"),
    ("uint8", 256, ValueError, "256 is not"),
    ("int64", 2**63, ValueError, "x of dtype int64"),
    ("int32", 0.5, ValueError, "0.5 is not"),
    ("bool", 2, ValueError, "x of dtype bool"),
    ("float32", 1j, TypeError, "1j is complex, but x has dtype float32"),
    ("complex64", complex(0, np.inf), ValueError, "x of dtype complex64"),
    ("float32", "1", TypeError, "must be a number, not '1'"),
    ("float32", None, TypeError, "must be a number, not None"),
    ("float32", [1], TypeError, "must be a number"),
    ("float32", np.timedelta64(3, "s"), TypeError, "must be a number"),
])  # fmt: skip
def test_errors(dtype, padding_value, error, said):
    x, weight = numbers((1, 1, 5, 5), dtype), numbers((1, 1, 3, 3), dtype)
    options = {"padding": 1, "padding_mode": "constant", "padding_value": padding_value}
    grad = numbers((1, 1, 5, 5), dtype)
    for name, call in {
        "conv2d": lambda: fastconv.conv2d(x, weight, **options),
        "conv2d_backward_weight": lambda: fastconv.conv2d_backward_weight(
            grad, x, weight.shape, **options),
        "plan_conv": lambda: fastconv.plan_conv(x.shape, weight, **options),
        "im2col": lambda: fastconv.im2col(x, 3, **options),
        "explain": lambda: fastconv.explain(x.shape, weight.shape, **options, dtype=dtype),
    }.items():  # fmt: skip
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value).startswith(f"{name}: padding_value")
        assert said in str(caught.value)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "edge", "wrap", "nonsense"])
def test_a_value_needs_the_constant_mode(mode):
    x, weight = numbers((1, 1, 5, 5), "float32"), numbers((1, 1, 3, 3), "float32")
    options = {"padding": 1, "padding_mode": mode, "padding_value": 3}
    said = f"padding_value=3 needs padding_mode='constant', not '{mode}'"
    with pytest.raises(ValueError, match=said):
        fastconv.conv(x, weight, **options)
    with pytest.raises(ValueError, match=said):
        fastconv.conv_backward_data(x, weight, x.shape, **options)


# ---- poolings: as without padding, of a padded copy ----

MODES = {"zeros": "constant", "constant": "constant", "reflect": "reflect",
         "symmetric": "symmetric", "replicate": "edge", "circular": "wrap"}  # fmt: skip
# x, window and the rest of the arguments
POOLINGS = {
    "signal": ((2, 3, 17), 4, {"stride": 2, "padding": [(9, 2)]}),
    "image": ((3, 2, 9, 8), (3, 2), {"stride": 1, "padding": ((0, 5), (7, 1)), "dilation": (2, 1)}),
    "overhang": ((2, 2, 7, 10), 3, {"stride": 2, "padding": (3, 1), "ceil_mode": True}),
    "same": ((1, 3, 6, 7), 4, {"stride": 3, "padding": "same"}),
    "full": ((2, 1, 5, 4), 3, {"padding": "full", "stride": 2}),
    "volume": ((2, 2, 3, 5, 4), (2, 3, 2), {"padding": (1, 6, 2)}),
}


def pooling(name, mode, dtype="float32", data_format="channels_first"):
    """x, a padded copy, the window, and the arguments of both calls."""
    shape, window, options = POOLINGS[name]
    rank = len(shape) - 2
    x = numbers(shape, dtype) if np.dtype(dtype).kind in "biu" else (
        np.random.default_rng(3).standard_normal(shape).astype(dtype))  # fmt: skip
    window = (window,) * rank if isinstance(window, int) else window
    options = {**options, "data_format": data_format}
    plain = {key: value for key, value in options.items() if key != "padding"}
    stride = reference._per_axis(options.get("stride", window), rank)
    dilation = reference._per_axis(options.get("dilation", 1), rank)
    pairs = reference.padding_pairs(options["padding"], shape[2:], window, stride, dilation)
    value = constant(dtype) if mode == "constant" else 0
    held = {"constant_values": value} if MODES[mode] == "constant" else {}
    padded = np.pad(x, ((0, 0), (0, 0), *pairs), mode=MODES[mode], **held)
    if data_format == "channels_last":
        x, padded = (np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (x, padded))
    return x, padded, window, {**options, "padding_mode": mode, "padding_value": value}, plain


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("name", list(POOLINGS))
def test_poolings(name, mode, dtype, data_format):
    x, padded, window, options, plain = pooling(name, mode, dtype, data_format)
    for pool, *norm in ((fastconv.max_pool,), (fastconv.min_pool,), (fastconv.avg_pool,),
                        (fastconv.lp_pool, 3), (fastconv.lp_pool, np.inf)):  # fmt: skip
        found = pool(x, *norm, window, **options)
        np.testing.assert_array_equal(found, pool(padded, *norm, window, **plain))
        np.testing.assert_array_equal(found, pool(x, *norm, window, **options, num_threads=1))
        np.testing.assert_array_equal(found[0], pool(x[0], *norm, window, **options))
        out = np.empty_like(found)
        assert pool(np.flip(np.flip(x, 1), 1), *norm, window, **options, out=out) is out
        np.testing.assert_array_equal(out, found)
    assert found.shape == fastconv.pool_output_shape(
        x.shape, window, **{key: options[key] for key in options if key != "padding_value"})


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("mode", ["reflect", "symmetric", "replicate", "circular"])
@pytest.mark.parametrize("name", list(POOLINGS))
def test_positions_are_those_of_elements(name, mode, data_format):
    x, _, window, options, _ = pooling(name, mode, "float32", data_format)
    for pool in (fastconv.max_pool, fastconv.min_pool):
        found, where = pool(x, window, **options, return_indices=True)
        planes, results, indices = (np.moveaxis(a, -1, 1) if data_format == "channels_last" else a
                                    for a in (x, found, where))  # fmt: skip
        planes = planes.reshape(*planes.shape[:2], -1)
        at = indices.reshape(*indices.shape[:2], -1)
        np.testing.assert_array_equal(np.take_along_axis(planes, at, 2),
                                      results.reshape(at.shape))


@pytest.mark.parametrize("mode", ["zeros", "constant"])
def test_constants_have_no_position(mode):
    with pytest.raises(ValueError, match="max_pool2d: return_indices needs padding"):
        fastconv.max_pool2d(np.ones((1, 4, 4)), 2, padding=1, padding_mode=mode,
                            return_indices=True)  # fmt: skip


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("name", list(POOLINGS))
def test_gradients_of_poolings_are_adjoint(name, mode, data_format):
    x, _, window, options, _ = pooling(name, mode, "float64", data_format)
    y = fastconv.avg_pool(x, window, **options)
    grad = np.random.default_rng(5).standard_normal(y.shape)
    # the pooling is linear but for what a constant adds
    rest = y - fastconv.avg_pool(np.zeros_like(x), window, **options)
    back = fastconv.avg_pool_backward(grad, x.shape, window, **options)
    assert back.shape == x.shape
    np.testing.assert_allclose((back * x).sum(), (grad * rest).sum(), rtol=1e-10, atol=1e-10)
    # d(pool)/dx in a random direction, of a norm
    direction = np.random.default_rng(6).standard_normal(x.shape)
    for p, step in ((3, 1e-6), (np.inf, 1e-9)):
        back = fastconv.lp_pool_backward(grad, x, p, window, **options)
        up, down = (fastconv.lp_pool(x + s * step * direction, p, window, **options)
                    for s in (1, -1))  # fmt: skip
        np.testing.assert_allclose((back * direction).sum(), (grad * (up - down)).sum() / 2 / step,
                                   rtol=1e-5, atol=1e-5)  # fmt: skip


def test_the_gradient_of_a_maximum_finds_mirrored_elements():
    x = np.array([[1.0, 5, 2, 4]])
    found, where = fastconv.max_pool1d(x, 3, stride=1, padding=3, padding_mode="circular",
                                       return_indices=True)  # fmt: skip
    np.testing.assert_array_equal(found, [[5, 4, 5, 5, 5, 4, 5, 5]])
    np.testing.assert_array_equal(
        fastconv.max_pool1d_backward(np.ones_like(found), where, x.shape), [[0, 6, 0, 2]])


def test_large_images_go_piece_by_piece():
    x = np.random.default_rng(0).standard_normal((5, 3, 500, 400)).astype("float32")
    options = {"stride": 1, "padding": 4, "padding_mode": "reflect"}
    padded = np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    np.testing.assert_array_equal(
        fastconv.max_pool2d(x, 3, **options), fastconv.max_pool2d(padded, 3, stride=1))
    grad = np.ones((5, 3, 506, 406), "float32")
    back = fastconv.avg_pool2d_backward(grad, x.shape, 3, **options)
    for i in range(5):
        np.testing.assert_array_equal(
            back[i], fastconv.avg_pool2d_backward(grad[i], x[i].shape, 3, **options))


def test_errors_of_poolings():
    x = np.ones((1, 2, 5, 5), "float32")
    for pool, *norm in ((fastconv.max_pool2d,), (fastconv.avg_pool2d,), (fastconv.lp_pool2d, 2)):
        name = pool.__name__
        for options, said in (
            ({"padding_value": 3}, "padding_value=3 needs padding_mode='constant', not None"),
            ({"padding_mode": "zeros", "padding_value": 3}, "needs padding_mode='constant'"),
            ({"padding_mode": "constant", "padding_value": np.inf}, "inf is not a finite number"),
            ({"padding_mode": "nonsense"}, "padding_mode='nonsense' is not one of"),
            ({"padding": 9}, "must be less than the window's extent"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=f"{name}: .*{said}"):
                pool(x, *norm, 3, **{"padding": 1, **options})
    with pytest.raises(ValueError, match="avg_pool2d: count_include_pad=False leaves out"):
        fastconv.avg_pool2d(x, 3, padding=1, padding_mode="reflect", count_include_pad=False)
    with pytest.raises(ValueError, match="has length 0, which padding_mode='reflect'"):
        fastconv.max_pool2d(x[:, :, :0], 3, padding=4, padding_mode="reflect")
    with pytest.raises(ValueError, match="avg_pool2d_backward: grad_output has shape"):
        fastconv.avg_pool2d_backward(x, x.shape, 3, padding=9, padding_mode="edge")
