"""The gradient of the weights: products of spectra, summed over tiles and images.

The spectra of an image's tiles are multiplied and summed up, then those of the images, and the sum
is transformed back once.
"""
import numpy as np

cimport numpy as cnp

from fastconv._algorithms.fft.lattice cimport Layout, layout_for
from fastconv._algorithms.fft.spectra cimport Product, multiply, spectrum_bytes
from fastconv._algorithms.fft.staging cimport fill_tiles
from fastconv._algorithms.fft.weights cimport scatter_weights
from fastconv._core.integers cimport ceil_div
from fastconv._core.padding cimport AXES
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.python_threads cimport python_parallel_for
from fastconv._desc.conv cimport ConvDesc

from fastconv._algorithms.fft.correlation import complex_of
from fastconv._algorithms.record import BACKWARD_WEIGHT

cnp.import_array()


def weight_gradient(ConvDesc desc, cnp.ndarray grad, cnp.ndarray x, cnp.ndarray out,
                    bint per_sample, int threads):
    """As `Algorithm.weight_gradient` says; returns the images that it had to refuse."""
    batch = len(x)
    if cnp.PyArray_SIZE(out) == 0:
        return None
    if batch == 0:
        out.fill(0)
        return None
    gradient = Gradient(desc, grad, x, 1 if per_sample else batch, threads)
    total = None
    refused = []
    for image in range(batch):
        sums = gradient.image_sums(image)
        if not gradient.fits():
            refused.append(image)
            if not per_sample:
                return refused
        elif per_sample:
            gradient.store(sums, out[image])
        elif total is None:
            total = sums
        else:
            total += sums
    if not per_sample:
        gradient.store(total, out)
    return refused


