"""A long sum cut into parts, which threads compute and which are then added up in order.

How a sum is cut depends on the problem alone, never on the number of threads. So the result is the
same for any number of them.
"""
import numpy as np

cimport numpy as cnp

from fastconv._core.reductions import reduced

cnp.import_array()


cdef class PartialSums:
    """Room for `parts` sums that make up each row of `result`, (rows, *shape).

    Rows are images where each has a sum of its own; else there is one.
    """

    def __cinit__(self, cnp.ndarray result, Py_ssize_t rows, Py_ssize_t parts):
        self.result = result
        self.array = result
        if parts > 1:
            self.array = np.empty((rows, parts, (<object>result).size // rows),
                                  (<object>result).dtype)
        self.data = cnp.PyArray_BYTES(self.array)

    cdef int add_up(self) except -1:
        if self.array is not self.result:
            reduced(np.add, self.array, axis=1, out=(<object>self.result).reshape(
                (<object>self.array).shape[0], -1))
        return 0
