"""From arrays to arrays: describe, select, run. What every public convolution does.

Compiled because it is on the path of every call: for an 8x8 image it takes longer than the
arithmetic.
"""
import math

import numpy as np

cimport numpy as cnp

from fastconv._core.threads cimport is_long, threads_for
from fastconv._desc cimport AXES, PAD_ZEROS, ConvDesc, PoolDesc, source_index

from fastconv import _select
from fastconv._desc import (
    as_array, as_shape, check_shape, compute_dtype, describe_adaptive, describe_conv,
    describe_planes, describe_pool, describe_unpool, operand, pool_rank,
)
from fastconv._pooling.norm_gradient import spread_norm
from fastconv._pooling.scatter import scatter
from fastconv._pooling.windows import reduce, spread_mean

cnp.import_array()

cdef object choose = _select.choose


cdef dict described = {}   # descriptions of recent calls
cdef enum:
    MOST_DESCRIBED = 512


cdef ConvDesc describe(str function, rank, x_shape, weight_shape, dtype, stride, padding,
                       dilation, groups, padding_mode, data_format, flip, activation, bint bias,
                       bint residual):
    """`describe_conv`, remembered where the arguments are plain.

    True == 1 == 1.0, but only the integer is a stride: so only exact types are looked up.
    """
    cdef ConvDesc desc
    key = None
    if (type(stride) is int and type(dilation) is int and type(groups) is int
            and (type(padding) is int or type(padding) is str) and type(x_shape) is tuple
            and type(weight_shape) is tuple and type(flip) is bool
            and (activation is None or type(activation) is str)
            and type(padding_mode) is str and type(data_format) is str):
        key = (function, x_shape, weight_shape, stride, padding, dilation, groups, padding_mode,
               data_format, activation, rank, dtype.itemsize, flip, bias, residual)
        found = described.get(key)
        if found is not None:
            return found
    desc = describe_conv(function, rank, x_shape, weight_shape, dtype.itemsize, stride, padding,
                         dilation, groups, padding_mode, data_format, flip, activation)
    desc.g.bias = bias
    desc.g.residual = residual
    if key is not None:
        if len(described) >= MOST_DESCRIBED:
            described.clear()
        described[key] = desc
    return desc


cdef class Output:
    """Where a result is computed, and where it goes.

    Algorithms write a C-contiguous array in the arithmetic's dtype, with a batch axis. That is
    `out` itself where it fits; where it does not, overlaps an input, or the call is long enough
    to be interrupted, it is a temporary that is copied at the end.
    """

    cdef object out       # what the caller gave
    cdef object result    # dtype
    cdef tuple shape
    cdef cnp.ndarray array
    cdef bint in_place

    @staticmethod
    cdef Output make(str function, out, tuple shape, result, arithmetic, tuple inputs,
                     double work, bint batched):
        cdef Output self = Output.__new__(Output)
        cdef cnp.ndarray given
        self.out = out
        self.shape = shape
        self.result = result
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError(f"{function}: out must be an ndarray, not {type(out).__name__}")
            given = out
            if out.shape != shape:
                raise ValueError(
                    f"{function}: out has shape {out.shape}, but the result has {shape}")
            if out.dtype != result:
                raise ValueError(
                    f"{function}: out has dtype {out.dtype}, but the result has {result}")
            if not cnp.PyArray_ISWRITEABLE(given):
                raise ValueError(f"{function}: out is read-only")
            if 0 in out.strides and out.size > 1:
                for size, stride in zip(out.shape, out.strides):
                    if stride == 0 and size > 1:
                        raise ValueError(
                            f"{function}: out is a broadcast view: several of its elements "
                            f"share memory")
            if (cnp.PyArray_ISCARRAY(given) and out.dtype == arithmetic and out.dtype.isnative
                    and not is_long(work) and not overlaps(out, inputs)):
                self.in_place = True
                self.array = given if type(out) is np.ndarray else out.view(np.ndarray)
                if not batched:
                    self.array = self.array[np.newaxis]
                return self
        self.array = np.empty(shape if batched else (1,) + shape, arithmetic)
        return self

    cdef finish(self):
        """The result, in its place."""
        array = self.array
        if self.out is None:
            if (<cnp.ndarray>array).dtype is not self.result:
                array = array.astype(self.result)
            return array if array.ndim == len(self.shape) else array[0]
        if not self.in_place:
            np.copyto(self.out, array.reshape(self.shape), casting="unsafe")
        return self.out


