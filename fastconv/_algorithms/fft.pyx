"""FFT: convolution as products of spectra, a tile at a time, by SciPy's transforms.

Overlap-save. A tile of F positions of each source, transformed, times the spectrum of the kernel
of M taps, transformed back, gives F - M + 1 results that nothing has wrapped around into. The sum
over channels is taken of spectra, so every source is transformed once and every sink once.

Stride and dilation first fall away. Along an axis, output o and tap j meet input position
i = o s + j d - p. With g = gcd(s, d), s = g s', d = g d', write o = d' t + a and j = s' m + b.
Then

    i = g (s' d' (t + m) + a s' + b d') - p,

so outputs of equal *class* a, taps of equal *phase* b and every (g s' d')-th input position make up
a convolution without stride or dilation, y_a[t] = sum over b and m of x_ab[t + m] w_b[m]. Phases
are further channels of the source; classes are independent and share the spectra of the kernel.
backward_data is the transpose, with the phases among the sinks, and backward_weight sums the
products of spectra over tiles and images. So no pass multiplies zeros or computes what a stride
then drops.

Whatever is transformed in one call of `scipy.fft` depends on one image alone: how its loops pair
transforms up in vectors must not show in the result. The same holds for threads, which share out
these calls.

Sources: Stockham, "High-speed convolution and correlation" (1966); Oppenheim and Schafer,
"Discrete-time signal processing" (overlap-save, polyphase); Mathieu, Henaff and LeCun, "Fast
training of convolutional networks through FFTs" (2014); Zlateski, Jia, Li and Durand, "The anatomy
of efficient FFT and Winograd convolutions on modern CPUs" (2019).
"""
import numpy as np

cimport numpy as cnp
from libc.math cimport ceil, log2
from libc.string cimport memset

from fastconv._core.cost cimport BANDWIDTH, peak
from fastconv._core.integers cimport gcd
from fastconv._core.threads cimport python_parallel_for
from fastconv._core.types cimport real_t
from fastconv._core.padding cimport AXES, PAD_ZEROS, source_index
from fastconv._desc cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

from fastconv._algorithms.record import BACKWARD_DATA, BACKWARD_WEIGHT, PASSES, Algorithm, Cost

cnp.import_array()

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* The largest magnitude. Without their signs the bits of floating-point numbers are ordered
     * like integers, and a NaN is greater than infinity. */
    static float fc_largest_32(const float *x, Py_ssize_t n, float least)
    {
        uint32_t most, bits;
        memcpy(&most, &least, sizeof most);
        for (Py_ssize_t i = 0; i < n; i++) {
            memcpy(&bits, x + i, sizeof bits);
            bits &= UINT32_MAX >> 1;
            most = bits > most ? bits : most;
        }
        memcpy(&least, &most, sizeof most);
        return least;
    }
    static double fc_largest_64(const double *x, Py_ssize_t n, double least)
    {
        uint64_t most, bits;
        memcpy(&most, &least, sizeof most);
        for (Py_ssize_t i = 0; i < n; i++) {
            memcpy(&bits, x + i, sizeof bits);
            bits &= UINT64_MAX >> 1;
            most = bits > most ? bits : most;
        }
        memcpy(&least, &most, sizeof most);
        return least;
    }
    """
    float fc_largest_32(const float *x, Py_ssize_t n, float least) nogil
    double fc_largest_64(const double *x, Py_ssize_t n, double least) nogil

cdef enum:
    PIECE = 1 << 17        # elements that one call transforms, unless a single tile has more
    WAITING = 1 << 21      # frequencies of the sources that wait for their products
    TILES = 16             # tiles of them at most
    STRIP = 64             # frequencies whose products are taken while they lie in the cache
    UNCUT = 16             # positions of a tile along an axis that needs no transform
    LENGTHS = 24           # lengths to choose from, along one axis
    LONGEST = 1 << 24

cdef double LARGEST = 1e12  # bytes of spectra

# The cost model (docs/algorithms/choice.rst): seconds for each element of a tile.
cdef double TRANSFORM_32 = 0.20e-9    # and doubling of the transform's size
cdef double TRANSFORM_64 = 0.34e-9
cdef double PASS_32 = 0.8e-9          # and axis
cdef double PASS_64 = 1.3e-9
cdef double MOVED_32 = 0.9e-9         # gathered or stored
cdef double MOVED_64 = 1.6e-9
cdef double IN_CACHE = 1 << 20        # bytes of a tile, beyond which a transform slows down
cdef double BEYOND_CACHE = 1.6
cdef double SPECTRA_EFFICIENCY = 0.2  # of the peak, where products of spectra are taken
cdef double STARTED = 60e-6           # seconds for a call
cdef double PER_PIECE = 25e-6         # and for each piece of it
cdef double LEAST = 8e-9              # and for each element of x and y, at the least
cdef double SMALL = 2e6               # operations that any algorithm does sooner than that

# Lengths without prime factors above 5, which transforms of real numbers are fast for.
cdef Py_ssize_t smooth[1024]
cdef Py_ssize_t n_smooth = 0


def _find_smooth():
    global n_smooth
    found = []
    two = 1
    while two <= LONGEST:
        three = two
        while three <= LONGEST:
            five = three
            while five <= LONGEST:
                found.append(five)
                five *= 5
            three *= 3
        two *= 2
    for n in sorted(found):
        smooth[n_smooth] = n
        n_smooth += 1


_find_smooth()


cdef Py_ssize_t fast(double n) noexcept:
    """The least such length from n on, or the greatest of all."""
    cdef Py_ssize_t low = 0, high = n_smooth - 1, middle
    while low < high:
        middle = (low + high) // 2
        if smooth[middle] < n:
            low = middle + 1
        else:
            high = middle
    return smooth[low]


# One spatial axis of the convolutions that are left.
cdef struct Lattice:
    Py_ssize_t classes, phases     # those that hold outputs, and taps
    Py_ssize_t dilation, stride    # d' and s'
    Py_ssize_t step                # g s' d', input positions from n to n + 1
    Py_ssize_t taps                # of a phase, M
    Py_ssize_t reach               # results of a class; of backward_weight, its summands
    Py_ssize_t transform, block    # F, and how many of those a tile is good for
    Py_ssize_t per_class           # tiles of a class


# Positions along an array's axis that a tile's positions 0, 1, … stand for: base + i * step.
cdef struct Line:
    Py_ssize_t base, step
    Py_ssize_t length, mode        # of the array, and how it goes on outside
    Py_ssize_t end                 # tile positions from here on are zero
    Py_ssize_t low, high           # those in between lie inside the array


cdef inline Py_ssize_t parts(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    """How many parts of `unit` elements n takes."""
    return (n + unit - 1) // unit


cdef int lengths(double reach, Py_ssize_t taps, Py_ssize_t *out) noexcept:
    """Lengths of transforms to choose from: all in one tile, a few tiles, some kernels' lengths."""
    cdef int n = 1, i
    cdef double length
    cdef Py_ssize_t whole
    if taps == 1:
        out[0] = <Py_ssize_t>min(reach, <double>UNCUT)
        return 1
    out[0] = whole = fast(reach + taps - 1)
    for i in range(2, 9):
        length = ceil(reach / i) + taps - 1
        out[n] = fast(length)
        n += 1
    length = taps
    for _ in range(13):
        length *= 1.4
        out[n] = fast(max(length + 1, 8.0))
        if out[n] < whole:
            n += 1
    return n


