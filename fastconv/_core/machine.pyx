"""What the cost models of the algorithms share: the machine that they are written for.

A model gives the seconds that one image takes on one thread. It must not measure: the choice that
it makes decides how sums are cut, and results are to be the same in every run. So the constants
here and in the algorithms are those of one machine (a Xeon of the Sapphire Rapids kind at 2.3 GHz
under all its vector loads, one thread of two cores), and only the width of the vectors is looked
up. What decides is the ratio of times, which varies less between machines than times do.
"""
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

BANDWIDTH = 1.0e10     # bytes a second, of streams from memory

cdef double CLOCK = 2.3e9


cdef double peak(Py_ssize_t itemsize) except -1:
    """Floating-point operations a second: two vector units, two operations a multiply-add."""
    cdef const fc_kernels *k = kernels_for(itemsize)
    # the narrowest level has no fused multiply-add, so it takes two instructions
    return CLOCK * 4 * k.lanes / (2 if k.lanes * itemsize == 16 else 1)


def peak_flops(Py_ssize_t itemsize):
    """The peak that estimated times are based on, for elements of so many bytes."""
    return peak(itemsize)
