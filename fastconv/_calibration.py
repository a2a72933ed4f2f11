"""Calibrate: from what a model says that an algorithm does to what that takes.

A model's terms are estimated from the layer and the way it is blocked, and so are right where they
are large. What every call, channel, row and weight costs besides was never the same for all passes
and layouts, and is measured: `bench/fit.py` times random layers and writes `_calibration_table`,
for each algorithm, pass and layout the seconds that some plain counts take, and the factors of the
model's terms. Counts of no weight are left out there.
"""
from fastconv._algorithms.record import Algorithm, Cost
from fastconv._calibration_table import CONSTANTS
from fastconv._core.machine import lanes

# What is counted, and which term of the cost it belongs to. The factors of a model's own terms
# follow; of arithmetic also with the lanes that filters of a group, or a row's pixels, leave empty.
COUNTS = {
    "call": "start", "channels": "start", "filters": "start", "groups": "start", "taps": "start",
    "input_rows": "gather", "output_rows": "traffic", "lines": "arithmetic",
    "weights": "transform", "input": "gather", "output": "traffic",
    "arithmetic": "arithmetic", "filled_filters": "arithmetic", "filled_rows": "arithmetic",
    "gather": "gather", "transform": "transform", "traffic": "traffic", "start": "start",
}  # fmt: skip

FLOAT_BYTES = 4  # elements are counted as so many of this size


def counts(desc, model):
    """What `CONSTANTS` has the price of, in the order of `COUNTS`, for one image.

    `lines` are rows of outputs, once for each row of a kernel's taps and channel that they meet.
    """
    g = desc.geometry
    size = g["itemsize"] / FLOAT_BYTES
    in_rows, out_rows = (g[name][0] * g[name][1] for name in ("input", "output"))
    taps = g["kernel"][0] * g["kernel"][1] * g["kernel"][2]
    row = max(g["output"][2], 1)
    filters = max(g["filters"] // g["groups"], 1)
    channels = g["channels"] // g["groups"]
    vector = lanes(g["itemsize"])
    return (
        1, g["channels"], g["filters"], g["groups"], taps,
        in_rows * g["channels"], out_rows * g["filters"], out_rows * g["filters"] * taps * channels,
        # a plan has its weights packed
        0 if desc.planned else g["filters"] * channels * taps,
        in_rows * g["input"][2] * g["channels"] * size,
        out_rows * g["output"][2] * g["filters"] * size,
        model.arithmetic, model.arithmetic * filled(filters, vector),
        model.arithmetic * filled(row, vector), model.gather, model.transform, model.traffic,
        model.start,
    )  # fmt: skip


def filled(n, vector):
    """Lanes at work for each of n."""
    return -(-n // vector) * vector / n


def calibrated(algorithm: Algorithm) -> Algorithm:
    """The algorithm, with a cost that is the model's at the measured prices."""

    def cost(desc, which):
        model = algorithm.cost(desc, which)
        layout = "last" if desc.geometry["channels_last"] else "first"
        constants = CONSTANTS.get((algorithm.name, which, layout))
        if constants is None or model.arithmetic == 0:  # nothing to add up
            return model
        terms = dict.fromkeys(Cost._fields, 0.0)
        for (name, term), count in zip(COUNTS.items(), counts(desc, model), strict=True):
            if name in constants:
                terms[term] += constants[name] * count
        return Cost(**terms)

    return algorithm._replace(cost=cost)
