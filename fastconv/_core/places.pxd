"""Places: where elements lie that are too few in a row for vectors to copy.

All channels have the same ones at the same places, so those are listed once, and each channel is
copied by the list.
"""
from libc.limits cimport INT_MAX
from libc.string cimport memcpy

from fastconv._core.types cimport moved_t

cdef enum:
    MAX_PLACES = 1024  # of a list: 8 KB of the first-level cache
    TOGETHER = 4       # channels that share each look at the list

# From the first element of a channel, and from where its copy begins.
cdef struct Places:
    Py_ssize_t count
    int source[MAX_PLACES]
    int target[MAX_PLACES]


cdef inline bint within_reach(const Py_ssize_t *length, const Py_ssize_t *stride) noexcept nogil:
    """Whether a list can hold the distance of any two elements of three axes."""
    cdef Py_ssize_t reach = 0, i
    for i in range(3):
        reach += length[i] * max(stride[i], -stride[i])
    return reach <= INT_MAX


cdef inline void add_place(Places *places, Py_ssize_t source, Py_ssize_t target) noexcept nogil:
    places.source[places.count] = <int>source
    places.target[places.count] = <int>target
    places.count += 1


cdef inline void copy_places(const Places *places, Py_ssize_t channels, const moved_t *x,
                             Py_ssize_t x_channel, moved_t *out,
                             Py_ssize_t out_channel) noexcept nogil:
    """All places of some channels."""
    cdef Py_ssize_t c = 0, i, source, target
    while c + TOGETHER <= channels:
        for i in range(places.count):
            source, target = places.source[i], places.target[i]
            # as bytes, which go through registers of integers: they take half as long to store
            memcpy(&out[target], &x[source], sizeof(moved_t))
            memcpy(&out[target + out_channel], &x[source + x_channel], sizeof(moved_t))
            memcpy(&out[target + 2 * out_channel], &x[source + 2 * x_channel], sizeof(moved_t))
            memcpy(&out[target + 3 * out_channel], &x[source + 3 * x_channel], sizeof(moved_t))
        x += TOGETHER * x_channel
        out += TOGETHER * out_channel
        c += TOGETHER
    while c < channels:
        for i in range(places.count):
            memcpy(&out[places.target[i]], &x[places.source[i]], sizeof(moved_t))
        x += x_channel
        out += out_channel
        c += 1
