"""The way back of averages, plane by plane, where copies do most of it.

Along axes where windows overlap, shares of gradients are added up first, from the axis that grows
least on: what serves leaves few additions for each element. Then a row is spread once for each row
of windows, and copied to the others that meet the same.
"""
import numpy as np

cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._core.blocks cimport Arena, reserve
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.types cimport real_t
from fastconv._desc.pool cimport REGULAR, PoolDesc, adjoint, counted, pool_axis, span, window
from fastconv._kernels.dispatch cimport FC_F32, FC_F64, fc_kernels, kernels, kernels_for
from fastconv._pooling.axis cimport is_identity
from fastconv._pooling.overlaps cimport axes_to_spread, is_apart, overlapping, reach
from fastconv._pooling.schedule cimport MAX_ADDITIONS, divide_kernel

cnp.import_array()

ctypedef fused sum_t:
    float
    double

cdef enum:
    MAX_KEPT = 1 << 14       # entries of tables that stay
    COPIED = 1024            # elements at once of one value
    STORED = 8               # the same of a short window, past whose end the next one writes,
    LONG_WINDOW = 4          # if it is not shorter than that
    DIVIDED = 256            # gradients at once, about: small planes together

# What the windows along the last axis are.
cdef enum row_kind:
    ONE_WINDOW   # all elements are in the first
    SAME         # each element is one
    APART

# Shares of windows that become sums of elements along an axis: (outer, axis, inner).
cdef struct Adding:
    Py_ssize_t outer, outputs, length, inner
    const span *windows      # of each element
    const fc_kernels *kernels

cdef struct Job:
    const char *grad
    char *out
    Py_ssize_t itemsize, share_size   # bytes of an element, and of a share
    Py_ssize_t planes, together       # in all, and of a task
    Py_ssize_t plane         # shares of a plane: of each window's elements
    divide_kernel divide     # gradients, to shares
    const double *divisors   # of the windows of the planes of a task, or
    double divisor           # of all, if not 0
    int addings
    Adding adding[AXES]
    char *scratch
    Py_ssize_t sums_at[2]    # those that are read and those that are made take turns;
    Py_ssize_t shares_at     # shares in turn come after them
    Py_ssize_t scratch_size  # of a thread
    Py_ssize_t inner         # elements side by side that have the same windows
    Py_ssize_t length[AXES]
    Py_ssize_t outputs[AXES]
    const Py_ssize_t *window[AXES]   # of each position along the axis; -1: none
    row_kind row
    const span *windows      # APART: their elements,
    bint tight               # and whether each is in one
    Py_ssize_t alike         # elements of each window but the first and the last, if two or three


# ---- tables ----

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


