"""Quantised layers: small integers less their zero points, convolved, scaled and rounded."""
import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY

from fastconv._call.cache cimport cached_algorithm, cached_conv, choose_algorithm
from fastconv._call.destination cimport SAME_KIND, Destination, add_batch, destination
from fastconv._call.integers cimport SmallIntegers, is_small, limits, native, small_integers, span
from fastconv._call.kernels cimport along_channels, real_pass
from fastconv._core.threads cimport threads_for
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc
from fastconv._desc.geometry cimport Geometry

from fastconv._call.conv import forward
from fastconv._desc.conv import describe_conv
from fastconv._desc.quantized import (
    as_bias, as_scale, as_small_integers, as_y_zero_point, as_zero_point, quantized_bounds,
    result_dtype,
)

cnp.import_array()

cdef object float64 = np.dtype(np.float64)
cdef object int32 = np.dtype(np.int32)
cdef tuple INT32 = (-(1 << 31), (1 << 31) - 1)

cdef class Quantized:
    """One quantised layer: what `qconv` computes once, and a plan often."""

    cdef readonly ConvDesc description
    cdef Geometry geometry
    cdef cnp.ndarray weight      # less its zero points
    cdef readonly int x_zero_point
    cdef int y_zero_point
    cdef readonly object x_dtype
    cdef readonly object result  # dtype
    cdef object bounds           # of results before the zero point is added
    cdef Requantization way_out
    cdef object scale            # one number for each filter, or None
    cdef object bias
    cdef SmallIntegers small     # or None

    def __init__(self, Geometry geometry, x, x_dtype, weight, bias, *, x_zero_point,
                 weight_zero_point, scale, y_zero_point, out_dtype, activation, bint planned):
        """x: an array of that dtype, or the shape of those to come."""
        cdef str function = geometry.function
        cdef ConvDesc desc
        weight = as_small_integers(function, "weight", weight)
        if planned:
            desc = describe_conv(geometry, x, weight.shape, 8, None, True)
            desc.planned = True
        else:
            desc = cached_conv(geometry, x, weight, float64, True)
        filters = desc.g.filters
        self.description, self.geometry, self.x_dtype = desc, geometry, x_dtype
        self.x_zero_point = as_zero_point(function, "x_zero_point", x_zero_point, x_dtype)
        points = as_zero_point(function, "weight_zero_point", weight_zero_point, weight.dtype,
                               filters)
        self.scale = as_scale(function, scale, filters)
        self.bias = as_bias(function, bias, filters)
        self.result = result_dtype(function, out_dtype, x_dtype, y_zero_point, scale is not None)
        self.y_zero_point = as_y_zero_point(function, y_zero_point, self.result,
                                            scale is not None)
        self.bounds = quantized_bounds(function, activation, self.result, self.y_zero_point,
                                       scale is not None)
        self.set_weight(weight, points, planned)

    cdef int set_weight(self, weight, points, bint planned) except -1:
        """The weights less their zero points, and the kernels where these have 16 bits."""
        cdef ConvDesc desc = self.description
        cdef tuple reach
        weight = native(weight)
        low, high = limits(weight.dtype)
        reach = low - int(points.max(initial=0)), high - int(points.min(initial=0))
        if points.any() or planned:
            points = points.reshape((-1,) + (1,) * (weight.ndim - 1))
            weight = weight - points.astype(np.int32)
            if weight.dtype.itemsize > 2:
                reach = span(weight)
            if -(1 << 15) <= reach[0] and reach[1] < 1 << 15:
                weight = weight.astype(np.int16)
        self.weight = weight
        if is_small(weight.dtype):
            algorithm = (choose_algorithm if planned else cached_algorithm)(
                desc, "forward", "auto", None, None)
            bounds = tuple([min(max(bound, INT32[0]), INT32[1]) for bound in self.bounds])
            self.way_out = Requantization(self.bias, bounds, self.result, self.scale,
                                          self.y_zero_point)
            self.small = small_integers(real_pass(desc, "forward", algorithm), self.weight, reach,
                                        self.x_zero_point, self.way_out, True)
        return 0

    def prepare(self, num_threads):
        """Pack the weights for inputs to come."""
        cdef int threads = threads_for(self.geometry.function, num_threads,
                                       self.description.flops(1))
        if self.small is not None:
            way = self.small.way(np.empty(0, self.x_dtype))
            if way is not None:
                self.small.kernel(way, threads)

    def run(self, x, num_threads, out):
        """The layer of x, a batch of images or one."""
        cdef ConvDesc desc = self.description
        cdef str function = self.geometry.function
        cdef bint has_batch = cnp.PyArray_NDIM(x) == <int>desc.g.rank + 2
        cdef Py_ssize_t batch = cnp.PyArray_DIM(x, 0) if has_batch else 1
        cdef double work = desc.work(batch, False)
        cdef int threads = threads_for(function, num_threads, work)
        cdef tuple shape = desc.output_shape(batch)
        cdef Destination output
        if has_batch != desc.batched:
            shape = (batch,) + shape if has_batch else shape[1:]
        output = destination(function, out, None, SAME_KIND, shape, self.result, self.result,
                             None if out is None else (x,),
                             work if batch <= 1 else INFINITY,  # else it may fail midway
                             has_batch)
        source = add_batch(native(x), has_batch)
        if self.small is None or not self.small.run(source, output.array, threads):
            self.run_wide(source, output.array, threads)
        return output.finish()

    cdef int run_wide(self, source, out, int threads) except -1:
        """By sums of 64 bits."""
        cdef ConvDesc desc = self.description
        cdef Py_ssize_t i
        sums = forward(self.geometry, source.astype(np.int32) - self.x_zero_point,
                       self.weight.astype(np.int32), None, activation=None, residual=None,
                       precision=None, method="auto", max_workspace=None, num_threads=threads,
                       out=None)
        sums += along_channels(self.bias, desc.g.channels_last, desc.g.rank)
        low, high = self.bounds
        if self.scale is None:
            np.clip(sums, low, high, out=sums)
            low, high = span(sums)
            if self.result == int32 and (low < INT32[0] or high > INT32[1]):
                raise OverflowError(
                    f"{self.geometry.function}: a sum does not fit int32, the dtype of the "
                    f"result; out_dtype=np.int64 holds it, or give a scale"
                )
            out[...] = sums
            return 0
        scale = along_channels(self.scale, desc.g.channels_last, desc.g.rank)
        for i in range(len(sums)):
            numbers = sums[i] * scale
            np.clip(numbers, low, high, out=numbers)
            np.rint(numbers, out=numbers)
            numbers += self.y_zero_point
            out[i] = numbers
        return 0
