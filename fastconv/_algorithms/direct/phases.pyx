"""Phases: outputs that meet the same taps, and the taps that may be left out.

Forward there is one phase; where a gradient is strided there are several. Both may be cut up
further, into ranges of outputs with the same taps inside of the source.
"""
from libc.stdlib cimport calloc, malloc

from fastconv._algorithms.direct.types cimport Layout, Phase
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, gcd, modulo, round_up
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.window_types cimport WindowAxis
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_SUM_BLOCK

cdef double TRIM_THRESHOLD = 0.85
cdef Py_ssize_t FAR_TAPS = 8                     # positions from a row's first tap to its last
cdef double SMALL_LAYER = 1e7                    # operations: not cut up for the products it saves
cdef Py_ssize_t LONGEST_TRIMMED_ROW = 1 << 16    # outputs whose runs are looked at one by one

# A range of outputs along one axis, and the taps that it reads.
cdef struct OutputRange:
    Py_ssize_t first, count, tap, taps

# The ranges of one axis.
cdef struct AxisRanges:
    OutputRange *outputs
    Py_ssize_t n
    bint has_gaps  # outputs that are in none of them


cdef int make_phases(Layout *layout, ConvDesc desc, bint strict, bint skip) except -1:
    """The taps of every phase: the product of the ranges of the three axes.

    strict: no output meets a tap that reads beyond the source. A zero out there does not matter
    to a sum, unless its weight is infinite; then phases are cut up further, into ranges of outputs
    that have the same taps inside. skip: the same along an axis where that leaves out many
    products; not for infinite weights forward, where such a zero matters. Along the last axis,
    runs of pixels leave them out instead (`find_trims`).
    """
    cdef AxisRanges ranges[AXES]
    cdef Py_ssize_t extent[AXES]
    cdef Py_ssize_t index[AXES]
    cdef Py_ssize_t room = 0, p
    cdef OutputRange *memory
    cdef Py_ssize_t *table
    cdef Scratch loan
    cdef bint small = desc.flops() <= SMALL_LAYER
    cdef int a
    set_sizes(layout)
    for a in range(AXES):
        room += 3 * layout.g.kernel[a] + 1
    loan = acquire(room * sizeof(OutputRange))
    memory = <OutputRange *>loan.data
    layout.n_phases = 1
    for a in range(AXES):
        ranges[a].outputs = memory
        make_ranges(layout, a, strict, skip and not strict and a < AXES - 1 and not small,
                    &ranges[a])
        memory += ranges[a].n
        extent[a] = ranges[a].n
        layout.n_phases *= ranges[a].n
        layout.has_gaps |= ranges[a].has_gaps
    layout.last_first = spans_far(layout.g)
    layout.may_trim = (layout.last_first and skip and not strict and not small
                       and reads_zeros(layout, AXES - 1))
    layout.phases = <Phase *>calloc(max(layout.n_phases, 1), sizeof(Phase))
    layout.table = <Py_ssize_t *>malloc(max(table_size(layout, ranges), 1) * sizeof(Py_ssize_t))
    if layout.phases == NULL or layout.table == NULL:
        raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
    table = layout.table
    for p in range(layout.n_phases):
        unravel(p, extent, AXES, index)
        table = make_phase(layout, &layout.phases[p], ranges, index, table)
    return 0


cdef bint spans_far(const conv_geometry *g) noexcept:
    """Whether taps along the last axis come first in sums, so that runs may leave out some.

    The kernel alone decides: an output has the same bits in whatever part of an image, be it a
    column that is taken for a row. Nearer taps than that meet too little padding where rows fill a
    tile.
    """
    return not g.turned and g.kernel[2] > 1 and (g.kernel[2] - 1) * g.dilation[2] >= FAR_TAPS


