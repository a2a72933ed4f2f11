"""Random problems, each reproducible from one integer.

``ConvCase.draw(seed)`` and ``PoolCase.draw(seed)`` choose a geometry, dtypes, the kind of numbers
and the memory layout of every array; ``repr(case)`` says all of it on one line. The same seed gives
the same case on every machine, so a failing one is reported by its number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fastconv.testing import reference

__all__ = [
    "DTYPES",
    "POOL_DTYPES",
    "VIEWS",
    "WRITEABLE",
    "ConvCase",
    "PoolCase",
    "TransposeCase",
    "as_view",
    "empty_view",
]

# Every kind of number that a convolution takes, and a pooling; what is common is drawn more often.
DTYPES = (
    *("float32",) * 6,
    *("float64",) * 4,
    *("float16",) * 2,
    *("complex64", "complex128") * 2,
    *("int8", "uint8", "int16", "int32", "int64", "bool"),
)
POOL_DTYPES = (
    *("float32",) * 6,
    *("float64",) * 4,
    *("float16",) * 2,
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"),
)

# Ways for an array to lie in memory. "plain" is C-contiguous, aligned, native and writeable.
VIEWS = (
    "plain",
    "reversed",
    "broadcast",
    "fortran",
    "permuted",
    "slice",
    "swapped",
    "misaligned",
    "readonly",
)

# Those that an `out` may have: native, writeable, and no two elements in one place.
WRITEABLE = ("plain", "reversed", "fortran", "permuted", "slice", "misaligned")

_MODES = ("zeros", "reflect", "symmetric", "replicate", "circular", "constant", "edge", "wrap")
_ACTIVATIONS = (
    "relu",
    "relu6",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "silu",
    ("clip", -0.5, 0.75),
)


def as_view(array, view, rng=None):
    """The numbers of `array` in another memory layout.

    Parameters
    ----------
    array : ndarray
        The numbers.
    view : str
        One of `VIEWS`. ``"broadcast"`` repeats the first entries of one axis, and so changes
        the numbers.
    rng : numpy.random.Generator, optional
        Chooses axes and steps where `view` leaves a choice.

    Returns
    -------
    ndarray
        Of the same shape, and of the same dtype but for ``"swapped"``.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    match view:
        case "plain":
            return np.array(array, order="C")
        case "broadcast" if array.ndim:
            axis = int(rng.integers(array.ndim))
            first = np.take(array, [0] if array.shape[axis] else [], axis=axis)
            return np.broadcast_to(first, array.shape)
        case "swapped":
            return array.astype(array.dtype.newbyteorder())
        case "readonly":
            result = array.copy()
            result.flags.writeable = False
            return result
    result = empty_view(array.shape, array.dtype, view, rng)
    result[...] = array
    return result


def empty_view(shape, dtype, view, rng=None):
    """A writeable array of arbitrary content in one of the layouts of `VIEWS`.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : dtype
        Its dtype.
    view : str
        One of `VIEWS`; those that are not writeable or not native give a plain array.
    rng : numpy.random.Generator, optional
        Chooses axes and steps where `view` leaves a choice.

    Returns
    -------
    ndarray
        Filled with NaN, where the dtype has one, else with 77 (True).
    """
    rng = np.random.default_rng(0) if rng is None else rng
    dtype, rank = np.dtype(dtype), len(shape)
    match view:
        case "reversed":
            result = np.empty(shape, dtype)[(slice(None, None, -1),) * rank]
        case "fortran":
            result = np.empty(shape, dtype, order="F")
        case "permuted":
            order = rng.permutation(rank)
            result = np.empty([shape[a] for a in order], dtype).transpose(np.argsort(order))
        case "slice":
            starts, steps = rng.integers(0, 3, rank), rng.integers(1, 4, rank)
            lengths = [int(a + n * s + 1) for a, n, s in zip(starts, shape, steps, strict=True)]
            slices = (
                slice(int(a), int(a + n * s), int(s))
                for a, n, s in zip(starts, shape, steps, strict=True)
            )
            result = np.empty(lengths, dtype)[tuple(slices)]
        case "misaligned":
            buffer = np.empty(math.prod(shape) * dtype.itemsize + 1, np.uint8)
            result = buffer[1:].view(dtype).reshape(shape)
        case _:
            result = np.empty(shape, dtype)
    result[...] = np.nan if dtype.kind in "fc" else 77
    return result


