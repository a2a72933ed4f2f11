"""Layouts: which way one pass of one description is computed, and in which blocks.

A layout is made once, never changes, and is kept with the description.
"""
from libc.stdlib cimport calloc, free, malloc

from fastconv._algorithms.depthwise.axes cimport Axis, free_axis, make_axis
from fastconv._algorithms.depthwise.columns cimport (
    list_backward_plane_taps, list_plane_taps, make_row_columns, make_window_columns,
)
from fastconv._algorithms.depthwise.layout cimport (
    PLANES, PLANES_BACKWARD, ROWS, WINDOWS, extents_read, is_flat,
    packed_channels, plane_of,
)
from fastconv._core.integers cimport ceil_div, even_size, gcd, round_up
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.scratch cimport CACHE
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport (
    FC_IDENTITY, FC_SUM_BLOCK, fc_column, fc_epilogue, kernels_for,
)

from fastconv._algorithms.record import BACKWARD_DATA, FORWARD

cdef enum:
    MAX_SHIFT = 1 << 16         # elements from an output's place to what it reads, of rows in place
    WINDOW_BYTES = 64 << 10     # a small part of any second-level cache
    IN_PLACE_BYTES = 256 << 10  # the same where nothing is copied
    MIN_ROWS = 32               # of a window, rather than shorter ones that are wider
    MIN_PIXELS = 16             # of its rows, where channels are in the lanes
    MIN_VECTORS = 8             # of its rows, where pixels are
    # Of first-level caches (32 or 48 KiB, since Zen and Skylake), for `rows_crowd`:
    WAY_BYTES = 4096
    WAYS = 8
    TILE_ROWS = 4               # that `dwconv_rows` computes at once, or seven
    ROW_PIXELS = 32             # that fill vectors; shorter rows leave them idle
    FEW_PIXELS = 10             # of a row, that are slow by themselves
    PLANE_PIXELS = 7            # that are read, the same of `dwconv_plane`

cdef double MAX_FILL = 1.5      # lanes for each channel, where planes are put side by side

cdef fc_epilogue NO_EPILOGUE
NO_EPILOGUE.activation = FC_IDENTITY


# in the description's `kept`; a string knows its hash, a tuple does not
cdef tuple KEYS = tuple([f"depthwise {which}, {where}" for which in (FORWARD, BACKWARD_DATA)
                         for where in ("in place", "windows")])


cdef KeptLayout get_layout(ConvDesc desc, bint backward, bint windows_only=False):
    """The layout of a pass; windows_only: nothing is read in place."""
    cdef str key = KEYS[2 * backward + windows_only]
    cdef KeptLayout kept = desc.kept.get(key)
    if kept is None:
        kept = KeptLayout(desc, backward, windows_only)
        desc.kept[key] = kept
    return kept


