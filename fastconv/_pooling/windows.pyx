"""Reductions over windows: maxima, minima, sums, averages and norms, and the average's gradient.

Every pooling is separable: along each axis it is a list of windows, each some elements equally
spaced (`fastconv._desc.pool.window`), whether regular, adaptive, global, or the way back of a gradient.
So one driver serves all. An array is (outer, axis 0, axis 1, axis 2, inner), with the channels
among `outer` or `inner` as the layout has them; axes where nothing happens join their neighbours.
A task takes tiles of outputs, and reduces what a tile reads one axis after the other, each time
elementwise over all that lies inside of the axis, so that vectors are full whatever the stride.

An axis is reduced in one of two ways. *Direct*: all taps of each window. *Doubling*, where
windows are long and overlap: in place, each element becomes the result of 2, 4, 8, … elements
from itself on, and a window is put together from such pieces: for a maximum from two that may
overlap, for a sum from those that the binary digits of its length name. That takes log2(k) steps
whatever the data, without a subtraction, so that no rounding error, NaN or infinity leaks from
one window into another, and sums are added in pairs.

Small square windows of float32 and float64 have a kernel of their own, which reads planes in
place and reduces both axes at once; and so have small planes that are one window each. Other planes
that are small are laid out with their padding first, many of them one after the other. All windows
are whole then, and elementwise steps run over the ends of rows and planes; what they make there is
left behind.

A search for positions carries an index beside each element, and takes the axes from the last to the
first, so that the first of equal elements in row-major order wins.
"""
import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY, cbrt, fabs, floor, fma, frexp, ldexp, log2, pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastconv._core.integers cimport parts
from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._desc.pool cimport (
    ADAPTIVE, ADJOINT, AXES, REGULAR, PoolDesc, adjoint, counted, pool_axis, span, window,
)
from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, FC_I8, FC_I16, FC_I32, FC_I64, FC_U8, FC_U16, FC_U32, FC_U64, fc_global_pool,
    fc_pool, fc_pool_2x2_3x3, fc_pool_windows, fc_pools, fc_search, fc_search_shifted, fc_shifted,
    fc_table, fc_type, fc_windows, kernels,
)

cnp.import_array()

cdef enum operation:
    MAX, MIN, MEAN, NORM, SPREAD

cdef enum:
    TILE = 8192       # elements that a tile reads, about, and its intermediate results
    STRIP = 1024      # elements of a row that a tile reads, about, where columns are doubled
    SMALL = 10        # vectors of a plane that a kernel reduces whole
    DEEPEST = 14      # additions in a row that keep a float32 average within its contract

# How to reduce along one axis: an element in and out, and an index.
cdef struct Steps:
    fc_pool pool
    fc_search search
    fc_shifted double_up
    fc_search_shifted search_double
    bint sums
    Py_ssize_t size, out_size, index_size

cdef struct Buffer:
    char *values
    char *indices

cdef struct Job:
    operation op
    const fc_table *table
    const fc_pools *source      # kernels for the elements of x
    const fc_pools *inside      # for those of intermediate results
    Steps first, later          # the reduction that reads x, and those after it
    pool_axis axis[AXES]
    pool_axis forward[AXES]     # SPREAD: the axes of the pooling itself
    bint doubles[AXES]
    bint loads                  # a tile is copied to scratch before it is reduced
    fc_pool_2x2_3x3 square      # windows are small squares, which a kernel reads in place;
    fc_pool_windows window      # what it is told
    fc_global_pool whole        # planes are small, and each one window: the kernel for them
    bint pads                   # a tile is whole planes, laid out with their padding,
    Py_ssize_t padded[2]        # of so many rows, so far apart,
    char neutral[8]             # with this element
    bint count_padding
    double divisor              # 0: count
    double power                # NORM
    int divide                  # index of the kernel that divides
    char *x
    char *y
    int64_t *where
    Py_ssize_t y_size
    Py_ssize_t outer, inner
    Py_ssize_t block[1 + AXES]  # outputs of a tile: outer, and three axes
    Py_ssize_t tiles[1 + AXES]
    Py_ssize_t all_tiles, tiles_per_task
    char *scratch
    Py_ssize_t area[3]          # where the three areas of scratch begin, after divisors
    Py_ssize_t scratch_size

# What one tile covers on each axis: outputs lo … hi - 1 read inputs origin … end - 1.
cdef struct Extent:
    Py_ssize_t lo, hi, origin, end


cdef dict neutral_elements():
    """The bytes of what no maximum and no minimum notices, by dtype and operation."""
    found = {}
    for char in "?bBhHiIlLqQfd":
        dtype = np.dtype(char.replace("?", "B"))
        low, high = (-np.inf, np.inf) if dtype.kind == "f" else (
            np.iinfo(dtype).min, np.iinfo(dtype).max)
        for op, value in (("max", low), ("min", high)):
            found[char, op] = np.array(value, dtype).tobytes().ljust(8)
    return found


cdef dict NEUTRAL = neutral_elements()
cdef dict OPERATIONS = {"max": MAX, "min": MIN, "mean": MEAN, "norm": NORM}
cdef object float32 = np.dtype(np.float32)


cdef fc_type type_of(dtype) except *:
    if dtype is float32:
        return FC_F32
    kind, size = dtype.kind, dtype.itemsize
    if kind == "f":
        return FC_F32 if size == 4 else FC_F64
    if kind == "i":
        return {1: FC_I8, 2: FC_I16, 4: FC_I32, 8: FC_I64}[size]
    return {1: FC_U8, 2: FC_U16, 4: FC_U32, 8: FC_U64}[size]


# ---- the axes -------------------------------------------------------------------------------

cdef bint idle(const pool_axis *a) noexcept:
    """Whether each window of the axis is one element, and each element one window."""
    return a.kind == REGULAR and a.kernel == 1 and a.stride == 1 and a.before == 0 and (
        a.outputs == a.length)


cdef bint single(const pool_axis *a) noexcept nogil:
    """Whether there is no such axis, as good as."""
    return a.length == 1 and a.outputs == 1 and a.kernel == 1


cdef bint whole(const pool_axis *a) noexcept:
    """Whether the only window is the axis, without padding."""
    return a.outputs == 1 and a.kernel == a.length and a.before == 0 and a.after == 0 and (
        a.dilation == 1)


