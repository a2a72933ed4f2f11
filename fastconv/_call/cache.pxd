from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.pool cimport PoolDesc
from fastconv._desc.transposed cimport TransposedDesc

cdef ConvDesc cached_conv(Geometry geometry, x, weight, dtype, bint exact, activation=*)
cdef TransposedDesc cached_conv_transpose(Geometry geometry, x, weight, dtype, bint exact)
cdef PoolDesc cached_pool(Geometry geometry, x)
cdef PoolDesc cached_adaptive(Geometry geometry, x)
cdef object choose_algorithm(ConvDesc desc, str which, method, precision, max_workspace)
cdef object cached_algorithm(ConvDesc desc, str which, method, precision, max_workspace)
