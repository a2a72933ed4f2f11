"""Streams: convolutions and poolings of a signal that arrives in chunks and need not end.

A stream keeps what later windows will read. The results that it gives, one after the other, have
the bits of the whole signal's, however that was cut into chunks: each sum has its own order,
whatever is computed beside it.
"""
import numpy as np

from fastconv import pool as poolings
from fastconv._call.plan import Prepared
from fastconv._call.stream import Stream
from fastconv._core.messages import shown
from fastconv._desc import hints
from fastconv._desc.arguments import as_flag, as_shape
from fastconv._desc.conv import describe_conv
from fastconv._desc.geometry import geometry

__all__ = ["ConvStream", "PoolStream", "stream_pool"]

MOST_LENGTHS = 8    # of pieces that have plans of their own; others are rounded up
STEPS_PER_OCTAVE = 8    # of rounded lengths: they are at most an eighth too long
MOST_PLANS = 32


class ConvStream(Stream):
    """A convolution of a signal that arrives in chunks, made by `ConvPlan.stream`.

    The outputs of `push` and, at the end, of `finish`, one after the other, are those of the whole
    signal: ``conv(signal, weight, …, method=stream.method)``, bit for bit, however it was cut. A
    stream keeps the samples that later outputs need, fewer than a window's and a stride's, and as
    many as padding at the end reflects. It can be pickled and goes on from there. One thread at a
    time may use it; other streams of the same plan are others.

    Attributes
    ----------
    method : str
        The algorithm: the plan's, where that gives each output the same bits whatever is computed
        beside it (``"direct"``, ``"depthwise"`` and ``"sliding"``, and all that is exact), else the
        fastest of these.
    latency : int
        Samples after its own that an output waits for: a kernel of `k` taps with padding `p` before
        has ``dilation * (k - 1) - p``, so that ``padding=((k - 1, 0),)`` has none.
    nbytes : int
        Bytes of the signal that are held.

    See Also
    --------
    plan_conv : Makes a plan.
    stream_pool : The same for poolings.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> plan = fastconv.plan_conv((1, 100), np.ones((1, 1, 3)), padding=((2, 0),))
    >>> stream = plan.stream()
    >>> stream.push(np.array([[1.0, 2, 3]]))
    array([[1., 3., 6.]])
    >>> stream.push(np.array([[4.0]]))
    array([[9.]])
    """

    def __init__(self, *made_from):
        if len(made_from) != 5:
            raise TypeError("ConvStream: a stream is made by a plan: plan_conv(...).stream()")
        prepared, weight, windows, options, axis = made_from
        desc = prepared.description
        g = desc.geometry
        rank, last = g["rank"], g["channels_last"]
        self._last = last
        index = as_axis("plan.stream", axis, rank)
        spatial = slice(3 - rank, None)
        before, after = g["before"][spatial], g["after"][spatial]
        padding = list(zip(before, after))
        own, padding[index] = padding[index], (0, 0)
        self._image = desc.input_shape(1)[desc.batched:]
        self._outputs = desc.output_shape(1)[desc.batched:]
        self._result = prepared.dtype
        from fastconv._select import of_any_cut  # the algorithms, which the import need not load

        self.method = of_any_cut(desc, "forward", prepared.algorithm, options["max_workspace"])
        self._weight, self._windows = weight, windows | {"padding": tuple(padding)}
        self._options = options | {"method": "auto" if desc.exact else self.method,
                                   "precision": "highest"}
        super().__init__("plan.stream")
        self._set_window(index - rank - last,
                         g["dilation"][spatial][index] * (g["kernel"][spatial][index] - 1) + 1,
                         g["asked_stride"][spatial][index], own, windows["padding_mode"],
                         windows["padding_value"])

    def _begin(self, chunk):
        """The first chunk, if it is an image of the plan's or a batch of these."""
        self._skip = 0
        axis = self._axis % len(self._image)
        more = chunk.ndim - len(self._image)
        image = list(chunk.shape[more:])
        image[axis:axis + 1] = self._image[axis:axis + 1]
        if more not in (0, 1) or tuple(image) != self._image:
            raise ValueError(
                f"{self._name}: chunk has shape {chunk.shape}, but the plan was made for "
                f"{self._image} with any batch in front, or none, and any length of axis "
                f"{self._axis}"
                f"{hints.of_image_axes('chunk', chunk.ndim, len(self._image) - 1, self._last)}"
            )
        return chunk.astype(chunk.dtype.newbyteorder("="))

    def _nothing(self, held):
        shape = [*held.shape[:held.ndim - len(self._image)], *self._outputs]
        shape[self._axis] = 0
        return np.empty(shape, self._result)

    def _compute(self, piece, count, lead, after):
        length = self._planned_length(piece.shape[self._axis], count)
        if length > piece.shape[self._axis]:
            shape = list(piece.shape)
            shape[self._axis] = length - piece.shape[self._axis]
            piece = np.concatenate((piece, np.zeros(shape, piece.dtype)), self._axis)
        run = self._plans.get(length)
        if run is None:
            while len(self._plans) >= MOST_PLANS:
                del self._plans[next(iter(self._plans))]
                self._steps.clear()
            shape = [*self._image]
            shape[self._axis] = length
            run = Prepared(geometry("plan.stream", None, **self._windows), tuple(shape),
                           self._weight, **self._options).run
            self._plans[length] = run
        return self._part(run(piece), 0, count)

    def _planned_length(self, length, count):
        """The length itself for the first few, else of one that outputs of many counts share."""
        if len(self._plans) < MOST_LENGTHS:
            return length
        step = max(1, (1 << count.bit_length() - 1) // STEPS_PER_OCTAVE)
        return length + -count % step * self._stride

    def __repr__(self):
        return f"<ConvStream {self.method} along axis {self._axis}, {self._samples} samples so far>"


def as_axis(name, axis, rank):
    """The number of a spatial axis, from 0 on."""
    if not isinstance(axis, int) or isinstance(axis, bool):
        raise TypeError(f"{name}: axis must be an int, not {shown(axis)}")
    if not -rank <= axis < rank:
        raise ValueError(f"{name}: axis must be one of the {rank} spatial axes, from {-rank} to "
                         f"{rank - 1}, not {axis}")
    return axis % rank


class PoolStream(Stream):
    """A pooling of a signal that arrives in chunks, made by `stream_pool`.

    As `ConvStream`: the outputs of `push` and `finish`, one after the other, are those of the whole
    signal, bit for bit, however it was cut.

    Attributes
    ----------
    latency : int
        Samples after its own that an output waits for.
    nbytes : int
        Bytes of the signal that are held.

    See Also
    --------
    stream_pool : Makes one.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> stream = fastconv.stream_pool("max", 2)
    >>> stream.push(np.array([[1, 5, 2]]))
    array([[5]])
    >>> stream.push(np.array([[4]]))
    array([[4]])
    """

    def __init__(self, *made_from):
        if len(made_from) != 6:
            raise TypeError("PoolStream: a stream is made by stream_pool(kind, kernel_size, ...)")
        kind, kernel_size, windows, options, axis, rank = made_from
        self._kind, self._kernel_size = kind, kernel_size
        self._asked, self._options, self._of_axes = windows, options, (axis, rank)
        super().__init__("stream_pool")
        if rank is None and not isinstance(kernel_size, int):
            rank = max(1, len(kernel_size))
        # With one number the first chunk tells the axes; until then it is a signal.
        self._set_axes(rank or 1, None)

    def _set_axes(self, rank, lengths):
        """What windows are along each axis; lengths: of the others, if they are known."""
        index = as_axis(self._name, self._of_axes[0], rank)
        kernel = self._kernel_size
        if isinstance(kernel, int) or len(kernel) == 1:
            kernel = (kernel if isinstance(kernel, int) else kernel[0],) * rank
        asked = dict(self._asked)
        if asked["stride"] is None or (type(asked["stride"]) is tuple and not asked["stride"]):
            asked["stride"] = kernel
        # For what is not known any length will do that is longer than a window, and fits 2^63.
        lengths = list(lengths or (1 << 16,) * rank)
        lengths[index] = 1 << 24
        mode = "zeros" if self._options["padding_mode"] is None else self._options["padding_mode"]
        g = describe_conv(
            geometry(self._name, rank, **asked, padding_mode=mode),
            (1, *lengths), (1, 1, *kernel), 1).geometry
        kernel, stride, dilation, before, after = (
            g[key][3 - rank:] for key in ("kernel", "asked_stride", "dilation", "before", "after"))
        padding = list(zip(before, after))
        if str(asked["padding"]).startswith("same") and stride[index] > 1:
            raise ValueError(
                f"{self._name}: padding={asked['padding']!r} at a stride of {stride[index]} "
                f"depends on the signal's length, which a stream does not know; give numbers")
        own = padding[index]
        if self._options["padding_mode"] is not None:
            padding[index] = 0, 0
        self._rank, self._index, self._padding_of_all = rank, index, padding
        self._call = {"kernel_size": tuple(kernel), "stride": tuple(stride),
                      "dilation": tuple(dilation)}
        self._set_window(index - rank - (self._options["data_format"] == "channels_last"),
                         dilation[index] * (kernel[index] - 1) + 1, stride[index], own,
                         self._options["padding_mode"], self._options["padding_value"],
                         self._options["ceil_mode"],
                         self._kind in ("avg", "lp") and kernel[index] > 1)

    def _begin(self, chunk):
        """The first chunk, which tells the axes and the lengths of those that do not go on."""
        rank = self._of_axes[1]
        if rank is None and isinstance(self._kernel_size, int):
            rank = max(1, chunk.ndim - 2)
        rank = rank or self._rank
        if chunk.ndim not in (rank + 1, rank + 2):
            raise ValueError(
                f"{self._name}: chunk has {chunk.ndim} axes (shape {chunk.shape}), but {rank} "
                f"spatial axes need {rank + 2}, or {rank + 1} without the batch axis")
        last = self._options["data_format"] == "channels_last"
        end = chunk.ndim - last
        self._set_axes(rank, chunk.shape[end - rank:end])
        return chunk.astype(chunk.dtype.newbyteorder("="))

    def _nothing(self, held):
        shape = list(held.shape)
        shape[self._axis] = self._extent   # of one output, of which none is taken
        return self._part(self._pool(np.zeros(shape, held.dtype), (0, 0)), 0, 0)

    def _compute(self, piece, count, lead, after):
        if count > 1 or not self._pairs or after is not None:
            return self._pool(piece, (lead, after or 0))
        shape = list(piece.shape)
        shape[self._axis] = self._stride   # one more window, which is left out again
        piece = np.concatenate((piece, np.zeros(shape, piece.dtype)), self._axis)
        return self._part(self._pool(piece, (lead, 0)), 0, 1)

    def _pool(self, piece, padding):
        pads = list(self._padding_of_all)
        pads[self._index] = padding
        function = getattr(poolings, f"{self._kind}_pool{self._rank}d")
        return function(piece, **self._call, padding=tuple(pads), **self._options)

    def __repr__(self):
        return (f"<PoolStream {self._kind} of {self._call['kernel_size']} along axis {self._axis}, "
                f"{self._samples} samples so far>")


def stream_pool(kind, kernel_size, stride=None, padding=0, dilation=1, *, norm_type=2,
                ceil_mode=False, padding_mode=None, padding_value=0, count_include_pad=True,
                divisor_override=None, data_format="channels_first", axis=-1, rank=None,
                num_threads=None):
    """Prepare a pooling of a signal that arrives in chunks.

    Parameters
    ----------
    kind : {"max", "min", "avg", "lp"}
        Which pooling: `max_pool`, `min_pool`, `avg_pool` or `lp_pool`.
    kernel_size, stride, padding, dilation
        As for these. ``"same"`` padding needs a stride of 1 along the stream's axis.
    norm_type : number, default 2
        For ``"lp"``, as for `lp_pool`.
    ceil_mode, padding_mode, padding_value, data_format, num_threads
        As for `max_pool`. Along the stream's axis ``"circular"`` is refused.
    count_include_pad, divisor_override
        For ``"avg"``, as for `avg_pool`.
    axis : int, default -1
        Which of the spatial axes goes on: from 0, or from -1 backwards.
    rank : int, optional
        Number of spatial axes; by default the entries of `kernel_size`, or, if that is one number,
        all axes of the first chunk but two, and at least one.

    Returns
    -------
    PoolStream
        Give it chunks by `push`, and end the signal by `finish`.

    Raises
    ------
    TypeError, ValueError
        As `max_pool` does; ValueError also for what needs the far end of the signal first.

    See Also
    --------
    ConvPlan.stream : The same for convolutions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> stream = fastconv.stream_pool("avg", 2)
    >>> stream.push(np.array([[1.0, 3, 5]]))
    array([[2.]])
    >>> stream.push(np.array([[7.0, 9]]))
    array([[6.]])
    """
    name = "stream_pool"
    if kind not in ("max", "min", "avg", "lp"):
        raise ValueError(f"{name}: kind={shown(kind)} is not one of 'max', 'min', 'avg', 'lp'")
    if rank is not None and (type(rank) is not int or not 1 <= rank <= 3):
        raise ValueError(f"{name}: rank must be None or from 1 to 3, not {shown(rank)}")
    if not isinstance(kernel_size, int):
        kernel_size = as_shape(name, "kernel_size", kernel_size)
    options = {"ceil_mode": as_flag(name, "ceil_mode", ceil_mode), "padding_mode": padding_mode,
               "padding_value": padding_value, "data_format": data_format,
               "num_threads": num_threads}
    if kind == "avg":
        options |= {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    elif kind == "lp":
        options |= {"norm_type": norm_type}
    return PoolStream(kind, kernel_size,
                      {"stride": stride, "padding": padding, "dilation": dilation}, options, axis,
                      rank)
