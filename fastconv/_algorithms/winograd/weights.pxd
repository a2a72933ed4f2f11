"""Weights, transformed in the order in which the products read them (see `packed_at`)."""
cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._algorithms.winograd.types cimport (
    Layout, block_channels, block_width, odd_vectors, packed_at, part_start,
)
from fastconv._core.blocks cimport Arena, reserve, unravel
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.scratch cimport Scratch, acquire, fc_fetch
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport FC_WINOGRAD_KERNEL

# What tasks that transform weights read.
cdef struct Packing:
    const Layout *layout
    const char *weight
    char *packed               # of all blocks, where they are transformed before
    char *scratch
    Py_ssize_t kernel          # elements of a kernel
    Py_ssize_t chunks          # of input channels
    Py_ssize_t part_at, scratch_size  # bytes of a thread's scratch


cdef enum:
    PACK_CHANNELS = 16       # input channels whose weights are transformed at a time
    ONE_THREAD = 1 << 18     # transformed weights that are not worth a team of threads

# The kernels of one block of output channels and some input channels of a group.
cdef struct KernelBlock:
    Py_ssize_t group
    Py_ssize_t k                  # the block of output channels,
    Py_ssize_t width, vectors, n  # its lanes, vectors of them, and channels in them
    Py_ssize_t first, channels    # input channels


cdef inline Py_ssize_t packed_channels(const Layout *layout) noexcept nogil:
    """Input channels whose weights are kept, of a group."""
    return layout.in_channels // layout.grouped if layout.full_vectors else layout.in_channels


cdef inline Packing plan_packing(const Layout *layout) noexcept:
    """All but where weights come from, where they go, and the scratch memory."""
    cdef Packing packing
    cdef Arena arena
    cdef Py_ssize_t width_bytes = 2 * layout.kernels.lanes * layout.g.itemsize
    packing.layout = layout
    packing.weight = packing.packed = packing.scratch = NULL
    packing.kernel = layout.g.kernel[0] * layout.g.kernel[1] * layout.g.kernel[2]
    packing.chunks = ceil_div(packed_channels(layout), PACK_CHANNELS)
    arena.size = 0
    reserve(&arena, PACK_CHANNELS * packing.kernel * width_bytes)
    packing.part_at = reserve(&arena, FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL * width_bytes)
    packing.scratch_size = arena.size
    return packing


cdef inline Scratch pack_weights(const Layout *layout, cnp.ndarray weight, int threads):
    """Transform all weights, (filters, channels, *kernel) and contiguous."""
    cdef Packing packing = plan_packing(layout)
    cdef Py_ssize_t size = packed_at(layout, layout.groups, 0, 0)
    cdef Scratch packed = acquire(max(size, 1) * layout.g.itemsize)
    cdef Scratch scratch = acquire(packing.scratch_size * threads)
    packing.weight = cnp.PyArray_BYTES(weight)
    packing.packed = packed.data
    packing.scratch = scratch.data
    parallel_for(pack_task, &packing, layout.groups * layout.channel_blocks * packing.chunks,
                 threads if size > ONE_THREAD else 1, 0.0)
    return packed


cdef inline void pack_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef const Packing *packing = <const Packing *>context
    cdef const Layout *layout = packing.layout
    cdef char *scratch = packing.scratch + thread * packing.scratch_size
    cdef Py_ssize_t[2] extent = [layout.channel_blocks, packing.chunks]
    cdef Py_ssize_t[2] index
    cdef Py_ssize_t group = unravel(task, extent, 2, index), start, step
    cdef KernelBlock block = kernel_block(packing, group, index[0], index[1])
    start = packed_at(layout, group, block.k, 0)
    step = packed_at(layout, group, block.k, 1) - start
    if layout.g.itemsize == 4:
        pack_chunk(packing, &block, scratch, (<float *>packing.packed) + start, step)
    else:
        pack_chunk(packing, &block, scratch, (<double *>packing.packed) + start, step)


