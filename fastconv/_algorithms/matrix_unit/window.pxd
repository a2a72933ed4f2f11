"""What the tasks of a call read; and how they bring the window of a block of outputs."""
from fastconv._algorithms.matrix_unit.types cimport Layout
from fastconv._core.output cimport Output
from fastconv._core.strided cimport Strided5
from fastconv._core.window_types cimport WindowIndex

# How the work of one call is cut. Sums do not depend on it.
cdef struct Schedule:
    Py_ssize_t row_parts          # of a block's rows of outputs,
    Py_ssize_t channel_parts      # and of its output channels: a task each
    Py_ssize_t tasks
    Py_ssize_t group              # tiles that one block of output channels is computed of at a time
    Py_ssize_t kept               # places of sums that a block of output channels keeps, or 0
    # Places in a thread's scratch memory; the window is at its beginning.
    Py_ssize_t split_at, low, sums_at, transposed_at, index_at, offsets_at
    Py_ssize_t scratch_size

# What the tasks of one call read.
cdef struct Job:
    const Layout *layout
    Schedule schedule
    Strided5 input
    Output output
    const char *packed
    char *scratch
    char *refused                 # a byte for every image

# The outputs of a task.
cdef struct BlockRef:
    Py_ssize_t image, group
    Py_ssize_t first[3]
    Py_ssize_t count[3]
    Py_ssize_t first_k, end_k     # blocks of output channels
    Py_ssize_t tiles


cdef bint bring_window(const Job *job, const BlockRef *block, const WindowIndex *index,
                       Py_ssize_t chunk, char *scratch) noexcept nogil
