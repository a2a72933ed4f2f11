"""Reductions over windows: maxima, minima, sums, averages and norms, and the average's gradient.

Every pooling is separable: along each axis it is a list of windows, each some elements equally
spaced (`fastconv._desc.pool.window`), whether regular, adaptive, global, or the way back of a
gradient. So one driver serves all. An array is (outer, axis 0, axis 1, axis 2, inner), with the
channels among `outer` or `inner` as the layout has them; axes where nothing happens join their
neighbours. `schedule` chooses blocks of outputs, and how they are computed: what a block reads is
reduced one axis after the other (`blocks`, and with positions `search`), each time by
`reduce_axis`; `planes` has shorter ways for small planes, `interleaved` turns them so that vectors
are full, and `norms` a longer one for numbers near the end of the range.
"""
cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._desc.pool cimport REGULAR, PoolDesc, adjoint, counted, pool_axis
from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, FC_I8, FC_I16, FC_I32, FC_I64, FC_U8, FC_U16, FC_U32, FC_U64, fc_type, kernels,
)
from fastconv._pooling.averages cimport all_count_alike
from fastconv._pooling.axis cimport are_one_axis, is_identity, is_trivial, join, read_range
from fastconv._pooling.blocks cimport separable_block
from fastconv._pooling.interleaved cimport (
    finish_interleaved, interleaved_lanes, set_interleaved, start_interleaved,
)
from fastconv._pooling.joined cimport joins_rows, set_joined
from fastconv._pooling.norms cimport powers_overflow, scaled_norm_block
from fastconv._pooling.overlaps cimport spreads
from fastconv._pooling.planes cimport (
    global_block, joined_block, padded_block, square_block,
)
from fastconv._pooling.schedule cimport (
    GLOBAL_PLANES, INTERLEAVED, JOINED_ROWS, MAX, MEAN, MEAN_GRADIENT, MIN, NORM, PADDED_PLANES,
    SEARCH, SQUARE_WINDOWS, BlockRef, Job, Pooling, Schedule, operation, plan,
)
from fastconv._pooling.search cimport search_block
from fastconv._pooling.spread cimport spread

cnp.import_array()

cdef enum:
    POW_OPERATIONS = 20  # that a call of `pow` is worth


cdef int reduce(PoolDesc desc, cnp.ndarray x, cnp.ndarray out, positions, str op,
                bint count_padding, double divisor, double power, num_threads) except -1:
    """Reduce every window of x into `out`; both are C-contiguous and have a batch axis.

    op: "max", "min" (`out` has the dtype of x), "mean" or "norm" (that of x where that is float,
    else float64; means of integers of up to 16 bits also float32, or, without a divisor of their
    own, the dtype of x, to the nearest); positions: None, or an int64 array like `out` for those of
    extremes; divisor: of averages, or 0 for what each window counts.
    """
    cdef double work = desc.work()
    cdef Pooling p
    if cnp.PyArray_SIZE(out) == 0:
        return 0
    start_pooling(&p, desc, operation_of(op), x, out)
    p.has_positions = positions is not None
    p.count_padding = count_padding
    p.power = power
    join_axes(&p)
    p.divisor = common_divisor(&p) if p.op == MEAN and divisor == 0 else divisor
    if p.op == NORM and power not in (1, 2, 3):
        work *= POW_OPERATIONS
    return run(desc, &p, x, out, positions, work, num_threads)


cdef int average_gradient(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                          double divisor, num_threads) except -1:
    """The gradient of an average: the sum, over the windows of an element, of grad / divisor.

    Both are C-contiguous, of the same dtype, and have a batch axis.
    """
    cdef Pooling p
    cdef int i
    if cnp.PyArray_SIZE(out) == 0:
        return 0
    if spreads(desc):
        spread(desc, grad, out, count_padding, divisor, num_threads)
        return 0
    start_pooling(&p, desc, MEAN_GRADIENT, grad, out)
    p.count_padding = count_padding
    p.divisor = divisor
    join_axes(&p)
    for i in range(AXES):
        p.forward[i] = p.axis[i]
        p.axis[i] = adjoint(&p.forward[i])
    return run(desc, &p, grad, out, None, desc.work(), num_threads)


# ---- what is computed -----------------------------------------------------------------------

cdef operation operation_of(str op) noexcept:
    if op == "max":
        return MAX
    if op == "min":
        return MIN
    return MEAN if op == "mean" else NORM


cdef void start_pooling(Pooling *p, PoolDesc desc, operation op, cnp.ndarray x,
                        cnp.ndarray out) noexcept:
    """A pooling of arrays as the description has them: no axes have joined."""
    cdef int i
    memset(p, 0, sizeof(p[0]))
    p.op = op
    p.type = type_of(x)
    p.out_type = type_of(out)
    p.out_size = cnp.PyArray_ITEMSIZE(out)
    p.outer = desc.batch * (1 if desc.g.channels_last else desc.g.channels)
    p.inner = desc.g.channels if desc.g.channels_last else 1
    for i in range(AXES):
        p.axis[i] = desc.g.axis[i]


cdef fc_type type_of(cnp.ndarray array) noexcept:
    """The type of an array's elements, of which bool is the smallest unsigned integer."""
    cdef char kind = array.descr.kind
    cdef int size = cnp.PyArray_ITEMSIZE(array)
    if kind == b"f":
        return FC_F32 if size == 4 else FC_F64
    if size == 1:
        return FC_I8 if kind == b"i" else FC_U8
    if size == 2:
        return FC_I16 if kind == b"i" else FC_U16
    if size == 4:
        return FC_I32 if kind == b"i" else FC_U32
    return FC_I64 if kind == b"i" else FC_U64


