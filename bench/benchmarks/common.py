"""What the suites share."""

import os

import fastconv
from fastconv._bench.cases import LAYERS, Case, select
from fastconv._bench.peers import Fastconv
from fastconv.testing.shapes import ConvShape, PoolShape

THREADS = sorted({1, fastconv.get_num_threads()})
DTYPES = ("float32", "float64")


def layers(kind, default):
    """Names of the layers of one kind: those of FASTCONV_BENCH_LAYERS, or of `default`."""
    patterns = os.environ.get("FASTCONV_BENCH_LAYERS", default).split(",")
    return [layer.name for layer in select(patterns) if isinstance(layer, kind)]


CONVS = layers(ConvShape, "performance,image,signal,volume")
POOLS = layers(PoolShape, "pools,alexnet,googlenet.pool5,googlenet.inception_3a.pool")


class Layer:
    """Time one call of one layer. The last four parameters are always these."""

    contender = Fastconv
    operation = "forward"
    warmup_time = 0.05
    sample_time = 0.02
    repeat = (3, 10, 0.5)
    rounds = 2

    def prepare(self, layer, dtype, threads, batch=1, **form):
        """Make `self.call`; what fastconv refuses is reported as not applicable."""
        self.case = Case(LAYERS[layer], self.operation, dtype, batch, threads)
        contender = self.contender(**form)
        try:
            if reason := contender.refuses(self.case):
                raise ValueError(reason)
            self.call, _ = contender.prepare(self.case)
            self.call()
        except ValueError as refusal:
            raise NotImplementedError(str(refusal)) from None
