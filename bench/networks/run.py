"""The networks computed by fastconv; a dense layer is a convolution of images of one pixel."""

import math
from functools import partial

import numpy as np

import fastconv

from .layers import Concat, Conv, Dense, Flatten, Pool

_LINE = 16  # float32 in a line of the cache, which is where results start


class Runner:
    """A network prepared for batches of one size.

    The memory of all results is allocated once, and used again within a run by results that are
    not needed at the same time. So what a run returns holds until the next.

    Parameters
    ----------
    network : Network
        What to compute.
    batch : int
        Number of images.
    data_format : {"channels_first", "channels_last"}
        Layout of the images and of everything up to the first vector.
    plans : bool
        Pack the weights of the convolutions here (`fastconv.plan_conv`), or at every call.
    **options
        For every convolution: ``method``, ``precision``, ``max_workspace``, ``num_threads``.
    """

    def __init__(self, network, batch=1, data_format="channels_first", plans=True, **options):
        self.network, self.batch, self.data_format = network, batch, data_format
        self.plans, self.options = plans, options
        self.threads = options.get("num_threads")
        self._allocate()
        self.calls = [self._prepare(layer) for layer in network.layers[1:]]
        self._bind()

    def _bind(self):
        """Look up once what every layer reads, for runs of the whole: places do not change."""
        images, *layers = self.network.layers
        places, self._steps = {images: None}, []
        for layer, call in zip(layers, self.calls, strict=True):
            reads = [places[source] for source in layer.inputs]
            if isinstance(layer, Flatten):
                places[layer] = flat = call(*reads)
                if np.shares_memory(flat, reads[0]):
                    continue
                call = partial(self._flatten, out=flat)
            else:
                places[layer] = self._out(layer)
            if images in layer.inputs:
                self._steps.append((call, True))
            elif not isinstance(layer, Concat):  # its branches have written there already
                self._steps.append((partial(call, *reads), False))
        self._scores = places[layer]

    def __call__(self, x):
        """Return the scores of the classes for images `x`."""
        for call, reads_images in self._steps:
            if reads_images:
                call(x)
            else:
                call()
        return self._scores

    def walk(self, x):
        """Compute layer by layer; yield each with its result, which the next may overwrite."""
        return self.network.walk(self.calls, x)

    # ------------------------------------------------------------------------------ memory

    def _allocate(self):
        """Give every result a place of its own in one piece of memory for as long as it lives.

        The largest come first; each goes to the lowest place that is free all its life.
        """
        places = []
        for layer, (first, last) in sorted(
            self.network.lifetimes.items(), key=lambda item: -math.prod(item[0].shape)
        ):
            if not layer.inputs:
                continue  # the images are the caller's
            size = -(-self.batch * math.prod(layer.shape) // _LINE) * _LINE
            start = 0
            for begin, end, *_ in sorted(p for p in places if p[2] <= last and first <= p[3]):
                if begin - start >= size:
                    break
                start = max(start, end)
            places.append((start, start + size, first, last, layer))
        total = max(place[1] for place in places)
        self.activation_bytes = 4 * total
        memory = np.empty(total + _LINE, np.float32)
        memory = memory[-memory.ctypes.data // 4 % _LINE :]
        self._memory = {layer: memory[start:stop] for start, stop, _, _, layer in places}

    def _shape(self, layer):
        if len(layer.shape) == 3 and self.data_format == "channels_last":
            return (self.batch, *layer.shape[1:], layer.shape[0])
        return (self.batch, *layer.shape)

    def _out(self, layer):
        """The array for a layer's result: a part of that of the concatenation it goes into."""
        if layer in self._memory:
            count = self.batch * math.prod(layer.shape)
            return self._memory[layer][:count].reshape(self._shape(layer))
        whole = self.network.concatenations[layer]
        start = sum(other.shape[0] for other in whole.inputs[: whole.inputs.index(layer)])
        channels = slice(start, start + layer.shape[0])
        where = (..., channels) if self.data_format == "channels_last" else (slice(None), channels)
        return self._out(whole)[where]

    # --------------------------------------------------------------------------- the calls

    def _prepare(self, layer):
        """A function of the results of the layer's inputs."""
        match layer:
            case Conv():
                return self._conv(layer)
            case Pool():
                pool = fastconv.max_pool2d if layer.kind == "max" else fastconv.avg_pool2d
                return partial(pool, **layer.geometry, data_format=self.data_format,
                               num_threads=self.threads, out=self._out(layer))  # fmt: skip
            case Concat():
                out = self._out(layer)
                return lambda *branches: out  # where the branches have written already
            case Flatten():
                return self._flatten
            case Dense():
                return self._dense(layer)

    def _conv(self, layer):
        weight, bias = layer.folded
        how = layer.geometry | {"activation": layer.activation, "data_format": self.data_format}
        how |= self.options
        out = self._out(layer)
        if self.plans:
            plan = fastconv.plan_conv(self._shape(layer.inputs[0]), weight, bias, **how)
            return partial(plan, out=out)

        def call(x, residual=None):
            return fastconv.conv2d(x, weight, bias, **how, residual=residual, out=out)

        return call

    def _dense(self, layer):
        """Its features are the channels of a signal of one sample."""
        weight, out = layer.weight[..., None], self._out(layer)
        how = {"activation": layer.activation} | self.options
        if self.plans:
            plan = fastconv.plan_conv((self.batch, weight.shape[1], 1), weight, layer.bias, **how)
            call = partial(plan, out=out[..., None])
        else:
            call = partial(fastconv.conv1d, weight=weight, bias=layer.bias, **how,
                           out=out[..., None])  # fmt: skip

        def dense(x):
            call(x[..., None])
            return out

        return dense

    def _flatten(self, x, out=None):
        if self.data_format == "channels_last":
            x = np.moveaxis(x, -1, 1)  # weights of dense layers expect channels first
        if out is None:
            return x.reshape(self.batch, -1)
        out.reshape(x.shape)[...] = x
        return out
