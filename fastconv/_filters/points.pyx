"""Filters of any rank that do not fall apart into lines: correlations, and extrema of footprints.

A kernel's taps are taken in row-major order, which is SciPy's. An output's row is the fold of as
many rows of input as there are taps, each shifted; so the rows that some neighbouring outputs read
are brought into a buffer, with what lies beyond their ends, and stay there for all of them.
"""
from libc.math cimport fabs
from libc.stdlib cimport calloc, free

cimport numpy as cnp

from fastconv._core.scratch cimport Scratch, acquire
from fastconv._core.threads cimport parallel_for, threads_for
from fastconv._filters.panel cimport (
    CONSTANT, DBL_EPSILON, DOUBLE, MOST_AXES, NATIVE, PASS, SINGLE, SLACK, Array, Edge, Elements,
    Work, array_of, elements_of, is_exact, load_constant, load_run, magnitude_of, may_overlap,
    position, store_run,
)
from fastconv._kernels.dispatch cimport FC_I64, FC_U64, fc_table, kernels

from fastconv._filters.chain import EDGES

cnp.import_array()

cdef enum:
    BUFFER = 256 << 10  # bytes of all rows in the buffer, or so: of the second-level cache
    ROW = 4096          # bytes of a row's outputs, at most
    LEAST_ROW = 512     # that a row of fewer would spend on its ends
    MOST_ROWS = 32      # rows of outputs that share a buffer

# A tap's row among those that one output's row reads, and its position in it.
cdef struct Tap:
    Py_ssize_t plane, row, shift

ctypedef enum What:
    SUM, LARGEST, SMALLEST

# Rows lie along `along`, whose positions are `pixel` elements: of the axes after it, which the
# kernel does not reach over. Those of a plane follow each other along `across`. A plane is a
# position of the kernel along all other axes, `planes` of them, `steps` apart from the output's.
cdef struct Job:
    const fc_table *table
    What what
    bint raised          # by a structure, or compared as doubles
    Elements elements
    int axes, along, across, width  # bytes of an element in the buffer, as in `elements`
    Edge edge
    double outside
    Array x, y
    Py_ssize_t *shape
    Py_ssize_t[MOST_AXES] kernel
    Py_ssize_t[MOST_AXES] before
    Py_ssize_t pixel, taps, planes, block, rows, strips, pitch
    const double *values            # of the whole kernel: weights, or a structure
    const unsigned char *footprint  # of it, but for weights
    Tap *tap
    Py_ssize_t *steps    # of each plane, along all axes
    double *weights      # or a structure's values, of the taps
    char *others         # the same, of x's type
    char *memory         # of each thread: `bytes`
    Py_ssize_t bytes


# ---- rows into the buffer ----

cdef void load_positions(const Job *j, const char *row, Py_ssize_t start, Py_ssize_t stop,
                         char *dst) noexcept nogil:
    """Positions start … stop - 1 of a row, inside it, side by side."""
    cdef Py_ssize_t step = j.x.strides[j.along], p
    cdef const char *src = row + start * step
    if j.pixel == 1:
        load_run(&j.elements, &j.x, src, step, stop - start, dst)
    elif step == j.pixel * j.x.size:
        load_run(&j.elements, &j.x, src, j.x.size, (stop - start) * j.pixel, dst)
    else:
        for p in range(stop - start):
            load_run(&j.elements, &j.x, src + p * step, j.x.size, j.pixel,
                     dst + p * j.pixel * j.width)


cdef void load_row(const Job *j, const char *row, Py_ssize_t start, Py_ssize_t stop,
                   char *dst) noexcept nogil:
    """Positions start … stop - 1 of a row, of which some may lie outside."""
    cdef Py_ssize_t n = j.shape[j.along], low = min(max(start, <Py_ssize_t>0), n)
    cdef Py_ssize_t high = max(min(stop, n), low), at = start, of
    cdef Py_ssize_t bytes = j.pixel * j.width
    load_positions(j, row, low, high, dst + (low - start) * bytes)
    while at < stop:
        if at == low < high:
            at = high
            continue
        of = position(j.edge, at, n)
        if of < 0:
            load_constant(&j.elements, j.outside, j.pixel, dst + (at - start) * bytes)
        else:
            load_positions(j, row, of, of + 1, dst + (at - start) * bytes)
        at += 1


