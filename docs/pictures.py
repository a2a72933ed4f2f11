"""Pictures of the pages on concepts, drawn from what fastconv computes."""

import matplotlib.pyplot as plt
import numpy as np

COLOURS = ("#e4572e", "#0b7a75", "#2b5c9e", "#b8860b", "#7a3b8f", "#666666", "#c2185b", "#3a7d2c",
           "#000000")
INK, PALE = "#1b2733", "#b9c2ca"


def connections(axis, function, length, title="", padding=0, labels=True):
    """Draw which inputs of `function` each output depends on, and by which weight.

    `function` is linear and takes an array ``(length,)``; its weights are numbers from 1 to 9, of
    which each has a colour. So many inputs on each side are padding, drawn dashed.
    """
    effects = np.stack([np.ravel(function(row)) for row in np.eye(length)])
    count = effects.shape[1]
    used = [np.flatnonzero(effects[:, j]) for j in range(count)]
    full = [j for j in range(count) if len(used[j]) == max(map(len, used))]
    slope, start = np.polyfit(full, [used[j].mean() for j in full], 1) if len(full) > 1 else (0, 0)
    if slope < 0.1:  # one window, or all of them alike: as far apart as the inputs
        slope, start = 1.0, used[full[0]].mean() - np.mean(full)
    for i, j in np.argwhere(effects):
        colour = COLOURS[round(effects[i, j]) - 1]
        axis.plot([i, start + slope * j], [0, 1], color=colour, lw=1.6, zorder=1)
    kept = ~np.isin(np.arange(length), np.r_[:padding, length - padding : length])
    for where, y, solid in (
        (np.arange(length), 0, kept), (start + slope * np.arange(count), 1, np.full(count, True)),
    ):
        axis.scatter(where[solid], np.full(solid.sum(), y), s=110, color=INK, zorder=2)
        axis.scatter(where[~solid], np.full((~solid).sum(), y), s=110, facecolor="white",
                     edgecolor=PALE, linestyle="--", zorder=2)
    if labels:
        axis.text(-1, 0, "in", ha="right", va="center", color=INK)
        axis.text(-1, 1, "out", ha="right", va="center", color=INK)
    axis.set(xlim=(-2.2 if labels else -0.7, length - 0.3), ylim=(-0.25, 1.25))
    axis.set_title(title)
    axis.axis("off")


def rows(functions, length, **options):
    """One picture of connections for each function, below each other."""
    fig, axes = plt.subplots(len(functions), 1, figsize=(7, 1.25 * len(functions)), squeeze=False)
    for axis, (title, function) in zip(axes[:, 0], functions.items(), strict=True):
        connections(axis, function, length, title, **options)
    return fig


def numbers(axis, array, title="", mark=None):
    """A small matrix as a table of numbers; `mark` is a mask of cells to colour."""
    array = np.atleast_2d(array)
    axis.imshow(np.zeros(array.shape) if mark is None else np.atleast_2d(mark), cmap="Oranges",
                vmin=0, vmax=3)
    for i, j in np.ndindex(*array.shape):
        axis.text(j, i, f"{array[i, j]:g}", ha="center", va="center", color=INK)
    axis.set_xticks(np.arange(array.shape[1] + 1) - 0.5, [])
    axis.set_yticks(np.arange(array.shape[0] + 1) - 0.5, [])
    axis.grid(color=PALE)
    axis.tick_params(length=0)
    axis.set_title(title)
