"""Memory: what is used, what is given back, and what happens when there is none."""

import importlib.util
import sys

import numpy as np
import pytest

import fastconv
from fastconv import _fallback, _select
from fastconv._algorithms import fft, inner_product, swapped, winograd
from fastconv.testing.served import methods, record_of, serves

linux = pytest.mark.needs(sys.platform == "linux", "the accounts and limits of Linux")

CALLS = """
    import gc, resource, sys
    import numpy as np
    import fastconv

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 12, 13)).astype("f4"), np.ones((8, 6, 3, 3), np.float32)
    y = fastconv.conv2d(x, w)
    big = x.astype(">f8")
    values, indices = fastconv.max_pool2d(x, 2, return_indices=True)
    good = [
        lambda: fastconv.conv2d(x, w, padding=1, padding_mode="reflect"),
        lambda: fastconv.conv2d(big[..., ::-1], w, method="im2col"),
        lambda: fastconv.conv2d_backward_data(y, w, x.shape),
        lambda: fastconv.conv2d_backward_weight(y, x, w.shape, per_sample=True),
        lambda: fastconv.max_pool2d_backward(values, indices, x.shape),
        lambda: fastconv.avg_pool2d(big, 3, 2, ceil_mode=True),
        lambda: fastconv.plan_conv(x.shape, w)(x),
        lambda: fastconv.col2im(fastconv.im2col(x, 3), x.shape, 3),
        lambda: fastconv.conv2d(x.copy(), w, padding=1, out=np.empty((2, 8, 12, 13), np.float32)),
    ]
    bad = [
        lambda: fastconv.conv2d(x, w, stride=0),
        lambda: fastconv.conv2d(x, w, out=np.empty((2, 8, 10, 10), np.float32)),
        lambda: fastconv.conv2d(x, w[:, :5]),
        lambda: fastconv.conv2d(x, None),
        lambda: fastconv.conv2d_backward_data(y, w, (2, 6, 12, 14)),
        lambda: fastconv.max_pool2d_backward(values, indices - 1000, x.shape),
        lambda: fastconv.avg_pool2d(x, 3, padding=3),
        lambda: fastconv.conv2d(np.broadcast_to(x[:1, :1, :1, :1], (1, 6, 2**27, 2**27)), w),
        lambda: fastconv.plan_conv(x.shape, w, method="none"),
    ]

    def run(count):
        for i in range(count):
            good[i % len(good)]()
            try:
                bad[i % len(bad)]()
            except (TypeError, ValueError, MemoryError):
                pass
            else:
                raise SystemExit("not refused")
        gc.collect()

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    run(int(sys.argv[1]) // 4)
    before = resident()
    for part in range(4):
        run(int(sys.argv[1]) // 4)
        print(resident() - before)
        before = resident()
"""


@linux
@pytest.mark.parametrize(
    "calls", [10_000, pytest.param(500_000, marks=pytest.mark.slow)], ids=["20000", "1000000"]
)
def test_mixed_calls_leak_nothing(run_python, calls):
    """Half of them raise. What leaks, leaks in every quarter of the calls.

    Threads that meet by chance, as they do on a busy machine, may make the allocator take some
    memory more, but only once.
    """
    grown = run_python(CALLS, calls, cpu_seconds=7200).stdout.split()
    assert 4 * min(map(int, grown)) < 1_000_000, grown


