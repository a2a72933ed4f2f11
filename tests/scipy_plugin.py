"""A plugin of pytest that has SciPy's own tests call fastconv.

``pytest -p scipy_plugin --pyargs scipy.ndimage.tests.test_filters``, this directory on the path.

`fastconv.ndimage` and `fastconv.signal` take the places of their namesakes in `scipy.ndimage` and
`scipy.signal` before a test is imported. The last lines say how many calls we served, how many we
handed on to SciPy, and how many ended by an error, ours or SciPy's; with SCIPY_PLUGIN_COUNTS a file
is written that says it too, and which tests failed.
"""

import functools
import importlib
import json
import os
import threading
from collections import Counter

import pytest

from fastconv._signal.arguments import FEW

MODULES = ("ndimage", "signal")
SERVED, HANDED_ON, REFUSED = Counter(), Counter(), Counter()
OUTCOMES, FAILED = Counter(), []


class Running(threading.local):
    """The functions of ours that are at work in a thread, and whether each asked SciPy."""

    def __init__(self):
        self.names, self.asked = [], []


RUNNING = Running()


def front(name, original):
    """What stands in SciPy's module: ours for a test, SciPy's own for ours.

    Returns
    -------
    callable
        Its attribute `ours` is the function that serves, set later: a module of ours finds this
        in SciPy's when it is imported.
    """

    @functools.wraps(original)
    def call(*args, **kwargs):
        if name in RUNNING.names:  # ours asks SciPy
            RUNNING.asked[RUNNING.names.index(name)] = True
            return original(*args, **kwargs)
        if call.ours is None:
            return original(*args, **kwargs)
        RUNNING.names.append(name)
        RUNNING.asked.append(False)
        failed = True
        try:
            result = call.ours(*args, **kwargs)
            failed = False
            return result
        finally:
            RUNNING.names.pop()
            asked = RUNNING.asked.pop()
            (REFUSED if failed else HANDED_ON if asked else SERVED)[name] += 1

    call.ours = None
    return call


def put_in_place():
    """Exchange the functions, and leave all that are not ours as they were."""
    for module in MODULES:
        theirs = importlib.import_module(f"scipy.{module}")
        originals = {name: value for name in theirs.__all__
                     if callable(value := getattr(theirs, name)) and not isinstance(value, type)}
        fronts = {name: front(f"{module}.{name}", f) for name, f in originals.items()}
        vars(theirs).update(fronts)
        try:
            ours = importlib.import_module(f"fastconv.{module}")
        except ModuleNotFoundError:
            vars(theirs).update(originals)
            continue
        for name, original in originals.items():
            mine = vars(ours).get(name)  # what is handed on is not its own
            if mine is not None and mine is not fronts[name]:
                fronts[name].ours = mine
                know(fronts[name], original)
            else:
                setattr(theirs, name, original)
    FEW.clear()  # SciPy's tests are of small arrays


def know(function, original):
    """Let SciPy's tests find in its table, by function, which array libraries are served."""
    table = getattr(importlib.import_module("scipy._lib._array_api"), "xp_capabilities_table", {})
    if original in table:
        table[function] = table[original]


put_in_place()


def pytest_runtest_logreport(report):
    """Count the outcomes of calls, and errors before or after one as failures."""
    if report.when == "call" or report.failed or report.skipped:
        OUTCOMES[report.outcome] += 1
    if report.failed:
        FAILED.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Say who served how many calls."""
    for name in sorted({*SERVED, *HANDED_ON, *REFUSED}):
        terminalreporter.write_line(
            f"{name}: {SERVED[name]} calls served, {HANDED_ON[name]} handed on, {REFUSED[name]} "
            "ended by an error")
    terminalreporter.write_line(f"fastconv served {SERVED.total()} calls, handed on "
                                f"{HANDED_ON.total()}, refused {REFUSED.total()}")  # fmt: skip
    if path := os.environ.get("SCIPY_PLUGIN_COUNTS"):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"outcomes": OUTCOMES, "failed": FAILED, "served": SERVED,
                       "handed on": HANDED_ON, "refused": REFUSED}, file)  # fmt: skip
