"""The columns of an image: gathered (im2col), and added up at their places (col2im)."""
cimport numpy as cnp
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport PAD_CONSTANT, PAD_ZEROS, source_index
from fastconv._core.places cimport MAX_PLACES, Places, add_place, copy_places, within_reach
from fastconv._core.strided cimport strided_images
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._kernels.dispatch cimport kernels_for

cnp.import_array()

# Outputs that are neighbours in a row, and what one kernel position meets there.
cdef struct PixelRun:
    Py_ssize_t pixels
    Py_ssize_t plane, row    # of the image; -1: outside
    Py_ssize_t first         # position that the first pixel meets; further ones a stride apart
    Py_ssize_t low, high     # the pixels that meet the inside of a row


cdef Columns columns_of(ConvDesc desc, cnp.ndarray images) except *:
    """The matrix of a layer; images: those of its input, or None for sizes alone."""
    cdef Columns columns
    cdef const conv_geometry *g = &desc.g
    cdef float value
    columns.g = g
    columns.kernels = kernels_for(g.itemsize)
    columns.channels = g.channels // g.groups
    columns.taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    columns.rows = columns.taps * columns.channels
    columns.pixels = g.output[0] * g.output[1] * g.output[2]
    columns.outside[0] = columns.outside[1] = 0
    if g.itemsize == 4:
        value = <float>g.padding_value
        memcpy(columns.outside, &value, sizeof(float))
    else:
        columns.outside[0] = g.padding_value
    if images is not None:
        columns.image = strided_images(images, g.channels_last)
        columns.batch = cnp.PyArray_DIM(images, 0)
    return columns


cdef inline PixelRun find_run(const conv_geometry *g, const Py_ssize_t *t, Py_ssize_t *o,
                              Py_ssize_t most, Py_ssize_t mode) noexcept nogil:
    """The run of at most so many pixels that begins at output o, which moves on to the next."""
    cdef PixelRun run
    cdef Py_ssize_t stride = g.stride[2]
    run.pixels = min(most, g.output[2] - o[2])
    run.plane = source_index(o[0] * g.stride[0] + t[0] * g.dilation[0] - g.before[0],
                             g.input[0], mode)
    run.row = source_index(o[1] * g.stride[1] + t[1] * g.dilation[1] - g.before[1], g.input[1],
                           mode)
    run.first = o[2] * stride + t[2] * g.dilation[2] - g.before[2]
    run.low = 0
    if run.first < 0:
        run.low = min(run.pixels, ceil_div(-run.first, stride))
    run.high = run.low
    if run.first + run.low * stride < g.input[2]:
        run.high = run.pixels
        if run.first + (run.pixels - 1) * stride >= g.input[2]:
            run.high = (g.input[2] - 1 - run.first) // stride + 1
    o[2] = 0
    o[1] += 1
    if o[1] == g.output[1]:
        o[1] = 0
        o[0] += 1
    return run


# ---- short rows ----
#
# Where rows are short, what is looked up for each takes longer than its elements. All channels meet
# a kernel position at the same places, which are listed once for all, together with those of the
# next positions, so that what is written of a channel lies together.

cdef bint by_places(const Columns *columns, Py_ssize_t n_rows, Py_ssize_t n_pixels) noexcept nogil:
    """Whether such lists hold the pixels, which lie in short rows, and serve several channels."""
    return (columns.g.output[2] <= SHORT_ROW and n_pixels <= MAX_PLACES and n_rows > columns.taps
            and within_reach(columns.g.input, &columns.image.stride[2]))


cdef Py_ssize_t find_places(const Columns *columns, Py_ssize_t first, Py_ssize_t pixel,
                            Py_ssize_t n_pixels, Py_ssize_t pitch, Py_ssize_t mode,
                            Places *places) noexcept nogil:
    """What kernel positions from `first` on meet at some pixels, as many as a list holds.

    Returns the next position. The rows of those that are listed are `pitch` apart.
    """
    cdef Py_ssize_t tap = first
    places.count = 0
    while tap < columns.taps and (tap + 1 - first) * n_pixels <= MAX_PLACES:
        add_places(columns, tap, pixel, n_pixels, mode, (tap - first) * pitch, places)
        tap += 1
    return tap


