"""The filters of `fastconv.ndimage`: images and volumes, every function, the dtypes of images."""

import numpy as np

from fastconv import ndimage
from fastconv._bench.filters import DTYPES, combine

from .common import THREADS

CASES = {case.filter.name + " " + "x".join(map(str, case.shape)): case
         for case in combine(dtypes=("float32",))}  # fmt: skip


class Filter:
    """One call of one filter."""

    param_names = ("filter", "dtype", "threads")
    params = (list(CASES), DTYPES, THREADS)
    warmup_time = 0.02
    sample_time = 0.02
    repeat = (3, 10, 0.5)
    rounds = 2

    def setup(self, name, dtype, threads):
        case = CASES[name]
        x = (200 * np.random.default_rng(0).random(case.shape)).astype(dtype)
        function = getattr(ndimage, case.filter.function)
        self.call = lambda: function(x, *case.filter.args, num_threads=threads)

    def time_call(self, *params):
        self.call()


class Scratch:
    """Of a process that filters one large image: image, result and scratch."""

    param_names = ("function", "threads")
    params = (["gaussian_filter", "uniform_filter", "maximum_filter", "sobel"], THREADS)

    def setup(self, function, threads):
        x = np.ones((4096, 4096), np.float32)
        args = () if function == "sobel" else (5,)
        self.call = lambda: getattr(ndimage, function)(x, *args, num_threads=threads)

    def peakmem_call(self, *params):
        self.call()
