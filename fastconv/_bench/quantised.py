"""Quantised layers: `plan_qconv`, and what the peers have for them, in turn.

Images are of uint8 and weights of int8, with a scale for each filter; results are of uint8. ncnn
knows no zero points: its images and results are of int8, and the numbers such that these hold
them. Beside them stand our own direct sums of the same layer in float32, without any
requantization.
"""

import fnmatch
import importlib
import math
from dataclasses import dataclass
from functools import partial

import numpy as np

import fastconv
from fastconv._bench import peers
from fastconv._bench.filters import against
from fastconv._bench.filters import contenders as named
from fastconv._bench.filters import run as run_cases
from fastconv._bench.peers import Contender, Fastconv
from fastconv._bench.targets import Result, Row

X_ZERO, Y_ZERO = 7, 3   # zero points
X_END = X_ZERO + 128    # that images stay below
X_RMS, WEIGHT_RMS = 71, 36.5  # of a pixel less its zero point, and of a weight
STEPS_OF_STD = 12       # of results, that a filter's sums deviate by on the average


@dataclass(frozen=True)
class QuantisedLayer:
    """A square layer of a network."""

    group: str
    channels: int
    filters: int
    side: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def name(self):
        """As ``64 > 64 56 3x3 s2 g64``."""
        stride = f" s{self.stride}" if self.stride > 1 else ""
        groups = f" g{self.groups}" if self.groups > 1 else ""
        return (f"{self.channels} > {self.filters} {self.side} {self.kernel}x{self.kernel}"
                f"{stride}{groups}")


LAYERS = (
    *(QuantisedLayer("3x3", c, c, n, 3) for c, n in ((64, 56), (128, 28), (256, 14), (512, 7))),
    QuantisedLayer("3x3", 128, 128, 56, 3, 2),
    QuantisedLayer("3x3", 256, 256, 56, 3),
    QuantisedLayer("1x1", 64, 256, 56, 1),
    QuantisedLayer("1x1", 1024, 256, 14, 1),
    QuantisedLayer("1x1", 512, 512, 14, 1),
    QuantisedLayer("first", 3, 64, 224, 7, 2),
    QuantisedLayer("first", 3, 64, 224, 3),
    QuantisedLayer("other", 16, 32, 28, 5),
    QuantisedLayer("other", 128, 128, 56, 3, 1, 32),
    *(QuantisedLayer("depthwise", c, c, n, k, s, c) for c, n, k, s in (
        (64, 112, 3, 1), (64, 112, 3, 2), (128, 56, 3, 1), (512, 14, 3, 1), (512, 14, 3, 2),
        (240, 28, 5, 1), (96, 56, 7, 1))),
)


