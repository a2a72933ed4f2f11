"""Functions: conv2d, by known values, every argument, shapes, dtypes, and every method."""

import functools

import numpy as np
import pytest
import scipy.signal

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import VIEWS, WRITEABLE, as_view, empty_view
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.served import methods, serves

METHODS = methods("forward")
PADDINGS = [0, 2, (1, 3), ((1, 0), (2, 4)), "valid", "same", "same_lower", "full"]
MODES = ["zeros", "reflect", "symmetric", "replicate", "circular"]
ACTIVATIONS = [
    None, "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", ("clip", -0.25, 0.5),
]  # fmt: skip


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def forward(method, x_shape, weight_shape, **options):
    """Whether a method serves a forward pass: what each test over the methods asks."""
    return serves(method, "forward", x_shape, weight_shape, **options)


def strictly(method, x_shape, weight_shape, **options):
    """Whether it does so at "highest", as `check` asks."""
    return forward(method, x_shape, weight_shape, **options, precision="highest")


def check(x, weight, bias=None, **kwargs):
    """One call against the reference, within the contract of "highest"."""
    kwargs.setdefault("precision", "highest")
    options = {"method", "num_threads", "precision", "max_workspace", "out"}
    plain = {k: v for k, v in kwargs.items() if k not in options}
    y = fastconv.conv2d(x, weight, bias, **kwargs)
    exact = reference.conv(x, weight, bias, **plain)
    magnitude = reference.sum_abs(x, weight, bias, **plain)
    assert_within_contract(
        y, exact, magnitude, activation=plain.get("activation"), context=str(kwargs)
    )
    return y


# ---------------------------------------------------------------------------- known values


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: (
    forward(method, (1, 1, 3, 3), (1, 1, 2, 2))
    and forward(method, (1, 1, 3, 3), (1, 1, 2, 2), stride=2, padding=1)
))
def test_by_hand(method):
    x = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    weight = np.array([[[[1, 2], [3, 4]]]], np.float32)
    y = fastconv.conv2d(x, weight, method=method)
    # 1*1 + 2*2 + 3*4 + 4*5 = 37, and so on: the kernel is not flipped.
    np.testing.assert_array_equal(y, [[[[37, 47], [67, 77]]]])
    y = fastconv.conv2d(x, weight, flip=True, method=method)
    np.testing.assert_array_equal(y, [[[[23, 33], [53, 63]]]])
    y = fastconv.conv2d(x, weight, np.array([0.5], np.float32), stride=2, padding=1, method=method)
    np.testing.assert_array_equal(y, [[[[4.5, 18.5], [36.5, 77.5]]]])


@pytest.mark.parametrize("mode", ["full", "valid"])
def test_is_scipys_correlate2d_and_convolve2d(mode):
    x, weight = numbers((13, 17), np.float64), numbers((4, 3), np.float64, 1)
    for flip, function in [(False, scipy.signal.correlate2d), (True, scipy.signal.convolve2d)]:
        y = fastconv.conv2d(x[None], weight[None, None], padding=mode, flip=flip)
        np.testing.assert_allclose(y[0], function(x, weight, mode), rtol=0, atol=1e-13)


# ------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", [1, 2, (3, 1)], ids=str)
@pytest.mark.parametrize("dilation", [1, (2, 3)], ids=str)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, dilation, stride, padding: strictly(
    method, (2, 3, 11, 18), (5, 3, 3, 4), stride=stride, padding=padding, dilation=dilation
))
def test_padding_stride_dilation(method, dilation, stride, padding):
    x, weight = numbers((2, 3, 11, 18)), numbers((5, 3, 3, 4), seed=1)
    y = check(x, weight, stride=stride, padding=padding, dilation=dilation, method=method)
    expected = reference.conv_output_shape(x.shape, weight.shape, stride, padding, dilation)
    assert y.shape == expected


