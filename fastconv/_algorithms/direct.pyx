"""Direct convolution: sums of products by our own register-blocked kernels, no im2col.

Every pass is the same computation with other names: a *correlation* of a source with packed
weights. In the forward pass the source is x. backward_data is a correlation of grad_output,
one for each phase of the stride: the input positions i with (i + padding) mod stride = r are
reached by the same subset of the kernel's taps, and read grad_output at unit step. So a strided
gradient multiplies no zeros. backward_weight is a correlation whose sum runs over pixels.

Two kernels serve (see _kernels/README.md): `igemm` holds output channels in the lanes and
broadcasts input scalars, `igemm_pixels` holds pixels in the lanes and broadcasts weights, for
layers with few output channels. Both read x through a table of offsets into a window. A third,
`conv_backward_weight`, serves gradients of weights that see few channels.

Sources: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures" (SC 2018); Zhang et al., "High performance zero-memory overhead direct
convolutions" (ICML 2018); Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication" (TOMS 2008).
"""
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import math

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._core.cost cimport peak
from fastconv._core.epilogue cimport Exit, emit
from fastconv._core.integers cimport even, gcd, modulo, up
from fastconv._core.integers cimport parts as parts_of
from fastconv._core.scratch cimport CACHE, Scratch, acquire, fc_fetch
from fastconv._core.threads cimport is_long, parallel_for
from fastconv._core.old_window cimport (
    Axis, Window, aim, block_axis, fill, fill_part, index_words, lay_out, real_t,
    source_strides,
)
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport (
    FC_BACKWARD_FILTERS, FC_CLIP, FC_IDENTITY, FC_SUM_BLOCK, fc_epilogue, fc_kernels, fc_output,
    kernels_for,
)

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

cdef double LONGEST_TASK = 1e10  # operations
cdef double WORTH = 0.85         # of the products, left by skipping those with padding
cdef Py_ssize_t MOST_TRIMMED = 1 << 16  # outputs of a row whose pieces are looked at one by one

# The cost model (docs/algorithms/choice.rst): parts of the peak that the kernels reach,
cdef double TILES = 0.80, ROWS_ONE = 0.40, ROWS_MANY = 0.85, GRADIENT = 0.75
# and seconds for a call, for a block of outputs and group, a position along a block's axes, and
# an element of a window, of the result, of a single output channel's, of one that has to be
# transposed, of packed weights that fit the cache, and of those that do not.
cdef double STARTED = 3e-6, PER_BLOCK = 0.4e-6, INDEXED = 0.5e-9
cdef double GATHERED = 0.1e-9, STORED = 0.1e-9, STORED_ONE = 0.3e-9, TURNED = 0.2e-9
cdef double PACKED = 0.2e-9, PACKED_BEYOND = 0.6e-9, GRADIENT_TURNED = 0.25e-9
cdef double STREAMED = 0.1e-9  # and for one that a thread reads again
# The same of gradients with pixels in the lanes, where few filters meet some lags: for each call,
# and each of its rows.
cdef double LAGS = 0.75, PER_LAGS = 60e-9, PER_LAGS_ROW = 3e-9

cdef enum:
    CHUNK = 192   # taps whose weights share the first-level cache with the tiles' input
    STRIP = 32    # tiles that pass over such a chunk
    MOST = 1024   # pixels that gradients are turned for at once
    MOST_USES = 2  # of weights that are packed anew for each
    STEPS = 2 * FC_SUM_BLOCK  # vectors of a strip of gradients
    PARTS = 8     # of sums, for threads
    BEYOND = 16 << 20  # bytes of gradients that come from memory: fetched ahead of their use
    LATENT = 7    # sums that a kernel needs to hide most of the latency of its multiply-adds
    # Rounding errors: kernels cut sums into blocks of 64 products and add the blocks up in a
    # row; a row of more than LONG products is one block of a further such level.
    LONG = 32 * CHUNK

cdef struct Phase:
    Axis axis[3]
    Py_ssize_t first[3]      # the phase's first output on each axis, and the step to its next
    Py_ssize_t out_step[3]
    Py_ssize_t first_tap[3]  # its first tap in the kernel; the next is `period` further
    Py_ssize_t blocks[3]     # blocks of outputs on each axis
    Py_ssize_t spatial_taps
    Py_ssize_t taps          # channels * spatial_taps
    bint trims               # pieces of rows leave out taps for themselves,
    double inside            # so that this part of the products is left
    Py_ssize_t packed        # where its weights start in the packed buffer
    Py_ssize_t *offset       # of each tap in the window
    Window window


# A range of outputs along one axis, and the taps that it reads.
cdef struct Variant:
    Py_ssize_t first, count, tap, taps


# What the tasks of a correlation read.
cdef struct Layer:
    const conv_geometry *g
    const fc_epilogue *epilogue
    const fc_kernels *k
    bint backward
    Py_ssize_t groups, sources, sinks   # channels per group, read and written
    Py_ssize_t source_axis[3]           # spatial sizes read and written
    Py_ssize_t sink_axis[3]
    bint collapsed                      # spatial axes taken as one (1x1 kernels)
    bint by_rows                        # `igemm_pixels` kernel, else `igemm`
    int row_kind                        # which channels of `igemm_pixels`
    Py_ssize_t unit                     # pixels of a piece of a row
    Py_ssize_t width                    # output channels of a block of weights
    Py_ssize_t blocks, padded           # such blocks per group; sinks, filled up
    Py_ssize_t period[3]                # taps this far apart share a phase
    bint has_gaps                       # some outputs belong to no phase
    Py_ssize_t n_phases
    Phase *phases
    Py_ssize_t *words                   # what the phases' tables point into
    Py_ssize_t packed_size              # elements


# Where weights come from and go to.
cdef struct Packing:
    const Layer *of
    char *weight
    char *packed
    Py_ssize_t stride[5]
    Py_ssize_t group, sink, source