def _numbers(rng, shape, dtype, kind):
    """Random numbers: zero-mean, small integers, all positive, with ties, or with NaN."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        parts = [_numbers(rng, shape, np.float64, kind) for _ in range(2)]
        return np.asarray(parts[0] + 1j * parts[1], dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "u":
        return rng.integers(0, 7, shape).astype(dtype)
    if dtype.kind == "i":
        kind = "integers"
    match kind:
        case "normal":
            values = rng.standard_normal(shape)
        case "integers":
            values = rng.integers(-3, 4, shape)
        case "positive":
            values = rng.random(shape) + 0.5
        case "nan":
            values = rng.integers(-3, 4, shape).astype(float)
            values[rng.random(shape) < 0.1] = np.nan
        case _:
            raise ValueError(f"unknown kind of numbers {kind!r}")
    return np.asarray(values, dtype)


def _choice(rng, options, weights=None):
    if weights is not None:
        weights = np.asarray(weights, float) / sum(weights)
    return options[int(rng.choice(len(options), p=weights))]


def _axes(rng, low, high, rank):
    """One integer in ``low..high`` for every axis; often the same, and then often a plain int."""
    if rng.random() < 0.5:
        value = int(rng.integers(low, high + 1))
        return value if rng.random() < 0.5 else (value,) * rank
    return tuple(int(v) for v in rng.integers(low, high + 1, rank))


def _padding(rng, rank, limit):
    """Padding in one of its forms; numbers up to `limit`."""
    form = _choice(
        rng, ("ints", "pairs", "valid", "same", "same_lower", "full"), (4, 3, 1, 2, 1, 1)
    )
    if form == "ints":
        return _axes(rng, 0, limit, rank)
    if form == "pairs":
        return tuple((int(a), int(b)) for a, b in rng.integers(0, limit + 1, (rank, 2)))
    return form


def _result_dtype(*dtypes):
    """NumPy's promotion; whole numbers are summed in int64 and stay there."""
    dtype = np.result_type(*dtypes)
    return np.dtype(np.int64) if dtype.kind in "biu" else dtype


def _view(rng):
    return "plain" if rng.random() < 0.5 else _choice(rng, VIEWS)


def _text(value):
    return str(value).replace(" ", "")


