cimport numpy as cnp
from libc.stdint cimport int32_t

from fastconv._core.scratch cimport Scratch
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry

# How a block of rows becomes lines of elements, one for each place and channel, and where taps lie.
cdef struct PixelLayout:
    const conv_geometry *g
    Py_ssize_t quads             # elements of a row of taps
    Py_ssize_t taps              # elements of a kernel
    Py_ssize_t channels          # of a task
    Py_ssize_t lanes             # elements of a place: these channels, and what fills a vector
    Py_ssize_t places            # of a line
    Py_ssize_t line              # elements
    Py_ssize_t reach             # rows below the first that an output reads
    Py_ssize_t block             # rows of outputs at once
    Py_ssize_t lines             # rows of a class, those equal modulo the rows' stride
    Py_ssize_t size              # elements of all lines
    Py_ssize_t scratch           # bytes of a thread


cdef class BytePixels:
    cdef ConvDesc desc
    cdef int flip                # bits of each byte of the source that change
    cdef int zero_point          # of the source
    cdef Requantization way_out
    cdef PixelLayout layout
    cdef Scratch tables
    cdef Py_ssize_t *offset      # of each tap in the lines
    cdef Py_ssize_t *class_used  # whether any tap reads rows of a class
    cdef int32_t *weights        # (tasks of channels, taps, lanes)

    cdef int make_tables(self, cnp.ndarray weight) except -1


cdef bint serves_byte_pixels(ConvDesc desc) except -1
cdef BytePixels byte_pixels(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                            Requantization way_out)
cdef double byte_pixels_seconds(ConvDesc desc)
