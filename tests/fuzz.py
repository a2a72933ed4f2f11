"""Call public functions with arguments of any kind: a result, or an error that says what is wrong.

    python tests/fuzz.py --calls 100000          # by chance
    python tests/fuzz.py --show 1234             # one of these calls
    python tests/fuzz.py --atheris corpus/       # where atheris is installed; options of libFuzzer

A TypeError, ValueError, OverflowError or MemoryError whose message begins with the function's name
is right; whatever else comes out, a crash, a call without end or without bounds to its memory is
a finding. The exit status is 1 if there was any.
"""

import argparse
import contextlib
import faulthandler
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # which `python -P` leaves out
if "--atheris" in sys.argv:  # it counts the lines that a call reaches, of what it sees imported
    import atheris

    with atheris.instrument_imports(include=["fastconv"]):
        import fastconv
else:
    import fastconv

from odd_calls import Dice, Odd, draw_call, written

RIGHT = (TypeError, ValueError, OverflowError, MemoryError)
SECONDS = 20  # of the clock, for one call
MEMORY = 6 << 30  # bytes of address space
CHUNK = 2000  # calls of one process


def main(arguments=None):
    """Run the command; returns its exit status."""
    options, others = parser().parse_known_args(arguments)
    warnings.simplefilter("error")
    if "max_allocation_size_mb" not in os.environ.get("ASAN_OPTIONS", ""):  # of `sanitize`
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    if options.atheris:
        return run_atheris(others)
    if options.show is not None:
        name, given = draw(options.seed, options.show)
        print(written(name, given))
        print(finding(name, given) or "as it should be")
        return 0
    if options.child:
        return run_chunk(options.seed, *options.child, Path(others[0]))
    return run_all(options)


def parser():
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    result.add_argument("--calls", type=int, default=100_000, metavar="N", help="how many")
    result.add_argument("--seed", type=int, default=0, metavar="S", help="what they are drawn from")
    result.add_argument("--show", type=int, metavar="INDEX", help="one call, and what it does")
    result.add_argument("--atheris", action="store_true", help="let atheris draw them")
    result.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    return result


def draw(seed, index):
    """The call of a seed and an index."""
    return draw_call(Dice(random.Random(f"{seed} {index}").randint))


def finding(name, given):
    """What is wrong with what a call does, or None."""
    before = fastconv.get_num_threads(), fastconv.get_precision()
    try:
        with np.errstate(all="ignore"), as_context(getattr(fastconv, name)(**given)):
            return None
    except Odd:
        return None
    except RIGHT as error:
        text = str(error)
        if re.match(rf"{name}(: .|\(\) )", text):
            return None
        return f"{type(error).__name__} without the function's name: {text[:300]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]!r}"
    finally:
        fastconv.set_num_threads(before[0])
        fastconv.set_precision(before[1])


def as_context(result):
    """What `num_threads` and `precision` give is entered; all else is a result."""
    return result if hasattr(result, "__enter__") else contextlib.nullcontext()


def kind(name, text):
    """What findings have in common that are one."""
    return re.sub(r"\d+", "#", re.sub(r"[123]d", "", name) + " " + re.sub(r"'.*", "", text[:90]))


# ------------------------------------------------------------------------------ by chance


def run_chunk(seed, first, last, progress):
    """Make some calls in this process, saying in a file which one is being made."""
    for index in range(first, last):
        progress.write_text(str(index))
        name, given = draw(seed, index)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        what = finding(name, given)
        faulthandler.cancel_dump_traceback_later()
        if what:
            row = (str(index), kind(name, what), what, written(name, given))
            print("\t".join(" ".join(text.split()) for text in row), flush=True)
    return 0


def run_all(options):
    """Make all calls, in processes that may end before their time; 1 if something was found."""
    seen = {}
    with tempfile.TemporaryDirectory() as directory:
        progress, first = Path(directory) / "index", 0
        while first < options.calls:
            last = min(first + CHUNK, options.calls)
            command = [sys.executable, "-P", __file__, "--seed", str(options.seed), "--child",
                       str(first), str(last), str(progress)]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                  cwd=directory, check=False)  # fmt: skip
            for line in done.stdout.splitlines():
                if line.count("\t") == 3:
                    note(seen, *line.split("\t"))
            first = last
            if done.returncode:
                index = int(progress.read_text())
                end = f"the process ended with {done.returncode}: {done.stderr[-1500:]}"
                note(seen, index, f"end {index}", end, written(*draw(options.seed, index)))
                first = index + 1
    total = sum(seen.values())
    print(f"{options.calls} calls of seed {options.seed}: {total} findings of {len(seen)} kinds")
    return int(total > 0)


def note(seen, index, which, what, call):
    """Count a finding, and print the first of its kind."""
    seen[which] = seen.get(which, 0) + 1
    if seen[which] == 1:
        print(f"call {index}: {what}\n    {call}", flush=True)


# ------------------------------------------------------------------------------ by atheris


def run_atheris(arguments):
    """Have atheris draw from bytes, until it finds something."""
    def one(data):
        name, given = draw_call(Dice(atheris.FuzzedDataProvider(data).ConsumeIntInRange))
        what = finding(name, given)
        if what:
            raise AssertionError(f"{what}\n    {written(name, given)}")

    atheris.Setup([sys.argv[0], f"-timeout={SECONDS}", "-rss_limit_mb=6000", *arguments], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
