"""SciPy: the filters of `fastconv.ndimage` have SciPy's bits, dtypes, errors and warnings.

The calls are drawn at random, by `filter_cases`, and SciPy answers for each. What is left out there
because SciPy's answer means nothing has tests of its own here: NaN in maxima and minima, results
over an input that is read again, images whose elements all lie in one place.
"""

import functools
import inspect
import itertools

import filter_cases
import numpy as np
import pytest
import scipy.ndimage
from filter_cases import FUNCTIONS, LINES, MODES, difference

from fastconv import ndimage
from fastconv.testing.contract import assert_within_contract

BLOCK = 250


def blocks(default, all_of_them):
    """First numbers of blocks of calls; those beyond `default` are for the longer runs."""
    return [pytest.param(first, marks=[pytest.mark.slow] * (first >= default))
            for first in range(0, all_of_them, BLOCK)]  # fmt: skip


@pytest.mark.parametrize("block", blocks(3_000, 30_000))
def test_random_calls(block):
    found = [what for seed in range(block, block + BLOCK) for what in filter_cases.findings(seed)]
    assert not found, f"{len(found)} findings\n" + "\n".join(found[:9])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_random_calls_on_any_number_of_threads(threads):
    for seed in range(50_000, 50_300):
        found = filter_cases.findings(seed, num_threads=threads)
        assert not found, "\n".join(found)


# ---- images ----

RNG = np.random.default_rng(3)
WEIGHTS, FOOTPRINT = RNG.standard_normal((5, 4)), RNG.random((5, 7)) < 0.6
ARGUMENTS = {  # of every function, after the image
    "correlate1d": ([1.0, -2.0, 0.3, 4.0, 0.1], 0),
    "convolve1d": (RNG.standard_normal(12),),
    "gaussian_filter1d": (3.0, 0),
    "uniform_filter1d": (9, 0),
    "maximum_filter1d": (10,),
    "minimum_filter1d": (9, 0),
    "gaussian_filter": (2.5,),
    "uniform_filter": ((3, 12),),
    "gaussian_laplace": (1.5,),
    "gaussian_gradient_magnitude": (1.5,),
    "generic_laplace": ("sobel",),
    "generic_gradient_magnitude": ("prewitt",),
    "maximum_filter": (None, FOOTPRINT),
    "minimum_filter": ((5, 8),),
    "grey_dilation": (None, None, WEIGHTS),
    "grey_erosion": (None, FOOTPRINT),
    "grey_opening": (7,),
    "grey_closing": (None, None, 9 * WEIGHTS),
    "morphological_gradient": (5,),
    "morphological_laplace": ((3, 6),),
    "white_tophat": ((4, 9),),
    "black_tophat": (5,),
    "correlate": (WEIGHTS,),
    "convolve": (np.outer([1, 2, 1], [1, 0, -1]),),
}


def run(module, name, image, /, **more):
    """A function's result for an image and the arguments of the table."""
    args = [getattr(module, a) if isinstance(a, str) else a for a in ARGUMENTS.get(name, ())]
    with np.errstate(all="ignore"):
        return getattr(module, name)(image, *args, **more)


@functools.cache
def image(dtype, *lengths):
    """Smooth shapes with noise, from the dtype's least to its greatest in integers."""
    rng = np.random.default_rng(len(lengths))
    grids = np.meshgrid(*(np.linspace(0, 9 + n / 99, n) for n in lengths), sparse=True)
    smooth = functools.reduce(np.multiply, [np.sin(g) for g in grids]).transpose(
        1, 0, *range(2, len(lengths)))  # fmt: skip
    values = (smooth + 1 + 0.3 * rng.standard_normal(lengths)) / 3
    high = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    result = (high * np.clip(values, 0, 1)).astype(dtype)
    result.flags.writeable = False
    return result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_images_on_two_threads(name):
    dtype = ("uint8", "uint16", "float32", "float64")[FUNCTIONS.index(name) % 4]
    x = image(dtype, 1500, 2000)
    what = difference(run(ndimage, name, x, num_threads=2), run(scipy.ndimage, name, x))
    assert what is None, what


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "int16", "complex64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_images_of_every_dtype(name, dtype):
    x = image(dtype, 1501, 2003)
    if np.dtype(dtype).kind == "c" and ("m" in (name[0], name.partition("_")[2][:1])
                                        or name.startswith("grey") or "tophat" in name):
        with pytest.raises(TypeError):
            run(ndimage, name, x, num_threads=2)
        return
    for axes in (x, x.T, x[::-1, ::2]):
        what = difference(run(ndimage, name, axes, num_threads=2), run(scipy.ndimage, name, axes))
        assert what is None, what


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_threads_make_no_difference(name, dtype):
    """Cuts between threads fall anywhere: lengths that no number of threads divides."""
    x = image(dtype, 311, 257)
    whole = run(scipy.ndimage, name, x)
    for threads in (1, 2, 3, 7):
        assert difference(run(ndimage, name, x, num_threads=threads), whole) is None, threads


