"""Tiles of kernels: gathered for transforms, and scattered as gradients."""
cimport numpy as cnp
from libc.math cimport fabs
from libc.string cimport memset

from fastconv._algorithms.fft.lattice cimport Lattice, Layout, taps_of_phase
from fastconv._core.blocks cimport unravel
from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5, strided_weights
from fastconv._core.types cimport real_t
from fastconv._desc.conv cimport conv_geometry


cdef inline int fill_weights(Layout layout, cnp.ndarray weight, Py_ssize_t first,
                             cnp.ndarray tile, cnp.ndarray norms) except -1:
    """The tiles (plane written, plane read of its group) of some planes, from `first` on.

    norms: (2, plane written, plane read), of which these planes get their sums of |w| and of w^2.
    """
    cdef Strided5 weights = strided_weights(weight)
    cdef Py_ssize_t count = cnp.PyArray_DIM(tile, 0)
    cdef double *sums = (<double *>cnp.PyArray_DATA(norms)) + first * cnp.PyArray_DIM(norms, 2)
    cdef double *squares = sums + cnp.PyArray_SIZE(norms) // 2
    memset(cnp.PyArray_DATA(tile), 0, cnp.PyArray_NBYTES(tile))
    with nogil:
        if layout.desc.g.itemsize == 4:
            gather_kernels(layout, &weights, first, count, <float *>cnp.PyArray_DATA(tile), sums,
                           squares)
        else:
            gather_kernels(layout, &weights, first, count, <double *>cnp.PyArray_DATA(tile),
                           sums, squares)
    return 0


cdef inline void gather_kernels(Layout layout, const Strided5 *weights, Py_ssize_t first,
                                Py_ssize_t count, real_t *out, double *sums,
                                double *squares) noexcept nogil:
    """One phase of a kernel for each pair of a plane written and a plane read."""
    cdef Py_ssize_t written, read, filter, channel, phase, group
    cdef Py_ssize_t planes = layout.in_planes // layout.groups
    for written in range(first, first + count):
        for read in range(planes):
            if layout.backward:
                phase = written % layout.phases
                channel = written // layout.phases % layout.channels
                group = written // (layout.phases * layout.channels)
                filter = group * layout.filters + read
            else:
                filter, channel, phase = written, read // layout.phases, read % layout.phases
            gather_phase(layout, weights, (<const real_t *>weights.data) + (
                filter * weights.stride[0] + channel * weights.stride[1]), phase, out, sums,
                squares)
            out += layout.size
            sums += 1
            squares += 1


cdef inline void unravel_phase(const Lattice *axis, Py_ssize_t phase,
                               Py_ssize_t *index) noexcept nogil:
    """The phase on each axis."""
    cdef Py_ssize_t extent[3]
    cdef int a
    for a in range(AXES):
        extent[a] = axis[a].phases
    unravel(phase, extent, AXES, index)


cdef inline void gather_phase(Layout layout, const Strided5 *weights, const real_t *kernel,
                              Py_ssize_t phase, real_t *out, double *sum,
                              double *squares) noexcept nogil:
    """The taps of one phase of a kernel into a tile of zeros, reversed but for a transpose.

    Along an axis without transform, every position meets the same weights.
    """
    cdef const Lattice *axis = layout.axis
    cdef const Py_ssize_t *stride = &weights.stride[2]
    cdef Py_ssize_t b[3]
    cdef Py_ssize_t taps[3]
    cdef Py_ssize_t copies[3]
    cdef Py_ssize_t m0, m1, m2
    cdef const real_t *row
    cdef real_t *to
    cdef double value
    cdef int a
    sum[0] = squares[0] = 0
    unravel_phase(axis, phase, b)
    for a in range(AXES):
        taps[a] = taps_of_phase(layout, a, b[a])
        copies[a] = axis[a].transform if axis[a].taps == 1 else 1
    for m0 in range(taps[0]):
        for m1 in range(taps[1]):
            row = kernel + (tap_of(layout, 0, b[0], m0) * stride[0]
                            + tap_of(layout, 1, b[1], m1) * stride[1])
            to = out + (place_of(layout, 0, m0) * axis[1].transform
                        + place_of(layout, 1, m1)) * axis[2].transform
            for m2 in range(taps[2]):
                value = row[tap_of(layout, 2, b[2], m2) * stride[2]]
                sum[0] += fabs(value)
                squares[0] += value * value
                repeat(axis, copies, <real_t>value, to + place_of(layout, 2, m2))


