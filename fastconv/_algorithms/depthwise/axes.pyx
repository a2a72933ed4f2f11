"""One axis of a correlation: which outputs it has, what their taps read, and its input phases.

A kernel that moves by two sees the even source positions with its even taps and the odd ones with
its odd taps. Each such *input phase* is kept by itself, and within it all steps are one. Taps so
far apart that positions of their own are fewer (large dilations) have a phase each.
"""
from libc.stdlib cimport free, malloc

from fastconv._core.integers cimport ceil_div, gcd, modulo
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._desc.conv cimport ConvDesc, conv_geometry

# Positions that count where input phases are compared: of long axes, so many of one block.
cdef Py_ssize_t[3] COMPARED_OUTPUTS = [4, 16, 4096]


cdef int make_axis(ConvDesc desc, bint backward, bint in_place, int a, Py_ssize_t first_tap,
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


cdef void free_axis(Axis *axis) noexcept:
    free(axis.kernel)


cdef void set_outputs(const conv_geometry *g, bint backward, int a, Py_ssize_t first_tap,
                      Axis *axis) noexcept:
    """What is read, and which outputs there are: backward, those that the first tap reaches."""
    axis.length = g.output[a] if backward else g.input[a]
    axis.mode = PAD_ZEROS if backward else g.padding_mode
    axis.step = 1 if backward else g.stride[a]
    axis.out_step = 1
    axis.count = g.output[a]
    if backward:
        axis.out_step = g.stride[a]
        axis.first = modulo(first_tap * g.dilation[a] - g.before[a], g.stride[a])
        axis.count = 0
        if g.input[a] > axis.first:
            axis.count = (g.input[a] - axis.first - 1) // g.stride[a] + 1


cdef void list_taps(const conv_geometry *g, bint backward, int a, Py_ssize_t first_tap,
                    Py_ssize_t period, Axis *axis, Py_ssize_t *reads) noexcept:
    """The taps in ascending order of what they read: backward, the last reads the first."""
    cdef Py_ssize_t i
    for i in range(axis.taps):
        if backward:
            axis.kernel[i] = first_tap + (axis.taps - 1 - i) * period
            # input position i met tap t in output o: o * stride = i + before - t * dilation
            reads[i] = (axis.first + g.before[a] - axis.kernel[i] * g.dilation[a]) // g.stride[a]
        else:
            axis.kernel[i] = i
            reads[i] = i * g.dilation[a] - g.before[a]


cdef void choose_input_phases(int a, bint in_place, Axis *axis, const Py_ssize_t *reads) noexcept:
    """Taps whose positions are whole steps apart share a phase, unless one each is shorter."""
    cdef Py_ssize_t taps = axis.taps, period = axis.step, outputs
    axis.spacing = 1
    if taps > 1:
        period = axis.step // gcd(axis.step, reads[1] - reads[0])
        axis.spacing = (reads[1] - reads[0]) * period // axis.step
    axis.input_phases = min(period, taps)
    axis.extra = (taps - 1) // axis.input_phases * axis.spacing
    outputs = min(axis.count, COMPARED_OUTPUTS[a])
    if (taps * outputs < axis.input_phases * (outputs + axis.extra)
            or (a == 2 and in_place)):
        axis.input_phases = taps
        axis.extra = 0
        axis.spacing = 1


cdef void sort_taps(Axis *axis, Py_ssize_t *reads) noexcept:
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
