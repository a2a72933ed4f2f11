"""Chains of filters along axes: each goes over what the one before gave, in the output's type.

An image that does not fit into the cache is gone through once: it is cut along one axis into
strips, and a strip passes all filters while it is in the cache. The filter along the cut axis
itself reads the positions beside its strip from the array, where it comes first; else those are
computed for each strip anew. Filters that the cut does not permit have a round of their own, in
which they work in place.
"""
from libc.math cimport fabs, floor, ldexp
from libc.stdlib cimport free, llabs, malloc

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._filters.lines cimport (
    EVEN, LARGEST, MEAN, ODD, SMALLEST, SUMS, Kind, Line, Region, buffer_bytes, filter_region,
)
from fastconv._filters.panel cimport (
    CONSTANT, DBL_EPSILON, MOST_AXES, PASS, WRAP, Array, Edge, array_of, is_same_place,
    magnitude_of, may_overlap, position,
)
from fastconv._kernels.dispatch cimport FC_F32, FC_F64, fc_table, kernels

cnp.import_array()

cdef enum:
    STRIP = 256 << 10  # bytes of a strip: with the buffers of the second-level cache
    LINES = 512        # bytes of a strip's runs, at least

cdef double DOUBLE_INTEGERS = 9007199254740992.0  # 2^53: all integers up to it are doubles
cdef Py_ssize_t LONGEST = <Py_ssize_t>1 << 40  # window: no size computed from it overflows

EDGES = {"nearest": 0, "wrap": 1, "grid-wrap": 1, "reflect": 2, "grid-mirror": 2, "mirror": 3,
         "constant": 4, "grid-constant": 4}

# Filters first … stop - 1 of a chain, over strips along one axis; `at` is the one along that
# axis, or -1. Without an axis to cut there is one strip.
cdef struct Round:
    int first, stop, cut, at
    Py_ssize_t rows

cdef struct Job:
    const fc_table *table
    const Line *lines
    int axes, chains
    const int *ends      # of each chain's lines
    Py_ssize_t *shape
    Array x, y
    bint in_place, squares
    Round round
    Py_ssize_t slab      # bytes of a strip's row
    char *memory         # of each thread: `bytes`, of which for lines `line_bytes`
    Py_ssize_t bytes, line_bytes, early_bytes


cdef class Filter:
    """A filter along one axis: what `Line` points to is kept here."""
    cdef Line line
    cdef double *weights

    def __dealloc__(self):
        PyMem_Free(self.weights)


def extreme(bint largest, int axis, Py_ssize_t size, Py_ssize_t origin, str mode, double outside):
    """The largest, or smallest, of windows of `size`."""
    return plain_filter(LARGEST if largest else SMALLEST, axis, size, origin, mode,
                        outside)


def uniform(int axis, Py_ssize_t size, Py_ssize_t origin, str mode, double outside):
    """The mean of windows of `size`, from a running sum."""
    return plain_filter(MEAN, axis, size, origin, mode, outside)


cdef Filter plain_filter(Kind kind, int axis, Py_ssize_t size, Py_ssize_t origin, str mode,
                         double outside):
    cdef Filter f = Filter.__new__(Filter)
    if not 0 <= size // 2 + origin < size:
        raise ValueError(f"a window of {size} with origin {origin}")
    if size > LONGEST:
        raise MemoryError(f"fastconv: no memory holds a window of {size}")
    f.line.kind, f.line.axis, f.line.taps = kind, axis, size
    f.line.before = size // 2 + origin
    f.line.edge, f.line.outside = <Edge>(<int>EDGES[mode]), outside
    f.line.weights, f.line.magnitude = NULL, size
    return f


def correlation(const double[:] weights, int axis, Py_ssize_t origin, str mode, double outside):
    """The sum of products with `weights`, in SciPy's order, for which symmetry is looked at."""
    cdef Py_ssize_t n = weights.shape[0], half = n // 2, i
    cdef Filter f = plain_filter(SUMS, axis, n, origin, mode, outside)
    cdef bint even = n % 2 == 1, odd = n % 2 == 1
    f.weights = <double *>PyMem_Malloc(n * sizeof(double))
    if f.weights == NULL:
        raise MemoryError()
    for i in range(n):
        f.weights[i] = weights[i]
    f.line.weights, f.line.magnitude = f.weights, magnitude_of(f.weights, n)
    for i in range(1, half + 1 if even else 0):
        even = even and not fabs(weights[half + i] - weights[half - i]) > DBL_EPSILON
        odd = odd and not fabs(weights[half + i] + weights[half - i]) > DBL_EPSILON
    if even or odd:
        f.line.kind = EVEN if even else ODD
    else:  # the last product comes first
        f.weights[0] = weights[n - 1]
        for i in range(n - 1):
            f.weights[i + 1] = weights[i]
    return f


