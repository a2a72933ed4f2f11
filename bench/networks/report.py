"""What was measured, as tables of text and of the documentation, as JSON and as a picture.

Everything is made from the records of `compare.figures`, so that figures can be read back from
files and put together.
"""

import json
from itertools import groupby

from fastconv._bench.report import duration, geometric_mean

_NAMES = {
    "lenet5": "LeNet-5",
    "alexnet": "AlexNet",
    "vgg16": "VGG-16",
    "googlenet": "GoogLeNet",
    "resnet50": "ResNet-50",
    "mobilenet_v1": "MobileNet v1",
    "mobilenet_v2": "MobileNet v2",
}
_FREE = ("concat", "flatten")


def fastest(record, ours):
    """Return ``(name, seconds)`` of the fastest of our ways or of the peers; None without any."""
    times = {n: t for n, t in record["best"].items() if (n in record["ours"]) == ours}
    return min(times.items(), key=lambda item: item[1]) if times else None


def gflops(record):
    """The rate of our fastest way, in operations of the direct sums."""
    return 2e-9 * record["multiply_adds"] * record["batch"] / fastest(record, True)[1]


def _ratio(record, names=None):
    """How many times faster our fastest way is than the fastest of the peers in `names`."""
    times = [t for n, t in record["best"].items()
             if n not in record["ours"] and (names is None or n in names)]  # fmt: skip
    return min(times) / fastest(record, True)[1] if times else None


def _times(ratio):
    return f"{ratio:.2f}x" if ratio else "-"


def cost_table(records):
    """Header and rows: what each network costs, for one image."""
    header = ["network", "parameters", "of these in dense layers", "multiply-adds",
              "activations, all", "activations, at once"]  # fmt: skip
    rows = []
    for record in {record["network"]: record for record in records}.values():
        dense = record["dense_parameters"]
        rows.append([
            _NAMES[record["network"]],
            _count(record["parameters"]),
            f"{_count(dense)} ({dense / record['parameters']:.0%})",
            _count(record["multiply_adds"]),
            _bytes(record["activation_bytes"]),
            _bytes(record["peak_activation_bytes"]),
        ])  # fmt: skip
    return header, rows


def time_table(records):
    """Header and rows: everyone's best times, and how we stand."""
    names = list(dict.fromkeys(name for record in records for name in record["best"]))
    header = ["network", *names, "GFLOP/s", "of the peak", "vs torch", "vs fastest"]
    rows = []
    for record in records:
        best, rate, peer = record["best"], gflops(record), fastest(record, False)
        rows.append([
            _NAMES[record["network"]],
            *(duration(best[name]) if name in best else "-" for name in names),
            f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}",
            f"{rate / record['peak_gflops']:.0%}",
            _times(_ratio(record, ("torch", "torch-cl"))),
            f"{_times(_ratio(record))} {peer[0]}" if peer else "-",
        ])  # fmt: skip
    return header, rows


def settings(record):
    """Batch and threads in words."""
    images = f"{record['batch']} image" + ("s" if record["batch"] > 1 else "")
    return f"{images}, {record['threads']} thread" + ("s" if record["threads"] > 1 else "")


def ordered(records):
    """The records by batch, by threads, and as the networks came up."""
    networks = list(_NAMES)
    return sorted(records, key=lambda record: (record["batch"], record["threads"],
                                               networks.index(record["network"])))  # fmt: skip


def line(record):
    """One record in one line."""
    best = [found for ours in (True, False) if (found := fastest(record, ours))]
    times = ", ".join(f"{name} {duration(seconds)}" for name, seconds in best)
    return f"{record['network']}, {settings(record)}: {times}"


def groups(records):
    """Ordered records by batch and threads: pairs of the words for both, and a list."""
    for words, members in groupby(records, settings):
        yield words, list(members)


def summary(records):
    """Geometric means over the networks, errors, and the peak, in a few lines of text."""
    lines = []
    for title, names in (("torch", ("torch", "torch-cl")), ("the fastest peer", None)):
        ratios = [r for record in records if (r := _ratio(record, names))]
        if ratios:
            lines.append(f"against {title}: geometric mean {geometric_mean(ratios):.2f}x")
    errors = [e for record in records for e in record["error"].values()]
    lines.append(f"largest difference between any two results: {max(errors):.0e} of the maximum")
    peaks = [record["peak_gflops"] for record in records]
    lines.append(f"multiply-add peak {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s, as measured "
                 f"in between; {records[0]['isa']}")  # fmt: skip
    return lines


