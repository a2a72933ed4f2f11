"""
Find what looks like this
=========================

Template matching: a small picture is moved over a large one, and where they agree is a match. The
comparison is one correlation and two means of windows.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from skimage import data

from fastconv import ndimage, signal

page = data.page().astype(np.float64)
rows, columns = slice(66, 81), slice(137, 194)  # the word "markers"
template = page[rows, columns]

fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), width_ratios=[3, 1])
axes[0].imshow(page)
axes[0].add_patch(Rectangle((columns.start, rows.start), template.shape[1], template.shape[0],
                            fill=False, color="tab:red"))
axes[1].imshow(template)
for axis, title in zip(axes, ("a page of a book", "what is looked for"), strict=True):
    axis.set(title=title, xticks=[], yticks=[])

# %%
# A correlation alone does not do
# -------------------------------
#
# :func:`fastconv.signal.correlate` gives, for every place, the sum of the products of template and
# picture. It is largest where the picture is bright, whatever it shows.

products = signal.correlate(page, template, mode="valid")
best = np.unravel_index(products.argmax(), products.shape)
print("template taken from", (rows.start, columns.start), "largest sum at", tuple(map(int, best)))

# %%
# So compare after taking away the mean of each window and dividing by its deviation: *normalised*
# cross-correlation, from -1 to 1. With the template's own mean taken away beforehand, the windows'
# means drop out of the numerator. Means and squares of all windows come from
# :func:`fastconv.ndimage.uniform_filter`, whose cost does not depend on the size of the window.


def inside(image, shape):
    """What belongs to windows that lie in the picture."""
    return image[tuple(slice(k // 2, n - (k - 1) // 2)
                       for k, n in zip(shape, image.shape, strict=True))]


zero_mean = template - template.mean()
numerator = signal.correlate(page, zero_mean, mode="valid")
mean = inside(ndimage.uniform_filter(page, template.shape), template.shape)
square = inside(ndimage.uniform_filter(page**2, template.shape), template.shape)
deviation = np.sqrt(np.maximum(square - mean**2, 1e-6))
score = numerator / (template.size * deviation * template.std())
print("from", score.min().round(3), "to", score.max().round(3))

# %%
# Peaks
# -----
#
# A match is a place that no other in its neighbourhood beats, and that is good enough:

highest = score == ndimage.maximum_filter(score, template.shape)
found = np.argwhere(highest & (score > 0.6))
print(len(found), "matches")

fig, axes = plt.subplots(2, 1, figsize=(8, 5.6))
axes[0].imshow(score, cmap="magma")
axes[0].set(title="normalised cross-correlation", xticks=[], yticks=[])
axes[1].imshow(page)
axes[1].set(title="matches", xticks=[], yticks=[])
for top, left in found:
    axes[1].add_patch(Rectangle((left, top), template.shape[1], template.shape[0], fill=False,
                                color="tab:red"))

# %%
# The same by scikit-image, as a check:

from skimage.feature import match_template  # noqa: E402

print("largest difference:", np.abs(score - match_template(page, template)).max())
