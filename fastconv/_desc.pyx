"""Describe: the one place that validates shapes and numbers and does size arithmetic.

(`_call` checks what needs the arrays themselves: bias, residual, `out`, the range of indices.)

`describe_conv` and `describe_pool` turn the arguments of a public function, forward or
backward, into a description of plain integers, or raise an error that names the function, the
argument, its value and the rule. Every later layer trusts a description: sizes are positive,
fit together, and their products fit 64 bits.

The arithmetic is done in C integers that are checked at each step, because a description is
made at every call and small convolutions take microseconds.
"""
import operator

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from fastconv._core.integers cimport gcd
from fastconv._core.padding cimport (
    AXES, PAD_CIRCULAR, PAD_REFLECT, PAD_REPLICATE, PAD_SYMMETRIC, PAD_ZEROS,
)
from fastconv._kernels.dispatch cimport (
    FC_CLIP, FC_IDENTITY, FC_LEAKY_RELU, FC_SIGMOID, FC_SILU, FC_TANH,
)

cnp.import_array()

cdef extern from *:
    """
    static inline int fc_mul(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r)
    { return __builtin_mul_overflow(a, b, r); }
    static inline int fc_add(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r)
    { return __builtin_add_overflow(a, b, r); }
    /* floor(a * b / c) for 0 <= a, b and 0 < c, where that fits */
    static inline Py_ssize_t fc_scale(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c)
    {
        Py_ssize_t product;
        if (!__builtin_mul_overflow(a, b, &product)) return product / c;
        return a / c * b + (Py_ssize_t)((__int128)(a % c) * b / c);
    }
    """
    int fc_mul(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r) nogil
    int fc_add(Py_ssize_t a, Py_ssize_t b, Py_ssize_t *r) nogil
    Py_ssize_t fc_scale(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c) nogil

cdef extern from *:
    const char *FASTCONV_VERSION

version = FASTCONV_VERSION.decode()

PADDING_MODES = {
    "zeros": PAD_ZEROS, "constant": PAD_ZEROS, "reflect": PAD_REFLECT,
    "symmetric": PAD_SYMMETRIC, "replicate": PAD_REPLICATE, "edge": PAD_REPLICATE,
    "circular": PAD_CIRCULAR, "wrap": PAD_CIRCULAR,
}
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu")
NAMED_PADDING = ("valid", "same", "same_lower", "full")

cdef object float16 = np.dtype(np.float16)
cdef object complex64 = np.dtype(np.complex64)
cdef object complex128 = np.dtype(np.complex128)
cdef object int64 = np.dtype(np.int64)
cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef double INFINITE = float("inf")
cdef object LONGEST = 2**63 - 1


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
                    f"{function}: {name} is a masked array with masked elements; fill them first"
                )
            value = value.data
        try:
            array = _from_object(value)
        except ValueError as error:  # ragged lists
            raise ValueError(f"{function}: {name} is not a rectangular array: {error}") from None
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


cdef _from_object(value):
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
        f"astype"
    )


cdef bint all_integers(tuple arrays):
    for array in arrays:
        if array is not None and array.dtype.kind not in "iub":
            return False
    return True


cpdef cnp.ndarray operand(cnp.ndarray array, dtype):
    """`array` in the arithmetic's dtype, native and aligned, with strides of whole elements."""
    cdef Py_ssize_t itemsize, i
    if <object>cnp.PyArray_DESCR(array) is not dtype or not cnp.PyArray_ISBEHAVED_RO(array):
        array = np.array(array, dtype=dtype, order="C", subok=False, ndmin=0)
    else:
        itemsize = cnp.PyArray_ITEMSIZE(array)
        for i in range(cnp.PyArray_NDIM(array)):
            if cnp.PyArray_STRIDES(array)[i] % itemsize:
                return np.ascontiguousarray(array)
    return array


# ---- integers -------------------------------------------------------------------------------

cdef Py_ssize_t as_size(str function, str name, value, Py_ssize_t minimum) except? -7:
    """One integer that is at least `minimum`."""
    cdef Py_ssize_t size
    if type(value) is not int:
        if isinstance(value, (bool, np.bool_)) or not hasattr(type(value), "__index__"):
            raise TypeError(f"{function}: {name} must be an integer, not {value!r}")
        index = operator.index(value)
    else:
        index = value
    try:
        size = index
    except OverflowError:
        if index < minimum:
            raise ValueError(
                f"{function}: {name} must be at least {minimum}, not {index}") from None
        raise ValueError(f"{function}: {name}={index} does not fit 64 bits") from None
    if size < minimum:
        raise ValueError(f"{function}: {name} must be at least {minimum}, not {size}")
    return size


