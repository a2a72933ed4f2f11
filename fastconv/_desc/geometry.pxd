cimport cython


@cython.final
cdef class Geometry:
    cdef readonly str function
    cdef readonly object rank
    cdef readonly object kernel_size
    cdef readonly object stride
    cdef readonly object padding
    cdef readonly object dilation
    cdef readonly object groups
    cdef readonly object output_padding
    cdef readonly object output_size
    cdef readonly object ceil_mode
    cdef readonly object padding_mode
    cdef readonly object padding_value
    cdef readonly object data_format
    cdef readonly object flip
    cdef readonly str x        # what the caller calls the input, or its shape; and the weight
    cdef readonly str weight

    cdef Geometry padded_with(self, padding, mode, value)