cdef void load_plane(const Job *j, Py_ssize_t plane, const Py_ssize_t *index, Py_ssize_t first,
                     Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop, char *dst) noexcept nogil:
    """The rows from `first` on that a plane of the kernel reads for the outputs at `index`."""
    cdef const char *origin = j.x.data
    cdef Py_ssize_t of, r
    cdef bint outside = False
    cdef int axis
    for axis in range(j.axes):
        if axis != j.along and axis != j.across and index[axis] >= 0:
            of = position(j.edge, index[axis] + j.steps[plane * j.axes + axis], j.shape[axis])
            outside = outside or of < 0
            origin += of * j.x.strides[axis]
    for r in range(rows):
        of = position(j.edge, first + r, j.shape[j.across]) if j.across >= 0 else 0
        if outside or of < 0:
            load_constant(&j.elements, j.outside, (stop - start) * j.pixel, dst)
        else:
            load_row(j, origin + (of * j.x.strides[j.across] if j.across >= 0 else 0),
                     start, stop, dst)
        dst += j.pitch


# ---- a strip of outputs ----

cdef void compute(const Job *j, const void **rows, Py_ssize_t n, char *y) noexcept nogil:
    cdef int smallest = j.what == SMALLEST
    if j.what == SUM:
        j.elements.sums.sums(n, j.taps, rows, j.weights, True, y)
    elif j.raised:
        j.table.filters.raised[smallest][<int>j.x.type](n, j.taps, rows, j.weights, j.others,
                                                        <double *>y)
    else:
        j.table.filters.points[smallest][<int>j.x.type](n, j.taps, rows, y)


cdef void store_row(const Job *j, char *src, Py_ssize_t n, char *dst) noexcept nogil:
    cdef Py_ssize_t step = j.y.strides[j.along], p
    cdef Elements e = j.elements
    cdef char *wide = src + j.pitch  # what is not in y's type yet, as doubles
    if j.raised or j.what != SUM and j.x.type != j.y.type:
        e.work, e.width = DOUBLE, 8
        if not j.raised:
            e.load(n * j.pixel, src, wide)
            src = wide
    if j.pixel == 1:
        store_run(&e, &j.y, src, n, dst, step)
    elif step == j.pixel * j.y.size:
        store_run(&e, &j.y, src, n * j.pixel, dst, j.y.size)
    else:
        for p in range(n):
            store_run(&e, &j.y, src + p * j.pixel * e.width, j.pixel, dst + p * step, j.y.size)


