"""
An ONNX file on fastconv's operators
====================================

``onnx`` brings an evaluator in plain Python, made to be right rather than quick. It takes operators
of one's own: with convolution and pooling by fastconv it runs a whole network, and there is no
parser to write.
"""

import contextlib
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import fastconv
from fastconv._demo import lenet

# %%
# The operators
# -------------
#
# A class named after the operator, whose ``_run`` gets the arrays and the attributes. ONNX lists
# padding as all beginnings, then all ends; fastconv wants a pair for each axis.


def window(auto_pad, pads, strides, dilations, rank):
    """Stride, padding and dilation as fastconv has them."""
    named = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}
    pads = pads or [0] * (2 * rank)
    return {
        "stride": strides or 1,
        "padding": named.get(auto_pad) or list(zip(pads[:rank], pads[rank:], strict=True)),
        "dilation": dilations or 1,
    }


class Conv(OpRun):
    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None,
             pads=None, strides=None):
        options = window(auto_pad, pads, strides, dilations, x.ndim - 2)
        return (fastconv.conv(x, w, b, groups=group or 1, **options),)


class MaxPool(OpRun):
    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None,
             storage_order=None, strides=None):
        options = window(auto_pad, pads, strides or [1] * (x.ndim - 2), dilations, x.ndim - 2)
        return (fastconv.max_pool(x, kernel_shape, ceil_mode=bool(ceil_mode), **options),)


class AveragePool(OpRun):
    def _run(self, x, auto_pad=None, ceil_mode=None, count_include_pad=None, dilations=None,
             kernel_shape=None, pads=None, strides=None):
        options = window(auto_pad, pads, strides or [1] * (x.ndim - 2), dilations, x.ndim - 2)
        options |= {"ceil_mode": bool(ceil_mode), "count_include_pad": bool(count_include_pad)}
        return (fastconv.avg_pool(x, kernel_shape, **options),)


# %%
# A network in a file
# -------------------
#
# Any would do that uses these operators and the evaluator's own. Here it is LeNet-5, trained for
# three rounds on the digits of scikit-learn and written as ONNX.

rng = np.random.default_rng(0)
digits = lenet.digits(rng)
bar = SimpleNamespace(update=lambda: None, set_postfix=lambda **told: None)
net, _ = lenet.train(digits, rng, lambda **told: contextlib.nullcontext(bar), epochs=3)

nodes = []


def node(operator, inputs, output, **attributes):
    """One more step of the graph."""
    nodes.append(helper.make_node(operator, inputs, [output], **attributes))
    return output


value = "image"
for conv, pool in (("c1", "s2"), ("c3", "s4"), ("c5", None)):
    value = node("Conv", [value, conv, f"{conv}_bias"], f"{conv}_sums")
    value = node("Tanh", [value], f"{conv}_tanh")
    if pool:
        value = node("AveragePool", [value], pool, kernel_shape=[2, 2], strides=[2, 2])
value = node("Flatten", [value], "flat")
value = node("Gemm", [value, "f6", "f6_bias"], "f6_sums", transB=1)
value = node("Tanh", [value], "f6_tanh")
node("Gemm", [value, "out", "out_bias"], "scores", transB=1)

graph = helper.make_graph(
    nodes, "LeNet-5",
    [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 1, 32, 32])],
    [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 10])],
    [onnx.numpy_helper.from_array(array, name) for name, array in net.params.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
onnx.checker.check_model(model)
print(len(model.SerializeToString()), "bytes,", len(nodes), "nodes")

# %%
# Run it
# ------
#
# ``new_ops`` replaces the evaluator's operators of these names.

ours = ReferenceEvaluator(model, new_ops=[Conv, MaxPool, AveragePool])
plain = ReferenceEvaluator(model)

(scores,) = ours.run(None, {"image": digits.test})
print(f"{(scores.argmax(1) == digits.test_labels).mean():.1%} of the held-out digits")

(expected,) = plain.run(None, {"image": digits.test[:8]})
print("largest difference from onnx's own operators:", np.abs(scores[:8] - expected).max())
print("from the network in Python:", np.abs(scores - net.forward(digits.test)["out"]).max())

# %%
fig, axes = plt.subplots(2, 8, figsize=(8, 2.4))
for column, image, row in zip(axes.T, digits.test, scores, strict=False):
    column[0].imshow(image[0], cmap="gray_r")
    column[0].set_title(f"read as {row.argmax()}", fontsize=7)
    column[0].axis("off")
    column[1].bar(range(10), np.exp(row - row.max()) / np.exp(row - row.max()).sum())
    column[1].set(ylim=(0, 1), yticks=[], xticks=[0, 5, 9])

# %%
# The test suite runs ONNX's own cases for these and eight more operators through such adapters:
# ``tests/test_onnx.py``.
