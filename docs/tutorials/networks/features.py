"""
What a network has learned
==========================

The kernels of a trained LeNet-5, what they make of a digit, and which parts of digits excite each
of them most.
"""

import contextlib
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np

import fastconv
from fastconv._demo import lenet

rng = np.random.default_rng(0)
data = lenet.digits(rng)
bar = SimpleNamespace(update=lambda: None, set_postfix=lambda **told: None)
net, history = lenet.train(data, rng, lambda **told: contextlib.nullcontext(bar), epochs=8)
print(f"accuracy {history.test_accuracy[-1]:.1%}")

# %%
# The kernels of the first layer
# ------------------------------
#
# Six of 5x5, red where ink counts for and blue where it counts against. They began as noise
# (:doc:`digits`). Some have become edges of several directions; in others noise is left, which
# weight decay would take away in more rounds.

kernels = net.params["c1"][:, 0]
limit = np.abs(kernels).max()
fig, axes = plt.subplots(1, 6, figsize=(8, 1.5))
for axis, kernel in zip(axes, kernels, strict=True):
    axis.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.axis("off")

# %%
# What they make of a digit
# -------------------------
#
# Every layer has fewer and coarser pixels than the one before, and more channels.

image = data.test[:1]
layers = net.forward(image)
fig, axes = plt.subplots(4, 16, figsize=(8, 2.4))
for row, name in zip(axes, ("c1", "s2", "c3", "s4"), strict=True):
    for axis, channel in zip(row, layers[name][0], strict=False):
        axis.imshow(channel, cmap="RdBu_r", vmin=-1, vmax=1)
    row[0].set_title(f"{name}: {layers[name].shape[1:]}", fontsize=7, loc="left")
    for axis in row:
        axis.axis("off")

# %%
# What excites a channel
# ----------------------
#
# A value of ``c3`` sees 14x14 pixels of the image (:doc:`../methods/receptive_field` says how to
# count). Here are, for some channels, the nine patches of the held-out digits that give the largest
# values.

maps = net.forward(data.test)["c3"]
fig, axes = plt.subplots(6, 10, figsize=(8, 5), gridspec_kw={"wspace": 0.05, "hspace": 0.05})
for row, channel in zip(axes, (0, 3, 6, 9, 12, 15), strict=True):
    best = maps[:, channel].max((1, 2)).argsort()[::-1][:9]
    for axis, n in zip(row[1:], best, strict=True):
        i, j = np.unravel_index(maps[n, channel].argmax(), maps.shape[2:])
        axis.imshow(data.test[n, 0, 2 * i : 2 * i + 14, 2 * j : 2 * j + 14], cmap="gray_r")
    row[0].text(0.5, 0.5, f"channel {channel}", ha="center", va="center", fontsize=7)
for axis in axes.flat:
    axis.axis("off")

# %%
# Which pixels mattered
# ---------------------
#
# The gradient of a digit's own score with respect to the image: go back through the layers as in
# training, and one step further. :func:`fastconv.conv2d_backward_data` of the first layer gives it.


def saliency(image, digit):
    """The gradient of one logit with respect to the pixels."""
    p, a = net.params, net.forward(image)
    g = np.zeros_like(a["out"])
    g[:, digit] = 1
    g = (g @ p["out"]) * (1 - a["f6"] ** 2)
    g = (g @ p["f6"])[:, :, None, None]
    for conv, source, pooled in (("c5", "s4", "c3"), ("c3", "s2", "c1"), ("c1", "x", None)):
        g = g * (1 - a[conv] ** 2)
        g = fastconv.conv2d_backward_data(g, p[conv], a[source].shape)
        if pooled is not None:
            g = fastconv.avg_pool2d_backward(g, a[pooled].shape, 2)
    return g


fig, axes = plt.subplots(2, 8, figsize=(8, 2.2))
for column, n in zip(axes.T, range(8), strict=True):
    g = saliency(data.test[n : n + 1], data.test_labels[n])[0, 0]
    column[0].imshow(data.test[n, 0], cmap="gray_r")
    column[1].imshow(g, cmap="RdBu_r", vmin=-np.abs(g).max(), vmax=np.abs(g).max())
for axis in axes.flat:
    axis.axis("off")
