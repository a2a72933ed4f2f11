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
from fastconv._desc.pool cimport PoolDesc

from fastconv._core.messages import shown
from fastconv._desc.pool import describe_pool

cnp.import_array()

cdef object int64 = np.dtype(np.int64)

cdef enum:
    COPY_BYTES = 4 << 20   # of images that are copied at once; or one image


cdef list pieces(PoolDesc desc, double size):
    """Images at once, and their description, of an array of so many bytes: a few, or one."""
    cdef Py_ssize_t i, batch = desc.batch
    cdef Py_ssize_t images = min(batch, max(1, <Py_ssize_t>(COPY_BYTES * batch / max(size, 1.0))))
    return [(desc.of_images(min(images, batch - i)), slice(i, i + images))
            for i in range(0, batch, images)]


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
