"""Dask: results are those of the whole array, whatever its chunks, on every scheduler."""

import os
import pickle
import signal as signals
import time

import numpy as np
import pytest

import fastconv

# Warnings of Dask's and of what it imports are not ours.
pytestmark = pytest.mark.filterwarnings("default")

dask = pytest.importorskip("dask", reason="Dask is not installed")
da = pytest.importorskip("dask.array", reason="Dask is not installed")

from fastconv import dask as lazy  # noqa: E402 (after it is known that Dask is there)

MODES = ["zeros", "constant", "reflect", "symmetric", "replicate", "circular"]
LENGTHS = {1: 90, 2: 40, 3: 16}


@pytest.fixture(autouse=True)
def one_thread():
    """Graphs are computed at once, but where a test names a scheduler."""
    with dask.config.set(scheduler="synchronous"):
        yield


def numbers(rng, shape, dtype):
    x = rng.standard_normal(shape) * 20
    return (x + 1j * x[::-1] if np.dtype(dtype).kind == "c" else x).astype(dtype)


def some_chunks(rng, lengths):
    """Chunks of any sizes, also odd ones and such that are smaller than a halo."""
    chunks = []
    for n in lengths:
        sizes = []
        while sum(sizes) < n:
            sizes.append(int(rng.integers(1, max(2, n // 2 + 1))))
        sizes[-1] -= sum(sizes) - n
        chunks.append(tuple(sizes))
    return tuple(chunks)


def same(got, expected, message=""):
    """The shape, dtype and chunks that are announced, and the bits."""
    assert isinstance(got, da.Array)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), message
    assert got._meta.dtype == expected.dtype
    result = got.compute()
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype), message
    assert result.tobytes() == np.ascontiguousarray(expected).tobytes(), message
    last = tuple(n - 1 for n in got.numblocks)
    assert got.blocks[last].compute().shape == tuple(sizes[-1] for sizes in got.chunks)


def layer(rng):
    """A random layer: name, x with its chunks, weight, bias and the arguments."""
    rank = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2]))
    channels, filters = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel = [int(rng.integers(1, 6)) for _ in range(rank)]
    kwargs = {
        "stride": tuple(int(rng.integers(1, 4)) for _ in kernel),
        "dilation": tuple(int(rng.integers(1, 3)) for _ in kernel),
        "groups": groups,
        "data_format": str(rng.choice(["channels_first", "channels_last"])),
    }
    lengths = [int(rng.integers(6, LENGTHS[rank])) for _ in kernel]
    first = kwargs["data_format"] == "channels_first"
    shape = (2, channels, *lengths) if first else (2, *lengths, channels)
    dtype = str(rng.choice(["float32", "float64", "int16", "complex64"]))
    x = numbers(rng, shape, dtype)
    chunks = list(some_chunks(rng, shape))
    chunks[1 if first else -1] = channels
    return rank, da.from_array(x, chunks=tuple(chunks)), x, filters, kernel, kwargs