cdef bint overlaps(out, tuple inputs):
    for array in inputs:
        if array is not None and np.may_share_memory(out, array):
            return True
    return False


cdef cnp.ndarray batched(cnp.ndarray array, dtype, bint has_batch):
    array = operand(array, dtype)
    return array if has_batch else array[np.newaxis]


cdef cnp.ndarray contiguous(array, dtype, bint has_batch):
    array = operand(array, dtype)
    if not cnp.PyArray_IS_C_CONTIGUOUS(array):
        array = np.ascontiguousarray(array)
    return array if has_batch else array[np.newaxis]


cdef check_bias(ConvDesc desc, bias):
    if bias.shape != (desc.g.filters,):
        raise ValueError(
            f"{desc.function}: bias has shape {bias.shape}, but weight has {desc.g.filters} "
            f"filters, so it must be ({desc.g.filters},)"
        )


def forward(str function, rank, x, weight, bias, stride, padding, dilation, groups, padding_mode,
            data_format, flip, activation, residual, precision, method, max_workspace,
            num_threads, out):
    """y = act(conv(x, weight) + bias + residual)."""
    cdef ConvDesc desc
    cdef Output output
    cdef double work
    cdef int threads
    x = as_array(function, "x", x)
    weight = as_array(function, "weight", weight)
    if bias is not None:
        bias = as_array(function, "bias", bias)
    result, arithmetic = compute_dtype(function, (x, weight, bias))
    desc = describe(function, rank, x.shape, weight.shape, arithmetic, stride, padding, dilation,
                    groups, padding_mode, data_format, flip, activation, bias is not None,
                    residual is not None)
    shape = desc.output_shape(desc.batch)
    if bias is not None:
        check_bias(desc, bias)
        bias = contiguous(bias, arithmetic, True)
    if residual is not None:
        residual = as_array(function, "residual", residual)
        check_shape(function, "residual", residual, shape, "the result has")
    algorithm = choose(desc, "forward", method, precision, max_workspace)
    work = 2.0 * desc.batch * desc.multiply_adds()
    threads = threads_for(function, num_threads, work)
    output = Output.make(function, out, shape, result, arithmetic, (x, weight, bias, residual),
                         work, desc.batched)
    if residual is not None:
        residual = contiguous(residual, arithmetic, desc.batched)
    kernel = algorithm.prepare(desc, "forward", operand(weight, arithmetic), threads)
    kernel.run(batched(x, arithmetic, desc.batched), bias, residual, output.array, threads)
    return output.finish()


def backward_data(str function, rank, grad_output, weight, input_shape, stride, padding, dilation,
                  groups, padding_mode, data_format, flip, precision, method, max_workspace,
                  num_threads, out):
    """The gradient of the input: the adjoint of the convolution, applied to grad_output."""
    cdef ConvDesc desc, inner
    cdef Output output
    cdef double work
    cdef int threads
    cdef cnp.ndarray target
    grad_output = as_array(function, "grad_output", grad_output)
    weight = as_array(function, "weight", weight)
    result, arithmetic = compute_dtype(function, (grad_output, weight))
    desc = describe(function, rank, as_shape(function, "input_shape", input_shape), weight.shape,
                    arithmetic, stride, padding, dilation, groups, padding_mode, data_format,
                    flip, None, False, False)
    check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                f"an input of shape {desc.input_shape(desc.batch)} gives")
    inner = desc
    if desc.g.padding_mode != PAD_ZEROS:
        # First the gradient of the padded input, then fold the padding back onto its sources.
        inner = describe(function, rank, padded_shape(desc), weight.shape, arithmetic, stride, 0,
                         dilation, groups, "zeros", data_format, flip, None, False, False)
    algorithm = choose(inner, "backward_data", method, precision, max_workspace)
    work = 2.0 * desc.batch * max(inner.multiply_adds(), inner.multiply_adds_backward())
    threads = threads_for(function, num_threads, work)
    output = Output.make(function, out, desc.input_shape(desc.batch), result, arithmetic,
                         (grad_output, weight), work, desc.batched)
    target = output.array
    if inner is not desc:
        target = np.empty(inner.input_shape(desc.batch) if desc.batched
                          else (1,) + inner.input_shape(1), arithmetic)
    kernel = algorithm.prepare(inner, "backward_data", operand(weight, arithmetic), threads)
    kernel.run(batched(grad_output, arithmetic, desc.batched), None, None, target, threads)
    if inner is not desc:
        fold_padding(desc, target, output.array)
    return output.finish()


