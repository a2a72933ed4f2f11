cimport numpy as cnp

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc


cdef class Words:
    cdef ConvDesc pairs
    cdef int zero_point            # of the source
    cdef Requantization way_out
    cdef Correlation correlation

    cdef cnp.ndarray elements(self, cnp.ndarray source, int threads)


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads)
cdef double words_seconds(ConvDesc desc, object which)
