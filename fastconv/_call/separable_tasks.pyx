"""Separable convolutions whose pieces are tasks: one thread computes both steps of a piece.

What is between them so stays in that thread's second-level cache, and threads need not wait for
each other. That is for floating-point numbers as they lie, and for algorithms whose results do not
depend on the cut: then it may be any.
"""
cimport numpy as cnp
from libc.stdlib cimport free, malloc

from fastconv._call.pieces cimport part_of
from fastconv._call.steps cimport Cut, Step, find_block, piece_elements
from fastconv._core.blocks cimport Arena, CACHE_LINE, reserve
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.serial cimport Serial, SerialKernel
from fastconv._core.strided cimport Strided5, contiguous_images, strided_images
from fastconv._core.threads cimport parallel_for
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cnp.import_array()

# Pieces that are alike but for their places.
cdef struct Kind:
    Serial depthwise, pointwise

# A piece of an image.
cdef struct Piece:
    Kind kind
    Py_ssize_t source, out    # bytes from the image's first element, in x and in the result

# What the tasks of one call read.
cdef struct Job:
    Py_ssize_t groups, pieces     # of images that share a task; of an image
    Kind rest                     # the last images, where these are fewer
    bint has_rest
    const Piece *piece
    const char *source
    const char *residual          # or NULL
    char *out
    Py_ssize_t source_step, out_step   # bytes from a group of images to the next
    char *scratch                 # of a thread: what is between the steps, and theirs
    Py_ssize_t own_at, scratch_size


cdef class Planner:
    """Finds the kinds of pieces, and begins their kernels."""

    cdef Step depthwise, pointwise
    cdef const Cut *cut
    cdef Strided5 source, out
    cdef object bias
    cdef int threads
    cdef Py_ssize_t scratch_bytes    # of the steps
    cdef Py_ssize_t channel          # elements between channels in between, at most

    cdef bint find_piece(self, Py_ssize_t number, Piece *piece, Py_ssize_t images) except -1:
        """One piece of so many images; False where it cannot be a task."""
        cdef const conv_geometry *g = &self.depthwise.desc.g
        cdef ConvDesc first = self.depthwise.desc, second = self.pointwise.desc
        cdef Py_ssize_t start, rows, low, high
        cdef int axis
        piece.source = piece.out = 0
        for axis in range(AXES - 1, -1, -1):
            if find_block(g, self.cut, axis, &number, &start, &rows):
                first = part_of(first, axis, start, rows, &low, &high)
                if first is None:
                    return False
                second = second.of_rows(axis, rows, 0, 0, rows)
                piece.source += low * self.source.stride[2 + axis] * g.itemsize
                piece.out += start * self.out.stride[2 + axis] * g.itemsize
        return self.begin(first, second, images, &piece.kind)

    cdef bint begin(self, ConvDesc first, ConvDesc second, Py_ssize_t images,
                    Kind *kind) except -1:
        """The kernels of both steps for such pieces; False where they cannot be run so."""
        cdef Strided5 between = self.strides_between(&second.g)
        one = self.depthwise.kernel(first, self.threads, images)
        two = self.pointwise.kernel(second, self.threads, images)
        if not (isinstance(one, SerialKernel) and isinstance(two, SerialKernel)):
            return False
        if not (self.start(one, &self.source, &between, images, None, &kind.depthwise)
                and self.start(two, &between, &self.out, images, self.bias, &kind.pointwise)):
            return False
        return True

    cdef bint start(self, SerialKernel kernel, const Strided5 *source, const Strided5 *out,
                    Py_ssize_t images, bias, Serial *serial) except -1:
        """Begin a kernel, unless an earlier piece has."""
        if kernel.serial.run == NULL and not kernel.begin(source, out, images, bias):
            return False
        serial[0] = kernel.serial
        self.scratch_bytes = max(self.scratch_bytes, serial.scratch_bytes)
        return True

    cdef Strided5 strides_between(self, const conv_geometry *g) noexcept:
        """Where what g reads lies. Channels that come first begin on different lines of a cache."""
        cdef Strided5 between
        cdef Py_ssize_t pixels = g.input[0] * g.input[1] * g.input[2]
        cdef Py_ssize_t line = CACHE_LINE // g.itemsize
        cdef Py_ssize_t pixel = g.channels if g.channels_last else 1
        between.data = NULL
        between.stride[1] = 1
        if not g.channels_last:
            between.stride[1] = round_up(pixels, 2 * line) + line
        between.stride[0] = pixels * g.channels if g.channels_last else (
            g.channels * between.stride[1])
        between.stride[4] = pixel
        between.stride[3] = g.input[2] * pixel
        between.stride[2] = g.input[1] * between.stride[3]
        return between


