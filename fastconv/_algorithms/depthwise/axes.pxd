"""One axis of a correlation: which outputs it has, what their taps read, and its input phases.

A kernel that moves by two sees the even source positions with its even taps and the odd ones with
its odd taps. Each such *input phase* is kept by itself, and within it all steps are one. Taps so
far apart that positions of their own are fewer (large dilations) have a phase each.
"""
from libc.stdlib cimport free, malloc

from fastconv._core.integers cimport ceil_div, gcd, modulo
from fastconv._core.padding cimport PAD_ZEROS, source_index
from fastconv._desc.conv cimport ConvDesc, conv_geometry

# One spatial axis of the correlation that computes an output phase. Output o meets tap t at the
# source position base[input_phase[t]] + (o + move[t]) * step.
cdef struct Axis:
    Py_ssize_t length        # of what is read
    Py_ssize_t mode          # how it goes on outside
    double value             # there, if that is a constant but zero
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
    """The source position of a position of an input phase, -1 for a constant."""
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


cdef inline int make_axis(ConvDesc desc, bint backward, bint in_place, int a, Py_ssize_t first_tap,
                          Py_ssize_t period, Axis *axis) except -1:
    """Axis a with every `period`-th tap from first_tap on; in_place: its rows are not copied."""
    cdef const conv_geometry *g = &desc.g
    cdef Py_ssize_t taps = (g.kernel[a] - 1 - first_tap) // period + 1
    set_outputs(g, backward, a, first_tap, axis)
    axis.taps = taps
    axis.kernel = <Py_ssize_t *>malloc(5 * taps * sizeof(Py_ssize_t))
    if axis.kernel == NULL:
        raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
    axis.input_phase = axis.kernel + taps
    axis.move = axis.input_phase + taps
    axis.base = axis.move + taps
    cdef Py_ssize_t *reads = axis.base + taps   # source positions for output 0
    list_taps(g, backward, a, first_tap, period, axis, reads)
    choose_input_phases(a, in_place, axis, reads)
    sort_taps(axis, reads)
    return 0


cdef inline void free_axis(Axis *axis) noexcept:
    free(axis.kernel)


cdef inline void set_outputs(const conv_geometry *g, bint backward, int a, Py_ssize_t first_tap,
                             Axis *axis) noexcept:
    """What is read, and which outputs there are: backward, those that the first tap reaches."""
    axis.length = g.output[a] if backward else g.input[a]
    axis.mode = PAD_ZEROS if backward else g.padding_mode
    axis.value = g.padding_value
    axis.step = 1 if backward else g.asked_stride[a]
    axis.out_step = 1
    axis.count = g.output[a]
    if backward:
        axis.out_step = g.asked_stride[a]
        axis.first = modulo(first_tap * g.dilation[a] - g.before[a], g.asked_stride[a])
        axis.count = 0
        if g.input[a] > axis.first:
            axis.count = (g.input[a] - axis.first - 1) // g.asked_stride[a] + 1


cdef inline void list_taps(const conv_geometry *g, bint backward, int a, Py_ssize_t first_tap,
                           Py_ssize_t period, Axis *axis, Py_ssize_t *reads) noexcept:
    """The taps in ascending order of what they read: backward, the last reads the first."""
    cdef Py_ssize_t i
    for i in range(axis.taps):
        if backward:
            axis.kernel[i] = first_tap + (axis.taps - 1 - i) * period
            # input position i met tap t in output o: o * stride = i + before - t * dilation
            reads[i] = (axis.first + g.before[a] - axis.kernel[i] * g.dilation[a]
                        ) // g.asked_stride[a]
        else:
            axis.kernel[i] = i
            reads[i] = i * g.dilation[a] - g.before[a]


cdef inline void choose_input_phases(int a, bint in_place, Axis *axis,
                                     const Py_ssize_t *reads) noexcept:
    """Taps whose positions are whole steps apart share a phase, unless one each is shorter."""
    cdef Py_ssize_t taps = axis.taps, period = axis.step, outputs = compared_outputs(a)
    axis.spacing = 1
    if taps > 1:
        period = axis.step // gcd(axis.step, reads[1] - reads[0])
        axis.spacing = (reads[1] - reads[0]) * period // axis.step
    axis.input_phases = min(period, taps)
    axis.extra = (taps - 1) // axis.input_phases * axis.spacing
    if (taps * outputs < axis.input_phases * (outputs + axis.extra)
            or (a == 2 and in_place)):
        axis.input_phases = taps
        axis.extra = 0
        axis.spacing = 1


cdef inline void sort_taps(Axis *axis, Py_ssize_t *reads) noexcept:
    """Order the taps by input phases, of which the first ones read where their phase begins."""
    cdef Py_ssize_t phase, i, n = 0
    for phase in range(axis.input_phases):
        axis.base[phase] = reads[phase]
        for i in range(ceil_div(axis.taps - phase, axis.input_phases)):
            axis.input_phase[n] = phase
            axis.move[n] = i * axis.spacing
            n += 1
    # what was read is known now, so that its room serves for the new order
    n = 0
    for phase in range(axis.input_phases):
        for i in range(ceil_div(axis.taps - phase, axis.input_phases)):
            reads[n] = axis.kernel[phase + i * axis.input_phases]
            n += 1
    for i in range(axis.taps):
        axis.kernel[i] = reads[i]


cdef inline Py_ssize_t compared_outputs(int a) noexcept:
    """Outputs of axis a that count where its input phases are compared: so many of one block.

    However many there are: the order of a sum must not depend on that.
    """
    return 4 if a == 0 else 16 if a == 1 else 4096
