"""The way back of averages whose windows are apart: every element is in one window or in none.

Then nothing is added up. Along axes where windows overlap, shares are added up first. A row is
spread once for each row of windows, and copied to the others that meet the same.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memcpy, memset

from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.types cimport real_t
from fastconv._desc.pool cimport REGULAR, PoolDesc, counted, pool_axis, span, window

cnp.import_array()

cdef enum:
    MAX_KEPT = 1 << 14       # entries of tables that stay
    COPIED = 1024            # elements at once of one value
    WORTH_ADDING = 1 << 14   # elements of the result: additions are calls of NumPy's,
    WORTH_AN_ADDITION = 100  # for each window along an axis,
    MIN_REUSE = 4            # and elements of a window along another

cdef struct Job:
    const char *share        # of each window's elements
    char *out
    Py_ssize_t itemsize, inner   # `inner` elements side by side have the same windows
    Py_ssize_t length[AXES]
    Py_ssize_t outputs[AXES]
    const Py_ssize_t *window[AXES]   # of each position along the axis; -1: none
    bint one                         # window along the last axis, of all its positions


cdef bint spreads(PoolDesc desc) noexcept:
    """Whether windows are apart, or gradients are few enough to be added up along axes where they
    overlap, one after the other, before they are spread. One image decides: sums round otherwise
    there, and must not depend on the batch.
    """
    cdef const pool_axis *a
    cdef double elements = desc.g.channels, added = 0
    cdef Py_ssize_t reuse = 1
    cdef int i
    for i in range(AXES):
        a = &desc.g.axis[i]
        if a.outputs == 0:
            return False
        elements *= a.length
        if is_apart(a):
            reuse = max(reuse, a.length // a.outputs)
        else:
            added += a.outputs
    return added == 0 or (elements >= max(WORTH_AN_ADDITION * added, <double>WORTH_ADDING)
                          and reuse >= MIN_REUSE)


cdef bint is_apart(const pool_axis *a) noexcept:
    """Whether no element is in two windows along the axis."""
    if a.kind != REGULAR:
        return a.outputs > 0 and a.length % a.outputs == 0
    if a.dilation > 1 and a.kernel > 1:
        return False
    return a.outputs == 1 or a.stride >= a.kernel


cdef cnp.ndarray windows_along(const pool_axis *a):
    """The window of each position, or -1; where they overlap, every position by itself."""
    cdef Py_ssize_t stride = a.stride, kernel = a.kernel, before = a.before
    if not is_apart(a):
        return np.arange(a.length, dtype=np.intp)
    if a.kind != REGULAR:
        stride = kernel = a.length // a.outputs
        before = 0
    if a.outputs == 1:
        stride = kernel
    place = np.arange(a.length, dtype=np.intp) + before
    windows = place // stride
    windows[(place - windows * stride >= kernel) | (windows >= a.outputs)] = -1
    return windows


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


cdef bint one_window(cnp.ndarray places, Py_ssize_t outputs) except -1:
    return outputs == 1 and not places.any()


cdef class Tables:
    """What does not depend on the gradients; the description keeps it."""

    cdef tuple windows, lengths, outputs   # of the axes, as `joined` leaves them
    cdef cnp.ndarray counts                # of windows
    cdef tuple shape                       # of gradients, to be divided by them
    cdef bint one                          # window along the last axis
    cdef list overlapping                  # axes, from the one that grows least on

    def __init__(self, PoolDesc desc, bint count_padding):
        cdef Py_ssize_t o
        cdef int i
        cdef tuple channels = (desc.g.channels,) if desc.g.channels_last else ()
        outputs = [desc.g.axis[i].outputs for i in range(AXES)]
        lengths = [desc.g.axis[i].length for i in range(AXES)]
        counts = np.ones(1)
        for i in range(AXES):
            along = [counted(&desc.g.axis[i], o, count_padding) for o in range(outputs[i])]
            counts = np.multiply.outer(counts, np.array(along, float))
        self.shape = (-1, *outputs, *channels)
        self.counts = counts.reshape((*outputs, *(1,) * len(channels)))
        self.overlapping = sorted([i for i in range(AXES) if not is_apart(&desc.g.axis[i])],
                                  key=lambda i: lengths[i] / outputs[i])
        for i in self.overlapping:
            outputs[i] = lengths[i]
        windows = joined([windows_along(&desc.g.axis[i]) for i in range(AXES)], lengths, outputs)
        self.windows, self.lengths, self.outputs = tuple(windows), tuple(lengths), tuple(outputs)
        self.one = one_window(windows[AXES - 1], outputs[AXES - 1])


cdef Tables tables_for(PoolDesc desc, bint count_padding):
    cdef Tables tables
    if desc.kept is None:
        desc.kept = {}
    tables = desc.kept.get(count_padding)
    if tables is None:
        tables = Tables(desc, count_padding)
        if sum(tables.lengths) <= MAX_KEPT:
            desc.kept[count_padding] = tables
    return tables


cdef int spread(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                double divisor, num_threads) except -1:
    """out = each element's window's gradient over its divisor, or zero."""
    cdef Job job
    cdef Tables tables = tables_for(desc, count_padding)
    cdef cnp.ndarray share, places
    cdef double work = desc.work()
    cdef int i
    share = grad.reshape(tables.shape)
    if divisor != 0:
        share = np.divide(share, grad.dtype.type(divisor))
    else:
        share = np.divide(share, tables.counts, dtype=grad.dtype)
    for axis in tables.overlapping:
        share = add_windows(&desc.g.axis[<int>axis], share, 1 + axis)
    for i in range(AXES):
        places = tables.windows[i]
        job.window[i] = <const Py_ssize_t *>cnp.PyArray_DATA(places)
        job.length[i], job.outputs[i] = tables.lengths[i], tables.outputs[i]
    job.one = tables.one
    job.inner = desc.g.channels if desc.g.channels_last else 1
    job.itemsize = cnp.PyArray_ITEMSIZE(out)
    job.share, job.out = cnp.PyArray_BYTES(share), cnp.PyArray_BYTES(out)
    return parallel_for(spread_task, &job, desc.batch * desc.g.channels // job.inner,
                        threads_for(desc.function, num_threads, work), work)


cdef cnp.ndarray add_windows(const pool_axis *a, share, int axis):
    """Each window's share at all its positions along an axis, added up."""
    cdef span positions
    cdef Py_ssize_t o
    shape = list(share.shape)
    shape[axis] = a.length
    sums = np.zeros(shape, share.dtype)
    to, parts = np.moveaxis(sums, axis, 0), np.moveaxis(share, axis, 0)
    for o in range(a.outputs):
        PyErr_CheckSignals()
        positions = window(a, o)
        to[positions.first:positions.first + positions.taps * positions.step:positions.step] += (
            parts[o])
    return sums


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
    cdef const Py_ssize_t *places = job.window[2]
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
            out[i] = 0 if places[i] < 0 else share[places[i]]
        return
    for i in range(n):
        w = 0 if job.one else places[i]  # of one window there is no list
        if w < 0:
            memset(out + i * job.inner, 0, job.inner * sizeof(real_t))
        else:
            memcpy(out + i * job.inner, share + w * job.inner, job.inner * sizeof(real_t))
