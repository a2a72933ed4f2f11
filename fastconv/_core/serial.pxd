from fastconv._core.strided cimport Strided5

ctypedef void (*serial_function)(const void *job, const char *source, char *out,
                                 const char *residual, char *scratch) noexcept nogil

# A pass that one thread runs, without the interpreter's lock.
cdef struct Serial:
    serial_function run
    const void *job
    Py_ssize_t scratch_bytes


cdef class SerialKernel:
    cdef Serial serial

    cdef bint begin(self, const Strided5 *source, const Strided5 *out, Py_ssize_t batch,
                    bias) except -1
