cimport numpy as cnp

from fastconv._algorithms.direct.types cimport Layout
from fastconv._desc.conv cimport ConvDesc


cdef class PassLayout:
    cdef ConvDesc desc
    cdef Layout layout


cdef PassLayout pass_layout(ConvDesc desc, object which)
cdef bint is_one_line(cnp.ndarray array, bint channels_last)
cdef bint lines_fit(Py_ssize_t stride, Py_ssize_t lines, Py_ssize_t sets, Py_ssize_t ways) noexcept
