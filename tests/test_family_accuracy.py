"""Every algorithm keeps the promise of its tier, strictly: by the largest result, not by slack.

Layers large enough that rounding errors average as they do in networks, with few and many
channels, whole tiles and rests of tiles; zero-mean data and data that is all positive.
"""

import numpy as np
import pytest

from fastconv._algorithms import winograd
from fastconv._select import ALGORITHMS
from fastconv.testing import accuracy, reference
from fastconv.testing.checks import function_of
from fastconv.testing.contract import TIERS, assert_within_contract

BY_NAME = {a.name: a for a in ALGORITHMS}


@pytest.mark.parametrize("positive", [False, True], ids=["zero-mean", "positive"])
@pytest.mark.parametrize("layer", accuracy.LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "tile"), [*((name, None) for name in BY_NAME),
                                        *(("winograd", m) for m in winograd.TILES)])  # fmt: skip
def test_layers(name, tile, dtype, layer, positive):
    algorithm, served = BY_NAME[name], 0
    for channels in (16, 256):
        found = accuracy.errors(algorithm.name, dtype, layer, channels, positive, tile=tile)
        if found is None:
            continue
        served += 1
        relative, of_magnitude = found
        assert relative <= TIERS["high"][dtype == np.float64]
        if algorithm.tier == "highest":
            # For errors of one sign docs/precision.rst promises less, and says how much.
            assert of_magnitude <= (16 if not positive else 160 + channels * 49 / 6144)
    if not served:
        pytest.skip(f"{algorithm.name} does not serve it")


SHAPES = {
    1: ((2, 24, 301), (10, 24, 3), 1),
    2: ((2, 24, 27, 29), (10, 24, 3, 3), 1),
    3: ((1, 12, 9, 10, 11), (6, 12, 3, 3, 3), 1),
    "depthwise": ((2, 24, 27, 29), (24, 1, 3, 3), 24),
    "large kernel": ((1, 6, 33, 35), (5, 6, 11, 11), 1),
    "long kernel": ((1, 3, 1000), (2, 3, 150), 1),
}


@pytest.mark.parametrize("positive", [False, True], ids=["zero-mean", "positive"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_every_pass(algorithm, dtype, shape, positive):
    """Forward and gradients, each against its largest result."""
    x_shape, weight_shape, groups = SHAPES[shape]
    rank, rng = len(x_shape) - 2, np.random.default_rng(0)

    def numbers(shape):
        return (rng.random(shape) + 0.5 if positive else rng.standard_normal(shape)).astype(dtype)

    kwargs = {"padding": "same", "groups": groups}
    x, weight = numbers(x_shape), numbers(weight_shape)
    grad = numbers((x_shape[0], weight_shape[0], *x_shape[2:]))
    served = 0
    for which, name, args in [
        ("forward", "conv", (x, weight)),
        ("backward_data", "conv_backward_data", (grad, weight, x_shape)),
        ("backward_weight", "conv_backward_weight", (grad, x, weight_shape)),
    ]:
        if which not in algorithm.passes:
            continue
        options = {"method": algorithm.name, "precision": algorithm.tier}
        try:
            got = function_of(name, rank)(*args, **kwargs, **options)
        except ValueError as error:
            if algorithm.name == "direct" or f"method={algorithm.name!r}" not in str(error):
                raise
            continue
        served += 1
        exact = getattr(reference, name)(*args, **kwargs)
        sizes = [np.abs(a) if isinstance(a, np.ndarray) else a for a in args]
        magnitude = None
        if algorithm.tier == "highest":
            magnitude = getattr(reference, name)(*sizes, **kwargs)
        context = (algorithm.name, which, shape)
        assert_within_contract(got, exact, magnitude, tier=algorithm.tier, context=context)
    if not served:
        pytest.skip(f"{algorithm.name} does not serve it")


def test_the_registry_is_covered():
    """No algorithm is refused everywhere."""
    for name in BY_NAME:
        layers = [accuracy.errors(name, np.float32, layer, 16) for layer in accuracy.LAYERS]
        assert any(layers), name


def test_the_command_prints_tables(capsys):
    lines = list(accuracy._table(np.float32, False))
    for name in BY_NAME:
        assert any(f"``{name}``" in line for line in lines)
    assert capsys.readouterr().err == ""  # nothing breaks its promise
