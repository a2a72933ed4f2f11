"""Blocks: what each block of a Dask array reads of its neighbours, and which results are its own.

An operation says so along each axis by a `Span` for every block, and `by_blocks` makes the graph:
halos by Dask's own overlapping, then one call of a function for each block, on one thread. Of a
memory-mapped file each block reads its own part, halo included, and there is no other task.
"""
import inspect
import itertools
from collections.abc import Callable
from typing import NamedTuple

import dask
import dask.array as da
import numpy as np

from fastconv.dask._files import FILES

MOST_KEPT = 1.125   # bytes of the array of which a block may be a view, for each byte of the block


class Span(NamedTuple):
    """One block along one axis.

    Attributes
    ----------
    start, stop : int
        What is read, by the whole array's places.
    before, after : int
        Padding that stands beside it.
    skip, keep : int
        Results that are left out, and those that are kept.
    """

    start: int
    stop: int
    before: int
    after: int
    skip: int
    keep: int


class Axis(NamedTuple):
    """What an operation does along one axis.

    Attributes
    ----------
    number : int
        The axis.
    halo : tuple of int
        Elements before and after that a block reads of its neighbours.
    first_of : callable(int) -> int
        The first result of a block that begins at that place of the array.
    outputs : int
        Results along the axis.
    span : callable(first, last, start, stop) -> Span
        What the results from `first` up to `last` read, which belong to the block from `start` up
        to `stop`.
    least : int
        Elements that a block must have.
    results : int
        Results that a block must have, if there are as many.
    unit : int
        Blocks begin at its multiples.
    """

    number: int
    halo: tuple[int, int]
    first_of: Callable
    outputs: int
    span: Callable
    least: int = 1
    results: int = 1
    unit: int = 1


def as_dask(name, argument, array):
    """The array as one of Dask's, whose chunks have known sizes."""
    array = da.asarray(array)
    if any(np.isnan(size) for sizes in array.chunks for size in sizes):
        raise ValueError(
            f"{name}: {argument} has chunks of unknown size; call its compute_chunk_sizes() first"
        )
    return array


def computed(array):
    """An operand that every block reads, as a NumPy array."""
    if array is None:
        return None
    return np.asarray(dask.compute(array)[0] if dask.is_dask_collection(array) else array)


def borders(axis, chunks):
    """Where blocks begin and end: the chunks' own borders, but where blocks would be too small."""
    length, least = sum(chunks), max(axis.least, *axis.halo, 1)
    kept, done = [0], 0
    results = min(axis.results, axis.outputs)
    for place in itertools.accumulate(chunks[:-1]):
        place = place // axis.unit * axis.unit
        first = min(max(axis.first_of(place), 0), axis.outputs)
        if (place - kept[-1] >= least and length - place >= least and first - done >= results
                and axis.outputs - first >= results):
            kept.append(place)
            done = first
    return [*kept, length]


def by_blocks(name, x, axes, call, other_chunks, dtype, more=()):
    """The Dask array of what `call` makes of every block.

    call(block, *blocks, pads) gets what a block reads, the blocks of arrays `more`, and the padding
    along each of the axes. other_chunks maps axes that are none of these to the result's chunks,
    where they differ.
    """
    spans, chunks, cut = {}, {}, {}
    for axis in axes:
        places = borders(axis, x.chunks[axis.number])
        cut[axis.number] = tuple(b - a for a, b in itertools.pairwise(places))
        firsts = [0, *(min(axis.first_of(p), axis.outputs) for p in places[1:-1]), axis.outputs]
        origins = [max(0, p - axis.halo[0]) for p in places[:-1]]
        spans[axis.number] = tuple(
            (origin, axis.span(first, last, start, stop))
            for origin, (first, last), (start, stop) in zip(
                origins, itertools.pairwise(firsts), itertools.pairwise(places), strict=True))
        chunks[axis.number] = tuple(last - first for first, last in itertools.pairwise(firsts))
    options = {"call": call, "dtype": dtype, "meta": np.empty((0,) * x.ndim, dtype), "token": name}
    file = None if more else FILES.get(x.name)
    x = x.rechunk(cut)
    results = tuple((other_chunks | chunks).get(i, x.chunks[i]) for i in range(x.ndim))
    if file is not None:
        spans |= {i: slices(x.chunks[i]) for i in range(x.ndim) if i not in spans}
        return da.map_blocks(compute_part, file=file, spans=spans, chunks=results, **options)
    halos = {axis.number: axis.halo for axis in axes
             if any(axis.halo) and len(cut[axis.number]) > 1}
    overlapped = da.overlap.overlap(x, halos, dict.fromkeys(halos, "none")) if halos else x
    more = [array.rechunk(results) for array in more]
    return da.map_blocks(compute_block, overlapped, *more, spans=spans, chunks=results,
                         enforce_ndim=False, **options)


def slices(chunks):
    """Where each chunk lies."""
    ends = itertools.accumulate(chunks)
    return tuple(slice(end - size, end) for size, end in zip(chunks, ends, strict=True))


def compute_block(block, *more, call, spans, block_id):
    """The results of one block, of which a part with halos is there."""
    read = [slice(None)] * block.ndim
    own = {number: blocks[block_id[number]] for number, blocks in spans.items()}
    for number, (origin, span) in own.items():
        read[number] = slice(span.start - origin, span.stop - origin)
    return results_of(block[tuple(read)], *more, call=call,
                      spans={number: span for number, (_, span) in own.items()})


