"""How fast, by the tables of the performance page: beside the fastest peer, and beside SciPy."""

import csv
import re

import matplotlib.pyplot as plt
from from_sources import DOCS

# ---- layers: the first table, of one image on one thread
table = (DOCS / "performance_table.rst.inc").read_text("utf-8").split(".. csv-table::")[1]
rows = list(csv.reader(re.findall(r'^   (".*)$', table, flags=re.MULTILINE), skipinitialspace=True))
layers = {row[0]: float(row[4].split("x")[0]) for row in rows}
KINDS = {  # the first that a layer's name begins with
    "image of one channel": r"image",
    "pooling": r".*pool",
    "grouped, depthwise": r"resnext|.*\.dw|depthwise",
    "dilated": r"dilated",
    "1x1": r".*1x1|.*\.pw",
    "5x5 to 11x11": r"alexnet|resnet50\.conv1$|.*5x5",
    "3x3": r"(?!tiny)",
}
ratios = {kind: [] for kind in KINDS}
for name, ratio in layers.items():
    for kind, pattern in KINDS.items():
        if re.match(pattern, name):
            ratios[kind].append(ratio)
            break

# ---- filters: the mean of each row of the list-table
text = (DOCS / "performance.rst").read_text("utf-8")
text = text[text.index("\nSciPy's filters\n"):]
filters = {}
for name, mean in re.findall(r"^   \* - (.*)\n     - ([\d., ]+)\n", text, flags=re.MULTILINE):
    filters[name] = [float(value) for value in mean.split(",")]

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
for y, found in enumerate(ratios.values()):
    left.plot(found, [y] * len(found), "o", color="#0b7a75", alpha=0.75, ms=6)
left.set(yticks=range(len(KINDS)), yticklabels=KINDS, xlim=(0, None), ylim=(-0.5, len(KINDS) - 0.5),
         xlabel="times as fast", title="Layers: beside the fastest of PyTorch, ONNX Runtime,\n"
         "OpenVINO, ncnn and OpenCV")
for y, means in enumerate(filters.values()):
    right.plot(means, [y] * len(means), "o", color="#e4572e", alpha=0.75, ms=6)
right.set(yticks=range(len(filters)), yticklabels=filters, xlim=(0, None),
          ylim=(len(filters) - 0.5, -0.5), xlabel="times as fast",
          title="Filters: beside SciPy,\nwith the same bits")
for axis in (left, right):
    axis.axvline(1, color="0.4", lw=1)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
