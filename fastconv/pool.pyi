from typing import Any, Literal, SupportsFloat, SupportsIndex, overload

from numpy import int64
from numpy.typing import ArrayLike, NDArray

from fastconv.conv import _DataFormat, _Padding, _PerAxis, _Shape

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "min_pool2d",
    "pool_output_shape",
]

@overload
def max_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
@overload
def max_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: Literal[True],
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[int64]]: ...
@overload
def max_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: bool = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[int64]]: ...
@overload
def min_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
@overload
def min_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: Literal[True],
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[int64]]: ...
@overload
def min_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    return_indices: bool = False,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], NDArray[int64]]: ...
def avg_pool2d(
    x: ArrayLike,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsFloat | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def max_pool2d_backward(
    grad_output: ArrayLike,
    indices: ArrayLike,
    input_shape: _Shape,
    *,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def avg_pool2d_backward(
    grad_output: ArrayLike,
    input_shape: _Shape,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsFloat | None = None,
    data_format: _DataFormat = "channels_first",
    num_threads: SupportsIndex | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]: ...
def pool_output_shape(
    x_shape: _Shape,
    kernel_size: _PerAxis,
    stride: _PerAxis | None = None,
    padding: _Padding = 0,
    dilation: _PerAxis = 1,
    *,
    ceil_mode: bool = False,
    data_format: _DataFormat = "channels_first",
) -> tuple[int, ...]: ...
