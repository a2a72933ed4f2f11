from fastconv._algorithms.depthwise.blocks cimport BlockRef
from fastconv._algorithms.depthwise.layout cimport Layout
from fastconv._core.strided cimport Strided5
from fastconv._core.types cimport real_t

cdef void find_rects(const Strided5 *source, BlockRef *block) noexcept nogil
cdef void gather_window(const Layout *layout, const Strided5 *source, const BlockRef *block,
                        const BlockRef *previous, real_t *window) noexcept nogil
