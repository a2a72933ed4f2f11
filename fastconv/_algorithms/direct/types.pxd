"""What the passes share: structs of phases, layouts and schedules, and what follows from them."""
from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.window_types cimport Window, WindowAxis
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport FC_SUM_BLOCK, fc_epilogue, fc_kernels

cdef enum:
    CHUNK_TAPS = 192  # whose weights share the first-level cache with the tiles' input
    STRIP_TILES = 32  # that pass over such a chunk
    RUN_TAPS = 2 * FC_SUM_BLOCK  # of a run of pixels, three or four vectors each, that fit it too
    RUN_BLOCKS = 32   # of channels, at most, that meet these in turn while their sums wait

# Outputs that are reached by the same taps: all of them forward, one phase of the stride backward,
# or a range of such outputs for which other taps read outside of the source.
cdef struct Phase:
    WindowAxis axis[AXES]
    Py_ssize_t first[AXES]      # the phase's first output on each axis, and the step to its next
    Py_ssize_t out_step[AXES]
    Py_ssize_t first_tap[AXES]  # its first tap in the kernel; the next is `period` further
    Py_ssize_t blocks[AXES]     # blocks of outputs on each axis
    Py_ssize_t spatial_taps
    Py_ssize_t taps             # in_channels * spatial_taps
    Py_ssize_t all_taps         # with those that are left out; then
    Py_ssize_t *cut             # the first tap of each block of sums, else NULL
    bint trims                  # runs of pixels leave out taps for themselves,
    double inside               # so that this part of the products is left
    Py_ssize_t packed           # where its weights start in the packed buffer
    Py_ssize_t *offset          # of each tap in the window
    Window window

# How one pass of one description is blocked.
cdef struct Layout:
    const conv_geometry *g
    const fc_epilogue *epilogue
    const fc_kernels *kernels
    bint backward
    Py_ssize_t groups, in_channels, out_channels  # channels of a group, read and written
    Py_ssize_t in_size[AXES]                      # spatial sizes read and written
    Py_ssize_t out_size[AXES]
    bint collapsed              # spatial axes taken as one (1x1 kernels)
    int joined                  # axes whose outputs are in one line with those of the one before
    bint skips                  # some outputs leave out taps that read zeros outside the source
    bint may_trim               # such taps along the last axis,
    bint last_first             # whose taps come first in the order of sums
    bint has_gaps               # some outputs belong to no phase
    bint by_pixels              # `igemm_pixels` kernel, else `igemm`
    int pixels_kernel           # which of `igemm_pixels`: of one channel, a few or many
    Py_ssize_t run_pixels       # pixels of a run, at most
    Py_ssize_t width            # output channels of a block of weights
    Py_ssize_t channel_blocks   # such blocks of a group
    Py_ssize_t padded_channels  # out_channels, filled up
    Py_ssize_t period[AXES]     # taps this far apart share a phase
    Py_ssize_t n_phases
    Phase *phases
    Py_ssize_t *table           # what the phases' axes and offsets point into
    Py_ssize_t packed_size      # elements of the packed weights

# A run of output pixels along a row: where it lies in the window and in the result.
cdef struct PixelRun:
    Py_ssize_t window, place, pixels
    Py_ssize_t start            # place in the line of all rows, if the outputs are cut that way
    Py_ssize_t low, high        # the taps that it meets, from a whole block of sums on

