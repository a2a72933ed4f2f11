"""Fit the cost models to this machine: what each term takes, against what the models say.

An algorithm estimates its time as a sum of terms (`fastconv.explain`, docs/algorithms/choice.rst):
arithmetic, gather, transform, traffic, start. This draws random layers, times every algorithm that
serves them, planned and on one thread, and finds for each algorithm the factors of its terms that
explain the times best, by least squares of the logarithms. A factor of 2 says that the constants
behind a term are half of what they should be here; an efficiency of arithmetic is to be divided by
it. `before` and `after` are the typical factor between a time and its estimate.

    python -P bench/fit.py --layers 200 --seed 0
"""

import argparse
import math
import time

import numpy as np
from scipy.optimize import least_squares

import fastconv

TERMS = ("arithmetic", "gather", "transform", "traffic", "start")
MAX_SECONDS = 0.2      # of a call, by its estimate: longer ones would take the whole run
MIN_SAMPLE = 5e-3      # seconds of processor time that one sample repeats a call for
SAMPLES = 3            # of which the best counts
MIN_SHARE = 0.02       # of all estimates, for a term to be fitted


def draw(rng):
    """A random layer: shapes and arguments of `plan_conv`."""
    rank = int(rng.choice((1, 2, 2, 2, 3)))
    groups = int(rng.choice((1, 1, 1, 2, 8, 32)))
    channels, filters = (groups * int(2 ** rng.uniform(0, 8 if groups == 1 else 3))
                         for _ in range(2))
    longest = {1: 14, 2: 7, 3: 4.5}[rank]
    size = tuple(int(2 ** rng.uniform(1, longest)) + 1 for _ in range(rank))
    kernel = tuple(min(int(k), n) for k, n in zip(2 ** rng.uniform(0, 3.5, rank), size))
    arguments = {"stride": int(rng.choice((1, 1, 2))), "groups": groups,
                 "padding": tuple((k - 1) // 2 for k in kernel)}
    dtype = np.dtype(str(rng.choice(("float32", "float64"))))
    return ((1, channels, *size), (filters, channels // groups, *kernel)), arguments, dtype


def seconds_of(plan, x):
    """Processor time of a call."""
    out = plan(x)
    calls, best = 1, math.inf
    while True:
        start = time.process_time()
        for _ in range(calls):
            plan(x, out=out)
        taken = time.process_time() - start
        if taken >= MIN_SAMPLE:
            break
        calls *= 2
    for _ in range(SAMPLES):
        start = time.process_time()
        for _ in range(calls):
            plan(x, out=out)
        best = min(best, (time.process_time() - start) / calls)
    return best


def measure(layers, seed):
    """For every algorithm, its terms and its time for each layer that it served."""
    rng = np.random.default_rng(seed)
    found = {}
    for _ in range(layers):
        (x_shape, weight_shape), arguments, dtype = draw(rng)
        x = rng.standard_normal(x_shape).astype(dtype)
        weight = rng.standard_normal(weight_shape).astype(dtype)
        rows = fastconv.explain(x_shape, weight_shape, dtype=dtype, precision="high",
                                planned=True, **arguments)
        for row in rows:
            if row["reason"] is not None or row["cost"].seconds > MAX_SECONDS:
                continue
            plan = fastconv.plan_conv(x_shape, weight, precision="high", method=row["method"],
                                      num_threads=1, **arguments)
            found.setdefault(row["method"], []).append((row["cost"], seconds_of(plan, x)))
    return found


def fit(costs, seconds):
    """Factors of the terms that are worth one; others keep 1."""
    fitted = costs.sum(axis=0) >= MIN_SHARE * costs.sum()

    def factors_of(logarithms):
        factors = np.ones(len(TERMS))
        factors[fitted] = np.exp(logarithms)
        return factors

    def errors(logarithms):
        return np.log(costs @ factors_of(logarithms) / seconds)

    return factors_of(least_squares(errors, np.zeros(fitted.sum()), loss="soft_l1").x)


def spread(estimates, seconds):
    """The typical factor between a time and its estimate."""
    return math.exp(np.sqrt(np.mean(np.log(estimates / seconds) ** 2)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'method':10s} {'layers':>6s} " + " ".join(f"{term:>10s}" for term in TERMS)
          + f" {'before':>8s} {'after':>8s}")
    for method, rows in measure(options.layers, options.seed).items():
        costs = np.array([tuple(cost) for cost, _ in rows])
        seconds = np.array([taken for _, taken in rows])
        factors = fit(costs, seconds)
        before, after = (spread(costs @ f, seconds) for f in (np.ones(len(TERMS)), factors))
        print(f"{method:10s} {len(rows):6d} " + " ".join(f"{f:10.2f}" for f in factors)
              + f" {before:8.2f} {after:8.2f}")


if __name__ == "__main__":
    main()