cdef class Gradient:
    """One call: both sides of the sums, and the spectra of the tiles that wait."""

    cdef Layout layout
    cdef Strided5[2] images       # x, and grad_output
    cdef list largest             # magnitudes met on each side of an image's sums
    cdef tuple planes             # of each side
    cdef list spectra             # (tile, plane, *frequencies) of each side
    cdef int threads
    cdef double most
    cdef object fft, arrays       # which `images` point into

    def __init__(self, ConvDesc desc, grad, x, summed_images, int threads):
        cdef Layout layout = layout_for(desc, BACKWARD_WEIGHT)
        cdef double size = layout.size
        from fastconv._algorithms.fft import transforms as fft

        self.layout = layout
        self.images[0] = strided_images(x, desc.g.channels_last)
        self.images[1] = strided_images(grad, desc.g.channels_last)
        self.arrays = x, grad
        self.threads = threads
        self.fft = fft
        self.planes = layout.in_planes, layout.out_planes
        self.spectra = [np.empty((layout.tiles_at_once(), n) + layout.freq_shape,
                                 complex_of(desc.dtype)) for n in self.planes]
        # what a product of magnitudes may be, so that no sum overflows
        self.most = np.finfo(desc.dtype).max
        self.most = self.most / 4 / size / size / layout.tiles / summed_images

    def image_sums(self, image):
        """Spectra (filter, channel of its group and phase, *frequencies) of one image's sums."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t waiting = layout.tiles_at_once()
        sums = np.empty((layout.out_planes, layout.in_planes // layout.groups)
                        + layout.freq_shape, complex_of(layout.desc.dtype))
        self.largest = [[], []]
        for first in range(0, layout.tiles, waiting):
            tiles = min(waiting, layout.tiles - first)
            self.transform_tiles(image, first, tiles)
            self.add_products(tiles, sums, first > 0)
        return sums

    def transform_tiles(self, image, first, tiles):
        """Tiles of both sides, a piece in each task: some tiles, or some planes of one."""
        pieces = [piece for side in range(2) for piece in self.pieces(side, tiles)]

        def forth(task):
            side, tile, plane = pieces[task]
            some, largest = fill_tiles(self.layout, &self.images[<int>side], image, side,
                                       first + tile.start, tile.stop - tile.start, plane.start,
                                       plane.stop - plane.start)
            self.spectra[side][tile, plane] = self.fft.rfftn(some, axes=self.layout.axes)
            self.largest[side].append(largest)

        python_parallel_for(forth, len(pieces), self.threads)

    def pieces(self, side, tiles):
        """Which tiles and planes of a side are transformed by one call of SciPy."""
        cdef Py_ssize_t planes = self.planes[side], at_once = self.layout.planes_at_once(1)
        cdef Py_ssize_t rows = 1
        if at_once >= planes:
            rows, at_once = self.layout.planes_at_once(planes), planes
        return [(side, slice(tile, min(tile + rows, tiles)),
                 slice(plane, min(plane + at_once, planes)))
                for tile in range(0, tiles, rows) for plane in range(0, planes, at_once)]

    def filters_at_once(self):
        """Filters whose sums one task takes."""
        return max(1, self.layout.planes_at_once(1) // max(
            1, self.layout.in_planes // self.layout.groups))

    def add_products(self, tiles, sums, more):
        """Products of the tiles that wait, summed over them; more: added to `sums`."""
        rows, filters = self.filters_at_once(), self.layout.out_planes

        def add_up(task):
            self.multiply_filters(tiles, sums, task * rows, min(filters, (task + 1) * rows), more)

        python_parallel_for(add_up, ceil_div(filters, rows), self.threads)

    cdef int multiply_filters(self, Py_ssize_t tiles, cnp.ndarray sums, Py_ssize_t first,
                              Py_ssize_t stop, bint more) except -1:
        """sums[filter][plane read of its group] (+)= the sum over tiles of x * grad_output."""
        cdef Layout layout = self.layout
        cdef cnp.ndarray x = self.spectra[0], grad = self.spectra[1]
        cdef Py_ssize_t planes = layout.in_planes // layout.groups, filter = first, group, n, size
        cdef Py_ssize_t itemsize = layout.desc.g.itemsize
        cdef Product product
        product.tiles, product.channels, product.freq = planes, tiles, layout.freq
        product.x_tile, product.x_channel = 1, layout.in_planes
        product.w_filter, product.w_channel = 1, layout.out_planes
        product.y_tile, product.y_filter = 1, planes
        product.more = more
        size = spectrum_bytes(&product, itemsize)
        with nogil:
            while filter < stop:
                group = filter // layout.filters
                n = min(stop, (group + 1) * layout.filters) - filter
                product.filters = n
                multiply(layout.kernels, &product,
                         cnp.PyArray_BYTES(x) + group * planes * size,
                         cnp.PyArray_BYTES(grad) + filter * size,
                         cnp.PyArray_BYTES(sums) + filter * planes * size, itemsize)
                filter += n
        return 0

    def fits(self):
        """Whether the sums of the last image can be trusted."""
        cdef double a, b, size = self.layout.size, tiny
        tiny = np.finfo(self.layout.desc.dtype).tiny
        with np.errstate(all="ignore"):
            a, b = np.max(self.largest[0]), np.max(self.largest[1])  # NaN passes through
        return (a * b <= self.most and a <= self.most * size and b <= self.most * size
                and not 0 < a * b < tiny)

    def store(self, sums, out):
        """Transform sums back, and what they are good for into `out`."""
        cdef Layout layout = self.layout
        rows, filters = self.filters_at_once(), layout.out_planes
        uncut = tuple(set(range(-AXES, 0)) - set(layout.axes))

        def back(task):
            some = self.fft.irfftn(sums[task * rows:(task + 1) * rows], s=layout.transforms,
                                   axes=layout.axes, overwrite_x=True)
            if uncut:
                some = np.ascontiguousarray(some.sum(axis=uncut))
            scatter_weights(layout, some, task * rows, out)

        python_parallel_for(back, ceil_div(filters, rows), self.threads)
