"""Random cases: thousands, each reproducible from the number that is printed.

Every case runs through every algorithm of the registry, forward and backward, and is held to the
precision contract against the reference; a part of them once more against PyTorch where it is
installed. Ranks, dtypes, layouts, views, padding in every form and numbers of threads are drawn.
"""

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import (
    DTYPES,
    POOL_DTYPES,
    WRITEABLE,
    ConvCase,
    PoolCase,
    TransposeCase,
    empty_view,
)
from fastconv.testing.checks import (
    POOLINGS,
    attempts,
    conv_checks,
    function_of,
    pool_checks,
    separable_checks,
    transpose_checks,
)
from fastconv.testing.contract import assert_exact, assert_within_contract

BLOCK = 250


def verify(check):
    """Hold the result of every way to compute a check to the contract; return how many ran."""
    case, ran = check.case, 0
    given = [a for a in (*check.args, *check.kwargs.values()) if isinstance(a, np.ndarray)]
    before = [a.copy() for a in given]
    options = {}
    if check.name != "conv_backward_bias":
        options["num_threads"] = case.num_threads
    for how, tier in attempts(check):
        out = None
        if ran == 0 and check.item is None and "num_threads" in options and case.seed % 2:
            view = WRITEABLE[case.seed % len(WRITEABLE)]
            out = empty_view(check.exact.shape, check.dtype, view)
        try:
            got = check.run(**how, **options, **({} if out is None else {"out": out}))
        except Exception as error:
            # Only a named method may refuse, and "direct" serves everything.
            named = how.get("method", "auto") not in ("auto", "direct")
            refusal = named and f"method={how['method']!r}" in str(error)
            if refusal and isinstance(error, ValueError):
                continue
            raise AssertionError((check.name, how, case)) from error
        assert out is None or got is out, (check.name, case)
        check.judge(got, tier, how)
        ran += 1
    for array, then in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, then, err_msg=f"{check.name} modified it: {case}")
    return ran


def conv_case(seed, rank=2, **drawn):
    ran = [verify(check) for check in conv_checks(ConvCase.draw(seed, rank, **drawn))]
    assert len(ran) == 4
    assert min(ran[:3]) >= 3  # auto at both tiers, direct


def pool_case(seed, rank=2, kinds=POOLINGS, **drawn):
    for check in pool_checks(PoolCase.draw(seed, rank, **drawn), kinds):
        assert verify(check) == 1


def transpose_case(seed, rank):
    for check in transpose_checks(TransposeCase.draw(seed, rank, DTYPES)):
        assert verify(check)


def blocks(default, all_of_them):
    """First numbers of blocks of cases; those beyond `default` are for the longer runs."""
    return [pytest.param(first, marks=[pytest.mark.slow] * (first >= default))
            for first in range(0, all_of_them, BLOCK)]  # fmt: skip


@pytest.mark.parametrize("block", blocks(2_500, 10_000))
def test_conv2d(block):
    for seed in range(block, block + BLOCK):
        conv_case(seed)


@pytest.mark.parametrize("block", blocks(500, 2_000))
def test_pool2d(block):
    for seed in range(block, block + BLOCK):
        pool_case(seed, kinds=("max", "min", "avg"))


@pytest.mark.parametrize("block", range(0, 5_000, BLOCK))
def test_conv_of_every_rank_and_dtype(block):
    for seed in range(block, block + BLOCK):
        conv_case(seed, 1 + seed % 3, dtypes=DTYPES, limit=15_000)


@pytest.mark.parametrize("block", blocks(500, 2_000))
def test_separable_conv(block):
    for seed in range(block, block + BLOCK):
        for check in separable_checks(ConvCase.draw(seed, 1 + seed % 3, DTYPES, limit=15_000)):
            assert verify(check) >= 3  # auto at both tiers, direct


@pytest.mark.parametrize("block", range(0, 2_500, BLOCK))
def test_conv_transpose(block):
    for seed in range(block, block + BLOCK):
        transpose_case(seed, 1 + seed % 3)


