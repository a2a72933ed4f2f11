"""Blocks of planes that are small, or whose windows are: both axes at once.

Small square windows of float32 and float64 have a kernel of their own, which reads planes in place;
and so have small planes that are one window each. Other planes that are small are laid out with
their padding first, many of them one after the other. All windows are complete then, and
elementwise steps run over the ends of rows and planes; what they make there is left behind.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastconv._core.scratch cimport LAST_LEVEL_CACHE_BYTES
from fastconv._desc.pool cimport pool_axis
from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, TYPES, fc_global_pool, fc_pool_windows, fc_windows, kernels,
)
from fastconv._pooling.averages cimport SumRows, finish_sums
from fastconv._pooling.axis cimport is_trivial, outputs
from fastconv._pooling.blocks cimport separable_block
from fastconv._pooling.joined cimport joined_pitch
from fastconv._pooling.reduce_axis cimport AxisPass, reduce_axis
from fastconv._pooling.schedule cimport (
    Buffer, MAX, MAX_SUMMED_PLANE, MEAN, MIN, Pooling, Schedule, input_at, output_at,
)

cnp.import_array()

cdef Py_ssize_t SUMMED_ELEMENTS = 1 << 17  # that `plane_sums` copies at once, if it does

# What no maximum, no minimum and no sum notices, by operation and type of element.
cdef char[3][TYPES][8] NEUTRAL


cdef fill_neutral():
    types = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]  # as in fc_type
    memset(NEUTRAL, 0, sizeof(NEUTRAL))
    for i, dtype in enumerate(types):
        low, high = (-np.inf, np.inf) if dtype[0] == "f" else (
            np.iinfo(dtype).min, np.iinfo(dtype).max)
        for op, value in ((MAX, low), (MIN, high)):
            element = np.array(value, dtype).tobytes()
            memcpy(NEUTRAL[<int>op][<int>i], <const char *>element, len(element))


fill_neutral()


cdef void global_block(const Job *job, const BlockRef *b) noexcept nogil:
    """Planes that are one window each."""
    cdef const Schedule *s = job.schedule
    cdef Py_ssize_t length = job.pooling.axis[2].length
    s.global_pool(b.outers, length, s.window.divisor, s.window.factor,
                  job.x + b.first_outer * length * s.input.size,
                  job.y + b.first_outer * job.pooling.out_size)


cdef void square_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Small square windows; again with care where there is a NaN."""
    cdef const Pooling *p = job.pooling
    cdef fc_pool_windows window = job.schedule.window
    cdef BlockRef plane = b[0]
    cdef Py_ssize_t o
    window.row, window.rows = b.ranges[1].out_start, outputs(&b.ranges[1])
    window.col, window.cols = b.ranges[2].out_start, outputs(&b.ranges[2])
    window.far = (p.outer * p.axis[0].length * p.axis[1].length * p.axis[2].length
                  * job.schedule.input.size > LAST_LEVEL_CACHE_BYTES)
    plane.outers = 1
    for o in range(b.first_outer, b.first_outer + b.outers):
        plane.first_outer = o
        if job.schedule.square_pool(
                &window, job.x + input_at(p, o, 0, 0, 0) * job.schedule.input.size,
                job.y + output_at(p, o, 0, 0, 0) * p.out_size):
            separable_block(job, &plane, scratch)


cdef void padded_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Whole planes with their padding, along axis 1 and then along axis 2."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef const pool_axis *rows = &p.axis[1]
    cdef const pool_axis *columns = &p.axis[2]
    cdef const char *x = job.x + input_at(p, b.first_outer, 0, 0, 0) * s.input.size
    cdef char *between = scratch + s.area_at[1]
    cdef fc_windows w
    if not is_padded(p, s):
        lay_out(job, b, scratch + s.area_at[0])
        x = scratch + s.area_at[0]
    memset(&w, 0, sizeof(w))
    w.rows = w.inner = w.stride = w.out_step = 1
    w.taps, w.tap = rows.kernel, rows.dilation * s.padded_columns
    w.n = b.outers * s.padded_rows * s.padded_columns - (w.taps - 1) * w.tap
    s.first.pool(&w, x, between)
    w.taps, w.tap, w.stride = columns.kernel, columns.dilation, columns.stride
    w.n = (w.n - (w.taps - 1) * w.tap - 1) // w.stride + 1
    s.later.pool(&w, between, scratch + s.area_at[2])
    store_planes(job, b, w.n, scratch)


