"""Functions: every pooling, of every rank, layout and dtype, against windows taken one by one."""

import itertools
import math

import numpy as np
import pytest

import fastconv
from fastconv.testing.contract import assert_exact, assert_within_contract
from fastconv.testing.guard import GuardedBuffer

DTYPES = [
    np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64,
    np.float16, np.float32, np.float64,
]  # fmt: skip
FLOATS = [np.float16, np.float32, np.float64]
LENGTHS = {1: (37,), 2: (13, 21), 3: (5, 7, 9)}
WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 5, "stride": 1, "padding": ((1, 3),)},
    {"kernel_size": 4, "stride": 3, "dilation": 1, "padding": "same"},
]


@pytest.fixture(params=["channels_first", "channels_last"])
def data_format(request):
    return request.param


@pytest.fixture(params=[1, 2, 3], ids="{}d".format)
def rank(request):
    return request.param


def function(name, rank):
    return getattr(fastconv, name.replace("#", f"{rank}d"))


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if np.dtype(dtype) == np.bool_:
        return rng.random(shape) < 0.3
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def layout(x, data_format):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if data_format == "channels_last" else x


def unlaid(y, data_format):
    return np.moveaxis(y, -1, 1) if data_format == "channels_last" else y


def one_axis(length, k, s, d, before, after, ceil_mode):
    """For each window: the positions of its elements, and how many lie in the padded input."""
    extent = d * (k - 1) + 1
    count = (length + before + after - extent) // s + 1
    if ceil_mode and (length + before + after - extent) % s and count * s < length + before:
        count += 1
    windows = []
    for o in range(count):
        taps = range(o * s - before, o * s - before + extent, d)
        windows.append(
            ([i for i in taps if 0 <= i < length], sum(i < length + after for i in taps))
        )
    return windows