cdef tuple padded_shape(ConvDesc desc):
    shape = list(desc.input_shape(desc.batch))
    first = len(shape) - <int>desc.g.rank - desc.g.channels_last
    for i in range(desc.g.rank):
        shape[first + i] += (desc.g.before[AXES - desc.g.rank + i]
                             + desc.g.after[AXES - desc.g.rank + i])
    return tuple(shape)


cdef fold_padding(ConvDesc desc, grad, out):
    """Add the gradients of padding positions to those of the elements they were copies of."""
    cdef int axis
    cdef Py_ssize_t i, before, length
    first = 1 if desc.g.channels_last else 2
    for axis in range(AXES - <int>desc.g.rank, AXES):
        before, length = desc.g.before[axis], desc.g.input[axis]
        where = first + axis - AXES + <int>desc.g.rank
        lines = np.moveaxis(grad, where, 0)
        inner = lines[before:before + length].copy()
        copies = {}
        for i in list(range(-before, 0)) + list(range(length, length + desc.g.after[axis])):
            source = source_index(i, length, desc.g.padding_mode)
            copies.setdefault(source, [before + source]).append(before + i)
        for source, positions in copies.items():
            # as a contiguous last axis, along which NumPy adds up in pairs
            inner[source] = np.moveaxis(lines[positions], 0, -1).copy(order="C").sum(axis=-1)
        grad = np.moveaxis(inner, 0, where)
    out[...] = grad


def backward_weight(str function, rank, grad_output, x, weight_shape, stride, padding, dilation,
                    groups, padding_mode, data_format, flip, per_sample, precision, method,
                    max_workspace, num_threads, out):
    """The gradient of the weight, summed over the batch unless per_sample."""
    cdef ConvDesc desc
    cdef Output output
    cdef double work
    cdef int threads
    grad_output = as_array(function, "grad_output", grad_output)
    x = as_array(function, "x", x)
    result, arithmetic = compute_dtype(function, (grad_output, x))
    desc = describe(function, rank, x.shape, as_shape(function, "weight_shape", weight_shape),
                    arithmetic, stride, padding, dilation, groups, padding_mode, data_format,
                    flip, None, False, False)
    check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                f"x and a weight of shape {desc.weight_shape()} give")
    algorithm = choose(desc, "backward_weight", method, precision, max_workspace)
    work = 2.0 * desc.batch * desc.multiply_adds()
    threads = threads_for(function, num_threads, work)
    shape = desc.weight_shape()
    if per_sample and desc.batched:
        shape = (desc.batch,) + shape
    output = Output.make(function, out, shape, result, arithmetic, (grad_output, x), work, True)
    algorithm.weight_gradient(desc, batched(grad_output, arithmetic, desc.batched),
                              batched(x, arithmetic, desc.batched), output.array,
                              bool(per_sample), threads)
    return output.finish()


