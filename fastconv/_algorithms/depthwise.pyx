"""Depthwise convolution: few channels meet in a sum, so memory and overhead decide, not sums.

Each plane of an image (or each vector of channels, where they come last) is convolved by itself.
Rows are read where they lie, wherever the kernels allow it: a table says where each row of the
input is, rows of padding are one row of zeros, and `dwconv_rows` loads the ends of rows in part.
Where the kernel is one of the usual squares `dwconv_plane` does so for many planes in one
call, and `dwconv_plane_backward_weight` for the gradient of the weights.
Elsewhere the part of a plane that a block of outputs reads is copied into a window that stays in
the cache, one call of `copy` for a whole plane; padding is written around it once for all planes
of a task. One call of `dwconv_window` (or `dwconv_pixels`) then computes the block. All take the
taps as *columns*: runs of taps as far apart as two outputs are, so that a row of the window that
has been loaded serves all outputs and taps that meet in it.

Strides are taken apart by phases. A kernel that moves by two sees the even source positions with
its even taps and the odd ones with its odd taps; the window holds each such *slot* by itself, and
within one all steps are 1. The gradient of the data is a convolution of grad_output for each
phase of its outputs, as in `direct`.

Sources: Howard et al., "MobileNets" (2017); Zhang, Lo and Lu, "High performance depthwise and
pointwise convolutions on mobile devices" (AAAI 2020).
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

import math

import numpy as np

cimport numpy as cnp

from fastconv._core.cost cimport peak
from fastconv._core.integers cimport even, gcd, modulo, up
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.old_window cimport real_t, source_strides
from fastconv._core.padding cimport AXES, PAD_ZEROS, source_index
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport (
    FC_CLIP, FC_IDENTITY, fc_column, fc_epilogue, fc_kernels, fc_plane, fc_prefetch, fc_rows,
    kernels_for,
)

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

# The cost model (docs/algorithms/choice.rst): parts of the peak that sums of few filters, of many,
# and gradients of weights reach, and those by whole planes,
cdef double FEW = 0.47, MANY = 0.32, GRADIENT = 0.20, MAP_GRADIENT = 0.50
cdef double MAPS = 0.5  # what sums by whole planes take of the time of others
# and seconds for a call, a channel, a byte of the result, a product whose lanes must be
# rearranged, a strided element, a row of such, a tap of a gradient, and a plane of one.
cdef double STARTED = 3e-6, PER_CHANNEL = 0.08e-6, STORED = 0.08e-9, REARRANGED = 1e-9
cdef double STRIDED = 0.15e-9, STRIDED_ROW = 10e-9, PER_TAP = 0.04e-6, PER_MAP = 0.04e-6

cdef enum:
    FARTHEST = 1 << 16  # elements from an output's place to what it reads, of rows in place
    MOST_CHANNELS = 8        # that meet in a sum
    WINDOW = 64 << 10        # bytes: a small part of any second-level cache
    REACH = 256 << 10        # the same where nothing is copied
    TALL = 32                # rows of a window, rather than shorter ones that are wider
    WIDE = 16                # and pixels, where channels are in the lanes
    COLUMN = 64              # taps of a column, FC_SUM_BLOCK
    ROW = 64                 # sums over blocks of outputs that are added up in a row
    MOST_PARTS = 4           # of a window that are remembered
    DOTS = 9                 # taps that share a pass over the gradients

# One spatial axis of a correlation. Output q meets tap t at the source position
# base[slot[t]] + (q + move[t]) * step.
cdef struct Axis:
    Py_ssize_t length        # of the source
    Py_ssize_t mode          # how it goes on outside
    Py_ssize_t step
    Py_ssize_t first, out_step  # in the sink: of these outputs, and the step to the next
    Py_ssize_t count         # of outputs
    Py_ssize_t taps
    Py_ssize_t *kernel       # place of each tap in the kernel
    Py_ssize_t *slot
    Py_ssize_t *move
    Py_ssize_t *base
    Py_ssize_t slots
    Py_ssize_t extra         # the largest move
    Py_ssize_t spacing       # between the taps of a slot
    Py_ssize_t block         # outputs of a block
    Py_ssize_t blocks
    Py_ssize_t position, slot_size   # strides of the window

cdef struct Phase:
    Axis axis[3]
    Py_ssize_t taps
    Py_ssize_t columns
    fc_column *column
    Py_ssize_t *order        # of the taps in the sum: flat places in (sources, *kernel)
    Py_ssize_t *offset       # of each in the window
    Py_ssize_t channel       # from source channel to source channel in the window
    Py_ssize_t pitch         # of a row
    Py_ssize_t size, slack   # elements of the window, and readable ones past it
    Py_ssize_t low, high     # in_place: the least and the largest shift of a column
    Py_ssize_t blocks
    Py_ssize_t packed        # where its weights start

cdef struct Layer:
    const conv_geometry *g
    const fc_epilogue *epilogue
    const fc_kernels *k
    bint backward
    bint wide                # channels in the lanes, else pixels
    bint in_place            # rows are read where they lie: the window is a table of rows
    int map                  # the kernel for planes of a square of taps in place, or -1
    Py_ssize_t spread        # rows of a block, where `dwconv_plane_backward_data` serves, or 0
    int along                # the axis of the columns
    Py_ssize_t groups, sources, sinks   # channels per group, read and written
    Py_ssize_t channels      # of the sink
    Py_ssize_t chunk, chunks  # channels that share a window, and how many such
    Py_ssize_t fold          # neighbouring pixels taken as one of more channels
    Py_ssize_t sink_axis[3]
    bint has_gaps            # some outputs meet no tap
    Py_ssize_t n_phases
    Phase *phases
    Py_ssize_t blocks        # of all phases
    Py_ssize_t window, tile  # elements of the largest window, and of a plane to be scattered
    Py_ssize_t table         # rows of the largest table
    char *zeros              # a row of zeros, of which output 0 reads those at `margin` on
    Py_ssize_t margin
    Py_ssize_t packed_size


cdef class Layout:
    """How one pass of one description is blocked; immutable, and kept with the description."""

    cdef ConvDesc desc
    cdef Layer of

    @staticmethod
    cdef Layout get(ConvDesc desc, bint backward, bint windows=False):
        """windows: never in place."""
        cdef tuple key = ("depthwise", backward, windows)
        cdef Layout layout = desc.kept.get(key)
        if layout is None:
            layout = Layout(desc, backward, windows)
            desc.kept[key] = layout
        return layout

    def __cinit__(self, ConvDesc desc, bint backward, bint windows):
        cdef conv_geometry *g = &desc.g
        cdef Py_ssize_t p
        cdef Phase *phase
        self.desc = desc
        self.of.backward = backward
        self.of.g = g
        self.of.epilogue = &desc.epilogue
        self.of.k = kernels_for(g.itemsize)
        self.of.groups = g.groups
        self.of.sources = (g.filters if backward else g.channels) // g.groups
        self.of.sinks = (g.channels if backward else g.filters) // g.groups
        self.of.channels = self.of.groups * self.of.sinks
        self.of.wide = g.channels_last and self.of.channels > 1
        self.of.in_place = (
            not windows and self.of.k.dwconv_rows != NULL and not self.of.wide and g.kernel[1] > 1
            and (backward or (g.padding_mode == PAD_ZEROS and g.stride[2] <= 2))
            and max(g.before[2], g.dilation[2] * (g.kernel[2] - 1)) <= FARTHEST)
        self.make_phases()
        self.choose_lanes()
        self.of.map = self.find_map()
        self.of.packed_size = 0
        if self.find_spread():
            return
        for p in range(self.of.n_phases):
            phase = &self.of.phases[p]
            self.lay_out(phase)
            if self.of.map >= 0:
                self.make_square(phase)
            elif self.of.in_place:
                self.make_lines(phase)
            else:
                self.make_columns(phase)
            self.of.window = max(self.of.window, up(phase.size + phase.slack, 16))
            if not self.of.wide and phase.axis[2].out_step > 1:
                self.of.tile = max(self.of.tile, up(
                    phase.axis[1].block * up(phase.axis[2].block, self.of.k.lanes), 16))
            self.of.blocks += phase.blocks
        if self.of.in_place and self.of.map < 0:
            self.make_zeros()

    def __dealloc__(self):
        cdef Py_ssize_t p
        cdef int a
        if self.of.phases == NULL:
            return
        for p in range(self.of.n_phases):
            for a in range(AXES):
                free(self.of.phases[p].axis[a].kernel)
            free(self.of.phases[p].column)
            free(self.of.phases[p].order)
        free(self.of.phases)
        free(self.of.zeros)

    cdef int make_phases(self) except -1:
        """One phase forward, one for each residue of the stride that has taps backward."""
        cdef conv_geometry *g = &self.desc.g
        cdef Py_ssize_t period[3]
        cdef Py_ssize_t residues[3]
        cdef Py_ssize_t p, r
        cdef int a
        self.of.n_phases = 1
        for a in range(AXES):
            self.of.sink_axis[a] = g.input[a] if self.of.backward else g.output[a]
            # Taps j and j + period reach the same phase; each of the first ones another.
            period[a] = residues[a] = 1
            if self.of.backward:
                period[a] = g.stride[a] // gcd(g.stride[a], g.dilation[a])
                residues[a] = min(period[a], g.kernel[a])
                self.of.has_gaps |= residues[a] < g.stride[a]
            self.of.n_phases *= residues[a]
        self.of.phases = <Phase *>calloc(self.of.n_phases, sizeof(Phase))
        if self.of.phases == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        for p in range(self.of.n_phases):
            r = p
            for a in range(AXES - 1, -1, -1):
                self.make_axis(a, r % residues[a], period[a], &self.of.phases[p].axis[a])
                r //= residues[a]
        return 0

    cdef int make_axis(self, int a, Py_ssize_t first_tap, Py_ssize_t period,
                       Axis *axis) except -1:
        """The taps of a phase along one axis, in slots."""
        cdef conv_geometry *g = &self.desc.g
        cdef Py_ssize_t i, n, s, low, reach
        cdef Py_ssize_t taps = (g.kernel[a] - 1 - first_tap) // period + 1
        axis.length = g.output[a] if self.of.backward else g.input[a]
        axis.mode = PAD_ZEROS if self.of.backward else g.padding_mode
        axis.step = 1 if self.of.backward else g.stride[a]
        axis.taps = taps
        axis.out_step = 1
        axis.count = g.output[a]
        if self.of.backward:
            axis.out_step = g.stride[a]
            axis.first = modulo(first_tap * g.dilation[a] - g.before[a], g.stride[a])
            axis.count = 0
            if g.input[a] > axis.first:
                axis.count = (g.input[a] - axis.first - 1) // g.stride[a] + 1
        axis.kernel = <Py_ssize_t *>malloc(5 * taps * sizeof(Py_ssize_t))
        if axis.kernel == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        axis.slot = axis.kernel + taps
        axis.move = axis.slot + taps
        axis.base = axis.move + taps
        cdef Py_ssize_t *reads = axis.base + taps   # source positions for output 0
        # in ascending order: backward, the last tap reads the first position
        for i in range(taps):
            if self.of.backward:
                axis.kernel[i] = first_tap + (taps - 1 - i) * period
                # input position i met tap j in output o: o * stride = i + before - j * dilation
                reads[i] = (axis.first + g.before[a] - axis.kernel[i] * g.dilation[a]) // (
                    g.stride[a])
            else:
                axis.kernel[i] = i
                reads[i] = i * g.dilation[a] - g.before[a]
        # Taps whose positions are whole steps apart share a slot, unless so far apart that
        # stretches of their own are shorter.
        low = reads[0]
        axis.spacing = 1
        period = axis.step
        if taps > 1:
            period = axis.step // gcd(axis.step, reads[1] - low)   # such taps
            axis.spacing = (reads[1] - low) * period // axis.step
        axis.slots = min(period, taps)
        axis.extra = (taps - 1) // axis.slots * axis.spacing
        reach = min(axis.count, 4096 if a == 2 else 16 if a == 1 else 4)
        if taps * reach < axis.slots * (reach + axis.extra) or (a == 2 and self.of.in_place):
            axis.slots = taps
            axis.extra = 0
            axis.spacing = 1
        # sort the taps by slots
        n = 0
        for s in range(axis.slots):
            for i from s <= i < taps by axis.slots:
                axis.slot[n] = s
                axis.move[n] = i // axis.slots * axis.spacing
                n += 1
            axis.base[s] = reads[s]
        n = 0
        for s in range(axis.slots):
            for i from s <= i < taps by axis.slots:
                reads[n] = axis.kernel[i]
                n += 1
        for i in range(taps):
            axis.kernel[i] = reads[i]
        return 0

    cdef int choose_lanes(self) except -1:
        """What the vectors hold, and which way the columns run."""
        cdef Py_ssize_t lanes = self.of.k.lanes, channels = self.of.channels
        cdef Axis *axis = self.of.phases[0].axis
        self.of.fold = self.of.chunks = 1
        self.of.chunk = channels
        self.of.along = 2 if self.desc.g.kernel[1] == 1 else 1
        if self.of.wide:
            if channels % lanes and channels < 2 * lanes and axis[2].out_step == 1:
                # pixels side by side fill vectors
                self.of.fold = max(1, min(lanes // gcd(channels, lanes), axis[2].count))
            if self.of.fold == 1:
                self.of.along = 2
                self.of.chunk = min(channels, 2 * lanes)
                self.of.chunks = (channels + self.of.chunk - 1) // self.of.chunk
        return 0

    cdef int find_map(self) noexcept:
        """Which `dwconv_plane` serves: squares that move by one or two, where padding is short."""
        cdef conv_geometry *g = &self.desc.g
        cdef Axis *axis = self.of.phases[0].axis
        cdef Py_ssize_t size = g.kernel[2], step = axis[2].step
        if (self.of.in_place and self.of.n_phases == 1 and self.of.sources == 1
                and (size == 3 or size == 5) and g.kernel[1] == size and axis[1].step == step
                and g.dilation[1] == 1 and g.dilation[2] == 1
                and g.kernel[0] == 1 and g.input[0] == 1 and g.output[0] == 1 and g.before[0] == 0
                and -size < axis[2].base[0] <= 0
                and (axis[2].count - 1) * step + axis[2].base[0] < axis[2].length):
            return (size // 2 - 1) * 2 + step - 1
        return -1

    cdef bint find_spread(self) except -1:
        """Whether `dwconv_plane_backward_data` serves, with all taps in the first phase."""
        cdef conv_geometry *g = &self.desc.g
        cdef Phase *phase = &self.of.phases[0]
        cdef Py_ssize_t p, t, most
        cdef int a
        if not (self.of.backward and self.of.in_place and self.of.sources == 1
                and g.kernel[0] == 1 and g.input[0] == 1 and g.output[0] == 1 and g.before[0] == 0):
            return False
        for a in range(1, AXES):
            if (g.kernel[a] != 3 or g.stride[a] != 2 or g.dilation[a] != 1
                    or not 0 <= g.before[a] < 3):
                return False
        most = REACH // (2 * g.itemsize * max(1, g.input[2])) + TALL
        self.of.spread = even(g.input[1], most)
        self.of.blocks = (g.input[1] + self.of.spread - 1) // self.of.spread
        phase.taps = 9
        self.of.packed_size = 9 * self.of.channels
        phase.order = <Py_ssize_t *>malloc(9 * sizeof(Py_ssize_t))
        if phase.order == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        for t in range(9):
            phase.order[t] = t % 3 * 3 + t // 3
        for p in range(1, self.of.n_phases):
            self.of.phases[p].taps = 0
        # where rows are copied that are no runs of elements
        phase.pitch = up(g.output[2], self.of.k.lanes)
        self.of.window = up((self.of.spread // 2 + 3) * phase.pitch, 16)
        return True

    cdef void lay_out(self, Phase *phase) noexcept:
        """Block the outputs so that a window fits the cache."""
        cdef Axis *axis = phase.axis
        cdef Py_ssize_t lanes = self.of.k.lanes, least
        cdef Py_ssize_t budget = (REACH if self.of.in_place else WINDOW) // self.desc.g.itemsize
        cdef int a, trial
        for a in range(AXES):
            axis[a].block = max(axis[a].count, 1)
        # First thinner blocks of planes, then of rows, then narrower ones.
        for trial in range(4):
            a = 0 if trial == 0 else 2 if trial == 2 else 1
            least = (1 if trial != 1 and trial != 2 else TALL if trial == 1
                     else WIDE if self.of.wide else 8 * lanes)
            while True:
                self.measure(phase)
                if phase.size <= budget or axis[a].block <= least:
                    break
                axis[a].block = even(axis[a].count, max(least, (axis[a].block + 1) // 2))
        for a in range(AXES):
            axis[a].blocks = (axis[a].count + axis[a].block - 1) // axis[a].block
        phase.blocks = axis[0].blocks * axis[1].blocks * axis[2].blocks
        if self.of.in_place:
            self.tabulate(phase)

    cdef void measure(self, Phase *phase) noexcept:
        """Strides and size of the window: (source, slot 0, axis 0, slots 1 and 2, axes 1, 2)."""
        cdef Axis *axis = phase.axis
        cdef Py_ssize_t lanes = self.of.k.lanes
        axis[2].position = self.of.chunk if self.of.wide else 1
        phase.pitch = up((axis[2].block + axis[2].extra) * axis[2].position, lanes)
        if phase.pitch * self.desc.g.itemsize % 2048 == 0:
            phase.pitch += lanes   # neighbouring rows off the same sets of the cache
        axis[1].position = phase.pitch
        axis[2].slot_size = (axis[1].block + axis[1].extra) * phase.pitch
        axis[1].slot_size = axis[2].slots * axis[2].slot_size
        axis[0].position = axis[1].slots * axis[1].slot_size
        axis[0].slot_size = (axis[0].block + axis[0].extra) * axis[0].position
        phase.channel = axis[0].slots * axis[0].slot_size
        phase.size = self.of.sources * phase.channel
        phase.slack = 8 * lanes + self.of.chunk * self.of.fold

    cdef void tabulate(self, Phase *phase) noexcept:
        """The same of a table of rows, and of a window for rows that are no runs of elements."""
        cdef Axis *axis = phase.axis
        cdef Py_ssize_t lanes = self.of.k.lanes, i
        phase.low = phase.high = axis[2].base[0]
        for i in range(axis[2].taps):
            phase.low = min(phase.low, axis[2].base[i])
            phase.high = max(phase.high, axis[2].base[i])
        phase.pitch = up(up(axis[2].block, lanes) * axis[2].step + phase.high - phase.low
                         + 2 * lanes, lanes)
        axis[2].position = axis[2].slot_size = 0
        axis[1].position = 1
        axis[1].slot_size = axis[1].block + axis[1].extra
        axis[0].position = axis[1].slots * axis[1].slot_size
        axis[0].slot_size = (axis[0].block + axis[0].extra) * axis[0].position
        phase.channel = axis[0].slots * axis[0].slot_size
        self.of.table = max(self.of.table, self.of.sources * phase.channel)
        phase.size = self.of.sources * phase.channel * phase.pitch
        phase.slack = 0

    cdef int make_zeros(self) except -1:
        cdef Py_ssize_t p, size = 0
        for p in range(self.of.n_phases):
            self.of.margin = max(self.of.margin, -self.of.phases[p].low)
            size = max(size, self.of.phases[p].pitch + self.of.phases[p].high)
        self.of.zeros = <char *>calloc(self.of.margin + size, self.desc.g.itemsize)
        if self.of.zeros == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate a row of zeros")
        return 0

    cdef int make_lines(self, Phase *phase) except -1:
        """`make_columns` for rows in place: neighbours that share their loads are pairs."""
        cdef conv_geometry *g = &self.desc.g
        cdef Axis *axis = phase.axis
        cdef Py_ssize_t c, t, i, j, h, n = 0, run
        cdef bint pair
        cdef fc_column *column
        self.allocate_columns(phase)
        for c in range(self.of.sources):
            for t in range(axis[0].taps):
                i = 0
                while i < axis[2].taps:
                    pair = (axis[2].step == 2 and i + 1 < axis[2].taps
                            and axis[2].base[i + 1] == axis[2].base[i] + 1)
                    run = 0
                    for j in range(axis[1].taps):
                        if run == 0 or run == COLUMN // (1 + pair) or (
                                axis[1].slot[j] != axis[1].slot[j - 1]):
                            column = &phase.column[phase.columns]
                            phase.columns += 1
                            column.offset = (c * phase.channel + place(&axis[0], t)
                                             + place(&axis[1], j))
                            column.shift = axis[2].base[i]
                            column.pair = pair
                            run = 0
                        run += 1
                        column.taps = run
                        for h in range(1 + pair):
                            phase.order[n] = ((c * g.kernel[0] + axis[0].kernel[t]) * g.kernel[1]
                                              + axis[1].kernel[j]) * g.kernel[2] + (
                                                  axis[2].kernel[i + h])
                            n += 1
                    i += 1 + pair
        return 0

    cdef int make_square(self, Phase *phase) except -1:
        """The order of the taps for `dwconv_plane`."""
        cdef Py_ssize_t size = self.desc.g.kernel[2], i, j, last = size * size - 1
        self.allocate_columns(phase)
        for j in range(size):
            for i in range(size):
                phase.order[j * size + i] = (
                    last - i * size - j if self.of.backward else i * size + j)
        return 0

    cdef int allocate_columns(self, Phase *phase) except -1:
        cdef Axis *axis = phase.axis
        phase.taps = self.of.sources * axis[0].taps * axis[1].taps * axis[2].taps
        phase.packed = self.of.packed_size
        if self.of.wide:
            self.of.packed_size += phase.taps * up(self.of.channels * self.of.fold,
                                                   self.of.k.lanes)
        else:
            self.of.packed_size += phase.taps * self.of.channels
        phase.column = <fc_column *>malloc(phase.taps * sizeof(fc_column))
        phase.order = <Py_ssize_t *>malloc(2 * phase.taps * sizeof(Py_ssize_t))
        if phase.column == NULL or phase.order == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        phase.offset = phase.order + phase.taps
        return 0

    cdef int make_columns(self, Phase *phase) except -1:
        """The table of columns, and the order of the taps in them."""
        cdef conv_geometry *g = &self.desc.g
        cdef Axis *axis = phase.axis
        cdef Axis *last = &axis[self.of.along]
        cdef Axis *other = &axis[3 - self.of.along]
        cdef Py_ssize_t c, i, j, t, n = 0, j0, j1, j2, run = 0
        self.allocate_columns(phase)
        for c in range(self.of.sources):
            for t in range(axis[0].taps):
                for i in range(other.taps):
                    for j in range(last.taps):
                        phase.offset[n] = (c * phase.channel + place(&axis[0], t)
                                           + place(other, i) + place(last, j))
                        j0 = axis[0].kernel[t]
                        j1, j2 = other.kernel[i], last.kernel[j]
                        if self.of.along == 1:
                            j1, j2 = j2, j1
                        phase.order[n] = ((c * g.kernel[0] + j0) * g.kernel[1] + j1
                                          ) * g.kernel[2] + j2
                        if j and last.slot[j] == last.slot[j - 1] and run < COLUMN:
                            phase.column[phase.columns - 1].taps += 1
                            run += 1
                        else:
                            phase.column[phase.columns].offset = phase.offset[n]
                            phase.column[phase.columns].taps = run = 1
                            phase.columns += 1
                        n += 1
        return 0

    cdef Py_ssize_t scratch(self) noexcept:
        """Bytes of scratch memory of a thread: a window, a plane of outputs, a table of rows."""
        return ((self.of.window + self.of.tile) * self.desc.g.itemsize
                + up(self.of.table * sizeof(void *), 64))

    cdef double work(self) noexcept:
        """Floating-point operations of one image, or what its memory traffic is worth."""
        cdef Py_ssize_t p
        cdef Phase *phase
        cdef double count = 0
        for p in range(self.of.n_phases):
            phase = &self.of.phases[p]
            count += 2.0 * max(phase.taps, 8) * self.of.channels * (
                (<double>phase.axis[0].count) * phase.axis[1].count * phase.axis[2].count)
        return count


cdef inline Py_ssize_t place(const Axis *axis, Py_ssize_t tap) noexcept nogil:
    """Where a tap of an axis reads in the window, for the block's first output."""
    return axis.slot[tap] * axis.slot_size + axis.move[tap] * axis.position