@pytest.mark.parametrize("seed", range(4))
def test_convolutions(seed):
    rng = np.random.default_rng([1, seed])
    done = 0
    while done < 12:
        rank, chunked, x, filters, kernel, kwargs = layer(rng)
        name = f"conv{rank}d" if rng.random() < 0.7 else "conv"
        kwargs |= {
            "padding": tuple((int(rng.integers(0, 5)), int(rng.integers(0, 5))) for _ in kernel),
            "padding_mode": str(rng.choice(MODES)),
            "method": str(rng.choice(["direct", "depthwise", "sliding"])),
        }
        if rng.random() < 0.2:
            kwargs["padding"] = "same"
        if kwargs["padding_mode"] == "constant":
            kwargs["padding_value"] = 2
        channels = chunked.shape[1 if kwargs["data_format"] == "channels_first" else -1]
        weight = numbers(rng, (filters, channels // kwargs["groups"], *kernel), x.dtype)
        bias = numbers(rng, filters, x.dtype)
        try:
            expected = getattr(fastconv, name)(x, weight, bias, **kwargs)
        except ValueError:
            continue
        same(getattr(lazy, name)(chunked, weight, bias, **kwargs), expected, kwargs)
        done += 1


@pytest.mark.parametrize("seed", range(2))
def test_separable_convolutions(seed):
    rng = np.random.default_rng([7, seed])
    done = 0
    while done < 8:
        rank, chunked, x, filters, kernel, kwargs = layer(rng)
        name = f"separable_conv{rank}d" if rng.random() < 0.7 else "separable_conv"
        del kwargs["groups"]
        kwargs |= {
            "padding": tuple((int(rng.integers(0, 5)), int(rng.integers(0, 5))) for _ in kernel),
            "padding_mode": str(rng.choice(MODES)),
            "method": str(rng.choice(["direct", "depthwise", "sliding"])),
        }
        made = 2 * chunked.shape[1 if kwargs["data_format"] == "channels_first" else -1]
        weights = (numbers(rng, (made, 1, *kernel), x.dtype),
                   numbers(rng, (filters, made, *[1] * rank), x.dtype),
                   numbers(rng, filters, x.dtype))  # fmt: skip
        try:
            expected = getattr(fastconv, name)(x, *weights, **kwargs)
        except ValueError:
            continue
        got = getattr(lazy, name)(chunked, *weights, residual=da.from_array(expected), **kwargs)
        same(got, getattr(fastconv, name)(x, *weights, residual=expected, **kwargs), kwargs)
        done += 1


@pytest.mark.parametrize("seed", range(2))
def test_transposed_convolutions(seed):
    rng = np.random.default_rng([2, seed])
    done = 0
    while done < 12:
        rank, chunked, x, filters, kernel, kwargs = layer(rng)
        channels = chunked.shape[1 if kwargs["data_format"] == "channels_first" else -1]
        weight = numbers(rng, (channels, filters, *kernel), x.dtype)
        bias = numbers(rng, filters * kwargs["groups"], x.dtype)
        kwargs |= {
            "padding": tuple((int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in kernel),
            "output_padding": tuple(int(rng.integers(0, max(pair))) for pair in zip(
                kwargs["stride"], kwargs["dilation"])),
            "method": "direct",
        }
        if rng.random() < 0.2:
            kwargs |= {"padding": "same", "output_padding": 0}
        name = f"conv_transpose{rank}d"
        try:
            expected = getattr(fastconv, name)(x, weight, bias, **kwargs)
        except ValueError:
            continue
        same(getattr(lazy, name)(chunked, weight, bias, **kwargs), expected, kwargs)
        done += 1


@pytest.mark.parametrize("seed", range(2))
def test_quantized_convolutions(seed):
    rng = np.random.default_rng([13, seed])
    done = 0
    while done < 12:
        rank, chunked, x, filters, kernel, kwargs = layer(rng)
        dtype, other = (str(rng.choice(["uint8", "int8", "int16"])) for _ in range(2))
        x = x.real.astype(np.int64).astype(dtype)
        chunked = da.from_array(x, chunks=chunked.chunks)
        groups = kwargs["groups"]
        channels = x.shape[1 if kwargs["data_format"] == "channels_first" else -1]
        weight = rng.integers(0, 100, (filters * groups, channels // groups, *kernel)).astype(other)
        bias = rng.integers(-1000, 1000, filters * groups)
        kwargs |= {
            "padding": "same" if rng.random() < 0.2 else tuple(
                (int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in kernel),
            "x_zero_point": int(rng.integers(0, 100)),
            "weight_zero_point": rng.integers(0, 100, filters * groups).astype(other),
        }
        if rng.random() < 0.7:
            kwargs |= {"scale": rng.uniform(1e-3, 1e-2, filters * groups),
                       "y_zero_point": np.uint8(rng.integers(0, 200)), "activation": "relu"}
        name = f"qconv{rank}d"
        try:
            expected = getattr(fastconv, name)(x, weight, bias, **kwargs)
        except ValueError:
            continue
        same(getattr(lazy, name)(chunked, weight, bias, **kwargs), expected, kwargs)
        done += 1


@pytest.mark.parametrize("kind", ["max", "min", "avg", "lp"])
def test_poolings(kind):
    rng = np.random.default_rng(3)
    done = 0
    while done < 12:
        rank = int(rng.integers(1, 4))
        kernel = tuple(int(rng.integers(1, 5)) for _ in range(rank))
        kwargs = {
            "stride": tuple(int(rng.integers(1, 5)) for _ in kernel),
            "padding": tuple((int(rng.integers(0, k)), int(rng.integers(0, k))) for k in kernel),
            "dilation": tuple(int(rng.integers(1, 3)) for _ in kernel),
            "ceil_mode": bool(rng.integers(2)),
            "padding_mode": rng.choice([None, None, *MODES]),
            "data_format": str(rng.choice(["channels_first", "channels_last"])),
        }
        if kind == "avg":
            kwargs["count_include_pad"] = bool(rng.integers(2))
        lengths = [int(rng.integers(6, LENGTHS[rank])) for _ in kernel]
        shape = (2, 3, *lengths) if kwargs["data_format"] == "channels_first" else (2, *lengths, 3)
        x = numbers(rng, shape, str(rng.choice(["float32", "float64", "int16", "bool"])))
        arguments = (3, kernel) if kind == "lp" else (kernel,)
        name = f"{kind}_pool{rank}d"
        try:
            expected = getattr(fastconv, name)(x, *arguments, **kwargs)
        except ValueError:
            continue
        chunked = da.from_array(x, chunks=some_chunks(rng, shape))
        same(getattr(lazy, name)(chunked, *arguments, **kwargs), expected, kwargs)
        done += 1


def test_adaptive_and_global_poolings():
    rng = np.random.default_rng(4)
    for _ in range(8):
        rank = int(rng.integers(1, 4))
        lengths = [int(rng.choice([7, 12, 16, 20])) for _ in range(rank)]
        size = tuple(int(rng.choice([1, 2, 3, 4, 6, 8, 9])) for _ in range(rank))
        x = numbers(rng, (2, 3, *lengths), "float32")
        chunked = da.from_array(x, chunks=some_chunks(rng, x.shape))
        for kind in ("avg", "max"):
            name = f"adaptive_{kind}_pool{rank}d"
            same(getattr(lazy, name)(chunked, size), getattr(fastconv, name)(x, size), size)
        same(lazy.global_max_pool(chunked), fastconv.global_max_pool(x))
        whole = chunked.rechunk(dict.fromkeys(range(2, rank + 2), -1))
        same(lazy.global_avg_pool(whole), fastconv.global_avg_pool(x))
        np.testing.assert_allclose(lazy.global_avg_pool(chunked).compute(),
                                   fastconv.global_avg_pool(x), rtol=1e-5, atol=1e-5)


def filters(rng, ndim):
    """Arguments of every filter of images, but those of a derivative of one's own."""
    size = tuple(int(rng.integers(1, 6)) for _ in range(ndim))
    weights, axis = rng.standard_normal(size), int(rng.integers(-ndim, ndim))
    origin = tuple(int(rng.integers(-(n // 2), (n - 1) // 2 + 1)) for n in size)
    footprint = rng.random(size) < 0.7
    footprint.flat[0] = True
    sigma = tuple(float(rng.uniform(0.3, 2)) for _ in range(ndim))
    line = {"axis": axis}
    return {
        "correlate": ((weights,), {"origin": origin}), "convolve": ((weights,), {}),
        "correlate1d": ((weights.ravel()[:5],), line),
        "convolve1d": ((weights.ravel()[:5],), line),
        "gaussian_filter": ((sigma,), {"order": int(rng.integers(3))}),
        "gaussian_filter1d": ((sigma[0],), line), "gaussian_laplace": ((sigma,), {}),
        "gaussian_gradient_magnitude": ((sigma,), {"truncate": 2.5}), "laplace": ((), {}),
        "sobel": ((axis,), {}), "prewitt": ((axis,), {}),
        "uniform_filter": ((size,), {"origin": origin}), "uniform_filter1d": ((size[0],), line),
        "maximum_filter": ((size,), {"origin": origin}),
        "minimum_filter": ((), {"footprint": footprint}),
        "maximum_filter1d": ((size[0],), line), "minimum_filter1d": ((size[0],), line),
        "grey_erosion": ((size,), {}),
        "grey_dilation": ((), {"footprint": footprint, "structure": weights}),
        "grey_opening": ((size,), {}), "grey_closing": ((size,), {}),
        "morphological_gradient": ((size,), {}), "morphological_laplace": ((size,), {}),
        "white_tophat": ((size,), {}), "black_tophat": ((size,), {}),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_filters_of_images(seed):
    rng = np.random.default_rng([5, seed])
    for _ in range(2):
        ndim = int(rng.integers(1, 4))
        lengths = [int(rng.integers(5, LENGTHS[ndim])) for _ in range(ndim)]
        chunks = some_chunks(rng, lengths)
        mode = str(rng.choice(["reflect", "mirror", "nearest", "wrap", "constant", "grid-wrap"]))
        cases = filters(rng, ndim)
        assert set(cases) == set(fastconv.ndimage.SERVED) - {
            "generic_laplace", "generic_gradient_magnitude"}  # fmt: skip
        for name, (arguments, more) in cases.items():
            dtype = str(rng.choice(["float32", "float64", "uint8", "int16"]))
            if name.startswith("uniform"):
                dtype = "uint16"   # running sums of floating-point numbers depend on the cut
            x = (rng.standard_normal(lengths) * 50 + 50).astype(dtype)
            expected = getattr(fastconv.ndimage, name)(x, *arguments, mode=mode, cval=3, **more)
            got = getattr(lazy.ndimage, name)(da.from_array(x, chunks=chunks), *arguments,
                                              mode=mode, cval=3, **more)
            same(got, expected, (name, lengths, mode, arguments, more, chunks))


def test_a_derivative_of_ones_own_says_how_far_it_reads():
    x = np.random.default_rng(6).standard_normal((30, 20))
    chunked = da.from_array(x, chunks=(7, 9))
    def second(input, axis, output, mode, cval):
        return fastconv.ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    expected = fastconv.ndimage.generic_laplace(x, second)
    same(lazy.ndimage.generic_laplace(chunked, second, depth=1), expected)
    with pytest.raises(ValueError, match=r"generic_laplace: .* give depth"):
        lazy.ndimage.generic_laplace(chunked, second)


def test_filters_of_signals():
    rng = np.random.default_rng(7)
    ours, theirs = lazy.signal, fastconv.signal
    for _ in range(6):
        ndim = int(rng.integers(1, 3))
        lengths = [int(rng.integers(30, (300, 60)[ndim - 1])) for _ in range(ndim)]
        x = numbers(rng, lengths, "float64")
        chunked = da.from_array(x, chunks=some_chunks(rng, x.shape))
        kernel = rng.standard_normal([int(rng.integers(1, 8)) for _ in range(ndim)])
        mode, axis = str(rng.choice(["full", "same", "valid"])), int(rng.integers(-ndim, ndim))
        taps = rng.standard_normal(int(rng.integers(2, 12)))
        up, down = rng.integers(1, 5, 2).tolist()
        calls = [("convolve", (kernel,), {"mode": mode}), ("correlate", (kernel,), {"mode": mode}),
                 ("fftconvolve", (kernel,), {"mode": mode}),
                 ("oaconvolve", (kernel,), {"mode": mode}),
                 ("savgol_filter", (7, 2), {"axis": axis, "mode": str(rng.choice(
                     ["interp", "mirror", "nearest", "wrap", "constant"]))}),
                 ("resample_poly", (up, down), {"axis": axis}),
                 ("decimate", (down + 1,), {"ftype": "fir", "axis": axis})]  # fmt: skip
        if ndim == 2:
            boundary = str(rng.choice(["fill", "wrap", "symm"]))
            calls += [("convolve2d", (kernel,), {"mode": mode, "boundary": boundary}),
                      ("correlate2d", (kernel,), {"mode": mode, "boundary": boundary}),
                      ("sepfir2d", (taps[:len(taps) // 2 * 2 - 1], taps[:1]), {})]  # fmt: skip
        results = [(name, getattr(ours, name)(chunked, *arguments, **kwargs),
                    getattr(theirs, name)(x, *arguments, **kwargs))
                   for name, arguments, kwargs in calls]  # fmt: skip
        results.append(("lfilter", ours.lfilter(taps, 1.0, chunked, axis),
                        theirs.lfilter(taps, 1.0, x, axis)))
        results.append(("upfirdn", ours.upfirdn(taps, chunked, up, down, axis),
                        theirs.upfirdn(taps, x, up, down, axis)))
        for name, got, expected in results:
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype), name
            np.testing.assert_allclose(got.compute(), expected, rtol=0,
                                       atol=1e-12 * np.abs(expected).max(), err_msg=name)


def test_precision_and_methods():
    """The strictest precision has the bits of one method; else blocks take what is fastest."""
    rng = np.random.default_rng(8)
    x, weight = numbers(rng, (16, 40, 40), "float32"), numbers(rng, (16, 16, 3, 3), "float32")
    chunked = da.from_array(x, chunks=(16, 20, 20))
    expected = fastconv.conv2d(x, weight, method="direct")
    same(lazy.conv2d(chunked, weight, precision="highest"), expected)
    for kwargs in ({}, {"method": "winograd"}, {"method": "im2col"}):
        got = lazy.conv2d(chunked, weight, **kwargs).compute()
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    with fastconv.precision("highest"):
        later = lazy.conv2d(chunked, weight)
    same(later, expected)   # as asked for where the graph was made


def test_lazy_with_a_residual_and_weights_of_dasks():
    rng = np.random.default_rng(9)
    x, weight = numbers(rng, (2, 4, 30, 30), "float32"), numbers(rng, (4, 4, 3, 3), "float32")
    chunked = da.from_array(x, chunks=(1, 4, 10, 10))

    def refuse(block):
        raise RuntimeError("computed")

    later = lazy.conv2d(chunked.map_blocks(refuse, dtype=x.dtype, meta=x[:0]), weight)
    with pytest.raises(RuntimeError, match="computed"):
        later.compute()
    got = lazy.conv2d(chunked, da.from_array(weight), padding=1, residual=chunked,
                      activation="relu", method="direct")  # fmt: skip
    assert got.chunks == chunked.chunks   # "same" padding keeps the chunks
    expected = fastconv.conv2d(x, weight, padding=1, residual=x, activation="relu",
                               method="direct")  # fmt: skip
    same(got, expected)


def test_clear_errors():
    small = da.zeros((1, 1, 8, 8), chunks=4, dtype="u1")
    with pytest.raises(TypeError, match="qconv2d: x has dtype float64"):
        lazy.qconv2d(small.astype("f8"), np.ones((1, 1, 2, 2), "i1"))
    with pytest.raises(ValueError, match="qconv2d: scale=-1"):
        lazy.qconv2d(small, np.ones((1, 1, 2, 2), "i1"), scale=-1)
    x = da.ones((2, 4, 30, 30), chunks=(1, 2, 10, 10), dtype="float32")
    weight = np.ones((4, 4, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"conv2d: axis 1 of x holds the channels.*rechunk"):
        lazy.conv2d(x, weight)
    unknown = da.ones((50,), chunks=10)
    unknown = unknown[unknown > 0]
    with pytest.raises(ValueError, match=r"gaussian_filter: input has chunks of unknown size"):
        lazy.ndimage.gaussian_filter(unknown, 1)
    with pytest.raises(ValueError, match=r"max_pool1d: x has chunks of unknown size"):
        lazy.max_pool1d(unknown, 2)
    whole = x.rechunk({1: -1})
    with pytest.raises(ValueError, match="conv2d: out is not served"):
        lazy.conv2d(whole, weight, out=np.empty(1))
    with pytest.raises(ValueError, match="max_pool2d: return_indices is not served"):
        lazy.max_pool2d(whole, 2, return_indices=True)
    with pytest.raises(ValueError, match=r"conv2d: weight has 3 input channels"):
        lazy.conv2d(whole, weight[:, :3])
    with pytest.raises(TypeError):
        lazy.conv2d(da.from_array(np.ones((4, 9, 9), object), chunks=(4, 9, 9)), weight)
    with pytest.raises(ValueError, match="an IIR filter"):
        lazy.signal.lfilter([1.0], [1.0, 0.5], unknown.compute())
    with pytest.raises(ValueError, match="take ftype='fir'"):
        lazy.signal.decimate(np.ones(100), 2)


# ---- schedulers ----

def problem():
    """A layer of some megabytes, its graph, and the result."""
    rng = np.random.default_rng(10)
    x, weight = numbers(rng, (3, 300, 400), "float32"), numbers(rng, (8, 3, 5, 5), "float32")
    got = lazy.conv2d(da.from_array(x, chunks=(3, 90, 110)), weight, padding="same",
                      method="direct")  # fmt: skip
    got = lazy.ndimage.gaussian_filter(got, (0, 1.5, 1.5))
    expected = fastconv.conv2d(x, weight, padding="same", method="direct")
    return got, fastconv.ndimage.gaussian_filter(expected, (0, 1.5, 1.5))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers(scheduler):
    got, expected = problem()
    with dask.config.set(scheduler=scheduler, num_workers=2):
        np.testing.assert_array_equal(got.compute(), expected)


def test_a_cluster_and_a_worker_that_is_killed():
    """Two processes; one ends in the midst of it, and another takes its place."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    got, expected = problem()
    pickle.dumps(got)

    def slowly(block):   # goes to the workers by value: they do not know this module
        import time

        time.sleep(0.05)
        return block

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                 dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        np.testing.assert_array_equal(client.compute(got).result(120), expected)
        future = client.compute(got.map_blocks(slowly, dtype=got.dtype))
        while not client.run_on_scheduler(
                lambda dask_scheduler: any(ts.state == "memory"
                                           for ts in dask_scheduler.tasks.values())):  # fmt: skip
            time.sleep(0.02)
        first = next(iter(client.run(os.getpid).values()))
        os.kill(first, signals.SIGKILL)
        np.testing.assert_array_equal(future.result(120), expected)


# ---- files ----

def test_from_and_to_files(tmp_path):
    """A memory-mapped file in, a Zarr store out, and the other way."""
    zarr = pytest.importorskip("zarr", reason="Zarr is not installed")
    rng = np.random.default_rng(11)
    x = rng.integers(0, 4000, (301, 403)).astype(np.uint16)
    mapped = np.memmap(tmp_path / "image", np.uint16, "w+", shape=x.shape)
    mapped[:] = x
    file = np.memmap(tmp_path / "image", np.uint16, "r", shape=x.shape)
    image = lazy.from_memmap(file, (100, 77))
    assert len(pickle.dumps(image)) < x.nbytes / 4   # where the file is, not what is in it
    for no_file in (x, file[1:]):
        with pytest.raises(TypeError, match="from_memmap: array must be what"):
            lazy.from_memmap(no_file)
    expected = fastconv.ndimage.gaussian_filter(x, 2.0)
    smooth = lazy.ndimage.gaussian_filter(image, 2.0)
    smooth.rechunk((100, 77)).to_zarr(str(tmp_path / "smooth.zarr"))
    stored = zarr.open(str(tmp_path / "smooth.zarr"))
    np.testing.assert_array_equal(stored[:], expected)
    target = np.memmap(tmp_path / "edges", np.uint16, "w+", shape=x.shape)
    da.store(lazy.ndimage.sobel(da.from_zarr(str(tmp_path / "smooth.zarr"))), target)
    np.testing.assert_array_equal(target, fastconv.ndimage.sobel(expected))


@pytest.mark.parametrize("dtype", ["f4", ">u2"])
def test_of_a_file_each_block_reads_its_own_part(tmp_path, dtype):
    """Halo included, by one task: also with strides, and along axes that are no image's."""
    rng = np.random.default_rng(13)
    x = rng.integers(0, 4000, (4, 3, 120, 90)).astype(dtype)
    file = np.memmap(tmp_path / "images", dtype, "w+", shape=x.shape)
    file[:] = x
    images = lazy.from_memmap(file, (2, 3, 50, 31))
    weight = rng.integers(-9, 9, (5, 3, 4, 3)).astype("f4")
    calls = {
        "conv2d": lambda p, a: p.conv2d(a, weight, stride=(3, 2), padding=2, method="direct"),
        "mirrored": lambda p, a: p.conv2d(a, weight, padding=((3, 1), (0, 2)), dilation=2,
                                          padding_mode="reflect", method="direct"),
        "transposed": lambda p, a: p.conv_transpose2d(a, weight.swapaxes(0, 1), stride=2,
                                                      method="direct"),
        "max": lambda p, a: p.max_pool2d(a, 5, 2, 1),
        "gaussian": lambda p, a: p.ndimage.gaussian_filter(a, 1.5, axes=(3, 2)),
        "along channels": lambda p, a: p.ndimage.correlate1d(a, [1, 2, 3], axis=1),
    }  # fmt: skip
    for name, call in calls.items():
        result = call(lazy, images)
        assert len(result.dask) == result.npartitions, name
        np.testing.assert_array_equal(result.compute(), call(fastconv, x), name)
    with dask.config.set(scheduler="processes", num_workers=2):
        call = calls["max"]
        np.testing.assert_array_equal(call(lazy, images).compute(), call(fastconv, x))


def test_an_xarray_recipe(tmp_path):
    """What the page on large arrays shows."""
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    rng = np.random.default_rng(12)
    values = rng.standard_normal((4, 60, 80))
    data = xarray.DataArray(da.from_array(values, chunks=(1, 25, 33)), dims=("time", "y", "x"),
                            coords={"time": np.arange(4)}, name="height")  # fmt: skip
    smooth = xarray.apply_ufunc(lazy.ndimage.gaussian_filter, data, kwargs={"sigma": (0, 2, 2)},
                                dask="allowed", keep_attrs=True)  # fmt: skip
    assert smooth.dims == data.dims
    assert isinstance(smooth.data, da.Array)
    np.testing.assert_array_equal(
        smooth.compute().values, fastconv.ndimage.gaussian_filter(values, (0, 2, 2)))
