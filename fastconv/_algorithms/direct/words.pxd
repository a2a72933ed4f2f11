cimport numpy as cnp

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc


cdef class Words:
    cdef ConvDesc packed           # of the layer over elements
    cdef int zero_point            # of the source; of bytes, the bits that are changed
    cdef Requantization way_out
    cdef Correlation correlation


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads)
cdef bint takes_bytes(ConvDesc desc, object which)
cdef Words bytes_of(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                    Requantization way_out, int threads)
cdef double words_seconds(ConvDesc desc, object which)
