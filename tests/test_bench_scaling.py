"""Tools: bench/scaling.py shares out the tasks of rehearsals; its table."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv._core import scratch, threads

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", BENCH / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("tasks", "team", "end"), [
    ([1.0] * 8, 4, 2.0),
    ([1.0] * 9, 4, 3.0),
    ([4.0, 1.0, 1.0, 1.0, 1.0], 2, 4.0),   # the second thread helps the first
    ([1.0, 1.0, 1.0, 1.0, 4.0], 2, 6.0),   # and meets the longest last
    ([5.0], 64, 5.0),
])
def test_when_a_team_ends(scaling, tasks, team, end):
    assert scaling.last_to_end(list(tasks), team) == end


def test_a_rehearsal_changes_no_result_and_starts_no_team():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 32, 40, 40)).astype("f4")
    for groups in (1, 32):
        weight = rng.standard_normal((32, 32 // groups, 3, 3)).astype("f4")
        expected = fastconv.conv2d(x, weight, padding=1, groups=groups, num_threads=1)
        with threads.rehearsal(64) as loops:
            found = fastconv.conv2d(x, weight, padding=1, groups=groups, num_threads=64)
        np.testing.assert_array_equal(found, expected)
        assert {asked for asked, _ in loops} <= {1, 64}
        assert max(len(taken) for _, taken in loops) > 1
        assert all(seconds >= 0 for _, taken in loops for seconds in taken)


def test_a_rehearsal_ends_with_its_block():
    again = pytest.raises(RuntimeError, match="a rehearsal is going on")
    with threads.rehearsal(8), again, threads.rehearsal(8):
        pass
    with threads.rehearsal(8) as loops:
        pass
    fastconv.conv2d(np.ones((1, 8, 32, 32), "f4"), np.ones((8, 8, 3, 3), "f4"))
    assert loops == []


def test_scratch_of_many_threads_is_kept_where_there_are_as_many_processors():
    """Winograd's of 64 threads passes what fewer processors keep."""
    x, weight = np.ones((1, 256, 56, 56), "f4"), np.ones((64, 256, 3, 3), "f4")
    plan = fastconv.plan_conv(x.shape, weight, method="winograd", precision="high",
                              num_threads=64)
    for processors, blocks in ((1, 0), (64, 1)):
        with threads.rehearsal(processors):
            scratch.drop_kept()
            plan(x)
            assert scratch.drop_kept() == blocks


def test_the_table(tmp_path):
    rst = tmp_path / "table.inc"
    done = subprocess.run(
        [sys.executable, "-P", "scaling.py", "--layers", "lenet5.C3", "--threads", "1,4",
         "--rst", str(rst)],
        cwd=BENCH, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("lenet5.C3")
    assert '"lenet5.C3"' in rst.read_text()