cdef object entries(str function, str name, value, str wanted):
    """The items of a sequence argument, read once; None where it is not a sequence."""
    if type(value) is tuple:
        return value
    if isinstance(value, (str, bytes, dict, set)):
        raise TypeError(f"{function}: {name} must be {wanted}, not {value!r}")
    if isinstance(value, np.ndarray):
        return tuple(value.tolist()) if value.ndim else None
    if hasattr(type(value), "__index__"):
        return None
    try:
        # a copy: an item's __index__ may change the list
        return tuple(value)
    except TypeError:
        raise TypeError(f"{function}: {name} must be {wanted}, not {value!r}") from None


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
                    f"{function}: {name}={value!r} has {len(items)} entries, but needs 1 or {rank}"
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
    cdef int i, axis
    cdef Py_ssize_t extent, total, size
    for i in range(AXES):
        before[i] = after[i] = 0
    if isinstance(value, str):
        if value not in NAMED_PADDING:
            raise ValueError(
                f"{function}: padding={value!r} is not one of {', '.join(map(repr, NAMED_PADDING))}"
            )
        for axis in range(AXES - rank, AXES):
            extent = (kernel[axis] - 1) * dilation[axis]  # window_extent has checked it
            if value == "full":
                before[axis] = after[axis] = extent
            elif value != "valid" and length[axis] > 0:
                # out = ceil(L/s), so (out-1)*s < L: the sums stay in range.
                total = (length[axis] - 1) // stride[axis] * stride[axis] - length[axis] + 1
                if fc_add(total, extent, &total):
                    raise ValueError(f"{function}: padding={value!r} does not fit 64 bits")
                total = max(total, 0)
                before[axis] = total // 2 if value == "same" else total - total // 2
                after[axis] = total - before[axis]
        return 0
    if type(value) is not int:
        wanted = f"an integer, {rank} integers, {rank} (before, after) pairs or a name"
        items = entries(function, "padding", value, wanted)
        if items is not None:
            if len(items) == 1 and rank > 1:
                if entries(function, "padding", items[0], wanted) is None:
                    items = [items[0]] * rank
            if len(items) != rank:
                raise ValueError(
                    f"{function}: padding={value!r} has {len(items)} entries, but needs 1 or {rank}"
                )
            for i in range(rank):
                axis = AXES - rank + i
                pair = entries(function, "padding", items[i], wanted)
                if pair is None:
                    before[axis] = after[axis] = as_size(function, "padding", items[i], 0)
                elif len(pair) != 2:
                    raise ValueError(
                        f"{function}: padding={value!r}: {items[i]!r} is not a "
                        f"(before, after) pair"
                    )
                else:
                    before[axis] = as_size(function, "padding", pair[0], 0)
                    after[axis] = as_size(function, "padding", pair[1], 0)
            return 0
    size = as_size(function, "padding", value, 0)
    for axis in range(AXES - rank, AXES):
        before[axis] = after[axis] = size
    return 0


cdef Py_ssize_t window_extent(str function, str name, Py_ssize_t kernel,
                              Py_ssize_t dilation) except -1:
    """K = d (k - 1) + 1."""
    cdef Py_ssize_t extent
    if fc_mul(kernel - 1, dilation, &extent) or fc_add(extent, 1, &extent):
        raise ValueError(
            f"{function}: {name} {kernel} with dilation {dilation} spans more than 2^63 elements"
        )
    return extent


cdef Py_ssize_t padded_length(str function, Py_ssize_t length, Py_ssize_t before,
                              Py_ssize_t after) except -1:
    cdef Py_ssize_t total
    if fc_add(length, before, &total) or fc_add(total, after, &total):
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
        if fc_mul(count, size, &count):
            raise ValueError(f"{function}: {what} of shape {shape} has more than 2^63 elements")
    if count > (<Py_ssize_t>1 << 60) - 1:
        raise ValueError(f"{function}: {what} of shape {shape} has more than 2^63 bytes")
    return count


cpdef tuple as_shape(str function, str name, value):
    """A shape argument as a tuple of plain integers; each item is read once."""
    items = entries(function, name, value, "a sequence of integers")
    if items is None:
        raise TypeError(f"{function}: {name} must be a sequence of integers, not {value!r}")
    for item in items:
        if type(item) is not int or not 0 <= item <= LONGEST:
            return tuple([as_size(function, name, item, 0) for item in items])
    return items


# ---- choices --------------------------------------------------------------------------------

cdef bint as_channels_last(str function, data_format) except -1:
    if data_format == "channels_first":
        return False
    if data_format == "channels_last":
        return True
    raise ValueError(
        f"{function}: data_format must be 'channels_first' or 'channels_last', "
        f"not {data_format!r}"
    )


cdef int as_epilogue(str function, activation, fc_epilogue *epilogue) except -1:
    epilogue.lo = epilogue.hi = 0
    if activation is None:
        epilogue.activation = FC_IDENTITY
    elif isinstance(activation, str):
        if activation == "relu":
            epilogue.activation = FC_CLIP
            epilogue.hi = INFINITE
        elif activation == "relu6":
            epilogue.activation = FC_CLIP
            epilogue.hi = 6
        elif activation == "leaky_relu":
            epilogue.activation = FC_LEAKY_RELU
            epilogue.lo = 0.01
        elif activation == "sigmoid":
            epilogue.activation = FC_SIGMOID
        elif activation == "tanh":
            epilogue.activation = FC_TANH
        elif activation == "silu":
            epilogue.activation = FC_SILU
        else:
            raise ValueError(
                f"{function}: activation={activation!r} is not None, "
                f"{', '.join(map(repr, ACTIVATIONS))} or ('clip', lo, hi)"
            )
    elif isinstance(activation, (tuple, list)):
        if len(activation) != 3 or activation[0] != "clip":
            raise ValueError(f"{function}: activation={activation!r} is not ('clip', lo, hi)")
        try:
            epilogue.lo = activation[1]
            epilogue.hi = activation[2]
        except TypeError:
            raise TypeError(
                f"{function}: activation={activation!r}: the bounds of clip must be numbers"
            ) from None
        if not epilogue.lo <= epilogue.hi:
            raise ValueError(f"{function}: activation={activation!r} needs lo <= hi")
        epilogue.activation = FC_CLIP
    else:
        raise TypeError(
            f"{function}: activation must be None, a name or ('clip', lo, hi), "
            f"not {activation!r}"
        )
    return 0


def integer_bounds(str function, result, activation):
    """The bounds of an activation of exact integers, or None without one.

    Complex numbers have no activations, and integers those that stay among them.
    """
    cdef fc_epilogue epilogue
    if activation is None:
        return None
    as_epilogue(function, activation, &epilogue)
    if result.kind == "c":
        raise TypeError(
            f"{function}: activation={activation!r} is not defined for complex numbers")
    bounds = [-LONGEST - 1, LONGEST]
    if epilogue.activation == FC_CLIP:
        for i, bound in enumerate((epilogue.lo, epilogue.hi)):
            if np.isfinite(bound):
                if bound != np.floor(bound):
                    break
                bounds[i] = min(max(int(bound), -LONGEST - 1), LONGEST)
            elif (bound > 0) != i:
                break
        else:
            return tuple(bounds)
    raise TypeError(
        f"{function}: activation={activation!r} does not give integers, but x and weight are "
        f"integers; convert one to a floating-point dtype"
    )


