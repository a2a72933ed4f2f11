cimport numpy as cnp

from fastconv._core.padding cimport AXES

# Sums and products of sizes; true where they pass 2^63.
cdef extern from *:
    """
    static inline int mul_overflows(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r)
    { return __builtin_mul_overflow(a, b, r); }
    static inline int add_overflows(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r)
    { return __builtin_add_overflow(a, b, r); }
    /* floor(a * b / c) for 0 <= a, b and 0 < c, where that fits */
    static inline Py_ssize_t scaled(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c)
    {
        Py_ssize_t product;
        if (!__builtin_mul_overflow(a, b, &product)) return product / c;
        return a / c * b + (Py_ssize_t)((__int128)(a % c) * b / c);
    }
    """
    int mul_overflows(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r) nogil
    int add_overflows(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r) nogil
    Py_ssize_t scaled(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c) nogil

cpdef cnp.ndarray as_array(str function, str name, value, bint complex_too=*)
cpdef compute_dtype(str function, tuple arrays, bint parts=*)
cpdef cnp.ndarray operand(cnp.ndarray array, dtype)
cdef bint is_operand(cnp.ndarray array, dtype) noexcept
cdef cnp.ndarray converted(cnp.ndarray array, dtype)
cdef Py_ssize_t as_size(str function, str name, value, Py_ssize_t minimum) except? -7
cdef object entries(str function, str name, value, str wanted)
cdef int as_sizes(str function, str name, value, int rank, Py_ssize_t minimum,
                  Py_ssize_t *out) except -1
cdef int as_padding(str function, value, int rank, const Py_ssize_t *length,
                    const Py_ssize_t *kernel, const Py_ssize_t *stride,
                    const Py_ssize_t *dilation, Py_ssize_t *before, Py_ssize_t *after) except -1
cdef Py_ssize_t window_extent(str function, str name, Py_ssize_t kernel,
                              Py_ssize_t dilation) except -1
cdef Py_ssize_t padded_length(str function, Py_ssize_t length, Py_ssize_t before,
                              Py_ssize_t after) except -1
cdef Py_ssize_t check_count(str function, str what, tuple shape) except -1
cpdef tuple as_shape(str function, str name, value)
cpdef bint as_flag(str function, str name, value) except -1
cpdef object as_dtype(str function, str name, value)
cpdef object as_workspace(str function, max_workspace)
cdef bint as_channels_last(str function, data_format) except -1
cdef tuple axes_of(const Py_ssize_t *values, int rank)
cdef tuple image_shape(Py_ssize_t batch, bint batched, Py_ssize_t channels,
                       const Py_ssize_t *spatial, int rank, bint channels_last)


cdef inline bint is_image(cnp.ndarray array, Py_ssize_t batch, bint batched, Py_ssize_t channels,
                          const Py_ssize_t *spatial, int rank, bint channels_last) noexcept:
    """Whether an array has the shape that `image_shape` gives of these."""
    cdef int first = batched + (not channels_last), i
    if cnp.PyArray_NDIM(array) != rank + 1 + batched:
        return False
    if batched and cnp.PyArray_DIM(array, 0) != batch:
        return False
    if cnp.PyArray_DIM(array, batched + rank if channels_last else batched) != channels:
        return False
    for i in range(rank):
        if cnp.PyArray_DIM(array, first + i) != spatial[AXES - rank + i]:
            return False
    return True


cdef inline int check_unchanged(str function, str name, bint still) except -1:
    """Refuse an array that has not its shape any more: another argument's own code changed it."""
    if not still:
        raise ValueError(f"{function}: {name} changed its shape during the call")
    return 0
