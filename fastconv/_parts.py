"""Parts: complex numbers and exact integers by convolutions of real numbers.

Convolution is bilinear: where both operands are sums of parts, the result is the sum of the
products of the parts. A complex array has a real and an imaginary part. An integer array is one
part where no sum can pass 2^53, for then a convolution in float64 rounds nothing; else it is cut
into *limbs* of so few bits that this holds for the product of any two limbs, and these products
are added up in wrapping 64-bit arithmetic, which is exact wherever the result fits.

A *product* is what the caller gives: a function of one part of each operand, which runs the
convolution, or a gradient of it, on real arrays. Results are written once all products are done,
so that a call that fails leaves them as they were.
"""
from typing import NamedTuple

import numpy as np

from fastconv._core.reductions import reduced

EXACT = 1 << 53           # float64 holds every integer up to here
LONGEST = (1 << 63) - 1
ZERO, HALF, LOW = np.uint64(0), np.uint64(32), np.uint64((1 << 32) - 1)
MARGIN = 2.0**-40         # more than the relative rounding error of a sum in float64
# The rounding error of a convolution by Fourier transforms in float64, over the product of the
# operands' Euclidean norms (Percival, Math. Comp. 72, 2003, whose proof is for powers of two): a
# butterfly of radix r adds less than r + 4 units to the relative error of the norm, which is less
# than 6 for each bit of the length for every radix to 11; there are three transforms of less than
# 2^40 elements.
TRANSFORM_ERROR = 3 * 6 * 40 * 2.0**-53


class Part(NamedTuple):
    """A real array made of another array: how, and so the key under which it is kept."""

    name: str
    shift: int = 0
    width: int = 64

    def of(self, array):
        """That part of `array`; for complex numbers a view, for integers float64."""
        if self.name == "real":
            return array.real
        if self.name == "imag":
            return array.imag
        if self.name == "whole":
            return array.astype(np.float64)
        bits = _magnitude(array)
        if self.name == "magnitude":
            return bits.astype(np.float64)
        bits >>= np.uint64(self.shift)
        bits &= np.uint64((1 << self.width) - 1)
        limb = bits.astype(np.float64)
        if self.name == "limb" and array.dtype.kind == "i":
            np.negative(limb, where=array < 0, out=limb)
        return limb


REAL, IMAG = Part("real"), Part("imag")
WHOLE, MAGNITUDE = Part("whole"), Part("magnitude")


def usual_parts(array, result):
    """The parts of weights that every call of a plan is likely to need."""
    if result.kind == "i":
        return (WHOLE,)
    return (REAL, IMAG) if array.dtype.kind == "c" else (REAL,)


def multiply_complex(a, b, product, addends, out):
    """out = the product of a and b, of which at least one is complex, plus addends.

    A real operand has no imaginary part (not one of zero), so it costs half, and its infinities
    stay clear of products with zero.
    """
    a_complex, b_complex = a.dtype.kind == "c", b.dtype.kind == "c"
    real = product(REAL, REAL)
    if a_complex and b_complex:
        real -= product(IMAG, IMAG)
    imag = 0
    if b_complex:
        imag = product(REAL, IMAG)
    if a_complex:
        imag = imag + product(IMAG, REAL)
    for addend in addends:
        real += addend.real
        if addend.dtype.kind == "c":
            imag = imag + addend.imag
    out.real, out.imag = real, imag


def rounds_back(part, a, b):
    """Whether that part of a product by transforms, of a and b, is exact once rounded to integers.

    Not for magnitudes, of which a relative error is known.
    """
    norms = np.linalg.norm(a.ravel()) * np.linalg.norm(b.ravel())
    return part.name != "magnitude" and norms * TRANSFORM_ERROR < 0.25


def multiply_integers(function, largest, product, terms, addends, out):
    """out (int64) = a product of integers plus addends, exactly.

    largest: magnitudes of either operand; terms: at least as many as any sum has. OverflowError
    where the sum of magnitudes could pass 2^63 - 1.
    """
    bound = largest[0] * largest[1] * terms
    if bound > EXACT:
        magnitudes = product(MAGNITUDE, MAGNITUDE)
        bound = _check(function, magnitudes, product, terms, largest, addends)
    elif bound + sum(map(largest_magnitude, addends)) > LONGEST:
        _check(function, product(MAGNITUDE, MAGNITUDE), product, terms, largest, addends)
    if bound <= EXACT:
        total = product(WHOLE, WHOLE).astype(np.int64)
    else:
        total = np.zeros(out.shape, np.uint64)
        for p, q in _limbs(largest, terms):
            shift = p.shift + q.shift
            if shift < 64:  # else the product vanishes modulo 2^64
                total += product(p, q).astype(np.int64).view(np.uint64) << np.uint64(shift)
        total = total.view(np.int64)
    for addend in addends:
        total += addend.astype(np.int64)
    out[...] = total


