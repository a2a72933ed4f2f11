"""Separable convolutions: what one depthwise step gives stays in the cache until it is combined.

A piece is a few images, or a block of the outputs of one: the depthwise step computes it into a
buffer, and the pointwise step reads it there. A whole image of the first step's results never
exists, unless it is that small. How images are cut depends on the geometry of one alone.
"""
import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY

from fastconv._call.cache cimport (
    algorithm_of_any_cut, cached_algorithm, cached_separable, strict_algorithm,
)
from fastconv._call.conv cimport (
    beside, check_bias, check_residual, converted_by, is_auto,
)
from fastconv._call.destination cimport (
    SAME_KIND, Destination, add_batch, contiguous, destination, has_shape,
)
from fastconv._call.kernels cimport in_parts, outside_of
from fastconv._call.pieces cimport extent, kernel_of, place_of, rows_of, run_piece
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.threads cimport threads_for
from fastconv._desc.arguments cimport (
    as_array, as_workspace, check_unchanged, compute_dtype, operand,
)
from fastconv._desc.conv cimport (
    ConvDesc, conv_geometry, has_input_shape, has_weight_shape, settled,
)
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.separable cimport SeparableDesc

from fastconv._desc.activation import integer_bounds

cnp.import_array()

cdef enum:
    LEAST_KERNELS = 2   # lengths of the kernel that a block has: what two of them read is a part
    LEAST_COLUMNS = 64  # of a block whose rows are cut


cdef class Step:
    """One of the two convolutions: what it takes to make its kernels, and these."""

    cdef ConvDesc desc
    cdef object algorithm, weight
    cdef object result         # dtype of what it gives
    cdef object arithmetic     # dtype, or None where it computes by parts
    cdef cnp.ndarray outside   # the constant around what it reads, as of `ByParts`
    cdef bint by_choice
    cdef dict kernels          # by description

    cdef object kernel(self, ConvDesc part, int threads):
        """The kernel for parts like that."""
        kernel = self.kernels.get(part)
        if kernel is None:
            algorithm = self.algorithm
            if algorithm.supports(part, "forward") is not None:
                algorithm = strict_algorithm(part, "forward")
            kernel = kernel_of(part, algorithm, self.weight, self.result, self.arithmetic,
                               self.outside, self.by_choice, threads)
            self.kernels[part] = kernel
        return kernel


cdef Step make_step(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                    bint by_choice):
    cdef Step self = Step.__new__(Step)
    self.desc, self.algorithm, self.weight, self.result = desc, algorithm, weight, result
    self.arithmetic, self.outside, self.by_choice = arithmetic, outside, by_choice
    self.kernels = {}
    return self


# How images are cut into pieces.
cdef struct Cut:
    Py_ssize_t images         # of a piece
    Py_ssize_t block[AXES]    # outputs of a piece along each axis
    Py_ssize_t pieces         # of an image
    Py_ssize_t elements       # of what the depthwise step gives of a piece


cdef Cut cut_of(const conv_geometry *g, Py_ssize_t itemsize, Py_ssize_t room) noexcept:
    """Pieces of which the depthwise step's results, of this description, take `room` bytes."""
    cdef Cut cut
    cdef int axis
    cdef double size = (<double>g.filters) * itemsize, per
    cdef Py_ssize_t least, rows
    for axis in range(AXES):
        cut.block[axis] = g.output[axis]
        size *= g.output[axis]
    cut.pieces = 1
    for axis in range(AXES):
        if size <= room or g.output[axis] == 1:
            continue
        per = size / g.output[axis]
        least = LEAST_KERNELS * extent(g, axis) // g.stride[axis]
        if axis == AXES - 1:
            least = max(least, <Py_ssize_t>LEAST_COLUMNS)
        rows = max(max(least, 1), <Py_ssize_t>(room / per))
        cut.block[axis] = even_size(g.output[axis], min(rows, g.output[axis]))
        cut.pieces *= ceil_div(g.output[axis], cut.block[axis])
        size = per * cut.block[axis]
    cut.images = 1
    if cut.pieces == 1:
        cut.images = max(1, <Py_ssize_t>(room / max(size, 1.0)))
    cut.elements = cut.images * g.filters
    for axis in range(AXES):
        cut.elements *= cut.block[axis]
    return cut


