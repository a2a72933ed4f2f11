"""What a plan holds: one layer's description and packed weights, for any batch."""
import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY

from fastconv._call.cache cimport choose_algorithm
from fastconv._call.conv cimport (
    beside, check_bias, check_residual, converted_by, is_auto, run_forward,
)
from fastconv._call.destination cimport SAME_KIND, Destination, destination, has_shape
from fastconv._call.kernels cimport in_parts, outside_of
from fastconv._call.pieces cimport Slabs, kernel_of, slabs_of
from fastconv._core.padding cimport AXES
from fastconv._core.threads cimport plain_threads, threads_for
from fastconv._desc.arguments cimport as_array, as_dtype, check_unchanged, compute_dtype
from fastconv._desc.conv cimport ConvDesc, has_weight_shape, settled
from fastconv._desc.geometry cimport Geometry

from fastconv._desc.activation import integer_bounds
from fastconv._desc.conv import describe_conv
from fastconv._desc.conversion import conversion

cnp.import_array()


cdef class Prepared:
    """What a plan holds: one layer's description and packed weights, for any batch."""

    cdef ConvDesc desc
    cdef object kernel
    cdef Slabs slabs       # of images so large that they are cut where they have to be converted
    cdef object bias
    cdef object result      # dtype
    cdef object arithmetic
    cdef bint parts
    cdef cnp.ndarray outside   # the constant around x, as of `ByParts`
    cdef object bounds     # of an activation of integers
    cdef readonly object dtype   # of what is returned, where no `out` says otherwise
    cdef object out_dtype, casting
    cdef object weight, sum_of_weights  # an array without elements, and as of `sums_dtype`
    cdef bint by_choice
    cdef object num_threads
    cdef readonly object algorithm
    cdef tuple image       # x's shape without the batch
    cdef Py_ssize_t size[AXES + 1]

    def __init__(self, Geometry geometry, x_shape, weight, bias, *, dtype, activation, precision,
                 method, max_workspace, num_threads, out_dtype=None, casting=SAME_KIND):
        cdef str function = geometry.function
        weight = as_array(function, "weight", weight, True)
        if bias is not None:
            bias = as_array(function, "bias", bias, True)
        self.weight = np.empty(0, weight.dtype)
        like = np.empty(0, weight.dtype if dtype is None else as_dtype(function, "dtype", dtype))
        geometry = settled(geometry, like.dtype)
        self.outside = outside_of(geometry, like.dtype)
        self.result, self.arithmetic = compute_dtype(
            function, (as_array(function, "dtype", like, True), weight, bias), True)
        self.dtype, _ = conversion(function, self.result, None, out_dtype, casting)
        self.out_dtype, self.casting = None if out_dtype is None else self.dtype, casting
        self.parts = in_parts(self.result, self.arithmetic)
        self.bounds = None
        if self.parts:
            self.bounds = integer_bounds(function, self.result, activation)
            activation = None
        self.desc = describe_conv(geometry, x_shape, weight.shape, self.arithmetic.itemsize,
                                  activation, self.result.kind == "i")
        if bias is not None:
            check_bias(self.desc, bias)
            bias = np.array(bias, bias.dtype if self.parts else self.arithmetic, order="C")
        self.bias = bias
        self.desc.planned = True
        self.algorithm = choose_algorithm(self.desc, "forward", method, precision,
                                          max_workspace)
        self.num_threads = num_threads
        num_threads = plain_threads(function, num_threads)
        check_unchanged(function, "weight", has_weight_shape(self.desc, weight))
        self.prepare(weight, like, is_auto(method),
                     threads_for(function, num_threads, self.desc.flops(1)))
        shape = self.desc.input_shape(1)
        self.image = shape[1:] if self.desc.batched else shape
        for axis, size in enumerate(self.image):
            self.size[axis] = size

    cdef int prepare(self, weight, like, bint by_choice, int threads) except -1:
        """Let the algorithm pack the weights, for an input like this."""
        # a copy, for an algorithm that keeps the weights as they are
        weight = np.array(weight, weight.dtype if self.parts else self.arithmetic, order="C")
        arithmetic = None if self.parts else self.arithmetic
        self.kernel = kernel_of(self.desc, self.algorithm, weight, self.result, arithmetic,
                                self.outside, by_choice, threads)
        self.slabs = slabs_of(self.desc, self.algorithm, weight, self.result, arithmetic,
                              self.outside, by_choice)
        if self.parts:
            from fastconv._call.integers import sum_of_small
            self.by_choice, self.sum_of_weights = by_choice, sum_of_small(self.desc, weight)
            self.kernel.prepare(like, self.bias, threads, self.computed(like.dtype, None, None))
        return 0

    cdef object computed(self, x_dtype, residual, out):
        """The dtype of results before any conversion."""
        if not self.parts:
            return self.arithmetic
        if self.result.kind != "i" or self.bounds is not None or residual is not None:
            return self.result
        from fastconv._call.integers import sums_dtype
        return sums_dtype(self.desc, self.algorithm, self.by_choice, x_dtype, self.weight,
                          self.sum_of_weights, self.bias, out, self.out_dtype, self.casting)

    @property
    def description(self):
        return self.desc

    cdef bint fits(self, cnp.ndarray x) noexcept:
        """Whether x is a batch of the plan's images, or one."""
        cdef int axes = <int>self.desc.g.rank + 1, more = cnp.PyArray_NDIM(x) - axes, i
        if more != 0 and more != 1:
            return False
        for i in range(axes):
            if cnp.PyArray_DIM(x, more + i) != self.size[i]:
                return False
        return True

    cdef bint takes(self, dtype):
        """Whether an input of this dtype gives the result the dtype that it was planned for."""
        if self.result.kind == "i":
            return dtype.kind in "iub"
        return np.result_type(dtype, self.result) == self.result

    cdef int check(self, x) except -1:
        """Refuse an input that the plan was not made for."""
        if not self.fits(x):
            raise ValueError(
                f"plan: x has shape {x.shape}, but the plan was made for {self.image} "
                f"with any batch in front, or none"
            )
        if (self.parts or <object>cnp.PyArray_DESCR(x) is not self.arithmetic) and (
                not self.takes(x.dtype)):
            raise TypeError(
                f"plan: x has dtype {x.dtype}, but the plan was made for {self.result}; "
                f"make it with dtype={x.dtype.name!r}"
            )
        return 0

    def run(self, x, residual=None, out=None):
        """Convolve x, which may have any batch size, or no batch axis."""
        cdef Destination output
        cdef double work
        cdef Py_ssize_t batch
        cdef tuple shape
        cdef int threads
        cdef bint has_batch
        x = as_array("plan", "x", x, True)
        self.check(x)
        has_batch = cnp.PyArray_NDIM(x) == <int>self.desc.g.rank + 2
        batch = cnp.PyArray_DIM(x, 0) if has_batch else 1
        shape = self.desc.output_shape(batch)
        if has_batch != self.desc.batched:
            shape = (batch,) + shape if has_batch else shape[1:]
        if residual is not None:
            residual = as_array("plan", "residual", residual, True)
            check_residual("plan", residual, shape, self.result)
        work = self.desc.work(batch, False)
        threads = threads_for("plan", self.num_threads, work)
        output = destination("plan", out, self.out_dtype, self.casting, shape, self.result,
                             self.computed(<object>cnp.PyArray_DESCR(x), residual, out),
                             None if out is None else (x, residual),
                             INFINITY if self.parts and batch > 1
                             else beside(out, self.algorithm, work), has_batch,
                             converted_by(self.parts, self.arithmetic, x, residual, shape))
        check_unchanged("plan", "x", self.fits(x) and (
            cnp.PyArray_NDIM(x) == <int>self.desc.g.rank + 1 + has_batch)
            and (not has_batch or cnp.PyArray_DIM(x, 0) == batch))
        if residual is not None:
            check_unchanged("plan", "residual", has_shape(residual, shape))
        return run_forward(self.slabs if output.piecewise and self.slabs is not None
                           else self.kernel, x, self.bias, residual, output,
                           None if self.parts else self.arithmetic, self.bounds, has_batch,
                           threads)
