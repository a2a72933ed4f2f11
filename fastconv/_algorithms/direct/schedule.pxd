from fastconv._algorithms.direct.types cimport Layout, Phase

# What one call does with a layout.
cdef struct Call:
    Py_ssize_t batch
    int threads
    bint packs       # weights, on the way; else they are packed
    bint in_place    # the source is read where it is, without a window

# How one call's outputs of one phase are cut into tasks.
cdef struct Schedule:
    Py_ssize_t images, image_blocks    # images that share a task; such blocks of the batch
    Py_ssize_t groups, group_blocks
    Py_ssize_t channel_parts           # that each block's output channels are cut into,
    Py_ssize_t output_parts            # and its outputs: these
    int part_axis                      # along an axis,
    Py_ssize_t part_unit               # in such units
    Py_ssize_t tasks
    # Places in a thread's scratch memory; the windows are at its beginning.
    Py_ssize_t tile_at, total_at, transposed_at, index_at, runs_at, weights_at, scratch_size

cdef Schedule plan_phase(const Layout *layout, const Phase *phase, const Call *call) noexcept
cdef Py_ssize_t correlation_workspace(const Layout *layout, int threads) noexcept
