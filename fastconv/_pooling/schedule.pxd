"""How a pooling is computed: by which kernels, in which blocks, in how much scratch memory.

All but the number of blocks in a task depends on the geometry of one image alone, so that a result
depends neither on the batch nor on the number of threads.
"""
from libc.math cimport fabs, frexp
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastconv._core.blocks cimport Arena, CACHE_LINE, reserve
from fastconv._core.integers cimport ceil_div, round_up
from fastconv._core.padding cimport AXES
from fastconv._desc.pool cimport ADAPTIVE, ADJOINT, REGULAR, pool_axis
from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, FC_I8, FC_I16, FC_I32, FC_I64, FC_U8, FC_U16, FC_U32, FC_U64, fc_global_pool,
    fc_pool, fc_pool_2x2_3x3, fc_pool_windows, fc_pools, fc_search, fc_search_shifted, fc_shifted,
    fc_table, fc_type,
)
from fastconv._pooling.axis cimport AxisRange, is_one_window, is_trivial

cdef enum:
    INDEX_ALIGNMENT = 8  # bytes: indices follow elements at such a boundary

cdef enum operation:
    MAX, MIN, MEAN, NORM, MEAN_GRADIENT

# How a block of outputs is computed.
cdef enum block_method:
    SEPARABLE       # one axis after the other
    SEARCH          # the same, with positions
    PADDED_PLANES   # planes laid out with their padding
    JOINED_ROWS     # rows reduced to fewer, which are joined
    SQUARE_WINDOWS  # by a kernel that reads planes in place
    GLOBAL_PLANES   # by a kernel that reduces planes to one element each
    INTERLEAVED     # planes side by side in scratch memory, which a job of its own reduces

# What is computed. An array is (outer, axis 0, axis 1, axis 2, inner), C-contiguous; axes where
# nothing happens have joined their neighbours.
cdef struct Pooling:
    operation op
    fc_type type, out_type    # of the input and of the result
    Py_ssize_t out_size       # bytes of an element of the result
    bint has_positions        # of extremes, which are asked for too
    Py_ssize_t outer, inner
    pool_axis axis[AXES]
    pool_axis forward[AXES]   # MEAN_GRADIENT: the pooling's own axes, which `axis` leads back
    bint count_padding
    double divisor            # 0: what a window counts
    double power              # NORM

# y[o][i] = sums[o][i] / divisors[single ? 0 : o] for o < n, i < inner.
ctypedef void (*divide_kernel)(Py_ssize_t n, Py_ssize_t inner, const void *sums,
                               const double *divisors, int single, void *y) noexcept nogil

# The kernels that reduce along an axis. Bytes of an element in and out, and of an index.
cdef struct AxisKernels:
    fc_pool pool
    fc_search search
    fc_shifted shifted
    fc_search_shifted search_shifted
    bint sums
    Py_ssize_t size, out_size, index_size

cdef struct Schedule:
    block_method method
    bint doubles[AXES]           # axes that are reduced by doubling
    bint copies                  # a block's input is copied to scratch memory, and converted
    const fc_table *table
    const fc_pools *input        # kernels for the input's elements
    const fc_pools *accumulator  # and for those of intermediate results
    fc_type accumulator_type
    bint narrows                 # intermediate results have not the result's type
    AxisKernels first, later     # the reduction that reads the input, and those after it
    divide_kernel divide         # intermediate results, to results
    divide_kernel divide_input   # MEAN_GRADIENT: gradients, to intermediate results
    fc_pool_2x2_3x3 square_pool   # SQUARE_WINDOWS
    fc_pool_windows window             # what that is told; and the divisor of GLOBAL_PLANES
    fc_global_pool global_pool    # GLOBAL_PLANES
    Py_ssize_t padded_rows, padded_columns  # PADDED_PLANES
    Py_ssize_t interleaved_at[4]  # INTERLEAVED: input, results, positions, and its job's scratch
    Py_ssize_t block[1 + AXES]   # outputs of a block: along `outer`, and along three axes
    Py_ssize_t blocks[1 + AXES]  # how many blocks there are
    Py_ssize_t total_blocks, blocks_per_task
    # Scratch memory of a thread, in bytes: the divisors of a row, and three areas of elements.
    Py_ssize_t divisors_at
    Py_ssize_t area_at[3]
    Py_ssize_t scratch_size

