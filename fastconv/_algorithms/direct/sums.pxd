from fastconv._algorithms.direct.blocks cimport BlockRef, Job
from fastconv._core.types cimport real_t

cdef void accumulate_channels(const Job *job, const BlockRef *block, Py_ssize_t group,
                              Py_ssize_t channel_block, Py_ssize_t first, Py_ssize_t stop,
                              const real_t *window) noexcept nogil
