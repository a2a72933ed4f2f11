from fastconv._algorithms.depthwise.layout cimport Layout, OutputPhase

cdef void make_window_columns(const Layout *layout, OutputPhase *phase) noexcept
cdef void make_row_columns(const Layout *layout, OutputPhase *phase) noexcept
cdef void list_plane_taps(const Layout *layout, OutputPhase *phase) noexcept
cdef void list_backward_plane_taps(OutputPhase *phase) noexcept
