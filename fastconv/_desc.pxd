cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._kernels.dispatch cimport fc_activation, fc_epilogue

# Plain integers, so that their bytes can key a dictionary.
cdef struct conv_geometry:
    Py_ssize_t rank, itemsize, channels_last, flip, padding_mode, bias, residual, exact
    Py_ssize_t channels, filters, groups
    Py_ssize_t input[AXES]
    Py_ssize_t output[AXES]
    Py_ssize_t kernel[AXES]
    Py_ssize_t stride[AXES]
    Py_ssize_t dilation[AXES]
    Py_ssize_t before[AXES]
    Py_ssize_t after[AXES]

# One axis of a pooling: its windows. Window o of a regular axis takes the elements
# o * stride - before + t * dilation, t < kernel, as far as they exist; that of an adaptive axis
# floor(o * length / outputs) … ceil((o + 1) * length / outputs) - 1. An adjoint axis goes back
# from outputs to inputs: its window o takes those windows of a regular axis that hold o.
cdef enum pool_kind:
    REGULAR, ADAPTIVE, ADJOINT

cdef struct pool_axis:
    Py_ssize_t kind, length, outputs, kernel, stride, dilation, before, after

# The elements of one window: first, first + step, …; an adjoint window may be empty.
cdef struct span:
    Py_ssize_t first, taps, step

cdef struct pool_geometry:
    Py_ssize_t rank, channels_last, channels
    pool_axis axis[AXES]


cdef class ConvDesc:
    cdef readonly str function
    cdef readonly bint batched
    cdef readonly Py_ssize_t batch
    cdef readonly dict kept    # what later layers derive from it: choices, layouts
    cdef public bint planned   # weights are prepared once, at no cost to a call
    cdef tuple result_shape    # for `batch`, when it has been asked for
    cdef conv_geometry g
    cdef fc_epilogue epilogue

    cpdef tuple input_shape(self, Py_ssize_t batch)
    cpdef tuple output_shape(self, Py_ssize_t batch)
    cpdef tuple weight_shape(self)
    cdef double multiply_adds(self) noexcept
    cdef double multiply_adds_backward(self) noexcept
    cdef double work(self, Py_ssize_t batch, bint backward) noexcept


cdef class TransposedDesc:
    cdef readonly ConvDesc desc
    cdef readonly tuple shape     # of the result
    cdef readonly tuple reached   # the part of it, from the first element on, that desc reads


cdef class PoolDesc:
    cdef readonly str function
    cdef readonly bint batched
    cdef readonly Py_ssize_t batch
    cdef tuple result_shape    # when it has been asked for
    cdef pool_geometry g

    cdef PoolDesc of_images(self, Py_ssize_t batch)
    cpdef tuple input_shape(self)
    cpdef tuple output_shape(self)
    cdef double work(self) noexcept

cdef span window(const pool_axis *axis, Py_ssize_t o) noexcept nogil
cdef Py_ssize_t counted(const pool_axis *axis, Py_ssize_t o, bint padding) noexcept nogil
cdef pool_axis adjoint(const pool_axis *axis) noexcept nogil

cpdef cnp.ndarray as_array(str function, str name, value, bint complex_too=*)
cpdef compute_dtype(str function, tuple arrays, bint parts=*)
cpdef cnp.ndarray operand(cnp.ndarray array, dtype)
cpdef tuple as_shape(str function, str name, value)
