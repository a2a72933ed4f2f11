from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

from fastconv.conv import _DataFormat, _Padding, _PaddingMode, _PaddingValue, _PerAxis

__all__ = ["ConvStream", "PoolStream", "stream_pool"]

class _Stream:
    @property
    def latency(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def push(self, chunk: ArrayLike) -> NDArray[Any]: ...
    def finish(self, chunk: ArrayLike | None = None) -> NDArray[Any]: ...
    def reset(self) -> None: ...

class ConvStream(_Stream):
    method: str
    def __init__(self, *made_from: Any) -> None: ...

class PoolStream(_Stream):
    def __init__(self, *made_from: Any) -> None: ...

def stream_pool(
    kind: Literal["max", "min", "avg", "lp"],
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    norm_type: float = 2,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
    data_format: _DataFormat = "channels_first",
    axis: int = -1,
    rank: Literal[1, 2, 3] | None = None,
    num_threads: int | None = None,
) -> PoolStream: ...
