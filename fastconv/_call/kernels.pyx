"""What a pass runs: whatever has `run(source, bias, residual, out, threads)`.

That is an algorithm's prepared weights, or one of the classes here around them: the gradient of a
padded input, a result longer than what the convolution reads, complex numbers and integers.
"""
import math

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._call.cache cimport strict_algorithm
from fastconv._core.padding cimport (
    AXES, PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_SYMMETRIC, PAD_ZEROS,
)
from fastconv._desc.arguments cimport operand
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._desc.geometry cimport Geometry

from fastconv._parts import (
    largest_magnitude, multiply_complex, multiply_integers, rounds_back, usual_parts,
)

cnp.import_array()

cdef enum:
    COPY_BYTES = 4 << 20   # of padded images at once; or one image


cdef class RealPass:
    """One pass of real numbers: what prepares its kernel.

    In backward_data, `folded` is the description whose padding is folded onto its sources once
    that of the padded input, `desc`, has run; and with `appends` the result ends in zeros that
    `desc` does not read.
    """

    cdef object prepare(self, weight, int threads):
        """The kernel for these weights."""
        return self.around(self.algorithm.prepare(self.desc, self.which, weight, threads))

    cdef object around(self, kernel):
        """A kernel of `desc` as one of the pass."""
        cdef Folding folding
        cdef Appending appending
        if self.folded is not None:
            folding = Folding.__new__(Folding)
            folding.desc, folding.inner, folding.kernel = self.folded, self.desc, kernel
            return folding
        if self.appends:
            appending = Appending.__new__(Appending)
            appending.inner, appending.kernel = self.desc, kernel
            return appending
        return kernel


cdef RealPass real_pass(ConvDesc desc, str which, algorithm, ConvDesc folded=None,
                        bint appends=False):
    cdef RealPass self = RealPass.__new__(RealPass)
    self.desc, self.which, self.algorithm = desc, which, algorithm
    self.folded, self.appends = folded, appends
    return self


# ---- backward_data ----

