"""Streams: chunks of any length give the bits of the whole signal."""

import itertools
import pickle

import numpy as np
import pytest

import fastconv
from fastconv.testing.cases import as_view

LENGTHS = {1: (97,), 2: (19, 11), 3: (13, 6, 5)}
MODES = ["zeros", "constant", "reflect", "symmetric", "replicate"]
NUMBERS = ["float32", "float64", "float16", "complex64", "uint8", "int32", "bool"]


def numbers(rng, shape, dtype):
    kind = np.dtype(dtype).kind
    if kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    if kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2 if kind == "b" else 100, shape).astype(dtype)


def cut(rng, length, longest):
    """Where a signal is cut: chunks of 0 to `longest` samples."""
    places = [0]
    while places[-1] < length:
        places.append(min(length, places[-1] + int(rng.integers(0, longest + 1))))
    return places


def streamed(stream, x, axis, places, at_once=False):
    """What a stream makes of the chunks of x between these places, and that it is in order."""
    parts = []
    for start, stop in itertools.pairwise(places):
        index = [slice(None)] * x.ndim
        index[axis] = slice(start, stop)
        if at_once and stop == places[-1]:
            parts.append(stream.finish(x[tuple(index)]))
            return np.concatenate(parts, axis)
        parts.append(stream.push(x[tuple(index)]))
    parts.append(stream.finish())
    return np.concatenate(parts, axis)


def same(got, expected):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == np.ascontiguousarray(expected).tobytes()


def layer(rng, dtype=None):
    """A random layer, as arguments of plan_conv; and the stream's axis, and a signal."""
    rank = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 4]))
    per_group = int(rng.choice([1, 2, 5]))
    channels, filters = groups * per_group, groups * int(rng.choice([1, 2, 9]))
    dtype = dtype or str(rng.choice(NUMBERS))
    lengths = list(LENGTHS[rank])
    kernel = [int(rng.integers(1, 6 if rank < 3 else 4)) for _ in lengths]
    kwargs = {
        "stride": tuple(int(rng.choice([1, 1, 2, 3, 7])) for _ in lengths),
        "dilation": tuple(int(rng.choice([1, 1, 2])) for _ in lengths),
        "groups": groups,
        "padding": tuple((int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in lengths),
        "padding_mode": str(rng.choice(MODES)),
        "data_format": str(rng.choice(["channels_first", "channels_last"])),
        "flip": bool(rng.integers(2)),
        "activation": rng.choice([None, "relu", "silu"]) if dtype[0] == "f" else None,
    }
    if rng.random() < 0.15:
        kwargs |= {"padding": str(rng.choice(["same", "same_lower", "full"]))}
    if kwargs["padding_mode"] == "constant":
        kwargs["padding_value"] = 1
    weight = numbers(rng, (filters, per_group, *kernel), dtype)
    axis = int(rng.integers(rank))
    lengths[axis] = int(rng.integers(1, 60))
    batch = [[], [1], [3]][int(rng.integers(3))]
    shape = [*batch, channels, *lengths]
    if kwargs["data_format"] == "channels_last":
        shape = [*batch, *lengths, channels]
    bias = numbers(rng, filters, dtype) if rng.integers(2) else None
    return numbers(rng, shape, dtype), weight, bias, kwargs, axis, rank


@pytest.mark.parametrize("seed", range(40))
def test_random_layers(seed):
    """Every rank, stride, dilation, group, padding and dtype, in chunks of any length."""
    rng = np.random.default_rng([1, seed])
    done = 0
    while done < 8:
        x, weight, bias, kwargs, axis, rank = layer(rng)
        try:
            plan = fastconv.plan_conv(x.shape, weight, bias, **kwargs, dtype=x.dtype)
        except ValueError:
            continue   # shorter than the kernel
        stream = plan.stream(axis)
        expected = fastconv.conv(x, weight, bias, **kwargs, method=stream.method)
        along = axis - rank - (kwargs["data_format"] == "channels_last")
        for longest in (1, 7, 200):
            places = cut(rng, x.shape[along], longest)
            got = streamed(stream, x, along, places, bool(rng.integers(2)))
            same(got, expected)
            stream.reset()
        done += 1


@pytest.mark.parametrize("kind", ["max", "min", "avg", "lp"])
@pytest.mark.parametrize("seed", range(10))
def test_random_poolings(kind, seed):
    rng = np.random.default_rng([2, seed])
    done = 0
    while done < 12:
        rank = int(rng.integers(1, 4))
        dtype = str(rng.choice(["float32", "float64", "float16", "uint8", "int64", "bool"]))
        lengths, kernel = list(LENGTHS[rank]), [int(rng.integers(1, 6)) for _ in range(rank)]
        axis = int(rng.integers(rank))
        lengths[axis] = int(rng.integers(1, 60))
        options = {
            "stride": tuple(int(rng.choice([1, 2, 3, 7])) for _ in kernel),
            "dilation": tuple(int(rng.choice([1, 1, 2])) for _ in kernel),
            "padding": tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in kernel),
            "ceil_mode": bool(rng.integers(2)),
            "data_format": str(rng.choice(["channels_first", "channels_last"])),
            "padding_mode": rng.choice([None, None, *MODES]),
        }
        if options["padding_mode"] == "constant":
            options["padding_value"] = 1
        if kind == "avg":
            options["count_include_pad"] = bool(rng.integers(2))
        if kind == "lp":
            options["norm_type"] = 3
        shape = [2, 3, *lengths]
        if options["data_format"] == "channels_last":
            shape = [2, *lengths, 3]
        x = numbers(rng, shape, dtype)
        function = getattr(fastconv, f"{kind}_pool{rank}d")
        try:
            expected = function(x, kernel_size=tuple(kernel), **options)
        except ValueError:
            continue   # too short, or a window in the padding alone
        stream = fastconv.stream_pool(kind, tuple(kernel), axis=axis, **options)
        along = axis - rank - (options["data_format"] == "channels_last")
        for longest in (1, 7, 200):
            same(streamed(stream, x, along, cut(rng, x.shape[along], longest)), expected)
            stream.reset()
        done += 1


