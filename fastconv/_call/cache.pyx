"""Descriptions of recent calls, and the algorithms chosen for them.

A call of the same function with the same sizes and arguments has the same description, and to
look it up must not take longer than a small convolution. So no tuple is made of all that, and
little of it is hashed: a key points to the arguments, which are compared where they lie.
"""
import numpy as np

cimport cython
cimport numpy as cnp
from cpython.bool cimport PyBool_Check
from cpython.float cimport PyFloat_CheckExact
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact

from fastconv._core.padding cimport AXES
from fastconv._core.precision cimport precision_in_force
from fastconv._core.room cimport need_modules
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.separable cimport SeparableDesc
from fastconv._desc.transposed cimport TransposedDesc

from fastconv._desc.columns import describe_columns
from fastconv._desc.pool import describe_around
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry as new_geometry
from fastconv._desc.separable import describe_separable
from fastconv._desc.transposed import describe_transposed

cnp.import_array()

cdef object registry = None  # `_select`, once it is loaded
cdef object float32 = np.dtype(np.float32)

cdef enum:
    BUCKETS = 256
    MAX_ENTRIES = 512              # descriptions; then all are forgotten
    MAX_SIZES = 2 + 3 * (AXES + 3)  # three shapes, each with its length, and two more


# ---- keys ----

cdef struct CallKey:
    PyObject *geometry      # borrowed
    PyObject *activation    # borrowed
    size_t hash             # of the function's name and the sizes
    int sizes
    Py_ssize_t size[MAX_SIZES]


@cython.final
cdef class CacheEntry:
    """A description, and what it was made from, which cannot change."""

    cdef CallKey key
    cdef Geometry geometry   # what the key borrows
    cdef object activation
    cdef object description
    cdef CacheEntry next     # in the same bucket


cdef list buckets = [None] * BUCKETS   # by the hash of the key
cdef int entries = 0


cdef inline int begin_key(CallKey *key, Geometry geometry, activation) except -1:
    key.geometry = <PyObject *>geometry
    key.activation = <PyObject *>activation
    key.hash = <size_t>hash(geometry.function)
    key.sizes = 0
    return 0


cdef inline void add_size(CallKey *key, Py_ssize_t size) noexcept:
    if key.sizes < MAX_SIZES:
        key.size[key.sizes] = size
    key.sizes += 1
    key.hash = key.hash * 1000003 ^ <size_t>size


cdef inline int add_shape(CallKey *key, shape) except -1:
    """Add the shape of an array, or one that as_shape has made."""
    cdef int i
    cdef cnp.ndarray array
    if PyTuple_CheckExact(shape):
        add_size(key, len(<tuple>shape))
        for item in <tuple>shape:
            add_size(key, item)
    else:
        array = shape
        add_size(key, cnp.PyArray_NDIM(array))
        for i in range(cnp.PyArray_NDIM(array)):
            add_size(key, cnp.PyArray_DIM(array, i))
    return 0


cdef bint same_argument(a, b) except -1:
    """Whether a means the same as b, which is immutable: True == 1 == 1.0, and 0.0 == -0.0.

    A list means the same as a tuple, unless it is empty.
    """
    cdef Py_ssize_t i
    if a is b:
        return True
    if PyTuple_CheckExact(b) and is_full_list(a):
        a = tuple(<list>a)
    if type(a) is not type(b):
        return False
    if PyTuple_CheckExact(a):
        if len(<tuple>a) != len(<tuple>b):
            return False
        for i in range(len(<tuple>a)):
            if not same_argument((<tuple>a)[i], (<tuple>b)[i]):
                return False
        return True
    return a == b and (type(a) is not float or a != 0)


cdef bint same_geometry(Geometry a, Geometry b) except -1:
    # `is` first: most arguments are the same objects, and to see that takes no reference
    return (
        (a.function is b.function or same_argument(a.function, b.function))
        and (a.rank is b.rank or same_argument(a.rank, b.rank))
        and (a.kernel_size is b.kernel_size or same_argument(a.kernel_size, b.kernel_size))
        and (a.stride is b.stride or same_argument(a.stride, b.stride))
        and (a.padding is b.padding or same_argument(a.padding, b.padding))
        and (a.dilation is b.dilation or same_argument(a.dilation, b.dilation))
        and (a.groups is b.groups or same_argument(a.groups, b.groups))
        and (a.output_padding is b.output_padding
             or same_argument(a.output_padding, b.output_padding))
        and (a.output_size is b.output_size or same_argument(a.output_size, b.output_size))
        and (a.ceil_mode is b.ceil_mode or same_argument(a.ceil_mode, b.ceil_mode))
        and (a.padding_mode is b.padding_mode or same_argument(a.padding_mode, b.padding_mode))
        and (a.padding_value is b.padding_value
             or same_argument(a.padding_value, b.padding_value))
        and (a.data_format is b.data_format or same_argument(a.data_format, b.data_format))
        and (a.flip is b.flip or same_argument(a.flip, b.flip))
    )


