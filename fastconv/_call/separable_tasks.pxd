cimport numpy as cnp

from fastconv._call.steps cimport Cut, Step


cdef bint run_tasks(Step depthwise, Step pointwise, const Cut *cut, cnp.ndarray x, bias, residual,
                    cnp.ndarray out, int threads, double work) except -1
