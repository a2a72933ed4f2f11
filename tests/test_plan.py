"""Functions: plan_conv gives the same numbers as conv2d, from weights packed once."""

import concurrent.futures
import copy
import pickle

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import ConvCase
from fastconv.testing.contract import assert_within_contract
from fastconv.testing.served import methods, serves

METHODS = ["auto", *methods("forward")]


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def forward(method, x_shape, weight_shape, **options):
    """Whether a method can be planned: what each test over the methods asks."""
    return serves(method, "forward", x_shape, weight_shape, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.served(by=lambda dtype, method: forward(
    method, (2, 6, 15, 17), (10, 3, 3, 3), stride=2, padding=1, groups=2, dtype=dtype
))
def test_is_conv2d(dtype, method):
    """To the bit: a plan changes when weights are packed, not what is computed.

    What packed weights cost decides its automatic choice, so calls are asked for the same.
    """
    x, weight, bias = (
        numbers((2, 6, 15, 17), dtype),
        numbers((10, 3, 3, 3), dtype),
        numbers(10, dtype),
    )
    residual = numbers((2, 10, 8, 9), dtype, 1)
    args = {"stride": 2, "padding": 1, "groups": 2, "method": method}
    plan = fastconv.plan_conv(x.shape, weight, bias, activation="silu", **args)
    args["method"] = plan.method
    expected = fastconv.conv2d(x, weight, bias, activation="silu", **args)
    np.testing.assert_array_equal(plan(x), expected)
    expected = fastconv.conv2d(x, weight, bias, activation="silu", residual=residual, **args)
    np.testing.assert_array_equal(plan(x, residual), expected)
    out = np.full_like(expected, np.nan)
    assert plan(x, residual=residual, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("block", range(0, 600, 100))
def test_random_cases(block):
    for seed in range(block, block + 100):
        case = ConvCase.draw(seed)
        a = case.arrays()
        terms = {**case.geometry, "activation": case.activation}
        for method in METHODS:
            how = {**case.geometry, "precision": "highest", "dtype": case.dtype}
            if not forward(method, case.x_shape, case.weight_shape, **how):
                continue
            options = {"method": method, "num_threads": case.num_threads}
            plan = fastconv.plan_conv(
                case.x_shape, a["weight"], a["bias"], **how, **options, activation=case.activation
            )
            assert plan.output_shape == case.output_shape, case
            got = plan(a["x"], residual=a["residual"])
            args = (a["x"], a["weight"], a["bias"])
            exact = reference.conv(*args, residual=a["residual"], **terms)
            magnitude = reference.sum_abs(*args, residual=a["residual"], **terms)
            assert_within_contract(
                got, exact, magnitude, activation=case.activation, context=f"{case} {method}"
            )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(method, (2, 5, 12, 13), (20, 5, 3, 3), padding=1))
def test_any_batch_size(method):
    weight = numbers((20, 5, 3, 3))
    plan = fastconv.plan_conv((2, 5, 12, 13), weight, padding=1, method=method)
    x = numbers((7, 5, 12, 13))
    whole = plan(x)
    np.testing.assert_array_equal(whole, fastconv.conv2d(x, weight, padding=1, method=method))
    for n in (1, 2, 3):
        np.testing.assert_array_equal(plan(x[:n]), whole[:n])
    assert plan(x[:0]).shape == (0, 20, 12, 13)


def test_attributes():
    weight = numbers((8, 4, 3, 3))
    plan = fastconv.plan_conv((2, 4, 10, 11), weight, padding=1)
    assert plan.output_shape == (2, 8, 10, 11)
    assert plan.flops == 2 * 2 * 8 * 10 * 11 * 4 * 9
    assert plan.method in METHODS[1:]
    assert isinstance(plan.workspace_bytes, int)
    assert plan.workspace_bytes >= 0
    for method in METHODS[1:]:
        if forward(method, (2, 4, 10, 11), weight.shape, padding=1):
            plan = fastconv.plan_conv((2, 4, 10, 11), weight, padding=1, method=method)
            assert plan.method == method
            assert plan.method in repr(plan)


def test_weights_are_taken_when_planned():
    """Changing the arrays afterwards changes nothing."""
    x, weight, bias = numbers((1, 3, 8, 8)), numbers((4, 3, 3, 3)), numbers(4)
    for method in METHODS:
        if not forward(method, x.shape, weight.shape):
            continue
        expected = fastconv.plan_conv(x.shape, weight, bias, method=method)(x)
        own_weight, own_bias = weight.copy(), bias.copy()
        plan = fastconv.plan_conv(x.shape, own_weight, own_bias, method=method)
        own_weight[...], own_bias[...] = np.nan, np.nan
        np.testing.assert_array_equal(plan(x), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(
    method, (2, 3, 8, 9), (4, 3, 3, 3), stride=2, padding="same", padding_mode="reflect"
))
def test_pickling_and_copying(method):
    x, weight, bias = numbers((2, 3, 8, 9)), numbers((4, 3, 3, 3)), numbers(4)
    plan = fastconv.plan_conv(
        x.shape, weight, bias, stride=2, padding="same", padding_mode="reflect",
        activation=("clip", -1, 1), method=method,
    )  # fmt: skip
    expected = plan(x)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(plan, protocol))
        np.testing.assert_array_equal(other(x), expected)
        assert other.method == plan.method
        assert other.output_shape == plan.output_shape
        assert other.flops == plan.flops
    np.testing.assert_array_equal(copy.copy(plan)(x), expected)
    np.testing.assert_array_equal(copy.deepcopy(plan)(x), expected)


