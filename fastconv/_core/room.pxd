cdef bint can_have(size_t size) noexcept nogil
cpdef int need_modules() except -1
cpdef int need_scipy() except -1