# ---- weights ----

cdef struct Packing:
    const Layer *of
    char *weight
    char *packed
    Py_ssize_t stride[5]


cdef void pack(Packing *job, real_t *kind) noexcept nogil:
    """Copy the weights to [phase][sink][tap], or [phase][block of channels][tap][channel]."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef Py_ssize_t lanes = of.k.lanes, p, t, c, j0, j1, j2, tap, channel, group, sink
    cdef Py_ssize_t all_channels = of.channels * of.fold, width = 2 * lanes, block, k
    cdef Py_ssize_t place[COLUMN]  # of few taps, in the weights of a filter
    cdef Phase *phase
    cdef real_t *out = <real_t *>job.packed
    cdef const real_t *weight = <const real_t *>job.weight
    cdef const real_t *w
    if of.wide and all_channels % lanes:
        memset(out, 0, of.packed_size * sizeof(real_t))
    for p in range(of.n_phases):
        phase = &of.phases[p]
        out = (<real_t *>job.packed) + phase.packed
        for t in range(phase.taps):
            j2 = phase.order[t]
            j1 = j2 // g.kernel[2]
            j0 = j1 // g.kernel[1]
            c = j0 // g.kernel[0]
            j2 %= g.kernel[2]
            j1 %= g.kernel[1]
            j0 %= g.kernel[0]
            if g.flip:
                j0, j1, j2 = g.kernel[0] - 1 - j0, g.kernel[1] - 1 - j1, g.kernel[2] - 1 - j2
            tap = j0 * job.stride[2] + j1 * job.stride[3] + j2 * job.stride[4]
            if of.sources == 1 and not of.wide and phase.taps <= COLUMN:
                place[t] = tap
                continue
            channel = 0
            for group in range(of.groups):
                for sink in range(of.sinks):
                    if of.backward:
                        w = weight + (group * of.sources + c) * job.stride[0] + (
                            sink * job.stride[1] + tap)
                    else:
                        w = weight + channel * job.stride[0] + c * job.stride[1] + tap
                    if of.wide:
                        for k from channel <= k < all_channels by of.channels:
                            block = k // width * width
                            out[block * phase.taps + k - block + t * min(
                                width, up(all_channels, lanes) - block)] = w[0]
                    else:
                        out[channel * phase.taps + t] = w[0]
                    channel += 1
        if of.sources == 1 and not of.wide and phase.taps <= COLUMN:
            for group in range(of.groups):
                for sink in range(of.sinks):
                    w = weight + (group * job.stride[0] + sink * job.stride[1] if of.backward
                                  else (group * of.sinks + sink) * job.stride[0])
                    for t in range(phase.taps):
                        out[t] = w[place[t]]
                    out += phase.taps


# ---- windows ----

cdef void inside(const Axis *axis, Py_ssize_t slot, Py_ssize_t first, Py_ssize_t used,
                 Py_ssize_t *low, Py_ssize_t *high) noexcept nogil:
    """The window positions low … high - 1 of a slot that lie inside the source."""
    cdef Py_ssize_t start = first * axis.step + axis.base[slot]
    low[0] = high[0] = 0
    if start < 0:
        low[0] = min((-start + axis.step - 1) // axis.step, used)
    if start < axis.length:
        high[0] = min((axis.length - start + axis.step - 1) // axis.step, used)
    high[0] = max(high[0], low[0])


cdef inline Py_ssize_t read_at(const Axis *axis, Py_ssize_t slot,
                               Py_ssize_t position) noexcept nogil:
    """The source position of a window position, -1 for a zero."""
    return source_index(position * axis.step + axis.base[slot], axis.length, axis.mode)


cdef struct Source:
    const Layer *of
    Phase *phase
    Py_ssize_t first[3]      # the block
    Py_ssize_t count[3]
    Py_ssize_t stride[4]     # of the channel and the three axes
    Py_ssize_t width         # elements of a pixel


cdef void copy_pixels(Source *from_, const real_t *x, Py_ssize_t rows, Py_ssize_t pixels,
                      Py_ssize_t row_step, Py_ssize_t pixel_step, Py_ssize_t channel,
                      Py_ssize_t source, real_t *out) noexcept nogil:
    """A block of rows into the window, all inside the source.

    channel: the first output channel that a pixel's elements belong to, if they are channels.
    """
    cdef const Layer *of = from_.of
    cdef const fc_kernels *k = of.k
    cdef Py_ssize_t pixel = from_.phase.axis[2].position, pitch = from_.phase.pitch, r, i, c
    cdef const real_t *line
    if pixels <= 0:
        return
    if not of.wide:
        k.copy(rows, pixels, x, row_step, pixel_step, out, pitch)
        return
    if of.sources == 1 and of.sinks == 1:
        if from_.stride[0] == 1 and pixel_step == pixel:
            k.copy(rows, (pixels - 1) * pixel + from_.width, x, row_step, 1, out, pitch)
            return
        for r in range(rows):
            k.copy(pixels, from_.width, x + r * row_step, pixel_step, from_.stride[0],
                   out + r * pitch, pixel)
        return
    # each output channel's own source
    for r in range(rows):
        for i in range(pixels):
            line = x + r * row_step + i * pixel_step
            for c in range(from_.width):
                out[r * pitch + i * pixel + c] = line[
                    ((channel + c) // of.sinks * of.sources + source) * from_.stride[0]]


cdef void fill(Source *from_, const real_t *x, Py_ssize_t channel, Py_ssize_t source,
               bint fresh, bint moved, real_t *out) noexcept nogil:
    """Gather one source channel's window (of each output channel, if those are in the lanes).

    Zeros around it stay from one plane to the next. fresh: those beside the rows are not there
    yet; moved: nor those above and below, because the last block was another.
    """
    cdef Phase *phase = from_.phase
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t *stride = from_.stride
    cdef Py_ssize_t pixel = axis[2].position, pitch = phase.pitch
    cdef Py_ssize_t s0, s1, s2, u0, u1, u2, i0, i1, i2, low1, high1, low2, high2, part
    cdef Py_ssize_t used[3]
    cdef bint zeros = axis[0].mode == PAD_ZEROS, row_inside
    cdef const real_t *plane
    cdef const real_t *line
    cdef real_t *target
    cdef real_t *row
    cdef int a
    for a in range(AXES):
        used[a] = from_.count[a] + axis[a].extra
    for s0 in range(axis[0].slots):
        for u0 in range(used[0]):
            i0 = read_at(&axis[0], s0, from_.first[0] + u0)
            if i0 < 0:
                if moved:
                    memset(out + s0 * axis[0].slot_size + u0 * axis[0].position, 0,
                           axis[0].position * sizeof(real_t))
                continue
            plane = x + i0 * stride[1]
            for s1 in range(axis[1].slots):
                inside(&axis[1], s1, from_.first[1], used[1], &low1, &high1)
                for s2 in range(axis[2].slots):
                    inside(&axis[2], s2, from_.first[2], used[2], &low2, &high2)
                    target = out + (s0 * axis[0].slot_size + u0 * axis[0].position
                                    + s1 * axis[1].slot_size + s2 * axis[2].slot_size)
                    i2 = (from_.first[2] + low2) * axis[2].step + axis[2].base[s2]
                    if high1 > low1:
                        i1 = (from_.first[1] + low1) * axis[1].step + axis[1].base[s1]
                        copy_pixels(from_, plane + i1 * stride[2] + i2 * stride[3], high1 - low1,
                                    high2 - low2, axis[1].step * stride[2],
                                    axis[2].step * stride[3], channel, source,
                                    target + low1 * pitch + low2 * pixel)
                    if moved and zeros:
                        memset(target, 0, low1 * pitch * sizeof(real_t))
                        memset(target + high1 * pitch, 0,
                               (used[1] - high1) * pitch * sizeof(real_t))
                    if fresh:
                        part = (high2 if zeros else used[2]) * pixel
                        for u1 in range(axis[1].block + axis[1].extra):
                            row = target + u1 * pitch
                            if zeros:
                                memset(row, 0, low2 * pixel * sizeof(real_t))
                            memset(row + part, 0, (pitch - part) * sizeof(real_t))
                    if zeros or (low1 == 0 and low2 == 0 and high1 == used[1]
                                 and high2 == used[2]):
                        continue
                    for u1 in range(used[1]):
                        row_inside = low1 <= u1 < high1
                        row = target + u1 * pitch
                        line = plane + stride[2] * read_at(&axis[1], s1, from_.first[1] + u1)
                        if not row_inside:
                            copy_pixels(from_, line + i2 * stride[3], 1, high2 - low2, 0,
                                        axis[2].step * stride[3], channel, source,
                                        row + low2 * pixel)
                        u2 = 0
                        while u2 < used[2]:
                            if u2 == low2 and high2 > low2:
                                u2 = high2
                                continue
                            copy_pixels(from_, line + stride[3] * read_at(
                                            &axis[2], s2, from_.first[2] + u2),
                                        1, 1, 0, 0, channel, source, row + u2 * pixel)
                            u2 += 1


# ---- forward, and the gradient of the data ----

cdef struct Run:
    const Layer *of
    char *source
    char *sink
    char *residual
    char *bias
    char *packed
    Py_ssize_t source_image
    Py_ssize_t source_stride[4]
    Py_ssize_t items         # all: blocks of outputs of a plane, or of a chunk of channels
    Py_ssize_t share         # items of a task
    char *scratch
    Py_ssize_t scratch_size


# A part of a plane that is copied into the window as it is.
cdef struct Part:
    Py_ssize_t source, window, rows, pixels


# One item of the work.
cdef struct Item:
    Source source
    Part part[MOST_PARTS]
    int parts                # -1: too many to be kept
    Phase *phase
    Py_ssize_t image
    Py_ssize_t unit          # group, or chunk of channels
    Py_ssize_t block         # among those of all phases
    Py_ssize_t column        # the same for all blocks of a phase that have these columns


cdef double sum_of(cnp.ndarray weight) except? -1:
    cdef double[8] part      # so that sums need not wait for each other
    cdef double total = 0
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(weight)
    if not cnp.PyArray_IS_C_CONTIGUOUS(weight):
        weight = np.ascontiguousarray(weight)
    memset(part, 0, sizeof(part))
    if cnp.PyArray_ITEMSIZE(weight) == 4:
        for i in range(n):
            part[i & 7] += (<const float *>cnp.PyArray_DATA(weight))[i]
    else:
        for i in range(n):
            part[i & 7] += (<const double *>cnp.PyArray_DATA(weight))[i]
    for i in range(8):
        total += part[i]
    return total


cdef class Depthwise:
    """One pass of one layer, with packed weights; made once, run for any batch."""

    cdef Layout layout
    cdef const Layer *of
    cdef Scratch packed
    cdef object wild         # the weights, if some are infinite or NaN in a gradient

    def __cinit__(self, Layout layout, cnp.ndarray weight):
        cdef Packing job
        cdef int i, rank = <int>layout.of.g.rank
        cdef Py_ssize_t itemsize = layout.of.g.itemsize
        self.layout = layout
        self.of = &layout.of
        if self.of.backward:
            # a quick look: the sum is infinite, or not a number, if a weight is
            if not math.isfinite(sum_of(weight)) and not np.isfinite(weight).all():
                self.wild = np.array(weight)
                # of the right sign, so that an infinite gradient stays what it is
                weight = np.where(np.isfinite(weight), weight, np.copysign(
                    np.finfo(self.wild.dtype).tiny, weight)).astype(self.wild.dtype)
        self.packed = acquire(max(self.of.packed_size, 1) * itemsize)
        job.of = self.of
        job.weight = cnp.PyArray_BYTES(weight)
        job.packed = self.packed.data
        for i in range(5):
            job.stride[i] = 0
        job.stride[0] = cnp.PyArray_STRIDES(weight)[0] // itemsize
        job.stride[1] = cnp.PyArray_STRIDES(weight)[1] // itemsize
        for i in range(rank):
            job.stride[5 - rank + i] = cnp.PyArray_STRIDES(weight)[2 + i] // itemsize
        if itemsize == 4:
            pack(&job, <float *>NULL)
        else:
            pack(&job, <double *>NULL)

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says."""
        cdef Run job
        cdef Py_ssize_t itemsize = self.of.g.itemsize, batch
        cdef Scratch scratch
        cdef double work
        if cnp.PyArray_SIZE(out) == 0:
            return
        batch = cnp.PyArray_DIM(source, 0)
        job.of = self.of
        job.source = cnp.PyArray_BYTES(source)
        job.source_image = cnp.PyArray_STRIDES(source)[0] // itemsize
        source_strides(source, False, self.of.g.channels_last, <int>self.of.g.rank, itemsize,
                       job.source_stride)
        job.sink = cnp.PyArray_BYTES(out)
        job.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        job.packed = self.packed.data
        job.scratch_size = self.layout.scratch()
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        if self.of.has_gaps:
            memset(job.sink, 0, cnp.PyArray_NBYTES(out))
        # A task is a run of blocks: while one is computed the next is prefetched.
        work = self.layout.work() * batch
        job.items = batch * self.of.blocks * (self.of.chunks if self.of.wide else self.of.groups)
        job.share = max(1, min(job.items // (4 * threads), <Py_ssize_t>(
            4e6 * job.items / max(work, 1.0))))
        parallel_for(run_f32 if itemsize == 4 else run_f64, &job,
                     (job.items + job.share - 1) // job.share, threads, work)
        if self.wild is not None:
            add_wild(self.layout.desc, self.wild, source, out)


def add_wild(ConvDesc desc, weight, grad, out):
    """Add the products with infinite weights and NaN to the gradients of who met them.

    Zeros around grad_output do not matter to a sum, unless they meet such a weight: so these
    have waited until here.
    """
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t sinks = g.channels // g.groups, sources = g.filters // g.groups
    cdef Py_ssize_t low, high, sink, source, i
    cdef int a
    rank = desc.rank
    grad = np.moveaxis(grad, -1, 1) if desc.channels_last else grad
    out = np.moveaxis(out, -1, 1) if desc.channels_last else out
    if desc.g.flip:
        weight = np.flip(weight, tuple(range(2, rank + 2)))
    with np.errstate(all="ignore"):
        for tap in np.ndindex(*desc.axes("kernel")):
            reads, gives = (), ()
            for i in range(rank):
                a = AXES - rank + i
                # outputs whose tap lies inside the input
                low = tap[i] * g.dilation[a] - g.before[a]
                high = min(g.output[a], (g.input[a] - 1 - low) // g.stride[a] + 1)
                if g.input[a] - 1 < low:
                    high = 0
                first = (-low + g.stride[a] - 1) // g.stride[a] if low < 0 else 0
                high = max(high, first)
                reads += (slice(first, high),)
                at = low + first * g.stride[a]
                gives += (slice(at, at + (high - first) * g.stride[a], g.stride[a]),)
            wild = ~np.isfinite(weight[(...,) + tap])  # (filters, channels / groups)
            for source in range(sources):
                for sink in range(sinks):
                    groups = np.flatnonzero(wild[source::sources, sink])
                    if groups.size:
                        w = weight[(source + groups * sources, sink) + tap]
                        out[(slice(None), groups * sinks + sink) + gives] += (
                            w.reshape((-1,) + (1,) * rank)
                            * grad[(slice(None), groups * sources + source) + reads])


cdef void run_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <float *>NULL)


cdef void run_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <double *>NULL)


