"""One algorithm: Winograd's tiles of every size against direct sums in float64, and refusals."""
import numpy as np
import pytest

import fastconv
from fastconv._algorithms.winograd import layout, record
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry
from fastconv.testing import reference

SIZES = (2, 3, 4, 5, 6)
UNIT = {np.dtype("f4"): 2.0**-24, np.dtype("f8"): 2.0**-53}
PROMISE = {np.dtype("f4"): 1e-5, np.dtype("f8"): 1e-13}


@pytest.fixture(params=SIZES, ids=lambda m: f"m={m}")
def size(request, monkeypatch):
    monkeypatch.setattr(layout, "TILES", (request.param,))
    return request.param


def forward(x, weight, bias=None, **arguments):
    return fastconv.conv(x, weight, bias, method="winograd", precision="high", **arguments)


def exact(x, weight, bias=None, **arguments):
    x, weight = x.astype("f8"), weight.astype("f8")
    bias = None if bias is None else bias.astype("f8")
    return fastconv.conv(x, weight, bias, method="direct", precision="highest", **arguments)


def check(y, expected, dtype, largest=None):
    assert y.shape == expected.shape
    error = abs(y - expected).max() / (largest or abs(expected).max())
    assert error <= PROMISE[np.dtype(dtype)], f"error {error / UNIT[np.dtype(dtype)]:.1f} u"


KERNELS = [(3,), (3, 3), (1, 3), (3, 1), (1, 3, 3), (3, 3, 3), (2, 3, 3), (5, 3, 1), (1, 1, 3),
           (2,), (4,), (5,), (2, 2), (4, 4), (5, 5), (3, 5), (2, 1), (3, 2, 4),
           (9,), (18,), (6, 6), (7, 7), (3, 11), (13, 1), (2, 7, 8)]  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_forward_and_gradient(size, kernel, dtype):
    rng = np.random.default_rng(len(kernel) * 10 + size)
    for _ in range(5):
        groups = int(rng.choice([1, 1, 2, 3]))
        channels, filters = groups * rng.integers(1, 40), groups * rng.integers(1, 70)
        shape = [int(rng.integers(k + 1, 21 if len(kernel) < 3 else 10)) for k in kernel]
        x = rng.standard_normal((2, channels, *shape)).astype(dtype)
        weight = rng.standard_normal((filters, channels // groups, *kernel)).astype(dtype)
        bias = rng.standard_normal(filters).astype(dtype)
        arguments = {
            "padding": [tuple(int(p) for p in rng.integers(0, 4, 2)) for _ in kernel],
            "padding_mode": str(rng.choice(["zeros", "reflect", "symmetric", "replicate",
                                            "circular"])),
            "groups": groups, "flip": bool(rng.integers(2)),
            "data_format": str(rng.choice(["channels_first", "channels_last"])),
        }
        if arguments["data_format"] == "channels_last":
            x = np.moveaxis(x, 1, -1)
        y = forward(x, weight, bias, **arguments)
        check(y, exact(x, weight, bias, **arguments), dtype)
        grad = rng.standard_normal(y.shape).astype(dtype)
        computed = fastconv.conv_backward_data(grad, weight, x.shape, method="winograd",
                                               precision="high", **arguments)
        check(computed, fastconv.conv_backward_data(
            grad.astype("f8"), weight.astype("f8"), x.shape, method="direct", **arguments), dtype)


@pytest.mark.parametrize(("groups", "channels", "filters"), [
    (8, 2, 2), (32, 4, 4), (6, 8, 5), (4, 3, 8), (2, 8, 16), (3, 16, 16), (4, 1, 2),
])  # fmt: skip
def test_groups_share_vectors(size, groups, channels, filters):
    """Small groups are computed together; whole rows leave as one."""
    rng = np.random.default_rng(groups)
    for shape, stride in [((7, 7), 1), ((14, 14), 1), ((9, 3), 1), ((5, 33), 1), ((15, 14), 2)]:
        x = rng.standard_normal((2, groups * channels, *shape)).astype("f4")
        weight = rng.standard_normal((groups * filters, channels, 3, 3)).astype("f4")
        bias = rng.standard_normal(groups * filters).astype("f4")
        arguments = {"padding": 1, "stride": stride, "groups": groups}
        expected = exact(x, weight, bias, **arguments)
        check(forward(x, weight, bias, **arguments), expected, "f4")
        residual = rng.standard_normal(expected.shape).astype("f4")
        check(forward(x, weight, residual=residual, activation="relu", **arguments),
              exact(x, weight, residual=residual.astype("f8"), activation="relu", **arguments),
              "f4", abs(expected).max())
        if stride == 1:
            grad = rng.standard_normal(expected.shape).astype("f4")
            computed = fastconv.conv_backward_data(grad, weight, x.shape, method="winograd",
                                                   precision="high", **arguments)
            check(computed, fastconv.conv_backward_data(
                grad.astype("f8"), weight.astype("f8"), x.shape, method="direct",
                **arguments), "f4")
        weights = fastconv.conv_backward_weight(expected.astype("f4"), x, weight.shape,
                                                method="winograd", precision="high", **arguments)
        check(weights, fastconv.conv_backward_weight(
            expected.astype("f4").astype("f8"), x.astype("f8"), weight.shape, method="direct",
            **arguments), "f4")


def test_against_the_independent_reference(size):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((1, 5, 13, 11)).astype("f4")
    weight = rng.standard_normal((7, 5, 3, 3)).astype("f4")
    check(forward(x, weight, padding=1), reference.conv(x, weight, padding=1), "f4")


def test_epilogue(size):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 20, 9, 14)).astype("f4")
    weight = rng.standard_normal((37, 20, 3, 3)).astype("f4")
    bias = rng.standard_normal(37).astype("f4")
    residual = rng.standard_normal((2, 37, 9, 14)).astype("f4")
    largest = abs(exact(x, weight, bias, padding=1)).max()  # before it is clipped
    for activation in (None, "relu", "silu", ("clip", -1, 2)):
        arguments = {"padding": 1, "activation": activation}
        y = forward(x, weight, bias, residual=residual, **arguments)
        check(y, exact(x, weight, bias, residual=residual.astype("f8"), **arguments), "f4",
              largest)


