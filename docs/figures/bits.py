"""The error of a quantised layer, by bits: one scale for all filters, and one for each."""

import matplotlib.pyplot as plt
import numpy as np

import fastconv

rng = np.random.default_rng(0)
x = rng.standard_normal((4, 32, 20, 20))
weight = rng.standard_normal((16, 32, 3, 3)) * np.geomspace(0.05, 1, 16)[:, None, None, None]
y = fastconv.conv2d(x, weight, padding=1)


def quantised(bits, per_filter):
    """The layer by integers of so many bits, as real numbers."""
    most = 2 ** (bits - 1) - 1
    magnitudes = abs(weight).max(axis=(1, 2, 3))
    w_scale = (magnitudes if per_filter else np.full(16, magnitudes.max())) / most
    x_scale = abs(x).max() / most
    qx = np.rint(x / x_scale).astype(np.int16)
    qw = np.rint(weight / w_scale[:, None, None, None]).astype(np.int16)
    sums = fastconv.qconv2d(qx, qw, padding=1, out_dtype=np.int64)
    return sums * (x_scale * w_scale)[:, None, None]


def error(approximate):
    """Of each filter's results, in the root mean square of these: the worst filter."""
    each = np.sqrt(((approximate - y) ** 2).mean(axis=(0, 2, 3)) / (y**2).mean(axis=(0, 2, 3)))
    return each.max()


bits = np.arange(3, 15)
fig, axis = plt.subplots(figsize=(6, 3))
for per_filter, label, colour in ((False, "one scale for all filters", "#e4572e"),
                                  (True, "a scale for each filter", "#0b7a75")):
    axis.semilogy(bits, [error(quantised(b, per_filter)) for b in bits], "o-", color=colour,
                  label=label)
axis.axvline(8, color="0.6", lw=1, ls=":")
axis.set(xlabel="bits of a number", xticks=bits, ylabel="error, in parts of the result",
         title="The filter that loses most")
axis.grid(color="0.9")
axis.legend()
