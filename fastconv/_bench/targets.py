"""The performance targets: what each is measured on, and whether it is reached.

Every row names its cases, its peers and a figure to take from each measurement; the cases of all
chosen rows are measured once, and each row looks at its own. Memory is no row: that scratch is
bounded is a test, `tests/test_family_memory.py`.
"""

import fnmatch
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from fastconv._bench import cases, report

FIELD = ("torch", "torch-cl", "ort", "openvino", "ncnn", "opencv")
TORCH = ("torch", "torch-cl")
BOTH = ("backward_data", "backward_weight")


# ----------------------------------------------- figures, from a measurement, or None without one


def times_faster(*peers):
    """How many times as fast as the fastest of `peers`."""

    def figure(m):
        mine, peer = report.ours(m), report.fastest(m, peers)
        return peer[1] / mine if mine and peer else None

    return figure


def of_peak(m):
    """Part of the multiply-add peak."""
    return report.gflops(m, report.ours(m)) / m.roof.gflops if report.ours(m) else None


def of_copy(m):
    """Part of the bandwidth of a plain copy."""
    return m.case.bytes / m.timings["out"].best * 1e-9 / m.roof.copy


def seconds(name):
    """The time of one call."""
    return lambda m: m.timings[name].best if name in m.timings else None


def two_threads(m):
    """How many times as fast as on one thread."""
    pair = [m.timings.get(name) for name in ("plan", "plan-2t")]
    return pair[0].best / pair[1].best if all(pair) else None


# ------------------------------------------------------------------ figures that need no cases


def _installed():
    """The distribution; an editable one builds when it is imported, and is no wheel."""
    distribution = metadata.distribution("fastconv")
    if '"editable": true' in (distribution.read_text("direct_url.json") or ""):
        raise ValueError("this is an editable installation")
    return distribution


