"""The cost model: what a pass is estimated to take, term by term.

Three choices rest on it: between algorithms (`correlation_cost`, and the gradients'), between the
kernels that serve a layout (`fastest_kernel`), and between ways to cut blocks for threads
(`part_seconds`). They share terms, but not all constants: kernels are compared in cycles of one
output, where the way out of a tile and few sums in flight tell more than in the sum over a layer
that is compared with other algorithms.

The constants were fitted by hand to layers measured on one thread of a Xeon of the Sapphire Rapids
kind at 2.3 GHz; docs/algorithms/choice.rst tells which.
"""
from libc.math cimport floor

from fastconv._algorithms.direct.long_sums cimport waits
from fastconv._algorithms.direct.types cimport (
    STRIP_TILES, GradientSchedule, Layout, Phase, block_runs, line_outputs, phase_blocks,
    phase_outputs, weights_at_once,
)
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.machine cimport CostTerms, peak
from fastconv._core.padding cimport AXES
from fastconv._core.places cimport MAX_PLACES
from fastconv._core.scratch cimport CACHE
from fastconv._core.window_types cimport WindowAxis
from fastconv._kernels.dispatch cimport FC_BACKWARD_FILTERS

from fastconv._kernels.dispatch import halves_vectors

# Parts of the peak that the kernels reach.
cdef double IGEMM_RATE = 0.80
cdef double PIXELS_RATE = 0.85
cdef double ONE_CHANNEL_RATE = 0.40      # of `igemm_pixels` for a single output channel
cdef double GRADIENT_TILES_RATE = 0.75   # of `igemm`, in the gradient of weights
cdef double GRADIENT_LAGS_RATE = 0.75    # of `conv_backward_weight`
# Seconds,
cdef double CALL = 3e-6
cdef double BLOCK = 0.4e-6               # of a block of outputs and group,
cdef double STRIDED_BLOCK = 1.2e-6       # of one of many groups, whose window is taken apart
cdef double LAGS_CALL = 60e-9            # of a call of `conv_backward_weight`
cdef double LAGS_ROW = 3e-9              # and of each of its rows
# and seconds an element: of gathering,
cdef double WINDOW_ELEMENT = 0.1e-9
cdef double STRIDED_ELEMENT = 0.4e-9     # of a window that a stride takes apart,
cdef double TURNED_ELEMENT = 0.35e-9     # or whose channels come first, and the source's last
cdef double WINDOW_POSITION = 0.5e-9     # a position along one of a block's axes
# of results,
cdef double RESULT = 0.1e-9
cdef double ONE_CHANNEL_RESULT = 0.3e-9  # of a single output channel, whose sums are short
cdef double TRANSPOSED_RESULT = 0.2e-9   # for one that has to be transposed, in addition
# and of weights and gradients.
cdef double PACKED_WEIGHT = 0.2e-9       # where all of them fit the cache,
cdef double PACKED_WEIGHT_BEYOND = 0.6e-9    # and where they do not,
cdef double PHASES_WEIGHT = 4            # times as much where phases or ranges take them apart
cdef double STREAMED_WEIGHT = 0.1e-9     # that a thread reads again
cdef double FAR_WEIGHT = 0.1e-9          # a byte of those that come from beyond the cache
cdef double TRANSPOSED_GRADIENT = 0.25e-9
cdef double GRADIENT_WEIGHT = 0.7e-9     # added up, and stored where its filter has it

cdef enum:
    JOINED_ROWS = 4  # of outputs, whose window fits half the cache where long ones are joined

