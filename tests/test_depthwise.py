"""One algorithm: where depthwise kernels end: tails of vectors, rows, joined pixels, ranks."""

import itertools

import numpy as np
import pytest

import fastconv
from fastconv._call import conv as call
from fastconv._desc.geometry import geometry as windows_of
from fastconv.runtime import show_runtime
from fastconv.testing import reference
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.guard import GuardedBuffer

DTYPES = [np.float32, np.float64]
FORMATS = ["channels_first", "channels_last"]
OPTIONS = {"precision": "highest", "method": "depthwise", "max_workspace": None,
           "num_threads": None, "out": None}  # fmt: skip


def integers(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def lanes(dtype):
    return show_runtime(mode="dicts")["vector_bytes"] // np.dtype(dtype).itemsize


def image(channels, spatial, data_format, batch=1):
    if data_format == "channels_last":
        return (batch, *spatial, channels)
    return (batch, channels, *spatial)


def check(x_shape, weight_shape, dtype, **geometry):
    """Every pass against the reference, on integers, so exactly."""
    x, weight = integers(x_shape, dtype), integers(weight_shape, dtype, 1)
    rank = weight.ndim - 2
    windows = windows_of("conv", rank, **geometry)
    exact = reference.conv(x, weight, **geometry)
    y = call.forward(windows, x, weight, None, activation=None, residual=None, **OPTIONS)
    assert_exact(y, exact, (x_shape, weight_shape, geometry))
    grad = integers(y.shape, dtype, 2)
    got = call.backward_data(windows, grad, weight, x.shape, **OPTIONS)
    assert_exact(got, reference.conv_backward_data(grad, weight, x.shape, **geometry), geometry)
    for per_sample in (False, True):
        got = call.backward_weight(
            windows, grad, x, weight.shape, per_sample=per_sample, **OPTIONS)
        exact = reference.conv_backward_weight(
            grad, x, weight.shape, per_sample=per_sample, **geometry
        )
        assert_exact(got, exact, geometry)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_length_of_rows(dtype, stride):
    for width in range(1, 2 * lanes(dtype) + 2):
        check((1, 2, 5, stride * width), (2, 1, 3, 3), dtype, padding=1, stride=stride, groups=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_of_channels_in_the_lanes(dtype):
    for channels in range(1, 4 * lanes(dtype) + 2):
        check((1, 5, 6, channels), (channels, 1, 3, 2), dtype, padding=1, groups=channels,
              data_format="channels_last")  # fmt: skip


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("rows", range(1, 16))
def test_every_number_of_rows(rows, data_format):
    """Rows are computed by sevens and fours, the last of which overlap."""
    for taps in (1, 2, 3, 4, 5, 6, 7):
        check(image(2, (rows + taps - 1, 9), data_format), (2, 1, taps, 2), np.float32, groups=2,
              data_format=data_format)  # fmt: skip


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("geometry", [
    {"stride": 3, "padding": 2}, {"dilation": 2, "padding": 3}, {"dilation": 40, "padding": 41},
    {"stride": 2, "dilation": 3, "padding": 3, "flip": True}, {"stride": 7},
    {"padding_mode": "reflect", "padding": 9}, {"padding_mode": "circular", "padding": (7, 0)},
], ids=str)  # fmt: skip
@pytest.mark.parametrize(("channels", "multiplier", "groups"), [
    (1, 1, 1), (3, 1, 3), (3, 5, 3), (4, 2, 2), (24, 1, 24), (40, 1, 40), (8, 8, 2), (70, 2, 70),
])  # fmt: skip
def test_multipliers_and_small_groups(channels, multiplier, groups, geometry, data_format):
    filters = groups * multiplier
    check(image(channels, (11, 21), data_format, 2), (filters, channels // groups, 2, 3),
          np.float32, groups=groups, data_format=data_format, **geometry)  # fmt: skip


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 20])
def test_signals_and_volumes(channels, dtype, data_format):
    for length, taps, stride, dilation in itertools.product((80, 333), (1, 7, 63), (1, 3), (1, 2)):
        if length > (taps - 1) * dilation:
            check(image(channels, (length,), data_format, 2), (channels, 1, taps), dtype,
                  stride=stride, dilation=dilation, groups=channels,
                  padding=2, data_format=data_format)  # fmt: skip
    for stride, dilation in ((1, 1), (2, 1), (1, 2), ((3, 1, 2), (1, 2, 1))):
        check(image(channels, (6, 7, 19), data_format), (channels, 1, 3, 2, 3), dtype,
              stride=stride, dilation=dilation, groups=channels, padding=(2, 1, 1),
              data_format=data_format)  # fmt: skip


@pytest.mark.parametrize("data_format", FORMATS)
def test_windows_in_several_blocks(data_format):
    """Wide and tall, so that windows hold parts of a plane, and several threads take runs."""
    x = integers(image(2, (150, 1100), data_format, 2), np.float32)
    weight = integers((2, 1, 5, 3), np.float32, 1)
    geometry = {"padding": 2, "groups": 2, "data_format": data_format}
    exact = reference.conv(x, weight, **geometry)
    for threads in (1, 3):
        y = fastconv.conv2d(x, weight, method="depthwise", num_threads=threads, **geometry)
        assert_exact(y, exact)
        grad = integers(exact.shape, np.float32, 3)
        got = fastconv.conv2d_backward_weight(grad, x, weight.shape, method="depthwise",
                                              num_threads=threads, **geometry)  # fmt: skip
        assert_exact(got, reference.conv_backward_weight(grad, x, weight.shape, **geometry))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "kernel"), [((1, 1, 9030), 9001), ((1, 1, 80, 90), (70, 70)),
                                           ((1, 1, 300, 40), (260, 2))])  # fmt: skip
