"""The gradient of weights by integers of 8 and 16 bits, as words: exact.

A weight's gradient is the sum of products of two images: its filter's gradient, and its channel,
moved by its tap. Both lie in rows of the same length, gradients with zeros where a row's window
would leave the image, so that a whole plane is one row; a stride's phases have planes of their own,
and images follow each other. Sums of lanes have 32 bits, and are added to 64 before these pass.
"""
import itertools

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int16_t, int64_t

from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.machine cimport CLOCK
from fastconv._core.padding cimport AXES, PAD_CONSTANT, PAD_ZEROS
from fastconv._core.threads cimport parallel_for
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport have_bytes
from fastconv._kernels.dispatch cimport fc_kernels, kernels

cnp.import_array()

cdef enum:
    STRIP = 1 << 20         # words of images and gradients that are laid out at a time
    RUN = 2048              # of a row, 4 KB: gradients of some filters stay in the nearest cache
    SHORTEST_RUN = 8        # vectors between two sums of 64 bits
    TASK_FILTERS = 4

WORDS_HOLD = (1 << 15) - 1
LANES_HOLD = (1 << 31) - 1

cdef double STRIP_SECONDS = 90e-6    # of a strip, laid out by NumPy,
cdef double TAP_SECONDS = 3.5e-6     # of a tap, whose place is found,
cdef double WORD_SECONDS = 0.5e-9    # and of a word of it
cdef double SUM_SECONDS = 1e-9       # of a sum of 32 bits added to one of 64
cdef double RESULT_SECONDS = 3e-9    # of one of 64 bits, cleared and copied

# What the tasks of one strip read and write.
cdef struct Job:
    const fc_kernels *kernels
    const int16_t *g
    const int16_t *x
    const Py_ssize_t *offset        # of each channel of a group and tap
    int64_t *sums
    Py_ssize_t filters, blocks      # of a group, and blocks of them
    Py_ssize_t group                # words of a group of x
    Py_ssize_t taps                 # of all channels of a group
    Py_ssize_t g_row, run


cdef Py_ssize_t words_of_vector() except -1:
    return kernels().vector_bytes // 2


cdef Py_ssize_t longest_run(tuple largest) except -1:
    """Vectors that sums of 32 bits hold, for the largest magnitudes of both; 0 if not served."""
    if max(largest) > WORDS_HOLD:
        return 0
    vectors = LANES_HOLD // max(2 * largest[0] * largest[1], 1)
    return min(vectors, RUN) if vectors >= SHORTEST_RUN else 0


cdef bint serves_word_gradient(ConvDesc desc, tuple largest) except -1:
    """Whether it does, for what holds numbers of these magnitudes."""
    cdef conv_geometry *g = &desc.g
    return ((g.padding_mode == PAD_ZEROS or g.padding_mode == PAD_CONSTANT)
            and longest_run(largest) > 0 and desc.flops(1) > 0)


