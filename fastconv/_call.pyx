"""From arrays to arrays: describe, select, run. What every public convolution does.

Compiled because it is on the path of every call: for an 8x8 image it takes longer than the
arithmetic.
"""
import math

cimport cython
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t

from fastconv._core.precision cimport precision_in_force
from fastconv._core.threads cimport is_long, threads_for
from fastconv._core.padding cimport AXES, PAD_ZEROS, source_index
from fastconv._desc cimport (
    ConvDesc, PoolDesc, TransposedDesc, as_array, as_shape, compute_dtype, conv_geometry, operand,
)

from fastconv import _select
from fastconv._algorithms.im2col.columns import add_up as scatter_columns, gather as gather_columns
from fastconv._desc import (
    channels_first, check_shape, columns_shape, describe_adaptive, describe_columns,
    describe_conv, describe_planes, describe_pool, describe_transposed, describe_unpool,
    integer_bounds, pool_rank,
)
from fastconv._parts import (
    REAL, as_bits, multiply_complex, multiply_integers, sum_integers, usual_parts,
)
from fastconv._pooling.norm_gradient import spread_norm
from fastconv._pooling.scatter import scatter
from fastconv._pooling.windows import reduce, spread_mean

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    # It takes a reference to the dtype.
    cnp.ndarray PyArray_Empty(int axes, cnp.npy_intp *shape, PyObject *dtype, int fortran)

cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef object int64 = np.dtype(np.int64)
cdef tuple BOTH_32 = (float32, float32), BOTH_64 = (float64, float64)
cdef tuple ALL_32 = (float32,) * 3, ALL_64 = (float64,) * 3

cdef enum:
    COPY = 4 << 20   # bytes of images that are copied, or padded, at once; or one image
    MOST_DESCRIBED = 512


# ---- descriptions of recent calls ----
#
# A call of the same function with the same sizes and arguments has the same description, and to
# look it up must not take longer than a small convolution. So there is no tuple of all that: it
# is compared where it lies.

cdef enum:
    MOST_ARGUMENTS = 10
    MOST_SIZES = 4 + 2 * (AXES + 3)

cdef struct Asked:
    int arguments, sizes
    PyObject *argument[MOST_ARGUMENTS]
    Py_ssize_t size[MOST_SIZES]


cdef class Described:
    """A description, and what it was made from."""

    cdef Asked asked
    cdef tuple arguments     # holds the references
    cdef object description


cdef dict described = {}     # by the hash of what was asked


cdef inline int ask_size(Asked *asked, Py_ssize_t size) except -1:
    if asked.sizes < MOST_SIZES:
        asked.size[asked.sizes] = size
    asked.sizes += 1
    return 0


cdef inline int ask_shape(Asked *asked, shape) except -1:
    """Add the shape of an array, or one that as_shape has made."""
    cdef Py_ssize_t i
    cdef cnp.ndarray array
    if type(shape) is tuple:
        ask_size(asked, len(<tuple>shape))
        for item in <tuple>shape:
            ask_size(asked, item)
    else:
        array = shape
        ask_size(asked, cnp.PyArray_NDIM(array))
        for i in range(cnp.PyArray_NDIM(array)):
            ask_size(asked, cnp.PyArray_DIM(array, i))
    return 0


cdef inline void ask(Asked *asked, argument) noexcept:
    asked.argument[asked.arguments] = <PyObject *>argument
    asked.arguments += 1


cdef bint plain(value, int depth=2) noexcept:
    """Whether value cannot change: a list may be another one tomorrow."""
    kind = type(value)
    if kind is tuple:
        for item in <tuple>value:
            if depth == 0 or not plain(item, depth - 1):
                return False
        return True
    return kind is int or kind is str or kind is bool or kind is float or value is None


cdef bint alike(a, b) except -1:
    """Whether a and b, which are plain, mean the same: True == 1 == 1.0, and 0.0 == -0.0."""
    cdef Py_ssize_t i
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        if len(<tuple>a) != len(<tuple>b):
            return False
        for i in range(len(<tuple>a)):
            if not alike((<tuple>a)[i], (<tuple>b)[i]):
                return False
        return True
    return a == b and (type(a) is not float or a != 0)


cdef Py_hash_t hash_of(const Asked *asked) except? -1:
    """A hash of what is asked; 0 if some of it is not plain, so that it is not remembered."""
    cdef size_t h = asked.arguments
    cdef int i
    if asked.sizes > MOST_SIZES:
        return 0
    for i in range(asked.arguments):
        if not plain(<object>asked.argument[i]):
            return 0
        h = h * 1000003 ^ <size_t>hash(<object>asked.argument[i])
    for i in range(asked.sizes):
        h = h * 1000003 ^ <size_t>asked.size[i]
    return <Py_hash_t>(h >> 2) + 1


