"""Guard pages: no kernel reads or writes one element too many, or leaves one unwritten.

Every array lies against a page that the processor refuses to touch, first in front and then
behind; outputs are filled with NaN beforehand. Lengths run through every remainder of the vector
length, up to two whole vectors and one element more.
"""

import sys

import numpy as np
import pytest
import scipy.ndimage

import fastconv
from fastconv import ndimage
from fastconv.testing import reference as references
from fastconv.testing.contract import assert_exact
from fastconv.testing.guard import GuardedBuffer
from fastconv.testing.served import methods, serves

pytestmark = pytest.mark.needs(sys.platform != "win32", "mprotect, a POSIX call")


class Remembered:
    """The functions of a module, each asked once: all algorithms, at both ends, want the same."""

    def __init__(self, module):
        self.module, self.kept = module, {}

    def __getattr__(self, name):
        def function(*args, **options):
            parts = [(a.shape, a.dtype.str, a.tobytes()) if isinstance(a, np.ndarray) else repr(a)
                     for a in (*args, *options.items())]  # fmt: skip
            key = name, *parts
            if key not in self.kept:
                self.kept[key] = getattr(self.module, name)(*args, **options)
            return self.kept[key]

        return function


reference = Remembered(references)
METHODS = {name: methods(name) for name in ("forward", "backward_data", "backward_weight")}
VECTORS = {"baseline": 16, "avx2": 32, "avx512": 64}
# Bytes of the vectors in use; where the level has another name, the longest known.
VECTOR = VECTORS.get(fastconv.show_runtime(mode="dicts")["isa"], 64)


@pytest.fixture(scope="module")
def buffers():
    return {name: GuardedBuffer(1 << 20) for name in ("x", "weight", "bias", "residual", "y")}


@pytest.fixture(params=["front", "back"])
def end(request):
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=["channels_first", "channels_last"])
def data_format(request):
    return request.param


def tails(dtype):
    """1 … 2 * vector + 1, in elements."""
    return range(1, 2 * (VECTOR // np.dtype(dtype).itemsize) + 2)


def draw(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype(dtype)


def shaped(batch, channels, spatial, data_format):
    if data_format == "channels_last":
        return (batch, *spatial, channels)
    return (batch, channels, *spatial)


def strictly(method, x_shape, weight_shape, dtype, which="forward", **options):
    """Whether a method computes what `check_conv` asks of it."""
    options["precision"] = "highest"
    return serves(method, which, x_shape, weight_shape, dtype=dtype, **options)


def check_conv(buffers, end, method, x_shape, weight_shape, dtype, **geometry):
    """Forward with bias and residual, exactly, every array guarded."""
    rng = np.random.default_rng(0)
    plain = {k: v for k, v in geometry.items() if k != "num_threads"}
    x, weight = draw(rng, x_shape, dtype), draw(rng, weight_shape, dtype)
    bias = draw(rng, weight_shape[0], dtype)
    exact = reference.conv(x, weight, bias, **plain)
    residual = draw(rng, exact.shape, dtype)
    out = buffers["y"].empty(exact.shape, dtype, end)
    fastconv.conv2d(
        buffers["x"].place(x, end),
        buffers["weight"].place(weight, end),
        buffers["bias"].place(bias, end),
        residual=buffers["residual"].place(residual, end),
        out=out,
        method=method,
        precision="highest",
        **geometry,
    )
    assert_exact(out, exact + residual, geometry)


# ------------------------------------------------------------------------------ convolution


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method, kernel: all(
    strictly(method, shaped(1, 3, (4, width + kernel - 1), data_format), (5, 3, kernel, kernel),
             dtype, padding=padding, data_format=data_format)
    for width in tails(dtype) for padding in (0, 1)
))
def test_conv_width(buffers, end, dtype, data_format, method, kernel):
    for width in tails(dtype):
        for padding in (0, 1):
            x_shape = shaped(1, 3, (4, width + kernel - 1), data_format)
            check_conv(
                buffers, end, method, x_shape, (5, 3, kernel, kernel), dtype,
                padding=padding, data_format=data_format,
            )  # fmt: skip


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method, stride: all(
    strictly(method, shaped(1, 2, (5, width + 2), data_format), (3, 2, 3, 3), dtype,
             stride=stride, padding=(1, 0), data_format=data_format)
    for width in tails(dtype)
))
def test_conv_width_with_stride(buffers, end, dtype, data_format, method, stride):
    for width in tails(dtype):
        x_shape = shaped(1, 2, (5, width + 2), data_format)
        check_conv(
            buffers, end, method, x_shape, (3, 2, 3, 3), dtype,
            stride=stride, padding=(1, 0), data_format=data_format,
        )  # fmt: skip


@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method: all(
    strictly(method, shaped(2, 3, (5, 6), data_format), (filters, 3, 3, 2), dtype,
             data_format=data_format)
    for filters in tails(dtype)
))
def test_conv_output_channels(buffers, end, dtype, data_format, method):
    for filters in tails(dtype):
        x_shape = shaped(2, 3, (5, 6), data_format)
        check_conv(
            buffers, end, method, x_shape, (filters, 3, 3, 2), dtype, data_format=data_format
        )


