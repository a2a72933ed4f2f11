from fastconv._algorithms.fft.lattice cimport Layout
from fastconv._core.output cimport Output
from fastconv._core.strided cimport Strided5

cimport numpy as cnp

cdef tuple fill_tiles(Layout layout, const Strided5 *images, Py_ssize_t image, bint results,
                      Py_ssize_t first, Py_ssize_t tiles, Py_ssize_t plane, Py_ssize_t planes)
cdef int store_tiles(Layout layout, const Output *output, Py_ssize_t image, Py_ssize_t first,
                     Py_ssize_t tiles, Py_ssize_t plane, Py_ssize_t planes,
                     cnp.ndarray results) except -1
