"""Arrays as filters see them: elements on their way to doubles and back, and positions outside."""
cimport numpy as cnp

from fastconv._kernels.dispatch cimport fc_sums, fc_table, fc_type

cdef extern from "<float.h>":
    double DBL_EPSILON

cdef enum:
    MOST_AXES = 64  # NumPy's own limit
    SLACK = 1024    # bytes past a buffer: kernels touch less than two vectors
    PASS = 8        # operations that an element's way in and out is worth

ctypedef enum Edge:  # in the order of SciPy's codes
    NEAREST, WRAP, REFLECT, MIRROR, CONSTANT

# Strides count bytes. Elements that are not `plain` are swapped or lie at odd addresses.
cdef struct Array:
    char *data
    Py_ssize_t strides[MOST_AXES]
    int size
    fc_type type
    bint plain, swapped

# What elements are in the buffers: doubles, floats where all sums are integers that float holds, or
# `NATIVE`, what they are in the array.
ctypedef enum Work:
    DOUBLE, SINGLE, NATIVE

# How elements come and go; `width` is the bytes of one in the buffers.
cdef struct Elements:
    Work work
    int width
    const fc_sums *sums
    void (*load)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
    void (*store)(Py_ssize_t n, const void *src, void *dst) noexcept nogil
    void (*constant)(Py_ssize_t n, const void *src, void *dst) noexcept nogil

cdef bint is_served(cnp.ndarray a) noexcept
cdef bint is_complex(cnp.ndarray a) noexcept
cdef bint is_same_place(cnp.ndarray x, cnp.ndarray y) noexcept
cdef bint may_overlap(cnp.ndarray x, cnp.ndarray y) noexcept
cdef Array array_of(cnp.ndarray a) noexcept
cdef Elements elements_of(const fc_table *table, const Array *x, const Array *y,
                          Work work) noexcept nogil
cdef double magnitude_of(const double *weights, Py_ssize_t n) noexcept nogil
cdef bint is_exact(const fc_table *table, const Array *x, const Array *y, double magnitude,
                   double outside, bint constant) noexcept nogil
cdef void load_constant(const Elements *e, double value, Py_ssize_t n, char *dst) noexcept nogil

cdef Py_ssize_t position(Edge edge, Py_ssize_t at, Py_ssize_t n) noexcept nogil
cdef void load_run(const Elements *e, const Array *a, const char *src, Py_ssize_t stride,
                   Py_ssize_t n, char *dst) noexcept nogil
cdef void store_run(const Elements *e, const Array *a, const char *src, Py_ssize_t n, char *dst,
                    Py_ssize_t stride) noexcept nogil
