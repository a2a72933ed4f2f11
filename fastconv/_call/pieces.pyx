"""Pieces: what has to be converted goes image by image, and long images slab by slab.

An array of another dtype, byte order or alignment than what is computed in is never converted
whole, and neither is a result. A piece is a few images, or a slab of one: some outputs along its
first axis, with all that their windows read. Slabs are for algorithms that give an output the same
bits whichever part of the image is computed, and for integers, which are exact.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._call.cache cimport strict_algorithm
from fastconv._call.destination cimport Destination, contiguous, is_contiguous
from fastconv._call.kernels cimport real_pass
from fastconv._core.padding cimport (
    AXES, PAD_CIRCULAR, PAD_CONSTANT, PAD_ZEROS, source_index,
)
from fastconv._desc.arguments cimport is_operand, operand
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cnp.import_array()

cdef enum:
    PIECE_BYTES = 4 << 20   # of what is converted at once, in and out; or one image
    LEAST_KERNELS = 4       # lengths of the kernel that a slab has: what two of them read is a part


cdef Py_ssize_t to_convert(cnp.ndarray x, residual, dtype) noexcept:
    """Elements of the arrays that have to be converted to this dtype before they are read."""
    cdef Py_ssize_t count = 0
    if not is_operand(x, dtype):
        count = cnp.PyArray_SIZE(x)
    if residual is not None and not is_contiguous(residual, dtype):
        count += cnp.PyArray_SIZE(residual)
    return count


cdef object kernel_of(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                      bint by_choice, int threads):
    """What runs a forward pass. arithmetic: None where it computes by parts.

    by_choice: the algorithm was chosen, and not asked for by name.
    """
    if arithmetic is None:
        from fastconv._call.integers import exact_pass
        return exact_pass(real_pass(desc, "forward", algorithm), weight, result, outside,
                          by_choice)
    return algorithm.prepare(desc, "forward", operand(weight, arithmetic), threads)


cdef int run_piece(kernel, source, bias, residual, Destination output, tuple where, arithmetic,
                   tuple bounds, int threads) except -1:
    """Compute what goes to that place of the result."""
    PyErr_CheckSignals()
    place = output.array[where]
    target = output.room(place)
    if arithmetic is not None:
        source = operand(source, arithmetic)
        if residual is not None:
            residual = contiguous(residual, arithmetic, True)
    kernel.run(source, bias, residual, target, threads)
    if bounds is not None:
        np.clip(target, *bounds, out=target)
    return output.put(target, place)


cdef int run_pieces(kernel, source, bias, residual, Destination output, arithmetic, tuple bounds,
                    int threads) except -1:
    """Run a kernel, or `Slabs`, piece by piece; all arrays have their batch axis."""
    cdef Py_ssize_t i, batch = len(source), images
    if isinstance(kernel, Slabs):
        return (<Slabs>kernel).run(source, bias, residual, output, bounds, threads)
    images = max(1, PIECE_BYTES * batch // max(1, output.converted * output.computed.itemsize))
    for i in range(0, batch, images):
        some = slice(i, i + images)
        run_piece(kernel, source[some], bias, None if residual is None else residual[some], output,
                  (some,), arithmetic, bounds, threads)
    return 0


# ---- slabs --------------------------------------------------------------------------------------

cdef class Slabs:
    """The forward pass of images so large that each is computed slab by slab."""

    cdef int run(self, x, bias, residual, Destination output, tuple bounds, int threads) except -1:
        """As `run_pieces`."""
        cdef conv_geometry *g = &self.desc.g
        cdef ConvDesc slab
        cdef Py_ssize_t n, first, rows
        cdef int along = place_of(g, self.axis)
        for n in range(len(x)):
            for first in range(0, g.output[self.axis], self.rows):
                rows = min(self.rows, g.output[self.axis] - first)
                slab, source = rows_of(self.desc, x[n:n + 1], self.axis, first, rows)
                where = (slice(n, n + 1),) + (slice(None),) * (along - 1) + (
                    slice(first, first + rows),)
                run_piece(self.kernel(slab, threads), source, bias,
                          None if residual is None else residual[where], output, where,
                          self.arithmetic, bounds, threads)
        return 0

    cdef object kernel(self, ConvDesc slab, int threads):
        """The kernel for slabs like that."""
        kernel = self.kernels.get(slab)
        if kernel is None:
            algorithm = self.algorithm
            if algorithm.supports(slab, "forward") is not None:
                algorithm = strict_algorithm(slab, "forward")
            kernel = kernel_of(slab, algorithm, self.weight, self.result, self.arithmetic,
                               self.outside, self.by_choice, threads)
            self.kernels[slab] = kernel
        return kernel


cdef Slabs slabs_of(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                    bint by_choice):
    """How images of that description are cut into slabs, or None where they are not.

    One image's geometry decides.
    """
    cdef Slabs self
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t rows, most = PIECE_BYTES // g.itemsize, size
    cdef int axis = AXES - <int>g.rank
    cdef double whole = g.channels, outputs = g.filters
    while axis < AXES - 1 and g.output[axis] == 1:
        axis += 1
    for i in range(AXES):
        whole *= g.input[i]
        outputs *= g.output[i]
    if whole + outputs <= 2 * most or not (g.exact or algorithm.any_cut):
        return None
    size = <Py_ssize_t>((whole + outputs) / g.output[axis]) + 1
    rows = max(1, most // size, LEAST_KERNELS * extent(g, axis) // g.stride[axis])
    if rows * 2 > g.output[axis]:
        return None
    self = Slabs.__new__(Slabs)
    self.desc, self.algorithm, self.weight = desc, algorithm, weight
    self.result, self.arithmetic, self.outside = result, arithmetic, outside
    self.axis, self.rows, self.kernels, self.by_choice = axis, rows, {}, by_choice
    return self


cdef int place_of(const conv_geometry *g, int axis) noexcept:
    """Which axis of an array with a batch axis it is."""
    return 1 + (not g.channels_last) + axis - AXES + <int>g.rank


cdef ConvDesc part_of(ConvDesc desc, int axis, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t *low,
                      Py_ssize_t *high):
    """The description of some rows of outputs along an axis, and which elements they read.

    None where padding repeats others than these.
    """
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t start = first * g.stride[axis] - g.before[axis]
    cdef Py_ssize_t stop = start + (rows - 1) * g.stride[axis] + extent(g, axis)
    cdef Py_ssize_t lead, trail, length
    low[0] = min(max(start, 0), g.input[axis])
    high[0] = max(min(stop, g.input[axis]), low[0])
    length = high[0] - low[0]
    lead = low[0] - start if length else 0  # or all of it lies outside
    trail = stop - start - length - lead
    if g.padding_mode != PAD_ZEROS and g.padding_mode != PAD_CONSTANT and (lead or trail) and (
            g.padding_mode == PAD_CIRCULAR or max(lead, trail) >= length):
        return None
    return desc.of_rows(axis, length, lead, trail, rows)


cdef tuple rows_of(ConvDesc desc, images, int axis, Py_ssize_t first, Py_ssize_t rows):
    """The description of some rows of outputs along an axis, and what they read of the images."""
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t low, high, start
    cdef ConvDesc part = part_of(desc, axis, first, rows, &low, &high)
    before = (slice(None),) * place_of(g, axis)
    if part is not None:
        return part, images[before + (slice(low, high),)]
    start = first * g.stride[axis] - g.before[axis]
    high = start + (rows - 1) * g.stride[axis] + extent(g, axis)
    return desc.of_rows(axis, high - start, 0, 0, rows), images[
        before + (sources(start, high, g.input[axis], g.padding_mode),)]


cdef cnp.ndarray sources(Py_ssize_t start, Py_ssize_t stop, Py_ssize_t length, Py_ssize_t mode):
    """Where the padded coordinates from start to stop lie in an array."""
    cdef cnp.ndarray found = np.empty(stop - start, np.intp)
    cdef Py_ssize_t *source = <Py_ssize_t *>cnp.PyArray_DATA(found)
    cdef Py_ssize_t i
    for i in range(stop - start):
        source[i] = source_index(start + i, length, mode)
    return found


cdef Py_ssize_t extent(const conv_geometry *g, int axis) noexcept:
    """Elements that the kernel spans."""
    return (g.kernel[axis] - 1) * g.dilation[axis] + 1