# Of one output, where kernels are compared: cycles of a tile that has the wrong axis in its lanes
# for the output's layout. It is transposed, and goes to many places at once.
cdef double TRANSPOSED_CYCLES = 0.6
cdef double TRANSPOSED_CYCLES_BEYOND = 1.4   # if an image of results exceeds the cache
cdef double COPIED_CYCLES = 0.2          # an element of a window, of neighbouring channels;
cdef double SHORT_COPY_CYCLES = 1        # of a few pixels;
cdef double COPY_CALL_CYCLES = 40        # and what a call of either takes;
cdef double PLACE_CYCLES = 1.3           # one by a list of places,
cdef double LISTED_CYCLES = 10           # and one that is listed, once for all channels
cdef double RUN_CYCLES = 50              # a run of pixels and a block of channels;
cdef double GAP_CYCLES = 0.5             # for what lies between rows that are cut as one line
# And factors of its products:
cdef double PIXELS_INPUT = 1.05          # input from the second-level cache for every few channels
cdef double ONE_CHANNEL_LOADS = 1.2      # more loads than multiply-adds,
cdef double ONE_VECTOR_LOADS = 1.05      # also for one vector of channels
cdef double MIN_ACCUMULATORS = 8         # sums in flight, which a single vector of pixels has not


cdef double vector_cycles = 0    # of a multiply-add, once it is known


cdef inline double filled(Py_ssize_t n, Py_ssize_t unit) noexcept:
    """Lanes at work for each that counts: those that a layer leaves empty cost as much."""
    return (<double>round_up(n, unit)) / n


# ---- the kernel of a layout ----

cdef Kernel fastest_kernel(const Layout *layout) noexcept:
    """The kernel that takes the fewest cycles an output, and the axes that it wants joined."""
    cdef Kernel best = igemm(layout, 0), other
    cdef int joined
    for joined in range(AXES):
        if joined and not may_join(layout, joined):
            continue
        other = igemm(layout, joined)
        if joined and other.cycles < best.cycles and not is_long(layout, joined):
            best = other
        other = igemm_pixels(layout, joined)
        if other.cycles < best.cycles:
            best = other
    return best


