from fastconv._core.machine cimport CostTerms
from fastconv._desc.conv cimport ConvDesc

cdef Py_ssize_t gradient_workspace(ConvDesc desc, int threads) except -1
cdef CostTerms gradient_cost(ConvDesc desc)
