"""Products of spectra, summed over channels."""
from fastconv._core.integers cimport ceil_div
from fastconv._kernels.dispatch cimport fc_kernels

# y[tile][filter][f] = sum over channels of x[tile][channel][f] * w[filter][channel][f], for so many
# frequencies; strides count spectra.
cdef struct Product:
    Py_ssize_t tiles, filters, channels, freq
    Py_ssize_t x_tile, x_channel, w_filter, w_channel, y_tile, y_filter
    bint more                # added to what y holds


cdef enum:
    STRIP = 64  # frequencies whose products are taken while they lie in the cache


cdef inline Py_ssize_t spectrum_bytes(const Product *p, Py_ssize_t itemsize) noexcept nogil:
    return 2 * p.freq * itemsize


cdef inline void multiply(const fc_kernels *k, const Product *p, const char *x, const char *w,
                          char *y, Py_ssize_t itemsize) noexcept nogil:
    """All products, a strip of frequencies at a time."""
    cdef Py_ssize_t strip = STRIP if p.tiles > 1 or p.filters > 1 else p.freq, s
    for s in range(ceil_div(p.freq, strip)):
        multiply_strip(k, p, s * strip, min(strip, p.freq - s * strip), x, w, y, itemsize)


cdef inline void multiply_strip(const fc_kernels *k, const Product *p, Py_ssize_t first,
                                Py_ssize_t n, const char *x, const char *w, char *y,
                                Py_ssize_t itemsize) noexcept nogil:
    """Frequencies first … first + n - 1, for as many filters and tiles at once as `cgemm` takes."""
    cdef Py_ssize_t row = 2 * p.freq, i = 0, t, tiles, filters   # row: elements of a spectrum
    while i < p.filters:
        filters = k.cgemm_filters if i + k.cgemm_filters <= p.filters else 1
        t = 0
        while t < p.tiles:
            tiles = 2 if t + 2 <= p.tiles else 1
            k.cgemm[tiles - 1][filters > 1](
                n, p.channels,
                x + (t * p.x_tile * row + 2 * first) * itemsize, p.x_tile * row,
                p.x_channel * row,
                w + (i * p.w_filter * row + 2 * first) * itemsize, p.w_filter * row,
                p.w_channel * row,
                y + ((t * p.y_tile + i * p.y_filter) * row + 2 * first) * itemsize,
                p.y_tile * row, p.y_filter * row, p.more)
            t += tiles
        i += filters