cdef bint is_padded(const Pooling *p, const Schedule *s) noexcept nogil:
    """Whether planes lie as if they were laid out with their padding, of which there is none."""
    return (p.axis[1].before == 0 and p.axis[1].length == s.padded_rows
            and p.axis[2].before == 0 and p.axis[2].length == s.padded_columns)


cdef void lay_out(const Job *job, const BlockRef *b, char *to) noexcept nogil:
    """Planes with their padding, as far as windows reach, one after the other."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef const pool_axis *rows = &p.axis[1]
    cdef const pool_axis *columns = &p.axis[2]
    cdef Py_ssize_t size = s.input.size, plane = s.padded_rows * s.padded_columns, o
    cdef Py_ssize_t height = min(rows.length, s.padded_rows - rows.before)
    cdef Py_ssize_t width = min(columns.length, s.padded_columns - columns.before)
    repeat(NEUTRAL[<int>p.op][<int>p.type], size, b.outers * plane, to)
    to += (rows.before * s.padded_columns + columns.before) * size
    for o in range(b.outers):
        copy_rows(s, size, height, width, job.x + input_at(p, b.first_outer + o, 0, 0, 0) * size,
                  columns.length, to + o * plane * size, s.padded_columns)


cdef inline void copy_rows(const Schedule *s, Py_ssize_t size, Py_ssize_t rows, Py_ssize_t n,
                           const char *x, Py_ssize_t x_row, char *to,
                           Py_ssize_t to_row) noexcept nogil:
    """Rows of n elements, so many elements apart: short ones cost a call each without a kernel."""
    cdef Py_ssize_t i
    if size == 4:
        s.table.f32.copy(rows, n, x, x_row, 1, to, to_row)
    elif size == 8:
        s.table.f64.copy(rows, n, x, x_row, 1, to, to_row)
    else:
        for i in range(rows):
            copy_bytes(n * size, x + i * x_row * size, to + i * to_row * size)


cdef inline void copy_bytes(Py_ssize_t n, const char *x, char *to) noexcept nogil:
    """The same of few bytes: of 8 to 32 both ends, which overlap, without a call."""
    if 8 <= n <= 16:
        memcpy(to, x, 8)
        memcpy(to + n - 8, x + n - 8, 8)
    elif 16 < n <= 32:
        memcpy(to, x, 16)
        memcpy(to + n - 16, x + n - 16, 16)
    else:
        memcpy(to, x, n)


cdef void repeat(const char *element, Py_ssize_t size, Py_ssize_t n, char *to) noexcept nogil:
    """n copies of an element of 1, 2, 4 or 8 bytes."""
    cdef Py_ssize_t i
    cdef int64_t eight
    cdef int four
    cdef short two
    for i in range(size):
        if element[i]:
            break
    else:
        memset(to, 0, n * size)
        return
    if size == 8:
        memcpy(&eight, element, 8)
        for i in range(n):
            (<int64_t *>to)[i] = eight
    elif size == 4:
        memcpy(&four, element, 4)
        for i in range(n):
            (<int *>to)[i] = four
    elif size == 2:
        memcpy(&two, element, 2)
        for i in range(n):
            (<short *>to)[i] = two
    else:
        memset(to, element[0], n)


cdef void store_planes(const Job *job, const BlockRef *b, Py_ssize_t n,
                       char *scratch) noexcept nogil:
    """The results among n elements that windows were reduced to at the ends of rows, too."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef const pool_axis *rows = &p.axis[1]
    cdef Py_ssize_t pitch = s.padded_columns // p.axis[2].stride
    cdef Py_ssize_t out_row = p.axis[2].outputs, y_plane = rows.outputs * out_row * p.out_size
    cdef char *y = job.y + b.first_outer * y_plane
    cdef double *divisors = <double *>(scratch + s.divisors_at)
    cdef SumRows results
    results.values, results.size = scratch + s.area_at[2], s.accumulator.size
    results.rows, results.row_step = rows.outputs, rows.stride * pitch
    if p.op == MEAN and p.divisor != 0:
        divisors[0] = p.divisor
        if s.narrows:
            s.divide(n, 1, results.values, divisors, True, scratch + s.area_at[1])
            results.values, results.size = scratch + s.area_at[1], p.out_size
    for _ in range(b.outers):
        if p.op == MEAN and p.divisor == 0:
            finish_sums(job, b, 0, &results, y, divisors)
        else:
            copy_rows(s, p.out_size, rows.outputs, out_row, results.values, results.row_step, y,
                      out_row)
        results.values += s.padded_rows * pitch * results.size
        y += y_plane
    if p.op == MEAN and p.divisor != 0 and not s.narrows:
        # what lies between results is not divided
        n = b.outers * rows.outputs * out_row
        s.divide(n, 1, y - n * p.out_size, divisors, True, y - n * p.out_size)


