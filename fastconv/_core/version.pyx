"""The version that this copy was built as."""

cdef extern from *:
    const char *FASTCONV_VERSION   # which the build defines

version = FASTCONV_VERSION.decode()
