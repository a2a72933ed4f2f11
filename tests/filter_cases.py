"""Random calls of `fastconv.ndimage`, each made again from its number: SciPy answers for them.

``python filter_cases.py NUMBER...`` prints calls and what both modules make of them.
"""

import inspect
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np
import scipy.ndimage

import fastconv.ndimage
from fastconv.testing.cases import VIEWS, WRITEABLE, as_view, empty_view

LINES = ("correlate1d", "convolve1d", "gaussian_filter1d", "uniform_filter1d", "maximum_filter1d",
         "minimum_filter1d")
SEPARABLE = ("gaussian_filter", "uniform_filter", "prewitt", "sobel", "laplace", "gaussian_laplace",
             "gaussian_gradient_magnitude", "generic_laplace", "generic_gradient_magnitude")
EXTREMA = ("maximum_filter", "minimum_filter")
MORPHOLOGY = ("grey_dilation", "grey_erosion", "grey_opening", "grey_closing",
              "morphological_gradient", "morphological_laplace", "white_tophat", "black_tophat")
CORRELATIONS = ("correlate", "convolve")
FUNCTIONS = (*LINES, *SEPARABLE, *EXTREMA, *MORPHOLOGY, *CORRELATIONS)

# How often a function is drawn, where not once.
OFTEN = {
    "correlate1d": 3, "convolve1d": 2, "gaussian_filter": 2, "uniform_filter1d": 2,
    "uniform_filter": 2, "correlate": 3, "convolve": 2, "maximum_filter": 2, "minimum_filter": 2,
    "generic_laplace": 0.5, "generic_gradient_magnitude": 0.5,
}  # fmt: skip

# These read the input again after the first result, so that SciPy reads what it wrote there.
READ_AGAIN = {"laplace", "gaussian_laplace", "gaussian_gradient_magnitude", "generic_laplace",
              "generic_gradient_magnitude", "morphological_gradient", "morphological_laplace",
              "white_tophat", "black_tophat"}  # fmt: skip

MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "grid-mirror", "grid-wrap",
         "grid-constant")
DTYPES = ("uint8", "uint16", "float32", "float64")
OTHERS = ("bool", "int8", "int16", "int32", "uint32", "int64", "uint64", "longlong", "ulonglong")
REFUSED = ("float16", "longdouble", "object", "datetime64[s]")
SPECIALS = (np.inf, -np.inf, np.nan, 0.0, -0.0, 5e-324, -2e-310, 1e300, -3e38, 1e-40, 255.5, -1.0)


