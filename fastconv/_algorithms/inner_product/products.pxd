"""The products: the tasks, which kernels of other algorithms compute, and the calls."""
cimport numpy as cnp
from libc.string cimport memcpy, memset

from fastconv._algorithms.inner_product.matrices cimport Matrices, whole_vectors
from fastconv._core.blocks cimport CACHE_LINE, Arena, reserve
from fastconv._core.integers cimport ceil_div
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport (
    FC_BACKWARD_FILTERS, FC_SUM_BLOCK, fc_kernels, kernels_for,
)

cdef enum:
    CHUNK = 1 << 14      # values whose rows share the second-level cache
    COLUMNS = 1 << 11    # values of a task of the gradients
    ROWS = 192           # summed up before the next ones: their weights' pages are few
    MOST_CHANNELS = 16   # of any `igemm_pixels`
    MOST_VECTORS = 8

cdef struct Job:
    const fc_kernels *kernels
    Py_ssize_t itemsize, groups, rows, terms, values
    Py_ssize_t readable        # elements of a row of x, `values` or a vector
    # out[g][r][v] = sum over t of factor[g][t][r] * x[g][t][v]; forward, the sum is over v:
    # out[g][t][r] of x[g][t][v] and factor[g][r][v]
    const char *x
    const char *factor
    char *out
    Py_ssize_t x_group, x_row, factor_group, factor_row, out_group, out_row
    const Py_ssize_t *offset
    Py_ssize_t blocks          # of a group
    char *packed               # the factor (row block, term, row of the block)
    int kind, vectors, channels, width  # of `igemm_pixels`; elements of a row that it writes
    bint more
    char *scratch
    Py_ssize_t tile_bytes


cdef inline void dot_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    if job.itemsize == 4:
        dot_rows(job, task, <float *>(job.scratch + thread * job.tile_bytes))
    else:
        dot_rows(job, task, <double *>(job.scratch + thread * job.tile_bytes))


cdef inline void dot_rows(const Job *job, Py_ssize_t task, real_t *tiles) noexcept nogil:
    """Some filters of a group with all images: both are rows whose products are added up."""
    cdef const fc_kernels *kernels = job.kernels
    cdef Py_ssize_t group = task // job.blocks, first, n, chunk, value, size, whole, rest, image
    cdef Py_ssize_t block, images, t, line = FC_SUM_BLOCK * kernels.lanes
    cdef const real_t *w
    cdef const real_t *x
    cdef real_t *tile
    cdef real_t *out
    first = task % job.blocks * kernels.conv_backward_weight_taps
    n = min(<Py_ssize_t>kernels.conv_backward_weight_taps, job.rows - first)
    for chunk in range(ceil_div(job.values, CHUNK)):
        value = chunk * CHUNK
        size = min(<Py_ssize_t>CHUNK, job.values - value)
        whole = size // line
        rest = size - whole * line
        w = (<const real_t *>job.factor) + (
            group * job.factor_group + first * job.factor_row + value)
        for block in range(ceil_div(job.terms, FC_BACKWARD_FILTERS)):
            image = block * FC_BACKWARD_FILTERS
            images = min(<Py_ssize_t>FC_BACKWARD_FILTERS, job.terms - image)
            x = (<const real_t *>job.x) + group * job.x_group + image * job.x_row + value
            tile = tiles + image * kernels.conv_backward_weight_taps
            if whole:
                kernels.conv_backward_weight[images - 1][n - 1](
                    whole, line, job.offset, w, line, x, job.x_row, line, NULL, tile, chunk > 0)
            if rest:
                kernels.conv_backward_weight[images - 1][n - 1](
                    1, rest, job.offset, w + whole * line, rest, x + whole * line, job.x_row, rest,
                    NULL, tile, chunk > 0 or whole > 0)
    for image in range(job.terms):
        out = (<real_t *>job.out) + group * job.out_group + image * job.out_row + first
        images = image // FC_BACKWARD_FILTERS * FC_BACKWARD_FILTERS
        tile = tiles + images * kernels.conv_backward_weight_taps + (image - images) * n
        for t in range(n):
            out[t] = tile[t]


