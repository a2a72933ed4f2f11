"""Scratch memory that is aligned, and kept between calls.

A fresh large block costs a page fault for every 4 KiB at its first use, which is as much as a
small convolution takes; so a few blocks are kept. What is kept is bounded: `KEPT` blocks of at
most `LARGE` bytes each, but for one that may have up to `largest`, since it serves all threads.
"""
import os

cimport cython

cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(_WIN32)
    #include <malloc.h>
    #define fc_aligned(size) _aligned_malloc((size), 64)
    #define fc_free _aligned_free
    #else
    #include <sys/mman.h>
    static void *fc_aligned(size_t size)
    {
        void *p = NULL;
        const size_t huge = (size_t)2 << 20;
        if (size < huge / 2) return posix_memalign(&p, 64, size) ? NULL : p;
        size = (size + huge - 1) / huge * huge;
        if (posix_memalign(&p, huge, size)) return NULL;
    #ifdef MADV_HUGEPAGE
        /* Small pages lie anywhere in memory, so that some sets of the second-level cache get
         * more of them than they can hold; besides, there are more than the TLB knows. */
        madvise(p, size, MADV_HUGEPAGE);
    #endif
        return p;
    }
    #define fc_free free
    #endif
    """
    void *fc_aligned(size_t size) nogil
    void fc_free(void *p) nogil

cdef extern from *:
    """
    #if defined(__unix__) || defined(__APPLE__)
    #include <unistd.h>
    #endif
    /* The second-level cache, for which windows are sized. */
    static Py_ssize_t fc_cache_bytes(void)
    {
        long size = 0;
    #ifdef _SC_LEVEL2_CACHE_SIZE
        size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    #endif
        return size >= (256 << 10) && size <= (16 << 20) ? size : (1 << 20);
    }
    """
    Py_ssize_t fc_cache_bytes() nogil

cdef Py_ssize_t CACHE = fc_cache_bytes()

cdef enum:
    KEPT = 4
    LARGE = 16 << 20
    LARGEST = 64 << 20     # or, where that is more,
    OF_THREAD = 8 << 20    # so much for every processor: the largest blocks are those of Winograd

cdef Py_ssize_t largest = 0


def keep_for(processors):
    """Bound what is kept for a machine of so many processors."""
    global largest
    largest = max(<Py_ssize_t>LARGEST, <Py_ssize_t>OF_THREAD * <Py_ssize_t>processors)


keep_for(os.cpu_count() or 1)
kept = []  # list.append and list.pop are atomic, with and without the interpreter lock


cdef class Block:
    """Owns one allocation."""

    def __dealloc__(self):
        fc_free(self.data)


@cython.final
@cython.freelist(8)
@cython.no_gc
cdef class Scratch:
    """A block on loan; it goes back when the loan is dropped."""

    def __dealloc__(self):
        cdef Block candidate
        if self.block is None or kept is None or self.block.size > largest:
            return
        try:
            if self.block.size > LARGE:  # the only one of its kind
                for _ in range(len(kept)):
                    candidate = kept.pop(0)
                    if candidate.size <= LARGE:
                        kept.append(candidate)
            kept.append(self.block)
            if len(kept) > KEPT:
                kept.pop(0)  # the one that has waited longest
        except (IndexError, MemoryError):
            pass  # another thread was quicker, or there is no memory: the block is freed


cdef Scratch acquire(size_t size):
    """A scratch block of at least `size` bytes, aligned to a cache line."""
    cdef Scratch loan = Scratch.__new__(Scratch)
    cdef Block block = None
    cdef Block candidate
    size = max(size, 1 << 16)
    for _ in range(len(kept)):
        try:
            candidate = kept.pop(0)
        except IndexError:
            break
        # not one that is far too large either: the loan may be a plan's, for life
        if size <= candidate.size <= 4 * size:
            block = candidate
            break
        kept.append(candidate)
    if block is None:
        block = Block.__new__(Block)
        block.data = <char *>fc_aligned(size)
        if block.data == NULL:
            raise MemoryError(f"fastconv: cannot allocate {size} bytes of scratch memory")
        block.size = size
    loan.block = block
    loan.data = block.data
    loan.size = block.size
    return loan
