"""How the gradient of the weights is blocked."""
from libc.stdlib cimport free, malloc

from fastconv._algorithms.record import BACKWARD_WEIGHT
from fastconv._algorithms.winograd.cost cimport gradient_cost
from fastconv._algorithms.winograd.layout cimport PassLayout, kernel_length
from fastconv._algorithms.winograd.types cimport (
    MAX_BLOCK_BYTES, GradientLayout, Layout, block_count, tiles_of,
)
from fastconv._core.integers cimport ceil_div, even_size, round_up
from fastconv._core.machine cimport CostTerms, total
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._core.window cimport block_axis, set_strides
from fastconv._core.window_types cimport WindowAxis
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL


cdef class PassGradientLayout:
    """The layout for one size of tile, m of grad_output."""

    def __cinit__(self, ConvDesc desc, Py_ssize_t m):
        cdef GradientLayout *gradient = &self.layout
        cdef const Layout *layout
        cdef Py_ssize_t *place
        cdef int a
        self.forward = PassLayout(desc, False, m, False)
        layout = gradient.layout = &self.forward.layout
        choose_block(self.forward)
        self.table = <Py_ssize_t *>malloc(
            2 * (layout.span[0] + layout.span[1] + layout.span[2]) * sizeof(Py_ssize_t))
        if self.table == NULL:
            raise MemoryError(f"{desc.function}: cannot allocate the table of taps")
        place = self.table
        for a in range(AXES):
            set_grad_axis(gradient, a, place)
            place += 2 * layout.span[a]
        gradient.grad_window.axis = gradient.grad_axis
        gradient.grad_window.channels = 2 * layout.kernels.lanes
        gradient.grad_window.channels_last = True
        set_strides(&gradient.grad_window, 0, layout.kernels.lanes)
        gradient.padded_taps = round_up(layout.taps, layout.kernels.half)
        gradient.chunks = ceil_div(layout.in_channels, layout.chunk)
        gradient.blocks = block_count(layout)
        gradient.tiles = tiles_of(layout, layout.block.rows * layout.block.columns)

    def __dealloc__(self):
        free(self.table)


cdef int choose_block(PassLayout forward) except -1:
    """As many spans as leave V and the transformed gradient within MAX_BLOCK_BYTES."""
    cdef Layout *layout = &forward.layout
    cdef Py_ssize_t tile = layout.g.itemsize * layout.frequencies * (
        layout.v_tile + layout.padded_channels)
    cdef Py_ssize_t most = max(1, MAX_BLOCK_BYTES // (tile * tiles_of(layout, 1)))
    cdef Py_ssize_t columns = even_size(max(layout.axis[2].count, 1), most)
    cdef Py_ssize_t rows = even_size(max(layout.axis[1].count, 1), max(1, most // columns))
    cdef Py_ssize_t lanes = layout.kernels.lanes
    forward.set_block(rows, columns)
    forward.set_chunk(layout.in_channels if layout.in_channels % lanes else lanes)
    return 0


cdef void set_grad_axis(GradientLayout *gradient, int a, Py_ssize_t *place) noexcept:
    """An axis of grad_output, cut like that of the input; its table of taps is at `place`."""
    cdef const Layout *layout = gradient.layout
    cdef WindowAxis *axis = &gradient.grad_axis[a]
    cdef Py_ssize_t i
    axis.length = layout.out_size[a]
    axis.mode = PAD_ZEROS
    axis.step = axis.taps = layout.span[a]
    axis.count = layout.axis[a].count
    axis.tap = place
    axis.at = place + axis.taps
    for i in range(axis.taps):
        axis.tap[i] = i
    block_axis(axis, layout.axis[a].block, False)


cdef PassGradientLayout gradient_layout(ConvDesc desc):
    """The layout with the size of tile that takes least time; kept with the description."""
    cdef PassGradientLayout best = None, candidate
    cdef CostTerms cost
    cdef double time, least = 0
    key = "winograd", BACKWARD_WEIGHT
    best = desc.kept.get(key)
    if best is None:
        r = kernel_length(&desc.g)
        for m in range(max(2, 5 - r), FC_WINOGRAD_KERNEL + 1):
            if m + r > 8 and best is not None:  # n = 8 has the largest errors
                break
            candidate = PassGradientLayout(desc, m)
            cost = gradient_cost(&candidate.layout)
            time = total(&cost)
            if best is None or time < least:
                best, least = candidate, time
        desc.kept[key] = best
    return best