def regular(lengths, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    stride = stride or kernel_size
    axes = []
    for length in lengths:
        if padding == "same":
            total = max(0, (-(-length // stride) - 1) * stride + kernel_size - length)
            before, after = total // 2, total - total // 2
        else:
            before, after = (padding, padding) if isinstance(padding, int) else padding[0]
        axes.append(one_axis(length, kernel_size, stride, dilation, before, after, ceil_mode))
    return axes


def adaptive(lengths, sizes):
    return [
        [(list(range(i * n // m, -(-(i + 1) * n // m))), 0) for i in range(m)]
        for n, m in zip(lengths, sizes, strict=True)
    ]


def argument(window, rank):
    """A window's arguments for an array of some rank: pairs are repeated for each axis."""
    padding = window.get("padding", 0)
    return {**window, "padding": padding * rank if isinstance(padding, tuple) else padding}


def windows(x, axes):
    """(index of the output, elements (N, C, taps), flat positions, positions that count)."""
    flat = np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
    for o in itertools.product(*(range(len(axis)) for axis in axes)):
        taps = np.ix_(*(axis[i][0] for axis, i in zip(axes, o, strict=True)))
        counted = math.prod(axis[i][1] for axis, i in zip(axes, o, strict=True))
        elements = x[(slice(None), slice(None), *taps)].reshape(*x.shape[:2], -1)
        yield (slice(None), slice(None), *o), elements, flat[taps].ravel(), counted


def extremes(x, axes, sign):
    """Maxima (sign 1) or minima, and where they are."""
    shape = (*x.shape[:2], *map(len, axes))
    values, places = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    for at, elements, positions, _ in windows(x, axes):
        best = (np.argmax if sign > 0 else np.argmin)(elements, axis=-1)  # NaN first, as it should
        values[at] = np.take_along_axis(elements, best[..., np.newaxis], -1)[..., 0]
        places[at] = positions[best]
    return values, places


def sums(x, axes, power=1):
    """Sums, sums of magnitudes, and the two counts, in extended precision."""
    shape = (*x.shape[:2], *map(len, axes))
    total, size = np.zeros(shape, np.longdouble), np.zeros(shape, np.longdouble)
    real, padded = np.zeros(shape[2:]), np.zeros(shape[2:])
    for at, elements, positions, counted in windows(x.astype(np.longdouble), axes):
        total[at], size[at] = elements.sum(-1), (abs(elements) ** power).sum(-1)
        real[at[2:]], padded[at[2:]] = len(positions), counted
    return total, size, real, padded


# ------------------------------------------------------------------------------- the values


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_extremes(rank, dtype, window, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    if np.dtype(dtype).kind == "f":
        x[np.random.default_rng(1).random(x.shape) < 0.03] = np.nan
    args = {**argument(window, rank), "data_format": data_format}
    laid = layout(x, data_format)
    for name, sign in (("max_pool#", 1), ("min_pool#", -1)):
        values, places = extremes(x, regular(x.shape[2:], **window), sign)
        got, where = function(name, rank)(laid, **args, return_indices=True)
        assert got.dtype == x.dtype
        assert where.dtype == np.int64
        assert_exact(unlaid(got, data_format), values, name)
        assert_exact(unlaid(where, data_format), places, name)
        assert_exact(unlaid(function(name, rank)(laid, **args), data_format), values, name)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_averages(rank, dtype, window, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    total, size, real, padded = sums(x, regular(x.shape[2:], **window))
    laid, args = layout(x, data_format), argument(window, rank)
    for divide, count in [
        ({}, padded),
        ({"count_include_pad": False}, real),
        ({"divisor_override": -5}, np.full(real.shape, -5)),
    ]:
        got = function("avg_pool#", rank)(laid, **args, **divide, data_format=data_format)
        assert got.dtype == (x.dtype if x.dtype.kind == "f" else np.float64)
        assert_within_contract(unlaid(got, data_format), total / count, size / abs(count))


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, 0.5, 7, np.inf])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, *FLOATS], ids=lambda d: np.dtype(d).name)
def test_norms(rank, dtype, p, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    for window in WINDOWS[:4]:
        axes = regular(x.shape[2:], **window)
        if p == np.inf:
            exact = extremes(abs(x.astype(np.float64)), axes, 1)[0]
        else:
            exact = sums(x, axes, p)[1] ** (1 / np.longdouble(p))
        got = function("lp_pool#", rank)(
            layout(x, data_format), p, **argument(window, rank), data_format=data_format
        )
        assert got.dtype == (x.dtype if x.dtype.kind == "f" else np.float64)
        assert_within_contract(unlaid(got, data_format), exact, exact, context=window)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_adaptive_and_global(rank, dtype, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    laid, form = layout(x, data_format), {"data_format": data_format}
    for sizes in [(1,) * rank, (2,) * rank, (4, 3, 5)[:rank], (11, 5, 10)[:rank]]:
        axes = adaptive(x.shape[2:], sizes)
        values, places = extremes(x, axes, 1)
        got, where = function("adaptive_max_pool#", rank)(laid, sizes, return_indices=True, **form)
        assert_exact(unlaid(got, data_format), values, sizes)
        assert_exact(unlaid(where, data_format), places, sizes)
        total, size, count, _ = sums(x, axes)
        got = function("adaptive_avg_pool#", rank)(laid, sizes, **form)
        assert_within_contract(unlaid(got, data_format), total / count, size / count, context=sizes)
        if max(sizes) == 1:
            assert_exact(fastconv.global_max_pool(laid, **form), layout(values, data_format))
            assert_exact(fastconv.global_avg_pool(laid, **form), got)
            assert_exact(fastconv.global_avg_pool(laid[0], rank=rank, **form), got[0])
    keep = (None, 2, None)[:rank]
    same = function("adaptive_max_pool#", rank)(laid, keep, **form)
    assert unlaid(same, data_format).shape[2:] == tuple(
        k or n for k, n in zip(keep, x.shape[2:], strict=True)
    )


@pytest.mark.parametrize("kernel", [9, 17, 31, 32, 64])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, *FLOATS], ids=lambda d: np.dtype(d).name)
def test_long_windows(dtype, kernel, data_format):
    """Windows that are put together by doubling, with clipped ones at both ends."""
    x = numbers((1, 2, 3, 150), dtype)
    window = {"kernel_size": kernel, "stride": 1, "padding": kernel // 2}
    axes = [one_axis(3, 1, 1, 1, 0, 0, False), *regular((150,), **window)]
    args = {
        "kernel_size": (1, kernel), "stride": 1, "padding": (0, kernel // 2),
        "data_format": data_format,
    }  # fmt: skip
    total, size, _, padded = sums(x, axes)
    for turn in (False, True):
        if turn:  # the same along the other axis
            x, total, size, padded = (np.swapaxes(a, -1, -2) for a in (x, total, size, padded))
            axes = axes[::-1]
            args["kernel_size"], args["padding"] = (kernel, 1), (kernel // 2, 0)
        laid = layout(np.ascontiguousarray(x), data_format)
        values, places = extremes(x, axes, 1)
        got, where = fastconv.max_pool2d(laid, **args, return_indices=True)
        assert_exact(unlaid(got, data_format), values)
        assert_exact(unlaid(where, data_format), places)
        assert_exact(unlaid(fastconv.max_pool2d(laid, **args), data_format), values)
        got = fastconv.avg_pool2d(laid, **args)
        assert_within_contract(unlaid(got, data_format), total / padded, size / padded)


# ------------------------------------------------------------------------ sums that go wrong


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_leaks_out_of_its_windows(dtype):
    """1e30, an infinity or NaN is seen in the windows that hold it, and in no other."""
    for value in (1e30, np.inf, -np.inf, np.nan):
        x = np.ones((1, 1, 40, 70), dtype)
        x[0, 0, 20, 30] = value
        y = fastconv.avg_pool2d(x, 15, 1)
        rows, columns = np.indices(y.shape[2:])
        seen = (rows <= 20) & (rows > 5) & (columns <= 30) & (columns > 15)
        np.testing.assert_array_equal(y[0, 0][~seen], 1)
        assert (y[0, 0][seen] != 1).all()


def test_integer_averages_are_exact_below_2_to_the_53():
    x = np.random.default_rng(0).integers(-(2**40), 2**40, (1, 1, 64, 64))
    got = fastconv.avg_pool2d(x, 32, 1, divisor_override=1)
    exact = np.lib.stride_tricks.sliding_window_view(x[0, 0], (32, 32)).sum((2, 3))
    np.testing.assert_array_equal(got[0, 0], exact)


def same_as(average, dtype, casting):
    """A float64 average as the conversion rule has it in another dtype."""
    if casting == "saturate":  # which averages with a divisor of their own need
        info = np.iinfo(dtype)
        average = np.clip(np.rint(average), info.min, info.max)
    with np.errstate(over="ignore"):
        return (np.rint(average) if casting == "round" else average).astype(dtype)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int16, np.uint16],
                         ids=lambda d: np.dtype(d).name)  # fmt: skip
def test_averages_of_small_integers_have_the_bits_of_float64(dtype, seed, data_format):
    """Whatever holds their sums, and whatever dtype they are asked for in."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    most = {1: 90, 2: 24, 3: 9}[rank]
    shape = (int(rng.integers(1, 3)), int(rng.integers(1, 6)), *rng.integers(1, most, rank))
    x = numbers(shape, dtype, seed)
    if seed % 4 == 0:  # the largest sums
        x[...] = dtype(True) if dtype == np.bool_ else np.iinfo(dtype).min or np.iinfo(dtype).max
    kernel = int(rng.integers(1, 1.5 * min(shape[2:]) + 2))
    window = {"kernel_size": kernel, "stride": int(rng.integers(1, 4)),
              "padding": kernel // 2, "ceil_mode": bool(rng.integers(2))}  # fmt: skip
    total, _, real, padded = sums(x, regular(shape[2:], **window))
    total = total.astype(np.float64)  # exact
    laid, pool = layout(x, data_format), function("avg_pool#", rank)
    with np.errstate(invalid="ignore", divide="ignore"):  # windows of no elements
        averages = [({}, total / padded), ({"count_include_pad": False}, total / real),
                    ({"divisor_override": 2.7}, total / 2.7)]  # fmt: skip
    for how, average in averages:
        wanted = [(np.float64, "same_kind"), (np.float32, "same_kind"), (np.float16, "same_kind")]
        if dtype != np.bool_ and np.isfinite(average).all():
            wanted += [(dtype, "saturate")] + [(dtype, "round")] * ("divisor_override" not in how)
            wanted += [(np.int32, "round"), (np.int32, "truncate")]
        for out_dtype, casting in wanted:
            got = pool(laid, **window, **how, data_format=data_format, out_dtype=out_dtype,
                       casting=casting)  # fmt: skip
            assert_exact(unlaid(got, data_format), same_as(average, out_dtype, casting), str(how))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16],
                         ids=lambda d: np.dtype(d).name)  # fmt: skip
def test_small_square_windows_of_small_integers(dtype, kernel, stride):
    """Rows that are parts of vectors, whole ones and several; sums that end on a half, and all
    at the ends of the range."""
    info = np.iinfo(dtype)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        shape = (2, 2, *rng.integers(kernel, rng.choice([8, 20, 75, 140]), 2))
        x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        if seed % 4 == 0:
            x = rng.choice([info.min, info.min + 1, info.max], shape).astype(dtype)
        window = {"kernel_size": kernel, "stride": stride, "padding": int(rng.integers(0, 2)),
                  "ceil_mode": bool(rng.integers(2))}  # fmt: skip
        wide = x.astype(np.float64)
        for pool in (fastconv.max_pool2d, fastconv.min_pool2d):
            assert_exact(pool(x, **window), pool(wide, **window).astype(dtype))
        average = fastconv.avg_pool2d(wide, **window)
        got = fastconv.avg_pool2d(x, **window, out_dtype=dtype, casting="round")
        assert_exact(got, np.rint(average).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 2, 3, 8, 20.5, 100])
def test_norms_neither_overflow_nor_underflow(dtype, p):
    info = np.finfo(dtype)
    for scale in (info.max / 8, 1, info.tiny * 8):
        x = (np.arange(1, 17) / 16).reshape(1, 1, 4, 4) * float(scale)
        x = x.astype(dtype)
        small = x.astype(np.longdouble) / np.longdouble(scale)
        blocks = small[0, 0].reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(2, 2, 4)
        exact = (blocks ** np.longdouble(p)).sum(-1) ** (1 / np.longdouble(p)) * scale
        got = fastconv.lp_pool2d(x, p, 2)
        assert np.isfinite(got).all()
        assert_within_contract(got[0, 0], exact.astype(np.float64), exact.astype(np.float64))
    zero = fastconv.lp_pool2d(np.zeros((1, 1, 2, 2), dtype), p, 2)
    np.testing.assert_array_equal(zero, [[[[0]]]])


# ------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_gradients(rank, dtype, window, data_format):
    """Each against the definition, window by window."""
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    axes = regular(x.shape[2:], **window)
    shape = (*x.shape[:2], *map(len, axes))
    grad = numbers(shape, dtype, 1)
    args = {**argument(window, rank), "data_format": data_format}
    laid, laid_grad = layout(x, data_format), layout(grad, data_format)
    total = np.zeros((2, *x.shape[:2], math.prod(x.shape[2:])))
    norm = np.zeros_like(total)
    for at, elements, positions, counted in windows(x.astype(np.float64), axes):
        for i, sign in enumerate((1.0, np.abs)):
            g = grad[at].astype(np.float64)[..., np.newaxis]
            y = np.sqrt((elements**2).sum(-1))[..., np.newaxis]
            spread, slope = np.broadcast_to(g / counted, elements.shape), g * elements / y
            if i:
                spread, slope = sign(spread), sign(slope)
            total[i][..., positions] += spread
            norm[i][..., positions] += slope
    got = function("avg_pool#_backward", rank)(laid_grad, laid.shape, **args)
    total, norm = total.reshape(2, *x.shape), norm.reshape(2, *x.shape)
    assert_within_contract(unlaid(got, data_format), *total)
    got = function("lp_pool#_backward", rank)(laid_grad, laid, 2, **args)
    # The norm itself is rounded too.
    assert_within_contract(unlaid(got, data_format), norm[0], 4 * norm[1])


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 6.5])
def test_norm_gradients_by_central_differences(p):
    x = numbers((2, 5, 6), np.float64) + 0.1
    grad = numbers((2, 3, 4), np.float64, 1)
    args = {"kernel_size": 3, "stride": (2, 1), "padding": (1, 0)}
    got = fastconv.lp_pool2d_backward(grad, x, p, **args)
    for at in np.ndindex(x.shape):
        if abs(x[at]) < 1e-3:
            continue
        h = 1e-6 * np.eye(1, x.size, np.ravel_multi_index(at, x.shape)).reshape(x.shape)
        rise = fastconv.lp_pool2d(x + h, p, **args) - fastconv.lp_pool2d(x - h, p, **args)
        np.testing.assert_allclose(got[at], (grad * rise).sum() / 2e-6, rtol=1e-6, atol=1e-8)


def test_norm_gradients_at_zero_and_infinity():
    x = np.array([[[0.0, 0, 3, -4, 0, 7]]])
    for p in (0.5, 1, 2, 3):
        got = fastconv.lp_pool1d_backward(np.ones((1, 1, 3)), x, p, 2)
        assert np.isfinite(got).all()
        assert (got[x == 0] == 0).all()
    got = fastconv.lp_pool1d_backward(np.ones((1, 1, 3)), x, np.inf, 2)
    np.testing.assert_array_equal(got, [[[0, 0, 0, -1, 0, 1]]])
    tiny = np.finfo(np.float64).tiny
    got = fastconv.lp_pool1d_backward(np.ones((1, 1, 1)), np.array([[[tiny, 0]]]), 8, 2)
    np.testing.assert_array_equal(got, [[[1, 0]]])


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_adaptive_gradient_is_the_adjoint(rank, dtype, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    for sizes in [(1,) * rank, (3, 4, 2)[:rank], (40, 5, 10)[:rank]]:
        axes = adaptive(x.shape[2:], sizes)
        grad = numbers((2, 3, *sizes), dtype, 1)
        exact = np.zeros((2, *x.shape[:2], math.prod(x.shape[2:])))
        for at, _, positions, _ in windows(x, axes):
            share = grad[at].astype(np.float64)[..., np.newaxis] / len(positions)
            exact[0][..., positions] += share
            exact[1][..., positions] += abs(share)
        got = function("adaptive_avg_pool#_backward", rank)(
            layout(grad, data_format), layout(x, data_format).shape, data_format=data_format
        )
        assert_within_contract(unlaid(got, data_format), *exact.reshape(2, *x.shape), context=sizes)


# --------------------------------------------------------------------------------- unpooling


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_unpool(rank, dtype, data_format):
    x = numbers((2, 3, *LENGTHS[rank]), dtype)
    laid, form = layout(x, data_format), {"data_format": data_format}
    y, where = function("max_pool#", rank)(laid, 2, return_indices=True, **form)
    got = function("max_unpool#", rank)(y, where, 2, output_size=LENGTHS[rank], **form)
    assert got.dtype == x.dtype
    expected = np.zeros((2, 3, math.prod(LENGTHS[rank])), dtype)
    first, places = unlaid(y, data_format), unlaid(where, data_format)
    np.put_along_axis(expected, places.reshape(2, 3, -1), first.reshape(2, 3, -1), -1)
    assert_exact(unlaid(got, data_format), expected.reshape(x.shape))
    whole = function("max_unpool#", rank)(y, where, 2, output_size=laid.shape, **form)
    assert_exact(whole, got)
    none = function("max_unpool#", rank)(y[:0], where[:0], 2, **form)
    assert none.size == 0


def test_unpool_sizes_are_pytorchs(torch):
    for size, k, s, p in itertools.product((1, 2, 5), (1, 2, 3), (1, 2, 3), (0, 1)):
        if p >= k or (size - 1) * s - 2 * p + k < 1:
            continue
        x = np.zeros((1, 1, size), np.float32)
        where = np.zeros((1, 1, size), np.int64)
        plain = fastconv.max_unpool1d(x, where, k, s, p)
        theirs = torch.nn.functional.max_unpool1d
        tensors = torch.from_numpy(x), torch.from_numpy(where)
        assert plain.shape == tuple(theirs(*tensors, k, s, p).shape)
        for wanted in range(1, 20):
            try:
                expected = tuple(theirs(*tensors, k, s, p, output_size=(wanted,)).shape)
            except ValueError:
                with pytest.raises(ValueError, match="max_unpool1d: output_size"):
                    fastconv.max_unpool1d(x, where, k, s, p, output_size=(wanted,))
            else:
                got = fastconv.max_unpool1d(x, where, k, s, p, output_size=(wanted,))
                assert got.shape == expected


# --------------------------------------------------------------------------------- arguments


def test_rank_generic_names_are_the_numbered_ones(rank):
    x = numbers((2, 3, *LENGTHS[rank]), np.float32)
    size = (2,) * rank
    for name in ("max_pool#", "min_pool#", "avg_pool#"):
        expected = function(name, rank)(x, 2)
        generic = getattr(fastconv, name.replace("#", ""))
        assert_exact(generic(x, size), expected)
        assert_exact(generic(x[0], size), expected[0])
        if rank > 1:
            assert_exact(generic(x, 2), expected)
    expected = function("lp_pool#", rank)(x, 3, 2)
    assert_exact(fastconv.lp_pool(x, 3, size), expected)
    back = fastconv.lp_pool_backward(expected, x, 3, size)
    assert_exact(back, function("lp_pool#_backward", rank)(expected, x, 3, 2))
    back = fastconv.avg_pool_backward(expected, x.shape, size)
    assert_exact(back, function("avg_pool#_backward", rank)(expected, x.shape, 2))
    y, where = fastconv.adaptive_max_pool(x, size, return_indices=True)
    assert_exact(y, function("adaptive_max_pool#", rank)(x, 2))
    assert_exact(fastconv.adaptive_avg_pool(x, size), function("adaptive_avg_pool#", rank)(x, 2))
    if rank > 1:
        got = fastconv.max_pool_backward(y, where, x.shape)
        assert_exact(got, function("max_pool#_backward", rank)(y, where, x.shape))
        got = fastconv.adaptive_avg_pool_backward(y, x.shape)
        assert_exact(got, function("adaptive_avg_pool#_backward", rank)(y, x.shape))
    y, where = fastconv.max_pool(x, size, return_indices=True)
    got = fastconv.max_unpool(y, where, size, output_size=x.shape)
    assert_exact(got, function("max_unpool#", rank)(y, where, 2, output_size=x.shape))


def test_a_rank_that_cannot_be_known_is_refused():
    x = numbers((2, 3, 8), np.float32)
    y, where = fastconv.max_pool1d(x, 2, return_indices=True)
    for call in [
        lambda: fastconv.max_pool(x, 2),
        lambda: fastconv.lp_pool(x, 2, 2),
        lambda: fastconv.adaptive_avg_pool(x, 2),
        lambda: fastconv.max_unpool(y, where, 2),
        lambda: fastconv.max_pool_backward(y, where, x.shape),
        lambda: fastconv.adaptive_avg_pool_backward(y, x.shape),
        lambda: fastconv.pool_output_shape(x.shape, 2),
    ]:
        with pytest.raises(ValueError, match=r"\(N, C, L\) or one image \(C, H, W\)"):
            call()
    for bad in (np.float32(1), np.ones(3, np.float32), np.ones((1,) * 6, np.float32)):
        with pytest.raises(ValueError, match="max_pool: x has"):
            fastconv.max_pool(bad, 2)


BAD = [
    (ValueError, "norm_type", lambda x: fastconv.lp_pool2d(x, 0, 2)),
    (ValueError, "norm_type", lambda x: fastconv.lp_pool2d(x, -1, 2)),
    (ValueError, "norm_type", lambda x: fastconv.lp_pool2d(x, np.nan, 2)),
    (TypeError, "norm_type", lambda x: fastconv.lp_pool2d(x, "2", 2)),
    (TypeError, "norm_type", lambda x: fastconv.lp_pool2d(x, None, 2)),
    (TypeError, "norm_type", lambda x: fastconv.lp_pool2d(x, True, 2)),
    *(
        (error, "output_size", lambda x, size=size: fastconv.adaptive_avg_pool2d(x, size))
        for error, size in [
            (ValueError, 0), (ValueError, -1), (ValueError, (2, 0)), (ValueError, 2**70),
            (ValueError, (1, 2, 3)), (ValueError, []), (TypeError, 1.5), (TypeError, "2"),
            (TypeError, True),
        ]
    ),
    (ValueError, "more than 2", lambda x: fastconv.adaptive_max_pool2d(x, 2**62)),
    (ValueError, "length 0", lambda x: fastconv.adaptive_max_pool2d(x[:, :, :0], 1)),
    (ValueError, "length 0", lambda x: fastconv.global_avg_pool(x[:, :, :0])),
    (ValueError, "rank", lambda x: fastconv.global_avg_pool(x, rank=4)),
    (TypeError, "rank", lambda x: fastconv.global_avg_pool(x, rank=2.0)),
    (ValueError, "x has 2 axes", lambda x: fastconv.global_max_pool(x[0, 0])),
    *((TypeError, "complex", lambda x, f=f: f(x.astype(complex))) for f in (
        lambda x: fastconv.max_pool2d(x, 2), lambda x: fastconv.avg_pool2d(x, 2),
        lambda x: fastconv.lp_pool2d(x, 2, 2), lambda x: fastconv.global_avg_pool(x),
        lambda x: fastconv.adaptive_max_pool2d(x, 2),
        lambda x: fastconv.avg_pool2d_backward(x, (1, 2, 8, 8), 2),
    )),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=range(len(BAD)))
def test_bad_arguments(case):
    error, word, call = case
    with pytest.raises(error, match=word):
        call(numbers((1, 2, 4, 4), np.float32))


def test_indices_are_not_trusted():
    y = np.ones((1, 1, 2), np.float32)
    for call in [
        lambda where: fastconv.max_unpool1d(y, where, 2),
        lambda where: fastconv.max_pool1d_backward(y, where, (1, 1, 4)),
    ]:
        for bad in (-1, 4, 2**63 - 1, -(2**63)):
            with pytest.raises(ValueError, match="indices hold"):
                call(np.array([[[0, bad]]]))
        with pytest.raises(ValueError, match="indices hold"):
            call(np.array([[[0, 2**64 - 1]]], np.uint64))
        for dtype in (np.int8, np.uint8, np.int32):  # the last is the plane's last
            with pytest.raises(ValueError, match="indices hold 4"):
                call(np.array([[[0, 4]]], dtype))
        for size in (2**62, 2**63 - 1):
            with pytest.raises(ValueError, match="span too many elements"):
                fastconv.max_unpool1d(y, np.zeros((1, 1, 2), int), size, stride=1)
        for bad in (np.zeros((1, 1, 2)), np.zeros((1, 1, 2), bool)):
            with pytest.raises(TypeError, match="indices must be integers"):
                call(bad)
        with pytest.raises(ValueError, match="indices has shape"):
            call(np.zeros((1, 1, 3), np.int64))
        assert call(np.array([[[0, 3]]], np.uint8)).shape == (1, 1, 4)
    with pytest.raises(ValueError, match="padding must be numbers"):
        fastconv.max_unpool1d(y, np.zeros((1, 1, 2), int), 2, padding="same")


def test_a_failed_call_leaves_out_alone():
    y, out = np.ones((1, 1, 2), np.float32), np.full((1, 1, 4), 7, np.float32)
    with pytest.raises(ValueError, match="indices"):
        fastconv.max_unpool1d(y, np.array([[[0, 9]]]), 2, out=out)
    with pytest.raises(ValueError, match="norm_type"):
        fastconv.lp_pool1d(out, 0, 1, out=out)
    np.testing.assert_array_equal(out, 7)


# ----------------------------------------------------------------------- what must not matter


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_batch_threads_and_strides_change_nothing(rank, dtype):
    x = numbers((3, 33, *(2 * n for n in LENGTHS[rank])), dtype)
    wide = np.stack([x, x], -1)[..., 0]
    for call in [
        lambda x, **k: function("max_pool#", rank)(x, 3, 2, 1, **k),
        lambda x, **k: function("avg_pool#", rank)(x, 3, 1, **k),
        lambda x, **k: function("lp_pool#", rank)(x, 3, 3, 2, **k),
        lambda x, **k: function("adaptive_avg_pool#", rank)(x, 3, **k),
        lambda x, **k: fastconv.global_avg_pool(x, **{"rank": rank, **k}),
    ]:
        y = call(x, num_threads=1)
        np.testing.assert_array_equal(call(x, num_threads=3), y)
        np.testing.assert_array_equal(call(wide), y)
        np.testing.assert_array_equal(call(np.asfortranarray(x)), y)
        for n in range(3):
            np.testing.assert_array_equal(call(x[n]), y[n])


@pytest.mark.parametrize("seed", range(60))
def test_small_planes_of_many_channels(seed):
    """Planes side by side in vectors: any windows, any rank, any number of channels."""
    rng = np.random.default_rng(seed)
    rank, channels = int(rng.integers(1, 4)), int(rng.integers(8, 75))
    lengths = tuple(int(n) for n in rng.integers(1, (40, 11, 6)[rank - 1], rank))
    dtype = rng.choice([np.float32, np.float64, np.int32, np.uint32, np.int64])
    x = numbers((int(rng.integers(1, 3)), channels, *lengths), dtype, seed)
    if x.dtype.kind == "f":
        x[rng.random(x.shape) < 0.02] = np.nan
    kernel, stride, dilation, padding = [], [], [], []
    for n in lengths:
        k, d = int(rng.integers(1, min(n, 7) + 1)), int(rng.integers(1, 3))
        d = d if d * (k - 1) < n else 1
        kernel.append(k)
        stride.append(int(rng.integers(1, 6)))
        dilation.append(d)
        padding.append(int(rng.integers(0, (d * (k - 1) + 1) // 2 + 1)) if k > 1 else 0)
    axes = [one_axis(n, k, s, d, p, p, False)
            for n, k, s, d, p in zip(lengths, kernel, stride, dilation, padding,
                                     strict=True)]  # fmt: skip
    for name, sign in (("max_pool", 1), ("min_pool", -1)):
        call = getattr(fastconv, name)
        values, places = extremes(x, axes, sign)
        got, where = call(x, kernel, stride, padding, dilation, return_indices=True)
        assert_exact(got, values)
        assert_exact(where, places)
        assert_exact(call(x, kernel, stride, padding, dilation, num_threads=2), values)
    x = np.nan_to_num(x, nan=0)
    total, size, real, padded = sums(x, axes)
    for include, count in ((True, padded), (False, real)):
        got = fastconv.avg_pool(x, kernel, stride, padding, dilation, count_include_pad=include)
        assert_within_contract(got, total / count, size / count)
        if x.dtype.kind == "f":  # the gradient is the adjoint
            g = numbers(got.shape, dtype, seed + 1)
            back = fastconv.avg_pool_backward(g, x.shape, kernel, stride, padding, dilation,
                                              count_include_pad=include)  # fmt: skip
            assert np.vdot(back, x) == pytest.approx(
                np.vdot(g, got), rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("seed", range(40))
def test_windows_apart(seed):
    """Rows that are reduced and joined: no longer than their stride, with padding and without."""
    rng = np.random.default_rng(seed)
    rank, channels = int(rng.integers(1, 3)), int(rng.integers(1, 9))
    dtype = DTYPES[seed % len(DTYPES)]
    lengths = (int(rng.integers(1, 14)), int(rng.integers(18, 70)))[2 - rank:]
    x = numbers((2, channels, *lengths), dtype, seed)
    if x.dtype.kind == "f":
        x[rng.random(x.shape) < 0.02] = np.nan
    kernel, stride, dilation, padding = [], [], [], []
    for n in lengths:
        s = int(rng.integers(2, 5))
        k = int(rng.integers(1, min(s, n) + 1))
        d = int(rng.integers(1, max(2, s // max(k - 1, 1) + 1))) if k > 1 else 1
        kernel.append(k)
        stride.append(s)
        dilation.append(d if d * (k - 1) < min(s, n) else 1)
        padding.append(int(rng.integers(0, (dilation[-1] * (k - 1) + 1) // 2 + 1)) if k > 1 else 0)
    if rank == 2 and rng.random() < 0.5:  # rows may overlap
        kernel[0], dilation[0], padding[0] = min(lengths[0], int(rng.integers(1, 10))), 1, 0
    ceil_mode = bool(rng.integers(2))
    window = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation,
              "ceil_mode": ceil_mode}  # fmt: skip
    axes = [one_axis(n, k, s, d, p, p, ceil_mode)
            for n, k, s, d, p in zip(lengths, kernel, stride, dilation, padding,
                                     strict=True)]  # fmt: skip
    for name, sign in (("max_pool", 1), ("min_pool", -1)):
        assert_exact(getattr(fastconv, name)(x, **window), extremes(x, axes, sign)[0])
    x = x if dtype == np.bool_ else np.nan_to_num(x, nan=0)
    total, size, real, padded = sums(x, axes)
    for include, count in ((True, padded), (False, real)):
        got = fastconv.avg_pool(x, **window, count_include_pad=include)
        assert_within_contract(got, total / count, size / count)
        for c in range(channels):
            alone = fastconv.avg_pool(x[:1, c:c + 1], **window, count_include_pad=include)
            assert_exact(alone, got[:1, c:c + 1])


def test_one_dimension_inside_two_inside_three():
    x = numbers((2, 3, 40), np.float32)
    for name, args in [("max_pool#", (3, 2)), ("avg_pool#", (4, 3)), ("lp_pool#", (2, 5, 2))]:
        *norm, k, s = args
        line = function(name, 1)(x, *norm, k, s)
        plane = function(name, 2)(x[:, :, np.newaxis], *norm, (1, k), (1, s))
        volume = function(name, 3)(x[:, :, :, np.newaxis, np.newaxis], *norm, (k, 1, 1), (s, 1, 1))
        assert_exact(plane[:, :, 0], line)
        assert_within_contract(volume[..., 0, 0], line.astype(np.float64), abs(line))


# --------------------------------------------------------------------------------- the edges


@pytest.fixture(scope="module")
def buffers():
    return [GuardedBuffer(1 << 20) for _ in range(3)]


@pytest.mark.parametrize("end", ["front", "back"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64],
                         ids=lambda d: np.dtype(d).name)  # fmt: skip
def test_guard_pages(buffers, dtype, end, data_format):
    """Every length of tail, up to two vectors, with all kinds of windows."""
    itemsize = np.dtype(dtype).itemsize
    for n in range(1, min(2 * 64 // itemsize, 40) + 2):
        for shape in [(1, 2, n + 8), (1, n, 9)]:
            x = numbers(shape, dtype, n)
            guarded = buffers[0].place(layout(x, data_format), end)
            for window in [
                {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1},
                {"kernel_size": 3, "stride": 1}, {"kernel_size": 4, "stride": 2},
                {"kernel_size": 9, "stride": 1, "padding": 4},
                {"kernel_size": 12, "stride": 1, "padding": 6},
            ]:  # fmt: skip
                axes = regular(x.shape[2:], **window)
                if not axes[0]:
                    continue
                args = {**window, "data_format": data_format}
                values, places = extremes(x, axes, 1)
                out = buffers[1].empty(layout(values, data_format).shape, dtype, end)
                fastconv.max_pool1d(guarded, **args, out=out)
                assert_exact(unlaid(out, data_format), values, (shape, window))
                got, where = fastconv.max_pool1d(guarded, **args, return_indices=True, out=out)
                assert_exact(unlaid(got, data_format), values, (shape, window))
                assert_exact(unlaid(where, data_format), places, (shape, window))
                total, size, _, count = sums(x, axes)
                result = dtype if np.dtype(dtype).kind == "f" else np.float64
                out = buffers[2].empty(layout(values, data_format).shape, result, end)
                fastconv.avg_pool1d(guarded, **args, out=out)
                assert_within_contract(unlaid(out, data_format), total / count, size / count)
                if np.dtype(dtype).kind == "f":
                    back = buffers[1].empty(guarded.shape, dtype, end)
                    fastconv.avg_pool1d_backward(out, guarded.shape, **args, out=back)
                    assert np.isfinite(back).all()


@pytest.mark.parametrize("end", ["front", "back"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_planes_that_are_one_window(buffers, dtype, end):
    """In any number, a kernel's vectors of planes or a part of one; nothing outside is read."""
    for length in [*range(1, 50), 64, *(10 * n + i for n in (4, 8, 16) for i in (-1, 0, 1)), 200]:
        for planes in (1, 2, 15, 16, 37):
            case = f"{planes} planes of {length}"
            x = buffers[0].place(numbers((planes, 1, length), dtype, length), end)
            out = buffers[1].empty((planes, 1, 1), dtype, end)
            exact, size = x.sum(-1, np.longdouble), abs(x).sum(-1, np.longdouble)
            fastconv.global_avg_pool(x, out=out)
            assert_within_contract(out[..., 0], exact / length, size / length, context=case)
            alone = np.stack([fastconv.global_avg_pool(plane, rank=1) for plane in x])
            assert_exact(out, alone, case)
            fastconv.avg_pool1d(x, length, divisor_override=7, out=out)
            assert_within_contract(out[..., 0], exact / 7, size / 7, context=case)
            # The last place of all: a NaN and an infinity stay in their planes.
            x[planes // 2, 0, -1] = np.nan
            x[planes // 3, 0, 0] = -np.inf
            fastconv.global_max_pool(x, out=out)
            assert_exact(out, x.max(-1, keepdims=True), case)
            fastconv.min_pool1d(x, length, out=out)
            assert_exact(out, x.min(-1, keepdims=True), case)
            fastconv.global_avg_pool(x, out=out)
            assert np.array_equal(np.isfinite(out), np.isfinite(x).all(-1, keepdims=True)), case


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**59, 2**62, 2**63 - 1])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("kernel", "padding"), [(2, 1), (3, 0), (12, 0), (24, 23)])
def test_strides_beyond_the_input(stride, ceil_mode, kernel, padding):
    """A single window, forward and backward: its stride does not matter, and overflows nothing."""
    x = np.arange(12.0).reshape(1, 1, 12)
    results = []
    for step in (stride, 50):
        window = {"kernel_size": kernel, "stride": step, "padding": padding, "ceil_mode": ceil_mode}
        y, where = fastconv.max_pool1d(x, **window, return_indices=True)
        results.append([
            y, where, fastconv.avg_pool1d(x, **window), fastconv.lp_pool1d(x, 2, **window),
            fastconv.avg_pool1d_backward(y, x.shape, **window),
            fastconv.lp_pool1d_backward(y, x, 2, **window),
        ])  # fmt: skip
        window["kernel_size"] = (kernel,)
        assert fastconv.pool_output_shape(x.shape, **window) == y.shape == (1, 1, 1)
    for got, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_one_entry_of_kernel_size_is_one_dimension():
    """Where three axes might also be an image without a batch axis."""
    x = np.arange(48.0).reshape(2, 3, 8)
    assert fastconv.pool_output_shape((2, 3, 8), (2,)) == (2, 3, 4)
    assert fastconv.pool_output_shape((3, 8), (2,)) == (3, 4)
    np.testing.assert_array_equal(fastconv.max_pool(x, (2,)), x[..., 1::2])
    np.testing.assert_array_equal(fastconv.max_pool(x[0], (2,)), x[0, :, 1::2])


@pytest.mark.parametrize("shape", [(9, 7, 8), (1, 6, 40), (12, 5, 5)])
@pytest.mark.parametrize("channels", [1, 2, 9, 24])
def test_the_gradient_of_an_average_does_not_depend_on_the_batch(channels, shape):
    """To the bit, where windows overlap: what decides how shares are added up is one image."""
    windows = {"kernel_size": (3, 2, 4), "stride": (2, 1, 3), "padding": (1, 0, 2)}
    rng = np.random.default_rng(channels)
    y = fastconv.avg_pool3d(np.zeros((1, channels, *shape), np.float32), **windows)
    grad = rng.standard_normal((30, *y.shape[1:])).astype(np.float32)
    whole = fastconv.avg_pool3d_backward(grad, (30, channels, *shape), **windows)
    for n in (0, 17):
        alone = fastconv.avg_pool3d_backward(grad[n : n + 1], (1, channels, *shape), **windows)
        np.testing.assert_array_equal(alone[0], whole[n])
