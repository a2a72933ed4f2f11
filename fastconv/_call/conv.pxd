cimport numpy as cnp

from fastconv._call.destination cimport Destination
from fastconv._desc.conv cimport ConvDesc

cdef tuple dtypes_of(str function, a, b, c)
cdef double beside(out, algorithm, double work) except *
cdef bint is_auto(method)
cdef check_bias(ConvDesc desc, bias, str weight=*)
cdef check_residual(str function, residual, tuple shape, result)
cpdef tuple padded_shape(ConvDesc desc)
cdef Py_ssize_t converted_by(bint parts, arithmetic, cnp.ndarray x, residual,
                             tuple shape) noexcept
cdef object run_forward(kernel, x, bias, residual, Destination output, arithmetic, tuple bounds,
                        bint has_batch, int threads)
