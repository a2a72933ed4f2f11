"""Processes: environment variables, and that nonsense in them is an error at first use only."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastconv

SOURCE = Path(__file__).parent.parent / "fastconv"
USE = """
    import numpy as np
    import fastconv
    print("imported", flush=True)
    x = np.ones((1, 2, 5, 5), np.float32)
    fastconv.conv2d(x, np.ones((3, 2, 3, 3), np.float32))
"""


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("FASTCONV_MAX_ISA", ["avx9", "AVX-512", "avx2,avx512", "ä"]),
        ("FASTCONV_NUM_THREADS", ["0", "-1", "two", "1.5", "99999999999999999999"]),
        ("FASTCONV_PRECISION", ["best", "0", "highest,high"]),
    ],
)
def test_nonsense_is_an_error_at_first_use(run_python, name, values):
    for value in values:
        done = run_python(USE, returncode=1, **{name: value})
        assert done.stdout == "imported\n"
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("ValueError: "), done.stderr
        assert name in last
        assert repr(value.lower()) in last.lower()


@pytest.mark.parametrize("name", ["FASTCONV_MAX_ISA", "FASTCONV_NUM_THREADS", "FASTCONV_PRECISION"])
def test_empty_is_unset(run_python, name):
    run_python(USE, **{name: ""})
    run_python(USE, **{name: "  "})


def test_the_error_comes_again(run_python):
    """A failed first use leaves nothing half-chosen behind."""
    code = """
        import numpy as np
        import fastconv
        x, weight = np.ones((1, 2, 5, 5), np.float32), np.ones((3, 2, 3, 3), np.float32)
        for attempt in range(3):
            try:
                fastconv.conv2d(x, weight)
            except ValueError as error:
                print(error)
    """
    for name in ("FASTCONV_MAX_ISA", "FASTCONV_NUM_THREADS", "FASTCONV_PRECISION"):
        lines = run_python(code, **{name: "nonsense"}).stdout.splitlines()
        assert len(lines) == 3
        assert len(set(lines)) == 1
        assert name in lines[0]


def test_unavailable_level(run_python):
    """A level that exists but not here is refused by name, not lowered silently."""
    for level in ("baseline", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_amx"):
        if level in fastconv.show_runtime(mode="dicts")["isa_available"]:
            run_python(USE, FASTCONV_MAX_ISA=level)
        else:
            done = run_python(USE, returncode=1, FASTCONV_MAX_ISA=level)
            assert level in done.stderr.splitlines()[-1]


def test_precision(run_python):
    code = """
        import fastconv
        print(fastconv.get_precision(), fastconv.get_precision("float64"))
        with fastconv.precision("high"):
            print(fastconv.get_precision("float64"))
        fastconv.set_precision("medium")
        print(fastconv.get_precision())
        fastconv.set_precision(None)
        print(fastconv.get_precision())
    """
    for value in ("highest", "HIGHEST"):
        done = run_python(code, FASTCONV_PRECISION=value)
        assert done.stdout.split()[:4] == ["highest", "highest", "high", "medium"]
    assert run_python(code).stdout.split() == ["high", "highest", "high", "medium", "high"]


def test_number_of_threads(run_python):
    code = "import fastconv; print(fastconv.get_num_threads())"
    assert run_python(code, FASTCONV_NUM_THREADS=3).stdout == "3\n"
    assert run_python(code, OMP_NUM_THREADS=3).stdout == "3\n"
    assert run_python(code, OMP_NUM_THREADS="3,2").stdout == "3\n"
    assert run_python(code, FASTCONV_NUM_THREADS=2, OMP_NUM_THREADS=3).stdout == "2\n"
    # What OpenMP itself would ignore.
    default = run_python(code).stdout
    assert int(default) >= 1
    for value in ("many", "0", 1025, "-1"):
        assert run_python(code, OMP_NUM_THREADS=value).stdout == default
    for value in (1, 1024):
        assert run_python(code, OMP_NUM_THREADS=value).stdout == f"{value}\n"


@pytest.mark.needs(hasattr(os, "sched_setaffinity"), "a system that binds processes to cores")
def test_default_follows_the_affinity(run_python):
    code = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import fastconv
        print(fastconv.get_num_threads())
    """
    assert run_python(code).stdout == "1\n"


def test_importing_is_silent_and_starts_nothing(run_python):
    code = """
        import sys, threading
        import fastconv
        assert threading.active_count() == 1
        for heavy in ("torch", "matplotlib", "sklearn", "onnx", "scipy.fft", "scipy.signal"):
            assert heavy not in sys.modules, heavy
    """
    done = run_python(code)
    assert done.stdout == ""
    assert done.stderr == ""


def test_no_wider_level_is_loaded(run_python):
    """A module built for wider instructions may execute one as soon as it is imported."""
    code = """
        import sys
        import numpy as np
        import fastconv
        fastconv.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))
        print(*sorted(name for name in sys.modules if "._kernels_" in name))
    """
    for level in fastconv.show_runtime(mode="dicts")["isa_available"]:
        done = run_python(code, FASTCONV_MAX_ISA=level)
        family = level.split("_")[0]  # whose kernels the level has, besides its own
        loaded = {name.removeprefix("fastconv._kernels._kernels_") for name in done.stdout.split()}
        assert family in loaded
        assert loaded <= {family, level}


def test_show_runtime_and_show_config(capsys):
    runtime, config = fastconv.show_runtime(mode="dicts"), fastconv.show_config(mode="dicts")
    assert runtime["isa"] in runtime["isa_available"]
    assert runtime["num_threads"] == fastconv.get_num_threads()
    assert isinstance(runtime["openmp"], bool)
    assert runtime["precision"] == {
        name: fastconv.get_precision(name) for name in ("float32", "float64")
    }
    assert config["fastconv"] == fastconv.__version__
    assert config["numpy"] == np.__version__
    assert fastconv.show_runtime(mode="stdout") is None
    assert fastconv.show_config() is None
    printed = capsys.readouterr().out
    for word in (runtime["isa"], fastconv.__version__, np.__version__):
        assert word in printed
    for function in (fastconv.show_runtime, fastconv.show_config):
        with pytest.raises(ValueError, match="mode"):
            function(mode="xml")


@pytest.mark.needs((SOURCE / "__init__.py").exists(), "the sources beside the tests")
def test_importing_the_source_tree_says_so(run_python, tmp_path):
    """Python in the repository's root finds the sources first; the message says what to do."""
    shutil.copytree(
        SOURCE, tmp_path / "fastconv", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    )
    done = run_python("import fastconv", returncode=1)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "source tree" in last
