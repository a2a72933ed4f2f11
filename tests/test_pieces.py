"""Memory: what has to be converted goes piece by piece, with the bits of the whole."""

import tracemalloc

import numpy as np
import pytest

import fastconv

# Images of four bytes an element are cut from 8 MB on, in and out together.
LENGTHS = {1: (2_100_007,), 2: (1811, 1209), 3: (97, 140, 157)}
MB = 1_000_000


def image(rng, rank, channels, last, dtype=np.float32, batch=1):
    shape = (batch, *LENGTHS[rank], channels) if last else (batch, channels, *LENGTHS[rank])
    return (4 * rng.standard_normal(shape, np.float32)).astype(dtype)


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


def misaligned(array):
    memory = np.empty(array.nbytes + 1, np.uint8)[1:]
    other = memory.view(array.dtype).reshape(array.shape)
    other[...] = array
    return other


def peak(call):
    """What a call returns, and the most memory that arrays took on the way."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def padding_of(rng, rank, most):
    return [tuple(int(n) for n in pair) for pair in rng.integers(0, most, (rank, 2))]


@pytest.mark.parametrize("seed", range(15))
def test_convolutions_of_slabs(seed):
    """By algorithms that do not care where an image is cut: the bits of the image in one piece."""
    rng = np.random.default_rng(seed)
    rank, last = 1 + seed % 3, bool(rng.integers(2))
    channels, filters = (int(n) for n in rng.integers(1, 4, 2))
    x = image(rng, rank, channels, last, batch=1 + seed % 5 // 4)
    weight = rng.standard_normal((filters, channels, *rng.integers(1, 9 - 2 * rank, rank)))
    weight = weight.astype(np.float32)
    mode = str(rng.choice(["zeros", "reflect", "symmetric", "replicate", "circular", "constant"]))
    options = {
        "stride": tuple(int(n) for n in rng.integers(1, 4, rank)) if rng.integers(2) else 1,
        "dilation": tuple(int(n) for n in rng.integers(1, 4, rank)) if rng.integers(2) else 1,
        "padding": padding_of(rng, rank, 12), "padding_mode": mode,
        "padding_value": 1.5 if mode == "constant" else 0,
        "data_format": "channels_last" if last else "channels_first",
        "activation": "relu" if rng.integers(2) else None,
        "method": "sliding" if seed == 14 else ["depthwise", "direct"][seed // 3 % 2],
        "precision": "highest",
    }  # fmt: skip
    bias = rng.standard_normal(filters).astype(np.float32)
    expected = fastconv.conv(x, weight, bias, **options)
    other = swapped(x) if rng.integers(2) else misaligned(x)
    np.testing.assert_array_equal(fastconv.conv(other, weight, bias, **options), expected)
    plan = fastconv.plan_conv(x.shape, weight, bias, **options)
    added = rng.standard_normal(expected.shape, np.float32)
    expected, out = plan(x, residual=added), np.zeros(expected.shape)
    assert plan(other, residual=swapped(added), out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("mode", ["zeros", "constant", "replicate", "circular"])
def test_slabs_that_lie_in_the_padding(mode):
    """Of more padding than a slab has rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 1, 90, 1700), np.float32)
    weight = rng.standard_normal((1, 1, 3, 3), np.float32)
    options = {"padding": ((1500, 1700), (0, 1)), "padding_mode": mode, "method": "direct",
               "padding_value": 2.5 if mode == "constant" else 0}  # fmt: skip
    expected = fastconv.conv2d(x, weight, **options)
    np.testing.assert_array_equal(fastconv.conv2d(swapped(x), weight, **options), expected)


@pytest.mark.parametrize("seed", range(12))
def test_poolings_of_slabs(seed):
    rng = np.random.default_rng(seed)
    rank, last = 1 + seed % 3, bool(rng.integers(2))
    x = image(rng, rank, int(rng.integers(1, 4)), last, rng.choice([np.float32, np.int16]))
    kernel = tuple(int(n) for n in rng.integers(1, 12 if rank < 3 else 4, rank))
    dilation = tuple(int(n) for n in rng.integers(1, 4, rank)) if rng.integers(2) else (1,) * rank
    options = {
        "stride": tuple(int(n) for n in rng.integers(1, 5, rank)), "dilation": dilation,
        "padding": [(int(rng.integers(d * (k - 1) + 1)), int(rng.integers(d * (k - 1) + 1)))
                    for k, d in zip(kernel, dilation)],
        "ceil_mode": bool(rng.integers(2)),
        "data_format": "channels_last" if last else "channels_first",
    }  # fmt: skip
    for call in (
        lambda x, **kw: fastconv.max_pool(x, kernel, **options, **kw),
        lambda x, **kw: fastconv.avg_pool(x, kernel, **options, **kw),
        lambda x, **kw: fastconv.avg_pool(x, kernel, count_include_pad=False, **options, **kw),
        lambda x, **kw: fastconv.lp_pool(x, [2, 2.5, np.inf][seed % 3], kernel, **options, **kw),
    ):
        expected = call(x)
        np.testing.assert_array_equal(call(swapped(x)), expected)
        found = call(misaligned(x), out_dtype=np.int32, casting="saturate")
        np.testing.assert_array_equal(found, np.rint(expected).astype(np.int32))
    values, indices = fastconv.max_pool(x, kernel, return_indices=True, **options)
    found = fastconv.max_pool(swapped(x), kernel, return_indices=True, **options)
    np.testing.assert_array_equal(found[0], values)
    np.testing.assert_array_equal(found[1], indices)


