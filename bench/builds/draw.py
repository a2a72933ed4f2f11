"""Dice: choices, array descriptions and the geometry of windows, all from one seed."""

import math
from dataclasses import dataclass

import numpy as np

from builds.arrays import VIEWS, WRITEABLE, Array

PADDING_NAMES = ("valid", "same", "same_lower", "full")
CONV_DTYPES = (*("float32",) * 11, *("float64",) * 4, "float16", "complex64", "complex128",
               "int8", "uint8", "int32", "int64", "bool")  # fmt: skip
POOL_DTYPES = (*("float32",) * 9, *("float64",) * 4, *("float16",) * 2, "int8", "uint8", "int16",
               "uint16", "int32", "uint32", "int64", "uint64", "bool")  # fmt: skip


class Draw:
    """Random choices for the case of one seed and index."""

    def __init__(self, seed, index):
        self.seed, self.made = (seed, index), 0
        self.rng = np.random.default_rng(self.seed)

    def chance(self, probability):
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def pick(self, options, weights=None):
        """One of `options`."""
        if weights is None:
            return options[int(self.rng.integers(len(options)))]
        steps = np.cumsum(weights)
        return options[int(np.searchsorted(steps, self.rng.random() * steps[-1], "right"))]

    def integer(self, low, high):
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def log(self, low, high):
        """A whole number from `low` to `high`, the smaller the likelier."""
        return int(math.exp(self.rng.uniform(math.log(low), math.log(high + 1))))

    def axes(self, low, high, rank):
        """A number for each axis, the same for all in half of the cases."""
        if self.chance(0.5):
            return (self.integer(low, high),) * rank
        return tuple(self.integer(low, high) for _ in range(rank))

    def spell(self, values):
        """Numbers for the axes, in one of the forms that an argument may have."""
        if len(set(values)) == 1 and self.chance(0.5):
            return values[0]
        return list(values) if self.chance(0.2) else tuple(values)

    def array(self, shape, dtype, *, numbers=None, out=False, limit=1):
        """The description of an array."""
        self.made += 1
        if numbers is None:
            numbers = "unset" if out else self.pick(
                ("normal", "ties", "nonfinite", "huge"), (6, 2, 1, 0.3))  # fmt: skip
        view = "plain"
        if self.chance(0.4):
            small = math.prod(shape) <= 300
            view = self.pick(WRITEABLE if out else VIEWS if small else VIEWS[:-1])
        return Array(tuple(shape), dtype, (*self.seed, self.made), view, numbers, limit)

    def budget(self, most):
        """Multiply-adds or elements of a case: up to `most`, and now and then more."""
        return self.log(most, 12 * most) if self.chance(0.03) else self.log(300, most)


@dataclass(frozen=True)
class Made:
    """What is drawn for one function.

    Attributes
    ----------
    arguments : dict
        By name, in the order of the signature.
    required, leading : int
        How many of them must be given, and how many may be passed by position.
    rank : int or None
        The number of spatial axes.
    threaded : bool
        Whether the function takes `num_threads`.
    then : tuple
        As in a case.
    """

    arguments: dict
    required: int
    leading: int
    rank: int | None = None
    threaded: bool = False
    then: tuple = ()


@dataclass(frozen=True)
class Alias:
    """An argument that is another one: the array that `out` overlaps."""

    name: str


