"""The filters of `fastconv.ndimage`, against SciPy, OpenCV and scikit-image, in turn.

A filter is a function with its arguments; a case is a filter on an image of some dtype. Contenders
are those of `peers` in kind: one says what it cannot express, and makes a call of a case.
"""

import fnmatch
import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastconv import ndimage
from fastconv._bench import measure, report
from fastconv._bench.peers import Contender, Fastconv
from fastconv._bench.peers import SciPy as SciPyLayers
from fastconv._bench.targets import Result, Row, table

DTYPES = ("uint8", "uint16", "float32", "float64")
SIZES = ((32, 32), (512, 512), (2048, 2048), (128, 128, 128))
SMALL, LARGE = (32, 32), (2048, 2048)


@dataclass(frozen=True)
class Filter:
    """A function of `ndimage` and its arguments.

    Attributes
    ----------
    group : str
        What targets are set for.
    name, function : str
        What tables call it, and the function.
    args : tuple
        Arguments after the image.
    rank : int
        Axes of the images that it is measured on.
    products : int
        Multiplications, or comparisons, for each element, as the function does them.
    """

    group: str
    name: str
    function: str
    args: tuple
    rank: int
    products: int


def weights(*lengths):
    """Positive weights of sum 1, not symmetric, so that results stay in any dtype's range."""
    values = np.random.default_rng(math.prod(lengths)).random(lengths) + 0.1
    values /= values.sum()
    values.flags.writeable = False
    return values


def _filters():
    """All that is measured: kernels from 3 to 31, sigma from 1 to 8, along every axis."""
    for rank, sigmas, lengths in ((2, (1, 3, 8), (3, 9, 31)), (3, (1.5,), (5,))):
        for sigma in sigmas:
            taps = 2 * int(4 * sigma + 0.5) + 1
            yield Filter("gaussian", f"gaussian {sigma}", "gaussian_filter", (sigma,), rank,
                         rank * taps)  # fmt: skip
        for axis in range(rank):
            yield Filter("sobel", f"sobel, axis {axis}", "sobel", (axis,), rank, 2 + 3 * (rank - 1))
            for n in lengths:
                yield Filter("correlate1d", f"correlate1d {n}, axis {axis}", "correlate1d",
                             (weights(n), axis), rank, n)  # fmt: skip
        yield Filter("laplace", "laplace", "laplace", (), rank, 3 * rank)
        for n in lengths:
            yield Filter("uniform", f"uniform {n}", "uniform_filter", (n,), rank, 2 * rank)
            for which in ("maximum", "minimum"):
                yield Filter(which, f"{which} {n}", f"{which}_filter", (n,), rank, 3 * rank)
        for n in (3, 9, 15) if rank == 2 else (3, 5):
            name = f"correlate {'x'.join([str(n)] * rank)}"
            yield Filter("correlate", name, "correlate", (weights(*[n] * rank),), rank, n**rank)


@dataclass(frozen=True)
class FilterCase:
    """One measurement: every contender filters this image."""

    filter: Filter
    shape: tuple
    dtype: str
    threads: int = 1

    pools = False
    largest = None  # value that errors are measured by: that of the result

    @property
    def x(self):
        """The image: noise up to nearly the greatest of the dtype, or to 1, none of it zero."""
        values = 0.1 + 0.9 * np.random.default_rng(0).random(self.shape)
        high = np.iinfo(self.dtype).max if np.dtype(self.dtype).kind == "u" else 1
        return (high * values).astype(self.dtype)

    @property
    def flops(self):
        """Operations of the function, two for a product and its addition."""
        return 2 * self.filter.products * math.prod(self.shape)

    @property
    def bytes(self):
        """Bytes of the image and of the result."""
        return 2 * np.dtype(self.dtype).itemsize * math.prod(self.shape)

    @property
    def tolerance(self):
        """Largest error over largest value: some last places, as peers truncate or round."""
        return {"uint8": 4 / 255, "uint16": 4 / 65_535, "float32": 1e-4, "float64": 1e-10}[
            self.dtype]  # fmt: skip

    @property
    def layer(self):
        """What reports call by its name."""
        return self.filter

    @property
    def name(self):
        """The filter, the image and the number of threads."""
        size = "x".join(map(str, self.shape))
        return f"{self.filter.name}, {size} {self.dtype}" + (
            "" if self.threads == 1 else f", {self.threads} threads")  # fmt: skip