cdef inline Py_ssize_t results_bytes(const Job *j) noexcept nogil:
    """Of a row of results, as they are and as doubles."""
    return j.pitch + (j.pitch * 8 // j.width + SLACK) // 64 * 64


cdef void run_block(const Job *j, const Py_ssize_t *index, Py_ssize_t first, Py_ssize_t rows,
                    Py_ssize_t start, Py_ssize_t n, char *dst, char *memory) noexcept nogil:
    """n positions from `start` on of some rows of outputs."""
    cdef Py_ssize_t height = rows, before = 0, plane, r, t
    cdef Py_ssize_t from_ = start - j.before[j.along]
    cdef const void **pointers = <const void **>memory
    cdef char *result = memory + (j.taps * 8 + 63) // 64 * 64
    cdef char *buffer = result + results_bytes(j)
    if j.across >= 0:
        height, before = rows + j.kernel[j.across] - 1, j.before[j.across]
    for plane in range(j.planes):
        load_plane(j, plane, index, first - before, height, from_,
                   from_ + n + j.kernel[j.along] - 1, buffer + plane * height * j.pitch)
    for r in range(rows):
        for t in range(j.taps):
            pointers[t] = (buffer + (j.tap[t].plane * height + j.tap[t].row + r) * j.pitch
                           + j.tap[t].shift * j.pixel * j.width)
        compute(j, pointers, n * j.pixel, result)
        store_row(j, result, n, dst + (r * j.y.strides[j.across] if j.across >= 0 else 0)
                  + start * j.y.strides[j.along])


cdef void run_strip(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of outputs, all along."""
    cdef const Job *j = <const Job *>context
    cdef Py_ssize_t index[MOST_AXES]
    cdef Py_ssize_t strip = task % j.strips, rest = task // j.strips, done = 0, rows = 1, n, first
    cdef char *dst = j.y.data
    cdef int axis = j.axes - 1
    while axis >= 0:
        index[axis] = -1  # not one that is gone through here
        if axis != j.across and axis < j.along or axis > j.along and j.pixel == 1:
            index[axis] = rest % j.shape[axis]
            rest //= j.shape[axis]
            dst += index[axis] * j.y.strides[axis]
        axis -= 1
    first = strip * j.rows
    if j.across >= 0:
        rows = min(j.rows, j.shape[j.across] - first)
        dst += first * j.y.strides[j.across]
    while done < j.shape[j.along]:
        n = min(j.block, j.shape[j.along] - done)
        run_block(j, index, first, rows, done, n, dst, j.memory + thread * j.bytes)
        done += n


# ---- the plan ----

cdef void set_axes(Job *j) noexcept nogil:
    """Which axis rows lie along, and which across them."""
    cdef Py_ssize_t step_x = j.x.size, step_y = j.y.size, pixel = 1
    cdef int axis = j.axes - 1
    # axes at the end that the kernel does not reach over, if they lie together
    while axis > 0 and j.kernel[axis] == 1 and (
            j.shape[axis] == 1 or j.x.strides[axis] == step_x and j.y.strides[axis] == step_y):
        step_x, step_y = step_x * j.shape[axis], step_y * j.shape[axis]
        pixel *= j.shape[axis]
        axis -= 1
    if axis < j.axes - 1 and j.kernel[axis] == 1:  # of one tap at all: rows as long as may be
        pixel = 1
        axis = j.axes - 1
    if pixel * j.width > ROW:  # one position would be more than a block
        pixel, axis = 1, j.axes - 1
    j.along, j.pixel, j.across = axis, pixel, axis - 1


cdef void set_sizes(Job *j, int threads) noexcept nogil:
    """Positions of a block and rows of a strip, by what the buffer holds."""
    cdef Py_ssize_t reach = j.kernel[j.along] - 1, tall = 1, width = j.pixel * j.width, most, n
    j.block = max(ROW // width, <Py_ssize_t>1)
    if j.across >= 0:
        tall = j.kernel[j.across]
    while j.block > 1 and j.block * width > LEAST_ROW and \
            j.planes * (tall + 4) * (j.block + reach) * width > BUFFER:
        j.block = (j.block + 1) // 2
    n = (j.shape[j.along] + j.block - 1) // j.block
    j.block = (j.shape[j.along] + n - 1) // n  # of equal ones
    j.pitch = ((j.block + reach) * width + SLACK + 63) // 64 * 64
    j.rows = j.strips = 1
    if j.across >= 0:
        most = max(BUFFER // (j.planes * j.pitch) - tall, <Py_ssize_t>4)
        j.rows = min(min(most, <Py_ssize_t>MOST_ROWS), j.shape[j.across])
        if threads > 1:
            j.rows = min(j.rows, (j.shape[j.across] + 2 * threads - 1) // (2 * threads))
        j.strips = (j.shape[j.across] + j.rows - 1) // j.rows
        tall = j.rows + j.kernel[j.across] - 1
    j.bytes = ((j.taps * 8 + 63) // 64 * 64 + results_bytes(j) + j.planes * tall * j.pitch + SLACK
               + 63) // 64 * 64


cdef inline bint is_wanted(const Job *j, Py_ssize_t i) noexcept nogil:
    """Whether the kernel's element i is a tap: weights that SciPy takes for zero are none."""
    return fabs(j.values[i]) > DBL_EPSILON if j.what == SUM else j.footprint[i]


cdef int set_taps(Job *j, Py_ssize_t size) except -1:
    """The taps that are wanted, in row-major order; planes that have none are left out."""
    cdef Py_ssize_t kept = 0, i, rest, plane, place
    cdef Py_ssize_t at[MOST_AXES]
    cdef Py_ssize_t *planes = <Py_ssize_t *>calloc(size, sizeof(Py_ssize_t))  # 1 + number, or 0
    cdef int axis
    if planes == NULL:
        raise MemoryError()
    j.planes = 0
    for i in range(size):
        if not is_wanted(j, i):
            continue
        rest, plane, place = i, 0, 1
        for axis in range(j.axes - 1, -1, -1):
            at[axis] = rest % j.kernel[axis]
            rest //= j.kernel[axis]
            if axis != j.along and axis != j.across:
                plane += at[axis] * place
                place *= j.kernel[axis]
        if planes[plane] == 0:
            for axis in range(j.axes):
                j.steps[j.planes * j.axes + axis] = at[axis] - j.before[axis]
            j.planes += 1
            planes[plane] = j.planes
        j.tap[kept].plane = planes[plane] - 1
        j.tap[kept].row = at[j.across] if j.across >= 0 else 0
        j.tap[kept].shift = at[j.along]
        if j.values != NULL:
            j.weights[kept] = j.values[i]
        kept += 1
    free(planes)
    return 0


cdef void set_elements(Job *j, Py_ssize_t size) noexcept nogil:
    """What elements are in the buffer: of extrema what they are in x."""
    cdef Work work = NATIVE
    if j.what == SUM:
        work = SINGLE if is_exact(j.table, &j.x, &j.y, magnitude_of(j.values, size), j.outside,
                                  j.edge == CONSTANT) else DOUBLE
    j.elements = elements_of(j.table, &j.x, &j.y, work)
    if j.y.type == FC_U64:
        j.elements.store = j.table.filters.store_u64_of_point
    j.width = j.elements.width


cdef int set_kernel(Job *j, const Py_ssize_t *kernel, list origins) except -1:
    """Lay out the kernel, whose taps and planes get memory of their own."""
    cdef Py_ssize_t size = 1, i
    cdef int axis
    for axis in range(j.axes):
        j.kernel[axis] = kernel[axis]
        j.before[axis] = kernel[axis] // 2 + <Py_ssize_t>origins[axis]
        size *= kernel[axis]
    j.taps = 0
    for i in range(size):
        j.taps += is_wanted(j, i)
    j.tap = <Tap *>calloc(j.taps + 1, sizeof(Tap))
    j.steps = <Py_ssize_t *>calloc(j.taps * j.axes + 1, sizeof(Py_ssize_t))
    j.weights = <double *>calloc(j.taps + 1, sizeof(double))
    j.others = <char *>calloc(j.taps + 1, 8)
    if j.tap == NULL or j.steps == NULL or j.weights == NULL or j.others == NULL:
        raise MemoryError()
    set_elements(j, size)
    set_axes(j)
    set_taps(j, size)
    j.table.filters.f64.store[<int>j.x.type](j.taps, j.weights, j.others)
    return 0


cdef int run_job(Job *j, str function, object num_threads) except -1:
    """Run all strips; x and y do not overlap."""
    cdef Py_ssize_t tasks = 1
    cdef double work = PASS + 2.0 * j.taps
    cdef int axis, threads
    cdef Scratch memory
    for axis in range(j.axes):
        work *= j.shape[axis]
    threads = threads_for(function, num_threads, work)
    set_sizes(j, threads)
    for axis in range(j.axes):
        if axis != j.across and (axis < j.along or axis > j.along and j.pixel == 1):
            tasks *= j.shape[axis]
    tasks *= j.strips
    threads = <int>min(<Py_ssize_t>threads, tasks)
    memory = acquire(threads * j.bytes)
    j.memory = memory.data
    parallel_for(run_strip, j, tasks, threads, work)
    return 0


cdef bint run(What what, str function, cnp.ndarray x, cnp.ndarray y, cnp.ndarray footprint,
              cnp.ndarray values, list origins, str mode, double outside,
              object num_threads) except -1:
    """Filter x into y; False, and nothing done, where the kernel has no taps."""
    cdef Job j
    cdef Py_ssize_t[MOST_AXES] shape
    cdef cnp.ndarray kernel = values if footprint is None else footprint
    cdef int axis
    if may_overlap(x, y):
        x = x.copy()
    j.table, j.what, j.axes, j.shape = kernels(), what, cnp.PyArray_NDIM(x), shape
    for axis in range(j.axes):
        shape[axis] = cnp.PyArray_DIM(x, axis)
    j.x, j.y = array_of(x), array_of(y)
    j.edge, j.outside = <Edge>(<int>EDGES[mode]), outside
    # SciPy compares 64-bit integers as doubles
    j.raised = what != SUM and (values is not None or j.x.type == FC_I64 or j.x.type == FC_U64)
    j.footprint = NULL
    if footprint is not None:
        j.footprint = <const unsigned char *>cnp.PyArray_DATA(footprint)
    j.values = NULL if values is None else <const double *>cnp.PyArray_DATA(values)
    j.tap, j.steps, j.weights, j.others = NULL, NULL, NULL, NULL
    try:
        set_kernel(&j, <const Py_ssize_t *>cnp.PyArray_DIMS(kernel), origins)
        if j.taps:
            run_job(&j, function, num_threads)
        return j.taps > 0
    finally:
        free(j.tap)
        free(j.steps)
        free(j.weights)
        free(j.others)


cdef inline object plain(object a):
    return cnp.PyArray_FROM_OF(a, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)


def correlation_of_points(str function, object x, object y, object weights, list origins,
                          str mode, double outside, num_threads):
    """y = the sum of the products of x with `weights`, but for those that SciPy takes for zero."""
    weights = plain(weights)
    if not run(SUM, function, x, y, None, weights, origins, mode, outside, num_threads):
        y[...] = 0


def extreme_of_points(str function, object x, object y, object footprint, object structure,
                      list origins, str mode, double outside, bint largest, num_threads):
    """y = the largest of x within `footprint`, with `structure` added or, of the smallest, taken
    away.
    """
    if structure is not None:
        structure = plain(structure if largest else -structure)
    run(LARGEST if largest else SMALLEST, function, x, y, plain(footprint),
        structure, origins, mode, outside, num_threads)