# ---- rounds ----

cdef bint may_be_cut(const Line *line, const Array *x) noexcept nogil:
    """Whether outputs in the middle of a line can be computed alone: of running sums exact ones,
    which are of integers that double holds.
    """
    cdef double most = ldexp(1.0, 8 * x.size)
    if line.kind != MEAN:
        return True
    if x.type == FC_F32 or x.type == FC_F64:
        return False
    if line.edge == CONSTANT:
        if line.outside != floor(line.outside):
            return False
        most = max(most, fabs(line.outside))
    return line.taps * most <= DOUBLE_INTEGERS


cdef Py_ssize_t rows_of(Py_ssize_t slab, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """Positions of a strip along an axis: what the cache holds, and whole lines of it."""
    cdef Py_ssize_t least = LINES // max(llabs(stride), <long long>1)
    return max(min(max(STRIP // slab, least), n), <Py_ssize_t>1)


cdef Round round_along(const Job *job, int first, int stop, int cut, Py_ssize_t slab,
                       bint from_input) noexcept nogil:
    """The filters that strips along `cut` permit, from the first on."""
    cdef Round r
    cdef const Line *line
    r.first = r.stop = first
    r.cut, r.at, r.rows = cut, -1, rows_of(slab, job.shape[cut], job.y.strides[cut])
    while r.stop < stop:
        line = &job.lines[r.stop]
        if line.axis == cut:
            if not from_input or r.at >= 0:
                break
            if not may_be_cut(line, &job.x if r.stop == first else &job.y):
                break
            if r.stop > first and (line.edge == WRAP or 2 * (line.taps - 1) > r.rows):
                break
            r.at = r.stop
            r.rows = min(max(r.rows, 2 * (line.taps - 1)), job.shape[cut])
        r.stop += 1
    return r


cdef Round next_round(const Job *job, int first, int stop, bint from_input) noexcept nogil:
    """The round with most filters; of equals the one whose strips lie together."""
    cdef Round best, r
    cdef int cut
    best.first, best.stop, best.cut, best.at, best.rows = first, first, -1, -1, 0
    for cut in range(job.axes):
        if job.shape[cut] > 1 or (cut == job.axes - 1 and best.stop == first):
            r = round_along(job, first, stop, cut, slab_of(job, cut), from_input)
            if r.stop > best.stop:
                best = r
    if best.stop == first:
        best.stop = first + 1
    return best


# ---- a strip ----

cdef void whole(const Job *job, Region *region) noexcept nogil:
    cdef int axis
    for axis in range(job.axes):
        region.start[axis], region.count[axis] = 0, job.shape[axis]


cdef void needed(const Line *line, Py_ssize_t n, Py_ssize_t *start,
                 Py_ssize_t *stop) noexcept nogil:
    """The positions that outputs start … stop - 1 read, instead of these."""
    cdef Py_ssize_t low = n, high = 0, at, of
    for at in range(start[0] - line.before, stop[0] - line.before + line.taps - 1):
        of = position(line.edge, at, n)
        if of >= 0:
            low, high = min(low, of), max(high, of + 1)
    start[0], stop[0] = min(low, high), high


cdef Array contiguous(const Job *job, int cut, Py_ssize_t start, Py_ssize_t rows,
                      char *memory) noexcept nogil:
    """Rows of an image of y's type in scratch memory, as the array that they are a part of."""
    cdef Array a
    cdef Py_ssize_t stride = job.y.size
    cdef int axis = job.axes - 1
    a.size, a.type, a.plain, a.swapped = job.y.size, job.y.type, True, False
    while axis >= 0:
        a.strides[axis] = stride
        stride *= rows if axis == cut else job.shape[axis]
        axis -= 1
    a.data = memory - (start * a.strides[cut] if cut >= 0 else 0)
    return a


cdef Py_ssize_t lines_of(const Job *job, const Line *line) noexcept nogil:
    return slab_of(job, line.axis) // job.y.size


cdef void run_line(const Job *job, int i, const Array *x, const Array *y, const Region *region,
                   bint in_place, int thread) noexcept nogil:
    cdef const Line *line = &job.lines[i]
    filter_region(job.table, line, job.axes, job.shape[line.axis], lines_of(job, line), x, y,
                  region, in_place, job.memory + thread * job.bytes)


cdef void run_filters(const Job *job, const Round *r, const Array *dst, Region *region,
                      int thread) noexcept nogil:
    """A strip of the result of filters first … stop - 1, to where it belongs in dst."""
    cdef Array early
    cdef Py_ssize_t start, stop, wanted_start, wanted
    cdef int i = r.first
    cdef bint in_place = job.in_place
    if r.at > r.first:
        wanted_start, wanted = region.start[r.cut], region.count[r.cut]
        start, stop = wanted_start, wanted_start + wanted
        needed(&job.lines[r.at], job.shape[r.cut], &start, &stop)
        early = contiguous(job, r.cut, start, stop - start,
                           job.memory + thread * job.bytes + job.line_bytes)
        region.start[r.cut], region.count[r.cut] = start, stop - start
        while i < r.at:
            run_line(job, i, &job.x if i == r.first else &early, &early, region, i > r.first,
                     thread)
            i += 1
        region.start[r.cut], region.count[r.cut] = wanted_start, wanted
        run_line(job, i, &early, dst, region, False, thread)
        i += 1
        in_place = True
    while i < r.stop:
        run_line(job, i, dst if in_place else &job.x, dst, region, in_place, thread)
        in_place = True
        i += 1


cdef void run_strip(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """One strip; of several chains the results' sum, or the root of that of their squares."""
    cdef const Job *job = <const Job *>context
    cdef Region region
    cdef Array term
    cdef Round r = job.round
    cdef Py_ssize_t n = 0
    cdef char *sums
    cdef char *memory = job.memory + thread * job.bytes + job.line_bytes + job.early_bytes
    cdef int k
    whole(job, &region)
    if r.cut >= 0:
        region.start[r.cut] = task * r.rows
        region.count[r.cut] = min(r.rows, job.shape[r.cut] - region.start[r.cut])
    if job.chains == 1:
        run_filters(job, &r, &job.y, &region, thread)
        return
    n = region.count[r.cut] * job.slab // job.y.size
    sums = job.y.data + region.start[r.cut] * job.y.strides[r.cut]
    term = contiguous(job, r.cut, region.start[r.cut], region.count[r.cut], memory)
    for k in range(job.chains):
        r = round_along(job, 0 if k == 0 else job.ends[k - 1], job.ends[k], r.cut, job.slab, True)
        run_filters(job, &r, &job.y if k == 0 else &term, &region, thread)
        if job.squares:
            job.table.filters.square[<int>job.y.type](n, sums if k == 0 else memory)
        if k > 0:
            job.table.filters.add[<int>job.y.type](n, memory, sums)
    if job.squares:
        job.table.filters.root[<int>job.y.type](n, sums)


# ---- the whole ----

cdef void set_bytes(Job *job, Py_ssize_t rows) noexcept nogil:
    """What a thread works in: the buffers of a line, rows beside a strip, and a chain's strip."""
    cdef Round *r = &job.round
    cdef const Line *line
    cdef bint in_place
    cdef int i, chain = 0, first = r.first
    job.line_bytes = job.early_bytes = 0
    for i in range(r.first, r.stop):
        line = &job.lines[i]
        if job.chains > 1 and i == job.ends[chain]:
            chain, first = chain + 1, i
        in_place = line.axis != r.cut and (i > first or job.in_place)
        job.line_bytes = max(job.line_bytes, buffer_bytes(
            line, job.shape[line.axis], lines_of(job, line), in_place))
        if line.axis == r.cut and i > first:
            job.early_bytes = max(job.early_bytes,
                                  min(rows + line.taps, job.shape[r.cut]) * job.slab)
    job.line_bytes = (job.line_bytes + 127) // 64 * 64
    job.early_bytes = (job.early_bytes + 127) // 64 * 64
    job.bytes = job.line_bytes + job.early_bytes
    if job.chains > 1:
        job.bytes += (rows * job.slab + 127) // 64 * 64


cdef int run_round(Job *job, str function, object num_threads) except -1:
    """All strips of the job's round."""
    cdef double work = work_of(job, job.round.first, job.round.stop)
    cdef int threads = threads_for(function, num_threads, work), cut = job.round.cut
    cdef Py_ssize_t tasks = 1, rows = job.round.rows, n
    cdef Scratch memory
    if cut >= 0:
        n = job.shape[cut]
        if job.chains == 1 and job.round.stop == job.round.first + 1:  # nothing comes back to it
            rows = max(rows, (n + 4 * threads - 1) // (4 * threads))
        if threads > 1:  # strips enough for all
            rows = min(rows, (n + 2 * threads - 1) // (2 * threads))
        job.round.rows = rows
        job.slab = slab_of(job, cut)
        tasks = (n + rows - 1) // rows
    threads = <int>min(<Py_ssize_t>threads, tasks)
    set_bytes(job, rows)
    memory = acquire(threads * job.bytes)
    job.memory = memory.data
    parallel_for(run_strip, job, tasks, threads, work)
    return 0


cdef Py_ssize_t slab_of(const Job *job, int cut) noexcept nogil:
    """Bytes of y for a position of the cut axis."""
    cdef Py_ssize_t bytes = job.y.size
    cdef int axis
    for axis in range(job.axes):
        if axis != cut:
            bytes *= job.shape[axis]
    return bytes


cdef double work_of(const Job *job, int first, int stop) noexcept:
    """Operations: two for each product, and what it takes to move an element."""
    cdef double elements = 1, work = 0
    cdef int i
    for i in range(job.axes):
        elements *= job.shape[i]
    for i in range(first, stop):
        work += elements * (PASS + (0 if job.lines[i].kind >= MEAN else 2 * job.lines[i].taps))
    return work


cdef bint is_one_round(Job *job) noexcept:
    """Whether all chains can share strips, which lie together in y; sets the round if so."""
    cdef Round r
    cdef Py_ssize_t stride = job.y.size, rows = 1
    cdef int axis = job.axes - 1, cut = job.axes - 1, k, first = 0
    if job.in_place or not job.y.plain:
        return False
    while axis >= 0:
        if job.shape[axis] > 1:
            if job.y.strides[axis] != stride:
                return False
            cut = axis
        stride *= job.shape[axis]
        axis -= 1
    job.slab = slab_of(job, cut)
    for k in range(job.chains):
        r = round_along(job, first, job.ends[k], cut, job.slab, True)
        if r.stop < job.ends[k]:
            return False
        rows = max(rows, r.rows)
        first = job.ends[k]
    job.round.first, job.round.stop = 0, job.ends[job.chains - 1]
    job.round.cut, job.round.at, job.round.rows = cut, -1, rows
    return True


def run(str function, cnp.ndarray x, cnp.ndarray y, list chains, bint squares, num_threads):
    """y = the filters of a chain, one after the other; of several chains their sum, or the root of
    the sum of their squares. False, and nothing done, where several cannot share strips.
    """
    cdef Job job
    cdef Line *lines = NULL
    cdef int *ends = NULL
    cdef Py_ssize_t[MOST_AXES] shape
    cdef Filter f
    cdef int count = 0, i
    job.in_place = is_same_place(x, y)
    if not job.in_place and may_overlap(x, y):
        x = x.copy()
    job.table, job.axes, job.chains = kernels(), cnp.PyArray_NDIM(x), len(chains)
    job.x, job.y, job.shape, job.squares = array_of(x), array_of(y), shape, squares
    for i in range(job.axes):
        shape[i] = cnp.PyArray_DIM(x, i)
    for chain in chains:
        count += len(chain)
    lines = <Line *>malloc(count * sizeof(Line))
    ends = <int *>malloc(job.chains * sizeof(int))
    try:
        if lines == NULL or ends == NULL:
            raise MemoryError()
        job.lines, job.ends = lines, ends
        count = 0
        for i, chain in enumerate(chains):
            for f in chain:
                lines[count] = f.line
                count += 1
            ends[i] = count
        return run_job(&job, function, num_threads)
    finally:
        free(lines)
        free(ends)


cdef bint run_job(Job *job, str function, object num_threads) except -1:
    cdef int i = 0
    if job.chains > 1 or job.squares:
        if job.squares and job.table.filters.root[<int>job.y.type] == NULL:
            return False
        if job.chains == 1 or not is_one_round(job):
            return False
        run_round(job, function, num_threads)
        return True
    while i < job.ends[0]:
        job.round = next_round(job, i, job.ends[0], not job.in_place)
        run_round(job, function, num_threads)
        job.x, job.in_place = job.y, True
        i = job.round.stop
    return True
