"""The vocabulary of the networks: a handful of layers, each with its shape, costs and weights.

A layer has the methods that add the next one, so that a network is described by calls one after
the other; see `zoo`. Shapes are those of one image, ``(channels, height, width)``, or
``(features,)`` from `Layer.flatten` on.
"""

import math
from functools import cached_property

import numpy as np

import fastconv


class Layer:
    """One step of a network: what it reads, and the shape of what it gives.

    Attributes
    ----------
    name : str
        As in `fastconv.testing.shapes`.
    inputs : tuple of Layer
        Whose results it reads.
    shape : tuple of int
        Shape of its result for one image, channels first.
    parameters, multiply_adds : int
        What it costs for one image.
    """

    parameters = multiply_adds = 0

    def __init__(self, network, name, inputs, shape):
        self.network, self.name, self.inputs, self.shape = network, name, inputs, shape
        self.index = len(network.layers)
        network.layers.append(self)

    def conv(self, name, filters, kernel, stride=1, padding=0, groups=1, *, norm=False,
             residual=None, activation="relu"):  # fmt: skip
        """Convolve, normalise or add a bias, add `residual`, apply the activation."""
        return Conv(self, name, filters, kernel, stride, padding, groups, norm, residual,
                    activation)  # fmt: skip

    def max_pool(self, name, kernel, stride=None, padding=0, *, ceil_mode=False):
        """Take the maximum of each window."""
        return Pool(self, name, "max", kernel, stride or kernel, padding, ceil_mode)

    def avg_pool(self, name, kernel, stride=None, padding=0, *, ceil_mode=False):
        """Take the average of each window."""
        return Pool(self, name, "avg", kernel, stride or kernel, padding, ceil_mode)

    def global_avg_pool(self, name):
        """Take the average of each plane."""
        return Pool(self, name, "avg", self.shape[1], 1, 0, False)

    def flatten(self):
        """Take all numbers of an image as one vector."""
        return Flatten(self.network, "flatten", (self,), (math.prod(self.shape),))

    def dense(self, name, features, activation="relu"):
        """Multiply by a matrix, add a bias, apply the activation."""
        return Dense(self, name, features, activation)

    def __str__(self):
        return f"{self.name}: {self.says()} > {'x'.join(map(str, self.shape))}"

    def says(self):
        """What it does, in a few words."""
        return type(self).__name__.lower()


class Weighted(Layer):
    """A layer with weights, which are drawn when they are first asked for.

    They are the same for the same seed, and of the variance that keeps activations in range
    (He et al. 2015; LeCun et al. 1998 where no rectifier follows).
    """

    @cached_property
    def _rng(self):
        return np.random.default_rng([self.network.seed, self.index])

    def _normal(self, shape, deviation):
        values = self._rng.standard_normal(shape, np.float32)
        values *= np.float32(deviation)
        return values

    @cached_property
    def weight(self):
        """The weights, ``(filters, channels / groups, kernel, kernel)`` or ``(out, in)``."""
        gain = 2 if self.activation in ("relu", "relu6") else 1
        return self._normal(self.weight_shape, math.sqrt(gain / math.prod(self.weight_shape[1:])))

    @cached_property
    def bias(self):
        """One number for each filter, or None where a normalisation follows."""
        return self._normal(self.weight_shape[0], 0.1)


