"""Convolutions by SciPy's transforms: in blocks where that is less work, and on threads.

Along each axis the wanted outputs are cut into blocks. What a block needs of the longer array is
transformed, multiplied by the other's spectrum, and transformed back; wrapped-around outputs are
left out (overlap and save). An axis along which blocks do not pay is one block.
"""
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fastconv._algorithms.fft import transforms
from fastconv._core.python_threads import call_in_parallel
from fastconv.runtime import get_num_threads

CHUNK = 1 << 16           # elements that a thread transforms at a time: some L2 caches hold them
SHORTEST = 64             # blocks, for the sake of what each transform has to do besides
THREADED = 1 << 15        # elements from which on a second thread is worth its start
OUT_OF_CACHE = 1 << 17    # elements from which on a transform waits for memory,
MEMORY_FACTOR = 1.5       # and about how much longer it takes then


class Axis(NamedTuple):
    """How one axis is cut."""

    length: int   # of the transform
    begin: int    # of the first block in the longer array; may be negative
    window: int   # elements of the longer array that a block takes
    offset: int   # of the first output that a block keeps
    step: int     # outputs of a block
    blocks: int

    def cost(self):
        """About what the transforms of all blocks cost."""
        return self.blocks * work(self.length)


def convolved(a, b, axes, regions, how):
    """A part of the full convolution along `axes`; the others go by NumPy's broadcasting.

    regions: for each of `axes` the first element that is wanted, and how many.
    """
    if b.size > a.size:
        a, b = b, a
    real = a.dtype.kind != "c" and b.dtype.kind != "c"
    a, b, dtype = _of_one_precision(a, b)
    threads = (how.num_threads or get_num_threads()) if a.size >= THREADED else 1
    cuts = [cut(a.shape[i], b.shape[i], *part, real) for i, part in zip(axes, regions)]
    if all(c.blocks == 1 for c in cuts):
        return _whole(a, b, axes, cuts, real, threads)
    return _in_blocks(a, b, axes, regions, cuts, real, threads, dtype)


def _whole(a, b, axes, cuts, real, threads):
    """One transform of each array."""
    part = [slice(None)] * a.ndim
    for i, c in zip(axes, cuts):
        part[i] = slice(c.begin, c.begin + c.window)
    a = a[tuple(part)]
    spectra = [None, None]

    def transform(i, x, workers):
        spectra[i] = _transformed(x, axes, cuts, real, workers)

    if threads > 1 and len(cuts) == 1 and a.size == a.shape[axes[0]]:
        # SciPy has no threads for a single line
        call_in_parallel(lambda i: transform(i, (a, b)[i], 1), 2, threads)
    else:
        transform(0, a, threads)
        transform(1, b, threads)
    return np.ascontiguousarray(_back(_times(*spectra), axes, cuts, real, threads))