@pytest.mark.parametrize("widths", [((1, 2), (2, 1)), ((7, 9), (0, 23))], ids=["short", "long"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, mode, widths: strictly(
    method, (2, 2, 4, 5), (3, 2, 3, 2), padding=widths, padding_mode=mode
))
def test_padding_mode_is_numpys(method, mode, widths):
    """Equal, to the bit, to a valid convolution of what np.pad returns."""
    x, weight = numbers((2, 2, 4, 5)), numbers((3, 2, 3, 2), seed=1)
    padded = np.pad(x, ((0, 0), (0, 0), *widths), mode=reference.PAD_MODES[mode])
    y = fastconv.conv2d(
        x, weight, padding=widths, padding_mode=mode, method=method, precision="highest"
    )
    expected = fastconv.conv2d(padded, weight, method=method, precision="highest")
    magnitude = reference.sum_abs(padded, weight)
    assert_within_contract(y, reference.conv(padded, weight), magnitude)
    assert_within_contract(expected, reference.conv(padded, weight), magnitude)
    x, weight, padded = (np.rint(4 * a) for a in (x, weight, padded))
    y = fastconv.conv2d(
        x, weight, padding=widths, padding_mode=mode, method=method, precision="highest"
    )
    assert_exact(y, fastconv.conv2d(padded, weight, method=method, precision="highest"))


@pytest.mark.parametrize("synonym", ["constant", "edge", "wrap"])
def test_padding_mode_synonyms(synonym):
    name = {v: k for k, v in reference.PAD_MODES.items() if k in MODES}[synonym]
    x, weight = numbers((1, 2, 5, 6)), numbers((2, 2, 3, 3), seed=1)
    one, other = (
        fastconv.conv2d(x, weight, padding=2, padding_mode=mode) for mode in (name, synonym)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("mode", MODES[1:])
def test_padding_mode_on_axes_of_length_one(mode):
    x, weight = numbers((1, 2, 1, 1)), numbers((3, 2, 3, 3), seed=1)
    check(x, weight, padding=(4, 1), padding_mode=mode)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, data_format: all(
    strictly(method, (2, 4, 4, 4), (19, 4, 3, 3), padding=1, data_format=data_format, dtype=dtype)
    for dtype in ("float32", "float64")
))
def test_bias_residual_activation(method, data_format, activation):
    shape = (2, 9, 7, 4) if data_format == "channels_last" else (2, 4, 9, 7)
    output = (2, 9, 7, 19) if data_format == "channels_last" else (2, 19, 9, 7)
    for dtype in (np.float32, np.float64):
        x, weight = numbers(shape, dtype), numbers((19, 4, 3, 3), dtype, 1)
        check(
            x,
            weight,
            numbers(19, dtype, 2),
            padding=1,
            residual=numbers(output, dtype, 3),
            activation=activation,
            data_format=data_format,
            method=method,
        )


@pytest.mark.parametrize("activation", ACTIVATIONS[4:7])
def test_activations_far_out(activation):
    """No overflow, no warning, and the limits are reached."""
    x = np.array([-1e30, -1e4, -100, -20, -0.0, 20, 100, 1e4, 1e30], np.float32)
    for dtype in (np.float32, np.float64):
        y = fastconv.conv2d(
            x.reshape(1, 1, 1, -1).astype(dtype), np.ones((1, 1, 1, 1), dtype),
            activation=activation,
        )  # fmt: skip
        expected = reference.activate(x.astype(np.float64), activation)
        np.testing.assert_allclose(
            y.ravel(), expected, rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny
        )


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, groups: strictly(
    method, (2, 8, 6, 9), (16, 8 // groups, 3, 3), padding=1, groups=groups
))
def test_groups(method, groups):
    x, weight = numbers((2, 8, 6, 9)), numbers((16, 8 // groups, 3, 3), seed=1)
    check(x, weight, numbers(16, seed=2), padding=1, groups=groups, method=method)


def test_spellings_of_integers():
    x, weight = numbers((1, 2, 9, 9)), numbers((3, 2, 3, 3), seed=1)
    expected = fastconv.conv2d(x, weight, stride=2, padding=1, dilation=2)
    for two, one in [
        (np.int64(2), np.uint8(1)),
        ((2, 2), (1, 1)),
        ([2], [1]),
        ((2,), (1,)),
        (np.array([2, 2]), np.array([1, 1])),
        (np.array(2), np.array(1)),
    ]:
        y = fastconv.conv2d(x, weight, stride=two, padding=one, dilation=two)
        np.testing.assert_array_equal(y, expected)
    y = fastconv.conv2d(x, weight, stride=2, padding=[[1, 1], [1, 1]], dilation=2)
    np.testing.assert_array_equal(y, expected)


def test_positional_order_is_pytorchs():
    x, weight, bias = numbers((1, 4, 9, 8)), numbers((6, 2, 3, 3), seed=1), numbers(6, seed=2)
    one = fastconv.conv2d(x, weight, bias, 2, (1, 2), (2, 1), 2)
    other = fastconv.conv2d(
        x, weight, bias=bias, stride=2, padding=(1, 2), dilation=(2, 1), groups=2
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError):
        fastconv.conv2d(x, weight, bias, 2, (1, 2), (2, 1), 2, "zeros")


# ----------------------------------------------------------------------- shapes and dtypes


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_without_the_batch_axis(data_format):
    x, weight = numbers((6, 7, 5)), numbers((4, 6, 3, 3), seed=1)
    if data_format == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    args = {"padding": 1, "data_format": data_format, "bias": numbers(4, seed=2)}
    y = fastconv.conv2d(x, weight, **args)
    assert y.ndim == 3
    np.testing.assert_array_equal(y, fastconv.conv2d(x[None], weight, **args)[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: (
    strictly(method, (2, 5, 8, 9), (7, 5, 3, 2), padding=1)
    and strictly(method, (2, 8, 9, 5), (7, 5, 3, 2), padding=1, data_format="channels_last")
))
def test_channels_last_is_channels_first_transposed(method):
    x, weight = numbers((2, 5, 8, 9)), numbers((7, 5, 3, 2), seed=1)
    args = {"padding": 1, "method": method, "precision": "highest"}
    first = fastconv.conv2d(x, weight, **args)
    last = fastconv.conv2d(np.moveaxis(x, 1, -1), weight, data_format="channels_last", **args)
    assert last.flags.c_contiguous
    exact, magnitude = reference.conv(x, weight, padding=1), reference.sum_abs(x, weight, padding=1)
    assert_within_contract(first, exact, magnitude)
    assert_within_contract(np.moveaxis(last, -1, 1), exact, magnitude)


@pytest.mark.parametrize("x_dtype", ["f4", "f8", ">f4", ">f8"])
@pytest.mark.parametrize("weight_dtype", ["f4", "f8", ">f8"])
@pytest.mark.parametrize("bias_dtype", [None, "f4", "f8"])
def test_result_type(x_dtype, weight_dtype, bias_dtype):
    arrays = [integers((1, 2, 5, 5), x_dtype), integers((3, 2, 2, 2), weight_dtype, 1)]
    if bias_dtype:
        arrays.append(integers(3, bias_dtype, 2))
    y = fastconv.conv2d(*arrays)
    assert y.dtype == np.result_type(*arrays)
    assert y.dtype.isnative
    assert_exact(y, reference.conv(*arrays))


def test_float16_is_computed_in_float32():
    x, weight = numbers((2, 8, 9, 9), np.float16), numbers((5, 8, 3, 3), np.float16, 1)
    y = fastconv.conv2d(x, weight, padding=1)
    assert y.dtype == np.float16
    exact = reference.conv(x, weight, padding=1)
    np.testing.assert_allclose(y, exact, rtol=2**-11 * 1.01, atol=1e-4)


def test_empty_batch():
    y = fastconv.conv2d(numbers((0, 3, 8, 8)), numbers((4, 3, 3, 3)))
    assert y.shape == (0, 4, 6, 6)
    assert y.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(method, (2, 0, 5, 6), (3, 0, 2, 2)))
def test_no_input_channels_gives_the_bias(method):
    x, weight = numbers((2, 0, 5, 6)), numbers((3, 0, 2, 2))
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, method=method), np.zeros((2, 3, 4, 5)))
    bias = numbers(3)
    y = fastconv.conv2d(x, weight, bias, activation="relu", method=method)
    expected = np.maximum(bias, 0).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(y, np.broadcast_to(expected, y.shape))


def test_no_filters():
    assert fastconv.conv2d(numbers((2, 3, 5, 6)), numbers((0, 3, 2, 2))).shape == (2, 0, 4, 5)


def test_padding_fills_an_empty_axis():
    y = fastconv.conv2d(numbers((1, 2, 0, 3)), numbers((4, 2, 3, 3)), numbers(4), padding=(2, 0))
    expected = np.broadcast_to(numbers(4).reshape(1, 4, 1, 1), (1, 4, 2, 1))
    np.testing.assert_array_equal(y, expected)


def test_result_is_fresh_and_contiguous():
    x, weight = numbers((2, 3, 6, 7)), numbers((4, 3, 1, 1))
    y = fastconv.conv2d(x, weight)
    assert type(y) is np.ndarray
    assert y.flags.c_contiguous
    assert y.flags.owndata
    assert y.flags.writeable
    assert not np.shares_memory(y, x)


# --------------------------------------------------------------------------------- out=

OUT_SHAPE = {"channels_first": (2, 6, 7, 8), "channels_last": (2, 7, 8, 6)}


@pytest.mark.parametrize("view", WRITEABLE)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, data_format: forward(
    method, OUT_SHAPE[data_format], (5, 6, 3, 3), padding=1, data_format=data_format
))
def test_out(method, data_format, view):
    x, weight = numbers(OUT_SHAPE[data_format]), numbers((5, 6, 3, 3), seed=1)
    args = {"padding": 1, "data_format": data_format, "activation": "relu", "method": method}
    expected = fastconv.conv2d(x, weight, **args)
    out = empty_view(expected.shape, np.float32, view)
    returned = fastconv.conv2d(x, weight, out=out, **args)
    assert returned is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("view", ["slice", "reversed", "permuted"])