cdef void simplify(Job *job) noexcept:
    """Join axes to one, where windows or their absence allow it."""
    cdef pool_axis *a = job.axis
    cdef pool_axis none = a[0]
    cdef bint searches = job.where != NULL
    cdef double longest
    none.kind = REGULAR
    none.length = none.outputs = none.kernel = none.stride = none.dilation = 1
    none.before = none.after = 0
    for _ in range(AXES - 1):
        if idle(&a[2]) and (single(&a[2]) or not searches):
            # positions only count elements: they belong to the inside
            job.inner *= a[2].length
        elif (whole(&a[2]) and a[1].kind == REGULAR and a[1].dilation == 1
              and not single(&a[1])):
            longest = (<double>a[1].kernel + a[1].stride + a[1].length) * a[2].length
            if longest > 1e15:
                break
            a[1].kernel *= a[2].length
            a[1].stride *= a[2].length
            a[1].before *= a[2].length
            a[1].after *= a[2].length
            a[1].length *= a[2].length
        else:
            break
        a[2], a[1], a[0] = a[1], a[0], none
    for i in range(AXES - 1):
        if not (idle(&a[i]) and (single(&a[i]) or not searches)):
            break
        job.outer *= a[i].length
        a[i] = none


cdef bint worth_doubling(const pool_axis *a) noexcept:
    """Whether log2(k) steps over all elements are less than k over each window's."""
    return a.kind == REGULAR and a.kernel >= 8 and (
        a.kernel > a.stride * (2 + 2 * bits(a.kernel))) and a.outputs > 1


cdef bint worth_padding(Job *job) noexcept:
    """Whether tiles are whole planes, laid out with their padding; and how large these are."""
    cdef const pool_axis *rows = &job.axis[1]
    cdef const pool_axis *columns = &job.axis[2]
    cdef double height, width
    if (job.op not in (MAX, MIN, MEAN) or job.where != NULL or job.loads or job.inner != 1
            or not single(&job.axis[0]) or single(rows) or columns.kernel == 1
            or rows.kind != REGULAR or columns.kind != REGULAR
            or rows.stride > 2 or columns.stride > 2):
        return False
    height = (rows.outputs - 1.0) * rows.stride + (rows.kernel - 1.0) * rows.dilation + 1
    width = (columns.outputs - 1.0) * columns.stride + (columns.kernel - 1.0) * columns.dilation + 1
    if height * (width + columns.stride) > TILE or height <= rows.before or (
            width <= columns.before):
        return False
    job.padded[0] = <Py_ssize_t>height
    job.padded[1] = parts(<Py_ssize_t>width, columns.stride) * columns.stride
    return True


cdef fc_pool_2x2_3x3 square_for(Job *job) noexcept:
    """The kernel of small square windows for this job, or NULL."""
    cdef const pool_axis *rows = &job.axis[1]
    cdef const pool_axis *columns = &job.axis[2]
    if (job.op not in (MAX, MIN, MEAN) or job.where != NULL or job.loads or job.inner != 1
            or job.source != job.inside or not single(&job.axis[0])
            or rows.kind != REGULAR or columns.kind != REGULAR
            or rows.dilation != 1 or columns.dilation != 1
            or rows.kernel != columns.kernel or rows.stride != columns.stride
            or not 2 <= rows.kernel <= 3 or not 1 <= rows.stride <= 2
            or (job.op == MEAN and job.divisor == 0)):
        return NULL
    job.window.height, job.window.width = rows.length, columns.length
    job.window.top, job.window.left = rows.before, columns.before
    job.window.out_width = columns.outputs
    return job.source.pool_2x2_3x3[<int>job.op][rows.kernel - 2][rows.stride - 1]


