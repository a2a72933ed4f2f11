"""Direct sums of integers of 8 and 16 bits, as words of 16 bits with sums of 32.

Two neighbouring channels make one element of 32 bits, in images as in weights, and one
instruction multiplies and adds up both. So what is computed is a convolution with half as many
channels, whose elements are moved like floats; only the micro-kernels and the way out differ. A
channel without a neighbour, the last of an odd group, has zeros beside it.

Sums are exact modulo 2^32: who calls knows that they fit.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t

from fastconv._algorithms.direct.correlation cimport Correlation
from fastconv._algorithms.direct.cost cimport correlation_cost
from fastconv._algorithms.direct.layout cimport PassLayout, pass_layout
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport CostTerms
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization, lent, type_of
from fastconv._desc.conv cimport ConvDesc, copied
from fastconv._kernels.dispatch cimport fc_integers, kernels

from fastconv._algorithms.record import BACKWARD_DATA

cnp.import_array()

cdef enum:
    COPY_BYTES = 4 << 20   # of elements at once; or one image
    TASK_PIXELS = 1 << 14  # that a task brings into elements

# ---- the way in ----

# Images, of which two channels at a time become elements.
cdef struct Pairing:
    const fc_integers *kernels
    int type                    # of the source: an `fc_type`
    Py_ssize_t itemsize
    int zero_point
    const char *source
    int32_t *out
    Py_ssize_t channels         # of a group
    Py_ssize_t pairs            # of a group
    Py_ssize_t planes           # pairs of all images
    Py_ssize_t groups
    Py_ssize_t pixels, blocks   # of a plane, or of all images; blocks of them


cdef cnp.ndarray paired(cnp.ndarray source, Py_ssize_t groups, int zero_point, bint channels_last,
                        int threads):
    """Images with a batch axis less a zero point, as elements of two words; as float32."""
    cdef Pairing pairing
    cdef cnp.ndarray images = np.ascontiguousarray(source), out
    cdef int last = cnp.PyArray_NDIM(images) - 1
    cdef Py_ssize_t batch = cnp.PyArray_DIM(images, 0)
    shape = list((<object>images).shape)
    pairing.channels = shape[last if channels_last else 1] // groups
    pairing.pairs = ceil_div(pairing.channels, 2)
    pairing.groups = groups
    shape[last if channels_last else 1] = groups * pairing.pairs
    out = lent(tuple(shape))
    if cnp.PyArray_SIZE(out) == 0:
        return out
    pairing.kernels = &kernels().integers
    pairing.type = type_of(images)
    pairing.itemsize = cnp.PyArray_ITEMSIZE(images)
    pairing.zero_point = zero_point
    pairing.source = cnp.PyArray_BYTES(images)
    pairing.out = <int32_t *>cnp.PyArray_BYTES(out)
    pairing.pixels = cnp.PyArray_SIZE(out) // (groups * pairing.pairs)
    if not channels_last:
        pairing.pixels //= batch
    pairing.blocks = ceil_div(pairing.pixels, TASK_PIXELS)
    if channels_last:
        parallel_for(pair_pixels, &pairing, pairing.blocks, threads, 0.0)
    else:
        pairing.planes = batch * groups * pairing.pairs
        parallel_for(pair_planes, &pairing, pairing.planes * pairing.blocks, threads, 0.0)
    return out


cdef void pair_planes(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """A block of pixels of two channels, each a plane."""
    cdef const Pairing *p = <const Pairing *>context
    cdef Py_ssize_t plane = task // p.blocks, first = task % p.blocks * TASK_PIXELS
    cdef Py_ssize_t n = min(TASK_PIXELS, p.pixels - first), channel = plane % p.pairs * 2
    cdef const char *low = p.source + p.itemsize * (
        (plane // p.pairs * p.channels + channel) * p.pixels + first)
    cdef int32_t *out = p.out + plane * p.pixels + first
    if channel + 1 < p.channels:
        p.kernels.pairs[p.type](n, low, low + p.pixels * p.itemsize, p.zero_point, out)
    else:
        p.kernels.singles[p.type](n, low, 1, p.zero_point, out, 1)


cdef void pair_pixels(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """A block of pixels whose channels are neighbours."""
    cdef const Pairing *p = <const Pairing *>context
    cdef Py_ssize_t first = task * TASK_PIXELS, channels = p.groups * p.channels, i
    cdef Py_ssize_t n = min(TASK_PIXELS, p.pixels - first), step = p.groups * p.pairs
    cdef const char *source = p.source + first * channels * p.itemsize
    cdef int32_t *out = p.out + first * step
    if p.channels % 2 == 0:
        p.kernels.words[p.type](n * channels, source, p.zero_point, out)
        return
    # the last of each group first, since words that are written beside it overrun to it
    for i in range(p.groups):
        p.kernels.singles[p.type](n, source + ((i + 1) * p.channels - 1) * p.itemsize, channels,
                                  p.zero_point, out + (i + 1) * p.pairs - 1, step)
    if p.pairs > 1:
        for i in range(n * p.groups):
            p.kernels.words[p.type](p.channels - 1, source + i * p.channels * p.itemsize,
                                    p.zero_point, out + i * p.pairs)


cdef cnp.ndarray paired_weights(ConvDesc desc, bint backward, cnp.ndarray weight, int threads):
    """Weights as elements, along the channels that the pass reads."""
    if not backward:
        return paired(weight, 1, 0, False, threads)
    return paired(np.swapaxes(weight, 0, 1), desc.g.groups, 0, False, threads).swapaxes(0, 1)


# ---- the sums ----

cdef class Words:
    """One pass of one layer: weights as elements, packed, and what becomes of the sums."""

    cdef cnp.ndarray elements(self, cnp.ndarray source, int threads):
        return paired(source, self.pairs.g.groups, self.zero_point, self.pairs.g.channels_last,
                      threads)

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's, a few images at a time; the bias is known already."""
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0), i, n
        cdef Py_ssize_t image = 4 * cnp.PyArray_SIZE(source) // max(batch, 1)
        n = max(1, COPY_BYTES // max(image, 1))
        if batch > n and self.correlation.packed is None:
            self.correlation.pack(threads)
        for i in range(0, batch, n):
            PyErr_CheckSignals()
            self.correlation.run(self.elements(source[i:i + n], threads), self.way_out.bias, None,
                                 out[i:i + n], threads)


cdef ConvDesc pairs_of(ConvDesc desc, object which):
    """The description of the same layer over elements of two words; the description keeps it."""
    cdef bint backward = which == BACKWARD_DATA
    cdef ConvDesc pairs = desc.kept.get(("direct", which, "words"))
    if pairs is None:
        pairs = desc.kept["direct", which, "words"] = copied(desc)
        pairs.g.itemsize, pairs.g.pairs = 4, True
        if backward:
            pairs.g.filters = desc.g.groups * ceil_div(desc.g.filters // desc.g.groups, 2)
        else:
            pairs.g.channels = desc.g.groups * ceil_div(desc.g.channels // desc.g.groups, 2)
    return pairs


cdef Words words(ConvDesc desc, object which, cnp.ndarray weight, int zero_point,
                 Requantization way_out, int threads):
    """The kernel of a pass that reads a source less its zero point; weights have none any more."""
    cdef Words self = Words.__new__(Words)
    cdef PassLayout owner
    self.pairs = pairs_of(desc, which)
    self.zero_point = zero_point
    self.way_out = way_out
    owner = pass_layout(self.pairs, which)
    self.correlation = Correlation(owner, paired_weights(desc, which == BACKWARD_DATA, weight,
                                                         threads))
    self.correlation.epilogue = &way_out.epilogue
    if desc.planned:
        self.correlation.pack(threads)
    return self


cdef double words_seconds(ConvDesc desc, object which):
    """What the cost model takes one image for."""
    cdef CostTerms terms = correlation_cost(&pass_layout(pairs_of(desc, which), which).layout,
                                            desc.planned)
    return terms.arithmetic + terms.gather + terms.transform + terms.traffic + terms.start
