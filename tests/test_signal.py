"""Other libraries: `fastconv.signal` gives what the installed `scipy.signal` gives."""

import functools
import inspect

import numpy as np
import pytest
from scipy import signal as theirs

from fastconv import signal as ours
from fastconv._signal import arguments
from fastconv._signal.polyphase import MODES

NAMES = sorted(ours.SERVED)
DTYPES = ["f4", "f8", "c8", "c16", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">f4", ">i2",
          ">c16", "?", "f2", "g"]  # fmt: skip
LIKELY = np.array([6, 6, 3, 3] + [1] * 14) / 32
CASES = 250  # of each function: they take a tenth of a second


class Draw:
    """Random arguments of each function, from one seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def chance(self, probability):
        return self.rng.random() < probability

    def shape(self, axes, most):
        shape = self.rng.integers(1, most, axes)
        if self.chance(0.04):
            shape[0] = 0
        return tuple(map(int, shape))

    def array(self, shape, dtype=None):
        """Numbers, in a layout of their own."""
        dtype = np.dtype(dtype or DTYPES[self.rng.choice(len(DTYPES), p=LIKELY)])
        twice = tuple(2 * n for n in shape)
        if dtype.kind in "fc":
            x = self.rng.standard_normal(twice)
            x = (x + 1j * self.rng.standard_normal(twice) if dtype.kind == "c" else x).astype(dtype)
        else:
            most = 2 if dtype.kind == "b" else self.one(3, 100, 10**5)
            x = self.rng.integers(0 if dtype.kind in "bu" else -most, most, twice).astype(dtype)
        step, order = self.one((2, "K"), (1, "F"), (1, "C"), (-1, "K"))
        x = np.array(x[tuple(slice(0, n * abs(step)) for n in shape)], order=order)
        x = x[(slice(None, None, step),) * len(shape)]
        if dtype.kind in "fc" and x.size and self.chance(0.05):
            x[tuple(self.rng.integers(x.shape))] = self.one(np.nan, np.inf)
        return x

    def mode(self):
        return self.one("full", "same", "valid", "valid") if self.chance(0.99) else self.one(
            "bad", None, 1)

    def pair(self, axes, most, most_taps, mode):
        a, b = self.shape(axes, most), self.shape(axes, most_taps)
        if mode == "valid" and self.chance(0.8):
            b = tuple(map(min, a, b))
        return (b, a) if self.chance(0.3) else (a, b)

    def convolve(self):
        mode, axes = self.mode(), self.one(1, 2, 3, 4)
        most = {1: 300, 2: 30, 3: 9, 4: 5}[axes]
        a, b = self.pair(axes, most, most, mode)
        return (self.array(a), self.array(b)), {
            "mode": mode, "method": self.one("direct", "fft", "direct", "fft", "bad")
            if self.chance(0.9) else "auto"}

    correlate = convolve

    def fftconvolve(self):
        mode, axes = self.mode(), self.one(1, 2, 3)
        most = {1: 3000, 2: 100, 3: 20}[axes]
        a, b = self.pair(axes, most, self.one(most, max(2, most // 10)), mode)
        chosen = None
        if self.chance(0.5):
            chosen = self.rng.permutation(axes)[:self.rng.integers(1, axes + 1)].tolist()
            b = tuple(n if i in chosen else self.one(1, a[i]) for i, n in enumerate(b))
            if len(chosen) == 1:
                chosen = chosen[0] - axes
        return (self.array(a), self.array(b)), {"mode": mode, "axes": chosen}

    oaconvolve = fftconvolve

    def choose_conv_method(self):
        mode = self.mode()
        a, b = self.pair(self.one(1, 2), 12, 12, mode)  # small: as SciPy does
        return (self.array(a), self.array(b)), {"mode": mode}

    def convolve2d(self):
        mode = self.mode()
        a, b = self.pair(2, 25, self.one(9, 9, 25), mode)
        known = {"mode": mode, "boundary": self.one("fill", "wrap", "symm", "pad", "circular",
                                                    "symmetric", "fill", "reflect", 3)}
        if 0 in a + b:  # SciPy would end the process
            known["boundary"] = "fill"
        if self.chance(0.4):
            known["fillvalue"] = self.one(2, 1.5, 0.0, 1 + 1j, np.nan, 300, np.float64(2.5),
                                          [1], "a")
        return (self.array(a), self.array(b)), known

    correlate2d = convolve2d

    def sepfir2d(self):
        image = self.array(tuple(map(int, self.rng.integers(7, 25, 2))))
        dtype = self.one(image.dtype.str, "f4", "f8", "i2")
        return (image, self.array((self.one(1, 3, 5, 7, 4),), dtype),
                self.array((self.one(1, 3, 5, 7),), dtype)), {}

    def lines(self, shortest=1):
        axes = int(self.rng.integers(1, 4))
        axis = int(self.rng.integers(-axes, axes))
        shape = list(self.shape(axes, 6))
        shape[axis] = int(self.rng.integers(shortest, 120))
        return self.array(shape), axis if self.chance(0.97) else 7

    def beyond(self, x):
        """A mode that SciPy has for any length."""
        return self.one(*MODES, "bad") if min(x.shape) > 1 else "constant"

    def upfirdn(self):
        x, axis = self.lines()
        return (self.array(self.shape(1, 60)), x), {
            "up": int(self.rng.integers(1, 9)) if self.chance(0.98) else self.one(0, "a", None),
            "down": int(self.rng.integers(1, 9)), "axis": axis, "mode": self.beyond(x),
            "cval": self.one(0, 0, 1.5)}

    def resample_poly(self):
        x, axis = self.lines()
        known = {"axis": axis}
        if self.chance(0.7):
            known["padtype"] = self.beyond(x) if self.chance(0.6) else self.one(
                "mean", "median", "minimum", "maximum")
        if self.chance(0.1):
            known["cval"] = 2.5
        if self.chance(0.3):
            known["window"] = self.one(self.array((self.one(1, 5, 32, 33),)), "hamming", "bad")
        return (x, self.one(*range(1, 12), 2.5), int(self.rng.integers(1, 12))), known

    def decimate(self):
        x, axis = self.lines()
        ftype = self.one("fir", "fir", "fir", "iir", "bad", theirs.dlti([1.0, 2.0, 0.5], [2.0]))
        return (x, int(self.rng.integers(1, 8))), {
            "n": self.one(None, int(self.rng.integers(1, 30))), "ftype": ftype, "axis": axis,
            "zero_phase": self.one(True, False)}

    def lfilter(self):
        x, axis = self.lines()
        b = self.array(self.shape(1, 20))
        known = {"axis": axis}
        if self.chance(0.4) and axis < x.ndim:
            shape = list(x.shape)
            shape[axis] = max(0, b.size - 1)
            if self.chance(0.2):
                shape[0] = 1
            known["zi"] = self.array(shape)
        return (b, self.one(1.0, np.array([2.0]), [1.0, 0.5], np.float32(3), 1, 0.0), x), known

    def savgol_filter(self):
        x, axis = self.lines(30)
        return (x, int(self.rng.integers(1, 30)), int(self.rng.integers(0, 5))), {
            "deriv": self.one(0, 0, 1, 2), "delta": self.one(1.0, 0.5), "axis": axis,
            "mode": self.one("interp", "mirror", "constant", "nearest", "wrap", "bad"),
            "cval": self.one(0.0, 1.5)}


def outcome(function, args, known):
    """The result, or the type of the exception."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **known)
    except Exception as error:
        return type(error)


