"""The contenders: fastconv and everything it is compared with, one small class each.

A contender says what it cannot express (`refuses`) and turns a case into a call without arguments
(`prepare`). What may be done once, such as packing weights, compiling a graph or laying the input
out in memory, is done in `prepare`; the call is what a second, third, ... image would cost.
"""

import contextlib
import importlib
import importlib.util
import math
import tempfile
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

import fastconv
from fastconv._select import ALGORITHMS


class Contender:
    """Base class.

    Attributes
    ----------
    name : str
        What tables call it.
    module, package : str
        What is imported, and what its version is looked up by.
    ours : bool
        Whether it is fastconv itself.
    packs : bool
        Whether weights are packed before the call that is timed.
    """

    name = module = package = ""
    ours = packs = False

    @classmethod
    def installed(cls):
        """Whether its package is there."""
        return importlib.util.find_spec(cls.module) is not None

    @classmethod
    def version(cls):
        """The version of its package."""
        return metadata.version(cls.package)

    def refuses(self, case):
        """Return why `case` cannot be expressed, or None."""
        return None if case.plain else "has zeros for padding, as many at both ends"

    def prepare(self, case):
        """Return ``(call, fetch)``: ``fetch(call())`` is the result, channels first."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------ fastconv


class Fastconv(Contender):
    """The functions of fastconv, which get the weights anew at every call."""

    name, module, package, ours = "fastconv", "fastconv", "fastconv", True

    def __init__(self, data_format="channels_first", method="auto", precision=None):
        self.data_format, self.method, self.precision = data_format, method, precision

    @classmethod
    def version(cls):
        return fastconv.__version__

    def refuses(self, case):
        return None

    def _layout(self, array):
        if self.data_format == "channels_last":
            return np.ascontiguousarray(np.moveaxis(array, 1, -1))
        return array

    def _fetch(self, array):
        return np.moveaxis(array, -1, 1) if self.data_format == "channels_last" else array

    def prepare(self, case):
        common = {"data_format": self.data_format, "num_threads": case.threads}
        geometry = case.layer.kwargs() | common
        x, fetch = self._layout(case.x), self._fetch
        grad = None if case.forward else self._layout(case.grad)
        if case.pools:
            pool = f"{case.layer.kind}_pool{case.rank}d"
            if case.forward:
                return partial(getattr(fastconv, pool), x, **geometry), fetch
            backward = getattr(fastconv, pool + "_backward")
            if case.layer.kind == "avg":
                return partial(backward, grad, x.shape, **geometry), fetch
            # Indices count within the plane, whatever the layout.
            return partial(backward, grad, self._layout(case.indices), x.shape, **common), fetch

        geometry |= {"method": self.method, "precision": self.precision}
        conv = f"conv{case.rank}d"
        if case.forward:
            return partial(getattr(fastconv, conv), x, case.weight, case.bias, **geometry), fetch
        backward = getattr(fastconv, f"{conv}_{case.operation}")
        if case.operation == "backward_data":
            return partial(backward, grad, case.weight, x.shape, **geometry), fetch
        return partial(backward, grad, x, case.weight.shape, **geometry), np.asarray


class FastconvPlan(Fastconv):
    """`fastconv.plan_conv`: weights packed once, the output's memory used again."""

    name, packs = "plan", True

    def refuses(self, case):
        return "serves convolutions, forward" if case.pools or not case.forward else None

    def prepare(self, case):
        x = self._layout(case.x)
        plan = fastconv.plan_conv(
            x.shape, case.weight, case.bias, **case.layer.kwargs(), data_format=self.data_format,
            method=self.method, precision=self.precision, num_threads=case.threads,
        )  # fmt: skip
        return partial(plan, x, out=plan(x)), self._fetch


class FastconvOut(Fastconv):
    """The functions with `out`, as a copy has its target."""

    name = "out"

    def prepare(self, case):
        call, fetch = super().prepare(case)
        return partial(call, out=np.ascontiguousarray(call())), fetch


class FastconvMethod(Fastconv):
    """One algorithm, so that the automatic choice can be judged."""

    _limit = 4e10  # operations, some seconds, of one that adds up every product
    _slowest = 2e9  # the same for plain loops

    def __init__(self, name, **options):
        super().__init__(**options | {"method": name, "precision": "high"})
        self.name = name

    def refuses(self, case):
        if case.pools:
            return "is for convolutions"
        limit = {"fft": math.inf, "sliding": self._slowest}.get(self.method, self._limit)
        return "would take seconds a call" if case.flops > limit else None


