"""Convolutions: every algorithm of the registry on every named layer."""

import fastconv
from fastconv._bench.cases import LAYERS
from fastconv._bench.peers import FastconvPlan
from fastconv._select import ALGORITHMS

from .common import CONVS, DTYPES, THREADS, Layer

# Operations over estimated efficiency beyond which a call would take about a second: fallbacks that
# exist to need no memory are not worth that wait on the largest layers.
MOST_WORK = 5e10


def explained(layer, method, **options):
    """What `explain` says of one algorithm."""
    shape = LAYERS[layer]
    rows = fastconv.explain(shape.input_shape(), shape.weight_shape, **shape.kwargs(), **options)
    return next(row for row in rows if row["method"] == method)


def runs_for_seconds(layer, method, **options):
    """Whether an algorithm's estimate says so."""
    row = explained(layer, method, **options)
    return row["flops"] > MOST_WORK * row["estimated_efficiency"]


class _Conv(Layer):
    param_names = ("layer", "method", "dtype", "threads")
    params = (CONVS, [a.name for a in ALGORITHMS], DTYPES, THREADS)

    def setup(self, layer, method, dtype, threads):
        if runs_for_seconds(layer, method, dtype=dtype, which=self.operation):
            raise NotImplementedError("takes too long")
        self.prepare(layer, dtype, threads, method=method)


class Forward(_Conv):
    """`conv2d`."""

    def time_call(self, *params):
        self.call()


class Planned(_Conv):
    """A plan made by `plan_conv`, with `out`."""

    contender = FastconvPlan

    def time_call(self, *params):
        self.call()


class BackwardData(_Conv):
    """`conv2d_backward_data`."""

    operation = "backward_data"

    def time_call(self, *params):
        self.call()


class BackwardWeight(_Conv):
    """`conv2d_backward_weight`."""

    operation = "backward_weight"

    def time_call(self, *params):
        self.call()


class Automatic(Layer):
    """The automatic choice, on batches and in both layouts."""

    param_names = ("layer", "data_format", "batch", "threads")
    params = (CONVS, ("channels_first", "channels_last"), (1, 8), THREADS)

    def setup(self, layer, data_format, batch, threads):
        self.prepare(layer, "float32", threads, batch, data_format=data_format)

    def time_call(self, *params):
        self.call()


class Workspace:
    """Scratch memory: it must not grow with the image."""

    param_names = ("layer", "method", "threads")
    params = (CONVS, [a.name for a in ALGORITHMS], THREADS)
    unit = "bytes"

    def track_bytes(self, layer, method, threads):
        return explained(layer, method, num_threads=threads)["workspace_bytes"]
