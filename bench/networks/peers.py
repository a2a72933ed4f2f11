"""The same networks in PyTorch, as ONNX models, and as ncnn reads them."""

from functools import partial

import numpy as np

from .layers import Concat, Conv, Dense, Flatten, Pool


class TorchRunner:
    """A network computed by PyTorch, layer by layer.

    Parameters
    ----------
    network : Network
        What to compute.
    dtype : str
        Of the computation; the weights are the network's float32 ones.
    memory_format : str
        "contiguous_format" or "channels_last".
    fold : bool
        Fold batch normalisations into the convolutions, or compute them.
    """

    def __init__(self, network, dtype="float32", memory_format="contiguous_format", fold=True):
        import torch

        self.torch, self.network, self.dtype = torch, network, getattr(torch, dtype)
        self.layout, self.fold = getattr(torch, memory_format), fold
        self.calls = [self._prepare(layer) for layer in network.layers[1:]]

    def tensor(self, array):
        """An array as a tensor, in the layout if it has planes."""
        tensor = self.torch.from_numpy(array).to(self.dtype)
        return tensor.contiguous(memory_format=self.layout) if array.ndim == 4 else tensor

    def __call__(self, x):
        """Return the scores of the classes."""
        return self.network.last(self.walk(x))

    def walk(self, x):
        """Compute layer by layer; yield each with its result."""
        return self.network.walk(self.calls, x)

    def _prepare(self, layer):
        functional = self.torch.nn.functional
        match layer:
            case Conv():
                return self._conv(layer)
            case Pool() if layer.whole and layer.kind == "avg":
                return partial(functional.adaptive_avg_pool2d, output_size=1)
            case Pool():
                pool = functional.max_pool2d if layer.kind == "max" else functional.avg_pool2d
                return partial(pool, **layer.geometry)
            case Concat():
                return lambda *branches: self.torch.cat(branches, 1)
            case Flatten():
                return partial(self.torch.flatten, start_dim=1)
            case Dense():
                weight, bias = self.tensor(layer.weight), self.tensor(layer.bias)
                activate = self._activation(layer.activation)
                return lambda x: activate(functional.linear(x, weight, bias))

    def _conv(self, layer):
        functional, geometry = self.torch.nn.functional, layer.geometry
        activate = self._activation(layer.activation)
        folds = self.fold or not layer.norm
        weight, bias = map(self.tensor, layer.folded) if folds else (self.tensor(layer.weight), 0)

        def conv(x, residual=None):
            y = functional.conv2d(x, weight, bias, **geometry)
            return activate(y if residual is None else y.add_(residual))

        def conv_and_norm(x, residual=None):
            y = functional.conv2d(x, weight, **geometry)
            y = functional.batch_norm(y, mean, variance, scale, shift, eps=layer.epsilon)
            return activate(y if residual is None else y + residual)

        if folds:
            return conv
        scale, shift, mean, variance = map(self.tensor, layer.statistics)
        return conv_and_norm

    def _activation(self, name):
        """The activation, in place."""
        torch = self.torch
        return {
            None: lambda y: y,
            "relu": torch.relu_,
            "relu6": lambda y: torch.clamp_(y, 0, 6),
            "tanh": torch.tanh_,
        }[name]


