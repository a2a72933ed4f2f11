"""The passes of a convolution, from arrays to arrays: describe, select, run.

Compiled because it is on the path of every call: for an 8x8 image it takes longer than the
arithmetic. What a call has besides its arrays comes as one `Geometry`; all else is named.
"""
import math

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY
from cpython.exc cimport PyErr_CheckSignals

from fastconv._call.cache cimport (
    cached_algorithm, cached_conv, cached_conv_transpose, strict_algorithm,
)
from fastconv._call.destination cimport (
    SAME_KIND, Destination, add_batch, batched, contiguous, destination, has_shape, size_of,
)
from fastconv._call.kernels cimport (
    RealPass, biased, in_parts, outside_of, part_padded, real_pass,
)
from fastconv._call.pieces cimport kernel_of, run_pieces, slabs_of, to_convert
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.threads cimport threads_for
from fastconv._desc.arguments cimport (
    as_array, as_flag, as_shape, check_unchanged, compute_dtype, operand,
)
from fastconv._desc.conv cimport (
    ConvDesc, has_input_shape, has_output_shape, has_weight_shape, settled, with_zeros,
)
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.transposed cimport TransposedDesc

from fastconv._core.reductions import reduced
from fastconv._pooling.planes import plane_sums
from fastconv._desc import hints
from fastconv._desc.activation import integer_bounds
from fastconv._desc.arguments import channels_first, check_shape
from fastconv._parts import (
    largest_magnitude, multiply_complex, multiply_integers, rounds_back, sum_integers,
)

cnp.import_array()

cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef enum:
    PIECE_SIZE = 1 << 17   # elements that a sum goes over at once

cdef tuple BOTH_32 = (float32, float32), BOTH_64 = (float64, float64)


cdef tuple dtypes_of(str function, a, b, c):
    """`compute_dtype`, at once where all have the same."""
    cdef object dtype = <object>cnp.PyArray_DESCR(a)
    if dtype is <object>cnp.PyArray_DESCR(b) and (
            c is None or dtype is <object>cnp.PyArray_DESCR(c)):
        if dtype is float32:
            return BOTH_32
        if dtype is float64:
            return BOTH_64
    return compute_dtype(function, (a, b, c), True)


cdef double beside(out, algorithm, double work) except *:
    """What `destination` counts a call's work as: one that may fail midway has no end."""
    return INFINITY if out is not None and algorithm.fails_midway else work


cdef bint is_auto(method):
    return isinstance(method, str) and method == "auto"


cdef check_bias(ConvDesc desc, bias, str weight="weight"):
    if bias.shape != (desc.g.filters,):
        raise ValueError(
            f"{desc.function}: bias has shape {bias.shape}, but {weight} has {desc.g.filters} "
            f"filters, so it must be ({desc.g.filters},){hints.of_bias(bias.shape)}"
        )


cdef check_residual(str function, residual, tuple shape, result):
    check_shape(function, "residual", residual, shape, "the result has")
    if not np.can_cast(residual.dtype, result, "same_kind"):
        raise TypeError(
            f"{function}: residual has dtype {residual.dtype}, but the result has {result}")


# ---- forward ----