class FastconvTwoThreads(FastconvPlan):
    """The plan on two threads, whatever the others have."""

    name = "plan-2t"

    def prepare(self, case):
        return super().prepare(replace(case, threads=2))


OURS = (FastconvPlan, Fastconv, FastconvOut, FastconvTwoThreads)
METHODS = tuple(algorithm.name for algorithm in ALGORITHMS)


# --------------------------------------------------------------------------------------- torch


class Torch(Contender):
    """PyTorch, contiguous tensors."""

    name = module = package = "torch"
    memory_format, volume_format = "contiguous_format", "contiguous_format"

    def prepare(self, case):
        import torch

        torch.set_num_threads(case.threads)
        torch.set_grad_enabled(False)
        layout = getattr(torch, self.memory_format if case.rank < 3 else self.volume_format)

        def tensor(array):
            return torch.from_numpy(array).contiguous(memory_format=layout)

        functional, aten = torch.nn.functional, torch.ops.aten
        layer, x = case.layer, tensor(case.x)
        grad = None if case.forward else tensor(case.grad)
        if case.pools:
            window = (layer.kernel, layer.stride, case.pads)
            name, ones = f"{layer.kind}_pool{case.rank}d", (1,) * case.rank
            match (layer.kind, case.forward):
                case ("max", True):
                    call = partial(getattr(functional, name), x, *window, 1, layer.ceil_mode)
                case ("max", False):
                    backward = getattr(aten, name + "_with_indices_backward")
                    call = partial(backward, grad, x, *window, ones, layer.ceil_mode,
                                   tensor(case.indices))  # fmt: skip
                case ("avg", True):
                    call = partial(getattr(functional, name), x, *window, layer.ceil_mode)
                case _:
                    call = partial(getattr(aten, name + "_backward"), grad, x, *window,
                                   layer.ceil_mode, True, None)  # fmt: skip
            return call, torch.Tensor.numpy

        weight, bias = tensor(case.weight), torch.from_numpy(case.bias)
        geometry = (layer.stride, case.pads, layer.dilation)
        if case.forward:
            conv = getattr(functional, f"conv{case.rank}d")
            return partial(conv, x, weight, bias, *geometry, layer.groups), torch.Tensor.numpy
        of_data = case.operation == "backward_data"
        call = partial(aten.convolution_backward, grad, x, weight, None, *geometry, False,
                       (0,) * case.rank, layer.groups, (of_data, not of_data, False))  # fmt: skip
        return call, lambda gradients: gradients[0 if of_data else 1].numpy()


class TorchChannelsLast(Torch):
    """PyTorch, tensors in channels-last order."""

    name = "torch-cl"
    memory_format, volume_format = "channels_last", "channels_last_3d"

    def refuses(self, case):
        return "has no channels-last signals" if case.rank == 1 else super().refuses(case)


# --------------------------------------------------------- inference engines, by one-node models


def onnx_model(case):
    """Serialise the layer as an ONNX model of one node, input ``x``, output ``y``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    layer = case.layer
    attributes = {"strides": layer.stride, "pads": (*case.pads, *case.pads)}
    inputs, initializers = ["x"], []
    if case.pools:
        operator = "MaxPool" if layer.kind == "max" else "AveragePool"
        attributes |= {"kernel_shape": layer.kernel, "ceil_mode": int(layer.ceil_mode)}
        if layer.kind == "avg":
            attributes["count_include_pad"] = 1
    else:
        operator = "Conv"
        attributes |= {"dilations": layer.dilation, "group": layer.groups}
        attributes["kernel_shape"] = layer.kernel
        inputs += ["w", "b"]
        initializers = [
            numpy_helper.from_array(case.weight, "w"), numpy_helper.from_array(case.bias, "b")
        ]  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], **attributes)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, case.x_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, case.y_shape)],
        initializers,
    )
    # Versions old enough for every engine to read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class Engine(Contender):
    """What inference engines have in common: float32, forward, a compiled graph."""

    packs = True
    needs: str | None = "onnx"

    def refuses(self, case):
        if not case.forward:
            return "has no backward pass"
        if case.dtype != "float32":
            return "float32 only"
        if not case.plain:
            return super().refuses(case)
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"needs the {self.needs} package to build its model"
        return None

    def model(self, case):
        """The serialised ONNX model to run."""
        return onnx_model(case)


class OnnxRuntime(Engine):
    """ONNX Runtime, input and output bound to memory beforehand."""

    name, module, package = "ort", "onnxruntime", "onnxruntime"

    def prepare(self, case):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = case.threads, 1
        options.log_severity_level = 3
        session = ort.InferenceSession(
            self.model(case), options, providers=["CPUExecutionProvider"]
        )
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(case.x))
        y = ort.OrtValue.ortvalue_from_shape_and_type(case.y_shape, np.float32)
        binding.bind_ortvalue_output("y", y)
        return partial(session.run_with_iobinding, binding), lambda _: y.numpy()


class OpenVino(Engine):
    """OpenVINO's CPU plugin, held to float32 where the machine would offer less."""

    name, module, package = "openvino", "openvino", "openvino"

    def prepare(self, case):
        import openvino as ov

        core = ov.Core()
        compiled = core.compile_model(
            core.read_model(model=self.model(case)),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": case.threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
            },
        )
        request = compiled.create_infer_request()
        request.set_input_tensor(ov.Tensor(case.x, shared_memory=True))
        return request.infer, lambda _: request.get_output_tensor().data.copy()