def test_every_length_of_chunk_has_a_plan_or_shares_one():
    """Lengths without end do not fill memory with plans."""
    rng = np.random.default_rng(3)
    x, weight = numbers(rng, (4, 60_000), "float32"), numbers(rng, (8, 4, 5), "float32")
    stream = fastconv.plan_conv(x.shape, weight, stride=2, precision="highest").stream()
    expected = fastconv.conv(x, weight, stride=2, method=stream.method)
    places = cut(rng, x.shape[1], 900)
    assert len(places) > 100
    same(streamed(stream, x, -1, places), expected)
    assert len(stream._plans) <= 32


def test_a_plan_of_a_method_that_depends_on_the_cut_streams_by_another():
    rng = np.random.default_rng(4)
    x, weight = numbers(rng, (1, 16, 500), "float32"), numbers(rng, (16, 16, 3), "float32")
    for method in ("im2col", "winograd", "fft"):
        plan = fastconv.plan_conv(x.shape, weight, method=method, precision="high")
        stream = plan.stream()
        assert stream.method in ("direct", "depthwise", "sliding")
        expected = fastconv.conv(x, weight, method=stream.method)
        same(streamed(stream, x, -1, cut(rng, 500, 64)), expected)
    plan = fastconv.plan_conv(x.shape, weight, method="sliding")
    assert plan.stream().method == "sliding"


def test_pickled_in_the_middle():
    rng = np.random.default_rng(5)
    x, weight = numbers(rng, (3, 2, 90), "float64"), numbers(rng, (4, 2, 7), "float64")
    plan = fastconv.plan_conv(
        x.shape, weight, stride=3, padding=3, padding_mode="reflect", method="direct")
    pool = fastconv.stream_pool("avg", 4, padding=1, ceil_mode=True)
    whole = plan(x)
    expected = fastconv.avg_pool1d(whole, 4, padding=1, ceil_mode=True)
    stream, parts = plan.stream(), []
    for start in range(0, 90, 5):
        stream, pool = pickle.loads(pickle.dumps((stream, pool)))
        parts.append(pool.push(stream.push(x[..., start:start + 5])))
    parts.append(pool.finish(stream.finish()))
    same(np.concatenate(parts, -1), expected)


