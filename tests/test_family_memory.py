"""Memory: scratch, measured, is bounded as images grow, and no more than a plan says.

A child process is forked for each measurement, so that no memory of an earlier one is at hand,
and the kernel's own account of the peak (VmHWM) is read, which nothing in the library can bend.
"""

import json
import re
import sys
import textwrap

import pytest

from fastconv.testing.served import methods, record_of, serves

pytestmark = pytest.mark.needs(sys.platform == "linux", "the accounts of Linux in /proc")

# One call in a fresh child, after a small one that loads what is loaded once. The result is
# written to `out`, which is there before.
MEASURE = """
    import os, sys
    import numpy as np
    import fastconv

    def account(name):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

    def measured(prepare):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                small, call = prepare()
                small()
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # VmHWM starts again from the present size
                before = account("VmRSS")
                call()
                os.write(writing, str(account("VmHWM") - before).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as file:
            text = file.read()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return int(text)
"""

# Of one image of four channels, by rank: small, and four times as large. Calls that take long
# compute beside `out`, so as to be interruptible; these do not.
SIZES = {1: [(150_000,), (600_000,)], 2: [(300, 500), (600, 1000)],
         3: [(30, 50, 100), (60, 50, 200)]}  # fmt: skip
PROBLEMS = [
    (rank, which, kwargs)
    for rank in SIZES
    for which, kwargs in [
        ("forward", {}), ("forward", {"padding_mode": "circular"}),
        ("forward", {"data_format": "channels_last"}), ("forward", {"groups": 4}),
        ("backward_data", {}), ("backward_weight", {}),
    ]
]  # fmt: skip


def served(method):
    """Those of the problems that a method serves."""
    return [
        (rank, which, kwargs)
        for rank, which, kwargs in PROBLEMS
        if all(serves(method, which, shape_of(lengths, kwargs), weight_shape(rank, kwargs),
                      padding=1, precision="high", **kwargs)
               for lengths in ((9,) * rank, *SIZES[rank]))
    ]  # fmt: skip


def shape_of(lengths, kwargs):
    return (1, *lengths, 4) if kwargs.get("data_format") == "channels_last" else (1, 4, *lengths)


