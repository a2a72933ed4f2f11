"""Pooling: windows reduced one output row at a time.

A row of outputs comes from a few rows of the input. First those rows are folded into one,
elementwise (vectors at full width whatever the stride), then each window of that one row is
reduced. With channels last both steps run over the channels of a pixel. Rows are independent,
so threads share them out; a gradient adds into overlapping windows, so there threads share
planes (channels first) or images (channels last).

Positions of maxima are found afterwards: the first element of the window, in row-major order,
that equals the maximum (or is NaN, where that is NaN).
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._core.window cimport real_t
from fastconv._desc cimport PoolDesc, pool_geometry
from fastconv._kernels.dispatch cimport fc_kernels, kernels

cnp.import_array()

cdef double INFINITE = float("inf")

cdef enum operation:
    MAX, MIN, MEAN

cdef struct Job:
    const pool_geometry *g
    const fc_kernels *k
    operation op
    bint count_padding
    double divisor           # 0: count
    char *x                  # the input, or its gradient
    char *y                  # the output, or its gradient
    int64_t *where
    Py_ssize_t x_stride[5]   # image, channel, three axes; in elements
    Py_ssize_t batch, rows_per_task, rows
    Py_ssize_t wide          # elements of a folded row, padding included
    char *scratch
    Py_ssize_t scratch_size


cdef inline Py_ssize_t first_tap(const pool_geometry *g, int a, Py_ssize_t o) noexcept nogil:
    """The first tap of window o that reads the input."""
    cdef Py_ssize_t start = o * g.stride[a] - g.before[a]
    return 0 if start >= 0 else (-start + g.dilation[a] - 1) // g.dilation[a]


cdef inline Py_ssize_t end_tap(const pool_geometry *g, int a, Py_ssize_t o,
                               Py_ssize_t beyond) noexcept nogil:
    """One past the last tap of window o that lies below input length + beyond."""
    cdef Py_ssize_t room = g.input[a] + beyond - 1 - (o * g.stride[a] - g.before[a])
    return min(g.kernel[a], room // g.dilation[a] + 1)


cdef inline Py_ssize_t position(const pool_geometry *g, int a, Py_ssize_t o,
                                Py_ssize_t tap) noexcept nogil:
    return o * g.stride[a] - g.before[a] + tap * g.dilation[a]


cdef double count(const Job *job, int a, Py_ssize_t o) noexcept nogil:
    """Positions of window o that its average divides by, along one axis."""
    if job.count_padding:
        return end_tap(job.g, a, o, job.g.after[a])
    return end_tap(job.g, a, o, 0) - first_tap(job.g, a, o)


cdef int set_up(PoolDesc desc, Py_ssize_t itemsize, Job *job) except -1:
    job.g = &desc.g
    job.k = &kernels().f32 if itemsize == 4 else &kernels().f64
    job.batch = desc.batch
    job.where = NULL
    return 0


cdef void set_x(Job *job, cnp.ndarray x) noexcept:
    cdef Py_ssize_t *strides = <Py_ssize_t *>cnp.PyArray_STRIDES(x)
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(x)
    cdef int i, rank = <int>job.g.rank, first = 1 if job.g.channels_last else 2
    job.x = cnp.PyArray_BYTES(x)
    job.x_stride[0] = strides[0] // itemsize
    job.x_stride[1] = strides[rank + 1 if job.g.channels_last else 1] // itemsize
    job.x_stride[2] = job.x_stride[3] = job.x_stride[4] = 0
    for i in range(rank):
        job.x_stride[5 - rank + i] = strides[first + i] // itemsize


def pool(PoolDesc desc, cnp.ndarray x, cnp.ndarray out, where, str op, bint count_padding,
         double divisor, num_threads):
    """Reduce every window of x (with a batch axis) into `out`, which is C-contiguous.

    op: "max", "min" or "mean"; where: None, or an int64 array like `out` for positions.
    """
    cdef Job job
    cdef Scratch scratch
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(x)
    cdef double work
    cdef int threads
    if cnp.PyArray_SIZE(out) == 0:
        return
    set_up(desc, itemsize, &job)
    job.op = MAX if op == "max" else (MIN if op == "min" else MEAN)
    job.count_padding = count_padding
    job.divisor = divisor
    if job.g.channels_last and cnp.PyArray_STRIDES(x)[x.ndim - 1] != itemsize:
        x = np.ascontiguousarray(x)
    set_x(&job, x)
    job.y = cnp.PyArray_BYTES(out)
    if where is not None:
        job.where = <int64_t *>cnp.PyArray_BYTES(where)
    job.rows = job.batch * job.g.output[0] * job.g.output[1]
    if job.g.channels_last:
        job.wide = job.g.input[2] * job.g.channels
    else:
        job.rows *= job.g.channels
        # room for the padding, and for windows that ceil_mode lets hang over
        job.wide = max(job.g.before[2] + job.g.input[2],
                       (job.g.output[2] - 1) * job.g.stride[2]
                       + (job.g.kernel[2] - 1) * job.g.dilation[2] + 1)
    work = desc.work()
    job.rows_per_task = max(1, <Py_ssize_t>(65536 * job.rows / work))
    threads = threads_for(desc.function, num_threads, work)
    job.scratch_size = ((job.wide + 2 * job.g.output[2]) * itemsize + 191) // 64 * 64
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    parallel_for(rows_f32 if itemsize == 4 else rows_f64, &job,
                 (job.rows + job.rows_per_task - 1) // job.rows_per_task, threads, work)


cdef void rows_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    rows(<Job *>context, task, thread, <float *>NULL)


cdef void rows_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    rows(<Job *>context, task, thread, <double *>NULL)


cdef void rows(Job *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A run of consecutive output rows."""
    cdef const pool_geometry *g = job.g
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *folded = <real_t *>scratch
    cdef real_t *counts = folded + job.wide
    cdef real_t *divisors = counts + g.output[2]
    cdef real_t nothing = 0 if job.op == MEAN else (-INFINITE if job.op == MAX else INFINITE)
    cdef Py_ssize_t row, o0, o1, o2, c, n, i, end = min(job.rows, (task + 1) * job.rows_per_task)
    cdef double before = -1, outer = 0
    if not g.channels_last:
        for i in range(job.wide):
            folded[i] = nothing
    if job.op == MEAN:
        for o2 in range(g.output[2]):
            counts[o2] = <real_t>count(job, 2, o2)
    for row in range(task * job.rows_per_task, end):
        o1 = row % g.output[1]
        i = row // g.output[1]
        o0 = i % g.output[0]
        i //= g.output[0]
        c = 0
        n = i
        if not g.channels_last:
            c = i % g.channels
            n = i // g.channels
        if job.op == MEAN:
            outer = count(job, 0, o0) * count(job, 1, o1)
            if outer != before:
                for o2 in range(g.output[2]):
                    divisors[o2] = <real_t>(job.divisor if job.divisor != 0
                                            else outer * counts[o2])
                before = outer
        if g.channels_last:
            row_last(job, n, o0, o1, folded, divisors,
                     (<real_t *>job.y) + row * g.output[2] * g.channels)
            if job.where != NULL:
                for o2 in range(g.output[2]):
                    for c in range(g.channels):
                        i = (row * g.output[2] + o2) * g.channels + c
                        job.where[i] = locate(job, n, c, o0, o1, o2, (<real_t *>job.y)[i])
        else:
            row_first(job, n, c, o0, o1, folded, divisors,
                      (<real_t *>job.y) + row * g.output[2])
            if job.where != NULL:
                for o2 in range(g.output[2]):
                    i = row * g.output[2] + o2
                    job.where[i] = locate(job, n, c, o0, o1, o2, (<real_t *>job.y)[i])


