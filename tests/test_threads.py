"""Threads of both kinds, processes of three, Ctrl-C, and the setters."""

import concurrent.futures
import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS

METHODS = [a.name for a in ALGORITHMS]
OPENMP = fastconv.show_runtime(mode="dicts")["openmp"]


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def jobs():
    """Calls of every kind, small and large, that return arrays."""
    for seed, (channels, length) in enumerate([(3, 9), (8, 30)]):
        x, weight = numbers((2, channels, length, length), seed=seed), numbers((18, channels, 3, 3))
        y = fastconv.conv2d(x, weight, padding=1)
        values, indices = fastconv.max_pool2d(x, 3, 2, return_indices=True)
        plan = fastconv.plan_conv(x.shape, weight, padding=1)
        for method in METHODS:
            chosen = {"padding": 1, "method": method, "num_threads": 2, "precision": "high"}
            yield fastconv.conv2d, (x, weight), chosen
            yield fastconv.conv2d_backward_data, (y, weight, x.shape), chosen
            if method != "winograd":
                yield fastconv.conv2d_backward_weight, (y, x, weight.shape), chosen
        yield plan, (x,), {}
        yield fastconv.max_pool2d, (x, 3, 2), {}
        yield fastconv.avg_pool2d, (x, 3, 2), {}
        yield fastconv.max_pool2d_backward, (values, indices, x.shape), {}
        yield fastconv.avg_pool2d_backward, (values, x.shape, 3, 2), {}
        yield fastconv.im2col, (x, 3), {}


def test_64_threads_at_once():
    work = [(*job, job[0](*job[1], **job[2])) for job in jobs()]
    start, failures = threading.Barrier(64), []

    def caller(number):
        start.wait()
        for step in range(len(work)):
            function, args, kwargs, expected = work[(number + step) % len(work)]
            if not np.array_equal(function(*args, **kwargs), expected):
                failures.append((number, step))

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_more_callers_than_blas_has_buffers():
    """OpenBLAS has 256; some 340 threads inside of it at once used to end the process."""
    x, weight = numbers((1, 32, 24, 24)), numbers((32, 32, 3, 3))
    expected = fastconv.conv2d(x, weight, method="im2col")
    start = threading.Barrier(400)

    def caller(_):
        start.wait()
        return all(
            np.array_equal(fastconv.conv2d(x, weight, method="im2col"), expected) for _ in range(3)
        )

    with concurrent.futures.ThreadPoolExecutor(400) as pool:
        assert all(pool.map(caller, range(400)))


def test_an_array_that_another_thread_writes():
    """The values may be of any moment; nothing else may happen."""
    x, weight = np.zeros((2, 8, 64, 64), np.float32), np.ones((8, 8, 3, 3), np.float32)
    stop = threading.Event()

    def writer():
        value = 0
        while not stop.is_set():
            x.fill(value % 3)
            value += 1

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(50):
            y = fastconv.conv2d(x, weight, method="direct")
            assert (y >= 0).all()
            assert (y <= 2 * 72).all()
            fastconv.max_pool2d(x, 2, return_indices=True)
    finally:
        stop.set()
        thread.join()


def test_other_threads_run_meanwhile():
    """The GIL is free during the work: a counter in another thread goes on."""
    x, weight = np.ones((1, 256, 64, 64), np.float32), np.ones((256, 256, 3, 3), np.float32)
    count, stop = [0], threading.Event()

    def counter():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=counter)
    thread.start()
    try:
        before, start = count[0], time.perf_counter()
        while time.perf_counter() - start < 0.5:
            fastconv.conv2d(x, weight, num_threads=1)
        assert count[0] - before > 20
    finally:
        stop.set()
        thread.join()


# ------------------------------------------------------------------------------- how many