cdef class Prepared:
    """What a plan holds: one layer's description and packed weights, for any batch."""

    cdef ConvDesc desc
    cdef object kernel
    cdef object bias
    cdef object result
    cdef object arithmetic
    cdef object num_threads
    cdef readonly object algorithm
    cdef tuple image       # x's shape without the batch

    def __init__(self, x_shape, dtype, weight, bias, stride, padding, dilation, groups,
                 padding_mode, data_format, flip, activation, precision, method, max_workspace,
                 num_threads):
        cdef str function = "plan_conv"
        weight = as_array(function, "weight", weight)
        if bias is not None:
            bias = as_array(function, "bias", bias)
        like = np.empty(0, weight.dtype if dtype is None else dtype)
        self.result, self.arithmetic = compute_dtype(
            function, (as_array(function, "dtype", like), weight, bias))
        self.desc = describe_conv(function, None, x_shape, weight.shape,
                                  self.arithmetic.itemsize, stride, padding, dilation, groups,
                                  padding_mode, data_format, flip, activation)
        if bias is not None:
            check_bias(self.desc, bias)
            bias = np.array(bias, self.arithmetic, order="C")
        self.bias = bias
        self.algorithm = choose(self.desc, "forward", method, precision, max_workspace)
        self.num_threads = num_threads
        # a copy, for an algorithm that keeps the weights as they are
        weight = np.array(weight, self.arithmetic, order="C")
        self.kernel = self.algorithm.prepare(
            self.desc, "forward", weight, threads_for(function, num_threads, self.desc.flops(1)))
        shape = self.desc.input_shape(1)
        self.image = shape[1:] if self.desc.batched else shape

    @property
    def description(self):
        return self.desc

    def run(self, x, residual=None, out=None):
        """Convolve x, which may have any batch size, or no batch axis."""
        cdef Output output
        cdef double work
        cdef Py_ssize_t batch
        cdef tuple shape
        cdef int threads
        cdef bint has_batch
        x = as_array("plan", "x", x)
        given = x.shape
        has_batch = len(given) == len(self.image) + 1
        if (given[1:] if has_batch else given) != self.image:
            raise ValueError(
                f"plan: x has shape {given}, but the plan was made for {self.image} "
                f"with any batch in front, or none"
            )
        if (<cnp.ndarray>x).dtype is not self.arithmetic and (
                np.result_type(x.dtype, self.result) != self.result):
            raise TypeError(
                f"plan: x has dtype {x.dtype}, but the plan was made for {self.result}; "
                f"make it with dtype={x.dtype.name!r}"
            )
        batch = given[0] if has_batch else 1
        shape = self.desc.output_shape(batch)
        if has_batch != self.desc.batched:
            shape = (batch,) + shape if has_batch else shape[1:]
        if residual is not None:
            residual = as_array("plan", "residual", residual)
            check_shape("plan", "residual", residual, shape, "the result has")
        work = 2.0 * batch * self.desc.multiply_adds()
        threads = threads_for("plan", self.num_threads, work)
        output = Output.make("plan", out, shape, self.result, self.arithmetic, (x, residual),
                             work, has_batch)
        if residual is not None:
            residual = contiguous(residual, self.arithmetic, has_batch)
        self.kernel.run(batched(x, self.arithmetic, has_batch), self.bias, residual,
                        output.array, threads)
        return output.finish()


# ---- pooling ----

cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef object int64 = np.dtype(np.int64)


cdef tuple pool_dtypes(str function, str name, array, bint means, bint gradient):
    """(dtype of the result, of the operand, of the computed result) of a pooling.

    Extremes keep the dtype. Means and norms of integers are float64, and so are gradients.
    float16 is computed in float32.
    """
    dtype = array.dtype
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


cdef double as_number(str function, str name, value, str wanted) except? -1:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{function}: {name} must be {wanted}, not {value!r}")
    try:
        return value
    except TypeError:
        raise TypeError(f"{function}: {name} must be {wanted}, not {value!r}") from None


cdef double as_divisor(str function, divisor_override) except? -1:
    """divisor_override as a number; 0 for None."""
    cdef double divisor
    if divisor_override is None:
        return 0
    divisor = as_number(function, "divisor_override", divisor_override, "None or a number")
    if divisor == 0 or divisor != divisor:
        raise ValueError(f"{function}: divisor_override must not be {divisor_override!r}")
    return divisor


cdef double as_norm(str function, norm_type) except? -1:
    cdef double norm = as_number(function, "norm_type", norm_type, "a positive number")
    if not norm > 0:
        raise ValueError(f"{function}: norm_type must be positive, not {norm_type!r}")
    return norm


cdef run_pool(PoolDesc desc, x, str op, bint return_indices, bint count_include_pad,
              double divisor, double norm, num_threads, out):
    """Reduce every window of the array x."""
    cdef Output output
    cdef double work = desc.work()
    result, arithmetic, computed = pool_dtypes(desc.function, "x", x, op in ("mean", "norm"),
                                               False)
    output = Output.make(desc.function, out, desc.output_shape(), result, computed, (x,), work,
                         desc.batched)
    where = None
    if return_indices:
        where = np.empty((<object>output.array).shape, int64)
    x = contiguous(x, arithmetic, desc.batched)
    if op == "norm" and norm == INFINITE:
        x, op = np.abs(x.astype(computed)), "max"
    reduce(desc, x, output.array, where, op, count_include_pad, divisor, norm, num_threads)
    if where is None:
        return output.finish()
    return output.finish(), where if desc.batched else where[0]


