cimport numpy as cnp

from fastconv._algorithms.fft.lattice cimport Layout


cdef class Blocks:
    cdef Layout layout
    cdef Py_ssize_t[3] length, count    # of a block; blocks of an axis
    cdef Py_ssize_t blocks, lines       # of a tile: blocks; transforms, which leave axes out
    cdef bint[3] joins                  # whether a block and the next are near each other
    cdef double size                    # elements of one transform
    cdef cnp.ndarray share              # a result's share of a block's sum, at the least
    cdef cnp.ndarray line               # the transform that a block is part of

    cdef cnp.ndarray levels(self, cnp.ndarray tile)
    cdef bint exact_enough(self, cnp.ndarray norms, cnp.ndarray levels, cnp.ndarray results,
                           Py_ssize_t first, Py_ssize_t plane) except -1

cdef Blocks blocks_for(Layout layout, which)