@pytest.mark.parametrize("seed", range(150))
def test_large_kernels_of_integers(monkeypatch, seed):
    """By products of integers, into every dtype, where sums fit 32 bits; else as others."""
    rng = np.random.default_rng(seed)
    if seed % 2:  # in strips
        monkeypatch.setattr(ndimage, "_STRIP", int(rng.integers(300, 4_000)))
    shape, most = [((4_000,), 600), ((70, 90), 24), ((20, 18, 22), 8)][seed % 3]
    x = rng.integers(-(2**15), 2**16, shape).astype(rng.choice(["u1", "i1", "u2", "i2"]))
    sizes = rng.integers(most // 2, most, len(shape))
    top = rng.choice([1, 9, 127, 300, 40_000])
    weights = rng.integers(-top, top + 1, sizes).astype(rng.choice(["f8", "i8", "f4"]))
    if seed % 10 == 0:
        weights.flat[0] += 0.5
    options = {"mode": str(rng.choice(MODES)), "cval": float(rng.choice([0, 7])),
               "origin": [int(rng.integers(-(n // 2), (n - 1) // 2 + 1)) for n in sizes],
               "output": str(rng.choice(["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"]))}
    for name in ("correlate", "convolve"):
        if name == "convolve":
            options["origin"] = [-one - (n % 2 == 0) for one, n in zip(options["origin"], sizes)]
        want = getattr(scipy.ndimage, name)(x, weights, **options)
        got = getattr(ndimage, name)(x, weights, **options)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want, err_msg=str(options))


@pytest.mark.parametrize("strip", [1 << 20, 4_000])
@pytest.mark.parametrize("shift", [0, 10])
@pytest.mark.parametrize("sizes", [(9, 9), (1, 5, 17)])
def test_large_kernels_of_integers_over_the_input(monkeypatch, sizes, shift, strip):
    """In strips, too, of an image or of several: none reads what another has written."""
    monkeypatch.setattr(ndimage, "_STRIP", strip)
    rng = np.random.default_rng(shift)
    memory = rng.integers(0, 256, (210, 7, 40) if len(sizes) == 3 else (210, 100), np.uint8)
    image, over = memory[:200], memory[shift:shift + 200]
    weights = rng.integers(-3, 4, sizes)
    want = scipy.ndimage.correlate(image.copy(), weights)
    ndimage.correlate(image, weights, output=over)
    np.testing.assert_array_equal(over, want)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["gaussian_filter", "uniform_filter", "sobel", "laplace"])
def test_volumes(name, mode):
    x = image("float32", 23, 70, 41)
    more = {} if name in ("sobel", "laplace") else {"axes": (2, 0)}
    args = () if name in ("sobel", "laplace") else (3,)
    results = []
    for module in (ndimage, scipy.ndimage):
        try:
            results.append(getattr(module, name)(x, *args, mode=mode, **more))
        except RuntimeError as error:  # the grid modes, of which lines know one
            results.append(error)
    assert difference(*results) is None


# ---- where SciPy's answer means nothing ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["maximum_filter1d", "minimum_filter1d", "maximum_filter",
                                  "minimum_filter", "grey_dilation", "grey_erosion"])
@pytest.mark.parametrize("window", ["flat", "footprint", "structure"])
def test_extrema_propagate_nan(name, dtype, window):
    """A window with NaN gives NaN, any other what SciPy gives; SciPy's depends on the order."""
    if name.endswith("1d"):
        given, of_mask = {"size": 7}, {"size": 7}
    elif window == "flat" or (window == "structure" and not name.startswith("grey")):
        given, of_mask = {"size": (3, 4)}, {"size": (3, 4)}
    else:
        given = of_mask = {"footprint": FOOTPRINT}
        if window == "structure":
            given = {"structure": np.ones(FOOTPRINT.shape), "footprint": FOOTPRINT}
    x = np.array(image(dtype, 61, 83)) - dtype_of(dtype, 0.5)
    holes = np.random.default_rng(0).random(x.shape) < 0.01
    spoiled = np.where(holes, dtype_of(dtype, np.nan), x)
    # a maximum over the same window, which a minimum has too unless the window is turned
    reach = getattr(scipy.ndimage, name)
    touched = reach(holes.astype(float) if "max" in name or "dil" in name else -holes.astype(float),
                    **of_mask) != 0  # fmt: skip
    got = getattr(ndimage, name)(spoiled, **given)
    np.testing.assert_array_equal(np.isnan(got), touched)
    lowest = -9 if "max" in name or "dil" in name else 9
    expected = getattr(scipy.ndimage, name)(np.where(holes, dtype_of(dtype, lowest), x), **given)
    np.testing.assert_array_equal(got[~touched], expected[~touched])


def dtype_of(dtype, value):
    """A number of a dtype."""
    return np.dtype(dtype).type(value)


# These are SciPy's over the input too: their steps read it again after it was written.
STEPS = ("generic_laplace", "generic_gradient_magnitude", "morphological_laplace", "white_tophat",
         "black_tophat")


@pytest.mark.parametrize("name", STEPS)
def test_steps_over_the_input(name):
    outputs = [np.array(image("float32", 50, 61)) for _ in range(2)]
    for module, x in zip((ndimage, scipy.ndimage), outputs, strict=True):
        assert run(module, name, x, output=x) is x
    assert difference(*outputs) is None


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in STEPS])
def test_output_over_the_input(name):
    """As if they did not overlap: over the input itself, and over a part that lies beside it."""
    x = np.array(image("float32", 50, 61))
    expected = run(scipy.ndimage, name, x)
    whole = np.zeros((52, 63), np.float32)
    for given, output in [
        (whole[1:-1, 1:-1], whole[1:-1, 1:-1]),
        (whole[1:-1, 1:-1], whole[2:, 2:]),
        (whole[1:-1, 1:-1], whole[:-2, 1:-1]),
        (whole[1:-1, 1:-1], whole[1:-1, 1:-1][::-1]),
        (whole[1:-1, 1:-1], whole[1:-1, 1:-1][:, ::-1]),
    ]:
        given[...] = x
        got = run(ndimage, name, given, output=output)
        assert got is output
        assert difference(got, expected) is None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_images_of_one_number(name):
    """Broadcast from one element: as of a copy."""
    for shape in ((40, 50), (1, 50), (40, 1), (1, 1)):
        x = np.broadcast_to(np.float32(0.7), shape)
        assert difference(run(ndimage, name, x), run(scipy.ndimage, name, x.copy())) is None


