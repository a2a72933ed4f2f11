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
    constants = fit.constants_of(samples)
    fit.MIN_SAMPLES = least
    assert constants
    assert (fit.regrets(samples, constants) >= 1).all()
    written = {}
    exec(fit.table_of(constants, "a processor", 7), written)
    assert written["CONSTANTS"] == constants


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


def test_the_terms_of_a_cost_are_added_up():
    expected = calibration_avx2.CONSTANTS
    if fastconv.show_runtime(mode="dicts")["vector_bytes"] == 64:
        expected = dict(calibration_avx512.CONSTANTS)
        if dispatch.halves_vectors():
            expected.update(calibration_avx512_halves.CONSTANTS)
    assert calibration.constants() == expected
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
