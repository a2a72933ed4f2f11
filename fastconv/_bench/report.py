"""What was measured, as a table, as JSON and as a picture."""

import json
import math
import os
import platform
import time
from dataclasses import asdict
from itertools import groupby

import numpy as np

import fastconv
from fastconv._bench.peers import METHODS
from fastconv._select import ALGORITHMS, PATIENCE

# Columns of the table of targets.
TITLES = "what", "target", "measured", "missed by", "worst case"

_OURS = ("plan", "fastconv", "out", "plan-2t")
_CLIFF = 1.3  # times as long as one of our own methods would take


def ours(measurement):
    """Return the seconds of fastconv, planned where there is a plan; None where it refused."""
    for name in _OURS:
        if name in measurement.timings:
            return measurement.timings[name].best
    return None


def fastest(measurement, names=None):
    """Return ``(name, seconds)`` of the fastest peer, or None where there is none."""
    times = {
        name: timing.best
        for name, timing in measurement.timings.items()
        if name not in (*_OURS, *METHODS) and (names is None or name in names)
    }
    return min(times.items(), key=lambda item: item[1]) if times else None


def ratio(measurement):
    """How many times faster fastconv is than the fastest peer, or None."""
    mine, peer = ours(measurement), fastest(measurement)
    return peer[1] / mine if mine and peer else None


def choice(measurement):
    """``(name, ratio)``: the fastest of our methods, and the time of the choice over its own."""
    # a default that promises "highest" is patient with transforms
    patience = 1.0 if measurement.case.dtype == "float32" else PATIENCE
    times = {a.name: measurement.timings[a.name].best * (1.0 if a.tier == "highest" else patience)
             for a in ALGORITHMS if a.name in measurement.timings}  # fmt: skip
    if not times or "fastconv" not in measurement.timings:
        return None
    name = min(times, key=times.get)
    return name, measurement.timings["fastconv"].best / times[name]


def unplanned_ratio(measurement):
    """How many times faster a plain call is than torch, which packs at every call as well."""
    peer = fastest(measurement, ("torch", "torch-cl"))
    mine = measurement.timings.get("fastconv")
    return peer[1] / mine.best if mine and peer else None


def gflops(measurement, seconds):
    """Effective rate: operations of the direct computation over time."""
    return measurement.case.flops / seconds * 1e-9


def geometric_mean(values):
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def duration(seconds):
    """Three significant digits and a unit."""
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            value = seconds * scale
            return f"{value:.{max(0, 2 - math.floor(math.log10(max(value, 1e-2))))}f}{unit}"
    return f"{seconds:.3g}s"


class Table:
    """Rows of text for one group of cases; printed one by one, as they are measured."""

    def __init__(self, contenders, layers):
        self.methods = [c.name for c in contenders if c.name in METHODS]
        self.names = [c.name for c in contenders if c.name not in METHODS]
        self.peers = [c.name for c in contenders if not c.ours]
        self.width = max(len(layer.name) for layer in layers)
        self.cell = max(10, *(len(name) + 2 for name in self.names))

    def header(self):
        """The title line and a rule."""
        cells = "".join(f"{name:>{self.cell}}" for name in self.names)
        line = f"{'layer':<{self.width}}{cells}{'GFLOP/s':>9}"
        if self.peers:
            line += f"{'vs fastest':>18}{'vs torch':>10}"
        if self.methods:
            line += f"{'vs own best':>18}"
        line += f"{'roofline':>16}"
        return f"{line}\n{'-' * len(line)}"

    def row(self, m):
        """One measured case."""
        cells = ""
        for name in self.names:
            if name in m.timings:
                cells += f"{duration(m.timings[name].best):>{self.cell}}"
            else:
                wrong = m.refusals.get(name, "").startswith("WRONG")
                cells += f"{'WRONG' if wrong else '-':>{self.cell}}"
        line, seconds = f"{m.case.layer.name:<{self.width}}{cells}", ours(m)
        if seconds is None:
            return f"{line}  refused: {next(m.refusals[n] for n in self.names if n in _OURS)}"
        rate = gflops(m, seconds)
        line += f"{rate:>9.1f}"
        if self.peers:
            peer, other = fastest(m), unplanned_ratio(m)
            line += f"{f'{ratio(m):.2f}x {peer[0]}' if peer else '-':>18}"
            line += f"{f'{other:.2f}x' if other else '-':>10}"
        if self.methods:
            own = choice(m)
            line += f"{f'{1 / own[1]:.2f}x {own[0]}' if own else '-':>18}"
        limit, bound = m.roof.attainable(m.case)
        return line + f"{f'{rate / limit:.0%} {bound}':>16}"


