"""Integers of 8 and 16 bits: multiplied as what they are wherever the sums fit.

There are two fast ways to exact sums. Those below 2^31 are sums of words, two at a time, or of
bytes, four at a time: of neighbouring channels (`direct/words`), or of one channel's neighbours
(in `depthwise`: `words`, and bytes in `byte_planes` and `byte_pixels`; in `byte_sums` those whose
sums fit words). Those below 2^24 are exact in float32, whose kernels serve what these do not, and
depthwise layers of small planes of words, where they are faster.
For the rest there are the parts of `ByParts`, in float64. Which way it is depends on bounds: what
the dtype of x can hold and the weights' magnitudes, and where these do not suffice, what x holds.
"""
import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals

from fastconv._algorithms.depthwise.byte_pixels cimport (
    byte_pixels, byte_pixels_seconds, serves_byte_pixels,
)
from fastconv._algorithms.depthwise.byte_planes cimport (
    byte_planes, byte_planes_seconds, serves_byte_planes,
)
from fastconv._algorithms.depthwise.byte_sums cimport byte_sums, serves_byte_sums
from fastconv._algorithms.depthwise.words cimport serves as rows_serve
from fastconv._algorithms.depthwise.words cimport word_rows, word_rows_seconds
from fastconv._algorithms.direct.word_gradient cimport (
    serves_word_gradient, word_gradient_seconds,
)
from fastconv._algorithms.direct.words cimport bytes_of, takes_bytes, words, words_seconds
from fastconv._algorithms.matrix_unit.bytes cimport tiles_of_bytes, tiles_seconds
from fastconv._call.cache cimport strict_algorithm
from fastconv._call.kernels cimport ByParts, RealPass, along_channels, by_parts, real_pass
from fastconv._core.words cimport Requantization, from_floats, in_floats, lent
from fastconv._desc.conv cimport ConvDesc, conv_geometry
from fastconv._kernels.bytes cimport have_bytes

from fastconv._algorithms.direct.word_gradient import word_gradient
from fastconv._algorithms.record import BACKWARD_WEIGHT, FORWARD
from fastconv._parts import largest_magnitude

cnp.import_array()

cdef enum:
    COPY_BYTES = 4 << 20   # of images in float32 at once; or one image
    SHORT = 8              # results of a row, half a vector of 64 bytes
    USUAL = 1 << 13        # magnitude of words, of whose products some fit 32 bits

cdef double RESULT_SECONDS = 0.1e-9     # that a sum takes to become a result of 8 bits
cdef double DOUBLE_SECONDS = 1.2e-9     # that an integer takes to become a double, or one of it

WORDS_HOLD = (1 << 31) - 1      # sums of 32 bits
FLOATS_HOLD = 1 << 24           # float32 holds every integer up to here
cdef tuple INT32 = (-(1 << 31), (1 << 31) - 1)
cdef object int64 = np.dtype(np.int64)
cdef object int32 = np.dtype(np.int32)


# ---- what arrays hold ----

cdef bint is_small(dtype):
    """Whether elements have at most 16 bits; bool is the smallest unsigned integer."""
    return dtype.kind in "iub" and dtype.itemsize <= 2


cdef cnp.ndarray native(cnp.ndarray array):
    """In this machine's byte order, bool as bytes."""
    if array.descr.kind == b"b":
        return array.view(np.uint8)
    return array.astype((<object>array).dtype.newbyteorder("="), copy=False)


