"""Functions: the gradients of conv2d against the reference, and every argument of their own."""

import itertools

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import VIEWS, WRITEABLE, as_view, empty_view
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.served import methods, serves

DATA_METHODS = methods("backward_data")
WEIGHT_METHODS = methods("backward_weight")
PADDINGS = [0, (1, 3), ((1, 0), (2, 4)), "same", "same_lower", "full"]
MODES = ["zeros", "reflect", "symmetric", "replicate", "circular"]


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def data(method, x_shape, weight_shape, precision="highest", **options):
    """Whether a method serves the gradient of the data, as `check_data` asks."""
    return serves(method, "backward_data", x_shape, weight_shape, precision=precision, **options)


def weights(method, x_shape, weight_shape, precision="highest", **options):
    """Whether a method serves the gradient of the weights, as `check_weight` asks."""
    return serves(method, "backward_weight", x_shape, weight_shape, precision=precision, **options)


def check_data(grad, weight, shape, *, method="auto", precision="highest", **geometry):
    got = fastconv.conv2d_backward_data(
        grad, weight, shape, method=method, precision=precision, **geometry
    )
    exact = reference.conv_backward_data(grad, weight, shape, **geometry)
    magnitude = reference.conv_backward_data(np.abs(grad), np.abs(weight), shape, **geometry)
    assert_within_contract(got, exact, magnitude, context=str(geometry))
    return got


def check_weight(grad, x, shape, *, method="auto", precision="highest", **geometry):
    got = fastconv.conv2d_backward_weight(
        grad, x, shape, method=method, precision=precision, **geometry
    )
    exact = reference.conv_backward_weight(grad, x, shape, **geometry)
    magnitude = reference.conv_backward_weight(np.abs(grad), np.abs(x), shape, **geometry)
    assert_within_contract(got, exact, magnitude, context=str(geometry))
    return got


# ---------------------------------------------------------------------------- known values


@pytest.mark.parametrize("method", DATA_METHODS)
@pytest.mark.served(by=lambda method: data(method, (1, 1, 3, 3), (1, 1, 2, 2), precision=None))
def test_data_by_hand(method):
    weight = np.array([[[[1, 2], [3, 4]]]], np.float32)
    grad = np.array([[[[1, 0], [0, 10]]]], np.float32)
    got = fastconv.conv2d_backward_data(grad, weight, (1, 1, 3, 3), method=method)
    np.testing.assert_array_equal(got, [[[[1, 2, 0], [3, 14, 20], [0, 30, 40]]]])


@pytest.mark.parametrize("method", WEIGHT_METHODS)
@pytest.mark.served(by=lambda method: weights(method, (1, 1, 3, 3), (1, 1, 2, 2), precision=None))
def test_weight_by_hand(method):
    x = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    grad = np.array([[[[1, 0], [0, 10]]]], np.float32)
    got = fastconv.conv2d_backward_weight(grad, x, (1, 1, 2, 2), method=method)
    np.testing.assert_array_equal(got, [[[[51, 62], [84, 95]]]])


# ------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", [1, 2, (3, 1), 5], ids=str)
@pytest.mark.parametrize("dilation", [1, (2, 3)], ids=str)
class TestPaddingStrideDilation:
    def output(self, stride, padding, dilation):
        shape = reference.conv_output_shape((2, 3, 11, 18), (5, 3, 3, 4), stride, padding, dilation)
        return numbers(shape, seed=2)

    @pytest.mark.parametrize("method", DATA_METHODS)
    @pytest.mark.served(by=lambda method, dilation, stride, padding: data(
        method, (2, 3, 11, 18), (5, 3, 3, 4), stride=stride, padding=padding, dilation=dilation
    ))
    def test_data(self, method, dilation, stride, padding):
        grad = self.output(stride, padding, dilation)
        args = {"stride": stride, "padding": padding, "dilation": dilation}
        check_data(grad, numbers((5, 3, 3, 4)), (2, 3, 11, 18), method=method, **args)

    @pytest.mark.parametrize("method", WEIGHT_METHODS)
    @pytest.mark.served(by=lambda method, dilation, stride, padding: weights(
        method, (2, 3, 11, 18), (5, 3, 3, 4), stride=stride, padding=padding, dilation=dilation
    ))
    def test_weight(self, method, dilation, stride, padding):
        grad = self.output(stride, padding, dilation)
        args = {"stride": stride, "padding": padding, "dilation": dilation}
        check_weight(grad, numbers((2, 3, 11, 18)), (5, 3, 3, 4), method=method, **args)


