"""Crop kernels: taps that meet padding alone, whatever the output, are left out.

An image smaller than half the kernel's padding never meets the kernel's first taps, or its last:
small maps at the end of a network, short signals, volumes of few planes. Without those taps it is
the same convolution with a smaller kernel and less padding, for any algorithm.

Sums of products lose zeros alone, so that the promise is that of the algorithm that computes them;
but where the kernel ends does depend on the image, and with it how the sums are blocked.
"""

import numpy as np

from fastconv._algorithms.record import BACKWARD_WEIGHT, FORWARD, PASSES, Algorithm
from fastconv._core.finite import finite

COPIED_SECONDS = 0.5e-9  # a weight; fitted by hand
CALL_SECONDS = 2e-6


def _met(g, a):
    """The first tap along an axis that meets the image, and how many do; all in between may."""
    kernel, length, outputs = g["kernel"][a], g["input"][a], g["output"][a]
    before, after = g["before"][a], g["after"][a]
    if before == after == 0:
        return 0, kernel
    stride, dilation = g["stride"][a], g["dilation"][a]

    def meets(tap):
        place = tap * dilation - before  # that it reads for output 0
        return max(0, -(place // stride)) <= min(outputs - 1, (length - 1 - place) // stride)

    if meets(0) and meets(kernel - 1):
        return 0, kernel
    taps = np.arange(kernel) * dilation - before
    inside = np.flatnonzero(np.maximum(0, -(taps // stride)) <= np.minimum(
        outputs - 1, (length - 1 - taps) // stride))
    if len(inside) == 0:
        return 0, kernel
    # padding that is left must not be negative
    first = min(int(inside[0]), before // dilation)
    last = max(int(inside[-1]), kernel - 1 - after // dilation)
    return first, last + 1 - first


class Cropped:
    """A description with the taps that are left.

    Attributes
    ----------
    inner : ConvDesc or None
        The same convolution by those taps, if there are others.
    judged : ConvDesc
        The same for a call, if `inner` is for a plan: plans and calls take the same algorithm.
    place : tuple of slice
        Where weights have them.
    """

    def __init__(self, desc, g):
        met = [_met(g, a) for a in range(3)]
        self.inner = None
        if all(count == k for (_, count), k in zip(met, g["kernel"], strict=True)):
            return  # nearly always, and for every new shape
        self.inner = self.judged = desc.of_taps(met)
        if desc.planned:
            self.judged = desc.of_taps(met)
            self.judged.planned = False
        places = [slice(first, first + count) for first, count in met]
        if g["flip"]:
            places = [slice(k - p.stop, k - p.start)
                      for p, k in zip(places, g["kernel"], strict=True)]
        self.place = (..., *places[3 - g["rank"]:])


class Cropping:
    """The callables of the record, for these algorithms."""

    def __init__(self, algorithms):
        self.algorithms = algorithms

    def job(self, desc, g=None):
        """The description keeps it; g: its geometry, if that is at hand."""
        job = desc.kept.get("cropped")
        if job is None:
            job = desc.kept["cropped"] = Cropped(desc, g or desc.geometry)
        return job

    def algorithm(self, desc, which):
        """The fastest for what is left."""
        key = "cropped", which
        if key not in desc.kept:
            judged = self.job(desc).judged
            fit = [a for a in self.algorithms if a.supports(judged, which) is None]
            desc.kept[key] = min(fit, key=lambda a: a.cost(judged, which).seconds)
        return desc.kept[key]

    def supports(self, desc, which):
        g = desc.geometry
        if g["padding_mode"] != 0 or g["channels"] == 0 or g["filters"] == 0 or 0 in g["input"]:
            return "serves zeros around an image"
        if self.job(desc, g).inner is None:
            return "is for kernels with taps that meet no image"
        return None

    def workspace(self, desc, which, threads):
        """That of what computes, and the weights, or their gradient, that are left."""
        inner = self.job(desc).inner
        return (self.algorithm(desc, which).workspace(inner, which, threads)
                + desc.itemsize * int(np.prod(inner.weight_shape())))

    def cost(self, desc, which):
        inner = self.job(desc).inner
        cost = self.algorithm(desc, which).cost(inner, which)
        weights = int(np.prod(inner.weight_shape()))
        copied = 0 if desc.planned and which != BACKWARD_WEIGHT else COPIED_SECONDS * weights
        return cost._replace(start=cost.start + CALL_SECONDS * (not desc.planned),
                             transform=cost.transform + copied)

    def prepare(self, desc, which, weight, threads=1):
        # the taps that are left out would meet zeros: not where they are infinite
        if which == FORWARD and not finite(weight, threads):
            return None
        job = self.job(desc)
        return self.algorithm(desc, which).prepare(
            job.inner, which, np.ascontiguousarray(weight[job.place]), threads)

    def weight_gradient(self, desc, grad, x, out, per_sample, threads):
        """As `Algorithm.weight_gradient` says."""
        if not finite(grad, threads):
            return list(range(len(grad)))
        job = self.job(desc)
        part = np.empty((*out.shape[:out.ndim - len(desc.weight_shape())],
                         *job.inner.weight_shape()), out.dtype)
        self.algorithm(desc, BACKWARD_WEIGHT).weight_gradient(
            job.inner, grad, x, part, per_sample, threads)
        out[...] = 0
        out[job.place] = part
        return None


def cropped(algorithms) -> Algorithm:
    """The algorithm that has one of `algorithms`, which refuse no values, compute what is left."""
    callables = Cropping(algorithms)
    return Algorithm(
        name="cropped", passes=PASSES, tier="highest", supports=callables.supports,
        workspace=callables.workspace, cost=callables.cost, prepare=callables.prepare,
        weight_gradient=callables.weight_gradient,
    )
