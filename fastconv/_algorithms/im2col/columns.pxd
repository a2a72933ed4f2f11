cimport numpy as cnp

from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport moved_t, real_t
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

cdef enum:
    SHORT_ROW = 16  # outputs, up to which an element of a row costs more than one of a list

# The matrix of columns of one image: rows (channel, kernel position), and a column for each pixel
# of the output.
cdef struct Columns:
    const conv_geometry *g
    const fc_kernels *kernels
    Strided5 image                   # what they are gathered from, or added to
    double outside[2]                # the bits of what lies around it, if that is constant
    Py_ssize_t batch
    Py_ssize_t channels, taps, rows  # of a group; kernel positions; rows of a group
    Py_ssize_t pixels

cdef Columns columns_of(ConvDesc desc, cnp.ndarray images) except *
cdef void gather_columns(const Columns *columns, const moved_t *x, Py_ssize_t row,
                         Py_ssize_t n_rows, Py_ssize_t pixel, Py_ssize_t n_pixels,
                         Py_ssize_t pitch, moved_t *out) noexcept nogil
cdef void add_columns(const Columns *columns, const real_t *cols, Py_ssize_t row,
                      Py_ssize_t n_rows, Py_ssize_t pixel, Py_ssize_t n_pixels,
                      Py_ssize_t pitch, real_t *x) noexcept nogil
