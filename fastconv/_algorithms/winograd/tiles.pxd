from fastconv._algorithms.winograd.types cimport Layout
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t
from fastconv._core.window cimport WindowIndex

cdef void transform_window(const Layout *layout, const WindowIndex *index,
                           const Py_ssize_t *count, const Strided5 *input, Py_ssize_t image,
                           Py_ssize_t group, Py_ssize_t first_channel, real_t *window, real_t *v,
                           Py_ssize_t v_step) noexcept nogil
cdef bint is_trusted(const real_t *largest, Py_ssize_t lanes) noexcept nogil
