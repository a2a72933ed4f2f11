"""What a stream keeps: the samples that later windows read, and the padding at both ends."""
import numpy as np

from fastconv._core.messages import shown
from fastconv._desc.arguments import as_array

# By padding_mode: numpy.pad's name, and how many samples beyond the padding's length are needed to
# write it.
PADS = {
    "zeros": ("constant", None), "constant": ("constant", None),
    "replicate": ("edge", None), "edge": ("edge", None),
    "symmetric": ("symmetric", 0), "reflect": ("reflect", 1),
}  # fmt: skip
LONG = 1 << 16   # bytes; to keep so many costs less than to copy few
MOST_STEPS = 64   # whose arithmetic is kept


def samples_for(mode, length):
    """Samples at an end of the signal that tell what so much padding beside it holds."""
    name, more = PADS[mode]
    if length == 0 or name == "constant":
        return 0
    return 1 if more is None else length + more


class Stream:
    """What is kept of one axis, and which windows are full.

    Places along the axis are counted from the first sample that is held. `_skip` is where the next
    window begins: past what is held where windows lie apart, and negative where a pooling's own
    padding, which is not held, stands before it.
    """

    def __init__(self, name):
        self._name = name
        self._plans, self._steps = {}, {}
        self.reset()

    def _set_window(self, axis, extent, stride, padding, mode, value, ceil_mode=False, pairs=False):
        """What windows are along the stream's axis, which counts from an array's last.

        pairs: one window has other bits than the same one of two, and the last is computed again
        with the one before.
        """
        if mode in ("circular", "wrap") and padding == (0, 0):
            mode = "zeros"
        if mode is not None and mode not in PADS:
            raise ValueError(
                f"{self._name}: padding_mode={shown(mode)} needs the far end of the signal first, "
                f"so that a stream cannot have it along its own axis"
            )
        self._axis, self._extent, self._stride = axis, extent, stride
        self._padding, self._mode, self._value = padding, mode, value
        self._ceil, self._pairs = ceil_mode, pairs
        # What must still be there when the signal ends.
        self._tail = 0 if mode is None else samples_for(mode, padding[1])
        if ceil_mode or pairs:
            self._tail = max(self._tail, extent + stride)
        self._skip = -padding[0] if mode is None else 0

    def reset(self):
        """Forget the signal: the next chunk is the first of another one."""
        self._held = self._dtype = None
        self._skip = self._samples = self._emitted = 0
        self._starting = self._finished = False

    @property
    def latency(self):
        """Samples after its own that an output waits for, once the signal has begun."""
        return max(0, self._extent - 1 - self._padding[0])

    @property
    def nbytes(self):
        """Bytes of the signal that are held."""
        return 0 if self._held is None else self._held.nbytes

    def push(self, chunk):
        """Go on with the signal.

        Parameters
        ----------
        chunk : array_like
            The next samples, of any number: shaped and typed like the first chunk but for the
            length of the stream's axis.

        Returns
        -------
        ndarray
            The outputs that are known now and were not before; there may be none.

        Raises
        ------
        TypeError
            If the chunk is not an array of numbers, or has not the first chunk's dtype.
        ValueError
            If the chunk's shape does not fit, or the signal has ended.
        """
        chunk, axis = as_array(self._name, "chunk", chunk, True), self._axis
        if self._held is None or chunk.dtype is not self._dtype or self._starting:
            held, starting = self._joined(chunk)
            if starting:
                self._held, self._starting = held, True
                self._samples += chunk.shape[axis]
                return self._nothing(held)
        else:
            try:
                held = np.concatenate((self._held, chunk), axis)
            except ValueError:
                raise self._misfit(chunk) from None
        n, skip = place = held.shape[axis], self._skip
        # Small calls are what streams are made of: a place's arithmetic is done once.
        run, start, stop, count, first, after = self._steps.get(place) or self._step(*place)
        if count > 0:
            piece = held if stop - start == n else self._part(held, start, stop)
            result = (run(piece) if run is not None
                      else self._compute(piece, count, max(-skip, 0), None))
            self._emitted += count
        else:
            result = self._nothing(held)
        self._samples += chunk.shape[axis]
        if first > 0:
            kept = held[..., first:] if axis == -1 else self._part(held, first, n)
            # A copy, so that a long chunk's memory is free.
            held = kept.copy() if held.nbytes > LONG else kept
        self._held, self._skip, self._starting = held, after, False
        return result

    def _step(self, n, skip):
        """What is done with n samples when the next window begins at `skip`.

        The function that computes, if there is one already, the part of the samples that it reads,
        the number of outputs, the first sample that is kept, and where the next window begins then.
        """
        count = max(0, (n - skip - self._extent) // self._stride + 1)
        start = max(skip, 0)
        stop = skip + (count - 1) * self._stride + self._extent
        run = self._plans.get(stop - start) if count > 0 else None
        after = skip + count * self._stride
        first = max(0, min(after, n - self._tail))
        step = run, start, stop, count, first, after - first
        if run is not None:
            while len(self._steps) >= MOST_STEPS:
                del self._steps[next(iter(self._steps))]
            self._steps[n, skip] = step
        return step

    def finish(self, chunk=None):
        """End the signal.

        Parameters
        ----------
        chunk : array_like, optional
            The last samples, as for `push`: so the rest of one stream ends the next one.

        Returns
        -------
        ndarray
            The outputs that are left: those whose windows reach into the padding after the end,
            and those of the chunk.

        Raises
        ------
        TypeError
            As `push` does.
        ValueError
            As `push` does, and if the whole signal is shorter than a window.
        """
        before = None if chunk is None else self.push(chunk)
        if self._held is None:
            raise ValueError(f"{self._name}: the stream has " + (
                "ended; `reset` it for another signal" if self._finished
                else "no signal: nothing was pushed"))
        result = self._rest()
        if self._emitted == 0:
            raise ValueError(
                f"{self._name}: the window spans {self._extent} samples, but the signal has "
                f"{self._samples}, and padding {self._padding}"
            )
        self._held, self._finished = None, True
        return result if before is None else np.concatenate((before, result), self._axis)

    def _rest(self):
        """The windows that are left when the signal ends."""
        held, after = self._held, self._padding[1]
        if self._mode is not None:
            held = self._ended(held)
            after = 0
        skip, n = self._skip, held.shape[self._axis]
        spare = n - skip + after - self._extent
        count = spare // self._stride + 1
        if self._ceil:
            count = -(-spare // self._stride) + 1
            count -= skip + (count - 1) * self._stride >= n
        if count <= 0:
            return self._nothing(held)
        # A last window that hangs over the end is computed with those before it, which suffice.
        again = min(max(self._pairs and count == 1, -(spare // self._stride)), self._emitted)
        skip -= again * self._stride
        result = self._compute(self._part(held, max(skip, 0), n), again + count, max(-skip, 0),
                               after)
        self._emitted += count
        return self._part(result, again, again + count)

    def _joined(self, chunk):
        """What is held with a chunk; and whether the padding before the signal is still unknown."""
        if self._finished:
            raise ValueError(f"{self._name}: the stream has ended; `reset` it for another signal")
        dtype = chunk.dtype.newbyteorder("=")
        if self._held is None:
            held = self._begin(chunk)
            self._dtype = dtype
        elif dtype != self._dtype:
            raise TypeError(f"{self._name}: chunk has dtype {dtype}, but the first one had "
                            f"{self._dtype}; give chunk.astype({str(self._dtype)!r})")
        else:
            try:
                held = np.concatenate((self._held, chunk), self._axis)
            except ValueError:
                raise self._misfit(chunk) from None
        if self._mode is None or (self._held is not None and not self._starting):
            return held, False
        before = self._padding[0]
        if self._samples + chunk.shape[self._axis] < samples_for(self._mode, before):
            return held, True
        return self._padded(held, before, 0), False

    def _ended(self, held):
        """What is held, with the padding after the signal, and before it if that is missing."""
        before, after = self._padding
        name = PADS[self._mode][0]
        if self._samples == 0 and name != "constant" and (before or after):
            raise ValueError(f"{self._name}: the signal has no samples, which "
                             f"padding_mode={shown(self._mode)} cannot extend")
        if self._starting:
            return self._padded(held, before, after)
        n = held.shape[self._axis]
        real = min(n, self._samples)
        if after == 0:
            return held
        if name == "constant":
            return self._padded(held, 0, after)
        end = self._padded(self._part(held, n - real, n), 0, after)
        return np.concatenate((held, self._part(end, real, real + after)), self._axis)

    def _padded(self, array, before, after):
        widths = [(0, 0)] * array.ndim
        widths[self._axis] = before, after
        name = PADS[self._mode][0]
        values = {"constant_values": self._value} if name == "constant" else {}
        return np.pad(array, widths, name, **values)

    def _part(self, array, start, stop):
        return array[(..., slice(start, stop), *(slice(None),) * (-1 - self._axis))]

    def _misfit(self, chunk):
        return ValueError(f"{self._name}: chunk has shape {chunk.shape}, which differs from "
                          f"that of the first one in more than the stream's axis {self._axis}")

    def __getstate__(self):
        # These are made again when they are needed.
        return self.__dict__ | {"_plans": {}, "_steps": {}}