cdef cnp.ndarray spans_along(const pool_axis *a):
    """The elements of each window, as `span` has them; of an adjoint axis, the windows of each."""
    cdef cnp.ndarray spans = np.empty((a.outputs, sizeof(span) // sizeof(Py_ssize_t)), np.intp)
    cdef Py_ssize_t o
    for o in range(a.outputs):
        (<span *>cnp.PyArray_DATA(spans))[o] = window(a, o)
    return spans


cdef cnp.ndarray counts_along(const pool_axis *a, bint count_padding):
    """What windows count along an axis."""
    cdef cnp.ndarray counts = np.empty(a.outputs)
    cdef Py_ssize_t o
    for o in range(a.outputs):
        (<double *>cnp.PyArray_DATA(counts))[o] = counted(a, o, count_padding)
    return counts


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

    cdef tuple windows, spans              # arrays that `job` points into, as into `row`
    cdef cnp.ndarray row
    cdef cnp.ndarray counts                # of windows of the planes of a task
    cdef double additions                  # that a share goes through, at most
    cdef Job job                           # but for the arrays of a call

    def __init__(self, PoolDesc desc, bint count_padding):
        cdef Job *job = &self.job
        cdef pool_axis axis[AXES]
        cdef int i
        axes_to_spread(desc, axis)
        outputs = [axis[i].outputs for i in range(AXES)]
        counts = np.ones(1)
        for i in range(AXES):
            counts = np.multiply.outer(counts, counts_along(&axis[i], count_padding))
        job.inner = desc.g.channels if desc.g.channels_last else 1
        job.plane = outputs[0] * outputs[1] * outputs[2] * job.inner
        job.together = ceil_div(<Py_ssize_t>DIVIDED, max(job.plane, <Py_ssize_t>1))
        self.counts = np.tile(counts.ravel(), job.together)
        job.divisors = <const double *>cnp.PyArray_DATA(self.counts)
        self.add_up(axis, outputs)
        lengths = [axis[i].length for i in range(AXES)]
        self.windows = tuple(joined([windows_along(&axis[i]) for i in range(AXES)],
                                    lengths, outputs))
        for i in range(AXES):
            places = self.windows[i]
            job.window[i] = <const Py_ssize_t *>cnp.PyArray_DATA(<cnp.ndarray>places)
            job.length[i], job.outputs[i] = lengths[i], outputs[i]
        self.find_rows(&axis[AXES - 1])

    cdef int add_up(self, const pool_axis *axis, list outputs) except -1:
        """The additions, axis by axis; `outputs` change along."""
        cdef Job *job = &self.job
        cdef int order[AXES]
        cdef Py_ssize_t room[2]
        cdef Adding *adding
        cdef const pool_axis *a
        cdef pool_axis back
        cdef Arena arena
        cdef int i, j
        job.addings = overlapping(axis, order)
        spans = []
        for i in range(job.addings):
            back = adjoint(&axis[order[i]])
            spans.append(spans_along(&back))
        self.spans = tuple(spans)
        room[0] = room[1] = 0
        for i in range(job.addings):
            a = &axis[order[i]]
            adding = &job.adding[i]
            adding.windows = <const span *>cnp.PyArray_DATA(<cnp.ndarray>spans[i])
            adding.outputs, adding.length = a.outputs, a.length
            adding.outer, adding.inner = 1, job.inner
            for j in range(AXES):
                if j < order[i]:
                    adding.outer *= outputs[j]
                elif j > order[i]:
                    adding.inner *= outputs[j]
            outputs[order[i]] = a.length
            room[i % 2] = max(room[i % 2], adding.outer * a.length * adding.inner)
            self.additions += min(<double>a.outputs, ceil_div(<Py_ssize_t>reach(a) * a.dilation,
                                                              max(a.stride, <Py_ssize_t>1)) + 1)
        arena.size = 0
        job.sums_at[0] = reserve(&arena, room[0] * sizeof(double))
        job.sums_at[1] = reserve(&arena, room[1] * sizeof(double))
        job.shares_at = reserve(&arena, job.together * job.plane * sizeof(double))
        job.scratch_size = arena.size
        return 0

    cdef int find_rows(self, const pool_axis *a) except -1:
        """How rows are spread, whose windows are those of axis a unless it is joined."""
        cdef Job *job = &self.job
        if one_window(self.windows[AXES - 1], job.outputs[AXES - 1]):
            job.row = ONE_WINDOW
        elif not is_apart(a) or is_identity(a):
            job.row = SAME
        else:
            job.row = APART
            self.row = spans_along(a)
            job.windows = <const span *>cnp.PyArray_DATA(self.row)
            job.tight = self.row[:, 1].sum() == a.length
            taps = self.row[1:-1, 1]
            if job.tight and taps.size and taps.max() == taps.min() in (2, 3):
                job.alike = taps[0]
        return 0


cdef Tables tables_for(PoolDesc desc, bint count_padding):
    cdef Tables tables
    cdef Py_ssize_t entries = 0
    cdef int i
    if desc.kept is None:
        desc.kept = {}
    tables = desc.kept.get(count_padding)
    if tables is None:
        tables = Tables(desc, count_padding)
        for i in range(AXES):
            entries += desc.g.axis[i].length
        if entries <= MAX_KEPT:
            desc.kept[count_padding] = tables
    return tables


# ---- the call ----

cdef int spread(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                double divisor, num_threads) except -1:
    """out = the sum, over each element's windows, of their gradients over their divisors."""
    cdef Tables tables = tables_for(desc, count_padding)
    cdef Job job = tables.job
    # few windows may leave many elements zero
    cdef double work = max(desc.work(), <double>cnp.PyArray_SIZE(out))
    cdef int threads = threads_for(desc.function, num_threads, work)
    cdef Scratch scratch
    cdef int i
    job.itemsize = job.share_size = cnp.PyArray_ITEMSIZE(out)
    if tables.additions > MAX_ADDITIONS:
        job.share_size = sizeof(double)
    for i in range(job.addings):
        job.adding[i].kernels = kernels_for(job.share_size)
    job.divisor = divisor
    job.divide = kernels().divide[float_type(job.itemsize)][float_type(job.share_size)]
    job.planes = desc.batch * desc.g.channels // job.inner
    job.grad, job.out = cnp.PyArray_BYTES(grad), cnp.PyArray_BYTES(out)
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    return parallel_for(spread_task, &job, ceil_div(job.planes, job.together), threads, work)


cdef int float_type(Py_ssize_t size) noexcept:
    return FC_F32 if size == sizeof(float) else FC_F64


cdef void spread_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some planes; of channels that are last, all planes of some images."""
    cdef const Job *job = <const Job *>context
    cdef Py_ssize_t first = task * job.together, i
    cdef Py_ssize_t planes = min(job.together, job.planes - first)
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef char *share = scratch + job.shares_at
    job.divide(planes * job.plane // job.inner, job.inner,
               job.grad + first * job.plane * job.itemsize,
               job.divisors if job.divisor == 0 else &job.divisor, job.divisor != 0, share)
    for i in range(planes):
        spread_shares(job, first + i, share + i * job.plane * job.share_size, scratch)


cdef void spread_shares(const Job *job, Py_ssize_t plane, const char *share,
                        char *scratch) noexcept nogil:
    cdef char *sums
    cdef int i
    for i in range(job.addings):
        sums = scratch + job.sums_at[i % 2]
        if job.share_size == sizeof(float):
            add_windows(&job.adding[i], <const float *>share, <float *>sums)
        else:
            add_windows(&job.adding[i], <const double *>share, <double *>sums)
        share = sums
    if job.itemsize == sizeof(double):
        spread_plane(job, plane, <const double *>share, <double *>job.out)
    elif job.share_size == sizeof(float):
        spread_plane(job, plane, <const float *>share, <float *>job.out)
    else:
        spread_plane(job, plane, <const double *>share, <float *>job.out)


cdef void add_windows(const Adding *a, const sum_t *share, sum_t *sums) noexcept nogil:
    """The shares of all windows of each element along an axis, added up."""
    cdef Py_ssize_t i, t, n = a.inner
    cdef const sum_t *part
    cdef sum_t value
    cdef span w
    for _ in range(a.outer):
        for i in range(a.length):
            w = a.windows[i]
            part = share + w.first * n
            if n == 1:
                value = part[0] if w.taps else 0
                for t in range(1, w.taps):
                    value += part[t * w.step]
                sums[0] = value
            elif w.taps == 0:
                memset(sums, 0, n * sizeof(sum_t))
            else:
                memcpy(sums, part, n * sizeof(sum_t))
                for _ in range(1, w.taps):
                    part += w.step * n
                    a.kernels.add(n, part, sums)
            sums += n
        share += a.outputs * n


cdef void spread_plane(const Job *job, Py_ssize_t plane, const sum_t *share,
                       real_t *out) noexcept nogil:
    """Planes that meet the same windows as the one before are copied, and so are rows."""
    cdef Py_ssize_t size = job.length[1] * job.length[2] * job.inner, i0, w0
    out += plane * job.length[0] * size
    for i0 in range(job.length[0]):
        w0 = job.window[0][i0]
        if w0 < 0:
            memset(out, 0, size * sizeof(real_t))
        elif i0 > 0 and job.window[0][i0 - 1] == w0:
            memcpy(out, out - size, size * sizeof(real_t))
        else:
            spread_rows(job, share + w0 * job.outputs[1] * job.outputs[2] * job.inner, out)
        out += size


cdef inline void spread_rows(const Job *job, const sum_t *share, real_t *out) noexcept nogil:
    """One plane: rows of the same windows are copied, twice as many each time."""
    cdef Py_ssize_t row = job.length[2] * job.inner, i1 = 0, stop, w1, n, done
    while i1 < job.length[1]:
        w1, stop = job.window[1][i1], i1 + 1
        while stop < job.length[1] and job.window[1][stop] == w1:
            stop += 1
        n, done = (stop - i1) * row, row
        if w1 < 0:
            memset(out, 0, n * sizeof(real_t))
        else:
            spread_row(job, share + w1 * job.outputs[2] * job.inner, out)
            while done < n:
                memcpy(out + done, out, min(done, n - done) * sizeof(real_t))
                done += min(done, n - done)
        out += n
        i1 = stop


cdef inline void spread_row(const Job *job, const sum_t *share, real_t *out) noexcept nogil:
    cdef Py_ssize_t i, w, n = job.length[2] * job.inner
    if job.row == SAME:
        for i in range(n):
            out[i] = <real_t>share[i]
    elif job.row == APART and job.inner > 1:
        if not job.tight:
            memset(out, 0, n * sizeof(real_t))
        spread_pixels(job, share, out)
    elif job.row == APART and job.alike:
        spread_alike(job, share, out)
    elif job.row == APART and job.tight and n >= LONG_WINDOW * job.outputs[2]:
        spread_vectors(job, share, out)
    elif job.row == APART:
        for i in range(n):
            w = job.window[2][i]
            out[i] = 0 if w < 0 else <real_t>share[w]
    elif job.inner > 1:
        for _ in range(job.length[2]):
            for i in range(job.inner):
                out[i] = <real_t>share[i]
            out += job.inner
    else:
        for i in range(min(n, <Py_ssize_t>COPIED)):
            out[i] = <real_t>share[0]
        for i in range(1, ceil_div(n, <Py_ssize_t>COPIED)):
            memcpy(out + i * COPIED, out, min(<Py_ssize_t>COPIED, n - i * COPIED) * sizeof(real_t))


cdef inline void spread_alike(const Job *job, const sum_t *share, real_t *out) noexcept nogil:
    """Windows of two elements, or three, but the first and the last: loops that make vectors."""
    cdef Py_ssize_t last = job.outputs[2] - 1, o, i
    cdef real_t *to = out + job.windows[0].taps
    for i in range(job.windows[0].taps):
        out[i] = <real_t>share[0]
    if job.alike == 2:
        for o in range(1, last):
            to[2 * o - 2] = <real_t>share[o]
            to[2 * o - 1] = <real_t>share[o]
    else:
        for o in range(1, last):
            to[3 * o - 3] = <real_t>share[o]
            to[3 * o - 2] = <real_t>share[o]
            to[3 * o - 1] = <real_t>share[o]
    to = out + job.windows[last].first
    for i in range(job.windows[last].taps):
        to[i] = <real_t>share[last]


cdef inline void spread_vectors(const Job *job, const sum_t *share, real_t *out) noexcept nogil:
    """Windows that follow each other, a vector at a time: past the end of each the next writes."""
    cdef Py_ssize_t o, i = 0, j, stop
    cdef real_t value
    for o in range(job.outputs[2]):
        value = <real_t>share[o]
        stop = job.windows[o].first + job.windows[o].taps
        while i + STORED <= job.length[2] and i < stop:
            for j in range(STORED):
                out[i + j] = value
            i += STORED
        while i < stop:
            out[i] = value
            i += 1
        i = stop


cdef inline void spread_pixels(const Job *job, const sum_t *share, real_t *out) noexcept nogil:
    """The same of elements that are some channels each."""
    cdef Py_ssize_t o, i, inner = job.inner
    cdef real_t *to
    for o in range(job.outputs[2]):
        to = out + job.windows[o].first * inner
        for _ in range(job.windows[o].taps):
            for i in range(inner):
                to[i] = <real_t>share[i]
            to += inner
        share += inner