class Ncnn(Engine):
    """ncnn, with Winograd, held to float32; it has no batches, so images go one by one."""

    name, module, package, needs = "ncnn", "ncnn", "ncnn", None

    @staticmethod
    def _param(case):
        layer, suffix = case.layer, {1: "1D", 2: "", 3: "3D"}[case.rank]
        values = {}

        def each_axis(lengths, *keys):
            """Width, height and depth have keys of their own."""
            values.update(zip(keys, reversed(lengths), strict=False))

        if case.pools:
            kind = "Pooling" + suffix
            values |= {0: int(layer.kind == "avg"), 5: 0 if layer.ceil_mode else 1, 6: 1}
            each_axis(layer.kernel, 1, 11, 21)
            each_axis(layer.stride, 2, 12, 22)
            each_axis(case.pads, 3, 13, 23)
            each_axis(case.pads, 14, 15, 16)
        else:
            kind = ("Convolution" if layer.groups == 1 else "ConvolutionDepthWise") + suffix
            values |= {0: layer.filters, 5: 1, 6: math.prod(layer.weight_shape)}
            each_axis(layer.kernel, 1, 11, 21)
            each_axis(layer.dilation, 2, 12, 22)
            each_axis(layer.stride, 3, 13, 23)
            each_axis(case.pads, 4, 14, 24)
            if layer.groups > 1:
                values[7] = layer.groups
        arguments = " ".join(f"{key}={value}" for key, value in values.items())
        return f"7767517\n2 2\nInput x 0 1 x\n{kind} layer 1 1 x y {arguments}\n"

    def model(self, case):
        """What it reads: a text of layers, and their weights."""
        # The four bytes say that plain float32 weights follow.
        weights = bytes(4) + case.weight.tobytes() + case.bias.tobytes() if not case.pools else b""
        return self._param(case), weights

    @staticmethod
    def net(text, weights, threads):
        """A network of a text of layers and their weights, held to float32 and integers."""
        import ncnn

        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        with tempfile.TemporaryDirectory() as folder:
            param, model = Path(folder, "net.param"), Path(folder, "net.bin")
            param.write_text(text)
            model.write_bytes(weights)
            if net.load_param(str(param)) or net.load_model(str(model)):
                raise RuntimeError("the model was not accepted")
        return net

    def prepare(self, case):
        import ncnn

        net = self.net(*self.model(case), case.threads)
        images = [ncnn.Mat(image).clone() for image in case.x]

        def call():
            results = []
            for image in images:
                extractor = net.create_extractor()
                extractor.input("x", image)
                results.append(extractor.extract("y")[1])
            return results

        return call, lambda results: np.stack([np.array(result) for result in results])


