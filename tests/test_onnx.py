"""Other libraries: ONNX's own node tests, through an adapter for each operator."""

import warnings

import numpy as np
import pytest

import fastconv
from fastconv.testing.checks import function_of

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

# Cases that fastconv cannot answer, each with the reason. There are none.
EXCLUDED: dict[str, str] = {}


@pytest.fixture(scope="module")
def cases():
    """(test, node, inputs, expected outputs) of every test of one of the operators."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of ONNX's other cases overflow on purpose
        tests = load_model_tests(kind="node")
    found = []
    for test in tests:
        nodes = test.model.graph.node if test.model is not None else ()
        if len(nodes) == 1 and nodes[0].op_type in ADAPTERS:
            for inputs, outputs in test.data_sets:
                found.append((test, nodes[0], inputs, outputs))
    return found


class Attributes(dict):
    """The attributes of a node, and what several operators read from them."""

    def __init__(self, node):
        super().__init__((a.name, onnx.helper.get_attribute_value(a)) for a in node.attribute)

    def flag(self, name):
        return bool(self.get(name, 0))

    def pairs(self, rank):
        pads = self.get("pads", [0] * (2 * rank))
        return tuple(zip(pads[:rank], pads[rank:], strict=True))  # begins, then ends

    def window(self, rank):
        """stride, padding and dilation as keyword arguments."""
        auto_pad = self.get("auto_pad", b"NOTSET").decode()
        names = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}
        return {
            "stride": self.get("strides", [1] * rank),
            "padding": names.get(auto_pad) or self.pairs(rank),
            "dilation": self.get("dilations", [1] * rank),
        }


def conv(node, x, weight, bias=None):
    a, rank = Attributes(node), x.ndim - 2
    function = function_of("conv", rank)
    return (function(x, weight, bias, groups=a.get("group", 1), **a.window(rank)),)


def conv_integer(node, x, weight, x_zero=0, weight_zero=0):
    a, rank = Attributes(node), x.ndim - 2
    function = function_of("qconv", rank)
    return (function(x, weight, None, groups=a.get("group", 1), **a.window(rank),
                     x_zero_point=x_zero, weight_zero_point=weight_zero),)  # fmt: skip


def qlinear_conv(node, x, x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero,
                 bias=None):  # fmt: skip
    a, rank = Attributes(node), x.ndim - 2
    function = function_of("qconv", rank)
    scale = x_scale.astype(np.float64) * weight_scale / y_scale
    return (function(x, weight, bias, groups=a.get("group", 1), **a.window(rank),
                     x_zero_point=x_zero, weight_zero_point=weight_zero, scale=scale,
                     y_zero_point=y_zero),)  # fmt: skip


def conv_transpose(node, x, weight, bias=None):
    a, rank = Attributes(node), x.ndim - 2
    window = a.window(rank)
    sizes = (x.shape[2:], weight.shape[2:], window["stride"], window["dilation"])
    output_padding = a.get("output_padding", [0] * rank)
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in zip(*sizes, strict=True)]
    lengths = a.get("output_shape")
    if isinstance(window["padding"], str) and window["padding"] != "valid":
        lengths = [n * s for n, s in zip(x.shape[2:], window["stride"], strict=True)]
    if lengths is not None:
        # ONNX pads so that the result has these lengths; what is missing is added at the end.
        upper = a.get("auto_pad") == b"SAME_UPPER"
        total = [w - n for w, n in zip(whole, lengths, strict=True)]
        window["padding"] = tuple(
            (max(t, 0) // 2, max(t, 0) - max(t, 0) // 2)[:: 1 if upper else -1] for t in total
        )
        output_padding = [max(-t, 0) for t in total]
    function = function_of("conv_transpose", rank)
    options = {"output_padding": output_padding, "groups": a.get("group", 1), **window}
    return (function(x, weight, bias, **options),)


def max_pool(node, x):
    a, rank = Attributes(node), x.ndim - 2
    values, indices = function_of("max_pool", rank)(
        x,
        a["kernel_shape"],
        **a.window(rank),
        ceil_mode=a.flag("ceil_mode"),
        return_indices=True,
    )
    # ONNX counts positions in the whole tensor, and with the first axis fastest if asked to.
    where = np.unravel_index(indices, x.shape[2:])
    if a.flag("storage_order"):
        indices = np.ravel_multi_index(where[::-1], x.shape[:1:-1])
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * rank)
    indices = indices + planes * np.prod(x.shape[2:])
    return (values, indices)[: len(node.output)]


def average_pool(node, x):
    a, rank = Attributes(node), x.ndim - 2
    return (
        function_of("avg_pool", rank)(
            x,
            a["kernel_shape"],
            **a.window(rank),
            ceil_mode=a.flag("ceil_mode"),
            count_include_pad=a.flag("count_include_pad"),
        ),
    )


def lp_pool(node, x):
    a, rank = Attributes(node), x.ndim - 2
    return (
        function_of("lp_pool", rank)(
            x,
            a.get("p", 2),
            a["kernel_shape"],
            **a.window(rank),
            ceil_mode=a.flag("ceil_mode"),
        ),
    )


def global_average_pool(node, x):
    y = fastconv.global_avg_pool(x)
    return (y.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)),)


def global_max_pool(node, x):
    y = fastconv.global_max_pool(x)
    return (y.reshape(*x.shape[:2], *(1,) * (x.ndim - 2)),)


def global_lp_pool(node, x):
    return (function_of("lp_pool", x.ndim - 2)(x, Attributes(node).get("p", 2), x.shape[2:]),)


def max_unpool(node, x, indices, output_shape=None):
    a, rank = Attributes(node), x.ndim - 2
    kernel, stride, pairs = a["kernel_shape"], a.get("strides", [1] * rank), a.pairs(rank)
    plain = [
        (n - 1) * s - sum(p) + k
        for n, s, p, k in zip(x.shape[2:], stride, pairs, kernel, strict=True)
    ]
    lengths = plain if output_shape is None else [int(n) for n in output_shape[2:]]
    # ONNX's positions are in the whole tensor, of the lengths that the window gives.
    where = np.unravel_index(indices, (*x.shape[:2], *plain))[2:]
    inside = np.ravel_multi_index(where, lengths)
    function = function_of("max_unpool", rank)
    if output_shape is None:
        return (function(x, inside, kernel, stride, pairs),)
    return (function(x, inside, kernel, stride, pairs, output_size=lengths),)


def col2im(node, cols, image_shape, block_shape):
    a, block = Attributes(node), [int(n) for n in block_shape]
    channels = cols.shape[1] // int(np.prod(block))
    shape = (len(cols), channels, *(int(n) for n in image_shape))
    return (fastconv.col2im(cols, shape, block, **a.window(len(block))),)


ADAPTERS = {
    "Conv": conv,
    "ConvInteger": conv_integer,
    "QLinearConv": qlinear_conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "GlobalLpPool": global_lp_pool,
    "MaxUnpool": max_unpool,
    "Col2Im": col2im,
}

# As many as ONNX had when this was written; it only adds.
AT_LEAST = {
    "Conv": 6,
    "ConvInteger": 2,
    "QLinearConv": 1,
    "ConvTranspose": 11,
    "MaxPool": 19,
    "AveragePool": 20,
    "LpPool": 8,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "GlobalLpPool": 0,  # ONNX has no node test of it: test_global_lp_pool stands in
    "MaxUnpool": 2,
    "Col2Im": 5,
}


@pytest.mark.parametrize("operator", ADAPTERS)
def test_node_cases(cases, operator, capsys):
    ran = 0
    for test, node, inputs, outputs in cases:
        if node.op_type != operator or test.name in EXCLUDED:
            continue
        results = ADAPTERS[operator](node, *inputs)
        for got, expected in zip(results, outputs, strict=True):
            assert got.dtype == expected.dtype, test.name
            assert got.shape == expected.shape, test.name
            # ONNX's own tolerance: some of its expected values are written with four digits.
            np.testing.assert_allclose(
                got, expected, rtol=test.rtol, atol=test.atol, err_msg=test.name
            )
        ran += 1
    with capsys.disabled():
        print(f" [{operator}: {ran} ONNX node cases]", end="")
    assert ran >= AT_LEAST[operator] - sum(
        node.op_type == operator and test.name in EXCLUDED for test, node, _, _ in cases
    )


def test_no_case_is_left_out(cases, capsys):
    """Every case of the operators has run above, but for those excluded with a reason."""
    names = {test.name for test, *_ in cases}
    assert set(EXCLUDED) <= names
    assert all(EXCLUDED.values())
    with capsys.disabled():
        print(f" [{len(names) - len(EXCLUDED)} of {len(names)} ONNX node cases]", end="")
        for name, reason in EXCLUDED.items():
            print(f"\n   {name}: {reason}", end="")


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 5, 6), (1, 2, 3, 4, 5)])
def test_global_lp_pool(shape, p):
    """By ONNX's definition, as it has no data for this operator."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    node = onnx.helper.make_node("GlobalLpPool", ["x"], ["y"], p=p)
    (got,) = ADAPTERS["GlobalLpPool"](node, x)
    axes = tuple(range(2, x.ndim))
    expected = (np.abs(x.astype(float)) ** p).sum(axis=axes, keepdims=True) ** (1 / p)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