@pytest.mark.parametrize("mode", ["reflect", "mirror", "wrap", "nearest", "constant"])
def test_windows_far_longer_than_the_image(mode):
    """As of an image that was extended beforehand."""
    x, rng = np.array(image("float32", 3, 4)), np.random.default_rng(0)
    weights = rng.standard_normal((41, 30))
    how = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge"}.get(mode, mode)
    padded, inner = np.pad(x, 45, mode=how), (slice(45, -45),) * 2
    for name, given in [("correlate", {"weights": weights}), ("convolve", {"weights": weights}),
                        ("maximum_filter", {"footprint": weights > 1.5}),
                        ("grey_erosion", {"structure": weights})]:  # fmt: skip
        expected = getattr(scipy.ndimage, name)(padded, **given)[inner]
        got = getattr(ndimage, name)(x, **given, mode=mode)
        assert difference(got, expected) is None, name


# ---- errors ----


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nonsense_leaves_the_output_alone(name):
    """Where SciPy does, at least."""
    x, parameters = image("float32", 20, 30), inspect.signature(getattr(scipy.ndimage, name))
    nonsense = {"mode": "nonsense", "cval": "x", "origin": 99, "axis": 2, "axes": (0, 0),
                "truncate": "x", "order": -1, "radius": 0.5}  # fmt: skip
    for key, value in nonsense.items():
        if key not in parameters.parameters:
            continue
        args = [getattr(ndimage, a) if isinstance(a, str) else a for a in ARGUMENTS.get(name, ())]
        given = parameters.bind(x, *args).arguments | {key: value}
        outputs = [np.full(x.shape, 5, np.float32) for _ in range(2)]
        with pytest.raises(Exception) as ours:
            getattr(ndimage, name)(**given, output=outputs[0])
        with pytest.raises(Exception) as theirs:
            getattr(scipy.ndimage, name)(**given, output=outputs[1])
        assert ours.type is theirs.type, (key, value, ours.value, theirs.value)
        # SciPy's first step may have written, before another failed
        assert (outputs[0] == 5).all() or difference(*outputs) is None, (key, value)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("key", "value", "error"), [
    ("num_threads", 0, ValueError), ("num_threads", "two", TypeError),
    ("num_threads", 1.5, TypeError), ("precision", "lowest", ValueError),
])  # fmt: skip
def test_bad_options(name, key, value, error):
    output = np.full((20, 30), 5, np.float32)
    with pytest.raises(error, match=key):
        run(ndimage, name, image("float32", 20, 30), output=output, **{key: value})
    assert (output == 5).all()


