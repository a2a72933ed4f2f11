"""Build with the address and undefined-behaviour sanitizers, and run the tests on that build.

    python tests/sanitize.py                             # the suite, at avx2
    python tests/sanitize.py --isa baseline -- -k guard  # arguments go to pytest
    python tests/sanitize.py --fuzz 20000                # calls of `fuzz` in place of the suite
    python tests/sanitize.py --isa avx512 -D emulate_avx512=true -- tests/test_pools.py

Needs GCC with its sanitizers. The first report ends the process that it is about; the exit status
is 0 only if there is none and the tests pass.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which `python -P` leaves out

from built import ISA, ROOT, Build

# (tests that cannot run so, why)
LEFT_OUT = [
    ("test_family_memory.py", "freed memory is kept back, to find who uses it: it looks used"),
    ("test_isa.py", "the build has one instruction set"),
    ("test_bad_inputs.py::test_arguments_of_any_kind", "limits the address space, see below"),
    ("test_threads.py::test_interrupt", "bounds the time of work, of which checks make more"),
    ("test_threads.py::test_threads_that_cannot_be_had", "limits the address space, see below"),
    ("test_memory.py", "limits the address space, of which the sanitizer takes terabytes"),
]


def main(arguments=None):
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    directory = ROOT / f"build-sanitize-{options.isa}"
    build = Build(directory, jobs=options.jobs)
    build.setup(
        b_sanitize="address,undefined", b_lundef="false", buildtype="debugoptimized",
        optimization="1", c_args="-fno-var-tracking", levels=options.isa,
        **dict(text.split("=", 1) for text in options.D),
    )  # fmt: skip
    if not build.compile():
        sys.exit(f"the build failed, see {build.log}")
    reports = directory / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    environment = build.environment(**settings(options.isa, reports))
    if options.fuzz:
        environment["ASAN_OPTIONS"] += ":max_allocation_size_mb=6144"  # in place of its own limit
        script = [ROOT / "tests" / "fuzz.py", f"--calls={options.fuzz}"]
        status = build.run([*script, *options.pytest], environment)
    else:
        for test, why in LEFT_OUT:
            print(f"left out: {test}: {why}", flush=True)
        left_out = [f"--deselect=tests/{test}" for test, _ in LEFT_OUT]
        # what is undefined is reported to the standard error, which pytest must leave alone
        status = build.run_tests(["-q", "--capture=sys", *left_out, *options.pytest], environment)
    found = [text for path in sorted(reports.iterdir())
             if "ERROR" in (text := path.read_text(errors="replace"))]  # fmt: skip
    print(*found, f"{len(found)} reports of bad addresses, exit status {status}", sep="\n")
    return int(bool(found) or status != 0)


def parser():
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    result.add_argument("--isa", metavar="NAME", help="the instruction set that is compiled",
                        default=ISA)  # fmt: skip
    result.add_argument("-D", action="append", default=[], metavar="NAME=VALUE",
                        help="a further option for Meson")  # fmt: skip
    result.add_argument("--jobs", type=int, default=1, metavar="N", help="to compile with")
    result.add_argument("--fuzz", type=int, metavar="N", help="make so many calls of fuzz.py")
    result.add_argument("pytest", nargs="*", help="arguments for pytest or fuzz.py, after --")
    return result


def settings(isa, reports):
    """The environment: the sanitizers' runtime before Python, and an end at the first report.

    Bad addresses are reported to files, also by a process that a test started.
    """
    return {
        "LD_PRELOAD": f"{library('asan')} {library('ubsan')}",
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:allocator_may_return_null=1:halt_on_error=1:"
                        f"log_path={reports / 'address'}",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "FASTCONV_MAX_ISA": isa,
    }  # fmt: skip


def library(name):
    """The path of one of GCC's libraries."""
    found = subprocess.run(["gcc", f"-print-file-name=lib{name}.so"], check=True,
                           capture_output=True, text=True).stdout.strip()  # fmt: skip
    return found if Path(found).is_absolute() else sys.exit(f"GCC has no lib{name}.so")


if __name__ == "__main__":
    sys.exit(main())
