"""Arrays as filters see them: elements on their way to doubles and back, and positions outside.

A run is elements of one array at one stride. Those that lie side by side are converted where they
are; others, and those of the other byte order or at odd addresses, by way of a small buffer.
"""
from libc.math cimport INFINITY, fabs, floor, ldexp
from libc.string cimport memcpy

cimport numpy as cnp

from fastconv._kernels.dispatch cimport (
    FC_F32, FC_F64, FC_I8, FC_I16, FC_I32, FC_I64, FC_U8, FC_U16, FC_U32, FC_U64, fc_table,
    fc_type,
)

cnp.import_array()

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #define FC_MOVE(bits, turn) \\
        for (Py_ssize_t i = 0; i < n; i++, src += from, dst += to) { \\
            uint##bits##_t v; \\
            memcpy(&v, src, sizeof v); \\
            if (swapped) v = turn(v); \\
            memcpy(dst, &v, sizeof v); \\
        } \\
        break;
    #define FC_SAME(v) (v)
    /* n elements of `size` bytes, `from` bytes apart, to where they lie `to` bytes apart */
    static void fc_move(Py_ssize_t n, int size, int swapped, const char *src, Py_ssize_t from,
                        char *dst, Py_ssize_t to)
    {
        switch (size) {
        case 1: FC_MOVE(8, FC_SAME)
        case 2: FC_MOVE(16, __builtin_bswap16)
        case 4: FC_MOVE(32, __builtin_bswap32)
        default: FC_MOVE(64, __builtin_bswap64)
        }
    }
    """
    void fc_move(Py_ssize_t n, int size, bint swapped, const char *src, Py_ssize_t from_,
                 char *dst, Py_ssize_t to) nogil

cdef enum:
    CHUNK = 512  # elements of the small buffer

cdef double SINGLE_INTEGERS = 16777216.0  # 2^24: all integers up to it are floats


cdef int type_of(int number) noexcept:
    """Our name of NumPy's type, or -1."""
    if number == cnp.NPY_BOOL or number == cnp.NPY_UBYTE:
        return FC_U8
    if number == cnp.NPY_BYTE:
        return FC_I8
    if number == cnp.NPY_USHORT:
        return FC_U16
    if number == cnp.NPY_SHORT:
        return FC_I16
    if number == cnp.NPY_UINT:
        return FC_U32
    if number == cnp.NPY_INT:
        return FC_I32
    if number == cnp.NPY_ULONG or number == cnp.NPY_ULONGLONG:
        return FC_U64 if number == cnp.NPY_ULONGLONG or sizeof(long) == 8 else FC_U32
    if number == cnp.NPY_LONG or number == cnp.NPY_LONGLONG:
        return FC_I64 if number == cnp.NPY_LONGLONG or sizeof(long) == 8 else FC_I32
    return FC_F32 if number == cnp.NPY_FLOAT else FC_F64 if number == cnp.NPY_DOUBLE else -1


cdef bint is_served(cnp.ndarray a) noexcept:
    """Whether filters know elements of a's type, or their real and imaginary parts."""
    return type_of(cnp.PyArray_TYPE(a)) >= 0 or is_complex(a)


cdef bint is_complex(cnp.ndarray a) noexcept:
    return cnp.PyArray_TYPE(a) == cnp.NPY_CFLOAT or cnp.PyArray_TYPE(a) == cnp.NPY_CDOUBLE


cdef bint is_same_place(cnp.ndarray x, cnp.ndarray y) noexcept:
    """Whether every element of x lies where that of y does, which has its shape."""
    cdef int axis
    if (cnp.PyArray_DATA(x) != cnp.PyArray_DATA(y) or cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(y)
            or cnp.PyArray_ISNOTSWAPPED(x) != cnp.PyArray_ISNOTSWAPPED(y)):
        return False
    for axis in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_STRIDE(x, axis) != cnp.PyArray_STRIDE(y, axis):
            return False
    return True


cdef bint may_overlap(cnp.ndarray x, cnp.ndarray y) noexcept:
    """Whether the memory that the two reach over has bytes in common."""
    cdef const char *x_low
    cdef const char *x_high
    cdef const char *y_low
    cdef const char *y_high
    bounds(x, &x_low, &x_high)
    bounds(y, &y_low, &y_high)
    return x_low < y_high and y_low < x_high


cdef void bounds(cnp.ndarray a, const char **low, const char **high) noexcept:
    cdef Py_ssize_t reach
    cdef int axis
    low[0] = <const char *>cnp.PyArray_DATA(a)
    high[0] = low[0] + cnp.PyArray_ITEMSIZE(a)
    for axis in range(cnp.PyArray_NDIM(a)):
        reach = (cnp.PyArray_DIM(a, axis) - 1) * cnp.PyArray_STRIDE(a, axis)
        if reach < 0:
            low[0] += reach
        else:
            high[0] += reach


