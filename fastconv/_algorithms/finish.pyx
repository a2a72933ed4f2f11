"""The way out for algorithms that leave their sums in the result, as those in Python do."""
cimport numpy as cnp

from fastconv._core.output cimport Output, is_bare, make_output, store_rows
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.dispatch cimport kernels_for

cnp.import_array()


def finish(ConvDesc desc, cnp.ndarray out, bias, residual):
    """Add bias and residual to the sums in `out`, and apply the activation, in place.

    `out` and `residual` are C-contiguous in the description's data format, with a batch axis, as
    `run` is given them.
    """
    cdef Output output = make_output(kernels_for(desc.g.itemsize), &desc.epilogue, out, bias,
                                     residual, desc.g.channels_last)
    cdef Py_ssize_t image, pixels = desc.g.output[0] * desc.g.output[1] * desc.g.output[2]
    if is_bare(&output) or cnp.PyArray_SIZE(out) == 0:
        return
    with nogil:
        for image in range(cnp.PyArray_DIM(out, 0)):
            if desc.g.itemsize == 4:
                finish_image(desc, &output, image * output.image, pixels, <float *>output.data)
            else:
                finish_image(desc, &output, image * output.image, pixels, <double *>output.data)


cdef void finish_image(ConvDesc desc, const Output *output, Py_ssize_t place, Py_ssize_t pixels,
                       const real_t *sums) noexcept nogil:
    """Planes of one channel each, or pixels that have all channels, as a single one has."""
    if desc.g.channels_last or pixels == 1:
        store_rows(output, pixels, desc.g.filters, sums + place, desc.g.filters, place,
                   desc.g.filters, 0, False)
    else:
        store_rows(output, desc.g.filters, pixels, sums + place, pixels, place, pixels, 0, True)
