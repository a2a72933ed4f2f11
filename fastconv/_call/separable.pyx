"""Separable convolutions: what the depthwise step gives stays in the cache until it is combined.

A piece is a few images, or a block of the outputs of one: the depthwise step computes it into a
buffer, and the pointwise step reads it there. A whole image of what is between the steps never
exists, unless it is that small. Where pieces are tasks of their own (`separable_tasks`), a thread
computes both steps of each; here all threads compute one piece after the other, with whatever has
to be converted on the way.
"""
import numpy as np

cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY

from fastconv._call.cache cimport algorithm_of_any_cut, cached_algorithm, cached_separable
from fastconv._call.conv cimport (
    beside, check_bias, check_residual, converted_by, is_auto, run_forward,
)
from fastconv._call.destination cimport (
    SAME_KIND, Destination, add_batch, contiguous, destination, has_shape, is_contiguous, size_of,
)
from fastconv._call.kernels cimport in_parts, outside_of
from fastconv._call.pieces cimport place_of, rows_of, run_piece
from fastconv._call.separable_tasks cimport run_tasks
from fastconv._call.steps cimport (
    MOST_ROOMS, Cut, Step, cut_of, find_block, make_step, piece_elements,
)
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.scratch cimport CACHE
from fastconv._core.threads cimport threads_for
from fastconv._core.words cimport lent
from fastconv._desc.arguments cimport (
    as_array, as_workspace, check_unchanged, compute_dtype, is_operand, operand,
)
from fastconv._desc.conv cimport (
    ConvDesc, conv_geometry, has_input_shape, has_weight_shape, settled,
)
from fastconv._desc.geometry cimport Geometry
from fastconv._desc.separable cimport SeparableDesc

from fastconv._desc.activation import integer_bounds

cnp.import_array()

cdef enum:
    PARTS_OF_CACHE = 8     # one is for what lies between the steps, of images that are cut
    TASKS_PER_THREAD = 4   # where there are fewer, images are cut for threads as well


def separable(Geometry geometry, x, depthwise_weight, pointwise_weight, bias, *, activation,
              residual, precision, method, max_workspace, num_threads, out, out_dtype=None,
              casting=SAME_KIND):
    """y = act(conv(conv(x, depthwise_weight), pointwise_weight) + bias + residual)."""
    cdef Call call = Call.__new__(Call)
    call.function = geometry.function
    call.read(geometry, x, depthwise_weight, pointwise_weight, bias, residual, activation)
    call.choose(method, precision, max_workspace, num_threads)
    return call.compute(out, out_dtype, casting)


