cimport numpy as cnp

from fastconv._desc.conv cimport ConvDesc, conv_geometry

cdef enum:
    MOST_POSITIONS = 64  # of a kernel; of more, sums by tiles of pixels take less

cdef Py_ssize_t positions(const conv_geometry *g) noexcept
cdef Py_ssize_t images_at_once(const conv_geometry *g) noexcept
cdef int sum_positions(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                       bint per_sample, int threads) except -1
