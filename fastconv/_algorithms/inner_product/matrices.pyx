"""A description's arrays as matrices, and which taps meet the image."""
import numpy as np

cimport cython
cimport numpy as cnp

from fastconv._core.finite cimport all_finite
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._desc.conv cimport ConvDesc, conv_geometry

cnp.import_array()


cdef bint find_taps(const conv_geometry *g, Taps *taps) noexcept:
    """Whether there is one position, whose taps and what they meet are blocks with steps."""
    cdef Py_ssize_t last, d
    cdef int a
    taps.values = g.channels // g.groups
    taps.all = taps.whole = True
    for a in range(AXES):
        if g.output[a] != 1:
            return False
        d = g.dilation[a]
        taps.first[a] = max(0, (g.before[a] + d - 1) // d)
        last = min(g.kernel[a] - 1, (g.input[a] - 1 + g.before[a]) // d)
        taps.count[a] = last - taps.first[a] + 1
        if g.input[a] - 1 + g.before[a] < 0 or taps.count[a] <= 0:
            return False
        taps.place[a] = taps.first[a] * d - g.before[a]
        taps.values *= taps.count[a]
        if taps.count[a] != g.kernel[a]:
            if g.padding_mode != PAD_ZEROS:
                return False
            taps.all = False
        if taps.count[a] != g.input[a]:
            taps.whole = False
    return taps.values > 0


cdef Matrices matrices_of(ConvDesc desc):
    """The description keeps them."""
    cdef Matrices m = desc.kept.get("inner_product")
    if m is None:
        m = desc.kept["inner_product"] = Matrices(desc)
    return m


@cython.final
cdef class Matrices:
    """A description's arrays as matrices: images by values, filters by values."""

    def __cinit__(self, ConvDesc desc):
        cdef const conv_geometry *g = &desc.g
        cdef int rank = <int>g.rank, a
        find_taps(g, &self.taps)
        self.desc, self.groups = desc, g.groups
        self.channels, self.filters = g.channels // g.groups, g.filters // g.groups
        self.values = self.taps.values
        self.image_taps = tuple([
            slice(self.taps.place[a],
                  self.taps.place[a] + (self.taps.count[a] - 1) * g.dilation[a] + 1,
                  g.dilation[a])
            for a in range(AXES - rank, AXES)])
        self.weight_taps = tuple([slice(self.taps.first[a], self.taps.first[a] + self.taps.count[a])
                                  for a in range(AXES - rank, AXES)])

    cdef object met(self, images):
        """A view of what the taps meet."""
        if self.taps.whole:
            return images
        if self.desc.g.channels_last:
            return images[(slice(None), *self.image_taps)]
        return images[(slice(None), slice(None), *self.image_taps)]

    cdef cnp.ndarray rows(self, images):
        """(images, groups * values), C-contiguous: the array itself where it lies like that."""
        met = self.met(images)
        batch = images.shape[0]
        if self.desc.g.channels_last and self.groups > 1:
            met = met.reshape(batch, -1, self.groups, self.channels).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(met).reshape(batch, -1)

    cdef object unrolled(self, cnp.ndarray rows, images):
        """The same rows with the axes of `met(images)`."""
        shape = images.shape
        if self.desc.g.channels_last and self.groups > 1:
            rows = rows.reshape(shape[0], self.groups, -1, self.channels).transpose(0, 2, 1, 3)
        return rows.reshape(shape)

    cdef object weight_view(self, weight):
        """The weights that count, in the order of the images' values: a view."""
        if self.taps.all and not self.desc.g.flip and not self.desc.g.channels_last:
            return weight
        cdef int rank = <int>self.desc.g.rank
        if self.desc.g.flip:
            weight = weight[(..., *(slice(None, None, -1),) * rank)]
        weight = weight[(slice(None), slice(None), *self.weight_taps)]
        return np.moveaxis(weight, 1, -1) if self.desc.g.channels_last else weight

    cdef bint finite(self, cnp.ndarray array, int threads) except -1:
        """Whether taps that meet padding alone give zeros: not where numbers are infinite."""
        return self.taps.all or all_finite(array, threads)


cdef cnp.ndarray whole_vectors(cnp.ndarray x, Py_ssize_t groups, Py_ssize_t terms,
                               Py_ssize_t values, bint side_by_side, Py_ssize_t lanes):
    """Rows that are shorter than a vector as (groups, terms, lanes).

    side_by_side: whether a row of x has all groups.
    """
    padded = np.zeros((groups, terms, lanes), x.dtype)
    if side_by_side:
        rows = x.reshape(terms, groups, values).swapaxes(0, 1)
    else:
        rows = x.reshape(groups, terms, values)
    padded[..., :values] = rows
    return padded
