"""
Undo a blur
===========

A blur is a convolution with a known kernel. Two operators, the convolution and its adjoint, are all
that it takes to undo it: the method of Richardson (1972) and Lucy (1974).
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import fastconv
from fastconv import signal

picture = data.camera()[40:296, 100:356].astype(np.float64) / 255

# %%
# The camera moved while the shutter was open, along a short slanted line; and photons were counted,
# which makes noise.

kernel = np.zeros((15, 15))
for t in np.linspace(-1, 1, 200):
    kernel[round(7 + 3 * t), round(7 + 7 * t)] += 1
kernel /= kernel.sum()

rng = np.random.default_rng(0)
blurred = signal.fftconvolve(picture, kernel, mode="same")
blurred = rng.poisson(blurred.clip(0) * 1000) / 1000


def forward(image):
    """What the camera does."""
    return fastconv.conv2d(image[None], kernel[None, None], padding="same", flip=True)[0]


def adjoint(image):
    """Its transpose: every pixel goes back to where it may have come from."""
    return fastconv.conv2d_backward_data(
        image[None], kernel[None, None], (1, *image.shape), padding="same", flip=True
    )[0]


# %%
# That the second is the adjoint of the first can be tested: :math:`\langle Ax, y\rangle = \langle
# x, A^\mathsf{T} y\rangle` for any two images.

x, y = rng.random((2, 64, 64))
print(np.isclose((forward(x) * y).sum(), (x * adjoint(y)).sum(), rtol=1e-12))

# %%
# Each step compares the blurred guess with the photograph, and takes the ratio back. Guesses stay
# positive. The border's pixels are seen by fewer, so it divides by how much each is seen.

seen = adjoint(np.ones_like(blurred))
guess = np.full_like(blurred, blurred.mean())
errors = []
for _ in range(60):
    guess *= adjoint(blurred / np.maximum(forward(guess), 1e-6)) / seen
    errors.append(np.sqrt(np.mean((guess - picture)[16:-16, 16:-16] ** 2)))
print(f"error {np.sqrt(np.mean((blurred - picture)[16:-16, 16:-16] ** 2)):.4f} of the photograph, "
      f"{min(errors):.4f} at best, after {np.argmin(errors) + 1} steps")

fig, axes = plt.subplots(1, 4, figsize=(8, 2.3))
shown = {"kernel": kernel, "photograph": blurred, "restored": guess, "truth": picture}
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image, vmin=0, vmax=None if title == "kernel" else 1)
    axis.set(title=title, xticks=[], yticks=[])

# %%
# It does not converge to the truth: from some step on it sharpens the noise as well. When to stop
# is the art.

fig, axis = plt.subplots(figsize=(8, 2.2))
axis.plot(np.arange(1, 61), errors)
axis.set(xlabel="steps", ylabel="error")