@pytest.mark.parametrize("block", range(0, 2_500, BLOCK))
def test_pool_of_every_rank_and_dtype(block):
    for seed in range(block, block + BLOCK):
        # Every pooling of a case takes long; they take turns, each with every rank.
        kind = POOLINGS[seed % len(POOLINGS)]
        pool_case(seed, 1 + seed % 3, kinds=(kind,), dtypes=POOL_DTYPES)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10_000, 100_000, 5_000))
def test_many_more(block):
    for seed in range(block, block + 5_000):
        rank = 1 + seed % 3
        conv_case(seed)
        conv_case(seed, rank, dtypes=DTYPES)
        transpose_case(seed, rank)
        pool_case(seed, rank, dtypes=POOL_DTYPES)


# ----------------------------------------------------------------------------------- PyTorch


def first(a, case, rank):
    """A float64 copy with a batch axis and channels first."""
    a = np.array(a, float)
    a = a if len(case.x_shape) == rank + 2 else a[None]
    return np.ascontiguousarray(np.moveaxis(a, -1, 1) if case.data_format[-4:] == "last" else a)


def spread(value, rank):
    return (value,) * rank if isinstance(value, int) else tuple(value)


def pad(torch, x, pairs, mode, value):
    """numpy.pad in PyTorch, differentiable: a constant, or every element a copy of another."""
    for axis, (length, pair) in enumerate(zip(x.shape[2:], pairs, strict=True), start=2):
        if mode in ("zeros", "constant"):
            widths = [0, 0] * (x.ndim - 1 - axis) + list(pair)
            x = torch.nn.functional.pad(x, widths, value=value)
        else:
            index = reference.pad_index(length, pair, mode)
            x = x.index_select(axis, torch.from_numpy(index))
    return x


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_against_torch(torch, rank):
    for seed in range(400):
        case = ConvCase.draw(seed, rank, limit=50_000)
        a = case.arrays()
        x = torch.from_numpy(first(a["x"], case, rank)).requires_grad_()
        weight = torch.from_numpy(np.array(a["weight"], float)).requires_grad_()
        bias = None if a["bias"] is None else torch.from_numpy(np.array(a["bias"], float))
        stride, dilation = spread(case.stride, rank), spread(case.dilation, rank)
        sizes = (x.shape[2:], weight.shape[2:], stride, dilation)
        pairs = reference.padding_pairs(case.padding, *sizes)
        padded = pad(torch, x, pairs, case.padding_mode, case.padding_value)
        kernel = weight.flip(tuple(range(2, rank + 2))) if case.flip else weight
        expected = getattr(torch.nn.functional, f"conv{rank}d")(
            padded, kernel, bias, stride, 0, dilation, case.groups
        )
        grad = torch.from_numpy(first(a["grad_output"], case, rank))
        grad_x, grad_weight = torch.autograd.grad(expected, (x, weight), grad)

        # Both sides round: 1e-5 and 1e-13 of the largest result leave room for both.
        def agree(got, expected, size, case=case):
            expected = expected.detach().numpy()
            size = np.broadcast_to(size, expected.shape)
            tier = {"tier": "high", "few": True}
            assert_within_contract(got, expected, size, **tier, context=case)

        checks = list(conv_checks(case))
        got = function_of("conv", rank)(a["x"], a["weight"], a["bias"], **case.geometry)
        size = checks[0].magnitude.max()
        agree(first(got, case, rank).astype(got.dtype), expected, size)
        got = checks[1].run()
        agree(first(got, case, rank).astype(got.dtype), grad_x, checks[1].magnitude.max())
        got = function_of("conv_backward_weight", rank)(
            a["grad_output"], a["x"], case.weight_shape, **case.geometry
        )
        agree(got, grad_weight, checks[2].magnitude.max())


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_against_torch(torch, rank):
    function, compared = getattr(torch.nn.functional, f"conv_transpose{rank}d"), 0
    for seed in range(300):
        case = TransposeCase.draw(seed, rank)
        if np.ndim(case.padding) == 2 or case.output_size is not None:
            continue  # PyTorch's function takes neither
        compared += 1
        a = case.arrays()
        tensors = [torch.from_numpy(first(a["x"], case, rank))]
        for name in ("weight", "bias"):
            array = a[name]
            tensors.append(None if array is None else torch.from_numpy(np.array(array, float)))
        given = {k: v for k, v in case.geometry.items() if k not in ("data_format", "output_size")}
        expected = function(*tensors, **given).numpy()
        check = next(transpose_checks(case))
        got = check.run()
        got = first(got, case, rank).astype(got.dtype)
        size = np.full(got.shape, check.magnitude.max())
        assert_within_contract(got, expected, size, tier="high", few=True, context=case)
    assert compared > 100


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pool_against_torch(torch, rank):
    functional, compared = torch.nn.functional, 0
    for seed in range(250):
        case = PoolCase.draw(seed, rank)
        kernel = case.kernel
        stride = kernel if case.stride is None else spread(case.stride, rank)
        padding = case.padding
        if isinstance(padding, str) or np.ndim(padding) == 2:
            continue  # PyTorch knows symmetric padding only
        padding = spread(padding, rank)
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            continue  # nor more than half of the kernel
        compared += 1
        x = case.arrays()["x"]
        tensor = torch.from_numpy(first(x, case, rank))
        if any(k > n for k, n in zip(kernel, tensor.shape[2:], strict=True)):
            continue  # PyTorch's averages refuse it, even where the padding makes up for it
        geometry = (kernel, stride, padding, spread(case.dilation, rank), case.ceil_mode)
        expected, where = getattr(functional, f"max_pool{rank}d")(
            tensor, *geometry, return_indices=True
        )
        got, indices = function_of("max_pool", rank)(x, **case.geometry, return_indices=True)
        assert_exact(first(got, case, rank), expected.numpy(), case)
        if case.numbers != "nan":  # PyTorch reports the last NaN of a window
            assert_exact(first(indices, case, rank), where.numpy(), case)
        if spread(case.dilation, rank) != (1,) * rank:
            continue
        averaging = case.averaging
        if rank == 1:  # whose average has no divisor of its own in PyTorch
            averaging = {"count_include_pad": case.count_include_pad}
        expected = getattr(functional, f"avg_pool{rank}d")(
            tensor, kernel, stride, padding, case.ceil_mode, **averaging
        ).numpy()
        got = function_of("avg_pool", rank)(x, **case.geometry, **averaging)
        got = first(got, case, rank).astype(got.dtype)
        assert_within_contract(got, expected, None, tier="high", context=case)
        if padding == (0,) * rank and case.numbers == "positive":
            if case.ceil_mode:
                continue  # PyTorch scales windows that hang over
            window = (kernel, stride) if rank > 1 else (kernel[0], stride[0])
            expected = getattr(functional, f"lp_pool{rank}d")(
                tensor, float(case.norm_type), *window
            ).numpy()
            got = function_of("lp_pool", rank)(x, case.norm_type, **case.geometry)
            got = first(got, case, rank).astype(got.dtype)
            assert_within_contract(got, expected, None, tier="high", context=case)
    assert compared > 60


def test_every_function_of_the_family_is_here():
    """The checks reach every public function that has a rank in its name."""
    reached = {check.call for rank in (1, 2, 3) for check in (
        *conv_checks(ConvCase.draw(0, rank)),
        *separable_checks(ConvCase.draw(0, rank)),
        *transpose_checks(TransposeCase.draw(0, rank)),
        *pool_checks(PoolCase.draw(0, rank)),
    )}  # fmt: skip
    public = {
        n: getattr(fastconv, n) for n in fastconv.__all__ if n.partition("d")[0][-1:] in "123"
    }
    # quantised layers have checks of their own, with other arguments
    missing = [name for name, function in public.items()
               if function not in reached and not name.startswith("qconv")]
    assert not missing
