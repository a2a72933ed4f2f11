"""Is this installation right on this machine? A quick answer from NumPy and SciPy alone.

Random problems from `fastconv.testing.cases` go through every algorithm, forward and backward,
on one, two and three axes and in every dtype, and are held to the precision contract; so are the
poolings. One process runs one instruction set: `main` starts another for each that the machine
has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter

import fastconv
from fastconv._core.progress import bar
from fastconv.testing.cases import DTYPES, POOL_DTYPES, ConvCase, PoolCase, TransposeCase
from fastconv.testing.checks import (
    attempts,
    conv_checks,
    pool_checks,
    separable_checks,
    transpose_checks,
)

__all__ = ["check", "main"]


class _Ledger:
    """Counts what passed, what an algorithm refused and what failed, by name."""

    def __init__(self):
        self.passed, self.refused, self.failed = Counter(), Counter(), Counter()
        self.failures = []

    def add(self, problem):
        """Compute a check in every way there is, and hold the results to the contract."""
        for how, tier in attempts(problem):
            method = how.get("method", "auto")
            name = problem.name if problem.which is None else f"{method}, {problem.which}"
            try:
                problem.judge(problem.run(**how), tier)
            except Exception as error:
                # An algorithm may refuse a problem when it is named; "direct" serves everything.
                # Whatever else goes wrong is a finding: note it with its case, and go on.
                named = method not in ("auto", "direct") and f"method={method!r}" in str(error)
                if named and isinstance(error, ValueError):
                    self.refused[name] += 1
                else:
                    self.failed[name] += 1
                    text = f"{name}: {type(error).__name__}: {error} ({problem.case})"
                    self.failures.append(text)
            else:
                self.passed[name] += 1


def check(cases, seed, progress=None):
    """Check the instruction set of this process.

    Parameters
    ----------
    cases : int
        Number of random convolutions on two axes; as many of other ranks and dtypes, as many
        separable ones, and half as many transposed convolutions and poolings.
    seed : int
        Number of the first of them.
    progress : callable, optional
        Called, without arguments, after each.

    Returns
    -------
    dict
        ``isa``; ``passed``, ``refused`` and ``failed``: counts by name; ``failures``: messages.
    """
    ledger = _Ledger()
    for number in range(seed, seed + cases):
        # Two axes and the native dtypes are what most calls have; the others take turns.
        for problem in conv_checks(ConvCase.draw(number)):
            ledger.add(problem)
        rank = 1 + number % 3
        for problem in conv_checks(ConvCase.draw(number, rank, DTYPES)):
            ledger.add(problem)
        for problem in separable_checks(ConvCase.draw(number, rank, DTYPES)):
            ledger.add(problem)
        if number % 2 == seed % 2:
            for problem in transpose_checks(TransposeCase.draw(number, rank, DTYPES)):
                ledger.add(problem)
            for problem in pool_checks(PoolCase.draw(number, rank, POOL_DTYPES)):
                ledger.add(problem)
        if progress is not None:
            progress()
    return {"isa": fastconv.show_runtime(mode="dicts")["isa"]} | vars(ledger)


def _check_in_process(level, cases, seed, progress):
    """`check` in a new process that is capped at `level`."""
    # A line that says nothing after each case, and the result as the last one.
    code = (
        "import json, sys; from fastconv.testing.selftest import check; "
        "tell = lambda: print(flush=True); "
        "print(json.dumps(check(*map(int, sys.argv[1:]), tell)))"
    )
    # -P keeps the current directory, which may hold a source tree, off the path.
    with subprocess.Popen(
        [sys.executable, "-P", "-X", "faulthandler", "-c", code, str(cases), str(seed)],
        env=os.environ | {"FASTCONV_MAX_ISA": level},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            progress()
    if process.returncode:
        message = f"the process ended with status {process.returncode}"
        return {"passed": {}, "refused": {}, "failed": {"process": 1}, "failures": [message]}
    result = json.loads(lines[-1])
    if result["isa"] != level:
        result["failed"]["process"] = 1
        result["failures"].append(f"ran {result['isa']} in place of {level}")
    return result


def main(cases=200, seed=0, as_json=False):
    """Check every instruction set that this machine has, each in a process of its own.

    ``FASTCONV_MAX_ISA`` caps them as it does everywhere.

    Parameters
    ----------
    cases, seed : int
        As for `check`.
    as_json : bool, default False
        Print what `check` returns, by instruction set, in place of a table.

    Returns
    -------
    int
        0, or 1 where anything failed.
    """
    start = time.perf_counter()
    runtime = fastconv.show_runtime(mode="dicts")
    levels = runtime["isa_available"]
    levels = levels[: levels.index(runtime["isa"]) + 1]
    where = os.path.dirname(fastconv.__file__)
    if not as_json:
        print(f"fastconv {fastconv.__version__} from {where}", flush=True)
    results = {}
    with bar(len(levels) * (cases + 1), "case") as shown:
        for level in levels:
            shown.set_postfix_str(level)
            results[level] = _check_in_process(level, cases, seed, shown.update)
    seconds = time.perf_counter() - start
    if as_json:
        print(json.dumps({"fastconv": fastconv.__version__, "from": where, "seconds": seconds,
                          "levels": results}, indent=2))  # fmt: skip
        return 1 if any(r["failures"] for r in results.values()) else 0
    return _report(levels, results, seconds)


def _report(levels, results, seconds):
    """Print a table of what passed, and the failures; return the exit status."""
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
        f"{len(failures)} failed, {seconds:.1f} s"
    )
    return 1 if failures else 0
