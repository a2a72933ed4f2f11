"""Choice: sure cases, what it may look at, and whether it finds the fastest."""

import time

import numpy as np
import pytest

import fastconv
from fastconv import _select
from fastconv._call import conv as call
from fastconv._call.explanation import duration, size
from fastconv._desc.geometry import geometry as windows_of
from fastconv._select import ALGORITHMS
from fastconv.testing.shapes import CONV_SHAPES


def chosen(x_shape, weight_shape, **arguments):
    rows = fastconv.explain(x_shape, weight_shape, **arguments)
    return next(row["method"] for row in rows if row["verdict"] == "chosen")


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
def test_a_large_kernel_on_one_channel_is_transformed(which):
    shapes = (1, 1, 2048, 2048), (1, 1, 101, 101)
    assert chosen(*shapes, padding=50, which=which) == "fft"
    assert chosen(*shapes, padding=50, which=which, precision="highest") != "fft"
    # the default of float64 is "highest", but not at any price
    assert chosen(*shapes, padding=50, which=which, dtype="float64") == "fft"
    assert chosen(*shapes, padding=50, which=which, dtype="float64", precision="highest") != "fft"
    assert chosen(*shapes, padding=50, which=which, dtype="float64", precision="high") == "fft"
    assert chosen(*shapes, padding=50, which=which, max_workspace=1000) != "fft"


def test_defaults_have_patience():
    """Direct sums of float64 by default, unless a transform is many times as fast."""
    short, long = (1, 1, 63), (1, 1, 20_001)
    for kernel, by_default in ((short, ("depthwise", "direct")), (long, ("fft",))):
        options = {"padding": kernel[-1] // 2, "dtype": "float64"}
        assert chosen((1, 1, 1 << 18), kernel, **options) in by_default
        for tier in ("highest", "high"):
            with fastconv.precision(tier):
                got = chosen((1, 1, 1 << 18), kernel, **options)
            assert got != "fft" if tier == "highest" else got in ("fft", *by_default)
    said = fastconv.explain((1, 1, 1 << 18), long, **options).head.splitlines()[-1]
    assert said.startswith("By default the promise gives way: d")
    assert "times as long" in said


def test_explain_says_what_a_weaker_promise_would_permit():
    said = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, dtype="float64").head
    assert "precision='high' would permit winograd, which would be " in said
    assert said.endswith(" times as fast.")
    for options in ({"precision": "high"}, {"method": "direct"}):
        said = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, dtype="float64",
                                **options).head
        assert "would permit" not in said
    said = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1, method="sliding").head
    assert "times as fast." in said


@pytest.mark.parametrize("largest", [99, 1 << 20])
@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
def test_transformed_integers_are_exact(which, largest):
    """By a transform where that is exact, else not: 2^20 times 2^20 in long sums is too much."""
    rng = np.random.default_rng(0)
    x = rng.integers(-largest, largest, (1, 1, 40_000))
    w = rng.integers(-largest, largest, (1, 1, 16_001))
    grad = rng.integers(-largest, largest, (1, 1, 40_000))
    desc_of = {"padding": 8_000}
    assert chosen(x.shape, w.shape, **desc_of, dtype="int64", which=which) == "fft"
    if which == "forward":
        got = fastconv.conv1d(x, w, **desc_of)[0, 0]
        expected = np.correlate(x[0, 0], w[0, 0], "same")
    elif which == "backward_data":
        got = fastconv.conv1d_backward_data(grad, w, x.shape, **desc_of)[0, 0]
        expected = np.convolve(grad[0, 0], w[0, 0], "same")
    else:
        got = fastconv.conv1d_backward_weight(grad, x, w.shape, **desc_of)[0, 0]
        expected = np.correlate(np.pad(x[0, 0], 8_000), grad[0, 0], "valid")
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, expected)


def test_a_long_filter_on_a_long_signal_is_transformed():
    assert chosen((1, 1, 1 << 20), (1, 1, 4001)) == "fft"
    assert chosen((1, 1, 1 << 20), (1, 1, 5)) != "fft"


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
@pytest.mark.parametrize("name", ["vgg16.conv3_2", "resnet50.conv3_x.3x3", "image.1024.3x3",
                                  "mobilenet_v1.conv2_1.dw", "resnet50.conv2_x.1x1b"])  # fmt: skip
def test_small_kernels_are_not(name, which):
    shape = CONV_SHAPES[name]
    got = chosen(shape.input_shape(), shape.weight_shape, **shape.kwargs(), which=which)
    assert got not in ("fft", "sliding")


def test_nothing_to_add_up():
    """Estimates divide by what a layer of no channels has none of."""
    for shapes in [((1, 0, 8, 8), (4, 0, 3, 3)), ((0, 3, 8, 8), (4, 3, 3, 3)),
                   ((1, 3, 8, 8), (0, 3, 3, 3))]:  # fmt: skip
        assert chosen(*shapes) in ("direct", "depthwise")


def test_huge_shapes_are_estimated_without_arrays():
    for x_shape, weight_shape in [((1, 512, 10**4, 10**4), (512, 512, 3, 3)),
                                  ((1, 1, 2**40), (1, 1, 2**20)),
                                  ((1, 1, 2**20, 2**20, 2**10), (1, 1, 99, 99, 99))]:  # fmt: skip
        rows = fastconv.explain(x_shape, weight_shape)
        for row in rows:
            assert row["estimated_seconds"] is None or 0 < row["estimated_seconds"] < np.inf
        assert [row["verdict"] for row in rows].count("chosen") == 1