TASKS = """
    import os, sys
    import numpy as np
    import fastconv
    def tasks():
        return len(os.listdir("/proc/self/task"))
    x, weight = np.ones((4, 16, 64, 64), np.float32), np.ones((16, 8, 3, 3), np.float32)
    layer = {"groups": 2, "precision": "high"}  # one that every method computes
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
# Those of the transforms are Python's and end with the call.
@pytest.mark.parametrize("method", [m for m in METHODS if m != "fft"])
def test_threads_that_are_started(run_python, method):
    code = (
        TASKS
        + f"""
    layer["method"] = "{method}"
    fastconv.conv2d(x[:1, :, :8, :8], weight, **layer)  # loads BLAS, and its threads
    before = tasks()
    fastconv.conv2d(x, weight, num_threads=int(sys.argv[1]), **layer)
    print(tasks() - before)
    """
    )
    for threads in (1, 3):
        started = int(run_python(code, threads).stdout)
        assert started == (threads - 1 if OPENMP else 0)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_small_calls_start_none(run_python):
    code = (
        TASKS
        + """
    before = tasks()
    fastconv.conv2d(x[:1, :, :8, :8], weight, groups=2)
    fastconv.max_pool2d(x[:1, :, :8, :8], 2)
    fastconv.avg_pool2d(x[:1, :, :8, :8], 2)
    print(tasks() - before)
    """
    )
    assert run_python(code, FASTCONV_NUM_THREADS=4).stdout == "0\n"


def test_setting_the_number_of_threads():
    before = fastconv.get_num_threads()
    try:
        fastconv.set_num_threads(3)
        assert fastconv.get_num_threads() == 3
        with fastconv.num_threads(2):
            assert fastconv.get_num_threads() == 2
            with fastconv.num_threads(np.int64(5)):
                assert fastconv.get_num_threads() == 5
            assert fastconv.get_num_threads() == 2
        assert fastconv.get_num_threads() == 3
        with pytest.raises(RuntimeError), fastconv.num_threads(7):
            raise RuntimeError
        assert fastconv.get_num_threads() == 3
    finally:
        fastconv.set_num_threads(before)


def test_setting_the_precision():
    before = fastconv.get_precision()
    try:
        for tier in ("medium", "high", "highest"):
            fastconv.set_precision(tier)
            assert fastconv.get_precision() == tier
            assert fastconv.get_precision("float64") == tier
        with fastconv.precision("high"):
            assert fastconv.get_precision() == "high"
        with pytest.raises(RuntimeError), fastconv.precision("medium"):
            raise RuntimeError
        assert fastconv.get_precision() == "highest"
    finally:
        fastconv.set_precision(None)
    assert fastconv.get_precision() == before
    assert fastconv.get_precision("float64") == "highest"


def test_context_managers_hold_for_their_own_thread_only():
    before, seen = fastconv.get_num_threads(), []

    def look():
        seen.append((fastconv.get_num_threads(), fastconv.get_precision()))

    with fastconv.num_threads(before + 3), fastconv.precision("medium"):
        thread = threading.Thread(target=look, context=contextvars.Context()) if (
            sys.version_info >= (3, 14)
        ) else threading.Thread(target=look)  # fmt: skip
        thread.start()
        thread.join()
        look()
    assert seen == [(before, "high"), (before + 3, "medium")]


@pytest.mark.parametrize("value", [0, -1, 2**40, True, 1.5, "2", None, [2]])
def test_refused_numbers_of_threads(value):
    error = ValueError if isinstance(value, int) and value is not True else TypeError
    with pytest.raises(error, match=r"^set_num_threads: "):
        fastconv.set_num_threads(value)
    with pytest.raises(error, match=r"^num_threads: "), fastconv.num_threads(value):
        pass


@pytest.mark.parametrize("value", ["best", "", "HIGH", 1, True, ["high"]])
def test_refused_precisions(value):
    error = ValueError if isinstance(value, str) else TypeError
    with pytest.raises(error, match=r"^set_precision: "):
        fastconv.set_precision(value)
    with pytest.raises(error, match=r"^precision: "), fastconv.precision(value):
        pass


# ------------------------------------------------------------------------------- processes

POOL = """
    import multiprocessing, os, sys, threading, time, warnings
    import numpy as np
    import fastconv

    # Python warns that a process with threads forks, which is what is being tested.
    warnings.simplefilter("ignore", DeprecationWarning)
    x = np.random.default_rng(0).standard_normal((2, 16, 40, 40)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((32, 8, 3, 3)).astype(np.float32)

    def everything(_=None):
        results = [
            fastconv.conv2d(x, weight, groups=2, method=m, precision="high", num_threads=2)
            for m in METHODS
        ]
        y = results[0]
        results.append(fastconv.conv2d_backward_data(y, weight, x.shape, groups=2))
        results.append(fastconv.conv2d_backward_weight(y, x, weight.shape, groups=2))
        results.append(fastconv.max_pool2d(x, 2, num_threads=2))
        return results

    def same(one, other):
        return all(np.array_equal(a, b) for a, b in zip(one, other))
"""
POOL = POOL.replace("METHODS", repr(METHODS))


@pytest.mark.parametrize("how", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("used_before", [True, False])
def test_pools_of_processes(run_python, how, used_before):
    import multiprocessing

    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {how} on this system")
    code = (
        POOL
        + f"""
    if __name__ == "__main__":
        if {used_before}:
            expected = everything()
        with multiprocessing.get_context("{how}").Pool(3) as pool:
            results = pool.map(everything, range(6))
        expected = everything()
        assert all(same(result, expected) for result in results)
        print("done")
    """
    )
    assert run_python(code, timeout=30).stdout == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_during_use(run_python):
    """Children start while other threads are inside of calls; they and theirs compute."""
    code = (
        POOL
        + """
    expected, stop = everything(), threading.Event()

    def busy():
        while not stop.is_set():
            assert same(everything(), expected)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    children = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            good = same(everything(), expected)
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if same(everything(), expected) else 1)
            status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
            os._exit(0 if good and status == 0 else 1)
        children.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    stop.set()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 8, statuses
    assert same(everything(), expected)  # the parent has lost nothing
    print("done")
    """
    )
    assert run_python(code, timeout=30).stdout == "done\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_a_forked_child_computes_on_one_thread(run_python):
    code = (
        POOL
        + """
    everything()
    if os.fork() == 0:
        everything()
        with fastconv.num_threads(4):
            everything()
        os._exit(len(os.listdir("/proc/self/task")))
    print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    )
    assert run_python(code, timeout=30).stdout == "1\n"


