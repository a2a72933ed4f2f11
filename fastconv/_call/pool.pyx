"""Poolings and their gradients, from arrays to arrays."""
import math

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t

from fastconv._call.cache cimport cached
from fastconv._call.destination cimport (
    SAME_KIND, Destination, add_batch, batched, contiguous, destination, empty, has_shape,
)
from fastconv._call.frame cimport (
    Frame, check_positions, frame_of, pieces, slabs, whole_shape,
)
from fastconv._call.kernels cimport fold_padding
from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport plain_threads
from fastconv._desc.arguments cimport (
    as_array, as_flag, as_shape, check_unchanged, is_operand, operand,
)
from fastconv._desc.conv cimport has_input_shape, settled, with_zeros
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.pool cimport PoolDesc, pool_rank
from fastconv._pooling.windows cimport average_gradient, reduce

from fastconv._core.messages import shown
from fastconv._desc.arguments import check_shape
from fastconv._desc.geometry import geometry as new_geometry
from fastconv._desc.pool import describe_adaptive, describe_pool
from fastconv._desc.unpool import describe_planes, describe_unpool
from fastconv._pooling.norm_gradient import norm_gradient
from fastconv._pooling.scatter import scatter

cnp.import_array()

cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef object int64 = np.dtype(np.int64)
cdef tuple ALL_32 = (float32,) * 3, ALL_64 = (float64,) * 3
cdef object ZERO = 0   # the padding_value of those that ask for none
cdef double INFINITE = float("inf")

# ---- arguments ----

cdef tuple pool_dtypes(str function, str name, cnp.ndarray array, bint means, bint gradient):
    """(dtype of the result, of the operand, of the computed result) of a pooling.

    Extremes keep the dtype. Means and norms of integers are float64, and so are gradients.
    float16 is computed in float32.
    """
    cdef object dtype = <object>cnp.PyArray_DESCR(array)
    if dtype is float32:
        return ALL_32
    if dtype is float64:
        return ALL_64
    if dtype.kind not in "fiub":
        raise TypeError(f"{function}: {name} has dtype {dtype}, but poolings take real numbers")
    if not dtype.isnative:
        dtype = dtype.newbyteorder("=")
    if dtype.kind == "f":
        arithmetic = float32 if dtype.itemsize == 2 else dtype
        return dtype, arithmetic, arithmetic
    if gradient:
        return float64, float64, float64
    if means:
        return float64, dtype, float64
    return dtype, dtype, dtype


cdef object mean_dtype(dtype, out, out_dtype, casting, double divisor):
    """What averages of integers of this dtype are computed in: float64, which they are, or at once
    what they are asked for in, where that has the same bits: float32, or the integers themselves.
    """
    if out_dtype is not None:
        try:
            out_dtype = np.dtype(out_dtype)
        except TypeError:  # which is refused where it is looked at
            return float64
    elif out is not None and isinstance(out, cnp.ndarray):
        out_dtype = out.dtype
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return float64
    if out_dtype == float32 or (out_dtype == dtype and divisor == 0
                                and casting in ("round", "saturate")):
        return np.dtype(out_dtype.type)  # the one object of it, in the byte order of this machine
    return float64


cdef double as_number(str function, str name, value, str wanted) except? -1:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{function}: {name} must be {wanted}, not {shown(value)}")
    try:
        return value
    except (TypeError, ValueError):
        raise TypeError(f"{function}: {name} must be {wanted}, not {shown(value)}") from None
    except OverflowError:
        raise ValueError(f"{function}: {name} is too large for a floating-point number") from None


cdef double as_divisor(str function, divisor_override) except? -1:
    """divisor_override as a number; 0 for None."""
    cdef double divisor
    if divisor_override is None:
        return 0
    divisor = as_number(function, "divisor_override", divisor_override, "None or a number")
    if divisor == 0 or divisor != divisor:
        raise ValueError(f"{function}: divisor_override must not be {shown(divisor_override)}")
    return divisor


cdef double as_norm(str function, norm_type) except? -1:
    cdef double norm = as_number(function, "norm_type", norm_type, "a positive number")
    if not norm > 0:
        raise ValueError(f"{function}: norm_type must be positive, not {shown(norm_type)}")
    return norm


