from fastconv._kernels.dispatch cimport fc_kernels

# y[tile][filter][f] = sum over channels of x[tile][channel][f] * w[filter][channel][f], for so many
# frequencies; strides count spectra.
cdef struct Product:
    Py_ssize_t tiles, filters, channels, freq
    Py_ssize_t x_tile, x_channel, w_filter, w_channel, y_tile, y_filter
    bint more                # added to what y holds

cdef void multiply(const fc_kernels *k, const Product *p, const char *x, const char *w, char *y,
                   Py_ssize_t itemsize) noexcept nogil
cdef Py_ssize_t spectrum_bytes(const Product *p, Py_ssize_t itemsize) noexcept nogil