# ------------------------------------------------------------------------------------ Ctrl-C

LONG = {
    "direct": "fastconv.conv2d(x, w, method='direct', out=out, num_threads=THREADS)",
    "im2col": "fastconv.conv2d(x, w, method='im2col', out=out, num_threads=THREADS)",
    "sliding": "fastconv.conv2d(x, w, method='sliding', out=out, num_threads=THREADS)",
    "plan": "plan(x, out=out)",
    "backward_data": "fastconv.conv2d_backward_data(g, w, x.shape, out=back)",
    "backward_weight": "fastconv.conv2d_backward_weight(g, x, w.shape, out=dw)",
    "max_pool2d": "fastconv.max_pool2d(wide, 64, out=small)",
    "avg_pool2d": "fastconv.avg_pool2d(wide, 64, out=small)",
}
INTERRUPTED = """
    import sys, time
    import numpy as np
    import fastconv
    # Broadcasting makes batches that take minutes and no memory.
    x = np.broadcast_to(np.ones((1, 1024, 40, 40), np.float32), (200, 1024, 40, 40))
    w = np.ones((128, 1024, 7, 7), np.float32)
    g = np.broadcast_to(np.ones((1, 128, 34, 34), np.float32), (200, 128, 34, 34))
    wide = np.broadcast_to(np.ones((1, 64, 256, 256), np.float32), (20000, 64, 256, 256))
    out = np.full((200, 128, 34, 34), 7, np.float32)
    dw = np.full(w.shape, 7, np.float32)
    small = np.full((20000, 64, 4, 4), 7, np.float32)
    plan = fastconv.plan_conv(x.shape, w) if "CALL".startswith("plan") else None
    back = np.full((200, 1024, 40, 40), 7, np.float32) if "back" in "CALL" else None
    print("ready", flush=True)
    try:
        CALL
    except KeyboardInterrupt:
        caught = time.monotonic()
    else:
        raise SystemExit("it ended before the interrupt")
    print(caught)
    for array in (out, dw, small, back):
        assert array is None or (array == 7).all(), "out was written"
    y = fastconv.conv2d(np.ones((1, 2, 5, 5)), np.ones((1, 2, 3, 3)))
    assert (y == 18).all()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("name", LONG)
def test_interrupt(name, tmp_path):
    """KeyboardInterrupt within a second; `out` as it was; the next call works."""
    call = LONG[name].replace("THREADS", "1" if name == "direct" else "2")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(INTERRUPTED).replace("CALL", call))
    # On a machine that is busy with other things the best of three counts.
    delays = []
    while not delays or (delays[-1] >= 1 and len(delays) < 3):
        process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            sent = time.monotonic()
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, errors
        delays.append(float(output) - sent)
    assert min(delays) < 1, f"the interrupt was heard after {delays} seconds"
