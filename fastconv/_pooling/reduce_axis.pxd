from fastconv._desc.pool cimport pool_axis
from fastconv._kernels.dispatch cimport fc_windows
from fastconv._pooling.axis cimport AxisRange
from fastconv._pooling.schedule cimport AxisKernels, Buffer

# One axis of a block. What it reads begins with element axis_range.in_start.
cdef struct AxisPass:
    const AxisKernels *kernels
    const pool_axis *axis
    const AxisRange *axis_range
    bint doubles
    Py_ssize_t pitch   # elements between neighbours on the axis
    Py_ssize_t length  # elements in all, which doubling overwrites
    # What does not depend on the axis: rows, row_step, out_row, inner, out_step, where_row, and
    # where_first, of element axis_range.in_start.
    fc_windows w


cdef void reduce_axis(const AxisPass *p, Buffer from_, Buffer into) noexcept nogil