@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d", "framed"])
def test_poolings_that_are_not_cut(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 2, 900, 1300), np.float32)
    if name == "framed":
        def call(x):
            return fastconv.avg_pool2d(x, 3, padding=2, padding_mode="reflect")
    else:
        def call(x):
            return getattr(fastconv, name)(x, (700, 77))
    np.testing.assert_array_equal(call(swapped(x)), call(x))


FEW = {  # calls of batches, on numbers of a dtype
    "conv": lambda x, w: fastconv.conv2d(x, w, np.arange(3, dtype=w.dtype), padding=1),
    "transposed": lambda x, w: fastconv.conv_transpose2d(
        x, w[:2], np.arange(w.shape[1], dtype=w.dtype), stride=2),
    "backward_data": lambda x, w: fastconv.conv2d_backward_data(
        x, w[:2], (len(x), 2, *x.shape[2:]), padding=1, padding_mode="reflect"),
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", ">f4", "float16", "complex64"])
def test_batches(name, dtype):
    """A large batch, of which pieces are computed, gives what its images give alone."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (23, 2, 190, 170)).astype(dtype)
    weight = rng.integers(0, 9, (3, 2, 3, 3)).astype(dtype)
    if dtype == "complex64":
        x, weight = x + 1j * x[::-1], weight - 1j
    found = FEW[name](x, weight)
    for n in range(len(x)):
        np.testing.assert_array_equal(found[n], FEW[name](x[n:n + 1], weight)[0])


PICTURE = (1, 1, 3000, 2000)  # six million elements
KERNEL = np.arange(9.0).reshape(1, 1, 3, 3)
TAKES = {
    "uint8, float32 kernel": ("u1", lambda x: fastconv.conv2d(x, KERNEL.astype("f4"), padding=1)),
    "uint8, integer kernel": ("u1", lambda x: fastconv.conv2d(x, KERNEL.astype("i1"), padding=1)),
    "uint8 to uint8": ("u1", lambda x: fastconv.conv2d(
        x, KERNEL.astype("i1"), out_dtype=np.uint8, casting="wrap")),
    "float16": ("f2", lambda x: fastconv.conv2d(x, KERNEL.astype("f2"), padding=1)),
    "byte order": (">f4", lambda x: fastconv.conv2d(
        x, KERNEL.astype("f4"), padding=1, padding_mode="reflect", precision="highest")),
    "rounded": ("f4", lambda x: fastconv.conv2d(
        x, KERNEL.astype("f4"), out_dtype=np.int16, casting="round")),
    "complex": ("c8", lambda x: fastconv.conv2d(x, KERNEL.astype("f4"), padding=1)),
    "volume": ("f2", lambda x: fastconv.conv3d(
        x.reshape(1, 1, 60, 200, 500), np.ones((1, 1, 3, 3, 3), np.float16))),
    "signal": ("u2", lambda x: fastconv.conv1d(x.reshape(1, 1, -1), np.ones((1, 1, 9), "f4"))),
    "maximum of float16": ("f2", lambda x: fastconv.max_pool2d(x, 3, 1, 1)),
    "average of float16": ("f2", lambda x: fastconv.avg_pool2d(x, 2)),
    "average of uint8": ("u1", lambda x: fastconv.avg_pool2d(
        x, 3, 1, out_dtype=np.uint8, casting="round")),
    "maximum, byte order": (">f8", lambda x: fastconv.max_pool2d(x, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKES)
def test_no_image_is_converted_whole(name):
    dtype, call = TAKES[name]
    x = np.random.default_rng(0).integers(0, 28, PICTURE).astype(dtype)
    result, most = peak(lambda: call(x))
    assert most < result.nbytes + 12 * MB


def test_a_value_of_the_last_slab_that_does_not_fit():
    x = np.zeros(PICTURE, np.uint8)
    x[..., -1, -1] = 200
    weight = np.full((1, 1, 1, 1), 2, np.uint8)
    out = np.full(PICTURE, 7, np.uint8)
    with pytest.raises(OverflowError, match=r"conv2d: the result holds 400"):
        fastconv.conv2d(x, weight, out=out)
    assert (out == 7).all()
    with pytest.raises(OverflowError, match=r"avg_pool2d: the result holds 200"):
        fastconv.avg_pool2d(x, 1, out=out.view(np.int8), casting="round")
    assert (out == 7).all()


@pytest.mark.parametrize("shift", [0, 1, 4096])
def test_an_out_that_overlaps_a_long_image(shift):
    memory = np.zeros(2 * 6_000_000 + shift, np.uint8)
    x = memory[shift:][:6_000_000].reshape(PICTURE)
    x[...] = np.random.default_rng(0).integers(0, 28, PICTURE)
    weight = KERNEL.astype(np.uint8)
    expected = fastconv.conv2d(x, weight, padding=1).astype(np.int16)
    out = memory[:12_000_000].view(np.int16).reshape(PICTURE)
    assert fastconv.conv2d(x, weight, padding=1, out=out) is out
    np.testing.assert_array_equal(out, expected)
