"""Plant small mistakes in the sources, one at a time, and see whether the tests notice.

    python tests/mutate.py --count 150               # quick tests of each mutant
    python tests/mutate.py --count 150 --all         # of those that survive, all tests
    python tests/mutate.py --files _desc/ --seed 7
    python tests/mutate.py --report                  # the tally so far

Works on a copy of the sources, compiled for one instruction set. The tally is a file, which a run
that was ended goes on from. The exit status is 1 if a mutant survived.
"""

import argparse
import collections
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which `python -P` leaves out

from built import ISA, ROOT, Build
from mutants import draw

CONV = "".join(f"test_random_cases.py::test_{name}[0] " for name in (
    "conv_of_every_rank_and_dtype", "conv_transpose", "conv2d"))  # fmt: skip
POOL = "".join(f"test_random_cases.py::test_{name}[0] " for name in (
    "pool_of_every_rank_and_dtype", "pool2d"))  # fmt: skip
# (of which path, tests): those that may notice, the likeliest first. All that match are run.
QUICK = [
    (r"words|quantiz|byte|integer|igemm|elements|products", "test_small_integers.py test_qconv.py"),
    (r"separable", "test_separable.py"),
    (r"stream|pieces", "test_streams.py"),
    (r"matrix|amx|bf16", "test_matrix_unit.py"),
    (r"scatter|unpool|search", "test_pools.py"),
    (r"/depthwise/|dwconv", "test_depthwise.py"),
    (r"/fft/|cgemm", "test_fft.py"),
    (r"/winograd|/gemm", "test_winograd.py"),
    (r"/im2col/|/_core/blas|columns", "test_im2col.py"),
    (r"pool|rows_type|reduce|/_core/(threads|scratch|blocks|strided)", POOL + "test_pool2d.py"),
    (r"/_algorithms/|/_core/|/_call/|/_desc/|/_kernels/(?!.*pool)", CONV + "test_ranks.py"),
    (r"/_algorithms/(direct|depthwise)|/_core/window|/_pooling/", "test_cuts.py"),
    (r"/_call/|/_desc/", "test_plan.py test_arrays.py test_explain_cost_shapes.py test_im2col.py "
     "test_pool2d.py test_foreign_code.py test_bad_inputs.py " + POOL),
    (r"/_core/", "test_environment.py test_threads.py"),
    (r"", "test_guard_pages.py"),
    (r"/_pooling/|pools", "test_pools.py"),
    (r"/_algorithms/|/_kernels/(?!.*pool)", "test_conv2d.py test_conv2d_backward.py"),
]  # fmt: skip
# They run the suite again in other processes or at other instruction sets, read the sources, or
# test tools: no mutant is found by these alone.
LEFT_OUT = {"test_isa.py", "test_registry.py", "test_documentation.py", "test_docstrings.py",
            "test_layers.py", "test_cli.py", "test_bench_ab.py", "test_bench_fit.py",
            "test_onnx.py", "test_large.py", "test_reference.py"}  # fmt: skip
DESELECT = "not in_another_process and not torch"
# Not among the quick ones: slow, or not to be trusted on a busy machine.
SLOW = " and not much_padding and not long_sums and not cannot_be_had"

MEMORY = 8 << 30  # bytes of address space: a mutant may ask for any size
PATIENCE = 3  # a mutant may take so many times as long as the quick tests do without one
FOUND = ("killed", "timed out")


def main(arguments=None):
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and take what was started along
    directory = Path(options.directory).resolve()
    tally = Tally(directory / "tally.json")
    if not options.report:
        runner = Runner(directory, tally, options)
        for mutant in draw(runner.tree, options.count, options.seed, options.files):
            if time.monotonic() > runner.end:
                break
            runner.try_one(mutant)
    return tally.report()


def parser():
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    result.add_argument("--count", type=int, default=150, metavar="N", help="mutants to draw")
    result.add_argument("--seed", type=int, default=0, metavar="S", help="what they are drawn from")
    result.add_argument("--files", metavar="RE", help="only of files whose path has a match")
    result.add_argument("--all", action="store_true", help="all tests, where the quick ones pass")
    result.add_argument("--isa", metavar="NAME", help="the instruction set that is compiled",
                        default=ISA)  # fmt: skip
    result.add_argument("--directory", default=ROOT / "build-mutate", metavar="DIR",
                        help="of the copy, its build, and tally.json")  # fmt: skip
    result.add_argument("--jobs", type=int, default=1, metavar="N", help="to compile with")
    result.add_argument("--minutes", type=float, default=1e9, metavar="T", help="when to end")
    result.add_argument("--report", action="store_true", help="print the tally, and no more")
    return result


