"""Room: whether memory can be had, asked before code that does not ask.

Libraries end the process, or wait for ever, where memory for their own buffers, threads or code is
missing. So what is about to call them tries the amount first, and raises MemoryError.
"""
import os
import sys

cdef extern from *:
    """
    #if defined(__unix__) || defined(__APPLE__)
    #include <sys/mman.h>
    static int fc_can_have(size_t size)
    {
        void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p != MAP_FAILED && !munmap(p, size);
    }
    #else
    #define fc_can_have(size) 1
    #endif
    """
    bint fc_can_have(size_t size) nogil

cdef enum:
    MEBIBYTE = 1 << 20
    MODULES = 64            # mebibytes that our algorithms, and what they import, may take
    SCIPY = 192             # those that SciPy's linear algebra may take with its libraries
    EACH_THREAD = 48        # the stack and the buffer of a thread that its BLAS starts
    MOST_THREADS = 64


cdef bint can_have(size_t size) noexcept nogil:
    """Whether so many bytes can be had at this moment; they are given back at once."""
    return fc_can_have(size)


cpdef int need_modules() except -1:
    """Refuse to load algorithms where memory does not suffice for them."""
    if not can_have(<size_t>MODULES * MEBIBYTE):
        raise MemoryError("fastconv: there is no memory to load its algorithms")
    return 0


cpdef int need_scipy() except -1:
    """Refuse to load SciPy's BLAS where memory does not suffice for it and its threads.

    OpenBLAS tries for ever.
    """
    cdef size_t needed
    if "scipy.linalg.cython_blas" in sys.modules:
        return 0
    needed = SCIPY + EACH_THREAD * min(os.cpu_count() or 1, MOST_THREADS)
    if not can_have(needed * MEBIBYTE):
        raise MemoryError("fastconv: there is no memory to load SciPy's BLAS")
    return 0
