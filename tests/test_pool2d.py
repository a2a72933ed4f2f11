"""Functions: max_pool2d, min_pool2d, avg_pool2d and their gradients."""

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import VIEWS, WRITEABLE, as_view, empty_view
from fastconv.testing.contract import assert_exact, assert_within_contract

DTYPES = [np.float32, np.float64]
GEOMETRIES = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 2), "padding": ((0, 1), (1, 0))},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": 1, "dilation": (3, 2), "padding": "same"},
    {"kernel_size": 3, "stride": 2, "padding": "same_lower"},
    {"kernel_size": 4, "stride": 1, "padding": "full"},
    {"kernel_size": (1, 5), "stride": (2, 1)},
    {"kernel_size": 1, "stride": 2, "ceil_mode": True},
    {"kernel_size": (13, 17)},
    {"kernel_size": 7, "stride": 1, "padding": 3},
]


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def layout(x, data_format):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if data_format == "channels_last" else x


@pytest.fixture(params=["max", "min"])
def extreme(request):
    """max_pool2d or min_pool2d, and its reference."""
    name = request.param
    return getattr(fastconv, f"{name}_pool2d"), getattr(reference, f"{name}_pool")


@pytest.fixture(params=["channels_first", "channels_last"])
def data_format(request):
    return request.param


# ---------------------------------------------------------------------------- known values


def test_max_by_hand():
    x = np.array([[[[1, 5, 2], [7, 3, 7], [0, 9, 4]]]], np.float32)
    values, indices = fastconv.max_pool2d(x, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values, [[[[7, 7], [9, 9]]]])
    np.testing.assert_array_equal(indices, [[[[3, 5], [7, 7]]]])
    grad = fastconv.max_pool2d_backward(np.ones_like(values), indices, x.shape)
    np.testing.assert_array_equal(grad, [[[[0, 0, 0], [1, 0, 1], [0, 2, 0]]]])


def test_average_by_hand():
    x = np.array([[[[1, 2], [3, 6]]]], np.float32)
    args = {"kernel_size": 2, "stride": 1, "padding": 1}
    y = fastconv.avg_pool2d(x, **args)
    np.testing.assert_array_equal(y, [[[[0.25, 0.75, 0.5], [1, 3, 2], [0.75, 2.25, 1.5]]]])
    y = fastconv.avg_pool2d(x, **args, count_include_pad=False)
    np.testing.assert_array_equal(y, [[[[1, 1.5, 2], [2, 3, 4], [3, 4.5, 6]]]])
    y = fastconv.avg_pool2d(x, **args, divisor_override=2)
    np.testing.assert_array_equal(y, [[[[0.5, 1.5, 1], [2, 6, 4], [1.5, 4.5, 3]]]])


def test_ceil_mode_by_hand():
    """The overhang never counts, and a window that would start behind the input is dropped."""
    x = np.arange(1, 6, dtype=np.float32).reshape(1, 1, 1, 5)
    y = fastconv.avg_pool2d(x, (1, 2), 2, ceil_mode=True)
    np.testing.assert_array_equal(y, [[[[1.5, 3.5, 5]]]])
    y = fastconv.avg_pool2d(x, (1, 2), 2, padding=((0, 0), (0, 1)), ceil_mode=True)
    np.testing.assert_array_equal(y, [[[[1.5, 3.5, 2.5]]]])
    assert fastconv.max_pool2d(x, 1, (1, 2), ceil_mode=True).shape == (1, 1, 1, 3)
    x = x[..., :4]
    assert fastconv.max_pool2d(x, 1, (1, 2), ceil_mode=True).shape == (1, 1, 1, 2)
    y = fastconv.max_pool2d(x[..., :2], (1, 3), (1, 3), padding=(0, 1), ceil_mode=True)
    np.testing.assert_array_equal(y, [[[[2]]]])


# --------------------------------------------------------------------- against the reference


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_max_and_min(dtype, geometry, data_format, extreme):
    function, exactly = extreme
    x = layout(np.rint(4 * numbers((2, 21, 13, 37), dtype)), data_format)
    args = {**geometry, "data_format": data_format}
    values, indices = function(x, **args, return_indices=True)
    expected = exactly(x, **args, return_indices=True)
    assert_exact(values, expected[0])
    assert_exact(indices, expected[1])
    assert indices.dtype == np.int64
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(function(x, **args), values)
    grad = numbers(values.shape, dtype, 1)
    got = fastconv.max_pool2d_backward(grad, indices, x.shape, data_format=data_format)
    exact = reference.max_pool_backward(grad, indices, x.shape, data_format=data_format)
    magnitude = reference.max_pool_backward(np.abs(grad), indices, x.shape, data_format=data_format)
    assert_within_contract(got, exact, magnitude)


