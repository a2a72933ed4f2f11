"""Winograd: convolutions with kernels of length three by fewer multiplications.

F(m, 3) computes m neighbouring outputs of a kernel of length three from m + 2 inputs with m + 2
multiplications in place of 3 m; F(m x m, 3 x 3) does so on both axes, with (m + 2)^2 in place of
9 m^2. Input tiles and weights are transformed, multiplied *at each frequency* (a position of the
transformed tile), where the sum over channels makes a matrix product, and transformed back.

    V[f] = B' d B        for every tile and channel
    M[f] = V[f] U[f]     (tiles x channels) times (channels x filters)
    y    = A' M A        for every tile and filter

A task takes a block of tiles through all three steps, so that V and M stay in the cache; only
the transformed weights U stream by. Channels lie in the lanes of the transforms, so that a tile
is loaded and stored in whole vectors; the product is the `tile` kernel of direct convolution.

The last two axes are transformed, where the kernel has length three; a kernel of any length
along the first axis of a volume joins the sum over channels. backward_data is the same with
reversed kernels. Values mix within a tile, so an image with a NaN, an infinity, or numbers near
overflow is refused (see _fallback.py).

Sources: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast
algorithms for convolutional neural networks" (CVPR 2016); Barabasz et al., "Error analysis and
improving the accuracy of Winograd convolution for deep neural networks" (TOMS 2020).
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

cimport numpy as cnp

from fastconv._core.cost cimport CLOCK, peak
from fastconv._core.epilogue cimport Exit, emit, turned_size
from fastconv._core.integers cimport even, up
from fastconv._core.scratch cimport CACHE, Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.window cimport (
    Axis, Window, aim, block_axis, fill, index_words, lay_out, real_t, source_strides,
)
from fastconv._desc cimport AXES, PAD_ZEROS, ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels, kernels

from fastconv._algorithms.record import BACKWARD_DATA, FORWARD, Algorithm

cnp.import_array()

TILES = 2, 4, 6       # the m to choose from

cdef enum:
    CHUNK = 192       # channels whose weights share the first-level cache with the tiles
    SHORT = 16        # and where sums are cut shorter to keep rounding errors small
    LARGE = 12 << 20  # bytes of V and M, where they need not stay in the second-level cache

# The cost model (docs/algorithms/choice.rst): seconds for a call, and for each transformed weight
# of few and of more than twice the cache,
cdef double STARTED = 10e-6, PACKED = 1.4e-9, PACKED_BEYOND = 2.2e-9
cdef double PRODUCTS = 0.85   # products: part of the multiply-add peak
cdef double STREAM = 8.0      # bytes a cycle from the third-level cache
cdef double LINE = 40.0       # cycles to begin a row of one channel: it is on another page

cdef struct Layer:
    const conv_geometry *g
    const fc_kernels *k
    bint backward
    Py_ssize_t groups, sources, sinks     # channels per group, read and written
    Py_ssize_t sink_axis[3]
    Py_ssize_t m, frequencies
    bint square                           # both of the last two axes are transformed
    Py_ssize_t made[3]                    # outputs of a tile along each axis
    Py_ssize_t read[3]                    # and inputs
    Axis axis[3]                          # whose outputs are tiles
    Window window                         # of one row of tiles, for `chunk` channels
    Py_ssize_t chunk
    Py_ssize_t rows, columns              # tiles of a task
    Py_ssize_t together                   # blocks of filters that share a pass over V
    Py_ssize_t blocks[3]                  # tasks along each axis
    Py_ssize_t taps                       # length of the sums
    Py_ssize_t pitch                      # of V, from tile to tile
    Py_ssize_t depth                      # of V, from one tap along the first axis to the next
    Py_ssize_t filter_blocks, padded      # of 2 * lanes sinks; sinks, filled up to lanes
    Py_ssize_t *offset                    # of each tap in V
    Py_ssize_t *words                     # what the axes point into


cdef class Layout:
    """How one pass of one description is blocked for one size of tile."""

    cdef ConvDesc desc
    cdef Layer of

    def __cinit__(self, ConvDesc desc, bint backward, Py_ssize_t m):
        cdef conv_geometry *g = &desc.g
        cdef Layer *of = &self.of
        cdef Py_ssize_t words = 0, t, i, c, before
        cdef Py_ssize_t *word
        cdef Axis *axis
        cdef int a
        self.desc = desc
        of.g = g
        of.k = &kernels().f32 if g.itemsize == 4 else &kernels().f64
        of.backward = backward
        of.groups = g.groups
        of.sources = (g.filters if backward else g.channels) // g.groups
        of.sinks = (g.channels if backward else g.filters) // g.groups
        of.m = m
        of.square = g.kernel[1] == 3 and g.kernel[2] == 3
        of.frequencies = (m + 2) * (m + 2) if of.square else m + 2
        of.taps = g.kernel[0] * of.sources
        for a in range(AXES):
            transformed = a > 0 and g.kernel[a] == 3
            of.made[a] = m if transformed else 1
            of.read[a] = m + 2 if transformed else g.kernel[a]
            words += 2 * of.read[a]
        of.words = <Py_ssize_t *>malloc((words + of.taps + 1) * sizeof(Py_ssize_t))
        if of.words == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        word = of.words
        for a in range(AXES):
            axis = &of.axis[a]
            of.sink_axis[a] = g.input[a] if backward else g.output[a]
            # a gradient meets the kernel reversed, from the other end
            before = g.kernel[a] - 1 - g.before[a] if backward else g.before[a]
            axis.length = g.output[a] if backward else g.input[a]
            axis.mode = PAD_ZEROS if backward else g.padding_mode
            axis.step = of.made[a]
            axis.taps = of.read[a]
            axis.count = (of.sink_axis[a] + of.made[a] - 1) // of.made[a]
            axis.tap = word
            axis.at = word + axis.taps
            word += 2 * axis.taps
            for i in range(axis.taps):
                axis.tap[i] = i - before
        self.make_blocks()
        of.offset = word
        t = 0
        for i in range(g.kernel[0]):
            for c in range(of.sources):
                of.offset[t] = i * of.depth + c
                t += 1

    def __dealloc__(self):
        free(self.of.words)

    cdef int make_blocks(self) except -1:
        """Choose the block of tiles of a task: the one that takes least time by `cycles`.

        Either V and the M of one block of filters stay in the second-level cache, and V is read
        again for each; or, where the transformed weights do not fit beside them and would
        stream by for every block, blocks are large, and V and M pass through the next cache.
        """
        cdef Layer *of = &self.of
        cdef Py_ssize_t itemsize = self.desc.g.itemsize, lanes = of.k.lanes, half = of.k.half
        cdef Py_ssize_t rows = max(of.axis[1].count, 1), columns = max(of.axis[2].count, 1)
        cdef Py_ssize_t parts, most, best_rows = 1, best_columns = 1, best_together = 1
        cdef double best = -1, cycles
        of.depth = up(of.sources, lanes)
        # an odd number of vectors: neighbouring tiles stay off the same sets of the cache
        of.pitch = (of.depth * of.g.kernel[0] // lanes | 1) * lanes
        of.filter_blocks = up(of.sinks, 2 * lanes) // (2 * lanes)
        of.padded = up(of.sinks, lanes)
        of.window.axis = of.axis
        of.window.channels_last = True
        for together in (1, of.filter_blocks):
            budget = CACHE // 2 if together == 1 else LARGE
            most = budget // (itemsize * of.frequencies * (
                of.pitch + (0 if together == 1 else 2 * lanes * together)))
            most = max(2 * half, most)
            for parts in range(1, 1 + min(columns, 64)):
                of.together = together
                of.columns = even(columns, (columns + parts - 1) // parts)
                if of.columns > most:
                    continue
                of.rows = even(rows, max(1, most // of.columns))
                cycles = self.cycles()
                if best < 0 or cycles < best:
                    best = cycles
                    best_rows, best_columns, best_together = of.rows, of.columns, together
            if best < 0:
                best_columns = even(columns, most)
        of.rows, of.columns, of.together = best_rows, best_columns, best_together
        block_axis(&of.axis[0], 1, False)
        block_axis(&of.axis[1], of.rows, False)
        block_axis(&of.axis[2], of.columns, False)
        of.chunk = of.sources
        while True:
            of.window.channels = of.chunk
            lay_out(&of.window, 0, lanes)
            if of.window.size * itemsize <= CACHE // 8 or of.chunk <= lanes:
                break
            of.chunk = up(even(of.chunk, of.chunk // 2), lanes)
        of.blocks[0] = of.axis[0].count
        of.blocks[1] = (of.axis[1].count + of.rows - 1) // of.rows
        of.blocks[2] = (of.axis[2].count + of.columns - 1) // of.columns
        return 0

    cdef double seconds(self) except -1:
        """Estimated time of one image on one thread, with the transform of the weights."""
        cdef double packed = self.packed_size(), seconds = STARTED + self.cycles() / CLOCK
        if not self.desc.planned:
            seconds += packed * (
                PACKED if packed * self.desc.g.itemsize <= 2 * CACHE else PACKED_BEYOND)
        return seconds

    cdef double cycles(self) noexcept:
        """Estimated time of one image on one thread, in cycles.

        Products, with the lanes and tiles that stay empty, at `PRODUCTS` of the peak; traffic
        with what lies behind the second-level cache, at `STREAM` bytes a cycle; and transforms,
        which move every element some times between the first two caches.
        """
        cdef Layer *of = &self.of
        cdef double lanes = of.k.lanes, itemsize = self.desc.g.itemsize
        cdef double blocks = (<double>max(of.axis[0].count, 1)) * (
            (max(of.axis[1].count, 1) + of.rows - 1) // of.rows) * (
            (max(of.axis[2].count, 1) + of.columns - 1) // of.columns)
        cdef double tiles = of.rows * of.columns
        cdef double padded = up(of.rows * of.columns, of.k.half)
        cdef double weights = itemsize * of.frequencies * of.taps * of.padded
        cdef double v = itemsize * of.frequencies * padded * of.pitch
        cdef double m = itemsize * of.frequencies * padded * 2 * lanes * of.together
        cdef double window = (of.read[1] + (of.rows - 1) * of.made[1]) * (
            of.read[2] + (of.columns - 1) * of.made[2])
        cdef double cycles = padded * of.frequencies * of.taps * of.padded / (2 * lanes) / (
            PRODUCTS if of.m < 6 or not of.square else PRODUCTS * 0.85)
        cdef double traffic = 0
        if weights + v + m > 0.8 * CACHE:
            traffic = weights
            if v + m > 0.8 * CACHE:
                # written once, read once for every group of filters
                traffic += v * (1 + of.filter_blocks / of.together) + (
                    2 * m * of.filter_blocks / of.together)
        cycles += traffic / STREAM
        cycles += (window * of.taps + 0.5 * tiles * of.frequencies * (of.taps + of.padded)
                   + tiles * of.made[1] * of.made[2] * of.padded) * 4 / lanes
        cycles += LINE * ((of.read[1] + (of.rows - 1) * of.made[1]) * of.taps
                          + of.rows * of.made[1] * of.padded)
        return of.groups * blocks * cycles

    cdef Py_ssize_t scratch(self, Run *job) noexcept:
        """Scratch memory of a thread: window, V, M, a row of outputs, its transpose."""
        cdef const Layer *of = &self.of
        cdef Py_ssize_t itemsize = self.desc.g.itemsize, lanes = of.k.lanes
        cdef Py_ssize_t tiles = up(job.images * of.rows * of.columns, of.k.half), line
        line = of.columns * of.made[2] * 2 * lanes
        job.v_step = tiles * of.pitch
        job.m_step = tiles * 2 * lanes
        job.v_at = up((of.window.size + of.window.slack) * itemsize, 64)
        job.m_at = job.v_at + up(of.frequencies * job.v_step * itemsize, 64)
        job.line_at = job.m_at + up(
            of.together * of.frequencies * job.m_step * itemsize, 64)
        job.turned_at = job.line_at + up(of.made[1] * line * itemsize, 64)
        job.words_at = job.turned_at + up(
            turned_size(of.k, 2 * lanes, of.columns * of.made[2]) * itemsize, 64)
        job.largest_at = job.words_at + up(index_words(&of.window) * sizeof(Py_ssize_t), 64)
        return job.largest_at + up(job.images * lanes * itemsize, 64) + 64

    cdef Py_ssize_t share_out(self, Run *job, Py_ssize_t batch, int threads) noexcept:
        """Cut the work into tasks; returns how many. Sums do not depend on how."""
        cdef const Layer *of = &self.of
        cdef Py_ssize_t tasks, size, tiles = of.rows * of.columns
        job.batch = batch
        job.images = 1
        if of.blocks[0] * of.blocks[1] * of.blocks[2] == 1:
            # Several small images share a task, so that the weights stream once for all.
            size = self.desc.g.itemsize * of.frequencies * tiles
            job.images = max(1, min(batch, LARGE // (
                size * (of.pitch + 2 * of.k.lanes * of.together))))
            if threads > 1:
                job.images = min(job.images, max(1, (batch + threads - 1) // threads))
            job.images = even(batch, job.images)
        job.n_images = (batch + job.images - 1) // job.images
        tasks = job.n_images * of.groups * of.blocks[0] * of.blocks[1] * of.blocks[2]
        # Filters are split only where there are too few tasks: each part transforms its input.
        job.splits = 1
        if threads > 1 and 0 < tasks < 3 * threads:
            job.splits = min(of.filter_blocks, (3 * threads + tasks - 1) // tasks)
        job.scratch_size = self.scratch(job)
        return tasks * job.splits

    cdef Py_ssize_t packed_size(self) noexcept:
        return self.of.groups * self.of.frequencies * self.of.taps * self.of.padded

    def workspace(self, int threads):
        """Bytes of scratch memory of a call, transformed weights included."""
        cdef Run job
        self.share_out(&job, 1 << 20, threads)  # images may share a task's scratch
        return job.scratch_size * threads + self.packed_size() * self.desc.g.itemsize

cdef Layout layout_for(ConvDesc desc, which):
    """The layout with the size of tile that takes least time; kept with the description."""
    cdef Layout best = None, layout
    key = "winograd", which, TILES
    best = desc.kept.get(key)
    if best is None:
        for m in TILES:
            layout = Layout(desc, which == BACKWARD_DATA, m)
            if best is None or layout.cycles() < best.cycles():
                best = layout
        desc.kept[key] = best
    return best


cdef struct Packing:
    const Layer *of
    char *weight
    char *packed
    char *scratch
    Py_ssize_t scratch_size
    Py_ssize_t stride[5]
    Py_ssize_t group, sink, source


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
    Py_ssize_t scratch_size, v_at, m_at, line_at, turned_at, words_at, largest_at


cdef class Winograd:
    """A layer with transformed weights, for any batch."""

    cdef Layout layout
    cdef Scratch packed

    def __cinit__(self, Layout layout):
        self.layout = layout

    cdef int pack(self, cnp.ndarray weight, int threads) except -1:
        """Transform the weights to [group][block of filters][frequency][tap][filter]."""
        cdef const Layer *of = &self.layout.of
        cdef const conv_geometry *g = of.g
        cdef Packing job
        cdef Scratch scratch
        cdef Py_ssize_t itemsize = g.itemsize
        cdef int i
        self.packed = acquire(max(self.layout.packed_size(), 1) * itemsize)
        job.of = of
        job.weight = cnp.PyArray_BYTES(weight)
        job.packed = self.packed.data
        for i in range(5):
            job.stride[i] = 0
        job.stride[0] = cnp.PyArray_STRIDES(weight)[0] // itemsize
        job.stride[1] = cnp.PyArray_STRIDES(weight)[1] // itemsize
        for i in range(<int>g.rank):
            job.stride[5 - g.rank + i] = cnp.PyArray_STRIDES(weight)[2 + i] // itemsize
        job.group = g.filters // of.groups * job.stride[0]
        job.sink, job.source = job.stride[0], job.stride[1]
        if of.backward:
            job.sink, job.source = job.source, job.sink
        job.scratch_size = up(9 * 2 * of.k.lanes * itemsize, 64)
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(pack_f32 if itemsize == 4 else pack_f64, &job,
                     of.groups * of.filter_blocks * of.taps, threads, 0.0)
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
        job.packed = self.packed.data
        job.refused = cnp.PyArray_BYTES(refused)
        job.exit.k = of.k
        job.exit.epilogue = &self.layout.desc.epilogue
        job.exit.out = cnp.PyArray_BYTES(out)
        job.exit.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.exit.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        tasks = self.layout.share_out(&job, cnp.PyArray_DIM(source, 0), threads)
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(run_f32 if itemsize == 4 else run_f64, &job, tasks, threads,
                     self.layout.desc.flops(job.batch))
        if not refused.any():
            return None
        return refused.nonzero()[0].tolist()


cdef void pack_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_tap(<Packing *>context, task, thread, <float *>NULL)


cdef void pack_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    pack_tap(<Packing *>context, task, thread, <double *>NULL)


cdef void pack_tap(Packing *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """Transform the kernels of one block of filters and one channel."""
    cdef const Layer *of = job.of
    cdef const conv_geometry *g = of.g
    cdef real_t *lines = <real_t *>(job.scratch + thread * job.scratch_size)
    cdef Py_ssize_t lanes = of.k.lanes
    cdef Py_ssize_t tap = task % of.taps
    cdef Py_ssize_t block = task // of.taps % of.filter_blocks
    cdef Py_ssize_t group = task // (of.taps * of.filter_blocks)
    cdef Py_ssize_t start = block * 2 * lanes
    cdef Py_ssize_t width = min(2 * lanes, of.padded - start)
    cdef Py_ssize_t n = min(width, of.sinks - start)
    cdef Py_ssize_t j0 = tap // of.sources, j1, j2, at
    cdef Py_ssize_t step = of.taps * width
    cdef bint reverse = g.flip != of.backward
    cdef real_t *out = (<real_t *>job.packed) + (
        of.frequencies * of.taps * (group * of.padded + start) + tap * width)
    cdef const real_t *weight = (<const real_t *>job.weight) + (
        group * job.group + start * job.sink + tap % of.sources * job.source)
    if n < width:
        memset(lines, 0, 9 * width * sizeof(real_t))
    for j1 in range(g.kernel[1]):
        for j2 in range(g.kernel[2]):
            if reverse:
                at = ((g.kernel[0] - 1 - j0) * job.stride[2]
                      + (g.kernel[1] - 1 - j1) * job.stride[3]
                      + (g.kernel[2] - 1 - j2) * job.stride[4])
            else:
                at = j0 * job.stride[2] + j1 * job.stride[3] + j2 * job.stride[4]
            of.k.gather(n, weight + at, job.sink, lines + (j1 * g.kernel[2] + j2) * width)
    of.k.winograd_weight[of.m // 2 - 1][of.square](
        width // lanes, lines, 3 * width, width, out, (of.m + 2) * step, step, NULL)


cdef void run_f32(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <float *>NULL)


cdef void run_f64(void *context, Py_ssize_t task, int thread) noexcept nogil:
    run_block(<Run *>context, task, thread, <double *>NULL)


cdef void run_block(Run *job, Py_ssize_t task, int thread, real_t *kind) noexcept nogil:
    """One block of tiles of one image, or of several small ones."""
    cdef const Layer *of = job.of
    cdef const fc_kernels *k = of.k
    cdef const Axis *axis = &of.axis[0]
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef real_t *window = <real_t *>scratch
    cdef real_t *v = <real_t *>(scratch + job.v_at)
    cdef real_t *m = <real_t *>(scratch + job.m_at)
    cdef real_t *line = <real_t *>(scratch + job.line_at)
    cdef real_t *turned = <real_t *>(scratch + job.turned_at)
    cdef Py_ssize_t *words = <Py_ssize_t *>(scratch + job.words_at)
    cdef real_t *largest = <real_t *>(scratch + job.largest_at)
    cdef Py_ssize_t lanes = k.lanes, half = k.half, size = of.m // 2 - 1
    cdef Py_ssize_t first[3]
    cdef Py_ssize_t count[3]
    cdef Py_ssize_t stride[3]
    cdef Py_ssize_t split, group, image, images, rows, columns, tiles, f, i, r, c, p, j, t
    cdef Py_ssize_t block, last, start, n, width, tap, chunk, pixels, row_step, col_step, out_row
    cdef const real_t *u
    cdef const real_t *source
    cdef real_t *vf
    cdef real_t *mf
    cdef Window part = of.window
    cdef Exit exit = job.exit
    cdef bint last_format = of.g.channels_last
    cdef Py_ssize_t taps = SHORT if of.m == 6 and of.square else CHUNK
    cdef bint upright = not of.square and of.made[1] > 1   # one line, along the middle axis
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
    tiles = images * rows * columns

    # Transform the input, some channels at a time. What fills up the last half tile of the
    # products is zero, since leftovers could be denormal numbers, which are slow.
    for f in range(of.frequencies):
        memset(v + f * job.v_step + tiles * of.pitch, 0,
               (up(tiles, half) - tiles) * of.pitch * sizeof(real_t))
    row_step = part.position[1]
    col_step = part.position[1] if upright else part.position[2]
    memset(window + part.size, 0, part.slack * sizeof(real_t))
    aim(&part, first, count, words)
    for i in range(images):
        for chunk from 0 <= chunk < of.sources by of.chunk:
            part.channels = min(of.chunk, of.sources - chunk)
            source = (<const real_t *>job.source) + (
                (image + i) * job.source_image
                + (group * of.sources + chunk) * job.source_stride[0])
            fill(&part, words, source, job.source_stride, k, window)
            for p in range(rows * columns):
                for t in range(of.g.kernel[0]):
                    k.winograd_input[size][of.square](
                        up(part.channels, lanes) // lanes,
                        window + (axis[0].at[t] * part.position[0]
                                  + p // columns * axis[1].wstep * part.position[1]
                                  + p % columns * axis[2].wstep * part.position[2]),
                        row_step, col_step,
                        v + (i * rows * columns + p) * of.pitch + t * of.depth + chunk,
                        (of.m + 2) * job.v_step, job.v_step, NULL)

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
    while block < last:
        # Multiply: the weights of one frequency and block of filters pass over all tiles.
        for f in range(of.frequencies):
            vf = v + f * job.v_step
            for j in range(block, min(last, block + of.together)):
                start = j * 2 * lanes
                width = min(2 * lanes, of.padded - start)
                u = (<const real_t *>job.packed) + of.taps * (
                    of.frequencies * (group * of.padded + start) + f * width)
                mf = m + ((j - block) * of.frequencies + f) * job.m_step
                for tap from 0 <= tap < of.taps by taps:
                    for p from 0 <= p < tiles by 2 * half:
                        a = 2 if p + half < tiles else 1
                        k.tile[a - 1][width // lanes - 1](
                            min(taps, of.taps - tap), of.offset + tap, vf + p * of.pitch,
                            vf + (p + (a - 1) * half) * of.pitch, of.pitch, u + tap * width,
                            mf + p * width, tap > 0)
        # Transform back, a row of tiles at a time, and send the outputs out.
        for j in range(block, min(last, block + of.together)):
            start = j * 2 * lanes
            width = min(2 * lanes, of.padded - start)
            n = min(width, of.sinks - start)
            out_row = columns * of.made[2] * width
            for i in range(images):
                for r in range(rows):
                    for c in range(columns):
                        p = (i * rows + r) * columns + c
                        k.winograd_output[size][of.square](
                            width // lanes, m + (j - block) * of.frequencies * job.m_step
                            + p * width, (of.m + 2) * job.m_step, job.m_step,
                            line + c * of.made[2] * width, out_row,
                            out_row if upright else width, largest + i * lanes)
                    for t in range(of.made[1]):
                        p = (first[1] + r) * of.made[1] + t
                        if p < of.sink_axis[1]:
                            emit(&exit, line + t * out_row, width, False, turned, pixels, n,
                                 group * of.sinks + start,
                                 ((image + i) * of.groups * of.sinks * of.sink_axis[0]
                                  * of.sink_axis[1] * of.sink_axis[2])
                                 + (group * of.sinks + start) * exit.channel_stride
                                 + first[0] * stride[0] + p * stride[1]
                                 + first[2] * of.made[2] * stride[2])
        block += of.together
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


# ---- the record ----

def supports(ConvDesc desc, which):
    """None, or why not."""
    cdef conv_geometry *g = &desc.g
    cdef int a
    if g.kernel[1] != 3 and g.kernel[2] != 3 or any([g.kernel[a] not in (1, 3) for a in (1, 2)]):
        return "needs a kernel of length 3 along the last two axes, or one of them"
    for a in range(AXES):
        if g.stride[a] != 1:
            return "needs stride 1"
        if g.dilation[a] != 1:
            return "needs dilation 1"
    return None


def workspace(ConvDesc desc, which, int threads):
    if supports(desc, which) is not None:
        return 0
    return layout_for(desc, which).workspace(threads)


def efficiency(ConvDesc desc, which):
    """By the seconds that one image takes on one thread: docs/algorithms/choice.rst."""
    return desc.flops() / (layout_for(desc, which).seconds() * peak(desc.g.itemsize))


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Weights transformed for one pass of one layer; None where they are not finite."""
    cdef Winograd winograd
    with np.errstate(all="ignore"):
        if not np.isfinite(weight.sum()):
            return None
    winograd = Winograd(layout_for(desc, which))
    winograd.pack(weight, threads)
    return winograd


ALGORITHM = Algorithm(
    name="winograd", passes=(FORWARD, BACKWARD_DATA), tier="high",
    supports=supports, workspace=workspace, efficiency=efficiency, prepare=prepare,
    weight_gradient=None,
)


def blocking(ConvDesc desc, which):
    """How one pass is blocked, for tests and for the curious."""
    cdef Layout layout = layout_for(desc, which)
    cdef Layer *of = &layout.of
    return {"m": of.m, "rows": of.rows, "columns": of.columns, "together": of.together,
            "chunk": of.chunk, "blocks": (of.blocks[0], of.blocks[1], of.blocks[2]),
            "seconds": layout.seconds(), "window": of.window.size, "pitch": of.pitch}
