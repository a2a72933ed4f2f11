from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias

from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.conv import _DataFormat, _Padding, _PerAxis, _Shape

__all__ = ["QConvPlan", "plan_qconv", "qconv", "qconv1d", "qconv2d", "qconv3d"]

_Activation: TypeAlias = Literal["relu"] | tuple[Literal["clip"], SupportsFloat, SupportsFloat]

def qconv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    x_zero_point: SupportsIndex | NDArray[Any] = 0,
    weight_zero_point: ArrayLike = 0,
    scale: ArrayLike | None = None,
    y_zero_point: SupportsIndex | NDArray[Any] = 0,
    out_dtype: DTypeLike | None = None,
    activation: _Activation | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def qconv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    x_zero_point: SupportsIndex | NDArray[Any] = 0,
    weight_zero_point: ArrayLike = 0,
    scale: ArrayLike | None = None,
    y_zero_point: SupportsIndex | NDArray[Any] = 0,
    out_dtype: DTypeLike | None = None,
    activation: _Activation | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def qconv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    x_zero_point: SupportsIndex | NDArray[Any] = 0,
    weight_zero_point: ArrayLike = 0,
    scale: ArrayLike | None = None,
    y_zero_point: SupportsIndex | NDArray[Any] = 0,
    out_dtype: DTypeLike | None = None,
    activation: _Activation | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def qconv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    x_zero_point: SupportsIndex | NDArray[Any] = 0,
    weight_zero_point: ArrayLike = 0,
    scale: ArrayLike | None = None,
    y_zero_point: SupportsIndex | NDArray[Any] = 0,
    out_dtype: DTypeLike | None = None,
    activation: _Activation | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

class QConvPlan:
    def __init__(self, *made_from: Any) -> None: ...
    def __call__(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

def plan_qconv(
    x_shape: _Shape,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    x_zero_point: SupportsIndex | NDArray[Any] = 0,
    weight_zero_point: ArrayLike = 0,
    scale: ArrayLike | None = None,
    y_zero_point: SupportsIndex | NDArray[Any] = 0,
    out_dtype: DTypeLike | None = None,
    activation: _Activation | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    dtype: DTypeLike = "uint8",
) -> QConvPlan: ...