def combine(names=("all",), dtypes=DTYPES, threads=(1,), sizes=SIZES):
    """The cases of groups or globs of names, group by group.

    Raises
    ------
    ValueError
        If one names nothing.
    """
    known = list(_filters())
    for name in names:
        if name != "all" and not any(_called(f, name) for f in known):
            groups = ", ".join(dict.fromkeys(f.group for f in known))
            raise ValueError(f"no filter is called {name!r}; there are {groups}")
    return [
        FilterCase(one, shape, dtype, count)
        for one in sorted(known, key=lambda f: f.group)
        if any(name == "all" or _called(one, name) for name in names)
        for count in threads
        for shape in sizes if len(shape) == one.rank
        for dtype in dtypes
    ]  # fmt: skip


def _called(one, name):
    return one.group == name or fnmatch.fnmatch(one.name, name)


# ---- the contenders ----


def _exact(result):
    """A result as float64, so that differences of unsigned integers do not wrap."""
    return np.asarray(result, np.float64)


class Ours(Contender):
    """`fastconv.ndimage`, with SciPy's bits."""

    name, module, package, ours = "fastconv", "fastconv", "fastconv", True
    options: dict = {}  # noqa: RUF012 -- never changed

    version = Fastconv.version

    def refuses(self, case):
        return None

    def prepare(self, case):
        options = {"num_threads": case.threads} | self.options
        function = getattr(ndimage, case.filter.function)
        return partial(function, case.x, *case.filter.args, **options), _exact


class OursOnTwo(Ours):
    """On two threads, beside one: how much they gain."""

    name, options = "2 threads", {"num_threads": 2}

    def refuses(self, case):
        fits = case.threads == 1 and case.shape == LARGE
        return None if fits else "is measured on large images"


class OursHigh(Ours):
    """At `precision="high"`, which is free to take any method."""

    name, options = "high", {"precision": "high"}

    def refuses(self, case):
        fits = case.filter.group == "correlate" and case.filter.products >= 81
        return None if fits else "is measured on kernels from 9x9"


class SciPy(Contender):
    """`scipy.ndimage`."""

    name, module, package = SciPyLayers.name, SciPyLayers.module, SciPyLayers.package

    def refuses(self, case):
        return None if case.threads == 1 else "has one thread"

    def prepare(self, case):
        function = getattr(importlib.import_module("scipy.ndimage"), case.filter.function)
        return partial(function, case.x, *case.filter.args), _exact


class OpenCV(Contender):
    """`cv2`, for images; its results agree to the last places."""

    name, module, package = "opencv", "cv2", "opencv-python-headless"

    @classmethod
    def version(cls):
        return importlib.import_module(cls.module).__version__

    def refuses(self, case):
        if case.filter.rank > 2:
            return "has images of two axes only"
        if case.filter.group in ("sobel", "laplace") and case.dtype[0] == "u":
            return "saturates where SciPy wraps"
        return None

    def prepare(self, case):
        import cv2

        cv2.setNumThreads(case.threads)
        x, args, border = case.x, case.filter.args, {"borderType": cv2.BORDER_REFLECT}
        match case.filter.group:
            case "gaussian":
                length = case.filter.products // 2
                call = partial(cv2.GaussianBlur, x, (length, length), args[0], **border)
            case "sobel":
                dx, dy = ((0, 1), (1, 0))[args[0]]
                call = partial(cv2.Sobel, x, -1, dx, dy, ksize=3, **border)
            case "laplace":
                call = partial(cv2.Laplacian, x, -1, ksize=1, **border)
            case "uniform":
                call = partial(cv2.blur, x, (args[0], args[0]), **border)
            case "maximum" | "minimum":
                window = np.ones((args[0], args[0]), np.uint8)
                call = partial(cv2.dilate if case.filter.group == "maximum" else cv2.erode, x,
                               window, **border)  # fmt: skip
            case "correlate1d":
                kernels = [np.ones(1), args[0]]
                call = partial(cv2.sepFilter2D, x, -1, kernels[args[1]], kernels[1 - args[1]],
                               **border)  # fmt: skip
            case "correlate":
                call = partial(cv2.filter2D, x, -1, args[0], **border)
        return call, _exact


