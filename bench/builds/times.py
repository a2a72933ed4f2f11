"""Times of two builds, in turn: the calls, which a build holds, and the comparison."""

import math
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np

SHORTEST = 2e-3  # seconds of a sample, so that the clock does not count
REST = 5e-3  # seconds before a turn: threads spin for a while after a call, in wait for the next


@dataclass(frozen=True)
class Item:
    """Something to time.

    Attributes
    ----------
    kind : str
        What is called: one of `CALLS`.
    layer : str
        Name of the layer.
    rank, pooling : int, str
        Number of spatial axes; "max" or "avg", or empty for a convolution.
    x_shape, y_shape, weight_shape : tuple of int
        Shapes.
    geometry : dict
        Keyword arguments of the function.
    dtype : str
        Of the arrays.
    threads : int
        Number of threads.
    """

    kind: str
    layer: str
    rank: int
    pooling: str
    x_shape: tuple
    y_shape: tuple
    weight_shape: tuple
    geometry: dict
    dtype: str = "float32"
    threads: int = 1

    def __str__(self):
        plural = "s" if self.threads > 1 else ""
        return f"{self.kind} {self.layer}, {self.dtype}, {self.threads} thread{plural}"


# ------------------------------------------------------------------ in the process of a build

_held = {}  # the call that is timed now


def layers():
    """The named layers to time, as items of the kind "plan" or "pool"."""
    from fastconv.testing import shapes

    convolutions = (*shapes.PERFORMANCE_LAYERS, *shapes.SINGLE_CHANNEL, *shapes.SIGNALS,
                    *shapes.VOLUMES)  # fmt: skip
    items = [_conv_item(shapes.CONV_SHAPES[name]) for name in convolutions]
    pools = (*shapes.PERFORMANCE_POOLS, "vgg16.pool1", "alexnet.pool1", "resnet50.pool5",
             "googlenet.inception_3a.pool", "c3d.pool2")  # fmt: skip
    for shape in (shapes.POOL_SHAPES[name] for name in pools):
        items.append(Item("pool", shape.name, len(shape.spatial), shape.kind, shape.input_shape(),
                          (1, shape.channels, *shape.output_shape()[2:]), (), shape.kwargs()))
    yield items


def _conv_item(shape):
    return Item("plan", shape.name, len(shape.spatial), "", shape.input_shape(),
                shape.output_shape(), shape.weight_shape, shape.kwargs())


def prepare(item):
    """Make the arrays and the call of an item; answers with the seconds of a call."""
    import fastconv

    rng = np.random.default_rng(0)
    shapes = (item.x_shape, item.y_shape, item.weight_shape)
    arrays = [rng.standard_normal(shape, np.float32).astype(item.dtype) for shape in shapes]
    _held["call"] = call = CALLS[item.kind](fastconv, item, *arrays)
    yield min(_sample(call, 1) for _ in range(3))


def sample(seconds, number):
    """Time the call for some seconds, `number` calls a sample; answers with the samples."""
    samples, end = [], time.perf_counter() + seconds
    _held["call"]()
    while not samples or time.perf_counter() < end:
        samples.append(_sample(_held["call"], number))
    yield samples


def _sample(call, number):
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def _planned(fastconv, item, x, y, weight):
    plan = fastconv.plan_conv(x.shape, weight, num_threads=item.threads, **item.geometry)
    return lambda: plan(x, None, y)


def _unplanned(fastconv, item, x, y, weight):
    conv = getattr(fastconv, f"conv{item.rank}d")
    return lambda: conv(x, weight, num_threads=item.threads, **item.geometry)


def _backward_data(fastconv, item, x, y, weight):
    back = getattr(fastconv, f"conv{item.rank}d_backward_data")
    return lambda: back(y, weight, x.shape, num_threads=item.threads, **item.geometry)


def _backward_weight(fastconv, item, x, y, weight):
    back = getattr(fastconv, f"conv{item.rank}d_backward_weight")
    return lambda: back(y, x, weight.shape, num_threads=item.threads, **item.geometry)