cdef tuple limits(dtype):
    """The least and the greatest number that it holds."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


cdef tuple span(cnp.ndarray array):
    """The least and the greatest element."""
    if cnp.PyArray_SIZE(array) == 0:
        return 0, 0
    return int((<object>array).min()), int((<object>array).max())


cdef object magnitude(tuple reach):
    return max(-reach[0], reach[1])


cdef bint are_words(tuple reach):
    """Whether 16 bits hold what reaches so far."""
    return reach[0] >= -(1 << 15) and reach[1] < 1 << 15


cdef bint are_bytes(tuple reach):
    """Whether 8 bits hold what reaches so far, with a sign."""
    return reach[0] >= -(1 << 7) and reach[1] < 1 << 7


cdef object largest_sum(cnp.ndarray weight, bint forward, Py_ssize_t groups):
    """The largest sum of magnitudes of the weights that meet in one element of the result."""
    shape = (<object>weight).shape
    if cnp.PyArray_SIZE(weight) == 0:
        return 0
    magnitudes = np.abs(weight, dtype=np.int32).reshape(groups, shape[0] // groups, shape[1], -1)
    return int(magnitudes.sum(axis=(2, 3) if forward else (1, 3), dtype=np.int64).max())


# ---- the fast ways ----

cdef class SmallIntegers:
    """A pass whose source and weights have at most 16 bits, with the kernels of both fast ways."""

    cdef object way(self, cnp.ndarray source):
        """"words", "bytes", "signed bytes", "floats" or None."""
        cdef conv_geometry *g = &self.real.desc.g
        cdef Py_ssize_t channels = (g.channels if self.forward else g.filters) // g.groups
        cdef bint fast
        kind = self.words_or_bytes(source.dtype)
        fast = (kind != "words" or self.has_words()) and self.is_fast_in_words()
        low, high = limits(source.dtype)
        reach = low - self.zero_point, high - self.zero_point
        room = (WORDS_HOLD if fast else FLOATS_HOLD) - self.most_bias
        weights = magnitude(self.weight_reach) * channels * (
            g.kernel[0] * g.kernel[1] * g.kernel[2])
        if magnitude(reach) * weights > room:
            weights = self.sum_of_weights()
        if magnitude(reach) * weights > room or fast and not are_words(reach):
            low, high = span(source)
            reach = low - self.zero_point, high - self.zero_point
        if (kind == "words" or self.has_short_rows()) and self.is_small_image() and (
                self.fits_floats(reach)):
            return "floats"
        if fast and magnitude(reach) * weights <= room and are_words(reach):
            return kind
        return "floats" if self.fits_floats(reach) else None

    cdef bint is_small_image(self):
        """Whether rows of words would take longer than float32: its arrays stay in caches.

        Lines are made and stored one by one, which tells on the small planes of depthwise layers.
        """
        cdef conv_geometry *g = &self.real.desc.g
        cdef double size = (<double>g.channels * g.input[0] * g.input[1] * g.input[2]
                            + <double>g.filters * g.output[0] * g.output[1] * g.output[2])
        return self.forward and rows_serve(self.real.desc) and size * 4 <= COPY_BYTES

    cdef bint has_short_rows(self):
        """Whether a stride leaves rows so short that making elements takes longer than sums."""
        cdef conv_geometry *g = &self.real.desc.g
        return g.stride[1] > 1 and g.output[2] < SHORT

    cdef bint fits_floats(self, tuple reach):
        """Whether float32 rounds no sum of elements that reach so far."""
        return (self.real.folded is None and self.real.algorithm.tier == "highest"
                and magnitude(reach) * self.sum_of_weights() <= FLOATS_HOLD - self.most_bias)

    cdef object words_or_bytes(self, dtype):
        """"words", "bytes" or "signed bytes"."""
        if dtype.itemsize > 1 or not self.has_bytes() or not self.weights_are_bytes():
            return "words"
        return "bytes" if dtype.kind == "u" else "signed bytes"

    cdef bint has_bytes(self) except -1:
        """Whether a driver sums bytes."""
        return takes_bytes(self.real.desc, self.real.which) or self.takes_single_channels()

    cdef bint weights_are_bytes(self) except -1:
        """Whether 8 bits with a sign hold the weights, by their dtype or by what they are."""
        if not are_bytes(self.weight_reach) and cnp.PyArray_SIZE(self.weight):
            self.weight_reach = span(self.weight)
        return are_bytes(self.weight_reach)

    cdef bint takes_single_channels(self) except -1:
        """Whether a driver sums bytes of one channel's neighbours."""
        return self.forward and (serves_byte_planes(self.real.desc)
                                 or serves_byte_pixels(self.real.desc))

    cdef bint takes_tiles(self):
        """Whether a matrix unit is expected to be faster than vectors, whose bytes take half as
        long as words; the way out of results is in the model of tiles only."""
        cdef conv_geometry *g = &self.real.desc.g
        cdef double results = <double>g.filters * g.output[0] * g.output[1] * g.output[2]
        return (tiles_seconds(self.real.desc)
                < self.seconds_in_words() / 2 + RESULT_SECONDS * results)

    cdef object of_bytes(self, bint signed_source, int threads):
        if self.takes_single_channels():
            if self.fits_words(signed_source):
                return byte_sums(self.real.desc, self.weight, signed_source, self.way_out)
            if serves_byte_planes(self.real.desc):
                return byte_planes(self.real.desc, self.weight, signed_source, self.zero_point,
                                   self.way_out)
            return byte_pixels(self.real.desc, self.weight, signed_source, self.zero_point,
                               self.way_out)
        if self.takes_tiles():
            return tiles_of_bytes(self.real.desc, self.weight, signed_source, self.zero_point,
                                  self.way_out, threads)
        return bytes_of(self.real.desc, self.weight, signed_source, self.zero_point,
                        self.way_out, threads)

    cdef bint fits_words(self, bint signed_source) except -1:
        """Whether a driver keeps sums of 16 bits, which these weights cannot pass."""
        return serves_byte_sums(self.real.desc, self.way_out, self.zero_point) and (
            (128 if signed_source else 255) * self.sum_of_weights() + self.most_bias
            < 1 << 15)

    cdef object sum_of_weights(self):
        if self.largest_sum is None:
            self.largest_sum = largest_sum(self.weight, self.forward, self.real.desc.g.groups)
        return self.largest_sum

    cdef bint has_words(self):
        """Whether a driver sums words: of pairs of channels, or of one channel's rows."""
        cdef conv_geometry *g = &self.real.desc.g
        if self.forward:
            return g.channels > g.groups or rows_serve(self.real.desc)
        return g.filters > g.groups

    cdef double seconds_in_words(self):
        """What the cost model takes an image for."""
        if self.takes_single_channels() and are_bytes(self.weight_reach):
            return (byte_planes_seconds(self.real.desc) if serves_byte_planes(self.real.desc)
                    else byte_pixels_seconds(self.real.desc))
        if self.forward and rows_serve(self.real.desc):
            return word_rows_seconds(self.real.desc)
        return words_seconds(self.real.desc, self.real.which)

    cdef bint is_fast_in_words(self):
        """Whether they take less time than a transform that was chosen, and hold the weights."""
        algorithm = self.real.algorithm
        if not are_words(self.weight_reach):
            self.weight_reach = span(self.weight)
        return are_words(self.weight_reach) and (
            not self.by_choice or algorithm.tier == "highest"
            or self.seconds_in_words()
            < algorithm.cost(self.real.desc, self.real.which).seconds)

    cdef object kernel(self, way, int threads):
        """That of one way, made when needed."""
        cdef ConvDesc desc
        kernel = self.kernels.get(way)
        if kernel is None:
            if way == "words" and self.forward and rows_serve(self.real.desc):
                kernel = word_rows(self.real.desc, self.weight, self.zero_point, self.way_out)
            elif way != "floats" and way != "words":
                kernel = self.of_bytes(way == "signed bytes", threads)
            elif way == "words":
                kernel = words(self.real.desc, self.real.which, self.weight, self.zero_point,
                               self.way_out, threads)
            else:
                desc = self.real.desc.in_float32()
                kernel = real_pass(
                    desc, self.real.which, strict_algorithm(desc, self.real.which), None,
                    self.real.appends)
                kernel = (<RealPass>kernel).prepare(self.weight.astype(np.float32), threads)
            self.kernels[way] = kernel
        return kernel

    cdef bint run(self, cnp.ndarray source, cnp.ndarray out, int threads) except -1:
        """Compute, unless it takes wider sums; returns whether it did."""
        way = self.way(source)
        if way is None:
            return False
        if way != "floats":
            self.real.around(self.kernel(way, threads)).run(source, None, None, out, threads)
        else:
            self.run_floats(source, out, threads)
        return True

    cdef int run_floats(self, cnp.ndarray source, cnp.ndarray out, int threads) except -1:
        """Some images at a time, so that copies stay small."""
        cdef Py_ssize_t i, batch = cnp.PyArray_DIM(out, 0), images
        cdef cnp.ndarray sums
        kernel = self.kernel("floats", threads)
        images = max(1, COPY_BYTES // max(1, 4 * max(
            cnp.PyArray_SIZE(source), cnp.PyArray_SIZE(out)) // max(batch, 1)))
        sums = lent((min(images, batch), *(<object>out).shape[1:]))
        for i in range(0, batch, images):
            PyErr_CheckSignals()
            kernel.run(in_floats(source[i:i + images], self.zero_point, threads), None, None,
                       sums[:batch - i], threads)
            from_floats(sums[:batch - i], self.way_out, out[i:i + images],
                        self.real.desc.g.channels_last, threads)
        return 0


