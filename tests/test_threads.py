"""Threads: of both kinds, processes of three, Ctrl-C, and the setters."""

import concurrent.futures
import contextvars
import multiprocessing
import os
import sys
import threading
import time

import numpy as np
import pytest

import fastconv
from fastconv.testing.served import methods, passes_served, record_of, serves

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
        for method in methods():
            geometry = {"padding": 1, "precision": "high"}
            chosen = {**geometry, "method": method, "num_threads": 2}
            served = passes_served(method, x.shape, weight.shape, **geometry)
            if "forward" in served:
                yield fastconv.conv2d, (x, weight), chosen
            if "backward_data" in served:
                yield fastconv.conv2d_backward_data, (y, weight, x.shape), chosen
            if "backward_weight" in served:
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
    """The GIL is free during the work: a counter in another thread goes on.

    Were it not, the counter could go on before a call and behind it, but not by this much. How
    many calls it takes until another thread has had a core is a busy machine's affair.
    """
    x, weight = np.ones((1, 256, 64, 64), np.float32), np.ones((256, 256, 3, 3), np.float32)
    count, stop = [0], threading.Event()

    def counter():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=counter)
    thread.start()
    try:
        for _ in range(2000):
            before = count[0]
            fastconv.conv2d(x, weight, num_threads=1)
            if count[0] - before > 4:
                break
        else:
            raise AssertionError("the counter stood still during each of the calls")
    finally:
        stop.set()
        thread.join()


# ------------------------------------------------------------------------------- how many


needs_proc = pytest.mark.needs(os.path.isdir("/proc/self/task"), "the list of threads in /proc")
TASKS = """
    import os, sys, time
    import numpy as np
    import fastconv
    def tasks():
        return len(os.listdir("/proc/self/task"))
    def tasks_left(most):
        # A thread that Python has joined stays in the list until the system has ended it.
        until = time.monotonic() + 30
        while tasks() > most and time.monotonic() < until:
            time.sleep(0.01)
        return tasks()
    x, weight = np.ones((4, 16, 64, 64), np.float32), np.ones((16, 8, 3, 3), np.float32)
    layer = {"groups": 2, "precision": "high"}
"""


def serves_layer(method):
    """Whether a method computes the layer of `TASKS`, whole and cut out."""
    return all(serves(method, "forward", (batch, 16, n, n), (16, 8, 3, 3), groups=2,
                      precision="high") for batch, n in ((1, 8), (4, 64)))  # fmt: skip



@needs_proc
@pytest.mark.parametrize("method", methods("forward"))
@pytest.mark.served(by=serves_layer)
def test_threads_that_are_started(run_python, method):
    """OpenMP's stay; what an algorithm has of Python's ends with the call."""
    code = (
        TASKS
        + f"""
    layer["method"] = "{method}"
    fastconv.conv2d(x[:1, :, :8, :8], weight, **layer)  # loads BLAS, and its threads
    before = tasks()
    fastconv.conv2d(x, weight, num_threads=int(sys.argv[1]), **layer)
    print(tasks_left(before + int(sys.argv[2])) - before)
    """
    )
    for threads in (1, 3):
        stay = threads - 1 if OPENMP and record_of(method).openmp_threads else 0
        assert int(run_python(code, threads, stay).stdout) == stay


@needs_proc
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


LIMITED = """
    import os, resource, sys
    import numpy as np
    import fastconv
    method, kind, spare = sys.argv[1:]
    x = np.random.default_rng(0).integers(-3, 4, (4, 16, 64, 64)).astype(np.float32)
    weight = np.ones((16, 8, 3, 3), np.float32)
    options = {"method": method, "precision": "high", "groups": 2}
    # loads what there is to load, on one thread: no team has been asked for yet
    expected = fastconv.conv2d(x, weight, num_threads=1, **options)
    out = np.empty_like(expected)
    if kind == "memory":
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + int(spare) * 2**20, -1))
    else:
        if os.geteuid() == 0:
            os.setuid(65534)  # the limit does not hold for root
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    try:
        fastconv.conv2d(x, weight, num_threads=3, out=out, **options)
        assert np.allclose(out, expected, atol=1e-2)
        print("computed")
    except MemoryError:
        assert kind == "memory"
        print("refused")
"""


@needs_proc
@pytest.mark.parametrize("method", [m for m in methods("forward") if m != "im2col"])
@pytest.mark.served(by=serves_layer)
@pytest.mark.parametrize(("kind", "spare"), [("processes", 0), ("memory", 1), ("memory", 9),
                                         ("memory", 18), ("memory", 40)])  # fmt: skip
def test_threads_that_cannot_be_had(run_python, method, kind, spare):
    """The first team of a process meets a limit: libgomp would end it, threading wait for ever.

    Not im2col: OpenBLAS does not look at what it is given.
    """
    result = run_python(LIMITED, method, kind, spare).stdout.strip()
    assert result == "computed" or (kind == "memory" and result == "refused")


def test_a_busy_machine_costs_no_more_than_one_thread(run_python):
    """With as many busy processes as processors, two threads are not many times slower than one.

    The two take turns, so that both meet the same weather. Of a team that waits for processors a
    call took ten to a hundred times as long.
    """
    code = """
        import statistics, subprocess, sys, time
        import numpy as np
        import fastconv
        x, weight = np.ones((1, 32, 56, 56), np.float32), np.ones((32, 32, 3, 3), np.float32)
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                  for _ in range(len(__import__("os").sched_getaffinity(0)))]
        times = {1: [], 2: []}
        try:
            for turn in range(60):
                for threads in times:
                    for _ in range(5):
                        start = time.perf_counter()
                        fastconv.conv2d(x, weight, num_threads=threads)
                        times[threads].append(time.perf_counter() - start)
        finally:
            for other in others:
                other.kill()
        print(statistics.median(times[2]) / statistics.median(times[1]))
    """
    assert float(run_python(code).stdout) < 4


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
POOL = POOL.replace("METHODS", repr([
    method for method in methods("forward")
    if serves(method, "forward", (2, 16, 40, 40), (32, 8, 3, 3), groups=2, precision="high")
]))  # fmt: skip


