"""Integers of 8 and 16 bits: convolutions and quantised layers on named layers, beside float32."""

import numpy as np

import fastconv
from fastconv._bench.cases import LAYERS

from .common import CONVS, THREADS


class _Integers:
    """Time one call on a named layer, its numbers of the whole range of their dtypes."""

    warmup_time = 0.05
    sample_time = 0.02
    repeat = (3, 10, 0.5)
    rounds = 2

    def draw(self, layer, x_dtype, weight_dtype):
        self.options = LAYERS[layer].kwargs()
        rng = np.random.default_rng(0)
        self.x, self.weight = (
            rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
            for dtype, shape in ((x_dtype, LAYERS[layer].input_shape()),
                                 (weight_dtype, LAYERS[layer].weight_shape))
        )  # fmt: skip

    def time_call(self, *params):
        self.call()


class Exact(_Integers):
    """`conv`, with results in int64."""

    param_names = ("layer", "dtypes", "threads")
    params = (CONVS, ("uint8 int8", "int16 int16", "uint8 float32"), THREADS)

    def setup(self, layer, dtypes, threads):
        if dtypes == "uint8 float32":  # what the same takes when it is converted by hand
            self.draw(layer, np.uint8, np.int8)
            x, weight = self.x.astype(np.float32), self.weight.astype(np.float32)
        else:
            self.draw(layer, *map(np.dtype, dtypes.split()))
            x, weight = self.x, self.weight
        self.call = lambda: fastconv.conv(x, weight, **self.options, num_threads=threads)
        self.call()


class Quantised(_Integers):
    """A plan of `plan_qconv`, with `out`: uint8 by int8, a scale for each filter, relu."""

    param_names = ("layer", "data_format", "threads")
    params = (CONVS, ("channels_first", "channels_last"), THREADS)

    def setup(self, layer, data_format, threads):
        self.draw(layer, np.uint8, np.int8)
        x = self.x
        if data_format == "channels_last":
            x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        plan = fastconv.plan_qconv(
            x.shape, self.weight, np.zeros(len(self.weight), np.int32), **self.options,
            x_zero_point=128, scale=np.full(len(self.weight), 1e-3), y_zero_point=128,
            activation="relu", data_format=data_format, num_threads=threads)  # fmt: skip
        out = plan(x)
        self.call = lambda: plan(x, out=out)
