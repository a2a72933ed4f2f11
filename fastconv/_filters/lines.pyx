"""A filter along one axis, over a region of an array.

The region is cut into panels: the positions of some lines that lie side by side, its columns, so
that the elements of a position are whole vectors; lines along the contiguous axis are panels of
one column. A panel goes through buffers piece by piece. What a piece shares with the one before
stays where it is, so an output may lie where the input does.
"""
from libc.math cimport ldexp
from libc.stdlib cimport llabs
from libc.string cimport memcpy, memmove

from fastconv._core.scratch cimport fc_fetch
from fastconv._filters.panel cimport (
    CONSTANT, DOUBLE, MOST_AXES, NATIVE, SINGLE, SLACK, WRAP, Array, Elements, Work, elements_of,
    is_exact, load_constant, load_run, position, store_run,
)
from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, FC_I8, FC_I16, FC_I32, FC_I64, FC_U64, fc_shifted, fc_sums, fc_table,
)

cdef enum:
    PIECE = 32 << 10   # bytes of a piece's positions in the buffer: of the second-level cache
    WINDOW = 24 << 10  # bytes of the positions of a window: of the first-level cache
    FEW = 8 << 10      # bytes of outputs that are computed and converted at a time: of the same
    FEW_BYTES = 3 << 12  # of such outputs, or of one position of most columns; and what is touched
    FEWEST = 8         # columns of panels that are long: a line of the cache
    LEAST_COLUMNS = 32  # of doubles
    MOST_COLUMNS = 256
    NATIVE_COLUMNS = 512  # bytes of a panel's columns of elements as they are
    AHEAD = 4          # positions that are fetched before they are loaded: short runs far apart
    SHORT = 16         # positions of lines that are better columns
    LONG = 1024        # positions from which on panels have few columns
    SQUARE = 64        # columns, and positions at a time, of a panel that is transposed

cdef struct Panel:
    const Line *line
    const Array *x
    const Array *y
    const char *src   # position 0 of the first column
    char *dst
    Py_ssize_t x_step, x_column, y_step, y_column  # bytes
    Py_ssize_t n, columns
    Elements elements
    fc_shifted shifted
    void (*transpose)(Py_ssize_t nr, Py_ssize_t nc, const void *src, Py_ssize_t src_r, void *dst,
                      Py_ssize_t dst_r) noexcept nogil

# The axes of a region but the line's, those joined that are one in both arrays.
cdef struct Others:
    int count, columns  # the one whose elements are columns, or -1
    Py_ssize_t size[MOST_AXES]
    Py_ssize_t x[MOST_AXES]
    Py_ssize_t y[MOST_AXES]


# ---- sizes ----

cdef inline Py_ssize_t most_columns(const Line *line, Py_ssize_t n, int width,
                                    bint in_place) noexcept nogil:
    """Columns of a panel whose buffer stays small."""
    cdef Py_ssize_t most
    if line.kind >= LARGEST:
        most = NATIVE_COLUMNS // width
    else:
        most = max(<Py_ssize_t>LEAST_COLUMNS, WINDOW // (8 * line.taps) // 8 * 8)
    if line.taps > LONG or (in_place and line.edge == WRAP and n > LONG):
        most = FEWEST
    return most if line.kind >= LARGEST else min(most, <Py_ssize_t>MOST_COLUMNS)


cdef inline Py_ssize_t columns_of(Py_ssize_t most, Py_ssize_t count) noexcept nogil:
    """Columns of a panel, of `count` that there are."""
    cdef Py_ssize_t panels
    if count <= most + most // 2:
        return count
    panels = (count + most - 1) // most
    return ((count + panels - 1) // panels + 7) // 8 * 8


cdef inline Py_ssize_t outputs_of(const Line *line, Py_ssize_t row, Py_ssize_t n,
                                  bint in_place) noexcept nogil:
    """Outputs of a piece whose positions have `row` bytes, at least; there may be twice as many."""
    cdef Py_ssize_t outputs = max(PIECE // row, max(line.taps, <Py_ssize_t>16))
    if in_place:  # the ends look back no farther than into their own piece
        outputs = n if line.edge == WRAP else outputs + 1
    return max(min(outputs, n), <Py_ssize_t>1)


cdef inline Py_ssize_t piece_bytes(const Line *line, Py_ssize_t n, Py_ssize_t lines,
                                   bint in_place) noexcept nogil:
    """Bytes of a buffer's positions, whatever the elements and the columns of an array's lines."""
    cdef Py_ssize_t columns = most_columns(line, n, 8, in_place), row, outputs
    row = 8 * min(columns + columns // 2, lines)
    if line.kind >= LARGEST and columns > FEWEST:
        row = max(row, min(<Py_ssize_t>(NATIVE_COLUMNS + NATIVE_COLUMNS // 2), 8 * lines))
    outputs = n if in_place and line.edge == WRAP else min(
        n, 2 * max(line.taps + 1, <Py_ssize_t>16))
    return 2 * PIECE + (outputs + line.taps + 1) * row + SLACK


cdef Py_ssize_t buffer_bytes(const Line *line, Py_ssize_t n, Py_ssize_t lines,
                             bint in_place) noexcept nogil:
    """Bytes that `filter_region` works in."""
    cdef Py_ssize_t piece = piece_bytes(line, n, lines, in_place)
    return (piece + (piece if line.kind >= LARGEST else FEW_BYTES) + SQUARE * SQUARE * 8 + SLACK
            + 2 * MOST_COLUMNS * 8 + line.taps * 8 + 4 * 64)


cdef inline char *aligned(char *p) noexcept nogil:
    return <char *>(((<size_t>p) + 63) & ~<size_t>63)


cdef inline Buffers buffers(const Line *line, char *memory, Py_ssize_t n, Py_ssize_t lines,
                            bint in_place) noexcept nogil:
    """The parts of that memory."""
    cdef Buffers b
    b.sums = aligned(memory)
    b.rows = <const void **>(b.sums + 2 * MOST_COLUMNS * 8)
    b.staged = aligned(<char *>(b.rows + line.taps))
    b.x = b.staged + SQUARE * SQUARE * 8 + SLACK
    b.y = aligned(b.x + piece_bytes(line, n, lines, in_place))
    return b


# ---- positions ----

cdef void load_positions(const Panel *p, const Buffers *b, Py_ssize_t start, Py_ssize_t stop,
                         char *dst) noexcept nogil:
    """Positions of the lines into rows of the buffer."""
    cdef const char *src = p.src + start * p.x_step
    cdef Py_ssize_t row = p.columns * p.elements.width, m, c
    if p.columns == 1:
        load_run(&p.elements, p.x, src, p.x_step, stop - start, dst)
    elif p.x_column == p.x.size and p.x_step == p.columns * p.x_column:
        load_run(&p.elements, p.x, src, p.x_column, (stop - start) * p.columns, dst)
    elif p.elements.work == NATIVE or p.x_step != p.x.size or p.columns > SQUARE:
        while start < stop:
            if p.x_column == p.x.size and start + AHEAD < p.n:
                fc_fetch(src + AHEAD * p.x_step, p.columns * p.x.size)
            load_run(&p.elements, p.x, src, p.x_column, p.columns, dst)
            start, src, dst = start + 1, src + p.x_step, dst + row
    else:
        while start < stop:
            m = min(stop - start, <Py_ssize_t>SQUARE)
            for c in range(p.columns):
                load_run(&p.elements, p.x, src + c * p.x_column, p.x_step, m,
                         b.staged + c * SQUARE * p.elements.width)
            p.transpose(p.columns, m, b.staged, SQUARE, dst, p.columns)
            start, src, dst = start + m, src + m * p.x_step, dst + m * row


cdef void store_positions(const Panel *p, const Buffers *b, const char *src, Py_ssize_t start,
                          Py_ssize_t stop) noexcept nogil:
    """Rows of the buffer to positions of the lines."""
    cdef char *dst = p.dst + start * p.y_step
    cdef Py_ssize_t row = p.columns * p.elements.width, m, c
    if p.columns == 1:
        store_run(&p.elements, p.y, src, stop - start, dst, p.y_step)
    elif p.y_column == p.y.size and p.y_step == p.columns * p.y_column:
        store_run(&p.elements, p.y, src, (stop - start) * p.columns, dst, p.y_column)
    elif p.elements.work == NATIVE or p.y_step != p.y.size or p.columns > SQUARE:
        while start < stop:
            store_run(&p.elements, p.y, src, p.columns, dst, p.y_column)
            start, dst, src = start + 1, dst + p.y_step, src + row
    else:
        while start < stop:
            m = min(stop - start, <Py_ssize_t>SQUARE)
            p.transpose(m, p.columns, src, p.columns, b.staged, SQUARE)
            for c in range(p.columns):
                store_run(&p.elements, p.y, b.staged + c * SQUARE * p.elements.width, m,
                          dst + c * p.y_column, p.y_step)
            start, dst, src = start + m, dst + m * p.y_step, src + m * row


cdef void fill_outside(const Panel *p, const Buffers *b, Py_ssize_t begin, Py_ssize_t start,
                       Py_ssize_t stop, Py_ssize_t loaded) noexcept nogil:
    """Positions outside the lines; those from begin to `loaded` are in the buffer."""
    cdef Py_ssize_t row = p.columns * p.elements.width, at, of
    cdef char *dst = b.x + (start - begin) * row
    for at in range(start, stop):
        of = position(p.line.edge, at, p.n)
        if of < 0:
            load_constant(&p.elements, p.line.outside, p.columns, dst)
        elif begin <= of < loaded:
            if row == 8:
                (<double *>dst)[0] = (<const double *>(b.x + (of - begin) * 8))[0]
            else:
                memcpy(dst, b.x + (of - begin) * row, row)
        else:
            load_positions(p, b, of, of + 1, dst)
        dst += row


# ---- one piece ----

cdef inline void extremes(const Panel *p, char *row, Py_ssize_t outputs) noexcept nogil:
    """Windows of one position, of two, of four and so on, and two of them for the last."""
    cdef Py_ssize_t columns = p.columns, taps = p.line.taps, reach = 1
    cdef Py_ssize_t n = (outputs + taps - 1) * columns
    while 2 * reach <= taps:
        n -= reach * columns
        p.shifted(n, reach * columns, row)
        reach *= 2
    if reach < taps:
        p.shifted(outputs * columns, (taps - reach) * columns, row)


cdef void compute(const Panel *p, const Buffers *b, const char *x, Py_ssize_t outputs,
                  bint begun) noexcept nogil:
    """The outputs whose windows begin at x, into the buffer of outputs."""
    cdef const Line *line = p.line
    cdef const fc_sums *sums = p.elements.sums
    cdef Py_ssize_t n = outputs * p.columns, row = p.columns * p.elements.width, t
    cdef Py_ssize_t taps = line.taps
    if line.kind == MEAN:
        sums.running_mean(outputs, p.columns, taps, x, begun, b.sums, b.y)
    elif line.kind == SUMS:
        for t in range(taps):
            b.rows[t] = x + (taps - 1 if t == 0 else t - 1) * row
        sums.sums(n, taps, b.rows, line.weights, False, b.y)
    else:
        sums.pairs[<int>line.kind](n, p.columns, taps // 2, x, line.weights, b.y)


cdef void finish_sums(const Panel *p, const Buffers *b, Py_ssize_t start, Py_ssize_t stop,
                      bint begun) noexcept nogil:
    """Outputs start … stop - 1 from the buffer, a few at a time: they stay in the first level."""
    cdef Py_ssize_t bytes = p.columns * p.elements.width, at = start, m, row
    cdef Py_ssize_t few = max(FEW // bytes, <Py_ssize_t>1)
    while at < stop:
        m = min(few, stop - at)
        # windows of sums that are begun come after the one that the sums are of
        row = at - start - (at > start and not begun and p.line.kind == MEAN)
        compute(p, b, b.x + row * bytes, m, begun or at > start)
        store_positions(p, b, b.y, at, at + m)
        at += m


cdef void finish_extremes(const Panel *p, const Buffers *b, Py_ssize_t start, Py_ssize_t stop,
                          bint last) noexcept nogil:
    """The same of extrema, in place unless the next piece needs what there is."""
    cdef Py_ssize_t outputs = stop - start
    cdef char *row = b.x
    if not last:
        row = b.y
        memcpy(row, b.x, (outputs + p.line.taps - 1) * p.columns * p.elements.width)
    extremes(p, row, outputs)
    store_positions(p, b, row, start, stop)


cdef void filter_panel(const Panel *p, const Buffers *b, Py_ssize_t first, Py_ssize_t stop,
                       bint in_place) noexcept nogil:
    """Outputs first … stop - 1 of the panel's lines, piece by piece."""
    cdef const Line *line = p.line
    cdef Py_ssize_t row = p.columns * p.elements.width, i, start, end, begin, until
    cdef Py_ssize_t before = 0, loaded = 0
    cdef Py_ssize_t pieces = (stop - first) // outputs_of(line, row, p.n, in_place)
    cdef bint begun
    pieces = max(pieces, <Py_ssize_t>1)
    for i in range(pieces):
        start = first + (stop - first) * i // pieces
        end = first + (stop - first) * (i + 1) // pieces
        begun = line.kind == MEAN and i > 0
        begin = start - line.before - begun
        until = end - line.before + line.taps - 1
        if i > 0:
            memmove(b.x, b.x + (begin - before) * row, (loaded - begin) * row)
        else:
            loaded = begin
        load_piece(p, b, begin, loaded, until)
        before, loaded = begin, until
        if line.kind >= LARGEST:
            finish_extremes(p, b, start, end, i == pieces - 1)
        else:
            finish_sums(p, b, start, end, begun)


cdef inline void load_piece(const Panel *p, const Buffers *b, Py_ssize_t begin, Py_ssize_t start,
                            Py_ssize_t stop) noexcept nogil:
    """Positions start … stop - 1 into the buffer, which begins with position `begin`."""
    cdef Py_ssize_t low = min(max(start, <Py_ssize_t>0), p.n), high = max(min(stop, p.n), low)
    load_positions(p, b, low, high, b.x + (low - begin) * p.columns * p.elements.width)
    fill_outside(p, b, begin, start, min(low, stop), high)
    fill_outside(p, b, begin, max(high, start), stop, high)


# ---- the region ----

cdef Others other_axes(const Line *line, int axes, const Array *x, const Array *y,
                       const Region *region) noexcept nogil:
    cdef Others o
    cdef int axis, i
    o.count, o.columns = 0, -1
    for axis in range(axes):
        if axis == line.axis or region.count[axis] == 1:
            continue
        i = o.count - 1
        if (i >= 0 and o.x[i] == x.strides[axis] * region.count[axis]
                and o.y[i] == y.strides[axis] * region.count[axis]):
            o.size[i] *= region.count[axis]
        else:
            i = o.count
            o.count += 1
            o.size[i] = region.count[axis]
        o.x[i], o.y[i] = x.strides[axis], y.strides[axis]
    for i in range(o.count):
        if o.columns < 0 or llabs(o.y[i]) <= llabs(o.y[o.columns]):
            o.columns = i
    i = o.columns
    if i >= 0 and llabs(o.y[i]) >= llabs(y.strides[line.axis]) and not (
            o.size[i] >= 4 and (line.kind == MEAN or region.count[line.axis] < SHORT)):
        o.columns = -1
    return o


cdef Work work_for(const fc_table *table, const Line *line, const Array *x,
                   const Array *y) noexcept nogil:
    """What a line's elements are in the buffers: doubles, unless the bits are the same.

    SciPy's 64-bit integers go through doubles. The constant is converted before extrema compare
    it, not after: that is the same where it fits.
    """
    cdef bint signed = x.type == FC_I8 or x.type == FC_I16 or x.type == FC_I32
    if line.kind < LARGEST:
        # a mean of integers, rounded down to one, may be one of floats if none is rounded up to it
        if line.kind == MEAN and (y.type > FC_I16 or 2 * line.magnitude * ldexp(1.0, 8 * x.size)
                                  > ldexp(1.0, 24)):
            return DOUBLE
        return SINGLE if is_exact(table, x, y, line.magnitude, line.outside,
                                  line.edge == CONSTANT) else DOUBLE
    if x.type != y.type or x.type == FC_I64 or x.type == FC_U64:
        return DOUBLE
    if line.edge != CONSTANT or x.type == FC_F64 or x.type == FC_F32:
        return NATIVE
    if ((ldexp(-1.0, 8 * x.size - 1) if signed else 0.0) <= line.outside
            < ldexp(1.0, 8 * x.size - signed)):
        return NATIVE
    return DOUBLE


cdef inline fc_shifted shifted_of(const fc_table *table, const Line *line, const Array *x,
                                  bint native) noexcept nogil:
    cdef int floating = 0 if native and x.type == FC_F32 else 1
    if native and x.type != FC_F32 and x.type != FC_F64:
        return (table.pools[<int>x.type].max_shifted if line.kind == LARGEST
                else table.pools[<int>x.type].min_shifted)
    return (table.filters.max_shifted[floating] if line.kind == LARGEST
            else table.filters.min_shifted[floating])


cdef Panel panel_of(const fc_table *table, const Line *line, Py_ssize_t n, const Array *x,
                    const Array *y, const Others *o) noexcept nogil:
    """What all panels of a region have in common."""
    cdef Panel p
    cdef Work work = work_for(table, line, x, y)
    p.line, p.x, p.y, p.n = line, x, y, n
    p.elements = elements_of(table, x, y, work)
    p.transpose = table.f32.transpose if work == SINGLE else table.f64.transpose
    p.shifted = shifted_of(table, line, x, work == NATIVE)
    p.x_step, p.y_step = x.strides[line.axis], y.strides[line.axis]
    p.x_column = p.y_column = 0
    if o.columns >= 0:
        p.x_column, p.y_column = o.x[o.columns], o.y[o.columns]
    return p


cdef void filter_region(const fc_table *table, const Line *line, int axes, Py_ssize_t n,
                        Py_ssize_t lines, const Array *x, const Array *y, const Region *region,
                        bint in_place, char *memory) noexcept nogil:
    """y = the filter of x within a region of outputs, of an array of lines of n positions."""
    cdef Others o = other_axes(line, axes, x, y, region)
    cdef Panel p = panel_of(table, line, n, x, y, &o)
    cdef Buffers b = buffers(line, memory, n, lines, in_place)
    cdef Py_ssize_t index[MOST_AXES]
    cdef Py_ssize_t total = 1, width = 1, done, part, x_at = 0, y_at = 0
    cdef Py_ssize_t first = region.start[line.axis], stop = first + region.count[line.axis]
    cdef int axis
    for axis in range(axes):
        if axis != line.axis:
            x_at += region.start[axis] * x.strides[axis]
            y_at += region.start[axis] * y.strides[axis]
    for axis in range(o.count):
        index[axis] = 0
        if axis == o.columns:
            width = o.size[axis]
        else:
            total *= o.size[axis]
    part = most_columns(line, n, p.elements.width, in_place)
    if p.x_column != x.size or p.y_column != y.size:
        part = min(part, <Py_ssize_t>SQUARE) * 2 // 3  # at most a square's columns
    part = columns_of(part, width)
    for _ in range(total):
        done = 0
        while done < width:
            p.columns = min(part, width - done)
            p.src = x.data + x_at + done * p.x_column
            p.dst = y.data + y_at + done * p.y_column
            filter_panel(&p, &b, first, stop, in_place)
            done += p.columns
        next_line(&o, index, &x_at, &y_at)


cdef inline void next_line(const Others *o, Py_ssize_t *index, Py_ssize_t *x_at,
                           Py_ssize_t *y_at) noexcept nogil:
    """Move to the next line's bytes, the last axis first."""
    cdef int axis = o.count - 1
    while axis >= 0:
        if axis != o.columns:
            index[axis] += 1
            x_at[0], y_at[0] = x_at[0] + o.x[axis], y_at[0] + o.y[axis]
            if index[axis] < o.size[axis]:
                return
            x_at[0] -= o.size[axis] * o.x[axis]
            y_at[0] -= o.size[axis] * o.y[axis]
            index[axis] = 0
        axis -= 1
