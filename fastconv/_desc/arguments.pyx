"""Arguments of a public function as numbers and arrays, or an error that names them."""
import itertools
import operator

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._core.padding cimport AXES

from fastconv._core.messages import shown
from fastconv._desc import hints

cnp.import_array()

NAMED_PADDING = ("valid", "same", "same_lower", "full")
DATA_FORMATS = ("channels_first", "channels_last")

cdef object float16 = np.dtype(np.float16)
cdef object complex64 = np.dtype(np.complex64)
cdef object complex128 = np.dtype(np.complex128)
cdef object int64 = np.dtype(np.int64)
cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef object LONGEST = 2**63 - 1

cdef enum:
    MOST_ENTRIES = 64     # of a sequence: as many as an array of NumPy's has axes
    PIECE_SIZE = 1 << 22  # elements that are converted before Ctrl-C is heard


# ---- arrays and dtypes ----------------------------------------------------------------------

cpdef cnp.ndarray as_array(str function, str name, value, bint complex_too=False):
    """`value` as an ndarray of numbers, without a copy where that is possible."""
    cdef cnp.ndarray array
    cdef int number
    if cnp.PyArray_CheckExact(value):
        array = value
        number = cnp.PyArray_TYPE(array)
        if number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE:
            return array
    else:
        if value is None:
            raise TypeError(f"{function}: {name} must be an array, not None")
        if isinstance(value, np.ma.MaskedArray):
            if np.ma.getmaskarray(value).any():
                raise TypeError(
                    f"{function}: {name} is a masked array with masked elements; fill them first")
            value = value.data
        try:
            array = from_object(value)
        except ValueError as error:  # ragged lists
            raise ValueError(f"{function}: {name} is not a rectangular array: {error}") from None
        except TypeError as error:  # items of a list that are no numbers
            raise TypeError(f"{function}: {name} is not an array of numbers: {error}") from None
    kind = array.dtype.kind
    if kind in "fiub":
        if array.dtype.itemsize <= 8:
            return array
    elif kind == "c":
        if not complex_too:
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, but real numbers are needed")
        if array.dtype.itemsize <= 16:
            return array
    raise TypeError(f"{function}: {name} has dtype {array.dtype}, which is not supported")


cdef from_object(value):
    if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return np.asarray(value)


cpdef compute_dtype(str function, tuple arrays, bint parts=False):
    """(dtype of the result, dtype of the arithmetic) for arrays that meet in one call.

    parts: complex numbers and integers too, which `_parts` computes by real arithmetic. Integers
    and bool give int64, whatever their width and sign.
    """
    cdef cnp.ndarray first = arrays[0]
    result = first.dtype
    for other in arrays[1:]:
        if other is not None and (<cnp.ndarray>other).dtype is not result:
            result = np.result_type(*[a.dtype for a in arrays if a is not None])
            if parts and all_integers(arrays):
                result = int64  # where NumPy lets uint64 and int64 meet in float64
            break
    if result is float32 or result is float64:
        return result, result
    # Equal dtypes may be different objects; what leaves here is always the same one.
    result = result.newbyteorder("=")
    if result == float32:
        return float32, float32
    if result == float64:
        return float64, float64
    if result == float16:
        return float16, float32
    if parts:
        if result.kind in "iub":
            return int64, float64
        if result == complex64:
            return complex64, float32
        if result == complex128:
            return complex128, float64
    raise TypeError(
        f"{function}: the result would be {result}, which is not supported; convert an input with "
        f"astype")


cdef bint all_integers(tuple arrays):
    for array in arrays:
        if array is not None and array.dtype.kind not in "iub":
            return False
    return True


cpdef cnp.ndarray operand(cnp.ndarray array, dtype):
    """`array` in the arithmetic's dtype, native and aligned, with strides of whole elements."""
    return array if is_operand(array, dtype) else converted(array, dtype)


cdef bint is_operand(cnp.ndarray array, dtype) noexcept:
    """Whether it is that as it lies there."""
    cdef Py_ssize_t itemsize, i
    if <object>cnp.PyArray_DESCR(array) is not dtype or not cnp.PyArray_ISBEHAVED_RO(array):
        return False
    itemsize = cnp.PyArray_ITEMSIZE(array)
    for i in range(cnp.PyArray_NDIM(array)):
        if cnp.PyArray_STRIDES(array)[i] % itemsize:
            return False
    return True


