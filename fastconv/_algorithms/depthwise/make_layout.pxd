from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase
from fastconv._desc.conv cimport ConvDesc


cdef class KeptLayout:
    cdef ConvDesc desc
    cdef Layout layout

    cdef int allocate_phases(self) except -1
    cdef int allocate_taps(self, OutputPhase *phase, Py_ssize_t taps) except -1
    cdef int allocate_zeros(self) except -1

cdef KeptLayout get_layout(ConvDesc desc, bint backward, bint windows_only=*)
