"""Cuts: any part of a result, computed from what it reads, has the bits that it has in the whole.

What streams, chunks, files and clusters stand on. It holds for the methods whose record says
`any_cut`, and for integers with all of them.
"""

import numpy as np
import pytest
import test_isa

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing.checks import function_of
from fastconv.testing.served import record_of, serves

KEEP = [algorithm.name for algorithm in ALGORITHMS if algorithm.any_cut]
LENGTHS = {1: 400, 2: 34, 3: 11}
DTYPES = ["float32", "float64", "float16", "complex64", "complex128"]
PASSES = ["forward", "transposed", "backward_data"]


def numbers(rng, shape, dtype):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def some_layer(rng):
    """Rank, channels, filters, kernel, lengths and geometry of a random layer."""
    rank = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 4, 16]))
    channels = groups * int(rng.choice([1, 1, 2, 3, 8, 40]))
    filters = groups * int(rng.choice([1, 2, 5, 16]))
    kernel = [int(rng.integers(1, (40, 8, 4)[rank - 1])) for _ in range(rank)]
    if rng.random() < 0.3:
        kernel = [int(rng.choice([3, 5]))] * rank   # for which there are kernels of their own
    if rank == 3 and rng.random() < 0.3:
        kernel[0] = 1   # and for planes, also those of a volume
    stride = [int(rng.choice([1, 1, 2, 2, 3, 5])) for _ in kernel]
    if rng.random() < 0.5:
        stride = stride[:1] * rank
    dilation = [int(rng.choice([1, 1, 1, 2, 3])) for _ in kernel]
    lengths = [d * (k - 1) + 1 + int(rng.integers(0, LENGTHS[rank]))
               for k, d in zip(kernel, dilation)]  # fmt: skip
    if rng.random() < 0.2:
        lengths[-1] = max(lengths[-1], int(rng.choice([128, 256, 512, 1024])) // rank)
    return rank, channels, filters, kernel, lengths, {
        "stride": tuple(stride), "dilation": tuple(dilation), "groups": groups,
        "data_format": str(rng.choice(["channels_first", "channels_last"])),
        "flip": bool(rng.integers(2)),
    }  # fmt: skip


def oriented(array, kwargs):
    """An array that lies channels first, as the data format wants it."""
    if kwargs["data_format"] == "channels_last":
        return np.ascontiguousarray(np.moveaxis(array, 1, -1))
    return array


def taken(array, kwargs, slices):
    """The part of each axis of an image."""
    before = 1 if kwargs["data_format"] == "channels_last" else 2
    return array[(slice(None),) * before + tuple(slices)]


def some_parts(rng, lengths):
    """A range along each axis that has at least one element, and at times no more."""
    parts = []
    for n in lengths:
        start = int(rng.integers(n))
        most = n + 1 if rng.random() < 0.8 else start + 2
        parts.append((start, int(rng.integers(start + 1, most))))
    return parts


def same_bits(got, expected, message):
    assert got.dtype == expected.dtype
    assert got.tobytes() == np.ascontiguousarray(expected).tobytes(), message


def forward(rng, method, dtype, layer):
    """A part of the outputs, of what its windows span of the padded input."""
    rank, channels, filters, kernel, lengths, kwargs = layer
    mode = str(rng.choice(["zeros", "zeros", "reflect", "circular"]))
    most = 2 if mode == "zeros" and rng.random() < 0.2 else 1  # times a kernel's length
    kwargs = kwargs | {
        "padding": tuple(tuple(int(n) for n in rng.integers(0, most * k, 2)) for k in kernel),
        "padding_mode": mode,
    }
    x = oriented(numbers(rng, (2, channels, *lengths), dtype), kwargs)
    weight = numbers(rng, (filters, channels // kwargs["groups"], *kernel), dtype)
    if not serves(method, "forward", x.shape, weight.shape, **kwargs, dtype=real(dtype)):
        return False
    bias = numbers(rng, filters, dtype)
    run, options = function_of("conv", rank), {"method": method, "precision": "highest"}
    whole = run(x, weight, bias, **kwargs, **options, activation=None)
    first = 1 if kwargs["data_format"] == "channels_last" else 2
    widths = [(0, 0)] * x.ndim
    widths[first:first + rank] = kwargs["padding"]
    mode = {"zeros": "constant", "circular": "wrap"}.get(kwargs["padding_mode"], "reflect")
    padded = np.pad(x, widths, mode)
    for _ in range(3):
        parts = some_parts(rng, whole.shape[first:first + rank])
        reads = [slice(i * s, (j - 1) * s + d * (k - 1) + 1) for (i, j), s, d, k in zip(
            parts, kwargs["stride"], kwargs["dilation"], kernel)]
        got = run(taken(padded, kwargs, reads), weight, bias, **kwargs | {"padding": 0}, **options)
        same_bits(got, taken(whole, kwargs, [slice(*part) for part in parts]),
                  f"{method} {dtype} {layer} {kwargs} {parts}")
    return True


def adjoint(rng, method, dtype, layer, transposed):
    """A part of the elements that the adjoint gives, of all the outputs that reach it."""
    rank, channels, filters, kernel, lengths, kwargs = layer
    weight = numbers(rng, (filters, channels // kwargs["groups"], *kernel), dtype)
    extents = [d * (k - 1) + 1 for d, k in zip(kwargs["dilation"], kernel)]
    outputs = [(n - e) // s + 1 for n, e, s in zip(lengths, extents, kwargs["stride"])]
    lengths = [(n - 1) * s + e for n, e, s in zip(outputs, extents, kwargs["stride"])]
    grad = oriented(numbers(rng, (2, filters, *outputs), dtype), kwargs)
    shape = (2, channels, *lengths)
    if kwargs["data_format"] == "channels_last":
        shape = (2, *lengths, channels)
    asked = {name: value for name, value in kwargs.items() if name != "flip" or not transposed}
    if not serves(method, "backward_data", shape, weight.shape, **asked, dtype=real(dtype)):
        return False
    options = {"method": method, "precision": "highest"}

    def run(grad, n, cropped):
        if transposed:
            return function_of("conv_transpose", rank)(grad, weight, **asked, padding=cropped,
                                                       **options)  # fmt: skip
        shape = (2, channels, *n) if asked["data_format"] == "channels_first" else (
            2, *n, channels)  # fmt: skip
        return function_of("conv_backward_data", rank)(grad, weight, shape, **asked,
                                                       padding=cropped, **options)  # fmt: skip

    whole = run(grad, lengths, 0)
    for _ in range(3):
        parts = some_parts(rng, lengths)
        reads, cropped, inside = [], [], []
        for (i, j), s, e, n in zip(parts, kwargs["stride"], extents, outputs):
            low, high = max(0, -(-(i - e + 1) // s)), min(n, (j - 1) // s + 1)
            reads.append(slice(low, high))
            cropped.append((i - low * s, (high - 1) * s + e - j))
            inside.append(j - i)
            if high <= low or min(cropped[-1]) < 0:
                break   # no output reaches part of it
        else:
            got = run(taken(grad, kwargs, reads), inside, tuple(cropped))
            same_bits(got, taken(whole, kwargs, [slice(*part) for part in parts]),
                      f"{method} {dtype} {layer} {parts}")
    return True


def real(dtype):
    return "float64" if dtype in ("float64", "complex128") else "float32"


@pytest.mark.parametrize("block", range(8))
@pytest.mark.parametrize("which", PASSES)
@pytest.mark.parametrize("method", KEEP)
@pytest.mark.served(by=lambda method: True)
def test_random_cuts(method, which, block):
    rng = np.random.default_rng([PASSES.index(which), block])
    done = 0
    while done < 6:
        layer = some_layer(rng)
        _, channels, filters, kernel, lengths, _ = layer
        if method == "sliding" and channels * filters * np.prod(kernel + lengths) > 3e6:
            continue
        dtype = str(rng.choice(DTYPES[:2] if rng.random() < 0.8 else DTYPES))
        if which == "forward":
            done += forward(rng, method, dtype, layer)
        else:
            done += adjoint(rng, method, dtype, layer, which == "transposed")


@pytest.mark.parametrize("seed", range(12))
def test_long_kernels_that_reach_far_out(seed):
    """Products with padding beside rows are left out, but sums are cut where they would be."""
    rng = np.random.default_rng(seed)
    channels, filters, rows = int(rng.integers(8, 40)), int(rng.integers(1, 50)), 1 + seed % 3
    taps, dilation = ((int(rng.integers(40, 160)), 1), (int(rng.integers(5, 20)), 6))[seed % 2]
    reach = dilation * (taps - 1)
    length = reach + int(rng.integers(20, 120))
    x = numbers(rng, (1, channels, rows, length), "float32")
    weight = numbers(rng, (filters, channels, 1, taps), "float32")
    options = {"dilation": (1, dilation), "method": "direct"}
    ends = (int(rng.integers(reach // 3, reach)), int(rng.integers(0, reach)))
    whole = fastconv.conv2d(x, weight, padding=((0, 0), ends), **options)
    grad = numbers(rng, whole.shape, "float32")
    back = fastconv.conv2d_backward_data(grad, weight, x.shape, padding=((0, 0), ends), **options)
    for stop in rng.integers(max(1, reach - ends[0] + 1), length, 6):
        beginning = x[..., :stop]
        got = fastconv.conv2d(beginning, weight, padding=((0, 0), (ends[0], 0)), **options)
        same_bits(got, whole[..., :got.shape[-1]], stop)
        outputs = got.shape[-1]
        got = fastconv.conv2d_backward_data(
            grad[..., :outputs], weight, beginning.shape, padding=((0, 0), (ends[0], 0)), **options)
        alone = max(0, min(int(stop), outputs - ends[0]))  # read by no further output
        same_bits(got[..., :alone], back[..., :alone], stop)


def test_who_keeps_the_promise():
    assert set(KEEP) == {"direct", "depthwise", "sliding"}
    assert all(record_of(name).tier == "highest" for name in KEEP)


@pytest.mark.parametrize("method", ["auto", *(a.name for a in ALGORITHMS)])
@pytest.mark.served(by=lambda method: serves(
    method, "forward", (2, 3, 40, 30), (4, 3, 3, 2), dtype="int32", precision="highest"
))
def test_integers_with_every_method(method):
    rng = np.random.default_rng(0)
    x, weight = numbers(rng, (2, 3, 40, 30), "int32"), numbers(rng, (4, 3, 3, 2), "int8")
    whole = fastconv.conv2d(x, weight, method=method, precision="highest")
    for _ in range(10):
        (a, b), (c, d) = some_parts(rng, whole.shape[2:])
        got = fastconv.conv2d(x[..., a:b + 2, c:d + 1], weight)
        same_bits(got, whole[..., a:b, c:d], method)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_crowd_in_the_cache_have_the_same_sums(dtype):
    """Images as wide as a power of two are read in another way, but not added in another order."""
    rng = np.random.default_rng(1)
    for k, stride, dilation in ((3, 1, 1), (5, 1, 1), (3, 2, 1), (7, 1, 1), (7, 2, 1), (3, 1, 2)):
        x = numbers(rng, (2, 40, 1024), dtype)
        weight = numbers(rng, (2, 1, k, k), dtype)
        kwargs = {"stride": stride, "dilation": dilation, "groups": 2, "method": "depthwise"}
        whole = fastconv.conv2d(x, weight, **kwargs)
        n = 150 * stride
        extent = dilation * (k - 1) + 1
        part = x[..., n * stride:(n + 99) * stride + extent]
        got = fastconv.conv2d(part, weight, **kwargs)
        same_bits(got, whole[..., n:n + 100], (k, stride, dilation))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_large_planes_have_the_same_sums(dtype):
    """1x1 layers copy planes that come from beyond the caches; parts of them they read in place.

    Where there are many, all filters meet some of them before the next ones are read.
    """
    rng = np.random.default_rng(2)
    for channels, filters, size in ((65, 7, 120), (100, 24, 96), (130, 9, 70), (333, 300, 50)):
        x = numbers(rng, (2, channels, size, size), dtype)
        weight = numbers(rng, (filters, channels, 1, 1), dtype)
        for activation, stride in (("relu", 1), ("tanh", 1), ("relu", 2)):
            kwargs = {"method": "direct", "activation": activation, "stride": stride}
            whole = fastconv.conv2d(x, weight, num_threads=2, **kwargs)
            first = slice(12 // stride, 40 // stride)
            got = fastconv.conv2d(x[:1, :, 12:40], weight, num_threads=1, **kwargs)
            same_bits(got, whole[:1, :, first], (channels, filters))
            last = np.moveaxis(x, 1, -1).copy()
            got = fastconv.conv2d(last, weight, data_format="channels_last", **kwargs)
            same_bits(np.moveaxis(got, -1, 1), whole, (channels, filters))
            # a few filters do not wait for others
            got = fastconv.conv2d(x, weight[3:6], **kwargs)
            same_bits(got, whole[:, 3:6], (channels, filters))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_rows_have_the_sums_of_many(dtype):
    """Depthwise tiles of four pixels, or of four rows where kernels have one, keep the order."""
    rng = np.random.default_rng(3)
    square, row = ((1, 4), (2, 5), (3, 7), (1, 15)), ((5, 9), (4, 30))
    for kernel, sizes in (((9, 9), square), ((1, 70), row)):
        weight = numbers(rng, (40, 1, *kernel), dtype)
        rows, columns = kernel[0] - 1, kernel[1] - 1
        x = numbers(rng, (40, rows + 60, columns + 70), dtype)
        kwargs = {"groups": 40, "method": "depthwise"}
        whole = fastconv.conv2d(x, weight, **kwargs)
        for a, b in sizes:
            got = fastconv.conv2d(x[:, 2:2 + rows + a, 3:3 + columns + b], weight, **kwargs)
            same_bits(got, whole[:, 2:2 + a, 3:3 + b], (kernel, a, b))


@pytest.mark.parametrize("which", PASSES)
@pytest.mark.parametrize("seed", range(4))
def test_taps_that_are_left_out_cut_no_sum(seed, which):
    """Small images with much padding leave out products; blocks of sums begin where they would."""
    rng = np.random.default_rng([seed, PASSES.index(which)])
    for rank, kernel, lengths in ((2, [5, 5], [9, 12]), (2, [7, 3], [11, 8]), (3, [5] * 3, [9] * 3),
                                  (3, [3, 3, 5], [7, 8, 40]), (2, [3, 9], [6, 30])):  # fmt: skip
        groups = int(rng.choice([1, 2]))
        channels, filters = (groups * int(n) for n in rng.integers(20, 80, 2))
        stride = (int(rng.choice([1, 2])),) * rank if which != "forward" else (1,) * rank
        layer = rank, channels, filters, kernel, lengths, {
            "stride": stride, "dilation": (1,) * rank, "groups": groups,
            "data_format": str(rng.choice(["channels_first", "channels_last"])),
            "flip": bool(rng.integers(2)),
        }  # fmt: skip
        if which == "forward":
            assert forward(rng, "direct", "float32", layer)
        else:
            assert adjoint(rng, "direct", "float32", layer, which == "transposed")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planes_have_the_sums_of_volumes(dtype):
    """Depthwise kernels one plane deep, of one plane or many; and much padding, or none."""
    rng = np.random.default_rng(5)
    squares = ((3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 2, 1), (4, 2, 3), (12, 2, 1))
    for size, stride, filters in squares:
        x = numbers(rng, (20, 4, 23, 26), dtype)
        weight = numbers(rng, (20 * filters, 1, 1, size, size), dtype)
        kwargs = {"groups": 20, "method": "depthwise"}
        # padding wider than the kernel, in depth as well
        ends = (1, size + 2, size + 1)
        whole = fastconv.conv3d(x, weight, stride=(1, stride, stride), padding=ends, **kwargs)
        padded = np.pad(x, ((0, 0), *((n, n) for n in ends)))
        got = fastconv.conv3d(padded, weight, stride=(1, stride, stride), **kwargs)
        same_bits(got, whole, (size, stride))
        for depth in range(padded.shape[1]):
            plane = fastconv.conv2d(padded[:, depth], weight[:, :, 0], stride=stride, **kwargs)
            same_bits(plane, whole[:, depth], (size, stride, depth))


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_planes_have_the_sums_of_volumes(size, stride):
    rng = np.random.default_rng([size, stride])
    for _ in range(12):
        lengths = [1 + int(rng.integers(0, 5)), *(size + rng.integers(0, 14, 2))]
        layer = 3, 16, 16 * int(rng.choice([1, 2])), [1, size, size], lengths, {
            "stride": (int(rng.choice([1, 2])), stride, stride), "dilation": (1, 1, 1),
            "groups": 16, "data_format": "channels_first", "flip": bool(rng.integers(2)),
        }  # fmt: skip
        assert adjoint(rng, "depthwise", "float32", layer, bool(rng.integers(2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_have_the_sums_of_channels_alone(dtype):
    """Small planes side by side, of a group's filter or several; long kernels that move by two."""
    rng = np.random.default_rng(6)
    for filters, kernel, size, kwargs in (
            (1, (3, 3), (7, 9), {"padding": 1}), (2, (3, 3), (6, 6), {"stride": 2}),
            (3, (5, 2), (9, 4), {"stride": (1, 2)}), (5, (4, 4), (6, 70), {"stride": 2}),
            (1, (20, 20), (20, 22), {"stride": (3, 2)}), (2, (3, 67), (3, 67), {"stride": 2}),
            (1, (3, 7), (31, 40), {"stride": 2, "dilation": 2}),
            (4, (1, 1), (2, 2), {})):  # fmt: skip
        x = numbers(rng, (2, 40, *size), dtype)
        weight = numbers(rng, (40 * filters, 1, *kernel), dtype)
        bias = numbers(rng, 40 * filters, dtype)
        whole = fastconv.conv2d(x, weight, bias, groups=40, method="depthwise", **kwargs)
        for group in range(40):
            own = slice(group * filters, (group + 1) * filters)
            got = fastconv.conv2d(x[:, group:group + 1], weight[own], bias[own], method="depthwise",
                                  **kwargs)  # fmt: skip
            same_bits(got, whole[:, own], (kernel, group))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_strided_1x1_layers_have_the_sums_of_their_pixels(dtype):
    """Rows of the pixels that a stride leaves are one line for the kernels, however long."""
    rng = np.random.default_rng(4)
    for filters in (1, 3, 5, 13, 24, 70):
        for rank, longest in ((2, 300), (2, 90), (2, 40), (3, 24)):
            lengths = rng.integers(longest // 3, longest, rank)
            stride = tuple(int(s) for s in rng.integers(1, 4, rank))
            groups, channels = int(rng.choice([1, 1, 2])), int(rng.integers(1, 150))
            x = numbers(rng, (groups * channels, *lengths), dtype)
            weight = numbers(rng, (groups * filters, channels, *[1] * rank), dtype)
            kwargs = {"method": "direct", "groups": groups}
            pixels = x[(slice(None), *(slice(None, None, s) for s in stride))]
            whole = fastconv.conv(pixels, weight, **kwargs)
            for threads in (1, 2):
                got = fastconv.conv(x, weight, stride=stride, num_threads=threads, **kwargs)
                same_bits(got, whole, (filters, lengths, stride))
            last = np.moveaxis(x, 0, -1)
            got = fastconv.conv(last, weight, stride=stride, data_format="channels_last", **kwargs)
            same_bits(np.moveaxis(got, -1, 0), whole, (filters, lengths, stride))


def some_average(rng):
    """Shape, kernel and arguments of a random average of windows."""
    rank, last = int(rng.integers(1, 4)), bool(rng.integers(2))
    kernel = [int(rng.integers(1, (16, 10, 6)[rank - 1])) for _ in range(rank)]
    stride = [int(rng.choice([1, 1, 2, 2, 3, 5])) for _ in kernel]
    if rng.random() < 0.5:
        kernel, stride = kernel[:1] * rank, stride[:1] * rank
    lengths = [k + s + int(rng.integers(1, (300, 150, 20)[rank - 1]))
               for k, s in zip(kernel, stride)]  # fmt: skip
    channels = int(rng.choice([1, 3, 8, 40]))
    shape = (2, *lengths, channels) if last else (2, channels, *lengths)
    return shape, tuple(kernel), {
        "stride": tuple(stride), "count_include_pad": bool(rng.integers(2)),
        "padding": tuple((int(rng.integers(0, k // 2 + 1)),) * 2 for k in kernel),
        "data_format": "channels_last" if last else "channels_first",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(8))
def test_random_cuts_of_averages(seed, dtype):
    """Of windows of up to 15 elements along an axis, two of them or more: edges keep padding."""
    rng = np.random.default_rng(seed)
    for _ in range(12):
        shape, kernel, kwargs = some_average(rng)
        rank, first = len(kernel), 1 if kwargs["data_format"] == "channels_last" else 2
        x = numbers(rng, shape, dtype)
        run = function_of("avg_pool", rank)
        whole = run(x, kernel, **kwargs)
        for _ in range(4):
            reads, pads, parts = [], [], []
            for n, length, k, s, (p, _) in zip(whole.shape[first:], shape[first:], kernel,
                                               kwargs["stride"], kwargs["padding"]):  # fmt: skip
                start = int(rng.integers(0, n - 1))
                stop = int(rng.choice([n, rng.integers(start + 2, n + 1)]))
                low, high = start * s - p, (stop - 1) * s - p + k
                reads.append(slice(max(low, 0), min(high, length)))
                pads.append((max(-low, 0), max(high - length, 0)))
                parts.append(slice(start, stop))
            got = run(taken(x, kwargs, reads), kernel, **kwargs | {"padding": tuple(pads)})
            same_bits(got, taken(whole, kwargs, parts), (shape, kernel, kwargs, parts))


@test_isa.other_levels
def test_at_other_instruction_sets(level, tmp_path):
    names = ["random_cuts", "rows_that_crowd_in_the_cache_have_the_same_sums",
             "many_large_planes_have_the_same_sums", "few_rows_have_the_sums_of_many",
             "strided_1x1_layers_have_the_sums_of_their_pixels",
             "taps_that_are_left_out_cut_no_sum", "planes_have_the_sums_of_volumes",
             "channels_have_the_sums_of_channels_alone", "random_cuts_of_averages",
             "gradients_of_planes_have_the_sums_of_volumes"]
    test_isa.run_pytest(level, [f"test_cuts.py::test_{name}" for name in names], tmp_path)