def forward(Geometry geometry, x, weight, bias, *, activation, residual, precision, method,
            max_workspace, num_threads, out, out_dtype=None, casting=SAME_KIND):
    """y = act(conv(x, weight) + bias + residual)."""
    cdef str function = geometry.function
    cdef ConvDesc desc
    cdef Destination output
    cdef cnp.ndarray outside = None
    cdef double work
    cdef int threads
    cdef bint parts
    x = as_array(function, "x", x, True)
    geometry = settled(geometry, x.dtype)
    weight = as_array(function, "weight", weight, True)
    if bias is not None:
        bias = as_array(function, "bias", bias, True)
    result, arithmetic = dtypes_of(function, x, weight, bias)
    parts = in_parts(result, arithmetic)
    bounds = None
    if parts:
        bounds = integer_bounds(function, result, activation)
        activation = None
    desc = cached_conv(geometry, x, weight, arithmetic, parts and result.kind == "i", activation)
    shape = desc.output_shape(desc.batch)
    if bias is not None:
        check_bias(desc, bias)
    if residual is not None:
        residual = as_array(function, "residual", residual, True)
        check_residual(function, residual, shape, result)
    algorithm = cached_algorithm(desc, "forward", method, precision, max_workspace)
    work = desc.work(desc.batch, False)
    threads = threads_for(function, num_threads, work)
    computed = result if parts else arithmetic
    if parts and result.kind == "i" and bounds is None and residual is None:
        # where it is needed: its drivers would double the time of `import fastconv`
        from fastconv._call.integers import sums_dtype
        computed = sums_dtype(desc, algorithm, is_auto(method), x.dtype, weight, None, bias,
                              out, out_dtype, casting)
    output = destination(function, out, out_dtype, casting, shape, result, computed,
                         None if out is None else (x, weight, bias, residual),
                         INFINITY if bounds is not None or parts and desc.batch > 1
                         else beside(out, algorithm, work),
                         desc.batched, converted_by(parts, arithmetic, x, residual, shape))
    check_unchanged(function, "x", has_input_shape(desc, x))
    check_unchanged(function, "weight", has_weight_shape(desc, weight))
    if bias is not None:
        check_unchanged(function, "bias", cnp.PyArray_NDIM(bias) == 1
                        and cnp.PyArray_DIM(bias, 0) == desc.g.filters)
    if residual is not None:
        check_unchanged(function, "residual", has_shape(residual, shape))
    if parts:
        outside = outside_of(geometry, x.dtype)
        arithmetic = None
    kernel = slabs_of(desc, algorithm, weight, result, arithmetic, outside, is_auto(method)) if (
        output.piecewise) else None
    if kernel is None:
        kernel = kernel_of(desc, algorithm, weight, result, arithmetic, outside, is_auto(method),
                           threads)
    return run_forward(kernel, x, bias, residual, output, arithmetic, bounds, desc.batched,
                       threads)


cdef Py_ssize_t converted_by(bint parts, arithmetic, cnp.ndarray x, residual,
                             tuple shape) noexcept:
    """Elements that are converted before they are read, and by the way where it goes by parts."""
    if parts:  # floating-point numbers, and sums of them before they are put together
        return cnp.PyArray_SIZE(x) + 2 * size_of(shape)
    return to_convert(x, residual, arithmetic)


cdef object run_forward(kernel, x, bias, residual, Destination output, arithmetic, tuple bounds,
                        bint has_batch, int threads):
    """Let a kernel write the result; `arithmetic` is None for one that computes by parts."""
    if output.piecewise or arithmetic is None:
        x = add_batch(x, has_batch)
        if residual is not None:
            residual = add_batch(residual, has_batch)
    else:
        x = batched(x, arithmetic, has_batch)
        if residual is not None:
            residual = contiguous(residual, arithmetic, has_batch)
    if bias is not None and arithmetic is not None:
        bias = contiguous(bias, arithmetic, True)
    if output.piecewise:
        run_pieces(kernel, x, bias, residual, output, arithmetic, bounds, threads)
    else:
        kernel.run(x, bias, residual, output.array, threads)
        if bounds is not None:
            np.clip(output.array, *bounds, out=output.array)
    return output.finish()


# ---- backward_data, and the transposed convolution ----

def backward_data(Geometry geometry, grad_output, weight, input_shape, *, precision, method,
                  max_workspace, num_threads, out, out_dtype=None, casting=SAME_KIND):
    """The gradient of the input: the adjoint of the convolution, applied to grad_output."""
    cdef str function = geometry.function
    cdef ConvDesc desc, inner, folded = None
    grad_output = as_array(function, "grad_output", grad_output, True)
    weight = as_array(function, "weight", weight, True)
    dtypes = dtypes_of(function, grad_output, weight, None)
    result, arithmetic = dtypes
    geometry = with_zeros(geometry)
    desc = inner = cached_conv(geometry, as_shape(function, "input_shape", input_shape), weight,
                               arithmetic, result.kind == "i")
    if not has_output_shape(desc, grad_output):
        check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                    f"an input of shape {desc.input_shape(desc.batch)} gives")
    if desc.g.padding_mode != PAD_ZEROS:
        # First the gradient of the padded input, then fold the padding back onto its sources.
        inner = cached_conv(geometry.padded_with(0, "zeros", 0), padded_shape(desc), weight,
                            arithmetic, result.kind == "i")
        folded = desc
    algorithm = cached_algorithm(inner, "backward_data", method, precision, max_workspace)
    return run_adjoint(real_pass(inner, "backward_data", algorithm, folded),
                       desc.input_shape(desc.batch), "grad_output", grad_output, weight, None,
                       dtypes, is_auto(method), num_threads, out, out_dtype, casting)


