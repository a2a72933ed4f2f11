from fastconv._algorithms.depthwise.layout cimport Layout

cdef enum:
    MAX_PRODUCT_TAPS = 9  # that share a pass over grad_output, in dwconv_backward_weight

# How one call of the forward pass, or of the gradient of the data, is cut into tasks. A thread's
# scratch memory holds a window, a plane of outputs to be scattered, and a table of rows.
cdef struct Schedule:
    Py_ssize_t blocks            # of all images and channels
    Py_ssize_t blocks_per_task, tasks
    double work                  # operations
    Py_ssize_t window, tile, rows   # bytes from the beginning of a thread's scratch memory
    Py_ssize_t scratch_bytes     # of a thread

# The same of the gradient of the weights. A task has the sums of some blocks of channels, over
# part of the batch and part of an image's blocks. Scratch memory holds a window, a copy of
# grad_output, sums of some blocks, sums of those, and what a kernel adds to them.
cdef struct GradientSchedule:
    Py_ssize_t batch, images_per_part, batch_parts
    Py_ssize_t block_parts                 # of the blocks of an image
    Py_ssize_t channel_blocks_per_task, channel_tasks, tasks
    Py_ssize_t sum_vectors                 # vectors of sums for each tap
    Py_ssize_t window, grad, sums, totals, products   # bytes, as above
    Py_ssize_t scratch_bytes

cdef Schedule plan_correlation(const Layout *layout, Py_ssize_t batch, int threads) noexcept
cdef GradientSchedule plan_gradient(const Layout *layout, Py_ssize_t batch, bint per_sample,
                                    int threads) noexcept
cdef Py_ssize_t partial_sums_bytes(const Layout *layout) noexcept