def separable(Geometry geometry, x, depthwise_weight, pointwise_weight, bias, *, activation,
              residual, precision, method, max_workspace, num_threads, out, out_dtype=None,
              casting=SAME_KIND):
    """y = act(conv(conv(x, depthwise_weight), pointwise_weight) + bias + residual)."""
    cdef str function = geometry.function
    cdef SeparableDesc desc
    cdef ConvDesc depthwise, pointwise
    cdef Destination output
    cdef Cut cut
    cdef double work
    cdef int threads
    cdef bint parts, many
    x = as_array(function, "x", x, True)
    geometry = settled(geometry, x.dtype)
    depthwise_weight = as_array(function, "depthwise_weight", depthwise_weight, True)
    pointwise_weight = as_array(function, "pointwise_weight", pointwise_weight, True)
    if bias is not None:
        bias = as_array(function, "bias", bias, True)
    result, arithmetic = compute_dtype(function, (x, depthwise_weight, pointwise_weight, bias),
                                       True)
    parts = in_parts(result, arithmetic)
    bounds = None
    if parts:
        bounds = integer_bounds(function, result, activation)
        activation = None
    desc = cached_separable(geometry, x, depthwise_weight, pointwise_weight, arithmetic,
                            parts and result.kind == "i", activation)
    depthwise, pointwise = desc.depthwise, desc.pointwise
    shape = pointwise.output_shape(pointwise.batch)
    if bias is not None:
        check_bias(pointwise, bias, "pointwise_weight")
    if residual is not None:
        residual = as_array(function, "residual", residual, True)
        check_residual(function, residual, shape, result)
    first = cached_algorithm(depthwise, "forward", method, precision, max_workspace)
    work = depthwise.work(depthwise.batch, False) + pointwise.work(pointwise.batch, False)
    threads = threads_for(function, num_threads, work)
    between = dtype_between(x, depthwise_weight, result, arithmetic, parts)
    cut = cut_of(&depthwise.g, between.itemsize, room_for(function, max_workspace))
    many = cut.pieces > 1 or pointwise.batch > cut.images
    if cut.pieces > 1 or not is_auto(method):
        second = algorithm_of_any_cut(pointwise, "forward", precision, max_workspace)
    else:
        second = cached_algorithm(pointwise, "forward", method, precision, max_workspace)
    computed = result if parts else arithmetic
    output = destination(function, out, out_dtype, casting, shape, result, computed,
                         None if out is None else (
                             x, depthwise_weight, pointwise_weight, bias, residual),
                         INFINITY if parts or many else beside(out, second, work),
                         pointwise.batched, converted_by(parts, arithmetic, x, residual, shape))
    if depthwise.g.channels == 0:
        depthwise_weight = depthwise_weight[:, :0]
    check_unchanged(function, "x", has_input_shape(depthwise, x))
    check_unchanged(function, "depthwise_weight", has_weight_shape(depthwise, depthwise_weight))
    check_unchanged(function, "pointwise_weight", has_weight_shape(pointwise, pointwise_weight))
    if bias is not None:
        check_unchanged(function, "bias", has_shape(bias, (pointwise.g.filters,)))
    if residual is not None:
        check_unchanged(function, "residual", has_shape(residual, shape))
        residual = add_batch(residual, pointwise.batched)
    if not parts and bias is not None:
        bias = contiguous(bias, arithmetic, True)
    x = add_batch(x, pointwise.batched)
    if many:
        depthwise, pointwise = depthwise.for_many(), pointwise.for_many()
    run_pieces(
        make_step(depthwise, first, depthwise_weight, between,
                  None if parts and between is result else arithmetic,
                  outside_of(geometry, x.dtype) if parts else None, is_auto(method)),
        make_step(pointwise, second, pointwise_weight, result, None if parts else arithmetic,
                  None, True),
        &cut, x, bias, residual, output, bounds, threads)
    return output.finish()


cdef object dtype_between(x, weight, result, arithmetic, bint parts):
    """The dtype of what the depthwise step gives: of real numbers where it reads these alone."""
    if parts and (result.kind == "i" or x.dtype.kind == "c" or weight.dtype.kind == "c"):
        return result
    return arithmetic


cdef Py_ssize_t room_for(str function, max_workspace) except -1:
    """Bytes of a piece between the steps: with what they read and write they fit the cache."""
    max_workspace = as_workspace(function, max_workspace)
    return CACHE // 2 if max_workspace is None else min(CACHE // 2, max_workspace)


cdef int run_pieces(Step depthwise, Step pointwise, const Cut *cut, cnp.ndarray x, bias, residual,
                    Destination output, tuple bounds, int threads) except -1:
    """Run both steps, piece by piece; all arrays have their batch axis."""
    cdef Py_ssize_t n, i, batch = len(x), index[AXES]
    cdef cnp.ndarray buffer = np.empty(cut.elements, depthwise.result)
    for n in range(0, batch, cut.images):
        images = slice(n, min(n + cut.images, batch))
        for i in range(cut.pieces):
            run_one(depthwise, pointwise, cut, i, images, x[images], buffer, bias, residual,
                    output, bounds, threads)
    return 0


cdef int run_one(Step depthwise, Step pointwise, const Cut *cut, Py_ssize_t number, images,
                 cnp.ndarray source, cnp.ndarray buffer, bias, residual, Destination output,
                 tuple bounds, int threads) except -1:
    """Run both steps for one piece of some images."""
    cdef ConvDesc first = depthwise.desc, second = pointwise.desc
    cdef const conv_geometry *g = &depthwise.desc.g
    cdef Py_ssize_t blocks, start, rows
    cdef int axis
    where = [images] + [slice(None)] * (<int>g.rank + 1)
    for axis in range(AXES - 1, -1, -1):
        if cut.block[axis] == g.output[axis]:
            continue
        blocks = ceil_div(g.output[axis], cut.block[axis])
        start = number % blocks * cut.block[axis]
        number //= blocks
        rows = min(cut.block[axis], g.output[axis] - start)
        first, source = rows_of(first, source, axis, start, rows)
        second = second.of_rows(axis, rows, 0, 0, rows)
        where[place_of(g, axis)] = slice(start, start + rows)
    shape = second.input_shape(len(source))
    if not second.batched:
        shape = (len(source),) + shape
    between = buffer[:np.prod(shape, dtype=np.intp)].reshape(shape)
    if g.channels:
        if depthwise.arithmetic is not None:
            source = operand(source, depthwise.arithmetic)
        depthwise.kernel(first, threads).run(source, None, None, between, threads)
    place = tuple(where)
    return run_piece(pointwise.kernel(second, threads), between, bias,
                     None if residual is None else residual[place], output, place,
                     pointwise.arithmetic, bounds, threads)
