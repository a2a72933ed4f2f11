from typing import Any

import numpy as np
from numpy.typing import NDArray

version: str
PADDING_MODES: dict[str, int]
ACTIVATIONS: tuple[str, ...]
NAMED_PADDING: tuple[str, ...]

class ConvDesc:
    function: str
    batched: bool
    batch: int
    kept: dict[Any, Any]
    @property
    def key(self) -> bytes: ...
    @property
    def rank(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def exact(self) -> bool: ...
    @property
    def channels(self) -> int: ...
    @property
    def filters(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def channels_last(self) -> bool: ...
    @property
    def padding_mode(self) -> str: ...
    def axes(self, name: str) -> tuple[int, ...]: ...
    def input_shape(self, batch: int) -> tuple[int, ...]: ...
    def output_shape(self, batch: int) -> tuple[int, ...]: ...
    def weight_shape(self) -> tuple[int, ...]: ...
    def flops(self, batch: int = 1) -> float: ...

class TransposedDesc:
    desc: ConvDesc
    shape: tuple[int, ...]
    reached: tuple[int, ...]

class PoolDesc:
    function: str
    batched: bool
    batch: int
    def input_shape(self) -> tuple[int, ...]: ...
    def output_shape(self) -> tuple[int, ...]: ...

def as_array(
    function: str, name: str, value: Any, complex_too: bool = False
) -> NDArray[Any]: ...
def as_shape(function: str, name: str, value: Any) -> tuple[int, ...]: ...
def compute_dtype(
    function: str, arrays: tuple[NDArray[Any] | None, ...], parts: bool = False
) -> tuple[np.dtype[Any], np.dtype[Any]]: ...
def operand(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]: ...
def describe_conv(
    function: str,
    rank: int | None,
    x_shape: Any,
    weight_shape: Any,
    itemsize: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any = "zeros",
    data_format: Any = "channels_first",
    flip: Any = False,
    activation: Any = None,
    exact: Any = False,
) -> ConvDesc: ...
def describe_transposed(
    function: str,
    rank: int | None,
    x_shape: Any,
    weight_shape: Any,
    itemsize: int,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    output_size: Any,
    data_format: Any = "channels_first",
    exact: Any = False,
) -> TransposedDesc: ...
def integer_bounds(
    function: str, result: np.dtype[Any], activation: Any
) -> tuple[int, int] | None: ...
def describe_columns(
    function: str,
    x_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    padding_mode: Any,
    data_format: Any,
    itemsize: int,
) -> ConvDesc: ...
def describe_pool(
    function: str,
    rank: int,
    x_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    data_format: Any,
) -> PoolDesc: ...
def describe_planes(
    function: str, rank: int, x_shape: Any, grad_shape: tuple[int, ...], data_format: Any
) -> tuple[int, ...]: ...
def check_shape(
    function: str, name: str, array: NDArray[Any], shape: tuple[int, ...], because: str
) -> None: ...
def channels_first(
    function: str, rank: int | None, name: str, array: NDArray[Any], data_format: Any
) -> NDArray[Any]: ...
def columns_shape(desc: ConvDesc) -> tuple[int, int]: ...
def spatial_rank(kernel_size: Any, axes: int) -> int: ...