cdef void add_places(const Columns *columns, Py_ssize_t tap, Py_ssize_t pixel,
                     Py_ssize_t n_pixels, Py_ssize_t mode, Py_ssize_t target,
                     Places *places) noexcept nogil:
    """Those of one kernel position, whose row begins at `target`."""
    cdef const conv_geometry *g = columns.g
    cdef const Py_ssize_t *stride = &columns.image.stride[2]
    cdef Py_ssize_t p = 0, i, place, row
    cdef Py_ssize_t[3] t
    cdef Py_ssize_t[3] o
    cdef PixelRun run
    unravel(tap, g.kernel, 3, t)
    unravel(pixel, g.output, 3, o)
    while p < n_pixels:
        run = find_run(g, t, o, n_pixels - p, mode)
        if min(run.plane, run.row) >= 0:
            row = run.plane * stride[0] + run.row * stride[1]
            for i in range(run.pixels):
                place = run.first + i * g.stride[2]
                if not run.low <= i < run.high:
                    place = source_index(place, g.input[2], mode)
                if place >= 0:
                    add_place(places, row + place * stride[2], target + p + i)
        p += run.pixels


cdef void gather_by_places(const Columns *columns, const moved_t *x, Py_ssize_t n_rows,
                           Py_ssize_t pixel, Py_ssize_t n_pixels, Py_ssize_t pitch,
                           moved_t *out) noexcept nogil:
    """`gather_columns` of whole channels; x points to the first."""
    cdef Py_ssize_t tap = 0, first, c
    cdef Py_ssize_t channels = n_rows // columns.taps, channel = columns.taps * pitch
    cdef Places places
    while tap < columns.taps:
        first = tap
        tap = find_places(columns, first, pixel, n_pixels, pitch, columns.g.padding_mode, &places)
        if places.count < (tap - first) * n_pixels:
            for c in range(channels):  # rows whole, whatever lies behind their pixels
                fill_run(columns, (tap - first) * pitch, out + c * channel)
        copy_places(&places, channels, x, columns.image.stride[1], out, channel)
        out += (tap - first) * pitch


cdef void add_by_places(const Columns *columns, const real_t *cols, Py_ssize_t n_rows,
                        Py_ssize_t pixel, Py_ssize_t n_pixels, Py_ssize_t pitch,
                        real_t *x) noexcept nogil:
    """`add_columns` of whole channels; x points to the first."""
    cdef Py_ssize_t tap = 0, first, c, i, channels = n_rows // columns.taps
    cdef real_t *channel
    cdef const real_t *line
    cdef Places places
    while tap < columns.taps:
        first = tap
        tap = find_places(columns, first, pixel, n_pixels, pitch, PAD_ZEROS, &places)
        for c in range(channels):
            channel = x + c * columns.image.stride[1]
            line = cols + c * columns.taps * pitch
            for i in range(places.count):
                channel[places.source[i]] += line[places.target[i]]
        cols += (tap - first) * pitch


# ---- long ones, and their choice ----