cdef bint same_key(const CallKey *a, const CallKey *b) except -1:
    """Whether a is the key b of an entry."""
    cdef int i
    if a.hash != b.hash or a.sizes != b.sizes:
        return False
    for i in range(a.sizes):
        if a.size[i] != b.size[i]:
            return False
    return (same_geometry(<Geometry>a.geometry, <Geometry>b.geometry)
            and same_argument(<object>a.activation, <object>b.activation))


cdef object lookup(const CallKey *key):
    """The description of such a call before, or None."""
    cdef CacheEntry entry = buckets[key.hash % BUCKETS]
    if key.sizes > MAX_SIZES:
        return None
    while entry is not None:
        if same_key(key, &entry.key):
            return entry.description
        entry = entry.next
    return None


# ---- new entries ----

cdef bint is_immutable(value, int depth=2) noexcept:
    """Whether value cannot change: a list may be another one tomorrow."""
    if PyTuple_CheckExact(value):
        for item in <tuple>value:
            if depth == 0 or not is_immutable(item, depth - 1):
                return False
        return True
    return (value is None or PyLong_CheckExact(value) or PyUnicode_CheckExact(value)
            or PyBool_Check(value) or PyFloat_CheckExact(value))


cdef object frozen(value):
    """The same with tuples in the place of lists, also of those in it."""
    if not has_list(value):
        return value
    return tuple([tuple(item) if is_full_list(item) else item for item in value])


cdef Geometry freeze(CallKey *key, Geometry g):
    """What is to be described and kept: without the caller's lists, which may change."""
    cdef Geometry found = g
    if (has_list(g.kernel_size) or has_list(g.stride) or has_list(g.padding)
            or has_list(g.dilation) or has_list(g.output_padding) or has_list(g.output_size)):
        found = frozen_geometry(g)
        key.geometry = <PyObject *>found
    return found


cdef bint has_list(value) noexcept:
    """Whether value is a list, or a tuple that may have some in it."""
    return is_full_list(value) or (
        PyTuple_CheckExact(value) and any([is_full_list(item) for item in <tuple>value]))


cdef bint is_full_list(value) noexcept:
    """An empty one is left as it is: `()` has a meaning of its own."""
    return PyList_CheckExact(value) and len(<list>value) > 0


cdef Geometry frozen_geometry(Geometry g):
    return new_geometry(
        g.function, g.rank, kernel_size=frozen(g.kernel_size), stride=frozen(g.stride),
        padding=frozen(g.padding), dilation=frozen(g.dilation), groups=g.groups,
        output_padding=frozen(g.output_padding), output_size=frozen(g.output_size),
        ceil_mode=g.ceil_mode, padding_mode=g.padding_mode, padding_value=g.padding_value,
        data_format=g.data_format, flip=g.flip, x=g.x, weight=g.weight)


cdef bint may_keep(const CallKey *key) noexcept:
    """Whether all arguments are immutable, so that the key stays what it is."""
    cdef Geometry g = <Geometry>key.geometry
    return (key.sizes <= MAX_SIZES and is_immutable(g.rank) and is_immutable(g.kernel_size)
            and is_immutable(g.stride) and is_immutable(g.padding) and is_immutable(g.dilation)
            and is_immutable(g.groups) and is_immutable(g.output_padding)
            and is_immutable(g.output_size) and is_immutable(g.ceil_mode)
            and is_immutable(g.padding_mode) and is_immutable(g.padding_value)
            and is_immutable(g.data_format) and is_immutable(g.flip)
            and is_immutable(<object>key.activation))


cdef int insert(const CallKey *key, description) except -1:
    """Keep a description, if nothing that it was made from can change."""
    global entries
    cdef CacheEntry entry
    if not may_keep(key):
        return 0
    if entries >= MAX_ENTRIES:
        buckets[:] = [None] * BUCKETS
        entries = 0
    entry = CacheEntry.__new__(CacheEntry)
    entry.key = key[0]
    entry.geometry = <Geometry>key.geometry
    entry.activation = <object>key.activation
    entry.description = description
    entry.next = buckets[key.hash % BUCKETS]
    buckets[key.hash % BUCKETS] = entry
    entries += 1
    return 0


