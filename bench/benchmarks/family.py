"""The rest of the family: other ranks, transposed convolutions, other poolings, other dtypes."""

import numpy as np

import fastconv

from .common import THREADS

# Name -> function, shapes of its arrays, keyword arguments.
CALLS = {
    "conv1d 8x64x4096 k9": ("conv1d", [(8, 64, 4096), (64, 64, 9)], {"padding": 4}),
    "conv1d 1x1x1M k63": ("conv1d", [(1, 1, 1 << 20), (1, 1, 63)], {"padding": 31}),
    "conv1d 1x1x1M k1025": ("conv1d", [(1, 1, 1 << 20), (1, 1, 1025)], {"padding": 512}),
    "conv3d 16>32 32x56x56": ("conv3d", [(1, 16, 32, 56, 56), (32, 16, 3, 3, 3)], {"padding": 1}),
    "separable_conv2d 32>64 112 k3": (
        "separable_conv2d", [(1, 32, 112, 112), (32, 1, 3, 3), (64, 32, 1, 1)], {"padding": 1}),
    "separable_conv2d 16>16 1024 k3": (
        "separable_conv2d", [(1, 16, 1024, 1024), (16, 1, 3, 3), (16, 16, 1, 1)], {"padding": 1}),
    "conv_transpose2d 64>32 56 k4 s2": (
        "conv_transpose2d", [(1, 64, 56, 56), (64, 32, 4, 4)], {"stride": 2, "padding": 1}),
    "conv_transpose3d 16>8 16 k4 s2": (
        "conv_transpose3d", [(1, 16, 16, 16, 16), (16, 8, 4, 4, 4)], {"stride": 2, "padding": 1}),
    "min_pool2d 64x112 3x3 s2": (
        "min_pool2d", [(1, 64, 112, 112)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max_pool2d 64x112 31x31": (
        "max_pool2d", [(1, 64, 112, 112)], {"kernel_size": 31, "stride": 1, "padding": 15}),
    "max_pool3d 16x32x56x56 3 s2": (
        "max_pool3d", [(1, 16, 32, 56, 56)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    "avg_pool1d 64x65536 65": (
        "avg_pool1d", [(1, 64, 65536)], {"kernel_size": 65, "stride": 1}),
    "lp_pool2d 64x56 2x2": ("lp_pool2d", [(1, 64, 56, 56)], {"norm_type": 2, "kernel_size": 2}),
    "adaptive_avg_pool2d 512x37 7": ("adaptive_avg_pool2d", [(1, 512, 37, 37)],
                                     {"output_size": 7}),
    "global_avg_pool 1024x7": ("global_avg_pool", [(1, 1024, 7, 7)], {}),
}  # fmt: skip


class Call:
    """One call of a function."""

    param_names = ("call", "dtype", "threads")
    params = (list(CALLS), ("float32", "float64"), THREADS)

    def setup(self, call, dtype, threads):
        name, shapes, kwargs = CALLS[call]
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
        self.call = lambda: getattr(fastconv, name)(*arrays, **kwargs, num_threads=threads)

    def time_call(self, *params):
        self.call()


class Dtypes:
    """`conv2d` of a layer in every kind of arithmetic."""

    param_names = ("dtype",)
    params = (["float16", "float32", "float64", "complex64", "complex128", "int8", "int64"],)

    def setup(self, dtype):
        rng = np.random.default_rng(0)
        self.x = (3 * rng.standard_normal((1, 32, 56, 56))).astype(dtype)
        self.weight = (3 * rng.standard_normal((32, 32, 3, 3))).astype(dtype)

    def time_conv2d(self, dtype):
        fastconv.conv2d(self.x, self.weight, padding=1, num_threads=1)