@pytest.mark.parametrize("widths", [((1, 2), (2, 1)), ((7, 9), (0, 23))], ids=["short", "long"])
@pytest.mark.parametrize("mode", MODES)
class TestPaddingMode:
    x_shape, weight_shape = (2, 2, 4, 5), (3, 2, 3, 2)

    def output(self, widths):
        return numbers(reference.conv_output_shape(self.x_shape, self.weight_shape, padding=widths))

    @pytest.mark.parametrize("method", DATA_METHODS)
    @pytest.mark.served(by=lambda method, mode, widths: data(
        method, (2, 2, 4, 5), (3, 2, 3, 2), padding=widths, padding_mode=mode
    ))
    def test_data(self, method, mode, widths):
        args = {"padding": widths, "padding_mode": mode, "method": method}
        check_data(self.output(widths), numbers(self.weight_shape), self.x_shape, **args)

    @pytest.mark.parametrize("method", WEIGHT_METHODS)
    @pytest.mark.served(by=lambda method, mode, widths: weights(
        method, (2, 2, 4, 5), (3, 2, 3, 2), padding=widths, padding_mode=mode
    ))
    def test_weight(self, method, mode, widths):
        args = {"padding": widths, "padding_mode": mode, "method": method}
        check_weight(self.output(widths), numbers(self.x_shape), self.weight_shape, **args)


# Of x, the weight and the result, by data format and groups.
SHAPES = {
    (data_format, groups): (
        (2, 8, 9, 21) if data_format == "channels_first" else (2, 9, 21, 8),
        (24, 8 // groups, 3, 3),
        (2, 24, 5, 11) if data_format == "channels_first" else (2, 5, 11, 24),
    )
    for data_format in ("channels_first", "channels_last")
    for groups in (1, 2, 8)
}


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 8])
class TestGroupsFlipLayout:
    @pytest.mark.parametrize("method", DATA_METHODS)
    @pytest.mark.served(by=lambda method, groups, flip, data_format: data(
        method, *SHAPES[data_format, groups][:2], stride=2, padding=1, groups=groups, flip=flip,
        data_format=data_format,
    ))
    def test_data(self, method, groups, flip, data_format):
        x, weight, y = SHAPES[data_format, groups]
        args = {"groups": groups, "flip": flip, "data_format": data_format, "method": method}
        got = check_data(numbers(y), numbers(weight, seed=1), x, stride=2, padding=1, **args)
        assert got.flags.c_contiguous

    @pytest.mark.parametrize("method", WEIGHT_METHODS)
    @pytest.mark.served(by=lambda method, groups, flip, data_format: weights(
        method, *SHAPES[data_format, groups][:2], stride=2, padding=1, groups=groups, flip=flip,
        data_format=data_format,
    ))
    def test_weight(self, method, groups, flip, data_format):
        x, weight, y = SHAPES[data_format, groups]
        args = {"groups": groups, "flip": flip, "data_format": data_format, "method": method}
        check_weight(numbers(y), numbers(x, seed=1), weight, stride=2, padding=1, **args)