cdef bint is_same(const Asked *a, const Asked *b) except -1:
    cdef int i
    if a.arguments != b.arguments or a.sizes != b.sizes:
        return False
    for i in range(a.sizes):
        if a.size[i] != b.size[i]:
            return False
    for i in range(a.arguments):
        if not alike(<object>a.argument[i], <object>b.argument[i]):
            return False
    return True


cdef object recall(const Asked *asked, Py_hash_t h):
    """The description of such a call before, or None."""
    cdef Described found = described.get(h) if h else None
    if found is not None and is_same(asked, &found.asked):
        return found.description
    return None


cdef int remember(const Asked *asked, Py_hash_t h, description) except -1:
    cdef Described known
    cdef int i
    if h:
        if len(described) >= MOST_DESCRIBED:
            described.clear()
        known = Described.__new__(Described)
        known.asked = asked[0]
        known.arguments = tuple([<object>asked.argument[i] for i in range(asked.arguments)])
        known.description = description
        described[h] = known
    return 0


cdef ConvDesc describe(str function, rank, x_shape, weight_shape, dtype, stride, padding,
                       dilation, groups, padding_mode, data_format, flip, activation, bint bias,
                       bint residual, bint exact):
    """`describe_conv`, remembered. A shape may be the array that has it."""
    cdef ConvDesc desc
    cdef Asked asked
    cdef Py_hash_t h
    cdef Py_ssize_t itemsize = 4 if dtype is float32 else 8
    asked.arguments = asked.sizes = 0
    ask(&asked, function)
    ask(&asked, rank)
    ask(&asked, stride)
    ask(&asked, padding)
    ask(&asked, dilation)
    ask(&asked, groups)
    ask(&asked, padding_mode)
    ask(&asked, data_format)
    ask(&asked, flip)
    ask(&asked, activation)
    ask_shape(&asked, x_shape)
    ask_shape(&asked, weight_shape)
    ask_size(&asked, itemsize)
    ask_size(&asked, bias)
    ask_size(&asked, residual)
    ask_size(&asked, exact)
    h = hash_of(&asked)
    desc = recall(&asked, h)
    if desc is None:
        desc = describe_conv(function, rank, shape_of(x_shape), shape_of(weight_shape), itemsize,
                             stride, padding, dilation, groups, padding_mode, data_format, flip,
                             activation, exact)
        desc.g.bias = bias
        desc.g.residual = residual
        remember(&asked, h, desc)
    return desc


cdef TransposedDesc describe_up(str function, rank, x_shape, weight_shape, dtype, stride, padding,
                                output_padding, groups, dilation, output_size, data_format,
                                bint exact):
    """`describe_transposed`, remembered as above."""
    cdef TransposedDesc layer
    cdef Asked asked
    cdef Py_hash_t h
    cdef Py_ssize_t itemsize = 4 if dtype is float32 else 8
    asked.arguments = asked.sizes = 0
    ask(&asked, function)
    ask(&asked, rank)
    ask(&asked, stride)
    ask(&asked, padding)
    ask(&asked, output_padding)
    ask(&asked, groups)
    ask(&asked, dilation)
    ask(&asked, output_size)
    ask(&asked, data_format)
    ask_shape(&asked, x_shape)
    ask_shape(&asked, weight_shape)
    ask_size(&asked, itemsize)
    ask_size(&asked, exact)
    h = hash_of(&asked)
    layer = recall(&asked, h)
    if layer is None:
        layer = describe_transposed(function, rank, shape_of(x_shape), shape_of(weight_shape),
                                    itemsize, stride, padding, output_padding, groups, dilation,
                                    output_size, data_format, exact)
        remember(&asked, h, layer)
    return layer


cdef PoolDesc describe_windows(str function, int rank, x_shape, kernel_size, stride, padding,
                               dilation, ceil_mode, data_format):
    """`describe_pool`, remembered as above."""
    cdef PoolDesc desc
    cdef Asked asked
    cdef Py_hash_t h
    asked.arguments = asked.sizes = 0
    ask(&asked, function)
    ask(&asked, kernel_size)
    ask(&asked, stride)
    ask(&asked, padding)
    ask(&asked, dilation)
    ask(&asked, ceil_mode)
    ask(&asked, data_format)
    ask_shape(&asked, x_shape)
    ask_size(&asked, rank)
    h = hash_of(&asked)
    desc = recall(&asked, h)
    if desc is None:
        desc = describe_pool(function, rank, shape_of(x_shape), kernel_size, stride, padding,
                             dilation, ceil_mode, data_format)
        remember(&asked, h, desc)
    return desc


cdef PoolDesc describe_shares(str function, int rank, x_shape, output_size, data_format):
    """`describe_adaptive`, remembered as above."""
    cdef PoolDesc desc
    cdef Asked asked
    cdef Py_hash_t h
    asked.arguments = asked.sizes = 0
    ask(&asked, function)
    ask(&asked, output_size)
    ask(&asked, data_format)
    ask_shape(&asked, x_shape)
    ask_size(&asked, rank)
    h = hash_of(&asked)
    desc = recall(&asked, h)
    if desc is None:
        desc = describe_adaptive(function, rank, shape_of(x_shape), output_size, data_format)
        remember(&asked, h, desc)
    return desc


