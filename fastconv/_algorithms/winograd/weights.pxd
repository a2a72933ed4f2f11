cimport numpy as cnp

from fastconv._algorithms.winograd.types cimport Layout
from fastconv._core.scratch cimport Scratch
from fastconv._core.types cimport real_t

# What tasks that transform weights read.
cdef struct Packing:
    const Layout *layout
    const char *weight
    char *packed               # of all blocks, where they are transformed before
    char *scratch
    Py_ssize_t kernel          # elements of a kernel
    Py_ssize_t chunks          # of input channels
    Py_ssize_t part_at, scratch_size  # bytes of a thread's scratch

cdef Packing plan_packing(const Layout *layout) noexcept
cdef Scratch pack_weights(const Layout *layout, cnp.ndarray weight, int threads)
cdef void pack_block(const Packing *packing, Py_ssize_t group, Py_ssize_t k, char *scratch,
                     real_t *out) noexcept nogil
