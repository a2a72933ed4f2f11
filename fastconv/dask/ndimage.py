"""Filters of images for Dask arrays: `fastconv.ndimage` under the same names, block by block.

Every function reads as far as its kernel does into neighbouring blocks, so that results are those
of the whole array, bit for bit. Only `uniform_filter` and `uniform_filter1d` of floating-point
numbers keep running sums, as SciPy's do: where such an axis is cut, the last bits differ.
"""
import inspect
from functools import partial

import numpy as np

from fastconv import ndimage as filters
from fastconv.dask._blocks import as_dask, by_blocks, computed, described, repeated, trimmed

__all__ = list(filters.SERVED)

WRAP = ("wrap", "grid-wrap")


# ---- how far filters reach ----

def entries(value, count):
    """One entry for each of the filtered axes."""
    if value is None or isinstance(value, str) or np.ndim(value) == 0:
        return [value] * count
    return list(value)


def of_size(size, origin):
    return int(size) // 2 + abs(int(origin))


def gaussian(a, sigma):
    """As far as SciPy's kernel reaches: `truncate` times sigma, rounded, unless radius is given."""
    radius = a.get("radius")
    if isinstance(radius, list | tuple):
        raise TypeError("radius has an entry for each axis, which was not taken apart")
    if radius is not None:
        return int(radius)
    return int(float(a.get("truncate", 4.0)) * float(sigma) + 0.5)


def reach_of_gaussian(a, ndim, axes):
    sigmas, radii = entries(a["sigma"], len(axes)), entries(a.get("radius"), len(axes))
    return [gaussian(a | {"radius": radius}, sigma)
            for sigma, radius in zip(sigmas, radii, strict=True)]


def reach_of_weights(a, ndim, axes):
    return [of_size(n, o) for n, o in zip(a["weights"].shape, entries(a["origin"], len(axes)),
                                          strict=True)]


def reach_of_line(a, ndim, axes):
    return [of_size(len(a["weights"]) if "weights" in a else a["size"], a["origin"])]


def reach_of_window(a, ndim, axes):
    """Of a size, a footprint or a structure."""
    for name in ("structure", "footprint"):
        if a.get(name) is not None:
            sizes = a[name].shape
            break
    else:
        sizes = entries(a["size"], len(axes))
    return [of_size(n, o) for n, o in zip(sizes, entries(a["origin"], len(axes)), strict=True)]


def reach_twice(a, ndim, axes):
    """Of an erosion and a dilation, one after the other."""
    return [2 * reach for reach in reach_of_window(a, ndim, axes)]


def reach_of_one(a, ndim, axes):
    return [1] * len(axes)


REACH = {
    "correlate": reach_of_weights, "convolve": reach_of_weights,
    "correlate1d": reach_of_line, "convolve1d": reach_of_line, "uniform_filter1d": reach_of_line,
    "maximum_filter1d": reach_of_line, "minimum_filter1d": reach_of_line,
    "gaussian_filter": reach_of_gaussian, "gaussian_filter1d": reach_of_gaussian,
    "gaussian_laplace": reach_of_gaussian, "gaussian_gradient_magnitude": reach_of_gaussian,
    "uniform_filter": reach_of_window, "maximum_filter": reach_of_window,
    "minimum_filter": reach_of_window, "grey_erosion": reach_of_window,
    "grey_dilation": reach_of_window, "morphological_gradient": reach_of_window,
    "morphological_laplace": reach_of_window, "grey_opening": reach_twice,
    "grey_closing": reach_twice, "white_tophat": reach_twice, "black_tophat": reach_twice,
    "laplace": reach_of_one, "sobel": reach_of_one, "prewitt": reach_of_one,
}  # fmt: skip
# Those with `axis`, and of these the ones that read along the others too.
ALONG = {"correlate1d", "convolve1d", "uniform_filter1d", "maximum_filter1d", "minimum_filter1d",
         "gaussian_filter1d"}


# ---- the functions ----

def filter_block(block, *, pads, name, options):
    return getattr(filters, name)(block, **options, num_threads=1)


def filtered_axes(name, a, ndim):
    """Numbers of the axes along which a filter reads."""
    if name in ALONG:
        return [normalized(name, a["axis"], ndim)]
    if a.get("axes") is None:
        return list(range(ndim))
    axes = a["axes"] if isinstance(a["axes"], list | tuple) else [a["axes"]]
    return [normalized(name, axis, ndim) for axis in axes]


def normalized(name, axis, ndim):
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is none of the {ndim} axes of input")
    return axis % ndim


def served(name):
    """The filter of this name, for Dask arrays."""
    original = getattr(filters, name)
    signature = inspect.signature(original)

    def function(input, *arguments, depth=None, **options):
        if options.pop("num_threads", None) is not None:
            raise ValueError(f"{name}: num_threads is not served for Dask arrays")
        x = as_dask(name, "input", input)
        bound = signature.bind(x, *arguments, **options)
        bound.apply_defaults()
        a = dict(bound.arguments)
        a.pop("input")
        more = a.pop("kwargs", {})
        for key in ("weights", "footprint", "structure"):
            if a.get(key) is not None:
                a[key] = computed(a[key])
        if a["output"] is not None:
            a["output"] = np.dtype(a["output"])   # an array is none, and refused
        a.pop("num_threads")
        axes = filtered_axes(name, a, x.ndim)
        reach = reaches(name, a | more, x.ndim, axes, depth)
        options = a | more
        sample = original(np.ones((1,) * x.ndim, x.dtype), **options)
        modes = entries(a["mode"], x.ndim if name in ("sobel", "prewitt") else len(axes))
        if len(modes) == 1:
            modes *= len(axes)
        places = []
        x, crop = around(x, axes, modes, reach)
        for axis, r in zip(axes, reach, strict=True):
            if r:
                places.append(trimmed(axis, x.shape[axis], r))
        call = partial(filter_block, name=name, options=options)
        return by_blocks(name, x, places, call, {}, sample.dtype)[crop]

    own = inspect.Parameter("depth", inspect.Parameter.KEYWORD_ONLY, default=None)
    shown = [p for p in signature.parameters.values() if p.name != "num_threads"]
    place = len(shown) - (shown[-1].kind is inspect.Parameter.VAR_KEYWORD)
    return described(
        function, f"fastconv.ndimage.{name}", "input",
        " `output` is a dtype. With a derivative of your own\n"
        "    `depth` says how many elements around a result it reads along each axis.",
        signature.replace(parameters=[*shown[:place], own, *shown[place:]]))


def reaches(name, a, ndim, axes, depth):
    """How far the filter reads along each of the axes."""
    if depth is not None:
        return [int(d) for d in entries(depth, len(axes))]
    if name not in REACH:
        raise ValueError(f"{name}: what the derivative reads is not known; give depth, how many "
                         f"elements around a result along each axis")
    return REACH[name](a, ndim, axes)


def around(x, axes, modes, reach):
    """x with its far ends beside its ends, where it goes round; and what to leave out again."""
    crop = [slice(None)] * x.ndim
    for axis, mode, r in zip(axes, modes, reach, strict=True):
        if mode not in WRAP or r == 0 or len(x.chunks[axis]) == 1:
            continue
        length = x.shape[axis]
        if r > length:
            x = x.rechunk({axis: -1})
            continue
        x = repeated(x, axis, r, r)
        crop[axis] = slice(r, r + length)
    return x, tuple(crop)


for _name in __all__:
    globals()[_name] = served(_name)


def __dir__():
    return __all__
