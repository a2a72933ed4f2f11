"""Functions: transposed convolution, against PyTorch, as the adjoint, and by its sizes."""

import itertools
import random

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.served import methods, serves

METHODS = ["auto", *methods("backward_data")]


def numbers(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def transpose(rank, *args, **kwargs):
    return getattr(fastconv, f"conv_transpose{rank}d")(*args, **kwargs)


def random_case(seed):
    """A rank, shapes, and the arguments from stride to dilation in their order."""
    rng = random.Random(seed)
    rank, groups = rng.choice([1, 2, 3]), rng.choice([1, 1, 2, 3])

    def per_axis(low, high):
        return [rng.randint(low, high) for _ in range(rank)]

    kernel, stride, dilation = per_axis(1, 4), per_axis(1, 4), per_axis(1, 4)
    extra = [rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
    x_shape = (2, groups * rng.randint(1, 4), *per_axis(1, 7))
    weight_shape = (x_shape[1], rng.randint(1, 4), *kernel)
    return rank, x_shape, weight_shape, (stride, per_axis(0, 4), extra, groups, dilation)


def up(method, shape, weight_shape, stride, padding, groups, dilation, dtype="float64", **options):
    """Whether a method computes a transposed convolution with a result of this shape."""
    return serves(method, "backward_data", shape, weight_shape, stride=stride, padding=padding,
                  dilation=dilation, groups=groups, dtype=dtype, **options)  # fmt: skip


@pytest.mark.parametrize("block", range(10))
def test_against_torch(torch, block):
    """What PyTorch refuses, for want of a result, we refuse as well."""
    refused = 0
    for seed in range(30 * block, 30 * block + 30):
        rank, x_shape, weight_shape, args = random_case(seed)
        x, weight = numbers(x_shape), numbers(weight_shape, seed=1)
        bias = numbers(weight_shape[1] * args[3], seed=2)
        function = getattr(torch.nn.functional, f"conv_transpose{rank}d")
        try:
            expected = function(*map(torch.tensor, (x, weight, bias)), *args).numpy()
        except RuntimeError:
            refused += 1
            with pytest.raises(ValueError, match=r"^conv_transpose\dd: axis -\d of the result"):
                transpose(rank, x, weight, bias, *args)
            continue
        assert fastconv.conv_transpose_output_shape(x_shape, weight_shape, *args) == expected.shape
        method, (stride, padding, _, *rest) = METHODS[seed % len(METHODS)], args
        try:
            y = transpose(rank, x, weight, bias, *args, method=method, precision="high")
        except ValueError as error:  # it does not serve the part of the result that is reached
            if f"method={method!r}" not in str(error) or method in ("auto", "direct"):
                raise
        else:
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-11)
        last = fastconv.conv_transpose(
            np.moveaxis(x, 1, -1), weight, bias, *args, data_format="channels_last")
        np.testing.assert_allclose(np.moveaxis(last, -1, 1), expected, rtol=0, atol=1e-12)
        sized = fastconv.conv_transpose(
            x[0], weight, bias, stride, padding, 0, *rest, output_size=expected.shape[2:])
        np.testing.assert_allclose(sized, expected[0], rtol=0, atol=1e-12)
    assert refused < 20


def adjoint(seed):
    """What `up` is asked of a random case; None where the result would have no elements."""
    _, x_shape, weight_shape, (stride, padding, _, *rest) = random_case(seed)
    try:
        shape = fastconv.conv_transpose_output_shape(
            x_shape, weight_shape, stride, padding, 0, *rest)
    except ValueError:
        return None
    return shape, weight_shape, stride, padding, *rest


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(1000, 1040))
@pytest.mark.served(by=lambda seed, method: adjoint(seed) is None or up(method, *adjoint(seed)))
def test_is_the_adjoint(seed, method):
    """<conv_transpose(x, w), y> = <x, conv(y, w)>, wherever a convolution reads y."""
    rank, x_shape, weight_shape, (stride, padding, _, groups, dilation) = random_case(seed)
    x, weight = numbers(x_shape), numbers(weight_shape, seed=1)
    if adjoint(seed) is None:
        with pytest.raises(ValueError, match="of the result would have"):
            transpose(rank, x, weight, None, stride, padding, 0, groups, dilation, method=method)
        return
    shape = adjoint(seed)[0]
    y = numbers(shape, seed=2)
    up = transpose(rank, x, weight, None, stride, padding, 0, groups, dilation, method=method)
    down = fastconv.conv(y, weight, None, stride, padding, dilation, groups)
    assert up.shape == shape
    assert down.shape == x_shape
    assert abs((up * y).sum() - (x * down).sum()) < 1e-10 * (1 + np.abs(up * y).sum())
    gradient = fastconv.conv_backward_data(x, weight, shape, stride, padding, dilation, groups,
                                           method=method)  # fmt: skip
    np.testing.assert_array_equal(up, gradient)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_its_gradients(torch, rank):
    """They are a convolution and its weight gradient, with the roles of x and y exchanged."""
    x, weight = numbers((2, 4, *(5, 4, 3)[:rank])), numbers((4, 3, *(3, 2, 3)[:rank]), seed=1)
    bias = numbers(6, seed=2)
    stride, padding, extra, groups, dilation = 2, 1, 1, 2, 2
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    function = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    expected = function(*tensors, stride, padding, extra, groups, dilation)
    grad = numbers(expected.shape, seed=3)
    expected.backward(torch.tensor(grad))
    found = [
        fastconv.conv(grad, weight, None, stride, padding, dilation, groups),
        fastconv.conv_backward_weight(x, grad, weight.shape, stride, padding, dilation, groups),
        fastconv.conv_backward_bias(grad),
    ]
    for array, tensor in zip(found, tensors, strict=True):
        np.testing.assert_allclose(array, tensor.grad.numpy(), rtol=0, atol=1e-12)


