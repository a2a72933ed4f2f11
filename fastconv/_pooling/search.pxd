from fastconv._pooling.schedule cimport BlockRef, Job


cdef void search_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil
