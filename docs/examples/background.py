"""Grains on an uneven background: subtract it by morphology, count them, in a volume as well."""

import numpy as np
from scipy import ndimage

rng = np.random.default_rng(2)
field = 90 + 50 * np.sin(np.mgrid[0:3:420j, 0:2:360j]).sum(0)
seeds = rng.random(field.shape) < 0.002
grains = ndimage.binary_dilation(seeds, ndimage.generate_binary_structure(2, 1), iterations=3)
slide = (field + 60 * grains + rng.normal(0, 4, field.shape)).clip(0, 255).astype(np.uint8)

disc = np.hypot(*np.mgrid[-9:10, -9:10]) <= 9
level = ndimage.white_tophat(slide, footprint=disc)
quiet = ndimage.grey_opening(level, size=3)
rims = ndimage.morphological_gradient(quiet, size=(3, 3))
labels, count = ndimage.label(quiet > 30)
areas = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(1, count + 1))

volume = np.stack([np.roll(slide, n, axis=1) for n in range(12)])
ball = ndimage.generate_binary_structure(3, 1)
hollows = ndimage.black_tophat(volume, footprint=ball, mode="mirror")
texture = ndimage.gaussian_gradient_magnitude(volume.astype(np.float32), (1, 2, 2))
ripple = ndimage.correlate1d(volume, [-1, 4, -6, 4, -1], axis=0, output=np.int32, mode="wrap")

result = level, rims, labels, areas, hollows, texture, ripple