cdef object shape_of(shape):
    return shape if type(shape) is tuple else shape.shape


cdef object algorithm_for(ConvDesc desc, str which, method, precision, max_workspace):
    """`choose`, remembered where the description alone decides."""
    if (precision is None and max_workspace is None and type(method) is str and method == "auto"
            and precision_in_force() is None):
        algorithm = desc.kept.get(which)
        if algorithm is None:
            algorithm = desc.kept[which] = choose(desc, which, method, None, None)
        return algorithm
    return choose(desc, which, method, precision, max_workspace)


cdef object choose = _select.choose


# ---- arrays ----

cdef cnp.ndarray empty(tuple shape, dtype, bint batched):
    """A new array; one of a single image gets a batch axis."""
    cdef cnp.npy_intp size[AXES + 4]
    cdef int axes = 0
    if not batched:
        size[0] = 1
        axes = 1
    for item in shape:
        size[axes] = item
        axes += 1
    Py_INCREF(dtype)
    return PyArray_Empty(axes, size, <PyObject *>dtype, 0)


cdef tuple dtypes_of(str function, cnp.ndarray a, cnp.ndarray b, c):
    """`compute_dtype`, at once where all have the same."""
    cdef object dtype = <object>cnp.PyArray_DESCR(a)
    if dtype is <object>cnp.PyArray_DESCR(b) and (
            c is None or dtype is <object>cnp.PyArray_DESCR(c)):
        if dtype is float32:
            return BOTH_32
        if dtype is float64:
            return BOTH_64
    return compute_dtype(function, (a, b, c), True)


@cython.freelist(4)
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
            if (cnp.PyArray_CheckExact(out) and has_shape(given, shape) and result is arithmetic
                    and <object>cnp.PyArray_DESCR(given) is result
                    and cnp.PyArray_ISCARRAY(given) and not is_long(work)
                    and not overlaps(given, inputs)):
                self.in_place = True
                self.array = given if batched else given[np.newaxis]
                return self
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
        self.array = empty(shape, arithmetic, batched)
        return self

    cdef finish(self):
        """The result, in its place."""
        array = self.array
        if self.out is None:
            if <object>cnp.PyArray_DESCR(self.array) is not self.result:
                with np.errstate(over="ignore"):  # float16: infinity, as for the other dtypes
                    array = array.astype(self.result)
            return array if cnp.PyArray_NDIM(array) == len(self.shape) else array[0]
        if not self.in_place:
            with np.errstate(over="ignore"):
                np.copyto(self.out, array.reshape(self.shape), casting="unsafe")
        return self.out


cdef bint overlaps(cnp.ndarray out, tuple inputs) noexcept:
    """Whether an input may share memory with out: what they span has bytes in common."""
    cdef const char *low
    cdef const char *high
    cdef const char *first
    cdef const char *end
    span_of(out, &low, &high)
    for array in inputs:
        if array is not None:
            span_of(array, &first, &end)
            if first < high and low < end:
                return True
    return False


cdef void span_of(cnp.ndarray array, const char **low, const char **high) noexcept:
    cdef Py_ssize_t step
    cdef int i
    low[0] = high[0] = cnp.PyArray_BYTES(array)
    if cnp.PyArray_SIZE(array) == 0:
        return
    for i in range(cnp.PyArray_NDIM(array)):
        step = (cnp.PyArray_DIM(array, i) - 1) * cnp.PyArray_STRIDE(array, i)
        if step < 0:
            low[0] += step
        else:
            high[0] += step
    high[0] += cnp.PyArray_ITEMSIZE(array)


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


cdef along_channels(bias, bint channels_last, Py_ssize_t rank):
    """A view of one number a channel that broadcasts to a batch of images."""
    return bias if channels_last else bias.reshape((-1,) + (1,) * rank)


cdef cnp.ndarray add_batch(cnp.ndarray array, bint has_batch):
    return array if has_batch else array[np.newaxis]


# ---- kernels ----
#
# Whatever has `run(source, bias, residual, out, threads)`: an algorithm's prepared weights, or
# one of these around them.

