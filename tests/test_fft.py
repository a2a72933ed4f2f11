"""One algorithm: the FFT's tiles, accuracy and refusals, and results of one image alone.

All other tests iterate the registry, and so cover it too.
"""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv._call import conv as calls
from fastconv._desc.geometry import geometry as windows_of
from fastconv.testing import reference
from fastconv.testing.cases import ConvCase
from fastconv.testing.contract import assert_within_contract

HOW = {"method": "fft", "precision": "high"}


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def call(which, *arrays, precision="high", method="fft", per_sample=False, **geometry):
    """One pass of any rank, by FFT unless said otherwise."""
    windows = windows_of("conv", None, **geometry)
    options = {"precision": precision, "method": method, "max_workspace": None,
               "num_threads": None, "out": None}  # fmt: skip
    if which == "forward":
        return calls.forward(windows, *arrays, None, activation=None, residual=None, **options)
    if which == "backward_data":
        return calls.backward_data(windows, *arrays, **options)
    return calls.backward_weight(windows, *arrays, per_sample=per_sample, **options)


REFERENCES = {
    "forward": reference.conv,
    "backward_data": reference.conv_backward_data,
    "backward_weight": reference.conv_backward_weight,
}


def check(case, dtype, seed=0):
    """Every pass of one case against the reference; the number of passes that were served."""
    x, weight = numbers(case.x_shape, dtype, seed), numbers(case.weight_shape, dtype, seed + 1)
    grad = numbers(case.output_shape, dtype, seed + 2)
    served = 0
    for which, arrays in [
        ("forward", (x, weight)),
        ("backward_data", (grad, weight, case.x_shape)),
        ("backward_weight", (grad, x, case.weight_shape)),
    ]:
        try:
            got = call(which, *arrays, **case.geometry)
        except ValueError as error:
            if "method='fft'" not in str(error):
                raise
            continue
        exact = REFERENCES[which](*arrays, **case.geometry)
        assert_within_contract(got, exact, None, tier="high", context=(which, case))
        served += 1
    return served


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_rank_and_pass(rank, dtype):
    served = sum(check(ConvCase.draw(seed, rank=rank), dtype, seed) for seed in range(150))
    assert served > 150


# Several tiles, in one step and in two, on lattices of stride and dilation.
TILED = [
    ((1, 1, 300, 411), (1, 1, 31, 27), {"padding": (15, 13)}),
    ((2, 3, 200, 97), (5, 3, 9, 14), {"padding": 5, "padding_mode": "reflect"}),
    ((1, 30, 90, 101), (26, 30, 7, 7), {"padding": 3}),
    ((1, 96, 101, 26), (28, 26, 7, 7), {"data_format": "channels_last", "flip": True}),
    ((1, 4, 150, 130), (6, 2, 15, 11), {"groups": 2, "stride": (2, 3), "padding": 9}),
    ((1, 2, 150, 130), (3, 2, 8, 9), {"dilation": (3, 4), "padding_mode": "circular",
                                      "padding": 20}),
    ((1, 2, 160, 131), (3, 2, 8, 9), {"dilation": (6, 2), "stride": (4, 3)}),
    ((1, 2, 90, 400), (2, 2, 1, 41), {"padding": (0, 20)}),
    ((1, 2, 400, 90), (2, 2, 41, 1), {"padding_mode": "symmetric", "padding": (20, 0)}),
    ((1, 2, 90_000), (3, 2, 700), {"padding": 350, "padding_mode": "replicate"}),
    ((1, 3, 40, 41, 42), (2, 3, 7, 6, 9), {"padding": 3}),
]  # fmt: skip


@pytest.mark.parametrize("which", REFERENCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("problem", TILED, ids=str)
def test_tiles(problem, dtype, which):
    """Against direct sums in float64, which other tests hold to the reference."""
    x_shape, weight_shape, geometry = problem
    rest = {k: v for k, v in geometry.items() if k in ("data_format",)}
    names = ("stride", "padding", "dilation", "groups")
    sizes = {k: v for k, v in geometry.items() if k in names}
    y_shape = fastconv.conv_output_shape(x_shape, weight_shape, **sizes, **rest)
    x, weight = numbers(x_shape, dtype), numbers(weight_shape, dtype, 1)
    grad = numbers(y_shape, dtype, 2)
    arrays = {"forward": (x, weight), "backward_data": (grad, weight, x_shape),
              "backward_weight": (grad, x, weight_shape)}[which]  # fmt: skip
    got = call(which, *arrays, **geometry)
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arrays]
    exact = call(which, *wide, precision="highest", method="direct", **geometry)
    assert got.dtype == dtype
    assert_within_contract(got, exact, None, tier="high", context=problem)


