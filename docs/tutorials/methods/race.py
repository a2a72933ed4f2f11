"""
FFT, Winograd, im2col and direct sums, raced
============================================

The same convolution by each method, over the size of its kernel: who is quickest where, and does
``method="auto"`` know?
"""

import timeit

import matplotlib.pyplot as plt
import numpy as np

import fastconv

# %%
# A layer
# -------
#
# 16 channels of 48x48 pixels to 16 others, in float32, by plans of one thread: weights are packed
# and transformed beforehand. The times are those of the machine that made this page, which had
# other things to do: look at the shapes of the curves, not at the numbers.

sizes = [1, 2, 3, 5, 7, 11, 15, 21, 31]


def race(channels, side, methods):
    """Method -> seconds for each size, NaN where it does not serve; and of what "auto" took."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, side, side), dtype=np.float32)
    weights = [rng.standard_normal((channels, channels, size, size), np.float32) for size in sizes]
    options = {"padding": "same", "num_threads": 1}
    chosen = [fastconv.plan_conv(x.shape, weight, **options).method for weight in weights]
    seconds = {method: np.full(len(sizes), np.nan) for method in (*methods, *chosen)}
    for method, times in seconds.items():
        for i, weight in enumerate(weights):
            try:
                plan = fastconv.plan_conv(x.shape, weight, method=method, **options)
            except ValueError:  # not a layer for this method
                continue
            plan(x)
            times[i] = min(timeit.repeat(lambda plan=plan: plan(x), number=1, repeat=4))
    for size, method in zip(sizes, chosen, strict=True):
        print(f"{size:>2}x{size:<2} {method}")
    return seconds


seconds = race(16, 48, ("direct", "winograd", "im2col", "fft"))
fig, axis = plt.subplots(figsize=(8, 3.2))
for method, times in seconds.items():
    axis.loglog(sizes, times * 1e3, "o-", ms=4, label=method)
axis.set(xlabel="side of the kernel", ylabel="milliseconds", xticks=sizes, xticklabels=sizes)
axis.minorticks_off()
axis.legend()

# %%
# Why the curves are as they are
# ------------------------------
#
# - *Direct* sums and *im2col* do all products, so that their time grows with the square of the
#   side. im2col first writes the columns, which for small kernels takes as long as the product.
# - *Winograd's* algorithm computes a tile of results with fewer products, and pays with transforms;
#   so it gains most where there are many channels, since each transform serves them all.
# - By *FFT* the products are those of spectra, as many for any kernel that fits the tile.
#
# The count of operations says the same without a clock:

print(f"{'kernel':>8}{'direct, GFLOP':>16}")
for size in (3, 11, 31):
    cost = fastconv.conv_cost((1, 16, 48, 48), (16, 16, size, size), padding="same")
    print(f"{size:>8}{cost['flops'] * 1e-9:>16.2f}")

# %%
# One image, one kernel
# ---------------------
#
# Without channels there is nothing to share a transform. Direct sums stay ahead for longer, here
# those of ``depthwise``.

seconds = race(1, 256, ("depthwise", "winograd", "im2col", "fft"))
fig, axis = plt.subplots(figsize=(8, 3.2))
for method, times in seconds.items():
    axis.loglog(sizes, times * 1e3, "o-", ms=4, label=method)
axis.set(xlabel="side of the kernel", ylabel="milliseconds", xticks=sizes, xticklabels=sizes)
axis.minorticks_off()
axis.legend()

# %%
# The choice never measures: it comes from a written model, so that results are the same on every
# run and for any number of threads (:doc:`/algorithms/choice`). What each method is,
# :doc:`/algorithms/index` tells.