def test_estimates_are_of_the_whole_batch_and_printed():
    one = fastconv.explain((1, 8, 30, 30), (8, 8, 3, 3))
    four = fastconv.explain((4, 8, 30, 30), (8, 8, 3, 3))
    for a, b in zip(one, four, strict=True):
        if a["reason"] is not None:
            continue
        assert b["estimated_seconds"] == pytest.approx(4 * a["estimated_seconds"])
    assert "estimated" in str(one).splitlines()[-len(one) - 1]
    assert duration(one[0]["estimated_seconds"]) in str(one).splitlines()[-len(one)]


def test_units():
    assert [duration(s) for s in (None, 0.0, 1.234e-6, 9.994e-4, 9.996e-4, 0.5, 1.5, 1234.0)] == [
        "-", "0 us", "1.23 us", "999 us", "1 ms", "500 ms", "1.5 s", "1234 s"]  # fmt: skip
    assert [size(n) for n in (0, 1023, 1024, 1536, 5 << 20, 3 << 30, 2048 << 30)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 GiB", "2048.0 GiB"]  # fmt: skip


def test_the_least_estimate_is_chosen():
    for shape in CONV_SHAPES.values():
        rows = fastconv.explain(shape.input_shape(), shape.weight_shape, **shape.kwargs())
        able = [row for row in rows if row["verdict"] != "refused"]
        best = min(able, key=lambda row: row["estimated_seconds"])
        assert next(row for row in rows if row["verdict"] == "chosen") is best, shape


def test_the_choice_is_kept(monkeypatch):
    """A description asks the models once, so that small calls do not pay for them."""
    asked = []

    def counted(algorithm):
        def supports(desc, which):
            asked.append(algorithm.name)
            return algorithm.supports(desc, which)

        return algorithm._replace(supports=supports)

    monkeypatch.setattr(_select, "ALGORITHMS", tuple(map(counted, ALGORITHMS)))
    # Shapes that no other test has, so that nothing of them is known before.
    x, weight = np.ones((1, 1, 8, 1009), np.float32), np.ones((1, 1, 3, 3), np.float32)
    for _ in range(100):
        fastconv.conv2d(x, weight)
    assert sorted(asked) == sorted(a.name for a in ALGORITHMS
                                   if "forward" in a.passes and a.tier != "medium")


def sweep():
    """Named layers, single-channel images and signals, as (name, x, weight, arguments)."""
    for name, shape in CONV_SHAPES.items():
        if shape.flops() < 2e9:
            yield name, shape.input_shape(), shape.weight_shape, shape.kwargs()
    same = {"stride": 1, "dilation": 1, "groups": 1}
    for length in (128, 512, 1024):
        for k in (3, 7, 11, 21, 31, 45, 63):
            shapes = (1, 1, length, length), (1, 1, k, k)
            yield f"image {length} {k}x{k}", *shapes, same | {"padding": k // 2}
    for length in (1 << 12, 1 << 16, 1 << 20):
        for k in (9, 65, 257, 1025):
            yield f"signal {length} {k}", (1, 1, length), (1, 1, k), same | {"padding": k // 2}


@pytest.mark.slow
def test_auto_is_within_a_tenth_of_the_best():
    """On one thread, each method called as often as a tenth of a second allows.

    Measured by that thread's own clock, which stands still while others have its core.
    Where the fastest is missed by more, it may be noise; so the test allows for twice as many
    misses as the project's target does, which is 95 %.
    """
    missed, total = [], 0
    rng = np.random.default_rng(0)
    for name, x_shape, weight_shape, geometry in sweep():
        x = rng.standard_normal(x_shape, np.float32)
        weight = rng.standard_normal(weight_shape, np.float32)
        rows = fastconv.explain(x_shape, weight_shape, **geometry)
        least = min(row["estimated_seconds"] for row in rows if row["reason"] is None)
        seconds = {
            row["method"]: np.inf for row in rows
            # what is expected to be far too slow is not waited for
            if row["reason"] is None and row["estimated_seconds"] < 8 * least
        }  # fmt: skip
        stop = time.perf_counter() + 0.1
        while time.perf_counter() < stop or np.inf in seconds.values():
            for method in seconds:
                start = time.thread_time()
                call.forward(windows_of("conv", None, **geometry), x, weight, None,
                             activation=None, residual=None, precision="high", method=method,
                             max_workspace=None, num_threads=1, out=None)  # fmt: skip
                seconds[method] = min(seconds[method], time.thread_time() - start)
        auto = next(row["method"] for row in rows if row["verdict"] == "chosen")
        total += 1
        if seconds[auto] > 1.1 * min(seconds.values()):
            missed.append((name, auto, {m: f"{s * 1e3:.3f} ms" for m, s in seconds.items()}))
    print(f"{total - len(missed)} of {total} within 10 % of the best", *missed, sep="\n")
    assert len(missed) <= 0.1 * total, missed


def test_every_algorithm_estimates_a_positive_time():
    for algorithm in ALGORITHMS:
        for which in algorithm.passes:
            # a layer for all, kernels as large as the image, larger, and half outside of it
            for x_shape, weight_shape, padding in (
                [(1, 32, 40, 40), (32, 32, 3, 3), 0], [(1, 4, 9, 9), (8, 4, 9, 9), 0],
                [(1, 4, 9, 9), (8, 4, 40, 40), 39], [(1, 4, 1, 9), (8, 4, 6, 3), (3, 1)],
            ):  # fmt: skip
                rows = fastconv.explain(
                    x_shape, weight_shape, padding=padding, which=which, precision="medium")
                row = next(row for row in rows if row["method"] == algorithm.name)
                if row["estimated_seconds"] is not None:
                    break
            assert row["estimated_seconds"] > 0
            assert row["estimated_efficiency"] > 0