cdef inline void fold(const Job *job, Py_ssize_t n, const real_t *row, real_t *acc) noexcept nogil:
    if job.op == MAX:
        job.k.max_fold(n, row, acc)
    elif job.op == MIN:
        job.k.min_fold(n, row, acc)
    else:
        job.k.add(n, row, acc)


cdef void row_first(const Job *job, Py_ssize_t n, Py_ssize_t c, Py_ssize_t o0, Py_ssize_t o1,
                    real_t *folded, const real_t *divisors, real_t *y) noexcept nogil:
    """One row of outputs of one plane."""
    cdef const pool_geometry *g = job.g
    cdef Py_ssize_t j0, j1, i, stride = job.x_stride[4]
    cdef real_t *inside = folded + g.before[2]
    cdef const real_t *x
    cdef bint started = False
    for j0 in range(first_tap(g, 0, o0), end_tap(g, 0, o0, 0)):
        for j1 in range(first_tap(g, 1, o1), end_tap(g, 1, o1, 0)):
            x = (<const real_t *>job.x) + (
                n * job.x_stride[0] + c * job.x_stride[1]
                + position(g, 0, o0, j0) * job.x_stride[2]
                + position(g, 1, o1, j1) * job.x_stride[3])
            if not started:
                job.k.gather(g.input[2], x, stride, inside)
                started = True
            elif stride == 1:
                fold(job, g.input[2], x, inside)
            else:
                for i in range(g.input[2]):
                    fold(job, 1, x + i * stride, inside + i)
    if job.op == MAX:
        job.k.max_slide(g.output[2], g.kernel[2], g.stride[2], g.dilation[2], folded, y)
    elif job.op == MIN:
        job.k.min_slide(g.output[2], g.kernel[2], g.stride[2], g.dilation[2], folded, y)
    else:
        job.k.sum_slide(g.output[2], g.kernel[2], g.stride[2], g.dilation[2], folded, y)
        job.k.divide(g.output[2], y, divisors, 1, y)