def layer_table(record):
    """Header and rows: every layer of one network, its costs and everyone's times."""
    names = list(record["layer_seconds"])
    header = ["layer", "operation", "shape", "parameters", "multiply-adds", "activations",
              *names, "GFLOP/s"]  # fmt: skip
    mine = next((name for name in names if name in record["ours"]), None)
    rows = []
    for layer in record["layers"]:
        times = [record["layer_seconds"][name].get(layer["name"]) for name in names]
        own = record["layer_seconds"][mine][layer["name"]]
        operations = 2e-9 * layer["multiply_adds"] * record["batch"]
        rows.append([
            layer["name"], layer["operation"], "x".join(map(str, layer["shape"])),
            _count(layer["parameters"]), _count(layer["multiply_adds"]),
            _bytes(layer["activation_bytes"]),
            *(duration(t) if t else "-" for t in times),
            f"{operations / own:.0f}" if operations else "-",
        ])  # fmt: skip
    return header, rows


def kind_table(record):
    """Header and rows: the layers' times added up by what they do, the longest first."""
    names = list(record["layer_seconds"])
    kind_of = {layer["name"]: layer["operation"] for layer in record["layers"]}
    sums = {}
    for name in names:
        for layer, seconds in record["layer_seconds"][name].items():
            kind = sums.setdefault(kind_of.get(layer, layer), dict.fromkeys(names, 0.0))
            kind[name] += seconds
    longest_first = dict(sorted(sums.items(), key=lambda item: -item[1][names[0]]))
    longest_first["all"] = {name: sum(times[name] for times in sums.values()) for name in names}
    return ["operation", *names], [
        [kind, *(duration(times[name]) if times[name] else "-" for name in names)]
        for kind, times in longest_first.items()
    ]


def _count(number):
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number) if number else "-"


def _bytes(number):
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number} B" if number else "-"


def text(table):
    """A table as lines of text; numbers to the right."""
    header, rows = table
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in (header, *rows)
    ]  # fmt: skip
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def rst(records, environment):
    """The tables of the documentation, in reStructuredText."""

    def table(title, content):
        header, rows = content
        cells = ["   " + ", ".join(f'"{cell}"' for cell in row) for row in rows]
        titles = ", ".join(f'"{cell}"' for cell in header)
        return [f".. csv-table:: {title}", f"   :header: {titles}", "", *cells, ""]

    lines = [".. Made by `python -m networks --rst` in bench/; see networks.rst.", ""]
    lines += table("Costs, for one image", cost_table(records))
    for words, members in groups(records):
        lines += table(f"Best times, {words}", time_table(members))
        lines += [*(f"- {line}" for line in summary(members)), ""]
    versions = (f"{name} {version}" for name, version in environment["versions"].items())
    return "\n".join([*lines, f"Measured with {', '.join(versions)}."]) + "\n"


def to_json(path, records, environment):
    """Write everything that was measured."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"environment": environment, "results": records}, file, indent=1)
        file.write("\n")


def from_json(paths):
    """The environment of the first of several files, and the records of all."""
    files = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            files.append(json.load(file))
    return files[0]["environment"], [record for file in files for record in file["results"]]


def plot(path, records):
    """Draw where each network keeps its numbers and spends its time, layer by layer."""
    import matplotlib
    from matplotlib.figure import Figure

    ink, grey, rule = "#1b2733", "#66727f", "#d5dbe1"
    colours = {"depthwise": "#7cc7c0", "conv": "#0b7a75", "dense": "#2f6690", "pool": "#e4572e"}
    style = {
        "text.color": ink, "axes.edgecolor": rule, "xtick.color": grey, "ytick.color": grey,
        "font.size": 8, "axes.titlesize": 9, "axes.titlelocation": "left",
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    }  # fmt: skip
    # Of several batches and numbers of threads, the first.
    records = list({record["network"]: record for record in reversed(records)}.values())
    records.reverse()
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(11, 0.6 + 1.35 * len(records)), layout="constrained")
        axes = figure.subplots(len(records), 4, squeeze=False)
        for record, row in zip(records, axes, strict=True):
            times = record["layer_seconds"].get("plan", {})
            for axis, (what, values, total) in zip(row, (
                ("activations", "activation_bytes", _bytes(record["activation_bytes"])),
                ("parameters", "parameters", _count(record["parameters"])),
                ("multiply-adds", "multiply_adds", _count(record["multiply_adds"])),
                ("time", None, duration(sum(times.values())) if times else "-"),
            ), strict=True):  # fmt: skip
                layers = [la for la in record["layers"] if la["operation"] not in _FREE]
                heights = [la[values] if values else times.get(la["name"], 0) for la in layers]
                kinds = [next(k for k in colours if k in la["operation"]) for la in layers]
                axis.bar(range(len(layers)), heights, width=1 if len(layers) > 40 else 0.85,
                         color=[colours[kind] for kind in kinds])  # fmt: skip
                axis.set(xticks=[], yticks=[], xlim=(-0.7, len(layers) - 0.3))
                name = f"{_NAMES[record['network']]}: " if axis is row[0] else ""
                axis.set_title(f"{name}{what} {total}")
        handles = [matplotlib.patches.Patch(color=colour, label=kind)
                   for kind, colour in colours.items()]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, dpi=110)
