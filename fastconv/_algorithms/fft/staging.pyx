"""Tiles of images: gathered for transforms, and stored as results."""
import numpy as np

cimport numpy as cnp

from fastconv._algorithms.fft.lattice cimport Lattice, Positions, position
from fastconv._core.output cimport store_rows
from fastconv._core.padding cimport fill
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_kernels

cnp.import_array()

# Some planes of some tiles of an image.
cdef struct Part:
    Py_ssize_t image, tile, tiles, plane, planes


cdef inline Part part_of(Py_ssize_t image, Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t plane,
                         Py_ssize_t planes) noexcept nogil:
    cdef Part part
    part.image, part.tile, part.tiles, part.plane, part.planes = image, tile, tiles, plane, planes
    return part


# ---- tiles from images ----

cdef tuple fill_tiles(Layout layout, const Strided5 *images, Py_ssize_t image, bint results,
                      Py_ssize_t first, Py_ssize_t tiles, Py_ssize_t plane, Py_ssize_t planes):
    """Tiles of some planes, as an array, and the largest magnitude in them.

    results: of what the pass writes, where both sides of a sum are transformed.
    """
    cdef cnp.ndarray tile = np.empty((tiles, planes) + layout.shape, layout.desc.dtype)
    cdef Part part = part_of(image, first, tiles, plane, planes)
    cdef double largest
    with nogil:
        if layout.desc.g.itemsize == 4:
            largest = gather_tiles(layout, images, &part, results,
                                   <float *>cnp.PyArray_DATA(tile))
        else:
            largest = gather_tiles(layout, images, &part, results,
                                   <double *>cnp.PyArray_DATA(tile))
    return tile, largest


