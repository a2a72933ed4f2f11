cimport numpy as cnp

from fastconv._desc.conv cimport ConvDesc

cdef cnp.ndarray padded_images(ConvDesc desc, cnp.ndarray x, cnp.ndarray outside, num_threads)
