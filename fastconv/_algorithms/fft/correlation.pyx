"""The forward pass and backward_data: a layer with the spectra of its weights."""
import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from fastconv._algorithms.fft.lattice cimport Layout, layout_for
from fastconv._algorithms.fft.levels cimport Blocks, blocks_for
from fastconv._algorithms.fft.spectra cimport Product, multiply, spectrum_bytes
from fastconv._algorithms.fft.staging cimport fill_tiles, store_tiles
from fastconv._algorithms.fft.weights cimport fill_weights
from fastconv._core.integers cimport ceil_div
from fastconv._core.output cimport Output, make_output
from fastconv._core.strided cimport Strided5, strided_images
from fastconv._core.python_threads cimport python_parallel_for
from fastconv._desc.conv cimport ConvDesc
from fastconv._kernels.dispatch cimport fc_kernels, kernels_for

cnp.import_array()

cdef enum:
    MIN_PLANES = 16  # that are transformed back at once


def complex_of(dtype):
    """The dtype of spectra."""
    return np.result_type(dtype, np.complex64)


cdef class Fft:
    """One pass of one layer, with the spectra of its weights.

    Tiles of float32 that are not exact enough (see `levels`) are transformed once more in float64.
    """

    cdef ConvDesc desc
    cdef Layout layout
    cdef Blocks blocks
    cdef cnp.ndarray norms      # (2, plane written, plane read): sums of |w| and of w^2
    cdef dict spectra           # by dtype: (plane written, plane read of its group, *frequencies)
    cdef cnp.ndarray weight     # for spectra that are made when they are first needed
    cdef double least, most     # magnitudes of what is read that can be transformed

    def __init__(self, ConvDesc desc, which, cnp.ndarray weight, int threads):
        cdef Layout layout = layout_for(desc, which)
        self.desc = desc
        self.layout = layout
        self.weight = weight  # a plan has made a copy
        self.blocks = blocks_for(layout, which)
        self.norms = np.empty((2, layout.out_planes, layout.in_planes // layout.groups))
        self.spectra = {desc.dtype: self.transform_weights(desc.dtype, self.norms, threads)}

    def transform_weights(self, dtype, cnp.ndarray norms, int threads):
        """Spectra in that precision, and the norms of the kernels."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t planes = layout.in_planes // layout.groups
        cdef Py_ssize_t rows = max(1, layout.planes_at_once(1) // planes)
        from fastconv._algorithms.fft import transforms as fft

        spectra = np.empty((layout.out_planes, planes) + layout.freq_shape, complex_of(dtype))

        def transform(task):
            first = task * rows
            tile = np.empty((min(rows, layout.out_planes - first), planes) + layout.shape,
                            self.desc.dtype)
            fill_weights(layout, self.weight, first, tile, norms)
            spectra[first:first + len(tile)] = fft.rfftn(tile.astype(dtype, copy=False),
                                                         axes=layout.axes)

        python_parallel_for(transform, ceil_div(layout.out_planes, rows), threads)
        return spectra

    def spectra_of(self, dtype):
        """The spectra in that precision. Two threads may both make them; either will do."""
        spectra = self.spectra.get(dtype)
        if spectra is None:
            spectra = self.spectra[dtype] = self.transform_weights(
                dtype, np.empty_like(self.norms), 1)
        return spectra

    def set_range(self, double largest, double total):
        """Magnitudes that stay within the arithmetic's range in all transforms and products.

        largest: of a weight; total: of the weights that meet in a result.
        """
        cdef double size = self.layout.size
        cdef double greatest = np.finfo(self.desc.dtype).max, tiny = np.finfo(self.desc.dtype).tiny
        self.most = min(greatest / 4 / size, greatest / 4 / size / size / max(total, 1e-300))
        self.least = 16 * max(tiny, tiny / max(largest, tiny))

    def fits(self, largest):
        """Whether values of this magnitude can be transformed."""
        return self.least <= largest <= self.most or largest == 0

    def run(self, cnp.ndarray source, bias, residual, cnp.ndarray out, int threads):
        """As `Algorithm.prepare` says; returns the images that it had to refuse."""
        cdef Layout layout = self.layout
        if cnp.PyArray_SIZE(out) == 0:
            return None
        if layout.backward:
            memset(cnp.PyArray_BYTES(out), 0, cnp.PyArray_NBYTES(out))
        call = Call(self, source, bias, residual, out)
        if layout.fits_one_piece():
            call.in_one_step(cnp.PyArray_DIM(source, 0), threads)
        else:
            for image in range(cnp.PyArray_DIM(source, 0)):
                call.in_two_steps(image, threads)
        return sorted(call.refused)


cdef class Call:
    """One call: images of the batch that are read, and where results go."""

    cdef Fft of
    cdef Layout layout
    cdef Strided5 images
    cdef Output output
    cdef readonly set refused   # images
    cdef tuple dtypes           # of the arithmetic, one after the other until one is exact enough
    cdef object fft, arrays     # which `images` and `output` point into

    def __init__(self, Fft of, cnp.ndarray source, bias, residual, cnp.ndarray out):
        from fastconv._algorithms.fft import transforms as fft

        self.of = of
        self.layout = of.layout
        self.images = strided_images(source, of.desc.g.channels_last)
        self.output = make_output(of.layout.kernels, &of.desc.epilogue, out, bias,
                                  residual, of.desc.g.channels_last)
        self.refused = set()
        self.dtypes = tuple(dict.fromkeys([of.desc.dtype, np.dtype(np.float64)]))
        self.fft = fft
        self.arrays = source, bias, residual, out

    def in_one_step(self, batch, int threads):
        """Pieces of all planes of some tiles, there and back."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t rows = min(layout.tiles, layout.planes_at_once(
            max(layout.in_planes, layout.out_planes)))
        cdef Py_ssize_t pieces = ceil_div(layout.tiles, rows)

        def piece(task):
            image, first = task // pieces, task % pieces * rows
            tiles = min(rows, layout.tiles - first)
            for dtype in self.dtypes:
                spectra, levels = self.transformed(image, first, tiles, 0, layout.in_planes, dtype)
                if image in self.refused or self.store_results(
                        spectra, levels, image, first, 0, layout.out_planes):
                    return
            self.refused.add(image)

        python_parallel_for(piece, batch * pieces, threads)

    def in_two_steps(self, image, int threads):
        """Some tiles of all planes at a time, as long as they can be trusted."""
        cdef Py_ssize_t waiting = self.layout.tiles_at_once()
        for first in range(0, self.layout.tiles, waiting):
            if image not in self.refused:
                self.some_tiles(image, first, min(waiting, self.layout.tiles - first), threads)

    def some_tiles(self, image, first, tiles, int threads):
        """First all planes read, then all written, which are sums over the former."""
        for dtype in self.dtypes:
            if self.all_planes(image, first, tiles, dtype, threads) or image in self.refused:
                return
        self.refused.add(image)

    def all_planes(self, image, first, tiles, dtype, int threads):
        """Those tiles in that precision; whether they are exact enough."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t planes = layout.planes_at_once(1)
        cdef Py_ssize_t per_tile = ceil_div(layout.in_planes, planes)
        cdef Py_ssize_t many = max(<Py_ssize_t>MIN_PLANES, planes // <Py_ssize_t>tiles)
        spectra = np.empty((tiles, layout.in_planes) + layout.freq_shape, complex_of(dtype))
        levels = self.of.blocks.empty_levels(tiles, layout.in_planes)
        exact = []

        def forth(task):
            tile, plane = task // per_tile, task % per_tile * planes
            some = slice(plane, min(plane + planes, layout.in_planes))
            part, levels[tile:tile + 1, some] = self.transformed(
                image, first + tile, 1, plane, some.stop - plane, dtype)
            spectra[tile, some] = part[0]

        def back(task):
            plane = task * many
            exact.append(self.store_results(spectra, levels, image, first, plane,
                                            min(many, layout.out_planes - plane)))

        python_parallel_for(forth, tiles * per_tile, threads)
        if image not in self.refused:
            python_parallel_for(back, ceil_div(layout.out_planes, many), threads)
        return all(exact)

    def transformed(self, image, first, tiles, plane, planes, dtype):
        """Spectra and levels of tiles of some planes; refuses the image if they cannot be trusted.
        """
        tile, largest = fill_tiles(self.layout, &self.images, image, False, first, tiles, plane,
                                   planes)
        if not self.of.fits(largest):
            self.refused.add(image)
        levels = self.of.blocks.levels(tile)
        return self.fft.rfftn(tile.astype(dtype, copy=False), axes=self.layout.axes), levels

    def store_results(self, cnp.ndarray spectra, levels, image, first, plane, planes):
        """Results of some planes from the spectra (tile, plane read, *frequencies) of all; whether
        they are exact enough."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t tiles = cnp.PyArray_DIM(spectra, 0)
        sums = np.empty((tiles, planes) + layout.freq_shape, spectra.dtype)
        self.multiply_groups(spectra, sums, plane, planes)
        results = self.fft.irfftn(sums, s=layout.transforms, axes=layout.axes, overwrite_x=True)
        exact = layout.desc.exact or self.of.blocks.exact_enough(
            self.of.norms, levels, results, first, plane)
        if exact:
            store_tiles(layout, &self.output, image, first, tiles, plane, planes,
                        results.astype(layout.desc.dtype, copy=False))
        return exact

    cdef int multiply_groups(self, cnp.ndarray spectra, cnp.ndarray sums, Py_ssize_t plane,
                             Py_ssize_t planes) except -1:
        """Sums of products of spectra, for those planes of each group that are asked for."""
        cdef Layout layout = self.layout
        cdef Py_ssize_t itemsize = sums.itemsize // 2, per_group, size, group, n, p = plane
        cdef cnp.ndarray weights = self.of.spectra_of(np.dtype(f"f{itemsize}"))
        cdef const fc_kernels *kernels = kernels_for(itemsize)
        cdef Product product
        per_group = layout.out_planes // layout.groups
        product.tiles, product.freq = cnp.PyArray_DIM(spectra, 0), layout.freq
        product.channels = layout.in_planes // layout.groups
        product.x_tile, product.x_channel = layout.in_planes, 1
        product.w_filter, product.w_channel = product.channels, 1
        product.y_tile, product.y_filter = planes, 1
        product.more = False
        size = spectrum_bytes(&product, itemsize)
        with nogil:
            while p < plane + planes:
                group = p // per_group
                n = min(plane + planes, (group + 1) * per_group) - p
                product.filters = n
                multiply(kernels, &product,
                         cnp.PyArray_BYTES(spectra) + group * product.channels * size,
                         cnp.PyArray_BYTES(weights) + p * product.channels * size,
                         cnp.PyArray_BYTES(sums) + (p - plane) * size, itemsize)
                p += n
        return 0
