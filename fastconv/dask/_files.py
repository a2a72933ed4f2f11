"""Memory-mapped files as Dask arrays whose tasks open the file."""
import mmap

import dask.array as da
import numpy as np


class MappedFile:
    """What tells a task where an array lies in a file; the array itself stays there."""

    def __init__(self, array):
        self.filename, self.offset = str(array.filename), array.offset
        self.dtype, self.shape, self.ndim = array.dtype, array.shape, array.ndim
        self.order = "C" if array.flags.c_contiguous else "F"

    def __getitem__(self, index):
        array = np.memmap(self.filename, self.dtype, "r", self.offset, self.shape, self.order)
        return np.array(array[index])


def from_memmap(array, chunks="auto"):
    """The Dask array of a memory-mapped file, of which each task reads its part.

    `dask.array.from_array` copies a `numpy.memmap` into memory, and sends its elements to other
    processes. Here they open the file, which must have its name there too.

    Parameters
    ----------
    array : numpy.memmap
        As `numpy.memmap` makes it: all that is mapped, not a part of it.
    chunks : int, tuple or str, default "auto"
        As for `dask.array.from_array`.

    Returns
    -------
    dask.array.Array
        The array.
    """
    if not isinstance(array, np.memmap) or not isinstance(array.base, mmap.mmap):
        raise TypeError("from_memmap: array must be what numpy.memmap makes, not a part of it")
    return da.from_array(MappedFile(array), chunks=chunks, asarray=False,
                         meta=np.empty((0,) * array.ndim, array.dtype))
