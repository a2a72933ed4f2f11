cimport numpy as cnp

from fastconv._algorithms.depthwise.layout cimport Layout
from fastconv._algorithms.depthwise.make_layout cimport KeptLayout
from fastconv._core.scratch cimport Scratch
from fastconv._core.serial cimport SerialKernel


cdef class Depthwise(SerialKernel):
    cdef KeptLayout kept
    cdef const Layout *layout
    cdef Scratch packed
    cdef object nonfinite    # the weights, if a gradient must leave some of them out
    cdef void *kept_job      # of `serial`, or NULL

cdef Depthwise pack(KeptLayout kept, cnp.ndarray weight, int threads)