cdef void joined_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Some rows of some planes: all that axis 1 leaves of them as one row."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef const pool_axis *columns = &p.axis[2]
    cdef char *y = job.y + output_at(p, b.first_outer, 0, b.ranges[1].out_start, 0) * p.out_size
    cdef char *results = scratch + s.area_at[1] if p.op == MEAN and s.narrows else y
    cdef fc_windows w
    memset(&w, 0, sizeof(w))
    w.rows = w.inner = w.out_step = 1
    w.taps, w.tap, w.stride = columns.kernel, columns.dilation, columns.stride
    w.n = b.outers * outputs(&b.ranges[1]) * columns.outputs
    s.later.pool(&w, rows_to_join(job, b, scratch + s.area_at[0]), results)
    if p.op == MEAN:
        s.divide(w.n, 1, results, &p.divisor, True, y)


cdef const char *rows_to_join(const Job *job, const BlockRef *b, char *to) noexcept nogil:
    """What axis 1 leaves of a block, in rows as long as their windows: made, or as it is."""
    cdef const Pooling *p = job.pooling
    cdef const Schedule *s = job.schedule
    cdef const pool_axis *columns = &p.axis[2]
    cdef Py_ssize_t pitch = joined_pitch(columns), rows = outputs(&b.ranges[1])
    cdef Py_ssize_t width = min(columns.length, pitch - columns.before)
    cdef AxisPass axis_pass
    cdef Buffer from_, into
    from_.values = <char *>job.x + s.input.size * input_at(
        p, b.first_outer, 0, b.ranges[1].in_start, 0)
    if is_trivial(&p.axis[1]) and pitch == columns.length and s.input == s.accumulator and (
            columns.before == 0):
        return from_.values
    if width < pitch:
        repeat(NEUTRAL[<int>p.op][<int>s.accumulator_type], s.accumulator.size,
               b.outers * rows * pitch, to)
    memset(&axis_pass, 0, sizeof(axis_pass))
    axis_pass.kernels, axis_pass.doubles = &s.first, s.doubles[1]
    axis_pass.axis, axis_pass.axis_range = &p.axis[1], &b.ranges[1]
    axis_pass.rows, axis_pass.inner = 1, width
    axis_pass.pitch, axis_pass.out_step = columns.length, pitch
    into.values = to + columns.before * s.accumulator.size
    from_.indices = into.indices = NULL
    for _ in range(b.outers):
        reduce_axis(&axis_pass, from_, into)
        from_.values += p.axis[1].length * columns.length * s.input.size
        into.values += rows * pitch * s.accumulator.size
    return to


def plane_sums(cnp.ndarray images, dtype):
    """Sums of the planes of images, (images, channels, plane); None where no kernel adds them up.

    In float32 or float64, in pairs of pairs, so that errors grow with a plane's logarithm. Images
    of any strides and byte order have the same sums: some planes at once are copied.
    """
    cdef fc_global_pool add
    cdef Py_ssize_t count = cnp.PyArray_DIM(images, 0), channels = cnp.PyArray_DIM(images, 1)
    cdef Py_ssize_t plane = cnp.PyArray_SIZE(images) // max(count * channels, 1)
    cdef Py_ssize_t itemsize = dtype.itemsize, step, i, first
    cdef cnp.ndarray sums, part
    add = kernels().pools[<int>FC_F32 if itemsize == 4 else <int>FC_F64].global_pool[<int>MEAN]
    if add == NULL or not 1 <= plane <= MAX_SUMMED_PLANE:
        return None
    step = max(1, SUMMED_ELEMENTS // plane)
    sums = np.empty((count, channels), dtype)
    for i in range(count):
        PyErr_CheckSignals()
        for first in range(0, channels, step):
            part = np.ascontiguousarray(images[i, first:first + step], dtype)
            add(cnp.PyArray_DIM(part, 0), plane, 1, 1, cnp.PyArray_BYTES(part),
                cnp.PyArray_BYTES(sums) + (i * channels + first) * itemsize)
    return sums
