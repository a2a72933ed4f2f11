"""Documentation: every row of "Coming from SciPy" and "Coming from OpenCV" is true."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import fastconv
import fastconv.ndimage
import fastconv.signal

DOCS = Path(__file__).parent.parent / "docs"

pytestmark = pytest.mark.needs(DOCS.is_dir(), "the documentation beside the tests")

SCIPY = {"ndimage": scipy.ndimage, "signal": scipy.signal}
OURS = {"ndimage": fastconv.ndimage, "signal": fastconv.signal, "fastconv": fastconv}


def rows(page, kind):
    """The rows of a page's tables of one class, each a list of cells without its marks."""
    if not DOCS.is_dir():
        return []
    text = (DOCS / page).read_text("utf-8")
    found = []
    for table in re.findall(rf"^\.\. list-table::.*\n   :class: {kind}\n(?:(?: .*)?\n)+", text,
                            flags=re.MULTILINE):  # fmt: skip
        for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[2:]:
            cells = re.split(r"^     -", row, flags=re.MULTILINE)
            found.append([" ".join(cell.split()).strip("`") for cell in cells])
    return found


def arrays(dtype):
    """What the rows of both pages compute with."""
    rng = np.random.default_rng(0)
    high = 255 if dtype == "uint8" else 1
    disc = np.hypot(*np.mgrid[-3:4, -3:4]) <= 3
    w, t, u = (rng.random(n) for n in ((3, 5), 7, 3))
    return {
        "x": (high * rng.random((24, 30))).astype(dtype), "disc": disc.astype(np.uint8),
        "v": rng.random((8, 9, 10)).astype(dtype), "s": rng.random(200).astype(dtype),
        "w": w / w.sum(), "t": t / t.sum(), "u": u / u.sum(), "w3": rng.random((3, 1, 5)),
        "lowest": np.iinfo(dtype).min if dtype == "uint8" else -np.inf, "np": np,
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("call", "operator"), rows("scipy.rst", "equivalents"))
def test_scipy(call, operator, dtype):
    """SciPy's call, the same with the import changed, and by an operator of our own."""
    given = arrays(dtype)
    expected, swapped = eval(call, SCIPY | given), eval(call, OURS | given)
    if call.startswith("ndimage"):
        np.testing.assert_array_equal(swapped, expected)
    scale = {"float32": 1e-5, "float64": 1e-13}[dtype] * np.abs(expected).max()
    given |= {name: given[name].astype(dtype) for name in ("w", "w3", "t")}
    for got in (swapped, eval(operator, OURS | given)):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=0, atol=scale)
    assert got.dtype == dtype


@pytest.mark.parametrize(("outside", "mode", "padding_mode", "boundary", "pad"),
                         rows("scipy.rst", "borders"))  # fmt: skip
def test_borders(outside, mode, padding_mode, boundary, pad):
    x, letters = np.arange(1.0, 5), "0abcd"
    expected = [letters.index(letter) for letter in outside.replace("|", "").split()]
    np.testing.assert_array_equal(np.pad(x, 3, mode=pad), expected)
    delta = np.zeros(9)
    for n in range(-3, 4):  # the element n before each: a kernel with a one there
        delta[:] = 0
        delta[4 + n] = 1
        want = expected[3 + n : 7 + n]
        np.testing.assert_array_equal(fastconv.ndimage.correlate1d(x, delta, mode=mode), want)
        np.testing.assert_array_equal(fastconv.conv1d(
            x[None], delta[None, None, 1:-1], padding="same", padding_mode=padding_mode)[0], want)
        if boundary:
            np.testing.assert_array_equal(fastconv.signal.correlate2d(
                x[None], delta[None], mode="same", boundary=boundary)[0], want)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(("call", "equivalent"), rows("opencv.rst", "equivalents"))
def test_opencv(call, equivalent, dtype):
    """To rounding; bytes to a unit for each axis, where OpenCV does not saturate."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if dtype == "uint8" and re.search("Sobel|Laplacian", call):
        call, equivalent = call.replace("-1", "cv2.CV_16S", 1), equivalent.replace(
            "(x,", "(x, output=np.int16,")  # fmt: skip
    given = arrays(dtype)
    expected, got = eval(call, {"cv2": cv2} | given), eval(equivalent, OURS | given)
    assert got.dtype == expected.dtype
    error = np.abs(got.astype(float) - expected)
    assert error.max() <= {"float32": 1e-5, "float64": 1e-12, "uint8": 2}[dtype]


@pytest.mark.parametrize(("border", "mode"), rows("opencv.rst", "borders"))
def test_borders_of_opencv(border, mode):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    x, w = arrays("float64")["x"], np.random.default_rng(1).random((7, 7))
    if border == "BORDER_WRAP":  # filter2D refuses it
        padded = cv2.copyMakeBorder(x, 3, 3, 3, 3, cv2.BORDER_WRAP)
        expected = cv2.filter2D(padded, -1, w)[3:-3, 3:-3]
    else:
        expected = cv2.filter2D(x, -1, w, borderType=getattr(cv2, border))
    np.testing.assert_allclose(fastconv.ndimage.correlate(x, w, mode=mode), expected, rtol=1e-12)


@pytest.mark.parametrize("program", sorted((DOCS / "examples").glob("*.py")),
                         ids=lambda path: path.stem)  # fmt: skip
def test_programs_with_the_import_changed(program):
    """The same output, to the last bit, and the same for a program that imports from both."""
    source = program.read_text("utf-8")
    assert source.count("from scipy import ndimage") == 1
    results = []
    for text in (source, source.replace("from scipy import", "from fastconv import")):
        names = {"__name__": program.stem}
        exec(compile(text, program.name, "exec"), names)
        results.append(names["result"])
    for theirs, ours in zip(*results, strict=True):
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_array_equal(ours, theirs)
