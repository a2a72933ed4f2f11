from fastconv._desc.conv cimport ConvDesc


cdef class SeparableDesc:
    cdef readonly ConvDesc depthwise
    cdef readonly ConvDesc pointwise   # of what the first gives
