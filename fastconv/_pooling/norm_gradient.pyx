"""The gradient of norm pooling: dy/dx = sign(x) (|x| / y)^(p - 1), where y is not zero.

As a quotient it neither overflows nor underflows before the result does. Each gradient goes to all
elements of its window, which overlap: so threads share planes (channels first) or images.
"""
cimport numpy as cnp
from libc.math cimport fabs, pow
from libc.string cimport memset

from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.types cimport real_t
from fastconv._desc.pool cimport PoolDesc, pool_axis, span, window

cnp.import_array()

cdef struct Job:
    const pool_axis *axis
    double p
    Py_ssize_t inner, inputs, outputs   # channels inside, elements of a plane or image
    char *grad
    char *x
    char *y
    char *out
    Py_ssize_t size


def spread_norm(PoolDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out,
                double p, num_threads):
    """The gradient of x, where y is the norm pooling of x and `grad` its gradient.

    All are C-contiguous, of the same dtype, and have a batch axis; p is finite.
    """
    cdef Job job
    cdef double work = 8 * cnp.PyArray_SIZE(grad)
    cdef Py_ssize_t planes
    cdef int threads, i
    memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(grad) == 0:
        return
    job.axis = desc.g.axis
    for i in range(3):
        work *= desc.g.axis[i].kernel
    threads = threads_for(desc.function, num_threads, work)
    job.p = p
    job.inner = desc.g.channels if desc.g.channels_last else 1
    planes = desc.batch * (1 if desc.g.channels_last else desc.g.channels)
    job.inputs = cnp.PyArray_SIZE(x) // planes
    job.outputs = cnp.PyArray_SIZE(y) // planes
    job.grad = cnp.PyArray_BYTES(grad)
    job.x = cnp.PyArray_BYTES(x)
    job.y = cnp.PyArray_BYTES(y)
    job.out = cnp.PyArray_BYTES(out)
    job.size = cnp.PyArray_ITEMSIZE(x)
    parallel_for(plane, &job, planes, threads, work)


cdef void plane(void *context, Py_ssize_t task, int thread) noexcept nogil:
    if (<Job *>context).size == 4:
        spread(<Job *>context, task, <float *>NULL)
    else:
        spread(<Job *>context, task, <double *>NULL)


cdef void spread(const Job *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    cdef const pool_axis *a = job.axis
    cdef const real_t *grad = (<const real_t *>job.grad) + task * job.outputs
    cdef const real_t *y = (<const real_t *>job.y) + task * job.outputs
    cdef const real_t *x = (<const real_t *>job.x) + task * job.inputs
    cdef real_t *out = (<real_t *>job.out) + task * job.inputs
    cdef Py_ssize_t o0, o1, o2, t0, t1, t2, c, at = 0, i
    cdef span s0, s1, s2
    for o0 in range(a[0].outputs):
        s0 = window(&a[0], o0)
        for o1 in range(a[1].outputs):
            s1 = window(&a[1], o1)
            for o2 in range(a[2].outputs):
                s2 = window(&a[2], o2)
                for c in range(job.inner):
                    if y[at] != 0:
                        for t0 in range(s0.taps):
                            for t1 in range(s1.taps):
                                i = (((s0.first + t0 * s0.step) * a[1].length
                                      + s1.first + t1 * s1.step) * a[2].length
                                     + s2.first) * job.inner + c
                                for t2 in range(s2.taps):
                                    out[i] += <real_t>(
                                        grad[at] * slope(job.p, x[i], y[at]))
                                    i += s2.step * job.inner
                    at += 1


cdef inline double slope(double p, double x, double y) noexcept nogil:
    """The derivative of the norm y by its term x."""
    if x == 0:
        return 0
    if p == 2:
        return x / y
    if p == 1:
        return x if x != x else (1 if x > 0 else -1)
    return (1 if x > 0 else -1) * pow(fabs(x) / y, p - 1)
