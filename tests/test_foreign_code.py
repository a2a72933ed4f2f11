"""Bad inputs: an argument's own code (`__index__`, `__array__`, `==`) changes another argument.

Each probe ends with an error or a result; none may read what is no array's memory. A crash would
end pytest, so all of a function's probes run in a process of their own. Indices that another thread
changes are written nowhere.
"""

import numpy as np
import pytest

import fastconv
from fastconv._call import pool
from fastconv._pooling.scatter import scatter

PROBES = """
import sys
import warnings

import numpy as np
import fastconv

warnings.simplefilter("ignore")
CALLS = {
    "conv2d": (dict(x=(2, 4, 64, 64), weight=(6, 2, 3, 3), bias=(6,), residual=(2, 6, 64, 64)),
               dict(stride=1, padding=1, dilation=1, groups=2, num_threads=2)),
    "conv2d_backward_data": (dict(grad_output=(2, 6, 62, 62), weight=(6, 2, 3, 3)),
                             dict(input_shape=(2, 4, 64, 64), groups=2, num_threads=2)),
    "conv2d_backward_weight": (dict(grad_output=(2, 6, 62, 62), x=(2, 4, 64, 64)),
                               dict(weight_shape=(6, 2, 3, 3), groups=2, num_threads=2)),
    "conv_transpose2d": (dict(x=(2, 4, 40, 40), weight=(4, 3, 3, 3), bias=(6,)),
                         dict(groups=2, stride=2, num_threads=2)),
    "im2col": (dict(x=(2, 4, 64, 64)), dict(kernel_size=3, stride=1, num_threads=2)),
    "col2im": (dict(cols=(2, 36, 3844)), dict(input_shape=(2, 4, 64, 64), kernel_size=3,
                                              num_threads=2)),
    "max_pool2d": (dict(x=(2, 4, 64, 64)), dict(kernel_size=3, stride=2, padding=1,
                                                num_threads=2)),
    "lp_pool2d": (dict(x=(2, 4, 64, 64)), dict(norm_type=3.0, kernel_size=3, num_threads=2)),
    "adaptive_avg_pool2d": (dict(x=(2, 4, 64, 64)), dict(output_size=7, num_threads=2)),
    "avg_pool2d_backward": (dict(grad_output=(2, 4, 32, 32)),
                            dict(input_shape=(2, 4, 64, 64), kernel_size=2, num_threads=2)),
    "lp_pool2d_backward": (dict(grad_output=(2, 4, 32, 32), x=(2, 4, 64, 64)),
                           dict(norm_type=2.0, kernel_size=2, num_threads=2)),
    "max_pool2d_backward": (dict(grad_output=(2, 4, 32, 32), indices=(2, 4, 32, 32)),
                            dict(input_shape=(2, 4, 64, 64), num_threads=2)),
    "max_unpool2d": (dict(x=(2, 4, 32, 32), indices=(2, 4, 32, 32)),
                     dict(kernel_size=2, num_threads=2)),
    "plan_conv": (dict(weight=(6, 4, 3, 3), bias=(6,)), dict(x_shape=(2, 4, 64, 64),
                                                             num_threads=2)),
}


class Number:
    def __init__(self, value, act):
        self.value, self.act = value, act

    def __index__(self):
        self.act()
        return int(self.value)

    def __float__(self):
        self.act()
        return float(self.value)


class Array:
    def __init__(self, value, act):
        self.value, self.act = value, act

    def __array__(self, dtype=None, copy=None):
        self.act()
        return self.value


class Word:
    def __init__(self, value, act):
        self.value, self.act = value, act

    def __eq__(self, other):
        self.act()
        return other == self.value

    def __hash__(self):
        return hash(self.value)


def reshaped(array):
    array.shape = array.shape[::-1]


def flattened(array):
    array.shape = (array.size,)


def narrowed(array):
    array.dtype = np.uint8


def widened(array):
    array.dtype = np.complex128 if array.dtype.itemsize == 8 else np.float64


def attack(name):
    shapes, options = CALLS[name]
    function = getattr(fastconv, name)
    ended = {"result": 0, "error": 0}
    foreign = [*shapes, *options, "data_format", "method", "residual", "out"]
    for victim in shapes:
        for act in (reshaped, flattened, narrowed, widened):
            for actor in foreign:
                if actor == victim:
                    continue
                arrays = {key: np.ones(shape, np.int64 if key == "indices" else np.float32)
                          for key, shape in shapes.items()}
                once = []

                def strike():
                    if not once:
                        once.append(act(arrays[victim]))

                given = {**arrays, **options}
                value = given.get(actor)
                if actor in arrays:
                    given[actor] = Array(value, strike)
                elif isinstance(value, tuple):
                    given[actor] = (*value[:-1], Number(value[-1], strike))
                elif value is not None:
                    given[actor] = Number(value, strike)
                elif actor == "data_format":
                    given[actor] = Word("channels_first", strike)
                elif actor == "method":
                    given[actor] = Word("auto", strike)
                else:
                    continue
                try:
                    function(**given)
                    ended["result"] += 1
                except (TypeError, ValueError, OverflowError, MemoryError, AttributeError):
                    ended["error"] += 1
    print(ended["result"], ended["error"])


def attack_plan():
    plan = fastconv.plan_conv((2, 4, 64, 64), np.ones((6, 4, 3, 3), np.float32), padding=1)
    for act in (reshaped, flattened, narrowed, widened):
        x = np.ones((2, 4, 64, 64), np.float32)
        try:
            plan(x, residual=Array(np.ones((2, 6, 64, 64), np.float32), lambda: act(x)))
        except (TypeError, ValueError):
            pass
        else:
            raise AssertionError(act)
    print(1, 1)


if sys.argv[1] == "plan":
    attack_plan()
else:
    attack(sys.argv[1])
"""
FUNCTIONS = [
    "conv2d", "conv2d_backward_data", "conv2d_backward_weight", "conv_transpose2d", "im2col",
    "col2im", "max_pool2d", "lp_pool2d", "adaptive_avg_pool2d", "avg_pool2d_backward",
    "lp_pool2d_backward", "max_pool2d_backward", "max_unpool2d", "plan_conv", "plan",
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_arrays_that_change_during_the_call(run_python, function):
    results, errors = map(int, run_python(PROBES, function).stdout.split())
    assert results + errors > 1
    assert errors


@pytest.mark.parametrize(("dtype", "adds"), [
    ("float32", True), ("float64", True),
    ("uint8", False), ("uint16", False), ("uint32", False), ("uint64", False),
])  # fmt: skip
@pytest.mark.parametrize("threads", [1, 2])
def test_positions_outside_of_a_plane_are_left_out(dtype, adds, threads):
    """What lies around the planes in memory, and the planes themselves, stay as they were."""
    planes, size = 64, 6
    room = np.full((planes + 2, size), 9, dtype)
    values = np.full((1, planes, 5), 3, dtype)
    positions = np.tile(np.array([-1, 0, size - 1, size, -size]), (1, planes, 1))
    out = room[1:-1].reshape(1, planes, size)
    assert scatter("f", values, positions, out, planes, False, adds, threads) is False
    assert (out == [3, 0, 0, 0, 0, 3]).all()
    assert (room[[0, -1]] == 9).all()
    inside = positions[..., 1:3].copy()
    assert scatter("f", values[..., :2].copy(), inside, out, planes, False, adds, threads) is True


@pytest.mark.parametrize("call", [
    lambda x, indices, out: fastconv.max_pool2d_backward(x, indices, (2, 3, 4, 4), out=out),
    lambda x, indices, out: fastconv.max_unpool2d(x, indices, 2, out=out),
], ids=["max_pool2d_backward", "max_unpool2d"])  # fmt: skip
def test_indices_that_change_after_they_were_looked_at(monkeypatch, call):
    """As another thread would change them: between the check and the use."""

    def changed(function, values, positions, *others):
        positions.flat[7] = 16
        return scatter(function, values, positions, *others)

    x = np.ones((2, 3, 2, 2), np.float32)
    indices, out = np.zeros(x.shape, np.int64), np.empty((2, 3, 4, 4), np.float32)
    call(x, indices, out)
    monkeypatch.setattr(pool, "scatter", changed)
    with pytest.raises(ValueError, match=r"^max_\w+: indices changed during the call"):
        call(x, indices, out)
    # where there is no `out` to keep, they are looked at on the way only
    indices[:] = 0
    with pytest.raises(ValueError, match=r"^max_\w+: indices hold 16, but a plane"):
        call(x, indices, None)