class Conv(Weighted):
    """A convolution, with all that `fastconv.conv2d` can do in the same call."""

    def __init__(self, x, name, filters, kernel, stride, padding, groups, norm, residual,
                 activation):  # fmt: skip
        self.weight_shape = (filters, x.shape[0] // groups, kernel, kernel)
        self.geometry = {"stride": stride, "padding": padding, "groups": groups}
        self.norm, self.activation = norm, activation
        cost = fastconv.conv_cost((1, *x.shape), self.weight_shape, **self.geometry, bias=True)
        # A normalisation has a scale and a shift for each filter, in place of the bias.
        self.parameters = cost["parameters"] + (filters if norm else 0)
        self.multiply_adds = cost["multiply_adds"]
        self.residual = residual
        inputs = (x,) if residual is None else (x, residual)
        super().__init__(x.network, name, inputs, cost["output_shape"][1:])

    @cached_property
    def statistics(self):
        """Batch normalisation at inference: ``(scale, shift, mean, variance)`` of each filter."""
        filters, draw = self.weight_shape[0], self._rng.uniform
        scale, variance = draw(0.8, 1.2, filters), draw(0.8, 1.2, filters)
        if self.residual is not None:
            scale /= 2  # or the sums would grow from block to block
        shift, mean = self._normal((2, filters), 0.1)
        return scale.astype(np.float32), shift, mean, variance.astype(np.float32)

    epsilon = 1e-5

    @cached_property
    def folded(self):
        """Weight and bias of the convolution that does the normalisation's work as well.

        ``scale * (conv(x, w) - mean) / sqrt(variance + epsilon) + shift`` is linear in ``w``.
        """
        if not self.norm:
            return self.weight, self.bias
        scale, shift, mean, variance = (a.astype(np.float64) for a in self.statistics)
        factor = scale / np.sqrt(variance + self.epsilon)
        weight = self.weight * factor[:, None, None, None]
        return weight.astype(np.float32), (shift - mean * factor).astype(np.float32)

    def says(self):
        kernel, stride, groups = self.weight_shape[2], *map(self.geometry.get, ("stride", "groups"))
        text = f"conv {kernel}x{kernel}" + (f" stride {stride}" if stride > 1 else "")
        return text + (" depthwise" if groups == self.weight_shape[0] else "")


class Pool(Layer):
    """A pooling; `kind` is "max" or "avg"."""

    def __init__(self, x, name, kind, kernel, stride, padding, ceil_mode):
        self.kind = kind
        self.geometry = {"kernel_size": kernel, "stride": stride, "padding": padding,
                         "ceil_mode": ceil_mode}  # fmt: skip
        shape = fastconv.pool_output_shape((1, *x.shape), **self.geometry)[1:]
        super().__init__(x.network, name, (x,), shape)

    @property
    def whole(self):
        """Whether its one window is the plane."""
        kernel, padding = self.geometry["kernel_size"], self.geometry["padding"]
        return self.inputs[0].shape[1:] == (kernel, kernel) and padding == 0

    def says(self):
        kernel, stride = self.geometry["kernel_size"], self.geometry["stride"]
        where = "global" if self.whole else f"{kernel}x{kernel} stride {stride}"
        return f"{self.kind} pool {where}"


class Concat(Layer):
    """Results beside each other, as the channels of one."""

    def __init__(self, name, layers):
        (plane,) = {layer.shape[1:] for layer in layers}
        channels = sum(layer.shape[0] for layer in layers)
        super().__init__(layers[0].network, name, tuple(layers), (channels, *plane))


class Flatten(Layer):
    """An image's numbers as one vector, channels first."""


class Dense(Weighted):
    """A matrix and a bias."""

    def __init__(self, x, name, features, activation):
        (length,) = x.shape
        self.weight_shape, self.activation = (features, length), activation
        self.multiply_adds = features * length
        self.parameters = self.multiply_adds + features
        super().__init__(x.network, name, (x,), (features,))


class Network:
    """The layers of one network in the order in which they run; the first is the input.

    Parameters
    ----------
    name : str
        What it is called.
    describe : callable
        Takes the input layer and adds the others.
    shape : tuple of int
        Shape of an input image, channels first.
    seed : int
        Of the weights.
    """

    def __init__(self, name, describe, shape, seed=0):
        self.name, self.seed, self.layers = name, seed, []
        describe(Layer(self, "input", (), shape))

    @property
    def parameters(self):
        """How many numbers training finds."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self):
        """Of all convolutions and dense layers, for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    def images(self, batch=1):
        """Random images ``(batch, channels, height, width)``, the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        return rng.standard_normal((batch, *self.layers[0].shape), np.float32)

    @cached_property
    def lifetimes(self):
        """Whose memory holds a layer's result, and from which step to which it is needed.

        A map from layers that own memory to ``(first, last)``. A branch of a concatenation lies
        in the memory of the whole, and a vector in that of the image it was.
        """
        spans = {}
        for layer in self.layers:
            keeper = self.keeper(layer)
            first, _ = spans.get(keeper, (layer.index, None))
            spans[keeper] = first, layer.index
            for source in map(self.keeper, layer.inputs):
                spans[source] = spans[source][0], layer.index
        return spans

    @cached_property
    def concatenations(self):
        """The concatenation that a layer is a branch of, for those that are."""
        return {branch: layer for layer in self.layers if isinstance(layer, Concat)
                for branch in layer.inputs}  # fmt: skip

    def keeper(self, layer):
        """The layer in whose memory the result of `layer` lies."""
        if isinstance(layer, Flatten):
            return self.keeper(layer.inputs[0])
        whole = self.concatenations.get(layer)
        return self.keeper(whole) if whole else layer

    @property
    def activations(self):
        """How many numbers all results are together, which training keeps."""
        return sum(math.prod(layer.shape) for layer in self.lifetimes if layer.inputs)

    @property
    def peak_activations(self):
        """How many numbers inference keeps at once at most, the input among them."""
        return max(
            sum(math.prod(layer.shape) for layer, (first, last) in self.lifetimes.items()
                if first <= step.index <= last)
            for step in self.layers
        )  # fmt: skip

    def walk(self, calls, x):
        """Run the layers on `x`, one after the other; yield each with its result.

        `calls` holds a function of the results of `inputs` for each layer but the first. Results
        that nobody needs any more are let go.
        """
        results = {self.layers[0]: x}
        for layer, call in zip(self.layers[1:], calls, strict=True):
            result = call(*[results[source] for source in layer.inputs])
            for source in self._last_read[layer.index]:
                del results[source]
            results[layer] = result
            yield layer, result

    def last(self, walk):
        """The result of the last layer of a walk."""
        return next(result for layer, result in walk if layer is self.layers[-1])

    @cached_property
    def _last_read(self):
        """For each step, the layers whose results it is the last to read."""
        last = {source: layer.index for layer in self.layers for source in layer.inputs}
        return [[source for source, index in last.items() if index == layer.index]
                for layer in self.layers]  # fmt: skip


def concat(name, *layers):
    """Results beside each other, as the channels of one."""
    return Concat(name, layers)