cdef void set_sizes(Layout *layout) noexcept:
    """Spatial sizes, and the period of taps; 1x1 kernels see all spatial axes as one."""
    cdef const conv_geometry *g = layout.g
    cdef int a
    layout.collapsed = True
    for a in range(AXES):
        layout.in_size[a] = g.output[a] if layout.backward else g.input[a]
        layout.out_size[a] = g.input[a] if layout.backward else g.output[a]
        if (g.kernel[a] != 1 or g.asked_stride[a] != 1 or g.before[a] or g.after[a]
                or g.input[a] != g.output[a]):
            layout.collapsed = False
        # Taps t and t + period reach the same phase; each of the first ones another.
        layout.period[a] = 1
        if layout.backward:
            layout.period[a] = g.asked_stride[a] // gcd(g.asked_stride[a], g.dilation[a])
    if layout.collapsed:
        for a in range(AXES - 1):
            layout.in_size[2] *= layout.in_size[a]
            layout.out_size[2] *= layout.out_size[a]
            layout.in_size[a] = layout.out_size[a] = 1


cdef Py_ssize_t table_size(const Layout *layout, const AxisRanges *ranges) noexcept:
    """Words that the phases need: two for each tap of an axis, one for each product of a sum, and
    one for each block of products."""
    cdef Py_ssize_t size = 0, i0, i1, i2, t0, t1, t2
    cdef const Py_ssize_t *kernel = layout.g.kernel
    cdef Py_ssize_t blocks = layout.in_channels * kernel[0] * kernel[1] * kernel[2] // FC_SUM_BLOCK
    for i0 in range(ranges[0].n):
        t0 = ranges[0].outputs[i0].taps
        for i1 in range(ranges[1].n):
            t1 = ranges[1].outputs[i1].taps
            for i2 in range(ranges[2].n):
                t2 = ranges[2].outputs[i2].taps
                size += 2 * (t0 + t1 + t2) + t0 * t1 * t2 * layout.in_channels + blocks + 2
    return size


cdef Py_ssize_t *make_phase(Layout *layout, Phase *phase, const AxisRanges *ranges,
                            const Py_ssize_t *index, Py_ssize_t *table) noexcept:
    """The phase of one range of each axis; returns the table behind its part."""
    cdef int a
    phase.spatial_taps = 1
    for a in range(AXES):
        make_axis(layout, phase, a, &ranges[a].outputs[index[a]], table)
        table += 2 * ranges[a].outputs[index[a]].taps
        phase.spatial_taps *= phase.axis[a].taps
    phase.taps = phase.spatial_taps * layout.in_channels
    phase.offset = table
    return cut_sums(layout, phase, table + phase.taps)


