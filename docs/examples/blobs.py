"""Find bright spots of any size: differences of Gaussians, and their maxima in space and scale."""

import numpy as np
from scipy import ndimage

rng = np.random.default_rng(1)
sky = rng.poisson(20, (400, 500)).astype(np.uint16)
for row, column, size in zip(*rng.uniform((30, 30, 2), (370, 470, 9), (40, 3)).T, strict=True):
    y, x = np.ogrid[:400, :500]
    sky += (600 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * size**2))).astype(np.uint16)

sigmas = 2.0 * 1.4 ** np.arange(7)
stack = np.stack([ndimage.gaussian_filter(sky, s, output=np.float64) for s in sigmas])
differences = -np.diff(stack, axis=0)
peaks = (differences == ndimage.maximum_filter(differences, size=(3, 9, 9), mode="nearest")) & (
    differences > 12)
scales, rows, columns = np.nonzero(peaks)
brightness = ndimage.uniform_filter(sky, 5, output=np.float32)[rows, columns]
centres = ndimage.center_of_mass(sky, *ndimage.label(ndimage.binary_dilation(peaks.any(0))))

result = differences, scales, rows, columns, brightness, np.array(centres)
