"""What goes to positions: the gradient of a maximum or minimum, and unpooling."""
import numpy as np

cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from fastconv._core.threads cimport Slices, next_slice, slices, threads_for
from fastconv._core.types cimport real_t

cnp.import_array()

# Elements that are moved only, by their bytes.
ctypedef fused bytes_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


def scatter(str function, cnp.ndarray values, cnp.ndarray positions, cnp.ndarray out,
            Py_ssize_t channels, bint channels_last, bint adds, num_threads):
    """Put each element of `values` into its plane of `out`, at its flat position.

    All are C-contiguous with a batch axis; positions have been validated. Elements of equal
    position are added up, or with adds=False the last in row-major order stays. Returns False if
    a position was outside all the same (another thread wrote to the array): it was left out.
    """
    cdef Py_ssize_t planes = cnp.PyArray_DIM(out, 0) * channels
    cdef int size = cnp.PyArray_ITEMSIZE(out)
    cdef double work = 8.0 * (cnp.PyArray_SIZE(out) + cnp.PyArray_SIZE(values))
    cdef Slices s = slices(planes, work, threads_for(function, num_threads, work))
    memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(values) == 0:
        return True
    values = as_planes(values, channels, channels_last)
    positions = as_planes(positions, channels, channels_last)
    out = as_planes(out, channels, channels_last)
    if adds:
        if size == 4:
            return add[float](values, positions, out, s)
        return add[double](values, positions, out, s)
    if size == 1:
        return move[uint8_t](values.view(np.uint8), positions, out.view(np.uint8), s)
    if size == 2:
        return move[uint16_t](values.view(np.uint16), positions, out.view(np.uint16), s)
    if size == 4:
        return move[uint32_t](values.view(np.uint32), positions, out.view(np.uint32), s)
    return move[uint64_t](values.view(np.uint64), positions, out.view(np.uint64), s)


cdef cnp.ndarray as_planes(cnp.ndarray array, Py_ssize_t channels, bint channels_last):
    """A view of (planes, elements, 1), or (images, elements, channels) where these lie inside."""
    cdef cnp.PyArray_Dims shape
    cdef cnp.npy_intp[3] size
    shape.ptr, shape.len = size, 3
    size[0] = cnp.PyArray_DIM(array, 0) * (1 if channels_last else channels)
    size[2] = channels if channels_last else 1
    size[1] = cnp.PyArray_SIZE(array) // (size[0] * size[2])
    return cnp.PyArray_Newshape(array, &shape, cnp.NPY_CORDER)


cdef bint add(const real_t[:, :, ::1] values, const int64_t[:, :, ::1] positions,
              real_t[:, :, ::1] out, Slices s) except? False:
    """Add up the values of each position; whether all positions were inside of their plane."""
    cdef Py_ssize_t plane, outside = 0
    while next_slice(&s):
        if s.threads == 1:  # OpenMP would take a microsecond to say so
            with nogil:
                for plane in range(s.start, s.stop):
                    outside += add_plane(values, positions, out, plane)
        else:
            for plane in prange(s.start, s.stop, num_threads=s.threads, nogil=True):
                outside += add_plane(values, positions, out, plane)
    return outside == 0


cdef inline Py_ssize_t add_plane(const real_t[:, :, ::1] values,
                                 const int64_t[:, :, ::1] positions, real_t[:, :, ::1] out,
                                 Py_ssize_t plane) noexcept nogil:
    """The same in one plane; how many positions were outside."""
    cdef Py_ssize_t image = plane // out.shape[2], channel = plane % out.shape[2]
    return add_elements(&values[image, 0, channel], &positions[image, 0, channel],
                        &out[image, 0, channel], values.shape[1], out.shape[1], out.shape[2])


cdef inline Py_ssize_t add_elements(const real_t *values, const int64_t *positions, real_t *out,
                                    Py_ssize_t n, Py_ssize_t length,
                                    Py_ssize_t step) noexcept nogil:
    """Elements of a plane, `step` apart: n of them, to one of `length`."""
    cdef Py_ssize_t i, outside = 0
    cdef int64_t at
    for i in range(n):
        at = positions[i * step]
        if 0 <= at < length:
            out[at * step] += values[i * step]
        else:
            outside += 1
    return outside


cdef bint move(const bytes_t[:, :, ::1] values, const int64_t[:, :, ::1] positions,
               bytes_t[:, :, ::1] out, Slices s) except? False:
    """Move each value to its position; whether all positions were inside of their plane."""
    cdef Py_ssize_t plane, outside = 0
    while next_slice(&s):
        if s.threads == 1:  # OpenMP would take a microsecond to say so
            with nogil:
                for plane in range(s.start, s.stop):
                    outside += move_plane(values, positions, out, plane)
        else:
            for plane in prange(s.start, s.stop, num_threads=s.threads, nogil=True):
                outside += move_plane(values, positions, out, plane)
    return outside == 0


cdef inline Py_ssize_t move_plane(const bytes_t[:, :, ::1] values,
                                  const int64_t[:, :, ::1] positions, bytes_t[:, :, ::1] out,
                                  Py_ssize_t plane) noexcept nogil:
    """The same in one plane; how many positions were outside."""
    cdef Py_ssize_t image = plane // out.shape[2], channel = plane % out.shape[2]
    return move_elements(&values[image, 0, channel], &positions[image, 0, channel],
                         &out[image, 0, channel], values.shape[1], out.shape[1], out.shape[2])


cdef inline Py_ssize_t move_elements(const bytes_t *values, const int64_t *positions, bytes_t *out,
                                     Py_ssize_t n, Py_ssize_t length,
                                     Py_ssize_t step) noexcept nogil:
    """Elements of a plane, `step` apart: n of them, to one of `length`."""
    cdef Py_ssize_t i, outside = 0
    cdef int64_t at
    for i in range(n):
        at = positions[i * step]
        if 0 <= at < length:
            out[at * step] = values[i * step]
        else:
            outside += 1
    return outside
