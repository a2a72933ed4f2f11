cimport numpy as cnp

from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.elements cimport ElementPass


cdef class Words(ElementPass):
    pass


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads)
cdef bint takes_bytes(ConvDesc desc, object which)
cdef Words bytes_of(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                    Requantization way_out, int threads)
cdef double words_seconds(ConvDesc desc, object which)
