cimport numpy as cnp

from fastconv._algorithms.depthwise.layout cimport Layout
from fastconv._algorithms.depthwise.make_layout cimport KeptLayout
from fastconv._core.scratch cimport Scratch


cdef class Depthwise:
    cdef KeptLayout kept
    cdef const Layout *layout
    cdef Scratch packed
    cdef object nonfinite    # the weights, if a gradient must leave some of them out

cdef Depthwise pack(KeptLayout kept, cnp.ndarray weight, int threads)