# The outputs of a block: some of `outer`, and a range of each axis.
cdef struct BlockRef:
    Py_ssize_t first_outer, outers
    AxisRange ranges[AXES]

cdef struct Job:
    const Pooling *pooling
    const Schedule *schedule
    const char *x
    char *y
    int64_t *positions  # or NULL
    char *scratch
    const Job *interleaved  # INTERLEAVED: the pooling of a block, with its schedule

# Elements in scratch memory, or in an array; a search has their indices beside them.
cdef struct Buffer:
    char *values
    char *indices


cdef inline Py_ssize_t input_at(const Pooling *p, Py_ssize_t outer, Py_ssize_t i0, Py_ssize_t i1,
                                Py_ssize_t i2) noexcept nogil:
    """Where an element of the input lies, in elements."""
    return (((outer * p.axis[0].length + i0) * p.axis[1].length + i1) * p.axis[2].length
            + i2) * p.inner


cdef inline Py_ssize_t output_at(const Pooling *p, Py_ssize_t outer, Py_ssize_t o0, Py_ssize_t o1,
                                 Py_ssize_t o2) noexcept nogil:
    """Where an element of the result lies, in elements."""
    return (((outer * p.axis[0].outputs + o0) * p.axis[1].outputs + o1) * p.axis[2].outputs
            + o2) * p.inner


cdef enum:
    BLOCK_ELEMENTS = 8192        # that a block reads, about, and of its intermediate results
    DOUBLED_ROW_ELEMENTS = 1024  # of a row that a block reads, about, where columns are doubled
    TASK_OPERATIONS = 65536      # at least, of a task
    MAX_GLOBAL_VECTORS = 10      # of a plane that a kernel reduces to one element
    MAX_SUMMED_PLANE = 1 << 16   # elements of a plane that it sums up: more are several tasks' work
    GLOBAL_BLOCK_UNIT = 16       # planes of a block there: whole vectors of results
    MAX_ADDITIONS = 14           # in a row that keep a float32 average within its contract
    PARTIAL_SUMS = 16            # that a kernel adds side by side, for one window of neighbours,
    MAX_PARTIAL_TAPS = 256       # up to so many of them; longer windows are halved first
    ONE_AFTER_THE_OTHER = 15     # terms, at most, that are added so; more in blocks, or in lanes
    DIVISOR_BYTES = 8            # of a double
    MAX_ELEMENT_BYTES = 8        # of an intermediate result


cdef inline Schedule plan(const Pooling *p, const fc_table *table, double work) noexcept:
    """The schedule of a pooling, where `work` is what the whole call costs."""
    cdef Schedule s
    cdef fc_type accumulator
    cdef int i
    memset(&s, 0, sizeof(s))
    s.table = table
    for i in range(AXES):
        s.doubles[i] = should_double(&p.axis[i])
    accumulator = accumulator_type(p, s.doubles)
    s.accumulator_type = accumulator
    s.narrows = accumulator != p.out_type
    s.copies = should_copy(p, s.doubles, accumulator)
    s.input = &table.pools[<int>p.type]
    s.accumulator = &table.pools[<int>accumulator]
    s.first = axis_kernels(p, s.accumulator if p.has_positions else s.input, accumulator, table)
    s.later = axis_kernels(p, s.accumulator, accumulator, table)
    s.divide = table.divide[<int>accumulator][<int>p.out_type]
    s.divide_input = table.divide[<int>accumulator][<int>accumulator]
    set_method(p, &s)
    if s.method == PADDED_PLANES:
        set_padded_blocks(p, &s)
    else:
        set_blocks(p, &s)
    set_tasks(&s, work)
    return s


cdef inline void set_tasks(Schedule *s, double work) noexcept:
    """Tasks of some blocks each, so that each is worth a thread's while."""
    s.blocks_per_task = max(1, <Py_ssize_t>(TASK_OPERATIONS * s.total_blocks / work))


# ---- types and kernels ----------------------------------------------------------------------

