cimport numpy as cnp
from libc.stdint cimport int32_t

from fastconv._core.scratch cimport Scratch
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport fc_spread

# How a block of one channel's rows becomes a line of elements, and where the taps lie in it.
cdef struct ByteLayout:
    const conv_geometry *g
    fc_spread spread             # of bytes in a row to an element
    Py_ssize_t quads             # elements of a row of taps
    Py_ssize_t taps              # elements of a kernel
    Py_ssize_t pitch             # elements from a row of outputs to the next
    Py_ssize_t width             # bytes of a padded row
    Py_ssize_t reach             # rows below the first that an output reads
    Py_ssize_t block             # rows of outputs at once
    Py_ssize_t lines             # rows of a class, those equal modulo the rows' stride
    Py_ssize_t elements          # of a class
    Py_ssize_t padded            # bytes of a class
    Py_ssize_t scratch           # bytes of a thread


cdef class BytePlanes:
    cdef ConvDesc desc
    cdef int flip                # bits of each byte of the source that change
    cdef int zero                # a byte that stands for zero, once they have
    cdef Requantization way_out
    cdef ByteLayout layout
    cdef Scratch tables
    cdef Py_ssize_t *offset      # of each tap in the elements
    cdef Py_ssize_t *class_used  # whether any tap reads rows of a class
    cdef int32_t *weights        # (filters, taps)

    cdef int make_tables(self, cnp.ndarray weight) except -1


cdef bint serves_byte_planes(ConvDesc desc) except -1
cdef BytePlanes byte_planes(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                            Requantization way_out)
cdef double byte_planes_seconds(ConvDesc desc)
