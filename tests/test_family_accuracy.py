"""Accuracy: every algorithm keeps its tier, strictly: by the largest result, not by slack.

Layers large enough that rounding errors average as they do in networks, with few and many
channels, whole tiles and rests of tiles; zero-mean data and data that is all positive.
"""

import numpy as np
import pytest

from fastconv._algorithms.winograd import layout
from fastconv._select import ALGORITHMS
from fastconv.testing import accuracy, reference
from fastconv.testing.checks import function_of
from fastconv.testing.contract import TIERS, assert_within_contract
from fastconv.testing.served import passes_served

BY_NAME = {a.name: a for a in ALGORITHMS}
CHANNELS = (16, 256)


@pytest.mark.parametrize("positive", [False, True], ids=["zero-mean", "positive"])
@pytest.mark.parametrize("layer", accuracy.LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "tile"), [*((name, None) for name in BY_NAME),
                                        *(("winograd", m) for m in layout.TILES)])  # fmt: skip
@pytest.mark.served(by=lambda name, tile, dtype, layer: any(
    accuracy.is_served(name, dtype, layer, channels, tile) for channels in CHANNELS
))
def test_layers(name, tile, dtype, layer, positive):
    algorithm = BY_NAME[name]
    for channels in CHANNELS:
        found = accuracy.errors(algorithm.name, dtype, layer, channels, positive, tile=tile)
        if found is None:
            continue
        relative, of_magnitude = found
        assert relative <= TIERS["medium" if algorithm.tier == "medium" else "high"][
            dtype == np.float64]
        if algorithm.tier == "highest":
            # For errors of one sign docs/precision.rst promises less, and says how much.
            assert of_magnitude <= (16 if not positive else 160 + channels * 49 / 6144)


SHAPES = {
    1: ((2, 24, 301), (10, 24, 3), 1),
    2: ((2, 24, 27, 29), (10, 24, 3, 3), 1),
    3: ((1, 12, 9, 10, 11), (6, 12, 3, 3, 3), 1),
    "depthwise": ((2, 24, 27, 29), (24, 1, 3, 3), 24),
    "large kernel": ((1, 6, 33, 35), (5, 6, 11, 11), 1),
    "long kernel": ((1, 3, 1000), (2, 3, 150), 1),
    "one pixel": ((3, 24, 1, 1), (10, 24, 3, 5), 1),
    "short signal": ((2, 12, 19), (5, 12, 41), 1),
}


def served(algorithm, dtype, shape):
    """The passes of one of these shapes that an algorithm serves."""
    x_shape, weight_shape, groups = SHAPES[shape]
    return passes_served(algorithm.name, x_shape, weight_shape, padding="same", groups=groups,
                         dtype=dtype, precision=algorithm.tier)  # fmt: skip


@pytest.mark.parametrize("positive", [False, True], ids=["zero-mean", "positive"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
@pytest.mark.served(by=lambda algorithm, dtype, shape: served(algorithm, dtype, shape))
def test_every_pass(algorithm, dtype, shape, positive):
    """Forward and gradients, each against its largest result."""
    x_shape, weight_shape, groups = SHAPES[shape]
    rank, rng = len(x_shape) - 2, np.random.default_rng(0)

    def numbers(shape):
        return (rng.random(shape) + 0.5 if positive else rng.standard_normal(shape)).astype(dtype)

    kwargs = {"padding": "same", "groups": groups}
    x, weight = numbers(x_shape), numbers(weight_shape)
    grad = numbers((x_shape[0], weight_shape[0], *x_shape[2:]))
    passes = served(algorithm, dtype, shape)
    for which, name, args in [
        ("forward", "conv", (x, weight)),
        ("backward_data", "conv_backward_data", (grad, weight, x_shape)),
        ("backward_weight", "conv_backward_weight", (grad, x, weight_shape)),
    ]:
        if which not in passes:
            continue
        options = {"method": algorithm.name, "precision": algorithm.tier}
        got = function_of(name, rank)(*args, **kwargs, **options)
        exact = getattr(reference, name)(*args, **kwargs)
        sizes = [np.abs(a) if isinstance(a, np.ndarray) else a for a in args]
        magnitude = None
        if algorithm.tier == "highest":
            magnitude = getattr(reference, name)(*sizes, **kwargs)
        context = (algorithm.name, which, shape)
        assert_within_contract(got, exact, magnitude, tier=algorithm.tier, context=context)


def test_the_registry_is_covered():
    """No algorithm is refused everywhere: it would be tested nowhere."""
    for algorithm in ALGORITHMS:
        assert any(served(algorithm, np.float32, shape) for shape in SHAPES), algorithm.name


def test_the_command_prints_tables(capsys):
    lines = list(accuracy._table(np.float32, False))
    for name in BY_NAME:
        assert any(f"``{name}``" in line for line in lines)
    assert capsys.readouterr().err == ""  # nothing breaks its promise