@pytest.mark.parametrize("method", WEIGHT_METHODS)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.served(by=lambda dtype, groups, method: weights(
    method, (5, 6, 8, 9), (9, 6 // groups, 3, 3), padding=1, groups=groups, dtype=dtype
))
def test_per_sample(dtype, groups, method):
    x, grad = numbers((5, 6, 8, 9), dtype), numbers((5, 9, 8, 9), dtype, 1)
    shape = (9, 6 // groups, 3, 3)
    args = {"padding": 1, "groups": groups, "method": method}
    got = check_weight(grad, x, shape, per_sample=True, **args)
    assert got.shape == (5, *shape)
    for image, one in enumerate(got):
        alone = fastconv.conv2d_backward_weight(
            grad[image : image + 1], x[image : image + 1], shape, precision="highest", **args
        )
        np.testing.assert_array_equal(one, alone)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bias(dtype, data_format):
    grad = numbers((3, 5, 17, 19), dtype)
    args = {"data_format": data_format}
    got = fastconv.conv2d_backward_bias(grad, **args)
    assert got.dtype == dtype
    exact = reference.conv_backward_bias(grad, **args)
    assert_within_contract(got, exact, reference.conv_backward_bias(np.abs(grad), **args))
    got = fastconv.conv2d_backward_bias(grad[0], **args)
    exact = reference.conv_backward_bias(grad[0], rank=2, **args)
    magnitude = reference.conv_backward_bias(np.abs(grad[0]), rank=2, **args)
    assert_within_contract(got, exact, magnitude)


@pytest.mark.parametrize("shape", [(4, 2, 300, 301), (4, 300, 301, 2), (5000, 1, 3, 2)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bias_of_many_positive_numbers(dtype, shape):
    grad = np.random.default_rng(0).random(shape).astype(dtype)
    data_format = "channels_first" if shape[1] < 9 else "channels_last"
    got = fastconv.conv2d_backward_bias(grad, data_format=data_format)
    exact = reference.conv_backward_bias(grad, data_format=data_format)
    assert_within_contract(got, exact, exact)


# ------------------------------------------- weights that see few channels: pixels in the lanes


@pytest.mark.parametrize("width", [3, 15, 16, 17, 30, 33, 64, 71])
@pytest.mark.parametrize("filters", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_channels_exactly(dtype, filters, width):
    """Tails of rows, strips of rows, and every number of filters and taps of a last tile."""
    channels, kernel = 1 + filters % 3, (1 + width % 5, 1 + width % 4)
    x = integers((2, channels, 75, width + kernel[1] - 1), dtype)
    grad = integers((2, filters, 75 - kernel[0] + 3, width), dtype, 1)
    shape, args = (filters, channels, *kernel), {"padding": (1, 0), "method": "direct"}
    exact = reference.conv_backward_weight(grad, x, shape, padding=(1, 0))
    for threads in (1, 2, 5):
        got = fastconv.conv2d_backward_weight(grad, x, shape, **args, num_threads=threads)
        assert_exact(got, exact)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stride", [1, (2, 3)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_few_channels_in_every_geometry(groups, flip, stride, mode):
    args = {"stride": stride, "padding": ((2, 1), (0, 5)), "dilation": (2, 1), "groups": groups}
    args |= {"padding_mode": mode, "flip": flip}
    x, shape = numbers((3, 2 * groups, 41, 77)), (5 * groups, 2, 3, 4)
    grad = numbers(
        fastconv.conv_output_shape(
            x.shape, shape, **{k: v for k, v in args.items() if k not in ("padding_mode", "flip")}
        ),
        seed=1,
    )
    got = check_weight(grad, x, shape, method="direct", **args)
    views = np.asfortranarray(grad), x[:, :, ::-1][:, :, ::-1].copy("F")
    for threads in (1, 2, 3):
        again = fastconv.conv2d_backward_weight(
            *views, shape, method="direct", precision="highest", num_threads=threads, **args
        )
        np.testing.assert_array_equal(again, got)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_few_channels_for_each_image(threads):
    """Neither the batch nor the threads change an image's own sums."""
    x, grad = numbers((3, 2, 60, 90)), numbers((3, 13, 60, 90), seed=1)
    args = {"padding": 1, "method": "direct", "precision": "highest"}
    got = fastconv.conv2d_backward_weight(
        grad, x, (13, 2, 3, 3), per_sample=True, num_threads=threads, **args
    )
    for n in range(3):
        alone = fastconv.conv2d_backward_weight(
            grad[n : n + 1], x[n : n + 1], (13, 2, 3, 3), per_sample=True, num_threads=1, **args
        )
        np.testing.assert_array_equal(got[n], alone[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1, 300_000), (1, 2, 700, 500), (3000, 1, 8, 9)], ids=str)
def test_few_channels_and_long_sums(shape, dtype):
    """Positive numbers: errors do not cancel."""
    rng = np.random.default_rng(0)
    weight_shape = (4, shape[1], 1 if shape[2] == 1 else 3, 5)
    grad_shape = (shape[0], 4, *(shape[2 + a] - weight_shape[2 + a] + 1 for a in range(2)))
    x, grad = rng.random(shape).astype(dtype), rng.random(grad_shape).astype(dtype)
    check_weight(grad, x, weight_shape, method="direct")


def test_few_channels_and_gradients_that_exceed_the_cache():
    """Then they are fetched ahead of their use."""
    x, grad = integers((2, 1, 402, 402)), integers((2, 16, 400, 400), seed=1)
    assert grad.nbytes > 16 << 20
    got = fastconv.conv2d_backward_weight(grad, x, (16, 1, 3, 3), method="direct")
    assert_exact(got, reference.conv_backward_weight(grad, x, (16, 1, 3, 3)))


def test_few_channels_and_numbers_beside_a_row():
    """What lies beside a row's last pixels meets no gradient: not even an infinity in x does."""
    x, grad = integers((1, 1, 20, 21)), integers((1, 3, 18, 19), seed=1) + np.float32(10)
    x[0, 0, 5, 0] = np.inf
    got = fastconv.conv2d_backward_weight(grad, x, (3, 1, 3, 3), method="direct")
    assert np.isinf(got[..., 0]).all()
    x[0, 0, 5, 0] = 0
    exact = reference.conv_backward_weight(grad, x, (3, 1, 3, 3))
    assert_exact(got[..., 1:], exact[..., 1:])


# ----------------------------------------------------------------------- shapes and dtypes


def test_without_the_batch_axis():
    x, weight, grad = numbers((4, 7, 8)), numbers((6, 4, 3, 3)), numbers((6, 7, 8))
    got = fastconv.conv2d_backward_data(grad, weight, x.shape, padding=1)
    expected = fastconv.conv2d_backward_data(grad[None], weight, (1, *x.shape), padding=1)
    np.testing.assert_array_equal(got, expected[0])
    got = fastconv.conv2d_backward_weight(grad, x, weight.shape, padding=1)
    expected = fastconv.conv2d_backward_weight(grad[None], x[None], weight.shape, padding=1)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("one", ["f4", "f8", ">f4"])
@pytest.mark.parametrize("other", ["f4", "f8", ">f8"])
def test_result_type(one, other):
    grad = integers((1, 3, 4, 4), one)
    weight, x = integers((3, 2, 2, 2), other, 1), integers((1, 2, 5, 5), other, 1)
    got = fastconv.conv2d_backward_data(grad, weight, x.shape)
    assert got.dtype == np.result_type(grad, weight)
    assert_exact(got, reference.conv_backward_data(grad, weight, x.shape))
    got = fastconv.conv2d_backward_weight(grad, x, weight.shape)
    assert got.dtype == np.result_type(grad, x)
    assert_exact(got, reference.conv_backward_weight(grad, x, weight.shape))


def test_empty_batch():
    weight, shape = numbers((4, 3, 3, 3)), (0, 3, 8, 8)
    grad = numbers((0, 4, 6, 6))
    assert fastconv.conv2d_backward_data(grad, weight, shape).shape == shape
    got = fastconv.conv2d_backward_weight(grad, numbers(shape), weight.shape)
    np.testing.assert_array_equal(got, np.zeros(weight.shape))
    got = fastconv.conv2d_backward_weight(grad, numbers(shape), weight.shape, per_sample=True)
    assert got.shape == (0, *weight.shape)
    np.testing.assert_array_equal(fastconv.conv2d_backward_bias(grad), np.zeros(4))


def test_no_channels():
    got = fastconv.conv2d_backward_data(numbers((2, 0, 4, 4)), numbers((0, 3, 2, 2)), (2, 3, 5, 5))
    np.testing.assert_array_equal(got, np.zeros((2, 3, 5, 5)))
    got = fastconv.conv2d_backward_data(numbers((2, 3, 4, 4)), numbers((3, 0, 2, 2)), (2, 0, 5, 5))
    assert got.shape == (2, 0, 5, 5)
    got = fastconv.conv2d_backward_weight(
        numbers((2, 3, 4, 4)), numbers((2, 0, 5, 5)), (3, 0, 2, 2)
    )
    assert got.shape == (3, 0, 2, 2)


def test_elements_that_no_window_reads_have_no_gradient():
    grad, weight = numbers((1, 2, 2, 2)), numbers((2, 3, 1, 1))
    got = fastconv.conv2d_backward_data(grad, weight, (1, 3, 6, 6), stride=4)
    read = np.zeros((6, 6), bool)
    read[::4, ::4] = True
    assert (got[..., ~read] == 0).all()
    assert (got[..., read] != 0).all()


# -------------------------------------------------------------------- out, layout, threads


@pytest.mark.parametrize("view", WRITEABLE)
def test_out(view):
    x, weight, grad = numbers((2, 3, 8, 9)), numbers((5, 3, 3, 3)), numbers((2, 5, 8, 9))
    calls = [
        (fastconv.conv2d_backward_data, (grad, weight, x.shape), {"padding": 1}),
        (fastconv.conv2d_backward_weight, (grad, x, weight.shape), {"padding": 1}),
        (
            fastconv.conv2d_backward_weight,
            (grad, x, weight.shape),
            {"padding": 1, "per_sample": True},
        ),
    ]
    for function, args, kwargs in calls:
        expected = function(*args, **kwargs)
        out = empty_view(expected.shape, np.float32, view)
        assert function(*args, out=out, **kwargs) is out
        np.testing.assert_array_equal(out, expected)


def test_out_overlapping_the_gradient():
    grad, weight = numbers((2, 3, 6, 7)), numbers((3, 3, 3, 3), seed=1)
    expected = fastconv.conv2d_backward_data(grad, weight, grad.shape, padding=1)
    own = grad.copy()
    assert fastconv.conv2d_backward_data(own, weight, grad.shape, padding=1, out=own) is own
    np.testing.assert_array_equal(own, expected)

    x, grad = numbers((1, 2, 3, 3)), numbers((1, 2, 1, 1), seed=1)
    expected = fastconv.conv2d_backward_weight(grad, x, (2, 2, 3, 3))
    storage = np.zeros(40, np.float32)
    source, target = storage[:18].reshape(x.shape), storage[:36].reshape(2, 2, 3, 3)
    source[...] = x
    fastconv.conv2d_backward_weight(grad, source, (2, 2, 3, 3), out=target)
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("plain", "broadcast")])
def test_layout_in_memory_changes_nothing(view):
    x, weight, grad = numbers((2, 5, 12, 19)), numbers((18, 5, 3, 3)), numbers((2, 18, 10, 17))
    for method in DATA_METHODS:
        if not data(method, x.shape, weight.shape, precision=None):
            continue
        one = fastconv.conv2d_backward_data(grad, weight, x.shape, method=method)
        other = fastconv.conv2d_backward_data(
            as_view(grad, view), as_view(weight, view), x.shape, method=method
        )
        np.testing.assert_array_equal(one, other)
    for method in WEIGHT_METHODS:
        if not weights(method, x.shape, weight.shape, precision=None):
            continue
        one = fastconv.conv2d_backward_weight(grad, x, weight.shape, method=method)
        other = fastconv.conv2d_backward_weight(
            as_view(grad, view), as_view(x, view), weight.shape, method=method
        )
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["auto", *DATA_METHODS])
@pytest.mark.served(by=lambda method, dtype: data(
    method, (3, 17, 33, 35), (37, 17, 3, 3), padding=1, dtype=dtype, precision=None
))
def test_data_batch_and_threads_change_nothing(method, dtype):
    weight, grad = numbers((37, 17, 3, 3), dtype), numbers((3, 37, 33, 35), dtype, 1)
    args = {"padding": 1, "method": method}
    together = fastconv.conv2d_backward_data(grad, weight, (3, 17, 33, 35), num_threads=1, **args)
    other = fastconv.conv2d_backward_data(grad, weight, (3, 17, 33, 35), num_threads=3, **args)
    np.testing.assert_array_equal(together, other)
    for image in range(3):
        alone = fastconv.conv2d_backward_data(grad[image], weight, (17, 33, 35), **args)
        np.testing.assert_array_equal(alone, together[image])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["auto", *WEIGHT_METHODS])