cdef SmallIntegers small_integers(RealPass real, cnp.ndarray weight, tuple weight_reach,
                                  int zero_point, Requantization way_out, bint by_choice):
    cdef SmallIntegers self = SmallIntegers.__new__(SmallIntegers)
    have_bytes()  # which may replace the kernels of words, before they are used
    self.real, self.weight, self.weight_reach = real, weight, weight_reach
    self.zero_point, self.way_out, self.by_choice = zero_point, way_out, by_choice
    self.most_bias = largest_magnitude(way_out.bias)
    self.forward, self.kernels = real.which == FORWARD, {}
    return self


# ---- convolutions of integers ----

cdef class Exactly:
    """A pass of integers into int64: the fast ways, and `ByParts` for what they do not take.

    Or into what `sums_dtype` says; in fewer than 32 bits results saturate.
    """

    cdef ByParts parts
    cdef cnp.ndarray weight
    cdef bint by_choice
    cdef dict small            # `SmallIntegers`, by the dtype that they write

    cdef SmallIntegers small_for(self, dtype, bias):
        """What has the fast ways, unless the bias is too large; it is that of every call."""
        cdef ConvDesc desc = self.parts.real.desc
        cdef bint forward = self.parts.real.which == FORWARD
        cdef SmallIntegers small = self.small.get(dtype)
        if small is None:
            addend = np.zeros(desc.g.filters if forward else desc.g.channels, np.int32)
            if bias is not None and forward:
                if largest_magnitude(bias) > WORDS_HOLD:
                    return None
                addend = bias
            small = self.small[dtype] = small_integers(
                self.parts.real, self.weight, limits(self.weight.dtype), 0,
                Requantization(addend, limits(dtype) if is_small(dtype) else INT32, dtype),
                self.by_choice)
        return small

    def prepare(self, like, bias, int threads, computed):
        """Make what every call is likely to need, for a source like this and that dtype."""
        cdef SmallIntegers small = None
        way = None
        if is_small(like.dtype):
            small = self.small_for(computed, bias)
        if small is not None:
            way = small.way(native(like))
        if way is None:
            self.parts.prepare(like, bias, threads, computed)
        else:
            small.kernel(way, threads)

    def run(self, source, bias, residual, out, int threads):
        """As an algorithm's; bias, residual and out are integers."""
        cdef ConvDesc desc = self.parts.real.desc
        cdef SmallIntegers small = None
        if residual is None and is_small(source.dtype):
            small = self.small_for(out.dtype, bias)
        if small is None or not small.run(native(source), out, threads):
            self.run_wide(source, bias, residual, out, threads)
        elif bias is not None and not small.forward:  # also where no sum reaches
            out += along_channels(bias, desc.g.channels_last, desc.g.rank)

    cdef int run_wide(self, source, bias, residual, out, int threads) except -1:
        """By parts, in int64; a result of fewer bits saturates."""
        if not is_small(out.dtype):
            self.parts.run(source, bias, residual, out, threads)
            return 0
        sums = np.empty(out.shape, int64)
        self.parts.run(source, bias, residual, sums, threads)
        np.clip(sums, *limits(out.dtype), out=sums)
        out[...] = sums


