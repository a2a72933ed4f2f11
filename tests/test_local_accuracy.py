"""Accuracy: far from a bright pixel, results are as exact as their own neighbourhood allows.

Every algorithm, forward and backward_data, over random problems whose numbers have range: stars,
strips of no-data values, dark halves, clicks, zeros. Errors are judged by the largest sum of
magnitudes within two kernel lengths, and at least 16 results.
"""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.served import passes_served

PROMISE = {"f4": 1e-4, "f8": 1e-12}
LONGEST = {1: (4000, 500), 2: (90, 16), 3: (18, 5)}


def spoil(rng, kind, array):
    """Numbers of that kind, made of normal ones."""
    half = (..., slice(array.shape[-1] // 2))
    if kind == "star":
        array[tuple(rng.integers(n) for n in array.shape)] = 10 ** rng.uniform(2, 9)
    elif kind == "no data":
        array[..., : max(1, array.shape[-1] // 8)] = -9999
    elif kind == "dark":
        array[half] *= 10 ** rng.uniform(-6, -1)
    elif kind == "sparse":
        array *= rng.random(array.shape) < 0.02
        array[half] = 0
    elif kind == "clicks":
        array *= 10 ** np.clip(rng.standard_t(2, array.shape), -5, 8)
    return array


def problem(rng, rank):
    """Shapes of x and weight, and the geometry, of a random layer."""
    while True:
        longest, taps = LONGEST[rank]
        size = [int(n) for n in np.exp(rng.uniform(2, np.log(longest), rank))]
        kernel = [int(k) for k in np.exp(rng.uniform(0, np.log(taps), rank))]
        geometry = {
            "stride": [int(s) for s in rng.choice([1, 1, 1, 2, 3], rank)],
            "dilation": [int(d) for d in rng.choice([1, 1, 1, 2], rank)],
            "padding": [tuple(int(p) for p in rng.integers(0, k, 2)) for k in kernel],
            "groups": int(rng.choice([1, 1, 2])),
        }
        channels = int(rng.integers(1, 4))
        weight = (geometry["groups"] * int(rng.integers(1, 4)), channels, *kernel)
        x = (1, geometry["groups"] * channels, *size)
        try:
            fastconv.conv_output_shape(x, weight, **geometry)
        except ValueError:
            continue
        if np.prod(x) * np.prod(weight) < 2e7:
            return x, weight, geometry


def judge(got, exact, magnitude, reach, promise, context):
    """Assert that errors are within the promise of the largest magnitude near them."""
    window = [1, 1, *(2 * max(16, 2 * n) + 1 for n in reach)]
    near = maximum_filter(magnitude, size=window, mode="constant")
    wrong = np.argwhere(~(np.abs(got - exact) <= promise * near))
    assert not len(wrong), (context, wrong[0].tolist(), len(wrong))


@pytest.mark.parametrize("dtype", PROMISE)
@pytest.mark.parametrize("kind", ["star", "no data", "dark", "sparse", "clicks"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_errors_stay_near_what_makes_them(rank, kind, dtype):
    served = set()
    for seed in range(30):
        rng = np.random.default_rng((rank, seed))
        x_shape, weight_shape, geometry = problem(rng, rank)
        shape = fastconv.conv_output_shape(x_shape, weight_shape, **geometry)
        x = spoil(rng, kind, rng.standard_normal(x_shape)).astype(dtype)
        grad = spoil(rng, kind, rng.standard_normal(shape)).astype(dtype)
        weight = rng.standard_normal(weight_shape) + rng.choice([0, 2])
        weight = weight.astype(dtype)
        reach = [d * (k - 1) + 1 for d, k in zip(geometry["dilation"], weight_shape[2:])]
        calls = {"conv": (x, weight), "conv_backward_data": (grad, weight, x_shape)}
        for name, arrays in calls.items():
            sizes = [np.abs(a) if isinstance(a, np.ndarray) else a for a in arrays]
            exact = getattr(reference, name)(*arrays, **geometry)
            magnitude = getattr(reference, name)(*sizes, **geometry)
            which = "forward" if name == "conv" else "backward_data"
            for algorithm in ALGORITHMS:
                context = algorithm.name, name, x_shape, weight_shape, geometry
                options = {"method": algorithm.name, "precision": "high"}
                if which in passes_served(*context[:1], *context[2:4], dtype=dtype,
                                          precision="high", **geometry):  # fmt: skip
                    got = getattr(fastconv, name)(*arrays, **geometry, **options)
                    judge(got, exact, magnitude, reach, PROMISE[dtype], context)
                    served.add(algorithm.name)
    assert {"fft", "winograd", "direct", "depthwise"} <= served


def test_a_dark_image_beside_a_star_keeps_its_digits():
    """A star of 1e20 costs the outputs that see it; transforms give way to sums for the others."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 1, 20_000)).astype("f4")
    weight = rng.standard_normal((1, 1, 501)).astype("f4")
    alone = fastconv.conv1d(x, weight, method="fft")
    x[0, 0, 10_000] = 1e20
    beside = fastconv.conv1d(x, weight, method="fft")
    np.testing.assert_array_equal(beside[1], alone[1])
    far = np.r_[0:9_000, 11_000:19_500]
    error = np.abs(beside[0, 0, far] - reference.conv(x[:1], weight)[0, 0, far])
    assert error.max() < 1e-4 * 501


def test_where_everything_is_zero_results_are_zero():
    """A transform leaves noise there, which is cleared."""
    x = np.zeros((1, 1, 300, 300), "f4")
    x[..., 200:260, 210:280] = np.random.default_rng(0).random((60, 70))
    weight = np.ones((2, 1, 21, 21), "f4")
    y = fastconv.conv2d(x, weight, np.float32([0, 1]), padding=10, method="fft")
    np.testing.assert_array_equal(y[0, :, :150, :150].max(axis=(1, 2)), [0, 1])
    np.testing.assert_array_equal(y[0, :, :150, :150].min(axis=(1, 2)), [0, 1])
    assert y[0, 0, 220, 240] > 50


@pytest.mark.parametrize("planned", [False, True])
def test_threads_and_plans_change_nothing_where_tiles_give_way(planned):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 6, 90, 120)).astype("f4")
    x[0, 2, 40, 30] = 1e8
    weight = rng.standard_normal((40, 6, 11, 11)).astype("f4")
    expected = fastconv.conv2d(x, weight, method="fft", num_threads=1)
    if planned:
        plan = fastconv.plan_conv(x.shape, weight, method="fft")
        weight[:] = 0  # the plan has taken what it needs
        got = plan(x)
    else:
        got = fastconv.conv2d(x, weight, method="fft", num_threads=3)
    np.testing.assert_array_equal(got, expected)
