"""How large the numbers of a tile are, place by place: what its rounding errors are judged by.

A transform spreads its rounding errors evenly over the tile. Where some numbers of a tile are much
larger than others, results far from them come out less exact than sums of their own neighbourhood
would, though the tile's largest result hides it. So tiles are cut into *blocks* of about the
kernel's length, whose magnitudes are added up. They tell how large sums of magnitudes must be near
a block, and how large the errors are in all of the tile.
"""
import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt
from libc.string cimport memset

from fastconv._algorithms.fft.lattice cimport Layout
from fastconv._core.blocks cimport unravel
from fastconv._core.padding cimport AXES
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

cnp.import_array()

cdef enum:
    MIN_HALVED = 24  # elements of a sum that are worth a call
    MIN_LENGTH = 8   # results along a block; docs/precision.rst speaks of twice as many neighbours

# The largest errors seen, over the root mean square of what is transformed and of what comes out,
# in units of rounding: of some thousand tiles of all kinds.
cdef double FROM_INPUT = 16, FROM_OUTPUT = 10
# What an error may be, to the sum of magnitudes nearby: float32, float64.
cdef double[2] PROMISE = [1e-4, 1e-12]


cdef Blocks blocks_for(Layout layout, which):
    """The blocks of a pass, which the description keeps."""
    kept = layout.desc.kept
    blocks = kept.get(("fft blocks", which))
    if blocks is None:
        blocks = kept["fft blocks", which] = Blocks(layout)
    return blocks


