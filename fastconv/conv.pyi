from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv._call.explanation import ConvCost
from fastconv._select import Explanation

__all__ = [
    "col2im", "conv", "conv1d", "conv1d_backward_bias", "conv1d_backward_data",
    "conv1d_backward_weight", "conv2d", "conv2d_backward_bias", "conv2d_backward_data",
    "conv2d_backward_weight", "conv3d", "conv3d_backward_bias", "conv3d_backward_data",
    "conv3d_backward_weight", "conv_backward_bias", "conv_backward_data", "conv_backward_weight",
    "conv_cost", "conv_output_shape", "conv_transpose", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "conv_transpose_output_shape", "explain", "im2col",
]

# One integer for all axes, or one for each.
_PerAxis: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
_Padding: TypeAlias = (
    SupportsIndex
    | Sequence[SupportsIndex]
    | Sequence[tuple[SupportsIndex, SupportsIndex]]
    | Sequence[Sequence[SupportsIndex]]
    | Literal["valid", "same", "same_lower", "full"]
)
_PaddingMode: TypeAlias = Literal[
    "zeros",
    "constant",
    "reflect",
    "symmetric",
    "replicate",
    "edge",
    "circular",
    "wrap",
]
_PaddingValue: TypeAlias = complex | np.number[Any] | np.bool_
_DataFormat: TypeAlias = Literal["channels_first", "channels_last"]
_Activation: TypeAlias = (
    Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"]
    | tuple[Literal["clip"], SupportsFloat, SupportsFloat]
)
_Precision: TypeAlias = Literal["highest", "high", "medium"]
_Casting: TypeAlias = Literal["same_kind", "saturate", "wrap", "truncate", "round"]
_Pass: TypeAlias = Literal["forward", "backward_data", "backward_weight"]
_Shape: TypeAlias = Sequence[SupportsIndex]

def conv(
    x: ArrayLike,
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
    residual: ArrayLike | None = None,
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

conv1d = conv
conv2d = conv
conv3d = conv

def conv_backward_data(
    grad_output: ArrayLike,
    weight: ArrayLike,
    input_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    flip: bool = False,
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

conv1d_backward_data = conv_backward_data
conv2d_backward_data = conv_backward_data
conv3d_backward_data = conv_backward_data

def conv_backward_weight(
    grad_output: ArrayLike,
    x: ArrayLike,
    weight_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    per_sample: bool = False,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    flip: bool = False,
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

conv1d_backward_weight = conv_backward_weight
conv2d_backward_weight = conv_backward_weight
conv3d_backward_weight = conv_backward_weight

def conv_backward_bias(
    grad_output: ArrayLike, *, data_format: _DataFormat = "channels_first"
) -> NDArray[Any]: ...

conv1d_backward_bias = conv_backward_bias
conv2d_backward_bias = conv_backward_bias
conv3d_backward_bias = conv_backward_bias

def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    output_padding: _PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: _PerAxis = 1,
    *,
    output_size: _PerAxis | None = None,
    data_format: _DataFormat = "channels_first",
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

conv_transpose1d = conv_transpose
conv_transpose2d = conv_transpose
conv_transpose3d = conv_transpose

def im2col(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
def col2im(
    cols: ArrayLike,
    input_shape: _Shape,
    kernel_size: _PerAxis,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
) -> NDArray[Any]: ...
def conv_output_shape(
    x_shape: _Shape,
    weight_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    data_format: _DataFormat = "channels_first",
) -> tuple[int, ...]: ...
def conv_transpose_output_shape(
    x_shape: _Shape,
    weight_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    output_padding: _PerAxis = 0,
    groups: SupportsIndex = 1,
    dilation: _PerAxis = 1,
    *,
    output_size: _PerAxis | None = None,
    data_format: _DataFormat = "channels_first",
) -> tuple[int, ...]: ...
def conv_cost(
    x_shape: _Shape,
    weight_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    bias: bool = False,
    dtype: DTypeLike = "float32",
    data_format: _DataFormat = "channels_first",
) -> ConvCost: ...
def explain(
    x_shape: _Shape,
    weight_shape: _Shape,
    stride: _PerAxis = 1,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: _PaddingMode = "zeros",
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    flip: bool = False,
    dtype: DTypeLike = "float32",
    precision: _Precision | None = None,
    method: str = "auto",
    max_workspace: SupportsIndex | None = None,
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    which: _Pass = "forward",
    planned: bool = False,
    measure: bool = False,
) -> Explanation: ...
