cimport numpy as cnp

from fastconv._call.destination cimport Destination
from fastconv._desc.conv cimport ConvDesc, conv_geometry


cdef class Slabs:
    cdef ConvDesc desc
    cdef object algorithm, weight
    cdef object result         # dtype
    cdef object arithmetic     # dtype, or None where it computes by parts
    cdef cnp.ndarray outside   # the constant around x, as of `ByParts`
    cdef int axis              # which is cut
    cdef Py_ssize_t rows       # outputs of a slab
    cdef bint by_choice        # no algorithm was asked for
    cdef dict kernels          # by description

    cdef int run(self, x, bias, residual, Destination output, tuple bounds, int threads) except -1
    cdef object kernel(self, ConvDesc slab, int threads)


cdef Py_ssize_t to_convert(cnp.ndarray x, residual, dtype) noexcept
cdef object kernel_of(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                      bint by_choice, int threads)
cdef int run_pieces(kernel, source, bias, residual, Destination output, arithmetic, tuple bounds,
                    int threads) except -1
cdef Slabs slabs_of(ConvDesc desc, algorithm, weight, result, arithmetic, cnp.ndarray outside,
                    bint by_choice)
cdef int place_of(const conv_geometry *g, int axis) noexcept
cdef ConvDesc part_of(ConvDesc desc, int axis, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t *low,
                      Py_ssize_t *high)
cdef tuple rows_of(ConvDesc desc, images, int axis, Py_ssize_t first, Py_ssize_t rows)
cdef Py_ssize_t extent(const conv_geometry *g, int axis) noexcept
cdef int run_piece(kernel, source, bias, residual, Destination output, tuple where, arithmetic,
                   tuple bounds, int threads) except -1
