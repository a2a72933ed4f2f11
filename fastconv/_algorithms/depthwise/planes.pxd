from fastconv._algorithms.depthwise.blocks cimport BlockRef, Job
from fastconv._algorithms.depthwise.layout cimport Layout
from fastconv._core.types cimport real_t
from fastconv._kernels.dispatch cimport fc_plane

cdef void run_planes(const Job *job, Py_ssize_t task, real_t *window) noexcept nogil
cdef void run_backward_planes(const Job *job, Py_ssize_t task, real_t *window) noexcept nogil
cdef const real_t *locate_plane(const Layout *layout, const BlockRef *block,
                                const Py_ssize_t *stride, const real_t *x, real_t *window,
                                fc_plane *plane) noexcept nogil
