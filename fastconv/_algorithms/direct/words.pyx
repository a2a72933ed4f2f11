"""Direct sums of integers of 8 and 16 bits, in elements of 32 bits with sums of 32.

One instruction multiplies two words of neighbouring channels and adds up both; where the processor
multiplies bytes, four. So channels are packed into elements (`_desc.elements`), which are moved
like floats; only the micro-kernels and the way out differ.

Products of bytes are of an input without a sign and weights with one. So an input with a sign has
its sign bits changed, which adds 128; that and the zero point, which are in every product, are
taken back with the bias, and padding holds what stands for zero.

Sums are exact modulo 2^32: who calls knows that they fit.
"""
cimport numpy as cnp

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._algorithms.direct.cost cimport correlation_cost
from fastconv._algorithms.direct.layout cimport pass_layout
from fastconv._core.machine cimport CostTerms, total
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._desc.elements cimport packed_desc, weight_elements
from fastconv._kernels.bytes cimport have_bytes

from fastconv._algorithms.record import BACKWARD_DATA

cnp.import_array()

cdef enum:
    SIGN = 128             # what changing the sign bit of a byte adds


cdef class Words(ElementPass):
    """That of direct sums."""

    cdef int prepare_for_many(self, int threads) except -1:
        cdef Correlation correlation = self.kernel
        if correlation.packed is None:
            correlation.pack(threads)
        return 0


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads):
    """The kernel of a pass over words: of a source less its zero point; weights have none."""
    return kernel_of(packed_desc(desc, "direct", which == BACKWARD_DATA, 2, 0), desc, which,
                     weight, zero_point, way_out, threads)


cdef bint takes_bytes(ConvDesc desc, object which):
    """Whether this machine multiplies bytes, and a pass fills elements of four with them."""
    cdef conv_geometry *g = &desc.g
    return have_bytes() and which != BACKWARD_DATA and g.channels > 2 * g.groups


cdef Words bytes_of(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                    Requantization way_out, int threads):
    """The kernel of a forward pass over bytes of either sign; weights fit int8."""
    cdef int flip = SIGN if signed_source else 0, zero = zero_point + flip
    cdef int padding = zero if desc.g.padding_mode == PAD_ZEROS else 0
    return kernel_of(packed_desc(desc, "direct", False, 4, padding), desc, "forward", weight, flip,
                     way_out.less_zeros(zero, weight), threads)


cdef Words kernel_of(ConvDesc packed, ConvDesc desc, object which, cnp.ndarray weight,
                     int zero_point, Requantization way_out, int threads):
    cdef Words self = Words.__new__(Words)
    self.packed, self.zero_point, self.way_out = packed, zero_point, way_out
    cdef Correlation correlation = Correlation(
        pass_layout(packed, which),
        weight_elements(desc, which == BACKWARD_DATA, packed.g.packed, weight, threads))
    correlation.epilogue = &way_out.epilogue
    if desc.planned:
        correlation.pack(threads)
    self.kernel = correlation
    return self


cdef double words_seconds(ConvDesc desc, object which):
    """What the cost model takes one image for."""
    cdef CostTerms terms = correlation_cost(
        &pass_layout(packed_desc(desc, "direct", which == BACKWARD_DATA, 2, 0), which).layout,
        desc.planned)
    return total(&terms)
