"""Planes side by side: element i of all of them, then element i + 1 of all.

What vectors want of small planes whose rows hold few windows, or windows far apart: with planes in
their lanes they are full whatever the windows. So some planes at a time are turned into scratch
memory, are reduced there as if they were the channels of a channels-last image, and their results
are turned back.
"""
from libc.stdint cimport int64_t

from fastconv._core.blocks cimport Arena, reserve
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.padding cimport AXES
from fastconv._desc.pool cimport ADAPTIVE, REGULAR, pool_axis
from fastconv._kernels.dispatch cimport FC_F32, FC_F64, fc_kernels
from fastconv._pooling.axis cimport is_trivial
from fastconv._pooling.schedule cimport (
    BlockRef, INTERLEAVED, Job, MAX, MEAN, MEAN_GRADIENT, MIN, NORM, ONE_AFTER_THE_OTHER, Pooling,
    SQUARE_WINDOWS, Schedule, count_blocks, operation, set_tasks,
)

cdef enum:
    INTERLEAVED_BYTES = 1 << 18  # of planes side by side, and their results: the second cache's
    MAX_LANES_BYTES = 256        # of the elements of one place, at most: four lines of the cache
    LANES_UNIT = 8               # planes: a vector of floats
    FEWEST_LANES = 2             # a plane alone is turned twice: one lane would be no vector
    # From here on rows hold windows enough without (measured on AVX2, 900 random poolings):
    FEW_SQUARES = 5              # windows that have a kernel of their own,
    FEW_WINDOWS = 8              # neighbours, or pairs and triples two apart,
    SOME_WINDOWS = 32            # searches, and the same with more taps than MANY_TAPS,
    MANY_TAPS = 8
    LONG_WINDOW = 16             # elements side by side, which fill vectors alone