# ---- convolution ----------------------------------------------------------------------------

cdef class ConvDesc:
    """One convolution: sizes, layout and arithmetic, for forward and backward alike.

    Everything but `batch` describes one image, so that whatever is chosen from a description
    (algorithm, blocking of sums) is the same for every batch size.
    """

    @property
    def key(self):
        """The description without its batch, as bytes."""
        return (<char *>&self.g)[:sizeof(conv_geometry)]

    @property
    def rank(self):
        """Number of spatial axes."""
        return self.g.rank

    @property
    def dtype(self):
        """dtype of the arithmetic."""
        return float32 if self.g.itemsize == 4 else float64

    @property
    def itemsize(self):
        """Bytes of an element of the arithmetic."""
        return self.g.itemsize

    @property
    def exact(self):
        """Whether the arithmetic stands for integers, and must not round."""
        return bool(self.g.exact)

    @property
    def channels(self):
        """Input channels, all groups together."""
        return self.g.channels

    @property
    def filters(self):
        """Output channels, all groups together."""
        return self.g.filters

    @property
    def groups(self):
        return self.g.groups

    @property
    def channels_last(self):
        return bool(self.g.channels_last)

    @property
    def padding_mode(self):
        """The mode's name in `PADDING_MODES`, never a synonym."""
        return ("zeros", "reflect", "symmetric", "replicate", "circular")[self.g.padding_mode]

    def axes(self, str name):
        """One value for each spatial axis: 'input', 'output', 'kernel', 'stride', …"""
        if name == "input":
            return axes_of(self.g.input, <int>self.g.rank)
        if name == "output":
            return axes_of(self.g.output, <int>self.g.rank)
        if name == "kernel":
            return axes_of(self.g.kernel, <int>self.g.rank)
        if name == "stride":
            return axes_of(self.g.stride, <int>self.g.rank)
        if name == "dilation":
            return axes_of(self.g.dilation, <int>self.g.rank)
        if name == "before":
            return axes_of(self.g.before, <int>self.g.rank)
        if name == "after":
            return axes_of(self.g.after, <int>self.g.rank)
        raise KeyError(name)

    cpdef tuple input_shape(self, Py_ssize_t batch):
        return image_shape(batch, self.batched, self.g.channels, self.g.input,
                           <int>self.g.rank, self.g.channels_last)

    cpdef tuple output_shape(self, Py_ssize_t batch):
        if self.result_shape is None or batch != self.batch:
            shape = image_shape(batch, self.batched, self.g.filters, self.g.output,
                                <int>self.g.rank, self.g.channels_last)
            if batch != self.batch:
                return shape
            self.result_shape = shape
        return self.result_shape

    cpdef tuple weight_shape(self):
        return (self.g.filters, self.g.channels // self.g.groups) + axes_of(
            self.g.kernel, <int>self.g.rank)

    cdef double multiply_adds(self) noexcept:
        """Multiply-adds of one image, in floating point: it may pass 2^63."""
        cdef double count = (<double>self.g.filters) * (self.g.channels // self.g.groups)
        cdef int i
        for i in range(AXES):
            count *= (<double>self.g.output[i]) * self.g.kernel[i]
        return count

    cdef double multiply_adds_backward(self) noexcept:
        """Those of one image's backward_data: each input element meets a phase of the kernel."""
        cdef double count = (<double>self.g.filters) * (self.g.channels // self.g.groups)
        cdef int i
        for i in range(AXES):
            count *= (<double>self.g.input[i]) * self.g.kernel[i] / (
                min(self.g.stride[i], self.g.kernel[i]))
        return count

    cdef double work(self, Py_ssize_t batch, bint backward) noexcept:
        """What a pass costs, in floating-point operations: not less than reading and writing."""
        cdef double count = self.multiply_adds()
        cdef double inputs = <double>self.g.channels, outputs = <double>self.g.filters
        cdef int i
        for i in range(AXES):
            inputs *= self.g.input[i]
            outputs *= self.g.output[i]
        if backward:
            count = max(count, self.multiply_adds_backward())
        return 2 * batch * max(count, 12 * (inputs + outputs))

    def flops(self, Py_ssize_t batch=1):
        """Floating-point operations of the direct sum, two for a multiply-add."""
        return 2.0 * batch * self.multiply_adds()


cdef tuple axes_of(const Py_ssize_t *values, int rank):
    if rank == 2:
        return (values[1], values[2])
    return tuple([values[AXES - rank + i] for i in range(rank)])


cdef tuple image_shape(Py_ssize_t batch, bint batched, Py_ssize_t channels,
                       const Py_ssize_t *spatial, int rank, bint channels_last):
    cdef tuple shape = axes_of(spatial, rank)
    shape = shape + (channels,) if channels_last else (channels,) + shape
    return (batch,) + shape if batched else shape


def describe_conv(str function, rank, x_shape, weight_shape, Py_ssize_t itemsize, stride, padding,
                  dilation, groups, padding_mode="zeros", data_format="channels_first",
                  flip=False, activation=None, exact=False):
    """Describe a convolution of arrays of these shapes.

    `rank` is the number of spatial axes, or None to take it from the weight. A shape may be an
    argument of the caller's, so it is validated like the rest.
    """
    cdef ConvDesc desc = ConvDesc.__new__(ConvDesc)
    cdef conv_geometry *g = &desc.g
    cdef int n, i, axis
    cdef Py_ssize_t per_group, extent, total
    cdef tuple xs, ws
    memset(g, 0, sizeof(conv_geometry))
    desc.function = function
    desc.kept = {}
    xs = as_shape(function, "input_shape", x_shape)
    ws = as_shape(function, "weight_shape", weight_shape)
    n = len(ws) - 2 if rank is None else rank
    if len(ws) != n + 2 or not 1 <= n <= AXES:
        wanted = f"{n + 2} axes (filters, channels / groups, *kernel)" if rank is not None else \
            "3 to 5 axes (filters, channels / groups, *kernel)"
        raise ValueError(f"{function}: weight has {len(ws)} axes (shape {ws}), but needs {wanted}")
    if len(xs) != n + 2 and len(xs) != n + 1:
        raise ValueError(
            f"{function}: x has {len(xs)} axes (shape {xs}), but a weight of shape {ws} needs "
            f"{n + 2}, or {n + 1} without the batch axis"
        )
    desc.batched = len(xs) == n + 2
    desc.batch = xs[0] if desc.batched else 1
    g.rank = n
    g.itemsize = itemsize
    g.channels_last = as_channels_last(function, data_format)
    g.flip = bool(flip)
    g.exact = bool(exact)
    try:
        g.padding_mode = PADDING_MODES[padding_mode]
    except (KeyError, TypeError):
        raise ValueError(
            f"{function}: padding_mode={padding_mode!r} is not one of "
            f"{', '.join(map(repr, PADDING_MODES))}"
        ) from None
    as_epilogue(function, activation, &desc.epilogue)

    g.channels = xs[len(xs) - 1 if g.channels_last else len(xs) - n - 1]
    g.filters = ws[0]
    g.groups = as_size(function, "groups", groups, 1)
    per_group = ws[1]
    if g.channels % g.groups:
        raise ValueError(
            f"{function}: groups={g.groups} does not divide the {g.channels} channels of x"
        )
    if g.filters % g.groups:
        raise ValueError(
            f"{function}: groups={g.groups} does not divide the {g.filters} filters of weight"
        )
    if per_group != g.channels // g.groups:
        raise ValueError(
            f"{function}: weight has {per_group} input channels per group, but x has "
            f"{g.channels} channels and groups={g.groups} ({g.channels}/{g.groups} = "
            f"{g.channels // g.groups})"
        )

    as_sizes(function, "stride", stride, n, 1, g.stride)
    as_sizes(function, "dilation", dilation, n, 1, g.dilation)
    for axis in range(AXES):
        g.input[axis] = g.kernel[axis] = g.output[axis] = 1
    for i in range(n):
        axis = AXES - n + i
        g.input[axis] = xs[len(xs) - n - g.channels_last + i]
        g.kernel[axis] = ws[2 + i]
        if g.kernel[axis] < 1:
            raise ValueError(f"{function}: weight of shape {ws} has a kernel axis of length 0")
        if g.kernel[axis] == 1:
            g.dilation[axis] = 1  # between no two elements
        window_extent(function, "a weight's kernel length", g.kernel[axis], g.dilation[axis])
    as_padding(function, padding, n, g.input, g.kernel, g.stride, g.dilation, g.before, g.after)
    for axis in range(AXES - n, AXES):
        extent = window_extent(function, "a weight's kernel length", g.kernel[axis],
                               g.dilation[axis])
        total = padded_length(function, g.input[axis], g.before[axis], g.after[axis])
        if total < extent:
            raise ValueError(
                f"{function}: the kernel spans {extent} elements (length {g.kernel[axis]}, "
                f"dilation {g.dilation[axis]}), but axis {axis - AXES + n} of x has {total} "
                f"with its padding ({g.input[axis]} + {g.before[axis]} + {g.after[axis]})"
            )
        if g.input[axis] == 0 and g.padding_mode != PAD_ZEROS:
            raise ValueError(
                f"{function}: axis {axis - AXES + n} of x has length 0, which "
                f"padding_mode={padding_mode!r} cannot extend"
            )
        g.output[axis] = (total - extent) // g.stride[axis] + 1
        if g.output[axis] == 1:
            g.stride[axis] = 1  # between no two windows
    check_count(function, "x", xs)
    check_count(function, "weight", ws)
    check_count(function, "the result", desc.output_shape(desc.batch))
    return desc


cdef class TransposedDesc:
    """One transposed convolution: the convolution that it is the adjoint of, and the result."""


def describe_transposed(str function, rank, x_shape, weight_shape, Py_ssize_t itemsize, stride,
                        padding, output_padding, groups, dilation, output_size,
                        data_format="channels_first", exact=False):
    """Describe a transposed convolution of arrays of these shapes.

    The convolution described has the same weights and reads an array of the result's shape.
    """
    cdef TransposedDesc transposed = TransposedDesc.__new__(TransposedDesc)
    cdef ConvDesc desc = ConvDesc.__new__(ConvDesc)
    cdef conv_geometry *g = &desc.g
    cdef Py_ssize_t extra[AXES]   # output_padding
    cdef Py_ssize_t wanted[AXES]  # output_size
    cdef Py_ssize_t extent, length, reach, total, most
    cdef int n, i, axis
    cdef tuple xs, ws
    memset(g, 0, sizeof(conv_geometry))
    desc.function = function
    desc.kept = {}
    xs = as_shape(function, "x_shape", x_shape)
    ws = as_shape(function, "weight_shape", weight_shape)
    n = len(ws) - 2 if rank is None else rank
    if len(ws) != n + 2 or not 1 <= n <= AXES:
        axes = f"{n + 2}" if rank is not None else "3 to 5"
        raise ValueError(
            f"{function}: weight has {len(ws)} axes (shape {ws}), but needs {axes} axes "
            f"(channels of x, channels of the result / groups, *kernel)"
        )
    if len(xs) != n + 2 and len(xs) != n + 1:
        raise ValueError(
            f"{function}: x has {len(xs)} axes (shape {xs}), but a weight of shape {ws} needs "
            f"{n + 2}, or {n + 1} without the batch axis"
        )
    desc.batched = len(xs) == n + 2
    desc.batch = xs[0] if desc.batched else 1
    g.rank = n
    g.itemsize = itemsize
    g.channels_last = as_channels_last(function, data_format)
    g.padding_mode = PAD_ZEROS
    g.exact = bool(exact)
    g.filters = xs[len(xs) - 1 if g.channels_last else len(xs) - n - 1]
    g.groups = as_size(function, "groups", groups, 1)
    if g.filters % g.groups:
        raise ValueError(
            f"{function}: groups={g.groups} does not divide the {g.filters} channels of x"
        )
    if ws[0] != g.filters:
        raise ValueError(
            f"{function}: weight of shape {ws} is for {ws[0]} channels, but x has {g.filters}"
        )
    if fc_mul(ws[1], g.groups, &g.channels):
        raise ValueError(
            f"{function}: weight of shape {ws} with groups={g.groups} gives more than 2^63 channels"
        )

    as_sizes(function, "stride", stride, n, 1, g.stride)
    as_sizes(function, "dilation", dilation, n, 1, g.dilation)
    as_sizes(function, "output_padding", output_padding, n, 0, extra)
    if output_size is not None:
        as_sizes(function, "output_size", output_size, n, 1, wanted)
        for axis in range(AXES - n, AXES):
            if extra[axis]:
                raise ValueError(
                    f"{function}: output_size={output_size!r} chooses output_padding, so "
                    f"output_padding={output_padding!r} cannot be given as well"
                )
    for axis in range(AXES):
        g.input[axis] = g.kernel[axis] = g.output[axis] = 1
    for i in range(n):
        axis = AXES - n + i
        g.output[axis] = xs[len(xs) - n - g.channels_last + i]
        g.kernel[axis] = ws[2 + i]
        if g.kernel[axis] < 1:
            raise ValueError(f"{function}: weight of shape {ws} has a kernel axis of length 0")
        if g.output[axis] < 1:
            raise ValueError(f"{function}: axis {i - n} of x has length 0 (shape {xs})")
        most = max(g.stride[axis], g.dilation[axis])
        if extra[axis] >= most:
            raise ValueError(
                f"{function}: output_padding={output_padding!r} must be less than stride or "
                f"dilation, whichever is larger; on axis {i - n} they are {g.stride[axis]} and "
                f"{g.dilation[axis]}"
            )
        window_extent(function, "a weight's kernel length", g.kernel[axis], g.dilation[axis])
    same = padding if isinstance(padding, str) and padding in ("same", "same_lower") else None
    as_padding(function, "valid" if same else padding, n, g.output, g.kernel, g.stride,
               g.dilation, g.before, g.after)
    for axis in range(AXES - n, AXES):
        extent = window_extent(function, "a weight's kernel length", g.kernel[axis],
                               g.dilation[axis])
        if fc_mul(g.output[axis] - 1, g.stride[axis], &reach) or (
                fc_add(reach, extent, &reach) or fc_add(reach, max(g.stride[axis],
                                                                   g.dilation[axis]), &total)):
            raise ValueError(
                f"{function}: axis {axis - AXES} of the result (length {g.output[axis]}, stride "
                f"{g.stride[axis]}, kernel spanning {extent}) passes 2^63 elements"
            )
        if same:
            length = g.output[axis] * g.stride[axis]  # < reach + stride: it has been checked
            if output_size is not None:
                if not length - g.stride[axis] < wanted[axis] <= length:
                    raise ValueError(
                        f"{function}: output_size={output_size!r} does not go with "
                        f"padding={padding!r}: axis {axis - AXES} can have "
                        f"{length - g.stride[axis] + 1} to {length} elements"
                    )
                length = wanted[axis]
            total = max(0, reach + extra[axis] - length)
            g.before[axis] = total // 2 if padding == "same" else total - total // 2
            g.after[axis] = total - g.before[axis]
        else:
            padded_length(function, 0, g.before[axis], g.after[axis])
            length = reach - g.before[axis] - g.after[axis]
            most = max(g.stride[axis], g.dilation[axis])
            if output_size is not None:
                if not length <= wanted[axis] < length + most:
                    raise ValueError(
                        f"{function}: output_size={output_size!r} is out of reach: axis "
                        f"{axis - AXES} can have {max(length, 1)} to {length + most - 1} elements"
                    )
                length = wanted[axis]
            else:
                length += extra[axis]
            if length < 1:
                raise ValueError(
                    f"{function}: axis {axis - AXES} of the result would have {length} elements: "
                    f"{reach} ({g.output[axis]} inputs at stride {g.stride[axis]}, kernel "
                    f"spanning {extent}) - padding ({g.before[axis]}, {g.after[axis]}) + "
                    f"output_padding {extra[axis]}"
                )
        g.input[axis] = length
        if g.kernel[axis] == 1:
            g.dilation[axis] = 1  # between no two elements
    transposed.shape = desc.input_shape(desc.batch)
    check_count(function, "x", xs)
    check_count(function, "weight", ws)
    check_count(function, "the result", transposed.shape)
    # An output_padding of a stride or more (where the dilation is larger) takes back padding
    # after, and beyond that appends what no input reaches: the convolution does not read it.
    for axis in range(AXES - n, AXES):
        extent = window_extent(function, "a weight's kernel length", g.kernel[axis],
                               g.dilation[axis])
        total = (g.input[axis] + g.before[axis] + g.after[axis] - extent
                 - (g.output[axis] - 1) * g.stride[axis])
        if total >= g.stride[axis]:
            most = min(total, g.after[axis])
            g.after[axis] -= most
            total -= most
            g.input[axis] = max(0, g.input[axis] - total // g.stride[axis] * g.stride[axis])
    transposed.desc = desc
    transposed.reached = desc.input_shape(desc.batch)
    return transposed


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


def spatial_rank(kernel_size, Py_ssize_t axes):
    """Spatial axes of an array with `axes` axes that a window of kernel_size slides over.

    A sequence says it: it has an entry for each. An integer, and a sequence of one that goes
    with no array of signals, stands for an image with or without a batch axis where there are
    three or four axes, and else for what is left after a channel axis, and a batch axis.
    """
    if not isinstance(kernel_size, str) and hasattr(type(kernel_size), "__len__"):
        if len(kernel_size) > 1 or (len(kernel_size) == 1 and axes == 3):
            return len(kernel_size)
    return 2 if axes == 3 else min(max(axes - 2, 1), AXES)


def describe_columns(str function, x_shape, kernel_size, stride, padding, dilation, padding_mode,
                     data_format, Py_ssize_t itemsize):
    """Describe im2col and col2im: a convolution with one filter over these windows."""
    cdef tuple xs = as_shape(function, "input_shape", x_shape)
    cdef Py_ssize_t kernel[AXES]
    cdef int rank = spatial_rank(kernel_size, len(xs))
    if not 1 <= rank <= AXES or not rank + 1 <= len(xs) <= rank + 2:
        raise ValueError(
            f"{function}: x of shape {xs} does not go with kernel_size={kernel_size!r}; it needs "
            f"a channel axis, {rank} spatial axes and perhaps a batch axis"
        )
    as_sizes(function, "kernel_size", kernel_size, rank, 1, kernel)
    channels = xs[len(xs) - 1 if as_channels_last(function, data_format) else len(xs) - rank - 1]
    return describe_conv(function, rank, xs, (1, channels) + axes_of(kernel, rank), itemsize,
                         stride, padding, dilation, 1, padding_mode, data_format)


def columns_shape(ConvDesc desc):
    """(rows, positions) of the columns of one image."""
    cdef tuple kernel = axes_of(desc.g.kernel, <int>desc.g.rank)
    cdef tuple output = axes_of(desc.g.output, <int>desc.g.rank)
    cdef tuple shape = (check_count(desc.function, "a column", (desc.g.channels,) + kernel),
                        check_count(desc.function, "a row of columns", output))
    check_count(desc.function, "the columns", (desc.batch,) + shape)
    return shape


# ---- pooling --------------------------------------------------------------------------------

cdef class PoolDesc:
    """One pooling: sizes and layout, for forward and backward alike."""

    @property
    def rank(self):
        """Number of spatial axes."""
        return self.g.rank

    @property
    def channels_last(self):
        return bool(self.g.channels_last)

    cdef double work(self) noexcept:
        """Operations of a call, by an upper bound: one axis is reduced after the other."""
        cdef double elements = self.batch * <double>self.g.channels, total
        cdef pool_axis *a
        cdef int axis
        for axis in range(AXES):
            elements *= self.g.axis[axis].length
        total = elements
        for axis in range(AXES):
            a = &self.g.axis[axis]
            elements *= <double>a.outputs / max(a.length, 1)
            total += elements * (a.kernel if a.kernel <= 16 * a.stride else 16.0 * a.stride)
        return 2 * total

    cdef PoolDesc of_images(self, Py_ssize_t batch):
        """The same of another number of images."""
        cdef PoolDesc desc = PoolDesc.__new__(PoolDesc)
        desc.function = self.function
        desc.batched = self.batched
        desc.batch = batch
        desc.g = self.g
        return desc

    cpdef tuple input_shape(self):
        cdef Py_ssize_t size[AXES]
        cdef int axis
        for axis in range(AXES):
            size[axis] = self.g.axis[axis].length
        return image_shape(self.batch, self.batched, self.g.channels, size, <int>self.g.rank,
                           self.g.channels_last)

    cpdef tuple output_shape(self):
        cdef Py_ssize_t size[AXES]
        cdef int axis
        if self.result_shape is None:
            for axis in range(AXES):
                size[axis] = self.g.axis[axis].outputs
            self.result_shape = image_shape(self.batch, self.batched, self.g.channels, size,
                                            <int>self.g.rank, self.g.channels_last)
        return self.result_shape


cdef span window(const pool_axis *axis, Py_ssize_t o) noexcept nogil:
    """The elements that window o reads."""
    cdef span found
    cdef Py_ssize_t start, tap, common, end
    if axis.kind == REGULAR:
        start = o * axis.stride - axis.before
        tap = 0 if start >= 0 else (-start + axis.dilation - 1) // axis.dilation
        end = 0 if start >= axis.length else min(
            axis.kernel, (axis.length - 1 - start) // axis.dilation + 1)
        found.first = start + tap * axis.dilation
        found.taps = end - tap
        found.step = axis.dilation
        if found.taps <= 0:  # which a pooling refuses, but its adjoint may have
            found.first = found.taps = 0
    elif axis.kind == ADAPTIVE:
        found.first = fc_scale(o, axis.length, axis.outputs)
        end = fc_scale(o + 1, axis.length, axis.outputs)
        end += fc_scale(end, axis.outputs, axis.length) < o + 1  # rounded down: up instead
        found.taps = end - found.first
        found.step = 1
    else:
        # Tap t of the windows that hold element o of the input: those with
        # q * stride = o + before - t * dilation. The largest such t gives the first.
        start = o + axis.before
        tap = min(axis.kernel - 1, start // axis.dilation)
        while tap >= 0 and (start - tap * axis.dilation) % axis.stride:
            tap -= 1
        found.first = 0 if tap < 0 else (start - tap * axis.dilation) // axis.stride
        common = gcd(axis.stride, axis.dilation)
        found.step = axis.dilation // common
        if tap < 0 or found.first >= axis.length:
            found.first = found.taps = 0
        else:
            found.taps = min(tap // (axis.stride // common),
                             (axis.length - 1 - found.first) // found.step) + 1
    return found


cdef Py_ssize_t counted(const pool_axis *axis, Py_ssize_t o, bint padding) noexcept nogil:
    """Positions of window o that its average divides by, along this axis: those inside the
    padded input, or elements only."""
    if padding and axis.kind == REGULAR:
        return min(axis.kernel, (axis.length + axis.after - 1 - o * axis.stride + axis.before)
                   // axis.dilation + 1)
    return window(axis, o).taps


cdef pool_axis adjoint(const pool_axis *axis) noexcept nogil:
    """The axis that leads back: window i of it holds the windows of `axis` that hold i."""
    cdef pool_axis back = axis[0]
    back.length, back.outputs = axis.outputs, axis.length
    if axis.kind == REGULAR and axis.stride == 1:
        back.before = (axis.kernel - 1) * axis.dilation - axis.before
        back.after = (axis.kernel - 1) * axis.dilation - axis.after
    elif axis.kind == REGULAR:
        back.kind = ADJOINT
    return back


def pool_rank(str function, str name, size, Py_ssize_t axes):
    """Spatial axes of an array with `axes` axes, from an argument with one entry for each.

    A single number says nothing, so then the array must: with two, four and five axes it is
    (C, L), (N, C, H, W) and (N, C, D, H, W).
    """
    items = None if size is None else entries(function, name, size, "an integer or a sequence")
    if items is not None and (len(items) > 1 or (len(items) == 1 and 2 <= axes <= 3)):
        if len(items) > AXES:
            raise ValueError(
                f"{function}: {name}={size!r} has {len(items)} entries, but there are at most "
                f"{AXES} spatial axes"
            )
        return len(items)
    if axes == 3:
        raise ValueError(
            f"{function}: with three axes, x may be a batch (N, C, L) or one image (C, H, W); call "
            f"the function for that rank" + (
                "" if name == "rank" else f", or give {name} an entry for each spatial axis")
        )
    if not 2 <= axes <= AXES + 2:
        raise ValueError(f"{function}: x has {axes} axes, but needs 2 to {AXES + 2}")
    return max(axes - 2, 1)


cdef PoolDesc start_pool(str function, int rank, x_shape, data_format):
    """A description that holds an input of this shape, and axes that do nothing."""
    cdef PoolDesc desc = PoolDesc.__new__(PoolDesc)
    cdef pool_geometry *g = &desc.g
    cdef pool_axis *a
    cdef int axis
    cdef tuple xs = as_shape(function, "input_shape", x_shape)
    memset(g, 0, sizeof(pool_geometry))
    desc.function = function
    if len(xs) != rank + 2 and len(xs) != rank + 1:
        raise ValueError(
            f"{function}: x has {len(xs)} axes (shape {xs}), but needs {rank + 2}, or "
            f"{rank + 1} without the batch axis"
        )
    desc.batched = len(xs) == rank + 2
    desc.batch = xs[0] if desc.batched else 1
    g.rank = rank
    g.channels_last = as_channels_last(function, data_format)
    g.channels = xs[len(xs) - 1 if g.channels_last else len(xs) - rank - 1]
    for axis in range(AXES):
        a = &g.axis[axis]
        a.length = a.outputs = a.kernel = a.stride = a.dilation = 1
    for axis in range(AXES - rank, AXES):
        g.axis[axis].length = xs[len(xs) - rank - g.channels_last + axis - AXES + rank]
    check_count(function, "x", xs)
    return desc


def describe_pool(str function, int rank, x_shape, kernel_size, stride, padding, dilation,
                  ceil_mode, data_format):
    """Describe a pooling of an array of shape `x_shape`."""
    cdef PoolDesc desc = start_pool(function, rank, x_shape, data_format)
    cdef pool_axis *a
    cdef int axis
    cdef Py_ssize_t extent, total, rest, count, i, start
    cdef Py_ssize_t length[AXES]
    cdef Py_ssize_t kernel[AXES]
    cdef Py_ssize_t steps[AXES]
    cdef Py_ssize_t spread[AXES]
    cdef Py_ssize_t before[AXES]
    cdef Py_ssize_t after[AXES]
    as_sizes(function, "kernel_size", kernel_size, rank, 1, kernel)
    as_strides(function, stride, rank, kernel, steps)
    as_sizes(function, "dilation", dilation, rank, 1, spread)
    for axis in range(AXES):
        length[axis] = desc.g.axis[axis].length
        if kernel[axis] == 1:
            spread[axis] = 1  # between no two elements
        window_extent(function, "kernel_size", kernel[axis], spread[axis])
    as_padding(function, padding, rank, length, kernel, steps, spread, before, after)
    for axis in range(AXES - rank, AXES):
        a = &desc.g.axis[axis]
        a.kernel, a.stride, a.dilation = kernel[axis], steps[axis], spread[axis]
        a.before, a.after = before[axis], after[axis]
        extent = window_extent(function, "kernel_size", a.kernel, a.dilation)
        if a.before >= extent or a.after >= extent:
            raise ValueError(
                f"{function}: padding ({a.before}, {a.after}) must be less than the window's "
                f"extent {extent} (kernel_size {a.kernel}, dilation {a.dilation})"
            )
        total = padded_length(function, a.length, a.before, a.after)
        if total < extent or a.length == 0:
            raise ValueError(
                f"{function}: the window spans {extent} elements (kernel_size {a.kernel}, "
                f"dilation {a.dilation}), but axis {axis - AXES + rank} of x has {total} "
                f"with its padding ({a.length} + {a.before} + {a.after})"
            )
        rest = total - extent
        count = rest // a.stride + 1
        if ceil_mode and rest % a.stride:
            # the overhanging window counts if it starts inside the input or the padding before
            start = count * a.stride
            if start < a.length + a.before:
                count += 1
        a.outputs = count
        # What the windows span, with what hangs over, bounds what drivers compute.
        if fc_mul(count - 1, a.stride, &start) or fc_add(start, extent, &start) or (
                start >= LONGEST >> 4):
            raise ValueError(
                f"{function}: the windows of axis {axis - AXES + rank} (kernel_size "
                f"{a.kernel}, stride {a.stride}, dilation {a.dilation}, padding ({a.before}, "
                f"{a.after})) span too many elements"
            )
        # A window that starts in the padding has a tap in every `dilation` positions, so it
        # reaches the input unless that is shorter; and where windows start repeats itself
        # modulo the dilation.
        if a.length < a.dilation:
            for i in range(min(count, a.dilation // gcd(a.stride % a.dilation, a.dilation))):
                start = i * a.stride - a.before
                if start >= 0:
                    break
                if (start % a.dilation + a.dilation) % a.dilation >= a.length:
                    raise ValueError(
                        f"{function}: window {i} of axis {axis - AXES + rank} lies wholly in the "
                        f"padding ({a.before}, {a.after})"
                    )
    check_count(function, "the result", desc.output_shape())
    return desc


cdef int as_strides(str function, stride, int rank, const Py_ssize_t *kernel,
                    Py_ssize_t *out) except -1:
    """The stride of a pooling, which is its kernel size unless given."""
    cdef int axis
    if stride is None or (type(stride) is tuple and len(stride) == 0):
        for axis in range(AXES):
            out[axis] = kernel[axis]
        return 0
    return as_sizes(function, "stride", stride, rank, 1, out)


def describe_adaptive(str function, int rank, x_shape, output_size, data_format):
    """Describe a pooling whose windows share an input of shape `x_shape` out evenly.

    An entry of output_size that is None keeps the length of its axis.
    """
    cdef PoolDesc desc = start_pool(function, rank, x_shape, data_format)
    cdef pool_axis *a
    cdef int axis
    wanted = f"an integer or {rank} integers"
    items = None if output_size is None else entries(
        function, "output_size", output_size, wanted)
    if items is None:
        items = (output_size,)
    if len(items) == 1:
        items = tuple(items) * rank
    if len(items) != rank:
        raise ValueError(
            f"{function}: output_size={output_size!r} has {len(items)} entries, but needs 1 or "
            f"{rank}"
        )
    for axis in range(AXES - rank, AXES):
        a = &desc.g.axis[axis]
        item = items[axis - AXES + rank]
        if a.length == 0:
            raise ValueError(
                f"{function}: axis {axis - AXES + rank} of x has length 0, so a window would be "
                f"empty"
            )
        a.outputs = a.length if item is None else as_size(function, "output_size", item, 1)
        if a.length % a.outputs == 0:
            a.kernel = a.stride = a.length // a.outputs
        else:
            a.kind = ADAPTIVE
            a.kernel = a.length // a.outputs + 2  # the most that a window holds
    check_count(function, "the result", desc.output_shape())
    return desc


def describe_planes(str function, int rank, x_shape, tuple grad_shape, data_format):
    """The input shape of a pooling of which only the result's shape is known, validated."""
    cdef tuple xs = as_shape(function, "input_shape", x_shape)
    cdef bint last = as_channels_last(function, data_format)
    cdef Py_ssize_t n = len(xs)
    if n != rank + 2 and n != rank + 1:
        raise ValueError(
            f"{function}: input_shape {xs} has {n} axes, but needs {rank + 2}, or {rank + 1} "
            f"without the batch axis"
        )
    same = [0] if n == rank + 2 else []
    same.append(n - 1 if last else n - rank - 1)
    if len(grad_shape) != n or any([grad_shape[i] != xs[i] for i in same]):
        raise ValueError(
            f"{function}: grad_output of shape {grad_shape} does not come from an input of shape "
            f"{xs}: batch and channels must be equal"
        )
    check_count(function, "the result", xs)
    return xs


def describe_unpool(str function, int rank, x_shape, kernel_size, stride, padding, output_size,
                    data_format):
    """The shape that an array of shape `x_shape` is unpooled to."""
    cdef PoolDesc desc = start_pool(function, rank, x_shape, data_format)
    cdef int axis
    cdef Py_ssize_t least, most, size
    cdef Py_ssize_t kernel[AXES]
    cdef Py_ssize_t steps[AXES]
    cdef Py_ssize_t one[AXES]
    cdef Py_ssize_t before[AXES]
    cdef Py_ssize_t after[AXES]
    cdef tuple shape
    as_sizes(function, "kernel_size", kernel_size, rank, 1, kernel)
    as_strides(function, stride, rank, kernel, steps)
    if isinstance(padding, str):
        raise ValueError(
            f"{function}: padding must be numbers here, because {padding!r} depends on the size "
            f"of the result"
        )
    as_sizes(function, "dilation", 1, rank, 1, one)
    as_padding(function, padding, rank, one, kernel, steps, one, before, after)
    sizes = None
    if output_size is not None:
        shape = as_shape(function, "output_size", output_size)
        if len(shape) == rank:
            sizes = shape
        elif len(shape) == len(desc.input_shape()):
            sizes = shape[len(shape) - rank - 1:len(shape) - 1] if desc.g.channels_last else \
                shape[len(shape) - rank:]
        else:
            raise ValueError(
                f"{function}: output_size={output_size!r} has {len(shape)} entries, but needs "
                f"{rank}, or one for each axis of x"
            )
    for axis in range(AXES - rank, AXES):
        size = desc.g.axis[axis].length
        if size == 0:
            raise ValueError(f"{function}: axis {axis - AXES + rank} of x has length 0")
        if before[axis] >= kernel[axis] or after[axis] >= kernel[axis]:
            raise ValueError(
                f"{function}: padding ({before[axis]}, {after[axis]}) must be less than the "
                f"window's length {kernel[axis]}"
            )
        if fc_mul(size - 1, steps[axis], &size) or fc_add(size, kernel[axis], &size) or (
                size >= LONGEST >> 4):
            raise ValueError(
                f"{function}: the windows of axis {axis - AXES + rank} (kernel_size "
                f"{kernel[axis]}, stride {steps[axis]}) span too many elements"
            )
        size -= before[axis] + after[axis]
        if sizes is not None:
            least, most = size - steps[axis], size + steps[axis]
            if not least < sizes[axis - AXES + rank] < most:
                raise ValueError(
                    f"{function}: output_size={output_size!r} cannot be what was pooled: axis "
                    f"{axis - AXES + rank} must be greater than {max(least, 0)} and less than "
                    f"{most}"
                )
            size = sizes[axis - AXES + rank]
        if size < 1:
            raise ValueError(
                f"{function}: axis {axis - AXES + rank} of the result would have length {size}")
        desc.g.axis[axis].outputs = size
    check_count(function, "the result", desc.output_shape())
    return desc.output_shape()
