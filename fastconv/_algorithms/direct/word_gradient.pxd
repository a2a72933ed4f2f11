from fastconv._desc.conv cimport ConvDesc

cdef bint serves_word_gradient(ConvDesc desc, tuple largest) except -1
cdef double word_gradient_seconds(ConvDesc desc) except -1