def transposed(Geometry geometry, x, weight, bias, *, precision, method, max_workspace,
               num_threads, out, out_dtype=None, casting=SAME_KIND):
    """The adjoint of a convolution with the same weights, applied to x, plus bias."""
    cdef str function = geometry.function
    cdef TransposedDesc layer
    cdef ConvDesc desc
    x = as_array(function, "x", x, True)
    weight = as_array(function, "weight", weight, True)
    if bias is not None:
        bias = as_array(function, "bias", bias, True)
    dtypes = dtypes_of(function, x, weight, bias)
    result, arithmetic = dtypes
    layer = cached_conv_transpose(geometry, x, weight, arithmetic, result.kind == "i")
    desc = layer.desc
    if bias is not None and bias.shape != (desc.g.channels,):
        raise ValueError(
            f"{function}: bias has shape {bias.shape}, but the result has {desc.g.channels} "
            f"channels, so it must be ({desc.g.channels},)"
        )
    algorithm = cached_algorithm(desc, "backward_data", method, precision, max_workspace)
    return run_adjoint(
        real_pass(desc, "backward_data", algorithm, None, layer.reached != layer.shape),
        layer.shape, "x", x, weight, bias, dtypes, is_auto(method), num_threads, out, out_dtype,
        casting)


cdef object run_adjoint(RealPass real, tuple shape, str name, source, weight, bias, tuple dtypes,
                        bint by_choice, num_threads, out, out_dtype, casting):
    """Apply backward_data to source, which the caller knows by that name, and add bias."""
    cdef ConvDesc desc = real.desc
    cdef Destination output
    cdef double work = desc.work(desc.batch, True)
    cdef int threads = threads_for(desc.function, num_threads, work)
    result, arithmetic = dtypes
    cdef bint parts = in_parts(result, arithmetic)
    output = destination(desc.function, out, out_dtype, casting, shape, result,
                         result if parts else arithmetic,
                         None if out is None else (source, weight, bias),
                         INFINITY if real.folded is not None or real.appends or bias is not None
                         else beside(out, real.algorithm, work), desc.batched,
                         converted_by(parts, arithmetic, source, None, shape))
    check_unchanged(desc.function, name, has_output_shape(desc, source))
    check_unchanged(desc.function, "weight", has_weight_shape(desc, weight))
    if parts:
        from fastconv._call.integers import exact_pass
        kernel = exact_pass(real, weight, result, None, by_choice)
        arithmetic = None
    else:
        kernel = real.prepare(operand(weight, arithmetic), threads)
        if bias is not None:
            kernel = biased(kernel, desc)
    return run_forward(kernel, source, bias, None, output, arithmetic, None, desc.batched, threads)


cpdef tuple padded_shape(ConvDesc desc):
    """The shape of x with its padding."""
    cdef int i
    shape = list(desc.input_shape(desc.batch))
    first = len(shape) - <int>desc.g.rank - desc.g.channels_last
    for i in range(desc.g.rank):
        shape[first + i] += (desc.g.before[AXES - desc.g.rank + i]
                             + desc.g.after[AXES - desc.g.rank + i])
    return tuple(shape)


# ---- backward_weight and backward_bias ----

def backward_weight(Geometry geometry, grad_output, x, weight_shape, *, per_sample, precision,
                    method, max_workspace, num_threads, out, out_dtype=None,
                    casting=SAME_KIND):
    """The gradient of the weight, summed over the batch unless per_sample."""
    cdef str function = geometry.function
    cdef ConvDesc desc
    cdef Destination output
    cdef double work
    cdef int threads
    cdef bint parts
    grad_output = as_array(function, "grad_output", grad_output, True)
    x = as_array(function, "x", x, True)
    geometry = settled(geometry, x.dtype)
    result, arithmetic = dtypes_of(function, grad_output, x, None)
    parts = in_parts(result, arithmetic)
    desc = cached_conv(geometry, x, as_shape(function, "weight_shape", weight_shape), arithmetic,
                       result.kind == "i")
    if not has_output_shape(desc, grad_output):
        check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                    f"x and a weight of shape {desc.weight_shape()} give")
    algorithm = cached_algorithm(desc, "backward_weight", method, precision, max_workspace)
    work = desc.work(desc.batch, False)
    threads = threads_for(function, num_threads, work)
    shape = desc.weight_shape()
    # one image without a batch axis is the sum over itself
    per_sample = as_flag(function, "per_sample", per_sample) and desc.batched
    if per_sample:
        shape = (desc.batch,) + shape
    output = destination(function, out, out_dtype, casting, shape, result,
                         result if parts else arithmetic,
                         None if out is None else (grad_output, x), beside(out, algorithm, work),
                         True)
    check_unchanged(function, "grad_output", has_output_shape(desc, grad_output))
    check_unchanged(function, "x", has_input_shape(desc, x))
    if parts:
        weight_gradient_by_parts(desc, algorithm, add_batch(grad_output, desc.batched),
                                 add_batch(x, desc.batched), outside_of(geometry, x.dtype),
                                 result, output.array, per_sample, is_auto(method), threads)
    else:
        algorithm.weight_gradient(desc, batched(grad_output, arithmetic, desc.batched),
                                  batched(x, arithmetic, desc.batched), output.array,
                                  per_sample, threads)
    return output.finish()