class OpenCV(Contender):
    """OpenCV: `filter2D` for one channel, its DNN module (a one-node model) for layers."""

    name, module, package = "opencv", "cv2", "opencv-python-headless"
    packs = True

    @classmethod
    def version(cls):
        return importlib.import_module(cls.module).__version__

    def refuses(self, case):
        if not case.forward:
            return "has no backward pass"
        if case.single_channel and case.rank < 3:
            return None
        if case.rank == 1:
            return "its DNN module gets layers of one dimension wrong"  # 5.0.0, with padding
        return Engine.refuses(Engine(), case)

    def prepare(self, case):
        import cv2

        cv2.setNumThreads(case.threads)
        if case.single_channel and case.rank < 3:
            # A signal is an image of one row.
            image, kernel = np.atleast_2d(case.x[0, 0]), np.atleast_2d(case.weight[0, 0])
            delta = float(case.bias[0])
            # Bytes would saturate: their sums leave as float32.
            kind = np.float32 if image.dtype == np.uint8 else image.dtype
            depth = {"float32": cv2.CV_32F, "float64": cv2.CV_64F}[np.dtype(kind).name]
            border = cv2.BORDER_CONSTANT
            if case.layer.padding_mode == "symmetric":
                border = cv2.BORDER_REFLECT
            call = partial(cv2.filter2D, image, depth, kernel.astype(kind),
                           np.empty(image.shape, kind), delta=delta, borderType=border)
            return call, lambda y: y.reshape(case.y_shape)
        net = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model(case), np.uint8))

        def call():
            net.setInput(case.x)
            return net.forward()

        return call, np.copy


# ------------------------------------------------------------------------------ NumPy and SciPy


class SciPy(Contender):
    """`scipy.ndimage`, one plane and one kernel at a time, which is how it can be asked."""

    name = module = package = "scipy"
    _limit = 1.5  # seconds a call, by estimate, that are still worth waiting for

    def refuses(self, case):
        if not case.forward:
            return "has no backward pass"
        layer, planes = case.layer, case.batch * case.layer.channels
        if not case.plain and not case.single_channel:
            return super().refuses(case)
        if case.pools:
            return "no ceil_mode" if layer.ceil_mode else None
        calls = planes * layer.filters // layer.groups
        products = calls * math.prod(layer.spatial) * math.prod(layer.kernel)
        estimate = 2e-5 * calls + 1.5e-9 * products
        if estimate > self._limit:
            return f"would take some {estimate:.0f} s a call"
        return None

    @staticmethod
    def _prepare_image(case):
        """One image: padding is the function's own."""
        from scipy import ndimage

        mode = {"zeros": "constant", "symmetric": "reflect"}[case.layer.padding_mode]
        kind = case.dtype if np.dtype(case.dtype).kind == "f" else np.int64

        def call():
            y = ndimage.correlate(case.x[0, 0], case.weight[0, 0], kind, mode=mode)
            return y + case.bias[0]

        return call

    @staticmethod
    def _crop(layer, full):
        """Every stride-th position of a result that is as large as the padded input."""
        window, rank = [], len(layer.spatial)
        dilation = getattr(layer, "dilation", (1,) * rank)
        for n, k, s, d in zip(
            full.shape[-rank:], layer.kernel, layer.stride, dilation, strict=True
        ):
            extent = d * (k - 1) + 1
            start = extent // 2
            window.append(slice(start, n - (extent - 1 - start), s))
        return full[(..., *window)]

    def prepare(self, case):
        from scipy import ndimage

        layer = case.layer
        if case.single_channel:
            return self._prepare_image(case), lambda y: y.reshape(case.y_shape)
        width = [(0, 0), (0, 0), *((p, p) for p in case.pads)]
        if case.pools:
            size = (1, 1, *layer.kernel)

            def call():
                if layer.kind == "max":
                    padded = np.pad(case.x, width, constant_values=-np.inf)
                    return self._crop(layer, ndimage.maximum_filter(padded, size))
                return self._crop(layer, ndimage.uniform_filter(np.pad(case.x, width), size))

            return call, np.asarray

        # A dilated kernel is the kernel with zeros between its elements.
        extents = [d * (k - 1) + 1 for k, d in zip(layer.kernel, layer.dilation, strict=True)]
        kernels = np.zeros((*layer.weight_shape[:2], *extents), case.dtype)
        kernels[(..., *(slice(None, None, d) for d in layer.dilation))] = case.weight
        per_group = layer.filters // layer.groups

        def call():
            padded = np.pad(case.x, width)
            y = np.empty(case.y_shape, case.dtype)
            for image, result in zip(padded, y, strict=True):
                for k, kernel in enumerate(kernels):
                    first = k // per_group * kernels.shape[1]
                    total = sum(
                        ndimage.correlate(image[first + c], plane, mode="constant")
                        for c, plane in enumerate(kernel)
                    )
                    result[k] = self._crop(layer, total) + case.bias[k]
            return y

        return call, np.asarray


