from fastconv._kernels.dispatch cimport fc_epilogue

cdef int as_epilogue(str function, activation, fc_epilogue *epilogue) except -1