def test_a_network_on_an_endless_signal():
    """Layers that decimate, dilate and pool: the output of one is the input of the next."""
    rng = np.random.default_rng(6)
    x = numbers(rng, (2, 3000), "float32")
    weights = [numbers(rng, shape, "float32") for shape in ((8, 2, 9), (8, 8, 5), (4, 8, 3))]
    arguments = [{"stride": 2, "padding": ((8, 0),)}, {"dilation": 4, "activation": "relu"},
                 {"padding": "same", "padding_mode": "symmetric"}]  # fmt: skip
    streams = [fastconv.plan_conv((len(w[0]), 300), w, **kwargs, precision="highest").stream()
               for w, kwargs in zip(weights, arguments)]  # fmt: skip
    whole = x
    for stream, weight, kwargs in zip(streams, weights, arguments):
        whole = fastconv.conv(whole, weight, **kwargs, method=stream.method)
    whole = fastconv.max_pool1d(whole, 3)
    streams.append(fastconv.stream_pool("max", 3))
    parts = []
    for start, stop in itertools.pairwise(cut(rng, 3000, 40)):
        chunk = x[:, start:stop]
        for stream in streams:
            chunk = stream.push(chunk)
        parts.append(chunk)
    rest = None
    for stream in streams:
        rest = stream.finish(rest)
    same(np.concatenate([*parts, rest], -1), whole)


def test_frames_through_a_3d_kernel():
    rng = np.random.default_rng(7)
    video = numbers(rng, (3, 12, 16, 20), "uint8")
    weight = numbers(rng, (2, 3, 3, 3, 3), "int16")
    plan = fastconv.plan_conv(video.shape, weight, padding=1, dtype=video.dtype)
    expected = plan(video)
    stream = plan.stream(axis=0)
    parts = [stream.push(video[:, t:t + 1]) for t in range(12)]
    same(np.concatenate([*parts, stream.finish()], 1), expected)


def test_latency_and_what_is_held():
    weight = np.ones((1, 1, 5))
    for padding, latency in (((8, 0), 0), ((0, 0), 8), ((4, 4), 4)):
        stream = fastconv.plan_conv((1, 50), weight, padding=(padding,), dilation=2).stream()
        assert stream.latency == latency
        assert stream.nbytes == 0
        outputs = 0
        for t in range(40):
            outputs += stream.push(np.ones((1, 1))).shape[-1]
            assert outputs == max(0, t + 1 - latency)
        assert stream.nbytes == 8 * 8
    stream = fastconv.plan_conv((1, 50), weight, stride=9).stream()
    stream.push(np.ones((1, 5)))
    assert stream.nbytes == 0
    assert fastconv.stream_pool("max", 3, 1).latency == 2


def test_chunks_of_any_layout_are_left_alone():
    rng = np.random.default_rng(8)
    x, weight = numbers(rng, (2, 3, 64), "float32"), numbers(rng, (4, 3, 5), "float32")
    plan = fastconv.plan_conv(x.shape, weight, padding=2, precision="highest")
    expected = fastconv.conv(x, weight, padding=2, method=plan.stream().method)
    for view in ("misaligned", "slice", "fortran", "swapped", "readonly"):
        stream, given = plan.stream(), as_view(x, view, rng)
        copy = given.copy()
        got = [stream.push(given[..., :9]), stream.push(given[..., 9:])]
        got.append(stream.finish())
        same(np.concatenate(got, -1), expected)
        np.testing.assert_array_equal(given, copy)
    stream, chunk = plan.stream(), x[..., :9].copy()
    got = [stream.push(chunk)]
    chunk[:] = 0   # what was pushed may change afterwards
    got += [stream.push(x[..., 9:]), stream.finish()]
    same(np.concatenate(got, -1), expected)


def test_bad_chunks_leave_the_stream_as_it_was():
    weight = np.ones((2, 3, 4))
    stream = fastconv.plan_conv((3, 20), weight).stream()
    with pytest.raises(ValueError, match=r"plan\.stream: no signal|no signal: nothing was pushed"):
        stream.finish()
    with pytest.raises(ValueError, match=r"plan\.stream: chunk has shape \(2, 5\)"):
        stream.push(np.ones((2, 5)))
    stream.push(np.ones((3, 3)))
    for chunk in (np.ones((2, 5)), np.ones((1, 3, 5)), np.ones(3)):
        with pytest.raises(ValueError, match=r"plan\.stream: chunk has shape"):
            stream.push(chunk)
    with pytest.raises(TypeError, match=r"plan\.stream: chunk has dtype float32"):
        stream.push(np.ones((3, 5), np.float32))
    with pytest.raises(TypeError, match=r"plan\.stream: chunk"):
        stream.push("abc")
    with pytest.raises(ValueError, match=r"spans 4 samples, but the signal has 3"):
        stream.finish()
    assert stream.push(np.ones((3, 2))).shape == (2, 2)
    assert stream.finish().shape == (2, 0)
    with pytest.raises(ValueError, match="the stream has ended"):
        stream.push(np.ones((3, 2)))
    with pytest.raises(ValueError, match="the stream has ended"):
        stream.finish()
    stream.reset()
    assert stream.push(np.ones((7, 3, 5))).shape == (7, 2, 2)


