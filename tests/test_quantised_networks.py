"""Functions: whole quantised networks, quantised by ONNX Runtime, run by it and by us.

Digits, read by a network that is made here; and the direction of text, by one that a package ships.
"""
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import fastconv


def reader(images):
    """What calibrates scales: the images in four batches."""
    from onnxruntime.quantization import CalibrationDataReader

    class Images(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(np.split(images, 4))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"x": batch}

    return Images()


# ---- digits ----

def features(x, layers):
    """Float activations of a network: (weight, bias, options) for each layer, relu between."""
    for weight, bias, options in layers:
        x = fastconv.conv2d(x, weight, bias, **options, activation="relu")
    return x


def trained_network():
    """Digits, and a network of convolutions that reads them: random features, a fitted last layer.

    Of every kind: 3x3, strided, depthwise, 1x1, as large as the image.
    """
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, labels = datasets.load_digits(return_X_y=True)
    x = (x.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    rng = np.random.default_rng(0)
    layers = []
    for shape, options in (
        ((32, 1, 3, 3), {"padding": 1}), ((64, 32, 3, 3), {"padding": 1, "stride": 2}),
        ((64, 1, 3, 3), {"padding": 1, "groups": 64}), ((64, 64, 1, 1), {}),
    ):  # fmt: skip
        weight = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        weight = weight.astype(np.float32)
        layers.append([weight, np.zeros(shape[0], np.float32), options])
        layers[-1][1] = -features(x[:500], layers).mean(axis=(0, 2, 3)) / 2
    seen = features(x[:1200], layers).reshape(1200, -1)
    fitted = np.linalg.solve(seen.T @ seen + 0.1 * np.eye(seen.shape[1]),
                             seen.T @ (2 * np.eye(10)[labels[:1200]] - 1))  # fmt: skip
    last = fitted.T.reshape(10, 64, 4, 4).astype(np.float32)
    layers.append([last, np.zeros(10, np.float32), {}])
    return x, labels, layers


def onnx_model(onnx, layers):
    """The network as ONNX has it."""
    helper, nodes, initializers = onnx.helper, [], []
    name = "x"
    for i, (weight, bias, options) in enumerate(layers):
        initializers += [onnx.numpy_helper.from_array(weight, f"w{i}"),
                         onnx.numpy_helper.from_array(bias, f"b{i}")]  # fmt: skip
        padding, stride = options.get("padding", 0), options.get("stride", 1)
        nodes.append(helper.make_node(
            "Conv", [name, f"w{i}", f"b{i}"], [f"c{i}"], pads=[padding] * 4, strides=[stride] * 2,
            group=options.get("groups", 1)))  # fmt: skip
        name = f"c{i}"
        if i + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [name], [f"r{i}"]))
            name = f"r{i}"
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "digits", [value("x", onnx.TensorProto.FLOAT, ["n", 1, 8, 8])],
        [value(name, onnx.TensorProto.FLOAT, ["n", 10, 1, 1])], initializers)  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def our_qlinear_conv(taken):
    """QLinearConv for ONNX's evaluator, by `qconv2d`; what it computes is counted in `taken`."""
    from onnx.reference.op_run import OpRun

    class QLinearConv(OpRun):
        def _run(self, x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias=None,
                 auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None,
                 strides=None):  # fmt: skip
            taken.append(w.shape)
            pads = pads or [0] * 4
            return (fastconv.qconv2d(
                x, w, bias, strides or 1, list(zip(pads[:2], pads[2:], strict=True)),
                dilations or 1, group or 1, x_zero_point=x_zero, weight_zero_point=w_zero,
                scale=x_scale.astype(np.float64) * w_scale / y_scale, y_zero_point=y_zero),)

    return QLinearConv


