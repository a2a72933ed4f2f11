"""
A network of your own
=====================

Two convolutions, two poolings and a dense layer, with their gradients and the training loop, in one
file: begin from it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastconv

rng = np.random.default_rng(0)
digits = load_digits()
images = digits.images[:, None].astype(np.float32) / 16  # (images, channels, height, width)
train, test, labels, test_labels = train_test_split(
    images, digits.target, test_size=0.25, random_state=0
)
print(train.shape, test.shape)

# %%
# The parameters
# --------------
#
# Weights of a convolution are filters, channels, height, width. They begin at random, smaller where
# more products are added up (He et al., 2015), and biases at zero. Two poolings make 2x2 of an
# image of 8x8, so that the dense layer has 32 channels of 2x2 to look at.


def weights(*shape):
    """Random numbers of a variance of 2 by the number of products in a sum."""
    scale = np.sqrt(2 / np.prod(shape[1:]))
    return (scale * rng.standard_normal(shape)).astype(np.float32)


parameters = {
    "w1": weights(16, 1, 3, 3), "b1": np.zeros(16, np.float32),
    "w2": weights(32, 16, 3, 3), "b2": np.zeros(32, np.float32),
    "w3": weights(10, 32 * 2 * 2), "b3": np.zeros(10, np.float32),
}

# %%
# Forward
# -------
#
# A layer is a call. What the way back reads is kept: the result of each layer, and where each
# maximum was.


def forward(x, p):
    """The scores of ten classes, and what `backward` needs."""
    y1 = fastconv.conv2d(x, p["w1"], p["b1"], padding=1, activation="relu")
    m1, places1 = fastconv.max_pool2d(y1, 2, return_indices=True)
    y2 = fastconv.conv2d(m1, p["w2"], p["b2"], padding=1, activation="relu")
    m2, places2 = fastconv.max_pool2d(y2, 2, return_indices=True)
    flat = m2.reshape(len(x), -1)
    return flat @ p["w3"].T + p["b3"], (x, y1, m1, places1, y2, m2, places2, flat)


# %%
# Backward
# --------
#
# The same layers from the last to the first. Each has a gradient for what came in, for its weights
# and for its biases; ``relu`` passes a gradient on where its result is positive, a maximum gives it
# to the element that won. :doc:`/concepts/backward` takes the steps apart.


def backward(scores, kept, labels, p):
    """The loss, cross-entropy, and its gradient for each parameter."""
    x, y1, m1, places1, y2, m2, places2, flat = kept
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    right = np.arange(len(labels)), labels
    loss = -np.log(chances[right]).mean()

    grad = chances
    grad[right] -= 1
    grad /= len(labels)
    gradients = {"w3": grad.T @ flat, "b3": grad.sum(0)}

    grad = (grad @ p["w3"]).reshape(m2.shape)
    grad = fastconv.max_pool2d_backward(grad, places2, y2.shape) * (y2 > 0)
    gradients["w2"] = fastconv.conv2d_backward_weight(grad, m1, p["w2"].shape, padding=1)
    gradients["b2"] = fastconv.conv2d_backward_bias(grad)

    grad = fastconv.conv2d_backward_data(grad, p["w2"], m1.shape, padding=1)
    grad = fastconv.max_pool2d_backward(grad, places1, y1.shape) * (y1 > 0)
    gradients["w1"] = fastconv.conv2d_backward_weight(grad, x, p["w1"].shape, padding=1)
    gradients["b1"] = fastconv.conv2d_backward_bias(grad)
    return loss, gradients


# %%
# Training
# --------
#
# Steps against the gradient, with momentum: a step goes on in the direction of those before.

epochs, batch, rate, momentum = 12, 32, 0.05, 0.9
speed = {name: np.zeros_like(value) for name, value in parameters.items()}
losses, accuracies = [], []
for _ in range(epochs):
    order = rng.permutation(len(train))
    for start in range(0, len(train), batch):
        chosen = order[start : start + batch]
        scores, kept = forward(train[chosen], parameters)
        loss, gradients = backward(scores, kept, labels[chosen], parameters)
        losses.append(loss)
        for name, gradient in gradients.items():
            speed[name] = momentum * speed[name] - rate * gradient
            parameters[name] += speed[name]
    scores, _ = forward(test, parameters)
    accuracies.append((scores.argmax(1) == test_labels).mean())
print(f"{accuracies[-1]:.1%} of the {len(test)} digits that it has not seen")

fig, axes = plt.subplots(1, 2, figsize=(8, 2.4))
axes[0].semilogy(losses, lw=0.7)
axes[0].set(xlabel="step", ylabel="loss")
axes[1].plot(np.arange(1, epochs + 1), accuracies, "o-")
axes[1].set(xlabel="round", ylabel="accuracy on unseen digits")

# %%
# Is a gradient right?
# --------------------
#
# A layer of your own, or a change of these, is soon checked: move one weight a little to both sides
# and look how the loss changes. In float64, where rounding does not get in the way.

exact = {name: value.astype(np.float64) for name, value in parameters.items()}
some, some_labels = test[:8].astype(np.float64), test_labels[:8]


def loss_at(name, place, change):
    """The loss with one weight moved."""
    moved = exact | {name: exact[name].copy()}
    moved[name][place] += change
    return backward(*forward(some, moved), some_labels, moved)[0]


_, gradients = backward(*forward(some, exact), some_labels, exact)
for name in ("w1", "w2"):
    place = tuple(map(int, rng.integers(exact[name].shape)))
    slope = (loss_at(name, place, 1e-6) - loss_at(name, place, -1e-6)) / 2e-6
    print(name, place, np.isclose(gradients[name][place], slope, rtol=1e-4, atol=1e-9))

# %%
# :doc:`digits` has a larger network, distorted images and a better optimiser; what its layers have
# learnt is shown in :doc:`features`.
