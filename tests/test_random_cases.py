"""More than ten thousand random problems, each reproducible from the number that is printed.

Every case runs through every algorithm of the registry, forward and backward, and is held to the
precision contract against the reference; and once more against PyTorch where it is installed.
"""

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.cases import ConvCase, PoolCase
from fastconv.testing.contract import assert_exact, assert_within_contract

BLOCK = 250


def attempts(case, name):
    """``(method, precision)`` for each algorithm that has the pass, "auto" among them.

    An algorithm that keeps the strictest promise computes the same at every tier, so that a
    part of the cases is enough to see that "high" is accepted.
    """
    yield "auto", "highest"
    for algorithm in ALGORITHMS:
        if name in algorithm.passes:
            if algorithm.tier == "highest":
                yield algorithm.name, "highest"
            if algorithm.tier != "highest" or case.seed % 10 == 0:
                yield algorithm.name, "high"


def run(case, name, function, args, exact, magnitude, **kwargs):
    """Hold every algorithm's result of one pass to the contract; return how many ran."""
    ran = 0
    for method, precision in attempts(case, name):
        context = (case, name, method, precision)
        options = {"method": method, "precision": precision, "num_threads": case.num_threads}
        try:
            got = function(*args, **kwargs, **options)
        except ValueError as error:
            # Only a named method may refuse, and "direct" serves everything.
            if method in ("auto", "direct") or f"method={method!r}" not in str(error):
                raise AssertionError(context) from error
            continue
        ran += 1
        activation = kwargs.get("activation")
        assert_within_contract(
            got, exact, magnitude, tier=precision, activation=activation, context=context
        )
        if case.exact and precision == "highest":
            assert_exact(got, exact, context)
    return ran


def conv_case(seed):
    case = ConvCase.draw(seed)
    a = case.arrays()
    before = {k: None if v is None else v.copy() for k, v in a.items() if k != "out"}
    ran = 0

    terms = {"residual": a["residual"], "activation": case.activation}
    args = (a["x"], a["weight"], a["bias"])
    exact = reference.conv(*args, **case.geometry, **terms)
    magnitude = reference.sum_abs(*args, **case.geometry, **terms)
    call = (case, "forward", fastconv.conv2d, args, exact, magnitude)
    ran += run(*call, out=a["out"], **case.geometry, **terms)
    fresh = fastconv.conv2d(*args, **case.geometry, **terms)
    assert fresh.dtype == np.result_type(*[v for v in args if v is not None]), case

    args = (a["grad_output"], a["weight"], case.x_shape)
    exact = reference.conv_backward_data(*args, **case.geometry)
    sizes = (np.abs(args[0]), np.abs(args[1]), args[2])
    magnitude = reference.conv_backward_data(*sizes, **case.geometry)
    call = (case, "backward_data", fastconv.conv2d_backward_data, args, exact, magnitude)
    ran += run(*call, **case.geometry)

    args = (a["grad_output"], a["x"], case.weight_shape)
    per_sample = case.seed % 3 == 0
    geometry = {**case.geometry, "per_sample": per_sample}
    exact = reference.conv_backward_weight(*args, **geometry)
    sizes = (np.abs(args[0]), np.abs(args[1]), args[2])
    magnitude = reference.conv_backward_weight(*sizes, **geometry)
    call = (case, "backward_weight", fastconv.conv2d_backward_weight, args, exact, magnitude)
    ran += run(*call, **geometry)

    got = fastconv.conv2d_backward_bias(a["grad_output"], data_format=case.data_format)
    layout = {"data_format": case.data_format, "rank": 2}
    exact = reference.conv_backward_bias(a["grad_output"], **layout)
    magnitude = reference.conv_backward_bias(np.abs(a["grad_output"]), **layout)
    assert_within_contract(got, exact, magnitude, context=case)

    for name, then in before.items():
        np.testing.assert_array_equal(a[name], then, err_msg=f"{name} was modified: {case}")
    assert ran >= 6, case  # auto and direct, three passes


def pool_case(seed):
    case = PoolCase.draw(seed)
    a = case.arrays()
    x, grad, rank = a["x"], a["grad_output"], {"rank": 2}
    threads = {"num_threads": case.num_threads}
    before = x.copy(), grad.copy()

    for function, exact in [
        (fastconv.min_pool2d, reference.min_pool),
        (fastconv.max_pool2d, reference.max_pool),
    ]:
        values, indices = exact(x, **case.geometry, **rank, return_indices=True)
        got = function(x, **case.geometry, **threads, out=a["out"])
        assert got is a["out"]
        assert_exact(got, values, case)
        got, found = function(x, **case.geometry, **threads, return_indices=True)
        assert got.dtype == case.dtype, case
        assert found.dtype == np.int64, case
        assert_exact(got, values, case)
        assert_exact(found, indices, case)
    layout = {"data_format": case.data_format}
    got = fastconv.max_pool2d_backward(grad, indices, case.x_shape, **layout, **threads)
    exact = reference.max_pool_backward(grad, indices, case.x_shape, **layout, **rank)
    sizes = (np.abs(grad), indices, case.x_shape)
    magnitude = reference.max_pool_backward(*sizes, **layout, **rank)
    assert_within_contract(got, exact, magnitude, context=case)

    args = {**case.geometry, **case.averaging}
    got = fastconv.avg_pool2d(x, **args, **threads)
    assert got.dtype == case.dtype, case
    exact = reference.avg_pool(x, **args, **rank)
    magnitude = reference.avg_pool(np.abs(x), **args, **rank)
    assert_within_contract(got, exact, magnitude, context=case)
    got = fastconv.avg_pool2d_backward(grad, case.x_shape, **args, **threads)
    exact = reference.avg_pool_backward(grad, case.x_shape, **args, **rank)
    magnitude = reference.avg_pool_backward(np.abs(grad), case.x_shape, **args, **rank)
    assert_within_contract(got, exact, magnitude, context=case)

    np.testing.assert_array_equal(x, before[0], err_msg=f"x was modified: {case}")
    np.testing.assert_array_equal(grad, before[1], err_msg=f"the gradient was modified: {case}")


