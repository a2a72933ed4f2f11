"""Poolings, forward and backward."""

from .common import DTYPES, POOLS, THREADS, Layer


class Forward(Layer):
    """`max_pool2d` and `avg_pool2d`."""

    param_names = ("layer", "data_format", "dtype", "threads")
    params = (POOLS, ("channels_first", "channels_last"), DTYPES, THREADS)

    def setup(self, layer, data_format, dtype, threads):
        self.prepare(layer, dtype, threads, data_format=data_format)

    def time_call(self, *params):
        self.call()


class Backward(Forward):
    """`max_pool2d_backward` and `avg_pool2d_backward`."""

    operation = "backward_data"

    def time_call(self, *params):
        self.call()