@pytest.mark.served(by=lambda method, dtype: weights(
    method, (3, 17, 33, 35), (37, 17, 3, 3), padding=1, dtype=dtype, precision=None
))
def test_weight_threads_change_nothing(method, dtype):
    x, grad = numbers((3, 17, 33, 35), dtype), numbers((3, 37, 33, 35), dtype, 1)
    for per_sample in (False, True):
        one, other = (
            fastconv.conv2d_backward_weight(
                grad, x, (37, 17, 3, 3), padding=1, method=method, num_threads=threads,
                per_sample=per_sample,
            )
            for threads in (1, 3)
        )  # fmt: skip
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", sorted({*DATA_METHODS, *WEIGHT_METHODS}))
@pytest.mark.served(by=lambda method, dtype: any(
    gradient(method, (2, 34, 9, 11), (67, 34, 3, 3), padding=1, dtype=dtype)
    for gradient in (data, weights)
))
def test_small_integers_are_exact(method, dtype):
    x, weight = integers((2, 34, 9, 11), dtype), integers((67, 34, 3, 3), dtype, 1)
    grad = integers((2, 67, 9, 11), dtype, 2)
    if data(method, x.shape, weight.shape, padding=1, dtype=dtype):
        check_data(grad, weight, x.shape, padding=1, method=method)
        got = fastconv.conv2d_backward_data(
            grad, weight, x.shape, padding=1, method=method, precision="highest"
        )
        assert_exact(got, reference.conv_backward_data(grad, weight, x.shape, padding=1))
    if weights(method, x.shape, weight.shape, padding=1, dtype=dtype):
        got = fastconv.conv2d_backward_weight(
            grad, x, weight.shape, padding=1, method=method, precision="highest"
        )
        assert_exact(got, reference.conv_backward_weight(grad, x, weight.shape, padding=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", WEIGHT_METHODS)
@pytest.mark.served(by=lambda method, dtype: all(
    weights(method, (batch, 2, n, n + 1), (3, 2, 2, 3), dtype=dtype)
    for batch, n in [(8, 70), (1, 300)]
))
def test_long_sums_over_space_and_batch_are_blocked(method, dtype):
    rng = np.random.default_rng(0)
    for batch, length in [(8, 70), (1, 300)]:
        x = (rng.random((batch, 2, length, length + 1)) + 0.5).astype(dtype)
        grad = (rng.random((batch, 3, length - 1, length - 1)) + 0.5).astype(dtype)
        check_weight(grad, x, (3, 2, 2, 3), method=method)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", DATA_METHODS)
@pytest.mark.served(by=lambda method, dtype: data(
    method, (1, 5, 8, 9), (1024, 5, 3, 3), dtype=dtype
))
def test_long_sums_over_filters_are_blocked(method, dtype):
    rng = np.random.default_rng(0)
    weight = (rng.random((1024, 5, 3, 3)) + 0.5).astype(dtype)
    grad = (rng.random((1, 1024, 6, 7)) + 0.5).astype(dtype)
    check_data(grad, weight, (1, 5, 8, 9), method=method)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", DATA_METHODS)
@pytest.mark.served(by=lambda method, dtype: all(
    data(method, (1, 1, 3, 5), (2, 1, 1, 2), padding=((5000, 3000), (0, 0)), padding_mode=mode,
         dtype=dtype)
    for mode in ("replicate", "circular", "reflect")
))
def test_long_padding_is_folded_in_blocks(method, dtype):
    """Thousands of copies of the border elements all give their gradient to the original."""
    rng = np.random.default_rng(0)
    weight = (rng.random((2, 1, 1, 2)) + 0.5).astype(dtype)
    args = {"padding": ((5000, 3000), (0, 0)), "method": method}
    for mode in ("replicate", "circular", "reflect"):
        grad = (rng.random((1, 2, 8003, 4)) + 0.5).astype(dtype)
        check_data(grad, weight, (1, 1, 3, 5), padding_mode=mode, **args)


@pytest.mark.parametrize("shape", [(1, 130, 40, 43), (2, 3, 64, 66)], ids=str)
@pytest.mark.parametrize("method", sorted({*DATA_METHODS, *WEIGHT_METHODS}))
@pytest.mark.served(by=lambda method, shape: any(
    gradient(method, shape, (97, shape[1], 3, 3), padding=1) for gradient in (data, weights)
))
def test_more_than_one_tile(method, shape):
    filters = 97
    weight, grad = (filters, shape[1], 3, 3), numbers((shape[0], filters, *shape[2:]))
    if data(method, shape, weight, padding=1):
        check_data(grad, numbers(weight, seed=1), shape, padding=1, method=method)
    if weights(method, shape, weight, padding=1):
        check_weight(grad, numbers(shape, seed=1), weight, padding=1, method=method)


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "replicate", "circular"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_padding_of_any_length_folds_back(mode, length):
    """Shorter and longer than the axis, by whole periods and not: the adjoint of `np.pad`."""
    rng = np.random.default_rng(length)
    name = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    for before, after in itertools.product((0, 1, 2, 4, 7, 13, 64), repeat=2):
        grad = rng.integers(-9, 10, (1, 1, length + before + after)).astype(float)
        expected = np.zeros(length)
        np.add.at(expected, np.pad(np.arange(length), (before, after), name), grad[0, 0])
        got = fastconv.conv1d_backward_data(
            grad, np.ones((1, 1, 1)), (1, 1, length), padding=((before, after),),
            padding_mode=mode)
        np.testing.assert_array_equal(got[0, 0], expected)


VIEWS = {
    "as it is": lambda a: a, "turned": lambda a: a[:, :, ::-1], "skipping": lambda a: a[..., ::2],
    "transposed": lambda a: a.transpose(3, 1, 0, 2), "broadcast": lambda a: np.broadcast_to(
        a[:1, :, :1], (40, 3, 50, a.shape[3])),
    "misaligned": lambda a: np.frombuffer(
        b"x" + np.ascontiguousarray(a).tobytes(), a.dtype, offset=1).reshape(a.shape),
    "swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "c8", "c16", "i1", "u8", "i4", "?"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_backward_bias_of_every_view_and_dtype(view, dtype, data_format):
    """In pieces, of several hundred thousand elements: the bits of a contiguous array."""
    rng = np.random.default_rng(0)
    grad = rng.integers(-5, 6, (40, 3, 50, 90)).astype(dtype)
    if dtype == "u8":
        grad = rng.integers(0, 11, grad.shape).astype(dtype)
    grad = VIEWS[view](grad)
    exact = np.einsum("ncij->c", grad.astype("c16" if dtype[0] == "c" else "f8"))
    given = np.moveaxis(grad, 1, -1) if data_format == "channels_last" else grad
    got = fastconv.conv2d_backward_bias(given, data_format=data_format)
    np.testing.assert_array_equal(got, (exact if dtype[0] == "c" else exact.real).astype(got.dtype))
    if dtype in ("f4", "f8"):
        noise = grad + rng.standard_normal(grad.shape).astype(dtype)
        plain = fastconv.conv2d_backward_bias(np.ascontiguousarray(noise))
        wide = np.zeros((*noise.shape, 2), dtype)[..., 0]
        wide[...] = noise
        np.testing.assert_array_equal(fastconv.conv2d_backward_bias(wide), plain)


def test_backward_bias_of_planes_whose_sums_pass_the_largest_number():
    """Sums of the images are finite where those of single planes are not."""
    grad = np.full((2, 3, 8, 8), 3e38, np.float32)
    grad[1] *= -1
    np.testing.assert_array_equal(fastconv.conv2d_backward_bias(grad), np.zeros(3))
    grad[0, 1, 2, 3] = np.nan
    np.testing.assert_array_equal(fastconv.conv2d_backward_bias(grad), [0, np.nan, 0])


def test_backward_bias_of_integers_is_exact_to_the_last():
    """Sums in pieces know of each other: 2^63 - 1 is a result, and one more is refused."""
    grad = np.zeros((2, 2, 300, 900), np.int64)
    grad[0, 0, 0, 0], grad[1, 0, -1, -1] = 2**62, 2**62 - 1
    grad[0, 1, 3, 3], grad[1, 1, 4, 4] = -(2**62), -(2**62) + 1
    np.testing.assert_array_equal(
        fastconv.conv2d_backward_bias(grad), [2**63 - 1, -(2**63) + 1])
    for image, channel, step in ((0, 0, 1), (1, 1, -1)):
        more = grad.copy()
        more[image, channel, 150, 450] = step
        with pytest.raises(OverflowError, match="conv2d_backward_bias"):
            fastconv.conv2d_backward_bias(more)
    large = np.broadcast_to(np.int64(2**40), (1, 1, 2**11, 2**12))
    with pytest.raises(OverflowError):
        fastconv.conv2d_backward_bias(large)
    np.testing.assert_array_equal(fastconv.conv2d_backward_bias(large[:, :, 1:]),
                                  [(2**11 - 1) * 2**52])