@pytest.mark.parametrize("block", range(0, 10_000, BLOCK))
def test_conv(block):
    for seed in range(block, block + BLOCK):
        conv_case(seed)


@pytest.mark.parametrize("block", range(0, 2_000, BLOCK))
def test_pool(block):
    for seed in range(block, block + BLOCK):
        pool_case(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10_000, 100_000, 5_000))
def test_many_more(block):
    for seed in range(block, block + 5_000):
        conv_case(seed)
        pool_case(seed)


# ----------------------------------------------------------------------------------- PyTorch


def first(a, case):
    """A float64 copy with a batch axis and channels first."""
    a = np.array(a, float)
    a = a if len(case.x_shape) == 4 else a[None]
    return np.ascontiguousarray(np.moveaxis(a, -1, 1) if case.data_format[-4:] == "last" else a)


def both(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def pad(torch, x, pairs, mode):
    """numpy.pad in PyTorch, differentiable: in any mode every element is a copy of another."""
    for axis, (length, pair) in enumerate(zip(x.shape[2:], pairs, strict=True), start=2):
        if mode in ("zeros", "constant"):
            x = torch.nn.functional.pad(x, [0, 0] * (3 - axis) + list(pair))
        else:
            index = reference.pad_index(length, pair, mode)
            x = x.index_select(axis, torch.from_numpy(index))
    return x


@pytest.mark.parametrize("block", range(0, 1_000, BLOCK))
def test_conv_against_torch(torch, block):
    for seed in range(block, block + BLOCK):
        case = ConvCase.draw(seed)
        a = case.arrays()
        x = torch.from_numpy(first(a["x"], case)).requires_grad_()
        weight = torch.from_numpy(np.array(a["weight"], float)).requires_grad_()
        bias = None if a["bias"] is None else torch.from_numpy(np.array(a["bias"], float))
        stride, dilation = both(case.stride), both(case.dilation)
        sizes = (x.shape[2:], weight.shape[2:], stride, dilation)
        padded = pad(torch, x, reference.padding_pairs(case.padding, *sizes), case.padding_mode)
        kernel = weight.flip((2, 3)) if case.flip else weight
        expected = torch.nn.functional.conv2d(
            padded, kernel, bias, stride, 0, dilation, case.groups
        )
        grad = torch.from_numpy(first(a["grad_output"], case))
        grad_x, grad_weight = torch.autograd.grad(expected, (x, weight), grad)

        # Both sides round: 1e-5 and 1e-13 of the largest result leave room for both.
        def agree(got, expected, case=case):
            expected = expected.detach().numpy()
            assert_within_contract(got, expected, None, tier="high", context=case)

        got = fastconv.conv2d(a["x"], a["weight"], a["bias"], **case.geometry)
        agree(first(got, case).astype(got.dtype), expected)
        got = fastconv.conv2d_backward_data(
            a["grad_output"], a["weight"], case.x_shape, **case.geometry
        )
        agree(first(got, case).astype(got.dtype), grad_x)
        got = fastconv.conv2d_backward_weight(
            a["grad_output"], a["x"], case.weight_shape, **case.geometry
        )
        agree(got, grad_weight)


@pytest.mark.parametrize("block", range(0, 500, BLOCK))
def test_pool_against_torch(torch, block):
    functional, compared = torch.nn.functional, 0
    for seed in range(block, block + BLOCK):
        case = PoolCase.draw(seed)
        kernel = both(case.kernel_size)
        stride = kernel if case.stride is None else both(case.stride)
        padding = case.padding
        if isinstance(padding, str) or np.ndim(padding) == 2:
            continue  # PyTorch knows symmetric padding only
        padding = both(padding)
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            continue  # nor more than half of the kernel
        compared += 1
        x = case.arrays()["x"]
        tensor = torch.from_numpy(first(x, case))
        geometry = (kernel, stride, padding, both(case.dilation), case.ceil_mode)
        expected, where = functional.max_pool2d(tensor, *geometry, return_indices=True)
        got, indices = fastconv.max_pool2d(x, **case.geometry, return_indices=True)
        assert_exact(first(got, case), expected.numpy(), case)
        if case.numbers != "nan":  # PyTorch reports the last NaN of a window
            assert_exact(first(indices, case), where.numpy(), case)
        if both(case.dilation) == (1, 1):
            expected = functional.avg_pool2d(
                tensor, kernel, stride, padding, case.ceil_mode, **case.averaging
            ).numpy()
            got = fastconv.avg_pool2d(x, **case.geometry, **case.averaging)
            got = first(got, case).astype(got.dtype)
            assert_within_contract(got, expected, None, tier="high", context=case)
    assert compared > BLOCK / 4
