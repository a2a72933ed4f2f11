"""ONNX's own node tests for two-dimensional Conv, MaxPool and AveragePool."""

import warnings

import numpy as np
import pytest

import fastconv

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def cases():
    """(test, node, inputs, expected outputs) of every test of one of the three, in 2-D."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of ONNX's other cases overflow on purpose
        tests = load_model_tests(kind="node")
    found = []
    for test in tests:
        nodes = test.model.graph.node if test.model is not None else ()
        if len(nodes) != 1 or nodes[0].op_type not in ADAPTERS:
            continue
        for inputs, outputs in test.data_sets:
            if inputs[0].ndim == 4:
                found.append((test, nodes[0], inputs, outputs))
    return found


def pooling_arguments(node, x):
    """ONNX's attributes as keyword arguments."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    auto_pad = attributes.get("auto_pad", b"NOTSET").decode()
    padding = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}.get(auto_pad)
    if padding is None:
        pads = attributes.get("pads", [0, 0, 0, 0])
        padding = tuple(zip(pads[:2], pads[2:], strict=True))  # begins, then ends
    arguments = {
        "stride": attributes.get("strides", [1, 1]),
        "padding": padding,
        "dilation": attributes.get("dilations", [1, 1]),
    }
    return attributes, arguments


def conv(node, x, weight, bias=None):
    attributes, arguments = pooling_arguments(node, x)
    groups = attributes.get("group", 1)
    return (fastconv.conv2d(x, weight, bias, groups=groups, **arguments),)


def max_pool(node, x):
    attributes, arguments = pooling_arguments(node, x)
    arguments["ceil_mode"] = bool(attributes.get("ceil_mode", 0))
    # Every integer of these types is a float64: the maximum is exact.
    given = x if x.dtype.kind == "f" else x.astype(np.float64)
    values, indices = fastconv.max_pool2d(
        given, attributes["kernel_shape"], **arguments, return_indices=True
    )
    # ONNX counts positions in the whole tensor, and in columns first if asked to.
    rows, columns = np.divmod(indices, x.shape[3])
    if attributes.get("storage_order", 0):
        indices = columns * x.shape[2] + rows
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    indices = indices + planes * (x.shape[2] * x.shape[3])
    return (values.astype(x.dtype), indices)[: len(node.output)]


def average_pool(node, x):
    attributes, arguments = pooling_arguments(node, x)
    return (
        fastconv.avg_pool2d(
            x,
            attributes["kernel_shape"],
            **arguments,
            ceil_mode=bool(attributes.get("ceil_mode", 0)),
            count_include_pad=bool(attributes.get("count_include_pad", 0)),
        ),
    )


ADAPTERS = {"Conv": conv, "MaxPool": max_pool, "AveragePool": average_pool}


@pytest.mark.parametrize("operator", ADAPTERS)
def test_node_cases(cases, operator, capsys):
    ran = 0
    for test, node, inputs, outputs in cases:
        if node.op_type != operator:
            continue
        results = ADAPTERS[operator](node, *inputs)
        for got, expected in zip(results, outputs, strict=True):
            assert got.dtype == expected.dtype, test.name
            # ONNX's own tolerance: some of its expected values are written with four digits.
            np.testing.assert_allclose(
                got, expected, rtol=test.rtol, atol=test.atol, err_msg=test.name
            )
        ran += 1
    with capsys.disabled():
        print(f" [{operator}: {ran} ONNX node cases]", end="")
    # As many as ONNX had when this was written; it only adds.
    assert ran >= {"Conv": 6, "MaxPool": 13, "AveragePool": 12}[operator]
