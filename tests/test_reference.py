"""Reference: what everything else is judged by is here judged by others.

Triple loops over single elements, SciPy, and PyTorch where it is installed.
"""

import numpy as np
import pytest
import scipy.signal

from fastconv.testing import reference
from fastconv.testing.cases import ConvCase, PoolCase, TransposeCase


def naive_conv2d(x, weight, stride, pads, dilation, groups):
    """Cross-correlation of one (N, C, H, W) array, one multiplication at a time."""
    x = np.pad(x, [(0, 0), (0, 0), *pads]).tolist()
    height, width = len(x[0][0]), len(x[0][0][0])
    filters, depth, kh, kw = weight.shape
    oh = (height - dilation * (kh - 1) - 1) // stride + 1
    ow = (width - dilation * (kw - 1) - 1) // stride + 1
    y = np.zeros((len(x), filters, oh, ow))
    for n, k, i, j in np.ndindex(*y.shape):
        first = k // (filters // groups) * depth
        for c, a, b in np.ndindex(depth, kh, kw):
            value = x[n][first + c][i * stride + a * dilation][j * stride + b * dilation]
            y[n, k, i, j] += value * weight[k, c, a, b]
    return y


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv_by_single_multiplications(stride, dilation, groups):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (2, 4, 7, 9)).astype(float)
    weight = rng.integers(-9, 10, (6, 4 // groups, 3, 2)).astype(float)
    expected = naive_conv2d(x, weight, stride, [(1, 2), (0, 3)], dilation, groups)
    got = reference.conv(x, weight, None, stride, ((1, 2), (0, 3)), dilation, groups)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_flip_is_scipys_convolution(rank):
    rng = np.random.default_rng(rank)
    x, weight = rng.standard_normal((9,) * rank), rng.standard_normal((4,) * rank)
    for mode, padding in [("full", "full"), ("valid", "valid")]:
        got = reference.conv(x[None, None], weight[None, None], padding=padding, flip=True)[0, 0]
        np.testing.assert_allclose(got, scipy.signal.convolve(x, weight, mode), atol=1e-12)
        got = reference.conv(x[None, None], weight[None, None], padding=padding)[0, 0]
        np.testing.assert_allclose(got, scipy.signal.correlate(x, weight, mode), atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_same_padding(k, stride):
    for length in range(1, 12):
        (pair,) = reference.padding_pairs("same", (length,), (k,), (stride,), (1,))
        (lower,) = reference.padding_pairs("same_lower", (length,), (k,), (stride,), (1,))
        assert lower == pair[::-1]
        assert 0 <= pair[1] - pair[0] <= 1
        out = reference.conv_output_shape((1, 1, length), (1, 1, k), stride, [pair])
        assert out == (1, 1, -(-length // stride))


def test_integers_are_exact():
    x = np.full((1, 1, 4), 2**40 + 1)
    weight = np.array([[[3, -2]]])
    got = reference.conv(x, weight)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, np.full((1, 1, 3), 2**40 + 1))


@pytest.mark.needs(np.finfo(np.longdouble).eps < np.finfo(np.float64).eps, "a wider long double")
def test_float64_is_summed_in_more():
    x = np.array([[[1.0, 2.0**-60, -1.0]]])
    assert reference.conv(x, np.ones((1, 1, 3))).item() == 2.0**-60


def torch_padded(torch, x, case, pairs):
    """`x` padded in PyTorch so that its gradient is PyTorch's own."""
    for axis, (length, pair) in enumerate(zip(x.shape[2:], pairs, strict=True), start=2):
        if not any(pair):
            continue
        if reference.PAD_MODES[case.padding_mode] == "constant":
            widths = [0] * (2 * (x.ndim - axis - 1)) + list(pair)
            x = torch.nn.functional.pad(x, widths, value=case.padding_value)
        else:
            index = reference.pad_index(length, pair, case.padding_mode)
            x = x.index_select(axis, torch.from_numpy(index))
    return x


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("block", range(4))
def test_conv_and_gradients_against_torch(torch, rank, block):
    conv = getattr(torch.nn.functional, f"conv{rank}d")
    for seed in range(100 * block, 100 * block + 100):
        case = ConvCase.draw(seed, rank=rank)
        given = {k: None if v is None else np.array(v, float) for k, v in case.arrays().items()}
        batched = len(case.x_shape) == rank + 2

        def first(a, batched=batched, case=case):
            a = a if batched else a[None]
            a = np.moveaxis(a, -1, 1) if case.data_format == "channels_last" else a
            return torch.from_numpy(np.ascontiguousarray(a))

        def back(a, batched=batched, case=case):
            a = a.detach().numpy()
            a = np.moveaxis(a, 1, -1) if case.data_format == "channels_last" else a
            return a if batched else a[0]

        x = first(given["x"]).requires_grad_()
        weight = torch.from_numpy(given["weight"]).requires_grad_()
        bias = None if given["bias"] is None else torch.from_numpy(given["bias"])
        as_tuple = lambda v, rank=rank: (v,) * rank if isinstance(v, int) else tuple(v)  # noqa: E731
        stride, dilation = as_tuple(case.stride), as_tuple(case.dilation)
        pairs = reference.padding_pairs(
            case.padding, x.shape[2:], weight.shape[2:], stride, dilation
        )
        kernel = weight.flip(tuple(range(2, rank + 2))) if case.flip else weight
        padded = torch_padded(torch, x, case, pairs)
        y = conv(padded, kernel, bias, stride, 0, dilation, case.groups)
        grads = torch.autograd.grad(y, (x, weight), first(given["grad_output"]))

        close = {"rtol": 1e-9, "atol": 1e-9, "err_msg": str(case)}
        got = reference.conv(given["x"], given["weight"], given["bias"], **case.geometry)
        np.testing.assert_allclose(got, back(y), **close)
        got = reference.conv_backward_data(
            given["grad_output"], given["weight"], case.x_shape, **case.geometry
        )
        np.testing.assert_allclose(got, back(grads[0]), **close)
        got = reference.conv_backward_weight(
            given["grad_output"], given["x"], case.weight_shape, **case.geometry
        )
        np.testing.assert_allclose(got, grads[1].numpy(), **close)


def naive_windows(case, x):
    """Each output position of a 2-D pooling with the (row, column) pairs of its window.

    Positions are in the unpadded plane and may lie outside of it, in the padding or beyond.
    """
    both = lambda v: (v, v) if isinstance(v, int) else tuple(v)  # noqa: E731
    kernel = both(case.kernel_size)
    stride = kernel if case.stride is None else both(case.stride)
    dilation = both(case.dilation)
    pairs = reference.padding_pairs(case.padding, x.shape[2:], kernel, stride, dilation)
    shape = reference.pool_output_shape(
        x.shape, **{**case.geometry, "data_format": "channels_first"}
    )
    for n, c, i, j in np.ndindex(*shape):
        yield (
            (n, c, i, j),
            [
                (
                    i * stride[0] + a * dilation[0] - pairs[0][0],
                    j * stride[1] + b * dilation[1] - pairs[1][0],
                )
                for a, b in np.ndindex(*kernel)
            ],
            pairs,
        )


def drawn_pool(seed):
    """A case, its input as (N, C, H, W), and a function that brings results to the same."""
    case = PoolCase.draw(seed)
    x = np.array(case.arrays()["x"])

    def first(a):
        a = a if len(case.x_shape) == 4 else a[None]
        return np.moveaxis(a, -1, 1) if case.data_format == "channels_last" else a

    return case, x, first


@pytest.mark.parametrize("block", range(3))
def test_max_pool_by_single_comparisons(block):
    for seed in range(20 * block, 20 * block + 20):
        case, x, first = drawn_pool(seed)
        results = reference.max_pool(x, **case.geometry, return_indices=True, rank=2)
        values, indices = map(first, results)
        x = first(x)
        height, width = x.shape[2:]
        for place, window, _ in naive_windows(case, x):
            real = [(r, c) for r, c in window if 0 <= r < height and 0 <= c < width]
            numbers = [x[place[0], place[1], r, c] for r, c in real]
            nans = [i for i, value in enumerate(numbers) if np.isnan(value)]
            best = nans[0] if nans else numbers.index(max(numbers))
            assert indices[place] == real[best][0] * width + real[best][1], case
            np.testing.assert_equal(values[place], numbers[best])


@pytest.mark.parametrize("block", range(3))
def test_avg_pool_by_single_additions(block):
    for seed in range(20 * block, 20 * block + 20):
        case, x, first = drawn_pool(seed)
        x = np.nan_to_num(x)
        got = first(reference.avg_pool(x, **case.geometry, **case.averaging, rank=2))
        x = first(x)
        height, width = x.shape[2:]
        for place, window, ((top, bottom), (left, right)) in naive_windows(case, x):
            real = [(r, c) for r, c in window if 0 <= r < height and 0 <= c < width]
            padded = [
                (r, c) for r, c in window if -top <= r < height + bottom
                and -left <= c < width + right
            ]  # fmt: skip
            divisor = case.divisor_override or len(padded if case.count_include_pad else real)
            total = sum(float(x[place[0], place[1], r, c]) for r, c in real)
            np.testing.assert_allclose(got[place], total / divisor, atol=1e-12, err_msg=str(case))


def test_min_pool_is_max_pool_of_the_negative():
    for seed in range(50):
        case = PoolCase.draw(seed)
        x = np.array(case.arrays()["x"])
        least = reference.min_pool(x, **case.geometry, return_indices=True, rank=2)
        most = reference.max_pool(-x, **case.geometry, return_indices=True, rank=2)
        np.testing.assert_array_equal(least[0], -most[0])
        np.testing.assert_array_equal(least[1], most[1])


def test_backwards_are_adjoints():
    """<f(x), y> = <x, backward(y)>, in integers, for everything linear."""
    for seed in range(100):
        case = PoolCase.draw(seed)
        rng = np.random.default_rng(seed)
        x = rng.integers(-9, 10, case.x_shape)
        y = rng.integers(-9, 10, case.output_shape)
        # With the divisor 1 the average is the sum, which is exact.
        args = {**case.geometry, "divisor_override": 1, "rank": 2}
        forward = reference.avg_pool(x, **args)
        backward = reference.avg_pool_backward(y, x.shape, **args)
        assert np.vdot(forward, y) == np.vdot(x, backward), case

        _, indices = reference.max_pool(x, **case.geometry, return_indices=True, rank=2)
        grad = reference.max_pool_backward(
            y, indices, x.shape, data_format=case.data_format, rank=2
        )
        assert grad.sum() == y.sum(), case

        case = ConvCase.draw(seed)
        # linear without the constant around
        args = {k: v for k, v in case.geometry.items()
                if k not in ("groups", "flip", "padding_value")}  # fmt: skip
        args |= {"kernel_size": case.weight_shape[2:], "rank": 2}
        x = rng.integers(-9, 10, case.x_shape)
        cols = reference.im2col(x, **args)
        other = rng.integers(-9, 10, cols.shape)
        folded = reference.col2im(other, x.shape, **args)
        assert np.vdot(cols, other) == np.vdot(x, folded), case


def test_im2col_times_weight_is_conv():
    for seed in range(100):
        case = ConvCase.draw(seed)
        if case.groups != 1 or case.flip or len(case.x_shape) == 3:
            continue
        arrays = case.arrays()
        args = {k: v for k, v in case.geometry.items() if k not in ("groups", "flip")}
        cols = reference.im2col(arrays["x"], case.weight_shape[2:], **args)
        y = arrays["weight"].reshape(len(arrays["weight"]), -1) @ cols
        expected = reference.conv(arrays["x"], arrays["weight"], **case.geometry)
        if case.data_format == "channels_last":
            expected = np.moveaxis(expected, -1, 1)
        np.testing.assert_allclose(y, expected.reshape(y.shape), atol=2e-5, err_msg=str(case))


# ------------------------------------------------------------------ transposed convolution


def spread(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def batch_first(a, case, rank):
    """The array with a batch axis and channels first, in float64."""
    a = np.array(a, float)
    a = a if len(case.x_shape) == rank + 2 else a[None]
    return np.ascontiguousarray(np.moveaxis(a, -1, 1) if case.data_format[-4:] == "last" else a)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_is_the_adjoint_of_conv(rank):
    """Two independent formulas, in integers: <conv(y, w), x> = <y, conv_transpose(x, w)>."""
    for seed in range(150):
        case = TransposeCase.draw(seed, rank)
        rng = np.random.default_rng(seed)
        x = rng.integers(-9, 10, case.x_shape)
        weight = rng.integers(-9, 10, case.weight_shape)
        y = rng.integers(-9, 10, case.output_shape)
        transposed = reference.conv_transpose(x, weight, **case.geometry)
        assert transposed.shape == y.shape, case
        # An output padding of the stride or more makes room for outputs that x does not have.
        forward = reference.conv(y, weight, **case.convolution)
        padded = np.zeros_like(forward)
        padded[tuple(slice(n) for n in x.shape)] = x
        assert np.vdot(forward, padded) == np.vdot(y, transposed), case
        backward = reference.conv_backward_data(padded, weight, y.shape, **case.convolution)
        np.testing.assert_array_equal(backward, transposed, err_msg=str(case))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_against_torch(torch, rank):
    function, compared = getattr(torch.nn.functional, f"conv_transpose{rank}d"), 0
    for seed in range(150):
        case = TransposeCase.draw(seed, rank)
        if np.ndim(case.padding) == 2:
            continue  # PyTorch pads both ends alike
        compared += 1
        a = case.arrays()
        x, weight = batch_first(a["x"], case, rank), np.array(a["weight"], float)
        bias = None if a["bias"] is None else np.array(a["bias"], float)
        given = {k: v for k, v in case.geometry.items() if k not in ("data_format", "output_size")}
        if case.output_size is not None:
            given["output_padding"] = tuple(
                size - ((length - 1) * s - 2 * p + d * (k - 1) + 1)
                for size, length, k, s, p, d in zip(
                    case.output_size, x.shape[2:], weight.shape[2:],
                    *(spread(given[n], rank) for n in ("stride", "padding", "dilation")),
                    strict=True,
                )
            )  # fmt: skip
        expected = function(
            torch.from_numpy(x), torch.from_numpy(weight),
            None if bias is None else torch.from_numpy(bias), **given,
        )  # fmt: skip
        got = reference.conv_transpose(a["x"], a["weight"], a["bias"], **case.geometry)
        np.testing.assert_allclose(
            batch_first(got, case, rank), expected.numpy(), rtol=1e-9, atol=1e-9, err_msg=str(case)
        )
    assert compared > 30


# ----------------------------------------------------------------------------- further poolings


def test_lp_pool_by_single_powers():
    for seed in range(40):
        case, x, first = drawn_pool(seed)
        x = np.nan_to_num(x)
        got = first(reference.lp_pool(x, case.norm_type, **case.geometry, rank=2))
        x = first(x)
        for place, window, _ in naive_windows(case, x):
            values = [
                abs(float(x[place[0], place[1], r, c]))
                for r, c in window if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]
            ]  # fmt: skip
            expected = np.linalg.norm(values, case.norm_type)
            np.testing.assert_allclose(got[place], expected, rtol=1e-12, err_msg=str(case))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lp_pool_backward_by_central_differences(rank):
    for seed in range(30):
        case = PoolCase.draw(seed, rank)
        p = max(case.norm_type, 1.5)
        rng = np.random.default_rng(seed)
        x, direction = rng.standard_normal((2, *case.x_shape))
        grad = rng.standard_normal(case.output_shape)
        args = (p, *(case.geometry[k] for k in ("kernel_size", "stride", "padding", "dilation")))
        rest = {k: case.geometry[k] for k in ("ceil_mode", "data_format")} | {"rank": rank}
        slope = np.vdot(reference.lp_pool_backward(grad, x, *args, **rest), direction)
        step = 1e-6
        up = np.vdot(reference.lp_pool(x + step * direction, *args, **rest), grad)
        down = np.vdot(reference.lp_pool(x - step * direction, *args, **rest), grad)
        np.testing.assert_allclose(
            slope, (up - down) / (2 * step), atol=2e-4 * (1 + np.abs(grad).sum()), err_msg=str(case)
        )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pools_against_torch(torch, rank):
    functional = torch.nn.functional
    for seed in range(120):
        case = PoolCase.draw(seed, rank)
        x = np.nan_to_num(np.array(case.arrays()["x"], float))
        grad = np.random.default_rng(seed).standard_normal(case.adaptive_shape)
        layout = {"data_format": case.data_format, "rank": rank}
        close = {"rtol": 1e-10, "atol": 1e-10, "err_msg": str(case)}

        tensor = torch.from_numpy(batch_first(x, case, rank)).requires_grad_()
        size = spread(case.output_size, rank)
        expected = getattr(functional, f"adaptive_avg_pool{rank}d")(tensor, size)
        got = reference.adaptive_avg_pool(x, case.output_size, **layout)
        np.testing.assert_allclose(batch_first(got, case, rank), expected.detach().numpy(), **close)
        (of_x,) = torch.autograd.grad(expected, tensor, torch.from_numpy(
            batch_first(grad, case, rank)))  # fmt: skip
        got = reference.adaptive_avg_pool_backward(grad, case.x_shape, **layout)
        np.testing.assert_allclose(batch_first(got, case, rank), of_x.numpy(), **close)

        function = getattr(functional, f"adaptive_max_pool{rank}d")
        expected, where = function(tensor, size, return_indices=True)
        got = reference.adaptive_max_pool(x, case.output_size, return_indices=True, **layout)
        np.testing.assert_array_equal(batch_first(got[0], case, rank), expected.detach().numpy())
        np.testing.assert_array_equal(batch_first(got[1], case, rank), where.numpy())

        # A pooling that PyTorch can undo too: no overlap, so that every index is met once.
        kernel = np.minimum(spread(case.kernel_size, rank), batch_first(x, case, rank).shape[2:])
        kernel = tuple(map(int, kernel))
        best, index = reference.max_pool(x, kernel, return_indices=True, **layout)
        lengths = batch_first(x, case, rank).shape[2:]
        got = reference.max_unpool(best, index, kernel, output_size=lengths, **layout)
        expected = getattr(functional, f"max_unpool{rank}d")(
            torch.from_numpy(batch_first(best, case, rank)),
            torch.from_numpy(batch_first(index, case, rank).astype(np.int64)),
            kernel, output_size=lengths,
        )  # fmt: skip
        np.testing.assert_array_equal(batch_first(got, case, rank), expected.numpy())


def test_adaptive_gradient_is_adjoint():
    for seed in range(60):
        case = PoolCase.draw(seed, 2)
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal(case.x_shape), rng.standard_normal(case.adaptive_shape)
        layout = {"data_format": case.data_format, "rank": 2}
        forward = reference.adaptive_avg_pool(x, case.output_size, **layout)
        backward = reference.adaptive_avg_pool_backward(y, x.shape, **layout)
        np.testing.assert_allclose(np.vdot(forward, y), np.vdot(x, backward), atol=1e-9)
