"""Threads, precision, environment variables, and what this installation is made of."""
import contextlib
import platform
import sys

from fastconv._core.messages import shown
from fastconv._core.precision import as_tier, override, precision_in_force, set_for_program
from fastconv._core.threads import (
    HAS_OPENMP,
    get_num_threads,
    num_threads,
    set_num_threads,
)
from fastconv._core.version import version
from fastconv._kernels import dispatch

__all__ = [
    "get_num_threads", "get_precision", "num_threads", "precision", "set_num_threads",
    "set_precision", "show_config", "show_runtime",
]

_DEFAULTS = {4: "high", 8: "highest"}  # by the itemsize of the arithmetic


def precision_for(function, precision, itemsize):
    """The tier of one call: its own argument, or the default for the arithmetic's itemsize."""
    if precision is not None:
        return as_tier(f"{function}: precision", precision)
    return precision_in_force() or _DEFAULTS[itemsize]


def set_precision(precision):
    """Set the precision tier of all calls that do not name one.

    Parameters
    ----------
    precision : {"highest", "high", "medium"} or None
        None restores the defaults: ``"high"`` for float32, ``"highest"`` for float64.

    Raises
    ------
    TypeError
        If `precision` is neither a string nor None.
    ValueError
        If it is not a tier.

    See Also
    --------
    precision : The same within a ``with`` block.
    get_precision : The tier in force.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.set_precision("highest")
    >>> fastconv.get_precision()
    'highest'
    >>> fastconv.set_precision(None)
    """
    set_for_program(None if precision is None else as_tier("set_precision: precision", precision))


def get_precision(dtype="float32"):
    """Return the precision tier in force for a dtype.

    Parameters
    ----------
    dtype : dtype, default "float32"
        dtype of the arithmetic: float32 or float64.

    Returns
    -------
    {"highest", "high", "medium"}
        The first of: the enclosing ``with precision(...)``, `set_precision`, the environment
        variable ``FASTCONV_PRECISION``, the dtype's default.

    See Also
    --------
    set_precision, precision

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.precision("medium"):
    ...     fastconv.get_precision("float64")
    'medium'
    """
    import numpy as np

    from fastconv._desc.arguments import as_dtype

    dtype = as_dtype("get_precision", "dtype", dtype)
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"get_precision: dtype must be float32 or float64, not {dtype}")
    return precision_for("get_precision", None, dtype.itemsize)


@contextlib.contextmanager
def precision(tier):
    """Set the precision tier within a ``with`` block.

    Parameters
    ----------
    tier : {"highest", "high", "medium"}
        It holds for this thread (or task) of the program only.

    Raises
    ------
    TypeError
        If `tier` is not a string.
    ValueError
        If it is not a tier.

    See Also
    --------
    set_precision : The same for the whole program.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.precision("highest"):
    ...     fastconv.get_precision()
    'highest'
    """
    token = override.set(as_tier("precision: tier", tier))
    try:
        yield
    finally:
        override.reset(token)


def _print(title, entries):
    print(title)
    width = max(map(len, entries))
    for name, value in entries.items():
        print(f"  {name.ljust(width)}  {value}")


def _shown(function, mode, title, entries):
    if isinstance(mode, str) and mode == "dicts":
        return entries
    if not isinstance(mode, str) or mode != "stdout":
        raise ValueError(f"{function}: mode must be 'dicts' or 'stdout', not {shown(mode)}")
    _print(title, entries)
    return None


def show_config(mode="stdout"):
    """Show how this copy of fastconv was built.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default "stdout"
        Print it, or return it as a dictionary.

    Returns
    -------
    dict or None
        Version, Python, NumPy and SciPy, platform, OpenMP, the instruction-set levels built.

    See Also
    --------
    show_runtime : What is in use on this machine now.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.show_config(mode="dicts")["fastconv"] == fastconv.__version__
    True
    """
    import numpy
    import scipy

    return _shown("show_config", mode, "fastconv, as built", {
        "fastconv": version,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
        "openmp": HAS_OPENMP,
        "isa_built": dispatch.built(),
    })


def show_runtime(mode="stdout"):
    """Show what fastconv uses on this machine now.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default "stdout"
        Print it, or return it as a dictionary.

    Returns
    -------
    dict or None
        The instruction set in use and those available, vector length, threads, the precision
        tier by dtype, and the BLAS that SciPy was built with.

    See Also
    --------
    show_config : How this copy was built.

    Examples
    --------
    >>> import fastconv
    >>> sorted(fastconv.show_runtime(mode="dicts"))[:3]
    ['blas', 'isa', 'isa_available']
    """
    import scipy

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return _shown("show_runtime", mode, "fastconv, as it runs here", {
        "isa": dispatch.isa(),
        "isa_available": dispatch.available(),
        "vector_bytes": dispatch.vector_bytes(),
        "num_threads": get_num_threads(),
        "openmp": HAS_OPENMP,
        "precision": {name: get_precision(name) for name in ("float32", "float64")},
        "blas": f"{blas.get('name')} {blas.get('version')}",
    })