@dataclass
class Call:
    """A call of one of `FUNCTIONS`, and the arrays that it is about."""

    name: str
    args: list = field(default_factory=list)
    kwargs: dict = field(default_factory=dict)

    def run(self, module, **more):
        """What the function of a module returns, or the exception; and the warnings."""
        given = {key: getattr(module, value.name) if isinstance(value, Function) else value
                 for key, value in self.kwargs.items()}
        args = [getattr(module, a.name) if isinstance(a, Function) else a for a in self.args]
        with warnings.catch_warnings(record=True) as seen, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            try:
                result = getattr(module, self.name)(*args, **given, **more)
            except Exception as error:
                result = error
        return result, sorted({w.category.__name__ for w in seen} - {"RuntimeWarning"})

    @property
    def output(self):
        """The array that results are asked into, or None."""
        given = scipy_signature(self.name).bind(*self.args, **self.kwargs).arguments
        output = given.get("output")
        return output if isinstance(output, np.ndarray) else None

    def arrays(self):
        """All arrays among the arguments."""
        return [a for a in (*self.args, *self.kwargs.values()) if isinstance(a, np.ndarray)]

    def __str__(self):
        given = [shown(a) for a in self.args]
        given += [f"{key}={shown(value)}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(given)})"


@dataclass
class Function:
    """A function of the module that is called, as an argument."""

    name: str

    def __repr__(self):
        return self.name


def shown(value):
    """An argument in short."""
    if isinstance(value, np.ndarray) and value.size > 9:
        layout = "" if value.flags.c_contiguous else f", strides {value.strides}"
        layout += "" if value.flags.aligned else ", misaligned"
        return f"<{value.dtype.str} {value.shape}{layout}>"
    if isinstance(value, np.ndarray):
        return f"array({value.tolist()}, {value.dtype.str!r})"
    return f"{value!r:.90}"


def scipy_signature(name):
    """The signature of SciPy's function, which is that of ours but for what ours has more."""
    return inspect.signature(getattr(scipy.ndimage, name))


def pick(rng, *options):
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def likely(rng, chance):
    """True, in so many of all cases."""
    return rng.random() < chance


# ---- arrays ----


def lengths_of(rng, rank, most=2000):
    """The lengths of an image: of few elements, of any length up to 70, or of none."""
    lengths = [1] * rank
    if rank == 1 and likely(rng, 0.1):
        return (int(rng.integers(71, 3000)),)
    if rank == 2 and likely(rng, 0.03):
        return tuple(int(n) for n in rng.integers(80, 300, 2))
    for axis in rng.permutation(rank):
        high = min(70, most)
        low = 1 if likely(rng, 0.7) else high // 2
        length = int(rng.integers(low, high + 1)) if high > 8 and likely(rng, 0.6) else int(
            rng.integers(1, min(high, 9) + 1))  # fmt: skip
        lengths[axis] = 0 if likely(rng, 0.01) else length
        most = max(1, most // length)
    return tuple(lengths)


def dtype_of(rng):
    """A dtype: those of images most of the time, and some that SciPy refuses."""
    chance = rng.random()
    if chance < 0.6:
        return np.dtype(pick(rng, *DTYPES))
    if chance < 0.86:
        return np.dtype(pick(rng, *OTHERS))
    return np.dtype(pick(rng, "complex64", "complex128") if chance < 0.96 else pick(rng, *REFUSED))


def numbers(rng, shape, dtype, ordered=False):
    """Random numbers of any kind; with `ordered` no NaN among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        parts = np.empty(shape, dtype)
        parts.real, parts.imag = (numbers(rng, shape, parts.real.dtype) for _ in range(2))
        return parts
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if likely(rng, 0.5):
            return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        return rng.integers(max(info.min, -9), 10, shape).astype(dtype)
    if dtype.kind not in "f":
        return rng.integers(0, 9, shape).astype(dtype)
    values = pick(rng, rng.standard_normal, rng.random)(shape) * pick(rng, 1, 1, 200, 1e5, 1e-3)
    if likely(rng, 0.3):
        values = np.rint(values)
    if likely(rng, 0.15):
        some = [s for s in SPECIALS if not ordered or s == s]
        where = rng.random(shape) < pick(rng, 0.3, 0.02)
        values = np.where(where, rng.choice(some, shape), values)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def image_of(rng, ordered=False):
    """An input: an array in any layout, or now and then a nested list."""
    rank = int(rng.choice(6, p=[0.02, 0.25, 0.4, 0.23, 0.07, 0.03]))
    dtype = dtype_of(rng)
    if ordered and dtype.kind == "c" and likely(rng, 0.8):
        dtype = np.dtype(pick(rng, *DTYPES))
    image = numbers(rng, lengths_of(rng, rank), dtype, ordered)
    if image.dtype.kind in "iufc" and image.size < 50 and likely(rng, 0.05):
        return image.tolist()
    return laid_out(rng, image)


def output_of(rng, image, fails):
    """None mostly, a dtype, its name, an array of any dtype in any layout, or the input itself.

    Where the call `fails` in the middle the layout is plain, of which SciPy needs no copy: on its
    way out it leaves none properly.
    """
    chance = rng.random()
    if chance < 0.5:
        return None
    dtype = np.dtype(pick(rng, *DTYPES) if likely(rng, 0.6) else pick(rng, *OTHERS))
    if (np.iscomplexobj(image) and likely(rng, 0.8)) or likely(rng, 0.03):
        dtype = np.dtype(pick(rng, "complex64", "complex128"))
    if likely(rng, 0.03):
        dtype = np.dtype(pick(rng, *REFUSED[:2]))
    if chance < 0.6:
        return pick(rng, dtype, dtype.type)
    if chance < 0.68:
        return dtype.name
    if chance < 0.74 and isinstance(image, np.ndarray) and image.flags.writeable and not fails:
        return image
    if chance < 0.84 and isinstance(image, np.ndarray) and image.dtype.kind in "biufc":
        dtype = image.dtype
    kinds = np.asarray(image).dtype.kind + dtype.kind
    refused = {dtype.char, np.asarray(image).dtype.char} & set("egG")
    fails = fails or refused or kinds[0] not in "biufc" or kinds[1] == "c" != kinds[0]
    return blank(rng, np.shape(image), dtype, plain=fails)


def laid_out(rng, array):
    """The numbers of an array in any layout, the bytes in its gaps the same each time."""
    plain = array.ndim == 0 or array.dtype.kind not in "biufc" or likely(rng, 0.3)
    return settle(as_view(array, "plain" if plain else pick(rng, *VIEWS), rng))


def settle(array):
    """Set every byte of an array's memory that lies between its elements."""
    if array.flags.writeable and array.dtype.kind != "O":
        values = array.copy()
        memory_of(array).reshape(-1, order="A").view(np.uint8)[...] = 1
        array[...] = values
    return array


def blank(rng, shape, dtype, plain):
    """An array of ones, in any layout that may be written or `plain`."""
    view = "plain" if plain or not shape or likely(rng, 0.4) else pick(rng, *WRITEABLE)
    output = empty_view(shape, np.dtype(dtype).newbyteorder("=") if plain else dtype, view, rng)
    if not plain and likely(rng, 0.1):
        output = output.view(output.dtype.newbyteorder())
    output[...] = 1
    return settle(output)


def memory_of(array):
    """The array that owns the memory of another."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


# ---- arguments ----


def kernel_of(rng, length):
    """Weights of a line filter: even, odd, symmetric in every degree, long, and odd numbers."""
    count = int(pick(rng, rng.integers(1, 10), rng.integers(1, 10), rng.integers(1, 34),
                     rng.integers(1, 2 * min(length, 60) + 4)))  # fmt: skip
    weights = rng.standard_normal(count)
    kind = pick(rng, "any", "any", "symmetric", "antisymmetric", "nearly", "nearly", "integers")
    if kind != "any":
        weights = weights - weights[::-1] if kind == "antisymmetric" else weights + weights[::-1]
    if kind == "nearly":  # about the bound of SciPy's test, which is 2.2e-16
        weights *= pick(rng, 1, 1e-15, 1e-16)
        weights = weights + rng.standard_normal(count) * pick(rng, 1e-16, 3e-16)
    if kind == "integers":
        weights = np.rint(2 * weights).astype(pick(rng, "float64", "int64", "int8", "float32"))
    if likely(rng, 0.1):
        weights = weights * (rng.random(count) < 0.6)
    if weights.dtype.kind == "f" and likely(rng, 0.05):
        weights[rng.integers(count)] = pick(rng, *SPECIALS)
    return as_argument(rng, weights)


def as_argument(rng, weights):
    """Weights as a list, complex, or an array in any layout."""
    if likely(rng, 0.25):
        return weights.tolist()
    if likely(rng, 0.08):
        weights = weights + 1j * rng.standard_normal(weights.shape)
    return laid_out(rng, weights)


def footprint_lengths(rng, lengths, most=60):
    """The lengths of a window: small, seldom longer than the image."""
    window = [1] * len(lengths)
    for axis in rng.permutation(len(lengths)):
        high = max(1, min(most, 7))
        window[axis] = int(rng.integers(1, high + 1))
        if likely(rng, 0.08):
            window[axis] = max(1, min(most, lengths[axis] + int(rng.integers(-1, 4))))
        most //= window[axis]
    return tuple(window)


def weights_of(rng, lengths):
    """Weights of an N-dimensional correlation, some of them zero or as good as zero."""
    window = footprint_lengths(rng, lengths)
    weights = rng.standard_normal(window)
    if likely(rng, 0.3):
        weights = np.rint(2 * weights)
    if likely(rng, 0.3):
        weights = weights * (rng.random(window) < 0.5)
    if likely(rng, 0.1):  # SciPy leaves out what is no greater than 2.2e-16
        weights = np.where(rng.random(window) < 0.5, weights, weights * 2e-16)
    if likely(rng, 0.05):
        weights = np.where(rng.random(window) < 0.2, pick(rng, *SPECIALS), weights)
    return as_argument(rng, weights)


def per_axis(rng, count, one, sequence=0.3):
    """What `one` draws, or a sequence of as many as there are axes."""
    if not likely(rng, sequence):
        return one()
    values = [one() for _ in range(count)]
    return tuple(values) if likely(rng, 0.5) else values


def axes_of(rng, rank):
    """Axes to filter along: None mostly, one, or some in any order; and how many they are."""
    if rank == 0 or likely(rng, 0.65):
        return {}, rank
    some = rng.permutation(rank)[: int(rng.integers(0, rank + 1))]
    axes = tuple(int(a) - rank * likely(rng, 0.3) for a in some)
    if len(axes) == 1 and likely(rng, 0.5):
        axes = axes[0]
    return {"axes": axes}, len(some)


def lengths_along(image, given):
    """The lengths of a window's axes: SciPy lays it in their order, whatever that of `axes`.

    Of windows more than four times as long as the image SciPy reads what is not the image's.
    """
    axes = given.get("axes", tuple(range(np.ndim(image))))
    axes = (axes,) if isinstance(axes, int) else axes
    return [np.shape(image)[a] for a in sorted(a % np.ndim(image) for a in axes)]


def cval_of(rng, ordered):
    """A constant for what is outside: usual ones, and ones that no integer dtype has."""
    usual = pick(rng, 0, 1, 0.5, -1.25, 3, 255, np.float32(0.1))
    odd = pick(rng, *(s for s in (*SPECIALS, 300, -7, 1e10, 2**64) if not ordered or s == s))
    return odd if likely(rng, 0.3) else usual


def origin_of(rng, length):
    """An origin: none, any that is allowed, and now and then the first that is not."""
    if likely(rng, 0.5):
        return 0
    low, high = -(length // 2), (length - 1) // 2
    if likely(rng, 0.03):
        return pick(rng, low - 1, high + 1)
    return int(rng.integers(low, high + 1))


def borders(rng, given, ordered, count=0, sequence=0.0):
    """Mode and constant."""
    if likely(rng, 0.85):
        given["mode"] = per_axis(rng, count, lambda: pick(rng, *MODES[: 5 + 3 * likely(rng, 0.4)]),
                                 sequence)  # fmt: skip
    if likely(rng, 0.5):
        given["cval"] = cval_of(rng, ordered)


def sigma_of(rng):
    """A standard deviation: most are small."""
    return float(pick(rng, 0, 0.3, 1, 2.5, rng.uniform(0.1, 4), rng.uniform(0.1, 4), 7))


def gaussian(rng, count, given, names=("order", "truncate", "radius")):
    """What all Gaussians take."""
    if "order" in names and likely(rng, 0.4):
        given["order"] = per_axis(rng, count, lambda: int(rng.integers(0, 4)))
    if "truncate" in names and likely(rng, 0.3):
        given["truncate"] = float(pick(rng, 0.1, 2, 3.5, 6))
    if "radius" in names and likely(rng, 0.15):
        given["radius"] = per_axis(rng, count, lambda: int(rng.integers(0, 12)))


def line_call(rng, name):
    """A filter along one axis."""
    image = image_of(rng, ordered=name.startswith("m"))
    rank = np.ndim(image)
    axis = int(rng.integers(-rank, rank)) if rank else -1
    given = {} if likely(rng, 0.2) and rank else {"axis": axis}
    length = np.shape(image)[given.get("axis", -1)] if rank else 1
    if name == "gaussian_filter1d":
        first = max(sigma_of(rng), 0.05)
        gaussian(rng, 0, given)
        given = {key: value[0] if isinstance(value, tuple | list) and value else value
                 for key, value in given.items() if not isinstance(value, tuple | list) or value}
    elif name in LINES[:2]:
        first = kernel_of(rng, length)
        given["origin"] = origin_of(rng, len(first))
    else:
        first = int(pick(rng, rng.integers(1, 10), rng.integers(1, 2 * min(length, 60) + 4)))
        given["origin"] = origin_of(rng, first)
    borders(rng, given, ordered=name.startswith("m"))
    return Call(name, [image, first], given)


def separable_call(rng, name):
    """A filter of several line filters."""
    image = image_of(rng)
    rank, args, given = np.ndim(image), [image], {}
    count = rank
    if name in ("prewitt", "sobel"):
        if rank == 0 or likely(rng, 0.6):
            given["axis"] = int(rng.integers(-rank, rank)) if rank else -1
    else:
        given, count = axes_of(rng, rank)
    if name == "uniform_filter":
        size = per_axis(rng, count, lambda: int(rng.integers(1, pick(rng, 6, 6, 40))))
        args.append(size)
        if likely(rng, 0.4):
            given["origin"] = per_axis(rng, count, lambda: origin_of(rng, 3), 0.2)
    if name.startswith("gaussian"):
        args.append(per_axis(rng, count, lambda: sigma_of(rng)))
        gaussian(rng, count, given,
                 ("order", "truncate", "radius") if name == "gaussian_filter" else ("truncate",))
    if name.startswith("generic"):
        args.append(Function(pick(rng, "prewitt", "sobel")))
    borders(rng, given, False, count, 0.2)
    return Call(name, args, given)


def window_call(rng, name):
    """A maximum, a minimum, or grey morphology."""
    image = image_of(rng, ordered=True)
    given, count = axes_of(rng, np.ndim(image))
    lengths = lengths_along(image, given)
    window = footprint_lengths(rng, lengths)
    kind = pick(rng, "size", "size", "sizes", "full", "footprint", "footprint", "structure")
    if kind in ("size", "sizes") or not window:
        long = window[0] if len(set(window)) == 1 else 3
        given["size"] = window if kind == "sizes" else long
        window = window if kind == "sizes" else (long,) * count
    elif kind == "full":
        given["footprint"] = np.ones(window, pick(rng, bool, "int64", "float64"))
    else:
        # SciPy's process ends where none is chosen, beside a structure.
        chosen = rng.random(window) < 0.6
        chosen.reshape(-1)[:1] |= kind == "structure"
        given["footprint"] = chosen.tolist() if likely(rng, 0.1) else laid_out(rng, chosen)
        if kind == "structure" and name in MORPHOLOGY:
            heights = 3 * rng.standard_normal(window)  # infinite ones give NaN
            given["structure"] = heights.astype(pick(rng, "float64", "float32", "int8"))
            if likely(rng, 0.7):
                del given["footprint"]
    if likely(rng, 0.05):
        given["size"] = 3
    if likely(rng, 0.4):
        given["origin"] = (origin_of(rng, min(window, default=1)) if likely(rng, 0.6)
                           else [origin_of(rng, n) for n in window])
    borders(rng, given, True, count, 0.2 if "size" in given else 0.03)
    return Call(name, [apart(image)], given)


def apart(image):
    """An image whose elements do not all lie in one place.

    There SciPy's N-dimensional filters take some of them for the border.
    """
    if isinstance(image, np.ndarray) and not any(image.strides) and image.size > 1:
        return image.copy()
    return image


def correlation_call(rng, name):
    """An N-dimensional correlation or convolution."""
    image = image_of(rng)
    given, count = axes_of(rng, np.ndim(image))
    lengths = lengths_along(image, given)
    weights = weights_of(rng, lengths)
    if likely(rng, 0.4):
        window = np.shape(weights)
        given["origin"] = (origin_of(rng, min(window, default=1)) if likely(rng, 0.5)
                           else [origin_of(rng, n) for n in window])
    borders(rng, given, False, count, 0.02)
    return Call(name, [apart(image), weights], given)


# Wrong values, or odd ones that may be right, by argument.
NONSENSE = {
    "mode": ("nonsense", "", None, 3, ("reflect",) * 7, []),
    "cval": (None, "1", 1j, [1.0], "x", 2**5000),
    "origin": (99, -99, 0.5, "0", None, [0] * 9),
    "axis": (9, -9, None, 0.0, "0"),
    "axes": (9, (0, 0), (0, 9), 0.0, "0", (), (0.5,)),
    "size": (0, -1, 2.5, None, (3,) * 8, "3", True, 10**30),
    "sigma": (-1.0, None, "1", (1.0,) * 8, np.nan, np.inf, 1 + 1j, 0),
    "order": (-1, 0.5, None, "1", (0,) * 8),
    "truncate": (None, -1.0, np.nan, "4"),
    "radius": (-1, 1.5, "1", (1,) * 8),
    "weights": ([], [[1.0, 2.0]], 1.0, None, "12", [[[[[[[1.0]]]]]]], [None], np.ones((0, 3))),
    "footprint": ([], 1, None, "x", np.zeros(3), [[[[[[[1]]]]]]], np.ones((0, 2))),
    "output": ("nonsense", np.zeros(3), np.zeros((1,) * 7), 5, [1.0, 2.0], "float16", str, object,
               "bool", bool, "O", np.zeros(4)[:0]),
    "derivative": (None, Function("laplace")),
    "derivative2": (None, Function("laplace")),
}


def spoil(rng, call):
    """Replace one argument by nonsense."""
    given = scipy_signature(call.name).bind(*call.args, **call.kwargs).arguments
    keywords = given.pop("kwargs", {})  # of Gaussians that hand them on
    names = [name for name in scipy_signature(call.name).parameters if name in NONSENSE]
    if "structure" in given:  # one of another shape, of which SciPy reads beyond the end
        names.remove("footprint")
    name = pick(rng, *names)
    call.args, call.kwargs = [], {**given, **keywords, name: pick(rng, *NONSENSE[name])}


def draw(rng, name=None):
    """One call: of `name`, or of any function.

    Parameters
    ----------
    rng : numpy.random.Generator
        Two generators of the same seed give two calls that share no memory and are the same.
    name : str, optional
        One of `FUNCTIONS`.

    Returns
    -------
    Call
    """
    if name is None:
        chances = np.array([OFTEN.get(one, 1) for one in FUNCTIONS], float)
        name = FUNCTIONS[int(rng.choice(len(FUNCTIONS), p=chances / chances.sum()))]
    kinds = ((LINES, line_call), (SEPARABLE, separable_call), (CORRELATIONS, correlation_call),
             ((*EXTREMA, *MORPHOLOGY), window_call))  # fmt: skip
    call = next(make for names, make in kinds if name in names)(rng, name)
    wrong = likely(rng, 0.06)
    output = output_of(rng, call.args[0], wrong)
    if output is call.args[0] and (name in READ_AGAIN or np.iscomplexobj(output)):
        output = None  # where SciPy reads what it has written
    if output is not None:
        call.kwargs["output"] = output
    if wrong:
        spoil(rng, call)
    elif likely(rng, 0.1):
        positional(call)
    return call


def positional(call):
    """Give what can be given by place, by place."""
    bound = scipy_signature(call.name).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    call.args, call.kwargs = list(bound.args), bound.kwargs


# ---- the comparison ----


def difference(got, expected):
    """How two results differ, or None: in dtype, shape, or any bit of a number that is not NaN."""
    if isinstance(expected, Exception) or isinstance(got, Exception):
        if type(got) is type(expected):
            return None
        return f"{got!r:.200} in place of {expected!r:.200}"
    if type(got) is not type(expected):
        return f"a {type(got).__name__} in place of a {type(expected).__name__}"
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"{got.dtype} {got.shape} in place of {expected.dtype} {expected.shape}"
    if got.dtype.char in "gGO":  # whose bytes do not all mean something
        equal = np.array_equal(got, expected, equal_nan=got.dtype.kind != "O")
        return None if equal else f"{got!r} in place of {expected!r}"
    unequal = bits(got) != bits(expected)
    if unequal.any():
        where = np.unravel_index(np.argmax(unequal.any(-1)), got.shape)
        return (f"{int(unequal.any(-1).sum())} of {got.size} elements, the first at "
                f"{tuple(map(int, where))}: {got[where]!r} in place of {expected[where]!r}")
    return None


def bits(array):
    """The bytes of every element, along a last axis; all NaN are the same."""
    array = np.array(array, order="C")  # a copy
    if array.dtype.kind in "fc":
        parts = array.reshape(-1).view(array.real.dtype)
        parts[np.isnan(parts)] = np.nan
    return array.reshape(-1).view(np.uint8).reshape(array.size, array.dtype.itemsize)


def findings(seed, name=None, module=None, **more):
    """What is wrong with our answer to the call of a seed: a list of sentences.

    The call is made three times: for us, for SciPy, and to see what was changed.
    """
    module = module or fastconv.ndimage
    ours, theirs, fresh = (draw(np.random.default_rng(seed), name) for _ in range(3))
    got, expected = ours.run(module, **more), theirs.run(scipy.ndimage)
    found = []
    if what := difference(got[0], expected[0]):
        found.append(what)
    if got[1] != expected[1]:
        found.append(f"warnings {got[1]} in place of {expected[1]}")
    output = ours.output if isinstance(ours.output, np.ndarray) else None
    if output is not None and isinstance(expected[0], np.ndarray) and (
            (got[0] is output) != (expected[0] is theirs.output)):  # fmt: skip
        found.append("what is returned is not the output given")
    failed = isinstance(got[0], Exception)
    three = zip(ours.arrays(), theirs.arrays(), fresh.arrays(), strict=True)
    for array, scipys, before in three:
        if array.dtype.char in "gGO":
            continue  # bytes that mean nothing
        if output is not None and memory_of(array) is memory_of(output) and not failed:
            array[...] = before  # so that what is compared is what lies between
        after = memory_of(array).tobytes("A")
        if failed and array is output and after == memory_of(scipys).tobytes("A"):
            continue  # written by a first step of SciPy's, before another failed
        if after != memory_of(before).tobytes("A"):
            found.append("an output was written in spite of the error" if array is output
                         else "an input, or what lies between the output's elements, was changed")
    return [f"{what}\n    call {seed}{f' of {name}' if name else ''}: {fresh}" for what in found]


def main(seeds):
    """Print calls and what both make of them."""
    for seed in map(int, seeds):
        modules = {"fastconv": fastconv.ndimage, "scipy": scipy.ndimage}
        print(seed, draw(np.random.default_rng(seed)))
        for name, module in modules.items():
            print(f"  {name}:", *draw(np.random.default_rng(seed)).run(module))
        print("  ", *findings(seed))


if __name__ == "__main__":
    main(sys.argv[1:])
