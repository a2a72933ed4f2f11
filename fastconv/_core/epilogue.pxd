from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_epilogue, fc_kernels

# Where sums go: arrays of the result's shape, and what happens on the way.
cdef struct Exit:
    const fc_kernels *k
    const fc_epilogue *epilogue
    char *out
    const char *residual         # like out, or NULL
    const char *bias             # of every channel, or NULL
    Py_ssize_t channel_stride    # of out and residual, in elements
    Py_ssize_t pixel_stride

cdef Py_ssize_t turned_size(const fc_kernels *k, Py_ssize_t channels,
                            Py_ssize_t pixels) noexcept nogil
cdef void emit(const Exit *exit, real_t *acc, Py_ssize_t acc_row, bint by_channel, real_t *turned,
               Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t channel,
               Py_ssize_t sink) noexcept nogil
