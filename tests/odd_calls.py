"""Calls of public functions with arguments of any kind: those that fit, and some that do not.

`fuzz` makes them. Choices come from a `Dice`, which is chance, or what atheris makes of bytes.
"""

import inspect
import re

import numpy as np

import fastconv

# Sizes of a small problem: images, channels, filters, positions, taps.
N, CHANNELS, FILTERS, SIZE, TAPS = 2, 4, 4, 6, 3
POOLED = SIZE // 2
# Functions that print, and the class that `plan_conv` makes.
LEFT_OUT = {"show_config", "show_runtime", "ConvPlan", "QConvPlan", "ConvStream", "PoolStream",
            "test"}  # fmt: skip
NAMES = [name for name in fastconv.__all__ if name not in LEFT_OUT]


class Odd(Exception):
    """What an argument of ours raises itself: it may come out as it is."""


class Index:
    """An integer by __index__ alone, or what pretends to be one."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        if self.value is None:
            raise Odd
        return self.value

    def __repr__(self):
        return f"Index({self.value!r})"


class Arraylike:
    """Something that NumPy turns into an array, or fails to."""

    def __init__(self, value):
        self.value = value

    def __array__(self, dtype=None, copy=None):
        if self.value is None:
            raise Odd
        return self.value

    def __repr__(self):
        return f"Arraylike({brief(self.value)})"


class Subarray(np.ndarray):
    """A subclass."""


SMALL = (-3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 13, 31)
# Of the last ones products overflow, or the memory asked for is refused.
LARGE = (1000, 2**31 - 1, 2**31, 2**32, 2**40, 2**55, 2**60, 2**62, 2**63 - 1, 2**63, 2**64, 2**70)
WORDS = ("", "same", "valid", "full", "same_lower", "zeros", "reflect", "symmetric", "replicate",
         "edge", "circular", "wrap", "constant", "channels_first", "channels_last", "auto",
         "direct", "im2col", "fft", "winograd", "depthwise", "inner_product", "sliding", "relu",
         "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "clip", "highest", "high", "medium",
         "forward", "backward_data", "backward_weight", "float32", "float64", "float16", "int8",
         "complex64", "bool", "object", "M8[s]", "U3", "f4,f4", "\0", "é", "x" * 5000)  # fmt: skip
FLOATS = (0.0, -0.0, 0.5, 1.0, 1.5, 2.0, -1.0, 3e38, 1e308, 5e-324, float("nan"), float("inf"))
DTYPES = ("f4", "f8", "f2", "i1", "u1", "i2", "i4", "i8", "u8", "?", "F", "D", "g", "O", "U3", "S2",
          "M8[s]", "m8[s]", "f4,f4", ">f4", ">i8", "V4")  # fmt: skip


class Dice:
    """Choices, all of them by one function of two bounds."""

    def __init__(self, integer):
        self.integer = integer  # from one bound to the other, both included

    def chance(self, percent):
        """True in so many of a hundred cases."""
        return self.integer(1, 100) <= percent

    def pick(self, options):
        """One of a sequence."""
        return options[self.integer(0, len(options) - 1)]


# ----------------------------------------------------------------------------- odd arguments


def odd(dice, depth=0):
    """Anything."""
    makers = (number, number, number, word, lambda d: d.pick(FLOATS), lambda d: d.pick(
        (True, False)), lambda d: None, array, array, thing)  # fmt: skip
    if depth < 2 and dice.chance(40):
        items = [odd(dice, depth + 1) for _ in range(dice.integer(0, 5))]
        return tuple(items) if dice.chance(60) else items
    if depth < 2 and dice.chance(20):  # numbers for the axes, most of them good
        return tuple(number(dice) for _ in range(dice.integer(1, 4)))
    return dice.pick(makers)(dice)


def number(dice):
    """An integer, of some type."""
    value = dice.pick(SMALL) if dice.chance(60) else dice.pick((1, -1)) * dice.pick(LARGE)
    kind = dice.integer(0, 9)
    if kind == 0:
        return Index(value)
    if kind == 1 and -(2**63) <= value < 2**63:
        return np.int64(value)
    if kind == 2 and abs(value) < 2**7:
        return np.array(value, "i1")
    return value


def word(dice):
    """Text that some argument takes, or none."""
    text = dice.pick(WORDS)
    return text.encode() if dice.chance(10) else text.upper() if dice.chance(10) else text


def array(dice):
    """An array of any dtype, shape and layout."""
    dtype = np.dtype(dice.pick(DTYPES))
    shape = [dice.pick((0, 1, 2, 3, 4, 6)) for _ in range(dice.integer(0, 6))]
    return laid_out(dice, np.zeros(shape, dtype))


def laid_out(dice, values):
    """An array as a view, of another class, or as it is."""
    kind = dice.integer(0, 11)
    if kind == 0 and values.ndim:
        return values[..., ::-1]
    if kind == 1:
        return values.T
    if kind == 2:
        values.flags.writeable = False
    elif kind == 3 and values.ndim and values.size:
        return np.broadcast_to(values[..., :1], (*values.shape[:-1], 5))
    elif kind == 4:
        return values.view(Subarray)
    elif kind == 5 and values.dtype.names is None:
        return np.ma.masked_array(values)
    elif kind == 6:
        return values.tolist()
    elif kind == 7:
        return Arraylike(values)
    elif kind == 8 and values.dtype.itemsize and values.size:
        raw = np.zeros(values.nbytes + 1, "u1")[1:]
        return np.ndarray(values.shape, values.dtype, raw) if not values.dtype.hasobject else values
    return values


def thing(dice):
    """An object that no argument takes, or only by what it pretends to be."""
    return dice.pick((
        object(), {}, {1: 2}, set(), {1}, range(3), iter([1, 2]), b"", b"ab", bytearray(4), 1j,
        Index(None), Index("x"), Arraylike(None), Arraylike(3), Ellipsis,
        int, np.float32, np.dtype("f4"), lambda: None, slice(3), np.float32(2),
        np.bool_(True), np.str_("same"), np.datetime64("NaT", "s"), memoryview(b"abcd"), type,
        ("clip", 0, 1), ("clip", 1, 0), ("leaky_relu", 0.1), ("clip", float("nan"), 1), nested(),
    ))  # fmt: skip


def nested():
    """A list that holds itself."""
    items = [1]
    items.append(items)
    return items


# ----------------------------------------------------------------------------- whole calls


def fitting(dice, name, function):
    """Arguments of a function that fit together, by their names."""
    digit = re.search(r"([123])d", name)
    rank = int(digit[1]) if digit else dice.integer(1, 3) if name not in ("im2col", "col2im") else 2
    last = dice.chance(25)
    dtype = dice.pick(("f4", "f4", "f8", "i4", "F"))

    def data(channels, size):
        shape = (N, *(size,) * rank, channels) if last else (N, channels, *(size,) * rank)
        return (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype)

    pooling = "pool" in name
    out_size = POOLED if pooling else SIZE - TAPS + 1
    x = data(CHANNELS, POOLED if "unpool" in name else SIZE)
    weight = np.ones((FILTERS, CHANNELS, *(TAPS,) * rank), dtype)
    grad = data(CHANNELS if pooling else FILTERS, out_size)
    columns = CHANNELS * TAPS**rank
    values = {
        "x": x, "weight": weight, "grad_output": grad, "kernel_size": 2 if pooling else TAPS,
        "depthwise_weight": np.ones((2 * CHANNELS, 1, *(TAPS,) * rank), dtype),
        "pointwise_weight": np.ones((FILTERS, 2 * CHANNELS, *(1,) * rank), dtype),
        "input_shape": data(CHANNELS, SIZE).shape, "x_shape": x.shape, "norm_type": 2,
        "weight_shape": weight.shape, "output_size": POOLED, "tier": "high", "precision": "high",
        "indices": np.zeros(grad.shape, "i8"), "n": 2, "num_threads": 1, "kind": "max",
        "cols": np.ones((N, columns, out_size**rank) if not last else (N, out_size**rank, columns),
                        dtype),
    }  # fmt: skip
    if "kernel_size" in values and not pooling and name in ("im2col", "col2im"):
        values["kernel_size"] = (TAPS,) * rank
    if name.endswith("pool") or name == "pool_output_shape":
        values["kernel_size"] = (2,) * rank
    parameters = inspect.signature(function).parameters
    given = {key: values[key] for key, parameter in parameters.items()
             if parameter.default is inspect.Parameter.empty}  # fmt: skip
    if last and "data_format" in parameters:
        given["data_format"] = "channels_last"
    return given


def draw_call(dice):
    """The name of a function, and keyword arguments: some good, some odd."""
    name = dice.pick(NAMES)
    function = getattr(fastconv, name)
    given = fitting(dice, name, function)
    parameters = list(inspect.signature(function).parameters)
    for _ in range(dice.integer(0, 3) if parameters else 0):
        given[dice.pick(parameters)] = odd(dice)
    for key, value in given.items():
        if type(value) is np.ndarray and dice.chance(20):
            given[key] = laid_out(dice, value)
    return name, given


def brief(value):
    """A value in few words, and so that it can be made again."""
    if isinstance(value, np.ndarray):
        return f"<{type(value).__name__} {value.dtype} {value.shape} {value.strides}>"
    text = " ".join(repr(value).split())
    return text if len(text) < 200 else text[:200] + "..."


def written(name, given):
    """A call as text."""
    return f"{name}({', '.join(f'{key}={brief(value)}' for key, value in given.items())})"
