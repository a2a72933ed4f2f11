"""Cliffs: geometry that once took ten to ten thousand times as long as it should.

Each case is timed beside a case or a method that does as much work, by the thread's own clock, and
may take some times as long: what is tested is that no cliff comes back, not how fast either is.
The two take turns, since a processor's speed changes in the midst of a test, by half and more.
"""

import time
from functools import partial

import numpy as np
import pytest

import fastconv
from fastconv.testing.served import serves

RNG = np.random.default_rng(0)


def array(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def seconds(call):
    start = time.thread_time()
    call()
    return time.thread_time() - start


def assert_no_cliff(case, peer, times, slack=0.0, rounds=25):
    """The least time of ``case`` is below ``times`` that of ``peer`` and some seconds.

    Three rounds at least; more only while the claim does not hold, up to ``rounds``: what else the
    machine does passes, and a cliff stays.
    """
    least = np.full(2, np.inf)
    for turn in range(rounds):
        least = np.minimum(least, [seconds(case), seconds(peer)])
        if turn >= 2 and least[0] < times * least[1] + slack:
            return
    pytest.fail(f"{least[0]:.3g} s beside {times} times {least[1]:.3g} s and {slack} s")


def one_thread(call, *args, **options):
    return partial(call, *args, num_threads=1, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [512, 520])
@pytest.mark.parametrize("taps", [9, 22, 31, 40])
def test_zeros_around_cost_what_mirrors_do(dtype, width, taps):
    """Rows in place against windows, whatever the kernel's length and the rows' alignment."""
    x, w = array(1, 1, 256, width, dtype=dtype), array(1, 1, taps, taps, dtype=dtype)
    options = {"method": "depthwise", "padding": taps // 2}
    mirrored = one_thread(fastconv.conv2d, x, w, padding_mode="reflect", **options)
    assert_no_cliff(one_thread(fastconv.conv2d, x, w, **options), mirrored, 2.5)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape"),
    [
        ((4, 100, 1, 1), (100, 3, 32, 32)),
        ((8, 50, 1, 1, 1), (50, 1, 28, 28, 1)),
        ((1, 1, 1), (1, 1, 100_000)),
        ((4, 100, 1, 1), (100, 64, 4, 4)),
    ],
)
def test_a_transposed_pixel_is_a_product(x_shape, weight_shape):
    x, w = array(*x_shape), array(*weight_shape)
    rows, matrix = x.reshape(len(x), -1), w.reshape(len(w), -1)
    plain = partial(np.einsum, "nk,kd->nd", rows, matrix)  # one thread, no BLAS
    assert_no_cliff(one_thread(fastconv.conv_transpose, x, w), plain, 20, 1e-3)


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
@pytest.mark.parametrize(
    ("images", "shape", "filters"), [(16, (16, 24, 24), 4), (64, (1, 28, 28), 10)]
)
def test_a_kernel_as_large_as_the_image_is_an_inner_product(which, images, shape, filters):
    x, w, grad = array(images, *shape), array(filters, *shape), array(images, filters, 1, 1)
    call, args = {
        "forward": (fastconv.conv2d, (x, w)),
        "backward_data": (fastconv.conv2d_backward_data, (grad, w, x.shape)),
        "backward_weight": (fastconv.conv2d_backward_weight, (grad, x, w.shape)),
    }[which]
    columns = one_thread(call, *args, method="im2col")
    assert_no_cliff(one_thread(call, *args), columns, 0.6)


@pytest.mark.parametrize(("short", "long"), [((3,), (20_000,)), ((5, 4), (300, 200))])
def test_roles_do_not_matter(short, long):
    """The longer operand may be the kernel or the image."""
    small, large = array(1, 1, *short), array(1, 1, *long)
    one = one_thread(fastconv.conv, large, small, padding="full")
    other = one_thread(fastconv.conv, small, large, padding="full")
    assert_no_cliff(other, one, 8, 5e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_long_kernels_of_a_default_are_transformed(dtype):
    x = RNG.integers(-99, 99, (1, 1, 60_000)).astype(dtype)
    w = RNG.integers(-99, 99, (1, 1, 8_192)).astype(dtype)
    strict = one_thread(fastconv.conv1d, x, w, precision="highest")
    assert_no_cliff(one_thread(fastconv.conv1d, x, w), strict, 0.5)


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "replicate", "circular"])
def test_folded_padding_costs_little(mode):
    """Strips are added in place; the padded gradient is not copied axis by axis."""
    grad, w = array(1, 1, 90, 90, 90), array(1, 1, 1, 5, 5)
    plain = one_thread(fastconv.conv3d_backward_data, grad, w, grad.shape, padding=(0, 2, 2))
    assert_no_cliff(partial(plain, padding_mode=mode), plain, 6, 1e-3)


