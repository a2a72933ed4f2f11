from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, overload

from numpy import int64
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastconv.conv import (
    _Casting,
    _DataFormat,
    _Padding,
    _PaddingMode,
    _PaddingValue,
    _PerAxis,
    _Shape,
)

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool1d", "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward", "adaptive_avg_pool_backward", "adaptive_max_pool",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool", "avg_pool1d",
    "avg_pool1d_backward", "avg_pool2d", "avg_pool2d_backward", "avg_pool3d",
    "avg_pool3d_backward", "avg_pool_backward", "global_avg_pool", "global_max_pool", "lp_pool",
    "lp_pool1d", "lp_pool1d_backward", "lp_pool2d", "lp_pool2d_backward", "lp_pool3d",
    "lp_pool3d_backward", "lp_pool_backward", "max_pool", "max_pool1d", "max_pool1d_backward",
    "max_pool2d", "max_pool2d_backward", "max_pool3d", "max_pool3d_backward", "max_pool_backward",
    "max_unpool", "max_unpool1d", "max_unpool2d", "max_unpool3d", "min_pool", "min_pool1d",
    "min_pool2d", "min_pool3d", "pool_output_shape",
]

_OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None] | None
_NumericPadding: TypeAlias = (
    SupportsIndex | Sequence[SupportsIndex] | Sequence[Sequence[SupportsIndex]]
)

@overload
def max_pool(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    return_indices: Literal[False] = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
@overload
def max_pool(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    return_indices: Literal[True],
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[int64]]: ...
@overload
def max_pool(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    return_indices: bool = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[int64]]: ...

max_pool1d = max_pool
max_pool2d = max_pool
max_pool3d = max_pool
min_pool = max_pool
min_pool1d = max_pool
min_pool2d = max_pool
min_pool3d = max_pool

def avg_pool(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    count_include_pad: bool = True,
    divisor_override: SupportsFloat | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

avg_pool1d = avg_pool
avg_pool2d = avg_pool
avg_pool3d = avg_pool

def lp_pool(
    x: ArrayLike,
    norm_type: SupportsFloat,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

lp_pool1d = lp_pool
lp_pool2d = lp_pool
lp_pool3d = lp_pool

def adaptive_avg_pool(
    x: ArrayLike,
    output_size: _OutputSize,
    *,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

adaptive_avg_pool1d = adaptive_avg_pool
adaptive_avg_pool2d = adaptive_avg_pool
adaptive_avg_pool3d = adaptive_avg_pool

@overload
def adaptive_max_pool(
    x: ArrayLike,
    output_size: _OutputSize,
    *,
    return_indices: Literal[False] = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
@overload
def adaptive_max_pool(
    x: ArrayLike,
    output_size: _OutputSize,
    *,
    return_indices: Literal[True],
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[int64]]: ...
@overload
def adaptive_max_pool(
    x: ArrayLike,
    output_size: _OutputSize,
    *,
    return_indices: bool = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[int64]]: ...

adaptive_max_pool1d = adaptive_max_pool
adaptive_max_pool2d = adaptive_max_pool
adaptive_max_pool3d = adaptive_max_pool

def global_avg_pool(
    x: ArrayLike,
    *,
    rank: int | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def global_max_pool(
    x: ArrayLike,
    *,
    rank: int | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def max_unpool(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _NumericPadding = 0,
    *,
    output_size: _Shape | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out_dtype: DTypeLike | None = None,
    casting: _Casting = "same_kind",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

max_unpool1d = max_unpool
max_unpool2d = max_unpool
max_unpool3d = max_unpool

def max_pool_backward(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_shape: _Shape,
    *,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

max_pool1d_backward = max_pool_backward
max_pool2d_backward = max_pool_backward
max_pool3d_backward = max_pool_backward

def avg_pool_backward(
    grad_output: ArrayLike,
    input_shape: _Shape,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    count_include_pad: bool = True,
    divisor_override: SupportsFloat | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

avg_pool1d_backward = avg_pool_backward
avg_pool2d_backward = avg_pool_backward
avg_pool3d_backward = avg_pool_backward

def lp_pool_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    norm_type: SupportsFloat,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    padding_value: _PaddingValue = 0,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

lp_pool1d_backward = lp_pool_backward
lp_pool2d_backward = lp_pool_backward
lp_pool3d_backward = lp_pool_backward

def adaptive_avg_pool_backward(
    grad_output: ArrayLike,
    input_shape: _Shape,
    *,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...

adaptive_avg_pool1d_backward = adaptive_avg_pool_backward
adaptive_avg_pool2d_backward = adaptive_avg_pool_backward
adaptive_avg_pool3d_backward = adaptive_avg_pool_backward

def pool_output_shape(
    x_shape: _Shape,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    padding_mode: _PaddingMode | None = None,
    data_format: _DataFormat = "channels_first",
) -> tuple[int, ...]: ...
