"""Tools: bench/fit.py measures random layers, and finds the factors that times were made with."""

import importlib.util
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent.parent / "bench" / "fit.py"


def load():
    spec = importlib.util.spec_from_file_location("fit", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_factors_are_found():
    fit = load()
    rng = np.random.default_rng(1)
    costs = 10 ** rng.uniform(-6, -3, (200, len(fit.TERMS)))
    costs[:, 3] = 0  # a term that no layer has
    true = np.array([1.5, 0.25, 3.0, 1.0, 0.5])
    seconds = costs @ true
    found = fit.fit(costs, seconds)
    np.testing.assert_allclose(found, true, rtol=1e-3)
    assert fit.spread(costs @ found, seconds) < 1.001 < fit.spread(costs.sum(axis=1), seconds)


def test_every_algorithm_is_measured():
    fit = load()
    found = fit.measure(6, seed=3)
    assert {"direct", "im2col", "sliding"} <= set(found)
    for rows in found.values():
        assert all(cost.seconds > 0 and seconds > 0 for cost, seconds in rows)
