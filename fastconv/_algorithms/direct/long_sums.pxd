"""Long sums, whose rounding errors would grow with their length.

Kernels cut sums into blocks of 64 products and add the blocks up in a row; a row of more than
`LONG_SUM` products is one block of a further such level.
"""
from libc.string cimport memcpy

from fastconv._algorithms.direct.types cimport CHUNK_TAPS, Phase, RUN_TAPS
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels

cdef enum:
    LONG_SUM = 32 * CHUNK_TAPS  # products, of one block of the last level

# Sums to which blocks of products are added one after the other.
cdef struct LongSums:
    Py_ssize_t n       # sums
    Py_ssize_t limit   # products of a row, at most; what is longer goes to totals
    Py_ssize_t in_row
    bint fresh         # the next block begins a row
    bint has_totals


cdef inline bint waits(const Phase *phase, int pixels_kernel, Py_ssize_t blocks) noexcept nogil:
    """Whether sums of so many blocks of channels wait, by a kernel of `igemm_pixels`.

    A run of a 1x1 kernel has lines of its own for each tap. Where those of all taps exceed the
    first-level cache, they would come from the next one for every few channels. So all channels
    meet RUN_TAPS of a run's taps before the next ones.
    """
    return (pixels_kernel > 0 and blocks > 1 and phase.spatial_taps == 1
            and RUN_TAPS < phase.taps <= LONG_SUM and phase.cut == NULL)


cdef inline void carry(const fc_kernels *kernels, Py_ssize_t tap, Py_ssize_t taps, Py_ssize_t n,
                       real_t *sums, real_t *totals) noexcept nogil:
    """Add n sums of LONG_SUM products from `tap` on to totals; after the last, bring those back."""
    if taps <= LONG_SUM:
        return
    if tap == 0:
        memcpy(totals, sums, n * sizeof(real_t))
        return
    kernels.add(n, sums, totals)
    if tap + LONG_SUM >= taps:
        memcpy(sums, totals, n * sizeof(real_t))


cdef inline LongSums long_sums(Py_ssize_t n, Py_ssize_t limit) noexcept nogil:
    """n sums of nothing."""
    cdef LongSums state
    state.n = n
    state.limit = limit
    state.in_row = 0
    state.fresh = True
    state.has_totals = False
    return state


cdef inline void expect_products(LongSums *state, const fc_kernels *kernels, Py_ssize_t products,
                                 real_t *sums, real_t *totals) noexcept nogil:
    """So many products of each sum come next: begin a new row if they are too many for this one."""
    if state.in_row and state.in_row + products > state.limit:
        if state.has_totals:
            kernels.add(state.n, sums, totals)
        else:
            memcpy(totals, sums, state.n * sizeof(real_t))
        state.has_totals = state.fresh = True
        state.in_row = 0
    state.in_row += products


cdef inline void finish_sums(const LongSums *state, const fc_kernels *kernels, real_t *sums,
                             const real_t *totals) noexcept nogil:
    """All sums, in the place of those of the last row."""
    if state.has_totals:
        kernels.add(state.n, totals, sums)