cdef inline void combine_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    if job.itemsize == 4:
        combine_rows(job, task, <float *>(job.scratch + thread * job.tile_bytes))
    else:
        combine_rows(job, task, <double *>(job.scratch + thread * job.tile_bytes))


cdef inline void combine_rows(const Job *job, Py_ssize_t task, real_t *tile) noexcept nogil:
    """Sums of rows of x, each by a number of its own, for some columns of a group."""
    cdef const fc_kernels *kernels = job.kernels
    cdef Py_ssize_t group = task // job.blocks, start = task % job.blocks * COLUMNS, stop, at
    cdef Py_ssize_t part, first, terms, skip, block, row, rows, r
    cdef Py_ssize_t row_blocks = ceil_div(job.rows, job.channels)
    cdef const real_t *x
    cdef const real_t *packed
    cdef real_t *out
    stop = min(job.values, start + COLUMNS)
    for part in range(ceil_div(job.terms, ROWS)):
        first = part * ROWS
        terms = min(<Py_ssize_t>ROWS, job.terms - first)
        at = start
        while at < stop:
            # the last vectors of a row reach back, not past its end
            skip = max(<Py_ssize_t>0, at + job.width - job.readable)
            x = (<const real_t *>job.x) + group * job.x_group + first * job.x_row + at - skip
            for block in range(row_blocks):
                row = block * job.channels
                rows = min(<Py_ssize_t>job.channels, job.rows - row)
                packed = (<const real_t *>job.packed) + (
                    ((group * row_blocks + block) * job.terms + first) * job.channels)
                kernels.igemm_pixels[job.kind][job.vectors](
                    terms, job.offset, x, packed, tile, NULL, False)
                out = (<real_t *>job.out) + group * job.out_group + row * job.out_row + at
                for r in range(rows):
                    add_row(kernels, tile + r * job.width + skip,
                            min(job.width - skip, stop - at), first > 0 or job.more,
                            out + r * job.out_row)
            at += job.width - skip


cdef inline void add_row(const fc_kernels *kernels, const real_t *row, Py_ssize_t n, bint more,
                         real_t *out) noexcept nogil:
    if more:
        kernels.add(n, row, out)
    else:
        memcpy(out, row, n * sizeof(real_t))


cdef inline void choose_kernel(Job *job) noexcept:
    """`igemm_pixels` for as many rows and values as there are."""
    cdef Py_ssize_t vectors = job.readable // job.kernels.lanes
    job.kind = 0 if job.rows == 1 else 1 if job.rows <= 4 else 2
    job.channels = 1 if job.kind == 0 else 4
    if job.kind == 2:
        job.channels = job.kernels.igemm_pixels_channels
    if job.kind:
        vectors = min(vectors, <Py_ssize_t>3)
        job.vectors = <int>vectors - 1
    else:
        job.vectors = 3 if vectors >= 8 else 2 if vectors >= 4 else 1 if vectors >= 2 else 0
        vectors = 1 << job.vectors
    job.width = <int>vectors * job.kernels.lanes


cdef inline void pack(const Job *job, real_t *packed, Py_ssize_t term_step,
                      Py_ssize_t row_step) noexcept:
    """The factor as `igemm_pixels` wants it: a block of rows, all terms, then the next."""
    cdef const real_t *factor
    cdef Py_ssize_t group, block, row, t, r
    for group in range(job.groups):
        for block in range(ceil_div(job.rows, job.channels)):
            row = block * job.channels
            factor = (<const real_t *>job.factor) + group * job.factor_group + row * row_step
            for t in range(job.terms):
                for r in range(job.channels):
                    packed[r] = factor[t * term_step + r * row_step] if row + r < job.rows else 0
                packed += job.channels


cdef inline Scratch offsets(Py_ssize_t n, Py_ssize_t step):
    """0, step, 2 step, … as a loan."""
    cdef Scratch loan = acquire(n * sizeof(Py_ssize_t))
    cdef Py_ssize_t i
    for i in range(n):
        (<Py_ssize_t *>loan.data)[i] = i * step
    return loan


