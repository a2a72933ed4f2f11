from fastconv._core.types cimport real_t
from fastconv._core.window_types cimport Window, WindowAxis, WindowIndex
from fastconv._kernels.dispatch cimport fc_kernels

cdef void block_axis(WindowAxis *axis, Py_ssize_t block, bint unit_step,
                     bint per_tap=*, Py_ssize_t factor=*) noexcept nogil
cdef void set_strides(Window *window, Py_ssize_t overrun, Py_ssize_t vector,
                      bint full_vectors=*, int joined=*) noexcept nogil
cdef Py_ssize_t index_bytes(const Window *window) noexcept nogil
cdef void locate_window(const Window *window, const Py_ssize_t *first, const Py_ssize_t *count,
                        char *memory, WindowIndex *index) noexcept nogil
cdef void gather_window(const Window *window, const WindowIndex *index, const real_t *x,
                        const Py_ssize_t *stride, const fc_kernels *k, bint zeros,
                        real_t *out) noexcept nogil
