cimport numpy as cnp

from fastconv._kernels.dispatch cimport fc_kernels

from fastconv._core.types cimport real_t

# One spatial axis of a correlation: output q reads source position q * step + tap[i].
cdef struct Axis:
    Py_ssize_t length        # of the source
    Py_ssize_t mode          # how the source goes on outside
    Py_ssize_t step
    Py_ssize_t taps
    Py_ssize_t count         # outputs
    Py_ssize_t *tap
    # The window: the part of the source that `block` consecutive outputs read.
    Py_ssize_t block
    Py_ssize_t window        # its length
    Py_ssize_t wstep         # window positions from one output to the next
    Py_ssize_t stretch       # positions of each stretch, or 0: there is one for all
    bint per_tap             # each tap has a stretch of its own, else each residue of the step
    Py_ssize_t low           # smallest tap
    Py_ssize_t *at           # window position of each tap, for the block's first output

# Runs of equally spaced source positions that make up a line of the window.
cdef struct Run:
    Py_ssize_t start, length, source, step  # source < 0: zeros

# A window in memory, (channels, window0, window1, window2) or channels last, for one image.
cdef struct Window:
    Axis *axis               # three of them
    Py_ssize_t channels
    bint channels_last
    Py_ssize_t channel       # strides, in elements
    Py_ssize_t position[3]
    Py_ssize_t size          # elements of one image's window
    Py_ssize_t slack         # readable elements past it

cdef void block_axis(Axis *axis, Py_ssize_t block, bint unit_step) noexcept nogil
cdef void lay_out(Window *window, Py_ssize_t overrun, Py_ssize_t vector,
                  bint whole=*) noexcept nogil
cdef Py_ssize_t index_words(const Window *window) noexcept nogil
cdef void aim(const Window *window, const Py_ssize_t *first, const Py_ssize_t *count,
              Py_ssize_t *words) noexcept nogil
cdef void fill(const Window *window, const Py_ssize_t *words, const real_t *x,
               const Py_ssize_t *strides, const fc_kernels *k, real_t *out) noexcept nogil
cdef void fill_part(const Window *window, const Py_ssize_t *words, const real_t *x,
                    const Py_ssize_t *strides, const fc_kernels *k, real_t *out,
                    bint zeros) noexcept nogil
cdef void source_strides(cnp.ndarray array, bint collapsed, bint last, int rank,
                         Py_ssize_t itemsize, Py_ssize_t *out) noexcept
