from typing import Any, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.conv import (
    _Activation, _Casting, _DataFormat, _Padding, _PaddingMode, _PaddingValue, _PerAxis,
    _Precision,
)

__all__ = ["separable_conv", "separable_conv1d", "separable_conv2d", "separable_conv3d"]

def separable_conv(
    x: ArrayLike,
    depthwise_weight: ArrayLike,
    pointwise_weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    flip: bool = False,
    activation: _Activation | None = None,
    residual: ArrayLike | None = None,
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

separable_conv1d = separable_conv
separable_conv2d = separable_conv
separable_conv3d = separable_conv