@pytest.mark.parametrize("channels", [1, 3, 64, 512])
def test_precision(size, channels):
    """Long sums keep the promise too, of both signs and of one."""
    rng = np.random.default_rng(channels)
    for draw in (rng.standard_normal, rng.random):
        x = draw((1, channels, 24, 24)).astype("f4")
        weight = draw((16, channels, 3, 3)).astype("f4")
        check(forward(x, weight), exact(x, weight), "f4")


@pytest.mark.parametrize(("channels", "kernel"), [(64, (15, 15)), (512, (20,)), (64, (3, 7, 7))])
def test_precision_of_sections(size, channels, kernel):
    """So do those of kernels in sections, whose parts join the sum."""
    rng = np.random.default_rng(channels)
    shape = [k + 9 for k in kernel]
    for draw in (rng.standard_normal, rng.random):
        x = draw((1, channels, *shape)).astype("f4")
        weight = draw((16, channels, *kernel)).astype("f4")
        check(forward(x, weight), exact(x, weight), "f4")


def test_sums_too_long_for_the_largest_tiles():
    """Of 1024 channels, F(6, 3) would pass the promise of float32, and is not taken."""
    size = {}
    for channels in (512, 1024):
        desc = describe_conv(
            geometry("conv2d", 2, padding=1), (1, channels, 96, 96), (64, channels, 3, 3), 4)
        size[channels] = record.blocking(desc, "forward")["n"]
    assert size[512] == 8 > size[1024]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1024, 24, 24)).astype("f4")
    weight = rng.standard_normal((16, 1024, 3, 3)).astype("f4")
    check(forward(x, weight), exact(x, weight), "f4")


def test_random_rectangles_and_uneven_strides_keep_the_promise():
    """Sections that are filled up with zeros lose more digits, which the tile's size allows for."""
    worst = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        kernel, stride = rng.integers(2, 8, 2), rng.choice([1, 1, 2, 3], 2)
        channels, filters = rng.integers(1, 120), rng.integers(1, 40)
        x = rng.standard_normal((1, channels, *rng.integers(16, 40, 2))).astype("f4")
        weight = rng.standard_normal((filters, channels, *kernel)).astype("f4")
        try:
            y = forward(x, weight, stride=stride)
        except ValueError:  # strides that leave phases of one tap
            continue
        expected = exact(x, weight, stride=stride)
        worst = max(worst, abs(y - expected).max() / abs(expected).max())
    assert 1e-6 < worst <= 1e-5


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), [
    ((1, 32, 58, 31), (6, 4), (2, 3), (3, 2)),
    ((1, 64, 56, 56), (4, 3), (3, 1), (2, 1)),
])  # fmt: skip
def test_uneven_strides_that_once_passed_the_promise(shape, kernel, stride, padding):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(shape).astype("f4")
        weight = rng.standard_normal((64, shape[1], *kernel)).astype("f4")
        arguments = {"stride": stride, "padding": padding}
        check(forward(x, weight, **arguments), exact(x, weight, **arguments), "f4")


