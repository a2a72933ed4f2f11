"""Compare two builds of fastconv, bit for bit and by the clock.

    python bench/ab.py PYTHON_A PYTHON_B                    # 20,000 random calls
    python bench/ab.py PYTHON_A PYTHON_B --show 1234        # one of them, in full
    python bench/ab.py PYTHON_A PYTHON_B --cases 0 --times  # the named layers, in turn

Each build is given by the Python that imports it, and runs in a process of its own. Random calls of
every public function must give the same bits, the same errors and the same warnings in both. The
exit status is 1 if any differs.
"""

import argparse
import collections
import itertools
import re
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # which `python -P` leaves out

from builds import times
from builds.arrays import Array
from builds.cases import draw_case, names
from builds.conv_cases import METHODS
from builds.process import Build, announce

CHUNK = 50  # cases that a process is asked for at once
PRINTED = 20  # differences that are printed in full
NOISE = 0.03  # a row whose ratio of times is farther from 1 is measured again

# What fresh memory holds in B, bit by bit inverted (glibc alone looks at it): float32 3.4e38. A has
# what the system gives, zeros for the most part. A result that depends on it differs.
DIRTY = {"MALLOC_PERTURB_": str(0x80)}


def main(arguments=None):
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    if options.functions and not any(map(options.functions.search, names())):
        parser().error(f"no function has a match of {options.functions.pattern!r}")
    if options.methods and not any(map(options.methods.search, METHODS)):
        parser().error(f"no method has a match of {options.methods.pattern!r}")
    same = {"FASTCONV_MAX_ISA": options.isa} if options.isa else {}
    same |= {f"AB_ANY_{what.upper()}": "1" for what in options.any}
    status = 0
    if options.cases or options.show is not None:
        with (Build("A", options.python_a, same) as a,
              Build("B", options.python_b, same | DIRTY) as b):  # fmt: skip
            introduce(a, b)
            different = show(a, b, options) if options.show is not None else check(a, b, options)
            status = int(different > 0)
    if options.times:
        with Build("A", options.python_a, same) as a, Build("B", options.python_b, same) as b:
            introduce(a, b)
            race(a, b, options)
    return status


def parser():
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    result.add_argument("python_a", metavar="PYTHON_A", help="interpreter of the build before")
    result.add_argument("python_b", metavar="PYTHON_B", help="interpreter of the build after")
    result.add_argument("--cases", type=int, default=20_000, metavar="N", help="random calls")
    result.add_argument("--seed", type=int, default=0, metavar="S", help="what they are drawn from")
    result.add_argument("--functions", type=re.compile, metavar="RE",
                        help="only calls of functions whose name has a match")  # fmt: skip
    result.add_argument("--methods", type=re.compile, metavar="RE",
                        help='only calls that ask for such a method ("auto" if they name none)')
    result.add_argument("--show", type=int, metavar="INDEX", help="one call: all that differs")
    result.add_argument("--isa", metavar="NAME", help="FASTCONV_MAX_ISA of both")
    result.add_argument("--any", nargs="+", choices=("scratch", "nan"), default=[],
                        help="what may differ: bytes of workspace, signs of NaNs")
    result.add_argument("--times", action="store_true", help="time the named layers as well")
    result.add_argument("--layers", type=re.compile, metavar="RE",
                        help='only rows with a match, as in "plan vgg16"')  # fmt: skip
    result.add_argument("--seconds", type=float, default=0.3, metavar="T",
                        help="time for each row and build")  # fmt: skip
    result.add_argument("--rounds", type=int, default=6, metavar="R", help="turns of each build")
    result.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N",
                        help="numbers of threads to time")  # fmt: skip
    return result


def introduce(*builds):
    """Say what is compared."""
    for build in builds:
        found = build.ask("identify")
        print(f"{build.name}: {found['path']}\n   {found['about']}")
        if found["not called"]:
            print(f"   without a case: {', '.join(found['not called'])}")


# ------------------------------------------------------------------------------------ bits


def chosen_indices(options):
    """Indices of the cases that the options choose, as many as they ask for."""
    functions, methods = options.functions, options.methods
    cases = ((index, draw_case(options.seed, index)) for index in itertools.count())
    chosen = (index for index, case in cases
              if (functions is None or functions.search(case.function))
              and (methods is None or (case.method and methods.search(case.method))))  # fmt: skip
    return itertools.islice(chosen, options.cases)


def check(a, b, options):
    """Compare the answers to random cases; returns how many differ."""
    functions, methods = collections.defaultdict(list), collections.Counter()
    different, start, done = [], time.monotonic(), 0
    indices = chosen_indices(options)
    while chunk := list(itertools.islice(indices, CHUNK)):
        for build in (a, b):
            build.send("digests", options.seed, chunk)
        pairs = zip(a.answers(options.seed, chunk), b.answers(options.seed, chunk))
        for index, (one, other) in zip(chunk, pairs):
            case = draw_case(options.seed, index)
            functions[case.function].append(bool(one.error))
            methods[(one.method or "none") if not one.error else "error"] += 1
            if one != other:
                different.append(index)
                report(case, index, one, other, len(different))
        done += len(chunk)
        if done % 1000 < len(chunk):
            announce(f"{done} cases, {len(different)} differ, {time.monotonic() - start:.0f} s")
    summarise(functions, methods)
    took = time.monotonic() - start
    print(f"bits: {len(different)} of {done} cases differ, {took:.0f} s, seed {options.seed}")
    return len(different)


