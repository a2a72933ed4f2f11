"""Arrays described before they exist: dtype, shape, layout in memory and kind of numbers.

The process that compares two builds draws descriptions, which are small; the processes that hold
a build make the arrays. A description gives the same array wherever it is made.
"""

import math
from dataclasses import dataclass

import numpy as np

# Ways for an array to lie in memory; "list" is no array at all, but nested lists of numbers.
VIEWS = ("plain", "fortran", "reversed", "slice", "permuted", "misaligned",
         "swapped", "readonly", "broadcast", "list")  # fmt: skip
# Those that an `out` may have: native, writeable, no two elements in one place.
WRITEABLE = VIEWS[:6]
NUMBERS = ("normal", "ties", "nonfinite", "huge")


@dataclass(frozen=True)
class Array:
    """An array of random numbers.

    Attributes
    ----------
    shape, dtype : tuple of int, str
        Of the array.
    seed : tuple of int
        What the numbers, and the axes and steps of the view, are drawn from.
    view : str
        One of `VIEWS`.
    numbers : str
        ``"normal"``; ``"ties"``, small whole numbers; ``"nonfinite"``, with some NaN and
        infinities; ``"huge"``, up to the largest of the dtype; ``"unset"``, what an `out` holds;
        ``"indices"``, from 0 to `limit`.
    limit : int
        One more than the largest index.
    """

    shape: tuple
    dtype: str
    seed: tuple
    view: str = "plain"
    numbers: str = "normal"
    limit: int = 1

    def make(self):
        """The array, or nested lists."""
        rng = np.random.default_rng(self.seed)
        return _lay_out(self._numbers(rng), self.view, rng)

    def _numbers(self, rng):
        dtype = np.dtype(self.dtype)
        if self.numbers == "unset":
            return np.full(self.shape, np.nan if dtype.kind in "fc" else 77, dtype)
        if self.numbers == "indices":
            return rng.integers(0, self.limit, self.shape).astype(dtype)
        if dtype.kind not in "fc":
            low = 0 if dtype.kind in "bu" else -9
            return rng.integers(low, 2 if dtype.kind == "b" else 10, self.shape).astype(dtype)
        if dtype.kind == "c":
            pairs = _reals(rng, (*self.shape, 2), self.numbers)
            return pairs.astype(dtype.char.lower()).view(dtype)[..., 0]
        with np.errstate(over="ignore"):
            values = _reals(rng, self.shape, self.numbers).astype(dtype)
            return values * np.finfo(dtype).max / 8 if self.numbers == "huge" else values

    def __repr__(self):
        words = [f"{self.dtype}[{','.join(map(str, self.shape))}]"]
        words += [word for word in (self.view, self.numbers) if word not in ("plain", "normal")]
        return f"<{' '.join(words)}>"


def _reals(rng, shape, numbers):
    if numbers == "ties":
        return rng.integers(-3, 4, shape).astype(np.float64)
    values = rng.standard_normal(shape, np.float32)
    if numbers == "nonfinite" and values.size:
        where = rng.integers(0, values.size, 1 + values.size // 200)
        values.flat[where] = rng.choice([np.nan, np.inf, -np.inf, -0.0], where.size)
    return values


def _lay_out(array, view, rng):
    """The numbers of `array` in a layout; "broadcast" repeats the first along one axis."""
    rank = array.ndim
    match view:
        case "list":
            return array.tolist()
        case "swapped":
            return array.astype(array.dtype.newbyteorder())
        case "readonly":
            array.flags.writeable = False
            return array
        case "broadcast" if array.size and rank:
            axis = int(rng.integers(rank))
            return np.broadcast_to(np.take(array, [0], axis=axis), array.shape)
        case "fortran":
            return np.asfortranarray(array)
        case "reversed":
            turn = (slice(None, None, -1),) * rank
            return array[turn].copy()[turn]
        case "permuted":
            order = rng.permutation(rank)
            return array.transpose(order).copy().transpose(np.argsort(order))
        case "slice":
            steps = rng.integers(1, 4 if array.size < 30_000 else 2, rank)
            room = np.zeros([n * s + 2 for n, s in zip(array.shape, steps)], array.dtype)
            result = room[tuple(slice(1, 1 + n * s, s) for n, s in zip(array.shape, steps))]
        case "misaligned":
            room = np.zeros(math.prod(array.shape) * array.itemsize + 1, np.uint8)
            result = room[1:].view(array.dtype).reshape(array.shape)
        case _:
            return array
    result[...] = array
    return result
