"""Small integers on their way to and from kernels: as floats, and sums as results.

An *element* of the kernels `i16_pairs` is two words of 16 bits, as wide as a float32.
"""
import math

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t

from fastconv._core.integers cimport ceil_div
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._kernels.dispatch cimport (
    FC_I8, FC_I16, FC_I32, FC_I64, FC_REQUANTIZE, FC_U8, FC_U16, fc_epilogue, fc_table, kernels,
)

cnp.import_array()

cdef enum:
    TASK_PIXELS = 1 << 14  # that a task converts

cdef object int32 = np.dtype(np.int32)
cdef tuple NEAR = (1e-30, 0.99)  # scales that float32 has, with products of 32 bits
cdef dict TYPES = {np.dtype(name): number for name, number in (
    ("u1", FC_U8), ("i1", FC_I8), ("u2", FC_U16), ("i2", FC_I16), ("i4", FC_I32), ("i8", FC_I64),
    ("?", FC_U8))}


cdef int type_of(cnp.ndarray array) except -1:
    """The `fc_type` of its elements."""
    return TYPES[array.dtype]


cdef cnp.ndarray lent(tuple shape):
    """An array of float32, or of elements of that size, in scratch memory."""
    cdef Scratch loan = acquire(4 * math.prod(shape))
    cdef cnp.npy_intp size[cnp.NPY_MAXDIMS]
    cdef cnp.ndarray array
    for axis, length in enumerate(shape):
        size[axis] = length
    array = cnp.PyArray_SimpleNewFromData(<int>len(shape), size, cnp.NPY_FLOAT, loan.data)
    cnp.set_array_base(array, loan)
    return array


# ---- the way out ----

cdef class Requantization:
    """What becomes of sums: bias, bounds and, with a scale, results of 8 or 16 bits.

    bias: one integer for each channel of the result. bounds: within what the dtype holds, less
    the zero point. scale: one number for each channel, or None.
    """

    def __init__(self, bias, tuple bounds, dtype, scale=None, int zero_point=0):
        cdef fc_epilogue *epilogue = &self.epilogue
        self.bias = np.ascontiguousarray(bias, int32)
        self.scale = None if scale is None else np.ascontiguousarray(scale, np.float64)
        epilogue.activation = FC_REQUANTIZE
        epilogue.lo, epilogue.hi = bounds
        epilogue.scale = NULL if scale is None else <double *>cnp.PyArray_DATA(self.scale)
        epilogue.bias = <int32_t *>cnp.PyArray_DATA(self.bias)
        epilogue.zero_point = zero_point
        epilogue.type = TYPES[dtype]
        # float32 tells most results of 8 bits, unless the scale is out of its range.
        if self.scale is not None and dtype.itemsize == 1 and (
                (self.scale > NEAR[0]) & (self.scale < NEAR[1])).all():
            self.near_scale = self.scale.astype(np.float32)
            epilogue.near_scale = <float *>cnp.PyArray_DATA(self.near_scale)

    cdef Requantization with_bias(self, bias):
        """The same with another bias."""
        cdef Requantization other = Requantization.__new__(Requantization)
        other.bias, other.scale, other.epilogue = bias, self.scale, self.epilogue
        other.near_scale = self.near_scale
        other.epilogue.bias = <int32_t *>cnp.PyArray_DATA(other.bias)
        return other

    cdef Requantization less_zeros(self, int zero, cnp.ndarray weight):
        """The same, with what a zero point adds to each sum taken back, modulo 2^32."""
        sums = weight.reshape(len(weight), -1).sum(1, dtype=np.int64)
        return self.with_bias((self.bias - zero * sums).astype(int32))


# Sums that are floats, or a source that will be.
cdef struct Conversion:
    const fc_table *kernels
    int type
    Py_ssize_t itemsize
    int zero_point
    const char *source
    char *out
    Py_ssize_t size             # elements
    const fc_epilogue *epilogue
    const int32_t *bias
    Py_ssize_t channels, pixels, blocks
    bint channels_last


cdef cnp.ndarray in_floats(cnp.ndarray source, int zero_point, int threads):
    """An array of small integers, less a zero point, in float32."""
    cdef Conversion c
    cdef cnp.ndarray given = np.ascontiguousarray(source)
    cdef cnp.ndarray out = lent((<object>given).shape)
    c.kernels = kernels()
    c.type, c.itemsize, c.zero_point = type_of(given), cnp.PyArray_ITEMSIZE(given), zero_point
    c.source, c.out = cnp.PyArray_BYTES(given), cnp.PyArray_BYTES(out)
    c.size = cnp.PyArray_SIZE(given)
    parallel_for(convert_task, &c, ceil_div(c.size, TASK_PIXELS), threads, 0.0)
    return out


cdef void convert_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Conversion *c = <const Conversion *>context
    cdef Py_ssize_t first = task * TASK_PIXELS
    c.kernels.integers.floats[c.type](min(TASK_PIXELS, c.size - first),
                                      c.source + first * c.itemsize, c.zero_point,
                                      c.out + first * 4)


cdef int from_floats(cnp.ndarray sums, Requantization way_out, cnp.ndarray out,
                     bint channels_last, int threads) except -1:
    """Sums that are integers in float32 to results; the sums are overwritten."""
    cdef Conversion c
    cdef int last = cnp.PyArray_NDIM(sums) - 1
    if cnp.PyArray_SIZE(sums) == 0:
        return 0
    c.kernels = kernels()
    c.source, c.out = cnp.PyArray_BYTES(sums), cnp.PyArray_BYTES(out)
    c.itemsize = cnp.PyArray_ITEMSIZE(out)
    c.size = cnp.PyArray_SIZE(sums)
    c.epilogue = &way_out.epilogue
    c.bias = <const int32_t *>cnp.PyArray_BYTES(way_out.bias)
    c.channels_last = channels_last
    c.channels = cnp.PyArray_DIM(sums, last if channels_last else 1)
    c.pixels = c.size // c.channels
    if channels_last:  # rows are pixels, and a task takes some
        c.blocks = max(1, TASK_PIXELS // c.channels)
        parallel_for(finish_pixels, &c, ceil_div(c.pixels, c.blocks), threads, 0.0)
    else:
        c.pixels //= cnp.PyArray_DIM(sums, 0)
        parallel_for(finish_plane, &c, c.size // c.pixels, threads, 0.0)
    return 0


cdef void finish_pixels(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Conversion *c = <const Conversion *>context
    cdef Py_ssize_t first = task * c.blocks, rows = min(c.blocks, c.pixels - first)
    cdef float *sums = (<float *>c.source) + first * c.channels
    c.kernels.integers.whole(rows * c.channels, sums)
    c.kernels.i16_pairs.store(rows, c.channels, sums, c.channels,
                              c.out + first * c.channels * c.itemsize, c.channels, c.bias, 0, 1,
                              NULL, 0, c.epilogue)


cdef void finish_plane(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Conversion *c = <const Conversion *>context
    cdef float *sums = (<float *>c.source) + task * c.pixels
    c.kernels.integers.whole(c.pixels, sums)
    c.kernels.i16_pairs.store(1, c.pixels, sums, c.pixels, c.out + task * c.pixels * c.itemsize,
                              c.pixels, c.bias + task % c.channels, 0, 0, NULL, 0, c.epilogue)
