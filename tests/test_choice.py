"""Choice: what ``"auto"`` takes is near the fastest method on geometry that nobody tuned for.

Slow, and for a machine that has nothing else to do: ``pytest -m slow test_choice.py``. Times are
the processor's, the least of several, and bounds are ratios.
"""

import time

import numpy as np
import pytest

import fastconv
from fastconv._bench import draw

MAX_FLOPS = 1e9  # of a point
HOPELESS = 30  # times the least estimate: what is not measured
SECONDS = 0.01  # for each method


def least_time(call):
    """Processor seconds of the fastest of some calls."""
    end, best = time.process_time() + SECONDS, np.inf
    for _ in range(1000):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
        if time.process_time() > end:
            break
    return best


def regret(case):
    """The chosen method's time over that of the best; None where there is no choice."""
    layer, dtype = case.layer, "float64" if case.dtype == "uint8" else case.dtype
    options = layer.kwargs() | {"precision": "high" if dtype == "float32" else "highest"}
    rows = fastconv.explain(layer.input_shape(1), layer.weight_shape, **options, dtype=dtype,
                            which=case.operation, num_threads=1)  # fmt: skip
    estimates = {row["method"]: row["estimated_seconds"] for row in rows
                 if row["reason"] is None and row["estimated_seconds"]}  # fmt: skip
    chosen = next(row["method"] for row in rows if row["verdict"] == "chosen")
    worth = [m for m, t in estimates.items() if t <= HOPELESS * min(estimates.values())]
    if len(worth) < 2 or chosen not in worth:
        return None
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(shape).astype(dtype)
               for shape in (layer.input_shape(1), layer.weight_shape, case.y_shape))  # fmt: skip
    suffix = "" if case.operation == "forward" else "_" + case.operation
    function = getattr(fastconv, "conv" + suffix)
    arrays = {"forward": (x, w), "backward_data": (g, w, x.shape),
              "backward_weight": (g, x, w.shape)}[case.operation]  # fmt: skip
    times = {m: least_time(lambda m=m: function(*arrays, **options, method=m, num_threads=1))
             for m in worth}  # fmt: skip
    return times[chosen] / min(times.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["layers", "filters"])
def test_the_choice_is_near_the_best(kind):
    cases = [case for case in draw.points(1234, [kind], 200) if case.flops <= MAX_FLOPS]
    found = {case.layer.name: ratio for case in cases if (ratio := regret(case)) is not None}
    ratios = np.array(list(found.values()))
    worst = sorted(found.items(), key=lambda item: -item[1])[:10]
    assert len(ratios) > 80
    assert np.exp(np.log(ratios).mean()) < 1.25, worst
    assert (ratios > 1.3).mean() < 0.25, worst
    assert ratios.max() < 8, worst
