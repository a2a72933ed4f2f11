"""Strides: where the elements of images and weights lie, for arrays of every rank and format."""
cimport numpy as cnp

# An array of (images, channels, three axes), or (filters, channels, three axes), wherever those lie
# in memory. Strides count elements. An axis that the rank lacks has the stride 0.
cdef struct Strided5:
    char *data
    Py_ssize_t stride[5]


cdef inline Strided5 strided_images(cnp.ndarray array, bint channels_last,
                                    bint collapsed=False) noexcept:
    """Images with a batch axis, of either data format.

    collapsed: the spatial axes step through memory like one, which is taken as the last.
    """
    cdef Strided5 images
    cdef const Py_ssize_t *stride = <const Py_ssize_t *>cnp.PyArray_STRIDES(array)
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(array)
    cdef int rank = cnp.PyArray_NDIM(array) - 2, first = 1 if channels_last else 2, i
    images.data = cnp.PyArray_BYTES(array)
    images.stride[0] = stride[0] // itemsize
    images.stride[1] = stride[rank + 1 if channels_last else 1] // itemsize
    images.stride[2] = images.stride[3] = images.stride[4] = 0
    for i in range(rank):
        if not collapsed:
            images.stride[5 - rank + i] = stride[first + i] // itemsize
        elif cnp.PyArray_DIM(array, first + i) > 1:  # the stride of the innermost axis
            images.stride[4] = stride[first + i] // itemsize
    return images


cdef inline Strided5 contiguous_images(cnp.ndarray array, bint channels_last) noexcept:
    """The same of a C-contiguous array, by its sizes: an axis of length one has any stride."""
    cdef Strided5 images
    cdef int rank = cnp.PyArray_NDIM(array) - 2, first = 1 if channels_last else 2, i
    cdef Py_ssize_t channels = cnp.PyArray_DIM(array, rank + 1 if channels_last else 1)
    cdef Py_ssize_t stride = channels if channels_last else 1
    images.data = cnp.PyArray_BYTES(array)
    for i in range(4, 1, -1):
        images.stride[i] = stride
        if i >= 5 - rank:
            stride *= cnp.PyArray_DIM(array, first + i - (5 - rank))
    images.stride[1] = 1 if channels_last else stride
    images.stride[0] = stride if channels_last else stride * channels
    return images


cdef inline Strided5 strided_weights(cnp.ndarray array) noexcept:
    """Weights (filters, channels of a group, *kernel), whatever the data format."""
    return strided_images(array, False)
