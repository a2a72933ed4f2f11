from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._desc.conv cimport ConvDesc


cdef class PassLayout:
    cdef ConvDesc desc
    cdef Layout layout
    cdef Py_ssize_t *table  # what the axes point into

cdef PassLayout pass_layout(ConvDesc desc, object which, int kind)