SIZES = [(L, k, s, d) for L, k, s, d in itertools.product((1, 2, 5), (1, 2, 3, 4), (1, 2, 3),
                                                          (1, 2))]  # fmt: skip


@pytest.mark.parametrize(("length", "kernel", "stride", "dilation"), SIZES)
@pytest.mark.parametrize("name", ["same", "same_lower"])
def test_same(name, length, kernel, stride, dilation):
    """The result has length * stride elements: what "same" convolution takes back to length."""
    x, weight = numbers((1, 2, length)), numbers((2, 3, kernel), seed=1)
    options = {"stride": stride, "padding": name, "dilation": dilation}
    y = fastconv.conv_transpose1d(x, weight, **options)
    assert y.shape == (1, 3, length * stride)
    np.testing.assert_allclose(
        y, reference.conv_backward_data(x, weight, y.shape, **options), rtol=0, atol=1e-13)
    # and the lengths in between that have as many outputs
    for size in range(stride * (length - 1) + 1, stride * length):
        y = fastconv.conv_transpose1d(x, weight, **options, output_size=size)
        expected = reference.conv_backward_data(x, weight, (1, 3, size), **options)
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
    for size in (stride * (length - 1), stride * length + 1):
        with pytest.raises(ValueError, match="output_size"):
            fastconv.conv_transpose1d(x, weight, **options, output_size=size)


