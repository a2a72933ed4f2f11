"""Functions: convolution of signals, images and volumes, and a lower rank inside a higher one."""

import inspect
import pickle

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.served import methods, passes_served, serves

METHODS = ["auto", *methods()]
FAMILIES = ("conv{}", "conv{}_backward_data", "conv{}_backward_weight", "conv{}_backward_bias",
            "conv_transpose{}")  # fmt: skip
# x without its batch axis, the kernel, and further arguments, for two batches of six channels
CASES = {
    1: [
        ((11,), (3,), {}),
        ((40,), (5,), {"stride": 3, "padding": 4, "dilation": 2}),
        ((7,), (4,), {"padding": "same", "groups": 3}),
        ((300,), (9,), {"padding": "same_lower", "stride": 2, "groups": 6}),
        ((5,), (3,), {"padding": [(9, 4)], "padding_mode": "reflect"}),
        ((5,), (3,), {"padding": 13, "padding_mode": "circular", "flip": True}),
        ((33,), (1,), {"stride": 4}),
    ],
    2: [
        ((8, 9), (3, 2), {"padding": "full"}),
        ((4, 5), (3, 3), {"padding": 6, "padding_mode": "symmetric", "stride": (1, 2)}),
    ],
    3: [
        ((5, 6, 7), (3, 3, 3), {}),
        ((6, 5, 9), (2, 3, 1), {"stride": (2, 1, 3), "padding": (1, 0, 2), "groups": 2}),
        ((7, 7, 7), (3, 3, 3), {"padding": "same", "dilation": (2, 1, 3)}),
        ((3, 4, 5), (2, 2, 2), {"padding": 5, "padding_mode": "reflect"}),
        ((3, 2, 4), (3, 3, 3), {"padding": [(4, 1), (3, 6), (0, 7)], "padding_mode": "replicate"}),
        ((4, 4, 4), (1, 1, 1), {"groups": 3}),
        ((1, 9, 1), (1, 3, 1), {"padding": (0, 1, 0), "flip": True}),
    ],
}
ALL = [(rank, *case) for rank, cases in CASES.items() for case in cases]


