cimport numpy as cnp

from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport FC_CLIP, FC_IDENTITY, FC_REQUANTIZE, fc_epilogue, fc_kernels

# Where sums leave: a contiguous result with a batch axis, of either data format, and what happens
# to them on the way, y = activation(sum + bias + residual). Strides and places count elements.
cdef struct Output:
    const fc_kernels *kernels
    const fc_epilogue *epilogue
    char *data
    Py_ssize_t itemsize           # of the result: that of the sums, or of an integer
    const char *residual          # like data, or NULL
    const char *bias              # of every channel, or NULL
    Py_ssize_t image, channel     # strides
    Py_ssize_t axis[AXES]
    Py_ssize_t pixel              # from a pixel of a tile to the next: axis[2], or a multiple


cdef inline bint is_bare(const Output *output) noexcept nogil:
    """Whether sums are the result."""
    return (output.bias == NULL and output.residual == NULL
            and output.epilogue.activation == FC_IDENTITY)


cdef inline bint fuses_into_kernel(const Output *output) noexcept nogil:
    """Whether kernels of sums can finish them: they know a bias, and bounds."""
    return (output.epilogue.activation == FC_IDENTITY
            or output.epilogue.activation == FC_CLIP)

cdef Output make_output(const fc_kernels *kernels, const fc_epilogue *epilogue, cnp.ndarray out,
                        bias, residual, bint channels_last) noexcept
cdef Output output_at(const fc_kernels *kernels, const fc_epilogue *epilogue,
                      const Strided5 *images, Py_ssize_t itemsize, bias) noexcept
cdef Py_ssize_t transposed_size(const fc_kernels *kernels, Py_ssize_t channels,
                                Py_ssize_t pixels) noexcept nogil
cdef void store_rows(const Output *output, Py_ssize_t rows, Py_ssize_t n, const real_t *sums,
                     Py_ssize_t sums_row, Py_ssize_t place, Py_ssize_t row, Py_ssize_t channel,
                     bint channel_per_row) noexcept nogil
cdef void store_channel(const Output *output, Py_ssize_t rows, Py_ssize_t n, const real_t *sums,
                        Py_ssize_t sums_row, Py_ssize_t place, Py_ssize_t row,
                        Py_ssize_t channel) noexcept nogil
cdef void store_tile(const Output *output, real_t *sums, Py_ssize_t sums_row, bint by_channel,
                     real_t *transposed, Py_ssize_t pixels, Py_ssize_t channels,
                     Py_ssize_t channel, Py_ssize_t place) noexcept nogil
