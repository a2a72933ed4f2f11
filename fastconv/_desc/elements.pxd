cimport numpy as cnp

from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc


cdef class ElementPass:
    cdef ConvDesc packed           # of the layer over elements
    cdef int zero_point            # of the source; of bytes, the bits that are changed
    cdef Requantization way_out
    cdef object kernel             # has `run`, of elements

    cdef int prepare_for_many(self, int threads) except -1

cdef ConvDesc packed_desc(ConvDesc desc, str algorithm, bint backward, Py_ssize_t packed,
                          int padding)
cdef cnp.ndarray weight_elements(ConvDesc desc, bint backward, Py_ssize_t packed,
                                 cnp.ndarray weight, int threads)