def _in_blocks(a, b, axes, regions, cuts, real, threads, dtype):
    """A transform of each block, some blocks at a time."""
    behind = range(-len(axes), 0)
    windows = _windows(a, axes, cuts)
    kernel = np.lib.stride_tricks.sliding_window_view(b, [b.shape[i] for i in axes], axes)
    loop = max(range(a.ndim), key=lambda i: windows.shape[i])
    many = windows.shape[loop] >= 2 * threads
    inside = 1 if many else threads  # threads of one transform
    spectrum = _transformed(kernel, behind, cuts, real, threads)
    outer = np.broadcast_shapes(windows.shape[:a.ndim], kernel.shape[:a.ndim])
    out = np.empty(outer + tuple(c.step for c in cuts), dtype)

    def run(start, stop):
        part = (slice(None),) * loop + (slice(start, stop),)
        product = _transformed(windows[part], behind, cuts, real, inside)
        product = _times(product, spectrum[part] if spectrum.shape[loop] > 1 else spectrum)
        out[part] = _back(product, behind, cuts, real, inside)

    count = windows.shape[loop]
    size = max(1, CHUNK * count // math.prod(windows.shape)) if many else count
    call_in_parallel(lambda i: run(i * size, min((i + 1) * size, count)), -(-count // size),
                     threads)
    return _put_together(out, axes, cuts, [count for _, count in regions])


@lru_cache(maxsize=1024)
def cut(length, taps, first, count, real):
    """The cut of an axis that is estimated to be the least work."""
    begin, end = max(0, first - taps + 1), min(length, first + count)
    window = end - begin
    # shorter ones would do where outputs at the ends are not wanted, but round more
    whole = fast(window + taps - 1, real)
    blocks = [Axis(whole, begin, window, first - begin, count, 1)]
    # shorter blocks round more: less of them is kept
    n = max(SHORTEST, 1 << (4 * taps).bit_length())
    while taps > 1 and n < whole and n - taps + 1 < count:
        step = n - taps + 1
        blocks.append(Axis(n, first - taps + 1, n, taps - 1, step, -(-count // step)))
        n *= 2
    return min(blocks, key=Axis.cost)


def work(n):
    """About what a transform of that length costs."""
    return n * math.log2(n + 1) * (MEMORY_FACTOR if n >= OUT_OF_CACHE else 1)


def fast(n, real):
    """The next length that has small factors."""
    return transforms.fft.next_fast_len(n, real)


def _windows(a, axes, cuts):
    """What each block takes of `a`: blocks in the place of the axes, windows after them."""
    pads, part = [(0, 0)] * a.ndim, [slice(None)] * a.ndim
    for i, c in zip(axes, cuts):
        end = c.begin + (c.blocks - 1) * c.step + c.window
        pads[i] = max(0, -c.begin), max(0, end - a.shape[i])
        part[i] = slice(max(0, c.begin), min(end, a.shape[i]))
    a = a[tuple(part)]
    if any(pad != (0, 0) for pad in pads):
        a = np.pad(a, pads)
    view = np.lib.stride_tricks.sliding_window_view(a, [c.window for c in cuts], axes)
    steps = [slice(None)] * a.ndim
    for i, c in zip(axes, cuts):
        steps[i] = slice(None, None, c.step)
    return view[tuple(steps)]


def _of_one_precision(a, b):
    """Both in the precision of the result, whose dtype comes third; integers are float64."""
    dtype = np.result_type(*(x.dtype if x.dtype.kind in "fc" else np.float64 for x in (a, b)))
    real, complexes = (np.float32, np.complex64) if dtype.char in "fF" else (
        np.float64, np.complex128)
    return (a.astype(complexes if a.dtype.kind == "c" else real, copy=False),
            b.astype(complexes if b.dtype.kind == "c" else real, copy=False), dtype)


def _transformed(x, axes, cuts, real, workers):
    """The spectrum along the axes, each as long as it must be and no sooner."""
    for i, c in reversed(list(zip(axes, cuts))):
        name, real = "rfft" if real else "fft", False
        x = transforms.along(name, x, n=c.length, axis=i, workers=workers,
                             overwrite_x=name == "fft" and i != axes[-1])
    return x


def _times(product, spectrum):
    """Their product, in the place of the first if that has the room."""
    if product.shape == np.broadcast_shapes(product.shape, spectrum.shape):
        product *= spectrum
        return product
    return product * spectrum


def _back(product, axes, cuts, real, workers):
    """The outputs that are kept, from products of spectra."""
    for i, c in zip(axes, cuts):
        name = "irfft" if real and i == axes[-1] else "ifft"
        product = transforms.along(name, product, n=c.length, axis=i, workers=workers,
                                   overwrite_x=True)
        kept = [slice(None)] * product.ndim
        kept[i] = slice(c.offset, c.offset + c.step)
        product = product[tuple(kept)]
    return product


def _put_together(out, axes, cuts, counts):
    """Blocks and their outputs as one axis again, without what the last blocks have too much."""
    ndim = out.ndim - len(axes)
    order, shape, part = [], [], []
    for i in range(ndim):
        order.append(i)
        shape.append(out.shape[i])
        part.append(slice(None))
        if i in axes:
            j = axes.index(i)
            order.append(ndim + j)
            shape[-1] *= cuts[j].step
            part[-1] = slice(counts[j])
    return np.ascontiguousarray(out.transpose(order).reshape(shape)[tuple(part)])