@dataclass(frozen=True)
class ConvCase:
    """One random convolution.

    Attributes
    ----------
    seed : int
        What the case was drawn from.
    x_shape, weight_shape : tuple of int
        Shapes of the arrays, `x_shape` without a batch axis in some cases.
    stride, padding, dilation, groups, padding_mode, data_format, flip, activation
        Arguments of the convolution, in every form they may take.
    bias, residual : bool
        Whether there is one.
    dtype : str
        Dtype of x, residual and gradients.
    weight_dtype : str
        Dtype of weight and bias.
    numbers : str
        ``"normal"``, ``"integers"`` or ``"positive"``.
    views : tuple of str
        Memory layouts of x, weight, bias, residual, out and the output's gradient.
    num_threads : int
        Number of threads to use.
    """

    seed: int
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: int | tuple[int, ...]
    padding: object
    dilation: int | tuple[int, ...]
    groups: int
    padding_mode: str
    data_format: str
    flip: bool
    activation: object
    bias: bool
    residual: bool
    dtype: str
    weight_dtype: str
    numbers: str
    views: tuple[str, ...]
    num_threads: int

    @classmethod
    def draw(
        cls, seed: int, rank: int = 2, dtypes=("float32", "float64"), limit: int = 150_000
    ) -> ConvCase:
        """The case of number `seed`.

        Parameters
        ----------
        seed : int
            Any non-negative integer.
        rank : int
            Number of spatial axes.
        dtypes : sequence of str
            Dtypes to choose from.
        limit : int
            Most multiply-adds.

        Returns
        -------
        ConvCase
            The same for the same arguments.
        """
        rng = np.random.default_rng([seed, rank, 1])
        while True:
            case = cls._draw(seed, rng, rank, dtypes)
            try:
                output = case.output_shape
            except ValueError:
                continue
            if math.prod(output) * math.prod(case.weight_shape[1:]) <= limit:
                return case

    @classmethod
    def _draw(cls, seed, rng, rank, dtypes):
        # Each profile stretches one of the dimensions along which kernels are vectorised, past
        # two of the longest vectors.
        profile = _choice(rng, ("small", "wide", "deep", "depthwise", "pointwise"), (4, 2, 2, 1, 1))
        groups = _choice(rng, (1, 2, 3), (4, 1, 1))
        per_group, filters = (int(v) for v in rng.integers(1, 6, 2))
        spatial = rng.integers(1, 12, rank)
        kernel = rng.integers(1, 5, rank)
        if profile == "wide":
            spatial[-1] = rng.integers(12, 80)
        elif profile == "deep":
            groups = _choice(rng, (1, 2), (3, 1))
            per_group, filters = (int(v) for v in rng.integers(1, 72 // groups, 2))
            spatial = np.minimum(spatial, 7)
        elif profile == "depthwise":
            groups, per_group, filters = int(rng.integers(2, 40)), 1, int(rng.integers(1, 3))
        elif profile == "pointwise":
            per_group, filters = (int(v) for v in rng.integers(1, 40, 2))
            kernel[:] = 1
        data_format = _choice(rng, ("channels_first", "channels_last"), (3, 2))
        x_shape = (groups * per_group, *(int(n) for n in spatial))
        if data_format == "channels_last":
            x_shape = (*x_shape[1:], x_shape[0])
        if rng.random() < 0.85:
            x_shape = (int(rng.integers(1, 4)), *x_shape)
        dtype = _choice(rng, dtypes)
        case = cls(
            seed=seed,
            x_shape=x_shape,
            weight_shape=(groups * filters, per_group, *(int(k) for k in kernel)),
            stride=_axes(rng, 1, 3, rank),
            padding=_padding(rng, rank, 4),
            dilation=_axes(rng, 1, 3, rank) if rng.random() < 0.4 else 1,
            groups=groups,
            padding_mode="zeros" if rng.random() < 0.5 else _choice(rng, _MODES),
            data_format=data_format,
            flip=bool(rng.random() < 0.25),
            activation=_choice(rng, _ACTIVATIONS) if rng.random() < 0.35 else None,
            bias=bool(rng.random() < 0.5),
            residual=bool(rng.random() < 0.25),
            dtype=dtype,
            weight_dtype=dtype if rng.random() < 0.9 else _choice(rng, dtypes),
            numbers=_choice(rng, ("normal", "integers", "positive"), (4, 2, 1)),
            views=tuple(_view(rng) for _ in range(6)),
            num_threads=int(rng.integers(1, 4)),
        )
        kinds = {np.dtype(case.dtype).kind, np.dtype(case.weight_dtype).kind}
        if kinds == {"f"}:
            return case
        # Activations are real functions. (Of integers, the sum's maximum with 0 is an integer.)
        relu = "relu" if case.activation == "relu" and "c" not in kinds else None
        numbers = "normal" if "c" in kinds and case.numbers == "positive" else case.numbers
        return replace(case, activation=relu, numbers=numbers)

    @property
    def padding_value(self) -> int:
        """What the padding holds: with ``"constant"`` a small integer, which every dtype has."""
        if self.padding_mode != "constant":
            return 0
        if self.dtype == "bool":
            return 1
        signed = np.dtype(self.dtype).kind != "u" and self.numbers != "positive"
        return (1 + self.seed % 3) * (-1 if signed and self.seed % 2 else 1)

    @property
    def geometry(self) -> dict:
        """Keyword arguments that every pass of the convolution takes."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "padding_mode": self.padding_mode,
            "padding_value": self.padding_value,
            "data_format": self.data_format,
            "flip": self.flip,
        }

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return reference.conv_output_shape(
            self.x_shape,
            self.weight_shape,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            data_format=self.data_format,
        )

    @property
    def exact(self) -> bool:
        """Whether every sum is a small integer, so that results must be exact."""
        whole = self.numbers == "integers" or self.result_dtype == np.int64
        # float16 holds the integers up to 2048 only.
        whole = whole and self.result_dtype != np.float16
        return whole and self.activation in (None, "relu", "relu6")

    @property
    def result_dtype(self) -> np.dtype:
        """Dtype of the forward result."""
        return _result_dtype(self.dtype, self.weight_dtype)

    def arrays(self) -> dict[str, np.ndarray | None]:
        """Fresh arrays ``x, weight, bias, residual, out, grad_output`` in the case's layouts."""
        rng = np.random.default_rng([self.seed, 2])
        shapes = {
            "x": (self.x_shape, self.dtype),
            "weight": (self.weight_shape, self.weight_dtype),
            "bias": (self.weight_shape[:1] if self.bias else None, self.weight_dtype),
            "residual": (self.output_shape if self.residual else None, self.dtype),
            "out": (self.output_shape, self.result_dtype),
            "grad_output": (self.output_shape, self.dtype),
        }
        arrays: dict[str, np.ndarray | None] = {}
        for view, (name, (shape, dtype)) in zip(self.views, shapes.items(), strict=True):
            if shape is None:
                arrays[name] = None
            elif name == "out":
                arrays[name] = empty_view(shape, dtype, view, rng)
            else:
                arrays[name] = as_view(_numbers(rng, shape, dtype, self.numbers), view, rng)
        return arrays

    def separable(self) -> tuple[np.ndarray, ...]:
        """Weights of both steps, bias and residual of a separable convolution of `x`."""
        rng = np.random.default_rng([self.seed, 3])
        kernel = self.weight_shape[2:]
        channels, k = self.weight_shape[1] * self.groups, int(rng.integers(1, 9))
        made = channels * int(rng.integers(1, 4))
        last = self.data_format == "channels_last"
        shape = self.output_shape
        batch, spatial = shape[:-len(kernel) - 1], shape[-len(kernel) - last:][:len(kernel)]
        shapes = ((made, 1, *kernel), (k, made, *(1,) * len(kernel)), (k,),
                  (*batch, *spatial, k) if last else (*batch, k, *spatial))  # fmt: skip
        arrays = [as_view(_numbers(rng, shape, self.weight_dtype, self.numbers), view, rng)
                  for view, shape in zip(self.views, shapes, strict=False)]  # fmt: skip
        return (*arrays[:2], arrays[2] if self.bias else None,
                arrays[3] if self.residual else None)  # fmt: skip

    def __repr__(self) -> str:
        words = [
            f"ConvCase.draw({self.seed})",
            f"x{_text(self.x_shape)}:{self.dtype}",
            f"w{_text(self.weight_shape)}:{self.weight_dtype}",
            f"stride={_text(self.stride)} padding={_text(self.padding)}",
            f"dilation={_text(self.dilation)} groups={self.groups}",
            f"{self.padding_mode}({self.padding_value})",
            self.data_format,
            *(name for name in ("flip", "bias", "residual") if getattr(self, name)),
            f"act={_text(self.activation)} {self.numbers} threads={self.num_threads}",
            "views=" + ",".join(self.views),
        ]
        return " ".join(words)


@dataclass(frozen=True)
class TransposeCase:
    """One random transposed convolution.

    Attributes
    ----------
    seed : int
        What the case was drawn from.
    x_shape, weight_shape : tuple of int
        Shapes of the arrays, `x_shape` without a batch axis in some cases.
    stride, padding, output_padding, groups, dilation, output_size, data_format
        Arguments of the transposed convolution; `output_size` may be None.
    bias : bool
        Whether there is one.
    dtype : str
        Dtype of all arrays.
    numbers : str
        ``"normal"``, ``"integers"`` or ``"positive"``.
    views : tuple of str
        Memory layouts of x, weight, bias, out and the output's gradient.
    num_threads : int
        Number of threads to use.
    """

    seed: int
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: int | tuple[int, ...]
    padding: int | tuple
    output_padding: int | tuple[int, ...]
    groups: int
    dilation: int | tuple[int, ...]
    output_size: tuple[int, ...] | None
    data_format: str
    bias: bool
    dtype: str
    numbers: str
    views: tuple[str, ...]
    num_threads: int

    @classmethod
    def draw(cls, seed: int, rank: int = 2, dtypes=("float32", "float64")) -> TransposeCase:
        """The case of number `seed`.

        Parameters
        ----------
        seed : int
            Any non-negative integer.
        rank : int
            Number of spatial axes.
        dtypes : sequence of str
            Dtypes to choose from.

        Returns
        -------
        TransposeCase
            The same for the same arguments.
        """
        rng = np.random.default_rng([seed, rank, 5])
        while True:
            case = cls._draw(seed, rng, rank, dtypes)
            try:
                output = case.output_shape
            except ValueError:
                continue
            if math.prod(output) * math.prod(case.weight_shape[2:]) <= 60_000:
                return case

    @classmethod
    def _draw(cls, seed, rng, rank, dtypes):
        groups = _choice(rng, (1, 2, 3), (4, 1, 1))
        per_group, filters = (int(v) for v in rng.integers(1, 6, 2))
        if rng.random() < 0.2:
            per_group, filters = (int(v) for v in rng.integers(1, 40, 2))
        spatial, kernel = rng.integers(1, 8, rank), rng.integers(1, 6, rank)
        if rng.random() < 0.3:
            spatial[-1] = rng.integers(8, 50)
        data_format = _choice(rng, ("channels_first", "channels_last"), (3, 2))
        x_shape = (groups * per_group, *(int(n) for n in spatial))
        if data_format == "channels_last":
            x_shape = (*x_shape[1:], x_shape[0])
        if rng.random() < 0.85:
            x_shape = (int(rng.integers(1, 4)), *x_shape)
        padding = _axes(rng, 0, 3, rank)
        if rng.random() < 0.4:
            padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (rank, 2)))
        case = cls(
            seed=seed,
            x_shape=x_shape,
            weight_shape=(groups * per_group, filters, *(int(k) for k in kernel)),
            stride=_axes(rng, 1, 4, rank),
            padding=padding,
            output_padding=_axes(rng, 0, 2, rank) if rng.random() < 0.5 else 0,
            groups=groups,
            dilation=_axes(rng, 1, 3, rank) if rng.random() < 0.4 else 1,
            output_size=None,
            data_format=data_format,
            bias=bool(rng.random() < 0.5),
            dtype=_choice(rng, dtypes),
            numbers=_choice(rng, ("normal", "integers", "positive"), (4, 2, 1)),
            views=tuple(_view(rng) for _ in range(5)),
            num_threads=int(rng.integers(1, 4)),
        )
        if rng.random() < 0.25:
            try:
                lengths = case.lengths(case.output_shape)
            except ValueError:
                return case
            # The same lengths, told instead of the output padding.
            case = replace(case, output_padding=0, output_size=lengths)
        return case

    def lengths(self, shape) -> tuple[int, ...]:
        """The spatial lengths in `shape`."""
        rank = len(self.weight_shape) - 2
        end = len(shape) - (self.data_format == "channels_last")
        return tuple(shape[end - rank : end])

    @property
    def geometry(self) -> dict:
        """Keyword arguments of the transposed convolution."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "groups": self.groups,
            "dilation": self.dilation,
            "output_size": self.output_size,
            "data_format": self.data_format,
        }

    @property
    def convolution(self) -> dict:
        """Keyword arguments of the convolution whose adjoint this is."""
        names = ("stride", "padding", "groups", "dilation", "data_format")
        return {name: getattr(self, name) for name in names}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return reference.conv_transpose_output_shape(
            self.x_shape, self.weight_shape, **self.geometry
        )

    @property
    def exact(self) -> bool:
        """Whether every sum is a small integer, so that results must be exact."""
        whole = self.numbers == "integers" or self.result_dtype == np.int64
        return whole and self.result_dtype != np.float16

    @property
    def result_dtype(self) -> np.dtype:
        """Dtype of the result."""
        return _result_dtype(self.dtype)

    def arrays(self) -> dict[str, np.ndarray | None]:
        """Fresh arrays ``x, weight, bias, out, grad_output`` in the case's layouts."""
        rng = np.random.default_rng([self.seed, 6])
        filters = self.weight_shape[1] * self.groups
        shapes = {
            "x": self.x_shape,
            "weight": self.weight_shape,
            "bias": (filters,) if self.bias else None,
            "out": self.output_shape,
            "grad_output": self.output_shape,
        }
        arrays: dict[str, np.ndarray | None] = {}
        for view, (name, shape) in zip(self.views, shapes.items(), strict=True):
            if shape is None:
                arrays[name] = None
            elif name == "out":
                arrays[name] = empty_view(shape, self.result_dtype, view, rng)
            else:
                numbers = _numbers(rng, shape, self.dtype, self.numbers)
                arrays[name] = as_view(numbers, view, rng)
        return arrays

    def __repr__(self) -> str:
        words = [
            f"TransposeCase.draw({self.seed})",
            f"x{_text(self.x_shape)}:{self.dtype}",
            f"w{_text(self.weight_shape)}",
            f"stride={_text(self.stride)} padding={_text(self.padding)}",
            f"output_padding={_text(self.output_padding)} output_size={_text(self.output_size)}",
            f"dilation={_text(self.dilation)} groups={self.groups}",
            self.data_format,
            *(["bias"] if self.bias else []),
            f"{self.numbers} threads={self.num_threads}",
            "views=" + ",".join(self.views),
        ]
        return " ".join(words)


