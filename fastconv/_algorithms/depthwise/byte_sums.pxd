cimport numpy as cnp

from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.bytes cimport fc_byte_plane


cdef class ByteSums:
    cdef ConvDesc desc
    cdef Requantization way_out
    cdef fc_byte_plane plane       # without rows and bias
    cdef cnp.ndarray weights       # each in the words of a vector


cdef bint serves_byte_sums(ConvDesc desc, Requantization way_out, int zero_point) except -1
cdef ByteSums byte_sums(ConvDesc desc, cnp.ndarray weight, bint signed_source,
                        Requantization way_out)