def test_out_leaves_its_neighbours_alone(view):
    """A strided `out` is written in its own elements only."""
    x, weight = numbers((2, 3, 7, 9)), numbers((4, 3, 3, 3), seed=1)
    expected = fastconv.conv2d(x, weight)
    storage = np.full((5, 9, 11, 16), 7.5, np.float32)
    out = storage[1:5:2, 0:8:2, 3:8, 1:15:2]
    assert out.shape == expected.shape
    if view == "reversed":
        out = out[::-1, ::-1, ::-1, ::-1]
    elif view == "permuted":
        storage = np.full((7, 4, 5, 2), 7.5, np.float32)
        out = storage.transpose(3, 1, 2, 0)
    fastconv.conv2d(x, weight, out=out)
    np.testing.assert_array_equal(out, expected)
    out[...] = 7.5
    assert (storage == 7.5).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(method, (2, 3, 8, 9), (3, 3, 3, 3), padding=1))
def test_out_overlapping_the_input(method):
    """As if it did not overlap: padding keeps the shape, so x may be its own result."""
    weight = numbers((3, 3, 3, 3), seed=1)
    x = numbers((2, 3, 8, 9))
    expected = fastconv.conv2d(x, weight, padding=1, method=method)
    same = x.copy()
    assert fastconv.conv2d(same, weight, padding=1, method=method, out=same) is same
    np.testing.assert_array_equal(same, expected)

    storage = np.zeros(x.size + 5, np.float32)
    early, late = storage[:-5].reshape(x.shape), storage[5:].reshape(x.shape)
    for source, target in [(early, late), (late, early)]:
        source[...] = x
        fastconv.conv2d(source, weight, padding=1, method=method, out=target)
        np.testing.assert_array_equal(target, expected)

    flipped = x.copy()[:, :, ::-1]
    flipped[...] = x
    fastconv.conv2d(flipped, weight, padding=1, method=method, out=flipped[:, :, ::-1])
    np.testing.assert_array_equal(flipped[:, :, ::-1], expected)


