"""The steps of a separable convolution, and how images are cut so that its middle stays in a cache.
"""
cimport numpy as cnp

from fastconv._call.cache cimport strict_algorithm
from fastconv._call.pieces cimport extent, kernel_of
from fastconv._core.integers cimport ceil_div, round_up

cnp.import_array()

cdef enum:
    LEAST_PIXELS = 64   # of blocks for threads: each reads all weights of the pointwise step
    # Kernels take so many rows and pixels at once; of other blocks they compute some twice.
    ROWS = 7            # `dwconv_plane`, for which 7 and 14 are better than 8 to 13
    PIXELS = 48         # `igemm_pixels` with AVX-512, and twice with AVX2


cdef class Step:
    """One of the two convolutions: what it takes to make its kernels, and these."""

    cdef object kernel(self, ConvDesc part, int threads, Py_ssize_t images=0):
        """The kernel for parts like that; images: that it is for, if it is for these alone."""
        cdef tuple key = (part, images)
        kernel = self.kernels.get(key)
        if kernel is None:
            algorithm = self.algorithm
            if algorithm.supports(part, "forward") is not None:
                algorithm = strict_algorithm(part, "forward")
            kernel = kernel_of(part, algorithm, self.weight, self.result, self.arithmetic,
                               self.outside, self.by_choice, threads)
            self.kernels[key] = kernel
        return kernel


cdef Step make_step(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                    bint by_choice):
    cdef Step self = Step.__new__(Step)
    self.desc, self.algorithm, self.weight, self.result = desc, algorithm, weight, result
    self.arithmetic, self.outside, self.by_choice = arithmetic, outside, by_choice
    self.kernels = {}
    return self


cdef Cut cut_of(const conv_geometry *g, Py_ssize_t itemsize, Py_ssize_t room,
                Py_ssize_t parts=1) noexcept:
    """Pieces of which the results of the depthwise step, which g describes, take `room` bytes.

    Or up to MOST_ROOMS times as many.

    parts: what an image's pieces are to be a multiple of.
    """
    cdef Cut cut
    cdef int axis
    cdef double size = (<double>g.filters) * itemsize, per
    cdef Py_ssize_t rows
    for axis in range(AXES):
        cut.block[axis] = g.output[axis]
        size *= g.output[axis]
    cut.pieces = 1
    for axis in range(AXES):
        # Blocks are as long as kernels want them, and nothing is cut for a little too much.
        if g.output[axis] == 1 or size <= MOST_ROOMS * <double>room and (
                parts == 1 or cut.pieces > 1):
            continue
        per = size / g.output[axis]
        rows = block_length(g, axis, room / per, parts)
        cut.block[axis] = rows
        cut.pieces *= ceil_div(g.output[axis], rows)
        size = per * rows
    cut.images = 1
    if cut.pieces == 1:
        cut.images = max(1, <Py_ssize_t>(room / max(size, 1.0)))
    return cut


cdef Py_ssize_t block_length(const conv_geometry *g, int axis, double wanted,
                             Py_ssize_t parts) noexcept:
    """About so many outputs along an axis, for blocks whose number is a multiple of `parts`."""
    cdef Py_ssize_t length = g.output[axis], whole
    cdef Py_ssize_t least = 1  # of planes, which are large enough one by one
    cdef Py_ssize_t unit = PIXELS if axis == 2 else ROWS if axis == 1 else 1
    cdef Py_ssize_t blocks
    if axis > 0:
        # of rows a kernel's length, so that what two blocks read is half of it at most
        least = min(length, max(1, extent(g, axis) // g.stride[axis]))
    blocks = min(ceil_div(length, max(1, <Py_ssize_t>wanted)), length // least)
    length = ceil_div(length, round_up(blocks, parts))
    if parts > 1 and (length < least or length * row_pixels(g, axis) < LEAST_PIXELS):
        return g.output[axis]
    whole = max((length + unit // 2) // unit * unit, round_up(least, unit))
    if ceil_div(g.output[axis], whole) % parts == 0:
        length = whole
    return min(length, g.output[axis])


cdef Py_ssize_t row_pixels(const conv_geometry *g, int axis) noexcept:
    """Outputs of a channel at one place of an axis."""
    cdef Py_ssize_t pixels = 1
    cdef int a
    for a in range(axis + 1, AXES):
        pixels *= g.output[a]
    return pixels


cdef bint find_block(const conv_geometry *g, const Cut *cut, int axis, Py_ssize_t *number,
                     Py_ssize_t *first, Py_ssize_t *rows) noexcept:
    """Where a piece lies along an axis; whether that is cut. It takes its digit off the number."""
    cdef Py_ssize_t blocks = ceil_div(g.output[axis], cut.block[axis])
    first[0] = number[0] % blocks * cut.block[axis]
    number[0] //= blocks
    rows[0] = min(cut.block[axis], g.output[axis] - first[0])
    return blocks > 1


cdef Py_ssize_t piece_elements(const conv_geometry *g, const Cut *cut) noexcept:
    """Of what the depthwise step gives of a piece."""
    cdef Py_ssize_t count = cut.images * g.filters
    cdef int axis
    for axis in range(AXES):
        count *= cut.block[axis]
    return count