def import_seconds(processes=15):
    """Seconds that ``import fastconv`` takes after ``import numpy``, the best of new processes."""
    _installed()
    code = (
        "import numpy, time; start = time.perf_counter(); import fastconv; "
        "print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as elsewhere:
        return min(
            float(subprocess.run([sys.executable, "-c", code], cwd=elsewhere, check=True,
                                 capture_output=True, text=True).stdout)
            for _ in range(processes)
        )  # fmt: skip


def wheel_megabytes():
    """Size of the installed files, each compressed as in a wheel."""
    files = [f.locate() for f in _installed().files if f.suffix != ".pyc"]
    return sum(len(zlib.compress(f.read_bytes())) for f in files if f.is_file()) * 1e-6


# ----------------------------------------------------------------------------------- the rows


@dataclass(frozen=True)
class Row:
    """One target.

    Attributes
    ----------
    name, text : str
        What options and what readers call it.
    goal : float
        What the geometric mean over the cases is to reach.
    figure : callable
        Takes a measurement, or nothing where there are no layers.
    layers, passes, dtypes, batches, threads : tuple
        The cases; a batch size that is of no interest for a layer is passed over.
    peers, ours : tuple of str
        Who takes part.
    floor : float, optional
        What each case is to reach; `goal` by default.
    unit : str
        How figures are written; for ``us``, ``ms`` and ``MB`` less is better.
    precision : str, optional
        Of fastconv.
    condition : callable
        Which of the layers count.
    """

    name: str
    text: str
    goal: float
    figure: Callable
    layers: tuple = ()
    passes: tuple = ("forward",)
    dtypes: tuple = ("float32",)
    batches: tuple = (1,)
    threads: tuple = (1, 2)
    peers: tuple = ()
    ours: tuple = ("plan", "fastconv")
    floor: float | None = None
    unit: str = "x"
    precision: str | None = None
    condition: Callable = lambda layer: True

    def key(self, case):
        """What a measurement is known by: the rows of equal keys share it."""
        return self.precision, self.ours, case

    def reached(self, value, limit):
        """Whether a figure is at least, or at most, its limit."""
        return value <= limit if self.unit in _SMALL else value >= limit

    def write(self, value):
        """A figure with its unit."""
        scale, digits = {"x": (1, 2), "%": (100, 0), "us": (1e6, 2), "ms": (1e3, 1), "MB": (1, 2)}[
            self.unit
        ]
        return f"{value * scale:.{digits}f}{self.unit}"

    def limits(self):
        """The goal, and the floor if there is one, in words."""
        text = ("<= " if self.unit in _SMALL else ">= ") + self.write(self.goal)
        return text if self.floor is None else f"{text}, each {self.write(self.floor)}"


_SMALL = ("us", "ms", "MB")
_LAYERS: dict[str, Any] = {"layers": ("performance",), "batches": (1, 8), "peers": FIELD}
_POOLS: dict[str, Any] = {
    "layers": ("pools", "vgg16.pool1", "alexnet.pool1", "googlenet.inception_3a.pool",
               "resnet50.pool5"),
    "batches": (1, 8),
}  # fmt: skip


def _depthwise(layer):
    return layer.groups == layer.channels


def _grouped(layer):
    return 1 < layer.groups < layer.channels


def _winograd(layer):
    ones = {*layer.stride, *layer.dilation, layer.groups}
    return layer.kernel == (3, 3) and ones == {1}


ROWS = (
    Row("float32", "float32 layers, planned, against the fastest peer", 1.5,
        times_faster(*FIELD), floor=1.0, **_LAYERS),
    Row("unplanned", "float32 layers, not planned, against torch", 1.5, report.unplanned_ratio,
        floor=1.0, **_LAYERS),
    Row("winograd", "3x3 of stride 1, against ncnn", 1.3, times_faster("ncnn"), condition=_winograd,
        **_LAYERS),
    Row("depthwise", "depthwise layers, against the fastest peer", 1.5, times_faster(*FIELD),
        ("performance", "mobilenet_v1.*.dw", "depthwise"), peers=FIELD, condition=_depthwise),
    Row("grouped", "grouped layers, against the fastest peer", 3.0, times_faster(*FIELD),
        ("performance", "resnext50.*.3x3"), peers=FIELD, condition=_grouped),
    Row("ranks", "float32 signals and volumes, against the fastest peer", 1.5, times_faster(*FIELD),
        ("signal", "volume"), peers=FIELD, floor=1.0),
    Row("peak", 'float32 at "highest", of the multiply-add peak', 0.85, of_peak, ("direct",),
        unit="%", precision="highest"),
    Row("float64", "float64 in 1, 2 and 3 dimensions, against torch", 3.0, times_faster(*TORCH),
        ("performance", "signal", "volume"), dtypes=("float64",), peers=TORCH, floor=1.2),
    Row("float64-peak", "float64, of the multiply-add peak", 0.80, of_peak, ("direct",),
        dtypes=("float64",), unit="%"),
    Row("pools", "poolings, against torch contiguous", 4.0, times_faster("torch"), peers=("torch",),
        **_POOLS),
    Row("pools-cl", "poolings, against torch channels-last", 1.0, times_faster("torch-cl"),
        peers=("torch-cl",), **_POOLS),
    Row("pools-copy", "poolings with out, of a plain copy's bandwidth", 0.70, of_copy,
        ours=("out",), unit="%", **_POOLS | {"threads": (1,)}),
    Row("images", "images and signals of one channel, against cv2.filter2D", 1.0,
        times_faster("opencv"), ("image.*", "signal.1M.*"), peers=("opencv",)),
    Row("images-scipy", "images of one channel, against scipy.signal", 50.0,
        times_faster("scipy-signal"), ("image.*",), threads=(1,), peers=("scipy-signal",)),
    Row("gradients", "gradients, against torch", 1.5, times_faster(*TORCH), ("performance",), BOTH,
        peers=TORCH),
    Row("tiny", "conv2d on 8x8", 3e-6, seconds("fastconv"), ("tiny.conv_8x8",), threads=(1,),
        unit="us"),
    Row("tiny-plan", "a plan on 8x8", 1.5e-6, seconds("plan"), ("tiny.conv_8x8",), threads=(1,),
        unit="us"),
    Row("threads", "two threads against one, from 50 MFLOP on", 1.8, two_threads, ("performance",),
        threads=(1,), ours=("plan", "plan-2t"), condition=lambda layer: layer.flops() > 50e6),
    Row("import", "import, beyond NumPy's", 60e-3, import_seconds, unit="ms"),
    Row("wheel", "size of the wheel", 5.0, wheel_megabytes, unit="MB"),
)  # fmt: skip


def choose(patterns):
    """The rows that names or globs name, in order; all of them for ``all``.

    Raises
    ------
    ValueError
        If a pattern names nothing.
    """
    for pattern in patterns:
        if pattern != "all" and not fnmatch.filter([row.name for row in ROWS], pattern):
            raise ValueError(
                f"no target is called {pattern!r}; there are {', '.join(row.name for row in ROWS)}"
            )
    return [row for row in ROWS if any(p == "all" or fnmatch.fnmatch(row.name, p)
                                       for p in patterns)]  # fmt: skip


def cases_of(row, layers=None, passes=None, dtypes=None, batches=None, threads=None):
    """The cases of a row, as far as they are among what is given."""

    def common(mine, given):
        return [value for value in mine if given is None or value in given]

    def sizes(layer):
        """The row's batch sizes that are worth measuring on the layer, or the layer's own."""
        return [n for n in row.batches if n in layer.batches] or layer.batches[:1]

    chosen = [layer for layer in common(cases.select(row.layers), layers) if row.condition(layer)]
    return [
        case
        for case in cases.combine(
            chosen,
            common(row.passes, passes),
            common(row.dtypes, dtypes),
            common(sorted({n for layer in chosen for n in sizes(layer)}), batches),
            common(row.threads, threads),
        )
        if case.batch in sizes(case.layer)
    ]


class Result:
    """A row, and the figures of those of its cases that were measured, by the case's name."""

    def __init__(self, row, wanted, figures, reason=""):
        self.row, self.wanted, self.figures, self.reason = row, wanted, figures, reason

    @property
    def mean(self):
        """The geometric mean of the figures."""
        return report.geometric_mean(self.figures.values())

    @property
    def worst(self):
        """``(case, figure)`` of the worst."""
        sign = -1 if self.row.unit in _SMALL else 1
        return min(self.figures.items(), key=lambda item: sign * item[1])

    @property
    def below(self):
        """The number of cases that miss the floor, or the goal where there is none."""
        limit = self.row.goal if self.row.floor is None else self.row.floor
        return sum(not self.row.reached(value, limit) for value in self.figures.values())

    def cells(self):
        """Text, target, mean, number of cases below, and the worst case."""
        row, count = self.row, len(self.figures)
        if not count:
            return row.text, row.limits(), "-", "-", self.reason or "not measured"
        mark = "" if row.reached(self.mean, row.goal) else " !"
        if not row.layers:
            return row.text, row.limits(), row.write(self.mean) + mark, "-", ""
        part = f"{self.below} of {count}" + (f" (of {self.wanted})" if count < self.wanted else "")
        worst = f"{row.write(self.worst[1])} {self.worst[0]}"
        return row.text, row.limits(), row.write(self.mean) + mark, part, worst

    def record(self):
        """What JSON has of it."""
        result = {"name": self.row.name, "text": self.row.text, "unit": self.row.unit,
                  "goal": self.row.goal, "floor": self.row.floor, "cases": self.wanted,
                  "figures": self.figures, "reason": self.reason}  # fmt: skip
        if self.figures:
            result |= {"mean": self.mean, "worst": self.worst[0], "below": self.below,
                       "reached": self.row.reached(self.mean, self.row.goal)}  # fmt: skip
        return result


def result(row, wanted, measured):
    """Look at the measurements of a row's cases, given by `Row.key`."""
    figures = {}
    for case in wanted:
        key = row.key(case)
        value = row.figure(measured[key]) if key in measured else None
        if value is not None:
            figures[case.name] = value
    return Result(row, len(wanted), figures)


def probe(row):
    """Measure a row that has no cases."""
    try:
        return Result(row, 1, {row.name: row.figure()})
    except (ValueError, OSError, metadata.PackageNotFoundError) as reason:
        return Result(row, 1, {}, f"not measured: {reason}")


def table(results):
    """The rows as lines of text."""
    cells = [report.TITLES, *(r.cells() for r in results)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
