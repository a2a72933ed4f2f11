"""Convolutions: every algorithm of the registry on every named layer, and the automatic choice.

asv starts a process for every combination of parameters, which takes longer than most calls: not
every suite has every dtype and number of threads.
"""

import fastconv
from fastconv._bench.cases import LAYERS
from fastconv._bench.peers import FastconvPlan
from fastconv._select import ALGORITHMS

from .common import CONVS, DTYPES, THREADS, Layer

METHODS = [a.name for a in ALGORITHMS]
# Operations over estimated efficiency beyond which a call would take about a second: fallbacks that
# exist to need no memory are not worth that wait on the largest layers.
MOST_WORK = 5e10


def explained(layer, method, **options):
    """What `explain` says of one algorithm."""
    shape = LAYERS[layer]
    rows = fastconv.explain(shape.input_shape(), shape.weight_shape, **shape.kwargs(), **options)
    return next(row for row in rows if row["method"] == method)


def takes_long(layer, method, **options):
    """Whether an algorithm's estimate says so."""
    row = explained(layer, method, **options)
    return row["flops"] > MOST_WORK * row["estimated_efficiency"]


class _Method(Layer):
    param_names = ("layer", "method")
    params = (CONVS, METHODS)

    def setup(self, layer, method):
        if takes_long(layer, method, which=self.operation):
            raise NotImplementedError("takes too long")
        self.prepare(layer, "float32", 1, method=method)

    def time_call(self, *params):
        self.call()


class Forward(_Method):
    """`conv`, by every algorithm."""


class BackwardData(_Method):
    """`conv_backward_data`, by every algorithm."""

    operation = "backward_data"


class BackwardWeight(_Method):
    """`conv_backward_weight`, by every algorithm."""

    operation = "backward_weight"


class Planned(Layer):
    """A plan made by `plan_conv`, with `out`."""

    contender = FastconvPlan
    param_names = ("layer", "dtype", "threads")
    params = (CONVS, DTYPES, THREADS)

    def setup(self, layer, dtype, threads):
        self.prepare(layer, dtype, threads)

    def time_call(self, *params):
        self.call()


class Automatic(Layer):
    """The automatic choice, on batches and in both layouts."""

    param_names = ("layer", "data_format", "batch", "threads")
    params = (CONVS, ("channels_first", "channels_last"), (1, 8), THREADS)

    def setup(self, layer, data_format, batch, threads):
        if batch not in LAYERS[layer].batches:
            raise NotImplementedError("no batch size of this layer")
        self.prepare(layer, "float32", threads, batch, data_format=data_format)

    def time_call(self, *params):
        self.call()


class Gradient(Layer):
    """The automatic choice for gradients."""

    param_names = ("operation", "layer", "dtype", "threads")
    params = (("backward_data", "backward_weight"), CONVS, DTYPES, THREADS)

    def setup(self, operation, layer, dtype, threads):
        self.operation = operation
        self.prepare(layer, dtype, threads)

    def time_call(self, *params):
        self.call()