@linux
@pytest.mark.parametrize("method", methods("forward"))
@pytest.mark.served(by=lambda method: not record_of(method).scratch_grows_with_image and serves(
    method, "forward", (1, 4, 1400, 1400), (4, 4, 3, 3)
))
def test_scratch_does_not_grow_with_the_image(run_python, method):
    """Beyond the input and the output, less than 64 MB, where im2col's matrix would be 280 MB."""
    code = """
        import resource, sys
        import numpy as np
        import fastconv
        x, w = np.ones((1, 4, 1400, 1400), np.float32), np.ones((4, 4, 3, 3), np.float32)
        out = np.ones((1, 4, 1398, 1398), np.float32)
        fastconv.conv2d(x[:, :, :64, :64], w, method=sys.argv[1])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fastconv.conv2d(x, w, method=sys.argv[1], out=out)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    # A call that may be interrupted computes beside `out`, which is some 31 MB here.
    assert int(run_python(code, method).stdout) * 1024 < 64e6


@linux
@pytest.mark.parametrize("call", [
    "fastconv.conv2d(x, w, padding=1, method='direct')",
    "fastconv.conv2d(x, w, padding=1, method='im2col')",
    "fastconv.conv2d(x, w, padding=1, method='sliding')",
    "fastconv.conv2d_backward_data(x, w, x.shape, padding=1)",
    "fastconv.conv2d_backward_data(x, w, x.shape, padding=1, padding_mode='reflect')",
    "fastconv.conv2d_backward_weight(x, x, (64, 64, 3, 3), padding=1)",
    "fastconv.conv2d_backward_weight(x, x, (64, 64, 3, 3), padding=1, per_sample=True)",
    "fastconv.plan_conv(x.shape, w, padding=1)(x)",
    "fastconv.max_pool2d(x, 3, 1, 1, return_indices=True)",
    "fastconv.avg_pool2d(x, 3, 1, 1)",
    "fastconv.im2col(x, 3)",
    "fastconv.conv2d(x.astype('>f4'), w, padding=1)",
])  # fmt: skip
def test_running_out_of_memory(run_python, call):
    """At every limit from next to nothing to enough: MemoryError or the result, and no more."""
    call = call.replace("'", '"')
    code = f"""
        import resource, sys
        import numpy as np
        import fastconv
        size = 4 if 'sliding' in '{call}' else 64
        x = np.random.default_rng(0).integers(-3, 4, (4, size, 64, 64)).astype(np.float32)
        w = np.random.default_rng(1).integers(-3, 4, (64, size, 3, 3)).astype(np.float32)
        expected = {call}
        expected = expected if isinstance(expected, tuple) else (expected,)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        refused = 0
        for spare in [0, 1, 2, 4, 8, 16, 24, 32, 64, 1000]:
            resource.setrlimit(resource.RLIMIT_AS, (used + spare * 2**20, -1))
            try:
                got = {call}
            except MemoryError:
                refused += 1
                got = None
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            if got is not None:
                got = got if isinstance(got, tuple) else (got,)
                assert all(np.array_equal(a, b) for a, b in zip(got, expected))
            del got
        assert refused < 10, "not even the last limit was enough"
        print(refused)
    """
    run_python(code, FASTCONV_NUM_THREADS=2)


@linux
@pytest.mark.parametrize("spare", [0, 2, 8, 32, 70, 120, 200, 300, 450, 2000])
@pytest.mark.parametrize("call", [
    "fastconv.conv2d(x, w, method='im2col', num_threads=2)",
    "fastconv.conv2d_backward_data(g, w, x.shape, method='im2col', num_threads=2)",
    "fastconv.conv2d_backward_weight(g, x, w.shape, method='im2col', num_threads=2)",
    "fastconv.conv2d(x, w, method='fft', precision='high', num_threads=2)",
    "fastconv.conv2d(x, w)",
    "fastconv.im2col(x, 3)",
])  # fmt: skip
def test_the_first_call_where_memory_runs_out(run_python, call, spare):
    """Nothing is loaded yet, and SciPy's BLAS, left to itself, would wait for ever."""
    code = f"""
        import resource
        import numpy as np
        import fastconv
        x, w = np.ones((1, 16, 80, 80), np.float32), np.ones((16, 16, 3, 3), np.float32)
        g = np.ones((1, 16, 78, 78), np.float32)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + {spare} * 2**20, -1))
        try:
            got = {call}
        except MemoryError:
            got = None
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        assert got is not None or {spare} < 2000
        again = {call}
        assert got is None or np.array_equal(got, again)
    """
    run_python(code, cpu_seconds=20)


@linux
def test_blas_without_memory_once_it_has_a_buffer(run_python):
    """It serves one thread of one call; others, and more threads, are refused or do without."""
    code = """
        import resource, threading
        import numpy as np
        import fastconv
        x, w = np.ones((2, 16, 160, 160), np.float32), np.ones((16, 16, 3, 3), np.float32)
        out = [np.empty((2, 16, 158, 158), np.float32) for _ in range(4)]
        def call(i, threads):
            fastconv.conv2d(x, w, method="im2col", num_threads=threads, out=out[i])
        call(0, 1)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        done, errors, others = [], [], []
        def run(i):
            for _ in range(30):
                try:
                    call(i, 1 + i % 2)
                    done.append(i)
                except MemoryError:
                    errors.append(i)
        team = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 2**20, -1))  # for their stacks
        call(0, 1)
        call(0, 4)
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        assert len(done) + len(errors) == 120 and done
        assert all((y == 144).all() for i, y in enumerate(out) if i in done)
    """
    run_python(code)