cdef void row_last(const Job *job, Py_ssize_t n, Py_ssize_t o0, Py_ssize_t o1, real_t *folded,
                   const real_t *divisors, real_t *y) noexcept nogil:
    """One row of outputs of one image, all channels."""
    cdef const pool_geometry *g = job.g
    cdef Py_ssize_t j0, j1, j2, i, o2, first, channels = g.channels
    cdef const real_t *x
    cdef bint started = False, dense = job.x_stride[4] == channels
    for j0 in range(first_tap(g, 0, o0), end_tap(g, 0, o0, 0)):
        for j1 in range(first_tap(g, 1, o1), end_tap(g, 1, o1, 0)):
            x = (<const real_t *>job.x) + (
                n * job.x_stride[0] + position(g, 0, o0, j0) * job.x_stride[2]
                + position(g, 1, o1, j1) * job.x_stride[3])
            if dense:
                if started:
                    fold(job, job.wide, x, folded)
                else:
                    memcpy(folded, x, job.wide * sizeof(real_t))
            else:
                for i in range(g.input[2]):
                    if started:
                        fold(job, channels, x + i * job.x_stride[4], folded + i * channels)
                    else:
                        memcpy(folded + i * channels, x + i * job.x_stride[4],
                               channels * sizeof(real_t))
            started = True
    for o2 in range(g.output[2]):
        first = first_tap(g, 2, o2)
        memcpy(y + o2 * channels, folded + position(g, 2, o2, first) * channels,
               channels * sizeof(real_t))
        for j2 in range(first + 1, end_tap(g, 2, o2, 0)):
            fold(job, channels, folded + position(g, 2, o2, j2) * channels, y + o2 * channels)
        if job.op == MEAN:
            job.k.divide(channels, y + o2 * channels, divisors + o2, 0, y + o2 * channels)


cdef int64_t locate(const Job *job, Py_ssize_t n, Py_ssize_t c, Py_ssize_t o0, Py_ssize_t o1,
                    Py_ssize_t o2, real_t value) noexcept nogil:
    """Flat position, in the plane, of the first element of a window that equals `value`."""
    cdef const pool_geometry *g = job.g
    cdef const real_t *plane = (<const real_t *>job.x) + n * job.x_stride[0] + c * job.x_stride[1]
    cdef const real_t *row
    cdef Py_ssize_t j0, j1, j2, i0, i1, i2
    cdef Py_ssize_t first0 = first_tap(g, 0, o0), end0 = end_tap(g, 0, o0, 0)
    cdef Py_ssize_t first1 = first_tap(g, 1, o1), end1 = end_tap(g, 1, o1, 0)
    cdef Py_ssize_t first2 = first_tap(g, 2, o2), end2 = end_tap(g, 2, o2, 0)
    for j0 in range(first0, end0):
        i0 = position(g, 0, o0, j0)
        for j1 in range(first1, end1):
            i1 = position(g, 1, o1, j1)
            row = plane + i0 * job.x_stride[2] + i1 * job.x_stride[3]
            for j2 in range(first2, end2):
                i2 = position(g, 2, o2, j2)
                if row[i2 * job.x_stride[4]] == value or (
                        value != value
                        and row[i2 * job.x_stride[4]] != row[i2 * job.x_stride[4]]):
                    return (i0 * g.input[1] + i1) * g.input[2] + i2
    # only where another thread changes x meanwhile: still a position inside the window
    return ((position(g, 0, o0, first0) * g.input[1] + position(g, 1, o1, first1)) * g.input[2]
            + position(g, 2, o2, first2))


# ---- gradients ----

def mean_gradient(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                  double divisor, num_threads):
    """Spread grad (C-contiguous, with a batch axis) over the windows; `out` is C-contiguous."""
    cdef Job job
    cdef Scratch scratch
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(out)
    cdef double work = desc.work()
    cdef int threads = threads_for(desc.function, num_threads, work)
    if cnp.PyArray_SIZE(out) == 0:
        return
    set_up(desc, itemsize, &job)
    job.op = MEAN
    job.count_padding = count_padding
    job.divisor = divisor
    set_x(&job, out)
    job.y = cnp.PyArray_BYTES(grad)
    job.scratch_size = ((max(job.g.input[2], job.g.channels)) * itemsize + 127) // 64 * 64
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    memset(job.x, 0, cnp.PyArray_NBYTES(out))
    parallel_for(spread_f32 if itemsize == 4 else spread_f64, &job,
                 job.batch * (1 if job.g.channels_last else job.g.channels), threads, work)