cdef int check_gradient(PoolDesc desc, tuple input_shape, grad_output) except -1:
    """Refuse a gradient that has not the result's shape."""
    if not has_shape(grad_output, desc.output_shape()):
        check_shape(desc.function, "grad_output", grad_output, desc.output_shape(),
                    f"an input of shape {input_shape} gives")
    return 0


# ---- forward ----

cdef list copies(PoolDesc desc, cnp.ndarray array):
    """Images to pool at once, with their description, so that copies of views stay small."""
    if cnp.PyArray_IS_C_CONTIGUOUS(array) or desc.batch == 0:
        return [(desc, slice(None))]
    return pieces(desc, cnp.PyArray_NBYTES(array))


cdef list parts_of(PoolDesc desc, cnp.ndarray x, Frame frame, arithmetic, Destination output):
    """What is pooled at once, as `slabs` has it; frames are those of whole images."""
    if desc.batch == 0:
        return []
    if frame is not None:
        return [(part, images, images, 0) for part, images in frame.pieces(arithmetic.itemsize)]
    return slabs(desc, <double>cnp.PyArray_SIZE(x) * arithmetic.itemsize
                 + <double>cnp.PyArray_SIZE(output.array) * output.computed.itemsize)


cdef run_pool(PoolDesc desc, x, str op, num_threads, out, out_dtype, casting,
              bint return_indices=False, bint count_include_pad=False, double divisor=0,
              double norm=0, Frame frame=None):
    """Reduce every window of the array x, with its frame if it has one."""
    cdef Destination output
    cdef double work = desc.work()
    cdef bint largest = op == "norm" and norm == INFINITE
    num_threads = plain_threads(desc.function, num_threads)
    result, arithmetic, computed = pool_dtypes(desc.function, "x", x, op in ("mean", "norm"),
                                               False)
    if op == "mean" and computed is float64 and arithmetic is not float64:
        computed = mean_dtype(arithmetic, out, out_dtype, casting, divisor)
    if largest or frame is not None or not cnp.PyArray_IS_C_CONTIGUOUS(x):
        work = INFINITE  # so beside `out`: memory may be missing for a later piece
    output = destination(desc.function, out, out_dtype, casting, desc.output_shape(), result,
                         computed, None if out is None else (x,), work, desc.batched,
                         0 if is_operand(x, arithmetic) else cnp.PyArray_SIZE(x))
    check_unchanged(desc.function, "x", desc.has_input_shape(x) if frame is None
                    else has_input_shape(frame.around, x))
    where = None
    if return_indices:
        where = empty(output.shape, int64, desc.batched)
    PyErr_CheckSignals()
    if output.piecewise or largest or frame is not None or not cnp.PyArray_IS_C_CONTIGUOUS(x):
        x = add_batch(x, desc.batched)
        for part, of_x, of_y, front in parts_of(desc, x, frame, arithmetic, output):
            PyErr_CheckSignals()
            piece = operand(x[of_x], arithmetic)
            if frame is not None:
                piece = frame.framed(piece, num_threads)
            piece = np.ascontiguousarray(piece)
            if largest:
                piece = np.abs(piece.astype(computed))
            place = output.array[of_y]
            target = output.room(place)
            found = None if where is None else np.empty((<object>place).shape, int64)
            reduce(part, piece, target, found, "max" if largest else op, count_include_pad,
                   divisor, norm, num_threads)
            output.put(target, place)
            if where is not None:
                np.add(found, front, out=where[of_y])
    else:
        reduce(desc, batched(x, arithmetic, desc.batched), output.array, where, op,
               count_include_pad, divisor, norm, num_threads)
    if where is None:
        return output.finish()
    if frame is not None:
        where = frame.elements(where)
    return output.finish(), where if desc.batched else where[0]


def forward(Geometry geometry, str op, x, *, num_threads, out, out_dtype, casting,
            return_indices=False, count_include_pad=True, divisor_override=None, norm_type=None):
    """Reduce every window of x by op: "max", "min", "mean" or "norm"."""
    cdef str function = geometry.function
    cdef Frame frame = None
    x = as_array(function, "x", x)
    if geometry.padding_mode is not None or geometry.padding_value is not ZERO:
        geometry = settled(geometry, x.dtype)
        frame = frame_of(geometry, x, x.dtype, count_include_pad)
    desc = cached(describe_pool, geometry, x) if frame is None else frame.inner
    return_indices = as_flag(function, "return_indices", return_indices)
    if return_indices and frame is not None:
        check_positions(frame)
    return run_pool(desc, x, op, num_threads, out, out_dtype, casting,
                    return_indices=return_indices,
                    count_include_pad=as_flag(function, "count_include_pad", count_include_pad),
                    divisor=as_divisor(function, divisor_override),
                    norm=as_norm(function, norm_type) if op == "norm" else 0, frame=frame)


