"""Peak memory of a process that computes one layer: arrays, results and scratch."""

from fastconv._select import ALGORITHMS

from .common import THREADS, Layer
from .conv import runs_for_seconds

# Large images and volumes: where scratch that grew with them would show.
CONVS = ("vgg16.conv1_2", "deeplab.conv1", "image.1024.31x31", "signal.1M.k63",
         "volume.16_32x56x56")  # fmt: skip
POOLS = ("vgg16.pool1", "c3d.pool1")


class Conv(Layer):
    """`conv`, by every algorithm."""

    param_names = ("layer", "method", "threads")
    params = (CONVS, [a.name for a in ALGORITHMS], THREADS)

    def setup(self, layer, method, threads):
        if runs_for_seconds(layer, method):
            raise NotImplementedError("takes too long")
        self.prepare(layer, "float32", threads, method=method)

    def peakmem_call(self, *params):
        self.call()


class Pool(Layer):
    """`max_pool`."""

    param_names = ("layer", "threads")
    params = (POOLS, THREADS)

    def setup(self, layer, threads):
        self.prepare(layer, "float32", threads)

    def peakmem_call(self, *params):
        self.call()
