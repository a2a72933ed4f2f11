"""Bitwise: the same for any cut of the batch, number of threads and memory layout.

Over every algorithm of the registry, pass, rank and dtype, and over the poolings: numbers that
round, in problems that are large enough for several threads to share them.
"""

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing.cases import as_view
from fastconv.testing.checks import function_of
from fastconv.testing.served import passes_served

THREADS = (1, 2, 3, 7)
BATCH = 5
LENGTHS = {1: (1301,), 2: (29, 31), 3: (9, 10, 11)}
# Channels, filters, kernel length, and the rest of the arguments: more than three million
# operations each, below which a call stays on one thread.
GEOMETRIES = {
    "dense": (9, 18, 3, {"padding": 1}),
    "strided, channels last": (12, 24, 3, {"stride": 2, "data_format": "channels_last"}),
    "large kernel": (4, 8, 9, {"padding": "same"}),
    "depthwise": (96, 96, 3, {"padding": 1, "groups": 96}),
    "dilated groups": (16, 16, 3, {"dilation": 2, "groups": 2, "padding_mode": "reflect",
                                   "padding": 2}),
}  # fmt: skip
DTYPES = ["float32", "float64"]


def problems():
    """Every method, rank, dtype and geometry; what takes longest, or repeats, is marked slow."""
    for method in ["auto", *(a.name for a in ALGORITHMS)]:
        for rank in LENGTHS:
            for dtype in DTYPES:
                for name in GEOMETRIES:
                    often = name == "dense" or (
                        dtype == "float32" and (rank < 3 or name == "depthwise"))  # fmt: skip
                    often &= dtype == "float32" or rank == 2
                    often &= not (method == "winograd" and rank == 3 and name == "depthwise")
                    marks = () if often else pytest.mark.slow
                    yield pytest.param(method, rank, dtype, name, marks=marks)


every_problem = pytest.mark.parametrize(("method", "rank", "dtype", "geometry"), list(problems()))