cdef inline Py_ssize_t interleaved_lanes(const Pooling *p, const Schedule *s,
                                         Py_ssize_t planes) noexcept:
    """How many planes lie side by side, of the `planes` of an image; 0: none had better."""
    cdef Py_ssize_t size = max(s.input.size, p.out_size), lanes
    cdef double bytes = (elements_of(p) + results_of(p)) * size
    if (planes < LANES_UNIT or (s.input.size != 4 and s.input.size != 8)
            or bytes * LANES_UNIT > INTERLEAVED_BYTES or not suits_lanes(p, s)):
        return 0
    lanes = min(MAX_LANES_BYTES // size, <Py_ssize_t>(INTERLEAVED_BYTES / bytes))
    # groups of about the same size
    return round_up(ceil_div(planes, ceil_div(planes, lanes)), LANES_UNIT)


cdef inline bint suits_lanes(const Pooling *p, const Schedule *s) noexcept:
    """Whether rows leave vectors idle: few windows in each, or windows far apart."""
    cdef const pool_axis *columns = &p.axis[2]
    cdef Py_ssize_t n = columns.outputs
    cdef Py_ssize_t taps = columns.kernel
    if not keeps_order(p, s):
        return False
    if columns.kind == ADAPTIVE:
        taps = columns.length // n
    if p.op == MEAN_GRADIENT or p.inner > 1:
        return p.inner < LANES_UNIT
    if p.has_positions:
        return n < SOME_WINDOWS or taps >= LONG_WINDOW
    if n == 1 and is_trivial(&p.axis[0]) and is_trivial(&p.axis[1]):
        return False  # one window, of neighbours
    if s.method == SQUARE_WINDOWS:
        return n < FEW_SQUARES
    if taps >= LONG_WINDOW and columns.dilation == 1 and n < LANES_UNIT // 2:
        return False
    if not are_neighbours(p.op, columns):
        return True
    if p.axis[0].kernel * p.axis[1].kernel * taps < MANY_TAPS:
        return n < FEW_WINDOWS
    return n < SOME_WINDOWS and not is_trivial(&p.axis[1])


cdef inline bint keeps_order(const Pooling *p, const Schedule *s) noexcept:
    """Whether sums have the order that they have without: how many windows a row holds must not
    change them, since streams and chunks cut rows. Long windows by themselves add neighbours side
    by side."""
    cdef const pool_axis *columns = &p.axis[2]
    cdef Py_ssize_t taps = columns.kernel
    if p.op != MEAN and p.op != MEAN_GRADIENT:
        return p.op != NORM
    if columns.kind == ADAPTIVE:
        taps = columns.length // max(columns.outputs, 1) + 1
    return (taps <= ONE_AFTER_THE_OTHER or s.doubles[2] or p.type not in (FC_F32, FC_F64)
            or (columns.stride == 1 and columns.outputs > 1))


cdef inline bint are_neighbours(operation op, const pool_axis *axis) noexcept:
    """Whether kernels make several windows of a row from a vector."""
    return axis.kind == REGULAR and (axis.stride == 1 or (axis.dilation == 1 and (
        axis.stride == 2 and 2 <= axis.kernel <= 3
        or axis.stride == axis.kernel == 3 and (op == MAX or op == MIN))))


cdef inline double elements_of(const Pooling *p) noexcept nogil:
    """Elements of a plane."""
    return <double>p.axis[0].length * p.axis[1].length * p.axis[2].length * p.inner


cdef inline double results_of(const Pooling *p) noexcept nogil:
    """Results of a plane."""
    return <double>p.axis[0].outputs * p.axis[1].outputs * p.axis[2].outputs * p.inner


cdef inline void set_interleaved(const Pooling *p, Py_ssize_t lanes, const Schedule *inner,
                                 double work, Schedule *s) noexcept:
    """Blocks of so many planes, with room for what they read and make, and for `inner`'s job."""
    cdef Py_ssize_t elements = <Py_ssize_t>elements_of(p), results = <Py_ssize_t>results_of(p)
    cdef Arena arena
    cdef int i
    s.method = INTERLEAVED
    s.block[0] = lanes
    for i in range(AXES):
        s.block[1 + i] = p.axis[i].outputs
    count_blocks(p, s)
    set_tasks(s, work)
    arena.size = 0
    s.interleaved_at[0] = reserve(&arena, elements * lanes * s.input.size)
    s.interleaved_at[1] = reserve(&arena, results * lanes * p.out_size)
    s.interleaved_at[2] = reserve(
        &arena, results * lanes * sizeof(int64_t) if p.has_positions else 0)
    s.interleaved_at[3] = reserve(&arena, inner.scratch_size)
    s.scratch_size = arena.size


cdef inline Py_ssize_t start_interleaved(const Job *job, const BlockRef *b, char *scratch,
                                         Pooling *p, Job *inner) noexcept nogil:
    """Turn the planes of a block into scratch memory, and describe what is to be done there."""
    cdef const Schedule *s = job.schedule
    cdef Py_ssize_t lanes = max(b.outers, FEWEST_LANES)
    cdef Py_ssize_t n = <Py_ssize_t>elements_of(job.pooling)
    p[0] = job.interleaved.pooling[0]
    p.inner = lanes * job.pooling.inner
    inner[0] = job.interleaved[0]
    inner.pooling = p
    inner.x = scratch + s.interleaved_at[0]
    inner.y = scratch + s.interleaved_at[1]
    inner.positions = <int64_t *>(scratch + s.interleaved_at[2]) if p.has_positions else NULL
    turning(s, s.input.size).transpose(
        lanes, n, job.x + b.first_outer * n * s.input.size, n if b.outers > 1 else 0,
        <char *>inner.x, lanes)
    return lanes


cdef inline void finish_interleaved(const Job *job, const BlockRef *b, const Job *inner,
                                    Py_ssize_t lanes) noexcept nogil:
    """Turn the results of a block, and their positions, to where they belong."""
    cdef const Pooling *p = job.pooling
    cdef Py_ssize_t n = <Py_ssize_t>results_of(p)
    cdef Py_ssize_t at = b.first_outer * n
    turning(job.schedule, p.out_size).transpose(
        n, b.outers, inner.y, lanes, job.y + at * p.out_size, n)
    if p.has_positions:
        turning(job.schedule, sizeof(int64_t)).transpose(
            n, b.outers, inner.positions, lanes, job.positions + at, n)


cdef inline const fc_kernels *turning(const Schedule *s, Py_ssize_t size) noexcept nogil:
    """The kernels that move elements of 4 or 8 bytes, whatever their type."""
    return &s.table.f32 if size == 4 else &s.table.f64
