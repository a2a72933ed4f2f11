"""What all tests share: settings and fixtures."""

import os
import subprocess
import sys
import textwrap
import warnings

import pytest
from hypothesis import settings

import fastconv

# Hypothesis draws the same examples in every run, so that a red suite stays red. New examples
# are what `-m slow` is for.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=40)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(scope="session")
def torch():
    """PyTorch, where it is installed, on one thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("torch", reason="PyTorch is not installed")
    module.set_num_threads(1)
    return module


@pytest.fixture
def run_python(tmp_path):
    """A function that runs code in a new interpreter and returns what it did.

    The code runs in an empty directory, so that it imports the installed package, with warnings
    as errors and the environment variables given by keyword. An exit status other than
    `returncode` fails the test with everything that was printed.
    """

    def run(code, *arguments, returncode=0, timeout=120, prelude="", **environment):
        script = tmp_path / "script.py"
        script.write_text(prelude + textwrap.dedent(code))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FASTCONV_", "OMP_"))}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script), *map(str, arguments)],
            cwd=tmp_path,
            env=kept | {name: str(value) for name, value in environment.items()},
            capture_output=True,
            text=True,
            timeout=timeout,
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip a test whose `method` refuses the problem, with the reason it gives.

    Every test that takes a `method` runs for all of the registry, and not every algorithm serves
    every problem. "direct" does, so it is never excused.
    """
    try:
        return (yield)
    except ValueError as error:
        method = getattr(item, "funcargs", {}).get("method", "direct")
        if method in ("auto", "direct") or f"method={method!r}" not in str(error):
            raise
        pytest.skip(str(error))


def pytest_report_header(config):
    """Say what is under test."""
    facts = fastconv.show_runtime(mode="dicts")
    where = os.path.dirname(fastconv.__file__)
    return (
        f"fastconv {fastconv.__version__} from {where}: isa {facts['isa']} "
        f"of {facts['isa_available']}, {facts['num_threads']} threads"
    )
