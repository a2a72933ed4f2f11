from fastconv._algorithms.winograd.layout cimport PassLayout
from fastconv._algorithms.winograd.types cimport GradientLayout
from fastconv._desc.conv cimport ConvDesc


cdef class PassGradientLayout:
    cdef PassLayout forward    # of the input's tiles
    cdef GradientLayout layout
    cdef Py_ssize_t *table     # what grad_axis points into

cdef PassGradientLayout gradient_layout(ConvDesc desc)
