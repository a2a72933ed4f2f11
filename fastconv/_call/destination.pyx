"""Arrays on their way in and out of a call: where a result goes, its dtype, and batch axes."""
import contextvars

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.ref cimport Py_INCREF

from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport is_long
from fastconv._desc.arguments cimport is_operand, operand

from fastconv._core.reductions import reduced
from fastconv._desc.conversion import conversion

cnp.import_array()

cdef object SAME_KIND = "same_kind"   # the casting of those that ask for none

cdef enum:
    PIECE_SIZE = 1 << 16   # elements of a result that are rounded or clipped at once: 512 KiB
    MOST_ITEMSIZE = 16     # bytes of an element: of complex128
    WHOLE_BYTES = 8 << 20  # of what is converted, in and out; if it is more, then piece by piece

cdef extern from "numpy/arrayobject.h":
    # It takes a reference to the dtype.
    cnp.ndarray PyArray_Empty(int axes, cnp.npy_intp *shape, cnp.PyArray_Descr *dtype, int fortran)


@cython.final
@cython.freelist(4)
@cython.no_gc
cdef class Destination:
    """Where a result is computed, and where it goes.

    Algorithms write a C-contiguous array in the arithmetic's dtype, with a batch axis. That is
    `out` itself where it fits; where it does not, overlaps an input, or the call is long enough
    to be interrupted, it is a temporary that is converted, or copied, at the end. Where much has
    to be converted, pieces are computed and put into an array that has the result's dtype.
    """

    cdef cnp.ndarray room(self, cnp.ndarray place):
        """Where to compute what goes to that part of `array`: there, if that is possible."""
        if (self.how is None or not self.piecewise) and is_contiguous(place, self.computed):
            return place
        return np.empty((<object>place).shape, self.computed)

    cdef int put(self, cnp.ndarray room, cnp.ndarray place) except -1:
        """Bring there what has been computed."""
        if room is not place:
            convert(self.function, room, place, self.how if self.piecewise else None)
        return 0

    cdef finish(self):
        """The result, in its place."""
        array = self.array
        if self.in_place:
            return self.out
        if self.out is None and <object>cnp.PyArray_DESCR(self.array) is self.dtype:
            return array if cnp.PyArray_NDIM(array) == len(self.shape) else array[0]
        target = np.empty(self.shape, self.dtype) if self.out is None else self.out
        convert(self.function, array.reshape(self.shape), target,
                None if self.piecewise else self.how)
        return target


cdef Destination destination(str function, out, out_dtype, casting, tuple shape, result,
                             computed, tuple inputs, double work, bint has_batch,
                             Py_ssize_t converted=-1):
    """An output of this shape, computed in that dtype from `inputs`.

    Its dtype is `result`, or what `conversion` makes of it. `inputs` matter only where there is an
    `out`; `converted` are the elements of inputs that the caller converts, -1 if it cannot do so
    piece by piece.
    """
    cdef Destination self = Destination.__new__(Destination)
    self.function, self.out, self.shape, self.dtype = function, out, shape, result
    self.computed = computed
    if out is not None and not isinstance(out, cnp.ndarray):
        raise TypeError(f"{function}: out must be an ndarray, not {type(out).__name__}")
    if out_dtype is not None or casting is not SAME_KIND or (
            out is not None and <object>cnp.PyArray_DESCR(out) is not result):
        self.dtype, self.how = conversion(function, result, out, out_dtype, casting)
        if self.how is not None and (self.dtype == computed or (
                self.how == "check" and np.can_cast(computed, self.dtype, "safe"))):
            self.how = None  # computed in so few bits because they suffice
    if converted >= 0:
        self.converted = converted
        if self.dtype is not computed:
            self.converted += size_of(shape)
        self.piecewise = self.converted > WHOLE_BYTES // MOST_ITEMSIZE and (
            self.converted > WHOLE_BYTES // <Py_ssize_t>computed.itemsize)
    if out is not None:
        check_out(function, out, shape)
        if not self.piecewise and self.how is None and takes_result(out, computed) and (
                not is_long(work) and not overlaps(out, inputs)):
            self.in_place = True
            self.array = add_batch(
                out if cnp.PyArray_CheckExact(out) else out.view(np.ndarray), has_batch)
            return self
    self.array = empty(shape, self.dtype if self.piecewise else computed, has_batch)
    return self


