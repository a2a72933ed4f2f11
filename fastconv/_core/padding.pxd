"""Padding: how an axis goes on outside of the array."""
from libc.string cimport memset

from fastconv._core.types cimport real_t

cdef enum:
    AXES = 3  # every description has three spatial axes; those a rank lacks have length one

cdef enum padding_mode_t:
    PAD_ZEROS, PAD_REFLECT, PAD_SYMMETRIC, PAD_REPLICATE, PAD_CIRCULAR
    PAD_CONSTANT  # a number that is not zero


cdef inline Py_ssize_t source_index(Py_ssize_t i, Py_ssize_t length,
                                    Py_ssize_t mode) noexcept nogil:
    """Where padded coordinate `i` lies in the array, as `np.pad` has it; -1 for a constant."""
    if 0 <= i < length:
        return i
    if mode == PAD_ZEROS or mode == PAD_CONSTANT:
        return -1
    return mirrored_index(i, length, mode)


cdef inline Py_ssize_t mirrored_index(Py_ssize_t i, Py_ssize_t length,
                                      Py_ssize_t mode) noexcept nogil:
    """`source_index` outside of the array, for modes that repeat what it holds."""
    cdef Py_ssize_t period
    if mode == PAD_REPLICATE:
        return 0 if i < 0 else length - 1
    if mode == PAD_CIRCULAR:
        i %= length
        return i + length if i < 0 else i
    if mode == PAD_REFLECT and length == 1:
        return 0
    # reflect: the ends are not repeated
    period = 2 * (length - 1) if mode == PAD_REFLECT else 2 * length
    i %= period
    if i < 0:
        i += period
    if i < length:
        return i
    return period - i if mode == PAD_REFLECT else period - 1 - i


cdef inline void fill(real_t *out, Py_ssize_t n, real_t value) noexcept nogil:
    """n times the same number."""
    cdef Py_ssize_t i
    if value == 0:
        memset(out, 0, n * sizeof(real_t))
    else:
        for i in range(n):
            out[i] = value