@pytest.mark.parametrize("divide", [
    {}, {"count_include_pad": False}, {"divisor_override": 7}, {"divisor_override": -2},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_average(dtype, geometry, divide, data_format):
    x = layout(numbers((2, 21, 13, 37), dtype), data_format)
    args = {**geometry, **divide, "data_format": data_format}
    y = fastconv.avg_pool2d(x, **args)
    size = {**args, "divisor_override": abs(divide.get("divisor_override", 0)) or None}
    exact, magnitude = reference.avg_pool(x, **args), reference.avg_pool(np.abs(x), **size)
    assert_within_contract(y, exact, magnitude)
    assert y.flags.c_contiguous
    grad = numbers(y.shape, dtype, 1)
    got = fastconv.avg_pool2d_backward(grad, x.shape, **args)
    exact = reference.avg_pool_backward(grad, x.shape, **args)
    magnitude = reference.avg_pool_backward(np.abs(grad), x.shape, **size)
    assert_within_contract(got, exact, magnitude)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_wins_and_the_first_gives_the_index(dtype, data_format, extreme):
    function, exactly = extreme
    rng = np.random.default_rng(0)
    for density in (0.02, 0.3):
        x = numbers((2, 19, 17, 41), dtype)
        x[rng.random(x.shape) < density] = np.nan
        x[rng.random(x.shape) < 0.02] = np.inf
        x[rng.random(x.shape) < 0.02] = -np.inf
        x = layout(x, data_format)
        for geometry in GEOMETRIES:
            args = {**geometry, "data_format": data_format}
            values, indices = function(x, **args, return_indices=True)
            expected = exactly(x, **args, return_indices=True)
            assert_exact(values, expected[0], geometry)
            assert_exact(indices, expected[1], geometry)
            assert_exact(function(x, **args), expected[0], geometry)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("geometry", [
    {"kernel_size": k, "stride": s, "padding": p, "ceil_mode": True}
    for k in (2, 3) for s in (1, 2) for p in (0, 1)
], ids=str)  # fmt: skip
def test_no_single_nan_is_overlooked(dtype, geometry, extreme):
    """An image for each place in a plane, with one NaN there."""
    function, exactly = extreme
    height, width = 5, 39
    x = np.rint(4 * numbers((height * width, 1, height, width), dtype))
    x.reshape(height * width, -1)[np.diag_indices(height * width)] = np.nan
    assert_exact(function(x, **geometry), exactly(x, **geometry))


@pytest.mark.parametrize("shape", [(6, 7), (7, 6), (4, 5), (8, 9)])
def test_rows_of_padding_as_many_elements_as_columns_left_over(shape, extreme):
    """The padded plane then has as many elements as the plane itself, but lies otherwise."""
    function, exactly = extreme
    x = numbers((2, 3, *shape))
    for padding in [((0, 1), (0, 0)), ((0, 0), (0, 1)), ((1, 0), (0, 0))]:
        for stride in [(1, 2), (2, 1)]:
            assert_exact(function(x, 2, stride, padding), exactly(x, 2, stride, padding))
            y = fastconv.avg_pool2d(x, 2, stride, padding)
            exact = reference.avg_pool(x, 2, stride, padding)
            assert_within_contract(y, exact, reference.avg_pool(np.abs(x), 2, stride, padding))


def test_windows_of_infinities(extreme):
    """Padding is ignored: it must not win against an infinity, nor lend its index."""
    function, exactly = extreme
    for value in (-np.inf, np.inf):
        x = np.full((1, 3, 5, 35), value, np.float32)
        values, indices = function(x, 3, 2, 1, return_indices=True)
        expected = exactly(x, 3, 2, 1, return_indices=True)
        assert_exact(values, expected[0])
        assert_exact(indices, expected[1])


def test_ties_go_to_the_first_in_row_major_order(data_format, extreme):
    function, exactly = extreme
    for value in (0.0, -1.5, np.inf):
        x = layout(np.full((1, 5, 9, 40), value, np.float32), data_format)
        for geometry in GEOMETRIES:
            args = {**geometry, "data_format": data_format}
            if args["kernel_size"] == (13, 17):
                continue
            _, indices = function(x, **args, return_indices=True)
            _, expected = exactly(x, **args, return_indices=True)
            assert_exact(indices, expected, geometry)


# ------------------------------------------------------------------------------- arguments


def test_stride_defaults_to_the_kernel():
    x = numbers((1, 2, 12, 12))
    expected = fastconv.max_pool2d(x, (3, 2), (3, 2))
    for stride in (None, ()):
        np.testing.assert_array_equal(fastconv.max_pool2d(x, (3, 2), stride), expected)
        y = fastconv.avg_pool2d(x, (3, 2), stride)
        np.testing.assert_array_equal(y, fastconv.avg_pool2d(x, (3, 2), (3, 2)))


def test_positional_order_is_pytorchs():
    x = numbers((1, 2, 12, 12))
    one = fastconv.max_pool2d(x, 3, 2, 1, 2)
    other = fastconv.max_pool2d(x, kernel_size=3, stride=2, padding=1, dilation=2)
    np.testing.assert_array_equal(one, other)
    one = fastconv.avg_pool2d(x, 3, 2, 1, 2)
    other = fastconv.avg_pool2d(x, kernel_size=3, stride=2, padding=1, dilation=2)
    np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError):
        fastconv.max_pool2d(x, 3, 2, 1, 2, True)


def test_without_the_batch_axis(data_format):
    x = layout(numbers((1, 6, 9, 10)), data_format)
    args = {"kernel_size": 3, "stride": 2, "padding": 1, "data_format": data_format}
    values, indices = fastconv.max_pool2d(x, **args, return_indices=True)
    one = fastconv.max_pool2d(x[0], **args, return_indices=True)
    np.testing.assert_array_equal(one[0], values[0])
    np.testing.assert_array_equal(one[1], indices[0])
    y = fastconv.avg_pool2d(x, **args)
    np.testing.assert_array_equal(fastconv.avg_pool2d(x[0], **args), y[0])
    got = fastconv.max_pool2d_backward(y[0], indices[0], x[0].shape, data_format=data_format)
    expected = fastconv.max_pool2d_backward(y, indices, x.shape, data_format=data_format)
    np.testing.assert_array_equal(got, expected[0])
    got = fastconv.avg_pool2d_backward(y[0], x[0].shape, **args)
    np.testing.assert_array_equal(got, fastconv.avg_pool2d_backward(y, x.shape, **args)[0])


def test_empty_batch_and_no_channels():
    for shape in [(0, 3, 8, 8), (2, 0, 8, 8)]:
        x = np.zeros(shape, np.float32)
        values, indices = fastconv.max_pool2d(x, 2, return_indices=True)
        assert values.shape == indices.shape == fastconv.avg_pool2d(x, 2).shape
        assert values.shape == (*shape[:2], 4, 4)
        assert fastconv.max_pool2d_backward(values, indices, shape).shape == shape
        assert fastconv.avg_pool2d_backward(values, shape, 2).shape == shape


@pytest.mark.parametrize("view", WRITEABLE)
def test_out(view, data_format):
    x = layout(numbers((2, 5, 11, 23)), data_format)
    args = {"kernel_size": 3, "stride": 2, "padding": 1, "data_format": data_format}
    values, indices = fastconv.max_pool2d(x, **args, return_indices=True)
    grad = numbers(values.shape, seed=1)
    calls = [
        (fastconv.max_pool2d, (x,), args),
        (fastconv.min_pool2d, (x,), args),
        (fastconv.avg_pool2d, (x,), args),
        (fastconv.max_pool2d_backward, (grad, indices, x.shape), {"data_format": data_format}),
        (fastconv.avg_pool2d_backward, (grad, x.shape), args),
    ]
    for function, positional, keywords in calls:
        expected = function(*positional, **keywords)
        out = empty_view(expected.shape, np.float32, view)
        assert function(*positional, out=out, **keywords) is out
        np.testing.assert_array_equal(out, expected)


def test_out_overlapping_the_input():
    x = numbers((2, 3, 9, 10))
    args = {"kernel_size": 3, "stride": 1, "padding": 1}
    for function in (fastconv.max_pool2d, fastconv.min_pool2d, fastconv.avg_pool2d):
        expected = function(x, **args)
        own = x.copy()
        assert function(own, **args, out=own) is own
        np.testing.assert_array_equal(own, expected)
        storage = np.zeros(x.size + 5, np.float32)
        early, late = storage[:-5].reshape(x.shape), storage[5:].reshape(x.shape)
        for source, target in [(early, late), (late, early)]:
            source[...] = x
            function(source, **args, out=target)
            np.testing.assert_array_equal(target, expected)
    expected = fastconv.avg_pool2d_backward(x, x.shape, **args)
    own = x.copy()
    fastconv.avg_pool2d_backward(own, x.shape, **args, out=own)
    np.testing.assert_array_equal(own, expected)
    _, indices = fastconv.max_pool2d(x, **args, return_indices=True)
    expected = fastconv.max_pool2d_backward(x, indices, x.shape)
    own = x.copy()
    fastconv.max_pool2d_backward(own, indices, x.shape, out=own)
    np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("plain", "broadcast")])