cdef cnp.ndarray converted(cnp.ndarray array, dtype):
    """A C-contiguous copy in this dtype. Ctrl-C is heard while it is made."""
    cdef cnp.ndarray copy
    if cnp.PyArray_SIZE(array) <= PIECE_SIZE:
        return np.array(array, dtype=dtype, order="C", subok=False, ndmin=0)
    copy = np.empty((<object>array).shape, dtype)
    copy_pieces(array, copy)
    return copy


cdef int copy_pieces(cnp.ndarray source, cnp.ndarray target) except -1:
    """Copy an array piece by piece: in halves along its first axis of more than one element."""
    cdef int axis = 0
    cdef Py_ssize_t half
    if cnp.PyArray_SIZE(source) <= PIECE_SIZE:
        PyErr_CheckSignals()
        np.copyto(target, source, casting="unsafe")
        return 0
    while cnp.PyArray_DIM(source, axis) == 1:
        axis += 1
    half = cnp.PyArray_DIM(source, axis) // 2
    before = (slice(None),) * axis
    first, rest = before + (slice(half),), before + (slice(half, None),)
    copy_pieces(source[first], target[first])
    copy_pieces(source[rest], target[rest])
    return 0


# ---- integers -------------------------------------------------------------------------------

cdef Py_ssize_t as_size(str function, str name, value, Py_ssize_t minimum) except? -7:
    """One integer that is at least `minimum`."""
    cdef Py_ssize_t size
    if type(value) is not int:
        if isinstance(value, (bool, np.bool_)) or not hasattr(type(value), "__index__"):
            raise TypeError(f"{function}: {name} must be an integer, not {shown(value)}")
        try:
            index = operator.index(value)
        except TypeError:  # an array that is no scalar
            raise TypeError(f"{function}: {name} must be an integer, not {shown(value)}") from None
    else:
        index = value
    try:
        size = index
    except OverflowError:
        if index < minimum:
            raise ValueError(
                f"{function}: {name} must be at least {minimum}, not {shown(index)}") from None
        raise ValueError(f"{function}: {name}={shown(index)} does not fit 64 bits") from None
    if size < minimum:
        raise ValueError(f"{function}: {name} must be at least {minimum}, not {size}")
    return size


cdef object entries(str function, str name, value, str wanted):
    """The items of a sequence argument, read once; None where it is not a sequence.

    Of one that is too long by far only the beginning is read: it may have no end.
    """
    cdef tuple items
    if type(value) is tuple:
        return few(function, name, value, value)
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{function}: {name} must be {wanted}, not {shown(value)}")
    if isinstance(value, memoryview):
        value = np.asarray(value)  # an iterator of its own has one axis only
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return None
        return tuple(value[:MOST_ENTRIES + 1].tolist()) if value.size <= 2 * MOST_ENTRIES else (
            few(function, name, value, value))
    if hasattr(type(value), "__index__"):
        return None
    try:
        # a copy: an item's __index__ may change the list
        items = tuple(itertools.islice(value, MOST_ENTRIES + 1))
    except TypeError:
        raise TypeError(f"{function}: {name} must be {wanted}, not {shown(value)}") from None
    return few(function, name, value, items)


cdef object few(str function, str name, value, items):
    """The first items of a sequence argument, if they are all, and no more than can be meant."""
    if len(items) > MOST_ENTRIES:
        try:
            count = str(len(value))
        except (TypeError, OverflowError):  # an iterator; one longer than any memory
            count = f"more than {MOST_ENTRIES}"
        raise ValueError(
            f"{function}: {name} has {count} entries, but an array has at most {MOST_ENTRIES} axes")
    return items


def counts_of(int rank):
    """How many entries serve for all axes: "1 or 2"."""
    return "1" if rank == 1 else f"1 or {rank}"


cdef int as_sizes(str function, str name, value, int rank, Py_ssize_t minimum,
                  Py_ssize_t *out) except -1:
    """One integer for all axes, or one for each; `out` has AXES entries, leading ones 1."""
    cdef int i
    cdef Py_ssize_t size
    for i in range(AXES - rank):
        out[i] = 1
    if type(value) is not int:
        items = entries(function, name, value, f"an integer or {rank} integers")
        if items is not None:
            if len(items) == rank:
                for i in range(rank):
                    out[AXES - rank + i] = as_size(function, name, items[i], minimum)
                return 0
            if len(items) != 1:
                raise ValueError(
                    f"{function}: {name}={shown(value)} has {len(items)} entries, but needs "
                    f"{counts_of(rank)}"
                )
            value = items[0]
    size = as_size(function, name, value, minimum)
    for i in range(AXES - rank, AXES):
        out[i] = size
    return 0


