cimport numpy as cnp

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.dispatch cimport fc_epilogue


cdef class Requantization:
    cdef fc_epilogue epilogue
    cdef readonly cnp.ndarray bias   # int32, of all channels of the result
    cdef readonly cnp.ndarray scale  # float64, as many, or None


cdef class Words:
    cdef ConvDesc pairs
    cdef bint backward
    cdef int zero_point            # of the source
    cdef Requantization way_out
    cdef Correlation correlation

    cdef cnp.ndarray elements(self, cnp.ndarray source, int threads)


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads)
cdef cnp.ndarray in_floats(cnp.ndarray source, int zero_point, int threads)
cdef int from_floats(cnp.ndarray sums, Requantization way_out, cnp.ndarray out,
                     bint channels_last, int threads) except -1
cdef double words_seconds(ConvDesc desc, object which)
