"""Windows: the part of a source that a block of outputs reads, gathered into scratch memory.

The micro-kernels read their input through a table of offsets from one pointer. A window gives
them that pointer: it holds the source positions that a block of outputs needs, with whatever
lies outside the source (zeros, a constant, its reflection, …) filled in. So padding of every mode,
stride, dilation, layout and the strides of the caller's array end here, and no padded copy of
an image is ever made.

An axis of the window is laid out in one of three ways: one segment from the smallest to the
largest position; or, where that is shorter, a segment of `block` positions for each tap (large
dilations, 1x1 kernels with stride); or, where outputs have to be neighbours though they read at
steps, a segment for each phase of the step.

Rows of few outputs leave most lanes or registers of a kernel empty. Where axes are joined, each tap
of the last one has a segment of its own, and these lie outside of the rows: (tap, row, column) in
place of (row, tap, column). Then the outputs of all rows lie one step apart, like those of one row.

Long rows are copied by vectors, short ones by a list (`window_places`).
"""
from libc.string cimport memcpy

from fastconv._core.integers cimport round_up
from fastconv._core.padding cimport PAD_CONSTANT, fill, source_index
from fastconv._core.window_places cimport gather_by_places
from fastconv._core.window_types cimport OUTSIDE, UNUSED, CopyRun, window_place


