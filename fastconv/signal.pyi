from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, overload

from numpy.typing import ArrayLike, NDArray

__all__: list[str]

_Mode: TypeAlias = Literal["full", "same", "valid"]
_Precision: TypeAlias = Literal["highest", "high", "medium"]

SERVED: dict[str, str]

def convolve(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    method: Literal["auto", "direct", "fft"] = "auto",
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def correlate(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    method: Literal["auto", "direct", "fft"] = "auto",
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def fftconvolve(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    axes: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def oaconvolve(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    axes: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
@overload
def choose_conv_method(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    measure: Literal[False] = False,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> str: ...
@overload
def choose_conv_method(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    *,
    measure: Literal[True],
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> tuple[str, dict[str, float]]: ...
def convolve2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    boundary: Literal["fill", "pad", "wrap", "circular", "symm", "symmetric"] = "fill",
    fillvalue: complex = 0,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def correlate2d(
    in1: ArrayLike,
    in2: ArrayLike,
    mode: _Mode = "full",
    boundary: Literal["fill", "pad", "wrap", "circular", "symm", "symmetric"] = "fill",
    fillvalue: complex = 0,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def sepfir2d(
    input: ArrayLike,
    hrow: ArrayLike,
    hcol: ArrayLike,
    /,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def upfirdn(
    h: ArrayLike,
    x: ArrayLike,
    up: SupportsIndex = 1,
    down: SupportsIndex = 1,
    axis: SupportsIndex = -1,
    mode: str = "constant",
    cval: complex = 0,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def resample_poly(
    x: ArrayLike,
    up: SupportsIndex,
    down: SupportsIndex,
    axis: SupportsIndex = 0,
    window: str | tuple[Any, ...] | ArrayLike = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: complex | None = None,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
def decimate(
    x: ArrayLike,
    q: SupportsIndex,
    n: SupportsIndex | None = None,
    ftype: Any = "iir",
    axis: SupportsIndex = -1,
    zero_phase: bool = True,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
@overload
def lfilter(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: SupportsIndex = -1,
    zi: None = None,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...
@overload
def lfilter(
    b: ArrayLike,
    a: ArrayLike,
    x: ArrayLike,
    axis: SupportsIndex = -1,
    *,
    zi: ArrayLike,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def savgol_filter(
    x: ArrayLike,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: SupportsIndex = -1,
    mode: str = "interp",
    cval: float = 0.0,
    *,
    num_threads: SupportsIndex | None = None,
    precision: _Precision | None = None,
) -> NDArray[Any]: ...

# What is SciPy's.
def __getattr__(name: str) -> Any: ...