cdef double word_gradient_seconds(ConvDesc desc) except -1:
    """What one image of the batch takes on one thread."""
    cdef conv_geometry *g = &desc.g
    cdef double rows = 1, words, sums, images, runs
    cdef int a
    have_bytes()
    for a in range(AXES):
        rows *= g.output[a] + (g.kernel[a] - 1.0) * g.dilation[a] // g.stride[a]
    words = rows * (g.filters + <double>g.channels * min(g.stride[0], g.kernel[0])
                    * min(g.stride[1], g.kernel[1]) * min(g.stride[2], g.kernel[2]))
    sums = (<double>g.filters * (g.channels // g.groups)
            * g.kernel[0] * g.kernel[1] * g.kernel[2])
    images = max(1.0, min(<double>desc.batch, STRIP / max(words, 1.0)))
    runs = max(rows / RUN, 1 / images)
    return ((STRIP_SECONDS + TAP_SECONDS * g.kernel[0] * g.kernel[1] * g.kernel[2]) / images
            + words * WORD_SECONDS + sums * runs * SUM_SECONDS
            + sums * RESULT_SECONDS / max(desc.batch, 1)
            + sums * rows / (words_of_vector() * CLOCK))


def word_gradient(ConvDesc desc, grad, x, outside, tuple largest, out, int threads):
    """Write the gradient of batches of small integers to an array of int64.

    outside: the constant around x, or None. largest: the magnitudes of both.
    """
    cdef Py_ssize_t rank = desc.g.rank, i, first, rows, images, run = longest_run(largest)
    have_bytes()
    if desc.g.channels_last:
        grad, x = np.moveaxis(grad, -1, 1), np.moveaxis(x, -1, 1)
    layout = Layout(desc, 0 if outside is None else int(outside[0]))
    sums = np.zeros((desc.g.filters, desc.g.channels // desc.g.groups, *layout.kernel), np.int64)
    height = layout.outputs[0]
    images = max(1, STRIP // layout.words(height))
    rows = height
    if images == 1:
        rows = max(1, min(height, STRIP * height // layout.words(height)))
    for i in range(0, len(x), images):
        for first in range(0, height, rows):
            PyErr_CheckSignals()
            add_strip(desc, layout, grad[i:i + images, :, first:first + rows], x[i:i + images],
                      first, sums, run, threads)
    out[...] = sums if not desc.g.flip else np.flip(sums, tuple(range(2, 2 + rank)))


class Layout:
    """How planes lie: for each axis the taps' phases of the stride, and how far these reach."""

    def __init__(self, ConvDesc desc, fill):
        cdef conv_geometry *g = &desc.g
        cdef int a, first = AXES - <int>g.rank
        self.fill = fill
        axes = range(first, AXES)
        self.kernel = tuple([g.kernel[a] for a in axes])
        self.outputs = tuple([g.output[a] for a in axes])
        self.stride = tuple([g.stride[a] for a in axes])
        self.before = tuple([g.before[a] for a in axes])
        self.channels, self.filters = g.channels, g.filters
        # (phase, steps from it) of each tap
        self.taps = [[divmod(t * g.dilation[a], g.stride[a])[::-1] for t in range(g.kernel[a])]
                     for a in axes]
        self.phases = [sorted({phase for phase, _ in taps}) for taps in self.taps]
        self.reach = [max(steps for _, steps in taps) for taps in self.taps]

    def plane(self, rows):
        """The extents of a plane of so many rows of outputs, with what windows reach besides."""
        return tuple([n + reach for n, reach in zip(
            (rows, *self.outputs[1:]), self.reach, strict=True)])

    def words(self, rows):
        """Of all planes of an image."""
        planes = self.filters + self.channels * np.prod([len(p) for p in self.phases])
        return max(1, int(np.prod(self.plane(rows)) * planes))

    def images(self, x, first, rows, slack):
        """Channels, phases, images: planes of x that outputs from row `first` on see."""
        plane = self.plane(rows)
        shape = (self.channels, *[len(p) for p in self.phases], len(x), *plane)
        size = int(np.prod(shape))
        flat = np.empty(size + slack, np.int16)
        flat[...] = self.fill
        planes = flat[:size].reshape(shape)
        starts = [b - first * s if i == 0 else b
                  for i, (b, s) in enumerate(zip(self.before, self.stride, strict=True))]
        for index in itertools.product(*[range(len(p)) for p in self.phases]):
            to, of = [], []
            for a, i in enumerate(index):
                low, high, at = self.within(a, self.phases[a][i] - starts[a], plane[a],
                                            x.shape[2 + a])
                to.append(slice(low, high))
                of.append(slice(at, at + (high - low - 1) * self.stride[a] + 1, self.stride[a])
                          if high > low else slice(0, 0))
            part = x[(slice(None), slice(None), *of)]
            planes[(slice(None), *index, slice(None), *to)] = part.swapaxes(0, 1)
        return flat

    def within(self, a, at, length, size):
        """The steps that lie in an axis of the image, from `at` on; and where the first lies."""
        stride = self.stride[a]
        low = max(0, -(at // stride))
        high = min(length, max(low, -((at - size) // stride)))
        return low, high, at + low * stride

    def gradients(self, grad, row):
        """Filters, each a row of words: planes of all images, with zeros besides."""
        plane = self.plane(grad.shape[2])
        rows = np.zeros((self.filters, row), np.int16)
        planes = rows[:, :len(grad) * int(np.prod(plane))].reshape(
            self.filters, len(grad), *plane)
        planes[(slice(None), slice(None), *map(slice, grad.shape[2:]))] = grad.swapaxes(0, 1)
        return rows

    def offsets(self, channels, rows, images):
        """Where each channel and tap begins, and the size of a channel, in words."""
        plane = self.plane(rows)
        steps = [int(np.prod(plane[a + 1:])) for a in range(len(plane))]
        counts = [len(p) for p in self.phases]
        size = images * int(np.prod(plane))
        of_taps = []
        for tap in itertools.product(*self.taps):
            at = 0
            for (phase, _), known, count in zip(tap, self.phases, counts, strict=True):
                at = at * count + known.index(phase)
            of_taps.append(at * size + sum(
                reach * step for (_, reach), step in zip(tap, steps, strict=True)))
        channel = size * int(np.prod(counts))
        offsets = channel * np.arange(channels)[:, np.newaxis] + np.array(of_taps)
        return offsets.astype(np.intp).ravel(), channel


cdef int add_strip(ConvDesc desc, layout, grad, x, Py_ssize_t first, cnp.ndarray sums,
                   Py_ssize_t run, int threads) except -1:
    """Add the products of some rows of outputs of some images."""
    cdef conv_geometry *g = &desc.g
    cdef Job job
    cdef Py_ssize_t vector = words_of_vector(), channels = g.channels // g.groups
    cdef cnp.ndarray offset, images, gradients
    rows = grad.shape[2]
    length = len(x) * int(np.prod(layout.plane(rows)))
    offset, job.group = layout.offsets(channels, rows, len(x))
    job.group *= channels
    job.g_row = round_up(length, vector)
    images = layout.images(x, first, rows, int(offset.max()) + vector)
    gradients = layout.gradients(grad, job.g_row)
    job.kernels = &kernels().i16_pairs
    job.g, job.x = <int16_t *>cnp.PyArray_DATA(gradients), <int16_t *>cnp.PyArray_DATA(images)
    job.offset, job.sums = <Py_ssize_t *>cnp.PyArray_DATA(offset), <int64_t *>cnp.PyArray_DATA(sums)
    job.filters = g.filters // g.groups
    job.blocks = ceil_div(job.filters, TASK_FILTERS)
    job.taps = cnp.PyArray_SIZE(offset)
    job.run = min(run * vector, round_up(<Py_ssize_t>RUN, vector))
    return parallel_for(add_filters, &job, g.groups * job.blocks, threads,
                        2.0 * len(grad) * g.filters * job.taps * job.g_row)


cdef void add_filters(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """The sums of some filters of a group."""
    cdef const Job *job = <const Job *>context
    cdef Py_ssize_t group = task // job.blocks, i, at
    cdef Py_ssize_t first = task % job.blocks * TASK_FILTERS
    cdef Py_ssize_t filters = min(<Py_ssize_t>TASK_FILTERS, job.filters - first)
    first += group * job.filters
    for i in range(ceil_div(job.g_row, job.run)):
        at = i * job.run
        job.kernels.word_sums(
            min(job.run, job.g_row - at), filters, job.g + first * job.g_row + at, job.g_row,
            job.taps, job.offset, job.x + group * job.group + at, job.sums + first * job.taps,
            job.taps)