class Tally:
    """What became of each mutant, in a file."""

    def __init__(self, path):
        self.path = path
        self.content = json.loads(path.read_text()) if path.exists() else {}
        self.mutants = self.content.setdefault("mutants", {})

    def save(self):
        """Write the file."""
        self.path.write_text(json.dumps(self.content, indent=1))

    def is_done(self, mutant, everything):
        """Whether the verdict on a mutant is final."""
        entry = self.mutants.get(mutant.key)
        return entry and (entry["verdict"] != "survived" or entry["all"] or not everything)

    def note(self, mutant, verdict, **more):
        """Keep a verdict, and say it."""
        self.mutants[mutant.key] = {"verdict": verdict, "text": str(mutant), **more}
        self.save()
        print(f"{len(self.mutants)}: {verdict}: {mutant.key} {more.get('by', '')}", flush=True)

    def report(self):
        """Print survivors and the share of mutants that were found; 1 if any survived."""
        counts = collections.Counter(entry["verdict"] for entry in self.mutants.values())
        survivors = [entry for entry in self.mutants.values() if entry["verdict"] == "survived"]
        for entry in survivors:
            which = "all" if entry["all"] else "the quick"
            print(f"\nsurvived {which} tests: {entry['text']}")
        found = sum(counts[verdict] for verdict in FOUND)
        tried = found + len(survivors)
        print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
        print(f"found: {found} of {tried} ({100 * found / max(tried, 1):.0f} %)")
        return int(bool(survivors))


class Runner:
    """The copy of the sources, its build, and the tests of one mutant after another."""

    def __init__(self, directory, tally, options):
        self.tally, self.options = tally, options
        self.end = time.monotonic() + 60 * options.minutes
        self.tree, self.log = directory / "tree", directory / "tests.log"
        copy_sources(self.tree)
        self.build = Build(directory, self.tree, options.jobs)
        self.build.setup(levels=options.isa)
        if not self.build.compile():
            sys.exit(f"the sources do not compile without a mutant, see {self.build.log}")
        self.original = self.digests()
        self.limit = PATIENCE * self.time_clean()

    def digests(self):
        """A digest of every installed file: what is equal has not changed."""
        return {path: hashlib.sha256(path.read_bytes()).digest()
                for path in self.build.installed.rglob("*")
                if path.suffix in (".so", ".py") and path.is_file()}  # fmt: skip

    def try_one(self, mutant):
        """Plant a mutant, build, run the tests, and note what became of it."""
        if self.tally.is_done(mutant, self.options.all):
            return
        undo = mutant.apply(self.tree)
        try:
            if not self.build.compile():
                self.tally.note(mutant, "not compiled")
            elif self.digests() == self.original:
                self.tally.note(mutant, "the same code")
            else:
                self.judge(mutant, self.stages(mutant))
        finally:
            undo()  # the next build compiles it

    def stages(self, mutant):
        """The tests to run: the quick ones, and then all others."""
        quick = [name for pattern, names in QUICK if re.search(pattern, "/" + mutant.path)
                 for name in names.split()]  # fmt: skip
        quick = list(dict.fromkeys(quick))
        if not self.options.all:
            return [quick]
        files = sorted(path.name for path in (self.tree / "tests").glob("test_*.py"))
        return [quick, [name for name in files if name not in LEFT_OUT]]

    def time_clean(self):
        """Without a mutant the quick tests pass; how long they take is kept."""
        if "clean" not in self.tally.content:
            names = dict.fromkeys(name for _, names in QUICK for name in names.split())
            start = time.monotonic()
            verdict, by = self.run(list(names), SLOW, None)
            if verdict != "survived":
                sys.exit(f"without a mutant: {verdict} {by}, see {self.log}")
            self.tally.content["clean"] = round(time.monotonic() - start)
            self.tally.save()
            print(f"without a mutant: {self.tally.content['clean']} s", flush=True)
        return self.tally.content["clean"]

    def judge(self, mutant, stages):
        """Run the tests, and note whether they found the mutant."""
        start = time.monotonic()
        for names, without, limit in zip(stages, (SLOW, ""), (self.limit, 20 * self.limit)):
            verdict, by = self.run(names, without, limit)
            if verdict in FOUND:
                break
        self.tally.note(mutant, verdict, by=by, all=self.options.all,
                        seconds=round(time.monotonic() - start, 1))  # fmt: skip

    def run(self, names, without, limit):
        """Run tests until the first that fails: the verdict, and which it was."""
        with self.log.open("w+") as log:
            status = self.build.run_tests(
                ["-x", "-q", "--tb=no", "-p", "no:xdist", "-k", DESELECT + without,
                 *(str(self.tree / "tests" / name) for name in names)],
                self.build.environment(FASTCONV_MAX_ISA=self.options.isa), limit,
                stdout=log, stderr=subprocess.STDOUT, preexec_fn=limit_memory,
            )  # fmt: skip
            log.seek(0)
            failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log.read(), re.MULTILINE)
        if status is None:
            return "timed out", ""
        if status == 0:
            return "survived", ""
        return "killed", failed[1] if failed else f"exit status {status}"


def limit_memory():
    """Have allocations fail that the machine could not serve; tests may lift that for a moment."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


def copy_sources(tree):
    """Bring a copy of the sources up to date; what has not changed keeps its time."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True, text=True)  # fmt: skip
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for path in list(tree.rglob("*")):
        if path.is_file() and path.relative_to(tree).as_posix() not in names:
            path.unlink()
    for name in names:
        source, copy = ROOT / name, tree / name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


if __name__ == "__main__":
    sys.exit(main())