cdef bint may_join(const Layout *layout, int joined) noexcept:
    """Whether outputs of so many axes follow each other in the result, and their rows are short, or
    are taken apart in any case and stay so few that no line is cut.
    """
    cdef const WindowAxis *axis = layout.phases[0].axis
    cdef Py_ssize_t line = line_of(axis, joined), window = line * axis[2].taps
    if joined == 2:
        window *= axis[1].taps
    if line >= 2 * layout.kernels.half and not (
            axis[2].step != 1 and JOINED_ROWS * window * layout.in_channels
            * layout.g.itemsize <= CACHE // 2):
        return False
    return (layout.n_phases == 1 and not layout.has_gaps and not layout.collapsed
            and layout.phases[0].out_step[0] * layout.phases[0].out_step[1]
            * layout.phases[0].out_step[2] == 1
            and axis[AXES - 1 - joined].count > 1 and line > 0)


cdef bint is_long(const Layout *layout, int joined) noexcept:
    """Whether rows fill the tiles of `igemm`, and need not be taken apart for it."""
    cdef const WindowAxis *axis = layout.phases[0].axis
    return (line_of(axis, joined) >= 2 * layout.kernels.half
            and axis[0].taps * axis[1].taps * axis[2].taps > 1)


cdef Py_ssize_t line_of(const WindowAxis *axis, int joined) noexcept:
    """Outputs of the axes inside those that are joined."""
    cdef Py_ssize_t line = 1
    cdef int a
    for a in range(AXES - joined, AXES):
        line *= axis[a].count
    return line


cdef Py_ssize_t joined_outputs(const Layout *layout, int joined) noexcept:
    """Outputs of a line, if so many axes are joined."""
    cdef Py_ssize_t outputs = 1
    cdef int a
    for a in range(AXES - 1 - joined, AXES):
        outputs *= max(layout.phases[0].axis[a].count, 1)
    return outputs


cdef Py_ssize_t positions(const WindowAxis *axis) noexcept:
    """Of a window of all outputs of an axis."""
    cdef Py_ssize_t reach = 0, t
    for t in range(axis.taps):
        reach = max(reach, abs(axis.tap[t] - axis.tap[0]))
    return min(axis.taps * axis.count, (axis.count - 1) * axis.step + reach + 1)


cdef double gather_cycles(const Layout *layout, int joined, bint by_pixels) noexcept:
    """Cycles of an output for the window: the elements, and the calls that copy some each."""
    cdef const WindowAxis *axis = layout.phases[0].axis
    cdef double planes, rows = positions(&axis[1])
    cdef double columns = positions(&axis[2]), segments = 1, lines, elements, calls, cycles, plane
    if joined:
        columns = <double>axis[2].taps * axis[2].count
        segments = axis[2].taps
    if joined == 2:
        rows = <double>axis[1].taps * axis[1].count
        segments *= axis[1].taps
    planes = lines = planes_gathered(layout, rows * columns)
    if joined == 2 and axis[1].count == 1:
        lines = 1  # planes are copied like rows
    plane = planes * rows * columns
    elements = plane * layout.in_channels
    if layout.g.channels_last and not by_pixels:
        cycles = elements * COPIED_CYCLES + planes * rows * segments * COPY_CALL_CYCLES
    else:
        # each block of outputs gathers anew
        calls = lines * segments * layout.in_channels
        if layout.g.channels_last:  # each row by itself, of all channels
            calls = planes * rows * (axis[2].taps if joined else 1)
        calls *= max(1.0, elements * layout.g.itemsize / (CACHE // 2))
        cycles = elements * SHORT_COPY_CYCLES + calls * COPY_CALL_CYCLES
        if rows * columns <= MAX_PLACES and layout.in_channels > 1:
            cycles = min(cycles, elements * PLACE_CYCLES + plane * LISTED_CYCLES)
    return cycles / max(phase_outputs(&layout.phases[0]) * layout.out_channels, 1.0)


cdef double planes_gathered(const Layout *layout, double plane) noexcept:
    """Of all blocks, which have as many planes of this size as fit half the cache."""
    cdef const WindowAxis *axis = &layout.phases[0].axis[0]
    cdef double more = min(axis.step, axis.taps), count = max(axis.count, <Py_ssize_t>1)
    cdef double fit = CACHE // 2 // layout.g.itemsize / max(plane * layout.in_channels, 1.0)
    cdef double outputs = min(count, max(1.0, 1 + floor((fit - axis.taps) / max(more, 1.0))))
    return count / outputs * (axis.taps + (outputs - 1) * more)


cdef double products_cycles(const Layout *layout) noexcept:
    """Cycles of an output's products on full lanes, at two multiply-adds a cycle, or one where
    vectors are taken in two halves."""
    global vector_cycles
    if vector_cycles == 0:
        vector_cycles = 1.0 if halves_vectors() else 0.5
    return vector_cycles * layout.phases[0].taps / layout.kernels.lanes


cdef double transposed_cycles(const Layout *layout) noexcept:
    cdef Py_ssize_t image = (max(layout.out_channels, 1) * max(layout.phases[0].axis[2].count, 1)
                             * layout.out_size[1] * layout.out_size[0])
    return TRANSPOSED_CYCLES_BEYOND if image > CACHE // layout.g.itemsize else TRANSPOSED_CYCLES


cdef Kernel igemm(const Layout *layout, int joined) noexcept:
    """Output channels in the lanes, two vectors of them."""
    cdef Kernel kernel
    cdef Py_ssize_t lanes = layout.kernels.lanes, channels = max(layout.out_channels, 1)
    kernel.by_pixels = False
    kernel.number = 0
    kernel.width = 2 * lanes
    kernel.joined = joined
    kernel.cycles = products_cycles(layout) * filled(channels, lanes) * filled(
        joined_outputs(layout, joined), layout.kernels.half)
    if channels <= lanes:
        kernel.cycles *= ONE_VECTOR_LOADS
    # halves of tiles take what is left of a row and the beginning of the next
    kernel.cycles += RUN_CYCLES / (2 * layout.kernels.half) * filled(
        joined_outputs(layout, joined), layout.kernels.half) * (
        ceil_div(channels, kernel.width)) / <double>channels
    if not layout.g.channels_last:
        kernel.cycles += transposed_cycles(layout)
    kernel.cycles += gather_cycles(layout, joined, False)
    return kernel


cdef int run_vectors(const Layout *layout, int kernel) noexcept:
    """Vectors of a run of pixels, at most."""
    if kernel == 0:
        return 8
    return 4 if kernel == 1 and layout.kernels.igemm_pixels[1][3] != NULL else 3


cdef Kernel igemm_pixels(const Layout *layout, int joined) noexcept:
    """Pixels in the lanes, and the width that leaves fewer channels empty."""
    cdef Kernel kernel
    cdef const WindowAxis *axis = layout.phases[0].axis
    cdef Py_ssize_t lanes = layout.kernels.lanes, channels = max(layout.out_channels, 1)
    cdef Py_ssize_t many = layout.kernels.igemm_pixels_channels
    cdef Py_ssize_t pixels = joined_outputs(layout, joined), line = round_up(pixels, lanes)
    cdef Py_ssize_t reach = 0, t
    cdef double gaps = 0
    kernel.by_pixels = True
    kernel.joined = joined
    kernel.number, kernel.width = 2, many
    if channels == 1:
        kernel.number, kernel.width = 0, 1
    elif channels <= 4 or round_up(channels, 4) < round_up(channels, many):
        kernel.number, kernel.width = 1, 4
    kernel.cycles = products_cycles(layout)
    if not waits(&layout.phases[0], kernel.number, ceil_div(channels, kernel.width)):
        kernel.cycles *= PIXELS_INPUT
    if channels == 1:
        kernel.cycles *= ONE_CHANNEL_LOADS
    kernel.cycles *= filled(channels, kernel.width)
    for t in range(axis[2].taps):
        reach = max(reach, abs(axis[2].tap[t] - axis[2].tap[0]))
    if (not joined and axis[1].count > 1 and axis[1].step == axis[2].step == 1
            and pixels + reach <= line
            and layout.phases[0].out_step[2] == 1):
        line = pixels + reach  # all rows are cut as one line, and leave one by one
        if not layout.g.channels_last:
            gaps = GAP_CYCLES * pixels / line
    elif line == lanes:
        kernel.cycles *= max(1.0, MIN_ACCUMULATORS / kernel.width)
    kernel.cycles = (kernel.cycles + gaps) * line / pixels
    kernel.cycles += RUN_CYCLES * ceil_div(line, run_vectors(layout, kernel.number) * lanes) * (
        ceil_div(channels, kernel.width)) / (<double>pixels * channels)
    if axis[2].step != 1:  # a window that is taken apart
        kernel.cycles += (<double>layout.in_channels) / channels
    if layout.g.channels_last:
        kernel.cycles += transposed_cycles(layout)
    kernel.cycles += gather_cycles(layout, joined, True)
    return kernel


# ---- a correlation ----

cdef CostTerms correlation_cost(const Layout *layout, bint planned) noexcept:
    """One image of a forward or backward_data pass on one thread.

    planned: the weights are packed already.
    """
    cdef CostTerms terms
    cdef const Phase *phase
    cdef double blocks
    cdef Py_ssize_t p
    terms.arithmetic = terms.gather = terms.transform = terms.traffic = 0
    terms.start = CALL
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        blocks = phase_blocks(phase)
        terms.arithmetic += arithmetic_seconds(layout, phase)
        terms.gather += gather_seconds(layout, phase, blocks)
        terms.traffic += result_seconds(layout, phase)
        terms.start += blocks * layout.groups * (
            BLOCK if layout.groups == 1 or phase.axis[2].step == 1 else STRIDED_BLOCK)
        terms.transform += waiting_seconds(layout, phase, blocks)
    if not planned:
        terms.transform += packing_seconds(layout)
    return terms


cdef double arithmetic_seconds(const Layout *layout, const Phase *phase) noexcept:
    """The products, with the lanes that stay empty."""
    cdef double work = 2.0 * layout.groups * phase.taps * phase_outputs(phase) * phase.inside
    cdef double rate = IGEMM_RATE
    if layout.by_pixels:
        work *= filled_line(layout, phase) * layout.channel_blocks * layout.width
        rate = ONE_CHANNEL_RATE if layout.pixels_kernel == 0 else PIXELS_RATE
    else:
        work *= filled(line_outputs(layout, phase), layout.kernels.half) * layout.padded_channels
    return work / (rate * peak(layout.g.itemsize))


cdef double waiting_seconds(const Layout *layout, const Phase *phase, double blocks) noexcept:
    """What weights from beyond the cache take longer to come than their products: every block reads
    those of a group that does not fit.
    """
    cdef double bytes = (<double>phase.taps) * layout.padded_channels * layout.g.itemsize
    if layout.packed_size * layout.g.itemsize <= CACHE:
        return 0
    return max(0.0, layout.groups * bytes * (blocks if bytes > CACHE else 1.0) * FAR_WEIGHT
               - arithmetic_seconds(layout, phase))


cdef double filled_line(const Layout *layout, const Phase *phase) noexcept:
    """`filled` of a block's rows; those that lie one after the other are cut as one line."""
    cdef const WindowAxis *axis = phase.axis
    cdef Py_ssize_t lanes = layout.kernels.lanes
    cdef Py_ssize_t columns = max(line_outputs(layout, phase), 1), rows = 1, full
    if not layout.joined:
        rows = max(axis[1].block, 1)
    full = rows * round_up(columns, lanes)
    if not (rows == 1 or phase.trims or axis[1].segment or axis[2].segment
            or phase.out_step[2] != 1 or axis[1].window_step != 1 or axis[2].window_step != 1):
        full = min(full, round_up((rows - 1) * phase.window.position[1] + columns, lanes))
    return (<double>full) / (rows * columns)


cdef double gather_seconds(const Layout *layout, const Phase *phase, double blocks) noexcept:
    """The windows of so many blocks, and what is looked up for them."""
    cdef const WindowAxis *axis = phase.axis
    cdef double element = WINDOW_ELEMENT if axis[2].step == 1 else STRIDED_ELEMENT
    if layout.g.channels_last and layout.by_pixels:
        element = TURNED_ELEMENT
    return blocks * (layout.groups * element * phase.window.size + WINDOW_POSITION * (
        axis[0].window + axis[1].window + axis[2].window))


cdef double result_seconds(const Layout *layout, const Phase *phase) noexcept:
    """The results; the sums of short runs of products are stored more often than added to."""
    cdef double one = RESULT
    if layout.by_pixels and layout.pixels_kernel == 0:
        one = ONE_CHANNEL_RESULT
    if layout.by_pixels == bool(layout.g.channels_last):
        one += TRANSPOSED_RESULT
    return layout.groups * phase_outputs(phase) * layout.out_channels * one


cdef double packing_seconds(const Layout *layout) noexcept:
    """Weights packed once, or by each strip of tiles."""
    cdef double once = PACKED_WEIGHT
    if layout.packed_size * layout.g.itemsize > CACHE:
        once = PACKED_WEIGHT_BEYOND
    return layout.packed_size * (PHASES_WEIGHT if layout.n_phases > 1 else 1) * min(
        once, PACKED_WEIGHT * passes_over_weights(layout, 1))


cdef double passes_over_weights(const Layout *layout, Py_ssize_t batch) noexcept:
    """How many strips of tiles meet each weight; many where `igemm_pixels` serves."""
    cdef double strips, most = 0
    cdef Py_ssize_t p
    cdef const Phase *phase
    if layout.by_pixels:
        return 1e9
    for p in range(layout.n_phases):
        phase = &layout.phases[p]
        if layout.last_first and (
                weights_at_once(layout, phase) * layout.g.itemsize > CACHE * 3 // 4):
            return 1e9
        strips = ceil_div(block_runs(layout, phase), 2 * STRIP_TILES)
        most = max(most, strips * phase_blocks(phase))
    return most * batch


cdef double part_seconds(const Layout *layout, const Phase *phase, double work, double weights,
                         double window) noexcept:
    """A part of a block of outputs.

    work: its operations. weights: the part of the phase's packed weights that it reads. window: the
    elements that it gathers.
    """
    return (BLOCK + work / (IGEMM_RATE * peak(layout.g.itemsize))
            + weights * phase.taps * layout.padded_channels * STREAMED_WEIGHT
            + window * WINDOW_ELEMENT)


# ---- a gradient of weights ----

cdef inline double out_blocks(const GradientSchedule *schedule) noexcept:
    return ((<double>schedule.out_blocks[0]) * schedule.out_blocks[1] * schedule.out_blocks[2])


cdef inline double output_pixels(const Layout *layout) noexcept:
    return (<double>layout.g.output[0]) * layout.g.output[1] * layout.g.output[2]


cdef inline double gradient_element(const Layout *layout) noexcept:
    return WINDOW_ELEMENT if layout.g.stride[2] == 1 else STRIDED_ELEMENT


cdef CostTerms tiles_cost(const GradientSchedule *schedule) noexcept:
    """One image by the `igemm` kernel: each range of filters gathers the windows again."""
    cdef CostTerms terms
    cdef const Layout *layout = schedule.layout
    cdef Py_ssize_t lanes = layout.kernels.lanes
    cdef double pixels = output_pixels(layout)
    cdef double chunks = (<double>layout.groups) * schedule.chunks
    cdef double filters = (round_up(min(schedule.filters, 2 * lanes), lanes)
                           * schedule.filter_blocks)
    cdef double gathers = chunks * schedule.ranges * out_blocks(schedule)
    terms.arithmetic = chunks * 2 * schedule.rows * filters * pixels / (
        GRADIENT_TILES_RATE * peak(layout.g.itemsize))
    terms.gather = gathers * gradient_element(layout) * schedule.window.size
    terms.transform = chunks * filters * (
        TRANSPOSED_GRADIENT * pixels + GRADIENT_WEIGHT * schedule.rows)
    terms.traffic = 0
    terms.start = CALL + gathers * BLOCK
    return terms


cdef CostTerms lags_cost(const GradientSchedule *schedule) noexcept:
    """One image by the `conv_backward_weight` kernel, which goes through every window once.

    The last chunk of channels may be smaller than the others.
    """
    cdef CostTerms terms
    cdef const Layout *layout = schedule.layout
    cdef const WindowAxis *axis = schedule.axis
    cdef double chunks = layout.groups * schedule.channels / max(
        <double>schedule.window.channels, 1.0)
    cdef double blocks = chunks * out_blocks(schedule)
    cdef double pixels = output_pixels(layout) * filled(axis[2].block, layout.kernels.lanes)
    cdef Py_ssize_t rest = schedule.filters % FC_BACKWARD_FILTERS
    cdef double filters = schedule.filters - rest
    if rest:  # with few planes, loads take longer than products
        filters += 2 if rest == 1 else 2.5
    terms.arithmetic = chunks * 2 * schedule.rows * filters * pixels / (
        GRADIENT_LAGS_RATE * peak(layout.g.itemsize))
    terms.gather = blocks * gradient_element(layout) * schedule.window.size
    terms.transform = chunks * schedule.filters * schedule.rows * GRADIENT_WEIGHT
    terms.traffic = 0
    terms.start = CALL + blocks * (BLOCK + schedule.filter_blocks * schedule.lag_tiles * (
        LAGS_CALL + LAGS_ROW * axis[1].block))
    return terms
