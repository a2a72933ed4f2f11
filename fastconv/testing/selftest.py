"""Is this installation right on this machine? A quick answer from NumPy and SciPy alone.

Random problems from `fastconv.testing.cases` go through every algorithm, forward and backward,
in float32 and float64, and are held to the precision contract; so are the poolings. One process
runs one instruction set: `main` starts another for each that the machine has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from functools import partial

import numpy as np

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.cases import ConvCase, PoolCase
from fastconv.testing.contract import assert_exact, assert_within_contract

__all__ = ["check", "main"]


class _Ledger:
    """Counts what passed, what an algorithm refused and what failed, by name."""

    def __init__(self):
        self.passed, self.refused, self.failed = Counter(), Counter(), Counter()
        self.failures = []

    def check(self, name, function, exact, magnitude, context, *, method="auto", **contract):
        """Run `function` and hold its result to the contract, or to equality without one."""
        try:
            result = function()
            if magnitude is None:
                assert_exact(result, exact)
            else:
                assert_within_contract(result, exact, magnitude, **contract)
        except Exception as error:
            # An algorithm may refuse a problem when it is named; "direct" serves everything.
            # Whatever else goes wrong is a finding: note it with its case, and go on.
            named = method not in ("auto", "direct") and f"method={method!r}" in str(error)
            if named and isinstance(error, ValueError):
                self.refused[name] += 1
            else:
                self.failed[name] += 1
                self.failures.append(f"{name}: {type(error).__name__}: {error} ({context})")
        else:
            self.passed[name] += 1


def _conv(ledger, seed):
    case = ConvCase.draw(seed)
    a, geometry = case.arrays(), case.geometry
    x, weight, bias, grad = a["x"], a["weight"], a["bias"], a["grad_output"]
    terms = geometry | {"residual": a["residual"], "activation": case.activation}
    forward = (x, weight, bias)
    of_data, of_weight = (grad, weight, case.x_shape), (grad, x, case.weight_shape)

    def sizes(args):
        return np.abs(args[0]), np.abs(args[1]), args[2]

    passes = [
        ("forward", fastconv.conv2d, forward, terms, reference.conv(*forward, **terms),
         reference.sum_abs(*forward, **terms)),
        ("backward_data", fastconv.conv2d_backward_data, of_data, geometry,
         reference.conv_backward_data(*of_data, **geometry),
         reference.conv_backward_data(*sizes(of_data), **geometry)),
        ("backward_weight", fastconv.conv2d_backward_weight, of_weight, geometry,
         reference.conv_backward_weight(*of_weight, **geometry),
         reference.conv_backward_weight(*sizes(of_weight), **geometry)),
    ]  # fmt: skip
    for which, function, args, kwargs, exact, magnitude in passes:
        activation = kwargs.get("activation")
        for algorithm in ALGORITHMS:
            if which not in algorithm.passes:
                continue
            call = partial(
                function, *args, **kwargs, num_threads=case.num_threads, method=algorithm.name,
                precision=algorithm.tier,
            )  # fmt: skip
            ledger.check(f"{algorithm.name}, {which}", call, exact, magnitude, case,
                         method=algorithm.name, tier=algorithm.tier,
                         activation=activation)  # fmt: skip
    layout = {"data_format": case.data_format}
    ledger.check(
        "bias, backward",
        partial(fastconv.conv2d_backward_bias, grad, **layout),
        reference.conv_backward_bias(grad, **layout, rank=2),
        reference.conv_backward_bias(np.abs(grad), **layout, rank=2),
        case,
    )


def _pool(ledger, seed):
    case = PoolCase.draw(seed)
    a, geometry = case.arrays(), case.geometry
    x, grad = a["x"], a["grad_output"]
    shape, threads, rank = case.x_shape, {"num_threads": case.num_threads}, {"rank": 2}
    layout = {"data_format": case.data_format}

    values, indices = reference.max_pool(x, **geometry, **rank, return_indices=True)
    call = partial(fastconv.max_pool2d, x, **geometry, **threads)
    ledger.check("max_pool2d, forward", call, values, None, case)
    ledger.check("max_pool2d, indices", lambda: call(return_indices=True)[1], indices, None, case)
    ledger.check(
        "max_pool2d, backward",
        partial(fastconv.max_pool2d_backward, grad, indices, shape, **layout, **threads),
        reference.max_pool_backward(grad, indices, shape, **layout, **rank),
        reference.max_pool_backward(np.abs(grad), indices, shape, **layout, **rank),
        case,
    )
    averaging = geometry | case.averaging
    ledger.check(
        "avg_pool2d, forward",
        partial(fastconv.avg_pool2d, x, **averaging, **threads),
        reference.avg_pool(x, **averaging, **rank),
        reference.avg_pool(np.abs(x), **averaging, **rank),
        case,
    )
    ledger.check(
        "avg_pool2d, backward",
        partial(fastconv.avg_pool2d_backward, grad, shape, **averaging, **threads),
        reference.avg_pool_backward(grad, shape, **averaging, **rank),
        reference.avg_pool_backward(np.abs(grad), shape, **averaging, **rank),
        case,
    )


def check(cases, seed):
    """Check the instruction set of this process.

    Parameters
    ----------
    cases : int
        Number of random convolutions; half as many poolings.
    seed : int
        Number of the first of them.

    Returns
    -------
    dict
        ``isa``; ``passed``, ``refused`` and ``failed``: counts by name; ``failures``: messages.
    """
    ledger = _Ledger()
    for number in range(seed, seed + cases):
        _conv(ledger, number)
    for number in range(seed, seed + max(1, cases // 2)):
        _pool(ledger, number)
    return {"isa": fastconv.show_runtime(mode="dicts")["isa"]} | vars(ledger)


def _check_in_process(level, cases, seed):
    """`check` in a new process that is capped at `level`."""
    code = (
        "import json, sys; from fastconv.testing.selftest import check; "
        "print(json.dumps(check(*map(int, sys.argv[1:]))))"
    )
    # -P keeps the current directory, which may hold a source tree, off the path.
    done = subprocess.run(
        [sys.executable, "-P", "-X", "faulthandler", "-c", code, str(cases), str(seed)],
        env=os.environ | {"FASTCONV_MAX_ISA": level},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"the process ended with status {done.returncode}"
        return {"passed": {}, "refused": {}, "failed": {"process": 1}, "failures": [message]}
    result = json.loads(done.stdout)
    if result["isa"] != level:
        result["failed"]["process"] = 1
        result["failures"].append(f"ran {result['isa']} in place of {level}")
    return result


def main(cases=200, seed=0):
    """Check every instruction set that this machine has, each in a process of its own.

    ``FASTCONV_MAX_ISA`` caps them as it does everywhere.

    Parameters
    ----------
    cases, seed : int
        As for `check`.

    Returns
    -------
    int
        0, or 1 where anything failed.
    """
    start = time.perf_counter()
    runtime = fastconv.show_runtime(mode="dicts")
    levels = runtime["isa_available"]
    levels = levels[: levels.index(runtime["isa"]) + 1]
    print(f"fastconv {fastconv.__version__} from {os.path.dirname(fastconv.__file__)}", flush=True)
    results = {level: _check_in_process(level, cases, seed) for level in levels}

    kinds = ("passed", "refused", "failed")
    names = {name: None for r in results.values() for kind in kinds for name in r[kind]}
    print(f"{'checks passed':<26}" + "".join(f"{level:>14}" for level in levels))
    for name in sorted(names):
        row = f"{name:<26}"
        for result in results.values():
            passed, refused, failed = (result[kind].get(name, 0) for kind in kinds)
            cell = f"{failed} FAILED" if failed else str(passed)
            row += f"{f'{cell} of {passed + failed}' if failed else cell:>14}"
            # A refusal is an answer, not a failure: the algorithm does not serve that problem.
            row += f" ({refused} refused)" if refused else ""
        print(row)
    failures = [f"{level}: {text}" for level, r in results.items() for text in r["failures"]]
    for text in failures[:10]:
        print(f"FAILED {text}")
    total = sum(sum(r["passed"].values()) for r in results.values())
    print(
        f"selftest {'failed' if failures else 'passed'}: {total} checks passed, "
        f"{len(failures)} failed, {time.perf_counter() - start:.1f} s"
    )
    return 1 if failures else 0
