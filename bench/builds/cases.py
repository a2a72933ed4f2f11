"""Random calls of every public function, each reproducible from a seed and an index.

`draw_case` needs no fastconv: a case is a name and arguments, in which arrays are descriptions.
"""

import re
from dataclasses import dataclass, field, replace

from builds import conv_cases, pool_cases
from builds.arrays import Array
from builds.draw import Draw, Made

# How often each is drawn, in parts of the whole. The names go without a number of axes, which is
# drawn with the case where the function has one.
WEIGHTS = {
    "conv": 24, "conv_backward_data": 10, "conv_backward_weight": 12, "conv_backward_bias": 1.5,
    "conv_transpose": 8, "separable_conv": 4, "plan_conv": 8, "im2col": 2.5, "col2im": 2.5,
    "explain": 3, "conv_cost": 1, "conv_output_shape": 1, "conv_transpose_output_shape": 1,
    "max_pool": 5, "min_pool": 2.5, "avg_pool": 4, "lp_pool": 3, "adaptive_avg_pool": 2,
    "adaptive_max_pool": 2, "global_avg_pool": 1.5, "global_max_pool": 1.5, "max_unpool": 2,
    "max_pool_backward": 2, "avg_pool_backward": 2.5, "lp_pool_backward": 2,
    "adaptive_avg_pool_backward": 1.5, "pool_output_shape": 1, "settings": 0.5,
    "qconv": 4, "plan_qconv": 2, "stream_pool": 1,
}  # fmt: skip
# Calls of the functions that set and show how fastconv computes: a case makes some in a row.
SETTINGS = (
    ("get_num_threads", ()),
    ("get_precision", ()),
    ("get_precision", ("float64",)),
    ("get_precision", ("int8",)),
    ("set_num_threads", (1,)),
    ("set_num_threads", (2,)),
    ("set_num_threads", (0,)),
    ("set_num_threads", ("two",)),
    ("set_num_threads", (None,)),
    ("set_precision", ("highest",)),
    ("set_precision", ("medium",)),
    ("set_precision", ("best",)),
    ("set_precision", (1,)),
    ("num_threads", (-1,)),
    ("precision", (None,)),
    ("show_config", ("dicts",)),
    ("show_runtime", ("dicts",)),
    ("show_runtime", ("text",)),
)


def _settings(draw, kind):
    chosen = [draw.pick(SETTINGS) for _ in range(draw.integer(2, 6))]
    return Made({}, 0, 0, then=tuple(chosen))


MAKERS = conv_cases.MAKERS | pool_cases.MAKERS | {"settings": _settings}
CHOOSING = re.compile(r"conv(\dd)?(_backward_(data|weight))?$|conv_transpose(\dd)?$|plan_conv$")
NUMBERED = re.compile(r"((q|separable_)?conv|conv_backward_\w+|conv_transpose|"
                      r"(?!global_)\w*_(un)?pool|\w*_pool_backward)$")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes
    ----------
    function : str
        Name of the public function.
    arguments : dict
        By name, in the order of the signature. An argument of type `Alias` is another one.
    positional : int
        How many of them are passed by position.
    repeat : int
        How often the call is made: the second finds what the first has kept.
    around : dict
        Name and argument of context managers of fastconv around the call.
    then : tuple
        Arguments of calls of what the call returns, a plan or a stream; for "settings" the calls
        themselves.
    """

    function: str
    arguments: dict
    positional: int
    repeat: int = 1
    around: dict = field(default_factory=dict)
    then: tuple = ()

    def __str__(self):
        if self.function == "settings":
            return ", ".join(f"{name}({', '.join(map(repr, call))})" for name, call in self.then)
        words = [repr(value) if place < self.positional else f"{name}={value!r}"
                 for place, (name, value) in enumerate(self.arguments.items())]  # fmt: skip
        text = f"{self.function}({', '.join(words)})"
        text += "".join(f"\n    then plan({', '.join(map(repr, call))})" for call in self.then)
        text += "".join(f"\n    with fastconv.{name}({value!r})"
                        for name, value in self.around.items())  # fmt: skip
        return text + (f"\n    {self.repeat} times" if self.repeat > 1 else "")

    @property
    def method(self):
        """The method asked for, or an empty string where there is no choice of one."""
        method = self.arguments.get("method", "auto")
        return method if isinstance(method, str) and CHOOSING.match(self.function) else ""


def numbered(name, rank):
    """The function's name for a number of axes, or for any of them with None."""
    if rank is None:
        return name
    where = name.replace("_backward", f"{rank}d_backward")
    return where if where != name else f"{name}{rank}d"