cdef class Folding:
    """backward_data for a padding mode: the gradient of the padded input, then folded.

    A few images at a time, so that padded arrays stay small.
    """

    cdef ConvDesc desc, inner
    cdef object kernel

    def run(self, source, bias, residual, out, int threads):
        cdef Py_ssize_t i, n, images = 1
        images = max(1, COPY // max(1, math.prod(inner_shape(self.inner, 1)) * out.itemsize))
        for i in range(0, len(out), images):
            PyErr_CheckSignals()
            n = min(images, len(out) - i)
            grad = np.empty(inner_shape(self.inner, n), out.dtype)
            self.kernel.run(source[i:i + n], None, None, grad, threads)
            fold_padding(self.desc, grad, out[i:i + n])


cdef class Appending:
    """backward_data for a result that is longer than what the convolution reads: with zeros."""

    cdef ConvDesc inner
    cdef object kernel

    def run(self, source, bias, residual, out, int threads):
        reached = np.empty(inner_shape(self.inner, out.shape[0]), out.dtype)
        self.kernel.run(source, None, None, reached, threads)
        out[...] = 0
        out[tuple([slice(n) for n in reached.shape])] = reached


cdef tuple inner_shape(ConvDesc inner, Py_ssize_t batch):
    """The shape of a batch of the description's inputs."""
    shape = inner.input_shape(batch)
    return shape if inner.batched else (batch,) + shape


cdef class ByParts:
    """Complex numbers or integers: the real kernels of the weights' parts, made when needed."""

    cdef ConvDesc desc       # of the pass; of its padded input for a padding mode's gradient
    cdef ConvDesc outer      # of the gradient that is folded; else desc
    cdef bint appends
    cdef str which
    cdef object algorithm
    cdef cnp.ndarray weight
    cdef object result       # dtype
    cdef dict kernels

    cdef object kernel(self, part, int threads):
        """The kernel for one part of the weights."""
        kernel = self.kernels.get(part)
        if kernel is None:
            kernel = prepare(self.algorithm, self.which, self.desc, self.outer, self.appends,
                             operand(part.of(self.weight), self.desc.dtype), threads)
            self.kernels[part] = kernel
        return kernel

    cdef object terms(self):
        """Products that an element of the result adds up, at most."""
        cdef conv_geometry *g = &self.desc.g
        count = (g.channels if self.which == "forward" else g.filters) // g.groups
        for axis in range(AXES):
            count *= g.kernel[axis]
            if self.outer is not self.desc:
                count *= 1 + self.outer.g.before[axis] + self.outer.g.after[axis]
        return count

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's; bias, residual and out have the result's kind of numbers."""
        def product(p, q):
            target = np.empty((<object>out).shape, self.desc.dtype)
            self.kernel(q, threads).run(operand(p.of(source), self.desc.dtype), None, None,
                                        target, threads)
            return target

        addends = [] if residual is None else [residual]
        if bias is not None:
            addends.append(along_channels(bias, self.desc.g.channels_last, self.desc.g.rank))
        if self.result.kind == "c":
            multiply_complex(source, self.weight, product, addends, out)
        else:
            multiply_integers(self.desc.function, source, self.weight, product, self.terms(),
                              addends, out)


cdef object prepare(algorithm, which, ConvDesc desc, ConvDesc outer, bint appends, weight,
                    int threads):
    """A real kernel for one pass."""
    cdef Folding folding
    cdef Appending appending
    kernel = algorithm.prepare(desc, which, weight, threads)
    if outer is not desc:
        folding = Folding.__new__(Folding)
        folding.desc, folding.inner, folding.kernel = outer, desc, kernel
        return folding
    if appends:
        appending = Appending.__new__(Appending)
        appending.inner, appending.kernel = desc, kernel
        return appending
    return kernel


cdef ByParts by_parts(algorithm, which, ConvDesc desc, ConvDesc outer, bint appends, weight,
                      result):
    cdef ByParts self = ByParts.__new__(ByParts)
    self.algorithm, self.which, self.desc, self.outer = algorithm, which, desc, outer
    self.appends, self.weight, self.result, self.kernels = appends, weight, result, {}
    return self


cdef bint has_shape(cnp.ndarray array, tuple shape) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(array) != len(shape):
        return False
    for i in range(cnp.PyArray_NDIM(array)):
        if cnp.PyArray_DIM(array, i) != <Py_ssize_t>shape[i]:
            return False
    return True


cdef bint in_parts(result, arithmetic):
    """Whether the result is of complex numbers or integers."""
    return result is not arithmetic and result.kind != "f"


cdef check_residual(str function, residual, tuple shape, result):
    check_shape(function, "residual", residual, shape, "the result has")
    if not np.can_cast(residual.dtype, result, "same_kind"):
        raise TypeError(
            f"{function}: residual has dtype {residual.dtype}, but the result has {result}")


# ---- convolution ----

def forward(str function, rank, x, weight, bias, stride, padding, dilation, groups, padding_mode,
            data_format, flip, activation, residual, precision, method, max_workspace,
            num_threads, out):
    """y = act(conv(x, weight) + bias + residual)."""
    cdef ConvDesc desc
    cdef Output output
    cdef double work
    cdef int threads
    cdef bint parts
    x = as_array(function, "x", x, True)
    weight = as_array(function, "weight", weight, True)
    if bias is not None:
        bias = as_array(function, "bias", bias, True)
    result, arithmetic = dtypes_of(function, x, weight, bias)
    parts = in_parts(result, arithmetic)
    bounds = None
    if parts:
        bounds = integer_bounds(function, result, activation)
        activation = None
    desc = describe(function, rank, x, weight, arithmetic, stride, padding, dilation,
                    groups, padding_mode, data_format, flip, activation, bias is not None,
                    residual is not None, parts and result.kind == "i")
    shape = desc.output_shape(desc.batch)
    if bias is not None:
        check_bias(desc, bias)
    if residual is not None:
        residual = as_array(function, "residual", residual, True)
        check_residual(function, residual, shape, result)
    algorithm = algorithm_for(desc, "forward", method, precision, max_workspace)
    work = desc.work(desc.batch, False)
    threads = threads_for(function, num_threads, work)
    output = Output.make(function, out, shape, result, result if parts else arithmetic,
                         (x, weight, bias, residual), work, desc.batched)
    if parts:
        by_parts(algorithm, "forward", desc, desc, False, weight, result).run(
            add_batch(x, desc.batched), bias,
            None if residual is None else add_batch(residual, desc.batched), output.array, threads)
        if bounds is not None:
            np.clip(output.array, *bounds, out=output.array)
        return output.finish()
    if bias is not None:
        bias = contiguous(bias, arithmetic, True)
    if residual is not None:
        residual = contiguous(residual, arithmetic, desc.batched)
    kernel = algorithm.prepare(desc, "forward", operand(weight, arithmetic), threads)
    kernel.run(batched(x, arithmetic, desc.batched), bias, residual, output.array, threads)
    return output.finish()


cdef object adjoint(str function, ConvDesc desc, ConvDesc outer, bint appends, tuple shape,
                    source, weight, bias, result, arithmetic, method, precision, max_workspace,
                    num_threads, out):
    """Run backward_data of `desc` on source and weight, add bias, and fold or append."""
    cdef Output output
    cdef double work
    cdef int threads
    cdef bint parts = in_parts(result, arithmetic)
    algorithm = algorithm_for(desc, "backward_data", method, precision, max_workspace)
    work = desc.work(desc.batch, True)
    threads = threads_for(function, num_threads, work)
    output = Output.make(function, out, shape, result, result if parts else arithmetic,
                         (source, weight, bias), work, desc.batched)
    if parts:
        by_parts(algorithm, "backward_data", desc, outer, appends, weight, result).run(
            add_batch(source, desc.batched), bias, None, output.array, threads)
        return output.finish()
    if bias is not None:
        bias = along_channels(operand(bias, arithmetic), desc.g.channels_last, desc.g.rank)
    kernel = prepare(algorithm, "backward_data", desc, outer, appends,
                     operand(weight, arithmetic), threads)
    kernel.run(batched(source, arithmetic, desc.batched), None, None, output.array, threads)
    if bias is not None:
        output.array += bias
    return output.finish()


def backward_data(str function, rank, grad_output, weight, input_shape, stride, padding, dilation,
                  groups, padding_mode, data_format, flip, precision, method, max_workspace,
                  num_threads, out):
    """The gradient of the input: the adjoint of the convolution, applied to grad_output."""
    cdef ConvDesc desc, inner
    cdef bint exact
    grad_output = as_array(function, "grad_output", grad_output, True)
    weight = as_array(function, "weight", weight, True)
    result, arithmetic = dtypes_of(function, grad_output, weight, None)
    exact = result.kind == "i"
    desc = describe(function, rank, as_shape(function, "input_shape", input_shape), weight,
                    arithmetic, stride, padding, dilation, groups, padding_mode, data_format,
                    flip, None, False, False, exact)
    if not has_shape(grad_output, desc.output_shape(desc.batch)):
        check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                    f"an input of shape {desc.input_shape(desc.batch)} gives")
    inner = desc
    if desc.g.padding_mode != PAD_ZEROS:
        # First the gradient of the padded input, then fold the padding back onto its sources.
        inner = describe(function, rank, padded_shape(desc), weight, arithmetic, stride, 0,
                         dilation, groups, "zeros", data_format, flip, None, False, False, exact)
    return adjoint(function, inner, desc, False, desc.input_shape(desc.batch), grad_output,
                   weight, None, result, arithmetic, method, precision, max_workspace,
                   num_threads, out)


def transposed(str function, rank, x, weight, bias, stride, padding, output_padding, groups,
               dilation, output_size, data_format, precision, method, max_workspace, num_threads,
               out):
    """The adjoint of a convolution with the same weights, applied to x, plus bias."""
    cdef TransposedDesc layer
    cdef ConvDesc desc
    x = as_array(function, "x", x, True)
    weight = as_array(function, "weight", weight, True)
    if bias is not None:
        bias = as_array(function, "bias", bias, True)
    result, arithmetic = dtypes_of(function, x, weight, bias)
    layer = describe_up(function, rank, x, weight, arithmetic, stride, padding,
                        output_padding, groups, dilation, output_size, data_format,
                        result.kind == "i")
    desc = layer.desc
    if bias is not None and bias.shape != (desc.g.channels,):
        raise ValueError(
            f"{function}: bias has shape {bias.shape}, but the result has {desc.g.channels} "
            f"channels, so it must be ({desc.g.channels},)"
        )
    return adjoint(function, desc, desc, layer.reached != layer.shape, layer.shape, x, weight,
                   bias, result, arithmetic, method, precision, max_workspace, num_threads, out)


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
    cdef bint parts
    grad_output = as_array(function, "grad_output", grad_output, True)
    x = as_array(function, "x", x, True)
    result, arithmetic = dtypes_of(function, grad_output, x, None)
    parts = in_parts(result, arithmetic)
    desc = describe(function, rank, x, as_shape(function, "weight_shape", weight_shape),
                    arithmetic, stride, padding, dilation, groups, padding_mode, data_format,
                    flip, None, False, False, result.kind == "i")
    if not has_shape(grad_output, desc.output_shape(desc.batch)):
        check_shape(function, "grad_output", grad_output, desc.output_shape(desc.batch),
                    f"x and a weight of shape {desc.weight_shape()} give")
    algorithm = algorithm_for(desc, "backward_weight", method, precision, max_workspace)
    work = desc.work(desc.batch, False)
    threads = threads_for(function, num_threads, work)
    shape = desc.weight_shape()
    if per_sample and desc.batched:
        shape = (desc.batch,) + shape
    output = Output.make(function, out, shape, result, result if parts else arithmetic,
                         (grad_output, x), work, True)
    if parts:
        weight_gradient_by_parts(desc, algorithm, add_batch(grad_output, desc.batched),
                                 add_batch(x, desc.batched), result, output.array,
                                 bool(per_sample), threads)
        return output.finish()
    algorithm.weight_gradient(desc, batched(grad_output, arithmetic, desc.batched),
                              batched(x, arithmetic, desc.batched), output.array,
                              bool(per_sample), threads)
    return output.finish()


def weight_gradient_by_parts(ConvDesc desc, algorithm, grad_output, x, result, out, per_sample,
                             int threads):
    """The gradient of the weight for complex numbers or integers."""
    dtype = desc.dtype

    def product(p, q):
        target = np.empty(out.shape, dtype)
        algorithm.weight_gradient(desc, operand(p.of(grad_output), dtype),
                                  operand(q.of(x), dtype), target, per_sample, threads)
        return target

    if result.kind == "c":
        multiply_complex(grad_output, x, product, [], out)
    else:
        terms = math.prod(desc.axes("output")) * (1 if per_sample else desc.batch)
        multiply_integers(desc.function, grad_output, x, product, terms, [], out)


def backward_bias(str function, rank, grad_output, data_format):
    """The gradient of the bias: sums over the batch and all positions."""
    grad_output = as_array(function, "grad_output", grad_output, True)
    result, _ = compute_dtype(function, (grad_output,), True)
    planes = channels_first(function, rank, "grad_output", grad_output, data_format)
    # contiguous, because NumPy adds up in pairs along such an axis only
    planes = np.ascontiguousarray(planes)
    planes = planes.reshape(planes.shape[0], math.prod(planes.shape[1:]))
    if result.kind == "i":
        return sum_integers(function, planes)
    wide = np.complex128 if result.kind == "c" else np.float64
    return planes.sum(axis=1, dtype=wide).astype(result)


cdef class Prepared:
    """What a plan holds: one layer's description and packed weights, for any batch."""

    cdef ConvDesc desc
    cdef object kernel
    cdef object bias
    cdef readonly object result      # dtype
    cdef object arithmetic
    cdef bint parts
    cdef object bounds     # of an activation of integers
    cdef object num_threads
    cdef readonly object algorithm
    cdef tuple image       # x's shape without the batch
    cdef Py_ssize_t size[AXES + 1]

    def __init__(self, x_shape, dtype, weight, bias, stride, padding, dilation, groups,
                 padding_mode, data_format, flip, activation, precision, method, max_workspace,
                 num_threads):
        cdef str function = "plan_conv"
        cdef ByParts kernel
        cdef int threads
        weight = as_array(function, "weight", weight, True)
        if bias is not None:
            bias = as_array(function, "bias", bias, True)
        like = np.empty(0, weight.dtype if dtype is None else dtype)
        self.result, self.arithmetic = compute_dtype(
            function, (as_array(function, "dtype", like, True), weight, bias), True)
        self.parts = in_parts(self.result, self.arithmetic)
        self.bounds = None
        if self.parts:
            self.bounds = integer_bounds(function, self.result, activation)
            activation = None
        self.desc = describe_conv(function, None, x_shape, weight.shape,
                                  self.arithmetic.itemsize, stride, padding, dilation, groups,
                                  padding_mode, data_format, flip, activation,
                                  self.result.kind == "i")
        if bias is not None:
            check_bias(self.desc, bias)
            bias = np.array(bias, bias.dtype if self.parts else self.arithmetic, order="C")
        self.bias = bias
        self.desc.planned = True
        self.algorithm = choose(self.desc, "forward", method, precision, max_workspace)
        self.num_threads = num_threads
        threads = threads_for(function, num_threads, self.desc.flops(1))
        # a copy, for an algorithm that keeps the weights as they are
        weight = np.array(weight, weight.dtype if self.parts else self.arithmetic, order="C")
        if self.parts:
            kernel = by_parts(self.algorithm, "forward", self.desc, self.desc, False, weight,
                              self.result)
            for part in usual_parts(weight, self.result):
                kernel.kernel(part, threads)
            self.kernel = kernel
        else:
            self.kernel = self.algorithm.prepare(self.desc, "forward", weight, threads)
        shape = self.desc.input_shape(1)
        self.image = shape[1:] if self.desc.batched else shape
        for axis, size in enumerate(self.image):
            self.size[axis] = size

    @property
    def description(self):
        return self.desc

    cdef bint fits(self, cnp.ndarray x) noexcept:
        """Whether x is a batch of the plan's images, or one."""
        cdef int axes = <int>self.desc.g.rank + 1, more = cnp.PyArray_NDIM(x) - axes, i
        if more != 0 and more != 1:
            return False
        for i in range(axes):
            if cnp.PyArray_DIM(x, more + i) != self.size[i]:
                return False
        return True

    cdef bint takes(self, dtype):
        """Whether an input of this dtype gives the result the dtype that it was planned for."""
        if self.result.kind == "i":
            return dtype.kind in "iub"
        return np.result_type(dtype, self.result) == self.result

    def run(self, x, residual=None, out=None):
        """Convolve x, which may have any batch size, or no batch axis."""
        cdef Output output
        cdef double work
        cdef Py_ssize_t batch
        cdef tuple shape
        cdef int threads
        cdef bint has_batch
        x = as_array("plan", "x", x, True)
        if not self.fits(x):
            raise ValueError(
                f"plan: x has shape {x.shape}, but the plan was made for {self.image} "
                f"with any batch in front, or none"
            )
        if (self.parts or <object>cnp.PyArray_DESCR(x) is not self.arithmetic) and (
                not self.takes(x.dtype)):
            raise TypeError(
                f"plan: x has dtype {x.dtype}, but the plan was made for {self.result}; "
                f"make it with dtype={x.dtype.name!r}"
            )
        has_batch = cnp.PyArray_NDIM(x) == <int>self.desc.g.rank + 2
        batch = cnp.PyArray_DIM(x, 0) if has_batch else 1
        shape = self.desc.output_shape(batch)
        if has_batch != self.desc.batched:
            shape = (batch,) + shape if has_batch else shape[1:]
        if residual is not None:
            residual = as_array("plan", "residual", residual, True)
            check_residual("plan", residual, shape, self.result)
        work = self.desc.work(batch, False)
        threads = threads_for("plan", self.num_threads, work)
        output = Output.make("plan", out, shape, self.result,
                             self.result if self.parts else self.arithmetic, (x, residual),
                             work, has_batch)
        if self.parts:
            self.kernel.run(add_batch(x, has_batch), self.bias,
                            None if residual is None else add_batch(residual, has_batch),
                            output.array, threads)
            if self.bounds is not None:
                np.clip(output.array, *self.bounds, out=output.array)
            return output.finish()
        if residual is not None:
            residual = contiguous(residual, self.arithmetic, has_batch)
        self.kernel.run(batched(x, self.arithmetic, has_batch), self.bias, residual,
                        output.array, threads)
        return output.finish()


# ---- columns ----

def columns(str function, x, kernel_size, stride, padding, dilation, padding_mode, data_format,
            num_threads):
    """What each position of the window sees, as columns."""
    cdef ConvDesc desc
    x = as_array(function, "x", x, True)
    views, back = as_bits(x)
    itemsize = min(x.dtype.itemsize, 8)
    desc = describe_columns(function, x.shape, kernel_size, stride, padding, dilation,
                            padding_mode, data_format, max(itemsize, 4))
    shape = (desc.batch,) + columns_shape(desc)
    moved = []
    for view in views:
        cols = np.empty(shape, desc.dtype)
        gather_columns(desc, batched(view, desc.dtype, desc.batched), cols, num_threads)
        moved.append(cols)
    cols = back(moved)
    return cols if desc.batched else cols[0]


def images(str function, cols, input_shape, kernel_size, stride, padding, dilation, data_format,
           num_threads):
    """Columns added up where they came from: the adjoint of `columns`."""
    cdef ConvDesc desc
    cols = as_array(function, "cols", cols, True)
    result, arithmetic = compute_dtype(function, (cols,), True)
    desc = describe_columns(function, input_shape, kernel_size, stride, padding, dilation,
                            "zeros", data_format, arithmetic.itemsize)
    rows = columns_shape(desc)
    check_shape(function, "cols", cols, (desc.batch,) + rows if desc.batched else rows,
                f"an input of shape {desc.input_shape(desc.batch)} has columns of shape")
    shape = inner_shape(desc, desc.batch)
    cols = add_batch(cols, desc.batched)

    def product(p, q):
        target = np.zeros(shape, arithmetic)
        scatter_columns(desc, contiguous(p.of(cols), arithmetic, True), target, num_threads)
        return target

    if result.kind == "f":
        out = product(REAL, REAL).astype(result, copy=False)
    else:
        # a product with one
        out = np.empty(shape, result)
        one = np.ones((), bool)
        if result.kind == "c":
            multiply_complex(cols, one, product, [], out)
        else:
            multiply_integers(function, cols, one, product, math.prod(desc.axes("kernel")), [],
                              out)
    return out if desc.batched else out[0]


# ---- pooling ----

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


cdef list pieces(PoolDesc desc, cnp.ndarray array):
    """Images to pool at once, with their description, so that copies of views stay small."""
    cdef Py_ssize_t images, i, batch = desc.batch
    if cnp.PyArray_IS_C_CONTIGUOUS(array) or batch == 0:
        return [(desc, slice(None))]
    images = min(batch, max(1, COPY * batch // max(cnp.PyArray_NBYTES(array), 1)))
    return [(desc.of_images(min(images, batch - i)), slice(i, i + images))
            for i in range(0, batch, images)]


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
        where = empty(output.shape, int64, desc.batched)
    x = batched(x, arithmetic, desc.batched)
    largest = op == "norm" and norm == INFINITE
    PyErr_CheckSignals()
    if cnp.PyArray_IS_C_CONTIGUOUS(x) and not largest:
        reduce(desc, x, output.array, where, op, count_include_pad, divisor, norm, num_threads)
    else:
        for part, images in pieces(desc, x):
            piece = np.ascontiguousarray(x[images])
            PyErr_CheckSignals()
            if largest:
                piece = np.abs(piece.astype(computed))
            reduce(part, piece, output.array[images], None if where is None else where[images],
                   "max" if largest else op, count_include_pad, divisor, norm, num_threads)
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
    desc = describe_windows(function, rank, x, kernel_size, stride, padding, dilation, ceil_mode,
                            data_format)
    return run_pool(desc, x, op, bool(return_indices), bool(count_include_pad),
                    as_divisor(function, divisor_override),
                    as_norm(function, norm_type) if op == "norm" else 0, num_threads, out)


def pool_adaptive(str function, rank, str op, x, output_size, return_indices, data_format,
                  num_threads, out):
    """Reduce windows that share x out evenly."""
    x = as_array(function, "x", x)
    if rank is None:
        rank = pool_rank(function, "output_size", output_size, x.ndim)
    desc = describe_shares(function, rank, x, output_size, data_format)
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
    return run_pool(describe_shares(function, rank, x, 1, data_format), x, op, False,
                    False, 0, 0, num_threads, out)


cdef run_spread(PoolDesc desc, grad_output, bint count_include_pad, double divisor, num_threads,
                out):
    """Spread each gradient evenly over its window."""
    cdef Output output
    result, arithmetic, _ = pool_dtypes(desc.function, "grad_output", grad_output, True, True)
    if not has_shape(grad_output, desc.output_shape()):
        check_shape(desc.function, "grad_output", grad_output, desc.output_shape(),
                    f"an input of shape {desc.input_shape()} gives")
    output = Output.make(desc.function, out, desc.input_shape(), result, arithmetic,
                         (grad_output,), desc.work(), desc.batched)
    grad_output = batched(grad_output, arithmetic, desc.batched)
    PyErr_CheckSignals()
    if cnp.PyArray_IS_C_CONTIGUOUS(grad_output):
        spread_mean(desc, grad_output, output.array, count_include_pad, divisor, num_threads)
    else:
        for part, images in pieces(desc, grad_output):
            PyErr_CheckSignals()
            spread_mean(part, np.ascontiguousarray(grad_output[images]), output.array[images],
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
    desc = describe_windows(function, rank, input_shape, kernel_size, stride, padding, dilation,
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
    desc = describe_shares(function, rank, input_shape,
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
    desc = describe_windows(function, rank, x, kernel_size, stride, padding, dilation, ceil_mode,
                            data_format)
    if not has_shape(grad_output, desc.output_shape()):
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


cdef tuple smallest_and_largest(cnp.ndarray indices):
    cdef const int64_t *index
    cdef int64_t low, high
    cdef Py_ssize_t i
    if <object>cnp.PyArray_DESCR(indices) is not int64 or not cnp.PyArray_ISCARRAY_RO(indices):
        return indices.min(), indices.max()
    index = <const int64_t *>cnp.PyArray_DATA(indices)
    low = high = index[0]
    with nogil:
        for i in range(cnp.PyArray_SIZE(indices)):
            low = min(low, index[i])
            high = max(high, index[i])
    return low, high


cdef check_indices(str function, indices, tuple spatial):
    """Refuse positions outside of a plane."""
    cdef Py_ssize_t plane = math.prod(spatial)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{function}: indices must be integers, not {indices.dtype}")
    if indices.size:
        low, high = smallest_and_largest(indices)
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