def test_small_integers_are_exact():
    """F(2, 3) halves at most twice: integers stay exact."""
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 9, (1, 24, 12, 10)).astype("f4")
    weight = rng.integers(-8, 9, (20, 24, 3, 3)).astype("f4")
    before = layout.TILES
    layout.TILES = (2,)
    try:
        np.testing.assert_array_equal(forward(x, weight, padding=1), exact(x, weight, padding=1))
    finally:
        layout.TILES = before


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 3e38, 1e36])
def test_special_values_keep_their_place(size, special):
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((4, 3, 3, 3)).astype("f4")
    clean = rng.standard_normal((3, 3, 15, 13)).astype("f4")
    undisturbed = forward(clean, weight, padding=1)
    for position in [(0, 0), (7, 6), (14, 12), (3, 12)]:
        x = clean.copy()
        x[1, 2, position[0], position[1]] = special
        with np.errstate(all="ignore"):
            y = forward(x, weight, padding=1)
            strict = fastconv.conv2d(x, weight, padding=1, precision="highest")
        np.testing.assert_array_equal(np.isnan(y), np.isnan(strict))
        np.testing.assert_array_equal(np.isposinf(y), np.isposinf(strict))
        np.testing.assert_array_equal(np.isneginf(y), np.isneginf(strict))
        np.testing.assert_array_equal(y[[0, 2]], undisturbed[[0, 2]])  # images apart


def test_special_weights(size):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 3, 8, 8)).astype("f4")
    for special in (np.nan, np.inf, 1e38):
        weight = rng.standard_normal((4, 3, 3, 3)).astype("f4")
        weight[1, 2, 0, 1] = special
        with np.errstate(all="ignore"):
            y = forward(x, weight, padding=1)
            strict = fastconv.conv2d(x, weight, padding=1, precision="highest")
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(strict))
        np.testing.assert_array_equal(np.isnan(y), np.isnan(strict))


@pytest.mark.parametrize("filters", [20, 80])  # of one block of channels, rows are cut
@pytest.mark.parametrize("shape", [(7, 7), (14, 14), (33, 30), (70, 65)], ids=str)
def test_batch_and_threads_change_nothing(size, shape, filters):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((5, 48, *shape)).astype("f4")
    weight = rng.standard_normal((filters, 48, 3, 3)).astype("f4")
    whole = forward(x, weight, padding=1, num_threads=1)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(forward(x, weight, padding=1, num_threads=threads), whole)
    for n in range(5):
        np.testing.assert_array_equal(forward(x[n:n + 1], weight, padding=1), whole[n:n + 1])
    np.testing.assert_array_equal(
        forward(np.asfortranarray(x)[::1], weight[::-1][::-1], padding=1), whole)


