cimport cython
cimport numpy as cnp

from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.pool cimport PoolDesc


@cython.final
cdef class Frame:
    cdef ConvDesc around
    cdef PoolDesc inner
    cdef cnp.ndarray outside   # one element: what a constant frame holds

    cdef tuple input_shape(self)
    cdef list pieces(self, Py_ssize_t itemsize)
    cdef cnp.ndarray framed(self, cnp.ndarray x, num_threads)
    cdef elements(self, where)


cdef list pieces(PoolDesc desc, double size)
cdef list slabs(PoolDesc desc, double size)
cdef tuple whole_shape(PoolDesc desc)
cdef Frame frame_of(Geometry geometry, x, dtype, count_include_pad)
cdef int check_positions(Frame frame) except -1
