"""Layouts: which kernel a pass of a layer takes, and its blocks of outputs."""
from libc.stdlib cimport free

cimport numpy as cnp

from fastconv._algorithms.direct.cost cimport Kernel, fastest_kernel, run_vectors
from fastconv._algorithms.direct.phases cimport find_trims, make_phases
from fastconv._algorithms.direct.types cimport Layout, Phase
from fastconv._core.integers cimport ceil_div, even_size, gcd, round_up
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.window cimport block_axis, set_strides
from fastconv._core.window_types cimport WindowAxis, window_place
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport byte_kernels
from fastconv._kernels.dispatch cimport kernels_for, kernels_for_pairs

from fastconv._algorithms.record import BACKWARD_DATA

cnp.import_array()

cdef enum:
    # Output channels from which on it pays to turn planes into pixels first, so that a tile reads
    # lines from the first-level cache: 1x1 layers, Zen 4, 0.7 to 0.95 of the time below, 1.0 to 1.2
    # from here on.
    MIN_TURNED = 96
    # Pixels of a block, at least, whose weights come from beyond the cache, at some 10 bytes a
    # nanosecond: as many multiply-adds for each take as long.
    FAR_WEIGHTS_PIXELS = 56
    TAKEN_APART = 2  # times as long to copy as neighbours: elements of a row that lie at steps


cdef PassLayout pass_layout(ConvDesc desc, object which):
    """The layout of a forward or backward_data pass, which the description keeps."""
    key = ("direct", which)
    cdef PassLayout kept = desc.kept.get(key)
    if kept is None:
        kept = desc.kept[key] = PassLayout(desc, which == BACKWARD_DATA, False, True)
    return kept


cdef class PassLayout:
    """Owns a layout and its tables; immutable but for that of a gradient of weights.

    strict, skip: as `make_phases` has them. of_weights: for a gradient of weights, which has blocks
    and kernels of its own.
    """

    def __cinit__(self, ConvDesc desc, bint backward, bint strict, bint skip,
                  bint of_weights=False):
        cdef const conv_geometry *g = &desc.g
        cdef Layout *layout = &self.layout
        self.desc = desc
        layout.backward = backward
        layout.g = g
        layout.epilogue = &desc.epilogue
        layout.kernels = kernels_for(g.itemsize)
        if g.packed == 2:
            layout.kernels = kernels_for_pairs()
        elif g.packed == 4:
            layout.kernels = byte_kernels()
        layout.groups = g.groups
        layout.in_channels = (g.filters if backward else g.channels) // g.groups
        layout.out_channels = (g.channels if backward else g.filters) // g.groups
        make_phases(layout, desc, strict, skip)
        if of_weights:
            return
        set_kernel(layout)
        find_trims(layout)
        make_blocks(layout)

    def __dealloc__(self):
        free(self.layout.phases)
        free(self.layout.table)


cdef void set_kernel(Layout *layout) noexcept:
    """Take the faster kernel, and what follows from it."""
    cdef Py_ssize_t lanes = layout.kernels.lanes
    cdef Kernel kernel = fastest_kernel(layout)
    layout.by_pixels = kernel.by_pixels
    layout.pixels_kernel = kernel.number
    layout.width = kernel.width
    layout.joined = kernel.joined
    layout.run_pixels = layout.kernels.half
    if layout.by_pixels:
        layout.run_pixels = run_vectors(layout, layout.pixels_kernel) * lanes
    layout.padded_channels = round_up(layout.out_channels,
                                      layout.width if layout.by_pixels else lanes)
    layout.channel_blocks = ceil_div(layout.out_channels, layout.width)


cdef void make_blocks(Layout *layout) noexcept:
    """Block the outputs of every phase, and find its taps in the window and its packed weights."""
    cdef Py_ssize_t p
    cdef Phase *phase
    layout.packed_size = 0
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        block_phase(layout, phase)
        set_offsets(layout, phase)
        phase.packed = layout.packed_size
        layout.packed_size += layout.groups * phase.taps * layout.padded_channels


