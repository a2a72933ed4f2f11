"""The kernels whose elements are four bytes, which some levels have.

They are those of words with other products. With them come faster products of words.
"""
import importlib

from cpython.pycapsule cimport PyCapsule_GetPointer

from fastconv._kernels.dispatch cimport fc_kernels, kernels

from fastconv._kernels.dispatch import LEVELS, isa

cdef const fc_bytes *offered = NULL
cdef fc_kernels quads
cdef bint looked = False


cdef bint have_bytes() except -1:
    """Whether the level in use has them; the first call loads them."""
    global offered, quads, looked
    if not looked:
        if LEVELS.index(isa()) >= LEVELS.index("avx512_vnni"):
            module = importlib.import_module("fastconv._kernels._kernels_avx512_vnni")
            offered = <const fc_bytes *>PyCapsule_GetPointer(module.offered, b"fastconv.bytes")
            offered.fill_words(&kernels().i16_pairs)
            quads = kernels().i16_pairs
            offered.fill(&quads)
        looked = True
    return offered != NULL


cdef const fc_bytes *byte_functions() noexcept:
    return offered


cdef const fc_kernels *byte_kernels() noexcept:
    return &quads