cdef void find_item(Run *job, Py_ssize_t number, const Item *before, Item *item) noexcept nogil:
    """Which item this is; before: the one before it, or NULL.

    Pixels in the lanes: planes one after the other. Channels: chunks, then blocks, because
    chunks share lines of memory. Blocks lie one below the other.
    """
    cdef const Layer *of = job.of
    cdef Axis *axis
    cdef Py_ssize_t units = of.chunks if of.wide else of.groups, block, p = 0, b0, b1, b2
    cdef int a
    if before != NULL and (of.wide or of.blocks == 1) and before.unit + 1 < units:
        item[0] = before[0]  # the same block
        item.unit += 1
        if of.wide:
            item.source.width = min(of.chunk, of.channels - item.unit * of.chunk)
        return
    if of.wide:
        item.unit = number % units
        number //= units
        block = number % of.blocks
    else:
        block = number % of.blocks
        number //= of.blocks
        item.unit = number % units
    item.image = number // (of.blocks if of.wide else units)
    item.block = block
    while block >= of.phases[p].blocks:
        block -= of.phases[p].blocks
        p += 1
    item.phase = &of.phases[p]
    axis = item.phase.axis
    b1 = block % axis[1].blocks
    b2 = block // axis[1].blocks % axis[2].blocks
    b0 = block // (axis[1].blocks * axis[2].blocks)
    item.column = p * (1 << 30) + b2
    item.source.of = of
    item.source.phase = item.phase
    item.source.first[0] = b0 * axis[0].block
    item.source.first[1] = b1 * axis[1].block
    item.source.first[2] = b2 * axis[2].block
    for a in range(AXES):
        item.source.count[a] = min(axis[a].block, axis[a].count - item.source.first[a])
    for a in range(4):
        item.source.stride[a] = job.source_stride[a]
    item.source.width = 1
    if of.wide:
        item.source.width = min(of.chunk, of.channels - item.unit * of.chunk)
    if not of.in_place:
        find_parts(item)


