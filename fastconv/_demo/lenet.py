"""LeNet-5 on the digits of scikit-learn, trained by fastconv's forward and backward passes.

The network is that of LeCun et al. (1998): two convolutions with average pooling, a third
convolution that reduces its input to one pixel, and two dense layers, all with tanh. NumPy does
the dense layers and the optimiser; every convolution and pooling, in both directions, is a call
of fastconv.
"""

import time
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

import fastconv


@dataclass
class Digits:
    """Images ``(n, 1, 32, 32)`` float32 and labels ``(n,)``, split into training and test.

    The images have mean zero and standard deviation one over the training set.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def digits(rng, scale=3, side=32):
    """Load the 1,797 digits, enlarge them to 32×32 and hold out a fifth.

    The 8×8 originals become 24×24 (linear interpolation) in a frame of background, the size of
    the images that LeNet-5 was designed for. Which are held out depends on `rng` alone.
    """
    data = load_digits()
    images = data.images.astype(np.float32) / 16
    images = ndimage.zoom(images, (1, scale, scale), order=1)
    margin = (side - images.shape[-1]) // 2
    images = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))[:, None]

    order = rng.permutation(len(images))
    held_out = len(images) // 5
    test, train = order[:held_out], order[held_out:]
    images -= images[train].mean()
    images /= images[train].std()
    return Digits(images[train], data.target[train], images[test], data.target[test])


class LeNet5:
    """Parameters, forward pass and backward pass."""

    def __init__(self, rng):
        def init(*shape):
            # Glorot: the variance that keeps tanh units out of saturation.
            fan_in, fan_out = np.prod(shape[1:]), shape[0] * np.prod(shape[2:])
            bound = np.sqrt(6 / (fan_in + fan_out))
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        self.params = {
            "c1": init(6, 1, 5, 5),
            "c3": init(16, 6, 5, 5),
            "c5": init(120, 16, 5, 5),
            "f6": init(84, 120),
            "out": init(10, 84),
        }
        for name, weight in list(self.params.items()):
            self.params[name + "_bias"] = np.zeros(len(weight), dtype=np.float32)

    def forward(self, x):
        """Return every layer's output, by name; ``"out"`` holds the logits."""
        p = self.params
        a = {"x": x}
        a["c1"] = fastconv.conv2d(x, p["c1"], p["c1_bias"], activation="tanh")
        a["s2"] = fastconv.avg_pool2d(a["c1"], 2)
        a["c3"] = fastconv.conv2d(a["s2"], p["c3"], p["c3_bias"], activation="tanh")
        a["s4"] = fastconv.avg_pool2d(a["c3"], 2)
        a["c5"] = fastconv.conv2d(a["s4"], p["c5"], p["c5_bias"], activation="tanh")
        a["f6"] = np.tanh(a["c5"][:, :, 0, 0] @ p["f6"].T + p["f6_bias"])
        a["out"] = a["f6"] @ p["out"].T + p["out_bias"]
        return a

    def backward(self, a, labels):
        """Return the mean cross-entropy and its gradient for every parameter."""
        p = self.params
        n = len(labels)
        probability = softmax(a["out"])
        loss = -np.log(probability[np.arange(n), labels] + 1e-12).mean()
        grads = {}

        # Dense layers. The derivative of tanh is 1 - y**2 in terms of its own output.
        g = probability
        g[np.arange(n), labels] -= 1
        g /= n
        grads["out"], grads["out_bias"] = g.T @ a["f6"], g.sum(0)
        g = (g @ p["out"]) * (1 - a["f6"] ** 2)
        grads["f6"], grads["f6_bias"] = g.T @ a["c5"][:, :, 0, 0], g.sum(0)
        g = (g @ p["f6"])[:, :, None, None]

        # Convolutions and poolings, last to first; nothing needs the gradient of the image.
        for conv, source, pooled in (("c5", "s4", "c3"), ("c3", "s2", "c1"), ("c1", "x", None)):
            g = g * (1 - a[conv] ** 2)
            grads[conv] = fastconv.conv2d_backward_weight(g, a[source], p[conv].shape)
            grads[conv + "_bias"] = fastconv.conv2d_backward_bias(g)
            if pooled is not None:
                g = fastconv.conv2d_backward_data(g, p[conv], a[source].shape)
                g = fastconv.avg_pool2d_backward(g, a[pooled].shape, 2)
        return float(loss), grads

    def accuracy(self, images, labels, batch=32):
        """Fraction of `images` whose largest logit is that of the label."""
        # In batches whose feature maps stay in the caches.
        answers = [
            self.forward(images[i : i + batch])["out"].argmax(1)
            for i in range(0, len(images), batch)
        ]
        return float((np.concatenate(answers) == labels).mean())


