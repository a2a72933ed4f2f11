"""The picture of the demonstration."""

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

import fastconv

_INK, _GREY, _RULE = "#1b2733", "#66727f", "#d5dbe1"
_TEAL, _ORANGE, _BLUE = "#0b7a75", "#e4572e", "#2f6690"
# Signed quantities, kernels and tanh outputs alike: teal below zero, orange above.
_SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#053b39", _TEAL, "#8ccac4", "#fbfaf7", "#f5b49d", _ORANGE, "#7c2008"]
)
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _RULE,
    "axes.linewidth": 0.8,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
}


def _mosaic(maps, rows, gap=1):
    """Lay ``(n, h, w)`` maps out on a grid, NaN (transparent) between them."""
    n, h, w = maps.shape
    cols = -(-n // rows)
    grid = np.full((rows * (h + gap) - gap, cols * (w + gap) - gap), np.nan)
    for i, image in enumerate(maps):
        r, c = divmod(i, cols)
        grid[r * (h + gap) : r * (h + gap) + h, c * (w + gap) : c * (w + gap) + w] = image
    return grid


def _caption(axes, title, below=""):
    """A title above the axes and a remark below, both flush left."""
    axes.annotate(title, (0, 1), (0, 5), "axes fraction", "offset points", va="bottom",
                  weight="bold", size=9.5)  # fmt: skip
    axes.annotate(below, (0, 0), (0, -5), "axes fraction", "offset points", va="top",
                  color=_GREY, size=8, linespacing=1.35)  # fmt: skip


def _picture(axes, image, title, below="", **kwargs):
    axes.imshow(image, interpolation="nearest", **kwargs)
    axes.set_axis_off()
    _caption(axes, title, below)


def _milliseconds(seconds):
    ms = 1e3 * seconds
    return f"{ms:.2g} ms" if ms < 10 else f"{ms:,.0f} ms"


def _orientation(response):
    """Colour the response of a quadrature Gabor bank: hue is orientation, brightness energy."""
    even, odd = np.split(response[0], 2)
    energy = np.hypot(even, odd)
    # Doubling the angle makes opposite directions agree; the sum is a vector in colour space.
    angle = 2 * np.pi * np.arange(len(energy)) / len(energy)
    total = np.tensordot(np.exp(1j * angle), energy, axes=1)
    hue = np.angle(total) / (2 * np.pi) % 1
    strength = energy.max(0)
    value = np.clip(strength / np.percentile(strength, 99), 0, 1) ** 0.6
    saturation = np.clip(1.6 * abs(total) / (energy.sum(0) + 1e-9), 0, 0.85)
    return hsv_to_rgb(np.stack([hue, saturation, value], axis=-1))


def _photo_row(spec, photo, results):
    blur, sobel, sharpen, gabor = results
    magnitude = np.hypot(*sobel.result[0])
    images = {
        blur: np.moveaxis(blur.result[:, 0], 0, -1),
        sobel: 1 - np.clip(magnitude / np.percentile(magnitude, 99), 0, 1) ** 0.7,
        sharpen: np.moveaxis(sharpen.result[:, 0].clip(0, 1), 0, -1),
        gabor: _orientation(gabor.result),
    }
    grid = spec.subgridspec(1, 5, wspace=0.05)
    figure = spec.get_gridspec().figure
    _picture(figure.add_subplot(grid[0]), np.moveaxis(photo, 0, -1), "Photograph",
             f"{photo.shape[2]} × {photo.shape[1]} pixels")  # fmt: skip
    for cell, (result, image) in zip(list(grid)[1:], images.items(), strict=True):
        _picture(figure.add_subplot(cell), image, result.label,
                 f"{_milliseconds(result.seconds['fastconv'])}, "
                 f"SciPy {_milliseconds(result.fastest_scipy)}", cmap="gray")  # fmt: skip


def _network_row(spec, net, image):
    a = net.forward(image[None])
    figure = spec.get_gridspec().figure
    stages = [
        ("Input", "8×8, enlarged\nto 32×32", image, 1, "gray_r"),
        ("Kernels of C1", "6 of 5×5,\nas learned", net.params["c1"][:, 0], 3, _SIGNED),
        ("C1", "conv 5×5, tanh\n6 maps of 28×28", a["c1"][0], 3, _SIGNED),
        ("S2", "average 2×2\n6 maps of 14×14", a["s2"][0], 3, _SIGNED),
        ("C3", "conv 5×5, tanh\n16 maps of 10×10", a["c3"][0], 4, _SIGNED),
        ("S4", "average 2×2\n16 maps of 5×5", a["s4"][0], 4, _SIGNED),
        ("C5", "conv 5×5, tanh\n120 units", a["c5"][0, :, 0].reshape(1, 12, 10), 1, _SIGNED),
    ]
    mosaics = [_mosaic(maps, rows, max(1, maps.shape[-1] // 10)) for _, _, maps, rows, _ in stages]
    # Widths in proportion to the mosaics make all of them equally high.
    aspects = [mosaic.shape[1] / mosaic.shape[0] for mosaic in mosaics]
    grid = spec.subgridspec(1, len(stages) + 1, wspace=0.14, width_ratios=[*aspects, 0.95])
    for cell, (title, below, _, _, cmap), mosaic in zip(grid, stages, mosaics, strict=False):
        limit = np.nanmax(abs(mosaic))
        low = np.nanmin(mosaic) if cmap == "gray_r" else -limit
        _picture(figure.add_subplot(cell), mosaic, title, below, cmap=cmap, vmin=low, vmax=limit)

    axes = figure.add_subplot(grid[-1])
    logits = a["out"][0]
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    winner = int(probability.argmax())
    colours = [_ORANGE if digit == winner else _RULE for digit in range(10)]
    axes.barh(range(10), np.maximum(probability, 0.008), color=colours, height=0.7)
    axes.set(yticks=range(10), xlim=(0, 1), xticks=[], ylim=(9.5, -0.5))
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    axes.get_yticklabels()[winner].set(color=_ORANGE, weight="bold", size=10)
    _caption(axes, "Answer", f"two dense layers, softmax\n{winner}, with {probability[winner]:.1%}")


def _plain(axes, title, xlabel=""):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel(xlabel, size=8)
    _caption(axes, title)


def _curves_row(spec, history, results):
    figure = spec.get_gridspec().figure
    grid = spec.subgridspec(1, 4, wspace=0.0, width_ratios=[1, 1, 0.32, 1.03])
    left = grid[:2].subgridspec(1, 2, wspace=0.14)
    epochs = len(history.test_accuracy)

    axes = figure.add_subplot(left[0])
    loss = np.asarray(history.loss)
    x = (np.arange(len(loss)) + 1) / history.steps_per_epoch
    window = max(1, history.steps_per_epoch // 2)
    smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
    axes.plot(x, loss, color=_TEAL, alpha=0.25, linewidth=0.6)
    axes.plot(x[window - 1 :], smooth, color=_TEAL, linewidth=1.8)
    axes.set(yscale="log", xlim=(0, epochs), ylim=(max(loss.min(), 3e-3), 3))
    axes.set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    _plain(axes, "Training loss", "epoch")

    axes = figure.add_subplot(left[1])
    x = np.arange(1, epochs + 1)
    final = 100 * history.test_accuracy[-1]
    axes.axhline(98, color=_GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    for curve, colour, name in (
        (history.train_accuracy, _TEAL, "training, distorted"),
        (history.test_accuracy, _ORANGE, "held out"),
    ):
        axes.plot(x, 100 * np.array(curve), color=colour, linewidth=1.8, label=name)
    axes.plot(epochs, final, "o", color=_ORANGE, markersize=5, clip_on=False)
    axes.set(xlim=(0, epochs), ylim=(min(88.0, final - 2), 100.3))
    axes.legend(frameon=False, loc="lower right", fontsize=8, handlelength=1.4)
    _plain(axes, f"Accuracy: {final:.1f} % of the held-out digits", "epoch")
    for ax in figure.axes[-2:]:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))

    axes = figure.add_subplot(grid[3])
    names = {"fastconv": _ORANGE, "scipy.ndimage": _BLUE, "scipy.signal": "#a9c1d4"}
    height = 0.27
    for i, (name, colour) in enumerate(names.items()):
        y = np.arange(len(results)) + (i - 1) * height
        ms = [1e3 * r.seconds[name] for r in results]
        axes.barh(y, ms, height=height * 0.9, color=colour, label=name)
    for row, result in enumerate(results):
        axes.annotate(f"{result.speedup:.{0 if result.speedup >= 10 else 1}f}×",
                      (1e3 * result.seconds["fastconv"], row - height), (4, 0),
                      textcoords="offset points", va="center", size=8, color=_ORANGE,
                      weight="bold")  # fmt: skip
    axes.set(xscale="log", ylim=(len(results) - 0.5, -0.5))
    axes.set_yticks(range(len(results)), [f"{r.name}\n{r.size}" for r in results])
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    count = fastconv.get_num_threads()
    threads = "a thread" if count == 1 else f"{count} threads"
    _plain(axes, "Time per call", f"milliseconds; fastconv on {threads}, SciPy on its one")
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=_RULE, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.015, 0.985),
                ncols=3, handlelength=0.8, handleheight=0.8, columnspacing=0.9,
                handletextpad=0.4)  # fmt: skip


def draw(path, photo, results, net, history, digit):
    """Compose the figure and write it to `path`.

    Parameters
    ----------
    path : path-like
        Where to; the suffix tells the format.
    photo : ndarray, shape (3, H, W)
        The photograph.
    results : list of Filter
        Blur, Sobel, sharpen and Gabor, after they ran.
    net, history : LeNet5, History
        The trained network.
    digit : ndarray, shape (1, 32, 32)
        The image to follow through the network.
    """
    with matplotlib.rc_context(_STYLE):
        # A Figure of its own: no pyplot, no display, no global state.
        figure = Figure(figsize=(14, 9.1))
        left, right = 0.03, 0.97
        title = figure.text(left, 0.953, "fastconv", size=24, weight="bold", color=_ORANGE)
        figure.canvas.draw()
        after = title.get_window_extent().transformed(figure.transFigure.inverted()).x1
        figure.text(after + 0.012, 0.953, "convolution and pooling on NumPy arrays", size=15)
        figure.text(right, 0.953, f"version {fastconv.__version__}", size=9, color=_GREY,
                    ha="right")  # fmt: skip
        for y, heading in (
            (0.915, "A photograph, filtered"),
            (0.628, "A handwritten digit on its way through LeNet-5"),
            (0.322, "Training, and the time that filtering takes"),
        ):
            figure.add_artist(Line2D([left, right], [y + 0.021] * 2, color=_RULE, linewidth=0.8))
            figure.text(left, y, heading.upper(), size=8, color=_GREY)
        for row, bottom, top, content in (
            (_photo_row, 0.685, 0.87, (photo, results)),
            (_network_row, 0.395, 0.59, (net, digit)),
            (_curves_row, 0.055, 0.28, (history, results)),
        ):
            # The curves' tick labels stand to the left of their axes.
            inset = 0.018 if row is _curves_row else 0
            spec = figure.add_gridspec(1, 1, left=left + inset, right=right, bottom=bottom, top=top)
            row(spec[0], *content)
        figure.savefig(path, dpi=150)
