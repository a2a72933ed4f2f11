"""The way out: sums to their places in the result, through bias, residual and activation."""
from fastconv._core.integers cimport up
from fastconv._kernels.dispatch cimport FC_CLIP, FC_IDENTITY


cdef Py_ssize_t turned_size(const fc_kernels *k, Py_ssize_t channels,
                            Py_ssize_t pixels) noexcept nogil:
    """Elements of scratch that `emit` needs to transpose a block of sums."""
    return max(up(pixels, k.lanes) * channels, up(channels, k.lanes) * pixels)


cdef void emit(const Exit *exit, real_t *acc, Py_ssize_t acc_row, bint by_channel, real_t *turned,
               Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t channel,
               Py_ssize_t sink) noexcept nogil:
    """Send a block of sums to `sink` (elements from the start of out), `channel` on.

    acc holds (channels, pixels) if by_channel, else (pixels, channels); what is contiguous in
    the output must be so in the block, which is transposed where it is not, in registers or into
    `turned`. Rows of channels are filled up to whole vectors.
    """
    cdef const fc_kernels *k = exit.k
    cdef real_t *out = (<real_t *>exit.out) + sink
    cdef const real_t *residual = NULL
    cdef const real_t *bias = NULL
    cdef Py_ssize_t i, j, turned_row
    if exit.residual != NULL:
        residual = (<const real_t *>exit.residual) + sink
    if exit.bias != NULL:
        bias = (<const real_t *>exit.bias) + channel
    if (not by_channel and exit.pixel_stride == 1 != exit.channel_stride and pixels >= k.lanes
            and exit.epilogue.activation in (FC_IDENTITY, FC_CLIP)):
        k.pixels_to_planes(pixels, channels, acc, acc_row, out, exit.channel_stride, bias,
                           residual, exit.epilogue)
        return
    if by_channel == (exit.channel_stride == 1):
        turned_row = up(channels if by_channel else pixels, k.lanes)
        if by_channel:
            k.transpose(channels, pixels, acc, acc_row, turned, turned_row)
        else:
            k.transpose(pixels, channels, acc, acc_row, turned, turned_row)
        acc = turned
        acc_row = turned_row
    if exit.channel_stride == 1:
        k.store(pixels, channels, acc, acc_row, out, exit.pixel_stride, bias, 0, 1, residual,
                exit.pixel_stride, exit.epilogue)
    elif exit.pixel_stride == 1:
        k.store(channels, pixels, acc, acc_row, out, exit.channel_stride, bias, 1, 0, residual,
                exit.channel_stride, exit.epilogue)
    else:  # a strided gradient: no bias, residual or activation
        for i in range(channels):
            for j in range(pixels):
                out[i * exit.channel_stride + j * exit.pixel_stride] = acc[i * acc_row + j]
