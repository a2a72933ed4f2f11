"""Random points: geometry that nobody has chosen, the same for the same seed.

Lengths and channels are log-uniform, so that small ones come as often as large ones. Three kinds:
filters of one channel, layers of a network, poolings.
"""

import math
import random
from dataclasses import replace

from fastconv._bench.cases import PASSES, Case
from fastconv.testing.shapes import ConvShape, PoolShape

KINDS = ("filters", "layers", "pools")

_MAX_FLOPS = 4e9        # of a layer's direct sums
_MAX_FILTER_FLOPS = 1e12  # of a filter's: a transform may be far cheaper
_MAX_BYTES = 256 << 20  # that a point reads and writes


def points(seed, kinds, count, threads=(1,), batches=(1,)):
    """`count` cases of each kind, for each number of threads and each batch that is not too large.

    Raises
    ------
    ValueError
        If a kind is not one of `KINDS`.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"no kind of points is called {unknown.pop()!r}; there are "
                         f"{', '.join(KINDS)}")  # fmt: skip
    drawn = [case for kind in kinds for case in _draw(kind, seed, count)]
    cases = [replace(case, threads=n, batch=b) for n in threads for b in batches for case in drawn]
    return [case for case in cases if case.batch == 1 or case.bytes <= _MAX_BYTES]


def _draw(kind, seed, count):
    rng = random.Random(f"{kind} {seed}")
    one = {"filters": _filter, "layers": _layer, "pools": _pool}[kind]
    drawn = []
    while len(drawn) < count:
        layer, dtype, operation = one(rng)
        extents = [d * (k - 1) + 1 for k, d in zip(
            layer.kernel, getattr(layer, "dilation", layer.kernel), strict=True)]  # fmt: skip
        if kind == "layers" and any(n + 2 * p < e for n, p, e in zip(
                layer.spatial, layer.padding, extents, strict=True)):  # fmt: skip
            continue  # no window fits
        geometry = str(layer).partition(": ")[2]
        name = f"{len(drawn)}: {geometry} {dtype}" + (
            "" if operation == "forward" else f" {operation}")  # fmt: skip
        case = Case(replace(layer, name=name), operation, dtype, series=kind)
        if case.flops <= (_MAX_FILTER_FLOPS if kind == "filters" else _MAX_FLOPS) and (
            case.bytes <= _MAX_BYTES
        ):
            drawn.append(case)
    return drawn


def _between(rng, low, high):
    """Log-uniform from low to high, both included."""
    return min(high, max(low, round(math.exp(rng.uniform(math.log(low), math.log(high))))))


def _lengths(rng, rank, low, high):
    """One for each axis: half of the time all the same, since most pictures' kernels are square."""
    if rng.random() < 0.5:
        return (_between(rng, low, high),) * rank
    return tuple(_between(rng, low, high) for _ in range(rank))


def _filter(rng):
    """One channel, a result as long as the input, as `scipy.signal` and `cv2.filter2D` have it."""
    rank = rng.choice((1, 2, 3))
    spatial = _lengths(rng, rank, *((16, 1 << 22), (32, 4096), (16, 192))[rank - 1])
    kernel = _lengths(rng, rank, *((2, 65_537), (1, 127), (1, 15))[rank - 1])
    layer = ConvShape(
        "", 1, 1, spatial, kernel, (1,) * rank,
        tuple((k // 2, (k - 1) // 2) for k in kernel), (1,) * rank,
        padding_mode=rng.choice(("zeros", "zeros", "symmetric")),
    )  # fmt: skip
    dtype = rng.choice(("float32", "float64", "uint8"))
    operation = "forward" if rng.random() < 0.6 else rng.choice(PASSES[1:])
    return layer, dtype, operation


def _layer(rng):
    rank = rng.choice((1, 2, 2, 2, 2, 3))
    spatial = _lengths(rng, rank, 1, (4096, 224, 40)[rank - 1])
    if rng.random() < 0.15:
        kernel = spatial  # as large as the map
    else:
        kernel = _lengths(rng, rank, 1, (31, 11, 7)[rank - 1])
    channels, filters, groups = _between(rng, 1, 700), _between(rng, 1, 700), 1
    match rng.random():
        case share if share < 0.2:  # depthwise
            filters = channels * rng.choice((1, 1, 2))
            groups = channels
        case share if share < 0.4:
            groups = _between(rng, 2, 64)
            channels, filters = (max(1, n // groups) * groups for n in (channels, filters))
    stride, dilation = _lengths(rng, rank, 1, 3), (1,) * rank
    if rng.random() < 0.25:
        dilation = _lengths(rng, rank, 1, 6)
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(rng.choice((0, e // 2)) for e in extents)
    layer = ConvShape("", channels, filters, spatial, kernel, stride, padding, dilation, groups)
    return layer, "float32", rng.choice(("forward", *PASSES))


def _pool(rng):
    rank = rng.choice((1, 2, 2, 2, 3))
    spatial = _lengths(rng, rank, 1, (4096, 224, 40)[rank - 1])
    if rng.random() < 0.15:
        kernel = spatial
    else:
        kernel = tuple(min(k, n) for k, n in zip(_lengths(rng, rank, 1, 9), spatial, strict=True))
    stride = kernel if rng.random() < 0.4 else _lengths(rng, rank, 1, 4)
    padding = tuple(rng.choice((0, k // 2)) for k in kernel)
    layer = PoolShape("", rng.choice(("max", "avg")), _between(rng, 1, 512), spatial, kernel,
                      stride, padding)  # fmt: skip
    return layer, "float32", rng.choice(PASSES[:2])