def assert_same(x, y, coarsest):
    """Results that are the same but for rounding, of which `coarsest` has the unit."""
    if isinstance(y, tuple):
        assert isinstance(x, tuple)
        assert len(x) == len(y)
        for one, other in zip(x, y):
            assert_same(one, other, coarsest)
        return
    assert type(x) is type(y), (x, y)
    if isinstance(y, str) and y in ("direct", "fft"):
        assert x in (y, "direct")  # which is quicker here than SciPy's
        return
    if not isinstance(y, np.ndarray):
        assert x == y or np.isclose(x, y, equal_nan=True)
        return
    assert x.dtype == y.dtype
    assert x.shape == y.shape
    if y.dtype.kind not in "fc":
        np.testing.assert_array_equal(x, y)
        return
    finite = np.isfinite(y)
    np.testing.assert_array_equal(finite, np.isfinite(x))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    unit = max(coarsest, float(np.finfo(y.dtype).eps))
    np.testing.assert_allclose(x[finite], y[finite], rtol=500 * unit,
                               atol=500 * unit * max(1.0, abs(y[finite]).max(initial=0)))


def unit_of(arrays):
    """The coarsest rounding of these inputs."""
    return max((float(np.finfo(a.dtype).eps) for a in arrays
                if isinstance(a, np.ndarray) and a.dtype.kind in "fc"), default=0.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_random_cases(name, monkeypatch):
    monkeypatch.setattr(arguments, "FEW", {})
    draw = Draw(NAMES.index(name))
    for _ in range(CASES):
        args, known = getattr(draw, name)()
        before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        expected = outcome(getattr(theirs, name), args, known)
        result = outcome(getattr(ours, name), args, known)
        try:
            assert_same(result, expected, unit_of(args))
        except AssertionError as error:
            shown = [(a.shape, a.dtype) if isinstance(a, np.ndarray) else a for a in args]
            raise AssertionError(f"{name} of {shown} {known}") from error
        for old, new in zip(before, args):
            if isinstance(old, np.ndarray):
                np.testing.assert_array_equal(old, new)


# ---- errors ----


def wide(array):
    return array.astype(np.clongdouble if array.dtype.kind == "c" else np.longdouble)


def exact_upfirdn(h, x, up, down):
    """By its definition, in long double."""
    stuffed = np.zeros((x.size - 1) * up + 1, wide(x).dtype)
    stuffed[::up] = x
    return np.convolve(stuffed, wide(h))[::down]


def exact_sepfir2d(image, hrow, hcol):
    padded = np.pad(wide(image), [(hcol.size // 2,) * 2, (hrow.size // 2,) * 2], "symmetric")
    return theirs.convolve2d(padded, np.outer(wide(hcol), wide(hrow)), "valid")


# A call of ours or of SciPy's module, and what is exact; x and y are the arrays.
MEASURED = {
    "convolve 1": ((500,), (40,), lambda s, x, y: s.convolve(x, y, method="direct"),
                   lambda x, y: np.convolve(wide(x), wide(y))),
    "convolve 2": ((24, 24), (7, 7), lambda s, x, y: s.convolve(x, y, method="direct"),
                   lambda x, y: theirs.convolve2d(wide(x), wide(y))),
    "convolve auto": ((3000,), (700,), lambda s, x, y: s.convolve(x, y),
                      lambda x, y: np.convolve(wide(x), wide(y))),
    "correlate 3": ((9, 9, 9), (4, 4, 4), lambda s, x, y: s.correlate(x, y, method="direct"),
                    lambda x, y: theirs.correlate(wide(x), wide(y), method="direct")),
    "convolve2d": ((40, 40), (9, 9), lambda s, x, y: s.convolve2d(x, y, "same", "symm"),
                   lambda x, y: theirs.convolve2d(wide(x), wide(y), "same", "symm")),
    "correlate2d": ((40, 40), (9, 9), lambda s, x, y: s.correlate2d(x, y, "same", "wrap"),
                    lambda x, y: theirs.correlate2d(wide(x), wide(y), "same", "wrap")),
    "fftconvolve 1": ((3000,), (200,), lambda s, x, y: s.fftconvolve(x, y),
                      lambda x, y: np.convolve(wide(x), wide(y))),
    "fftconvolve 2": ((50, 50), (20, 20), lambda s, x, y: s.fftconvolve(x, y, "valid"),
                      lambda x, y: theirs.convolve2d(wide(x), wide(y), "valid")),
    "oaconvolve": ((4000,), (50,), lambda s, x, y: s.oaconvolve(x, y),
                   lambda x, y: np.convolve(wide(x), wide(y))),
    "upfirdn 1/3": ((900,), (60,), lambda s, x, y: s.upfirdn(y, x, 1, 3),
                    lambda x, y: exact_upfirdn(y, x, 1, 3)),
    "upfirdn 5/7": ((900,), (120,), lambda s, x, y: s.upfirdn(y, x, 5, 7),
                    lambda x, y: exact_upfirdn(y, x, 5, 7)),
    "upfirdn 3/2": ((900,), (60,), lambda s, x, y: s.upfirdn(y, x, 3, 2),
                    lambda x, y: exact_upfirdn(y, x, 3, 2)),
    "lfilter": ((900,), (30,), lambda s, x, y: s.lfilter(y, np.ones(1, y.dtype), x),
                lambda x, y: np.convolve(wide(x), wide(y))[:x.size]),
    "sepfir2d": ((40, 40), (9,), lambda s, x, y: s.sepfir2d(x, y, y),
                 lambda x, y: exact_sepfir2d(x, y, y)),
}


# Where SciPy adds up in several sums side by side, by BLAS or in groups of four, and our kernels
# do not: how many times as large our errors may be. Elsewhere they are as small, but for chance.
SIDE_BY_SIDE = {"convolve2d": 1.4, "correlate2d": 1.4, "convolve 1": 1.9,
                "convolve auto": 1.4, "lfilter": 1.4}


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("case", MEASURED)
def test_errors_are_no_larger(case, dtype):
    """Against exact sums: the root of the mean square, over twenty problems, and the largest."""
    factor = SIDE_BY_SIDE.get(case, 1.1)
    shape, taps, call, exact = MEASURED[case]
    rng = np.random.default_rng(len(case))
    errors = {ours: [], theirs: []}
    for _ in range(20):
        x, y = rng.standard_normal((2, *shape)), rng.standard_normal((2, *taps))
        x, y = (a[0] + 1j * a[1] if "c" in dtype else a[0] for a in (x, y))
        x, y = x.astype(dtype), y.astype(dtype)
        expected = exact(x, y)
        for module, found in errors.items():
            found.append(abs(call(module, x, y) - expected).ravel())
    mine, others = (np.concatenate(found).astype(float) for found in errors.values())
    assert np.sqrt(np.mean(mine**2)) <= factor * np.sqrt(np.mean(others**2))
    assert mine.max() <= 1.6 * factor * others.max()


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_wrap_around(dtype):
    """Sums that do not fit their dtype are those of NumPy, modulo its range."""
    rng = np.random.default_rng(3)
    info = np.iinfo(dtype)
    for divisor in (1, 1 << 16):
        low, high = -(-int(info.min) // divisor), int(info.max) // divisor
        x = rng.integers(low, high, (30, 31), dtype, endpoint=True)
        y = rng.integers(low, high, (4, 5), dtype, endpoint=True)
        np.testing.assert_array_equal(ours.convolve2d(x, y), theirs.convolve2d(x, y))
        np.testing.assert_array_equal(ours.correlate(x, y, method="direct"),
                                      theirs.correlate(x, y, method="direct"))
        np.testing.assert_array_equal(ours.convolve(x[0], y[0], method="direct"),
                                      np.convolve(x[0], y[0]))


# ---- large arrays, which are cut into blocks and phases ----


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("shape", "taps", "axes"), [
    ((100_000,), (1001,), None), ((60_000,), (50_000,), None), ((700, 600), (31, 20), None),
    ((300, 900), (300, 5), None), ((3, 40_000), (3, 300), 1), ((40_000, 3), (300, 1), 0),
    ((20, 70, 90), (5, 7, 3), None), ((2, 200, 300), (1, 90, 9), (1, 2)),
], ids=str)  # fmt: skip
def test_blocks_of_transforms(shape, taps, axes, mode, threads):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(shape), rng.standard_normal(taps)
    for a, b in ((x, y), (y, x)) if mode == "full" else ((x, y),):
        result = ours.oaconvolve(a, b, mode, axes, num_threads=threads)
        np.testing.assert_allclose(result, theirs.fftconvolve(a, b, mode, axes), atol=1e-10)
    z = x[:1] + 1j * x[-1:] if x.ndim > 1 and shape[0] == 3 else x + 1j * x[::-1]
    result = ours.fftconvolve(z, y, mode, axes, num_threads=threads)
    np.testing.assert_allclose(result, theirs.fftconvolve(z, y, mode, axes), atol=1e-10)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(("up", "down"), [(160, 147), (147, 160), (7, 1), (1, 7), (4, 6), (6, 4),
                                          (5, 9), (33, 32), (2, 50)])  # fmt: skip
def test_rates(up, down, axis):
    """Phases one by one and in banks, with common factors and more phases than taps."""
    rng = np.random.default_rng(1)
    x = np.moveaxis(rng.standard_normal((3, 2, 700)), -1, axis)
    for taps in (1, 5, 333):
        h = rng.standard_normal(taps)
        np.testing.assert_allclose(ours.upfirdn(h, x, up, down, axis),
                                   theirs.upfirdn(h, x, up, down, axis), atol=1e-12)
    np.testing.assert_allclose(ours.resample_poly(x, up, down, axis, padtype="line"),
                               theirs.resample_poly(x, up, down, axis, padtype="line"), atol=1e-12)


@pytest.mark.parametrize("name", ["convolve2d", "oaconvolve", "upfirdn", "lfilter"])
def test_threads_do_not_change_a_bit(name):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 400, 500)).astype("f4")
    args = {"convolve2d": (x, y[:5, :7]), "oaconvolve": (x, y[:30, :9]),
            "upfirdn": (y[0, :50], x, 5, 3), "lfilter": (y[0, :50], np.float32(1), x)}[name]
    one, two = (getattr(ours, name)(*args, num_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_the_method_is_that_of_the_estimates():
    x, y = np.ones(20_000), np.ones(8_000)
    assert ours.choose_conv_method(x, y) == "fft"
    assert ours.choose_conv_method(x, y[:50]) == "direct"
    named, times = ours.choose_conv_method(x, y, measure=True)
    assert named == min(times, key=times.get)
    # SciPy takes direct sums here, for the sake of precision: integers that float64 does not hold
    assert ours.choose_conv_method(np.full(20_000, 2**40), np.full(8_000, 2**20)) == "direct"


# ---- names, options, what is handed on ----


@pytest.mark.parametrize("name", NAMES)
def test_signatures(name):
    mine = inspect.signature(getattr(ours, name))
    more = {p.name: p for p in mine.parameters.values() if p.name in ("num_threads", "precision")}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is None for p in more.values())
    rest = [p for p in mine.parameters.values() if p.name not in more]
    try:
        expected = inspect.signature(getattr(theirs, name))
    except ValueError:  # one in C, which says in words what it takes
        expected = theirs.sepfir2d.__doc__.splitlines()[0]
        assert expected.endswith(f"{name}({', '.join(p.name for p in rest)})")
    else:
        assert [(p.name, p.default) for p in rest] == [
            (p.name, p.default) for p in expected.parameters.values()]


def test_names_of_scipy_are_handed_on():
    assert set(dir(theirs)) <= set(dir(ours))
    assert ours.welch is theirs.welch
    assert ours.windows is theirs.windows
    with pytest.raises(AttributeError):
        ours.no_such_name  # noqa: B018
    assert set(ours.SERVED) <= set(dir(theirs))
    assert ours.__all__ == theirs.__all__  # so that a star import is SciPy's, but for these
    assert not hasattr(ours, "__path__")


def test_scipy_is_loaded_when_it_is_needed(run_python):
    run_python("""
        import sys
        import fastconv
        assert "scipy.signal" not in sys.modules
        from fastconv import signal
        signal.convolve([1.0, 2.0], [3.0])
        assert "scipy.signal" not in sys.modules
        signal.butter(2, 0.5)
        assert "scipy.signal" in sys.modules
    """)


HANDED_ON = {
    "a list of objects": lambda s: s.convolve([1, None], [1, 2]),
    "bool": lambda s: s.convolve2d(np.ones((3, 3), bool), np.ones((2, 2), bool)),
    "float16": lambda s: s.convolve(np.ones(3, "f2"), np.ones(2, "f2")),
    "float16 in 2-D": lambda s: s.convolve2d(np.ones((3, 3), "f2"), np.ones((2, 2), "f2")),
    "long double": lambda s: s.convolve(np.ones(3, "g"), np.ones(2, "g")),
    "decimals": lambda s: s.convolve(np.array([1, 2], object), np.array([1, 2], object)),
    "strings": lambda s: s.convolve(np.array(["a"]), np.array(["b"])),
    "datetimes": lambda s: s.upfirdn([1.0], np.array(["2020"], "M8[Y]")),
    "a masked array": lambda s: s.convolve(np.ma.masked_array([1.0, 2.0], [True, False]), [1.0]),
    "a matrix": lambda s: s.convolve2d(np.matrix("1 2; 3 4"), np.matrix("1 2; 3 4")),
    "scalars": lambda s: s.convolve(2, 3),
    "no axes": lambda s: s.correlate(2j, 3j),
    "ragged": lambda s: s.convolve([[1], [1, 2]], [1]),
    "other axes": lambda s: s.convolve(np.ones(3), np.ones((3, 3))),
    "nothing": lambda s: s.convolve([], [1.0]),
    "a mode": lambda s: s.convolve2d(np.ones((3, 3)), np.ones((3, 3)), 2),
    "neither larger": lambda s: s.correlate(np.ones((3, 5)), np.ones((5, 3)), "valid"),
    "axes twice": lambda s: s.fftconvolve(np.ones((3, 5)), np.ones((3, 5)), axes=[0, 0]),
    "no such axes": lambda s: s.fftconvolve(np.ones((3, 5)), np.ones((3, 5)), axes=[2]),
    "empty axes": lambda s: s.oaconvolve(np.ones((3, 5)), np.ones((4, 5)), axes=[]),
    "shapes": lambda s: s.fftconvolve(np.ones((3, 5)), np.ones((4, 5)), axes=[1]),
    "broadcast to the second": lambda s: s.fftconvolve(np.ones((1, 5)), np.ones((4, 5)), "same", 1),
    "IIR": lambda s: s.lfilter([1.0], [1.0, 0.5], [1.0, 2.0]),
    "integers": lambda s: s.lfilter([1], [1], np.arange(3)),
    "a zero denominator": lambda s: s.lfilter([1.0, 2.0], [0.0], [1.0, 2.0]),
    "an empty filter": lambda s: s.upfirdn([], [1.0]),
    "a filter of two axes": lambda s: s.upfirdn(np.ones((2, 2)), [1.0]),
    "even filters": lambda s: s.sepfir2d(np.ones((5, 5)), np.ones(2), np.ones(3)),
    "filters of float64": lambda s: s.sepfir2d(np.ones((5, 5), "f4"), np.ones(3), np.ones(3)),
    "rates": lambda s: s.resample_poly([1.0, 2.0], 1.5, 2),
    "a rate of none": lambda s: s.resample_poly([1.0, 2.0], 0, 2),
    "the same rate": lambda s: s.resample_poly([1.0, 2.0], 3, 3),
    "an unknown padtype": lambda s: s.resample_poly([1.0, 2.0], 3, 2, padtype="x"),
    "cval without constant": lambda s: s.resample_poly([1.0, 2.0], 3, 2, padtype="mean", cval=1),
    "a window of two axes": lambda s: s.resample_poly([1.0, 2.0], 3, 2, window=np.ones((2, 2))),
    "an unknown window": lambda s: s.resample_poly([1.0, 2.0], 3, 2, window="x"),
    "IIR decimation": lambda s: s.decimate(np.ones(100), 2),
    "a window too long": lambda s: s.savgol_filter(np.ones(5), 7, 2),
    "an order too high": lambda s: s.savgol_filter(np.ones(5000), 3, 3),
    "a window of a fraction": lambda s: s.savgol_filter(np.ones(5000), 3.5, 1),
    "an unknown method": lambda s: s.choose_conv_method(np.ones(3), np.ones(3), "x"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", HANDED_ON)
def test_what_is_not_served_is_scipys(case):
    """Results and exceptions alike."""
    results = []
    for module in (ours, theirs):
        try:
            results.append(HANDED_ON[case](module))
        except Exception as error:
            results.append((type(error), str(error)))
    assert type(results[0]) is type(results[1])
    np.testing.assert_array_equal(*results)


def test_what_would_end_the_process_is_refused():
    """By a division by zero in SciPy's code."""
    for boundary in ("wrap", "symm"):
        with pytest.raises(ValueError, match="without pixels"):
            ours.convolve2d(np.ones((0, 3)), np.ones((2, 2)), boundary=boundary)
    for mode in ("reflect", "antireflect", "smooth"):
        with pytest.raises(ValueError, match="needs more than 1 elements"):
            ours.upfirdn(np.ones(3), np.ones(1), mode=mode)


@pytest.mark.parametrize("name", NAMES)
def test_options(name):
    args, known = next(
        case for case in (getattr(Draw(seed), name)() for seed in range(100))
        if not isinstance(outcome(getattr(theirs, name), *case), type))
    call = functools.partial(getattr(ours, name), *args, **known)
    call(num_threads=2, precision="high")
    for options, error in (({"num_threads": 0}, ValueError), ({"num_threads": "a"}, TypeError),
                           ({"precision": "low"}, ValueError), ({"precision": 3}, TypeError)):
        with pytest.raises(error, match=f"^signal.{name}: "):
            call(**options)


def test_precision_is_that_of_direct_sums():
    """By default as much as SciPy's, else what is asked for."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((200, 200)).astype("f4"), rng.standard_normal((25, 25)).astype("f4")
    exact = theirs.convolve2d(x.astype("f8"), y.astype("f8"))
    error = abs(ours.convolve2d(x, y) - exact).max()
    assert error <= abs(theirs.convolve2d(x, y) - exact).max()
    assert abs(ours.convolve2d(x, y, precision="medium") - exact).max() <= 1e-2 * abs(exact).max()