# How the sums of one call's gradient of weights are cut. The layout's axes are blocked for it.
cdef struct GradientSchedule:
    const Layout *layout
    WindowAxis *axis
    bint by_lags                  # `conv_backward_weight` kernel, else `igemm`
    bint along_taps               # `igemm` has taps in the place of pixels, else channels
    Window window                 # of one chunk of channels
    Py_ssize_t filters, channels  # of a group
    Py_ssize_t chunks             # of channels
    Py_ssize_t filter_blocks      # of the filters that a kernel takes at once
    Py_ssize_t blocks_per_range, ranges  # of them; a range is a task's
    Py_ssize_t lags, lag_tiles    # taps that share a pass over the gradients; such tiles
    Py_ssize_t out_blocks[AXES]   # blocks of outputs, on each axis
    Py_ssize_t block_pixels       # of such a block, at most
    Py_ssize_t rows               # of sums of a block of filters
    Py_ssize_t all_blocks         # of outputs, in the batch
    Py_ssize_t pixels             # of outputs of a filter, in the batch
    Py_ssize_t blocks_per_part, parts    # that the sums over all of them are cut into
    Py_ssize_t row_limit          # products that are added up before they go to a total
    Py_ssize_t tasks
    # Places in a thread's scratch memory; the window is at its beginning.
    Py_ssize_t grad_at, sum_at, total_at, order_at, offset_at, index_at, runs_at, scratch_size


cdef inline Py_ssize_t block_runs(const Layout *layout, const Phase *phase) noexcept nogil:
    """Runs of pixels that a block of one image's outputs is cut into, at most."""
    cdef Py_ssize_t line = max(phase.axis[2].block, phase.axis[2].window), lines = 1
    if layout.joined:
        line = line_outputs(layout, phase)
    else:
        lines = phase.axis[1].block
    if layout.joined < 2:
        lines *= phase.axis[0].block
    return lines * ceil_div(line, layout.run_pixels)


cdef inline Py_ssize_t line_outputs(const Layout *layout, const Phase *phase) noexcept nogil:
    """Outputs of a block that lie one step apart in its window: of a row, or of joined axes."""
    cdef Py_ssize_t outputs = 1
    cdef int a
    for a in range(2 - layout.joined, AXES):
        outputs *= phase.axis[a].block
    return outputs


cdef inline int blocked_axis(const Layout *layout, const Phase *phase) noexcept nogil:
    """The axis along which blocks have as many outputs as fit the cache: rows, mostly."""
    return 0 if layout.joined == 2 or phase.axis[0].block > 1 else 1


cdef inline Py_ssize_t tap_at(const Phase *phase, Py_ssize_t place) noexcept nogil:
    """The phase's first tap from a place on, counted among all and a multiple of FC_SUM_BLOCK.

    Sums are cut there, whichever taps are left out: so they have the same bits.
    """
    if place >= phase.all_taps:
        return phase.taps
    return place if phase.cut == NULL else phase.cut[place // FC_SUM_BLOCK]


cdef inline double phase_outputs(const Phase *phase) noexcept nogil:
    """Outputs of one channel and image."""
    return (<double>phase.axis[0].count) * phase.axis[1].count * phase.axis[2].count


cdef inline double phase_blocks(const Phase *phase) noexcept nogil:
    return (<double>phase.blocks[0]) * phase.blocks[1] * phase.blocks[2]


cdef inline Py_ssize_t block_outputs(Py_ssize_t number, const WindowAxis *axis,
                                     const Py_ssize_t *blocks, Py_ssize_t *first,
                                     Py_ssize_t *count) noexcept nogil:
    """The outputs of block `number`, on each axis; returns what is left of the number."""
    cdef int a
    number = unravel(number, blocks, AXES, first)
    for a in range(AXES):
        first[a] *= axis[a].block
        count[a] = min(axis[a].block, axis[a].count - first[a])
    return number


cdef inline Py_ssize_t weights_at_once(const Layout *layout, const Phase *phase) noexcept nogil:
    """Elements of the weights that are packed on the way at once: of a chunk of taps.

    Of all, where they are not packed in the order in which they lie.
    """
    cdef Py_ssize_t taps = max(phase.taps, CHUNK_TAPS) if layout.last_first else CHUNK_TAPS
    return 2 * layout.kernels.lanes * taps


cdef inline double phase_work(const Layout *layout, const Phase *phase) noexcept nogil:
    """Floating-point operations of one image's phase."""
    return 2.0 * layout.groups * phase.taps * layout.out_channels * phase_outputs(phase)