cdef inline Job new_job(Py_ssize_t itemsize, Py_ssize_t groups) noexcept:
    cdef Job job
    memset(&job, 0, sizeof(job))
    job.itemsize, job.groups = itemsize, groups
    job.kernels = kernels_for(itemsize)
    return job


cdef inline Job make_job(Matrices m) noexcept:
    cdef Job job = new_job(m.desc.g.itemsize, m.groups)
    job.values = m.values
    return job


cdef inline int multiply(Matrices m, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray out,
                         int threads) except -1:
    """out = x weight', group by group; all are C-contiguous."""
    cdef Job job = make_job(m)
    job.terms, job.rows = cnp.PyArray_DIM(x, 0), m.filters
    job.x, job.x_group, job.x_row = cnp.PyArray_BYTES(x), m.values, m.groups * m.values
    job.factor, job.factor_row = cnp.PyArray_BYTES(weight), m.values
    job.factor_group = m.filters * m.values
    job.out, job.out_group, job.out_row = cnp.PyArray_BYTES(out), m.filters, m.groups * m.filters
    return multiply_rows(&job, threads)


cdef inline int multiply_rows(Job *job, int threads) except -1:
    """The same, once it is known where all lies."""
    cdef Scratch scratch, offset
    job.blocks = ceil_div(job.rows, job.kernels.conv_backward_weight_taps)
    offset = offsets(job.kernels.conv_backward_weight_taps, job.factor_row)
    job.offset = <const Py_ssize_t *>offset.data
    job.tile_bytes = dot_bytes(job)
    scratch = acquire(job.tile_bytes * threads)
    job.scratch = scratch.data
    return parallel_for(dot_task, job, job.groups * job.blocks, threads,
                        2.0 * job.terms * job.groups * job.rows * job.values)


cdef inline Py_ssize_t dot_bytes(const Job *job) noexcept:
    """Sums of all images with a block of filters."""
    cdef Arena arena
    arena.size = 0
    reserve(&arena, (job.terms + FC_BACKWARD_FILTERS) * job.kernels.conv_backward_weight_taps
            * job.itemsize)
    return arena.size


cdef inline int combine(Job *job, cnp.ndarray x, cnp.ndarray factor, Py_ssize_t term_step,
                        Py_ssize_t row_step, int threads) except -1:
    """out[r] = the sum of factor[t, r] x[t] over t, group by group; or added to what out holds."""
    cdef Scratch scratch, offset
    cdef Py_ssize_t packed, lanes = job.kernels.lanes
    job.readable = max(job.values, lanes)
    if job.values < lanes:  # rows that are shorter than a vector are copied to whole ones
        x = whole_vectors(x, job.groups, job.terms, job.values, job.x_group == job.values, lanes)
        job.x_group, job.x_row = job.terms * lanes, lanes
    job.x = cnp.PyArray_BYTES(x)
    choose_kernel(job)
    packed = job.groups * ceil_div(job.rows, job.channels) * job.channels * job.terms
    job.tile_bytes = tile_bytes(job)
    scratch = acquire(packed * job.itemsize + CACHE_LINE + job.tile_bytes * threads)
    job.scratch = scratch.data
    job.packed = scratch.data + job.tile_bytes * threads
    job.factor = cnp.PyArray_BYTES(factor)
    if job.itemsize == 4:
        pack(job, <float *>job.packed, term_step, row_step)
    else:
        pack(job, <double *>job.packed, term_step, row_step)
    offset = offsets(min(job.terms, <Py_ssize_t>ROWS), job.x_row)
    job.offset = <const Py_ssize_t *>offset.data
    job.blocks = ceil_div(job.values, COLUMNS)
    return parallel_for(combine_task, job, job.groups * job.blocks, threads,
                        2.0 * job.groups * job.rows * job.terms * job.values)


cdef inline Py_ssize_t tile_bytes(const Job *job) noexcept:
    cdef Arena arena
    arena.size = 0
    reserve(&arena, MOST_CHANNELS * MOST_VECTORS * job.kernels.lanes * job.itemsize)
    return arena.size