cdef class KeptLayout:
    """A layout, and the memory of its tables."""

    def __cinit__(self, ConvDesc desc, bint backward, bint windows_only):
        cdef Layout *layout = &self.layout
        cdef OutputPhase *phase
        cdef Py_ssize_t p
        self.desc = desc
        set_channels(desc, backward, layout)
        if not windows_only:
            layout.in_rows = rows_can_stay(layout)
            layout.in_planes = layout.in_rows and sums_as_planes(layout)
            layout.together = columns_together(layout)
            layout.interleaves = interleaves(layout)
        layout.channels_in_lanes |= layout.interleaves
        if (layout.in_rows and not layout.interleaves
                and (not layout.in_planes or planes_can_stay(layout))):
            layout.method = ROWS
            layout.copies_rows = rows_crowd(layout)
        self.allocate_phases()
        choose_lanes(layout)
        if plane_kernel_serves(layout):
            layout.method = PLANES
            layout.copies_rows = False  # a plane's kernel reads few rows at a time
        elif backward_plane_kernel_serves(layout):
            layout.method = PLANES_BACKWARD
            plan_backward_planes(layout)
            self.allocate_taps(&layout.phase[0], 9)  # all of them: it takes the phases together
            list_backward_plane_taps(&layout.phase[0])
            return
        for p in range(layout.phases):
            phase = &layout.phase[p]
            choose_blocks(layout, phase)
            self.allocate_taps(phase, layout.in_channels * phase.axis[0].taps * phase.axis[1].taps
                               * phase.axis[2].taps)
            if layout.method == PLANES:
                list_plane_taps(layout, phase)
            elif layout.method == ROWS:
                make_row_columns(layout, phase)
            else:
                make_window_columns(layout, phase)
            add_phase(layout, phase)
        if layout.method == ROWS:
            self.allocate_zeros()

    def __dealloc__(self):
        cdef Py_ssize_t p
        cdef int a
        if self.layout.phase == NULL:
            return
        for p in range(self.layout.phases):
            for a in range(AXES):
                free_axis(&self.layout.phase[p].axis[a])
            free(self.layout.phase[p].column)
            free(self.layout.phase[p].order)
        free(self.layout.phase)
        free(self.layout.zeros)

    cdef int allocate_phases(self) except -1:
        """One output phase forward, one for each residue of the stride that has taps backward."""
        cdef const conv_geometry *g = &self.desc.g
        cdef Layout *layout = &self.layout
        cdef Py_ssize_t period[3]
        cdef Py_ssize_t residues[3]
        cdef Py_ssize_t p, r
        cdef int a
        layout.phases = 1
        for a in range(AXES):
            # Taps t and t + period reach the same phase; each of the first ones another.
            period[a] = residues[a] = 1
            if layout.backward:
                period[a] = g.asked_stride[a] // gcd(g.asked_stride[a], g.dilation[a])
                residues[a] = min(period[a], g.kernel[a])
                layout.has_gaps |= residues[a] < g.asked_stride[a]
            layout.phases *= residues[a]
        layout.phase = <OutputPhase *>calloc(layout.phases, sizeof(OutputPhase))
        if layout.phase == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        for p in range(layout.phases):
            r = p
            for a in range(AXES - 1, -1, -1):
                make_axis(self.desc, layout.backward, layout.method == ROWS, a, r % residues[a],
                          period[a], &layout.phase[p].axis[a])
                r //= residues[a]
        return 0

    cdef int allocate_taps(self, OutputPhase *phase, Py_ssize_t taps) except -1:
        """Room for the taps of an output phase, here and among the packed weights."""
        phase.taps = taps
        phase.packed = self.layout.packed_size
        self.layout.packed_size += taps * packed_channels(&self.layout)
        phase.column = <fc_column *>malloc(taps * sizeof(fc_column))
        phase.order = <Py_ssize_t *>malloc(2 * taps * sizeof(Py_ssize_t))
        if phase.column == NULL or phase.order == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        phase.offset = phase.order + taps
        return 0

    cdef int allocate_zeros(self) except -1:
        """The row that stands for rows of the padding, long enough for every output phase."""
        cdef Layout *layout = &self.layout
        cdef Py_ssize_t p, size = 0
        for p in range(layout.phases):
            layout.margin = max(layout.margin, -layout.phase[p].low)
            size = max(size, layout.phase[p].pitch + layout.phase[p].high)
        layout.zeros = <char *>calloc(layout.margin + size, layout.g.itemsize)
        if layout.zeros == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate a row of zeros")
        return 0


# ---- what serves ----

cdef int set_channels(ConvDesc desc, bint backward, Layout *layout) except -1:
    """What the pass reads and writes."""
    cdef const conv_geometry *g = &desc.g
    cdef int a
    layout.g = g
    layout.backward = backward
    layout.method = WINDOWS
    layout.epilogue = &NO_EPILOGUE if backward else &desc.epilogue
    layout.kernels = kernels_for(g.itemsize)
    layout.groups = g.groups
    layout.in_channels = (g.filters if backward else g.channels) // g.groups
    layout.out_channels = (g.channels if backward else g.filters) // g.groups
    layout.channels = layout.groups * layout.out_channels
    layout.channels_in_lanes = g.channels_last and layout.channels > 1
    for a in range(AXES):
        layout.size[a] = g.input[a] if backward else g.output[a]
    return 0


