"""Sharpen a picture, and find its edges: an unsharp mask, the gradient, thinned along its angle."""

import numpy as np
from scipy import ndimage

rng = np.random.default_rng(0)
rows, columns = np.mgrid[-1:1:480j, -1:1:640j]
picture = np.where(np.hypot(rows, columns) < 0.6, 170.0, 60.0) + 40 * np.sin(9 * columns)
picture = (picture + rng.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8)

blurred = ndimage.gaussian_filter(picture.astype(np.float32), 3)
sharp = (picture + 1.5 * (picture - blurred)).clip(0, 255)

smooth = ndimage.gaussian_filter(sharp, 1.4, mode="nearest")
down, right = ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)
strength = np.hypot(down, right)
highest_along = np.where(np.abs(down) > np.abs(right),
                         ndimage.maximum_filter(strength, size=(3, 1)),
                         ndimage.maximum_filter(strength, size=(1, 3)))
thin = (strength == highest_along) & (strength > np.percentile(strength, 90))
labels, count = ndimage.label(thin, np.ones((3, 3)))

result = sharp, strength, labels, count
