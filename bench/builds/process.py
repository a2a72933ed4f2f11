"""A build in a process of its own, seen from the process that compares."""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

from builds.worker import Answer

BENCH = str(Path(__file__).parents[1])
SERVE = "import sys; sys.path.append(sys.argv[1]); from builds.worker import serve; serve()"


class Build:
    """A fastconv, by the interpreter that imports it.

    Parameters
    ----------
    name : str
        "A" or "B".
    python : str
        The interpreter.
    environment : dict
        Variables that the processes have besides this one's; those of fastconv are left out.
    code : str
        What the process runs; it finds the folder of this package in ``sys.argv[1]``.
    """

    def __init__(self, name, python, environment=None, code=SERVE):
        self.name, self.code = name, code
        # Absolute, but not resolved: the link in a virtual environment is what makes it one.
        self.python = os.path.abspath(python) if os.sep in python else python
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FASTCONV_")}
        self.environment = kept | (environment or {})
        self.folder = tempfile.TemporaryDirectory(prefix="fastconv-")
        self.process = None
        self._start()

    def _start(self):
        self.process = subprocess.Popen(
            [self.python, "-P", "-c", self.code, BENCH], cwd=self.folder.name,
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def _stop(self):
        with contextlib.suppress(BrokenPipeError):  # what was not yet asked of a dead process
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def close(self):
        """End the process."""
        self._stop()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def run(self, code):
        """What code prints in a new process of the same interpreter."""
        return subprocess.run(
            [self.python, "-P", "-c", code], cwd=self.folder.name, env=self.environment,
            stdout=subprocess.PIPE, text=True, check=True).stdout  # fmt: skip

    def send(self, *request):
        """Ask something."""
        with contextlib.suppress(BrokenPipeError):  # `receive` will say that it is gone
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()

    def receive(self):
        """The next answer."""
        try:
            return pickle.load(self.process.stdout)
        except EOFError:
            status = self.process.wait()
            raise ChildProcessError(f"the process of {self.name} ended with {status}") from None

    def ask(self, *request):
        """Ask something that has one answer."""
        self.send(*request)
        return self.receive()

    def answers(self, seed, indices):
        """The answers to cases that were asked for; one that ends the process is an answer too."""
        for place, index in enumerate(indices):
            try:
                yield self.receive()
            except ChildProcessError as error:
                yield Answer(b"", b"", f"{error}, in case {index}")
                self._stop()
                self._start()
                self.send("digests", seed, indices[place + 1 :])


def announce(text):
    """Say how far it is, on the standard error."""
    print(text, file=sys.stderr, flush=True)
