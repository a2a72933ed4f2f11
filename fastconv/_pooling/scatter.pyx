"""What goes to positions: the gradient of a maximum or minimum, and unpooling."""
cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from fastconv._core.threads cimport parallel_for, threads_for

cnp.import_array()

cdef struct Job:
    char *values
    const int64_t *where
    char *out
    Py_ssize_t size                        # bytes of an element
    Py_ssize_t channels, values_of, out_of  # elements of a plane
    bint channels_last, adds
    Py_ssize_t outside

ctypedef fused element_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    float
    double


def scatter(str function, cnp.ndarray values, cnp.ndarray where, cnp.ndarray out,
            Py_ssize_t channels, bint channels_last, bint adds, num_threads):
    """Put each element of `values` into its plane of `out`, at its flat position.

    All are C-contiguous with a batch axis; positions have been validated. Elements of equal
    position are added up, or with adds=False the last in row-major order stays. Returns False if
    a position was outside all the same (another thread wrote to the array): it was left out.
    """
    cdef Job job
    cdef Py_ssize_t planes = cnp.PyArray_DIM(out, 0) * channels
    cdef double work = 8.0 * (cnp.PyArray_SIZE(out) + cnp.PyArray_SIZE(values))
    cdef int threads = threads_for(function, num_threads, work)
    memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(values) == 0:
        return True
    job.values = cnp.PyArray_BYTES(values)
    job.where = <const int64_t *>cnp.PyArray_BYTES(where)
    job.out = cnp.PyArray_BYTES(out)
    job.size = cnp.PyArray_ITEMSIZE(out)
    job.channels = channels
    job.values_of = cnp.PyArray_SIZE(values) // planes
    job.out_of = cnp.PyArray_SIZE(out) // planes
    job.channels_last = channels_last
    job.adds = adds
    job.outside = 0
    parallel_for(plane, &job, planes, threads, work)
    return job.outside == 0


cdef void plane(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    if job.adds:
        if job.size == 4:
            put(job, task, <float *>NULL)
        else:
            put(job, task, <double *>NULL)
    elif job.size == 1:
        put(job, task, <uint8_t *>NULL)
    elif job.size == 2:
        put(job, task, <uint16_t *>NULL)
    elif job.size == 4:
        put(job, task, <uint32_t *>NULL)
    else:
        put(job, task, <uint64_t *>NULL)


cdef void put(Job *job, Py_ssize_t task, element_t *kind) noexcept nogil:
    cdef Py_ssize_t i, step = 1, value_at = task * job.values_of, out_at = task * job.out_of
    cdef const element_t *values
    cdef element_t *out
    cdef int64_t place
    if job.channels_last:
        step = job.channels
        value_at = task // step * job.values_of * step + task % step
        out_at = task // step * job.out_of * step + task % step
    values = <const element_t *>job.values
    out = <element_t *>job.out
    for i in range(job.values_of):
        place = job.where[value_at + i * step]
        if 0 <= place < job.out_of:
            if element_t is float or element_t is double:
                out[out_at + place * step] += values[value_at + i * step]
            else:
                out[out_at + place * step] = values[value_at + i * step]
        else:
            job.outside = 1
