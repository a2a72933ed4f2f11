"""The limits of the machine, measured next to what they limit."""

import functools
import time
from dataclasses import dataclass

import numpy as np

from fastconv._core import peak

# The best bandwidth so far by number of threads. It does not change with the clock, and a single
# measurement halves when another process has one of the cores for a moment.
_gbs: dict[int, float] = {}


@dataclass
class Roof:
    """What can be had at most, each the best seen.

    Attributes
    ----------
    gflops : float
        Multiply-adds from registers.
    gbs : float
        Bandwidth of main memory.
    copy : float
        Bandwidth of `np.copyto`, on one thread, where it moves as many bytes as a pooling does;
        0 for what is no pooling.
    """

    dtype: str
    threads: int
    gflops: float = 0.0
    gbs: float = 0.0
    copy: float = 0.0

    def sample(self, case):
        """Measure once more, some 40 ms long; longer for threads that may still be asleep."""
        seconds = 0.01 if self.threads == 1 else 0.05
        self.gflops = max(self.gflops, fma_gflops(self.dtype, self.threads, seconds))
        best = max(_gbs.get(self.threads, 0.0), triad_gbs(self.threads, 0.02))
        self.gbs = _gbs[self.threads] = best
        if case.pools:
            self.copy = max(self.copy, copy_gbs(case.bytes))

    def attainable(self, case):
        """Return the most GFLOP/s that `case` can reach, and what bounds it.

        The bandwidth is that of main memory: a layer that fits into the caches may pass this roof.
        """
        # A comparison or an addition fills a lane as a multiply-add does, and counts half.
        compute = self.gflops / 2 if case.pools else self.gflops
        memory = case.flops / case.bytes * self.gbs
        return (compute, "compute") if compute <= memory else (memory, "memory")


def fma_gflops(dtype="float32", threads=1, seconds=0.05):
    """Multiply-adds from registers: the best of several short runs, in GFLOP/s."""
    itemsize = np.dtype(dtype).itemsize
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        start = time.perf_counter()
        flops = peak.multiply_adds(itemsize, 100_000, threads)
        best = max(best, flops / (time.perf_counter() - start))
    return best * 1e-9


def triad_gbs(threads=1, seconds=0.2, megabytes=64):
    """a = b + 3 c on arrays past the caches: the best of several runs, in GB/s."""
    tasks = 8 * threads
    arrays = _triad_arrays((megabytes << 20) // 4 // tasks * tasks)
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        start = time.perf_counter()
        peak.triad(*arrays, tasks, threads)
        best = max(best, 3 * arrays[0].nbytes / (time.perf_counter() - start))
    return best * 1e-9


@functools.lru_cache(maxsize=1)
def _triad_arrays(n):
    """Kept, because the first touch of their pages takes longer than a measurement."""
    return tuple(np.ones(n, np.float32) for _ in range(3))


def copy_gbs(moved, seconds=0.01):
    """Bandwidth of a plain copy that reads and writes `moved` bytes in all, in GB/s."""
    source, target = (np.ones(moved // 2, np.uint8) for _ in range(2))
    best, end = np.inf, time.perf_counter() + seconds
    while best == np.inf or time.perf_counter() < end:
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return 2e-9 * source.size / best
