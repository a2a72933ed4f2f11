"""Fit the cost models to this machine: prices of what they count, for `fastconv._call`.

An algorithm's model estimates terms (arithmetic, gather, transform, traffic, start); plain counts
stand beside them: calls, channels, rows, weights (`fastconv._call.calibration`). This draws random
layers, times every algorithm that serves them on one thread, and finds for each algorithm, pass
and layout the prices that explain the times best: least squares of ratios without negative prices,
and without the counts that tell nothing. It prints the typical factor between a time and its
estimate, and how much longer than the fastest method the chosen one takes, for layers that were
not fitted, with the models alone, with the constants that are installed, and with those found.

    python -P bench/fit.py --seconds 600 --seed 0 --write table.py

On a machine that has nothing else to do. `calibration_avx512.py` is for levels with vectors of 64
bytes, `calibration_avx512_halves.py` for processors that take those in two halves, and
`calibration_avx2.py` for all others.
"""

import argparse
import itertools
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

import fastconv
from fastconv import _select
from fastconv._algorithms.record import Cost
from fastconv._bench.draw import points
from fastconv._bench.report import processor
from fastconv._call import calibration
from fastconv._call.squeezed import seen_by
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry

WHOLE = 16             # channels that networks count in
MAX_SECONDS = 0.06     # of a call: longer ones would take the whole run
HOPELESS = 10          # times the least estimate: what nobody would choose
SAMPLE_SECONDS = 4e-3  # that calls are repeated for; the fastest counts
MIN_SAMPLES = 90       # of an algorithm, pass and layout, to be fitted
HELD_BACK = 4          # every so many-th layer is not fitted, but judged by
ROUNDS = 10            # of reweighting
STEPS = 100            # of least squares, at most, for each price
MOST_WEIGHTS = 1 << 25  # of a dense layer: more than caches hold
PRICED = "cropped"     # whose cost is that of others, at their prices
WORTH = 1.006          # a count stays that makes the spread so much smaller
RIDGE = 3.0            # of corrections: so many layers' worth of doubt in each of its weights
OUTSIDE = 1            # per cent of layers at each end of a feature, that do not stretch its range


class Layer(NamedTuple):
    """One pass of a random layer."""

    x_shape: tuple
    weight_shape: tuple
    arguments: dict
    dtype: str
    which: str
    planned: bool


class Sample(NamedTuple):
    """What an algorithm took for a layer."""

    layer: int
    key: tuple      # algorithm, pass, layout, and the kernels where they differ
    model: float    # seconds, by the model alone
    counts: tuple
    seconds: float
    shapes: tuple   # features of the description


class Table(NamedTuple):
    """What estimates are made of, each by algorithm, pass and layout."""

    constants: dict    # prices of counts
    corrections: dict  # ends of the range of each feature, and weights of their products


# ---- layers ----


def yardstick(seed):
    """The layers of ``fastconv bench --random``, of seeds that no number is, without an end."""
    for more in itertools.count():
        yield from points(f"fit {seed} {more}", ("layers",), 500)