@pytest.mark.needs(importlib.util.find_spec("_testcapi"), "CPython's _testcapi")
@pytest.mark.parametrize("call", [
    "fastconv.conv2d(x, w, method='direct')", "fastconv.conv2d(x, w, method='im2col')",
    "fastconv.conv2d(x, w, method='depthwise')", "fastconv.conv2d(x, w, method='sliding')",
    "fastconv.conv2d_backward_data(y, w, x.shape, method='im2col')",
    "fastconv.conv2d_backward_data(y, w, x.shape, method='direct')",
    "fastconv.conv2d_backward_weight(y, x, w.shape, method='direct')",
    "fastconv.conv2d_backward_weight(y, x, w.shape, method='im2col')",
    "fastconv.conv2d_backward_weight(y, x, w.shape, method='depthwise')",
    "fastconv.max_pool2d(x, 2, return_indices=True)[1]", "fastconv.avg_pool2d(x, 3, padding=1)",
    "fastconv.lp_pool2d(x, 3, 2)", "fastconv.adaptive_max_pool2d(x, 4)",
    "fastconv.max_pool2d_backward(values, indices, x.shape)",
    "fastconv.im2col(x, 3)", "fastconv.col2im(fastconv.im2col(x, 3), x.shape, 3)",
])  # fmt: skip
def test_any_allocation_may_fail(run_python, call):
    """The n-th that Python or NumPy asks for, for every n: MemoryError or the result.

    Not for calls that have NumPy convert or broadcast: its iterators crash without a buffer.
    """
    code = f"""
        import _testcapi
        import numpy as np
        import fastconv
        x = np.random.default_rng(0).integers(-3, 4, (2, 4, 9, 9)).astype(np.float32)
        w = np.random.default_rng(1).integers(-3, 4, (4, 4, 3, 3)).astype(np.float32)
        y = fastconv.conv2d(x, w)
        values, indices = fastconv.max_pool2d(x, 2, return_indices=True)
        call = lambda: {call}
        expected = call()
        refused = 0
        for n in range(150):
            got = None
            try:
                _testcapi.set_nomemory(n, n + 1 + n % 2)
                got = call()
                _testcapi.remove_mem_hooks()
            except MemoryError:
                _testcapi.remove_mem_hooks()
                refused += 1
            assert got is None or np.array_equal(got, expected), n
        assert 0 < refused < 150
    """
    run_python(code)


@pytest.mark.needs(importlib.util.find_spec("_testcapi"), "CPython's _testcapi")
@pytest.mark.parametrize("call", [
    "fastconv.lp_pool2d(x, np.inf, 2, out=out)",
    "fastconv.lp_pool2d(x[:, :, ::-1], 2, 2, out=out)",
    "fastconv.max_pool2d(x[:, :, ::-1], 2, out=out)",
    "fastconv.avg_pool2d(x[..., ::-1], 2, out=out)",
])  # fmt: skip
def test_a_pooling_that_finds_no_memory_leaves_out_as_it_was(run_python, call):
    """However many of its pieces are done by then."""
    code = f"""
        import _testcapi
        import numpy as np
        import fastconv
        x = np.ones((3, 1, 1200, 1000), np.float32)
        out = np.empty((3, 1, 600, 500), np.float32)
        call = lambda: {call}
        call()
        refused = 0
        for n in range(120):
            out[...] = 7
            try:
                _testcapi.set_nomemory(n, n + 1)
                call()
                _testcapi.remove_mem_hooks()
            except MemoryError:
                _testcapi.remove_mem_hooks()
                refused += 1
                assert (out == 7).all(), n
        assert 0 < refused < 120
    """
    run_python(code)


def test_ever_new_arguments_keep_nothing(run_python):
    """Limits, shapes, methods, precisions: what a call leaves behind is bounded."""
    code = """
        import gc, tracemalloc
        import numpy as np
        import fastconv
        x, w = np.ones((1, 2, 9, 9), np.float32), np.ones((3, 2, 3, 3), np.float32)
        calls = {
            "max_workspace": lambda i: fastconv.conv2d(x, w, max_workspace=10**7 + i),
            "shape": lambda i: fastconv.conv_output_shape((1, 2, 9, 9 + i), w.shape),
            "x": lambda i: fastconv.conv2d(np.ones((1, 2, 5, 5 + i % 999), np.float32), w),
            "pooling": lambda i: fastconv.max_pool2d(x, 2, 2 + i),
            "tier": lambda i: fastconv.conv2d(x, w, precision="".join(["hi", "gh"]), method="auto"),
        }
        for name, call in calls.items():
            for i in range(1500):
                call(i)
            tracemalloc.start()
            for i in range(1500, 4500):
                call(i)
            gc.collect()
            print(name, tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
    """
    for line in run_python(code).stdout.splitlines():
        assert int(line.split()[1]) < 1_500_000, line


