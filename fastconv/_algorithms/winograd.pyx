"""Winograd: convolutions by fewer multiplications.

F(m, r) computes m neighbouring outputs of a kernel of length r from n = m + r - 1 inputs with n
multiplications in place of m r; on two axes, n^2 in place of (m r)^2. Input tiles and weights are
transformed, multiplied *at each frequency* (a position of the transformed tile), where the sum
over channels makes a matrix product, and transformed back.

    V[f] = B' d B        for every tile and channel
    M[f] = V[f] U[f]     (tiles x channels) times (channels x filters)
    y    = A' M A        for every tile and filter

A *stride* s splits kernel and input into s phases an axis: outputs are sums over the phases, of
correlations without stride whose kernels are s times shorter. A long kernel falls into *sections*
of r taps, each of which meets the input further on. Both are *parts* of the kernel, and parts join
the sum over channels. A *dilation* d splits outputs and inputs into d interleaved maps, each
correlated without dilation; a tile takes every d-th position. So d tiles lie inside each other,
and make one *span*.

A task takes a block of spans through all three steps, so that V and M stay in the cache; only
the transformed weights U stream by. Channels lie in the lanes of the transforms, so that a tile
is loaded and stored in whole vectors.

The last two axes are transformed, or one of them where the other's kernel is no longer than its
stride; kernels of any length along the other axes join the sum over channels. backward_data is
the same with reversed kernels. Values mix within a tile, so an image with a NaN, an infinity, or
numbers near overflow is refused (see _fallback.py).

Sources: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast
algorithms for convolutional neural networks" (CVPR 2016); Barabasz et al., "Error analysis and
improving the accuracy of Winograd convolution for deep neural networks" (TOMS 2020); Zlateski,
Jia, Li and Durand, "The anatomy of efficient FFT and Winograd convolutions on modern CPUs"
(ICS 2019).
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._core.cost cimport BANDWIDTH, CLOCK, peak
from fastconv._core.epilogue cimport Exit, emit, turned_size
from fastconv._core.integers cimport even, parts, up
from fastconv._core.scratch cimport CACHE, Scratch, acquire, fc_fetch
from fastconv._core.threads cimport SIGNAL_WORK, is_long, parallel_for
from fastconv._core.old_window cimport (
    Axis, Window, aim, block_axis, fill, index_words, lay_out, real_t, source_strides,
)
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL, fc_kernels, kernels_for

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

TILES = 2, 3, 4, 5, 6  # the m to choose from, with n from 4 to 8

cdef enum:
    LARGEST_STEP = 16  # longest stride or dilation of a transformed axis
    SECTIONS = 4       # most sections of a kernel along an axis
    LARGE = 12 << 20   # bytes of V and M, where they need not stay in the second-level cache
    BEYOND = 16 << 20  # bytes of transformed weights that leave the third-level cache, as a guess
    SENT = 24 << 10    # bytes of outputs that are sent out at a time
    PAGE = 4096
    CHUNK = 16         # channels whose weights are transformed at a time
    # Sums are cut into blocks of so many products to keep rounding errors small, shorter
    # where the transforms enlarge them most: see `sum_block`.
    BLOCK = 64
    SHORT = 16
    LONGEST = 512      # products of float32 that squares of n = 8 keep their promise for

# The cost model (docs/algorithms/choice.rst): seconds for a call, and for each transformed weight
# of up to BEYOND bytes and of more,
cdef double STARTED = 6e-6, PACKED = 0.17e-9, PACKED_BEYOND = 0.85e-9
cdef double PRODUCTS = 0.92   # products: part of the multiply-add peak
cdef double STREAM = 12.0     # bytes a cycle from the third-level cache
cdef double LINE = 25.0       # cycles to begin a row of one channel: it is on another page

cdef struct Layer:
    const conv_geometry *g
    const fc_kernels *k
    bint backward
    Py_ssize_t joint                      # groups that share vectors, and make one of these:
    Py_ssize_t groups, sources, sinks     # channels per group, read and written
    Py_ssize_t sink_axis[3]
    Py_ssize_t n, m, r, frequencies
    bint square                           # both of the last two axes are transformed
    bint transformed[3]
    Py_ssize_t parts[3]                   # of the kernel along each axis,
    Py_ssize_t phases[3]                  # and of these those of one section
    Py_ssize_t apart[3]                   # window positions from one input of a tile to the next
    Py_ssize_t maps[3]                    # tiles of a span along each axis
    Py_ssize_t made[3]                    # and its outputs
    Axis axis[3]                          # whose outputs are spans
    Window window                         # of one block of spans, for `chunk` channels
    Py_ssize_t chunk
    bint side_by_side                     # phases of the last axis are like channels
    Py_ssize_t rows, columns              # spans of a task
    Py_ssize_t together                   # blocks of filters that share a pass over V
    bint whole                            # rows of outputs lie one after the other
    Py_ssize_t lines                      # rows of spans that are sent out together
    Py_ssize_t blocks[3]                  # tasks along each axis
    double input_share                    # of a task's time, for the transform of its input
    Py_ssize_t taps                       # length of the sums: [part][channel]
    bint filled                           # groups that share vectors fill them
    Py_ssize_t depth                      # taps whose weights are kept: without zeros if `filled`
    Py_ssize_t pitch                      # of V, from tile to tile
    Py_ssize_t filter_blocks, padded      # of 2 * lanes sinks; sinks, filled up to lanes
    Py_ssize_t *words                     # what the axes point into


cdef class Layout:
    """How one pass of one description is blocked for one size of tile."""

    cdef ConvDesc desc
    cdef Layer of

    def __cinit__(self, ConvDesc desc, bint backward, Py_ssize_t m, bint join=True):
        cdef conv_geometry *g = &desc.g
        cdef Layer *of = &self.of
        cdef Py_ssize_t words = 0, i, before, step, sections, length[3]
        cdef Py_ssize_t *word
        cdef Axis *axis
        cdef int a
        self.desc = desc
        of.g = g
        of.k = kernels_for(g.itemsize)
        of.backward = backward
        # Groups of few channels share vectors: their weights are blocks along the diagonal of a
        # matrix that is zero elsewhere. That multiplies the products, but not the transforms.
        of.joint = 1
        while (join and g.groups % (2 * of.joint) == 0
               and 2 * of.joint * max(g.channels, g.filters) <= of.k.lanes * g.groups):
            of.joint *= 2
        of.groups = g.groups // of.joint
        of.sources = (g.filters if backward else g.channels) // of.groups
        of.sinks = (g.channels if backward else g.filters) // of.groups
        of.m = m
        of.r = kernel_length(g)
        of.n = m + of.r - 1
        of.taps = of.sources
        of.frequencies = 1
        for a in range(AXES):
            of.transformed[a] = a > 0 and parts(g.kernel[a], g.stride[a]) > 1
            of.maps[a] = of.made[a] = of.apart[a] = 1
            of.parts[a] = of.phases[a] = length[a] = g.kernel[a]
            if of.transformed[a]:
                of.frequencies *= of.n
                of.phases[a] = g.stride[a]
                of.maps[a] = g.dilation[a]
                of.apart[a] = max(g.stride[a], g.dilation[a])
                of.made[a] = m * of.maps[a]
                sections = parts(parts(g.kernel[a], g.stride[a]), of.r)
                of.parts[a] = sections * of.phases[a]
                length[a] = ((of.n - 1 + (sections - 1) * of.r) * of.apart[a]
                             + max(of.phases[a], of.maps[a]))
            of.taps *= of.parts[a]
            words += 2 * length[a]
        of.filled = 2 <= of.joint <= 4 and of.sources == of.k.lanes and of.sinks == of.k.lanes
        of.depth = of.taps // of.joint if of.filled else of.taps
        of.square = of.transformed[1] and of.transformed[2]
        of.words = <Py_ssize_t *>malloc((words + 1) * sizeof(Py_ssize_t))
        if of.words == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        word = of.words
        for a in range(AXES):
            axis = &of.axis[a]
            of.sink_axis[a] = g.input[a] if backward else g.output[a]
            before = g.before[a]
            if backward:  # a gradient meets the kernel reversed, from the other end
                before = g.dilation[a] * (g.kernel[a] - 1) - before
            axis.length = g.output[a] if backward else g.input[a]
            axis.mode = PAD_ZEROS if backward else g.padding_mode
            axis.step = m * of.apart[a] if of.transformed[a] else g.stride[a]
            axis.taps = length[a]
            axis.count = parts(of.sink_axis[a], of.made[a])
            axis.tap = word
            axis.at = word + axis.taps
            word += 2 * axis.taps
            step = 1 if of.transformed[a] else g.dilation[a]
            for i in range(axis.taps):
                axis.tap[i] = i * step - before
        self.make_blocks()

    def __dealloc__(self):
        free(self.of.words)

    cdef int make_blocks(self) except -1:
        """Choose the block of spans of a task: the one that takes least time by `cycles`.

        Either V and the M of one block of filters stay in the second-level cache, and V is read
        again for each; or, where the transformed weights do not fit beside them and would
        stream by for every block, blocks are large, and V, or V and M of all filters, pass
        through the next cache.
        """
        cdef Layer *of = &self.of
        cdef Py_ssize_t itemsize = self.desc.g.itemsize, lanes = of.k.lanes
        cdef Py_ssize_t rows = max(of.axis[1].count, 1), columns = max(of.axis[2].count, 1)
        cdef Py_ssize_t weights, cut, most, best_rows = 0, best_columns = 1, best_together = 1
        cdef Py_ssize_t tasks
        cdef double best = 0, cycles, divided
        # An odd number of vectors: neighbouring tiles stay off the same sets of the cache. What
        # the last vector of channels has too much goes beyond the taps.
        of.pitch = (up(of.taps + lanes - 1, lanes) // lanes | 1) * lanes
        of.filter_blocks = parts(of.sinks, 2 * lanes)
        of.padded = up(of.sinks, lanes)
        of.window.axis = of.axis
        of.window.channels_last = True
        weights = itemsize * of.frequencies * of.depth * of.padded * of.groups
        for together, budget in (
                (1, CACHE * 5 // 8), (1, LARGE), (of.filter_blocks, LARGE)):
            if budget == LARGE and weights < CACHE // 2:
                continue
            most = budget // (itemsize * of.frequencies * of.maps[1] * of.maps[2] * (
                of.pitch + 2 * lanes * together))
            for cut in range(1, 1 + min(columns, 64)):
                of.together = together
                of.columns = parts(columns, cut)
                if of.columns > most and of.columns > 1:
                    continue
                for divided in (1, 1.34, 2):  # the most rows, three quarters, or half of them
                    of.rows = even(rows, max(1, <Py_ssize_t>(most // of.columns / divided)))
                    cycles = self.cycles()
                    tasks = max(of.axis[0].count, 1) * parts(rows, of.rows) * parts(
                        columns, of.columns)
                    if tasks % 2 and tasks > 1:  # one thread of two will wait at the end
                        cycles *= 1 + 0.25 / tasks
                    if best_rows == 0 or cycles < best:
                        best = cycles
                        best_rows, best_columns = of.rows, of.columns
                        best_together = together
        if best_rows == 0:
            best_rows = 1
        of.rows, of.columns, of.together = best_rows, best_columns, best_together
        self.cycles()  # and the share of the input in that
        block_axis(&of.axis[0], 1, False)
        block_axis(&of.axis[1], of.rows, False)
        block_axis(&of.axis[2], of.columns, False)
        # Channels pass in whole vectors, as many at a time as leave the window in the cache; one
        # vector where they lie apart, so that each one's rows are read like one stream; and all
        # at once where they do not fill vectors (see `input_tiles`).
        of.chunk = of.sources
        while True:
            of.window.channels = of.chunk
            lay_out(&of.window, 0, lanes)
            if (of.chunk <= lanes or of.sources % lanes
                    or of.window.size * itemsize <= CACHE // 8 and self.desc.g.channels_last):
                break
            of.chunk = up(even(of.chunk, of.chunk // 2), lanes)
        of.side_by_side = (of.transformed[2] and of.phases[2] > 1 and of.chunk == of.sources
                           and of.window.position[2] == of.sources)
        # Where all of a row is there, outputs of some rows leave as one long row.
        of.whole = self.is_whole()
        of.lines = 1
        if of.whole:
            of.lines = min(of.rows, max(1, SENT // (
                2 * lanes * itemsize * max(of.made[1] * of.sink_axis[2], 1))))
        of.blocks[0] = of.axis[0].count
        of.blocks[1] = parts(of.axis[1].count, of.rows)
        of.blocks[2] = parts(of.axis[2].count, of.columns)
        return 0

    cdef bint is_whole(self) noexcept:
        """Whether rows of outputs lie one after the other, and may have a tile's end beyond."""
        cdef Layer *of = &self.of
        return (of.columns >= of.axis[2].count and of.maps[1] == 1
                and (of.columns > 1 or of.made[2] == of.sink_axis[2])
                and not self.desc.g.channels_last)

    cdef double seconds(self) noexcept:
        """Estimated time of one image on one thread, with the transform of the weights."""
        cdef double seconds = STARTED + self.cycles() / CLOCK
        cdef double packed = (<double>self.of.groups) * self.of.frequencies * (
            self.of.depth * self.of.padded)
        cdef bint near
        seconds += self.moved_seconds()
        if not self.desc.planned:
            near = packed * self.desc.g.itemsize <= BEYOND or self.is_one_task()
            seconds += packed * (PACKED if near else PACKED_BEYOND)
        return seconds

    cdef double moved_seconds(self) noexcept:
        """For an image that comes from memory, and goes there."""
        cdef double moved = self.desc.g.itemsize * (
            <double>self.of.groups * self.of.sources * self.of.axis[0].length
            * self.of.axis[1].length * self.of.axis[2].length
            + <double>self.of.groups * self.of.sinks * self.of.sink_axis[0]
            * self.of.sink_axis[1] * self.of.sink_axis[2])
        return 1.25 * moved / BANDWIDTH if moved > LARGE else 0

    cdef double cycles(self) noexcept:
        """Estimated time of one image on one thread, in cycles.

        Products, at `PRODUCTS` of the peak, with what a call takes beside them, but no faster
        than their weights stream from behind the second-level cache; traffic of V and M with
        what lies there; and transforms, which move every element some times between the first
        two caches.
        """
        cdef Layer *of = &self.of
        cdef double lanes = of.k.lanes, itemsize = self.desc.g.itemsize, n = of.n, m = of.m
        cdef double blocks = (<double>max(of.axis[0].count, 1)) * parts(
            max(of.axis[1].count, 1), of.rows) * parts(max(of.axis[2].count, 1), of.columns)
        cdef Py_ssize_t spans = of.rows * of.columns, tiles = spans * of.maps[1] * of.maps[2]
        cdef double pieces = parts(tiles, 2 * of.k.half), passes
        cdef double f = of.frequencies, vectors = of.padded / lanes
        cdef double weights = itemsize * f * of.depth * of.padded
        cdef double v = itemsize * f * tiles * of.pitch
        cdef double result = itemsize * f * tiles * 2 * lanes * of.together
        cdef double window, sources, streams, lines_in, lines_out, cycles, inputs
        cdef bint small
        # a piece of fewer than four tiles waits for its own sums; a single vector of filters
        # leaves as many broadcasts as multiply-adds
        cycles = f * of.depth * (vectors + 0.3 * (of.padded / of.k.lanes % 2)) / 2 * max(
            <double>tiles, 4 * pieces) / PRODUCTS
        if of.filled:  # a permutation for each product
            cycles *= 2
        cycles += f * of.filter_blocks * parts(of.taps, sum_block(of, 0)) * (
            20 * pieces + 2.2 * tiles)
        if weights * of.groups + v + result > 0.8 * CACHE:
            passes = of.filter_blocks / <double>of.together
            streams = weights + (v * passes if v + result > 0.8 * CACHE else 0)
            if of.groups > 1:  # short sums: the stream of one group runs on into the next
                streams *= 0.6
            cycles = max(cycles, streams / STREAM) + 0.05 * streams / STREAM
            if v + result > 0.8 * CACHE:
                cycles += v / STREAM / 2
            if result > 0.4 * CACHE:
                cycles += result * passes / STREAM
        sources = of.taps / lanes
        if of.sources < of.k.lanes:  # vectors are not filled
            sources = parts(of.sources * (of.phases[2] if of.sources < 4 * of.k.lanes else 1),
                            of.k.lanes) * (of.taps / (of.sources * of.phases[2]))
        if of.square:
            small = n <= 6  # less passes through memory
            inputs = tiles * sources * (2.0 if small else 2.8) * n * n
            cycles += tiles * vectors * (0.9 if small else 1.1) * (
                n * n + 1.5 * n * m + 2 * m * m)
        else:
            inputs = tiles * sources * 6 * n
            cycles += tiles * vectors * 6 * (n + m)
        window = 1
        for a in range(1, AXES):
            window *= of.axis[a].taps + ((of.rows if a == 1 else of.columns) - 1.0
                                         ) * of.axis[a].step
        window *= of.axis[0].taps
        inputs += window * parts(of.sources, of.k.lanes) * 3
        cycles += (<double>spans) * of.made[1] * of.made[2] * vectors * 6
        # rows that lie one after the other are one long row
        lines_in = of.axis[1].taps + (of.rows - 1.0) * of.axis[1].step
        lines_out = (<double>of.rows) * of.made[1]
        if self.is_whole():
            lines_in = parts(<Py_ssize_t>lines_in * of.axis[2].length * of.g.itemsize, PAGE)
            lines_out = parts(<Py_ssize_t>lines_out * of.sink_axis[2] * of.g.itemsize, PAGE)
        inputs += LINE * of.axis[0].taps * lines_in * of.sources
        cycles += inputs + LINE * lines_out * of.padded
        of.input_share = inputs / cycles
        return of.groups * blocks * cycles

    cdef Py_ssize_t scratch(self, Run *job) noexcept:
        """Scratch memory of a thread: window, V, M, rows of outputs, their transpose."""
        cdef const Layer *of = &self.of
        cdef Py_ssize_t itemsize = self.desc.g.itemsize, lanes = of.k.lanes, tiles, line
        tiles = job.images * of.rows * of.columns * of.maps[1] * of.maps[2]
        line = of.columns * of.made[2]
        job.v_step = off(tiles * of.pitch, lanes)
        job.m_step = off(tiles * 2 * lanes, lanes)
        job.v_at = up((of.window.size + of.window.slack) * itemsize, 64)
        job.m_at = job.v_at + up(of.frequencies * job.v_step * itemsize, 64)
        job.line_at = job.m_at + up(
            of.together * of.frequencies * job.m_step * itemsize, 64)
        job.turned_at = job.line_at + up(of.lines * of.made[1] * line * 2 * lanes * itemsize, 64)
        job.words_at = job.turned_at + up(turned_size(
            of.k, 2 * lanes, line * (of.lines * of.made[1] if of.whole else 1)) * itemsize, 64)
        job.largest_at = job.words_at + up(index_words(&of.window) * sizeof(Py_ssize_t), 64)
        job.fresh_at = job.largest_at + up(job.images * lanes * itemsize, 64)
        if not job.fresh:
            return job.fresh_at + 64
        # a block's transformed weights, which are prefetched from beyond
        job.pack_at = job.fresh_at + self.block_size()
        return job.pack_at + job.packing.scratch_size + 64

    cdef bint is_one_task(self) noexcept:
        """Whether the weights of a block of filters can be transformed where they are needed."""
        return (self.of.blocks[0] * self.of.blocks[1] * self.of.blocks[2] == 1
                and self.block_size() <= LARGE)

    cdef Py_ssize_t block_size(self) noexcept:
        """Bytes of the transformed weights of one block of filters."""
        return up(self.desc.g.itemsize * self.of.frequencies * off(
            self.of.depth * 2 * self.of.k.lanes, self.of.k.lanes), 64)

    cdef Py_ssize_t share_out(self, Run *job, Py_ssize_t batch, int threads) noexcept:
        """Cut the work into tasks; returns how many. Sums do not depend on how."""
        cdef const Layer *of = &self.of
        cdef Py_ssize_t tasks, size, splits
        cdef double time, least = 0
        job.batch = batch
        job.images = 1
        if of.blocks[0] * of.blocks[1] * of.blocks[2] == 1:
            # Several small images share a task, so that the weights stream once for all; few
            # weights stay in the cache, if the rest does not drive them out.
            size = (self.desc.g.itemsize * of.frequencies * of.rows * of.columns
                    * of.maps[1] * of.maps[2])
            job.images = max(1, min(batch, (LARGE if self.block_size() > CACHE // 4
                                            else CACHE * 5 // 8) // (
                size * (of.pitch + 2 * of.k.lanes * of.together))))
            # Threads share out images, or filters where each set of weights that is transformed as
            # it is needed serves one thread alone.
            if threads > 1 and not (job.fresh and self.is_one_task()
                                    and threads <= of.groups * of.filter_blocks):
                job.images = min(job.images, max(1, (batch + threads - 1) // threads))
            job.images = even(batch, job.images)
        job.n_images = (batch + job.images - 1) // job.images
        tasks = job.n_images * of.groups * of.blocks[0] * of.blocks[1] * of.blocks[2]
        # Filters are split where tasks are too few to keep all threads busy to the end. Each part
        # transforms its input again, since what one core makes is far from another.
        job.splits = 1
        if threads > 1 and 0 < tasks < 8 * threads:
            for splits in range(1, min(of.filter_blocks, 2 * threads) + 1):
                time = parts(tasks * splits, threads) * (of.input_share + (1 - of.input_share) * (
                    parts(of.filter_blocks, splits) / <double>of.filter_blocks))
                if splits == 1 or time < 0.98 * least:
                    least = time
                    job.splits = splits
        job.fresh = (job.fresh and job.n_images == 1 and self.is_one_task()
                     and threads <= of.groups * of.filter_blocks)
        job.scratch_size = self.scratch(job)
        return tasks * job.splits

    cdef Py_ssize_t packed_size(self) noexcept:
        return weights_at(&self.of, self.of.groups, 0, 0, 0)

    def workspace(self, int threads):
        """Bytes of scratch memory of a call, transformed weights included."""
        cdef Run job
        job.fresh = False
        self.share_out(&job, 1 << 20, threads)  # images may share a task's scratch
        return job.scratch_size * threads + self.packed_size() * self.desc.g.itemsize


cdef Py_ssize_t phase_length(const conv_geometry *g) noexcept:
    """The longest phase of the kernel along the last two axes."""
    return max(parts(g.kernel[1], g.stride[1]), parts(g.kernel[2], g.stride[2]))


cdef Py_ssize_t kernel_length(const conv_geometry *g) noexcept:
    """r: the length of its sections, as few as there can be."""
    return section_length(phase_length(g))


cpdef Py_ssize_t section_length(Py_ssize_t length) noexcept:
    """Taps of a section of a kernel, or of its phases, of this length."""
    return even(length, FC_WINOGRAD_KERNEL)


cdef inline Py_ssize_t part_at(const Layer *of, int a, Py_ssize_t part,
                               Py_ssize_t apart) noexcept nogil:
    """Where a part of the kernel begins along an axis with its taps so far apart."""
    return part % of.phases[a] + part // of.phases[a] * of.r * apart


cdef Layout layout_for(ConvDesc desc, which):
    """The layout with the size of tile that takes least time; kept with the description.

    Without the transform of the weights, so that a plan and a call give the same bits.
    """
    cdef Layout best = None, layout
    key = "winograd", which, TILES
    best = desc.kept.get(key)
    if best is None:
        r = kernel_length(&desc.g)
        sizes = [m for m in TILES if 4 <= m + r - 1 <= 8]
        if not sizes:  # the nearest that there is
            sizes = [min(max(TILES[0], 5 - r), 9 - r)]
        for m in sizes:
            layout = Layout(desc, which == BACKWARD_DATA, m)
            if (layout.of.n == 8 and layout.of.square and layout.of.taps > LONGEST
                    and desc.g.itemsize == 4 and best is not None):
                continue
            if best is None or layout.cycles() < best.cycles():
                best = layout
        desc.kept[key] = best
    return best


cdef inline Py_ssize_t off(Py_ssize_t stride, Py_ssize_t vector) noexcept nogil:
    """A stride from frequency to frequency that is an odd number of vectors.

    A transform writes or reads all frequencies at a time, which would compete for a few sets of
    the caches.
    """
    return (parts(stride, vector) | 1) * vector


cdef inline Py_ssize_t sum_block(const Layer *of, Py_ssize_t f) noexcept nogil:
    """Products that are added up before their sum joins the others.

    At n = 8 the transforms enlarge errors most, but for those at the points 1 and -1, which are
    numbers 1 and 2 along each axis. A block of the square root of all products is best.
    """
    if of.n != 8 or 1 <= f % 8 <= 2 or of.square and 1 <= f // 8 <= 2:
        return BLOCK
    return SHORT if of.taps <= 8 * SHORT else 2 * SHORT


cdef inline Py_ssize_t weights_at(const Layer *of, Py_ssize_t group, Py_ssize_t start,
                                  Py_ssize_t width, Py_ssize_t f) noexcept nogil:
    """Where the transformed weights of a block of filters at one frequency lie: in the order
    that the products read them.
    """
    cdef Py_ssize_t lanes = of.k.lanes
    if of.together == 1:
        return (group * of.filter_blocks * of.frequencies * off(of.depth * 2 * lanes, lanes)
                + start // (2 * lanes) * of.frequencies * off(of.depth * 2 * lanes, lanes)
                + f * off(of.depth * width, lanes))
    return (of.frequencies * group + f) * off(of.depth * of.padded, lanes) + of.depth * start


cdef struct Packing:
    const Layer *of
    char *weight
    char *packed
    char *scratch
    Py_ssize_t scratch_size, kernel_at, chunks
    Py_ssize_t kernel                     # elements of a kernel


cdef struct Run:
    const Layer *of
    Exit exit
    char *source
    const char *packed
    char *refused                         # of every image
    Py_ssize_t source_image
    Py_ssize_t source_stride[4]
    Py_ssize_t batch, images, n_images, splits
    Py_ssize_t v_step, m_step             # from frequency to frequency
    char *scratch
    Py_ssize_t scratch_size, v_at, m_at, line_at, turned_at, words_at, largest_at, fresh_at, pack_at
    Packing packing
    bint fresh                            # weights are not transformed yet


cdef class Winograd:
    """A layer with its weights, for any batch."""

    cdef Layout layout
    cdef cnp.ndarray weight   # until they are transformed
    cdef Scratch packed

    def __cinit__(self, Layout layout, weight):
        self.layout = layout
        self.weight = np.ascontiguousarray(weight)

    cdef void aim_at(self, Packing *job) noexcept:
        """All of a job to pack the weights, but where to and with what scratch memory."""
        cdef const Layer *of = &self.layout.of
        cdef const conv_geometry *g = of.g
        cdef Py_ssize_t width = 2 * of.k.lanes
        job.of = of
        job.weight = cnp.PyArray_BYTES(self.weight)
        job.kernel = g.kernel[0] * g.kernel[1] * g.kernel[2]
        job.chunks = parts(of.sources // of.joint if of.filled else of.sources, CHUNK)
        job.kernel_at = up(CHUNK * job.kernel * width * g.itemsize, 64)
        job.scratch_size = job.kernel_at + up(
            FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL * width * g.itemsize, 64)

    cdef int pack(self, int threads) except -1:
        """Transform the weights to [block of filters][frequency][tap][filter] of each group, or
        [frequency][block of filters][tap][filter].
        """
        cdef const Layer *of = &self.layout.of
        cdef Packing job
        cdef Scratch scratch
        cdef Py_ssize_t itemsize = of.g.itemsize
        self.packed = acquire(max(self.layout.packed_size(), 1) * itemsize)
        self.aim_at(&job)
        job.packed = self.packed.data
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(pack_f32 if itemsize == 4 else pack_f64, &job,
                     of.groups * of.filter_blocks * job.chunks,
                     threads if self.layout.packed_size() > 1 << 18 else 1, 0.0)
        self.weight = None
        return 0

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """Convolve a batch; returns the images that hold values it cannot be trusted with."""
        cdef const Layer *of = &self.layout.of
        cdef Run job
        cdef Py_ssize_t itemsize = of.g.itemsize, tasks
        cdef Scratch scratch
        cdef cnp.ndarray refused
        if cnp.PyArray_SIZE(out) == 0:
            return None
        refused = np.zeros(cnp.PyArray_DIM(source, 0), np.int8)
        job.of = of
        job.source = cnp.PyArray_BYTES(source)
        job.source_image = cnp.PyArray_STRIDES(source)[0] // itemsize
        source_strides(source, False, of.g.channels_last, <int>of.g.rank, itemsize,
                       job.source_stride)
        job.refused = cnp.PyArray_BYTES(refused)
        job.exit.k = of.k
        job.exit.epilogue = &self.layout.desc.epilogue
        job.exit.out = cnp.PyArray_BYTES(out)
        job.exit.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.exit.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        # Weights that serve one task are transformed as they are needed: they stay in a cache.
        job.fresh = self.weight is not None
        if job.fresh:
            self.aim_at(&job.packing)
        tasks = self.layout.share_out(&job, cnp.PyArray_DIM(source, 0), threads)
        if self.weight is not None and not job.fresh:
            self.pack(threads)
        job.packed = NULL if job.fresh else self.packed.data
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(run_f32 if itemsize == 4 else run_f64, &job, tasks, threads,
                     self.layout.desc.flops(job.batch))
        if not refused.any():
            return None
        return refused.nonzero()[0].tolist()


cdef void pack_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_chunk(<Packing *>context, task, thread, <float *>NULL)


cdef void pack_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_chunk(<Packing *>context, task, thread, <double *>NULL)


cdef void pack_chunk(Packing *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    cdef const Layer *of = job.of
    cdef Py_ssize_t chunk = task % job.chunks, block = task // job.chunks % of.filter_blocks
    cdef Py_ssize_t group = task // (job.chunks * of.filter_blocks), start = block * 2 * of.k.lanes
    cdef Py_ssize_t width = min(2 * of.k.lanes, of.padded - start)
    cdef real_t *out = (<real_t *>job.packed) + weights_at(of, group, start, width, 0)
    pack_part(job, group, start, chunk * CHUNK, job.scratch + thread * job.scratch_size, out,
              weights_at(of, group, start, width, 1) - weights_at(of, group, start, width, 0))


cdef void pack_part(const Packing *job, Py_ssize_t group, Py_ssize_t start, Py_ssize_t chunk,
                    char *scratch, real_t *out, Py_ssize_t step) noexcept nogil:
    """Transform the kernels of one block of filters and some channels; `step` from frequency to
    frequency.
    """
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef real_t *lines = <real_t *>scratch          # [channel][place in the kernel][filter]
    cdef real_t *part = <real_t *>(scratch + job.kernel_at)   # one phase of a kernel
    cdef Py_ssize_t lanes = of.k.lanes
    cdef Py_ssize_t width = min(2 * lanes, of.padded - start)
    cdef Py_ssize_t kept = of.sources // of.joint if of.filled else of.sources
    cdef Py_ssize_t n = min(width, of.sinks - start), channels = min(CHUNK, kept - chunk)
    cdef Py_ssize_t tap, c, q, p0, p1, p2, i1, i2, j1, j2, n1, n2, r1, r2, sinks, sources
    cdef Py_ssize_t row_step, col_step, taps, spare = FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL
    cdef bint reverse = g.flip != of.backward
    cdef bint upright = not of.square and of.transformed[1]   # one line, along the middle axis
    cdef const real_t *weight
    cdef real_t *line
    cdef real_t *to
    if n < width or of.joint > 1 and not of.filled:
        memset(lines, 0, channels * job.kernel * width * sizeof(real_t))
    sinks, sources = of.sinks // of.joint, of.sources // of.joint  # of one group alone
    n //= of.joint
    for q in range(of.joint):
        line = lines + q * n + (0 if of.filled else q * sources * job.kernel * width)
        if of.backward:
            weight = (<const real_t *>job.weight) + (
                ((group * of.joint + q) * sources + chunk) * sinks + start) * job.kernel
            for c in range(min(channels, sources)):
                # Whole blocks are faster; what is too much of them the next channel overwrites,
                # or it stays between the lines and the part.
                taps = job.kernel
                if n == width and chunk + c + 1 < sources and up(taps, lanes) - taps <= spare:
                    taps = up(taps, lanes)
                fc_fetch(weight + (c + 2) * sinks * job.kernel, n * job.kernel * sizeof(real_t))
                of.k.transpose(n, taps, weight + c * sinks * job.kernel, job.kernel,
                               line + c * job.kernel * width, width)
        else:
            weight = (<const real_t *>job.weight) + (
                ((group * of.joint + q) * sinks + start) * sources + chunk) * job.kernel
            of.k.transpose(n, min(channels, sources) * job.kernel, weight, sources * job.kernel,
                           line, width)
            for c in range(n):  # the next chunk comes while this one is at work
                fc_fetch(weight + c * sources * job.kernel + CHUNK * job.kernel,
                         CHUNK * job.kernel * sizeof(real_t))
    r1 = of.r if of.transformed[1] else 1
    r2 = of.r if of.transformed[2] else 1
    for c in range(channels):
        for p0 in range(of.parts[0]):
            for p1 in range(of.parts[1]):
                for p2 in range(of.parts[2]):
                    j1 = part_at(of, 1, p1, g.stride[1])
                    j2 = part_at(of, 2, p2, g.stride[2])
                    tap = (p0 * g.kernel[1] + j1) * g.kernel[2] + j2
                    if reverse:
                        tap = job.kernel - 1 - tap
                    line = lines + (c * job.kernel + tap) * width
                    row_step = (-1 if reverse else 1) * g.stride[1] * g.kernel[2] * width
                    col_step = (-1 if reverse else 1) * g.stride[2] * width
                    n1 = parts(g.kernel[1] - j1, g.stride[1]) if of.transformed[1] else 1
                    n2 = parts(g.kernel[2] - j2, g.stride[2]) if of.transformed[2] else 1
                    if n1 < r1 or n2 < r2:   # the part goes on with zeros
                        for i1 in range(r1):
                            for i2 in range(r2):
                                to = part + (i1 * r2 + i2) * width
                                if i1 < n1 and i2 < n2:
                                    memcpy(to, line + i1 * row_step + i2 * col_step,
                                           width * sizeof(real_t))
                                else:
                                    memset(to, 0, width * sizeof(real_t))
                        line = part
                        row_step, col_step = r2 * width, width
                    tap = ((p0 * of.parts[1] + p1) * of.parts[2] + p2) * kept + chunk + c
                    of.k.winograd_weight[of.n - 4][of.r - 2][of.square](
                        width // lanes, line, row_step, row_step if upright else col_step,
                        out + tap * width, of.n * step, step, NULL)


cdef inline void input_tiles(const Layer *of, const Window *part, const real_t *window,
                             const Py_ssize_t *count, real_t *v,
                             Py_ssize_t v_step) noexcept nogil:
    """Transform the tiles of a window, for every part of the kernel, to their places in V.

    Where channels do not fill vectors, they pass all at once, and the last vector of a part
    writes over the beginning of the next, which is written after it.
    """
    cdef const Axis *axis = &of.axis[0]
    cdef Py_ssize_t r, q1, c, q2, p, p0, p1, p2, t, at
    cdef Py_ssize_t row_step = of.apart[1] * part.position[1]
    cdef Py_ssize_t col_step = of.apart[2] * part.position[2]
    cdef Py_ssize_t phases = of.phases[2] if of.side_by_side else 1   # that pass together
    cdef Py_ssize_t vectors = parts(part.channels * phases, of.k.lanes)
    if not of.square and of.transformed[1]:
        col_step = row_step   # one line, along the middle axis
    for r in range(count[1]):
        for q1 in range(of.maps[1]):
            for c in range(count[2]):
                for q2 in range(of.maps[2]):
                    p = ((r * of.maps[1] + q1) * count[2] + c) * of.maps[2] + q2
                    t = 0
                    for p0 in range(of.parts[0]):
                        for p1 in range(of.parts[1]):
                            for p2 from 0 <= p2 < of.parts[2] by phases:
                                at = axis[0].at[p0] * part.position[0]
                                at += part.position[1] * (r * axis[1].wstep + axis[1].at[
                                    part_at(of, 1, p1, of.apart[1]) + q1])
                                at += part.position[2] * (c * axis[2].wstep + axis[2].at[
                                    part_at(of, 2, p2, of.apart[2]) + q2])
                                of.k.winograd_input[of.n - 4][of.square](
                                    vectors, window + at, row_step, col_step,
                                    v + p * of.pitch + t * of.sources,
                                    of.n * v_step, v_step, NULL)
                                t += phases


cdef void make_input(const Run *job, char *scratch, real_t *v, const Py_ssize_t *first,
                     const Py_ssize_t *count, Py_ssize_t group, Py_ssize_t image, Py_ssize_t i,
                     Py_ssize_t chunk) noexcept nogil:
    """Transform some channels of a block of image number i of a task, from `chunk` on."""
    cdef const Layer *of = job.of
    cdef real_t *window = <real_t *>scratch
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef Window part = of.window
    part.channels = min(of.chunk, of.sources - chunk)
    memset(window + part.size, 0, part.slack * sizeof(real_t))
    aim(&part, first, count, words)
    fill(&part, words, (<const real_t *>job.source) + (image + i) * job.source_image
         + (group * of.sources + chunk) * job.source_stride[0], job.source_stride, of.k, window)
    input_tiles(of, &part, window, count,
                v + i * count[1] * count[2] * of.maps[1] * of.maps[2] * of.pitch + chunk,
                job.v_step)


cdef void run_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <float *>NULL)


cdef void run_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <double *>NULL)


cdef void run_block(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One block of spans of one image, or of several small ones."""
    cdef const Layer *of = job.of
    cdef const fc_kernels *k = of.k
    cdef const Axis *axis = &of.axis[0]
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *v = <real_t *>(scratch + job.v_at)
    cdef real_t *m = <real_t *>(scratch + job.m_at)
    cdef real_t *line = <real_t *>(scratch + job.line_at)
    cdef real_t *turned = <real_t *>(scratch + job.turned_at)
    cdef real_t *largest = <real_t *>(scratch + job.largest_at)
    cdef Py_ssize_t lanes = k.lanes
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t stride[3]
    cdef Py_ssize_t split, group, image, images, rows, columns, tiles, f, i, r, c, p, j, t
    cdef Py_ssize_t q1, q2, pieces, piece, block, last, start, n, width, chunk, pixels, out_row
    cdef Py_ssize_t block_sum, at, sink, together, fresh_step = 0
    cdef real_t *fresh = <real_t *>(scratch + job.fresh_at)
    cdef real_t *to
    cdef const real_t *u
    cdef real_t *vf
    cdef real_t *mf
    cdef Exit exit = job.exit
    cdef bint last_format = of.g.channels_last
    cdef bint upright = not of.square and of.transformed[1]   # one line, along the middle axis
    cdef int a

    # Which block this is.
    split = task % job.splits
    task //= job.splits
    for a in range(2, -1, -1):
        first[a] = task % of.blocks[a]
        task //= of.blocks[a]
    group = task % of.groups
    image = task // of.groups * job.images
    images = min(job.images, job.batch - image)
    first[1] *= of.rows
    first[2] *= of.columns
    count[0] = 1
    count[1] = rows = min(of.rows, axis[1].count - first[1])
    count[2] = columns = min(of.columns, axis[2].count - first[2])
    tiles = images * rows * of.maps[1] * columns * of.maps[2]

    for i in range(images):
        for chunk from 0 <= chunk < of.sources by of.chunk:
            make_input(job, scratch, v, first, count, group, image, i, chunk)

    # Where outputs lie.
    stride[2] = of.sinks * of.groups if last_format else 1
    stride[1] = stride[2] * of.sink_axis[2]
    stride[0] = stride[1] * of.sink_axis[1]
    exit.pixel_stride = stride[2]
    exit.channel_stride = 1 if last_format else stride[0] * of.sink_axis[0]
    pixels = min(columns * of.made[2], of.sink_axis[2] - first[2] * of.made[2])
    memset(largest, 0, images * lanes * sizeof(real_t))

    block = of.filter_blocks * split // job.splits
    last = of.filter_blocks * (split + 1) // job.splits
    pieces = parts(tiles, 2 * k.half)
    together = 1 if job.fresh else of.together
    while block < last:
        if job.fresh:
            start = block * 2 * lanes
            fresh_step = off(of.depth * min(2 * lanes, of.padded - start), lanes)
            for chunk from 0 <= chunk < job.packing.chunks * CHUNK by CHUNK:
                pack_part(&job.packing, group, start, chunk, scratch + job.pack_at, fresh,
                          fresh_step)
        # Multiply: the weights of one frequency and block of filters pass over all tiles.
        for f in range(of.frequencies):
            vf = v + f * job.v_step
            block_sum = sum_block(of, f)
            for j in range(block, min(last, block + together)):
                start = j * 2 * lanes
                width = min(2 * lanes, of.padded - start)
                if job.fresh:
                    u = fresh + f * fresh_step
                else:
                    u = (<const real_t *>job.packed) + weights_at(of, group, start, width, f)
                mf = m + ((j - block) * of.frequencies + f) * job.m_step
                if of.filled:
                    k.grouped_gemm[of.joint // 2 - 1](tiles, of.taps // lanes, vf, of.pitch, u, mf)
                    continue
                p = 0
                for piece in range(pieces, 0, -1):
                    n = (tiles - p) // piece
                    k.gemm[n - 1][width // lanes - 1](
                        of.taps, block_sum, vf + p * of.pitch, of.pitch, u, mf + p * width)
                    p += n
        # Transform back, a row of spans at a time, and send the outputs out.
        for j in range(block, min(last, block + together)):
            start = j * 2 * lanes
            width = min(2 * lanes, of.padded - start)
            n = min(width, of.sinks - start)
            out_row = (pixels if of.whole else columns * of.made[2]) * width
            at = ((group * of.sinks + start) * exit.channel_stride + first[0] * stride[0]
                  + first[2] * of.made[2] * stride[2])
            for i in range(images):
                sink = at + ((image + i) * of.groups * of.sinks * of.sink_axis[0]
                             * of.sink_axis[1] * of.sink_axis[2])
                for r in range(rows):
                    to = line + (r % of.lines) * of.made[1] * out_row
                    for q1 in range(of.maps[1]):
                        # from the right: what a row of tiles has too much is written over
                        for c in range(columns - 1, -1, -1):
                            for q2 in range(of.maps[2]):
                                p = ((i * rows + r) * of.maps[1] + q1) * columns + c
                                p = p * of.maps[2] + q2
                                k.winograd_output[of.n - 4][of.m - 2][of.square](
                                    width // lanes,
                                    m + (j - block) * of.frequencies * job.m_step + p * width,
                                    of.n * job.m_step, job.m_step,
                                    to + q1 * out_row + (c * of.made[2] + q2) * width,
                                    of.maps[1] * out_row,
                                    of.maps[1] * out_row if upright else of.maps[2] * width,
                                    largest + i * lanes)
                    if (r + 1) % of.lines and r + 1 < rows:
                        continue
                    p = (first[1] + r // of.lines * of.lines) * of.made[1]
                    t = min((r % of.lines + 1) * of.made[1], of.sink_axis[1] - p)
                    if of.whole:
                        emit(&exit, line, width, False, turned, t * pixels, n,
                             group * of.sinks + start, sink + p * stride[1])
                        continue
                    for c in range(t):
                        emit(&exit, line + c * out_row, width, False, turned, pixels, n,
                             group * of.sinks + start, sink + (p + c) * stride[1])
        block += together
    for i in range(images):
        if not trusted(largest + i * lanes, lanes):
            job.refused[image + i] = 1


cdef inline bint trusted(const real_t *largest, Py_ssize_t lanes) noexcept nogil:
    """Whether all magnitudes are numbers, and far from overflow."""
    cdef Py_ssize_t i
    cdef real_t limit
    if real_t is float:
        limit = 1e35
    else:
        limit = 1e300
    for i in range(lanes):
        if not largest[i] < limit:
            return False
    return True


# ---- the gradient of the weights ----
#
# grad_weight[i] = sum over t of x[t + i] grad_output[t]: for a tile of m outputs that is a
# correlation with r outputs whose kernel is the tile of grad_output, F(r, m), with the same n
# points and the same transform of x. The sum over tiles and images is taken before the transform
# back, so that it is a matrix product at each frequency, (channels x tiles) times
# (tiles x filters).

cdef struct Gradient:
    const Layer *of
    Axis grad_axis[3]        # whose outputs are spans, of grad_output
    Window grad_window
    Py_ssize_t channels      # taps, filled up to half tiles
    Py_ssize_t chunks        # of channels
    Py_ssize_t tiles         # of this block, and of the largest
    Py_ssize_t most_tiles
    Py_ssize_t first[3]      # this block
    Py_ssize_t count[3]
    Py_ssize_t group
    bint more                # not the first block: add to the sums
    bint per_sample
    Py_ssize_t unit, stop    # blocks of the batch, which a task of its own takes for
    Py_ssize_t splits        # so many ranges of filters
    char *first_x
    char *first_grad
    char *x                  # of this image
    char *grad
    char *out
    char *refused            # a byte for each task of the last step
    Py_ssize_t x_image, grad_image   # bytes
    Py_ssize_t x_stride[4]
    Py_ssize_t grad_stride[4]
    char *v                  # [frequency][tile][tap], for each range of filters
    char *g                  # [frequency][block of filters][tile][filter]
    char *sums               # [frequency][block of filters][tap][filter]
    Py_ssize_t *offset       # of each tile in v
    char *scratch            # of each thread
    Py_ssize_t sums_at, offset_at, scratch_at, scratch_size, words_at, v_size


cdef class GradientLayout:
    """How the gradient of the weights is blocked for one size of tile."""

    cdef Layout layout
    cdef Gradient job
    cdef Py_ssize_t *words

    def __cinit__(self, ConvDesc desc, Py_ssize_t m):
        cdef Layout layout = Layout(desc, False, m, False)
        cdef Layer *of = &layout.of
        cdef Gradient *job = &self.job
        cdef Py_ssize_t lanes = of.k.lanes, itemsize = desc.g.itemsize, words = 0, i, most, a_tile
        cdef Py_ssize_t lines, rows, columns
        cdef Axis *axis
        cdef int a
        self.layout = layout
        job.of = of
        for a in range(AXES):
            words += 2 * of.made[a]
        self.words = <Py_ssize_t *>malloc(words * sizeof(Py_ssize_t))
        if self.words == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        words = 0
        for a in range(AXES):
            axis = &job.grad_axis[a]
            axis.length = of.sink_axis[a]
            axis.mode = PAD_ZEROS
            axis.step = axis.taps = of.made[a]
            axis.count = of.axis[a].count
            axis.tap = self.words + words
            axis.at = axis.tap + axis.taps
            words += 2 * axis.taps
            for i in range(axis.taps):
                axis.tap[i] = i
        # as many spans as leave V and the transformed gradient within LARGE bytes
        job.channels = up(of.taps, of.k.half)
        a_tile = itemsize * of.frequencies * (of.pitch + of.padded)
        most = max(1, LARGE // (a_tile * of.maps[1] * of.maps[2]))
        columns = even(max(of.axis[2].count, 1), most)
        rows = even(max(of.axis[1].count, 1), max(1, most // columns))
        of.rows, of.columns = rows, columns
        of.chunk = of.sources if of.sources % lanes else lanes
        job.chunks = parts(of.sources, of.chunk)
        job.most_tiles = rows * columns * of.maps[1] * of.maps[2]
        of.window.channels = of.chunk
        job.grad_window.axis = job.grad_axis
        job.grad_window.channels = 2 * lanes
        job.grad_window.channels_last = True
        for a in range(AXES):
            lines = 1 if a == 0 else rows if a == 1 else columns
            block_axis(&of.axis[a], lines, False)
            block_axis(&job.grad_axis[a], lines, False)
            of.blocks[a] = parts(of.axis[a].count, lines)
        lay_out(&of.window, 0, lanes)
        lay_out(&job.grad_window, 0, lanes)
        of.side_by_side = (of.transformed[2] and of.phases[2] > 1 and of.chunk == of.sources
                           and of.window.position[2] == of.sources)
        job.v_size = up(of.frequencies * off(job.most_tiles * of.pitch, lanes) * itemsize
                        + 64 * lanes, 64)
        job.sums_at = up(
            of.frequencies * off(job.most_tiles * of.padded, lanes) * itemsize, 64)
        job.offset_at = job.sums_at + up(sums_at(job, of.frequencies, 0) * itemsize, 64)
        job.scratch_at = job.offset_at + up(job.most_tiles * sizeof(Py_ssize_t), 64)
        words = max(index_words(&of.window), index_words(&job.grad_window))
        job.words_at = up(itemsize * max(
            max(of.window.size + of.window.slack, job.grad_window.size + job.grad_window.slack),
            2 * lanes * (of.chunk * of.g.kernel[0] * of.g.kernel[1] * of.g.kernel[2]
                         + FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL)), 64)
        job.scratch_size = job.words_at + up(words * sizeof(Py_ssize_t), 64)

    def __dealloc__(self):
        free(self.words)

    cdef Py_ssize_t size(self, int threads) noexcept:
        return self.job.scratch_at + threads * self.job.scratch_size + (
            self.job.v_size * self.splits(threads))

    cdef Py_ssize_t splits(self, int threads) noexcept:
        """Ranges of filters whose gradients one thread each makes from the input on, since what
        one core makes is far from another; 1 where there are more threads than ranges, which
        then share every step.
        """
        return threads if threads <= self.layout.of.filter_blocks else 1

    cdef double seconds(self) noexcept:
        """Estimated time of one image on one thread."""
        cdef const Layer *of = &self.layout.of
        cdef double itemsize = of.g.itemsize, lanes = of.k.lanes, f = of.frequencies, n = of.n
        cdef double blocks = (<double>of.blocks[0]) * of.blocks[1] * of.blocks[2]
        cdef double tiles = self.job.most_tiles, sums, cycles, vectors
        sums = f * self.job.channels * of.padded
        cycles = blocks * sums * (tiles / (2 * lanes) / PRODUCTS + 4.0 / lanes)
        cycles += itemsize * sums * (2 * blocks + 1) / STREAM
        # transforms, and what they move between the caches
        vectors = max(of.taps / lanes, <double>of.parts[1]) + of.padded / lanes
        cycles += blocks * tiles * vectors * (2.0 * n * n if of.square else 5 * n)
        cycles += blocks * itemsize * f * tiles * (of.pitch + of.padded) / STREAM / 2
        cycles += sums / lanes * 4
        cycles += blocks * LINE * (of.axis[0].window * of.axis[1].window * of.sources
                                   + self.job.grad_axis[1].window * of.sinks)
        return STARTED + of.groups * cycles / CLOCK + self.layout.moved_seconds()


cdef GradientLayout gradient_layout(ConvDesc desc):
    """The layout with the size of tile that takes least time; kept with the description."""
    cdef GradientLayout best = None, layout
    best = desc.kept.get("winograd gradient")
    if best is None:
        r = kernel_length(&desc.g)
        for m in range(max(2, 5 - r), FC_WINOGRAD_KERNEL + 1):
            if m + r > 8 and best is not None:  # n = 8 has the largest errors
                break
            layout = GradientLayout(desc, m)
            if best is None or layout.seconds() < best.seconds():
                best = layout
        desc.kept["winograd gradient"] = best
    return best


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says; returns the images that hold values it cannot be
    trusted with.
    """
    cdef GradientLayout layout
    cdef const Layer *of
    cdef Gradient job
    cdef Scratch scratch
    cdef cnp.ndarray refused
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0), itemsize = desc.g.itemsize, blocks, units, image
    cdef Py_ssize_t group, kernel, places, most, i
    cdef double work = desc.flops(batch)  # of all blocks: Ctrl-C is heard between them
    cdef int rank = <int>desc.g.rank
    cdef bint single = itemsize == 4
    if cnp.PyArray_SIZE(out) == 0:
        return None
    if cnp.PyArray_SIZE(grad) == 0 or cnp.PyArray_SIZE(x) == 0:
        memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        return None
    layout = gradient_layout(desc)
    job = layout.job
    of = job.of
    source_strides(x, False, of.g.channels_last, rank, itemsize, job.x_stride)
    source_strides(grad, False, of.g.channels_last, rank, itemsize, job.grad_stride)
    job.x_image = cnp.PyArray_STRIDES(x)[0]
    job.grad_image = cnp.PyArray_STRIDES(grad)[0]
    job.first_x = cnp.PyArray_BYTES(x)
    job.first_grad = cnp.PyArray_BYTES(grad)
    job.per_sample = per_sample
    job.splits = layout.splits(threads)
    places = of.filter_blocks * job.chunks
    refused = np.zeros((batch, max(places, 1)), np.int8)
    scratch = acquire(layout.size(threads))
    job.g = scratch.data
    job.sums = scratch.data + job.sums_at
    job.offset = <Py_ssize_t *>(scratch.data + job.offset_at)
    job.scratch = scratch.data + job.scratch_at
    job.v = job.scratch + threads * job.scratch_size
    for i in range(job.most_tiles):
        job.offset[i] = i * of.pitch
    kernel = of.g.kernel[0] * of.g.kernel[1] * of.g.kernel[2]
    blocks = of.blocks[0] * of.blocks[1] * of.blocks[2]
    units = batch * blocks
    most = max(1, <Py_ssize_t>(units * of.groups * (SIGNAL_WORK / work))) if is_long(work) else units
    for group in range(of.groups):
        job.group = group
        job.stop = 0
        while job.stop < units:
            job.unit = job.stop
            if job.splits == threads:
                job.stop = min(units, job.unit + most)
                if per_sample:
                    job.stop = min(job.stop, (job.unit // blocks + 1) * blocks)
                parallel_for(range_f32 if single else range_f64, &job, job.splits, threads, 0.0)
            else:
                job.stop = job.unit + 1
                aim_unit(&job, job.unit)
                parallel_for(transform_f32 if single else transform_f64, &job,
                             job.chunks + of.filter_blocks, threads, 0.0)
                parallel_for(multiply_f32 if single else multiply_f64, &job,
                             of.frequencies * of.filter_blocks, threads, 0.0)
            if job.stop == units or per_sample and job.stop % blocks == 0:
                image = (job.stop - 1) // blocks
                job.out = cnp.PyArray_BYTES(out) + itemsize * kernel * of.sources * (
                    group * of.sinks + (image * of.g.filters if per_sample else 0))
                job.refused = cnp.PyArray_BYTES(refused) + image * max(places, 1)
                parallel_for(back_f32 if single else back_f64, &job, places, threads, 0.0)
            if is_long(work):
                PyErr_CheckSignals()
    if not refused.any():
        return None
    return refused.any(axis=1).nonzero()[0].tolist()


cdef void aim_unit(Gradient *job, Py_ssize_t unit) noexcept nogil:
    """Point `job` to one block of one image."""
    cdef const Layer *of = job.of
    cdef Py_ssize_t blocks = of.blocks[0] * of.blocks[1] * of.blocks[2]
    cdef Py_ssize_t image = unit // blocks, block = unit % blocks
    cdef int a
    job.more = (unit % blocks if job.per_sample else unit) > 0
    job.x = job.first_x + image * job.x_image
    job.grad = job.first_grad + image * job.grad_image
    job.tiles = of.maps[1] * of.maps[2]
    for a in range(2, -1, -1):
        job.first[a] = block % of.blocks[a] * of.axis[a].block
        job.count[a] = min(of.axis[a].block, of.axis[a].count - job.first[a])
        job.tiles *= job.count[a]
        block //= of.blocks[a]


cdef void range_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    filter_range(<const Gradient *>context, task, thread, <float *>NULL)


cdef void range_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    filter_range(<const Gradient *>context, task, thread, <double *>NULL)


cdef void filter_range(const Gradient *job, Py_ssize_t task, int thread,
                       real_t *kind) noexcept nogil:
    """The sums of one range of filters over some blocks."""
    cdef Gradient own = job[0]
    cdef Py_ssize_t filters = own.of.filter_blocks, unit, i, f
    cdef Py_ssize_t first = filters * task // own.splits, last = filters * (task + 1) // own.splits
    own.v = job.v + task * job.v_size
    for unit in range(job.unit, job.stop):
        aim_unit(&own, unit)
        for i in range(own.chunks):
            transform(&own, i, thread, kind)
        for i in range(first, last):
            transform(&own, own.chunks + i, thread, kind)
        for f in range(own.of.frequencies):
            for i in range(first, last):
                multiply(&own, f * filters + i, kind)


cdef void transform_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    transform(<Gradient *>context, task, thread, <float *>NULL)


cdef void transform_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    transform(<Gradient *>context, task, thread, <double *>NULL)


cdef void transform(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """A chunk of channels of this block's input, or a block of filters of its gradient."""
    cdef const Layer *of = job.of
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef Py_ssize_t lanes = of.k.lanes, chunk, start, width, n, r, c, q1, q2, p
    cdef Py_ssize_t columns = job.count[2], v_step = off(job.tiles * of.pitch, of.k.lanes), g_step
    cdef Py_ssize_t row_step, col_step
    cdef bint upright = not of.square and of.transformed[1]
    cdef real_t *v = <real_t *>job.v
    cdef real_t *g = <real_t *>job.g
    cdef Window part
    if task < job.chunks:
        chunk = task * of.chunk
        part = of.window
        part.channels = min(of.chunk, of.sources - chunk)
        memset(window + part.size, 0, part.slack * sizeof(real_t))
        aim(&part, job.first, job.count, words)
        fill(&part, words,
             (<const real_t *>job.x) + (job.group * of.sources + chunk) * job.x_stride[0],
             job.x_stride, of.k, window)
        input_tiles(of, &part, window, job.count, v + chunk, v_step)
        return
    start = (task - job.chunks) * 2 * lanes
    width = min(2 * lanes, of.padded - start)
    n = min(width, of.sinks - start)
    part = job.grad_window
    part.channels = n
    if n < width:
        memset(window, 0, (part.size + part.slack) * sizeof(real_t))
    aim(&part, job.first, job.count, words)
    fill(&part, words,
         (<const real_t *>job.grad) + (job.group * of.sinks + start) * job.grad_stride[0],
         job.grad_stride, of.k, window)
    g_step = off(job.tiles * of.padded, lanes)
    row_step = of.maps[1] * part.position[1]
    col_step = row_step if upright else of.maps[2] * part.position[2]
    for r in range(job.count[1]):
        for q1 in range(of.maps[1]):
            for c in range(columns):
                for q2 in range(of.maps[2]):
                    p = ((r * of.maps[1] + q1) * columns + c) * of.maps[2] + q2
                    of.k.winograd_weight[of.n - 4][of.m - 2][of.square](
                        width // lanes,
                        window + (r * job.grad_axis[1].wstep + q1) * part.position[1]
                        + (c * job.grad_axis[2].wstep + q2) * part.position[2],
                        row_step, col_step, g + start * job.tiles + p * width,
                        of.n * g_step, g_step, NULL)


cdef void multiply_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    multiply(<Gradient *>context, task, <float *>NULL)


cdef void multiply_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    multiply(<Gradient *>context, task, <double *>NULL)


cdef inline Py_ssize_t sums_at(const Gradient *job, Py_ssize_t f, Py_ssize_t start) noexcept nogil:
    """Where the sums of one frequency and block of filters lie; a tile may write beyond."""
    return start * job.channels + f * off(
        job.channels * job.of.padded + 4 * job.of.k.half * job.of.k.lanes, job.of.k.lanes)


cdef void multiply(Gradient *job, Py_ssize_t task, real_t *kind) noexcept nogil:
    """All channels with one block of filters, at one frequency."""
    cdef const Layer *of = job.of
    cdef Py_ssize_t lanes = of.k.lanes, half = of.k.half, c, halves
    cdef Py_ssize_t f = task // of.filter_blocks, start = task % of.filter_blocks * 2 * lanes
    cdef Py_ssize_t width = min(2 * lanes, of.padded - start)
    cdef const real_t *v = (<const real_t *>job.v) + f * off(job.tiles * of.pitch, lanes)
    cdef const real_t *g = (<const real_t *>job.g) + (
        f * off(job.tiles * of.padded, lanes) + job.tiles * start)
    cdef real_t *sums = (<real_t *>job.sums) + sums_at(job, f, start)
    for c from 0 <= c < job.channels by 2 * half:
        halves = 2 if c + half < job.channels else 1
        of.k.igemm[halves - 1][width // lanes - 1](
            job.tiles, job.offset, v + c, v + c + (halves - 1) * half, 1, g, sums + c * width,
            job.more)


cdef void back_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    back(<Gradient *>context, task, thread, <float *>NULL)


cdef void back_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    back(<Gradient *>context, task, thread, <double *>NULL)


cdef void back(Gradient *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """Transform the sums of a block of filters and chunk of channels to their kernels."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef real_t *lines = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef Py_ssize_t lanes = of.k.lanes
    cdef Py_ssize_t start = task // job.chunks * 2 * lanes
    cdef Py_ssize_t width = min(2 * lanes, of.padded - start), n = min(width, of.sinks - start)
    cdef Py_ssize_t chunk = task % job.chunks * of.chunk
    cdef Py_ssize_t channels = min(of.chunk, of.sources - chunk)
    cdef Py_ssize_t kernel = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef Py_ssize_t step = sums_at(job, 1, 0), c, p0, p1, p2, i1, i2, j1, j2, tap
    cdef Py_ssize_t r1 = of.r if of.transformed[1] else 1, r2 = of.r if of.transformed[2] else 1
    cdef const real_t *sums = (<const real_t *>job.sums) + sums_at(job, 0, start)
    cdef real_t *part = lines + channels * kernel * width   # one phase of a kernel
    cdef real_t *out = <real_t *>job.out
    cdef real_t largest[16]
    memset(largest, 0, sizeof(largest))
    for c in range(channels):
        for p0 in range(of.parts[0]):
            for p1 in range(of.parts[1]):
                for p2 in range(of.parts[2]):
                    tap = ((p0 * of.parts[1] + p1) * of.parts[2] + p2) * of.sources + chunk + c
                    of.k.winograd_output[of.n - 4][of.r - 2][of.square](
                        width // lanes, sums + tap * width, of.n * step, step, part,
                        r2 * width, width, largest)
                    for i1 in range(r1):
                        j1 = part_at(of, 1, p1, g.stride[1]) + i1 * g.stride[1]
                        for i2 in range(r2):
                            j2 = part_at(of, 2, p2, g.stride[2]) + i2 * g.stride[2]
                            if j1 < g.kernel[1] and j2 < g.kernel[2]:
                                tap = (p0 * g.kernel[1] + j1) * g.kernel[2] + j2
                                if g.flip:
                                    tap = kernel - 1 - tap
                                memcpy(lines + (c * kernel + tap) * width,
                                       part + (i1 * r2 + i2) * width, width * sizeof(real_t))
    of.k.transpose(channels * kernel, n, lines, width,
                   out + (start * of.sources + chunk) * kernel, of.sources * kernel)
    if not trusted(largest, lanes):
        job.refused[task] = 1


# ---- the record ----

def supports(ConvDesc desc, which):
    """None, or why not."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t r = phase_length(g)
    cdef int a
    if g.channels == 0 or g.filters == 0:
        return "needs channels"
    if not 2 <= r <= SECTIONS * FC_WINOGRAD_KERNEL:
        return (f"needs a kernel that is 2 to {SECTIONS * FC_WINOGRAD_KERNEL} times as long as its "
                f"stride along the last two axes, or one of them; here it is {r} times")
    for a in range(1, AXES):
        if parts(g.kernel[a], g.stride[a]) > 1:
            if g.stride[a] > 1 and g.dilation[a] > 1:
                return "needs a stride or a dilation of 1 along each axis"
            if max(g.stride[a], g.dilation[a]) > LARGEST_STEP:
                return f"needs strides and dilations of {LARGEST_STEP} at most"
    if which == BACKWARD_DATA and max(g.stride[0], g.stride[1], g.stride[2]) > 1:
        return "needs stride 1 in the gradient of the input"
    return None


def workspace(ConvDesc desc, which, int threads):
    if supports(desc, which) is not None:
        return 0
    if which == BACKWARD_WEIGHT:
        return gradient_layout(desc).size(threads)
    return layout_for(desc, which).workspace(threads)


def cost(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    cdef double seconds
    if which == BACKWARD_WEIGHT:
        seconds = gradient_layout(desc).seconds()
    else:
        seconds = layout_for(desc, which).seconds()
    return Cost(arithmetic=seconds)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights transformed for one pass of one layer; None where they are not finite.

    A call does without this look at them: the outputs tell.
    """
    cdef Winograd winograd
    if desc.planned:
        with np.errstate(all="ignore"):
            if not np.isfinite(weight.sum()):
                return None
    winograd = Winograd(layout_for(desc, which), weight)
    if desc.planned:
        winograd.pack(threads)
    return winograd


ALGORITHM = Algorithm(
    name="winograd", passes=PASSES, tier="high",
    supports=supports, workspace=workspace, cost=cost, prepare=prepare,
    weight_gradient=weight_gradient,
)


def blocking(ConvDesc desc, which):
    """How one pass is blocked, for tests and for the curious."""
    cdef Layout layout = layout_for(desc, which)
    cdef Layer *of = &layout.of
    return {"m": of.m, "n": of.n, "rows": of.rows, "columns": of.columns, "together": of.together,
            "chunk": of.chunk, "blocks": (of.blocks[0], of.blocks[1], of.blocks[2]),
            "seconds": layout.seconds(), "window": of.window.size, "pitch": of.pitch}
