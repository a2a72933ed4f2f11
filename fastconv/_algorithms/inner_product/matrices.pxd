cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cdef struct Taps:
    Py_ssize_t first[AXES]    # of those that do
    Py_ssize_t count[AXES]
    Py_ssize_t place[AXES]    # where the first one reads
    Py_ssize_t values         # of a group: channels and taps
    bint all                  # there are no others
    bint whole                # they meet every element of the image, in its order


cdef class Matrices:
    cdef ConvDesc desc
    cdef Taps taps
    cdef Py_ssize_t groups, channels, filters, values   # of a group
    cdef tuple image_taps, weight_taps   # slices of the spatial axes

    cdef object met(self, images)
    cdef cnp.ndarray rows(self, images)
    cdef object unrolled(self, cnp.ndarray rows, images)
    cdef object weight_view(self, weight)
    cdef bint finite(self, cnp.ndarray array, int threads) except -1

cdef bint find_taps(const conv_geometry *g, Taps *taps) noexcept
cdef Matrices matrices_of(ConvDesc desc)
cdef cnp.ndarray whole_vectors(cnp.ndarray x, Py_ssize_t groups, Py_ssize_t terms,
                               Py_ssize_t values, bint side_by_side, Py_ssize_t lanes)