cdef int as_padding(str function, value, int rank, const Py_ssize_t *length,
                    const Py_ssize_t *kernel, const Py_ssize_t *stride,
                    const Py_ssize_t *dilation, Py_ssize_t *before, Py_ssize_t *after) except -1:
    """Every form of the padding argument; the arrays have AXES entries."""
    cdef int axis
    cdef Py_ssize_t size
    for axis in range(AXES):
        before[axis] = after[axis] = 0
    if isinstance(value, str):
        if value not in NAMED_PADDING:
            raise ValueError(
                f"{function}: padding={shown(value)} is not one of "
                f"{', '.join(map(repr, NAMED_PADDING))}"
                f"{hints.of_padding(value, NAMED_PADDING)}"
            )
        for axis in range(AXES - rank, AXES):
            named_padding(function, value, length[axis], stride[axis],
                          (kernel[axis] - 1) * dilation[axis],  # window_extent has checked it
                          &before[axis], &after[axis])
        return 0
    if type(value) is not int and padding_per_axis(function, value, rank, before, after):
        return 0
    size = as_size(function, "padding", value, 0)
    for axis in range(AXES - rank, AXES):
        before[axis] = after[axis] = size
    return 0


cdef int named_padding(str function, name, Py_ssize_t length, Py_ssize_t stride,
                       Py_ssize_t extent, Py_ssize_t *before, Py_ssize_t *after) except -1:
    """What a name stands for along one axis; the window's last element lies `extent` on."""
    cdef Py_ssize_t total
    if name == "full":
        before[0] = after[0] = extent
    elif name != "valid" and length > 0:
        # out = ceil(L/s), so (out-1)*s < L: the sums stay in range.
        total = (length - 1) // stride * stride - length + 1
        if add_overflows(total, extent, &total):
            raise ValueError(f"{function}: padding={shown(name)} does not fit 64 bits")
        total = max(total, 0)
        before[0] = total // 2 if name == "same" else total - total // 2
        after[0] = total - before[0]
    return 0


cdef bint padding_per_axis(str function, value, int rank, Py_ssize_t *before,
                           Py_ssize_t *after) except -1:
    """A sequence of numbers and (before, after) pairs; false where value is no sequence."""
    cdef int i, axis
    wanted = f"an integer, {rank} integers, {rank} (before, after) pairs or a name"
    items = entries(function, "padding", value, wanted)
    if items is None:
        return False
    if len(items) == 1 and rank > 1:
        if entries(function, "padding", items[0], wanted) is None:
            items = [items[0]] * rank
    if len(items) != rank:
        raise ValueError(
            f"{function}: padding={shown(value)} has {len(items)} entries, but needs "
            f"{counts_of(rank)}{hints.of_padding_entries(items, rank)}"
        )
    for i in range(rank):
        axis = AXES - rank + i
        pair = entries(function, "padding", items[i], wanted)
        if pair is None:
            before[axis] = after[axis] = as_size(function, "padding", items[i], 0)
        elif len(pair) != 2:
            raise ValueError(
                f"{function}: padding={shown(value)}: {shown(items[i])} is not a (before, after) "
                f"pair"
            )
        else:
            before[axis] = as_size(function, "padding", pair[0], 0)
            after[axis] = as_size(function, "padding", pair[1], 0)
    return True


cdef Py_ssize_t window_extent(str function, str name, Py_ssize_t kernel,
                              Py_ssize_t dilation) except -1:
    """K = d (k - 1) + 1."""
    cdef Py_ssize_t extent
    if mul_overflows(kernel - 1, dilation, &extent) or add_overflows(extent, 1, &extent):
        raise ValueError(
            f"{function}: {name} {kernel} with dilation {dilation} spans more than 2^63 elements"
        )
    return extent


cdef Py_ssize_t padded_length(str function, Py_ssize_t length, Py_ssize_t before,
                              Py_ssize_t after) except -1:
    cdef Py_ssize_t total
    if add_overflows(length, before, &total) or add_overflows(total, after, &total):
        raise ValueError(
            f"{function}: an axis of length {length} with padding ({before}, {after}) passes "
            f"2^63 elements"
        )
    return total


cdef Py_ssize_t check_count(str function, str what, tuple shape) except -1:
    """The number of elements of `shape`; it and its bytes (of 8) fit 64 bits."""
    cdef Py_ssize_t count = 1, size
    if 0 in shape:
        return 0
    for item in shape:
        size = item
        if mul_overflows(count, size, &count):
            raise ValueError(f"{function}: {what} of shape {shape} has more than 2^63 elements")
    if count > (<Py_ssize_t>1 << 60) - 1:
        raise ValueError(f"{function}: {what} of shape {shape} has more than 2^63 bytes")
    return count


