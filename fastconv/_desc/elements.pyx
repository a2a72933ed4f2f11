"""Small integers as elements of 32 bits, and the layers over them.

Two or four neighbouring channels make one element, of words or of bytes, in images as in weights:
what is computed is a convolution with half as many channels, or a quarter, whose elements are
moved like floats. A group's last channels, where they do not fill an element, have weights of zero
beside them.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t

from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport PAD_CONSTANT
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport lent, type_of
from fastconv._desc.conv cimport ConvDesc, conv_geometry, copied
from fastconv._kernels.bytes cimport byte_functions, fc_bytes, fc_spread
from fastconv._kernels.dispatch cimport fc_integers, kernels

cnp.import_array()

cdef enum:
    COPY_BYTES = 4 << 20   # of elements at once; or one image
    TASK_PIXELS = 1 << 14  # that a task brings into elements
    COLOURS = 3            # channels of pictures
    SPREAD_READS = 64      # bytes from a vector's first on,
    SPREAD_MAKES = 16      # elements at a time

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
    fc_spread spread            # for three bytes a group


cdef bint are_elements(cnp.ndarray images, Py_ssize_t channels, Py_ssize_t packed,
                       int zero_point, bint channels_last) noexcept:
    """Whether they lie in memory as their elements do."""
    return (channels_last and zero_point == 0 and channels % packed == 0
            and packed * cnp.PyArray_ITEMSIZE(images) == sizeof(int32_t)
            and <size_t>cnp.PyArray_DATA(images) % sizeof(int32_t) == 0)


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
    if are_elements(images, packing.channels, packed, zero_point, channels_last):
        return images.view(np.float32)
    shape[last if channels_last else 1] = groups * packing.elements
    out = lent(tuple(shape))
    if cnp.PyArray_SIZE(out) == 0:
        return out
    packing.words, packing.bytes = &kernels().integers, byte_functions()
    if packed == 4 and packing.channels == COLOURS:
        packing.bytes.set_spread(COLOURS, 1, &packing.spread)
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
    i = 0
    if p.packed == 4 and p.channels == COLOURS:
        i = spread_colours(p, n * p.groups, source, out)
    for i in range(i, n * p.groups):
        out[(i + 1) * p.elements - 1] = 0
        pack_row(p, p.channels, source + i * p.channels * p.itemsize, out + i * p.elements)


cdef inline Py_ssize_t spread_colours(const Packing *p, Py_ssize_t n, const char *source,
                                      int32_t *out) noexcept nogil:
    """Groups of three bytes, as many as vectors can read; the fourth of an element is that of the
    next, and meets a weight of zero. Returns how many."""
    if COLOURS * n < SPREAD_READS:
        return 0
    n = ((COLOURS * n - SPREAD_READS) // (COLOURS * SPREAD_MAKES) + 1) * SPREAD_MAKES
    p.bytes.spread(n, source, &p.spread, out)
    if p.zero_point:
        p.bytes.bytes(4 * n, out, p.zero_point, out)
    return n


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


# ---- layers ----

cdef ConvDesc packed_desc(ConvDesc desc, str algorithm, bint backward, Py_ssize_t packed,
                          int padding):
    """The description of the same layer over elements; the description keeps it.

    padding: what a byte of padding holds.
    """
    cdef tuple key = (algorithm, "backward_data" if backward else "forward", "elements", packed,
                      padding)
    cdef ConvDesc other = desc.kept.get(key)
    if other is None:
        other = desc.kept[key] = copied(desc)
        other.g.itemsize, other.g.packed = 4, packed
        if backward:
            other.g.filters = desc.g.groups * ceil_div(desc.g.filters // desc.g.groups, packed)
        else:
            other.g.channels = desc.g.groups * ceil_div(desc.g.channels // desc.g.groups, packed)
        if padding:
            other.g.padding_mode = PAD_CONSTANT
            other.g.padding_value = np.full(4, padding, np.uint8).view(np.float32)[0]
    return other


cdef class ElementPass:
    """One pass of one layer: weights as elements, packed, and what becomes of the sums."""

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's, a few images at a time; the bias is known already."""
        cdef conv_geometry *g = &self.packed.g
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0), i, n
        cdef Py_ssize_t image = 4 * cnp.PyArray_SIZE(source) // max(batch, 1)
        n = max(1, COPY_BYTES // max(image, 1))
        if batch > n:
            self.prepare_for_many(threads)
        for i in range(0, batch, n):
            PyErr_CheckSignals()
            self.kernel.run(
                elements(source[i:i + n], g.groups, g.packed, self.zero_point, g.channels_last,
                         threads),
                self.way_out.bias, None, out[i:i + n], threads)

    cdef int prepare_for_many(self, int threads) except -1:
        """Before several runs of the kernel."""
        return 0