cdef void block_phase(const Layout *layout, Phase *phase) noexcept:
    """The longest block of columns, then the most rows, then planes, whose window fits half the
    cache.

    But not fewer outputs than large weights need, since each block reads all of them, unless their
    window exceeds the weights.
    """
    cdef WindowAxis *axis = phase.axis
    cdef Py_ssize_t budget = max(CACHE // 2 // layout.g.itemsize, 1), columns, fit
    cdef Py_ssize_t unit = layout.run_pixels if layout.by_pixels else 2 * layout.run_pixels
    cdef Py_ssize_t weights = phase.taps * layout.padded_channels, pixels = 1
    cdef int a
    if weights * layout.g.itemsize > CACHE:
        pixels = FAR_WEIGHTS_PIXELS
    phase.window.axis = axis
    phase.window.channels = layout.in_channels
    phase.window.channels_last = not layout.by_pixels and (
        layout.g.channels_last or layout.collapsed and layout.out_channels >= MIN_TURNED)
    columns = max(axis[2].count, 1)
    block_window(layout, phase, 1, 1, columns)
    if not layout.joined and phase.window.size > budget and columns > unit:
        fit = max(1, columns * budget // phase.window.size // unit) * unit
        if fit < columns:
            columns = round_up(least_size(columns, fit, pixels), unit)
    block_window(layout, phase, 1, 1, columns)
    if layout.joined < 2:
        block_lines(layout, phase, 1, budget, max(budget, weights),
                    ceil_div(pixels, columns), columns)
    if axis[1].block >= axis[1].count and axis[2].block >= axis[2].count or layout.joined == 2:
        if layout.joined < 2:  # a plane is enough for large weights
            pixels, weights = 1, 0
        block_lines(layout, phase, 0, budget, max(budget, weights),
                    ceil_div(pixels, columns * max(axis[1].count, 1)), columns)
    for a in range(AXES):
        phase.blocks[a] = ceil_div(axis[a].count, axis[a].block)


cdef void block_lines(const Layout *layout, Phase *phase, int a, Py_ssize_t budget,
                      Py_ssize_t limit, Py_ssize_t wanted, Py_ssize_t columns) noexcept:
    """As many rows, or planes, as the budget holds, one at least, and `wanted` up to a limit."""
    cdef const WindowAxis *axis = &phase.axis[a]
    cdef Py_ssize_t one = phase.window.size, lines = 1, least = min(axis.count, wanted)
    cdef Py_ssize_t rows = max(phase.axis[1].block, <Py_ssize_t>1)
    if axis.count <= 1:
        return
    if one < budget:  # a window of two of them tells what a further one costs
        block_along(layout, phase, a, 2, rows, columns)
        lines = 1 + (budget - one) // max(phase.window.size - one, 1)
    lines = least_size(axis.count, max(1, min(lines, axis.count)), least)
    block_along(layout, phase, a, lines, rows, columns)
    while lines > 1 and phase.window.size > (budget if lines > least else limit):
        lines = max((lines + 1) // 2, least) if lines > least else (lines + 1) // 2
        block_along(layout, phase, a, lines, rows, columns)


cdef void block_along(const Layout *layout, Phase *phase, int a, Py_ssize_t lines,
                      Py_ssize_t rows, Py_ssize_t columns) noexcept:
    """The window of so many planes, or of so many rows of one plane."""
    if a == 0:
        block_window(layout, phase, lines, rows, columns)
    else:
        block_window(layout, phase, 1, lines, columns)


cdef Py_ssize_t least_size(Py_ssize_t n, Py_ssize_t fit, Py_ssize_t least) noexcept:
    """The size of even parts of n: `fit` at most, or `least` at least where that is more."""
    cdef Py_ssize_t size = even_size(n, fit)
    return size if size >= least else ceil_div(n, max(n // least, 1))


cdef void block_window(const Layout *layout, Phase *phase, Py_ssize_t planes, Py_ssize_t rows,
                       Py_ssize_t columns) noexcept:
    """The window of a block of so many outputs; of all rows, where all axes are joined."""
    cdef WindowAxis *axis = phase.axis
    cdef int joined = layout.joined
    if joined == 2:
        block_axis(&axis[0], planes, True)
        block_axis(&axis[1], max(axis[1].count, 1), True, True)
    else:
        block_axis(&axis[0], planes, False)
        block_axis(&axis[1], rows, joined == 1)
    block_axis(&axis[2], columns, layout.by_pixels, joined > 0,
               1 if phase.window.channels_last else TAKEN_APART)
    set_strides(&phase.window, layout.kernels.half, layout.kernels.lanes, False, joined)


cdef void set_offsets(const Layout *layout, Phase *phase) noexcept:
    """Where the window holds each tap, in the order of sums: channels, then kernel positions.

    Where runs of pixels may leave out taps, those along the last axis come first.
    """
    cdef const WindowAxis *axis = phase.axis
    cdef Py_ssize_t c, t0, t1, t2, row, line = 0, step = 1, lines = axis[2].taps
    if layout.last_first:
        step, lines = phase.taps // axis[2].taps, 1
    for c in range(layout.in_channels):
        for t0 in range(axis[0].taps):
            for t1 in range(axis[1].taps):
                row = (c * phase.window.channel + window_place(&phase.window, 0, axis[0].at[t0])
                       + window_place(&phase.window, 1, axis[1].at[t1]))
                for t2 in range(axis[2].taps):
                    phase.offset[line * lines + t2 * step] = row + window_place(
                        &phase.window, 2, axis[2].at[t2])
                line += 1


# ---- arrays and caches ----

cdef bint is_one_line(cnp.ndarray array, bint channels_last):
    """Whether the spatial axes of images step through memory like one axis."""
    cdef Py_ssize_t expected = -1
    cdef int first = 1 if channels_last else 2, rank = cnp.PyArray_NDIM(array) - 2, i
    for i in range(first + rank - 1, first - 1, -1):
        if cnp.PyArray_DIM(array, i) == 1:
            continue  # its stride means nothing
        if expected != -1 and cnp.PyArray_STRIDES(array)[i] != expected:
            return False
        expected = cnp.PyArray_STRIDES(array)[i] * cnp.PyArray_DIM(array, i)
    return True


cdef bint lines_fit(Py_ssize_t stride, Py_ssize_t lines, Py_ssize_t sets, Py_ssize_t ways) noexcept:
    """Whether so many lines that lie `stride` bytes apart find room in a cache."""
    return lines * max(gcd(abs(stride), 64 * sets) // 64, 1) <= sets * ways
