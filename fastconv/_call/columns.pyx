"""im2col and col2im, from arrays to arrays."""
import numpy as np

cimport numpy as cnp

from fastconv._call.cache cimport cached_columns
from fastconv._call.destination cimport add_batch, batched, contiguous
from fastconv._call.kernels cimport inner_shape
from fastconv._core.padding cimport AXES
from fastconv._core.room cimport need_modules
from fastconv._core.threads cimport plain_threads
from fastconv._desc.arguments cimport (
    as_array, as_shape, axes_of, check_unchanged, compute_dtype,
)
from fastconv._desc.conv cimport ConvDesc, has_input_shape, settled
from fastconv._desc.geometry cimport Geometry

from fastconv._desc.arguments import check_shape
from fastconv._desc.columns import columns_shape
from fastconv._parts import (
    REAL, as_bits, largest_magnitude, multiply_complex, multiply_integers,
)

cnp.import_array()


cdef object columns_module = None


cdef object kernel(str name):
    """A function of the algorithm, which the first call loads, as `_call.cache` loads them all."""
    global columns_module
    if columns_module is None:
        need_modules()
        from fastconv._algorithms.im2col import columns as columns_module
    return getattr(columns_module, name)


def columns(Geometry geometry, x, num_threads):
    """What each position of the window sees, as columns."""
    cdef ConvDesc desc
    x = as_array(geometry.function, "x", x, True)
    geometry = settled(geometry, x.dtype)
    num_threads = plain_threads(geometry.function, num_threads)
    itemsize = min(x.dtype.itemsize, 8)
    desc = cached_columns(geometry, x, max(itemsize, 4))
    check_unchanged(geometry.function, "x", has_input_shape(desc, x))
    bits = as_bits(x)
    cols = np.empty((desc.batch,) + columns_shape(desc), bits.dtype)
    outside = as_bits(np.array([geometry.padding_value], x.dtype))
    kernel("gather")(desc, batched(bits, bits.dtype, desc.batched), outside, cols, num_threads)
    cols = cols.view(x.dtype.newbyteorder("="))
    return cols if desc.batched else cols[0]


cdef cnp.ndarray padded_images(ConvDesc desc, cnp.ndarray x, cnp.ndarray outside, num_threads):
    """A batch with its padding, C-contiguous: the columns of a kernel of one element.

    outside: one element of the dtype of x, what a constant padding holds.
    """
    bits = as_bits(x)
    padded = np.empty((len(x), desc.g.channels) + axes_of(desc.g.output, <int>desc.g.rank),
                      bits.dtype)
    kernel("gather")(desc, bits, as_bits(outside), padded, num_threads)
    if desc.g.channels_last:
        padded = np.ascontiguousarray(np.moveaxis(padded, 1, -1))
    return padded.view(x.dtype)


def images(Geometry geometry, cols, input_shape, num_threads):
    """Columns added up where they came from: the adjoint of `columns`."""
    cdef ConvDesc desc
    cdef int axis
    cdef str function = geometry.function
    cols = as_array(function, "cols", cols, True)
    num_threads = plain_threads(function, num_threads)
    result, arithmetic = compute_dtype(function, (cols,), True)
    desc = cached_columns(geometry, as_shape(function, "input_shape", input_shape),
                          arithmetic.itemsize)
    rows = columns_shape(desc)
    check_shape(function, "cols", cols, (desc.batch,) + rows if desc.batched else rows,
                f"an input of shape {desc.input_shape(desc.batch)} has columns of shape")
    shape = inner_shape(desc, desc.batch)
    cols = add_batch(cols, desc.batched)

    def product(p, q):
        target = np.zeros(shape, arithmetic)
        kernel("add_up")(desc, contiguous(p.of(cols), arithmetic, True), target, num_threads)
        return target

    if result.kind == "f":
        out = product(REAL, REAL).astype(result, copy=False)
    else:
        # a product with one
        out = np.empty(shape, result)
        one = np.ones((), bool)
        if result.kind == "c":
            multiply_complex(cols, one, product, [], out)
        else:
            terms = 1
            for axis in range(AXES):
                terms *= desc.g.kernel[axis]
            largest = largest_magnitude(cols), 1
            multiply_integers(function, largest, product, terms, [], out)
    return out if desc.batched else out[0]
