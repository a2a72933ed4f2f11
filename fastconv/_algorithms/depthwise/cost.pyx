"""The estimated time of one image on one thread, term by term: docs/algorithms/choice.rst."""
from fastconv._algorithms.depthwise.axes cimport Axis
from fastconv._algorithms.depthwise.layout cimport (
    PLANES, PLANES_BACKWARD, Layout, OutputPhase, is_flat, lanes_map, maps_channels,
)
from fastconv._algorithms.depthwise.make_layout cimport get_layout
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.machine cimport peak
from fastconv._core.padding cimport AXES
from fastconv._desc.conv cimport ConvDesc, conv_geometry

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, Cost

# Fitted by hand to layers measured on one thread of a Sapphire Rapids Xeon at 2.3 GHz.
# Parts of the peak that are reached:
cdef double FEW_FILTERS_RATE = 0.60        # by sums of a group of no more than MAX_FEW_FILTERS
cdef double MANY_FILTERS_RATE = 0.32
cdef double BACKWARD_DATA_RATE = 0.85      # of those, by the gradient of the data
cdef double STRIDED_RATE = 0.4             # of those, where vectors are taken apart
cdef double GRADIENT_RATE = 0.27           # by gradients of weights
cdef double PLANES_GRADIENT_RATE = 0.50    # by those of whole planes
# Factors of all but rearrangement:
cdef double PLANES_TIME = 0.5              # of sums by whole planes
cdef double STRIDED_GRADIENT_TIME = 2.0    # of strided gradients of weights
# Seconds:
cdef double CALL_SECONDS = 3e-6
cdef double CHANNEL_SECONDS = 0.08e-6
cdef double COLUMN_SECONDS = 10e-9         # a column of taps, for each tile of outputs
cdef double PACKED_WEIGHT_SECONDS = 3.5e-9
cdef double FOUND_TAP_SECONDS = 9e-9       # a tap of the kernel, whatever the channels
cdef double TAP_SECONDS = 0.04e-6          # a tap of a filter, in gradients of weights
cdef double PLANE_SECONDS = 0.04e-6        # a whole plane of such
cdef double STORED_BYTE_SECONDS = 0.08e-9
cdef double REARRANGED_SECONDS = 1e-9      # a product of lanes that are gathered one by one
cdef double STRIDED_ELEMENT_SECONDS = 0.15e-9
cdef double STRIDED_ROW_SECONDS = 10e-9

cdef Py_ssize_t MAX_FEW_FILTERS = 8

cdef enum:  # of a tile of `dwconv_rows` and `dwconv_window`
    TILE_ROWS = 4
    TILE_VECTORS = 2

# What the terms are made of.
cdef struct Shape:
    double channels, filters, taps   # of a group, of a filter's channel
    double inputs, outputs           # elements
    double products


cdef Shape shape_of(const conv_geometry *g, bint backward) noexcept:
    """Backward, every element of the input meets the taps of its phase, whether in an output."""
    cdef Shape shape
    cdef int a
    shape.channels, shape.filters = <double>g.channels / g.groups, <double>g.filters / g.groups
    shape.taps = (<double>g.kernel[0]) * g.kernel[1] * g.kernel[2]
    shape.inputs = (<double>g.input[0]) * g.input[1] * g.input[2] * g.channels
    shape.outputs = (<double>g.output[0]) * g.output[1] * g.output[2] * g.filters
    shape.products = shape.outputs * shape.taps * shape.channels
    if backward:
        shape.products = shape.inputs * shape.filters
        for a in range(AXES):
            shape.products *= ceil_div(g.kernel[a], g.stride[a])
    return shape


def cost(ConvDesc desc, which):
    """The terms of one pass."""
    cdef const Layout *layout = &get_layout(desc, which == BACKWARD_DATA).layout
    cdef Shape shape = shape_of(&desc.g, which == BACKWARD_DATA)
    cdef double factor = 1.0, arithmetic, gather = 0.0, traffic = 0.0, start
    if which == BACKWARD_WEIGHT:
        if desc.g.stride[2] > 1:
            factor = STRIDED_GRADIENT_TIME
        arithmetic = gradient_arithmetic(layout, &shape)
        start = gradient_start(layout, &shape)
    else:
        if layout.method == PLANES or layout.method == PLANES_BACKWARD:
            factor = PLANES_TIME
        arithmetic = correlation_arithmetic(layout, &shape)
        gather = strided_gather(layout, &shape)
        traffic = STORED_BYTE_SECONDS * desc.g.itemsize * (
            shape.inputs if layout.backward else shape.outputs)
        start = CALL_SECONDS + CHANNEL_SECONDS * max(desc.g.channels, desc.g.filters)
        if not layout.channels_in_lanes and factor == 1:
            arithmetic *= filled_rows(layout)
            start += COLUMN_SECONDS * columns_met(layout)
        if not desc.planned:
            gather += shape.taps * (FOUND_TAP_SECONDS + PACKED_WEIGHT_SECONDS * desc.g.filters
                                    * shape.channels)
    return Cost(arithmetic=factor * arithmetic,
                gather=factor * gather + rearrangement(layout, &shape),
                traffic=factor * traffic, start=factor * start)