cdef fc_global_pool whole_for(Job *job) noexcept:
    """The kernel of small planes that are one window each for this job, or NULL."""
    cdef const pool_axis *plane = &job.axis[2]
    if (job.op not in (MAX, MIN, MEAN) or job.where != NULL or job.loads or job.inner != 1
            or job.source != job.inside or not single(&job.axis[0]) or not single(&job.axis[1])
            or plane.kind != REGULAR or not whole(plane)
            or plane.length > SMALL * (job.table.vector_bytes // job.source.size)
            or (job.op == MEAN and job.divisor == 0)):
        return NULL
    return job.source.global_pool[<int>job.op]


cdef int bits(Py_ssize_t n) noexcept:
    cdef int count = 0
    while n:
        n >>= 1
        count += 1
    return count


cdef Py_ssize_t most_read(const pool_axis *a, Py_ssize_t n) noexcept:
    """The most elements that n neighbouring windows span."""
    if a.kind == REGULAR:
        return min(a.length, (n - 1) * a.stride + (a.kernel - 1) * a.dilation + 1)
    if a.kind == ADAPTIVE:
        return min(a.length, n * (a.length // a.outputs + 1) + 1)
    return min(a.length, (n - 1 + (a.kernel - 1) * a.dilation) // a.stride + 2)


cdef Extent extent(const pool_axis *a, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Extent e
    cdef span last
    e.lo, e.hi = lo, hi
    if a.kind == REGULAR:
        e.origin = max(0, lo * a.stride - a.before)
        e.end = max(e.origin, min(a.length, (hi - 1) * a.stride - a.before
                                  + (a.kernel - 1) * a.dilation + 1))
    elif a.kind == ADAPTIVE:
        last = window(a, hi - 1)
        e.origin = window(a, lo).first
        e.end = last.first + last.taps
    else:
        e.origin = max(0, (lo + a.before - (a.kernel - 1) * a.dilation + a.stride - 1) // a.stride)
        e.end = max(e.origin, min(a.length, (hi - 1 + a.before) // a.stride + 1))
    return e


cdef Py_ssize_t outputs_for(const pool_axis *a, Py_ssize_t elements, bint doubles) noexcept:
    """How many windows a tile takes so that it reads about `elements`, and not much twice."""
    cdef Py_ssize_t extent = (a.kernel - 1) * a.dilation + 1
    if a.kind == ADJOINT:
        return max(1, min(a.outputs, max(elements, 4 * (extent // a.stride)) * a.stride))
    if a.kind == REGULAR and (doubles or extent > a.stride):
        elements = max(elements, (2 if doubles else 4) * extent)
    return max(1, min(a.outputs, elements // a.stride if a.kind == REGULAR
                      else elements // (a.length // a.outputs + 1)))


cdef void cut(Job *job) noexcept:
    """Choose tiles, by the geometry of one image alone, and the scratch that they need."""
    cdef pool_axis *a = job.axis
    cdef int i
    cdef bint columns = job.doubles[0] or job.doubles[1]
    cdef Py_ssize_t run
    cdef Py_ssize_t reads[AXES]
    if job.pads:
        run = job.padded[0] * job.padded[1]
        job.block[0] = max(1, min(job.outer, TILE // run))
        job.all_tiles = job.tiles[0] = parts(job.outer, job.block[0])
        for i in range(AXES):
            job.block[1 + i], job.tiles[1 + i] = a[i].outputs, 1
        # planes with padding; after axis 1; after axis 2
        job.scratch_size = parts(8 * a[2].outputs, 64) * 64
        for i in range(3):
            job.area[i] = job.scratch_size
            job.scratch_size += parts(8 * job.block[0] * run, 64) * 64
        return
    job.block[3] = outputs_for(&a[2], max(1, (STRIP if columns else TILE // 2) // job.inner),
                               job.doubles[2])
    reads[2] = most_read(&a[2], job.block[3])
    run = reads[2] * job.inner
    job.block[2] = outputs_for(&a[1], max(1, TILE // run), job.doubles[1])
    reads[1] = most_read(&a[1], job.block[2])
    job.block[1] = outputs_for(&a[0], 1, job.doubles[0]) if job.doubles[0] else 1
    reads[0] = most_read(&a[0], job.block[1])
    job.block[0] = 1
    if single(&a[0]) and single(&a[1]):
        job.block[0] = max(1, min(job.outer, TILE // run))
        if job.whole != NULL:
            job.block[0] = parts(job.block[0], 16) * 16  # whole vectors of results
    elif job.square != NULL and job.block[2] == a[1].outputs and job.block[3] == a[2].outputs:
        job.block[0] = max(1, min(job.outer, TILE // (reads[1] * run)))
    job.tiles[0] = parts(job.outer, job.block[0])
    job.all_tiles = job.tiles[0]
    for i in range(AXES):
        job.tiles[1 + i] = parts(a[i].outputs, job.block[1 + i])
        job.all_tiles *= job.tiles[1 + i]
    areas(job, reads, run)


cdef void areas(Job *job, const Py_ssize_t *reads, Py_ssize_t run) noexcept:
    cdef Py_ssize_t *block = job.block
    cdef Py_ssize_t width = block[3] * job.inner, element = max(job.inside.size, 8)
    cdef Py_ssize_t size[3]
    cdef int i
    if job.where != NULL:
        # a row that is copied, and what comes after axis 0; after axis 2; after axis 1
        element = job.inside.size + job.inside.index_size
        size[0] = max(run, block[1] * block[2] * width) * element
        size[1] = max(block[0], reads[0] * reads[1]) * width * element
        size[2] = reads[0] * block[2] * width * element
    else:
        # what is copied; after axis 0; after axis 1; sums before they are divided where free
        size[0] = block[0] * block[2] * width * element
        if job.loads:
            size[0] = max(size[0], block[0] * reads[0] * reads[1] * run * element)
        size[1] = 0 if single(&job.axis[0]) else block[1] * reads[1] * run * element
        size[2] = max(block[1] * block[2] * run, block[0] * width) * element
    job.scratch_size = parts(8 * max(block[3], reads[2]), 64) * 64
    for i in range(3):
        job.area[i] = job.scratch_size
        job.scratch_size += parts(size[i] + 8, 64) * 64


# ---- one axis -------------------------------------------------------------------------------

cdef inline void call(const Steps *steps, const fc_windows *w, Buffer from_, Py_ssize_t start,
                      Buffer into, Py_ssize_t at) noexcept nogil:
    if w.inner == 0:
        return
    if steps.search == NULL:
        steps.pool(w, from_.values + start * steps.size, into.values + at * steps.out_size)
    else:
        steps.search(w, from_.values + start * steps.size,
                     NULL if from_.indices == NULL else from_.indices + start * steps.index_size,
                     into.values + at * steps.out_size, into.indices + at * steps.index_size)


cdef void nothing(const Steps *steps, const fc_windows *w, Buffer into,
                  Py_ssize_t at) noexcept nogil:
    """Empty windows, whose sum is zero."""
    cdef Py_ssize_t r, o
    for r in range(w.rows):
        for o in range(w.n):
            memset(into.values + (at + r * w.out_row + o * w.out_step) * steps.out_size, 0,
                   w.inner * steps.out_size)


cdef void reduce_axis(const Steps *steps, const pool_axis *axis, bint doubles, const Extent *e,
                      fc_windows *w, Py_ssize_t pitch, Buffer from_, Py_ssize_t length,
                      Buffer into) noexcept nogil:
    """Windows e.lo … e.hi - 1 of `axis`, for w.rows rows.

    from_ begins with input e.origin; neighbours on the axis are `pitch` elements apart. w holds
    what does not depend on the axis: rows, row_step, out_row, inner, out_step, where_first (of
    input e.origin), where_row. Doubling overwrites the `length` elements of from_.
    """
    cdef Py_ssize_t first = e.hi, last = e.hi, o, piece = 1, most, phase
    cdef Py_ssize_t where_first = w.where_first, rows
    cdef bint merged = False
    cdef span s
    w.more = 0
    if axis.kind == ADJOINT:
        # Windows that are a stride apart are neighbours in what they read.
        for phase in range(min(axis.stride, e.hi - e.lo)):
            reduce_phase(steps, axis, e, phase, w, pitch, from_, into)
        return
    if axis.kind == REGULAR:
        # windows that lie inside the input entirely
        first = max(e.lo, (axis.before + axis.stride - 1) // axis.stride)
        most = axis.length + axis.before - (axis.kernel - 1) * axis.dilation - 1
        last = min(e.hi, most // axis.stride + 1 if most >= 0 else 0)
        if first >= last:
            first = last = e.hi
        elif (w.rows > 1 and w.inner == 1 and w.out_step == 1 and not doubles
              and steps.search == NULL and w.out_row == e.hi - e.lo
              and w.row_step == axis.stride * w.out_row):
            # Rows follow each other at the windows' pace: they are one, and what it makes of
            # the ends is made again below.
            rows = w.rows
            w.rows = 1
            w.n = (rows - 1) * w.out_row + last - first
            w.stride, w.taps, w.tap = axis.stride, axis.kernel, axis.dilation
            call(steps, w, from_, first * axis.stride - axis.before - e.origin, into, first - e.lo)
            w.rows = rows
            merged = True
    while True:
        o = e.lo
        while o < e.hi:
            most = e.hi
            if o < first:
                most = first
            if o == first:
                s.first, s.taps = o * axis.stride - axis.before, axis.kernel
                s.step = axis.dilation
                w.n, w.stride, w.where_step = last - first, axis.stride * pitch, axis.stride
            else:
                s = window(axis, o)
                w.n, w.stride, w.where_step = 1, 0, 0
                while o + w.n < most and same(s, window(axis, o + w.n)):
                    w.n += 1
            w.where_first = where_first + s.first - e.origin
            w.where_tap = s.step
            w.taps, w.tap = s.taps, s.step * pitch
            if s.taps == 0:
                nothing(steps, w, into, (o - e.lo) * w.out_step)
            elif merged and o == first:
                pass
            elif not doubles:
                call(steps, w, from_, (s.first - e.origin) * pitch, into,
                     (o - e.lo) * w.out_step)
            elif steps.sums:
                if s.taps & piece:
                    w.more = (s.taps & (piece - 1)) != 0
                    w.taps = 1
                    call(steps, w, from_,
                         (s.first - e.origin + (s.taps & (piece - 1)) * s.step) * pitch, into,
                         (o - e.lo) * w.out_step)
            elif piece <= s.taps < 2 * piece:
                w.taps = 1 if s.taps == piece else 2
                w.tap *= s.taps - piece
                call(steps, w, from_, (s.first - e.origin) * pitch, into,
                     (o - e.lo) * w.out_step)
            o += w.n
        if not doubles or 2 * piece > axis.kernel:
            return
        most = piece * axis.dilation * pitch
        if length > most:
            if steps.search == NULL:
                steps.double_up(length - most, most, from_.values)
            else:
                steps.search_double(length - most, most, from_.values, from_.indices)
        piece *= 2


cdef void reduce_phase(const Steps *steps, const pool_axis *axis, const Extent *e,
                       Py_ssize_t phase, fc_windows *w, Py_ssize_t pitch, Buffer from_,
                       Buffer into) noexcept nogil:
    """Every stride-th window of an adjoint axis: runs of equal length that move by one."""
    cdef Py_ssize_t o = e.lo + phase, run, out_step = w.out_step
    cdef span s = window(axis, o), t
    while o < e.hi:
        run = 1
        while o + run * axis.stride < e.hi:
            t = window(axis, o + run * axis.stride)
            if t.taps != s.taps or (t.taps and t.first != s.first + run):
                break
            run += 1
        w.n, w.stride, w.taps, w.tap = run, pitch, s.taps, s.step * pitch
        w.out_step = axis.stride * out_step
        if s.taps == 0:
            nothing(steps, w, into, (o - e.lo) * out_step)
        else:
            call(steps, w, from_, (s.first - e.origin) * pitch, into, (o - e.lo) * out_step)
        o += run * axis.stride
        s = t
    w.out_step = out_step


cdef inline bint same(span a, span b) noexcept nogil:
    return a.first == b.first and a.taps == b.taps


# ---- tiles ----------------------------------------------------------------------------------

cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    cdef Job *job = <Job *>context
    cdef Py_ssize_t tile, rest
    cdef Py_ssize_t place[1 + AXES]
    cdef Extent e[AXES]
    cdef char *scratch = job.scratch + thread * job.scratch_size
    cdef int i
    for tile in range(task * job.tiles_per_task,
                      min(job.all_tiles, (task + 1) * job.tiles_per_task)):
        rest = tile
        for i in range(AXES, -1, -1):
            place[i] = rest % job.tiles[i] * job.block[i]
            rest //= job.tiles[i]
        for i in range(AXES):
            e[i] = extent(&job.axis[i], place[1 + i],
                          min(job.axis[i].outputs, place[1 + i] + job.block[1 + i]))
        rest = min(job.block[0], job.outer - place[0])
        if job.where != NULL:
            search_tile(job, place[0], rest, e, scratch)
        elif job.op == NORM and out_of_range(job, place[0], rest, e):
            norm_tile(job, place[0], rest, e)
        elif job.whole != NULL:
            job.whole(rest, job.axis[2].length, job.window.divisor, job.window.factor,
                      job.x + place[0] * job.axis[2].length * job.source.size,
                      job.y + place[0] * job.y_size)
        elif job.square != NULL:
            square_tile(job, place[0], rest, e, scratch)
        elif job.pads:
            padded_tile(job, place[0], rest, e, scratch)
        else:
            value_tile(job, place[0], rest, e, scratch)


cdef inline Py_ssize_t input_at(const Job *job, Py_ssize_t outer, Py_ssize_t i0, Py_ssize_t i1,
                                Py_ssize_t i2) noexcept nogil:
    cdef const pool_axis *a = &job.axis[0]
    return (((outer * a[0].length + i0) * a[1].length + i1) * a[2].length + i2) * job.inner


cdef inline Py_ssize_t output_at(const Job *job, Py_ssize_t outer, Py_ssize_t o0, Py_ssize_t o1,
                                 Py_ssize_t o2) noexcept nogil:
    cdef const pool_axis *a = &job.axis[0]
    return (((outer * a[0].outputs + o0) * a[1].outputs + o1) * a[2].outputs + o2) * job.inner


cdef void value_tile(const Job *job, Py_ssize_t outer, Py_ssize_t outers, const Extent *e,
                     char *scratch) noexcept nogil:
    cdef const pool_axis *a = &job.axis[0]
    cdef Py_ssize_t run = (e[2].end - e[2].origin) * job.inner
    cdef Py_ssize_t n0 = e[0].end - e[0].origin, n1 = e[1].end - e[1].origin
    cdef Py_ssize_t m0 = e[0].hi - e[0].lo, m1 = e[1].hi - e[1].lo, m2 = e[2].hi - e[2].lo
    cdef Py_ssize_t width = m2 * job.inner, pitch0, pitch1, plane, i, o
    cdef double *divisors = <double *>scratch
    cdef char *area0 = scratch + job.area[0]
    cdef char *area1 = scratch + job.area[1]
    cdef char *area2 = scratch + job.area[2]
    cdef char *sums
    cdef const Steps *steps = &job.first
    cdef Buffer now, into
    cdef fc_windows w
    cdef bint divides = job.op == MEAN or job.op == NORM or (
        job.op == SPREAD and job.inside.size != job.y_size)
    memset(&w, 0, sizeof(w))
    now.indices = into.indices = NULL
    if job.loads:
        now.values = area0
        load(job, outer, outers, e, area0, divisors)
        pitch1 = run
        pitch0 = n1 * run
        plane = n0 * pitch0
        steps = &job.later
    else:
        pitch1 = a[2].length * job.inner
        pitch0 = a[1].length * pitch1
        plane = a[0].length * pitch0
        now.values = job.x + input_at(job, outer, e[0].origin, e[1].origin,
                                      e[2].origin) * steps.size
    if not single(&a[0]):
        into.values = area1
        w.rows = 1
        w.out_step = n1 * run
        if pitch1 == run:
            w.inner = n1 * run
            reduce_axis(steps, &a[0], job.doubles[0], &e[0], &w, pitch0, now, plane, into)
        else:
            w.inner = run
            for i in range(n1):
                now.values += 0 if i == 0 else pitch1 * steps.size
                into.values = area1 + i * run * steps.out_size
                reduce_axis(steps, &a[0], False, &e[0], &w, pitch0, now, 0, into)
        now.values = area1
        steps = &job.later
        pitch1 = run
        pitch0 = n1 * run
    if not single(&a[1]):
        w.rows = 1
        w.inner = w.out_step = run
        for o in range(m0):
            into.values = area2 + o * m1 * run * steps.out_size
            reduce_axis(steps, &a[1], job.doubles[1], &e[1], &w, pitch1, now, n1 * run, into)
            now.values += pitch0 * steps.size
        now.values = area2
        steps = &job.later
        pitch1 = run
        pitch0 = m1 * run
    # The last axis: rows of a plane, or one row of each of several. Sums that are not of the
    # result's type go to an area that is free.
    sums = area2 if now.values == area0 else area0
    w.inner = w.out_step = job.inner
    for o in range(m0):
        i = output_at(job, outer, e[0].lo + o, e[1].lo, e[2].lo)
        if outers > 1:
            w.rows, w.row_step = outers, plane
            w.out_row = output_at(job, 1, 0, 0, 0)
        else:
            w.rows, w.row_step = m1, pitch1
            w.out_row = a[2].outputs * job.inner
        into.values = job.y + i * job.y_size
        if divides and steps.out_size != job.y_size:
            into.values = sums
            w.out_row = width
        reduce_axis(steps, &a[2], job.doubles[2], &e[2], &w, job.inner, now, w.rows * w.row_step,
                    into)
        if divides:
            finish(job, e, o, &w, into.values, steps.out_size, job.y + i * job.y_size, divisors)
        now.values += pitch0 * steps.size


cdef void square_tile(const Job *job, Py_ssize_t outer, Py_ssize_t outers, const Extent *e,
                      char *scratch) noexcept nogil:
    """Small square windows, read in place; again with care where there is a NaN."""
    cdef fc_pool_windows of = job.window
    cdef Py_ssize_t o
    of.row, of.rows = e[1].lo, e[1].hi - e[1].lo
    of.col, of.cols = e[2].lo, e[2].hi - e[2].lo
    for o in range(outer, outer + outers):
        if job.square(&of, job.x + input_at(job, o, 0, 0, 0) * job.source.size,
                      job.y + output_at(job, o, 0, 0, 0) * job.y_size):
            value_tile(job, o, 1, e, scratch)


cdef void padded_tile(const Job *job, Py_ssize_t outer, Py_ssize_t outers, const Extent *e,
                      char *scratch) noexcept nogil:
    """Whole planes, laid out with their padding."""
    cdef const pool_axis *rows = &job.axis[1]
    cdef const pool_axis *columns = &job.axis[2]
    cdef Py_ssize_t pitch = job.padded[1], plane = job.padded[0] * pitch
    cdef Py_ssize_t out_pitch = pitch // columns.stride, height, width, size = job.first.size, o, i
    cdef Py_ssize_t run = columns.outputs * job.y_size
    cdef char *sums = scratch + job.area[2]
    cdef const char *x = job.x + input_at(job, outer, 0, 0, 0) * size
    cdef char *y = job.y + output_at(job, outer, 0, 0, 0) * job.y_size
    cdef const char *results
    cdef char *to
    cdef bint finished
    cdef fc_windows w
    height = min(rows.length, job.padded[0] - rows.before)
    width = min(columns.length, pitch - columns.before)
    if plane != rows.length * columns.length or pitch != width or rows.before or columns.before:
        to = scratch + job.area[0]
        repeat(job.neutral, size, outers * plane, to)
        for o in range(outers):
            for i in range(height):
                memcpy(to + (o * plane + (rows.before + i) * pitch + columns.before) * size,
                       x + (o * rows.length + i) * columns.length * size, width * size)
        x = to
    memset(&w, 0, sizeof(w))
    w.rows = w.inner = w.stride = w.out_step = 1
    w.n = outers * plane - (rows.kernel - 1) * rows.dilation * pitch
    w.taps, w.tap = rows.kernel, rows.dilation * pitch
    job.first.pool(&w, x, scratch + job.area[1])
    w.n = (w.n - (columns.kernel - 1) * columns.dilation - 1) // columns.stride + 1
    w.taps, w.tap, w.stride = columns.kernel, columns.dilation, columns.stride
    job.later.pool(&w, scratch + job.area[1], sums)
    finished = job.op != MEAN
    if not finished and job.divisor != 0:
        (<double *>scratch)[0] = job.divisor
        job.table.divide[job.divide](w.n, 1, sums, <double *>scratch, True, scratch + job.area[1])
        sums = scratch + job.area[1]
        finished = True
    size = job.y_size if finished else job.inside.size
    w.rows, w.out_row = rows.outputs, rows.stride * out_pitch
    for o in range(outers):
        results = sums + o * job.padded[0] * out_pitch * size
        if finished:
            for i in range(rows.outputs):
                memcpy(y + i * run, results + i * w.out_row * size, run)
        else:
            finish(job, e, 0, &w, results, size, y, <double *>scratch)
        y += rows.outputs * run


cdef bint uniform(const pool_axis *a, bint padding) noexcept nogil:
    """Whether all windows of the axis count the same."""
    cdef Py_ssize_t o, first = counted(a, 0, padding)
    for o in range(1, a.outputs):
        if counted(a, o, padding) != first:
            return False
    return True


cdef inline void repeat(const char *element, Py_ssize_t size, Py_ssize_t n,
                        char *to) noexcept nogil:
    """n copies of an element of 1, 2, 4 or 8 bytes."""
    cdef Py_ssize_t i
    cdef int64_t wide
    cdef int narrow
    if size == 8:
        memcpy(&wide, element, 8)
        for i in range(n):
            (<int64_t *>to)[i] = wide
    elif size == 4:
        memcpy(&narrow, element, 4)
        for i in range(n):
            (<int *>to)[i] = narrow
    else:
        for i in range(n * size):
            to[i] = element[i % size]


cdef void load(const Job *job, Py_ssize_t outer, Py_ssize_t outers, const Extent *e, char *to,
               double *divisors) noexcept nogil:
    """Copy what a tile reads, as it is, as powers, or as gradients over their divisors."""
    cdef Py_ssize_t n = e[2].end - e[2].origin, run = n * job.inner
    cdef Py_ssize_t o, i0, i1, i
    cdef const char *row
    cdef double around, before = 0
    cdef bint one = False
    if run == 0:
        return
    for o in range(outers):
        for i0 in range(e[0].origin, e[0].end):
            for i1 in range(e[1].origin, e[1].end):
                row = job.x + input_at(job, outer + o, i0, i1, e[2].origin) * job.source.size
                convert(job, run, row, to)
                if job.op == NORM:
                    for i in range(run):
                        (<double *>to)[i] = power(job.power, (<double *>to)[i])
                elif job.op == SPREAD:
                    around = counted(&job.forward[0], i0, job.count_padding) * <double>counted(
                        &job.forward[1], i1, job.count_padding)
                    if around != before:
                        one = divide_by(job, &job.forward[2], around, e[2].origin, n, divisors)
                        before = around
                    job.table.divide[0 if job.inside.size == 4 else 1](
                        n, job.inner, to, divisors, one, to)
                to += run * job.inside.size


cdef bint divide_by(const Job *job, const pool_axis *a, double around, Py_ssize_t first,
                    Py_ssize_t n, double *divisors) noexcept nogil:
    """The divisors of n outputs of a row; whether all are the same (then only one is given)."""
    cdef Py_ssize_t i
    cdef bint one = True
    if job.divisor != 0 or n == 0:
        divisors[0] = job.divisor
        return True
    for i in range(n):
        divisors[i] = around * counted(a, first + i, job.count_padding)
        if divisors[i] != divisors[0]:
            one = False
    return one


cdef void finish(const Job *job, const Extent *e, Py_ssize_t o0, const fc_windows *w,
                 const char *sums, Py_ssize_t sum_size, char *y, double *divisors) noexcept nogil:
    """Averages or norms from the sums of w.rows rows."""
    cdef Py_ssize_t n = e[2].hi - e[2].lo, y_row = job.axis[2].outputs * job.inner, r, i
    cdef double around, before = 0
    cdef bint one = False, planes = single(&job.axis[0]) and single(&job.axis[1])
    for r in range(w.rows):
        if job.op == NORM:
            for i in range(n * job.inner):
                set_number(y, job.y_size, i, root(job.power, (<const double *>sums)[i]))
        elif job.op == SPREAD:
            divisors[0] = 1  # only to narrow
            job.table.divide[job.divide](n, job.inner, sums, divisors, True, y)
        else:
            around = 1 if planes or job.divisor != 0 else counted(
                &job.axis[0], e[0].lo + o0, job.count_padding) * <double>counted(
                &job.axis[1], e[1].lo + r, job.count_padding)
            if around != before:
                one = divide_by(job, &job.axis[2], around, e[2].lo, n, divisors)
                before = around
            if one and (planes or job.divisor != 0) and w.out_row == y_row and (
                    n * job.inner == y_row):
                job.table.divide[job.divide](n * w.rows, job.inner, sums, divisors, True, y)
                return
            job.table.divide[job.divide](n, job.inner, sums, divisors, one, y)
        sums += w.out_row * sum_size
        y += y_row * job.y_size


cdef void search_tile(const Job *job, Py_ssize_t outer, Py_ssize_t outers, const Extent *e,
                      char *scratch) noexcept nogil:
    cdef const pool_axis *a = &job.axis[0]
    cdef const Steps *steps = &job.first
    cdef Py_ssize_t n0 = e[0].end - e[0].origin, n1 = e[1].end - e[1].origin
    cdef Py_ssize_t n2 = e[2].end - e[2].origin
    cdef Py_ssize_t m0 = e[0].hi - e[0].lo, m1 = e[1].hi - e[1].lo, m2 = e[2].hi - e[2].lo
    cdef Py_ssize_t width = m2 * job.inner, row = a[2].length * job.inner, run = n2 * job.inner
    cdef Py_ssize_t i0, i1, o0, o1, i, at, base
    cdef char *areas[3]
    cdef Buffer line, rows, now, into
    cdef fc_windows w
    cdef const char *x
    memset(&w, 0, sizeof(w))
    for i in range(3):
        areas[i] = scratch + job.area[i]
    line = split(job, areas[0], run)
    # Each row that the tile reads, along the last axis. Indices count from the tile's origin.
    rows = split(job, areas[1], max(outers, n0 * n1) * width)
    now = rows
    w.inner = w.out_step = job.inner
    for i0 in range(outers if outers > 1 else n0):
        x = job.x + (input_at(job, outer + i0, 0, 0, e[2].origin) if outers > 1 else
                     input_at(job, outer, e[0].origin + i0, e[1].origin, e[2].origin)
                     ) * job.source.size
        if not job.loads:
            w.rows, w.row_step, w.out_row = n1, row, width
            w.where_first, w.where_row = i0 * a[1].length * a[2].length, a[2].length
            if outers > 1:
                w.rows, w.row_step, w.where_first, w.where_row = outers, row, 0, 0
            into.values, into.indices = <char *>x, NULL
            reduce_axis(steps, &a[2], False, &e[2], &w, job.inner, into, 0, now)
            now = advanced(job, now, w.rows * width)
            if outers > 1:
                break
            continue
        for i1 in range(n1):
            base = 0 if outers > 1 else (i0 * a[1].length + i1) * a[2].length
            convert(job, run, x, line.values)
            job.inside.number(n2, job.inner, base, 1, line.indices)
            w.rows, w.where_first = 1, 0
            reduce_axis(steps, &a[2], job.doubles[2], &e[2], &w, job.inner, line, run, now)
            now = advanced(job, now, width)
            x += row * job.source.size
    now = rows
    if not single(&a[1]):
        w.rows = 1
        w.inner = w.out_step = width
        into = split(job, areas[2], n0 * m1 * width)
        rows = into
        for _ in range(n0):
            reduce_axis(steps, &a[1], job.doubles[1], &e[1], &w, width, now, n1 * width, into)
            now = advanced(job, now, n1 * width)
            into = advanced(job, into, m1 * width)
        now = rows
    if not single(&a[0]):
        w.rows = 1
        w.inner = w.out_step = m1 * width
        into = split(job, areas[0], m0 * m1 * width)
        reduce_axis(steps, &a[0], job.doubles[0], &e[0], &w, m1 * width, now, n0 * m1 * width,
                    into)
        now = into
    base = (e[0].origin * a[1].length + e[1].origin) * a[2].length + e[2].origin
    for o0 in range(outers if outers > 1 else m0):
        for o1 in range(m1):
            at = output_at(job, outer + o0, 0, 0, e[2].lo) if outers > 1 else output_at(
                job, outer, e[0].lo + o0, e[1].lo + o1, e[2].lo)
            job.inside.places(width, base, now.indices, job.where + at)
            if job.source == job.inside:
                memcpy(job.y + at * job.y_size, now.values, width * job.y_size)
            else:
                x = job.x + (outer + (o0 if outers > 1 else 0)) * input_at(
                    job, 1, 0, 0, 0) * job.source.size
                for i in range(width):
                    memcpy(job.y + (at + i) * job.y_size,
                           x + (job.where[at + i] * job.inner + i % job.inner) * job.y_size,
                           job.y_size)
            now = advanced(job, now, width)


cdef inline Buffer split(const Job *job, char *area, Py_ssize_t elements) noexcept nogil:
    cdef Buffer b
    b.values = area
    b.indices = area + (elements * job.inside.size + 7) // 8 * 8
    return b


cdef inline Buffer advanced(const Job *job, Buffer b, Py_ssize_t elements) noexcept nogil:
    b.values += elements * job.inside.size
    b.indices += elements * job.inside.index_size
    return b


cdef inline void convert(const Job *job, Py_ssize_t n, const char *x, char *to) noexcept nogil:
    if job.source == job.inside:
        memcpy(to, x, n * job.inside.size)
    elif job.inside.size == 4:
        job.source.to_float(n, x, to)
    else:
        job.source.to_double(n, x, to)


# ---- norms ----------------------------------------------------------------------------------

cdef inline double power(double p, double x) noexcept nogil:
    x = fabs(x)
    if p == 1:
        return x
    if p == 2:
        return x * x
    if p == 3:
        return x * x * x
    return pow(x, p)


cdef inline double root(double p, double s) noexcept nogil:
    cdef double whole_part
    cdef int exponent
    if p == 1:
        return s
    if p == 2:
        return sqrt(s)
    if p == 3:
        return cbrt(s)
    if not 0 < s < INFINITY:
        return s
    # s = f 2^e = (f 2^r) (2^q)^p: the error of 1/p counts as often as the logarithm is large.
    s = frexp(s, &exponent)
    whole_part = floor(exponent / p)
    return ldexp(pow(s * pow(2, fma(-whole_part, p, exponent)), 1 / p), <int>whole_part)


cdef inline void set_number(char *x, Py_ssize_t size, Py_ssize_t i, double value) noexcept nogil:
    if size == 4:
        (<float *>x)[i] = <float>value
    else:
        (<double *>x)[i] = value


cdef bint out_of_range(const Job *job, Py_ssize_t outer, Py_ssize_t outers,
                       const Extent *e) noexcept nogil:
    """Whether a power of a finite element of the tile could overflow, or lose digits below."""
    cdef double least = INFINITY, most = 0, x
    cdef Py_ssize_t run = (e[2].end - e[2].origin) * job.inner, o, i0, i1, i
    cdef double taps = (<double>job.axis[0].kernel) * job.axis[1].kernel * job.axis[2].kernel
    cdef const char *row
    if job.power == 1 or job.power <= (6 if job.source == &job.table.pools[<int>FC_F32] else
                                       0 if job.source == job.inside else 15):
        return False
    for o in range(outers):
        for i0 in range(e[0].origin, e[0].end):
            for i1 in range(e[1].origin, e[1].end):
                row = job.x + input_at(job, outer + o, i0, i1, e[2].origin) * job.source.size
                for i in range(run):
                    x = fabs(element(job, row, i))
                    if 0 < x < least:
                        least = x
                    if most < x < INFINITY:
                        most = x
    return most > 0 and (job.power * log2(most) + log2(taps) > 1020
                         or job.power * log2(least) < -960)


cdef inline double element(const Job *job, const char *x, Py_ssize_t i) noexcept nogil:
    cdef double value
    job.source.to_double(1, x + i * job.source.size, &value)
    return value


cdef void norm_tile(const Job *job, Py_ssize_t outer, Py_ssize_t outers,
                    const Extent *e) noexcept nogil:
    """Norms of windows, each scaled by its largest element: nothing overflows on the way."""
    cdef Py_ssize_t n, o0, o1, o2, c
    for n in range(outer, outer + outers):
        for o0 in range(e[0].lo, e[0].hi):
            for o1 in range(e[1].lo, e[1].hi):
                for o2 in range(e[2].lo, e[2].hi):
                    for c in range(job.inner):
                        set_number(job.y, job.y_size, output_at(job, n, o0, o1, o2) + c,
                                   norm(job, n, o0, o1, o2, c))


cdef double norm(const Job *job, Py_ssize_t n, Py_ssize_t o0, Py_ssize_t o1, Py_ssize_t o2,
                 Py_ssize_t c) noexcept nogil:
    cdef span s0 = window(&job.axis[0], o0)
    cdef span s1 = window(&job.axis[1], o1)
    cdef span s2 = window(&job.axis[2], o2)
    cdef Py_ssize_t t0, t1, t2, i
    cdef double most = 0, total = 0, x
    cdef int again
    for again in range(2):
        for t0 in range(s0.taps):
            for t1 in range(s1.taps):
                i = input_at(job, n, s0.first + t0 * s0.step, s1.first + t1 * s1.step,
                             s2.first) + c
                for t2 in range(s2.taps):
                    x = fabs(element(job, job.x, i + t2 * s2.step * job.inner))
                    if again:
                        total += power(job.power, x / most)
                    elif x > most or x != x:
                        most = x
                        if x != x:
                            return x
        if most == 0 or most == INFINITY:
            return most
    return most * root(job.power, total)


# ---- calls ----------------------------------------------------------------------------------

cdef void set_axes(Job *job, PoolDesc desc) noexcept:
    cdef int i
    job.table = NULL
    job.outer = desc.batch
    job.inner = desc.g.channels
    if not desc.g.channels_last:
        job.outer *= job.inner
        job.inner = 1
    for i in range(AXES):
        job.axis[i] = desc.g.axis[i]


cdef Py_ssize_t depth(const Job *job) noexcept:
    """The most additions that a term of a sum goes through, one axis after the other."""
    cdef Py_ssize_t total = 0, taps
    cdef int i
    for i in range(AXES):
        taps = job.axis[i].kernel
        if job.axis[i].kind == ADJOINT:
            taps = taps // job.axis[i].stride + 1
        elif i == 2 and job.inner == 1 and job.axis[i].outputs == 1 and 16 <= taps <= 256:
            # neighbours in one window: 16 sums side by side, those in pairs, and the rest
            total += max(taps // 16 + 4, taps % 16)
            continue
        total += bits(taps) if job.doubles[i] else min(taps - 1, DEEPEST + 1)
    return total


cdef void set_steps(Steps *steps, const fc_pools *k, operation op, bint wide,
                    bint search) noexcept:
    memset(steps, 0, sizeof(Steps))
    steps.size = steps.out_size = k.size
    steps.index_size = k.index_size
    if op == MAX:
        steps.pool, steps.double_up = k.max, k.max_shifted
        if search:
            steps.search, steps.search_double = k.max_search, k.max_search_shifted
    elif op == MIN:
        steps.pool, steps.double_up = k.min, k.min_shifted
        if search:
            steps.search, steps.search_double = k.min_search, k.min_search_shifted
    else:
        steps.sums = True
        steps.pool, steps.double_up = k.sum, k.sum_shifted
        if wide:
            steps.pool = k.wide_sum
            steps.out_size = 8


cdef int start(PoolDesc desc, Job *job, num_threads, double work) except -1:
    # an element that moves takes longer than an operation
    cdef int threads = threads_for(desc.function, num_threads, 3 * work)
    cdef Scratch scratch
    cut(job)
    job.tiles_per_task = max(1, <Py_ssize_t>(65536 * job.all_tiles / work))
    scratch = acquire(job.scratch_size * threads)
    job.scratch = scratch.data
    return parallel_for(run_task, job, parts(job.all_tiles, job.tiles_per_task), threads, work)


def reduce(PoolDesc desc, cnp.ndarray x, cnp.ndarray out, where, str op, bint count_padding,
           double divisor, double norm_type, num_threads):
    """Reduce every window of x into `out`; both are C-contiguous and have a batch axis.

    op: "max", "min" (`out` has the dtype of x), "mean" or "norm" (that of x where that is float,
    else float64); where: None, or an int64 array like `out` for positions of extremes.
    """
    cdef Job job
    cdef double work = desc.work()
    cdef fc_type kind = type_of(x.dtype), inside
    cdef bint wide
    cdef int i, exponent
    if cnp.PyArray_SIZE(out) == 0:
        return
    memset(&job, 0, sizeof(job))
    set_axes(&job, desc)
    job.op = OPERATIONS[op]
    job.table = kernels()
    job.x = cnp.PyArray_BYTES(x)
    job.y = cnp.PyArray_BYTES(out)
    job.y_size = cnp.PyArray_ITEMSIZE(out)
    job.count_padding = count_padding
    job.divisor = divisor
    job.power = norm_type
    if where is not None:
        job.where = <int64_t *>cnp.PyArray_BYTES(where)
    simplify(&job)
    for i in range(AXES):
        job.doubles[i] = worth_doubling(&job.axis[i])
        job.loads = job.loads or job.doubles[i]
    inside = kind
    wide = False
    if job.op == NORM:
        inside, job.loads = FC_F64, True
        work *= 1 if norm_type in (1, 2, 3) else 20
    elif job.op == MEAN:
        wide = kind != FC_F64 and (kind != FC_F32 or depth(&job) > DEEPEST)
        inside = FC_F64 if wide else kind
        job.divide = (2 if wide else 0) if job.y_size == 4 else 1
        if divisor == 0:
            job.divisor = 1
            for i in range(AXES):
                # one divisor for all, if all windows count the same
                job.divisor *= counted(&job.axis[i], 0, count_padding) if uniform(
                    &job.axis[i], count_padding) else 0
    elif job.where != NULL:
        if kind not in (FC_F32, FC_F64, FC_I64, FC_U64):
            inside = FC_F64 if kind == FC_I32 or kind == FC_U32 else FC_F32
        if inside == FC_F32 and <double>job.axis[0].length * job.axis[1].length * (
                job.axis[2].length) > 2e9:
            inside = FC_F64  # for indices of 64 bits
        job.loads = inside != kind or job.doubles[2]
    job.source = &job.table.pools[<int>kind]
    job.inside = &job.table.pools[<int>inside]
    set_steps(&job.first, job.inside if job.where != NULL else job.source, job.op, wide,
              job.where != NULL)
    set_steps(&job.later, job.inside, job.op, False, job.where != NULL)
    job.window.divisor = job.divisor
    if job.op == MEAN and fabs(frexp(job.divisor, &exponent)) == 0.5 and -100 < exponent < 100:
        job.window.factor = 1 / job.divisor
    job.square = square_for(&job)
    job.whole = whole_for(&job)
    job.pads = job.square == NULL and worth_padding(&job)
    if job.pads and job.op != MEAN:
        memcpy(job.neutral, <const char *>NEUTRAL[x.dtype.char, op], 8)
    start(desc, &job, num_threads, work)


def spread_mean(PoolDesc desc, cnp.ndarray grad, cnp.ndarray out, bint count_padding,
                double divisor, num_threads):
    """The gradient of an average: the sum, over the windows of an element, of grad / divisor.

    Both are C-contiguous, of the same dtype, and have a batch axis.
    """
    cdef Job job
    cdef double work = desc.work()
    cdef fc_type kind = type_of(grad.dtype), inside
    cdef int i
    if cnp.PyArray_SIZE(out) == 0:
        return
    memset(&job, 0, sizeof(job))
    set_axes(&job, desc)
    job.op = SPREAD
    job.table = kernels()
    job.x = cnp.PyArray_BYTES(grad)
    job.y = cnp.PyArray_BYTES(out)
    job.y_size = cnp.PyArray_ITEMSIZE(out)
    job.count_padding = count_padding
    job.divisor = divisor
    simplify(&job)
    job.loads = True
    for i in range(AXES):
        job.forward[i] = job.axis[i]
        job.axis[i] = adjoint(&job.forward[i])
        job.doubles[i] = worth_doubling(&job.axis[i])
    inside = kind if kind == FC_F64 or depth(&job) <= DEEPEST else FC_F64
    job.divide = 2
    job.source = &job.table.pools[<int>kind]
    job.inside = &job.table.pools[<int>inside]
    set_steps(&job.later, job.inside, MEAN, False, False)
    start(desc, &job, num_threads, work)
