cimport numpy as cnp

from fastconv._kernels.dispatch cimport fc_epilogue


cdef class Requantization:
    cdef fc_epilogue epilogue
    cdef readonly cnp.ndarray bias   # int32, of all channels of the result
    cdef readonly cnp.ndarray scale  # float64, as many, or None
    cdef cnp.ndarray near_scale      # the same in float32, for results of 8 bits

    cdef Requantization with_bias(self, bias)
    cdef Requantization less_zeros(self, int zero, cnp.ndarray weight)


cdef int type_of(cnp.ndarray array) except -1
cdef cnp.ndarray lent(tuple shape)
cdef cnp.ndarray in_floats(cnp.ndarray source, int zero_point, int threads)
cdef int from_floats(cnp.ndarray sums, Requantization way_out, cnp.ndarray out,
                     bint channels_last, int threads) except -1