def test_a_long_gradient_of_weights_is_transformed_in_pieces():
    """Not by one call of SciPy for each tile."""
    x, grad = array(1, 1, 200_000), array(1, 1, 200_000)
    args = grad, x, (1, 1, 123)
    options = {"padding": 61, "precision": "high"}
    direct = one_thread(fastconv.conv1d_backward_weight, *args, method="direct", **options)
    assert_no_cliff(partial(direct, method="fft"), direct, 4)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((145, 13, 183), (13, 183), (4, 1), (6, 0)),
        ((96, 8, 8, 8), 8, (3, 2, 4), (0, 4, 4)),
        ((1, 19, 19), 4, 4, 0),
        ((3, 58, 58), 58, 2, (29, 0)),
        ((4, 4, 217), (4, 5), (3, 4), 0),
    ],
)
def test_the_way_back_of_an_average_costs_a_few_copies(shape, kernel, stride, padding):
    """Windows that overlap along an axis, or a call of microseconds."""
    x, windows = array(1, *shape), {"stride": stride, "padding": padding}
    grad = np.ones_like(fastconv.avg_pool(x, kernel, **windows))
    back = one_thread(fastconv.avg_pool_backward, grad, x.shape, kernel, **windows)
    assert_no_cliff(back, x.copy, 20, 2e-4)


@pytest.mark.parametrize(("taps", "stride"), [(22, 22), (24, 3), (9, 9)])
def test_a_long_window_of_a_row_is_read_by_vectors(taps, stride):
    """Not element by element, each of which would wait for the one before."""
    x = array(1, 16, 120, 156)
    long = one_thread(fastconv.max_pool2d, x, (1, taps), (1, stride))
    assert_no_cliff(long, x.copy, 25)


def test_arguments_that_are_lists_cost_what_tuples_do():
    """Their descriptions are kept too."""
    x, w = array(1, 2, 8, 8), array(2, 2, 3, 3)
    lists = one_thread(fastconv.conv2d, x, w, stride=[1, 1], padding=[[1, 1], [1, 1]])
    tuples = one_thread(fastconv.conv2d, x, w, stride=(1, 1), padding=((1, 1), (1, 1)))
    assert_no_cliff(lists, tuples, 3)
    lists = one_thread(fastconv.max_pool2d, x, [2, 2], [2, 2])
    assert_no_cliff(lists, one_thread(fastconv.max_pool2d, x, 2, 2), 3)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("filters", [14, 96])
def test_a_column_of_outputs_costs_what_a_row_does(filters, kernel):
    """Short rows share runs of pixels, so that kernels' tiles are full."""
    x, w = array(1, 64, 40, kernel), array(filters, 64, 3, kernel)
    column = one_thread(fastconv.conv2d, x, w, method="direct")
    x, w = x.swapaxes(2, 3).copy(), w.swapaxes(2, 3).copy()
    assert_no_cliff(column, one_thread(fastconv.conv2d, x, w, method="direct"), 2.5, 5e-5)


@pytest.mark.parametrize(("channels", "filters"), [(2048, 1000), (4096, 2048)])
def test_a_planned_dense_layer_reads_its_weights_once(channels, filters):
    """What a plan chooses takes as long as the products of one position by weights from memory."""
    x, w = array(1, channels, 1), array(filters, channels, 1)
    plan = fastconv.plan_conv(x.shape, w, num_threads=1)
    product = fastconv.plan_conv(x.shape, w, num_threads=1, method="inner_product")
    assert_no_cliff(partial(plan, x), partial(product, x), 1.4)


