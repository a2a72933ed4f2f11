"""Tools: bench/fit.py times random layers, and finds the prices that times were made with."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import _select
from fastconv._call import (
    calibration,
    calibration_avx2,
    calibration_avx512,
    calibration_avx512_halves,
)
from fastconv._call.squeezed import seen_by
from fastconv._kernels import dispatch

PATH = Path(__file__).parent.parent / "bench" / "fit.py"


@pytest.fixture(scope="module")
def fit():
    spec = importlib.util.spec_from_file_location("fit", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_prices_are_found(fit):
    rng = np.random.default_rng(1)
    counts = 10 ** rng.uniform(0, 3, (300, len(calibration.COUNTS)))
    counts[:, 3] = 0  # a count that no layer has
    names = list(calibration.COUNTS)
    counts[:, names.index("arithmetic"):] *= 1e-6  # terms, in seconds
    true = np.zeros(len(names))
    for name, price in (("call", 3e-6), ("channels", 5e-8), ("input", 1e-7), ("arithmetic", 0.75)):
        true[names.index(name)] = price
    seconds = counts @ true
    found = fit.fit(counts, seconds)
    np.testing.assert_allclose(found, true, rtol=1e-3, atol=1e-12)
    assert fit.spread(counts @ found, seconds) < 1.001 < fit.spread(counts.sum(axis=1), seconds)


def test_a_table_is_what_was_found(fit):
    samples = fit.measure(2.0, seed=3)
    assert {"direct", "im2col"} <= {s.key[0] for s in samples}
    assert all(s.model > 0 and s.seconds > 0 for s in samples)
    fit.MIN_SAMPLES, least = 2, fit.MIN_SAMPLES
    table = fit.table_of(samples)
    fit.MIN_SAMPLES = least
    assert table.constants
    assert table.corrections.keys() == table.constants.keys()
    assert (fit.regrets(samples, table) >= 1).all()
    written = {}
    exec(fit.source_of(table, "a processor", 7), written)
    assert written["CONSTANTS"] == table.constants
    assert written["CORRECTIONS"] == table.corrections


def test_a_correction_is_found(fit):
    """Prices explain a sum of counts, and the rest is of second degree in the features."""
    rng = np.random.default_rng(2)
    names = list(calibration.COUNTS)
    samples = []
    for layer in range(600):
        counts = np.zeros(len(names))
        counts[names.index("call")], counts[names.index("input")] = 1, 10 ** rng.uniform(2, 6)
        shapes = tuple(rng.uniform(0, 4, len(calibration.FEATURES) - 6))
        seconds = 1e-6 + 1e-9 * counts[names.index("input")]
        missed = 0.1 * (shapes[3] - 2) * (shapes[7] - 2) + 0.05 * shapes[8]
        samples.append(fit.Sample(layer, ("direct", "forward", "first"), seconds, tuple(counts),
                                  seconds * np.exp(missed), shapes))  # fmt: skip
    table = fit.table_of(samples)
    seconds = fit.seconds_of_all(samples)
    assert fit.spread(fit.estimates_of(samples, fit.Table(table.constants, {})), seconds) > 1.1
    assert fit.spread(fit.estimates_of(samples, table), seconds) < 1.02


def test_estimates_are_those_of_the_program(fit):
    """The package and the program that fits say the same of random layers."""
    rng = np.random.default_rng(9)
    installed = fit.Table(calibration.constants(), calibration.corrections())
    cases, samples, expected = fit.yardstick(9), [], []
    while len(samples) < 300:
        layer = fit.draw(rng, cases)
        desc = fit.describe(layer)
        if desc is None:
            continue
        for model, priced in zip(_select.UNCALIBRATED, _select.ALGORITHMS, strict=True):
            seen = seen_by(model, desc)
            if (layer.which in model.passes and model.supports(seen, layer.which) is None
                    and model.name != fit.PRICED and model.cost(seen, layer.which)[0]):
                cost = model.cost(seen, layer.which)
                key = calibration.price_key(model, seen, layer.which)
                samples.append(fit.Sample(0, key, cost.seconds, calibration.counts(seen, cost),
                                          1.0, calibration.shapes(seen)))  # fmt: skip
                expected.append(priced.cost(desc, layer.which).seconds)
    np.testing.assert_allclose(fit.estimates_of(samples, installed), expected, rtol=1e-9)


@pytest.mark.parametrize("table", [calibration_avx2, calibration_avx512, calibration_avx512_halves],
                         ids=["avx2", "avx512", "halves"])  # fmt: skip
def test_an_installed_table_is_that_of_the_registry(table):
    """Keys and counts are known, prices are positive, and `explain` adds up what they say."""
    names = {a.name for a in _select.ALGORITHMS}
    for (name, which, layout, *variant), prices in table.CONSTANTS.items():
        assert name in names
        assert variant in ([], ["planes"], ["interleaved"], ["columns"])
        assert which in _select.PASSES
        assert layout in ("first", "last")
        assert set(prices) <= set(calibration.COUNTS)
        assert all(price > 0 for price in prices.values())
    features = len(calibration.FEATURES)
    assert table.CORRECTIONS.keys() <= table.CONSTANTS.keys()
    for low, high, weights in table.CORRECTIONS.values():
        assert len(low) == len(high) == features
        assert all(a <= b for a, b in zip(low, high, strict=True))
        assert len(weights) == (features + 1) * (features + 2) // 2


def test_the_terms_of_a_cost_are_added_up():
    expected, last = calibration_avx2.CONSTANTS, calibration_avx2
    if fastconv.show_runtime(mode="dicts")["vector_bytes"] == 64:
        expected, last = dict(calibration_avx512.CONSTANTS), calibration_avx512
        if dispatch.halves_vectors():
            last = calibration_avx512_halves
            expected.update(last.CONSTANTS)
    assert calibration.constants() == expected
    vectors = fastconv.show_runtime(mode="dicts")["vector_bytes"]
    assert calibration.corrections() == (last.CORRECTIONS if vectors >= 32 else {})
    for row in fastconv.explain((1, 24, 30, 30), (48, 24, 3, 3), which="backward_data"):
        if row["reason"] is None:
            assert row["estimated_seconds"] == pytest.approx(sum(row["cost"]))


def test_a_plan_has_its_weights_packed(fit):
    layer = fit.Layer((1, 8, 9, 9), (16, 8, 3, 3), {"groups": 1}, "float32", "forward", False)
    model = _select.UNCALIBRATED[1].cost(fit.describe(layer), "forward")
    for planned in (False, True):
        counts = calibration.counts(fit.describe(layer._replace(planned=planned)), model)
        counts = dict(zip(calibration.COUNTS, counts, strict=True))
        assert counts["weights"] == (0 if planned else 16 * 8 * 9)
        assert counts["unplanned"] == (not planned)


def test_what_is_counted(fit):
    layer = fit.Layer((1, 8, 7, 9000, 11), (20, 4, 3, 5, 2), {"groups": 2, "stride": (1, 2, 2)},
                      "float64", "forward", True)  # fmt: skip
    model = _select.UNCALIBRATED[1].cost(fit.describe(layer), "forward")
    counts = calibration.counts(fit.describe(layer), model)
    counts = dict(zip(calibration.COUNTS, counts, strict=True))
    inputs, outputs = 2 * 8 * 7 * 9000 * 11, 2 * 20 * 5 * 4498 * 5  # of four bytes
    expected = {"call": 1, "channels": 8, "filters": 20, "groups": 2, "taps": 30,
                "input_rows": 8 * 7 * 9000, "output_rows": 20 * 5 * 4498,
                "lines": 20 * 5 * 4498 * 30 * 4, "plane_taps": 20 * 5 * 3, "input": inputs,
                "strided_input": inputs, "output": outputs, "far_weights": 0, "bare_weights": 0,
                "far_input": inputs, "far_output": outputs}  # fmt: skip
    assert {name: counts[name] for name in expected} == expected
    terms = [counts[name] for name in ("arithmetic", "gather", "transform", "traffic", "start")]
    assert terms == list(model)


def test_weights_from_memory_are_bare_where_few_pixels_meet_them(fit):
    counted = []
    for size in (7, 13, 100):  # 1, 7 and 94 pixels
        layer = fit.Layer((1, 512, size), (1024, 512, 7), {"groups": 1}, "float32", "forward", True)
        desc = fit.describe(layer)
        model = _select.UNCALIBRATED[1].cost(desc, "forward")
        counts = dict(zip(calibration.COUNTS, calibration.counts(desc, model), strict=True))
        assert counts["far_weights"] == 1024 * 512 * 7
        counted.append(counts["bare_weights"] / counts["far_weights"])
    assert counted == [55 / 56, 49 / 56, 0]


def test_dense_layers_are_drawn(fit):
    rng = np.random.default_rng(5)
    planned = set()
    for data_format in ("channels_first", "channels_last") * 100:
        layer = fit.dense(rng, {"data_format": data_format})
        _, channels, *kernel = layer.weight_shape
        size = layer.x_shape[2:] if data_format == "channels_first" else layer.x_shape[1:-1]
        assert min(layer.weight_shape[:2]) >= 64
        assert channels == layer.x_shape[1 if data_format == "channels_first" else -1]
        assert all(k <= n <= k + 2 for k, n in zip(kernel, size, strict=True))
        assert np.prod(layer.weight_shape) <= fit.MOST_WEIGHTS
        assert fit.describe(layer) is not None
        planned.add(layer.planned)
    assert planned == {False, True}
