from typing import Any, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.conv import (
    _Activation,
    _Casting,
    _DataFormat,
    _Padding,
    _PaddingMode,
    _PaddingValue,
    _PerAxis,
    _Precision,
    _Shape,
)
from fastconv.stream import ConvStream

__all__ = ["ConvPlan", "plan_conv"]

class ConvPlan:
    def __init__(self, *made_from: Any) -> None: ...
    def __call__(
        self,
        x: ArrayLike,
        residual: ArrayLike | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]: ...
    def stream(self, axis: int = -1) -> ConvStream: ...
    @property
    def method(self) -> str: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def flops(self) -> float: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

def plan_conv(
    x_shape: _Shape,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    flip: bool = False,
    activation: _Activation | None = None,
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
) -> ConvPlan: ...