@pytest.mark.parametrize(("filters", "stride"), [(16, 2), (5, 1)])
def test_large_weights_are_not_read_for_every_output(filters, stride):
    """The window of an output takes half the cache here, and its weights come from memory.

    Each quarter of the channels is a layer whose windows fit.
    """
    x, w = array(1, 160, 60, 36), array(filters, 160, 60, 36)
    options = {"stride": stride, "padding": (29, 0), "method": "direct"}
    parts = [(x[:, i:i + 40].copy(), w[:, i:i + 40].copy()) for i in range(0, 160, 40)]

    def quarters():
        for part in parts:
            fastconv.conv2d(*part, num_threads=1, **options)

    assert_no_cliff(one_thread(fastconv.conv2d, x, w, **options), quarters, 2.5)


@pytest.mark.parametrize(("size", "taps"), [((200, 200), 63), ((48, 48, 48), 17)])
def test_long_depthwise_kernels_keep_their_tiles(size, taps):
    """A window of fewer rows than a tile would take a third of the speed."""
    x, w = array(1, 1, *size), array(1, 1, *(taps,) * len(size))
    shorter = array(1, 1, *(taps * 2 // 3,) * len(size))
    options = {"method": "depthwise", "padding_mode": "symmetric"}
    less = one_thread(fastconv.conv, x, shorter, padding=shorter.shape[-1] // 2, **options)
    more = one_thread(fastconv.conv, x, w, padding=taps // 2, **options)
    assert_no_cliff(more, less, 1.8 * (w.size / shorter.size))


def test_a_gradient_of_few_filters_reads_channels_in_chunks():
    """Strips of a few rows of all channels would call the kernel for a few vectors each."""
    x, grad = array(1, 200, 80, 80), array(1, 4, 35, 40)
    few, one = (
        one_thread(fastconv.conv2d_backward_weight, grad, x[:, :channels], (4, channels, 11, 2),
                   method="direct", stride=2) for channels in (200, 8)
    )  # fmt: skip
    assert_no_cliff(few, one, 2 * (200 / 8))


@pytest.mark.parametrize(("size", "kernel", "stride"), [(24, 2, 1), (20, 3, 2)])
def test_the_way_back_of_windows_that_overlap_along_all_axes(size, kernel, stride):
    """No sums by NumPy, window after window, where nothing is to be spread."""
    x = array(1, 16, size, size, size)
    grad = np.ones_like(fastconv.avg_pool(x, kernel, stride))
    there = one_thread(fastconv.avg_pool, x, kernel, stride)
    back = one_thread(fastconv.avg_pool_backward, grad, x.shape, kernel, stride)
    assert_no_cliff(back, there, 10, 1e-4)


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
@pytest.mark.parametrize("seed", range(12))
def test_depthwise_layers_of_networks_take_what_depthwise_does(which, seed):
    """By another method the gradient of the weights once took three times as long."""
    rng = np.random.default_rng([seed, 12])
    channels, size = int(rng.integers(64, 400)), int(rng.integers(7, 60))
    x, w = array(1, channels, size, size), array(channels, 1, 3, 3)
    call, args = {
        "forward": (fastconv.conv2d, (x, w)),
        "backward_data": (fastconv.conv2d_backward_data, (x, w, x.shape)),
        "backward_weight": (fastconv.conv2d_backward_weight, (x, x, w.shape)),
    }[which]
    chosen = one_thread(call, *args, padding=1, groups=channels)
    assert_no_cliff(chosen, partial(chosen, method="depthwise"), 1.4, 1e-5)


def test_the_gradient_of_a_bias_is_a_sum():
    """It once took ten times as long, since all was widened before it was added up.

    That is still so where there is no kernel for sums of planes.
    """
    grad = array(8, 32, 112, 112)
    times = 2 if fastconv.show_runtime(mode="dicts")["vector_bytes"] >= 32 else 10
    assert_no_cliff(lambda: fastconv.conv2d_backward_bias(grad), lambda: grad.sum((0, 2, 3)), times)


def test_means_of_planes_from_memory_are_streams():
    """The compiler had read vectors from all over a page: half the speed of maxima."""
    x = array(64, 64, 64, 64)
    assert_no_cliff(lambda: fastconv.global_avg_pool(x, num_threads=1),
                    lambda: fastconv.global_max_pool(x, num_threads=1), 2)  # fmt: skip


def test_windows_that_share_no_rows_from_memory_are_streams():
    """Strips of columns took twice as long there; 3x3 windows of stride 2 read as much."""
    x = array(16, 64, 112, 112)
    how = {"num_threads": 1}
    assert_no_cliff(lambda: fastconv.avg_pool2d(x, 2, **how),
                    lambda: fastconv.avg_pool2d(x, 3, stride=2, padding=1, **how), 1.3)  # fmt: skip


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
@pytest.mark.parametrize("method", ["direct", "im2col", "depthwise"])
@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 64), (1, 8)])
@pytest.mark.served(by=lambda which, method, stride, groups: serves(
    method, which, (1, 64, 300), (64, 64 // groups, 3), stride=stride, groups=groups))
def test_a_column_costs_what_a_signal_does(which, method, stride, groups):
    """Axes of one element, wherever they are."""
    x, w = array(1, 64, 300), array(64, 64 // groups, 3)
    grad = array(1, 64, (300 - 3) // stride + 1)
    options = {"groups": groups, "method": method}
    calls = []
    for tall in (False, True):
        images = [a[..., np.newaxis] if tall else a for a in (x, w, grad)]
        args = {"forward": images[:2], "backward_data": (images[2], images[1], images[0].shape),
                "backward_weight": (images[2], images[0], images[1].shape)}[which]
        call = {"forward": fastconv.conv, "backward_data": fastconv.conv_backward_data,
                "backward_weight": fastconv.conv_backward_weight}[which]
        calls.append(one_thread(call, *args, stride=(stride, 1) if tall else stride, **options))
    assert_no_cliff(calls[1], calls[0], 1.3, 1e-5)


@pytest.mark.parametrize("method", ["direct", "im2col"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.served(by=lambda method, seed: serves(method, "forward", *narrow(seed)))
def test_short_rows_of_many_channels_are_listed_once(method, seed):
    """Not looked up anew for every channel: that took up to eight times as long as their sums."""
    x_shape, weight_shape = narrow(seed)
    x, w = array(*x_shape), array(*weight_shape)
    gathered = np.empty((x_shape[1], 9, (x_shape[2] - 2) * (x_shape[3] - 2)), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (3, 3), axis=(1, 2))
    windows = windows.transpose(0, 3, 4, 1, 2)
    plain = partial(np.copyto, gathered.reshape(windows.shape), windows)  # by NumPy, one by one
    assert_no_cliff(one_thread(fastconv.conv2d, x, w, method=method), plain, 1.0, 2e-5)


@pytest.mark.parametrize("seed", range(6))
def test_channels_may_come_last_where_rows_are_short(seed):
    """Few filters take channels first: pixels turned two at a time took up to 14 times as long."""
    rng = np.random.default_rng(seed)
    channels, filters = (int(n) for n in rng.integers((40, 1), (500, 7)))
    rows, columns, kernel, stride = (int(n) for n in rng.integers((20, 2, 1, 1), (200, 6, 4, 4)))
    x, w = array(1, channels, rows, columns), array(filters, channels, 3, min(kernel, columns))
    first = one_thread(fastconv.conv2d, x, w, method="direct", stride=(stride, 1), padding=1)
    last = one_thread(fastconv.conv2d, np.moveaxis(x, 1, -1).copy(), w, method="direct",
                      stride=(stride, 1), padding=1, data_format="channels_last")  # fmt: skip
    assert_no_cliff(last, first, 2.5, 2e-5)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_what_planes_of_outputs_share_is_gathered_once(data_format):
    """A kernel of seven planes gathers no more than one of a plane and seven times the channels."""
    volume, flat = array(1, 27, 24, 21, 3), array(1, 27 * 7, 18, 21, 3)
    kernel = array(1, 27, 7, 3, 3)
    if data_format == "channels_last":
        volume, flat = (np.moveaxis(x, 1, -1).copy() for x in (volume, flat))
    options = {"method": "direct", "stride": (1, 2, 1), "data_format": data_format}
    deep = one_thread(fastconv.conv3d, volume, kernel, **options)
    wide = one_thread(fastconv.conv3d, flat, kernel.reshape(1, 27 * 7, 1, 3, 3), **options)
    assert_no_cliff(deep, wide, 2.0, 2e-5)


def narrow(seed):
    """An image of many channels and short rows, and two filters of 3x3."""
    rng = np.random.default_rng(seed)
    channels, height, width = rng.integers((200, 10, 4), (500, 40, 9))
    return (1, int(channels), int(height), int(width)), (2, int(channels), 3, 3)