cdef void spread_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    spread(<Job *>context, task, thread, <float *>NULL)


cdef void spread_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    spread(<Job *>context, task, thread, <double *>NULL)


cdef void spread(Job *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One plane (channels first) or image (channels last)."""
    cdef const pool_geometry *g = job.g
    cdef real_t *line = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef Py_ssize_t o0, o1, o2, j0, j1, j2, channels = g.channels if g.channels_last else 1
    cdef Py_ssize_t plane = g.input[0] * g.input[1] * g.input[2] * channels
    cdef real_t *x = (<real_t *>job.x) + task * plane
    cdef const real_t *y = (<const real_t *>job.y) + (
        task * g.output[0] * g.output[1] * g.output[2] * channels)
    cdef real_t *row
    cdef real_t divisor
    cdef double outer
    for o0 in range(g.output[0]):
        for o1 in range(g.output[1]):
            outer = count(job, 0, o0) * count(job, 1, o1)
            if not g.channels_last:
                memset(line, 0, g.input[2] * sizeof(real_t))
                for o2 in range(g.output[2]):
                    divisor = <real_t>(job.divisor if job.divisor != 0
                                       else outer * count(job, 2, o2))
                    for j2 in range(first_tap(g, 2, o2), end_tap(g, 2, o2, 0)):
                        line[position(g, 2, o2, j2)] += y[o2] / divisor
            for j0 in range(first_tap(g, 0, o0), end_tap(g, 0, o0, 0)):
                for j1 in range(first_tap(g, 1, o1), end_tap(g, 1, o1, 0)):
                    row = x + ((position(g, 0, o0, j0) * g.input[1]
                                + position(g, 1, o1, j1)) * g.input[2] * channels)
                    if not g.channels_last:
                        job.k.add(g.input[2], line, row)
                        continue
                    for o2 in range(g.output[2]):
                        divisor = <real_t>(job.divisor if job.divisor != 0
                                           else outer * count(job, 2, o2))
                        job.k.divide(channels, y + o2 * channels, &divisor, 0, line)
                        for j2 in range(first_tap(g, 2, o2), end_tap(g, 2, o2, 0)):
                            job.k.add(channels, line, row + position(g, 2, o2, j2) * channels)
            y += g.output[2] * channels


cdef struct Scatter:
    char *grad
    const int64_t *where
    char *out
    Py_ssize_t channels, outputs, inputs   # elements of a plane
    bint channels_last
    Py_ssize_t outside


def scatter(str function, cnp.ndarray grad, cnp.ndarray where, cnp.ndarray out, Py_ssize_t channels,
            bint channels_last, num_threads):
    """Add each element of grad to its plane of `out`, at its flat position.

    All are C-contiguous with a batch axis; positions have been validated. Returns False if one
    was outside all the same (another thread wrote to the array): it was left out.
    """
    cdef Scatter job
    cdef Py_ssize_t planes = cnp.PyArray_DIM(out, 0) * channels
    cdef double work = 8.0 * (cnp.PyArray_SIZE(out) + cnp.PyArray_SIZE(grad))
    cdef int threads = threads_for(function, num_threads, work)
    memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(grad) == 0:
        return True
    job.grad = cnp.PyArray_BYTES(grad)
    job.where = <int64_t *>cnp.PyArray_BYTES(where)
    job.out = cnp.PyArray_BYTES(out)
    job.channels = channels
    job.outputs = cnp.PyArray_SIZE(grad) // planes
    job.inputs = cnp.PyArray_SIZE(out) // planes
    job.channels_last = channels_last
    job.outside = 0
    parallel_for(scatter_f32 if cnp.PyArray_ITEMSIZE(out) == 4 else scatter_f64, &job, planes,
                 threads, work)
    return job.outside == 0


cdef void scatter_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    scatter_plane(<Scatter *>context, task, <float *>NULL)


cdef void scatter_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    scatter_plane(<Scatter *>context, task, <double *>NULL)


cdef void scatter_plane(Scatter *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    cdef Py_ssize_t i, step = 1, grad_at = task * job.outputs, out_at = task * job.inputs
    cdef int64_t place
    if job.channels_last:
        step = job.channels
        grad_at = task // step * job.outputs * step + task % step
        out_at = task // step * job.inputs * step + task % step
    for i in range(job.outputs):
        place = job.where[grad_at + i * step]
        if 0 <= place < job.inputs:
            (<real_t *>job.out)[out_at + place * step] += (
                (<const real_t *>job.grad)[grad_at + i * step])
        else:
            job.outside = 1