def onnx_model(network, batch=1):
    """Serialise a network as an ONNX model with input ``x`` and output ``y``, norms folded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, initializers = [], []

    def constant(name, array):
        initializers.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def node(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def activate(layer, value):
        match layer.activation:
            case "relu" | "tanh" as name:
                return node(name.capitalize(), [value], f"{layer.name}.{name}")
            case "relu6":
                limits = constant(f"{layer.name}.lo", 0), constant(f"{layer.name}.hi", 6)
                return node("Clip", [value, *limits], f"{layer.name}.relu6")
        return value

    values = {network.layers[0]: "x"}
    for layer in network.layers[1:]:
        name, inputs = layer.name, [values[source] for source in layer.inputs]
        match layer:
            case Conv():
                parts = zip(("weight", "bias"), layer.folded, strict=True)
                constants = [constant(f"{name}.{part}", array) for part, array in parts]
                y = node("Conv", [inputs[0], *constants], name, group=layer.geometry["groups"],
                         kernel_shape=layer.weight_shape[2:],
                         strides=[layer.geometry["stride"]] * 2,
                         pads=[layer.geometry["padding"]] * 4)  # fmt: skip
                if layer.residual is not None:
                    y = node("Add", [y, inputs[1]], f"{name}.sum")
                values[layer] = activate(layer, y)
            case Pool() if layer.whole and layer.kind == "avg":
                values[layer] = node("GlobalAveragePool", inputs, name)
            case Pool():
                operator = "MaxPool" if layer.kind == "max" else "AveragePool"
                values[layer] = node(operator, inputs, name,
                                     kernel_shape=[layer.geometry["kernel_size"]] * 2,
                                     strides=[layer.geometry["stride"]] * 2,
                                     pads=[layer.geometry["padding"]] * 4,
                                     ceil_mode=int(layer.geometry["ceil_mode"]))  # fmt: skip
            case Concat():
                values[layer] = node("Concat", inputs, name, axis=1)
            case Flatten():
                values[layer] = node("Flatten", inputs, name)
            case Dense():
                constants = [constant(f"{name}.weight", layer.weight),
                             constant(f"{name}.bias", layer.bias)]  # fmt: skip
                y = node("Gemm", [*inputs, *constants], name, transB=1)
                values[layer] = activate(layer, y)
    last = network.layers[-1]
    node("Identity", [values[last]], "y")
    shapes = {"x": (batch, *network.layers[0].shape), "y": (batch, *last.shape)}
    x, y = (helper.make_tensor_value_info(key, TensorProto.FLOAT, shape)
            for key, shape in shapes.items())  # fmt: skip
    graph = helper.make_graph(nodes, network.name, [x], [y], initializers)
    # Versions old enough for every engine to read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()



def ncnn_model(network):
    """A network as ncnn reads it: the text of its layers and the bytes of its weights."""
    lines, weights, readers = [], [], {}
    for layer in network.layers[1:]:
        for source in layer.inputs:
            readers[source] = readers.get(source, 0) + 1
    blobs = {}  # the names under which a result is still to be read, each once

    def add(kind, name, inputs, values=(), outputs=None):
        outputs = outputs or [name]
        text = " ".join(f"{key}={value}" for key, value in dict(values).items())
        lines.append(
            f"{kind} {name} {len(inputs)} {len(outputs)} {' '.join([*inputs, *outputs])} {text}"
        )
        return outputs

    def publish(layer, blob):
        copies = [f"{blob}.{i}" for i in range(readers.get(layer, 1))]
        blobs[layer] = add("Split", f"{blob}.split", [blob], (), copies) if copies[1:] else [blob]

    def weighted(kind, layer, weight, bias, inputs, values):
        # The four bytes say that plain float32 weights follow.
        weights.extend([bytes(4), weight.tobytes(), bias.tobytes()])
        summed = getattr(layer, "residual", None) is not None
        # Activations that it fuses; the others are layers.
        fused = {"relu": {9: 1}, "relu6": {9: 3, -23310: "2,0.0,6.0"}}.get(layer.activation, {})
        (blob,) = add(kind, layer.name, inputs[:1], values | ({} if summed else fused))
        if summed:
            (blob,) = add("BinaryOp", f"{layer.name}.sum", [blob, inputs[1]], {0: 0})
        if layer.activation and (summed or not fused):
            kind, values = {"relu": ("ReLU", {}), "tanh": ("TanH", {}),
                            "relu6": ("Clip", {0: 0.0, 1: 6.0})}[layer.activation]  # fmt: skip
            (blob,) = add(kind, f"{layer.name}.{layer.activation}", [blob], values)
        return blob

    add("Input", "x", [])
    publish(network.layers[0], "x")
    for layer in network.layers[1:]:
        inputs = [blobs[source].pop() for source in layer.inputs]
        match layer:
            case Conv():
                (weight, bias), how = layer.folded, layer.geometry
                values = {0: len(weight), 1: weight.shape[2], 3: how["stride"], 4: how["padding"],
                          5: 1, 6: weight.size}  # fmt: skip
                kind = "Convolution"
                if how["groups"] > 1:
                    kind, values = "ConvolutionDepthWise", values | {7: how["groups"]}
                blob = weighted(kind, layer, weight, bias, inputs, values)
            case Dense():
                values = {0: len(layer.bias), 1: 1, 2: layer.weight.size}
                blob = weighted("InnerProduct", layer, layer.weight, layer.bias, inputs, values)
            case Pool():
                how = layer.geometry
                values = {0: int(layer.kind == "avg"), 1: how["kernel_size"], 2: how["stride"],
                          3: how["padding"], 4: int(layer.whole), 5: int(not how["ceil_mode"]),
                          6: 1}  # fmt: skip
                (blob,) = add("Pooling", layer.name, inputs, values)
            case Concat():
                (blob,) = add("Concat", layer.name, inputs, {0: 0})
            case Flatten():
                (blob,) = add("Flatten", f"{layer.name}{layer.index}", inputs)
        publish(layer, blob)
    add("Noop", "y", blobs[network.layers[-1]])
    blob_count = sum(int(line.split()[3]) for line in lines)
    text = "\n".join(["7767517", f"{len(lines)} {blob_count}", *lines, ""])
    return text, b"".join(weights)