cdef int check_out(str function, cnp.ndarray given, tuple shape) except -1:
    """Refuse an `out` that cannot hold the result."""
    cdef object out = given
    if has_shape(given, shape) and cnp.PyArray_ISCARRAY(given):
        return 0
    if out.shape != shape:
        raise ValueError(f"{function}: out has shape {out.shape}, but the result has {shape}")
    if not cnp.PyArray_ISWRITEABLE(given):
        raise ValueError(f"{function}: out is read-only")
    if overlaps_itself(given):
        raise ValueError(f"{function}: out has strides {out.strides}, by which several of its "
                         f"elements share memory")
    return 0


cdef bint overlaps_itself(cnp.ndarray array) except -1:
    """Whether two elements share memory."""
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(array), extent = itemsize
    if cnp.PyArray_SIZE(array) < 2:
        return False
    axes = sorted([(abs(stride), size) for stride, size in zip(
        (<object>array).strides, (<object>array).shape) if size > 1])
    for stride, size in axes:
        if stride < extent:
            break
        extent += (size - 1) * stride
    else:
        return False
    # An axis goes on within what those of shorter strides span: only the elements can tell.
    offsets = np.zeros(1, np.int64)
    for stride, size in axes:
        if stride == 0:
            return True
        offsets = np.add.outer(offsets, np.arange(size) * stride).ravel()
    offsets.sort()
    return bool((np.diff(offsets) < itemsize).any())


cdef bint takes_result(cnp.ndarray out, arithmetic) except -1:
    """Whether an algorithm can write to `out` as it lies there."""
    cdef object dtype = <object>cnp.PyArray_DESCR(out)
    return cnp.PyArray_ISCARRAY(out) and (
        dtype is arithmetic or (dtype == arithmetic and dtype.isnative))


cdef bint overlaps(cnp.ndarray out, tuple inputs) noexcept:
    """Whether an input may share memory with out: what they span has bytes in common."""
    cdef const char *low
    cdef const char *high
    cdef const char *first
    cdef const char *end
    span_of(out, &low, &high)
    for array in inputs:
        if array is not None:
            span_of(array, &first, &end)
            if first < high and low < end:
                return True
    return False


cdef void span_of(cnp.ndarray array, const char **low, const char **high) noexcept:
    cdef Py_ssize_t step
    cdef int i
    low[0] = high[0] = cnp.PyArray_BYTES(array)
    if cnp.PyArray_SIZE(array) == 0:
        return
    for i in range(cnp.PyArray_NDIM(array)):
        step = (cnp.PyArray_DIM(array, i) - 1) * cnp.PyArray_STRIDE(array, i)
        if step < 0:
            low[0] += step
        else:
            high[0] += step
    high[0] += cnp.PyArray_ITEMSIZE(array)


# ---- from the arithmetic's dtype to another -----------------------------------------------------

cdef int convert(str function, cnp.ndarray source, cnp.ndarray target, how) except -1:
    """Fill the target with what `how` makes of the source, piece by piece, or leave it as it is."""
    # in a context of its own: to leave it allocates nothing, which might fail behind the result
    contextvars.copy_context().run(convert_quietly, function, source, target, how)
    return 0


def convert_quietly(str function, source, target, how):
    """The same, without NumPy's warnings in what is left of this context."""
    np.seterr(over="ignore", invalid="ignore")  # float16: infinity, as for other dtypes
    if how is not None and how != "saturate":
        check_fits(function, source, target.dtype, how)
    convert_pieces(source, target, how)


cdef int check_fits(str function, cnp.ndarray source, dtype, how) except -1:
    """Refuse values that are no integers of this dtype, once rounded."""
    if cnp.PyArray_SIZE(source) == 0:
        return 0
    info = np.iinfo(dtype)
    for extreme in (np.minimum, np.maximum):  # NaN is both
        value = reduced(extreme, source, axis=None)
        if how == "truncate":
            value = np.trunc(value)
        elif how == "round":
            value = np.rint(value)
        if not info.min <= value.item() <= info.max:
            instead = "" if how == "check" else " clips it and makes NaN zero"
            raise OverflowError(
                f"{function}: the result holds {value}, which does not fit {dtype}; "
                f"casting='saturate'" + (instead or " clips it, 'wrap' takes it modulo 2^bits"))
    return 0


