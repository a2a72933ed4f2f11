"""Frames: padding that a pooling takes for elements like others.

What padding_mode makes of an input is an image with a frame around. Frames are pooled without
padding, a few images at a time, so that padded arrays stay small.
"""
import math

import numpy as np

cimport numpy as cnp

from fastconv._call.cache cimport cached, cached_around
from fastconv._call.columns cimport padded_images
from fastconv._call.conv cimport padded_shape
from fastconv._core.padding cimport AXES, PAD_CONSTANT, PAD_ZEROS, source_index
from fastconv._desc.arguments cimport as_flag, operand
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.pool cimport REGULAR, PoolDesc, pool_axis

from fastconv._core.messages import shown
from fastconv._desc.pool import describe_pool

cnp.import_array()

cdef object int64 = np.dtype(np.int64)

cdef enum:
    COPY_BYTES = 4 << 20   # of images that are copied at once; or one image
    LEAST_WINDOWS = 4      # lengths of a window that a slab has: what two of them read is a part


cdef list pieces(PoolDesc desc, double size):
    """Images at once, and their description, of an array of so many bytes: a few, or one."""
    cdef Py_ssize_t i, batch = desc.batch
    cdef Py_ssize_t images = min(batch, max(1, <Py_ssize_t>(COPY_BYTES * batch / max(size, 1.0))))
    return [(desc.of_images(min(images, batch - i)), slice(i, i + images))
            for i in range(0, batch, images)]


cdef list slabs(PoolDesc desc, double size):
    """The same of images that are cut themselves: (description, where in x, where in the result,
    elements of a plane before the slab).

    A slab is some rows of windows along the first axis, with all that they read. Where images are
    small, or windows along that axis are no regular ones, it is a few images, or one.
    """
    cdef int axis = AXES - <int>desc.g.rank, along
    cdef Py_ssize_t n, first, rows, low, high, length = 1, least
    cdef pool_axis *a
    while axis < AXES - 1 and desc.g.axis[axis].length == 1:
        axis += 1
    a = &desc.g.axis[axis]
    least = LEAST_WINDOWS * ((a.kernel - 1) * a.dilation + 1) // a.stride
    rows = <Py_ssize_t>(COPY_BYTES * (<double>a.outputs * desc.batch) / max(size, 1.0))
    rows = max(1, rows, least)
    if a.kind != REGULAR or 2 * rows > a.outputs:
        return [(part, images, images, 0) for part, images in pieces(desc, size)]
    for along in range(axis + 1, AXES):
        length *= desc.g.axis[along].length
    along = (not desc.g.channels_last) + axis - AXES + <int>desc.g.rank
    found = []
    for n in range(desc.batch):
        image = (slice(n, n + 1),) + (slice(None),) * along
        for first in range(0, a.outputs, rows):
            part = desc.of_rows(axis, first, min(rows, a.outputs - first), &low, &high)
            found.append((part, image + (slice(low, high),), image + (slice(first, first + rows),),
                          low * length))
    return found


cdef tuple whole_shape(PoolDesc desc):
    """The shape of its input, with a batch axis."""
    return desc.input_shape() if desc.batched else (1,) + desc.input_shape()


cdef class Frame:
    """What is around the images of a call (`around`), and how they are pooled with it (`inner`)."""

    cdef tuple input_shape(self):
        return self.around.input_shape(self.around.batch)

    cdef list pieces(self, Py_ssize_t itemsize):
        """Images to pad at once, with the description of their pooling."""
        return pieces(self.inner, <double>math.prod(self.inner.input_shape()) * itemsize)

    cdef cnp.ndarray framed(self, cnp.ndarray x, num_threads):
        """Some images with their frame."""
        return padded_images(self.around, x, operand(self.outside, x.dtype), num_threads)

    cdef elements(self, where):
        """Flat positions in a padded plane as those of the elements of x that stand there."""
        cdef Py_ssize_t i, before, length, step = 1
        cdef int axis
        found = np.zeros_like(where)
        for axis in range(AXES - 1, AXES - 1 - <int>self.around.g.rank, -1):
            before, length = self.around.g.before[axis], self.around.g.input[axis]
            sources = np.array([source_index(i - before, length, self.around.g.padding_mode)
                                for i in range(self.around.g.output[axis])], int64)
            where, along = np.divmod(where, self.around.g.output[axis])
            found += step * sources[along]
            step *= length
        return found


cdef Frame frame_of(Geometry geometry, x, dtype, count_include_pad):
    """The frame of x, or of an input of that shape, which has this dtype; None without a mode."""
    cdef Frame self
    if geometry.padding_mode is None:
        return None
    if not as_flag(geometry.function, "count_include_pad", count_include_pad):
        raise ValueError(
            f"{geometry.function}: count_include_pad=False leaves out the padding, which "
            f"padding_mode={shown(geometry.padding_mode)} makes elements like others"
        )
    self = Frame.__new__(Frame)
    self.around = cached_around(geometry, x, max(4, dtype.itemsize))
    self.inner = cached(describe_pool, geometry.padded_with(0, None, 0),
                        padded_shape(self.around))
    self.outside = np.array([geometry.padding_value], dtype)
    return self


cdef int check_positions(Frame frame) except -1:
    """Refuse to give positions of what a frame holds, if that is nowhere in x."""
    cdef Py_ssize_t mode = frame.around.g.padding_mode
    if mode == PAD_ZEROS or mode == PAD_CONSTANT:
        raise ValueError(
            f"{frame.around.function}: return_indices needs padding that is elements of x, and "
            f"constants are not; leave padding_mode out, or choose another"
        )
    return 0
