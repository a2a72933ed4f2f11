"""Windows: the part of a source that a block of outputs reads, gathered into scratch memory.

The micro-kernels read their input through a table of offsets from one pointer. A window gives
them that pointer: it holds the source positions that a block of outputs needs, with whatever
lies outside the source (zeros, or its reflection, …) filled in. So padding of every mode,
stride, dilation, layout and the strides of the caller's array end here, and no padded copy of
an image is ever made.

An axis of the window is laid out in one of three ways: one stretch from the smallest to the
largest position; or, where that is shorter, a stretch of `block` positions for each tap (large
dilations, 1x1 kernels with stride); or, where outputs have to be neighbours though they read at
steps, every so many positions as a stretch.
"""
from libc.string cimport memcpy, memset

cimport numpy as cnp

from fastconv._core.integers cimport up
from fastconv._core.padding cimport source_index

cnp.import_array()


cdef void block_axis(Axis *axis, Py_ssize_t block, bint unit_step) noexcept nogil:
    """Lay the axis out for blocks of `block` outputs; unit_step asks for wstep == 1."""
    cdef Py_ssize_t i, high, whole
    axis.block = block
    axis.low = high = axis.tap[0] if axis.taps else 0
    for i in range(axis.taps):
        axis.low = min(axis.low, axis.tap[i])
        high = max(high, axis.tap[i])
    # (block - 1) * step stays within the padded source, so it cannot overflow
    whole = high - axis.low + 1 + (block - 1) * axis.step if block > 1 else high - axis.low + 1
    unit_step = unit_step and axis.step != 1 and block > 1
    axis.per_tap = axis.taps * block < whole or unit_step
    axis.stretch = block if axis.per_tap else 0
    axis.window = axis.taps * block if axis.per_tap else whole
    axis.wstep = axis.step if block > 1 and not axis.per_tap else 1
    if unit_step and axis.step * (block + (high - axis.low) // axis.step) < axis.window:
        axis.per_tap = False
        axis.stretch = block + (high - axis.low) // axis.step
        axis.window = axis.step * axis.stretch
    for i in range(axis.taps):
        axis.at[i] = axis.tap[i] - axis.low
        if axis.stretch:
            axis.at[i] = i * block if axis.per_tap else (
                axis.at[i] % axis.step * axis.stretch + axis.at[i] // axis.step)


cdef inline Py_ssize_t start_of(const Axis *axis, Py_ssize_t stretch) noexcept nogil:
    """The source position, for output 0, at which a stretch begins."""
    return axis.tap[stretch] if axis.per_tap else axis.low + stretch


cdef Py_ssize_t spread(Py_ssize_t stride, Py_ssize_t vector) noexcept nogil:
    """A stride of an odd number of cache lines, if it is long.

    Neighbours would otherwise compete for a few sets of the cache.
    """
    return stride if stride < 4 * vector else (up(stride, vector) // vector | 1) * vector


cdef void lay_out(Window *window, Py_ssize_t overrun, Py_ssize_t vector,
                  bint whole=False) noexcept nogil:
    """Strides and size. Kernels may read `overrun` outputs past a line's end.

    whole: lines are whole vectors, so that fewer loads meet two cache lines.
    """
    cdef Axis *axis = window.axis
    cdef Py_ssize_t pixel = 1
    if window.channels_last:
        pixel = spread(window.channels, vector)
        window.channel = 1
    window.position[2] = pixel
    window.position[1] = pixel * axis[2].window
    if whole:
        window.position[1] = up(window.position[1], vector)
    window.position[0] = window.position[1] * axis[1].window
    window.size = window.position[0] * axis[0].window
    if not window.channels_last:
        window.channel = spread(window.size, vector)
        window.size = window.channel * window.channels
    window.slack = overrun * axis[2].wstep * pixel + 8 * vector


cdef Py_ssize_t index_words(const Window *window) noexcept nogil:
    """Words of scratch memory that `fill` needs."""
    cdef const Axis *axis = window.axis
    return (axis[0].window + axis[1].window
            + axis[2].window * (sizeof(Run) // sizeof(Py_ssize_t)) + 3)


cdef Py_ssize_t index_axis(const Axis *axis, Py_ssize_t first, Py_ssize_t count,
                           Py_ssize_t *index) noexcept nogil:
    """Source position (-1: zero) of each window position, for outputs first … first+count-1.

    Returns the length in use; with several stretches, all of the window.
    """
    cdef Py_ssize_t i, j, used
    if axis.stretch:
        for i in range(axis.window // axis.stretch):
            for j in range(axis.stretch):
                index[i * axis.stretch + j] = -1 if axis.block - count >= axis.stretch - j else (
                    source_index((first + j) * axis.step + start_of(axis, i), axis.length,
                                 axis.mode))
        return axis.window
    used = axis.window - (axis.block - count) * axis.step
    for j in range(used):
        index[j] = source_index(first * axis.step + axis.low + j, axis.length, axis.mode)
    return used


cdef Py_ssize_t find_runs(const Axis *axis, Py_ssize_t first, Py_ssize_t count,
                          Run *runs) noexcept nogil:
    """The last axis as runs; adjacent positions join where their spacing is equal."""
    cdef Py_ssize_t i = 0, n = 0, position, place, limit, used = axis.window, source, inside
    cdef Py_ssize_t step = axis.step if axis.stretch else 1
    cdef Run *run
    if not axis.stretch:
        used -= (axis.block - count) * axis.step
    limit = axis.stretch - (axis.block - count) if axis.stretch else used
    while i < used:
        # `inside` positions from here on lie in the source, one step apart: of a long line
        # nearly all, so they are not looked at one by one.
        position = i % axis.stretch if axis.stretch else i
        inside = 0
        source = -1
        if position < limit:
            place = (first * axis.step + position * step
                     + (start_of(axis, i // axis.stretch) if axis.stretch else axis.low))
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
        if n:
            run = &runs[n - 1]
            if source < 0 and run.source < 0:
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


cdef void aim(const Window *window, const Py_ssize_t *first, const Py_ssize_t *count,
              Py_ssize_t *words) noexcept nogil:
    """Find what the window of outputs first … first + count - 1 (on each axis) reads.

    words: `index_words` words of scratch, which `fill` needs.
    """
    cdef const Axis *axis = window.axis
    cdef Py_ssize_t *index0 = words + 3
    cdef Py_ssize_t *index1 = index0 + axis[0].window
    words[0] = index_axis(&axis[0], first[0], count[0], index0)
    words[1] = index_axis(&axis[1], first[1], count[1], index1)
    words[2] = find_runs(&axis[2], first[2], count[2], <Run *>(index1 + axis[1].window))


cdef bint fill_rows(const Window *window, const Py_ssize_t *words, const real_t *x,
                    const Py_ssize_t *strides, const fc_kernels *k, real_t *out) noexcept nogil:
    """`fill` for a vector of channels in planes whose rows are read whole, one after the other.

    Such rows are like one long row. Returns whether that is what there is.
    """
    cdef const Axis *axis = window.axis
    cdef const Py_ssize_t *index0 = words + 3
    cdef const Py_ssize_t *index1 = index0 + axis[0].window
    cdef const Run *runs = <const Run *>(index1 + axis[1].window)
    cdef Py_ssize_t n0 = words[0], n1 = words[1], n_runs = words[2], pixel = window.position[2]
    cdef Py_ssize_t i0, i1, r, first = 0, last, row, start, end
    cdef real_t *target
    cdef real_t *line
    if window.channels != k.lanes or strides[3] != 1 or n_runs > 3:
        return False
    row = start = end = 0
    for r in range(n_runs):
        if runs[r].source == 0 and runs[r].step == 1 and row == 0:
            row = runs[r].length
            start = runs[r].start
        elif runs[r].source >= 0:
            return False
        end = runs[r].start + runs[r].length
    if row == 0 or row != strides[2]:
        return False
    while first < n1 and index1[first] < 0:
        first += 1
    last = first
    while last < n1 and index1[last] >= 0 and index1[last] == index1[first] + last - first:
        last += 1
    for i1 in range(last, n1):
        if index1[i1] >= 0:
            return False
    if (last - first) * row < k.lanes:
        return False
    for i0 in range(n0):
        target = out + i0 * window.position[0]
        if index0[i0] < 0:
            memset(target, 0, n1 * window.position[1] * sizeof(real_t))
            continue
        memset(target, 0, first * window.position[1] * sizeof(real_t))
        for i1 in range(first, last):
            line = target + i1 * window.position[1]
            memset(line, 0, start * pixel * sizeof(real_t))
            memset(line + (start + row) * pixel, 0, (end - start - row) * pixel * sizeof(real_t))
        memset(target + last * window.position[1], 0,
               (n1 - last) * window.position[1] * sizeof(real_t))
        k.planes_to_pixels(
            (last - first) * row, row,
            x + index0[i0] * strides[1] + index1[first] * strides[2], strides[0],
            target + first * window.position[1] + start * pixel, window.position[1], pixel)
    return True


cdef void fill(const Window *window, const Py_ssize_t *words, const real_t *x,
               const Py_ssize_t *strides, const fc_kernels *k, real_t *out) noexcept nogil:
    """Gather from one image what `aim` found.

    strides: of x, in elements, for the channel and the three spatial axes.
    """
    fill_part(window, words, x, strides, k, out, True)


cdef void fill_part(const Window *window, const Py_ssize_t *words, const real_t *x,
                    const Py_ssize_t *strides, const fc_kernels *k, real_t *out,
                    bint zeros) noexcept nogil:
    """The same; without `zeros`, those outside the source are there from the last time."""
    cdef const Axis *axis = window.axis
    cdef const Py_ssize_t *index0 = words + 3
    cdef const Py_ssize_t *index1 = index0 + axis[0].window
    cdef const Run *runs = <const Run *>(index1 + axis[1].window)
    cdef Py_ssize_t n0 = words[0], n1 = words[1], n_runs = words[2]
    cdef Py_ssize_t c, i0, i1, r, i, step, row, end
    cdef Py_ssize_t pixel = window.position[2]
    cdef const real_t *line
    cdef const real_t *source
    cdef real_t *target
    cdef Run run
    if window.channels_last and fill_rows(window, words, x, strides, k, out):
        return
    if window.channels_last:
        for i0 in range(n0):
            for i1 in range(n1):
                target = out + i0 * window.position[0] + i1 * window.position[1]
                line = x + index0[i0] * strides[1] + index1[i1] * strides[2]
                for r in range(n_runs):
                    run = runs[r]
                    if index0[i0] < 0 or index1[i1] < 0 or run.source < 0:
                        if zeros:
                            memset(target + run.start * pixel, 0,
                                   run.length * pixel * sizeof(real_t))
                        continue
                    source = line + run.source * strides[3]
                    step = run.step * strides[3]
                    if strides[0] == 1 and step == pixel and pixel == window.channels:
                        memcpy(target + run.start * pixel, source,
                               run.length * pixel * sizeof(real_t))
                        continue
                    if step == 1 and strides[0] != 1:
                        k.transpose(window.channels, run.length, source, strides[0],
                                    target + run.start * pixel, pixel)
                        continue
                    if strides[0] == 1:
                        k.copy(run.length, window.channels, source, step, 1,
                               target + run.start * pixel, pixel)
                        continue
                    for i in range(run.length):
                        k.gather(window.channels, source + i * step, strides[0],
                                 target + (run.start + i) * pixel)
        return
    for c in range(window.channels):
        for i0 in range(n0):
            i1 = 0
            while i1 < n1:
                target = (out + c * window.channel + i0 * window.position[0]
                          + i1 * window.position[1])
                end = i1 + 1
                if index0[i0] < 0 or index1[i1] < 0:
                    while end < n1 and (index0[i0] < 0 or index1[end] < 0):
                        end += 1
                    if zeros:
                        memset(target, 0, (end - i1) * window.position[1] * sizeof(real_t))
                    i1 = end
                    continue
                # rows that lie equally far apart
                step = index1[end] - index1[i1] if end < n1 else 0
                while end < n1 and index1[end] >= 0 and index1[end] - index1[end - 1] == step:
                    end += 1
                line = x + c * strides[0] + index0[i0] * strides[1] + index1[i1] * strides[2]
                for r in range(n_runs):
                    run = runs[r]
                    if run.source >= 0:
                        k.copy(end - i1, run.length, line + run.source * strides[3],
                               step * strides[2], run.step * strides[3], target + run.start,
                               window.position[1])
                    elif zeros:
                        for row in range(end - i1):
                            for i in range(run.length):  # mostly an element or two
                                target[row * window.position[1] + run.start + i] = 0
                i1 = end


cdef void source_strides(cnp.ndarray array, bint collapsed, bint last, int rank,
                         Py_ssize_t itemsize, Py_ssize_t *out) noexcept:
    """Strides in elements of the channel and the three spatial axes."""
    cdef Py_ssize_t *strides = <Py_ssize_t *>cnp.PyArray_STRIDES(array)
    cdef int i, first = 1 if last else 2
    out[0] = strides[rank + 1 if last else 1] // itemsize
    out[1] = out[2] = out[3] = 0
    if collapsed:
        for i in range(first, first + rank):
            if cnp.PyArray_DIM(array, i) > 1:
                out[3] = strides[i] // itemsize
    else:
        for i in range(rank):
            out[4 - rank + i] = strides[first + i] // itemsize