@dataclass(frozen=True)
class QuantisedCase:
    """One measurement: every contender computes this layer of one image."""

    layer: QuantisedLayer
    threads: int = 1

    pools = False
    dtype = "uint8"
    # ONNX Runtime multiplies by scales in float32: a result may be one unit off.
    largest, tolerance = 255, 1.01 / 255

    @property
    def filter(self):
        """What reports group by."""
        return self.layer

    @property
    def name(self):
        """The layer and the number of threads."""
        return self.layer.name + ("" if self.threads == 1 else f", {self.threads} threads")

    @property
    def shape(self):
        """The image's."""
        return 1, self.layer.channels, self.layer.side, self.layer.side

    @property
    def padding(self):
        """On both sides of both axes."""
        return self.layer.kernel // 2

    @property
    def geometry(self):
        """Arguments of every call of ours."""
        return {"stride": self.layer.stride, "padding": self.padding,
                "groups": self.layer.groups, "num_threads": self.threads}

    @property
    def arrays(self):
        """x, weight, bias, and a scale for each filter."""
        rng = np.random.default_rng(0)
        one = self.layer
        shape = one.filters, one.channels // one.groups, one.kernel, one.kernel
        x = rng.integers(0, X_END, self.shape, np.uint8)
        # of seven bits, as quantisers for x86 reduce them: some peers add products in 16 bits
        weight = rng.integers(-63, 64, shape, np.int8)
        bias = rng.integers(-1000, 1000, one.filters, np.int32)
        deviation = X_RMS * WEIGHT_RMS * math.sqrt(weight[0].size)
        scale = (0.5 + rng.random(one.filters)) * STEPS_OF_STD / deviation
        return x, weight, bias, scale.astype(np.float32).astype(np.float64)

    @property
    def _outputs(self):
        one = self.layer
        return one.filters * ((one.side + 2 * self.padding - one.kernel) // one.stride + 1) ** 2

    @property
    def flops(self):
        """Operations of direct sums, two for a product and its addition."""
        one = self.layer
        return 2 * self._outputs * one.channels // one.groups * one.kernel**2

    @property
    def bytes(self):
        """Bytes of the image, the weights and the result."""
        one = self.layer
        weights = one.filters * one.channels // one.groups * one.kernel**2
        return math.prod(self.shape) + weights + self._outputs


def combine(names=("all",), threads=(1,)):
    """The cases of groups or globs of names.

    Raises
    ------
    ValueError
        If one names nothing.
    """
    def called(one, name):
        return name in ("all", one.group) or fnmatch.fnmatch(one.name, name)

    for name in names:
        if not any(called(one, name) for one in LAYERS):
            groups = ", ".join(dict.fromkeys(one.group for one in LAYERS))
            raise ValueError(f"no quantised layer is called {name!r}; there are {groups}")
    return [QuantisedCase(one, count) for count in threads for one in LAYERS
            if any(called(one, name) for name in names)]


# ---- the contenders ----


class Ours(Contender):
    """`fastconv.plan_qconv`."""

    name, module, package, ours, packs = "fastconv", "fastconv", "fastconv", True, True
    last = False

    version = Fastconv.version

    def refuses(self, case):
        return None

    def prepare(self, case):
        x, weight, bias, scale = case.arrays
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if self.last else x
        plan = fastconv.plan_qconv(
            x.shape, weight, bias, scale=scale, x_zero_point=X_ZERO, y_zero_point=Y_ZERO,
            data_format="channels_last" if self.last else "channels_first", **case.geometry)
        return partial(plan, x, out=plan(x)), self._fetch

    def _fetch(self, y):
        return (np.moveaxis(y, -1, 1) if self.last else y).astype(np.float64)


class OursLast(Ours):
    """The same with channels last."""

    name, last = "last", True


class OursInFloats(Ours):
    """Direct sums in float32 by a plan; what would come after them is not in the call."""

    name = "float32"

    def prepare(self, case):
        x, weight, bias, scale = case.arrays
        images = (x - np.float32(X_ZERO)).astype(np.float32)
        plan = fastconv.plan_conv(images.shape, weight.astype(np.float32),
                                  bias.astype(np.float32), method="auto", precision="highest",
                                  **case.geometry)

        def fetch(y):
            y = np.rint(y * scale[:, None, None]) + Y_ZERO
            return y.clip(0, 255).astype(np.float64)

        return partial(plan, images, out=plan(images)), fetch


class OfOnnx(Contender):
    """What reads a model of ONNX's, which that package writes."""

    packs = True

    @classmethod
    def installed(cls):
        return super().installed() and importlib.util.find_spec("onnx") is not None

    def refuses(self, case):
        return None


class OnnxRuntime(OfOnnx):
    """`QLinearConv`, channels first as ONNX has it."""

    name, module, package = "ort", "onnxruntime", "onnxruntime"

    def prepare(self, case):
        runtime = importlib.import_module("onnxruntime")
        x, weight, bias, scale = case.arrays
        options = runtime.SessionOptions()
        options.intra_op_num_threads = case.threads
        session = runtime.InferenceSession(self._model(case, weight, bias, scale), options,
                                           providers=["CPUExecutionProvider"])
        return partial(session.run, None, {"x": x}), lambda y: y[0].astype(np.float64)

    @staticmethod
    def _model(case, weight, bias, scale):
        constants = _constants(weight, scale) | {"b": bias}
        return _onnx_model(case, [("QLinearConv", ["x", *constants], "y")], constants)


def _constants(weight, scale):
    """Of `QLinearConv`, in its order."""
    return {"xs": np.float32(1), "xz": np.uint8(X_ZERO), "w": weight,
            "ws": scale.astype(np.float32), "wz": np.zeros(len(scale), np.int8),
            "ys": np.float32(1), "yz": np.uint8(Y_ZERO)}


def _onnx_model(case, nodes, constants):
    """A model of nodes, each an operator's name, its inputs and its output."""
    from onnx import TensorProto, helper, numpy_helper

    options = {"strides": [case.layer.stride] * 2, "pads": [case.padding] * 4,
               "group": case.layer.groups}
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [output],
                          **options if "Conv" in operator else {"axis": 0})
         for operator, inputs, output in nodes], "layer",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, case.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


class OpenVino(OfOnnx):
    """OpenVINO's CPU plugin, of a convolution between its dequantization and quantization, which
    it makes one of integers."""

    name, module, package = "openvino", "openvino", "openvino"

    def prepare(self, case):
        ov = importlib.import_module("openvino")
        core = ov.Core()
        compiled = core.compile_model(
            core.read_model(model=self._model(case)), "CPU",
            {"INFERENCE_NUM_THREADS": case.threads, "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()
        request.set_input_tensor(ov.Tensor(case.arrays[0], shared_memory=False))
        return request.infer, lambda _: request.get_output_tensor().data.astype(np.float64)

    @staticmethod
    def _model(case):
        _, weight, bias, scale = case.arrays
        constants = _constants(weight, scale) | {"b": (bias * scale).astype(np.float32)}
        return _onnx_model(case, [
            ("DequantizeLinear", ["x", "xs", "xz"], "images"),
            ("DequantizeLinear", ["w", "ws", "wz"], "weights"),
            ("Conv", ["images", "weights", "b"], "sums"),
            ("QuantizeLinear", ["sums", "ys", "yz"], "y")], constants)


class Ncnn(Contender):
    """ncnn's quantised convolution, with images and results less their zero points, as int8."""

    name, module, package, packs = "ncnn", "ncnn", "ncnn", True

    INT8_WEIGHTS = 0x000D4B38   # the tag before them
    SCALED_RESULTS = 101        # of int8, with a scale of their own

    def refuses(self, case):
        if 1 < case.layer.groups < case.layer.filters:
            return "has one scale for all filters of a group"
        return None

    def _model(self, case):
        """A text of layers; and weights, bias in results, and scales by which ncnn multiplies."""
        one, (_, weight, bias, scale) = case.layer, case.arrays
        kind = "Convolution" if one.groups == 1 else "ConvolutionDepthWise"
        values = {0: one.filters, 1: one.kernel, 3: one.stride, 4: case.padding, 5: 1,
                  6: weight.size, 8: self.SCALED_RESULTS}
        if one.groups > 1:
            values[7] = one.groups
        arguments = " ".join(f"{key}={value}" for key, value in values.items())
        text = f"7767517\n2 2\nInput x 0 1 x\n{kind} layer 1 1 x y {arguments}\n"
        floats = np.concatenate([bias * scale, 1 / scale, [1, 1]]).astype(np.float32)
        return text, (np.uint32(self.INT8_WEIGHTS).tobytes() + weight.tobytes()
                      + bytes(-weight.size % 4) + floats.tobytes())

    def prepare(self, case):
        ncnn = importlib.import_module("ncnn")
        net = peers.Ncnn.net(*self._model(case), case.threads)
        pixels = (case.arrays[0][0] - X_ZERO).view(np.int8)
        image = ncnn.Mat(pixels).clone()

        def call():
            extractor = net.create_extractor()
            extractor.input("x", image)
            return extractor.extract("y")[1]

        return call, lambda y: (np.array(y)[None] + np.float64(Y_ZERO)).clip(0, 255)


class Torch(Contender):
    """PyTorch's quantised operator of the x86 engine, with channels last, which it prefers."""

    name, module, package, packs = "torch", "torch", "torch", True

    def refuses(self, case):
        return None

    def prepare(self, case):
        torch = importlib.import_module("torch")
        torch.set_num_threads(case.threads)
        torch.backends.quantized.engine = "x86"
        x, weight, bias, scale = case.arrays
        image = torch._make_per_tensor_quantized_tensor(torch.from_numpy(x), 1.0, X_ZERO)
        image = image.contiguous(memory_format=torch.channels_last)
        zeros = torch.zeros(len(scale), dtype=torch.long)
        filters = torch._make_per_channel_quantized_tensor(
            torch.from_numpy(weight), torch.from_numpy(scale), zeros, 0)
        packed = torch.ops.quantized.conv2d_prepack(
            filters, torch.from_numpy(bias * scale).float(), [case.layer.stride] * 2,
            [case.padding] * 2, [1, 1], case.layer.groups)
        call = partial(torch.ops.quantized.conv2d, image, packed, 1.0, Y_ZERO)
        return call, lambda y: y.int_repr().contiguous().numpy().astype(np.float64)


OURS, PEERS = (Ours, OursLast, OursInFloats), (OnnxRuntime, Torch, OpenVino, Ncnn)


contenders = partial(named, ours=OURS, rivals=PEERS, what="quantised layers")


# ---- the targets ----


def against_fastest(m):
    """How many times as fast as the fastest peer, ours in the faster layout."""
    peers = [m.timings[kind.name].best for kind in PEERS if kind.name in m.timings]
    ours = [m.timings[kind.name].best for kind in (Ours, OursLast) if kind.name in m.timings]
    return min(peers) / min(ours) if peers and ours else None


def against_floats(m):
    """The same against our own float32."""
    ratios = [against("float32", name)(m) for name in ("fastconv", "last")]
    return max(filter(None, ratios), default=None)


ROWS = (
    Row("quantised", "uint8 by int8, against the fastest peer", 1.5, against_fastest),
    Row("quantised-floats", "the same, against our float32", 2.5, against_floats),
)


def judge(measured):
    """What each target's cases reached; the rows without any are left out."""
    results = []
    for row in ROWS:
        figures = {m.case.name: value for m in measured if (value := row.figure(m))}
        if figures:
            results.append(Result(row, len(figures), figures))
    return results


def run(cases, contenders, seconds=0.1, rounds=3):
    """Measure every case, print the tables; return measurements and the results of targets."""
    return run_cases(cases, contenders, seconds, rounds, judge)
