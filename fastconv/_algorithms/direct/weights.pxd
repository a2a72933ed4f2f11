cimport numpy as cnp

from fastconv._algorithms.direct.types cimport Layout, Phase
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t

# Where weights come from and go to.
cdef struct Weights:
    const Layout *layout
    Strided5 source                       # (filters, channels of a group, kernel)
    Py_ssize_t group, out_channel, in_channel  # strides, by what the pass writes and reads
    char *packed


cdef Weights weights_from(const Layout *layout, cnp.ndarray array) noexcept
cdef int pack_all(Weights *weights, int threads) except -1
cdef void pack_taps(const Weights *weights, const Phase *phase, Py_ssize_t group,
                    Py_ssize_t block, Py_ssize_t first, Py_ssize_t taps,
                    real_t *out) noexcept nogil
