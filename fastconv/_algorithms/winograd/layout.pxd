from fastconv._algorithms.winograd.types cimport Layout
from fastconv._desc.conv cimport ConvDesc, conv_geometry


cdef class PassLayout:
    cdef ConvDesc desc
    cdef Layout layout
    cdef Py_ssize_t *table  # what the axes point into

    cdef int set_block(self, Py_ssize_t rows, Py_ssize_t columns) except -1
    cdef int set_chunk(self, Py_ssize_t channels) except -1

cdef PassLayout pass_layout(ConvDesc desc, object which)
cdef Py_ssize_t phase_length(const conv_geometry *g) noexcept
cdef Py_ssize_t kernel_length(const conv_geometry *g) noexcept
cpdef Py_ssize_t section_length(Py_ssize_t length) noexcept