STEPS = [  # kernel, stride, dilation
    ((3, 3), (2, 2), (1, 1)), ((7, 7), (2, 2), (1, 1)), ((11, 11), (4, 4), (1, 1)),
    ((5, 4), (1, 2), (1, 1)), ((3, 2), (1, 3), (1, 1)), ((9, 1), (2, 2), (1, 1)),
    ((7,), (3,), (1,)), ((3, 3), (1, 1), (2, 2)), ((3, 3), (1, 1), (12, 5)),
    ((5, 3), (1, 1), (3, 1)), ((3, 7), (1, 2), (4, 1)), ((3,), (1,), (16,)),
    ((3, 3, 5), (2, 2, 2), (1, 1, 1)), ((2, 3, 3), (3, 1, 1), (2, 2, 1)),
    ((9,), (1,), (3,)), ((13, 7), (2, 1), (1, 1)), ((7, 9), (1, 1), (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "stride", "dilation"), STEPS, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_strides_and_dilations(size, kernel, stride, dilation, dtype):
    rng = np.random.default_rng(size)
    for channels, filters, groups, data_format in [
        (3, 20, 1, "channels_first"), (21, 9, 1, "channels_last"), (32, 70, 2, "channels_first"),
    ]:
        shape = [d * (k - 1) + 1 + s + int(rng.integers(0, 14 if len(kernel) < 3 else 5))
                 for k, s, d in zip(kernel, stride, dilation)]
        x = rng.standard_normal((2, channels, *shape)).astype(dtype)
        weight = rng.standard_normal((filters, channels // groups, *kernel)).astype(dtype)
        arguments = {
            "stride": stride, "dilation": dilation, "groups": groups, "data_format": data_format,
            "padding": [tuple(int(p) for p in rng.integers(0, 4, 2)) for _ in kernel],
            "padding_mode": str(rng.choice(["zeros", "replicate", "circular"])),
            "flip": bool(rng.integers(2)),
        }
        if data_format == "channels_last":
            x = np.moveaxis(x, 1, -1)
        y = forward(x, weight, **arguments)
        check(y, exact(x, weight, **arguments), dtype)
        if max(stride) == 1:
            grad = rng.standard_normal(y.shape).astype(dtype)
            computed = fastconv.conv_backward_data(grad, weight, x.shape, method="winograd",
                                                   precision="high", **arguments)
            check(computed, fastconv.conv_backward_data(
                grad.astype("f8"), weight.astype("f8"), x.shape, method="direct",
                **arguments), dtype)


def test_strides_and_dilations_against_the_independent_reference(size):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((1, 5, 23, 21)).astype("f4")
    for kernel, arguments in [((7, 7), {"stride": 2, "padding": 3}), ((3, 3), {"dilation": 3}),
                              ((9, 7), {"padding": 3}), ((13, 11), {"stride": 2, "padding": 6})]:
        weight = rng.standard_normal((7, 5, *kernel)).astype("f4")
        check(forward(x, weight, **arguments), reference.conv(x, weight, **arguments), "f4")


def test_reasons():
    x = np.zeros((1, 2, 60, 60), "f4")
    for kernel, arguments, reason in [
        ((21, 21), {}, "times as long as its stride"), ((1, 1), {}, "times as long as its stride"),
        ((2, 2), {"stride": 2}, "times as long as its stride"),
        ((3, 3), {"stride": 2, "dilation": 2}, "a stride or a dilation of 1"),
        ((3, 3), {"dilation": 17}, "16 at most"),
    ]:
        with pytest.raises(ValueError, match=reason):
            forward(x, np.zeros((2, 2, *kernel), "f4"), **arguments)
    with pytest.raises(ValueError, match="stride 1 in the gradient"):
        fastconv.conv_backward_data(
            np.zeros((1, 2, 29, 29), "f4"), np.zeros((2, 2, 3, 3), "f4"), x.shape, stride=2,
            method="winograd", precision="high")
    with pytest.raises(ValueError, match="promise"):
        fastconv.conv2d(x, np.zeros((2, 2, 3, 3), "f4"), method="winograd", precision="highest")


def test_scratch_does_not_grow_with_the_image():
    """Beyond some size, scratch memory is the same for every image."""
    sizes = []
    for length in (256, 512, 1024, 2048):
        desc = describe_conv(
            geometry("conv2d", 2, padding=1), (1, 32, length, length), (32, 32, 3, 3), 4)
        sizes.append(record.ALGORITHM.workspace(desc, "forward", 1))
    assert sizes[-1] <= 1.5 * sizes[0]


def test_tile_follows_the_map():
    """A map's length is nearly a multiple of the tile's; large maps take large tiles."""
    for length in (7, 14, 28, 112):
        desc = describe_conv(
            geometry("conv2d", 2, padding=1), (1, 64, length, length), (64, 64, 3, 3), 4)
        m = record.blocking(desc, "forward")["m"]
        assert -(-length // m) * m <= 1.3 * length
    assert m >= 4


def test_threads_at_different_blocks_do_not_meet():
    """Each has a range of filters and goes through the blocks of tiles; the last one is smaller.

    Three threads on fewer processors are far apart; what one has transformed is not another's room.
    """
    rng = np.random.default_rng(0)
    grad = rng.standard_normal((64, 281, 45)).astype(np.float32)
    x = rng.standard_normal((3, 563, 95)).astype(np.float32)
    results = [
        fastconv.conv2d_backward_weight(grad, x, (64, 3, 7, 7), 2, ((2, 2), (0, 1)),
                                        method="winograd", precision="high", num_threads=threads)
        for threads in (1, *(3, 4) * 25)
    ]  # fmt: skip
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