cdef Array array_of(cnp.ndarray a) noexcept:
    """What filters must know of a NumPy array whose type they know."""
    cdef Array result
    cdef int axis
    result.data = <char *>cnp.PyArray_DATA(a)
    for axis in range(cnp.PyArray_NDIM(a)):
        result.strides[axis] = cnp.PyArray_STRIDE(a, axis)
    result.size = <int>cnp.PyArray_ITEMSIZE(a)
    result.type = <fc_type>type_of(cnp.PyArray_TYPE(a))
    result.swapped = not cnp.PyArray_ISNOTSWAPPED(a)
    result.plain = cnp.PyArray_ISBEHAVED_RO(a)
    return result


cdef Elements elements_of(const fc_table *table, const Array *x, const Array *y,
                          Work work) noexcept nogil:
    """How elements of x become those of y."""
    cdef Elements e
    e.work = work
    e.width = x.size if work == NATIVE else 4 if work == SINGLE else 8
    e.sums = &table.filters.f32 if work == SINGLE else &table.filters.f64
    e.load = (table.pools[<int>x.type].convert[<int>FC_F32] if work == SINGLE
              else table.pools[<int>x.type].convert[<int>FC_F64])
    e.store = e.sums.store[<int>y.type]
    e.constant = table.filters.f64.store[<int>x.type if work == NATIVE
                                         else <int>FC_F32 if work == SINGLE else <int>FC_F64]
    return e


cdef double magnitude_of(const double *weights, Py_ssize_t n) noexcept nogil:
    """The sum of the magnitudes of weights that are all integers, else infinity."""
    cdef double sum = 0
    cdef Py_ssize_t i
    for i in range(n):
        sum += fabs(weights[i]) if weights[i] == floor(weights[i]) else INFINITY
    return sum


cdef bint is_exact(const fc_table *table, const Array *x, const Array *y, double magnitude,
                   double outside, bint constant) noexcept nogil:
    """Whether sums of products with integers, whose magnitudes add up to `magnitude` (infinity if
    there are others), are integers that float holds, and y can be stored from floats.
    """
    cdef double most = ldexp(1.0, 8 * x.size)
    if x.type > FC_I16 or table.filters.f32.store[<int>y.type] == NULL:
        return False
    if constant and not (fabs(outside) <= most and outside == floor(outside)):
        return False
    return most * magnitude <= SINGLE_INTEGERS


cdef void load_constant(const Elements *e, double value, Py_ssize_t n, char *dst) noexcept nogil:
    """n elements of the value that stands for what lies outside."""
    cdef Py_ssize_t i
    if n > 0:
        e.constant(1, &value, dst)
    for i in range(1, n):
        memcpy(dst + i * e.width, dst, e.width)


cdef Py_ssize_t position(Edge edge, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """The position of a line of n that stands for `at`; -1 for the constant."""
    cdef Py_ssize_t period
    if 0 <= at < n:
        return at
    if edge == CONSTANT:
        return -1
    if edge == NEAREST or (edge == MIRROR and n == 1):
        return 0 if at < 0 else n - 1
    period = n if edge == WRAP else 2 * n if edge == REFLECT else 2 * n - 2
    if at < -period or at >= 2 * period:
        at %= period  # a division takes as long as all else
    if at < 0:
        at += period
    elif at >= period:
        at -= period
    if at < n:
        return at
    return period - at if edge == MIRROR else period - 1 - at


cdef void load_run(const Elements *e, const Array *a, const char *src, Py_ssize_t stride,
                   Py_ssize_t n, char *dst) noexcept nogil:
    """n elements of a, at src, side by side."""
    cdef char small[CHUNK * 8]
    cdef Py_ssize_t m
    if a.plain and stride == a.size:
        if e.work == NATIVE:
            memcpy(dst, src, n * a.size)
        else:
            e.load(n, src, dst)
    elif e.work == NATIVE:
        fc_move(n, a.size, a.swapped, src, stride, dst, a.size)
    else:
        while n > 0:
            m = min(n, <Py_ssize_t>CHUNK)
            fc_move(m, a.size, a.swapped, src, stride, small, a.size)
            e.load(m, small, dst)
            src += m * stride
            dst += m * e.width
            n -= m


cdef void store_run(const Elements *e, const Array *a, const char *src, Py_ssize_t n, char *dst,
                    Py_ssize_t stride) noexcept nogil:
    """n elements that lie side by side, to those of a at dst."""
    cdef char small[CHUNK * 8]
    cdef Py_ssize_t m
    if a.plain and stride == a.size:
        if e.work == NATIVE:
            memcpy(dst, src, n * a.size)
        else:
            e.store(n, src, dst)
    elif e.work == NATIVE:
        fc_move(n, a.size, a.swapped, src, a.size, dst, stride)
    else:
        while n > 0:
            m = min(n, <Py_ssize_t>CHUNK)
            e.store(m, src, small)
            fc_move(m, a.size, a.swapped, small, a.size, dst, stride)
            src += m * e.width
            dst += m * stride
            n -= m