cdef class Blocks:
    """How tiles are cut into blocks; immutable.

    The *levels* of a tile are, for each plane, the sums of the magnitudes of its blocks, and behind
    them the mean square of what each transform is made of, or more.
    """

    def __init__(self, Layout layout):
        cdef Py_ssize_t at[3]
        cdef Py_ssize_t b, reads
        cdef int a
        self.layout = layout
        self.blocks = self.lines = 1
        self.size = 1
        for a in range(AXES):
            self.cut_axis(a)
        self.share = np.ones(self.blocks)
        self.line = np.zeros(self.blocks, np.intp)
        for b in range(self.blocks):
            unravel(b, self.count, AXES, at)
            for a in range(AXES):
                # results that numbers of the block are part of
                reads = min(self.length[a], layout.axis[a].transform - at[a] * self.length[a])
                self.share[b] /= reads + layout.axis[a].taps - 1
                if layout.axis[a].taps == 1:
                    self.line[b] = self.line[b] * self.count[a] + at[a]

    def cut_axis(self, int a):
        """Blocks of the kernel's length, or so long that two are within the reach of a promise."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t taps = layout.axis[a].taps, step = layout.axis[a].dilation
        cdef double reach = 2 * (layout.desc.g.dilation[a] * (layout.desc.g.kernel[a] - 1.0) + 1)
        if layout.backward:
            step = layout.axis[a].step
        # along an axis without transform nothing spreads
        self.length[a] = max(taps, MIN_LENGTH // step) if taps > 1 else 1
        self.count[a] = (layout.axis[a].transform - 1) // self.length[a] + 1
        self.joins[a] = taps > 1 and (2.0 * self.length[a] - 1) * step <= max(
            2.0 * MIN_LENGTH, reach)
        self.blocks *= self.count[a]
        if taps > 1:
            self.size *= layout.axis[a].transform
        else:
            self.lines *= self.count[a]

    def empty_levels(self, tiles, planes):
        """Room for the levels of some planes of some tiles."""
        return np.empty((tiles, planes, self.blocks + self.lines))

    cdef cnp.ndarray levels(self, cnp.ndarray tile):
        """The levels of tiles (tile, plane, *elements)."""
        cdef Py_ssize_t planes = cnp.PyArray_DIM(tile, 0) * cnp.PyArray_DIM(tile, 1), p
        cdef cnp.ndarray levels = self.empty_levels(*(<object>tile).shape[:2])
        cdef cnp.ndarray row = np.empty(cnp.PyArray_DIM(tile, 4), tile.dtype)
        cdef double *sums = <double *>cnp.PyArray_DATA(levels)
        cdef const fc_kernels *kernels = self.layout.kernels
        cdef Layout layout = self.layout
        with nogil:
            for p in range(planes):
                if layout.desc.g.itemsize == 4:
                    measure(self, layout, kernels,
                            (<const float *>cnp.PyArray_DATA(tile)) + p * layout.size,
                            <float *>cnp.PyArray_DATA(row), sums)
                else:
                    measure(self, layout, kernels,
                            (<const double *>cnp.PyArray_DATA(tile)) + p * layout.size,
                            <double *>cnp.PyArray_DATA(row), sums)
                sums += self.blocks + self.lines
        return levels

    cdef bint exact_enough(self, cnp.ndarray norms, cnp.ndarray levels, cnp.ndarray results,
                           Py_ssize_t first, Py_ssize_t plane) except -1:
        """Whether results (tile, plane, *elements), of tiles from `first` and planes from `plane`
        on, are as exact as is promised of them locally; zeros where all that they see is zero.

        norms: (2, plane written, plane read), sums of |w| and of w^2.
        """
        cdef Py_ssize_t tiles = cnp.PyArray_DIM(results, 0), planes = cnp.PyArray_DIM(results, 1)
        cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(results), i
        cdef cnp.ndarray row = np.empty(cnp.PyArray_DIM(results, 4), results.dtype)
        cdef cnp.ndarray rooms = np.empty((4, self.blocks + self.lines))
        cdef Layout layout = self.layout
        cdef Check check
        cdef bint exact = True
        check.kernels = kernels_for(itemsize)
        # by the promise of the arrays' precision, and the unit of the transform's
        check.unit = (2.0**-24 if itemsize == 4 else 2.0**-53) / PROMISE[
            layout.desc.g.itemsize == 8]
        check.level = <const double *>cnp.PyArray_DATA(levels)
        check.norm = <const double *>cnp.PyArray_DATA(norms)
        check.planes = cnp.PyArray_DIM(norms, 2)
        check.square = check.norm + cnp.PyArray_SIZE(norms) // 2
        check.share = <const double *>cnp.PyArray_DATA(self.share)
        check.line = <const Py_ssize_t *>cnp.PyArray_DATA(self.line)
        check.near = <double *>cnp.PyArray_DATA(rooms)
        check.row = cnp.PyArray_BYTES(row)
        with nogil:
            for i in range(tiles * planes):
                if itemsize == 4:
                    exact = check_plane(self, layout, &check, first, i // planes,
                                        plane + i % planes,
                                        (<float *>cnp.PyArray_DATA(results)) + i * layout.size)
                else:
                    exact = check_plane(self, layout, &check, first, i // planes,
                                        plane + i % planes,
                                        (<double *>cnp.PyArray_DATA(results)) + i * layout.size)
                if not exact:
                    break
        return exact


cdef struct Check:
    const fc_kernels *kernels
    double unit
    const double *level         # of the first tile and plane
    const double *norm          # sums of |w| of each kernel; of w^2
    const double *square
    Py_ssize_t planes           # read by one that is written
    const double *share
    const Py_ssize_t *line
    double *near                # room for four rows of levels
    char *row                   # and for one of the tile


cdef void measure(Blocks blocks, Layout layout, const fc_kernels *kernels, const real_t *tile,
                  real_t *line, double *levels) noexcept nogil:
    """The levels of one plane of a tile. Rows are added up first: positions are lanes of vectors.
    """
    cdef Py_ssize_t rows = layout.axis[1].transform, n = layout.axis[2].transform
    cdef Py_ssize_t b0, b1, b2, i0, i1, b = 0, first
    cdef double largest = kernels.largest(layout.size, tile, 0)
    cdef double *energy = levels + blocks.blocks
    cdef const Py_ssize_t *transform = <const Py_ssize_t *>cnp.PyArray_DATA(blocks.line)
    memset(energy, 0, blocks.lines * sizeof(double))
    for b0 in range(blocks.count[0]):
        for b1 in range(blocks.count[1]):
            memset(line, 0, n * sizeof(real_t))
            for i0 in range(b0 * blocks.length[0],
                            min(layout.axis[0].transform, (b0 + 1) * blocks.length[0])):
                for i1 in range(b1 * blocks.length[1], min(rows, (b1 + 1) * blocks.length[1])):
                    kernels.add_magnitudes(n, tile + (i0 * rows + i1) * n, line)
            for b2 in range(blocks.count[2]):
                first = b2 * blocks.length[2]
                levels[b] = sum_of(kernels, min(blocks.length[2], n - first), line + first)
                energy[transform[b]] += levels[b] * (largest / blocks.size)
                b += 1


cdef inline double sum_of(const fc_kernels *kernels, Py_ssize_t n, real_t *x) noexcept nogil:
    """The sum of n elements, which are overwritten: halves are added to each other, in vectors."""
    cdef double total = 0
    cdef Py_ssize_t i
    while n >= MIN_HALVED:
        kernels.add(n // 2, x + n - n // 2, x)
        n -= n // 2
    for i in range(n):
        total += x[i]
    return total


cdef bint check_plane(Blocks blocks, Layout layout, const Check *check, Py_ssize_t first,
                      Py_ssize_t tile, Py_ssize_t plane, real_t *results) noexcept nogil:
    """Whether one plane of a tile is exact enough.

    Most tiles are so by what is read alone; of others the results are measured too.
    """
    cdef Py_ssize_t row = blocks.blocks + blocks.lines, b, u
    cdef double *near = check.near
    cdef double *seen = near + row
    cdef double *written = seen + row
    cdef double *error = written + row
    cdef double *square = near + blocks.blocks   # of what is read, and of the most that results are
    cdef double *most = seen + blocks.blocks
    cdef Py_ssize_t start[3]
    cdef Py_ssize_t phase[3]
    add_planes(blocks, layout, check, tile, plane, near, most)
    for b in range(blocks.blocks):
        near[b] *= check.share[b]
        seen[b] = near[b]
    next_too(blocks, layout, seen, False)
    next_too(blocks, layout, near, True)
    for u in range(blocks.lines):
        error[u] = error_of(check, square[u], most[u] * most[u])
    layout.locate_tile(first + tile, phase, start)
    if not small_enough(blocks, layout, check, start, error, near, seen):
        measure(blocks, layout, check.kernels, results, <real_t *>check.row, written)
        for u in range(blocks.lines):
            error[u] = error_of(check, square[u], written[blocks.blocks + u])
        add_results(blocks, layout, near, written)
        if not small_enough(blocks, layout, check, start, error, near, seen):
            return False
    for b in range(blocks.blocks):
        if seen[b] == 0:
            clear(blocks, layout, b, results)
    return True


cdef inline double error_of(const Check *check, double read, double written) noexcept nogil:
    """The error, over what is promised to a sum of magnitudes of one, from mean squares."""
    return check.unit * sqrt(FROM_INPUT * FROM_INPUT * read + FROM_OUTPUT * FROM_OUTPUT * written)


cdef bint small_enough(Blocks blocks, Layout layout, const Check *check, const Py_ssize_t *start,
                       const double *error, const double *near, const double *seen) noexcept nogil:
    """Whether errors are within the promise in every block that has results of its own."""
    cdef Py_ssize_t b
    for b in range(blocks.blocks):
        if seen[b] > 0 and not error[check.line[b]] <= near[b] and holds_results(
                blocks, layout, start, b):
            return False
    return True


cdef void add_planes(Blocks blocks, Layout layout, const Check *check, Py_ssize_t tile,
                     Py_ssize_t plane, double *sums, double *most) noexcept nogil:
    """The levels of all planes read, times the norms of their kernels: sums of |w| for blocks, of
    w^2 for transforms. most: the root mean square of the results of transforms is no larger.
    """
    cdef Py_ssize_t row = blocks.blocks + blocks.lines, p, b
    cdef Py_ssize_t group = plane // (layout.out_planes // layout.groups)
    cdef const double *level = check.level + (tile * layout.in_planes
                                              + group * check.planes) * row
    cdef double norm, square
    memset(sums, 0, row * sizeof(double))
    memset(most, 0, blocks.lines * sizeof(double))
    for p in range(check.planes):
        norm = check.norm[plane * check.planes + p]
        square = check.square[plane * check.planes + p]
        for b in range(blocks.blocks):
            sums[b] += norm * level[b]
        for b in range(blocks.lines):
            sums[blocks.blocks + b] += square * level[blocks.blocks + b]
            most[b] += norm * sqrt(level[blocks.blocks + b])
        level += row


cdef void next_too(Blocks blocks, Layout layout, double *values, bint near) noexcept nogil:
    """Let each block have the larger of its value and the next one's, along each axis that is
    transformed; near: and where they are near each other.
    """
    cdef Py_ssize_t at[3]
    cdef Py_ssize_t b, step = 1
    cdef int a
    for a in range(AXES - 1, -1, -1):
        if (blocks.joins[a] if near else layout.axis[a].taps > 1):
            for b in range(blocks.blocks - step):
                unravel(b, blocks.count, AXES, at)
                if at[a] + 1 < blocks.count[a]:
                    values[b] = max(values[b], values[b + step])
        step *= blocks.count[a]


cdef void add_results(Blocks blocks, Layout layout, double *near,
                      const double *written) noexcept nogil:
    """Sums of magnitudes are no smaller than the results themselves: raise them to the mean of the
    block of the tile behind, in which the results are that are near.
    """
    cdef Py_ssize_t at[3]
    cdef Py_ssize_t b, behind = 0, step = 1, elements
    cdef int a
    for a in range(AXES - 1, -1, -1):
        if layout.axis[a].taps > 1:
            if not blocks.joins[a]:
                return
            behind += step
        step *= blocks.count[a]
    for b in range(blocks.blocks - behind):
        unravel(b, blocks.count, AXES, at)
        elements = 1
        for a in range(AXES):
            if layout.axis[a].taps > 1:
                elements *= max(0, min(blocks.length[a], layout.axis[a].transform
                                       - (at[a] + 1) * blocks.length[a]))
        if elements:
            near[b] = max(near[b], written[b + behind] / elements)


cdef bint holds_results(Blocks blocks, Layout layout, const Py_ssize_t *start,
                        Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t at[3]
    cdef int a
    unravel(b, blocks.count, AXES, at)
    for a in range(AXES):
        if at[a] * blocks.length[a] >= min(layout.axis[a].block, layout.axis[a].reach - start[a]):
            return False
    return True


cdef void clear(Blocks blocks, Layout layout, Py_ssize_t b, real_t *results) noexcept nogil:
    """Zeros in one block of the results that nothing has wrapped around into."""
    cdef Py_ssize_t at[3]
    cdef Py_ssize_t[3] first, end
    cdef Py_ssize_t i0, i1
    cdef int a
    unravel(b, blocks.count, AXES, at)
    for a in range(AXES):
        first[a] = at[a] * blocks.length[a] + layout.axis[a].taps - 1
        end[a] = min(layout.axis[a].transform, first[a] + blocks.length[a])
    for i0 in range(first[0], end[0]):
        for i1 in range(first[1], end[1]):
            memset(results + (i0 * layout.axis[1].transform + i1) * layout.axis[2].transform
                   + first[2], 0, max(end[2] - first[2], 0) * sizeof(real_t))