cdef double INFINITE = float("inf")


def pool_forward(str function, rank, str op, x, kernel_size, stride, padding, dilation, ceil_mode,
                 return_indices, count_include_pad, divisor_override, norm_type, data_format,
                 num_threads, out):
    """Reduce every window of x by op: "max", "min", "mean" or "norm".

    `rank` is the number of spatial axes, or None to take it from kernel_size and x.
    """
    x = as_array(function, "x", x)
    if rank is None:
        rank = pool_rank(function, "kernel_size", kernel_size, x.ndim)
    desc = describe_pool(function, rank, x.shape, kernel_size, stride, padding, dilation,
                         ceil_mode, data_format)
    return run_pool(desc, x, op, bool(return_indices), bool(count_include_pad),
                    as_divisor(function, divisor_override),
                    as_norm(function, norm_type) if op == "norm" else 0, num_threads, out)


def pool_adaptive(str function, rank, str op, x, output_size, return_indices, data_format,
                  num_threads, out):
    """Reduce windows that share x out evenly."""
    x = as_array(function, "x", x)
    if rank is None:
        rank = pool_rank(function, "output_size", output_size, x.ndim)
    desc = describe_adaptive(function, rank, x.shape, output_size, data_format)
    return run_pool(desc, x, op, bool(return_indices), False, 0, 0, num_threads, out)


def pool_global(str function, str op, x, rank, data_format, num_threads, out):
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
        raise error(f"{function}: rank must be None or from 1 to {AXES}, not {rank!r}")
    return run_pool(describe_adaptive(function, rank, x.shape, 1, data_format), x, op, False,
                    False, 0, 0, num_threads, out)


cdef run_spread(PoolDesc desc, grad_output, bint count_include_pad, double divisor, num_threads,
                out):
    """Spread each gradient evenly over its window."""
    cdef Output output
    result, arithmetic, _ = pool_dtypes(desc.function, "grad_output", grad_output, True, True)
    check_shape(desc.function, "grad_output", grad_output, desc.output_shape(),
                f"an input of shape {desc.input_shape()} gives")
    output = Output.make(desc.function, out, desc.input_shape(), result, arithmetic,
                         (grad_output,), desc.work(), desc.batched)
    spread_mean(desc, contiguous(grad_output, arithmetic, desc.batched), output.array,
                count_include_pad, divisor, num_threads)
    return output.finish()


def pool_backward_mean(str function, rank, grad_output, input_shape, kernel_size, stride,
                       padding, dilation, ceil_mode, count_include_pad, divisor_override,
                       data_format, num_threads, out):
    """The gradient of an average pooling."""
    grad_output = as_array(function, "grad_output", grad_output)
    input_shape = as_shape(function, "input_shape", input_shape)
    if rank is None:
        rank = pool_rank(function, "kernel_size", kernel_size, len(input_shape))
    desc = describe_pool(function, rank, input_shape, kernel_size, stride, padding, dilation,
                         ceil_mode, data_format)
    return run_spread(desc, grad_output, bool(count_include_pad),
                      as_divisor(function, divisor_override), num_threads, out)


def pool_backward_adaptive(str function, rank, grad_output, input_shape, data_format,
                           num_threads, out):
    """The gradient of an adaptive average pooling, to the size of grad_output."""
    grad_output = as_array(function, "grad_output", grad_output)
    input_shape = as_shape(function, "input_shape", input_shape)
    if rank is None:
        rank = pool_rank(function, "rank", None, len(input_shape))
    sizes = describe_planes(function, rank, input_shape, grad_output.shape, data_format)
    first = len(sizes) - rank - (data_format == "channels_last")
    desc = describe_adaptive(function, rank, input_shape,
                             grad_output.shape[first:first + rank], data_format)
    return run_spread(desc, grad_output, False, 0, num_threads, out)


