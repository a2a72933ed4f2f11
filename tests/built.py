"""A build of the sources in a directory of its own: for `sanitize` and `mutate`.

Meson compiles into one directory and installs into another, which goes first on Python's path.
Nothing of the environment's own installation is changed.
"""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ISA = "avx2" if platform.machine() == "x86_64" else "baseline"  # unless another is asked for

# The package that is named below is the sources, not compiled: Python stays off its directory.
MESON = (sys.executable, "-P", "-m", "mesonbuild.mesonmain")


def meson():
    """The command that runs Meson: that of this Python, or the one on the path."""
    there = subprocess.run([*MESON, "--version"], capture_output=True, check=False).returncode == 0
    return MESON if there else (shutil.which("meson") or sys.exit("Meson is not installed"),)


class Build:
    """One configuration of the sources at `source`, compiled below `directory`."""

    def __init__(self, directory, source=ROOT, jobs=1):
        self.source, self.jobs = Path(source), jobs
        self.directory = Path(directory).resolve()
        self.objects, self.installed = self.directory / "objects", self.directory / "installed"
        self.log = self.directory / "build.log"
        self.meson = meson()

    def setup(self, **options):
        """Configure, anew or again, by Meson's options."""
        again = ["--reconfigure"] if (self.objects / "build.ninja").exists() else []
        self.directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [*self.meson, "setup", *again, "--prefix=/", f"-Dpython.purelibdir={self.installed}",
             f"-Dpython.platlibdir={self.installed}",
             *(f"-D{name}={value}" for name, value in options.items()), self.objects, self.source],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def compile(self):
        """Compile what has changed and install it; whether that went well. `log` has the output."""
        commands = (["compile", f"-j{self.jobs}"],
                    ["install", "--no-rebuild", "--only-changed", "--quiet"])  # fmt: skip
        with self.log.open("w") as log:
            return not any(
                subprocess.run([*self.meson, name, "-C", self.objects, *options], check=False,
                               stdout=log, stderr=subprocess.STDOUT).returncode
                for name, *options in commands
            )  # fmt: skip

    def environment(self, **more):
        """The environment in which Python imports this build."""
        path = os.pathsep.join(filter(None, (str(self.installed), os.environ.get("PYTHONPATH"))))
        return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | more

    def run_tests(self, arguments, environment, seconds=None, **popen):
        """Run pytest on this build; see `run`."""
        pytest = ["-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={self.source}"]
        return self.run([*pytest, *arguments], environment, seconds, **popen)

    def run(self, arguments, environment, seconds=None, **popen):
        """Run Python on this build: its exit status, or None after `seconds`.

        What it started goes with it: they are one group of processes.
        """
        process = subprocess.Popen([sys.executable, "-P", *arguments], cwd=self.source,
                                   env=environment, start_new_session=True, **popen)  # fmt: skip
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            kill_group(process)


def kill_group(process):
    """End a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
