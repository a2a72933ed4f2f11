"""CPU kernels for convolution and pooling on NumPy arrays.

The house has six floors; a module imports from its own and from those below. From the top down:

- API: `conv`, `pool`, `plan`, `quantized`, `separable`, the public functions. A docstring, then
  describe, select, run. `stream`: the same for signals that arrive in chunks. `_ranks`: one
  definition for the four names of a function (`conv`, `conv1d`, …). `ndimage`: SciPy's filters of
  images, by `_filters`. `signal`: those of signals, which `_signal` puts in terms of convolutions.
- call: `_call`, from arrays to arrays, by way of a cache of descriptions; `_select`, the ordered
  registry of algorithms, the automatic choice, `explain`; `_fallback`, direct sums for what a
  transform would spoil; `_parts`, complex numbers and integers by real convolutions; `runtime`,
  threads, precision, environment variables.
- algorithms and pooling: `_algorithms`, `_pooling`, `_filters` *drive*: blocking, packing and
  threads. A file or a folder for an algorithm.
- desc: `_desc` *describes*, the one place that validates arguments and does size arithmetic.
- core: `_core`, the kit that drivers are made of.
- kernels: `_kernels` *compute*, the micro-kernels, compiled once for each instruction set.

`cli`, `_bench`, `_demo` and `testing` (the reference and the named shapes that tests and benchmarks
share) are tools on top, and so is this file, whose `test` runs one of them.
docs/dev/architecture.rst lists every module.
"""
import importlib as _importlib

try:
    from fastconv._core import version as _version
except ImportError as error:  # the source tree, which holds no compiled modules
    raise ImportError(
        "you are importing fastconv from its source tree, which is not compiled, or from an "
        "incomplete installation: install it (pip install .) and run Python in another directory"
    ) from error
from fastconv.conv import *
from fastconv.conv import __all__ as _conv
from fastconv.plan import *
from fastconv.plan import __all__ as _plan
from fastconv.pool import *
from fastconv.pool import __all__ as _pool
from fastconv.quantized import *
from fastconv.quantized import __all__ as _quantized
from fastconv.runtime import *
from fastconv.runtime import __all__ as _runtime
from fastconv.separable import *
from fastconv.separable import __all__ as _separable
from fastconv.stream import *
from fastconv.stream import __all__ as _stream

__version__ = _version.version
__all__ = sorted([*_conv, *_plan, *_pool, *_quantized, *_runtime, *_separable, *_stream, "test"])


def test(cases=200, seed=0):  # noqa: PT028 (it is no test of pytest's)
    """Check this installation on this machine, as the command ``fastconv selftest`` does.

    Random convolutions and poolings, in every instruction set that the machine has, are compared
    with a slow reference. It prints what passed.

    Parameters
    ----------
    cases : int, default 200
        Random convolutions for each instruction set.
    seed : int, default 0
        Number of the first.

    Returns
    -------
    bool
        Whether all agree.

    See Also
    --------
    show_runtime : The instruction sets, and what else is in use here.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.test(cases=1)  # doctest: +ELLIPSIS
    fastconv ...
    selftest passed: ... checks passed, 0 failed, ...
    True
    """
    from fastconv.testing import selftest

    return selftest.main(cases, seed) == 0


test.__dict__["__test__"] = False  # pytest, where it is imported by a star, is not to run it


# Imported when they are first asked for, since they import SciPy's or Dask.
_MODULES = ("dask", "ndimage", "signal")


def __getattr__(name):
    if name in _MODULES:
        return _importlib.import_module(f"fastconv.{name}")
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__():
    return [*__all__, *_MODULES, "__version__"]