cdef void find_parts(Item *item) noexcept nogil:
    """What `fill` copies for every plane, where the padding is zeros."""
    cdef Phase *phase = item.phase
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t *first = item.source.first
    cdef Py_ssize_t *stride = item.source.stride
    cdef Py_ssize_t used = item.source.count[0] + axis[0].extra
    cdef Py_ssize_t s0, s1, s2, u0, i0, low1, low2, high1, high2
    cdef Part *part
    item.parts = -1
    if axis[0].mode != PAD_ZEROS or (
            axis[0].slots * used * axis[1].slots * axis[2].slots > MOST_PARTS):
        return
    item.parts = 0
    for s0 in range(axis[0].slots):
        for u0 in range(used):
            i0 = read_at(&axis[0], s0, first[0] + u0)
            if i0 < 0:
                continue
            for s1 in range(axis[1].slots):
                inside(&axis[1], s1, first[1], item.source.count[1] + axis[1].extra, &low1, &high1)
                for s2 in range(axis[2].slots):
                    inside(&axis[2], s2, first[2], item.source.count[2] + axis[2].extra,
                           &low2, &high2)
                    part = &item.part[item.parts]
                    item.parts += 1
                    part.rows, part.pixels = high1 - low1, high2 - low2
                    part.source = (
                        i0 * stride[1]
                        + ((first[1] + low1) * axis[1].step + axis[1].base[s1]) * stride[2]
                        + ((first[2] + low2) * axis[2].step + axis[2].base[s2]) * stride[3])
                    part.window = (
                        s0 * axis[0].slot_size + u0 * axis[0].position
                        + s1 * axis[1].slot_size + low1 * phase.pitch
                        + s2 * axis[2].slot_size + low2 * axis[2].position)


