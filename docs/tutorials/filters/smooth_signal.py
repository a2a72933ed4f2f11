"""
Smooth a signal, and differentiate it
=====================================

The brightness along a line of a photograph of coins: where does a coin begin, and where does it
end?
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.signal
from skimage import data

import fastconv
from fastconv import ndimage, signal

coins = data.coins()
line = coins[115].astype(np.float64)

fig, axes = plt.subplots(2, 1, figsize=(8, 4.4), sharex=True)
axes[0].imshow(coins[70:160], aspect="auto", extent=(0, coins.shape[1], 160, 70))
axes[0].axhline(115, color="tab:red")
axes[1].plot(line, color="tab:red", lw=0.8)
axes[1].set(xlabel="column", ylabel="brightness", xlim=(0, coins.shape[1]))

# %%
# Three ways to smooth
# --------------------
#
# A mean of neighbours, a Gaussian bell, and the polynomial that fits a window best (Savitzky and
# Golay, 1964). All three are correlations with a fixed kernel.

smooth = {
    "mean of 9": ndimage.uniform_filter1d(line, 9),
    "Gaussian, sigma 3": ndimage.gaussian_filter1d(line, 3),
    "Savitzky-Golay, 15 points, cubic": signal.savgol_filter(line, 15, 3),
}
impulse = np.eye(1, 31, 15)[0]
kernels = [
    ndimage.uniform_filter1d(impulse, 9),
    ndimage.gaussian_filter1d(impulse, 3),
    signal.savgol_filter(impulse, 15, 3, mode="constant"),
]
fig, axes = plt.subplots(3, 2, figsize=(8, 4.8), width_ratios=[4, 1], sharex="col")
for pair, (title, result), kernel in zip(axes, smooth.items(), kernels, strict=True):
    pair[0].plot(line, color="0.75", lw=0.8)
    pair[0].plot(result, color="tab:blue", lw=1)
    pair[0].set(title=title, xlim=(0, line.size))
    pair[1].stem(np.arange(-15, 16), kernel, markerfmt=" ", basefmt="0.7")

# %%
# Smoothing and differentiating are one filter
# --------------------------------------------
#
# A difference of neighbours shows noise more than anything. The derivative of the *smoothed* signal
# is a correlation with the derivative of the bell: ``order=1``.

raw = np.gradient(line)
slope = ndimage.gaussian_filter1d(line, 3, order=1)
roughness = [np.abs(np.diff(derivative)).mean().round(2) for derivative in (raw, slope)]
print("mean change from a column to the next:", *roughness)

# %%
# A coin begins where the slope has a maximum, and ends where it has a minimum:

rises = scipy.signal.find_peaks(slope, height=8)[0]
falls = scipy.signal.find_peaks(-slope, height=8)[0]

fig, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True)
axes[0].plot(raw, color="0.75", lw=0.8, label="differences")
axes[0].plot(slope, color="tab:blue", label="derivative of a Gaussian")
axes[0].legend(loc="lower right", ncols=2)
axes[1].plot(line, color="0.4", lw=0.8)
for places, colour in ((rises, "tab:green"), (falls, "tab:red")):
    for axis in axes:
        axis.vlines(places, *axis.get_ylim(), color=colour, lw=0.8)
axes[1].set(xlabel="column", ylabel="brightness", xlim=(0, line.size))

# %%
# The derivative is what it says: that of the smoothed signal, to the error of a difference.

error = np.abs(np.gradient(smooth["Gaussian, sigma 3"]) - slope)[5:-5].max()
print("largest difference", error.round(2), "of a slope of", np.abs(slope).max().round(2))

# %%
# All lines at once
# -----------------
#
# ``axis`` filters every line of a picture, or every channel of a recording, in one call. And where
# there are several kernels, :func:`fastconv.conv1d` takes them together:

both = np.stack([
    ndimage.gaussian_filter1d(impulse, 3), ndimage.gaussian_filter1d(impulse, 3, order=1)[::-1],
])
levels, slopes = fastconv.conv1d(
    line[None], both[:, None], padding="same", padding_mode="symmetric"
)
print(np.allclose(slopes, slope), np.allclose(levels, smooth["Gaussian, sigma 3"]))
