"""Documentation: every row of "Coming from SciPy", OpenCV, PyTorch and Keras is true."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import fastconv
import fastconv.ndimage
import fastconv.signal
from fastconv.testing import reference

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


# ---- frameworks: against a reference that shares no code with fastconv, and themselves if there

# What a call of a framework gives, of channels first: by `fastconv.testing.reference` and NumPy.
CONV, TRANSPOSED = reference.conv, reference.conv_transpose
TORCH = {
    "F.conv2d(x, w, b, stride=2, padding=1)": lambda a: CONV(a.x, a.w, a.b, 2, 1),
    'F.conv2d(x, w, padding="same")': lambda a: CONV(a.x, a.w, padding=1),
    "F.conv2d(F.pad(x, (1, 2, 0, 3)), w)": lambda a: CONV(
        np.pad(a.x, ((0, 0), (0, 0), (0, 3), (1, 2))), a.w),
    'F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), w)': lambda a: CONV(
        np.pad(a.x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect"), a.w),
    "F.conv2d(F.pad(x, (1, 1, 1, 1), value=7.0), w)": lambda a: CONV(
        np.pad(a.x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=7), a.w),
    "F.conv2d(x, d, groups=4)": lambda a: np.stack([
        scipy.ndimage.correlate(a.x[:, c], a.d[c])[:, 1:-1, 1:-1] for c in range(4)], 1),
    "F.conv1d(s, w1, dilation=3)": lambda a: CONV(a.s, a.w1, dilation=3),
    "F.conv3d(v, w3, padding=(0, 1, 1))": lambda a: CONV(a.v, a.w3, padding=(0, 1, 1)),
    "F.relu(F.conv2d(x, w, b, padding=1) + r)": lambda a: np.maximum(
        CONV(a.x, a.w, a.b, padding=1) + a.r, 0),
    "F.leaky_relu(F.conv2d(x, w))": lambda a: np.where(
        (y := CONV(a.x, a.w)) > 0, y, 0.01 * y),
    "F.conv_transpose2d(x, t, b, stride=2, padding=1, output_padding=1)":
        lambda a: TRANSPOSED(a.x, a.t, a.b, 2, 1, 1),
    "F.max_pool2d(x, 3, stride=2, padding=1)": lambda a: reference.max_pool(a.x, 3, 2, 1),
    "F.max_pool2d(x, 2, return_indices=True)[1]":
        lambda a: reference.max_pool(a.x, 2, return_indices=True)[1],
    "-F.max_pool2d(-x, 2)": lambda a: a.x.reshape(2, 4, 4, 2, 5, 2).min((3, 5)),
    "F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)":
        lambda a: reference.avg_pool(a.x, 3, 2, 1, ceil_mode=True),
    "F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)":
        lambda a: reference.avg_pool(a.x, 3, 2, 1, count_include_pad=False),
    "F.lp_pool2d(x, 2, 3)": lambda a: reference.lp_pool(a.x, 2, 3),
    "F.adaptive_avg_pool2d(x, (2, 3))": lambda a: reference.adaptive_avg_pool(a.x, (2, 3)),
    "F.adaptive_avg_pool2d(x, 1)": lambda a: a.x.mean((2, 3), keepdims=True),
    "F.adaptive_max_pool2d(x, (2, 3))": lambda a: reference.adaptive_max_pool(a.x, (2, 3)),
    "F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)": lambda a: np.where(
        np.kron(a.x.reshape(2, 4, 4, 2, 5, 2).max((3, 5)), np.ones((2, 2))) == a.x, a.x, 0),
    "F.unfold(x, 3, padding=1)": lambda a: reference.im2col(a.x, 3, padding=1),
    "F.fold(c, (8, 10), 3, padding=1)":
        lambda a: reference.col2im(a.c, a.x.shape, 3, padding=1),
    "nn.grad.conv2d_input(x.shape, w, g, padding=1)":
        lambda a: reference.conv_backward_data(a.g, a.w, a.x.shape, padding=1),
    "nn.grad.conv2d_weight(x, w.shape, g, padding=1)":
        lambda a: reference.conv_backward_weight(a.g, a.x, a.w.shape, padding=1),
    "F.linear(f, m, b)": lambda a: np.einsum("ni,oi->no", a.f, a.m) + a.b,
}  # fmt: skip


def of_a_framework(channels_last):
    """What the rows of both pages compute with: in float64, of 4 channels and 6 filters."""
    rng = np.random.default_rng(0)
    shapes = {"x": (2, 4, 8, 10), "w": (6, 4, 3, 3), "d": (4, 1, 3, 3), "t": (4, 6, 3, 3),
              "s": (2, 4, 12), "w1": (6, 4, 3), "v": (2, 4, 5, 6, 7), "w3": (6, 4, 3, 3, 3),
              "b": 6, "r": (2, 6, 8, 10), "g": (2, 6, 8, 10), "c": (2, 36, 80), "f": (2, 7),
              "m": (6, 7)}  # fmt: skip
    if channels_last:
        shapes |= {"x": (2, 8, 10, 4), "w": (3, 3, 4, 6), "d": (3, 3, 4, 2), "t": (3, 3, 5, 4),
                   "s": (2, 12, 4), "w1": (3, 4, 6), "m": (7, 6), "q": (1, 1, 8, 5)}  # fmt: skip
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(("call", "equivalent"), rows("pytorch.rst", "equivalents"))
def test_pytorch(call, equivalent):
    given = of_a_framework(channels_last=False)
    got = eval(equivalent, OURS | given)
    expected = TORCH[call](SimpleNamespace(**given))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("call", "equivalent"), rows("pytorch.rst", "equivalents"))
def test_pytorch_itself(call, equivalent, torch):
    given = of_a_framework(channels_last=False)
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    expected = eval(call, {"F": torch.nn.functional, "nn": torch.nn} | tensors).numpy()
    got = eval(equivalent, OURS | given)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def last(function, x, weight=None, axes=None, **options):
    """The reference's result, channels last, of images and weights in TensorFlow's layout."""
    arrays = [np.moveaxis(x, -1, 1)] + ([] if weight is None else [weight.transpose(axes)])
    return np.moveaxis(function(*arrays, **options), 1, -1)


TENSORFLOW = {
    'tf.nn.conv2d(x, w, 1, "VALID")': lambda a: last(CONV, a.x, a.w, (3, 2, 0, 1)),
    'tf.nn.conv2d(x, w, 2, "SAME")': lambda a: last(
        CONV, a.x, a.w, (3, 2, 0, 1), stride=2, padding=((0, 1), (0, 1))),
    'tf.nn.conv2d(x, w, 1, "SAME", dilations=2)': lambda a: last(
        CONV, a.x, a.w, (3, 2, 0, 1), padding=2, dilation=2),
    "tf.nn.conv2d(x, w, 1, [[0, 0], [1, 2], [0, 3], [0, 0]])": lambda a: last(
        CONV, np.pad(a.x, ((0, 0), (1, 2), (0, 3), (0, 0))), a.w, (3, 2, 0, 1)),
    'tf.nn.relu(tf.nn.conv2d(x, w, 1, "SAME") + b)': lambda a: np.maximum(
        last(CONV, a.x, a.w, (3, 2, 0, 1), padding=1) + a.b, 0),
    'tf.nn.depthwise_conv2d(x, d, [1, 1, 1, 1], "SAME")': lambda a: np.stack([
        scipy.ndimage.correlate(a.x[..., c // 2], a.d[None, :, :, c // 2, c % 2], mode="constant")
        for c in range(8)], -1),
    'tf.nn.separable_conv2d(x, d, q, [1, 1, 1, 1], "SAME")': lambda a: np.stack([
        scipy.ndimage.correlate(a.x[..., c // 2], a.d[None, :, :, c // 2, c % 2], mode="constant")
        for c in range(8)], -1) @ a.q[0, 0],
    'tf.nn.conv2d_transpose(x, t, (2, 16, 20, 5), 2, "SAME")': lambda a: last(
        TRANSPOSED, a.x, a.t, (3, 2, 0, 1), stride=2)[:, :-1, :-1],
    'tf.nn.conv2d_transpose(x, t, (2, 17, 21, 5), 2, "VALID")': lambda a: last(
        TRANSPOSED, a.x, a.t, (3, 2, 0, 1), stride=2),
    'tf.nn.conv1d(s, w1, 1, "SAME")': lambda a: last(CONV, a.s, a.w1, (2, 1, 0), padding=1),
    'keras.layers.Conv1D(6, 3, padding="causal", dilation_rate=2, weights=[w1], '
    "use_bias=False)(s)": lambda a: last(
        CONV, np.pad(a.s, ((0, 0), (4, 0), (0, 0))), a.w1, (2, 1, 0), dilation=2),
    'tf.nn.max_pool2d(x, 3, 2, "SAME")': lambda a: last(
        reference.max_pool, a.x, kernel_size=3, stride=2, padding=((0, 1), (0, 1))),
    'tf.nn.avg_pool2d(x, 3, 2, "SAME")': lambda a: last(
        reference.avg_pool, a.x, kernel_size=3, stride=2, padding=((0, 1), (0, 1)),
        count_include_pad=False),
    "tf.reduce_mean(x, [1, 2])": lambda a: a.x.mean((1, 2)),
    "tf.reduce_max(x, [1, 2])": lambda a: a.x.max((1, 2)),
    "f @ m + b": lambda a: np.einsum("ni,io->no", a.f, a.m) + a.b,
}  # fmt: skip


@pytest.mark.parametrize(("call", "equivalent"), rows("keras.rst", "equivalents"))
def test_tensorflow(call, equivalent):
    given = of_a_framework(channels_last=True)
    got = eval(equivalent, OURS | given | {"last": {"data_format": "channels_last"}})
    expected = TENSORFLOW[call](SimpleNamespace(**given))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("call", "equivalent"), rows("keras.rst", "equivalents"))
def test_tensorflow_itself(call, equivalent):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    given = of_a_framework(channels_last=True)
    names = {"tf": tf, "keras": tf.keras}
    expected = np.asarray(eval(call, names | {
        name: value.astype(np.float32) for name, value in given.items()}))  # fmt: skip
    got = eval(equivalent, OURS | given | {"last": {"data_format": "channels_last"}})
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


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
