"""
Train LeNet-5 on handwritten digits
===================================

The network of LeCun et al. (1998), trained in a few seconds: each convolution and pooling, forward
and backward, is a call of fastconv, and NumPy does the rest. It is the one of ``fastconv demo``,
from a module that is no part of the package's interface; :doc:`small_network` is a whole program to
begin from.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastconv._demo import lenet

rng = np.random.default_rng(0)
data = lenet.digits(rng)
print(data.train.shape, data.test.shape)

fig, axes = plt.subplots(2, 12, figsize=(8, 1.6))
for axis, image, label in zip(axes.flat, data.train, data.train_labels, strict=False):
    axis.imshow(image[0], cmap="gray_r")
    axis.set_title(label, fontsize=7, pad=2)
    axis.axis("off")

# %%
# The network
# -----------
#
# This is the module behind ``fastconv demo``,
# :download:`fastconv/_demo/lenet.py <../../../../fastconv/_demo/lenet.py>`; take a copy, since it
# may change. Forward, a layer is a call; its bias and ``tanh`` are part of it:
#
# .. literalinclude:: ../../../../fastconv/_demo/lenet.py
#    :pyobject: LeNet5.forward
#
# Backward, each layer has three gradients: for what came in, for its weights and for its biases.
# :doc:`/concepts/backward` takes them apart, step by step.
#
# .. literalinclude:: ../../../../fastconv/_demo/lenet.py
#    :pyobject: LeNet5.backward

net = lenet.LeNet5(rng)
for name, value in net.forward(data.train[:1]).items():
    print(f"{name:4}", value.shape)

# %%
# Training
# --------
#
# The loop of all training: forward, backward, a small step of each weight against its gradient.
# Batches of 32, eight times through the digits, each time turned, stretched and moved a little. The
# step is AdamW's, and shrinks towards the end:
#
# .. literalinclude:: ../../../../fastconv/_demo/lenet.py
#    :pyobject: AdamW.step

epochs, batch = 8, 32
optimiser = lenet.AdamW(net.params)
losses, seen, unseen = [], [], []
starts = range(0, len(data.train), batch)
for _ in range(epochs):
    order, right = rng.permutation(len(data.train)), 0
    for start in starts:
        chosen = order[start : start + batch]
        images, labels = lenet.distorted(data.train[chosen], rng), data.train_labels[chosen]
        outputs = net.forward(images)
        loss, gradients = net.backward(outputs, labels)
        done = len(losses) / (epochs * len(starts))
        optimiser.step(gradients, 2e-3 * (1 + np.cos(np.pi * done)) / 2)
        losses.append(loss)
        right += (outputs["out"].argmax(1) == labels).sum()
    seen.append(right / len(order))
    unseen.append(net.accuracy(data.test, data.test_labels))
print(f"{unseen[-1]:.1%} of the {len(data.test)} digits that it has not seen")

fig, axes = plt.subplots(1, 2, figsize=(8, 2.4))
axes[0].semilogy(losses, lw=0.7)
axes[0].set(xlabel="step", ylabel="loss")
axes[1].plot(np.arange(1, epochs + 1), seen, "o-", label="training, distorted")
axes[1].plot(np.arange(1, epochs + 1), unseen, "o-", label="held out")
axes[1].set(xlabel="round", ylabel="accuracy")
axes[1].legend()

# %%
# What it gets wrong
# ------------------

scores = net.forward(data.test)["out"]
answers = scores.argmax(1)
wrong = np.flatnonzero(answers != data.test_labels)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (data.test_labels, answers), 1)

fig = plt.figure(figsize=(8, 2.7))
left, right = fig.subfigures(1, 2)
axis = left.subplots()
axis.imshow(np.log1p(confusion), cmap="Blues")
for i, j in np.argwhere(confusion):
    axis.text(j, i, confusion[i, j], ha="center", va="center", fontsize=6,
              color="white" if i == j else "black")
axis.set(xlabel="answer", ylabel="digit", xticks=range(10), yticks=range(10))
for axis, i in zip(right.subplots(2, 4).flat, wrong, strict=False):
    axis.imshow(data.test[i, 0], cmap="gray_r")
    axis.set_title(f"{data.test_labels[i]} read as {answers[i]}", fontsize=7)
for axis in right.axes:
    axis.axis("off")

# %%
# Is the gradient right?
# ----------------------
#
# A test that every hand-made backward pass should have: move all weights a little along some
# direction, and see whether the loss changes by what the gradient says. In float64, so that the
# difference of two losses has digits left.

net.params = {name: value.astype(np.float64) for name, value in net.params.items()}
images, labels = data.test[:8].astype(np.float64), data.test_labels[:8]
_, gradients = net.backward(net.forward(images), labels)
moves = {name: rng.standard_normal(value.shape) for name, value in net.params.items()}
losses = []
for sign in (1, -1):
    for name, move in moves.items():
        net.params[name] += sign * 1e-6 * move
    losses.append(net.backward(net.forward(images), labels)[0])
    for name, move in moves.items():
        net.params[name] -= sign * 1e-6 * move
print("measured", (losses[0] - losses[1]) / 2e-6)
print("told    ", sum((gradients[name] * move).sum() for name, move in moves.items()))
