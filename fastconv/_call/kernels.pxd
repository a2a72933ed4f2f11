cimport numpy as cnp

from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry


cdef class RealPass:
    cdef ConvDesc desc
    cdef str which
    cdef object algorithm
    cdef ConvDesc folded
    cdef bint appends

    cdef object prepare(self, weight, int threads)
    cdef object around(self, kernel)


cdef class ByParts:
    cdef RealPass real
    cdef cnp.ndarray weight
    cdef object result       # dtype
    cdef cnp.ndarray outside
    cdef dict kernels

    cpdef prepare(self, like, bias, int threads, computed)
    cdef object kernel(self, part, source_part, int threads)
    cdef object strict(self, part, source_part, int threads)
    cdef RealPass padded(self, source_part)
    cdef object terms(self)


cdef class Biased:
    cdef ConvDesc desc
    cdef object kernel


cdef Biased biased(kernel, ConvDesc desc)
cdef RealPass real_pass(ConvDesc desc, str which, algorithm, ConvDesc folded=*, bint appends=*)
cdef ByParts by_parts(RealPass real, weight, result, cnp.ndarray outside)
cdef cnp.ndarray outside_of(Geometry geometry, dtype)
cdef ConvDesc part_padded(ConvDesc desc, cnp.ndarray outside, part)
cdef bint in_parts(result, arithmetic)
cdef tuple inner_shape(ConvDesc inner, Py_ssize_t batch)
cdef fold_padding(ConvDesc desc, grad, out)
cdef along_channels(bias, bint channels_last, Py_ssize_t rank)