cdef bint interleaves(const Layout *layout) noexcept:
    """Whether planes are put side by side: small ones, where vectors of pixels are idle or slow.

    Sums keep their order, that of columns together tap by tap, in one block.
    """
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t lanes = 2 * layout.kernels.lanes, step = g.asked_stride[2]
    cdef double elements = (<double>plane_of(extents_read(layout))) + plane_of(layout.size)
    cdef bint plane_is_quick = extents_read(layout)[2] >= PLANE_PIXELS or (
        layout.backward and step == 2)
    # else rows move a few elements each, or their results are put apart one by one
    cdef bint must = layout.size[2] <= FEW_PIXELS or (layout.backward and step > 1)
    if (g.channels_last or layout.in_channels > 1 or (layout.backward and layout.out_channels > 1)
            or (has_plane_kernel(layout) and plane_is_quick)
            or elements * lanes * g.itemsize > (CACHE * 3 // 4 if must else IN_PLACE_BYTES)
            or round_up(layout.groups, lanes) > MAX_FILL * layout.groups):
        return False
    if layout.size[2] < ROW_PIXELS:
        return True
    # rows in place take a step of two apart in registers; one by one they keep few sums in flight
    return step > 2 or (step == 2 and (layout.backward or g.kernel[2] == 1
                                       or layout.in_rows and has_few_rows(g)))


cdef bint has_few_rows(const conv_geometry *g) noexcept:
    """Whether no tile of rows is full, of which those share a column that its taps are apart."""
    cdef Py_ssize_t common = gcd(g.stride[1], g.dilation[1]), spacing = 1
    if g.kernel[1] * common > g.stride[1]:
        spacing = g.dilation[1] // common
    return g.output[1] < TILE_ROWS * spacing


cdef bint has_plane_kernel(const Layout *layout) noexcept:
    """Whether `dwconv_plane` or the like would serve, as far as its squares go."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t size = g.kernel[2], step = g.asked_stride[2]
    cdef bint flat = is_flat(g) if layout.backward else g.kernel[0] == 1
    return (flat and g.padding_mode == PAD_ZEROS and g.kernel[1] == size
            and g.asked_stride[1] == step and g.dilation[1] == g.dilation[2] == 1
            and (size == 3 and step <= 2 or size == 5 and (step == 1 or step == 2
                                                           and not layout.backward)))


cdef bint sums_as_planes(const Layout *layout) noexcept:
    """Whether sums have the order of a plane's kernel, whatever the image's size."""
    return (layout.in_channels == 1 and has_plane_kernel(layout)
            and not (layout.backward and layout.g.asked_stride[2] == 2))


cdef bint planes_can_stay(const Layout *layout) noexcept:
    """Whether a plane's kernel serves, where padding is short."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t size = g.kernel[2], step = 1 if layout.backward else g.asked_stride[2]
    cdef Py_ssize_t first = g.before[2] - size + 1 if layout.backward else -g.before[2]
    return (-size < first <= 0
            and (layout.size[2] - 1) * step + first < extents_read(layout)[2])


cdef Py_ssize_t columns_together(const Layout *layout) noexcept:
    """Columns of a kernel that sums go through at once, where rows or planes are in place."""
    cdef const conv_geometry *g = layout.g
    if layout.in_planes and g.kernel[1] * g.kernel[2] <= layout.kernels.plane_weights:
        return g.kernel[2]
    if (layout.in_rows and not layout.backward and g.asked_stride[2] == 2 and g.dilation[2] == 1
            and g.kernel[2] > 1):
        return 2
    return 1


cdef bint rows_can_stay(const Layout *layout) noexcept:
    """Whether rows can be read in place: no more around them than zeros, and not far away."""
    cdef const conv_geometry *g = layout.g
    # taps of every second element would each take a row apart for themselves, and long sums of
    # pairs of taps have another order than those of windows
    cdef bint apart = g.asked_stride[2] == 2 and (
        g.dilation[2] % 2 == 0 and g.kernel[2] > 2
        or layout.out_channels > 2 and not has_plane_kernel(layout)
        or g.kernel[0] * g.kernel[1] * g.kernel[2] > FC_SUM_BLOCK)
    return (layout.kernels.dwconv_rows != NULL
            and not layout.channels_in_lanes and g.kernel[1] > 1
            and (layout.backward or (g.padding_mode == PAD_ZEROS and g.asked_stride[2] <= 2
                                     and not apart))
            and max(g.before[2], g.dilation[2] * (g.kernel[2] - 1)) <= MAX_SHIFT)


cdef bint rows_crowd(const Layout *layout) noexcept:
    """Whether the rows that a tile reads and writes push each other out of the first-level cache.

    Rows a power of two apart share the few sets of that cache: those of 1024 float32 all have the
    same. In a window they have another length, and sums have the same order.
    """
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t row = (g.output[2] if layout.backward else g.input[2]) * g.itemsize
    cdef Py_ssize_t apart = WAY_BYTES // gcd(WAY_BYTES, max(row * g.dilation[1], 1))
    return g.kernel[1] + 2 * TILE_ROWS - 1 > WAYS * apart


cdef void choose_lanes(Layout *layout) noexcept:
    """What the vectors hold, and which way the columns run."""
    cdef Py_ssize_t lanes = layout.kernels.lanes, channels = layout.channels
    cdef const Axis *axis = layout.phase[0].axis
    layout.joined_pixels = 1
    layout.column_axis = 2 if layout.g.kernel[1] == 1 else 1
    layout.channels_per_block = layout.out_channels
    layout.channel_blocks = layout.groups
    if not layout.channels_in_lanes:
        return
    layout.channels_per_block = channels
    layout.channel_blocks = 1
    if layout.interleaves:  # columns run as they would in planes: sums keep their order
        layout.channels_per_block = 2 * lanes
        layout.channel_blocks = ceil_div(layout.groups, layout.channels_per_block)
    elif channels % lanes and channels < 2 * lanes and axis[2].out_step == 1:
        # pixels side by side fill vectors, also where there are fewer: sums keep their order
        layout.joined_pixels = lanes // gcd(channels, lanes)
    else:
        layout.column_axis = 2
        layout.channels_per_block = min(channels, 2 * lanes)
        layout.channel_blocks = ceil_div(channels, layout.channels_per_block)


cdef bint plane_kernel_serves(const Layout *layout) noexcept:
    """Whether `dwconv_plane` does: squares that move by one or two, where padding is short."""
    cdef const conv_geometry *g = layout.g
    cdef const Axis *axis = layout.phase[0].axis
    cdef Py_ssize_t size = g.kernel[2], step = axis[2].step
    return (layout.method == ROWS and layout.phases == 1 and layout.in_channels == 1
            and (size == 3 or size == 5) and g.kernel[1] == size and axis[1].step == step
            and g.dilation[1] == 1 and g.dilation[2] == 1 and g.kernel[0] == 1
            and (is_flat(g) or not layout.backward)
            and -size < axis[2].base[0] <= 0
            and (axis[2].count - 1) * step + axis[2].base[0] < axis[2].length)


cdef bint backward_plane_kernel_serves(const Layout *layout) noexcept:
    """Whether `dwconv_plane_backward_data` does: squares of three that move by two."""
    cdef const conv_geometry *g = layout.g
    cdef int a
    if not (layout.backward and layout.method == ROWS and layout.in_channels == 1 and is_flat(g)):
        return False
    for a in range(1, AXES):
        if (g.kernel[a] != 3 or g.asked_stride[a] != 2 or g.dilation[a] != 1
                or not 0 <= g.before[a] < 3):
            return False
    return True


# ---- blocks ----

cdef void plan_backward_planes(Layout *layout) noexcept:
    """Blocks of whole rows, and room for the rows that must be copied, being no runs."""
    cdef const conv_geometry *g = layout.g
    cdef OutputPhase *phase = &layout.phase[0]
    cdef Py_ssize_t most = IN_PLACE_BYTES // (2 * g.itemsize * max(1, g.input[2])) + MIN_ROWS
    layout.plane_rows = even_size(g.input[1], most)
    layout.blocks = ceil_div(g.input[1], layout.plane_rows)
    phase.pitch = round_up(g.output[2], layout.kernels.lanes)
    layout.window = round_up((layout.plane_rows // 2 + 3) * phase.pitch, 16)


cdef void choose_blocks(Layout *layout, OutputPhase *phase) noexcept:
    """Block the outputs so that a window fits the cache."""
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t budget = (WINDOW_BYTES if layout.method == WINDOWS else IN_PLACE_BYTES
                              ) // layout.g.itemsize
    cdef Py_ssize_t min_width = (MIN_PIXELS if layout.channels_in_lanes
                                 else MIN_VECTORS * layout.kernels.lanes)
    cdef int a
    for a in range(AXES):
        axis[a].block = max(axis[a].count, 1)
    if layout.method == PLANES:
        axis[0].block = 1
    # First thinner blocks of planes, then of rows, then narrower ones, then of rows again.
    shrink(layout, phase, 0, 1, budget)
    shrink(layout, phase, 1, MIN_ROWS, budget)
    shrink(layout, phase, 2, min_width, budget)
    shrink(layout, phase, 1, TILE_ROWS, budget)
    # Fewer rows leave a kernel's tile empty: long kernels have larger windows.
    shrink(layout, phase, 1, 1, CACHE // 2 // layout.g.itemsize)
    for a in range(AXES):
        axis[a].blocks = ceil_div(axis[a].count, axis[a].block)
    phase.blocks = axis[0].blocks * axis[1].blocks * axis[2].blocks


cdef void shrink(Layout *layout, OutputPhase *phase, int a, Py_ssize_t least,
                 Py_ssize_t budget) noexcept:
    """Halve the blocks along one axis until a window has no more elements than the budget."""
    cdef Axis *axis = &phase.axis[a]
    measure(layout, phase)
    while phase.size > budget and axis.block > least:
        axis.block = even_size(axis.count, max(least, (axis.block + 1) // 2))
        measure(layout, phase)


cdef void measure(Layout *layout, OutputPhase *phase) noexcept:
    """Strides and size of what a block reads."""
    if layout.method == WINDOWS:
        measure_window(layout, phase)
    else:
        measure_table(layout, phase)


cdef void measure_window(const Layout *layout, OutputPhase *phase) noexcept:
    """Strides and size of a window.

    Its axes are: input channel, input phase 0, axis 0, input phases 1 and 2, axes 1 and 2.
    """
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t lanes = layout.kernels.lanes
    axis[2].position = layout.channels_per_block if layout.channels_in_lanes else 1
    phase.pitch = round_up((axis[2].block + axis[2].extra) * axis[2].position, lanes)
    if phase.pitch * layout.g.itemsize % 2048 == 0:
        phase.pitch += lanes   # neighbouring rows off the same sets of the cache
    axis[1].position = phase.pitch
    axis[2].phase_size = (axis[1].block + axis[1].extra) * phase.pitch
    axis[1].phase_size = axis[2].input_phases * axis[2].phase_size
    axis[0].position = axis[1].input_phases * axis[1].phase_size
    axis[0].phase_size = (axis[0].block + axis[0].extra) * axis[0].position
    phase.channel = axis[0].input_phases * axis[0].phase_size
    phase.size = layout.in_channels * phase.channel
    phase.slack = 8 * lanes
    if layout.channels_in_lanes:
        phase.slack += layout.channels_per_block * layout.joined_pixels


cdef void measure_table(Layout *layout, OutputPhase *phase) noexcept:
    """The same of a table of rows, and of a window for rows that are no runs of elements."""
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t lanes = layout.kernels.lanes, i
    phase.low = phase.high = axis[2].base[0]
    for i in range(axis[2].taps):
        phase.low = min(phase.low, axis[2].base[i])
        phase.high = max(phase.high, axis[2].base[i])
    phase.pitch = round_up(round_up(axis[2].block, lanes) * axis[2].step + phase.high - phase.low
                           + 2 * lanes, lanes)
    if phase.pitch * layout.g.itemsize % 2048 == 0:
        phase.pitch += lanes   # as in `measure_window`
    axis[2].position = axis[2].phase_size = 0
    axis[1].position = 1
    axis[1].phase_size = axis[1].block + axis[1].extra
    axis[0].position = axis[1].input_phases * axis[1].phase_size
    axis[0].phase_size = (axis[0].block + axis[0].extra) * axis[0].position
    phase.channel = axis[0].input_phases * axis[0].phase_size
    phase.size = layout.in_channels * phase.channel * phase.pitch
    phase.slack = 0


cdef void add_phase(Layout *layout, const OutputPhase *phase) noexcept:
    """Room for its window, and for a plane of outputs that are no neighbours in the result."""
    cdef const Axis *axis = phase.axis
    layout.window = max(layout.window, round_up(phase.size + phase.slack, 16))
    if layout.method != WINDOWS:
        layout.table = max(layout.table, layout.in_channels * phase.channel)
    if not layout.channels_in_lanes and axis[2].out_step > 1:
        layout.tile = max(layout.tile, round_up(
            axis[1].block * round_up(axis[2].block, layout.kernels.lanes), 16))
    layout.blocks += phase.blocks
