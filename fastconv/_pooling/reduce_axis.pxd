from fastconv._desc.pool cimport pool_axis
from fastconv._pooling.axis cimport AxisRange
from fastconv._pooling.schedule cimport AxisKernels, Buffer

# One axis of a block. What it reads begins with element axis_range.in_start.
cdef struct AxisPass:
    const AxisKernels *kernels
    const pool_axis *axis
    const AxisRange *axis_range
    bint doubles
    Py_ssize_t inner        # elements side by side, each with windows of its own
    Py_ssize_t pitch        # elements between neighbours on the axis,
    Py_ssize_t out_step     # and between neighbouring results
    Py_ssize_t rows         # that are reduced at once,
    Py_ssize_t row_step     # elements apart,
    Py_ssize_t out_row      # and their results
    Py_ssize_t length       # elements in all, which doubling overwrites
    Py_ssize_t where_first  # index of the first element, where it has none beside it,
    Py_ssize_t where_row    # and from each row to the next


cdef void reduce_axis(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil
