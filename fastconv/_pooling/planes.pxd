from fastconv._pooling.schedule cimport BlockRef, Job


cdef void global_block(const Job *job, const BlockRef *b) noexcept nogil
cdef void square_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil
cdef void padded_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil
cdef void joined_block(const Job *job, const BlockRef *b, char *scratch) noexcept nogil
