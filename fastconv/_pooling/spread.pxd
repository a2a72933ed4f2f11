cimport numpy as cnp

from fastconv._desc.pool cimport PoolDesc

cdef int spread(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                double divisor, num_threads) except -1