cdef inline Py_ssize_t tap_of(Layout layout, int a, Py_ssize_t phase, Py_ssize_t m) noexcept nogil:
    """The kernel's tap that is number m of a phase."""
    cdef Py_ssize_t j = layout.axis[a].stride * m + phase
    return layout.desc.g.kernel[a] - 1 - j if layout.desc.g.flip else j


cdef inline Py_ssize_t place_of(Layout layout, int a, Py_ssize_t m) noexcept nogil:
    """Where a tile of weights has it."""
    return m if layout.backward else layout.axis[a].taps - 1 - m


cdef inline void repeat(const Lattice *axis, const Py_ssize_t *copies, real_t value,
                        real_t *out) noexcept nogil:
    cdef Py_ssize_t i0, i1, i2
    for i0 in range(copies[0]):
        for i1 in range(copies[1]):
            for i2 in range(copies[2]):
                out[(i0 * axis[1].transform + i1) * axis[2].transform + i2] = value


cdef inline int scatter_weights(Layout layout, cnp.ndarray sums, Py_ssize_t first,
                                cnp.ndarray out) except -1:
    """The gradient of some filters, from `first` on, from their tiles of sums."""
    cdef Py_ssize_t count = cnp.PyArray_DIM(sums, 0)
    with nogil:
        if layout.desc.g.itemsize == 4:
            scatter_kernels(layout, <float *>cnp.PyArray_DATA(sums), first, count,
                            <float *>cnp.PyArray_DATA(out))
        else:
            scatter_kernels(layout, <double *>cnp.PyArray_DATA(sums), first, count,
                            <double *>cnp.PyArray_DATA(out))
    return 0


cdef inline void scatter_kernels(Layout layout, const real_t *sums, Py_ssize_t first,
                                 Py_ssize_t count, real_t *out) noexcept nogil:
    """From tiles (filter, channel and phase), of length one along axes without transform."""
    cdef const conv_geometry *g = &layout.desc.g
    cdef Py_ssize_t f, q, plane = 1, kernel = g.kernel[0] * g.kernel[1] * g.kernel[2]
    cdef int a
    for a in range(AXES):
        if layout.axis[a].taps > 1:
            plane *= layout.axis[a].transform
    for f in range(first, first + count):
        for q in range(layout.channels * layout.phases):
            scatter_phase(layout, sums, q % layout.phases,
                          out + (f * layout.channels + q // layout.phases) * kernel)
            sums += plane


cdef inline void scatter_phase(Layout layout, const real_t *sums, Py_ssize_t phase,
                               real_t *kernel) noexcept nogil:
    """The taps of one phase to their places in the kernel."""
    cdef const conv_geometry *g = &layout.desc.g
    cdef const Lattice *axis = layout.axis
    cdef Py_ssize_t b[3]
    cdef Py_ssize_t first[3]    # place of a phase's first tap
    cdef Py_ssize_t size[3]
    cdef Py_ssize_t m0, m1, m2
    cdef const real_t *row
    cdef real_t *to
    cdef int a
    unravel_phase(axis, phase, b)
    for a in range(AXES):
        first[a] = axis[a].block - 1 if axis[a].taps > 1 else 0
        size[a] = axis[a].transform if axis[a].taps > 1 else 1
    for m0 in range(taps_of_phase(layout, 0, b[0])):
        for m1 in range(taps_of_phase(layout, 1, b[1])):
            row = sums + ((first[0] + m0) * size[1] + first[1] + m1) * size[2] + first[2]
            to = kernel + (tap_of(layout, 0, b[0], m0) * g.kernel[1]
                           + tap_of(layout, 1, b[1], m1)) * g.kernel[2]
            for m2 in range(taps_of_phase(layout, 2, b[2])):
                to[tap_of(layout, 2, b[2], m2)] = row[m2]