class ScikitImage(Contender):
    """`skimage.filters.gaussian`, and flat morphology."""

    name, module, package = "skimage", "skimage", "scikit-image"

    def refuses(self, case):
        if case.threads > 1:
            return "has one thread"
        if case.filter.group == "gaussian" and case.dtype[0] == "f":
            return None
        flat = case.filter.group in ("maximum", "minimum")
        return None if flat else "has no function with the same result"

    def prepare(self, case):
        if case.filter.group == "gaussian":
            gaussian = importlib.import_module("skimage.filters").gaussian
            return partial(gaussian, case.x, case.filter.args[0], mode="reflect",
                           preserve_range=True), _exact  # fmt: skip
        morphology = importlib.import_module("skimage.morphology")
        name = {"maximum": "dilation", "minimum": "erosion"}[case.filter.group]
        window = np.ones((case.filter.args[0],) * case.filter.rank, np.uint8)
        return partial(getattr(morphology, name), case.x, window), _exact


OURS, PEERS = (Ours, OursOnTwo, OursHigh), (SciPy, OpenCV, ScikitImage)


# ---- the targets ----


def against(name, mine="fastconv"):
    """How many times as fast as a contender."""

    def figure(m):
        pair = [m.timings.get(one) for one in (name, mine)]
        return pair[0].best / pair[1].best if all(pair) else None

    return figure


def _of(*groups):
    return lambda case: case.filter.group in groups and case.shape != SMALL


def _float(case):
    return case.dtype[0] == "f" and case.shape != SMALL


@dataclass(frozen=True)
class FilterRow(Row):
    """A target of filters: `condition` chooses among all cases."""

    layers: tuple = ("filters",)
    condition: Callable = lambda case: True


_SCIPY = {"figure": against("scipy"), "floor": 3.0}
ROWS = (
    FilterRow("gaussian", "gaussian, sobel, laplace, against SciPy", 12.0, **_SCIPY,
              condition=_of("gaussian", "sobel", "laplace")),
    FilterRow("correlate1d", "correlate1d, against SciPy", 10.0, **_SCIPY,
              condition=_of("correlate1d")),
    FilterRow("uniform", "uniform, against SciPy", 8.0, **_SCIPY, condition=_of("uniform")),
    FilterRow("extrema", "maximum and minimum, against SciPy", 20.0, **_SCIPY,
              condition=_of("maximum", "minimum")),
    FilterRow("correlate", "correlate, against SciPy", 15.0, **_SCIPY, condition=_of("correlate")),
    FilterRow("small", "all on 32x32, against SciPy", 1.5, against("scipy"),
              condition=lambda case: case.shape == SMALL),
    FilterRow("high", 'correlate from 9x9 at "high", against SciPy', 60.0,
              against("scipy", "high"), condition=_of("correlate")),
    FilterRow("threads", "two threads against one, 2048x2048", 1.7,
              against("fastconv", "2 threads"), condition=lambda case: case.shape == LARGE),
    FilterRow("opencv", "float32 and float64, against OpenCV", 1.0, against("opencv"),
              condition=_float),
    FilterRow("opencv-integers", "uint8 and uint16, against OpenCV", 0.7, against("opencv"),
              condition=lambda case: case.dtype[0] == "u" and case.shape != SMALL),
)  # fmt: skip


def judge(measured):
    """What each target's cases reached; the rows without any are left out."""
    results = []
    for row in ROWS:
        wanted = [m for m in measured if row.condition(m.case)]
        figures = {m.case.name: value for m in wanted if (value := row.figure(m))}
        if figures:
            results.append(Result(row, len(figures), figures))
    return results


# ---- the run ----


def _line(m, names, peers, width):
    """One measured case: times, and ratios to the peers."""
    cells = [report.duration(m.timings[name].best) if name in m.timings else
             "WRONG" if m.refusals.get(name, "").startswith("WRONG") else "-"
             for name in names]  # fmt: skip
    for peer in peers:
        ratio = against(peer)(m)
        cells.append(f"{ratio:.2f}x" if ratio else "-")
    return f"{m.case.name:<{width}}" + "".join(f"{cell:>12}" for cell in cells)