def draw(rng, cases):
    """A random layer: of the yardstick, a network or its end, small, or of one channel."""
    arguments = {"data_format": str(rng.choice(("channels_first", "channels_last")))}
    kind = rng.random()
    if kind < 0.4:
        return of_case(rng, next(cases), arguments)
    if kind < 0.43:
        return dense(rng, arguments)
    if kind < 0.46:
        return depthwise(rng, arguments)
    if kind < 0.66:
        return of_network(rng, arguments)
    planned = False
    rank = int(rng.choice((1, 2, 2, 2, 3)))
    if kind < 0.92:
        size = lengths(rng, rank, 1, (4096, 120, 25)[rank - 1])
        kernel = tuple(map(min, lengths(rng, rank, 1, (15, 9, 5)[rank - 1]), size))
        if (whole := rng.random()) < 0.25:  # one position, or as small an image as a kernel
            kernel = size = kernel if whole < 0.15 else size
        arguments["stride"] = lengths(rng, rank, 1, 3)
        arguments["padding"] = tuple(int(rng.choice((0, k // 2))) for k in kernel)
        if rng.random() < 0.15:
            arguments["dilation"] = lengths(rng, rank, 1, 3)
        channels, filters, groups = channels_of(rng, 1, 500)
    else:
        size = lengths(rng, rank, *((16, 1 << 20), (32, 2048), (16, 128))[rank - 1])
        kernel = lengths(rng, rank, *((2, 20_000), (1, 90), (1, 12))[rank - 1])
        arguments["padding"] = tuple((k // 2, (k - 1) // 2) for k in kernel)
        channels = filters = groups = 1
    which = str(rng.choice(("forward", "forward", "forward", "backward_data", "backward_weight")))
    if which == "forward":
        planned = rng.random() < 0.3
    x_shape = (1, channels, *size)
    if arguments["data_format"] == "channels_last":
        x_shape = (1, *size, channels)
    return Layer(x_shape, (filters, channels // groups, *kernel), {**arguments, "groups": groups},
                 str(rng.choice(("float32", "float32", "float64"))), which, planned)


def of_network(rng, arguments):
    """A layer as networks have them: square kernels, 1x1 and 3x3 mostly, and many channels."""
    rank = int(rng.choice((1, 2, 2, 2, 2, 3)))
    size = (between(rng, *((64, 16384), (7, 224), (8, 48))[rank - 1]),) * rank
    kernel = (int(rng.choice((1, 1, 3, 3, 5, 7))),) * rank
    channels, filters, groups = channels_of(rng, 16, 1024)
    if groups == 1 and rng.random() < 0.7:
        channels, filters = (round(n / WHOLE) * WHOLE for n in (channels, filters))
    which = str(rng.choice(("forward", "forward", "forward", "backward_data", "backward_weight")))
    x_shape = (1, *size, channels)
    if arguments["data_format"] == "channels_first":
        x_shape = (1, channels, *size)
    arguments |= {"stride": int(rng.choice((1, 1, 1, 2))), "padding": kernel[0] // 2,
                  "groups": groups}  # fmt: skip
    return Layer(x_shape, (filters, channels // groups, *kernel), arguments, "float32", which,
                 which == "forward" and rng.random() < 0.6)  # fmt: skip


def of_case(rng, case, arguments):
    """A case of the yardstick, in either layout."""
    shape = case.layer
    geometry = {"stride": shape.stride, "padding": shape.padding, "dilation": shape.dilation,
                "groups": shape.groups}  # fmt: skip
    return Layer(shape.input_shape(1, arguments["data_format"]), shape.weight_shape,
                 arguments | geometry, "float32", case.operation,
                 case.operation == "forward" and rng.random() < 0.5)


def dense(rng, arguments):
    """A layer of as many taps as its image has pixels, or little less, and many weights."""
    rank = int(rng.choice((1, 2)))
    kernel = (between(rng, 1, 8),) * rank
    size = tuple(k + int(rng.choice((0, 0, 1, 2))) for k in kernel)
    channels = between(rng, 64, min(16384, MOST_WEIGHTS // math.prod(kernel) // 64))
    filters = between(rng, 64, min(4096, MOST_WEIGHTS // math.prod(kernel) // channels))
    x_shape = (1, *size, channels)
    if arguments["data_format"] == "channels_first":
        x_shape = (1, channels, *size)
    return Layer(x_shape, (filters, channels, *kernel), arguments, "float32", "forward",
                 rng.random() < 0.6)  # fmt: skip


def depthwise(rng, arguments):
    """A depthwise layer of a network: small kernels, planes as large as wide."""
    channels, size = between(rng, 16, 1024), between(rng, 5, 112)
    kernel = int(rng.choice((3, 3, 5, 7)))
    arguments |= {"stride": int(rng.choice((1, 1, 2))), "padding": kernel // 2, "groups": channels}
    which = str(rng.choice(_select.PASSES))
    x_shape = (1, size, size, channels)
    if arguments["data_format"] == "channels_first":
        x_shape = (1, channels, size, size)
    return Layer(x_shape, (channels, 1, kernel, kernel), arguments, "float32", which,
                 which == "forward" and rng.random() < 0.6)  # fmt: skip


def between(rng, low, high):
    """Log-uniform from low to high, both included."""
    return min(high, max(low, round(math.exp(rng.uniform(math.log(low), math.log(high))))))


def lengths(rng, rank, low, high):
    """One for each axis, half of the time all the same."""
    if rng.random() < 0.5:
        return (between(rng, low, high),) * rank
    return tuple(between(rng, low, high) for _ in range(rank))


def channels_of(rng, low, high):
    """Channels, filters and groups: none, some, or one for each channel."""
    groups = int(rng.choice((1, 1, 2, 3)))
    if groups == 1:
        return between(rng, low, high), between(rng, low, high), 1
    if groups == 2:
        groups = between(rng, 2, 64)
        return groups * between(rng, 1, 30), groups * between(rng, 1, 30), groups
    groups = between(rng, 2, 700)
    return groups, groups * int(rng.choice((1, 1, 1, 2))), groups


def describe(layer):
    """The description of a layer, or None where no window fits."""
    rank = len(layer.weight_shape) - 2
    try:
        desc = describe_conv(geometry("fit", rank, **layer.arguments), layer.x_shape,
                             layer.weight_shape, np.dtype(layer.dtype).itemsize)
    except ValueError:
        return None
    desc.planned = layer.planned
    return desc


# ---- times ----


def seconds_of(call):
    """The fastest of some calls."""
    start = time.perf_counter()
    call()
    best = time.perf_counter() - start
    end = start + MAX_SECONDS if best > MAX_SECONDS / 4 else time.perf_counter() + SAMPLE_SECONDS
    while True:
        start = time.perf_counter()
        if start > end:
            return best
        call()
        best = min(best, time.perf_counter() - start)


def measure(seconds, seed):
    """Samples of layers that are drawn for so many seconds."""
    rng, cases = np.random.default_rng(seed), yardstick(seed)
    end, samples, layers = time.perf_counter() + seconds, [], 0
    while time.perf_counter() < end:
        layer = draw(rng, cases)
        desc = describe(layer)
        if desc is None:
            continue
        found = list(measure_layer(rng, layer, desc, layers))
        layers += bool(found)
        samples += found
    return samples


def measure_layer(rng, layer, desc, number):
    """A sample of every algorithm that is worth one."""
    known = {a.name: a for a in _select.UNCALIBRATED}
    seen = {name: seen_by(a, desc) for name, a in known.items()}
    models = {a.name: a.cost(seen[a.name], layer.which) for a in known.values()
              if layer.which in a.passes and a.name != PRICED
              and a.supports(seen[a.name], layer.which) is None}  # fmt: skip
    least = min(model.seconds for model in models.values())
    if not 0 < least <= MAX_SECONDS:
        return
    arrays = [rng.standard_normal(shape).astype(layer.dtype) for shape in (
        layer.x_shape, layer.weight_shape, desc.output_shape(1))]  # fmt: skip
    for name, model in models.items():
        if model.seconds <= HOPELESS * least:
            call = call_of(layer, name, *arrays)
            yield Sample(number, calibration.price_key(known[name], seen[name], layer.which),
                         model.seconds, calibration.counts(seen[name], model), seconds_of(call),
                         calibration.shapes(seen[name]))  # fmt: skip


def call_of(layer, method, x, weight, grad):
    """One pass by one method, as a function without arguments."""
    options = {**layer.arguments, "method": method, "precision": "medium", "num_threads": 1}
    if layer.which == "backward_data":
        return lambda: fastconv.conv_backward_data(grad, weight, x.shape, **options)
    if layer.which == "backward_weight":
        return lambda: fastconv.conv_backward_weight(grad, x, weight.shape, **options)
    if layer.planned:
        plan = fastconv.plan_conv(x.shape, weight, **options)
        return lambda: plan(x)
    return lambda: fastconv.conv(x, weight, **options)


# ---- prices ----


def fit(counts, seconds):
    """Prices of counts, of which those that tell nothing are 0."""
    columns = list(range(counts.shape[1]))
    prices = prices_of(counts, seconds, columns)
    best = spread(counts @ prices, seconds)
    columns = [c for c in columns if prices[c]]
    while len(columns) > 1:
        tries = [prices_of(counts, seconds, [c for c in columns if c != left_out])
                 for left_out in columns]  # fmt: skip
        simpler = min(tries, key=lambda prices: spread(counts @ prices, seconds))
        if spread(counts @ simpler, seconds) > best * WORTH:
            break
        prices, columns = simpler, [c for c in columns if simpler[c]]
    return prices


def prices_of(counts, seconds, columns):
    """Least squares of ratios: weighted by what was estimated, too, and outliers by less."""
    weights, prices = 1 / seconds, np.zeros(counts.shape[1])
    for _ in range(ROUNDS):
        weighted = counts[:, columns] * weights[:, np.newaxis]
        scales = np.linalg.norm(weighted, axis=0) + (weighted == 0).all(axis=0)
        found, _ = nnls(weighted / scales, seconds * weights, maxiter=STEPS * len(columns))
        prices[columns] = found / scales
        estimates = np.maximum(counts @ prices, 1e-9)
        weights = 1 / np.sqrt(seconds * estimates * (1 + abs(np.log(estimates / seconds))))
    return prices


def spread(estimates, seconds):
    """The typical factor between a time and its estimate."""
    return math.exp(np.mean(abs(np.log(np.maximum(estimates, 1e-9) / seconds))))


def fitted_together(samples):
    """The samples of every algorithm, pass and layout that has enough of them.

    Kernels that are priced apart leave the rest to be priced; where that is too rare, all are one.
    """
    for key in sorted({k for s in samples for k in (s.key, s.key[:3])}):
        mine = [s for s in samples if s.key == key]
        if len(mine) < MIN_SAMPLES and len(key) == 3:
            mine = [s for s in samples if s.key[:3] == key]
        if len(mine) >= MIN_SAMPLES:
            yield key, mine


def table_of(samples):
    """The prices that samples were made with, and what corrects them."""
    found = Table({}, {})
    for key, mine in fitted_together(samples):
        prices = fit(counts_of(mine), seconds_of_all(mine))
        found.constants[key] = {name: float(f"{price:.2g}") for name, price in zip(
            calibration.COUNTS, prices, strict=True) if price}  # fmt: skip
        found.corrections[key] = correction_of(mine, found.constants[key])
    return found


def counts_of(samples):
    return np.array([s.counts for s in samples], dtype=float)


def seconds_of_all(samples):
    return np.array([s.seconds for s in samples])


def terms_of(samples, prices):
    """The terms of a cost for each sample, at these prices."""
    priced = counts_of(samples) * [prices.get(name, 0.0) for name in calibration.COUNTS]
    belongs = np.array([[term == of for of in Cost._fields]
                        for term in calibration.COUNTS.values()])  # fmt: skip
    return priced @ belongs


# ---- corrections ----


def features_of(samples, terms):
    """What a correction depends on, in the order of `calibration.FEATURES`."""
    total = np.maximum(terms.sum(axis=1, keepdims=True), calibration.LEAST_SECONDS)
    shares = np.log(np.maximum(terms / total, calibration.LEAST_SHARE))
    return np.hstack([np.array([s.shapes for s in samples]), shares, np.log(total)])


def products_of(features, low, high):
    """Features in their ranges, as -1 to 1: products of each two, each, and 1."""
    low, high = np.array(low), np.array(high)
    span = high - low
    scaled = 2 * np.clip(features, low, high) - low - high
    scaled = np.where(span > 0, scaled / np.where(span > 0, span, 1), 0)
    scaled = np.hstack([np.ones((len(features), 1)), scaled])
    first, second = np.triu_indices(scaled.shape[1])
    return scaled[:, first] * scaled[:, second]


def correction_of(samples, prices):
    """A polynomial for the logarithm of what prices miss by: ranges, and weights."""
    terms = terms_of(samples, prices)
    most = calibration.MOST_CORRECTED
    estimates = np.maximum(terms.sum(axis=1), calibration.LEAST_SECONDS)
    missed = np.log(seconds_of_all(samples) / estimates).clip(-most, most)
    features = features_of(samples, terms)
    low, high = ([float(f"{end:.3g}") for end in np.percentile(features, percent, axis=0)]
                 for percent in (OUTSIDE, 100 - OUTSIDE))  # fmt: skip
    products = products_of(features, low, high)
    doubt = RIDGE * np.eye(products.shape[1])
    doubt[0, 0] = 0  # the constant is not doubted
    weights = np.linalg.solve(products.T @ products + doubt, products.T @ missed)
    return tuple(low), tuple(high), tuple(
        round(weight / calibration.WEIGHT_UNIT) for weight in weights)  # fmt: skip


def corrected(samples, terms, correction):
    """The seconds of terms, by the polynomial."""
    low, high, weights = correction
    logarithm = products_of(features_of(samples, terms), low, high) @ weights
    logarithm *= calibration.WEIGHT_UNIT
    most = calibration.MOST_CORRECTED
    return terms.sum(axis=1) * np.exp(np.clip(logarithm, -most, most))


# ---- what a table is worth ----


def estimates_of(samples, table):
    """The seconds of each sample by a table, or by its model where there are no prices."""
    found = np.array([s.model for s in samples])
    places = {}
    for place, sample in enumerate(samples):
        places.setdefault(sample.key, []).append(place)
    for key, mine in places.items():
        of_table = key if key in table.constants else key[:3]
        if of_table not in table.constants:
            continue
        chosen = [samples[place] for place in mine]
        terms = terms_of(chosen, table.constants[of_table])
        found[mine] = terms.sum(axis=1)
        if of_table in table.corrections:
            found[mine] = corrected(chosen, terms, table.corrections[of_table])
    return found


def regrets(samples, table):
    """Of every layer: the time of the method with the least estimate over the least time."""
    layers = {}
    for sample, estimate in zip(samples, estimates_of(samples, table), strict=True):
        layers.setdefault(sample.layer, []).append((estimate, sample.seconds))
    return np.array([min(layer)[1] / min(seconds for _, seconds in layer)
                     for layer in layers.values()])  # fmt: skip


# ---- what is written ----


def source_of(table, processor, layers):
    """The source of a table."""
    lines = [
        '"""The prices of what cost models count: written by `bench/fit.py`, not by hand.', "",
        f"From {layers} random layers on one thread of {processor}.", '"""', "",
        "# Seconds of each count, and factors of the models' terms (`calibration.COUNTS`), by",
        "# algorithm, pass and layout.", "# fmt: off", "CONSTANTS = {",
    ]  # fmt: skip
    for key, prices in table.constants.items():
        items = (f'"{name}": {price:g},' for name, price in prices.items())
        lines += [f"    {key!r}: {{".replace("'", '"'), *filled(items, 8), "    },"]
    lines += [
        "}", "",
        "# The range of each feature (`calibration.FEATURES`), and the weights of their products.",
        "CORRECTIONS = {",
    ]  # fmt: skip
    for key, parts in table.corrections.items():
        lines.append(f"    {key!r}: (".replace("'", '"'))
        for part in parts:
            numbers = filled((f"{number:g}," for number in part), 12)
            lines += ["        (", *numbers, "        ),"]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


def filled(items, indent):
    """Lines of items, as full as may be."""
    lines, line = [], ""
    for item in items:
        if len(line) + 1 + len(item) > 98 - indent:
            lines.append(line)
            line = ""
        line += " " * bool(line) + item
    return [" " * indent + line for line in [*lines, line]]


def report(samples, table):
    """What a table is worth: for the layers that were fitted, and those that were not."""
    installed = Table(calibration.constants(), calibration.corrections())
    tables = {"model": Table({}, {}), "installed": installed,
              "prices": Table(table.constants, {}), "corrected": table}  # fmt: skip
    print(f"{'algorithm, pass, layout':42s} samples", *(f"{name:>9s}" for name in tables))
    for key in sorted({s.key for s in samples}):
        mine = [s for s in samples if s.key == key]
        factors = [spread(estimates_of(mine, known), seconds_of_all(mine))
                   for known in tables.values()]  # fmt: skip
        print(f"{', '.join(key):42s} {len(mine):7d}", *(f"{factor:9.2f}" for factor in factors))
    for held_back in (False, True):
        judged = [s for s in samples if (s.layer % HELD_BACK == 0) == held_back]
        for name, known in tables.items():
            r = regrets(judged, known)
            title = "held back" if held_back else "fitted"
            print(f"{title:9s} by {name:9s}: {len(r)} layers, the choice takes "
                  f"{np.exp(np.log(r).mean()):.3f} times the best, over 1.3 in "
                  f"{(r > 1.3).mean():.1%}, over 2 in {(r > 2).mean():.1%}, at most {r.max():.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="of measuring")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="FILE", help="the table of constants")
    options = parser.parse_args()
    samples = measure(options.seconds, options.seed)
    table = table_of([s for s in samples if s.layer % HELD_BACK])
    report(samples, table)
    if options.write:
        machine = f"{processor()}, {fastconv.show_runtime(mode='dicts')['isa']}"
        options.write.write_text(source_of(table, machine, len({s.layer for s in samples})))


if __name__ == "__main__":
    main()