cdef class Layout:
    """How one pass of one description is blocked; immutable, and kept with the description."""

    cdef ConvDesc desc
    cdef Layer of
    cdef Variant *variants
    cdef bint skips          # taps that read zeros outside the source
    cdef bint may_trim       # such taps along the last axis

    @staticmethod
    cdef Layout get(ConvDesc desc, bint backward):
        cdef Layout layout = desc.kept.get(backward)
        if layout is None:
            layout = Layout(desc, backward, False, True)
            desc.kept[backward] = layout
        return layout

    def __cinit__(self, ConvDesc desc, bint backward, bint strict, bint skip):
        cdef conv_geometry *g = &desc.g
        self.desc = desc
        self.of.backward = backward
        self.of.g = g
        self.of.epilogue = &desc.epilogue
        self.of.k = kernels_for(g.itemsize)
        self.of.groups = g.groups
        self.of.sources = (g.filters if backward else g.channels) // g.groups
        self.of.sinks = (g.channels if backward else g.filters) // g.groups
        self.make_phases(strict, skip)
        self.choose_kernel()
        self.make_blocks()

    def __dealloc__(self):
        free(self.variants)
        free(self.of.phases)
        free(self.of.words)

    cdef int make_phases(self, bint strict, bint skip) except -1:
        """The taps of every phase: one phase forward, several where a gradient is strided.

        strict: no output meets a tap that reads beyond the source. A zero out there does not
        matter to a sum, unless its weight is infinite; then phases are cut up further, into
        ranges of outputs that have the same taps inside. skip: the same along an axis where that
        leaves out many products; not for infinite weights forward, where such a zero matters.
        Along the last axis, pieces of rows leave them out instead (`find_trims`).
        """
        cdef conv_geometry *g = &self.desc.g
        cdef Variant *variants[3]
        cdef Py_ssize_t n[3]
        cdef Py_ssize_t words = 0, p, r, j, low, high, most = 1
        cdef double plain
        cdef int a
        cdef Phase *phase
        cdef Axis *axis
        cdef Variant *variant
        cdef Py_ssize_t *word
        self.of.collapsed = True
        self.of.n_phases = 1
        for a in range(AXES):
            self.of.source_axis[a] = g.output[a] if self.of.backward else g.input[a]
            self.of.sink_axis[a] = g.input[a] if self.of.backward else g.output[a]
            if (g.kernel[a] != 1 or g.stride[a] != 1 or g.before[a] or g.after[a]
                    or g.input[a] != g.output[a]):
                self.of.collapsed = False
            # Taps j and j + period reach the same phase; each of the first ones another.
            self.of.period[a] = 1
            if self.of.backward:
                self.of.period[a] = g.stride[a] // gcd(g.stride[a], g.dilation[a])
            words += 2 * ((g.kernel[a] - 1) // self.of.period[a] + 1)
            most += 3 * g.kernel[a] + 1
        if self.of.collapsed:  # 1x1 kernels see no rows
            for a in range(AXES - 1):
                self.of.source_axis[2] *= self.of.source_axis[a]
                self.of.sink_axis[2] *= self.of.sink_axis[a]
                self.of.source_axis[a] = self.of.sink_axis[a] = 1
        self.variants = <Variant *>malloc(most * sizeof(Variant))
        if self.variants == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        variant = self.variants
        for a in range(AXES):
            variants[a] = variant
            n[a] = self.make_variants(a, strict, variant)
            if skip and not strict and a < AXES - 1 and self.can_skip(a) and (
                    self.of.backward or g.stride[a] == 1):
                plain = self.products(variant, n[a])
                n[a] = self.make_variants(a, True, variant)
                if self.products(variant, n[a]) <= WORTH * plain:
                    self.skips = True
                else:
                    n[a] = self.make_variants(a, False, variant)
            variant += n[a]
            self.of.n_phases *= n[a]
        self.may_trim = skip and not strict and self.can_skip(AXES - 1)
        self.of.phases = <Phase *>calloc(max(self.of.n_phases, 1), sizeof(Phase))
        r = 0
        for p in range(self.of.n_phases):
            r += (variants[0][p // (n[1] * n[2])].taps * variants[1][p // n[2] % n[1]].taps
                  * variants[2][p % n[2]].taps * self.of.sources)
        self.of.words = <Py_ssize_t *>malloc(
            (self.of.n_phases * words + r + 1) * sizeof(Py_ssize_t))
        if self.of.phases == NULL or self.of.words == NULL:
            raise MemoryError(f"{self.desc.function}: cannot allocate the table of taps")
        word = self.of.words
        for p in range(self.of.n_phases):
            phase = &self.of.phases[p]
            r = p
            phase.spatial_taps = 1
            for a in range(AXES - 1, -1, -1):
                axis = &phase.axis[a]
                variant = &variants[a][r % n[a]]
                r //= n[a]
                axis.length = self.of.source_axis[a]
                axis.mode = PAD_ZEROS if self.of.backward else g.padding_mode
                axis.step = 1 if self.of.backward else g.stride[a]
                axis.count = variant.count
                axis.taps = variant.taps
                axis.tap = word
                axis.at = word + variant.taps
                word += 2 * variant.taps
                phase.first[a] = variant.first
                phase.first_tap[a] = variant.tap
                phase.out_step[a] = g.stride[a] if self.of.backward else 1
                for j in range(variant.taps):
                    axis.tap[j] = self.reads(a, variant.first, variant.tap
                                             + j * self.of.period[a])
                if a == AXES - 1 and self.may_trim:  # taps that are outside for all outputs
                    taps_inside(axis, 0, axis.count, &low, &high)
                    if low < high:
                        self.skips |= high - low < axis.taps
                        axis.tap += low
                        axis.taps = high - low
                        phase.first_tap[a] += low * self.of.period[a]
                phase.spatial_taps *= axis.taps
            phase.taps = phase.spatial_taps * self.of.sources
            phase.offset = word
            word += phase.taps
        return 0

    cdef double inside_rows(self) noexcept:
        """The part of the taps of all rows that read inside the source."""
        cdef Axis *axis = &self.of.phases[0].axis[1]
        cdef Py_ssize_t j
        cdef double count = 0
        for j in range(axis.taps):
            count += max(0, rows_inside(axis, j, 0, axis.count, True)
                         - rows_inside(axis, j, 0, axis.count, False))
        return count / max(axis.count * axis.taps, 1)

    cdef bint can_skip(self, int a):
        """Whether products along an axis may be left out; small layers are not cut up for it."""
        cdef conv_geometry *g = &self.desc.g
        return (g.before[a] or g.after[a]) and self.desc.flops() > 1e7 and (
            self.of.backward or g.padding_mode == PAD_ZEROS)

    cdef void find_trims(self, Phase *phase) noexcept:
        """Whether pieces of rows leave out the taps that read outside for all their pixels.

        Then the taps along the last axis come first in the order of taps, so that those of a
        piece follow each other.
        """
        cdef Axis *axis = &phase.axis[2]
        cdef Py_ssize_t q = 0, size, low, high, tap
        cdef double left = 0, pixels = 0, inside = 0
        phase.inside = 1
        phase.trims = False
        if not self.may_trim or axis.count > MOST_TRIMMED:
            return
        for tap in range(axis.taps):
            inside += rows_inside(axis, tap, 0, axis.count, True) - rows_inside(
                axis, tap, 0, axis.count, False)
        if inside >= WORTH * axis.count * axis.taps:  # pieces cannot leave out more than that
            return
        while q < axis.count:
            size = min(self.of.unit, axis.count - q)
            taps_inside(axis, q, size, &low, &high)
            left += <double>size * (high - low)
            pixels += size
            q += size
        phase.trims = left < WORTH * pixels * axis.taps
        if phase.trims:
            self.skips = True
            phase.inside = left / (pixels * axis.taps)

    cdef double products(self, const Variant *variant, Py_ssize_t n) noexcept:
        """Products along one axis."""
        cdef Py_ssize_t i
        cdef double count = 0
        for i in range(n):
            count += <double>variant[i].count * variant[i].taps
        return count

    cdef Py_ssize_t reads(self, int a, Py_ssize_t first, Py_ssize_t tap) noexcept:
        """The source position that a tap of axis a reads for output `first`."""
        cdef conv_geometry *g = &self.desc.g
        if self.of.backward:
            # input position i met tap j in output o, where o * stride = i + before - j * dilation
            return (first + g.before[a] - tap * g.dilation[a]) // g.stride[a]
        return first * g.stride[a] + tap * g.dilation[a] - g.before[a]

    cdef Py_ssize_t make_variants(self, int a, bint strict, Variant *out) noexcept:
        """The ranges of outputs along axis a that phases are made of, and their taps."""
        cdef conv_geometry *g = &self.desc.g
        cdef Py_ssize_t period = self.of.period[a], length = self.of.source_axis[a]
        cdef Py_ssize_t residues = min(period, g.kernel[a]) if self.of.backward else 1
        cdef Py_ssize_t r, first, count, taps, q, after, t, low, high, at, n = 0
        # the outputs of a phase that no tap reaches are zero
        self.of.has_gaps |= self.of.backward and residues < g.stride[a]
        for r in range(residues):
            first = 0
            count = self.of.sink_axis[a]
            if self.of.backward:
                first = modulo(r * g.dilation[a] - g.before[a], g.stride[a])
                count = 0
                if self.of.sink_axis[a] > first:
                    count = (self.of.sink_axis[a] - first - 1) // g.stride[a] + 1
            taps = (g.kernel[a] - 1 - r) // period + 1
            q = 0
            while q < count or q == 0:
                # taps low … high - 1 read inside the source, up to output `after`
                low, high, after = 0, taps, count
                if strict:
                    low = taps
                    high = 0
                    for t in range(taps):
                        at = self.reads(a, first, r + t * period)
                        if 0 <= q + at < length:
                            low = min(low, t)
                            high = t + 1
                        if q < -at:
                            after = min(after, -at)
                        if q < length - at:
                            after = min(after, length - at)
                if high <= low and not self.of.backward:
                    low = 0  # all is padding: sums of zeros, and a bias perhaps
                    high = 1
                if high > low:
                    out[n].first = first + q * (g.stride[a] if self.of.backward else 1)
                    out[n].count = after - q
                    out[n].tap = r + low * period
                    out[n].taps = high - low
                    n += 1
                else:
                    self.of.has_gaps = True
                q = max(after, q + 1)
        return n

    cdef int choose_kernel(self) except -1:
        """The kernel that takes fewer cycles an output.

        Lanes that a layer leaves empty cost as much as full ones. A tile that has the wrong
        axis in its lanes for the output's layout must be transposed, and goes to many places
        at once: that takes about a cycle an output, which matters where sums are short.
        """
        cdef Py_ssize_t lanes = self.of.k.lanes, half = self.of.k.half
        cdef Py_ssize_t sinks = max(self.of.sinks, 1)
        cdef Axis *axis = self.of.phases[0].axis
        cdef Py_ssize_t pixels = max(axis[2].count, 1), reach = 0, i
        cdef double ideal = (<double>self.of.phases[0].taps) / (2 * lanes)
        cdef double tile = ideal * up(sinks, lanes) / sinks * up(pixels, half) / pixels
        cdef double rows = ideal * 1.05, line = up(pixels, lanes), turned = 0.6
        # its input comes from the second-level cache for every few channels
        if sinks == 1:
            self.of.row_kind, self.of.width = 0, 1
            rows *= 1.2
        elif sinks <= 4 or up(sinks, 4) < up(sinks, self.of.k.igemm_pixels_channels):
            self.of.row_kind, self.of.width = 1, 4
        else:
            self.of.row_kind, self.of.width = 2, self.of.k.igemm_pixels_channels
        rows *= (<double>up(sinks, self.of.width)) / sinks
        for i in range(axis[2].taps):
            reach = max(reach, abs(axis[2].tap[i] - axis[2].tap[0]))
        if axis[1].count > 1 and axis[1].step == axis[2].step == 1 and pixels + reach <= line:
            line = pixels + reach    # all rows are cut as one line, and leave one by one
            if not self.of.g.channels_last:
                rows += 0.5 * pixels / line
        elif line == lanes:          # a single vector: few sums in flight
            rows *= max(1.0, 8.0 / self.of.width)
        rows *= line / pixels
        if axis[2].step != 1:        # a window that is taken apart
            rows += (<double>self.of.sources) / sinks
        if sinks <= lanes:
            tile *= 1.05   # one vector of channels: more loads than multiply-adds
        if sinks * pixels * self.of.sink_axis[1] * self.of.sink_axis[0] > (
                CACHE // self.of.g.itemsize):
            turned = 1.4
        if self.of.g.channels_last:
            rows += turned
        else:
            tile += turned
        self.of.by_rows = rows < tile
        if not self.of.by_rows:
            self.of.width = 2 * lanes
        self.of.unit = half
        if self.of.by_rows:
            self.of.unit = lanes * (8 if self.of.row_kind == 0 else 3)
            if self.of.row_kind == 1 and self.of.k.igemm_pixels[1][3] != NULL:
                self.of.unit = lanes * 4
        self.of.padded = up(self.of.sinks, self.of.width if self.of.by_rows else lanes)
        self.of.blocks = up(self.of.sinks, self.of.width) // self.of.width
        return 0

    cdef int make_blocks(self) except -1:
        """Block the outputs of every phase so that a window takes half the second-level cache."""
        cdef Py_ssize_t p, i0, i1, i2, c, t, budget, block, fits, inner, packed = 0
        cdef Phase *phase
        cdef Axis *axis
        cdef Py_ssize_t unit = self.of.unit if self.of.by_rows else 2 * self.of.unit
        for p in range(self.of.n_phases):
            phase = &self.of.phases[p]
            axis = phase.axis
            phase.window.axis = axis
            phase.window.channels = self.of.sources
            phase.window.channels_last = self.desc.g.channels_last and not self.of.by_rows
            budget = max(CACHE // 2 // self.desc.g.itemsize, 1)
            # the longest block of columns, then the most rows, that fit
            block_axis(&axis[0], 1, False)
            block_axis(&axis[1], 1, False)
            block = max(axis[2].count, 1)
            self.measure(phase, 1, block)
            if phase.window.size > budget and block > unit:
                fits = max(1, block * budget // phase.window.size // unit) * unit
                block = up(even(block, fits), unit) if fits < block else block
            self.measure(phase, 1, block)
            fits = 1
            if phase.window.size < budget and axis[1].count > 1:
                # a window of two blocks tells what a further row costs
                c = phase.window.size
                self.measure(phase, 2, block)
                fits = 1 + (budget - c) // max(phase.window.size - c, 1)
                fits = even(axis[1].count, max(1, min(fits, axis[1].count)))
                self.measure(phase, fits, block)
                while phase.window.size > budget and fits > 1:
                    fits = (fits + 1) // 2
                    self.measure(phase, fits, block)
            self.measure(phase, fits, block)
            for i0 in range(AXES):
                phase.blocks[i0] = (axis[i0].count + axis[i0].block - 1) // axis[i0].block
            self.find_trims(phase)
            inner = 1 if phase.trims else axis[2].taps
            for t in range(phase.taps):
                i2 = t // (phase.taps // axis[2].taps) if phase.trims else t % axis[2].taps
                c = t // inner
                i1 = c % axis[1].taps
                i0 = c // axis[1].taps % axis[0].taps
                c = c // axis[1].taps // axis[0].taps % self.of.sources
                phase.offset[t] = (c * phase.window.channel
                                   + axis[0].at[i0] * phase.window.position[0]
                                   + axis[1].at[i1] * phase.window.position[1]
                                   + axis[2].at[i2] * phase.window.position[2])
            phase.packed = packed
            packed += self.of.groups * phase.taps * self.of.padded
        self.of.packed_size = packed
        return 0

    cdef void measure(self, Phase *phase, Py_ssize_t rows, Py_ssize_t columns) noexcept:
        block_axis(&phase.axis[1], rows, False)
        block_axis(&phase.axis[2], columns, self.of.by_rows)
        lay_out(&phase.window, self.of.k.half, self.of.k.lanes)

    cdef Py_ssize_t scratch(self, Run *job, const Phase *phase) noexcept:
        """Scratch memory of a thread: window, tile, its transpose, positions."""
        cdef Py_ssize_t itemsize = self.desc.g.itemsize, lanes = self.of.k.lanes
        cdef Py_ssize_t turned = max(up(2 * self.of.k.half, lanes) * 2,
                                     8 * up(self.of.k.igemm_pixels_channels, lanes)) * lanes
        cdef Py_ssize_t tile = max(STRIP * 2 * self.of.k.half * 2, 3 * 8) * lanes
        cdef Py_ssize_t size = phase.window.size * job.images + phase.window.slack
        job.tile_at = up(size * itemsize, 64)
        job.total_at = job.tile_at + up(tile * itemsize, 64)
        job.turned_at = job.total_at + up(tile * itemsize, 64)
        job.words_at = job.turned_at + up(turned * itemsize, 64)
        size = job.words_at + index_words(&phase.window) * sizeof(Py_ssize_t)
        job.pieces_at = up(size, 64)
        size = pieces_of(&self.of, phase) * job.images * sizeof(Piece)
        job.weights_at = up(job.pieces_at + size, 64)
        size = job.weights_at
        if job.packing != NULL:
            size += at_once(&self.of, phase) * itemsize
        return up(size, 64) + 64

    def workspace(self, int threads):
        """Bytes of scratch memory of a call, packed weights included."""
        cdef Py_ssize_t p, most = 0
        cdef Run job
        for p in range(self.of.n_phases):
            job.images = 1
            job.packing = NULL
            if self.of.phases[p].window.size:
                job.images = max(1, min(16, CACHE // 2 // (
                    self.of.phases[p].window.size * self.desc.g.itemsize)))
            most = max(most, self.scratch(&job, &self.of.phases[p]))
        return most * threads + self.of.packed_size * self.desc.g.itemsize


cdef class Correlation:
    """A source correlated with packed weights; made once for a layer, run for any batch."""

    cdef Layout layout
    cdef const Layer *of
    cdef cnp.ndarray weight  # what `packing` points into
    cdef Packing packing
    cdef Scratch packed      # or None

    def __cinit__(self, Layout layout, cnp.ndarray weight):
        cdef Packing job
        cdef int i
        self.layout = layout
        self.of = &layout.of
        self.weight = weight
        job.of = self.of
        job.weight = cnp.PyArray_BYTES(weight)
        job.packed = NULL
        for i in range(5):
            job.stride[i] = 0
        job.stride[0] = cnp.PyArray_STRIDES(weight)[0] // self.of.g.itemsize
        job.stride[1] = cnp.PyArray_STRIDES(weight)[1] // self.of.g.itemsize
        for i in range(<int>self.of.g.rank):
            job.stride[5 - self.of.g.rank + i] = (
                cnp.PyArray_STRIDES(weight)[2 + i] // self.of.g.itemsize)
        job.group = self.of.g.filters // self.of.groups * job.stride[0]
        if self.of.backward:
            job.sink, job.source = job.stride[1], job.stride[0]
        else:
            job.sink, job.source = job.stride[0], job.stride[1]
        self.packing = job

    # ---- weights ----

    cdef int pack(self, int threads) except -1:
        """Copy the weights to [phase][group][block of output channels][tap][channel].

        Taps run over input channels, then kernel positions, for every layout of x.
        """
        self.packed = acquire(max(self.of.packed_size, 1) * self.of.g.itemsize)
        self.packing.packed = self.packed.data
        parallel_for(pack_f32 if self.of.g.itemsize == 4 else pack_f64, &self.packing,
                     self.of.n_phases * self.of.groups * self.of.blocks,
                     threads if self.of.packed_size > 1 << 16 else 1, 0.0)
        self.weight = None
        return 0

    cdef bint packs_on_the_way(self, Py_ssize_t batch) noexcept:
        """Whether few strips of tiles meet the weights.

        Then each packs them for itself, into the first-level cache: that is less work than to
        write them to memory and read them again.
        """
        return uses(self.of, batch) <= (
            MOST_USES if self.of.packed_size * self.of.g.itemsize > CACHE else 1)

    # ---- the computation ----

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """Correlate a batch.

        source, residual and out have the description's shapes with a batch axis; bias may be
        None, and residual; out and residual are C-contiguous.
        """
        cdef Run job
        cdef Py_ssize_t itemsize = self.of.g.itemsize, p, most = 0, tasks
        cdef int first = 1 if self.of.g.channels_last else 2
        cdef int rank = <int>self.of.g.rank
        cdef Scratch scratch
        cdef double total = 0
        if self.of.collapsed and not collapses(source, first, rank):
            source = np.ascontiguousarray(source)
        job.of = self.of
        job.batch = cnp.PyArray_DIM(source, 0)
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.source = cnp.PyArray_BYTES(source)
        job.source_image = cnp.PyArray_STRIDES(source)[0] // itemsize
        source_strides(source, self.of.collapsed, self.of.g.channels_last, rank, itemsize,
                       job.source_stride)
        job.exit.k = self.of.k
        job.exit.epilogue = self.of.epilogue
        job.exit.out = cnp.PyArray_BYTES(out)
        job.exit.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.exit.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        # All memory before any work: a call that fails leaves `out` as it was.
        job.packing = NULL
        job.packed = NULL
        if self.packed is None and self.packs_on_the_way(job.batch):
            job.packing = &self.packing
        else:
            if self.packed is None:
                self.pack(threads)
            job.packed = self.packed.data
        job.in_place = self.reads_in_place(&job)
        for p in range(self.of.n_phases):
            self.share_out(&job, p, threads)
            most = max(most, job.scratch_size)
            total += self.work_of(p) * job.batch
        scratch = acquire(most * threads + (
            self.of.sources * sizeof(Py_ssize_t) if job.in_place else 0))
        job.scratch = scratch.data
        if job.in_place:
            job.offset = <Py_ssize_t *>(job.scratch + most * threads)
            for p in range(self.of.sources):
                job.offset[p] = p * job.source_stride[0]
        if self.of.has_gaps:
            memset(job.exit.out, 0, cnp.PyArray_NBYTES(out))
        for p in range(self.of.n_phases):
            tasks = self.share_out(&job, p, threads)
            parallel_for(run_f32 if itemsize == 4 else run_f64, &job, tasks, threads,
                         self.work_of(p) * job.batch)
            if is_long(total):
                PyErr_CheckSignals()

    cdef bint reads_in_place(self, const Run *job) noexcept:
        """Whether the kernels read the source where it is, without a window.

        They do where kernels are 1x1 and neighbours lie side by side, but not where the lines
        that a tile comes back to would compete for a few sets of a cache.
        """
        cdef Phase *phase = &self.of.phases[0]
        cdef Py_ssize_t itemsize = self.of.g.itemsize, length
        if not self.of.collapsed or self.of.n_phases != 1 or phase.taps == 0:
            return False
        length = phase.axis[2].count - (phase.blocks[2] - 1) * phase.axis[2].block
        if length < self.of.unit:
            return False
        if self.of.by_rows:  # lines come from the second-level cache
            return job.source_stride[3] == 1 and spreads(
                job.source_stride[0] * itemsize, phase.taps, 1024, 16)
        if phase.window.channels_last:
            return job.source_stride[0] == 1 and spreads(
                job.source_stride[3] * itemsize, 2 * self.of.unit, 64, 12)
        return job.source_stride[3] == 1 and spreads(
            job.source_stride[0] * itemsize, min(CHUNK, phase.taps), 64, 12)

    cdef double work_of(self, Py_ssize_t p) noexcept:
        """Floating-point operations of one image's phase."""
        cdef Phase *phase = &self.of.phases[p]
        return 2.0 * self.of.groups * phase.taps * self.of.sinks * (
            (<double>phase.axis[0].count) * phase.axis[1].count * phase.axis[2].count)

    cdef Py_ssize_t share_out(self, Run *job, Py_ssize_t p, int threads) noexcept:
        """Cut a phase into tasks; returns how many."""
        cdef Phase *phase = &self.of.phases[p]
        cdef Py_ssize_t images = 1, tasks
        cdef double work
        # Several small images share a task, so that the weights stream once for all.
        if phase.blocks[0] * phase.blocks[1] * phase.blocks[2] == 1:
            images = max(1, min(job.batch,
                                CACHE // 2 // max(phase.window.size * self.of.g.itemsize, 1)))
            images = even(job.batch, min(images, 16))
            while images > 1 and (job.batch + images - 1) // images < threads:
                images = (images + 1) // 2
        job.images = images
        job.phase = p
        job.n_images = (job.batch + images - 1) // images
        # So do several small groups, for which the window is laid out once.
        work = self.work_of(p) / self.of.groups * images
        job.groups = max(1, min(self.of.groups // (4 * threads),
                                <Py_ssize_t>(1e7 / max(work, 1.0))))
        job.n_groups = (self.of.groups + job.groups - 1) // job.groups
        tasks = (job.n_images * job.n_groups * phase.blocks[0] * phase.blocks[1]
                 * phase.blocks[2])
        self.split(job, phase, tasks, threads)
        job.scratch_size = self.layout.scratch(job, phase)
        return tasks * job.splits * job.parts

    cdef void split(self, Run *job, const Phase *phase, Py_ssize_t tasks, int threads) noexcept:
        """Where there are few tasks, cut each into parts of its outputs and of its channels.

        Parts of the outputs all read the weights again, parts of the channels the window.
        """
        cdef const Axis *rows = &phase.axis[1]
        cdef Py_ssize_t n, parts, splits, part
        cdef double share, window, seconds, least = 0
        cdef double work = self.work_of(job.phase) / self.of.groups * job.groups * job.images / (
            (<double>phase.blocks[0]) * phase.blocks[1] * phase.blocks[2])
        job.parts = job.splits = 1
        if threads == 1 or tasks == 0:
            return
        job.part_axis = 1 if rows.block > 1 else 2
        job.part_unit = 1
        if job.part_axis == 2:
            job.part_unit = self.of.unit if self.of.by_rows else 2 * self.of.unit
        n = max(phase.axis[job.part_axis].block // job.part_unit, 1)
        for parts in range(1, (1 if job.packing != NULL else n) + 1):
            if tasks * parts > 4 * threads and parts > 1:
                break
            part = (n + parts - 1) // parts
            window = <double>part / n
            if job.part_axis == 1:
                window = (rows.window - (n - part) * <double>rows.wstep) / rows.window
            for splits in range(1, self.of.blocks + 1):
                if tasks * parts * splits > 4 * threads and splits > 1:
                    break
                share = (self.of.blocks + splits - 1) // splits / <double>self.of.blocks
                seconds = PER_BLOCK + part * share / n * work / (TILES * peak(
                    self.of.g.itemsize)) + share * phase.taps * self.of.padded * STREAMED
                if not job.in_place:
                    seconds += window * phase.window.size * job.images * GATHERED
                seconds *= (tasks * parts * splits + threads - 1) // threads
                if least == 0 or seconds < least:
                    least = seconds
                    job.parts, job.splits = parts, splits


# A run of output pixels along a row: where it lies in the window and in the output.
cdef struct Piece:
    Py_ssize_t at, sink, pixels
    Py_ssize_t start         # place in the line of all rows, if the outputs are cut that way
    Py_ssize_t low, high     # the taps that it meets, from a whole block of sums on
    Py_ssize_t row_tap, step  # of a gradient of weights: tap along the rows' axis; to the next sum


# A block of outputs: where its pieces are, and memory to work in.
cdef struct Block:
    Exit exit
    const Phase *phase
    const Piece *pieces
    const char *window
    char *tile
    char *total
    char *turned
    char *weights            # room for those of a chunk of taps
    const Packing *packing   # how to get them, or NULL: they are packed
    const Py_ssize_t *offset
    Py_ssize_t step          # from a pixel to the next, for `igemm`
    bint leaves              # sums go from `igemm_pixels` straight to the output
    bint flat                # pieces are of one line of all rows,
    Py_ssize_t pitch         # one every so many pixels,
    Py_ssize_t columns       # of so many outputs
    Py_ssize_t row_stride, pixel_stride   # from such a row of the output to the next, and pixel


cdef struct Run:
    const Layer *of
    Exit exit
    char *source
    char *packed
    const Packing *packing   # of weights that are packed on the way; else NULL
    bint in_place            # the source is read where it is,
    Py_ssize_t *offset       # by this table
    Py_ssize_t source_image
    Py_ssize_t source_stride[4]
    Py_ssize_t batch, images, n_images, groups, n_groups, phase
    Py_ssize_t splits, parts          # of each block's channels and outputs,
    Py_ssize_t part_unit              # these in such units along
    int part_axis
    char *scratch
    Py_ssize_t scratch_size, tile_at, total_at, turned_at, words_at, pieces_at, weights_at


cdef double uses(const Layer *of, Py_ssize_t batch) noexcept:
    """How many strips of tiles meet each weight; many where `igemm_pixels` serves."""
    cdef double strips, most = 0
    cdef Py_ssize_t p
    cdef const Phase *phase
    if of.by_rows:
        return 1e9
    for p in range(of.n_phases):
        phase = &of.phases[p]
        if phase.trims and at_once(of, phase) * of.g.itemsize > CACHE * 3 // 4:
            return 1e9
        strips = (pieces_of(of, phase) + 2 * STRIP - 1) // (2 * STRIP)
        most = max(most, strips * phase.blocks[0] * phase.blocks[1] * phase.blocks[2])
    return most * batch


cdef inline Py_ssize_t at_once(const Layer *of, const Phase *phase) noexcept nogil:
    """Elements of the weights that are packed on the way at once: of a chunk of taps.

    Of all, where they are not packed in the order in which they lie.
    """
    return 2 * of.k.lanes * (max(phase.taps, CHUNK) if phase.trims else CHUNK)


cdef Py_ssize_t pieces_of(const Layer *of, const Phase *phase) noexcept:
    """Runs of pixels that a block of one image's outputs is cut into."""
    return phase.axis[1].block * (
        up(max(phase.axis[2].block, phase.axis[2].window), of.unit) // of.unit)


cdef Py_ssize_t rows_inside(const Axis *axis, Py_ssize_t tap, Py_ssize_t first, Py_ssize_t count,
                            bint end) noexcept nogil:
    """The first of `count` outputs from `first` on for which a tap reads inside; or the end."""
    cdef Py_ssize_t limit = (axis.length if end else 0) - axis.tap[tap]
    # outputs q with q * step >= limit come after
    limit = (limit + axis.step - 1) // axis.step if limit > 0 else 0
    return max(0, min(count, limit - first))


cdef void taps_inside(const Axis *axis, Py_ssize_t first, Py_ssize_t count, Py_ssize_t *low,
                      Py_ssize_t *high) noexcept nogil:
    """The range of taps that read inside for some of `count` outputs from `first` on."""
    cdef Py_ssize_t tap
    low[0], high[0] = axis.taps, 0
    for tap in range(axis.taps):
        if rows_inside(axis, tap, first, count, False) < rows_inside(
                axis, tap, first, count, True):
            low[0] = min(low[0], tap)
            high[0] = tap + 1
    low[0] = min(low[0], high[0])


cdef bint spreads(Py_ssize_t stride, Py_ssize_t lines, Py_ssize_t sets, Py_ssize_t ways) noexcept:
    """Whether so many lines that lie `stride` bytes apart find room in a cache."""
    return lines * max(gcd(abs(stride), 64 * sets) // 64, 1) <= sets * ways


cdef bint collapses(cnp.ndarray array, int first, int rank):
    """Whether the spatial axes step through memory like one axis."""
    cdef Py_ssize_t expected = -1
    cdef int i
    for i in range(first + rank - 1, first - 1, -1):
        if cnp.PyArray_DIM(array, i) == 1:
            continue  # its stride means nothing
        if expected != -1 and cnp.PyArray_STRIDES(array)[i] != expected:
            return False
        expected = cnp.PyArray_STRIDES(array)[i] * cnp.PyArray_DIM(array, i)
    return True


cdef void pack_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_block(<Packing *>context, task, <float *>NULL)


cdef void pack_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_block(<Packing *>context, task, <double *>NULL)


cdef void pack_block(Packing *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    """Pack one block of output channels of one group and phase."""
    cdef const Layer *of = job.of
    cdef Py_ssize_t block = task % of.blocks
    cdef Py_ssize_t group = task // of.blocks % of.groups
    cdef Phase *phase = &of.phases[task // (of.blocks * of.groups)]
    pack_taps(job, phase, group, block, 0, phase.taps, (<real_t *>job.packed) + (
        phase.packed + phase.taps * (group * of.padded + block * of.width)))


cdef void pack_taps(const Packing *job, const Phase *phase, Py_ssize_t group, Py_ssize_t block,
                    Py_ssize_t first, Py_ssize_t taps, real_t *out) noexcept nogil:
    """Pack some taps of one block of output channels."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef const fc_kernels *k = of.k
    cdef Py_ssize_t start = block * of.width, width = min(of.width, of.padded - start)
    cdef Py_ssize_t n = min(width, of.sinks - start), spatial = phase.spatial_taps
    cdef Py_ssize_t stop = first + taps, c, t, t0, t1, t2, tap, count
    cdef const real_t *weight = (<const real_t *>job.weight) + (
        group * job.group + start * job.sink)
    cdef bint in_order               # a source's taps lie side by side, forwards or backwards
    if n < width:
        memset(out, 0, taps * width * sizeof(real_t))
    if phase.trims:
        pack_trimmed(job, phase, group, block, out)
        return
    in_order = (spatial == g.kernel[0] * g.kernel[1] * g.kernel[2]
                and (job.stride[4] == 1 or g.kernel[2] == 1)
                and (job.stride[3] == g.kernel[2] or g.kernel[1] == 1)
                and (job.stride[2] == g.kernel[1] * g.kernel[2] or g.kernel[0] == 1)
                and of.period[0] == 1 and of.period[1] == 1 and of.period[2] == 1)
    if in_order and (job.source == spatial or of.sources == 1) and (spatial == 1 or not g.flip):
        k.transpose(n, taps, weight + first, job.sink, out, width)  # so do all sources
        for t in range(n):  # the next chunk comes while this one is at work
            fc_fetch(weight + stop + t * job.sink, taps * sizeof(real_t))
        return
    t = first
    while t < stop:
        c = t // spatial
        tap = t - c * spatial
        if in_order and spatial > 1 and job.sink != 1:
            count = min(spatial - tap, stop - t)
            if job.sink == spatial:  # one stretch for all, far from the next source's
                fc_fetch(weight + (c + 2) * job.source, n * spatial * sizeof(real_t))
            if g.flip:
                k.transpose(n, count, weight + c * job.source + spatial - tap - count, job.sink,
                            out + (count - 1) * width, -width)
            elif (n == width and c + 1 < of.sources and 0 < job.sink and job.source >= k.lanes
                  and t + up(count, k.lanes) <= stop):
                # whole blocks are faster; what is too much of them the next source overwrites
                k.transpose(n, up(count, k.lanes), weight + c * job.source + tap, job.sink, out,
                            width)
            else:
                k.transpose(n, count, weight + c * job.source + tap, job.sink, out, width)
            t += count
            out += count * width
            continue
        t0 = tap // (phase.axis[1].taps * phase.axis[2].taps)
        t1 = tap // phase.axis[2].taps % phase.axis[1].taps
        t2 = tap % phase.axis[2].taps
        t0 = phase.first_tap[0] + t0 * of.period[0]
        t1 = phase.first_tap[1] + t1 * of.period[1]
        t2 = phase.first_tap[2] + t2 * of.period[2]
        if g.flip:
            t0 = g.kernel[0] - 1 - t0
            t1 = g.kernel[1] - 1 - t1
            t2 = g.kernel[2] - 1 - t2
        k.gather(n, weight + (c * job.source + t0 * job.stride[2] + t1 * job.stride[3]
                              + t2 * job.stride[4]), job.sink, out)
        t += 1
        out += width


cdef void pack_trimmed(const Packing *job, const Phase *phase, Py_ssize_t group, Py_ssize_t block,
                       real_t *out) noexcept nogil:
    """All taps of one block of output channels, those along the last axis first."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef Py_ssize_t start = block * of.width, width = min(of.width, of.padded - start)
    cdef Py_ssize_t n = min(width, of.sinks - start), taps = phase.axis[2].taps, t, t0, t1, t2, c
    cdef Py_ssize_t lines = phase.taps // taps, step = job.stride[4] * of.period[2]
    cdef const real_t *weight = (<const real_t *>job.weight) + (
        group * job.group + start * job.sink)
    cdef const real_t *line
    for t in range(lines):
        t1 = t % phase.axis[1].taps
        t0 = t // phase.axis[1].taps % phase.axis[0].taps
        c = t // phase.axis[1].taps // phase.axis[0].taps
        t0 = phase.first_tap[0] + t0 * of.period[0]
        t1 = phase.first_tap[1] + t1 * of.period[1]
        t2 = phase.first_tap[2]
        if g.flip:
            t0, t1, t2 = g.kernel[0] - 1 - t0, g.kernel[1] - 1 - t1, g.kernel[2] - 1 - t2
        line = weight + (c * job.source + t0 * job.stride[2] + t1 * job.stride[3]
                         + t2 * job.stride[4])
        if step == 1 and taps >= of.k.lanes // 2:
            if g.flip:
                of.k.transpose(n, taps, line - (taps - 1), job.sink,
                               out + (t + (taps - 1) * lines) * width, -lines * width)
            else:
                of.k.transpose(n, taps, line, job.sink, out + t * width, lines * width)
            continue
        for t2 in range(taps):
            of.k.gather(n, line + (-t2 if g.flip else t2) * step, job.sink,
                        out + (t + t2 * lines) * width)


cdef void run_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <float *>NULL)


cdef void run_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <double *>NULL)


cdef void run_block(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One block of outputs: gather its window, then every block of output channels over it."""
    cdef const Layer *of = job.of
    cdef Phase *phase = &of.phases[job.phase]
    cdef Axis *axis = phase.axis
    cdef bint last = of.g.channels_last
    cdef const fc_kernels *k = of.k
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef Piece *pieces = <Piece *>(scratch + job.pieces_at)
    cdef Py_ssize_t lanes = k.lanes
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t sink_stride[4]           # channel and three axes, of out and residual
    cdef Py_ssize_t split, part, first_group, group, image, images, i, j, n, q0, q1, q2, block
    cdef Py_ssize_t sink_image, unit, pixel, n_pieces = 0, pitch, line, low, high, strip, vectors
    cdef Py_ssize_t size
    cdef Py_ssize_t image_step, pixel_step   # in the window, or in the source
    cdef bint flat
    cdef Block this
    cdef int a

    # Which block this is.
    split = task % job.splits
    task //= job.splits
    part = task % job.parts
    task //= job.parts
    for a in range(2, -1, -1):
        first[a] = task % phase.blocks[a] * axis[a].block
        count[a] = min(axis[a].block, axis[a].count - first[a])
        task //= phase.blocks[a]
    if job.parts > 1:
        a = job.part_axis
        n = count[a] // job.part_unit
        low = n * part // job.parts * job.part_unit
        if part + 1 < job.parts:
            count[a] = n * (part + 1) // job.parts * job.part_unit
        count[a] -= low
        first[a] += low
        if count[a] <= 0:
            return
    first_group = task % job.n_groups * job.groups
    image = task // job.n_groups * job.images
    images = min(job.images, job.batch - image)

    # Where outputs lie: out and residual are contiguous.
    pixel = of.sinks * of.groups if last else 1
    sink_stride[3] = pixel
    sink_stride[2] = sink_stride[3] * of.sink_axis[2]
    sink_stride[1] = sink_stride[2] * of.sink_axis[1]
    sink_stride[0] = 1 if last else sink_stride[1] * of.sink_axis[0]
    this.exit = job.exit
    this.exit.channel_stride = sink_stride[0]
    this.exit.pixel_stride = pixel * phase.out_step[2]
    sink_image = of.sinks * of.groups * of.sink_axis[0] * of.sink_axis[1] * of.sink_axis[2]

    # Cut the outputs into pieces of rows; or, where rows lie one after the other in the window
    # and the lanes that it fills are worth it, of all rows in one line, whose gaps are left out
    # at the end.
    unit = of.unit
    pitch = phase.window.position[1]
    line = (count[1] - 1) * pitch + count[2]
    flat = (of.by_rows and count[1] > 1 and axis[1].stretch == axis[2].stretch == 0
            and not phase.trims
            and axis[1].wstep == 1 and axis[2].wstep == 1 and phase.out_step[2] == 1
            and phase.taps * (count[1] * up(count[2], lanes) - up(line, lanes)) >= (
                12 * count[1] * count[2]))
    this.phase, this.pieces, this.window = phase, pieces, scratch
    this.tile = scratch + job.tile_at
    this.total = scratch + job.total_at
    this.turned = scratch + job.turned_at
    this.weights = scratch + job.weights_at
    this.packing = job.packing
    this.flat, this.pitch, this.columns = flat, pitch, count[2]
    this.row_stride, this.pixel_stride = phase.out_step[1] * sink_stride[2], pixel
    this.leaves = (of.by_rows and not flat and this.exit.pixel_stride == 1
                   and this.exit.channel_stride != 1 and phase.taps <= LONG
                   and (job.exit.epilogue.activation == FC_IDENTITY
                        or job.exit.epilogue.activation == FC_CLIP))
    if job.in_place:
        image_step, pixel_step, this.offset = job.source_image, job.source_stride[3], job.offset
    else:
        image_step, this.offset = phase.window.size, phase.offset
        pixel_step = axis[2].wstep * phase.window.position[2]
    this.step = pixel_step
    if not flat:
        line = count[2]
    n = (line + unit - 1) // unit
    vectors = (line + lanes - 1) // lanes
    for i in range(images):
        for q0 in range(count[0]):
            for q1 in range(1 if flat else count[1]):
                q2 = 0
                for j in range(n):
                    size = unit
                    if of.by_rows and of.row_kind:
                        # pieces of nearly as many vectors: `igemm_pixels` is slow for a single one
                        size = (vectors // n + (j < vectors % n)) * lanes
                    if job.in_place and q2 + size > line:
                        # nothing is read beyond the source: some outputs are computed twice
                        q2 = line - size
                    pieces[n_pieces].at = (
                        i * image_step + q0 * axis[0].wstep * phase.window.position[0]
                        + q1 * axis[1].wstep * pitch + q2 * pixel_step)
                    pieces[n_pieces].sink = (
                        (image + i) * sink_image
                        + (phase.first[0] + (first[0] + q0) * phase.out_step[0]) * sink_stride[1]
                        + (phase.first[1] + (first[1] + q1) * phase.out_step[1]) * sink_stride[2]
                        + (phase.first[2] + first[2] * phase.out_step[2]) * sink_stride[3])
                    if flat:
                        pieces[n_pieces].start = q2
                    else:
                        pieces[n_pieces].start = 0
                        pieces[n_pieces].sink += q2 * phase.out_step[2] * sink_stride[3]
                    pieces[n_pieces].pixels = min(size, line - q2)
                    pieces[n_pieces].low, pieces[n_pieces].high = 0, phase.taps
                    if phase.trims:
                        # sums are cut at the same places as without, for the same bits
                        taps_inside(&axis[2], first[2] + q2, pieces[n_pieces].pixels, &low, &high)
                        pieces[n_pieces].low = (low * (phase.taps // axis[2].taps)
                                                // FC_SUM_BLOCK * FC_SUM_BLOCK)
                        pieces[n_pieces].high = high * (phase.taps // axis[2].taps)
                    n_pieces += 1
                    q2 += size
    if not job.in_place:
        aim(&phase.window, first, count, words)
        memset(window + images * phase.window.size, 0, phase.window.slack * sizeof(real_t))

    for group in range(first_group, min(of.groups, first_group + job.groups)):
        if job.in_place:
            this.window = <const char *>((<const real_t *>job.source) + (
                image * job.source_image + group * of.sources * job.source_stride[0]
                + first[2] * job.source_stride[3]))
        else:
            for i in range(images):
                # groups have the same zeros
                fill_part(&phase.window, words, (<const real_t *>job.source) + (
                    (image + i) * job.source_image + group * of.sources * job.source_stride[0]),
                    job.source_stride, k, window + i * phase.window.size, group == first_group)
        # The weights of a block of channels stay in the cache while all pixels pass. Where those
        # of all channels do, and channels lie side by side in the output, pixels pass bit by
        # bit, so that the output is in the cache while it is put together.
        strip = max(n_pieces, 1)
        if last and phase.taps * of.padded + images * phase.window.size <= (
                CACHE * 3 // 4 // <Py_ssize_t>sizeof(real_t)):
            strip = max(1, CACHE // 16 // (2 * unit * pixel * <Py_ssize_t>sizeof(real_t))) * 2
        for low from 0 <= low < n_pieces by strip:
            for block in range(of.blocks * split // job.splits,
                               of.blocks * (split + 1) // job.splits):
                run_channels(of, &this, low, min(n_pieces, low + strip), group, block,
                             <const real_t *>job.packed)


cdef void run_channels(const Layer *of, const Block *this, Py_ssize_t i, Py_ssize_t stop,
                       Py_ssize_t group, Py_ssize_t block, const real_t *packed) noexcept nogil:
    """One block of output channels of a group, for pieces i … stop - 1."""
    cdef const fc_kernels *k = of.k
    cdef const Phase *phase = this.phase
    cdef const Piece *pieces = this.pieces
    cdef const Exit *exit = &this.exit
    cdef real_t *tile = <real_t *>this.tile
    cdef real_t *total = <real_t *>this.total
    cdef real_t *turned = <real_t *>this.turned
    cdef const real_t *window = <const real_t *>this.window
    cdef Py_ssize_t lanes = k.lanes, half = k.half
    cdef Py_ssize_t start = block * of.width, n = min(of.width, of.sinks - start)
    cdef Py_ssize_t channel = group * of.sinks + start, sink = channel * exit.channel_stride
    cdef const real_t *w = packed
    cdef const real_t *chunk
    cdef Py_ssize_t vectors, size, end, tap, low, high, j, q1, q2
    cdef int a, halves
    cdef fc_output way
    if this.packing == NULL:
        w += phase.packed + phase.taps * (group * of.padded + start)
    if this.leaves:
        way.epilogue = exit.epilogue
        way.y_row = exit.channel_stride
        way.channels = n
        way.bias = NULL
        if exit.bias != NULL:
            way.bias = (<const real_t *>exit.bias) + channel
        way.residual = NULL
    while i < stop and of.by_rows:
        vectors = (pieces[i].pixels + lanes - 1) // lanes
        a = <int>vectors - 1
        if of.row_kind == 0:
            a = 0
            while vectors > 1 << a:
                a += 1
            vectors = 1 << a
        if this.leaves:
            way.y = (<real_t *>exit.out) + sink + pieces[i].sink
            if exit.residual != NULL:
                way.residual = (<const real_t *>exit.residual) + sink + pieces[i].sink
            way.pixels = pieces[i].pixels
            tap = pieces[i].low
            k.igemm_pixels[of.row_kind][a](pieces[i].high - tap, this.offset + tap,
                                           window + pieces[i].at, w + tap * of.width, tile, &way)
            i += 1
            continue
        for tap from 0 <= tap < max(phase.taps, 1) by LONG:
            low, high = max(tap, pieces[i].low), min(tap + LONG, pieces[i].high)
            k.igemm_pixels[of.row_kind][a](
                max(high - low, 0), this.offset + low, window + pieces[i].at,
                w + low * of.width, tile, NULL)
            carry(of, tap, phase.taps, of.width * vectors * lanes, tile, total)
        # a piece of one line leaves row by row
        j = pieces[i].start
        while j < pieces[i].start + pieces[i].pixels:
            q1 = j // this.pitch if this.flat else 0
            q2 = j - q1 * this.pitch
            if this.flat and q2 >= this.columns:
                j = (q1 + 1) * this.pitch
                continue
            size = pieces[i].start + pieces[i].pixels - j
            if this.flat:
                size = min(size, this.columns - q2)
            emit(exit, tile + (j - pieces[i].start), vectors * lanes, True, turned, size, n,
                 channel, sink + pieces[i].sink
                 + (q1 * this.row_stride + q2 * this.pixel_stride if this.flat else 0))
            j += size
        i += 1
    # A strip of tiles shares each chunk of weights while it lies in the first-level cache; their
    # sums so far wait in `tile`.
    vectors = 2 if n > lanes else 1
    size = 2 * half * vectors * lanes
    if this.packing != NULL and phase.trims:
        w = <const real_t *>this.weights
        pack_taps(this.packing, phase, group, block, 0, phase.taps, <real_t *>this.weights)
    while i < stop:
        end = min(stop, i + 2 * STRIP)
        for tap from 0 <= tap < max(phase.taps, 1) by CHUNK:
            chunk = w + tap * vectors * lanes
            if this.packing != NULL and not phase.trims:
                chunk = <const real_t *>this.weights
                pack_taps(this.packing, phase, group, block, tap, min(CHUNK, phase.taps - tap),
                          <real_t *>this.weights)
            for j from i <= j < end by 2:
                halves = 2 if j + 1 < end else 1
                if phase.trims and halves == 2 and half * vectors >= LATENT:
                    # each half leaves out taps of its own
                    halves = 1
                    sum_chunk(k, this, &pieces[j + 1], 1, vectors, tap, chunk,
                              tile + (j - i) // 2 * size + half * vectors * lanes)
                sum_chunk(k, this, &pieces[j], halves, vectors, tap, chunk,
                          tile + (j - i) // 2 * size)
            if (tap + CHUNK) % LONG == 0 or tap + CHUNK >= phase.taps:
                carry(of, tap // LONG * LONG, phase.taps, (end - i + 1) // 2 * size, tile, total)
        # full halves that are neighbours in the output leave as one
        while i < end:
            j = i
            while j + 1 < end and pieces[j].pixels == half and (
                    (j + 2 - i) * half <= 4 * lanes
                    and pieces[j + 1].sink - pieces[j].sink == half * exit.pixel_stride):
                j += 1
            leave(exit, tile, vectors * lanes, turned, (j - i) * half + pieces[j].pixels, n,
                  channel, sink + pieces[i].sink)
            tile += (j + 1 - i) * half * vectors * lanes
            i = j + 1
        tile = <real_t *>this.tile


cdef inline void sum_chunk(const fc_kernels *k, const Block *this, const Piece *piece, int halves,
                           Py_ssize_t vectors, Py_ssize_t tap, const real_t *chunk,
                           real_t *tile) noexcept nogil:
    """The sums of one or two pieces over a chunk of taps, as far as they meet it."""
    cdef const real_t *window = <const real_t *>this.window
    cdef Py_ssize_t low = max(tap, min(piece[0].low, piece[halves - 1].low))
    cdef Py_ssize_t taps = min(tap + CHUNK, max(piece[0].high, piece[halves - 1].high)) - low
    if taps > 0 or tap % LONG == 0:  # the first chunk also clears the sums
        k.igemm[halves - 1][vectors - 1](
            max(taps, 0), this.offset + low, window + piece[0].at, window + piece[halves - 1].at,
            this.step, chunk + (low - tap) * vectors * k.lanes, tile, tap % LONG > 0)


cdef inline void leave(const Exit *exit, real_t *tile, Py_ssize_t width, real_t *turned,
                       Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t channel,
                       Py_ssize_t sink) noexcept nogil:
    """`emit` of a tile. There is memory past a tile, so whole blocks are transposed."""
    cdef Py_ssize_t rows = up(pixels, exit.k.lanes)
    if exit.channel_stride == 1:
        emit(exit, tile, width, False, turned, pixels, channels, channel, sink)
    else:
        exit.k.transpose(rows, width, tile, width, turned, rows)
        emit(exit, turned, rows, True, turned, pixels, channels, channel, sink)


cdef inline void carry(const Layer *of, Py_ssize_t tap, Py_ssize_t taps, Py_ssize_t n,
                       real_t *sums, real_t *total) noexcept nogil:
    """Add the sums of LONG products from `tap` on to `total`; after the last, bring it back."""
    if taps <= LONG:
        return
    if tap == 0:
        memcpy(total, sums, n * sizeof(real_t))
        return
    of.k.add(n, sums, total)
    if tap + LONG >= taps:
        memcpy(sums, total, n * sizeof(real_t))


# ---- the gradient of the weights ----

# What its tasks read. A task owns one group's range of filters and chunk of channels, for one
# part of the pixels of all images: grad_weight[filter, channel, tap] = sum over pixels of
# grad_output[filter, pixel] * x[channel, pixel * stride + tap]. The `igemm` kernel holds filters
# in its lanes, sums over pixels, and takes for its "pixels" what lies at equal steps in the
# window: channels, or where those are few the taps along the last axis. The
# `conv_backward_weight` kernel holds pixels in its lanes, so that neither gradients nor sums are
# turned: for few channels, and rows that fill vectors.
cdef struct Gradient:
    const conv_geometry *g
    const fc_kernels *k
    Axis *axis
    Window window            # of one chunk of channels
    char *x
    char *grad
    char *out
    Py_ssize_t x_image, grad_image, out_image
    Py_ssize_t x_stride[4]
    Py_ssize_t grad_stride[4]
    Py_ssize_t batch
    Py_ssize_t units, all_units       # blocks of outputs of a part, and of the batch
    Py_ssize_t groups, filters, channels
    bint by_lags                      # `conv_backward_weight` kernel, else `igemm`
    Py_ssize_t tile, tiles            # lags that share a pass over the gradients; such tiles
    Py_ssize_t chunks                 # of channels
    Py_ssize_t blocks, share, ranges  # of filters; of a range; such ranges
    Py_ssize_t out_blocks[3]          # of outputs, on each axis
    Py_ssize_t pixels                 # of such a block, at most
    Py_ssize_t rows                   # of sums of a block of filters
    Py_ssize_t row_long               # products that are added up before they go to `total`
    bint along_taps
    bint in_place                     # x is read where it is
    bint fetches                      # gradients ahead of their use
    const char *skips                 # images whose sums leave out rows outside of x, or NULL
    char *scratch
    Py_ssize_t scratch_size, grad_at, sum_at, total_at, order_at, offset_at, words_at, pieces_at


cdef int set_gradient(Layout layer, Gradient *job, Py_ssize_t batch) except -1:
    """Block the sums: everything in `job` that does not depend on the arrays.

    The kernel is the one that takes less time for one image, whatever the batch.
    """
    cdef double seconds
    set_tiles(layer, job, 1)
    if not layer.of.g.channels_last and not layer.of.collapsed:
        seconds = gradient_seconds(job)
        set_lags(layer, job, batch)
        if gradient_seconds(job) < seconds:
            return 0
    return set_tiles(layer, job, batch)


cdef int set_lags(Layout layer, Gradient *job, Py_ssize_t batch) except -1:
    """Block the sums for the `conv_backward_weight` kernel.

    The gradients of FC_BACKWARD_FILTERS filters on a strip of rows, and a channel of the window,
    stay in the first-level cache while all taps meet them.
    """
    cdef const conv_geometry *g = layer.of.g
    cdef Axis *axis = layer.of.phases[0].axis
    cdef Py_ssize_t itemsize = g.itemsize, lanes = layer.of.k.lanes, steps, rows, count
    cdef int a
    job.by_lags = True
    job.filters = g.filters // g.groups
    job.rows = job.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]
    job.tile = even(job.rows, layer.of.k.conv_backward_weight_taps)
    job.tiles = parts_of(job.rows, job.tile)
    job.blocks = parts_of(job.filters, FC_BACKWARD_FILTERS)
    job.share, job.ranges, job.chunks = job.blocks, 1, 1
    job.window.axis = axis
    job.window.channels = job.channels
    job.window.channels_last = False
    job.along_taps = job.in_place = False
    block_axis(&axis[0], 1, False)
    block_axis(&axis[2], even(max(axis[2].count, 1), FC_SUM_BLOCK * lanes), True)
    steps = parts_of(axis[2].block, lanes)
    rows = max(1, min(axis[1].count, STEPS // steps))
    while True:
        block_axis(&axis[1], rows, False)
        lay_out(&job.window, 0, lanes, True)
        if rows == 1 or job.window.size * itemsize <= CACHE // 4:
            break
        rows = (rows + 1) // 2
    # strips that make equal parts for threads
    count = parts_of(max(axis[1].count, 1), rows)
    while count & (count - 1) if count <= PARTS else count % PARTS:
        count += 1
    block_axis(&axis[1], parts_of(max(axis[1].count, 1), count), False)
    lay_out(&job.window, 0, lanes, True)
    job.pixels = axis[1].block * axis[2].block
    for a in range(AXES):
        job.out_blocks[a] = parts_of(axis[a].count, axis[a].block)
    job.all_units = batch * job.out_blocks[0] * job.out_blocks[1] * job.out_blocks[2]

    job.grad_at = up((job.window.size + job.window.slack) * itemsize, 64)
    job.sum_at = job.grad_at + up(FC_BACKWARD_FILTERS * job.pixels * itemsize, 64)
    job.total_at = job.sum_at + up(lag_sums(job) * itemsize, 64)
    job.offset_at = job.total_at + job.total_at - job.sum_at
    job.words_at = job.offset_at + up(job.rows * sizeof(Py_ssize_t), 64)
    job.scratch_size = job.words_at + up(index_words(&job.window) * sizeof(Py_ssize_t), 64)
    return 0


cdef inline Py_ssize_t lag_sums(const Gradient *job) noexcept nogil:
    """Sums of a range of filters, (blocks, tiles, planes * lags)."""
    return job.share * job.tiles * job.tile * FC_BACKWARD_FILTERS


cdef int set_tiles(Layout layer, Gradient *job, Py_ssize_t batch) except -1:
    """Block the sums for the `igemm` kernel."""
    cdef const conv_geometry *g = layer.of.g
    cdef Axis *axis = layer.of.phases[0].axis
    cdef Py_ssize_t itemsize = g.itemsize, lanes = layer.of.k.lanes, half = layer.of.k.half
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t budget = CACHE // 4 // itemsize, most, fits, rows, columns
    cdef double work
    cdef int a
    job.by_lags = False
    job.g = g
    job.k = layer.of.k
    job.axis = axis
    job.groups = g.groups
    job.filters = g.filters // g.groups
    job.channels = g.channels // g.groups
    job.blocks = up(job.filters, 2 * lanes) // (2 * lanes)
    job.along_taps = job.channels < half and g.kernel[2] > job.channels
    job.in_place = False

    # The sums of a range of filters and a chunk of channels stay in the cache. Each range
    # gathers the window again, each chunk turns the gradients again; the former takes longer.
    fits = max(budget // taps, 1)
    job.share = max(1, min(job.blocks, <Py_ssize_t>(2.0 * fits) ** 0.5 // (2 * lanes)))
    most = max(2 * half, fits // (job.share * 2 * lanes))
    if most > job.channels:
        job.share = max(1, min(job.blocks, fits // max(job.channels, 1) // (2 * lanes)))
    # A task takes a fifth of a second at most, so that Ctrl-C is heard.
    work = 4.0 * lanes * taps * max(batch, 1) * axis[2].count * axis[1].count * axis[0].count + 1
    job.share = max(1, min(job.share, <Py_ssize_t>(LONGEST_TASK / work / min(
        most, max(job.channels, 1)))))
    most = max(2 * half, min(most, <Py_ssize_t>(LONGEST_TASK / work)))
    # whole runs of channels, but for the last chunk
    if most < 16 * half:
        most = most // half * half
    most = up(even(job.channels, most), half)
    job.window.channels = min(job.channels, most)
    job.chunks = (job.channels + most - 1) // most
    job.share = even(job.blocks, job.share)
    job.ranges = (job.blocks + job.share - 1) // job.share
    job.window.axis = axis
    job.window.channels_last = g.channels_last
    # A block of outputs whose window, and whose gradients, do too.
    block_axis(&axis[0], 1, False)
    columns = max(axis[2].count, 1)
    while True:
        set_window(job, 1, columns, half, lanes)
        if columns == 1 or (job.window.size <= budget and columns <= MOST):
            break
        columns = (columns + 1) // 2
    rows = 1
    while rows < axis[1].count:
        set_window(job, min(2 * rows, axis[1].count), columns, half, lanes)
        if job.window.size > budget or 2 * rows * columns > MOST:
            break
        rows = min(2 * rows, axis[1].count)
    rows = max(even(axis[1].count, rows), 1)
    set_window(job, rows, columns, half, lanes)
    job.pixels = rows * columns
    for a in range(AXES):
        job.out_blocks[a] = (axis[a].count + axis[a].block - 1) // axis[a].block
    job.all_units = batch * job.out_blocks[0] * job.out_blocks[1] * job.out_blocks[2]
    if job.along_taps:
        job.rows = job.window.channels * taps // g.kernel[2] * (up(g.kernel[2], half) // half)
    else:
        job.rows = taps * (up(job.window.channels, half) // half)
    job.rows = up(job.rows, 2) * half

    job.grad_at = up((job.window.size + job.window.slack) * itemsize, 64)
    job.sum_at = job.grad_at + up(job.pixels * 2 * lanes * itemsize, 64)
    job.total_at = job.sum_at + up(job.share * job.rows * 2 * lanes * itemsize, 64)
    job.order_at = job.total_at + job.total_at - job.sum_at
    job.offset_at = job.order_at + up(
        job.window.channels * taps * 2 * lanes * itemsize, 64)
    job.words_at = job.offset_at + up(job.pixels * sizeof(Py_ssize_t), 64)
    job.pieces_at = job.words_at + up(index_words(&job.window) * sizeof(Py_ssize_t), 64)
    job.scratch_size = job.pieces_at + up((job.rows // half) * sizeof(Piece), 64)
    return 0


cdef Py_ssize_t cuts(const Gradient *job, double work) noexcept:
    """Parts that the sums are cut into for threads, and so that tasks are not too long."""
    cdef Py_ssize_t tasks = max(1, job.groups * job.ranges * job.chunks), count = PARTS // tasks
    if job.by_lags:
        count = max(count, <Py_ssize_t>(work / tasks / LONGEST_TASK))
    return min(job.all_units, max(1, count))


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """Sum grad_output times x into `out`, which has the weight's shape.

    `out` is C-contiguous, with a batch axis in front if per_sample.
    """
    cdef Layout layer
    cdef conv_geometry *g = &desc.g
    cdef Gradient job
    cdef Py_ssize_t tasks, count
    cdef double work
    cdef int rank = <int>g.rank, first = 1 if g.channels_last else 2
    cdef Scratch scratch
    cdef cnp.ndarray skips
    if cnp.PyArray_SIZE(out) == 0:
        return
    if cnp.PyArray_SIZE(grad) == 0 or cnp.PyArray_SIZE(x) == 0:
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return
    layer = Layout(desc, False, False, False)  # of its own: its axes are blocked anew
    set_gradient(layer, &job, cnp.PyArray_DIM(x, 0))
    if layer.of.collapsed:
        if not collapses(x, first, rank):
            x = np.ascontiguousarray(x)
        if not collapses(grad, first, rank):
            grad = np.ascontiguousarray(grad)
    job.batch = cnp.PyArray_DIM(x, 0)
    job.x = cnp.PyArray_BYTES(x)
    job.grad = cnp.PyArray_BYTES(grad)
    source_strides(x, layer.of.collapsed, g.channels_last, rank, g.itemsize, job.x_stride)
    source_strides(grad, layer.of.collapsed, g.channels_last, rank, g.itemsize, job.grad_stride)
    job.x_image = cnp.PyArray_STRIDES(x)[0] // g.itemsize
    job.grad_image = cnp.PyArray_STRIDES(grad)[0] // g.itemsize
    job.out_image = g.filters * job.channels * g.kernel[0] * g.kernel[1] * g.kernel[2]
    job.in_place = (layer.of.collapsed and not job.along_taps
                    and job.channels - (job.chunks - 1) * job.window.channels >= job.k.half
                    and spreads(job.x_stride[0] * g.itemsize, 2 * job.k.half, 64, 12))

    # A zero outside of x does not matter, unless the gradient that it meets is infinite.
    job.skips = NULL
    if not job.by_lags and g.padding_mode == PAD_ZEROS and layer.inside_rows() <= WORTH:
        skips = np.array([all_finite(image, threads) for image in grad], np.uint8)
        job.skips = cnp.PyArray_BYTES(skips)

    # Few tasks: cut the sums as well, in a way that depends on the problem alone, and add the
    # parts up in order. So the result is the same for any number of threads.
    tasks = job.groups * job.ranges * job.chunks
    work = desc.flops(job.batch)
    count = job.batch if per_sample else cuts(&job, work)
    job.units = even(job.all_units, parts_of(job.all_units, count))
    count = parts_of(job.all_units, job.units)
    # as many sums are added up in a row as there are such rows
    job.row_long = max(<Py_ssize_t>LONG,
                       <Py_ssize_t>(8 * (<double>job.units * job.pixels) ** 0.5))
    job.fetches = cnp.PyArray_SIZE(grad) * g.itemsize > BEYOND
    if job.by_lags:  # ranges of filters change no sum, so there are as many as threads want
        job.row_long *= job.k.lanes
        tasks *= count
        job.share = even(job.blocks, max(1, <Py_ssize_t>(job.blocks / max(
            work / tasks / LONGEST_TASK, PARTS // tasks if threads > 1 else 1, 1.0))))
        job.ranges = parts_of(job.blocks, job.share)
        tasks = job.groups * job.ranges
    partial = out
    if not per_sample and count > 1:
        partial = np.empty((count,) + (<object>out).shape, (<object>out).dtype)
    job.out = cnp.PyArray_BYTES(partial)
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    parallel_for(weight_f32 if g.itemsize == 4 else weight_f64, &job, tasks * count, threads,
                 work)
    if partial is not out:
        np.add.reduce(partial, axis=0, out=out)


cdef void set_window(Gradient *job, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t half,
                     Py_ssize_t lanes) noexcept:
    block_axis(&job.axis[1], rows, False)
    block_axis(&job.axis[2], columns, False)
    lay_out(&job.window, half, lanes)
    # the kernel may read `half` channels, or taps, past the last
    job.window.slack += 2 * half * job.window.channel
    if job.along_taps:
        job.window.slack += half * job.window.position[2] * (
            job.axis[2].at[1] - job.axis[2].at[0])


cdef void weight_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    if (<Gradient *>context).by_lags:
        weight_lags(<Gradient *>context, task, thread, <float *>NULL)
    else:
        weight_block(<Gradient *>context, task, thread, <float *>NULL)


cdef void weight_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    if (<Gradient *>context).by_lags:
        weight_lags(<Gradient *>context, task, thread, <double *>NULL)
    else:
        weight_block(<Gradient *>context, task, thread, <double *>NULL)


cdef void weight_block(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One task: sums over its pixels, then out to their places in grad_weight."""
    cdef const fc_kernels *k = job.k
    cdef const conv_geometry *g = job.g
    cdef Axis *axis = job.axis
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef real_t *grads = <real_t *>(scratch + job.grad_at)
    cdef real_t *sums = <real_t *>(scratch + job.sum_at)
    cdef real_t *total = <real_t *>(scratch + job.total_at)
    cdef real_t *order = <real_t *>(scratch + job.order_at)
    cdef Py_ssize_t *offset = <Py_ssize_t *>(scratch + job.offset_at)
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef Piece *pieces = <Piece *>(scratch + job.pieces_at)
    cdef Py_ssize_t lanes = k.lanes, half = k.half, step, n_pieces = 0, limit, size, in_row = 0
    cdef Py_ssize_t rest, low = task % job.ranges * job.share
    cdef Py_ssize_t high = min(job.blocks, low + job.share)
    cdef Py_ssize_t chunk = task // job.ranges % job.chunks
    cdef Py_ssize_t group = task // (job.ranges * job.chunks) % job.groups
    cdef Py_ssize_t part = task // (job.ranges * job.chunks * job.groups)
    cdef Py_ssize_t block_size = job.rows * 2 * lanes, filters, vectors, width
    cdef Py_ssize_t first_channel = chunk * job.window.channels
    cdef Py_ssize_t channels = min(job.window.channels, job.channels - first_channel)
    cdef Py_ssize_t taps = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t u, image, block, c, i, j, q0, q1, t, t0, t1, tap
    cdef Py_ssize_t j0, j1, j2, at, channel
    cdef Py_ssize_t position[3]
    cdef const real_t *source = window
    cdef const real_t *x
    cdef real_t *out
    cdef int a, halves
    cdef bint fresh = True, totals = False, along
    cdef Window part_window = job.window

    channel = job.window.channel
    for a in range(AXES):
        position[a] = axis[a].wstep * job.window.position[a]
    if job.in_place:
        channel = job.x_stride[0]
        position[2] = job.x_stride[3]

    # What the tiles' rows are: runs of channels at one tap; for the last `rest` channels, where
    # that leaves fewer rows empty, runs of taps of one channel.
    rest = channels if job.along_taps else 0
    if channels > half and g.kernel[2] > 1 and (
            channels % half * (up(g.kernel[2], half) // half) < g.kernel[2]):
        rest = channels % half
    for c in range(channels - rest - (rest < channels), channels):
        along = c >= channels - rest
        step, limit = channel, channels - rest
        if along:
            step, limit = 0, g.kernel[2]
            if limit > 1:
                step = (axis[2].at[1] - axis[2].at[0]) * job.window.position[2]
        for j0 in range(g.kernel[0]):
            for j1 in range(g.kernel[1]):
                for j2 in range(1 if along else g.kernel[2]):
                    at = (axis[0].at[j0] * job.window.position[0]
                          + axis[1].at[j1] * job.window.position[1]
                          + axis[2].at[j2] * job.window.position[2])
                    tap = (j0 * g.kernel[1] + j1) * g.kernel[2] + j2
                    if g.flip:
                        tap = taps - 1 - tap
                    if along:
                        at += c * channel
                        tap += c * taps
                    for i from 0 <= i < limit by half:
                        # the last run reads no further than the others: some sums twice
                        j = max(0, min(i, limit - half))
                        # the first sum's place, and the way to the next
                        pieces[n_pieces].start = taps
                        if along:
                            pieces[n_pieces].start = -1 if g.flip else 1
                        pieces[n_pieces].sink = tap + j * pieces[n_pieces].start
                        pieces[n_pieces].at = at + j * step
                        pieces[n_pieces].step = step
                        pieces[n_pieces].pixels = min(half, limit - j)
                        pieces[n_pieces].row_tap = j1
                        n_pieces += 1
    size = (high - low) * block_size
    part_window.channels = channels

    for u in range(part * job.units, min(job.all_units, (part + 1) * job.units)):
        image = find_unit(job, u, first, count)
        t = count[0] * count[1] * count[2]
        if in_row and in_row + t > job.row_long:
            if totals:
                k.add(size, sums, total)
            else:
                memcpy(total, sums, size * sizeof(real_t))
            totals = fresh = True
            in_row = 0
        in_row += t
        x = (<const real_t *>job.x) + (image * job.x_image + (
            group * job.channels + first_channel) * job.x_stride[0])
        if job.in_place:
            source = x + first[2] * job.x_stride[3]
        else:
            aim(&part_window, first, count, words)
            fill(&part_window, words, x, job.x_stride, k, window)
        t = 0
        for q0 in range(count[0]):
            for q1 in range(count[1]):
                for i in range(count[2]):
                    offset[t] = q0 * position[0] + q1 * position[1] + i * position[2]
                    t += 1
        for block in range(low, high):
            filters = min(2 * lanes, job.filters - block * 2 * lanes)
            vectors = 2 if filters > lanes else 1
            width = vectors * lanes
            turn_gradients(job, (<const real_t *>job.grad) + (
                image * job.grad_image
                + (group * job.filters + block * 2 * lanes) * job.grad_stride[0]
                + first[0] * job.grad_stride[1] + first[1] * job.grad_stride[2]
                + first[2] * job.grad_stride[3]), filters, count, width, grads)
            out = sums + (block - low) * block_size
            i = 0
            while i < n_pieces:
                halves = 2 if i + 1 < n_pieces and pieces[i + 1].step == pieces[i].step else 1
                t0, t1 = 0, t
                if job.skips != NULL and job.skips[image]:
                    if pieces[i + halves - 1].row_tap != pieces[i].row_tap:
                        halves = 1
                    t0 = count[2] * rows_inside(&axis[1], pieces[i].row_tap, first[1], count[1],
                                                False)
                    t1 = count[2] * rows_inside(&axis[1], pieces[i].row_tap, first[1], count[1],
                                                True)
                k.igemm[halves - 1][vectors - 1](max(t1 - t0, 0), offset + t0,
                                                source + pieces[i].at,
                                                source + pieces[i + halves - 1].at,
                                                pieces[i].step, grads + t0 * width,
                                                out + i * half * width, not fresh)
                i += halves
        fresh = False
    if totals:
        k.add(size, total, sums)

    # [run][filter] to [channel][tap][filter] to [filter][channel][tap]
    for block in range(low, high):
        filters = min(2 * lanes, job.filters - block * 2 * lanes)
        width = 2 * lanes if filters > lanes else lanes
        for i in range(n_pieces):
            for j in range(pieces[i].pixels):
                memcpy(order + (pieces[i].sink + j * pieces[i].start) * width,
                       sums + (block - low) * block_size + (i * half + j) * width,
                       width * sizeof(real_t))
        out = (<real_t *>job.out) + (
            part * job.out_image
            + (group * job.filters + block * 2 * lanes) * job.channels * taps
            + first_channel * taps)
        k.transpose(channels * taps, filters, order, width, out, job.channels * taps)


cdef inline Py_ssize_t find_unit(const Gradient *job, Py_ssize_t unit, Py_ssize_t *first,
                                 Py_ssize_t *count) noexcept nogil:
    """The outputs of a unit, on each axis, and its image."""
    cdef int a
    for a in range(2, -1, -1):
        first[a] = unit % job.out_blocks[a] * job.axis[a].block
        count[a] = min(job.axis[a].block, job.axis[a].count - first[a])
        unit //= job.out_blocks[a]
    return unit


cdef void weight_lags(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """`weight_block` by the `conv_backward_weight` kernel."""
    cdef const fc_kernels *k = job.k
    cdef const conv_geometry *g = job.g
    cdef Axis *axis = job.axis
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef real_t *copied = <real_t *>(scratch + job.grad_at)
    cdef real_t *sums = <real_t *>(scratch + job.sum_at)
    cdef real_t *total = <real_t *>(scratch + job.total_at)
    cdef Py_ssize_t *offset = <Py_ssize_t *>(scratch + job.offset_at)
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef Py_ssize_t low = task % job.ranges * job.share
    cdef Py_ssize_t high = min(job.blocks, low + job.share)
    cdef Py_ssize_t group = task // job.ranges % job.groups
    cdef Py_ssize_t part = task // (job.ranges * job.groups)
    cdef Py_ssize_t taps = job.rows // job.channels, size = lag_sums(job), in_row = 0
    cdef Py_ssize_t x_row = axis[1].wstep * job.window.position[1]
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t u, i, t, c, f, image, planes, lags, plane, row, block, aimed = -1
    cdef bint fresh = True, totals = False
    cdef const real_t *x
    cdef const real_t *grad
    cdef const real_t *ahead
    cdef real_t *out
    for t in range(job.rows):
        i = t % taps
        offset[t] = (t // taps * job.window.channel
                     + axis[0].at[i // (g.kernel[1] * g.kernel[2])] * job.window.position[0]
                     + axis[1].at[i // g.kernel[2] % g.kernel[1]] * job.window.position[1]
                     + axis[2].at[i % g.kernel[2]] * job.window.position[2])

    for u in range(part * job.units, min(job.all_units, (part + 1) * job.units)):
        image = find_unit(job, u, first, count)
        x = (<const real_t *>job.x) + (
            image * job.x_image + group * job.channels * job.x_stride[0])
        i = u - image * (job.all_units // job.batch)
        if aimed != i:
            aim(&job.window, first, count, words)
        # zeros outside stay where the last image's were
        fill_part(&job.window, words, x, job.x_stride, k, window, aimed != i)
        aimed = i
        if in_row and in_row + count[1] * count[2] > job.row_long:
            if totals:
                k.add(size, sums, total)
            else:
                memcpy(total, sums, size * sizeof(real_t))
            totals = fresh = True
            in_row = 0
        in_row += count[1] * count[2]
        out = sums
        for block in range(low, high):
            planes = min(<Py_ssize_t>FC_BACKWARD_FILTERS, job.filters - block * FC_BACKWARD_FILTERS)
            grad = (<const real_t *>job.grad) + (
                image * job.grad_image
                + (group * job.filters + block * FC_BACKWARD_FILTERS) * job.grad_stride[0]
                + first[0] * job.grad_stride[1] + first[1] * job.grad_stride[2]
                + first[2] * job.grad_stride[3])
            plane, row = job.grad_stride[0], job.grad_stride[2]
            if job.grad_stride[3] != 1 and count[2] > 1:
                for f in range(planes):
                    k.copy(count[1], count[2], grad + f * plane, row, job.grad_stride[3],
                           copied + f * count[1] * count[2], count[2])
                grad, row, plane = copied, count[2], count[1] * count[2]
            for t from 0 <= t < job.rows by job.tile:
                lags = min(job.tile, job.rows - t)
                ahead = NULL
                if job.fetches and block + 1 < high and t < FC_BACKWARD_FILTERS * job.tile:
                    ahead = grad + (FC_BACKWARD_FILTERS + t // job.tile) * plane
                k.conv_backward_weight[planes - 1][lags - 1](
                    count[1], count[2], offset + t, window, x_row, grad, plane, row, ahead, out,
                    not fresh)
                out += FC_BACKWARD_FILTERS * job.tile
        fresh = False
    if totals:
        k.add(size, total, sums)

    out = (<real_t *>job.out) + part * job.out_image + group * job.filters * job.rows
    for block in range(low, high):
        planes = min(<Py_ssize_t>FC_BACKWARD_FILTERS, job.filters - block * FC_BACKWARD_FILTERS)
        for t from 0 <= t < job.rows by job.tile:
            lags = min(job.tile, job.rows - t)
            for f in range(planes):
                for c in range(lags):
                    i = t + c
                    if g.flip:
                        i += taps - 1 - 2 * (i % taps)
                    out[(block * FC_BACKWARD_FILTERS + f) * job.rows + i] = sums[f * lags + c]
            sums += FC_BACKWARD_FILTERS * job.tile


cdef void turn_gradients(const Gradient *job, const real_t *grad, Py_ssize_t filters,
                         const Py_ssize_t *count, Py_ssize_t width, real_t *out) noexcept nogil:
    """The gradients of a block of outputs as (pixels, filters), the layout of packed weights."""
    cdef const fc_kernels *k = job.k
    cdef const Py_ssize_t *stride = job.grad_stride
    cdef Py_ssize_t q0, q1, q2, columns = count[2], rows = count[1]
    if filters < width:
        memset(out, 0, count[0] * rows * columns * width * sizeof(real_t))
    if stride[3] == 1 and stride[2] == columns:  # rows follow each other
        columns *= rows
        rows = 1
    for q0 in range(count[0]):
        for q1 in range(rows):
            if stride[3] == 1:
                k.transpose(filters, columns, grad + q0 * stride[1] + q1 * stride[2], stride[0],
                            out, width)
                out += columns * width
                continue
            for q2 in range(columns):
                k.gather(filters, grad + q0 * stride[1] + q1 * stride[2] + q2 * stride[3],
                         stride[0], out)
                out += width


# ---- the record ----

cdef extern from *:
    """
    #include <stdint.h>
    static int fc_finite_32(const uint32_t *bits, Py_ssize_t n)
    {
        const uint32_t exponent = 0x7f800000u;
        int found = 0;
        for (Py_ssize_t i = 0; i < n; i++) found |= (bits[i] & exponent) == exponent;
        return !found;
    }
    """
    bint fc_finite_32(const void *bits, Py_ssize_t n) nogil


cdef struct Check:
    const char *data
    Py_ssize_t size    # elements
    Py_ssize_t piece
    bint found         # a number that is not finite


cdef void check_piece(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Check *job = <Check *>context
    cdef Py_ssize_t start = task * job.piece
    if not fc_finite_32(job.data + 4 * start, min(job.piece, job.size - start)):
        job.found = True


cdef bint all_finite(cnp.ndarray array, int threads) except -1:
    cdef Check job
    if cnp.PyArray_ISONESEGMENT(array) and cnp.PyArray_ITEMSIZE(array) == 4:
        job.data = cnp.PyArray_BYTES(array)
        job.size = cnp.PyArray_SIZE(array)
        job.piece = 1 << 17
        job.found = False
        parallel_for(check_piece, &job, parts_of(job.size, job.piece), threads, 0.0)
        return not job.found
    with np.errstate(all="ignore"):
        total = (<object>array).sum()  # a quick look: infinite, or not a number, if one is
    return math.isfinite(total) or bool(np.isfinite(array).all())


def supports(ConvDesc desc, which):
    """Direct serves everything."""
    return None


def workspace(ConvDesc desc, which, int threads):
    cdef Gradient job
    cdef conv_geometry *g = &desc.g
    if which == BACKWARD_WEIGHT:
        set_gradient(Layout(desc, False, False, False), &job, 1)
        count = cuts(&job, desc.flops())
        return job.scratch_size * threads + (
            0 if count < 2 else count * g.filters * job.channels * g.kernel[0] * g.kernel[1]
            * g.kernel[2] * g.itemsize)
    return Layout.get(desc, which == BACKWARD_DATA).workspace(threads)


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef double seconds
    cdef Layout layout
    cdef Gradient job
    if which == BACKWARD_WEIGHT:
        layout = Layout(desc, False, False, False)
        set_gradient(layout, &job, 1)
        seconds = gradient_seconds(&job)
    else:
        seconds = correlation_seconds(&Layout.get(desc, which == BACKWARD_DATA).of,
                                      desc.planned)
    return Cost(arithmetic=seconds)


cdef double correlation_seconds(const Layer *of, bint planned) noexcept:
    """Products with the lanes that stay empty, windows, results, packed weights."""
    cdef double lanes = of.k.lanes, pixels, line, work, seconds = STARTED, rate, blocks
    cdef double full = peak(of.g.itemsize)
    cdef Py_ssize_t p
    cdef Phase *phase
    cdef Axis *axis
    for p in range(of.n_phases):
        phase = &of.phases[p]
        axis = phase.axis
        line = axis[2].count
        pixels = (<double>axis[0].count) * axis[1].count * line
        work = 2.0 * of.groups * phase.taps * pixels * phase.inside
        if of.by_rows:
            # rows that lie one after the other are cut as one line
            line = max(axis[2].block, 1)
            if axis[1].stretch or axis[2].stretch or axis[1].wstep != 1 or axis[2].wstep != 1:
                line = up(axis[2].block, of.k.lanes) / line
            else:
                line = min(<double>up(axis[2].block, of.k.lanes),
                           phase.window.position[1] + lanes / 2) / line
            work *= line * of.blocks * of.width
            rate = ROWS_ONE if of.row_kind == 0 else ROWS_MANY
        else:
            work *= up(axis[2].count, of.k.half) / line * of.padded
            rate = TILES
        blocks = (<double>phase.blocks[0]) * phase.blocks[1] * phase.blocks[2]
        seconds += work / (rate * full) + blocks * of.groups * (
            PER_BLOCK + GATHERED * phase.window.size) + blocks * INDEXED * (
                axis[0].window + axis[1].window + axis[2].window)
        # the sums of a short run of products are stored more often than they are added to
        seconds += of.groups * pixels * of.sinks * (
            (STORED_ONE if of.row_kind == 0 and of.by_rows else STORED)
            + (0 if of.by_rows != bool(of.g.channels_last) else TURNED))
    if planned:
        return seconds
    # packed once, or by each strip of tiles
    rate = PACKED_BEYOND if of.packed_size * of.g.itemsize > CACHE else PACKED
    return seconds + of.packed_size * min(rate, PACKED * uses(of, 1))


cdef double gradient_seconds(const Gradient *job) noexcept:
    """Products with the lanes that stay empty, windows once for each range of filters."""
    cdef const conv_geometry *g = job.g
    cdef Axis *axis = job.axis
    cdef double pixels = (<double>g.output[0]) * g.output[1] * g.output[2], blocks, tasks, wide
    wide = up(min(job.filters, 2 * job.k.lanes), job.k.lanes) * job.blocks
    blocks = (<double>job.out_blocks[0]) * job.out_blocks[1] * job.out_blocks[2]
    tasks = (<double>job.groups) * job.chunks
    if job.by_lags:
        pixels *= <double>up(axis[2].block, job.k.lanes) / axis[2].block
        wide = job.filters // FC_BACKWARD_FILTERS * FC_BACKWARD_FILTERS
        if job.filters % FC_BACKWARD_FILTERS:  # with few planes, loads take longer than products
            wide += 2 if job.filters % FC_BACKWARD_FILTERS == 1 else 2.5
        return STARTED + job.groups * (
            2 * job.rows * wide * pixels / (LAGS * peak(g.itemsize))
            + blocks * (PER_BLOCK + GATHERED * job.window.size + job.blocks * job.tiles * (
                PER_LAGS + PER_LAGS_ROW * axis[1].block))
            + job.filters * job.rows * PACKED)
    return STARTED + tasks * (
        2 * job.rows * wide * pixels / (GRADIENT * peak(g.itemsize))
        + job.ranges * blocks * (PER_BLOCK + GATHERED * job.window.size)
        + GRADIENT_TURNED * wide * pixels + wide * job.rows * PACKED)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights packed for one pass of one layer."""
    cdef Layout layout = Layout.get(desc, which == BACKWARD_DATA)
    if (which == BACKWARD_DATA or layout.skips) and not all_finite(weight, threads):
        layout = Layout(desc, which == BACKWARD_DATA, which == BACKWARD_DATA, False)
    cdef Correlation correlation = Correlation(layout, weight)
    if desc.planned:
        correlation.pack(threads)  # else when it is known how often they are read
    return correlation


ALGORITHM = Algorithm(
    name="direct", passes=PASSES, tier="highest",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient,
)