@dataclass(frozen=True)
class Geometry:
    """Windows over an array, every number for each axis.

    Attributes
    ----------
    batch : int or None
        Images; None without a batch axis.
    channels : int
        Channels of the array.
    lengths, kernel, stride, dilation, outputs : tuple of int
        Of the array, the windows and the result.
    padding : str or tuple of pairs
        As a name, or before and after.
    data_format : str
        Where the channels are.
    """

    batch: int | None
    channels: int
    lengths: tuple
    kernel: tuple
    stride: tuple
    dilation: tuple
    padding: object
    outputs: tuple
    data_format: str

    @classmethod
    def draw(cls, draw, channels, kernel, stride, dilation, padding, elements, ceil=False):
        """Windows of which there are about `elements`, over all images."""
        rank = len(kernel)
        batch = draw.pick((None, 1, 2, 3, draw.integer(4, 9)), (2, 4, 3, 1, 1))
        each = max(1, elements // (batch or 1))
        share = draw.rng.dirichlet((3,) * rank) if draw.chance(0.5) else (1 / rank,) * rank
        pairs = padding if not isinstance(padding, str) else ((0, 0),) * rank
        lengths = [
            max(1, round(each**part) * s + d * (k - 1) + 1 - sum(pair) - draw.integer(1, s))
            for part, s, d, k, pair in zip(share, stride, dilation, kernel, pairs)
        ]
        if draw.chance(0.01):
            lengths[draw.integer(0, rank - 1)] = 0
        if batch is not None and draw.chance(0.01):
            batch = 0
        outputs = tuple(map(output_length, lengths, kernel, stride, dilation,
                            split(padding, lengths, kernel, stride, dilation), (ceil,) * rank))
        return cls(batch, channels, tuple(lengths), kernel, stride, dilation, padding, outputs,
                   draw.pick(("channels_first", "channels_last"), (3, 2)))  # fmt: skip

    def shape(self, channels, lengths):
        """The shape of an array of these channels and lengths."""
        last = self.data_format == "channels_last"
        inner = (*lengths, channels) if last else (channels, *lengths)
        return inner if self.batch is None else (self.batch, *inner)

    @property
    def x_shape(self):
        """Shape of the array that the windows are over."""
        return self.shape(self.channels, self.lengths)

    @property
    def rank(self):
        """The number of spatial axes."""
        return len(self.kernel)

    def spell_padding(self, draw):
        """Padding in one of its forms."""
        if isinstance(self.padding, str):
            return self.padding
        if all(before == after for before, after in self.padding) and draw.chance(0.8):
            return draw.spell([before for before, _ in self.padding])
        return draw.pick((tuple, list))(self.padding)


def most_windows(count, channels, stride, elements=300_000):
    """`count`, as far as the arrays have no more than so many elements."""
    return int(min(max(count, 1), elements / max(1, channels) / math.prod(stride)))


def draw_padding(draw, kernel, dilation, most=3):
    """Padding as a name or as pairs of numbers, often as many as keep the length."""
    if draw.chance(0.2):
        return draw.pick(PADDING_NAMES)
    if draw.chance(0.3):
        return ((0, 0),) * len(kernel)
    if draw.chance(0.5):
        return tuple((d * (k - 1) // 2,) * 2 for k, d in zip(kernel, dilation))
    ends = [min(most, d * (k - 1)) for k, d in zip(kernel, dilation)]
    if draw.chance(0.5):
        return tuple((draw.integer(0, end),) * 2 for end in ends)
    return tuple((draw.integer(0, end), draw.integer(0, end)) for end in ends)


def split(padding, lengths, kernel, stride, dilation):
    """What a padding adds before and after, for each axis."""
    if not isinstance(padding, str):
        return padding
    pairs = []
    for n, k, s, d in zip(lengths, kernel, stride, dilation):
        total = {"valid": 0, "full": 2 * d * (k - 1)}.get(
            padding, max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n))  # fmt: skip
        small, large = total // 2, total - total // 2
        pairs.append((large, small) if padding == "same_lower" else (small, large))
    return tuple(pairs)


def output_length(n, k, s, d, pair, ceil=False):
    """How many windows an axis has; 1 where none fits, which is an error."""
    room = n + sum(pair) - d * (k - 1) - 1
    if room < 0:
        return 1
    count = -(-room // s) + 1 if ceil else room // s + 1
    return count - 1 if ceil and (count - 1) * s >= n + pair[0] else count
