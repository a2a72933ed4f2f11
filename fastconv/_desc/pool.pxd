cimport cython
cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._desc.geometry cimport Geometry

cdef Py_ssize_t LONGEST_SPAN   # elements that the windows of an axis may span

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


@cython.final
cdef class PoolDesc:
    cdef readonly str function
    cdef str x                 # what the caller calls the input, or its shape
    cdef readonly bint batched
    cdef readonly Py_ssize_t batch
    cdef tuple result_shape    # when it has been asked for
    cdef dict kept             # what drivers find out once
    cdef pool_geometry g

    cdef PoolDesc of_images(self, Py_ssize_t batch)
    cdef PoolDesc of_rows(self, int axis, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t *low,
                          Py_ssize_t *high)
    cpdef tuple input_shape(self)
    cpdef tuple output_shape(self)
    cdef bint has_input_shape(self, cnp.ndarray array) noexcept
    cdef double work(self) noexcept

cdef span window(const pool_axis *axis, Py_ssize_t o) noexcept nogil
cdef Py_ssize_t counted(const pool_axis *axis, Py_ssize_t o, bint padding) noexcept nogil
cdef pool_axis adjoint(const pool_axis *axis) noexcept nogil

cpdef int pool_rank(Geometry geometry, str name, size, Py_ssize_t axes) except -1
cdef PoolDesc begin_pool(Geometry geometry, int rank, tuple xs)
cdef int as_strides(str function, stride, int rank, const Py_ssize_t *kernel,
                    Py_ssize_t *out) except -1
