"""CPU kernels for convolution and pooling on NumPy arrays.

The house has six floors; a module imports from its own and from those below. From the top down:

- API: `conv`, `pool`, `plan`, the public functions. A docstring, then describe, select, run.
  `_ranks`: one definition for the four names of a function (`conv`, `conv1d`, …). `ndimage`:
  SciPy's filters of images, by `_filters`. `signal`: those of signals, which `_signal` puts in
  terms of convolutions.
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
share) are tools on top. docs/dev/architecture.rst lists every module.
"""
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
from fastconv.runtime import *
from fastconv.runtime import __all__ as _runtime

__version__ = _version.version
__all__ = sorted([*_conv, *_plan, *_pool, *_runtime])


def __dir__():
    return [*__all__, "__version__"]
