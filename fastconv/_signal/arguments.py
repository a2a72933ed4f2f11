"""Arguments: which arrays, modes and axes are served. All others are SciPy's to serve or refuse."""
import operator
from typing import NamedTuple

import numpy as np

from fastconv._core.precision import as_tier, precision_in_force
from fastconv._core.threads import as_thread_count

HANDED_ON = object()  # in place of a result: SciPy's own function shall have the call

FLOATS = "fdFD"
INTEGERS = "bhilqBHILQ"
EXACT = "highest"  # SciPy's direct sums round no more than this allows
MODES = ("full", "same", "valid")

# Products of elements and taps (elements, for the last) below which SciPy's own function takes no
# longer than ours: it has little more than a call into C before it.
FEW = {"convolve2d": 1 << 12, "correlate2d": 1 << 12, "sepfir2d": 1 << 17, "upfirdn": 1 << 17,
       "fftconvolve": 1 << 13}

# Every object that SciPy would make the same array of as NumPy does. Subclasses and arrays of other
# libraries have rules of their own.
_SEQUENCES = (list, tuple, int, float, complex)


def scipy_signal():
    """SciPy's module, which takes half a second to load: when it is first needed."""
    from scipy import signal

    return signal


def is_small(function, amount):
    """Whether SciPy serves so small a call as fast."""
    return amount < FEW.get(function, 0)


class How(NamedTuple):
    """What all functions take beside SciPy's arguments."""

    num_threads: int | None
    precision: str | None

    @property
    def sums(self):
        """The tier of direct sums."""
        return self.precision or precision_in_force() or EXACT

    @property
    def asked(self):
        """Whether anybody has asked for a tier."""
        return (self.precision or precision_in_force()) is not None


PLAIN = How(None, None)


def options(function, num_threads, precision):
    """These two, checked."""
    if num_threads is None and precision is None:
        return PLAIN
    if num_threads is not None:
        num_threads = as_thread_count(f"signal.{function}: num_threads", num_threads)
    if precision is not None:
        precision = as_tier(f"signal.{function}: precision", precision)
    return How(num_threads, precision)


def plain(value, dtypes=FLOATS + INTEGERS):
    """`value` as an array with one of these dtypes (characters of NumPy's), or None."""
    if type(value) is not np.ndarray:
        if not isinstance(value, (*_SEQUENCES, np.generic)) and type(value) is not np.memmap:
            return None
        try:
            value = np.asarray(value)
        except ValueError:  # ragged, or too deep
            return None
    return value if value.dtype.char in dtypes else None


def is_mode(mode):
    """Whether SciPy knows this mode of a convolution."""
    return type(mode) is str and mode in MODES


def axis_of(axis, ndim):
    """An axis from 0 on, or None."""
    try:
        axis = operator.index(axis)
    except TypeError:
        return None
    return axis % ndim if -ndim <= axis < ndim else None


def swapped(mode, a_shape, b_shape, axes):
    """Whether "valid" makes the two change places, or None where neither contains the other."""
    if mode != "valid" or all(a_shape[i] >= b_shape[i] for i in axes):
        return False
    return True if all(a_shape[i] <= b_shape[i] for i in axes) else None


def region(mode, length, taps):
    """Which elements of the full convolution a mode keeps: the first, and how many."""
    if mode == "full":
        return 0, length + taps - 1
    if mode == "same":
        return (taps - 1) // 2, length
    return taps - 1, length - taps + 1


def reversed_view(array):
    """All axes from the end to the beginning, and conjugated: what a correlation convolves with."""
    view = array[(slice(None, None, -1),) * array.ndim]
    return view.conj() if array.dtype.kind == "c" else view


def all_finite(array):
    """Whether no element is infinite or a NaN."""
    if array.dtype.kind not in "fc":
        return True
    with np.errstate(all="ignore"):
        total = array.sum()  # in one pass, and without an array of answers
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())