cdef inline fc_type accumulator_type(const Pooling *p, const bint *doubles) noexcept:
    """The type of intermediate results."""
    if p.has_positions:
        return search_type(p)
    if p.op == MAX or p.op == MIN:
        return p.type
    if p.op == NORM:
        return FC_F64
    if p.type == FC_F32 and additions(p, doubles) <= MAX_ADDITIONS:
        return FC_F32
    return integer_sum(p)


cdef inline fc_type integer_sum(const Pooling *p) noexcept:
    """The integers of twice as many bits, or of four times, that hold every sum, or else FC_F64."""
    cdef double taps = most_taps(p)
    cdef bint fits = p.out_type != FC_F32 or divisors_are_floats(p)
    if p.type == FC_U8:
        return FC_U16 if fits and taps <= 65535 // 255 else FC_U32 if taps < 1 << 24 else FC_F64
    if p.type == FC_I8:
        return FC_I16 if fits and taps < 1 << 8 else FC_I32 if taps < 1 << 24 else FC_F64
    if p.type == FC_U16 or p.type == FC_I16:
        return FC_F64 if taps >= 1 << 16 else FC_U32 if p.type == FC_U16 else FC_I32
    return FC_F64


cdef inline bint divisors_are_floats(const Pooling *p) noexcept:
    """Whether those of sums of few elements are: what is given, or what windows count."""
    cdef double counts = 1
    cdef int i
    if p.divisor != 0:
        return <double>(<float>p.divisor) == p.divisor
    for i in range(AXES):
        counts *= max(p.axis[i].kernel, p.axis[i].length)
    return counts <= 1 << 24