def test_long_sums_of_positive_numbers(shape, kernel, dtype, data_format):
    """Sums are cut into blocks, and those into rows, or rounding errors would pile up."""
    rng = np.random.default_rng(5)
    x = rng.random(shape).astype(dtype)
    kernel = (kernel,) if isinstance(kernel, int) else kernel
    weight = rng.random((1, 1, *kernel)).astype(dtype)
    if data_format == "channels_last":
        x = np.moveaxis(x, 1, -1)
    windows = windows_of("conv", len(kernel), data_format=data_format)
    y = call.forward(windows, x, weight, None, activation=None, residual=None, **OPTIONS)
    exact = reference.conv(x, weight, data_format=data_format)
    assert_within_contract(y, exact, exact, tier="highest")


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("stride", [1, 2])
def test_fused_epilogue(stride, data_format):
    for channels, size in ((5, (9, 20)), (40, (7, 7)), (3, (30, 31))):
        x = integers(image(channels, size, data_format, 2), np.float32)
        weight, bias = integers((channels, 1, 3, 3), np.float32), integers(channels, np.float32)
        geometry = {"stride": stride, "padding": 1, "groups": channels, "data_format": data_format}
        exact = reference.conv(x, weight, **geometry)
        residual = integers(exact.shape, np.float32, 4)
        along = 1 if data_format == "channels_first" else -1
        expected = exact + residual + bias.reshape([-1 if i == along % 4 else 1 for i in range(4)])
        y = fastconv.conv2d(x, weight, bias, method="depthwise", residual=residual,
                            activation=("clip", -2, 9), **geometry)  # fmt: skip
        assert_exact(y, np.clip(expected, -2, 9))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("end", ["front", "back"])
def test_reads_and_writes_nothing_outside(end, data_format):
    for channels, size, kernel, stride in ((1, (1, 33), (1, 5), 1), (3, (8, 17), (3, 3), 1),
                                           (2, (8, 18), (3, 3), 2), (40, (5, 6), (2, 2), 1),
                                           (1, (40, 700), (3, 3), 2)):  # fmt: skip
        x = integers(image(channels, size, data_format), np.float32)
        weight = integers((channels, 1, *kernel), np.float32, 1)
        geometry = {"stride": stride, "padding": 1, "groups": channels, "data_format": data_format}
        exact = reference.conv(x, weight, **geometry)
        buffers = [GuardedBuffer(a.nbytes) for a in (x, weight, exact.astype(np.float32))]
        placed = buffers[0].place(x, end), buffers[1].place(weight, end)
        out = buffers[2].empty(exact.shape, np.float32, end)
        fastconv.conv2d(*placed, method="depthwise", out=out, **geometry)
        assert_exact(out, exact, (channels, size, kernel, stride))


def test_refuses_many_channels_in_words():
    x, weight = np.ones((1, 18, 5, 5)), np.ones((2, 9, 3, 3))
    with pytest.raises(ValueError, match="at most 8 input channels per group, not 9"):
        fastconv.conv2d(x, weight, groups=2, method="depthwise")