# ---- the module ----


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_those_of_scipy(name):
    """And two arguments more, by keyword only."""
    ours = dict(inspect.signature(getattr(ndimage, name)).parameters)
    theirs = dict(inspect.signature(getattr(scipy.ndimage, name)).parameters)
    for more in ("num_threads", "precision"):
        assert ours.pop(more).kind is inspect.Parameter.KEYWORD_ONLY
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()]  # fmt: skip


def test_other_names_are_handed_on():
    assert set(scipy.ndimage.__all__) <= set(dir(ndimage))
    for name in scipy.ndimage.__all__:
        ours, theirs = getattr(ndimage, name), getattr(scipy.ndimage, name)
        assert (ours is theirs) == (name not in FUNCTIONS), name
    with pytest.raises(AttributeError, match="no_such_name"):
        ndimage.no_such_name  # noqa: B018


@pytest.mark.parametrize("tier", ["highest", "high"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args"), [
    ("correlate", (RNG.standard_normal((9, 9)),)), ("convolve", (RNG.standard_normal((3, 3)),)),
    ("correlate", (RNG.standard_normal((31, 30)),)),
    ("correlate1d", (RNG.standard_normal(31),)), ("convolve1d", (RNG.standard_normal(8), 0)),
])  # fmt: skip
def test_a_named_precision_is_kept(name, args, dtype, tier):
    x, weights = image(dtype, 130, 170), args[0]
    for mode in ("reflect", "constant", "wrap", "mirror", "nearest"):
        got = getattr(ndimage, name)(x, *args, mode=mode, precision=tier)
        theirs = getattr(scipy.ndimage, name)
        exact = theirs(x.astype(float), *args, mode=mode)
        magnitude = theirs(np.abs(x.astype(float)), np.abs(weights), *args[1:], mode=mode)
        assert got.dtype == x.dtype
        assert_within_contract(got, exact, magnitude, tier=tier, context=(name, mode))


def test_lines_of_every_length():
    """All lengths from 0 to 70 by kernels from 1 to 21, along both axes."""
    for length in range(71):
        for count in (1, 2, 3, 4, 5, 8, 21):
            for dtype in ("uint8", "float32"):
                x = image("float64", 70, 3)[:length].astype(dtype)
                for y in (x, np.ascontiguousarray(x.T)):
                    axis = y.shape.index(length) if length != 3 else 0
                    for name in LINES:
                        first = np.linspace(-1, 2, count) if "olv" in name or "corr" in name else (
                            count)  # fmt: skip
                        got, expected = (getattr(m, name)(y, first, axis)
                                         for m in (ndimage, scipy.ndimage))
                        what = difference(got, expected)
                        assert what is None, (name, y.shape, dtype, count, what)


def test_what_ends_the_process_in_scipy_is_refused():
    image, nothing = np.ones((3, 3)), np.zeros((2, 2), bool)
    for function in (ndimage.grey_erosion, ndimage.grey_dilation, ndimage.white_tophat):
        with pytest.raises(ValueError, match="footprint has no true elements"):
            function(image, footprint=nothing, structure=np.ones((2, 2)))
    with pytest.raises(MemoryError):
        ndimage.uniform_filter1d(image, 1 << 60)


