"""Matrix products by SciPy's BLAS: row-major, of any size, on one thread.

Four things a convolution needs that a plain GEMM call does not give:

- 64-bit sizes: BLAS counts in C ints, so the product is cut into blocks;
- one thread: OpenBLAS starts its own threads above a threshold (m n k > 2^18), also inside
  an OpenMP region, so every block stays below it;
- bounded rounding: k is cut into short sums, as in the direct kernels;
- memory: OpenBLAS takes a buffer for each thread inside a call, from a fixed number of them, and
  ends the process where it gets none. A `Room` says that there are buffers for one call of ours.

The functions are looked up at first use, not by a cimport: importing scipy.linalg takes four
times as long as everything else that `import fastconv` does.
"""
import time

cimport cython
from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdlib cimport calloc, free

from fastconv._core.integers cimport ceil_div
from fastconv._core.room cimport can_have, need_scipy

cdef extern from *:
    """
    static int fc_calls, fc_inside;  /* calls of ours, and threads that compute in them */
    #define count_calls(n) __atomic_add_fetch(&fc_calls, (n), __ATOMIC_SEQ_CST)
    #define count_inside(n) __atomic_add_fetch(&fc_inside, (n), __ATOMIC_SEQ_CST)
    """
    int count_calls(int n) nogil
    int count_inside(int n) nogil

ctypedef void (*sgemm_function)(char *, char *, int *, int *, int *, float *, float *, int *,
                                float *, int *, float *, float *, int *) noexcept nogil
ctypedef void (*dgemm_function)(char *, char *, int *, int *, int *, double *, double *, int *,
                                double *, int *, double *, double *, int *) noexcept nogil

cdef sgemm_function sgemm = NULL
cdef dgemm_function dgemm = NULL

cdef enum:
    BLOCK_M = 32
    BLOCK_N = 128
    BLOCK_K = 64   # BLOCK_M * BLOCK_N * BLOCK_K = 2^18
    MOST_CALLS = 32
    BUFFER = 129 << 20  # bytes that one thread may take: OpenBLAS's buffers have 32 MB or 128 MB


cdef void *pointer(str name) except NULL:
    """A function of scipy.linalg.cython_blas, which publishes each with its C signature."""
    need_scipy()
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    signature = PyCapsule_GetName(capsule)
    if not signature.startswith(b"void (char *, char *, int *, int *, int *,"):
        raise ImportError(
            f"scipy.linalg.cython_blas.{name} has the signature {signature.decode()!r}, which "
            f"this build of fastconv does not know"
        )
    return PyCapsule_GetPointer(capsule, signature)


cdef int load() except -1:
    """Look the functions up; to be called before `gemm`."""
    global sgemm, dgemm
    if dgemm == NULL:
        sgemm = <sgemm_function>pointer("sgemm")
        dgemm = <dgemm_function>pointer("dgemm")
    return 0


cdef void gemm(bint trans_a, bint trans_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
               const real_t *a, Py_ssize_t lda, const real_t *b, Py_ssize_t ldb,
               bint accumulate, real_t *c, Py_ssize_t ldc) noexcept nogil:
    """c[m, n] = (c if accumulate else 0) + op(a)[m, k] @ op(b)[k, n], all row-major.

    Leading dimensions are below 2^31.
    """
    cdef Py_ssize_t block_i, block_j, block_p, i, j, p
    cdef int bm, bn, bk, ia = <int>lda, ib = <int>ldb, ic = <int>ldc
    cdef real_t one = 1, beta
    cdef char ta = c't' if trans_a else c'n'
    cdef char tb = c't' if trans_b else c'n'
    cdef const real_t *pa
    cdef const real_t *pb
    if k == 0 and not accumulate:
        for i in range(m):
            for j in range(n):
                c[i * ldc + j] = 0
    for block_i in range(ceil_div(m, BLOCK_M)):
        i = block_i * BLOCK_M
        bm = <int>min(<Py_ssize_t>BLOCK_M, m - i)
        for block_j in range(ceil_div(n, BLOCK_N)):
            j = block_j * BLOCK_N
            bn = <int>min(<Py_ssize_t>BLOCK_N, n - j)
            for block_p in range(ceil_div(k, BLOCK_K)):
                p = block_p * BLOCK_K
                bk = <int>min(<Py_ssize_t>BLOCK_K, k - p)
                beta = 1 if accumulate or p else 0
                pa = a + (p * lda + i if trans_a else i * lda + p)
                pb = b + (j * ldb + p if trans_b else p * ldb + j)
                # BLAS is column-major: row-major c = a b is column-major c' = b' a'.
                if real_t is float:
                    sgemm(&tb, &ta, &bn, &bm, &bk, &one, <float *>pb, &ib, <float *>pa, &ia,
                          &beta, c + i * ldc + j, &ic)
                else:
                    dgemm(&tb, &ta, &bn, &bm, &bk, &one, <double *>pb, &ib, <double *>pa, &ia,
                          &beta, c + i * ldc + j, &ic)


# ---- memory for BLAS ----

cdef bint has_buffer = False  # BLAS has one at least, which it never gives back


@cython.final
cdef class Room:
    """A call's place inside BLAS, with buffers for its threads; it ends with the object."""

    def __dealloc__(self):
        if self.entered:
            count_calls(-1)
        count_inside(-self.threads)


cdef Room room_for(int threads):
    """Room for as many of these threads as there is memory for, or MemoryError.

    Nothing else takes memory between this and the products. Where a thread of somebody else's is
    inside BLAS at the same time, with all memory gone, it may have the one buffer there is.
    """
    cdef Room room = Room.__new__(Room)
    while count_calls(1) > MOST_CALLS:
        count_calls(-1)
        time.sleep(1e-3)
    room.entered = True
    while threads > 1 and not can_have(threads * <size_t>BUFFER):
        threads //= 2
    room.threads = threads
    if count_inside(threads) == threads == 1 and has_buffer:
        return room
    if threads == 1 and not can_have(BUFFER):
        raise MemoryError("fastconv: there is no memory for the buffers of SciPy's BLAS")
    if not has_buffer:
        take_buffer()
    return room


cdef int take_buffer() except -1:
    """A product of zeros, in which BLAS takes its first buffer."""
    global has_buffer
    cdef Py_ssize_t size = BLOCK_M * BLOCK_K + BLOCK_K * BLOCK_N + BLOCK_M * BLOCK_N
    cdef double *zeros = <double *>calloc(size, sizeof(double))
    if zeros == NULL:
        raise MemoryError("fastconv: there is no memory for a product")
    with nogil:
        gemm(False, False, BLOCK_M, BLOCK_N, BLOCK_K, zeros, BLOCK_K,
             zeros + BLOCK_M * BLOCK_K, BLOCK_N, False,
             zeros + BLOCK_M * BLOCK_K + BLOCK_K * BLOCK_N, BLOCK_N)
    free(zeros)
    has_buffer = True
    return 0
