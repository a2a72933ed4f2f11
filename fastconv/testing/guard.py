"""Arrays whose neighbours may not be touched.

A `GuardedBuffer` is memory between two pages that the processor refuses to read or write. An array
placed against either page turns an access that is one element out of bounds into a crash, instead
of a wrong number that happens to look right.
"""

from __future__ import annotations

import ctypes
import math
import mmap

import numpy as np

__all__ = ["GuardedBuffer"]


class GuardedBuffer:
    """Writeable memory with a forbidden page on either side.

    Parameters
    ----------
    nbytes : int
        The least usable size; it is rounded up to whole pages.

    Raises
    ------
    OSError
        If the system refuses to protect the pages.
    """

    def __init__(self, nbytes: int):
        page = mmap.PAGESIZE
        self._size = -(-nbytes // page) * page
        self._first = page
        self._map = mmap.mmap(-1, self._size + 2 * page)
        self._anchor = ctypes.c_char.from_buffer(self._map)  # keeps the mapping alive
        address = ctypes.addressof(self._anchor)
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for guard in (address, address + page + self._size):
            if mprotect(guard, page, 0):
                raise OSError(ctypes.get_errno(), "mprotect refused")

    def place(self, array: np.ndarray, end: str) -> np.ndarray:
        """A C-contiguous copy of `array` against one of the forbidden pages.

        Parameters
        ----------
        array : ndarray
            What to copy.
        end : {"front", "back"}
            Whether the first byte follows a forbidden page, or the last one precedes one.

        Returns
        -------
        ndarray
            It shares the buffer: the next `place` overwrites it.
        """
        result = self.empty(array.shape, array.dtype, end)
        result[...] = array
        return result

    def empty(self, shape: tuple[int, ...], dtype, end: str) -> np.ndarray:
        """An array of NaN (or of zeros, for integers) against one of the forbidden pages.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array.
        dtype : dtype
            Its dtype.
        end : {"front", "back"}
            As for `place`.

        Returns
        -------
        ndarray
            It shares the buffer: the next `empty` overwrites it.
        """
        dtype = np.dtype(dtype)
        count = math.prod(shape)
        if count * dtype.itemsize > self._size:
            raise ValueError(f"{count} elements of {dtype} exceed a buffer of {self._size} bytes")
        offset = self._first
        if end == "back":
            offset += self._size - count * dtype.itemsize
        result = np.frombuffer(self._map, dtype, count, offset).reshape(shape)
        result[...] = np.nan if dtype.kind == "f" else 0
        return result