def test_epilogue_is_everyones():
    """Bias, residual and activation, in both layouts, with and without gaps between outputs."""
    for data_format, dilation in [("channels_first", 1), ("channels_last", 1),
                                  ("channels_first", 3), ("channels_last", 3)]:  # fmt: skip
        shape = (2, 5, 33, 40) if data_format == "channels_first" else (2, 33, 40, 5)
        x, weight, bias = numbers(shape), numbers((7, 5, 5, 5), seed=1), numbers(7, seed=2)
        keys = {"dilation": dilation, "padding": 4, "data_format": data_format}
        y_shape = fastconv.conv_output_shape(shape, weight.shape, **keys)
        residual = numbers(y_shape, seed=3)
        for activation in (None, "relu", "sigmoid", ("clip", -1, 2)):
            keys |= {"activation": activation, "residual": residual}
            got = fastconv.conv2d(x, weight, bias, **keys, **HOW)
            want = fastconv.conv2d(x, weight, bias, **keys, method="direct")
            assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("channels", [1, 7, 64, 512])
@pytest.mark.parametrize("kernel", [3, 9, 31])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accuracy(dtype, kernel, channels):
    """The promise of "high", with the sums of many channels."""
    filters = 3 if channels > 64 else 5
    x = numbers((1, channels, 48, 50), dtype)
    weight = numbers((filters, channels, kernel, kernel), dtype, 1)
    got = fastconv.conv2d(x, weight, padding=kernel // 2, **HOW)
    exact = fastconv.conv2d(x.astype(float), weight.astype(float), padding=kernel // 2,
                            precision="highest", method="direct")  # fmt: skip
    assert_within_contract(got, exact, None, tier="high", dtype=dtype)


# -------------------------------------------------------------------- one image, one result


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_batch_and_threads_change_nothing(batch, threads, seed):
    rng = np.random.default_rng(seed)
    channels, filters = rng.integers(1, 5, 2)
    length, width = rng.integers(20, 90, 2)
    kernel = tuple(rng.integers(2, 9, 2))
    x = numbers((batch, channels, length, width), seed=seed)
    weight = numbers((filters, channels, *kernel), seed=seed + 1)
    whole = fastconv.conv2d(x, weight, num_threads=threads, **HOW)
    grad = numbers(whole.shape, seed=seed + 2)
    data = fastconv.conv2d_backward_data(grad, weight, x.shape, num_threads=threads, **HOW)
    of_weight = fastconv.conv2d_backward_weight(
        grad, x, weight.shape, per_sample=True, num_threads=threads, **HOW)  # fmt: skip
    for n in range(batch):
        alone = fastconv.conv2d(x[n].copy(), weight, num_threads=1, **HOW)
        np.testing.assert_array_equal(whole[n], alone)
        alone = fastconv.conv2d_backward_data(grad[n], weight, x[n].shape, num_threads=1, **HOW)
        np.testing.assert_array_equal(data[n], alone)
        alone = fastconv.conv2d_backward_weight(grad[n], x[n], weight.shape, num_threads=1, **HOW)
        np.testing.assert_array_equal(of_weight[n], alone)


@pytest.mark.parametrize("shapes", [((1, 1, 500, 500), (1, 1, 31, 31)),
                                    ((1, 40, 90, 90), (40, 40, 9, 9))], ids=str)  # fmt: skip
def test_threads_and_strides_change_nothing_in_tiles(shapes):
    """Work over the limit below which a call stays on one thread; fused, and in two steps."""
    x, weight = numbers(shapes[0]), numbers(shapes[1], seed=1)
    y = fastconv.conv2d(x, weight, num_threads=1, **HOW)
    for threads in (2, 3, 8):
        got = fastconv.conv2d(x, weight, num_threads=threads, **HOW)
        np.testing.assert_array_equal(got, y)
    shifted = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)[..., 1::2]
    shifted[...] = x
    np.testing.assert_array_equal(fastconv.conv2d(shifted, weight, **HOW), y)
    gradients = [
        fastconv.conv2d_backward_weight(y, x, weight.shape, num_threads=threads, **HOW)
        for threads in (1, 2, 5)
    ]
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, gradients[0])


