"""CPU kernels for convolution and pooling on NumPy arrays.

The house, from the top down; imports point down only:

- `conv`, `pool`, `plan`: the public functions. A docstring, then describe, select, run.
  `_ranks`: one definition for the four names of a function (`conv`, `conv1d`, …).
- `_call`: from arrays to arrays, by way of a cache of descriptions. `_parts`: complex numbers and
  integers by real convolutions.
- `_desc`: *describe*, the one place that validates arguments and does size arithmetic.
- `_select`: *select*, the ordered registry of algorithms, the automatic choice, `explain`.
  `runtime`: threads, precision, environment variables.
- `_algorithms`, `_pooling`: *drive*, blocking, packing and threads. One file for an algorithm.
- `_core`: what drivers share (threads, scratch memory, windows, BLAS).
  `_kernels`: *compute*, the micro-kernels, compiled once for each instruction set.
- `testing`: the reference and the named shapes that tests and benchmarks share.
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
