cimport numpy as cnp

from fastconv._call.kernels cimport RealPass
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc


cdef class SmallIntegers:
    cdef RealPass real
    cdef cnp.ndarray weight        # less its zero points
    cdef tuple weight_reach        # the least and the greatest that its dtype lets be
    cdef int zero_point            # of the source
    cdef Requantization way_out
    cdef object most_bias          # largest magnitude
    cdef object largest_sum        # of magnitudes of weights, once it is known
    cdef bint forward
    cdef bint by_choice            # no algorithm was asked for
    cdef dict kernels

    cdef object way(self, cnp.ndarray source)
    cdef bint is_small_image(self)
    cdef bint has_short_rows(self)
    cdef bint fits_floats(self, tuple reach)
    cdef object words_or_bytes(self, dtype)
    cdef bint has_bytes(self) except -1
    cdef bint weights_are_bytes(self) except -1
    cdef bint takes_single_channels(self) except -1
    cdef bint fits_words(self, bint signed_source) except -1
    cdef object sum_of_weights(self)
    cdef bint takes_tiles(self)
    cdef object of_bytes(self, bint signed_source, int threads)
    cdef bint has_words(self)
    cdef double seconds_in_words(self)
    cdef bint is_fast_in_words(self)
    cdef object kernel(self, way, int threads)
    cdef bint run(self, cnp.ndarray source, cnp.ndarray out, int threads) except -1
    cdef int run_floats(self, cnp.ndarray source, cnp.ndarray out, int threads) except -1


cdef SmallIntegers small_integers(RealPass real, cnp.ndarray weight, tuple weight_reach,
                                  int zero_point, Requantization way_out, bint by_choice)
cdef bint is_small(dtype)
cdef cnp.ndarray native(cnp.ndarray array)
cdef tuple limits(dtype)
cdef tuple span(cnp.ndarray array)
