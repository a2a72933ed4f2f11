cimport numpy as cnp

from fastconv._algorithms.inner_product.products cimport Job
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cdef enum:
    MOST_POSITIONS = 64  # of a kernel; of more, sums by tiles of pixels take less
    CHANNELS = 16        # whose columns are moved together


cdef class FewPositions:
    cdef ConvDesc desc
    cdef cnp.ndarray weight
    cdef bint backward

    cdef Job job(self)
    cdef int forward(self, cnp.ndarray x, cnp.ndarray out, int threads) except -1
    cdef int backward_data(self, cnp.ndarray grad, cnp.ndarray out, int threads) except -1

cdef Py_ssize_t positions(const conv_geometry *g) noexcept nogil
cdef Py_ssize_t columns_size(const conv_geometry *g) noexcept nogil
cdef Py_ssize_t met_bytes(const conv_geometry *g) noexcept nogil
cdef Py_ssize_t images_at_once(const conv_geometry *g) noexcept
cdef int sum_positions(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                       bint per_sample, int threads) except -1