def test_same_with_output_padding_as_in_onnx():
    """ONNX: total = stride * (length - 1) + output_padding + K - length * stride."""
    x, weight = numbers((1, 1, 4)), numbers((1, 1, 4), seed=1)
    whole = fastconv.conv_transpose1d(x, weight, stride=2, output_padding=1)  # 11 elements
    total = 2 * 3 + 1 + 4 - 8
    for name, before in (("same", total // 2), ("same_lower", total - total // 2)):
        y = fastconv.conv_transpose1d(x, weight, stride=2, padding=name, output_padding=1)
        np.testing.assert_array_equal(y, whole[..., before:before + 8])


def test_other_paddings():
    x, weight = numbers((2, 3, 7, 6)), numbers((3, 2, 3, 4), seed=1)
    # one method: "auto" may take another for another padding, and round differently
    args = {"stride": 2, "dilation": 2, "method": "direct"}
    whole = fastconv.conv_transpose2d(x, weight, **args)
    assert whole.shape == (2, 2, 17, 17)
    for padding, cut in [
        ("valid", whole),
        ("full", whole[:, :, 4:-4, 6:-6]),
        (((1, 2), (0, 3)), whole[:, :, 1:-2, :-3]),
        ([(9, 0), (0, 12)], whole[:, :, 9:, :-12]),
    ]:
        y = fastconv.conv_transpose2d(x, weight, padding=padding, **args)
        np.testing.assert_array_equal(y, cut)


def test_output_padding_that_nothing_reaches():
    """Behind the last product there is the bias alone."""
    x, weight, bias = np.ones((1, 1, 2)), np.ones((1, 1, 2)), np.array([5.0])
    y = fastconv.conv_transpose1d(x, weight, bias, dilation=4, output_padding=3)
    np.testing.assert_array_equal(y, [[[6, 6, 5, 5, 6, 6, 5, 5, 5]]])
    # cut off before is more than all that is reached
    y = fastconv.conv_transpose1d(x, weight, bias, 1, [(6, 0)], 3, 1, 4)
    np.testing.assert_array_equal(y, [[[5, 5, 5]]])
    y = fastconv.conv_transpose1d(x, weight, bias, 1, [(7, 0)], 3, 1, 4)
    np.testing.assert_array_equal(y, [[[5, 5]]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.int32])
def test_out_and_overlap(dtype):
    x = (10 * numbers((2, 3, 8))).astype(dtype)
    weight = (10 * numbers((3, 3, 3), seed=1)).astype(dtype)
    bias = np.arange(3).astype(dtype)
    y = fastconv.conv_transpose1d(x, weight, bias, padding=1)
    assert y.dtype == (np.int64 if dtype == np.int32 else dtype)
    out = np.zeros((2, 3, 16), y.dtype)[..., ::2]
    assert fastconv.conv_transpose1d(x, weight, bias, padding=1, out=out) is out
    np.testing.assert_array_equal(out, y)
    shared = x.astype(y.dtype)
    fastconv.conv_transpose1d(shared, weight, bias, padding=1, out=shared)
    np.testing.assert_array_equal(shared, y)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_zero_sizes(rank):
    spatial, kernel = (4,) * rank, (3,) * rank
    bias = numbers(2)
    y = transpose(rank, np.empty((0, 3, *spatial)), np.ones((3, 2, *kernel)), bias)
    assert y.shape == (0, 2, *(6,) * rank)
    y = transpose(rank, np.empty((2, 0, *spatial)), np.empty((0, 2, *kernel)), bias)
    np.testing.assert_array_equal(
        y, np.broadcast_to(bias.reshape(2, *(1,) * rank), (2, 2, *(6,) * rank)))
    assert transpose(rank, np.ones((2, 3, *spatial)), np.ones((3, 0, *kernel))).shape[1] == 0
    with pytest.raises(ValueError, match="x has length 0"):
        transpose(rank, np.empty((2, 3, *(0,) * rank)), np.ones((3, 2, *kernel)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: up(
    method, (4, 8, 40, 40), (16, 8, 4, 4), 2, 1, 1, 1, dtype="float32"
))
def test_batch_and_threads_change_nothing(method):
    x, weight = numbers((4, 16, 20, 20), np.float32), numbers((16, 8, 4, 4), np.float32, 1)
    options = {"stride": 2, "padding": 1, "method": method}
    y = fastconv.conv_transpose2d(x, weight, **options, num_threads=1)
    np.testing.assert_array_equal(
        fastconv.conv_transpose2d(x, weight, **options, num_threads=3), y)
    np.testing.assert_array_equal(fastconv.conv_transpose2d(x[2:3], weight, **options), y[2:3])
    weight = np.asfortranarray(weight)
    np.testing.assert_array_equal(fastconv.conv_transpose2d(x, weight, **options), y)


def test_messages_speak_of_a_transposed_convolution():
    x, weight = np.ones((1, 3, 5)), np.ones((3, 2, 3))
    for args, words in [
        ((x, np.ones((4, 2, 3))), "weight of shape (4, 2, 3) is for 4 channels, but x has 3"),
        ((x, weight, np.ones(3)), "bias has shape (3,), but the result has 2 channels"),
        ((x, weight, None, 2, 0, 2), "output_padding=2 must be less than stride or dilation"),
        ((x, weight, None, 1, 0, 0, 2), "groups=2 does not divide the 3 channels of x"),
        ((x, weight, None, 1, 4), "axis -1 of the result would have -1 elements"),
    ]:
        with pytest.raises(ValueError, match=r"^conv_transpose1d: ") as caught:
            fastconv.conv_transpose1d(*args)
        assert words in str(caught.value)
        assert "grad" not in str(caught.value)
