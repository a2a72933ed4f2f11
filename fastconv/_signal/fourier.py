"""Convolutions by SciPy's transforms: in blocks where that is less work, and on threads.

Along each axis the wanted outputs are cut into blocks. What a block needs of the longer array is
transformed, multiplied by the other's spectrum, and transformed back; wrapped-around outputs are
left out (overlap and save). An axis along which blocks do not pay is one block.
"""
import math
import threading
from typing import NamedTuple

import numpy as np

from fastconv._algorithms.fft import transforms
from fastconv.runtime import get_num_threads

CHUNK = 1 << 16           # elements that a thread transforms at a time: some L2 caches hold them
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
    cuts = [cut(a.shape[i], b.shape[i], *part, real) for i, part in zip(axes, regions)]
    threads = how.num_threads or get_num_threads()
    windows = _windows(a, axes, cuts)
    kernel = _taps_last(b, axes)
    outer = np.broadcast_shapes(windows.shape[:a.ndim], kernel.shape[:a.ndim])
    if math.prod(windows.shape) < THREADED:
        threads = 1
    loop = max(range(a.ndim), key=lambda i: windows.shape[i])
    many = windows.shape[loop] >= 2 * threads
    inside = 1 if many else threads  # threads of one transform
    spectrum, first = _both(kernel, windows, cuts, real, inside, threads, many)
    out = np.empty(outer + tuple(c.step for c in cuts), dtype)

    def chunk(start, stop):
        part = (slice(None),) * loop + (slice(start, stop),)
        run(part)

    def run(part):
        product = _transformed(windows[part], cuts, real, inside) if first is None else first
        product = _times(product, spectrum[part] if spectrum.shape[loop] > 1 else spectrum)
        out[part] = _back(product, cuts, real, inside)

    if many:
        size = max(1, CHUNK * windows.shape[loop] // math.prod(windows.shape))
        _on_threads(chunk, windows.shape[loop], size, threads)
    else:
        run((slice(None),))
    return _put_together(out, axes, cuts, [count for _, count in regions])


def cut(length, taps, first, count, real):
    """The cut of an axis that is estimated to be the least work."""
    begin, end = max(0, first - taps + 1), min(length, first + count)
    window = end - begin
    # shorter ones would do where outputs at the ends are not wanted, but round more
    whole = fast(window + taps - 1, real)
    blocks = [Axis(whole, begin, window, first - begin, count, 1)]
    n = 1 << (4 * taps).bit_length()  # shorter blocks round more: less of them is kept
    while taps > 1 and n < whole:
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


def _taps_last(b, axes):
    """`b` with its taps behind, and one block along each of their axes."""
    return np.lib.stride_tricks.sliding_window_view(b, [b.shape[i] for i in axes], axes)


def _of_one_precision(a, b):
    """Both in the precision of the result, whose dtype comes third; integers are float64."""
    dtype = np.result_type(*(x.dtype if x.dtype.kind in "fc" else np.float64 for x in (a, b)))
    real, complexes = (np.float32, np.complex64) if dtype.char in "fF" else (
        np.float64, np.complex128)
    return (a.astype(complexes if a.dtype.kind == "c" else real, copy=False),
            b.astype(complexes if b.dtype.kind == "c" else real, copy=False), dtype)


def _both(kernel, windows, cuts, real, inside, threads, many):
    """The spectrum of the kernel; and beside it, on a thread, of windows that are one line."""
    if many or threads == 1 or len(cuts) > 1:
        return _transformed(kernel, cuts, real, inside), None
    found = {}

    def other():
        found["spectrum"] = _transformed(kernel, cuts, real, 1)

    thread = threading.Thread(target=other)
    thread.start()
    first = _transformed(windows, cuts, real, 1)
    thread.join()
    return found["spectrum"] if "spectrum" in found else _transformed(
        kernel, cuts, real, 1), first


def _transformed(x, cuts, real, workers):
    """Spectra of the last axes, each as long as it must be and no sooner."""
    x = transforms.along("rfft" if real else "fft", x, n=cuts[-1].length, axis=-1, workers=workers)
    for i in range(2, len(cuts) + 1):
        x = transforms.along("fft", x, n=cuts[-i].length, axis=-i, workers=workers,
                             overwrite_x=True)
    return x


def _times(product, spectrum):
    if product.dtype == np.result_type(product, spectrum) and product.shape == (
            np.broadcast_shapes(product.shape, spectrum.shape)):
        product *= spectrum
        return product
    return product * spectrum


def _back(product, cuts, real, workers):
    """The outputs that are kept, from products of spectra."""
    for i in range(len(cuts), 1, -1):
        c = cuts[-i]
        product = transforms.along("ifft", product, n=c.length, axis=-i, workers=workers,
                                   overwrite_x=True)
        product = product[(..., slice(c.offset, c.offset + c.step)) + (slice(None),) * (i - 1)]
    c = cuts[-1]
    product = transforms.along("irfft" if real else "ifft", product, n=c.length, axis=-1,
                               workers=workers, overwrite_x=True)
    return product[..., c.offset:c.offset + c.step]


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


def _on_threads(run, count, size, threads):
    """Call run(start, stop) for every chunk, on so many threads; the first error is raised."""
    starts = iter(range(0, count, size))
    lock, errors = threading.Lock(), []

    def work_off():
        while not errors:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            try:
                run(start, min(start + size, count))
            except BaseException as error:
                errors.append(error)

    helpers = [threading.Thread(target=work_off)
               for _ in range(min(threads, -(-count // size)) - 1)]
    for helper in helpers:
        helper.start()
    try:
        work_off()
    except BaseException as error:  # Ctrl-C between two chunks
        errors.append(error)
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