@pytest.mark.parametrize("signed", [False, True], ids=["uint8", "int8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_quantised_network(tmp_path, per_channel, signed):
    """Quantised by ONNX Runtime, run by it and by us: at most one unit of its integers apart."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    quantization = pytest.importorskip("onnxruntime.quantization", reason="of ONNX Runtime")
    from onnx.reference import ReferenceEvaluator

    x, labels, layers = trained_network()
    onnx.save(onnx_model(onnx, layers), tmp_path / "float.onnx")

    kind = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8
    quantization.quantize_static(
        tmp_path / "float.onnx", tmp_path / "int8.onnx", reader(x[:200]), activation_type=kind,
        quant_format=quantization.QuantFormat.QOperator, per_channel=per_channel,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=not signed)  # without VNNI its sums of bytes saturate  # fmt: skip
    model = onnx.load(tmp_path / "int8.onnx")
    last = [node for node in model.graph.node if node.op_type == "QLinearConv"][-1]
    integers = onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(last.output[0], integers, None))
    taken = []
    ours = ReferenceEvaluator(model, new_ops=[our_qlinear_conv(taken)])
    theirs = runtime.InferenceSession(model.SerializeToString(),
                                      providers=["CPUExecutionProvider"])  # fmt: skip
    images = x[1200:1500]
    (_, got), (_, expected) = ours.run(None, {"x": images}), theirs.run(None, {"x": images})
    assert len(taken) == len(layers)
    assert got.dtype == expected.dtype
    apart = np.abs(got.astype(int) - expected.astype(int))
    assert apart.max() <= 1
    assert (apart == 0).mean() > 0.9
    (_, exact) = ReferenceEvaluator(model).run(None, {"x": images[:2]})
    np.testing.assert_array_equal(got[:2], exact)
    # and it reads digits, as the network of floats does
    right = (got.reshape(300, 10).argmax(1) == labels[1200:1500]).mean()
    floats = fastconv.conv2d(features(images, layers[:-1]), layers[-1][0]).reshape(300, 10)
    assert right > (floats.argmax(1) == labels[1200:1500]).mean() - 0.05 > 0.75


# ---- a network that a package ships ----

SHIPPED = importlib.util.find_spec("rapidocr_onnxruntime")


def text_direction():
    """Of the family of MobileNet v3: 53 convolutions, 11 of them depthwise and 41 of 1x1."""
    return (Path(SHIPPED.submodule_search_locations[0]) / "models"
            / "ch_ppocr_mobile_v2.0_cls_infer.onnx")


def pictures(count):
    """Cut out of photographs, as the network wants them."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    photographs = datasets.load_sample_images().images
    rng = np.random.default_rng(0)
    cut = []
    for i in range(count):
        photograph = photographs[i % 2]
        row, column = (rng.integers(0, n - m) for n, m in zip(
            photograph.shape, (48, 192), strict=False))
        cut.append(photograph[row:row + 48, column:column + 192].transpose(2, 0, 1))
    return np.array(cut, np.float32) / 127.5 - 1


def ours_of(node, constants, x, taken):
    """What `qconv2d` makes of a QLinearConv's input."""
    operator = our_qlinear_conv(taken)
    options = {a.name: a.ints or a.i for a in node.attribute if a.name != "auto_pad"}
    arguments = [constants[name] for name in node.input[1:]]
    return operator._run(None, x, *arguments, **options)[0]


@pytest.mark.needs(SHIPPED is not None, "the networks of the package rapidocr-onnxruntime")
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_shipped_network(tmp_path, per_channel):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    quantization = pytest.importorskip("onnxruntime.quantization", reason="of ONNX Runtime")
    from onnx.reference import ReferenceEvaluator
    from onnxruntime.quantization.shape_inference import quant_pre_process

    newer = onnx.version_converter.convert_version(onnx.load(text_direction()), 21)
    onnx.save(newer, tmp_path / "newer.onnx")
    quant_pre_process(str(tmp_path / "newer.onnx"), str(tmp_path / "float.onnx"),
                      skip_symbolic_shape=True)  # fmt: skip
    images = pictures(20)

    quantization.quantize_static(
        tmp_path / "float.onnx", tmp_path / "int8.onnx", reader(images[:16]),
        quant_format=quantization.QuantFormat.QOperator, per_channel=per_channel,
        op_types_to_quantize=["Conv"], activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=True)  # without VNNI its sums of bytes saturate  # fmt: skip
    model = onnx.load(tmp_path / "int8.onnx")
    layers = [node for node in model.graph.node if node.op_type == "QLinearConv"]
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    (result,) = [one.name for one in model.graph.output]
    seen = dict.fromkeys(name for node in layers for name in (node.input[0], node.output[0]))
    for name in seen:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    session = runtime.InferenceSession(model.SerializeToString(),
                                       providers=["CPUExecutionProvider"])  # fmt: skip
    values = session.run([result, *seen], {"x": images[16:]})
    theirs = dict(zip([result, *seen], values, strict=True))
    # each layer of what it had
    taken, equal, total = [], 0, 0
    for node in layers:
        got = ours_of(node, constants, theirs[node.input[0]], taken)
        expected = theirs[node.output[0]]
        assert got.dtype == expected.dtype
        apart = np.abs(got.astype(int) - expected.astype(int))
        assert apart.max() <= 1, node.name
        equal, total = equal + (apart == 0).sum(), total + apart.size
    assert len(taken) == len(layers) == 53
    assert equal / total > 0.999
    # and the whole
    ours = ReferenceEvaluator(model, new_ops=[our_qlinear_conv(taken)])
    directions = ours.run([result], {"x": images[16:]})[0]
    np.testing.assert_allclose(directions, theirs[result], atol=0.02)
