"""Measured errors of every algorithm: ``python -P -m fastconv.testing.accuracy``.

The registry is gone through on layers of 3x3, 5x5 and 7x7 kernels with more and more channels,
Winograd's with each size of its tiles, and where the image is smaller than the kernel. Two
figures are taken of each: the largest error over the largest result, for zero-mean data, which is
what ``"high"`` and ``"medium"`` promise; and the largest error over ``u sum|x||w|`` of its element,
which ``"highest"`` promises to be at most 16. Both also for data that is all positive.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

import numpy as np

import fastconv
from fastconv._algorithms.winograd import layout
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.contract import TIERS, unit_roundoff
from fastconv.testing.served import serves

__all__ = ["CHANNELS", "FILTERS", "LAYERS", "contenders", "errors", "is_served", "main", "measure"]

# Name -> kernel length, output length, whether every channel is a group of its own.
LAYERS = {
    "3x3 on 24x24": (3, 24, False),
    "5x5 on 24x24": (5, 24, False),
    "7x7 on 16x16": (7, 16, False),
    "depthwise 3x3 on 24x24": (3, 24, True),
    "5x5 on 1x1": (5, 1, False),
    "9x9 on 4x4": (9, 4, False),
}
CHANNELS = (16, 64, 256, 512)
FILTERS = 8


def _shapes(layer, channels):
    """The shapes of x and of the weight, and the geometry, of one layer."""
    k, length, depthwise = LAYERS[layer]
    groups = channels if depthwise else 1
    filters = channels if depthwise else FILTERS
    kwargs = {"padding": "same", "groups": groups}
    return (1, channels, length, length), (filters, channels // groups, k, k), kwargs


def is_served(method, dtype, layer, channels, tile=None):
    """Whether an algorithm has errors to be measured on one layer.

    Parameters
    ----------
    method, dtype, layer, channels, tile
        As for `errors`.

    Returns
    -------
    bool
        False where the algorithm refuses the layer.
    """
    x_shape, weight_shape, kwargs = _shapes(layer, channels)
    with _only(tile):
        return serves(method, "forward", x_shape, weight_shape, **kwargs, dtype=dtype,
                      precision="medium")  # fmt: skip


def errors(method, dtype, layer, channels, positive=False, seed=0, tile=None):
    """The errors of one algorithm on one layer.

    Parameters
    ----------
    method : str
        Name of the algorithm.
    dtype : dtype
        float32 or float64.
    layer : str
        A name of `LAYERS`.
    channels : int
        Number of input channels.
    positive : bool
        Whether the numbers are uniform in 0.5 to 1.5 in place of normal.
    seed : int
        Of the random numbers.
    tile : int, optional
        The m of Winograd's F(m, r) that is to be used, in place of the fastest.

    Returns
    -------
    tuple of float or None
        Largest error over largest result, and largest error over ``u sum|x||w|``; None where the
        algorithm refuses the layer.
    """
    x_shape, weight_shape, kwargs = _shapes(layer, channels)
    rng = np.random.default_rng([seed, channels])

    def numbers(shape):
        values = rng.random(shape) + 0.5 if positive else rng.standard_normal(shape)
        return values.astype(dtype)

    if not is_served(method, dtype, layer, channels, tile):
        return None
    x, weight = numbers(x_shape), numbers(weight_shape)
    with _only(tile):
        y = fastconv.conv2d(x, weight, **kwargs, method=method, precision="medium")
    exact = reference.conv(x, weight, **kwargs)
    error = np.abs(y - exact)
    magnitude = reference.sum_abs(x, weight, **kwargs)
    unit = unit_roundoff(dtype)
    return float(error.max() / np.abs(exact).max()), float((error / (unit * magnitude)).max())


@contextlib.contextmanager
def _only(tile):
    """Winograd with this m alone, or as it is."""
    before = layout.TILES
    try:
        layout.TILES = before if tile is None else (tile,)
        yield
    finally:
        layout.TILES = before


def contenders(layer):
    """What is compared on a layer.

    Parameters
    ----------
    layer : str
        A name of `LAYERS`.

    Yields
    ------
    tuple
        An algorithm, its tile (see `errors`), and how a table names both.
    """
    r = layout.section_length(LAYERS[layer][0])
    for algorithm in ALGORITHMS:
        if algorithm.name == "winograd":
            for m in (m for m in layout.TILES if 4 <= m + r - 1 <= 8):
                yield algorithm, m, f"``winograd`` F({m}x{m},{r}x{r})"
        else:
            yield algorithm, None, f"``{algorithm.name}``"


def measure(dtype, positive=False):
    """The errors of all algorithms on all layers, as rows of a table.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    positive : bool
        As for `errors`.

    Yields
    ------
    tuple
        Algorithm, its name in the table, layer, and for every number of channels the pair of
        errors.
    """
    for layer in LAYERS:
        for algorithm, tile, name in contenders(layer):
            found = [errors(algorithm.name, dtype, layer, c, positive, tile=tile) for c in CHANNELS]
            if any(found):
                yield algorithm, name, layer, found


def _table(dtype, positive):
    """One table as reStructuredText."""
    unit = unit_roundoff(dtype)
    promises = {tier: of[np.dtype(dtype).itemsize > 4] for tier, of in TIERS.items()}
    kind = "all positive" if positive else "zero-mean"
    yield f".. list-table:: {np.dtype(dtype).name}, {kind}: largest error over largest result,"
    yield "   and in brackets over :math:`u \\sum |x||w|` of its element"
    yield "   :header-rows: 1"
    yield "   :widths: 22 22 " + " ".join(["15"] * len(CHANNELS))
    yield ""
    head = ["Layer", "Algorithm", *(f"{c} channels" for c in CHANNELS)]
    yield from (f"   {'* -' if i == 0 else '  -'} {text}" for i, text in enumerate(head))
    for algorithm, name, layer, found in measure(dtype, positive):
        for pair, channels in zip(found, CHANNELS, strict=True):
            if pair is None:
                continue
            promise = promises.get(algorithm.tier, promises["high"])
            kept = pair[0] <= promise and (algorithm.tier != "highest" or pair[1] <= 16)
            if not (kept or positive):
                where = f"{name}, {layer}, {channels} channels"
                print(f"{where}: {pair} breaks the promise", file=sys.stderr)
        cells = ["refused" if pair is None else f"{pair[0]:.1e} ({pair[1]:.2g})" for pair in found]
        row = [layer, name, *cells]
        yield from (f"   {'* -' if i == 0 else '  -'} {text}" for i, text in enumerate(row))
    yield ""
    yield f".. {np.dtype(dtype).name}: u = {unit:.2e}, 'high' promises {promises['high']:.0e}"
    yield ""


def main(arguments=None):
    """Print the tables that the page on precision shows.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -P -m fastconv.testing.accuracy",
        description="Measure the errors of every algorithm and print them as tables.",
    )
    parser.parse_args(arguments)
    for dtype in (np.float32, np.float64):
        for positive in (False, True):
            print("\n".join(_table(dtype, positive)))


if __name__ == "__main__":
    main()