cdef inline double most_taps(const Pooling *p) noexcept:
    """The most elements that a window has, or a few more."""
    cdef double taps = 1
    cdef const pool_axis *axis
    cdef int i
    for i in range(AXES):
        axis = &p.axis[i]
        taps *= min(axis.length, axis.kernel if axis.kind == REGULAR
                    else axis.length // axis.outputs + 2)
    return taps


cdef inline fc_type search_type(const Pooling *p) noexcept:
    """The type that holds every element, and has an index of its size that holds every position."""
    cdef double positions = (
        <double>p.axis[0].length * p.axis[1].length * p.axis[2].length)
    cdef fc_type found = p.type
    if found not in (FC_F32, FC_F64, FC_I64, FC_U64):
        found = FC_F64 if found == FC_I32 or found == FC_U32 else FC_F32
    return FC_F64 if found == FC_F32 and positions > 2e9 else found


cdef inline bint should_copy(const Pooling *p, const bint *doubles, fc_type accumulator) noexcept:
    """Whether a block's input is copied: to be converted, or since doubling overwrites it."""
    if p.op == NORM or p.op == MEAN_GRADIENT:
        return True
    if p.has_positions:
        return accumulator != p.type or doubles[2]
    return doubles[0] or doubles[1] or doubles[2]


cdef inline Py_ssize_t additions(const Pooling *p, const bint *doubles) noexcept:
    """The most additions that a term of a sum goes through, one axis after the other."""
    cdef Py_ssize_t total = 0, taps
    cdef const pool_axis *axis
    cdef int i
    for i in range(AXES):
        axis = &p.axis[i]
        taps = axis.kernel
        if axis.kind == ADJOINT:
            taps = taps // axis.stride + 1
        elif (i == 2 and p.inner == 1 and axis.outputs == 1
              and PARTIAL_SUMS <= taps <= MAX_PARTIAL_TAPS):
            # partial sums, those in pairs, and the rest
            total += max(taps // PARTIAL_SUMS + 4, taps % PARTIAL_SUMS)
            continue
        total += bit_length(taps) if doubles[i] else min(taps - 1, MAX_ADDITIONS + 1)
    return total


cdef inline AxisKernels axis_kernels(const Pooling *p, const fc_pools *elements,
                                     fc_type accumulator, const fc_table *table) noexcept:
    """The kernels that reduce elements of one type to intermediate results."""
    cdef AxisKernels k
    memset(&k, 0, sizeof(k))
    k.size = k.out_size = elements.size
    k.index_size = elements.index_size
    if p.op == MAX:
        k.pool, k.shifted = elements.max, elements.max_shifted
        if p.has_positions:
            k.search, k.search_shifted = elements.max_search, elements.max_search_shifted
    elif p.op == MIN:
        k.pool, k.shifted = elements.min, elements.min_shifted
        if p.has_positions:
            k.search, k.search_shifted = elements.min_search, elements.min_search_shifted
    else:
        k.sums = True
        k.pool, k.shifted = elements.sum[<int>accumulator], elements.sum_shifted
        k.out_size = table.pools[<int>accumulator].size
    return k


# ---- methods --------------------------------------------------------------------------------

cdef inline bint should_double(const pool_axis *axis) noexcept:
    """Whether log2(k) steps over all elements are less than k over each window's."""
    return axis.kind == REGULAR and axis.kernel >= 8 and axis.outputs > 1 and (
        axis.kernel > axis.stride * (2 + 2 * bit_length(axis.kernel)))


cdef inline int bit_length(Py_ssize_t n) noexcept:
    cdef int count = 0
    while n:
        n >>= 1
        count += 1
    return count


cdef inline void set_method(const Pooling *p, Schedule *s) noexcept:
    """Choose how a block is computed: by the first method that serves."""
    s.method = SEARCH if p.has_positions else SEPARABLE
    if (p.has_positions or s.copies or p.inner != 1 or not is_trivial(&p.axis[0])
            or p.axis[1].kind != REGULAR or p.axis[2].kind != REGULAR):
        return
    s.window = square_windows(p)
    s.square_pool = square_kernel(p, s)
    s.global_pool = global_kernel(p, s)
    if s.square_pool != NULL:
        s.method = SQUARE_WINDOWS
    elif s.global_pool != NULL:
        s.method = GLOBAL_PLANES
    elif set_padded_plane(p, s):
        s.method = PADDED_PLANES


cdef inline fc_pool_windows square_windows(const Pooling *p) noexcept:
    """What a kernel of square windows is told about the plane, and by what sums are divided."""
    cdef fc_pool_windows window
    cdef int exponent
    memset(&window, 0, sizeof(window))
    window.height, window.width = p.axis[1].length, p.axis[2].length
    window.top, window.left = p.axis[1].before, p.axis[2].before
    window.out_width = p.axis[2].outputs
    window.divisor = p.divisor
    if p.op == MEAN and fabs(frexp(p.divisor, &exponent)) == 0.5 and -100 < exponent < 100:
        window.factor = 1 / p.divisor  # a power of two, so that the product is exact
    return window


cdef inline fc_pool_2x2_3x3 square_kernel(const Pooling *p, const Schedule *s) noexcept:
    """The kernel of small square windows, or NULL if these are not."""
    cdef const pool_axis *rows = &p.axis[1]
    cdef const pool_axis *columns = &p.axis[2]
    cdef bint floats = p.type == FC_F32 or p.type == FC_F64
    if p.op == MEAN and not floats:
        if p.out_type != p.type or p.divisor != rows.kernel * columns.kernel:
            return NULL
    elif s.input != s.accumulator or (p.op == MEAN and p.divisor == 0):
        return NULL
    if (rows.dilation != 1 or columns.dilation != 1
            or rows.kernel != columns.kernel or rows.stride != columns.stride
            or not 2 <= rows.kernel <= 3 or not 1 <= rows.stride <= 2):
        return NULL
    return s.input.pool_2x2_3x3[<int>p.op][rows.kernel - 2][rows.stride - 1]


cdef inline fc_global_pool global_kernel(const Pooling *p, const Schedule *s) noexcept:
    """The kernel of planes that are one window each, or NULL if these are not.

    Sums are in pairs of pairs there, and need no wider type.
    """
    cdef const pool_axis *plane = &p.axis[2]
    cdef bint in_pairs = p.op == MEAN and (p.type == FC_F32 or p.type == FC_F64)
    if ((s.input != s.accumulator and not in_pairs) or (p.op == MEAN and p.divisor == 0)
            or not is_trivial(&p.axis[1]) or not is_one_window(plane)
            or plane.length > (MAX_SUMMED_PLANE if in_pairs else
                               MAX_GLOBAL_VECTORS * (s.table.vector_bytes // s.input.size))):
        return NULL
    return s.input.global_pool[<int>p.op]


cdef inline bint set_padded_plane(const Pooling *p, Schedule *s) noexcept:
    """Whether blocks are best whole planes with their padding, so that steps over them are long."""
    cdef const pool_axis *rows = &p.axis[1]
    cdef const pool_axis *columns = &p.axis[2]
    cdef double height, width
    if is_trivial(rows) or columns.kernel == 1 or rows.stride > 2 or columns.stride > 2:
        return False
    if p.op == MEAN and max(rows.kernel, columns.kernel) > ONE_AFTER_THE_OTHER:
        return False  # padding would take part in sums
    height = (rows.outputs - 1.0) * rows.stride + (rows.kernel - 1.0) * rows.dilation + 1
    width = (columns.outputs - 1.0) * columns.stride + (columns.kernel - 1.0) * columns.dilation + 1
    if (height * (width + columns.stride) > BLOCK_ELEMENTS or height <= rows.before
            or width <= columns.before):
        return False
    s.padded_rows = <Py_ssize_t>height
    s.padded_columns = round_up(<Py_ssize_t>width, columns.stride)
    return True


# ---- blocks and scratch memory --------------------------------------------------------------

cdef inline void set_padded_blocks(const Pooling *p, Schedule *s) noexcept:
    """Blocks of whole planes, and room for them after each step."""
    cdef Py_ssize_t plane = s.padded_rows * s.padded_columns
    cdef Arena arena
    cdef int i
    s.block[0] = max(1, min(p.outer, BLOCK_ELEMENTS // plane))
    for i in range(AXES):
        s.block[1 + i] = p.axis[i].outputs
    count_blocks(p, s)
    arena.size = 0
    s.divisors_at = reserve(&arena, DIVISOR_BYTES * p.axis[2].outputs)
    # planes with their padding; what comes after axis 1; and after axis 2
    for i in range(3):
        s.area_at[i] = reserve(&arena, MAX_ELEMENT_BYTES * s.block[0] * plane)
    s.scratch_size = arena.size


cdef inline void set_blocks(const Pooling *p, Schedule *s) noexcept:
    """Blocks that read about BLOCK_ELEMENTS: the longest rows first, then rows, then planes."""
    cdef const pool_axis *axis = p.axis
    cdef Py_ssize_t *block = s.block
    cdef Py_ssize_t reads[AXES]
    cdef Py_ssize_t row = BLOCK_ELEMENTS // 2
    cdef Py_ssize_t run
    if s.doubles[0] or s.doubles[1]:
        row = DOUBLED_ROW_ELEMENTS
    block[3] = outputs_for(&axis[2], max(1, row // p.inner), s.doubles[2])
    reads[2] = max_inputs(&axis[2], block[3])
    run = reads[2] * p.inner
    block[2] = outputs_for(&axis[1], max(1, BLOCK_ELEMENTS // run), s.doubles[1])
    reads[1] = max_inputs(&axis[1], block[2])
    block[1] = outputs_for(&axis[0], 1, True) if s.doubles[0] else 1
    reads[0] = max_inputs(&axis[0], block[1])
    block[0] = 1
    if is_trivial(&axis[0]) and is_trivial(&axis[1]):
        block[0] = max(1, min(p.outer, BLOCK_ELEMENTS // run))
        if s.method == GLOBAL_PLANES:
            block[0] = round_up(block[0], GLOBAL_BLOCK_UNIT)
    elif (s.method == SQUARE_WINDOWS and block[2] == axis[1].outputs
          and block[3] == axis[2].outputs):
        block[0] = max(1, min(p.outer, BLOCK_ELEMENTS // (reads[1] * run)))
    count_blocks(p, s)
    if s.method == SEARCH:
        set_search_areas(p, s, reads)
    else:
        set_areas(p, s, reads)


cdef inline void count_blocks(const Pooling *p, Schedule *s) noexcept:
    cdef int i
    s.total_blocks = s.blocks[0] = ceil_div(p.outer, s.block[0])
    for i in range(AXES):
        s.blocks[1 + i] = ceil_div(p.axis[i].outputs, s.block[1 + i])
        s.total_blocks *= s.blocks[1 + i]


cdef inline Py_ssize_t outputs_for(const pool_axis *axis, Py_ssize_t elements,
                                   bint doubles) noexcept:
    """How many windows a block takes to read about `elements`, and not much of them twice."""
    cdef Py_ssize_t extent = (axis.kernel - 1) * axis.dilation + 1
    if axis.kind == ADAPTIVE:
        return max(1, min(axis.outputs, elements // (axis.length // axis.outputs + 1)))
    if axis.kind == ADJOINT:
        elements = max(elements, 4 * (extent // axis.stride))
        return max(1, min(axis.outputs, elements * min(axis.stride, axis.outputs)))
    if doubles or extent > axis.stride:
        elements = max(elements, (2 if doubles else 4) * extent)
    return max(1, min(axis.outputs, elements // axis.stride))


cdef inline Py_ssize_t max_inputs(const pool_axis *axis, Py_ssize_t outputs) noexcept:
    """The most elements that so many neighbouring windows span."""
    cdef Py_ssize_t reach = (axis.kernel - 1) * axis.dilation
    if axis.kind == REGULAR:
        return min(axis.length, (outputs - 1) * axis.stride + reach + 1)
    if axis.kind == ADAPTIVE:
        return min(axis.length, outputs * (axis.length // axis.outputs + 1) + 1)
    return min(axis.length, (outputs - 1 + reach) // axis.stride + 2)


cdef inline void set_areas(const Pooling *p, Schedule *s, const Py_ssize_t *reads) noexcept:
    """Room for the divisors of a row, and for elements between two axes."""
    cdef Py_ssize_t *block = s.block
    cdef Py_ssize_t row = reads[2] * p.inner, out_row = block[3] * p.inner
    cdef Py_ssize_t copied = block[0] * reads[0] * reads[1] * row if s.copies else 0
    cdef Py_ssize_t sums = block[0] * block[2] * out_row
    cdef Arena arena
    arena.size = 0
    s.divisors_at = reserve(&arena, DIVISOR_BYTES * max(block[3], reads[2]))
    # what is copied; after axis 0; after axis 1; and sums, in the first or the last where free
    s.area_at[0] = reserve_area(&arena, max(copied, sums))
    s.area_at[1] = reserve_area(&arena, 0 if is_trivial(&p.axis[0]) else block[1] * reads[1] * row)
    s.area_at[2] = reserve_area(&arena, max(block[1] * block[2] * row, block[0] * out_row))
    s.scratch_size = arena.size


cdef inline Py_ssize_t reserve_area(Arena *arena, Py_ssize_t n) noexcept:
    """Room for n elements, and a line of the cache: areas of some pages would otherwise begin at
    the same place of a page, where a load waits for stores to the other area."""
    return reserve(arena, MAX_ELEMENT_BYTES * n + CACHE_LINE)


cdef inline void set_search_areas(const Pooling *p, Schedule *s, const Py_ssize_t *reads) noexcept:
    """Room for elements and their indices between two axes, which are taken from the last on."""
    cdef Py_ssize_t *block = s.block
    cdef Py_ssize_t row = reads[2] * p.inner, out_row = block[3] * p.inner
    cdef Arena arena
    arena.size = 0
    # a row that is copied, and what comes after axis 0; after axis 2; after axis 1
    s.area_at[0] = reserve_pairs(&arena, s.accumulator, max(row, block[1] * block[2] * out_row))
    s.area_at[1] = reserve_pairs(&arena, s.accumulator,
                                 max(block[0], reads[0] * reads[1]) * out_row)
    s.area_at[2] = reserve_pairs(&arena, s.accumulator, reads[0] * block[2] * out_row)
    s.scratch_size = arena.size


cdef inline Py_ssize_t reserve_pairs(Arena *arena, const fc_pools *type, Py_ssize_t n) noexcept:
    """Room for n elements, and for n indices behind them."""
    return reserve(arena, n * (type.size + type.index_size) + INDEX_ALIGNMENT)
