"""Direct sums of integers of 8 and 16 bits, in elements of 32 bits with sums of 32.

Two neighbouring channels make one element of two words, in images as in weights, and one
instruction multiplies and adds up both; where the processor multiplies bytes, four make one. So
what is computed is a convolution with half as many channels, or a quarter, whose elements are moved
like floats; only the micro-kernels and the way out differ. A group's last channels, where they do
not fill an element, have weights of zero beside them.

Products of bytes are of an input without a sign and weights with one. So an input with a sign has
its sign bits changed, which adds 128; that and the zero point, which are in every product, are
taken back with the bias, and padding holds what stands for zero.

Sums are exact modulo 2^32: who calls knows that they fit.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._algorithms.direct.cost cimport correlation_cost
from fastconv._algorithms.direct.layout cimport pass_layout
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport CostTerms
from fastconv._core.padding cimport PAD_CONSTANT, PAD_ZEROS
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization, lent, type_of
from fastconv._desc.conv cimport ConvDesc, conv_geometry, copied
from fastconv._kernels.bytes cimport byte_functions, fc_bytes, have_bytes
from fastconv._kernels.dispatch cimport fc_integers, kernels

from fastconv._algorithms.record import BACKWARD_DATA

cnp.import_array()

cdef enum:
    COPY_BYTES = 4 << 20   # of elements at once; or one image
    TASK_PIXELS = 1 << 14  # that a task brings into elements
    SIGN = 128             # what changing the sign bit of a byte adds

# ---- the way in ----

# Images, of which two or four channels at a time become elements.
cdef struct Packing:
    const fc_integers *words    # or
    const fc_bytes *bytes
    int type                    # of the source: an `fc_type`
    Py_ssize_t itemsize
    int zero_point              # of words; or the bits that are changed in bytes
    const char *source
    int32_t *out
    Py_ssize_t channels         # of a group
    Py_ssize_t packed           # of an element
    Py_ssize_t elements         # of a group
    Py_ssize_t planes           # of elements of all images
    Py_ssize_t groups
    Py_ssize_t pixels, blocks   # of a plane, or of all images; blocks of them


cdef cnp.ndarray elements(cnp.ndarray source, Py_ssize_t groups, Py_ssize_t packed,
                          int zero_point, bint channels_last, int threads):
    """Images with a batch axis as elements, in the disguise of float32."""
    cdef Packing packing
    cdef cnp.ndarray images = np.ascontiguousarray(source), out
    cdef int last = cnp.PyArray_NDIM(images) - 1
    cdef Py_ssize_t batch = cnp.PyArray_DIM(images, 0)
    shape = list((<object>images).shape)
    packing.channels = shape[last if channels_last else 1] // groups
    packing.packed, packing.elements = packed, ceil_div(packing.channels, packed)
    packing.groups = groups
    shape[last if channels_last else 1] = groups * packing.elements
    out = lent(tuple(shape))
    if cnp.PyArray_SIZE(out) == 0:
        return out
    packing.words, packing.bytes = &kernels().integers, byte_functions()
    packing.type = type_of(images)
    packing.itemsize = cnp.PyArray_ITEMSIZE(images)
    packing.zero_point = zero_point
    packing.source = cnp.PyArray_BYTES(images)
    packing.out = <int32_t *>cnp.PyArray_BYTES(out)
    packing.pixels = cnp.PyArray_SIZE(out) // (groups * packing.elements)
    if not channels_last:
        packing.pixels //= batch
    packing.blocks = ceil_div(packing.pixels, TASK_PIXELS)
    if channels_last:
        parallel_for(pack_pixels, &packing, packing.blocks, threads, 0.0)
    else:
        packing.planes = batch * groups * packing.elements
        parallel_for(pack_planes, &packing, packing.planes * packing.blocks, threads, 0.0)
    return out


cdef void pack_planes(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """A block of pixels of some channels, each a plane."""
    cdef const Packing *p = <const Packing *>context
    cdef Py_ssize_t plane = task // p.blocks, first = task % p.blocks * TASK_PIXELS
    cdef Py_ssize_t n = min(TASK_PIXELS, p.pixels - first), c = plane % p.elements * p.packed
    cdef Py_ssize_t size = p.pixels * p.itemsize, more = p.channels - c - 1
    cdef const char *x = p.source + p.itemsize * (
        (plane // p.elements * p.channels + c) * p.pixels + first)
    cdef int32_t *out = p.out + plane * p.pixels + first
    if p.packed == 4:  # what is too much meets weights of zero
        p.bytes.quads(n, x, x + min(1, more) * size, x + min(2, more) * size,
                      x + min(3, more) * size, p.zero_point, out)
    elif more:
        p.words.pairs[p.type](n, x, x + size, p.zero_point, out)
    else:
        p.words.singles[p.type](n, x, 1, p.zero_point, out, 1)


cdef void pack_pixels(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """A block of pixels whose channels are neighbours."""
    cdef const Packing *p = <const Packing *>context
    cdef Py_ssize_t first = task * TASK_PIXELS, channels = p.groups * p.channels, i
    cdef Py_ssize_t n = min(TASK_PIXELS, p.pixels - first), step = p.groups * p.elements
    cdef const char *source = p.source + first * channels * p.itemsize
    cdef int32_t *out = p.out + first * step
    if p.channels % p.packed == 0:
        pack_row(p, n * channels, source, out)
        return
    for i in range(n * p.groups):
        out[(i + 1) * p.elements - 1] = 0
        pack_row(p, p.channels, source + i * p.channels * p.itemsize, out + i * p.elements)


cdef inline void pack_row(const Packing *p, Py_ssize_t n, const char *source,
                          int32_t *out) noexcept nogil:
    """n neighbouring channels."""
    if p.packed == 4:
        p.bytes.bytes(n, source, p.zero_point, out)
    else:
        p.words.words[p.type](n, source, p.zero_point, out)


cdef cnp.ndarray weight_elements(ConvDesc desc, bint backward, Py_ssize_t packed,
                                 cnp.ndarray weight, int threads):
    """Weights along the channels that the pass reads; zeros fill the last elements up."""
    cdef Py_ssize_t groups = desc.g.groups if backward else 1, channels, missing
    if backward:
        weight = np.swapaxes(weight, 0, 1)
    channels = cnp.PyArray_DIM(weight, 1) // groups
    missing = (packed - channels % packed) % packed
    if packed == 4:
        weight = weight.astype(np.int8)
        if missing:
            weight = np.pad(weight, [(0, 0), (0, missing)] + [(0, 0)] * (weight.ndim - 2))
    weight = elements(weight, groups, packed, 0, False, threads)
    return weight.swapaxes(0, 1) if backward else weight


# ---- the sums ----

cdef class Words:
    """One pass of one layer: weights as elements, packed, and what becomes of the sums."""

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's, a few images at a time; the bias is known already."""
        cdef conv_geometry *g = &self.packed.g
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0), i, n
        cdef Py_ssize_t image = 4 * cnp.PyArray_SIZE(source) // max(batch, 1)
        n = max(1, COPY_BYTES // max(image, 1))
        if batch > n and self.correlation.packed is None:
            self.correlation.pack(threads)
        for i in range(0, batch, n):
            PyErr_CheckSignals()
            self.correlation.run(
                elements(source[i:i + n], g.groups, g.packed, self.zero_point, g.channels_last,
                         threads),
                self.way_out.bias, None, out[i:i + n], threads)


cdef ConvDesc packed_desc(ConvDesc desc, object which, Py_ssize_t packed, int padding):
    """The description of the same layer over elements; the description keeps it.

    padding: what a byte of padding holds.
    """
    cdef tuple key = ("direct", which, "elements", packed, padding)
    cdef ConvDesc other = desc.kept.get(key)
    if other is None:
        other = desc.kept[key] = copied(desc)
        other.g.itemsize, other.g.packed = 4, packed
        if which == BACKWARD_DATA:
            other.g.filters = desc.g.groups * ceil_div(desc.g.filters // desc.g.groups, packed)
        else:
            other.g.channels = desc.g.groups * ceil_div(desc.g.channels // desc.g.groups, packed)
        if padding:
            other.g.padding_mode = PAD_CONSTANT
            other.g.padding_value = np.full(4, padding, np.uint8).view(np.float32)[0]
    return other


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads):
    """The kernel of a pass over words: of a source less its zero point; weights have none."""
    return kernel_of(packed_desc(desc, which, 2, 0), desc, which, weight, zero_point, way_out,
                     threads)


cdef bint takes_bytes(ConvDesc desc, object which):
    """Whether this machine multiplies bytes, and a pass fills elements of four with them."""
    cdef conv_geometry *g = &desc.g
    return have_bytes() and which != BACKWARD_DATA and g.channels > 2 * g.groups


cdef Words bytes_of(ConvDesc desc, cnp.ndarray weight, bint signed_source, int zero_point,
                    Requantization way_out, int threads):
    """The kernel of a forward pass over bytes of either sign; weights fit int8."""
    cdef int flip = SIGN if signed_source else 0, zero = zero_point + flip
    cdef int padding = zero if desc.g.padding_mode == PAD_ZEROS else 0
    sums = weight.reshape(len(weight), -1).sum(1, dtype=np.int64)
    bias = (way_out.bias - zero * sums).astype(np.int32)  # modulo 2^32
    return kernel_of(packed_desc(desc, "forward", 4, padding), desc, "forward", weight, flip,
                     way_out.with_bias(bias), threads)


cdef Words kernel_of(ConvDesc packed, ConvDesc desc, object which, cnp.ndarray weight,
                     int zero_point, Requantization way_out, int threads):
    cdef Words self = Words.__new__(Words)
    self.packed, self.zero_point, self.way_out = packed, zero_point, way_out
    self.correlation = Correlation(
        pass_layout(packed, which),
        weight_elements(desc, which == BACKWARD_DATA, packed.g.packed, weight, threads))
    self.correlation.epilogue = &way_out.epilogue
    if desc.planned:
        self.correlation.pack(threads)
    return self


cdef double words_seconds(ConvDesc desc, object which):
    """What the cost model takes one image for."""
    cdef CostTerms terms = correlation_cost(
        &pass_layout(packed_desc(desc, which, 2, 0), which).layout, desc.planned)
    return terms.arithmetic + terms.gather + terms.transform + terms.traffic + terms.start