def as_bits(array):
    """A view of `array`, or a native copy, with a dtype that is moved by its size alone.

    Elements keep their bits, whatever these mean; ``view`` turns arrays like it back.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    size = native.dtype.itemsize
    return native.view({4: "f4", 8: "f8", 16: "c16"}.get(size, f"u{size}"))


def sum_integers(function, planes, over_pieces):
    """Sums of all but the first axis, in int64, exactly; OverflowError as `multiply_integers`.

    `over_pieces` is what goes over the array piece by piece.
    """
    most = 1 if planes.dtype.kind == "b" else np.iinfo(planes.dtype).max + 1
    if most * (planes.size // max(len(planes), 1)) <= LONGEST:
        return over_pieces(planes, lambda piece: reduced(np.add, piece, axis=1, dtype=np.int64),
                           np.add)

    def sums(piece):
        # of the elements, modulo 2^64, and of both halves of their magnitudes
        bits = _magnitude(piece)
        low = reduced(np.add, bits & LOW, axis=1)
        high = reduced(np.add, bits >> HALF, axis=1)
        total = reduced(np.add, piece.astype(np.int64), axis=1).view(np.uint64)
        return combined((total, high, low), (ZERO, ZERO, ZERO))

    def combined(a, b):
        total, high, low = (one + other for one, other in zip(a, b))
        high += low >> HALF
        low &= LOW
        if (high >> np.uint64(31)).any():
            _refuse(function)
        return total, high, low

    return over_pieces(planes, sums, combined)[0].view(np.int64)


def _check(function, magnitudes, product, terms, largest, addends):
    """Refuse sums of magnitudes that pass 2^63 - 1; return the largest, rounded up."""
    bound = float(magnitudes.max(initial=0)) * (1 + MARGIN)
    total = magnitudes
    for addend in addends:
        total = total + MAGNITUDE.of(addend)
    if total.max(initial=0) > LONGEST * (1 + MARGIN):
        _refuse(function)
    close = np.nonzero(total > LONGEST * (1 - MARGIN))
    if close[0].size:
        # too close to tell in floating point: these sums again, in limbs and Python's integers
        exact = [0] * close[0].size
        for p, q in _limbs(largest, terms):
            shift = p.shift + q.shift
            limbs = product(Part("magnitude limb", p.shift, p.width),
                            Part("magnitude limb", q.shift, q.width))[close]
            exact = [e + (int(limb) << shift) for e, limb in zip(exact, limbs)]
        for addend in addends:
            bits = np.broadcast_to(_magnitude(addend), magnitudes.shape)[close]
            exact = [e + int(n) for e, n in zip(exact, bits)]
        if max(exact) > LONGEST:
            _refuse(function)
    return bound


def _limbs(largest, terms):
    """Pairs of limbs: the fewest whose products, `terms` of them, stay below 2^53."""
    bits = [max(1, n.bit_length()) for n in largest]
    room = 53 - terms.bit_length()
    counts = [(m, n) for m in range(1, 65) for n in range(1, 65)
              if -(-bits[0] // m) + -(-bits[1] // n) <= room]
    m, n = min(counts, key=lambda pair: pair[0] * pair[1])
    width = -(-bits[0] // m), -(-bits[1] // n)
    return [(Part("limb", i * width[0], width[0]), Part("limb", j * width[1], width[1]))
            for i in range(m) for j in range(n)]


def _magnitude(array):
    """|array| as uint64, which holds that of -2^63 too."""
    bits = array.astype(np.uint64)
    if array.dtype.kind == "i":
        np.negative(bits, where=array < 0, out=bits)
    return bits


def largest_magnitude(array, outside=None):
    """max |array|, and of what is around it, as an integer of Python's."""
    if outside is not None:
        return max(largest_magnitude(array), largest_magnitude(outside))
    if array.size == 0:
        return 0
    return max(int(reduced(np.maximum, array, axis=None)),
               -int(reduced(np.minimum, array, axis=None)))


def _refuse(function):
    raise OverflowError(
        f"{function}: the sum of magnitudes |x| |weight| of an element of the result passes "
        f"2^63 - 1, so that it might not fit int64; convert an input to float64"
    )
