from fastconv._core.padding cimport source_index
from fastconv._desc.conv cimport ConvDesc

# One spatial axis of the correlation that computes an output phase. Output o meets tap t at the
# source position base[input_phase[t]] + (o + move[t]) * step.
cdef struct Axis:
    Py_ssize_t length        # of what is read
    Py_ssize_t mode          # how it goes on outside
    Py_ssize_t step
    Py_ssize_t first, out_step  # in the result: the first output, and the step to the next
    Py_ssize_t count         # of outputs
    Py_ssize_t taps
    Py_ssize_t *kernel       # place of each tap in the kernel
    Py_ssize_t *input_phase
    Py_ssize_t *move
    Py_ssize_t *base         # of each input phase
    Py_ssize_t input_phases
    Py_ssize_t extra         # the largest move
    Py_ssize_t spacing       # between the taps of an input phase
    Py_ssize_t block         # outputs of a block
    Py_ssize_t blocks
    Py_ssize_t position, phase_size   # strides of the window: of a position, of an input phase


cdef inline Py_ssize_t window_place(const Axis *axis, Py_ssize_t tap) noexcept nogil:
    """Where a tap of an axis reads in the window, for the block's first output."""
    return axis.input_phase[tap] * axis.phase_size + axis.move[tap] * axis.position


cdef inline Py_ssize_t source_position(const Axis *axis, Py_ssize_t phase,
                                       Py_ssize_t position) noexcept nogil:
    """The source position of a position of an input phase, -1 for a zero."""
    return source_index(position * axis.step + axis.base[phase], axis.length, axis.mode)


cdef inline void inside(const Axis *axis, Py_ssize_t phase, Py_ssize_t first, Py_ssize_t used,
                        Py_ssize_t *low, Py_ssize_t *high) noexcept nogil:
    """Of `used` positions of an input phase from `first` on, low … high - 1 lie in the source."""
    cdef Py_ssize_t start = first * axis.step + axis.base[phase]
    low[0] = high[0] = 0
    if start < 0:
        low[0] = min((-start + axis.step - 1) // axis.step, used)
    if start < axis.length:
        high[0] = min((axis.length - start + axis.step - 1) // axis.step, used)
    high[0] = max(high[0], low[0])


cdef int make_axis(ConvDesc desc, bint backward, bint in_place, int a, Py_ssize_t first_tap,
                   Py_ssize_t period, Axis *axis) except -1
cdef void free_axis(Axis *axis) noexcept