cdef double gather_tiles(Layout layout, const Strided5 *images, const Part *part, bint results,
                         real_t *out) noexcept nogil:
    """Fill tiles; returns the largest magnitude there is."""
    cdef Py_ssize_t t, p, phases = layout.phases
    cdef Positions positions[3]
    cdef double largest = 0
    if results or layout.backward:
        phases = 1
    for t in range(part.tile, part.tile + part.tiles):
        for p in range(part.plane, part.plane + part.planes):
            if p == part.plane or phases > 1:
                if results:
                    layout.positions_written(t, p % phases, positions)
                else:
                    layout.positions_read(t, p % phases, positions)
            gather_plane(layout.axis, layout.kernels, (<const real_t *>images.data) + (
                part.image * images.stride[0] + p // phases * images.stride[1]),
                &images.stride[2], positions, out)
            largest = layout.kernels.largest(layout.size, out, largest)
            out += layout.size
    return largest


cdef void gather_plane(const Lattice *axis, const fc_kernels *k, const real_t *x,
                       const Py_ssize_t *stride, const Positions *positions,
                       real_t *out) noexcept nogil:
    """Fill a tile from one channel of an image, whose three axes have these strides."""
    cdef Py_ssize_t n = axis[2].transform, i0, i1, p0, p1
    for i0 in range(axis[0].transform):
        p0 = position(&positions[0], i0)
        for i1 in range(axis[1].transform):
            p1 = position(&positions[1], i1)
            if i0 >= positions[0].end or i1 >= positions[1].end:
                fill[real_t](out, n, 0)
            elif p0 < 0 or p1 < 0:
                fill[real_t](out, positions[2].end, <real_t>positions[2].value)
                fill[real_t](out + positions[2].end, n - positions[2].end, 0)
            else:
                gather_row(k, x + p0 * stride[0] + p1 * stride[1], stride[2], &positions[2], n,
                           out)
            out += n


cdef inline void gather_row(const fc_kernels *k, const real_t *row, Py_ssize_t stride,
                            const Positions *positions, Py_ssize_t n,
                            real_t *out) noexcept nogil:
    """A row of a tile: what lies outside of the array before and behind, and zeros to its end."""
    cdef real_t value = <real_t>positions.value
    cdef Py_ssize_t i, p
    for i in range(positions.low):
        p = position(positions, i)
        out[i] = value if p < 0 else row[p * stride]
    if positions.high > positions.low:
        k.gather(positions.high - positions.low,
                 row + (positions.base + positions.low * positions.step) * stride,
                 positions.step * stride, out + positions.low)
    for i in range(positions.high, positions.end):
        p = position(positions, i)
        out[i] = value if p < 0 else row[p * stride]
    fill[real_t](out + positions.end, n - positions.end, 0)


# ---- results from tiles ----

cdef int store_tiles(Layout layout, const Output *output, Py_ssize_t image, Py_ssize_t first,
                     Py_ssize_t tiles, Py_ssize_t plane, Py_ssize_t planes,
                     cnp.ndarray results) except -1:
    """Store what the tiles of some planes are good for."""
    cdef Part part = part_of(image, first, tiles, plane, planes)
    # a row of a tile, of all these planes
    cdef cnp.ndarray transposed = np.empty(planes * layout.axis[2].transform, layout.desc.dtype)
    with nogil:
        if layout.desc.g.itemsize == 4:
            store_planes(layout, output, &part, <float *>cnp.PyArray_DATA(results),
                         <float *>cnp.PyArray_DATA(transposed))
        else:
            store_planes(layout, output, &part, <double *>cnp.PyArray_DATA(results),
                         <double *>cnp.PyArray_DATA(transposed))
    return 0


cdef void store_planes(Layout layout, const Output *output, const Part *part, const real_t *tile,
                       real_t *transposed) noexcept nogil:
    """Channels that are neighbours in memory leave together, others plane by plane."""
    cdef const Lattice *axis = layout.axis
    cdef bint last = layout.desc.g.channels_last
    cdef Py_ssize_t t, p, stop = part.plane + part.planes, count, phases = 1
    # the first result that nothing has wrapped around into
    cdef Py_ssize_t origin = ((axis[0].taps - 1) * axis[1].transform
                              + axis[1].taps - 1) * axis[2].transform + axis[2].taps - 1
    cdef Positions positions[3]
    if layout.backward:
        phases = layout.phases
    for t in range(part.tile, part.tile + part.tiles):
        p = part.plane
        while p < stop:
            if p == part.plane or phases > 1:
                layout.positions_written(t, p % phases, positions)
            count = stop - p if last and phases == 1 else 1
            store_plane(layout, output, positions, part.image, p // phases, count, tile + origin,
                        transposed)
            tile += count * layout.size
            p += count


cdef void store_plane(Layout layout, const Output *output, const Positions *positions,
                      Py_ssize_t image, Py_ssize_t channel, Py_ssize_t count,
                      const real_t *tile, real_t *transposed) noexcept nogil:
    """The results of one channel of a tile, or of `count` that are neighbours in memory."""
    cdef const Lattice *axis = layout.axis
    cdef const Positions *last = &positions[2]
    cdef Py_ssize_t n = last.high - last.low, step = output.axis[2], i0, i1, place
    cdef const real_t *row
    if n == 0:
        return
    if n > 1:
        step *= last.step
    for i0 in range(positions[0].low, positions[0].high):
        for i1 in range(positions[1].low, positions[1].high):
            row = tile + (i0 * axis[1].transform + i1) * axis[2].transform + last.low
            place = (image * output.image + channel * output.channel
                     + (positions[0].base + i0 * positions[0].step) * output.axis[0]
                     + (positions[1].base + i1 * positions[1].step) * output.axis[1]
                     + (last.base + last.low * last.step) * output.axis[2])
            if count > 1:
                output.kernels.transpose(count, n, row, layout.size, transposed, count)
                store_rows(output, n, count, transposed, count, place, step, channel, False)
            elif step == 1:
                store_rows(output, 1, n, row, n, place, n, channel, True)
            else:
                store_rows(output, n, 1, row, 1, place, step, channel, False)