def _pool(fastconv, item, x, y, weight):
    pool = getattr(fastconv, f"{item.pooling}_pool{item.rank}d")
    return lambda: pool(x, num_threads=item.threads, **item.geometry)


def _pool_last(fastconv, item, x, y, weight):
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    pool = getattr(fastconv, f"{item.pooling}_pool{item.rank}d")
    return lambda: pool(last, num_threads=item.threads, data_format="channels_last",
                        **item.geometry)  # fmt: skip


def _pool_backward(fastconv, item, x, y, weight):
    back = getattr(fastconv, f"{item.pooling}_pool{item.rank}d_backward")
    if item.pooling == "avg":
        return lambda: back(y, x.shape, num_threads=item.threads, **item.geometry)
    pool = getattr(fastconv, f"max_pool{item.rank}d")
    _, indices = pool(x, return_indices=True, **item.geometry)
    return lambda: back(y, indices, x.shape, num_threads=item.threads)


def _tiny_conv(fastconv, item, x, y, weight):
    conv2d = fastconv.conv2d
    return lambda: conv2d(x, weight, padding=1)


CALLS = {
    "plan": _planned, "conv": _unplanned, "backward data": _backward_data,
    "backward weight": _backward_weight, "pool": _pool, "pool channels last": _pool_last,
    "pool backward": _pool_backward, "tiny conv": _tiny_conv, "tiny plan": _planned,
    "tiny pool": _pool,
}  # fmt: skip


# ------------------------------------------------------------------ in the process that compares


def items(named, threads):
    """What to time of the named layers, on each number of threads."""
    convolutions = [item for item in named if not item.pooling]
    pools = [item for item in named if item.pooling]
    chosen = []
    for kind in ("plan", "conv", "backward data", "backward weight"):
        chosen += [replace(item, kind=kind) for item in convolutions]
    chosen += [replace(item, dtype="float64") for item in convolutions[::2]]
    for kind in ("pool", "pool channels last", "pool backward"):
        chosen += [replace(item, kind=kind) for item in pools]
    chosen = [replace(item, threads=count) for count in threads for item in chosen]
    same = {"padding": 1}
    tiny = Item("tiny conv", "8x8", 2, "", (1, 1, 8, 8), (1, 1, 8, 8), (1, 1, 3, 3), same)
    window = {"kernel_size": 2, "stride": 2}
    pool = Item("tiny pool", "8x8", 2, "max", (1, 1, 8, 8), (1, 1, 4, 4), (), window)
    return [tiny, replace(tiny, kind="tiny plan"), pool, *chosen]


def compare(builds, item, seconds, rounds):
    """The best times of an item in two builds, which take turns, each first in every other."""
    singles = [build.ask("prepare", item) for build in builds]
    number = max(1, math.ceil(SHORTEST / max(min(singles), 1e-7)))
    best = [math.inf, math.inf]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            time.sleep(REST)
            samples = builds[which].ask("time", seconds / rounds, number)
            best[which] = min(best[which], *samples)
    return best


def import_seconds(builds, rounds=7):
    """Median seconds of ``import fastconv`` after NumPy, in new processes in turn."""
    code = ("import time, numpy; start = time.perf_counter(); import fastconv; "
            "print(time.perf_counter() - start)")  # fmt: skip
    taken = [[float(build.run(code)) for build in builds] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken)]


def module_bytes(builds):
    """Bytes of the compiled modules, and of all, that an import loads."""
    code = ("import fastconv, os, sys; files = [m.__file__ for n, m in sys.modules.items() "
            "if n.split('.')[0] == 'fastconv' and getattr(m, '__file__', None)]; "
            "print(sum(os.path.getsize(f) for f in files if not f.endswith('.py')), "
            "sum(os.path.getsize(f) for f in files))")  # fmt: skip
    return [tuple(map(int, build.run(code).split())) for build in builds]


def geometric_mean(ratios):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, ratios)))
