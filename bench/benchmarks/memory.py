"""Memory: it must not grow with the image."""

from .common import THREADS, Layer
from .conv import METHODS, explained, takes_long

# Large images and volumes: where scratch that grew with them would show.
CONVS = ("vgg16.conv1_2", "deeplab.conv1", "image.1024.31x31", "signal.1M.k63",
         "volume.16_32x56x56")  # fmt: skip
POOLS = ("vgg16.pool1", "c3d.pool1")


class Conv(Layer):
    """Of a process that computes one layer: arrays, result and scratch."""

    param_names = ("layer", "method", "threads")
    params = (CONVS, METHODS, THREADS)

    def setup(self, layer, method, threads):
        if takes_long(layer, method):
            raise NotImplementedError("takes too long")
        self.prepare(layer, "float32", threads, method=method)

    def peakmem_call(self, *params):
        self.call()


class Workspace:
    """Scratch as `explain` tells it."""

    param_names = ("layer", "method", "threads")
    params = (CONVS, METHODS, THREADS)
    unit = "bytes"

    def track_bytes(self, layer, method, threads):
        return explained(layer, method, num_threads=threads)["workspace_bytes"]


class Pool(Layer):
    """Of a process that computes one pooling."""

    param_names = ("layer", "threads")
    params = (POOLS, THREADS)

    def setup(self, layer, threads):
        self.prepare(layer, "float32", threads)

    def peakmem_call(self, *params):
        self.call()