cdef class Layout:
    """How one pass of one description is cut into tiles; immutable, kept with the description."""

    cdef ConvDesc desc
    cdef bint backward, summing                 # backward_data; backward_weight
    cdef Lattice axis[3]
    cdef Py_ssize_t groups, channels, filters   # channels and filters of a group
    cdef Py_ssize_t phases                      # of all axes together
    cdef Py_ssize_t sources, sinks              # planes of a tile, of all groups
    cdef Py_ssize_t tiles, size, freq           # tiles of an image; elements, frequencies of one
    cdef double n_tiles, n_size, n_freq         # the same, while they may be beyond 64 bits
    cdef double seconds                         # estimated, of one image on one thread
    cdef readonly tuple shape, freq_shape       # of a tile and of its spectrum
    cdef readonly tuple axes, transforms        # that are transformed, and their lengths

    @staticmethod
    cdef Layout get(ConvDesc desc, which):
        cdef Layout layout = desc.kept.get(("fft", which))
        if layout is None:
            layout = desc.kept[("fft", which)] = Layout(desc, which)
        return layout

    def __cinit__(self, ConvDesc desc, which):
        cdef conv_geometry *g = &desc.g
        cdef Lattice *axis
        cdef Py_ssize_t common
        cdef int a
        self.desc = desc
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
            axis.classes = min(axis.dilation, g.output[a])
            axis.taps = (g.kernel[a] - 1) // axis.stride + 1
            axis.reach = (g.output[a] - 1) // axis.dilation + 1
            if self.backward:
                axis.reach += axis.taps - 1
            self.phases *= axis.phases
        self.sources, self.sinks = g.channels * self.phases, g.filters
        if self.backward:
            self.sources, self.sinks = self.sinks, self.sources
        self.choose_tiles()

    cdef int choose_tiles(self) except -1:
        """The lengths of transforms that take the least time."""
        cdef Py_ssize_t length[3][LENGTHS]
        cdef Py_ssize_t best[3]
        cdef int n[3]
        cdef int j, a, last = 2
        cdef double seconds
        for a in range(AXES):
            n[a] = lengths(self.axis[a].reach, self.axis[a].taps, length[a])
            best[a] = length[a][0]
            self.cut(a, best[a])
            if self.axis[a].taps > 1:
                last = a
        # One axis after the other, twice: what is best for one hardly depends on the others.
        self.seconds = float("inf")
        for a in (2, 1, 0, 2, 1, 0):
            for j in range(n[a]):
                self.cut(a, length[a][j])
                seconds = self.estimate()
                if seconds < self.seconds:
                    self.seconds = seconds
                    best[a] = length[a][j]
            self.cut(a, best[a])
        self.estimate()
        self.tiles = <Py_ssize_t>min(self.n_tiles, 1e18)
        self.size = <Py_ssize_t>min(self.n_size, 1e18)
        self.freq = <Py_ssize_t>min(self.n_freq, 1e18)
        self.shape = tuple([self.axis[a].transform for a in range(AXES)])
        self.freq_shape = tuple([
            self.axis[a].transform // 2 + 1 if a == last else self.axis[a].transform
            for a in range(AXES)])
        self.axes = tuple([a - AXES for a in range(AXES) if self.axis[a].taps > 1])
        self.transforms = tuple([
            self.axis[a].transform for a in range(AXES) if self.axis[a].taps > 1])
        return 0

    cdef void cut(self, int a, Py_ssize_t transform) noexcept:
        cdef Lattice *axis = &self.axis[a]
        axis.transform = transform
        axis.block = max(1, transform - axis.taps + 1)
        axis.per_class = (axis.reach - 1) // axis.block + 1

    cdef double estimate(self) noexcept:
        """Seconds for one image on one thread, with the transforms of the weights.

        docs/algorithms/choice.rst tells the model and where its constants are from.
        """
        cdef double elements = 1, step, planes, products, weights, moved, calls
        cdef bint wide = self.desc.g.itemsize == 8
        cdef int a, passes = 0
        cdef Py_ssize_t last = 1
        self.n_tiles = self.n_size = 1
        for a in range(AXES):
            self.n_tiles *= (<double>self.axis[a].classes) * self.axis[a].per_class
            self.n_size *= self.axis[a].transform
            if self.axis[a].taps > 1:
                elements *= self.axis[a].transform
                last = self.axis[a].transform
                passes += 1
        self.n_freq = self.n_size / last * (last // 2 + 1)
        weights = (<double>self.desc.g.filters) * self.channels * self.phases
        planes = self.n_tiles * (self.sources + self.sinks)
        step = (TRANSFORM_64 if wide else TRANSFORM_32) * log2(elements) + (
            PASS_64 if wide else PASS_32) * passes
        if self.n_size * self.desc.g.itemsize > IN_CACHE:
            step *= BEYOND_CACHE
        products = self.n_tiles * weights * self.n_freq * 8 / (
            SPECTRA_EFFICIENCY * peak(self.desc.g.itemsize))
        # the spectra of the weights stream once for every few tiles
        moved = weights * self.n_freq * 2 * self.desc.g.itemsize * (
            1 + ceil(self.n_tiles / max(1.0, min(
                <double>TILES, WAITING / (self.sources * self.n_freq + 1)))))
        calls = 2 + (planes + weights) * self.n_size / PIECE
        return (STARTED + calls * PER_PIECE + (planes + weights) * self.n_size * step
                + (planes + weights) * self.n_size * (MOVED_64 if wide else MOVED_32)
                + products + moved / BANDWIDTH)

    cdef Py_ssize_t at_once(self, Py_ssize_t planes) noexcept:
        """Rows of `planes` planes each that one piece takes."""
        cdef Py_ssize_t rows = PIECE // max(1, self.size * planes)
        # SciPy takes transforms in fours where it can
        return max(1, rows // 4 * 4 if rows > 4 else rows)

    cdef bint fused(self) noexcept:
        """Whether a piece holds all sources and all sinks of a tile, and the weights are few.

        The spectra of many weights stream from memory, which only several tiles make up for.
        """
        return (max(self.sources, self.sinks) * self.size <= 2 * PIECE
                and self.sinks * (self.sources // self.groups) * self.freq <= PIECE)

    cdef Py_ssize_t waiting(self) noexcept:
        """Tiles whose sources are transformed before products are taken."""
        return max(1, min(self.tiles, TILES, WAITING // max(1, self.sources * self.freq)))

    # ---- which positions a tile stands for ----

    cdef int place(self, Py_ssize_t tile, Py_ssize_t *cls, Py_ssize_t *first) noexcept nogil:
        """A tile's class and first result (or summand) on each axis."""
        cdef int a
        cdef Py_ssize_t i
        for a in range(AXES - 1, -1, -1):
            i = tile % (self.axis[a].classes * self.axis[a].per_class)
            tile //= self.axis[a].classes * self.axis[a].per_class
            cls[a] = i // self.axis[a].per_class
            first[a] = i % self.axis[a].per_class * self.axis[a].block
        return 0

    cdef void inputs(self, int a, Py_ssize_t cls, Py_ssize_t phase, Py_ssize_t first,
                     Py_ssize_t most, Line *line) noexcept nogil:
        """Input positions n = first, first + 1, … of a class and phase."""
        cdef const conv_geometry *g = &self.desc.g
        cdef const Lattice *axis = &self.axis[a]
        line.base = cls * g.stride[a] + phase * g.dilation[a] - g.before[a]
        if first:
            line.base += first * axis.step
        line.step = axis.step
        line.length = g.input[a]
        line.mode = PAD_ZEROS if self.backward else g.padding_mode
        line.end = min(most, (g.output[a] - 1 - cls) // axis.dilation + axis.taps - first)
        bound(line)

    cdef void outputs(self, int a, Py_ssize_t cls, Py_ssize_t first, Py_ssize_t step,
                      Py_ssize_t most, Line *line) noexcept nogil:
        """Output positions t = first, first + step, … of a class; step is 1 or -1."""
        cdef const Lattice *axis = &self.axis[a]
        line.base = axis.dilation * first + cls
        line.step = axis.dilation * step
        line.length = self.desc.g.output[a]
        line.mode = PAD_ZEROS
        line.end = most
        bound(line)

    cdef void source_lines(self, Py_ssize_t tile, Py_ssize_t phase, Line *line) noexcept nogil:
        """What a tile of the sources holds: x by phases, or grad_output from M - 1 earlier on."""
        cdef Py_ssize_t cls[3]
        cdef Py_ssize_t first[3]
        cdef int a
        self.place(tile, cls, first)
        for a in range(AXES - 1, -1, -1):
            if self.backward:
                self.outputs(a, cls[a], first[a] - self.axis[a].taps + 1, 1,
                             self.axis[a].transform, &line[a])
            else:
                self.inputs(a, cls[a], phase % self.axis[a].phases, first[a],
                            self.axis[a].transform, &line[a])
                phase //= self.axis[a].phases

    cdef void sink_lines(self, Py_ssize_t tile, Py_ssize_t phase, Line *line) noexcept nogil:
        """Where the results of a tile go; of backward_weight, its summands, the last one first."""
        cdef Py_ssize_t cls[3]
        cdef Py_ssize_t first[3]
        cdef int a
        self.place(tile, cls, first)
        for a in range(AXES - 1, -1, -1):
            if self.backward:
                self.inputs(a, cls[a], phase % self.axis[a].phases, first[a],
                            self.axis[a].block, &line[a])
                phase //= self.axis[a].phases
            elif self.summing and self.axis[a].taps > 1:
                self.outputs(a, cls[a], first[a] + self.axis[a].block - 1, -1,
                             self.axis[a].block, &line[a])
            else:
                self.outputs(a, cls[a], first[a], 1, self.axis[a].block, &line[a])

    # ---- memory ----

    def workspace(self, int threads):
        """Bytes of a call on so many threads."""
        size, freq = self.size * self.desc.g.itemsize, 2 * self.freq * self.desc.g.itemsize
        # Transforms along several axes copy what they are given, and work in copies of their own;
        # as measured (tests/test_family_memory.py), up to five times the numbers and spectra.
        both = 5 * (size + freq)
        weights = self.desc.g.filters * self.channels * self.phases
        planes = self.at_once(1)
        kernel = min(weights, max(planes, self.sources // self.groups)) * both
        if self.summing:
            tiles = self.waiting()
            return (2 * weights * freq + tiles * (self.sources + self.sinks) * freq
                    + threads * max(planes * both, kernel))
        if self.fused():
            rows = min(self.tiles, self.at_once(max(self.sources, self.sinks)))
            piece = rows * (self.sources + self.sinks) * both
            return weights * freq + threads * max(piece, kernel)
        tiles = self.waiting()
        piece = max(planes, tiles) * both
        return (weights + tiles * self.sources) * freq + threads * max(piece, kernel)


cdef void bound(Line *line) noexcept nogil:
    """Find which of the tile's positions lie inside the array."""
    cdef Py_ssize_t last = line.length - 1
    line.end = max(line.end, 0)
    if line.step > 0:
        line.low = 0 if line.base >= 0 else (-line.base - 1) // line.step + 1
        line.high = 0 if line.base > last else (last - line.base) // line.step + 1
    else:
        line.low = 0 if line.base <= last else (line.base - last - 1) // -line.step + 1
        line.high = 0 if line.base < 0 else line.base // -line.step + 1
    line.low = min(line.low, line.end)
    line.high = max(min(line.high, line.end), line.low)


cdef inline Py_ssize_t position(const Line *line, Py_ssize_t i) noexcept nogil:
    """Where the array has what a tile's position i stands for; -1 for a zero."""
    if i >= line.end:
        return -1
    return source_index(line.base + i * line.step, line.length, line.mode)


# An array of images, its strides in elements: image, channel, three axes.
cdef struct Array:
    char *data
    Py_ssize_t stride[5]


cdef void view(cnp.ndarray array, const conv_geometry *g, Array *out) noexcept:
    cdef Py_ssize_t *strides = <Py_ssize_t *>cnp.PyArray_STRIDES(array)
    cdef int i, rank = <int>g.rank, first = 1 if g.channels_last else 2
    out.data = cnp.PyArray_BYTES(array)
    out.stride[0] = strides[0] // g.itemsize
    out.stride[1] = strides[rank + 1 if g.channels_last else 1] // g.itemsize
    out.stride[2] = out.stride[3] = out.stride[4] = 0
    for i in range(rank):
        out.stride[5 - rank + i] = strides[first + i] // g.itemsize


cdef void gather_plane(Layout layout, const fc_kernels *k, const real_t *x,
                       const Py_ssize_t *stride, const Line *line, real_t *out) noexcept nogil:
    """Fill a tile from one channel of an image, whose three axes have these strides."""
    cdef Py_ssize_t n0 = layout.axis[0].transform, n1 = layout.axis[1].transform
    cdef Py_ssize_t n2 = layout.axis[2].transform, i0, i1, i2, p0, p1, p2
    cdef const Line *last = &line[2]
    cdef const real_t *row
    for i0 in range(n0):
        p0 = position(&line[0], i0)
        for i1 in range(n1):
            p1 = position(&line[1], i1)
            if p0 < 0 or p1 < 0:
                memset(out, 0, n2 * sizeof(real_t))
                out += n2
                continue
            row = x + p0 * stride[0] + p1 * stride[1]
            for i2 in range(last.low):
                p2 = position(last, i2)
                out[i2] = 0 if p2 < 0 else row[p2 * stride[2]]
            if last.high > last.low:
                k.gather(last.high - last.low,
                         row + (last.base + last.low * last.step) * stride[2],
                         last.step * stride[2], out + last.low)
            for i2 in range(last.high, last.end):
                p2 = position(last, i2)
                out[i2] = 0 if p2 < 0 else row[p2 * stride[2]]
            memset(out + last.end, 0, (n2 - last.end) * sizeof(real_t))
            out += n2


cdef double gather_planes(Layout layout, const fc_kernels *k, const Array *x, Py_ssize_t image,
                          bint results, Py_ssize_t tile, Py_ssize_t n_tiles, Py_ssize_t plane,
                          Py_ssize_t n_planes, real_t *out) noexcept nogil:
    """Fill tiles of some planes of the sources (of the sinks if `results`).

    Returns the largest magnitude there is.
    """
    cdef Py_ssize_t t, p, channel, phase, phases = layout.phases
    cdef Line line[3]
    cdef real_t largest = 0
    if results or layout.backward:
        phases = 1
    for t in range(tile, tile + n_tiles):
        for p in range(plane, plane + n_planes):
            channel, phase = p // phases, p % phases
            if p == plane or phases > 1:
                if results:
                    layout.sink_lines(t, phase, line)
                else:
                    layout.source_lines(t, phase, line)
            gather_plane(layout, k, (<const real_t *>x.data) + (
                image * x.stride[0] + channel * x.stride[1]), &x.stride[2], line, out)
            if real_t is float:
                largest = fc_largest_32(out, layout.size, largest)
            else:
                largest = fc_largest_64(out, layout.size, largest)
            out += layout.size
    return largest


# Where results go.
cdef struct Sink:
    char *data
    char *bias
    char *residual
    Py_ssize_t channels            # all
    Py_ssize_t axis[3]


cdef void store_planes(Layout layout, const fc_kernels *k, const Sink *sink, Py_ssize_t image,
                       Py_ssize_t tile, Py_ssize_t n_tiles, Py_ssize_t plane,
                       Py_ssize_t n_planes, const real_t *y, real_t *turned) noexcept nogil:
    """Send tiles out through bias, residual and activation.

    turned: scratch memory for a row of a tile, of all these planes.
    """
    cdef Py_ssize_t t, p, channel, i0, i1, n, phases = 1, count = 1
    cdef Py_ssize_t pixel, step, place, origin
    cdef const Lattice *axis = layout.axis
    cdef bint last = layout.desc.g.channels_last
    cdef Line line[3]
    cdef real_t *out
    cdef const real_t *acc
    cdef real_t *bias
    cdef real_t *residual
    if layout.backward:
        phases = layout.phases
    pixel = sink.channels if last else 1
    # the first result that nothing has wrapped around into
    origin = ((axis[0].taps - 1) * axis[1].transform + axis[1].taps - 1) * axis[2].transform + (
        axis[2].taps - 1)
    for t in range(tile, tile + n_tiles):
        p = plane
        while p < plane + n_planes:
            channel = p // phases
            if p == plane or phases > 1:
                layout.sink_lines(t, p % phases, line)
            # channels that are neighbours in memory leave together
            count = plane + n_planes - p if last and phases == 1 else 1
            n = line[2].high - line[2].low
            step = line[2].step * pixel if n > 1 else pixel
            for i0 in range(line[0].low, line[0].high):
                if n == 0:
                    break
                for i1 in range(line[1].low, line[1].high):
                    acc = y + ((t - tile) * n_planes + p - plane) * layout.size + origin + (
                        (i0 * axis[1].transform + i1) * axis[2].transform + line[2].low)
                    place = (((line[0].base + i0 * line[0].step) * sink.axis[1]
                              + line[1].base + i1 * line[1].step) * sink.axis[2]
                             + line[2].base + line[2].low * line[2].step) * pixel
                    if last:
                        place += image * sink.channels * (
                            sink.axis[0] * sink.axis[1] * sink.axis[2]) + channel
                    else:
                        place += (image * sink.channels + channel) * (
                            sink.axis[0] * sink.axis[1] * sink.axis[2])
                    out = (<real_t *>sink.data) + place
                    bias = NULL if sink.bias == NULL else (<real_t *>sink.bias) + channel
                    residual = NULL
                    if sink.residual != NULL:
                        residual = (<real_t *>sink.residual) + place
                    if count > 1:
                        k.transpose(count, n, acc, layout.size, turned, count)
                        k.store(n, count, turned, count, out, step, bias, 0, 1, residual, step,
                                &layout.desc.epilogue)
                    elif step == 1:
                        k.store(1, n, acc, n, out, n, bias, 0, 0, residual, n,
                                &layout.desc.epilogue)
                    else:
                        k.store(n, 1, acc, 1, out, step, bias, 0, 0, residual, step,
                                &layout.desc.epilogue)
            p += count


cdef void gather_weights(Layout layout, const real_t *weight, const Py_ssize_t *stride,
                         Py_ssize_t sink, Py_ssize_t n_sinks, real_t *out) noexcept nogil:
    """Tiles of the weights of some sinks, (sink, source of its group), flipped for correlation.

    Along an axis without transform, every position meets the same weights.
    """
    cdef const conv_geometry *g = &layout.desc.g
    cdef const Lattice *axis = layout.axis
    cdef Py_ssize_t s, q, filter, channel, phase, m0, m1, m2, group
    cdef Py_ssize_t sources = layout.sources // layout.groups
    cdef Py_ssize_t m[3]
    cdef Py_ssize_t b[3]
    cdef Py_ssize_t j, at, place, i0, i1, i2
    cdef Py_ssize_t copies[3]
    cdef int a
    cdef bint inside
    for a in range(AXES):
        copies[a] = axis[a].transform if axis[a].taps == 1 else 1
    memset(out, 0, n_sinks * sources * layout.size * sizeof(real_t))
    for s in range(sink, sink + n_sinks):
        for q in range(sources):
            if layout.backward:
                channel, phase = s // layout.phases % layout.channels, s % layout.phases
                group = s // (layout.phases * layout.channels)
                filter = group * layout.filters + q
            else:
                filter, channel, phase = s, q // layout.phases, q % layout.phases
            for a in range(AXES - 1, -1, -1):
                b[a] = phase % axis[a].phases
                phase //= axis[a].phases
            for m0 in range(axis[0].taps):
                m[0] = m0
                for m1 in range(axis[1].taps):
                    m[1] = m1
                    for m2 in range(axis[2].taps):
                        m[2] = m2
                        inside = True
                        at = place = 0
                        for a in range(AXES):
                            j = axis[a].stride * m[a] + b[a]
                            inside = inside and j < g.kernel[a]
                            place += (g.kernel[a] - 1 - j if g.flip else j) * stride[2 + a]
                            at = at * axis[a].transform + (
                                m[a] if layout.backward else axis[a].taps - 1 - m[a])
                        place += filter * stride[0] + channel * stride[1]
                        if not inside:
                            continue
                        for i0 in range(copies[0]):
                            for i1 in range(copies[1]):
                                for i2 in range(copies[2]):
                                    out[at + (i0 * axis[1].transform + i1) * axis[2].transform
                                        + i2] = weight[place]
            out += layout.size


cdef void scatter_weights(Layout layout, const real_t *sums, Py_ssize_t filter,
                          Py_ssize_t n_filters, real_t *out) noexcept nogil:
    """The gradient of some filters from its tiles, (filter, channel and phase).

    The tiles are of length one along axes without transform.
    """
    cdef const conv_geometry *g = &layout.desc.g
    cdef const Lattice *axis = layout.axis
    cdef Py_ssize_t f, q, c, phase, j0, j1, j2, at
    cdef Py_ssize_t b[3]
    cdef Py_ssize_t j[3]
    cdef int a
    cdef Py_ssize_t tap, plane = 1
    for a in range(AXES):
        if axis[a].taps > 1:
            plane *= axis[a].transform
    for f in range(filter, filter + n_filters):
        for q in range(layout.channels * layout.phases):
            c, phase = q // layout.phases, q % layout.phases
            for a in range(AXES - 1, -1, -1):
                b[a] = phase % axis[a].phases
                phase //= axis[a].phases
            for j0 from b[0] <= j0 < g.kernel[0] by axis[0].stride:
                j[0] = j0
                for j1 from b[1] <= j1 < g.kernel[1] by axis[1].stride:
                    j[1] = j1
                    for j2 from b[2] <= j2 < g.kernel[2] by axis[2].stride:
                        j[2] = j2
                        at = tap = 0
                        for a in range(AXES):
                            if axis[a].taps > 1:
                                at = at * axis[a].transform + (
                                    axis[a].block - 1 + (j[a] - b[a]) // axis[a].stride)
                            tap = tap * g.kernel[a] + (
                                g.kernel[a] - 1 - j[a] if g.flip else j[a])
                        out[(f * layout.channels + c) * (
                            g.kernel[0] * g.kernel[1] * g.kernel[2]) + tap] = sums[at]
            sums += plane


cdef struct Product:
    # y[tile][filter][f] = sum over channels of x[tile][channel][f] * w[filter][channel][f]
    Py_ssize_t tiles, filters, channels, freq
    Py_ssize_t x_tile, x_channel, w_filter, w_channel, y_tile, y_filter  # in spectra
    bint more


cdef void multiply(const fc_kernels *k, const Product *p, const char *x, const char *w, char *y,
                   Py_ssize_t itemsize) noexcept nogil:
    """Products of spectra, a strip of frequencies at a time."""
    cdef Py_ssize_t f, t, i, n, strip, tiles, filters
    cdef Py_ssize_t row = 2 * p.freq   # elements of a spectrum
    strip = STRIP if p.tiles > 1 or p.filters > 1 else p.freq
    for f from 0 <= f < p.freq by strip:
        n = min(strip, p.freq - f)
        i = 0
        while i < p.filters:
            filters = k.cgemm_filters if i + k.cgemm_filters <= p.filters else 1
            t = 0
            while t < p.tiles:
                tiles = 2 if t + 2 <= p.tiles else 1
                k.cgemm[tiles - 1][filters > 1](
                    n, p.channels,
                    x + (t * p.x_tile * row + 2 * f) * itemsize, p.x_tile * row,
                    p.x_channel * row,
                    w + (i * p.w_filter * row + 2 * f) * itemsize, p.w_filter * row,
                    p.w_channel * row,
                    y + ((t * p.y_tile + i * p.y_filter) * row + 2 * f) * itemsize,
                    p.y_tile * row, p.y_filter * row, p.more)
                t += tiles
            i += filters


# ---- forward and backward_data ----

cdef class Fft:
    """One pass of one layer, with the spectra of its weights."""

    cdef ConvDesc desc
    cdef Layout layout
    cdef const fc_kernels *k
    cdef cnp.ndarray spectra    # (sink, source of its group, *frequencies)
    cdef double least, most     # magnitudes of the source that can be transformed

    def __cinit__(self, ConvDesc desc, which, cnp.ndarray weight, int threads):
        cdef Layout layout = Layout.get(desc, which)
        cdef Py_ssize_t sources = layout.sources // layout.groups
        cdef Py_ssize_t rows = max(1, layout.at_once(1) // sources)
        from scipy import fft

        self.desc = desc
        self.layout = layout
        self.k = kernel_table(desc)
        self.spectra = np.empty((layout.sinks, sources) + layout.freq_shape, complex_of(desc))

        def transform(task):
            first = task * rows
            tile = np.empty((min(rows, layout.sinks - first), sources) + layout.shape, desc.dtype)
            fill_weights(layout, weight, first, tile)
            self.spectra[first:first + len(tile)] = fft.rfftn(tile, axes=layout.axes)

        python_parallel_for(transform, parts(layout.sinks, rows), threads)

    cdef set_range(self, double largest, double total):
        """Magnitudes that stay within the arithmetic's range in all transforms and products.

        largest: of a weight; total: of the weights that a sink adds up.
        """
        cdef double size = self.layout.size
        cdef double greatest = np.finfo(self.desc.dtype).max, tiny = np.finfo(self.desc.dtype).tiny
        self.most = min(greatest / 4 / size, greatest / 4 / size / size / max(total, 1e-300))
        self.least = 16 * max(tiny, tiny / max(largest, tiny))

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says; returns the images that it had to refuse."""
        cdef Layout layout = self.layout
        cdef conv_geometry *g = &self.desc.g
        cdef Array x
        cdef Sink sink
        cdef Py_ssize_t batch = cnp.PyArray_DIM(source, 0), rows, pieces
        cdef int a
        from scipy import fft

        if cnp.PyArray_SIZE(out) == 0:
            return None
        view(source, g, &x)
        sink.data = cnp.PyArray_BYTES(out)
        sink.bias = NULL if bias is None else cnp.PyArray_BYTES(bias)
        sink.residual = NULL if residual is None else cnp.PyArray_BYTES(residual)
        sink.channels = g.channels if layout.backward else g.filters
        for a in range(AXES):
            sink.axis[a] = g.input[a] if layout.backward else g.output[a]
        refused = set()
        job = Job.make(self, x, sink, fft)
        if layout.backward:
            memset(sink.data, 0, cnp.PyArray_NBYTES(out))
        if layout.fused():
            rows = min(layout.tiles, layout.at_once(max(layout.sources, layout.sinks)))
            pieces = parts(layout.tiles, rows)

            def piece(task):
                image, first = task // pieces, task % pieces * rows
                tiles = min(rows, layout.tiles - first)
                spectra, largest = job.sources(image, first, tiles, 0, layout.sources)
                if not self.fits(largest):
                    refused.add(image)
                else:
                    job.sinks(spectra, image, first, 0, layout.sinks)

            python_parallel_for(piece, batch * pieces, threads)
        else:
            for image in range(batch):
                self.in_two_steps(job, image, refused, threads)
        return sorted(refused)

    def fits(self, largest):
        """Whether values of this magnitude can be transformed."""
        return self.least <= largest <= self.most or largest == 0

    def in_two_steps(self, Job job, image, refused, int threads):
        """Some tiles of all sources, then of all sinks, whose spectra are sums over the former."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t waiting = layout.waiting(), planes = layout.at_once(1)
        for first in range(0, layout.tiles, waiting):
            tiles = min(waiting, layout.tiles - first)
            spectra = np.empty((tiles, layout.sources) + layout.freq_shape, complex_of(self.desc))
            per_tile = parts(layout.sources, planes)

            def forth(task, spectra=spectra, first=first):
                tile, plane = task // per_tile, task % per_tile * planes
                count = min(planes, layout.sources - plane)
                some, largest = job.sources(image, first + tile, 1, plane, count)
                spectra[tile, plane:plane + count] = some[0]
                if not self.fits(largest):
                    refused.add(image)

            def back(task, spectra=spectra, first=first):
                plane = task * many
                job.sinks(spectra, image, first, plane, min(many, layout.sinks - plane))

            python_parallel_for(forth, tiles * per_tile, threads)
            if image in refused:
                return
            many = max(16, planes // tiles)
            python_parallel_for(back, parts(layout.sinks, many), threads)


cdef class Job:
    """What the pieces of one call share."""

    cdef Fft of
    cdef Array x
    cdef Sink sink
    cdef object fft

    @staticmethod
    cdef Job make(Fft of, Array x, Sink sink, fft):
        cdef Job job = Job.__new__(Job)
        job.of = of
        job.x = x
        job.sink = sink
        job.fft = fft
        return job

    def sources(self, Py_ssize_t image, Py_ssize_t first, Py_ssize_t tiles, Py_ssize_t plane,
                Py_ssize_t planes):
        """Spectra of tiles of some planes, and the largest magnitude in them."""
        cdef Layout layout = self.of.layout
        tile, largest = fill_tiles(layout, self.of.k, &self.x, image, False, first, tiles, plane,
                                   planes)
        return self.fft.rfftn(tile, axes=layout.axes), largest

    def sinks(self, cnp.ndarray spectra, Py_ssize_t image, Py_ssize_t first, Py_ssize_t plane,
              Py_ssize_t planes):
        """Results of some planes from the spectra (tile, source, *frequencies) of all sources."""
        cdef Layout layout = self.of.layout
        cdef cnp.ndarray sums, results, turned
        cdef Py_ssize_t itemsize = layout.desc.g.itemsize, tiles = cnp.PyArray_DIM(spectra, 0)
        cdef Py_ssize_t per_group = layout.sinks // layout.groups, stop = plane + planes, sink, n
        cdef Product p
        sums = np.empty((tiles, planes) + layout.freq_shape, complex_of(layout.desc))
        p.tiles, p.channels, p.freq = tiles, layout.sources // layout.groups, layout.freq
        p.x_tile, p.x_channel = layout.sources, 1
        p.w_filter, p.w_channel = p.channels, 1
        p.y_tile, p.y_filter = planes, 1
        p.more = False
        with nogil:
            sink = plane
            while sink < stop:
                n = min(stop, (sink // per_group + 1) * per_group) - sink
                p.filters = n
                multiply(self.of.k, &p,
                         cnp.PyArray_BYTES(spectra) + (
                             sink // per_group * p.channels * layout.freq * 2 * itemsize),
                         cnp.PyArray_BYTES(self.of.spectra) + (
                             sink * p.channels * layout.freq * 2 * itemsize),
                         cnp.PyArray_BYTES(sums) + (sink - plane) * layout.freq * 2 * itemsize,
                         itemsize)
                sink += n
        results = self.fft.irfftn(sums, s=layout.transforms, axes=layout.axes, overwrite_x=True)
        turned = np.empty(planes * layout.axis[2].transform, layout.desc.dtype)
        with nogil:
            if itemsize == 4:
                store_planes(layout, self.of.k, &self.sink, image, first, tiles, plane, planes,
                             <float *>cnp.PyArray_DATA(results), <float *>cnp.PyArray_DATA(turned))
            else:
                store_planes(layout, self.of.k, &self.sink, image, first, tiles, plane, planes,
                             <double *>cnp.PyArray_DATA(results),
                             <double *>cnp.PyArray_DATA(turned))


cdef const fc_kernels *kernel_table(ConvDesc desc):
    return kernels_for(desc.g.itemsize)


cdef complex_of(ConvDesc desc):
    return np.complex64 if desc.g.itemsize == 4 else np.complex128


cdef fill_weights(Layout layout, cnp.ndarray weight, Py_ssize_t first, cnp.ndarray tile):
    cdef Py_ssize_t stride[5]
    cdef Py_ssize_t itemsize = layout.desc.g.itemsize, count = cnp.PyArray_DIM(tile, 0)
    cdef int i, rank = <int>layout.desc.g.rank
    stride[2] = stride[3] = stride[4] = 0
    for i in range(2):
        stride[i] = cnp.PyArray_STRIDES(weight)[i] // itemsize
    for i in range(rank):
        stride[5 - rank + i] = cnp.PyArray_STRIDES(weight)[2 + i] // itemsize
    with nogil:
        if itemsize == 4:
            gather_weights(layout, <float *>cnp.PyArray_DATA(weight), stride, first, count,
                           <float *>cnp.PyArray_DATA(tile))
        else:
            gather_weights(layout, <double *>cnp.PyArray_DATA(weight), stride, first, count,
                           <double *>cnp.PyArray_DATA(tile))


cdef tuple fill_tiles(Layout layout, const fc_kernels *k, const Array *x, Py_ssize_t image,
                      bint results, Py_ssize_t first, Py_ssize_t tiles, Py_ssize_t plane,
                      Py_ssize_t planes):
    """Tiles of some planes, as an array, and the largest magnitude in them."""
    cdef cnp.ndarray tile = np.empty((tiles, planes) + layout.shape, layout.desc.dtype)
    cdef double largest
    with nogil:
        if layout.desc.g.itemsize == 4:
            largest = gather_planes(layout, k, x, image, results, first, tiles, plane, planes,
                                    <float *>cnp.PyArray_DATA(tile))
        else:
            largest = gather_planes(layout, k, x, image, results, first, tiles, plane, planes,
                                    <double *>cnp.PyArray_DATA(tile))
    return tile, largest


# ---- backward_weight ----

def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says; returns the images that it had to refuse.

    The spectra of an image's tiles are multiplied and summed up, then those of the images, and
    the sum is transformed back once.
    """
    cdef Layout layout = Layout.get(desc, BACKWARD_WEIGHT)
    cdef const fc_kernels *k = kernel_table(desc)
    cdef Array source, result
    cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0), planes = layout.at_once(1)
    cdef Py_ssize_t waiting = layout.waiting(), per_group = layout.sources // layout.groups
    cdef Py_ssize_t rows = max(1, planes // max(1, per_group))
    from scipy import fft

    if cnp.PyArray_SIZE(out) == 0:
        return None
    if batch == 0:
        out.fill(0)
        return None
    view(x, &desc.g, &source)
    view(grad, &desc.g, &result)
    gathered = (View.make(source), View.make(result))
    shape = (layout.sinks, per_group) + layout.freq_shape
    cdef double size = layout.size, tiny = np.finfo(desc.dtype).tiny
    cdef double most = np.finfo(desc.dtype).max, a, b
    most = most / 4 / size / size / layout.tiles / (1 if per_sample else batch)
    count = (layout.sources, layout.sinks)
    spectra = [np.empty((waiting, n) + layout.freq_shape, complex_of(desc)) for n in count]
    pieces = [parts(n, planes) for n in count]
    largest = [[], []]
    total = None
    refused = []
    uncut = tuple(set(range(-AXES, 0)) - set(layout.axes))

    def forth(task):
        tile, task = task // sum(pieces), task % sum(pieces)
        results = task >= pieces[0]
        plane = (task - pieces[0] if results else task) * planes
        n = min(planes, count[results] - plane)
        some, most_here = fill_tiles(layout, k, &(<View>gathered[results]).of, image, results,
                                     first + tile, 1, plane, n)
        spectra[results][tile, plane:plane + n] = fft.rfftn(some, axes=layout.axes)[0]
        largest[results].append(most_here)

    def add_up(task):
        sum_products(layout, k, spectra[0], spectra[1], tiles, part, task * rows,
                     min(layout.sinks, (task + 1) * rows), first > 0)

    def back(task):
        sums = fft.irfftn(total[task * rows:(task + 1) * rows], s=layout.transforms,
                          axes=layout.axes, overwrite_x=True)
        if uncut:
            sums = np.ascontiguousarray(sums.sum(axis=uncut))
        scatter(layout, sums, task * rows,
                out[image] if per_sample else out)

    n_rows = parts(layout.sinks, rows)
    for image in range(batch):
        part = np.empty(shape, complex_of(desc))
        largest[:] = [], []
        for first in range(0, layout.tiles, waiting):
            tiles = min(waiting, layout.tiles - first)
            python_parallel_for(forth, tiles * sum(pieces), threads)
            python_parallel_for(add_up, n_rows, threads)
        with np.errstate(all="ignore"):
            a, b = np.max(largest[0]), np.max(largest[1])  # NaN passes through
        if not (a * b <= most and a <= most * size and b <= most * size) or (
                0 < a * b < tiny):
            refused.append(image)
            if not per_sample:
                return refused
            continue
        if total is None or per_sample:
            total = part
        else:
            total += part
        if per_sample:
            python_parallel_for(back, n_rows, threads)
    if not per_sample:
        python_parallel_for(back, n_rows, threads)
    return refused


cdef class View:
    """An `Array` for Python's hands."""

    cdef Array of

    @staticmethod
    cdef View make(Array of):
        cdef View view = View.__new__(View)
        view.of = of
        return view


cdef sum_products(Layout layout, const fc_kernels *k, cnp.ndarray x, cnp.ndarray y,
                  Py_ssize_t tiles, cnp.ndarray out, Py_ssize_t first, Py_ssize_t stop,
                  bint more):
    """out[filter][source of its group] (+)= the sum over tiles of x * y."""
    cdef Py_ssize_t per_group = layout.sources // layout.groups, filter, n
    cdef Py_ssize_t spectrum = 2 * layout.freq * layout.desc.g.itemsize
    cdef Product p
    p.tiles, p.channels, p.freq = per_group, tiles, layout.freq
    p.x_tile, p.x_channel = 1, layout.sources
    p.w_filter, p.w_channel = 1, layout.sinks
    p.y_tile, p.y_filter = 1, per_group
    p.more = more
    with nogil:
        filter = first
        while filter < stop:
            n = min(stop, (filter // layout.filters + 1) * layout.filters) - filter
            p.filters = n
            multiply(k, &p,
                     cnp.PyArray_BYTES(x) + filter // layout.filters * per_group * spectrum,
                     cnp.PyArray_BYTES(y) + filter * spectrum,
                     cnp.PyArray_BYTES(out) + filter * per_group * spectrum,
                     layout.desc.g.itemsize)
            filter += n


cdef scatter(Layout layout, cnp.ndarray sums, Py_ssize_t first, cnp.ndarray out):
    cdef Py_ssize_t count = cnp.PyArray_DIM(sums, 0)
    with nogil:
        if layout.desc.g.itemsize == 4:
            scatter_weights(layout, <float *>cnp.PyArray_DATA(sums), first, count,
                            <float *>cnp.PyArray_DATA(out))
        else:
            scatter_weights(layout, <double *>cnp.PyArray_DATA(sums), first, count,
                            <double *>cnp.PyArray_DATA(out))


# ---- the record ----

def supports(ConvDesc desc, which):
    cdef conv_geometry *g = &desc.g
    cdef Layout layout
    cdef Py_ssize_t most = 1, taps
    cdef int a
    if g.channels == 0 or g.filters == 0:
        return "has no channels to transform"
    for a in range(AXES):
        taps = (g.kernel[a] - 1) // (g.stride[a] // gcd(g.stride[a], g.dilation[a])) + 1
        most = max(most, taps)
    if most == 1:
        return "finds no two taps side by side: the kernel is of length one, or its stride as long"
    if most > LONGEST // 4:
        return f"transforms kernels of at most {LONGEST // 4} taps along an axis"
    if desc.flops() < SMALL:
        return None
    layout = Layout.get(desc, which)
    if layout.n_freq * 16 * max(layout.sinks, layout.sources, 1.0 * desc.g.filters
                                * layout.channels * layout.phases) > LARGEST:
        return "would need spectra of more than a terabyte"
    return None


def workspace(ConvDesc desc, which, int threads):
    """Spectra of the weights, and for each thread the tiles of a piece."""
    if supports(desc, which) is not None:
        return 0
    return Layout.get(desc, which).workspace(threads)


def cost(ConvDesc desc, which):
    """Of small layers, whose description may be made anew at every call, a bound will do."""
    cdef conv_geometry *g = &desc.g
    cdef double seconds = STARTED + 2 * PER_PIECE + LEAST * (
        (<double>g.channels) * g.input[0] * g.input[1] * g.input[2]
        + (<double>g.filters) * g.output[0] * g.output[1] * g.output[2])
    if desc.flops() >= SMALL:
        seconds = Layout.get(desc, which).seconds
    return Cost(arithmetic=seconds)


def prepare(ConvDesc desc, which, weight, int threads=1):
    """Spectra of the weights; None where a weight cannot be transformed."""
    cdef Fft fft
    axes = tuple(range(weight.ndim))
    with np.errstate(all="ignore"):
        magnitude = np.abs(weight)
        # of all weights that meet in a sink, in the forward pass and in its transpose
        total = float(magnitude.sum(axis=axes[1:], dtype=np.float64).max())
        if which == BACKWARD_DATA:
            total = float(magnitude.sum(axis=(0, *axes[2:]), dtype=np.float64).max())
    if not total <= np.finfo(desc.dtype).max / 4:
        return None
    fft = Fft(desc, which, weight, threads)
    fft.set_range(float(magnitude.max()), total)
    return fft


ALGORITHM = Algorithm(
    name="fft", passes=PASSES, tier="high", supports=supports, workspace=workspace,
    cost=cost, prepare=prepare, weight_gradient=weight_gradient,
    scratch_grows_with_image=True, openmp_threads=False,
)
