"""Serial: prepared passes that one thread runs by itself, for parts of arrays that all lie alike.

Where a task runs several passes one after the other, a call's own tasks and threads are in the
way. `begin` does what needs the interpreter; then `serial` is run for one part after the other.
"""


cdef class SerialKernel:
    """What an algorithm's prepared weights are, if it can be run so."""

    cdef bint begin(self, const Strided5 *source, const Strided5 *out, Py_ssize_t batch,
                    bias) except -1:
        """Set `serial` for arrays with these strides; False where it cannot be.

        A residual has the strides of `out`. The kernel and bias are to outlive what is run.
        """
        return False
