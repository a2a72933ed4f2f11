cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry


cdef enum:
    MOST_ROOMS = 4   # that a piece may take which is not cut


cdef class Step:
    cdef ConvDesc desc
    cdef object algorithm, weight
    cdef object result         # dtype of what it gives
    cdef object arithmetic     # dtype, or None where it computes by parts
    cdef cnp.ndarray outside   # the constant around what it reads, as of `ByParts`
    cdef bint by_choice        # no algorithm was asked for
    cdef dict kernels          # by description, and by images where these are told

    cdef object kernel(self, ConvDesc part, int threads, Py_ssize_t images=*)


# How images are cut into pieces.
cdef struct Cut:
    Py_ssize_t images         # of a piece; more than one only if they are not cut
    Py_ssize_t block[AXES]    # outputs of a piece along each axis
    Py_ssize_t pieces         # of an image


cdef Step make_step(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                    bint by_choice)
cdef Cut cut_of(const conv_geometry *g, Py_ssize_t itemsize, Py_ssize_t room,
                Py_ssize_t parts=*) noexcept
cdef bint find_block(const conv_geometry *g, const Cut *cut, int axis, Py_ssize_t *number,
                     Py_ssize_t *first, Py_ssize_t *rows) noexcept
cdef Py_ssize_t piece_elements(const conv_geometry *g, const Cut *cut) noexcept