def weight_gradient_by_parts(ConvDesc desc, algorithm, grad_output, x, outside, result, out,
                             per_sample, bint by_choice, int threads):
    """The gradient of the weight for complex numbers or integers; outside: as of `ByParts`."""
    cdef int axis
    dtype = desc.dtype

    rounds = result.kind == "i" and algorithm.tier != "highest"

    def product(p, q):
        target = np.empty(out.shape, dtype)
        a, b = operand(p.of(grad_output), dtype), operand(q.of(x), dtype)
        back = rounds and rounds_back(p, a, b)
        used = strict_algorithm(desc, "backward_weight") if rounds and not back else algorithm
        used.weight_gradient(part_padded(desc, outside, q), a, b, target, per_sample, threads)
        return np.rint(target, out=target) if back else target

    if result.kind == "c":
        multiply_complex(grad_output, x, product, [], out)
    else:
        terms = 1 if per_sample else desc.batch
        for axis in range(AXES):
            terms *= desc.g.output[axis]
        from fastconv._call.integers import weight_gradient_in_words
        largest = largest_magnitude(grad_output), largest_magnitude(x, outside)
        if not weight_gradient_in_words(desc, algorithm, by_choice, grad_output, x, outside,
                                        largest, out, per_sample, threads):
            multiply_integers(desc.function, largest, product, terms, [], out)


def backward_bias(str function, rank, grad_output, data_format):
    """The gradient of the bias: sums over the batch and all positions.

    In float64; those of each plane in pairs of pairs, where there is a kernel.
    """
    grad_output = as_array(function, "grad_output", grad_output, True)
    result, _ = compute_dtype(function, (grad_output,), True)
    planes = channels_first(function, rank, "grad_output", grad_output, data_format)
    if result.kind == "i":
        return sum_integers(function, planes, over_pieces)
    wide = np.dtype(np.complex128 if result.kind == "c" else np.float64)
    if result == planes.dtype and result.kind == "f" and result.itemsize >= 4:
        has_batch = rank is None or planes.ndim == rank + 2
        by_plane = plane_sums(planes.swapaxes(0, 1) if has_batch else planes[np.newaxis], result)
        if by_plane is not None and np.isfinite(by_plane).all():  # none passed the largest number
            return reduced(np.add, by_plane, axis=0, dtype=wide).astype(result)

    def sums(piece):
        # contiguous, because NumPy adds up in pairs along such an axis only
        return reduced(np.add, operand(piece, wide), axis=1)

    with np.errstate(over="ignore"):  # float16: infinity, as for the other dtypes
        return over_pieces(planes, sums, np.add).astype(result)


def over_pieces(planes, reduce, combine):
    """Reduce all but the first axis, piece by piece, so that no more than that is ever copied.

    `reduce` takes a piece with two axes, of one element for each first index or of few enough for
    a cache, contiguous. How an array is cut depends on its shape alone, and so does the result.
    """
    cdef Py_ssize_t rest = math.prod(planes.shape[1:]), half
    cdef int axis = 1
    if planes.size <= PIECE_SIZE or rest <= 1:
        PyErr_CheckSignals()
        return reduce(np.ascontiguousarray(planes).reshape(planes.shape[0], rest))
    while planes.shape[axis] == 1:
        axis += 1
    half = planes.shape[axis] // 2
    before = (slice(None),) * axis
    return combine(over_pieces(planes[(*before, slice(half))], reduce, combine),
                   over_pieces(planes[(*before, slice(half, None))], reduce, combine))