def output_shape(Geometry geometry, x_shape):
    """The shape of a pooling's result."""
    cdef Frame frame
    cdef PoolDesc desc
    x_shape = as_shape(geometry.function, geometry.x, x_shape)
    frame = frame_of(geometry, x_shape, float64, True)
    desc = describe_pool(geometry, x_shape) if frame is None else frame.inner
    return desc.output_shape()


def adaptive(Geometry geometry, str op, x, *, num_threads, out, out_dtype, casting,
             return_indices=False):
    """Reduce windows that share x out evenly."""
    x = as_array(geometry.function, "x", x)
    return run_pool(cached(describe_adaptive, geometry, x), x, op, num_threads, out,
                    out_dtype, casting,
                    return_indices=as_flag(geometry.function, "return_indices", return_indices))


def whole(str function, str op, x, *, rank, data_format, num_threads, out, out_dtype,
          casting):
    """Reduce all of each plane; its axes stay, with length one."""
    x = as_array(function, "x", x)
    if rank is None:
        rank = x.ndim - 2
        if not 1 <= rank <= AXES:
            raise ValueError(
                f"{function}: x has {x.ndim} axes (shape {x.shape}), but needs 3 to {AXES + 2}, "
                f"or rank, the number of its spatial axes"
            )
    elif type(rank) is not int or not 1 <= rank <= AXES:
        error = TypeError if type(rank) is not int else ValueError
        raise error(f"{function}: rank must be None or from 1 to {AXES}, not {shown(rank)}")
    whole = new_geometry(function, rank, output_size=1, data_format=data_format)
    return run_pool(cached(describe_adaptive, whole, x), x, op, num_threads, out, out_dtype,
                    casting)


# ---- gradients of means and norms ----

cdef run_spread(PoolDesc desc, grad_output, num_threads, out, bint count_include_pad=False,
                double divisor=0, Frame frame=None):
    """Spread each gradient evenly over its window, and fold a frame back onto its elements."""
    cdef Destination output
    cdef tuple shape = desc.input_shape() if frame is None else frame.input_shape()
    num_threads = plain_threads(desc.function, num_threads)
    result, arithmetic, _ = pool_dtypes(desc.function, "grad_output", grad_output, True, True)
    check_gradient(desc, shape, grad_output)
    # beside `out` where it goes piece by piece: memory may be missing for a later one
    output = destination(desc.function, out, None, SAME_KIND, shape, result, arithmetic,
                         (grad_output,), desc.work() if frame is None
                         and cnp.PyArray_IS_C_CONTIGUOUS(grad_output) else INFINITE, desc.batched)
    grad_output = batched(grad_output, arithmetic, desc.batched)
    PyErr_CheckSignals()
    if frame is not None:
        for part, images in frame.pieces(arithmetic.itemsize):
            PyErr_CheckSignals()
            grad = np.empty(whole_shape(part), arithmetic)
            average_gradient(part, np.ascontiguousarray(grad_output[images]), grad,
                             count_include_pad, divisor, num_threads)
            fold_padding(frame.around, grad, output.array[images])
    elif cnp.PyArray_IS_C_CONTIGUOUS(grad_output):
        average_gradient(desc, grad_output, output.array, count_include_pad, divisor, num_threads)
    else:
        for part, images in copies(desc, grad_output):
            PyErr_CheckSignals()
            average_gradient(part, np.ascontiguousarray(grad_output[images]),
                             output.array[images], count_include_pad, divisor, num_threads)
    return output.finish()