def test_a_pickled_plan_works_in_another_process(run_python, tmp_path):
    """Also under another instruction set: what was packed for one is not for the other."""
    x, weight = np.rint(3 * numbers((1, 19, 9, 21))), np.rint(3 * numbers((35, 19, 3, 3)))
    plan = fastconv.plan_conv(x.shape, weight, padding=1, precision="highest")
    expected = plan(x)
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    np.save(tmp_path / "x.npy", x)
    code = """
        import pickle
        import numpy as np
        with open("plan", "rb") as file:
            plan = pickle.load(file)
        np.save("y.npy", plan(np.load("x.npy")))
    """
    for level in fastconv.show_runtime(mode="dicts")["isa_available"]:
        run_python(code, FASTCONV_MAX_ISA=level)
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: forward(method, (2, 8, 20, 21), (24, 8, 3, 3), padding=1))
def test_many_threads_share_a_plan(method):
    weight = numbers((24, 8, 3, 3))
    plan = fastconv.plan_conv((2, 8, 20, 21), weight, padding=1, method=method)
    inputs = [numbers((2, 8, 20, 21), seed=seed) for seed in range(8)]
    expected = [plan(x) for x in inputs]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda i: plan(inputs[i % 8]), range(200)))
    for i, y in enumerate(results):
        np.testing.assert_array_equal(y, expected[i % 8])


def test_dtype_of_x_unlike_the_weights():
    weight = numbers((4, 3, 3, 3), np.float32)
    x = numbers((1, 3, 8, 8), np.float64)
    plan = fastconv.plan_conv(x.shape, weight, dtype=np.float64, method="direct")
    y = plan(x)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, fastconv.conv2d(x, weight, method="direct"))


def test_without_the_batch_axis():
    x, weight = numbers((3, 8, 9)), numbers((4, 3, 3, 3))
    options = {"padding": 1, "method": "direct"}  # a plan may choose another than a call
    plan = fastconv.plan_conv(x.shape, weight, **options)
    assert plan.output_shape == (4, 8, 9)
    np.testing.assert_array_equal(plan(x), fastconv.conv2d(x, weight, **options))


def test_channels_last():
    x, weight = numbers((2, 8, 9, 3)), numbers((4, 3, 3, 3))
    options = {"padding": 1, "data_format": "channels_last", "method": "direct"}
    plan = fastconv.plan_conv(x.shape, weight, **options)
    expected = fastconv.conv2d(x, weight, **options)
    np.testing.assert_array_equal(plan(x), expected)


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros((2, 3, 8, 9), np.float32), ValueError),  # another length
        (np.zeros((2, 4, 8, 8), np.float32), ValueError),  # another number of channels
        (np.zeros((8, 8), np.float32), ValueError),
        (np.zeros((2, 3, 8, 8), np.complex64), TypeError),
        (None, TypeError),
        ("x", TypeError),
    ],
    ids=["length", "channels", "rank", "complex", "None", "str"],
)
def test_refuses_an_x_unlike_the_plan(x, error):
    plan = fastconv.plan_conv((2, 3, 8, 8), numbers((4, 3, 3, 3)))
    expected = plan(np.ones((2, 3, 8, 8), np.float32))
    with pytest.raises(error, match=r"\bx\b"):
        plan(x)
    np.testing.assert_array_equal(plan(np.ones((2, 3, 8, 8), np.float32)), expected)


def test_refuses_a_wrong_out_and_residual():
    plan = fastconv.plan_conv((2, 3, 8, 8), numbers((4, 3, 3, 3)))
    x = numbers((2, 3, 8, 8))
    with pytest.raises(ValueError, match="out"):
        plan(x, out=np.zeros((2, 4, 6, 5), np.float32))
    with pytest.raises((TypeError, ValueError), match="out"):
        plan(x, out=np.zeros((2, 4, 6, 6), np.int32))
    with pytest.raises(ValueError, match="residual"):
        plan(x, residual=np.zeros((2, 4, 6, 5), np.float32))