@pytest.mark.parametrize("kernel", [1, 2])
@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method, kernel: all(
    strictly(method, shaped(2, channels, (3, 5), data_format), (4, channels, kernel, kernel),
             dtype, data_format=data_format)
    for channels in tails(dtype)
))
def test_conv_input_channels(buffers, end, dtype, data_format, method, kernel):
    for channels in tails(dtype):
        x_shape = shaped(2, channels, (3, 5), data_format)
        check_conv(
            buffers, end, method, x_shape, (4, channels, kernel, kernel), dtype,
            data_format=data_format,
        )  # fmt: skip


@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method: all(
    strictly(method, shaped(1, channels, (4, 7), data_format), (channels, 1, 3, 3), dtype,
             groups=channels, padding=1, data_format=data_format)
    for channels in tails(dtype)
))
def test_depthwise_channels(buffers, end, dtype, data_format, method):
    for channels in tails(dtype):
        x_shape = shaped(1, channels, (4, 7), data_format)
        check_conv(
            buffers, end, method, x_shape, (channels, 1, 3, 3), dtype,
            groups=channels, padding=1, data_format=data_format,
        )  # fmt: skip


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "replicate", "circular"])
@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method, mode: all(
    strictly(method, shaped(1, 2, (3, width), data_format), (3, 2, 3, 3), dtype,
             padding=((4, 1), (2, 40)), padding_mode=mode, padding_value=3 * (mode == "constant"),
             data_format=data_format)
    for width in (1, 2, 7, 17, 33)
))
def test_padding_modes(buffers, end, dtype, data_format, method, mode):
    for width in (1, 2, 7, 17, 33):
        check_conv(
            buffers, end, method, shaped(1, 2, (3, width), data_format), (3, 2, 3, 3), dtype,
            padding=((4, 1), (2, 40)), padding_mode=mode, padding_value=3 * (mode == "constant"),
            data_format=data_format,
        )  # fmt: skip


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("method", METHODS["forward"])
@pytest.mark.served(by=lambda dtype, data_format, method, groups: strictly(
    method, shaped(2, 34, (19, 23), data_format), (38, 34 // groups, 3, 3), dtype,
    padding=1, groups=groups, data_format=data_format,
))
def test_more_than_one_thread(buffers, end, dtype, data_format, method, groups):
    x_shape = shaped(2, 34, (19, 23), data_format)
    check_conv(
        buffers, end, method, x_shape, (38, 34 // groups, 3, 3), dtype,
        padding=1, groups=groups, data_format=data_format, num_threads=3,
    )  # fmt: skip


def gradient_problems(method, which, dtype, data_format):
    """(x, weight, geometry) of what a method serves: each length in turn through all tails."""
    for n in tails(dtype):
        for x_shape, weight_shape, geometry in [
            (shaped(1, 2, (4, n + 2), data_format), (3, 2, 3, 3), {"padding": 1}),
            (shaped(1, 2, (5, n + 2), data_format), (3, 2, 3, 3), {"stride": 2}),
            (shaped(2, n, (4, 5), data_format), (3, n, 2, 2), {}),
            (shaped(2, 3, (4, 5), data_format), (n, 3, 2, 2), {}),
            (shaped(1, n, (4, 5), data_format), (n, 1, 3, 3), {"padding": 1, "groups": n}),
        ]:
            geometry["data_format"] = data_format
            if strictly(method, x_shape, weight_shape, dtype, which, **geometry):
                yield x_shape, weight_shape, geometry


@pytest.mark.parametrize("method", METHODS["backward_data"])
@pytest.mark.served(by=lambda dtype, data_format, method: any(
    gradient_problems(method, "backward_data", dtype, data_format)
))
def test_backward_data(buffers, end, dtype, data_format, method):
    rng = np.random.default_rng(0)
    problems = gradient_problems(method, "backward_data", dtype, data_format)
    for x_shape, weight_shape, args in problems:
        y_shape = reference.conv_output_shape(x_shape, weight_shape, **args)
        grad, weight = draw(rng, y_shape, dtype), draw(rng, weight_shape, dtype)
        out = buffers["x"].empty(x_shape, dtype, end)
        fastconv.conv2d_backward_data(
            buffers["y"].place(grad, end), buffers["weight"].place(weight, end), x_shape,
            out=out, method=method, precision="highest", **args,
        )  # fmt: skip
        assert_exact(out, reference.conv_backward_data(grad, weight, x_shape, **args), args)


@pytest.mark.parametrize("method", METHODS["backward_weight"])
@pytest.mark.served(by=lambda dtype, data_format, method: any(
    gradient_problems(method, "backward_weight", dtype, data_format)
))
def test_backward_weight(buffers, end, dtype, data_format, method):
    rng = np.random.default_rng(0)
    problems = gradient_problems(method, "backward_weight", dtype, data_format)
    for x_shape, weight_shape, args in problems:
        y_shape = reference.conv_output_shape(x_shape, weight_shape, **args)
        grad, x = draw(rng, y_shape, dtype), draw(rng, x_shape, dtype)
        out = buffers["weight"].empty(weight_shape, dtype, end)
        fastconv.conv2d_backward_weight(
            buffers["y"].place(grad, end), buffers["x"].place(x, end), weight_shape,
            out=out, method=method, precision="highest", **args,
        )  # fmt: skip
        assert_exact(out, reference.conv_backward_weight(grad, x, weight_shape, **args), args)


def test_backward_bias(buffers, end, dtype, data_format):
    rng = np.random.default_rng(0)
    for n in tails(dtype):
        for channels, width in [(3, n), (n, 3)]:
            grad = draw(rng, shaped(2, channels, (2, width), data_format), dtype)
            guarded = buffers["y"].place(grad, end)
            got = fastconv.conv2d_backward_bias(guarded, data_format=data_format)
            assert_exact(got, reference.conv_backward_bias(grad, data_format=data_format))


# ---------------------------------------------------------------------------------- pooling

POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": (2, 5), "stride": 1},
]


def pool_inputs(dtype, data_format, rng):
    for n in tails(dtype):
        yield draw(rng, shaped(1, 2, (5, n + 4), data_format), dtype)
        yield draw(rng, shaped(1, n, (5, 6), data_format), dtype)


@pytest.mark.parametrize("geometry", POOLS, ids=str)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_max_and_min_pool(buffers, end, dtype, data_format, geometry, kind):
    function, exactly = getattr(fastconv, f"{kind}_pool2d"), getattr(reference, f"{kind}_pool")
    args = {**geometry, "data_format": data_format}
    for x in pool_inputs(dtype, data_format, np.random.default_rng(0)):
        values, indices = exactly(x, **args, return_indices=True)
        guarded = buffers["x"].place(x, end)
        out = buffers["y"].empty(values.shape, dtype, end)
        function(guarded, **args, out=out)
        assert_exact(out, values, x.shape)
        out = buffers["y"].empty(values.shape, dtype, end)
        _, found = function(guarded, **args, return_indices=True, out=out)
        assert_exact(out, values, x.shape)
        assert_exact(found, indices, x.shape)

        grad = buffers["y"].place(values, end)
        where = buffers["weight"].place(indices, end)
        out = buffers["x"].empty(x.shape, dtype, end)
        fastconv.max_pool2d_backward(grad, where, x.shape, data_format=data_format, out=out)
        expected = reference.max_pool_backward(values, indices, x.shape, data_format=data_format)
        assert_exact(out, expected, x.shape)


@pytest.mark.parametrize("geometry", POOLS, ids=str)
def test_avg_pool(buffers, end, dtype, data_format, geometry):
    # A power of two divides exactly.
    args = {**geometry, "data_format": data_format, "divisor_override": 4}
    for x in pool_inputs(dtype, data_format, np.random.default_rng(0)):
        mean = reference.avg_pool(x, **args)
        out = buffers["y"].empty(mean.shape, dtype, end)
        fastconv.avg_pool2d(buffers["x"].place(x, end), **args, out=out)
        assert_exact(out, mean, x.shape)
        grad = buffers["y"].place(mean.astype(dtype), end)
        out = buffers["x"].empty(x.shape, dtype, end)
        fastconv.avg_pool2d_backward(grad, x.shape, **args, out=out)
        assert_exact(out, reference.avg_pool_backward(grad, x.shape, **args), x.shape)


# ------------------------------------------------------------------------------- the columns


def test_im2col_and_col2im(buffers, end, dtype, data_format):
    rng = np.random.default_rng(0)
    for n in tails(dtype):
        x = draw(rng, shaped(1, 2, (4, n + 2), data_format), dtype)
        args = {"kernel_size": 3, "padding": 1, "stride": (1, 2), "data_format": data_format}
        cols = reference.im2col(x, **args)
        np.testing.assert_array_equal(fastconv.im2col(buffers["x"].place(x, end), **args), cols)
        guarded = buffers["y"].place(cols, end)
        got = fastconv.col2im(guarded, x.shape, **args)
        assert_exact(got, reference.col2im(cols, x.shape, **args))


def test_the_guard_works(run_python):
    """One element past either end kills the process."""
    for end, index in [("front", -1), ("back", 16)]:
        code = f"""
            import ctypes
            import numpy as np
            from fastconv.testing.guard import GuardedBuffer
            array = GuardedBuffer(64).empty((16,), np.float32, "{end}")
            ctypes.c_float.from_address(array.ctypes.data + 4 * 15).value = 1.0
            print("inside", flush=True)
            ctypes.c_float.from_address(array.ctypes.data + 4 * {index}).value = 1.0
        """
        done = run_python(code, returncode=-11)
        assert done.stdout == "inside\n"


FILTERS = {
    "correlate1d": lambda n, x, **k: n.correlate1d(x, [1.0, 2.0, 4.0, -1.0], **k),
    "gaussian_filter": lambda n, x, **k: n.gaussian_filter(x, 1, **k),
    "uniform_filter": lambda n, x, **k: n.uniform_filter(x, 5, **k),
    "maximum_filter": lambda n, x, **k: n.maximum_filter(x, 5, **k),
    "sobel": lambda n, x, **k: n.sobel(x, **k),
    "laplace": lambda n, x, **k: n.laplace(x, **k),
    "correlate": lambda n, x, **k: n.correlate(x, np.arange(9.0).reshape(3, 3), **k),
    "footprint": lambda n, x, **k: n.grey_dilation(x, footprint=np.eye(3), **k),
    "structure": lambda n, x, **k: n.grey_erosion(x, structure=np.ones((3, 3)), **k),
}


@pytest.mark.parametrize("function", FILTERS)
@pytest.mark.parametrize("type_", ["uint8", "int16", "float32", "float64"])
def test_filters_of_images(buffers, end, function, type_):
    rng = np.random.default_rng(0)
    for n in (*tails(type_), 300):
        x = rng.integers(0, 100, (7, n)).astype(type_)
        want = FILTERS[function](scipy.ndimage, x)
        out = buffers["y"].empty(x.shape, type_, end)
        image = buffers["x"].place(x, end)
        got = FILTERS[function](ndimage, image, output=out)
        assert got is out or np.shares_memory(got, out)
        np.testing.assert_array_equal(out, want)
        if n == 300:  # along the other axis
            image, out = buffers["x"].place(x.T.copy(), end), buffers["y"].empty((n, 7), type_, end)
            FILTERS[function](ndimage, image, output=out)
            np.testing.assert_array_equal(out, FILTERS[function](scipy.ndimage, x.T))


# --------------------------------------------------------------------------- small integers

SMALL_LAYERS = {  # channels in, filters, groups, kernel; the length is added to the last axis
    "pairs": (4, 5, 1, (3, 3)),
    "odd channels": (3, 5, 1, (1, 2)),
    "groups of three": (6, 4, 2, (2, 3)),
    "rows": (2, 2, 2, (3, 3)),
    "columns": (1, 3, 1, (1, 5)),
}


def test_separable(buffers, end, data_format, dtype):
    """Images that are cut into pieces, and some that are not."""
    rng = np.random.default_rng(0)
    for n in tails(dtype):
        for channels, rows, stride in ((44, 80, 1), (3, 6, 2), (24, 61, 2)):
            channels //= np.dtype(dtype).itemsize // 4
            geometry = {"stride": stride, "padding": 1, "data_format": data_format}
            # small integers, of which sums are exact
            x = draw(rng, shaped(1, channels, (rows, 32 + n), data_format), dtype)
            depthwise = draw(rng, (channels, 1, 3, 3), dtype)
            pointwise, bias = draw(rng, (n, channels, 1, 1), dtype), draw(rng, n, dtype)
            want = reference.separable_conv(x, depthwise, pointwise, bias, **geometry)
            out = buffers["y"].empty(want.shape, dtype, end)
            fastconv.separable_conv2d(
                buffers["x"].place(x, end), buffers["weight"].place(depthwise, end),
                buffers["residual"].place(pointwise, end), buffers["bias"].place(bias, end),
                **geometry, precision="highest", out=out)  # fmt: skip
            assert_exact(out, want)


@pytest.mark.parametrize("name", SMALL_LAYERS)
@pytest.mark.parametrize("type_", ["uint8", "int8", "uint16", "int16"])
def test_small_integers(buffers, end, data_format, type_, name):
    """Forward, backwards and quantised: words and bytes at the ends of the arrays' memory."""
    channels, filters, groups, kernel = SMALL_LAYERS[name]
    rng = np.random.default_rng(0)
    weight = draw(rng, (filters, channels // groups, *kernel), "int8")
    for n in tails("float32"):
        for stride in (1, 2):
            geometry = {"stride": stride, "padding": (1, 0), "groups": groups,
                        "data_format": data_format}  # fmt: skip
            x = rng.integers(0, 100, shaped(1, channels, (4, n + kernel[1] - 1), data_format))
            x = x.astype(type_)
            want = reference.conv(x, weight, **geometry)
            guarded = buffers["x"].place(x, end), buffers["weight"].place(weight, end)
            out = buffers["y"].empty(want.shape, np.int64, end)
            fastconv.conv2d(*guarded, **geometry, out=out)
            np.testing.assert_array_equal(out, want)
            out = buffers["y"].empty(want.shape, np.int16, end)
            fastconv.qconv2d(*guarded, **geometry, scale=0.5, out_dtype="int16", out=out)
            np.testing.assert_array_equal(out, np.rint(want * 0.5))
            out = buffers["y"].empty(want.shape, np.uint8, end)
            fastconv.qconv2d(*guarded, **geometry, x_zero_point=3, scale=0.5, out_dtype="uint8",
                             out=out)  # fmt: skip
            grad = draw(rng, want.shape, "int16").clip(0).astype(type_)
            got = fastconv.conv2d_backward_data(
                buffers["y"].place(grad, end), guarded[1], x.shape, **geometry)
            np.testing.assert_array_equal(
                got, reference.conv_backward_data(grad, weight, x.shape, **geometry))


@pytest.mark.parametrize("type_", ["uint8", "int16"])
def test_output_channels_of_small_integers(buffers, end, data_format, type_):
    rng = np.random.default_rng(0)
    for filters in tails("float32"):
        x = rng.integers(0, 100, shaped(2, 5, (4, 6), data_format)).astype(type_)
        weight, bias = draw(rng, (filters, 5, 3, 2), "int8"), draw(rng, filters, "int32")
        scale = rng.random(filters) + 0.1
        sums = reference.conv(x, weight, bias, data_format=data_format)
        each = scale if data_format == "channels_last" else scale[:, None, None]
        out = buffers["y"].empty(sums.shape, np.int16, end)
        fastconv.qconv2d(
            buffers["x"].place(x, end), buffers["weight"].place(weight, end),
            buffers["bias"].place(bias, end), scale=buffers["residual"].place(scale, end),
            out_dtype="int16", data_format=data_format, out=out)  # fmt: skip
        np.testing.assert_array_equal(out, np.rint(sums * each))
