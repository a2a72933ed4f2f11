"""What this machine can do at best, measured: multiply-adds and memory bandwidth."""
import functools
import time

from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

import numpy as np

cimport numpy as cnp

cnp.import_array()

cdef struct Job:
    const fc_kernels *k
    Py_ssize_t rounds
    Py_ssize_t n
    char *a
    char *b
    char *c
    Py_ssize_t itemsize
    double flops


cdef void run_peak(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    job.flops = job.k.peak(job.rounds)


cdef void run_triad(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef Py_ssize_t start = task * job.n * job.itemsize
    job.k.triad(job.n, 3.0, job.b + start, job.c + start, job.a + start)


def fma_gflops(dtype="float32", int threads=1, double seconds=0.05):
    """Multiply-adds from registers: the best of several short runs, in GFLOP/s."""
    cdef Job job
    job.k = kernels_for(np.dtype(dtype).itemsize)
    job.rounds = 100_000
    best = 0.0
    end = time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        start = time.perf_counter()
        parallel_for(run_peak, &job, threads, threads, 0.0)
        best = max(best, threads * job.flops / (time.perf_counter() - start))
    return best * 1e-9


@functools.lru_cache(maxsize=1)
def _triad_arrays(Py_ssize_t n):
    """Kept, because the first touch of their pages takes longer than a measurement."""
    return tuple(np.ones(n, np.float32) for _ in range(3))


def triad_gbs(int threads=1, double seconds=0.2, Py_ssize_t megabytes=64):
    """a = b + s * c on arrays past the caches: the best of several runs, in GB/s."""
    cdef Job job
    cdef Py_ssize_t tasks = 8 * threads
    job.k = kernels_for(4)
    job.itemsize = 4
    job.n = megabytes * (1 << 20) // 4 // tasks
    a, b, c = _triad_arrays(job.n * tasks)
    job.a = cnp.PyArray_BYTES(a)
    job.b = cnp.PyArray_BYTES(b)
    job.c = cnp.PyArray_BYTES(c)
    best = 0.0
    end = time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        start = time.perf_counter()
        parallel_for(run_triad, &job, tasks, threads, 0.0)
        best = max(best, 12.0 * job.n * tasks / (time.perf_counter() - start))
    return best * 1e-9