def weight_shape(rank, kwargs):
    return (4, 4 // kwargs.get("groups", 1), *(3,) * rank)


CONVOLUTIONS = """
    import json
    method, problems, SIZES = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])

    def problem(rank, size, which, kwargs):
        def arrays(lengths):
            shape = (1, 4, *lengths)
            if kwargs.get("data_format") == "channels_last":
                shape = (1, *lengths, 4)
            x = np.ones(shape, np.float32)
            w = np.full((4, 4 // kwargs.get("groups", 1), *(3,) * rank), 0.5, np.float32)
            options = {"method": method, "precision": "high", "num_threads": 1, "padding": 1,
                       **kwargs}
            if which == "forward":
                out = np.ones_like(x)
                call = getattr(fastconv, f"conv{rank}d")
                return lambda: call(x, w, **options, out=out)
            if which == "backward_data":
                out = np.ones_like(x)
                call = getattr(fastconv, f"conv{rank}d_backward_data")
                return lambda: call(x, w, shape, **options, out=out)
            out, grad = np.ones_like(w), np.ones_like(x)
            call = getattr(fastconv, f"conv{rank}d_backward_weight")
            return lambda: call(grad, x, w.shape, **options, out=out)
        return lambda: (arrays((9,) * rank), arrays(SIZES[str(rank)][size]))

    for rank, which, kwargs in problems:
        found = [measured(problem(rank, size, which, kwargs)) for size in (0, 1)]
        said = 0
        if which == "forward":
            layout = kwargs.get("data_format") == "channels_last"
            lengths = SIZES[str(rank)][1]
            shape = (1, *lengths, 4) if layout else (1, 4, *lengths)
            w = np.full((4, 4 // kwargs.get("groups", 1), *(3,) * rank), 0.5, np.float32)
            said = fastconv.plan_conv(shape, w, method=method, precision="high", padding=1,
                                      num_threads=1, **kwargs).workspace_bytes
        print(rank, which, "_".join(map(str, kwargs.values())) or "-", *found, said)
"""

# What scratch may grow by: pages of 2 MB, and blocks chosen for longer rows. The image itself grows
# by 7 MB, and an im2col matrix would by 21 to 190 MB.
SLACK = 6_000_000


@pytest.mark.parametrize("method", methods())
@pytest.mark.served(by=served)
def test_scratch_is_bounded_as_the_image_grows_fourfold(run_python, method):
    """Except of an algorithm whose record says that it grows, and which says how much."""
    problems = served(method)
    given = method, json.dumps(problems), json.dumps(SIZES)
    lines = run_python(MEASURE + CONVOLUTIONS, *given).stdout.splitlines()
    assert len(lines) == len(problems)
    for line in lines:
        which = line.split()[1]
        small, large, said = map(int, line.split()[3:])
        if not record_of(method).scratch_grows_with_image:
            assert large - small < SLACK, line
            assert large < 24e6, line
        if which == "forward":
            assert large <= said + SLACK, f"more than the plan says: {line}"


POOLINGS = """
    def problem(call, size):
        def arrays(lengths):
            x = np.random.default_rng(0).standard_normal((1, 8, *lengths), dtype=np.float32)
            return lambda: call(x)
        return lambda: (arrays((23, 24)), arrays([(300, 500), (600, 1000)][size]))

    out = np.ones((1, 8, 600, 1000), np.float32)
    def into(function, *args, **kwargs):
        def call(x):
            lengths = fastconv.pool_output_shape(x.shape, *args[-1:], **kwargs)[2:]
            flat = out.ravel()[:8 * lengths[0] * lengths[1]]
            function(x, *args, **kwargs, out=flat.reshape(1, 8, *lengths))
        return call

    calls = {
        "max": into(fastconv.max_pool2d, 3, stride=1, padding=1),
        "max of 21": into(fastconv.max_pool2d, 21, stride=1),
        "average": into(fastconv.avg_pool2d, 3, stride=1, padding=1),
        "average of 21": into(fastconv.avg_pool2d, 21, stride=1),
        "norm": into(fastconv.lp_pool2d, 2, 3, stride=1, padding=1),
        "adaptive average": lambda x: fastconv.adaptive_avg_pool2d(x, 7),
        "adaptive max": lambda x: fastconv.adaptive_max_pool2d(x, 7),
        "global average": lambda x: fastconv.global_avg_pool(x),
    }
    for name, call in calls.items():
        print(*[measured(problem(call, size)) for size in (0, 1)], name)
"""


def test_scratch_of_poolings_is_bounded(run_python):
    for line in run_python(MEASURE + POOLINGS).stdout.splitlines():
        small, large, _ = line.split(maxsplit=2)
        assert int(large) - int(small) < SLACK, line
        assert int(large) < 12e6, line


@pytest.mark.parametrize("call", [
    # the sums of a view of 512 MB, in pieces, whatever its dtype
    "fastconv.conv2d_backward_bias(np.broadcast_to(np.float32(1), (1, 1, 2**13, 2**14)))",
    "fastconv.conv2d_backward_bias(np.broadcast_to(np.array(1, '>f8'), (1, 1, 2**13, 2**13)))",
    "fastconv.conv2d_backward_bias(np.broadcast_to(np.float16(1), (1, 1, 2**13, 2**13)))",
    "fastconv.conv2d_backward_bias(np.broadcast_to(np.uint8(1), (1, 1, 2**13, 2**13)))",
    "fastconv.conv3d_backward_bias(np.broadcast_to(np.int64(1), (8, 1, 2**10, 2**13, 1)))",
    # what is refused
    "refused(lambda: fastconv.im2col(x, np.broadcast_to(1, 10**8)))",
    "refused(lambda: fastconv.conv2d_backward_data(x, x, range(10**9)))",
])  # fmt: skip
def test_what_needs_next_to_nothing(run_python, call):
    code = f"""
        x = np.ones((1, 1, 3, 3), np.float32)
        def refused(call):
            try:
                call()
            except ValueError:
                return
            raise SystemExit("accepted")
        small = lambda: fastconv.conv2d_backward_bias(np.ones((9, 3, 40, 900), np.float32))
        print(measured(lambda: (small, lambda: {call})))
    """
    assert int(run_python(textwrap.dedent(MEASURE) + textwrap.dedent(code)).stdout) < 12e6


def test_gradients_of_long_padding_need_a_few_times_the_padded_signal(run_python):
    """Ten million elements of padding, 40 MB: no lists of Python's of them."""
    code = """
        grad = np.broadcast_to(np.float32(1), (1, 1, 10**7 + 8))
        w = np.ones((1, 1, 1), np.float32)
        def call(grad=grad, padding=5 * 10**6):
            fastconv.conv1d_backward_data(grad, w, (1, 1, 8), padding=padding, padding_mode=mode)
        for mode in ("circular", "reflect", "symmetric", "replicate"):
            print(measured(lambda: (lambda: call(grad[..., :9], ((0, 1),)), call)))
    """
    program = textwrap.dedent(MEASURE) + textwrap.dedent(code)
    for peak in run_python(program, cpu_seconds=60).stdout.split():
        assert int(peak) < 200e6


FILTERS = """
    import ctypes
    from fastconv import ndimage

    weights = np.random.default_rng(0).random((5, 7))
    disc = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4
    calls = {
        "gaussian": (ndimage.gaussian_filter, (4.0,), {}),
        "gaussian, wrapped": (ndimage.gaussian_filter, (2.0,), {"mode": "wrap"}),
        "uniform": (ndimage.uniform_filter, (9,), {}),
        "uniform, long": (ndimage.uniform_filter, (1001,), {"mode": "mirror"}),
        "maximum": (ndimage.maximum_filter, (9,), {}),
        "maximum of a disc": (ndimage.maximum_filter, (), {"footprint": disc}),
        "sobel": (ndimage.sobel, (0,), {}),
        "correlate": (ndimage.correlate, (weights,), {}),
        "correlate1d": (ndimage.correlate1d, (weights.ravel(), 1), {}),
    }
    function, args, kwargs = calls[sys.argv[1]]
    dtype, threads, turned = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "turned"
    x, out = np.ones((4096, 4096), dtype), np.ones((4096, 4096), dtype)
    if turned:
        x, out = x.T, out[::-1]
    fastconv.max_pool2d(np.ones((64, 1, 64, 64)), 2, num_threads=threads)  # starts the threads
    ndimage.prewitt(x[:9, :9])  # loads what is loaded once
    getattr(ctypes.CDLL(None), "malloc_trim", id)(0)  # freed memory is given back
    before = account("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    function(x, *args, output=out, num_threads=threads, **kwargs)
    print(account("VmHWM") - before)
"""


@pytest.mark.parametrize(("dtype", "threads", "layout"), [
    ("float32", 1, "plain"), ("float32", 2, "plain"), ("uint8", 2, "turned"),
    pytest.param("float64", 2, "turned", marks=pytest.mark.slow),
])  # fmt: skip
@pytest.mark.parametrize("name", re.findall(r'"([\w, ]+)": \(ndimage', FILTERS))
def test_filters_need_a_few_megabytes(run_python, name, dtype, threads, layout):
    """Of an image of 4096x4096: 8 MB, and one for each thread. Forked processes have one thread."""
    program = textwrap.dedent(MEASURE) + textwrap.dedent(FILTERS)
    peak = int(run_python(program, name, dtype, threads, layout).stdout)
    assert peak <= (8 + threads) * 2**20, f"{peak / 2**20:.1f} MB"


SMALL_INTEGERS = """
    def problem(shape, weight_shape, options):
        def arrays(shape):
            x, w = np.full(shape, 3, np.uint8), np.full(weight_shape, 2, np.int8)
            out = np.ones(fastconv.conv_output_shape(shape, w.shape, **options), np.uint8)
            return lambda: fastconv.qconv(x, w, **options, scale=0.1, out=out, num_threads=1)
        small = (1, shape[1], *(9 for _ in shape[2:]))
        return lambda: (arrays(small), arrays(shape))

    for channels, groups in ((16, 1), (1, 1), (16, 16)):
        weight = (16, channels // groups, 3, 3)
        for batch, lengths in ((1, (300, 500)), (1, (600, 1000)), (6, (300, 500))):
            options = {"padding": 1, "groups": groups}
            print(measured(problem((batch, channels, *lengths), weight, options)), end=" ")
        print()
"""


def test_scratch_of_small_integers_is_that_of_some_images(run_python):
    """Words of one image, twice its bytes, or some megabytes; single channels in lines."""
    lines = run_python(MEASURE + SMALL_INTEGERS).stdout.splitlines()
    words, image, depthwise = ([int(number) for number in line.split()] for line in lines)
    assert words[1] < 2 * 16 * 600 * 1000 + SLACK
    assert words[2] - words[0] < SLACK + 6 * 16 * 300 * 500  # the result, which may fail midway
    for found in (image, depthwise):
        assert max(found[:2]) < SLACK
        assert found[2] < SLACK + 6 * 16 * 300 * 500


SEPARABLE = """
    def problem(lengths, dtype, options):
        def arrays(lengths):
            x = np.full((1, 8, *lengths), 0.5, dtype)
            depthwise, pointwise = np.ones((32, 1, 3, 3), dtype), np.ones((1, 32, 1, 1), dtype)
            out = np.ones((1, 1, *lengths), np.float32)
            return lambda: fastconv.separable_conv2d(
                x, depthwise, pointwise, padding=1, out=out, **options)
        return lambda: (arrays((9, 9)), arrays(lengths))

    for dtype, options in (("f4", {}), ("f4", {"padding_mode": "circular"}), ("f2", {}),
                           ("f4", {"method": "fft", "precision": "high"})):
        for lengths in ((300, 500), (600, 1000)):
            print(measured(problem(lengths, dtype, options)), end=" ")
        print()
"""


def test_nothing_as_large_as_what_is_between_separable_steps(run_python):
    """That would be 77 MB of the larger image: there are pieces, and a result of 2.4 MB."""
    for line in run_python(MEASURE + SEPARABLE, FASTCONV_NUM_THREADS=1).stdout.splitlines():
        _, large = (int(number) for number in line.split())
        assert large < SLACK + 4 * 600 * 1000, line