cdef void fill_item(Run *job, Item *item, const Item *before, real_t *window) noexcept nogil:
    """Its window. before: what was in it, or NULL."""
    cdef const Layer *of = job.of
    cdef Py_ssize_t c
    cdef int i
    cdef bint fresh = before == NULL or before.column != item.column
    cdef bint moved = fresh or before.block != item.block
    cdef const real_t *x = (<const real_t *>job.source) + item.image * job.source_image
    if of.wide and of.sources == 1 and of.sinks == 1:
        x += item.unit * of.chunk * job.source_stride[0]
    if not of.wide:
        x += item.unit * of.sources * job.source_stride[0]
    if item.parts >= 0 and not moved:  # only what differs from plane to plane
        for c in range(of.sources):
            for i in range(item.parts):
                copy_pixels(&item.source, x + item.part[i].source + (
                                0 if of.wide else c * job.source_stride[0]),
                            item.part[i].rows, item.part[i].pixels,
                            item.phase.axis[1].step * job.source_stride[2],
                            item.phase.axis[2].step * job.source_stride[3],
                            item.unit * of.chunk, c,
                            window + c * item.phase.channel + item.part[i].window)
        return
    for c in range(of.sources):
        if of.wide:
            fill(&item.source, x, item.unit * of.chunk, c, fresh, moved,
                 window + c * item.phase.channel)
        else:
            fill(&item.source, x + c * job.source_stride[0], 0, 0, fresh, moved,
                 window + c * item.phase.channel)
    if fresh:
        memset(window + item.phase.size, 0, item.phase.slack * sizeof(real_t))


cdef void foresee(Run *job, Item *item, fc_prefetch *ahead, real_t *kind) noexcept nogil:
    """What to prefetch for a later item."""
    cdef const Layer *of = job.of
    cdef Axis *axis = item.phase.axis
    cdef Py_ssize_t *stride = job.source_stride
    cdef Py_ssize_t at = item.image * job.source_image
    cdef int a
    for a in range(AXES):
        at += max(0, item.source.first[a] * axis[a].step + axis[a].base[0]) * stride[1 + a]
    if of.wide:
        at += item.unit * of.chunk * stride[0]
        if of.fold > 1:
            ahead.row, ahead.rows = stride[2], axis[1].step
            ahead.pixel = ahead.width = of.fold * stride[3] * axis[2].step
        else:
            ahead.row, ahead.rows = stride[3], axis[2].step
            ahead.pixel = stride[2] * axis[1].step
            ahead.width = item.source.width
    else:
        at += item.unit * of.sources * stride[0]
        ahead.row, ahead.rows = stride[2], axis[1].step
        ahead.pixel = ahead.width = axis[2].step
    ahead.from_ = (<const real_t *>job.source) + at


cdef void point(Run *job, Item *item, const real_t **rows, real_t *window) noexcept nogil:
    """The table of an item's rows: in place, zeros, or copied to the window if they must be."""
    cdef const Layer *of = job.of
    cdef Phase *phase = item.phase
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t *first = item.source.first
    cdef Py_ssize_t *count = item.source.count
    cdef Py_ssize_t *stride = job.source_stride
    cdef Py_ssize_t origin = first[2] * axis[2].step, used = count[1] + axis[1].extra
    cdef Py_ssize_t left = max(0, origin + phase.low), n, c, s0, u0, i0, s1, u1, low, high, step
    cdef const real_t *zeros = (<const real_t *>of.zeros) + of.margin
    cdef const real_t *x = (<const real_t *>job.source) + (
        item.image * job.source_image + item.unit * of.sources * stride[0])
    cdef const real_t *row
    cdef const real_t **to
    cdef bint copies = stride[3] != 1 and axis[2].length > 1
    n = min(axis[2].length, origin + (count[2] - 1) * axis[2].step + phase.high + 1) - left
    step = axis[1].step * stride[2]
    for c in range(of.sources):
        for s0 in range(axis[0].slots):
            for u0 in range(count[0] + axis[0].extra):
                i0 = (first[0] + u0) * axis[0].step + axis[0].base[s0]
                for s1 in range(axis[1].slots):
                    to = rows + (c * phase.channel + s0 * axis[0].slot_size
                                 + u0 * axis[0].position + s1 * axis[1].slot_size)
                    inside(&axis[1], s1, first[1], used, &low, &high)
                    if i0 < 0 or i0 >= axis[0].length or n <= 0:
                        low = high = 0
                    for u1 in range(low):
                        to[u1] = zeros
                    for u1 in range(high, used):
                        to[u1] = zeros
                    row = x + (c * stride[0] + i0 * stride[1]
                               + ((first[1] + low) * axis[1].step + axis[1].base[s1]) * stride[2])
                    if not copies:
                        row += origin * stride[3]
                        for u1 in range(low, high):
                            to[u1] = row
                            row += step
                    elif high > low:
                        row += left * stride[3]
                        of.k.copy(high - low, n, row, step, stride[3],
                                  window + (to - rows + low) * phase.pitch, phase.pitch)
                        for u1 in range(low, high):
                            to[u1] = window + (to - rows + u1) * phase.pitch + origin - left


cdef inline bint is_apart(const Axis *axis, const Py_ssize_t *stride) noexcept nogil:
    """Whether the elements of a row are no run."""
    return stride[3] != 1 and axis[2].length > 1


cdef const real_t *frame(const Layer *of, const Source *from_, const Py_ssize_t *stride,
                         const real_t *x, real_t *window, fc_plane *what) noexcept nogil:
    """Where `dwconv_plane` reads planes from x on: in place, or, of one plane, from a copy."""
    cdef Axis *axis = from_.phase.axis
    cdef Py_ssize_t step = axis[2].step, size = of.g.kernel[2], low, high, left, right
    what.rows, what.n = from_.count[1], from_.count[2]
    what.height, what.length = axis[1].length, axis[2].length
    what.top = -axis[1].base[0] - from_.first[1] * step
    what.left = -axis[2].base[0] - from_.first[2] * step
    what.x_plane, what.x_row = stride[0], stride[2]
    if not is_apart(axis, stride):
        return x
    low, left = max(0, -what.top), max(0, -what.left)
    high = max(low, min(what.height, (what.rows - 1) * step - what.top + size))
    right = max(left, min(what.length, (what.n - 1) * step - what.left + size))
    if high > low and right > left:
        of.k.copy(high - low, right - left, x + low * stride[2] + left * stride[3],
                  stride[2], stride[3], window, from_.phase.pitch)
    what.height, what.length = high - low, right - left
    what.top += low
    what.left += left
    what.x_row = from_.phase.pitch
    return window


