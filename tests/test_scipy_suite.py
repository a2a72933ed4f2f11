"""SciPy: its own tests pass with our modules in the place of its.

They are those that SciPy installs, run by pytest in a process of its own, where `scipy_plugin` puts
`fastconv.ndimage` and `fastconv.signal` in place and counts the calls.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy.ndimage.tests", reason="SciPy is installed without its tests")

FILTERS = ("scipy.ndimage.tests.test_filters",)
MORPHOLOGY = ("scipy.ndimage.tests.test_morphology",)
SIGNAL = tuple(f"scipy.signal.tests.test_{name}"
               for name in ("signaltools", "upfirdn", "savitzky_golay"))  # fmt: skip

# What fails, by the end of its name, and why.
EXPECTED = {}

# The least that passed tests and calls served by us must be, and the largest part of calls that may
# be handed on: outputs that SciPy makes complex with a warning, in a tenth of the calls of the
# filters' tests, structures along some axes, and types that only SciPy takes.
LEAST = {FILTERS: (2_400, 5_800), MORPHOLOGY: (1_600, 1_200), SIGNAL: (12_500, 25_000)}
MOST_HANDED_ON = {FILTERS: 0.13, MORPHOLOGY: 0.17, SIGNAL: 0.05}
RECURSIVE = "signal.lfilter"  # most of its calls have a denominator, and are SciPy's


def run_scipy(modules, directory):
    """What the plugin counted in a run of some of SciPy's files of tests."""
    counts = directory / "counts.json"
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent), "SCIPY_PLUGIN_COUNTS": str(counts),
        "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "scipy_plugin",
         "--tb=short", "--pyargs", *modules],
        cwd=directory, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert counts.exists(), done.stdout[-5000:] + done.stderr[-2000:]
    return json.loads(counts.read_text("utf-8")), done.stdout


@pytest.mark.parametrize("modules", [
    pytest.param(FILTERS, id="filters"), pytest.param(MORPHOLOGY, id="morphology"),
    pytest.param(SIGNAL, id="signal", marks=pytest.mark.slow),
])  # fmt: skip
def test_scipy_passes_its_own_tests(modules, tmp_path):
    counted, printed = run_scipy(modules, tmp_path)
    unexpected = [name for name in counted["failed"]
                  if not any(name.endswith(known) for known in EXPECTED)]  # fmt: skip
    assert not unexpected, printed[-8000:]
    counted["handed on"].pop(RECURSIVE, None)
    passed, served, handed_on = (counted["outcomes"]["passed"], sum(counted["served"].values()),
                                 sum(counted["handed on"].values()))  # fmt: skip
    assert passed >= LEAST[modules][0]
    assert served >= LEAST[modules][1], (counted["served"], counted["handed on"])
    assert handed_on <= MOST_HANDED_ON[modules] * (served + handed_on), counted["handed on"]
