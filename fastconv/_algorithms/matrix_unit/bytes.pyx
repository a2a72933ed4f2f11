"""The forward pass of bytes of either sign with weights of int8: exact modulo 2^32, as
`direct/words`.

Four neighbouring channels make an element (`_desc.elements`). Padding holds the source's zero
point, which is in every product then, and is taken back with the bias.
"""
cimport numpy as cnp
from libc.math cimport INFINITY

from fastconv._algorithms.matrix_unit.cost cimport correlation_cost
from fastconv._algorithms.matrix_unit.forward cimport PreparedPass
from fastconv._algorithms.matrix_unit.layout cimport pass_layout
from fastconv._core.machine cimport CostTerms, total
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.elements cimport ElementPass, packed_desc, weight_elements
from fastconv._kernels.dispatch cimport FC_BYTES, FC_SIGNED_BYTES, kernels

cnp.import_array()


cdef double tiles_seconds(ConvDesc desc) except -1:
    """What the cost model takes one image for; infinity where the machine has no such products."""
    cdef CostTerms terms
    if kernels().matrix.product[<int>FC_BYTES][0][0] == NULL:
        return INFINITY
    terms = correlation_cost(
        &pass_layout(packed_desc(desc, "matrix_unit", False, 4, 0), "forward", FC_BYTES).layout,
        desc.planned)
    return total(&terms)


cdef ElementPass tiles_of_bytes(ConvDesc desc, cnp.ndarray weight, bint signed_source,
                                int zero_point, Requantization way_out, int threads):
    """The kernel of a forward pass; weights fit int8."""
    cdef ElementPass self = ElementPass.__new__(ElementPass)
    cdef int kind = FC_SIGNED_BYTES if signed_source else FC_BYTES
    cdef int padding = zero_point & 255 if desc.g.padding_mode == PAD_ZEROS else 0
    cdef PreparedPass prepared
    self.way_out = way_out.less_zeros(zero_point, weight)
    self.packed = packed_desc(desc, "matrix_unit", False, 4, padding)
    prepared = PreparedPass(pass_layout(self.packed, "forward", kind),
                            weight_elements(desc, False, 4, weight, threads))
    prepared.epilogue = &self.way_out.epilogue
    if desc.planned:
        prepared.pack(threads)
    self.kernel = prepared
    return self