@pytest.mark.parametrize("how", [
    pytest.param(how, marks=pytest.mark.needs(
        how in multiprocessing.get_all_start_methods(), f"processes by {how}"))
    for how in ("fork", "forkserver", "spawn")
])  # fmt: skip
@pytest.mark.parametrize("used_before", [True, False])
def test_pools_of_processes(run_python, how, used_before):
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
    assert run_python(code).stdout == "done\n"


@pytest.mark.needs(hasattr(os, "fork"), "processes by fork")
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
    assert run_python(code).stdout == "done\n"


@needs_proc
def test_a_forked_child_computes_on_one_thread(run_python):
    """Beside it stand threads that libraries start when a process forks, as SciPy's FFT does."""
    code = (
        POOL
        + """
    everything()
    if os.fork() == 0:
        others = len(os.listdir("/proc/self/task")) - 1
        everything()
        with fastconv.num_threads(4):
            everything()
        os._exit(len(os.listdir("/proc/self/task")) - others)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    )
    assert run_python(code).stdout == "1\n"


# ------------------------------------------------------------------------------------ Ctrl-C

LONG = {
    **{method: f"fastconv.conv2d(x, w, method={method!r}, precision='high', out=out)"
       for method in methods("forward")},
    "plan": "plan(x, out=out)",
    "separable_conv2d": "fastconv.separable_conv2d(x, w[:1].reshape(1024, 1, 7, 7), "
                        "np.ones((128, 1024, 1, 1), np.float32), out=out)",
    "backward_data": "fastconv.conv2d_backward_data(g, w, x.shape, out=back)",
    "backward_weight": "fastconv.conv2d_backward_weight(g, x, w.shape, out=dw)",
    "max_pool2d": "fastconv.max_pool2d(wide, 64, out=small)",
    "avg_pool2d": "fastconv.avg_pool2d(wide, 64, out=small)",
    "slabs": "fastconv.conv2d(tall, np.ones((1, 1, 3, 3), np.float16), stride=(3, 512))",
    "slabs of a pooling": "fastconv.max_pool2d(tall, 3, stride=(3, 512))",
}  # fmt: skip
INTERRUPTED = """
    import os, signal, threading, time
    import numpy as np
    import fastconv
    # Broadcasting makes batches that take minutes and no memory.
    x = np.broadcast_to(np.ones((1, 1024, 40, 40), np.float32), (200, 1024, 40, 40))
    w = np.ones((128, 1024, 7, 7), np.float32)
    g = np.broadcast_to(np.ones((1, 128, 34, 34), np.float32), (200, 128, 34, 34))
    wide = np.broadcast_to(np.ones((1, 64, 256, 256), np.float32), (20000, 64, 256, 256))
    tall = np.broadcast_to(np.ones(2048, np.float16), (1, 1, 3_000_000, 2048))
    out = np.full((200, 128, 34, 34), 7, np.float32)
    dw = np.full(w.shape, 7, np.float32)
    small = np.full((20000, 64, 4, 4), 7, np.float32)
    plan = fastconv.plan_conv(x.shape, w) if NAME == "plan" else None
    back = np.full((200, 1024, 40, 40), 7, np.float32) if NAME == "backward_data" else None
    # A process that was started in the background may have been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start, sent = time.process_time(), []

    def interrupt():
        while time.process_time() < start + 0.5:  # so that the call is in its midst
            time.sleep(0.01)
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        CALL
    except KeyboardInterrupt:
        caught = time.process_time()
    else:
        raise SystemExit("it ended before the interrupt")
    print((caught - sent[0]) / fastconv.get_num_threads())
    for array in (out, dw, small, back):
        assert array is None or (array == 7).all(), "out was written"
    y = fastconv.conv2d(np.ones((1, 2, 5, 5)), np.ones((1, 2, 3, 3)))
    assert (y == 18).all()
"""


@pytest.mark.needs(hasattr(os, "kill") and sys.platform != "win32", "signals between processes")
@pytest.mark.parametrize("name", LONG)
@pytest.mark.served(by=lambda name: name not in methods("forward") or serves(
    name, "forward", (200, 1024, 40, 40), (128, 1024, 7, 7), precision="high", max_workspace=2**29
))
def test_interrupt(run_python, name):
    """KeyboardInterrupt within a second of work on each thread, `out` as it was, all in order.

    By the processor's clock: how long a busy machine lets the threads wait is not the library's.
    """
    code = INTERRUPTED.replace("CALL", LONG[name]).replace("NAME", repr(name))
    threads = 1 if name == "direct" else 2
    assert float(run_python(code, FASTCONV_NUM_THREADS=threads).stdout) < 1


@pytest.mark.parametrize(
    "variable", ["OMP_DYNAMIC=true", "OMP_THREAD_LIMIT=2", "OMP_THREAD_LIMIT=1"]
)
def test_teams_that_are_smaller_than_asked_for(run_python, variable):
    """What a thread waits for at the end is the team that there is."""
    code = TASKS + """
    expected = fastconv.conv2d(x, weight, num_threads=1, **layer)
    for _ in range(20):
        assert np.array_equal(fastconv.conv2d(x, weight, num_threads=4, **layer), expected)
    """
    name, value = variable.split("=")
    run_python(code, **{name: value})