@pytest.mark.parametrize("layer", ["mobilenet_v1.conv2_1.dw", "mobilenet_v1.conv5_x.dw",
                                   "image.1024.9x9"])  # fmt: skip
def test_auto_takes_it(layer):
    from fastconv.testing.shapes import CONV_SHAPES

    shape = CONV_SHAPES[layer]
    verdicts = fastconv.explain(shape.input_shape(1), shape.weight_shape, precision="highest",
                                **shape.kwargs())  # fmt: skip
    assert [row["method"] for row in verdicts if row["verdict"] == "chosen"] == ["depthwise"]


@pytest.mark.parametrize("taps", range(2, 9))
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 7, 8, 14, 15])
def test_rows_in_place_of_stride_two(taps, rows):
    """Every height of a block of outputs, with columns shorter and longer than it is high."""
    for width, padding in [(8, 2), (33, 0), (70, 1)]:
        x = integers((1, 3, rows + taps - 1, width), np.float32, taps)
        weight = integers((3, 1, taps, 5), np.float32, rows)
        arguments = {"stride": (1, 2), "padding": (0, padding), "groups": 3}
        y = fastconv.conv2d(x, weight, method="depthwise", **arguments)
        assert_exact(y, reference.conv(x, weight, **arguments))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
def test_squares(size, stride, dtype):
    """Every tail of a row and of a plane's rows, every padding, several planes in a call."""
    ends = itertools.cycle(itertools.product(range(size), range(size)))
    few = lanes(dtype)
    for n in [*range(1, 3 * few + 2), 4 * few + 1, 5 * few + few // 2, 33 * few + 5]:
        rows, (left, right) = 1 + n % 12, next(ends)
        width = (n - 1) * stride + size - left - right
        if width < 1:
            continue
        shape = (2, 3, max(1, (rows - 1) * stride + size - 2), width)
        x, weight = integers(shape, dtype, n), integers((3, 1, size, size), dtype, 1)
        geometry = {"stride": stride, "padding": ((1, 1), (left, right)), "groups": 3}
        exact = reference.conv(x, weight, **geometry)
        y = fastconv.conv2d(x, weight, method="depthwise", **geometry)
        assert_exact(y, exact, (shape, geometry))
        grad = integers(y.shape, dtype, 2)
        got = fastconv.conv2d_backward_data(grad, weight, x.shape, method="depthwise", **geometry)
        exact_data = reference.conv_backward_data(grad, weight, x.shape, **geometry)
        assert_exact(got, exact_data, (shape, geometry))
        beside = np.repeat(grad, 2, axis=-1)[..., ::2]
        got = fastconv.conv2d_backward_data(beside, weight, x.shape, method="depthwise",
                                            **geometry)  # fmt: skip
        assert_exact(got, exact_data, (shape, geometry))
        apart = np.zeros((*shape, 2), dtype)[..., ::-1, :, 1]
        apart[...] = x
        y = fastconv.conv2d(apart, weight, method="depthwise", **geometry)
        assert_exact(y, exact, (shape, geometry))
        exact = reference.conv_backward_weight(grad, x, weight.shape, **geometry)
        for there, other in ((grad, x), (beside, apart)):
            got = fastconv.conv2d_backward_weight(there, other, weight.shape,
                                                  method="depthwise", **geometry)  # fmt: skip
            assert_exact(got, exact, (shape, geometry))


@pytest.mark.parametrize("size", [3, 5])
def test_what_no_output_reads_is_left_alone(size):
    """Elements behind the last output's, which lanes of vectors pass over."""
    for n in range(1, 3 * lanes(np.float32)):
        x = integers((1, 9, 2 * n + size - 2, 2 * n + size - 2), np.float32, n)
        weight = integers((9, 1, size, size), np.float32, 1)
        geometry = {"stride": 2, "padding": ((1, 0), (1, 0)), "groups": 9}
        y = reference.conv(x, weight, **geometry)
        grad = integers(y.shape, np.float32, 2)
        exact = reference.conv_backward_weight(grad, x, weight.shape, **geometry)
        x[..., 2 * n + size - 3 :] = np.inf
        x[..., 2 * n + size - 3 :, :] = np.nan
        got = fastconv.conv2d(x, weight, method="depthwise", **geometry)
        assert_exact(got, y, n)
        got = fastconv.conv2d_backward_weight(grad, x, weight.shape, method="depthwise",
                                              **geometry)  # fmt: skip
        assert_exact(got, exact, n)


@pytest.mark.parametrize("seed", range(40))
def test_small_planes_side_by_side(seed):
    """Planes of many channels have the bits that each has by itself, and the right values."""
    rng = np.random.default_rng(seed)
    rank, channels = int(rng.integers(1, 4)), int(rng.integers(16, 60))
    spatial = tuple(int(n) for n in rng.integers(1, (60, 14, 7)[rank - 1], rank))
    kernel = tuple(int(rng.integers(1, min(n, 7) + 1)) for n in spatial)
    dtype = rng.choice([np.float32, np.float64])
    x = rng.standard_normal((2, channels, *spatial)).astype(dtype)
    w = rng.standard_normal((channels, 1, *kernel)).astype(dtype)
    bias = rng.standard_normal(channels).astype(dtype)
    options = {
        "stride": [int(s) for s in rng.integers(1, 4, rank)],
        "dilation": [int(rng.integers(1, 3)) if (k - 1) * 2 < n else 1
                     for k, n in zip(kernel, spatial, strict=True)],
        "padding": [k // 2 for k in kernel],
        "padding_mode": str(rng.choice(["zeros", "reflect"])),
    }  # fmt: skip
    y = fastconv.conv(x, w, bias, **options, groups=channels, method="depthwise",
                      activation="relu", num_threads=2)  # fmt: skip
    want = fastconv.conv(x, w, bias, **options, groups=channels, method="sliding",
                         activation="relu")  # fmt: skip
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-4 if dtype == np.float32 else 1e-12)
    g = rng.standard_normal(y.shape).astype(dtype)
    back = fastconv.conv_backward_data(g, w, x.shape, **options, groups=channels,
                                       method="depthwise")  # fmt: skip
    for c in range(0, channels, 7):
        one = slice(c, c + 1)
        assert_exact(y[:, one], fastconv.conv(
            x[:, one], w[one], bias[one], **options, method="depthwise", activation="relu"))
        assert_exact(back[:, one], fastconv.conv_backward_data(
            g[:, one], w[one], x[:, one].shape, **options, method="depthwise"))
    flipped = x[..., ::-1]
    assert_exact(fastconv.conv(flipped, w, **options, groups=channels, method="depthwise"),
                 fastconv.conv(np.ascontiguousarray(flipped), w, **options, groups=channels,
                               method="depthwise"))  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_a_small_plane_begins_a_long_row(seed):
    """Planes side by side have the bits of rows and planes in place: of any cut of an image."""
    rng = np.random.default_rng(seed)
    channels, step = int(rng.integers(24, 80)), (2, 2) if seed % 2 else rng.integers(1, 4, 2)
    kernel = np.full(2, rng.choice((3, 5))) if seed % 3 == 0 else rng.integers(1, 8, 2)
    dilation = rng.choice((1, 1, 2, 3), 2) if seed % 3 else (1, 1)
    extent = [int(d * (k - 1) + 1) for k, d in zip(kernel, dilation, strict=True)]
    above, before = (int(rng.integers(0, n)) for n in extent)
    height, width = (int(n + rng.integers(0, m)) for n, m in zip(extent, (30, 12), strict=True))
    long = rng.standard_normal((1, channels, height, width + 500), dtype=np.float32)
    w = rng.standard_normal((channels, 1, *kernel), dtype=np.float32)
    options = {"stride": [int(s) for s in step], "dilation": [int(d) for d in dilation],
               "padding": ((above, above), (before, 0)), "groups": channels,
               "method": "depthwise"}  # fmt: skip
    short = np.ascontiguousarray(long[..., :width])
    whole, part = fastconv.conv2d(long, w, **options), fastconv.conv2d(short, w, **options)
    outputs = part.shape[-1]
    assert_exact(part, whole[..., :outputs])
    grad = rng.standard_normal(whole.shape, dtype=np.float32)
    whole = fastconv.conv2d_backward_data(grad, w, long.shape, **options)
    part = fastconv.conv2d_backward_data(
        np.ascontiguousarray(grad[..., :outputs]), w, short.shape, **options)
    alone = max(0, min(width, outputs * int(step[1]) - before))  # that no further output reads
    assert_exact(part[..., :alone], whole[..., :alone])
