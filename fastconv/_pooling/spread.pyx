"""The way back of averages whose windows are apart: every element is in one window or in none.

Then nothing is added up. A row is spread once for each row of windows, and copied to the others
that meet the same.
"""
import numpy as np

cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.types cimport real_t
from fastconv._desc.pool cimport REGULAR, PoolDesc, counted, pool_axis

cnp.import_array()

cdef enum:
    COPIED = 1024  # elements at once of one value

cdef struct Job:
    const char *share        # of each window's elements
    char *out
    Py_ssize_t itemsize, inner   # `inner` elements side by side have the same windows
    Py_ssize_t length[AXES]
    Py_ssize_t outputs[AXES]
    const Py_ssize_t *window[AXES]   # of each position along the axis; -1: none
    bint one                         # window along the last axis, of all its positions


cdef bint are_apart(PoolDesc desc) noexcept:
    """Whether no element is in two windows."""
    cdef const pool_axis *a
    cdef int i
    for i in range(AXES):
        a = &desc.g.axis[i]
        if a.kind == REGULAR:
            if a.outputs > 1 and (a.stride < a.kernel or (a.dilation > 1 and a.kernel > 1)):
                return False
            if a.outputs == 1 and a.dilation > 1 and a.kernel > 1:
                return False
        elif a.outputs == 0 or a.length % a.outputs:
            return False
    return True


cdef cnp.ndarray windows_along(const pool_axis *a):
    """The window of each position, or -1."""
    cdef Py_ssize_t stride = a.stride, kernel = a.kernel, before = a.before
    if a.kind != REGULAR:
        stride = kernel = a.length // a.outputs
        before = 0
    if a.outputs == 1:
        stride = kernel
    place = np.arange(a.length, dtype=np.intp) + before
    window = place // stride
    window[(place - window * stride >= kernel) | (window >= a.outputs)] = -1
    return window


cdef list joined(list windows, list lengths, list outputs):
    """The same, where a last axis that is one window joins the one before, if that is one too.

    `lengths` and `outputs` change along.
    """
    while one_window(windows[2], outputs[2]) and one_window(windows[1], outputs[1]) and (
            lengths[1] > 1):
        windows = [np.zeros(1, np.intp), windows[0], windows[2]]
        lengths[:] = 1, lengths[0], lengths[1] * lengths[2]
        outputs[:] = 1, outputs[0], 1
    return windows


cdef bint one_window(cnp.ndarray window, Py_ssize_t outputs) except -1:
    return outputs == 1 and not window.any()


cdef cnp.ndarray shares(PoolDesc desc, cnp.ndarray grad, bint count_padding, double divisor):
    """Gradients over what their windows count."""
    cdef int i
    cdef Py_ssize_t o
    if divisor != 0:
        return np.divide(grad, grad.dtype.type(divisor))
    counts = np.ones((1, 1, 1))
    for i in range(AXES):
        along = [counted(&desc.g.axis[i], o, count_padding)
                 for o in range(desc.g.axis[i].outputs)]
        counts = counts * np.array(along, float).reshape([-1 if a == i else 1
                                                          for a in range(AXES)])
    counts = counts.astype(grad.dtype)
    shape = counts.shape + ((1,) if desc.g.channels_last else ())
    spatial = grad.reshape((-1, *counts.shape) + (
        (desc.g.channels,) if desc.g.channels_last else ()))
    return np.divide(spatial, counts.reshape(shape))


cdef int spread(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                double divisor, num_threads) except -1:
    """out = each element's window's gradient over its divisor, or zero."""
    cdef Job job
    cdef cnp.ndarray share = shares(desc, grad, count_padding, divisor), window
    cdef double work = desc.work()
    cdef int i
    cdef list outputs = [desc.g.axis[i].outputs for i in range(AXES)]
    cdef list lengths = [desc.g.axis[i].length for i in range(AXES)]
    cdef list windows = joined([windows_along(&desc.g.axis[i]) for i in range(AXES)], lengths,
                               outputs)
    for i in range(AXES):
        window = windows[i]
        job.window[i] = <const Py_ssize_t *>cnp.PyArray_DATA(window)
        job.length[i], job.outputs[i] = lengths[i], outputs[i]
    job.one = one_window(windows[AXES - 1], outputs[AXES - 1])
    job.inner = desc.g.channels if desc.g.channels_last else 1
    job.itemsize = cnp.PyArray_ITEMSIZE(out)
    job.share, job.out = cnp.PyArray_BYTES(share), cnp.PyArray_BYTES(out)
    return parallel_for(spread_task, &job, desc.batch * desc.g.channels // job.inner,
                        threads_for(desc.function, num_threads, work), work)


cdef void spread_task(void *context, Py_ssize_t plane, int thread) noexcept nogil:
    cdef const Job *job = <const Job *>context
    if job.itemsize == 4:
        spread_plane(job, plane, <const float *>job.share, <float *>job.out)
    else:
        spread_plane(job, plane, <const double *>job.share, <double *>job.out)


cdef void spread_plane(const Job *job, Py_ssize_t plane, const real_t *share,
                       real_t *out) noexcept nogil:
    cdef Py_ssize_t row = job.length[2] * job.inner, i0, i1, w0, w1
    out += plane * job.length[0] * job.length[1] * row
    share += plane * job.outputs[0] * job.outputs[1] * job.outputs[2] * job.inner
    for i0 in range(job.length[0]):
        w0 = job.window[0][i0]
        for i1 in range(job.length[1]):
            w1 = job.window[1][i1]
            if w0 < 0 or w1 < 0:
                memset(out, 0, row * sizeof(real_t))
            elif i1 > 0 and job.window[1][i1 - 1] == w1:
                memcpy(out, out - row, row * sizeof(real_t))
            elif i0 > 0 and job.window[0][i0 - 1] == w0:
                memcpy(out, out - job.length[1] * row, row * sizeof(real_t))
            else:
                spread_row(job, share + (w0 * job.outputs[1] + w1) * job.outputs[2] * job.inner,
                           out)
            out += row


cdef inline void spread_row(const Job *job, const real_t *share, real_t *out) noexcept nogil:
    cdef const Py_ssize_t *window = job.window[2]
    cdef Py_ssize_t i, w, n = job.length[2]
    cdef real_t value
    if job.inner == 1 and job.one:
        value = share[0]
        for i in range(min(n, <Py_ssize_t>COPIED)):
            out[i] = value
        for i in range(1, ceil_div(n, COPIED)):
            memcpy(out + i * COPIED, out, min(<Py_ssize_t>COPIED, n - i * COPIED) * sizeof(real_t))
        return
    if job.inner == 1:
        for i in range(n):
            out[i] = 0 if window[i] < 0 else share[window[i]]
        return
    for i in range(n):
        w = 0 if job.one else window[i]  # of one window there is no list
        if w < 0:
            memset(out + i * job.inner, 0, job.inner * sizeof(real_t))
        else:
            memcpy(out + i * job.inner, share + w * job.inner, job.inner * sizeof(real_t))
