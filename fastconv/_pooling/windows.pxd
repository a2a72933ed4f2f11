cimport numpy as cnp

from fastconv._desc.pool cimport PoolDesc


cdef int reduce(PoolDesc desc, cnp.ndarray x, cnp.ndarray out, positions, str op,
                bint count_padding, double divisor, double power, num_threads) except -1
cdef int average_gradient(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                          double divisor, num_threads) except -1