cdef inline void pack_block(const Packing *packing, Py_ssize_t group, Py_ssize_t k, char *scratch,
                            real_t *out) noexcept nogil:
    """Transform the weights of one block of output channels to `out`, [frequency][tap][channel].

    A stride from frequency to frequency is an odd number of vectors.
    """
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t chunk, step
    cdef KernelBlock block
    for chunk in range(packing.chunks):
        block = kernel_block(packing, group, k, chunk)
        step = odd_vectors(layout.packed_taps * block.width, layout.kernels.lanes)
        pack_chunk(packing, &block, scratch, out, step)


cdef inline KernelBlock kernel_block(const Packing *packing, Py_ssize_t group, Py_ssize_t k,
                                     Py_ssize_t chunk) noexcept nogil:
    cdef KernelBlock block
    block.group, block.k = group, k
    block.width = block_width(packing.layout, k)
    block.vectors = block.width // packing.layout.kernels.lanes
    block.n = block_channels(packing.layout, k)
    block.first = chunk * PACK_CHANNELS
    block.channels = min(<Py_ssize_t>PACK_CHANNELS, packed_channels(packing.layout) - block.first)
    return block


cdef inline void pack_chunk(const Packing *packing, const KernelBlock *block, char *scratch,
                            real_t *out, Py_ssize_t step) noexcept nogil:
    """Transform the kernels of a block; `step` from frequency to frequency."""
    cdef real_t *kernels = <real_t *>scratch  # [input channel][place in the kernel][channel]
    cdef real_t *part = <real_t *>(scratch + packing.part_at)
    gather_kernels(packing, block, kernels)
    transform_kernels(packing, block, kernels, part, out, step)


cdef inline void gather_kernels(const Packing *packing, const KernelBlock *block,
                                real_t *kernels) noexcept nogil:
    """Bring output channels into the lanes, those of groups that share vectors side by side."""
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t n = block.n // layout.grouped, q, row
    cdef Py_ssize_t in_channels = layout.in_channels // layout.grouped
    if block.n < block.width or layout.grouped > 1 and not layout.full_vectors:
        memset(kernels, 0, block.channels * packing.kernel * block.width * sizeof(real_t))
    for q in range(layout.grouped):
        row = 0 if layout.full_vectors else q * in_channels * packing.kernel
        if layout.backward:
            gather_backward(packing, block, q, n, kernels + q * n + row * block.width)
        else:
            gather_forward(packing, block, q, n, kernels + q * n + row * block.width)


cdef inline void gather_forward(const Packing *packing, const KernelBlock *block, Py_ssize_t q,
                                Py_ssize_t n, real_t *kernels) noexcept nogil:
    """Of group q of those that share vectors, n filters: their rows are transposed at once."""
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t in_channels = layout.in_channels // layout.grouped
    cdef Py_ssize_t out_channels = layout.out_channels // layout.grouped
    cdef Py_ssize_t kernel = packing.kernel, row = in_channels * kernel, k
    cdef Py_ssize_t filter = ((block.group * layout.grouped + q) * out_channels
                              + block.k * 2 * layout.kernels.lanes)
    cdef const real_t *weight = (<const real_t *>packing.weight) + (
        filter * row + block.first * kernel)
    layout.kernels.transpose(n, min(block.channels, in_channels) * kernel, weight, row, kernels,
                             block.width)
    for k in range(n):  # the next chunk comes while this one is at work
        fc_fetch(weight + k * row + PACK_CHANNELS * kernel,
                 PACK_CHANNELS * kernel * sizeof(real_t))


