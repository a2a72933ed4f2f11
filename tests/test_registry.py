"""Registry: an algorithm is tested without another line, also one without backward passes."""

import subprocess
import sys
from pathlib import Path

# Loaded by pytest before any test is: one more algorithm.
PLUGIN = """
from fastconv import _select
from newcomer import ALGORITHM

_select.ALGORITHMS += (ALGORITHM,)
_select._BY_NAME[ALGORITHM.name] = ALGORITHM
"""
# Those over the registry whose tests run in the process that the plugin is in.
FILES = ("conv2d", "conv2d_backward", "conv_transpose", "dtypes", "family_accuracy",
         "family_bitwise", "guard_pages", "large", "plan", "ranks", "special_values")  # fmt: skip


def test_an_algorithm_without_backward_passes(tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in FILES]
    code = (f"import sys, pytest; sys.path += ['.', {str(here)!r}]; "
            "sys.exit(pytest.main(sys.argv[1:]))")
    options = ["-p", "plugin", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--tb=short",
               "-k", "newcomer"]  # fmt: skip
    done = subprocess.run([sys.executable, "-P", "-c", code, *options, *files], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = int(done.stdout.rsplit(" passed", 1)[0].split()[-1])
    assert passed > 300, done.stdout[-1000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