def pool_backward_norm(str function, rank, grad_output, x, norm_type, kernel_size, stride,
                       padding, dilation, ceil_mode, data_format, num_threads, out):
    """The gradient of a norm pooling; zero where the norm is."""
    cdef Output output
    cdef PoolDesc desc
    cdef double norm
    grad_output = as_array(function, "grad_output", grad_output)
    x = as_array(function, "x", x)
    norm = as_norm(function, norm_type)
    if rank is None:
        rank = pool_rank(function, "kernel_size", kernel_size, x.ndim)
    desc = describe_pool(function, rank, x.shape, kernel_size, stride, padding, dilation,
                         ceil_mode, data_format)
    check_shape(function, "grad_output", grad_output, desc.output_shape(),
                f"an input of shape {desc.input_shape()} gives")
    pool_dtypes(function, "x", x, True, True)
    pool_dtypes(function, "grad_output", grad_output, True, True)
    result, arithmetic, _ = pool_dtypes(
        function, "x", np.empty(0, np.result_type(x.dtype, grad_output.dtype)), True, True)
    output = Output.make(function, out, desc.input_shape(), result, arithmetic, (grad_output, x),
                         desc.work(), desc.batched)
    x = contiguous(x, arithmetic, desc.batched)
    grad_output = contiguous(grad_output, arithmetic, desc.batched)
    if norm == INFINITE:
        y, where = run_pool(desc, np.abs(x if desc.batched else x[0]), "max", True, False, 0, 0,
                            num_threads, None)
        scatter(function, grad_output, where if desc.batched else where[np.newaxis], output.array,
                desc.g.channels, desc.g.channels_last, True, num_threads)
        np.multiply(output.array, np.sign(x), out=output.array)
        return output.finish()
    y = np.empty_like(grad_output)
    reduce(desc, x, y, None, "norm", False, 0, norm, num_threads)
    spread_norm(desc, grad_output, x, y, output.array, norm, num_threads)
    return output.finish()


cdef check_indices(str function, indices, tuple spatial):
    """Refuse positions outside of a plane."""
    cdef Py_ssize_t plane = math.prod(spatial)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{function}: indices must be integers, not {indices.dtype}")
    if indices.size:
        low, high = indices.min(), indices.max()
        if low < 0 or high >= plane:
            raise ValueError(
                f"{function}: indices hold {low if low < 0 else high}, but a plane of shape "
                f"{spatial} has positions 0 to {plane - 1}"
            )


cdef run_scatter(str function, int rank, values, indices, tuple shape, bint adds, data_format,
                 num_threads, out):
    """An array of `shape` with each value at its flat position, and zeros."""
    cdef Output output
    cdef bint last = data_format == "channels_last"
    cdef bint has_batch = len(shape) == rank + 2
    if adds:
        result, arithmetic, _ = pool_dtypes(function, "grad_output", values, True, True)
    else:
        result = pool_dtypes(function, "x", values, False, False)[0]
        arithmetic = result
    check_indices(function, indices,
                  shape[has_batch:len(shape) - 1] if last else shape[has_batch + 1:])
    output = Output.make(function, out, shape, result, arithmetic, (values, indices),
                         8.0 * (values.size + math.prod(shape)), has_batch)
    inside = scatter(function, contiguous(values, arithmetic, has_batch),
                     contiguous(indices, int64, has_batch), output.array,
                     shape[len(shape) - 1] if last else shape[has_batch], last, adds, num_threads)
    if not inside:
        raise ValueError(f"{function}: indices changed during the call")
    return output.finish()


def pool_backward_where(str function, rank, grad_output, indices, input_shape, data_format,
                        num_threads, out):
    """Add each gradient to the element whose flat position its index is."""
    grad_output = as_array(function, "grad_output", grad_output)
    indices = as_array(function, "indices", indices)
    input_shape = as_shape(function, "input_shape", input_shape)
    if rank is None:
        rank = pool_rank(function, "rank", None, len(input_shape))
    shape = describe_planes(function, rank, input_shape, grad_output.shape, data_format)
    check_shape(function, "indices", indices, grad_output.shape, "grad_output has")
    return run_scatter(function, rank, grad_output, indices, shape, True, data_format,
                       num_threads, out)


def pool_unpool(str function, rank, x, indices, kernel_size, stride, padding, output_size,
                data_format, num_threads, out):
    """Put each element back to where it was found."""
    x = as_array(function, "x", x)
    indices = as_array(function, "indices", indices)
    if rank is None:
        rank = pool_rank(function, "kernel_size", kernel_size, x.ndim)
    shape = describe_unpool(function, rank, x.shape, kernel_size, stride, padding, output_size,
                            data_format)
    check_shape(function, "indices", indices, x.shape, "x has")
    return run_scatter(function, rank, x, indices, shape, False, data_format, num_threads, out)
