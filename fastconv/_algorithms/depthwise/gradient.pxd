from fastconv._algorithms.depthwise.make_layout cimport KeptLayout
from fastconv._desc.conv cimport ConvDesc

cdef KeptLayout gradient_layout(ConvDesc desc)
