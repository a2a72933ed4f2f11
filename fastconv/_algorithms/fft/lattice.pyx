"""Phases, and tiles: how one pass of one description is cut for transforms."""
from libc.math cimport ceil, log2

from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport gcd
from fastconv._core.machine cimport BANDWIDTH, peak, total
from fastconv._core.padding cimport AXES, PAD_ZEROS
from fastconv._kernels.dispatch cimport kernels_for

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT

cdef enum:
    PIECE = 1 << 17        # elements that one call transforms, unless a single tile has more
    MAX_WAITING = 1 << 21  # frequencies of tiles that wait for their products,
    MAX_TILES = 16         # and such tiles
    MAX_UNCUT = 16         # positions of a tile along an axis that needs no transform
    LENGTHS = 24           # lengths to choose from, along one axis
    TILE_COUNTS = 8        # of those, that cut an axis into so many tiles and fewer
    LONG_KERNELS = 13      # and that are about so many powers of KERNEL_FACTOR times the kernel

cdef double KERNEL_FACTOR = 1.4
cdef double SIZE_LIMIT = 1e18      # what sizes beyond 64 bits are taken for

# The cost model (docs/algorithms/choice.rst), fitted on the machine of `_core.machine`. Seconds for
# each element of a tile, float32 and float64:
cdef double[2] PER_DOUBLING = [0.20e-9, 0.34e-9]  # of the transform's size
cdef double[2] PER_AXIS = [0.8e-9, 1.3e-9]
cdef double[2] MOVED = [0.9e-9, 1.6e-9]           # gathered or stored,
cdef double KERNELS_MOVED = 2                     # times as long of kernels, tap by tap
cdef double CACHED_TILE = 1 << 20                 # bytes, beyond which transforms take
cdef double BEYOND_CACHE = 1.6                    # so many times as long
cdef double SPECTRA_EFFICIENCY = 0.1              # of the peak, of products of spectra
# and seconds for a call, for each piece of it, for an element of x and y, and of w, at the least.
cdef double PER_CALL = 60e-6, PER_PIECE = 25e-6, PER_ELEMENT = 8e-9, PER_WEIGHT = 40e-9

# Lengths without prime factors above 5, which transforms of real numbers are fast for.
cdef Py_ssize_t smooth[1024]
cdef Py_ssize_t n_smooth = 0


def _find_smooth():
    global n_smooth
    found = []
    two = 1
    while two <= LONGEST_TRANSFORM:
        three = two
        while three <= LONGEST_TRANSFORM:
            five = three
            while five <= LONGEST_TRANSFORM:
                found.append(five)
                five *= 5
            three *= 3
        two *= 2
    for n in sorted(found):
        smooth[n_smooth] = n
        n_smooth += 1


_find_smooth()


cdef Py_ssize_t fast_length(double n) noexcept:
    """The least such length from n on, or the greatest of all."""
    cdef Py_ssize_t low = 0, high = n_smooth - 1, middle
    while low < high:
        middle = (low + high) // 2
        if smooth[middle] < n:
            low = middle + 1
        else:
            high = middle
    return smooth[low]


cdef int find_lengths(double reach, Py_ssize_t taps, Py_ssize_t *out) noexcept:
    """Lengths of transforms to choose from: all in one tile, a few tiles, some kernels' lengths."""
    cdef int n = 1, i
    cdef double length = taps
    if taps == 1:
        out[0] = <Py_ssize_t>min(reach, <double>MAX_UNCUT)
        return 1
    out[0] = fast_length(reach + taps - 1)
    for i in range(2, TILE_COUNTS + 1):
        out[n] = fast_length(ceil(reach / i) + taps - 1)
        n += 1
    for _ in range(LONG_KERNELS):
        length *= KERNEL_FACTOR
        out[n] = fast_length(max(length + 1, 8.0))
        if out[n] < out[0]:
            n += 1
    return n


cdef Layout layout_for(ConvDesc desc, which):
    """The layout of a pass, which the description keeps."""
    cdef Layout layout = desc.kept.get(("fft", which))
    if layout is None:
        layout = desc.kept["fft", which] = Layout(desc, which)
    return layout


