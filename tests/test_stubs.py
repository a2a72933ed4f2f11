"""Documentation: the stubs, by which editors know the functions, say what these take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv

PACKAGE = Path(fastconv.__file__).parent
STUBS = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.pyi"))
# Types of other packages are those that these bring; whether the sources fit them, mypy says.
SETTINGS = "[mypy]\nignore_missing_imports = True\nignore_errors = True\n"
# Compiled without a signature, as what is not public; from Python 3.13 on `inspect` makes one up.
UNREADABLE = r"fastconv\._kernels\.dispatch\.(available|built|isa|vector_bytes)"


def test_stubs_are_what_runs(tmp_path):
    """By stubtest: names, arguments, their kinds and defaults.

    It reads a copy of the stubs, since it does not look where an editable installation points to.
    Not in the stubs are the names that `ndimage` and `signal` hand on to SciPy, and Cython's.
    """
    pytest.importorskip("mypy.stubtest", reason="mypy is not installed")
    assert len(STUBS) > 10
    for path in (*STUBS, *{stub.parent / "__init__.py" for stub in STUBS}):
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PACKAGE.parent / path).read_text("utf-8"), "utf-8")
    settings = tmp_path / "mypy.ini"
    settings.write_text(SETTINGS)
    unreadable = tmp_path / "unreadable.txt"
    unreadable.write_text(UNREADABLE)
    modules = [".".join(path.with_suffix("").parts) for path in STUBS]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mypy.stubtest", "--ignore-missing-stub",
         "--allowlist", str(unreadable), "--ignore-unused-allowlist",
         "--mypy-config-file", str(settings), *modules],
        env=os.environ | {"MYPYPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no issues found in {len(modules)} modules" in done.stdout
