from contextlib import AbstractContextManager
from typing import Any, Literal, overload

from numpy.typing import DTypeLike

from fastconv._core.threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "get_num_threads",
    "get_precision",
    "num_threads",
    "precision",
    "set_num_threads",
    "set_precision",
    "show_config",
    "show_runtime",
]

_Precision = Literal["highest", "high", "medium"]

def precision_for(function: str, precision: str | None, itemsize: int) -> str: ...
def set_precision(precision: _Precision | None) -> None: ...
def get_precision(dtype: DTypeLike = "float32") -> _Precision: ...
def precision(tier: _Precision) -> AbstractContextManager[None]: ...
@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
@overload
def show_runtime(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_runtime(mode: Literal["dicts"]) -> dict[str, Any]: ...
