"""
The receptive field, drawn
==========================

Which pixels can a unit deep in a network see, and which of them does it listen to? One backward
pass answers both.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastconv

# %%
# Layers
# ------
#
# Those of VGG-16 up to its third pooling: ``(kind, kernel, stride)``.

layers = [
    ("conv1_1", 3, 1), ("conv1_2", 3, 1), ("pool1", 2, 2),
    ("conv2_1", 3, 1), ("conv2_2", 3, 1), ("pool2", 2, 2),
    ("conv3_1", 3, 1), ("conv3_2", 3, 1), ("conv3_3", 3, 1), ("pool3", 2, 2),
]

# %%
# By the formula
# --------------
#
# A layer with a kernel of :math:`k` adds :math:`(k - 1)` steps of its input's grid; and such a step
# is as many pixels as all strides before it multiply to.


def by_formula(layers):
    """The receptive field after each layer."""
    field, jump, fields = 1, 1, []
    for _, kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
        fields.append(field)
    return fields


for (name, _, _), field in zip(layers, by_formula(layers), strict=True):
    print(f"{name}: {field}x{field}")

# %%
# By going backward
# -----------------
#
# Set the gradient of one unit to one, and carry it back to the image with weights that are all one:
# the pixels that are not zero are those that the unit sees, and their values count the ways from
# there to the unit. Poolings are averages here; for the field it makes no difference.


def shapes(size, layers):
    """The sides of all maps, the image first."""
    found = [size]
    for _, kernel, stride in layers:
        padding = 1 if kernel == 3 else 0
        found.append((found[-1] + 2 * padding - kernel) // stride + 1)
    return found


def seen(size, layers, weights=None):
    """The gradient of a unit near the centre with respect to the image."""
    sides = shapes(size, layers)
    channels = 1 if weights is None else weights[-1].shape[0]
    weights = [np.ones((1, 1, 3, 3))] * len(layers) if weights is None else list(weights)
    g = np.zeros((channels, sides[-1], sides[-1]))
    g[0, sides[-1] // 2, sides[-1] // 2] = 1
    for (name, kernel, _), side in zip(layers[::-1], sides[-2::-1], strict=True):
        weight = weights.pop()
        if name.startswith("pool"):
            g = fastconv.avg_pool2d_backward(g, (len(g), side, side), kernel)
        else:
            g = fastconv.conv2d_backward_data(g, weight, (weight.shape[1], side, side), padding=1)
    return g


for count in range(1, len(layers) + 1):
    rows = np.flatnonzero(seen(96, layers[:count])[0].any(1))
    assert rows[-1] - rows[0] + 1 == by_formula(layers)[count - 1]
print("the same as by the formula, for each layer")

fig, axes = plt.subplots(1, 5, figsize=(8, 1.9))
for axis, count in zip(axes, (2, 3, 5, 6, 10), strict=True):
    image = seen(96, layers[:count])[0]
    axis.imshow(np.where(image > 0, image, np.nan), cmap="viridis")
    axis.set(title=f"{layers[count - 1][0]}: {by_formula(layers)[count - 1]}", xticks=[], yticks=[])

# %%
# What it listens to
# ------------------
#
# Many ways lead from the unit to the middle of its field, and few to the rim. With random weights
# of sixteen channels, the mean square of the gradient is the share that each pixel has: a bell,
# much narrower than the field (Luo et al., 2016).

rng = np.random.default_rng(0)
total = np.zeros((96, 96))
for _ in range(30):
    weights = [rng.standard_normal((16, 16 if i else 1, 3, 3)) for i in range(len(layers))]
    total += (seen(96, layers, weights) ** 2).sum(0)

field = by_formula(layers)[-1]
profile = total.sum(0) / total.sum()
middle = np.average(np.arange(96), weights=profile)
deviation = np.sqrt(np.average((np.arange(96) - middle) ** 2, weights=profile))
inside = np.abs(np.arange(96) - middle) <= 2 * deviation
print(f"field {field} pixels; {profile[inside].sum():.0%} of the weight within {4 * deviation:.0f}")

fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), width_ratios=[1, 2])
axes[0].imshow(np.sqrt(total), cmap="magma")
axes[0].set(title="share of each pixel (root)", xticks=[], yticks=[])
axes[1].plot(profile)
axes[1].axvspan(middle - field / 2, middle + field / 2, color="0.9", label="receptive field")
axes[1].set(xlabel="column", ylabel="share", xlim=(0, 95))
axes[1].legend()

# %%
# Strides and dilation
# --------------------
#
# Four layers of 3x3 reach 9 pixels. With dilation 1, 2, 4, 8 the same number of weights reach 31,
# and with strides of 2 as well; but with the latter there are few units left.

for name, stack in {
    "3x3": [(3, 1, 1)] * 4,
    "dilation 1, 2, 4, 8": [(3, 1, d) for d in (1, 2, 4, 8)],
    "stride 2": [(3, 2, 1)] * 4,
}.items():
    field, jump = 1, 1
    for kernel, stride, dilation in stack:
        field += (kernel - 1) * dilation * jump
        jump *= stride
    print(f"{name}: sees {field}, a unit for every {jump} pixels")