def compute_part(file, call, spans, block_id):
    """The results of one block, whose part of a file is read here."""
    read, own = [None] * file.ndim, {}
    for number, blocks in spans.items():
        entry = blocks[block_id[number]]
        if isinstance(entry, slice):
            read[number] = entry
        else:
            _, own[number] = entry
            read[number] = slice(own[number].start, own[number].stop)
    return results_of(file.part(tuple(read)), call=call, spans=own)


def results_of(block, *more, call, spans):
    """What is kept of the results of what a block reads."""
    kept = [slice(None)] * block.ndim
    for number, span in spans.items():
        kept[number] = slice(span.skip, span.skip + span.keep)
    pads = [(span.before, span.after) for span in spans.values()]
    result = call(block, *more, pads=pads)[tuple(kept)]
    # A view keeps what is left out in memory as long as the block; a copy is as dear as a filter.
    whole = result if result.base is None else result.base
    return result if whole.nbytes <= MOST_KEPT * result.nbytes else result.copy()


# ---- axes ----

def windows(number, length, extent, stride, padding, outputs, *, results=1, repeats=(0, 0)):
    """Windows that read `extent` elements, `stride` apart, from `padding` before the first on.

    A window belongs to the block where the element is that an output of a layer of the same size
    stands for, so that such layers keep the chunks. repeats: elements at both ends that the padding
    repeats, and that must be read with it.
    """
    before = padding[0]
    anchor = min(before, extent - 1)

    def first_of(place):
        return max(0, -(-(place + before - anchor) // stride))

    def span(first, last, start, stop):
        low, high = first * stride - before, (last - 1) * stride - before + extent
        skip = 0
        if last == outputs:
            high = max(high, length + padding[1])
            skip = max(0, -(-(low - max(length - repeats[1], 0)) // stride)) if low > 0 else 0
            low -= skip * stride
        if low < 0:
            high = max(high, min(repeats[0], length))
        return Span(max(low, 0), min(high, length), max(-low, 0),
                    min(max(0, high - length), padding[1]), skip, last - first)

    least = max(repeats[0], repeats[1] + (stride if repeats[1] else 0), min(stride, length))
    return Axis(number, (anchor, extent - 1 - anchor), first_of, outputs, span, least, results)


def upsampled(number, length, extent, stride, before, outputs):
    """What a transposed convolution makes: each element of x reaches `extent` outputs."""

    def first_of(place):
        return place * stride

    def span(first, last, start, stop):
        first, last, count = first + before, last + before, last - first
        high = min(length, (last - 1) // stride + 1)
        low = min(max(0, -(-(first - extent + 1) // stride)), first // stride, high - 1)
        return Span(low, high, first - low * stride, (high - 1) * stride + extent - last, 0, count)

    halo = max(0, (extent - 1 - before) // stride), -(-before // stride)
    return Axis(number, halo, first_of, outputs, span)


def trimmed(number, length, depth, least=1):
    """As many results as elements, of which those near a cut are left out."""

    def span(first, last, start, stop):
        low, high = max(0, start - depth), min(length, stop + depth)
        return Span(low, high, 0, 0, start - low, stop - start)

    return Axis(number, (depth, depth), lambda place: place, length, span, max(least, depth + 1))


def resampled(number, length, up, down, halo, outputs):
    """Results ``up / down`` as close as elements: a block reads from a multiple of `down` on."""
    halo = -(-halo // down) * down

    def first_of(place):
        return -(-place * up // down)

    def span(first, last, start, stop):
        low = max(0, start // down * down - halo)
        return Span(low, min(length, stop + halo), 0, 0, first - low // down * up, last - first)

    return Axis(number, (halo + down, halo), first_of, outputs, span)


def shared(number, length, outputs):
    """Windows that share the axis out evenly: those of a whole fraction of it are its own."""
    parts = np.gcd(length, outputs).item()
    unit, each = length // parts, outputs // parts

    def span(first, last, start, stop):
        return Span(start, stop, 0, 0, 0, last - first)

    return Axis(number, (0, 0), lambda place: place // unit * each, outputs, span, 1,
                2 if outputs > 1 else 1, unit)


def repeated(x, number, before, after):
    """x with its far ends beside its ends."""
    length = x.shape[number]
    index = [slice(None)] * x.ndim
    parts = [x]
    if before:
        index[number] = slice(length - before, None)
        parts.insert(0, x[tuple(index)])
    if after:
        index[number] = slice(0, after)
        parts.append(x[tuple(index)])
    return da.concatenate(parts, axis=number)


# ---- what functions say of themselves ----

STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def described(function, of, array="x", note="", signature=None):
    """The function, as that of NumPy's arrays called `of` for the Dask array named `array`.

    The first line of its docstring stays, if it has one.
    """
    if signature is not None:
        function.__signature__ = signature
    function.__name__ = function.__qualname__ = of.rpartition(".")[2]
    parameters = inspect.signature(function).parameters.values()
    others = [STARS.get(p.kind, "") + p.name for p in parameters if p.name != array]
    summary = function.__doc__ or f"`{of}` of a Dask array, lazily and block by block."
    sections = {
        "Parameters": f"{array} : dask.array.Array\n    What is computed block by block.\n"
                      f"{', '.join(others)}\n    As for `{of}`.{note}",
        "Returns": "dask.array.Array\n    The result, which is not computed yet.",
        "See Also": f"{of} : The same for NumPy's arrays.",
    }  # fmt: skip
    function.__doc__ = "\n\n".join([
        summary, *(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items())
    ]) + "\n"  # fmt: skip
    return function