cdef void gather_columns(const Columns *columns, const moved_t *x, Py_ssize_t row,
                         Py_ssize_t n_rows, Py_ssize_t pixel, Py_ssize_t n_pixels,
                         Py_ssize_t pitch, moved_t *out) noexcept nogil:
    """out[r][p] = what kernel position and channel `row + r` meets at output `pixel + p`.

    x points to the first channel of one image's group.
    """
    cdef const conv_geometry *g = columns.g
    cdef const Py_ssize_t *stride = columns.image.stride
    cdef Py_ssize_t r, p, step = g.stride[2] * stride[4]
    cdef Py_ssize_t[3] t
    cdef Py_ssize_t[3] first
    cdef Py_ssize_t[3] o
    cdef const moved_t *channel
    cdef const moved_t *line
    cdef PixelRun run
    if by_places(columns, n_rows, n_pixels):  # whole channels
        gather_by_places(columns, x + row // columns.taps * stride[1], n_rows, pixel, n_pixels,
                         pitch, out)
        return
    unravel(pixel, g.output, 3, first)
    for r in range(row, row + n_rows):
        channel = x + r // columns.taps * stride[1]
        unravel(r % columns.taps, g.kernel, 3, t)
        o[0], o[1], o[2] = first[0], first[1], first[2]
        p = 0
        while p < n_pixels:
            run = find_run(g, t, o, n_pixels - p, g.padding_mode)
            if run.plane < 0 or run.row < 0:
                fill_run(columns, run.pixels, out + p)
            else:
                line = channel + run.plane * stride[2] + run.row * stride[3]
                gather_outside(columns, &run, line, 0, run.low, out + p)
                if run.high > run.low:
                    gather_inside(columns, run.high - run.low,
                                  line + (run.first + run.low * g.stride[2]) * stride[4], step,
                                  out + p + run.low)
                gather_outside(columns, &run, line, run.high, run.pixels, out + p)
            p += run.pixels
        out += pitch


cdef inline void gather_inside(const Columns *columns, Py_ssize_t n, const moved_t *line,
                               Py_ssize_t step, moved_t *out) noexcept nogil:
    """n elements of a row, a step apart."""
    cdef Py_ssize_t p
    if moved_t is float or moved_t is double:
        columns.kernels.gather(n, line, step, out)
    elif step == 1:
        memcpy(out, line, n * sizeof(moved_t))
    else:
        for p in range(n):
            out[p] = line[p * step]


cdef inline void fill_run(const Columns *columns, Py_ssize_t n, moved_t *out) noexcept nogil:
    """n pixels that meet the constant around the image."""
    cdef Py_ssize_t p
    cdef moved_t value
    if columns.g.padding_mode == PAD_CONSTANT:
        memcpy(&value, columns.outside, sizeof(moved_t))
        for p in range(n):
            out[p] = value
    else:
        memset(out, 0, n * sizeof(moved_t))


cdef inline void gather_outside(const Columns *columns, const PixelRun *run, const moved_t *line,
                                Py_ssize_t low, Py_ssize_t high, moved_t *out) noexcept nogil:
    """The pixels low … high - 1 of a run, which meet what lies outside of a row."""
    cdef const conv_geometry *g = columns.g
    cdef Py_ssize_t p, i
    cdef moved_t value
    memcpy(&value, columns.outside, sizeof(moved_t))
    for p in range(low, high):
        i = source_index(run.first + p * g.stride[2], g.input[2], g.padding_mode)
        out[p] = value if i < 0 else line[i * columns.image.stride[4]]


