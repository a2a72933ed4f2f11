"""What a pooling computes (`Pooling`), how it goes about it (`Schedule`), and a call (`Job`)."""
from libc.stdint cimport int64_t

from fastconv._core.padding cimport AXES
from fastconv._desc.pool cimport pool_axis
from fastconv._kernels.dispatch cimport (
    fc_global_pool, fc_pool, fc_pool_2x2_3x3, fc_pool_windows, fc_pools, fc_search,
    fc_search_shifted, fc_shifted, fc_table, fc_type,
)
from fastconv._pooling.axis cimport AxisRange

cdef enum:
    INDEX_ALIGNMENT = 8  # bytes: indices follow elements at such a boundary

cdef enum operation:
    MAX, MIN, MEAN, NORM, MEAN_GRADIENT

# How a block of outputs is computed.
cdef enum block_method:
    SEPARABLE       # one axis after the other
    SEARCH          # the same, with positions
    PADDED_PLANES   # planes laid out with their padding
    SQUARE_WINDOWS  # by a kernel that reads planes in place
    GLOBAL_PLANES   # by a kernel that reduces planes to one element each

# What is computed. An array is (outer, axis 0, axis 1, axis 2, inner), C-contiguous; axes where
# nothing happens have joined their neighbours.
cdef struct Pooling:
    operation op
    fc_type type              # of the input
    Py_ssize_t out_size       # bytes of an element of the result
    bint has_positions        # of extremes, which are asked for too
    Py_ssize_t outer, inner
    pool_axis axis[AXES]
    pool_axis forward[AXES]   # MEAN_GRADIENT: the pooling's own axes, which `axis` leads back
    bint count_padding
    double divisor            # 0: what a window counts
    double power              # NORM

# y[o][i] = sums[o][i] / divisors[single ? 0 : o] for o < n, i < inner.
ctypedef void (*divide_kernel)(Py_ssize_t n, Py_ssize_t inner, const void *sums,
                               const double *divisors, int single, void *y) noexcept nogil

# The kernels that reduce along an axis. Bytes of an element in and out, and of an index.
cdef struct AxisKernels:
    fc_pool pool
    fc_search search
    fc_shifted shifted
    fc_search_shifted search_shifted
    bint sums
    Py_ssize_t size, out_size, index_size

cdef struct Schedule:
    block_method method
    bint doubles[AXES]           # axes that are reduced by doubling
    bint copies                  # a block's input is copied to scratch memory, and converted
    const fc_table *table
    const fc_pools *input        # kernels for the input's elements
    const fc_pools *accumulator  # and for those of intermediate results
    AxisKernels first, later     # the reduction that reads the input, and those after it
    divide_kernel divide         # intermediate results, to results
    divide_kernel divide_input   # MEAN_GRADIENT: gradients, to intermediate results
    fc_pool_2x2_3x3 square_pool   # SQUARE_WINDOWS
    fc_pool_windows window             # what that is told; and the divisor of GLOBAL_PLANES
    fc_global_pool global_pool    # GLOBAL_PLANES
    Py_ssize_t padded_rows, padded_columns  # PADDED_PLANES
    Py_ssize_t block[1 + AXES]   # outputs of a block: along `outer`, and along three axes
    Py_ssize_t blocks[1 + AXES]  # how many blocks there are
    Py_ssize_t total_blocks, blocks_per_task
    # Scratch memory of a thread, in bytes: the divisors of a row, and three areas of elements.
    Py_ssize_t divisors_at
    Py_ssize_t area_at[3]
    Py_ssize_t scratch_size

# The outputs of a block: some of `outer`, and a range of each axis.
cdef struct BlockRef:
    Py_ssize_t first_outer, outers
    AxisRange ranges[AXES]

cdef struct Job:
    const Pooling *pooling
    const Schedule *schedule
    const char *x
    char *y
    int64_t *positions  # or NULL
    char *scratch

# Elements in scratch memory, or in an array; a search has their indices beside them.
cdef struct Buffer:
    char *values
    char *indices


cdef inline Py_ssize_t input_at(const Pooling *p, Py_ssize_t outer, Py_ssize_t i0, Py_ssize_t i1,
                                Py_ssize_t i2) noexcept nogil:
    """Where an element of the input lies, in elements."""
    return (((outer * p.axis[0].length + i0) * p.axis[1].length + i1) * p.axis[2].length
            + i2) * p.inner


cdef inline Py_ssize_t output_at(const Pooling *p, Py_ssize_t outer, Py_ssize_t o0, Py_ssize_t o1,
                                 Py_ssize_t o2) noexcept nogil:
    """Where an element of the result lies, in elements."""
    return (((outer * p.axis[0].outputs + o0) * p.axis[1].outputs + o1) * p.axis[2].outputs
            + o2) * p.inner


cdef Schedule plan(const Pooling *p, const fc_table *table, double work) noexcept
