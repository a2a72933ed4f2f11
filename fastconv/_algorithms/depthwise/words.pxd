cimport numpy as cnp
from libc.stdint cimport int32_t

from fastconv._core.scratch cimport Scratch
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

# How one channel's images become lines of elements, and where the taps lie in them.
cdef struct WordLayout:
    const conv_geometry *g
    bint columns                 # an element holds two columns of a row, else two rows of a column
    Py_ssize_t row, column       # from its first word to its second
    Py_ssize_t taps              # elements of a kernel
    Py_ssize_t phases            # of the columns' stride, each with a line of its own
    Py_ssize_t length            # of a line
    Py_ssize_t reach             # rows below the first that an output reads
    Py_ssize_t block             # rows of outputs at once
    Py_ssize_t lines             # of a class of rows, those equal modulo the rows' stride
    Py_ssize_t pitch             # from a row's sums to the next's
    bint flat                    # rows of outputs are one line, with gaps
    Py_ssize_t size              # elements of all lines
    Py_ssize_t scratch           # bytes of a thread


cdef class WordRows:
    cdef ConvDesc desc
    cdef int zero_point          # of the source
    cdef Requantization way_out
    cdef WordLayout layout
    cdef Scratch tables
    cdef Py_ssize_t *offset      # of each tap in the lines
    cdef Py_ssize_t *class_used  # whether any tap reads rows of a class
    cdef int32_t *weights        # (filters, taps)

    cdef int make_tables(self, cnp.ndarray weight) except -1


cdef bint serves(ConvDesc desc)
cdef bint taps_meet(const conv_geometry *g, Py_ssize_t channels) noexcept
cdef WordRows word_rows(ConvDesc desc, cnp.ndarray weight, int zero_point, Requantization way_out)
cdef double word_rows_seconds(ConvDesc desc)


cdef inline void sum_line(const fc_kernels *k, Py_ssize_t taps, const Py_ssize_t *offset,
                          Py_ssize_t n, const int32_t *x, const int32_t *weights,
                          int32_t *sums) noexcept nogil:
    """n neighbouring sums of one filter, and what fills the last vectors."""
    cdef Py_ssize_t o = 0
    cdef int size  # for 1, 2, 4 or 8 vectors
    while o < n:
        size = 0
        while size < 3 and (k.lanes << size) < n - o:
            size += 1
        k.igemm_pixels[0][size](taps, offset, x + o, weights, sums + o, NULL, False)
        o += k.lanes << size
