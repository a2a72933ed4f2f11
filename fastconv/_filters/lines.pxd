"""A filter along one axis, over a region of an array."""
from fastconv._filters.panel cimport MOST_AXES, Array, Edge
from fastconv._kernels.dispatch cimport fc_table

ctypedef enum Kind:
    EVEN, ODD, SUMS, MEAN, LARGEST, SMALLEST

# Window of `taps` positions, `before` of them before the output's own. Weights of a sum come in
# the order in which its products are added: of pairs from the outside in, and then the centre.
cdef struct Line:
    Kind kind
    Edge edge
    int axis
    Py_ssize_t taps, before
    const double *weights
    double magnitude  # of a sum of products with elements of 1; infinity if it is no integer
    double outside

cdef struct Region:
    Py_ssize_t start[MOST_AXES]
    Py_ssize_t count[MOST_AXES]

# What a thread works in.
cdef struct Buffers:
    char *x
    char *y
    char *staged
    char *sums
    const void **rows

cdef Py_ssize_t buffer_bytes(const Line *line, Py_ssize_t n, Py_ssize_t lines,
                             bint in_place) noexcept nogil
cdef void filter_region(const fc_table *table, const Line *line, int axes, Py_ssize_t n,
                        Py_ssize_t lines, const Array *x, const Array *y, const Region *region,
                        bint in_place, char *memory) noexcept nogil