def report(case, index, one, other, count):
    """Print a case in which the answers differ."""
    if count > PRINTED:
        return
    print(f"\ncase {index} differs in {', '.join(differing(one, other))}: {case}")
    if one.error != other.error:
        print(f"    A: {one.error or 'no error'}\n    B: {other.error or 'no error'}")
    if one.method != other.method:
        print(f"    A computed by {one.method}, B by {other.method}")


def differing(one, other):
    """Names of what differs in two answers."""
    return [name for name in ("arguments", "results", "error", "method")
            if getattr(one, name) != getattr(other, name)]  # fmt: skip


def summarise(functions, methods):
    """Print how often everything was called: what was not covered is not equal."""
    rows = [f"{name} {len(errors)} ({sum(errors)})" for name, errors in sorted(functions.items())]
    print("\ncalls (of which errors):")
    for first in range(0, len(rows), 3):
        print("  " + "".join(f"{text:<40}" for text in rows[first : first + 3]).rstrip())
    counts = ", ".join(f"{name} {count}" for name, count in methods.most_common())
    print(f"computed by: {counts}")


def show(a, b, options):
    """Print one case, and how its results differ; returns whether they do."""
    case = draw_case(options.seed, options.show)
    print(f"case {options.show} of seed {options.seed}: {case}")
    one, other = (build.ask("values", options.seed, options.show) for build in (a, b))
    different = 0
    for name in one:
        for path, x, y in paired(name, one[name], other[name]):
            text = difference(x, y)
            different += bool(text)
            print(f"  {path}: {text or 'equal, ' + brief(x)}")
    return different


def paired(path, x, y):
    """Everything that two results hold, with where it is."""
    if isinstance(x, dict) and isinstance(y, dict):
        keys = dict.fromkeys((*x, *y))
        x, y = ([item.get(key, "missing") for key in keys] for item in (x, y))
        for key, *items in zip(keys, x, y):
            yield from paired(f"{path}.{key}", *items)
    elif isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)) and len(x) == len(y):
        for place, items in enumerate(zip(x, y)):
            yield from paired(f"{path}[{place}]", *items)
    else:
        yield path, x, y


def difference(x, y):
    """How two values differ, or nothing."""
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        return "" if repr(x) == repr(y) else f"A {brief(x)}, B {brief(y)}"
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        return f"A {brief(x)}, B {brief(y)}"
    bits = [np.frombuffer(z.tobytes(), np.uint8).reshape(z.size, z.itemsize) for z in (x, y)]
    unequal = (bits[0] != bits[1]).any(axis=1)
    if not unequal.any():
        return ""
    with np.errstate(all="ignore"):
        p, q = x.ravel()[unequal], y.ravel()[unequal]
        far = np.nanmax(np.abs(np.subtract(p, q, dtype=np.result_type(x, np.float64))))
    first = np.unravel_index(int(unequal.argmax()), x.shape)
    return (f"{unequal.sum()} of {x.size} differ, by {far:.3g} at most; first at "
            f"{tuple(map(int, first))}: A {p[0]!r}, B {q[0]!r}")  # fmt: skip


def brief(value):
    """A value on one line."""
    if isinstance(value, np.ndarray):
        return repr(Array(value.shape, str(value.dtype), ()))
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."


# ----------------------------------------------------------------------------------- times


def race(a, b, options):
    """Time the named layers in two builds, and print the ratios."""
    builds = (a, b)
    chosen = [item for item in times.items(a.ask("layers"), options.threads)
              if not options.layers or options.layers.search(str(item))]  # fmt: skip
    rows = []
    print(f"\n{'us A':>10} {'us B':>10}   B/A")
    for item in chosen:
        one, other = times.compare(builds, item, options.seconds, options.rounds)
        if abs(other / one - 1) > NOISE:  # chance, perhaps: both may try again
            again = times.compare(builds, item, 2 * options.seconds, 2 * options.rounds)
            one, other = map(min, (one, other), again)
        rows.append((other / one, item))
        print(f"{one * 1e6:10.1f} {other * 1e6:10.1f} {other / one:6.3f}  {item}", flush=True)
    whole(builds)
    if rows:
        conclude(rows)


def conclude(rows):
    """Print the means of rows of a ratio and an item, and the worst of them."""
    kinds = collections.defaultdict(list)
    for ratio, item in rows:
        kinds[f"{item.kind}, {item.dtype}, {item.threads}"].append(ratio)
    print("\ngeometric means of B/A by kind, dtype and threads:")
    for kind, ratios in kinds.items():
        print(f"  {times.geometric_mean(ratios):.3f}  {kind} ({len(ratios)})")
    print("\nslowest rows:")
    worst = sorted(rows, key=lambda row: -row[0])
    for ratio, item in worst[:10]:
        print(f"  {ratio:.3f}  {item}")
    mean = times.geometric_mean(ratio for ratio, _ in rows)
    print(f"times: geometric mean B/A {mean:.3f}, worst {worst[0][0]:.3f} ({worst[0][1]})")


def whole(builds):
    """Print the time of an import, and the size of what it loads."""
    one, other = times.import_seconds(builds)
    print(f"\nimport: A {one * 1e3:.1f} ms, B {other * 1e3:.1f} ms, B/A {other / one:.3f}")
    for build, (compiled, everything) in zip(builds, times.module_bytes(builds)):
        print(f"{build.name} loads {everything:,} bytes, of which compiled {compiled:,}")


if __name__ == "__main__":
    sys.exit(main())
