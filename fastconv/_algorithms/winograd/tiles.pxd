"""Tiles of the input: gathered with channels in the lanes, and transformed to V."""
from libc.string cimport memset

from fastconv._algorithms.winograd.types cimport Layout, part_start
from fastconv._core.integers cimport ceil_div
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t
from fastconv._core.window cimport gather_window
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex


# How the tiles of one window are transformed.
cdef struct InputTransform:
    Py_ssize_t together          # phases of the last axis that pass like channels,
    Py_ssize_t passes            # and how often phases do
    Py_ssize_t vectors
    Py_ssize_t row_step, col_step  # from value to value of a tile
    Py_ssize_t v_step            # from frequency to frequency


cdef inline void transform_window(const Layout *layout, const WindowIndex *index,
                                  const Py_ssize_t *count, const Strided5 *input, Py_ssize_t image,
                                  Py_ssize_t group, Py_ssize_t first_channel, real_t *window,
                                  real_t *v, Py_ssize_t v_step) noexcept nogil:
    """Transform a chunk of channels of a block of `count` spans of one image.

    v, v_step: of the block's first tile; from frequency to frequency.
    """
    cdef Window part = layout.window
    part.channels = min(layout.chunk, layout.in_channels - first_channel)
    memset(window + part.size, 0, part.slack * sizeof(real_t))
    gather_window(&part, index, (<const real_t *>input.data) + image * input.stride[0]
                  + (group * layout.in_channels + first_channel) * input.stride[1],
                  &input.stride[1], layout.kernels, True, window)
    transform_tiles(layout, &part, window, count, v + first_channel, v_step)


cdef inline void transform_tiles(const Layout *layout, const Window *part, const real_t *window,
                                 const Py_ssize_t *count, real_t *v,
                                 Py_ssize_t v_step) noexcept nogil:
    """The tiles of a window, span by span, to their places in V."""
    cdef const WindowAxis *axis = &layout.axis[0]
    cdef InputTransform transform = input_transform(layout, part, v_step)
    cdef Py_ssize_t row, q1, column, q2
    cdef const real_t *line
    for row in range(count[1]):
        line = window + row * axis[1].window_step * part.position[1]
        for q1 in range(layout.output_phases[1]):
            for column in range(count[2]):
                for q2 in range(layout.output_phases[2]):
                    transform_tile(
                        layout, part, &transform,
                        line + column * axis[2].window_step * part.position[2], q1, q2, v)
                    v += layout.v_tile


cdef inline InputTransform input_transform(const Layout *layout, const Window *part,
                                           Py_ssize_t v_step) noexcept nogil:
    cdef InputTransform transform
    transform.together = layout.kernel_phases[2] if layout.phases_adjoin else 1
    transform.passes = layout.parts[2] // transform.together
    transform.vectors = ceil_div(part.channels * transform.together, layout.kernels.lanes)
    transform.row_step = layout.spacing[1] * part.position[1]
    transform.col_step = layout.spacing[2] * part.position[2]
    if not layout.transformed[2]:  # one line, along the middle axis
        transform.col_step = transform.row_step
    transform.v_step = v_step
    return transform


cdef inline void transform_tile(const Layout *layout, const Window *part,
                                const InputTransform *transform, const real_t *span, Py_ssize_t q1,
                                Py_ssize_t q2, real_t *v) noexcept nogil:
    """The tile of phases q1, q2 of a span, for every part of the kernel.

    Where channels do not fill vectors, they pass all at once, and the last vector of a part
    writes over the beginning of the next, which is written after it.
    """
    cdef const WindowAxis *axis = &layout.axis[0]
    cdef Py_ssize_t together = transform.together, p0, p1, p2, at0, at1, at2
    for p0 in range(layout.parts[0]):
        at0 = axis[0].at[p0] * part.position[0]
        for p1 in range(layout.parts[1]):
            at1 = axis[1].at[part_start(layout, 1, p1, layout.spacing[1]) + q1]
            for p2 in range(transform.passes):
                at2 = axis[2].at[part_start(layout, 2, p2 * together, layout.spacing[2]) + q2]
                layout.kernels.winograd_input[layout.n - 4][layout.square](
                    transform.vectors,
                    span + at0 + at1 * part.position[1] + at2 * part.position[2],
                    transform.row_step, transform.col_step, v, layout.n * transform.v_step,
                    transform.v_step, NULL)
                v += together * layout.in_channels


cdef inline bint is_trusted(const real_t *largest, Py_ssize_t lanes) noexcept nogil:
    """Whether all magnitudes of outputs are numbers, and far from overflow."""
    cdef Py_ssize_t i
    cdef real_t limit
    if real_t is float:
        limit = 1e35
    else:
        limit = 1e300
    for i in range(lanes):
        if not largest[i] < limit:
            return False
    return True
