"""What one image takes on one thread, term by term: docs/algorithms/choice.rst."""
from fastconv._algorithms.matrix_unit.types cimport (
    WIDTH, Layout, all_steps, block_tiles, packed_bytes,
)
from fastconv._core.integers cimport ceil_div
from fastconv._core.machine cimport BANDWIDTH, CLOCK, CostTerms
from fastconv._core.scratch cimport CACHE
from fastconv._core.window_types cimport WindowAxis
from fastconv._kernels.dispatch cimport FC_MATRIX

cdef double CALL_SECONDS = 2.5e-6       # of a call
cdef double TASK_SECONDS = 0.3e-6       # of a block of outputs
cdef double GATHER_SECONDS = 0.25e-9    # of a number of the window, gathered and split,
cdef double SPLIT_SECONDS = 0.17e-9     # or of planes
cdef double STORE_SECONDS = 0.08e-9     # of a place of a sum, loaded and stored,
cdef double PLANE_SECONDS = 0.18e-9     # and transposed, but for planes, if channels come first
cdef double PACK_SECONDS = 0.6e-9       # of a weight


cdef double products_of(const Layout *layout) noexcept:
    """That a cycle multiplies and adds up; a step of elements of bytes has four times as many."""
    return layout.matrix.products if layout.itemsize == 2 else layout.matrix.products / 2


cdef double store_seconds(const Layout *layout) noexcept:
    """Of a place, from its first product to the result."""
    return (1 + layout.chunks) * STORE_SECONDS + (
        0 if layout.g.channels_last or layout.planes else PLANE_SECONDS)


cdef double gather_seconds(const Layout *layout) noexcept:
    """Of a number of a window."""
    return SPLIT_SECONDS if layout.planes and layout.itemsize == 2 else GATHER_SECONDS


cdef double task_seconds(const Layout *layout, Py_ssize_t rows, Py_ssize_t channel_parts) noexcept:
    """A task of so many rows of a block's outputs, and such a part of their channels."""
    cdef const WindowAxis *axis = &layout.axis[1]
    cdef Py_ssize_t places, window, blocks = ceil_div(layout.channel_blocks, channel_parts)
    cdef double products, stored, gathered, weights = 0
    places = block_tiles(layout, rows) * FC_MATRIX
    window = axis.window  # of segments all are gathered, with zeros
    if not axis.segment:
        window -= (axis.block - rows) * axis.window_step
    gathered = (<double>layout.window.size) * layout.chunks * window / max(axis.window, 1)
    products = ((<double>places) * blocks * WIDTH * all_steps(layout) * layout.step_channels
                * layout.products / (products_of(layout) * CLOCK))
    stored = (<double>places) * blocks * WIDTH * store_seconds(layout)
    if packed_bytes(layout) > CACHE // 2:
        weights = packed_bytes(layout) / (<double>layout.groups * BANDWIDTH * channel_parts)
    return TASK_SECONDS + gathered * gather_seconds(layout) + products + stored + weights


cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept:
    cdef CostTerms terms
    cdef double blocks = (<double>layout.groups * layout.blocks[0] * layout.blocks[1]
                          * layout.blocks[2])
    cdef double places = blocks * layout.tiles * FC_MATRIX
    cdef double channels = layout.channel_blocks * WIDTH
    cdef double weights = <double>layout.groups * layout.out_channels * layout.in_channels * (
        layout.spatial_taps)
    if 0 < layout.out_channels % WIDTH <= FC_MATRIX:
        channels -= FC_MATRIX
    terms.arithmetic = (places * channels * all_steps(layout) * layout.step_channels
                        * layout.products / (products_of(layout) * CLOCK))
    terms.gather = blocks * layout.window.size * layout.chunks * gather_seconds(layout)
    terms.transform = 0 if planned else weights * PACK_SECONDS
    terms.traffic = places * channels * store_seconds(layout)
    if packed_bytes(layout) > CACHE // 2:
        terms.traffic += blocks * packed_bytes(layout) / layout.groups / BANDWIDTH
    terms.start = CALL_SECONDS + blocks * TASK_SECONDS
    return terms