def softmax(logits):
    """Softmax over the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in place on arrays.

    The decay is strong enough to be seen: it leaves in the kernels of the first layer what the
    digits need and fades the noise they started from. Biases do not decay.
    """

    def __init__(self, params, beta1=0.9, beta2=0.999, decay=0.3):
        self.params, self.betas, self.decay = params, (beta1, beta2), decay
        self.mean = {k: np.zeros_like(v) for k, v in params.items()}
        self.square = {k: np.zeros_like(v) for k, v in params.items()}
        self.steps = 0

    def step(self, grads, rate):
        """Move every parameter by one step of size `rate`."""
        self.steps += 1
        b1, b2 = self.betas
        c1, c2 = 1 - b1**self.steps, 1 - b2**self.steps
        for name, grad in grads.items():
            m, v, p = self.mean[name], self.square[name], self.params[name]
            m += (1 - b1) * (grad - m)
            v += (1 - b2) * (grad**2 - v)
            if p.ndim > 1:
                p *= 1 - rate * self.decay
            p -= rate / c1 * m / (np.sqrt(v / c2) + 1e-8)


@dataclass
class History:
    """What the training did: one loss a step, two accuracies an epoch, and the time it took.

    The training accuracy counts the distorted images as they pass, the other the held-out ones.
    """

    loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    test_accuracy: list = field(default_factory=list)
    steps_per_epoch: int = 0
    seconds: float = 0.0


def distorted(images, rng, rotation=10.0, stretch=0.1, shift=2.0):
    """Return `images`, each turned, stretched and moved a little, as handwriting varies.

    Up to `rotation` degrees, `stretch` along each axis (as a logarithm) and `shift` pixels.
    """
    n, _, *shape = images.shape
    angle = np.deg2rad(rng.uniform(-rotation, rotation, n))
    scale = np.exp(rng.uniform(-stretch, stretch, (n, 2)))
    offset = rng.uniform(-shift, shift, (n, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.moveaxis(turn, -1, 0) * scale[:, None]
    # Keep the centre of the image where it is.
    centre = (np.array(shape) - 1) / 2
    offset += centre - matrix @ centre
    result = np.empty_like(images)
    for i in range(n):
        ndimage.affine_transform(
            images[i, 0], matrix[i], offset[i], output=result[i, 0], order=1, mode="nearest"
        )
    return result


def train(data, rng, progress, epochs=20, batch=32, rate=2e-3):
    """Train a new network; return it and its `History`.

    `progress` is a tqdm-like factory: ``progress(total=..., desc=...)``. The held-out images are
    looked at only to draw the curve: nothing is chosen by them.
    """
    net, history = LeNet5(rng), History()
    optimiser = AdamW(net.params)
    history.steps_per_epoch = -(-len(data.train) // batch)
    steps = epochs * history.steps_per_epoch
    start = time.perf_counter()
    # Calls this small gain little from a second thread, and on a busy machine they wait for it.
    with fastconv.num_threads(1), progress(total=steps, desc="LeNet-5", unit="step") as bar:
        for _ in range(epochs):
            order, right = rng.permutation(len(data.train)), 0
            for i in range(0, len(order), batch):
                chosen = order[i : i + batch]
                activations = net.forward(distorted(data.train[chosen], rng))
                right += int((activations["out"].argmax(1) == data.train_labels[chosen]).sum())
                loss, grads = net.backward(activations, data.train_labels[chosen])
                # Half a cosine from the full rate to zero: the last steps settle the average.
                decay = 0.5 * (1 + np.cos(np.pi * len(history.loss) / steps))
                optimiser.step(grads, rate * decay)
                history.loss.append(loss)
                bar.update()
            history.train_accuracy.append(right / len(order))
            history.test_accuracy.append(net.accuracy(data.test, data.test_labels))
            bar.set_postfix(loss=f"{loss:.3f}", held_out=f"{history.test_accuracy[-1]:.2%}")
    history.seconds = time.perf_counter() - start
    return net, history