class SciPySignal(Contender):
    """`scipy.signal` on one image or signal of one channel, by direct sums."""

    name, module, package = "scipy-signal", "scipy", "scipy"
    _limit = 6e9  # multiply-adds, some six seconds

    def refuses(self, case):
        if not (case.forward and case.single_channel):
            return "filters single channels, forward"
        if case.layer.padding_mode != "zeros":
            return "has zeros for padding"
        products = math.prod(case.x_shape) * math.prod(case.layer.kernel)
        return f"would take some {products * 1e-9:.0f} s a call" if products > self._limit else None

    @staticmethod
    def _filter(case):
        from scipy import signal

        if case.rank == 2:  # `correlate2d` centres kernels of even length elsewhere
            return lambda x, kernel: signal.convolve2d(x, np.flip(kernel), mode="same")
        return partial(signal.correlate, mode="same", method="direct")

    def prepare(self, case):
        x, kernel, bias = case.x[0, 0], case.weight[0, 0], case.bias
        if x.dtype.kind != "f":  # its sums have the dtype of the image
            x, kernel = x.astype(np.int64), kernel.astype(np.int64)
        correlate = self._filter(case)
        return lambda: correlate(x, kernel) + bias, lambda y: y.reshape(case.y_shape)


class SciPyFFT(SciPySignal):
    """`scipy.signal.oaconvolve` on one image or signal of one channel: FFT, piece by piece."""

    name, _limit = "scipy-fft", math.inf

    @staticmethod
    def _filter(case):
        from scipy import signal

        return lambda x, kernel: signal.oaconvolve(x, np.flip(kernel), mode="same")


class NumPy(Contender):
    """The usual NumPy answer: `sliding_window_view`, then `matmul` or a reduction."""

    name = module = package = "numpy"

    def refuses(self, case):
        if not case.forward:
            return "has no backward pass"
        if not case.plain:
            return super().refuses(case)
        if case.pools:
            return "no ceil_mode" if case.layer.ceil_mode else None
        if importlib.util.find_spec("threadpoolctl") is None:
            return "needs the threadpoolctl package to set the threads of its BLAS"
        return None

    def prepare(self, case):
        layer = case.layer
        width = [(0, 0), (0, 0), *((p, p) for p in case.pads)]
        dilation = (1,) * case.rank if case.pools else layer.dilation
        axes = tuple(range(2, 2 + case.rank))
        inner = tuple(a + case.rank for a in axes)  # of the windows
        extents = [d * (k - 1) + 1 for k, d in zip(layer.kernel, dilation, strict=True)]
        fill = -np.inf if case.pools and layer.kind == "max" else 0

        def windows():
            padded = np.pad(case.x, width, constant_values=fill)
            view = np.lib.stride_tricks.sliding_window_view(padded, extents, axis=axes)
            steps = (slice(None, None, step) for step in (*layer.stride, *dilation))
            return view[(slice(None), slice(None), *steps)]

        if case.pools:
            reduce = np.max if layer.kind == "max" else np.mean
            return lambda: reduce(windows(), axis=inner), np.asarray

        n, _, *spatial = case.y_shape
        groups, depth = layer.groups, math.prod(layer.weight_shape[1:])
        weight = case.weight.reshape(groups, -1, depth)
        blas = blas_of("numpy")

        def call():
            with blas.limit(limits=case.threads) if blas else contextlib.nullcontext():
                columns = windows().transpose(0, 1, *inner, *axes)
                columns = columns.reshape(n, groups, depth, math.prod(spatial))
                y = (weight @ columns).reshape(case.y_shape)
                y += case.bias.reshape(-1, *(1,) * case.rank)
                return y

        return call, np.asarray


def blas_of(package):
    """The thread pool of the BLAS that `package` brings, or None where it brings none."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController().select(user_api="blas")
    paths = [c.filepath for c in controller.lib_controllers if f"{package}.libs" in c.filepath]
    return controller.select(filepath=paths) if paths else controller


PEERS = (Torch, TorchChannelsLast, OnnxRuntime, OpenVino, Ncnn, OpenCV, SciPy, SciPySignal,
         SciPyFFT, NumPy)  # fmt: skip
