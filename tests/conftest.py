"""What all tests share: settings, fixtures, and which of the tests exist on this machine."""

import inspect
import os
import subprocess
import sys
import textwrap
import warnings
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

import fastconv

# Hypothesis draws the same examples in every run, so that a red suite stays red. New examples
# are what `-m slow` is for. No example has to hurry: the wall clock of a busy machine says nothing.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", **PATIENT, derandomize=True, max_examples=40)
settings.register_profile("explore", **PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(scope="session")
def torch():
    """PyTorch, where it is installed, on one thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("torch", reason="PyTorch is not installed")
    module.set_num_threads(1)
    return module


# Ends a process that computes for longer, by the processor's clock: on a busy machine the wall's
# says nothing.
LIMIT = """\
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, ({0}, {0}))
except ImportError:  # where the wall clock below has to do
    pass
"""


@pytest.fixture
def run_python(tmp_path):
    """A function that runs code in a new interpreter and returns what it did.

    The code runs in an empty directory, so that it imports the installed package, with warnings
    as errors and the environment variables given by keyword. An exit status other than
    `returncode` fails the test with everything that was printed, and so do more than
    `cpu_seconds` of work.
    """

    def run(code, *arguments, returncode=0, cpu_seconds=120, **environment):
        script = tmp_path / "script.py"
        script.write_text(LIMIT.format(cpu_seconds) + textwrap.dedent(code))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FASTCONV_", "OMP_"))}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script), *map(str, arguments)],
            cwd=tmp_path,
            env=kept | {name: str(value) for name, value in environment.items()},
            capture_output=True,
            text=True,
            timeout=1800 + 10 * cpu_seconds,  # of one that waits for ever
            check=False,
        )
        assert done.returncode == returncode, (
            f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run


@pytest.fixture(autouse=True)
def settings_unchanged():
    """No test may leave the number of threads or the precision other than it found them."""
    before = fastconv.get_num_threads(), fastconv.get_precision()
    yield
    assert (fastconv.get_num_threads(), fastconv.get_precision()) == before


# ------------------------------------------------------------------- what there is to be tested

# What this machine lacks: the reason, and how many tests go without.
NOT_COVERED = pytest.StashKey[Counter]()


def pytest_configure(config):
    config.stash[NOT_COVERED] = Counter()
    config.addinivalue_line("markers", "served(by): whether the algorithm of these parameters "
                            "serves the problem of these parameters; else there is no such test")
    config.addinivalue_line("markers", "needs(there, what): a test that exists only where "
                            "something is there; else the summary says what was not covered")


def is_served(item):
    """Whether the algorithm that a test names computes what the test asks of it.

    Every test over the methods says in its mark ``served`` what it asks, so that none is run, and
    excused, where its algorithm has nothing to do.
    """
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    mark = item.get_closest_marker("served")
    if mark is None:
        if {"method", "algorithm"} & set(parameters):
            raise pytest.UsageError(f"{item.nodeid} names an algorithm, but has no mark `served` "
                                    "that says whether the algorithm serves its problem")
        return True
    by = mark.kwargs["by"]
    return bool(by(**{name: parameters[name] for name in inspect.signature(by).parameters}))


def missing(item):
    """What a test needs and this machine lacks, or None."""
    for mark in item.iter_markers("needs"):
        there, what = mark.args
        if not there:
            return what
    return None


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that do not exist: a skip means that an optional package is absent."""
    kept = []
    for item in items:
        what = missing(item)
        if what is not None:
            config.stash[NOT_COVERED][what] += 1
        elif is_served(item):
            kept.append(item)
    items[:] = kept


def pytest_sessionfinish(session):
    """Tell the process that prints the summary, under pytest-xdist, what was not covered."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not covered"] = dict(session.config.stash[NOT_COVERED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """What was not covered is the same in every process of pytest-xdist."""
    output = getattr(node, "workeroutput", {})  # a process that crashed has none
    node.config.stash[NOT_COVERED] |= Counter(output.get("not covered", {}))


def pytest_terminal_summary(terminalreporter, config):
    """Name what this machine lacks: not covered, which is neither passed nor skipped."""
    for what, count in sorted(config.stash[NOT_COVERED].items()):
        terminalreporter.write_line(f"NOT COVERED: {count} tests that need {what}")


def pytest_report_header(config):
    """Say what is under test."""
    facts = fastconv.show_runtime(mode="dicts")
    where = os.path.dirname(fastconv.__file__)
    return (
        f"fastconv {fastconv.__version__} from {where}: isa {facts['isa']} "
        f"of {facts['isa_available']}, {facts['num_threads']} threads"
    )
