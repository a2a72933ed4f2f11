"""What the tasks of a gradient of weights read, and which sums each has."""
from fastconv._algorithms.direct.types cimport GradientSchedule
from fastconv._core.blocks cimport unravel
from fastconv._core.strided cimport Strided5
from fastconv._desc.conv cimport conv_geometry
from fastconv._kernels.dispatch cimport fc_kernels

cdef struct GradientJob:
    const GradientSchedule *schedule
    const conv_geometry *g
    const fc_kernels *kernels
    Py_ssize_t image_blocks     # blocks of outputs of an image
    Strided5 x
    Strided5 grad
    char *out                   # (parts, filters, channels of a group, kernel)
    Py_ssize_t part_size        # elements of one of these parts
    bint in_place               # x is read where it is
    bint prefetches             # gradients, ahead of their use
    const char *skips           # images whose sums leave out rows outside of x, or NULL
    char *scratch

# A task owns one group's range of filters and chunk of channels, for one part of the blocks of
# outputs of all images.
cdef struct GradientTask:
    Py_ssize_t part, group
    Py_ssize_t first_block, end_block        # of filters
    Py_ssize_t first_channel, channels
    Py_ssize_t first_outputs, end_outputs    # blocks of them


cdef inline GradientTask find_sums(const GradientSchedule *schedule,
                                   Py_ssize_t number) noexcept nogil:
    """The sums of task `number`."""
    cdef GradientTask task
    cdef Py_ssize_t extent[3]
    cdef Py_ssize_t index[3]
    extent[0], extent[1] = schedule.layout.groups, schedule.chunks
    extent[2] = schedule.ranges
    task.part = unravel(number, extent, 3, index)
    task.group = index[0]
    task.first_channel = index[1] * schedule.window.channels
    task.channels = min(schedule.window.channels, schedule.channels - task.first_channel)
    task.first_block = index[2] * schedule.blocks_per_range
    task.end_block = min(schedule.filter_blocks, task.first_block + schedule.blocks_per_range)
    task.first_outputs = task.part * schedule.blocks_per_part
    task.end_outputs = min(schedule.all_blocks, task.first_outputs + schedule.blocks_per_part)
    return task
