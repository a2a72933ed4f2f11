from fastconv._core.machine cimport CostTerms
from fastconv._core.padding cimport source_index
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

cdef enum:
    LONGEST_TRANSFORM = 1 << 24

# One spatial axis of the convolutions that are left when stride and dilation have fallen away.
cdef struct Lattice:
    Py_ssize_t output_phases, phases   # those that hold outputs, and taps
    Py_ssize_t dilation, stride        # d' and s'
    Py_ssize_t step                    # g s' d', input positions from n to n + 1
    Py_ssize_t taps                    # of a phase, M
    Py_ssize_t reach                   # results of an output phase; of backward_weight, summands
    Py_ssize_t transform, block        # F, and how many of those a tile is good for
    Py_ssize_t tiles                   # of an output phase

# Positions along an array's axis that a tile's positions 0, 1, … stand for: base + i * step.
cdef struct Positions:
    Py_ssize_t base, step
    Py_ssize_t length, mode            # of the array, and how it goes on outside
    double value                       # there, if that is a constant but zero
    Py_ssize_t end                     # tile positions from here on are zero
    Py_ssize_t low, high               # those in between lie inside the array


cdef class Layout:
    cdef ConvDesc desc
    cdef const fc_kernels *kernels
    cdef bint backward, summing                 # backward_data; backward_weight
    cdef Lattice axis[3]
    cdef Py_ssize_t groups, channels, filters   # channels and filters of a group
    cdef Py_ssize_t phases                      # of all axes together
    cdef Py_ssize_t in_planes, out_planes       # of a tile, of all groups
    cdef Py_ssize_t tiles, size, freq           # tiles of an image; elements, frequencies of one
    cdef double n_tiles, n_size, n_freq         # the same, while they may be beyond 64 bits
    cdef CostTerms cost
    cdef readonly tuple shape, freq_shape       # of a tile and of its spectrum
    cdef readonly tuple axes, transforms        # that are transformed, and their lengths

    cdef int choose_tiles(self) except -1
    cdef void set_transform(self, int a, Py_ssize_t transform) noexcept
    cdef CostTerms estimate(self) noexcept
    cdef Py_ssize_t planes_at_once(self, Py_ssize_t planes) noexcept
    cdef bint fits_one_piece(self) noexcept
    cdef Py_ssize_t tiles_at_once(self) noexcept
    cdef void locate_tile(self, Py_ssize_t tile, Py_ssize_t *output_phase,
                          Py_ssize_t *first) noexcept nogil
    cdef void input_positions(self, int a, Py_ssize_t output_phase, Py_ssize_t phase,
                              Py_ssize_t first, Py_ssize_t most,
                              Positions *positions) noexcept nogil
    cdef void output_positions(self, int a, Py_ssize_t output_phase, Py_ssize_t first,
                               Py_ssize_t step, Py_ssize_t most,
                               Positions *positions) noexcept nogil
    cdef void positions_read(self, Py_ssize_t tile, Py_ssize_t phase,
                             Positions *positions) noexcept nogil
    cdef void positions_written(self, Py_ssize_t tile, Py_ssize_t phase,
                                Positions *positions) noexcept nogil

cdef Layout layout_for(ConvDesc desc, which)
cdef CostTerms least_cost(ConvDesc desc) noexcept


cdef inline Py_ssize_t taps_of_phase(Layout layout, int a, Py_ssize_t phase) noexcept nogil:
    return (layout.desc.g.kernel[a] - 1 - phase) // layout.axis[a].stride + 1


cdef inline Py_ssize_t position(const Positions *positions, Py_ssize_t i) noexcept nogil:
    """Where the array has what a tile's position i < end stands for; -1 for a constant."""
    return source_index(positions.base + i * positions.step, positions.length, positions.mode)
