"""Swap roles: where the kernel is longer than the image, the image slides over the kernel.

A convolution does not know which of its operands is the signal. Algorithms do: they go through the
outputs and add up all taps, most of which meet padding if the image is the shorter one. Seen the
other way round, with the weights as a batch of signals and each image as a kernel, as many
products are left as the shorter operand has elements. `scipy.signal` does the same.

Sums are of the same products, so that the promise is that of the algorithms that compute them.
"""
import math

import numpy as np

from fastconv._algorithms.finish import finish
from fastconv._algorithms.record import (
    BACKWARD_DATA,
    BACKWARD_WEIGHT,
    FORWARD,
    PASSES,
    Algorithm,
    Cost,
)
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry

CALL_SECONDS = 2e-5  # for each image; fitted by hand
MOVED_SECONDS = 2e-9  # a weight, and a result: reversed and copied


class Swapped:
    """One pass of one description as a forward pass with a batch of signals and one kernel.

    Attributes
    ----------
    inner : ConvDesc
        Of that pass, for one image.
    algorithm : Algorithm
        What computes it.
    cut : tuple of slice
        What of the signals is read: negative padding.
    """

    def __init__(self, desc, which, algorithms):
        g = desc.geometry
        axes = slice(3 - g["rank"], None)
        n, k, o, s, p = (
            np.array(g[name][axes]) for name in ("input", "kernel", "output", "stride", "before"))
        # signal, kernel, outputs, stride, dilation, padding; and how many signals and channels
        one = np.ones_like(s)
        if which == FORWARD:
            signal, kernel, outputs, stride, dilation, before = k, n, o, s, one, s * (o - 1) - p
            self.signals, channels, kernels = g["filters"], g["channels"], 1
        elif which == BACKWARD_DATA:
            signal, kernel, outputs, stride, dilation, before = k, o, n, one, s, s * (o - 1) - p
            self.signals, channels, kernels = g["channels"], g["filters"], 1
        else:
            signal, kernel, outputs, stride, dilation, before = o, n, k, one, one, k - 1 - p
            self.signals, channels, kernels = g["filters"], 1, g["channels"]
        after = stride * (outputs - 1) + dilation * (kernel - 1) + 1 - signal - before
        self.cut = tuple(slice(max(-b, 0), length - max(-a, 0)) for b, a, length in zip(
            before.tolist(), after.tolist(), signal.tolist(), strict=True))
        lengths = [c.stop - c.start for c in self.cut]
        self.inner = None
        if min(lengths) > 0:
            self.inner = describe_conv(
                geometry(desc.function, g["rank"], stride=tuple(stride.tolist()),
                         dilation=tuple(dilation.tolist()),
                         padding=tuple((max(b, 0), max(a, 0)) for b, a in zip(
                             before.tolist(), after.tolist(), strict=True))),
                (self.signals, channels, *lengths), (kernels, channels, *kernel.tolist()),
                desc.itemsize)
            fit = [a for a in algorithms if a.supports(self.inner, FORWARD) is None]
            self.algorithm = min(fit, key=lambda a: a.cost(self.inner, FORWARD).seconds)

    def correlate(self, signals, kernel, out, threads):
        """out (signals, kernels, *outputs) of arrays that lie channels first."""
        signals = signals[(slice(None), slice(None), *self.cut)]
        prepared = self.algorithm.prepare(self.inner, FORWARD, np.ascontiguousarray(kernel),
                                          threads)
        prepared.run(signals, None, None, out, threads)


def _reversed(array):
    """All spatial axes the other way round."""
    return array[(slice(None), slice(None), *(slice(None, None, -1),) * (array.ndim - 2))]


def _channels_first(desc, array):
    return np.moveaxis(array, -1, 1) if desc.geometry["channels_last"] else array


def _positions(array):
    """Images that are not all finite."""
    return [i for i, image in enumerate(array) if not np.isfinite(image).all()]