def test_out_overlapping_weight_bias_and_residual():
    x, weight = numbers((2, 2, 4, 4)), numbers((2, 2, 4, 4), seed=1)
    expected = fastconv.conv2d(x, weight, padding="same")
    own = weight.copy()
    fastconv.conv2d(x, own, padding="same", out=own)
    np.testing.assert_array_equal(own, expected)

    small = numbers((2, 2, 1, 1), seed=2)
    bias = numbers(2, seed=3)
    expected = fastconv.conv2d(x, small, bias)
    out = np.zeros_like(expected)
    shared = out.reshape(-1)[13:15]
    shared[...] = bias
    fastconv.conv2d(x, small, shared, out=out)
    np.testing.assert_array_equal(out, expected)

    residual = numbers(expected.shape, seed=4)
    expected = fastconv.conv2d(x, small, residual=residual)
    fastconv.conv2d(x, small, residual=residual, out=residual)
    np.testing.assert_array_equal(residual, expected)


# --------------------------------------------------------------------- methods and limits


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.served(by=lambda method, dtype: forward(
    method, (3, 17, 33, 35), (37, 17, 3, 3), padding=1, dtype=dtype
))
def test_batch_and_threads_change_nothing(method, dtype):
    """Bitwise: every image alone, all together, with one thread or three."""
    x, weight = numbers((3, 17, 33, 35), dtype), numbers((37, 17, 3, 3), dtype, 1)
    args = {"padding": 1, "method": method}
    together = fastconv.conv2d(x, weight, num_threads=1, **args)
    np.testing.assert_array_equal(together, fastconv.conv2d(x, weight, num_threads=3, **args))
    for image, expected in zip(x, together, strict=True):
        np.testing.assert_array_equal(fastconv.conv2d(image, weight, **args), expected)
        alone = fastconv.conv2d(image[None], weight, num_threads=2, **args)
        np.testing.assert_array_equal(alone[0], expected)


