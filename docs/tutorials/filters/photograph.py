"""
A photograph filtered
=====================

Blur it, sharpen it, find its edges: with the functions of :mod:`scipy.ndimage`, from another
import.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
from skimage import data

import fastconv
from fastconv import ndimage  # instead of: from scipy import ndimage

picture = data.camera()
print(picture.shape, picture.dtype)

# %%
# A Gaussian blur
# ---------------
#
# ``sigma`` is the width of the bell, in pixels. The result has the dtype of the picture.

fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
for axis, sigma in zip(axes, (0, 2, 6), strict=True):
    axis.imshow(ndimage.gaussian_filter(picture, sigma), vmin=0, vmax=255)
    axis.set(title=f"sigma = {sigma}", xticks=[], yticks=[])

# %%
# The results are SciPy's, to the last bit:

same = [
    np.array_equal(ndimage.gaussian_filter(picture, s), scipy.ndimage.gaussian_filter(picture, s))
    for s in (0.5, 2, 6)
]
print(same)

# %%
# Sharpen
# -------
#
# What a blur takes away are the details. Added once more, they stand out: an *unsharp mask*. The
# sum is made in floating point, because a difference of bytes may be negative, and a sum too large
# for a byte.

smooth = ndimage.gaussian_filter(picture, 2, output=np.float32)
details = picture - smooth
sharp = (picture + details).clip(0, 255).astype(np.uint8)

fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
shown = {"picture": picture, "details": details + 128, "sharpened": sharp}
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image[60:260, 130:330], vmin=0, vmax=255)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# Edges
# -----
#
# Sobel's kernels are differences along one axis, smoothed along the other. Ask for a signed dtype:
# in bytes a negative slope would wrap to a large number.

down = ndimage.sobel(picture, axis=0, output=np.float32)
right = ndimage.sobel(picture, axis=1, output=np.float32)
strength = np.hypot(down, right)

fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
limit = np.abs(right).max()
for axis, (title, image, kind) in zip(
    axes,
    [("down the picture", down, "RdBu"), ("to the right", right, "RdBu"),
     ("strength", strength, "gray_r")],
    strict=True,
):
    low = -limit if kind == "RdBu" else 0
    axis.imshow(image, cmap=kind, vmin=low, vmax=limit)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# A kernel of your own
# --------------------
#
# ``correlate`` lays a kernel on the picture, as it is, and ``convolve`` turns it round first. Their
# result has the picture's dtype, as SciPy's has, and so fractions are cut off, and what does not
# fit a byte wraps: in this sharpened picture black dots on white. Ask for floating point, and round
# and bound the result yourself:

sharpen = np.array([[-1, -2, -1], [-2, 16, -2], [-1, -2, -1]]) / 4
wrapped = ndimage.correlate(picture, sharpen)
wide = ndimage.correlate(picture, sharpen, output=np.float64)
bounded = np.rint(wide).clip(0, 255).astype(np.uint8)
print(f"{np.mean((wide < 0) | (wide > 255)):.1%} of the pixels had wrapped")

# %%
# :func:`fastconv.conv2d` rounds and bounds by itself, if it is told to. It is made for many images
# and filters, so that both have an axis of channels in front, and the kernel one of filters. Its
# ``"symmetric"`` is SciPy's ``"reflect"``. (These weights are exact in binary; with others, such as
# tenths, a sum that should be a half may be a little less or more, by either function.)

same = fastconv.conv2d(
    picture[None], sharpen[None, None], padding="same", padding_mode="symmetric",
    out_dtype=np.uint8, casting="saturate",
)[0]
print(np.array_equal(same, bounded))

fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
shown = {"picture": picture, "wrapped": wrapped, "bounded": bounded}
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image[60:260, 130:330], vmin=0, vmax=255)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# In colour
# ---------
#
# A photograph in colour has a third axis, red, green and blue. A filter of SciPy's is for all axes
# of an array, so that it would mix the colours; ``axes`` says which ones it is for.

astronaut = data.astronaut()
print(astronaut.shape)
shown = {
    "picture": astronaut,
    "axes=(0, 1)": ndimage.gaussian_filter(astronaut, 4, axes=(0, 1)),
    "all three axes": ndimage.gaussian_filter(astronaut, 4),
}
fig, axes = plt.subplots(1, 3, figsize=(8, 2.9))
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# A kernel of your own goes over each colour alike, by either function:

sharper = ndimage.correlate(astronaut, sharpen, axes=(0, 1), output=np.float64)
sharper = np.rint(sharper).clip(0, 255).astype(np.uint8)
each = fastconv.conv2d(
    astronaut, sharpen[None, None].repeat(3, axis=0), groups=3, data_format="channels_last",
    padding="same", padding_mode="symmetric", out_dtype=np.uint8, casting="saturate",
)
print(np.array_equal(sharper, each))

# %%
# Where SciPy's operators end
# ---------------------------
#
# ``ndimage`` runs one kernel over one picture. :func:`fastconv.conv2d` runs many at once, and takes
# every second or fourth result only where a *stride* says so. Here a bank of eight orientations,
# one call:

size, sigma = 21, 4.0
y, x = np.mgrid[:size, :size] - size // 2
angles = np.linspace(0, np.pi, 8, endpoint=False)
bell = np.exp(-(x**2 + y**2) / (2 * sigma**2))
waves = [np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / 8) for a in angles]
kernels = np.stack([(bell * (wave - (bell * wave).sum() / bell.sum())) for wave in waves])

answers = fastconv.conv2d(
    picture[None].astype(np.float32), kernels[:, None].astype(np.float32), stride=4, padding="same"
)
print(answers.shape, "from", kernels.shape)

fig, axes = plt.subplots(2, 8, figsize=(8, 2.4))
for i, (kernel, answer) in enumerate(zip(kernels, np.abs(answers), strict=True)):
    axes[0, i].imshow(kernel)
    axes[1, i].imshow(answer, vmax=np.percentile(answers, 99), cmap="magma")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])

# %%
# Which names there are, and what differs where SciPy's result means nothing, says :doc:`/scipy`;
# how much quicker than SciPy each filter is, :doc:`/performance`.