cdef CostTerms least_cost(ConvDesc desc) noexcept:
    """A bound from below, without a layout."""
    cdef const conv_geometry *g = &desc.g
    cdef CostTerms cost
    cost.arithmetic = cost.transform = cost.traffic = 0
    cost.start = PER_CALL + 2 * PER_PIECE
    cost.gather = PER_ELEMENT * (
        (<double>g.channels) * g.input[0] * g.input[1] * g.input[2]
        + (<double>g.filters) * g.output[0] * g.output[1] * g.output[2]) + PER_WEIGHT * (
        (<double>g.filters) * (g.channels // g.groups) * g.kernel[0] * g.kernel[1] * g.kernel[2])
    return cost


cdef class Layout:
    """How one pass of one description is cut into tiles; immutable, kept with the description."""

    def __cinit__(self, ConvDesc desc, which):
        cdef conv_geometry *g = &desc.g
        cdef Lattice *axis
        cdef Py_ssize_t common
        cdef int a
        self.desc = desc
        self.kernels = kernels_for(g.itemsize)
        self.backward = which == BACKWARD_DATA
        self.summing = which == BACKWARD_WEIGHT
        self.groups = g.groups
        self.channels = g.channels // g.groups
        self.filters = g.filters // g.groups
        self.phases = 1
        for a in range(AXES):
            axis = &self.axis[a]
            common = gcd(g.stride[a], g.dilation[a])
            axis.stride = g.stride[a] // common
            axis.dilation = g.dilation[a] // common
            # one that passes 2^62 is never gone
            axis.step = 1 << 62
            if (<double>axis.stride) * g.dilation[a] < 4e18:
                axis.step = axis.stride * g.dilation[a]
            axis.phases = min(axis.stride, g.kernel[a])
            axis.output_phases = min(axis.dilation, g.output[a])
            axis.taps = (g.kernel[a] - 1) // axis.stride + 1
            axis.reach = (g.output[a] - 1) // axis.dilation + 1
            if self.backward:
                axis.reach += axis.taps - 1
            self.phases *= axis.phases
        self.in_planes, self.out_planes = g.channels * self.phases, g.filters
        if self.backward:
            self.in_planes, self.out_planes = self.out_planes, self.in_planes
        self.choose_tiles()

    cdef int choose_tiles(self) except -1:
        """The lengths of transforms that take the least time."""
        cdef Py_ssize_t length[3][LENGTHS]
        cdef Py_ssize_t best[3]
        cdef int n[3]
        cdef int j, a, last = 2
        cdef double seconds, least = float("inf")
        for a in range(AXES):
            n[a] = find_lengths(self.axis[a].reach, self.axis[a].taps, length[a])
            best[a] = length[a][0]
            self.set_transform(a, best[a])
            if self.axis[a].taps > 1:
                last = a
        # One axis after the other, twice: what is best for one hardly depends on the others.
        for a in (2, 1, 0, 2, 1, 0):
            for j in range(n[a]):
                self.set_transform(a, length[a][j])
                self.cost = self.estimate()
                seconds = total(&self.cost)
                if seconds < least:
                    least = seconds
                    best[a] = length[a][j]
            self.set_transform(a, best[a])
        self.cost = self.estimate()
        self.tiles = <Py_ssize_t>min(self.n_tiles, SIZE_LIMIT)
        self.size = <Py_ssize_t>min(self.n_size, SIZE_LIMIT)
        self.freq = <Py_ssize_t>min(self.n_freq, SIZE_LIMIT)
        self.shape = tuple([self.axis[a].transform for a in range(AXES)])
        self.freq_shape = tuple([
            self.axis[a].transform // 2 + 1 if a == last else self.axis[a].transform
            for a in range(AXES)])
        self.axes = tuple([a - AXES for a in range(AXES) if self.axis[a].taps > 1])
        self.transforms = tuple([
            self.axis[a].transform for a in range(AXES) if self.axis[a].taps > 1])
        return 0

    cdef void set_transform(self, int a, Py_ssize_t transform) noexcept:
        cdef Lattice *axis = &self.axis[a]
        axis.transform = transform
        axis.block = max(1, transform - axis.taps + 1)
        axis.tiles = (axis.reach - 1) // axis.block + 1

    cdef CostTerms estimate(self) noexcept:
        """One image on one thread, with the transforms of the weights; sets the sizes of tiles."""
        cdef CostTerms cost
        cdef double elements = 1, step, planes, weights, waiting, moved
        cdef int wide = self.desc.g.itemsize == 8
        cdef int a, passes = 0
        cdef Py_ssize_t last = 1
        self.n_tiles = self.n_size = 1
        for a in range(AXES):
            self.n_tiles *= (<double>self.axis[a].output_phases) * self.axis[a].tiles
            self.n_size *= self.axis[a].transform
            if self.axis[a].taps > 1:
                elements *= self.axis[a].transform
                last = self.axis[a].transform
                passes += 1
        self.n_freq = self.n_size / last * (last // 2 + 1)
        weights = (<double>self.desc.g.filters) * self.channels * self.phases
        planes = self.n_tiles * (self.in_planes + self.out_planes)
        step = PER_DOUBLING[wide] * log2(elements) + PER_AXIS[wide] * passes
        if self.n_size * self.desc.g.itemsize > CACHED_TILE:
            step *= BEYOND_CACHE
        # the spectra of the weights stream once for every few tiles
        waiting = max(1.0, min(<double>MAX_TILES, MAX_WAITING / (self.in_planes * self.n_freq + 1)))
        moved = weights * self.n_freq * 2 * self.desc.g.itemsize * (
            1 + ceil(self.n_tiles / waiting))
        cost.start = PER_CALL + (2 + (planes + weights) * self.n_size / PIECE) * PER_PIECE
        cost.transform = (planes + weights) * self.n_size * step
        cost.gather = (planes + KERNELS_MOVED * weights) * self.n_size * MOVED[wide]
        cost.arithmetic = self.n_tiles * weights * self.n_freq * 8 / (
            SPECTRA_EFFICIENCY * peak(self.desc.g.itemsize))
        cost.traffic = moved / BANDWIDTH
        return cost

    cdef Py_ssize_t planes_at_once(self, Py_ssize_t planes) noexcept:
        """How many times `planes` planes one piece takes."""
        cdef Py_ssize_t rows = PIECE // max(1, self.size * planes)
        # SciPy takes transforms in fours where it can
        return max(1, rows // 4 * 4 if rows > 4 else rows)

    cdef bint fits_one_piece(self) noexcept:
        """Whether a piece holds all planes of a tile, read and written, and the weights are few.

        The spectra of many weights stream from memory, which only several tiles make up for.
        """
        return (max(self.in_planes, self.out_planes) * self.size <= 2 * PIECE
                and self.out_planes * (self.in_planes // self.groups) * self.freq <= PIECE)

    cdef Py_ssize_t tiles_at_once(self) noexcept:
        """Tiles that are transformed before products are taken: a few, or one piece of them."""
        cdef Py_ssize_t most = max(<Py_ssize_t>MAX_TILES, self.planes_at_once(
            max(self.in_planes, self.out_planes)))
        return max(1, min(self.tiles, most, MAX_WAITING // max(1, self.in_planes * self.freq)))

    # ---- which positions a tile stands for ----

    cdef void locate_tile(self, Py_ssize_t tile, Py_ssize_t *output_phase,
                          Py_ssize_t *first) noexcept nogil:
        """A tile's output phase and first result (or summand) on each axis."""
        cdef Py_ssize_t extent[3]
        cdef Py_ssize_t i
        cdef int a
        for a in range(AXES):
            extent[a] = self.axis[a].output_phases * self.axis[a].tiles
        unravel(tile, extent, AXES, first)
        for a in range(AXES):
            i = first[a]
            output_phase[a] = i // self.axis[a].tiles
            first[a] = i % self.axis[a].tiles * self.axis[a].block

    cdef void input_positions(self, int a, Py_ssize_t output_phase, Py_ssize_t phase,
                              Py_ssize_t first, Py_ssize_t most,
                              Positions *positions) noexcept nogil:
        """Input positions n = first, first + 1, … of an output phase and a phase."""
        cdef const conv_geometry *g = &self.desc.g
        cdef const Lattice *axis = &self.axis[a]
        positions.base = output_phase * g.stride[a] + phase * g.dilation[a] - g.before[a]
        if first:
            positions.base += first * axis.step
        positions.step = axis.step
        positions.length = g.input[a]
        positions.mode = PAD_ZEROS if self.backward else g.padding_mode
        positions.value = g.padding_value
        # what the last output's last tap of this phase meets
        positions.end = min(most, (g.output[a] - 1 - output_phase) // axis.dilation
                            + taps_of_phase(self, a, phase) - first)
        find_inside(positions)

    cdef void output_positions(self, int a, Py_ssize_t output_phase, Py_ssize_t first,
                               Py_ssize_t step, Py_ssize_t most,
                               Positions *positions) noexcept nogil:
        """Outputs t = first, first + step, … of an output phase; step is 1 or -1."""
        cdef const Lattice *axis = &self.axis[a]
        positions.base = axis.dilation * first + output_phase
        positions.step = axis.dilation * step
        positions.length = self.desc.g.output[a]
        positions.mode = PAD_ZEROS
        positions.value = 0
        positions.end = most
        find_inside(positions)

    cdef void positions_read(self, Py_ssize_t tile, Py_ssize_t phase,
                             Positions *positions) noexcept nogil:
        """What a tile is read from: x by phases, or grad_output from M - 1 earlier on."""
        cdef Py_ssize_t output_phase[3]
        cdef Py_ssize_t first[3]
        cdef int a
        self.locate_tile(tile, output_phase, first)
        for a in range(AXES - 1, -1, -1):
            if self.backward:
                self.output_positions(a, output_phase[a], first[a] - self.axis[a].taps + 1, 1,
                                      self.axis[a].transform, &positions[a])
            else:
                self.input_positions(a, output_phase[a], phase % self.axis[a].phases, first[a],
                                     self.axis[a].transform, &positions[a])
                phase //= self.axis[a].phases

    cdef void positions_written(self, Py_ssize_t tile, Py_ssize_t phase,
                                Positions *positions) noexcept nogil:
        """Where a tile's results go; of backward_weight, its summands, the last one first."""
        cdef Py_ssize_t output_phase[3]
        cdef Py_ssize_t first[3]
        cdef int a
        self.locate_tile(tile, output_phase, first)
        for a in range(AXES - 1, -1, -1):
            if self.backward:
                self.input_positions(a, output_phase[a], phase % self.axis[a].phases, first[a],
                                     self.axis[a].block, &positions[a])
                phase //= self.axis[a].phases
            elif self.summing and self.axis[a].taps > 1:
                self.output_positions(a, output_phase[a], first[a] + self.axis[a].block - 1, -1,
                                      self.axis[a].block, &positions[a])
            else:
                self.output_positions(a, output_phase[a], first[a], 1, self.axis[a].block,
                                      &positions[a])

    # ---- memory ----

    def workspace(self, int threads):
        """Bytes of a call on so many threads."""
        size, freq = self.size * self.desc.g.itemsize, 2 * self.freq * self.desc.g.itemsize
        # Transforms along several axes copy what they are given, and work in copies of their own;
        # as measured (tests/test_family_memory.py), up to five times the numbers and spectra.
        both = 5 * (size + freq)
        weights = self.desc.g.filters * self.channels * self.phases
        planes = self.planes_at_once(1)
        kernel = min(weights, max(planes, self.in_planes // self.groups)) * both
        if self.summing:
            tiles = self.tiles_at_once()
            return (2 * weights * freq + tiles * (self.in_planes + self.out_planes) * freq
                    + threads * max(planes * both, kernel))
        # tiles of float32 that are not exact enough are transformed once more, in float64
        wide = 2 if self.desc.g.itemsize == 4 else 1
        spectra = weights * freq * (3 if wide == 2 else 1)
        if self.fits_one_piece():
            rows = min(self.tiles, self.planes_at_once(max(self.in_planes, self.out_planes)))
            piece = rows * (self.in_planes + self.out_planes) * both
            return spectra + wide * threads * max(piece, kernel)
        tiles = self.tiles_at_once()
        piece = max(planes, tiles) * both
        return spectra + wide * (tiles * self.in_planes * freq + threads * max(piece, kernel))


cdef void find_inside(Positions *positions) noexcept nogil:
    """Find which of the tile's positions lie inside the array."""
    cdef Py_ssize_t last = positions.length - 1, base = positions.base, step = positions.step
    positions.end = max(positions.end, 0)
    if step > 0:
        positions.low = 0 if base >= 0 else (-base - 1) // step + 1
        positions.high = 0 if base > last else (last - base) // step + 1
    else:
        positions.low = 0 if base <= last else (base - last - 1) // -step + 1
        positions.high = 0 if base < 0 else base // -step + 1
    positions.low = min(positions.low, positions.end)
    positions.high = max(min(positions.high, positions.end), positions.low)