class Prepared:
    """Weights as signals."""

    def __init__(self, desc, job, backward, weight):
        self.desc, self.job, self.backward = desc, job, backward
        weight = _reversed(weight) if desc.geometry["flip"] else weight
        self.signals = weight.swapaxes(0, 1) if backward else weight

    def run(self, source, bias, residual, out, threads):
        """As `Algorithm.prepare` says."""
        source, y = _channels_first(self.desc, source), _channels_first(self.desc, out)
        refused = _positions(source)
        sums = np.empty((len(self.signals), 1, *y.shape[2:]), out.dtype)
        for i, image in enumerate(source):
            if i in refused or y.size == 0:
                continue
            kernel = image[np.newaxis]
            if self.backward:
                self.job.correlate(self.signals, _reversed(kernel), sums, threads)
                y[i] = sums[:, 0]
            else:
                self.job.correlate(self.signals, kernel, sums, threads)
                y[i] = _reversed(sums)[:, 0]
        if not self.backward:
            finish(self.desc, out, bias, residual)
        return refused


class Swapping:
    """The callables of the record, for these algorithms."""

    def __init__(self, algorithms):
        self.algorithms = algorithms

    def job(self, desc, which):
        """The description keeps it."""
        key = "swapped", which
        if key not in desc.kept:
            desc.kept[key] = Swapped(desc, which, self.algorithms)
        return desc.kept[key]

    def supports(self, desc, which):
        g = desc.geometry
        shorter, longer = {FORWARD: ("input", "kernel"), BACKWARD_DATA: ("output", "kernel"),
                           BACKWARD_WEIGHT: ("input", "output")}[which]
        if not 0 < math.prod(g[shorter]) < math.prod(g[longer]):
            return "is for kernels longer than the image"
        if g["groups"] != 1 or g["padding_mode"] != 0 or g["channels"] == 0 or g["filters"] == 0:
            return "serves one group with zeros around it"
        if any(d > 1 and k > 1 for d, k in zip(g["dilation"], g["kernel"], strict=True)):
            return "serves no dilation"
        if which == BACKWARD_WEIGHT and any(
                s > 1 and o > 1 for s, o in zip(g["stride"], g["output"], strict=True)):
            return "serves no stride in gradients of weights"
        return None if self.job(desc, which).inner is not None else "has nothing to read"

    def workspace(self, desc, which, threads):
        """That of what computes, and the signals, a kernel and what comes out."""
        job, g = self.job(desc, which), desc.geometry
        elements = (math.prod(job.inner.weight_shape()) + math.prod(job.inner.input_shape(
            job.signals)) + math.prod(job.inner.output_shape(job.signals))
            + g["filters"] * g["channels"] * math.prod(g["kernel"]))
        return job.algorithm.workspace(job.inner, FORWARD, threads) + desc.itemsize * elements

    def cost(self, desc, which):
        job = self.job(desc, which)
        parts = job.algorithm.cost(job.inner, FORWARD)
        cost = Cost(*(job.signals * seconds for seconds in parts))
        moved = math.prod(desc.weight_shape()) + math.prod(desc.output_shape(1))
        return cost._replace(start=parts.start + CALL_SECONDS,
                             gather=cost.gather + MOVED_SECONDS * moved)

    def prepare(self, desc, which, weight, threads=1):
        if not np.isfinite(weight).all():
            return None
        return Prepared(desc, self.job(desc, which), which == BACKWARD_DATA, weight)

    def weight_gradient(self, desc, grad, x, out, per_sample, threads):
        """As `Algorithm.weight_gradient` says."""
        job = self.job(desc, BACKWARD_WEIGHT)
        x, grad = _channels_first(desc, x), _channels_first(desc, grad)
        refused = sorted({*_positions(x), *_positions(grad)})
        if refused and not per_sample:
            return refused
        total = np.zeros(out.shape, np.float64 if desc.itemsize == 4 else np.longdouble)
        sums = np.empty((job.signals, x.shape[1], *desc.weight_shape()[2:]), out.dtype)
        for i, (image, gradient) in enumerate(zip(x, grad, strict=True)):
            if i in refused:
                continue
            job.correlate(gradient[:, np.newaxis], image[:, np.newaxis], sums, threads)
            result = sums if desc.geometry["flip"] else _reversed(sums)
            if per_sample:
                out[i] = result
            else:
                total += result
        if not per_sample:
            out[...] = total
        return refused


def swapped(algorithms) -> Algorithm:
    """The algorithm that has one of `algorithms` compute with the roles exchanged."""
    callables = Swapping(algorithms)
    return Algorithm(
        name="swapped", passes=PASSES, tier="highest", supports=callables.supports,
        workspace=callables.workspace, cost=callables.cost, prepare=callables.prepare,
        weight_gradient=callables.weight_gradient, scratch_grows_with_image=True,
        fails_midway=True,
    )