def summary(measurements):
    """Geometric means and worst cases of one group, and the limits that were measured."""
    lines = []
    for title, function in (
        ("the fastest peer", ratio),
        ("torch, both unplanned", unplanned_ratio),
    ):
        ratios = {m.case.layer.name: r for m in measurements if (r := function(m))}
        if ratios:
            worst = min(ratios, key=ratios.get)
            below = sum(r < 1 for r in ratios.values())
            lines.append(
                f"against {title}: geometric mean {geometric_mean(ratios.values()):.2f}x, "
                f"worst {ratios[worst]:.2f}x ({worst}), {below} of {len(ratios)} below 1x"
            )
    own = {m.case.layer.name: c for m in measurements if (c := choice(m))}
    if own:
        cliffs = sum(r > _CLIFF for _, r in own.values())
        worst = max(own, key=lambda name: own[name][1])
        lines.append(
            f"the automatic choice: {cliffs} of {len(own)} take more than {_CLIFF} times as long "
            f"as a method of ours, at worst {own[worst][1]:.1f} times ({own[worst][0]}, {worst})"
        )
    roofs = [m.roof for m in measurements]
    peaks, bandwidths = [r.gflops for r in roofs], [r.gbs for r in roofs]
    lines.append(
        f"multiply-add peak {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s, "
        f"memory {min(bandwidths):.1f} to {max(bandwidths):.1f} GB/s, as measured in between"
    )
    return lines


def remarks(measurements):
    """Why cells are empty: each reason once, with the number of cases."""
    count = {}
    for m in measurements:
        for name, reason in m.refusals.items():
            # Estimates differ from layer to layer; their number is not the point.
            layer = f"{m.case.layer.name}: " if reason.startswith("WRONG") else ""
            reason = "would take seconds a call" if "would take" in reason else reason
            if name != "plan" and name not in METHODS:
                key = f"{name}: {layer}{reason}"
                count[key] = count.get(key, 0) + 1
    return [f"{key} ({n} cases)" if n > 1 else key for key, n in count.items()]


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def load_average():
    """How many processes wanted to run in the last minute, or None where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def environment(contenders, settings):
    """What a reader needs to judge the figures."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "processor": processor(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {c.package: c.version() for c in contenders},
        "load_average": load_average(),
        "runtime": fastconv.show_runtime(mode="dicts"),
        "settings": settings,
    }


def records(measurements):
    """Everything that was measured, as JSON has it."""
    results = []
    for m in measurements:
        limit, bound = m.roof.attainable(m.case)
        results.append({
            "layer": m.case.layer.name,
            "description": str(m.case.layer),
            "operation": m.case.operation,
            "dtype": m.case.dtype,
            "batch": m.case.batch,
            "threads": m.case.threads,
            "flops": m.case.flops,
            "bytes": m.case.bytes,
            "roof": asdict(m.roof) | {"attainable_gflops": limit, "bound": bound},
            "contenders": {
                name: {
                    "best": t.best,
                    "median": t.median,
                    "best_of_rounds": [min(samples) for samples in t.rounds],
                    "samples": sum(map(len, t.rounds)),
                    "error": t.error,
                }
                for name, t in m.timings.items()
            },
            "refusals": m.refusals,
            "group": m.case.group,
            "fastest_peer": (fastest(m) or [None])[0],
            "ratio_to_fastest_peer": ratio(m),
            "choice_to_own_best": choice(m),
            "unplanned_ratio_to_torch": unplanned_ratio(m),
        })  # fmt: skip
    return results


def to_json(path, records, environment, targets=()):
    """Write everything that was measured."""
    content = {"environment": environment}
    if targets:
        content["targets"] = [result.record() for result in targets]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content | {"results": records}, file, indent=1)
        file.write("\n")


def csv_table(title, header, rows):
    """The lines of a table."""

    def quoted(cell):
        return r'"\-"' if cell == "-" else '"{}"'.format(cell.replace('"', '""'))  # "-": a list

    header, *cells = ("   " + ", ".join(map(quoted, row)) for row in (header, *rows))
    return [f".. csv-table:: {title}", f"   :header: {header.strip()}", "", *cells, ""]


def to_rst(path, records, environment, targets=()):
    """Write the table of targets, or else a table for each group, in reStructuredText."""
    lines = targets_table(targets) if targets else []
    titles = "layer", "time", "GFLOP/s", "roofline", "vs fastest"
    for group, members in groupby([] if targets else records, lambda record: record["group"]):
        rows, ratios = [], []
        for r in members:
            best = next((r["contenders"][n]["best"] for n in _OURS if n in r["contenders"]), None)
            if best is None:
                continue
            rate, versus = r["flops"] / best * 1e-9, r["ratio_to_fastest_peer"]
            ratios += [versus] if versus else []
            rows.append([
                r["layer"], duration(best), f"{rate:.1f}",
                f"{rate / r['roof']['attainable_gflops']:.0%} {r['roof']['bound']}",
                f"{versus:.2f}x {r['fastest_peer']}" if versus else "-",
            ])  # fmt: skip
        lines += csv_table(group[0].upper() + group[1:], titles, rows)
        if ratios:
            lines += [f"Against the fastest peer of each: geometric mean "
                      f"{geometric_mean(ratios):.2f}x, {sum(v >= 1 for v in ratios)} of "
                      f"{len(ratios)} at least as fast.", ""]  # fmt: skip
    write_rst(path, lines, environment)


