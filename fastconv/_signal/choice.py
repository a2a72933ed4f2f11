"""Which is quicker, direct sums or transforms, by the models behind `fastconv.explain`."""
import math
from functools import lru_cache

import numpy as np

from fastconv._core.machine import peak_flops
from fastconv._signal.arguments import EXACT, region
from fastconv.conv import explain

# Multiply-adds below which direct sums are not compared with anything: they take less time than
# the comparison.
FEW = 1 << 18
# Of the peak of multiply-adds, what SciPy's transforms reach, a length n taken as 2.5 n log2 n
# operations (measured with AVX2).
EFFICIENCY = 0.13


def prefers_transforms(a, b, mode):
    """Whether transforms are estimated to be quicker; `a` and `b` are convolved in that mode."""
    if a.size * b.size <= FEW:
        return False
    parts = (a.dtype.kind == "c") + (b.dtype.kind == "c")
    itemsize = 4 if np.result_type(a, b).char in "fF" and a.ndim > 1 else 8
    return _transforms_win(a.shape, b.shape, mode, itemsize, parts)


@lru_cache(maxsize=1024)
def _transforms_win(a_shape, b_shape, mode, itemsize, parts):
    regions = [region(mode, n, k) for n, k in zip(a_shape, b_shape)]
    if math.prod(b_shape) > math.prod(a_shape):
        a_shape, b_shape = b_shape, a_shape
    return _transforms(a_shape, b_shape, regions, itemsize, parts) < _sums(
        a_shape, b_shape, regions, itemsize, parts)


def _sums(a_shape, b_shape, regions, itemsize, parts):
    """Estimated seconds of direct sums."""
    if len(a_shape) > 3:
        return math.inf
    padding = [(taps - 1 - first, first + count - length)
               for (first, count), length, taps in zip(regions, a_shape, b_shape)]
    left_out = [max(-before, 0) + max(-after, 0) for before, after in padding]
    rows = explain(
        (1, 1, *(length - out for length, out in zip(a_shape, left_out))), (1, 1, *b_shape),
        padding=[(max(before, 0), max(after, 0)) for before, after in padding],
        dtype=f"f{itemsize}", precision=EXACT)
    seconds = next(row["estimated_seconds"] for row in rows if row["verdict"] == "chosen")
    return 2**parts * (seconds or 0.0)


def _transforms(a_shape, b_shape, regions, itemsize, parts):
    """Estimated seconds of transforms."""
    from fastconv._signal.fourier import cut, work  # which load SciPy's

    cuts = [cut(length, taps, first, count, not parts)
            for (first, count), length, taps in zip(regions, a_shape, b_shape)]
    spectrum = math.prod(c.length for c in cuts)
    blocks = math.prod(c.blocks for c in cuts)
    bits = sum(work(c.length) / c.length for c in cuts)
    operations = 2.5 * spectrum * bits * (2 * blocks + 1) * (2 if parts else 1)
    return operations / (EFFICIENCY * peak_flops(itemsize))