cdef Py_ssize_t *cut_sums(const Layout *layout, Phase *phase, Py_ssize_t *table) noexcept:
    """Where sums are cut if taps are left out: where they would be with them.

    Returns the table behind its part.
    """
    cdef Py_ssize_t low[AXES]
    cdef Py_ssize_t size[AXES]   # taps of the axes with those that are left out
    cdef Py_ssize_t period, tap = 0, n = 0, line, c, t0, t1, t2, place
    cdef Py_ssize_t lines = phase.axis[2].taps if layout.last_first else 1
    cdef Py_ssize_t row = 1 if layout.last_first else phase.axis[2].taps
    cdef int a
    phase.all_taps = layout.in_channels
    for a in range(AXES):
        period = layout.period[a]
        low[a] = phase.first_tap[a] // period
        size[a] = (layout.g.kernel[a] - 1 - phase.first_tap[a] % period) // period + 1
        phase.all_taps *= size[a]
    phase.cut = NULL
    if phase.all_taps <= FC_SUM_BLOCK or phase.all_taps == phase.taps:
        phase.all_taps = phase.taps
        return table
    phase.cut = table
    for line in range(lines):
        for c in range(layout.in_channels):
            for t0 in range(phase.axis[0].taps):
                for t1 in range(phase.axis[1].taps):
                    for t2 in range(line, line + row):
                        place = (c * size[0] + t0 + low[0]) * size[1] + t1 + low[1]
                        if layout.last_first:
                            place += (t2 + low[2]) * (phase.all_taps // size[2])
                        else:
                            place = place * size[2] + t2 + low[2]
                        while n <= place // FC_SUM_BLOCK:
                            phase.cut[n] = tap
                            n += 1
                        tap += 1
    while n <= ceil_div(phase.all_taps, FC_SUM_BLOCK):
        phase.cut[n] = tap
        n += 1
    return table + n


cdef void make_axis(Layout *layout, Phase *phase, int a, const OutputRange *outputs,
                    Py_ssize_t *table) noexcept:
    """What the outputs of a range read along axis a."""
    cdef const conv_geometry *g = layout.g
    cdef WindowAxis *axis = &phase.axis[a]
    cdef Py_ssize_t t, low, high
    axis.length = layout.in_size[a]
    axis.mode = PAD_ZEROS if layout.backward else g.padding_mode
    axis.value = g.padding_value
    axis.step = 1 if layout.backward else g.stride[a]
    axis.count = outputs.count
    axis.taps = outputs.taps
    axis.tap = table
    axis.at = table + outputs.taps
    phase.first[a] = outputs.first
    phase.first_tap[a] = outputs.tap
    phase.out_step[a] = g.asked_stride[a] if layout.backward else 1
    for t in range(outputs.taps):
        axis.tap[t] = source_position(layout, a, outputs.first,
                                      outputs.tap + t * layout.period[a])
    if a == AXES - 1 and layout.may_trim:
        # The last taps that are outside for all outputs; the first ones are left to runs, so that
        # sums are cut where they are without.
        taps_inside(axis, 0, axis.count, &low, &high)
        if low < high:
            layout.skips |= high < axis.taps
            axis.taps = high


cdef Py_ssize_t source_position(const Layout *layout, int a, Py_ssize_t first,
                                Py_ssize_t tap) noexcept:
    """The source position that a tap of axis a reads for output `first`."""
    cdef const conv_geometry *g = layout.g
    if layout.backward:
        # input position i met tap t in output o, where o * stride = i + before - t * dilation
        return (first + g.before[a] - tap * g.dilation[a]) // g.asked_stride[a]
    return first * g.stride[a] + tap * g.dilation[a] - g.before[a]


# ---- ranges of outputs ----

cdef void make_ranges(Layout *layout, int a, bint strict, bint may_skip,
                      AxisRanges *ranges) noexcept:
    """The ranges of axis a; may_skip: strict ones, if those leave out enough products."""
    cdef double all_products
    cut_axis(layout, a, strict, ranges)
    if not may_skip or not reads_zeros(layout, a) or not (
            layout.backward or layout.g.stride[a] == 1):
        return
    all_products = products(layout, a, ranges)
    cut_axis(layout, a, True, ranges)
    if products(layout, a, ranges) <= TRIM_THRESHOLD * all_products:
        layout.skips = True
    else:
        cut_axis(layout, a, False, ranges)


cdef void cut_axis(const Layout *layout, int a, bint strict, AxisRanges *ranges) noexcept:
    """Every phase of the stride along axis a, whole or cut up if strict."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t phases = min(layout.period[a], g.kernel[a]) if layout.backward else 1
    cdef Py_ssize_t p, first = 0, count = layout.out_size[a]
    ranges.n = 0
    # the outputs of a phase that no tap reaches are zero
    ranges.has_gaps = layout.backward and phases < g.asked_stride[a]
    for p in range(phases):
        if layout.backward:
            first = modulo(p * g.dilation[a] - g.before[a], g.asked_stride[a])
            count = ceil_div(max(layout.out_size[a] - first, 0), g.asked_stride[a])
        cut_phase(layout, a, p, first, count, strict, ranges)


cdef void cut_phase(const Layout *layout, int a, Py_ssize_t first_tap, Py_ssize_t first,
                    Py_ssize_t count, bint strict, AxisRanges *ranges) noexcept:
    """`count` outputs from `first` on, which taps first_tap, first_tap + period, … reach."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t period = layout.period[a], taps = (g.kernel[a] - 1 - first_tap) // period + 1
    cdef Py_ssize_t o = 0, end, low, high
    cdef OutputRange *outputs
    while o < count or o == 0:
        low, high, end = 0, taps, count
        if strict:
            find_taps(layout, a, first_tap, first, taps, o, &low, &high, &end)
        if high <= low and not layout.backward:
            low, high = 0, 1  # all is padding: sums of zeros, and a bias perhaps
        if high > low:
            outputs = &ranges.outputs[ranges.n]
            outputs.first = first + o * (g.asked_stride[a] if layout.backward else 1)
            outputs.count = end - o
            outputs.tap = first_tap + low * period
            outputs.taps = high - low
            ranges.n += 1
        else:
            ranges.has_gaps = True
        o = max(end, o + 1)


cdef void find_taps(const Layout *layout, int a, Py_ssize_t first_tap, Py_ssize_t first,
                    Py_ssize_t taps, Py_ssize_t o, Py_ssize_t *low, Py_ssize_t *high,
                    Py_ssize_t *end) noexcept:
    """Of a phase's output o: taps low … high - 1 read inside the source, up to output `end`."""
    cdef Py_ssize_t length = layout.in_size[a], t, position
    low[0], high[0] = taps, 0
    for t in range(taps):
        position = source_position(layout, a, first, first_tap + t * layout.period[a])
        if 0 <= o + position < length:
            low[0] = min(low[0], t)
            high[0] = t + 1
        if o < -position:
            end[0] = min(end[0], -position)
        if o < length - position:
            end[0] = min(end[0], length - position)


cdef double products(const Layout *layout, int a, const AxisRanges *ranges) noexcept:
    """Products along one axis.

    Where rows are short, outputs of a range share runs of pixels, whose last ones are not full.
    """
    cdef Py_ssize_t i, inner = 1
    cdef double count = 0
    for i in range(a + 1, AXES):
        inner *= layout.out_size[i]
    if inner >= 2 * layout.kernels.half or (layout.backward and layout.g.asked_stride[a] != 1):
        inner = 0
    for i in range(ranges.n):
        count += <double>ranges.outputs[i].taps * (
            round_up(ranges.outputs[i].count * inner, layout.kernels.half) if inner
            else ranges.outputs[i].count)
    return count


cdef bint reads_zeros(const Layout *layout, int a) noexcept:
    """Whether products along an axis may be with zeros outside of the source."""
    cdef const conv_geometry *g = layout.g
    return (g.before[a] or g.after[a]) and (layout.backward or g.padding_mode == PAD_ZEROS)


# ---- what runs of pixels and rows leave out ----

cdef void find_trims(Layout *layout) noexcept:
    """Whether runs of pixels leave out the taps that read outside for all their pixels.

    Those of a run follow each other: taps along the last axis come first in the order of sums.
    """
    cdef Phase *phase
    cdef WindowAxis *axis
    cdef double left, limit
    cdef Py_ssize_t p
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        phase.inside = 1
        phase.trims = False
        axis = &phase.axis[2]
        limit = TRIM_THRESHOLD * axis.count * axis.taps
        if not layout.may_trim or layout.joined or axis.count > LONGEST_TRIMMED_ROW:
            continue
        if taps_read_inside(axis) >= limit:
            continue  # runs cannot leave out more than that
        left = taps_left(axis, layout.run_pixels)
        if left < limit:
            phase.trims = layout.skips = True
            phase.inside = left / ((<double>axis.count) * axis.taps)


cdef double taps_left(const WindowAxis *axis, Py_ssize_t run) noexcept:
    """Products along the axis that are left if runs of so many outputs leave out what they can."""
    cdef Py_ssize_t o = 0, size, low, high
    cdef double left = 0
    while o < axis.count:
        size = min(run, axis.count - o)
        taps_inside(axis, o, size, &low, &high)
        left += <double>size * (high - low)
        o += size
    return left


cdef double taps_read_inside(const WindowAxis *axis) noexcept:
    """Products along the axis that read inside the source."""
    cdef Py_ssize_t tap
    cdef double inside = 0
    for tap in range(axis.taps):
        inside += max(0, end_inside(axis, tap, 0, axis.count)
                      - first_inside(axis, tap, 0, axis.count))
    return inside


cdef double inside_rows(const Layout *layout) noexcept:
    """The part of the taps of all rows that read inside the source."""
    cdef const WindowAxis *axis = &layout.phases[0].axis[1]
    return taps_read_inside(axis) / max(axis.count * axis.taps, 1)
