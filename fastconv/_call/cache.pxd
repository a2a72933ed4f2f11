from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.separable cimport SeparableDesc
from fastconv._desc.transposed cimport TransposedDesc

cdef ConvDesc cached_conv(Geometry geometry, x, weight, dtype, bint exact, activation=*)
cdef TransposedDesc cached_conv_transpose(Geometry geometry, x, weight, dtype, bint exact)
cdef SeparableDesc cached_separable(Geometry geometry, x, depthwise, pointwise, dtype, bint exact,
                                    activation)
cdef object cached(describe, Geometry geometry, x)
cdef ConvDesc cached_columns(Geometry geometry, x, Py_ssize_t itemsize)
cdef ConvDesc cached_around(Geometry geometry, x, Py_ssize_t itemsize)
cdef object choose_algorithm(ConvDesc desc, str which, method, precision, max_workspace)
cdef object strict_algorithm(ConvDesc desc, str which)
cdef object cached_algorithm(ConvDesc desc, str which, method, precision, max_workspace)
cdef object algorithm_of_any_cut(ConvDesc desc, str which, precision, max_workspace)