def exact_pass(RealPass real, weight, result, cnp.ndarray outside, bint by_choice):
    """The kernel of a pass of complex numbers or integers; outside: as of `ByParts`.

    by_choice: the algorithm was chosen, and not asked for by name.
    """
    cdef Exactly self
    cdef ByParts parts = by_parts(real, weight, result, outside)
    if (result.kind != "i" or outside is not None or not is_small(weight.dtype)
            or not goes_exactly(real.desc, real.algorithm, by_choice)):
        return parts
    self = Exactly.__new__(Exactly)
    self.parts, self.weight, self.by_choice, self.small = parts, native(weight), by_choice, {}
    return self


cdef bint takes_words(ConvDesc desc, algorithm, bint by_choice, tuple largest) except -1:
    """Whether the gradient of weights of these magnitudes is best of words."""
    cdef conv_geometry *g = &desc.g
    cdef double elements = (<double>g.channels * g.input[0] * g.input[1] * g.input[2]
                            + <double>g.filters * g.output[0] * g.output[1] * g.output[2])
    cdef double results = (<double>g.filters * (g.channels // g.groups)
                           * g.kernel[0] * g.kernel[1] * g.kernel[2])
    if not serves_word_gradient(desc, largest):
        return False
    if not by_choice:
        return algorithm.name == "direct"
    return word_gradient_seconds(desc) < (
        algorithm.cost(desc, BACKWARD_WEIGHT).seconds
        + (elements + results / max(desc.batch, 1)) * DOUBLE_SECONDS)


def weight_gradient_in_words(ConvDesc desc, algorithm, bint by_choice, grad_output, x, outside,
                             tuple largest, out, per_sample, int threads):
    """Write the gradient of weights as sums of words, unless another way is better; returns
    whether it did. outside: as of `ByParts`; largest: the magnitudes of both."""
    cdef Py_ssize_t i
    if not (is_small(grad_output.dtype) and is_small(x.dtype)
            and takes_words(desc, algorithm, by_choice, largest)):
        return False
    if not per_sample:
        word_gradient(desc, grad_output, x, outside, largest, out, threads)
    else:
        for i in range(len(x)):
            word_gradient(desc, grad_output[i:i + 1], x[i:i + 1], outside, largest, out[i],
                          threads)
    return True


def sum_of_small(ConvDesc desc, weight):
    """The largest sum of magnitudes of a filter's weights, if these are small integers."""
    return largest_sum(weight, True, desc.g.groups) if is_small(weight.dtype) else None


def sums_dtype(ConvDesc desc, algorithm, bint by_choice, x_dtype, weight, sum_of_weights, bias,
               out, out_dtype, casting):
    """The dtype of a forward pass of integers before any conversion; `sum_of_weights` is that of
    `sum_of_small` or None, if that is to be found when needed.

    int32 where a result of at most as many bits is asked for and no sum of the dtypes can pass it;
    that result's own where it saturates, or no sum of these weights can pass that.
    """
    cdef conv_geometry *g = &desc.g
    if out_dtype is not None:
        try:
            asked = np.dtype(out_dtype)
        except TypeError:  # for `conversion` to complain of
            return int64
    elif isinstance(out, np.ndarray):
        asked = out.dtype
    else:
        return int64
    if asked.kind not in "iu" or asked.itemsize > 4 or not (
            is_small(x_dtype) and is_small(weight.dtype)):
        return int64
    largest = magnitude(limits_of(x_dtype))
    addend = 0 if bias is None else largest_magnitude(bias)
    if largest * magnitude(limits_of(weight.dtype)) * (g.channels // g.groups) * (
            g.kernel[0] * g.kernel[1] * g.kernel[2]) + addend > WORDS_HOLD:
        return int64
    if is_small(asked) and goes_exactly(desc, algorithm, by_choice) and (
            casting == "saturate" or asked.kind == "i"
            and largest * (sum_of_small(desc, weight) if sum_of_weights is None
                           else sum_of_weights) + addend <= limits(asked)[1]):
        return asked.newbyteorder("=")
    return int32


cdef bint goes_exactly(ConvDesc desc, algorithm, bint by_choice):
    """Whether a pass of small integers is one of `Exactly`, which stores in any dtype."""
    return desc.g.padding_value == 0 and (by_choice or algorithm.name == "direct")


cdef tuple limits_of(dtype):
    """`limits`, also of bool."""
    return (0, 1) if dtype.kind == "b" else limits(dtype)


# ---- in words ----

def integers_in_words(ConvDesc desc, str which, algorithm, dtype, bint by_choice):
    """How a pass of integers goes, for `explain`; the weights have the same dtype."""
    cdef SmallIntegers small
    cdef conv_geometry *g = &desc.g
    cdef bint fast
    wide = f"{dtype} is converted to float64, in parts where sums might pass 2^53."
    if not is_small(dtype):
        return wide
    if which == BACKWARD_WEIGHT:
        most = magnitude(limits_of(dtype))
        if not takes_words(desc, algorithm, by_choice, (min(most, USUAL), min(most, USUAL))):
            return wide
        large = "" if most <= USUAL else ", unless numbers are so large that few products fit 32"
        return f"{dtype} is multiplied as words, with sums of 64 bits{large}."
    if not goes_exactly(desc, algorithm, by_choice):
        return wide
    small = small_integers(
        real_pass(desc, which, algorithm), np.empty(0, native(np.empty(0, dtype)).dtype),
        limits_of(dtype), 0, Requantization(np.zeros(1, np.int32), INT32, int64), by_choice)
    kind = "words" if small.words_or_bytes(dtype) == "words" else "bytes"
    fast = (kind == "bytes" or small.has_words()) and small.is_fast_in_words()
    if not fast and algorithm.tier != "highest":
        return wide
    how, hold = "converted to float32", FLOATS_HOLD
    if fast and not ((kind == "words" or small.has_short_rows()) and small.is_small_image()):
        how, hold = f"multiplied as {kind}, with sums of 32 bits", WORDS_HOLD
    most = hold // magnitude(limits_of(dtype))
    products = (g.channels if small.forward else g.filters) // g.groups * (
        g.kernel[0] * g.kernel[1] * g.kernel[2])
    if products * magnitude(limits_of(dtype)) <= most:
        return f"{dtype} is {how}, which no weights of {dtype} can pass."
    return (f"{dtype} is {how}, while the magnitudes of a filter's weights add up to {most:,} "
            f"at most; if they do not, what x holds decides.")