cdef int convert_pieces(cnp.ndarray source, cnp.ndarray target, how) except -1:
    """The same of values that fit, in halves along the first axis of more than one element."""
    cdef int axis = 0
    cdef Py_ssize_t half
    if how != "round" and how != "saturate":
        np.copyto(target, source, casting="unsafe")
        return 0
    if cnp.PyArray_SIZE(source) <= PIECE_SIZE:
        if how == "round":
            np.copyto(target, np.rint(source), casting="unsafe")
        else:
            saturate(source, target)
        return 0
    while cnp.PyArray_DIM(source, axis) == 1:
        axis += 1
    half = cnp.PyArray_DIM(source, axis) // 2
    before = (slice(None),) * axis
    first, rest = before + (slice(half),), before + (slice(half, None),)
    convert_pieces(source[first], target[first], how)
    convert_pieces(source[rest], target[rest], how)
    return 0


cdef saturate(cnp.ndarray source, cnp.ndarray target):
    """The nearest integers of the target's dtype, of a half the even one; 0 for NaN."""
    info, dtype = np.iinfo(target.dtype), source.dtype
    if dtype.kind != "f":
        own = np.iinfo(dtype)
        np.copyto(target, np.clip(source, dtype.type(max(info.min, own.min)),
                                  dtype.type(min(info.max, own.max))), casting="unsafe")
        return
    if dtype.itemsize == 2:  # it has no numbers as large as integers are
        dtype = np.dtype(np.float32)
    values = np.rint(source, dtype=dtype)
    values[np.isnan(values)] = 0
    low, high = dtype.type(info.min), dtype.type(info.max)
    if int(high) <= info.max:
        np.copyto(target, np.clip(values, low, high), casting="unsafe")
    else:  # it was rounded up: the number before is the largest that can be converted
        np.copyto(target, np.clip(values, low, np.nextafter(high, dtype.type(0))), casting="unsafe")
        np.copyto(target, info.max, where=values >= high)


# ---- batch axes ---------------------------------------------------------------------------------

cdef cnp.ndarray empty(tuple shape, dtype, bint has_batch):
    """A new array; one of a single image gets a batch axis."""
    cdef cnp.npy_intp size[AXES + 4]
    cdef int axes = 0
    if not has_batch:
        size[0] = 1
        axes = 1
    for item in shape:
        size[axes] = item
        axes += 1
    Py_INCREF(dtype)
    return PyArray_Empty(axes, size, <cnp.PyArray_Descr *>dtype, 0)


cdef cnp.ndarray add_batch(cnp.ndarray array, bint has_batch):
    return array if has_batch else array[np.newaxis]


cdef cnp.ndarray batched(cnp.ndarray array, dtype, bint has_batch):
    """The array as an operand in this dtype, with a batch axis."""
    return add_batch(operand(array, dtype), has_batch)


cdef bint is_contiguous(cnp.ndarray array, dtype) noexcept:
    """Whether it is that without a batch axis to add."""
    return is_operand(array, dtype) and cnp.PyArray_IS_C_CONTIGUOUS(array)


cdef cnp.ndarray contiguous(array, dtype, bint has_batch):
    """The same, C-contiguous."""
    array = operand(array, dtype)
    if not cnp.PyArray_IS_C_CONTIGUOUS(array):
        array = np.ascontiguousarray(array)
    return add_batch(array, has_batch)


cdef Py_ssize_t size_of(tuple shape) noexcept:
    """Elements of an array of this shape."""
    cdef Py_ssize_t size = 1
    for item in shape:
        size *= <Py_ssize_t>item
    return size


cdef bint has_shape(cnp.ndarray array, tuple shape) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(array) != len(shape):
        return False
    for i in range(cnp.PyArray_NDIM(array)):
        if cnp.PyArray_DIM(array, i) != <Py_ssize_t>shape[i]:
            return False
    return True
