"""The way out: sums to their places in the result, through bias, residual and activation."""
cimport numpy as cnp

from fastconv._core.integers cimport round_up
from fastconv._core.strided cimport Strided5, contiguous_images

cnp.import_array()


cdef Output make_output(const fc_kernels *kernels, const fc_epilogue *epilogue, cnp.ndarray out,
                        bias, residual, bint channels_last) noexcept:
    """The way to `out`; it and the residual are C-contiguous, bias and residual may be None."""
    cdef Strided5 images = contiguous_images(out, channels_last)
    cdef Output output = output_at(kernels, epilogue, &images, cnp.PyArray_ITEMSIZE(out), bias)
    output.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
    return output


cdef Output output_at(const fc_kernels *kernels, const fc_epilogue *epilogue,
                      const Strided5 *images, Py_ssize_t itemsize, bias) noexcept:
    """The same without a residual, to wherever these images lie."""
    cdef Output output
    cdef int a
    output.kernels = kernels
    output.epilogue = epilogue
    output.itemsize = itemsize
    output.data = images.data
    output.residual = NULL
    output.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
    output.image, output.channel = images.stride[0], images.stride[1]
    for a in range(AXES):
        output.axis[a] = images.stride[2 + a]
    output.pixel = output.axis[AXES - 1]
    return output


cdef Py_ssize_t transposed_size(const fc_kernels *kernels, Py_ssize_t channels,
                                Py_ssize_t pixels) noexcept nogil:
    """Elements of scratch that `store_tile` needs to transpose a tile of sums."""
    return max(round_up(pixels, kernels.lanes) * channels,
               round_up(channels, kernels.lanes) * pixels)


cdef void store_rows(const Output *output, Py_ssize_t rows, Py_ssize_t n, const real_t *sums,
                     Py_ssize_t sums_row, Py_ssize_t place, Py_ssize_t row, Py_ssize_t channel,
                     bint channel_per_row) noexcept nogil:
    """Store rows of n sums that are neighbours in the result, the first at `place`, `row` apart.

    Each row is of another channel, from `channel` on; or else its neighbours are, where channels
    come last and pixels are rows. Sums may lie where they are to be.
    """
    cdef const real_t *bias = NULL
    cdef const real_t *residual = NULL
    if output.bias != NULL:
        bias = (<const real_t *>output.bias) + channel
    if output.residual != NULL:
        residual = (<const real_t *>output.residual) + place
    output.kernels.store(rows, n, sums, sums_row, output.data + place * output.itemsize, row, bias,
                         channel_per_row, not channel_per_row, residual, row, output.epilogue)


cdef void store_channel(const Output *output, Py_ssize_t rows, Py_ssize_t n, const real_t *sums,
                        Py_ssize_t sums_row, Py_ssize_t place, Py_ssize_t row,
                        Py_ssize_t channel) noexcept nogil:
    """Store rows of n neighbouring pixels of one channel, as `store_rows` does."""
    cdef const real_t *bias = NULL
    cdef const real_t *residual = NULL
    if output.bias != NULL:
        bias = (<const real_t *>output.bias) + channel
    if output.residual != NULL:
        residual = (<const real_t *>output.residual) + place
    output.kernels.store(rows, n, sums, sums_row, output.data + place * output.itemsize, row, bias,
                         0, 0, residual, row, output.epilogue)


cdef void store_tile(const Output *output, real_t *sums, Py_ssize_t sums_row, bint by_channel,
                     real_t *transposed, Py_ssize_t pixels, Py_ssize_t channels,
                     Py_ssize_t channel, Py_ssize_t place) noexcept nogil:
    """Store a tile of sums, of neighbouring pixels and of channels from `channel` on.

    sums holds (channels, pixels) if by_channel, else (pixels, channels). What is contiguous in
    the result must be so in the tile, which is transposed where it is not, in registers or into
    `transposed`. Rows of channels are filled up to whole vectors.
    """
    cdef const fc_kernels *k = output.kernels
    cdef real_t *out = (<real_t *>output.data) + place
    cdef const real_t *residual = NULL
    cdef const real_t *bias = NULL
    cdef Py_ssize_t i, j, row
    if (not by_channel and output.pixel == 1 != output.channel and pixels >= k.lanes
            and fuses_into_kernel(output)):
        if output.residual != NULL:
            residual = (<const real_t *>output.residual) + place
        if output.bias != NULL:
            bias = (<const real_t *>output.bias) + channel
        k.pixels_to_planes(pixels, channels, sums, sums_row, out, output.channel, bias, residual,
                           output.epilogue)
        return
    if by_channel == (output.channel == 1):
        row = round_up(channels if by_channel else pixels, k.lanes)
        if by_channel:
            k.transpose(channels, pixels, sums, sums_row, transposed, row)
        else:
            k.transpose(pixels, channels, sums, sums_row, transposed, row)
        sums, sums_row = transposed, row
    if output.channel == 1:
        store_rows(output, pixels, channels, sums, sums_row, place, output.pixel, channel, False)
    elif output.pixel == 1:
        store_rows(output, channels, pixels, sums, sums_row, place, output.channel, channel, True)
    elif output.epilogue.activation == FC_REQUANTIZE:  # a strided gradient
        for i in range(channels):
            bias = (<const real_t *>output.bias) + channel + i
            k.store(pixels, 1, sums + i * sums_row, 1,
                    output.data + (place + i * output.channel) * output.itemsize, output.pixel,
                    bias, 0, 0, NULL, 0, output.epilogue)
    else:  # the same: no bias, residual or activation
        for i in range(channels):
            for j in range(pixels):
                out[i * output.channel + j * output.pixel] = sums[i * sums_row + j]
