"""Scratch memory that is aligned, and kept between calls.

A fresh large block costs a page fault for every 4 KiB at its first use, which is as much as a
small convolution takes; so a few blocks are kept. What is kept is bounded: `KEPT` blocks of at
most `LARGE` bytes each, but for one that may have up to `largest`, since it serves all threads.
"""
import os

cimport cython
from libc.stdlib cimport free, malloc

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

cdef extern from *:
    """
    /* What is kept, the latest first. Taking and putting are atomic, with and without the
     * interpreter lock. */
    enum { KEPT = 4 };
    static void *kept[KEPT];
    #define exchange(i, block) __atomic_exchange_n(&kept[i], (void *)(block), __ATOMIC_ACQ_REL)
    """
    enum: KEPT
    void *exchange(int i, Block *block) noexcept nogil  # what was there, or NULL

cdef Py_ssize_t CACHE = fc_cache_bytes()

cdef enum:
    LARGE = 16 << 20
    LARGEST = 64 << 20     # or, where that is more,
    OF_THREAD = 8 << 20    # so much for every processor: the largest blocks are those of Winograd
    SMALLEST = 1 << 16     # of a block: smaller ones would not serve many calls

cdef size_t largest = 0


def keep_for(processors):
    """Bound what is kept for a machine of so many processors."""
    global largest
    largest = max(<size_t>LARGEST, <size_t>OF_THREAD * <size_t>processors)


keep_for(os.cpu_count() or 1)


def drop_kept():
    """Free what is kept. Returns how many blocks that were."""
    cdef Block *block
    cdef int i, dropped = 0
    for i in range(KEPT):
        block = <Block *>exchange(i, NULL)
        dropped += block != NULL
        drop(block)
    return dropped


cdef Block *new_block(size_t size) noexcept:
    """A block of so many bytes, or NULL."""
    cdef Block *block = <Block *>malloc(sizeof(Block))
    if block == NULL:
        return NULL
    block.data, block.size = <char *>fc_aligned(size), size
    if block.data == NULL:
        free(block)
        return NULL
    return block


cdef void drop(Block *block) noexcept:
    if block != NULL:
        fc_free(block.data)
        free(block)


cdef Block *kept_block(size_t size) noexcept:
    """A block of at least so many bytes from those that are kept, or NULL."""
    cdef Block *block
    cdef int i
    for i in range(KEPT):
        block = <Block *>exchange(i, NULL)
        # not one that is far too large either: the loan may be a plan's, for life
        if block != NULL and size <= block.size <= 4 * size:
            return block
        if block != NULL:
            drop(<Block *>exchange(i, block))  # another thread was quicker
    return NULL


cdef void keep(Block *block) noexcept:
    """Keep a block, and free the one that has waited longest if there are too many."""
    cdef Block *other
    cdef int i
    if block.size > LARGE:  # the only one of its kind
        for i in range(KEPT):
            other = <Block *>exchange(i, NULL)
            if other != NULL and other.size <= LARGE:
                other = <Block *>exchange(i, other)
            drop(other)
    for i in range(KEPT):
        block = <Block *>exchange(i, block)
        if block == NULL:
            return
    drop(block)


@cython.final
@cython.freelist(8)
@cython.no_gc
cdef class Scratch:
    """A block on loan; it goes back when the loan is dropped."""

    def __dealloc__(self):
        if self.block == NULL:
            return
        if self.block.size > largest:
            drop(self.block)
        else:
            keep(self.block)


cdef Scratch acquire(size_t size):
    """A scratch block of at least `size` bytes, aligned to a cache line."""
    cdef Scratch loan = Scratch.__new__(Scratch)
    size = max(size, <size_t>SMALLEST)
    loan.block = kept_block(size)
    if loan.block == NULL:
        loan.block = new_block(size)
    if loan.block == NULL:
        raise MemoryError(f"fastconv: cannot allocate {size} bytes of scratch memory")
    loan.data, loan.size = loan.block.data, loan.block.size
    return loan