@cython.final
cdef class Call:
    """One call: its arrays, what they are computed in, and how."""

    cdef str function
    cdef Geometry geometry
    cdef ConvDesc depthwise, pointwise
    cdef cnp.ndarray x, depthwise_weight, pointwise_weight
    cdef object bias, residual           # or None
    cdef object result, arithmetic       # dtypes
    cdef object between                  # that of what the depthwise step gives
    cdef bint parts
    cdef object bounds                   # of an activation of integers
    cdef object first, second            # algorithms of both steps
    cdef bint by_choice
    cdef Py_ssize_t room                 # bytes for what lies between the steps
    cdef Cut cut
    cdef double work
    cdef int threads
    cdef int first_threads               # of the depthwise step by itself

    cdef int read(self, Geometry geometry, x, depthwise_weight, pointwise_weight, bias, residual,
                  activation) except -1:
        """The arguments that are arrays, or say what they mean."""
        cdef SeparableDesc desc
        self.x = as_array(self.function, "x", x, True)
        self.geometry = settled(geometry, (<object>self.x).dtype)
        self.depthwise_weight = as_array(self.function, "depthwise_weight", depthwise_weight, True)
        self.pointwise_weight = as_array(self.function, "pointwise_weight", pointwise_weight, True)
        if bias is not None:
            self.bias = as_array(self.function, "bias", bias, True)
        self.result, self.arithmetic = compute_dtype(
            self.function, (self.x, self.depthwise_weight, self.pointwise_weight, self.bias), True)
        self.parts = in_parts(self.result, self.arithmetic)
        if self.parts:
            self.bounds = integer_bounds(self.function, self.result, activation)
            activation = None
        desc = cached_separable(self.geometry, self.x, self.depthwise_weight,
                                self.pointwise_weight, self.arithmetic,
                                self.parts and self.result.kind == "i", activation)
        self.depthwise, self.pointwise = desc.depthwise, desc.pointwise
        if bias is not None:
            check_bias(self.pointwise, self.bias, "pointwise_weight")
        if residual is not None:
            self.residual = as_array(self.function, "residual", residual, True)
            check_residual(self.function, self.residual,
                           self.pointwise.output_shape(self.pointwise.batch), self.result)
        self.between = self.dtype_between()
        return 0

    cdef object dtype_between(self):
        """Real numbers where the depthwise step reads these alone."""
        if self.parts and (self.result.kind == "i" or self.x.descr.kind == b"c"
                           or self.depthwise_weight.descr.kind == b"c"):
            return self.result
        return self.arithmetic

    cdef int choose(self, method, precision, max_workspace, num_threads) except -1:
        """The algorithms, and the cut for which they are chosen: by one image's geometry."""
        cdef double own = self.depthwise.work(self.depthwise.batch, False)
        max_workspace = as_workspace(self.function, max_workspace)
        self.first = cached_algorithm(self.depthwise, "forward", method, precision, max_workspace)
        self.room = CACHE // PARTS_OF_CACHE
        if max_workspace is not None:
            self.room = min(self.room, max_workspace // MOST_ROOMS)
        self.cut = cut_of(&self.depthwise.g, self.between.itemsize, self.room)
        self.by_choice = is_auto(method)
        if not self.by_choice or self.cut.pieces > 1 and max_workspace is None:
            self.second = algorithm_of_any_cut(self.pointwise, "forward", precision, max_workspace)
        else:
            self.second = cached_algorithm(self.pointwise, "forward", method, precision,
                                           max_workspace)
        self.work = own + self.pointwise.work(self.pointwise.batch, False)
        self.threads = threads_for(self.function, num_threads, self.work)
        self.first_threads = 1 if self.threads == 1 else threads_for(
            self.function, num_threads, own)
        return 0

    cdef object compute(self, out, out_dtype, casting):
        """The result."""
        cdef Destination output
        cdef cnp.ndarray residual = None
        cdef Cut cut
        cdef bint many = self.cut.pieces > 1 or self.pointwise.batch > self.cut.images
        if self.takes_tasks(out, out_dtype, casting) and self.find_tasks(&cut):
            output = self.target(out, None, SAME_KIND, self.work, -1)
            self.check()
            if self.residual is not None:
                residual = add_batch(self.residual, self.pointwise.batched)
            if run_tasks(self.depthwise_step(True), self.pointwise_step(True), &cut, self.source(),
                         self.contiguous_bias(), residual, output.array, self.threads, self.work):
                return output.finish()
        output = self.target(
            out, out_dtype, casting,
            INFINITY if self.parts or many else beside(out, self.second, self.work),
            converted_by(self.parts, self.arithmetic, self.x, self.residual,
                         self.pointwise.output_shape(self.pointwise.batch)))
        self.check()
        if many or output.piecewise:
            self.run_pieces(self.depthwise_step(many), self.pointwise_step(many), output)
            return output.finish()
        return self.run_whole(self.depthwise_step(False), self.pointwise_step(False), output)

    cdef Destination target(self, out, out_dtype, casting, double work, Py_ssize_t converted):
        return destination(
            self.function, out, out_dtype, casting,
            self.pointwise.output_shape(self.pointwise.batch), self.result,
            self.result if self.parts else self.arithmetic,
            None if out is None else (self.x, self.depthwise_weight, self.pointwise_weight,
                                      self.bias, self.residual),
            work, self.pointwise.batched, converted)

    cdef int check(self) except -1:
        """Refuse arrays that other code has changed meanwhile."""
        cdef ConvDesc depthwise = self.depthwise, pointwise = self.pointwise
        cdef str function = self.function
        if depthwise.g.channels == 0:  # there are no filters, of one channel or none
            self.depthwise_weight = self.depthwise_weight[:, :0]
        check_unchanged(function, "x", has_input_shape(depthwise, self.x))
        check_unchanged(function, "depthwise_weight",
                        has_weight_shape(depthwise, self.depthwise_weight))
        check_unchanged(function, "pointwise_weight",
                        has_weight_shape(pointwise, self.pointwise_weight))
        if self.bias is not None:
            check_unchanged(function, "bias", has_shape(self.bias, (pointwise.g.filters,)))
        if self.residual is not None:
            check_unchanged(function, "residual",
                            has_shape(self.residual, pointwise.output_shape(pointwise.batch)))
        return 0

    # ---- what runs ----

    cdef Step depthwise_step(self, bint many):
        cdef bint parts = self.parts and self.between is self.result
        return make_step(
            self.depthwise.for_many() if many else self.depthwise, self.first,
            self.depthwise_weight, self.between, None if parts else self.arithmetic,
            outside_of(self.geometry, (<object>self.x).dtype) if parts else None, self.by_choice)

    cdef Step pointwise_step(self, bint many):
        return make_step(
            self.pointwise.for_many() if many else self.pointwise, self.second,
            self.pointwise_weight, self.result, None if self.parts else self.arithmetic, None,
            True)

    cdef cnp.ndarray source(self):
        return add_batch(self.x, self.pointwise.batched)

    cdef object contiguous_bias(self):
        if self.parts or self.bias is None:
            return self.bias
        return contiguous(self.bias, self.arithmetic, True)

    cdef bint takes_tasks(self, out, out_dtype, casting) except -1:
        """Whether arrays can be read and written as they are, by algorithms of any cut."""
        return (not self.parts and self.result is self.arithmetic
                and self.depthwise.g.channels > 0 and self.first.any_cut and self.second.any_cut
                and out_dtype is None and casting is SAME_KIND
                and (out is None or isinstance(out, np.ndarray) and out.dtype == self.result)
                and is_operand(self.x, self.arithmetic)
                and (self.residual is None or is_contiguous(self.residual, self.arithmetic)))

    cdef bint find_tasks(self, Cut *cut) noexcept:
        """The cut, with pieces for all threads; whether there are enough."""
        cdef Py_ssize_t batch = self.pointwise.batch, tasks
        cut[0] = self.cut
        tasks = ceil_div(batch, cut.images) * cut.pieces
        if self.threads > 1 and tasks < TASKS_PER_THREAD * self.threads:
            if batch > 1:
                cut.images = min(cut.images, max(1, batch // (TASKS_PER_THREAD * self.threads)))
            if batch < self.threads:
                cut[0] = cut_of(&self.depthwise.g, self.depthwise.g.itemsize, self.room,
                                self.threads)
            tasks = ceil_div(batch, cut.images) * cut.pieces
        return tasks >= max(2, self.threads)

    cdef object run_whole(self, Step depthwise, Step pointwise, Destination output):
        """Run both steps of a call that is one piece; what it gives is the result."""
        cdef bint batched = self.pointwise.batched
        cdef tuple shape = self.pointwise.input_shape(self.pointwise.batch)
        cdef cnp.ndarray between = self.room_between(shape)
        self.run_first(depthwise, self.depthwise, self.source(), add_batch(between, batched))
        return run_forward(pointwise.kernel(self.pointwise, self.threads), between, self.bias,
                           self.residual, output, pointwise.arithmetic, self.bounds, batched,
                           self.threads)

    cdef cnp.ndarray room_between(self, tuple shape):
        """An array for what lies between the steps, in scratch memory."""
        cdef Py_ssize_t itemsize = self.between.itemsize // 4  # in floats
        if itemsize == 1:
            return lent(shape)
        return lent((itemsize * size_of(shape),)).view(self.between).reshape(shape)

    cdef int run_first(self, Step depthwise, ConvDesc part, cnp.ndarray source,
                       cnp.ndarray between) except -1:
        """Run the depthwise step; it is none without channels."""
        if part.g.channels == 0:
            return 0
        if depthwise.arithmetic is not None:
            source = operand(source, depthwise.arithmetic)
        depthwise.kernel(part, self.first_threads).run(source, None, None, between,
                                                       self.first_threads)
        return 0

    cdef int run_pieces(self, Step depthwise, Step pointwise, Destination output) except -1:
        """Run both steps, piece by piece."""
        cdef cnp.ndarray x = self.source(), residual = None, buffer
        cdef Py_ssize_t n, i, batch = len(x)
        cdef object bias = self.contiguous_bias()
        if self.residual is not None:
            residual = add_batch(self.residual, self.pointwise.batched)
        buffer = self.room_between((piece_elements(&self.depthwise.g, &self.cut),))
        for n in range(0, batch, self.cut.images):
            images = slice(n, min(n + self.cut.images, batch))
            for i in range(self.cut.pieces):
                self.run_one(depthwise, pointwise, i, images, x[images], buffer, bias, residual,
                             output)
        return 0

    cdef int run_one(self, Step depthwise, Step pointwise, Py_ssize_t number, images,
                     cnp.ndarray source, cnp.ndarray buffer, bias, residual,
                     Destination output) except -1:
        """Run both steps for one piece of some images."""
        cdef ConvDesc first = depthwise.desc, second = pointwise.desc
        cdef const conv_geometry *g = &depthwise.desc.g
        cdef Py_ssize_t start, rows
        cdef int axis
        where = [images] + [slice(None)] * (<int>g.rank + 1)
        for axis in range(AXES - 1, -1, -1):
            if find_block(g, &self.cut, axis, &number, &start, &rows):
                first, source = rows_of(first, source, axis, start, rows)
                second = second.of_rows(axis, rows, 0, 0, rows)
                where[place_of(g, axis)] = slice(start, start + rows)
        shape = second.input_shape(len(source))
        if not second.batched:
            shape = (len(source),) + shape
        between = buffer[:size_of(shape)].reshape(shape)
        self.run_first(depthwise, first, source, between)
        place = tuple(where)
        return run_piece(pointwise.kernel(second, self.threads), between, bias,
                         None if residual is None else residual[place], output, place,
                         pointwise.arithmetic, self.bounds, self.threads)
