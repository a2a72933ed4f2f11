from numpy import float32
from numpy.typing import NDArray

def multiply_adds(itemsize: int, rounds: int, threads: int) -> float: ...
def triad(
    a: NDArray[float32], b: NDArray[float32], c: NDArray[float32], tasks: int, threads: int
) -> None: ...
