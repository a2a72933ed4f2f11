"""
Learn a filter from two pictures
================================

Given a picture before and after an unknown filter, find the filter: the smallest convolutional
network there is, trained by its gradient.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastconv

picture = data.camera().astype(np.float64)[None] / 255
picture -= picture.mean()

x, y = np.meshgrid(np.arange(-3, 4), np.arange(-3, 4))
secret = np.exp(-(x**2 + y**2) / 4) * x  # a slope to the right, of a smoothed picture
filtered = fastconv.conv2d(picture, secret[None, None])

fig, axes = plt.subplots(1, 2, figsize=(6, 3))
for axis, image, title in zip(axes, (picture, filtered), ("before", "after"), strict=True):
    axis.imshow(image[0])
    axis.set(title=title, xticks=[], yticks=[])

# %%
# The gradient
# ------------
#
# The loss is the mean square of what is missed. Its gradient for each of the 49 weights is a
# correlation of the picture with the error: :func:`fastconv.conv2d_backward_weight`.


def loss_and_gradient(weight):
    """The mean square error, and its derivative for each weight."""
    error = fastconv.conv2d(picture, weight) - filtered
    gradient = fastconv.conv2d_backward_weight(error, picture, weight.shape)
    return np.mean(error**2), 2 * gradient / error.size


# %%
# Plain descent is slow: neighbouring pixels of a photograph are nearly the same, so that smooth
# changes of the kernel matter much and rough ones little. Momentum helps; conjugate gradients know
# the best step, because the loss is a square: a step along a direction ``d`` changes the error by
# ``conv2d(picture, d)``.

history = {"descent": [], "conjugate gradients": []}
weight = np.zeros((1, 1, 7, 7))
for _ in range(60):
    loss, gradient = loss_and_gradient(weight)
    history["descent"].append(loss)
    along = fastconv.conv2d(picture, gradient)
    weight -= 0.5 * (gradient**2).sum() / np.mean(along**2) * gradient

kernels = {"true": secret, "descent": weight[0, 0]}
weight, last, direction = np.zeros((1, 1, 7, 7)), None, 0
for _ in range(60):
    loss, gradient = loss_and_gradient(weight)
    history["conjugate gradients"].append(loss)
    square = (gradient**2).sum()
    direction = -gradient + (0 if last is None else square / last * direction)
    along = fastconv.conv2d(picture, direction)
    weight += 0.5 * square / np.mean(along**2) * direction
    last = square
kernels["conjugate gradients"] = weight[0, 0]

fig = plt.figure(figsize=(8, 2.6))
left, right = fig.subfigures(1, 2, width_ratios=[2, 3])
axis = left.subplots()
for name, losses in history.items():
    axis.semilogy(losses, label=name)
axis.set(xlabel="step", ylabel="mean square error")
axis.legend(fontsize=7)
for axis, (name, kernel) in zip(right.subplots(1, 3), kernels.items(), strict=True):
    axis.imshow(kernel, cmap="RdBu_r", vmin=-1.3, vmax=1.3)
    axis.set(title=name, xticks=[], yticks=[])

# %%
# With noise in the second picture the answer is no longer exact, but it stays the best there is:
# the 49 unknowns have a quarter of a million equations.

rng = np.random.default_rng(0)
noisy = filtered + rng.normal(0, filtered.std(), filtered.shape)
columns = fastconv.im2col(picture[None], (7, 7))
print(columns.shape)
normal = columns[0] @ columns[0].T
found = np.linalg.solve(normal, columns[0] @ noisy.ravel())
print("largest error of a weight:", np.abs(found - secret.ravel()).max().round(3))
