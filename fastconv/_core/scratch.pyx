"""Scratch memory that is aligned, and kept between calls.

A fresh large block costs a page fault for every 4 KiB at its first use, which is as much as a
small convolution takes; so a few blocks are kept. What is kept is bounded: `KEPT` blocks of at
most `LARGEST` bytes each.
"""
cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(_WIN32)
    #include <malloc.h>
    #define fc_aligned(size) _aligned_malloc((size), 64)
    #define fc_free _aligned_free
    #else
    static void *fc_aligned(size_t size)
    {
        void *p = NULL;
        return posix_memalign(&p, 64, size) ? NULL : p;
    }
    #define fc_free free
    #endif
    """
    void *fc_aligned(size_t size) nogil
    void fc_free(void *p) nogil

cdef enum:
    KEPT = 4
    LARGEST = 16 << 20

kept = []  # list.append and list.pop are atomic, with and without the interpreter lock


cdef class Block:
    """Owns one allocation."""

    def __dealloc__(self):
        fc_free(self.data)


cdef class Scratch:
    """A block on loan; it goes back when the loan is dropped."""

    def __dealloc__(self):
        if self.block is None or kept is None or self.block.size > LARGEST:
            return
        kept.append(self.block)
        if len(kept) > KEPT:
            del kept[0]  # the one that has waited longest


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
