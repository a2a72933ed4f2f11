"""Runs of what this machine can do at best: multiply-adds, and a pass over memory.

`_bench.peaks` times them.
"""
from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

cimport numpy as cnp

cdef struct Job:
    const fc_kernels *kernels
    Py_ssize_t rounds            # of multiply-adds
    Py_ssize_t elements          # of a task of the triad
    char *a
    char *b
    char *c
    double flops                 # of a task, as the kernel counts them


def multiply_adds(int itemsize, Py_ssize_t rounds, int threads):
    """Multiply and add in registers, `rounds` times on each thread; returns the operations."""
    cdef Job job
    job.kernels = kernels_for(itemsize)
    job.rounds = rounds
    parallel_for(multiply_add_task, &job, threads, threads, 0.0)
    return threads * job.flops


def triad(cnp.ndarray a, cnp.ndarray b, cnp.ndarray c, Py_ssize_t tasks, int threads):
    """a = b + 3 c, of float32 arrays that `tasks` divides."""
    cdef Job job
    job.kernels = kernels_for(4)
    job.elements = cnp.PyArray_SIZE(a) // tasks
    job.a, job.b, job.c = cnp.PyArray_BYTES(a), cnp.PyArray_BYTES(b), cnp.PyArray_BYTES(c)
    parallel_for(triad_task, &job, tasks, threads, 0.0)


cdef void multiply_add_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    job.flops = job.kernels.peak(job.rounds)


cdef void triad_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef Py_ssize_t start = task * job.elements * 4
    job.kernels.triad(job.elements, 3.0, job.b + start, job.c + start, job.a + start)