# ---- descriptions ----
#
# Each function is one of `_desc`, remembered. A shape may be the array that has it.

cdef ConvDesc cached_conv(Geometry geometry, x, weight, dtype, bint exact, activation=None):
    cdef ConvDesc desc
    cdef CallKey key
    cdef Py_ssize_t itemsize = 4 if dtype is float32 else 8
    begin_key(&key, geometry, activation)
    add_shape(&key, x)
    add_shape(&key, weight)
    add_size(&key, itemsize + exact)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe_conv(geometry, shape_of(x), shape_of(weight), itemsize, activation, exact)
        insert(&key, desc)
    return desc


cdef TransposedDesc cached_conv_transpose(Geometry geometry, x, weight, dtype, bint exact):
    cdef TransposedDesc desc
    cdef CallKey key
    cdef Py_ssize_t itemsize = 4 if dtype is float32 else 8
    begin_key(&key, geometry, None)
    add_shape(&key, x)
    add_shape(&key, weight)
    add_size(&key, itemsize + exact)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe_transposed(geometry, shape_of(x), shape_of(weight), itemsize, exact)
        insert(&key, desc)
    return desc


cdef SeparableDesc cached_separable(Geometry geometry, x, depthwise, pointwise, dtype, bint exact,
                                    activation):
    cdef SeparableDesc desc
    cdef CallKey key
    cdef Py_ssize_t itemsize = 4 if dtype is float32 else 8
    begin_key(&key, geometry, activation)
    add_shape(&key, x)
    add_shape(&key, depthwise)
    add_shape(&key, pointwise)
    add_size(&key, itemsize + exact)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe_separable(geometry, shape_of(x), shape_of(depthwise),
                                  shape_of(pointwise), itemsize, activation, exact)
        insert(&key, desc)
    return desc


cdef object cached(describe, Geometry geometry, x):
    """What one of the functions that describe a pooling says."""
    cdef CallKey key
    begin_key(&key, geometry, None)
    add_shape(&key, x)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe(geometry, shape_of(x))
        insert(&key, desc)
    return desc


cdef ConvDesc cached_columns(Geometry geometry, x, Py_ssize_t itemsize):
    cdef ConvDesc desc
    cdef CallKey key
    begin_key(&key, geometry, None)
    add_shape(&key, x)
    add_size(&key, itemsize)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe_columns(geometry, shape_of(x), itemsize)
        insert(&key, desc)
    return desc


cdef ConvDesc cached_around(Geometry geometry, x, Py_ssize_t itemsize):
    cdef ConvDesc desc
    cdef CallKey key
    begin_key(&key, geometry, None)
    add_shape(&key, x)
    add_size(&key, itemsize)
    desc = lookup(&key)
    if desc is None:
        geometry = freeze(&key, geometry)
        desc = describe_around(geometry, shape_of(x), itemsize)
        insert(&key, desc)
    return desc


cdef object shape_of(shape):
    return shape if type(shape) is tuple else shape.shape


# ---- algorithms ----

cdef object choose_algorithm(ConvDesc desc, str which, method, precision, max_workspace):
    """`_select.choose`. The first convolution loads the algorithms, not the import."""
    global registry
    if registry is None:
        need_modules()
        from fastconv import _select as registry
    return registry.choose(desc, which, method, precision, max_workspace)


cdef object strict_algorithm(ConvDesc desc, str which):
    """One that rounds no integer."""
    return choose_algorithm(desc, which, "auto", "highest", None)


cdef object algorithm_of_any_cut(ConvDesc desc, str which, precision, max_workspace):
    """The fastest of those whose results do not depend on what else is computed."""
    chosen = cached_algorithm(desc, which, "auto", precision, max_workspace)
    name = registry.of_any_cut(desc, which, chosen, max_workspace)
    if name == chosen.name:
        return chosen
    return choose_algorithm(desc, which, name, precision, max_workspace)


cdef object cached_algorithm(ConvDesc desc, str which, method, precision, max_workspace):
    """The algorithm chosen, remembered where the description and the tier in force decide."""
    cdef tuple known
    if not (precision is None and max_workspace is None and type(method) is str
            and method == "auto"):
        return choose_algorithm(desc, which, method, precision, max_workspace)
    tier = precision_in_force()
    known = desc.automatic.get(which)
    if known is None or known[0] is not tier:
        known = (tier, choose_algorithm(desc, which, "auto", tier, None))
        desc.automatic[which] = known
    return known[1]
