"""The gradient of norm pooling: dy/dx = sign(x) (|x| / y)^(p - 1), where y is not zero.

As a quotient it neither overflows nor underflows before the result does. Each gradient goes to all
elements of its window, which overlap: so threads share planes (channels first) or images.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.math cimport fabs, pow
from libc.string cimport memset

from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport Slices, next_slice, slices, threads_for
from fastconv._core.types cimport real_t
from fastconv._desc.pool cimport PoolDesc, pool_axis, span, window

cnp.import_array()


def norm_gradient(PoolDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray y, cnp.ndarray out,
                  double p, num_threads):
    """The gradient of x, where y is the norm pooling of x and `grad` its gradient.

    All are C-contiguous, of the same dtype, and have a batch axis; p is finite.
    """
    cdef double work = 8 * cnp.PyArray_SIZE(grad)
    cdef Slices s
    cdef int i
    memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
    if cnp.PyArray_SIZE(grad) == 0:
        return
    for i in range(AXES):
        work *= desc.g.axis[i].kernel
    grad, x, y, out = (as_planes(desc, grad, False), as_planes(desc, x, True),
                       as_planes(desc, y, False), as_planes(desc, out, True))
    s = slices(cnp.PyArray_DIM(x, 0), work, threads_for(desc.function, num_threads, work))
    if cnp.PyArray_ITEMSIZE(x) == 4:
        add_gradients[float](desc.g.axis, p, grad, x, y, out, s)
    else:
        add_gradients[double](desc.g.axis, p, grad, x, y, out, s)


cdef cnp.ndarray as_planes(PoolDesc desc, cnp.ndarray array, bint is_input):
    """A view of (planes or images, three axes, channels inside)."""
    cdef cnp.npy_intp[AXES + 2] size
    cdef cnp.PyArray_Dims shape
    cdef int i
    size[0] = desc.batch * (1 if desc.g.channels_last else desc.g.channels)
    for i in range(AXES):
        size[1 + i] = desc.g.axis[i].length if is_input else desc.g.axis[i].outputs
    size[1 + AXES] = desc.g.channels if desc.g.channels_last else 1
    shape.ptr, shape.len = size, AXES + 2
    return cnp.PyArray_Newshape(array, &shape, cnp.NPY_CORDER)


cdef int add_gradients(const pool_axis *axis, double p, const real_t[:, :, :, :, ::1] grad,
                       const real_t[:, :, :, :, ::1] x, const real_t[:, :, :, :, ::1] y,
                       real_t[:, :, :, :, ::1] out, Slices s) except -1:
    """Add to `out` what each output sends back."""
    cdef Py_ssize_t n
    while next_slice(&s):
        if s.threads == 1:  # OpenMP would take a microsecond to say so
            with nogil:
                for n in range(s.start, s.stop):
                    add_plane(axis, p, grad[n], x[n], y[n], out[n])
        else:
            for n in prange(s.start, s.stop, num_threads=s.threads, nogil=True):
                add_plane(axis, p, grad[n], x[n], y[n], out[n])
    return 0


cdef void add_plane(const pool_axis *axis, double p, const real_t[:, :, :, ::1] grad,
                    const real_t[:, :, :, ::1] x, const real_t[:, :, :, ::1] y,
                    real_t[:, :, :, ::1] out) noexcept nogil:
    """The same in one plane, or image of channels that lie inside."""
    cdef Py_ssize_t o0, o1, o2, c
    cdef span s[AXES]
    for o0 in range(y.shape[0]):
        s[0] = window(&axis[0], o0)
        for o1 in range(y.shape[1]):
            s[1] = window(&axis[1], o1)
            for o2 in range(y.shape[2]):
                s[2] = window(&axis[2], o2)
                for c in range(y.shape[3]):
                    if y[o0, o1, o2, c] != 0:
                        add_window(s, c, p, grad[o0, o1, o2, c], y[o0, o1, o2, c], x, out)


cdef inline void add_window(const span *s, Py_ssize_t c, double p, double grad, double y,
                            const real_t[:, :, :, ::1] x,
                            real_t[:, :, :, ::1] out) noexcept nogil:
    """What one output sends to the elements of its window."""
    cdef Py_ssize_t t0, t1, t2, i0, i1, i2
    for t0 in range(s[0].taps):
        i0 = s[0].first + t0 * s[0].step
        for t1 in range(s[1].taps):
            i1 = s[1].first + t1 * s[1].step
            for t2 in range(s[2].taps):
                i2 = s[2].first + t2 * s[2].step
                out[i0, i1, i2, c] += <real_t>(grad * slope(p, x[i0, i1, i2, c], y))


cdef inline double slope(double p, double x, double y) noexcept nogil:
    """The derivative of the norm y by its term x."""
    if x == 0:
        return 0
    if p == 2:
        return x / y
    if p == 1:
        return x if x != x else (1 if x > 0 else -1)
    return (1 if x > 0 else -1) * pow(fabs(x) / y, p - 1)
