cimport numpy as cnp

from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.elements cimport ElementPass

cdef double tiles_seconds(ConvDesc desc) except -1
cdef ElementPass tiles_of_bytes(ConvDesc desc, cnp.ndarray weight, bint signed_source,
                                int zero_point, Requantization way_out, int threads)
