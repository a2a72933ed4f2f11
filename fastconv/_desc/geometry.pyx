"""What a caller says of where windows lie: one object from the public function to a description."""
cimport cython


@cython.final
@cython.freelist(8)
@cython.no_gc
cdef class Geometry:
    """The arguments of a convolution or pooling that are neither arrays nor about how it is run.

    They are as the caller gave them: describing them validates them. None of them changes once
    `geometry` has made the object; those that a function does not have keep their default.
    """

    cdef Geometry padded_with(self, padding, mode, value):
        """The same windows over an input that is padded otherwise."""
        cdef Geometry inner = Geometry.__new__(Geometry)
        inner.function, inner.rank, inner.kernel_size = self.function, self.rank, self.kernel_size
        inner.stride, inner.dilation, inner.groups = self.stride, self.dilation, self.groups
        inner.output_padding, inner.output_size = self.output_padding, self.output_size
        inner.ceil_mode, inner.data_format, inner.flip = (
            self.ceil_mode, self.data_format, self.flip)
        inner.padding, inner.padding_mode, inner.padding_value = padding, mode, value
        inner.x, inner.weight = self.x, self.weight
        return inner


def geometry(str function, rank, *, kernel_size=None, stride=1, padding=0, dilation=1,
             groups=1, output_padding=0, output_size=None, ceil_mode=False, padding_mode="zeros",
             padding_value=0, data_format="channels_first", flip=False, str x="x",
             str weight="weight"):
    """The geometry that a call of the public function of this name asks for.

    `rank` is the number of spatial axes, or None to take it from the arguments. All else goes by
    its name, so that no two can change places. A function and not a constructor, because the
    names of a function's arguments cost next to nothing, and those of a class a dictionary.
    """
    cdef Geometry self = Geometry.__new__(Geometry)
    self.function, self.rank, self.kernel_size = function, rank, kernel_size
    self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
    self.output_padding, self.output_size, self.ceil_mode = output_padding, output_size, ceil_mode
    self.padding_mode, self.padding_value = padding_mode, padding_value
    self.data_format, self.flip = data_format, flip
    self.x, self.weight = x, weight
    return self