cdef double correlation_arithmetic(const Layout *layout, const Shape *shape) except -1:
    cdef double rate = FEW_FILTERS_RATE if shape.filters <= MAX_FEW_FILTERS else MANY_FILTERS_RATE
    if layout.backward:
        rate *= BACKWARD_DATA_RATE
    elif layout.g.stride[2] > 1:
        rate *= STRIDED_RATE
    return 2 * shape.products / (rate * peak(layout.g.itemsize))


cdef double filled_rows(const Layout *layout) noexcept:
    """How much more is computed because rows end within a vector."""
    cdef Py_ssize_t row = max(layout.phase[0].axis[2].count, 1)
    return (<double>round_up(row, layout.kernels.lanes)) / row


cdef double columns_met(const Layout *layout) noexcept:
    """Columns of taps, counted anew for every tile of TILE_ROWS rows by TILE_VECTORS."""
    cdef double met = 0, tiles
    cdef const OutputPhase *phase
    cdef Py_ssize_t p
    for p in range(layout.phases):
        phase = &layout.phase[p]
        tiles = (<double>ceil_div(phase.axis[1].count, TILE_ROWS)
                 * ceil_div(phase.axis[2].count, TILE_VECTORS * layout.kernels.lanes))
        if phase.axis[1].count < TILE_ROWS:
            tiles *= phase.axis[1].count
        met += tiles * phase.axis[0].count * layout.channels * phase.columns
    return met


cdef double strided_gather(const Layout *layout, const Shape *shape) noexcept:
    """Elements that are copied to, or from, where they are neighbours."""
    cdef const conv_geometry *g = layout.g
    cdef double rows
    # forward, two vectors of a row are taken apart in registers
    cdef Py_ssize_t most = 1 if layout.backward or g.channels_last else 2
    if g.stride[2] <= most or layout.method == PLANES_BACKWARD:
        return 0.0
    if layout.interleaves:  # planes are turned whole
        return STRIDED_ELEMENT_SECONDS * shape.inputs
    rows = moved_rows(layout)
    return rows * (STRIDED_ELEMENT_SECONDS * g.input[2] + STRIDED_ROW_SECONDS)


cdef double moved_rows(const Layout *layout) noexcept:
    """Rows that are taken apart, or backward put together: forward, strides may leave out some."""
    cdef const Axis *axis
    cdef double rows = layout.g.channels
    cdef Py_ssize_t length
    cdef int a
    for a in range(AXES - 1):
        axis = &layout.phase[0].axis[a]
        length = layout.g.input[a]
        if not layout.backward:
            length = min(length, axis.input_phases * (max(axis.count, <Py_ssize_t>1) + axis.extra))
        rows *= length
    return rows


cdef bint by_planes(const Layout *layout) noexcept:
    """Whether the gradient of the weights reads whole planes."""
    return layout.method == PLANES and maps_channels(layout) and is_flat(layout.g)


cdef double gradient_arithmetic(const Layout *layout, const Shape *shape) except -1:
    cdef double rate = PLANES_GRADIENT_RATE if by_planes(layout) else GRADIENT_RATE
    return 2 * shape.products / (rate * peak(layout.g.itemsize))


cdef double gradient_start(const Layout *layout, const Shape *shape) noexcept:
    if by_planes(layout):
        return CALL_SECONDS + PLANE_SECONDS * layout.g.filters
    return CALL_SECONDS + TAP_SECONDS * layout.g.filters * shape.channels * shape.taps


cdef double rearrangement(const Layout *layout, const Shape *shape) noexcept:
    """Where channels are in the lanes, but not each by itself."""
    if layout.channels_in_lanes and not lanes_map(layout):
        return REARRANGED_SECONDS * shape.products
    return 0.0