def targets_table(targets):
    """The lines of a table of targets."""
    return csv_table("Targets", TITLES, [result.cells() for result in targets])


def write_rst(path, lines, environment):
    """Write a document's tables, and what they were measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    isa = environment["runtime"]["isa"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([
            ".. Made by `fastconv bench --rst`.", "", *lines,
            f"Measured on {isa}, {environment['processor']}, with {versions}.", "",
        ]))  # fmt: skip


def plot(path, measurements):
    """Draw a row for each group: ratios layer by layer, and the roofline."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    ink, grey, rule = "#1b2733", "#66727f", "#d5dbe1"
    teal, orange, pale = "#0b7a75", "#e4572e", "#a9c1d4"
    # Labels stay readable where the line of the mean runs through them.
    plate = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    style = {
        "text.color": ink, "axes.labelcolor": grey, "axes.edgecolor": rule,
        "xtick.color": grey, "ytick.color": grey, "axes.axisbelow": True,
        "font.size": 8, "axes.titlesize": 9.5, "axes.titleweight": "bold",
        "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    groups = {}
    # Those without a peer are of interest where nobody has one.
    for m in [m for m in measurements if ratio(m)] or [m for m in measurements if ours(m)]:
        groups.setdefault(m.case.group, []).append(m)
    heights = [max(3.2, 0.2 * len(group) + 1.1) for group in groups.values()]
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(13, sum(heights)), layout="constrained")
        axes = figure.subplots(
            len(groups), 2, squeeze=False,
            gridspec_kw={"width_ratios": [1.25, 1], "height_ratios": heights},
        )  # fmt: skip
        for (name, group), (bars, roof) in zip(groups.items(), axes, strict=True):
            peers = [(m, ratio(m)) for m in group if ratio(m)]
            bars.set_title(f"Times as fast as the fastest peer\n{name}")
            for y, (m, r) in enumerate(peers):
                bars.barh(y, r - 1, left=1, height=0.72, color=teal if r >= 1 else orange)
                bars.annotate(f"{r:.2f} {fastest(m)[0]}", (r, y), (4 if r >= 1 else -4, 0),
                              textcoords="offset points", va="center", color=grey, size=7,
                              ha="left" if r >= 1 else "right", bbox=plate)  # fmt: skip
            bars.set_visible(bool(peers))
            if peers:
                mean = geometric_mean([r for _, r in peers])
                bars.axvline(mean, color=ink, linewidth=0.8, linestyle=(0, (4, 3)))
                bars.annotate(f"geometric mean {mean:.2f}", (mean, -0.7), (4, 0),
                              textcoords="offset points", size=7, va="center")  # fmt: skip
                lowest = min(0.5, *(r for _, r in peers))
                highest = max(2, *(r for _, r in peers))
                bars.set(xscale="log", xlim=(lowest / 2.2, highest * 2.2))
            bars.axvline(1, color=ink, linewidth=0.8)
            bars.set_yticks(range(len(peers)), [m.case.layer.name for m, _ in peers])
            bars.set_ylim(len(peers) - 0.4, -1.1)
            bars.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
            low, high = bars.get_xlim()
            bars.set_xticks([t for t in ticks if low <= t <= high])
            bars.xaxis.set_minor_locator(NullLocator())
            bars.tick_params(length=0)
            bars.grid(axis="x", color=rule, linewidth=0.6)

            intensity = np.array([m.case.flops / m.case.bytes for m in group])
            peak = max(m.roof.gflops for m in group)
            bandwidth = max(m.roof.gbs for m in group)
            span = np.geomspace(min(0.1, intensity.min() / 2), max(1e3, intensity.max() * 2), 400)
            roof.plot(span, np.minimum(peak, span * bandwidth), color=ink, linewidth=1.4)
            rates = np.array([gflops(m, ours(m)) for m in group])
            if peers:
                theirs = [gflops(m, fastest(m)[1]) for m in group]
                roof.vlines(intensity, theirs, rates, color=pale, linewidth=0.7, zorder=2)
                roof.scatter(intensity, theirs, s=22, color=pale, label="fastest peer", zorder=2)
            roof.scatter(intensity, rates, s=22, color=orange, label="fastconv", zorder=3)
            roof.set_title(f"Roofline: {peak:.0f} GFLOP/s, {bandwidth:.0f} GB/s\n{name}")
            roof.set(xscale="log", yscale="log", xlabel="operations per byte that must move",
                     ylabel="GFLOP/s (direct)")  # fmt: skip
            roof.grid(color=rule, linewidth=0.6)
            roof.tick_params(which="both", length=0)
            roof.legend(loc="lower right", edgecolor="none")
        figure.savefig(path, dpi=150)