cdef void run_maps(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A run of items by `dwconv_plane`: of many planes, where they are not cut into blocks."""
    cdef const Layer *of = job.of
    cdef Phase *phase = &of.phases[0]
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t *stride = job.source_stride
    cdef Py_ssize_t number = task * job.share, end = min(job.items, number + job.share)
    cdef Py_ssize_t at, channel, sink
    cdef const real_t *x
    cdef bint bare = job.residual != NULL or not (
        of.backward or of.epilogue.activation in (FC_IDENTITY, FC_CLIP))
    cdef bint single = is_apart(axis, stride) or bare or of.blocks > 1 or of.sinks > 1
    cdef const fc_epilogue *clip = NULL
    cdef real_t *window = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef Item item
    cdef fc_plane what
    if not bare and not of.backward and of.epilogue.activation == FC_CLIP:
        clip = of.epilogue
    while number < end:
        find_item(job, number, NULL, &item)
        what.planes = 1 if single else min(end - number, of.groups - item.unit)
        x = (<const real_t *>job.source) + item.image * job.source_image + item.unit * stride[0]
        x = frame(of, &item.source, stride, x, window, &what)
        what.y_row = of.sink_axis[2]
        what.y_plane = of.sink_axis[1] * what.y_row
        for sink in range(of.sinks):
            channel = item.unit * of.sinks + sink
            at = ((item.image * of.channels + channel) * what.y_plane
                  + item.source.first[1] * what.y_row + item.source.first[2])
            of.k.dwconv_plane[of.map // 2][of.map % 2](
                &what, x, (<const real_t *>job.packed) + phase.taps * channel,
                NULL if bare or job.bias == NULL else (<const real_t *>job.bias) + channel, clip,
                (<real_t *>job.sink) + at)
            if bare and what.n == what.y_row:
                finish(job, 1, what.rows * what.n, at, 0, channel, 0, <real_t *>NULL)
            elif bare:
                finish(job, what.rows, what.n, at, what.y_row, channel, 0, <real_t *>NULL)
        number += what.planes


cdef void run_spread(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A run of items by calls of `dwconv_plane_backward_data`."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef Py_ssize_t *stride = job.source_stride
    cdef Py_ssize_t number = task * job.share, end = min(job.items, number + job.share)
    cdef Py_ssize_t block, unit, image, first, low, high, channel, sink, at
    cdef Py_ssize_t pitch = of.phases[0].pitch
    cdef bint copies = stride[3] != 1 and g.output[2] > 1
    cdef bint finishes = job.bias != NULL or job.residual != NULL
    cdef bint single = copies or finishes or of.blocks > 1 or of.sinks > 1
    cdef const real_t *x
    cdef real_t *window = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef fc_plane what
    while number < end:
        block = number % of.blocks
        unit = number // of.blocks % of.groups
        image = number // (of.blocks * of.groups)
        first = block * of.spread
        what.planes = 1 if single else min(end - number, of.groups - unit)
        what.rows, what.n = min(of.spread, g.input[1] - first), g.input[2]
        what.height, what.length = g.output[1], g.output[2]
        what.top, what.left = g.before[1] + first, g.before[2]
        what.x_plane, what.x_row = stride[0], stride[2]
        what.y_row = g.input[2]
        what.y_plane = g.input[1] * what.y_row
        x = (<const real_t *>job.source) + image * job.source_image + unit * stride[0]
        if copies:
            low = min(max(0, what.top // 2 - 1), what.height)
            high = max(low, min(what.height, (what.rows - 1 + what.top) // 2 + 1))
            of.k.copy(high - low, what.length, x + low * stride[2], stride[2], stride[3], window,
                      pitch)
            x, what.x_row = window, pitch
            what.height = high - low
            what.top -= 2 * low
        for sink in range(of.sinks):
            channel = unit * of.sinks + sink
            at = (image * of.channels + channel) * what.y_plane + first * what.y_row
            of.k.dwconv_plane_backward_data(&what, x, (<const real_t *>job.packed) + 9 * channel,
                            (<real_t *>job.sink) + at)
            if finishes:
                finish(job, 1, what.rows * what.n, at, 0, channel, 0, <real_t *>NULL)
        number += what.planes


cdef void run_in_place(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A run of items, whose rows are read where they lie."""
    cdef const Layer *of = job.of
    cdef real_t *window = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef const real_t **rows = <const real_t **>(window + of.window + of.tile)
    cdef const real_t *zeros = (<const real_t *>of.zeros) + of.margin
    cdef Py_ssize_t number, i, plane = of.sources * job.source_stride[0]
    cdef bint found = False
    cdef Item item
    for number in range(task * job.share, min(job.items, (task + 1) * job.share)):
        if found and item.unit + 1 < of.groups:
            # small planes: the same rows of the next one
            item.unit += 1
            for i in range(of.table):
                if rows[i] != zeros:
                    rows[i] += plane
        else:
            find_item(job, number, NULL, &item)
            point(job, &item, rows, window)
            found = of.blocks == 1 and job.source_stride[3] == 1
        compute_item(job, &item, window, rows, window + of.window, NULL)


cdef void run_block(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A run of items."""
    cdef const Layer *of = job.of
    cdef real_t *window = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef Py_ssize_t number = task * job.share, end = min(job.items, number + job.share), i
    cdef Item items[2]       # of two that follow each other, where i % 2 says
    cdef fc_prefetch ahead
    if of.spread:
        run_spread(job, task, thread, kind)
        return
    if of.map >= 0:
        run_maps(job, task, thread, kind)
        return
    if of.in_place:
        run_in_place(job, task, thread, kind)
        return
    find_item(job, number, NULL, &items[0])
    fill_item(job, &items[0], NULL, window)
    for i in range(end - number):
        ahead.from_ = NULL
        if number + i + 1 < end:
            find_item(job, number + i + 1, &items[i % 2], &items[(i + 1) % 2])
            if of.blocks > 1:  # smaller planes come fast enough by themselves
                foresee(job, &items[(i + 1) % 2], &ahead, kind)
        compute_item(job, &items[i % 2], window, <const real_t **>NULL, window + of.window, &ahead)
        if number + i + 1 < end:
            fill_item(job, &items[(i + 1) % 2], &items[i % 2], window)


cdef void compute_item(Run *job, Item *item, const real_t *window, const real_t **rows,
                       real_t *tile, fc_prefetch *ahead) noexcept nogil:
    """One block of outputs from its window, or from its rows where these are read in place."""
    cdef const Layer *of = job.of
    cdef Phase *phase = item.phase
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t *first = item.source.first
    cdef Py_ssize_t *count = item.source.count
    cdef const real_t *packed = (<const real_t *>job.packed) + phase.packed
    cdef real_t *sink = <real_t *>job.sink
    cdef Py_ssize_t sink_stride[4]      # channel and three axes, of out and residual
    cdef Py_ssize_t step[3]             # from output to output
    cdef Py_ssize_t channel, q0, q1, at, i, row, y_row
    cdef real_t *y
    cdef bint finishes = (job.bias != NULL or job.residual != NULL
                          or (not of.backward and of.epilogue.activation != FC_IDENTITY))
    cdef int a
    sink_stride[3] = of.channels if of.g.channels_last else 1
    sink_stride[2] = sink_stride[3] * of.sink_axis[2]
    sink_stride[1] = sink_stride[2] * of.sink_axis[1]
    sink_stride[0] = 1 if of.g.channels_last else sink_stride[1] * of.sink_axis[0]
    at = item.image * of.channels * of.sink_axis[0] * of.sink_axis[1] * of.sink_axis[2]
    for a in range(AXES):
        step[a] = axis[a].out_step * sink_stride[1 + a]
        at += (axis[a].first + first[a] * axis[a].out_step) * sink_stride[1 + a]

    if of.wide:
        channel = item.unit * of.chunk
        for q0 in range(count[0]):
            wide_plane(of, phase, count, window + q0 * axis[0].position,
                       packed + phase.taps * channel, item.source.width, step,
                       sink + at + q0 * step[0] + channel, ahead)
            ahead.from_ = NULL
            if finishes:
                for q1 in range(count[1]):
                    i = at + q0 * step[0] + q1 * step[1] + channel
                    finish(job, count[2], item.source.width, i, step[2], channel, 1,
                           <real_t *>NULL)
        return

    row = up(axis[2].block, of.k.lanes)
    if of.in_place and job.residual == NULL and (
            of.backward or of.epilogue.activation in (FC_IDENTITY, FC_CLIP)):
        finishes = False     # `dwconv_rows` does it
    for channel in range(item.unit * of.sinks, (item.unit + 1) * of.sinks):
        for q0 in range(count[0]):
            i = at + q0 * step[0] + channel * sink_stride[0]
            if step[2] == 1:
                y, y_row = sink + i, step[1]
            else:
                y, y_row = tile, row
            if of.in_place:
                lines(job, item, rows + q0 * axis[0].position, packed + phase.taps * channel,
                      channel, finishes, y, y_row)
            else:
                plane(of, phase, count, window + q0 * axis[0].position,
                      packed + phase.taps * channel, y, y_row, ahead)
                ahead.from_ = NULL
            if step[2] != 1:
                of.k.scatter(count[1], count[2], tile, row, sink + i, step[1], step[2])
            if finishes:
                if step[1] == count[2]:
                    finish(job, 1, count[1] * count[2], i, 0, channel, 0, <real_t *>NULL)
                else:
                    finish(job, count[1], count[2], i, step[1], channel, 0, <real_t *>NULL)


cdef void finish(Run *job, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t at, Py_ssize_t row,
                 Py_ssize_t channel, Py_ssize_t channel_step, real_t *kind) noexcept nogil:
    """Bias, residual and activation, while the sums lie in the cache."""
    cdef real_t *y = (<real_t *>job.sink) + at
    cdef const real_t *bias = NULL
    cdef const real_t *residual = NULL
    if job.bias != NULL:
        bias = (<const real_t *>job.bias) + channel
    if job.residual != NULL:
        residual = (<const real_t *>job.residual) + at
    job.of.k.store(rows, n, y, row, y, row, bias, 0, channel_step, residual, row,
                   job.of.epilogue)


cdef void lines(Run *job, Item *item, const real_t **rows, const real_t *w, Py_ssize_t channel,
                bint bare, real_t *y, Py_ssize_t y_row) noexcept nogil:
    """A plane of outputs from rows in place, with bias and bounds unless it is to be bare."""
    cdef const Layer *of = job.of
    cdef Phase *phase = item.phase
    cdef const real_t *bias = NULL
    cdef const fc_epilogue *clip = NULL
    cdef Py_ssize_t start, step = phase.axis[1].spacing
    cdef fc_rows what
    if not bare and job.bias != NULL:
        bias = (<const real_t *>job.bias) + channel
    if not bare and not of.backward and of.epilogue.activation == FC_CLIP:
        clip = of.epilogue
    what.n, what.columns, what.column = item.source.count[2], phase.columns, phase.column
    what.step, what.row_step = phase.axis[2].step, step
    what.origin, what.length = item.source.first[2] * what.step, phase.axis[2].length
    what.low, what.high = phase.low, phase.high
    # rows as far apart as the taps are share their columns' input
    for start in range(min(step, item.source.count[1])):
        what.rows = (item.source.count[1] - start + step - 1) // step
        of.k.dwconv_rows(&what, <const void **>(rows + start), w, bias, clip, y + start * y_row,
                   y_row * step)


cdef void plane(const Layer *of, Phase *phase, const Py_ssize_t *count,
                const real_t *window, const real_t *w, real_t *y, Py_ssize_t y_row,
                fc_prefetch *ahead) noexcept nogil:
    """A plane of outputs with pixels in the lanes."""
    cdef Py_ssize_t start, step = phase.axis[1].spacing, row = phase.pitch
    if of.along == 2:
        of.k.dwconv_window(count[1], count[2], phase.columns, phase.column, window, row,
                           phase.axis[2].spacing, w, y, y_row, ahead)
        return
    if step == 1:
        of.k.dwconv_window(count[1], count[2], phase.columns, phase.column, window, row, row, w, y,
                           y_row, ahead)
        return
    # rows as far apart as the taps are share their columns' input
    for start in range(min(step, count[1])):
        of.k.dwconv_window((count[1] - start + step - 1) // step, count[2], phase.columns,
                           phase.column, window + start * row, row * step, row * step, w,
                           y + start * y_row, y_row * step, ahead)
        ahead.from_ = NULL


cdef void wide_plane(const Layer *of, Phase *phase, const Py_ssize_t *count,
                     const real_t *window, const real_t *w, Py_ssize_t width,
                     const Py_ssize_t *y_step, real_t *y, fc_prefetch *ahead) noexcept nogil:
    """A plane of outputs with channels in the lanes."""
    cdef Axis *axis = phase.axis
    cdef Py_ssize_t row = phase.pitch, pixel = axis[2].position, start, whole, rest
    cdef Py_ssize_t step = axis[of.along].spacing, rows, x_row, x_tap, y_row, size
    if of.fold == 1:
        for start in range(min(step, count[2])):
            of.k.dwconv_pixels((count[2] - start + step - 1) // step, count[1], width, width,
                               phase.columns, phase.column, phase.taps, window + start * pixel,
                               pixel * step, row, pixel * step, w, y + start * y_step[2],
                               y_step[2] * step, y_step[1], ahead)
            ahead.from_ = NULL
        return
    # Neighbouring pixels are one of `fold` times the channels, and the last may be shorter.
    size = of.fold * pixel
    whole = count[2] // of.fold
    rest = (count[2] - whole * of.fold) * pixel
    for start in range(min(step, count[1]) if of.along == 1 else 1):
        if of.along == 1:
            rows = (count[1] - start + step - 1) // step
            x_row = x_tap = row * step
            y_row = y_step[1] * step
        else:
            rows = count[1]
            x_row, x_tap, y_row = row, pixel * step, y_step[1]
        if whole:
            of.k.dwconv_pixels(rows, whole, size, size, phase.columns, phase.column, phase.taps,
                               window + start * row, x_row, size, x_tap, w, y + start * y_step[1],
                               y_row, size, ahead)
            ahead.from_ = NULL
        if rest:
            of.k.dwconv_pixels(rows, 1, rest, size, phase.columns, phase.column, phase.taps,
                               window + start * row + whole * size, x_row, size, x_tap, w,
                               y + start * y_step[1] + whole * size, y_row, size, ahead)
            ahead.from_ = NULL


# ---- the gradient of the weights ----

# What its tasks read. A task owns a plane (or a chunk of channels), a part of the batch and a cut
# of an image's blocks: grad_weight[tap] = sum over pixels of grad_output[pixel] * x[pixel, tap].
cdef struct Gradient:
    const Layer *of
    char *x
    char *grad
    char *out
    Py_ssize_t x_image, grad_image, out_size
    Py_ssize_t x_stride[4]
    Py_ssize_t grad_stride[4]
    Py_ssize_t batch, images         # all, and of one part
    Py_ssize_t units, cuts, blocks   # planes or chunks; cuts of an image's blocks; blocks
    Py_ssize_t share                 # units of a task
    Py_ssize_t lines                 # vectors of sums for each tap
    char *scratch
    Py_ssize_t scratch_size, grad_at, sum_at, total_at, dot_at


cdef Layout set_gradient(ConvDesc desc, int threads, Gradient *job):
    """Everything in `job` that does not depend on the arrays."""
    cdef Layout layout = Layout.get(desc, False)
    if layout.of.map < 0 or layout.of.sinks > 1:
        layout = Layout.get(desc, False, True)
    cdef const Layer *of = &layout.of
    cdef Phase *phase = &of.phases[0]
    cdef Py_ssize_t lanes = of.k.lanes, itemsize = of.g.itemsize, row
    job.of = of
    job.units = of.chunks if of.wide else of.groups
    job.blocks = phase.blocks
    job.cuts = min(job.blocks, max(1, 8 // job.units))
    job.lines = up(of.chunk, lanes) // lanes if of.wide else of.sinks
    row = phase.axis[2].block * lanes if of.wide else up(phase.axis[2].block, lanes)
    job.grad_at = up((phase.size + phase.slack) * itemsize, 64)
    job.sum_at = job.grad_at + up(phase.axis[1].block * row * itemsize, 64)
    job.total_at = job.sum_at + up(phase.taps * job.lines * lanes * itemsize, 64)
    job.dot_at = 2 * job.total_at - job.sum_at
    job.scratch_size = job.dot_at + up(DOTS * lanes * itemsize, 64)
    job.share = 1
    if of.map >= 0:
        job.share = max(1, min(job.units // (4 * threads), 64))
        job.total_at = job.sum_at + up(job.share * phase.taps * itemsize, 64)
        job.dot_at = 2 * job.total_at - job.sum_at
        job.scratch_size = 2 * job.dot_at - job.total_at
    return layout


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says."""
    cdef Layout layout
    cdef conv_geometry *g = &desc.g
    cdef Gradient job
    cdef Py_ssize_t parts
    cdef Scratch scratch
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or cnp.PyArray_SIZE(x) == 0:
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    layout = set_gradient(desc, threads, &job)
    job.batch = cnp.PyArray_DIM(x, 0)
    job.x = cnp.PyArray_BYTES(x)
    job.grad = cnp.PyArray_BYTES(grad)
    source_strides(x, False, g.channels_last, <int>g.rank, g.itemsize, job.x_stride)
    source_strides(grad, False, g.channels_last, <int>g.rank, g.itemsize, job.grad_stride)
    job.x_image = cnp.PyArray_STRIDES(x)[0] // g.itemsize
    job.grad_image = cnp.PyArray_STRIDES(grad)[0] // g.itemsize
    job.out_size = layout.of.phases[0].taps * layout.of.channels

    # Few planes: cut the blocks and the batch as well, in a way that depends on the problem
    # alone, and add the parts up in order. So the result is the same for any number of threads.
    parts = job.batch
    if not per_sample:
        parts = min(parts, max(1, 8 // (job.units * job.cuts)))
    job.images = even(job.batch, (job.batch + parts - 1) // parts)
    parts = (job.batch + job.images - 1) // job.images
    partial = out
    if job.cuts > 1 or (parts > 1 and not per_sample):
        partial = np.empty((parts, job.cuts, job.out_size), (<object>out).dtype)
    job.out = cnp.PyArray_BYTES(partial)
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    parallel_for(weight_f32 if g.itemsize == 4 else weight_f64, &job,
                 parts * job.cuts * ((job.units + job.share - 1) // job.share), threads,
                 desc.flops(job.batch))
    if partial is not out:
        if per_sample:
            np.add.reduce(partial, axis=1, out=(<object>out).reshape(parts, job.out_size))
        else:
            np.add.reduce(partial.reshape(parts * job.cuts, job.out_size), axis=0,
                          out=(<object>out).reshape(job.out_size))


cdef void weight_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    if (<Gradient *>context).of.map >= 0:
        weight_maps(<Gradient *>context, task, thread, <float *>NULL)
    else:
        weight_part(<Gradient *>context, task, thread, <float *>NULL)


cdef void weight_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    if (<Gradient *>context).of.map >= 0:
        weight_maps(<Gradient *>context, task, thread, <double *>NULL)
    else:
        weight_part(<Gradient *>context, task, thread, <double *>NULL)


cdef void weight_maps(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """`weight_part` by `dwconv_plane_backward_weight`, for some planes at once."""
    cdef const Layer *of = job.of
    cdef Phase *phase = &of.phases[0]
    cdef Axis *axis = phase.axis
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef real_t *copied = <real_t *>(scratch + job.grad_at)
    cdef real_t *sums = <real_t *>(scratch + job.sum_at)
    cdef real_t *total = <real_t *>(scratch + job.total_at)
    cdef real_t *dots = <real_t *>(scratch + job.dot_at)
    cdef Py_ssize_t shares = (job.units + job.share - 1) // job.share, taps = phase.taps
    cdef Py_ssize_t size = of.g.kernel[2], pitch = up(axis[2].block, of.k.lanes)
    cdef Py_ssize_t first, planes, cut, part, image, b, c, i, j, in_row = 0
    cdef bint grad_apart = job.grad_stride[3] != 1 and axis[2].count > 1
    cdef bint single = grad_apart or is_apart(axis, job.x_stride)
    cdef const real_t *x
    cdef const real_t *grad
    cdef real_t *out
    cdef Source from_
    cdef fc_plane what
    first = task % shares * job.share
    planes = min(job.share, job.units - first)
    cut = task // shares % job.cuts
    part = task // (shares * job.cuts)
    from_.of, from_.phase = of, phase
    memset(sums, 0, planes * taps * sizeof(real_t))
    memset(total, 0, planes * taps * sizeof(real_t))
    for image in range(part * job.images, min(job.batch, (part + 1) * job.images)):
        for b in range(job.blocks * cut // job.cuts, job.blocks * (cut + 1) // job.cuts):
            from_.first[1] = b % axis[1].blocks * axis[1].block
            from_.first[2] = b // axis[1].blocks * axis[2].block
            for i in range(1, AXES):
                from_.count[i] = min(axis[i].block, axis[i].count - from_.first[i])
            what.planes = 1 if single else planes
            for c from 0 <= c < planes by what.planes:
                x = (<const real_t *>job.x) + (
                    image * job.x_image + (first + c) * job.x_stride[0])
                x = frame(of, &from_, job.x_stride, x, window, &what)
                grad = (<const real_t *>job.grad) + (
                    image * job.grad_image + (first + c) * job.grad_stride[0]
                    + from_.first[1] * job.grad_stride[2] + from_.first[2] * job.grad_stride[3])
                what.y_plane, what.y_row = job.grad_stride[0], job.grad_stride[2]
                if grad_apart:
                    of.k.copy(what.rows, what.n, grad, job.grad_stride[2], job.grad_stride[3],
                              copied, pitch)
                    grad, what.y_row = copied, pitch
                of.k.dwconv_plane_backward_weight[of.map // 2][of.map % 2](&what, x, grad,
                                                                           dots + c * taps)
            of.k.add(planes * taps, dots, sums)
            in_row += 1
            if in_row == ROW:
                of.k.add(planes * taps, sums, total)
                memset(sums, 0, planes * taps * sizeof(real_t))
                in_row = 0
    of.k.add(planes * taps, total, sums)
    out = (<real_t *>job.out) + (part * job.cuts + cut) * job.out_size + first * taps
    for c in range(planes):
        for j in range(size):
            for i in range(size):
                b = i * size + j
                out[c * taps + (taps - 1 - b if of.g.flip else b)] = sums[c * taps + j * size + i]


cdef void weight_part(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One task: its sums over blocks and images, then out to their places in grad_weight."""
    cdef const Layer *of = job.of
    cdef const fc_kernels *k = of.k
    cdef Phase *phase = &of.phases[0]
    cdef Axis *axis = phase.axis
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef real_t *sums = <real_t *>(scratch + job.sum_at)
    cdef real_t *total = <real_t *>(scratch + job.total_at)
    cdef real_t *out
    cdef const real_t *x
    cdef const real_t *grad
    cdef Py_ssize_t lanes = k.lanes, unit, cut, part, image, b, i, c, q0, t, f, line, width, lane
    cdef Py_ssize_t size = phase.taps * job.lines * lanes, in_row = 0, kernel_taps
    cdef bint fresh = True
    cdef Source from_
    cdef real_t value
    cdef int a
    unit = task % job.units
    cut = task // job.units % job.cuts
    part = task // (job.units * job.cuts)
    from_.of = of
    from_.phase = phase
    from_.width = min(of.chunk, of.channels - unit * of.chunk) if of.wide else 1
    for a in range(4):
        from_.stride[a] = job.x_stride[a]
    memset(sums, 0, size * sizeof(real_t))
    memset(total, 0, size * sizeof(real_t))
    memset(window + phase.size, 0, phase.slack * sizeof(real_t))
    for image in range(part * job.images, min(job.batch, (part + 1) * job.images)):
        x = (<const real_t *>job.x) + image * job.x_image
        for b in range(job.blocks * cut // job.cuts, job.blocks * (cut + 1) // job.cuts):
            i = b
            for a in range(2, -1, -1):
                from_.first[a] = i % axis[a].blocks * axis[a].block
                from_.count[a] = min(axis[a].block, axis[a].count - from_.first[a])
                i //= axis[a].blocks
            for c in range(of.sources):
                if not of.wide:
                    fill(&from_, x + (unit * of.sources + c) * job.x_stride[0], 0, 0, fresh, fresh,
                         window + c * phase.channel)
                else:
                    fill(&from_, x + (unit * of.chunk * job.x_stride[0]
                                      if of.sources == 1 and of.sinks == 1 else 0),
                         unit * of.chunk, c, fresh, fresh, window + c * phase.channel)
            fresh = job.blocks > 1
            for line in range(job.lines):
                f = unit * of.chunk + line * lanes if of.wide else unit * of.sinks + line
                if f >= of.channels:
                    break
                width = min(lanes, from_.width - line * lanes) if of.wide else 1
                for q0 in range(from_.count[0]):
                    grad = (<const real_t *>job.grad) + (
                        image * job.grad_image + f * job.grad_stride[0]
                        + (from_.first[0] + q0) * job.grad_stride[1]
                        + from_.first[1] * job.grad_stride[2]
                        + from_.first[2] * job.grad_stride[3])
                    add_dots(job, phase, &from_, window + q0 * axis[0].position
                             + (line * lanes if of.wide else 0), grad, width,
                             sums + line * phase.taps * lanes, scratch)
            in_row += 1
            if in_row == ROW:
                k.add(size, sums, total)
                memset(sums, 0, size * sizeof(real_t))
                in_row = 0
    k.add(size, total, sums)

    kernel_taps = phase.taps // of.sources
    out = (<real_t *>job.out) + (part * job.cuts + cut) * job.out_size
    for line in range(job.lines):
        for t in range(phase.taps):
            c = phase.order[t] // kernel_taps
            i = phase.order[t] % kernel_taps
            if of.g.flip:
                i = kernel_taps - 1 - i
            if of.wide:
                f = unit * of.chunk + line * lanes
                for lane in range(min(lanes, from_.width - line * lanes)):
                    out[(f + lane) * phase.taps + c * kernel_taps + i] = (
                        sums[(line * phase.taps + t) * lanes + lane])
            else:
                value = 0
                for lane in range(lanes):
                    value += sums[(line * phase.taps + t) * lanes + lane]
                out[(unit * of.sinks + line) * phase.taps + c * kernel_taps + i] = value


cdef void add_dots(Gradient *job, Phase *phase, Source *from_, const real_t *window,
                   const real_t *grad, Py_ssize_t width, real_t *sums,
                   char *scratch) noexcept nogil:
    """Add to `sums`, (taps, lanes), what one plane of a block gives to one plane of filters."""
    cdef const Layer *of = job.of
    cdef const fc_kernels *k = of.k
    cdef real_t *copied = <real_t *>(scratch + job.grad_at)
    cdef real_t *dots = <real_t *>(scratch + job.dot_at)
    cdef Py_ssize_t lanes = k.lanes, rows = from_.count[1], n = from_.count[2], t, q1, taps
    cdef Py_ssize_t row = job.grad_stride[2], step, steps, full, last, x_step
    if of.wide:
        steps, full, last = n, width, width
        x_step, step = phase.axis[2].position, job.grad_stride[3]
        if job.grad_stride[0] != 1 and width > 1:
            for q1 in range(rows):
                k.copy(n, width, grad + q1 * row, step, job.grad_stride[0],
                       copied + q1 * n * lanes, lanes)
            grad, row, step = copied, n * lanes, lanes
    else:
        steps = up(n, lanes) // lanes
        full, last = lanes, n - (steps - 1) * lanes
        x_step = step = lanes
        if job.grad_stride[3] != 1 and n > 1:
            k.copy(rows, n, grad, row, job.grad_stride[3], copied, up(n, lanes))
            grad, row = copied, up(n, lanes)
    taps = even(phase.taps, DOTS)
    for t from 0 <= t < phase.taps by taps:
        k.dwconv_backward_weight[min(taps, phase.taps - t) - 1](
            rows, steps, full, last, phase.offset + t, window, phase.pitch, x_step, grad, row, step,
            dots)
        k.add(min(taps, phase.taps - t) * lanes, dots, sums + t * lanes)


# ---- the record ----

def supports(ConvDesc desc, which):
    """It serves sums over few channels."""
    cdef Py_ssize_t channels = desc.g.channels // desc.g.groups
    if channels == 0 or desc.g.filters == 0:
        return "needs at least one channel and one filter"
    if channels > MOST_CHANNELS:
        return (f"is for at most {MOST_CHANNELS} input channels per group, "
                f"not {channels}")
    return None


def workspace(ConvDesc desc, which, int threads):
    cdef Layout layout
    cdef Gradient job
    if supports(desc, which) is not None:
        return 0
    if which == BACKWARD_WEIGHT:
        layout = set_gradient(desc, threads, &job)
        return job.scratch_size * threads + (
            0 if job.units >= 8 else 8 * layout.of.phases[0].taps * layout.of.channels
            * desc.g.itemsize)
    layout = Layout.get(desc, which == BACKWARD_DATA)
    return layout.scratch() * threads + layout.of.packed_size * desc.g.itemsize


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef conv_geometry *g = &desc.g
    cdef double full = peak(g.itemsize), channels, filters, taps, inputs, outputs, products
    cdef double seconds, rate
    cdef Layout layout
    channels, filters = <double>g.channels / g.groups, <double>g.filters / g.groups
    taps = (<double>g.kernel[0]) * g.kernel[1] * g.kernel[2]
    inputs = (<double>g.input[0]) * g.input[1] * g.input[2] * g.channels
    outputs = (<double>g.output[0]) * g.output[1] * g.output[2] * g.filters
    products = outputs * taps * channels
    if which == BACKWARD_WEIGHT:
        if Layout.get(desc, False).of.map >= 0 and channels == 1 and filters == 1:
            rate, seconds = MAP_GRADIENT, PER_MAP * g.filters
        else:
            rate, seconds = GRADIENT, PER_TAP * g.filters * channels * taps
        seconds += STARTED + 2 * products / (rate * full)
        if g.stride[2] > 1:
            seconds *= 2
    else:
        layout = Layout.get(desc, which == BACKWARD_DATA)
        rate = FEW if filters <= 8 else MANY
        if which == BACKWARD_DATA:
            rate *= 0.7
        elif g.stride[2] > 1:
            rate *= 0.4   # lanes are taken apart
        seconds = (STARTED + 2 * products / (rate * full) + PER_CHANNEL * max(g.channels, g.filters)
                   + STORED * g.itemsize * (inputs if which == BACKWARD_DATA else outputs))
        if g.stride[2] > (1 if which == BACKWARD_DATA or g.channels_last else 2) and not (
                which == BACKWARD_DATA and layout.of.spread):
            seconds += STRIDED * inputs + STRIDED_ROW * inputs / max(g.input[2], 1)
        if layout.of.map >= 0 or layout.of.spread:
            seconds *= MAPS
    if g.channels_last and (g.channels if which == BACKWARD_DATA else g.filters) > 1 and not (
            channels == 1 and filters == 1):
        seconds += REARRANGED * products
    return Cost(arithmetic=seconds)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights packed for one pass of one layer."""
    return Depthwise(Layout.get(desc, which == BACKWARD_DATA), weight)


ALGORITHM = Algorithm(
    name="depthwise", passes=PASSES, tier="highest",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient,
)
