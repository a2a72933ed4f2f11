"""The two limits of the machine, measured next to what they limit."""

from dataclasses import dataclass

from fastconv._core import peak


@dataclass
class Roof:
    """Multiply-adds from registers and the bandwidth of main memory, each the best seen."""

    dtype: str
    threads: int
    gflops: float = 0.0
    gbs: float = 0.0

    def sample_gflops(self, seconds=0.01):
        """Measure the multiply-adds once more."""
        self.gflops = max(self.gflops, peak.fma_gflops(self.dtype, self.threads, seconds))

    def sample_gbs(self, seconds=0.05):
        """Measure the bandwidth once more."""
        self.gbs = max(self.gbs, peak.triad_gbs(self.threads, seconds))

    def attainable(self, case):
        """Return the most GFLOP/s that `case` can reach, and what bounds it.

        The bandwidth is that of main memory: a layer that fits into the caches may pass this roof.
        """
        # A comparison or an addition fills a lane as a multiply-add does, and counts half.
        compute = self.gflops / 2 if case.pools else self.gflops
        memory = case.flops / case.bytes * self.gbs
        return (compute, "compute") if compute <= memory else (memory, "memory")