cdef void add_columns(const Columns *columns, const real_t *cols, Py_ssize_t row,
                      Py_ssize_t n_rows, Py_ssize_t pixel, Py_ssize_t n_pixels,
                      Py_ssize_t pitch, real_t *x) noexcept nogil:
    """The adjoint of `gather_columns` for zero padding: add each entry to where it was read."""
    cdef const conv_geometry *g = columns.g
    cdef const Py_ssize_t *stride = columns.image.stride
    cdef Py_ssize_t r, p, q
    cdef Py_ssize_t[3] t
    cdef Py_ssize_t[3] first
    cdef Py_ssize_t[3] o
    cdef real_t *channel
    cdef real_t *line
    cdef PixelRun run
    if by_places(columns, n_rows, n_pixels):  # whole channels
        add_by_places(columns, cols, n_rows, pixel, n_pixels, pitch,
                      x + row // columns.taps * stride[1])
        return
    unravel(pixel, g.output, 3, first)
    for r in range(row, row + n_rows):
        channel = x + r // columns.taps * stride[1]
        unravel(r % columns.taps, g.kernel, 3, t)
        o[0], o[1], o[2] = first[0], first[1], first[2]
        p = 0
        while p < n_pixels:
            run = find_run(g, t, o, n_pixels - p, PAD_ZEROS)
            if run.plane >= 0 and run.row >= 0:
                line = channel + run.plane * stride[2] + run.row * stride[3]
                if g.stride[2] * stride[4] == 1 and run.high > run.low:
                    columns.kernels.add(run.high - run.low, cols + p + run.low,
                                        line + run.first + run.low)
                else:
                    for q in range(run.low, run.high):
                        line[(run.first + q * g.stride[2]) * stride[4]] += cols[p + q]
            p += run.pixels
        cols += pitch


# ---- the public im2col and col2im ----

cdef struct Planes:
    Columns columns
    Py_ssize_t itemsize      # of what is moved or added up
    char *cols               # (batch, channels * kernel, pixels), contiguous


def gather(ConvDesc desc, cnp.ndarray x, cnp.ndarray outside, cnp.ndarray out, num_threads):
    """out (batch, channels * kernel, pixels) from x, of the same dtype; out is C-contiguous.

    outside: one element, the constant around x.
    """
    cdef Planes job
    cdef double work = 8.0 * cnp.PyArray_SIZE(out)
    if cnp.PyArray_SIZE(out):
        job.columns = columns_of(desc, x)
        job.itemsize = cnp.PyArray_ITEMSIZE(out)
        memcpy(job.columns.outside, cnp.PyArray_BYTES(outside), job.itemsize)
        job.cols = cnp.PyArray_BYTES(out)
        parallel_for(gather_task, &job, job.columns.batch * job.columns.channels,
                     threads_for(desc.function, num_threads, work), work)


def add_up(ConvDesc desc, cnp.ndarray cols, cnp.ndarray out, num_threads):
    """Add columns up in `out`, an image batch of zeros; cols is C-contiguous."""
    cdef Planes job
    cdef double work = 8.0 * cnp.PyArray_SIZE(cols)
    if cnp.PyArray_SIZE(cols):
        job.columns = columns_of(desc, out)
        job.cols = cnp.PyArray_BYTES(cols)
        parallel_for(add_task, &job, job.columns.batch * job.columns.channels,
                     threads_for(desc.function, num_threads, work), work)


cdef void gather_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Planes *job = <Planes *>context
    if job.itemsize == 1:
        gather_plane(job, <uint8_t *>job.cols, task)
    elif job.itemsize == 2:
        gather_plane(job, <uint16_t *>job.cols, task)
    elif job.itemsize == 4:
        gather_plane(job, <float *>job.cols, task)
    elif job.itemsize == 8:
        gather_plane(job, <double *>job.cols, task)
    else:
        gather_plane(job, <double complex *>job.cols, task)


cdef void add_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Planes *job = <Planes *>context
    if job.columns.g.itemsize == 4:
        add_plane(job, <const float *>job.cols, task)
    else:
        add_plane(job, <const double *>job.cols, task)


cdef void gather_plane(const Planes *job, moved_t *cols, Py_ssize_t task) noexcept nogil:
    """The columns of one channel of one image."""
    cdef const Columns *columns = &job.columns
    cdef Py_ssize_t c = task % columns.channels, n = task // columns.channels
    gather_columns(columns, (<const moved_t *>columns.image.data) + n * columns.image.stride[0],
                   c * columns.taps, columns.taps, 0, columns.pixels, columns.pixels,
                   cols + task * columns.taps * columns.pixels)


cdef void add_plane(const Planes *job, const real_t *cols, Py_ssize_t task) noexcept nogil:
    cdef const Columns *columns = &job.columns
    cdef Py_ssize_t c = task % columns.channels, n = task // columns.channels
    add_columns(columns, cols + task * columns.taps * columns.pixels, c * columns.taps,
                columns.taps, 0, columns.pixels, columns.pixels,
                (<real_t *>columns.image.data) + n * columns.image.stride[0])