@dataclass(frozen=True)
class PoolCase:
    """One random pooling.

    Attributes
    ----------
    seed : int
        What the case was drawn from.
    x_shape : tuple of int
        Shape of the input, without a batch axis in some cases.
    rank : int
        Number of spatial axes.
    kernel_size, stride, padding, dilation, ceil_mode, data_format
        Arguments of every pooling.
    count_include_pad, divisor_override
        Arguments of the average.
    norm_type : float
        Argument of the Lp pooling.
    output_size : int or tuple of int
        Argument of the adaptive poolings.
    dtype : str
        Dtype of all arrays (of gradients float64, where it is an integer).
    numbers : str
        ``"normal"``, ``"integers"`` (with ties), ``"positive"`` or ``"nan"``.
    views : tuple of str
        Memory layouts of x, out and the output's gradient.
    num_threads : int
        Number of threads to use.
    """

    seed: int
    x_shape: tuple[int, ...]
    rank: int
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None
    padding: object
    dilation: int | tuple[int, ...]
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None
    data_format: str
    dtype: str
    numbers: str
    views: tuple[str, ...]
    num_threads: int
    norm_type: float = 2
    output_size: int | tuple[int, ...] = 1

    @classmethod
    def draw(cls, seed: int, rank: int = 2, dtypes=("float32", "float64")) -> PoolCase:
        """The case of number `seed`.

        Parameters
        ----------
        seed : int
            Any non-negative integer.
        rank : int
            Number of spatial axes.
        dtypes : sequence of str
            Dtypes to choose from.

        Returns
        -------
        PoolCase
            The same for the same arguments.
        """
        rng = np.random.default_rng([seed, rank, 3])
        while True:
            case = cls._draw(seed, rng, rank, dtypes)
            try:
                taps = math.prod(case.kernel)
                if taps > 100 or taps * math.prod(case.output_shape) > 100_000:
                    continue
                x = np.broadcast_to(np.float32(0), case.x_shape)
                reference.avg_pool(x, **case.geometry, rank=rank)
            except ValueError:
                continue
            return replace(
                case,
                norm_type=_choice(rng, (1, 2, 3, 1.5, 2.0, 4)),
                output_size=_axes(rng, 1, 9, rank),
            )

    @classmethod
    def _draw(cls, seed, rng, rank, dtypes):
        spatial = rng.integers(1, 14 if rank < 3 else 8, rank)
        channels = int(rng.integers(1, 6))
        if rng.random() < 0.3:
            spatial[-1] = rng.integers(14, 90)
        elif rng.random() < 0.3:
            channels = int(rng.integers(6, 70))
            spatial = np.minimum(spatial, 7)
        kernel_size = _axes(rng, 1, 9 if rng.random() < 0.2 else 4, rank)
        if rng.random() < 0.1:
            # Long windows, which are computed in another way than short ones.
            others = (int(k) for k in rng.integers(1, 4, rank - 1))
            kernel_size = (*others, int(rng.integers(9, 40)))
        data_format = _choice(rng, ("channels_first", "channels_last"), (3, 2))
        x_shape = (channels, *(int(n) for n in spatial))
        if data_format == "channels_last":
            x_shape = (*x_shape[1:], x_shape[0])
        if rng.random() < 0.85:
            x_shape = (int(rng.integers(1, 4)), *x_shape)
        return cls(
            seed=seed,
            x_shape=x_shape,
            rank=rank,
            kernel_size=kernel_size,
            stride=None if rng.random() < 0.2 else _axes(rng, 1, 4, rank),
            padding=0 if rng.random() < 0.4 else _padding(rng, rank, 3),
            dilation=_axes(rng, 1, 3, rank) if rng.random() < 0.25 else 1,
            ceil_mode=bool(rng.random() < 0.4),
            count_include_pad=bool(rng.random() < 0.5),
            divisor_override=int(rng.integers(1, 9)) if rng.random() < 0.2 else None,
            data_format=data_format,
            dtype=_choice(rng, dtypes),
            numbers=_choice(rng, ("normal", "integers", "positive", "nan"), (3, 2, 1, 2)),
            views=tuple(_view(rng) for _ in range(3)),
            num_threads=int(rng.integers(1, 4)),
        )

    @property
    def geometry(self) -> dict:
        """Keyword arguments that every pooling takes."""
        return {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
            "data_format": self.data_format,
        }

    @property
    def averaging(self) -> dict:
        """Further keyword arguments of the average."""
        return {
            "count_include_pad": self.count_include_pad,
            "divisor_override": self.divisor_override,
        }

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return reference.pool_output_shape(self.x_shape, **self.geometry, rank=self.rank)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The spatial lengths of the input."""
        end = len(self.x_shape) - (self.data_format == "channels_last")
        return self.x_shape[end - self.rank : end]

    @property
    def kernel(self) -> tuple[int, ...]:
        """The window's lengths."""
        size = self.kernel_size
        return (size,) * self.rank if isinstance(size, int) else size

    @property
    def adaptive_shape(self) -> tuple[int, ...]:
        """Shape of the output of an adaptive pooling."""
        size = self.output_size
        size = (size,) * self.rank if isinstance(size, int) else size
        first = len(self.x_shape) - self.rank - (self.data_format == "channels_last")
        return (*self.x_shape[:first], *size, *self.x_shape[first + self.rank :])

    def arrays(self) -> dict[str, np.ndarray]:
        """Fresh arrays ``x, out, grad_output, grad_adaptive`` in the case's layouts."""
        rng = np.random.default_rng([self.seed, 4])
        kind = "normal" if self.numbers == "nan" else self.numbers
        x = _numbers(rng, self.x_shape, self.dtype, self.numbers)
        gradient = self.dtype if np.dtype(self.dtype).kind == "f" else np.float64
        shape = self.adaptive_shape
        result = {
            "x": as_view(x, self.views[0], rng),
            "out": empty_view(self.output_shape, self.dtype, self.views[1], rng),
        }
        for name, like in (("grad_output", self.output_shape), ("grad_adaptive", shape)):
            grad = _numbers(rng, like, gradient, kind)
            result[name] = as_view(grad, self.views[2], rng)
        return result

    def __repr__(self) -> str:
        words = [
            f"PoolCase.draw({self.seed})",
            f"x{_text(self.x_shape)}:{self.dtype}",
            f"kernel={_text(self.kernel_size)} stride={_text(self.stride)}",
            f"padding={_text(self.padding)} dilation={_text(self.dilation)}",
            *(name for name in ("ceil_mode", "count_include_pad") if getattr(self, name)),
            f"divisor={self.divisor_override} p={self.norm_type}",
            f"adaptive={_text(self.output_size)}",
            f"{self.data_format} {self.numbers} threads={self.num_threads}",
            "views=" + ",".join(self.views),
        ]
        return " ".join(words)