cpdef tuple as_shape(str function, str name, value):
    """A shape argument as a tuple of plain integers; each item is read once."""
    items = entries(function, name, value, "a sequence of integers")
    if items is None:
        raise TypeError(f"{function}: {name} must be a sequence of integers, not {shown(value)}")
    if cnp.PyArray_Check(value) and cnp.PyArray_NDIM(value) > 1:
        raise TypeError(f"{function}: {name} must be a sequence of integers, not an array of "
                        f"shape {value.shape}{hints.of_shape(name)}")
    for item in items:
        if type(item) is not int or not 0 <= item <= LONGEST:
            return tuple([as_size(function, name, item, 0) for item in items])
    return items


# ---- choices --------------------------------------------------------------------------------

cpdef bint as_flag(str function, str name, value) except -1:
    """Whether something is true, which an array is not."""
    if value is True or value is False:
        return value is True
    if isinstance(value, memoryview) or (isinstance(value, np.ndarray) and value.ndim):
        raise TypeError(f"{function}: {name} must be True or False, not {shown(value)}")
    return bool(value)


def parsed_dtype(str function, str name, value):
    """Any dtype."""
    try:
        return np.dtype(value)
    except (TypeError, ValueError, SyntaxError, OverflowError):
        raise TypeError(f"{function}: {name}={shown(value)} is not a dtype") from None


cpdef object as_dtype(str function, str name, value):
    """A dtype of numbers."""
    dtype = parsed_dtype(function, name, value)
    if dtype.kind not in "fiubc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise TypeError(f"{function}: {name}={dtype} is not supported")
    return dtype


cpdef object as_workspace(str function, max_workspace):
    """None, or a number of bytes as a plain integer."""
    if max_workspace is None:
        return None
    try:
        if isinstance(max_workspace, (bool, np.bool_)):
            raise TypeError
        most = operator.index(max_workspace)
    except TypeError:
        raise TypeError(f"{function}: max_workspace must be None or an integer number of bytes, "
                        f"not {shown(max_workspace)}") from None
    if most < 0:
        raise ValueError(
            f"{function}: max_workspace must be at least 0, not {shown(max_workspace)}")
    return min(most, LONGEST)  # no algorithm needs more


cdef bint as_channels_last(str function, data_format) except -1:
    named = isinstance(data_format, str)
    if named and data_format in DATA_FORMATS:
        return data_format == "channels_last"
    raise (ValueError if named else TypeError)(
        f"{function}: data_format must be 'channels_first' or 'channels_last', not "
        f"{shown(data_format)}{hints.of_a_name(data_format, DATA_FORMATS, hints.DATA_FORMATS)}"
    )


# ---- shapes -----------------------------------------------------------------------------------

cdef tuple axes_of(const Py_ssize_t *values, int rank):
    if rank == 2:
        return (values[1], values[2])
    return tuple([values[AXES - rank + i] for i in range(rank)])


cdef tuple image_shape(Py_ssize_t batch, bint batched, Py_ssize_t channels,
                       const Py_ssize_t *spatial, int rank, bint channels_last):
    cdef tuple shape = axes_of(spatial, rank)
    shape = shape + (channels,) if channels_last else (channels,) + shape
    return (batch,) + shape if batched else shape


def check_shape(str function, str name, cnp.ndarray array, tuple shape, str because):
    """Refuse an array whose shape is not what the description says."""
    if (<object>array).shape != shape:
        raise ValueError(
            f"{function}: {name} has shape {(<object>array).shape}, but {because} {shape}"
        )


def channels_first(str function, rank, str name, cnp.ndarray array, data_format):
    """A view of a batch of `rank` spatial axes, or of one image, with channels as first axis.

    Without a rank the array must have its batch axis: the other axes are the spatial ones.
    """
    cdef bint last = as_channels_last(function, data_format)
    axes = array.ndim
    if rank is None:
        if not 3 <= axes <= AXES + 2:
            raise ValueError(
                f"{function}: {name} has {axes} axes (shape {(<object>array).shape}), but needs "
                f"3 to {AXES + 2}: a batch axis, a channel axis and the spatial axes"
            )
        rank = axes - 2
    elif axes != rank + 1 and axes != rank + 2:
        raise ValueError(
            f"{function}: {name} has {axes} axes (shape {(<object>array).shape}), but needs "
            f"{rank + 2}, or {rank + 1} without the batch axis"
        )
    channel = axes - 1 if last else axes - rank - 1
    return array.transpose([channel] + [i for i in range(axes) if i != channel])