def test_what_a_stream_cannot_be():
    plan = fastconv.plan_conv((3, 20, 20), np.ones((2, 3, 4, 4)), padding=((0, 0), (2, 2)),
                              padding_mode="circular")  # fmt: skip
    with pytest.raises(ValueError, match="needs the far end of the signal first"):
        plan.stream()
    assert plan.stream(axis=0).push(np.ones((3, 4, 20))).shape == (2, 1, 21)
    for axis in (2, -3):
        with pytest.raises(ValueError, match="axis must be one of the 2 spatial axes"):
            plan.stream(axis)
    for axis in (0.5, None, True):
        with pytest.raises(TypeError, match="axis must be an int"):
            plan.stream(axis)
    with pytest.raises(ValueError, match="kind='median' is not one of"):
        fastconv.stream_pool("median", 3)
    with pytest.raises(ValueError, match="depends on the signal's length"):
        fastconv.stream_pool("max", 3, 2, "same")
    assert fastconv.stream_pool("max", 3, 1, "same").push(np.ones((1, 5))).shape == (1, 4)
    with pytest.raises(ValueError, match="needs the far end of the signal first"):
        fastconv.stream_pool("max", 3, padding=1, padding_mode="circular")
    with pytest.raises(ValueError, match="rank must be None or from 1 to 3"):
        fastconv.stream_pool("max", 3, rank=4)


def test_the_axes_of_a_pooling():
    """One number is for the axes of the first chunk; entries, or `rank`, tell them beforehand."""
    for shape, kernel, rank, out in (
        ((5, 8), 2, None, (5, 4)), ((3, 5, 8), 2, None, (3, 5, 4)),
        ((3, 5, 6, 8), 2, None, (3, 5, 3, 4)), ((3, 6, 8), (2, 4), None, (3, 3, 2)),
        ((3, 6, 8), 2, 2, (3, 3, 4)), ((3, 6, 8), (2,), 2, (3, 3, 4)),
    ):  # fmt: skip
        assert fastconv.stream_pool("max", kernel, rank=rank).push(np.ones(shape)).shape == out


def test_the_start_of_a_signal_that_its_padding_mirrors():
    """A stream waits for the samples that tell what stands before the first."""
    x = np.arange(1.0, 9.0).reshape(1, 8)
    plan = fastconv.plan_conv((1, 8), np.ones((1, 1, 2)), padding=3, padding_mode="reflect")
    stream = plan.stream()
    assert stream.push(x[:, :3]).shape == (1, 0)
    np.testing.assert_array_equal(stream.push(x[:, 3:4]), plan(x)[:, :6])
    np.testing.assert_array_equal(stream.push(x[:, 4:]), plan(x)[:, 6:10])
    np.testing.assert_array_equal(stream.finish(), plan(x)[:, 10:])
    for n in range(1, 8):   # shorter than its padding
        stream.reset()
        parts = [stream.push(x[:, i:i + 1]) for i in range(n)]
        expected = np.pad(x[:, :n], ((0, 0), (3, 3)), "reflect")
        np.testing.assert_array_equal(
            np.concatenate([*parts, stream.finish()], -1), expected[:, :-1] + expected[:, 1:])


@pytest.mark.parametrize("seed", range(40))
def test_poolings_of_many_channels(seed):
    """Whatever way planes take in a chunk of few windows, or in the whole of many."""
    rng = np.random.default_rng(seed)
    kind = ("max", "avg", "lp")[seed % 3]
    norm = {"norm_type": 3} if kind == "lp" else {}
    x = rng.standard_normal((int(rng.integers(8, 40)), int(rng.integers(30, 300))))
    x = x.astype(rng.choice([np.float32, np.float64]))
    k, s = int(rng.integers(1, 12)), int(rng.integers(1, 6))
    whole = getattr(fastconv, f"{kind}_pool1d")(x, *norm.values(), k, s)
    stream = fastconv.stream_pool(kind, k, s, **norm)
    cuts = np.sort(rng.integers(0, x.shape[1], 6))
    parts = [stream.push(chunk) for chunk in np.split(x, cuts, axis=1)]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()], axis=1), whole)