def test_workspace_is_what_explain_says():
    """Within the limit given, and never more for a larger batch."""
    shape, weight = (1, 64, 56, 56), (64, 64, 3, 3)
    for row in fastconv.explain(shape, weight):
        limit = row["workspace_bytes"]
        for other in fastconv.explain((32, *shape[1:]), weight):
            if other["method"] == row["method"]:
                assert other["workspace_bytes"] == limit


# without the sums that the registry has beside them
INNER = (winograd.ALGORITHM, fft.ALGORITHM, inner_product.ALGORITHM,
         swapped.swapped((record_of("direct"),)))  # fmt: skip
X, W = (1, 3, 40, 50), (4, 3, 7, 9)
HALF_WAY = {
    "forward": lambda x, w, g, out: fastconv.conv2d(x, w, method="fft", out=out),
    "a plan": lambda x, w, g, out: fastconv.plan_conv(x.shape, w, method="fft")(x, out=out),
    "backward_data": lambda x, w, g, out: fastconv.conv2d_backward_data(
        g, w, x.shape, method="fft", out=out
    ),
    "padding that is folded": lambda x, w, g, out: fastconv.conv2d_backward_data(
        np.ones((2, 4, 40, 50), "f4"), w, x.shape, padding="same", padding_mode="reflect",
        method="fft", out=out,
    ),
    "per sample": lambda x, w, g, out: fastconv.conv2d_backward_weight(
        g, x, w.shape, method="fft", per_sample=True, out=out
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", HALF_WAY)
@pytest.mark.parametrize("transforms", range(1, 12))
def test_a_transform_that_finds_no_memory_leaves_out_as_it_was(monkeypatch, call, transforms):
    """Whichever of the transforms fails first."""
    from fastconv._algorithms.fft import transforms as used

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, *X[1:])).astype("f4"), rng.standard_normal(W).astype("f4")
    g = np.ones(fastconv.conv_output_shape(x.shape, W), "f4")
    shapes = {"backward_data": x.shape, "padding that is folded": x.shape, "per sample": (2, *W)}
    out = np.full(shapes.get(call, g.shape), 7, "f4")
    left = [transforms]

    def counted(transform):
        def apply(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise MemoryError("no room for a transform")
            return transform(*args, **kwargs)

        return apply

    monkeypatch.setattr(used, "rfftn", counted(used.rfftn))
    monkeypatch.setattr(used, "irfftn", counted(used.irfftn))
    try:
        HALF_WAY[call](x, w, g, out)
    except MemoryError:
        np.testing.assert_array_equal(out, 7)
    else:
        assert left[0] >= 0
        assert (out != 7).all()


def refusing(method):
    """A problem that the method serves: shapes, and padding."""
    kernel = {"inner_product": (9, 11), "swapped": (13, 15)}.get(method, (3, 3))
    return (2, 3, 9, 11), (4, 3, *kernel), 8 if method == "swapped" else 0


@pytest.mark.parametrize("which", ["forward", "backward_weight"])
@pytest.mark.parametrize("method", ["winograd", "fft", "inner_product", "swapped"])
@pytest.mark.served(by=lambda method, which: serves(
    method, which, *refusing(method)[:2], padding=refusing(method)[2], precision="high"
))  # fmt: skip
def test_without_memory_for_sums_the_last_resort_needs_none(monkeypatch, method, which):
    """An image with a NaN is recomputed, though the usual sums find no memory."""
    x_shape, weight_shape, padding = refusing(method)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(x_shape).astype("f4"), rng.standard_normal(weight_shape).astype("f4")
    x[1, 1, 2, 3] = np.nan
    options = {"padding": padding, "precision": "high"}
    g = np.ones(fastconv.conv_output_shape(x.shape, w.shape, padding=padding), "f4")
    function, arrays = {
        "forward": (fastconv.conv2d, (x, w)),
        "backward_weight": (fastconv.conv2d_backward_weight, (g, x, w.shape)),
    }[which]
    expected = function(*arrays, method="direct", **options)

    def no_memory(*args, **kwargs):
        raise MemoryError("no room for sums")

    strict = record_of("direct")._replace(prepare=no_memory, weight_gradient=no_memory)
    inner = {a.name: a for a in INNER}[method]
    algorithm = _fallback.guarded(inner, strict, record_of("sliding"))
    monkeypatch.setitem(_select._BY_NAME, method, algorithm)
    got = function(*arrays, method=method, **options)
    assert np.isnan(expected).any()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)