def backward_mean(Geometry geometry, grad_output, input_shape, *, count_include_pad,
                  divisor_override, num_threads, out):
    """The gradient of an average pooling."""
    cdef str function = geometry.function
    cdef Frame frame
    grad_output = as_array(function, "grad_output", grad_output)
    input_shape = as_shape(function, "input_shape", input_shape)
    geometry = with_zeros(geometry)
    frame = frame_of(geometry, input_shape, float64, count_include_pad)
    desc = cached(describe_pool, geometry, input_shape) if frame is None else frame.inner
    return run_spread(desc, grad_output, num_threads, out,
                      count_include_pad=as_flag(function, "count_include_pad", count_include_pad),
                      divisor=as_divisor(function, divisor_override), frame=frame)


def backward_adaptive(Geometry geometry, grad_output, input_shape, *, num_threads, out):
    """The gradient of an adaptive average pooling, to the size of grad_output."""
    cdef str function = geometry.function
    cdef Geometry shares
    grad_output = as_array(function, "grad_output", grad_output)
    input_shape = as_shape(function, "input_shape", input_shape)
    rank = pool_rank(geometry, "rank", None, len(input_shape))
    sizes = describe_planes(function, rank, input_shape, grad_output.shape, geometry.data_format)
    first = len(sizes) - rank - (geometry.data_format == "channels_last")
    shares = sized(geometry, rank, grad_output.shape[first:first + rank])
    return run_spread(cached(describe_adaptive, shares, input_shape), grad_output, num_threads, out)


cdef Geometry sized(Geometry asked, rank, output_size):
    """A geometry whose windows share an input out to this size."""
    return new_geometry(asked.function, rank, output_size=output_size,
                        data_format=asked.data_format, x=asked.x)


def backward_norm(Geometry geometry, grad_output, x, *, norm_type, num_threads, out):
    """The gradient of a norm pooling; zero where the norm is."""
    cdef str function = geometry.function
    cdef Destination output
    cdef PoolDesc desc
    cdef Frame frame
    cdef tuple shape
    cdef double norm
    grad_output = as_array(function, "grad_output", grad_output)
    x = as_array(function, "x", x)
    norm = as_norm(function, norm_type)
    num_threads = plain_threads(function, num_threads)
    geometry = settled(geometry, x.dtype)
    result, arithmetic, _ = pool_dtypes(
        function, "x", np.empty(0, np.result_type(x.dtype, grad_output.dtype)), True, True)
    frame = frame_of(geometry, x, arithmetic, True)
    desc = cached(describe_pool, geometry, x) if frame is None else frame.inner
    shape = desc.input_shape() if frame is None else frame.input_shape()
    check_unchanged(function, "x", (<object>x).shape == shape)
    check_gradient(desc, shape, grad_output)
    pool_dtypes(function, "x", x, True, True)
    pool_dtypes(function, "grad_output", grad_output, True, True)
    output = destination(function, out, None, SAME_KIND, shape, result, arithmetic,
                         (grad_output, x), desc.work() if frame is None else INFINITE, desc.batched)
    x = contiguous(x, arithmetic, desc.batched)
    grad_output = contiguous(grad_output, arithmetic, desc.batched)
    if frame is None:
        norm_gradients(desc, grad_output, x, output.array, norm, num_threads)
        return output.finish()
    for part, images in frame.pieces(arithmetic.itemsize):
        PyErr_CheckSignals()
        grad = np.empty(whole_shape(part), arithmetic)
        norm_gradients(part, grad_output[images], frame.framed(x[images], num_threads), grad, norm,
                       num_threads)
        fold_padding(frame.around, grad, output.array[images])
    return output.finish()


cdef norm_gradients(PoolDesc desc, grad_output, x, out, double norm, num_threads):
    """The same of arrays that are C-contiguous, with a batch axis."""
    if norm == INFINITE:
        largest_gradient(desc, grad_output, x, out, num_threads)
    else:
        y = np.empty_like(grad_output)
        reduce(desc, x, y, None, "norm", False, 0, norm, num_threads)
        norm_gradient(desc, grad_output, x, y, out, norm, num_threads)


cdef largest_gradient(PoolDesc desc, grad_output, x, out, num_threads):
    """The norm of all infinite power is the largest magnitude, where the gradient goes."""
    _, where = run_pool(desc, np.abs(x if desc.batched else x[0]), "max", num_threads, None, None,
                        SAME_KIND, return_indices=True)
    scatter(desc.function, grad_output, where if desc.batched else where[np.newaxis],
            out, desc.g.channels, desc.g.channels_last, True, num_threads)
    np.multiply(out, np.sign(x), out=out)


