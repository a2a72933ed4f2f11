from fastconv._desc.conv cimport ConvDesc

# How a call is cut. Tasks are tiles of an image's group, images, or parts of the batch; offsets are
# those of a thread's scratch memory, in bytes.
cdef struct Schedule:
    Py_ssize_t tile, tiles       # pixels; of an image
    Py_ssize_t images, parts     # of a part of the batch; such parts
    Py_ssize_t channels, channel_parts  # of a part of a group, of a gradient of the data
    Py_ssize_t columns_at, product_at, further_at, scratch_bytes

cdef Schedule make_schedule(ConvDesc desc, which, Py_ssize_t batch, bint per_sample) except *
