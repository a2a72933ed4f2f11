"""Tiles of kernels: gathered for transforms, and scattered as gradients."""
cimport numpy as cnp
from libc.math cimport fabs
from libc.string cimport memset

from fastconv._algorithms.fft.lattice cimport Lattice, Layout
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
    cdef const conv_geometry *g = &layout.desc.g
    cdef const Lattice *axis = layout.axis
    cdef Py_ssize_t b[3]
    cdef Py_ssize_t m[3]
    cdef Py_ssize_t taps[3]
    cdef Py_ssize_t copies[3]
    cdef Py_ssize_t n, at, place, j, count = 1
    cdef bint inside
    cdef double value
    cdef int a
    sum[0] = squares[0] = 0
    unravel_phase(axis, phase, b)
    for a in range(AXES):
        taps[a] = axis[a].taps
        copies[a] = axis[a].transform if axis[a].taps == 1 else 1
        count *= taps[a]
    for n in range(count):
        unravel(n, taps, AXES, m)
        inside = True
        at = place = 0
        for a in range(AXES):
            j = axis[a].stride * m[a] + b[a]
            inside = inside and j < g.kernel[a]
            place += (g.kernel[a] - 1 - j if g.flip else j) * weights.stride[2 + a]
            at = at * axis[a].transform + (
                m[a] if layout.backward else axis[a].taps - 1 - m[a])
        if inside:
            value = kernel[place]
            sum[0] += fabs(value)
            squares[0] += value * value
            repeat(axis, copies, kernel[place], out + at)


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
    cdef Py_ssize_t m[3]
    cdef Py_ssize_t taps[3]
    cdef Py_ssize_t n, at, tap, j, count = 1
    cdef bint inside
    cdef int a
    unravel_phase(axis, phase, b)
    for a in range(AXES):
        taps[a] = axis[a].taps
        count *= taps[a]
    for n in range(count):
        unravel(n, taps, AXES, m)
        inside = True
        at = tap = 0
        for a in range(AXES):
            j = axis[a].stride * m[a] + b[a]
            inside = inside and j < g.kernel[a]
            if axis[a].taps > 1:
                at = at * axis[a].transform + axis[a].block - 1 + m[a]
            tap = tap * g.kernel[a] + (g.kernel[a] - 1 - j if g.flip else j)
        if inside:
            kernel[tap] = sums[at]