cdef bint are_lines(const conv_geometry *g, const Cut *cut) noexcept:
    """Whether the outputs of a piece are one run of each plane of the result."""
    cdef int axis
    cdef bint more = False
    for axis in range(AXES):
        if more and cut.block[axis] < g.output[axis]:
            return False
        more = more or cut.block[axis] > 1
    return True


cdef bint run_tasks(Step depthwise, Step pointwise, const Cut *cut, cnp.ndarray x, bias, residual,
                    cnp.ndarray out, int threads, double work) except -1:
    """Run both steps for all pieces; False where that is not possible, and nothing is done.

    All arrays have the arithmetic's dtype and a batch axis; all but x are C-contiguous. All memory
    is there before any work begins.
    """
    cdef const conv_geometry *g = &depthwise.desc.g
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0), itemsize = g.itemsize, i
    cdef Planner planner = Planner.__new__(Planner)
    cdef Piece *pieces
    cdef Piece last
    cdef Job job
    cdef Scratch scratch
    if not are_lines(g, cut):
        return False
    planner.depthwise, planner.pointwise, planner.cut = depthwise, pointwise, cut
    planner.source = strided_images(x, g.channels_last)
    planner.out = contiguous_images(out, g.channels_last)
    planner.bias, planner.threads = bias, threads
    pieces = <Piece *>malloc(cut.pieces * sizeof(Piece))
    if pieces == NULL:
        raise MemoryError("fastconv: cannot allocate the pieces of a call")
    try:
        for i in range(cut.pieces):
            if not planner.find_piece(i, &pieces[i], cut.images):
                return False
        job.has_rest = batch % cut.images != 0
        if job.has_rest:
            if not planner.find_piece(0, &last, batch % cut.images):
                return False
            job.rest = last.kind
        job.groups, job.pieces, job.piece = ceil_div(batch, cut.images), cut.pieces, pieces
        job.source, job.out = planner.source.data, planner.out.data
        job.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        job.source_step = planner.source.stride[0] * cut.images * itemsize
        job.out_step = planner.out.stride[0] * cut.images * itemsize
        reserve_scratch(&job, piece_bytes(g, cut), planner.scratch_bytes)
        scratch = acquire(job.scratch_size * threads)
        job.scratch = scratch.data
        parallel_for(run_task, &job, job.groups * job.pieces, threads, work)
    finally:
        free(pieces)
    return True


cdef Py_ssize_t piece_bytes(const conv_geometry *g, const Cut *cut) noexcept:
    """Of what is between the steps, with the gaps between channels."""
    return (piece_elements(g, cut) * g.itemsize
            + cut.images * g.filters * 3 * CACHE_LINE)


cdef void reserve_scratch(Job *job, Py_ssize_t between, Py_ssize_t steps) noexcept:
    cdef Arena arena
    arena.size = 0
    reserve(&arena, between)
    job.own_at = reserve(&arena, steps)
    job.scratch_size = arena.size + CACHE_LINE  # that no thread shares


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Both steps of one piece."""
    cdef const Job *job = <const Job *>context
    cdef Py_ssize_t group = task // job.pieces
    cdef const Piece *piece = &job.piece[task - group * job.pieces]
    cdef const Kind *kind = &piece.kind
    cdef Py_ssize_t place = group * job.out_step + piece.out
    cdef char *between = job.scratch + thread * job.scratch_size
    if job.has_rest and group == job.groups - 1:
        kind = &job.rest
    kind.depthwise.run(kind.depthwise.job, job.source + group * job.source_step + piece.source,
                       between, NULL, between + job.own_at)
    kind.pointwise.run(kind.pointwise.job, between, job.out + place,
                       NULL if job.residual == NULL else job.residual + place,
                       between + job.own_at)
