"""Processes: every instruction-set level of the build, forced in turn."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv

LEVELS = ("baseline", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_amx")
AVAILABLE = fastconv.show_runtime(mode="dicts")["isa_available"]
HERE = Path(__file__).parent


def needs(level):
    return pytest.mark.needs(level in AVAILABLE, f"the instructions of {level}")


each_level = pytest.mark.parametrize(
    "level", [pytest.param(level, marks=needs(level)) for level in LEVELS]
)
# The level of this session is left to the session itself, which runs all of the suite at it.
HERE_IS = fastconv.show_runtime(mode="dicts")["isa"]
OTHERS = [level for level in LEVELS if level != HERE_IS]
# Levels beyond avx512 have its kernels, but for small integers (which are tested at every level in
# `test_small_integers`) and matrix units: a session at one of them runs the suite with these, too.
OTHERS_IN_FULL = [level for level in OTHERS
                  if "_" not in level and not HERE_IS.startswith(f"{level}_")]  # fmt: skip
other_levels = pytest.mark.parametrize(
    "level", [pytest.param(level, marks=needs(level)) for level in OTHERS_IN_FULL]
)


def test_levels_are_known():
    """A level that these tests do not know would not be tested."""
    assert set(AVAILABLE) <= set(LEVELS)
    assert [name for name in LEVELS if name in AVAILABLE] == AVAILABLE
    assert AVAILABLE[0] == "baseline"
    assert fastconv.show_runtime(mode="dicts")["isa"] in AVAILABLE


@each_level
def test_the_level_is_the_one_asked_for(level, run_python):
    code = """
        import fastconv
        facts = fastconv.show_runtime(mode="dicts")
        print(facts["isa"], facts["vector_bytes"], *facts["isa_available"])
    """
    isa, vector, *available = run_python(code, FASTCONV_MAX_ISA=level).stdout.split()
    assert isa == level
    assert int(vector) == {"baseline": 16, "avx2": 32}.get(level, 64)
    assert available == AVAILABLE
    upper = run_python(code, FASTCONV_MAX_ISA=f" {level.upper()} ").stdout.split()
    assert upper[0] == level


def test_without_a_cap_the_widest_is_used(run_python):
    code = "import fastconv; print(fastconv.show_runtime(mode='dicts')['isa'])"
    assert run_python(code).stdout.split() == AVAILABLE[-1:]


SAMPLE = {
    "guard pages": ["test_guard_pages.py"],
    "special values": [f"test_special_values.py::test_{name}" for name in (
        "in_weight", "one_special_reaches_its_windows_only", "overflow_becomes_infinity",
        "huge_but_finite", "denormals_are_not_flushed", "a_special_value_leaves_other_images_alone",
        "any_position_of_an_adaptively_pooled_array",
        "infinite_weights_in_the_gradient_of_the_data",
    )],
    "random cases": [
        *(f"test_random_cases.py::test_conv2d[{block}]" for block in range(0, 500, 250)),
        *(f"test_random_cases.py::test_pool2d[{block}]" for block in range(0, 500, 250)),
    ],
    "filters": [f"test_ndimage_bits.py::test_{name}" for name in (
        "random_calls[0]", "random_calls[250]", "random_calls[500]", "volumes",
        "lines_of_every_length",
    )],
    "matrix units": ["test_matrix_unit.py"],
    "guard pages of small integers": [f"test_guard_pages.py::test_{name}" for name in (
        "small_integers", "output_channels_of_small_integers")],
    "all random cases": ["test_random_cases.py", "test_special_values.py", "test_conv2d.py",
                         "test_conv2d_backward.py", "test_ndimage_bits.py"],
}


def run_pytest(level, targets, directory):
    """What pytest prints about some of these files at one level; it must succeed."""
    environment = os.environ | {"FASTCONV_MAX_ISA": level, "PYTHONDONTWRITEBYTECODE": "1"}
    paths = [str(HERE / target) for target in targets]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", *paths],
        cwd=directory, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    # The header says which level computed; see conftest.py.
    assert f": isa {level} of" in done.stdout, done.stdout[:2000] + done.stderr[-2000:]
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout.splitlines()[-1]


# avx512_vnni has more products of bytes than avx512, and nothing else.
SAMPLES_BEYOND = {"avx512": ["guard pages of small integers", "matrix units"],
                  "avx512_bf16": ["matrix units"], "avx512_amx": ["matrix units"]}  # fmt: skip
OF_A_LEVEL = [
    (level, sample) for level in OTHERS for sample in (
        [name for name in SAMPLE if name not in ("all random cases", *SAMPLES_BEYOND["avx512"][:1])]
        if level in OTHERS_IN_FULL else SAMPLES_BEYOND.get(level, []))
]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "sample"), [pytest.param(*pair, marks=needs(pair[0])) for pair in OF_A_LEVEL]
)
def test_sample(level, sample, tmp_path):
    run_pytest(level, SAMPLE[sample], tmp_path)


@pytest.mark.slow
@each_level
def test_all_random_cases(level, tmp_path):
    run_pytest(level, SAMPLE["all random cases"], tmp_path)