# Layers of which many products meet padding along the last axis.
PADDED = [
    (40, 48, (49,), (128,), {"padding": 64, "groups": 2}),
    (24, 40, (50,), (90,), {"padding": 100, "stride": 2, "flip": True}),
    (64, 40, (33, 33), (3, 3), {"padding": 12, "dilation": 12}),
    (64, 5, (33, 33), (3, 3), {"padding": 12, "dilation": 12}),
    (24, 20, (5, 9, 40), (3, 3, 29), {"padding": (1, 2, 36), "dilation": (1, 2, 3)}),
]


@functools.cache
def much_padded(layer):
    """Small integers, the reference's result of them, and its gradients."""
    channels, filters, spatial, kernel, options = PADDED[layer]
    x = integers((3, channels, *spatial), np.float64)
    weight = integers((filters, channels // options.get("groups", 1), *kernel), np.float64, 1)
    y = reference.conv(x, weight, **options)
    grad = integers(y.shape, np.float64, 2)
    return (x, weight, y, grad, reference.conv_backward_data(grad, weight, x.shape, **options),
            reference.conv_backward_weight(grad, x, weight.shape, **options))


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", range(len(PADDED)))
def test_much_padding(layer, dtype, data_format):
    spatial, options = PADDED[layer][2], PADDED[layer][4]
    x, weight, y, grad, grad_x, grad_weight = (a.astype(dtype) for a in much_padded(layer))
    if data_format == "channels_last":
        x, y, grad, grad_x = (np.moveaxis(a, 1, -1).copy() for a in (x, y, grad, grad_x))
    rank = len(spatial)
    options = options | {"method": "direct", "data_format": data_format}
    forward = getattr(fastconv, f"conv{rank}d")
    for threads in (1, 2):
        options["num_threads"] = threads
        np.testing.assert_array_equal(forward(x, weight, **options), y)
        np.testing.assert_array_equal(forward(x[:1], weight, **options), y[:1])
        plan = fastconv.plan_conv(x.shape, weight, **options)
        np.testing.assert_array_equal(plan(x), y)
        result = getattr(fastconv, f"conv{rank}d_backward_data")(grad, weight, x.shape, **options)
        np.testing.assert_array_equal(result, grad_x)
        result = getattr(fastconv, f"conv{rank}d_backward_weight")(
            grad, x, weight.shape, **options)
        np.testing.assert_array_equal(result, grad_weight)


@pytest.mark.parametrize(
    ("channels", "filters", "spatial", "kernel", "options"), PADDED[:1] + PADDED[2:4]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_much_padding_gives_the_same_bits(threads, channels, filters, spatial, kernel, options):
    x = numbers((3, channels, *spatial))
    weight = numbers((filters, channels // options.get("groups", 1), *kernel), seed=1)
    options = options | {"method": "direct"}
    forward = getattr(fastconv, f"conv{len(spatial)}d")
    y = forward(x, weight, num_threads=1, **options)
    for image, expected in zip(x, y, strict=True):
        np.testing.assert_array_equal(forward(image, weight, num_threads=threads, **options),
                                      expected)
    plan = fastconv.plan_conv(x.shape, weight, num_threads=threads, **options)
    np.testing.assert_array_equal(plan(x), y)


@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("plain", "broadcast")])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(method, (2, 5, 12, 19), (18, 5, 3, 3)))
def test_layout_in_memory_changes_nothing(method, view):
    x, weight = numbers((2, 5, 12, 19)), numbers((18, 5, 3, 3), seed=1)
    expected = fastconv.conv2d(x, weight, method=method)
    y = fastconv.conv2d(as_view(x, view), as_view(weight, view), method=method)
    np.testing.assert_array_equal(y, expected)


LARGE_SUMS = [(64, 70, 3), (300, 33, 1), (3, 5, 11)]  # channels, filters, kernel


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, dtype: all(
    strictly(method, (1, channels, 15, 17), (filters, channels, k, k), padding="same", dtype=dtype)
    for channels, filters, k in LARGE_SUMS
))
def test_small_integers_are_exact(method, dtype):
    for seed, (channels, filters, kernel) in enumerate(LARGE_SUMS):
        x = integers((1, channels, 15, 17), dtype, seed)
        weight = integers((filters, channels, kernel, kernel), dtype, seed + 1)
        y = fastconv.conv2d(x, weight, padding="same", method=method, precision="highest")
        exact = reference.conv(x.astype(int), weight.astype(int), padding="same")
        assert_exact(y, exact)


@pytest.mark.parametrize("shape", [(4096, 8, 1), (512, 8, 3), (16, 8, 31), (1, 2, 201)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method, dtype, shape: strictly(
    method, (1, shape[0], shape[2] + 3, shape[2] + 4), (shape[1], shape[0], shape[2], shape[2]),
    dtype=dtype,
))
def test_long_sums_of_positive_numbers_are_blocked(method, dtype, shape):
    """Thousands of terms of one sign: a plain running sum would lose more than 16 u."""
    channels, filters, kernel = shape
    rng = np.random.default_rng(0)
    x = (rng.random((1, channels, kernel + 3, kernel + 4)) + 0.5).astype(dtype)
    weight = (rng.random((filters, channels, kernel, kernel)) + 0.5).astype(dtype)
    check(x, weight, method=method, precision="highest")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: strictly(
    method, (1, 130, 61, 67), (97, 130, 3, 3), padding=1
))
def test_more_than_one_tile(method):
    """Large enough that every blocking loop turns more than once, with ragged ends."""
    channels, filters = 130, 97
    x, weight = numbers((1, channels, 61, 67)), numbers((filters, channels, 3, 3), seed=1)
    check(x, weight, numbers(filters, seed=2), padding=1, method=method, num_threads=2)


def test_max_workspace():
    x, weight = numbers((1, 64, 40, 40)), numbers((64, 64, 3, 3), seed=1)
    expected = fastconv.conv2d(x, weight, precision="highest")
    y = fastconv.conv2d(x, weight, max_workspace=0, precision="highest")
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match=r"^conv2d: .*max_workspace"):
        fastconv.conv2d(x, weight, method="im2col", max_workspace=0)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.served(by=lambda method, precision: forward(
    method, (1, 32, 14, 14), (32, 32, 3, 3), precision=precision
))
def test_precision(method, precision):
    x, weight = numbers((1, 32, 14, 14)), numbers((32, 32, 3, 3), seed=1)
    exact, magnitude = reference.conv(x, weight), reference.sum_abs(x, weight)
    y = fastconv.conv2d(x, weight, precision=precision, method=method)
    assert_within_contract(y, exact, magnitude, tier=precision)
    with fastconv.precision(precision):
        np.testing.assert_array_equal(fastconv.conv2d(x, weight, method=method), y)


def test_inputs_are_not_modified():
    arrays = [numbers((2, 3, 9, 9)), numbers((4, 3, 3, 3), seed=1), numbers(4, seed=2)]
    residual = numbers((2, 4, 9, 9), seed=3)
    before = [a.copy() for a in (*arrays, residual)]
    for method in METHODS:
        if forward(method, arrays[0].shape, arrays[1].shape, padding=1):
            fastconv.conv2d(*arrays, padding=1, residual=residual, activation="relu", method=method)
    for now, then in zip((*arrays, residual), before, strict=True):
        np.testing.assert_array_equal(now, then)
