"""Tools: bench/ab.py finds two builds that are one alike in everything, and a wrong one out."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv

BENCH = Path(__file__).parent.parent / "bench"
sys.path.insert(0, str(BENCH))
ab = pytest.importorskip("ab", reason="bench/ is not beside the tests")

from builds import arrays, cases, process, times, worker  # noqa: E402

# What a process runs that has a wrong `conv2d`: one bit of one element is another. The name in
# `fastconv.conv` stays, so that gradients and plans are right.
WRONG = """
import numpy as np
import fastconv
right = fastconv.conv2d
def wrong(*arguments, **named):
    result = right(*arguments, **named)
    result.view(np.uint8).flat[-1:] ^= 1
    return result
fastconv.conv2d = wrong
"""


def options(*more):
    return ab.parser().parse_args([sys.executable, sys.executable, *map(str, more)])


@pytest.fixture
def build():
    """A function that starts a process of this interpreter, after some code."""
    started = []

    def start(prelude=""):
        started.append(process.Build("AB"[len(started)], sys.executable,
                                     code=prelude + process.SERVE))  # fmt: skip
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_build_equals_itself(build, capsys):
    assert ab.check(build(), build(), options("--cases", 60)) == 0
    assert "bits: 0 of 60 cases differ" in capsys.readouterr().out


def test_a_wrong_bit_is_found(build, capsys):
    a, b = build(), build(WRONG)
    chosen = options("--cases", 8, "--functions", "^conv2d$", "--seed", 1)
    different = ab.check(a, b, chosen)
    out = capsys.readouterr().out
    assert different >= 4
    index = re.search(r"case (\d+) differs in results: conv2d\(", out)[1]
    assert ab.show(a, b, options("--show", index, "--seed", 1)) > 0
    assert re.search(r"1 of \d+ differ, by", capsys.readouterr().out)


def test_a_process_that_dies_is_found(build, capsys):
    prelude = "import os, fastconv\nfastconv.explain = lambda *a, **k: os._exit(3)\n"
    chosen = options("--cases", 4, "--functions", "^explain$")
    assert ab.check(build(), build(prelude), chosen) == 4
    assert "the process of B ended with 3, in case" in capsys.readouterr().out


def test_every_public_function_is_called(build):
    assert build().ask("identify")["not called"] == []


def test_few_cases_are_errors():
    errors = [bool(worker.compute(cases.draw_case(2, i), lambda value: value)[2])
              for i in range(100)]  # fmt: skip
    assert np.mean(errors) < 0.25


@pytest.mark.parametrize("view", arrays.VIEWS)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int8", "bool"])
def test_views_hold_the_numbers(view, dtype):
    made = arrays.Array((2, 3, 4), dtype, (1, 2), view, "ties").make()
    plain = arrays.Array((2, 3, 4), dtype, (1, 2), "plain", "ties").make()
    assert np.shape(made) == plain.shape
    if view == "broadcast":
        assert 0 in made.strides
    else:
        np.testing.assert_array_equal(made, plain)


def test_digests_tell_bits_apart():
    values = [0.0, -0.0, np.float32(0), np.zeros(1), -np.zeros(1), np.zeros(1, np.float32),
              np.zeros((1, 1)), 0, False, None, "0.0", [0.0], {"0": 0.0}]  # fmt: skip
    assert len({worker._digest(value) for value in values}) == len(values)


def test_every_row_has_a_call():
    named = next(times.layers())
    for item in times.items(named, [1]):
        assert item.kind in times.CALLS
    small = [item for item in times.items(named, [1]) if item.kind.startswith("tiny")]
    for item in small:
        assert next(times.prepare(item)) > 0
        assert min(next(times.sample(0.001, 1))) > 0
    assert fastconv.get_num_threads() > 0
