"""Memory-mapped files as Dask arrays whose tasks open the file."""
import mmap
import weakref

import dask.array as da
import numpy as np

FILES = weakref.WeakValueDictionary()  # by the name of the Dask array, while that is about


class MappedFile:
    """What tells a task where an array lies in a file; the array itself stays there."""

    def __init__(self, array):
        self.filename, self.offset = str(array.filename), array.offset
        self.dtype, self.shape, self.ndim = array.dtype, array.shape, array.ndim
        self.order = "C" if array.flags.c_contiguous else "F"

    def part(self, index):
        """A part, which is read when it is looked at."""
        array = np.memmap(self.filename, self.dtype, "r", self.offset, self.shape, self.order)
        return array.view(np.ndarray)[index]

    def __getitem__(self, index):
        return np.array(self.part(index))


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

    See Also
    --------
    dask.array.from_array : Of what is in memory, or read by slices.

    Examples
    --------
    >>> import os
    >>> import tempfile
    >>> import numpy as np
    >>> from fastconv import dask as lazy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "scan.raw")
    ...     scan = np.memmap(path, np.uint16, "w+", shape=(30, 40))
    ...     scan[:] = 7
    ...     image = lazy.from_memmap(scan, chunks=(10, 40))
    ...     image.numblocks, int(image.sum().compute())
    ((3, 1), 8400)
    """
    if not isinstance(array, np.memmap) or not isinstance(array.base, mmap.mmap):
        raise TypeError("from_memmap: array must be what numpy.memmap makes, not a part of it")
    file = MappedFile(array)
    result = da.from_array(file, chunks=chunks, asarray=False,
                           meta=np.empty((0,) * array.ndim, array.dtype))
    FILES[result.name] = file
    return result