def numbers(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def problem(spatial, kernel, options, dtype=np.float64):
    x = numbers((2, 6, *spatial), dtype)
    weight = numbers((12, 6 // options.get("groups", 1), *kernel), dtype, 1)
    return x, weight


def served(method, spatial, kernel, options, data_format):
    """The passes of `problem` that a method serves."""
    x_shape, weight_shape = (2, 6, *spatial), (12, 6 // options.get("groups", 1), *kernel)
    if data_format == "channels_last":
        x_shape = (2, *spatial, 6)
    how = {**options, "data_format": data_format, "dtype": "float64"}
    return passes_served(method, x_shape, weight_shape, **how)


def call(family, rank, *args, **kwargs):
    return getattr(fastconv, family.format("" if rank is None else f"{rank}d"))(*args, **kwargs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize(("rank", "spatial", "kernel", "options"), ALL, ids=str)
@pytest.mark.served(by=lambda spatial, kernel, options, data_format, method: served(
    method, spatial, kernel, options, data_format
))
def test_forward_and_backward(rank, spatial, kernel, options, data_format, method):
    """Those passes that the method serves."""
    x, weight = problem(spatial, kernel, options)
    passes = served(method, spatial, kernel, options, data_format)
    if data_format == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    options = {**options, "data_format": data_format}
    expected = reference.conv(x, weight, **options)
    assert expected.shape == fastconv.conv_output_shape(
        x.shape, weight.shape,
        **{k: v for k, v in options.items() if k not in ("padding_mode", "flip")})  # fmt: skip
    if "forward" in passes:
        y = call("conv{}", rank, x, weight, **options, method=method)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)
    grad = numbers(expected.shape, seed=2)
    if "backward_data" in passes:
        found = call("conv{}_backward_data", rank, grad, weight, x.shape, **options, method=method)
        expected = reference.conv_backward_data(grad, weight, x.shape, **options)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    for per_sample in (False, True) if "backward_weight" in passes else ():
        args = {**options, "per_sample": per_sample}
        grad_w = call(
            "conv{}_backward_weight", rank, grad, x, weight.shape, **args, method=method)
        expected = reference.conv_backward_weight(grad, x, weight.shape, **args)
        np.testing.assert_allclose(grad_w, expected, rtol=0, atol=1e-11)
    spatial_axes = range(1, rank + 1) if data_format == "channels_last" else range(2, rank + 2)
    np.testing.assert_allclose(
        call("conv{}_backward_bias", rank, grad, data_format=data_format),
        grad.sum(axis=(0, *spatial_axes)),
    )


@pytest.mark.parametrize(("rank", "spatial", "kernel", "options"), ALL, ids=str)
def test_generic_is_numbered(rank, spatial, kernel, options):
    x, weight = problem(spatial, kernel, options, np.float32)
    bias = numbers(12, np.float32)
    options = {**options, "method": "direct"}  # a plan may choose another than a call
    y = call("conv{}", rank, x, weight, bias, **options, activation="relu")
    np.testing.assert_array_equal(
        fastconv.conv(x, weight, bias, **options, activation="relu"), y)  # fmt: skip
    np.testing.assert_array_equal(
        fastconv.plan_conv(x.shape, weight, bias, **options, activation="relu")(x), y)
    for family, args in [
        ("conv{}_backward_data", (y, weight, x.shape)),
        ("conv{}_backward_weight", (y, x, weight.shape)),
    ]:
        np.testing.assert_array_equal(
            call(family, None, *args, **options), call(family, rank, *args, **options))
    np.testing.assert_array_equal(
        fastconv.conv_backward_bias(y), call("conv{}_backward_bias", rank, y))


@pytest.mark.parametrize(("rank", "spatial", "kernel", "options"), ALL, ids=str)
def test_without_a_batch_axis(rank, spatial, kernel, options):
    x, weight = problem(spatial, kernel, options)
    y = fastconv.conv(x, weight, **options)
    np.testing.assert_array_equal(fastconv.conv(x[1], weight, **options), y[1])
    grad = fastconv.conv_backward_data(y, weight, x.shape, **options)
    np.testing.assert_array_equal(
        fastconv.conv_backward_data(y[1], weight, x.shape[1:], **options), grad[1])
    np.testing.assert_allclose(call("conv{}_backward_bias", rank, y[0]),
                               y[0].sum(axis=tuple(range(1, rank + 1))))  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_against_torch(torch, rank):
    functions = torch.nn.functional
    x, weight = numbers((2, 6, *(9, 8, 7)[:rank])), numbers((4, 3, *(3, 2, 3)[:rank]), seed=1)
    bias = numbers(4, seed=2)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    args = (2, 1, 2, 2)  # stride, padding, dilation, groups: PyTorch's order is ours
    expected = getattr(functions, f"conv{rank}d")(*tensors, *args)
    y = call("conv{}", rank, x, weight, bias, *args)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-12)
    grad = numbers(y.shape, seed=3)
    expected.backward(torch.tensor(grad))
    for found, tensor in zip(
        [
            call("conv{}_backward_data", rank, grad, weight, x.shape, *args),
            call("conv{}_backward_weight", rank, grad, x, weight.shape, *args),
            call("conv{}_backward_bias", rank, grad),
        ],
        tensors,
        strict=True,
    ):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=0, atol=1e-12)


def forward(method, x_shape, weight_shape, **options):
    return serves(method, "forward", x_shape, weight_shape, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.served(by=lambda method, padding_mode: all(
    forward(method, (2, 3, *ones, 40), (5, 3, *ones, 5), stride=2, padding=(*(0 for _ in ones), 7),
            dilation=2, padding_mode=padding_mode)
    for ones in ((), (1,), (1, 1))
))
def test_a_lower_rank_inside_a_higher(method, padding_mode):
    x, weight = numbers((2, 3, 40), np.float32), numbers((5, 3, 5), np.float32, 1)
    options = {"method": method, "padding_mode": padding_mode}
    y = fastconv.conv1d(x, weight, stride=2, padding=7, dilation=2, **options)
    for rank in (2, 3):
        add = (slice(None), slice(None), *(np.newaxis,) * (rank - 1))
        pad = (*(0,) * (rank - 1), 7)
        higher = call("conv{}", rank, x[add], weight[add], stride=2, padding=pad, dilation=2,
                      **options)  # fmt: skip
        np.testing.assert_array_equal(higher.reshape(y.shape), y)


def along(axis, value, others):
    """A value for one of three axes, and another for those beside it."""
    return tuple(value if a == axis else others for a in range(3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.served(by=lambda axis, method: forward(
    method, (1, 3, *along(axis, 50, 1)), (4, 3, *along(axis, 7, 1)), padding=along(axis, 3, 0),
    dtype="float64",
))
def test_axes_are_alike(axis, method):
    """A signal along any axis of a volume."""
    x, weight = numbers((1, 3, 50)), numbers((4, 3, 7), seed=1)
    shape, kernel, pad = along(axis, 50, 1), along(axis, 7, 1), along(axis, 3, 0)
    y = fastconv.conv3d(
        x.reshape(1, 3, *shape), weight.reshape(4, 3, *kernel), padding=pad, method=method)
    np.testing.assert_allclose(y.ravel(), fastconv.conv1d(x, weight, padding=3).ravel(),
                               rtol=0, atol=1e-13)  # fmt: skip


BATCHES = {1: (5, 8, 4000), 3: (5, 4, 12, 14, 15)}


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda rank, method: forward(
    method, BATCHES[rank], (8, BATCHES[rank][1], *(3,) * rank)
))
def test_batch_and_threads_change_nothing(rank, method):
    shape = BATCHES[rank]
    x = numbers(shape, np.float32)
    weight = numbers((8, shape[1], *(3,) * rank), np.float32, 1)
    y = fastconv.conv(x, weight, method=method, num_threads=1)
    np.testing.assert_array_equal(fastconv.conv(x, weight, method=method, num_threads=3), y)
    np.testing.assert_array_equal(fastconv.conv(x[3:4], weight, method=method), y[3:4])
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    np.testing.assert_array_equal(fastconv.conv(strided, weight, method=method), y)


def short_rows(rng):
    """A layer whose rows of outputs, or planes, are short, and a stride of one along the first."""
    rank = int(rng.choice((2, 2, 3)))
    outputs = [int(rng.integers(1, (30, 9)[rank - 2])), *rng.integers(1, 6, rank - 1).tolist()]
    kernel = rng.integers(1, 6, rank).tolist()
    stride, dilation = rng.integers(1, 4, rank).tolist(), rng.integers(1, 3, rank).tolist()
    low, high = rng.integers(0, 4, rank).tolist(), rng.integers(0, 4, rank).tolist()
    size = [max(1, (o - 1) * s + (k - 1) * d + 1 - a - b) for o, s, k, d, a, b in zip(
        outputs, stride, kernel, dilation, low, high, strict=True)]
    groups = int(rng.choice((1, 1, 2)))
    channels, filters = groups * int(rng.integers(1, 40)), groups * int(rng.integers(1, 40))
    options = {
        "stride": stride, "dilation": dilation, "groups": groups,
        "padding": list(zip(low, high, strict=True)),
        "padding_mode": str(rng.choice(("zeros", "zeros", "reflect", "replicate", "circular"))),
        "data_format": str(rng.choice(("channels_first", "channels_last"))),
    }  # fmt: skip
    x_shape = (int(rng.integers(1, 4)), channels, *size)
    return x_shape, (filters, channels // groups, *kernel), options


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(40))
def test_short_rows_share_runs(seed, dtype):
    """Directly, all passes, against sums in float64; and the bits of one image with a residual."""
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, options = short_rows(rng)
    x, weight = numbers(x_shape, dtype, seed), numbers(weight_shape, dtype, seed + 1)
    if options["data_format"] == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    tight = 4e-6 if dtype == np.float32 else 1e-14

    def close(result, expected):
        np.testing.assert_allclose(result, expected, rtol=0, atol=tight * abs(expected).max())

    y = fastconv.conv(x, weight, method="direct", **options)
    expected = reference.conv(x, weight, **options)
    close(y, expected)
    grad = numbers(y.shape, dtype, seed + 2)
    how = {"method": "direct", **options}
    close(fastconv.conv_backward_data(grad, weight, x.shape, **how),
          reference.conv_backward_data(grad, weight, x.shape, **options))  # fmt: skip
    close(fastconv.conv_backward_weight(grad, x, weight.shape, **how),
          reference.conv_backward_weight(grad, x, weight.shape, **options))  # fmt: skip
    residual = numbers(y.shape, dtype, seed + 3)
    plan = fastconv.plan_conv(x.shape, weight, activation="relu", **how)
    both = np.maximum(y + residual, 0)
    np.testing.assert_array_equal(plan(x, residual=residual), both)
    np.testing.assert_array_equal(plan(x[-1:], residual=residual[-1:]), both[-1:])


def test_short_rows_have_the_bits_of_long_ones():
    """Columns cut from a map that is wide enough for runs of its own."""
    x, weight = numbers((1, 20, 9, 40), np.float32), numbers((33, 20, 3, 3), np.float32, 1)
    options = {"method": "direct", "precision": "highest"}
    whole = fastconv.conv2d(x, weight, **options)
    for width in (1, 2, 5, 8):
        part = np.ascontiguousarray(x[..., 7 : 9 + width])
        np.testing.assert_array_equal(
            fastconv.conv2d(part, weight, **options), whole[..., 7 : 7 + width])  # fmt: skip


def wide_padding(rng):
    """A layer with taps that meet padding alone."""
    rank = int(rng.choice((1, 2, 3)))
    size, kernel = rng.integers(1, 5, rank).tolist(), rng.integers(1, 8, rank).tolist()
    kernel[0] = int(rng.integers(4, 9))
    size[0] = int(rng.integers(1, 3))
    dilation = rng.integers(1, 3, rank).tolist()
    padding = [(int(rng.integers(k // 2, k + 1)) * d, k * d)
               for k, d in zip(kernel, dilation, strict=True)]  # fmt: skip
    reach = (kernel[0] - 1) * dilation[0]  # the first tap stays before the image
    padding[0] = reach, int(rng.integers(0, reach + 1 - size[0]))
    groups, per_group = int(rng.choice((1, 1, 3))), int(rng.integers(1, 20))
    options = {
        "stride": [1, *rng.integers(1, 3, rank - 1).tolist()], "dilation": dilation,
        "groups": groups, "padding": padding, "flip": bool(rng.integers(2)),
        "data_format": str(rng.choice(("channels_first", "channels_last"))),
    }  # fmt: skip
    x_shape = (2, groups * per_group, *size)
    return x_shape, (groups * int(rng.integers(1, 20)), per_group, *kernel), options


@pytest.mark.parametrize("seed", range(60))
def test_taps_that_meet_padding_alone(seed):
    """Without them, in all passes; with them where they are infinite."""
    rng = np.random.default_rng(seed)
    x_shape, weight_shape, options = wide_padding(rng)
    x, weight = numbers(x_shape, np.float64, seed), numbers(weight_shape, np.float64, seed + 1)
    if options["data_format"] == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    how = {**options, "method": "cropped"}
    y = fastconv.conv(x, weight, **how)
    grad = numbers(y.shape, np.float64, seed + 2)

    def check(found, expected):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * abs(expected).max())

    check(y, reference.conv(x, weight, **options))
    check(fastconv.conv_backward_data(grad, weight, x.shape, **how),
          reference.conv_backward_data(grad, weight, x.shape, **options))  # fmt: skip
    check(fastconv.conv_backward_weight(grad, x, weight.shape, **how),
          reference.conv_backward_weight(grad, x, weight.shape, **options))  # fmt: skip
    check(fastconv.conv_backward_weight(grad, x, weight.shape, per_sample=True, **how).sum(0),
          reference.conv_backward_weight(grad, x, weight.shape, **options))  # fmt: skip
    plan = fastconv.plan_conv(x.shape, weight, activation="relu", **how)
    np.testing.assert_array_equal(plan(x), np.maximum(y, 0))
    weight[..., 0], grad[..., 0] = np.inf, np.nan
    strict = {**options, "method": "direct"}
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(
            fastconv.conv(x, weight, **how), fastconv.conv(x, weight, **strict))
        np.testing.assert_array_equal(
            fastconv.conv_backward_weight(grad, x, weight.shape, **how),
            fastconv.conv_backward_weight(grad, x, weight.shape, **strict))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_central_differences(rank):
    spatial, kernel = (4, 3, 3)[:rank], (2, 2, 1)[:rank]
    x, weight = numbers((1, 2, *spatial)), numbers((2, 2, *kernel), seed=1)
    options = {"padding": 2, "padding_mode": "reflect", "stride": 2}
    grad = numbers(fastconv.conv(x, weight, **options).shape, seed=2)

    def slopes(array, loss):
        result = np.empty_like(array)
        for place in np.ndindex(*array.shape):
            kept = array[place]
            array[place] = kept + 1e-4
            above = loss()
            array[place] = kept - 1e-4
            result[place] = (above - loss()) / 2e-4
            array[place] = kept
        return result

    def loss():
        return (fastconv.conv(x, weight, **options) * grad).sum()

    np.testing.assert_allclose(
        fastconv.conv_backward_data(grad, weight, x.shape, **options), slopes(x, loss),
        rtol=0, atol=1e-8)  # fmt: skip
    np.testing.assert_allclose(
        fastconv.conv_backward_weight(grad, x, weight.shape, **options), slopes(weight, loss),
        rtol=0, atol=1e-8)  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_columns(rank):
    spatial, kernel = (9, 6, 5)[:rank], (3, 2, 2)[:rank]
    x, weight = numbers((2, 3, *spatial)), numbers((4, 3, *kernel), seed=1)
    cols = fastconv.im2col(x, kernel, stride=2, padding=1)
    np.testing.assert_array_equal(cols, reference.im2col(x, kernel, stride=2, padding=1, rank=rank))
    y = fastconv.conv(x, weight, stride=2, padding=1)
    np.testing.assert_allclose((weight.reshape(4, -1) @ cols).reshape(y.shape), y)
    np.testing.assert_array_equal(fastconv.im2col(x[0], kernel, stride=2, padding=1), cols[0])
    np.testing.assert_allclose(
        fastconv.col2im(cols, x.shape, kernel, stride=2, padding=1),
        reference.col2im(cols, x.shape, kernel, stride=2, padding=1, rank=rank))


def test_columns_of_an_integer_kernel_size():
    """What one number stands for, where the axes could be of several kinds."""
    assert fastconv.im2col(np.ones((3, 8)), 2).shape == (6, 7)              # C, L
    assert fastconv.im2col(np.ones((3, 8, 8)), 2).shape == (12, 49)         # C, H, W
    assert fastconv.im2col(np.ones((5, 3, 8)), (2,)).shape == (5, 6, 7)     # N, C, L
    assert fastconv.im2col(np.ones((2, 3, 8, 8)), 2).shape == (2, 12, 49)   # N, C, H, W
    assert fastconv.im2col(np.ones((2, 3, 8, 8)), (2,)).shape == (2, 12, 49)
    assert fastconv.im2col(np.ones((3, 4, 4, 4)), (2,) * 3).shape == (24, 27)
    assert fastconv.im2col(np.ones((2, 3, 4, 4, 4)), 2).shape == (2, 24, 27)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_zero_sizes(rank):
    spatial, kernel = (5,) * rank, (3,) * rank
    weight, bias = numbers((4, 2, *kernel)), numbers(4)
    y = fastconv.conv(np.empty((0, 2, *spatial)), weight, bias)
    assert y.shape == (0, 4, *(3,) * rank)
    assert fastconv.conv_backward_data(y, weight, (0, 2, *spatial)).shape == (0, 2, *spatial)
    np.testing.assert_array_equal(
        fastconv.conv_backward_weight(y, np.empty((0, 2, *spatial)), weight.shape),
        np.zeros(weight.shape))
    np.testing.assert_array_equal(fastconv.conv_backward_bias(y), np.zeros(4))
    y = fastconv.conv(np.empty((2, 0, *spatial)), np.empty((4, 0, *kernel)), bias)
    np.testing.assert_array_equal(
        y, np.broadcast_to(bias.reshape(4, *(1,) * rank), (2, 4, *(3,) * rank)))
    assert fastconv.conv(numbers((2, 2, *spatial)), np.empty((0, 2, *kernel))).shape[1] == 0
    y = fastconv.conv(np.empty((2, 2, *(0,) * rank)), weight, bias, padding=2)
    np.testing.assert_array_equal(y[0, :, *(0,) * rank], bias)


def test_explain_and_cost_of_every_rank():
    for rank, flops in ((1, 2 * 4 * 3 * 14 * 3), (3, 2 * 4 * 3 * 14**3 * 27)):
        args = ((1, 3, *(16,) * rank), (4, 3, *(3,) * rank))
        rows = fastconv.explain(*args, measure=True)
        assert {row["flops"] for row in rows} == {flops}
        assert sum(row["verdict"] == "chosen" for row in rows) == 1
        assert fastconv.conv_cost(*args)["flops"] == flops
        for which in ("backward_data", "backward_weight"):
            assert fastconv.explain(*args, which=which)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_alike(family):
    """Names, signatures and docstrings of what one definition makes."""
    members = [getattr(fastconv, family.format(d)) for d in ("", "1d", "2d", "3d")]
    assert len({str(inspect.signature(member)) for member in members}) == 1
    assert len({inspect.getdoc(member) for member in members}) == 4
    for member, d in zip(members, ("", "1d", "2d", "3d")):
        name = family.format(d)
        assert member.__name__ == member.__qualname__ == member.__code__.co_name == name
        assert member.__module__ == "fastconv.conv"
        assert "$" not in member.__doc__
        assert pickle.loads(pickle.dumps(member)) is member
        if "bias" not in name:
            with pytest.raises(TypeError, match=f"^{name}: "):
                member(None, None, None)


def test_generic_bias_needs_its_batch_axis():
    """Which of four axes are spatial, nothing tells."""
    grad = np.ones((2, 3, 4, 5))
    np.testing.assert_array_equal(fastconv.conv_backward_bias(grad), np.full(3, 40.0))
    np.testing.assert_array_equal(fastconv.conv3d_backward_bias(grad), np.full(2, 60.0))
    np.testing.assert_array_equal(
        fastconv.conv_backward_bias(grad, data_format="channels_last"), np.full(5, 24.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "kernel", "padding", "options"), [
    ((6, 9), (5, 8), 2, {}),
    ((6, 9), (5, 8), 2, {"flip": True, "stride": (1, 2)}),
    ((6, 9), (5, 8), 2, {"padding_mode": "constant", "padding_value": 0.7}),
    ((4, 5), (5, 8), 3, {"padding_mode": "circular"}),
    ((7, 4), (3, 2), 1, {"groups": 3, "dilation": 2}),
    ((30,), (21,), 3, {"padding_mode": "reflect"}),
    ((4, 3, 5), (3, 2, 4), (1, 0, 1), {"flip": True}),
])  # fmt: skip
def test_few_positions_of_many_channels(shape, kernel, padding, options, dtype):
    """Their columns are moved by any number of threads, in the same order."""
    rng, channels = np.random.default_rng(0), 51
    weight = rng.standard_normal((60, channels // options.get("groups", 1), *kernel)).astype(dtype)
    images = rng.standard_normal((7, channels, *shape)).astype(dtype)[::-1, ::-1]
    for data_format in ("channels_first", "channels_last"):
        x = images if data_format == "channels_first" else np.moveaxis(images, 1, -1)
        how = {"padding": padding, "data_format": data_format, **options}
        y = fastconv.conv(x, weight, method="inner_product", **how)
        grad = rng.standard_normal(y.shape).astype(dtype)
        for call, args in ((fastconv.conv, (x, weight)),
                           (fastconv.conv_backward_data, (grad, weight, x.shape)),
                           (fastconv.conv_backward_weight, (grad, x, weight.shape))):
            wide = [a.astype("f8") if isinstance(a, np.ndarray) else a for a in args]
            exact = call(*wide, method="sliding", **how)
            found = [call(*args, method="inner_product", num_threads=n, **how) for n in (1, 2, 5)]
            assert all(np.array_equal(found[0], other) for other in found[1:])
            limit = (1e-5 if dtype == "float32" else 1e-13) * np.abs(exact).max()
            assert np.abs(found[0] - exact).max() <= limit


# The shape of an image, of the kernel, and both without their axes of one element.
SQUEEZED = [
    ((37, 1), (3, 1), (37,), (3,)),
    ((9, 1, 1), (4, 1, 1), (9,), (4,)),
    ((1, 23, 1), (1, 5, 1), (23,), (5,)),
    ((8, 1, 5), (3, 1, 2), (8, 5), (3, 2)),
    ((6, 7, 1), (2, 3, 1), (6, 7), (2, 3)),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("stride", "padded"), [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize(("spatial", "kernel", "shorter", "taps"), SQUEEZED, ids=str)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.served(by=lambda method, groups, stride, padded, spatial, kernel, data_format: served(
    method, spatial, kernel, squeezing(kernel, stride, padded, groups), data_format))
def test_axes_of_one_element_change_nothing(
    data_format, spatial, kernel, shorter, taps, stride, padded, groups, method
):
    """A column has the bits of a signal, in every pass; of more axes with taps, by `direct`."""
    options = squeezing(kernel, stride, padded, groups)
    passes = served(method, spatial, kernel, options, data_format)
    how = {"method": method, "data_format": data_format}
    high = {**how, **options}
    low = {**how, **squeezing(taps, stride, padded, groups)}
    x, weight = problem(spatial, kernel, {"groups": groups})
    if data_format == "channels_last":
        x = np.moveaxis(x, 1, -1)
    channel = 1 if data_format == "channels_first" else -1

    def without(array, axis, spatial):
        """As an array of the lower rank."""
        channels = array.shape[axis]
        shape = (channels, *spatial) if axis == 1 else (*spatial, channels)
        return array.reshape(len(array), *shape)

    def same(got, expected):
        got = got.reshape(expected.shape)
        if len(taps) == 1 or method == "direct":
            np.testing.assert_array_equal(got, expected)
        else:
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11)

    bias, small = numbers(12), without(x, channel, shorter)
    light = weight.reshape(*weight.shape[:2], *taps)
    shape = fastconv.conv_output_shape(x.shape, weight.shape, **options, data_format=data_format)
    if "forward" in passes:
        y = fastconv.conv(x, weight, bias, activation="relu", **high)
        expected = fastconv.conv(small, light, bias, activation="relu", **low)
        same(y, expected)
        residual, out = numbers(shape, seed=3), np.empty((*shape, 2))[..., 1]
        fastconv.conv(x, weight, residual=residual, out=out, **high)
        expected = fastconv.conv(small, light, residual=residual.reshape(expected.shape), **low)
        same(out, expected)
    grad = numbers(shape, seed=4)
    flat = without(grad, channel, [n for n, m in zip(
        shape[2:] if channel == 1 else shape[1:-1], spatial, strict=True) if m > 1])
    if "backward_data" in passes:
        got = fastconv.conv_backward_data(grad, weight, x.shape, **high)
        expected = fastconv.conv_backward_data(flat, light, small.shape, **low)
        same(got, expected)
    for per_sample in (False, True) if "backward_weight" in passes else ():
        got = fastconv.conv_backward_weight(grad, x, weight.shape, per_sample=per_sample, **high)
        expected = fastconv.conv_backward_weight(flat, small, light.shape, per_sample=per_sample,
                                                 **low)  # fmt: skip
        same(got, expected)


def squeezing(kernel, stride, padded, groups):
    """Arguments for every axis that is more than one element."""
    return {"stride": tuple(stride if k > 1 else 1 for k in kernel), "groups": groups,
            "padding": tuple(k // 2 if padded else 0 for k in kernel)}  # fmt: skip
