"""
A volume
========

Noise taken out of a volume, its surface found, its grains counted, and the whole made eight times
as small.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastconv
from fastconv import ndimage

# %%
# scikit-image grows a porous medium: three voxels of ten are matter. As a scanner would see it:
# grey, blurred a little, with noise.

rng = np.random.default_rng(0)
matter = data.binary_blobs(length=96, n_dim=3, blob_size_fraction=0.18, volume_fraction=0.3, rng=0)
scan = ndimage.gaussian_filter(matter.astype(np.float32), 1) + rng.normal(0, 0.4, matter.shape)
scan = scan.astype(np.float32)
print(scan.shape, scan.dtype, f"{scan.nbytes / 2**20:.1f} MiB")


def slices(images, **options):
    """One slice of each volume."""
    _, axes = plt.subplots(1, len(images), figsize=(8, 8 / len(images) + 0.3))
    for axis, (title, volume) in zip(axes, images.items(), strict=True):
        axis.imshow(volume[len(volume) // 2], **options)
        axis.set(title=title, xticks=[], yticks=[])


# %%
# Take the noise out
# ------------------
#
# The filters of ``ndimage`` take any number of axes. In three dimensions a window holds many
# voxels, so that a small one removes much noise.

smooth = ndimage.gaussian_filter(scan, 1.5)
slices({"matter": matter, "scan": scan, "smoothed": smooth}, vmin=-0.5, vmax=1.5)
for name, volume in {"scan": scan, "smoothed": smooth}.items():
    print(f"{name}: {((volume > 0.5) == matter).mean():.1%} of the voxels told right")

# %%
# The surface
# -----------
#
# The length of the gradient is large where matter and pore meet; and so is the difference of the
# largest and the smallest value of a neighbourhood, the morphological gradient.

gradient = ndimage.gaussian_gradient_magnitude(scan, 1.5)
found = smooth > 0.5
rim = ndimage.morphological_gradient(found.astype(np.uint8), size=3)
slices({"gradient": gradient / gradient.max(), "found": found, "rim": rim})

# %%
# Grains
# ------
#
# Erosion by a ball parts grains that touch. ``label`` is SciPy's, handed on: fastconv has every
# name of ``scipy.ndimage``.

z, y, x = np.mgrid[-3:4, -3:4, -3:4]
ball = x**2 + y**2 + z**2 <= 3**2
cores = ndimage.minimum_filter(found.astype(np.uint8), footprint=ball)
labels, count = ndimage.label(cores)
print(count, "grains; the largest has", np.bincount(labels.ravel())[1:].max(), "voxels")
slices({"found": found, "eroded": cores, "labels": labels % 20}, cmap="inferno")

# %%
# Smaller
# -------
#
# A mean of 2x2x2 voxels halves every axis: :func:`fastconv.avg_pool3d`, which wants an axis of
# channels. The maximum keeps thin walls, the minimum thin pores.

small = {
    "mean": fastconv.avg_pool3d(smooth[None], 4)[0],
    "maximum": fastconv.max_pool3d(smooth[None], 4)[0],
    "minimum": fastconv.min_pool3d(smooth[None], 4)[0],
}
slices(small, vmin=-0.2, vmax=1.2)
print(small["mean"].shape)