def numbers(shape, dtype, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def shapes(rank, geometry):
    """Shapes of x and weight, and the arguments."""
    channels, filters, k, kwargs = GEOMETRIES[geometry]
    lengths, k = LENGTHS[rank], min(k, 5) if rank == 3 else k
    shape = (BATCH, channels, *lengths)
    if kwargs.get("data_format") == "channels_last":
        shape = (BATCH, *lengths, channels)
    return shape, (filters, channels // kwargs.get("groups", 1), *(k,) * rank), kwargs


def served(method, dtype, rank, geometry):
    """The passes of one problem that a method serves."""
    shape, weight_shape, kwargs = shapes(rank, geometry)
    return passes_served(method, shape, weight_shape, **kwargs, dtype=dtype, precision="high")


def problem(rank, geometry, dtype):
    """Arrays x, weight and the gradient of the output, and the arguments."""
    shape, weight_shape, kwargs = shapes(rank, geometry)
    x, weight = numbers(shape, dtype, 0), numbers(weight_shape, dtype, 1)
    y = function_of("conv", rank)(x, weight, **kwargs, method="direct")
    return x, weight, numbers(y.shape, dtype, 2), kwargs


@every_problem
@pytest.mark.served(by=served)
def test_conv(method, dtype, rank, geometry):
    """Forward, and the gradients of the data and of the weight (of each image)."""
    x, weight, grad, kwargs = problem(rank, geometry, dtype)
    options = {**kwargs, "method": method, "precision": "high"}

    def forward(part, **more):
        return function_of("conv", rank)(x[part], weight, **options, **more)

    def backward_data(part, **more):
        shape = (len(grad[part]), *x.shape[1:])
        return function_of("conv_backward_data", rank)(grad[part], weight, shape, **options, **more)

    def backward_weight(part, **more):
        return function_of("conv_backward_weight", rank)(
            grad[part], x[part], weight.shape, per_sample=True, **options, **more
        )

    passes = {"forward": forward, "backward_data": backward_data}
    passes["backward_weight"] = backward_weight
    for name in served(method, dtype, rank, geometry):
        run = passes[name]
        whole = run(slice(None), num_threads=1)
        for threads in THREADS[1:]:
            np.testing.assert_array_equal(run(slice(None), num_threads=threads), whole)
        parts = [run(slice(0, 2), num_threads=2), run(slice(2, BATCH), num_threads=3)]
        np.testing.assert_array_equal(np.concatenate(parts), whole, err_msg=name)
        for n in (0, BATCH - 1):
            np.testing.assert_array_equal(run(slice(n, n + 1), num_threads=2), whole[n : n + 1])


@every_problem
@pytest.mark.served(by=lambda method, dtype, rank, geometry: (
    {"forward", "backward_weight"} & set(served(method, dtype, rank, geometry))
))
def test_summed_weight_gradient_and_layouts(method, dtype, rank, geometry):
    """The gradient that is summed over the batch, for any threads; and views of every kind."""
    x, weight, grad, kwargs = problem(rank, geometry, dtype)
    options = {**kwargs, "method": method, "precision": "high"}

    def forward(x, weight, grad, **more):
        return function_of("conv", rank)(x, weight, **options, **more)

    def backward(x, weight, grad, **more):
        run = function_of("conv_backward_weight", rank)
        return run(grad, x, weight.shape, **options, **more)

    for name, run in (("forward", forward), ("backward_weight", backward)):
        if name not in served(method, dtype, rank, geometry):
            continue
        whole, rng = run(x, weight, grad, num_threads=1), np.random.default_rng(0)
        for threads in THREADS[1:]:
            got = run(x, weight, grad, num_threads=threads)
            np.testing.assert_array_equal(got, whole)
        for view in ("misaligned", "slice", "fortran", "swapped"):
            given = [as_view(a, view, rng) for a in (x, weight, grad)]
            np.testing.assert_array_equal(run(*given), whole, err_msg=view)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float16", "complex64", "complex128", "int8", "int64", "bool"])
def test_conv_of_other_dtypes(dtype, rank):
    x, weight, _, kwargs = problem(rank, "dense", "float64")
    if np.dtype(dtype).kind == "c":
        x, weight = x + 1j * x[::-1], weight - 1j * weight[::-1]
    elif np.dtype(dtype).kind in "iu":
        x, weight = np.rint(5 * x), np.rint(5 * weight)
    x, weight = x.astype(dtype), weight.astype(dtype)
    conv = function_of("conv", rank)
    whole = conv(x, weight, **kwargs, num_threads=1)
    for threads in THREADS[1:]:
        np.testing.assert_array_equal(conv(x, weight, **kwargs, num_threads=threads), whole)
    for n in range(BATCH):
        np.testing.assert_array_equal(conv(x[n], weight, **kwargs, num_threads=2), whole[n])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_conv_transpose(dtype, rank, stride):
    x = numbers((BATCH, 8, *LENGTHS[rank]), dtype, 0)
    weight = numbers((8, 6, *(3,) * rank), dtype, 1)
    transpose = function_of("conv_transpose", rank)
    options = {"stride": stride, "padding": 1, "precision": "high"}
    whole = transpose(x, weight, **options, num_threads=1)
    for threads in THREADS[1:]:
        np.testing.assert_array_equal(transpose(x, weight, **options, num_threads=threads), whole)
    for n in range(BATCH):
        np.testing.assert_array_equal(transpose(x[n], weight, **options, num_threads=2), whole[n])


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64", "bool"])
def test_poolings(dtype, rank, data_format):
    shape = (BATCH, 70, *LENGTHS[rank])
    if data_format == "channels_last":
        shape = (BATCH, *LENGTHS[rank], 70)
    x = np.rint(9 * numbers(shape, "float64", 0)) if np.dtype(dtype).kind in "biu" else (
        numbers(shape, "float64", 0))  # fmt: skip
    x = x.astype(dtype)
    layout = {"data_format": data_format}
    window = {"kernel_size": 3, "stride": 1, "padding": 1, **layout}
    long = {"kernel_size": (*(2,) * (rank - 1), 11), "stride": 1, **layout}
    runs = {
        "max_pool": ((), window),
        "max_pool, long": ((), long),
        "max_pool, indices": ((), window | {"return_indices": True}),
        "min_pool": ((), window),
        "avg_pool": ((), window),
        "avg_pool, long": ((), long),
        "lp_pool": ((3,), window),
        "adaptive_avg_pool": ((7,), layout),
        "adaptive_max_pool": ((7,), layout),
    }

    def equal(got, expected):
        pair = ((got,), (expected,)) if isinstance(got, np.ndarray) else (got, expected)
        for one, other in zip(*pair, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)

    def image(result, n):
        return result[n] if isinstance(result, np.ndarray) else tuple(a[n] for a in result)

    for name, (args, options) in runs.items():
        run = function_of(name.partition(",")[0], rank)
        whole = run(x, *args, **options, num_threads=1)
        for threads in THREADS[1:]:
            equal(run(x, *args, **options, num_threads=threads), whole)
        for n in (0, BATCH - 1):
            equal(run(x[n], *args, **options, num_threads=2), image(whole, n))
    for function in (fastconv.global_avg_pool, fastconv.global_max_pool):
        name = function.__name__
        whole = function(x, **layout, num_threads=1)
        for threads in THREADS[1:]:
            equal(function(x, **layout, num_threads=threads), whole)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_pooling_gradients(dtype, rank):
    x = numbers((BATCH, 70, *LENGTHS[rank]), dtype, 0)
    window = {"kernel_size": 3, "stride": 1, "padding": 1}
    values, indices = function_of("max_pool", rank)(x, **window, return_indices=True)
    grad, small = numbers(values.shape, dtype, 1), numbers((BATCH, 70, *(7,) * rank), dtype, 2)
    runs = {
        "max_pool_backward": lambda p, shape: ((grad[p], indices[p], shape), {}),
        "avg_pool_backward": lambda p, shape: ((grad[p], shape), window),
        "lp_pool_backward": lambda p, shape: ((grad[p], x[p], 3), window),
        "adaptive_avg_pool_backward": lambda p, shape: ((small[p], shape), {}),
    }
    for name, arguments in runs.items():
        run = function_of(name, rank)
        args, kwargs = arguments(slice(None), x.shape)
        whole = run(*args, **kwargs, num_threads=1)
        for threads in THREADS[1:]:
            np.testing.assert_array_equal(
                run(*args, **kwargs, num_threads=threads), whole, err_msg=name
            )
        for part in (slice(0, 2), slice(4, 5)):
            args, kwargs = arguments(part, (len(x[part]), *x.shape[1:]))
            got = run(*args, **kwargs, num_threads=2)
            np.testing.assert_array_equal(got, whole[part], err_msg=name)