def test_layout_in_memory_changes_nothing(view):
    x = numbers((2, 5, 12, 39))
    other = as_view(x, view)
    for geometry in GEOMETRIES[:9]:
        for one, two in zip(
            fastconv.max_pool2d(x, **geometry, return_indices=True),
            fastconv.max_pool2d(other, **geometry, return_indices=True),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
        y = fastconv.avg_pool2d(x, **geometry)
        np.testing.assert_array_equal(fastconv.avg_pool2d(other, **geometry), y)


def test_batch_and_threads_change_nothing():
    x = numbers((4, 33, 64, 65))
    args = {"kernel_size": 3, "stride": 2, "padding": 1}
    values, indices = fastconv.max_pool2d(x, **args, return_indices=True, num_threads=1)
    mean = fastconv.avg_pool2d(x, **args, num_threads=1)
    data = fastconv.max_pool2d_backward(values, indices, x.shape, num_threads=1)
    spread = fastconv.avg_pool2d_backward(mean, x.shape, **args, num_threads=1)
    other = fastconv.max_pool2d(x, **args, return_indices=True, num_threads=3)
    np.testing.assert_array_equal(other[0], values)
    np.testing.assert_array_equal(other[1], indices)
    np.testing.assert_array_equal(fastconv.avg_pool2d(x, **args, num_threads=3), mean)
    other = fastconv.max_pool2d_backward(values, indices, x.shape, num_threads=3)
    np.testing.assert_array_equal(other, data)
    other = fastconv.avg_pool2d_backward(mean, x.shape, **args, num_threads=3)
    np.testing.assert_array_equal(other, spread)
    for n in range(4):
        np.testing.assert_array_equal(fastconv.max_pool2d(x[n], **args), values[n])
        np.testing.assert_array_equal(fastconv.avg_pool2d(x[n], **args), mean[n])
        one = fastconv.avg_pool2d_backward(mean[n], x[n].shape, **args)
        np.testing.assert_array_equal(one, spread[n])


def test_long_averages_are_blocked():
    x = (np.random.default_rng(0).random((1, 2, 250, 251)) + 0.5).astype(np.float32)
    exact = reference.avg_pool(x, (250, 251))
    assert_within_contract(fastconv.avg_pool2d(x, (250, 251)), exact, exact)


def test_average_of_denormals():
    tiny = np.finfo(np.float32).smallest_subnormal
    x = np.full((1, 1, 4, 36), 8 * tiny, np.float32)
    np.testing.assert_array_equal(fastconv.avg_pool2d(x, 2), np.full((1, 1, 2, 18), 8 * tiny))


def test_average_does_not_lose_a_large_neighbour():
    """1e30 passes through no window but its own: averages must not come from running sums."""
    x = np.ones((1, 1, 6, 40), np.float32)
    x[0, 0, 0, 3] = 1e30
    exact = reference.avg_pool(x, 2, 1)
    assert_within_contract(fastconv.avg_pool2d(x, 2, 1), exact, reference.avg_pool(x, 2, 1))


def test_an_infinity_stays_in_its_windows():
    x = numbers((1, 2, 9, 40))
    x[0, 0, 4, 20], x[0, 1, 4, 21] = np.inf, np.nan
    for size in (2, 3, 5):
        exact = reference.avg_pool(x, size, 1)
        magnitude = reference.avg_pool(np.abs(np.nan_to_num(x, posinf=0)), size, 1)
        assert_within_contract(fastconv.avg_pool2d(x, size, 1), exact, magnitude)


def test_float16(data_format):
    x = layout(numbers((2, 21, 13, 37), np.float16), data_format)
    for geometry in GEOMETRIES:
        args = {**geometry, "data_format": data_format}
        values, indices = fastconv.max_pool2d(x, **args, return_indices=True)
        expected = reference.max_pool(x, **args, return_indices=True)
        assert values.dtype == np.float16
        assert_exact(values, expected[0])
        assert_exact(indices, expected[1])
        y = fastconv.avg_pool2d(x, **args)
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, reference.avg_pool(x, **args), rtol=2**-10, atol=1e-3)