cdef class Folding:
    """backward_data for a padding mode: the gradient of the padded input, then folded.

    A few images at a time, so that padded arrays stay small.
    """

    cdef ConvDesc desc, inner
    cdef object kernel

    def run(self, source, bias, residual, out, int threads):
        cdef Py_ssize_t i, n, images
        images = max(1, COPY_BYTES // max(1, math.prod(inner_shape(self.inner, 1)) * out.itemsize))
        for i in range(0, len(out), images):
            PyErr_CheckSignals()
            n = min(images, len(out) - i)
            grad = np.empty(inner_shape(self.inner, n), out.dtype)
            self.kernel.run(source[i:i + n], None, None, grad, threads)
            fold_padding(self.desc, grad, out[i:i + n])


cdef fold_padding(ConvDesc desc, grad, out):
    """Add the gradients of padding positions to those of the elements they were copies of.

    Those of constants are left out.
    """
    cdef int axis
    first = 1 if desc.g.channels_last else 2
    for axis in range(AXES - <int>desc.g.rank, AXES):
        where = first + axis - AXES + <int>desc.g.rank
        lines = np.moveaxis(grad, where, 0)
        grad = np.moveaxis(
            fold_axis(lines, desc.g.before[axis], desc.g.input[axis], desc.g.padding_mode), 0,
            where)
    out[...] = grad


cdef fold_axis(lines, Py_ssize_t before, Py_ssize_t length, Py_ssize_t mode):
    """The same along the first axis, which has `length` elements after those in front.

    A view of `lines` where it can be: sums are added up in place.
    """
    cdef Py_ssize_t after = len(lines) - before - length, period
    inner = lines[before:before + length]
    if before == after == 0 or mode == PAD_ZEROS or mode == PAD_CONSTANT:
        return inner
    if mode == PAD_REPLICATE:
        if before > 0:
            inner[0] += sum_in_pairs(lines[:before])
        if after > 0:
            inner[length - 1] += sum_in_pairs(lines[before + length:])
        return inner
    if max(before, after) <= length - (mode == PAD_REFLECT):
        fold_once(inner, lines[:before], lines[before + length:], mode)
        return inner
    # what is to the left and right of the elements repeats itself, mirrored or not
    period = length
    if mode == PAD_SYMMETRIC:
        period = 2 * length
    elif mode == PAD_REFLECT:
        period = max(2 * length - 2, 1)
    total = sum_of_periods(lines, before, period)
    inner = total[:length]
    if mode == PAD_SYMMETRIC:
        inner += total[length:][::-1]
    elif mode == PAD_REFLECT and length > 1:
        inner[1:length - 1] += total[length:][::-1]
    return inner


cdef fold_once(inner, left, right, Py_ssize_t mode):
    """Add what is in front and behind to the elements that it is copied from, once each."""
    cdef Py_ssize_t length = len(inner), before = len(left), after = len(right)
    cdef Py_ssize_t edge = mode == PAD_REFLECT  # the first and the last element have no copy
    if mode == PAD_REFLECT or mode == PAD_SYMMETRIC:
        inner[edge:edge + before] += left[::-1]
        inner[length - edge - after:length - edge] += right[::-1]
    else:
        inner[length - before:] += left
        inner[:after] += right


cdef sum_of_periods(lines, Py_ssize_t before, Py_ssize_t period):
    """The sum of all lines a period apart, from that of the line after `before` others on."""
    cdef Py_ssize_t head = before % period, whole = (len(lines) - head) // period
    cdef Py_ssize_t tail = head + whole * period, rest = len(lines) - tail
    if whole:
        total = sum_in_pairs(
            lines[head:tail].reshape((whole, period) + lines.shape[1:]))
        total[:rest] += lines[tail:]
    else:
        total = np.zeros((period,) + lines.shape[1:], lines.dtype)
        total[:rest] = lines[tail:]
    if head:
        total[period - head:] += lines[:head]
    return total


cdef sum_in_pairs(lines):
    """The sum along the first axis, as an array of its own. Its error grows with the logarithm."""
    cdef Py_ssize_t half = len(lines)
    if half == 1:
        return lines[0].copy()
    while half > 1:
        PyErr_CheckSignals()
        odd = half % 2
        half //= 2
        total = lines[:half] + lines[half:2 * half]
        if odd:
            total[0] += lines[2 * half]
        lines = total
    return lines[0]


cdef class Appending:
    """backward_data for a result that is longer than what the convolution reads: with zeros."""

    cdef ConvDesc inner
    cdef object kernel

    def run(self, source, bias, residual, out, int threads):
        reached = np.empty(inner_shape(self.inner, out.shape[0]), out.dtype)
        self.kernel.run(source, None, None, reached, threads)
        out[...] = 0
        out[tuple([slice(n) for n in reached.shape])] = reached


cdef class Biased:
    """A kernel that takes no bias, which is added to what it gives."""

    def run(self, source, bias, residual, out, int threads):
        self.kernel.run(source, None, None, out, threads)
        out += along_channels(bias, self.desc.g.channels_last, self.desc.g.rank)


cdef Biased biased(kernel, ConvDesc desc):
    cdef Biased self = Biased.__new__(Biased)
    self.kernel, self.desc = kernel, desc
    return self


cdef tuple inner_shape(ConvDesc inner, Py_ssize_t batch):
    """The shape of a batch of the description's inputs."""
    shape = inner.input_shape(batch)
    return shape if inner.batched else (batch,) + shape


# ---- complex numbers and integers ----

cdef bint in_parts(result, arithmetic):
    """Whether the result is of complex numbers or integers."""
    return result is not arithmetic and result.kind != "f"


cdef cnp.ndarray outside_of(Geometry geometry, dtype):
    """The constant around an x of this dtype, as an array of one element; None for zeros."""
    return None if geometry.padding_value == 0 else np.array([geometry.padding_value], dtype)


cdef ConvDesc part_padded(ConvDesc desc, cnp.ndarray outside, part):
    """The description for that part of the source, with the same part of the constant around."""
    return desc if outside is None else desc.with_padding_value(part.of(outside).item())


cdef class ByParts:
    """Complex numbers or integers: the real kernels of the weights' parts, made when needed.

    outside: the constant around the source where it is not zero, as an array, or None. Then each
    part of the source has kernels of its own.
    """

    cpdef prepare(self, like, bias, int threads, computed):
        """Make what every call is likely to need, for a source like this; `computed` is the dtype
        that integers are stored in."""
        for part in usual_parts(self.weight, self.result):
            self.kernel(part, usual_parts(like, self.result)[0], threads)

    cdef object kernel(self, part, source_part, int threads):
        """The kernel for one part of the weights."""
        key = part if self.outside is None else (part, source_part)
        kernel = self.kernels.get(key)
        if kernel is None:
            kernel = self.padded(source_part).prepare(
                operand(part.of(self.weight), self.real.desc.dtype), threads)
            self.kernels[key] = kernel
        return kernel

    cdef object strict(self, part, source_part, int threads):
        """The same of an algorithm that rounds nothing."""
        key = (part, None if self.outside is None else source_part, "strict")
        kernel = self.kernels.get(key)
        if kernel is None:
            real = self.padded(source_part)
            kernel = real_pass(real.desc, real.which, strict_algorithm(real.desc, real.which),
                               real.folded, real.appends)
            kernel = (<RealPass>kernel).prepare(operand(part.of(self.weight), real.desc.dtype),
                                                threads)
            self.kernels[key] = kernel
        return kernel

    cdef RealPass padded(self, source_part):
        """The pass of that part of the source."""
        if self.outside is None:
            return self.real
        return real_pass(part_padded(self.real.desc, self.outside, source_part), self.real.which,
                         self.real.algorithm, self.real.folded, self.real.appends)

    cdef object terms(self):
        """Products that an element of the result adds up, at most."""
        cdef conv_geometry *g = &self.real.desc.g
        cdef ConvDesc folded = self.real.folded
        cdef int axis
        count = (g.channels if self.real.which == "forward" else g.filters) // g.groups
        for axis in range(AXES):
            count *= g.kernel[axis]
            if folded is not None:
                count *= 1 + folded.g.before[axis] + folded.g.after[axis]
        return count

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's; bias, residual and out have the result's kind of numbers."""
        cdef ConvDesc desc = self.real.desc

        rounds = self.result.kind == "i" and self.real.algorithm.tier != "highest"

        def product(p, q):
            target = np.empty((<object>out).shape, desc.dtype)
            a = operand(p.of(source), desc.dtype)
            # folded padding adds several results up before they are rounded
            if rounds and (self.real.folded is not None or not rounds_back(
                    p, a, operand(q.of(self.weight), desc.dtype))):
                self.strict(q, p, threads).run(a, None, None, target, threads)
            else:
                self.kernel(q, p, threads).run(a, None, None, target, threads)
                if rounds:
                    np.rint(target, out=target)
            return target

        addends = [] if residual is None else [residual]
        if bias is not None:
            addends.append(along_channels(bias, desc.g.channels_last, desc.g.rank))
        if self.result.kind == "c":
            multiply_complex(source, self.weight, product, addends, out)
        else:
            largest = largest_magnitude(source, self.outside), largest_magnitude(self.weight)
            multiply_integers(desc.function, largest, product, self.terms(), addends, out)


cdef ByParts by_parts(RealPass real, weight, result, cnp.ndarray outside):
    cdef ByParts self = ByParts.__new__(ByParts)
    self.real, self.weight, self.result, self.kernels = real, weight, result, {}
    self.outside = outside
    return self


cdef along_channels(bias, bint channels_last, Py_ssize_t rank):
    """A view of one number a channel that broadcasts to a batch of images."""
    return bias if channels_last else bias.reshape((-1,) + (1,) * rank)