cdef void join_axes(Pooling *p) noexcept:
    """Let axes join their neighbours, where windows or their absence allow it."""
    cdef pool_axis *axis = p.axis
    cdef pool_axis trivial
    cdef int i
    memset(&trivial, 0, sizeof(trivial))
    trivial.kind = REGULAR
    trivial.length = trivial.outputs = trivial.kernel = trivial.stride = trivial.dilation = 1
    for _ in range(AXES - 1):
        if is_plain(p, &axis[2]):
            p.inner *= axis[2].length
        elif are_one_axis(&axis[1], &axis[2]):
            join(&axis[1], axis[2].length)
        else:
            break
        axis[2], axis[1], axis[0] = axis[1], axis[0], trivial
    for i in range(AXES - 1):
        if not is_plain(p, &axis[i]):
            break
        p.outer *= axis[i].length
        axis[i] = trivial
    if is_trivial(&axis[1]):  # planes of one row each: they are rows
        axis[1], axis[0] = axis[0], axis[1]


cdef bint is_plain(const Pooling *p, const pool_axis *axis) noexcept:
    """Whether an axis may join the channels or images beside it: nothing happens along it, and
    positions, which count its elements, are not asked for."""
    return is_identity(axis) and (is_trivial(axis) or not p.has_positions)


cdef double common_divisor(const Pooling *p) noexcept:
    """What every window counts, or 0 if they differ."""
    cdef double product = 1
    cdef int i
    for i in range(AXES):
        if not all_count_alike(&p.axis[i], p.count_padding):
            return 0
        product *= counted(&p.axis[i], 0, p.count_padding)
    return product


# ---- the call -------------------------------------------------------------------------------

cdef int run(PoolDesc desc, const Pooling *p, cnp.ndarray x, cnp.ndarray out, positions,
             double work, num_threads) except -1:
    """Plan a pooling, and share its blocks among threads."""
    # an element that moves takes longer than an operation
    cdef int threads = threads_for(desc.function, num_threads, 3 * work)
    cdef Schedule schedule = plan(p, kernels(), work), inner_schedule
    cdef Py_ssize_t lanes = 0
    cdef Pooling side_by_side
    cdef Job job, inner
    cdef Scratch scratch
    if joins_rows(p, &schedule):
        set_joined(p, work, &schedule)
    else:
        lanes = interleaved_lanes(p, &schedule, p.outer // desc.batch)
    if lanes:
        side_by_side = p[0]
        side_by_side.outer, side_by_side.inner = 1, lanes * p.inner
        inner_schedule = plan(&side_by_side, kernels(), work)
        set_interleaved(p, lanes, &inner_schedule, work, &schedule)
        inner.pooling, inner.schedule = &side_by_side, &inner_schedule
        job.interleaved = &inner
    scratch = acquire(schedule.scratch_size * threads)
    job.pooling, job.schedule = p, &schedule
    job.x = cnp.PyArray_BYTES(x)
    job.y = cnp.PyArray_BYTES(out)
    job.positions = NULL if positions is None else <int64_t *>cnp.PyArray_BYTES(positions)
    job.scratch = scratch.data
    return parallel_for(run_task, &job,
                        ceil_div(schedule.total_blocks, schedule.blocks_per_task), threads, work)


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some blocks that follow each other."""
    cdef const Job *job = <const Job *>context
    cdef Py_ssize_t start = task * job.schedule.blocks_per_task, number
    cdef Py_ssize_t stop = min(start + job.schedule.blocks_per_task, job.schedule.total_blocks)
    cdef char *scratch = job.scratch + thread * job.schedule.scratch_size
    for number in range(start, stop):
        run_block(job, number, scratch)


cdef void run_block(const Job *job, Py_ssize_t number, char *scratch) noexcept nogil:
    """One block, by the method that the schedule has chosen."""
    cdef BlockRef b = block_ref(job, number)
    if job.schedule.method == INTERLEAVED:
        interleaved_block(job, &b, scratch)
    elif job.pooling.op == NORM and powers_overflow(job, &b):
        scaled_norm_block(job, &b)
    elif job.schedule.method == SEARCH:
        search_block(job, &b, scratch)
    elif job.schedule.method == GLOBAL_PLANES:
        global_block(job, &b)
    elif job.schedule.method == SQUARE_WINDOWS:
        square_block(job, &b, scratch)
    elif job.schedule.method == PADDED_PLANES:
        padded_block(job, &b, scratch)
    elif job.schedule.method == JOINED_ROWS:
        joined_block(job, &b, scratch)
    else:
        separable_block(job, &b, scratch)


cdef void interleaved_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil:
    """Planes side by side, by a job of their own."""
    cdef Pooling p
    cdef Job inner
    cdef Py_ssize_t lanes = start_interleaved(job, b, scratch, &p, &inner), number
    for number in range(inner.schedule.total_blocks):
        run_block(&inner, number, scratch + job.schedule.interleaved_at[3])
    finish_interleaved(job, b, &inner, lanes)


cdef BlockRef block_ref(const Job *job, Py_ssize_t number) noexcept nogil:
    """The outputs of block `number`, and what they read."""
    cdef const Py_ssize_t *block = job.schedule.block
    cdef BlockRef b
    cdef Py_ssize_t index[1 + AXES]
    cdef Py_ssize_t start
    cdef int i
    unravel(number, job.schedule.blocks, 1 + AXES, index)
    b.first_outer = index[0] * block[0]
    b.outers = min(block[0], job.pooling.outer - b.first_outer)
    for i in range(AXES):
        start = index[1 + i] * block[1 + i]
        b.ranges[i] = read_range(&job.pooling.axis[i], start,
                                 min(start + block[1 + i], job.pooling.axis[i].outputs))
    return b
