cimport cython
cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._desc.arguments cimport is_image
from fastconv._desc.geometry cimport Geometry
from fastconv._kernels.dispatch cimport fc_epilogue

cdef struct conv_geometry:
    Py_ssize_t rank, itemsize, channels_last, flip, padding_mode, exact
    Py_ssize_t turned          # the last axis was another, before those of one element came first
    Py_ssize_t packed          # channels of an element of small integers: two words or four bytes
    Py_ssize_t channels, filters, groups
    Py_ssize_t input[AXES]
    Py_ssize_t output[AXES]
    Py_ssize_t kernel[AXES]
    Py_ssize_t stride[AXES]    # 1 between no two windows
    Py_ssize_t asked_stride[AXES]   # as asked there too: it orders sums, by depthwise and direct
    Py_ssize_t dilation[AXES]
    Py_ssize_t before[AXES]
    Py_ssize_t after[AXES]
    double padding_value       # of PAD_CONSTANT


@cython.final
cdef class ConvDesc:
    cdef readonly str function
    cdef readonly bint batched
    cdef readonly Py_ssize_t batch
    # What the layers below derive from it. The keys are (algorithm, pass, …): the algorithm's
    # name, or "auto" for a choice among them; the pass, "forward", "backward_data" or
    # "backward_weight"; and whatever else it depends on.
    cdef readonly dict kept
    cdef dict automatic        # by pass: (tier in force, what "auto" chose)
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
    cdef ConvDesc with_padding_value(self, double value)
    cdef ConvDesc of_rows(self, int axis, Py_ssize_t length, Py_ssize_t before, Py_ssize_t after,
                          Py_ssize_t outputs)
    cdef ConvDesc in_float32(self)
    cpdef ConvDesc of_taps(self, list met)
    cdef ConvDesc for_many(self)


cdef ConvDesc copied(ConvDesc desc)
cpdef Geometry settled(Geometry geometry, dtype)
cpdef Geometry with_zeros(Geometry geometry)
cdef ConvDesc begin_conv(Geometry geometry, tuple xs, tuple ws, str channels,
                         Py_ssize_t itemsize, bint exact)
cdef Py_ssize_t channel_axis(ConvDesc desc, tuple xs) noexcept
cdef int set_kernel(ConvDesc desc, Geometry geometry, int axis, tuple ws) except -1
cdef Py_ssize_t conv_extent(ConvDesc desc, int axis) except -1


cdef inline bint has_input_shape(ConvDesc desc, cnp.ndarray array) noexcept:
    return is_image(array, desc.batch, desc.batched, desc.g.channels, desc.g.input,
                    <int>desc.g.rank, desc.g.channels_last)


cdef inline bint has_output_shape(ConvDesc desc, cnp.ndarray array) noexcept:
    return is_image(array, desc.batch, desc.batched, desc.g.filters, desc.g.output,
                    <int>desc.g.rank, desc.g.channels_last)


cdef inline bint has_weight_shape(ConvDesc desc, cnp.ndarray array) noexcept:
    return is_image(array, desc.g.filters, True, desc.g.channels // desc.g.groups, desc.g.kernel,
                    <int>desc.g.rank, False)