def test_names_of_modes_may_be_numpys():
    image = RNG.random((9, 8))
    for mode in (np.str_("wrap"), [np.str_("wrap"), "nearest"], np.array(["mirror", "wrap"])):
        found = ndimage.gaussian_filter(image, 2, mode=mode)
        assert difference(found, scipy.ndimage.gaussian_filter(image, 2, mode=mode)) is None


@pytest.mark.parametrize("cval", [1 / 3, 0.1, -2.7, 1e20, 300.0, np.nan, np.inf])
@pytest.mark.parametrize("type_", ["uint8", "int32"])
def test_running_sums_that_are_not_exact_are_not_cut(cval, type_):
    image = RNG.integers(0, 100, (2000, 150)).astype(type_)
    for size in (3, 7, 51):
        want = scipy.ndimage.uniform_filter1d(
            image, size, 0, output=np.float64, mode="constant", cval=cval)
        for threads in (1, 2):
            found = ndimage.uniform_filter1d(
                image, size, 0, output=np.float64, mode="constant", cval=cval, num_threads=threads)
            assert difference(found, want) is None


def test_running_sums_beyond_the_integers_of_double_are_not_cut():
    signal = RNG.integers(2**32 - 1000, 2**32, 2_500_000, np.uint32)
    call = functools.partial(ndimage.uniform_filter1d, signal, 2_200_001, mode="nearest",
                             output=np.float64)
    assert difference(call(num_threads=2), call(num_threads=1)) is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool"])
@pytest.mark.parametrize("axis", [0, 1])
def test_means_of_small_integers(axis, dtype):
    """Windows whose sums are integers, and those beyond; every quotient is rounded down."""
    most = 2 if dtype == "bool" else np.iinfo(dtype).max + 1
    images = [RNG.integers(low, most, shape).astype(dtype)
              for low in (0, most - 2) for shape in ((5, 1300), (1300, 5), (230, 300))]  # fmt: skip
    modes = itertools.cycle(MODES)
    for size in (*range(1, 34), 63, 64, 65, 100, 127, 128, 129, 185, 186, 257, 300):
        image, kwargs = images[size % len(images)], {"mode": next(modes), "cval": size % 3 * 127.5}
        found = ndimage.uniform_filter1d(image, size, axis, **kwargs)
        want = scipy.ndimage.uniform_filter1d(image, size, axis, **kwargs)
        assert difference(found, want) is None
        into = image.copy()
        ndimage.uniform_filter1d(into, size, axis, output=into, origin=(size - 1) // 2, **kwargs)
        want = scipy.ndimage.uniform_filter1d(image, size, axis, origin=(size - 1) // 2, **kwargs)
        assert difference(into, want) is None


@pytest.mark.parametrize("shape", [(1500, 333), (90, 70, 80), (7, 5000), (3000, 90, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "uint64"])
def test_running_sums_of_large_images(dtype, shape):
    """Each sum is made of the one before, however an image is cut into strips and panels."""
    image = (1e6 * RNG.random(shape)).astype(dtype)
    turned = np.asfortranarray(image)
    for size, mode in ((3, "reflect"), (9, "constant"), (40, "wrap"), (31, "mirror")):
        want = scipy.ndimage.uniform_filter(image, size, mode=mode, cval=0.3)
        for given, threads in ((image, 1), (image, 2), (turned, 1)):
            found = ndimage.uniform_filter(given, size, mode=mode, cval=0.3, num_threads=threads)
            assert difference(found, want) is None


def test_other_roundings_where_weights_or_results_are_no_float32():
    image = RNG.random((300, 300), np.float32)
    swapped = ndimage.correlate(image, np.ones((15, 15)), output=np.dtype(">f4"),
                                precision="highest")
    want = scipy.ndimage.correlate(image, np.ones((15, 15)))
    np.testing.assert_allclose(swapped, want, rtol=1e-5)
    huge = ndimage.correlate(np.zeros_like(image), np.full((15, 15), 1e39), precision="highest")
    assert (huge == 0).all()


def test_errors_are_scipys_alone():
    with pytest.raises(RuntimeError) as caught:
        ndimage.gaussian_filter(np.zeros(3), 1, mode="bogus")
    assert caught.value.__context__ is None
    flags = np.zeros((4, 4), bool)
    modes = ["reflect", "wrap"]
    assert difference(ndimage.laplace(flags, mode=iter(modes)),
                      scipy.ndimage.laplace(flags, mode=iter(modes))) is None
