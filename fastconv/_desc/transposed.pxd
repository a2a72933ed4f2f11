from fastconv._desc.conv cimport ConvDesc


cdef class TransposedDesc:
    cdef readonly ConvDesc desc
    cdef readonly tuple shape     # of the result
    cdef readonly tuple reached   # the part of it, from the first element on, that desc reads
