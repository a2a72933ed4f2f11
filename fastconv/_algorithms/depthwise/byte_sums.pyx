"""Small filters of single channels over bytes whose sums fit 16 bits: in lanes of words, in place.

A vector holds 32 outputs, a tap is a load of as many bytes, a product and an addition; nothing is
copied, and results are stored in the dtype that is asked for. Larger kernels are faster four taps
at a time (`byte_planes`).
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int16_t

from fastconv._core.blocks cimport unravel
from fastconv._core.integers cimport ceil_div, even_size
from fastconv._core.padding cimport PAD_ZEROS
from fastconv._core.threads cimport parallel_for
from fastconv._core.words cimport Requantization
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport (
    FC_PLANE_COLUMNS, byte_functions, fc_byte_plane, fc_bytes, have_bytes,
)

cnp.import_array()

cdef enum:
    MOST_TAPS = 36     # more take longer than four at a time: 1.5 cycles of 32 outputs for each
    WORDS = 32         # of a vector
    BLOCK = 1 << 16    # outputs of a task

# What the tasks of one call read.
cdef struct Job:
    const fc_bytes *bytes
    const conv_geometry *g
    fc_byte_plane plane
    const int16_t *weights       # (filters, taps, words)
    const int *bias
    const char *source
    char *out
    Py_ssize_t out_itemsize, block
    Py_ssize_t tasks[3]          # planes of images and filters, and of depth; blocks of rows


cdef bint serves_byte_sums(ConvDesc desc, Requantization way_out, int zero_point) except -1:
    """Whether there is such a kernel: for planes with zeros around, and results without a scale.

    The caller knows whether sums fit.
    """
    cdef const conv_geometry *g = &desc.g
    return (way_out.scale is None and zero_point == 0 and g.padding_mode == PAD_ZEROS
            and g.channels == g.groups
            and (not g.channels_last or (g.channels == 1 and g.filters == 1))
            and g.kernel[0] == g.stride[0] == g.stride[1] == g.stride[2] == 1
            and g.before[0] == 0 and g.output[0] == g.input[0]
            and g.kernel[1] * g.kernel[2] <= MOST_TAPS and g.kernel[2] <= FC_PLANE_COLUMNS
            and have_bytes())


cdef class ByteSums:
    """The forward pass of one layer."""

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As an algorithm's; the bias is known already."""
        cdef const conv_geometry *g = &self.desc.g
        cdef Job job
        cdef cnp.ndarray images = np.ascontiguousarray(source)
        if cnp.PyArray_SIZE(out) == 0:
            return
        job.bytes, job.g, job.plane = byte_functions(), g, self.plane
        job.weights = <const int16_t *>cnp.PyArray_DATA(self.weights)
        job.bias = <const int *>cnp.PyArray_DATA(self.way_out.bias)
        job.source, job.out = cnp.PyArray_BYTES(images), cnp.PyArray_BYTES(out)
        job.out_itemsize = cnp.PyArray_ITEMSIZE(out)
        job.block = even_size(g.output[1], max(1, BLOCK // g.output[2]))
        job.tasks[0] = cnp.PyArray_DIM(images, 0) * g.filters
        job.tasks[1], job.tasks[2] = g.output[0], ceil_div(g.output[1], job.block)
        parallel_for(run_task, &job, job.tasks[0] * job.tasks[1] * job.tasks[2], threads,
                     self.desc.work(cnp.PyArray_DIM(images, 0), False))


cdef ByteSums byte_sums(ConvDesc desc, cnp.ndarray weight, bint signed_source,
                        Requantization way_out):
    """The kernel of a forward pass that `serves_byte_sums`, of bytes of either sign by int8."""
    cdef const conv_geometry *g = &desc.g
    cdef ByteSums self = ByteSums.__new__(ByteSums)
    cdef int i
    self.desc, self.way_out = desc, way_out
    kernel = weight.reshape(g.filters, g.kernel[1], g.kernel[2])
    if g.flip:
        kernel = kernel[:, ::-1, ::-1]
    self.weights = np.repeat(kernel.astype(np.int16).reshape(-1), WORDS)
    self.plane.height, self.plane.width = g.input[1], g.input[2]
    self.plane.top, self.plane.left = g.before[1], g.before[2]
    self.plane.out_width = g.output[2]
    for i in range(2):
        self.plane.kernel[i], self.plane.dilation[i] = g.kernel[1 + i], g.dilation[1 + i]
    self.plane.low = <int>max(way_out.epilogue.lo, -32768.0)
    self.plane.high = <int>min(way_out.epilogue.hi, 32767.0)
    self.plane.has_sign, self.plane.type = signed_source, way_out.epilogue.type
    return self


cdef void run_task(void *context, Py_ssize_t task, int thread) noexcept nogil:
    """Some rows of outputs of one filter."""
    cdef const Job *job = <const Job *>context
    cdef const conv_geometry *g = job.g
    cdef fc_byte_plane plane = job.plane
    cdef Py_ssize_t index[3]
    cdef Py_ssize_t k, x
    unravel(task, job.tasks, 3, index)
    k = index[0] % g.filters
    x = ((index[0] // g.filters * g.channels + k // (g.filters // g.groups)) * g.input[0]
         + index[1]) * g.input[1] * g.input[2]
    plane.first = index[2] * job.block
    plane.rows = min(job.block, g.output[1] - plane.first)
    plane.bias = job.bias[k]
    job.bytes.plane(
        &plane, job.source + x, job.weights + k * g.kernel[1] * g.kernel[2] * WORDS,
        job.out + (index[0] * g.output[0] + index[1]) * g.output[1] * g.output[2]
        * job.out_itemsize)