def names():
    """The names of all functions that cases call."""
    called = [numbered(name, rank) for name in WEIGHTS if NUMBERED.match(name)
              for rank in (None, 1, 2, 3)]  # fmt: skip
    # `test` prints; plans and streams are what some calls return
    made = "ConvPlan", "ConvStream", "PoolStream", "QConvPlan", "test"
    return {*called, *WEIGHTS, *(name for name, _ in SETTINGS), *made}


def draw_case(seed, index):
    """The case of a seed and an index."""
    draw = Draw(seed, index)
    kind = draw.pick(tuple(WEIGHTS), tuple(WEIGHTS.values()))
    made = MAKERS[kind](draw, kind)
    arguments = made.arguments
    name = kind
    if NUMBERED.match(kind):
        name = numbered(kind, draw.pick((None, made.rank), (1, 4)))
    if made.threaded and draw.chance(0.4):
        arguments = arguments | {"num_threads": draw.pick((1, 2, None, 3), (4, 4, 1, 1))}
    around = {}
    if draw.chance(0.1):
        around["num_threads"] = draw.integer(1, 2)
    if draw.chance(0.1):
        around["precision"] = draw.pick(("highest", "high", "medium"))
    case = Case(name, arguments, draw.pick((made.required, made.leading, 0), (6, 3, 1)),
                2 if draw.chance(0.25) else 1, around, made.then)  # fmt: skip
    return spoil(draw, case) if draw.chance(0.06) else case


# None of them may make an array that does not fit into memory.
WRONG = (None, -1, 0, 1.5, float("nan"), 2**62, True, "same!", "", (), (1, 2), (1, 2, 3, 4, 5),
         [[1, 2]], (1, None), {"a": 1}, object, b"relu", 1j, "reflect", -(2**70))  # fmt: skip
WRONG_DTYPES = ("object", "U3", "M8[s]", "longdouble", "S2", "float64", "int64", "complex64")


def spoil(draw, case):
    """`case` with something wrong in it, or at least unexpected."""
    arguments = dict(case.arguments)
    name = draw.pick(tuple(arguments) or ("unknown",))
    value = arguments.get(name)
    match draw.pick(("value", "array", "missing", "unknown"), (6, 6, 1, 1)):
        case "missing":
            arguments.pop(name, None)
        case "unknown":
            arguments["unknown"] = 1
        case "array" if isinstance(value, Array):
            arguments[name] = _other_array(draw, value)
        case _:
            arguments[name] = draw.pick(WRONG)
    positional = max(0, min(case.positional, len(arguments) - 1))
    return replace(case, arguments=arguments, positional=positional)


def _other_array(draw, array):
    shape = list(array.shape)
    axis = draw.integer(0, len(shape) - 1)
    match draw.pick(("longer", "fewer", "more", "empty", "dtype")):
        case "longer":
            shape[axis] += 1
        case "fewer":
            del shape[axis]
        case "more":
            shape.insert(axis, 1)
        case "empty":
            shape[axis] = 0
        case _:
            return replace(array, dtype=draw.pick(WRONG_DTYPES), view="plain")
    return replace(array, shape=tuple(shape), view="plain")
