"""Padding: how an axis goes on outside of the array."""


cdef Py_ssize_t mirrored_index(Py_ssize_t i, Py_ssize_t length, Py_ssize_t mode) noexcept nogil:
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