def test_plan_keeps_spectra_and_serves_threads():
    weight = numbers((3, 2, 9, 9), seed=1)
    plan = fastconv.plan_conv((1, 2, 60, 70), weight, **HOW)
    assert plan.method == "fft"
    x = numbers((6, 2, 60, 70))
    expected = fastconv.conv2d(x, weight, **HOW)
    results = [None] * 6

    def work(n):
        results[n] = plan(x[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.stack(results), expected)


# -------------------------------------------------------------------------- special values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", ["nan", "inf", "huge", "tiny"])
def test_an_image_that_cannot_be_transformed_is_summed_directly(value, dtype):
    """It alone: the others of the batch stay as they were, bit for bit."""
    info = np.finfo(dtype)
    x, weight = numbers((3, 2, 40, 41), dtype), numbers((4, 2, 7, 7), dtype, 1)
    before = fastconv.conv2d(x, weight, **HOW)
    if value == "tiny":
        x[1] *= info.tiny
    else:
        x[1, 1, 20, 20] = {"nan": np.nan, "inf": -np.inf, "huge": info.max}[value]
    direct = fastconv.conv2d(x, weight, method="direct")
    got = fastconv.conv2d(x, weight, **HOW)
    np.testing.assert_array_equal(got[1], direct[1])
    np.testing.assert_array_equal(got[::2], before[::2])

    grad = numbers(got.shape, dtype, 2)
    before = fastconv.conv2d_backward_weight(grad, np.nan_to_num(x), weight.shape,
                                             per_sample=True, **HOW)  # fmt: skip
    each = fastconv.conv2d_backward_weight(grad, x, weight.shape, per_sample=True, **HOW)
    direct = fastconv.conv2d_backward_weight(grad, x, weight.shape, per_sample=True,
                                             method="direct")  # fmt: skip
    np.testing.assert_array_equal(each[::2], before[::2])
    assert_within_contract(each[1], direct[1].astype(np.float64), None, tier="high", dtype=dtype)
    total = fastconv.conv2d_backward_weight(grad, x, weight.shape, **HOW)
    summed = fastconv.conv2d_backward_weight(grad, x, weight.shape, method="direct")
    np.testing.assert_array_equal(np.isnan(total), np.isnan(summed))
    np.testing.assert_array_equal(np.isinf(total), np.isinf(summed))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_weights_that_cannot_be_transformed(value):
    x, weight = numbers((2, 2, 20, 21)), numbers((3, 2, 5, 5), seed=1)
    weight[1, 1, 2, 2] = value
    got = fastconv.conv2d(x, weight, padding=2, **HOW)
    np.testing.assert_array_equal(got, fastconv.conv2d(x, weight, padding=2, method="direct"))


def test_a_zero_image_is_zero():
    assert not fastconv.conv2d(np.zeros((1, 1, 50, 50), np.float32),
                               np.ones((1, 1, 9, 9), np.float32), **HOW).any()  # fmt: skip


# ------------------------------------------------------------------- memory, time, refusals


def test_refusals():
    for x_shape, weight_shape, stride in [((1, 3, 9, 9), (4, 3, 1, 1), 1),
                                          ((1, 3, 9, 9), (4, 3, 2, 2), 2),
                                          ((1, 0, 9, 9), (4, 0, 3, 3), 1)]:  # fmt: skip
        with pytest.raises(ValueError, match=r"^conv2d: method='fft' (finds no two taps|has no)"):
            fastconv.conv2d(np.ones(x_shape, np.float32), np.ones(weight_shape, np.float32),
                            stride=stride, **HOW)  # fmt: skip
    with pytest.raises(ValueError, match="promise only"):
        fastconv.conv2d(np.ones((1, 1, 9, 9)), np.ones((1, 1, 3, 3)), method="fft")


def test_scratch_memory_does_not_grow_with_the_signal():
    """A kernel much shorter than the signal is transformed in tiles."""
    needed = [
        next(row["workspace_bytes"] for row in fastconv.explain((1, 1, n), (1, 1, 1000))
             if row["method"] == "fft")
        for n in (10**6, 10**7, 10**8)
    ]  # fmt: skip
    assert max(needed) <= 1.5 * min(needed)
    assert max(needed) < 64 << 20


def test_ctrl_c_is_heard(run_python):
    """Within a second of work on each thread, and threads of its own come home."""
    run_python("""
        import signal, threading, time
        import numpy as np
        import fastconv
        x = np.ones((1, 1, 6000, 6000), np.float32)
        weight = np.ones((1, 1, 201, 201), np.float32)
        sent, start = [], time.process_time()

        def interrupt():
            while time.process_time() < start + 0.7:  # so that the call is in its midst
                time.sleep(0.01)
            sent.append(time.process_time())
            signal.raise_signal(signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            while True:
                fastconv.conv2d(x, weight, method="fft", num_threads=2)
        except KeyboardInterrupt:
            assert time.process_time() - sent[0] < 2 * 1.5
        while threading.active_count() > 2:  # or for ever, which ends the process as a failure
            time.sleep(0.05)
    """)


def test_a_thousand_taps_on_a_million_samples_take_a_moment():
    x, weight = numbers((1, 1, 1 << 20)), numbers((1, 1, 1000), seed=1)
    plan = fastconv.plan_conv(x.shape, weight, **HOW)
    start = time.process_time()
    plan(x)
    assert time.process_time() - start < 2
