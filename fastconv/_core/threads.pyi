from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import SupportsIndex

HAS_OPENMP: bool
override: ContextVar[int]

def set_num_threads(num_threads: SupportsIndex) -> None: ...
def get_num_threads() -> int: ...
def num_threads(n: SupportsIndex) -> AbstractContextManager[None]: ...