cdef void block_axis(WindowAxis *axis, Py_ssize_t block, bint unit_step,
                     bint per_tap=False, Py_ssize_t factor=1) noexcept nogil:
    """Lay the axis out for blocks of `block` outputs.

    unit_step asks for window_step == 1, per_tap for a segment of each tap; else there are such
    where one for all is more than `factor` times as long.
    """
    cdef Py_ssize_t i, high, whole
    axis.block = block
    axis.low = high = axis.tap[0] if axis.taps else 0
    for i in range(axis.taps):
        axis.low = min(axis.low, axis.tap[i])
        high = max(high, axis.tap[i])
    # (block - 1) * step stays within the padded source, so it cannot overflow
    whole = high - axis.low + 1 + (block - 1) * axis.step if block > 1 else high - axis.low + 1
    unit_step = unit_step and axis.step != 1 and block > 1
    axis.per_tap = factor * axis.taps * block < whole or unit_step or per_tap
    axis.segment = block if axis.per_tap else 0
    axis.window = axis.taps * block if axis.per_tap else whole
    axis.window_step = axis.step if block > 1 and not axis.per_tap else 1
    if (unit_step and not per_tap
            and axis.step * (block + (high - axis.low) // axis.step) < axis.window):
        axis.per_tap = False
        axis.segment = block + (high - axis.low) // axis.step
        axis.window = axis.step * axis.segment
    for i in range(axis.taps):
        axis.at[i] = axis.tap[i] - axis.low
        if axis.segment:
            axis.at[i] = i * block if axis.per_tap else (
                axis.at[i] % axis.step * axis.segment + axis.at[i] // axis.step)


cdef inline Py_ssize_t segment_start(const WindowAxis *axis, Py_ssize_t segment) noexcept nogil:
    """The source position, for output 0, at which a segment begins."""
    return axis.tap[segment] if axis.per_tap else axis.low + segment


cdef inline Py_ssize_t unused_position(const WindowAxis *axis) noexcept nogil:
    """What stands for a position that is not in use: where padding is zeros too, the same."""
    return UNUSED if axis.mode == PAD_CONSTANT else OUTSIDE


cdef Py_ssize_t odd_lines(Py_ssize_t stride, Py_ssize_t vector) noexcept nogil:
    """A stride of an odd number of cache lines, if it is long.

    Neighbours would otherwise compete for a few sets of the cache.
    """
    return stride if stride < 4 * vector else (round_up(stride, vector) // vector | 1) * vector


cdef void set_strides(Window *window, Py_ssize_t overrun, Py_ssize_t vector,
                      bint full_vectors=False, int joined=0) noexcept nogil:
    """Strides and size. Kernels may read `overrun` outputs past a line's end.

    full_vectors: rows of the window are, so that fewer loads meet two cache lines. joined: as in
    `Window`; `block_axis` has given those axes a segment for each tap.
    """
    cdef WindowAxis *axis = window.axis
    cdef Py_ssize_t pixel = 1, size
    cdef int a, line = 2 - joined  # the outermost axis whose outputs are in a line
    window.joined = joined
    if window.channels_last:
        pixel = odd_lines(window.channels, vector)
        window.channel = 1
    size = pixel
    for a in range(2, line, -1):
        window.position[a] = size
        size *= axis[a].segment
    window.position[line] = size
    size *= axis[line].window
    for a in range(2, line, -1):
        axis[a].segment_step = size
        size *= axis[a].window // axis[a].segment
    if full_vectors:
        size = round_up(size, vector)
    for a in range(line - 1, -1, -1):
        window.position[a] = size
        size *= axis[a].window
    for a in range(line + 1):
        axis[a].segment_step = axis[a].segment * window.position[a]
    window.size = size
    if not window.channels_last:
        window.channel = odd_lines(window.size, vector)
        window.size = window.channel * window.channels
    window.slack = overrun * axis[2].window_step * pixel + 8 * vector


cdef Py_ssize_t index_bytes(const Window *window) noexcept nogil:
    """Bytes of scratch memory that `locate_window` needs."""
    cdef const WindowAxis *axis = window.axis
    return ((axis[0].window + axis[1].window) * sizeof(Py_ssize_t)
            + axis[2].window * sizeof(CopyRun))


cdef Py_ssize_t index_axis(const WindowAxis *axis, Py_ssize_t first, Py_ssize_t count,
                           Py_ssize_t *index) noexcept nogil:
    """Source position of each window position, for outputs first … first+count-1.

    Returns the length in use; with several segments, all of the window.
    """
    cdef Py_ssize_t i, j, used, unused = unused_position(axis)
    if axis.segment:
        for i in range(axis.window // axis.segment):
            for j in range(axis.segment):
                index[i * axis.segment + j] = (
                    unused if axis.block - count >= axis.segment - j else source_index(
                        (first + j) * axis.step + segment_start(axis, i), axis.length, axis.mode))
        return axis.window
    used = axis.window - (axis.block - count) * axis.step
    for j in range(used):
        index[j] = source_index(first * axis.step + axis.low + j, axis.length, axis.mode)
    return used


cdef Py_ssize_t find_runs(const WindowAxis *axis, Py_ssize_t first, Py_ssize_t count,
                          bint apart, CopyRun *runs) noexcept nogil:
    """The last axis as runs; adjacent positions join where their spacing is equal.

    apart: but not those of two segments.
    """
    cdef Py_ssize_t i = 0, n = 0, position, place, limit, used = axis.window, source, inside
    cdef Py_ssize_t step = axis.step if axis.segment else 1
    cdef CopyRun *run
    if not axis.segment:
        used -= (axis.block - count) * axis.step
    limit = axis.segment - (axis.block - count) if axis.segment else used
    while i < used:
        # `inside` positions from here on lie in the source, one step apart: of a long line
        # nearly all, so they are not looked at one by one.
        position = i % axis.segment if axis.segment else i
        inside = 0
        source = unused_position(axis)
        if position < limit:
            place = (first * axis.step + position * step
                     + (segment_start(axis, i // axis.segment) if axis.segment else axis.low))
            if 0 <= place < axis.length:
                inside = min(limit - position, (axis.length - 1 - place) // step + 1)
            source = source_index(place, axis.length, axis.mode)
        if inside > 1:
            runs[n].start = i
            runs[n].length = inside
            runs[n].source = source
            runs[n].step = step
            n += 1
            i += inside
            continue
        i += 1
        if n and not (apart and position == 0):
            run = &runs[n - 1]
            if source < 0 and run.source == source:
                run.length += 1
                continue
            if source >= 0 and run.source >= 0:
                if run.length == 1:
                    run.step = source - run.source
                    run.length = 2
                    continue
                if source == run.source + run.length * run.step:
                    run.length += 1
                    continue
        runs[n].start = i - 1
        runs[n].length = 1
        runs[n].source = source
        runs[n].step = 1
        n += 1
    return n


cdef void locate_window(const Window *window, const Py_ssize_t *first, const Py_ssize_t *count,
                        char *memory, WindowIndex *index) noexcept nogil:
    """Find what the window of outputs first … first + count - 1 (on each axis) reads.

    memory: `index_bytes` of it, which the index points into.
    """
    cdef const WindowAxis *axis = window.axis
    cdef Py_ssize_t r
    index.plane = <Py_ssize_t *>memory
    index.row = index.plane + axis[0].window
    index.run = <CopyRun *>(index.row + axis[1].window)
    index.planes = index_axis(&axis[0], first[0], count[0], index.plane)
    index.rows = index_axis(&axis[1], first[1], count[1], index.row)
    index.runs = find_runs(&axis[2], first[2], count[2], window.joined > 0, index.run)
    for r in range(index.runs):
        index.run[r].start = window_place(window, 2, index.run[r].start) // window.position[2]


cdef void gather_window(const Window *window, const WindowIndex *index, const real_t *x,
                        const Py_ssize_t *stride, const fc_kernels *k, bint zeros,
                        real_t *out) noexcept nogil:
    """Gather from one image what `locate_window` found.

    x, stride: of the first channel; of the channel and the three spatial axes, in elements. zeros:
    write those outside the source, or the constant there; else it is there from the last time.
    """
    if not window.channels_last:
        if gather_by_places(window, index, x, stride, zeros, out):
            return
        if stride[0] == 1 and window.channels > 1:
            turn_pixels(window, index, x, stride, k, zeros, out)
        else:
            gather_planes(window, index, x, stride, k, zeros, out)
    elif not gather_whole_rows(window, index, x, stride, k, out):
        gather_pixels(window, index, x, stride, k, zeros, out)


cdef void gather_planes(const Window *window, const WindowIndex *index, const real_t *x,
                        const Py_ssize_t *stride, const fc_kernels *k, bint zeros,
                        real_t *out) noexcept nogil:
    """`gather_window` where channels come first: rows that lie equally far apart in one call.

    Of joined planes of one row each, planes are taken for rows.
    """
    cdef bint by_plane = window.joined == 2 and window.axis[1].segment == 1
    cdef int a = 0 if by_plane else 1  # the axis of rows
    cdef const Py_ssize_t *row = index.plane if by_plane else index.row
    cdef const Py_ssize_t *plane = index.row if by_plane else index.plane
    cdef Py_ssize_t rows = index.planes if by_plane else index.rows
    cdef Py_ssize_t planes = index.rows if by_plane else index.planes
    cdef Py_ssize_t c, p, r, step, end, limit
    cdef const real_t *line
    cdef real_t *target
    for c in range(window.channels):
        for p in range(planes):
            r = 0
            while r < rows:
                target = out + (c * window.channel + window_place(window, 1 - a, p)
                                + window_place(window, a, r))
                end, limit = r + 1, rows
                if window.joined == 2 and not by_plane:  # segments are apart
                    limit = min(limit, round_up(end, window.axis[1].segment))
                if min(plane[p], row[r]) < 0:
                    while end < limit and min(plane[p], row[end]) == min(plane[p], row[r]):
                        end += 1
                    if zeros:
                        fill_rows(window, index, end - r, window.position[a],
                                  <real_t>held(window, min(plane[p], row[r])), target)
                    r = end
                    continue
                step = row[end] - row[r] if end < limit else 0
                while end < limit and row[end] >= 0 and row[end] - row[end - 1] == step:
                    end += 1
                line = x + c * stride[0] + plane[p] * stride[2 - a] + row[r] * stride[1 + a]
                gather_runs(window, index, line, end - r, step * stride[1 + a], stride[3], k,
                            zeros, target, window.position[a])
                r = end


cdef inline void fill_rows(const Window *window, const WindowIndex *index, Py_ssize_t rows,
                           Py_ssize_t row, real_t value, real_t *out) noexcept nogil:
    """Rows, `row` elements apart, that hold one value."""
    cdef Py_ssize_t r, q
    if window.joined == 0:
        fill(out, rows * row, value)
        return
    for r in range(index.runs):
        for q in range(rows):
            fill(out + q * row + index.run[r].start, index.run[r].length, value)


cdef void turn_pixels(const Window *window, const WindowIndex *index, const real_t *x,
                      const Py_ssize_t *stride, const fc_kernels *k, bint zeros,
                      real_t *out) noexcept nogil:
    """`gather_window` where the window's channels come first, and the source's last."""
    cdef Py_ssize_t i0, i1, r, c, kind
    cdef const real_t *line
    cdef real_t *target
    cdef CopyRun run
    for i0 in range(index.planes):
        for i1 in range(index.rows):
            line = x + index.plane[i0] * stride[1] + index.row[i1] * stride[2]
            for r in range(index.runs):
                run = index.run[r]
                target = out + (window_place(window, 0, i0) + window_place(window, 1, i1)
                                + run.start)
                kind = min(index.plane[i0], index.row[i1], run.source)
                if kind >= 0:
                    k.transpose(run.length, window.channels, line + run.source * stride[3],
                                run.step * stride[3], target, window.channel)
                elif zeros:
                    for c in range(window.channels):
                        fill(target + c * window.channel, run.length,
                             <real_t>held(window, kind))


cdef inline double held(const Window *window, Py_ssize_t kind) noexcept nogil:
    """What stands at a position that is OUTSIDE or UNUSED."""
    if kind == OUTSIDE and window.axis.mode == PAD_CONSTANT:
        return window.axis.value
    return 0


cdef inline void gather_runs(const Window *window, const WindowIndex *index, const real_t *x,
                             Py_ssize_t rows, Py_ssize_t x_row, Py_ssize_t x_pixel,
                             const fc_kernels *k, bint zeros, real_t *out,
                             Py_ssize_t row) noexcept nogil:
    """The runs of some rows of one channel, x_row apart in the source, row in the window."""
    cdef Py_ssize_t r, i, q
    cdef real_t value
    cdef CopyRun run
    for r in range(index.runs):
        run = index.run[r]
        if run.source >= 0:
            k.copy(rows, run.length, x + run.source * x_pixel, x_row, run.step * x_pixel,
                   out + run.start, row)
        elif zeros:
            value = <real_t>held(window, run.source)
            for q in range(rows):
                for i in range(run.length):  # mostly an element or two
                    out[q * row + run.start + i] = value


cdef void gather_pixels(const Window *window, const WindowIndex *index, const real_t *x,
                        const Py_ssize_t *stride, const fc_kernels *k, bint zeros,
                        real_t *out) noexcept nogil:
    """`gather_window` where the window's channels come last, wherever the source's lie."""
    cdef Py_ssize_t i0, i1, r, kind, pixel = window.position[2]
    cdef const real_t *line
    cdef real_t *target
    cdef CopyRun run
    for i0 in range(index.planes):
        for i1 in range(index.rows):
            line = x + index.plane[i0] * stride[1] + index.row[i1] * stride[2]
            for r in range(index.runs):
                run = index.run[r]
                target = out + (window_place(window, 0, i0) + window_place(window, 1, i1)
                                + run.start * pixel)
                kind = min(index.plane[i0], index.row[i1], run.source)
                if kind < 0:
                    if zeros:
                        fill(target, run.length * pixel, <real_t>held(window, kind))
                else:
                    copy_pixels(run.length, window.channels, line + run.source * stride[3],
                                run.step * stride[3], stride[0], k, pixel, target)


cdef inline void copy_pixels(Py_ssize_t n, Py_ssize_t channels, const real_t *x,
                             Py_ssize_t x_pixel, Py_ssize_t x_channel, const fc_kernels *k,
                             Py_ssize_t pixel, real_t *out) noexcept nogil:
    """A run of n pixels, whose channels will be neighbours."""
    cdef Py_ssize_t i
    if x_channel == 1 and x_pixel == pixel and pixel == channels:
        memcpy(out, x, n * pixel * sizeof(real_t))
    elif x_pixel == 1 and x_channel != 1:
        k.transpose(channels, n, x, x_channel, out, pixel)
    elif x_channel == 1:
        k.copy(n, channels, x, x_pixel, 1, out, pixel)
    else:
        for i in range(n):
            k.gather(channels, x + i * x_pixel, x_channel, out + i * pixel)


cdef bint gather_whole_rows(const Window *window, const WindowIndex *index, const real_t *x,
                            const Py_ssize_t *stride, const fc_kernels *k,
                            real_t *out) noexcept nogil:
    """`gather_window` for a vector of channels in planes whose rows are read whole, in order.

    Such rows are like one long row. Returns whether that is what there is.
    """
    cdef Py_ssize_t pixel = window.position[2], i0, i1, r, first = 0, last
    cdef Py_ssize_t row = 0, start = 0, end = 0
    cdef real_t *target
    if (window.channels != k.lanes or stride[3] != 1 or index.runs > 3 or window.joined
            or window.axis.mode == PAD_CONSTANT):
        return False
    # the one run that is a whole row, between zeros
    for r in range(index.runs):
        if index.run[r].source == 0 and index.run[r].step == 1 and row == 0:
            row = index.run[r].length
            start = index.run[r].start
        elif index.run[r].source >= 0:
            return False
        end = index.run[r].start + index.run[r].length
    if row == 0 or row != stride[2]:
        return False
    # and the one stretch of neighbouring rows
    while first < index.rows and index.row[first] < 0:
        first += 1
    last = first
    while last < index.rows and index.row[last] >= 0 and (
            index.row[last] == index.row[first] + last - first):
        last += 1
    for i1 in range(last, index.rows):
        if index.row[i1] >= 0:
            return False
    if (last - first) * row < k.lanes:
        return False
    for i0 in range(index.planes):
        target = out + i0 * window.position[0]
        if index.plane[i0] < 0:
            fill[real_t](target, index.rows * window.position[1], 0)
            continue
        clear_frame(window, first, last, index.rows, start, start + row, end, target)
        k.planes_to_pixels(
            (last - first) * row, row,
            x + index.plane[i0] * stride[1] + index.row[first] * stride[2], stride[0],
            target + first * window.position[1] + start * pixel, window.position[1], pixel)
    return True


cdef inline void clear_frame(const Window *window, Py_ssize_t first_row, Py_ssize_t last_row,
                             Py_ssize_t rows, Py_ssize_t first, Py_ssize_t last,
                             Py_ssize_t pixels, real_t *out) noexcept nogil:
    """Zeros around rows first_row … last_row - 1, pixels first … last - 1, of a plane."""
    cdef Py_ssize_t row = window.position[1], pixel = window.position[2], i
    cdef real_t *line
    fill[real_t](out, first_row * row, 0)
    for i in range(first_row, last_row):
        line = out + i * row
        fill[real_t](line, first * pixel, 0)
        fill[real_t](line + last * pixel, (pixels - last) * pixel, 0)
    fill[real_t](out + last_row * row, (rows - last_row) * row, 0)