def _summary(group, measured, peers):
    """The geometric mean over a group, and the worst case, against each peer."""
    for peer in peers:
        ratios = {m.case.name: r for m in measured if (r := against(peer)(m))}
        if ratios:
            worst = min(ratios, key=ratios.get)
            yield (f"{group} against {peer}: geometric mean "
                   f"{report.geometric_mean(ratios.values()):.2f}x, worst {ratios[worst]:.2f}x "
                   f"({worst})")  # fmt: skip


def records(measured):
    """Everything that was measured, as JSON has it."""
    return [{
        "filter": m.case.filter.name, "group": m.case.filter.group, "shape": m.case.shape,
        "dtype": m.case.dtype, "threads": m.case.threads, "refusals": m.refusals,
        "contenders": {name: {"best": t.best, "median": t.median, "error": t.error}
                       for name, t in m.timings.items()},
    } for m in measured]  # fmt: skip


def to_rst(path, measured, environment, results):
    """Write a table of all filters, and that of the targets, in reStructuredText."""
    filters, lines = {}, []
    for m in measured:
        volumes = ", volumes" if m.case.filter.rank == 3 else ""
        filters.setdefault(m.case.filter.name + volumes, []).append(m)
    titles = "filter", "vs SciPy", "least, most", "on 32x32", "two threads", "vs OpenCV"
    rows = [[name, *_cells(ms)] for name, ms in filters.items()]
    if rows:
        lines += report.csv_table("Filters", titles, rows)
    if results:
        lines += report.targets_table(results)
    report.write_rst(path, lines, environment)


def _cells(measured):
    """Means of a filter over its images and dtypes; small images stand by themselves."""
    large = [m for m in measured if m.case.shape != SMALL]
    found = [[r for m in chosen if (r := figure(m))] for chosen, figure in (
        (large, against("scipy")),
        ([m for m in measured if m.case.shape == SMALL], against("scipy")),
        (large, against("fastconv", "2 threads")),
        (large, against("opencv")),
    )]  # fmt: skip
    scipy, *others = (f"{report.geometric_mean(ratios):.2f}x" if ratios else "-"
                      for ratios in found)  # fmt: skip
    ends = f"{min(found[0]):.1f} to {max(found[0]):.1f}" if found[0] else "-"
    return [scipy, ends, *others]


def contenders(peers=None, ours=OURS, rivals=PEERS, what="filters"):
    """Ours, and the peers that are installed or those of them that are named.

    Raises
    ------
    ValueError
        If one is not known, or not installed.
    """
    there = [kind for kind in rivals if kind.installed() and (peers is None or kind.name in peers)]
    if unknown := set(peers or ()) - {kind.name for kind in there}:
        raise ValueError(f"no peer is called {unknown.pop()!r} and installed; {what} have "
                         f"{', '.join(kind.name for kind in rivals)}")  # fmt: skip
    return [kind() for kind in (*ours, *there)]


def run(cases, contenders, seconds=0.1, rounds=3, judge=judge):
    """Measure every case, print the tables; return measurements and the results of targets.

    Parameters
    ----------
    cases, contenders : sequence
        As `combine` and `contenders` give them.
    seconds, rounds
        As `measure.measure` has them.
    judge : callable
        Makes the results of targets of all measurements.
    """
    columns, width = [c.name for c in contenders], max(len(case.name) for case in cases)
    peers = [c.name for c in contenders if not c.ours]
    print(f"\n{'':<{width}}" + "".join(f"{name:>12}" for name in columns)
          + "".join(f"{'vs ' + name:>12}" for name in peers))  # fmt: skip
    done, groups = [], {}
    try:
        for case in cases:
            found = measure.measure(case, contenders, seconds, rounds)
            print(_line(found, columns, peers, width), flush=True)
            done.append(found)
            groups.setdefault(case.filter.group, []).append(found)
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(done)} of {len(cases)} cases", file=sys.stderr)
    print()
    for group, members in groups.items():
        print(*_summary(group, members, peers), sep="\n")
    if notes := report.remarks([m for m in done if any("WRONG" in r for r in m.refusals.values())]):
        print("\nnot measured\n  " + "\n  ".join(n for n in notes if "WRONG" in n))
    results = judge(done)
    if results:
        print(f"\n{table(results)}")
    return done, results
