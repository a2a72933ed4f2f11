cimport numpy as cnp

# An array of (images, channels, three axes), or (filters, channels, three axes), wherever those lie
# in memory. Strides count elements. An axis that the rank lacks has the stride 0.
cdef struct Strided5:
    char *data
    Py_ssize_t stride[5]

cdef Strided5 strided_images(cnp.ndarray array, bint channels_last, bint collapsed=*) noexcept
cdef Strided5 strided_weights(cnp.ndarray array) noexcept
cdef Strided5 contiguous_images(cnp.ndarray array, bint channels_last) noexcept
