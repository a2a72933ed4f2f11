from fastconv._algorithms.depthwise.layout cimport Layout

cdef bint by_planes(const Layout *layout) noexcept