cdef inline void gather_backward(const Packing *packing, const KernelBlock *block, Py_ssize_t q,
                                 Py_ssize_t n, real_t *kernels) noexcept nogil:
    """The same in the gradient of the input, which reads filters and writes channels."""
    cdef const Layout *layout = packing.layout
    cdef Py_ssize_t in_channels = layout.in_channels // layout.grouped
    cdef Py_ssize_t out_channels = layout.out_channels // layout.grouped
    cdef Py_ssize_t lanes = layout.kernels.lanes, kernel = packing.kernel
    cdef Py_ssize_t row = out_channels * kernel, filled = round_up(kernel, lanes), taps, c
    cdef Py_ssize_t filter = (block.group * layout.grouped + q) * in_channels + block.first
    cdef const real_t *weight = (<const real_t *>packing.weight) + (
        filter * row + block.k * 2 * lanes * kernel)
    for c in range(min(block.channels, in_channels)):
        # Whole vectors are faster; what is too much of them the next channel overwrites, or it
        # stays between the kernels and the part.
        taps = kernel
        if (n == block.width and block.first + c + 1 < in_channels
                and filled - kernel <= FC_WINOGRAD_KERNEL * FC_WINOGRAD_KERNEL):
            taps = filled
        fc_fetch(weight + (c + 2) * row, n * kernel * sizeof(real_t))
        layout.kernels.transpose(n, taps, weight + c * row, kernel,
                                 kernels + c * kernel * block.width, block.width)


cdef inline void transform_kernels(const Packing *packing, const KernelBlock *block,
                                   const real_t *kernels, real_t *padded, real_t *out,
                                   Py_ssize_t step) noexcept nogil:
    """Each part of each kernel, to its place among the taps."""
    cdef const Layout *layout = packing.layout
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t all_channels = packed_channels(layout), c, p0, p1, p2, j1, j2, first, tap
    for c in range(block.channels):
        for p0 in range(layout.parts[0]):
            for p1 in range(layout.parts[1]):
                j1 = part_start(layout, 1, p1, g.stride[1])
                for p2 in range(layout.parts[2]):
                    j2 = part_start(layout, 2, p2, g.stride[2])
                    first = (p0 * g.kernel[1] + j1) * g.kernel[2] + j2
                    if g.flip != layout.backward:
                        first = packing.kernel - 1 - first
                    tap = ((p0 * layout.parts[1] + p1) * layout.parts[2] + p2) * all_channels
                    tap += block.first + c
                    transform_part(layout, block, j1, j2,
                                   kernels + (c * packing.kernel + first) * block.width, padded,
                                   out + tap * block.width, step)


cdef inline void transform_part(const Layout *layout, const KernelBlock *block, Py_ssize_t j1,
                                Py_ssize_t j2, const real_t *part, real_t *padded, real_t *out,
                                Py_ssize_t step) noexcept nogil:
    """The part that begins at tap j1, j2, which is at `part`; beyond the kernel's end are zeros."""
    cdef const conv_geometry *g = layout.g
    cdef Py_ssize_t sign = -1 if g.flip != layout.backward else 1
    cdef Py_ssize_t row = sign * g.stride[1] * g.kernel[2] * block.width
    cdef Py_ssize_t col = sign * g.stride[2] * block.width
    cdef Py_ssize_t n1 = taps_left(layout, 1, j1), n2 = taps_left(layout, 2, j2), i1, i2
    cdef Py_ssize_t r1 = layout.r if layout.transformed[1] else 1
    cdef Py_ssize_t r2 = layout.r if layout.transformed[2] else 1
    cdef real_t *to
    if n1 < r1 or n2 < r2:
        for i1 in range(r1):
            for i2 in range(r2):
                to = padded + (i1 * r2 + i2) * block.width
                if i1 < n1 and i2 < n2:
                    memcpy(to, part + i1 * row + i2 * col, block.width * sizeof(real_t))
                else:
                    memset(to, 0, block.width * sizeof(real_t))
        part = padded
        row, col = r2 * block.width, block.width
    if not layout.transformed[2]:  # one line, along the middle axis
        col = row
    layout.kernels.winograd_weight[layout.n - 4][layout.r - 2][layout.square](
        block.vectors, part, row, col, out, layout.n * step, step, NULL)


cdef inline Py_ssize_t taps_left(const Layout *layout, int a, Py_ssize_t first) noexcept nogil:
    """Taps of a part from its first to the kernel's end, along an axis."""
    cdef const conv_geometry *g = layout.g
    if not layout.transformed[a]:
        return 1
    return ceil_div(g.kernel[a] - first, g.stride[a])
