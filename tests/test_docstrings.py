"""Documentation: numpydoc's rules for every public name, and examples that run."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil

import numpy as np
import pytest

import fastconv
from fastconv import ndimage, signal

NAMES = [name for name in fastconv.__all__ if not name.startswith("_")]


def documented():
    """Public functions and classes, and the public methods of the classes, by dotted name."""
    for name in NAMES:
        thing = getattr(fastconv, name)
        yield f"fastconv.{name}", thing
        if inspect.isclass(thing):
            for method, value in inspect.getmembers(thing):
                called = method == "__call__" and method in vars(thing)
                if not method.startswith("_") or called:
                    yield f"fastconv.{name}.{method}", value
    for module in (ndimage, signal):
        for name in module.SERVED:
            yield f"{module.__name__}.{name}", getattr(module, name)
    if importlib.util.find_spec("dask"):
        from fastconv import dask

        for module in (dask, dask.ndimage, dask.signal):
            for name in module.__all__:
                if not inspect.ismodule(getattr(module, name)):
                    yield f"{module.__name__}.{name}", getattr(module, name)


DOCUMENTED = dict(documented())

# Numpydoc's checks that do not suit: an extended summary for everything (ES01), a summary of one
# line (SS06); parameters that are described in groups, "as for conv2d" (PR03, PR04); descriptions
# that begin with a name in lower case (PR08); "See Also" without words (SA04); and context
# managers are functions that yield nothing to speak of (YD01).
IGNORED = {"ES01", "SS06", "PR03", "PR04", "PR08", "SA04", "YD01"}
# The docstring of a class shows its parts together.
IGNORED_IN_CLASSES = {"SA01", "EX01"}
# For NumPy's arrays the same functions have examples.
IGNORED_FOR_DASK = {"EX01"}
# A function makes it, and documents what it takes.
IGNORED_BY_NAME = {f"fastconv.{name}": {"PR01"}
                   for name in ("ConvPlan", "ConvStream", "PoolStream", "QConvPlan")}  # fmt: skip


def test_all_is_complete():
    assert sorted(fastconv.__all__) == list(dict.fromkeys(sorted(fastconv.__all__)))
    for name in NAMES:
        assert getattr(fastconv, name) is not None
    for name, value in vars(fastconv).items():
        if not name.startswith("_") and not inspect.ismodule(value):
            assert name in fastconv.__all__, name


@pytest.mark.parametrize("name", DOCUMENTED)
def test_has_a_docstring(name):
    assert inspect.getdoc(DOCUMENTED[name])


@pytest.mark.parametrize("name", DOCUMENTED)
def test_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed")
    ignored = IGNORED | IGNORED_BY_NAME.get(name, set())
    if name.count(".") > 1 and inspect.isclass(getattr(fastconv, name.split(".")[1])):
        ignored |= IGNORED_IN_CLASSES
    if name.startswith("fastconv.dask."):
        ignored |= IGNORED_FOR_DASK
    errors = [error for error in validate.validate(name)["errors"] if error[0] not in ignored]
    assert not errors


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples(name):
    finder = doctest.DocTestFinder(exclude_empty=True, recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    thing = DOCUMENTED[name]
    printing = np.get_printoptions()
    for test in finder.find(thing, name, globs={}):
        assert runner.run(test).failed == 0
    assert np.get_printoptions() == printing
    if callable(thing) and name.count(".") == 1:
        assert ">>>" in inspect.getdoc(thing), f"{name} has no example"


def pure_modules():
    """Our modules, but those compiled for wide instructions, which must not be imported."""
    for module in pkgutil.walk_packages(fastconv.__path__, "fastconv."):
        if "_kernels" not in module.name and module.name != "fastconv._cyutility":  # Cython's
            yield module.name


@pytest.mark.parametrize("name", ["fastconv", *pure_modules()])
def test_examples_of_modules(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name is None or error.name.startswith("fastconv"):
            raise
        pytest.importorskip(error.name, reason=f"{error.name} is not installed")
        raise
    assert module.__doc__, f"{name} has no docstring"
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in finder.find(module, name):
        assert runner.run(test).failed == 0


def test_signatures_can_be_read():
    """help() and editors show the arguments, also of compiled functions."""
    for name, thing in DOCUMENTED.items():
        if callable(thing):
            assert inspect.signature(thing).parameters is not None, name
