"""What goes to positions: the gradient of a maximum or minimum, and unpooling."""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from fastconv._core.threads cimport Slices, next_slice, slices, threads_for

cnp.import_array()

# Elements that are added up, and those that are moved only, by their bytes.
ctypedef fused element_t:
    float
    double
    uint8_t
    uint16_t
    uint32_t
    uint64_t

# How planes lie in C-contiguous arrays with a batch axis.
cdef struct Planes:
    Py_ssize_t channels          # of an image, where these lie inside; else 1
    Py_ssize_t values, results   # elements of a plane


def scatter(str function, cnp.ndarray values, cnp.ndarray positions, cnp.ndarray out,
            Py_ssize_t channels, bint channels_last, bint adds, num_threads):
    """Put each element of `values` into its plane of `out`, at its flat position.

    All are C-contiguous with a batch axis. Elements of equal position are added up, or with
    adds=False the last in row-major order stays. Returns False if a position was outside: it was
    left out.
    """
    cdef Py_ssize_t count = cnp.PyArray_DIM(out, 0) * channels
    cdef int size = cnp.PyArray_ITEMSIZE(out)
    cdef double work = 8.0 * (cnp.PyArray_SIZE(out) + cnp.PyArray_SIZE(values))
    cdef Slices s = slices(count, work, threads_for(function, num_threads, work))
    cdef const int64_t *where = <const int64_t *>cnp.PyArray_BYTES(positions)
    cdef char *x = cnp.PyArray_BYTES(values)
    cdef char *y = cnp.PyArray_BYTES(out)
    cdef Planes planes
    if cnp.PyArray_SIZE(values) == 0 or channels_last:
        memset(y, 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(values) == 0:
        return True
    planes.channels = channels if channels_last else 1
    planes.values = cnp.PyArray_SIZE(values) // count
    planes.results = cnp.PyArray_SIZE(out) // count
    if adds:
        if size == 4:
            return scatter_planes(<const float *>x, where, <float *>y, &planes, s)
        return scatter_planes(<const double *>x, where, <double *>y, &planes, s)
    if size == 1:
        return scatter_planes(<const uint8_t *>x, where, <uint8_t *>y, &planes, s)
    if size == 2:
        return scatter_planes(<const uint16_t *>x, where, <uint16_t *>y, &planes, s)
    if size == 4:
        return scatter_planes(<const uint32_t *>x, where, <uint32_t *>y, &planes, s)
    return scatter_planes(<const uint64_t *>x, where, <uint64_t *>y, &planes, s)


cdef bint scatter_planes(const element_t *values, const int64_t *positions, element_t *out,
                         const Planes *planes, Slices s) except? False:
    """All planes; whether all positions were inside of theirs."""
    cdef Py_ssize_t plane, outside = 0
    while next_slice(&s):
        if s.threads == 1:  # OpenMP would take a microsecond to say so
            with nogil:
                for plane in range(s.start, s.stop):
                    outside += scatter_plane(values, positions, out, planes, plane)
        else:
            # as threads come free: one that has to be woken comes late
            for plane in prange(s.start, s.stop, num_threads=s.threads, schedule="dynamic",
                                nogil=True):
                outside += scatter_plane(values, positions, out, planes, plane)
    return outside == 0


cdef Py_ssize_t scatter_plane(const element_t *values, const int64_t *positions, element_t *out,
                              const Planes *planes, Py_ssize_t plane) noexcept nogil:
    """The elements of a plane; how many positions were outside."""
    cdef Py_ssize_t step = planes.channels, image, channel, at
    if step == 1:
        # zeros while the plane is on its way into the cache
        memset(out + plane * planes.results, 0, planes.results * sizeof(element_t))
        return scatter_elements(values + plane * planes.values, positions + plane * planes.values,
                                out + plane * planes.results, planes, 1)
    image, channel = plane // step, plane % step
    at = image * planes.values * step + channel
    return scatter_elements(values + at, positions + at,
                            out + image * planes.results * step + channel, planes, step)


cdef inline Py_ssize_t scatter_elements(const element_t *x, const int64_t *positions, element_t *y,
                                        const Planes *planes, Py_ssize_t step) noexcept nogil:
    """Elements `step` apart. A position is read once: it may change after it was looked at."""
    cdef Py_ssize_t i, outside = 0
    cdef int64_t at
    for i in range(planes.values):
        at = positions[i * step]
        if <uint64_t>at >= <uint64_t>planes.results:
            outside += 1
        elif element_t is float or element_t is double:
            y[at * step] += x[i * step]
        else:
            y[at * step] = x[i * step]
    return outside
