"""What a window is: the part of a source that a block of outputs reads, laid out in memory."""

cdef enum:
    OUTSIDE = -1   # a position that holds the constant of the padding
    UNUSED = -2    # and one that no output reads: a zero

# One spatial axis of a correlation: output o reads source position o * step + tap[t].
cdef struct WindowAxis:
    Py_ssize_t length        # of the source
    Py_ssize_t mode          # how the source goes on outside
    double value             # there, if that is a constant but zero
    Py_ssize_t step
    Py_ssize_t taps
    Py_ssize_t count         # outputs
    Py_ssize_t *tap
    # The window: the part of the source that `block` consecutive outputs read.
    Py_ssize_t block
    Py_ssize_t window        # its length
    Py_ssize_t window_step   # window positions from one output to the next
    Py_ssize_t segment       # positions of each segment, or 0: there is one for all
    Py_ssize_t segment_step  # elements from one segment to the next
    bint per_tap             # each tap has a segment of its own, else each phase of the step
    Py_ssize_t low           # smallest tap
    Py_ssize_t *at           # window position of each tap, for the block's first output

# Equally spaced source positions that make up a run of window positions.
cdef struct CopyRun:
    Py_ssize_t start, length, source, step  # source < 0: as of a plane

# A window in memory, (channels, window0, window1, window2) or channels last, for one image.
# Of `joined` axes the segments of taps come before the positions of all axes, so that the outputs
# of these axes and of the one before read one line: those of axes 1 and 2 if it is 1, of all if 2.
cdef struct Window:
    WindowAxis *axis         # three of them
    Py_ssize_t channels
    bint channels_last
    int joined
    Py_ssize_t channel       # strides, in elements
    Py_ssize_t position[3]
    Py_ssize_t size          # elements of one image's window
    Py_ssize_t slack         # readable elements past it

# What the window of one block of outputs reads.
cdef struct WindowIndex:
    Py_ssize_t planes, rows, runs    # of the window that are in use
    Py_ssize_t *plane                # source position of each, or OUTSIDE, or UNUSED
    Py_ssize_t *row
    CopyRun *run                     # the last axis


cdef inline Py_ssize_t window_place(const Window *window, int a,
                                    Py_ssize_t position) noexcept nogil:
    """Elements from a window's beginning to a position of an axis."""
    cdef const WindowAxis *axis = &window.axis[a]
    if axis.segment_step == axis.segment * window.position[a]:
        return position * window.position[a]
    return (position // axis.segment * axis.segment_step
            + position % axis.segment * window.position[a])