# ---- ways back by indices ----

cdef bint all_inside(cnp.ndarray indices, int64_t plane):
    """Whether all are positions of a plane: no sign in them, nor in what is left to its end."""
    cdef const int64_t *index
    cdef int64_t signs = 0, last = plane - 1
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(indices)
    if <object>cnp.PyArray_DESCR(indices) is not int64 or not cnp.PyArray_ISCARRAY_RO(indices):
        return n == 0 or bool(indices.min() >= 0 and indices.max() < plane)
    index = <const int64_t *>cnp.PyArray_DATA(indices)
    with nogil:
        for i in range(n):
            signs |= index[i] | <int64_t>(<uint64_t>last - <uint64_t>index[i])
    return signs >= 0


cdef check_are_integers(str function, indices):
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{function}: indices must be integers, not {indices.dtype}")


cdef check_indices(str function, indices, tuple spatial):
    """Refuse positions outside of a plane."""
    cdef Py_ssize_t plane = math.prod(spatial)
    if not all_inside(indices, plane):
        low, high = indices.min(), indices.max()
        raise ValueError(
            f"{function}: indices hold {low if low < 0 else high}, but a plane of shape "
            f"{spatial} has positions 0 to {plane - 1}"
        )


cdef run_scatter(Geometry geometry, int rank, values, indices, tuple values_shape, tuple shape,
                 bint adds, num_threads, out, out_dtype, casting):
    """An array of `shape` with each value at its flat position, and zeros."""
    cdef str function = geometry.function
    cdef Destination output
    cdef bint last = geometry.data_format == "channels_last"
    cdef bint has_batch = len(shape) == rank + 2
    cdef str name = "grad_output" if adds else "x"
    num_threads = plain_threads(function, num_threads)
    check_unchanged(function, name, values.shape == values_shape)
    check_unchanged(function, "indices", indices.shape == values_shape)
    if adds:
        result, arithmetic, _ = pool_dtypes(function, "grad_output", values, True, True)
    else:
        result = pool_dtypes(function, "x", values, False, False)[0]
        arithmetic = result
    spatial = shape[has_batch:len(shape) - 1] if last else shape[has_batch + 1:]
    check_are_integers(function, indices)
    if out is not None:  # which a call that fails must not have touched; else `scatter` looks
        check_indices(function, indices, spatial)
    output = destination(function, out, out_dtype, casting, shape, result, arithmetic,
                         (values, indices), 8.0 * (values.size + math.prod(shape)), has_batch)
    inside = scatter(function, contiguous(values, arithmetic, has_batch),
                     contiguous(indices, int64, has_batch), output.array,
                     shape[len(shape) - 1] if last else shape[has_batch], last, adds, num_threads)
    if not inside:
        if out is None:  # they have not been looked at
            check_indices(function, indices, spatial)
        raise ValueError(f"{function}: indices changed during the call")
    return output.finish()


def backward_max(Geometry geometry, grad_output, indices, input_shape, *, num_threads, out):
    """Add each gradient to the element whose flat position its index is."""
    cdef str function = geometry.function
    grad_output = as_array(function, "grad_output", grad_output)
    indices = as_array(function, "indices", indices)
    input_shape = as_shape(function, "input_shape", input_shape)
    rank = pool_rank(geometry, "rank", None, len(input_shape))
    given = grad_output.shape
    shape = describe_planes(function, rank, input_shape, given, geometry.data_format)
    check_shape(function, "indices", indices, given, "grad_output has")
    return run_scatter(geometry, rank, grad_output, indices, given, shape, True, num_threads, out,
                       None, SAME_KIND)


def unpool(Geometry geometry, x, indices, *, num_threads, out, out_dtype, casting):
    """Put each element back to where it was found."""
    cdef str function = geometry.function
    x = as_array(function, "x", x)
    indices = as_array(function, "indices", indices)
    rank = pool_rank(geometry, "kernel_size", geometry.kernel_size, x.ndim)
    given = x.shape
    shape = cached(describe_unpool, geometry, x)
    check_shape(function, "indices", indices, given, "x has")
    return run_scatter(geometry, rank, x, indices, given, shape, False, num_threads, out,
                       out_dtype, casting)
